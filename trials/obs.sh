#!/usr/bin/env bash
# Lets OBS itself publish to a daemon of ours, without a screen, and says whether every picture was answered.
#   trials/obs.sh [target/release/courtside]
# Needs obs-studio, xvfb and libgl1-mesa-dri (Debian's; as root it installs them). Ends 0 when it held.
set -euo pipefail
bin=${1:-${CARGO_TARGET_DIR:-$(dirname "$0")/../target}/release/courtside}
if ! command -v obs Xvfb >/dev/null || [ "$(command -v obs Xvfb | wc -l)" -lt 2 ]; then
  echo "obs.sh: installing obs-studio, xvfb, libgl1-mesa-dri"
  apt-get install -y --no-install-recommends obs-studio xvfb libgl1-mesa-dri >/dev/null
fi
work=$(mktemp -d)
started=()
trap 'for p in "${started[@]}"; do kill "$p" 2>/dev/null || true; done; wait 2>/dev/null; rm -rf "$work"' EXIT
port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
rtmp=$(port) http=$(port) none=$(port)

# The broker is away on purpose: the stream must not care.
cat > "$work/courtside.toml" <<X
[box]
name = "obs-test"
data_dir = "$work/data"
[uplink]
broker = "mqtt://127.0.0.1:$none"
[ingest]
rtmp = "127.0.0.1:$rtmp"
[http]
listen = "127.0.0.1:$http"
[[court]]
name = "a"
stream_key = "north-hoop"
rims = [[312, 88, 44, 22]]
X
export HOME=$work/home XDG_CONFIG_HOME=$work/home/.config XDG_RUNTIME_DIR=$work/home LIBGL_ALWAYS_SOFTWARE=1
obs=$XDG_CONFIG_HOME/obs-studio
mkdir -p "$obs/basic/profiles/court" "$obs/basic/scenes"
cat > "$obs/global.ini" <<X
[General]
FirstRun=true
EnableAutoUpdates=false
[Basic]
Profile=court
ProfileDir=court
SceneCollection=court
SceneCollectionFile=court
[BasicWindow]
SysTrayEnabled=false
X
# The settings of the README's table.
cat > "$obs/basic/profiles/court/basic.ini" <<X
[General]
Name=court
[Output]
Mode=Simple
[SimpleOutput]
VBitrate=1500
ABitrate=96
StreamEncoder=x264
Preset=ultrafast
UseAdvanced=true
x264Settings=bframes=0 rc-lookahead=0 tune=zerolatency keyint=60
[Video]
BaseCX=640
BaseCY=360
OutputCX=640
OutputCY=360
FPSCommon=30
[Audio]
SampleRate=44100
X
cat > "$obs/basic/profiles/court/service.json" <<X
{"settings":{"key":"north-hoop","server":"rtmp://127.0.0.1:$rtmp/live","use_auth":false},"type":"rtmp_custom"}
X
cat > "$obs/basic/scenes/court.json" <<X
{"current_program_scene":"S","current_scene":"S","name":"court","scene_order":[{"name":"S"}],
 "sources":[{"id":"scene","name":"S","settings":{"items":[{"name":"C","id":1,"visible":true}]},"versioned_id":"scene"},
 {"id":"color_source","versioned_id":"color_source_v3","name":"C","settings":{"color":4278255615,"width":640,"height":360}}]}
X

"$bin" run --config "$work/courtside.toml" > "$work/log" 2>&1 &
started+=($!)
exec 3>"$work/display"
Xvfb -displayfd 3 -screen 0 1280x720x24 -nolisten tcp > "$work/xvfb.log" 2>&1 &
started+=($!)
until grep -q 'ready rtmp' "$work/log" && [ -s "$work/display" ]; do
  kill -0 "${started[@]}" || { tail -3 "$work/log" "$work/xvfb.log"; exit 1; }
  python3 -c 'import select; select.select([], [], [], 0.1)'
done
DISPLAY=:$(cat "$work/display") obs --startstreaming --profile court --collection court --multi > "$work/obs.log" 2>&1 &
started+=($!)
python3 - "$http" "$work/data/token" <<'X'
import json, sys, time, urllib.request
port, token = sys.argv[1], open(sys.argv[2]).read().strip()
ask = urllib.request.Request(f"http://127.0.0.1:{port}/v1/state", headers={"Authorization": f"Bearer {token}"})
give_up = time.monotonic() + 60
while time.monotonic() < give_up:
    try:
        court = json.load(urllib.request.urlopen(ask)).get("streams", {}).get("a", {})
    except (OSError, ValueError, AttributeError):
        court = {}
    if court.get("pictures", 0) >= 300:
        break
    time.sleep(0.5)
said = {key: court.get(key) for key in ("encoder", "codec", "width", "height", "fps", "audio", "pictures", "answers", "dropped", "fault")}
print(json.dumps(said))
held = said["pictures"] and said["pictures"] >= 300 and not said["dropped"] and not said["fault"] and "obs" in said["encoder"]
# Two pictures may be on their way.
held = held and said["pictures"] - said["answers"] <= 2
print("obs: held" if held else "obs: FAILED")
sys.exit(not held)
X
