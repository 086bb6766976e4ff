//! `eval`: how often the calls are right, per court, with n and interval.
//!
//! Each video goes through decoder, stride, model and game as a court's stream would, but one frame
//! after another: nothing is dropped, no network is between. A clip's first picture is held for a
//! second before it and its last one for a second after, since a camera would have been there.

mod score;
mod truth;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;
use serde_json::json;

use crate::clock::SystemClock;
use crate::decode::VideoFile;
use crate::detect::{self, Bundle, CourtRims, IN_THE_BINARY, Offline};
use crate::event::{Event, Score as Points};
use crate::game::Game;
use crate::media::{CloseReason, CourtId, Frame, MediaTime, SessionId};
use crate::router::Stride;

use crate::tools::eval::score::{Score, Verdict, calls, clopper_pearson, judge, real};
use crate::tools::eval::truth::Video;

/// How long a clip's first and last pictures are held, ns.
const HOLD_NS: i64 = 1_000_000_000;
/// Distance of held pictures, ns: 30 a second.
const HELD_STEP_NS: i64 = 33_333_333;
/// The run of timestamps that every video is said to be.
const SESSION: SessionId = SessionId::from_bits(1);

/// Arguments of `eval`.
#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// Truth: one stream, or a list of clips (can be repeated)
    #[arg(long, value_name = "FILE", required = true)]
    pub truth: Vec<PathBuf>,
    /// Bundle to call with (can be repeated) [default: rimnet]
    #[arg(long, value_name = "NAME")]
    pub bundle: Vec<String>,
    /// Folder of bundles, searched first (can be repeated)
    #[arg(long, value_name = "DIR")]
    pub models_dir: Vec<PathBuf>,
    /// Name each attempt that was not called right, and each call of none
    #[arg(long)]
    pub wrong: bool,
    /// One JSON object a bundle and court on stdout
    #[arg(long)]
    pub json: bool,
}

/// One bundle's result.
struct Table {
    name: String,
    version: String,
    courts: BTreeMap<String, Score>,
    ms_per_frame: Option<f64>,
    wrong: Vec<String>,
}

