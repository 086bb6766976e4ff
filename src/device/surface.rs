//! How a decoder's surface lies in device memory (pure): checked once, so that no kernel reads beyond it.

/// Surfaces that one court's frames hold at most: the eight that a bundle may have wait, those that are
/// looked at, and the page's. At 1080p they are 53 MB, 4.4 each.
pub const MOST_SURFACES: usize = 12;

/// How a sample is stored. Chroma is interleaved, Cb first, at half size in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Samples {
    /// 8 bits.
    Nv12,
    /// 16 bits, little-endian, of which the upper ten count.
    P010,
}

impl Samples {
    /// Bytes of one sample.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Nv12 => 1,
            Self::P010 => 2,
        }
    }
}

/// A surface of two planes: luma from its first byte on, chroma from an offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surface {
    /// Width and height of the picture.
    pub size: (u32, u32),
    /// How a sample is stored.
    pub samples: Samples,
    /// Bytes from one row of luma to the next.
    pub luma_pitch: usize,
    /// Byte at which chroma begins.
    pub chroma_offset: usize,
    /// Bytes from one row of chroma to the next.
    pub chroma_pitch: usize,
}

/// Widest and highest picture that is taken, pixels: beyond any that decoders give.
const MAX_SIDE: u32 = 65_536;

impl Surface {
    /// Bytes of it that a picture takes, from its first on; `None` where it is no surface of a
    /// picture: no pixels, rows that overlap, sixteen bits at an odd address.
    #[must_use]
    pub fn bytes(&self) -> Option<usize> {
        let (width, height) = self.size;
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return None;
        }
        let (width, height) = (usize::try_from(width).ok()?, usize::try_from(height).ok()?);
        let (step, rows) = (self.samples.bytes(), height.div_ceil(2));
        let (luma, chroma) = (width * step, width.div_ceil(2) * 2 * step);
        let even = [self.luma_pitch, self.chroma_offset, self.chroma_pitch]
            .iter()
            .all(|place| place.is_multiple_of(step));
        if self.luma_pitch < luma || self.chroma_pitch < chroma || !even {
            return None;
        }
        // The last row may end after its visible samples.
        let luma_end = self.luma_pitch.checked_mul(height - 1)?.checked_add(luma)?;
        let chroma_rows = self.chroma_pitch.checked_mul(rows - 1)?.checked_add(chroma)?;
        let end = self.chroma_offset.checked_add(chroma_rows)?;
        (luma_end <= self.chroma_offset && u32::try_from(end).is_ok()).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_surface_of_a_picture_is_refused() {
        let good = Surface {
            size: (1920, 1080),
            samples: Samples::Nv12,
            luma_pitch: 2048,
            chroma_offset: 2048 * 1080,
            chroma_pitch: 2048,
        };
        assert_eq!(good.bytes(), Some(2048 * 1080 + 2048 * 539 + 1920));
        let odd = Surface { size: (1919, 1079), ..good };
        assert_eq!(odd.bytes(), good.bytes(), "chroma of an odd picture is rounded up");
        for wrong in [
            Surface { size: (0, 1080), ..good },
            Surface { size: (1920, 70_000), ..good },
            Surface { luma_pitch: 1919, ..good },
            Surface { chroma_pitch: 1919, ..good },
            Surface { chroma_offset: 2048 * 1079, ..good },
            Surface { samples: Samples::P010, ..good },
            Surface { chroma_offset: usize::MAX - 9, ..good },
            Surface { luma_pitch: usize::MAX / 2, ..good },
            Surface {
                samples: Samples::P010,
                luma_pitch: 4097,
                chroma_pitch: 4098,
                chroma_offset: 1 << 25,
                ..good
            },
        ] {
            assert_eq!(wrong.bytes(), None, "{wrong:?}");
        }
    }
}
