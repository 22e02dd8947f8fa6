//! A record of a question and its answer, for the log itself.

use super::filter::{Filter, Order};
use super::run::Source;
use crate::class::Category;
use crate::entry::{Draft, EntryRef};
use crate::hash::{Hash, sha256};
use crate::verify::Head;

/// What was asked of which log, how many entries were given, and a digest of them. Recorded as an entry
/// ([`Answer::draft`]) it shows who read the log, and binds whoever answered.
///
/// A Merkle tree proves what *is* in the log, not that a result leaves nothing out. An answer can be checked by
/// anyone who holds all entries up to its size ([`Answer::check`]), without trusting any index.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Answer {
    /// The question in words.
    pub question: String,
    /// Entries in the log when it was asked.
    pub size: u64,
    /// Root at that size.
    pub root: Hash,
    /// Entries given.
    pub count: u64,
    /// SHA-256 over the places given (eight bytes each, big endian, in the order of the log), each followed by its leaf hash.
    pub digest: Hash,
}

/// What an honest answer would have been.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The log given is shorter than the one asked.
    #[error("the answer is about {asked} entries but only {held} are here")]
    Shorter {
        /// Size in the answer.
        asked: u64,
        /// Entries held.
        held: u64,
    },
    /// Content of an entry is not held, so that the answer cannot be repeated.
    #[error("entry {0} is not held any more")]
    NotHeld(u64),
    /// Another number or choice of entries.
    #[error("the answer gives {given} entries; {expected} match{}", if given == expected { ", but others" } else { "" })]
    Wrong {
        /// In the answer.
        given: u64,
        /// By the plain filter.
        expected: u64,
    },
}

impl Answer {
    /// Sums up the complete result of a filter (all pages, in any order) over a log of this head.
    pub fn new<'a>(filter: &Filter, head: Head, hits: impl IntoIterator<Item = EntryRef<'a>>) -> Self {
        let mut hits: Vec<(u64, Hash)> = hits.into_iter().map(|e| (e.seq, e.leaf_hash())).collect();
        hits.sort_unstable_by_key(|(seq, _)| *seq);
        hits.dedup_by_key(|(seq, _)| *seq);
        Self {
            question: filter.describe(),
            size: head.size,
            root: head.root,
            count: hits.len() as u64,
            digest: digest(&hits),
        }
    }

    /// Repeats the question on all entries with the plain filter.
    ///
    /// # Errors
    /// The answer was wrong, or cannot be repeated here.
    pub fn check<S: Source>(&self, source: &S, filter: &Filter) -> Result<(), AnswerError> {
        if source.size() < self.size {
            return Err(AnswerError::Shorter { asked: self.size, held: source.size() });
        }
        let mut hits = Vec::new();
        for seq in 0..self.size {
            let entry = source.entry(seq).ok_or(AnswerError::NotHeld(seq))?;
            if filter.matches(&entry) {
                hits.push((seq, entry.leaf_hash()));
            }
        }
        if hits.len() as u64 == self.count && digest(&hits) == self.digest {
            return Ok(());
        }
        Err(AnswerError::Wrong { given: self.count, expected: hits.len() as u64 })
    }

    /// The entry that says who asked: action `audit.query`, category access, subject `audit-log`.
    pub fn draft(&self, at_unix_ms: u64, actor: impl Into<String>, filter: &Filter) -> Draft {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let newest = filter.order == Order::NewestFirst;
        Draft::new(at_unix_ms, actor, "audit.query", "audit-log")
            .with_category(Category::ACCESS)
            .with_field("question", self.question.as_str())
            .with_field("newest_first", newest)
            .with_field("size", number(self.size))
            .with_field("root", self.root.to_hex())
            .with_field("count", number(self.count))
            .with_field("digest", self.digest.to_hex())
    }
}

fn digest(hits: &[(u64, Hash)]) -> Hash {
    let mut bytes = Vec::with_capacity(hits.len() * 40);
    for (seq, leaf) in hits {
        bytes.extend_from_slice(&seq.to_be_bytes());
        bytes.extend_from_slice(leaf.as_bytes());
    }
    sha256(&bytes)
}
