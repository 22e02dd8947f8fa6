//! Is a model still good?

use super::{Adwin, Drift, DriftDetector, DriftMonitor, FeatureDrift};
use crate::error::FitError;
use std::collections::VecDeque;

/// Why a model has become stale.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ModelDrift {
    /// Its inputs are no longer those that it has learnt from.
    Inputs(Vec<FeatureDrift>),
    /// Its errors have grown: by this factor, in mean absolute size of the newest ones against those of the validation.
    Errors(f64),
    /// It errs to one side: mean of the newest errors, in standard deviations of the validation's.
    Bias(f64),
}

/// Watches a model in use: inputs and errors, each reported once until the model is renewed.
///
/// Inputs are tested by a [`DriftMonitor`]. Errors (truth − prediction), in units of the validation's, go through two [`Adwin`]
/// windows, one for their size and one for their sign; a report also needs an effect: a mean size 1.3 times that of the
/// validation, or a bias of half a standard deviation, over the last 60 errors. Fewer errors than before are no drift.
/// Errors that follow each other (a forecast many steps ahead) make the windows too sure of themselves: feed one of every
/// horizon. Cost and memory: those of the monitor, and O(log n) per error.
///
/// # Example
/// ```
/// use ecosystem_forecast::drift::{ModelDrift, ModelMonitor};
/// let noise = |i: u32| f64::from(i * 7919 % 101) / 50.0 - 1.0;
/// let validation: Vec<f64> = (0..200).map(noise).collect();
/// let mut monitor = ModelMonitor::new(&validation, None)?;
/// let stale: Vec<(u32, ModelDrift)> = (200..2000)
///     .flat_map(|i| {
///         let error = if i < 1000 { noise(i) } else { 3.0 * noise(i) };
///         monitor.push(&[], error).into_iter().map(move |d| (i, d))
///     })
///     .collect();
/// assert!(stale.len() == 1 && (1000..1200).contains(&stale[0].0));
/// assert!(matches!(stale[0].1, ModelDrift::Errors(factor) if factor > 1.3));
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ModelMonitor {
    inputs: Option<DriftMonitor>,
    /// Mean, standard deviation and mean absolute size of the validation's errors.
    usual: (f64, f64, f64),
    size: Adwin,
    sign: Adwin,
    recent: VecDeque<f64>,
    reported: [bool; 3],
    /// A window saw a change and waits for the effect; errors left to wait.
    pending: [u32; 2],
}

/// Probability of a false alarm of either window.
const DELTA: f64 = 0.000_5;
/// Errors that an effect is measured on.
const RECENT: usize = 60;
/// Errors after a change in a window in which the effect may still show.
const WAIT: u32 = 120;
/// Fewest errors of the validation.
const LEAST: usize = 30;
/// Least growth of the size, and least bias.
const LEAST_EFFECT: (f64, f64) = (1.3, 0.5);
/// Error, in standard deviations, that counts as 1: the windows are made for numbers of that range.
const RANGE: f64 = 4.0;

impl ModelMonitor {
    /// `validation`: errors on data that the model had not seen (at least 30, not all the same); `inputs` watches its features.
    pub fn new(validation: &[f64], inputs: Option<DriftMonitor>) -> Result<Self, FitError> {
        let known: Vec<f64> = validation.iter().copied().filter(|v| v.is_finite()).collect();
        if known.len() < LEAST {
            return Err(FitError::TooShort { needed: LEAST, found: known.len() });
        }
        let deviation = crate::stats::variance(&known).sqrt();
        let mean = crate::stats::mean(&known);
        if !(deviation > 1e-12 * mean.abs() && deviation > 0.0 && deviation.is_finite()) {
            let expected = "errors that are not all the same";
            return Err(FitError::Setting { name: "validation", value: mean, expected });
        }
        let size = known.iter().map(|e| e.abs()).sum::<f64>() / known.len() as f64;
        Ok(Self {
            inputs,
            usual: (mean, deviation, size),
            size: Adwin::new(DELTA),
            sign: Adwin::new(DELTA),
            recent: VecDeque::with_capacity(RECENT),
            reported: [false; 3],
            pending: [0; 2],
        })
    }

    /// Whether anything has been reported.
    pub fn is_stale(&self) -> bool {
        self.reported.contains(&true)
    }

