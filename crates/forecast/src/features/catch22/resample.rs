//! Decimation with an anti-aliasing filter: windowed sinc, Kaiser window with β = 5, ten zero crossings on each side.

use crate::features::sum::sum;
use core::f64::consts::PI;

const BETA: f64 = 5.0;
const CROSSINGS: usize = 10;

/// Filter of one decimation step.
#[derive(Clone, Debug, Default)]
pub(super) struct Decimator {
    step: usize,
    taps: Vec<f64>,
}

impl Decimator {
    /// Every `step`-th value of the filtered series, ⌈n / step⌉ in all; zeros beyond both ends.
    pub(super) fn decimate(&mut self, z: &[f64], step: usize, out: &mut Vec<f64>) {
        out.clear();
        if step == 1 {
            out.extend_from_slice(z);
            return;
        }
        if self.step != step {
            self.step = step;
            self.taps = taps(step);
        }
        let half = CROSSINGS * step;
        out.extend((0..z.len()).step_by(step).map(|at| {
            let (from, to) = (at.saturating_sub(half), (at + half + 1).min(z.len()));
            // The filter is symmetric, so convolution and correlation are the same.
            let first = half + from - at;
            z[from..to].iter().zip(&self.taps[first..]).map(|(a, b)| a * b).sum::<f64>()
        }));
    }
}

fn taps(step: usize) -> Vec<f64> {
    let half = (CROSSINGS * step) as f64;
    let mut taps: Vec<f64> = (0..=2 * CROSSINGS * step)
        .map(|i| {
            let t = i as f64 - half;
            let angle = PI * t / step as f64;
            let sinc = if t == 0.0 { 1.0 } else { angle.sin() / angle };
            let r = t / half;
            sinc * bessel_i0(BETA * (1.0 - r * r).max(0.0).sqrt())
        })
        .collect();
    let total = sum(&taps);
    taps.iter_mut().for_each(|t| *t /= total);
    taps
}

/// Modified Bessel function of the first kind and order zero, by its power series (arguments here are at most 5).
fn bessel_i0(x: f64) -> f64 {
    let (mut term, mut total) = (1.0, 1.0);
    for k in 1..60 {
        let factor = x / (2.0 * f64::from(k));
        term *= factor * factor;
        total += term;
        if term < total * 1e-18 {
            break;
        }
    }
    total
}
