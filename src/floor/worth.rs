//! What a shot from a spot is worth, and how sure that is. Pure.
//!
//! The spot is a normal distribution about where it was seen. Its mass within the border is exact for a polygon but for
//! one integral of a smooth function an edge, so that it hangs on no dice and no grid: each edge and the spot are a
//! triangle, and the triangles' masses, with their signs, add up to that of the polygon.

use std::f64::consts::TAU;

use crate::floor::fit::Spot;
use crate::floor::plan::{Basket, Plan, Xy};

/// So near to the border nobody's word but a person's counts, meters.
pub const BAND_M: f64 = 0.2;
/// A value of less probability is unsure (chosen: nine of ten that are called shall be right).
const SURE: f64 = 0.9;
/// How far behind the baseline the lesser value goes on: a foot behind the basket is no long shot.
const BEHIND_M: f64 = 10.0;
/// A spot this sure lies on one side or the other.
const POINT_M: f64 = 1e-6;

/// What a shot is worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Worth {
    /// Its points, where they are sure.
    pub points: Option<u8>,
    /// Each value with its probability, the least first. Rules that divide what is beyond the border by more than the
    /// painted arc have the values beyond it as one, under the least of them.
    pub shares: Vec<(u8, f64)>,
    /// How far the spot is from the border, meters; negative within it.
    pub beyond_m: f64,
}

/// The worth of a shot at a basket, by values of a shot from the field, the least first.
#[must_use]
pub fn worth(plan: &Plan, basket: Basket, values: &[u8], spot: Spot) -> Worth {
    let at = plan.before(basket, spot.at);
    let area = area(plan);
    let beyond_m = beyond(plan, at);
    let (Some(inside), beyond) = (values.first().copied(), values.get(1).copied()) else {
        return Worth { points: None, shares: Vec::new(), beyond_m };
    };
    let Some(outside) = beyond else {
        return Worth { points: Some(inside), shares: vec![(inside, 1.0)], beyond_m };
    };
    let within = mass(&area, at, spot.sigma);
    let shares = vec![(inside, within), (outside, 1.0 - within)];
    // Where beyond the arc another border lies that is on no plan, only what is within it is known.
    let known = shares.iter().filter(|(value, _)| *value == inside || values.len() == 2);
    let sure = known.into_iter().find(|(_, share)| *share >= SURE && beyond_m.abs() > BAND_M);
    Worth { points: sure.map(|(value, _)| *value), shares, beyond_m }
}

/// Where the lesser value counts: within the painted border, and behind the baseline as far as anybody stands.
fn area(plan: &Plan) -> Vec<Xy> {
    let mut area = plan.border();
    if let (Some(first), Some(last)) = (area.first().copied(), area.last().copied()) {
        area.insert(0, Xy::new(first.x, -BEHIND_M));
        area.push(Xy::new(last.x, -BEHIND_M));
    }
    area
}

/// Distance from the border, its two straight lines and the arc; negative within. The baseline is none.
fn beyond(plan: &Plan, at: Xy) -> f64 {
    let lines = area(plan);
    let distance =
        lines.windows(2).map(|pair| to_edge(at, pair[0], pair[1])).fold(f64::INFINITY, f64::min);
    let basket = Xy::new(0.0, plan.basket);
    let within =
        at.x.abs() <= plan.corner && (at.y <= plan.bend() || at.distance(basket) <= plan.arc);
    if within { -distance } else { distance }
}

fn to_edge(at: Xy, from: Xy, to: Xy) -> f64 {
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let along = ((at.x - from.x) * dx + (at.y - from.y) * dy) / (dx * dx + dy * dy);
    let along = along.clamp(0.0, 1.0);
    at.distance(Xy::new(from.x + dx * along, from.y + dy * along))
}

/// The mass of a normal distribution about a spot within a polygon.
fn mass(polygon: &[Xy], spot: Xy, sigma: f64) -> f64 {
    let sigma = sigma.max(POINT_M);
    let edges = polygon.iter().zip(polygon.iter().cycle().skip(1));
    let signed: f64 = edges.map(|(from, to)| triangle(*from, *to, spot, sigma)).sum();
    signed.abs().clamp(0.0, 1.0)
}

