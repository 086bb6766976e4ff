//! The lowest layer of facts: what is told of a shot.

use crate::event::{By, Event, FactId, Saying, Shot, Withdrawal};
use crate::game::highlight;
use crate::game::input::{Called, Standing};
use crate::media::CourtId;

/// A shot as a fact: what its event is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShotFact<'a> {
    pub(super) court: &'a CourtId,
    pub(super) fact: FactId,
    pub(super) revision: u32,
    pub(super) attempt: u32,
    pub(super) called: &'a Called,
}

impl ShotFact<'_> {
    /// The first word.
    pub(super) fn provisional(self) -> Event {
        self.event(worded(self.called.standing, self.called.shot(true)))
    }

    /// The last word, or a correction of it: how the shot stands now, and who said so and why, if it
    /// was not its model.
    pub(super) fn standing(self, stands: Standing, corrected: Option<(By, &str)>) -> Event {
        if stands == Standing::NoShot {
            let (by, reason) = corrected.unzip();
            return self.withdrawn(reason.unwrap_or_default(), by);
        }
        let mut shot = self.called.shot(false);
        (shot.by, shot.reason) =
            (corrected.map(|(by, _)| by), corrected.map(|(_, why)| why.to_owned()));
        if stands == Standing::Made {
            shot.clip = Some(highlight::clip_path(self.court, self.fact));
        }
        self.event(worded(stands, shot))
    }

    /// There was no shot.
    pub(super) fn withdrawn(self, reason: &str, by: Option<By>) -> Event {
        let t_stream = self.called.reached().as_secs_f64();
        let reason = reason.to_owned();
        self.event(Saying::ShotWithdrawn(Withdrawal { t_stream, reason, by, who: None }))
    }

    fn event(self, saying: Saying) -> Event {
        Event {
            court: self.court.clone(),
            session: self.called.session,
            game: None,
            fact: self.fact,
            revision: self.revision,
            attempt: self.attempt,
            at: self.called.reached(),
            saying,
            clip: None,
        }
    }
}

fn worded(stands: Standing, shot: Shot) -> Saying {
    match stands {
        Standing::Made => Saying::ShotMade(shot),
        Standing::Missed => Saying::ShotMissed(shot),
        Standing::Unsure | Standing::NoShot => Saying::ShotUnsure(shot),
    }
}
