SUMMARY = "Journal, watchdog and clock of a Courtside box"
DESCRIPTION = "Caps on the journal, the hardware's watchdog fed by systemd, a time before which no box starts."
HOMEPAGE = "https://courtside.example.invalid/"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10"

SRC_URI = "\
    file://journald.conf \
    file://system.conf \
"

inherit allarch

UNPACKED = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0644 ${UNPACKED}/journald.conf ${D}${systemd_unitdir}/journald.conf.d/50-courtside.conf
    install -D -m 0644 ${UNPACKED}/system.conf ${D}${systemd_unitdir}/system.conf.d/50-courtside.conf
    # Its time is what counts: the image's, REPRODUCIBLE_TIMESTAMP_ROOTFS.
    install -d ${D}${nonarch_libdir}
    : >${D}${nonarch_libdir}/clock-epoch
}

FILES:${PN} += "${nonarch_libdir}/clock-epoch ${systemd_unitdir}"
