#!/bin/bash
# Makes what a release publishes, of the commit that is checked out, in $CARGO_TARGET_DIR/published/VERSION (make
# release). It can be run again at any time: what is compiled already is not compiled twice, the rest is made anew.
#   courtside_*_ARCH.deb                    for amd64, and for arm64 where `make cross` has built
#   courtside-VERSION-ARCH-symbols.tar.xz   what names functions in a box's backtraces; unpack it at /
#   courtside-VERSION-ARCH.cdx.json, .spdx.json   what it is made of (scripts/sbom.py)
#   courtside-VERSION.openvex.json          which known vulnerabilities concern it (scripts/vex.py)
#   CHANGELOG.md, BUILD.txt                 what changed; of which commit, by which compiler, how to build it again
#   SHA256SUMS, SHA256SUMS.minisig          sums of all of these, and their signature
# RELEASE_KEY=FILE signs, a secret key of minisign's format (`courtside models keygen`, `minisign -G`). ADVISORIES=DIR is a
# clone of RustSec's database, for a machine that does not reach it. ONCE=1 builds once, and so does not know whether
# another folder gives the same bytes.
# Exit: 0 whole · 1 failed · 3 made, but something is absent: the last lines name it
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
into=$target/published/$version
work=$target/release-builds
absent=()
say() { echo "release: $*"; }
lacks() { absent+=("$*"); say "ABSENT: $*"; }
fail() { echo "release: FAILED: $*" >&2; exit 1; }

commit=$(git rev-parse HEAD)
# Unit, models, example, maintainer scripts and Cargo.lock are packed as they lie here, not of the commit that BUILD.txt names.
[ -z "$(git status --porcelain)" ] || { git status --short | sed -n '1,10p' >&2; fail "commit that, or take it away: a release is of one commit"; }
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH CARGO_TARGET_DIR=$target
rm -rf "$into"
mkdir -p "$into" "$work"

say "building ${commit:0:10} in $work/one"
scripts/reproduce.sh build "$work/one"
binary=$work/one/target/release/courtside
scripts/reproduce.sh clean "$binary" || fail "the binary names this machine"
same=unknown
if [ -n "${ONCE:-}" ]; then
    lacks "the second build (ONCE): nobody knows whether another folder gives the same bytes"
else
    # Another folder, of another length; another CARGO_HOME, hour zone, language and umask.
    other=$work/second/a-folder-of-another-length
    mkdir -p "$other/home/registry"
    for part in cache index; do
        [ -d "$other/home/registry/$part" ] || [ ! -d "${CARGO_HOME:-$HOME/.cargo}/registry/$part" ] ||
            cp -a "${CARGO_HOME:-$HOME/.cargo}/registry/$part" "$other/home/registry/"
    done
    say "building it once more in $other"
    (umask 077; CARGO_HOME=$other/home TZ=Asia/Tokyo LANG=C scripts/reproduce.sh build "$other")
    scripts/reproduce.sh compare "$binary" "$other/target/release/courtside" || fail "two builds of one commit differ, see above"
    same="yes, from two folders"
fi

package() { # ARCH TRIPLE BINARY SHIMS: all files of one architecture
    local arch=$1 triple=$2 built=$3 shims=$4 first second
    say "$arch: package, symbols, parts"
    rm -rf "$target/symbols" "$work/debian"
    mkdir -p "$work/debian"
    BIN=$built TELLS=$binary scripts/deb.sh "$arch"
    first=$(ls -t "$target"/debian/courtside_*_"$arch".deb | head -n 1)
    mv "$first" "$work/debian/"
    BIN=$built TELLS=$binary scripts/deb.sh "$arch" >/dev/null
    second=$(ls -t "$target"/debian/courtside_*_"$arch".deb | head -n 1)
    scripts/reproduce.sh compare "$work/debian/$(basename "$first")" "$second" || fail "two packages of one binary differ"
    cp "$second" "$into/"
    mkdir -p "$work/root/usr/lib/debug"
    rm -rf "$work/root/usr/lib/debug/.build-id"
    cp -r "$target/symbols/.build-id" "$work/root/usr/lib/debug/"
    tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rwX,go=rX \
        --mtime="@$SOURCE_DATE_EPOCH" -C "$work/root" -cf - usr |
        xz -T1 -1 >"$into/courtside-$version-$arch-symbols.tar.xz"
    # The sum that whoever has installed it finds.
    dpkg-deb --fsys-tarfile "$second" | tar -xO ./usr/bin/courtside >"$work/installed"
    scripts/sbom.py "$into" --target "$triple" --features box --binary "$work/installed" --shims "$shims"
}

