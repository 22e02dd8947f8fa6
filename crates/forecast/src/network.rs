//! Network anomalies: calls between components, each edge judged on its own, and which end is to blame.
//!
//! # Model
//! A caller and a callee measure the same calls. What the caller waits longer than the callee works is time in transit; how
//! much the callee works is not the network's doing and cancels out. Of every edge three things are judged against its own last rows:
//!
//! - **transit**: client latency less server latency, by median and spread of the past. The spread is the largest of 1.4826 · MAD,
//!   a third of the distance from the median to the 95 % quantile, and a share of the usual client latency, since edges with few calls have few
//!   values of latency and jump between them;
//! - **loss**: failed requests, by the tail of a count whose rate is learnt ([`CountTail`]) and is never thought to be known to better than a
//!   tenth of itself, since shares of failures vary by more than chance. What is usual ended half of `past` ago, alarms included: a share
//!   that has risen for good is told for as long and then usual, as a latency is whose median has moved;
//! - **bytes** per request, like transit but on both sides.
//!
//! An alarm is a deviation in two of the last three rows: one row of few calls says little. [`blame`] then names the end that has the
//! larger share of its edges in trouble: a callee with a bad link is slow for all of its callers, a caller with one for all of its
//! callees. Where both ends have the same share the callee is named, because it is what the caller waits for.

use crate::{
    anomaly::CountTail,
    error::{FitError, MAX_MAGNITUDE},
    stats::SortedWindow,
};
use std::collections::VecDeque;

/// What was measured of an edge in a row; NaN where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "plain input")]
pub struct EdgeSample {
    /// Latency that the caller measured (any quantile), in seconds or any other unit.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unknown"))]
    pub client: f64,
    /// The same quantile of the callee's, in the same unit.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unknown"))]
    pub server: f64,
    /// Requests.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unknown"))]
    pub requests: f64,
    /// Failed ones, lost ones included.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unknown"))]
    pub failed: f64,
    /// Bytes both ways.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unknown"))]
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

/// What was last seen of something.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Past(SortedWindow);

impl Past {
    fn learn(&mut self, value: f64, most: usize) {
        self.0.push(value, most);
    }

    fn median(&self) -> f64 {
        self.0.quantile(0.5)
    }

    /// Spread: MAD, or a third of the reach of the upper tail (of the longer one for `both`) where that is larger.
    fn spread(&self, center: f64, both: bool) -> f64 {
        let mut distances: Vec<f64> = self.0.sorted().iter().map(|v| (v - center).abs()).collect();
        let mad = crate::stats::median_in_place(&mut distances);
        let mut reach = self.0.quantile(0.95) - center;
        if both {
            reach = reach.max(center - self.0.quantile(0.05));
        }
        (1.482_602_218_505_602 * mad).max(reach / 3.0)
    }
}

/// Shape of what is known of a share of failures at most: a standard deviation of a tenth of the share. Counts of millions of requests
/// would make it known to parts in a thousand, and every day and night another fault.
const SURE: f64 = 100.0;
/// Part of it that one row can make up, so that a burst of many failures is not the next usual share.
const ROW: f64 = 0.1;

/// Failed requests of an edge.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Loss {
    usual: CountTail,
    /// Failed and all requests of rows that are too young to be usual, oldest first.
    young: VecDeque<(u64, f64)>,
    /// Rows with requests.
    seen: usize,
}

impl Loss {
    fn push(&mut self, failed: u64, requests: f64, settings: &EdgeSettings) -> Off {
        let verdict = self.usual.judge(failed, requests);
        let judged = self.seen >= settings.learn;
        self.seen = self.seen.saturating_add(1);
        // While learning, what was seen counts at once and in full.
        let (lag, row) = if judged { (settings.past / 2, ROW * SURE) } else { (0, SURE) };
        self.young.push_back((failed, requests));
        while self.young.len() > lag
            && let Some((failed, requests)) = self.young.pop_front()
        {
            self.usual.learn_discounted(failed, requests, row, SURE);
        }
        // In decades of probability; a tail of 0 counts as the smallest number there is.
        let ratio = verdict.tail.max(f64::MIN_POSITIVE).ln() / settings.tail.ln();
        (judged && verdict.tail < settings.tail).then_some((ratio, failed as f64, verdict.expected))
    }
}

/// What is known of an edge.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Edge {
    transit: Past,
    client: Past,
    bytes: Past,
    loss: Loss,
    /// Which of the last rows deviated, newest in the lowest bit: transit, loss, bytes.
    lately: [u8; 3],
}

