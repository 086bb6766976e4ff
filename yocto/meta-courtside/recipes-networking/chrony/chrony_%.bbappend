FILESEXTRAPATHS:prepend:courtside-os := "${THISDIR}/files:"

SRC_URI:append:courtside-os = " file://courtside-chrony.conf"

# -s: at start the clock is set to the RTC's time or to when chrony last wrote its drift file, whichever is later.
# That file is on the data partition: no boot lies before the one before it.
do_install:append:courtside-os() {
    sed 's/@NTP@/${COURTSIDE_NTP}/' ${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}/courtside-chrony.conf \
        >${D}${sysconfdir}/chrony.conf
    install -d ${D}${sysconfdir}/default ${D}${systemd_system_unitdir}/chronyd.service.d
    echo 'OPTIONS="-s"' >${D}${sysconfdir}/default/chronyd
    printf '[Unit]\nRequiresMountsFor=${localstatedir}/lib/chrony\n' \
        >${D}${systemd_system_unitdir}/chronyd.service.d/courtside.conf
}

FILES:${PN}:append:courtside-os = " ${systemd_system_unitdir}/chronyd.service.d"
