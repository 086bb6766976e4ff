require courtside.inc

DEPENDS += "cuda-cudart gstreamer1.0 gstreamer1.0-plugins-base tensorrt-core"

# Our own files and every crate, as `make dist` packs them: one address, nothing from a registry.
SRC_URI = "${COURTSIDE_RELEASES}/courtside-${PV}.tar.gz"
SRC_URI[sha256sum] = "${COURTSIDE_SOURCE_SHA256}"

inherit cargo cuda pkgconfig

CARGO_VENDORING_DIRECTORY = "${S}/vendor"
CARGO_BUILD_FLAGS:append = " --locked --bin courtside --no-default-features --features box"

# Parsing alone would not notice that a series' Rust is too old, nor would the image's graph.
# nooelint: oelint.task.noanonpython oelint.task.nopythonprefix
python () {
    rust = (d.getVar("RUSTVERSION") or "0").rstrip("%")
    wanted = d.getVar("COURTSIDE_RUST")
    if bb.utils.vercmp_string(rust, wanted) < 0:
        raise bb.parse.SkipRecipe("it needs Rust %s and this series has %s: name courtside-prebuilt as \
COURTSIDE_DAEMON, or add a layer with a newer Rust" % (wanted, rust))
}

do_compile:prepend() {
    export COURTSIDE_COMMIT="$(cat ${S}/COMMIT)"
}

# One shim, for the TensorRT of this image: vtables differ between major versions.
do_compile:append() {
    major=$(sed -nE 's/^#define (TRT_MAJOR_ENTERPRISE|NV_TENSORRT_MAJOR) ([0-9]+).*/\2/p' \
        ${STAGING_INCDIR}/NvInferVersion.h | head -n 1)
    [ -n "$major" ] || bbfatal "NvInferVersion.h names no version of TensorRT"
    mkdir -p ${B}/target/engines/shims
    ${CXX} ${CXXFLAGS} ${LDFLAGS} -std=c++17 -O2 -fPIC -shared -Wno-deprecated-declarations \
        -isystem ${CUDA_PATH}/include \
        ${S}/native/tensorrt/shim.cpp -o ${B}/target/engines/shims/libcourtside-tensorrt-$major.so -ldl
}

# By the same rule as everywhere else; pages and completions were written when the tarball was made, since
# the program does not run here.
do_install() {
    oe_runmake -C ${S} install DESTDIR=${D} PREFIX=${prefix} CARGO_TARGET_DIR=${B}/target \
        BIN=${B}/target/${CARGO_TARGET_SUBDIR}/courtside TOLD=${S}/told
}
