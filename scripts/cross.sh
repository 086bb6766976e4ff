#!/bin/sh
# Builds the aarch64 binary on an x86-64 machine and runs it under qemu-user: its version, tests, and
# the decoder on real pictures; then no symbol may be newer than the oldest target's glibc.
#   scripts/cross.sh               all of it (make cross)
#   scripts/cross.sh symbols FILE  only the last: names what an older glibc lacks; exit 1 if anything
# The target is a folder of unpacked arm64 packages (0.7 GB in $CARGO_TARGET_DIR/cross, 290 MB to
# fetch), taken over this machine's own apt sources with an apt state of its own: nothing of the
# machine is touched, no foreign architecture is added. CROSS_SOURCES=FILE names other sources
# (one-line style), where this machine's hold no arm64.
set -eu
cd "$(dirname "$0")/.."

# DESIGN §6: the oldest target decides. JetPack 6 is Ubuntu 22.04.
glibc=2.35
target=aarch64-unknown-linux-gnu
multiarch=aarch64-linux-gnu
# What the daemon links; what it loads to decode; what the tests load to encode and to read FLV.
packages="libc6-dev libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    gstreamer1.0-plugins-base gstreamer1.0-plugins-bad gstreamer1.0-libav
    gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"

say() { echo "cross: $*"; }
fail() { echo "cross: $*" >&2; exit 1; }

# Prints the newest glibc that each FILE needs, and fails if that is newer than the target's.
symbols() {
    for file in "$@"; do
        # Lines `name 2.34`. A symbol may be there under several versions: each counts.
        wanted=$(readelf -W --dyn-syms "$file" | sed -nE 's/.* ([^ @]+)@+GLIBC_([0-9.]+).*/\1 \2/p' | sort -u)
        [ -n "$wanted" ] || fail "$file names no symbol of glibc: is it a dynamic ELF file?"
        newest=$(echo "$wanted" | cut -d' ' -f2 | sort -V | tail -n 1)
        newer=$(echo "$wanted" | awk -v oldest="$glibc" '
            BEGIN { split(oldest, o, ".") }
            { split($2, v, "."); if (v[1] > o[1] || v[1] == o[1] && v[2] > o[2]) print "  " $1 " (GLIBC_" $2 ")" }')
        [ -z "$newer" ] || fail "$file would not start on glibc $glibc (JetPack 6); it needs
$newer
do without them: look who brings them with nm -A on the .rlib files"
        say "$(basename "$file"): no symbol newer than GLIBC_$newest (at most $glibc)"
    done
}
if [ "${1:-}" = symbols ]; then shift; symbols "$@"; exit; fi

[ "$(uname -sm)" = "Linux x86_64" ] || fail "written for x86-64 Linux; on aarch64 itself: make build"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}"
mkdir -p "$CARGO_TARGET_DIR/cross"
dir=$(realpath "$CARGO_TARGET_DIR/cross")
root=$dir/root
libraries=$root/usr/lib/$multiarch
began=$(date +%s)
took() { say "$1: $(($(date +%s) - since)) s"; since=$(date +%s); }
since=$began

# The standard library of the target.
PATH=$PATH:$HOME/.cargo/bin
std=$(rustc --print sysroot)/lib/rustlib/$target/lib
if [ ! -d "$std" ]; then
    say "installing Rust's standard library for $target"
    rustup target add $target ||
        fail "no standard library for $target: put one of $(rustc --version | cut -d' ' -f1,2) into $std"
fi

# The sysroot. Its stamp is written last: what was cut off is made anew.
if [ "$(cat "$root/.packages" 2>/dev/null)" != "$packages" ]; then
    say "fetching arm64 packages into $CARGO_TARGET_DIR/cross:" $packages
    rm -rf "$root" "$dir/apt" "$dir/registry.bin"
    mkdir -p "$root" "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
    : >"$dir/apt/status" # nothing is installed, so that all is fetched
    apt() {
        apt-get -q -y -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Install-Recommends=0 \
            -o APT::Sandbox::User="$(id -un)" -o Dir::State="$dir/apt" -o Dir::State::status="$dir/apt/status" \
            -o Dir::Cache="$dir/apt/cache" \
            ${CROSS_SOURCES:+-o Dir::Etc::sourcelist="$(realpath "$CROSS_SOURCES")" -o Dir::Etc::sourceparts=-} \
            "$@" >"$dir/apt/log" 2>&1 || { tail -n 5 "$dir/apt/log" >&2; return 1; }
    }
    # shellcheck disable=SC2086 # a list of names
    { apt update && apt install --download-only $packages; } ||
        fail "this machine's apt sources do not give these packages for arm64: CROSS_SOURCES=FILE names some that do"
    for package in "$dir"/apt/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --no-same-owner \
            --exclude=./usr/share/doc --exclude=./usr/share/man --exclude=./usr/share/locale
    done
    # Packages mean their absolute links from the target's root, and leave some to their scripts.
    find "$root" -type l -lname '/*' -printf '%p %l\n' | while read -r link to; do ln -snf "$root$to" "$link"; done
    for library in blas/libblas.so.3 lapack/liblapack.so.3; do
        [ ! -e "$libraries/$library" ] || ln -snf "$library" "$libraries/$(basename "$library")"
    done
    count=$(find "$dir/apt/cache/archives" -name '*.deb' | wc -l)
    rm -rf "$dir/apt"
    printf %s "$packages" >"$root/.packages"
    took "$count packages fetched and unpacked"
