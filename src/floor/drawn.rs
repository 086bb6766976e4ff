//! What somebody drew of a floor, as it is stored, and what is told of it. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::floor::camera::{Camera, RING_UP_M};
use crate::floor::fit::{Fit, Spot};
use crate::floor::map::{Pixel, Place};
use crate::floor::plan::{Plan, Xy};
use crate::media::{RimBox, place_rims};

/// A camera's picture is at most so large.
const PICTURE_MOST_PX: u32 = 16_384;
/// So finely lines are cut before they are drawn: what lies behind the camera is left out, meters.
const STEP_M: f64 = 0.25;
/// Feet are found within so many pixels (chosen, for what is told of a calibration before feet are looked for).
const FEET_PX: f64 = 2.0;
/// Spots at the border of values that may be off by more are told to be rough, cm (the bar of a calibration).
pub(super) const ROUGH_CM: f64 = 10.0;
/// Digits that a person can use, of pixels and centimeters.
const TENTH: f64 = 10.0;

/// Points of a painted floor in a camera's picture, as a technician clicked them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FloorDrawn {
    /// The court by rule book: fiba, fiba-3x3, nba, ncaa, high-school.
    pub plan: String,
    /// [width, height] of the picture that it was clicked on.
    pub of: [u32; 2],
    /// Points by their names, each with its [x, y] in that picture; four at least.
    pub points: BTreeMap<String, [f64; 2]>,
}

/// A floor that was laid: the court, and the map that fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Laid {
    /// As it was drawn.
    pub drawn: FloorDrawn,
    /// The court.
    pub plan: Plan,
    /// Its map, into a picture of the size that it was drawn on.
    pub fit: Fit,
    places: Vec<Place>,
}

/// A point that was clicked, and how it fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointError {
    /// The point.
    pub name: String,
    /// Where it was clicked.
    pub pixel: [f64; 2],
    /// How far the map is beside it, pixels.
    pub off_px: f64,
    /// The same on the floor, centimeters.
    pub off_cm: f64,
}

/// What is told of a floor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// As it was drawn.
    pub floor: FloorDrawn,
    /// Each point with its error.
    pub points: Vec<PointError>,
    /// Root of their mean square, pixels; 0 of four points, which fit any map.
    pub rms_px: f64,
    /// The same on the floor, centimeters.
    pub rms_cm: f64,
    /// How far a spot at the border of values may be off where it is seen worst, centimeters: a standard deviation, feet
    /// found within two pixels. Absent where no border is in the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_cm: Option<f64>,
    /// How high the camera hangs by it, meters, for a lens without distortion; absent where that cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera_up_m: Option<f64>,
    /// Where its basket's ring would be seen; absent like that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<[f64; 2]>,
    /// The painted lines in the picture, each as its corners.
    pub lines: Vec<Vec<[f64; 2]>>,
    /// What to make better, in words.
    pub advice: Vec<String>,
}

impl FloorDrawn {
    /// Lays the floor.
    ///
    /// # Errors
    /// Why not, and what to do, in words.
    pub fn lay(&self) -> Result<Laid, String> {
        let plan = Plan::named(&self.plan).ok_or_else(|| {
            let known: Vec<&str> = Plan::names().collect();
            format!("there is no court `{}`: write one of {}", self.plan, known.join(", "))
        })?;
        let [width, height] = self.of;
        if ![width, height].iter().all(|side| (1..=PICTURE_MOST_PX).contains(side)) {
            return Err("`of` is the size of a picture: write, for example, [1280, 720]".to_owned());
        }
        let mut places = Vec::with_capacity(self.points.len());
        for (name, pixel) in &self.points {
            let point = plan.point(name).ok_or_else(|| {
                let known: Vec<String> =
                    plan.points().into_iter().map(|point| point.name).collect();
                format!(
                    "the court {} has no point `{name}`: it has {}",
                    plan.name,
                    known.join(", ")
                )
            })?;
            let inside = (0.0..=f64::from(width)).contains(&pixel[0])
                && (0.0..=f64::from(height)).contains(&pixel[1]);
            if !inside {
                return Err(format!(
                    "{name} lies outside of the picture of {width} x {height}: click it again"
                ));
            }
            places.push(Place { name: point.name, at: point.at, pixel: *pixel });
        }
        let fit = Fit::of(&places, f64::from(width)).map_err(|refused| refused.to_string())?;
        Ok(Laid { drawn: self.clone(), plan, fit, places })
    }
}

impl Laid {
    /// The spot that is seen at a pixel of a picture of this size; `None` above the horizon, and in a picture of another
    /// aspect than the one drawn on.
    #[must_use]
    pub fn spot(&self, pixel: Pixel, pixel_sigma: f64, picture: (u32, u32)) -> Option<Spot> {
        let (across, down) = self.scale(picture)?;
        self.fit.spot([pixel[0] / across, pixel[1] / down], pixel_sigma / across.min(down))
    }

