//! The square around a rim, cut out of a picture, as models that decide are fed.
//!
//! Its side is `rings` widths of the ring, centred on the ring across, `above` widths above the ring's
//! top edge; the filter is that of `resample`. An engine on the CPU cuts with this; one on a device
//! brings its own and is held to the same vectors.

use crate::detect::bundle::tensors::{Channel, CropInput};
use crate::detect::resample::{ShortPlane, Taps, resample};
use crate::media::{CpuPicture, RimBox};

/// Widest ring and farthest edge that are taken, pixels: beyond any picture that decoders give.
const MAX_PIXELS: f32 = 65_536.0;

/// There is no crop of such a rim.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("rim [{x}, {y}, {w}, {h}] is no box in a picture: draw the rim again")]
#[expect(missing_docs, reason = "the text names its fields")]
pub struct NoBox {
    pub x: f32,
    pub y: f32,
    pub w: f32,
    pub h: f32,
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
    /// [`NoBox`] when the rim is no box of a picture.
    pub fn new(input: &CropInput, rim: RimBox, picture: (u32, u32)) -> Result<Self, NoBox> {
        let near = |value: f32| value.abs() <= MAX_PIXELS;
        let RimBox { x, y, w, h } = rim;
        if !(near(x) && near(y) && w > 0.0 && near(w) && near(h))
            || picture.0 == 0
            || picture.1 == 0
        {
            return Err(NoBox { x, y, w, h });
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

    /// What its channels are made of: across, down.
    pub(crate) fn channels(&self) -> impl Iterator<Item = (Channel, &Taps, &Taps)> {
        self.channels.iter().map(|(channel, across, down)| (*channel, across, down))
    }

    /// Cuts the crop out of `picture` into `out` (channels, rows, columns; 0..1).
    ///
    /// # Errors
    /// [`ShortPlane`] when the picture is smaller than the one that the taps are for.
    pub fn cut(&mut self, picture: &dyn CpuPicture, out: &mut [f32]) -> Result<(), ShortPlane> {
        let area = self.size * self.size;
        for ((channel, across, down), out) in self.channels.iter().zip(out.chunks_exact_mut(area)) {
            resample(picture, *channel, (across, down), &mut self.row, out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "pixels of small pictures"
)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::media::{ChromaLayout, Plane};

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
        assert_eq!(crop.cut(&short, &mut out), Err(ShortPlane { plane: 0 }));
    }

    #[test]
    fn crops_are_what_the_training_side_cuts() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/rimnet/testdata/crop.json");
        let text = std::fs::read_to_string(data).expect("testdata");
        let vectors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for case in vectors["cases"].as_array().expect("cases") {
            let whole = |key: &str| case[key].as_u64().expect("a whole number");
            let number = |key: &str| case[key].as_f64().expect("a number") as f32;
            let input = CropInput {
                name: "frame".to_owned(),
                size: whole("size") as usize,
                channels: vec![Channel::Y],
                rings: number("rings"),
                above: number("above"),
            };
            let numbers = |key: &str| -> Vec<f32> {
                let number = |value: &serde_json::Value| value.as_f64().expect("number") as f32;
                case[key].as_array().expect("a list").iter().map(number).collect()
            };
            let rim = numbers("box");
            let rim = RimBox { x: rim[0], y: rim[1], w: rim[2], h: rim[3] };
            let size = (whole("width") as u32, whole("height") as u32);
            let picture = numbers("picture").iter().map(|value| *value as u8).collect();
            let mut crop = Crop::new(&input, rim, size).expect("box");
            let mut found = vec![0.0; crop.values()];
            let picture =
                Planes { layout: ChromaLayout::Nv12, planes: vec![(picture, size.0 as usize)] };
            crop.cut(&picture, &mut found).expect("planes");
            let wanted = numbers("crop");
            assert_eq!(found.len(), wanted.len());
            for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                assert!((found - wanted).abs() < 1e-4, "{rim:?} at {at}: {found} {wanted}");
            }
        }
    }
}
