FILESEXTRAPATHS:prepend:courtside-os := "${THISDIR}/../../../../recipes-kernel/linux/files:"

SRC_URI:append:courtside-os = " file://courtside-rauc.cfg"
