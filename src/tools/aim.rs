//! `courtside aim`: where the ring is, as the lines to paste into the configuration.
//!
//! Looks at some pictures of a video, of a still, or of the camera that a running box has, and tells
//! the rings that it sees in at least half of them. The finder can be wrong: the lines are a
//! proposal, and the sheet shows what was taken for a ring. With `--floor` it is the painted floor that is laid instead,
//! by points that a person saw (`aim_floor`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use crate::app::aiming::{SURE, Steady, choose, steady};
use crate::app::detect_settings;
use crate::clock::SystemClock;
use crate::config;
use crate::decode::VideoFile;
use crate::detect::ring::{Finder, Ring};
use crate::detect::{InstalledEngines, SYSTEM_MODELS};
use crate::event::box_status::BoxStatus;
use crate::health;
use crate::media::{CourtId, Frame, RimBox, SessionId};
use crate::tools::aim_floor::FloorArgs;
use crate::tools::ask::{AskArgs, Place};
use crate::tools::png_file::{PngFile, rgb};
use crate::tools::private_folder::private_folder;

/// Pictures of a video that are looked at, and their distance, ns.
const LOOKS: usize = 10;
const EVERY_NS: i64 = 1_000_000_000;
/// Pictures of a running camera, and their distance.
const LIVE_LOOKS: usize = 5;
const LIVE_EVERY: Duration = Duration::from_millis(700);
/// The run of timestamps that every picture is said to be.
const SESSION: SessionId = SessionId::from_bits(1);

const NOTHING: &str = "no ring was found. Is the whole ring in the picture, 14 pixels wide or \
    more, with light on it and nobody before it? Move the camera or zoom in and try again, or open \
    the page and drag a box round the ring: what it prints is as good.";

/// Arguments of `aim`.
#[derive(Debug, Args)]
pub(super) struct AimArgs {
    #[command(flatten)]
    ask: AskArgs,
    /// Court of the running box [default: its only one]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["video", "picture"])]
    court: Option<String>,
    /// Video to look at instead of a box's camera
    #[arg(long, value_name = "FILE", conflicts_with = "picture")]
    video: Option<PathBuf>,
    /// Picture to look at instead, PNG or JPEG
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Folder of bundles, searched first (can be repeated)
    #[arg(long, value_name = "DIR")]
    models_dir: Vec<PathBuf>,
    /// Draw what was found into a PNG
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    #[command(flatten)]
    floor: FloorArgs,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// What some pictures of one camera show.
pub(super) struct Looked {
    pub(super) picture: (u32, u32),
    pub(super) looks: usize,
    pub(super) rings: Vec<Steady>,
    last: Arc<Frame>,
}

impl AimArgs {
    /// Looks, and tells what it saw.
    ///
    /// # Errors
    /// No finder, no picture, or a sheet that cannot be written.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let sheet = self.sheet.as_deref().map(|path| PngFile::at(path, "--sheet")).transpose()?;
        if let Some(plan) = self.floor.plan()? {
            return self.floor.run(&plan, self.json, sheet.as_ref(), || self.one_picture());
        }
        let engines = InstalledEngines::new(Arc::new(SystemClock::new()));
        let mut finder = Finder::find_and_load(&self.search(), &engines)?;
        let looked = if let Some(file) = &self.video {
            of_video(&mut finder, file, LOOKS)?
        } else if let Some(file) = &self.picture {
            of_video(&mut finder, file, 1)?
        } else {
            let place = Place::of(&self.ask)?;
            let court = self.court_of(&place)?;
            of_court(&mut finder, &place, &court, LIVE_LOOKS)?
        };
        let chosen = choose(&looked.rings);
        if let Some(file) = &sheet {
            draw(file, &looked.last, &looked.rings, chosen)?;
        }
        if self.json {
            println!("{}", json(&looked, chosen));
        } else {
            tell(&looked, chosen);
        }
        Ok(if chosen.is_some() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }

