//! Multi-seasonal exponential smoothing with autocorrelation adjustment.
//!
//! # Model
//! `ŷ = l + Σ s_k[phase_k] + ρ·e[t-1]` with error `e`: `l += α·e`, `s_k[phase_k] += γ_k·e`. The weights and `ρ` minimise the
//! squared one-step errors after the warm-up; patterns start from the means of the first cycles. A value costs O(number of
//! seasons), so does an update; memory is the sum of the seasons.
//!
//! # References
//! Taylor (2003), Short-term electricity demand forecasting using double seasonal exponential smoothing, JORS 54; Taylor (2010),
//! Triple seasonal methods for short-term electricity demand forecasting, EJOR 204.

use crate::{
    codec::{Reader, Writer},
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    gaps::fill_gaps,
    minimize::{BoxBounds, nelder_mead},
    model::{Fitted, Forecaster},
    tree::ModelError,
};

/// At most this many seasons.
const MAX_SEASONS: usize = 4;

/// Settings: the seasons, shortest first.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Fitted, Forecaster, SeasonalSmoothing};
/// let load: Vec<f64> = (0..24 * 21).map(|h| f64::from(h % 24) + if h / 24 % 7 > 4 { 0.0 } else { 20.0 }).collect();
/// let fitted = SeasonalSmoothing::new(&[24, 168]).fit(&load)?;
/// let monday = fitted.predict(24, &[0.95])?;
/// assert!((monday.point[12] - 32.0).abs() < 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SeasonalSmoothing {
    seasons: Vec<usize>,
}

impl SeasonalSmoothing {
    /// Seasons in steps (1 to 4 of them, each at least 2).
    pub fn new(seasons: &[usize]) -> Self {
        Self { seasons: seasons.to_vec() }
    }
}

/// A fitted [`SeasonalSmoothing`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedSeasonalSmoothing {
    weights: Weights,
    level: f64,
    error: f64,
    patterns: Vec<Vec<f64>>,
    phases: Vec<usize>,
    variance: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Weights {
    alpha: f64,
    rho: f64,
    gammas: [f64; MAX_SEASONS],
}

impl Weights {
    fn from_point(x: &[f64; 6]) -> Self {
        Self { alpha: x[0], rho: x[1], gammas: [x[2], x[3], x[4], x[5]] }
    }
}

impl Forecaster for SeasonalSmoothing {
    type Fitted = FittedSeasonalSmoothing;

    fn fit(&self, values: &[f64]) -> Result<FittedSeasonalSmoothing, FitError> {
        let mut seasons = self.seasons.clone();
        seasons.sort_unstable();
        seasons.dedup();
        let (Some(&shortest), Some(&longest)) = (seasons.first(), seasons.last()) else {
            return Err(FitError::Setting { name: "seasons", value: 0.0, expected: "1 to 4 seasons" });
        };
        if seasons.len() > MAX_SEASONS || shortest < 2 {
            let value = if shortest < 2 { shortest } else { seasons.len() } as f64;
            return Err(FitError::Setting {
                name: "seasons",
                value,
                expected: "1 to 4 seasons of at least 2 steps",
            });
        }
        check_values(values, longest + 1)?;
        if values.len() < 2 * longest {
            return Err(FitError::TooShort { needed: 2 * longest, found: values.len() });
        }
        let filled = fill_gaps(values, &seasons);
        let (level, patterns) = first_patterns(&filled, &seasons);
        let skip = shortest.min(values.len() / 4);
        let mut scratch = patterns.clone();
        let bounds = BoxBounds {
            lower: [1e-4, -0.5, 0.0, 0.0, 0.0, 0.0],
            upper: [0.9, 0.98, 0.9, 0.9, 0.9, 0.9],
            step: [0.05, 0.2, 0.1, 0.1, 0.1, 0.1],
            evaluations: 120,
            tolerance: 1e-6,
        };
        let count = seasons.len();
        let cost = |x: &[f64; 6]| {
            scratch.iter_mut().zip(&patterns).for_each(|(s, p)| s.copy_from_slice(p));
            pass(values, &Weights::from_point(x), level, &mut scratch, skip)
                .squares
                .max(f64::MIN_POSITIVE)
                .ln()
        };
        let (best, _) = nelder_mead::<6, 7>([0.02, 0.5, 0.15, 0.15, 0.1, 0.1], 2 + count, &bounds, cost);
        let weights = Weights::from_point(&best);
        let mut patterns = patterns;
        let end = pass(values, &weights, level, &mut patterns, skip);
        let phases = seasons.iter().map(|m| values.len() % m).collect();
        let variance = end.squares / (end.count - 2.0 - count as f64).max(1.0);
        Ok(FittedSeasonalSmoothing {
            weights,
            level: end.level,
            error: end.error,
            patterns,
            phases,
            variance,
        })
    }
}

