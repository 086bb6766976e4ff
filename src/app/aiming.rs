//! Which ring a camera looks at, out of several looks (pure): for `aim`, at the box and from afar.

use serde::Serialize;

use crate::detect::ring::Ring;
use crate::health::TINY_RING_PX;
use crate::media::{RimBox, is_at};

/// A ring of this score is not doubted (chosen).
pub(crate) const SURE: f32 = 0.5;
/// A ring that stands still over several looks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Steady {
    /// Medians over the looks that saw it.
    pub(crate) rim: RimBox,
    pub(crate) score: f32,
    /// Looks that saw it.
    pub(crate) seen: usize,
}

/// The rings that at least half of the looks saw at one place: those wide enough to call on first,
/// then the surest.
pub(crate) fn steady(looks: &[Vec<Ring>]) -> Vec<Steady> {
    let mut groups: Vec<Vec<Ring>> = Vec::new();
    for rings in looks {
        for ring in rings {
            // The latest of a group is compared, so that slow drift is followed.
            let known = groups
                .iter_mut()
                .find(|group| group.last().is_some_and(|last| is_at(last.rim, ring.rim)));
            match known {
                Some(group) => group.push(*ring),
                None => groups.push(vec![*ring]),
            }
        }
    }
    let mut rings: Vec<Steady> = groups
        .iter()
        .filter(|group| group.len() * 2 >= looks.len())
        .map(|group| {
            let middle = |of: fn(&Ring) -> f32| median(group.iter().map(of).collect());
            let rim = RimBox {
                x: middle(|ring| ring.rim.x),
                y: middle(|ring| ring.rim.y),
                w: middle(|ring| ring.rim.w),
                h: middle(|ring| ring.rim.h),
            };
            Steady { rim, score: middle(|ring| ring.score), seen: group.len() }
        })
        .collect();
    rings.sort_by(|a, b| wide(b).cmp(&wide(a)).then(b.score.total_cmp(&a.score)));
    rings
}

/// Wide enough for calls to be relied on.
fn wide(ring: &Steady) -> bool {
    f64::from(ring.rim.w) >= TINY_RING_PX
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The ring that is proposed, of `rings` in their order: of those wide enough to call on, where there
/// are such, the surest that is at least half as wide as the widest sure one. A court's own hoop is
/// nearer than its neighbours'.
pub(crate) fn choose(rings: &[Steady]) -> Option<&Steady> {
    let some_wide = rings.iter().any(wide);
    let sure = || rings.iter().filter(|ring| ring.score >= SURE && wide(ring) == some_wide);
    let widest = sure().map(|ring| ring.rim.w).fold(0.0, f32::max);
    sure().find(|ring| ring.rim.w * 2.0 >= widest).or_else(|| rings.first())
}
