#!/bin/bash
# Pictures that stay in the GPU, tried on a machine that has one. Two steps, since such a machine may have
# neither cargo nor ffmpeg nor GStreamer:
#   tests/device/frames.sh prepare DIR    here: builds the example, makes streams and what the software
#                                         decodes of them, packs GStreamer where GST_PACK says how
#   DIR/frames.sh run DIR                 there: prints one table; exit 0 when all is as it should be
# The GPU machine needs the NVIDIA driver and libnvrtc; a GStreamer with nvcodec, its own or DIR/gst.txz.
set -euo pipefail
step=${1:?usage: frames.sh prepare|run DIR}
dir=${2:?usage: frames.sh prepare|run DIR}

prepare() {
  mkdir -p "$dir"
  # What the CPU's path makes beside the kernels must not take minutes.
  CARGO_PROFILE_DEV_OPT_LEVEL=2 ${CARGO:-cargo} build --example gpu_frames --features cuda
  cp "${CARGO_TARGET_DIR:-target}/debug/examples/gpu_frames" "$dir/"
  strip "$dir/gpu_frames"
  cp "$0" "$dir/frames.sh"
  local x264="-c:v libx264 -preset veryfast -tune zerolatency -bf 0 -g 30" x265="-c:v libx265 -preset ultrafast -tune zerolatency"
  local noise="noise=alls=6:allf=t"
  film() { # NAME SIZE PICTURES ENCODER...
    local name=$1 size=$2 pictures=$3; shift 3
    ffmpeg -v error -y -f lavfi -i "testsrc2=size=$size:rate=30" -frames:v "$pictures" -vf $noise "$@" "$dir/$name"
  }
  film a.h264 1920x1080 150 $x264 -pix_fmt yuv420p -b:v 6M -f h264
  film b.h265 1920x1080 150 $x265 -pix_fmt yuv420p -b:v 6M -x265-params log-level=none:bframes=0:keyint=30 -f hevc
  film ten.h265 1280x720 90 $x265 -pix_fmt yuv420p10le -b:v 4M -x265-params log-level=none:bframes=0:keyint=30 -f hevc
  # Full range, BT.601; an odd size.
  film full.h264 854x478 60 $x264 -pix_fmt yuvj420p -color_range pc -colorspace smpte170m -b:v 2M -f h264
  film c.h264 1280x720 60 $x264 -pix_fmt yuv420p -b:v 4M -f h264
  # Another size in mid-stream, and back.
  cp "$dir/c.h264" "$dir/sizes.h264"
  film d.h264 1920x1080 60 $x264 -pix_fmt yuv420p -b:v 6M -f h264
  cat "$dir/d.h264" "$dir/c.h264" >> "$dir/sizes.h264"
  expected() { # STREAM FORMAT WIDTH HEIGHT BYTES: a hash a picture, of the software's decoder
    ffmpeg -v error -i "$dir/$1" -pix_fmt "$2" -f rawvideo - | python3 -c '
import hashlib, sys
width, height, step = map(int, sys.argv[1:])
luma, half = width * height * step, (width + 1) // 2 * ((height + 1) // 2) * step
while picture := sys.stdin.buffer.read(luma + 2 * half):
    chroma = picture[luma:]
    if step == 1:  # planes of Cb and of Cr, which nothing has converted: interleaved here
        chroma = bytearray(2 * half)
        chroma[0::2], chroma[1::2] = picture[luma:luma + half], picture[luma + half:]
    print(hashlib.sha256(picture[:luma] + chroma).hexdigest())' "$3" "$4" "$5"
  }
  expected a.h264 yuv420p 1920 1080 1 > "$dir/a.h264.txt"
  expected b.h265 yuv420p 1920 1080 1 > "$dir/b.h265.txt"
  expected ten.h265 p010le 1280 720 2 > "$dir/ten.h265.txt"
  expected full.h264 yuvj420p 854 478 1 > "$dir/full.h264.txt"
  { expected c.h264 yuv420p 1280 720 1; expected d.h264 yuv420p 1920 1080 1; expected c.h264 yuv420p 1280 720 1; } > "$dir/sizes.h264.txt"
  rm "$dir/c.h264" "$dir/d.h264"
  if [ -n "${GST_PACK:-}" ]; then $GST_PACK "$dir/gst" && rm -r "$dir/gst"; fi
  du -sh "$dir"
}

run() {
  local work=${WORK:-/tmp/courtside-frames} failed=0 try=$dir/gpu_frames
  mkdir -p "$work"
  if [ -e "$dir/gst.txz" ]; then
    tar xJf "$dir/gst.txz" -C "$work"
    . "$work/gst/env.sh"
  fi
  echo "| what | $(date -u +%F), $(uname -n) |"; echo "| --- | --- |"
  each() { # SECONDS WHAT...
    local seconds=$1; shift
    local ended=0
    timeout "$seconds" "$@" 2>>"$work/log" || ended=$?
    [ $ended = 0 ] || { failed=1; echo "| ${*:2} | FAILED, exit $ended (124: not done in $seconds s) |"; }
  }
  each 60 "$try" kernels
  # Beside each other: nothing is timed here.
  local films="a.h264 b.h265 ten.h265 full.h264 sizes.h264" pids=() film pid
  for film in $films; do
    (each 60 "$try" frames "$dir/$film" "$dir/$film.txt" >"$work/$film.rows"; exit $failed) & pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  for film in $films; do sed 1d "$work/$film.rows"; done
  each 60 "$try" held "$dir/a.h264" | sed 1d
  for courts in ${COURTS:-1 8}; do
    each 90 "$try" courts "$courts" "$dir/a.h264" "${SECONDS_EACH:-12}" | sed 1d
  done
  for tool in memcheck racecheck; do
    if command -v compute-sanitizer >/dev/null; then
      local said
      said=$(timeout 120 compute-sanitizer --tool $tool --error-exitcode 7 "$try" kernels untimed 2>>"$work/log" | grep -E "ERROR SUMMARY|RACECHECK SUMMARY" | tail -1) || failed=1
      echo "| compute-sanitizer $tool over the kernels | ${said:-nothing was said} |"
      case $said in *" 0 errors"* | *"0 hazards"*) ;; *) failed=1 ;; esac
    else
      echo "| compute-sanitizer $tool | NOT RUN: it is not on this machine |"
    fi
  done
  return $failed
}

case $step in prepare) prepare ;; run) run ;; *) echo "prepare or run" >&2; exit 2 ;; esac
