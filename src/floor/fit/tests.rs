//! How exact a calibration is, on views of a rendered court: cameras as arenas have them, and as venues do.
//!
//! The arenas' family follows the 248 calibrations of DeepSportradar's camera-calibration challenge (14 places): beside
//! the halfway line, 17 to 29.5 m from the middle of the court and 7 to 10.7 m high, lenses of 50 to 140 pixels a meter
//! of distance at 960 x 540 (`design/floor.md`). The venues' hangs 2.5 to 5 m high and 6 to 13 m from the basket, on any
//! side, with a lens of 52° to 77°, at 1280 x 720. Every point of the near half that shows is clicked, each coordinate
//! beside it by a normal error of 2 pixels; errors are those of spots of the near half that show, every half meter.

use crate::floor::camera::{Camera, RING_UP_M};
use crate::floor::fit::Fit;
use crate::floor::map::Place;
use crate::floor::plan::{Plan, PointOf, Xy};

const VIEWS: usize = 300;
/// Of each coordinate of a click, pixels.
const NOISE_PX: f64 = 2.0;

/// The same views every time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bits = (z ^ (z >> 31)) >> 32;
        f64::from(u32::try_from(bits).expect("32 bits")) / 4_294_967_296.0
    }

    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.next()
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (1.0 - self.next(), self.next());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}

/// A camera that looks at a place: of its own arithmetic, so that it checks the map's.
struct View {
    eye: [f64; 3],
    right: [f64; 3],
    down: [f64; 3],
    ahead: [f64; 3],
    focal: f64,
    size: (f64, f64),
    /// Of a lens that is not straight: `r' = r (1 + k1 r²)`, `r` in focal lengths.
    k1: f64,
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn unit(a: [f64; 3]) -> [f64; 3] {
    let length = dot(a, a).sqrt();
    a.map(|part| part / length)
}

impl View {
    /// In a right-handed world: `x` right, `z` up, and `y` against the floor's, so towards the basket.
    fn new(eye: Xy, up: f64, look: Xy, look_up: f64, focal: f64, size: (f64, f64)) -> Self {
        let ahead = unit([look.x - eye.x, eye.y - look.y, look_up - up]);
        let right = unit(cross(ahead, [0.0, 0.0, 1.0]));
        let down = cross(ahead, right);
        Self { eye: [eye.x, -eye.y, up], right, down, ahead, focal, size, k1: 0.0 }
    }

    fn pixel(&self, at: Xy, up: f64) -> Option<[f64; 2]> {
        let to = [at.x - self.eye[0], -at.y - self.eye[1], up - self.eye[2]];
        let depth = dot(to, self.ahead);
        if depth < 0.3 {
            return None;
        }
        let (x, y) = (dot(to, self.right) / depth, dot(to, self.down) / depth);
        let bent = 1.0 + self.k1 * (x * x + y * y);
        let pixel =
            [self.size.0 / 2.0 + self.focal * x * bent, self.size.1 / 2.0 + self.focal * y * bent];
        let inside =
            (0.0..self.size.0).contains(&pixel[0]) && (0.0..self.size.1).contains(&pixel[1]);
        inside.then_some(pixel)
    }
}

/// A camera of an arena.
fn arena(dice: &mut Dice) -> View {
    let side = if dice.next() < 0.5 { -1.0 } else { 1.0 };
    let away = dice.between(17.0, 29.5);
    let eye = Xy::new(side * away, dice.between(13.7, 14.3));
    let per_meter = 50.0 * (140.0_f64 / 50.0).powf(dice.next());
    let look = Xy::new(-side * dice.between(-0.5, 5.0), dice.between(2.5, 5.5));
    View::new(eye, dice.between(7.0, 10.7), look, 0.0, per_meter * away, (960.0, 540.0))
}

/// A box of a venue.
fn venue(dice: &mut Dice) -> View {
    let (angle, away) = (dice.between(0.0, std::f64::consts::TAU), dice.between(6.0, 13.0));
    let eye = Xy::new(away * angle.cos(), 1.575 + away * angle.sin());
    let look = Xy::new(dice.between(-1.5, 1.5), dice.between(1.5, 5.0));
    let focal = dice.between(800.0, 1300.0);
    View::new(eye, dice.between(2.5, 5.0), look, dice.between(0.5, 2.0), focal, (1280.0, 720.0))
}

/// What came of a family of views.
#[derive(Debug)]
struct Came {
    views: usize,
    refused: usize,
    clicks: f64,
    errors_cm: Vec<f64>,
    /// Errors by what was said of them, in standard deviations.
    said: Vec<f64>,
}

impl Came {
    fn at(sorted: &[f64], share: u32) -> f64 {
        let rank = (sorted.len() * usize::try_from(share).expect("small")).div_ceil(100).max(1) - 1;
        sorted.get(rank).copied().unwrap_or(f64::NAN)
    }

    fn of(&self, share: u32) -> f64 {
        Self::at(&self.errors_cm, share)
    }

