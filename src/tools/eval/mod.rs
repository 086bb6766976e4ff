//! `eval`: how often the calls are right, per court, with n and interval.
//!
//! Each video goes through decoder, stride, model and game as a court's stream would, but one frame
//! after another: nothing is dropped, no network is between. A clip's first picture is held for a
//! second before it and its last one for a second after, since a camera would have been there.
//!
//! `truth` is what happened, `score` holds calls against it, `strata` sorts attempts into kinds, and
//! `table` prints; all pure. `teach` writes what people said as examples for a hosted model. `hosted` asks a hosted bundle what it says of the finals of one of files. `--jobs` plays several videos at once, which changes no call.

mod gate;
mod hosted;
mod json;
mod lived;
mod score;
mod sheet;
mod strata;
mod table;
pub(super) mod teach;
mod truth;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;

use crate::answer::{ODDS_AT_MOST, RimAnswer};
use crate::clock::{Clock, SystemClock};
use crate::decode::VideoFile;
use crate::detect::{self, Bundle, IN_THE_BINARY, InstalledEngines, Offline};
use crate::event::Event;
use crate::game::Game;
use crate::game::log::events as told;
use crate::look::{self, Hosted, HostedRefused, NoLook};
use crate::media::{CloseReason, CourtRims, Frame, MediaTime};
use crate::router::Pace;

use crate::tools::eval::gate::Gates;
use crate::tools::eval::hosted::{Question, Watch};
use crate::tools::eval::lived::{Recorded, Verdicts};
use crate::tools::eval::score::{Judged, Score, calls, judge};
use crate::tools::eval::sheet::Row;
use crate::tools::eval::strata::Facts;
use crate::tools::eval::table::Table;
use crate::tools::eval::truth::{SESSION, Video};
use crate::tools::png_file::PngFile;
use crate::tools::tell::{remark, tell_json};

/// How long a clip's first and last pictures are held, ns.
const HOLD_NS: i64 = 1_000_000_000;
/// Distance of held pictures, ns: 30 a second.
const HELD_STEP_NS: i64 = 33_333_333;

/// Arguments of `eval`.
#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// Truth: one stream, or a list of clips (can be repeated)
    #[arg(long, value_name = "FILE", required = true)]
    pub truth: Vec<PathBuf>,
    /// Count these names of the truth as one court, under the first; the first may be a new name
    /// for them all (can be repeated)
    #[arg(long, value_name = "NAME,NAME…", value_parser = names)]
    pub one_court: Vec<Names>,
    /// Bundle to call with, as NAME or NAME:PRECISION; a hosted one is asked about the finals of
    /// another (can be repeated) [default: rimnet]
    #[arg(long, value_name = "NAME")]
    pub bundle: Vec<String>,
    /// Folder of bundles, searched first (can be repeated)
    #[arg(long, value_name = "DIR")]
    pub models_dir: Vec<PathBuf>,
    /// Crops of the videos may leave this machine, to the server of a hosted bundle
    #[arg(long)]
    pub crops_may_leave: bool,
    /// Name each attempt that was not called right, and each call of none
    #[arg(long)]
    pub wrong: bool,
    /// Tell of each kind of attempt, net, ring width, frame rate and bit rate apart
    #[arg(long)]
    pub strata: bool,
    /// Call unsure what has mean log-odds under ODDS, whatever the bundle says
    #[arg(long, value_name = "ODDS", value_parser = odds, allow_negative_numbers = true)]
    pub unsure: Option<f32>,
    /// Say what the first bundle's calls would gain if the least sure were unsure
    #[arg(long)]
    pub coverage: bool,
    /// Draw the attempts that the first bundle did not call right into a PNG
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
    /// Hold each bundle to the floors of a file as models/gate.toml; 3 if one is broken
    #[arg(long, value_name = "FILE")]
    pub gate: Option<PathBuf>,
    /// Call it all again as each court would live it, in order, with what it learnt until then:
    /// from its own answers, or from verdicts on its first ten attempts too (can be repeated)
    #[arg(long, value_name = "HOW", value_enum, conflicts_with = "promote")]
    pub calibrate: Vec<Verdicts>,
    /// Say whether the first bundle may replace the second; 3 if not
    #[arg(long)]
    pub promote: bool,
    /// Videos to play at once; the time of a frame is only told well of one
    #[arg(long, value_name = "N", default_value = "1")]
    pub jobs: NonZeroUsize,
    /// One JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

