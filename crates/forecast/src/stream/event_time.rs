//! Event-time windows with a watermark: results that do not depend on the order of arrival.

use super::{Moments, QuantileSketch};
use std::collections::BTreeMap;

/// Summaries per window of event time, closed by a watermark.
///
/// The watermark is the largest event time seen less the allowed lateness. A window is emitted once, in order, when the
/// watermark passes its end; a sample older than the watermark's windows is counted as late and changes nothing. As long as
/// no sample is later than allowed, the emitted counts, quantiles, minima and maxima are the same for every order of arrival
/// (sums of the mean are formed from sorted values, so they are, too). Sliding windows: `step` smaller than `length`.
///
/// Akidau et al. (2015), The Dataflow model, PVLDB 8.
///
/// # Example
/// ```
/// use ecosystem_forecast::stream::EventWindows;
/// let mut windows = EventWindows::new(1000, 1000, 500)?;
/// for (at, value) in [(100, 1.0), (1200, 5.0), (900, 3.0)] {    // 900 arrives after 1200
///     windows.push(at, value);
/// }
/// assert!(windows.poll().is_none());                            // watermark is 700
/// windows.push(1600, 6.0);                                      // watermark 1100: the first window is complete
/// let first = windows.poll().expect("complete");
/// assert_eq!((first.start_unix_ms, first.moments.count(), first.moments.mean()), (0, 2, Some(2.0)));
/// # Ok::<(), ecosystem_forecast::stream::WindowError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EventWindows {
    length_ms: u64,
    step_ms: u64,
    lateness_ms: u64,
    newest_unix_ms: u64,
    open: BTreeMap<u64, Vec<f64>>, // by start
    emitted_before: u64,           // windows that start before this are closed
    late: u64,
    dropped: u64,
    samples: usize,
}

/// One closed window.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WindowSummary {
    /// First moment inside.
    pub start_unix_ms: u64,
    /// First moment after.
    pub end_unix_ms: u64,
    /// Count, mean, variance, extremes.
    pub moments: Moments,
    /// Quantiles with 1 % relative error.
    pub quantiles: QuantileSketch,
}

/// How far event time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Watermarked {
    /// Every window that ends at or before this moment is closed.
    pub watermark_unix_ms: u64,
    /// Samples that came after their windows were closed.
    pub late: u64,
    /// Samples refused because too many were waiting.
    pub dropped: u64,
}

/// Why event-time windows could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// Length or step of zero, or a step longer than the window, or more than 1,000 windows over each moment.
    #[error("window of {length_ms} ms every {step_ms} ms: expected 1 ms <= step <= length <= 1000 steps")]
    Shape {
        /// Length given.
        length_ms: u64,
        /// Step given.
        step_ms: u64,
    },
}

/// Most samples that wait in open windows; further ones are dropped and counted.
const MAX_WAITING: usize = 1 << 22;

impl EventWindows {
    /// Windows of `length_ms` every `step_ms`, closed `lateness_ms` after their end in event time.
    pub fn new(length_ms: u64, step_ms: u64, lateness_ms: u64) -> Result<Self, WindowError> {
        if step_ms == 0 || step_ms > length_ms || length_ms / step_ms > 1000 {
            return Err(WindowError::Shape { length_ms, step_ms });
        }
        Ok(Self {
            length_ms,
            step_ms,
            lateness_ms,
            newest_unix_ms: 0,
            open: BTreeMap::new(),
            emitted_before: 0,
            late: 0,
            dropped: 0,
            samples: 0,
        })
    }

    /// Takes a sample; NaN and infinities only move the watermark.
    pub fn push(&mut self, at_unix_ms: u64, value: f64) {
        self.newest_unix_ms = self.newest_unix_ms.max(at_unix_ms);
        if !value.is_finite() {
            return;
        }
        // Latest window start at or before the sample, then backwards while the window still covers it.
        let mut start = at_unix_ms / self.step_ms * self.step_ms;
        let mut any = false;
        while at_unix_ms - start < self.length_ms {
            if start >= self.emitted_before {
                if self.samples >= MAX_WAITING {
                    self.dropped = self.dropped.saturating_add(1);
                    return;
                }
                self.open.entry(start).or_default().push(value);
                self.samples += 1;
                any = true;
            }
            let Some(before) = start.checked_sub(self.step_ms) else { break };
            start = before;
        }
        if !any {
            self.late = self.late.saturating_add(1);
        }
    }

    /// Moves the watermark without a sample (an idle source).
    pub fn advance_to(&mut self, at_unix_ms: u64) {
        self.newest_unix_ms = self.newest_unix_ms.max(at_unix_ms);
    }

    /// Progress and losses.
    pub const fn progress(&self) -> Watermarked {
        Watermarked {
            watermark_unix_ms: self.newest_unix_ms.saturating_sub(self.lateness_ms),
            late: self.late,
            dropped: self.dropped,
        }
    }

    /// The next complete window in order of event time; windows without samples are skipped. Call until `None`.
    pub fn poll(&mut self) -> Option<WindowSummary> {
        let watermark = self.progress().watermark_unix_ms;
        let (&start, _) = self.open.first_key_value()?;
        let end = start.saturating_add(self.length_ms);
        if end > watermark {
            return None;
        }
        let mut values = self.open.remove(&start)?;
        self.samples -= values.len();
        self.emitted_before = start + 1;
        values.sort_unstable_by(f64::total_cmp); // sums are then the same for every order of arrival
        let mut moments = Moments::default();
        let mut quantiles = QuantileSketch::new(0.01).ok()?;
        for v in values {
            moments.push(v);
            quantiles.push(v);
        }
        Some(WindowSummary { start_unix_ms: start, end_unix_ms: end, moments, quantiles })
    }

    /// Closes everything that is open, in order: the end of the stream.
    pub fn finish(&mut self) -> Vec<WindowSummary> {
        let end = self.open.last_key_value().map_or(0, |(s, _)| s.saturating_add(self.length_ms));
        self.advance_to(end.saturating_add(self.lateness_ms));
        std::iter::from_fn(|| self.poll()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arrival_order_within_the_lateness_never_changes_the_result(
            samples in prop::collection::vec((0_u64..5000, -100.0..100.0_f64), 1..80), seed in any::<u64>(), step in 1_u64..4,
        ) {
            let run = |order: &[(u64, f64)]| {
                let mut windows = EventWindows::new(600, 200 * step, 6000).unwrap();
                let mut out = Vec::new();
                for &(at, v) in order {
                    windows.push(at, v);
                    out.extend(std::iter::from_fn(|| windows.poll()));
                }
                out.extend(windows.finish());
                assert_eq!(windows.progress().late, 0);
                out
            };
            let mut shuffled = samples.clone();
            let mut rng = crate::rng::Pcg::new(seed);
            for i in (1..shuffled.len()).rev() {
                let j = rng.next_u32() as usize % (i + 1);
                shuffled.swap(i, j);
            }
            prop_assert_eq!(run(&samples), run(&shuffled));
        }
    }

    #[test]
    fn late_samples_are_counted_and_change_nothing() {
        let mut windows = EventWindows::new(100, 100, 0).unwrap();
        windows.push(50, 1.0);
        windows.push(250, 2.0);
        assert_eq!(windows.poll().unwrap().moments.count(), 1);
        windows.push(60, 9.0);
        assert_eq!(windows.progress().late, 1);
        assert!(windows.poll().is_none());
    }
}
