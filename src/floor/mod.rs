//! The painted floor: where it lies in a picture, and what a shot from a spot of it is worth.
//!
//! In: points of the court by their names, each with the pixel at which somebody sees it. Out: the map between floor and
//! picture with its error at every point, how far a spot may be off (`sigma`), and the value of a shot from there. What
//! cannot be right (three on a line, a mirrored court, two names for each other's place) is refused in words that say
//! what to do. Nothing is owned on disk; all of it is pure.
//!
//! Meters on the floor: `x` to the right as one looks at the basket from the middle of the court, `y` from the inner edge
//! of the baseline into the court. Seen from above that turns as the picture's own x and y do, so a map that is not
//! mirrored has a positive determinant wherever the floor is seen.
//!
//! Read `plan` (the court by rule book, `rules/floors/*.toml`), `linear` and `map` (the arithmetic), `sense` (sets of
//! points that cannot be), `fit` (the map from points, its errors), `camera` (where the camera stands by it, where the
//! ring must be), `drawn` (what is stored, and how it is said), `worth` (the value of a shot), `chart` (the court drawn).

mod plan;
mod linear;
mod map;
mod sense;
mod fit;
mod camera;
mod drawn;
mod worth;
mod chart;

pub use crate::floor::camera::{Camera, RING_UP_M};
pub use crate::floor::chart::{Shot, chart};
pub use crate::floor::drawn::{FloorDrawn, Laid, PointError, Told};
pub use crate::floor::fit::{Fit, Spot};
pub use crate::floor::map::{Map, Pixel, Place};
pub use crate::floor::plan::{Basket, Plan, PointOf, Xy};
pub use crate::floor::sense::Refused;
pub use crate::floor::worth::{BAND_M, Worth, worth};
