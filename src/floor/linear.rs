//! The little linear algebra that a map of the floor needs: 8 and 9 unknowns, no more. Pure.
#![allow(
    clippy::needless_range_loop,
    reason = "indices of matrices read as they are written on paper"
)]

/// Solves `a x = b` for a symmetric positive `a`, by Cholesky; `None` where it is singular.
pub(super) fn solve<const N: usize>(a: &[[f64; N]; N], b: &[f64; N]) -> Option<[f64; N]> {
    let lower = cholesky(a)?;
    let mut y = [0.0; N];
    for i in 0..N {
        let before: f64 = (0..i).map(|k| lower[i][k] * y[k]).sum();
        y[i] = (b[i] - before) / lower[i][i];
    }
    let mut x = [0.0; N];
    for i in (0..N).rev() {
        let after: f64 = (i + 1..N).map(|k| lower[k][i] * x[k]).sum();
        x[i] = (y[i] - after) / lower[i][i];
    }
    Some(x)
}

/// The inverse of a symmetric positive matrix; `None` where it is singular.
pub(super) fn inverse<const N: usize>(a: &[[f64; N]; N]) -> Option<[[f64; N]; N]> {
    let mut inverse = [[0.0; N]; N];
    for column in 0..N {
        let mut unit = [0.0; N];
        unit[column] = 1.0;
        let solved = solve(a, &unit)?;
        for row in 0..N {
            inverse[row][column] = solved[row];
        }
    }
    Some(inverse)
}

fn cholesky<const N: usize>(a: &[[f64; N]; N]) -> Option<[[f64; N]; N]> {
    let mut lower = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let left = a[i][j] - known;
            if i == j {
                if !(left.is_finite() && left > f64::EPSILON * a[i][i].abs()) {
                    return None;
                }
                lower[i][i] = left.sqrt();
            } else {
                lower[i][j] = left / lower[j][j];
            }
        }
    }
    Some(lower)
}

/// The eigenvector of the least eigenvalue of a symmetric matrix, by Jacobi's rotations.
pub(super) fn least_eigenvector<const N: usize>(symmetric: &[[f64; N]; N]) -> [f64; N] {
    /// Of a 9 by 9 matrix some eight sweeps are enough; what is left then is noise.
    const SWEEPS: usize = 40;
    let mut a = *symmetric;
    let mut vectors = [[0.0; N]; N];
    for (i, row) in vectors.iter_mut().enumerate() {
        row[i] = 1.0;
    }
    for _ in 0..SWEEPS {
        let off: f64 =
            (0..N).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i][j].abs()).sum();
        if off < 1e-300 {
            break;
        }
        for p in 0..N {
            for q in p + 1..N {
                if a[p][q].abs() < 1e-300 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for k in 0..N {
                    (a[k][p], a[k][q]) = (c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]);
                }
                for k in 0..N {
                    (a[p][k], a[q][k]) = (c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]);
                    let (vp, vq) = (vectors[k][p], vectors[k][q]);
                    (vectors[k][p], vectors[k][q]) = (c * vp - s * vq, s * vp + c * vq);
                }
            }
        }
    }
    let least = (0..N).min_by(|i, j| a[*i][*i].total_cmp(&a[*j][*j])).unwrap_or(0);
    std::array::from_fn(|row| vectors[row][least])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_solved_and_turned_back_is_what_it_was() {
        let a = [[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]];
        let x = [1.0, -2.0, 0.5];
        let b: [f64; 3] = std::array::from_fn(|i| (0..3).map(|k| a[i][k] * x[k]).sum());
        let solved = solve(&a, &b).expect("positive");
        let inverse = inverse(&a).expect("positive");
        for i in 0..3 {
            assert!((solved[i] - x[i]).abs() < 1e-12, "{solved:?}");
            for j in 0..3 {
                let unit: f64 = (0..3).map(|k| a[i][k] * inverse[k][j]).sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((unit - expected).abs() < 1e-12);
            }
        }
        assert_eq!(solve(&[[1.0, 1.0], [1.0, 1.0]], &[1.0, 1.0]), None, "singular");
    }

    #[test]
    fn the_least_eigenvector_is_found() {
        // Of eigenvalues 1, 4 and 9 about the axis (2, 1, 2) / 3.
        let axis = [2.0 / 3.0, 1.0 / 3.0, 2.0 / 3.0];
        let a: [[f64; 3]; 3] = std::array::from_fn(|i| {
            std::array::from_fn(|j| if i == j { 9.0 } else { 0.0 } - 8.0 * axis[i] * axis[j])
        });
        let found = least_eigenvector(&a);
        let along: f64 = (0..3).map(|k| found[k] * axis[k]).sum();
        assert!((along.abs() - 1.0).abs() < 1e-12, "{found:?}");
    }
}
