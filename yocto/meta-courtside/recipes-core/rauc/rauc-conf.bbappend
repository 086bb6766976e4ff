FILESEXTRAPATHS:prepend:courtside-os := "${THISDIR}/files:${COURTSIDE_UPDATE_KEYS}:"

# Without COURTSIDE_UPDATE_KEYS courtside-slots, and with it the image, is refused.
RAUC_KEYRING_FILE:courtside-os = "keyring.pem"

# Of one machine: what it is compatible with stands in it.
PACKAGE_ARCH:courtside-os = "${MACHINE_ARCH}"

# In /etc/rauc, where courtside's units look, whichever folder this series has them in.
do_install:append:courtside-os() {
    if [ -d ${D}${nonarch_libdir}/rauc ]; then
        install -d ${D}${sysconfdir}
        mv ${D}${nonarch_libdir}/rauc ${D}${sysconfdir}/rauc
        rmdir ${D}${nonarch_libdir}
    fi
    sed -i 's/@COMPATIBLE@/${COURTSIDE_COMPATIBLE}/' ${D}${sysconfdir}/rauc/system.conf
}
