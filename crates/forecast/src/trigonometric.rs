//! Trigonometric exponential smoothing for several, long or fractional seasons (the TBATS family).
//!
//! # Model
//! `ŷ = l + φb + Σ s_j`, each season a sum of rotating pairs: `s_j ← s_j·cos λ + s*_j·sin λ + γ₁e`,
//! `s*_j ← -s_j·sin λ + s*_j·cos λ + γ₂e`, `λ = 2πj/m`; `l ← l + φb + αe`, `b ← φb + βe`, and the error is
//! an ARMA process, `e[t] = Σ ρ_k·e[t-k] + ε[t] + Σ θ_k·ε[t-k]`, of order (1, 0) unless told otherwise. Start values by least
//! squares on line and harmonics, weights by maximum likelihood: Nelder–Mead on all but the further ARMA terms, then L-BFGS on
//! everything. Box–Cox: wrap it in [`Transformed`](crate::Transformed). Unlike TBATS, the number of harmonics follows from the
//! share of variance they explain. [`Trigonometric::with_automatic_errors`] walks from no error process to larger and smaller
//! orders as long as the AICc falls.
//!
//! De Livera, Hyndman & Snyder (2011), Forecasting time series with complex seasonal patterns using exponential smoothing, JASA 106.

use crate::{
    error::{FitError, PredictError, UpdateError, check_update, check_values},
    forecast::{Forecast, check_request},
    gaps::fill_gaps,
    linear::solve_ridge,
    minimize::{BoxBounds, Lbfgs, Minimizer, nelder_mead},
    model::{Fitted, Forecaster},
};

/// Settings: seasons in steps, also fractional (365.25/7 weeks a year), at most three.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Fitted, Forecaster, Trigonometric};
/// let wave = |t: f64| 10.0 + 3.0 * (t / 12.5 * std::f64::consts::TAU).sin();
/// let values: Vec<f64> = (0..150).map(|t| wave(f64::from(t))).collect();
/// let next = Trigonometric::new(&[12.5]).fit(&values)?.predict(10, &[0.95])?;
/// assert!((next.point[9] - wave(159.0)).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Trigonometric {
    /// Seasons in steps.
    pub periods: Vec<f64>,
    /// Most harmonics per season (default 8).
    pub harmonics: usize,
    /// Whether there is a damped trend (default true).
    pub trend: bool,
    /// Autoregressive terms of the error, at most 2 (default 1).
    pub ar: usize,
    /// Moving-average terms of the error, at most 2 (default 0).
    pub ma: usize,
    /// Whether `ar` and `ma` are searched instead (default false).
    pub automatic: bool,
}

/// A fitted [`Trigonometric`] model.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedTrigonometric {
    weights: Weights,
    state: State,
    variance: f64,
    order: (usize, usize),
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unbounded"))]
    aicc: f64,
}

