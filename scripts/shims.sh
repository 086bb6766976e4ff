#!/bin/sh
# Builds the shims for TensorRT (native/tensorrt), one object a flavour and major version, since the vtables of
# the library differ between them:
#   scripts/shims.sh              all of them, into $CARGO_TARGET_DIR/engines/shims (make shims)
#   scripts/shims.sh aarch64      the same for aarch64, into …/shims-aarch64 (make cross)
#   HEADERS=DIR scripts/shims.sh  one, against the headers that lie there (JetPack: /usr/include/aarch64-linux-gnu,
#                                 with CUDA's in CUDA=/usr/local/cuda/include)
# Headers are those inside published versions of the crate trtx-sys, which cargo fetches; nothing of them is
# kept in the repository or linked. Exit: 0 built · 1 not
set -eu
cd "$(dirname "$0")/.."
say() { echo "shims: $*"; }
fail() { echo "shims: $*" >&2; exit 1; }

cxx=${CXX:-g++}
into=${CARGO_TARGET_DIR:-target}/engines/shims
if [ "${1:-}" = aarch64 ]; then
    cxx=${CROSS_CXX:-aarch64-linux-gnu-g++}
    into=$into-aarch64
fi
command -v "$cxx" >/dev/null || fail "no $cxx: install it, or name another as CXX (for aarch64: CROSS_CXX)"
mkdir -p "$into"

# build NAME FOLDER...: one object against the headers in these folders.
build() {
    name=$1
    shift
    flags=""
    for folder in "$@"; do flags="$flags -isystem $folder"; done
    # shellcheck disable=SC2086 # folders of ours, without spaces
    "$cxx" -std=c++17 -O2 -fPIC -shared -Wall -Wextra -Werror -Wno-deprecated-declarations $flags \
        ${CROSS_FLAGS:-} native/tensorrt/shim.cpp -o "$into/libcourtside-$name.so.new" -ldl
    mv "$into/libcourtside-$name.so.new" "$into/libcourtside-$name.so"
    say "libcourtside-$name.so: $(stat -c %s "$into/libcourtside-$name.so") bytes"
}

if [ -n "${HEADERS:-}" ]; then
    # What version they are stands in them.
    number() { sed -nE "s/^#define $1 ([0-9]+).*/\1/p" "$HEADERS/NvInferVersion.h" | head -n 1; }
    major=$(number 'TRT_MAJOR_ENTERPRISE'); major=${major:-$(number NV_TENSORRT_MAJOR)}
    [ -n "$major" ] || fail "$HEADERS/NvInferVersion.h names no version of TensorRT"
    build "tensorrt-$major" "$HEADERS" "${CUDA:-/usr/local/cuda/include}"
    exit
fi

# headers VERSION: the folder of headers inside that version of trtx-sys.
headers() {
    fetched=${CARGO_TARGET_DIR:-target}/engines/fetch/$1
    mkdir -p "$fetched/src"
    : >"$fetched/src/lib.rs"
    cat >"$fetched/Cargo.toml" <<TOML
[package]
name = "headers"
version = "0.0.0"
edition = "2021"
[dependencies]
trtx-sys = { version = "=$1", default-features = false }
[workspace]
TOML
    cargo fetch --quiet --manifest-path "$fetched/Cargo.toml"
    found=$(cargo metadata --format-version 1 --manifest-path "$fetched/Cargo.toml" --offline |
        python3 -c 'import json, os, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == "trtx-sys":
        print(os.path.join(os.path.dirname(package["manifest_path"]), "TensorRT-Headers"))')
    [ -d "$found" ] || fail "trtx-sys $1 has no headers"
    echo "$found"
}
older=$(headers 0.5.0)
newer=$(headers 0.9.1)
build tensorrt-10 "$older" "$older/TRT-Enterprise-10.16"
build tensorrt-11 "$newer" "$newer/TRT-Enterprise-11.4"
build tensorrt-rtx-1.6 "$newer" "$newer/TRT-RTX-1.6"
build tensorrt-rtx-1.7 "$newer" "$newer/TRT-RTX-1.7"
