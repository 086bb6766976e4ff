#!/bin/bash
# Puts NVIDIA's CUDA compiler (libnvrtc, no driver, no GPU) into DIR, where a machine has none: what the
# kernels' own test compiles with. Usage: nvrtc.sh DIR
# Exit: 0 it is there · 1 it cannot be had
set -euo pipefail
dir=${1:?usage: nvrtc.sh DIR}
[ -e "$dir/libnvrtc.so.12" ] && exit 0
mkdir -p "$dir"
python3 -m pip download --quiet --no-deps --only-binary=:all: --platform manylinux2014_"$(uname -m)" \
  --dest "$dir" nvidia-cuda-nvrtc-cu12==12.6.85
python3 - "$dir" <<'PY'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
for wheel in folder.glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if "/lib/" in name and ".so" in name:
                (folder / pathlib.Path(name).name).write_bytes(archive.read(name))
    wheel.unlink()
PY
test -e "$dir/libnvrtc.so.12"
