//! Manifests that are good, and every one that is refused with what to do.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::*;
use crate::answer::DecisionParameters;
use crate::detect::bundle::error::MANIFEST;
use crate::detect::bundle::files::{Networks, hex};
use crate::detect::embedded::IN_THE_BINARY;
use crate::detect::rim::manifest::RimSays;

const BYTES: &[u8] = b"not a network, but its hash is right";

/// A rim model's manifest of format 1.
fn format_1() -> String {
    format!(
        r#"name = "toy"
version = "0.1.0"
task = "rim"
budget_ms = 3.0
rates = [24.0, 31.0]
max_gap_ms = 250
warmup_frames = 2
[[file]]
path = "toy.onnx"
precision = "fp32"
device = "any"
sha256 = "{}"
[[input]]
name = "frame"
size = 16
channels = ["y"]
rings = 3.2
above = 0.9
[input_dt]
name = "dt"
[[state]]
input = "s"
output = "s_out"
shape = [1, 4]
[output]
logits = "logits"
classes = ["none", "under_way", "made", "missed"]
[decision]
temperature = 1.5
[provenance]
data = "none"
"#,
        hex(&Sha256::digest(BYTES))
    )
}

/// The same in format 2.
fn format_2() -> String {
    let old = format_1();
    let (head, rest) = old.split_once("[[input]]").expect("inputs");
    let (table, provenance) = rest.split_once("[provenance]").expect("provenance");
    let table = format!("[[input]]{table}")
        .replace("[[input]]", "[[rim.input]]")
        .replace("[input_dt]", "[rim.input_dt]")
        .replace("[[state]]", "[[rim.state]]")
        .replace("[output]", "[rim.output]")
        .replace("[decision]", "[rim.decision]");
    format!("format = 2\n{head}{table}[provenance]{provenance}")
}

/// The same of a model that says where the ball is.
fn ball() -> String {
    let classes = r#"[rim.output]
logits = "logits"
classes = ["none", "under_way", "made", "missed"]
"#;
    let maps = r#"[rim.ball]
maps = "maps"
cells = 20
least = 0.35
through = 0.0
trust = 1.0
"#;
    let new = format_2();
    assert!(new.contains(classes), "{new}");
    new.replace(classes, maps)
}

/// A ring model's manifest of format 2.
fn ring() -> String {
    let sha = hex(&Sha256::digest(BYTES));
    format!(
        r#"format = 2
name = "toy"
version = "0.1.0"
task = "ring"
budget_ms = 60.0
rates = [1.0, 1.0]
queue_frames = 1
[[file]]
path = "toy.onnx"
precision = "fp32"
device = "any"
sha256 = "{sha}"
[ring.frame]
name = "frame"
width = 640
height = 360
[ring.found]
name = "found"
stride = 8
unit = 16.0
[ring.decision]
least = 0.3
apart = 0.5
most = 16
"#
    )
}

/// Reads `text` as the manifest of a bundle `toy` in a folder of its own, whose path is told as
/// `models`.
fn parse(text: &str) -> Result<Bundle, String> {
    let dir = tempfile::tempdir().expect("folder");
    let folder = dir.path().join("toy");
    put(&folder, text, Some(BYTES));
    let models = dir.path().display().to_string();
    Bundle::read("toy", &folder.join(MANIFEST))
        .map_err(|error| error.to_string().replace(&models, "models"))
}

#[expect(clippy::disallowed_methods, reason = "a test's own folder")]
fn put(folder: &Path, manifest: &str, file: Option<&[u8]>) {
    std::fs::create_dir_all(folder).expect("folder");
    std::fs::write(folder.join(MANIFEST), manifest).expect("manifest");
    if let Some(file) = file {
        std::fs::write(folder.join("toy.onnx"), file).expect("file");
    }
}

fn decision(bundle: &Bundle) -> &DecisionParameters {
    let TaskTable::Rim(table) = &bundle.table else { panic!("a rim model: {bundle:?}") };
    &table.decision
}

