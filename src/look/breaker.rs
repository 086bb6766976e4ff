//! When nobody is asked, since nobody answers (pure).
//!
//! ```text
//!            3 failures in a row, or at once: a key that is refused, a price that is wrong
//!   Closed ───────────────────────────────────────────────────────────────► Open
//!     ▲                                                                      │ its wait is over:
//!     └────────────────────────── answered ◄─────── one question ◄───────────┘ one is let through
//!                                                     │ failed: open again, for twice as long
//!                                                     └──────────────────────────► Open
//! ```
//! Who asks live never waits for one that is open: [`Breaker::lets`] says so at once.

use std::time::Duration;

use crate::media::Monotonic;

/// Failures in a row that open it (chosen: one lost packet is none, a second one may be the venue's Wi-Fi).
const FAILURES: u32 = 3;
/// How long it is open at first (chosen: what a rate limit of a minute leaves half of).
const FIRST: Duration = Duration::from_secs(30);
/// … and at most.
const LONGEST: Duration = Duration::from_secs(600);

/// Why a question came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection, no answer in time, or one that says that the server is in trouble.
    NoAnswer,
    /// Too many questions; the server may say how long to wait.
    TooMany(Option<Duration>),
    /// It does not believe the key, or refuses what is asked: nobody mends that in a minute.
    Refused,
    /// What came keeps to no contract.
    Unusable,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// Openings in a row.
    openings: u32,
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    until: Monotonic,
    /// The one question that may show that it goes again is under way.
    tried: bool,
}

impl Breaker {
    /// True if a question may be asked now; of one that is let through, [`answered`](Self::answered),
    /// [`failed`](Self::failed) or [`left`](Self::left) is told.
    pub(crate) fn lets(&mut self, now: Monotonic) -> bool {
        match &mut self.open {
            None => true,
            Some(open) if !open.tried && now >= open.until => {
                open.tried = true;
                true
            }
            Some(_) => false,
        }
    }

    /// True while nobody is asked.
    #[must_use]
    pub(crate) fn is_open(&self, now: Monotonic) -> bool {
        self.open.as_ref().is_some_and(|open| open.tried || now < open.until)
    }

    /// A question was answered by the contract.
    pub(crate) fn answered(&mut self) {
        *self = Self::default();
    }

    /// A question that was let through was not asked after all.
    pub(crate) fn left(&mut self) {
        if let Some(open) = &mut self.open {
            open.tried = false;
        }
    }

    /// A question came to nothing.
    pub(crate) fn failed(&mut self, now: Monotonic, why: &Failure) {
        // It was under way when another one opened it: nothing new.
        if self.open.as_ref().is_some_and(|open| !open.tried) {
            return;
        }
        self.failures += 1;
        let at_once = matches!(why, Failure::Refused | Failure::TooMany(Some(_)));
        if self.open.is_none() && self.failures < FAILURES && !at_once {
            return;
        }
        self.openings += 1;
        let doubled = FIRST.saturating_mul(1 << (self.openings - 1).min(8)).min(LONGEST);
        let wait = match why {
            Failure::Refused => LONGEST,
            Failure::TooMany(Some(wait)) => doubled.max(*wait).min(LONGEST),
            _ => doubled,
        };
        self.failures = 0;
        self.open = Some(Open { until: now.plus(wait), tried: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Monotonic {
        Monotonic::ZERO.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn three_failures_open_it_and_one_answer_closes_it() {
        let mut breaker = Breaker::default();
        for _ in 0..2 {
            assert!(breaker.lets(at(0)));
            breaker.failed(at(0), &Failure::NoAnswer);
        }
        assert!(breaker.lets(at(0)), "two are none");
        breaker.failed(at(0), &Failure::Unusable);
        assert!(breaker.is_open(at(29)) && !breaker.lets(at(29)));
        assert!(breaker.lets(at(30)), "one is let through");
        assert!(!breaker.lets(at(31)) && breaker.is_open(at(31)), "and no other beside it");
        breaker.answered();
        assert!(breaker.lets(at(31)) && !breaker.is_open(at(31)));
    }

    #[test]
    fn it_stays_open_longer_each_time_and_no_longer_than_ten_minutes() {
        let mut breaker = Breaker::default();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..3 {
            breaker.failed(at(now), &Failure::NoAnswer);
        }
        for _ in 0..7 {
            let wait = (0..).find(|wait| !breaker.is_open(at(now + wait))).expect("it ends");
            waits.push(wait);
            now += wait;
            assert!(breaker.lets(at(now)));
            breaker.failed(at(now), &Failure::NoAnswer);
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
    }

    #[test]
    fn a_refused_key_and_a_limit_open_it_at_once() {
        for (why, wait) in [
            (Failure::Refused, 600),
            (Failure::TooMany(Some(Duration::from_secs(90))), 90),
            (Failure::TooMany(Some(Duration::from_secs(90_000))), 600),
            (Failure::TooMany(Some(Duration::ZERO)), 30),
        ] {
            let mut breaker = Breaker::default();
            breaker.failed(at(0), &why);
            assert!(breaker.is_open(at(wait - 1)) && !breaker.is_open(at(wait)), "{why:?}");
        }
        let mut breaker = Breaker::default();
        breaker.failed(at(0), &Failure::TooMany(None));
        assert!(!breaker.is_open(at(0)));
    }

    #[test]
    fn what_was_let_through_and_not_asked_leaves_the_way_free() {
        let mut breaker = Breaker::default();
        breaker.failed(at(0), &Failure::Refused);
        assert!(breaker.lets(at(600)));
        breaker.left();
        assert!(breaker.lets(at(600)));
    }
}