    /// Takes in what the model was given and by how much it was wrong (NaN: not known yet); what has become known just now,
    /// empty most of the time.
    pub fn push(&mut self, features: &[f64], error: f64) -> Vec<ModelDrift> {
        let mut found = Vec::new();
        if let Some(inputs) = &mut self.inputs {
            let drifts = inputs.push(features);
            if !drifts.is_empty() && !self.reported[0] {
                self.reported[0] = true;
                found.push(ModelDrift::Inputs(drifts));
            }
        }
        if !error.is_finite() {
            return found;
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(error);
        let (mean, deviation, size) = self.usual;
        let unit = ((error - mean) / (RANGE * deviation)).clamp(-1.0, 1.0);
        let changed = [self.size.push(unit.abs()), self.sign.push(unit)];
        for (pending, changed) in self.pending.iter_mut().zip(changed) {
            *pending = if changed == Drift::Changed { WAIT } else { pending.saturating_sub(1) };
        }
        let n = self.recent.len() as f64;
        let factor = self.recent.iter().map(|e| e.abs()).sum::<f64>() / n / size;
        let bias = (self.recent.iter().sum::<f64>() / n - mean) / deviation;
        if self.pending[0] > 0 && factor >= LEAST_EFFECT.0 && !self.reported[1] {
            self.reported[1] = true;
            found.push(ModelDrift::Errors(factor));
        }
        if self.pending[1] > 0 && bias.abs() >= LEAST_EFFECT.1 && !self.reported[2] {
            self.reported[2] = true;
            found.push(ModelDrift::Bias(bias));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    /// Errors of the model y = 2x where the truth is `slope · x + offset` plus noise, and its input.
    fn row(rng: &mut Pcg, slope: f64, offset: f64, shift: f64) -> ([f64; 1], f64) {
        let x = rng.normal() + shift;
        ([x], (slope - 2.0) * x + offset + rng.normal())
    }

    fn monitor(rng: &mut Pcg) -> ModelMonitor {
        let past: Vec<([f64; 1], f64)> = (0..400).map(|_| row(rng, 2.0, 0.0, 0.0)).collect();
        let inputs: Vec<f64> = past.iter().map(|r| r.0[0]).collect();
        let errors: Vec<f64> = past.iter().map(|r| r.1).collect();
        ModelMonitor::new(&errors, Some(DriftMonitor::new(&[&inputs], 100))).unwrap()
    }

    #[test]
    fn each_way_of_becoming_stale_is_named_soon_and_once() {
        for seed in 0..4 {
            // slope, offset, shift of the inputs, and what must be said
            for (slope, offset, shift, wanted) in [(4.0, 0.0, 0.0, 1), (2.0, 1.5, 0.0, 2), (2.0, 0.0, 2.0, 0)]
            {
                let mut rng = Pcg::new(seed);
                let mut monitor = monitor(&mut rng);
                let mut said = Vec::new();
                for t in 0..2500 {
                    let late = t >= 1500;
                    let pick = |usual, changed| if late { changed } else { usual };
                    let (x, e) = row(&mut rng, pick(2.0, slope), pick(0.0, offset), pick(0.0, shift));
                    said.extend(monitor.push(&x, e).into_iter().map(|d| (t, d)));
                }
                let kind = |d: &ModelDrift| match d {
                    ModelDrift::Inputs(_) => 0,
                    ModelDrift::Errors(_) => 1,
                    ModelDrift::Bias(_) => 2,
                };
                let hits: Vec<i32> =
                    said.iter().filter(|(_, d)| kind(d) == wanted).map(|(t, _)| t - 1500).collect();
                assert!(hits.len() == 1 && (0..400).contains(&hits[0]), "{seed} {wanted}: {said:?}");
                assert!(said.iter().all(|(t, _)| *t >= 1500) && monitor.is_stale(), "{said:?}");
            }
        }
    }

    #[test]
    fn a_model_that_stays_good_or_becomes_better_is_left_alone() {
        let mut reports = 0;
        for seed in 100..112 {
            let mut rng = Pcg::new(seed);
            let mut monitor = monitor(&mut rng);
            for t in 0..3000 {
                let (x, e) = row(&mut rng, 2.0, 0.0, 0.0);
                reports += monitor.push(&x, if t < 2000 { e } else { 0.4 * e }).len();
            }
        }
        assert!(reports <= 1, "{reports} reports in twelve runs of 3,000 rows");
    }

    #[test]
    fn unknown_errors_change_nothing_and_useless_validations_are_refused() {
        assert!(ModelMonitor::new(&[1.0; 10], None).is_err() && ModelMonitor::new(&[1.0; 50], None).is_err());
        let mut rng = Pcg::new(1);
        let mut monitor = monitor(&mut rng);
        let before = monitor.size.len();
        assert!(monitor.push(&[f64::NAN], f64::NAN).is_empty() && monitor.size.len() == before);
    }
}
