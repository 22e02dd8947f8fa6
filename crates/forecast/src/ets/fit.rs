//! Maximum likelihood: concentrated for additive models without season, direct search for all others.

use super::{
    Ets, EtsError, EtsSeason, EtsSpec, EtsState, EtsTrend, EtsWeights, FittedEts,
    filter::{self, Sums, log_likelihood, pass, relative_pass, with_shape},
};
use crate::{
    error::{FitError, check_values},
    gaps::fill_gaps,
    minimize::{BoxBounds, nelder_mead},
    model::Forecaster,
};

/// Bounds of the weights: those of R's `forecast` and of statsforecast ("usual" region).
const ALPHA: (f64, f64) = (1e-4, 0.9999);
const PHI: (f64, f64) = (0.8, 0.98);

impl Forecaster for Ets {
    type Fitted = FittedEts;

    fn fit(&self, values: &[f64]) -> Result<FittedEts, FitError> {
        check(self.spec, values)?;
        let filled = fill_gaps(
            values,
            if self.spec.season == EtsSeason::None { &[] } else { std::slice::from_ref(&self.spec.period) },
        );
        Ok(fit_checked(self.spec, values, &filled, None))
    }
}

/// Everything that makes a fit impossible.
pub(super) fn check(spec: EtsSpec, values: &[f64]) -> Result<(), FitError> {
    spec.check()?;
    let needed = if spec.season == EtsSeason::None { 3 + spec.parameters() } else { 2 * spec.period + 2 };
    check_values(values, needed)?;
    if spec.needs_positive()
        && let Some(index) = values.iter().position(|&v| v <= 0.0)
    {
        return Err(FitError::NotPositive { index, value: values[index] });
    }
    Ok(())
}

/// Fits data that passed [`check`]; `warm` gives weights and initial states of a sibling to start from.
pub(super) fn fit_checked(
    spec: EtsSpec,
    values: &[f64],
    filled: &[f64],
    warm: Option<&FittedEts>,
) -> FittedEts {
    let linear = spec.season == EtsSeason::None
        && matches!(spec.trend, EtsTrend::None | EtsTrend::Additive | EtsTrend::AdditiveDamped);
    let (weights, initial) = if linear && spec.error == EtsError::Additive {
        concentrated(spec, values, filled)
    } else {
        direct(spec, values, filled, warm)
    };
    finish(spec, values, weights, initial)
}

/// Computes states, variance and criteria for the chosen weights.
fn finish(spec: EtsSpec, values: &[f64], weights: EtsWeights, initial: EtsState) -> FittedEts {
    let mut state = initial.clone();
    let sums = relative_pass(spec, values, &weights, &mut state, |_, _| {});
    let k = (spec.parameters() + 1) as f64;
    let squares = if spec.error == EtsError::Additive { sums.absolute } else { sums.relative };
    let degrees = (sums.count - spec.parameters() as f64).max(1.0);
    let log_likelihood = log_likelihood(&sums, spec.error);
    let free = sums.count - k - 1.0;
    let aicc =
        if free > 0.0 { -2.0 * log_likelihood + 2.0 * k + 2.0 * k * (k + 1.0) / free } else { f64::INFINITY };
    FittedEts { spec, weights, state, initial, next: 0, variance: squares / degrees, log_likelihood, aicc }
}

/// Weights from a point of the unit box: `β = α·x₁`, `γ = (1-α)·x₂`, `φ` in its range.
fn weights_at(spec: EtsSpec, alpha: f64, beta_share: f64, gamma_share: f64, phi: f64) -> EtsWeights {
    EtsWeights {
        alpha,
        beta: if spec.trend == EtsTrend::None { 0.0 } else { alpha * beta_share },
        gamma: if spec.season == EtsSeason::None { 0.0 } else { (1.0 - alpha) * gamma_share },
        phi: if spec.damped() { phi } else { 1.0 },
    }
}

