//! The map that fits clicked points best, its error at each, and how far a spot may be off. Pure.
//!
//! A direct linear transform of centered points begins; Levenberg and Marquardt's steps make the sum of squared pixels
//! least, where what is far off counts less (Huber). The covariance of the map follows from the slopes at the points and
//! from how far hands miss: at least [`CLICK_PX`], more where the points themselves say so. No lens is fitted beside it: a
//! bent line shows in the errors (`design/floor.md` has the figures).

use crate::floor::linear::{inverse, solve};
use crate::floor::map::{Centered, Map, Matrix, Pixel, Place, direct, uncentered};
use crate::floor::plan::Xy;
use crate::floor::sense::{Refused, check};

/// How far a click is off in each direction, pixels, as a standard deviation (chosen: a point as large as a line's width).
pub(super) const CLICK_PX: f64 = 2.0;
/// From here on a point counts as one that is off, no more by its square (chosen: three times that).
const HUBER_PX: f64 = 6.0;
/// A point so far beside the map of the others is another point, pixels of a picture of [`OF_PX`] width (chosen).
const FAR_OFF_PX: f64 = 40.0;
const OF_PX: f64 = 1280.0;
const STEPS: usize = 60;

/// A place on the floor, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    /// Where.
    pub at: Xy,
    /// Standard deviation along the worse direction, meters.
    pub sigma: f64,
}

/// A map that was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// From floor to picture.
    pub map: Map,
    centered: Matrix,
    floor: Centered,
    picture: Centered,
    covariance: [[f64; 8]; 8],
}

impl Fit {
    /// Fits a map to points in a picture of that width.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn of(places: &[Place], width: f64) -> Result<Self, Refused> {
        check(places)?;
        let fit = Self::fitted(places)?;
        let off: Vec<f64> = places.iter().map(|place| fit.off(place)).collect();
        let far = FAR_OFF_PX * width / OF_PX;
        if off.iter().all(|off| *off <= far) {
            return Ok(fit);
        }
        // The one without which the others agree best; with four each fits exactly.
        let without = (0..places.len()).filter_map(|at| {
            let mut others = places.to_vec();
            let one = others.remove(at);
            let fit = check(&others).and_then(|()| Self::fitted(&others)).ok()?;
            let left: f64 = others.iter().map(|place| fit.off(place).powi(2)).sum();
            Some((left, one.name.clone(), fit.off(&one)))
        });
        let worst =
            without.min_by(|a, b| a.0.total_cmp(&b.0)).filter(|(_, _, off)| off.is_finite());
        Err(worst.map_or(Refused::Muddled, |(_, point, off)| Refused::FarOff { point, off }))
    }

    fn fitted(places: &[Place]) -> Result<Self, Refused> {
        let on_floor: Vec<[f64; 2]> = places.iter().map(|place| [place.at.x, place.at.y]).collect();
        let in_picture: Vec<Pixel> = places.iter().map(|place| place.pixel).collect();
        let (floor, picture) = (Centered::of(&on_floor), Centered::of(&in_picture));
        let pairs: Vec<([f64; 2], Pixel)> = on_floor
            .iter()
            .zip(&in_picture)
            .map(|(at, seen)| (floor.put(*at), picture.put(*seen)))
            .collect();
        let (from, to): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
        let begun = direct(&from, &to).ok_or(Refused::Behind)?;
        let pixels = 1.0 / picture.scale;
        let centered = refined(begun, &pairs, pixels).ok_or(Refused::Behind)?;
        let (normal, _) = normal(&centered, &pairs, pixels).ok_or(Refused::Behind)?;
        let spare = pairs.iter().map(|_| 2.0).sum::<f64>() - 8.0;
        let squares: f64 = pairs.iter().filter_map(|pair| robust(&centered, pair, pixels)).sum();
        let variance = if spare > 0.0 { squares / spare } else { 0.0 }.max(CLICK_PX * CLICK_PX);
        let inverse = inverse(&normal).ok_or(Refused::OnALine)?;
        let covariance = inverse.map(|row| row.map(|of| of * variance));
        let map = uncentered(&centered, &floor, &picture);
        Ok(Self { map, centered, floor, picture, covariance })
    }

    /// How far a point is beside the map, pixels; endless behind the camera.
    #[must_use]
    pub fn off(&self, place: &Place) -> f64 {
        let seen = self.map.pixel(place.at);
        seen.map_or(f64::INFINITY, |[u, v]| (u - place.pixel[0]).hypot(v - place.pixel[1]))
    }

    /// The spot of the floor that is seen at a pixel, which is itself off by so many pixels; `None` above the horizon.
    #[must_use]
    pub fn spot(&self, pixel: Pixel, pixel_sigma: f64) -> Option<Spot> {
        let at = self.map.floor(pixel)?;
        Some(Spot { at, sigma: self.sigma(at, pixel_sigma)? })
    }

    /// How far a spot there may be off, meters, where its pixel is off by so many.
    #[must_use]
    pub fn sigma(&self, at: Xy, pixel_sigma: f64) -> Option<f64> {
        let [[a, b], [c, d]] = self.map.slope(at)?;
        let determinant = a * d - b * c;
        if determinant.abs() < 1e-12 {
            return None;
        }
        let back = [[d, -b], [-c, a]].map(|row| row.map(|of| of / determinant));
        let (rows, _) =
            slopes(&self.centered, self.floor.put([at.x, at.y]), 1.0 / self.picture.scale)?;
        // Of the pixel: what the map's own error moves it by, and its own.
        let moved = |i: usize, k: usize| -> f64 {
            let along = |row: &[f64; 8], with: &[f64; 8]| -> f64 {
                let sum = |line: &[f64; 8]| line.iter().zip(with).map(|(a, b)| a * b).sum::<f64>();
                row.iter().zip(&self.covariance).map(|(a, line)| a * sum(line)).sum()
            };
            along(&rows[i], &rows[k]) + if i == k { pixel_sigma * pixel_sigma } else { 0.0 }
        };
        let (uu, uv, vv) = (moved(0, 0), moved(0, 1), moved(1, 1));
        let on_floor = |p: [f64; 2], q: [f64; 2]| {
            p[0] * (uu * q[0] + uv * q[1]) + p[1] * (uv * q[0] + vv * q[1])
        };
        let (xx, xy, yy) =
            (on_floor(back[0], back[0]), on_floor(back[0], back[1]), on_floor(back[1], back[1]));
        let middle = f64::midpoint(xx, yy);
        let larger = middle + ((xx - yy) / 2.0).hypot(xy);
        Some(larger.max(0.0).sqrt())
    }
}

