# A bundle comes as a file that the daemon fetched: RAUC itself has no business in the network, and makes no bundles.
PACKAGECONFIG:courtside-os = "json nocreate service"

# Whether a slot is good is courtside-good's to say, and a bundle is mounted by the kernel.
RRECOMMENDS:${PN}:remove:courtside-os = "${PN}-mark-good squashfs-tools"
