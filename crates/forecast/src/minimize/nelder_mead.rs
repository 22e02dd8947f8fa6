//! Nelder–Mead simplex search on fixed-size arrays: no allocation, no randomness.
//!
//! Nelder & Mead (1965), A simplex method for function minimization, Computer Journal 7; coefficients of the standard
//! form (reflection 1, expansion 2, contraction 1/2, shrink 1/2). Points outside the box are projected onto it.

/// Box and budget of a search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoxBounds<const N: usize> {
    pub(crate) lower: [f64; N],
    pub(crate) upper: [f64; N],
    /// Edge of the first simplex per coordinate.
    pub(crate) step: [f64; N],
    /// Most cost evaluations.
    pub(crate) evaluations: usize,
    /// Stop when the costs of the simplex differ by less than this (absolute plus relative).
    pub(crate) tolerance: f64,
}

/// Minimises `cost` over the first `dim ≤ N` coordinates (the others keep their start value). NaN counts as +∞.
/// Returns the best point and its cost.
pub(crate) fn nelder_mead<const N: usize, const P: usize>(
    start: [f64; N],
    dim: usize,
    bounds: &BoxBounds<N>,
    mut cost: impl FnMut(&[f64; N]) -> f64,
) -> ([f64; N], f64) {
    debug_assert!(P > N && dim <= N, "a simplex has one vertex more than dimensions");
    let mut evaluate = |x: &[f64; N]| {
        let c = cost(x);
        if c.is_nan() { f64::INFINITY } else { c }
    };
    let mut used = dim + 1;
    let mut x = [start; P];
    let mut f = [f64::INFINITY; P];
    f[0] = evaluate(&x[0]);
    for d in 0..dim {
        let v = x[0][d];
        let step = if v + bounds.step[d] > bounds.upper[d] { -bounds.step[d] } else { bounds.step[d] };
        x[d + 1][d] = (v + step).clamp(bounds.lower[d], bounds.upper[d]);
        f[d + 1] = evaluate(&x[d + 1]);
    }
    if dim == 0 {
        return (x[0], f[0]);
    }
    while used < bounds.evaluations {
        sort(&mut x, &mut f, dim + 1);
        if f[dim] - f[0] <= bounds.tolerance * (1.0 + f[0].abs()) {
            break;
        }
        let mut center = [0.0; N];
        for vertex in &x[..dim] {
            (0..dim).for_each(|d| center[d] += vertex[d] / dim as f64);
        }
        let worst = x[dim];
        let along = |t: f64| {
            let mut p = start;
            (0..dim).for_each(|d| {
                p[d] = (center[d] + t * (center[d] - worst[d])).clamp(bounds.lower[d], bounds.upper[d]);
            });
            p
        };
        let reflected = along(1.0);
        let fr = evaluate(&reflected);
        used += 1;
        if fr < f[0] {
            let expanded = along(2.0);
            let fe = evaluate(&expanded);
            used += 1;
            (x[dim], f[dim]) = if fe < fr { (expanded, fe) } else { (reflected, fr) };
        } else if fr < f[dim - 1] {
            (x[dim], f[dim]) = (reflected, fr);
        } else {
            let contracted = along(if fr < f[dim] { 0.5 } else { -0.5 });
            let fc = evaluate(&contracted);
            used += 1;
            if fc < fr.min(f[dim]) {
                (x[dim], f[dim]) = (contracted, fc);
            } else {
                for v in 1..=dim {
                    for d in 0..dim {
                        x[v][d] = f64::midpoint(x[0][d], x[v][d]);
                    }
                    f[v] = evaluate(&x[v]);
                }
                used += dim;
            }
        }
    }
    sort(&mut x, &mut f, dim + 1);
    (x[0], f[0])
}

/// Insertion sort of the first `count` vertices by cost; stable, so ties keep their order.
fn sort<const N: usize>(x: &mut [[f64; N]], f: &mut [f64], count: usize) {
    for i in 1..count {
        let mut j = i;
        while j > 0 && f[j - 1] > f[j] {
            f.swap(j - 1, j);
            x.swap(j - 1, j);
            j -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rosenbrock_is_solved_in_two_dimensions() {
        let bounds = BoxBounds {
            lower: [-5.0; 2],
            upper: [5.0; 2],
            step: [0.5; 2],
            evaluations: 2000,
            tolerance: 1e-14,
        };
        let (x, f) = nelder_mead::<2, 3>([-1.2, 1.0], 2, &bounds, |p| {
            (1.0 - p[0]).powi(2) + 100.0 * (p[1] - p[0] * p[0]).powi(2)
        });
        assert!(f < 1e-10 && (x[0] - 1.0).abs() < 1e-4, "{x:?} {f}");
    }

    #[test]
    fn the_box_is_never_left_and_nan_is_avoided() {
        let bounds = BoxBounds {
            lower: [0.0; 2],
            upper: [1.0; 2],
            step: [0.2; 2],
            evaluations: 500,
            tolerance: 1e-12,
        };
        let (x, _) = nelder_mead::<2, 3>([0.5, 0.5], 2, &bounds, |p| {
            assert!((0.0..=1.0).contains(&p[0]) && (0.0..=1.0).contains(&p[1]));
            if p[1] > 0.9 { f64::NAN } else { -p[0] - p[1] }
        });
        assert!((x[0] - 1.0).abs() < 1e-6 && x[1] > 0.85, "{x:?}");
    }
}
