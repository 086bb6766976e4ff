//! Which event goes out next. Pure: knows positions, not events.
//!
//! ```text
//!            decided, connected ─→ live ──┐
//! decided, not connected ─→ backlog ──────┼─ next ─→ in flight ─ acknowledged ─→ gone from here
//!                            ↑            │              │ refused ─→ parked ─ next session ─→ backlog
//!                            │            │              └ refused for now ─→ resting ─ later ─→ backlog
//!                            └── link lost, all of live and in flight ←┘
//! ```
//! What each code of a refusal means is the standard's table (`broker::reason`). After one that is for now
//! the window begins at one again; after some in a row nothing goes out but one probe each time that the
//! pause is over: a quota that is used up is not asked ten thousand times.
//!
//! Some brokers close the connection with a refusal (mosquitto 2.0.11 does), and what was sent behind
//! it dies unanswered. So a session after a broken one is careful: it sends one event, and twice as
//! many with each PUBACK; and one that follows a refusal leaves the refused ones parked.
//!
//! A position is the order of decision over all courts, so order by position is order per court.
//! Live goes first, and a part of the window is kept free for it: backlog never makes it wait.

use std::collections::{BTreeMap, BTreeSet};

use crate::broker::reason::{Then, of_publish};

/// Publishes without a PUBACK at a time, whatever the broker allows: what is in doubt when the
/// link goes is little (chosen).
pub(crate) const WINDOW: u16 = 32;

/// What became of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendOutcome {
    /// PUBACK below 0x80.
    Acknowledged,
    /// PUBACK 0x80 or above.
    Refused {
        /// MQTT reason code.
        code: u8,
    },
    /// The session ended, or dropped it, without a word.
    Lost,
}

/// How a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begin {
    /// Publishes that the broker takes at a time.
    pub(crate) receive_maximum: u16,
    /// The last session broke.
    pub(crate) careful: bool,
    /// What was refused for its rights or a quota goes out again.
    pub(crate) try_refused: bool,
}

/// Refusals for now in a row, from which on one at a time is tried.
const HOLDS: u32 = 8;

/// True for a refusal that another session may not repeat.
#[must_use]
pub(crate) fn tried_again(code: u8) -> bool {
    of_publish(code) != Then::Parked
}

/// The two lanes of one box.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lanes {
    /// Counts connections; outcomes of an earlier one mean less. 0: never connected.
    epoch: u64,
    /// Publishes that may be in flight; 0 while there is no connection.
    window: usize,
    /// What `window` grows to.
    full_window: usize,
    live: BTreeSet<u64>,
    backlog: BTreeSet<u64>,
    in_flight: BTreeSet<u64>,
    /// Backlog's share of `in_flight`.
    backlog_in_flight: BTreeSet<u64>,
    parked: BTreeMap<u64, u8>,
    /// Refused for now.
    resting: BTreeSet<u64>,
    /// Such refusals since the last acknowledgement.
    refusals: u32,
    /// Nothing goes out until it is time again.
    holds: bool,
}

impl Lanes {
    /// What a store held at start: waiting ones, and refused ones with their codes.
    #[must_use]
    pub(crate) fn recovered(waiting: impl IntoIterator<Item = (u64, Option<u8>)>) -> Self {
        let mut lanes = Self::default();
        for (position, refused) in waiting {
            match refused {
                Some(code) if !tried_again(code) => {
                    lanes.parked.insert(position, code);
                }
                Some(_) | None => {
                    lanes.backlog.insert(position);
                }
            }
        }
        lanes
    }

    /// Takes in what a store holds that was begun anew: what nobody here knew of goes out as backlog.
    pub(crate) fn join(&mut self, waiting: &[(u64, Option<u8>)]) {
        for (position, refused) in waiting {
            let known = self.live.contains(position)
                || self.backlog.contains(position)
                || self.in_flight.contains(position)
                || self.parked.contains_key(position)
                || self.resting.contains(position);
            match refused {
                _ if known => {}
                Some(code) if !tried_again(*code) => {
                    self.parked.insert(*position, *code);
                }
                Some(_) | None => {
                    self.backlog.insert(*position);
                }
            }
        }
    }

