//! A map from floor to picture: a homography, three by three. Pure.

use crate::floor::linear::least_eigenvector;
use crate::floor::plan::Xy;

/// Three by three, row by row.
pub(super) type Matrix = [[f64; 3]; 3];

/// A place in a picture, pixels from its upper left corner.
pub type Pixel = [f64; 2];

/// A point of the court, and where it is seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The point's name.
    pub name: String,
    /// Where it is on the floor.
    pub at: Xy,
    /// Where it is in the picture.
    pub pixel: Pixel,
}

/// A map from meters on the floor to pixels. Its scale is such that what is seen has a positive depth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Map(pub(super) Matrix);

impl Map {
    /// Where a place of the floor is seen; `None` where it lies behind the camera.
    #[must_use]
    pub fn pixel(&self, at: Xy) -> Option<Pixel> {
        let [x, y, depth] = times(&self.0, [at.x, at.y, 1.0]);
        (depth > 1e-9).then(|| [x / depth, y / depth])
    }

    /// The place of the floor that is seen at a pixel; `None` above the horizon.
    #[must_use]
    pub fn floor(&self, pixel: Pixel) -> Option<Xy> {
        let [x, y, w] = times(&adjugate(&self.0), [pixel[0], pixel[1], 1.0]);
        if w.abs() < 1e-12 {
            return None;
        }
        let at = Xy::new(x / w, y / w);
        self.pixel(at).map(|_| at)
    }

    /// How the pixel moves with the place: `[[du/dx, du/dy], [dv/dx, dv/dy]]`.
    #[must_use]
    pub fn slope(&self, at: Xy) -> Option<[[f64; 2]; 2]> {
        let [x, y, depth] = times(&self.0, [at.x, at.y, 1.0]);
        if depth <= 1e-9 {
            return None;
        }
        let [row_u, row_v, row_w] = self.0;
        let of =
            |row: [f64; 3], value: f64| [0, 1].map(|k| (row[k] - value / depth * row_w[k]) / depth);
        Some([of(row_u, x), of(row_v, y)])
    }

    /// The same map of a picture of another size.
    #[must_use]
    pub fn scaled(&self, across: f64, down: f64) -> Self {
        let [u, v, w] = self.0;
        Self([u.map(|of| of * across), v.map(|of| of * down), w])
    }
}

pub(super) fn times(matrix: &Matrix, [a, b, c]: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row[0] * a + row[1] * b + row[2] * c)
}

pub(super) fn product(left: &Matrix, right: &Matrix) -> Matrix {
    left.map(|row| {
        [0, 1, 2].map(|k| row[0] * right[0][k] + row[1] * right[1][k] + row[2] * right[2][k])
    })
}

/// The inverse but for its scale.
pub(super) fn adjugate(m: &Matrix) -> Matrix {
    let minor = |r: [usize; 2], c: [usize; 2]| {
        m[r[0]][c[0]] * m[r[1]][c[1]] - m[r[0]][c[1]] * m[r[1]][c[0]]
    };
    let others = [[1, 2], [0, 2], [0, 1]];
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let sign = if (i + j) % 2 == 0 { 1.0 } else { -1.0 };
            sign * minor(others[j], others[i])
        })
    })
}

/// A shift and a scale that bring points about 0, at a mean distance of the square root of 2 (Hartley).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Centered {
    pub(super) scale: f64,
    middle: [f64; 2],
}

impl Centered {
    pub(super) fn of(points: &[[f64; 2]]) -> Self {
        let count = points.iter().map(|_| 1.0).sum::<f64>().max(1.0);
        let middle = [0, 1].map(|k| points.iter().map(|point| point[k]).sum::<f64>() / count);
        let far = |point: &[f64; 2]| (point[0] - middle[0]).hypot(point[1] - middle[1]);
        let mean = points.iter().map(far).sum::<f64>() / count;
        Self { scale: 2_f64.sqrt() / mean.max(1e-12), middle }
    }

