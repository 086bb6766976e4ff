//! `eval`: how often the calls are right, per court, with n and interval.
//!
//! Each video goes through decoder, stride, model and game as a court's stream would, but one frame
//! after another: nothing is dropped, no network is between. A clip's first picture is held for a
//! second before it and its last one for a second after, since a camera would have been there.

mod gate;
mod lived;
mod score;
mod sheet;
mod table;
mod truth;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use indicatif::ProgressBar;

use crate::answer::RimAnswer;
use crate::clock::SystemClock;
use crate::decode::VideoFile;
use crate::detect::{self, Bundle, CourtRims, IN_THE_BINARY, Offline};
use crate::event::{Event, Score as Points};
use crate::game::Game;
use crate::media::{CloseReason, CourtId, Frame, MediaTime, SessionId};
use crate::router::Stride;

use crate::tools::eval::gate::Gates;
use crate::tools::eval::lived::{Recorded, Verdicts};
use crate::tools::eval::score::{Judged, calls, judge};
use crate::tools::eval::sheet::Row;
use crate::tools::eval::table::Table;
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
    /// Bundle to call with, as NAME or NAME:PRECISION (can be repeated) [default: rimnet]
    #[arg(long, value_name = "NAME")]
    pub bundle: Vec<String>,
    /// Folder of bundles, searched first (can be repeated)
    #[arg(long, value_name = "DIR")]
    pub models_dir: Vec<PathBuf>,
    /// Name each attempt that was not called right, and each call of none
    #[arg(long)]
    pub wrong: bool,
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
    /// One JSON object on stdout
    #[arg(long)]
    pub json: bool,
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
        if self.promote && names.len() != 2 {
            anyhow::bail!("--promote compares two bundles: --bundle NEW --bundle OLD");
        }
        let gates = self.gate.as_deref().map(Gates::read).transpose()?;
        let mut tables = Vec::new();
        let mut lived = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let bundle = match name.split_once(':') {
                Some((name, precision)) => {
                    detect::find_as(name, precision, &search, IN_THE_BINARY)?
                }
                None => detect::find(name, &search, IN_THE_BINARY)?,
            };
            let sheet = self.sheet.is_some() && index == 0;
            let mut recorded = (!self.calibrate.is_empty()).then(Vec::new);
            tables.push(evaluate(&bundle, &videos, sheet, recorded.as_mut())?);
            for how in &self.calibrate {
                lived.push(lived::table(
                    &bundle,
                    &videos,
                    recorded.as_deref().unwrap_or(&[]),
                    *how,
                )?);
            }
        }
        if let (Some(path), Some(first)) = (&self.sheet, tables.first()) {
            sheet::write(path, &first.sheet)?;
        }
        let broken = gates.map(|gates| gates.broken(&tables)).unwrap_or_default();
        // The floors are for bundles as they ship.
        tables.extend(lived);
        let verdict = match tables.as_slice() {
            [new, old] if self.promote => Some(gate::promote(new, old)),
            _ => None,
        };
        if self.json {
            println!("{}", table::json(&tables, &broken, verdict.as_ref()));
        } else {
            table::print(&tables, self.wrong, &broken, verdict.as_ref());
        }
        let refused = !broken.is_empty() || verdict.is_some_and(|verdict| verdict.is_err());
        Ok(if refused { ExitCode::from(3) } else { ExitCode::SUCCESS })
    }
}

fn evaluate(
    bundle: &Bundle,
    videos: &[Video],
    sheet: bool,
    mut recorded: Option<&mut Vec<Recorded>>,
) -> anyhow::Result<Table> {
    let mut table = Table::new(bundle);
    let mut times = Vec::new();
    // On a terminal only; on stderr.
    let bar = ProgressBar::new(u64::try_from(videos.len()).unwrap_or(0));
    for video in videos {
        let mut player = Player::new(bundle, video)?;
        player.answers = recorded.is_some().then(Vec::new);
        let seconds = player.play(video)?;
        let (mut score, none) = judge(&video.attempts, &calls(&player.events));
        if !video.clip {
            score.stream_seconds = seconds;
            score.stream_false_events = score.false_events;
        }
        times.extend(player.model.median_ms());
        if let (Some(recorded), Some(answers)) = (&mut recorded, player.answers) {
            recorded.push(Recorded { answers, seconds });
        }
        if sheet {
            table.sheet.extend(rows(video, &score.judged)?);
        }
        table.take(video, &score, &none);
        bar.inc(1);
    }
    bar.finish_and_clear();
    times.sort_by(f64::total_cmp);
    table.ms_per_frame = times.get(times.len() / 2).copied();
    Ok(table)
}

/// The attempts of a video that were not called right, with their pictures.
fn rows(video: &Video, judged: &[Judged]) -> anyhow::Result<Vec<Row>> {
    let wrong = judged.iter().filter(|judged| !judged.right());
    let rim = video.rims.first().copied().context("a truth without a rim")?;
    let row = |judged: &Judged| {
        let truth = judged.truth;
        let called = judged.call.map(|call| call.made);
        Row::new((truth.t_rim, truth.t_truth), rim, truth.made, called)
    };
    let mut rows: Vec<Row> = wrong.map(row).collect();
    if rows.is_empty() {
        return Ok(rows);
    }
    let mut file = VideoFile::open(&video.file, court()?, SESSION)?;
    while let Some(frame) = file.next_frame()? {
        rows.iter_mut().for_each(|row| row.look(frame.pts.as_secs_f64(), &frame));
    }
    Ok(rows)
}

/// One video on its way: stride → model → game.
struct Player {
    stride: Option<Stride>,
    model: Offline,
    game: Game,
    events: Vec<Event>,
    /// Every answer, where they are to be played again.
    answers: Option<Vec<RimAnswer>>,
}

impl Player {
    fn new(bundle: &Bundle, video: &Video) -> anyhow::Result<Self> {
        let court = CourtRims { court: court()?, rims: video.rims.clone(), rims_of: None };
        Ok(Self {
            stride: bundle.rates.map(Stride::to),
            model: Offline::new(bundle, court, Arc::new(SystemClock::new()))?,
            game: Game::new(self::court()?, video.rims.len(), Points::default()),
            events: Vec::new(),
            answers: None,
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
                if let Some(answers) = &mut self.answers {
                    answers.push(answer);
                }
            }
        }
    }
}

fn court() -> anyhow::Result<CourtId> {
    Ok(CourtId::new("eval")?)
}
