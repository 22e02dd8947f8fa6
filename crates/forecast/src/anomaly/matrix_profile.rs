//! Streaming matrix profile: has anything like the last minutes been seen before?

use super::{Detector, Direction, Judgement, RobustZ, Score};
use crate::error::{FitError, MAX_MAGNITUDE};

/// Distance of the newest sub-sequence to the most similar earlier one, both centred and scaled: the left matrix profile.
///
/// Products of the newest sub-sequence with all earlier ones follow from those before in O(1) each; they are formed anew whenever
/// the kept history is cut, so errors cannot pile up. History is bounded: the last `history` to `2 · history` values. A missing
/// value takes the one before. Sub-sequences nearer than a quarter of their length do not count (they are the same), one without
/// movement is at distance 0 from another such and `√length` from all others. O(history) per value.
///
/// Yeh et al. (2016), Matrix profile I, ICDM; Zhu, Yeh et al. (2018), Matrix profile XI (updates of a growing series).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LeftProfile {
    length: usize,
    history: usize,
    values: Vec<f64>,
    /// Mean and standard deviation of the sub-sequence that begins at each value.
    moments: Vec<(f64, f64)>,
    /// Products of the newest sub-sequence with the one that begins at each value.
    products: Vec<f64>,
}

impl LeftProfile {
    /// Sub-sequences of `length` (4 to 10,000) values, compared with at least the last `history` (four lengths to 1,000,000) values.
    pub fn new(length: usize, history: usize) -> Result<Self, FitError> {
        let refuse =
            |name, value: usize, expected| Err(FitError::Setting { name, value: value as f64, expected });
        if !(4..=10_000).contains(&length) {
            return refuse("length", length, "4 to 10000 values");
        }
        if !(4 * length..=1_000_000).contains(&history) {
            return refuse("history", history, "four lengths to 1000000 values");
        }
        Ok(Self { length, history, values: Vec::new(), moments: Vec::new(), products: Vec::new() })
    }

    /// Takes in the next value; the distance once two sub-sequences can be compared.
    pub fn push(&mut self, value: f64) -> Option<f64> {
        let last = self.values.last().copied().unwrap_or(0.0);
        let value = if value.is_nan() { last } else { value.clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE) };
        let cut = self.values.len() >= 2 * self.history;
        if cut {
            let old = self.values.len() - self.history;
            self.values.drain(..old);
            self.moments.drain(..old);
        }
        self.values.push(value);
        let (n, m) = (self.values.len(), self.length);
        if n < m {
            return None;
        }
        let newest = &self.values[n - m..];
        let mean = newest.iter().sum::<f64>() / m as f64;
        let variance = newest.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / m as f64;
        self.moments.push((mean, variance.sqrt()));
        self.multiply(cut);
        self.nearest()
    }

    /// Products with all sub-sequences: by the last ones, or directly.
    fn multiply(&mut self, anew: bool) {
        let (n, m) = (self.values.len(), self.length);
        let count = n - m + 1;
        let dot = |j: usize| -> f64 {
            self.values[j..j + m].iter().zip(&self.values[n - m..]).map(|(a, b)| a * b).sum()
        };
        if anew || self.products.len() + 1 != count || count == 1 {
            self.products = (0..count).map(dot).collect();
            return;
        }
        let first = dot(0);
        self.products.push(0.0);
        let (gone, come) = (self.values[n - m - 1], self.values[n - 1]);
        for j in (1..count).rev() {
            self.products[j] =
                self.products[j - 1] - gone * self.values[j - 1] + come * self.values[j + m - 1];
        }
        self.products[0] = first;
    }

    fn nearest(&self) -> Option<f64> {
        let (m, count) = (self.length as f64, self.products.len());
        let usable = count.checked_sub(1 + self.length.div_ceil(4))?;
        let (mean, deviation) = self.moments[count - 1];
        let still = |mean: f64, deviation: f64| deviation <= 1e-7 * mean.abs().max(1e-3);
        let best = (0..=usable).filter(|_| usable + self.length.div_ceil(4) < count).map(|j| {
            let (other, other_deviation) = self.moments[j];
            match (still(mean, deviation), still(other, other_deviation)) {
                (true, true) => 1.0,
                (true, false) | (false, true) => 0.5,
                _ => (self.products[j] - m * mean * other) / (m * deviation * other_deviation),
            }
        });
        let correlation = best.fold(f64::NEG_INFINITY, f64::max);
        (correlation > f64::NEG_INFINITY).then(|| (2.0 * m * (1.0 - correlation.min(1.0))).max(0.0).sqrt())
    }
}

