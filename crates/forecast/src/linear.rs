//! Small least-squares problems.

use nalgebra::{Cholesky, DMatrix, DVector};

/// Ridge regression without intercept: minimises `‖y - Xβ‖² + λ·Σ d_j β_j²` with `d_j` the squared norm of column `j`.
/// Columns are slices of equal length. Singular problems get more ridge until they are solvable; all zero at worst.
pub(crate) fn solve_ridge(columns: &[&[f64]], y: &[f64], lambda: f64) -> Vec<f64> {
    let p = columns.len();
    let mut gram = DMatrix::<f64>::zeros(p, p);
    let mut right = DVector::<f64>::zeros(p);
    for i in 0..p {
        for j in 0..=i {
            let s = dot(columns[i], columns[j]);
            gram[(i, j)] = s;
            gram[(j, i)] = s;
        }
        right[i] = dot(columns[i], y);
    }
    solve_gram(&gram, &right, lambda)
}

/// The same from the Gram matrix `XᵀX` and `Xᵀy`.
pub(crate) fn solve_gram(gram: &DMatrix<f64>, right: &DVector<f64>, lambda: f64) -> Vec<f64> {
    let p = gram.nrows();
    let mut extra = lambda;
    for _ in 0..8 {
        let mut a = gram.clone();
        for i in 0..p {
            a[(i, i)] += extra * gram[(i, i)] + f64::MIN_POSITIVE;
        }
        if let Some(cholesky) = Cholesky::new(a) {
            let beta = cholesky.solve(right);
            if beta.iter().all(|b| b.is_finite()) {
                return beta.iter().copied().collect();
            }
        }
        extra = (extra * 10.0).max(1e-10);
    }
    vec![0.0; p]
}

/// Inner product in four lanes (fixed order, so deterministic and vectorised).
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let n = a.len().min(b.len());
    let (a4, a_rest) = a[..n].as_chunks::<4>();
    let (b4, b_rest) = b[..n].as_chunks::<4>();
    for (x, y) in a4.iter().zip(b4) {
        for k in 0..4 {
            lanes[k] += x[k] * y[k];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

/// Weighted ridge regression: every row counts `weights[r]` times.
pub(crate) fn solve_ridge_weighted(columns: &[&[f64]], y: &[f64], weights: &[f64], lambda: f64) -> Vec<f64> {
    let roots: Vec<f64> = weights.iter().map(|w| w.sqrt()).collect();
    let scale = |column: &[f64]| column.iter().zip(&roots).map(|(x, r)| x * r).collect::<Vec<f64>>();
    let scaled: Vec<Vec<f64>> = columns.iter().map(|c| scale(c)).collect();
    let views: Vec<&[f64]> = scaled.iter().map(Vec::as_slice).collect();
    solve_ridge(&views, &scale(y), lambda)
}
