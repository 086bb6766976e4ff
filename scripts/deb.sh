#!/bin/sh
# Makes courtside's .deb by cargo-deb of what `make install` places: nothing is compiled, nothing of the machine
# is touched.
#   scripts/deb.sh amd64|arm64    into $CARGO_TARGET_DIR/debian (make deb)
# BIN: the release binary, $CARGO_TARGET_DIR/release/courtside-box (make box) or that of `make cross`. TELLS: one that runs here, for
# manual page and completions. Exit: 0 made, and lintian has nothing to say · 1 not
set -eu
cd "$(dirname "$0")/.."
built=$(realpath -m "${CARGO_TARGET_DIR:-target}")
say() { echo "deb: $*"; }
case ${1:-} in
amd64) triple=x86_64-unknown-linux-gnu; binary=$built/release/courtside-box; shims=$built/engines/shims; strip=strip ;;
arm64) triple=aarch64-unknown-linux-gnu; binary=$built/$triple/release/courtside; shims=$built/engines/shims-aarch64
    strip=aarch64-linux-gnu-strip
    [ "$(dpkg --print-architecture)" = amd64 ] || {
        binary=$built/release/courtside-box; shims=$built/engines/shims; strip=strip; } ;;
*) echo "scripts/deb.sh: amd64 or arm64?" >&2; exit 2 ;;
esac
binary=${BIN:-$binary}
[ -x "$binary" ] || { say "there is no $binary: make box (amd64), make cross (arm64)" >&2; exit 1; }
ls "$shims"/*.so >/dev/null || { say "no shims for TensorRT: make shims (amd64), make cross (arm64)" >&2; exit 1; }
PATH=$PATH:$HOME/.cargo/bin
command -v cargo-deb >/dev/null || { say "installing cargo-deb (some minutes, once)"
    env -u CARGO_TARGET_DIR cargo install --locked --quiet --debug cargo-deb@3.8.0; }

# Where the assets of Cargo.toml are looked for, whatever CARGO_TARGET_DIR is.
rm -rf target/deb
mkdir -p target/deb/of/engines
ln -s "$shims" target/deb/of/engines/shims
CARGO_TARGET_DIR=$built scripts/apart.sh "$binary" target/deb/of/courtside
for what in man bash zsh fish; do "${TELLS:-$binary}" completions $what >target/deb/of/$what; done
make -s install DESTDIR=target/deb BIN=target/deb/of/courtside TOLD=target/deb/of CARGO_TARGET_DIR=target/deb/of
find target/deb/usr -name '*.so' -exec "$strip" --strip-unneeded {} +
scripts/cross.sh symbols target/deb/usr/bin/courtside target/deb/usr/lib/courtside/*.so
scripts/needs.sh target/deb/usr/bin/courtside target/deb/usr/lib/courtside/*.so

into=$built/debian
mkdir -p "$into"
package=$(cargo deb --no-build --no-strip --target $triple --output "$into" | tail -n 1)
rm -rf target/deb
[ -s "$package" ] || { say "cargo-deb made nothing, see above" >&2; exit 1; }
say "$package: $(stat -c %s "$package") bytes"
command -v lintian >/dev/null || { say "not held to lintian: there is none (apt-get install lintian)" >&2; exit 1; }
# Private objects that are loaded by name need no version; ITP bugs are Debian's own.
lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs "$package"
say "lintian has nothing to say"
