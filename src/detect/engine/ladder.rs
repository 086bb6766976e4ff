//! Which of several engines runs a network, and which is tried next (pure).
//!
//! ```text
//!   rung 0, the best      Wanted{from} ──begin──▶ Making ──made──▶ it runs ──failed──▶ Wanted{later}
//!        …                     ▲                     │
//!   the last: always ready     └──────not_made───────┤
//!                                                    └─refused──▶ Refused
//! ```
//!
//! One that fails is let go at once and the last one runs, which stands ready; then the best that may
//! be tried is made beside it, one at a time, and takes over when it is there. One that was let go is
//! tried again after a while that doubles each time, and starts anew once it has run well for long; but
//! never as long as one of it hangs in a call.

use std::time::Duration;

use crate::media::Monotonic;

/// How long after its failure an engine is tried again, at first and at most; and after how long a run
/// its failures are forgotten (chosen: a driver that comes back does so within seconds, and what fails
/// each time costs one look in five minutes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(crate) first: Duration,
    pub(crate) most: Duration,
    pub(crate) well: Duration,
}

impl Patience {
    pub(crate) const USUAL: Self = Self {
        first: Duration::from_secs(5),
        most: Duration::from_secs(300),
        well: Duration::from_secs(600),
    };
}

/// What an engine that does not run is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rung {
    /// It may be made from then on; at its next failure it waits so long.
    Wanted { from: Monotonic, wait: Duration },
    /// It is being made; at its next failure it waits so long.
    Making { wait: Duration },
    /// It never runs this network.
    Refused,
}

/// The engines of one network, best first.
#[derive(Debug)]
pub(crate) struct Ladder {
    patience: Patience,
    /// All but the last.
    better: Vec<Rung>,
    /// Those of which one hangs in a call: no second one is made beside it.
    held: Vec<bool>,
    at: usize,
    since: Monotonic,
}

impl Ladder {
    /// With so many engines above the last one, which runs now.
    pub(crate) fn new(patience: Patience, better: usize, now: Monotonic) -> Self {
        let wanted = Rung::Wanted { from: now, wait: patience.first };
        let held = vec![false; better];
        Self { patience, better: vec![wanted; better], held, at: better, since: now }
    }

    /// Which one runs.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// What a better one waits for.
    pub(crate) fn rung(&self, rung: usize) -> Option<Rung> {
        self.better.get(rung).copied()
    }

    /// The one that is to be made now, if any.
    pub(crate) fn due(&self, now: Monotonic) -> Option<usize> {
        let above = self.better.get(..self.at)?;
        if self.better.iter().any(|rung| matches!(rung, Rung::Making { .. })) {
            return None;
        }
        let may = |rung: &Rung| matches!(rung, Rung::Wanted { from, .. } if *from <= now);
        above.iter().zip(&self.held).position(|(rung, held)| may(rung) && !held)
    }

    /// One of it that was let go hangs in a call, or does no more.
    pub(crate) fn holds(&mut self, rung: usize, hangs: bool) {
        if let Some(held) = self.held.get_mut(rung) {
            *held = hangs;
        }
    }

    /// True if one of it that was let go hangs in a call.
    pub(crate) fn is_held(&self, rung: usize) -> bool {
        self.held.get(rung).copied().unwrap_or(false)
    }

    /// It is being made.
    pub(crate) fn begins(&mut self, rung: usize) {
        if let Some(rung @ Rung::Wanted { .. }) = self.better.get_mut(rung) {
            let Rung::Wanted { wait, .. } = *rung else { return };
            *rung = Rung::Making { wait };
        }
    }

    /// It is there: true if it shall run from now on.
    pub(crate) fn made(&mut self, rung: usize, now: Monotonic) -> bool {
        let Some(known) = self.better.get_mut(rung) else { return false };
        let wait = match *known {
            Rung::Making { wait } | Rung::Wanted { wait, .. } => wait,
            Rung::Refused => self.patience.first,
        };
        *known = Rung::Wanted { from: now, wait };
        if rung >= self.at {
            return false;
        }
        (self.at, self.since) = (rung, now);
        true
    }

    /// It could not be made; for good, if `refused`.
    pub(crate) fn not_made(&mut self, rung: usize, refused: bool, now: Monotonic) {
        let most = self.patience.most;
        let Some(known) = self.better.get_mut(rung) else { return };
        *known = match *known {
            Rung::Wanted { wait, .. } | Rung::Making { wait } if !refused => {
                Rung::Wanted { from: now.plus(wait), wait: (wait * 2).min(most) }
            }
            _ => Rung::Refused,
        };
    }