    /// How much larger a picture is than the one drawn on; `None` of another aspect.
    #[must_use]
    pub fn scale(&self, picture: (u32, u32)) -> Option<(f64, f64)> {
        let [width, height] = self.drawn.of;
        let unit = RimBox { x: 0.0, y: 0.0, w: 1.0, h: 1.0 };
        let placed = place_rims(&[unit], (width, height), picture).ok()?;
        placed.first().map(|of| (f64::from(of.w), f64::from(of.h)))
    }

    /// The middles of rims in the picture that it was drawn on; none of a picture of another aspect.
    #[must_use]
    pub fn middles(&self, rims: &[RimBox], rims_of: Option<[u32; 2]>) -> Vec<Pixel> {
        let [width, height] = rims_of.unwrap_or(self.drawn.of);
        let Some((across, down)) = self.scale((width, height)) else { return Vec::new() };
        let middle = |rim: &RimBox| {
            let (x, y) = (f64::from(rim.x + rim.w / 2.0), f64::from(rim.y + rim.h / 2.0));
            [x / across, y / down]
        };
        rims.iter().map(middle).collect()
    }

    /// What is told of it; `rims` are the middles of the rings that were drawn, in the same picture.
    #[must_use]
    pub fn told(&self, rims: &[Pixel]) -> Told {
        let points: Vec<PointError> = self.places.iter().map(|place| self.error(place)).collect();
        let root = |of: fn(&PointError) -> f64| {
            let count = points.iter().map(|_| 1.0).sum::<f64>().max(1.0);
            tenths((points.iter().map(|point| of(point).powi(2)).sum::<f64>() / count).sqrt())
        };
        let [width, height] = self.drawn.of.map(f64::from);
        let camera = Camera::of(&self.fit.map, (width, height));
        let basket = Xy::new(0.0, self.plan.basket);
        let rings: Vec<Pixel> = self
            .plan
            .baskets()
            .iter()
            .filter_map(|end| camera?.pixel(self.plan.before(*end, basket), RING_UP_M))
            .collect();
        let sigma_cm = self.border_sigma().map(|sigma| tenths(sigma * 100.0));
        Told {
            floor: self.drawn.clone(),
            rms_px: root(|point| point.off_px),
            rms_cm: root(|point| point.off_cm),
            sigma_cm,
            camera_up_m: camera.map(|camera| tenths(camera.up_m)),
            ring: rings.first().map(|at| at.map(tenths)),
            lines: self.lines(),
            advice: self.advice(sigma_cm, &rings, rims),
            points,
        }
    }

    fn error(&self, place: &Place) -> PointError {
        let on_floor = self.fit.map.floor(place.pixel);
        let off_cm = on_floor.map_or(0.0, |at| at.distance(place.at) * 100.0);
        let (name, pixel) = (place.name.clone(), place.pixel);
        PointError { name, pixel, off_px: tenths(self.fit.off(place)), off_cm: tenths(off_cm) }
    }

    /// The worst spot of the borders that are in the picture, meters.
    #[must_use]
    pub fn border_sigma(&self) -> Option<f64> {
        let baskets = self.plan.baskets().iter();
        let border = baskets
            .flat_map(|end| self.plan.border().into_iter().map(|at| self.plan.before(*end, at)));
        let seen =
            border.filter(|at| self.fit.map.pixel(*at).is_some_and(|pixel| self.shows(pixel)));
        seen.filter_map(|at| self.fit.sigma(at, FEET_PX)).max_by(f64::total_cmp)
    }

    fn shows(&self, [u, v]: Pixel) -> bool {
        let [width, height] = self.drawn.of.map(f64::from);
        (0.0..width).contains(&u) && (0.0..height).contains(&v)
    }

    /// Those of another's rings are left out: a box does not see every rim.
    fn advice(&self, sigma_cm: Option<f64>, rings: &[Pixel], rims: &[Pixel]) -> Vec<String> {
        let mut advice = Vec::new();
        if let Some(sigma) = sigma_cm.filter(|sigma| *sigma > ROUGH_CM) {
            let more = if self.places.len() < 8 {
                "click more points, far apart"
            } else {
                "click as exactly as you can"
            };
            advice.push(format!("a spot at the arc may be off by {sigma:.0} cm: {more}"));
        }
        if self.places.len() == 4 {
            advice.push("four points fit any court: click a fifth, and it shows whether the others are right".to_owned());
        }
        let far = 0.15 * f64::from(self.drawn.of[0]);
        let lone = |rim: &&Pixel| {
            rings.iter().all(|ring| (ring[0] - rim[0]).hypot(ring[1] - rim[1]) > far)
        };
        if !rings.is_empty() && !rims.is_empty() && rims.iter().all(|rim| lone(&rim)) {
            advice.push(
                "by these points the ring would be far from where the rims are drawn: is this the basket that they are \
                 named for?"
                    .to_owned(),
            );
        }
        advice
    }