#[test]
fn a_good_manifest_becomes_a_bundle_in_both_formats() {
    let [old, new] = [format_1(), format_2()].map(|text| parse(&text).expect("good"));
    for bundle in [&old, &new] {
        assert_eq!((bundle.queue_frames, bundle.warmup_frames), (2, 2));
        assert_eq!(bundle.max_gap_ms, Some(250));
        assert_eq!(bundle.tensors.dt.as_deref(), Some("dt"));
        assert_eq!(bundle.tensors.states[0].shape, [1, 4]);
        assert_eq!(decision(bundle).temperature, 1.5);
        assert_eq!(decision(bundle).open, DecisionParameters::default().open);
    }
    assert_eq!((old.table, old.tensors), (new.table, new.tensors));
}

#[test]
fn a_ring_model_is_a_bundle_like_any_other() {
    let bundle = parse(&ring()).expect("good");
    let TaskTable::Ring(table) = &bundle.table else { panic!("{bundle:?}") };
    assert_eq!(table.cells(), (45, 80));
    assert_eq!(bundle.tensors.outputs[0].shape, [1, 5, 45, 80]);
    assert_eq!((bundle.rates, bundle.queue_frames), (Some([1.0, 1.0]), 1));
    let error = bundle.for_task(Task::Rim).expect_err("another task").to_string();
    let want = "toy finds rings (task = \"ring\"); name a bundle that decides made or missed";
    assert!(error.contains(want), "{error}");
}

#[test]
fn a_model_that_says_where_the_ball_is_decides_like_any_other() {
    let bundle = parse(&ball()).expect("good").for_task(Task::Rim).expect("decides");
    let table = bundle.rim().expect("decides");
    let RimSays::Ball(ball) = &table.says else { panic!("{table:?}") };
    // Its maps are over the crop, whose measures it takes over.
    assert_eq!((ball.cells, ball.rings, ball.above), (20, 3.2, 0.9));
    assert_eq!(bundle.tensors.outputs[0].shape, [1, 2, 20, 20]);
    assert_eq!(decision(&bundle).temperature, 1.5);
}

#[test]
fn every_refusal_of_a_ball_model_says_what_to_do() {
    let two = "[[rim.input]]\nname = \"more\"\nsize = 16\nchannels = [\"y\"]\nrings = 3.2\n\
               above = 0.9\n[rim.input_dt]";
    let both = "[rim.output]\nlogits = \"l\"\nclasses = []\n[rim.ball]";
    let rows: &[(&str, &str)] = &[
        ("cells = 20", "cells = 0"),
        ("cells = 20", "cells = 4096"),
        ("least = 0.35", "least = 1.0"),
        ("least = 0.35", "least = nan"),
        ("through = 0.0", "through = inf"),
        ("trust = 1.0", "trust = -1.0"),
        ("trust = 1.0", "trust = nan"),
        ("trust = 1.0", "trust = 1.0\ntemperature = 2.0"),
        ("maps = \"maps\"\n", ""),
        ("[rim.input_dt]", two),
        ("[rim.ball]", both),
    ];
    insta::assert_snapshot!(refusals(&ball(), rows));
}

