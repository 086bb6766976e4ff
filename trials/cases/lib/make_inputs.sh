#!/bin/bash
# Makes the inputs of the cases in a folder: ten recordings of 12 s, 1 MB in all, in some seconds, by ffmpeg.
#   make_inputs.sh FOLDER
# A white flash of two pictures and a beep at each whole second, and a bar that moves.
set -euo pipefail
cd "$1"
# SECONDS FILE OPTIONS...
gen() {
  local seconds=$1 file=$2
  shift 2
  ffmpeg -v error -nostdin -y \
    -f lavfi -i "color=c=gray:s=320x180:r=30,geq=lum='if(lt(mod(N,30),2),235,if(lt(abs(X-mod(N*4,320)),12),150,40+X/4))':cb=128:cr=128" \
    -f lavfi -i "aevalsrc='if(lt(mod(t,1),0.066),0.8*sin(2*PI*1000*t),0)':s=44100" \
    -t "$seconds" -sc_threshold 0 "$@" "$file"
}
video=(-c:v libx264 -preset veryfast -g 30 -b:v 90k)
plain=("${video[@]}" -bf 0 -pix_fmt yuv420p)
direct=(-tune zerolatency -x264-params sliced-threads=0:threads=1)
sound=(-c:a aac -b:a 32k -ac 1 -f flv)
gen 12 av.flv "${plain[@]}" "${direct[@]}" "${sound[@]}"
gen 12 av_big.flv -vf scale=640:360 "${plain[@]}" "${direct[@]}" "${sound[@]}"
gen 12 av_port.flv -vf scale=180:320 "${plain[@]}" "${direct[@]}" "${sound[@]}"
gen 12 av_odd.flv -vf scale=854:482 "${plain[@]}" "${sound[@]}"
gen 12 av_slices.flv "${plain[@]}" -x264-params slices=4:threads=1:sliced-threads=0:rc-lookahead=0 "${sound[@]}"
gen 12 av_b.flv "${video[@]}" -bf 2 -pix_fmt yuv420p -x264-params threads=1:rc-lookahead=5:b-adapt=0 "${sound[@]}"
gen 12 av_tff.flv "${plain[@]}" -flags +ilme+ildct -x264-params threads=1:tff=1:rc-lookahead=0 "${sound[@]}"
gen 12 av_422.flv "${video[@]}" -bf 0 -pix_fmt yuv422p10le -profile:v high422 -an -f flv
gen 12 av_mp3.flv "${plain[@]}" -c:a libmp3lame -b:a 32k -ac 1 -f flv
gen 12 av_pcma.flv "${plain[@]}" -c:a pcm_alaw -ar 8000 -ac 1 -f flv
touch made
