#!/bin/bash
# RAUC's backend of the image (yocto/…/rauc-backend) against a made-up nvbootctrl and made-up variables of the firmware:
# every verb for both slots, and every way to fail; then, where they are installed, the real RAUC with the image's own
# system.conf and keys of yocto/keys.sh: a bundle is signed, refused under another key, for another machine and when a
# byte of it is another, installed into two files as slots, armed, marked good and bad. Seconds; no root but for the
# second part, which mounts the bundle.
#   trials/slots.sh
# Not this: nvbootctrl itself, a firmware, a Jetson. Exit: 0 all shown · 1 not
set -u
cd "$(dirname "$0")/.."
layer=$PWD/yocto/meta-courtside
backend=$layer/recipes-courtside/courtside-os/files/rauc-backend
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
ok() { echo "✓ $*"; }
no() { echo "✗ $*"; bad=1; }
holds() { local what=$1; shift; if "$@" >"$work/said" 2>&1; then ok "$what"; else no "$what"; tail -n 5 "$work/said"; fi; }

guid=781e084c-a330-417c-b678-38e696380cb9
mkdir "$work/vars" "$work/bin"
# As L4T R36 and R39 print it; what it is told lies in files.
cat >"$work/bin/nvbootctrl" <<FAKE
#!/bin/sh
at=$work
echo "\$*" >>\$at/called
[ ! -e \$at/broken ] || { echo "Error: open /dev/mem" >&2; exit 1; }
letter() { case \$1 in 0) echo A ;; *) echo B ;; esac; }
case "\$*" in
get-current-slot) cat \$at/current ;;
dump-slots-info) printf 'Current version: 39.2.0\nCapsule update status: 0\nCurrent bootloader slot: %s\nActive bootloader slot: %s\nnum_slots: 2\nslot: 0,             status: normal\nslot: 1,             status: normal\n' "\$(letter \$(cat \$at/current))" "\$(letter \$(cat \$at/active))" ;;
"-t rootfs dump-slots-info") [ ! -e \$at/single ] || { echo "RootFS A/B is not enabled"; exit 0; }
    printf 'Current rootfs slot: %s\nActive rootfs slot: %s\nnum_slots: 2\nslot: 0,             retry_count: 3,             status: normal\nslot: 1,             retry_count: 3,             status: normal\n' "\$(letter \$(cat \$at/current))" "\$(letter \$(cat \$at/active))" ;;
"set-active-boot-slot 0" | "set-active-boot-slot 1") [ ! -e \$at/no-set ] || exit 1; echo "\${2}" >\$at/active ;;
verify) [ ! -e \$at/no-verify ] || exit 1 ;;
*) echo "fake: \$*" >&2; exit 9 ;;
esac
FAKE
chmod +x "$work/bin/nvbootctrl"
reset() { # the box as it was flashed: A runs, both are good
    rm -f "$work"/{broken,single,no-set,no-verify,called}
    echo 0 >"$work/current"; echo 0 >"$work/active"
    for slot in A B; do printf '\007\000\000\000\000\000\000\000' >"$work/vars/RootfsStatusSlot$slot-$guid"; done
}
ask() { EFIVARS=$work/vars PATH=$work/bin:$PATH sh "$backend" "$@" 2>"$work/why"; }
bytes() { od -A n -t x1 "$work/vars/RootfsStatusSlot$1-$guid" | tr -d ' \n'; }
is() { local what=$1 want=$2 got; shift 2; got=$(ask "$@"); if [ "$got" = "$want" ]; then ok "$what: $* → $got"; else no "$what: $* → '$got', not '$want': $(cat "$work/why")"; fi; }
refused() { local what=$1 why=$2; shift 2
    if ask "$@" >"$work/out"; then no "$what: $* was done"
    elif [ -s "$work/out" ]; then no "$what: $* answers '$(cat "$work/out")' and fails"
    elif grep -q "$why" "$work/why"; then ok "$what: $* → $(cut -c15-110 "$work/why")"
    else no "$what: $*, but not by '$why': $(cat "$work/why")"; fi; }

