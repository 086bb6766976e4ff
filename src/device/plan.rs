//! What the cutting kernel is given (pure): for each place that is looked at, a table of words that says
//! which pixels make each value and how much each weighs.
//!
//! The weights are those that the CPU's path works out, so that a device can only round otherwise. A
//! table is checked when it is made: no pixel of it lies outside the picture that it is for. `crops.cu`
//! reads it, and `reference` says in Rust what that computes.
//!
//! ```text
//! word 0 … 2          where the parts of channels 0, 1 and 2 begin (0: there is none)
//! a part:   0         plane: 0 luma, 1 chroma
//!           1         samples from one pixel to the next: 1, or 2 in interleaved chroma
//!           2         first of them: 0, or 1 for Cr
//!           3, 4      pixels an output across, down
//!           5 … 8     columns from, to, rows from, to that show the picture; all else is 0.5
//!           9 …       first pixel of each column; of each row;
//!                     weights of each column; of each row (f32)
//! ```

use std::ops::Range;

/// Channels of an input at most: Y, Cb, Cr.
const MAX_CHANNELS: usize = 3;
/// Looks of one launch at most: its list of them is a parameter, of which all devices take 4 KiB.
pub const LOOKS_A_LAUNCH: usize = 64;
/// States that one launch moves at most, for the same reason.
pub(crate) const STATES_A_LAUNCH: usize = 32;

/// What a channel is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Luma.
    Y,
    /// Blue difference.
    Cb,
    /// Red difference.
    Cr,
}

/// The weights along one axis: for each output, `width` pixels from a first one on.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    /// First pixel of each output.
    pub first: &'a [usize],
    /// Pixels of each output.
    pub width: usize,
    /// Weights, `width` for each output.
    pub weights: &'a [f32],
}

/// How one channel is made.
#[derive(Clone, Debug)]
pub struct Part<'a> {
    /// Of what.
    pub sample: Sample,
    /// Along rows.
    pub across: Axis<'a>,
    /// Along columns.
    pub down: Axis<'a>,
    /// Columns and rows that show the picture.
    pub inside: (Range<usize>, Range<usize>),
}

/// How all channels of one input are made from pictures of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub(crate) words: Vec<u32>,
    pub(crate) picture: (u32, u32),
    /// Width and height of the input.
    pub(crate) out: (u32, u32),
    pub(crate) channels: u32,
}

impl Table {
    /// Of `parts` for pictures of `picture` into an input of `out` (widths and heights). `None` where a
    /// part is none of these.
    #[must_use]
    pub fn new(picture: (u32, u32), out: (usize, usize), parts: &[Part<'_>]) -> Option<Self> {
        let sized = |size: usize| u32::try_from(size).ok();
        if parts.is_empty() || parts.len() > MAX_CHANNELS {
            return None;
        }
        let mut words = vec![0; MAX_CHANNELS];
        for (channel, part) in parts.iter().enumerate() {
            let begins = sized(words.len())?;
            *words.get_mut(channel)? = begins;
            let (plane, step, offset, half) = match part.sample {
                Sample::Y => (0, 1, 0, 1),
                Sample::Cb => (1, 2, 0, 2),
                Sample::Cr => (1, 2, 1, 2),
            };
            let (across, down) = (&part.across, &part.down);
            across.fits(out.0, picture.0.div_ceil(half))?;
            down.fits(out.1, picture.1.div_ceil(half))?;
            words.extend([plane, step, offset, sized(across.width)?, sized(down.width)?]);
            for shown in [&part.inside.0, &part.inside.1] {
                words.extend([sized(shown.start)?, sized(shown.end)?]);
            }
            for axis in [across, down] {
                for first in axis.first {
                    words.push(sized(*first)?);
                }
            }
            for axis in [across, down] {
                words.extend(axis.weights.iter().map(|weight| weight.to_bits()));
            }
        }
        let out = (sized(out.0)?, sized(out.1)?);
        Some(Self { words, picture, out, channels: sized(parts.len())? })
    }

    /// Values that it makes: channels × height × width.
    #[must_use]
    pub const fn values(&self) -> usize {
        self.channels as usize * self.out.0 as usize * self.out.1 as usize
    }
}

impl Axis<'_> {
    /// `None` unless it has `size` outputs whose pixels are among `length`.
    fn fits(&self, size: usize, length: u32) -> Option<()> {
        let length = usize::try_from(length).ok()?;
        let inside = |first: &usize| first.checked_add(self.width).is_some_and(|end| end <= length);
        let whole = size > 0
            && self.width > 0
            && self.first.len() == size
            && self.weights.len() == size.checked_mul(self.width)?
            && self.first.iter().all(inside);
        whole.then_some(())
    }
}

