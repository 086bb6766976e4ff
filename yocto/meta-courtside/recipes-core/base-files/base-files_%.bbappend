FILESEXTRAPATHS:prepend:courtside-os := "${THISDIR}/files:"

SRC_URI:append:courtside-os = " file://data.fstab"

do_install:append:courtside-os() {
    cat ${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}/data.fstab >>${D}${sysconfdir}/fstab
}
