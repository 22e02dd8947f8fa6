//! Counts at low rates: errors of disks, memory, processors and links, failed requests.
//!
//! # Model
//! A count of events over an exposure `e` (hours, frames, requests) is Poisson with mean `λ·e`. Single counts are judged by the tail
//! of what the past foretells: with a Gamma prior on `λ` that is a negative binomial ([`CountTail`]). Rates that rise and stay are
//! summed up: the log-likelihood ratio of a faulty over the usual rate, never below zero ([`PoissonCusum`] for counts,
//! [`BernoulliCusum`] for intervals with and without events, which a burst cannot drive up). For such sums the mean time between
//! false alarms is at least `e^height` samples, whatever the rates (Lorden 1971), so that a height follows from the false alarms
//! that are acceptable.
//!
//! Page (1954), Biometrika 41; Lucas (1985), Counted data CUSUM's, Technometrics 27; Lorden (1971), Annals of Mathematical
//! Statistics 42; Wilson & Hilferty (1931), The distribution of chi-square, PNAS 17 (tails of large counts); Reynolds & Stoumbos (1999), A CUSUM chart for monitoring a proportion, Journal of Quality Technology 31.

use crate::error::{FitError, MAX_MAGNITUDE};
use crate::stats::normal_cdf;
use statrs::function::{beta::checked_beta_reg, gamma::checked_gamma_lr, gamma::checked_gamma_ur};

/// Counts and shapes from which on the series of the gamma function take too long and lose their digits.
const LARGE: f64 = 1e8;

/// `P(G ≤ x)` of a Gamma variable with this shape, in standard deviations of the normal distribution (Wilson & Hilferty 1931): from
/// [`LARGE`] on the error is below that of the series.
fn gamma_deviate(shape: f64, x: f64) -> f64 {
    3.0 * shape.sqrt() * ((x / shape).cbrt() - 1.0 + 1.0 / (9.0 * shape))
}

/// `P(X ≥ count)` for a Poisson count with this mean, 0 to 1: 0 for a mean that is no number above 0 and a count above 0, 1 for an infinite
/// one. Where both are above 10⁸ by the normal approximation of Wilson and Hilferty.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::poisson_tail;
/// assert!((poisson_tail(1, 0.5) - (1.0 - (-0.5_f64).exp())).abs() < 1e-14);
/// ```
pub fn poisson_tail(count: u64, mean: f64) -> f64 {
    if count == 0 {
        return 1.0;
    }
    let count = count as f64;
    match () {
        () if mean == f64::INFINITY => 1.0,
        () if mean > LARGE && count > LARGE => normal_cdf(gamma_deviate(count, mean)),
        () if mean > 0.0 => checked_gamma_lr(count, mean).map_or(0.0, |p| p.clamp(0.0, 1.0)),
        () => 0.0,
    }
}

/// `P(X ≥ count)` for a negative binomial count with this mean and shape (variance `mean + mean² / shape`), 0 to 1: 0 for a mean or shape that
/// is no number above 0 and a count above 0, 1 for an infinite mean, Poisson for an infinite shape. Where the count is above 10⁸ and the mean
/// above a million times the shape, it is the tail of the Gamma distributed rate alone.
pub fn negative_binomial_tail(count: u64, mean: f64, shape: f64) -> f64 {
    if count == 0 {
        return 1.0;
    }
    if !(mean > 0.0 && shape > 0.0) {
        return 0.0;
    }
    let many = count as f64;
    match () {
        () if mean == f64::INFINITY => 1.0,
        () if shape == f64::INFINITY => poisson_tail(count, mean),
        // What the count adds to the spread of the rate is below a thousandth of it.
        () if many > LARGE && mean > 1e6 * shape => {
            let x = many / mean * shape;
            if x > LARGE && shape > LARGE {
                normal_cdf(-gamma_deviate(shape, x))
            } else {
                checked_gamma_ur(shape, x).map_or(0.0, |p| p.clamp(0.0, 1.0))
            }
        }
        // Halves, so that the sum stays finite.
        () => checked_beta_reg(many, shape, 0.5 * mean / (0.5 * mean + 0.5 * shape))
            .map_or(0.0, |p| p.clamp(0.0, 1.0)),
    }
}

fn check(name: &'static str, value: f64) -> Result<(), FitError> {
    if value > 0.0 && value <= MAX_MAGNITUDE {
        return Ok(());
    }
    Err(FitError::Setting { name, value, expected: "a number above 0 up to 1e100" })
}

/// What a count was, beside what was usual.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CountVerdict {
    /// Expected count.
    pub expected: f64,
    /// Probability of at least so many, 0 to 1: small is surprising.
    pub tail: f64,
}

