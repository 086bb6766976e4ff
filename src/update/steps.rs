//! The daemon's steps of an update: what it does next, by its record and by what is seen (pure).
//!
//! ```text
//!  Idle ─order→ Fetching ─whole, signed→ Verified ─ask→ Installing ─root: installed→ Waiting ─no game, or now→ Restarting
//!   ↑              └─refused→ Failed ←──────────────root: refused──────┘                                        │
//!   └ the next order: Good ←─root: good── Trial ←──root: the slot runs──────────────────────────────────────────┤
//!                     FallenBack ←─root: the one before runs again──────────────────────────────────────────────┘
//! ```
//! The record that comes out is on disk before what is to be done is done. The same record and the same sight give the
//! same again: so a cut anywhere is a repeat.

use crate::event::words::UpdateStep;
use crate::update::papers::{
    Ask, Kept, MOST_AHEAD, Order, Phase, Record, Status, UPDATE_FORMAT, What,
};

/// How far the bundle is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// Not all of it is here.
    No,
    /// It is here, and was found to be what was ordered.
    Whole,
    /// It cannot be had, or may not be installed.
    Never(String),
}

/// What is seen now.
#[derive(Clone, Debug)]
pub(crate) struct Seen<'a> {
    /// Of this boot.
    pub(crate) root: Option<&'a Status>,
    pub(crate) fetched: Fetched,
    /// Why it does not restart now.
    pub(crate) game: bool,
    /// The broker has acknowledged something in this session.
    pub(crate) broker: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing: look again.
    Wait,
    /// Fetch, then check.
    Fetch,
    /// Ask root; also when it was asked before and has not answered.
    Ask(Ask),
    /// Let the bundle go.
    Tidy,
}

/// Begins an order. The number goes on from whatever root has heard.
pub(crate) fn ordered(record: &Record, order: Order, root: Option<&Status>) -> Record {
    let heard = root.map_or(0, |status| {
        status.kept.refused.as_ref().map_or(0, |refused| refused.n).max(status.kept.n)
    });
    // A record that is far ahead of what root heard would not be heard at all.
    let ahead = record.n.saturating_sub(heard) > MOST_AHEAD / 2;
    Record {
        step: UpdateStep::Fetching,
        n: if ahead { heard } else { record.n.max(heard) },
        order: Some(order),
        broker: false,
        reason: None,
        ..record.clone()
    }
}

/// The record as it is to be, and what is to be done then.
pub(crate) fn next(record: &Record, seen: &Seen<'_>) -> (Record, Act) {
    let Some(order) = &record.order else { return (record.clone(), Act::Wait) };
    let to = |step| Record { step, reason: None, ..record.clone() };
    let ask = |n, what, broker| Ask {
        format: UPDATE_FORMAT,
        n,
        what,
        sha256: order.sha256.clone(),
        size: order.size,
        signature: order.signature.clone(),
        broker,
    };
    let kept = seen.root.map(|status| &status.kept);
    let ours = kept.filter(|kept| kept.n == record.n && kept.sha256 == order.sha256);
    let refusal = kept
        .and_then(|kept| kept.refused.as_ref())
        .filter(|refused| refused.n == record.n)
        .map(|refused| refused.reason.clone());
    match record.step {
        UpdateStep::Fetching => match &seen.fetched {
            Fetched::No => (record.clone(), Act::Fetch),
            Fetched::Whole => (to(UpdateStep::Verified), Act::Wait),
            Fetched::Never(why) => (failed(record, why.clone()), Act::Tidy),
        },
        UpdateStep::Verified => {
            let n = record.n + 1;
            let next = Record { n, ..to(UpdateStep::Installing) };
            (next, Act::Ask(ask(n, What::Install, false)))
        }
        UpdateStep::Installing => match (refusal, ours) {
            (Some(why), _) => (failed(record, why), Act::Tidy),
            (None, Some(kept)) if kept.phase == Phase::Installed => {
                (to(UpdateStep::Waiting), Act::Wait)
            }
            _ => (record.clone(), Act::Ask(ask(record.n, What::Install, false))),
        },
        UpdateStep::Waiting if seen.game && !order.now => (record.clone(), Act::Wait),
        UpdateStep::Waiting => {
            let n = record.n + 1;
            let next = Record { n, broker: seen.broker, ..to(UpdateStep::Restarting) };
            (next, Act::Ask(ask(n, What::Restart, seen.broker)))
        }
        UpdateStep::Restarting => match (refusal, ours) {
            (Some(why), _) => (failed(record, why), Act::Tidy),
            // Its arming was cut: once more, under a number that root has not heard.
            (None, Some(kept)) if kept.phase == Phase::Installed => {
                (to(UpdateStep::Waiting), Act::Wait)
            }
            (None, Some(kept)) if kept.phase != Phase::Armed => over(record, kept),
            _ => (record.clone(), Act::Ask(ask(record.n, What::Restart, record.broker))),
        },
        UpdateStep::Trial => match (ours, kept) {
            (Some(kept), _) => over(record, kept),
            // Else it would be under way for ever, and no other one be taken.
            (None, Some(kept))
                if matches!(kept.phase, Phase::Nothing | Phase::Good | Phase::FallenBack) =>
            {
                (failed(record, LOST.to_owned()), Act::Tidy)
            }
            (None, _) => (record.clone(), Act::Wait),
        },
        UpdateStep::Idle
        | UpdateStep::Good
        | UpdateStep::FallenBack
        | UpdateStep::Failed
        | UpdateStep::Other => (record.clone(), Act::Wait),
    }
}

