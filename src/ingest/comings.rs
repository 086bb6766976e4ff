//! Publishers that come and go again and again: which publishes have lines of their own in the log (pure).
//!
//! A publish writes two lines, so whoever has the key writes as many as he likes, as does a camera with a bad
//! cable. Of a peer the first few publishes within a minute have their lines; those after them are told as one
//! sum a minute, with how many they were and why the last one ended, until a minute passes without. Nobody's
//! lines hang on anybody else's: courts are told apart, and of each so many peers, with a place kept for who
//! published steadily last. A publish that lasted is told however many went before it.

use std::time::Duration;

use crate::admission::Prefix;
use crate::media::{Foreign, Monotonic};

/// After which a peer is summed up, and what a steady publish lasts at least.
const MINUTE: Duration = Duration::from_secs(60);
/// Publishes of a peer within a minute that have lines of their own (chosen: somebody who sets an encoder up
/// starts it two or three times).
const FEW: u32 = 5;
/// Peers of a court that are told apart within a minute; the others share an account.
const PEERS: usize = 16;

/// Who came to a court lately, and went.
#[derive(Debug)]
pub(crate) struct Comings {
    few: u32,
    peers: Vec<(Prefix, Account)>,
    others: Option<Account>,
    /// Who published steadily last.
    steady: Option<Prefix>,
}

impl Default for Comings {
    fn default() -> Self {
        Self::of_few(FEW)
    }
}

/// The publishes of one peer since a moment at most a minute ago.
#[derive(Debug)]
struct Account {
    since: Monotonic,
    publishes: u32,
    /// Those without a line.
    left_out: u32,
    /// Publishes in the minute before, where some of them had no line: none has one now.
    before: u32,
    last: String,
    why: Option<Foreign>,
}

/// What had no lines of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Publishes within the minute, those with lines too.
    pub(crate) publishes: u32,
    /// Address of the last one.
    pub(crate) last: String,
    /// Why the last one that ended did.
    pub(crate) why: Option<Foreign>,
}

impl Account {
    const fn new(since: Monotonic) -> Self {
        Self { since, publishes: 0, left_out: 0, before: 0, last: String::new(), why: None }
    }

    /// Nothing is owed of it, and its minute is over.
    fn is_over(&self, now: Monotonic) -> bool {
        self.left_out == 0 && now.since(self.since) >= MINUTE
    }

    /// Publishes within a minute, where they were more than a few.
    fn many(&self) -> u32 {
        self.before.max(if self.left_out > 0 { self.publishes } else { 0 })
    }

    fn sum(&mut self, now: Monotonic) -> Sum {
        let sum = Sum { publishes: self.publishes, last: self.last.clone(), why: self.why.take() };
        (self.before, self.publishes, self.left_out, self.since) = (self.publishes, 0, 0, now);
        sum
    }
}

impl Comings {
    const fn of_few(few: u32) -> Self {
        Self { few, peers: Vec::new(), others: None, steady: None }
    }

    fn account(&mut self, now: Monotonic, prefix: Prefix) -> &mut Account {
        self.peers.retain(|(_, account)| !account.is_over(now));
        self.others.take_if(|others| others.is_over(now));
        if let Some(at) = self.peers.iter().position(|(known, _)| *known == prefix) {
            return &mut self.peers[at].1;
        }
        // The place beyond is one: who was steady before may still sit there.
        let places = PEERS + usize::from(self.steady == Some(prefix));
        if self.peers.len() < places {
            self.peers.push((prefix, Account::new(now)));
            let last = self.peers.len() - 1;
            return &mut self.peers[last].1;
        }
        self.others.get_or_insert_with(|| Account::new(now))
    }

    /// Notes that `peer` publishes. True if that has a line of its own, and so has its end.
    pub(crate) fn began(&mut self, now: Monotonic, prefix: Prefix, peer: String) -> bool {
        let few = self.few;
        let account = self.account(now, prefix);
        account.publishes = account.publishes.saturating_add(1);
        account.last = peer;
        let told = account.before == 0 && account.publishes <= few;
        account.left_out += u32::from(!told);
        told
    }

    /// Notes that a publish ended that began then, and had a line or not. True if its end has one.
    pub(crate) fn ended(
        &mut self,
        now: Monotonic,
        prefix: Prefix,
        began: (Monotonic, bool),
        why: &Foreign,
    ) -> bool {
        let (since, told) = began;
        if now.since(since) >= MINUTE {
            self.steady = Some(prefix);
            return true;
        }
        if !told {
            self.account(now, prefix).why = Some(why.clone());
        }
        told
    }

    /// The sums that are due, or all of them where the log ends.
    pub(crate) fn due(&mut self, now: Monotonic, log_ends: bool) -> Vec<Sum> {
        let mut sums = Vec::new();
        let accounts = self.peers.iter_mut().map(|(_, account)| account).chain(&mut self.others);
        for account in accounts.filter(|account| account.left_out > 0) {
            if log_ends || now.since(account.since) >= MINUTE {
                sums.push(account.sum(now));
            }
        }
        sums
    }

