//! What is wanted.

use core::fmt;
use core::str::FromStr;

use crate::class::{Outcome, Severity};
use crate::entry::EntryRef;
use crate::hash::sha256;
use crate::value::ValueRef;

/// Direction of results.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Order {
    /// As in the log.
    #[default]
    OldestFirst,
    /// Against it.
    NewestFirst,
}

/// Where the next page begins. Belongs to one filter; prints as `PLACE-FINGERPRINT` and reads back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Cursor {
    pub(super) place: u64,
    pub(super) fingerprint: u32,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:08x}", self.place, self.fingerprint)
    }
}

impl FromStr for Cursor {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let parse = || {
            let (place, print) = text.split_once('-')?;
            let print = (print.len() == 8).then_some(print)?;
            Some(Self { place: place.parse().ok()?, fingerprint: u32::from_str_radix(print, 16).ok()? })
        };
        parse().ok_or_else(|| QueryError::Cursor(text.chars().take(64).collect()))
    }
}

/// Why a query cannot be run.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Not a cursor.
    #[error("`{0}` is not a cursor: expected the one handed out with a page")]
    Cursor(String),
    /// A cursor of another filter.
    #[error("the cursor belongs to another query")]
    OtherQuery,
    /// The index does not cover the log.
    #[error(
        "the index covers {indexed} entries but the log has {size}: push the missing ones or build it anew"
    )]
    StaleIndex {
        /// Entries indexed.
        indexed: u64,
        /// Entries in the log.
        size: u64,
    },
}

/// Which entries are wanted. Empty criteria mean "any".
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Filter {
    /// First moment.
    pub from_unix_ms: u64,
    /// First moment outside; `u64::MAX` = no end (and includes that moment itself).
    pub to_unix_ms: u64,
    /// Actor or person acted for: any of these.
    pub actors: Vec<String>,
    /// Any of these categories.
    pub categories: Vec<String>,
    /// Any of these severities.
    pub severities: Vec<Severity>,
    /// Any of these outcomes.
    pub outcomes: Vec<Outcome>,
    /// Any of these actions; `vm.*` covers all that begin with `vm.`.
    pub actions: Vec<String>,
    /// Any of these subjects, exactly.
    pub subjects: Vec<String>,
    /// Subjects that begin with this text; empty = any.
    pub subject_prefix: String,
    /// Any of these correlation ids.
    pub correlation_ids: Vec<String>,
    /// Words that all must occur (ASCII case does not matter) in actor, action, subject, reason, states or free fields.
    pub text: String,
    /// Hits per page; default 100.
    pub limit: usize,
    /// Entries examined per page; default 10,000,000.
    pub max_examined: u64,
    /// Direction.
    pub order: Order,
    /// Begin after this.
    pub after: Option<Cursor>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            from_unix_ms: 0,
            to_unix_ms: u64::MAX,
            actors: Vec::new(),
            categories: Vec::new(),
            severities: Vec::new(),
            outcomes: Vec::new(),
            actions: Vec::new(),
            subjects: Vec::new(),
            subject_prefix: String::new(),
            correlation_ids: Vec::new(),
            text: String::new(),
            limit: 100,
            max_examined: 10_000_000,
            order: Order::OldestFirst,
            after: None,
        }
    }
}

impl Filter {
    /// Everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// From this moment on.
    #[must_use]
    pub const fn from(mut self, at_unix_ms: u64) -> Self {
        self.from_unix_ms = at_unix_ms;
        self
    }

    /// Before this moment.
    #[must_use]
    pub const fn to(mut self, at_unix_ms: u64) -> Self {
        self.to_unix_ms = at_unix_ms;
        self
    }

