//! Has the camera been moved? Looks of a second each, told apart (pure).
//!
//! The camera stands where the rims were drawn once the ring was seen at its box in most of the
//! last 30 looks. From then on, a ring that is seen elsewhere, at one and the same place in 5 of 6
//! looks, means that the camera has moved; 5 of 6 looks at the box mean that it is back. Rings that
//! were there too while the camera stood well (other hoops) mean nothing. Nobody at the ring, a
//! hidden ring, a look that sees nothing: no answer either way.

use std::collections::VecDeque;

use crate::media::{RimBox, Sight, is_at, sight};

/// Looks over which the ring must have been seen at its box: half a minute.
const SETTLE_LOOKS: usize = 30;
/// How many of them: most.
const SETTLED: usize = 16;
/// Looks that decide, and how many of them must agree.
const LOOKS: usize = 6;
const AGREE: usize = 5;
/// Looks after which a ring beside the box is known as another hoop.
const KNOWN: u32 = 3;
/// Other hoops that are remembered.
const MAX_OTHERS: usize = 32;

/// A change that somebody should hear of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    /// The camera has moved: rim `rim` is now at `now`.
    Moved {
        /// Index of the rim.
        rim: usize,
        /// Where its ring is seen.
        now: RimBox,
    },
    /// The ring of `rim` is at its box again.
    Back {
        /// Index of the rim.
        rim: usize,
    },
}

/// The looks at one court, for one size of picture.
#[derive(Clone, Debug)]
pub(crate) struct Bump {
    rims: Vec<Rim>,
    /// Other hoops and how often they were seen while the camera stood well.
    others: Vec<(RimBox, u32)>,
}

#[derive(Clone, Debug)]
struct Rim {
    drawn: RimBox,
    /// Was the ring at its box? The last [`SETTLE_LOOKS`] looks.
    at_box: VecDeque<bool>,
    settled: bool,
    recent: VecDeque<Sight>,
    moved: Option<RimBox>,
}

impl Bump {
    /// Nothing seen yet; `rims` in pixels of the pictures that will be looked at.
    #[must_use]
    pub(crate) fn new(rims: &[RimBox]) -> Self {
        let rim = |drawn: &RimBox| Rim {
            drawn: *drawn,
            at_box: VecDeque::with_capacity(SETTLE_LOOKS),
            settled: false,
            recent: VecDeque::with_capacity(LOOKS),
            moved: None,
        };
        Self { rims: rims.iter().map(rim).collect(), others: Vec::new() }
    }

    /// Takes the rings of the next look.
    pub(crate) fn look(&mut self, rings: &[RimBox]) -> Vec<Change> {
        // Of what was there before nothing follows.
        let unknown: Vec<RimBox> =
            rings.iter().copied().filter(|ring| !self.is_known_other(*ring)).collect();
        let mut all_at_box = true;
        let mut changes = Vec::new();
        for (index, rim) in self.rims.iter_mut().enumerate() {
            let at_box = rings.iter().any(|ring| is_at(rim.drawn, *ring));
            let seen = if at_box { Sight::AtBox } else { sight(rim.drawn, &unknown) };
            all_at_box &= at_box;
            changes.extend(rim.take(index, seen));
        }
        // Learnt only while the camera surely stands as it was.
        if all_at_box && !self.rims.is_empty() {
            self.learn(rings);
        }
        changes
    }

    /// The first rim whose ring is elsewhere now.
    #[must_use]
    pub(crate) fn moved(&self) -> Option<(usize, RimBox)> {
        self.rims.iter().enumerate().find_map(|(index, rim)| Some((index, rim.moved?)))
    }

    fn is_known_other(&self, ring: RimBox) -> bool {
        self.others.iter().any(|(other, times)| *times >= KNOWN && is_at(*other, ring))
    }

    fn learn(&mut self, rings: &[RimBox]) {
        let drawn: Vec<RimBox> = self.rims.iter().map(|rim| rim.drawn).collect();
        let beside = |ring: &&RimBox| !drawn.iter().any(|drawn| is_at(*drawn, **ring));
        for ring in rings.iter().filter(beside) {
            match self.others.iter_mut().find(|(other, _)| is_at(*other, *ring)) {
                Some((_, times)) => *times = times.saturating_add(1),
                None => {
                    if self.others.len() == MAX_OTHERS {
                        let rarest = (0..MAX_OTHERS).min_by_key(|at| self.others[*at].1);
                        self.others.swap_remove(rarest.unwrap_or(0));
                    }
                    self.others.push((*ring, 1));
                }
            }
        }
    }
}

