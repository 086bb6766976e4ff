//! The way of a ball past a ring → none, under way, made or missed, picture by picture (pure).
//!
//! ```text
//!           above the ring, near      through its plane, within it
//!   Away ─────────────────────► Coming ──────────────────────► Through
//!    ▲                           ▲ │  ▲   above the plane again │ │
//!    │          above it again   │ │  └────────────────────────┘ │ below the ring, out at
//!    │          ┌────────────────┘ │ past the ring, or away      │ the side, or hidden
//!    │ SHOWN    │                  ▼                             │
//!    └───────── Shown ◄──────────────────────────────────────────┘
//! ```
//!
//! It sees one eye's picture: a ball that falls before the ring goes the same way as one that falls through
//! it. What tells them apart is the network's word whether a ball below the plane is inside ring and net;
//! how much of that counts says the bundle (`through`, `trust`).
//!
//! A ball that was never above the ring is none. What the game weighs are the odds of an outcome, so they are
//! bounded: no answer is certain. Deliberately absent: a ball that came up through the ring and falls back is
//! called made, which the rules of the game do not.

use crate::answer::RimProbabilities;
use crate::detect::rim::ball::spots::Spot;
use crate::detect::rim::manifest::BallTable;
use crate::media::MediaTime;

/// Above the plane by this is above it, widths of the ring: a cell of the map is 0.2 wide.
const ABOVE: f32 = 0.1;
/// A ball whose middle passes the plane within this of the ring's middle may have gone through: the
/// ring's inside ends at 0.5 of its width, and a place is off by a quarter of a cell.
const MOUTH: f32 = 0.5;
/// Out at the side below the plane: the net's opening is 0.5, and it gives.
const BESIDE: f32 = 0.75;
/// So far below the ring's lower edge its way is decided: truth calls it at 0.17 m, 0.37 of the ring.
const DECIDED: f32 = 0.35;
/// From so near, by the ring's line, a ball is at the ring (chosen: a ball is half as wide as the ring).
const NEAR: f32 = 0.9;
/// From so near a ball above the ring is one that comes.
const COMES: f32 = 1.4;
/// So much farther than it was at its nearest, and beyond this, a ball leads away: one that bounces on the
/// ring comes back.
const AWAY: f32 = 0.6;
const FAR_AWAY: f32 = 1.2;
/// A ball came if it was farther from the ring than this: what is first seen at the ring is a net that
/// swings, a hand (of 0.4 to 0.9 this had the most right on 480 rendered sequences).
const CAME: f32 = 0.5;
/// Between two places of one ball, widths of the ring a second: 9 m/s (a ball that falls 3 m has 8).
const FASTEST: f32 = 20.0;
/// No two places of one ball are nearer than what a place may be off, twice.
const STEP_AT_LEAST: f32 = 0.4;
/// A place that is a width of the ring from where the ball would be by now counts so much less probable.
const UNLIKE: f32 = 0.3;
/// A ball that is not seen for so long is hidden, or gone, ms.
const HIDDEN_MS: i64 = 250;
/// A ball that has gone through and is hidden by the net shows again, or is through, after so long, ms.
const HIDDEN_IN_NET_MS: i64 = 170;
/// An outcome is told for so long, ms, as RimNet was taught to.
const SHOWN_MS: i64 = 550;
/// Log-odds of an outcome that the way alone tells.
const SURE: f32 = 4.0;
/// No outcome has more.
const MOST: f32 = 6.0;

/// What a rule knows of one rim.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Way {
    /// Where the ball was last seen.
    last: Option<Place>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    at: MediaTime,
    across: f32,
    below: f32,
    /// Widths of the ring a second; 0 of a ball that was not seen before.
    speed: (f32, f32),
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Phase {
    /// No ball is at the ring.
    #[default]
    Away,
    /// One came from above.
    Coming {
        /// Its least distance from the ring …
        nearest: f32,
        /// … and its greatest.
        farthest: f32,
    },
    /// It passed the plane within the ring.
    Through {
        /// The most that its log-odds of being inside were since.
        inside: f32,
        /// As before it passed.
        nearest: f32,
        /// As before it passed.
        farthest: f32,
    },
    /// Its way told the outcome, by these log-odds of made.
    Shown { since: MediaTime, odds: f32 },
}

