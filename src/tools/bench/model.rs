//! `bench model`: what a picture costs, beside what the multiplications alone would.
//!
//! One thread, a picture of noise, the crop and the network apart. Times are the thread's own on
//! its core, so that what else the machine does counts little. The limit is the network's
//! multiply-adds at the rate of a plain square matrix product measured in the same run: what no
//! arrangement of the same arithmetic on this core and this library would beat by much.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tract_onnx::prelude::tract_ndarray::Array2;

use crate::clock::{Clock, SystemClock};
use crate::detect::{
    self, Bundle, Crop, Engine, Engines, IN_THE_BINARY, InstalledEngines, Look, PictureInput,
    Placement, Task, View,
};
use crate::media::{
    ChromaLayout, CourtId, CpuPicture, Frame, MediaTime, Monotonic, Pixels, Plane, RimBox,
    SessionId,
};

/// Runs of which the median is told: an odd number, apart from what else the machine does.
const RUNS: usize = 5;
/// Pictures a run.
const PICTURES: usize = 200;
/// Side of the matrices of the limit: in the second-level cache, long enough to reach full rate.
const SIDE: usize = 256;
/// Matrix products a run.
const PRODUCTS: usize = 200;
/// The picture, and a ring as cameras of our advice see it.
const PICTURE: (u32, u32) = (1280, 720);
const RIM: RimBox = RimBox { x: 612.0, y: 188.0, w: 44.0, h: 22.0 };

