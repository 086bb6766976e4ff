#!/bin/sh
# Pulls the plug on a box that is claimed and then makes one key after another (DESIGN §4.5).
#   trials/powercut_claim.sh [CUTS] [SECONDS]     each cut leaves the old or the new identity, whole; exit 0
#   trials/powercut_claim.sh --control [...]      the same without syncs must lose or halve one; exit 0
# `examples/claims` is the claim as it ships on a real disk, beside a broker with a technician's desk in
# it; powercut.py records its disk and cuts. Needs root, loop devices, FUSE, qemu-storage-daemon.
set -eu
cd "$(dirname "$0")/.."

how=write
expect=
if [ "${1:-}" = --control ]; then how=write-carelessly; expect=--expect-fail; shift; fi
cuts=${1:-100}
seconds=${2:-20}
bin=${BIN:-${CARGO_TARGET_DIR:-target}/debug}/examples/claims
for needed in qemu-storage-daemon losetup python3; do
    command -v "$needed" >/dev/null || { echo "powercut: NOT RUN: $needed is not installed" >&2; exit 3; }
done
[ -e "$bin" ] || { echo "powercut: NOT RUN: no $bin (cargo build --example claims makes it)" >&2; exit 3; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$bin" "$work/claims"
mkdir "$work/disk"
python3 trials/powercut.py \
    --cmd "exec $work/claims $how \$POWERCUT_DIR $((seconds + 60))" \
    --verify "exec $work/claims verify \$POWERCUT_DIR \$POWERCUT_ACKS" --work "$work/disk" \
    --size 64M --seconds "$seconds" --cuts "$cuts" ${SEED:+--seed "$SEED"} $expect
