#!/bin/sh
# Packs what the Yocto layer fetches, into $CARGO_TARGET_DIR/dist (make dist):
#   courtside-VERSION.tar.gz            the commit's own files, every crate (`vendor`), COMMIT, pages and completions
#   courtside-prebuilt-VERSION.tar.gz   what `make cross` built, laid out by `make install`; only if it did
#   courtside.yml                       for kas: where these lie, and their checksums
# gzip, since bitbake unpacks that without building a tool for it first. The same commit gives the same bytes.
# BIN: a courtside that runs here, for its manual page and completions. Exit: 0 packed · 1 not
set -eu
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
binary=$(realpath -m "${BIN:-$target/release/courtside}")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
say() { echo "dist: $*"; }
[ -x "$binary" ] || { say "there is no $binary: make build, or name another as BIN" >&2; exit 1; }
[ -z "$(git status --porcelain)" ] || say "what is not committed is not packed" >&2
into=$target/dist
tree=$into/tree
rm -rf "$tree"
mkdir -p "$tree"
cat >"$into/courtside.yml" <<KAS
header:
  version: 14
local_conf_header:
  courtside-releases: |
    COURTSIDE_RELEASES = "file://$into"
KAS
time=$(git log -1 --format=%ct)

pack() { # NAME SHORT: the folder of that name, owned by nobody in particular and of the commit's time
    tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$time" -C "$tree" -cf - "$1" |
        gzip -n -9 >"$into/$1.tar.gz.new"
    mv "$into/$1.tar.gz.new" "$into/$1.tar.gz"
    printf '    COURTSIDE_%s_SHA256 = "%s"\n' "$2" "$(sha256sum "$into/$1.tar.gz" | cut -d' ' -f1)" >>"$into/courtside.yml"
    say "$1.tar.gz: $(stat -c %s "$into/$1.tar.gz") bytes, sha256 $(sha256sum "$into/$1.tar.gz" | cut -d' ' -f1)"
}

name=courtside-$version
git archive --prefix="$name/" HEAD | tar x -C "$tree"
git rev-parse --short=10 HEAD >"$tree/$name/COMMIT"
mkdir "$tree/$name/told"
for what in man bash zsh fish; do "$binary" completions $what >"$tree/$name/told/$what"; done
cargo vendor --locked --quiet --versioned-dirs --manifest-path "$tree/$name/Cargo.toml" "$tree/$name/vendor" >/dev/null
# The crates are those of the lock file: cargo itself says so, reading nothing else.
mkdir -p "$into/home"
printf '[source.crates-io]\nreplace-with = "v"\n[source.v]\ndirectory = "%s"\n' "$tree/$name/vendor" >"$into/home/config.toml"
CARGO_HOME=$into/home cargo metadata --frozen --format-version 1 --manifest-path "$tree/$name/Cargo.toml" >/dev/null
rm -rf "$into/home"
say "$(ls "$tree/$name/vendor" | wc -l) crates, enough for cargo --frozen"
pack "$name" SOURCE

built=$target/aarch64-unknown-linux-gnu/release/courtside
if [ -x "$built" ]; then
    name=courtside-prebuilt-$version
    stripped=$into/courtside
    CARGO_TARGET_DIR=$target scripts/apart.sh "$built" "$stripped"
    # Whatever shims `make cross` made lie where `make install` looks for them.
    mkdir -p "$into/of/engines"
    ln -sfn "$target/engines/shims-aarch64" "$into/of/engines/shims"
    make -s install DESTDIR="$tree/$name" BIN="$stripped" TOLD="$tree/courtside-$version/told" CARGO_TARGET_DIR="$into/of"
    cp LICENSE "$tree/$name/LICENSE"
    pack "$name" PREBUILT
    rm -rf "$into/of" "$stripped"
else
    rm -f "$into/courtside-prebuilt-$version.tar.gz"
    say "no courtside-prebuilt-$version.tar.gz: there is no $built (make cross)" >&2
fi
rm -rf "$tree"
