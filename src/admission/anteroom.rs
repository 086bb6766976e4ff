//! Where connections wait to be taken in (pure): in turn by prefix, of each prefix the newest first.
//!
//! So who knocks a hundred times at once waits for himself alone. The newest first, since where more come than are
//! taken in, who has waited longest has mostly given up, and a camera that shares the crowd's address would come
//! last for ever. Where it is full, the oldest of the prefix with most goes.

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
            return self.oldest_of(prefix);
        }
        if self.waiting <= self.most {
            return None;
        }
        // The newest prefix of those with as many: who came first has waited longest.
        let most =
            self.turns.iter().max_by_key(|prefix| self.queues.get(prefix).map_or(0, VecDeque::len));
        most.copied().and_then(|prefix| self.oldest_of(prefix))
    }

    /// The next one in turn.
    pub(crate) fn next(&mut self) -> Option<T> {
        let prefix = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&prefix)?;
        let next = queue.pop_back();
        if queue.is_empty() {
            self.queues.remove(&prefix);
        } else {
            self.turns.push_back(prefix);
        }
        self.waiting -= usize::from(next.is_some());
        next
    }

    fn oldest_of(&mut self, prefix: Prefix) -> Option<(Prefix, T)> {
        let queue = self.queues.get_mut(&prefix)?;
        let oldest = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&prefix);
            self.turns.retain(|turn| *turn != prefix);
        }
        self.waiting -= 1;
        Some((prefix, oldest))
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
    fn a_crowd_of_one_address_waits_for_itself() {
        let mut room = Anteroom::new(512);
        for n in 0..100 {
            assert_eq!(room.wait(ip(1), n), None);
        }
        room.wait(ip(2), 1_000);
        room.wait(ip(1), 100);
        let order: Vec<u32> = std::iter::from_fn(|| room.next()).collect();
        assert_eq!(order[..4], [100, 1_000, 99, 98], "a newcomer's turn is the next");
        assert_eq!(order.last(), Some(&0), "and who shares the crowd's address is not behind it");
    }

    #[test]
    fn where_it_is_full_the_oldest_of_most_goes() {
        let mut room = Anteroom::new(200);
        for n in 0..BY_PREFIX as u32 {
            room.wait(ip(1), n);
        }
        assert_eq!(room.wait(ip(1), 999), Some((ip(1), 0)), "so many of one prefix");
        for n in 0..72 {
            assert_eq!(room.wait(ip(10 + n), n), None);
        }
        assert_eq!(room.wait(ip(500), 7), Some((ip(1), 1)));
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
