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
            self.rewind(&mut walker, horizon);
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

    /// Takes a copy that went on by so many steps back to here. A step touches one place of the season, and of a long one most
    /// stay as they are: all of it a thousand times over would be the whole cost of a forecast.
    fn rewind(&self, walker: &mut Self, steps: usize) {
        (walker.state.level, walker.state.trend) = (self.state.level, self.state.trend);
        let period = self.state.season.len();
        for step in 0..steps.min(period) {
            let at = (self.next + step) % period;
            walker.state.season[at] = self.state.season[at];
        }
        walker.next = self.next;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ets::{EtsSpec, EtsWeights};

    fn of(season: EtsSeason, period: usize) -> FittedEts {
        let shape: Vec<f64> = (0..period).map(|i| 1.0 + (i % 7) as f64 / 16.0).collect();
        let state = EtsState { level: 20.0, trend: 1.01, season: shape };
        FittedEts {
            spec: EtsSpec::new(EtsError::Multiplicative, EtsTrend::MultiplicativeDamped, season, period),
            weights: EtsWeights { alpha: 0.3, beta: 0.1, gamma: 0.2, phi: 0.95 },
            initial: state.clone(),
            state,
            next: period.saturating_sub(2),
            variance: 0.01,
            log_likelihood: 0.0,
            aicc: 0.0,
        }
    }

    #[test]
    fn a_rewound_walker_is_where_it_began() {
        for (season, period) in
            [(EtsSeason::None, 0), (EtsSeason::Multiplicative, 3), (EtsSeason::Additive, 10)]
        {
            let fitted = of(season, period);
            for steps in [0_u32, 1, 5, 10, 25] {
                let mut walker = fitted.clone();
                for step in 0..steps {
                    fit::advance(&mut walker, 21.0 + f64::from(step));
                    sane(&mut walker.state);
                }
                assert_eq!(walker == fitted, steps == 0, "a walker that does not move shows nothing");
                fitted.rewind(&mut walker, steps as usize);
                assert_eq!(walker, fitted, "{steps} steps, period {period}");
            }
        }
    }

    /// A season of millions is not copied for every path: what no step has touched is left alone.
    #[test]
    fn places_of_the_season_that_no_step_touched_are_not_written() {
        let fitted = of(EtsSeason::Multiplicative, 10);
        let mut walker = fitted.clone();
        let (touched, other) = (fitted.next..fitted.next + 4, 99.0);
        walker.state.season.fill(other);
        fitted.rewind(&mut walker, 4);
        for (at, value) in walker.state.season.iter().enumerate() {
            let expected = if touched.contains(&at) || touched.contains(&(at + 10)) {
                fitted.state.season[at]
            } else {
                other
            };
            assert_eq!(value.to_bits(), expected.to_bits(), "place {at}");
        }
    }
}
