//! Counts, rates and gaps of a set of entries.
//!
//! One pass, in any order of feeding that keeps the order of the log; memory O(distinct names), with at most
//! [`MAX_NAMES`] names per table (the rest is counted together).
//!
//! ```
//! use ecosystem_audit::{Draft, Log, Summary};
//!
//! let mut log = Log::new();
//! for at in [0, 60_000, 7_260_000] {
//!     log.append(&Draft::new(at, "ana", "vm.stop", "vm/1"))?;
//! }
//! let summary = Summary::of(log.entries());
//! assert_eq!((summary.count, summary.actors["ana"]), (3, 3));
//! assert_eq!((summary.longest_gap_ms, summary.gap_after_seq), (7_200_000, Some(1)));
//! # Ok::<(), ecosystem_audit::AppendError>(())
//! ```

use std::collections::BTreeMap;

use crate::civil;
use crate::class::{Outcome, Severity};
use crate::entry::EntryRef;

/// Names per table.
pub const MAX_NAMES: usize = 10_000;

/// Counts over entries.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Summary {
    /// Entries.
    pub count: u64,
    /// Earliest time; `None` if there are no entries.
    pub first_unix_ms: Option<u64>,
    /// Latest time.
    pub last_unix_ms: Option<u64>,
    /// By category.
    pub categories: BTreeMap<String, u64>,
    /// By severity.
    pub severities: BTreeMap<Severity, u64>,
    /// By outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// By actor.
    pub actors: BTreeMap<String, u64>,
    /// By action.
    pub actions: BTreeMap<String, u64>,
    /// By day: Unix day number to count.
    pub days: BTreeMap<u64, u64>,
    /// Entries whose name did not fit into a table any more.
    pub names_left_out: u64,
    /// Places that do not follow the place before: content not held or left out by a filter.
    pub missing: u64,
    /// Entries older than the one before.
    pub steps_back: u64,
    /// Longest time without an entry.
    pub longest_gap_ms: u64,
    /// The place after which that gap begins.
    pub gap_after_seq: Option<u64>,
    /// Place and time of the last entry fed.
    last: Option<(u64, u64)>,
}

impl Summary {
    /// Counts all entries given.
    pub fn of<'a>(entries: impl IntoIterator<Item = EntryRef<'a>>) -> Self {
        let mut summary = Self::default();
        for entry in entries {
            summary.push(&entry);
        }
        summary
    }

    /// Counts one more entry.
    pub fn push(&mut self, entry: &EntryRef<'_>) {
        let at = entry.at_unix_ms;
        if let Some((seq, before)) = self.last {
            self.missing += entry.seq.saturating_sub(seq).saturating_sub(1);
            self.steps_back += u64::from(at < before);
            let gap = at.saturating_sub(self.last_unix_ms.unwrap_or(before));
            if gap > self.longest_gap_ms {
                (self.longest_gap_ms, self.gap_after_seq) = (gap, Some(seq));
            }
        }
        self.last = Some((entry.seq, at));
        self.count += 1;
        self.first_unix_ms = Some(self.first_unix_ms.map_or(at, |first| first.min(at)));
        self.last_unix_ms = Some(self.last_unix_ms.map_or(at, |last| last.max(at)));
        *self.severities.entry(entry.severity).or_default() += 1;
        *self.outcomes.entry(entry.outcome).or_default() += 1;
        let mut left_out = 0;
        for (table, name) in [
            (&mut self.categories, entry.category),
            (&mut self.actors, entry.actor),
            (&mut self.actions, entry.action),
        ] {
            if let Some(count) = table.get_mut(name) {
                *count += 1;
            } else if table.len() < MAX_NAMES {
                table.insert(name.to_owned(), 1);
            } else {
                left_out += 1;
            }
        }
        self.names_left_out += left_out;
        let day = at / civil::DAY_MS;
        if self.days.len() < MAX_NAMES || self.days.contains_key(&day) {
            *self.days.entry(day).or_default() += 1;
        }
    }

    /// Entries per hour between the first and the last; `None` with fewer than two moments.
    pub fn per_hour(&self) -> Option<f64> {
        let span = self.last_unix_ms?.checked_sub(self.first_unix_ms?).filter(|&ms| ms > 0)?;
        Some(self.count as f64 * 3_600_000.0 / span as f64)
    }

    /// The busiest names of a table, most frequent first, ties by name.
    pub fn top(table: &BTreeMap<String, u64>, count: usize) -> Vec<(&str, u64)> {
        let mut rows: Vec<(&str, u64)> = table.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        rows.sort_by_key(|&(name, n)| (core::cmp::Reverse(n), name));
        rows.truncate(count);
        rows
    }
}
