//! The 22 canonical features, on the z-scored series.
//!
//! Written from the published descriptions of the features and fitted to the numbers of pycatch22 1.0.2 by experiment.

mod embedding;
mod fluctuation;
mod outliers;
mod periodicity;
mod resample;
mod symbols;

use super::calculators::counts::longest_run;
use super::calculators::shape::extremes;
use super::feature::Feature;
use super::fft::{FftPlans, fast_length};
use super::sum::{mean, sum, sum_by};
use embedding::distance_misfit;
use fluctuation::{Fluctuation, Measure};
use outliers::Outliers;
use periodicity::Detrend;
use resample::Decimator;

/// The z-scored series and its shared results.
#[derive(Clone, Debug, Default)]
pub(super) struct Canonical {
    z: Vec<f64>,
    deviation: f64,
    /// Places of the values in ascending order.
    order: Vec<u32>,
    sorted: Vec<f64>,
    acf: Vec<f64>,
    acf_ready: bool,
    spectrum: Vec<f64>,
    spectrum_ready: bool,
    plans: FftPlans,
    re: Vec<f64>,
    im: Vec<f64>,
    outliers: Outliers,
    detrend: Detrend,
    decimator: Decimator,
    fluctuation: Fluctuation,
    values: Vec<f64>,
    scratch: Vec<f64>,
}

impl Canonical {
    /// `order` sorts `x`, and so the z-scored series.
    pub(super) fn load(&mut self, x: &[f64], order: &[u32]) {
        let m = mean(x);
        self.deviation = (sum_by(x, |v| (v - m) * (v - m)) / (x.len() as f64 - 1.0)).sqrt();
        // A constant stays a constant: z would be 0/0, or rounding noise blown up.
        let constant = x.iter().all(|v| *v == x[0]);
        if constant {
            self.deviation = if x.len() < 2 { f64::NAN } else { 0.0 };
        }
        let s = self.deviation;
        self.z.clear();
        self.z.extend(x.iter().map(|v| if constant { 0.0 } else { (v - m) / s }));
        self.order.clear();
        self.order.extend_from_slice(order);
        self.sorted.clear();
        let z = &self.z;
        self.sorted.extend(order.iter().map(|&i| z[i as usize]));
        self.acf_ready = false;
        self.spectrum_ready = false;
    }

    /// The value of a feature of this family; None for others.
    pub(super) fn value(&mut self, feature: &Feature) -> Option<f64> {
        if matches!(feature, Feature::Catch24Std) {
            return Some(self.deviation);
        }
        if self.z.is_empty() || self.z.iter().any(|v| !v.is_finite()) {
            return Some(f64::NAN);
        }
        if !(self.deviation > 0.0) {
            return constant_value(feature, self.z.len());
        }
        let n = self.z.len();
        Some(match feature {
            Feature::HistogramMode5 => histogram_mode(&self.z, 5),
            Feature::HistogramMode10 => histogram_mode(&self.z, 10),
            Feature::OutlierIncludePositive => {
                self.outliers.median_position(&self.z, self.order.iter().rev(), 1.0)
            }
            Feature::OutlierIncludeNegative => {
                self.outliers.median_position(&self.z, self.order.iter(), -1.0)
            }
            Feature::FirstCrossingAcf => crossing(self.acf(), (-1.0_f64).exp()),
            Feature::FirstMinAcf => first_minimum(self.acf()),
            // Two points have a single frequency; by convention all power is low then.
            Feature::WelchArea5 if n == 2 => 1.0,
            Feature::WelchCentroid if n == 2 => 0.0,
            Feature::WelchArea5 => self.low_power(),
            Feature::WelchCentroid => self.median_frequency(),
            Feature::ForecastMean3Error => self.mean3_error(),
            Feature::ForecastMean1TauRatio => self.tau_ratio(),
            Feature::Pnn40 => {
                self.z.windows(2).filter(|w| (w[1] - w[0]).abs() * 1000.0 > 40.0).count() as f64
                    / (n as f64 - 1.0)
            }
            Feature::LongStretchAboveMean => {
                let m = mean(&self.z);
                longest_run(&self.z, |v| v > m)
            }
            Feature::LongStretchDecreasing => {
                self.differences();
                longest_run(&self.values, |d| d <= 0.0)
            }
            Feature::MotifThreeEntropy => {
                let cuts = symbols::thirds(&self.sorted);
                symbols::pair_entropy(&self.z, cuts)
            }
            Feature::HistogramAmi2 => symbols::histogram_ami(&self.z, 2),
            Feature::TimeReversibility => {
                self.differences();
                sum_by(&self.values, |d| d * d * d) / self.values.len() as f64
            }
            Feature::AmiFirstMinimum => self.ami_first_minimum(),
            Feature::TransitionMatrixTrace => self.transition_trace(),
            Feature::PeriodicityWang => self.detrend.period(&self.z, &mut self.plans),
            Feature::EmbeddingDistanceFit => {
                let lag = first_zero(self.acf()).min(n / 10);
                distance_misfit(&self.z, lag, &mut self.values, &mut self.scratch)
            }
            Feature::FluctuationRange => self.fluctuation.share(&self.z, 1, Measure::Range),
            Feature::FluctuationDfa => self.fluctuation.share(&self.z, 2, Measure::MeanSquare),
            _ => return None,
        })
    }

