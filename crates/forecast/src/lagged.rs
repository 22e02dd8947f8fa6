//! Linear regression on lagged values and their averages, shrunk towards the seasonal naive forecast.
//!
//! # Model
//! `y[t] = c + Σ_j β_j·x_j[t]`, where a regressor is a lagged value (`1, 2, 3`, multiples of the shortest season up to one
//! longest season, their neighbours) or, with [`averages`](LagRegression::averages), a mean of lagged values: of the last
//! half hour to day (in shares of the season), of the same time of earlier cycles with some steps around it, and of the same
//! time over all remembered cycles. The coefficients minimise `Σ ρ(e) + λ·Σ_j v_j·(β_j - β⁰_j)²` where `β⁰` is 1 for the
//! longest season and 0 elsewhere and `v_j` the sum of squares of the regressor, so with little data the model falls back
//! to the seasonal naive forecast. `ρ` is the square, or the absolute value for [`robust`](LagRegression::robust) fits
//! (iteratively reweighted). Forecasts are recursive and stay within half a range of the data.
//!
//! Cost: O(n·p²) for p regressors (15 to 45), four times that when robust. An update costs O(p).
//!
//! # References
//! Hoerl & Kennard (1970), Ridge regression, Technometrics 12. Schlossmacher (1973), An iterative technique for absolute
//! deviations curve fitting, JASA 68. Corsi (2009), A simple approximate long-memory model (averages over several spans).

use crate::{
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    gaps::fill_gaps,
    linear::{dot, solve_ridge, solve_ridge_weighted},
    model::{Fitted, Forecaster},
    stats::median_in_place,
};

/// Settings.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Fitted, Forecaster, LagRegression};
/// let load: Vec<f64> = (0..200).map(|h| 10.0 + f64::from(h % 12)).collect();
/// let next = LagRegression::new(&[12]).fit(&load)?.predict(3, &[])?;
/// assert!((next.point[0] - 18.0).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LagRegression {
    /// Seasons in steps.
    pub seasons: Vec<usize>,
    /// Strength of the shrinkage relative to the data (default 0.01).
    pub ridge: f64,
    /// Also regress on means of lagged values (default false).
    pub averages: bool,
    /// Least absolute deviations instead of least squares (default false): forecasts the median, ignores outliers.
    pub robust: bool,
}

impl LagRegression {
    /// Plain lags, least squares, default strength.
    pub fn new(seasons: &[usize]) -> Self {
        Self { seasons: seasons.to_vec(), ridge: 0.01, averages: false, robust: false }
    }

    /// Another strength, at least 0.
    #[must_use]
    pub const fn with_ridge(mut self, ridge: f64) -> Self {
        self.ridge = ridge;
        self
    }

    /// Regresses on means too.
    #[must_use]
    pub const fn with_averages(mut self) -> Self {
        self.averages = true;
        self
    }

    /// Least absolute deviations.
    #[must_use]
    pub const fn with_robust(mut self) -> Self {
        self.robust = true;
        self
    }

    /// Regressors that leave at least half of the data as rows.
    fn terms(&self, len: usize) -> Vec<Term> {
        let mut lags = vec![1, 2, 3];
        let mut seasons: Vec<usize> =
            self.seasons.iter().copied().filter(|&m| m >= 2 && 3 * m <= len).collect();
        seasons.sort_unstable();
        if let (Some(&first), Some(&last)) = (seasons.first(), seasons.last()) {
            lags.extend([first - 1, first, first + 1, 2 * first]);
            lags.extend((1..=(last / first).min(8)).map(|k| k * first));
            lags.extend(seasons.iter().flat_map(|&m| [m - 1, m, m + 1]));
        }
        lags.retain(|&l| l >= 1 && 2 * l < len);
        lags.sort_unstable();
        lags.dedup();
        let mut terms: Vec<Term> = lags.into_iter().map(Term::lag).collect();
        if let (true, Some(&first)) = (self.averages, seasons.first()) {
            let (near, wide) = ((first / 48).max(1), (first / 16).max(2));
            let cycles = (len / (2 * first)).clamp(1, 7);
            for half in [near, first / 8, first / 2] {
                terms.push(Term { lag: half + 1, half, cycles: 1, stride: 0 });
            }
            for k in 1..=cycles {
                terms.push(Term { lag: k * first, half: near, cycles: 1, stride: 0 });
            }
            for half in [0, near, wide] {
                terms.push(Term { lag: first, half, cycles, stride: first });
            }
            if let Some(&last) = seasons.last().filter(|&&m| m > first) {
                terms.push(Term { lag: last, half: near, cycles: 1, stride: 0 });
            }
            terms.retain(|t| t.lag > t.half && 2 * t.reach() <= len + 2 * t.half);
        }
        terms
    }
}

