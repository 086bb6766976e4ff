SUMMARY = "How RAUC asks a Jetson's firmware about its two slots"
DESCRIPTION = "RAUC's backend around nvbootctrl and the firmware's variables, and the keys that an update must be \
signed by. L4T's own verifier, which says of every boot that it went well, is put out: courtside-good says so."
HOMEPAGE = "https://courtside.example.invalid/"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10"

# nooelint: oelint.vars.fileextrapaths oelint.vars.outofcontext
FILESEXTRAPATHS:prepend := "${COURTSIDE_UPDATE_KEYS}:"

SRC_URI = "\
    file://rauc-backend \
    file://update.pub \
"

inherit allarch

UNPACKED = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}"

# nooelint: oelint.task.noanonpython oelint.task.nopythonprefix
python () {
    if not d.getVar("COURTSIDE_UPDATE_KEYS"):
        raise bb.parse.SkipRecipe("COURTSIDE_UPDATE_KEYS names no folder of keys (yocto/keys.sh makes one): \
an image without a keyring could never be updated")
}

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0755 ${UNPACKED}/rauc-backend ${D}${nonarch_libdir}/courtside/rauc-backend
    install -D -m 0644 ${UNPACKED}/update.pub ${D}${datadir}/courtside/update.pub
    install -d ${D}${sysconfdir}/systemd/system
    ln -s /dev/null ${D}${sysconfdir}/systemd/system/nv_update_verifier.service
}

FILES:${PN} += "${nonarch_libdir}/courtside/rauc-backend ${datadir}/courtside/update.pub"

RDEPENDS:${PN} = "e2fsprogs rauc rauc-conf tegra-redundant-boot"
