#!/bin/bash
# How many courts one box with a data-centre GPU bears, and what they cost. Two steps, since such a machine
# may have neither cargo nor ffmpeg nor GStreamer:
#   tests/device/courts.sh prepare DIR    here: the release binary with every feature, its shim, TensorRT-RTX 1.6
#                                         (make engines), GStreamer where GST_PACK says how, a broker, clips; with
#                                         PIECE_MB=N in pieces that are to be put into DIR again, there
#   DIR/courts.sh run DIR                 there: prints one table; exit 0 when nothing failed
# Here BIN=FILE names a binary that is built already, RTX=DIR TensorRT-RTX, SHIMS=DIR the shims, FOOTAGE=DIR streams
# and videos with truth (not in the repository) that are played too; XZ=N packs faster than 6. There PARTS names
# what is done: whole (the rendered game, and the footage), table, fp16, h265, ballnet (in TensorRT), swap (between
# RimNet and BallNet), cuda (ONNX Runtime's provider of ORT=DIR), most, steady (STEADY=S seconds with STEADY_COURTS=N); SECONDS_EACH=N how long each row is
# measured, COURTS=N,N how many courts, FIRST=N where the search for the most begins. PARTS=missing is what no
# machine has run yet, in one call of 7 minutes: H.265, FP16, BallNet, swaps, then 162 courts for 5 minutes (90 % of
# the ceiling of 2026-11-29, and more than the 160 that were tried). Each part has a limit of its own, and what is
# done is in $OUT (all.json, table.md) as it comes, so a call that is cut short has brought what it did.
# The GPU machine needs the NVIDIA driver, libnvrtc, xz and python3.
set -euo pipefail
step=${1:?usage: courts.sh prepare|run DIR}
dir=$(mkdir -p "${2:?usage: courts.sh prepare|run DIR}" && cd "$2" && pwd)

# NAME WIDTHxHEIGHT PICTURES_A_SECOND CODEC KBPS
CLIPS="1080p60 1920x1080 60 h264 8000
720p60 1280x720 60 h264 4000
1080p30 1920x1080 30 h264 6000
1080p60-h265 1920x1080 60 h265 5000
720p60-h265 1280x720 60 h265 3000"

