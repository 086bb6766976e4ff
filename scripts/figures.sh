#!/bin/bash
# Measures what a build costs from nothing: demo's, what the tests add to it, the release, and the binary's size: what takes
# room in it, by section and by crate.
# In a folder of its own (target/figures, made anew). Tens of minutes on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=target/figures
rm -rf "$CARGO_TARGET_DIR"
mkdir -p "$CARGO_TARGET_DIR"
log=$CARGO_TARGET_DIR/log
build() { # NAME CARGO-ARGUMENTS...
    local name=$1 started=$SECONDS
    shift
    # User and system: comparable where others use the machine too, as the seconds on the wall are not.
    TIMEFORMAT='%U %S'
    { time "${CARGO:-cargo}" "$@" >"$log" 2>&1; } 2>"$log.cpu" || { cat "$log"; exit 1; }
    printf '| %s | %d s | %s s of CPU | %d crates |\n' "$name" $((SECONDS - started)) \
        "$(awk '{ print int($1 + $2) }' "$log.cpu")" "$(grep -c '^ *Compiling' "$log")"
}
build 'make demo (cargo build)' build
build 'make test after it (cargo test --no-run)' test --no-run
build 'make build (cargo build --release)' build --release
binary=$CARGO_TARGET_DIR/release/courtside
scripts/apart.sh "$binary" "$CARGO_TARGET_DIR/stripped" >/dev/null
printf '| the binary as built | %d bytes |\n' "$(stat -c %s "$binary")"
printf '| stripped | %d bytes |\n' "$(stat -c %s "$CARGO_TARGET_DIR/stripped")"
scripts/room.py "$binary"