/// Tail of a count under a rate that is learnt: the rate is Gamma distributed with shape and exposure of all seen so far, so the
/// next count is negative binomial. 16 bytes, O(1) per count.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::CountTail;
/// let mut errors = CountTail::new(0.5, 1000.0)?; // as if half an error in 1,000 hours had been seen before
/// for _ in 0..720 {
///     errors.push(0, 1.0);
/// }
/// assert!(errors.push(1, 1.0).tail < 1e-3 && errors.push(3, 1.0).tail < 1e-7);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CountTail {
    shape: f64,
    exposure: f64,
}

impl CountTail {
    /// A prior of `shape` events in `exposure`, both above 0. That of a fleet of like machines is the best one.
    pub fn new(shape: f64, exposure: f64) -> Result<Self, FitError> {
        check("shape", shape)?;
        check("exposure", exposure)?;
        Ok(Self { shape, exposure })
    }

    /// Mean rate per unit of exposure.
    pub fn rate(&self) -> f64 {
        self.shape / self.exposure
    }

    /// Judges a count without learning it; an exposure that is not a number above 0 expects nothing and is not surprised.
    pub fn judge(&self, count: u64, exposure: f64) -> CountVerdict {
        if !(exposure > 0.0 && exposure <= MAX_MAGNITUDE) {
            return CountVerdict { expected: 0.0, tail: 1.0 };
        }
        let expected = self.rate() * exposure;
        CountVerdict { expected, tail: negative_binomial_tail(count, expected, self.shape) }
    }

    /// Learns a count; nothing when the exposure is not a number above 0.
    pub fn learn(&mut self, count: u64, exposure: f64) {
        if exposure > 0.0 && exposure <= MAX_MAGNITUDE {
            self.shape += count as f64;
            self.exposure += exposure;
        }
    }

    /// Learns a count as if there had been at most `row` events (found or expected), then forgets evenly what makes the shape larger than
    /// `most`: the rate stays, and is known to `1/√most` of itself at best.
    pub(crate) fn learn_discounted(&mut self, count: u64, exposure: f64, row: f64, most: f64) {
        if !(exposure > 0.0 && exposure <= MAX_MAGNITUDE) {
            return;
        }
        let events = count as f64;
        let weight = (row / events.max(self.rate() * exposure)).min(1.0);
        self.shape += weight * events;
        self.exposure += weight * exposure;
        let kept = (most / self.shape).min(1.0);
        self.shape *= kept;
        self.exposure *= kept;
    }

    /// Judges, then learns.
    pub fn push(&mut self, count: u64, exposure: f64) -> CountVerdict {
        let verdict = self.judge(count, exposure);
        self.learn(count, exposure);
        verdict
    }
}

/// Sum of log-likelihood ratios that never falls below zero.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Sum {
    height: f64,
    now: f64,
}

impl Sum {
    fn add(&mut self, ratio: f64) -> bool {
        self.now = (self.now + ratio).max(0.0);
        let over = self.now >= self.height;
        if over {
            self.now = 0.0;
        }
        over
    }
}

/// Height in nats at which false alarms are at least `samples` samples apart in the mean (Lorden's bound; the truth is several
/// times rarer at low rates).
pub fn height_for(samples: f64) -> f64 {
    samples.max(1.0).ln()
}

/// CUSUM of counts: has the rate risen `ratio`-fold? After an alarm the sum begins anew. 24 bytes, O(1).
///
/// With exposure 1 and `λ` known this is Lucas's chart with reference value `(ratio − 1) λ / ln ratio`, in nats.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{PoissonCusum, height_for};
/// // Half an error an hour; a rate four times as high matters; one false alarm in 10,000 hours.
/// let mut chart = PoissonCusum::new(4.0, height_for(10_000.0))?;
/// assert!((0..200).all(|h| !chart.push(h % 2, 0.5)));
/// let after = (0..50).position(|_| chart.push(2, 0.5)).expect("two an hour are too many");
/// assert!(after < 10);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PoissonCusum {
    ratio: f64,
    sum: Sum,
}

impl PoissonCusum {
    /// `ratio` above 1 of the faulty to the usual rate; `height` above 0, in nats.
    pub fn new(ratio: f64, height: f64) -> Result<Self, FitError> {
        check("height", height)?;
        if !(ratio > 1.0 && ratio <= 1e9) {
            return Err(FitError::Setting { name: "ratio", value: ratio, expected: "above 1 up to 1e9" });
        }
        Ok(Self { ratio, sum: Sum { height, now: 0.0 } })
    }

