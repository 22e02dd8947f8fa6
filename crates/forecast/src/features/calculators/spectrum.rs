//! Fourier spectrum, Welch's method and their summaries.

use super::shape::length;
use crate::features::fft::FftPlans;
use crate::features::parameter::{FourierPart, SpectrumMoment};
use crate::features::sum::{mean, sum};
use core::f64::consts::PI;

/// Longest segment of Welch's method.
const SEGMENT: usize = 256;

/// The part of coefficient `k`; NaN beyond the spectrum.
pub(crate) fn fourier_part(re: &[f64], im: &[f64], k: usize, part: FourierPart) -> f64 {
    let (Some(&a), Some(&b)) = (re.get(k), im.get(k)) else { return f64::NAN };
    match part {
        FourierPart::Real => a,
        FourierPart::Imag => b,
        FourierPart::Abs => length(a, b),
        FourierPart::Angle => b.atan2(a).to_degrees(),
    }
}

/// Centroid, variance, skewness and kurtosis of the absolute spectrum as a distribution over frequency indices.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpectrumMoments([f64; 4]);

impl SpectrumMoments {
    pub(crate) fn new(re: &[f64], im: &[f64]) -> Self {
        let total: f64 = re.iter().zip(im).map(|(a, b)| length(*a, *b)).sum();
        let mut m = [0.0; 4];
        for (k, (a, b)) in re.iter().zip(im).enumerate() {
            let (k, v) = (k as f64, length(*a, *b));
            m[0] += v * k;
            m[1] += v * k * k;
            m[2] += v * k * k * k;
            m[3] += v * k * k * k * k;
        }
        let [c, m2, m3, m4] = m.map(|v| v / total);
        let variance = m2 - c * c;
        if !(variance >= 0.5) {
            return Self([c, variance, f64::NAN, f64::NAN]);
        }
        let skew = (m3 - 3.0 * c * variance - c * c * c) / variance.powf(1.5);
        // The last term is 3·c as the feature is defined, not the 3·c⁴ of the central moment.
        let kurtosis = (m4 - 4.0 * c * m3 + 6.0 * m2 * c * c - 3.0 * c) / (variance * variance);
        Self([c, variance, skew, kurtosis])
    }

    pub(crate) fn moment(&self, m: SpectrumMoment) -> f64 {
        self.0[match m {
            SpectrumMoment::Centroid => 0,
            SpectrumMoment::Variance => 1,
            SpectrumMoment::Skew => 2,
            SpectrumMoment::Kurtosis => 3,
        }]
    }
}

/// Buffers of [`Welch::density`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Welch {
    window: Vec<f64>,
    re: Vec<f64>,
    im: Vec<f64>,
    segment: Vec<f64>,
}

impl Welch {
    /// One-sided power spectral density: periodic Hann windows of up to 256 points, half overlapping, means removed,
    /// periodograms averaged (Welch 1967, IEEE Trans. Audio Electroacoust. 15).
    pub(crate) fn density(&mut self, x: &[f64], plans: &mut FftPlans, out: &mut Vec<f64>) {
        out.clear();
        let size = x.len().min(SEGMENT);
        if size == 0 {
            return;
        }
        if self.window.len() != size {
            self.window.clear();
            let n = size as f64;
            self.window.extend((0..size).map(|i| 0.5 - 0.5 * (2.0 * PI * i as f64 / n).cos()));
            if size == 1 {
                self.window[0] = 1.0;
            }
        }
        let power: f64 = self.window.iter().map(|w| w * w).sum();
        out.resize(size / 2 + 1, 0.0);
        let step = size - size / 2;
        let mut segments = 0_u32;
        let plan = plans.plan(size);
        for start in (0..=x.len() - size).step_by(step) {
            let part = &x[start..start + size];
            let m = mean(part);
            self.segment.clear();
            self.segment.extend(part.iter().zip(&self.window).map(|(v, w)| (v - m) * w));
            let segment = &self.segment;
            plan.forward(|i| segment[i], &mut self.re, &mut self.im);
            for ((o, a), b) in out.iter_mut().zip(&self.re).zip(&self.im) {
                *o += a * a + b * b;
            }
            segments += 1;
        }
        let scale = 1.0 / (power * f64::from(segments));
        let last = out.len() - 1;
        for (k, o) in out.iter_mut().enumerate() {
            let twice = k > 0 && !(k == last && size.is_multiple_of(2));
            *o *= if twice { 2.0 * scale } else { scale };
        }
    }
}

/// Entropy of the histogram of a density divided by its largest value; NaN for a density of zeros.
pub(crate) fn fourier_entropy(density: &[f64], bins: usize, counts: &mut Vec<u32>) -> f64 {
    let (min, max) = super::shape::extremes(density);
    if !(max > 0.0) || !max.is_finite() || !sum(density).is_finite() {
        return f64::NAN;
    }
    super::histogram::equal_bins(density.iter().map(|v| v / max), min / max, 1.0, bins, counts);
    super::histogram::entropy(counts, density.len())
}
