//! Lists of places per key.

use std::collections::BTreeMap;

use super::filter::{Filter, action_covers};
use crate::entry::EntryRef;

/// Entries per sample of the time index.
pub(super) const BLOCK: u64 = 64;
/// Lists that are merged for one criterion; with more the criterion is only checked entry by entry.
const MAX_MERGED: usize = 64;
/// Levels of a subject path that are indexed.
const MAX_LEVELS: usize = 8;

/// Which keys are indexed. Leaving one out saves four bytes per entry (and level) and makes its criterion a check
/// of the entries that the others leave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "seven independent switches")]
#[non_exhaustive]
pub struct IndexSettings {
    /// Actor and person acted for.
    pub actor: bool,
    /// Category.
    pub category: bool,
    /// Severity.
    pub severity: bool,
    /// Outcome.
    pub outcome: bool,
    /// Action.
    pub action: bool,
    /// Subject and its parent paths.
    pub subject: bool,
    /// Correlation id.
    pub correlation: bool,
}

impl Default for IndexSettings {
    fn default() -> Self {
        Self {
            actor: true,
            category: true,
            severity: true,
            outcome: true,
            action: true,
            subject: true,
            correlation: true,
        }
    }
}

type Lists = BTreeMap<Box<str>, Vec<u32>>;

/// Derived data that makes [`run`](super::run) fast; holds at most 2^32 entries.
#[derive(Clone, Debug, Default)]
pub struct Index {
    settings: IndexSettings,
    size: u64,
    // INVARIANT: never falls; the largest time up to the end of each block.
    block_max: Vec<u64>,
    /// Largest amount by which an entry is older than one before it.
    step_back: u64,
    actor: Lists,
    category: Lists,
    severity: [Vec<u32>; 8],
    outcome: [Vec<u32>; 5],
    action: Lists,
    subject: Lists,
    /// Paths above subjects, each with all that lies below; ends with `/`.
    above: Lists,
    correlation: Lists,
}

