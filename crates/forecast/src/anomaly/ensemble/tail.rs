//! How far a value lies beyond the largest peaks seen so far.

/// Upper tail of one feature: its largest peaks, one per event.
///
/// # Model
/// Exceedances of a high threshold are close to exponential (Pickands 1975; Davison & Smith 1990, "peaks over threshold";
/// Siffer et al. 2017, SPOT). The threshold is the smallest of the [`KEPT`] largest peaks, the scale the mean excess of
/// these peaks above it (maximum likelihood of the exponential). Peaks nearer than [`APART`] rows are one event and count
/// once, or one bad hour would fill the tail. A record among n past events has probability about 1/n, whatever the
/// distribution, so the number of alarms grows with the logarithm of time and needs no unit.
///
/// Cost of a value: one comparison, rarely an insertion into eight sorted numbers. Memory 80 bytes.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct PeakTail {
    peaks: [f64; KEPT], // INVARIANT: the first `len` are sorted, largest first
    len: u8,
    since: u16,   // rows since the current event began, saturating
    current: f64, // peak of the current event
    seen: u32,    // rows, saturating
}

/// Peaks kept. Fewer react to every record, more need a longer history; 6 to 12 give the same result within noise.
pub(super) const KEPT: usize = 8;
/// Rows within which peaks belong to one event: two hours of five-minute rows.
const APART: u16 = 24;
/// Bound of what one feature can say, so that no single feature raises an alarm alone.
const MOST: f64 = 5.0;
/// Rows after which a tail is half trusted: two days of five-minute rows.
const HALF_TRUST: f64 = 150.0;

impl PeakTail {
    /// Excess above the smallest kept peak in units of the mean excess, 0 (usual) to 5, damped while the history is short.
    pub(super) fn excess(&self, value: f64) -> f64 {
        let Some((scale, threshold)) = self.scale() else { return 0.0 };
        if value <= threshold {
            return 0.0;
        }
        let trust = f64::from(self.seen) / (f64::from(self.seen) + HALF_TRUST);
        ((value - threshold) / scale).min(MOST) * trust
    }

    /// Scale and threshold of the tail once it is full.
    fn scale(&self) -> Option<(f64, f64)> {
        if usize::from(self.len) < KEPT {
            return None;
        }
        let threshold = self.peaks[KEPT - 1];
        let mean = self.peaks.iter().sum::<f64>() / KEPT as f64;
        Some(((mean - threshold).max(1e-12 * (1.0 + threshold.abs())), threshold))
    }

    /// Value at which the excess reaches `times` scales; `None` while learning.
    pub(super) fn bound(&self, times: f64) -> Option<f64> {
        self.scale().map(|(scale, threshold)| threshold + times * scale)
    }

    /// Learns the next value (finite).
    pub(super) fn learn(&mut self, value: f64) {
        let first = self.seen == 0;
        self.seen = self.seen.saturating_add(1);
        self.since = self.since.saturating_add(1);
        if !first && self.since <= APART {
            if value > self.current {
                self.raise_current(value);
            }
        } else if usize::from(self.len) < KEPT || value > self.peaks[KEPT - 1] {
            self.insert(value);
            self.current = value;
            self.since = 0;
        }
    }

    /// The current event has a higher peak: it replaces its old one.
    fn raise_current(&mut self, value: f64) {
        let len = usize::from(self.len);
        if let Some(at) = self.peaks[..len].iter().position(|p| p.to_bits() == self.current.to_bits()) {
            self.peaks.copy_within(at + 1..len, at);
            self.len -= 1;
        }
        self.insert(value);
        self.current = value;
    }

    fn insert(&mut self, value: f64) {
        let len = usize::from(self.len);
        let at = self.peaks[..len].partition_point(|&p| p >= value);
        if at == KEPT {
            return;
        }
        let end = len.min(KEPT - 1);
        self.peaks.copy_within(at..end, at + 1);
        self.peaks[at] = value;
        self.len = u8::try_from(end + 1).unwrap_or(u8::MAX);
    }
}

/// Both tails of a feature.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct TwoTails {
    upper: PeakTail,
    lower: PeakTail,
}

impl TwoTails {
    /// Signed excess: above 0 for unusually high, below 0 for unusually low; then learns.
    pub(super) fn push(&mut self, value: f64) -> f64 {
        let (high, low) = (self.upper.excess(value), self.lower.excess(-value));
        self.upper.learn(value);
        self.lower.learn(-value);
        // Both are above zero only while the history is degenerate; the larger speaks.
        if high >= low { high } else { -low }
    }

    /// Values at which either excess reaches `times` scales.
    pub(super) fn bounds(&self, times: f64) -> Option<(f64, f64)> {
        Some((-self.lower.bound(times)?, self.upper.bound(times)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    #[test]
    fn the_peaks_are_the_largest_of_events_far_enough_apart() {
        let mut tail = PeakTail::default();
        let mut rng = Pcg::new(3);
        let values: Vec<f64> = (0..4000).map(|_| rng.uniform()).collect();
        let mut events: Vec<f64> = Vec::new();
        let (mut begin, mut current) = (None, 0_usize);
        for (i, &v) in values.iter().enumerate() {
            tail.learn(v);
            // The same by brute force over all events.
            let mut sorted = events.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let least = if sorted.len() < KEPT { f64::NEG_INFINITY } else { sorted[KEPT - 1] };
            if begin.is_some_and(|b: usize| i - b <= usize::from(APART)) {
                events[current] = events[current].max(v);
            } else if v > least {
                events.push(v);
                (begin, current) = (Some(i), events.len() - 1);
            }
        }
        events.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(tail.peaks.to_vec(), events[..KEPT]);
    }

    #[test]
    fn a_tail_is_silent_until_full_and_bounded_afterwards() {
        let mut tail = PeakTail::default();
        for i in 0..160 {
            assert!(tail.excess(1e9) == 0.0);
            tail.learn(f64::from(i % 7));
        }
        (0..2000).for_each(|i| tail.learn(f64::from(i % 7)));
        assert!(tail.excess(5.0) == 0.0 && tail.excess(1e9) <= MOST && tail.excess(1e9) > 3.0);
    }

    #[test]
    fn records_of_noise_grow_rarer_with_time() {
        let mut rng = Pcg::new(11);
        let mut tail = TwoTails::default();
        let hits: Vec<usize> = (0..40_000).filter(|_| tail.push(rng.normal()).abs() > 3.0).collect();
        let late = hits.iter().filter(|&&i| i >= 20_000).count();
        assert!(hits.len() < 40 && late <= hits.len() / 2, "{} hits, {late} late", hits.len());
    }
}
