SUMMARY = "A USB stick is mounted for the daemon while it is in"
DESCRIPTION = "A box that was never set up looks for a claim file below /run/media. FAT and exFAT of sticks \
alone are mounted there: not the other slot, not the data partition."
HOMEPAGE = "https://courtside.example.invalid/"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10"

SRC_URI = "file://stick.rules"

inherit allarch

UNPACKED = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0644 ${UNPACKED}/stick.rules ${D}${nonarch_base_libdir}/udev/rules.d/90-courtside-stick.rules
}

FILES:${PN} += "${nonarch_base_libdir}/udev"