    fn differences(&mut self) {
        self.values.clear();
        self.values.extend(self.z.windows(2).map(|w| w[1] - w[0]));
    }

    fn acf(&mut self) -> &[f64] {
        if !self.acf_ready {
            self.acf_ready = true;
            autocorrelation(&self.z, &mut self.plans, &mut self.re, &mut self.im, &mut self.acf);
        }
        &self.acf
    }

    /// Power by frequency: rectangular window, length padded to a power of two, all but frequency zero doubled.
    fn spectrum(&mut self) -> (&[f64], f64) {
        let length = self.z.len().next_power_of_two();
        let step = 2.0 * core::f64::consts::PI / length as f64;
        if !self.spectrum_ready {
            self.spectrum_ready = true;
            let (z, m) = (&self.z, mean(&self.z));
            self.plans.plan(length).forward(|i| z.get(i).map_or(0.0, |v| v - m), &mut self.re, &mut self.im);
            let scale = 1.0 / (z.len() as f64 * 2.0 * core::f64::consts::PI);
            self.spectrum.clear();
            self.spectrum.extend(self.re.iter().zip(&self.im).enumerate().map(|(k, (a, b))| {
                let power = (a * a + b * b) * scale;
                if k == 0 { power } else { 2.0 * power }
            }));
        }
        (&self.spectrum, step)
    }

    fn low_power(&mut self) -> f64 {
        let (power, step) = self.spectrum();
        let fifth = power.len().div_ceil(5);
        power[..fifth].iter().sum::<f64>() * step
    }

    fn median_frequency(&mut self) -> f64 {
        let (power, step) = self.spectrum();
        let half = power.iter().sum::<f64>() / 2.0;
        let mut total = 0.0;
        for (k, p) in power.iter().enumerate() {
            total += p;
            if total > half {
                return k as f64 * step;
            }
        }
        0.0
    }

    /// Sample standard deviation of z[i+3] minus the mean of the three values before it.
    fn mean3_error(&mut self) -> f64 {
        self.values.clear();
        self.values.extend(self.z.windows(4).map(|w| w[3] - (w[0] + w[1] + w[2]) / 3.0));
        let n = self.values.len() as f64;
        if n < 2.0 {
            return 0.0;
        }
        let m = mean(&self.values);
        (sum_by(&self.values, |v| (v - m) * (v - m)) / (n - 1.0)).sqrt()
    }

    /// Zero crossing of the autocorrelation of the differences over that of the series.
    fn tau_ratio(&mut self) -> f64 {
        self.differences();
        let m = mean(&self.values);
        self.values.iter_mut().for_each(|v| *v -= m);
        let below = crossing(self.acf(), 0.0);
        autocorrelation(&self.values, &mut self.plans, &mut self.re, &mut self.im, &mut self.scratch);
        crossing(&self.scratch, 0.0) / below
    }

    /// First minimum of −½·ln(1 − r²) over lags, r the correlation of the series with itself shifted.
    fn ami_first_minimum(&mut self) -> f64 {
        let n = self.z.len();
        let most = 40.min(n.div_ceil(2));
        let power = sum_by(&self.z, |v| v * v);
        let total = sum(&self.z);
        self.acf();
        let (mut head, mut tail) = ((0.0, 0.0), (0.0, 0.0));
        let mut information = [f64::NAN; 3];
        for lag in 1..=most {
            // Sums over the first and the last n − lag values.
            let (first, last) = (self.z[lag - 1], self.z[n - lag]);
            head = (head.0 + first, head.1 + first * first);
            tail = (tail.0 + last, tail.1 + last * last);
            let m = (n - lag) as f64;
            let (a, aa) = (total - tail.0, power - tail.1);
            let (b, bb) = (total - head.0, power - head.1);
            // A part without spread has no correlation; rounding must not invent one.
            let spread = |square: f64, sum: f64| {
                let rest = square - sum * sum / m;
                if rest > 1e-13 * square { rest.sqrt() } else { f64::NAN }
            };
            let r = (self.acf[lag] * power - a * b / m) / (spread(aa, a) * spread(bb, b));
            // Complete dependence is infinite information, whatever rounding leaves of it.
            let rest = 1.0 - r * r;
            information =
                [information[1], information[2], -0.5 * if rest < 1e-13 { 0.0_f64 } else { rest }.ln()];
            if lag >= 3 && information[1] < information[0] && !(information[2] <= information[1]) {
                return (lag - 1) as f64;
            }
        }
        most as f64
    }