/// Left matrix profiles at several lengths as a detector: the farthest from anything before, in units of what is usual.
///
/// Distances are divided by their largest possible value `√(2 · length)`·√2, so lengths can be compared; the largest is judged by the
/// median and MAD of the last 2,000 ([`RobustZ`]), upwards only. Sees shapes that never were, whatever their level and amplitude: a
/// heart beat that stumbles, a batch job in another order; not spikes in noise. Memory O(lengths · history).
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{Detector, MatrixProfile};
/// let mut detector = MatrixProfile::new(&[24, 48], 1000, 8.0)?;
/// let wave = |i: u32| (f64::from(i) / 4.0).sin() + f64::from(i * 7919 % 13) / 50.0;
/// assert!((0..900).all(|i| !detector.push(wave(i)).is_anomaly()));
/// assert!((900..930).any(|i| detector.push(wave(2 * i)).is_anomaly()), "twice as fast");
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MatrixProfile {
    profiles: Vec<LeftProfile>,
    usual: RobustZ,
    seen: usize,
    warm_up: usize,
}

impl MatrixProfile {
    /// One to 20 lengths; `threshold` in robust standard deviations of the usual distance, often 8.
    pub fn new(lengths: &[usize], history: usize, threshold: f64) -> Result<Self, FitError> {
        if !(1..=20).contains(&lengths.len()) {
            let value = lengths.len() as f64;
            return Err(FitError::Setting { name: "lengths", value, expected: "1 to 20 lengths" });
        }
        let profiles =
            lengths.iter().map(|&l| LeftProfile::new(l, history)).collect::<Result<Vec<_>, _>>()?;
        let warm_up = 4 * lengths.iter().copied().max().unwrap_or(0);
        Ok(Self { profiles, usual: RobustZ::new(2000, threshold)?, seen: 0, warm_up })
    }
}

impl Detector for MatrixProfile {
    fn push(&mut self, value: f64) -> Score {
        self.seen = self.seen.saturating_add(1);
        let mut largest: Option<f64> = None;
        for profile in &mut self.profiles {
            let scale = (4.0 * profile.length as f64).sqrt();
            if let Some(distance) = profile.push(value) {
                largest = Some(largest.map_or(distance / scale, |l| l.max(distance / scale)));
            }
        }
        let learning = Score::learning(value, value);
        if value.is_nan() {
            return learning;
        }
        // While the history is short everything is new; that is not what is usual later.
        let Some(distance) = largest.filter(|_| self.seen > self.warm_up) else { return learning };
        let judged = self.usual.push(distance);
        let odd = judged.judgement == Judgement::Anomalous && judged.direction == Direction::Above;
        Score {
            severity: if judged.direction == Direction::Below { 0.0 } else { judged.severity },
            judgement: match judged.judgement {
                Judgement::Anomalous if !odd => Judgement::Normal,
                other => other,
            },
            ..learning
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    /// Distance by the definition.
    fn direct(values: &[f64], m: usize) -> f64 {
        let scaled = |w: &[f64]| -> Vec<f64> {
            let mean = w.iter().sum::<f64>() / m as f64;
            let deviation = (w.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / m as f64).sqrt();
            w.iter().map(|v| (v - mean) / deviation).collect()
        };
        let newest = scaled(&values[values.len() - m..]);
        let last = values.len() - m - m.div_ceil(4);
        (0..last)
            .map(|j| {
                scaled(&values[j..j + m])
                    .iter()
                    .zip(&newest)
                    .map(|(a, b)| (a - b).powi(2))
                    .sum::<f64>()
                    .sqrt()
            })
            .fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn distances_equal_the_definition_also_after_the_history_was_cut() {
        let mut rng = Pcg::new(2);
        let mut profile = LeftProfile::new(8, 40).unwrap();
        let mut values = Vec::new();
        for _ in 0..300 {
            let value = 1e4 + rng.normal();
            values.push(value);
            let found = profile.push(value);
            if let Some(found) = found
                && values.len() > 20
            {
                let wanted = direct(&values[values.len() - profile.values.len()..], 8);
                assert!((found - wanted).abs() < 1e-4, "{found} {wanted}");
            }
        }
        assert!(profile.values.len() <= 80);
    }

    #[test]
    fn flat_stretches_have_distances() {
        let mut profile = LeftProfile::new(8, 100).unwrap();
        let last = (0..60).map(|i| profile.push(if i < 40 { f64::from(i % 5) } else { 3.0 })).last().unwrap();
        assert!(last.unwrap() <= 1e-6, "flat and flat are alike: {last:?}");
    }
}