/// A pair's error in centered units and the slopes of its pixel: the pixel, and how it moves with the eight numbers.
type Slopes = ([[f64; 8]; 2], [f64; 2]);

/// How the pixel of a centered place moves with the eight numbers of a centered map, and where it is, in pixels.
fn slopes(map: &Matrix, [a, b]: [f64; 2], pixels: f64) -> Option<Slopes> {
    let [x, y, depth] = [map[0], map[1], map[2]].map(|row| row[0] * a + row[1] * b + row[2]);
    if depth <= 1e-9 {
        return None;
    }
    let (u, v) = (x / depth, y / depth);
    let per = pixels / depth;
    let rows = [
        [a, b, 1.0, 0.0, 0.0, 0.0, -u * a, -u * b].map(|of| of * per),
        [0.0, 0.0, 0.0, a, b, 1.0, -v * a, -v * b].map(|of| of * per),
    ];
    Some((rows, [u * pixels, v * pixels]))
}

/// Huber's loss of a pair, as a square of pixels.
fn robust(map: &Matrix, (at, seen): &([f64; 2], Pixel), pixels: f64) -> Option<f64> {
    let (_, found) = slopes(map, *at, pixels)?;
    let off = (found[0] - seen[0] * pixels).hypot(found[1] - seen[1] * pixels);
    Some(if off <= HUBER_PX { off * off } else { HUBER_PX * (2.0 * off - HUBER_PX) })
}

/// The normal equations at a map: what each pair weighs, and where it pulls.
fn normal(
    map: &Matrix,
    pairs: &[([f64; 2], Pixel)],
    pixels: f64,
) -> Option<([[f64; 8]; 8], [f64; 8])> {
    let (mut normal, mut pull) = ([[0.0; 8]; 8], [0.0; 8]);
    for (at, seen) in pairs {
        let (rows, found) = slopes(map, *at, pixels)?;
        let error = [0, 1].map(|k| seen[k] * pixels - found[k]);
        let off = error[0].hypot(error[1]);
        let weight = if off <= HUBER_PX { 1.0 } else { HUBER_PX / off };
        for (row, error) in rows.iter().zip(error) {
            for (i, sums) in normal.iter_mut().enumerate() {
                pull[i] += weight * row[i] * error;
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum += weight * row[i] * row[k];
                }
            }
        }
    }
    Some((normal, pull))
}

/// Levenberg's and Marquardt's steps; `None` where a point lies behind the camera from the beginning.
fn refined(begun: Matrix, pairs: &[([f64; 2], Pixel)], pixels: f64) -> Option<Matrix> {
    let loss =
        |map: &Matrix| pairs.iter().map(|pair| robust(map, pair, pixels)).sum::<Option<f64>>();
    let (mut map, mut best, mut damping) = (begun, loss(&begun)?, 1e-3);
    for _ in 0..STEPS {
        let (normal, pull) = normal(&map, pairs, pixels)?;
        let mut damped = normal;
        for (i, row) in damped.iter_mut().enumerate() {
            row[i] += damping * row[i].max(1e-12);
        }
        let tried = solve(&damped, &pull).map(|step| {
            let [[a, b, c], [d, e, f], [g, h, i]] = map;
            let mut all = [a, b, c, d, e, f, g, h];
            all.iter_mut().zip(step).for_each(|(of, step)| *of += step);
            let [a, b, c, d, e, f, g, h] = all;
            [[a, b, c], [d, e, f], [g, h, i]]
        });
        match tried.and_then(|map| Some((map, loss(&map)?))) {
            Some((better, less)) if less <= best => {
                let gained = best - less;
                (map, best, damping) = (better, less, (damping / 10.0).max(1e-12));
                if gained <= 1e-12 * best.max(1e-9) {
                    break;
                }
            }
            _ if damping > 1e9 => break,
            _ => damping *= 10.0,
        }
    }
    Some(map)
}

#[cfg(test)]
mod tests;
