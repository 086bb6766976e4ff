//! A picture's planes in memory that the CPU reads, and their colours for a person's eye.

use std::fmt;

use crate::media::colour::Colour;

/// How the two chroma planes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChromaLayout {
    /// Cb and Cr in planes 1 and 2.
    I420,
    /// Cb and Cr interleaved in plane 1.
    Nv12,
}

/// One plane: rows of `stride` bytes.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// All rows, first row first; the last row may end after its visible bytes.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next. Taken from the buffer, never from the width.
    pub stride: usize,
}

/// 8-bit 4:2:0 planes in CPU memory, mapped without a copy.
pub trait CpuPicture: Send + Sync + fmt::Debug {
    /// How chroma lies.
    fn chroma(&self) -> ChromaLayout;
    /// Plane `index`: 0 luma, 1 and (I420 only) 2 chroma at half size, rounded up.
    fn plane(&self, index: usize) -> Option<Plane<'_>>;
    /// How its numbers are meant.
    fn colour(&self) -> Colour {
        Colour::default()
    }
}

/// The colours of a picture, for a person's look at it, as the stream says that they are meant; chroma
/// is not interpolated.
#[derive(Clone, Copy, Debug)]
pub struct Colours<'a> {
    luma: Plane<'a>,
    first: Plane<'a>,
    /// Cr of `I420`; `Nv12` has it beside Cb.
    second: Option<Plane<'a>>,
    meant: Colour,
}

impl<'a> Colours<'a> {
    /// Of a picture that has all its planes.
    #[must_use]
    pub fn of(picture: &'a dyn CpuPicture) -> Option<Self> {
        let second = match picture.chroma() {
            ChromaLayout::I420 => Some(picture.plane(2)?),
            ChromaLayout::Nv12 => None,
        };
        Some(Self {
            luma: picture.plane(0)?,
            first: picture.plane(1)?,
            second,
            meant: picture.colour(),
        })
    }

    /// Red, green and blue at column `x`, row `y` of the picture; `None` beyond the bytes of its planes.
    #[must_use]
    pub fn at(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        let byte = |plane: &Plane<'_>, row: usize, column: usize| {
            plane.bytes.get(row * plane.stride + column).copied().map(f32::from)
        };
        let luma = byte(&self.luma, y, x)?;
        let (cb, cr) = match &self.second {
            Some(second) => (byte(&self.first, y / 2, x / 2)?, byte(second, y / 2, x / 2)?),
            None => {
                (byte(&self.first, y / 2, x / 2 * 2)?, byte(&self.first, y / 2, x / 2 * 2 + 1)?)
            }
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to a byte"
        )]
        let whole = |value: f32| value.clamp(0.0, 255.0) as u8;
        Some(self.meant.rgb(luma, cb, cr).map(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Planes(Vec<Vec<u8>>);

    impl CpuPicture for Planes {
        fn chroma(&self) -> ChromaLayout {
            if self.0.len() == 3 { ChromaLayout::I420 } else { ChromaLayout::Nv12 }
        }
        fn plane(&self, index: usize) -> Option<Plane<'_>> {
            self.0.get(index).map(|bytes| Plane { bytes, stride: 2 })
        }
    }

    #[test]
    fn both_layouts_give_the_same_colours() {
        // Red in BT.709, video range; white below it.
        let apart = Planes(vec![vec![63, 63, 235, 235], vec![102, 0], vec![240, 0]]);
        let beside = Planes(vec![vec![63, 63, 235, 235], vec![102, 240]]);
        for picture in [&apart, &beside] {
            let colours = Colours::of(picture).expect("planes");
            let [red, green, blue] = colours.at(1, 0).expect("inside");
            assert!(red > 250 && green < 5 && blue < 5, "{red} {green} {blue}");
            assert_eq!(colours.at(0, 9), None);
        }
    }
}
