//! How a whole picture stands in a model's input, and boxes on the way there and back (pure).
//!
//! The aspect is kept, the picture stands in the middle: pixel `i` of the input has its centre at
//! `(i + 0.5 − edge)·scale` of the picture.

use crate::detect::ring::peak::Peak;
use crate::media::RimBox;

/// Largest side of a picture that is taken, pixels: beyond any that decoders give.
const MAX_SIDE: u32 = 65_536;

/// Pictures of one size in one size of input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fitting {
    /// Pixels of the picture a pixel of the input.
    pub(crate) scale: f64,
    /// Where the picture begins in the input, pixels of the input.
    pub(crate) edge: (f64, f64),
}

impl Fitting {
    /// Works out how pictures of `picture` (width, height) stand in `out` (width, height). `None`
    /// for a picture without pixels, or larger than any.
    #[must_use]
    pub(crate) fn new(picture: (u32, u32), out: (usize, usize)) -> Option<Self> {
        let (width, height) = picture;
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) || out.0 == 0 || out.1 == 0 {
            return None;
        }
        let (across, down) = (float(out.0), float(out.1));
        let scale = (f64::from(width) / across).max(f64::from(height) / down);
        let edge =
            ((across - f64::from(width) / scale) / 2.0, (down - f64::from(height) / scale) / 2.0);
        Some(Self { scale, edge })
    }

    /// A peak's box in pixels of the picture.
    #[must_use]
    pub(crate) fn to_picture(self, peak: &Peak) -> RimBox {
        let width = f64::from(peak.w) * self.scale;
        let height = f64::from(peak.h) * self.scale;
        RimBox {
            x: narrow((f64::from(peak.x) - self.edge.0) * self.scale - width / 2.0),
            y: narrow((f64::from(peak.y) - self.edge.1) * self.scale - height / 2.0),
            w: narrow(width),
            h: narrow(height),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "sides of pictures")]
pub(crate) fn float(size: usize) -> f64 {
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

    /// The other way: a box of the picture as a peak of score 1.
    fn to_input(fitting: Fitting, rim: RimBox) -> Peak {
        let [x, y, w, h] = [rim.x, rim.y, rim.w, rim.h].map(f64::from);
        Peak {
            score: 1.0,
            x: narrow((x + w / 2.0) / fitting.scale + fitting.edge.0),
            y: narrow((y + h / 2.0) / fitting.scale + fitting.edge.1),
            w: narrow(w / fitting.scale),
            h: narrow(h / fitting.scale),
        }
    }

    proptest! {
        #[test]
        fn boxes_come_back(
            width in 1_u32..5000, height in 1_u32..5000,
            x in -100.0_f32..5000.0, y in -100.0_f32..5000.0, w in 1.0_f32..500.0, h in 1.0_f32..500.0,
        ) {
            let fitting = Fitting::new((width, height), (640, 360)).expect("sizes");
            let rim = RimBox { x, y, w, h };
            let back = fitting.to_picture(&to_input(fitting, rim));
            for (a, b) in [(rim.x, back.x), (rim.y, back.y), (rim.w, back.w), (rim.h, back.h)] {
                prop_assert!((a - b).abs() < 0.05, "{rim:?} {back:?}");
            }
        }
    }
}
