#!/bin/bash
# Measures what a build costs from nothing: demo's, what the tests add to it, the release, and the binary's size.
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
    "${CARGO:-cargo}" "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }
    printf '| %s | %d s | %d crates |\n' "$name" $((SECONDS - started)) "$(grep -c '^ *Compiling' "$log")"
}
build 'make demo (cargo build)' build
build 'make test after it (cargo test --no-run)' test --no-run
build 'make build (cargo build --release)' build --release
binary=$CARGO_TARGET_DIR/release/courtside
strip -o "$CARGO_TARGET_DIR/stripped" "$binary"
printf '| the binary as built | %d bytes |\n' "$(stat -c %s "$binary")"
printf '| stripped | %d bytes |\n' "$(stat -c %s "$CARGO_TARGET_DIR/stripped")"
