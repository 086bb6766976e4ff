//! What a second look may cost a day, and what it has (pure; in nano-dollars, whole numbers).
//!
//! **Reserved before it is asked, at the worst price**: what a question and the longest answer that is allowed
//! can cost by the manifest. A question that does not fit beside what was spent and what is still reserved is not
//! asked, so no sum of answers passes the cap. What an answer says that it used is charged instead once it is
//! here; where nothing is known (no answer in time, a connection that broke, a crash in between) the worst stays
//! charged; what was surely not taken up (no connection, a refusal before any work) costs nothing.
//!
//! A day is UTC's, and never goes back: with a clock that was set back, the later day stays open. What is reserved
//! when a day ends is charged to both, since nobody knows on which one it is billed. A clock that is a day behind
//! before anybody was asked, and then put right, has two days of what its vendor counts as one: `doctor` tells of it.
//!
//! What survives a restart is [`Kept`], written before each question is sent (`store`): reservations stand in it
//! as spent. A file that cannot be read counts as a day that is spent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::media::UtcTime;

/// Nano-dollars of a dollar.
const DOLLAR: f64 = 1e9;
/// Nanoseconds of a day.
const DAY_NS: i64 = 86_400_000_000_000;

/// Money, in nano-dollars.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Money(u64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many nano-dollars.
    #[must_use]
    pub const fn nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Dollars, rounded up; `None` for what is no amount.
    #[must_use]
    pub fn dollars(dollars: f64) -> Option<Self> {
        // A cap of a million dollars a day is no cap.
        if !(0.0..=1e6).contains(&dollars) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 1e15"
        )]
        let nanos = (dollars * DOLLAR).ceil() as u64;
        Some(Self(nanos))
    }

    /// As dollars, for who reads it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for a person's eye")]
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / DOLLAR
    }

    /// So many times as much.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// What tokens cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// A token of a question.
    pub input: Money,
    /// A token of an answer.
    pub output: Money,
}

impl Price {
    /// What so many tokens cost.
    #[must_use]
    pub const fn of(self, tokens: Tokens) -> Money {
        self.input.times(tokens.input).plus(self.output.times(tokens.output))
    }
}

/// Tokens of a question and of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the question, its picture included.
    pub input: u64,
    /// Of the answer, thoughts included.
    pub output: u64,
}

/// What a question came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// By what the answer says that it used.
    Exactly(Money),
    /// It was surely not taken up.
    Nothing,
    /// Nobody knows: the worst is charged.
    Unknown,
}

/// The day's cap does not leave enough for a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cap of the day is reached")]
pub(crate) struct CapReached;

/// What was reserved for a question.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "settle it, or the worst stays charged"]
pub(crate) struct Ticket(u64);

/// What is kept over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Days since 1970, UTC.
    pub(crate) day: i64,
    /// What was spent or reserved on it.
    pub(crate) spent: Money,
    /// Questions that were asked on it.
    pub(crate) asked: u64,
}

/// The day of a time.
#[must_use]
pub(crate) const fn day_of(utc: UtcTime) -> i64 {
    utc.as_nanos().div_euclid(DAY_NS)
}

/// What was spent on a day, and what is reserved.
#[derive(Clone, Debug)]
pub(crate) struct Purse {
    cap: Money,
    day: i64,
    /// Settled.
    spent: Money,
    asked: u64,
    open: BTreeMap<u64, Money>,
    next: u64,
}

impl Purse {
    /// A purse that goes on from what was kept; a day without anything spent where there is nothing.
    #[must_use]
    pub(crate) fn new(cap: Money, kept: Option<Kept>) -> Self {
        let Kept { day, spent, asked } =
            kept.unwrap_or(Kept { day: i64::MIN, spent: Money::ZERO, asked: 0 });
        Self { cap, day, spent, asked, open: BTreeMap::new(), next: 0 }
    }

    /// A purse of which nobody knows what was spent on `day`: all of it.
    #[must_use]
    pub(crate) fn spent_out(cap: Money, day: i64) -> Self {
        Self::new(cap, Some(Kept { day, spent: cap, asked: 0 }))
    }

    /// Reserves `worst` for a question on `day`.
    ///
    /// # Errors
    /// [`CapReached`]: it does not fit, and nothing has changed but perhaps the day.
    pub(crate) fn reserve(&mut self, day: i64, worst: Money) -> Result<Ticket, CapReached> {
        self.turn_to(day);
        if self.committed().plus(worst) > self.cap {
            return Err(CapReached);
        }
        let ticket = self.next;
        self.next += 1;
        self.open.insert(ticket, worst);
        self.asked += 1;
        Ok(Ticket(ticket))
    }