impl EvalArgs {
    /// Runs every video through every bundle.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut videos = Vec::new();
        for file in &self.truth {
            videos.extend(truth::read(file)?);
        }
        let names =
            if self.bundle.is_empty() { vec!["rimnet".to_owned()] } else { self.bundle.clone() };
        let mut search = self.models_dir.clone();
        search.push(PathBuf::from(detect::SYSTEM_MODELS));
        for name in &names {
            let bundle = detect::find(name, &search, IN_THE_BINARY)?;
            let table = evaluate(&bundle, &videos)?;
            if self.json { table.print_json() } else { table.print(self.wrong) }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn evaluate(bundle: &Bundle, videos: &[Video]) -> anyhow::Result<Table> {
    let mut table = Table {
        name: bundle.name.clone(),
        version: bundle.version.clone(),
        courts: BTreeMap::new(),
        ms_per_frame: None,
        wrong: Vec::new(),
    };
    let mut times = Vec::new();
    // On a terminal only; on stderr.
    let bar = ProgressBar::new(u64::try_from(videos.len()).unwrap_or(0));
    for video in videos {
        let mut player = Player::new(bundle, video)?;
        let seconds = player.play(video)?;
        let called = calls(&player.events);
        let (mut score, verdicts) = judge(&video.attempts, &called);
        if !video.clip {
            score.stream_seconds = seconds;
            score.stream_false_events = score.false_events;
        }
        times.extend(player.model.median_ms());
        let name = video.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        table.wrong.extend(verdicts.iter().filter_map(|verdict| told(&name, verdict)));
        table.courts.entry(video.court.clone()).or_default().add(&score);
        bar.inc(1);
    }
    bar.finish_and_clear();
    times.sort_by(f64::total_cmp);
    table.ms_per_frame = times.get(times.len() / 2).copied();
    Ok(table)
}

fn told(file: &str, verdict: &Verdict) -> Option<String> {
    let outcome = |made: bool| if made { "made" } else { "missed" };
    match verdict {
        Verdict::Right => None,
        Verdict::Wrong(truth) => Some(format!(
            "{file} {:.2} s: {}, called {}",
            truth.t_rim,
            outcome(truth.made),
            outcome(!truth.made)
        )),
        Verdict::Unsure(truth) => {
            Some(format!("{file} {:.2} s: {}, unsure", truth.t_rim, outcome(truth.made)))
        }
        Verdict::Missing(truth) => {
            Some(format!("{file} {:.2} s: {}, not called", truth.t_rim, outcome(truth.made)))
        }
        Verdict::False(at) => Some(format!("{file} {at:.2} s: a call, but no attempt")),
    }
}

/// One video on its way: stride → model → game.
struct Player {
    stride: Option<Stride>,
    model: Offline,
    game: Game,
    events: Vec<Event>,
}

impl Player {
    fn new(bundle: &Bundle, video: &Video) -> anyhow::Result<Self> {
        let court = CourtRims { court: court()?, rims: video.rims.clone(), rims_of: None };
        Ok(Self {
            stride: bundle.rates.map(Stride::to),
            model: Offline::new(bundle, court, Arc::new(SystemClock::new()))?,
            game: Game::new(self::court()?, video.rims.len(), Points::default()),
            events: Vec::new(),
        })
    }

    /// Plays a video to its end and returns its length, s.
    fn play(&mut self, video: &Video) -> anyhow::Result<f64> {
        let mut file = VideoFile::open(&video.file, court()?, SESSION)?;
        let mut last: Option<Frame> = None;
        let mut first_at = MediaTime::ZERO;
        while let Some(frame) = file.next_frame()? {
            if last.is_none() {
                first_at = frame.pts;
                if video.clip {
                    self.hold(&frame, -HOLD_NS, -HELD_STEP_NS / 2);
                }
            }
            self.frame(&frame);
            last = Some(frame);
        }
        let last = last.with_context(|| format!("{} has no picture", video.file.display()))?;
        if video.clip {
            self.hold(&last, HELD_STEP_NS, HOLD_NS);
        }
        self.events.extend(self.game.session_closed(SESSION, CloseReason::Ended));
        if let Some(fault) = self.model.fault() {
            anyhow::bail!("{}: {fault}", video.file.display());
        }
        Ok(last.pts.plus_nanos(-first_at.as_nanos()).as_secs_f64())
    }

    fn frame(&mut self, frame: &Frame) {
        self.frame_at(frame, frame.pts);
    }

    /// Shows `held` again at each step from `from` to `to` after its own time, ns.
    fn hold(&mut self, held: &Frame, from: i64, to: i64) {
        let mut offset = from;
        while offset < to {
            self.frame_at(held, held.pts.plus_nanos(offset));
            offset += HELD_STEP_NS;
        }
    }

    fn frame_at(&mut self, frame: &Frame, pts: MediaTime) {
        if self.stride.as_mut().is_none_or(|stride| stride.passes(frame.session, pts)) {
            for answer in self.model.frame_at(frame, pts) {
                self.events.extend(self.game.step(&answer));
            }
        }
    }
}

fn court() -> anyhow::Result<CourtId> {
    Ok(CourtId::new("eval")?)
}

impl Table {
    fn total(&self) -> Score {
        let mut total = Score::default();
        self.courts.values().for_each(|score| total.add(score));
        total
    }

    fn print(&self, wrong: bool) {
        let ms = self.ms_per_frame.map_or_else(String::new, |ms| format!(", {ms:.2} ms a frame"));
        println!("{} {}{ms}", self.name, self.version);
        println!(
            "{:8} {:>6} {:>9} {:>9}  {:13} {:>11} {:>6} {:>9} {:>8}",
            "court",
            "videos",
            "found",
            "right",
            "95 % interval",
            "made/missed",
            "false",
            "false/h",
            "delay s"
        );
        let total = self.total();
        for (court, score) in self.courts.iter().map(|(court, score)| (court.as_str(), score)) {
            print_row(court, score);
        }
        print_row("all", &total);
        if wrong {
            self.wrong.iter().for_each(|line| println!("  {line}"));
        }
    }

    fn print_json(&self) {
        let total = self.total();
        let rows = self.courts.iter().map(|(court, score)| (Some(court.as_str()), score));
        for (court, score) in rows.chain([(None, &total)]) {
            let (low, high) = clopper_pearson(score.right, score.attempts);
            let row = json!({
                "bundle": self.name, "version": self.version, "court": court,
                "videos": score.videos, "attempts": score.attempts, "found": score.found,
                "right": score.right, "interval": [low, high],
                "made_called_missed": score.made_called_missed,
                "missed_called_made": score.missed_called_made,
                "false_events": score.false_events, "false_events_per_hour": score.false_per_hour(),
                "delay_p50_s": score.delay_p50(), "ms_per_frame": self.ms_per_frame,
            });
            println!("{row}");
        }
    }
}

fn print_row(court: &str, score: &Score) {
    let (low, high) = clopper_pearson(score.right, score.attempts);
    let or_dash = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let share = 100.0 * real(score.right) / real(score.attempts).max(1.0);
    println!(
        "{court:8} {:>6} {:>9} {:>9}  {share:>3.0} ({:>2.0}–{:>3.0})  {:>11} {:>6} {:>9} {:>8}",
        score.videos,
        format!("{}/{}", score.found, score.attempts),
        format!("{}/{}", score.right, score.attempts),
        100.0 * low,
        100.0 * high,
        format!("{}/{}", score.made_called_missed, score.missed_called_made),
        score.false_events,
        or_dash(score.false_per_hour(), 0),
        or_dash(score.delay_p50(), 2),
    );
}