/// Most terms of each kind in the error process.
const MOST: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Weights {
    alpha: f64,
    beta: f64,
    phi: f64,
    ar: [f64; MOST],
    ma: [f64; MOST],
    gammas: [(f64, f64); 3],
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct State {
    level: f64,
    trend: f64,
    errors: [f64; MOST],      // newest first
    innovations: [f64; MOST], // newest first
    waves: Vec<Wave>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Wave {
    season: usize,
    cos: f64,
    sin: f64,
    s: f64,
    conjugate: f64,
}

impl Trigonometric {
    /// Up to eight harmonics per season and a damped trend.
    pub fn new(periods: &[f64]) -> Self {
        Self { periods: periods.to_vec(), harmonics: 8, trend: true, ar: 1, ma: 0, automatic: false }
    }

    /// An ARMA(`ar`, `ma`) error process, at most 2 terms each.
    #[must_use]
    pub const fn with_errors(mut self, ar: usize, ma: usize) -> Self {
        (self.ar, self.ma, self.automatic) = (ar, ma, false);
        self
    }

    /// The order of the error process of the smallest AICc: stepwise from (0, 0), in at most nine fits.
    #[must_use]
    pub const fn with_automatic_errors(mut self) -> Self {
        self.automatic = true;
        self
    }

    /// Moves to the best neighbour as long as one is better.
    fn search(&self, values: &[f64]) -> Result<FittedTrigonometric, FitError> {
        let fit = |(ar, ma): (usize, usize)| self.clone().with_errors(ar, ma).fit(values);
        let mut best = fit((0, 0))?;
        let mut tried = vec![(0, 0)];
        loop {
            let (p, q) = best.order;
            let around =
                [(p + 1, q), (p, q + 1), (p + 1, q + 1), (p.wrapping_sub(1), q), (p, q.wrapping_sub(1))];
            let mut better = None;
            for order in around.into_iter().filter(|o| o.0 <= MOST && o.1 <= MOST) {
                if tried.contains(&order) {
                    continue;
                }
                tried.push(order);
                let Ok(fitted) = fit(order) else { continue };
                let bar = better.as_ref().map_or(best.aicc, |b: &FittedTrigonometric| b.aicc);
                if fitted.aicc < bar {
                    better = Some(fitted);
                }
            }
            match better {
                Some(fitted) => best = fitted,
                None => return Ok(best),
            }
        }
    }

    fn check(&self) -> Result<(), FitError> {
        if self.periods.len() > 3 {
            return Err(FitError::Setting {
                name: "periods",
                value: self.periods.len() as f64,
                expected: "at most 3 seasons",
            });
        }
        if let Some(&bad) = self.periods.iter().find(|p| !(**p >= 2.0 && p.is_finite())) {
            return Err(FitError::Setting { name: "periods", value: bad, expected: "at least 2 steps" });
        }
        for (name, terms) in [("ar", self.ar), ("ma", self.ma)] {
            if terms > MOST {
                return Err(FitError::Setting { name, value: terms as f64, expected: "at most 2 terms" });
            }
        }
        Ok(())
    }

    /// Level, line and waves by least squares; harmonics that explain less than 0.1 % of the variance are dropped.
    fn start(&self, filled: &[f64]) -> State {
        let n = filled.len();
        let mut angles: Vec<(usize, f64)> = Vec::new();
        for (season, &period) in self.periods.iter().enumerate() {
            let most = self.harmonics.min(crate::stats::floor_usize((period / 2.0 - 1e-9).max(1.0)));
            for k in 1..=most.max(1) {
                let lambda = std::f64::consts::TAU * k as f64 / period;
                if !angles.iter().any(|(_, a): &(usize, f64)| (a - lambda).abs() < 1e-6) {
                    angles.push((season, lambda));
                }
            }
        }
        let mut columns = vec![vec![1.0; n], (0..n).map(|t| t as f64 / n as f64).collect()];
        for &(_, lambda) in &angles {
            columns.push((0..n).map(|t| (lambda * t as f64).cos()).collect());
            columns.push((0..n).map(|t| (lambda * t as f64).sin()).collect());
        }
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let beta = solve_ridge(&views, filled, 1e-6);
        let total = crate::stats::variance(filled);
        let waves = angles
            .iter()
            .enumerate()
            .map(|(i, &(season, lambda))| (beta[2 + 2 * i], beta[3 + 2 * i], season, lambda))
            .filter(|(a, b, ..)| f64::midpoint(a * a, b * b) > 1e-3 * total)
            .map(|(a, b, season, lambda)| Wave {
                season,
                cos: lambda.cos(),
                sin: lambda.sin(),
                s: a,
                conjugate: b,
            })
            .collect();
        State {
            level: beta[0],
            trend: if self.trend { beta[1] / n as f64 } else { 0.0 },
            errors: [0.0; MOST],
            innovations: [0.0; MOST],
            waves,
        }
    }
}

impl State {
    fn mean(&self, w: &Weights) -> f64 {
        self.level + w.phi * self.trend + self.waves.iter().map(|v| v.s).sum::<f64>() + self.carried(w)
    }

    /// What the past of the error process says about the next error.
    fn carried(&self, w: &Weights) -> f64 {
        (0..MOST).map(|k| w.ar[k] * self.errors[k] + w.ma[k] * self.innovations[k]).sum()
    }

    /// Moves over one observation; returns the innovation (0 when missing).
    fn step(&mut self, value: f64, w: &Weights) -> f64 {
        let carried = self.carried(w);
        let innovation = if value.is_nan() { 0.0 } else { value - self.mean(w) };
        let e = carried + innovation;
        self.errors = [e, self.errors[0]];
        self.innovations = [innovation, self.innovations[0]];
        let damped = w.phi * self.trend;
        self.level += damped + w.alpha * e;
        self.trend = damped + w.beta * e;
        for wave in &mut self.waves {
            let (g1, g2) = w.gammas[wave.season];
            let (s, c) = (wave.s, wave.conjugate);
            wave.s = s * wave.cos + c * wave.sin + g1 * e;
            wave.conjugate = c * wave.cos - s * wave.sin + g2 * e;
        }
        innovation
    }
}

/// Corrected Akaike criterion of least squares with so many free parameters, up to a constant.
fn aicc(squares: f64, found: usize, free: usize) -> f64 {
    let (n, free) = (found as f64, free as f64);
    let correction = n - free - 1.0;
    if correction > 0.0 {
        n * (squares / n).max(f64::MIN_POSITIVE).ln() + 2.0 * free + 2.0 * free * (free + 1.0) / correction
    } else {
        f64::INFINITY
    }
}

/// Iterations of L-BFGS.
const POLISH: u64 = 20;

fn log_of(squares: f64) -> f64 {
    if squares.is_finite() { squares.max(f64::MIN_POSITIVE).ln() } else { f64::INFINITY }
}

/// Coefficients of a stable polynomial from the inverse hyperbolic tangents of its partial autocorrelations
/// (Barndorff-Nielsen & Schou 1973).
fn from_partial(first: f64, second: f64) -> [f64; MOST] {
    let (a, b) = (0.99 * first.tanh(), 0.99 * second.tanh());
    [a * (1.0 - b), b]
}

impl Forecaster for Trigonometric {
    type Fitted = FittedTrigonometric;

    fn fit(&self, values: &[f64]) -> Result<FittedTrigonometric, FitError> {
        self.check()?;
        if self.automatic {
            return self.search(values);
        }
        let found = check_values(values, 2 * self.periods.len() * self.harmonics.min(8) + 8)?;
        let start = self.start(&fill_gaps(values, &[]));
        let seasons = self.periods.len();
        let weights = |x: &[f64]| Weights {
            alpha: x[0],
            beta: if self.trend { x[2] * x[0] } else { 0.0 },
            phi: if self.trend { x[3] } else { 0.0 },
            gammas: [(x[4], x[5]), (x[6], x[7]), (x[8], x[9])],
            ar: [if self.ar > 0 { x[1] } else { 0.0 }, if self.ar > 1 { x[10] } else { 0.0 }],
            ma: [if self.ma > 0 { x[11] } else { 0.0 }, if self.ma > 1 { x[12] } else { 0.0 }],
        };
        let run = |w: &Weights| {
            let mut state = start.clone();
            let squares: f64 = values.iter().map(|&y| state.step(y, w).powi(2)).sum();
            (squares, state)
        };
        let bounds = BoxBounds {
            lower: [0.0, -0.5, 0.0, 0.8, -0.3, -0.3, -0.3, -0.3, -0.3, -0.3],
            upper: [1.2, 0.98, 0.5, 1.0, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3],
            step: [0.1, 0.2, 0.05, -0.05, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01],
            evaluations: 250,
            tolerance: 1e-7,
        };
        let origin = [0.1, 0.0, 0.02, 0.98, 0.002, 0.002, 0.002, 0.002, 0.002, 0.002];
        let (best, _) = nelder_mead::<10, 11>(origin, 4 + 2 * seasons, &bounds, |x| {
            let mut all = [0.0; 13];
            all[..10].copy_from_slice(x);
            log_of(run(&weights(&all)).0)
        });
        let weights = if self.ar > 1 || self.ma > 0 {
            // All weights together, in coordinates without bounds.
            let free = 4 + 2 * seasons;
            let inner = |z: &[f64]| {
                let mut all = [0.0; 13];
                for k in 0..free {
                    all[k] = bounds.lower[k] + (bounds.upper[k] - bounds.lower[k]) / (1.0 + (-z[k]).exp());
                }
                let [a, b] = from_partial(z[free], if self.ar > 1 { z[free + 1] } else { 0.0 });
                let [c, d] = from_partial(z[free + 2], if self.ma > 1 { z[free + 3] } else { 0.0 });
                (all[1], all[10], all[11], all[12]) = (a, b, -c, -d);
                weights(&all)
            };
            let mut start: Vec<f64> = (0..free)
                .map(|k| {
                    let share = (best[k] - bounds.lower[k]) / (bounds.upper[k] - bounds.lower[k]);
                    let share = share.clamp(0.01, 0.99);
                    (share / (1.0 - share)).ln()
                })
                .collect();
            start.extend([best[1].clamp(-0.95, 0.95).atanh(), 0.0, 0.0, 0.0]);
            let polish = Lbfgs { iterations: POLISH, ..Lbfgs::default() };
            inner(&polish.minimize(&|z: &[f64]| log_of(run(&inner(z)).0), &start).0)
        } else {
            let mut all = [0.0; 13];
            all[..10].copy_from_slice(&best);
            weights(&all)
        };
        let (squares, state) = run(&weights);
        let used = 3 + self.ar + self.ma + 2 * seasons + 2 * state.waves.len();
        Ok(FittedTrigonometric {
            weights,
            state,
            variance: squares / found.saturating_sub(used).max(1) as f64,
            order: (self.ar, self.ma),
            aicc: aicc(squares, found, used + 1),
        })
    }
}

impl FittedTrigonometric {
    /// Autoregressive and moving-average terms of the error process.
    pub const fn error_order(&self) -> (usize, usize) {
        self.order
    }

    /// Corrected Akaike criterion up to a constant; comparable on the same data only.
    pub const fn aicc(&self) -> f64 {
        self.aicc
    }
}

impl Fitted for FittedTrigonometric {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let w = &self.weights;
        // The response to a unit innovation obeys the same recursion from zero states.
        let mut echo = State {
            level: 0.0,
            trend: 0.0,
            errors: [0.0; MOST],
            innovations: [0.0; MOST],
            waves: self.state.waves.clone(),
        };
        echo.waves.iter_mut().for_each(|v| (v.s, v.conjugate) = (0.0, 0.0));
        let mut state = self.state.clone();
        let mut total = 0.0;
        out.write_normal(horizon, levels, |h| {
            let mean = state.mean(w);
            state.step(f64::NAN, w);
            let response = if h == 0 { 1.0 } else { echo.mean(w) };
            echo.step(if h == 0 { 1.0 } else { f64::NAN }, w);
            total += response * response;
            (mean, (self.variance * total).min(1e200).sqrt())
        });
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        self.state.step(value, &self.weights);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn arma_errors_are_found_and_shorten_the_intervals() {
        let mut rng = Pcg::new(11);
        let (mut e, mut before) = ([0.0; 2], 0.0);
        let values: Vec<f64> = (0..600)
            .map(|t| {
                let shock = rng.normal();
                let error = 1.2 * e[0] - 0.5 * e[1] + shock + 0.5 * before;
                (e, before) = ([error, e[0]], shock);
                50.0 + 8.0 * (f64::from(t) / 24.0 * std::f64::consts::TAU).sin() + error
            })
            .collect();
        let plain = Trigonometric::new(&[24.0]).fit(&values).unwrap();
        let arma = Trigonometric::new(&[24.0]).with_errors(2, 1).fit(&values).unwrap();
        assert!(arma.variance < 0.9 * plain.variance, "{} {}", arma.variance, plain.variance);
        assert!((0.8..1.25).contains(&arma.variance), "{}", arma.variance);
        assert!(Trigonometric::new(&[24.0]).with_errors(3, 0).fit(&values).is_err());
        let found = Trigonometric::new(&[24.0]).with_automatic_errors().fit(&values).unwrap();
        assert!(found.aicc <= arma.aicc && found.aicc < plain.aicc && found.order.0 > 0, "{:?}", found.order);
    }

    #[test]
    fn white_errors_get_no_process() {
        let mut rng = Pcg::new(12);
        let values: Vec<f64> = (0..300)
            .map(|t| 50.0 + 8.0 * (f64::from(t) / 24.0 * std::f64::consts::TAU).sin() + rng.normal())
            .collect();
        let found = Trigonometric::new(&[24.0]).with_automatic_errors().fit(&values).unwrap();
        assert!(found.order.0 + found.order.1 <= 1, "{:?}", found.order);
    }

    /// Values 0, 40 and 79 one step ahead and the sum of squared innovations by `tbats.calcTBATSFaster` of statsforecast 2.1.1
    /// with matrices from the same weights and first state; relative tolerance 1e-9. The likelihood follows from the sum.
    #[test]
    fn states_and_one_step_likelihoods_equal_those_of_tbats() {
        let noise = |i: i32| f64::from((i * i * i * 31 + i * i * 17 + 7 * i) % 101) / 50.0 - 1.0;
        let tau = std::f64::consts::TAU;
        let values: Vec<f64> = (0..80)
            .map(|i| {
                let t = f64::from(i);
                let first = 8.0 * (tau * t / 12.5).sin() + 3.0 * (2.0 * tau * t / 12.5).cos();
                50.0 + first + 2.0 * (tau * t / 7.0).sin() + 1.5 * noise(i)
            })
            .collect();
        let wave = |season: usize, lambda: f64, s: f64, conjugate: f64| Wave {
            season,
            cos: lambda.cos(),
            sin: lambda.sin(),
            s,
            conjugate,
        };
        let cases = [
            ([0.0, 0.0], [0.0, 0.0], [54.348717780226224, 55.87238327207211, 116.24946867180964]),
            ([0.5, 0.0], [0.0, 0.0], [54.13773870627503, 55.504449791932906, 113.88121517122767]),
            ([0.6, -0.2], [0.3, 0.0], [53.982844939195985, 55.70829193988499, 143.38225436468161]),
            ([0.4, 0.0], [0.25, 0.1], [53.97505799562872, 55.46697402242343, 119.85483359058597]),
        ];
        for (ar, ma, [middle, last, sum]) in cases {
            let gammas = [(0.02, -0.01), (0.015, 0.03), (0.0, 0.0)];
            let weights = Weights { alpha: 0.12, beta: 0.03, phi: 0.95, ar, ma, gammas };
            let mut state = State {
                level: 49.0,
                trend: 0.1,
                errors: [0.0; MOST],
                innovations: [0.0; MOST],
                waves: vec![
                    wave(0, tau / 12.5, 0.5, 7.5),
                    wave(0, 2.0 * tau / 12.5, 2.5, 0.2),
                    wave(1, tau / 7.0, 0.3, 1.8),
                ],
            };
            let (mut ahead, mut squares) = (Vec::new(), 0.0);
            for &y in &values {
                ahead.push(state.mean(&weights));
                squares += state.step(y, &weights).powi(2);
            }
            let close = |found: f64, expected: f64| {
                assert!((found / expected - 1.0).abs() < 1e-9, "{found} instead of {expected}");
            };
            close(ahead[0], 52.395);
            close(ahead[40], middle);
            close(ahead[79], last);
            close(squares, sum);
            close(state.level, 49.99835695372688);
            close(state.trend, -0.021029767336769);
            close(state.waves[0].s, 4.46595675858973);
        }
    }
}