/// One picture at `at`, with the balls in it, best first; `half` is half the height of the ring's ellipse,
/// in its widths. Times must not go back: who sees that begins with [`Way::default`].
pub(crate) fn step(
    now: Way,
    at: MediaTime,
    seen: &[Spot],
    half: f32,
    by: &BallTable,
) -> (Way, RimProbabilities) {
    let spot = now.same_ball(at, seen, by);
    let phase = match spot {
        Some(spot) => seen_at(now, at, spot, half, by),
        None => unseen(now, at, by),
    };
    let phase = match phase {
        Phase::Shown { since, .. } if older(since, at, SHOWN_MS) => Phase::Away,
        phase => phase,
    };
    let here = spot.map(|spot| {
        let speed = now.last.map_or((0.0, 0.0), |last| last.speed_to(at, spot));
        Place { at, across: spot.across, below: spot.below, speed }
    });
    let last = here.or(now.last.filter(|last| !older(last.at, at, HIDDEN_MS)));
    (Way { last, phase }, told(phase, last))
}

impl Way {
    /// Of those that could be the ball which was there before the one that is most where it would be by now;
    /// else the best, if nobody is followed.
    fn same_ball(self, at: MediaTime, seen: &[Spot], by: &BallTable) -> Option<Spot> {
        let followed = matches!(self.phase, Phase::Coming { .. } | Phase::Through { .. });
        let best = seen.first().filter(|spot| !followed && spot.score >= by.least).copied();
        let Some(last) = self.last else { return best };
        let gone = seconds(last.at, at);
        let reach = (FASTEST * gone).max(STEP_AT_LEAST);
        let from =
            |across: f32, below: f32, spot: &Spot| (spot.across - across).hypot(spot.below - below);
        let (across, below) =
            (last.speed.0.mul_add(gone, last.across), last.speed.1.mul_add(gone, last.below));
        let like = |spot: &Spot| spot.score - UNLIKE * from(across, below, spot);
        let near = seen.iter().filter(|spot| from(last.across, last.below, spot) <= reach);
        near.max_by(|a, b| like(a).total_cmp(&like(b))).copied().or(best)
    }
}

impl Place {
    /// How fast it went from here to `spot`, each way.
    fn speed_to(self, at: MediaTime, spot: Spot) -> (f32, f32) {
        let gone = seconds(self.at, at);
        if gone <= 0.0 {
            return (0.0, 0.0);
        }
        let each = |from: f32, to: f32| ((to - from) / gone).clamp(-FASTEST, FASTEST);
        (each(self.across, spot.across), each(self.below, spot.below))
    }
}

/// The ball is at `spot`.
fn seen_at(now: Way, at: MediaTime, spot: Spot, half: f32, by: &BallTable) -> Phase {
    let near = from_ring(spot.across, spot.below);
    let comes = spot.below < -ABOVE && near < COMES;
    match now.phase {
        Phase::Away if comes => Phase::Coming { nearest: near, farthest: near },
        Phase::Away => Phase::Away,
        Phase::Coming { nearest, farthest } => {
            coming(now.last, at, spot, (nearest.min(near), farthest.max(near)))
        }
        Phase::Through { nearest, farthest, .. } if spot.below < -ABOVE => {
            Phase::Coming { nearest, farthest }
        }
        Phase::Through { inside, nearest, farthest } => {
            let inside = inside.max(spot.inside);
            if spot.across.abs() > BESIDE {
                Phase::Shown { since: at, odds: -SURE }
            } else if spot.below > half + DECIDED {
                Phase::Shown { since: at, odds: made_odds(inside, by) }
            } else {
                Phase::Through { inside, nearest, farthest }
            }
        }
        // The same ball, up again: what shows next counts.
        Phase::Shown { .. } if comes && near < NEAR && was_above(now.last) => {
            Phase::Coming { nearest: near, farthest: CAME }
        }
        Phase::Shown { .. } => now.phase,
    }
}