/// The mass between the spot and an edge, by the way that the edge goes round it.
fn triangle(from: Xy, to: Xy, spot: Xy, sigma: f64) -> f64 {
    /// Parts of the angle; with three places each, what is left is far below a thousandth.
    const PARTS: u32 = 64;
    /// Gauss and Legendre's places and weights of an interval from -1 to 1.
    const NODES: [(f64, f64); 3] =
        [(-0.774_596_669_241_483, 5.0 / 9.0), (0.0, 8.0 / 9.0), (0.774_596_669_241_483, 5.0 / 9.0)];
    let (ax, ay) = (from.x - spot.x, from.y - spot.y);
    let (bx, by) = (to.x - spot.x, to.y - spot.y);
    let cross = ax * by - ay * bx;
    let length = (bx - ax).hypot(by - ay);
    if length <= 0.0 || cross == 0.0 {
        return 0.0;
    }
    // Angles from the foot of the perpendicular, where the edge is nearest.
    let high = cross / length;
    let tangent = |x: f64, y: f64| ((x * (bx - ax) + y * (by - ay)) / length).atan2(high.abs());
    let (first, last) = (tangent(ax, ay), tangent(bx, by));
    let step = (last - first) / f64::from(PARTS);
    let inside = |angle: f64| {
        let reach = high / (sigma * angle.cos());
        1.0 - (-0.5 * reach * reach).exp()
    };
    let part = |n: u32| {
        let middle = first + step * (f64::from(n) + 0.5);
        NODES
            .iter()
            .map(|(place, weight)| weight * inside(middle + place * step / 2.0))
            .sum::<f64>()
    };
    high.signum() * (0..PARTS).map(part).sum::<f64>() * step / 2.0 / TAU
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spot(x: f64, y: f64, sigma: f64) -> Spot {
        Spot { at: Xy::new(x, y), sigma }
    }

    /// By counting the squares of a fine grid about the spot, each with its weight, within the border as the book says it.
    fn counted(plan: &Plan, at: Xy, sigma: f64) -> f64 {
        let (mut within, mut all) = (0.0, 0.0);
        for i in -120..=120_i32 {
            for k in -120..=120_i32 {
                let (dx, dy) = (f64::from(i) / 24.0, f64::from(k) / 24.0);
                let weight = (-0.5 * (dx * dx + dy * dy)).exp();
                let there = Xy::new(at.x + dx * sigma, at.y + dy * sigma);
                let in_arc = there.distance(Xy::new(0.0, plan.basket)) <= plan.arc;
                if there.x.abs() <= plan.corner && (there.y <= plan.bend() || in_arc) {
                    within += weight;
                }
                all += weight;
            }
        }
        within / all
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn the_share_is_what_a_fine_grid_counts(
            which in 0..5_usize, x in -9.0..9.0_f64, y in -1.5..11.0_f64, sigma in 0.02..0.8_f64,
        ) {
            let plan = Plan::all().swap_remove(which);
            let told = worth(&plan, Basket::Near, &[2, 3], spot(x, y, sigma));
            let counted = counted(&plan, Xy::new(x, y), sigma);
            prop_assert!((told.shares[0].1 - counted).abs() < 0.01, "{told:?} {counted}");
            prop_assert!((told.shares[0].1 + told.shares[1].1 - 1.0).abs() < 1e-12);
        }

        #[test]
        fn beyond_is_the_distance_to_the_border_as_the_book_says_it(
            which in 0..5_usize, x in -9.0..9.0_f64, y in -1.5..11.0_f64,
        ) {
            let plan = Plan::all().swap_remove(which);
            let told = worth(&plan, Basket::Near, &[2, 3], spot(x, y, 0.1));
            // By brute force: the nearest of many places of the two lines and the arc.
            let line = (0..4000_u32).map(|n| -10.0 + (plan.bend() + 10.0) * f64::from(n) / 3999.0);
            let lines = line.flat_map(|y| [Xy::new(-plan.corner, y), Xy::new(plan.corner, y)]);
            let from = (plan.bend() - plan.basket).atan2(plan.corner);
            let arc = (0..4000_u32).map(|n| from + (std::f64::consts::PI - 2.0 * from) * f64::from(n) / 3999.0);
            let arc = arc.map(|a| Xy::new(plan.arc * a.cos(), plan.basket + plan.arc * a.sin()));
            let nearest = lines.chain(arc).map(|at| at.distance(Xy::new(x, y))).fold(f64::INFINITY, f64::min);
            prop_assert!((told.beyond_m.abs() - nearest).abs() < 0.006, "{} {nearest}", told.beyond_m);
            // A point says on which side it is.
            let sure = worth(&plan, Basket::Near, &[2, 3], spot(x, y, 0.0));
            prop_assert!(nearest < 0.01 || (sure.shares[0].1 > 0.5) == (told.beyond_m < 0.0), "{sure:?}");
            prop_assert_eq!(sure.points.is_none(), sure.beyond_m.abs() <= BAND_M);
        }

        #[test]
        fn it_is_the_same_at_both_baskets_and_on_both_sides(
            x in -7.5..7.5_f64, y in 0.0..14.0_f64, sigma in 0.0..0.5_f64,
        ) {
            let plan = Plan::named("fiba").expect("there");
            let near = worth(&plan, Basket::Near, &[2, 3], spot(x, y, sigma));
            let far = worth(&plan, Basket::Far, &[2, 3], spot(-x, 28.0 - y, sigma));
            let mirrored = worth(&plan, Basket::Near, &[2, 3], spot(-x, y, sigma));
            for other in [far, mirrored] {
                prop_assert!((near.shares[0].1 - other.shares[0].1).abs() < 1e-6);
                prop_assert!((near.beyond_m - other.beyond_m).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn places_of_the_court_are_worth_what_the_book_says() {
        let plan = Plan::named("fiba").expect("there");
        for (x, y, values, expected) in [
            (0.0, 1.6, &[2, 3][..], Some(2)),
            (0.0, 5.8, &[2, 3], Some(2)),
            (0.0, 9.0, &[2, 3], Some(3)),
            // The corner: 6.9 m from the basket, and beyond the straight line; 6.3 m, and within it.
            (6.9, 1.5, &[2, 3], Some(3)),
            (6.3, 1.5, &[2, 3], Some(2)),
            (6.65, 1.5, &[2, 3], None),
            // Behind the baseline.
            (1.0, -0.4, &[2, 3], Some(2)),
            (7.2, -0.4, &[2, 3], Some(3)),
            // FIBA 3x3 and pickup; BIG3's fours lie beyond on no plan; a court of one value.
            (0.0, 9.0, &[1, 2], Some(2)),
            (0.0, 9.0, &[2, 3, 4], None),
            (0.0, 4.0, &[2, 3, 4], Some(2)),
            (0.0, 9.0, &[1], Some(1)),
            (0.0, 9.0, &[], None),
        ] {
            let told = worth(&plan, Basket::Near, values, spot(x, y, 0.05));
            assert_eq!(told.points, expected, "{x} {y} {values:?}: {told:?}");
        }
    }

    #[test]
    fn the_band_is_twenty_centimeters_to_both_sides_and_a_rough_spot_is_unsure_beyond_it() {
        let plan = Plan::named("fiba").expect("there");
        let arc = plan.basket + plan.arc;
        let called =
            |y: f64, sigma: f64| worth(&plan, Basket::Near, &[2, 3], spot(0.0, y, sigma)).points;
        assert_eq!(called(arc - 0.21, 0.05), Some(2));
        assert_eq!(called(arc - 0.19, 0.05), None);
        assert_eq!(called(arc + 0.19, 0.05), None);
        assert_eq!(called(arc + 0.21, 0.05), Some(3));
        assert_eq!(called(arc + 0.21, 0.3), None, "one of four such spots lies within");
        assert_eq!(called(arc + 1.0, 0.3), Some(3));
    }
}
