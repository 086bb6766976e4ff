SUMMARY = "Folders on the data partition, and a first configuration"
DESCRIPTION = "Makes at every boot what the bind mounts of /etc/fstab stand on, owned as they must be; a box that \
was never set up gets a configuration by which it waits to be claimed."
HOMEPAGE = "https://courtside.example.invalid/"
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/Apache-2.0;md5=89aea4e17d99a7cacdbeed46a0096b10"

SRC_URI = "\
    file://courtside-data.conf \
    file://courtside-data.service \
    file://first-boot.toml \
"

inherit allarch systemd

SYSTEMD_SERVICE:${PN} = "courtside-data.service"

UNPACKED = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}"

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    # Not in tmpfiles.d: there it would run again at a time when the partition may not be mounted.
    install -D -m 0644 ${UNPACKED}/courtside-data.conf ${D}${datadir}/courtside-data/data.conf
    install -D -m 0644 ${UNPACKED}/first-boot.toml ${D}${datadir}/courtside-data/first-boot.toml
    install -D -m 0644 ${UNPACKED}/courtside-data.service ${D}${systemd_system_unitdir}/courtside-data.service
    # Where the mounts go; /var has them made by courtside-data.service.
    install -d ${D}/data ${D}${sysconfdir}/courtside
}

FILES:${PN} += "/data"

RDEPENDS:${PN} = "e2fsprogs-e2fsck e2fsprogs-mke2fs e2fsprogs-resize2fs systemd"