    /// Charges what a question came to. True where that is more than the worst that was reserved: the manifest's
    /// price is wrong then.
    pub(crate) fn settle(&mut self, ticket: Ticket, day: i64, cost: Cost) -> bool {
        self.turn_to(day);
        let worst = self.open.remove(&ticket.0).unwrap_or_default();
        let charged = match cost {
            Cost::Exactly(money) => money,
            Cost::Nothing => Money::ZERO,
            Cost::Unknown => worst,
        };
        if cost == Cost::Nothing {
            self.asked = self.asked.saturating_sub(1);
        }
        self.spent = self.spent.plus(charged);
        charged > worst
    }

    /// What would not fit any more on `day`.
    #[must_use]
    pub(crate) fn is_reached(&self, day: i64, worst: Money) -> bool {
        let mut then = self.clone();
        then.turn_to(day);
        then.committed().plus(worst) > then.cap
    }

    /// As it is kept: what is reserved is spent.
    #[must_use]
    pub(crate) fn kept(&self) -> Kept {
        Kept { day: self.day, spent: self.committed(), asked: self.asked }
    }

    /// The most of a day.
    #[must_use]
    pub(crate) const fn cap(&self) -> Money {
        self.cap
    }

    fn committed(&self) -> Money {
        self.open.values().fold(self.spent, |sum, worst| sum.plus(*worst))
    }