struct End {
    squares: f64,
    count: f64,
    level: f64,
    error: f64,
}

/// One pass; `patterns` are indexed by phase.
fn pass(values: &[f64], w: &Weights, mut level: f64, patterns: &mut [Vec<f64>], skip: usize) -> End {
    let (mut squares, mut count, mut last) = (0.0, 0.0, 0.0);
    let mut phases = [0_usize; MAX_SEASONS];
    for (i, &y) in values.iter().enumerate() {
        let mut mean = level;
        for (k, p) in patterns.iter().enumerate() {
            mean += p[phases[k]];
        }
        if y.is_nan() {
            last *= w.rho;
        } else {
            let error = y - mean; // before the adjustment
            let innovation = error - w.rho * last;
            if i >= skip {
                squares += innovation * innovation;
                count += 1.0;
            }
            level += w.alpha * innovation;
            for (k, p) in patterns.iter_mut().enumerate() {
                p[phases[k]] += w.gammas[k] * innovation;
            }
            last = error;
        }
        for (k, p) in patterns.iter().enumerate() {
            phases[k] += 1;
            if phases[k] == p.len() {
                phases[k] = 0;
            }
        }
    }
    End { squares, count, level, error: last }
}

/// Level and patterns from the means of each phase over the first cycles: the shortest season first, longer ones from what
/// is left.
fn first_patterns(filled: &[f64], seasons: &[usize]) -> (f64, Vec<Vec<f64>>) {
    let longest = seasons[seasons.len() - 1];
    let head = &filled[..(2 * longest).min(filled.len())];
    let level = crate::stats::mean(head);
    let mut rest: Vec<f64> = head.iter().map(|y| y - level).collect();
    let mut patterns = Vec::with_capacity(seasons.len());
    for &m in seasons {
        let (mut sum, mut count) = (vec![0.0; m], vec![0.0; m]);
        for (i, r) in rest.iter().enumerate() {
            sum[i % m] += r;
            count[i % m] += 1.0;
        }
        let pattern: Vec<f64> =
            sum.iter().zip(&count).map(|(s, c): (&f64, &f64)| s / f64::max(*c, 1.0)).collect();
        rest.iter_mut().enumerate().for_each(|(i, r)| *r -= pattern[i % m]);
        patterns.push(pattern);
    }
    (level, patterns)
}

impl FittedSeasonalSmoothing {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.all(&[self.weights.alpha, self.weights.rho]);
        w.all(&self.weights.gammas);
        w.all(&[self.level, self.error, self.variance]);
        w.u32(self.patterns.len());
        for (pattern, phase) in self.patterns.iter().zip(&self.phases) {
            w.numbers(pattern);
            w.u32(*phase);
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, ModelError> {
        let (alpha, rho) = (r.within("alpha", 0.0, 1.0)?, r.within("rho", -1.0, 1.0)?);
        let mut gammas = [0.0; MAX_SEASONS];
        for gamma in &mut gammas {
            *gamma = r.within("gamma", 0.0, 1.0)?;
        }
        let (level, error, variance) = (r.f64("level")?, r.f64("error")?, r.positive("variance")?);
        let count = r.count(8)?;
        if !(1..=MAX_SEASONS).contains(&count) {
            return Err(ModelError::Field { name: "seasons" });
        }
        let (mut patterns, mut phases) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            let pattern = r.numbers("pattern")?;
            phases.push(r.position("phase", pattern.len())?);
            patterns.push(pattern);
        }
        Ok(Self { weights: Weights { alpha, rho, gammas }, level, error, patterns, phases, variance })
    }
}