/// A ball that came from above is at `spot`.
fn coming(
    last: Option<Place>,
    at: MediaTime,
    spot: Spot,
    (nearest, farthest): (f32, f32),
) -> Phase {
    let came = farthest >= CAME;
    let passed_by = || {
        // One that never was at the ring was no attempt.
        if nearest < NEAR && came { Phase::Shown { since: at, odds: -SURE } } else { Phase::Away }
    };
    match last.and_then(|last| across_plane(last, spot)) {
        Some(across) if across.abs() <= MOUTH && came => {
            Phase::Through { inside: spot.inside, nearest, farthest }
        }
        Some(_) => passed_by(),
        None if spot.below >= 0.0 && spot.across.abs() > BESIDE => passed_by(),
        None if from_ring(spot.across, spot.below) > (nearest + AWAY).max(FAR_AWAY) => passed_by(),
        None => Phase::Coming { nearest, farthest },
    }
}

/// No ball is in the picture that could be this one.
fn unseen(now: Way, at: MediaTime, by: &BallTable) -> Phase {
    let since = now.last.map_or(at, |last| last.at);
    match now.phase {
        Phase::Through { inside, .. } if older(since, at, HIDDEN_IN_NET_MS) => {
            Phase::Shown { since: at, odds: made_odds(inside, by) }
        }
        Phase::Coming { nearest, farthest } if older(since, at, HIDDEN_MS) => {
            // Behind a board or out of the crop: what was at the ring did not go in.
            if nearest < NEAR && farthest >= CAME {
                Phase::Shown { since: at, odds: -SURE / 2.0 }
            } else {
                Phase::Away
            }
        }
        phase => phase,
    }
}

/// Log-odds that a ball which passed the plane within the ring went through it, not by before it. By the
/// picture that says it most: once it hangs out of the net it is not inside any more, and before the ring it
/// never was.
fn made_odds(inside: f32, by: &BallTable) -> f32 {
    (by.trust * (inside - by.through)).clamp(-MOST, MOST)
}

/// Where it passed the ring's plane on its way down, if between these two.
fn across_plane(last: Place, spot: Spot) -> Option<f32> {
    (last.below < 0.0 && spot.below >= 0.0).then(|| {
        let part = -last.below / (spot.below - last.below);
        part.mul_add(spot.across - last.across, last.across)
    })
}

/// It was above the ring when it was last seen.
fn was_above(last: Option<Place>) -> bool {
    last.is_some_and(|last| last.below < -ABOVE)
}

/// From the line of the ring, in its widths.
fn from_ring(across: f32, below: f32) -> f32 {
    (across.abs() - 0.5).max(0.0).hypot(below)
}

/// What a picture's answer is in a phase.
fn told(phase: Phase, last: Option<Place>) -> RimProbabilities {
    /// No model is certain, and logarithms stay finite.
    const LEAST: f32 = 0.01;
    let (under_way, outcome) = match (phase, last) {
        (Phase::Away, _) | (Phase::Coming { .. }, None) => (0.0, None),
        // Nearer than NEAR it is under way, from COMES on it is not.
        (Phase::Coming { .. }, Some(last)) => {
            let near = from_ring(last.across, last.below);
            (((COMES - near) / (COMES - NEAR)).clamp(0.0, 1.0), None)
        }
        (Phase::Through { .. }, _) => (1.0, None),
        (Phase::Shown { odds, .. }, _) => (0.0, Some(1.0 / (1.0 + (-odds).exp()))),
    };
    let rest = 1.0 - 4.0 * LEAST;
    let none = if outcome.is_some() { 0.0 } else { 1.0 - under_way };
    let share = |part: f32| LEAST + rest * part;
    RimProbabilities {
        none: share(none),
        under_way: share(under_way),
        made: share(outcome.unwrap_or_default()),
        missed: share(outcome.map_or(0.0, |made| 1.0 - made)),
    }
}