/// Names of one court.
#[derive(Clone, Debug)]
pub(super) struct Names(Vec<String>);

/// Names on the command line.
fn names(text: &str) -> Result<Names, String> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if names.len() < 2 || names.iter().any(String::is_empty) {
        return Err("write two names or more with commas between, as D,D1,D2".to_owned());
    }
    Ok(Names(names))
}

/// Log-odds on the command line.
fn odds(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(odds) if (0.0..=ODDS_AT_MOST).contains(&odds) => Ok(odds),
        _ => Err(format!("write log-odds, 0 to {ODDS_AT_MOST}, as 0.4")),
    }
}

impl EvalArgs {
    /// Runs every video through every bundle.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut videos = Vec::new();
        for file in &self.truth {
            videos.extend(truth::read(file)?);
        }
        if videos.is_empty() {
            anyhow::bail!("no video in the truth: write a list of clips, or one stream");
        }
        truth::each_once(&videos)?;
        self.merge_courts(&mut videos)?;
        let mut names = self.bundle.clone();
        let mut hosted = Vec::new();
        for name in names.clone() {
            if let Some(found) = self.hosted(&name)? {
                names.retain(|other| *other != name);
                hosted.push(found);
            }
        }
        if names.is_empty() {
            names.push("rimnet".to_owned());
        }
        if let Some(hosted) = hosted.first() {
            return self.ask(hosted, &names, &videos);
        }
        if self.promote && names.len() != 2 {
            anyhow::bail!("--promote compares two bundles: --bundle NEW --bundle OLD");
        }
        let gates = self.gate.as_deref().map(Gates::read).transpose()?;
        let sheet = self.sheet.as_deref().map(|path| PngFile::at(path, "--sheet")).transpose()?;
        let bundles = names.iter().map(|name| self.found(name)).collect::<Result<Vec<_>, _>>()?;
        let builds: Vec<_> = bundles.iter().map(build).collect();
        if let Some((name, precision)) = twice(&builds) {
            anyhow::bail!("--bundle {name}:{precision} is given twice: leave one out");
        }
        if let (Some(file), Some(gates)) = (&self.gate, &gates) {
            let others = gates.not_asked_for(&builds);
            if !others.is_empty() {
                // Whoever holds one bundle to its floors did not forget the rest.
                remark(format_args!(
                    "courtside: {} has floors of {} too, not asked for with --bundle",
                    file.display(),
                    others.join(", ")
                ));
            }
        }
        let mut tables = Vec::new();
        let mut lived = Vec::new();
        for (index, bundle) in bundles.iter().enumerate() {
            let wants = (sheet.is_some() && index == 0, !self.calibrate.is_empty());
            let (table, recorded) = evaluate(bundle, &videos, wants, self.jobs)?;
            tables.push(table);
            for how in &self.calibrate {
                lived.push(lived::table(bundle, &videos, &recorded, *how)?);
            }
        }
        if let (Some(file), Some(first)) = (&sheet, tables.first()) {
            sheet::write(file, &first.sheet)?;
        }
        let broken = gates.map(|gates| gates.broken(&tables)).unwrap_or_default();
        // The floors are for bundles as they ship.
        tables.extend(lived);
        let verdict = match tables.as_slice() {
            [new, old] if self.promote => Some(gate::promote(new, old)),
            _ => None,
        };
        if self.json {
            tell_json(&json::json(&tables, &broken, verdict.as_ref()))?;
        } else {
            let show =
                table::Show { wrong: self.wrong, strata: self.strata, coverage: self.coverage };
            table::print(&tables, show, &broken, verdict.as_ref());
        }
        let refused = !broken.is_empty() || verdict.is_some_and(|verdict| verdict.is_err());
        Ok(if refused { ExitCode::from(3) } else { ExitCode::SUCCESS })
    }

    /// The hosted bundle of that name; nothing of one of files.
    fn hosted(&self, name: &str) -> anyhow::Result<Option<Hosted>> {
        match look::find(name, &self.search()) {
            Ok(hosted) => Ok(Some(hosted)),
            Err(
                NoLook::NotFound { .. }
                | NoLook::Name { .. }
                | NoLook::Refused(HostedRefused::Local { .. }),
            ) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("--bundle {name}")),
        }
    }

    /// Asks a hosted bundle about the finals of another.
    fn ask(&self, hosted: &Hosted, names: &[String], videos: &[Video]) -> anyhow::Result<ExitCode> {
        let [local] = names else {
            anyhow::bail!("a hosted bundle is asked about the finals of one other: name it alone");
        };
        let others = self.promote || self.gate.is_some() || !self.calibrate.is_empty();
        if others || self.sheet.is_some() || self.bundle.len() > 2 {
            anyhow::bail!(
                "{} is hosted: leave out --promote, --gate, --calibrate, --sheet and a third --bundle",
                hosted.name
            );
        }
        if !self.crops_may_leave {
            anyhow::bail!(
                "{} is hosted, at {}: with --crops-may-leave crops of these videos go there",
                hosted.name,
                hosted.address.told()
            );
        }
        let key = hosted.key_file.as_deref().map(look::key).transpose()?;
        let local = self.found(local)?;
        let mut play =
            |video: &Video, watch: Watch| -> anyhow::Result<(Vec<Event>, Vec<Question>)> {
                let mut player = Player::new(&local, video)?;
                player.watch = Some(watch);
                player.play(video)?;
                Ok((player.events, player.watch.map(Watch::questions).unwrap_or_default()))
            };
        hosted::run(&local.name, (hosted, key.as_ref()), videos, self.json, &mut play)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Where bundles lie.
    fn search(&self) -> Vec<PathBuf> {
        let mut search = self.models_dir.clone();
        search.push(PathBuf::from(detect::SYSTEM_MODELS));
        search
    }

    /// Does what `--one-court` says.
    fn merge_courts(&self, videos: &mut [Video]) -> anyhow::Result<()> {
        let all: Vec<&str> =
            self.one_court.iter().flat_map(|Names(names)| names).map(String::as_str).collect();
        if let Some(name) = twice(&all) {
            anyhow::bail!("--one-court names {name} twice: a court is part of one");
        }
        let known: BTreeSet<String> = videos.iter().map(|video| video.court.clone()).collect();
        for Names(names) in &self.one_court {
            let lacking = truth::as_one(videos, names);
            if !lacking.is_empty() {
                remark(format_args!(
                    "courtside: --one-court names {}, of which there is no video: the truth has {}",
                    lacking.join(", "),
                    known.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
                ));
            }
        }
        Ok(())
    }

    /// What `court` is counted as.
    fn counted_as(&self, court: &str) -> String {
        let names = self.one_court.iter().find(|Names(names)| names.iter().any(|n| n == court));
        names.and_then(|Names(names)| names.first()).map_or(court, String::as_str).to_owned()
    }

    /// The bundle `name`, or `name:precision`, as it is to be called with.
    fn found(&self, name: &str) -> anyhow::Result<Bundle> {
        let search = self.search();
        let found = match name.split_once(':') {
            Some((name, precision)) => detect::find_as(name, precision, &search, IN_THE_BINARY),
            None => detect::find(name, &search, IN_THE_BINARY),
        };
        let named = || format!("--bundle {name}");
        let mut bundle = found.with_context(named)?;
        let decision = &mut bundle.rim_mut().with_context(named)?.decision;
        decision.unsure = self.unsure.unwrap_or(decision.unsure);
        // Who has seen a part of a court has seen the court.
        let seen: BTreeSet<String> =
            bundle.provenance.seen.iter().map(|court| self.counted_as(court)).collect();
        bundle.provenance.seen = seen.into_iter().collect();
        Ok(bundle)
    }
}

