//! Networks on the GPU against the engine in the binary: answers and times, where there is a GPU.
//!
//! The table of `design/status.md` is what the first of these prints; `engines/` beside the folder of the
//! program holds the libraries (`make shims engines`, on a machine that has them).

use super::*;
use crate::clock::SystemClock;
use crate::detect::engine::graph::sums::Limits;
use crate::detect::engine::makes_tensorrt::{MOST_KEPT, MakesTensorRt, may_use};
use crate::detect::engine::parity::{
    Apart, builtin, bundle, compare, fetched, place, say, scene, step,
};
use crate::detect::engine::tensorrt::Places;
use crate::detect::settings::{Kept, ModelLimits};
use crate::device::Gpu;
use crate::disk::{self, Disk, RealDisk};

/// Makes engines by RTX 1.6, keeping plans in `folder`; `None`, said loudly, where there is no GPU.
fn makes(folder: &std::path::Path, graphs: bool) -> Option<MakesTensorRt> {
    let (shims, tensorrt) = (fetched("shims")?, fetched("rtx-1.6")?);
    let gpu = Gpu::default();
    if let Err(no) = gpu.cuda() {
        say(format_args!("NOT RUN: {no}"));
        return None;
    }
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    Some(MakesTensorRt {
        gpu,
        places: Places { shims: vec![shims], tensorrt: Some(tensorrt) },
        kept: Some(Kept { disk, folder: folder.to_owned() }),
        limits: Limits::of(ModelLimits::default()),
        clock: Arc::new(SystemClock::new()),
        graphs,
        dla: None,
    })
}

/// Milliseconds of which half, and 99 of 100, take less, from a batch's inputs to its answers on the CPU.
fn times(engine: &mut OnGpu, of: &Bundle, slots: usize) -> (f64, f64) {
    place(engine, of, slots).expect("placed");
    let frames: Vec<_> = (0..8).map(scene).collect();
    let mut took = Vec::new();
    for frame in frames.iter().cycle().take(650) {
        let looks: Vec<Look<'_>> =
            (0..slots).map(|slot| Look { slot, frame, dt_seconds: 0.04 }).collect();
        let mut ran = None;
        engine.run(&looks, &mut |_, said| ran = said.ok().map(|said| said.ran));
        took.push(ran.expect("ran").as_secs_f64() * 1e3);
    }
    let mut took = took.split_off(50);
    took.sort_by(f64::total_cmp);
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

#[test]
fn shipped_bundles_answer_as_the_engine_in_the_binary_does_and_how_fast() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(with) = makes(folder.path(), true) else { return };
    let without = makes(folder.path(), false).expect("as before");
    say(format_args!("on {}", with.gpu.cuda().expect("there")));
    for (name, precision, by) in [
        ("rimnet", "fp32", 5e-3),
        ("rimnet", "fp16", 0.1),
        ("rimfinder", "fp32", 5e-3),
        ("rimfinder", "fp16", 0.1),
    ] {
        let of = bundle(name, precision);
        let began = with.clock.monotonic();
        let mut engine = with.engine(&of, &|_| {}).expect("runs");
        let built = with.clock.monotonic().since(began).as_secs_f64();
        let mut again = without.engine(&of, &|_| {}).expect("runs from what was kept");
        for slots in [1, 8] {
            let apart = compare(&mut engine, &of, (slots, if name == "rimnet" { 50 } else { 3 }));
            let ((p50, p99), (plain50, plain99)) =
                (times(&mut engine, &of, slots), times(&mut again, &of, slots));
            say(format_args!(
                "{name} {precision} x{slots}: {apart}; graph {p50:.3}/{p99:.3} ms, without \
                 {plain50:.3}/{plain99:.3} ms; made in {built:.1} s"
            ));
            assert!(apart.greatest < by, "{name} {precision} x{slots}: {apart}");
        }
    }
}

/// A kept engine is taken again; a damaged one, and one of nothing, are built anew.
#[test]
fn what_was_kept_is_taken_again_and_what_is_damaged_is_built_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(makes) = makes(folder.path(), true) else { return };
    let of = bundle("rimnet", "fp16");
    let builds = || {
        let steps = std::cell::Cell::new(0);
        let told = |_| steps.set(steps.get() + 1);
        let mut engine = makes.engine(&of, &told).expect("runs");
        let apart = compare(&mut engine, &of, (2, 10));
        assert!(apart.greatest < 0.1, "{apart}");
        steps.get() > 0
    };
    assert!(builds(), "the first time");
    assert!(!builds(), "the second time it is there");
    let disk = RealDisk::new();
    for entry in folder.path().read_dir().expect("a folder").flatten() {
        let mut bytes = disk::read_whole(&disk, &entry.path(), MOST_KEPT).expect("read");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        disk::write_durably(&disk, &entry.path(), &bytes).expect("written");
    }
    assert!(builds(), "damaged");
    assert!(!builds(), "and is kept again");
}

/// Half way the one goes on where the other was, and back, as when engines fall over.
#[test]
fn a_state_is_handed_to_the_cpu_and_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(makes) = makes(folder.path(), true) else { return };
    let of = bundle("rimnet", "fp32");
    let mut engine = makes.engine(&of, &|_| {}).expect("runs");
    place(&mut engine, &of, 3).expect("placed");
    let (mut whole, mut other) = (builtin(&of, 3), builtin(&of, 3));
    let mut apart = Apart::default();
    for t in 0..30 {
        for slot in 0..3 {
            match t {
                10 => {
                    let state = other.state(slot).expect("has one");
                    engine.take_over(slot, &state).expect("taken");
                }
                20 => {
                    let state = engine.state(slot).expect("has one");
                    other.take_over(slot, &state).expect("taken");
                }
                _ => {}
            }
        }
        let wanted = step(&mut whole, 3, t);
        let found =
            if (10..20).contains(&t) { step(&mut engine, 3, t) } else { step(&mut other, 3, t) };
        found.iter().zip(&wanted).for_each(|(found, wanted)| apart.add(found, wanted));
    }
    say(format_args!("handed over and back: {apart}"));
    assert!(apart.greatest < 5e-3, "{apart}");
}

#[test]
fn a_dla_is_refused_in_words_where_the_library_knows_none() {
    assert_eq!(may_use(None, "tensorrt-rtx"), Ok(()));
    assert_eq!(may_use(Some(1), "tensorrt"), Ok(()));
    let error = may_use(Some(1), "tensorrt-rtx").expect_err("has no DLA");
    assert!(
        error.starts_with("`dla = 1` of [detect]: TensorRT-RTX runs nothing on a DLA"),
        "{error}"
    );
}