impl Fitted for FittedSeasonalSmoothing {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let w = &self.weights;
        // Response of the mean h steps ahead to a unit error now: α + Σγ_k[m_k divides h] + ρ^h.
        let (mut adjust, mut total, mut power) = (self.error, 0.0, 1.0);
        out.write_normal(horizon, levels, |h| {
            adjust *= w.rho;
            let season: f64 =
                self.patterns.iter().zip(&self.phases).map(|(p, phase)| p[(phase + h) % p.len()]).sum();
            let mut response = power;
            if h > 0 {
                response += w.alpha;
                for (k, p) in self.patterns.iter().enumerate() {
                    if h % p.len() == 0 {
                        response += w.gammas[k];
                    }
                }
            }
            power *= w.rho;
            total += response * response;
            (self.level + season + adjust, (self.variance * total).sqrt())
        });
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        let season: f64 = self.patterns.iter().zip(&self.phases).map(|(p, &phase)| p[phase]).sum();
        let error = value - self.level - season;
        if value.is_nan() {
            self.error *= self.weights.rho;
        } else {
            let innovation = error - self.weights.rho * self.error;
            self.level += self.weights.alpha * innovation;
            for (k, p) in self.patterns.iter_mut().enumerate() {
                p[self.phases[k]] += self.weights.gammas[k] * innovation;
            }
            self.error = error;
        }
        for (phase, p) in self.phases.iter_mut().zip(&self.patterns) {
            *phase = (*phase + 1) % p.len();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Vec<f64> {
        let noise = |i: usize| ((i * i * i * 31 + i * i * 17 + 7 * i) % 101) as f64 / 50.0 - 1.0;
        (0..60)
            .map(|i| {
                let week = [3.0, -1.0, 0.0, 2.0, -4.0, 1.0, -1.0][i % 7];
                let shift = [1.0, 0.0, -2.0, 1.0][i % 4];
                20.0 + week + shift + 0.5 * noise(i) + 0.03 * i as f64
            })
            .collect()
    }

    fn close(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} instead of {expected}");
    }

    /// Kalman filter of statsmodels 0.15.0 (`MLEModel`) on the same model in state-space form with one source of error and
    /// known first state: sum of squared innovations, one-step forecasts, level and last error; relative tolerance 1e-9.
    #[test]
    fn states_and_one_step_likelihood_equal_those_of_a_kalman_filter() {
        let values = series();
        let weights = Weights { alpha: 0.15, rho: 0.4, gammas: [0.2, 0.1, 0.0, 0.0] };
        let first = || vec![vec![0.8, 0.1, -1.5, 0.6], vec![2.5, -0.5, 0.2, 1.5, -3.0, 0.5, -1.2]];
        let mut patterns = first();
        let end = pass(&values, &weights, 19.5, &mut patterns, 0);
        close(end.squares, 23.78913467010379);
        close(end.level, 20.88614198509711);
        close(end.error, 0.02441634113405397);
        // The same states, value by value through `update`.
        let mut fitted = FittedSeasonalSmoothing {
            weights,
            level: 19.5,
            error: 0.0,
            patterns: first(),
            phases: vec![0, 0],
            variance: 1.0,
        };
        for (i, &y) in values.iter().enumerate() {
            let ahead = fitted.predict(1, &[]).unwrap().point[0];
            match i {
                0 => close(ahead, 22.8),
                30 => close(ahead, 18.500312833987003),
                59 => close(ahead, 24.237143486699992),
                _ => {}
            }
            fitted.update(y).unwrap();
        }
        close(fitted.level, end.level);
        for (own, other) in fitted.patterns.iter().flatten().zip(patterns.iter().flatten()) {
            close(*own, *other);
        }
    }

    /// With one season and no memory of the error it is ETS(A,N,A): `ETSModel` of statsmodels 0.15.0; relative 1e-9.
    #[test]
    fn one_season_without_memory_equals_ets() {
        let weights = Weights { alpha: 0.15, rho: 0.0, gammas: [0.2, 0.0, 0.0, 0.0] };
        let mut patterns = vec![vec![0.8, 0.1, -1.5, 0.6]];
        let end = pass(&series(), &weights, 19.5, &mut patterns, 0);
        close(end.squares, 370.10076742201204);
        close(end.level, 21.38250680364608);
    }
}