/// What tells bundles apart.
fn build(bundle: &Bundle) -> (&str, &str) {
    (&bundle.name, &bundle.file.precision)
}

/// The first that is given twice.
fn twice<T: Ord + Copy>(given: &[T]) -> Option<T> {
    let mut known = BTreeSet::new();
    given.iter().copied().find(|one| !known.insert(*one))
}

/// What one video came to.
struct Played {
    score: Score,
    /// When calls came that belong to no attempt, s.
    none: Vec<f64>,
    facts: Facts,
    engine: Option<String>,
    ms_per_frame: Option<f64>,
    rows: Vec<Row>,
    recorded: Recorded,
}

/// Plays all videos; `sheet`: with the pictures of what is wrong, `keep`: with the answers.
fn evaluate(
    bundle: &Bundle,
    videos: &[Video],
    (sheet, keep): (bool, bool),
    jobs: NonZeroUsize,
) -> anyhow::Result<(Table, Vec<Recorded>)> {
    // On a terminal only; on stderr.
    let bar = ProgressBar::new(u64::try_from(videos.len()).unwrap_or(0));
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(video) = videos.get(index) else { return done };
            let played = played(bundle, video, (sheet, keep));
            if played.is_err() {
                // Nobody begins another one.
                next.store(videos.len(), Ordering::Relaxed);
            }
            done.push((index, played));
            bar.inc(1);
        }
    };
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..jobs.get().min(videos.len())).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            match worker.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    bar.finish_and_clear();
    all.sort_by_key(|(index, _)| *index);
    let mut table = Table::new(bundle);
    let (mut times, mut recorded) = (Vec::new(), Vec::new());
    for (video, (_, played)) in videos.iter().zip(all) {
        let played = played?;
        table.take(video, &played.score, &played.none);
        table.strata.take(&played.facts, &played.score.judged);
        table.sheet.extend(played.rows);
        table.engine = table.engine.or(played.engine);
        times.extend(played.ms_per_frame);
        recorded.push(played.recorded);
    }
    times.sort_by(f64::total_cmp);
    table.ms_per_frame = times.get(times.len() / 2).copied();
    Ok((table, recorded))
}

