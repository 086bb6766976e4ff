//! The attempts that were not called right, as one picture for a person to look at.
//!
//! A row an attempt: a number, the truth and the call as a square of colour each (green made, red
//! missed, yellow unsure, grey not called), then the ring's surroundings from before the ball comes to
//! after the truth. The first picture at or after the ring and at or after the truth wear a line on top.

use anyhow::Context;

use crate::media::{Colours, Frame, RimBox};
use crate::tools::canvas::Canvas;
use crate::tools::png_file::PngFile;

/// Side of one small picture, pixels.
const TILE: usize = 96;
/// Pictures in a row.
pub(super) const COLUMNS: usize = 12;
/// Room for number and colours in front of a row, pixels.
const HEAD: usize = 56;
/// Ring widths in a tile, and how far above the ring's top it begins.
const WIDTHS: f32 = 4.0;
const ABOVE: f32 = 1.5;
/// Shown before the ring and after the truth, s.
const BEFORE: f64 = 0.25;
const AFTER: f64 = 0.45;

/// Of truth and call, pixels.
const SQUARE: (usize, usize) = (20, 20);

const GREEN: [u8; 3] = [60, 190, 90];
const RED: [u8; 3] = [220, 70, 60];
const YELLOW: [u8; 3] = [235, 200, 60];
const GREY: [u8; 3] = [130, 130, 130];

/// One attempt to be shown.
pub(super) struct Row {
    /// When the ball reached the ring and when the outcome could be seen, s.
    pub(super) t_rim: f64,
    pub(super) t_truth: f64,
    pub(super) rim: RimBox,
    pub(super) made: bool,
    /// `None`: not called. `Some(None)`: unsure.
    pub(super) called: Option<Option<bool>>,
    /// The tile of each wanted moment, once its picture came: RGB, [`TILE`] squared.
    tiles: Vec<(f64, Option<Vec<u8>>)>,
}

impl Row {
    /// A row without pictures yet.
    pub(super) fn new(
        (t_rim, t_truth): (f64, f64),
        rim: RimBox,
        made: bool,
        called: Option<Option<bool>>,
    ) -> Self {
        let (from, to) = (t_rim - BEFORE, t_truth + AFTER);
        #[expect(clippy::cast_precision_loss, reason = "a dozen")]
        let at = |index: usize| from + (to - from) * index as f64 / (COLUMNS - 1) as f64;
        let tiles = (0..COLUMNS).map(|index| (at(index), None)).collect();
        Self { t_rim, t_truth, rim, made, called, tiles }
    }

    /// Takes what it needs of the video's next picture, which comes `at` s. A moment gets the first
    /// picture at or after it; one after the video's end keeps the last.
    pub(super) fn look(&mut self, at: f64, frame: &Frame) {
        let rim = self.rim;
        for index in 0..self.tiles.len() {
            let Some((wanted, tile)) = self.tiles.get(index) else { continue };
            let due = at >= *wanted && tile.is_none();
            // Held for the moments that a short video never reaches.
            let last = index + 1 == self.tiles.len() && at < *wanted;
            if due || last {
                let cut = cut(frame, rim);
                if let Some((_, tile)) = self.tiles.get_mut(index) {
                    *tile = cut;
                }
            }
        }
    }
}

/// Writes rows as a PNG.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(file: &PngFile, rows: &[Row]) -> anyhow::Result<()> {
    let width = HEAD + COLUMNS * TILE;
    let height = rows.len().max(1) * (TILE + 4);
    let mut sheet = Canvas::new((width, height));
    for (number, row) in rows.iter().enumerate() {
        let top = number * (TILE + 4);
        sheet.text((4, top + 6), 4, &(number + 1).to_string());
        sheet.fill((4, top + 40), SQUARE, colour(Some(Some(row.made))));
        sheet.fill((28, top + 40), SQUARE, colour(row.called));
        let mut held: Option<&Vec<u8>> = None;
        let mut marks = [Some(row.t_rim), Some(row.t_truth)];
        for (column, (at, tile)) in row.tiles.iter().enumerate() {
            held = tile.as_ref().or(held);
            let left = HEAD + column * TILE;
            if let Some(tile) = held {
                sheet.paste((left, top + 4), TILE, tile);
            }
            for mark in &mut marks {
                if mark.is_some_and(|mark| *at >= mark) {
                    *mark = None;
                    sheet.fill((left, top), (TILE, 3), YELLOW);
                }
            }
        }
    }
    let size = |pixels: usize| u32::try_from(pixels).context("too many rows for one picture");
    file.write((size(width)?, size(height)?), sheet.rgb())
}

const fn colour(called: Option<Option<bool>>) -> [u8; 3] {
    match called {
        Some(Some(true)) => GREEN,
        Some(Some(false)) => RED,
        Some(None) => YELLOW,
        None => GREY,
    }
}

/// The ring's surroundings as RGB, nearest pixel, the picture's edge repeated. ITU-R BT.709.
fn cut(frame: &Frame, rim: RimBox) -> Option<Vec<u8>> {
    let colours = Colours::of(frame.to_cpu().ok()?)?;
    #[expect(clippy::cast_precision_loss, reason = "pixels of a tile")]
    let step = rim.w * WIDTHS / TILE as f32;
    let left = rim.x + rim.w / 2.0 - rim.w * WIDTHS / 2.0;
    let top = rim.y - rim.w * ABOVE;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "clamped to the picture"
    )]
    let place = |from: f32, index: usize, size: u32| {
        (from + step * index as f32).clamp(0.0, size.saturating_sub(1) as f32) as usize
    };
    let mut tile = Vec::with_capacity(TILE * TILE * 3);
    for row in 0..TILE {
        let y = place(top, row, frame.height);
        for column in 0..TILE {
            let x = place(left, column, frame.width);
            tile.extend(colours.at(x, y)?);
        }
    }
    Some(tile)
}
