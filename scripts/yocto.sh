#!/bin/bash
# Checks yocto/meta-courtside without building anything: oelint; `kas dump`, which checks out the commits that
# yocto/kas pins; then, by the real bitbake and the real layers, that every recipe parses, the image's variables are
# what they must be, its graph resolves for each machine, and a wrong package name is found.
#   LAYERS=DIR scripts/yocto.sh [SERIES...]      wrynose and scarthgap, if none is named
# DIR holds git repositories bitbake, openembedded-core, meta-openembedded, meta-rauc and meta-tegra, bare or not, as
# NAME, NAME.git or OWNER+NAME/repo, with the pinned commits in them; no network is used for them.
# Work and logs: $CARGO_TARGET_DIR/yocto. About 4 minutes a machine, the first time. Exit: 0 all shown · 1 not ·
# 3 the layers are not here, so nothing was parsed
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(realpath -m "${CARGO_TARGET_DIR:-target}")/yocto
mkdir -p "$work"
bad=0
say() { echo "yocto: $*"; }
ok() { echo "✓ $*"; }
no() { echo "✗ $*"; bad=1; }

if ! { command -v kas && command -v oelint-adv; } >/dev/null; then
    if [ ! -x "$work/venv/bin/oelint-adv" ]; then
        say "installing kas and oelint-adv into $work/venv (once)"
        python3 -m venv "$work/venv"
        "$work/venv/bin/pip" install --quiet kas==5.5 oelint-adv==9.11.2
    fi
    PATH=$work/venv/bin:$PATH
fi

# Names that oelint does not know, of meta-rauc.
printf '{"variables": {"known": ["RAUC_BUNDLE_COMPATIBLE", "RAUC_BUNDLE_DESCRIPTION", "RAUC_BUNDLE_FORMAT",
 "RAUC_BUNDLE_SLOTS", "RAUC_BUNDLE_VERSION", "RAUC_CERT_FILE", "RAUC_KEYRING_FILE", "RAUC_KEY_FILE", "RAUC_SLOT_rootfs"]}}' \
    >"$work/oelint.json"