    fn transition_trace(&mut self) -> f64 {
        let n = self.z.len();
        let step = first_zero(self.acf()).min(n / 50).max(1);
        self.decimator.decimate(&self.z, step, &mut self.values);
        self.scratch.clone_from(&self.values);
        self.scratch.sort_unstable_by(f64::total_cmp);
        symbols::transition_trace(&self.values, symbols::thirds(&self.scratch))
    }
}

/// Values for constant series (the established ones: no spread, no dependence, no time scale).
fn constant_value(feature: &Feature, n: usize) -> Option<f64> {
    let n = n as f64;
    Some(match feature {
        Feature::FirstCrossingAcf => n - 1.0,
        Feature::FirstMinAcf => n,
        Feature::AmiFirstMinimum => 40.0_f64.min((n / 2.0).ceil()),
        Feature::WelchArea5 | Feature::FluctuationRange | Feature::FluctuationDfa => 1.0,
        Feature::TransitionMatrixTrace => 1.0 / 9.0,
        Feature::EmbeddingDistanceFit => embedding::equal_distances(n),
        Feature::HistogramMode5
        | Feature::HistogramMode10
        | Feature::OutlierIncludePositive
        | Feature::OutlierIncludeNegative
        | Feature::WelchCentroid
        | Feature::ForecastMean3Error
        | Feature::ForecastMean1TauRatio
        | Feature::Pnn40
        | Feature::LongStretchAboveMean
        | Feature::LongStretchDecreasing
        | Feature::MotifThreeEntropy
        | Feature::HistogramAmi2
        | Feature::TimeReversibility
        | Feature::PeriodicityWang => 0.0,
        _ => return None,
    })
}

/// Mean centre of the fullest of `bins` equal bins; all borders but the last lie a millionth of a bin lower, the last
/// one higher.
fn histogram_mode(z: &[f64], bins: usize) -> f64 {
    let (low, high) = extremes(z);
    let step = (high - low) / bins as f64;
    let mut counts = [0_u32; 10];
    for v in z {
        let at = ((v - low) / step + NUDGE) as usize;
        counts[at.min(bins - 1)] += 1;
    }
    let most = counts[..bins].iter().copied().max().unwrap_or(0);
    let (mut total, mut ties) = (0.0, 0.0);
    for (i, _) in counts[..bins].iter().enumerate().filter(|(_, c)| **c == most) {
        let nudge = if i + 1 == bins { 0.0 } else { NUDGE };
        total += low + (i as f64 + 0.5 - nudge) * step;
        ties += 1.0;
    }
    total / ties
}

/// Shift of histogram borders, in bins.
const NUDGE: f64 = 1e-6;

/// Autocorrelation at all lags: sums of products over the sum of squares, by two transforms.
fn autocorrelation(
    z: &[f64],
    plans: &mut FftPlans,
    re: &mut Vec<f64>,
    im: &mut Vec<f64>,
    out: &mut Vec<f64>,
) {
    let n = z.len();
    out.clear();
    if n == 0 {
        return;
    }
    let length = fast_length(2 * n);
    let plan = plans.plan(length);
    plan.forward(|i| z.get(i).copied().unwrap_or(0.0), re, im);
    for (a, b) in re.iter_mut().zip(im.iter()) {
        *a = *a * *a + b * b;
    }
    // The power spectrum is even, so a forward transform inverts it.
    let power = core::mem::take(re);
    let half = length / 2;
    plan.forward(|i| power[if i <= half { i } else { length - i }], out, im);
    *re = power;
    out.truncate(n);
    let scale = 1.0 / out[0];
    out.iter_mut().for_each(|v| *v *= scale);
    // A power of zero has no correlation; the first lag is one by definition otherwise.
    if let Some(first) = out.first_mut()
        && !first.is_nan()
    {
        *first = 1.0;
    }
}

/// First place, linearly interpolated, where the values fall below a level; the last lag if they never do.
fn crossing(acf: &[f64], level: f64) -> f64 {
    for (i, w) in acf.windows(2).enumerate() {
        if w[1] < level {
            return i as f64 + (level - w[0]) / (w[1] - w[0]);
        }
    }
    acf.len().saturating_sub(1) as f64
}

/// First lag whose autocorrelation is not positive; the length if there is none.
fn first_zero(acf: &[f64]) -> usize {
    acf.iter().position(|&v| !(v > 0.0)).unwrap_or(acf.len())
}

/// First lag smaller than both neighbours; the length if there is none.
fn first_minimum(acf: &[f64]) -> f64 {
    let at = acf.windows(3).position(|w| w[1] < w[0] && w[1] < w[2]);
    at.map_or(acf.len(), |i| i + 1) as f64
}