    /// The painted lines in the picture that it was drawn on, as far as they are before the camera and near to it.
    #[must_use]
    pub fn lines(&self) -> Vec<Vec<Pixel>> {
        let [width, height] = self.drawn.of.map(f64::from);
        let near = |[u, v]: &Pixel| u.abs() < 3.0 * width && v.abs() < 3.0 * height;
        let mut lines = Vec::new();
        for line in self.plan.lines() {
            let mut drawn: Vec<Pixel> = Vec::new();
            for at in cut(&line) {
                match self.fit.map.pixel(at).filter(near) {
                    Some(pixel) => drawn.push(pixel.map(tenths)),
                    None => lines.push(std::mem::take(&mut drawn)),
                }
            }
            lines.push(drawn);
        }
        lines.retain(|line| line.len() > 1 && line.iter().any(|pixel| self.shows(*pixel)));
        lines
    }
}

/// The corners of a line and places between them.
fn cut(line: &[Xy]) -> Vec<Xy> {
    let mut places = Vec::new();
    for pair in line.windows(2) {
        let [from, to] = [pair[0], pair[1]];
        let parts = (from.distance(to) / STEP_M).ceil().max(1.0);
        let mut part = 0.0;
        while part < parts {
            let share = part / parts;
            places
                .push(Xy::new(from.x + (to.x - from.x) * share, from.y + (to.y - from.y) * share));
            part += 1.0;
        }
    }
    places.extend(line.last());
    places
}

fn tenths(figure: f64) -> f64 {
    (figure * TENTH).round() / TENTH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn() -> FloorDrawn {
        let points = [
            ("key-left", [420.0, 330.0]),
            ("key-right", [820.0, 334.0]),
            ("elbow-left", [366.0, 520.0]),
            ("elbow-right", [902.0, 526.0]),
            ("throw-left", [430.0, 521.0]),
        ];
        let points = points.into_iter().map(|(name, at)| (name.to_owned(), at)).collect();
        FloorDrawn { plan: "fiba".to_owned(), of: [1280, 720], points }
    }

    #[test]
    fn what_is_stored_is_read_again_and_lays_the_same() {
        let json = serde_json::to_string(&drawn()).expect("JSON");
        let read: FloorDrawn = serde_json::from_str(&json).expect("read");
        assert_eq!(read.lay().expect("laid"), drawn().lay().expect("laid"));
        assert!(serde_json::from_str::<FloorDrawn>(&json.replace("\"plan\"", "\"plam\"")).is_err());
    }

    #[test]
    fn what_cannot_be_laid_says_what_to_write() {
        let with = |change: fn(&mut FloorDrawn)| {
            let mut drawn = drawn();
            change(&mut drawn);
            drawn.lay().expect_err("refused")
        };
        assert!(with(|floor| "fibba".clone_into(&mut floor.plan)).contains("fiba, fiba-3x3, nba"));
        assert!(with(|floor| floor.of = [0, 720]).contains("[1280, 720]"));
        assert!(
            with(|floor| {
                floor.points.insert("elbow".to_owned(), [1.0, 1.0]);
            })
            .contains("elbow-left")
        );
        let outside = with(|floor| {
            floor.points.insert("bend-left".to_owned(), [1281.0, 1.0]);
        });
        assert!(outside.contains("bend-left lies outside"), "{outside}");
        let not_a_number = with(|floor| {
            floor.points.insert("bend-left".to_owned(), [f64::NAN, 1.0]);
        });
        assert!(not_a_number.contains("outside"), "{not_a_number}");
        assert!(with(|floor| floor.points.clear()).contains("0 of at least 4"));
    }

    #[test]
    fn a_floor_is_told_with_its_errors_and_lines_and_scales_with_the_picture() {
        let laid = drawn().lay().expect("laid");
        let told = laid.told(&[]);
        assert_eq!(told.points.len(), 5);
        assert!(told.rms_px > 0.0 && told.rms_px < 20.0, "{told:?}");
        assert!(told.sigma_cm.is_some_and(|sigma| sigma > 1.0), "{told:?}");
        assert!(told.lines.len() >= 3 && told.lines.iter().all(|line| line.len() > 1));
        let elbow = laid.spot([902.0, 526.0], 2.0, (1280, 720)).expect("on the floor");
        let twice = laid.spot([1804.0, 1052.0], 4.0, (2560, 1440)).expect("on the floor");
        assert!(elbow.at.distance(twice.at) < 1e-9 && (elbow.sigma - twice.sigma).abs() < 1e-9);
        assert_eq!(laid.spot([902.0, 526.0], 2.0, (640, 480)), None, "another aspect");
    }
}
