//! Windows by the events' own time, closed by a watermark.

use super::Summary;
use std::collections::BTreeMap;

/// How time is cut into windows, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum WindowKind {
    /// Adjacent windows [k·size, (k+1)·size).
    Tumbling {
        /// Length.
        size_ms: u64,
    },
    /// Overlapping windows [k·step, k·step + size).
    Sliding {
        /// Length.
        size_ms: u64,
        /// Distance of starts, at most the length.
        step_ms: u64,
    },
    /// Events of a key that are less than `gap` apart share a window [first, last + gap).
    Session {
        /// Silence that ends a session.
        gap_ms: u64,
    },
}

/// Most windows an event may belong to.
const MOST_OVERLAP: u64 = 1_000;

/// Why windows could not be set up or an event not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// A length is zero, or a sliding window overlaps too much or leaves holes.
    #[error(
        "window {kind:?}: lengths must be positive, the step at most the size and at least a thousandth of it"
    )]
    Kind {
        /// As given.
        kind: WindowKind,
    },
    /// Too many windows are open; advance the watermark.
    #[error("{open} windows are open, at most {most} are allowed")]
    Full {
        /// Windows open now.
        open: usize,
        /// The limit.
        most: usize,
    },
}

/// An event that came after its window was closed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LateEvent<K> {
    /// Its key.
    pub key: K,
    /// Its time.
    pub at_ms: u64,
    /// Its value.
    pub value: f64,
    /// The watermark it missed.
    pub watermark_ms: u64,
}

/// A finished window.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ClosedWindow<K, S> {
    /// The key of its events.
    pub key: K,
    /// Start, inclusive.
    pub start_ms: u64,
    /// End, exclusive.
    pub end_ms: u64,
    /// Summary of its events.
    pub summary: S,
}

/// Assigns events to windows per key and closes windows as the watermark passes.
///
/// # Model
/// The watermark is a promise: no event with a time below it follows. A window is closed when the watermark reaches its
/// end, plus the allowed lateness. Until then events may come in any order; with a commutative summary (all of this module
/// are) the closed windows are the same, bit for bit, in every order. An event all of whose windows are closed is handed
/// back as a [`LateEvent`]; nothing is dropped silently.
///
/// Closed windows come sorted by end, start and key.
///
/// # Example
/// ```
/// use ecosystem_forecast::window::{EventWindows, Moments, WindowKind};
/// let mut windows = EventWindows::<&str, Moments>::new(WindowKind::Tumbling { size_ms: 60_000 }, 0)?;
/// windows.push("web-1", 61_000, 7.0)?;
/// windows.push("web-1", 59_000, 3.0)?; // out of order
/// let closed = windows.advance(60_000);
/// assert_eq!((closed.len(), closed[0].end_ms, closed[0].summary.mean()), (1, 60_000, 3.0));
/// assert!(windows.push("web-1", 58_000, 1.0)?.is_some()); // too late
/// # Ok::<(), ecosystem_forecast::window::WindowError>(())
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(bound(
        serialize = "K: Ord + serde::Serialize, S: serde::Serialize",
        deserialize = "K: Ord + serde::Deserialize<'de>, S: serde::Deserialize<'de>"
    ))
)]
pub struct EventWindows<K, S> {
    kind: WindowKind,
    lateness_ms: u64,
    watermark_ms: u64,
    most: usize,
    open: usize,
    /// Per key and start: end and summary.
    windows: BTreeMap<K, BTreeMap<u64, (u64, S)>>,
}

impl<K: Ord + Clone, S: Summary> EventWindows<K, S> {
    /// Windows of a kind that stay open for `lateness_ms` after the watermark passes their end.
    pub fn new(kind: WindowKind, lateness_ms: u64) -> Result<Self, WindowError> {
        let valid = match kind {
            WindowKind::Tumbling { size_ms } => size_ms > 0,
            WindowKind::Sliding { size_ms, step_ms } => {
                step_ms > 0 && step_ms <= size_ms && size_ms.div_ceil(step_ms) <= MOST_OVERLAP
            }
            WindowKind::Session { gap_ms } => gap_ms > 0,
        };
        if !valid {
            return Err(WindowError::Kind { kind });
        }
        Ok(Self { kind, lateness_ms, watermark_ms: 0, most: 1_000_000, open: 0, windows: BTreeMap::new() })
    }