fn played(bundle: &Bundle, video: &Video, (sheet, keep): (bool, bool)) -> anyhow::Result<Played> {
    let mut player = Player::new(bundle, video)?;
    player.answers = keep.then(Vec::new);
    let length = player.play(video)?;
    truth::within(video, length.ends, length.picture())?;
    let (mut score, none) = judge(&video.attempts, &calls(&player.events));
    if !video.clip {
        score.stream_seconds = length.seconds;
        score.stream_false_events = score.false_events;
    }
    let rows = if sheet { rows(video, &score.judged)? } else { Vec::new() };
    let facts = facts(video, length)?;
    let ms_per_frame = player.model.median_ms();
    let recorded =
        Recorded { answers: player.answers.unwrap_or_default(), seconds: length.seconds };
    Ok(Played { score, none, facts, engine: player.engine, ms_per_frame, rows, recorded })
}

/// What strata want to know of a video.
fn facts(video: &Video, length: Length) -> anyhow::Result<Facts> {
    let named = || format!("read the size of {}", video.file.display());
    let bytes = std::fs::metadata(&video.file).with_context(named)?.len();
    #[expect(clippy::cast_precision_loss, reason = "files are far smaller")]
    let bits = bytes as f64 * 8.0;
    Ok(Facts {
        court: video.court.clone(),
        net: video.net.clone(),
        ring_px: video.rims.first().map(|rim| f64::from(rim.w)),
        fps: video.fps.or(length.fps()),
        mbit_s: length.with_last_picture().map(|seconds| bits / seconds / 1e6),
    })
}

/// How long a video is.
#[derive(Clone, Copy)]
struct Length {
    /// From the first picture to the last.
    seconds: f64,
    /// When the last picture comes, as truth counts.
    ends: f64,
    pictures: u32,
}

impl Length {
    /// The last picture is shown as long as the others are.
    fn with_last_picture(self) -> Option<f64> {
        self.fps().map(|fps| f64::from(self.pictures) / fps)
    }

    /// How long a picture is shown. As long as a clip's is held, of a single one.
    fn picture(self) -> f64 {
        self.fps().map_or(MediaTime::from_nanos(HOLD_NS).as_secs_f64(), f64::recip)
    }

    /// Pictures a second. `None` of a single one.
    fn fps(self) -> Option<f64> {
        (self.seconds > 0.0).then(|| (f64::from(self.pictures) - 1.0) / self.seconds)
    }
}

/// Refuses a rim whose middle lies outside the picture: every call would be of an edge.
fn inside(video: &Video, frame: &Frame) -> anyhow::Result<()> {
    for rim in &video.rims {
        let (x, y) = (rim.x + rim.w / 2.0, rim.y + rim.h / 2.0);
        #[expect(clippy::cast_precision_loss, reason = "pictures are small")]
        let (width, height) = (frame.width as f32, frame.height as f32);
        if !(0.0..width).contains(&x) || !(0.0..height).contains(&y) {
            anyhow::bail!(
                "{}: the rim [{}, {}, {}, {}] lies outside the picture of {width} × {height}: correct it in the truth",
                video.file.display(),
                rim.x,
                rim.y,
                rim.w,
                rim.h
            );
        }
    }
    Ok(())
}