    /// The first picture of what is looked at.
    fn one_picture(&self) -> anyhow::Result<Frame> {
        if let Some(file) = self.video.as_ref().or(self.picture.as_ref()) {
            let mut video = VideoFile::open(file, CourtId::new("aim")?, SESSION)?;
            return video
                .next_frame()?
                .with_context(|| format!("{} has no picture", file.display()));
        }
        let place = Place::of(&self.ask)?;
        let court = self.court_of(&place)?;
        let folder = private_folder("courtside-aim")?;
        let frame = snapshot(&place, &court, &folder.join("snapshot.jpg"));
        // A folder of ours among the system's temporary ones.
        drop(std::fs::remove_dir_all(&folder));
        frame
    }

    fn search(&self) -> Vec<PathBuf> {
        let mut search = self.models_dir.clone();
        match config::load(&self.ask.config) {
            Ok(config) => search.extend(detect_settings(&config).search),
            Err(_) => search.push(PathBuf::from(SYSTEM_MODELS)),
        }
        search
    }

    fn court_of(&self, place: &Place) -> anyhow::Result<CourtId> {
        if let Some(name) = &self.court {
            return Ok(CourtId::new(name)?);
        }
        let status = BoxStatus::read(&place.state()?)
            .context("this box tells its state in another way: use its own `courtside`")?;
        let courts: Vec<&String> = status.streams.keys().collect();
        match courts[..] {
            [only] => Ok(CourtId::new(only)?),
            _ => bail!("the box has the courts {courts:?}: name one with --court"),
        }
    }
}

/// Looks at up to `most` pictures of a file, a second apart.
fn of_video(finder: &mut Finder, file: &Path, most: usize) -> anyhow::Result<Looked> {
    let mut video = VideoFile::open(file, CourtId::new("aim")?, SESSION)?;
    let mut looks = Vec::new();
    let mut next = 0;
    let mut last = None;
    while looks.len() < most {
        let Some(frame) = video.next_frame()? else { break };
        if frame.pts.as_nanos() >= next {
            let frame = Arc::new(frame);
            looks.push(finder.find(&frame)?);
            next = frame.pts.as_nanos() + EVERY_NS;
            last = Some(frame);
        }
    }
    let last = last.with_context(|| format!("{} has no picture", file.display()))?;
    Ok(looked(&looks, last))
}

/// Looks at `most` pictures that the box has of `court`.
pub(super) fn of_court(
    finder: &mut Finder,
    place: &Place,
    court: &CourtId,
    most: usize,
) -> anyhow::Result<Looked> {
    let folder = private_folder("courtside-aim")?;
    let path = folder.join("snapshot.jpg");
    let one = || snapshot(place, court, &path);
    let mut looks = Vec::new();
    let mut last = None;
    let told = loop {
        let frame = match one() {
            Ok(frame) => Arc::new(frame),
            Err(error) => break Err(error),
        };
        match finder.find(&frame) {
            Ok(rings) => looks.push(rings),
            Err(error) => break Err(error.into()),
        }
        last = Some(frame);
        if looks.len() == most {
            break Ok(());
        }
        std::thread::park_timeout(LIVE_EVERY);
    };
    // A folder of ours among the system's temporary ones.
    drop(std::fs::remove_dir_all(&folder));
    told?;
    Ok(looked(&looks, last.context("no look was asked for")?))
}

/// The picture that the box has now, by way of a file at `path`.
fn snapshot(place: &Place, court: &CourtId, path: &Path) -> anyhow::Result<Frame> {
    let jpeg = place.get(&format!("/v1/courts/{court}/snapshot.jpg"), "image/jpeg")?;
    let mut file = File::create(path).context("write the snapshot")?;
    std::io::Write::write_all(&mut file, &jpeg).context("write the snapshot")?;
    let mut picture = VideoFile::open(path, court.clone(), SESSION)?;
    picture.next_frame()?.context("the box's snapshot is empty")
}

fn looked(looks: &[Vec<Ring>], last: Arc<Frame>) -> Looked {
    let picture = (last.width, last.height);
    Looked { picture, looks: looks.len(), rings: steady(looks), last }
}

fn tell(looked: &Looked, chosen: Option<&Steady>) {
    let Some(chosen) = chosen else {
        eprintln!("courtside: {NOTHING}");
        return;
    };
    for line in lines(&looked.rings, chosen, looked.picture, looked.looks) {
        println!("{line}");
    }
    if chosen.score < SURE && looked.rings.len() == 1 {
        eprintln!("courtside: that is a guess: look at it with --sheet FILE, or on the page");
    }
    for advice in advice(chosen) {
        eprintln!("courtside: {advice}");
    }
}

/// What is to be pasted; the rest are comments.
fn lines(rings: &[Steady], chosen: &Steady, picture: (u32, u32), looks: usize) -> Vec<String> {
    let of = |ring: &Steady| {
        format!("score {:.2}, seen in {} of {looks} pictures", ring.score, ring.seen)
    };
    let mut lines = Vec::new();
    if let count @ 2.. = rings.len() {
        lines.push(format!(
            "# a guess among {count} rings: --sheet FILE draws this one green, the others yellow"
        ));
    }
    lines.push(format!("rims = [{}]  # {}", chosen.rim, of(chosen)));
    lines.push(format!("rims_of = [{}, {}]", picture.0, picture.1));
    for ring in rings.iter().filter(|ring| *ring != chosen) {
        lines.push(format!("# another ring: {}, {}", ring.rim, of(ring)));
    }
    lines
}

/// What a ring of this width is good for.
fn advice(chosen: &Steady) -> Vec<String> {
    let told = health::advise(&health::Measured::default(), &[f64::from(chosen.rim.w)]);
    told.into_iter().map(|advice| advice.text).collect()
}

fn json(looked: &Looked, chosen: Option<&Steady>) -> serde_json::Value {
    let whole = |rim: RimBox| [rim.x, rim.y, rim.w, rim.h].map(|value| f64::from(value.round()));
    let rings: Vec<serde_json::Value> = looked
        .rings
        .iter()
        .map(|ring| {
            let score = (f64::from(ring.score) * 1000.0).round() / 1000.0;
            serde_json::json!({ "rim": whole(ring.rim), "score": score, "seen": ring.seen })
        })
        .collect();
    serde_json::json!({
        "rims": chosen.map_or_else(Vec::new, |ring| vec![whole(ring.rim)]),
        "rims_of": [looked.picture.0, looked.picture.1],
        "pictures": looked.looks,
        "rings": rings,
        "advice": chosen.map_or_else(|| vec![NOTHING.to_owned()], advice),
    })
}

const GREEN: [u8; 3] = [40, 220, 90];
const YELLOW: [u8; 3] = [240, 210, 50];

/// Writes `frame` as a PNG, a box about each ring: green the chosen one, yellow others.
fn draw(
    file: &PngFile,
    frame: &Frame,
    rings: &[Steady],
    chosen: Option<&Steady>,
) -> anyhow::Result<()> {
    let mut pixels = rgb(frame).context("the picture's planes are short")?;
    for ring in rings {
        let colour = if Some(ring) == chosen { GREEN } else { YELLOW };
        outline(&mut pixels, (frame.width, frame.height), ring.rim, colour);
    }
    file.write((frame.width, frame.height), &pixels)
}

/// The edge of a box, two pixels wide, cut at the picture's.
fn outline(pixels: &mut [u8], (width, height): (u32, u32), rim: RimBox, colour: [u8; 3]) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "clamped to the picture"
    )]
    let at = |value: f32, size: u32| value.clamp(0.0, size.saturating_sub(1) as f32) as usize;
    let (left, right) = (at(rim.x - 2.0, width), at(rim.x + rim.w + 2.0, width));
    let (top, bottom) = (at(rim.y - 2.0, height), at(rim.y + rim.h + 2.0, height));
    let stride = usize::try_from(width).unwrap_or(0);
    for y in top..=bottom {
        for x in left..=right {
            let inner = x > left + 1 && x + 1 < right && y > top + 1 && y + 1 < bottom;
            let start = (y * stride + x) * 3;
            if let Some(pixel) = pixels.get_mut(start..start + 3).filter(|_| !inner) {
                pixel.copy_from_slice(&colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(x: f32, w: f32, score: f32) -> Ring {
        Ring { score, rim: RimBox { x, y: 100.0, w, h: w / 2.5 } }
    }

    #[test]
    fn what_half_of_the_looks_see_at_one_place_is_steady() {
        let looks = [
            vec![ring(200.0, 40.0, 0.9), ring(700.0, 30.0, 0.8)],
            vec![ring(204.0, 41.0, 0.7), ring(500.0, 30.0, 0.9)],
            vec![ring(202.0, 39.0, 0.8), ring(704.0, 30.0, 0.6)],
            vec![],
        ];
        let found = steady(&looks);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].rim.x, found[0].rim.w), (202.0, 40.0));
        assert_eq!((found[0].seen, found[0].score), (3, 0.8));
        assert_eq!(found[1].seen, 2);
        assert_eq!(steady(&[]), []);
    }

    #[test]
    fn the_surest_of_the_wide_rings_is_proposed() {
        let steady = |w: f32, score: f32| Steady { rim: ring(0.0, w, score).rim, score, seen: 1 };
        let rings = [steady(20.0, 0.95), steady(50.0, 0.7), steady(90.0, 0.6), steady(200.0, 0.4)];
        assert_eq!(choose(&rings), Some(&rings[1]));
        assert_eq!(choose(&rings[3..]), Some(&rings[3]));
        assert_eq!(choose(&[]), None);
    }

    #[test]
    fn a_ring_too_narrow_to_call_on_comes_after_wider_ones_and_many_are_a_guess() {
        let looks =
            [vec![ring(124.0, 13.0, 0.67), ring(334.0, 24.0, 0.57), ring(231.0, 14.0, 0.43)]];
        let rings = steady(&looks);
        let widths: Vec<f32> = rings.iter().map(|ring| ring.rim.w).collect();
        assert_eq!(widths, [24.0, 14.0, 13.0]);
        let chosen = choose(&rings).expect("a ring");
        assert_eq!(chosen.rim.w, 24.0);
        let told = lines(&rings, chosen, (480, 358), 1);
        assert!(told[0].starts_with("# a guess among 3 rings: --sheet FILE draws"), "{told:?}");
        assert!(told[1].starts_with("rims = [[334, 100, 24, "), "{told:?}");
        assert!(told[4].starts_with("# another ring: [124, "), "{told:?}");
        // A wide one that is hardly sure before a narrow one that is.
        let rings = steady(&[vec![ring(124.0, 13.0, 0.9), ring(231.0, 14.0, 0.33)]]);
        assert_eq!(choose(&rings).map(|ring| ring.rim.w), Some(14.0));
        // Only narrow ones: the surest; one ring is no guess among many.
        let rings = steady(&[vec![ring(124.0, 12.0, 0.9), ring(231.0, 13.0, 0.33)]]);
        assert_eq!(choose(&rings).map(|ring| ring.rim.w), Some(12.0));
        assert!(lines(&rings[..1], &rings[0], (480, 358), 1)[0].starts_with("rims = "));
    }

    #[test]
    fn narrow_rings_are_told_with_what_to_do() {
        let chosen = Steady { rim: ring(0.0, 12.0, 0.9).rim, score: 0.9, seen: 1 };
        assert!(advice(&chosen)[0].contains("cannot be relied on"), "{:?}", advice(&chosen));
        let wide = Steady { rim: ring(0.0, 60.0, 0.9).rim, ..chosen };
        assert_eq!(advice(&wide), Vec::<String>::new());
    }

    #[test]
    fn an_outline_stays_in_the_picture() {
        let mut pixels = vec![0; 20 * 10 * 3];
        let rim = RimBox { x: -5.0, y: 4.0, w: 100.0, h: 50.0 };
        outline(&mut pixels, (20, 10), rim, GREEN);
        assert_eq!(pixels[(2 * 20 + 10) * 3..][..3], GREEN);
        assert_eq!(pixels[(6 * 20 + 10) * 3..][..3], [0, 0, 0]);
    }
}
