//! Network anomalies: calls between components, each edge judged on its own, and which end is to blame.
//!
//! # Model
//! A caller and a callee measure the same calls. What the caller waits longer than the callee works is time in transit; how
//! much the callee works is not the network's doing and cancels out. Of every edge three things are judged against its own last rows:
//!
//! - **transit**: client latency less server latency, by median and spread of the past. The spread is the largest of 1.4826 · MAD,
//!   a third of the distance from the median to the 95 % quantile, and a share of the usual client latency, since edges with few calls have few
//!   values of latency and jump between them;
//! - **loss**: failed requests, by the tail of a count whose rate is learnt ([`CountTail`]);
//! - **bytes** per request, like transit but on both sides.
//!
//! An alarm is a deviation in two of the last three rows: one row of few calls says little. [`blame`] then names the end that has the
//! larger share of its edges in trouble: a callee with a bad link is slow for all of its callers, a caller with one for all of its
//! callees. Where both ends have the same share the callee is named, because it is what the caller waits for.

use crate::{
    anomaly::CountTail,
    error::{FitError, MAX_MAGNITUDE},
    stats::quantile_sorted,
};
use std::collections::VecDeque;

/// What was measured of an edge in a row; NaN where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "plain input")]
pub struct EdgeSample {
    /// Latency that the caller measured (any quantile), in seconds or any other unit.
    pub client: f64,
    /// The same quantile of the callee's, in the same unit.
    pub server: f64,
    /// Requests.
    pub requests: f64,
    /// Failed ones, lost ones included.
    pub failed: f64,
    /// Bytes both ways.
    pub bytes: f64,
}

impl EdgeSample {
    /// Latencies only.
    pub const fn latencies(client: f64, server: f64) -> Self {
        Self { client, server, requests: f64::NAN, failed: f64::NAN, bytes: f64::NAN }
    }
}

/// What is wrong with an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum EdgeSign {
    /// Calls take longer than the callee needs for them.
    Transit,
    /// More requests fail.
    Loss,
    /// Requests are larger or smaller than usual.
    Bytes,
}

/// An edge in trouble.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EdgeFinding {
    /// Edge, by position.
    pub edge: usize,
    /// What is wrong.
    pub sign: EdgeSign,
    /// Multiple of the limit, at least 1, at most 1000.
    pub severity: f64,
    /// What was measured: transit time, failed requests or bytes per request.
    pub found: f64,
    /// What was usual.
    pub expected: f64,
    /// Whether it is an alarm: this sign of the edge deviated in two of the last three rows.
    pub alarm: bool,
}

/// How edges are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EdgeSettings {
    /// Rows of the past, 8 to 100,000 (default 240: four hours of minutes).
    pub past: usize,
    /// Rows before an edge is judged, 8 to `past` (default 30).
    pub learn: usize,
    /// Spreads from the median that are too many, above 0 (default 8: latencies have heavy tails).
    pub limit: f64,
    /// Least spread as a share of the usual client latency, 0 to 10 (default 0.05).
    pub floor: f64,
    /// Probability of so many failed requests below which they are too many, 0 to 1 exclusive (default 1e-6).
    pub tail: f64,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self { past: 240, learn: 30, limit: 8.0, floor: 0.05, tail: 1e-6 }
    }
}

/// The last values of something, sorted as well.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Past {
    recent: VecDeque<f64>,
    sorted: Vec<f64>, // INVARIANT: `recent`, sorted
}

impl Past {
    fn learn(&mut self, value: f64, most: usize) {
        if self.recent.len() == most
            && let Some(old) = self.recent.pop_front()
        {
            let at = self.sorted.partition_point(|v| v.total_cmp(&old).is_lt());
            self.sorted.remove(at);
        }
        self.recent.push_back(value);
        let at = self.sorted.partition_point(|v| v.total_cmp(&value).is_lt());
        self.sorted.insert(at, value);
    }

