//! Sets of clicked points that no camera above a floor can see: refused before anything is fitted. Pure.
//!
//! A camera that stands above the floor sees every three points turn the way that they turn seen from above, whatever its
//! lens: a triple that turns the other way has a wrong name or a wrong place. All of them turning so is a mirrored
//! picture. Which name is wrong is found by trying: exchange two, or leave one out, until all turn right.

use crate::floor::map::{Pixel, Place};
use crate::floor::plan::Xy;

/// The least points that a map needs.
const LEAST: usize = 4;
/// Three points count as a triangle from so many meters of height on (chosen: less is one line to who clicks) …
const HIGH_M: f64 = 0.5;
/// … and so many pixels: three times what a hand misses by, and a bit.
const HIGH_PX: f64 = 7.0;

/// Why a set of points gives no map, and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts name their fields")]
pub enum Refused {
    #[error("{clicked} of at least {LEAST} points are clicked: click {} more, far apart", LEAST - clicked)]
    TooFew { clicked: usize },
    #[error(
        "no four of these points have every three of them off one line, in the court and in the picture: click points \
         farther apart, for example both elbows and both corners of the key at the baseline"
    )]
    OnALine,
    #[error(
        "left and right are exchanged everywhere: left is at your left as you look at that basket from the middle of the \
         court. If all are right, the camera mirrors its picture: switch that off"
    )]
    Mirrored,
    #[error("{one} and {other} seem to be exchanged: click each at the other's place")]
    Exchanged { one: String, other: String },
    #[error("{point} does not fit to the others: click it again, or take it out")]
    Wrong { point: String },
    #[error(
        "these points do not lie to each other as in the court: compare each with the plan, and click it again"
    )]
    Muddled,
    #[error(
        "{point} is {off:.0} pixels beside where the others put it: is it that point, of this court's lines and not of \
         another sport's? Click it again, or take it out"
    )]
    FarOff { point: String, off: f64 },
    #[error(
        "these points give no map: some of them would lie behind the camera. Compare each with the plan, and click it again"
    )]
    Behind,
}

/// Looks whether a camera can see the points so.
///
/// # Errors
/// [`Refused`].
pub(super) fn check(places: &[Place]) -> Result<(), Refused> {
    if places.len() < LEAST {
        return Err(Refused::TooFew { clicked: places.len() });
    }
    if !spread(places) {
        return Err(Refused::OnALine);
    }
    let all: Vec<usize> = (0..places.len()).collect();
    match turns(places, &all) {
        (_, 0) => Ok(()),
        (0, _) => Err(Refused::Mirrored),
        _ => Err(suspect(places)),
    }
}

/// The names that are wrong, where one change mends all.
fn suspect(places: &[Place]) -> Refused {
    let name = |at: usize| places[at].name.clone();
    let all: Vec<usize> = (0..places.len()).collect();
    let mut exchanges = Vec::new();
    for one in 0..places.len() {
        for other in one + 1..places.len() {
            let mut tried = places.to_vec();
            (tried[one].pixel, tried[other].pixel) = (places[other].pixel, places[one].pixel);
            if turns(&tried, &all).1 == 0 {
                exchanges.push((one, other));
            }
        }
    }
    let mut left_out = Vec::new();
    for one in 0..places.len() {
        let others: Vec<usize> = (0..places.len()).filter(|at| *at != one).collect();
        if others.len() >= LEAST && turns(places, &others).1 == 0 {
            left_out.push(one);
        }
    }
    // Of several ways none is the one.
    match (&exchanges[..], &left_out[..]) {
        ([(one, other)], _) => Refused::Exchanged { one: name(*one), other: name(*other) },
        (_, [one]) => Refused::Wrong { point: name(*one) },
        _ => Refused::Muddled,
    }
}

/// Triples that turn in the picture as in the court, and those that turn the other way.
fn turns(places: &[Place], of: &[usize]) -> (usize, usize) {
    let (mut alike, mut other) = (0, 0);
    for (i, a) in of.iter().enumerate() {
        for (k, b) in of.iter().enumerate().skip(i + 1) {
            for c in of.iter().skip(k + 1) {
                let three = [*a, *b, *c].map(|at| &places[at]);
                let (floor, picture) = (twice(three.map(court)), twice(three.map(pixel)));
                if floor.1 < HIGH_M || picture.1 < HIGH_PX {
                    continue;
                }
                if (floor.0 > 0.0) == (picture.0 > 0.0) { alike += 1 } else { other += 1 }
            }
        }
    }
    (alike, other)
}

/// True if four of the points can carry a map.
fn spread(places: &[Place]) -> bool {
    let is_high = |three: [&Place; 3]| {
        twice(three.map(court)).1 >= HIGH_M && twice(three.map(pixel)).1 >= HIGH_PX
    };
    let n = places.len();
    (0..n).any(|a| {
        (a + 1..n).any(|b| {
            (b + 1..n).any(|c| {
                let [a, b, c] = [a, b, c].map(|at| &places[at]);
                is_high([a, b, c])
                    && places
                        .iter()
                        .any(|d| is_high([a, b, d]) && is_high([a, c, d]) && is_high([b, c, d]))
            })
        })
    })
}