    /// A session begins.
    pub(crate) fn connected(&mut self, epoch: u64, begin: Begin) {
        self.disconnected();
        self.epoch = epoch;
        self.full_window = usize::from(begin.receive_maximum.clamp(1, WINDOW));
        self.window = if begin.careful { 1 } else { self.full_window };
        if !begin.try_refused {
            return;
        }
        let again: Vec<u64> =
            self.parked.iter().filter(|(_, code)| tried_again(**code)).map(|(at, _)| *at).collect();
        for position in again {
            self.parked.remove(&position);
            self.backlog.insert(position);
        }
    }

    /// The session is over: what has no PUBACK goes out again, in order, as backlog.
    pub(crate) fn disconnected(&mut self) {
        self.window = 0;
        self.backlog.append(&mut self.in_flight);
        self.backlog.append(&mut self.live);
        self.backlog.append(&mut self.resting);
        self.backlog_in_flight.clear();
        (self.refusals, self.holds) = (0, false);
    }

    /// What was refused for now goes out again.
    pub(crate) fn again(&mut self) {
        self.backlog.append(&mut self.resting);
        self.holds = false;
    }

    /// The running connection, if there is one.
    #[must_use]
    pub(crate) fn epoch(&self) -> Option<u64> {
        (self.window > 0).then_some(self.epoch)
    }

    /// An event is on disk.
    pub(crate) fn decided(&mut self, position: u64) {
        if self.window > 0 {
            self.live.insert(position);
        } else {
            self.backlog.insert(position);
        }
    }

    /// The next to go out, now in flight; `None` while the window is full or nothing waits.
    pub(crate) fn next(&mut self) -> Option<u64> {
        if self.in_flight.len() >= self.window || self.holds {
            return None;
        }
        if let Some(position) = self.live.pop_first() {
            self.in_flight.insert(position);
            return Some(position);
        }
        // A quarter of the window stays free for what is decided meanwhile.
        let share = (self.window - self.window / 4).max(1);
        if self.backlog_in_flight.len() >= share {
            return None;
        }
        let position = self.backlog.pop_first()?;
        self.in_flight.insert(position);
        self.backlog_in_flight.insert(position);
        Some(position)
    }

    /// Takes back what `next` gave: it could not be handed on.
    pub(crate) fn put_back(&mut self, position: u64) {
        if !self.in_flight.remove(&position) {
            return;
        }
        if self.backlog_in_flight.remove(&position) {
            self.backlog.insert(position);
        } else {
            self.live.insert(position);
        }
    }

    /// Tells what became of a publish of connection `epoch`. True if that settled something.
    ///
    /// A PUBACK counts whenever it comes. A refusal or a loss of an earlier connection says nothing
    /// of what was sent since.
    pub(crate) fn outcome(&mut self, epoch: u64, position: u64, outcome: SendOutcome) -> bool {
        match outcome {
            SendOutcome::Acknowledged => {
                if epoch == self.epoch {
                    self.window = (self.window * 2).min(self.full_window);
                    // It takes events again.
                    self.refusals = 0;
                    self.again();
                }
                self.backlog_in_flight.remove(&position);
                self.in_flight.remove(&position)
                    || self.backlog.remove(&position)
                    || self.live.remove(&position)
            }
            SendOutcome::Refused { code } => {
                // In the backlog: its session ended before its refusal was told.
                let counts = epoch == self.epoch
                    && (self.in_flight.remove(&position) || self.backlog.remove(&position));
                if counts {
                    self.backlog_in_flight.remove(&position);
                    if of_publish(code) == Then::Again && self.window > 0 {
                        self.resting.insert(position);
                        self.window = 1;
                        self.refusals += 1;
                        self.holds = self.refusals >= HOLDS;
                    } else {
                        self.parked.insert(position, code);
                    }
                }
                counts
            }
            SendOutcome::Lost => {
                let counts = epoch == self.epoch && self.in_flight.remove(&position);
                if counts {
                    self.backlog_in_flight.remove(&position);
                    self.backlog.insert(position);
                }
                counts
            }
        }
    }