/// Additive error, no season: for given weights the errors are linear in the initial level and trend, which least squares
/// finds exactly; the search runs over the weights alone.
fn concentrated(spec: EtsSpec, values: &[f64], filled: &[f64]) -> (EtsWeights, EtsState) {
    let origin = filled[0];
    let has_trend = spec.trend != EtsTrend::None;
    let cost = |x: &[f64; 3]| {
        let w = weights_at(spec, x[0], x[1], 0.0, x[2]);
        let (squares, ..) = if has_trend {
            profile::<true>(values, origin, &w)
        } else {
            profile::<false>(values, origin, &w)
        };
        squares.max(f64::MIN_POSITIVE).ln()
    };
    let dim = 1 + usize::from(has_trend) + usize::from(spec.damped());
    let bounds = BoxBounds {
        lower: [ALPHA.0, 1e-4, PHI.0],
        upper: [ALPHA.1, 0.9999, PHI.1],
        step: [0.15, 0.15, -0.05],
        evaluations: 40 * dim + 20,
        tolerance: 1e-8,
    };
    let grid: &[f64] = &[0.02, 0.1, 0.3, 0.6, 0.9];
    let start = best_of(grid.iter().map(|&a| [a, 0.1, 0.95]), cost);
    let (best, _) = nelder_mead::<3, 4>(start, dim, &bounds, cost);
    let weights = weights_at(spec, best[0], best[1], 0.0, best[2]);
    let (_, level, trend) = if has_trend {
        profile::<true>(values, origin, &weights)
    } else {
        profile::<false>(values, origin, &weights)
    };
    (weights, EtsState { level, trend, season: Vec::new() })
}

fn best_of<const N: usize>(
    points: impl Iterator<Item = [f64; N]>,
    cost: impl Fn(&[f64; N]) -> f64,
) -> [f64; N] {
    points.map(|p| (cost(&p), p)).min_by(|a, b| a.0.total_cmp(&b.0)).map_or([0.5; N], |(_, p)| p)
}

/// Sum of squares at the best initial states, and those states.
///
/// Runs three recursions side by side: the errors for level `origin` and no trend, and their derivatives with respect to
/// level and trend (which obey the same recursion with zero data). They decay; once they are negligible only the first runs.
fn profile<const TREND: bool>(values: &[f64], origin: f64, w: &EtsWeights) -> (f64, f64, f64) {
    let (mut l, mut b) = (origin, 0.0);
    let (mut l1, mut b1, mut l2, mut b2) = (1.0, 0.0, 0.0, 1.0);
    let (mut ee, mut e1, mut e2, mut s11, mut s12, mut s22) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let mut t = 0;
    while t < values.len() {
        let y = values[t];
        t += 1;
        let damped = if TREND { w.phi * b } else { 0.0 };
        let base = l + damped;
        let (d1, m1) = if TREND { (w.phi * b1, l1 + w.phi * b1) } else { (0.0, l1) };
        let (d2, m2) = if TREND { (w.phi * b2, l2 + w.phi * b2) } else { (0.0, 0.0) };
        let (e, g1, g2) = if y.is_nan() { (0.0, 0.0, 0.0) } else { (y - base, m1, m2) };
        ee += e * e;
        e1 += e * g1;
        s11 += g1 * g1;
        l = base + w.alpha * e;
        l1 = m1 - w.alpha * g1;
        if TREND {
            e2 += e * g2;
            s12 += g1 * g2;
            s22 += g2 * g2;
            b = damped + w.beta * e;
            b1 = d1 - w.beta * g1;
            l2 = m2 - w.alpha * g2;
            b2 = d2 - w.beta * g2;
        }
        if t % 16 == 0 && l1.abs() + b1.abs() + l2.abs() + b2.abs() * if TREND { 1.0 } else { 0.0 } < 1e-9 {
            break;
        }
    }
    for &y in &values[t..] {
        let damped = if TREND { w.phi * b } else { 0.0 };
        let base = l + damped;
        let e = if y.is_nan() { 0.0 } else { y - base };
        ee += e * e;
        l = base + w.alpha * e;
        if TREND {
            b = damped + w.beta * e;
        }
    }
    let (dl, db) = solve2(s11, s12, s22, e1, e2, TREND);
    let squares =
        (ee - 2.0 * (dl * e1 + db * e2) + dl * dl * s11 + 2.0 * dl * db * s12 + db * db * s22).max(0.0);
    (squares, origin + dl, db)
}

/// Solves the 2×2 (or 1×1) normal equations; falls back to one unknown when they are singular.
fn solve2(s11: f64, s12: f64, s22: f64, e1: f64, e2: f64, two: bool) -> (f64, f64) {
    let det = s11 * s22 - s12 * s12;
    if two && det > 1e-12 * s11 * s22 {
        return ((e1 * s22 - e2 * s12) / det, (e2 * s11 - e1 * s12) / det);
    }
    (if s11 > 0.0 { e1 / s11 } else { 0.0 }, 0.0)
}

