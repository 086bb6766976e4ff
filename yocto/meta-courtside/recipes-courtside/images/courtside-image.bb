SUMMARY = "What a venue's box is flashed with"
DESCRIPTION = "Read-only root in two slots, a data partition for ring and outbox, and the daemon."
HOMEPAGE = "https://courtside.example.invalid/"
LICENSE = "Apache-2.0"

# Nothing else: no SSH server, no package manager, no empty password.
IMAGE_FEATURES = "read-only-rootfs"
IMAGE_LINGUAS = ""
# What courtside-bundle packs, beside what the board is flashed with.
IMAGE_FSTYPES:append = " ext4"

inherit core-image

# packagegroup-machine-base brings tegra-configs-udev, without whose rules the GPU's nodes are root's alone.
CORE_IMAGE_BASE_INSTALL = "\
    packagegroup-core-boot \
    packagegroup-courtside \
    packagegroup-courtside-update \
    packagegroup-machine-base \
"
CORE_IMAGE_BASE_INSTALL += "${@'packagegroup-courtside-field' if d.getVar('COURTSIDE_FIELD_TOOLS') == '1' else ''}"