    /// Lets one go that waits or is parked: shed for want of space.
    pub(crate) fn shed(&mut self, position: u64) {
        self.live.remove(&position);
        self.backlog.remove(&position);
        self.in_flight.remove(&position);
        self.backlog_in_flight.remove(&position);
        self.parked.remove(&position);
        self.resting.remove(&position);
    }

    /// Not acknowledged, parked ones included.
    #[must_use]
    pub(crate) fn unacknowledged(&self) -> usize {
        self.waiting() + self.parked.len()
    }

    /// Waiting, resting or in flight.
    #[must_use]
    pub(crate) fn waiting(&self) -> usize {
        self.live.len() + self.backlog.len() + self.in_flight.len() + self.resting.len()
    }

    /// True if it was refused for now.
    #[must_use]
    pub(crate) fn rests(&self, position: u64) -> bool {
        self.resting.contains(&position)
    }

    /// Refused for now.
    #[must_use]
    pub(crate) fn resting(&self) -> usize {
        self.resting.len()
    }

    /// Sent, without a PUBACK yet.
    #[must_use]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Refused by the broker.
    #[must_use]
    pub(crate) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// The oldest without a PUBACK.
    #[must_use]
    pub(crate) fn oldest(&self) -> Option<u64> {
        [
            self.live.first().copied(),
            self.backlog.first().copied(),
            self.in_flight.first().copied(),
            self.parked.keys().next().copied(),
            self.resting.first().copied(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// All that waits for a PUBACK or is parked, oldest first.
    #[cfg(test)]
    fn all(&self) -> impl Iterator<Item = u64> {
        let mut all: Vec<u64> = self
            .live
            .iter()
            .chain(&self.backlog)
            .chain(&self.in_flight)
            .chain(self.parked.keys())
            .chain(&self.resting)
            .copied()
            .collect();
        all.sort_unstable();
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn begin(receive_maximum: u16) -> Begin {
        Begin { receive_maximum, careful: false, try_refused: true }
    }

    #[test]
    fn a_careful_session_begins_with_one_and_grows_with_each_puback() {
        let mut lanes = Lanes::recovered((1..=100).map(|at| (at, None)));
        lanes.connected(1, Begin { careful: true, ..begin(100) });
        assert_eq!((lanes.next(), lanes.next()), (Some(1), None));
        assert!(lanes.outcome(1, 1, SendOutcome::Acknowledged));
        assert_eq!((lanes.next(), lanes.next(), lanes.next()), (Some(2), Some(3), None));
        for at in 2..=90 {
            assert!(lanes.outcome(1, at, SendOutcome::Acknowledged));
            while lanes.next().is_some() {}
        }
        assert_eq!(lanes.window, usize::from(WINDOW));
    }

    #[test]
    fn after_a_session_that_a_refusal_ended_the_refused_stay_parked() {
        let mut lanes = Lanes::recovered([(1, None), (2, None)]);
        lanes.connected(1, begin(1));
        assert_eq!(lanes.next(), Some(1));
        assert!(lanes.outcome(1, 1, SendOutcome::Refused { code: 0x87 }));
        lanes.connected(2, Begin { careful: true, try_refused: false, ..begin(1) });
        assert_eq!(lanes.next(), Some(2));
        assert_eq!(lanes.parked(), 1);
    }

    #[test]
    fn live_goes_before_backlog_and_each_in_order() {
        let mut lanes = Lanes::recovered([(1, None), (2, None)]);
        lanes.decided(3);
        lanes.connected(1, begin(100));
        lanes.decided(4);
        lanes.decided(5);
        let order: Vec<u64> = std::iter::from_fn(|| lanes.next()).collect();
        assert_eq!(order, [4, 5, 1, 2, 3]);
    }

    #[test]
    fn backlog_leaves_room_for_what_is_decided_meanwhile() {
        let mut lanes = Lanes::recovered((1..=100).map(|at| (at, None)));
        lanes.connected(1, begin(8));
        let first: Vec<u64> = std::iter::from_fn(|| lanes.next()).collect();
        assert_eq!(first, [1, 2, 3, 4, 5, 6]);
        lanes.decided(101);
        assert_eq!(lanes.next(), Some(101));
    }

    #[test]
    fn a_window_of_one_still_moves_both_lanes() {
        let mut lanes = Lanes::recovered([(1, None)]);
        lanes.connected(1, begin(1));
        assert_eq!(lanes.next(), Some(1));
        lanes.decided(2);
        assert_eq!(lanes.next(), None);
        assert!(lanes.outcome(1, 1, SendOutcome::Acknowledged));
        assert_eq!(lanes.next(), Some(2));
    }

    #[test]
    fn a_refusal_parks_one_and_the_lane_goes_on() {
        let mut lanes = Lanes::default();
        lanes.connected(1, begin(10));
        lanes.decided(1);
        lanes.decided(2);
        lanes.decided(3);
        assert_eq!((lanes.next(), lanes.next()), (Some(1), Some(2)));
        assert!(lanes.outcome(1, 1, SendOutcome::Refused { code: 0x99 }));
        assert!(lanes.outcome(1, 2, SendOutcome::Refused { code: 0x87 }));
        assert_eq!((lanes.next(), lanes.next()), (Some(3), None));
        assert_eq!(lanes.parked(), 2);
        lanes.connected(2, begin(10));
        let again: Vec<u64> = std::iter::from_fn(|| lanes.next()).collect();
        assert_eq!(again, [2, 3], "0x87 and what had no PUBACK; 0x99 stays");
    }

    #[test]
    fn a_late_puback_of_the_last_session_still_counts() {
        let mut lanes = Lanes::default();
        lanes.connected(1, begin(10));
        lanes.decided(1);
        assert_eq!(lanes.next(), Some(1));
        lanes.disconnected();
        assert!(lanes.outcome(1, 1, SendOutcome::Acknowledged));
        assert_eq!(lanes.unacknowledged(), 0);
    }

    #[test]
    fn what_is_refused_for_now_rests_while_others_go_and_goes_again_in_order() {
        let mut lanes = Lanes::recovered((1..=4).map(|at| (at, None)));
        lanes.connected(1, begin(100));
        let sent: Vec<u64> = std::iter::from_fn(|| lanes.next()).collect();
        assert_eq!(sent, [1, 2, 3, 4]);
        for code in [0x80, 0x83, 0x97] {
            let at =
                u64::from(code == 0x80) + u64::from(code == 0x83) * 2 + u64::from(code == 0x97) * 3;
            assert!(lanes.outcome(1, at, SendOutcome::Refused { code }));
        }
        assert_eq!((lanes.resting(), lanes.parked(), lanes.waiting()), (3, 0, 4));
        assert_eq!(lanes.oldest(), Some(1));
        lanes.decided(5);
        assert_eq!(lanes.next(), None, "one at a time now, and one is under way");
        lanes.again();
        assert!(lanes.outcome(1, 4, SendOutcome::Acknowledged));
        let sent: Vec<u64> = std::iter::from_fn(|| lanes.next()).collect();
        assert_eq!(sent, [5, 1], "live first; the window has grown to two");
    }

    #[test]
    fn a_broker_that_refuses_all_for_now_is_asked_once_a_pause() {
        let mut lanes = Lanes::recovered((1..=1000).map(|at| (at, None)));
        lanes.connected(1, begin(100));
        let mut asked = 0;
        while let Some(at) = lanes.next() {
            asked += 1;
            lanes.outcome(1, at, SendOutcome::Refused { code: 0x97 });
        }
        assert_eq!(asked, HOLDS);
        for _ in 0..10 {
            lanes.again();
            let at = lanes.next().expect("the probe");
            assert_eq!(lanes.next(), None);
            lanes.outcome(1, at, SendOutcome::Refused { code: 0x97 });
            assert_eq!(lanes.next(), None);
        }
        lanes.again();
        let at = lanes.next().expect("the probe");
        lanes.outcome(1, at, SendOutcome::Acknowledged);
        assert_eq!((lanes.resting(), lanes.waiting()), (0, 999), "all go again");
        assert!(lanes.next().is_some() && lanes.next().is_some());
        // The end of the session gives up no event.
        lanes.outcome(1, 2, SendOutcome::Refused { code: 0x80 });
        lanes.disconnected();
        assert_eq!((lanes.resting(), lanes.waiting()), (0, 999));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Decide,
        Connect(u16),
        Lose,
        Next,
        Ack(usize),
        Refuse(usize, u8),
        Again,
        Forget(usize),
        PutBack(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Decide),
            1 => (1u16..40).prop_map(Step::Connect),
            1 => Just(Step::Lose),
            6 => Just(Step::Next),
            4 => any::<usize>().prop_map(Step::Ack),
            1 => (any::<usize>(), prop_oneof![Just(0x80u8), Just(0x87), Just(0x97), Just(0x99)])
                .prop_map(|(at, code)| Step::Refuse(at, code)),
            1 => Just(Step::Again),
            1 => any::<usize>().prop_map(Step::Forget),
            1 => any::<usize>().prop_map(Step::PutBack),
        ]
    }

    /// Picks one of those in flight.
    fn pick(lanes: &Lanes, at: usize) -> Option<u64> {
        let count = lanes.in_flight.len();
        (count > 0).then(|| lanes.in_flight.iter().nth(at % count).copied()).flatten()
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_each_lane_keeps_its_order(steps in proptest::collection::vec(step(), 1..400)) {
            let mut lanes = Lanes::default();
            let (mut decided, mut epoch) = (0u64, 0u64);
            let mut acknowledged = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Decide => {
                        decided += 1;
                        lanes.decided(decided);
                    }
                    Step::Connect(receive_maximum) => {
                        epoch += 1;
                        lanes.connected(epoch, begin(receive_maximum));
                        prop_assert!(lanes.live.is_empty() && lanes.in_flight.is_empty());
                    }
                    Step::Lose => lanes.disconnected(),
                    Step::Again => lanes.again(),
                    Step::Next => {
                        let first =
                            lanes.live.first().or_else(|| lanes.backlog.first()).copied();
                        if let Some(position) = lanes.next() {
                            prop_assert!(lanes.epoch().is_some());
                            prop_assert_eq!(Some(position), first, "live first, oldest first");
                        }
                    }
                    Step::Ack(at) => if let Some(position) = pick(&lanes, at) {
                        prop_assert!(lanes.outcome(epoch, position, SendOutcome::Acknowledged));
                        acknowledged.insert(position);
                    },
                    Step::Refuse(at, code) => if let Some(position) = pick(&lanes, at) {
                        let settled = lanes.outcome(epoch, position, SendOutcome::Refused { code });
                        prop_assert!(settled);
                    },
                    Step::Forget(at) => if let Some(position) = pick(&lanes, at) {
                        prop_assert!(lanes.outcome(epoch, position, SendOutcome::Lost));
                    },
                    Step::PutBack(at) => if let Some(position) = pick(&lanes, at) {
                        lanes.put_back(position);
                    },
                }
                prop_assert!(lanes.in_flight() <= lanes.full_window);
                prop_assert!(lanes.backlog_in_flight.is_subset(&lanes.in_flight));
                let kept: Vec<u64> = lanes.all().collect();
                let expected: Vec<u64> =
                    (1..=decided).filter(|at| !acknowledged.contains(at)).collect();
                prop_assert_eq!(kept, expected, "each in exactly one place");
                prop_assert_eq!(lanes.oldest(), (1..=decided).find(|at| !acknowledged.contains(at)));
            }
        }
    }
}
