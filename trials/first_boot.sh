#!/bin/sh
# Pulls the plug on a first boot (systemd/first-boot: a box's stream key and certificate), many times, from one recorded
# run of 30 first boots: what was told to be there is there, byte for byte; what was cut off is made whole by the next
# start; key and certificate always belong together. powercut.py records and cuts. Root, loop devices, FUSE,
# qemu-storage-daemon, openssl. A minute or two.
#   trials/first_boot.sh [CUTS]          exit 0 when all held
#   trials/first_boot.sh --control       the same without syncs must lose something
set -eu
cd "$(dirname "$0")/.."
control=
if [ "${1:-}" = --control ]; then control=1; shift; fi
cuts=${1:-60}
for needed in qemu-storage-daemon losetup openssl python3; do
    command -v "$needed" >/dev/null || { echo "first_boot: NOT RUN: $needed is not installed" >&2; exit 3; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
script=$PWD/systemd/first-boot
mkdir "$work/bin"
if [ -n "$control" ]; then printf '#!/bin/sh\n' >"$work/bin/sync"; chmod +x "$work/bin/sync"; fi
cat >"$work/write" <<WRITE
PATH=$work/bin:\$PATH
for n in \$(seq 30); do
    CONFIGURATION=\$POWERCUT_DIR/etc-\$n sh $script >/dev/null || exit 1
    echo "\$n \$(cd etc-\$n && cat stream-key own.key own.pem | sha256sum | cut -d' ' -f1)"
done
WRITE
cat >"$work/verify" <<VERIFY
while read -r n sum; do
    is=\$(cd etc-\$n && cat stream-key own.key own.pem 2>/dev/null | sha256sum | cut -d' ' -f1)
    [ "\$is" = "\$sum" ] || { echo "etc-\$n was told to be there, and is not as it was"; exit 1; }
done <\$POWERCUT_ACKS
for dir in etc-*; do
    ls -A \$dir | grep -q . || continue
    CONFIGURATION=\$POWERCUT_DIR/\$dir sh $script >/dev/null || { echo "\$dir is not mended by the next start"; exit 1; }
    grep -qxE '[0-9a-f]{32}' \$dir/stream-key || { echo "\$dir has no whole stream key"; exit 1; }
    of_key=\$(openssl pkey -in \$dir/own.key -pubout 2>&1); of_pem=\$(openssl x509 -in \$dir/own.pem -noout -pubkey 2>&1)
    [ "\$of_key" = "\$of_pem" ] || { echo "\$dir: key and certificate are not of one pair"; exit 1; }
    ! ls -A \$dir | grep -q '^.first-boot' || { echo "\$dir keeps what was left half written"; exit 1; }
done
VERIFY
python3 trials/powercut.py --cuts "$cuts" --seconds 120 --size 32M --setup 'for n in $(seq 30); do mkdir etc-$n; done; sync' \
    --cmd "sh $work/write" --verify "sh $work/verify" ${control:+--expect-fail}