    /// Also by this actor (or on behalf of it).
    #[must_use]
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actors.push(actor.into());
        self
    }

    /// Also of this category.
    #[must_use]
    pub fn category(mut self, category: impl Into<String>) -> Self {
        self.categories.push(category.into());
        self
    }

    /// Also of this severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severities.push(severity);
        self
    }

    /// Also of this severity and all graver ones.
    #[must_use]
    pub fn severity_at_least(mut self, least: Severity) -> Self {
        self.severities.extend(Severity::ALL.into_iter().filter(|s| *s >= least));
        self
    }

    /// Also with this outcome.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcomes.push(outcome);
        self
    }

    /// Also this action, or family with `.*`.
    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.actions.push(action.into());
        self
    }

    /// Also about this subject.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subjects.push(subject.into());
        self
    }

    /// About subjects that begin with this text.
    #[must_use]
    pub fn subject_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.subject_prefix = prefix.into();
        self
    }

    /// Also of this operation.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_ids.push(id.into());
        self
    }

    /// With these words.
    #[must_use]
    pub fn text(mut self, words: impl Into<String>) -> Self {
        self.text = words.into();
        self
    }

    /// At most so many hits per page.
    #[must_use]
    pub const fn limit(mut self, hits: usize) -> Self {
        self.limit = hits;
        self
    }

    /// Newest first.
    #[must_use]
    pub const fn newest_first(mut self) -> Self {
        self.order = Order::NewestFirst;
        self
    }

    /// The page after a cursor.
    #[must_use]
    pub const fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Whether the moment lies in the range.
    pub const fn covers(&self, at_unix_ms: u64) -> bool {
        at_unix_ms >= self.from_unix_ms && (at_unix_ms < self.to_unix_ms || self.to_unix_ms == u64::MAX)
    }

    /// The plain meaning: whether an entry is wanted. Limit, order and cursor do not matter here.
    pub fn matches(&self, entry: &EntryRef<'_>) -> bool {
        let any = |wanted: &[String], found: &str| wanted.is_empty() || wanted.iter().any(|w| w == found);
        self.covers(entry.at_unix_ms)
            && (any(&self.actors, entry.actor) || entry.on_behalf_of.is_some_and(|p| any(&self.actors, p)))
            && any(&self.categories, entry.category)
            && (self.severities.is_empty() || self.severities.contains(&entry.severity))
            && (self.outcomes.is_empty() || self.outcomes.contains(&entry.outcome))
            && (self.actions.is_empty() || self.actions.iter().any(|a| action_covers(a, entry.action)))
            && any(&self.subjects, entry.subject)
            && entry.subject.starts_with(&self.subject_prefix)
            && (self.correlation_ids.is_empty()
                || entry.correlation_id.is_some_and(|id| any(&self.correlation_ids, id)))
            && self.text.split_whitespace().all(|word| mentions(entry, word))
    }

    /// The question in one line, for records: only what differs from "everything".
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        if self.from_unix_ms > 0 {
            parts.push(format!("from {}", crate::civil::format_utc(self.from_unix_ms)));
        }
        if self.to_unix_ms < u64::MAX {
            parts.push(format!("to {}", crate::civil::format_utc(self.to_unix_ms)));
        }
        let mut list = |name: &str, values: &[String]| {
            if !values.is_empty() {
                parts.push(format!("{name} {}", values.join("|")));
            }
        };
        list("actor", &self.actors);
        list("category", &self.categories);
        list("severity", &self.severities.iter().map(|s| s.as_str().to_owned()).collect::<Vec<_>>());
        list("outcome", &self.outcomes.iter().map(|o| o.as_str().to_owned()).collect::<Vec<_>>());
        list("action", &self.actions);
        list("subject", &self.subjects);
        list("correlation", &self.correlation_ids);
        if !self.subject_prefix.is_empty() {
            parts.push(format!("subject {}…", self.subject_prefix));
        }
        if !self.text.is_empty() {
            parts.push(format!("text {:?}", self.text));
        }
        if parts.is_empty() { "all entries".to_owned() } else { parts.join(", ") }
    }

    /// Ties a cursor to criteria and order.
    pub(super) fn fingerprint(&self) -> u32 {
        let plain = Self { limit: 0, max_examined: 0, after: None, ..self.clone() };
        let digest = sha256(format!("{plain:?}").as_bytes());
        u32::from_be_bytes(digest.as_bytes()[..4].try_into().unwrap_or([0; 4]))
    }
}

/// Whether an action filter (`name` or `family.*` or `*`) covers an action.
pub(super) fn action_covers(pattern: &str, action: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(family) if family.is_empty() || family.ends_with('.') => action.starts_with(family),
        _ => pattern == action,
    }
}

fn mentions(entry: &EntryRef<'_>, word: &str) -> bool {
    let plain = |text: &str| contains(text.as_bytes(), word.as_bytes());
    let value = |v: ValueRef<'_>| match v {
        ValueRef::Text(text) | ValueRef::Json(text) => plain(text),
        ValueRef::Integer(number) => plain(&number.to_string()),
        _ => false,
    };
    plain(entry.actor)
        || plain(entry.action)
        || plain(entry.subject)
        || entry.on_behalf_of.is_some_and(plain)
        || [entry.reason, entry.before, entry.after].into_iter().flatten().any(value)
        || entry.fields.iter().any(|(name, v)| plain(name) || value(v))
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    let Some(&first) = word.first() else { return true };
    let first = [first.to_ascii_lowercase(), first.to_ascii_uppercase()];
    text.windows(word.len()).any(|w| first.contains(&w[0]) && w.eq_ignore_ascii_case(word))
}
