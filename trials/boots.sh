#!/bin/bash
# Starts the packaged unit as a box meets it on a bad day, under a real systemd in a throw-away container: no network,
# a full disk, a read-only disk, a clock in 1970, a daemon that hangs, one that dies again and again. Prints a table:
# whether it was READY, whether a camera's shots were called, what `doctor` says, what was kept of the end. Some four
# minutes; needs root, systemd-container, ffmpeg, e2fsprogs, libfaketime.
#   trials/boots.sh BINARY            e.g. trials/boots.sh target/debug/courtside
# The data folder is an ext4 of its own, 300 MB, so that it can be full. The start is the unit's, with the data of the
# one before; the container's systemd is not started anew. Exit: 0 each as it must be · 1 not · 3 something lacks
set -euo pipefail

if [ "${1:-}" = --inside ]; then
    set +e
    bad=0
    data=/var/lib/courtside
    show() { systemctl show -P "$1" courtside; }
    until_true() { local end=$((SECONDS + $1)); shift
        until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done; }
    since=0
    told() { journalctl -u courtside --no-pager -o cat -q --since "@$since" 2>/dev/null; }
    shots() { told | grep -c promised; }
    camera() { # publishes the demo's game until a shot was promised or SECONDS are over
        ffmpeg -v error -nostdin -re -i /srv/game.flv -c copy -f flv rtmp://127.0.0.1/live/a-key-that-only-this-test-knows 2>/tmp/ffmpeg.log &
        local pid=$!
        until_true "$1" sh -c "[ \"\$(journalctl -u courtside --no-pager -o cat -q --since @$since | grep -c promised)\" -gt 0 ]"
        kill $pid 2>/dev/null; wait $pid 2>/dev/null
    }
    codes() { courtside doctor --json 2>/dev/null | grep -o '"code":"[a-z_]*"' | cut -d'"' -f4 | sort -u | tr '\n' ' '; }
    # The box looks at its machine every ten seconds.
    comes() { until_true 25 sh -c "courtside doctor --json 2>/dev/null | grep -q '\"$1\"'"; }
    row() { # WHAT STATE SHOTS DOCTOR WORD RIGHT
        printf '%s %-22s | %-24s | %5s | %s\n' "$([ "$6" = yes ] && echo ✓ || { echo ✗; })" "$1" "$2" "$3" "$4"
        [ -z "$5" ] || printf '  %-22s   %s\n' '' "$5"
        [ "$6" = yes ] || bad=1
    }
    has() { case " $1 " in *" $2 "*) return 0 ;; *) return 1 ;; esac; }
    begin() { since=$(date +%s); sleep 1; systemctl reset-failed courtside 2>/dev/null; timeout 100 systemctl start courtside; }
    state() { echo "$(show ActiveState), restarts $(show NRestarts)"; }

    install -m 640 -g courtside /dev/stdin /etc/courtside/courtside.toml <<'TOML'