    /// Takes a count where `mean` was usual; true when the rate has risen. A mean that is no number of at least 0 changes nothing.
    pub fn push(&mut self, count: u64, mean: f64) -> bool {
        self.push_weighted(count as f64, mean)
    }

    /// The same for counts and means that were divided by their dispersion (quasi-Poisson).
    pub(crate) fn push_weighted(&mut self, count: f64, mean: f64) -> bool {
        let usable = (0.0..=MAX_MAGNITUDE).contains(&mean);
        usable && self.sum.add(count * self.ratio.ln() - (self.ratio - 1.0) * mean)
    }

    /// The sum, in nats: 0 up to the height.
    pub fn sum(&self) -> f64 {
        self.sum.now
    }
}

/// CUSUM of intervals that had events, whatever their number: have the odds risen `ratio`-fold? 24 bytes, O(1).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BernoulliCusum {
    ratio: f64,
    sum: Sum,
}

impl BernoulliCusum {
    /// `ratio` above 1 of the faulty to the usual odds; `height` above 0, in nats.
    pub fn new(ratio: f64, height: f64) -> Result<Self, FitError> {
        let PoissonCusum { ratio, sum } = PoissonCusum::new(ratio, height)?;
        Ok(Self { ratio, sum })
    }

    /// Takes whether there was an event where its probability was `usual`; true when the odds have risen. Nothing changes
    /// unless `usual` lies strictly between 0 and 1.
    pub fn push(&mut self, event: bool, usual: f64) -> bool {
        if !(usual > 0.0 && usual < 1.0) {
            return false;
        }
        let faulty = self.ratio * usual / (1.0 + (self.ratio - 1.0) * usual);
        let ratio = if event { (faulty / usual).ln() } else { ((1.0 - faulty) / (1.0 - usual)).ln() };
        self.sum.add(ratio)
    }

