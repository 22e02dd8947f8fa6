//! Least squares on small dense problems, and regressions on lags of a series.

use super::sum::{dot, mean, sum};

/// Columns of a matrix, one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) rows: usize,
    pub(crate) data: Vec<f64>,
}

impl Columns {
    pub(crate) fn new(rows: usize) -> Self {
        Self { rows, data: Vec::new() }
    }

    pub(crate) fn push(&mut self, column: impl IntoIterator<Item = f64>) {
        self.data.extend(column.into_iter().take(self.rows));
    }

    pub(crate) fn count(&self) -> usize {
        self.data.len().checked_div(self.rows).unwrap_or(0)
    }

    fn column(&self, j: usize) -> &[f64] {
        &self.data[j * self.rows..(j + 1) * self.rows]
    }

    fn pair(&mut self, i: usize, j: usize) -> (&mut [f64], &mut [f64]) {
        let (head, tail) = self.data.split_at_mut(j * self.rows);
        (&mut head[i * self.rows..(i + 1) * self.rows], &mut tail[..self.rows])
    }
}

/// Shortest vector among those that minimise |A·x − b|, by a one-sided Jacobi singular value decomposition (Hestenes
/// 1958, Demmel and Veselić 1992); singular values below `cutoff` times the largest count as zero.
pub(crate) fn minimum_norm(mut a: Columns, b: &[f64], cutoff: f64) -> Vec<f64> {
    let n = a.count();
    let mut v = Columns::new(n);
    for j in 0..n {
        v.push((0..n).map(|i| f64::from(u8::from(i == j))));
    }
    for _sweep in 0..60 {
        let mut rotated = false;
        for i in 0..n {
            for j in i + 1..n {
                let (p, q, r) = (
                    dot(a.column(i), a.column(i)),
                    dot(a.column(j), a.column(j)),
                    dot(a.column(i), a.column(j)),
                );
                if r == 0.0 || !(r.abs() > 1e-15 * (p * q).sqrt()) {
                    continue;
                }
                rotated = true;
                let zeta = (q - p) / (2.0 * r);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                rotate(a.pair(i, j), c, c * t);
                rotate(v.pair(i, j), c, c * t);
            }
        }
        if !rotated {
            break;
        }
    }
    let squares: Vec<f64> = (0..n).map(|j| dot(a.column(j), a.column(j))).collect();
    let largest = squares.iter().copied().fold(0.0, f64::max);
    let mut x = vec![0.0; n];
    for (j, &square) in squares.iter().enumerate() {
        if square > largest * cutoff * cutoff {
            let weight = dot(a.column(j), b) / square;
            for (x, v) in x.iter_mut().zip(v.column(j)) {
                *x += weight * v;
            }
        }
    }
    x
}