/// Judges all edges row by row. Memory: 7 · `past` numbers for each edge; a row costs O(edges · past).
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
        // As if half a request of a thousand had failed before: by this an edge is judged as long as it has had few requests,
        // and outweighed by thousands of requests or a handful of failures of its own.
        let edge = Edge {
            transit: Past::default(),
            client: Past::default(),
            bytes: Past::default(),
            loss: Loss { usual: CountTail::new(0.5, 1000.0)?, young: VecDeque::new(), seen: 0 },
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
        let ready = |past: &Past| past.0.len() >= settings.learn;
        let off = |past: &Past, value: f64, level: f64, both: bool| -> Off {
            let center = past.median();
            let spread = past.spread(center, both).max(settings.floor * level.abs()).max(1e-12);
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
        // A row without requests says nothing of the share that fails.
        let requests = Some(sample.requests).filter(|r| *r > 0.0 && usable(*r));
        let lost = count(sample.failed).zip(requests).and_then(|(f, r)| self.loss.push(f, r, settings));
        [(EdgeSign::Transit, slow), (EdgeSign::Loss, lost), (EdgeSign::Bytes, large)]
    }
}

/// Ends of edges by how much speaks against them, worst first: the mean over the edges in which they are called, or over those in which they
/// call, of `ln(1 + severity)`, whichever is larger; findings of bytes count as nothing. `calls`: (caller, callee). Ends that no
/// finding concerns are left out; findings of edges that are not there are ignored. O(ends · edges + findings).
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

    /// Rows of so many requests and failures that are found to be a loss.
    fn losses(monitor: &mut EdgeMonitor, rows: impl Iterator<Item = (f64, f64)>) -> Vec<usize> {
        let mut lost = |(requests, failed)| {
            let sample = EdgeSample { requests, failed, ..EdgeSample::latencies(f64::NAN, f64::NAN) };
            !monitor.step(&[sample]).unwrap().is_empty()
        };
        rows.enumerate().filter_map(|(t, row)| lost(row).then_some(t)).collect()
    }

    #[test]
    fn a_share_of_failures_that_has_risen_for_good_is_told_for_a_while_and_then_usual() {
        for (requests, before, after) in [(500.0, 1.0, 20.0), (1e6, 9_000.0, 500_000.0)] {
            let mut monitor = EdgeMonitor::new(1, EdgeSettings::default()).unwrap();
            assert!(losses(&mut monitor, std::iter::repeat_n((requests, before), 300)).is_empty());
            let told = losses(&mut monitor, std::iter::repeat_n((requests, after), 1000));
            assert_eq!(told[..100], (0..100).collect::<Vec<_>>(), "two hours of minutes");
            assert!(told.last() < Some(&250), "{requests}: {told:?}");
        }
    }

    #[test]
    fn days_and_nights_of_many_requests_and_a_burst_are_not_learnt_as_faults() {
        let mut monitor = EdgeMonitor::new(1, EdgeSettings::default()).unwrap();
        let share = |t: usize| if (t / 720).is_multiple_of(2) { 9_000.0 } else { 11_000.0 };
        assert!(losses(&mut monitor, (0..14_400).map(|t| (1e6, share(t)))).is_empty());
        // After ten minutes in which half of all failed, a tenth is still too much, two hours later as well.
        let burst = (0..200).map(|t| (1e6, if t < 10 { 500_000.0 } else { 9_000.0 }));
        assert_eq!(losses(&mut monitor, burst), (0..10).collect::<Vec<_>>());
        assert_eq!(losses(&mut monitor, std::iter::once((1e6, 100_000.0))), [0]);
    }

    #[test]
    fn an_edge_is_judged_after_rows_with_requests_only() {
        let mut monitor = EdgeMonitor::new(1, EdgeSettings::default()).unwrap();
        assert!(losses(&mut monitor, std::iter::repeat_n((0.0, 0.0), 100)).is_empty());
        assert!(losses(&mut monitor, std::iter::repeat_n((500.0, 50.0), 100)).is_empty(), "as it always was");
    }

    #[test]
    fn sizes_that_are_often_small_are_not_judged_by_the_large_ones() {
        let mut rng = Pcg::new(6);
        let mut monitor = EdgeMonitor::new(1, EdgeSettings::default()).unwrap();
        for t in 0..400 {
            let calm = row(&mut rng);
            let bytes = if t % 10 == 9 { 500.0 * 100.0 } else { calm.bytes };
            assert_eq!(monitor.step(&[EdgeSample { bytes, ..calm }]).unwrap(), [], "{t}");
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn samples_with_what_is_not_known_are_stored() {
        let sample = EdgeSample::latencies(0.2, f64::NAN);
        let back: EdgeSample = serde_json::from_str(&serde_json::to_string(&sample).unwrap()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{sample:?}"), "NaN is not equal to itself");
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
        assert_eq!(whole.edges[0].transit.0.len(), 50, "memory is bounded");
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