/// Mean of the values `lag + k·stride ± half` steps ago, `k < cycles`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Term {
    lag: usize,
    half: usize,
    cycles: usize,
    stride: usize,
}

impl Term {
    const fn lag(lag: usize) -> Self {
        Self { lag, half: 0, cycles: 1, stride: 0 }
    }

    /// Steps back that the regressor looks at most.
    const fn reach(&self) -> usize {
        self.lag + self.half + (self.cycles - 1) * self.stride
    }

    /// The regressor at `t`, from values and their running sums (`sums[i]` = sum of the first `i` values).
    fn at(&self, values: &[f64], sums: &[f64], t: usize) -> f64 {
        if self.half == 0 && self.cycles == 1 {
            return values[t - self.lag];
        }
        let mut total = 0.0;
        for k in 0..self.cycles {
            let center = t - self.lag - k * self.stride;
            total += sums[center + self.half + 1] - sums[center - self.half];
        }
        total / (self.cycles * (2 * self.half + 1)) as f64
    }
}

/// A fitted [`LagRegression`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedLagRegression {
    terms: Vec<Term>,
    coefficients: Vec<f64>,
    mean: f64,
    recent: Vec<f64>, // the last values less `mean`, oldest first; at least `reach`, cut back when twice that
    reach: usize,
    low: f64,
    high: f64,
    variance: f64,
}

impl Forecaster for LagRegression {
    type Fitted = FittedLagRegression;

    fn fit(&self, values: &[f64]) -> Result<FittedLagRegression, FitError> {
        if !(self.ridge >= 0.0 && self.ridge.is_finite()) {
            return Err(FitError::Setting {
                name: "ridge",
                value: self.ridge,
                expected: "a number of at least 0",
            });
        }
        check_values(values, 8)?;
        let filled = fill_gaps(values, &self.seasons);
        let terms = self.terms(filled.len());
        let reach = terms.iter().map(Term::reach).max().unwrap_or(1);
        let mean = crate::stats::mean(&filled);
        let centered: Vec<f64> = filled.iter().map(|y| y - mean).collect();
        let sums = running_sums(&centered);
        let rows = centered.len() - reach;
        let owned: Vec<Vec<f64>> = terms
            .iter()
            .map(|t| {
                if t.half == 0 && t.cycles == 1 {
                    return Vec::new();
                }
                (reach..centered.len()).map(|i| t.at(&centered, &sums, i)).collect()
            })
            .collect();
        let columns: Vec<&[f64]> = terms
            .iter()
            .zip(&owned)
            .map(
                |(t, o)| if o.is_empty() { &centered[reach - t.lag..centered.len() - t.lag] } else { &o[..] },
            )
            .collect();
        let anchor = terms
            .iter()
            .rposition(|t| t.half == 0 && t.cycles == 1 && self.seasons.contains(&t.lag))
            .unwrap_or(0);
        let target: Vec<f64> = (0..rows).map(|r| centered[reach + r] - columns[anchor][r]).collect();
        let mut coefficients = solve_ridge(&columns, &target, self.ridge);
        let mut errors = residuals(&columns, &target, &coefficients);
        if self.robust {
            for _ in 0..3 {
                let weights = absolute_weights(&errors);
                coefficients = solve_ridge_weighted(&columns, &target, &weights, self.ridge);
                errors = residuals(&columns, &target, &coefficients);
            }
        }
        let variance = dot(&errors, &errors) / rows.saturating_sub(terms.len()).max(1) as f64;
        coefficients[anchor] += 1.0;
        let (low, high) =
            centered.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        let range = high - low;
        Ok(FittedLagRegression {
            recent: centered[centered.len() - reach..].to_vec(),
            terms,
            coefficients,
            mean,
            reach,
            low: low - 0.5 * range,
            high: high + 0.5 * range,
            variance,
        })
    }
}

