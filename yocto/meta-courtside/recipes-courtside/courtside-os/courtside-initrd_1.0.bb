SUMMARY = "A machine id that stays, although /etc is read-only"
DESCRIPTION = "Sourced by tegra-minimal-init when the root is mounted: puts an id made of the module's serial number \
over /etc/machine-id. Without it systemd makes up another at each boot, and the journal's caps count for that alone."
HOMEPAGE = "https://courtside.example.invalid/"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10"

SRC_URI = "file://pre-switchroot.sh"

inherit allarch

UNPACKED = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    install -D -m 0644 ${UNPACKED}/pre-switchroot.sh ${D}${sysconfdir}/platform-pre-switchroot
}