/// The attempts of a video that were not called right, with their pictures.
fn rows(video: &Video, judged: &[Judged]) -> anyhow::Result<Vec<Row>> {
    let wrong = judged.iter().filter(|judged| !judged.right());
    let rim = video.rims.first().copied().context("a truth without a rim")?;
    let row = |judged: &Judged| {
        let truth = &judged.truth;
        let called = judged.call.map(|call| call.made);
        Row::new((truth.t_rim, truth.t_truth), rim, truth.made, called)
    };
    let mut rows: Vec<Row> = wrong.map(row).collect();
    if rows.is_empty() {
        return Ok(rows);
    }
    let mut file = VideoFile::open(&video.file, truth::court()?, SESSION)?;
    while let Some(frame) = file.next_frame()? {
        rows.iter_mut().for_each(|row| row.look(frame.pts.as_secs_f64(), &frame));
    }
    Ok(rows)
}

/// One video on its way: pace → model → game.
struct Player {
    pace: Pace,
    model: Offline,
    game: Game,
    events: Vec<Event>,
    /// What ran the network.
    engine: Option<String>,
    /// Every answer, where they are to be played again.
    answers: Option<Vec<RimAnswer>>,
    /// Keeps what a hosted bundle would be asked about.
    watch: Option<Watch>,
}

impl Player {
    fn new(bundle: &Bundle, video: &Video) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let engines = InstalledEngines::new(Arc::clone(&clock));
        let court = CourtRims { court: truth::court()?, rims: video.rims.clone(), rims_of: None };
        Ok(Self {
            pace: Pace::of(bundle.rates),
            model: Offline::new(bundle, court, clock, &engines)?,
            game: Game::new(truth::court()?, video.rims.len()),
            events: Vec::new(),
            engine: None,
            answers: None,
            watch: None,
        })
    }

    /// Plays a video to its end and returns its length.
    fn play(&mut self, video: &Video) -> anyhow::Result<Length> {
        let mut file = VideoFile::open(&video.file, truth::court()?, SESSION)?;
        let mut last: Option<Arc<Frame>> = None;
        let mut first_at = MediaTime::ZERO;
        let mut pictures = 0;
        while let Some(frame) = file.next_frame()? {
            let frame = Arc::new(frame);
            if last.is_none() {
                inside(video, &frame)?;
                first_at = frame.pts;
                if video.clip {
                    self.hold(&frame, -HOLD_NS, -HELD_STEP_NS / 2);
                }
            }
            self.frame(&frame);
            pictures += 1;
            last = Some(frame);
        }
        let last = last.with_context(|| format!("{} has no picture", video.file.display()))?;
        if video.clip {
            self.hold(&last, HELD_STEP_NS, HOLD_NS);
        }
        let decided = self.game.session_closed(SESSION, CloseReason::Ended);
        if let Some(watch) = &mut self.watch {
            watch.decided(&decided);
        }
        self.events.extend(told(decided));
        if let Some(fault) = self.model.fault() {
            anyhow::bail!("{}: {fault}", video.file.display());
        }
        let seconds = last.pts.plus_nanos(-first_at.as_nanos()).as_secs_f64();
        Ok(Length { seconds, ends: last.pts.as_secs_f64(), pictures })
    }

    fn frame(&mut self, frame: &Arc<Frame>) {
        self.frame_at(frame, frame.pts);
    }

    /// Shows `held` again at each step from `from` to `to` after its own time, ns.
    fn hold(&mut self, held: &Arc<Frame>, from: i64, to: i64) {
        let mut offset = from;
        while offset < to {
            self.frame_at(held, held.pts.plus_nanos(offset));
            offset += HELD_STEP_NS;
        }
    }

    fn frame_at(&mut self, frame: &Arc<Frame>, pts: MediaTime) {
        if let Some(watch) = &mut self.watch {
            watch.frame(frame, pts);
        }
        if self.pace.passes(frame.session, pts) {
            for answer in self.model.frame_at(frame, pts) {
                if self.engine.is_none() {
                    self.engine = Some(answer.model.engine.clone());
                }
                let decided = self.game.step(&answer);
                if let Some(watch) = &mut self.watch {
                    watch.decided(&decided);
                }
                self.events.extend(told(decided));
                if let Some(answers) = &mut self.answers {
                    answers.push(answer);
                }
            }
        }
    }
}
