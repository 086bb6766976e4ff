//! Calibration as a court would live it: attempt k is called with what attempts 1 to k − 1 taught.
//!
//! The answers of one run are played again through games that are calibrated, a court's videos in
//! the order of the truth; what one video taught goes on to the court's next. A court is what the
//! truth calls so, wherever its rim was drawn (clips are cut to their own sizes), and whatever
//! `--one-court` counts it as: two cameras of a hall do not learn from each other. Verdicts come from
//! the truth, as a person's would: after a video was called, for the court's first attempts, those
//! that were not found, and calls of no attempt, among them.

use std::collections::BTreeMap;

use crate::answer::RimAnswer;
use crate::config::Calibrate;
use crate::detect::Bundle;
use crate::event::{Event, FactId};
use crate::game::Game;
use crate::game::calibrate::{Calibration, Verdict};
use crate::game::log::events as told;
use crate::media::{CloseReason, RimBox, SessionId};
use crate::tools::eval::score::{Call, calls, judge};
use crate::tools::eval::table::Table;
use crate::tools::eval::truth::{Video, court};

/// Attempts of a court that a person gives a verdict on (chosen; design/calibration.md has
/// its figures with so many).
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
    table.name = format!("{}, {}", bundle.name, how.word());
    let cut = bundle.rim()?.decision.cut;
    let mut courts: BTreeMap<&str, Court> = BTreeMap::new();
    for (session, (video, recorded)) in (1..).zip(videos.iter().zip(recorded)) {
        let court = courts.entry(&video.camera).or_default();
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
            let learnt = calibration.learnt(cut);
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
        let game = Game::new(court()?, video.rims.len());
        let mut game = game.calibrated(Calibrate::On, std::mem::take(&mut self.rims));
        let mut events = Vec::new();
        for answer in &recorded.answers {
            events.extend(told(game.step(&RimAnswer { session, ..answer.clone() })));
        }
        events.extend(told(game.session_closed(session, CloseReason::Ended)));
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
        events.iter().find_map(|event| {
            let shot = event.saying.shot()?;
            (!shot.provisional && shot.t_stream.to_bits() == call.t.to_bits()).then_some(event.fact)
        })
    };
    all.iter().filter_map(|call| Some((fact(call)?, of(call)?))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::answer::{ModelIdentity, RimProbabilities};
    use crate::detect::{self, IN_THE_BINARY};
    use crate::media::{CourtId, MediaTime, Monotonic, RimId};
    use crate::tools::eval::truth::Attempt;

    /// A miss that is a little rather made (log-odds 0.32), at `t_rim` 0.2 s.
    fn doubtful_miss(bundle: &Bundle, court: &str) -> (Video, Recorded) {
        let attempt = Attempt { t_rim: 0.2, t_truth: 0.3, ..Attempt::default() };
        let video = Video {
            told_in: String::new(),
            file: PathBuf::from("clip.mp4"),
            court: court.to_owned(),
            camera: court.to_owned(),
            rims: vec![PLACE],
            attempts: vec![attempt],
            clip: true,
            fps: None,
            net: None,
        };
        let model = Arc::new(ModelIdentity {
            bundle: bundle.name.clone(),
            version: bundle.version.clone(),
            precision: "fp32".to_owned(),
            engine: "script".to_owned(),
            decision: bundle.rim().expect("decides").decision.clone(),
        });
        let looks = (0..).zip("...uuuu????????????????......".chars());
        let answers = looks.map(|(n, look)| {
            let [none, under_way, made, missed] = match look {
                'u' => [0.05, 0.85, 0.05, 0.05],
                '?' => [0.02, 0.03, 0.55, 0.40],
                _ => [0.94, 0.02, 0.02, 0.02],
            };
            RimAnswer {
                court: CourtId::new("eval").expect("name"),
                rim: RimId(0),
                session: SessionId::from_bits(1),
                pts: MediaTime::from_millis(n * 33),
                says: RimProbabilities { none, under_way, made, missed },
                warming: false,
                model: Arc::clone(&model),
                arrival: Monotonic::ZERO,
                answered: Monotonic::ZERO,
            }
        });
        (video, Recorded { answers: answers.collect(), seconds: 1.0 })
    }

    #[test]
    fn each_court_learns_from_its_own_attempts_before_and_from_no_other() {
        let mut bundle = detect::find("rimnet", &[], IN_THE_BINARY).expect("in the binary");
        // What is learnt shows in the calls, not in who is sure of them.
        bundle.rim_mut().expect("decides").decision.unsure = 0.0;
        // Court B comes between A's, and once more after A has learnt.
        let order = ["A", "B", "A", "A", "A", "A", "B"];
        let (videos, recorded): (Vec<_>, Vec<_>) =
            order.iter().map(|court| doubtful_miss(&bundle, court)).unzip();
        let right = |how| {
            let table = table(&bundle, &videos, &recorded, how).expect("played");
            table.called.iter().map(|(_, judged)| judged.right()).collect::<Vec<_>>()
        };
        assert_eq!(right(Verdicts::Unlabelled), [false; 7]);
        let labelled = right(Verdicts::Labelled);
        assert!(!labelled[0] && !labelled[1], "nothing is known before the first verdict");
        assert!(labelled[5], "A learnt: {labelled:?}");
        assert!(!labelled[2], "one verdict is not enough");
        assert!(!labelled[6], "B had one verdict of its own");
    }

    #[test]
    fn verdicts_are_those_of_the_truth() {
        let bundle = detect::find("rimnet", &[], IN_THE_BINARY).expect("in the binary");
        let (mut video, recorded) = doubtful_miss(&bundle, "A");
        let said = |video: &Video| {
            let mut court = Court::default();
            let session = SessionId::from_bits(1);
            let events =
                court.plays(video, &recorded, session, Verdicts::Unlabelled).expect("played");
            verdicts(video, &events).into_iter().map(|(_, verdict)| verdict).collect::<Vec<_>>()
        };
        assert_eq!(said(&video), [Verdict::Missed]);
        video.attempts[0].made = true;
        assert_eq!(said(&video), [Verdict::Made]);
        // Nobody says anything of what is doubtful; what was no attempt is said to be none.
        video.attempts[0].doubtful = true;
        assert_eq!(said(&video), []);
        video.attempts.clear();
        assert_eq!(said(&video), [Verdict::None]);
    }
}