fn older(since: MediaTime, at: MediaTime, ms: i64) -> bool {
    at.nanos_since(since) >= ms * 1_000_000
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "part of a second"
)]
fn seconds(from: MediaTime, to: MediaTime) -> f32 {
    (to.nanos_since(from) as f64 / 1e9) as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BY: BallTable =
        BallTable { cells: 20, rings: 4.0, above: 1.5, least: 0.35, through: 0.0, trust: 1.0 };
    /// Between two pictures, ms.
    const STEP: i64 = 33;

    /// A ball at (across, below) with these log-odds of being inside; `None`: no ball is seen.
    type Seen = Option<(f32, f32, f32)>;

    fn answers(way: &[Seen], by: &BallTable) -> Vec<RimProbabilities> {
        let mut now = Way::default();
        let look = |(t, seen): (usize, &Seen)| {
            let at = MediaTime::from_millis(STEP * t as i64);
            let spot =
                seen.map(|(across, below, inside)| Spot { across, below, score: 0.9, inside });
            let (next, says) = step(now, at, spot.as_slice(), 0.15, by);
            now = next;
            says
        };
        way.iter().enumerate().map(look).collect()
    }

    /// Log-odds of made of the outcome that the pictures show last, if they show one.
    fn outcome(way: &[Seen]) -> Option<f32> {
        outcome_by(way, &BY)
    }

    fn outcome_by(way: &[Seen], by: &BallTable) -> Option<f32> {
        let shown = answers(way, by).into_iter().rfind(|p| p.made + p.missed > 0.5);
        shown.map(|p| (p.made / p.missed).ln())
    }

    /// From place to place in so many pictures each.
    fn path(places: &[(f32, f32)], pictures: usize, inside: f32) -> Vec<Seen> {
        let between = |two: &[(f32, f32)]| {
            let [(a, b), (c, d)] = [two[0], two[1]];
            let part = move |n: usize| n as f32 / pictures as f32;
            (0..pictures)
                .map(move |n| Some((a + part(n) * (c - a), b + part(n) * (d - b), inside)))
                .collect::<Vec<_>>()
        };
        places.windows(2).flat_map(between).collect()
    }

    #[test]
    fn a_ball_from_above_through_the_ring_is_made() {
        let way = path(&[(-0.6, -1.4), (0.0, -0.2), (0.05, 1.3)], 8, 2.0);
        assert!(outcome(&way).expect("shown") > 1.5);
        // Under way first: the game wants to have seen a ball.
        assert!(answers(&way, &BY)[8].under_way > 0.9);
        // Also where the net hides it.
        let hidden: Vec<Seen> = way[..11].iter().copied().chain([None; 12]).collect();
        assert!(outcome(&hidden).expect("shown") > 1.5);
    }

    #[test]
    fn a_ball_that_was_near_and_did_not_pass_through_is_missed() {
        // Beside the ring; up and away from it; rolled over it and off; out of it again.
        let ways: [&[(f32, f32)]; 4] = [
            &[(1.0, -1.3), (0.9, 0.0), (0.9, 1.3)],
            &[(-1.0, -1.2), (-0.3, -0.3), (1.2, -1.4)],
            &[(-0.9, -0.9), (-0.4, -0.3), (0.4, -0.3), (1.0, 0.5), (1.1, 1.5)],
            &[(-0.5, -1.0), (0.1, 0.1), (0.3, -0.4), (1.0, -0.2), (1.3, 1.0)],
        ];
        for way in ways {
            let odds = outcome(&path(way, 6, 2.0));
            assert!(odds.expect("shown") < -1.5, "{way:?} {odds:?}");
        }
        // Gone behind the board.
        let gone: Vec<Seen> =
            path(&[(0.9, -1.2), (0.4, -0.3)], 6, 0.0).into_iter().chain([None; 12]).collect();
        assert!(outcome(&gone).expect("shown") < 0.0);
    }

    #[test]
    fn a_ball_that_bounces_on_the_ring_has_one_outcome_and_that_is_its_last() {
        let way = path(&[(-0.8, -1.3), (-0.3, -0.25), (0.0, -1.0), (0.1, 0.1), (0.1, 1.2)], 8, 2.0);
        assert!(outcome(&way).expect("shown") > 1.5);
        let said = answers(&way, &BY);
        let first = said.iter().position(|p| p.made + p.missed > 0.5).expect("shown");
        assert!(said[..first].iter().all(|p| p.made < 0.1 && p.missed < 0.1), "{said:?}");
    }

    #[test]
    fn what_never_was_at_the_ring_is_none() {
        for way in [
            path(&[(1.9, -1.4), (1.9, 2.0)], 20, 0.0),
            path(&[(-1.9, 1.4), (1.9, 1.0)], 20, 0.0),
            vec![Some((0.0, 0.8, 3.0)); 60],
            // What is first seen at the ring: its net, and a hand in it.
            path(&[(0.1, -0.3), (0.1, 0.7), (0.0, 0.3)], 10, 2.0),
            vec![None; 60],
        ] {
            assert!(answers(&way, &BY).iter().all(|p| p.made + p.missed < 0.5), "{way:?}");
        }
    }

    /// The same way in the picture; only the network's word tells that it was before the ring.
    #[test]
    fn a_ball_that_falls_before_the_ring_is_missed_by_the_networks_word_alone() {
        let before = path(&[(0.0, -1.4), (0.0, 1.3)], 16, -2.0);
        assert!(outcome(&before).expect("shown") < -1.5);
        let deaf = BallTable { trust: 0.0, ..BY };
        assert_eq!(outcome_by(&before, &deaf), Some(0.0));
        let biased = BallTable { through: -4.0, ..BY };
        assert!(outcome_by(&before, &biased).expect("shown") > 1.5);
    }

    #[test]
    fn the_ball_that_is_followed_is_not_left_for_a_head() {
        let mut now = Way::default();
        let head = Spot { across: 1.8, below: 1.6, score: 0.99, inside: -3.0 };
        let mut last = None;
        for (t, seen) in path(&[(0.0, -1.2), (0.0, 1.2)], 14, 2.0).into_iter().enumerate() {
            let (across, below, inside) = seen.expect("a ball");
            let ball = Spot { across, below, score: 0.6, inside };
            // Once it is under way; before that whatever is likelier is looked at.
            let both = [head, ball];
            let seen = if t < 2 { &both[1..] } else { &both[..] };
            let at = MediaTime::from_millis(STEP * t as i64);
            let (next, says) = step(now, at, seen, 0.15, &BY);
            (now, last) = (next, Some(says));
        }
        assert!(last.expect("answers").made > 0.8, "{last:?}");
    }

    fn anything() -> impl Strategy<Value = Vec<Seen>> {
        let spot = (-2.0f32..2.0, -1.7f32..2.3, -6.0f32..6.0);
        let jumps = proptest::collection::vec(proptest::option::weighted(0.8, spot), 1..80);
        let places = proptest::collection::vec((-1.5f32..1.5, -1.5f32..1.5), 2..6);
        let flights = (places, 3usize..10, -6.0f32..6.0)
            .prop_map(|(places, pictures, inside)| path(&places, pictures, inside));
        prop_oneof![jumps, flights]
    }

    proptest! {
        /// Shares of one; left is as right; and once nothing is seen any more nothing is told.
        #[test]
        fn answers_are_shares_and_the_same_in_the_mirror(way in anything()) {
            let said = answers(&way, &BY);
            for p in &said {
                let all = [p.none, p.under_way, p.made, p.missed];
                prop_assert!(all.iter().all(|share| (0.005..=1.0).contains(share)), "{p:?}");
                prop_assert!((all.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
            let mirror = |seen: &Seen| seen.map(|(across, below, inside)| (-across, below, inside));
            let mirrored: Vec<Seen> = way.iter().map(mirror).collect();
            prop_assert_eq!(answers(&mirrored, &BY), said);
            let silent: Vec<Seen> = way.into_iter().chain([None; 31]).collect();
            prop_assert!(answers(&silent, &BY).last().expect("answers").none > 0.9);
        }

        /// Nothing is made but what passed the plane on its way down, within the ring.
        #[test]
        fn nothing_is_made_that_did_not_pass_the_plane_within_the_ring(way in anything()) {
            let mut passed = false;
            for (t, (says, seen)) in answers(&way, &BY).iter().zip(&way).enumerate() {
                if let Some((across, below, inside)) = *seen {
                    let spot = Spot { across, below, score: 0.9, inside };
                    let before = way[t.saturating_sub(8)..t].iter().flatten();
                    passed |= before.into_iter().any(|(across, below, _)| {
                        let (at, speed) = (MediaTime::ZERO, (0.0, 0.0));
                        let last = Place { at, across: *across, below: *below, speed };
                        across_plane(last, spot).is_some_and(|across| across.abs() <= MOUTH)
                    });
                }
                prop_assert!(passed || says.made < 0.5, "{t}: {says:?}");
            }
        }
    }
}
