#!/bin/bash
# Runs systemd/courtside.service under a real systemd in a throw-away container, and shows that it
# starts, is sandboxed, calls shots, is killed by its watchdog and comes back, drains, and does not
# try again on a wrong configuration. About a minute; needs root and systemd-container.
#   trials/unit.sh BINARY            e.g. trials/unit.sh target/release/courtside
# unit_in_systemd.sh makes the container. Exit: 0 all shown · 1 not
set -euo pipefail

inside() { # ends with 0 when every line has its check mark
    bad=0
    ok() { echo "✓ $*"; }
    no() { echo "✗ $*"; bad=1; }
    holds() { local what=$1; shift; if "$@" >/dev/null 2>&1; then ok "$what"; else no "$what"; fi; }
    show() { systemctl show -P "$1" courtside; }
    logged() { journalctl -u courtside --no-pager -o cat | grep -q "$@"; }
    until_true() { # SECONDS COMMAND...
        local end=$((SECONDS + $1)); shift
        until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done
    }

    systemd-sysusers; systemd-tmpfiles --create /usr/lib/tmpfiles.d/courtside.conf
    install -m 640 -g courtside /dev/stdin /etc/courtside/courtside.toml <<'TOML'
[box]
name = "unit"
[uplink]
broker = "mqtt://127.0.0.1:1883"
[[court]]
name = "a"
stream_key = "a-key-that-only-this-test-knows"
rims = [[562, 167, 44, 10]]
TOML
    printf 'listener 1883 127.0.0.1\nallow_anonymous true\npersistence false\n' >/tmp/mosquitto.conf
    mosquitto -c /tmp/mosquitto.conf >/tmp/mosquitto.log 2>&1 &
    until_true 10 mosquitto_pub -h 127.0.0.1 -t started -m 1
    mosquitto_sub -h 127.0.0.1 -q 1 -t 'courtside/1/unit/#' -v >/tmp/sub 2>/dev/null &

    # Two settings are for systemd 254 and later.
    local mistakes; mistakes=$(systemd-analyze verify courtside.service 2>&1 | grep -i courtside \
        | grep -v "Unknown key.* 'Restart\(Steps\|MaxDelaySec\)'" || :)
    holds "the unit has no mistake that systemd sees $mistakes" test -z "$mistakes"
    holds "READY was told" systemctl start courtside
    holds "state: active, as user courtside" test "$(show ActiveState) $(show User)" = "active courtside"
    until_true 10 sh -c '[ -n "$(systemctl show -P StatusText courtside)" ]' || :
    holds "STATUS: $(show StatusText)" test -n "$(show StatusText)"
    local state; state=$(stat -c '%U %a' -L /var/lib/courtside)
    holds "state folder made: $state" test "$state" = "courtside 700"
    local token; token=$(stat -c '%U %a' /var/lib/courtside/token)
    holds "token made: $token" test "$token" = "courtside 600"

    ffmpeg -v error -nostdin -re -i /srv/game.flv -c copy -f flv \
        rtmp://127.0.0.1/live/a-key-that-only-this-test-knows 2>/tmp/ffmpeg.log &
    local camera=$!
    holds "a stream is live in STATUS" until_true 15 sh -c \
        'systemctl show -P StatusText courtside | grep -q live'
    holds "an event was promised" until_true 30 logged promised
    holds "and is at the broker's subscriber" until_true 10 grep -q 'event/a/shot' /tmp/sub
    journalctl -u courtside -o json --no-pager >/tmp/journal.json
    local fields; fields=$(grep -o '"COURTSIDE_[A-Z_]*"' /tmp/journal.json | sort -u | tr -d '"' | tr '\n' ' ')
    holds "journal fields: $fields" grep -q '"COURTSIDE_COURT"' /tmp/journal.json
    holds "no secret in the journal" sh -c '! grep -q a-key-that-only /tmp/journal.json'
    holds "doctor says that it is well" sh -c 'courtside doctor >/tmp/doctor 2>&1'
    holds "check finds nothing to do" sh -c 'courtside check >/tmp/check 2>&1'
    kill $camera 2>/dev/null || :

    local first; first=$(show MainPID)
    kill -STOP "$first"
    holds "a process that stands still is killed by the watchdog and started again" until_true 60 sh -c \
        "[ \$(systemctl show -P NRestarts courtside) = 1 ] && [ \$(systemctl show -P ActiveState courtside) = active ]"
    holds "the watchdog is what ended it" sh -c 'journalctl --no-pager -u courtside | grep -q "Watchdog timeout"'
    local crash pid born died=0 slowest=0
    for crash in 1 2 3 4 5 6 7 8; do
        pid=$(show MainPID); born=$(date +%s%N)
        # The first is for Rust's own handler, which lets the second through.
        while kill -SEGV "$pid"; do sleep 0.01; done 2>/dev/null
        until_true 10 sh -c "[ \$(systemctl show -P MainPID courtside) != $pid ] &&
            [ \$(systemctl show -P ActiveState courtside) = active ]" || died=$crash
        born=$(( ($(date +%s%N) - born) / 1000000 ))
        [ $born -le $slowest ] || slowest=$born
    done
    holds "8 crashes in a row, and it came back from each within $slowest ms (died: $died)" \
        test "$died" = 0
    local before=$SECONDS
    systemctl stop courtside
    holds "stopped in $((SECONDS - before)) s, with result $(show Result)" test "$(show Result)" = success
    holds "the ledger balanced at the end" sh -c \
        'journalctl -u courtside -o json --no-pager | grep COURTSIDE_BALANCED | tail -1 | grep -q true'

    sed -i 's/^rims/rimms/' /etc/courtside/courtside.toml
    holds "a wrong configuration is refused" sh -c '! systemctl start courtside'
    sleep 3 # longer than any wait for a restart: it would show
    holds "and not tried again: $(show ActiveState), $(show NRestarts) restarts" \
        test "$(show ActiveState)" = failed
    holds "the journal says where and what" logged 'courtside.toml:8:1.*rims'
    [ "$bad" = 0 ] || { journalctl -u courtside --no-pager | tail -60; cat /tmp/doctor /tmp/check 2>/dev/null; }
    return $bad
}
if [ "${1:-}" = --inside ]; then inside; exit; fi