    fn median(&self) -> f64 {
        quantile_sorted(&self.sorted, 0.5)
    }

    /// Spread: MAD, or a third of the reach of the upper (and lower) tail where that is larger.
    fn spread(&self, center: f64) -> f64 {
        let mut distances: Vec<f64> = self.sorted.iter().map(|v| (v - center).abs()).collect();
        let mad = crate::stats::median_in_place(&mut distances);
        let reach = quantile_sorted(&self.sorted, 0.95) - center;
        (1.482_602_218_505_602 * mad).max(reach / 3.0)
    }
}

/// What is known of an edge.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Edge {
    transit: Past,
    client: Past,
    bytes: Past,
    failed: CountTail,
    seen: usize,
    /// Which of the last rows deviated, newest in the lowest bit: transit, loss, bytes.
    lately: [u8; 3],
}

/// Judges all edges row by row. Memory: 6 · `past` numbers for each edge; a row costs O(edges · past).
///
/// # Example
/// ```
/// use ecosystem_forecast::network::{EdgeMonitor, EdgeSample, EdgeSettings, blame};
/// // Front end 0 calls shop 1 and stock 2, the shop calls stock 2 as well.
/// let calls = [(0, 1), (0, 2), (1, 2)];
/// let mut monitor = EdgeMonitor::new(calls.len(), EdgeSettings::default())?;
/// let sample = |t: u32, more: f64| EdgeSample::latencies(0.021 + 0.001 * f64::from(t % 3) + more, 0.020);
/// for t in 0..60 {
///     assert!(monitor.step(&[sample(t, 0.0); 3])?.is_empty());
/// }
/// for t in 60..62 {
///     let found = monitor.step(&[sample(t, 0.0), sample(t, 0.3), sample(t, 0.3)])?;
///     assert_eq!(found.iter().map(|f| f.edge).collect::<Vec<_>>(), [1, 2]);
///     assert_eq!(blame(&calls, &found)[0].0, 2); // all who call the stock wait for the network
///     assert_eq!(found[0].alarm, t == 61);
/// }
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EdgeMonitor {
    settings: EdgeSettings,
    edges: Vec<Edge>,
}

/// A deviation: multiple of the limit, found, expected.
type Off = Option<(f64, f64, f64)>;

fn usable(value: f64) -> bool {
    value.abs() <= MAX_MAGNITUDE
}

/// A count from a measurement.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 0 to 2^53")]
fn count(value: f64) -> Option<u64> {
    (0.0..=9e15).contains(&value).then_some(value.round() as u64)
}

impl EdgeMonitor {
    /// A monitor of so many edges.
    pub fn new(edges: usize, settings: EdgeSettings) -> Result<Self, FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if !(8..=100_000).contains(&settings.past) {
            return refuse("past", settings.past as f64, "8 to 100000 rows");
        }
        if !(8..=settings.past).contains(&settings.learn) {
            return refuse("learn", settings.learn as f64, "8 rows to `past`");
        }
        if !(settings.limit > 0.0 && settings.limit.is_finite()) {
            return refuse("limit", settings.limit, "a positive number");
        }
        if !(0.0..=10.0).contains(&settings.floor) {
            return refuse("floor", settings.floor, "0 to 10");
        }
        if !(settings.tail > 0.0 && settings.tail < 1.0) {
            return refuse("tail", settings.tail, "between 0 and 1");
        }
        // As if half a request of a thousand had failed: replaced by the edge's own share before it is judged.
        let edge = Edge {
            transit: Past::default(),
            client: Past::default(),
            bytes: Past::default(),
            failed: CountTail::new(0.5, 1000.0)?,
            seen: 0,
            lately: [0; 3],
        };
        Ok(Self { settings, edges: vec![edge; edges] })
    }

    /// Judges a row, one sample per edge, then learns it. Findings are in the order of the edges.
    pub fn step(&mut self, samples: &[EdgeSample]) -> Result<Vec<EdgeFinding>, FitError> {
        if samples.len() != self.edges.len() {
            let (needed, found) = (self.edges.len(), samples.len());
            return Err(FitError::Length { name: "samples", needed, found });
        }
        let settings = self.settings;
        let mut findings = Vec::new();
        for (number, (edge, sample)) in self.edges.iter_mut().zip(samples).enumerate() {
            for (sign, off) in edge.push(sample, &settings) {
                let lately = &mut edge.lately[sign as usize];
                *lately = (*lately << 1 | u8::from(off.is_some())) & 0b111;
                let alarm = lately.count_ones() >= 2;
                let finding = |(severity, found, expected): (f64, f64, f64)| EdgeFinding {
                    edge: number,
                    sign,
                    severity: severity.min(1000.0),
                    found,
                    expected,
                    alarm,
                };
                findings.extend(off.map(finding));
            }
        }
        Ok(findings)
    }
}

