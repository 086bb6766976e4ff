//! What is remembered of prefixes, bounded (pure).
//!
//! Offenders and proven ones stand in tables of their own: who has addresses without end makes neither grow,
//! and pushes out nobody who showed a secret.

use std::collections::BTreeMap;

use crate::admission::bucket::{Bucket, Minute, Offences};
use crate::admission::limits::Limits;
use crate::admission::prefix::Prefix;
use crate::admission::told::Door;
use crate::media::Monotonic;

/// Secrets of one prefix that are remembered: the cameras of a venue behind one address.
const SECRETS: usize = 16;

/// What a prefix did that it should not.
#[derive(Debug)]
pub(crate) struct Record {
    /// Tokens for wrong secrets.
    pub(crate) guesses: Bucket,
    pub(crate) offences: Offences,
    /// Wrong secrets of the last minute, by door.
    pub(crate) guessed: [Minute; 2],
    /// Connections of the last minute that were held open for nothing, by door.
    pub(crate) idle: [Minute; 2],
    /// Its last wrong secrets, by their digests; the newest last.
    given: Vec<u64>,
    /// Wrong secrets that were none of those before.
    pub(crate) distinct: u32,
    /// Wrong secrets that were one of those before: cameras with typing errors.
    pub(crate) again: u32,
}

impl Record {
    /// Notes a wrong secret; true if it is one of the last, which learns nothing from our answer.
    pub(crate) fn gave(&mut self, digest: u64) -> bool {
        let before = self.given.len();
        self.given.retain(|known| *known != digest);
        let again = self.given.len() < before;
        if self.given.len() >= SECRETS {
            self.given.remove(0);
        }
        self.given.push(digest);
        let count = if again { &mut self.again } else { &mut self.distinct };
        *count = count.saturating_add(1);
        again
    }
}

#[derive(Debug)]
pub(crate) struct Known {
    offenders: Recent<Record>,
    proven: Recent<Vec<(Door, u64)>>,
}

impl Known {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            offenders: Recent::new(limits.strangers_remembered),
            proven: Recent::new(limits.proven_remembered),
        }
    }

    pub(crate) fn record(&self, prefix: Prefix) -> Option<&Record> {
        self.offenders.get(prefix)
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = (Prefix, &Record)> {
        self.offenders.iter()
    }

    /// The record of a prefix that did something; a new one, if it is the first time.
    pub(crate) fn offender(
        &mut self,
        limits: &Limits,
        prefix: Prefix,
        now: Monotonic,
    ) -> &mut Record {
        self.offenders.used(prefix, || Record {
            guesses: Bucket::new(limits.guesses, now),
            offences: Offences::default(),
            guessed: [Minute::default(); 2],
            idle: [Minute::default(); 2],
            given: Vec::new(),
            distinct: 0,
            again: 0,
        })
    }

    pub(crate) fn offences(&self, prefix: Prefix) -> Offences {
        self.record(prefix).map(|record| record.offences).unwrap_or_default()
    }

    /// Notes that the prefix published, or signed in, by this secret.
    pub(crate) fn prove(&mut self, door: Door, prefix: Prefix, what: u64) {
        let shown = self.proven.used(prefix, Vec::new);
        shown.retain(|known| *known != (door, what));
        if shown.len() >= SECRETS {
            shown.remove(0);
        }
        shown.push((door, what));
    }

    pub(crate) fn is_proven(&self, prefix: Prefix) -> bool {
        self.proven.get(prefix).is_some()
    }

    /// True if the prefix showed this very secret before.
    pub(crate) fn showed(&self, door: Door, prefix: Prefix, what: u64) -> bool {
        self.proven.get(prefix).is_some_and(|shown| shown.contains(&(door, what)))
    }

    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.offenders.entries.len(), self.proven.entries.len())
    }
}

/// So many entries; the one that was used least lately goes.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    most: usize,
    entries: BTreeMap<Prefix, (u64, V)>,
    /// Prefixes by when they were used.
    order: BTreeMap<u64, Prefix>,
    next: u64,
}

impl<V> Recent<V> {
    pub(crate) const fn new(most: usize) -> Self {
        Self { most, entries: BTreeMap::new(), order: BTreeMap::new(), next: 0 }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn get(&self, prefix: Prefix) -> Option<&V> {
        self.entries.get(&prefix).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Prefix, &V)> {
        self.entries.iter().map(|(prefix, (_, value))| (*prefix, value))
    }

    pub(crate) fn used(&mut self, prefix: Prefix, new: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(&prefix)
            && self.entries.len() >= self.most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        let stamp = self.next;
        self.next += 1;
        let (used, value) = self.entries.entry(prefix).or_insert_with(|| (stamp, new()));
        self.order.remove(used);
        *used = stamp;
        self.order.insert(stamp, prefix);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(network: u64) -> Prefix {
        let bits = (0x2001_0db8_u128 << 96) | (u128::from(network) << 64);
        Prefix::of((std::net::Ipv6Addr::from_bits(bits), 1).into())
    }

    #[test]
    fn an_owner_of_a_32_makes_nothing_grow_and_pushes_out_no_proven_one() {
        let limits = Limits::default();
        let mut known = Known::new(&limits);
        let camera = Prefix::of("10.0.0.9:1".parse().unwrap());
        known.prove(Door::Rtmp, camera, 7);
        for network in 0..100_000 {
            known.offender(&limits, v6(network), Monotonic::ZERO).offences.add(Monotonic::ZERO);
        }
        assert_eq!(known.sizes(), (limits.strangers_remembered, 1));
        assert!(known.record(v6(99_999)).is_some() && known.record(v6(0)).is_none());
        assert!(known.showed(Door::Rtmp, camera, 7) && !known.showed(Door::Rtmp, camera, 8));
        assert!(!known.showed(Door::Http, camera, 7));
    }

    #[test]
    fn without_the_bound_it_grows() {
        let limits = Limits::off();
        let mut known = Known::new(&limits);
        for network in 0..10_000 {
            known.offender(&limits, v6(network), Monotonic::ZERO).offences.add(Monotonic::ZERO);
        }
        assert_eq!(known.sizes().0, 10_000);
    }

    #[test]
    fn who_was_used_last_stays() {
        let mut recent = Recent::new(2);
        *recent.used(v6(1), || 0) += 1;
        *recent.used(v6(2), || 0) += 1;
        *recent.used(v6(1), || 0) += 1;
        *recent.used(v6(3), || 0) += 1;
        assert_eq!(
            (recent.get(v6(1)), recent.get(v6(2)), recent.get(v6(3))),
            (Some(&2), None, Some(&1))
        );
        assert_eq!(recent.order.len(), 2);
    }
}
