//! The one filter by which a picture's planes become a model's input (pure).
//!
//! It is part of every bundle's contract (the training side has the same, to 1e-4, and an engine on a
//! device gives the same to within one grey level): an antialiased triangle, separable. Along one
//! axis, with `s = side / size`: output `i` has its centre at `c = origin + (i + 0.5)·s`, its support
//! is `max(1, s)`, and pixel `j` (centre `j + 0.5`) weighs `max(0, 1 − |j + 0.5 − c| / support)`;
//! indices are clamped to the picture, weights sum to 1. Values are bytes / 255 as decoded, no
//! expansion of range.
//!
//! Taps are worked out once a place and size of picture; resampling reads each needed pixel twice.
//! `rim/crop` cuts squares with it, `ring/letterbox` fits whole pictures in.

use crate::detect::bundle::tensors::Channel;
use crate::media::{ChromaLayout, CpuPicture, Plane};

/// The decoder gave less than a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the decoder gave a picture whose plane {plane} is shorter than its size says")]
pub struct ShortPlane {
    /// Its index.
    pub plane: usize,
}

/// Resamples one plane of `picture` into `out`, rows of as many values as `across` gives. `row` is
/// kept by the caller, so that no picture allocates.
pub(crate) fn resample(
    picture: &dyn CpuPicture,
    channel: Channel,
    (across, down): (&Taps, &Taps),
    row: &mut Vec<f32>,
    out: &mut [f32],
) -> Result<(), ShortPlane> {
    let (plane, step, offset) = match (channel, picture.chroma()) {
        (Channel::Y, _) => (0, 1, 0),
        (Channel::Cb, ChromaLayout::I420) => (1, 1, 0),
        (Channel::Cr, ChromaLayout::I420) => (2, 1, 0),
        (Channel::Cb, ChromaLayout::Nv12) => (1, 2, 0),
        (Channel::Cr, ChromaLayout::Nv12) => (1, 2, 1),
    };
    let short = ShortPlane { plane };
    let source = picture.plane(plane).ok_or(short)?;
    let span = across.span();
    row.clear();
    row.resize(span.len(), 0.0);
    for (line, (first, weights)) in out.chunks_exact_mut(across.first.len()).zip(down.each()) {
        row.fill(0.0);
        for (index, weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let bytes = row_bytes(&source, first + index, &span, step).ok_or(short)?;
            add_row(row, bytes, step, offset, weight / 255.0);
        }
        across.apply(row, span.start, line);
    }
    Ok(())
}

/// The bytes of row `row` that hold the pixels of `span`, `step` bytes a pixel.
fn row_bytes<'a>(
    plane: &Plane<'a>,
    row: usize,
    span: &std::ops::Range<usize>,
    step: usize,
) -> Option<&'a [u8]> {
    let start = row.checked_mul(plane.stride)?.checked_add(span.start * step)?;
    plane.bytes.get(start..start.checked_add(span.len() * step)?)
}

fn add_row(row: &mut [f32], bytes: &[u8], step: usize, offset: usize, weight: f32) {
    if step == 1 {
        for (sum, byte) in row.iter_mut().zip(bytes) {
            *sum += weight * f32::from(*byte);
        }
    } else {
        let values = bytes.iter().skip(offset).step_by(step);
        for (sum, byte) in row.iter_mut().zip(values) {
            *sum += weight * f32::from(*byte);
        }
    }
}

/// The weights along one axis: for each output, so many pixels from a first one on.
#[derive(Clone, Debug)]
pub(crate) struct Taps {
    first: Vec<usize>,
    /// Pixels an output; the same for all, so that the inner loop has one length.
    width: usize,
    weights: Vec<f32>,
}

impl Taps {
    /// `size` outputs over `side` pixels from `origin` on, of `length` pixels that there are.
    pub(crate) fn new(origin: f64, side: f64, size: usize, length: u32) -> Self {
        let length = usize::try_from(length).unwrap_or(usize::MAX).max(1);
        let outputs: Vec<(usize, Vec<f64>)> =
            (0..size).map(|index| weights_of(origin, side, size, index, length)).collect();
        let width = outputs.iter().map(|(_, weights)| weights.len()).max().unwrap_or(1);
        let mut taps =
            Self { first: Vec::with_capacity(size), width, weights: vec![0.0; size * width] };
        for ((first, weights), row) in outputs.iter().zip(taps.weights.chunks_exact_mut(width)) {
            // Outputs of fewer pixels are filled up with weights of zero, inside the picture.
            let start = (*first).min(length - width);
            for (weight, slot) in weights.iter().zip(row.iter_mut().skip(first - start)) {
                *slot = narrow(*weight);
            }
            taps.first.push(start);
        }
        taps
    }

    /// First pixel of each output.
    pub(crate) fn first(&self) -> &[usize] {
        &self.first
    }

    /// Pixels of each output.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// Weights, as many as [`width`](Self::width) for each output.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The pixels that any output needs.
    fn span(&self) -> std::ops::Range<usize> {
        let start = self.first.iter().min().copied().unwrap_or(0);
        let last = self.first.iter().max().copied().unwrap_or(0);
        start..last + self.width
    }

    fn each(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.first.iter().copied().zip(self.weights.chunks_exact(self.width))
    }

    /// Resamples `row`, whose first value is pixel `start`.
    fn apply(&self, row: &[f32], start: usize, out: &mut [f32]) {
        for (out, (first, weights)) in out.iter_mut().zip(self.each()) {
            let values = row.get(first - start..).unwrap_or_default();
            *out = values.iter().zip(weights).map(|(value, weight)| value * weight).sum();
        }
    }
}

/// First pixel and weights of one output. Pixels outside stand for the nearest one inside.
fn weights_of(
    origin: f64,
    side: f64,
    size: usize,
    index: usize,
    length: usize,
) -> (usize, Vec<f64>) {
    let step = side / float(size);
    let centre = origin + (float(index) + 0.5) * step;
    let support = step.max(1.0);
    let low = whole((centre - support - 0.5).floor());
    let high = whole((centre + support - 0.5).ceil());
    let inside = |pixel: i64| usize::try_from(pixel.max(0)).unwrap_or(0).min(length - 1);
    let mut first = None;
    let mut weights: Vec<f64> = Vec::new();
    for pixel in low..=high {
        let weight = 1.0 - (real(pixel) + 0.5 - centre).abs() / support;
        if weight > 0.0 {
            let slot = inside(pixel) - *first.get_or_insert_with(|| inside(pixel));
            weights.resize(weights.len().max(slot + 1), 0.0);
            if let Some(sum) = weights.get_mut(slot) {
                *sum += weight;
            }
        }
    }
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    (first.unwrap_or_else(|| inside(low)), weights)
}

#[expect(clippy::cast_precision_loss, reason = "sizes are at most 512")]
fn float(size: usize) -> f64 {
    size as f64
}

#[expect(clippy::cast_precision_loss, reason = "pixels are far below 2^53")]
fn real(pixel: i64) -> f64 {
    pixel as f64
}

#[expect(clippy::cast_possible_truncation, reason = "boxes are within MAX_PIXELS; casts saturate")]
fn whole(position: f64) -> i64 {
    position as i64
}

#[expect(clippy::cast_possible_truncation, reason = "weights are computed finely, stored as f32")]
fn narrow(weight: f64) -> f32 {
    weight as f32
}
