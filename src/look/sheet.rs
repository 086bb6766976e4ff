//! Crops → one contact sheet, JPEG (pure).
//!
//! 4 × 4 cells of 192 pixels, in order of time from the top left, a line between them: 768 × 768. Chosen so: 16
//! cells at 15 pictures a second show the 1.1 s from before the ring to the final, of which the ball is at the ring
//! for 0.2 s, three cells or more; 192 pixels are what a ring of 60 has, more than most cameras give; and one picture
//! of 768 is one tile of the three vendors (576 patches of 32 pixels, 787 or 1,120 tokens), where sixteen pictures
//! would be sixteen.

use std::sync::Arc;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use crate::look::crops::{Crop, SHEET};

/// Cells across, and down.
const CELLS: usize = 4;
/// Pixels across a cell, its line included.
const CELL: usize = 192;
/// Pixels across a sheet.
pub const ACROSS: usize = CELLS * CELL;
/// A line between cells.
const LINE: usize = 2;
/// Good enough to see a net move (chosen: some 60 KB).
const QUALITY: u8 = 80;
/// Y, Cb and Cr where there is nothing.
const GREY: [u8; 3] = [64, 128, 128];

/// Draws a sheet of at most 16 crops. `None` where there is none to draw.
#[must_use]
pub fn draw(crops: &[Arc<Crop>]) -> Option<Vec<u8>> {
    if crops.is_empty() {
        return None;
    }
    let mut pixels = GREY.repeat(ACROSS * ACROSS);
    let full = Full::new();
    for (n, crop) in crops.iter().take(SHEET).enumerate() {
        let (left, top) = (n % CELLS * CELL, n / CELLS * CELL);
        cell(&mut pixels, (left, top), crop, &full);
    }
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    let across = u16::try_from(ACROSS).ok()?;
    encoder.encode(&pixels, across, across, ColorType::Ycbcr).ok()?;
    Some(jpeg)
}

/// Draws a crop into its cell, luma between pixels. Row by row and by tables: it is what takes the time of a sheet.
fn cell(pixels: &mut [u8], (left, top): (usize, usize), crop: &Crop, full: &Full) {
    let drawn = CELL - LINE;
    let (side, half) = (crop.side, crop.side / 2);
    let row = |of: usize, at: usize| at * of..(at + 1) * of;
    let places: Vec<Place> = (0..drawn).map(|at| Place::of(at, drawn, side)).collect();
    for (y, down) in places.iter().enumerate() {
        let lumas = (crop.luma.get(row(side, down.first)), crop.luma.get(row(side, down.next)));
        let chroma = (down.first / 2).min(half.saturating_sub(1));
        let chromas = (crop.cb.get(row(half, chroma)), crop.cr.get(row(half, chroma)));
        let ((Some(upper), Some(lower)), (Some(cb), Some(cr))) = (lumas, chromas) else { return };
        let from = ((top + y) * ACROSS + left) * 3;
        let Some(line) = pixels.get_mut(from..from + drawn * 3) else { return };
        for (pixel, across) in line.chunks_exact_mut(3).zip(&places) {
            let at = |row: &[u8], column: usize| u32::from(row.get(column).copied().unwrap_or(16));
            let above = across.between(at(upper, across.first), at(upper, across.next));
            let below = across.between(at(lower, across.first), at(lower, across.next));
            let of = |row: &[u8]| usize::from(row.get(across.first / 2).copied().unwrap_or(128));
            let luma = usize::try_from(down.between(above, below)).unwrap_or(16);
            let table = |table: &[u8; 256], value: usize| table.get(value).copied().unwrap_or(128);
            pixel.copy_from_slice(&[
                table(&full.luma, luma),
                table(&full.chroma, of(cb)),
                table(&full.chroma, of(cr)),
            ]);
        }
    }
}

/// From video range to JFIF's: 16..235 and 16..240 to 0..255 (ITU-T H.273).
struct Full {
    luma: [u8; 256],
    chroma: [u8; 256],
}

impl Full {
    fn new() -> Self {
        let table = |low: i32, range: i32, middle: i32| {
            std::array::from_fn(|byte| {
                let value = (i32::try_from(byte).unwrap_or(255) - low) * 255 / range + middle;
                u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX)
            })
        };
        Self { luma: table(16, 219, 0), chroma: table(128, 224, 128) }
    }
}

/// Where a drawn pixel lies between two of a crop, in 256ths.
#[derive(Clone, Copy)]
struct Place {
    first: usize,
    next: usize,
    share: u32,
}

impl Place {
    fn of(at: usize, drawn: usize, side: usize) -> Self {
        let last = side.saturating_sub(1);
        let fine = at * last * 256 / (drawn - 1);
        let first = (fine / 256).min(last);
        let share = u32::try_from(fine % 256).unwrap_or(0);
        Self { first, next: (first + 1).min(last), share }
    }

    const fn between(self, first: u32, next: u32) -> u32 {
        (first * (256 - self.share) + next * self.share) / 256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MediaTime;

    fn crop(side: usize, luma: u8) -> Arc<Crop> {
        let half = side / 2;
        Arc::new(Crop {
            at: MediaTime::ZERO,
            side,
            luma: vec![luma; side * side],
            cb: vec![128; half * half],
            cr: vec![128; half * half],
        })
    }

    /// What stands in a cell's middle and at its corners, as a drawing without JPEG has it.
    fn drawn(crops: &[Arc<Crop>]) -> Vec<u8> {
        let mut pixels = GREY.repeat(ACROSS * ACROSS);
        for (n, crop) in crops.iter().enumerate() {
            cell(&mut pixels, (n % CELLS * CELL, n / CELLS * CELL), crop, &Full::new());
        }
        pixels
    }

    fn luma(pixels: &[u8], x: usize, y: usize) -> u8 {
        pixels[(y * ACROSS + x) * 3]
    }

    #[test]
    fn cells_stand_in_order_of_time_row_by_row() {
        let crops: Vec<_> = (0..6).map(|n| crop(64, 16 + n * 30)).collect();
        let pixels = drawn(&crops);
        let middle = |n: usize| luma(&pixels, n % CELLS * CELL + 90, n / CELLS * CELL + 90);
        let seen: Vec<u8> = (0..7).map(middle).collect();
        assert!(seen[..6].windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
        assert_eq!((seen[0], seen[6]), (0, GREY[0]), "full range; grey where there is none");
        assert_eq!(luma(&pixels, CELL - 1, 90), GREY[0], "a line between");
    }

    #[test]
    fn every_side_fills_its_cell() {
        for side in [2, 32, 190, 256] {
            let mut edge = Crop { side, ..Arc::into_inner(crop(side, 100)).expect("one") };
            let last = edge.luma.len() - 1;
            (edge.luma[0], edge.luma[last]) = (16, 235);
            let pixels = drawn(&[Arc::new(edge)]);
            let corner = CELL - LINE - 1;
            assert_eq!((luma(&pixels, 0, 0), luma(&pixels, corner, corner)), (0, 255), "{side}");
        }
    }

    #[test]
    fn a_sheet_is_one_jpeg_and_of_no_crops_there_is_none() {
        assert_eq!(draw(&[]), None);
        let many: Vec<_> = (0..20).map(|_| crop(128, 90)).collect();
        let jpeg = draw(&many).expect("drawn");
        assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]));
        // SOF0: height and width.
        let at = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).expect("a frame");
        assert_eq!(jpeg[at + 5..at + 9], [3, 0, 3, 0]);
        assert_eq!(draw(&many), draw(&many[..SHEET]), "no more than there are cells");
    }
}
