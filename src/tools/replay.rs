//! `courtside replay`: recorded answers through the daemon's own rules; prints the facts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::disk::read_regular_text;
use crate::event::game::GameScore;
use crate::event::{By, Event, Saying, Shot};
use crate::game::replay::{replay, rims_in};
use crate::media::CourtId;
use crate::tools::tell::{tell, tell_json};

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Recording: JSON lines, first the model, then answers, ends, corrections
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Court whose game it is
    #[arg(long, value_name = "NAME", default_value = "a")]
    court: String,
    /// Rims of the court [default: as many as have answers]
    #[arg(long, value_name = "N")]
    rims: Option<usize>,
    /// One JSON object a fact on stdout
    #[arg(long)]
    json: bool,
}

/// A day of answers of a court takes less.
const RECORDING_MOST_BYTES: u64 = 1 << 30;

impl ReplayArgs {
    /// Plays the recording.
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let court = CourtId::new(&self.court)?;
        let recording = read_regular_text(&self.file, RECORDING_MOST_BYTES)
            .with_context(|| format!("read {}", self.file.display()))?;
        let rims = self.rims.unwrap_or_else(|| rims_in(&recording));
        let events = replay(&recording, &court, rims)
            .with_context(|| format!("play {}", self.file.display()))?;
        for event in &events {
            if self.json {
                tell_json(&json(event))?;
            } else {
                tell(line(event));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// For programs: what the envelope would carry of the core's output.
fn json(event: &Event) -> serde_json::Value {
    let data = event.saying.data();
    let data = data.and_then(|data| serde_json::from_slice(&data).ok());
    serde_json::json!({
        "id": event.id(),
        "type": event.saying.event_type(),
        "court": event.court,
        "subject": event.subject(),
        "session": event.session,
        "fact": event.fact,
        "revision": event.revision,
        "t_stream": event.at.as_secs_f64(),
        "data": data.unwrap_or(serde_json::Value::Null),
    })
}

/// For people.
fn line(event: &Event) -> String {
    let what = match &event.saying {
        Saying::ShotMade(shot) => called("made", shot),
        Saying::ShotMissed(shot) => called("missed", shot),
        Saying::ShotUnsure(shot) => called("unsure", shot),
        Saying::ShotWithdrawn(taken) => {
            format!("no shot{}", because(taken.by, Some(&taken.reason)))
        }
        Saying::Score(score) => {
            let rims = score.made.iter().zip(&score.attempts);
            let rims = rims.map(|(made, attempts)| format!("{made}/{attempts}"));
            format!("score {}", rims.collect::<Vec<_>>().join(" "))
        }
        Saying::Game(game) => {
            format!("game {} is {}, period {}", game.game, game.state, game.period)
        }
        Saying::GameScore(score) => game_score(score),
        Saying::Momentum(momentum) => match &momentum.run {
            Some(run) => format!("{} to 0 by {}", run.points, run.team),
            None => format!("no run, swing {}", momentum.swing),
        },
        Saying::Leaderboard(board) => {
            let rows = board.teams.iter().map(|row| format!("{}. {}", row.rank, row.team));
            format!("leaderboard {}", rows.collect::<Vec<_>>().join(" "))
        }
        Saying::Graphic(graphic) => format!("graphic, {}: {}", graphic.state, graphic.text),
        Saying::SocialCandidate(candidate) => {
            format!("for social media, {}: {}", candidate.state, candidate.caption)
        }
        Saying::GraphicWithdrawn(taken) => {
            format!("no graphic{}", because(taken.by, Some(&taken.reason)))
        }
        Saying::SocialWithdrawn(taken) => {
            format!("not for social media{}", because(taken.by, Some(&taken.reason)))
        }
        Saying::Clip(clip) => format!("clip {} {}", clip.id, clip.state),
        Saying::Highlight(highlight) => format!("highlight of {}", highlight.shot),
        Saying::HighlightWithdrawn(taken) => {
            format!("no highlight{}", because(taken.by, Some(&taken.reason)))
        }
    };
    format!("{:>10.3} s  {:<33} {what}", event.at.as_secs_f64(), event.id())
}

fn game_score(score: &GameScore) -> String {
    let [first, second] = &score.teams;
    let pending = match score.pending.points {
        0 => String::new(),
        points => format!(", {points} pending"),
    };
    format!("{} {} : {} {}{pending}", first.team, first.points, second.points, second.team)
}

fn called(word: &str, shot: &Shot) -> String {
    let first = if shot.provisional { ", provisional" } else { "" };
    format!(
        "{word} at rim {}, {:.1} %{first}, decided at {:.3} s{}",
        shot.rim,
        shot.confidence * 100.0,
        shot.t_decided,
        because(shot.by, shot.reason.as_deref())
    )
}

fn because(by: Option<By>, reason: Option<&str>) -> String {
    let who = match by {
        Some(By::Operator) => " by the operator",
        Some(By::Look) => " by the second look",
        Some(By::Model) => " by the model",
        None => "",
    };
    reason.map_or_else(String::new, |reason| format!("{who}: {reason}"))
}