fn court(place: &Place) -> [f64; 2] {
    let Xy { x, y } = place.at;
    [x, y]
}

const fn pixel(place: &Place) -> Pixel {
    place.pixel
}

/// Twice the area of a triangle, by the way that it turns, and its least height.
fn twice([a, b, c]: [[f64; 2]; 3]) -> (f64, f64) {
    let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    let side = |p: [f64; 2], q: [f64; 2]| (p[0] - q[0]).hypot(p[1] - q[1]);
    let longest = side(a, b).max(side(b, c)).max(side(c, a));
    (area, if longest > 0.0 { area.abs() / longest } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::floor::plan::Plan;

    const FOUR: [&str; 4] = ["key-left", "key-right", "elbow-left", "elbow-right"];

    /// Places as a camera beside the court sees them.
    fn seen(names: &[&str]) -> Vec<Place> {
        let plan = Plan::named("fiba").expect("there");
        let place = |name: &&str| {
            let at = plan.point(name).unwrap_or_else(|| panic!("{name}")).at;
            let depth = 1.0 - 0.04 * at.x - 0.03 * at.y;
            let (u, v) = (640.0 + 82.0 * at.x - 30.0 * at.y, 300.0 - 8.0 * at.x + 12.0 * at.y);
            Place { name: (*name).to_owned(), at, pixel: [u / depth, v / depth] }
        };
        names.iter().map(place).collect()
    }

    fn exchanged(mut places: Vec<Place>, one: usize, other: usize) -> Vec<Place> {
        let pixel = places[one].pixel;
        places[one].pixel = places[other].pixel;
        places[other].pixel = pixel;
        places
    }

    fn said(places: &[Place]) -> String {
        check(places).expect_err("refused").to_string()
    }

    #[test]
    fn what_a_camera_sees_is_taken() {
        let plan = Plan::named("fiba").expect("there");
        let names: Vec<String> = plan.points().into_iter().map(|point| point.name).collect();
        let near: Vec<&str> =
            names.iter().map(String::as_str).filter(|name| !name.starts_with("far-")).collect();
        assert_eq!(check(&seen(&near)), Ok(()));
        assert_eq!(check(&seen(&FOUR)), Ok(()));
    }

    #[test]
    fn too_few_and_those_on_a_line_are_refused_with_what_to_do() {
        assert_eq!(
            said(&seen(&FOUR[..3])),
            "3 of at least 4 points are clicked: click 1 more, far apart"
        );
        let line =
            ["corner-left", "arc-left", "key-left", "key-right", "arc-right", "corner-right"];
        assert!(said(&seen(&line)).contains("off one line"));
        // One beside the line is not enough: the map could still tilt.
        let most = ["corner-left", "arc-left", "key-left", "elbow-right"];
        assert!(said(&seen(&most)).contains("off one line"));
        // Nor are four that lie apart on the floor and on a line in the picture.
        let mut flat = seen(&FOUR);
        for place in &mut flat {
            place.pixel[1] = 300.0;
        }
        assert!(said(&flat).contains("off one line"));
        assert!(said(&vec![flat[0].clone(); 4]).contains("off one line"), "one point four times");
    }

    #[test]
    fn a_mirrored_court_is_refused() {
        let mut places = seen(&FOUR);
        for place in &mut places {
            place.pixel[0] = 1280.0 - place.pixel[0];
        }
        assert!(said(&places).contains("exchanged everywhere"));
        // So is one whose left and right were taken for each other at each pair.
        let sides = exchanged(exchanged(seen(&FOUR), 0, 1), 2, 3);
        assert!(said(&sides).contains("exchanged everywhere"));
    }

    #[test]
    fn two_names_for_each_others_place_are_named() {
        let five =
            ["key-left", "key-right", "elbow-left", "elbow-right", "corner-left", "corner-right"];
        for (one, other) in [(0, 1), (2, 3), (0, 3), (1, 5)] {
            let said = said(&exchanged(seen(&five), one, other));
            assert!(
                said.contains(five[one]) && said.contains(five[other]),
                "{one} {other}: {said}"
            );
        }
        let four = said(&exchanged(seen(&FOUR), 0, 1));
        assert!(four.contains("key-left") && four.contains("key-right"), "{four}");
        // Three that went round are no exchange of two: none is named.
        let round = exchanged(exchanged(seen(&five), 0, 3), 3, 4);
        assert!(said(&round).contains("compare each with the plan"), "{}", said(&round));
    }

    #[test]
    fn one_point_at_a_strange_place_is_named() {
        let mut places = seen(&[
            "key-left",
            "key-right",
            "elbow-left",
            "elbow-right",
            "corner-left",
            "half-left",
        ]);
        places[4].pixel = [1100.0, 700.0];
        assert!(said(&places).contains("corner-left"), "{}", said(&places));
    }
}
