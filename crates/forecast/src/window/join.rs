//! Pairs of events of two streams that are near in time.

use super::event_time::WindowError;
use std::collections::BTreeMap;

/// A pair of events with the same key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Joined<K, L, R> {
    /// The key.
    pub key: K,
    /// Time and payload on the left.
    pub left: (u64, L),
    /// Time and payload on the right.
    pub right: (u64, R),
}

/// Joins a left and a right stream by key where `left − before ≤ right ≤ left + after`, in milliseconds.
///
/// Pairs come out when the watermark has passed both events, ordered by the later time, then left time, right time, key and
/// payloads; so any order of arrival gives the same output. Events older than the watermark are refused (`false`). An event
/// is forgotten when nothing can join it any more.
///
/// # Example
/// ```
/// use ecosystem_forecast::window::IntervalJoin;
/// let mut join = IntervalJoin::<&str, &str, u32>::new(0, 1_000, 1_000);
/// assert!(join.push_right("web-1", 5_400, 503)?); // effect first
/// assert!(join.push_left("web-1", 5_000, "deploy")?);
/// let pairs = join.advance(7_000);
/// assert_eq!((pairs.len(), pairs[0].left.1, pairs[0].right.1), (1, "deploy", 503));
/// # Ok::<(), ecosystem_forecast::window::WindowError>(())
/// ```
#[derive(Clone, Debug)]
pub struct IntervalJoin<K, L, R> {
    before_ms: u64,
    after_ms: u64,
    most: usize,
    watermark_ms: u64,
    held: usize,
    /// Per key and time.
    left: BTreeMap<K, BTreeMap<u64, Vec<L>>>,
    right: BTreeMap<K, BTreeMap<u64, Vec<R>>>,
}

impl<K: Ord + Clone, L: Ord + Clone, R: Ord + Clone> IntervalJoin<K, L, R> {
    /// Right events from `before_ms` before to `after_ms` after a left event; at most `most` events are held.
    pub fn new(before_ms: u64, after_ms: u64, most: usize) -> Self {
        Self {
            before_ms,
            after_ms,
            most,
            watermark_ms: 0,
            held: 0,
            left: BTreeMap::new(),
            right: BTreeMap::new(),
        }
    }

    /// Number of events held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes in an event of the left stream; false if it is older than the watermark.
    pub fn push_left(&mut self, key: K, at_ms: u64, payload: L) -> Result<bool, WindowError> {
        if at_ms < self.watermark_ms {
            return Ok(false);
        }
        self.reserve()?;
        self.left.entry(key).or_default().entry(at_ms).or_default().push(payload);
        Ok(true)
    }

    /// Takes in an event of the right stream; false if it is older than the watermark.
    pub fn push_right(&mut self, key: K, at_ms: u64, payload: R) -> Result<bool, WindowError> {
        if at_ms < self.watermark_ms {
            return Ok(false);
        }
        self.reserve()?;
        self.right.entry(key).or_default().entry(at_ms).or_default().push(payload);
        Ok(true)
    }

    fn reserve(&mut self) -> Result<(), WindowError> {
        if self.held >= self.most {
            return Err(WindowError::Full { open: self.held, most: self.most });
        }
        self.held += 1;
        Ok(())
    }

    /// Raises the watermark (a lower one changes nothing) and returns the pairs whose later event it has passed.
    pub fn advance(&mut self, watermark_ms: u64) -> Vec<Joined<K, L, R>> {
        let previous = self.watermark_ms;
        self.watermark_ms = previous.max(watermark_ms);
        let now = self.watermark_ms;
        let mut pairs = Vec::new();
        for (key, lefts) in &self.left {
            let Some(rights) = self.right.get(key) else { continue };
            for (&at, left) in lefts.range(..now) {
                let (from, to) = (at.saturating_sub(self.before_ms), at.saturating_add(self.after_ms));
                for (&other, right) in rights.range(from..=to) {
                    let later = at.max(other);
                    if later >= previous && later < now {
                        for l in left {
                            pairs.extend(right.iter().map(|r| Joined {
                                key: key.clone(),
                                left: (at, l.clone()),
                                right: (other, r.clone()),
                            }));
                        }
                    }
                }
            }
        }
        pairs.sort_by(|a, b| {
            let order = |p: &Joined<K, L, R>| (p.left.0.max(p.right.0), p.left.0, p.right.0);
            order(a)
                .cmp(&order(b))
                .then_with(|| a.key.cmp(&b.key))
                .then_with(|| a.left.1.cmp(&b.left.1))
                .then_with(|| a.right.1.cmp(&b.right.1))
        });
        self.forget();
        pairs
    }

    /// Drops events that no event at or after the watermark can join.
    fn forget(&mut self) {
        let now = self.watermark_ms;
        let mut dropped = 0;
        for events in self.left.values_mut() {
            events.retain(|at, held| {
                let keep = at.saturating_add(self.after_ms) >= now;
                dropped += if keep { 0 } else { held.len() };
                keep
            });
        }
        for events in self.right.values_mut() {
            events.retain(|at, held| {
                let keep = at.saturating_add(self.before_ms) >= now;
                dropped += if keep { 0 } else { held.len() };
                keep
            });
        }
        self.left.retain(|_, events| !events.is_empty());
        self.right.retain(|_, events| !events.is_empty());
        self.held -= dropped;
    }
}
