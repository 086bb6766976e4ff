#!/bin/sh
# Fetches libraries that the tests of `onnx` and `tensorrt` run, into $CARGO_TARGET_DIR/engines (make engines):
# ONNX Runtime, and TensorRT-RTX 1.6.1 and 1.7.1, some 700 MB. They are under licences of their own: for tests on
# this machine alone, never in the repository or in what is shipped. Exit: 0 there · 1 not
set -eu
cd "$(dirname "$0")/.."
into=${CARGO_TARGET_DIR:-target}/engines
python=${PYTHON:-python3}

# fetch FOLDER PACKAGE==VERSION: the shared objects of that wheel.
fetch() {
    [ -d "$into/$1" ] && return
    echo "engines: fetching $2"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    "$python" -m pip download --quiet --no-deps --only-binary=:all: --platform manylinux_2_28_x86_64 \
        --python-version 3.12 --implementation cp -d "$work" "$2"
    mkdir -p "$into/$1.new"
    "$python" - "$work" "$into/$1.new" <<'PY'
import glob, os, sys, zipfile
wheel, into = glob.glob(sys.argv[1] + "/*.whl")[0], sys.argv[2]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        base = os.path.basename(name)
        if base.startswith("lib") and ".so" in base:
            with open(os.path.join(into, base), "wb") as file:
                file.write(archive.read(name))
PY
    mv "$into/$1.new" "$into/$1"
    rm -rf "$work"
}
mkdir -p "$into"
fetch onnxruntime onnxruntime==1.32.0
fetch rtx-1.6 tensorrt-rtx-cu13-libs==1.6.1.120
fetch rtx-1.7 tensorrt-rtx-cu13-libs==1.7.1.116