    /// What runs has failed: the last one runs from now on. False: it was that one.
    pub(crate) fn failed(&mut self, now: Monotonic) -> bool {
        let (at, ran) = (self.at, now.since(self.since));
        let Some(Rung::Wanted { wait, .. }) = self.better.get_mut(at) else { return false };
        if ran >= self.patience.well {
            *wait = self.patience.first;
        }
        self.not_made(at, false, now);
        (self.at, self.since) = (self.better.len(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::ZERO.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn the_best_that_is_well_runs_and_the_last_is_never_waited_for() {
        let mut ladder = Ladder::new(Patience::USUAL, 2, at(0));
        assert_eq!((ladder.at(), ladder.due(at(0))), (2, Some(0)), "the last runs at once");
        ladder.begins(0);
        assert_eq!(ladder.due(at(9)), None, "one at a time");
        assert!(ladder.made(0, at(9)));
        assert_eq!((ladder.at(), ladder.due(at(9))), (0, None), "nothing is better");
        assert!(ladder.failed(at(20)));
        assert_eq!(
            (ladder.at(), ladder.due(at(20))),
            (2, Some(1)),
            "the next one, the first waits"
        );
        ladder.begins(1);
        assert!(ladder.made(1, at(21)));
        assert_eq!((ladder.at(), ladder.due(at(24))), (1, None));
        assert_eq!(ladder.due(at(25)), Some(0), "and back again");
        ladder.begins(0);
        assert!(ladder.made(0, at(26)));
        assert!(ladder.failed(at(27)), "it was not well");
        assert_eq!((ladder.due(at(36)), ladder.due(at(37))), (Some(1), Some(0)), "waits longer");
        ladder.not_made(1, true, at(36));
        assert_eq!((ladder.due(at(36)), ladder.rung(1)), (None, Some(Rung::Refused)));
        ladder.begins(0);
        assert!(ladder.made(0, at(40)));
        assert!(ladder.failed(at(700)), "it ran well for long");
        assert_eq!((ladder.due(at(704)), ladder.due(at(705))), (None, Some(0)), "is forgiven");
    }

    #[test]
    fn one_that_hangs_is_not_made_again_beside_itself() {
        let mut ladder = Ladder::new(Patience::USUAL, 2, at(0));
        ladder.begins(0);
        assert!(ladder.made(0, at(1)) && ladder.failed(at(2)));
        ladder.holds(0, true);
        assert_eq!(ladder.due(at(2)), Some(1), "the next one is");
        ladder.begins(1);
        assert!(ladder.made(1, at(3)));
        assert_eq!(ladder.due(at(100_000)), None, "however long it hangs");
        ladder.holds(0, false);
        assert_eq!(ladder.due(at(100_000)), Some(0));
    }

    #[test]
    fn the_last_one_has_nothing_to_fall_to() {
        let mut ladder = Ladder::new(Patience::USUAL, 0, at(0));
        assert_eq!((ladder.at(), ladder.due(at(0))), (0, None));
        assert!(!ladder.failed(at(1)));
    }

    proptest! {
        /// Whatever happens: what runs was made or is the last, nothing is made twice at once, and what
        /// fails each time is tried ever more rarely, but at least each five minutes.
        #[test]
        fn some_engine_runs_whatever_happens(steps in prop::collection::vec((0u8..5, 1u64..90), 1..200)) {
            let mut ladder = Ladder::new(Patience::USUAL, 3, at(0));
            let (mut now, mut making, mut made) = (0, None, vec![false; 3]);
            for (step, later) in steps {
                now += later;
                match (step, making) {
                    (0, None) => {
                        if let Some(rung) = ladder.due(at(now)) {
                            prop_assert!(rung < ladder.at());
                            ladder.begins(rung);
                            prop_assert_eq!(ladder.due(at(now)), None);
                            making = Some(rung);
                        }
                    }
                    (1, Some(rung)) => {
                        if ladder.made(rung, at(now)) {
                            made = vec![false; 3];
                            made[rung] = true;
                        }
                        making = None;
                    }
                    (2, Some(rung)) => {
                        ladder.not_made(rung, false, at(now));
                        making = None;
                    }
                    (3, _) => {
                        let ran = ladder.at();
                        prop_assert_eq!(ladder.failed(at(now)), ran < 3);
                        made = vec![false; 3];
                    }
                    _ => {}
                }
                prop_assert!(ladder.at() == 3 || made[ladder.at()]);
                if making.is_none() && ladder.at() > 0 {
                    prop_assert!(ladder.due(at(now + 300)).is_some(), "somebody is tried again");
                }
            }
        }
    }
}