fn rotate((x, y): (&mut [f64], &mut [f64]), c: f64, s: f64) {
    for (x, y) in x.iter_mut().zip(y) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

/// Householder reduction: A becomes R (upper triangle in place), b becomes Qᵀb.
fn householder(a: &mut Columns, b: &mut [f64]) {
    let (m, n) = (a.rows, a.count());
    let mut reflect = Vec::with_capacity(m);
    for k in 0..n.min(m) {
        let column = &mut a.data[k * m..(k + 1) * m];
        let norm = dot(&column[k..], &column[k..]).sqrt();
        if norm == 0.0 || !norm.is_finite() {
            continue;
        }
        let alpha = if column[k] > 0.0 { -norm } else { norm };
        reflect.clear();
        reflect.extend_from_slice(&column[k..]);
        reflect[0] -= alpha;
        let scale = 2.0 / dot(&reflect, &reflect);
        column[k] = alpha;
        column[k + 1..].fill(0.0);
        for j in k + 1..n {
            apply(&reflect, scale, &mut a.data[j * m + k..(j + 1) * m]);
        }
        apply(&reflect, scale, &mut b[k..]);
    }
}

fn apply(reflect: &[f64], scale: f64, column: &mut [f64]) {
    let weight = scale * dot(reflect, column);
    for (c, r) in column.iter_mut().zip(reflect) {
        *c -= weight * r;
    }
}

/// Regression of a series' values on its own past, with a constant, optionally on the level of another series too.
///
/// Products of lagged columns are nearly a Hankel matrix: entry (i + 1, j + 1) follows from (i, j) by two terms, so the
/// normal equations need O(n·p) instead of O(n·p²) work. Where they would lose accuracy (a pivot below 1e-5 of its
/// diagonal) callers fall back to Householder's method on the full matrix.
pub(crate) struct LagProducts {
    /// Columns: the series itself, lags 1 … p, and the level if there is one; means removed.
    products: Vec<f64>,
    pub(crate) means: Vec<f64>,
    size: usize,
    pub(crate) rows: usize,
}

impl LagProducts {
    /// Rows t = p … len − 1 of `y[t], y[t−1] … y[t−p]` and, if given, `level[t]`.
    pub(crate) fn new(y: &[f64], p: usize, level: Option<&[f64]>) -> Self {
        let rows = y.len() - p;
        let size = p + 1 + usize::from(level.is_some());
        let n = y.len();
        let mut g = vec![0.0; size * size];
        let mut sums = vec![0.0; size];
        let current = &y[p..];
        sums[0] = sum(current);
        for i in 0..=p {
            if i > 0 {
                sums[i] = sums[i - 1] + y[p - i] - y[n - i];
            }
            g[i] = dot(current, &y[p - i..n - i]);
        }
        for i in 1..=p {
            for j in i..=p {
                g[i * size + j] = g[(i - 1) * size + j - 1] + y[p - i] * y[p - j] - y[n - i] * y[n - j];
            }
        }
        if let Some(level) = level {
            let level = &level[p..n];
            for i in 0..=p {
                g[i * size + p + 1] = dot(level, &y[p - i..n - i]);
            }
            g[size * size - 1] = dot(level, level);
            sums[p + 1] = sum(level);
        }
        let means: Vec<f64> = sums.iter().map(|s| s / rows as f64).collect();
        for i in 0..size {
            for j in i..size {
                g[i * size + j] -= sums[i] * means[j];
                g[j * size + i] = g[i * size + j];
            }
        }
        Self { products: g, means, size, rows }
    }

    /// Cholesky factor of the columns in `order`, then of the series itself: coefficients in that order by
    /// back-substitution, and the projections of the series. None if the columns are nearly dependent.
    pub(crate) fn solve(&self, order: &[usize]) -> Option<Projection> {
        let k = order.len();
        let at = |i: usize, j: usize| self.products[order[i] * self.size + order[j]];
        let mut l = vec![0.0; k * k];
        let mut z = vec![0.0; k];
        for i in 0..k {
            for j in 0..=i {
                let s = at(i, j) - dot(&l[i * k..i * k + j], &l[j * k..j * k + j]);
                if i == j {
                    if !(s > 1e-5 * at(i, i)) {
                        return None;
                    }
                    l[i * k + i] = s.sqrt();
                } else {
                    l[i * k + j] = s / l[j * k + j];
                }
            }
            z[i] = (self.products[order[i]] - dot(&l[i * k..i * k + i], &z[..i])) / l[i * k + i];
        }
        let total = self.products[0];
        let mut residual = Vec::with_capacity(k + 1);
        residual.push(total);
        for v in &z {
            residual.push(residual[residual.len() - 1] - v * v);
        }
        if !(residual[k] > 1e-6 * total) {
            return None;
        }
        let mut x = z.clone();
        for i in (0..k).rev() {
            x[i] /= l[i * k + i];
            for j in 0..i {
                x[j] -= l[i * k + j] * x[i];
            }
        }
        Some(Projection { coefficients: x, projections: z, residual })
    }
}

/// Result of a triangular least-squares solution.
pub(crate) struct Projection {
    pub(crate) coefficients: Vec<f64>,
    /// Component of the response along each column's new direction.
    pub(crate) projections: Vec<f64>,
    /// Residual sum of squares with the first 0, 1, 2 … columns.
    pub(crate) residual: Vec<f64>,
}

/// Householder's method; coefficients are the shortest solution when columns are dependent.
pub(crate) fn regress(mut a: Columns, mut b: Vec<f64>) -> Projection {
    let (m, n) = (a.rows, a.count());
    householder(&mut a, &mut b);
    let k = n.min(m);
    let mut residual = vec![0.0; k + 1];
    residual[k] = dot(&b[k..], &b[k..]);
    for i in (0..k).rev() {
        residual[i] = residual[i + 1] + b[i] * b[i];
    }
    let projections = b[..k].to_vec();
    let mut r = Columns::new(k);
    for j in 0..n {
        r.push(a.column(j)[..k].iter().copied());
    }
    let cutoff = m.max(n) as f64 * f64::EPSILON;
    Projection { coefficients: minimum_norm(r, &projections, cutoff), projections, residual }
}

/// Coefficients of an autoregression of order `k` with constant, constant first; None if there are too few values.
pub(crate) fn autoregression(x: &[f64], k: usize) -> Option<Vec<f64>> {
    let rows = x.len().checked_sub(k)?;
    if rows < k + 1 || rows == 0 {
        return None;
    }
    let centre = mean(x);
    let z: Vec<f64> = x.iter().map(|v| v - centre).collect();
    let products = LagProducts::new(&z, k, None);
    let order: Vec<usize> = (1..=k).collect();
    if let Some(fit) = products.solve(&order) {
        let mut constant = products.means[0] + centre;
        for (phi, m) in fit.coefficients.iter().zip(&products.means[1..]) {
            constant -= phi * (m + centre);
        }
        let mut out = vec![constant];
        out.extend(fit.coefficients);
        return Some(out);
    }
    let mut a = Columns::new(rows);
    a.push(core::iter::repeat(1.0));
    for lag in 1..=k {
        a.push(x[k - lag..].iter().copied());
    }
    Some(regress(a, x[k..].to_vec()).coefficients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependent_columns_give_the_shortest_solution() {
        // Constant 5 with ten lags: the shortest vector w with w·(1, 5, …, 5) = 5.
        let w = autoregression(&[5.0; 50], 10).expect("enough values");
        assert!((w[0] - 5.0 / 251.0).abs() < 1e-12, "{w:?}");
        assert!(w[1..].iter().all(|v| (v - 25.0 / 251.0).abs() < 1e-12));
    }

    #[test]
    fn normal_equations_and_householder_agree() {
        let x: Vec<f64> = (0..80).map(|i| f64::from((i * 37 + i * i * 11) % 29) + 100.0).collect();
        let fast = autoregression(&x, 3).expect("enough values");
        let mut a = Columns::new(77);
        a.push(core::iter::repeat(1.0));
        for lag in 1..=3 {
            a.push(x[3 - lag..].iter().copied());
        }
        let slow = regress(a, x[3..].to_vec()).coefficients;
        for (f, s) in fast.iter().zip(&slow) {
            assert!((f - s).abs() < 1e-9 * s.abs().max(1.0), "{fast:?} {slow:?}");
        }
    }

    #[test]
    fn too_few_values_have_no_autoregression() {
        assert!(autoregression(&[1.0; 20], 10).is_none());
        assert!(autoregression(&[], 10).is_none());
    }
}