series=("$@")
[ ${#series[@]} -gt 0 ] || series=(wrynose scarthgap)
for one in "${series[@]}"; do
    [ -e "yocto/kas/$one.yml" ] || { say "there is no yocto/kas/$one.yml" >&2; exit 1; }
    mapfile -t recipes < <(find yocto/meta-courtside -name '*.bb' -o -name '*.bbappend' | sort)
    # Hints of taste apart; addresses are not visited, and our own few files of settings carry no licence text.
    if oelint-adv --quiet --release "$one" --mode all --hide info --suppress oelint.vars.homepageping \
        --suppress oelint.var.licenseremotefile --constantmods="+$work/oelint.json" "${recipes[@]}" >"$work/oelint-$one.txt" 2>&1; then
        ok "$one: oelint has nothing to say of ${#recipes[@]} recipes"
    else
        no "$one: oelint:"; cat "$work/oelint-$one.txt"
    fi
done

repository() { # NAME: where it lies under LAYERS
    local place
    for place in "$LAYERS/$1" "$LAYERS/$1.git" "$LAYERS"/*+"$1"/repo; do
        ! git -c safe.directory='*' -C "$place" rev-parse --git-dir >/dev/null 2>&1 || { echo "$place"; return; }
    done
    return 1
}
names=(bitbake openembedded-core meta-openembedded meta-rauc meta-tegra)
missing=
for name in "${names[@]}"; do
    [ -n "${LAYERS:-}" ] && repository "$name" >/dev/null || missing="$missing $name"
done
if [ -n "$missing" ]; then
    printf '%s\n' \
        "############################################################################################" \
        "#  NOT PARSED. The layers are not here:$missing" \
        "#  Whether yocto/meta-courtside parses, and what the image is made of, was NOT looked at." \
        "#  Say where they are: make yocto LAYERS=DIR (scripts/yocto.sh says what DIR holds)." \
        "############################################################################################" >&2
    exit 3
fi
scripts/setup.sh yocto

# What an image may never hold, and what it must.
never='openssh|dropbear|bluez5|wpa-supplicant|avahi|xserver-xorg|weston|rpcbind|nfs-utils|telnet'
must='gstreamer1.0-plugins-nvvidconv tensorrt-core gstreamer1.0-plugins-nvvideo4linux2 gstreamer1.0-plugins-bad tegra-configs tegra-redundant-boot
    tegra-nvpmodel tegra-nvfancontrol chrony courtside-data courtside-stick courtside-system courtside-slots courtside-initrd cuda-nvrtc rauc rauc-conf'
keep='chrony|mosquitto|nvme-cli|libnvme|keyutils|kconfiglib|pps-tools|uthash|libwebsockets|libevent|c-ares|cjson'
keep="$keep|json-c|libedit|libusbgx|libconfig|libglvnd|python3-pyfdt"

for one in "${series[@]}"; do
    tree=$work/$one
    mkdir -p "$tree/kas"
    for name in "${names[@]}"; do
        [ -d "$tree/kas/$name" ] || git -c safe.directory='*' clone -q --shared -n "$(repository "$name")" "$tree/kas/$name"
    done
    boards=()
    for file in yocto/kas/*.yml; do
        board=$(sed -n 's/^machine: //p' "$file")
        [ -n "$board" ] || continue
        # A machine that a series does not have says so in its first line.
        ! sed -n 1p "$file" | grep -q ' alone$' || sed -n 1p "$file" | grep -q "$one alone" || continue
        if KAS_WORK_DIR=$tree/kas kas dump "yocto/kas/$one.yml:$file" >"$tree/dump-$board.yml" 2>"$tree/dump-$board.log"; then
            ok "$one: kas dump of $board, with every layer at its pinned commit"
        else
            no "$one: kas dump of $board:"; tail -n 5 "$tree/dump-$board.log"
        fi
        boards+=("$board")
    done
    [ "$bad" = 0 ] || exit 1
    # A copy, with two images that must be refused beside ours.
    layer=$tree/meta-courtside
    # Keys of nobody, for the parse alone.
    keys=$work/keys
    if [ ! -e "$keys/keyring.pem" ]; then
        mkdir -p "$keys"; printf 'untrusted comment: of nobody\nRW%054d\n' 0 >"$keys/nobody.pub"
        yocto/keys.sh "$keys" "$keys/nobody.pub" 2 >/dev/null
    fi
    rm -rf "$layer.new"; cp -r yocto/meta-courtside "$layer.new"
    images=recipes-courtside/images
    printf 'require courtside-image.bb\n\nIMAGE_INSTALL:append = " courtsied"\n' >"$layer.new/$images/courtside-misspelt-image.bb"
    printf 'require courtside-image.bb\n\nIMAGE_INSTALL:append = " courtside-completion"\n' >"$layer.new/$images/courtside-source-image.bb"
    # What did not change keeps its time, by which bitbake knows what to parse again.
    mkdir -p "$layer"; cp -r --update=none "$layer.new/." "$layer" 2>/dev/null || cp -rn "$layer.new/." "$layer"
    (cd "$layer.new" && find . -type f) | while read -r file; do
        cmp -s "$layer.new/$file" "$layer/$file" || cp "$layer.new/$file" "$layer/$file"
    done
    (cd "$layer" && find . -type f) | while read -r file; do [ -e "$layer.new/$file" ] || rm "$layer/$file"; done
    parse() { # STAGES IMAGE MACHINE...
        local stages=$1 image=$2 machines=(); shift 2
        for board in "$@"; do machines+=(-m "$board"); done
        bash trials/yocto_parse.sh -b "$tree/kas/bitbake" -o "$tree/kas/openembedded-core" -e "$tree/kas/meta-openembedded" \
            -t "$tree/kas/meta-tegra" -l "$tree/kas/meta-rauc" -l "$layer" -c "COURTSIDE_UPDATE_KEYS = \"$keys\"" -i "$image" -w "$tree/parse" -k "$keep" -s "$stages" "${machines[@]}"
    }
    refused() { # IMAGE WORDS
        local taken=yes
        parse graph "$1" "$board" >"$tree/refused-$1.log" 2>&1 || taken=
        cat "$tree/parse/build/graph-$board.log" >>"$tree/refused-$1.log"
        if [ -n "$taken" ]; then no "$one: $1 should be refused and is not"
        elif grep -q "$2" "$tree/refused-$1.log"; then ok "$one: negative control: $1 is refused: $(grep -m1 -o "$2[^.]*" "$tree/refused-$1.log")"
        else no "$one: $1 is refused, but not by the words \"$2\":"; tail -n 20 "$tree/refused-$1.log"; fi
    }
    controls=wanted
    for board in ${BOARDS:-${boards[@]}}; do
        if parse parse,env,graph courtside-image "$board" >"$tree/parse-$board.log" 2>&1; then
            ok "$one: $board: $(grep -o '[0-9]* .bb files complete[^.]*' "$tree/parse-$board.log" | tail -n 1); $(grep 'recipes needed' "$tree/parse-$board.log")"
        else
            no "$one: $board:"; tail -n 30 "$tree/parse-$board.log"; continue
        fi
        # While the server still has everything parsed for this machine.
        if [ $controls = wanted ]; then
            refused courtside-misspelt-image "Nothing RPROVIDES 'courtsied'"
            [ "$one" != scarthgap ] || refused courtside-source-image "it needs Rust"
            controls=done
        fi
        cp "$tree/parse/build/pn-buildlist-$board" "$tree/list-$board"
        if parse graph courtside-bundle "$board" >"$tree/bundle-$board.log" 2>&1; then
            ok "$one: $board: the bundle for an update resolves: $(grep 'recipes needed' "$tree/bundle-$board.log")"
        else
            no "$one: $board: the bundle for an update:"; tail -n 20 "$tree/bundle-$board.log"
        fi
        of=$tree/parse/build/env-$board.txt; list=$tree/list-$board
        holds() { grep -qE "$2" "$of" && ok "$one: $board: $1" || no "$one: $board: not so: $1: $(grep -m1 "^${2%%=*}=" "$of" || echo absent)"; }
        holds "two slots" '^USE_REDUNDANT_FLASH_LAYOUT="1"'
        holds "8 GiB a slot" '^ROOTFSPART_SIZE="8589934592"'
        holds "the root is mounted read-only" '^UBOOT_EXTLINUX_KERNEL_ARGS=".* ro fsck'
        holds "nothing but a read-only root among the image's features" '^IMAGE_FEATURES="read-only-rootfs *"'
        holds "the clock's floor" '^REPRODUCIBLE_TIMESTAMP_ROOTFS="1795996800"'
        daemon=courtside; [ "$one" != scarthgap ] || daemon=courtside-prebuilt
        for recipe in $daemon $must; do grep -qx "$recipe" "$list" || no "$one: $board: $recipe is not among what the image needs"; done
        ! grep -xE "$never" "$list" || no "$one: $board: the image needs what it must not have"
    done
done
[ "$bad" = 0 ] && say "ok: nothing was compiled or booted; yocto/README.md says what that leaves unproven" || say "FAILED (logs: $work)"
exit $bad