for run in 0 1; do
    reset; echo $run >"$work/current"
    runs=$(echo $run | tr 01 AB); rest=$(echo $run | tr 01 BA)
    is "$runs runs" "$runs" get-current
    for active in 0 1; do echo $active >"$work/active"; is "$runs runs" "$(echo $active | tr 01 AB)" get-primary; done
    for slot in A B; do is "as flashed" good get-state $slot; done
    holds "set-state $rest bad" ask set-state $rest bad
    is "then" bad get-state $rest; is "and the other" good get-state $runs
    holds "the variable is what the firmware reads ($(bytes $rest))" test "$(bytes $rest)" = 07000000ff000000
    refused "something must start" "nothing would start" set-state $runs bad
    holds "and nothing was changed" test "$(bytes $runs)" = 0700000000000000
    holds "set-primary $rest makes it bootable first" ask set-primary $rest
    is "then" "$rest" get-primary; is "and" good get-state $rest
    holds "set-state $runs bad, now that the other is good" ask set-state $runs bad
    is "then" bad get-state $runs
    : >"$work/called"
    holds "set-state $runs good, by verify, which gives the tries back" ask set-state $runs good
    holds "verify was called" grep -qx verify "$work/called"
    : >"$work/called"
    ask set-state $rest bad; is "set-state $rest bad" bad get-state $rest
    ask set-state $rest good; is "and good again" good get-state $rest
    holds "by its variable: verify, which means the slot that runs, was not called" sh -c "! grep -qx verify $work/called"
done
reset
for wrong in "" "get-all" "get-primary A" "get-state" "get-state C" "set-state A" "set-state A fine" "set-primary" "set-primary 1" "get-state A;reboot"; do
    # shellcheck disable=SC2086 # words, as RAUC gives them
    refused "no such thing" "rauc-backend:" $wrong
done
touch "$work/broken"; for verb in get-current get-primary "set-primary B" "set-state A good" "set-state B bad"; do refused "nvbootctrl fails" "dev/mem" $verb; done
holds "and no variable was touched" test "$(bytes A)$(bytes B)" = 07000000000000000700000000000000
reset; touch "$work/single"; for verb in get-current get-primary "get-state A" "set-state B bad" "set-primary B"; do refused "flashed without a second root" "second root" $verb; done
reset; touch "$work/no-set"; refused "the slot is not switched" "set-active-boot-slot 1 failed" set-primary B
reset; touch "$work/no-verify"; refused "verify fails" "verify failed" set-state A good
reset; echo 7 >"$work/current"; refused "a slot that is none" "'7'" get-current
reset; : >"$work/vars/RootfsStatusSlotB-$guid"; refused "a variable without bytes" "no state" get-state B
reset; rm "$work/vars/RootfsStatusSlotB-$guid"; refused "no variable" "there is no" get-state B
holds "set-state makes it" ask set-state B bad; is "then" bad get-state B

if ! command -v rauc >/dev/null || ! command -v dbus-daemon >/dev/null || ! command -v mksquashfs >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "· the real RAUC was NOT RUN: it wants root, rauc, dbus-daemon and squashfs-tools"
    exit $bad
fi
reset
printf 'untrusted comment: minisign public key\nRW%054d\n' 0 >"$work/update.pub"
holds "yocto/keys.sh makes keys" yocto/keys.sh "$work/keys" "$work/update.pub"
holds "and never over others" sh -c "! yocto/keys.sh $work/keys $work/update.pub"
yocto/keys.sh "$work/others" "$work/update.pub" >/dev/null
# The image's own file, with slots, folders and backend that lie here.
for slot in 0 1; do truncate -s 24M "$work/slot$slot"; done
mkdir -p "$work/mount" "$work/data" "$work/etc"
printf '#!/bin/sh\nEFIVARS=%s PATH=%s:$PATH exec sh %s "$@"\n' "$work/vars" "$work/bin" "$backend" >"$work/backend"; chmod +x "$work/backend"
sed -e "s|@COMPATIBLE@|courtside-of-a-trial|; s|/dev/disk/by-partlabel/APP_b|$work/slot1|; s|/dev/disk/by-partlabel/APP|$work/slot0|" \
    -e "s|/var/lib/courtside-update/rauc|$work/data|; s|/run/rauc|$work/mount|; s|/usr/lib/courtside/rauc-backend|$work/backend|" \
    -e "s|^type=ext4|type=raw|" "$layer/recipes-core/rauc/files/system.conf" >"$work/etc/system.conf"