prepare() {
  local target=${CARGO_TARGET_DIR:-target} box=$dir/box
  local bin=${BIN:-$target/release/courtside} rtx=${RTX:-$target/engines/rtx-1.6} shims=${SHIMS:-$target/engines/shims}
  [ -n "${BIN:-}" ] || ${CARGO:-cargo} build --release --features gstreamer,cuda,tensorrt,onnx
  mkdir -p "$box/clips" "$box/lib" "$box/footage"
  cp "$0" "$dir/courts.sh"
  cp "$bin" "$box/courtside" && strip "$box/courtside"
  # Beside the binary is the first place where a shim is looked for.
  cp "$shims"/libcourtside-tensorrt-rtx-1.6.so "$box/"
  mkdir -p "$box/rtx" && cp -L "$rtx"/lib*.so* "$box/rtx/"
  cp assets/demo/game.json "$box/"
  local name size fps codec kbps
  while read -r name size fps codec kbps; do
    [ -e "$box/clips/$name.flv" ] ||
      "$bin" bench courts --size "$size" --fps "$fps" --codec "$codec" --kbps "$kbps" --save "$box/clips/$name.flv"
  done <<< "$CLIPS"
  # The binary holds FP32 alone.
  mkdir -p "$box/models/rimnet"
  cp models/rimnet/model.toml models/rimnet/rimnet-fp32.onnx models/rimnet/rimnet-fp16.onnx "$box/models/rimnet/"
  local mosquitto; mosquitto=$(PATH=$PATH:/usr/sbin command -v mosquitto)
  cp -L "$mosquitto" "$box/"
  ldd "$mosquitto" | awk '$3 ~ /^\// {print $3}' | grep -v -E '/(libc|libm|libdl|libpthread|librt|libstdc\+\+|libgcc_s)\.so' |
    while read -r f; do cp -L "$f" "$box/lib/"; done
  local video
  for video in ${FOOTAGE:+"$FOOTAGE"/streams/*.mp4 "$FOOTAGE"/videos/*.mp4}; do
    [ -e "$video" ] || continue
    name=$(basename "$video" .mp4)
    ffmpeg -v error -y -i "$video" -an -c copy -f flv "$box/footage/$name.flv"
    cp "${video%.mp4}.json" "$box/footage/"
  done
  if [ -n "${GST_PACK:-}" ]; then $GST_PACK "$box/gst" && rm -f "$box/gst.txz"; fi
  tar -C "$dir" -cf - box | xz -T0 -"${XZ:-6}" > "$dir/box.txz"
  if [ -n "${PIECE_MB:-}" ]; then
    split -b "${PIECE_MB}000000" -d -a 2 "$dir/box.txz" "$dir/box.part."
    rm "$dir/box.txz"
  fi
  ls -l "$dir"
}

# A row of the table for each round of a bench: NAME FILE
rows() {
  python3 - "$1" "$2" <<'PY'
import json, sys
name, path = sys.argv[1:]
try:
    told = json.load(open(path))
except (OSError, ValueError):
    print(f"| {name} | FAILED: it told nothing | | | | | | | | | | | |")
    sys.exit(1)
mib = lambda n: "–" if n is None else f"{n / 2**20:.0f}"
def waited(r):
    w = r["waited"]
    most = "longer" if w["p99_at_most_ms"] is None else f"{w['p99_at_most_ms']:g}"
    return f"{w['percent_within_2_ms']:.2f} %; {most}"
for r in told["rounds"]:
    a, d, l = r["answer"], r["decoded"], r["looked"]
    lost = f"{r['unanswered']} of {r['pictures'] - r['passed_over']}"
    dropped = ", ".join(f"{n} {hop}" for hop, n in r["dropped"].items()) or "0"
    print(f"| {name}, {r['courts']} courts, {r['model']} "
          f"| {a['p50_ms']:.1f} · {a['p95_ms']:.1f} · {a['p99_ms']:.1f} · {a['max_ms']:.1f} "
          f"| {d['p50_ms']:.1f} · {d['p99_ms']:.1f} | {l['p50_ms']:.1f} · {l['p99_ms']:.1f} | {waited(r)} | {r['late']['p99_ms']:.1f} "
          f"| {lost}; {dropped}; before {r['dropped_before']} "
          f"| {r['host_copies']}; before {r['host_copies_before']} "
          f"| {mib(r.get('gpu_bytes_before'))} to {mib(r['gpu_bytes'])}; {mib(r['gpu_bytes_a_court'])} | {mib(r.get('rss_bytes_before'))} to {mib(r['rss_bytes'])}; {mib(r['rss_bytes_a_court'])} "
          f"| {r['cores']:.2f} ({r['publishers_cores']:.2f}) | {r['first_answer_s']:.1f}; {r['best_engine_s']:.1f} |")
    for line in ([r["advice"]] if r["advice"] else []) + r["refused"][:3]:
        print(f"| {name}, {r['courts']} courts: {line} | | | | | | | | | | | |")
if told.get("most") is not None:
    print(f"| **{name}: most courts that lose nothing: {told['most']}** | | | | | | | | | | | |")
PY
}

# The calls of a game against its truth: NAME EVENTS TRUTH
calls() {
  python3 - "$@" <<'PY'
import json, sys
name, events, truth = sys.argv[1:]
facts, engines = {}, {}
for line in open(events, errors="replace"):
    try:
        e = json.loads(line)
    except ValueError:
        continue
    kind = str(e.get("type", "")).removeprefix("courtside.").removesuffix(".v1")
    if kind.startswith("shot."):
        key, data = e.get("fact") or e.get("id"), e.get("data") or {}
        model = data.get("model") or {}
        by = f"{model.get('bundle')} {model.get('precision')} on {model.get('engine')}"
        engines[by] = engines.get(by, 0) + 1
        if key not in facts or e.get("revision", 0) >= facts[key][0]:
            facts[key] = (e.get("revision", 0), kind, data.get("t_stream", facts.get(key, (0, 0, None))[2]))
shots = [(kind, t) for _, kind, t in facts.values() if kind in ("shot.made", "shot.missed", "shot.unsure") and t is not None]
right, told, free = 0, [], list(shots)
attempts = json.load(open(truth))["attempts"]
for a in attempts:
    near = sorted((abs(s[1] - a["t_rim"]), s) for s in free)
    hit = near[0][1] if near and near[0][0] <= 1.0 else None
    if hit:
        free.remove(hit)
    if a.get("doubtful"):
        continue
    ok = hit is not None and hit[0] == "shot." + a["outcome"]
    right += ok
    if not ok:
        told.append(f"{a['t_rim']:.1f} s {a['outcome']}: {hit[0] if hit else 'nothing'}")
count = sum(not a.get("doubtful") for a in attempts)
told += [f"{t:.1f} s nothing: {kind}" for kind, t in free]
said = ", ".join(f"{n} by {by}" for by, n in sorted(engines.items()))
print(f"| {name}: calls right | {right} of {count}; {len(free)} false | {'; '.join(told) or 'none otherwise'} ({said}) |")
sys.exit(0 if right == count and not free else 1)
PY
}

run() {
  local work=${WORK:-/tmp/courtside-courts} failed=0
  mkdir -p "$work"
  if [ ! -e "$work/box" ]; then
    if [ -e "$dir/box.txz" ]; then xz -dc "$dir/box.txz"; else cat "$dir"/box.part.* | xz -dc; fi | tar -C "$work" -xf -
  fi
  local box=$work/box out=${OUT:-$work/out}
  mkdir -p "$out"
  [ ! -e "$box/gst/env.sh" ] || . "$box/gst/env.sh"
  export LD_LIBRARY_PATH="$box/rtx:$box/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" PATH="$box:$PATH"
  local parts=" ${PARTS:-whole table fp16 h265 ballnet swap most steady} " seconds=${SECONDS_EACH:-6}
  local h265=${COURTS:-1,8,32} fp16=${COURTS:-1,32} small=yes swaps=${SWAPS:-50}
  if [[ $parts == " missing " ]]; then
    parts=" h265 fp16 ballnet swap steady " h265=${COURTS:-1,32} fp16=${COURTS:-32} small="" swaps=${SWAPS:-12}
    : "${STEADY:=300}" "${STEADY_COURTS:=162}"
  fi
  # What is printed is kept too, as it comes.
  exec > >(tee -a "$out/table.md") 2>&1
  echo "$(date -u +%F), $(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -1), $(nproc) cores"

  if [[ $parts == *" whole "* ]]; then
    echo "| game | calls | otherwise |"; echo "| --- | --- | --- |"
    local pids=() name film
    for film in "" "$box"/footage/*.flv; do
      [ -z "$film" ] || [ -e "$film" ] || continue
      name=$(basename "${film:-rendered}" .flv)
      local video=()
      [ -z "$film" ] || video=(--video "$film" --rim "$(python3 -c '
import json, sys
t = json.load(open(sys.argv[1])); print(",".join(map(str, (t.get("rims") or [t["rim"]])[0])))' "${film%.flv}.json")")
      # Bundles beside that in the binary are looked for in the box's folder, and there is none yet.
      mkdir -p "$work/demo-$name/models" && cp -r "$box"/models/* "$work/demo-$name/models/"
      timeout 150 courtside demo --once --json --listen 127.0.0.1:0 --data-dir "$work/demo-$name" "${video[@]}" \
        ${BUNDLE:+--bundle "$BUNDLE"} \
        > "$work/$name.events" 2> "$work/$name.log" & pids+=($!)
    done
    local pid
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    for film in "" "$box"/footage/*.flv; do
      [ -z "$film" ] || [ -e "$film" ] || continue
      name=$(basename "${film:-rendered}" .flv)
      calls "$name" "$work/$name.events" "$([ -z "$film" ] && echo "$box/game.json" || echo "${film%.flv}.json")" || failed=1
      tail -3 "$work/$name.log" >> "$out/games.log"
    done
  fi

  # NAME CLIP LIMIT_S ARGUMENTS...: one bench, as rows of the table.
  bench() {
    local name=$1 clip=$2 limit=$3; shift 3
    local size fps; read -r _ size fps _ < <(grep "^$clip " <<< "$CLIPS")
    timeout "$limit" courtside bench courts --json --flv "$box/clips/$clip.flv" --size "$size" --rim "$(python3 -c '
import json, sys
t = json.load(open(sys.argv[1])); w, h = map(int, sys.argv[2].split("x"))
print(",".join(str(v * s) for v, s in zip(t["rim"], (w / t["size"][0], h / t["size"][1]) * 2)))' "$box/game.json" "$size")" \
      "$@" > "$out/bench.json" 2> "$work/bench.log" || true
    rows "$name" "$out/bench.json" || { failed=1; tail -5 "$work/bench.log"; }
    cat "$out/bench.json" >> "$out/all.json"; rm -f "$out/bench.json"
  }
  local short="--seconds $seconds --warm-up 2 --apart ${APART:-100}"
  heads() {
    echo "| what | last byte in → answer p50 · p95 · p99 · max, ms | → picture p50 · p99 | picture → answer p50 · p99 | waited ≤ 2 ms; p99 at most, ms | left late p99 | unanswered; dropped | host copies | GPU MiB, first to last; a court more | RSS MiB, first to last; a court more | cores (publishers) | first answer; best engine, s |"
    echo "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
  }
  if [[ $parts == *" table "* ]]; then
    heads
    bench "1080p60 H.264" 1080p60 150 $short --courts "${COURTS:-1,4,8,32}"
    bench "720p60 H.264" 720p60 150 $short --courts "${COURTS:-1,4,8,32}"
    bench "1080p30 H.264" 1080p30 60 $short --courts 32
  fi
  if [[ $parts == *" fp16 "* ]]; then
    heads
    bench "1080p60 H.264" 1080p60 90 $short --courts "$fp16" --bundle rimnet:fp16 --models-dir "$box/models"
  fi
  if [[ $parts == *" h265 "* ]]; then
    heads
    bench "1080p60 H.265" 1080p60-h265 150 $short --courts "$h265"
    [ -z "$small" ] || bench "720p60 H.265" 720p60-h265 150 $short --courts 32
  fi
  if [[ $parts == *" ballnet "* ]]; then
    heads
    bench "1080p30 H.264, BallNet" 1080p30 60 $short --courts "${COURTS:-32}" --bundle ballnet
  fi
  if [[ $parts == *" cuda "* ]]; then
    heads
    export LD_LIBRARY_PATH="${ORT:?ORT=DIR: the folder of libonnxruntime.so.1 and its CUDA provider}:$LD_LIBRARY_PATH"
    bench "1080p30 H.264, ONNX Runtime CUDA" 1080p30 120 $short --courts "${COURTS:-1,8,32}" --device cuda
  fi
  if [[ $parts == *" swap "* ]]; then
    echo "| swaps between RimNet and BallNet |"; echo "| --- |"
    timeout ${SWAP_LIMIT:-280} courtside bench swap --swaps "$swaps" --seconds 3 --bundle ballnet --bundle rimnet --json \
      > "$out/swap.json" 2> "$work/swap.log" || true
    python3 - "$out/swap.json" <<'PY' || { failed=1; tail -3 "$work/swap.log"; }
import json, sys
try:
    told = json.load(open(sys.argv[1]))
except ValueError:
    sys.exit("| FAILED: it told nothing |")
print("| " + ", ".join(f"{name} {value}" for name, value in told.items() if not isinstance(value, (dict, list))) + " |")
PY
  fi
  if [[ $parts == *" most "* ]]; then
    # The ceiling: sixteen decoders and nothing else, in one process, so in one context; and what each takes.
    local long=$work/long.h264 n
    gst-launch-1.0 -q filesrc location="$box/clips/1080p30.flv" ! flvdemux ! h264parse \
      ! video/x-h264,stream-format=byte-stream,alignment=au ! filesink location="$work/short.h264"
    for n in $(seq 10); do cat "$work/short.h264"; done > "$long"
    python3 - "$long" $((10 * 180)) <<'PY' || failed=1
import re, resource, subprocess, sys
path, pictures = sys.argv[1], int(sys.argv[2])
branch = f"filesrc location={path} ! h264parse ! nvh264dec ! video/x-raw(memory:CUDAMemory) ! fakesink sync=false".split()
rss = []
for count in (1, 16):
    done = subprocess.run(["gst-launch-1.0"] + branch * count, capture_output=True, text=True, timeout=60)
    rss.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
    took = re.search(r"Execution ended after (\d+):(\d+):([\d.]+)", done.stdout)
    if not took:
        sys.exit("bare NVDEC: " + (done.stdout + done.stderr)[-300:])
    h, m, s = took.groups()
    rate = pictures * count / (int(h) * 3600 + int(m) * 60 + float(s))
    print(f"bare NVDEC, gst-launch, {count} of 1080p30: {rate:.0f} pictures a second = {rate / 30:.0f} courts; RSS {rss[-1]:.0f} MiB")
print(f"a bare decoder more: {(rss[1] - rss[0]) / 15:.0f} MiB of RSS")
PY
    heads
    bench "1080p30 H.264" 1080p30 300 $short --courts "${FIRST:-128}" --most
  fi
  if [[ $parts == *" steady "* ]]; then
    heads
    bench "1080p30 H.264, for long" 1080p30 $((${STEADY:-180} + 75)) --seconds "${STEADY:-180}" --warm-up 2 --courts "${STEADY_COURTS:-100}"
  fi
  return $failed
}

case $step in prepare) prepare ;; run) run ;; *) echo "prepare or run" >&2; exit 2 ;; esac
