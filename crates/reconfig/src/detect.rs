//! Failure detectors: how silence turns into suspicion. Pure functions of time; heartbeats go in, a level comes out.
//!
//! | detector | model | source |
//! | --- | --- | --- |
//! | [`PhiNormal`] | intervals are normal with an acceptable pause | Akka `PhiAccrualFailureDetector` (Hayashibara et al. 2004) |
//! | [`PhiExponential`] | intervals are exponential | Cassandra `FailureDetector` |
//! | [`KOfN`] | so many of so many observers agree | majority voting |
//! | [`Suspicion`] | the wait shrinks with every confirmation | SWIM with Lifeguard (memberlist) |
//!
//! The engine itself uses silence for a fixed time, or the silence [`PhiNormal`] allows; see
//! [`Detector`](crate::Detector).

use ecosystem_core::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Phi accrual detector with a normal model of heartbeat intervals.
///
/// `phi = -log10(1 - F(t))` with the logistic approximation of the normal distribution that Akka uses; `t` is the
/// time since the last heartbeat, the mean is that of the window plus an acceptable pause, the deviation at least a
/// minimum.
///
/// # Example
/// ```
/// use ecosystem_reconfig::detect::PhiNormal;
/// use ecosystem_core::Timestamp;
/// use std::time::Duration;
///
/// let mut phi = PhiNormal::new(Duration::from_secs(1));
/// for second in 0..60 {
///     phi.heartbeat(Timestamp::from_unix_ms(second * 1_000));
/// }
/// assert!(phi.phi(Timestamp::from_unix_ms(60_000)) < 1.0);
/// assert!(phi.phi(Timestamp::from_unix_ms(70_000)) > 8.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PhiNormal {
    window: Window,
    /// Added to the mean: pauses, such as garbage collection, that are no failure. 3 s by default.
    pub pause: Duration,
    /// Smallest deviation. 100 ms by default.
    pub deviation_min: Duration,
    /// Level above which a host is not available. 8 by default: one false alarm in 10⁸ intervals by the model.
    pub threshold: f64,
}

impl PhiNormal {
    /// A detector that expects heartbeats so far apart, with Akka's cluster defaults and a window of 1,000.
    pub fn new(expected: Duration) -> Self {
        let mut window = Window::new(1_000);
        let ms = expected.as_secs_f64() * 1_000.0;
        window.push(ms - ms / 4.0);
        window.push(ms + ms / 4.0);
        Self {
            window,
            pause: Duration::from_secs(3),
            deviation_min: Duration::from_millis(100),
            threshold: 8.0,
        }
    }

    /// A heartbeat came. Its interval is learned only if the host was available, so that outages do not teach
    /// patience.
    pub fn heartbeat(&mut self, now: Timestamp) {
        let available = self.phi(now) < self.threshold;
        self.window.heartbeat(now, available);
    }

    /// Level of suspicion at a moment; 0 before the first heartbeat.
    pub fn phi(&self, now: Timestamp) -> f64 {
        self.window.newest.map_or(0.0, |last| self.phi_after(now.saturating_since(last)))
    }

    /// Level of suspicion after so much silence.
    pub fn phi_after(&self, silence: Duration) -> f64 {
        let (mean, deviation) = self.model();
        phi_normal(silence.as_secs_f64() * 1_000.0, mean, deviation)
    }

