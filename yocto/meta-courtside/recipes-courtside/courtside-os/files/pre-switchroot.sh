# Sourced by /init of the initramfs with the root at /mnt (tests: ROOT and SERIAL). Whatever fails here, the box
# boots: systemd then makes up an id for this boot.
courtside_root=${ROOT:-/mnt}
courtside_serial=$(cat "${SERIAL:-/sys/firmware/devicetree/base/serial-number}" 2>/dev/null | tr -d '\000')
if [ -n "$courtside_serial" ] && [ -e "$courtside_root/etc/machine-id" ] &&
    mount -t tmpfs -o mode=0755,nodev,nosuid tmpfs "$courtside_root/run"; then
    # Of busybox's sums the one that is as long as an id; the serial number itself stands on the module.
    printf 'courtside machine id of %s' "$courtside_serial" | md5sum | cut -d ' ' -f 1 >"$courtside_root/run/machine-id"
    chmod 444 "$courtside_root/run/machine-id"
    mount --bind "$courtside_root/run/machine-id" "$courtside_root/etc/machine-id" || :
fi