impl Edge {
    fn push(&mut self, sample: &EdgeSample, settings: &EdgeSettings) -> [(EdgeSign, Off); 3] {
        let ready = |past: &Past| past.recent.len() >= settings.learn;
        let off = |past: &Past, value: f64, level: f64, both: bool| -> Off {
            let center = past.median();
            let spread = past.spread(center).max(settings.floor * level.abs()).max(1e-12);
            let distance = (value - center) / (settings.limit * spread);
            let distance = if both { distance.abs() } else { distance };
            (distance >= 1.0).then_some((distance, value, center))
        };
        let transit = sample.client - sample.server;
        let slow = (usable(transit) && ready(&self.transit))
            .then(|| off(&self.transit, transit, self.client.median(), false))
            .flatten();
        if usable(transit) {
            self.transit.learn(transit, settings.past);
            self.client.learn(sample.client, settings.past);
        }
        let size = sample.bytes / sample.requests;
        let large = (usable(size) && ready(&self.bytes))
            .then(|| off(&self.bytes, size, self.bytes.median(), true))
            .flatten();
        if usable(size) {
            self.bytes.learn(size, settings.past);
        }
        let mut lost = None;
        if let (Some(failed), true) = (count(sample.failed), usable(sample.requests)) {
            let verdict = self.failed.judge(failed, sample.requests);
            if self.seen >= settings.learn && verdict.tail < settings.tail {
                // In decades of probability; a tail of 0 counts as the smallest number there is.
                let ratio = verdict.tail.max(f64::MIN_POSITIVE).ln() / settings.tail.ln();
                lost = Some((ratio, failed as f64, verdict.expected));
            } else {
                // What was judged a fault would make the next one usual.
                self.failed.learn(failed, sample.requests);
            }
            self.seen = self.seen.saturating_add(1);
        }
        [(EdgeSign::Transit, slow), (EdgeSign::Loss, lost), (EdgeSign::Bytes, large)]
    }
}

