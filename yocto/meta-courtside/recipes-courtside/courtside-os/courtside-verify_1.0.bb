SUMMARY = "A slot counts as good once the daemon was READY"
DESCRIPTION = "L4T's verifier says at multi-user.target that this boot went well, whatever runs by then. With this \
it waits for courtside.service to be READY, and says nothing if that fails: the firmware falls back by itself."
HOMEPAGE = "https://courtside.example.invalid/"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10"

SRC_URI = "file://verify.conf"

inherit allarch

UNPACKED = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0644 ${UNPACKED}/verify.conf \
        ${D}${systemd_system_unitdir}/nv_update_verifier.service.d/courtside.conf
}

FILES:${PN} += "${systemd_system_unitdir}"
