//! TensorRT-RTX without a GPU: what is built, which layers become INT8, what is refused and how.
//!
//! Where `make shims engines` has not fetched the libraries nothing runs, and that is said.

use std::cell::RefCell;

use super::*;
use crate::detect::engine::batch::{batched, encoded};
use crate::detect::engine::parity::{bundle, fetched, say};
use crate::detect::engine::signature::taken_apart;

thread_local! {
    /// All that TensorRT said to this thread.
    static HEARD: RefCell<Vec<String>> = RefCell::default();
}

pub(super) fn heard(text: &[u8]) {
    HEARD.with(|heard| heard.borrow_mut().push(String::from_utf8_lossy(text).into_owned()));
}

/// RTX of that version by its own shim.
fn rtx(version: &str) -> Option<Arc<Library>> {
    let (shims, library) = (fetched("shims")?, fetched(&format!("rtx-{version}"))?);
    let shim = shims.join(format!("libcourtside-tensorrt-rtx-{version}.so"));
    Some(Arc::new(Library::by(&shim, Some(&library)).expect("fits")))
}

fn build(library: &Library, onnx: &[u8], told: &dyn Fn(u32)) -> Result<Built, String> {
    HEARD.with(|heard| heard.borrow_mut().clear());
    library.build(&Order { onnx, timing: &[], dla: None, for_this_gpu: false, told })
}

/// Of the layers that the builder told of, those that multiply, and how many of them on eight bits.
fn multiplying_layers(said: &[String]) -> (usize, usize) {
    let multiplies = |line: &&str| {
        ["LayerType: correlation", "LayerType: gemm", "LayerType: CaskConvolution"]
            .iter()
            .any(|kind| line.contains(kind))
    };
    let layers: Vec<&str> = said.iter().flat_map(|text| text.lines()).filter(multiplies).collect();
    let eight_bits = |line: &&&str| {
        let inputs = line.split("Outputs:").next().unwrap_or("");
        inputs.contains("Datatype: Int8")
    };
    (layers.len(), layers.iter().filter(eight_bits).count())
}

/// What RTX 1.7 makes of every shipped file; eight bits become eight bits.
#[test]
fn every_shipped_bundle_is_parsed_and_built_without_a_gpu() {
    let Some(library) = rtx("1.7") else { return };
    for name in ["rimnet", "rimfinder"] {
        for precision in ["fp32", "fp16", "int8-cuda"] {
            let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
            let file = models.join(name).join(format!("{name}-{precision}.onnx"));
            let onnx = std::fs::read(file).expect("a shipped file");
            let percents = RefCell::new(Vec::new());
            let told = |percent| percents.borrow_mut().push(percent);
            let built = build(&library, &onnx, &told).expect("builds");
            let heard = HEARD.with(|heard| heard.borrow().clone());
            let (layers, eight) = multiplying_layers(&heard);
            let size = built.plan.len();
            say(format_args!(
                "{name} {precision}: {size} bytes, {eight} of {layers} layers that multiply in INT8"
            ));
            assert!(size > 100_000 && layers > 3, "{name} {precision}: {size} {layers}");
            assert_eq!(eight > 0, precision.starts_with("int8"), "{name} {precision}: {eight}");
            let percents = percents.into_inner();
            assert_eq!(percents.last(), Some(&100), "{name} {precision}: {percents:?}");
        }
    }
}

/// A batch of eight is built too, and RTX 1.6 builds all but eight bits.
#[test]
fn rtx_1_6_builds_batches_and_says_what_it_cannot() {
    let Some(library) = rtx("1.6") else { return };
    for name in ["rimnet", "rimfinder"] {
        for precision in ["fp32", "fp16"] {
            let file = taken_apart(&bundle(name, precision).file.bytes).expect("ONNX");
            let eight = encoded(&batched(file, 8).expect("is batched"));
            assert!(build(&library, &eight, &|_| {}).is_ok(), "{name} {precision}");
        }
    }
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let onnx = std::fs::read(models.join("rimnet/rimnet-int8-cuda.onnx")).expect("a shipped file");
    let error = build(&library, &onnx, &|_| {}).err().expect("RTX 1.6 has no such convolutions");
    assert!(error.starts_with("the network cannot be built: "), "{error}");
}