    /// Silence after which the level reaches the threshold, to the millisecond.
    pub fn silence_allowed(&self) -> Duration {
        let (mean, deviation) = self.model();
        let (mut low, mut high) = (0_u64, 1_u64 << 40);
        while low < high {
            let middle = low.midpoint(high);
            if phi_normal(middle as f64, mean, deviation) >= self.threshold {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Duration::from_millis(low)
    }

    fn model(&self) -> (f64, f64) {
        let (mean, deviation) = self.window.moments();
        let pause = self.pause.as_secs_f64() * 1_000.0;
        (mean + pause, deviation.max(self.deviation_min.as_secs_f64() * 1_000.0))
    }
}

/// Level of suspicion `t` milliseconds after the last heartbeat for a mean interval and a deviation in milliseconds.
///
/// # Example
/// ```
/// use ecosystem_reconfig::detect::phi_normal;
///
/// assert!((phi_normal(1_200.0, 1_000.0, 100.0) - 1.6428).abs() < 5e-5);
/// ```
pub fn phi_normal(t: f64, mean: f64, deviation: f64) -> f64 {
    let y = (t - mean) / deviation;
    let e = (-y * (1.5976 + 0.070_566 * y * y)).exp();
    if t > mean { -(e / (1.0 + e)).log10() } else { -(1.0 - 1.0 / (1.0 + e)).log10() }
}

/// Phi accrual detector with an exponential model of heartbeat intervals: `phi = t / (mean · ln 10)`.
#[derive(Clone, Debug, PartialEq)]
pub struct PhiExponential {
    window: Window,
    /// Level above which a host is not available. 8 by default.
    pub threshold: f64,
}

impl PhiExponential {
    /// A detector that expects heartbeats so far apart; the first learned interval is half of that, as in Cassandra.
    pub fn new(expected: Duration) -> Self {
        let mut window = Window::new(1_000);
        window.push(expected.as_secs_f64() * 500.0);
        Self { window, threshold: 8.0 }
    }

    /// A heartbeat came.
    pub fn heartbeat(&mut self, now: Timestamp) {
        self.window.heartbeat(now, true);
    }

    /// Level of suspicion at a moment; 0 before the first heartbeat.
    pub fn phi(&self, now: Timestamp) -> f64 {
        let (mean, _) = self.window.moments();
        self.window
            .newest
            .map_or(0.0, |last| phi_exponential(now.saturating_since(last).as_secs_f64() * 1_000.0, mean))
    }
}

/// Level of suspicion `t` milliseconds after the last heartbeat for a mean interval in milliseconds.
pub fn phi_exponential(t: f64, mean: f64) -> f64 {
    t / (mean * std::f64::consts::LN_10)
}

/// The last intervals, in milliseconds, with running sums.
#[derive(Clone, Debug, PartialEq)]
struct Window {
    intervals: VecDeque<f64>,
    size: usize,
    newest: Option<Timestamp>,
}

impl Window {
    const fn new(size: usize) -> Self {
        Self { intervals: VecDeque::new(), size, newest: None }
    }

    fn push(&mut self, interval_ms: f64) {
        if self.intervals.len() == self.size {
            self.intervals.pop_front();
        }
        self.intervals.push_back(interval_ms);
    }

    fn heartbeat(&mut self, now: Timestamp, learn: bool) {
        if let Some(last) = self.newest.filter(|_| learn) {
            self.push(now.saturating_since(last).as_secs_f64() * 1_000.0);
        }
        self.newest = Some(self.newest.map_or(now, |last| last.max(now)));
    }

    fn moments(&self) -> (f64, f64) {
        let n = self.intervals.len().max(1) as f64;
        let mean = self.intervals.iter().sum::<f64>() / n;
        let variance = self.intervals.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
        (mean, variance.sqrt())
    }
}

/// Observers vote; a host is suspect while at least `k` votes are fresh.
///
/// # Example
/// ```
/// use ecosystem_reconfig::detect::KOfN;
/// use ecosystem_core::Timestamp;
/// use std::time::Duration;
///
/// let mut votes = KOfN::new(2, Duration::from_secs(30));
/// let at = Timestamp::from_unix_ms;
/// votes.suspect("rack-1", at(0));
/// votes.suspect("rack-1", at(1_000));
/// assert!(!votes.is_suspect(at(1_000)), "one observer, however often");
/// votes.suspect("rack-2", at(2_000));
/// assert!(votes.is_suspect(at(2_000)));
/// assert!(!votes.is_suspect(at(32_001)), "votes grow old");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KOfN {
    needed: usize,
    fresh: Duration,
    votes: BTreeMap<String, Timestamp>,
}

impl KOfN {
    /// So many different observers must agree within a time.
    pub const fn new(needed: usize, fresh: Duration) -> Self {
        Self { needed, fresh, votes: BTreeMap::new() }
    }

    /// An observer suspects the host.
    pub fn suspect(&mut self, observer: &str, now: Timestamp) {
        self.votes.insert(observer.to_owned(), now);
    }

    /// An observer takes its vote back.
    pub fn retract(&mut self, observer: &str) {
        self.votes.remove(observer);
    }

