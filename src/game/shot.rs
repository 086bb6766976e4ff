//! The lowest layer of facts: what is told of a shot.

use crate::event::{By, Event, FactId, Saying, Shot, Withdrawal};
use crate::game::highlight;
use crate::game::input::{Called, InGame, Standing};
use crate::media::CourtId;

/// The reason of what stands again.
pub(super) const UNDONE: &str = "undone";

/// A shot as a fact: what its event is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShotFact<'a> {
    pub(super) court: &'a CourtId,
    pub(super) fact: FactId,
    pub(super) revision: u32,
    pub(super) attempt: u32,
    pub(super) called: &'a Called,
    /// What the game makes of it now.
    pub(super) in_game: Option<&'a InGame>,
}

/// Who said how a shot is, if it was not its model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'a> {
    pub(super) by: By,
    pub(super) who: Option<&'a str>,
    pub(super) reason: &'a str,
}

impl ShotFact<'_> {
    /// The first word.
    pub(super) fn provisional(self) -> Event {
        let mut shot = self.called.shot(true);
        if let Some(in_game) = self.in_game {
            in_game.tell(&mut shot);
        }
        self.event(worded(self.called.standing, shot))
    }

    /// The last word, or a correction of it: how the shot stands now, and who said so and why, if it
    /// was not its model.
    pub(super) fn standing(self, stands: Standing, said: Option<Word<'_>>) -> Event {
        if stands == Standing::NoShot {
            return self.withdrawn(said.map_or("", |said| said.reason), said);
        }
        let mut shot = self.called.shot(false);
        if let Some(in_game) = self.in_game {
            in_game.tell(&mut shot);
        }
        if let Some(Word { by, who, reason }) = said {
            (shot.by, shot.who) = (Some(by), who.map(str::to_owned));
            shot.reason = Some(reason.to_owned());
        }
        if stands == Standing::Made {
            shot.clip = Some(highlight::clip_path(self.court, self.fact));
        }
        self.event(worded(stands, shot))
    }

    /// There was no shot.
    pub(super) fn withdrawn(self, reason: &str, said: Option<Word<'_>>) -> Event {
        let t_stream = self.called.reached().as_secs_f64();
        let (by, who) = said.map(|said| (said.by, said.who.map(str::to_owned))).unzip();
        let (reason, who) = (reason.to_owned(), who.flatten());
        self.event(Saying::ShotWithdrawn(Withdrawal { t_stream, reason, by, who }))
    }

    fn event(self, saying: Saying) -> Event {
        Event {
            court: self.court.clone(),
            session: self.called.session,
            game: self.in_game.map(|in_game| in_game.game.clone()),
            fact: self.fact,
            revision: self.revision,
            attempt: self.attempt,
            at: self.called.reached(),
            saying,
            clip: None,
        }
    }
}

/// Says in an event who took the last correction back: what stands again was said by somebody else.
pub(super) fn undone(event: &mut Event, who: Option<&str>) {
    let told = match &mut event.saying {
        Saying::ShotMade(shot) | Saying::ShotMissed(shot) | Saying::ShotUnsure(shot) => {
            shot.reason = Some(UNDONE.to_owned());
            &mut shot.who
        }
        Saying::ShotWithdrawn(withdrawal) => {
            UNDONE.clone_into(&mut withdrawal.reason);
            &mut withdrawal.who
        }
        _ => return,
    };
    *told = who.map(str::to_owned);
}

fn worded(stands: Standing, shot: Shot) -> Saying {
    match stands {
        Standing::Made => Saying::ShotMade(shot),
        Standing::Missed => Saying::ShotMissed(shot),
        Standing::Unsure | Standing::NoShot => Saying::ShotUnsure(shot),
    }
}
