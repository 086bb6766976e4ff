SUMMARY = "What a Courtside box carries beside the base system"
DESCRIPTION = "The daemon, the data partition, time, the Jetson's clocks and fans; update and field tools apart."
HOMEPAGE = "https://courtside.example.invalid/"
SECTION = "multimedia"
LICENSE = "Apache-2.0"

# Before the class, which would call it alike for every machine.
PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup

PACKAGES = "${PN} ${PN}-field ${PN}-update"

RDEPENDS:${PN} = "\
    ${COURTSIDE_DAEMON} \
    chrony \
    courtside-data \
    courtside-stick \
    courtside-system \
    tegra-nvfancontrol \
    tegra-nvpmodel \
"
RDEPENDS:${PN}-field = "\
    chronyc \
    iproute2 \
    mosquitto-clients \
    nvme-cli \
"
RDEPENDS:${PN}-update = "\
    courtside-slots \
    rauc \
    tegra-redundant-boot \
"

# For sticks; what a kernel has built in is no package.
RRECOMMENDS:${PN} = "\
    kernel-module-exfat \
    kernel-module-nls-cp437 \
    kernel-module-nls-iso8859-1 \
    kernel-module-uas \
    kernel-module-usb-storage \
    kernel-module-vfat \
"