/// One manifest of each task as format 1 had it: they are read for ever.
#[test]
fn manifests_of_format_1_are_read_as_they_were_meant() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/manifests");
    let read = |name: &str| {
        let text = std::fs::read_to_string(kept.join(format!("{name}-format-1.toml")));
        let place = ManifestPlace::Embedded("kept");
        Manifest::parse(name, &place, &text.expect("kept")).expect("read")
    };
    let rim = read("rimnet");
    assert_eq!((rim.head.version.as_str(), rim.head.queue_frames), ("0.6.0", 8));
    assert_eq!((rim.head.rates, rim.head.max_gap_ms), (Some([24.0, 31.0]), Some(250)));
    assert_eq!(rim.head.files.len(), 4);
    assert_eq!((rim.tensors.inputs.len(), rim.tensors.states.len()), (1, 10));
    let TaskTable::Rim(table) = &rim.table else { panic!("{rim:?}") };
    assert_eq!((table.decision.cut, table.decision.ball), (Some(-0.3), 0.1));
    let ring = read("rimfinder");
    // What it was shown was not said then: a look a second, of the newest frame.
    assert_eq!((ring.head.rates, ring.head.queue_frames), (Some([1.0, 1.0]), 1));
    let TaskTable::Ring(table) = &ring.table else { panic!("{ring:?}") };
    assert_eq!((table.cells(), table.decision.most), ((45, 80), 16));
}

#[test]
fn what_ships_says_its_format() {
    for embedded in IN_THE_BINARY {
        assert!(embedded.manifest.contains("\nformat = 2\n"), "{}", embedded.name);
    }
}

#[test]
fn a_precision_that_is_not_in_the_binary_is_told_with_where_it_is() {
    for precision in ["int8", "fp16"] {
        let error = find_as("rimnet", precision, &[], IN_THE_BINARY).expect_err("not inside");
        assert!(matches!(error, BundleError::NotInBinary { .. }), "{error}");
    }
    let error = find_as("rimnet", "int8", &[], IN_THE_BINARY).expect_err("not inside");
    insta::assert_snapshot!(error, @"only FP32 of rimnet is inside the binary, not rimnet-int8-cpu.onnx (INT8): the whole bundle is the folder `rimnet` in `models` of a checkout, or in /usr/share/courtside/models of an installation; name the folder that it lies in with --models-dir, or with `models_dir` of [detect]");
    // Where it is, it is found.
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let bundle = find_as("rimnet", "int8", &[models], IN_THE_BINARY).expect("in the checkout");
    assert_eq!(bundle.file.path, "rimnet-int8-cpu.onnx");
}

#[test]
fn every_refusal_says_what_to_do() {
    let sha = hex(&Sha256::digest(BYTES));
    let rows: &[(&str, &str)] = &[
        ("name = \"toy\"", "name = \"other\""),
        ("name = \"toy\"\n", ""),
        ("name = \"toy\"", "name = 3"),
        ("version = \"0.1.0\"", "version = \"2\""),
        ("task = \"rim\"", "task = \"pose\""),
        ("budget_ms = 3.0", "budget_ms = 0.0"),
        ("budget_ms = 3.0", "budget = 3.0"),
        ("rates = [24.0, 31.0]", "rates = [31.0, 24.0]"),
        ("max_gap_ms = 250", "max_gap_ms = 0"),
        ("max_gap_ms = 250", "max_gap_ms = -1"),
        ("max_gap_ms = 250", "max_gap_ms = 250\nqueue_frames = 0"),
        ("size = 16", "size = 4096"),
        ("channels = [\"y\"]", "channels = []"),
        ("channels = [\"y\"]", "channels = [\"rgb\"]"),
        ("rings = 3.2", "rings = nan"),
        ("above = 0.9", "above = inf"),
        ("shape = [1, 4]", "shape = [1, 0]"),
        ("shape = [1, 4]", "shape = []"),
        ("shape = [1, 4]", "shape = [65536, 65536, 65536, 65536]"),
        ("shape = [1, 4]", "shape = [1, 100000000]"),
        ("input = \"s\"", "input = \"frame\""),
        ("output = \"s_out\"", "output = \"logits\""),
        ("\"made\", \"missed\"", "\"missed\", \"made\""),
        ("temperature = 1.5", "temperature = 0.0"),
        ("task = \"rim\"", "task = \"ring\"\nstride = 8"),
        ("task = \"rim\"\n", ""),
        ("temperature = 1.5", "temperature = nan"),
        ("temperature = 1.5", "temperature = 1e-30"),
        ("temperature = 1.5", "open = 2.0"),
        ("temperature = 1.5", "open = nan"),
        ("temperature = 1.5", "open_frames = -1"),
        ("temperature = 1.5", "provisional = -0.1"),
        ("temperature = 1.5", "final_after_ms = 99999"),
        ("temperature = 1.5", "early_ms = -1"),
        ("temperature = 1.5", "early_odds = 1e9"),
        ("temperature = 1.5", "early_odds = -1.0"),
        ("temperature = 1.5", "ball = 1.5"),
        ("temperature = 1.5", "unsure = 1e9"),
        ("temperature = 1.5", "unsure = nan"),
        ("temperature = 1.5", "unsure = -0.2"),
        ("temperature = 1.5", "cut = inf"),
        ("temperature = 1.5", "threshold = 2.0"),
        ("path = \"toy.onnx\"", "path = \"../toy.onnx\""),
        ("path = \"toy.onnx\"", "path = \"gone.onnx\""),
        ("precision = \"fp32\"", "precision = \"fp64\""),
        ("precision = \"fp32\"", "precision = \"int8\""),
        ("device = \"any\"", "device = \"tpu\""),
        (&sha, "12"),
        (&sha, &"0".repeat(64)),
        ("[output]", "[output"),
    ];

    let told = refusals(&format_1(), rows);
    insta::assert_snapshot!(told);
}