impl Rim {
    fn take(&mut self, index: usize, seen: Sight) -> Option<Change> {
        push(&mut self.at_box, seen == Sight::AtBox, SETTLE_LOOKS);
        push(&mut self.recent, seen, LOOKS);
        // Once it stood, it stood: what comes later is a change.
        self.settled |= self.at_box.iter().filter(|at_box| **at_box).count() >= SETTLED;
        if !self.settled {
            return None;
        }
        let at_box = self.recent.iter().filter(|seen| **seen == Sight::AtBox).count();
        if self.moved.is_some() {
            if at_box >= AGREE {
                self.moved = None;
                return Some(Change::Back { rim: index });
            }
            // It may be moved on; told anew only when it came back.
            self.moved = self.agreed().or(self.moved);
            return None;
        }
        let now = self.agreed()?;
        self.moved = Some(now);
        Some(Change::Moved { rim: index, now })
    }

    /// The place elsewhere that enough of the last looks agree on.
    fn agreed(&self) -> Option<RimBox> {
        let places = self.recent.iter().filter_map(|seen| match seen {
            Sight::Elsewhere(ring) => Some(*ring),
            Sight::AtBox | Sight::Nothing => None,
        });
        let last = places.clone().next_back()?;
        (places.filter(|place| is_at(last, *place)).count() >= AGREE).then_some(last)
    }
}

fn push<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: RimBox = RimBox { x: 600.0, y: 200.0, w: 40.0, h: 16.0 };
    const OTHER: RimBox = RimBox { x: 200.0, y: 210.0, w: 38.0, h: 15.0 };

    fn shifted(rim: RimBox, by: f32) -> RimBox {
        RimBox { x: rim.x + by, ..rim }
    }

    fn settled() -> Bump {
        let mut bump = Bump::new(&[BOX]);
        for _ in 0..SETTLED {
            assert_eq!(bump.look(&[shifted(BOX, 3.0), OTHER]), []);
        }
        bump
    }

    /// Looks that are the same; the changes that they bring.
    fn looks(bump: &mut Bump, rings: &[RimBox], times: usize) -> Vec<Change> {
        (0..times).flat_map(|_| bump.look(rings)).collect()
    }

    #[test]
    fn a_bumped_camera_is_told_once_and_its_return_too() {
        let mut bump = settled();
        let now = shifted(BOX, 30.0);
        assert_eq!(looks(&mut bump, &[now, shifted(OTHER, 30.0)], 4), []);
        assert_eq!(
            looks(&mut bump, &[now, shifted(OTHER, 30.0)], 1),
            [Change::Moved { rim: 0, now }]
        );
        assert_eq!(looks(&mut bump, &[now], 20), []);
        assert_eq!(bump.moved(), Some((0, now)));
        assert_eq!(looks(&mut bump, &[BOX], 5), [Change::Back { rim: 0 }]);
        assert_eq!(bump.moved(), None);
    }

    #[test]
    fn a_zoom_is_a_move() {
        let mut bump = settled();
        let now = RimBox { x: 590.0, y: 196.0, w: 60.0, h: 24.0 };
        assert_eq!(looks(&mut bump, &[now], 5), [Change::Moved { rim: 0, now }]);
    }

    #[test]
    fn a_hidden_ring_beside_another_hoop_is_no_move() {
        let mut bump = settled();
        assert_eq!(looks(&mut bump, &[OTHER], 60), []);
        assert_eq!(looks(&mut bump, &[], 60), []);
    }

    #[test]
    fn things_that_wander_are_no_move() {
        let mut bump = settled();
        for step in 0..60_u8 {
            let somewhere = shifted(BOX, 60.0 + 20.0 * f32::from(step % 7));
            assert_eq!(bump.look(&[somewhere]), []);
        }
    }

    #[test]
    fn one_look_in_six_may_fail() {
        let mut bump = settled();
        let now = shifted(BOX, -30.0);
        assert_eq!(looks(&mut bump, &[now], 3), []);
        assert_eq!(looks(&mut bump, &[], 1), []);
        assert_eq!(looks(&mut bump, &[now], 2), [Change::Moved { rim: 0, now }]);
    }

    #[test]
    fn a_ring_that_never_was_at_its_box_is_no_move() {
        let mut bump = Bump::new(&[BOX]);
        assert_eq!(looks(&mut bump, &[shifted(BOX, 100.0)], 100), []);
        // Fifteen of thirty looks are not most.
        let mut bump = Bump::new(&[BOX]);
        for _ in 0..40 {
            assert_eq!(bump.look(&[BOX]), []);
            assert_eq!(bump.look(&[]), []);
        }
        assert_eq!(looks(&mut bump, &[shifted(BOX, 100.0)], 10), []);
    }

    #[test]
    fn each_rim_is_watched_for_itself() {
        let mut bump = Bump::new(&[BOX, OTHER]);
        assert_eq!(looks(&mut bump, &[BOX, OTHER], SETTLED), []);
        let moved = [shifted(BOX, 25.0), shifted(OTHER, 25.0)];
        let told = looks(&mut bump, &moved, 5);
        assert_eq!(
            told,
            [Change::Moved { rim: 0, now: moved[0] }, Change::Moved { rim: 1, now: moved[1] }]
        );
    }
}