impl Index {
    /// An empty index.
    pub fn new(settings: IndexSettings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Entries indexed so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds the next entry; places left out before it (content that was pruned) are never found. An entry whose place was
    /// already passed is not added: false. Amortised O(levels · log keys).
    pub fn push(&mut self, entry: &EntryRef<'_>) -> bool {
        let Ok(place) = u32::try_from(entry.seq) else { return false };
        if entry.seq < self.size {
            return false;
        }
        let highest = self.block_max.last().copied().unwrap_or(0);
        self.step_back = self.step_back.max(highest.saturating_sub(entry.at_unix_ms));
        let blocks = usize::try_from(entry.seq / BLOCK).unwrap_or(usize::MAX);
        self.block_max.resize(self.block_max.len().max(blocks), highest);
        let highest = highest.max(entry.at_unix_ms);
        match self.block_max.get_mut(blocks) {
            Some(last) => *last = highest,
            None => self.block_max.push(highest),
        }
        let on = self.settings;
        if on.actor {
            add(&mut self.actor, entry.actor, place);
            if let Some(person) = entry.on_behalf_of.filter(|p| *p != entry.actor) {
                add(&mut self.actor, person, place);
            }
        }
        if on.category {
            add(&mut self.category, entry.category, place);
        }
        if on.severity {
            self.severity[usize::from(entry.severity.syslog_code()) & 7].push(place);
        }
        if on.outcome {
            self.outcome[entry.outcome as usize].push(place);
        }
        if on.action {
            add(&mut self.action, entry.action, place);
        }
        if on.subject {
            add(&mut self.subject, entry.subject, place);
            let slashes = entry.subject.bytes().enumerate().filter(|(_, b)| *b == b'/');
            for (end, _) in slashes.take(MAX_LEVELS) {
                if let Some(path) = entry.subject.get(..=end) {
                    add(&mut self.above, path, place);
                }
            }
        }
        if on.correlation
            && let Some(id) = entry.correlation_id
        {
            add(&mut self.correlation, id, place);
        }
        self.size = entry.seq + 1;
        true
    }

    /// Places between which all entries of a time range lie, `[start, end)`.
    pub(super) fn range(&self, filter: &Filter) -> (u64, u64) {
        let start = self.block_max.partition_point(|&highest| highest < filter.from_unix_ms) as u64 * BLOCK;
        // After the clock has reached the end by more than it ever stepped back, nothing in range can follow.
        let late = filter.to_unix_ms.saturating_add(self.step_back);
        let end = if filter.to_unix_ms == u64::MAX {
            self.size
        } else {
            (self.block_max.partition_point(|&highest| highest < late) as u64 + 1) * BLOCK
        };
        (start.min(self.size), end.min(self.size))
    }

    /// For each criterion that the index covers: the lists whose union holds all entries it allows.
    pub(super) fn lists(&self, filter: &Filter) -> Vec<Vec<&[u32]>> {
        let mut all = Vec::new();
        let on = self.settings;
        all.extend(Self::named(on.actor, &self.actor, &filter.actors));
        all.extend(Self::named(on.category, &self.category, &filter.categories));
        all.extend(Self::named(on.subject, &self.subject, &filter.subjects));
        all.extend(Self::named(on.correlation, &self.correlation, &filter.correlation_ids));
        if on.severity && !filter.severities.is_empty() && filter.severities.len() < 8 {
            let code = |s: &crate::Severity| usize::from(s.syslog_code()) & 7;
            let mut codes: Vec<usize> = filter.severities.iter().map(code).collect();
            codes.sort_unstable();
            codes.dedup();
            all.push(codes.into_iter().map(|c| self.severity[c].as_slice()).collect());
        }
        if on.outcome && !filter.outcomes.is_empty() {
            all.push(filter.outcomes.iter().map(|o| self.outcome[*o as usize].as_slice()).collect());
        }
        if on.action && !filter.actions.is_empty() {
            all.extend(self.actions(&filter.actions));
        }
        if on.subject && !filter.subject_prefix.is_empty() {
            all.extend(self.subjects_below(&filter.subject_prefix));
        }
        all
    }

    fn named<'a>(on: bool, lists: &'a Lists, wanted: &[String]) -> Option<Vec<&'a [u32]>> {
        let use_it = on && !wanted.is_empty() && wanted.len() <= MAX_MERGED;
        use_it.then(|| wanted.iter().filter_map(|w| lists.get(w.as_str())).map(Vec::as_slice).collect())
    }

    fn actions(&self, wanted: &[String]) -> Option<Vec<&[u32]>> {
        let mut found = Vec::new();
        for pattern in wanted {
            let stem = pattern.strip_suffix('*').unwrap_or(pattern);
            let keys = self.action.range(Box::from(stem)..).take_while(|(key, _)| key.starts_with(stem));
            for (_, list) in keys.filter(|(key, _)| action_covers(pattern, key)) {
                if found.len() == MAX_MERGED {
                    return None;
                }
                found.push(list.as_slice());
            }
        }
        Some(found)
    }

    /// Few subjects with the prefix: their lists. Many: the list of the deepest parent path, which holds them all.
    fn subjects_below(&self, prefix: &str) -> Option<Vec<&[u32]>> {
        let keys = self.subject.range(Box::from(prefix)..).take_while(|(key, _)| key.starts_with(prefix));
        let few: Vec<&[u32]> = keys.take(MAX_MERGED + 1).map(|(_, list)| list.as_slice()).collect();
        if few.len() <= MAX_MERGED {
            return Some(few);
        }
        let ends = prefix.bytes().enumerate().filter(|(_, b)| *b == b'/').map(|(i, _)| i).take(MAX_LEVELS);
        let parent = prefix.get(..=ends.last()?)?;
        self.above.get(parent).map(|list| vec![list.as_slice()])
    }
}

fn add(lists: &mut Lists, key: &str, place: u32) {
    match lists.get_mut(key) {
        Some(list) => list.push(place),
        None => drop(lists.insert(key.into(), vec![place])),
    }
}