#[test]
fn every_refusal_of_format_2_says_what_to_do() {
    let rows: &[(&str, &str)] = &[
        ("format = 2", "format = 3"),
        ("format = 2", "format = \"two\""),
        ("task = \"rim\"\n", ""),
        ("task = \"rim\"", "task = \"pose\""),
        ("task = \"rim\"", "task = \"ring\""),
        ("max_gap_ms = 250\n", ""),
        ("max_gap_ms = 250", "max_gap_ms = 0"),
        ("budget_ms = 3.0", "budget_ms = 1e9"),
        ("[[rim.input]]", "[[input]]"),
        ("[rim.decision]", "[ring.decision]"),
        ("size = 16", "size = 4096"),
        ("shape = [1, 4]", "shape = []"),
        ("\"made\", \"missed\"", "\"missed\", \"made\""),
        ("temperature = 1.5", "open = 2.0"),
        ("temperature = 1.5", "threshold = 2.0"),
    ];
    insta::assert_snapshot!(refusals(&format_2(), rows));
}

#[test]
fn every_refusal_of_a_ring_model_says_what_to_do() {
    let rows: &[(&str, &str)] = &[
        ("task = \"ring\"", "task = \"rim\""),
        ("budget_ms = 60.0", "budget_ms = 0.0"),
        ("width = 640", "width = 642"),
        ("height = 360", "height = 8"),
        ("stride = 8", "stride = 0"),
        ("unit = 16.0", "unit = nan"),
        ("least = 0.3", "least = nan"),
        ("least = 0.3", "least = 1.0"),
        ("apart = 0.5", "apart = nan"),
        ("apart = 0.5", "apart = -1.0"),
        ("most = 16", "most = 0"),
        ("most = 16", "least = 0.3"),
    ];
    insta::assert_snapshot!(refusals(&ring(), rows));
}

/// What is said of `good` with each change.
fn refusals(good: &str, rows: &[(&str, &str)]) -> String {
    let mut told = String::new();
    for (from, to) in rows {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from} does not stand in the manifest");
        let error = parse(&text).expect_err(to);
        told.push_str(&format!("{}\n    {error}\n", to.replace('\n', " ")));
    }
    told
}

