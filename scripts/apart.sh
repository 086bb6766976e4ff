#!/bin/sh
# Parts a binary from its debug information: TO is what a box gets, and what names functions in its backtraces is kept.
#   scripts/apart.sh FILE TO     TO stripped, $CARGO_TARGET_DIR/symbols/.build-id/XX/REST.debug beside all others
# The folder is laid out as gdb and Rust's own backtraces look for it, so a backtrace gets its names back
#   on the box   copy `symbols/.build-id` to /usr/lib/debug, start the daemon with RUST_BACKTRACE=1
#   elsewhere    gdb -iex 'set debug-file-directory target/symbols' courtside, or
#                addr2line -Cfipe target/symbols/.build-id/XX/REST.debug OFFSET
# `readelf -n courtside` says which build it is. A FILE that is stripped already is copied. Exit: 0 · 1 and why
set -eu
file=$1 to=$2
symbols=${CARGO_TARGET_DIR:-target}/symbols
# The tools of the machine that the file is for: another's binutils does not know it.
tools=
case $(readelf -h "$file" | sed -n 's/.*Machine: *//p') in
AArch64) [ "$(uname -m)" = aarch64 ] || tools=aarch64-linux-gnu- ;;
*X86-64) [ "$(uname -m)" = x86_64 ] || tools=x86_64-linux-gnu- ;;
esac
mkdir -p "$(dirname "$to")"
if ! readelf -SW "$file" | grep -q '\.debug_line'; then
    cp "$file" "$to.new"
else
    id=$(readelf -n "$file" | sed -n 's/.*Build ID: //p')
    [ -n "$id" ] || { echo "apart: $file has no build id, so nothing would find its debug file: link it with -Wl,--build-id" >&2; exit 1; }
    rest=${id#??}
    into=$symbols/.build-id/${id%"$rest"}
    mkdir -p "$into"
    "${tools}objcopy" --only-keep-debug --compress-debug-sections=zlib "$file" "$into/$rest.debug.new"
    chmod 644 "$into/$rest.debug.new"
    mv "$into/$rest.debug.new" "$into/$rest.debug"
    "${tools}objcopy" --strip-all --remove-section=.comment --add-gnu-debuglink="$into/$rest.debug" "$file" "$to.new"
    echo "apart: $(stat -c %s "$file") bytes are $(stat -c %s "$to.new") on a box, and $(stat -c %s "$into/$rest.debug") kept in $into/$rest.debug"
fi
chmod 755 "$to.new"
mv "$to.new" "$to"
