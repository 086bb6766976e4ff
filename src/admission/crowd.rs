//! Who is taken in at all, where more knock than the box takes in (pure).
//!
//! A connection that has said nothing costs a task, buffers and a look at its bytes. So many of them a second
//! are taken in whoever they are; beyond that the proven, and those that do not knock all the time. The others
//! wait in turn, and are turned away where too many do: that costs a twentieth, and nobody else waits behind a
//! crowd. Who makes as many connections as he is let, and not as many as he can, is slowed by waiting.

use std::time::Duration;

use crate::admission::bucket::{Bucket, Minute, Offences};
use crate::admission::known::Recent;
use crate::admission::limits::CrowdLimits;
use crate::admission::prefix::Prefix;
use crate::media::Monotonic;

/// Prefixes whose knocks are counted. Who has more of them is a newcomer each time, and newcomers are bounded.
const COUNTED: usize = 8_192;
/// Knocks, less those that time forgets (one in two seconds, as fast as a camera tries again), up to which a
/// prefix does not knock all the time.
const FEW: f64 = 8.0;
/// A crowd that is told of: so many turned away in a minute.
pub(crate) const TOLD_FROM: u32 = 300;

/// What knocks cost at one door.
#[derive(Debug)]
pub(crate) struct Crowd {
    limits: CrowdLimits,
    all: Bucket,
    proven: Bucket,
    newcomers: Bucket,
    prefixes: Recent<Knocks>,
    turned: Minute,
}

#[derive(Debug, Default)]
struct Knocks {
    level: Offences,
    turned: Minute,
}

/// What is told of a crowd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turned {
    /// Connections that were turned away in the last minute,
    pub(crate) all: u32,
    /// and of these the most that were of one prefix.
    pub(crate) most: (u32, Prefix),
}

impl Crowd {
    pub(crate) const fn new(limits: CrowdLimits, now: Monotonic) -> Self {
        Self {
            limits,
            all: Bucket::new(limits.all, now),
            proven: Bucket::new(limits.proven, now),
            newcomers: Bucket::new(limits.newcomers, now),
            prefixes: Recent::new(COUNTED),
            turned: Minute::EMPTY,
        }
    }

    /// True if a connection is taken in at once that costs as much as `weight` in clear; `others` wait.
    pub(crate) fn knock(
        &mut self,
        now: Monotonic,
        prefix: Prefix,
        proven: bool,
        weight: u32,
        others: bool,
    ) -> bool {
        let limits = self.limits;
        let its = self.prefixes.used(prefix, Knocks::default);
        its.level.add(now);
        let few = its.level.level(now) <= FEW;
        let (bucket, rate) = if !others && self.all.has(limits.all, now) {
            (&mut self.all, limits.all)
        } else if proven && self.proven.has(limits.proven, now) {
            (&mut self.proven, limits.proven)
        } else if few && self.newcomers.has(limits.newcomers, now) {
            (&mut self.newcomers, limits.newcomers)
        } else {
            return false;
        };
        (0..weight).for_each(|_| bucket.take(rate, now));
        true
    }

