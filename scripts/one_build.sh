#!/bin/bash
# Says whether the program and its tests would share one build of the dependencies: every crate that the
# program uses must have the same features when the tests' crates are there too. Compiles nothing.
# Exit: 0 they share it · 1 they do not; name the features in Cargo.toml, where the others are named
set -euo pipefail
cd "$(dirname "$0")/.."
crates() { ${CARGO:-cargo} tree --locked --edges "$1" --format '{p} [{f}]' --prefix none --no-dedupe | sed 's/ (\*)$//' | sort -u; }
program=$(crates normal,build)
tests=$(crates normal,build,dev)
parted=$(comm -23 <(echo "$program") <(echo "$tests"))
[ -z "$parted" ] || { printf 'with other features in the tests than in the program:\n%s\n' "$parted"; exit 1; }
echo "one build: $(wc -l <<<"$program") crates, alike in program and tests"