/// Each is named before a call of the library could crash.
#[test]
fn what_is_no_network_no_plan_or_another_version_is_named() {
    let (Some(old), Some(new)) = (rtx("1.6"), rtx("1.7")) else { return };
    assert_eq!((old.version() / 100, new.version() / 100), (106, 107));
    assert_eq!(new.flavor(), "tensorrt-rtx");
    assert_eq!(new.version_text(), format!("tensorrt-rtx 1.7.{}", new.version() % 100));
    for library in [&old, &new] {
        let error = build(library, b"no network", &|_| {}).err().expect("garbage");
        assert!(error.starts_with("the file cannot be parsed"), "{error}");
        let onnx = bundle("rimnet", "fp16").file.bytes;
        let mut plan = build(library, &onnx, &|_| {}).expect("builds").plan;
        let middle = plan.len() / 2;
        plan[middle] ^= 0xff;
        for plan in [b"".as_slice(), b"garbage", &[7; 4096], &plan] {
            let error = library.load(plan).err().expect("nothing runs without a GPU");
            let here = library.has_gpu().err();
            let named = here.as_ref().is_some_and(|why| error.starts_with(why.as_str()));
            assert!(named || error.contains("the plan is"), "{error}");
        }
        if let Err(why) = library.has_gpu() {
            assert!(why.contains("NVIDIA driver"), "{why}");
            let order =
                Order { onnx: &onnx, timing: &[], dla: None, for_this_gpu: true, told: &|_| {} };
            assert_eq!(library.build(&order).err(), Some(why));
        }
        let order =
            Order { onnx: &onnx, timing: &[], dla: Some(0), for_this_gpu: false, told: &|_| {} };
        let error = library.build(&order).err().expect("there is no DLA");
        assert!(error.contains("there is no DLA core 0"), "{error}");
    }
    let (shims, folder) = (fetched("shims").expect("there"), fetched("rtx-1.7").expect("there"));
    for (shim, said) in [
        ("tensorrt-rtx-1.6", "is version 1.7.1, and this shim is made for 1.6"),
        ("tensorrt-10", "libnvinfer.so.10"),
        ("tensorrt-11", "libnvinfer.so.11"),
    ] {
        let file = shims.join(format!("libcourtside-{shim}.so"));
        let error = Library::by(&file, Some(&folder)).err().expect("another version");
        assert!(error.contains(said), "{shim}: {error}");
    }
    // Of all that lie there the one that fits is taken.
    for version in ["1.6", "1.7"] {
        let tensorrt = fetched(&format!("rtx-{version}"));
        let found =
            Library::open(&Places { shims: vec![shims.clone()], tensorrt }).expect("one fits");
        assert!(found.version_text().starts_with(&format!("tensorrt-rtx {version}.")));
    }
    let error = Library::open(&Places { shims: vec![shims], tensorrt: Some("/nowhere".into()) });
    let error = error.err().expect("none");
    assert!(
        error.starts_with("no TensorRT that a shim fits (") && !error.contains('\n'),
        "{error}"
    );
}

#[test]
fn a_box_without_a_shim_is_told_what_to_build() {
    let nowhere = Places { shims: vec![PathBuf::from("/nowhere")], tensorrt: None };
    let error = Library::open(&nowhere).err().expect("none");
    assert!(error.ends_with("in /nowhere: build them with `make shims`"), "{error}");
}

#[test]
fn how_far_a_build_is_only_grows() {
    let percents = RefCell::new(Vec::new());
    let told = |percent| percents.borrow_mut().push(percent);
    let mut watch = Watch { told: &told, phases: Vec::new(), last: None };
    for (phase, parent, step, steps) in [
        ("build", "", 0, 4),
        ("clone", "build", 0, 2),
        ("clone", "build", 1, 2),
        ("nobody's", "unknown", 1, 2),
        ("deep", "clone", 1, 2),
        ("clone", "build", 2, 2),
        ("build", "", 1, 4),
        ("compile", "build", 0, 0),
        ("build", "", 4, 4),
    ] {
        watch.step(phase, parent, step, steps);
    }
    assert_eq!(percents.into_inner(), [0, 12, 25, 100]);
}