const LOST: &str = "root's part lost its record of it, and judged what runs by itself: `courtside update status` says \
                    which image that is";

fn failed(record: &Record, why: String) -> Record {
    let failed = record.failed + 1;
    Record { step: UpdateStep::Failed, reason: Some(why), failed, ..record.clone() }
}

/// Once the other slot was started.
fn over(record: &Record, kept: &Kept) -> (Record, Act) {
    let reason = kept.reason.clone();
    match kept.phase {
        Phase::Good => {
            let good = record.good + 1;
            (Record { step: UpdateStep::Good, reason: None, good, ..record.clone() }, Act::Tidy)
        }
        Phase::FallenBack => {
            let fallen_back = record.fallen_back + 1;
            let step = UpdateStep::FallenBack;
            (Record { step, reason, fallen_back, ..record.clone() }, Act::Tidy)
        }
        Phase::Trial | Phase::GoingBack => {
            (Record { step: UpdateStep::Trial, reason, ..record.clone() }, Act::Wait)
        }
        Phase::Nothing | Phase::Writing | Phase::Installed | Phase::Armed => {
            (record.clone(), Act::Wait)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::papers::{Refusal, Slot};

    fn order(now: bool) -> Order {
        Order {
            url: "https://updates.example/b".into(),
            sha256: "ab".into(),
            size: 9,
            signature: "signed".into(),
            version: None,
            now,
        }
    }

    fn at(step: UpdateStep, n: u64) -> Record {
        Record { step, n, order: Some(order(false)), ..Record::default() }
    }

    fn told(n: u64, phase: Phase) -> Status {
        let kept = Kept { n, phase, sha256: "ab".into(), ..Kept::default() };
        let (boot, compatible, version) = ("boot".into(), "box".into(), "0.1.0".into());
        Status { format: UPDATE_FORMAT, boot, compatible, version, booted: Slot::A, kept }
    }

    fn step(record: &Record, root: Option<&Status>, fetched: Fetched, game: bool) -> (Record, Act) {
        let seen = Seen { root, fetched, game, broker: true };
        let (next, act) = next(record, &seen);
        // What is written and seen again is the same: a cut behind the record costs a repeat.
        if next.step == record.step {
            assert_eq!(self::next(&next, &seen), (next.clone(), act.clone()));
        }
        (next, act)
    }

    #[test]
    fn an_update_goes_step_by_step_to_its_trial() {
        let record = ordered(&Record { n: 3, ..Record::default() }, order(false), None);
        assert_eq!((record.step, record.n), (UpdateStep::Fetching, 3));
        let (same, act) = step(&record, None, Fetched::No, false);
        assert_eq!((same, act), (record.clone(), Act::Fetch));
        let (record, _) = step(&record, None, Fetched::Whole, false);
        let (record, act) = step(&record, None, Fetched::Whole, false);
        let Act::Ask(ask) = act else { panic!("{act:?}") };
        assert_eq!((ask.n, ask.what, record.n), (4, What::Install, 4));
        // Unanswered: the same ask.
        let (_, act) = step(&record, Some(&told(3, Phase::Nothing)), Fetched::Whole, false);
        assert_eq!(act, Act::Ask(ask));
        let (record, _) = step(&record, Some(&told(4, Phase::Installed)), Fetched::Whole, true);
        assert_eq!(record.step, UpdateStep::Waiting);
        let (same, act) = step(&record, Some(&told(4, Phase::Installed)), Fetched::Whole, true);
        assert_eq!((same, act), (record.clone(), Act::Wait), "a game runs");
        let (record, act) = step(&record, Some(&told(4, Phase::Installed)), Fetched::Whole, false);
        let Act::Ask(ask) = act else { panic!("{act:?}") };
        assert_eq!((ask.n, ask.what, ask.broker), (5, What::Restart, true));
        let (trial, _) = step(&record, Some(&told(5, Phase::Trial)), Fetched::Whole, false);
        assert_eq!(trial.step, UpdateStep::Trial);
        let (good, act) = step(&trial, Some(&told(5, Phase::Good)), Fetched::Whole, false);
        assert_eq!((good.step, good.good, act), (UpdateStep::Good, 1, Act::Tidy));
        let (back, act) = step(&trial, Some(&told(5, Phase::FallenBack)), Fetched::Whole, false);
        assert_eq!((back.step, back.fallen_back, act), (UpdateStep::FallenBack, 1, Act::Tidy));
    }

    #[test]
    fn now_does_not_wait_for_a_game() {
        let record = Record { order: Some(order(true)), ..at(UpdateStep::Waiting, 4) };
        let (next, _) = step(&record, Some(&told(4, Phase::Installed)), Fetched::Whole, true);
        assert_eq!(next.step, UpdateStep::Restarting);
    }

    #[test]
    fn what_is_refused_is_told_and_never_asked_again() {
        let (next, act) =
            step(&at(UpdateStep::Fetching, 3), None, Fetched::Never("forged".into()), false);
        assert_eq!((next.step, act), (UpdateStep::Failed, Act::Tidy));
        let mut status = told(4, Phase::Nothing);
        status.kept.refused = Some(Refusal { n: 4, reason: "older".into() });
        for before in [UpdateStep::Installing, UpdateStep::Restarting] {
            let (next, act) = step(&at(before, 4), Some(&status), Fetched::Whole, false);
            assert_eq!((next.step, act), (UpdateStep::Failed, Act::Tidy));
            assert_eq!(next.reason.as_deref(), Some("older"));
            assert_eq!(step(&next, Some(&status), Fetched::Whole, false).1, Act::Wait);
        }
        // Of another order.
        status.kept.refused = Some(Refusal { n: 3, reason: "older".into() });
        let (next, _) = step(&at(UpdateStep::Installing, 4), Some(&status), Fetched::Whole, false);
        assert_eq!(next.step, UpdateStep::Installing);
        // The next order is numbered behind it.
        status.kept.refused = Some(Refusal { n: 9, reason: "older".into() });
        assert_eq!(ordered(&Record::default(), order(false), Some(&status)).n, 9);
        let far = Record { n: u64::MAX, ..Record::default() };
        assert_eq!(ordered(&far, order(false), Some(&status)).n, 9, "root hears no such number");
    }

    #[test]
    fn a_trial_of_which_root_lost_its_record_is_over() {
        let trial = at(UpdateStep::Trial, 5);
        for phase in [Phase::Trial, Phase::GoingBack] {
            assert_eq!(step(&trial, Some(&told(0, phase)), Fetched::Whole, false).1, Act::Wait);
        }
        let (next, act) = step(&trial, Some(&told(0, Phase::Good)), Fetched::Whole, false);
        assert_eq!(
            (next.step, act),
            (UpdateStep::Failed, Act::Tidy),
            "else none is taken any more"
        );
    }

    #[test]
    fn an_arming_that_was_cut_is_asked_for_under_another_number() {
        let record = at(UpdateStep::Restarting, 5);
        let (next, _) = step(&record, Some(&told(5, Phase::Installed)), Fetched::Whole, true);
        assert_eq!(next.step, UpdateStep::Waiting);
    }
}