fi

# One word each, since they stand in variables that are split at spaces.
mkdir -p "$dir/bin"
cat >"$dir/bin/cc" <<CC
#!/bin/sh
exec $multiarch-gcc --sysroot="$root" -Wl,-rpath-link,"$libraries" -Wl,-rpath-link,"$root/lib/$multiarch" "\$@"
CC
# A core without SVE, near Orin's A78AE: on qemu's own choice, which has SVE of 2048 bits, tract's SVE
# kernel for RimNet does not end. The scanner of plug-ins would be a second program of the target: they are looked at in the first one.
cat >"$dir/bin/run" <<RUN
#!/bin/sh
export QEMU_CPU=cortex-a76 GST_REGISTRY_1_0="$dir/registry.bin" GST_REGISTRY_FORK=no
export GST_PLUGIN_SYSTEM_PATH_1_0="$libraries/gstreamer-1.0"
exec qemu-aarch64-static -L "$root" "\$@"
RUN
chmod +x "$dir/bin/cc" "$dir/bin/run"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="$dir/bin/cc"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$dir/bin/run"
export CC_aarch64_unknown_linux_gnu="$dir/bin/cc"
export PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_SYSROOT_DIR="$root"
export PKG_CONFIG_LIBDIR="$libraries/pkgconfig:$root/usr/share/pkgconfig"

cargo=${CARGO:-cargo}
log=$dir/log
binary=$CARGO_TARGET_DIR/$target/release/courtside
since=$(date +%s)

# Tests of the whole library and not of its pure modules alone: what waits, syncs and listens is
# emulated too. In the release profile, to share what is compiled with the binary.
tests() { # tests WHAT ARGUMENTS OF CARGO TEST...: fails where none ran, as when a name has changed
    what=$1; shift
    $cargo test --release --target $target "$@" >"$log" 2>&1 || { cat "$log" >&2; fail "$what: failed, see above"; }
    passed=$(sed -nE 's/^test result: ok\. ([0-9]+) passed.*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
    [ "$passed" -gt 0 ] || fail "$what: no test ran"
    took "$what: $passed tests passed"
}
$cargo test --release --target $target --no-run --lib --test corpus --test peers
took "tests built"
tests "pure cores and what lies around them (--lib)" --lib
tests "what fuzzers kept (--test corpus)" --test corpus
# One at a time: the decoder gives up on pipelines that stand still for a second or two.
tests "decoding what x264 and x265 make (--test peers decode)" --test peers decode:: -- --test-threads=1

# The binary comes last: the tests' own, made with the features of the crates that tests need, has
# the same name.
$cargo build --release --target $target --no-default-features --features box
took "binary built"
symbols "$binary"
say "$("$dir/bin/run" "$binary" -V) on $(readelf -h "$binary" | sed -n 's/.*Machine: *//p'), $(qemu-aarch64-static --version | sed -n '1s/ version / /;1s/ (.*//p')"
# The demo's own pictures, the first five seconds; the model is the tests' toy, for speed,
# so only that there is a result counts: no picture, or one that cannot be decoded, is an error.
mkdir -p "$dir/video"
head -c 400000 assets/demo/game.flv >"$dir/video/game.flv"
# Of its truth what lies within them.
python3 -c 'import json, sys; t = json.load(open("assets/demo/game.json")); t["attempts"] = [a for a in t["attempts"] if a["t_rim"] < 5]; json.dump(t, sys.stdout)' >"$dir/video/game.json"
"$dir/bin/run" "$binary" eval --truth "$dir/video/game.json" --models-dir tests/data/models --bundle toy --json >"$log" ||
    fail "the demo's pictures are not decoded"
grep -q '"videos":1' "$log" || fail "the demo's pictures are not decoded: $(cat "$log")"
took "the demo's pictures decoded"
since=$began
took "all of it"