    /// Another limit on the number of open windows (default one million).
    #[must_use]
    pub fn with_most_open(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// The watermark.
    pub fn watermark_ms(&self) -> u64 {
        self.watermark_ms
    }

    /// Number of open windows.
    pub fn open(&self) -> usize {
        self.open
    }

    fn is_closed(&self, end_ms: u64) -> bool {
        self.watermark_ms >= end_ms.saturating_add(self.lateness_ms)
    }

    /// Takes in an event; hands it back if all its windows are closed.
    pub fn push(&mut self, key: K, at_ms: u64, value: f64) -> Result<Option<LateEvent<K>>, WindowError> {
        if self.open >= self.most {
            return Err(WindowError::Full { open: self.open, most: self.most });
        }
        let taken = match self.kind {
            WindowKind::Tumbling { size_ms } => self.put_aligned(&key, at_ms, value, size_ms, size_ms),
            WindowKind::Sliding { size_ms, step_ms } => {
                self.put_aligned(&key, at_ms, value, size_ms, step_ms)
            }
            WindowKind::Session { gap_ms } => self.put_session(&key, at_ms, value, gap_ms),
        };
        Ok((!taken).then(|| LateEvent { key, at_ms, value, watermark_ms: self.watermark_ms }))
    }

    fn put_aligned(&mut self, key: &K, at_ms: u64, value: f64, size_ms: u64, step_ms: u64) -> bool {
        let mut start = at_ms - at_ms % step_ms;
        let mut taken = false;
        loop {
            let end = start.saturating_add(size_ms);
            if end <= at_ms {
                break;
            }
            if !self.is_closed(end) {
                let windows = self.windows.entry(key.clone()).or_default();
                let (_, summary) = windows.entry(start).or_insert_with(|| {
                    self.open += 1;
                    (end, S::default())
                });
                summary.add(value);
                taken = true;
            }
            match start.checked_sub(step_ms) {
                Some(earlier) => start = earlier,
                None => break,
            }
        }
        taken
    }

    fn put_session(&mut self, key: &K, at_ms: u64, value: f64, gap_ms: u64) -> bool {
        let (mut start, mut end) = (at_ms, at_ms.saturating_add(gap_ms));
        let windows = self.windows.entry(key.clone()).or_default();
        // Sessions that overlap the event's own interval become one (an interval may be empty at the end of time).
        let touching: Vec<u64> = windows
            .range(..=end)
            .rev()
            .skip_while(|(s, _)| **s >= end && **s != start)
            .take_while(|(s, w)| w.0 > start || **s == start)
            .map(|(&s, _)| s)
            .collect();
        if touching.is_empty() && self.watermark_ms >= end.saturating_add(self.lateness_ms) {
            if windows.is_empty() {
                self.windows.remove(key);
            }
            return false;
        }
        let mut summary = S::default();
        summary.add(value);
        for s in touching {
            if let Some((e, other)) = windows.remove(&s) {
                start = start.min(s);
                end = end.max(e);
                summary.merge(&other);
                self.open -= 1;
            }
        }
        windows.insert(start, (end, summary));
        self.open += 1;
        true
    }

    /// Raises the watermark (a lower one changes nothing) and returns the windows that are finished, in order of end, start
    /// and key.
    pub fn advance(&mut self, watermark_ms: u64) -> Vec<ClosedWindow<K, S>> {
        self.watermark_ms = self.watermark_ms.max(watermark_ms);
        let (watermark, lateness) = (self.watermark_ms, self.lateness_ms);
        self.take(|end| watermark >= end.saturating_add(lateness))
    }

    /// Closes all windows: the stream has ended.
    pub fn finish(&mut self) -> Vec<ClosedWindow<K, S>> {
        self.watermark_ms = u64::MAX;
        self.take(|_| true)
    }

    fn take(&mut self, done: impl Fn(u64) -> bool) -> Vec<ClosedWindow<K, S>> {
        let mut closed = Vec::new();
        self.windows.retain(|key, windows| {
            windows.retain(|&start_ms, (end_ms, summary)| {
                if !done(*end_ms) {
                    return true;
                }
                let summary = core::mem::take(summary);
                closed.push(ClosedWindow { key: key.clone(), start_ms, end_ms: *end_ms, summary });
                false
            });
            !windows.is_empty()
        });
        self.open -= closed.len();
        closed.sort_by(|a, b| (a.end_ms, a.start_ms, &a.key).cmp(&(b.end_ms, b.start_ms, &b.key)));
        closed
    }
}
