#!/bin/bash
# Installs courtside's .deb in a throw-away system with systemd (this machine's own root, written to memory), and
# shows that its configuration is refused until a key is set, that it starts, that upgrade, downgrade and removal
# keep identity, token and video, and that purging leaves nothing. A minute; root, systemd-container.
#   trials/deb.sh PACKAGE.deb
# Dependencies must be on the machine, as they are where it was built. Exit: 0 all shown · 1 not
set -euo pipefail

inside() {
    bad=0
    ok() { echo "✓ $*"; }
    no() { echo "✗ $*"; bad=1; }
    holds() { local what=$1; shift; if "$@" >/tmp/said 2>&1; then ok "$what"; else no "$what"; tail -n 5 /tmp/said; fi; }
    show() { systemctl show -P "$1" courtside; }
    until_true() { local end=$((SECONDS + $1)); shift
        until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done; }
    kept() { (cd /var/lib/courtside && cat token box.key kept-video 2>/dev/null | sha256sum); (cd /etc/courtside && cat stream-key own.key own.pem | sha256sum); stat -c '%U %G %a' /var/lib/courtside; }
    file=/etc/courtside/courtside.toml
    # The image that this machine is made of may forbid packages to start and stop anything: a box does not.
    rm -f /usr/sbin/policy-rc.d
    # Nobody is there to be asked.
    export DEBIAN_FRONTEND=noninteractive
    place() { dpkg -i "$1" </dev/null; }

    holds "it installs" place /srv/old.deb
    holds "the user is made, in the GPU's groups" sh -c 'id courtside | grep -q render && id courtside | grep -q video'
    holds "the unit is enabled and was not started" test "$(systemctl is-enabled courtside) $(show ActiveState)" = "enabled inactive"
    holds "the configuration is root's and the group's: $(stat -c '%U:%G %a' $file)" test "$(stat -c '%U:%G %a' $file)" = "root:courtside 640"
    holds "and is refused until a key is set" sh -c "! courtside config check --config $file >/tmp/refused 2>&1 && grep -q 'key of the example' /tmp/refused"
    holds "so that the daemon does not start with it" sh -c '! systemctl start courtside'
    holds "bundles, page, completions and shims are there" bash -c 'ls /usr/share/courtside/models/{rimnet,ballnet,rimfinder}/model.toml \
        /usr/share/man/man1/courtside.1.gz /usr/share/bash-completion/completions/courtside /usr/share/zsh/vendor-completions/_courtside \
        /usr/share/fish/vendor_completions.d/courtside.fish /usr/lib/courtside/libcourtside-tensorrt-10.so'
    sed -i 's/CHANGE-ME/a-key-that-only-this-test-knows/' $file
    systemctl reset-failed courtside
    holds "with a key it starts" systemctl start courtside
    holds "and is READY: $(show ActiveState)" test "$(show ActiveState)" = active
    until_true 10 test -e /var/lib/courtside/token || :
    holds "a stream key and a certificate of its own were made" sh -c 'test $(stat -c "%U:%G %a" /etc/courtside/own.key | tr " " _) = root:courtside_640 &&
        grep -qxE "[0-9a-f]{32}" /etc/courtside/stream-key && openssl x509 -in /etc/courtside/own.pem -noout'
    holds "nothing but courtside itself is enabled" sh -c 'test -z "$(systemctl list-unit-files "courtside-*" --state=enabled --no-legend)"'
    head -c 1000000 /dev/urandom >/var/lib/courtside/kept-video
    local was config pid; was=$(kept); config=$(sha256sum <$file); pid=$(show MainPID)
    same() { test "$(kept)" = "$was" && test "$(sha256sum <$file)" = "$config"; }

    holds "it is upgraded, asking nothing" place /srv/new.deb
    holds "the daemon was started anew: $(show ActiveState)" sh -c "[ $(show ActiveState) = active ] && [ $(show MainPID) != $pid ]"
    holds "identity, token, video and configuration are as they were" same
    pid=$(show MainPID); kill -KILL "$pid"
    until_true 20 sh -c "[ \$(systemctl show -P MainPID courtside) != $pid ] && [ \$(systemctl show -P ActiveState courtside) = active ]"
    holds "killed, it comes back, and what it told is kept" until_true 20 sh -c 'ls /var/lib/courtside/failures/000001-signal-KILL.log'
    pid=$(show MainPID)
    holds "it is downgraded" place /srv/old.deb
    holds "the daemon runs: $(show ActiveState)" sh -c "[ $(show ActiveState) = active ] && [ $(show MainPID) != $pid ]"
    holds "and all is as it was" same
    systemctl stop courtside
    holds "upgraded while it stands still" place /srv/new.deb
    holds "it still stands still: $(show ActiveState)" test "$(show ActiveState)" = inactive
    systemctl start courtside
    holds "it is removed" dpkg -r courtside
    holds "no process and no program is left" sh -c '! pgrep -x courtside && ! test -e /usr/bin/courtside'
    holds "and what it keeps is kept" same
    holds "the log of its end too" test -s /var/lib/courtside/failures/000001-signal-KILL.log
    holds "installed again" place /srv/new.deb
    holds "it starts on what was kept" systemctl start courtside
    holds "as the same box" same
    holds "it is purged" dpkg -P courtside
    holds "configuration, data and cache are gone" sh -c '! ls -d /etc/courtside /var/lib/courtside /var/cache/courtside'
    holds "nothing of the package is left" sh -c '! dpkg -L courtside 2>/dev/null && ! ls -d /usr/share/courtside /usr/lib/courtside'
    [ "$bad" = 0 ] || journalctl -u courtside --no-pager | tail -n 30
    return $bad
}
if [ "${1:-}" = --inside ]; then inside; exit; fi

package=$(realpath "${1:?which package? e.g. trials/deb.sh target/debian/courtside_0.1.0-1_amd64.deb}")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$package" "$work/old.deb"
# The same again under a later version, which the configuration of a careless package would be asked about.
dpkg-deb -R "$package" "$work/tree"
sed -i 's/^Version: .*/Version: 99.0-1/' "$work/tree/DEBIAN/control"
echo '# a later example' >>"$work/tree/usr/share/courtside/courtside.example.toml"
(cd "$work/tree" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | xargs -0 md5sum >DEBIAN/md5sums)
dpkg-deb -Zgzip -z1 -b "$work/tree" "$work/new.deb" >/dev/null
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >"$work/idle.service"
bash trials/unit_in_systemd.sh -t 300 -n idle.service -f "$work/old.deb:/srv/old.deb" -f "$work/new.deb:/srv/new.deb" \
    -f "$PWD/trials/deb.sh:/srv/deb.sh" -p 'bash /srv/deb.sh --inside' "$work/idle.service"
