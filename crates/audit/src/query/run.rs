//! Running a filter over a log.

use super::filter::{Cursor, Filter, Order, QueryError};
use super::index::Index;
use crate::entry::EntryRef;
use crate::log::Log;

/// Entries by place: [`Log`], or whatever a host keeps them in.
pub trait Source {
    /// Number of entries.
    fn size(&self) -> u64;
    /// The entry at a place; `None` if its content is not held any more.
    fn entry(&self, seq: u64) -> Option<EntryRef<'_>>;
}

impl Source for Log {
    fn size(&self) -> u64 {
        Self::size(self)
    }

    fn entry(&self, seq: u64) -> Option<EntryRef<'_>> {
        Self::entry(self, seq)
    }
}

/// One page of a result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page<'a> {
    /// Matching entries.
    pub hits: Vec<EntryRef<'a>>,
    /// Where to go on; `None` = that was all.
    pub next: Option<Cursor>,
    /// Entries that were looked at.
    pub examined: u64,
    /// Entries in the log when the page was made.
    pub size: u64,
}

/// Gives the next page of the matching entries.
///
/// With an index O(log n + shorter lists) plus the entries examined; without, every entry from the cursor on.
///
/// # Errors
/// A cursor of another filter, an index that does not cover the log.
pub fn run<'a, S: Source>(
    source: &'a S,
    index: Option<&Index>,
    filter: &Filter,
) -> Result<Page<'a>, QueryError> {
    let size = source.size();
    if let Some(index) = index.filter(|i| i.size() != size) {
        return Err(QueryError::StaleIndex { indexed: index.size(), size });
    }
    let fingerprint = filter.fingerprint();
    if filter.after.is_some_and(|cursor| cursor.fingerprint != fingerprint) {
        return Err(QueryError::OtherQuery);
    }
    let (mut start, mut end) = index.map_or((0, size), |i| i.range(filter));
    match (filter.after, filter.order) {
        (Some(cursor), Order::OldestFirst) => start = start.max(cursor.place),
        (Some(cursor), Order::NewestFirst) => end = end.min(cursor.place),
        (None, _) => {}
    }
    let mut walk = Walk::new(index.map(|i| i.lists(filter)).unwrap_or_default());
    let mut page = Page { hits: Vec::new(), next: None, examined: 0, size };
    let ascending = filter.order == Order::OldestFirst;
    // The next place to look at is `at` upwards, or `at - 1` downwards.
    let mut at = if ascending { start } else { end };
    while if ascending { at < end } else { at > start } {
        let found = if ascending { walk.at_or_after(at, end) } else { walk.before(at, start) };
        let Some(place) = found else { break };
        if page.hits.len() >= filter.limit.max(1) || page.examined >= filter.max_examined.max(1) {
            page.next = Some(Cursor { place: at, fingerprint });
            break;
        }
        page.examined += 1;
        page.hits.extend(source.entry(place).filter(|entry| filter.matches(entry)));
        at = if ascending { place + 1 } else { place };
    }
    Ok(page)
}

/// Walks the intersection of unions of sorted lists.
struct Walk<'i> {
    unions: Vec<Vec<List<'i>>>,
}

impl<'i> Walk<'i> {
    fn new(lists: Vec<Vec<&'i [u32]>>) -> Self {
        let mut unions: Vec<Vec<List<'i>>> =
            lists.into_iter().map(|union| union.into_iter().map(List::new).collect()).collect();
        // The shortest leads.
        unions.sort_by_key(|union| union.iter().map(|list| list.places.len()).sum::<usize>());
        Self { unions }
    }

    /// The first place in all unions that is `>= at` and `< end`.
    fn at_or_after(&mut self, at: u64, end: u64) -> Option<u64> {
        let mut candidate = at;
        'again: loop {
            for union in &mut self.unions {
                let next = union.iter_mut().filter_map(|list| list.at_or_after(candidate)).min()?;
                if next > candidate {
                    candidate = next;
                    if candidate >= end {
                        return None;
                    }
                    continue 'again;
                }
            }
            return (candidate < end).then_some(candidate);
        }
    }

    /// The last place in all unions that is `< at` and `>= start`.
    fn before(&mut self, at: u64, start: u64) -> Option<u64> {
        let mut candidate = at.checked_sub(1)?;
        'again: loop {
            for union in &mut self.unions {
                let next = union.iter_mut().filter_map(|list| list.at_or_before(candidate)).max()?;
                if next < candidate {
                    candidate = next;
                    if candidate < start {
                        return None;
                    }
                    continue 'again;
                }
            }
            return (candidate >= start).then_some(candidate);
        }
    }
}

/// A sorted list with the position of the last answer, from which the next search gallops.
struct List<'i> {
    places: &'i [u32],
    position: usize,
    begun: bool,
}

impl<'i> List<'i> {
    const fn new(places: &'i [u32]) -> Self {
        Self { places, position: 0, begun: false }
    }

    /// Smallest place `>= at`. Calls must not go back.
    fn at_or_after(&mut self, at: u64) -> Option<u64> {
        if !self.begun {
            self.begun = true;
            self.position = self.places.partition_point(|&p| u64::from(p) < at);
        }
        let rest = &self.places[self.position..];
        let mut reach = 1;
        while rest.get(reach - 1).is_some_and(|&p| u64::from(p) < at) {
            reach *= 2;
        }
        // The answer lies after the last probe that was too small.
        let from = reach / 2;
        let to = reach.min(rest.len());
        self.position += from + rest[from.min(to)..to].partition_point(|&p| u64::from(p) < at);
        self.places.get(self.position).map(|&p| u64::from(p))
    }

    /// Largest place `<= at`. Calls must not go forward. `position` is one past the answer.
    fn at_or_before(&mut self, at: u64) -> Option<u64> {
        if !self.begun {
            self.begun = true;
            self.position = self.places.partition_point(|&p| u64::from(p) <= at);
        }
        let rest = &self.places[..self.position];
        let mut reach = 1;
        while reach <= rest.len() && u64::from(rest[rest.len() - reach]) > at {
            reach *= 2;
        }
        let from = rest.len().saturating_sub(reach);
        let to = rest.len() - (reach / 2).min(rest.len());
        self.position = from + rest[from..to].partition_point(|&p| u64::from(p) <= at);
        self.position.checked_sub(1).map(|i| u64::from(self.places[i]))
    }
}