fn running_sums(values: &[f64]) -> Vec<f64> {
    let mut sums = Vec::with_capacity(values.len() + 1);
    let mut total = 0.0;
    sums.push(0.0);
    for v in values {
        total += v;
        sums.push(total);
    }
    sums
}

fn residuals(columns: &[&[f64]], target: &[f64], coefficients: &[f64]) -> Vec<f64> {
    let mut errors = target.to_vec();
    for (column, &b) in columns.iter().zip(coefficients) {
        errors.iter_mut().zip(*column).for_each(|(e, x)| *e -= b * x);
    }
    errors
}

/// Weights `1/|e|`, bounded where the error is small, so that weighted squares are absolute values.
fn absolute_weights(errors: &[f64]) -> Vec<f64> {
    let mut sizes: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
    let typical = median_in_place(&mut sizes).max(f64::MIN_POSITIVE);
    errors.iter().map(|e| typical / e.abs().max(0.2 * typical)).collect()
}

impl FittedLagRegression {
    /// Next value less the mean, from values and running sums.
    fn next_from(&self, path: &[f64], sums: &[f64]) -> f64 {
        let t = path.len();
        let sum: f64 =
            self.terms.iter().zip(&self.coefficients).map(|(term, b)| b * term.at(path, sums, t)).sum();
        sum.clamp(self.low, self.high)
    }

    fn latest(&self) -> &[f64] {
        &self.recent[self.recent.len() - self.reach..]
    }
}

impl Fitted for FittedLagRegression {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let mut path = self.latest().to_vec();
        let mut sums = running_sums(&path);
        path.reserve(horizon);
        sums.reserve(horizon);
        for _ in 0..horizon {
            let next = self.next_from(&path, &sums);
            sums.push(sums[path.len()] + next);
            path.push(next);
        }
        let sigma = if levels.is_empty() { Vec::new() } else { self.spread(horizon) };
        out.write_normal(horizon, levels, |h| {
            (path[self.reach + h] + self.mean, sigma.get(h).copied().unwrap_or(0.0))
        });
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        let next = if value.is_nan() {
            let latest = self.latest();
            self.next_from(latest, &running_sums(latest))
        } else {
            value - self.mean
        };
        self.recent.push(next);
        if self.recent.len() >= 2 * self.reach + 16 {
            self.recent.drain(..self.recent.len() - self.reach);
        }
        Ok(())
    }
}

impl FittedLagRegression {
    /// Standard deviation per step ahead: the recursion's response to a unit error, accumulated.
    fn spread(&self, horizon: usize) -> Vec<f64> {
        let mut path = vec![0.0; self.reach];
        let mut sums = vec![0.0; self.reach + 1];
        let mut total = 0.0;
        (0..horizon)
            .map(|h| {
                let response = if h == 0 {
                    1.0
                } else {
                    let terms = self.terms.iter().zip(&self.coefficients);
                    terms.map(|(t, b)| b * t.at(&path, &sums, path.len())).sum::<f64>().clamp(-10.0, 10.0)
                };
                sums.push(sums[path.len()] + response);
                path.push(response);
                total += response * response;
                (self.variance * total).sqrt()
            })
            .collect()
    }
}