/// Arguments of `bench model`.
#[derive(Debug, Args)]
pub(crate) struct BenchModelArgs {
    /// Bundle to time
    #[arg(long, value_name = "NAME", default_value = "rimnet")]
    pub bundle: String,
    /// Folder of bundles, searched first (can be repeated)
    #[arg(long, value_name = "DIR")]
    pub models_dir: Vec<PathBuf>,
    /// One JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

/// Medians, ms a picture.
struct Timed {
    crop_ms: f64,
    network_ms: f64,
    limit_ms: Option<f64>,
    multiply_adds: Option<u64>,
}

impl BenchModelArgs {
    /// Times the bundle.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut search = self.models_dir.clone();
        search.push(PathBuf::from(detect::SYSTEM_MODELS));
        let bundle = detect::find(&self.bundle, &search, IN_THE_BINARY)?.for_task(Task::Rim)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut engine = InstalledEngines::new(clock).engine_for(&bundle)?;
        let timed = time(&bundle, engine.as_mut())?;
        let whole = timed.crop_ms + timed.network_ms;
        if self.json {
            let row = json!({
                "bundle": bundle.name, "version": bundle.version, "engine": engine.name(),
                "crop_ms": timed.crop_ms, "network_ms": timed.network_ms,
                "limit_ms": timed.limit_ms, "multiply_adds": timed.multiply_adds,
                "budget_ms": bundle.budget_ms,
            });
            println!("{row}");
        } else {
            println!(
                "{} {} ({}, engine {}), one core, median of {RUNS} runs of {PICTURES} pictures",
                bundle.name,
                bundle.version,
                bundle.file.precision,
                engine.name()
            );
            println!("crop     {:6.3} ms a picture and rim", timed.crop_ms);
            println!("network  {:6.3} ms", timed.network_ms);
            if let (Some(limit), Some(count)) = (timed.limit_ms, timed.multiply_adds) {
                println!(
                    "limit    {limit:6.3} ms: {:.1} million multiply-adds as one matrix product",
                    millions(count)
                );
            }
            println!(
                "budget   {:6.3} ms, {:.0} % used",
                bundle.budget_ms,
                100.0 * whole / bundle.budget_ms
            );
        }
        Ok(if whole <= bundle.budget_ms { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

fn time(bundle: &Bundle, engine: &mut dyn Engine) -> anyhow::Result<Timed> {
    let clock = SystemClock::new();
    let frame = Arc::new(noise()?);
    let picture = frame.to_cpu()?;
    let crop = |input: &PictureInput| match input {
        PictureInput::Around(input) => Some(Crop::new(input, RIM, PICTURE)),
        PictureInput::Whole(_) => None,
    };
    let mut crops =
        bundle.tensors.inputs.iter().filter_map(crop).collect::<Result<Vec<Crop>, _>>()?;
    let mut values: Vec<Vec<f32>> = crops.iter().map(|crop| vec![0.0; crop.values()]).collect();
    engine.set_slots(1)?;
    engine.place(0, Placement { picture: PICTURE, view: View::Around(RIM) })?;
    let look = [Look { slot: 0, frame: &frame, dt_seconds: 1.0 / 30.0 }];
    let (mut cut, mut ran, mut limit) = (Vec::new(), Vec::new(), Vec::new());
    // The first run warms caches and is not counted.
    for run in 0..=RUNS {
        let begin = busy(&clock);
        for _ in 0..PICTURES {
            for (crop, values) in crops.iter_mut().zip(&mut values) {
                crop.cut(picture, values)?;
            }
        }
        let between = busy(&clock);
        for _ in 0..PICTURES {
            let mut said = Ok(());
            engine.run(&look, &mut |_, result| said = result.map(drop));
            said.context("run the network")?;
        }
        let end = busy(&clock);
        let rate = products_a_second(&clock);
        if run > 0 {
            let each = |time: Duration| time.as_secs_f64() * 1e3 / count(PICTURES);
            let (cutting, whole) = (between.saturating_sub(begin), end.saturating_sub(between));
            cut.push(each(cutting));
            // An engine cuts for itself: what is over is the network's.
            ran.push(each(whole.saturating_sub(cutting)));
            limit.push(rate);
        }
    }
    let multiply_adds = engine.multiply_adds();
    Ok(Timed {
        crop_ms: median(&mut cut),
        network_ms: median(&mut ran),
        limit_ms: multiply_adds.map(|count| millions(count) * 1e9 / median(&mut limit)),
        multiply_adds,
    })
}

/// Multiply-adds a second of plain matrix products.
fn products_a_second(clock: &SystemClock) -> f64 {
    let left = Array2::<f32>::from_elem((SIDE, SIDE), 0.5);
    let mut right = Array2::<f32>::from_elem((SIDE, SIDE), 0.25);
    let begin = busy(clock);
    for _ in 0..PRODUCTS {
        // Each product needs the one before it, so none can be left out.
        // Rows of 256 halves: divided by 128 the values stay what they are.
        right = left.dot(&right) / 128.0;
    }
    let took = busy(clock).saturating_sub(begin).as_secs_f64();
    assert!(right.iter().all(|value| value.is_finite()), "a product of small numbers is finite");
    count(PRODUCTS) * count(SIDE).powi(3) / took.max(1e-9)
}

/// A frame of noise, as a camera's.
fn noise() -> anyhow::Result<Frame> {
    Ok(Frame {
        court: CourtId::new("bench")?,
        session: SessionId::from_bits(1),
        pts: MediaTime::ZERO,
        width: PICTURE.0,
        height: PICTURE.1,
        arrival: Monotonic::ZERO,
        decoded: Monotonic::ZERO,
        pixels: Pixels::Cpu(Box::new(Noise::new())),
    })
}

/// Time that this thread has been on a core; where the system does not tell, time as it passes.
fn busy(clock: &SystemClock) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| clock.monotonic().since(Monotonic::ZERO), Duration::from_nanos)
}

/// A picture of noise: no row is like another, as in a real one.
#[derive(Debug)]
struct Noise {
    luma: Vec<u8>,
    chroma: Vec<u8>,
    stride: usize,
}

impl Noise {
    fn new() -> Self {
        let mut state = 1_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        let area = usize::try_from(PICTURE.0 * PICTURE.1).unwrap_or(0);
        let stride = usize::try_from(PICTURE.0).unwrap_or(0);
        let luma = (0..area).map(|_| byte()).collect();
        Self { luma, chroma: (0..area / 2).map(|_| byte()).collect(), stride }
    }
}

impl CpuPicture for Noise {
    fn chroma(&self) -> ChromaLayout {
        ChromaLayout::Nv12
    }

    fn plane(&self, index: usize) -> Option<Plane<'_>> {
        match index {
            0 => Some(Plane { bytes: &self.luma, stride: self.stride }),
            1 => Some(Plane { bytes: &self.chroma, stride: self.stride }),
            _ => None,
        }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn count(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "for display")]
fn millions(count: u64) -> f64 {
    count as f64 / 1e6
}
