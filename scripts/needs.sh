#!/bin/sh
# Whether a program and its shims would be loaded on the systems that a .deb is for: every library that they name, and
# every versioned symbol, is held to a table of what those systems' packages have.
#   scripts/needs.sh FILE...        e.g. scripts/needs.sh target/release/courtside target/engines/shims/*.so
# The table is below: Ubuntu 22.04 (JetPack 6), Ubuntu 24.04 (JetPack 7), Debian 12. GStreamer and GLib have no versioned
# symbols: what is taken of them is held to what the bindings' sources say came later. Exit: 0 all would load · 1 not
set -eu
[ $# -gt 0 ] || { sed -n '2,7p' "$0" >&2; exit 2; }
#      system           libc  GLIBCXX  CXXABI  GCC     GLib  GStreamer
table='Ubuntu-22.04     2.35  3.4.30   1.3.13  12.0.0  2.72  1.20
Ubuntu-24.04     2.39  3.4.33   1.3.15  14.0.0  2.80  1.24
Debian-12        2.36  3.4.30   1.3.13  12.0.0  2.74  1.22'
# What a box of any of them has once the package's dependencies are installed; TensorRT and CUDA are loaded by name.
libraries='ld-linux-aarch64.so.1 ld-linux-x86-64.so.2 libc.so.6 libdl.so.2 libm.so.6 libpthread.so.0 librt.so.1 libgcc_s.so.1
libstdc++.so.6 libglib-2.0.so.0 libgobject-2.0.so.0 libgio-2.0.so.0 libgstreamer-1.0.so.0 libgstbase-1.0.so.0 libgstapp-1.0.so.0
libgstvideo-1.0.so.0 libgstallocators-1.0.so.0'
# What came after GStreamer 1.20 and GLib 2.72, as the bindings that are linked say of each function.
later=$(mktemp)
trap 'rm -f "$later"' EXIT
for source in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/gstreamer*-sys-*/src/lib.rs "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/g*-sys-*/src/lib.rs; do
    [ ! -e "$source" ] || awk '
        match($0, /cfg\(feature = "v[0-9]+_[0-9]+"\)/) { split(substr($0, RSTART + 16, RLENGTH - 18), v, "_"); since = v[1] * 1000 + v[2]; next }
        match($0, /pub fn [a-z0-9_]+\(/) { if (since > 2072 || since > 1020 && since < 2000) print substr($0, RSTART + 7, RLENGTH - 8) }
        !/^ *#\[/ { since = 0 }' "$source"
done | sort -u >"$later"
[ "$(wc -l <"$later")" -gt 100 ] || { echo "needs: the bindings' sources are not here (cargo fetch): functions without versions are not looked at" >&2; : >"$later"; }
newest() { # FILE PREFIX: the newest version that it wants under that name
    readelf -W --version-info "$1" | grep -oE "Name: $2_[0-9.]+" | sed "s/.*_//" | sort -V | tail -n 1
}
under() { [ -z "$1" ] || [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1)" = "$2" ]; }
bad=0
for file in "$@"; do
    name=$(basename "$file")
    readelf -h "$file" >/dev/null 2>&1 || { echo "✗ $name is no ELF file" >&2; exit 1; }
    for library in $(readelf -W -d "$file" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
        echo "$libraries" | tr ' ' '\n' | grep -qxF "$library" || { echo "✗ $name needs $library, which no dependency of the package brings"; bad=1; }
    done
    libc=$(newest "$file" GLIBC); cxx=$(newest "$file" GLIBCXX); abi=$(newest "$file" CXXABI); gcc=$(newest "$file" GCC)
    taken=$(readelf -W --dyn-syms "$file" | awk '$7 == "UND" { sub("@.*", "", $8); print $8 }')
    new=$(echo "$taken" | grep -xFf "$later" || :)
    [ -z "$new" ] || { echo "✗ $name takes what GStreamer 1.20 or GLib 2.72 have not: $new"; bad=1; }
    echo "$table" | while read -r system has_libc has_cxx has_abi has_gcc glib gst; do
        if under "$libc" "$has_libc" && under "$cxx" "$has_cxx" && under "$abi" "$has_abi" && under "$gcc" "$has_gcc"; then
            echo "✓ $name on $system: GLIBC ${libc:--} of $has_libc, GLIBCXX ${cxx:--} of $has_cxx, CXXABI ${abi:--} of $has_abi, GCC ${gcc:--} of $has_gcc"
        else
            echo "✗ $name on $system: wants GLIBC ${libc:--} of $has_libc, GLIBCXX ${cxx:--} of $has_cxx, CXXABI ${abi:--} of $has_abi, GCC ${gcc:--} of $has_gcc"; exit 1
        fi
    done || bad=1
done
exit $bad
