#!/bin/bash
# A newcomer's walk: types what docs/installing.md says, line for line, in a throw-away system with systemd (this machine's
# own root, written to memory), and says how long each step took. Nothing of the steps stands here: what is not in the document
# is not typed. The camera is ffmpeg, the broker Debian's mosquitto. Two minutes; root, systemd-container.
#   trials/newcomer.sh PACKAGE.deb [GAME]      GAME: the video that is published (default: the rendered game)
# The package's dependencies must be on the machine: there is no network inside. Exit: 0 a shot was called within 60 s of the
# camera's first picture · 1 not
set -euo pipefail
LIMIT=60

inside() {
    local began key called=
    mkdir -p /root/walk && cd /root/walk
    cp /srv/walk/courtside_*.deb /srv/walk/game.mp4 .
    # The image that this machine is made of may forbid packages to start anything, and have no sudo: a newcomer's does.
    rm -f /usr/sbin/policy-rc.d
    # He says yes where apt asks.
    echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/99newcomer
    export DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    command -v sudo >/dev/null || { printf '#!/bin/sh\nexec "$@"\n' >/usr/local/bin/sudo; chmod 755 /usr/local/bin/sudo; }
    rm -rf /etc/courtside /var/lib/courtside

    # The lines that follow a mark in the document, with what the reader puts in for BOX and KEY.
    lines() {
        awk -v mark="<!-- walk: $1 -->" '$0 == mark { at = 1; next } at && /^```$/ { exit } at && open { print } at && /^```sh/ { open = 1 }' \
            /srv/walk/installing.md | sed "s/BOX/127.0.0.1/g; s/KEY/${key:-KEY}/g"
    }
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
    bash -c "$(lines watch)" </dev/null >/tmp/said-watch 2>/dev/null &
    local end=$((SECONDS + 120))
    while [ $SECONDS -lt $end ]; do
        called=$(grep -m 1 -E 'courtside\.shot\.(made|missed)\.v1' /tmp/said-watch) && break
        sleep 0.1
    done
    local took; took=$(since "$began")
    [ -n "$called" ] || { echo "✗ nothing was called in 120 s"; courtside doctor || :; journalctl -u courtside --no-pager | tail -n 30; exit 1; }
    echo "${called:0:240}"
    echo "✓ the first call $took s after the camera began, aiming included; $(since "$walk") s after the first line was typed"
    courtside doctor || :
    awk -v took="$took" -v limit=$LIMIT 'BEGIN { exit took > limit }' || { echo "✗ later than $LIMIT s"; exit 1; }
}
if [ "${1:-}" = --inside ]; then inside; exit; fi

package=$(realpath "${1:?which package? e.g. trials/newcomer.sh target/debian/courtside_0.1.0-1_amd64.deb}")
cd "$(dirname "$0")/.."
game=$(realpath "${2:-assets/demo/game.flv}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/walk"
cp "$package" docs/installing.md trials/newcomer.sh "$work/walk"
ffmpeg -v error -nostdin -i "$game" -c copy "$work/walk/game.mp4"
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >"$work/idle.service"
bash trials/unit_in_systemd.sh -t 400 -n idle.service -f "$work/walk:/srv/walk" -p 'bash /srv/walk/newcomer.sh --inside' "$work/idle.service"
