//! Calibration as a court would live it: attempt k is called with what attempts 1 to k − 1 taught.
//!
//! The answers of one run are played again through games that are calibrated, a court's videos in
//! the order of the truth; what one video taught goes on to the court's next. A court is what the
//! truth calls so, wherever its rim was drawn: clips are cut to their own sizes. Verdicts come from
//! the truth, as a person's would: after a video was called, for the court's first attempts, those
//! that were not found, and calls of no attempt, among them.

use std::collections::BTreeMap;

use crate::answer::RimAnswer;
use crate::config::Calibrate;
use crate::detect::Bundle;
use crate::event::{Event, FactId, Saying, Score as Points};
use crate::game::Game;
use crate::game::calibrate::{Calibration, Verdict};
use crate::media::{CloseReason, RimBox, SessionId};
use crate::tools::eval::score::{Call, calls, judge};
use crate::tools::eval::table::Table;
use crate::tools::eval::truth::Video;

/// Attempts of a court that a person gives a verdict on (issue 9).
const JUDGED: usize = 10;
/// Attempts without which a court is not worth a line.
const TOLD_FROM: usize = 5;
/// Where every rim is said to be: the truth's is that of a clip's own cut.
const PLACE: RimBox = RimBox { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };

/// What a court learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Verdicts {
    // Its own answers alone.
    Unlabelled,
    // Verdicts on its first ten attempts too.
    Labelled,
}

impl Verdicts {
    const fn word(self) -> &'static str {
        match self {
            Self::Unlabelled => "unlabelled",
            Self::Labelled => "labelled",
        }
    }
}

/// One video's answers, and its length, s.
pub(super) struct Recorded {
    pub(super) answers: Vec<RimAnswer>,
    pub(super) seconds: f64,
}

/// What a court has learnt so far.
#[derive(Default)]
struct Court {
    rims: Vec<Calibration>,
    judged: usize,
}

/// Plays the recorded answers of all videos again, calibrated.
pub(super) fn table(
    bundle: &Bundle,
    videos: &[Video],
    recorded: &[Recorded],
    how: Verdicts,
) -> anyhow::Result<Table> {
    let mut table = Table::new(bundle);
    table.name = format!("{} (calibrated, {})", bundle.name, how.word());
    let mut courts: BTreeMap<&str, Court> = BTreeMap::new();
    for (session, (video, recorded)) in (1..).zip(videos.iter().zip(recorded)) {
        let court = courts.entry(&video.court).or_default();
        let events = court.plays(video, recorded, SessionId::from_bits(session), how)?;
        let (mut score, none) = judge(&video.attempts, &calls(&events));
        if !video.clip {
            score.stream_seconds = recorded.seconds;
            score.stream_false_events = score.false_events;
        }
        table.take(video, &score, &none);
    }
    for (name, court) in courts {
        for (rim, calibration) in court.rims.iter().enumerate() {
            let learnt = calibration.learnt(bundle.decision.cut);
            if learnt.attempts < TOLD_FROM {
                continue;
            }
            let middle = learnt.middle.map_or_else(|| "-".to_owned(), |at| format!("{at:+.2}"));
            table.notes.push(format!(
                "court {name}, rim {rim}: {} attempts, {} verdicts, middle {middle}, shift {:+.2} at \
                 the end",
                learnt.attempts, learnt.verdicts, learnt.shift
            ));
        }
    }
    Ok(table)
}

impl Court {
    /// Plays one video, and learns from it.
    fn plays(
        &mut self,
        video: &Video,
        recorded: &Recorded,
        session: SessionId,
        how: Verdicts,
    ) -> anyhow::Result<Vec<Event>> {
        while self.rims.len() < video.rims.len() {
            self.rims.push(Calibration::new(PLACE));
        }
        let game = Game::new(crate::tools::eval::court()?, video.rims.len(), Points::default());
        let mut game = game.calibrated(Calibrate::On, std::mem::take(&mut self.rims));
        let mut events = Vec::new();
        for answer in &recorded.answers {
            events.extend(game.step(&RimAnswer { session, ..answer.clone() }));
        }
        events.extend(game.session_closed(session, CloseReason::Ended));
        if how == Verdicts::Labelled {
            for (fact, verdict) in verdicts(video, &events) {
                // Calls of no attempt are told, and do not count.
                if self.judged < JUDGED {
                    game.said(fact, verdict);
                    self.judged += usize::from(verdict != Verdict::None);
                }
            }
        }
        self.rims = game.learnt().map(|(calibration, _)| calibration.clone()).collect();
        Ok(events)
    }
}

/// What the truth says of each final, in order of time; nothing of one that is doubtful.
fn verdicts(video: &Video, events: &[Event]) -> Vec<(FactId, Verdict)> {
    let all = calls(events);
    let (score, none) = judge(&video.attempts, &all);
    let of = |call: &Call| {
        let judged = score.judged.iter().find(|judged| judged.call == Some(*call));
        match judged {
            Some(judged) if judged.truth.made => Some(Verdict::Made),
            Some(_) => Some(Verdict::Missed),
            None => none.contains(&call.t).then_some(Verdict::None),
        }
    };
    let fact = |call: &Call| {
        events.iter().find_map(|event| match &event.saying {
            Saying::ShotMade(shot) | Saying::ShotMissed(shot) | Saying::ShotUnsure(shot) => {
                (!shot.provisional && shot.t_stream.to_bits() == call.t.to_bits())
                    .then_some(event.fact)
            }
            Saying::ShotWithdrawn(_)
            | Saying::Score(_)
            | Saying::Highlight(_)
            | Saying::HighlightWithdrawn(_) => None,
        })
    };
    all.iter().filter_map(|call| Some((fact(call)?, of(call)?))).collect()
}