binary=$(realpath "${1:?which binary? e.g. trials/unit.sh target/release/courtside}")
cd "$(dirname "$0")/.."
# Not by `systemd-analyze security --threshold`, which counts in whole points on old releases. The daemon's GPU costs it
# the most; who keeps logs needs nothing of the kind, who makes keys is root.
for unit in courtside:1.8 courtside-keep-log@:1.0 courtside-first-boot:1.4; do
    file=systemd/${unit%:*}.service most=${unit#*:}
    exposure=$(systemd-analyze security --offline=yes --no-pager "$file" 2>/dev/null | sed -n 's/.*level for.*: \([0-9.]*\) .*/\1/p')
    awk -v e="$exposure" -v most="$most" 'BEGIN { exit !(e != "" && e <= most) }' || { echo "✗ $file: exposure $exposure, more than $most"; exit 1; }
    echo "✓ $file: exposure $exposure (at most $most)"
done
grep -q '^DeviceAllow=char-nvidia rw' systemd/courtside.service || { echo "✗ the GPU is not allowed"; exit 1; }
placed=$(mktemp -d)
trap 'rm -rf "$placed"' EXIT
make -s install BIN="$binary" DESTDIR="$placed"
echo "✓ make install places $(find "$placed" -type f | wc -l) files"
bash trials/unit_in_systemd.sh -t 240 -n basic.target -f "$placed/usr/.:/usr" \
    -f "$PWD/assets/demo/game.flv:/srv/game.flv" -f "$PWD/trials/unit.sh:/srv/unit.sh" \
    -p 'bash /srv/unit.sh --inside' systemd/courtside.service systemd/courtside-first-boot.service systemd/courtside-keep-log@.service