/// Search over weights, initial level and trend; initial seasonal states from a classical decomposition.
fn direct(spec: EtsSpec, values: &[f64], filled: &[f64], warm: Option<&FittedEts>) -> (EtsWeights, EtsState) {
    let seed = initial_state(spec, filled);
    let mut scratch = seed.clone();
    let multiplicative = matches!(spec.trend, EtsTrend::Multiplicative | EtsTrend::MultiplicativeDamped);
    let spread = spread_of(filled).max(1e-12 * seed.level.abs()).max(1e-300);
    let has_trend = spec.trend != EtsTrend::None;
    // Coordinates: α, β share, γ share, φ, level, trend; unused ones stay put because `order` leaves them out.
    let mut order = [0_usize; 6];
    let mut dim = 0;
    for (coordinate, used) in
        [true, has_trend, spec.season != EtsSeason::None, spec.damped(), true, has_trend]
            .into_iter()
            .enumerate()
    {
        if used {
            order[dim] = coordinate;
            dim += 1;
        }
    }
    let unit = if multiplicative { 0.02 } else { 0.1 * spread };
    let mut from = [0.3, 0.1, 0.1, 0.95, 0.0, 0.0];
    if let Some(w) = warm {
        let a = w.weights.alpha;
        from[0] = a.clamp(ALPHA.0, ALPHA.1);
        from[1] = if has_trend { (w.weights.beta / a).clamp(1e-4, 0.9999) } else { 0.1 };
        from[3] = if spec.damped() { w.weights.phi.clamp(PHI.0, PHI.1) } else { 0.95 };
        from[4] = (w.initial.level - seed.level) / spread;
        from[5] = if multiplicative { 0.0 } else { (w.initial.trend - seed.trend) / unit };
    }
    let expand = |x: &[f64; 6]| {
        let mut p = from;
        (0..dim).for_each(|d| p[order[d]] = x[d]);
        let level = seed.level + p[4] * spread;
        let trend = seed.trend + p[5] * unit;
        (weights_at(spec, p[0], p[1], p[2], p[3]), level, trend)
    };
    let cost = |x: &[f64; 6]| {
        let (w, level, trend) = expand(x);
        (scratch.level, scratch.trend) = (level, if has_trend { trend } else { 0.0 });
        scratch.season.copy_from_slice(&seed.season);
        let sums = sums_of(spec, values, &w, &mut scratch);
        sums.deviance(spec.error) / sums.count
    };
    let wide = |c: usize| {
        [
            (ALPHA.0, ALPHA.1, 0.15),
            (1e-4, 0.9999, 0.1),
            (1e-4, 0.9999, 0.15),
            (PHI.0, PHI.1, -0.05),
            (-4.0, 4.0, 0.3),
            (-10.0, 10.0, 0.5),
        ][c]
    };
    let mut bounds = BoxBounds {
        lower: [0.0; 6],
        upper: [1.0; 6],
        step: [0.1; 6],
        evaluations: if warm.is_some() { 30 * dim } else { 60 * dim + 30 },
        tolerance: 1e-8,
    };
    let mut start = [0.0; 6];
    for d in 0..dim {
        (bounds.lower[d], bounds.upper[d], bounds.step[d]) = wide(order[d]);
        if warm.is_some() {
            bounds.step[d] *= 0.2;
        }
        start[d] = from[order[d]].clamp(bounds.lower[d], bounds.upper[d]);
    }
    let (best, _) = nelder_mead::<6, 7>(start, dim, &bounds, cost);
    let (weights, level, trend) = expand(&best);
    let trend = if has_trend { trend } else { 0.0 };
    (weights, EtsState { level, trend, season: seed.season.clone() })
}

fn sums_of(spec: EtsSpec, values: &[f64], w: &EtsWeights, state: &mut EtsState) -> Sums {
    fn run<const T: u8, const S: u8, const R: bool>(v: &[f64], w: &EtsWeights, s: &mut EtsState) -> Sums {
        pass::<T, S, R>(v, w, s, |_, _| {})
    }
    if spec.error == EtsError::Additive {
        with_shape!(spec, run::<_, _, false>(values, w, state))
    } else {
        with_shape!(spec, run::<_, _, true>(values, w, state))
    }
}

