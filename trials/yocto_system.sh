#!/bin/bash
# What yocto/meta-courtside adds to a box's start, run here without an image: the machine id's hook in a mount
# namespace, then fstab's bind mounts, courtside-data.service and its first configuration under a real systemd in a
# throw-away container (root, systemd-container; unit_in_systemd.sh makes it). Some 10 s.
#   trials/yocto_system.sh [BINARY]      BINARY checks the first configuration
# Not this: the partition itself (a container has no device units, so /data is a tmpfs here), its mkfs and growth,
# the initramfs, chrony, the watchdog. Exit: 0 all shown · 1 not
set -euo pipefail
bad=0
ok() { echo "✓ $*"; }
no() { echo "✗ $*"; bad=1; }
holds() { local what=$1; shift; if "$@" >/dev/null 2>&1; then ok "$what"; else no "$what"; fi; }

if [ "${1:-}" = --inside ]; then
    is() { holds "$1 is $2" test "$(stat -c '%U:%G %a' "$1")" = "$2"; }
    holds "no job failed or was left out of a circle" sh -c '! journalctl -b --no-pager | grep -iE "ordering cycle|Failed to mount"'
    holds "courtside-data.service ended well" test "$(systemctl show -P Result courtside-data)" = success
    is /var/lib/courtside "courtside:courtside 700"
    is /var/cache/courtside "courtside:courtside 755"
    is /etc/courtside "root:courtside 750"
    is /etc/courtside/courtside.toml "root:courtside 640"
    is /data/log/journal "root:systemd-journal 2755"
    # By whom the mounts are of, since a plain folder would look alike.
    is /var/lib/courtside-update "root:root 755"
    for place in /var/lib/courtside /var/lib/courtside-update /var/cache/courtside /etc/courtside /var/lib/chrony /var/log; do
        holds "$place lies on the data partition" findmnt -n "$place"
        touch "$place/seen-there" && holds "what is written to $place is below /data" sh -c 'find /data -name seen-there | xargs rm'
    done
    holds "the journal went there at the start of the box" sh -c 'find /data/log/journal -name "system.journal" | grep -q .'
    # What another image numbered otherwise is owned again, and what somebody wrote stays.
    touch /var/lib/courtside/left && chown 4711:4711 /var/lib/courtside/left
    echo "# mine" >>/etc/courtside/courtside.toml
    systemctl restart courtside-data
    is /var/lib/courtside/left "courtside:courtside 644"
    holds "a configuration that is there is left alone" grep -q '# mine' /etc/courtside/courtside.toml
    exit $bad
fi

cd "$(dirname "$0")/.."
layer=yocto/meta-courtside
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

hook=$layer/recipes-courtside/courtside-os/files/pre-switchroot.sh
mkdir -p "$work/root/etc" "$work/root/run"
printf '1421324012345\0' >"$work/serial"
identify() { # prints what stands in /etc/machine-id afterwards
    : >"$work/root/etc/machine-id"
    unshare -m sh -c "ROOT=$work/root SERIAL=$1 . ./$hook; cat $work/root/etc/machine-id"
}
id=$(identify "$work/serial")
holds "the machine id is 32 hexadecimal digits: $id" sh -c "echo $id | grep -qxE '[0-9a-f]{32}'"
holds "the same at the next start" test "$id" = "$(identify "$work/serial")"
printf '1421324012346\0' >"$work/other"
holds "another for another module" test "$id" != "$(identify "$work/other")"
holds "none where there is no serial number, and nothing fails" test -z "$(identify "$work/none")"
holds "the root itself is as it was" test ! -s "$work/root/etc/machine-id"

[ -z "${1:-}" ] || holds "the program takes the first configuration" \
    "$1" config check --config $layer/recipes-courtside/courtside-os/files/first-boot.toml

mkdir -p "$work/etc" "$work/share/courtside-data"
# The container's own /data, and no line that names a device.
grep -v '^/dev/' $layer/recipes-core/base-files/files/data.fstab >"$work/etc/fstab"
printf '[Mount]\nWhat=tmpfs\nWhere=/data\nType=tmpfs\nOptions=nodev,nosuid,noexec,mode=0755\n' >"$work/data.mount"
for file in passwd group; do cp /etc/$file "$work/etc/$file"; done
grep -q '^courtside:' "$work/etc/passwd" || {
    echo 'courtside:x:987:987::/var/lib/courtside:/usr/sbin/nologin' >>"$work/etc/passwd"
    echo 'courtside:x:987:' >>"$work/etc/group"
}
cp $layer/recipes-courtside/courtside-os/files/courtside-data.conf "$work/share/courtside-data/data.conf"
cp $layer/recipes-courtside/courtside-os/files/first-boot.toml "$work/share/courtside-data/"
install -d "$work/conf"; cp $layer/recipes-courtside/courtside-os/files/journald.conf "$work/conf/50-courtside.conf"
install -d "$work/etc/courtside" "$work/wants"
# As the recipe enables it.
ln -s ../courtside-data.service "$work/wants/courtside-data.service"
bash trials/unit_in_systemd.sh -t 60 -n local-fs.target -f "$work/etc/fstab:/etc/fstab" -f "$work/etc/passwd:/etc/passwd" \
    -f "$work/etc/group:/etc/group" -f "$work/etc/courtside:/etc/courtside" -f "$work/conf:/etc/systemd/journald.conf.d" \
    -f "$work/wants:/etc/systemd/system/local-fs.target.wants" \
    -f "$work/share/courtside-data:/usr/share/courtside-data" -f "$PWD/trials/yocto_system.sh:/srv/yocto_system.sh" \
    -p 'bash /srv/yocto_system.sh --inside' $layer/recipes-courtside/courtside-os/files/courtside-data.service "$work/data.mount" || bad=1
exit $bad
