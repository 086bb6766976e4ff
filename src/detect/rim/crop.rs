//! The square around a rim, cut out of a picture and resampled, as models are fed.
//!
//! The filter is part of every bundle's contract (the training side has the same, to 1e-4): an
//! antialiased triangle, separable. Along one axis, with `s = side / size`: output `i` has its
//! centre at `c = origin + (i + 0.5)·s`, its support is `max(1, s)`, and pixel `j` (centre
//! `j + 0.5`) weighs `max(0, 1 − |j + 0.5 − c| / support)`; indices are clamped to the picture,
//! weights sum to 1. Values are bytes / 255 as decoded, no expansion of range.
//!
//! Taps are worked out once a rim and size of picture; cutting reads each needed pixel twice.

use crate::detect::bundle::manifest::{Channel, CropInput};
use crate::media::{ChromaLayout, CpuPicture, Plane, RimBox};

/// Widest ring and farthest edge that are taken, pixels: beyond any picture that decoders give.
const MAX_PIXELS: f32 = 65_536.0;

/// Why there is no crop.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum CropError {
    #[error("rim [{x}, {y}, {w}, {h}] is no box in a picture: draw the rim again")]
    Box { x: f32, y: f32, w: f32, h: f32 },
    #[error("the decoder gave a picture whose plane {plane} is shorter than its size says")]
    Plane { plane: usize },
}

/// Cuts one input of a model around one rim.
#[derive(Clone, Debug)]
pub struct Crop {
    size: usize,
    channels: Vec<(Channel, Taps, Taps)>,
    /// One resampled row, as wide as the source needs it.
    row: Vec<f32>,
}

impl Crop {
    /// Works out the taps of `input` around `rim` in pictures of `picture` (width, height).
    ///
    /// # Errors
    /// [`CropError::Box`] when the rim is no box of a picture.
    pub fn new(input: &CropInput, rim: RimBox, picture: (u32, u32)) -> Result<Self, CropError> {
        let near = |value: f32| value.abs() <= MAX_PIXELS;
        let RimBox { x, y, w, h } = rim;
        if !(near(x) && near(y) && w > 0.0 && near(w) && near(h))
            || picture.0 == 0
            || picture.1 == 0
        {
            return Err(CropError::Box { x, y, w, h });
        }
        let ring = f64::from(w);
        let side = f64::from(input.rings) * ring;
        let left = f64::from(x) + ring / 2.0 - side / 2.0;
        let top = f64::from(y) - f64::from(input.above) * ring;
        let channels = input
            .channels
            .iter()
            .map(|channel| {
                // Chroma planes are half the size, rounded up; the crop is the same.
                let half = if *channel == Channel::Y { 1 } else { 2 };
                let scale = f64::from(half);
                let across =
                    Taps::new(left / scale, side / scale, input.size, picture.0.div_ceil(half));
                let down =
                    Taps::new(top / scale, side / scale, input.size, picture.1.div_ceil(half));
                (*channel, across, down)
            })
            .collect();
        Ok(Self { size: input.size, channels, row: Vec::new() })
    }

    /// Values of the whole crop: channels × size × size.
    #[must_use]
    pub fn values(&self) -> usize {
        self.channels.len() * self.size * self.size
    }

    /// Cuts the crop out of `picture` into `out` (channels, rows, columns; 0..1).
    ///
    /// # Errors
    /// [`CropError::Plane`] when the picture is smaller than the one that the taps are for.
    pub fn cut(&mut self, picture: &dyn CpuPicture, out: &mut [f32]) -> Result<(), CropError> {
        let area = self.size * self.size;
        for ((channel, across, down), out) in self.channels.iter().zip(out.chunks_exact_mut(area)) {
            resample(picture, *channel, (across, down), &mut self.row, out)?;
        }
        Ok(())
    }
}