    pub(super) fn put(&self, point: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|k| (point[k] - self.middle[k]) * self.scale)
    }

    fn matrix(&self) -> Matrix {
        let (s, [a, b]) = (self.scale, self.middle);
        [[s, 0.0, -s * a], [0.0, s, -s * b], [0.0, 0.0, 1.0]]
    }

    fn back(&self) -> Matrix {
        let [a, b] = self.middle;
        [[1.0 / self.scale, 0.0, a], [0.0, 1.0 / self.scale, b], [0.0, 0.0, 1.0]]
    }
}

/// The map of centered points that a centered one is: back to pixels, of meters.
pub(super) fn uncentered(map: &Matrix, floor: &Centered, picture: &Centered) -> Map {
    Map(product(&product(&picture.back(), map), &floor.matrix()))
}

/// The direct linear transform: the map of centered points that agrees with them in the algebraic sense, of scale
/// `[2][2] = 1`; `None` where the middle of the points would lie on the horizon.
pub(super) fn direct(floor: &[[f64; 2]], picture: &[[f64; 2]]) -> Option<Matrix> {
    let mut normal = [[0.0; 9]; 9];
    for ([a, b], [u, v]) in floor.iter().zip(picture) {
        let rows = [
            [*a, *b, 1.0, 0.0, 0.0, 0.0, -u * a, -u * b, -u],
            [0.0, 0.0, 0.0, *a, *b, 1.0, -v * a, -v * b, -v],
        ];
        for row in rows {
            for (i, sum) in normal.iter_mut().enumerate() {
                for (k, sum) in sum.iter_mut().enumerate() {
                    *sum += row[i] * row[k];
                }
            }
        }
    }
    let h = least_eigenvector(&normal);
    let last = h[8];
    (last.abs() > 1e-9).then(|| [0, 3, 6].map(|at| [0, 1, 2].map(|k| h[at + k] / last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A camera 6 m high beside a half court.
    fn seen() -> Map {
        Map([[82.0, -30.0, 640.0], [-8.0, 12.0, 300.0], [-0.04, -0.05, 1.0]])
    }

    #[test]
    fn a_place_is_seen_and_found_again_and_what_is_behind_is_neither() {
        let map = seen();
        for at in [Xy::new(0.0, 0.0), Xy::new(-7.5, 3.0), Xy::new(2.0, 11.0)] {
            let pixel = map.pixel(at).expect("before the camera");
            assert!(map.floor(pixel).expect("below the horizon").distance(at) < 1e-9);
        }
        assert_eq!(map.pixel(Xy::new(10.0, 14.0)), None);
    }

    #[test]
    fn the_slope_is_that_of_small_steps() {
        let (map, at, step) = (seen(), Xy::new(-2.0, 4.0), 1e-6);
        let slope = map.slope(at).expect("seen");
        let from = map.pixel(at).expect("seen");
        let along = [Xy::new(at.x + step, at.y), Xy::new(at.x, at.y + step)]
            .map(|to| map.pixel(to).expect("seen"));
        for (k, row) in slope.iter().enumerate() {
            for (of, to) in row.iter().zip(&along) {
                assert!((of - (to[k] - from[k]) / step).abs() < 1e-3, "{slope:?}");
            }
        }
    }

    #[test]
    fn four_exact_points_give_the_map_and_more_give_the_same() {
        let map = seen();
        let all = [(-7.5, 0.0), (7.5, 0.0), (-2.45, 5.8), (2.45, 5.8), (-6.6, 2.99), (0.0, 8.0)];
        for count in [4, 6] {
            let floor: Vec<[f64; 2]> = all[..count].iter().map(|(x, y)| [*x, *y]).collect();
            let pixels: Vec<Pixel> =
                floor.iter().map(|[x, y]| map.pixel(Xy::new(*x, *y)).expect("seen")).collect();
            let (from, to) = (Centered::of(&floor), Centered::of(&pixels));
            let put = |all: &[[f64; 2]], by: &Centered| {
                all.iter().map(|one| by.put(*one)).collect::<Vec<_>>()
            };
            let found = direct(&put(&floor, &from), &put(&pixels, &to)).expect("a map");
            let found = uncentered(&found, &from, &to);
            let at = Xy::new(1.0, 3.0);
            let [expected, got] = [map, found].map(|map| map.pixel(at).expect("seen"));
            assert!((expected[0] - got[0]).hypot(expected[1] - got[1]) < 1e-6, "{count}: {got:?}");
        }
    }
}
