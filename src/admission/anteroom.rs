//! Where connections wait to be taken in (pure): in turn by prefix, each prefix in the order in which its own came.
//!
//! So who knocks a hundred times at once waits behind himself, and whoever shares his address behind a hundred at
//! most. Where it is full, the newest of the prefix with most goes.

use std::collections::{BTreeMap, VecDeque};

use crate::admission::prefix::Prefix;

/// Connections of one prefix that may wait.
const BY_PREFIX: usize = 128;

/// See the module.
#[derive(Debug)]
pub(crate) struct Anteroom<T> {
    most: usize,
    queues: BTreeMap<Prefix, VecDeque<T>>,
    /// Prefixes that have somebody here, whose turn is next first.
    turns: VecDeque<Prefix>,
    waiting: usize,
}

impl<T> Anteroom<T> {
    /// For so many at once.
    pub(crate) const fn new(most: usize) -> Self {
        Self { most, queues: BTreeMap::new(), turns: VecDeque::new(), waiting: 0 }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Has one wait; returns who is to go for it, which may be that one.
    pub(crate) fn wait(&mut self, prefix: Prefix, one: T) -> Option<(Prefix, T)> {
        let queue = self.queues.entry(prefix).or_default();
        if queue.is_empty() {
            self.turns.push_back(prefix);
        }
        queue.push_back(one);
        self.waiting += 1;
        if queue.len() > BY_PREFIX {
            return self.newest_of(prefix);
        }
        if self.waiting <= self.most {
            return None;
        }
        // The newest prefix of those with as many: who came first has waited longest.
        let most =
            self.turns.iter().max_by_key(|prefix| self.queues.get(prefix).map_or(0, VecDeque::len));
        most.copied().and_then(|prefix| self.newest_of(prefix))
    }

    /// The next one in turn.
    pub(crate) fn next(&mut self) -> Option<T> {
        let prefix = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&prefix)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&prefix);
        } else {
            self.turns.push_back(prefix);
        }
        self.waiting -= usize::from(next.is_some());
        next
    }

    fn newest_of(&mut self, prefix: Prefix) -> Option<(Prefix, T)> {
        let queue = self.queues.get_mut(&prefix)?;
        let newest = queue.pop_back()?;
        if queue.is_empty() {
            self.queues.remove(&prefix);
            self.turns.retain(|turn| *turn != prefix);
        }
        self.waiting -= 1;
        Some((prefix, newest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(last: u32) -> Prefix {
        Prefix::of((std::net::Ipv4Addr::from_bits(0x0A00_0000 + last), 1).into())
    }

    #[test]
    fn a_crowd_of_one_address_waits_behind_itself() {
        let mut room = Anteroom::new(512);
        for n in 0..100 {
            assert_eq!(room.wait(ip(1), n), None);
        }
        room.wait(ip(2), 1_000);
        room.wait(ip(1), 100);
        let order: Vec<u32> = std::iter::from_fn(|| room.next()).collect();
        assert_eq!(order[..4], [0, 1_000, 1, 2], "a newcomer's turn is the next");
        assert_eq!(order.last(), Some(&100), "and who shares the crowd's address is behind it");
    }

    #[test]
    fn where_it_is_full_the_newest_of_most_goes() {
        let mut room = Anteroom::new(200);
        for n in 0..BY_PREFIX as u32 {
            room.wait(ip(1), n);
        }
        assert_eq!(room.wait(ip(1), 999), Some((ip(1), 999)), "so many of one prefix");
        for n in 0..72 {
            assert_eq!(room.wait(ip(10 + n), n), None);
        }
        assert_eq!(room.wait(ip(500), 7), Some((ip(1), 127)));
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_nobody_is_here_twice(
            comes in proptest::collection::vec((0_u32..20, any::<bool>()), 1..2_000),
        ) {
            let mut room = Anteroom::new(64);
            let (mut came, mut left) = (0_u32, Vec::new());
            for (prefix, comes) in comes {
                if comes {
                    left.extend(room.wait(ip(prefix), came).map(|(_, gone)| gone));
                    came += 1;
                } else {
                    left.extend(room.next());
                }
                prop_assert!(room.waiting <= 64);
            }
            left.extend(std::iter::from_fn(|| room.next()));
            prop_assert!(room.is_empty() && room.queues.is_empty() && room.turns.is_empty());
            left.sort_unstable();
            prop_assert_eq!(left, (0..came).collect::<Vec<_>>());
        }
    }
}
