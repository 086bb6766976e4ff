//! ONNX Runtime against the engine in the binary, where `make engines` has fetched it.

use std::path::Path;

use super::*;
use crate::clock::ManualClock;
use crate::detect::engine::parity::{
    Apart, builtin, bundle, compare, fetched, place, say, scene, step,
};
use crate::media::UtcTime;

fn load(of: &Bundle) -> Option<Onnx> {
    let path = newest_in(&fetched("onnxruntime")?).expect("a library in the folder");
    let library = Library::open(Some(&path)).expect("loads");
    let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
    Some(
        Onnx::load(&library, Limits::of(ModelLimits::default()), of, clock)
            .expect("makes sense of the file"),
    )
}

/// The library, and an engine of `of` by it; `None`, said loudly, where it was not fetched.
#[cfg(feature = "cuda")]
pub(crate) fn library_for_tests(of: &Bundle) -> Option<(Library, Onnx)> {
    let engine = load(of)?;
    Some((Library::open(None).expect("is open already"), engine))
}

#[test]
fn shipped_bundles_answer_as_the_engine_in_the_binary_does() {
    for (name, precision, slots, steps, by) in [
        ("rimnet", "fp32", 3, 50, 2e-3),
        ("rimnet", "fp16", 2, 25, 0.05),
        ("rimnet", "int8", 1, 25, 1.0),
        ("rimfinder", "fp32", 1, 2, 1e-3),
    ] {
        let bundle = bundle(name, precision);
        let Some(mut engine) = load(&bundle) else { return };
        let apart = compare(&mut engine, &bundle, (slots, steps));
        say(format_args!("{name} {precision}: {apart}"));
        assert!(apart.greatest < by, "{name} {precision}: {apart}");
    }
}

/// Half way the one goes on where the other was, and back.
#[test]
fn a_state_is_handed_to_the_other_engine_and_back() {
    let bundle = bundle("rimnet", "fp32");
    let Some(mut engine) = load(&bundle) else { return };
    let mut apart = Apart::default();
    let (mut whole, mut other) = (builtin(&bundle, 2), builtin(&bundle, 2));
    place(&mut engine, &bundle, 2).expect("placed");
    for t in 0..30 {
        if t == 10 {
            for slot in 0..2 {
                engine.take_over(slot, &other.state(slot).expect("has one")).expect("taken");
            }
        }
        if t == 20 {
            for slot in 0..2 {
                other.reset(slot);
                other.take_over(slot, &engine.state(slot).expect("has one")).expect("taken");
            }
        }
        let wanted = step(&mut whole, 2, t);
        let found =
            if (10..20).contains(&t) { step(&mut engine, 2, t) } else { step(&mut other, 2, t) };
        found.iter().zip(&wanted).for_each(|(found, wanted)| apart.add(found, wanted));
    }
    assert!(apart.greatest < 2e-3, "{apart}");
    // What it remembers matters: a state that starts anew answers otherwise.
    engine.reset(0);
    let (anew, wanted) = (step(&mut engine, 2, 30), step(&mut whole, 2, 30));
    assert!((anew[0][0] - wanted[0][0]).abs() > 2e-3, "{anew:?} {wanted:?}");
}

#[test]
fn a_slot_that_is_not_placed_and_a_file_that_is_another_are_told() {
    let rimnet = bundle("rimnet", "fp32");
    let Some(mut engine) = load(&rimnet) else { return };
    engine.set_slots(1).expect("room");
    let frame = scene(0);
    let mut told = Vec::new();
    engine.run(&[Look { slot: 0, frame: &frame, dt_seconds: 0.0 }], &mut |_, said| {
        told.push(said.expect_err("not placed").to_string());
    });
    assert_eq!(told, ["slot 0 is not placed for pictures of 320x180"]);
    let library = Library::open(None).expect("is open already");
    let mut other = rimnet;
    other.file = bundle("rimfinder", "fp32").file;
    let clock = Arc::new(ManualClock::at(UtcTime::from_nanos(0)));
    let error = Onnx::load(&library, Limits::of(ModelLimits::default()), &other, clock)
        .err()
        .expect("another network")
        .to_string();
    assert!(error.contains("rimfinder-fp32.onnx"), "{error}");
}

#[test]
fn a_box_without_the_library_is_told_so_in_one_line() {
    // A process keeps the first library that it opens, and other tests open one: this one has its own.
    const ALONE: &str = "COURTSIDE_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = concat!(module_path!(), "::a_box_without_the_library_is_told_so_in_one_line");
        let name = name.trim_start_matches("courtside::");
        let program = std::env::current_exe().expect("a program");
        let mut alone = std::process::Command::new(program);
        let ran = alone.args(["--exact", name]).env(ALONE, "1").output().expect("it runs");
        let told = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && told.contains("1 passed"), "{told}");
        return;
    }
    for path in ["/nowhere/libonnxruntime.so", "/proc/self/exe", "/etc/passwd"] {
        let error = Library::load(Some(Path::new(path))).err().expect("none");
        assert!(error.starts_with("no ONNX Runtime 1.18 or newer (") && !error.contains('\n'));
        assert!(error.contains("`onnxruntime` of [detect]"), "{error}");
    }
}