/// A look as a launch is told of it: `Look` of `crops.cu`, field by field.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LookWords {
    pub(crate) luma: u64,
    pub(crate) chroma: u64,
    pub(crate) table: u64,
    pub(crate) luma_pitch: u32,
    pub(crate) chroma_pitch: u32,
    /// Bytes a sample.
    pub(crate) bytes: u32,
    /// Its place in the batch.
    pub(crate) row: u32,
}

/// `Batch` of `crops.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchWords {
    pub(crate) looks: [LookWords; LOOKS_A_LAUNCH],
}

/// A state as a launch is told of it: `State` of `crops.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StateWords {
    /// State of slot 0,
    pub(crate) slots: u64,
    /// and of the batch's first row.
    pub(crate) batch: u64,
    /// Elements of a state,
    pub(crate) count: u32,
    /// and from one slot to the next.
    pub(crate) stride: u32,
}

/// `Moves` of `crops.cu`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct MoveWords {
    pub(crate) states: [StateWords; STATES_A_LAUNCH],
    /// The slot of each row.
    pub(crate) rows: [u32; LOOKS_A_LAUNCH],
}

/// The nearest half-precision number, ties to even, as its bits (IEEE 754 binary16). What is too large
/// is infinite.
#[must_use]
pub fn half_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    let half = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude >= 0x4780_0000 {
        0x7c00
    } else if magnitude >= 0x3880_0000 {
        // Normal: the exponent is moved, thirteen bits are rounded away; a carry moves the exponent on.
        let moved = magnitude - 0x3800_0000;
        (moved + 0x0fff + ((moved >> 13) & 1)) >> 13
    } else {
        // Below 2^-14: multiples of 2^-24, which the sum with 0.5 rounds to.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()
    };
    u16::try_from(sign | half).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_pixels_outside_the_picture_is_refused() {
        let weights = [0.5, 0.5, 0.5, 0.5];
        let axis = |first: &'static [usize]| Axis { first, width: 2, weights: &weights };
        let table = |across, down, sample| {
            let part = Part { sample, across, down, inside: (0..2, 0..2) };
            Table::new((4, 4), (2, 2), &[part])
        };
        let good = table(axis(&[0, 2]), axis(&[1, 2]), Sample::Y).expect("inside");
        assert_eq!((good.values(), good.words.len()), (4, 3 + 9 + 4 + 8));
        assert!(table(axis(&[0, 3]), axis(&[1, 2]), Sample::Y).is_none(), "beyond its right edge");
        assert!(table(axis(&[0, 2]), axis(&[3, 2]), Sample::Y).is_none(), "below it");
        assert!(
            table(axis(&[0, 2]), axis(&[0, 0]), Sample::Cb).is_none(),
            "chroma is half as wide"
        );
        assert!(table(axis(&[0]), axis(&[1, 2]), Sample::Y).is_none(), "a column too few");
        assert!(table(axis(&[usize::MAX, 0]), axis(&[1, 2]), Sample::Y).is_none());
        assert!(Table::new((4, 4), (2, 2), &[]).is_none());
    }

    #[test]
    fn halves_are_rounded_to_the_nearest_even() {
        for (value, bits) in [
            (0.0, 0x0000),
            (-0.0, 0x8000),
            (1.0, 0x3c00),
            (-2.0, 0xc000),
            (65_504.0, 0x7bff),
            (65_520.0, 0x7c00),
            (f32::INFINITY, 0x7c00),
            // Half way between 1 and the next: to the even one; a little more: up.
            (f32::from_bits(0x3f80_1000), 0x3c00),
            (1.000_488_4, 0x3c01),
            (1.001_464_9, 0x3c02),
            (6.103_515_6e-5, 0x0400),
            (5.960_464_5e-8, 0x0001),
            (2.980_232_2e-8, 0x0000),
            (0.333_251_95, 0x3555),
        ] {
            assert_eq!(half_bits(value), bits, "{value}");
        }
        assert!(half_bits(f32::NAN) & 0x7fff > 0x7c00);
        // The largest below a power of two carries into the exponent.
        assert_eq!(half_bits(1.999_999_9), 0x4000);
    }

    #[test]
    fn what_a_launch_is_told_is_laid_out_as_the_kernel_reads_it() {
        assert_eq!(size_of::<LookWords>(), 40);
        assert_eq!(size_of::<BatchWords>(), 64 * 40);
        assert_eq!(size_of::<StateWords>(), 24);
        assert_eq!(size_of::<MoveWords>(), 32 * 24 + 64 * 4);
    }
}