/// Resamples one plane of `picture` into `out`, rows of as many values as `across` gives. `row` is
/// kept by the caller, so that no picture allocates.
pub(crate) fn resample(
    picture: &dyn CpuPicture,
    channel: Channel,
    (across, down): (&Taps, &Taps),
    row: &mut Vec<f32>,
    out: &mut [f32],
) -> Result<(), CropError> {
    let (plane, step, offset) = match (channel, picture.chroma()) {
        (Channel::Y, _) => (0, 1, 0),
        (Channel::Cb, ChromaLayout::I420) => (1, 1, 0),
        (Channel::Cr, ChromaLayout::I420) => (2, 1, 0),
        (Channel::Cb, ChromaLayout::Nv12) => (1, 2, 0),
        (Channel::Cr, ChromaLayout::Nv12) => (1, 2, 1),
    };
    let short = CropError::Plane { plane };
    let source = picture.plane(plane).ok_or_else(|| short.clone())?;
    let span = across.span();
    row.clear();
    row.resize(span.len(), 0.0);
    for (line, (first, weights)) in out.chunks_exact_mut(across.first.len()).zip(down.each()) {
        row.fill(0.0);
        for (index, weight) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let bytes =
                row_bytes(&source, first + index, &span, step).ok_or_else(|| short.clone())?;
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

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "pixels of small pictures"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Planes with strides wider than the picture, as decoders give them.
    #[derive(Debug)]
    struct Planes {
        layout: ChromaLayout,
        planes: Vec<(Vec<u8>, usize)>,
    }

    impl CpuPicture for Planes {
        fn chroma(&self) -> ChromaLayout {
            self.layout
        }
        fn plane(&self, index: usize) -> Option<Plane<'_>> {
            self.planes.get(index).map(|(bytes, stride)| Plane { bytes, stride: *stride })
        }
    }

    /// The contract, word by word, pixel by pixel.
    fn naive(
        get: &dyn Fn(i64, i64) -> u8,
        left: f64,
        top: f64,
        side: f64,
        size: usize,
    ) -> Vec<f64> {
        let axis = |origin: f64, i: usize| -> Vec<(i64, f64)> {
            let s = side / size as f64;
            let c = origin + (i as f64 + 0.5) * s;
            let support = s.max(1.0);
            let around = c as i64;
            let reach = support as i64 + 3;
            let all: Vec<(i64, f64)> = (around - reach..=around + reach)
                .map(|j| (j, (1.0 - (j as f64 + 0.5 - c).abs() / support).max(0.0)))
                .collect();
            let sum: f64 = all.iter().map(|(_, w)| w).sum();
            all.into_iter().map(|(j, w)| (j, w / sum)).collect()
        };
        let mut out = Vec::new();
        for row in 0..size {
            for column in 0..size {
                let mut sum = 0.0;
                for (y, wy) in axis(top, row) {
                    for (x, wx) in axis(left, column) {
                        sum += wy * wx * f64::from(get(x, y)) / 255.0;
                    }
                }
                out.push(sum);
            }
        }
        out
    }

    fn noise(count: usize, seed: u32) -> Vec<u8> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Boxes anywhere, also half outside; odd sizes; padded strides; all three channels in
        /// both layouts.
        #[test]
        fn the_crop_is_the_contract_word_by_word(
            (width, height) in (3u32..70, 3u32..50),
            (x, y) in (-20.0f32..60.0, -20.0f32..40.0),
            w in 0.5f32..40.0,
            size in 8usize..20,
            nv12 in any::<bool>(),
            pad in 0usize..5,
            seed in any::<u32>(),
        ) {
            let (half_w, half_h) = (width.div_ceil(2) as usize, height.div_ceil(2) as usize);
            let (full_w, full_h) = (width as usize, height as usize);
            let luma = (noise((full_w + pad) * full_h, seed), full_w + pad);
            let cb = (noise((half_w + pad) * half_h, seed ^ 1), half_w + pad);
            let cr = (noise((half_w + pad) * half_h, seed ^ 2), half_w + pad);
            let picture = if nv12 {
                let both: Vec<u8> = cb.0.iter().zip(&cr.0).flat_map(|(b, r)| [*b, *r]).collect();
                Planes {
                    layout: ChromaLayout::Nv12,
                    planes: vec![luma.clone(), (both, 2 * (half_w + pad))],
                }
            } else {
                Planes {
                    layout: ChromaLayout::I420,
                    planes: vec![luma.clone(), cb.clone(), cr.clone()],
                }
            };
            let input = CropInput {
                name: "frame".to_owned(),
                size,
                channels: vec![Channel::Y, Channel::Cb, Channel::Cr],
                rings: 3.2,
                above: 0.9,
            };
            let rim = RimBox { x, y, w, h: w / 2.0 };
            let mut crop = Crop::new(&input, rim, (width, height)).expect("box");
            let mut out = vec![0.0; crop.values()];
            crop.cut(&picture, &mut out).expect("planes");

            let side = 3.2_f32 as f64 * w as f64;
            let left = x as f64 + w as f64 / 2.0 - side / 2.0;
            let top = y as f64 - 0.9_f32 as f64 * w as f64;
            let planes = [(luma, full_w, full_h, 1.0), (cb, half_w, half_h, 2.0), (cr, half_w, half_h, 2.0)];
            for (index, ((bytes, stride), wide, high, scale)) in planes.into_iter().enumerate() {
                let get = |x: i64, y: i64| {
                    let x = x.clamp(0, wide as i64 - 1) as usize;
                    let y = y.clamp(0, high as i64 - 1) as usize;
                    bytes[y * stride + x]
                };
                let wanted = naive(&get, left / scale, top / scale, side / scale, size);
                let found = &out[index * size * size..][..size * size];
                for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                    prop_assert!((f64::from(*found) - wanted).abs() < 1e-5, "{index} {at}: {found} {wanted}");
                }
            }
        }
    }

    #[test]
    fn a_box_that_is_none_and_a_short_plane_are_errors() {
        let input = CropInput {
            name: "frame".to_owned(),
            size: 8,
            channels: vec![Channel::Y],
            rings: 3.2,
            above: 0.9,
        };
        for (w, x) in [(0.0, 0.0), (-3.0, 0.0), (f32::NAN, 0.0), (1e9, 0.0), (10.0, f32::INFINITY)]
        {
            let rim = RimBox { x, y: 0.0, w, h: 5.0 };
            assert!(Crop::new(&input, rim, (64, 48)).is_err(), "{rim:?}");
        }
        let rim = RimBox { x: 10.0, y: 10.0, w: 10.0, h: 5.0 };
        let mut crop = Crop::new(&input, rim, (64, 48)).expect("box");
        let mut out = vec![0.0; crop.values()];
        let short = Planes { layout: ChromaLayout::I420, planes: vec![(vec![0; 64 * 10], 64)] };
        assert_eq!(crop.cut(&short, &mut out), Err(CropError::Plane { plane: 0 }));
    }
}
