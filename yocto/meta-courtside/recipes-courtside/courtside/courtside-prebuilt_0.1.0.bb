require courtside.inc

SUMMARY:append = " (as make cross built it)"

# What `make cross` built and `make dist` packed: for a series whose Rust is too old.
SRC_URI = "${COURTSIDE_RELEASES}/courtside-prebuilt-${PV}.tar.gz"
SRC_URI[sha256sum] = "${COURTSIDE_PREBUILT_SHA256}"

COMPATIBLE_HOST = "aarch64.*-linux"

# Who compiles the daemon need not have this tarball, for the lack of which bitbake would parse nothing at all.
# nooelint: oelint.task.noanonpython oelint.task.nopythonprefix
python () {
    if d.getVar("COURTSIDE_DAEMON") != d.getVar("PN"):
        raise bb.parse.SkipRecipe("the daemon is %s here" % d.getVar("COURTSIDE_DAEMON"))
}

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    cp -R --no-dereference --preserve=mode,links ${S}/usr ${D}/
}

RDEPENDS:${PN}:append = " glib-2.0 gstreamer1.0 libgstapp-1.0 libgstvideo-1.0"
RPROVIDES:${PN} += "courtside"
RCONFLICTS:${PN} += "courtside"

# Linked against Debian 12's glibc and GStreamer, stripped already.
# nooelint: oelint.vars.insaneskip
INSANE_SKIP:${PN} += "already-stripped ldflags file-rdeps"