#[test]
fn the_first_folder_wins_and_the_binary_is_last() {
    let dir = tempfile::tempdir().expect("folder");
    let (near, far) = (dir.path().join("near"), dir.path().join("far"));
    let folders = [near.clone(), far.clone()];
    let text: &'static str = Box::leak(format_1().into_boxed_str());
    let embedded = [Embedded {
        name: "toy",
        manifest: text,
        networks: Networks::Inside(&[("toy.onnx", BYTES)]),
    }];
    let place = |embedded: &[Embedded]| {
        find("toy", &folders, embedded).map(|bundle| bundle.place.to_string())
    };

    let error = place(&[]).expect_err("nowhere").to_string();
    assert!(error.contains("near") && error.contains("`bundles`"), "{error}");
    assert_eq!(place(&embedded).expect("embedded"), "toy/model.toml in the binary");

    put(&far.join("toy"), text, Some(BYTES));
    assert!(place(&embedded).expect("far").starts_with(far.to_str().expect("text")));
    // A bad one that is nearer is told, not passed over.
    put(&near.join("toy"), text, None);
    let error = place(&embedded).expect_err("half a bundle");
    assert!(matches!(error, BundleError::MissingFile { .. }), "{error}");
    assert!(matches!(find("../toy", &folders, &[]), Err(BundleError::Name { .. })));
}

#[test]
fn a_program_without_networks_reads_those_that_its_package_placed_and_no_others() {
    let dir = tempfile::tempdir().expect("folder");
    let text: &'static str = Box::leak(format_1().into_boxed_str());
    let placed: &'static str = dir.path().to_str().expect("text").to_owned().leak();
    let embedded = [Embedded { name: "toy", manifest: text, networks: Networks::Below(placed) }];

    let error = find("toy", &[], &embedded).expect_err("not placed");
    assert!(matches!(error, BundleError::NotPlaced { .. }), "{error}");
    assert!(error.to_string().contains("toy/toy.onnx is missing: this program"), "{error}");

    let folder = dir.path().join("toy");
    put(&folder, "nobody reads this one", Some(BYTES));
    let bundle = find("toy", &[], &embedded).expect("placed");
    assert_eq!((&*bundle.file.bytes, bundle.is_word_for_word(&embedded)), (BYTES, true));
    assert_eq!(bundle.place.to_string(), "toy/model.toml in the binary");

    put(&folder, text, Some(b"another network"));
    let error = find("toy", &[], &embedded).expect_err("not that one");
    assert!(matches!(error, BundleError::Hash { .. }), "{error}");
}

#[test]
fn another_precision_is_read_when_it_is_asked_for() {
    let dir = tempfile::tempdir().expect("folder");
    let sha = hex(&Sha256::digest(BYTES));
    let two = format!(
        "[[file]]\npath = \"toy.onnx\"\nprecision = \"fp16\"\ndevice = \"cpu\"\n\
         sha256 = \"{sha}\"\n[[file]]"
    );
    put(&dir.path().join("toy"), &format_2().replacen("[[file]]", &two, 1), Some(BYTES));
    let folders: Vec<PathBuf> = vec![dir.path().to_owned()];
    let bundle = find("toy", &folders, &[]).expect("there");
    assert_eq!((bundle.file.precision.as_str(), bundle.entries().len()), ("fp32", 2));
    let half = bundle.in_precision("fp16").expect("there");
    assert_eq!((half.file.precision.as_str(), half.name.as_str()), ("fp16", "toy"));
    let error = bundle.in_precision("int8").expect_err("none").to_string();
    assert!(error.contains("fp16 for cpu, fp32 for any"), "{error}");
}

/// What is said of the bundle `toy` in `dir`.
fn said_of(dir: &Path) -> String {
    let folder = dir.display().to_string();
    match find("toy", &[dir.to_owned()], &[]) {
        Ok(bundle) => format!("{} bytes", bundle.file.bytes.len()),
        Err(error) => {
            let mut text = error.to_string();
            if let Some(cause) = std::error::Error::source(&error) {
                text.push_str(&format!(" ({cause})"));
            }
            text.replace(&folder, "MODELS")
        }
    }
}

