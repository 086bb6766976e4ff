//! A whole picture fitted into a model's input, and boxes on the way back (pure).
//!
//! The aspect is kept, the picture stands in the middle, all else is 0.5. The filter is the crop's:
//! an antialiased triangle, separable; output `i` has its centre at `(i + 0.5 − edge)·scale` of the
//! picture, and is 0.5 where that lies outside. The training side has the same, to 1e-4.

use std::ops::Range;

use crate::detect::bundle::manifest::Channel;
use crate::detect::rim::crop::{CropError, Taps, resample};
use crate::detect::ring::peaks::Peak;
use crate::media::{CpuPicture, RimBox};

/// Largest side of a picture that is taken, pixels: beyond any that decoders give.
const MAX_SIDE: u32 = 65_536;

/// Fits pictures of one size into one size of input.
#[derive(Clone, Debug)]
pub struct Letterbox {
    picture: (u32, u32),
    /// Pixels of the picture a pixel of the input.
    scale: f64,
    /// Where the picture begins in the input, pixels of the input.
    edge: (f64, f64),
    out: (usize, usize),
    luma: (Taps, Taps),
    chroma: (Taps, Taps),
    /// Columns and rows of the input that show the picture.
    inside: (Range<usize>, Range<usize>),
    row: Vec<f32>,
}

impl Letterbox {
    /// Works out how pictures of `picture` (width, height) are fitted into `out` (width, height).
    /// `None` for a picture without pixels, or larger than any.
    #[must_use]
    pub fn new(picture: (u32, u32), out: (usize, usize)) -> Option<Self> {
        let (width, height) = picture;
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) || out.0 == 0 || out.1 == 0 {
            return None;
        }
        let (across, down) = (float(out.0), float(out.1));
        let scale = (f64::from(width) / across).max(f64::from(height) / down);
        let edge =
            ((across - f64::from(width) / scale) / 2.0, (down - f64::from(height) / scale) / 2.0);
        let taps = |half: u32| {
            let step = scale / f64::from(half);
            (
                Taps::new(-edge.0 * step, across * step, out.0, width.div_ceil(half)),
                Taps::new(-edge.1 * step, down * step, out.1, height.div_ceil(half)),
            )
        };
        let inside = |size: usize, edge: f64, length: u32| {
            let centre = |index: usize| (float(index) + 0.5 - edge) * scale;
            let shows = |index: &usize| (0.0..f64::from(length)).contains(&centre(*index));
            let first = (0..size).find(shows).unwrap_or(0);
            first..(first..size).take_while(shows).last().map_or(first, |last| last + 1)
        };
        Some(Self {
            picture,
            scale,
            edge,
            out,
            luma: taps(1),
            chroma: taps(2),
            inside: (inside(out.0, edge.0, width), inside(out.1, edge.1, height)),
            row: Vec::new(),
        })
    }

    /// Size of the pictures that it is for.
    #[must_use]
    pub const fn picture(&self) -> (u32, u32) {
        self.picture
    }

    /// Fits `picture` into `out`: Y, Cb, Cr, each rows of columns, 0..1.
    ///
    /// # Errors
    /// [`CropError::Plane`] when the picture is smaller than the one that this is for.
    pub fn fit(&mut self, picture: &dyn CpuPicture, out: &mut [f32]) -> Result<(), CropError> {
        let area = self.out.0 * self.out.1;
        let channels = [Channel::Y, Channel::Cb, Channel::Cr];
        for (channel, out) in channels.into_iter().zip(out.chunks_exact_mut(area)) {
            let taps = if channel == Channel::Y { &self.luma } else { &self.chroma };
            resample(picture, channel, (&taps.0, &taps.1), &mut self.row, out)?;
            let (columns, rows) = &self.inside;
            for (index, line) in out.chunks_exact_mut(self.out.0).enumerate() {
                if rows.contains(&index) {
                    for (column, value) in line.iter_mut().enumerate() {
                        if !columns.contains(&column) {
                            *value = 0.5;
                        }
                    }
                } else {
                    line.fill(0.5);
                }
            }
        }
        Ok(())
    }

    /// A peak's box in pixels of the picture.
    #[must_use]
    pub fn to_picture(&self, peak: &Peak) -> RimBox {
        let width = f64::from(peak.w) * self.scale;
        let height = f64::from(peak.h) * self.scale;
        RimBox {
            x: narrow((f64::from(peak.x) - self.edge.0) * self.scale - width / 2.0),
            y: narrow((f64::from(peak.y) - self.edge.1) * self.scale - height / 2.0),
            w: narrow(width),
            h: narrow(height),
        }
    }

    /// The other way: a box of the picture as a peak of score 1.
    #[must_use]
    pub fn to_input(&self, rim: RimBox) -> Peak {
        let [x, y, w, h] = [rim.x, rim.y, rim.w, rim.h].map(f64::from);
        Peak {
            score: 1.0,
            x: narrow((x + w / 2.0) / self.scale + self.edge.0),
            y: narrow((y + h / 2.0) / self.scale + self.edge.1),
            w: narrow(w / self.scale),
            h: narrow(h / self.scale),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "sides of pictures")]