    fn within_two_sigma(&self) -> f64 {
        let within = self.said.iter().filter(|said| **said <= 2.0).count();
        within as f64 / self.said.len() as f64
    }
}

/// Calibrates on many views, with at most so many clicks of those that show.
fn tried(family: fn(&mut Dice) -> View, most: usize, noise_px: f64, k1: f64) -> Came {
    let plan = Plan::named("fiba").expect("there");
    let near = |at: Xy| at.y <= plan.length / 2.0 + 0.01;
    let mut dice = Dice(23);
    let mut came =
        Came { views: 0, refused: 0, clicks: 0.0, errors_cm: Vec::new(), said: Vec::new() };
    while came.views < VIEWS {
        let view = View { k1, ..family(&mut dice) };
        let mut places: Vec<Place> = Vec::new();
        for point in plan.points().into_iter().filter(|point| near(point.at)) {
            let Some([u, v]) = view.pixel(point.at, 0.0) else { continue };
            let pixel = [u + noise_px * dice.normal(), v + noise_px * dice.normal()];
            places.push(Place { name: point.name, at: point.at, pixel });
        }
        while places.len() > most {
            let left_out = (dice.next() * places.len() as f64) as usize;
            places.remove(left_out);
        }
        if places.len() < 4 {
            // Nobody could calibrate it: it is no view of this court.
            continue;
        }
        let Ok(fit) = Fit::of(&places, view.size.0) else {
            came.refused += 1;
            continue;
        };
        came.views += 1;
        came.clicks += places.iter().map(|_| 1.0).sum::<f64>();
        for i in 0..=30_u32 {
            for k in 0..=28_u32 {
                let at = Xy::new(-7.5 + f64::from(i) / 2.0, f64::from(k) / 2.0);
                let Some(pixel) = view.pixel(at, 0.0) else { continue };
                // What the map has above the horizon is as wrong as can be.
                let spot = fit.spot(pixel, 0.0);
                let off = spot.map_or(f64::INFINITY, |spot| spot.at.distance(at));
                came.errors_cm.push(off * 100.0);
                came.said.push(off / spot.map_or(1.0, |spot| spot.sigma));
            }
        }
    }
    came.errors_cm.sort_by(f64::total_cmp);
    came.said.sort_by(f64::total_cmp);
    came
}

fn tell(name: &str, came: &Came) {
    eprintln!(
        "{name}: p50 {:.1}, p95 {:.1}, p99 {:.1} cm (n {} spots of {} views, {:.1} clicks each, {} more refused); \
         within 2 sigma {:.1} %",
        came.of(50),
        came.of(95),
        came.of(99),
        came.errors_cm.len(),
        came.views,
        came.clicks / f64::from(u32::try_from(came.views).expect("few")),
        came.refused,
        100.0 * came.within_two_sigma(),
    );
}

#[test]
fn errors_on_rendered_views_are_as_measured_and_as_the_map_says_itself() {
    // As measured (`design/floor.md`): the bar of 10 cm is met with clicks of 1 pixel, not with those of 2.
    let families = [("arenas", arena as fn(&mut Dice) -> View, 21.0), ("venues", venue, 16.0)];
    for (name, family, measured) in families {
        let all = tried(family, usize::MAX, NOISE_PX, 0.0);
        tell(&format!("{name}, all that shows"), &all);
        let half = tried(family, usize::MAX, NOISE_PX / 2.0, 0.0);
        tell(&format!("{name}, clicks of 1 pixel"), &half);
        tell(&format!("{name}, 8 at most"), &tried(family, 8, NOISE_PX, 0.0));
        for k1 in [-0.02, -0.05, -0.1] {
            tell(&format!("{name}, a lens of k1 {k1}"), &tried(family, usize::MAX, NOISE_PX, k1));
        }
        assert!(all.of(95) <= measured, "{name}: {}", all.of(95));
        assert!(half.of(95) <= measured / 2.0, "{name}: {}", half.of(95));
        assert!(
            (0.92..=0.99).contains(&all.within_two_sigma()),
            "{name}: {}",
            all.within_two_sigma()
        );
    }
}

#[test]
fn where_the_camera_stands_and_the_ring_is_follows_from_exact_points() {
    let plan = Plan::named("fiba").expect("there");
    let mut dice = Dice(5);
    let mut looked = 0;
    while looked < 100 {
        let view = if looked % 2 == 0 { arena(&mut dice) } else { venue(&mut dice) };
        let place = |point: PointOf| {
            let pixel = view.pixel(point.at, 0.0)?;
            Some(Place { name: point.name, at: point.at, pixel })
        };
        let places: Vec<Place> = plan.points().into_iter().filter_map(place).collect();
        let Ok(fit) = Fit::of(&places, view.size.0) else { continue };
        let camera = Camera::of(&fit.map, view.size).expect("a lens");
        let eye = Xy::new(view.eye[0], -view.eye[1]);
        assert!(
            camera.over.distance(eye) < 0.05 && (camera.up_m - view.eye[2]).abs() < 0.05,
            "{camera:?}"
        );
        assert!((camera.focal_px / view.focal - 1.0).abs() < 0.01, "{camera:?} {}", view.focal);
        let basket = Xy::new(0.0, plan.basket);
        if let Some(ring) = view.pixel(basket, RING_UP_M) {
            let found = camera.pixel(basket, RING_UP_M).expect("before the camera");
            assert!((found[0] - ring[0]).hypot(found[1] - ring[1]) < 2.0, "{found:?} {ring:?}");
        }
        looked += 1;
    }
}