    /// Takes in one that waits; else how long none is.
    pub(crate) fn next(&mut self, now: Monotonic, weight: u32) -> Result<(), Duration> {
        let wait = self.all.until_one(self.limits.all, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        (0..weight).for_each(|_| self.all.take(self.limits.all, now));
        Ok(())
    }

    /// Notes that one is turned away.
    pub(crate) fn turn_away(&mut self, now: Monotonic, prefix: Prefix) {
        self.prefixes.used(prefix, Knocks::default).turned.add(now);
        self.turned.add(now);
    }

    /// What a person should know of; nothing a minute after it ends.
    pub(crate) fn turned(&self, now: Monotonic) -> Option<Turned> {
        let all = self.turned.count(now);
        if all < TOLD_FROM {
            return None;
        }
        let counts = self.prefixes.iter().map(|(prefix, its)| (its.turned.count(now), prefix));
        Some(Turned { all, most: counts.max()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::limits::Limits;

    fn at(micros: u64) -> Monotonic {
        Monotonic::from_nanos(micros * 1_000)
    }

    fn ip(last: u64) -> Prefix {
        let bits = 0x0A00_0000 + u32::try_from(last).expect("small");
        Prefix::of((std::net::Ipv4Addr::from_bits(bits), 1).into())
    }

    /// A crowd of so many addresses knocks so often a second; somebody else now and then -> how many of the crowd
    /// are taken in a second, and what share of the others. Who knocks all the time is known after a second.
    fn beside(limits: CrowdLimits, addresses: u64, a_second: u64, proven: bool) -> (u64, f64) {
        let (mut crowd, mut taken) = (Crowd::new(limits, at(0)), 0);
        let (mut came, mut asked) = (0_u32, 0_u32);
        const SECONDS: u64 = 20;
        for n in 0..a_second * SECONDS {
            let now = at(n * 1_000_000 / a_second);
            taken += u64::from(crowd.knock(now, ip(n % addresses), false, 1, false));
            if n % (a_second / 2) == a_second / 4 {
                // One that is new each time, or one that is known.
                let other = if proven { 70_000 } else { 70_000 + n };
                let taken = crowd.knock(now, ip(other), proven, 1, false);
                if n > a_second {
                    asked += 1;
                    came += u32::from(taken);
                }
            }
        }
        (taken / SECONDS, f64::from(came) / f64::from(asked))
    }

    #[test]
    fn a_crowd_is_turned_away_and_all_others_come_in() {
        let usual = Limits::default();
        for (door, addresses, proven) in [
            (usual.http.crowd, 1, false),
            (usual.http.crowd, 500, false),
            (usual.http.crowd, 500, true),
            (usual.rtmp.crowd, 1_000, false),
            (usual.rtmp.crowd, 1_000, true),
        ] {
            let (taken, others) = beside(door, addresses, 8_000, proven);
            let room = door.all.per_second + door.all.burst;
            assert!(others >= 1.0, "{addresses} addresses: {others} of the others came in");
            #[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
            let taken = taken as f64;
            assert!(taken < room + 300.0, "{addresses} addresses: {taken} a second taken in");
        }
    }

    #[test]
    fn without_the_bound_all_of_a_crowd_is_taken_in() {
        let (taken, _) = beside(Limits::off().rtmp.crowd, 500, 8_000, false);
        assert_eq!(taken, 8_000);
    }

    #[test]
    fn one_address_may_knock_as_often_as_a_venue_does_whose_power_is_back() {
        let limits = Limits::default();
        for door in [limits.rtmp.crowd, limits.http.crowd] {
            let mut crowd = Crowd::new(door, at(0));
            // Twenty cameras, or as many browsers with six connections each, and again every second.
            let taken =
                (0..1_200).filter(|n| crowd.knock(at(n / 120 * 1_000_000), ip(1), false, 1, false));
            assert_eq!(taken.count(), 1_200);
        }
    }

    #[test]
    fn who_waits_is_taken_in_at_the_same_pace_and_nobody_before_him() {
        let door = Limits::default().rtmp.crowd;
        let mut crowd = Crowd::new(door, at(0));
        let (mut now, mut taken) = (at(0), 0);
        for _ in 0..20 {
            crowd.knock(now, ip(1), false, 1, true);
        }
        while now < at(10_000_000) {
            assert!(!crowd.knock(now, ip(1), false, 1, true), "a loud one waits behind others");
            match crowd.next(now, 1) {
                Ok(()) => taken += 1,
                Err(wait) => now = now.plus(wait.max(Duration::from_micros(10))),
            }
        }
        assert!((16_000..=17_000).contains(&taken), "{taken}");
    }

    #[test]
    fn handshakes_cost_more() {
        let door = Limits::default().rtmp.crowd;
        let mut crowd = Crowd::new(door, at(0));
        let taken = (0..20_000_u64)
            .filter(|n| crowd.knock(at(n * 100), ip(n % 8), false, 3, false))
            .count();
        #[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
        let taken = taken as f64;
        assert!(taken * 3.0 < door.all.burst + 2.2 * door.all.per_second, "{taken}");
    }

    #[test]
    fn who_has_addresses_without_end_takes_no_more_than_newcomers_may() {
        let door = Limits::default().http.crowd;
        let mut crowd = Crowd::new(door, at(0));
        let taken =
            (0..80_000_u64).filter(|n| crowd.knock(at(n * 125), ip(*n), false, 1, false)).count();
        #[expect(clippy::cast_precision_loss, reason = "a count of thousands")]
        let a_second = taken as f64 / 10.0;
        assert!(a_second < door.all.per_second + door.newcomers.per_second + 100.0, "{a_second}");
        assert_eq!(crowd.prefixes.len(), COUNTED);
    }

    #[test]
    fn a_crowd_is_told_of_until_a_minute_after_it() {
        let mut crowd = Crowd::new(Limits::default().http.crowd, at(0));
        assert_eq!(crowd.turned(at(0)), None);
        for n in 0..40_000 {
            let prefix = if n % 4 == 0 { ip(n % 40) } else { ip(7) };
            if !crowd.knock(at(n * 250), prefix, false, 1, false) {
                crowd.turn_away(at(n * 250), prefix);
            }
        }
        let told = crowd.turned(at(10_000_000)).expect("told");
        assert_eq!(told.most.1, ip(7));
        assert!(told.most.0 > told.all / 2 && told.all > 20_000, "{told:?}");
        assert_eq!(crowd.turned(at(80_000_000)), None);
    }
}
