#!/bin/bash
# Builds the commit's release binary, as packages have it, so that folder, user, machine and hour leave no trace in it, and compares two of
# them byte by byte.
#   scripts/reproduce.sh build FOLDER   checks HEAD out into FOLDER/source, compiles into FOLDER/target; again: only
#                                       what changed
#   scripts/reproduce.sh compare A B    exit 0 the same bytes · 1 not, and what differs: sections, then first texts
#   scripts/reproduce.sh clean FILE     exit 0 · 1 a name of this machine, its user or a folder of either stands in it
# Uncommitted changes are not built. CARGO_HOME may differ from build to build: its path is not in the binary either.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { echo "reproduce: $*"; }

build() {
    mkdir -p "$1"
    local folder source target home sysroot flags
    folder=$(realpath "$1")
    # CFLAGS are parted at blanks, whoever quotes them.
    case $folder${CARGO_HOME:-$HOME} in *[[:space:]]*) say "a blank in $folder or in CARGO_HOME, which C compilers are not told of: another folder, please" >&2; exit 1 ;; esac
    source=$folder/source target=$folder/target home=${CARGO_HOME:-$HOME/.cargo}
    sysroot=$(rustc --print sysroot)
    if [ "$(cat "$folder/commit" 2>/dev/null)" != "$(git rev-parse HEAD)" ]; then
        rm -rf "$source"
        mkdir -p "$source"
        # Of this hour and not of the commit's: cargo asks the time of a file whether it changed.
        git archive HEAD | tar -xm -C "$source"
        git rev-parse HEAD >"$folder/commit"
    fi
    flags=(
        "--remap-path-prefix=$source=/courtside"
        "--remap-path-prefix=$target=/target"
        "--remap-path-prefix=$home=/cargo"
        "--remap-path-prefix=$sysroot/lib/rustlib/src/rust=/rustc/$(rustc -vV | sed -n 's/^commit-hash: //p')"
    )
    export CARGO_ENCODED_RUSTFLAGS
    CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}")
    # For C and assembly: ring's, and tract's kernels.
    export CFLAGS="-ffile-prefix-map=$source=/courtside -ffile-prefix-map=$target=/target -ffile-prefix-map=$home=/cargo"
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) COURTSIDE_COMMIT=$(git rev-parse --short=10 HEAD) \
        CARGO_TARGET_DIR=$target CARGO_INCREMENTAL=0 \
        "${CARGO:-cargo}" build --release --locked --no-default-features --features box --manifest-path "$source/Cargo.toml" "${ARGUMENTS[@]}"
}

# Lines `section size sha256`, so that two files can be compared by sections.
sections() {
    readelf -SW "$1" | sed -nE 's/^ *\[ *[0-9]+\] ([^ ]+) +([A-Z_]+) +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+) .*/\1 \2 \3 \4/p' |
        while read -r name kind offset size; do
            [ "$kind" != NOBITS ] || continue
            printf '%s %d %s\n' "$name" $((16#$size)) \
                "$(tail -c +$((16#$offset + 1)) "$1" | head -c $((16#$size)) | sha256sum | cut -c1-16)"
        done
}

compare() {
    if cmp -s "$1" "$2"; then
        say "the same bytes, sha256 $(sha256sum <"$1" | cut -d' ' -f1)"
        return 0
    fi
    say "NOT the same: $1 has $(stat -c %s "$1") bytes, $2 $(stat -c %s "$2")"
    diff <(sections "$1") <(sections "$2") | sed -n 's/^[<>]/reproduce: section &/p' || true
    say "the first texts that only one of them has:"
    diff <(strings -n 8 "$1" | sort -u) <(strings -n 8 "$2" | sort -u) | grep '^[<>]' | head -n 20 || true
    return 1
}

clean() {
    local wrong=0 trace
    for trace in "${CARGO_HOME:-$HOME/.cargo}" "$(rustc --print sysroot)" "$(pwd)" "$(hostname)" "$(realpath "${CARGO_TARGET_DIR:-target}")"; do
        # A host name of three letters stands in any binary by chance, and these do with reason.
        [ ${#trace} -gt 5 ] || continue
        case $trace in localhost* | courtside | debian | ubuntu | /courtside) continue ;; esac
        if grep -aqF -- "$trace" "$1"; then
            say "$1 names $trace:"
            strings "$1" | grep -F -m 3 -- "$trace" || true
            wrong=1
        fi
    done
    [ $wrong = 1 ] || say "$(basename "$1"): no path and no name of this machine"
    return $wrong
}

ARGUMENTS=("${@:3}")
case ${1:-} in
build) build "$2" ;;
compare) compare "$2" "$3" ;;
clean) clean "$2" ;;
*) sed -n '2,8p' "$0" >&2; exit 2 ;;
esac