/// A file of this many bytes that takes no room.
fn sparse(path: &Path, bytes: u64) {
    let file = std::fs::File::create(path).expect("made");
    file.set_len(bytes).expect("long");
}

fn pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
}

/// Whoever can write into a folder of bundles can put there what never ends, what never begins, and
/// what has no room. Each is refused, and none is waited for.
#[test]
fn what_is_no_file_of_the_bundle_is_refused_at_once() {
    use std::os::unix::fs::symlink;
    let outer = tempfile::tempdir().expect("folder");
    let dir = outer.path().join("models");
    let (manifest, file) = (dir.join("toy").join(MANIFEST), dir.join("toy/toy.onnx"));
    put(&outer.path().join("elsewhere"), "", Some(BYTES));
    let plant: [(&str, &dyn Fn(&Path)); 8] = [
        ("an endless device", &|at| symlink("/dev/zero", at).expect("linked")),
        ("a pipe", &pipe),
        ("10 GB", &|at| sparse(at, 10 << 30)),
        ("a folder", &|at| std::fs::create_dir(at).expect("made")),
        ("a file elsewhere", &|at| symlink("../../elsewhere/toy.onnx", at).expect("linked")),
        ("a link to nowhere", &|at| symlink("gone", at).expect("linked")),
        ("a link to itself", &|at| symlink(at, at).expect("linked")),
        ("a socket", &|at| drop(std::os::unix::net::UnixListener::bind(at).expect("bound"))),
    ];
    let mut told = String::new();
    for place in [&manifest, &file] {
        for (what, plant) in plant {
            put(&dir.join("toy"), &format_1(), Some(BYTES));
            std::fs::remove_file(place).expect("there");
            plant(place);
            told.push_str(&format!("{what}: {}\n", said_of(&dir)));
            std::fs::remove_dir_all(dir.join("toy")).expect("gone");
        }
    }
    let told = told.replace(&outer.path().display().to_string(), "OUTER");
    insta::assert_snapshot!(told);
}

/// A farm of links is a bundle as well: of the folder, or within it.
#[test]
fn links_to_the_bundle_and_within_it_are_followed() {
    use std::os::unix::fs::symlink;
    let outer = tempfile::tempdir().expect("folder");
    put(&outer.path().join("real"), &format_1(), Some(BYTES));
    let dir = outer.path().join("models");
    std::fs::create_dir(&dir).expect("made");
    symlink("../real", dir.join("toy")).expect("linked");
    let (file, v2) = (outer.path().join("real/toy.onnx"), outer.path().join("real/v2"));
    std::fs::hard_link(&file, v2).expect("linked");
    std::fs::remove_file(&file).expect("gone");
    symlink("v2", file).expect("linked");
    assert_eq!(said_of(&dir), format!("{} bytes", BYTES.len()));
}

/// A wrong file costs no more memory than a right one's piece, however long it is.
#[test]
fn a_long_file_whose_hash_is_wrong_is_not_taken_into_memory() {
    let dir = tempfile::tempdir().expect("folder");
    put(&dir.path().join("toy"), &format_1(), None);
    sparse(&dir.path().join("toy/toy.onnx"), 128 << 20);
    assert!(said_of(dir.path()).contains("is damaged or was changed"));
    // A folder is never listed: what else lies there costs nothing.
    put(&dir.path().join("toy"), &format_1(), Some(BYTES));
    for n in 0..2_000 {
        sparse(&dir.path().join(format!("toy/{n}.onnx")), 0);
    }
    assert_eq!(said_of(dir.path()), format!("{} bytes", BYTES.len()));
}

#[test]
fn a_hosted_bundle_is_named_elsewhere() {
    let place = ManifestPlace::File("hosted-x/model.toml".into());
    let text = "format = 2\nname = \"hosted-x\"\nwhere = \"hosted\"\n";
    let error = Manifest::parse("hosted-x", &place, text).expect_err("refused").to_string();
    assert!(error.contains("`bundle` of [look]"), "{error}");
}
