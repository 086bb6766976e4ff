#!/bin/bash
# A newcomer's walk: types what docs/installing.md says, line for line, in a throw-away system with systemd, and says how long each
# step took. Nothing of the steps stands here: what is not in the document is not typed. The camera is ffmpeg, the broker
# Debian's mosquitto. Root, systemd-container.
#   trials/newcomer.sh PACKAGE.deb [GAME]            in this machine's own root, written to memory; the package's dependencies must
#                                                    be on it, since there is no network inside. Two minutes
#   trials/newcomer.sh --empty PACKAGE.deb [GAME]    in an empty Debian 12 (debootstrap, minbase): apt fetches all that the package
#                                                    wants, before it is booted; the rest is walked without network. Some minutes, 2 GB
# GAME: the video that is published (default: the rendered game). EMPTY: a tree that debootstrap made, to be used again.
# Exit: 0 a shot was called within 60 s of the camera's beginning, at the rim that was aimed at · 1 not
set -euo pipefail
LIMIT=60

# The lines that follow a mark in the document, with what the reader puts in for BOX and KEY.
lines() {
    awk -v mark="<!-- walk: $1 -->" '$0 == mark { at = 1; next } at && /^```$/ { exit } at && open { print } at && /^```sh/ { open = 1 }' \
        "$document" | sed "s/BOX/127.0.0.1/g; s/KEY/${key:-KEY}/g"
}
# A newcomer has sudo, and says yes where apt asks.
newcomer() {
    [ -e "$1/usr/bin/sudo" ] || { printf '#!/bin/sh\nexec "$@"\n' >"$1/usr/local/bin/sudo"; chmod 755 "$1/usr/local/bin/sudo"; }
    echo 'APT::Get::Assume-Yes "true";' >"$1/etc/apt/apt.conf.d/99newcomer"
}

inside() {
    document=/srv/walk/installing.md
    local began key called=
    mkdir -p /root/walk && cd /root/walk
    cp /srv/walk/courtside_*.deb /srv/walk/game.mp4 .
    # The image that this machine is made of may forbid packages to start anything: a newcomer's does not.
    rm -f /usr/sbin/policy-rc.d
    newcomer ""
    export DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    # Of an installation of before; in an empty system the package has just been placed.
    dpkg -s courtside >/dev/null 2>&1 || rm -rf /etc/courtside /var/lib/courtside

    now() { date +%s.%N; }
    since() { echo "$(now) $1" | awk '{ printf "%.1f", $1 - $2 }'; }
    step() {
        local name=$1 typed from status=0; shift
        typed=$(lines "$name")
        [ -n "$typed" ] || { echo "✗ docs/installing.md has no lines for: $name"; exit 1; }
        echo "--- $name"; echo "$typed" | sed 's/^/$ /'
        from=$(now)
        bash -c "$typed" </dev/null >"/tmp/said-$name" 2>&1 || status=$?
        tail -n 8 "/tmp/said-$name" | cut -c1-160
        echo "    $(since "$from") s, exit $status"
        return $status
    }
    must() { step "$1" || { echo "✗ $1"; journalctl -u courtside --no-pager | tail -n 20; exit 1; }; }

    local walk; walk=$(now)
    must install
    # Debian starts what it installs; here it was installed before this system was made.
    systemctl is-active -q mosquitto || systemctl start mosquitto
    must "broker and key"
    key=$(sed -n 's/^stream_key = "\(.*\)"$/\1/p' "/tmp/said-broker and key")
    [ -n "$key" ] || { echo "✗ no key was shown"; exit 1; }
    # `check` ends with 3: it says that nothing runs yet. What counts is that the daemon starts.
    must "check and start"
    [ "$(systemctl is-active courtside)" = active ] || { echo "✗ it does not run"; exit 1; }

    echo "--- camera"; lines camera | sed 's/^/$ /'
    began=$(now)
    # What ends with this trial's system needs no end of its own.
    bash -c "$(lines camera)" </dev/null >/tmp/said-camera 2>&1 &
    local try
    for try in 1 2 3 4 5 6; do
        # Who is too quick for the camera's first picture is told so, and types it again.
        step aim && break
        [ "$try" != 6 ] || { echo "✗ aim"; exit 1; }
        sleep 2
    done
    echo "    aimed at the try no. $try, $(since "$began") s after the camera: $(grep -m 1 '^rims = ' rims.toml)"
    courtside config show >/tmp/shown
    grep -q '^rims = .*# desired' /tmp/shown || { echo "✗ the box goes by other rims:"; grep '^rims' /tmp/shown; exit 1; }

    echo "--- watch"; lines watch | sed 's/^/$ /'
    true >/tmp/said-watch
    bash -c "$(lines watch)" </dev/null >/tmp/said-watch 2>/tmp/said-watch.err &
    local end=$((SECONDS + 120))
    while [ $SECONDS -lt $end ]; do
        called=$(grep -m 1 -E 'courtside\.shot\.(made|missed)\.v1' /tmp/said-watch) && break
        sleep 0.1
    done
    local took; took=$(since "$began")
    [ -n "$called" ] || { echo "✗ nothing was called in 120 s"; cat /tmp/said-watch.err; courtside doctor || :; journalctl -u courtside --no-pager | tail -n 30; exit 1; }
    echo "${called:0:240}"
    echo "✓ the first call $took s after the camera began, aiming included; $(since "$walk") s after the first line was typed"
    courtside doctor || :
    awk -v took="$took" -v limit=$LIMIT 'BEGIN { exit took > limit }' || { echo "✗ later than $LIMIT s"; exit 1; }
}
if [ "${1:-}" = --inside ]; then inside; exit; fi

