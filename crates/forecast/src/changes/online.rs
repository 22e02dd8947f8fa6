//! Change points as the values come.

use statrs::function::gamma::ln_gamma;

/// Bayesian online change-point detection: the distribution of the time since the last change, updated with every value.
///
/// Values between changes are normal with unknown mean and variance (Normal-Gamma prior, Student's t for the next value); a
/// change comes with probability `1 / expected_length` at each step. Scale of the prior: the first 10 values are only
/// collected, their robust spread sets it. Run lengths of negligible probability are dropped, at most 500 are kept, so that time
/// and memory per value are bounded.
///
/// Adams & MacKay (2007), Bayesian online changepoint detection, arXiv 0710.3742.
///
/// # Example
/// ```
/// use ecosystem_forecast::OnlineChanges;
/// let mut online = OnlineChanges::new(200.0);
/// let changes: Vec<(u32, usize)> = (0..300)
///     .filter_map(|t| {
///         let value = f64::from(t * 7 % 5) + if t < 150 { 0.0 } else { 12.0 };
///         online.push(value).map(|since| (t, since))
///     })
///     .collect();
/// assert_eq!(changes.len(), 1);
/// let (seen, since) = changes[0];
/// assert!(seen < 160 && (u64::from(seen) + 1 - since as u64).abs_diff(150) <= 1);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OnlineChanges {
    hazard: f64,
    first: Vec<f64>,
    runs: Vec<Run>,
    prior: Prior,
    since_report: usize,
    reported: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Prior {
    mean: f64,
    beta: f64,
}

/// A hypothesis: so many values since the last change, with what they say about mean and variance.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Run {
    length: usize,
    probability: f64,
    mean: f64,
    kappa: f64,
    alpha: f64,
    beta: f64,
}

const FIRST: usize = 10;
const MOST_RUNS: usize = 500;
const NEGLIGIBLE: f64 = 1e-8;
/// Probability that the change is real before it is reported, and values that must have come since.
const SURE: f64 = 0.9;
const CONFIRM: usize = 4;

impl OnlineChanges {
    /// `expected_length`: values between changes, at least 2.
    pub fn new(expected_length: f64) -> Self {
        let hazard = 1.0 / if expected_length >= 2.0 { expected_length.min(1e12) } else { 2.0 };
        let (first, runs) = (Vec::new(), Vec::new());
        Self { hazard, first, runs, prior: Prior::default(), since_report: 0, reported: false }
    }

    fn fresh(&self, probability: f64) -> Run {
        // A weak opinion: a tenth of a value about the mean, two values about the variance.
        Run { length: 0, probability, mean: self.prior.mean, kappa: 0.1, alpha: 1.0, beta: self.prior.beta }
    }

    fn start(&mut self) {
        let mut values = std::mem::take(&mut self.first);
        let plain = crate::stats::variance(&values).sqrt();
        let spread = crate::stats::mad_sigma(&mut values.clone()).max(0.3 * plain);
        let mean = crate::stats::median_in_place(&mut values);
        let unit = spread.max(1e-9 * mean.abs()).max(1e-12);
        self.prior = Prior { mean, beta: unit * unit };
        self.runs = vec![self.fresh(1.0)];
    }

    /// Takes in a value; `Some(n)` when a change is sure by now, the newest `n` values being those after it. A change is
    /// reported once. Values that are not finite are skipped.
    pub fn push(&mut self, value: f64) -> Option<usize> {
        if value.is_nan() || value.abs() > crate::error::MAX_MAGNITUDE {
            return None;
        }
        if self.runs.is_empty() {
            self.first.push(value);
            if self.first.len() < FIRST {
                return None;
            }
            let first = self.first.clone();
            self.start();
            first.iter().for_each(|v| self.update(*v));
            self.since_report = FIRST;
            return None;
        }
        self.update(value);
        self.since_report += 1;
        self.verdict()
    }