fn spread_of(values: &[f64]) -> f64 {
    crate::stats::variance(&values[..values.len().min(500)]).sqrt()
}

/// Seasonal states from the mean deviation of each phase from a centred moving average over the first cycles, level and
/// trend from a regression on the adjusted first values (Hyndman et al. 2008, section 2.6.1).
fn initial_state(spec: EtsSpec, filled: &[f64]) -> EtsState {
    let m = spec.period;
    let multiplicative = spec.season == EtsSeason::Multiplicative;
    let season = match spec.season {
        EtsSeason::None => Vec::new(),
        _ => seasonal_profile(filled, m, multiplicative),
    };
    let window = filled.len().min(if season.is_empty() { 10 } else { (2 * m).max(10) });
    let adjusted: Vec<f64> = (0..window)
        .map(|i| match spec.season {
            EtsSeason::None => filled[i],
            EtsSeason::Additive => filled[i] - season[i % m],
            EtsSeason::Multiplicative => filled[i] / season[i % m].max(1e-10),
        })
        .collect();
    let (intercept, slope) = line(&adjusted);
    match spec.trend {
        EtsTrend::None => EtsState { level: crate::stats::mean(&adjusted), trend: 0.0, season },
        EtsTrend::Additive | EtsTrend::AdditiveDamped => EtsState { level: intercept, trend: slope, season },
        EtsTrend::Multiplicative | EtsTrend::MultiplicativeDamped => {
            let level = if intercept > 0.0 { intercept } else { adjusted[0].max(1e-10) };
            EtsState { level, trend: (1.0 + slope / level).clamp(0.9, 1.1), season }
        }
    }
}

/// `y ≈ a + b·(i + 1)` by least squares.
fn line(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let center = f64::midpoint(n, 1.0);
    let mean = crate::stats::mean(values);
    let (mut sxy, mut sxx) = (0.0, 0.0);
    for (i, v) in values.iter().enumerate() {
        let x = (i + 1) as f64 - center;
        sxy += x * (v - mean);
        sxx += x * x;
    }
    let slope = if sxx > 0.0 { sxy / sxx } else { 0.0 };
    (mean - slope * center, slope)
}

/// Normalised seasonal pattern of the first (at most four) cycles.
pub(crate) fn seasonal_profile(filled: &[f64], m: usize, multiplicative: bool) -> Vec<f64> {
    let cycles = (filled.len() / m).min(4);
    let head = &filled[..(cycles * m + m).min(filled.len())];
    let average = crate::stats::centered_average(head, m);
    let (mut sum, mut count) = (vec![0.0; m], vec![0.0; m]);
    for (i, (&y, &a)) in head.iter().zip(&average).enumerate() {
        if a.is_nan() {
            continue;
        }
        sum[i % m] += if multiplicative { y / a.max(1e-10) } else { y - a };
        count[i % m] += 1.0;
    }
    let mut profile: Vec<f64> = sum
        .iter()
        .zip(&count)
        .map(|(s, c)| {
            if *c > 0.0 {
                s / c
            } else if multiplicative {
                1.0
            } else {
                0.0
            }
        })
        .collect();
    let mean = crate::stats::mean(&profile);
    for p in &mut profile {
        if multiplicative {
            *p = (*p / mean.max(1e-10)).max(0.01);
        } else {
            *p -= mean;
        }
    }
    profile
}

/// Moves a fitted model over one more value.
pub(super) fn advance(fitted: &mut FittedEts, value: f64) {
    fn run<const T: u8, const S: u8>(y: f64, w: &EtsWeights, state: &mut EtsState, phase: usize) {
        let mut none = 0.0;
        let EtsState { level, trend, season } = state;
        let season = if S == filter::NONE { &mut none } else { &mut season[phase] };
        filter::step::<T, S>(y, w, level, trend, season);
    }
    let (w, phase) = (fitted.weights, fitted.next);
    let state = &mut fitted.state;
    with_shape!(fitted.spec, run::<_, _>(value, &w, state, phase));
    if !fitted.state.season.is_empty() {
        fitted.next = (fitted.next + 1) % fitted.state.season.len();
    }
}
