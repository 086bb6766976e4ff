#!/bin/sh
# Makes the pictures of docs/pictures anew, from rendered pictures alone.
#   scripts/docs_pictures.sh [aiming] [pages]    both, where none is named
# aiming: scripts/docs_pictures.py draws the court and has `courtside aim` look at it (numpy, Pillow, torch: Debian's
# python3-numpy python3-pil python3-torch do). pages: what Chromium shows while tests/page operates the rendered game.
# BIN: the program, target/debug/courtside. Exit: 0 made · 1 not
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- aiming pages
binary=${BIN:-${CARGO_TARGET_DIR:-target}/debug/courtside}
for what in "$@"; do
    case $what in
    aiming) /usr/bin/python3 scripts/docs_pictures.py --bin "$binary" ;;
    pages)
        shots=$(mktemp -d)
        trap 'rm -rf "$shots"' EXIT
        COURTSIDE_SCREENSHOTS=$shots cargo test --test page -- real:: a_technician_brings
        # docs/pictures/NAME.jpg from the test's picture of another name.
        while read -r name shot width; do
            ffmpeg -v error -nostdin -y -i "$shots/$shot.png" -vf "scale='min($width,iw)':-1" -q:v 4 "docs/pictures/$name.jpg"
        done <<'X'
operate-start real-start 1024
operate-stage real-over 1024
recap real-recap 1024
page-confirm confirm-1920 1280
X
        # The overlay as it comes out of the browser, transparent, over a picture of the game.
        ffmpeg -v error -nostdin -y -ss 3 -i assets/demo/game.flv -i "$shots/real-overlay.png" -frames:v 1 -q:v 4 \
            -filter_complex '[0]scale=1280:720[game];[game][1]overlay' docs/pictures/overlay.jpg
        ;;
    *) echo "scripts/docs_pictures.sh: aiming, pages?" >&2; exit 2 ;;
    esac
done