fn float(size: usize) -> f64 {
    size as f64
}

#[expect(clippy::cast_possible_truncation, reason = "pixels are computed finely, told as f32")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::{ChromaLayout, Plane};

    #[derive(Debug)]
    struct Grey(Vec<u8>, usize);

    impl CpuPicture for Grey {
        fn chroma(&self) -> ChromaLayout {
            ChromaLayout::Nv12
        }
        fn plane(&self, _index: usize) -> Option<Plane<'_>> {
            Some(Plane { bytes: &self.0, stride: self.1 })
        }
    }

    #[test]
    fn a_picture_stands_in_the_middle_and_grey_about_it() {
        let mut letterbox = Letterbox::new((480, 853), (640, 360)).expect("sizes");
        let mut out = vec![0.0; 3 * 640 * 360];
        letterbox.fit(&Grey(vec![255; 480 * 853], 480), &mut out).expect("fitted");
        let at = |x: usize, y: usize| out[y * 640 + x];
        assert_eq!(at(0, 180), 0.5);
        assert!((at(320, 180) - 1.0).abs() < 1e-5);
        assert!((at(320, 0) - 1.0).abs() < 1e-5);
        // 360 · 480 / 853 = 202.6 columns of it.
        assert_eq!((0..640).filter(|x| at(*x, 100) > 0.9).count(), 202);
    }

    #[test]
    fn no_picture_is_refused_and_a_short_one_told() {
        assert!(Letterbox::new((0, 10), (640, 360)).is_none());
        assert!(Letterbox::new((10, 100_000), (640, 360)).is_none());
        let mut letterbox = Letterbox::new((64, 64), (32, 32)).expect("sizes");
        let mut out = vec![0.0; 3 * 32 * 32];
        let short = letterbox.fit(&Grey(vec![0; 64 * 20], 64), &mut out);
        assert_eq!(short, Err(CropError::Plane { plane: 0 }));
    }

    proptest! {
        #[test]
        fn boxes_come_back(
            width in 1_u32..5000, height in 1_u32..5000,
            x in -100.0_f32..5000.0, y in -100.0_f32..5000.0, w in 1.0_f32..500.0, h in 1.0_f32..500.0,
        ) {
            let letterbox = Letterbox::new((width, height), (640, 360)).expect("sizes");
            let rim = RimBox { x, y, w, h };
            let back = letterbox.to_picture(&letterbox.to_input(rim));
            for (a, b) in [(rim.x, back.x), (rim.y, back.y), (rim.w, back.w), (rim.h, back.h)] {
                prop_assert!((a - b).abs() < 0.05, "{rim:?} {back:?}");
            }
        }
    }
}
