//! Forecasts of fitted models: exact variances where theory has them, seeded simulation elsewhere.

use super::{EtsError, EtsSeason, EtsState, EtsTrend, FittedEts, fit};
use crate::{
    error::{PredictError, UpdateError, check_update},
    forecast::{Forecast, Interval, check_request},
    model::Fitted,
    rng::Pcg,
    stats::quantile_sorted,
};

/// Paths of a simulation: the 2.5 % quantile then rests on 25 of them.
const PATHS: usize = 1000;
/// Beyond this many steps the quadratic recursion of multiplicative errors would be slow.
const QUADRATIC_STEPS: usize = 4096;

impl Fitted for FittedEts {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        let mut means = self.means();
        if levels.is_empty() {
            out.write_normal(horizon, levels, |h| (means(h), 0.0));
            return Ok(());
        }
        let linear = self.spec.season != EtsSeason::Multiplicative
            && !matches!(self.spec.trend, EtsTrend::Multiplicative | EtsTrend::MultiplicativeDamped);
        match self.spec.error {
            EtsError::Additive if linear => {
                let mut variance = 0.0;
                out.write_normal(horizon, levels, |h| {
                    let c = if h == 0 { 1.0 } else { self.response(h) };
                    variance += c * c;
                    (means(h), (variance * self.variance).sqrt())
                });
            }
            EtsError::Multiplicative if linear && horizon <= QUADRATIC_STEPS => {
                let point: Vec<f64> = (0..horizon).map(means).collect();
                let sigma = self.relative_sigma(&point);
                out.write_normal(horizon, levels, |h| (point[h], sigma[h]));
            }
            _ => {
                out.write_points(levels, |out| {
                    out.point.clear();
                    out.point.extend((0..horizon).map(means));
                    Ok(())
                })?;
                self.simulate(&mut out.intervals, horizon);
            }
        }
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        if self.spec.needs_positive() && value <= 0.0 {
            return Err(UpdateError::NotPositive { value });
        }
        fit::advance(self, value);
        Ok(())
    }
}

impl FittedEts {
    /// One-step mean and standard deviation, without allocation.
    pub fn next(&self) -> (f64, f64) {
        let mean = self.combine(self.state.level, self.growth(1), 0);
        let sigma = self.variance.sqrt();
        (mean, if self.spec.error == EtsError::Additive { sigma } else { sigma * mean.abs() })
    }

    /// Means of the coming steps, to be asked for in order.
    pub(super) fn means(&self) -> impl FnMut(usize) -> f64 {
        let (mut damping, mut power) = (0.0, 1.0);
        move |h| {
            power *= self.weights.phi;
            damping += power;
            let growth = match self.spec.trend {
                EtsTrend::None => 0.0,
                EtsTrend::Additive | EtsTrend::AdditiveDamped => damping * self.state.trend,
                EtsTrend::Multiplicative | EtsTrend::MultiplicativeDamped => self.state.trend.powf(damping),
            };
            self.combine(self.state.level, growth, h)
        }
    }

    fn growth(&self, steps: usize) -> f64 {
        let damping = phi_sum(self.weights.phi, steps);
        match self.spec.trend {
            EtsTrend::None => 0.0,
            EtsTrend::Additive | EtsTrend::AdditiveDamped => damping * self.state.trend,
            EtsTrend::Multiplicative | EtsTrend::MultiplicativeDamped => self.state.trend.powf(damping),
        }
    }

    fn combine(&self, level: f64, growth: f64, ahead: usize) -> f64 {
        let base = match self.spec.trend {
            EtsTrend::None => level,
            EtsTrend::Additive | EtsTrend::AdditiveDamped => level + growth,
            EtsTrend::Multiplicative | EtsTrend::MultiplicativeDamped => {
                (level * growth).clamp(-1e300, 1e300)
            }
        };
        let season = &self.state.season;
        match self.spec.season {
            EtsSeason::None => base,
            EtsSeason::Additive => base + season[(self.next + ahead) % season.len()],
            EtsSeason::Multiplicative => base * season[(self.next + ahead) % season.len()],
        }
    }

    /// Response of the mean `j` steps ahead to a unit error now: `α + β(φ+…+φ^j) + γ·[m divides j]`.
    fn response(&self, j: usize) -> f64 {
        let w = &self.weights;
        let trend = if self.spec.trend == EtsTrend::None { 0.0 } else { w.beta * phi_sum(w.phi, j) };
        let season = if self.spec.season != EtsSeason::None && j.is_multiple_of(self.spec.period) {
            w.gamma
        } else {
            0.0
        };
        w.alpha + trend + season
    }

    /// Class 2 of Hyndman et al. (2008), section 6.3: multiplicative error, everything else additive.
    fn relative_sigma(&self, point: &[f64]) -> Vec<f64> {
        let response: Vec<f64> = (0..point.len()).map(|j| self.response(j).powi(2)).collect();
        let mut theta: Vec<f64> = Vec::with_capacity(point.len());
        for h in 0..point.len() {
            let past: f64 = (1..=h).map(|j| response[j] * theta[h - j]).sum();
            theta.push(point[h] * point[h] + self.variance * past);
        }
        point
            .iter()
            .zip(&theta)
            .map(|(p, t)| ((1.0 + self.variance) * t - p * p).clamp(0.0, 1e200).sqrt())
            .collect()
    }

    /// Quantiles of simulated paths; the generator is seeded by a constant, so equal models give equal numbers.
    fn simulate(&self, bands: &mut [Interval], horizon: usize) {
        let mut rng = Pcg::new(0x9e37_79b9_7f4a_7c15);
        let paths = if horizon > 2000 { PATHS / 5 } else { PATHS };
        let mut at = vec![Vec::with_capacity(paths); horizon];
        let sigma = self.variance.sqrt();
        let mut walker = self.clone();
        for _ in 0..paths {
            walker.state.clone_from(&self.state);
            walker.next = self.next;
            for slot in &mut at {
                let mean = walker.combine(walker.state.level, walker.growth(1), 0);
                let noise = sigma * rng.normal();
                let y = match self.spec.error {
                    EtsError::Additive => mean + noise,
                    EtsError::Multiplicative => mean * (1.0 + noise.max(-0.999)),
                };
                let y = y.clamp(-1e150, 1e150);
                slot.push(y);
                fit::advance(&mut walker, y);
                sane(&mut walker.state);
            }
        }
        at.iter_mut().for_each(|v| v.sort_unstable_by(f64::total_cmp));
        for band in bands {
            let half = band.level / 2.0;
            for (h, paths) in at.iter().enumerate() {
                band.lower[h] = quantile_sorted(paths, 0.5 - half);
                band.upper[h] = quantile_sorted(paths, 0.5 + half);
            }
        }
    }
}

/// Keeps an exploding simulated path finite.
fn sane(state: &mut EtsState) {
    state.level = state.level.clamp(-1e150, 1e150);
    state.trend = state.trend.clamp(-1e150, 1e150);
}

/// `φ + φ² + … + φ^steps`
fn phi_sum(phi: f64, steps: usize) -> f64 {
    let n = steps as f64;
    if (phi - 1.0).abs() < 1e-12 { n } else { phi * (1.0 - phi.powf(n)) / (1.0 - phi) }
}
