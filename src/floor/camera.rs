//! Where the camera stands, by a map of the floor: for a lens of square pixels whose axis is the picture's middle. Pure.
//!
//! It says how high the camera hangs, which a person can check by eye, and where the ring must be seen: 3.05 m above the
//! floor. A court whose names were turned by half a round fits its own lines, and shows its ring at the wrong end. Where
//! the lens cannot be told from the map (a camera that looks straight down, four rough points), there is no answer.

use crate::floor::map::{Map, Pixel, times};
use crate::floor::plan::Xy;

/// The ring's height, meters: every rule book's ten feet, within two millimeters.
pub const RING_UP_M: f64 = 3.05;
/// Lenses of widths of the picture that are none (chosen: 150° and 3.6° of sight).
const LENS: [f64; 2] = [0.13, 16.0];

/// A camera, as a map of the floor has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Focal length, pixels.
    pub focal_px: f64,
    /// Where it hangs, seen from above.
    pub over: Xy,
    /// How high above the floor, meters.
    pub up_m: f64,
    /// Its turn and place: `x`, `y` of the floor and up, each as it is seen, and the floor's origin.
    columns: [[f64; 3]; 4],
    middle: Pixel,
}

impl Camera {
    /// Of a map into a picture of this size.
    #[must_use]
    pub fn of(map: &Map, (width, height): (f64, f64)) -> Option<Self> {
        let middle = [width / 2.0, height / 2.0];
        let [u, v, w] = map.0;
        let shifted = [
            [0, 1, 2].map(|k| u[k] - middle[0] * w[k]),
            [0, 1, 2].map(|k| v[k] - middle[1] * w[k]),
            w,
        ];
        let [[a1, a2, a3], [b1, b2, b3], [c1, c2, c3]] = shifted;
        // Both directions of the floor are as long as each other, and at a right angle: two equations for f².
        let cross = (c1 * c2, a1 * a2 + b1 * b2);
        let same = (c1 * c1 - c2 * c2, a1 * a1 + b1 * b1 - a2 * a2 - b2 * b2);
        // Least squares of both, each by what it weighs.
        let weight = cross.0 * cross.0 + same.0 * same.0;
        let focal2 = -(cross.0 * cross.1 + same.0 * same.1) / weight;
        let focal_px = focal2.sqrt();
        if !(focal_px / width > LENS[0] && focal_px / width < LENS[1]) {
            return None;
        }
        let (mut one, mut other, mut origin) = (
            [a1 / focal_px, b1 / focal_px, c1],
            [a2 / focal_px, b2 / focal_px, c2],
            [a3 / focal_px, b3 / focal_px, c3],
        );
        let length = |of: [f64; 3]| of.iter().map(|part| part * part).sum::<f64>().sqrt();
        let scale = 1.0 / f64::midpoint(length(one), length(other));
        for column in [&mut one, &mut other, &mut origin] {
            *column = column.map(|part| part * scale);
        }
        // `x`, `y` and up turn left on the floor as the stage has them: up is against their product.
        let up = [
            other[1] * one[2] - other[2] * one[1],
            other[2] * one[0] - other[0] * one[2],
            other[0] * one[1] - other[1] * one[0],
        ];
        let back = |column: [f64; 3]| -column.iter().zip(origin).map(|(a, b)| a * b).sum::<f64>();
        let up_m = back(up);
        let over = Xy::new(back(one), back(other));
        let columns = [one, other, up, origin];
        (up_m > 0.0 && up_m.is_finite()).then_some(Self { focal_px, over, up_m, columns, middle })
    }

    /// Where a place above the floor is seen; `None` behind the camera.
    #[must_use]
    pub fn pixel(&self, at: Xy, up_m: f64) -> Option<Pixel> {
        let [one, other, up, origin] = self.columns;
        let rows = [0, 1, 2].map(|k| [one[k] * at.x + up[k] * up_m, other[k] * at.y, origin[k]]);
        let [x, y, depth] = times(&rows, [1.0, 1.0, 1.0]);
        let [left, top] = self.middle;
        (depth > 1e-6).then(|| [left + self.focal_px * x / depth, top + self.focal_px * y / depth])
    }
}
