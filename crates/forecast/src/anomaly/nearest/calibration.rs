//! Comparable scores: how rare a distance is among distances of normal rows.

/// Minus the decimal logarithm of the tail probability, from a sample of normal scores.
///
/// Below the 98 % quantile the probability is the conformal one (rank among the sample, Laxhammar & Falkman 2011); above it
/// the tail is exponential with the mean excess of the sample (peaks over threshold).
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(in crate::anomaly) struct Calibration {
    /// Sample quantiles at even steps, ascending.
    quantiles: Vec<f64>,
    threshold: f64,
    scale: f64,
}

const TAIL: f64 = 0.02;
/// Steps of the kept quantiles: half a percent.
const STEPS: usize = 200;

impl Calibration {
    /// From scores of normal rows (finite); an empty sample gives zero for everything.
    pub(in crate::anomaly) fn new(mut sample: Vec<f64>) -> Self {
        sample.sort_unstable_by(f64::total_cmp);
        let n = sample.len();
        if n == 0 {
            return Self { quantiles: Vec::new(), threshold: f64::INFINITY, scale: 1.0 };
        }
        let at = n - n.div_ceil(50); // the last 2 % are the tail
        let threshold = sample[at];
        let above: Vec<f64> = sample.iter().filter(|&&s| s > threshold).map(|s| s - threshold).collect();
        let mean = if above.is_empty() { 0.0 } else { above.iter().sum::<f64>() / above.len() as f64 };
        // A sample of equal scores must not make the smallest difference infinite.
        let least = 1e-3 * (sample[n - 1] - sample[0]) + 1e-9;
        let quantiles = (0..=STEPS).map(|k| sample[k * (n - 1) / STEPS]).collect();
        Self { quantiles, threshold, scale: mean.max(least) }
    }

    /// `−log10 P(score or more)`, at least 0.
    pub(in crate::anomaly) fn rarity(&self, score: f64) -> f64 {
        if score > self.threshold {
            return -TAIL.log10() + (score - self.threshold) / self.scale / core::f64::consts::LN_10;
        }
        if self.quantiles.is_empty() {
            return 0.0;
        }
        let below = self.quantiles.partition_point(|&q| q < score);
        -(1.0 - below as f64 / (STEPS + 1) as f64).max(TAIL).log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rarity_is_the_tail_probability_of_an_exponential_sample() {
        // Quantiles of the exponential distribution: P(X > x) = exp(-x).
        let sample: Vec<f64> = (0..20_000).map(|i| -(1.0 - (f64::from(i) + 0.5) / 20_000.0).ln()).collect();
        let calibration = Calibration::new(sample);
        for x in [0.5, 1.0, 2.0, 3.0, 6.0, 12.0] {
            let wanted = x / core::f64::consts::LN_10;
            assert!(
                (calibration.rarity(x) - wanted).abs() < 0.03 * wanted + 0.01,
                "{x}: {}",
                calibration.rarity(x)
            );
        }
    }

    #[test]
    fn degenerate_samples_stay_finite() {
        assert!(Calibration::new(vec![]).rarity(5.0) == 0.0);
        assert!(Calibration::new(vec![1.0; 50]).rarity(1.5).is_finite());
    }
}
