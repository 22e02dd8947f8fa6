//! How many per window are usual.

use crate::stats::normal_cdf;
use statrs::function::{beta::checked_beta_reg, erf::erfc};

/// Largest rarity that is told: beyond it the numbers say nothing more.
pub(super) const MOST: f64 = 30.0;
/// What one window keeps of all before: half of the weight is younger than about 1,400 windows (five days of five minutes).
const KEEP: f64 = 0.9995;
/// Prior shape: half an event in no window at all (Jeffreys).
const PRIOR: f64 = 0.5;
/// Windows of the overall habit that an hour of the day starts with.
const LEAN: f64 = 4.0;

/// Counts per window, slowly forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Tally {
    weight: f64,
    sum: f64,
    squares: f64,
}

impl Tally {
    pub(super) fn learn(&mut self, count: f64) {
        self.weight = KEEP * self.weight + 1.0;
        self.sum = KEEP * self.sum + count;
        self.squares = KEEP * self.squares + count * count;
    }

    /// Windows that it rests on.
    pub(super) fn weight(&self) -> f64 {
        self.weight
    }

    pub(super) fn mean(&self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }

    /// Variance over mean, at least that of a Poisson count.
    fn dispersion(&self) -> f64 {
        let mean = self.mean();
        if mean <= 0.0 {
            return 1.0;
        }
        ((self.squares / self.weight - mean * mean) / mean).max(1.0)
    }

    /// `−log10 P(N ≥ count)` of the next window, with the uncertainty of the rate. With `hour`, the rate of that hour, which leans
    /// on the overall one while it has seen little.
    pub(super) fn rarity(&self, count: f64, hour: Option<&Self>) -> f64 {
        // Dispersion within the hours, where they are known: the daily habit is no scatter.
        let spread = hour
            .filter(|h| h.weight >= 3.0 * LEAN)
            .map_or_else(|| self.dispersion(), |h| h.dispersion().max(0.25 * self.dispersion()));
        let (sum, weight) =
            hour.map_or((self.sum, self.weight), |h| (h.sum + LEAN * self.mean(), h.weight + LEAN));
        tail(count / spread, PRIOR + sum / spread, weight)
    }

    /// Largest count whose rarity stays below the limit (at least 1), for learning what an attack did.
    pub(super) fn usual_at_most(&self, count: f64, limit: f64, hour: Option<&Self>) -> f64 {
        if self.rarity(count, hour) < limit {
            return count;
        }
        let (mut low, mut high) = (0.0, count);
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if self.rarity(middle, hour) < limit { low = middle } else { high = middle }
        }
        low.max(1.0).min(count)
    }
}

/// `−log10 P(X ≥ k)`, X negative binomial: Poisson with a rate of Gamma(shape, weight).
fn tail(k: f64, shape: f64, weight: f64) -> f64 {
    if k <= 0.0 {
        return 0.0;
    }
    let p = if k > 1000.0 || shape > 1e5 {
        // Anscombe's root makes large counts normal; the rate's own uncertainty widens it.
        let rate = shape / weight.max(1e-9);
        let z = 2.0 * ((k + 0.375).sqrt() - (rate + 0.375).sqrt()) / (1.0 + 1.0 / weight.max(1e-9)).sqrt();
        0.5 * erfc(z / std::f64::consts::SQRT_2)
    } else {
        checked_beta_reg(k, shape, 1.0 / (weight + 1.0)).unwrap_or(1.0)
    };
    rarity_of(p)
}

/// `−log10 p` within 0 to [`MOST`].
pub(super) fn rarity_of(p: f64) -> f64 {
    if p.is_nan() { 0.0 } else { (-p.max(1e-300).log10()).clamp(0.0, MOST) }
}

/// Evenness of a distribution over windows: mean and scatter, judged by Student's t with few degrees of freedom.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Spread {
    weight: f64,
    mean: f64,
    variance: f64,
}

/// Least scatter of an evenness, which lies between 0 and 1.
const LEAST_DEVIATION: f64 = 0.03;
/// Windows before a judgement.
const NEEDED: f64 = 30.0;
/// Degrees of freedom: heavy tails, or every odd hour would be one in a million.
const FREEDOM: f64 = 10.0;

impl Spread {
    pub(super) fn mean(&self) -> f64 {
        self.mean
    }

    /// Two-sided rarity; 0 while too little was seen.
    pub(super) fn rarity(&self, value: f64) -> f64 {
        if self.weight < NEEDED {
            return 0.0;
        }
        let deviation = self.variance.sqrt().max(LEAST_DEVIATION);
        let t = (value - self.mean) / deviation;
        let x = FREEDOM / (FREEDOM + t * t);
        rarity_of(checked_beta_reg(FREEDOM / 2.0, 0.5, x).unwrap_or_else(|_| 2.0 * normal_cdf(-t.abs())))
    }

    /// Learns a value, from four deviations on as if it were four deviations away.
    pub(super) fn learn(&mut self, value: f64) {
        let reach = 4.0 * self.variance.sqrt().max(LEAST_DEVIATION);
        let value =
            if self.weight < NEEDED { value } else { value.clamp(self.mean - reach, self.mean + reach) };
        self.weight = KEEP * self.weight + 1.0;
        let before = value - self.mean;
        self.mean += before / self.weight;
        self.variance += (before * (value - self.mean) - self.variance) / self.weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_equal_the_negative_binomial_of_scipy() {
        // scipy 1.17.1: -log10(nbinom.sf(k - 1, n, w / (w + 1))) for (k, n, w)
        for (k, shape, weight, wanted) in [
            (1.0, 0.5, 1000.0, 3.301_355_567_331_628),
            (12.0, 200.5, 100.0, 5.757_309_749_838_452),
            (40.0, 1000.5, 100.0, 11.940_546_488_864_975),
        ] {
            let found = tail(k, shape, weight);
            assert!((found - wanted).abs() < 1e-9, "{k} {shape} {weight}: {found} {wanted}");
        }
    }

    #[test]
    fn large_counts_go_over_smoothly_to_the_normal_tail() {
        // The same rate judged just below and just above the border of both formulas.
        let (below, above) = (tail(999.0, 90_000.0, 100.0), tail(1001.0, 90_000.0, 100.0));
        assert!((below - above).abs() < 0.2, "{below} {above}");
        assert!(tail(1e12, 1e9, 1e3) >= MOST && tail(0.0, 1.0, 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_hour_that_is_usually_quiet_is_surprised_by_what_noon_is_not() {
        let (mut all, mut noon, mut night) = (Tally::default(), Tally::default(), Tally::default());
        for day in 0..60 {
            for (hour, count) in [(&mut noon, 30.0 + f64::from(day % 5)), (&mut night, f64::from(day % 2))] {
                hour.learn(count);
                all.learn(count);
            }
        }
        assert!(all.rarity(30.0, Some(&noon)) < 1.0);
        assert!(all.rarity(30.0, Some(&night)) > 4.0);
        assert!(all.usual_at_most(30.0, 4.0, Some(&night)) < 20.0);
    }

    #[test]
    fn evenness_is_judged_on_both_sides_after_thirty_windows() {
        let mut spread = Spread::default();
        for i in 0..29 {
            spread.learn(0.5 + 0.02 * f64::from(i % 3));
        }
        assert!(spread.rarity(1.0) == 0.0, "not enough seen");
        for i in 0..100 {
            spread.learn(0.5 + 0.02 * f64::from(i % 3));
        }
        assert!(spread.rarity(0.52) < 0.5 && spread.rarity(1.0) > 4.0 && spread.rarity(0.0) > 4.0);
    }
}
