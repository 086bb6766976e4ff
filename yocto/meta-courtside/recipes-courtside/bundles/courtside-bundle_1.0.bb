SUMMARY = "An update of a Courtside box, as RAUC takes it"
DESCRIPTION = "The image's root in a bundle of format verity, signed by a key that lies in no layer. Beside it goes \
the daemon's own signature (design/update.md), which `courtside` writes and which says version and machine."
HOMEPAGE = "https://courtside.example.invalid/"
LICENSE = "Apache-2.0"

SRC_URI = ""

inherit bundle

RAUC_BUNDLE_FORMAT = "verity"
RAUC_BUNDLE_COMPATIBLE = "${COURTSIDE_COMPATIBLE}"
RAUC_BUNDLE_VERSION = "${DISTRO_VERSION}"
RAUC_BUNDLE_DESCRIPTION = "${DISTRO_NAME} ${DISTRO_VERSION}"

RAUC_BUNDLE_SLOTS = "rootfs"
RAUC_SLOT_rootfs = "courtside-image"
RAUC_SLOT_rootfs[fstype] = "ext4"

RAUC_KEY_FILE = "${COURTSIDE_UPDATE_KEYS}/bundle.key.pem"
RAUC_CERT_FILE = "${COURTSIDE_UPDATE_KEYS}/bundle.cert.pem"

# nooelint: oelint.task.noanonpython oelint.task.nopythonprefix
python () {
    if not d.getVar("COURTSIDE_UPDATE_KEYS"):
        raise bb.parse.SkipRecipe("COURTSIDE_UPDATE_KEYS names no folder of keys (yocto/keys.sh makes one)")
}