    fn turn_to(&mut self, day: i64) {
        if day > self.day {
            (self.day, self.spent, self.asked) = (day, Money::ZERO, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CAP: Money = Money::nanos(1_000);

    #[test]
    fn what_is_reserved_is_spent_until_it_is_settled() {
        let mut purse = Purse::new(CAP, None);
        let first = purse.reserve(1, Money::nanos(600)).expect("it fits");
        assert_eq!(purse.reserve(1, Money::nanos(401)), Err(CapReached));
        assert_eq!(purse.kept(), Kept { day: 1, spent: Money::nanos(600), asked: 1 });
        assert!(!purse.settle(first, 1, Cost::Exactly(Money::nanos(100))));
        let second = purse.reserve(1, Money::nanos(900)).expect("it fits now");
        assert!(!purse.settle(second, 1, Cost::Unknown));
        assert!(purse.is_reached(1, Money::nanos(1)) && !purse.is_reached(2, CAP));
        assert_eq!(purse.kept().spent, CAP);
    }

    #[test]
    fn what_was_not_taken_up_costs_nothing_and_what_costs_more_is_told() {
        let mut purse = Purse::new(CAP, None);
        let none = purse.reserve(1, Money::nanos(900)).expect("it fits");
        assert!(!purse.settle(none, 1, Cost::Nothing));
        assert_eq!((purse.kept().spent, purse.kept().asked), (Money::ZERO, 0));
        let dear = purse.reserve(1, Money::nanos(10)).expect("it fits");
        assert!(purse.settle(dear, 1, Cost::Exactly(Money::nanos(11))));
    }

    #[test]
    fn a_clock_that_is_set_back_opens_no_day_twice() {
        let mut purse = Purse::new(CAP, None);
        for (day, fits) in [(5, true), (4, true), (3, false), (5, false)] {
            let reserved = purse.reserve(day, Money::nanos(500));
            assert_eq!(reserved.is_ok(), fits, "day {day}");
        }
        assert!(purse.reserve(6, CAP).is_err(), "what is still open counts on both days");
        assert!(Purse::spent_out(CAP, 6).reserve(6, Money::nanos(1)).is_err());
        assert!(Purse::spent_out(CAP, 6).reserve(7, CAP).is_ok());
    }

    #[test]
    fn dollars_are_rounded_up_and_what_is_no_amount_is_none() {
        assert_eq!(Money::dollars(0.000_000_000_1), Some(Money::nanos(1)));
        assert_eq!(Money::dollars(2.5).map(Money::as_dollars), Some(2.5));
        for none in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert_eq!(Money::dollars(none), None, "{none}");
        }
        let price = Price { input: Money::nanos(750), output: Money::nanos(3_750) };
        let tokens = Tokens { input: 1_000, output: 100 };
        assert_eq!(price.of(tokens), Money::nanos(1_125_000));
        assert_eq!(price.of(Tokens { input: u64::MAX, output: 1 }), Money::nanos(u64::MAX));
    }

    /// What happens to an attempt of a game.
    #[derive(Clone, Copy, Debug)]
    enum Happens {
        /// Answered so soon, for that share of the worst (in 255ths).
        Answered(u8, u8),
        /// No answer: the vendor bills it all the same, for that share.
        Silence(u8),
        /// No connection.
        Refused,
        /// The box loses power with the question asked; billed for that share.
        PowerCut(u8),
        /// Time goes on, by so many minutes.
        Pause(u16),
        /// The clock is set back by an hour.
        SetBack,
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            12 => (any::<u8>(), any::<u8>()).prop_map(|(late, of)| Happens::Answered(late, of)),
            3 => any::<u8>().prop_map(Happens::Silence),
            2 => Just(Happens::Refused),
            1 => any::<u8>().prop_map(Happens::PowerCut),
            3 => (0_u16..400).prop_map(Happens::Pause),
            1 => Just(Happens::SetBack),
        ]
    }

    /// A vendor's bill, by the day on which a question was asked and by the one on which it was done with.
    #[derive(Debug, Default)]
    struct Bill {
        asked: BTreeMap<i64, u64>,
        done: BTreeMap<i64, u64>,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        /// A game of up to 200 attempts, several asked at a time, with cuts of power, silence and clocks that are
        /// set back: on no day does the vendor bill more than the cap.
        #[test]
        fn a_thousand_games_never_pass_the_cap(
            cap in 0_u64..40_000,
            worst in 1_u64..4_000,
            attempts in prop::collection::vec(happens(), 100..200),
        ) {
            let (cap, share) = (Money::nanos(cap), |of: u8| worst * u64::from(of) / 255);
            let mut minutes = 20_000 * 24 * 60_i64;
            let mut purse = Purse::new(cap, None);
            let mut bill = Bill::default();
            let mut latest = 0;
            // Questions under way: ticket, when they are answered, what they cost, the day they were asked on.
            let mut open: Vec<(Ticket, i64, u64, i64)> = Vec::new();
            for happens in attempts {
                // The vendor's day: time that never goes back.
                latest = latest.max(minutes);
                let (day, vendor) = (minutes / 1_440, latest / 1_440);
                let (done, still): (Vec<_>, Vec<_>) =
                    open.into_iter().partition(|(_, at, ..)| *at <= latest);
                open = still;
                for (ticket, _, cost, _) in done {
                    *bill.done.entry(vendor).or_default() += cost;
                    purse.settle(ticket, day, Cost::Exactly(Money::nanos(cost)));
                }
                match happens {
                    Happens::Pause(pause) => {
                        minutes += i64::from(pause);
                        continue;
                    }
                    // After somebody was asked on that day: see the module for a clock that never was right.
                    Happens::SetBack => {
                        minutes -= if purse.kept().day == vendor { 60 } else { 0 };
                        continue;
                    }
                    _ => {}
                }
                let Ok(ticket) = purse.reserve(day, Money::nanos(worst)) else { continue };
                // Written before it is sent.
                let durable = purse.kept();
                let mut billed = |cost: u64| *bill.asked.entry(vendor).or_default() += cost;
                match happens {
                    Happens::Answered(late, of) => {
                        billed(share(of));
                        open.push((ticket, latest + i64::from(late % 8), share(of), vendor));
                    }
                    Happens::Silence(of) => {
                        billed(share(of));
                        *bill.done.entry(vendor).or_default() += share(of);
                        purse.settle(ticket, day, Cost::Unknown);
                    }
                    Happens::Refused => {
                        purse.settle(ticket, day, Cost::Nothing);
                    }
                    Happens::PowerCut(of) => {
                        billed(share(of));
                        *bill.done.entry(vendor).or_default() += share(of);
                        // What was under way is billed too, and nobody will settle it.
                        for (.., cost, _) in open.drain(..) {
                            *bill.done.entry(vendor).or_default() += cost;
                        }
                        purse = Purse::new(cap, Some(durable));
                    }
                    Happens::Pause(_) | Happens::SetBack => {}
                }
                prop_assert!(purse.kept().spent <= cap);
            }
            for (day, billed) in bill.asked.iter().chain(&bill.done) {
                prop_assert!(Money::nanos(*billed) <= cap, "day {day}: {billed} of {cap:?}");
            }
        }
    }
}