    /// True while enough votes are fresh.
    pub fn is_suspect(&self, now: Timestamp) -> bool {
        let fresh = self.votes.values().filter(|&&at| now.saturating_since(at) <= self.fresh).count();
        fresh >= self.needed
    }
}

/// SWIM's suspicion with Lifeguard's shrinking timeout: between `4 · max(1, log10 n)` probe intervals and six times
/// that, shorter with every independent confirmation.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the parameters of the published formula")]
pub struct Suspicion {
    /// Members of the group.
    pub members: u32,
    /// Time between probes.
    pub interval: Duration,
    /// Confirmations expected before the shortest timeout holds.
    pub confirmations: u32,
}

impl Suspicion {
    /// Shortest time from suspicion to death.
    pub fn shortest(&self) -> Duration {
        let scale = f64::from(self.members.max(1)).log10().max(1.0);
        self.interval.mul_f64(4.0 * scale)
    }

    /// Longest time from suspicion to death.
    pub fn longest(&self) -> Duration {
        self.shortest() * 6
    }

    /// Time from suspicion to death with so many confirmations:
    /// `max − (max − min) · ln(k' + 1) / ln(k + 1)`, never below the shortest.
    pub fn timeout(&self, confirmed: u32) -> Duration {
        let (low, high) = (self.shortest(), self.longest());
        if self.confirmations == 0 {
            return low;
        }
        let share = f64::from(confirmed + 1).ln() / f64::from(self.confirmations + 1).ln();
        high.saturating_sub(high.saturating_sub(low).mul_f64(share.min(1.0))).max(low)
    }

    /// How often a message is passed on: `4 · ⌈log10(n + 1)⌉`.
    pub fn retransmissions(&self) -> u32 {
        let mut power = 0;
        let mut reach = 1_u64;
        while reach < u64::from(self.members) + 1 {
            reach *= 10;
            power += 1;
        }
        4 * power
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    #[test]
    fn the_normal_model_gives_akkas_numbers() {
        // Akka PhiAccrualFailureDetector.scala evaluated for mean 1000, deviation 100; tolerance: printed digits.
        let expected = [
            (900.0, 0.0750),
            (1_000.0, 2.0_f64.log10()),
            (1_200.0, 1.6428),
            (1_500.0, 7.2999),
            (2_000.0, 37.585),
        ];
        for (t, phi) in expected {
            let found = phi_normal(t, 1_000.0, 100.0);
            assert!((found - phi).abs() < 5e-4, "{t}: {found}, expected {phi}");
        }
    }

    #[test]
    fn the_exponential_model_gives_cassandras_numbers() {
        // Cassandra FailureDetector.java for a mean of 1000 ms; phi reaches 8 at 18 421 ms.
        assert!((phi_exponential(8_000.0, 1_000.0) - 3.474).abs() < 5e-4);
        assert!((phi_exponential(18_421.0, 1_000.0) - 8.0).abs() < 5e-4);
    }

    #[test]
    fn silence_is_allowed_until_the_threshold_and_not_longer() {
        let mut phi = PhiNormal::new(Duration::from_secs(1));
        for k in 0..200 {
            phi.heartbeat(at(k * 1_000 + (k % 3) * 20));
        }
        let allowed = phi.silence_allowed();
        assert!(
            phi.phi_after(allowed) >= 8.0
                && phi.phi_after(allowed.saturating_sub(Duration::from_millis(1))) < 8.0
        );
        assert!(allowed > Duration::from_secs(4) && allowed < Duration::from_secs(6), "{allowed:?}");
    }

    #[test]
    fn an_outage_does_not_teach_patience() {
        let mut phi = PhiNormal::new(Duration::from_secs(1));
        (0..100).for_each(|k| phi.heartbeat(at(k * 1_000)));
        let before = phi.silence_allowed();
        phi.heartbeat(at(600_000));
        assert_eq!(phi.silence_allowed(), before);
    }

    #[test]
    fn suspicion_shrinks_from_longest_to_shortest_with_confirmations() {
        // memberlist's LAN defaults for 100 members: 4 * 2 * 1 s = 8 s shortest, 48 s longest; k = 2.
        let swim = Suspicion { members: 100, interval: Duration::from_secs(1), confirmations: 2 };
        assert_eq!((swim.shortest(), swim.longest()), (Duration::from_secs(8), Duration::from_secs(48)));
        assert_eq!(swim.timeout(0), swim.longest());
        let one = 48.0 - 40.0 * 2.0_f64.ln() / 3.0_f64.ln();
        assert!((swim.timeout(1).as_secs_f64() - one).abs() < 1e-6);
        assert_eq!((swim.timeout(2), swim.timeout(9)), (swim.shortest(), swim.shortest()));
        assert_eq!(swim.retransmissions(), 12);
    }
}
