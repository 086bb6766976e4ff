#!/bin/sh
# Pulls the plug on the daemon, many times, from one recorded run (DESIGN §5.3, §5.4).
#   trials/powercut.sh [CUTS] [SECONDS]     what was told survives every cut; exit 0
#   trials/powercut.sh --control [...]      the same without fdatasync must lose something; exit 0
# What is told: `promised` events and fragments on disk, read from the daemon's log as it comes, and clips
# that are kept, uploaded, acknowledged and released meanwhile (powercut_clips.py). powercut.py records and
# cuts, for any program; here stands what ours is told and asked. Needs root, loop devices, FUSE,
# qemu-storage-daemon, ffmpeg, mosquitto; installs what upload.py does. VIDEO=FILE is published instead of the demo's game,
# BIN=FOLDER holds another build.
set -eu
cd "$(dirname "$0")/.."

control=
if [ "${1:-}" = --control ]; then control=1; shift; fi
cuts=${1:-100}
seconds=${2:-40}
video=${VIDEO:-assets/demo/game.flv}
bin=${BIN:-${CARGO_TARGET_DIR:-target}/debug}
for needed in qemu-storage-daemon losetup ffmpeg mosquitto python3; do
    command -v "$needed" >/dev/null || { echo "powercut: NOT RUN: $needed is not installed" >&2; exit 3; }
done
for needed in "$bin/courtside" "$bin/examples/survived" "$video"; do
    [ -e "$needed" ] || { echo "powercut: NOT RUN: no $needed (cargo test --no-run makes both)" >&2; exit 3; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
rtmp=$(free_port)
http=$(free_port)
broker=$(free_port)
rims=${RIMS:-$(python3 - <<'PY'
import json, os
rims = [[1, 1, 40, 20]]
if os.path.exists("assets/demo/game.json"):
    said = json.load(open("assets/demo/game.json"))
    rims = said.get("rims") or [said["rim"]]
print(json.dumps(rims))
PY
)}
# The data directory lies on the disk whose power is cut, everything else does not. What the broker
# acknowledged stays in the outbox for days, which is what is checked.
config() {
    cat <<CONFIG
[box]
name = "powercut"
data_dir = "$1/data"
[uplink]
broker = "mqtt://127.0.0.1:$broker"
[ingest]
rtmp = "127.0.0.1:$rtmp"
[http]
listen = "127.0.0.1:$http"
[ring]
quota_bytes = 100000000
keep_free_bytes = 1000000
[detect]
finder = false
[upload]
plain = true
max_bits_per_second = 4000000
[health]
log = "info,courtside::clips::ring=debug"
[[court]]
name = "a"
stream_key = "powercut-key-0123456789"
rims = $rims
CONFIG
}
cp "$bin/courtside" "$bin/examples/survived" "$work/"
cp "$video" "$work/video"
cat > "$work/tell.py" <<'PY'
# Log lines in, acknowledgements out, each as it comes.
import re, sys
for line in sys.stdin:
    words = dict(re.findall(r'(\w+)="?([^\s"]+)', line))
    if " recorded " in line and "segment" in words:
        print("fragment", words["segment"], words["bytes"], flush=True)
    elif " promised " in line and "id" in words:
        print("promised", words["id"], flush=True)
    elif " ERROR " in line or "no-fdatasync" in line:
        print(line.rstrip(), file=sys.stderr, flush=True)
PY
run=
[ -z "$control" ] || run=--no-fdatasync
cat > "$work/cmd.sh" <<CMD
cat > "$work/run.toml" <<TOML
$(config '$POWERCUT_DIR')
TOML
( while :; do
    ffmpeg -v quiet -re -stream_loop -1 -i "$work/video" -c copy -f flv rtmp://127.0.0.1:$rtmp/live/powercut-key-0123456789
    sleep 0.2
done ) >/dev/null 2>&1 &
python3 "$PWD/trials/powercut_clips.py" ask --data "\$POWERCUT_DIR/data" --http $http --broker $broker \
    --work "$work/clips" 2>"$work/clips.log" &
exec "$work/courtside" run --config "$work/run.toml" $run 2>&1 | python3 "$work/tell.py"
CMD
cat > "$work/verify.sh" <<VERIFY
cat > "$work/verify.toml" <<TOML
$(config '$POWERCUT_DIR')
TOML
grep -E '^(fragment|promised) ' "\$POWERCUT_ACKS" > "$work/acks"
"$work/survived" "$work/verify.toml" "$work/acks" &&
exec python3 "$PWD/trials/powercut_clips.py" look --data "\$POWERCUT_DIR/data" --acks "\$POWERCUT_ACKS" \
    --courtside "$work/courtside"
VERIFY
expect=
[ -z "$control" ] || expect=--expect-fail
mkdir "$work/disk"
python3 trials/powercut.py --cmd "sh $work/cmd.sh" --verify "sh $work/verify.sh" --work "$work/disk" \
    --size 256M --seconds "$seconds" --cuts "$cuts" ${SEED:+--seed "$SEED"} $expect