/// Ends of edges by how much speaks against them, worst first: the mean over the edges in which they are called, or over those in which they
/// call, of `ln(1 + severity)`, whichever is larger; findings of bytes count as nothing. `calls`: (caller, callee). Ends that no
/// finding concerns are left out; findings of edges that are not there are ignored. O(edges + findings).
pub fn blame(calls: &[(usize, usize)], findings: &[EdgeFinding]) -> Vec<(usize, f64)> {
    let mut weight = vec![0.0_f64; calls.len()];
    for finding in findings.iter().filter(|f| f.sign != EdgeSign::Bytes) {
        if let Some(w) = weight.get_mut(finding.edge) {
            *w = w.max(finding.severity.ln_1p());
        }
    }
    let mut ends: Vec<usize> = calls.iter().flat_map(|&(a, b)| [a, b]).collect();
    ends.sort_unstable();
    ends.dedup();
    let mean = |of: &dyn Fn(&(usize, usize)) -> bool| {
        let (mut sum, mut n) = (0.0, 0.0_f64);
        for (_, w) in calls.iter().zip(&weight).filter(|(call, _)| of(call)) {
            (sum, n) = (sum + w, n + 1.0);
        }
        sum / n.max(1.0)
    };
    let mut ranked: Vec<(usize, f64, f64)> = ends
        .into_iter()
        .map(|end| {
            let called = mean(&|call| call.1 == end);
            (end, called.max(mean(&|call| call.0 == end)), called)
        })
        .filter(|r| r.1 > 0.0)
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.2.total_cmp(&a.2)).then(a.0.cmp(&b.0)));
    ranked.into_iter().map(|(end, score, _)| (end, score)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    fn row(rng: &mut Pcg) -> EdgeSample {
        EdgeSample {
            client: 0.02 + 0.001 * rng.normal().abs(),
            server: 0.015,
            requests: 500.0,
            failed: f64::from(u8::from(rng.uniform() < 0.3)),
            bytes: 500.0 * (900.0 + 30.0 * rng.normal()),
        }
    }

    #[test]
    fn loss_and_size_of_an_edge_are_told_apart_from_a_slow_callee() {
        let mut rng = Pcg::new(5);
        let mut monitor = EdgeMonitor::new(1, EdgeSettings::default()).unwrap();
        for _ in 0..400 {
            let calm = row(&mut rng);
            assert_eq!(monitor.step(&[calm]).unwrap(), []);
        }
        let usual = row(&mut rng);
        let signs = |sample: EdgeSample| -> Vec<EdgeSign> {
            monitor.clone().step(&[sample]).unwrap().iter().map(|f| f.sign).collect()
        };
        assert_eq!(signs(EdgeSample { failed: 20.0, ..usual }), [EdgeSign::Loss]);
        assert_eq!(signs(EdgeSample { bytes: 500.0 * 90.0, ..usual }), [EdgeSign::Bytes]);
        assert_eq!(signs(EdgeSample { client: 0.5, ..usual }), [EdgeSign::Transit]);
        assert_eq!(
            signs(EdgeSample { client: 0.5, server: 0.495, ..usual }),
            [],
            "the callee is slow itself"
        );
        assert_eq!(signs(EdgeSample::latencies(f64::NAN, f64::NAN)), []);
    }

    #[test]
    fn a_saved_monitor_goes_on_with_the_same_bits() {
        let mut rng = Pcg::new(8);
        let rows: Vec<EdgeSample> = (0..300).map(|_| row(&mut rng)).collect();
        let mut whole = EdgeMonitor::new(1, EdgeSettings { past: 50, ..EdgeSettings::default() }).unwrap();
        rows[..200].iter().for_each(|r| drop(whole.step(&[*r]).unwrap()));
        #[cfg(feature = "serde")]
        let mut part: EdgeMonitor = serde_json::from_str(&serde_json::to_string(&whole).unwrap()).unwrap();
        #[cfg(not(feature = "serde"))]
        let mut part = whole.clone();
        for r in &rows[200..] {
            let worse = EdgeSample { client: 5.0 * r.client, ..*r };
            assert_eq!(whole.step(&[worse]).unwrap(), part.step(&[worse]).unwrap());
        }
        assert_eq!(whole, part);
        assert_eq!(whole.edges[0].transit.recent.len(), 50, "memory is bounded");
    }

    #[test]
    fn wrong_input_is_refused() {
        let with = |past, learn| EdgeSettings { past, learn, ..EdgeSettings::default() };
        assert!(EdgeMonitor::new(1, with(4, 4)).is_err() && EdgeMonitor::new(1, with(50, 60)).is_err());
        let mut monitor = EdgeMonitor::new(2, EdgeSettings::default()).unwrap();
        let wrong = monitor.step(&[EdgeSample::latencies(1.0, 1.0)]);
        assert_eq!(wrong, Err(FitError::Length { name: "samples", needed: 2, found: 1 }));
        assert!(blame(&[], &[]).is_empty());
    }
}
