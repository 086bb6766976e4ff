#!/bin/sh
# Installs what a make target needs and the machine lacks. Quick and silent when nothing is missing.
#   scripts/setup.sh build|run|test|bench|cross|train|trial|attack|shims|python|system|yocto|deb|release ...
# Works on Debian 12 and Ubuntu 24.04, as root or with sudo.
set -eu

need=
want() { # want PACKAGE CHECK...: remembers the package if the check fails
    package=$1; shift
    "$@" >/dev/null 2>&1 || need="$need $package"
}
has() { command -v "$1"; }
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}
# A list older than the packages makes apt fail, so it is refreshed first, once.
fresh=
refresh() {
    [ -n "$fresh" ] || as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    fresh=yes
}
offered() { apt-cache policy "$1" | grep -q 'Candidate: [^(]'; }
plugin() { ls /usr/lib/*/gstreamer-1.0/libgst"$1".so; }

for group in "$@"; do
    case $group in
    build)
        want pkg-config has pkg-config
        want gcc has cc
        want libc6-dev test -e /usr/include/stdio.h
        want libgstreamer1.0-dev pkg-config --exists gstreamer-1.0
        want libgstreamer-plugins-base1.0-dev pkg-config --exists gstreamer-app-1.0 gstreamer-video-1.0
        ;;
    run)
        want gstreamer1.0-plugins-base plugin app
        want gstreamer1.0-plugins-bad plugin videoparsersbad
        want gstreamer1.0-libav plugin libav
        want mosquitto test -x /usr/sbin/mosquitto
        ;;
    test)
        want g++ has c++
        want binutils has readelf
        want gstreamer1.0-plugins-good plugin flv
        want gstreamer1.0-plugins-ugly plugin x264
        want gstreamer1.0-tools has gst-launch-1.0
        want ffmpeg has ffmpeg
        want mosquitto-clients has mosquitto_sub
        want chromium sh -c 'command -v chromium || command -v chromium-browser'
        want curl has curl
        want python3 has python3
        ;;
    attack)
        want ffmpeg has ffmpeg
        want openssl has openssl
        want iproute2 test -x /usr/sbin/ip -o -x /sbin/ip
        ;;
    bench)
        want nginx-light has nginx
        want libnginx-mod-rtmp sh -c 'ls /usr/lib/nginx/modules/ngx_rtmp_module.so'
        ;;
    cross)
        want pkg-config has pkg-config
        want gcc has cc
        want libc6-dev test -e /usr/include/stdio.h
        want binutils has readelf
        want gcc-aarch64-linux-gnu has aarch64-linux-gnu-gcc
        want g++ has g++
        want g++-aarch64-linux-gnu has aarch64-linux-gnu-g++
        want qemu-user-static has qemu-aarch64-static
        ;;
    train)
        # The distribution's own: 110 MB to fetch, where pip brings some GB.
        packages=/usr/lib/python3/dist-packages
        if [ ! -d $packages/torch ] || [ ! -d $packages/av ]; then
            refresh
            if offered python3-torch && offered python3-av; then
                need="$need python3-torch python3-av"
            else
                want python3-venv python3 -c 'import ensurepip'
            fi
        fi
        ;;
    trial)
        want qemu-utils has qemu-storage-daemon
        want iproute2 test -x /usr/sbin/ip -o -x /sbin/ip
        want e2fsprogs test -x /usr/sbin/mkfs.ext4 -o -x /sbin/mkfs.ext4
        want python3-venv python3 -c 'import ensurepip'
        ;;
    shims)
        want g++ has g++
        ;;
    python)
        want python3 has python3
        ;;
    system)
        want libfaketime sh -c 'ls /usr/lib/*/faketime/libfaketime.so.1'
        want e2fsprogs test -x /usr/sbin/mkfs.ext4 -o -x /sbin/mkfs.ext4
        want systemd-container has systemd-nspawn
        want systemd has systemd-analyze
        ;;
    deb)
        want lintian has lintian
        want dpkg-dev has dpkg-deb
        ;;
    release)
        want minisign has minisign
        want python3 has python3
        want xz-utils has xz
        want binutils has readelf
        want python3-venv python3 -c 'import ensurepip'
        ;;
    yocto)
        want chrpath has chrpath
        want diffstat has diffstat
        want gawk has gawk
        want lz4 has lz4
        want zstd has zstd
        want file has file
        want cpio has cpio
        want patch has patch
        want wget has wget
        want g++ has g++
        if ! locale -a | grep -qi '^en_US.utf-\?8$'; then
            want locales has localedef
            locale=yes
        fi
        ;;
    *) echo "scripts/setup.sh: no such group: $group" >&2; exit 2 ;;
    esac
done

if [ -n "$need" ]; then
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "missing:$need — run as root: apt-get install$need" >&2
        exit 1
    fi
    echo "setup: installing$need"
    refresh
    # shellcheck disable=SC2086 # a list of names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $need
fi

# bitbake wants this one.
[ -z "${locale:-}" ] || as_root localedef -i en_US -f UTF-8 en_US.UTF-8

case " $* " in *" build "* | *" cross "*)
    PATH=$PATH:$HOME/.cargo/bin
    if ! command -v cargo >/dev/null; then
        echo "no Rust here: install 1.94 or newer, for example by rustup (Ubuntu: apt-get install rustup && rustup default stable)" >&2
        exit 1
    fi
    version=$(rustc --version | cut -d' ' -f2)
    oldest=$(printf '%s\n1.94.0\n' "$version" | sort -V | head -n 1)
    if [ "$oldest" != 1.94.0 ]; then
        echo "Rust $version is too old: install 1.94 or newer (rustup update stable)" >&2
        exit 1
    fi
    ;;
esac