cp "$work/keys/keyring.pem" "$work/etc/"
pack() { # NAME KEYS COMPATIBLE FORMAT
    rm -rf "$work/tree" "$work/$1.raucb"; mkdir "$work/tree"; head -c 8000000 /dev/urandom >"$work/tree/root.img"
    printf '[update]\ncompatible=%s\nversion=0.2.0\n[bundle]\nformat=%s\n[image.rootfs]\nfilename=root.img\n' "$3" "$4" >"$work/tree/manifest.raucm"
    rauc bundle --cert="$work/$2/bundle.cert.pem" --key="$work/$2/bundle.key.pem" "$work/tree" "$work/$1.raucb" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
    cp "$work/tree/root.img" "$work/$1.img"
}
# As if slot A had been started, which RAUC reads in the kernel's command line. Its service hears on a bus of its own.
echo "root=/dev/ram0 rauc.slot=A" >"$work/cmdline"
export DBUS_STARTER_BUS_TYPE=session
dbus-daemon --session --fork --print-address=3 --print-pid=4 3>"$work/bus" 4>"$work/bus-pid"
export DBUS_SESSION_BUS_ADDRESS; DBUS_SESSION_BUS_ADDRESS=$(cat "$work/bus")
service=
trap 'kill $service $(cat "$work/bus-pid") 2>/dev/null; wait $service 2>/dev/null; rm -rf "$work"' EXIT
box() { rauc --conf="$work/etc/system.conf" "$@"; }
up() { for _ in $(seq 100); do box status && return; sleep 0.2; done; return 1; }
begin() {
    [ -z "$service" ] || { kill $service; wait $service 2>/dev/null; }
    unshare -m sh -c 'mount --bind "$0" /proc/cmdline && exec rauc "$@"' "$work/cmdline" --conf="$work/etc/system.conf" service >"$work/service" 2>&1 &
    service=$!
    up
}
holds "RAUC's service runs with the image's system.conf" begin
both_good() { box status --output-format=shell | grep -cE "^RAUC_SLOT_BOOT_STATUS_[0-9]+='?good" | grep -qx 2; }
holds "a bundle is signed" pack good keys courtside-of-a-trial verity
holds "its signature is good by the image's keyring" box info "$work/good.raucb"
holds "RAUC takes the image's system.conf, and by our backend both slots are good" both_good
not_installed() { local what=$1 why=$2; shift 2; cp "$work/slot1" "$work/slot1.was"
    if box install "$@" >"$work/said" 2>&1; then no "$what: it was installed"
    elif grep -qi "$why" "$work/said" && cmp -s "$work/slot1" "$work/slot1.was"; then ok "$what is refused, and no slot written: $(grep -im1 "$why" "$work/said" | cut -c1-110)"
    else no "$what: refused, but not so:"; tail -n 4 "$work/said"; fi; }
holds "others sign one too" pack foreign others courtside-of-a-trial verity
pack machine keys courtside-of-another verity
not_installed "one under another key" "lasterror: .*signature" "$work/foreign.raucb"
pack machine keys courtside-of-another verity
pack plain keys courtside-of-a-trial plain
not_installed "one of the old format" "format" "$work/plain.raucb"
bundle=good
if [ ! -e /dev/mapper/control ]; then
    # The same signature over the same manifest, without the hash tree that needs the kernel's device-mapper.
    echo "· this kernel has no device-mapper: what follows is installed in format plain, and NOT RUN is a bundle with another byte"
    sed -i '/^bundle-formats/d' "$work/etc/system.conf"
    begin >"$work/said" 2>&1 || no "RAUC's service does not come again"
    pack machine keys courtside-of-another plain
    bundle=plain
fi
not_installed "one for another machine" "lasterror: .*compatible" "$work/machine.raucb"
holds "the bundle is installed into the slot that does not run" box install "$work/$bundle.raucb"
holds "byte for byte" sh -c "head -c 8000000 $work/slot1 | cmp -s - $work/$bundle.img"
is "and stays bad until it is armed" bad get-state B
is "and A is what starts next" A get-primary
if [ $bundle = good ]; then
    cp "$work/good.raucb" "$work/spoilt.raucb"
    printf 'another byte' | dd of="$work/spoilt.raucb" bs=1 seek=4000000 conv=notrunc 2>/dev/null
    if box install "$work/spoilt.raucb" >"$work/said" 2>&1; then no "a bundle with another byte was installed"; else ok "a bundle with another byte is refused: $(grep -m1 LastError "$work/said" | cut -c1-100)"; fi
fi
holds "mark-active other" box status mark-active other
is "then" B get-primary; is "and" good get-state B
holds "mark-bad booted, as when a trial failed" box status mark-bad booted
is "then" bad get-state A
: >"$work/called"
holds "mark-good booted" box status mark-good booted
holds "which is nvbootctrl verify" grep -qx verify "$work/called"
exit $bad
