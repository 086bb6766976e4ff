//! `courtside clips sheet`: a contact sheet of a game, one picture a clip at the moment that it is about.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::clips::{Clip, Shelf, Which};
use crate::decode::{StillOrder, still};
use crate::media::{Colours, Frame};
use crate::tools::canvas::Canvas;
use crate::tools::clips::RingArg;
use crate::tools::clips::reel::{self, clips_of_game};
use crate::tools::png_file::PngFile;
use crate::tools::tell::remark;

/// Examples and exit codes.
pub(super) const HELP: &str = "\
Example: courtside clips sheet --game 00c0ffee00c0ffee --out sheet.png
Under each picture stand its number, the time in the game, and what the clip was kept for.
Clips whose event was taken back are left out, and how many is said.
Exit: 0 all of them · 1 failed · 3 a picture is missing, and said";

/// Arguments of `clips sheet`.
#[derive(Debug, Args)]
pub(super) struct SheetArgs {
    #[command(flatten)]
    ring: RingArg,
    /// Game whose clips are drawn; where none was started, the session
    #[arg(long, value_name = "ID")]
    game: String,
    /// PNG to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Width and height of a picture, pixels: 16 to 9, and what has another shape gets bars.
const TILE: (usize, usize) = (320, 180);
/// Below a picture: a line of words.
const LINE: usize = 22;
/// Between pictures.
const GAP: usize = 6;
/// Pictures in a row.
const COLUMNS: usize = 5;
/// A square of a letter.
const DOT: usize = 2;
/// A sheet of more is beyond what programs show.
const MOST: usize = 1000;

const ORANGE: [u8; 3] = [240, 140, 50];
const GREY: [u8; 3] = [130, 130, 130];

impl SheetArgs {
    /// Draws the sheet.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let file = PngFile::at(&self.out, "--out")?;
        let ring = self.ring.open()?;
        let mut clips = standing(clips_of_game(&ring, &self.game)?, &self.game)?;
        let left = clips.split_off(clips.len().min(MOST));
        let shelf = ring.shelf().context("list the clips")?;
        let rows = clips.len().div_ceil(COLUMNS);
        let columns = clips.len().min(COLUMNS);
        let width = GAP + columns * (TILE.0 + GAP);
        let height = GAP + rows * (TILE.1 + LINE + GAP);
        let mut sheet = Canvas::new((width, height));
        let mut missing = left.len();
        for (n, clip) in clips.iter().enumerate() {
            let left = GAP + n % COLUMNS * (TILE.0 + GAP);
            let top = GAP + n / COLUMNS * (TILE.1 + LINE + GAP);
            match picture(&shelf, clip) {
                Ok(rgb) => sheet.paste((left, top), TILE.0, &rgb),
                Err(error) => {
                    missing += 1;
                    remark(format_args!("courtside: {}: {error:#}", clip.id));
                }
            }
            let made = clip.reason.starts_with("made");
            let colour = if made { ORANGE } else { GREY };
            sheet.fill((left, top + TILE.1 + 4), (14, 14), colour);
            let words = caption(n + 1, clip);
            sheet.text((left + 20, top + TILE.1 + 6), DOT, &words);
        }
        if !left.is_empty() {
            remark(format_args!("courtside: {} further clips are left out", left.len()));
        }
        let size = |pixels: usize| u32::try_from(pixels).context("too many clips for one picture");
        file.write((size(width)?, size(height)?), sheet.rgb())?;
        /// DESIGN §4.2.
        const DEGRADED: u8 = 3;
        Ok(ExitCode::from(if missing == 0 { 0 } else { DEGRADED }))
    }
}

/// The clips but those whose event was taken back, of which it says how many.
fn standing(clips: Vec<Clip>, game: &str) -> anyhow::Result<Vec<Clip>> {
    let (clips, back) = reel::standing(clips);
    if clips.is_empty() {
        bail!("every clip of game {game} was taken back: `clips list` names them");
    }
    match back.len() {
        0 => {}
        1 => remark("courtside: 1 clip was taken back: left out"),
        n => remark(format_args!("courtside: {n} clips were taken back: left out")),
    }
    Ok(clips)
}

/// `3  0:12:31.4  MADE SHOT`, by the stream's own clock.
fn caption(number: usize, clip: &Clip) -> String {
    let tenths = clip.moment().as_nanos() / 100_000_000;
    let (seconds, tenth) = (tenths / 10, tenths.rem_euclid(10));
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let reason = clip.reason.replace('_', " ");
    format!("{number}  {hours}:{minutes:02}:{:02}.{tenth}  {reason}", seconds % 60)
}

/// The picture of a clip's moment as RGB of [`TILE`].
fn picture(shelf: &Shelf, clip: &Clip) -> anyhow::Result<Vec<u8>> {
    let found = shelf.still(clip, Which::Exactly)?;
    let frame = still(&StillOrder {
        court: found.court.clone(),
        session: found.session,
        codec: found.codec,
        config: &found.config,
        units: found.units.iter().map(|(at, data)| (*at, data.as_slice())).collect(),
        at: found.at,
    })?;
    small(&frame).context("its pixels cannot be read")
}

/// Each pixel is the mean of some of those that it stands for: a line of one pixel stays.
fn small(frame: &Frame) -> Option<Vec<u8>> {
    /// So many each way.
    const TAKEN: usize = 3;
    let colours = Colours::of(frame.to_cpu().ok()?)?;
    let (across, down) = (usize::try_from(frame.width).ok()?, usize::try_from(frame.height).ok()?);
    // The picture whole, in the middle.
    let wide = across * TILE.1 > down * TILE.0;
    let (w, h) = if wide {
        (TILE.0, (down * TILE.0 / across).max(1))
    } else {
        ((across * TILE.1 / down).max(1), TILE.1)
    };
    let (left, top) = ((TILE.0 - w) / 2, (TILE.1 - h) / 2);
    let mut rgb = vec![0; TILE.0 * TILE.1 * 3];
    for y in 0..h {
        for x in 0..w {
            let mut sum = [0_usize; 3];
            for n in 0..TAKEN * TAKEN {
                let at = |place: usize, small: usize, n: usize, large: usize| {
                    ((place * TAKEN + n) * large / (small * TAKEN)).min(large - 1)
                };
                let pixel = colours.at(at(x, w, n % TAKEN, across), at(y, h, n / TAKEN, down))?;
                for (sum, part) in sum.iter_mut().zip(pixel) {
                    *sum += usize::from(part);
                }
            }
            let at = ((top + y) * TILE.0 + left + x) * 3;
            for (to, sum) in rgb.get_mut(at..at + 3)?.iter_mut().zip(sum) {
                *to = u8::try_from(sum / (TAKEN * TAKEN)).unwrap_or(u8::MAX);
            }
        }
    }
    Some(rgb)
}