    /// The sum, in nats: 0 up to the height.
    pub fn sum(&self) -> f64 {
        self.sum.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    /// Poisson by multiplication (Knuth), for small means.
    fn poisson(rng: &mut Pcg, mean: f64) -> u64 {
        let (limit, mut product, mut count) = ((-mean).exp(), rng.uniform(), 0);
        while product > limit {
            product *= rng.uniform();
            count += 1;
        }
        count
    }

    #[test]
    fn tails_equal_those_of_scipy() {
        // scipy 1.17.1: poisson.sf(count - 1, mean); nbinom.sf(count - 1, shape, shape / (shape + mean)).
        for (count, mean, wanted) in [
            (1, 0.001, 0.0009995001666250082),
            (3, 0.2, 0.0011484812448621328),
            (12, 4.5, 0.0024042835731014948),
            (40, 12.0, 1.5587113102364781e-10),
            (900, 1000.0, 0.9993774022157249),
        ] {
            let found = poisson_tail(count, mean);
            assert!((found / wanted - 1.0).abs() < 1e-9, "{count} {mean}: {found} {wanted}");
        }
        for (count, mean, shape, wanted) in [
            (1, 0.01, 0.5, 0.009852457023325711),
            (5, 0.3, 0.2, 0.008152855528024843),
            (30, 4.0, 2.5, 1.5984154601166086e-05),
            (200, 90.0, 50.0, 2.4405374399097347e-08),
        ] {
            let found = negative_binomial_tail(count, mean, shape);
            assert!((found / wanted - 1.0).abs() < 1e-9, "{count} {mean} {shape}: {found} {wanted}");
        }
        assert_eq!((poisson_tail(0, 1.0), poisson_tail(3, 0.0)), (1.0, 0.0));
    }

    #[test]
    fn tails_of_large_and_infinite_counts_are_probabilities() {
        let infinite = f64::INFINITY;
        assert_eq!((poisson_tail(3, infinite), negative_binomial_tail(3, infinite, 2.0)), (1.0, 1.0));
        assert!((negative_binomial_tail(3, 0.7, infinite) - poisson_tail(3, 0.7)).abs() < 1e-15);
        assert_eq!((poisson_tail(3, f64::NAN), negative_binomial_tail(3, 1.0, f64::NAN)), (0.0, 0.0));
        // The median of a Poisson count is its mean, and five standard deviations above it are as rare as those of a normal variable.
        assert!((poisson_tail(10_000_000_000_000_000, 1e16) - 0.5).abs() < 1e-6);
        let five = poisson_tail(10_000_000_500_000_000, 1e16);
        assert!((five / 2.866_515_7e-7 - 1.0).abs() < 1e-3, "{five}");
        // Both ways of counting agree where one takes over from the other.
        for count in [89_971_540, 90_000_000, 90_047_434] {
            let (exact, normal) =
                (poisson_tail(count, 0.9e8), normal_cdf(gamma_deviate(count as f64, 0.9e8)));
            assert!((exact / normal - 1.0).abs() < 1e-5, "{count}: {exact} {normal}");
        }
        for count in [61_540_000.0, 90_000_000.0, 137_430_000.0] {
            let (mean, shape) = (0.9e8, 89.0);
            let rate = checked_gamma_ur(shape, count / mean * shape).unwrap();
            let p = 0.5 * mean / (0.5 * mean + 0.5 * shape);
            let exact = checked_beta_reg(count, shape, p).unwrap();
            assert!((exact / rate - 1.0).abs() < 1e-4, "{count}: {exact} {rate}");
        }
        for (count, mean) in [(u64::MAX, 1.0), (1, 1e300), (u64::MAX, 1e19), (1, f64::MIN_POSITIVE)] {
            for tail in [poisson_tail(count, mean), negative_binomial_tail(count, mean, 0.5)] {
                assert!((0.0..=1.0).contains(&tail), "{count} {mean}: {tail}");
            }
        }
    }

    #[test]
    fn charts_and_tails_are_as_small_as_they_say() {
        assert_eq!(size_of::<CountTail>(), 16);
        assert_eq!((size_of::<PoissonCusum>(), size_of::<BernoulliCusum>()), (24, 24));
    }

    #[test]
    fn a_learnt_rate_is_less_sure_than_a_known_one() {
        let mut young = CountTail::new(1.0, 10.0).unwrap();
        let mut old = young;
        (0..20).for_each(|i| young.learn(u64::from(i % 10 == 0), 1.0));
        (0..20_000).for_each(|i| old.learn(u64::from(i % 10 == 0), 1.0));
        let known = poisson_tail(4, 0.1);
        assert!(young.judge(4, 1.0).tail > 3.0 * known);
        assert!((old.judge(4, 1.0).tail / known - 1.0).abs() < 0.02);
        assert!(old.judge(4, f64::NAN).tail >= 1.0);
    }

    #[test]
    fn false_alarms_are_at_least_as_rare_as_asked_for_and_faults_are_seen_at_the_expected_speed() {
        let mut rng = Pcg::new(11);
        for (mean, ratio) in [(0.01_f64, 10.0), (0.3, 3.0), (2.0, 2.0)] {
            let mut counts = PoissonCusum::new(ratio, height_for(2000.0)).unwrap();
            let mut intervals = BernoulliCusum::new(ratio, height_for(2000.0)).unwrap();
            let usual = 1.0 - (-mean).exp();
            let (mut by_count, mut by_interval) = (0, 0);
            for _ in 0..400_000 {
                let count = poisson(&mut rng, mean);
                by_count += usize::from(counts.push(count, mean));
                by_interval += usize::from(intervals.push(count > 0, usual));
            }
            assert!(by_count <= 200 && by_interval <= 200, "{mean}: {by_count} {by_interval} of at most 200");
            assert!(by_count >= 2, "{mean}: {by_count}: a chart that never alarms proves nothing");
            // Wald: height over the information of a sample.
            let information = ratio * mean * ratio.ln() - (ratio - 1.0) * mean;
            let mut delay = 0.0;
            for _ in 0..300 {
                let mut chart = PoissonCusum::new(ratio, height_for(2000.0)).unwrap();
                let alarm = (1..1_000_000_u32).find(|_| chart.push(poisson(&mut rng, ratio * mean), mean));
                delay += f64::from(alarm.unwrap());
            }
            let expected = height_for(2000.0) / information;
            assert!((delay / 300.0 / expected - 1.0).abs() < 0.5, "{mean}: {} {expected}", delay / 300.0);
        }
    }

    #[test]
    fn wrong_settings_and_exposures_are_refused_or_ignored() {
        assert!(CountTail::new(0.0, 1.0).is_err() && CountTail::new(1.0, f64::NAN).is_err());
        assert!(PoissonCusum::new(1.0, 5.0).is_err() && BernoulliCusum::new(2.0, 0.0).is_err());
        let mut chart = PoissonCusum::new(2.0, 5.0).unwrap();
        assert!(!chart.push(1000, f64::NAN) && chart.sum() == 0.0);
        let mut odds = BernoulliCusum::new(2.0, 5.0).unwrap();
        assert!(!odds.push(true, 0.0) && odds.sum() == 0.0);
        assert!(chart.push(1000, 1.0), "a thousand for one");
        assert!(chart.sum() <= 0.0, "begins anew");
    }
}