    /// What to tell of who comes and goes, until a minute after it ended.
    pub(crate) fn warning(&self, now: Monotonic) -> Option<String> {
        let accounts = self.peers.iter().map(|(_, account)| account).chain(&self.others);
        let loud = accounts.filter(|account| account.many() > 0 && !account.is_over(now));
        let loudest = loud.max_by_key(|account| account.many())?;
        Some(format!(
            "{} publishes within a minute, the last by {}: an encoder that connects again and again loses \
             pictures each time. Look at its power, its network and its log; if that is no camera of yours, \
             change `stream_key`.",
            loudest.many(),
            loudest.last
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_nanos(millis * 1_000_000)
    }

    fn ip(last: u8) -> Prefix {
        Prefix::of((std::net::Ipv4Addr::new(10, 0, 0, last), 1).into())
    }

    /// A publish of so many ms: how many lines it writes.
    fn publish(comings: &mut Comings, of: u8, begins: u64, lasts: u64) -> u32 {
        let told = comings.began(at(begins), ip(of), format!("10.0.0.{of}:{begins}"));
        let (now, why) = (at(begins + lasts), Foreign::told("closed by the peer"));
        u32::from(told) + u32::from(comings.ended(now, ip(of), (at(begins), told), &why))
    }

    /// Ten minutes of a peer that publishes twice a second: lines, sums, publishes that were told either way.
    fn again_and_again(mut comings: Comings) -> (u32, usize, u32) {
        let (mut lines, mut sums, mut counted) = (0, 0, 0);
        for begins in (0..600_000).step_by(500) {
            lines += publish(&mut comings, 1, begins, 100);
            let due = comings.due(at(begins + 250), false);
            sums += due.len();
            counted += due.iter().map(|sum| sum.publishes).sum::<u32>();
        }
        counted += comings.due(at(600_000), true).iter().map(|sum| sum.publishes).sum::<u32>();
        (lines, sums, counted)
    }

    #[test]
    fn who_comes_again_and_again_has_a_few_lines_and_then_a_sum_a_minute() {
        assert_eq!(again_and_again(Comings::default()), (2 * FEW, 9, 1_200));
        let without = Comings::of_few(u32::MAX);
        assert_eq!(again_and_again(without).0, 2_400, "without the bound each of them writes");
    }

    #[test]
    fn a_camera_that_reconnects_now_and_then_has_all_its_lines() {
        let mut comings = Comings::default();
        for begins in (0..3_600_000).step_by(13_000) {
            assert_eq!(publish(&mut comings, 1, begins, 12_000), 2, "{begins}");
            assert_eq!(comings.due(at(begins), false), []);
            assert_eq!(comings.warning(at(begins)), None);
        }
    }

    #[test]
    fn nobody_hides_behind_who_is_loud() {
        let mut comings = Comings::default();
        // A camera that was there for hours, and whose key somebody has, with many addresses.
        assert_eq!(publish(&mut comings, 200, 0, 7_200_000), 2);
        let mut written = 0;
        for n in 0..600 {
            for of in 1..30 {
                written += publish(&mut comings, of, 7_200_000 + n * 50, 10);
            }
        }
        assert_eq!(written, 2 * FEW * (PEERS as u32 + 1));
        assert_eq!(publish(&mut comings, 200, 7_231_000, 10), 2, "it came back amid them");
        assert_eq!(
            publish(&mut comings, 201, 7_231_000, 60_000),
            1,
            "what lasted is told at its end"
        );
    }

    #[test]
    fn the_sum_says_how_many_who_and_why_and_the_warning_ends_by_itself() {
        let mut comings = Comings::default();
        for begins in (0..37_000).step_by(1_000) {
            publish(&mut comings, 7, begins, 10);
            assert_eq!(comings.warning(at(begins)).is_some(), begins >= 5_000, "{begins}");
        }
        assert_eq!(comings.due(at(59_999), false), []);
        let why = Some(Foreign::told("closed by the peer"));
        let sum = Sum { publishes: 37, last: "10.0.0.7:36000".to_owned(), why };
        assert_eq!(comings.due(at(60_000), false), [sum]);
        let told = comings.warning(at(119_000)).expect("a minute more");
        assert!(
            told.starts_with("37 publishes within a minute, the last by 10.0.0.7:36000"),
            "{told}"
        );
        assert_eq!(comings.warning(at(120_000)), None);
        assert_eq!(comings.due(at(120_000), false), []);
        assert_eq!(publish(&mut comings, 7, 121_000, 10), 2, "as before");
    }

    proptest! {
        /// Each publish has its line or is in a sum, and a log of one court is bounded.
        #[test]
        fn every_publish_is_told_once(
            steps in prop::collection::vec((0_u8..40, 0_u64..5_000, 0_u64..90_000), 1..300),
        ) {
            let mut comings = Comings::default();
            let (mut now, mut begun, mut left, mut summed) = (0, 0, 0, 0);
            for (of, pause, lasts) in steps {
                now += pause;
                begun += 1;
                let told = comings.began(at(now), ip(of), String::new());
                left += u32::from(!told);
                let why = Foreign::told("gone");
                let ended = comings.ended(at(now + lasts), ip(of), (at(now), told), &why);
                prop_assert_eq!(ended, told || lasts >= 60_000);
                let before: u32 = owed(&comings);
                comings.due(at(now), false);
                summed += before - owed(&comings);
                prop_assert!(comings.peers.len() <= PEERS + 1);
            }
            summed += owed(&comings);
            comings.due(at(now), true);
            prop_assert_eq!(owed(&comings), 0);
            prop_assert_eq!(left, summed);
            prop_assert!(begun >= left);
        }
    }

    fn owed(comings: &Comings) -> u32 {
        let accounts = comings.peers.iter().map(|(_, account)| account).chain(&comings.others);
        accounts.map(|account| account.left_out).sum()
    }
}