empty=
[ "${1:-}" != --empty ] || { empty=yes; shift; }
package=$(realpath "${1:?which package? e.g. trials/newcomer.sh target/debian/courtside_0.1.0-1_amd64.deb}")
cd "$(dirname "$0")/.."
game=$(realpath "${2:-assets/demo/game.flv}")
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir "$work/walk"
cp "$package" docs/installing.md trials/newcomer.sh "$work/walk"
ffmpeg -v error -nostdin -i "$game" -c copy "$work/walk/game.mp4"
if [ -n "$empty" ]; then
    document=docs/installing.md
    ROOT=${EMPTY:-$work/tree}
    [ -e "$ROOT/usr/bin/apt" ] || debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates bookworm "$ROOT" >"$work/debootstrap" ||
        { tail -n 3 "$work/debootstrap" >&2; exit 1; }
    export ROOT
    newcomer "$ROOT"
    # Debian's installer writes this; debootstrap does not.
    [ -e "$ROOT/etc/hosts" ] || echo '127.0.0.1 localhost' >"$ROOT/etc/hosts"
    cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
    cp "$package" "$ROOT/root/"
    echo "--- an empty Debian $(cat "$ROOT/etc/debian_version"), $(chroot "$ROOT" dpkg-query -f . -W | wc -c) packages"
    lines install | sed 's/^/$ /'
    from=$SECONDS
    within() { systemd-nspawn -q --register=no --keep-unit --resolv-conf=off --pipe -D "$ROOT" "$@"; }
    within sh -c "cd /root; export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; $(lines install)" >"$work/installed" 2>&1 </dev/null ||
        { tail -n 20 "$work/installed"; exit 1; }
    grep -E "newly installed|courtside: " "$work/installed" || :
    echo "    $((SECONDS - from)) s"
    # The camera is another machine's; inside there is one machine alone.
    within apt-get install -qq --no-install-recommends ffmpeg procps >"$work/ffmpeg" 2>&1 </dev/null || { tail -n 5 "$work/ffmpeg"; exit 1; }
fi
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >"$work/idle.service"
bash trials/unit_in_systemd.sh -t 400 -n idle.service -f "$work/walk:/srv/walk" -p 'bash /srv/walk/newcomer.sh --inside' "$work/idle.service"