    fn update(&mut self, value: f64) {
        let mut next = Vec::with_capacity(self.runs.len() + 1);
        let mut changed = 0.0;
        for run in &self.runs {
            let weight = run.probability * run.density(value);
            changed += weight * self.hazard;
            next.push(Run { probability: weight * (1.0 - self.hazard), ..run.with(value) });
        }
        next.push(self.fresh(changed));
        let total: f64 = next.iter().map(|r| r.probability).sum();
        if total > 0.0 && total.is_finite() {
            next.iter_mut().for_each(|r| r.probability /= total);
        } else {
            // So unlikely under every hypothesis that the densities vanish: start again from here.
            next = vec![self.fresh(1.0)];
        }
        next.retain(|r| r.probability > NEGLIGIBLE);
        if next.len() > MOST_RUNS {
            // The oldest hypotheses differ least from each other.
            next.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.length.cmp(&b.length)));
            next.truncate(MOST_RUNS);
            next.sort_by_key(|r| std::cmp::Reverse(r.length));
        }
        self.runs = next;
    }

    fn verdict(&mut self) -> Option<usize> {
        let recent: f64 =
            self.runs.iter().filter(|r| r.length < self.since_report).map(|r| r.probability).sum();
        let best = self.runs.iter().fold(None, |best: Option<&Run>, r| match best {
            Some(b) if b.probability >= r.probability => Some(b),
            _ => Some(r),
        })?;
        if recent < SURE || best.length >= self.since_report || best.length < CONFIRM {
            return None;
        }
        self.since_report = best.length;
        self.reported = true;
        Some(best.length)
    }

    /// Most probable number of values since the last change.
    pub fn run_length(&self) -> usize {
        self.runs
            .iter()
            .fold((0, 0.0), |best, r| if r.probability > best.1 { (r.length, r.probability) } else { best })
            .0
    }

    /// Hypotheses that are kept now, at most 501.
    pub fn hypotheses(&self) -> usize {
        self.runs.len()
    }
}

impl Run {
    /// Density of the next value: Student's t.
    fn density(&self, value: f64) -> f64 {
        let freedom = 2.0 * self.alpha;
        let scale2 = self.beta * (self.kappa + 1.0) / (self.alpha * self.kappa);
        let d = value - self.mean;
        let log = ln_gamma(f64::midpoint(freedom, 1.0))
            - ln_gamma(freedom / 2.0)
            - 0.5 * (freedom * std::f64::consts::PI * scale2).ln()
            - f64::midpoint(freedom, 1.0) * (d * d / (freedom * scale2)).ln_1p();
        log.exp()
    }

    fn with(&self, value: f64) -> Self {
        let d = value - self.mean;
        Self {
            length: self.length + 1,
            probability: self.probability,
            mean: (self.kappa * self.mean + value) / (self.kappa + 1.0),
            kappa: self.kappa + 1.0,
            alpha: self.alpha + 0.5,
            beta: self.beta + self.kappa * d * d / (2.0 * (self.kappa + 1.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn changes_are_reported_once_and_noise_is_not() {
        let mut rng = Pcg::new(1);
        let mut online = OnlineChanges::new(500.0);
        let mut seen = Vec::new();
        for t in 0..1500_usize {
            let level = if t < 500 {
                0.0
            } else if t < 1000 {
                5.0
            } else {
                -2.0
            };
            if let Some(n) = online.push(level + rng.normal()) {
                seen.push(t + 1 - n);
            }
            assert!(online.hypotheses() <= 501);
        }
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen[0].abs_diff(500) <= 3 && seen[1].abs_diff(1000) <= 3, "{seen:?}");
    }

    #[test]
    fn strange_values_neither_stop_nor_break_it() {
        let mut online = OnlineChanges::new(f64::NAN);
        for v in [f64::NAN, f64::INFINITY, 1e99, -1e99, 0.0, 1e99] {
            for _ in 0..20 {
                online.push(v);
            }
        }
        assert!(online.run_length() <= 120);
    }
}