[ -d "$target/engines/shims" ] || scripts/shims.sh
package amd64 x86_64-unknown-linux-gnu "$binary" "$target/engines/shims"
cross=$target/aarch64-unknown-linux-gnu/release/courtside
if [ -x "$cross" ]; then
    # Of `make cross`, which builds the folder as it lies there: no commit, and no second build to hold it to.
    scripts/reproduce.sh clean "$cross" || lacks "an arm64 binary that does not name this machine: make cross leaves its paths in it"
    lacks "two builds of arm64 to compare: it is what make cross left"
    package arm64 aarch64-unknown-linux-gnu "$cross" "$target/engines/shims-aarch64"
else
    lacks "arm64: there is no $cross (make cross)"
fi

# Held to the formats' own schemas by the formats' own libraries.
venv=$target/validators
if [ -x "$venv/bin/done" ] || { python3 -m venv "$venv" &&
    "$venv/bin/pip" install --quiet 'cyclonedx-python-lib[json-validation]==11.12.0' spdx-tools==0.8.5 &&
    ln -sf python "$venv/bin/done"; }; then
    "$venv/bin/python" scripts/sbom_valid.py "$into"/*.cdx.json "$into"/*.spdx.json || fail "a bill of materials is not valid"
else
    lacks "validation of the bills of materials: PyPI does not give cyclonedx-python-lib and spdx-tools here"
fi

log=$work/advisories.jsonl
if ! cargo deny --version >/dev/null 2>&1; then
    lacks "RustSec's advisories: there is no cargo-deny (make deny installs it)"
    scripts/vex.py "$into/courtside-$version.openvex.json"
else
    asked=$(FORMAT=json scripts/advisories.sh ${ADVISORIES:+"$ADVISORIES"} 2>"$log") || true
    if grep -q '"type":"summary"' "$log"; then
        scripts/vex.py "$into/courtside-$version.openvex.json" --told "$log" \
            --database "cargo-deny, RustSec's database ${asked#advisories: }" || fail "an advisory that nobody has judged, see above"
    else
        lacks "RustSec's advisories: the database cannot be reached here; name a clone of it as ADVISORIES=DIR"
        scripts/vex.py "$into/courtside-$version.openvex.json"
    fi
fi

scripts/changelog.sh >"$into/CHANGELOG.md"
cat >"$into/BUILD.txt" <<TXT
courtside $version of commit $commit
compiler: $(rustc --version)
C compiler: $(cc --version | head -n 1)
binary inside the amd64 package, before it was parted from its symbols: sha256 $(sha256sum <"$binary" | cut -d' ' -f1)
the same bytes twice: $same
Build it again: git checkout $commit && scripts/reproduce.sh build FOLDER, with this compiler and Debian 12's C
compiler and GStreamer headers; then scripts/reproduce.sh compare, or the sum above.
Check it: minisign -V -p courtside.pub -m SHA256SUMS && sha256sum -c SHA256SUMS
TXT
(cd "$into" && find . -maxdepth 1 -type f ! -name 'SHA256SUMS*' -printf '%f\n' | sort | xargs sha256sum >SHA256SUMS)
if [ -z "${RELEASE_KEY:-}" ]; then
    lacks "the signature: name a secret key as RELEASE_KEY=FILE (courtside models keygen, or minisign -G)"
elif command -v minisign >/dev/null; then
    minisign -S -s "$RELEASE_KEY" -m "$into/SHA256SUMS" -c "signature of a courtside release" \
        -t "courtside $version ${commit:0:10}" >/dev/null
    [ ! -f "${RELEASE_KEY%.key}.pub" ] || minisign -V -q -p "${RELEASE_KEY%.key}.pub" -m "$into/SHA256SUMS" ||
        fail "the signature does not hold against ${RELEASE_KEY%.key}.pub"
    say "signed"
else
    lacks "the signature: there is no minisign (apt-get install minisign)"
fi
(cd "$into" && ls -l | awk 'NR > 1 { print "release: " $5, $9 }')
say "in $into"
[ ${#absent[@]} = 0 ] || { for each in "${absent[@]}"; do say "ABSENT: $each"; done; exit 3; }