[box]
name = "boots"
[uplink]
broker = "mqtt://192.0.2.1:1883"
[ring]
quota_bytes = 60000000
keep_free_bytes = 8000000
[[court]]
name = "a"
stream_key = "a-key-that-only-this-test-knows"
rims = [[562, 167, 44, 10]]
TOML
    printf '  %-22s | %-24s | %5s | %s\n' "a start with" "the unit" "shots" "doctor"

    # No network but loopback, as the container has none.
    begin; camera 40; n=$(shots); c=$(codes)
    right=no; [ "$(show ActiveState)" = active ] && [ "$n" -gt 0 ] && has "$c" broker_unreachable && right=yes
    row "no network" "$(state)" "$n" "$c" "" $right

    # What it has of its own, made before it and made once.
    was=$(cd /etc/courtside && cat stream-key own.key own.pem | sha256sum)
    systemctl restart courtside-first-boot
    right=no; [ "$(cd /etc/courtside && cat stream-key own.key own.pem | sha256sum)" = "$was" ] &&
        [ "$(stat -c '%U:%G %a' /etc/courtside/own.key)" = "root:courtside 640" ] && right=yes
    row "a second first boot" "$(systemctl show -P Result courtside-first-boot)" - "key and certificate as they were" "" $right

    # A daemon that hangs: SIGSTOP, then the watchdog.
    kill -STOP "$(show MainPID)"; begun=$SECONDS
    until_true 60 sh -c '[ "$(systemctl show -P NRestarts courtside)" = 1 ] && [ "$(systemctl show -P ActiveState courtside)" = active ]'
    took=$((SECONDS - begun))
    until_true 20 sh -c "ls $data/failures/*-watchdog-ABRT.log"
    comes ended_badly
    kept=$(ls $data/failures/*.log 2>/dev/null | tail -n 1); c=$(codes)
    right=no; [ "$(show NRestarts)" = 1 ] && grep -q promised "$kept" && grep -q 'Watchdog timeout' "$kept" && has "$c" ended_badly && right=yes
    row "a daemon that hangs" "$(state), $took s" - "$c" "kept: $kept, $(stat -c %s "$kept") bytes" $right

    # One that dies eight times within a minute: one file, eight lines.
    until_true 70 sh -c "[ \$(( \$(cut -d. -f1 /proc/uptime) - \$(sed -n '1s/.* up=\([0-9]*\).*/\1/p' $kept) )) -gt 60 ]"
    for crash in 1 2 3 4 5 6 7 8; do
        pid=$(show MainPID)
        # The first is for Rust's own handler, which lets the second through.
        while kill -SEGV "$pid"; do sleep 0.01; done 2>/dev/null
        until_true 20 sh -c "[ \$(systemctl show -P MainPID courtside) != $pid ] && [ \$(systemctl show -P ActiveState courtside) = active ]"
    done
    until_true 20 sh -c "[ \$(cat $data/failures/*-signal-SEGV.log | grep -cE '^again|^courtside-failure') -ge 8 ]"
    comes ended_badly
    n=$(ls $data/failures/*-signal-SEGV.log | wc -l); c=$(codes)
    lines=$(cat $data/failures/*-signal-SEGV.log | grep -cE '^again|^courtside-failure')
    right=no; [ "$n" -le 2 ] && [ "$lines" -ge 8 ] && has "$c" ended_badly && right=yes
    row "8 crashes in a row" "$(state)" - "$c" "$n file(s), $lines lines; OnFailure= would have been started $(ls /run/onfailure 2>/dev/null | wc -l) times (systemd $(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p'))" $right

    # Files are bounded in number, and the first of this start stays.
    first=$(ls $data/failures | sort | head -n 1)
    for n in $(seq 100 130); do
        sed "1s/up=[0-9]*/up=0/" "$data/failures/$first" >"$data/failures/000$n-signal-SEGV.log"; chown courtside: "$data/failures/000$n-signal-SEGV.log"
    done
    systemctl start "courtside-keep-log@0123456789abcdef0123456789abcdef:signal:BUS.service"
    n=$(ls $data/failures/*.log | wc -l)
    right=no; [ "$n" -le 12 ] && [ -e "$data/failures/$first" ] && ls $data/failures/000131-signal-BUS.log >/dev/null && right=yes
    row "43 ends that are kept" "-" - "$n files stay, the first of this start among them" "" $right
    rm -f $data/failures/*

    # A disk that others filled.
    systemctl stop courtside
    dd if=/dev/zero of=$data/of-somebody bs=1M 2>/dev/null; dd if=/dev/zero of=$data/of-somebody-2 bs=1k 2>/dev/null
    free=$(df --output=avail $data | tail -n 1)
    begin; camera 40; n=$(shots); c=$(codes); w=$(told | grep -im1 'full\|no space' | cut -c1-150)
    right=no
    if [ "$(show ActiveState)" = active ]; then [ "$n" -gt 0 ] && { has "$c" not_recording || has "$c" disk_nearly_full; } && right=yes
    else [ -n "$w" ] && right=yes; fi
    row "a full disk ($free KiB)" "$(state)" "$n" "$c" "$w" $right
    # Killed while it is full: where nothing can be kept, the journal says so, and it comes back all the same.
    if [ "$(show ActiveState)" = active ]; then
        pid=$(show MainPID); kill -KILL "$pid"
        until_true 20 sh -c "[ \$(systemctl show -P MainPID courtside) != $pid ] && [ \$(systemctl show -P ActiveState courtside) = active ]"
        until_true 20 sh -c "journalctl -q --no-pager -o cat --since @$since | grep -q 'keep-log: the end'"
        w=$(journalctl -q --no-pager -o cat --since "@$since" | grep -m1 'keep-log: the end')
        right=no; [ "$(show ActiveState)" = active ] && [ -n "$w" ] && right=yes
        row "… and killed" "$(state)" - - "$w" $right
    fi
    systemctl stop courtside; rm -f $data/of-somebody*

    # A disk that the kernel gave up on: mounted read-only.
    mount -o remount,bind,ro $data
    begin; sleep 6; n=$(shots); c=$(codes); w=$(told | grep -im1 'read-only' | cut -c1-150)
    right=no
    if [ "$(show ActiveState)" = active ]; then camera 30; n=$(shots); [ "$n" -gt 0 ] && has "$c" data_read_only && right=yes
    else has "$c" data_read_only && [ -n "$w" ] && right=yes; fi
    row "a read-only disk" "$(state)" "$n" "$c" "$w" $right
    systemctl stop courtside
    mount -o remount,bind,rw $data
    systemctl start courtside; until_true 20 sh -c '[ "$(systemctl show -P ActiveState courtside)" = active ]'
    right=no; [ "$(show ActiveState)" = active ] && right=yes
    row "… mended" "$(state)" - - "" $right
    systemctl stop courtside

    # No clock: the first seconds of 1970, for the daemon alone.
    mkdir -p /run/systemd/system/courtside.service.d
    printf '[Service]\nEnvironment=LD_PRELOAD=%s FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 "FAKETIME=@1970-01-01 00:00:30"\n' \
        "$(ls /usr/lib/*/faketime/libfaketime.so.1)" >/run/systemd/system/courtside.service.d/clock.conf
    systemctl daemon-reload
    begin; camera 40; n=$(shots); c=$(codes)
    right=no; [ "$(show ActiveState)" = active ] && [ "$n" -gt 0 ] && has "$c" implausible && right=yes
    row "a clock in 1970" "$(state)" "$n" "$c" "" $right
    [ $bad = 0 ] || journalctl --no-pager | grep -E 'courtside|keep-log|first-boot' >/run-out/courtside.log
    exit $bad
fi

binary=$(realpath "${1:?which binary? e.g. trials/boots.sh target/debug/courtside}")
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "boots: NOT RUN: needs root" >&2; exit 3; }
for needed in systemd-nspawn ffmpeg mkfs.ext4; do
    command -v $needed >/dev/null || { echo "boots: NOT RUN: $needed is not installed" >&2; exit 3; }
done
ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 || { echo "boots: NOT RUN: libfaketime is not installed" >&2; exit 3; }
work=$(mktemp -d)
trap 'umount "$work/data" 2>/dev/null || :; rm -rf "$work"' EXIT
placed=$work/placed
make -s install BIN="$binary" DESTDIR="$placed" >/dev/null
truncate -s 300M "$work/image"
mkfs.ext4 -q -m 0 "$work/image"
mkdir "$work/data"
mount -o loop "$work/image" "$work/data"
rmdir "$work/data/lost+found"
# Says what OnFailure= does, beside what is used instead.
printf '[Unit]\nOnFailure=onfailure@%%n.service\n' >"$work/onfailure.conf"
printf '[Service]\nType=oneshot\nExecStart=/bin/sh -c "mkdir -p /run/onfailure && date +%%%%s%%%%N | xargs -I{} touch /run/onfailure/{}"\n' >"$work/onfailure@.service"
mkdir "$work/courtside.service.d"; mv "$work/onfailure.conf" "$work/courtside.service.d/"
printf '[Unit]\nBefore=sysinit.target\nDefaultDependencies=no\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c "systemd-sysusers; systemd-tmpfiles --create /usr/lib/tmpfiles.d/courtside.conf; chown courtside:courtside /var/lib/courtside; chmod 700 /var/lib/courtside"\n' >"$work/made.service"
bash trials/unit_in_systemd.sh -t 570 -n made.service -b "$work/data:/var/lib/courtside" -f "$placed/usr/.:/usr" \
    -f "$PWD/assets/demo/game.flv:/srv/game.flv" -f "$PWD/trials/boots.sh:/srv/boots.sh" \
    -p 'bash /srv/boots.sh --inside' "$work/made.service" systemd/courtside.service "$work/courtside.service.d/onfailure.conf" "$work/onfailure@.service"
