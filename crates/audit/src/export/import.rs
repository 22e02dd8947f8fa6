//! Reading exports back.

use super::{Format, cef, csv, ecs, jsonl, ocsf, syslog};
use crate::canonical::AppendError;
use crate::entry::{Draft, Entry};
use crate::hash::Hash;
use crate::log::Log;
use crate::writer::Receipt;

/// Longest record: an entry has at most 64 KiB, of which every byte may be escaped to seven and some formats repeat a part
/// five times.
const MAX_RECORD: usize = 4 << 20;

/// A record that was read: the draft, and place and hashes where the export has them.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Imported {
    /// What happened.
    pub draft: Draft,
    /// Place in the log it came from.
    pub seq: Option<u64>,
    /// Leaf hash of the entry before.
    pub prev_hash: Option<Hash>,
    /// Leaf hash of this entry.
    pub leaf_hash: Option<Hash>,
}

/// Why an import fails.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A record cannot be read.
    #[error("line {line}: {problem}")]
    Record {
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// A record does not fit into the log.
    #[error("line {line}: {source}")]
    Append {
        /// Line, from 1.
        line: u64,
        /// Why not.
        source: AppendError,
    },
    /// The entry hashes to something else than the export says.
    #[error("line {line}: entry {seq} has leaf hash {found}, the export says {expected}")]
    Hash {
        /// Line, from 1.
        line: u64,
        /// Place.
        seq: u64,
        /// Computed.
        found: Hash,
        /// In the export.
        expected: Hash,
    },
}

impl Imported {
    pub(super) const fn new(draft: Draft) -> Self {
        Self { draft, seq: None, prev_hash: None, leaf_hash: None }
    }

    /// Appends the entry; place and previous hash must fit if the export has them.
    ///
    /// # Errors
    /// What the log refuses.
    pub fn append_to(&self, log: &mut Log) -> Result<Receipt, AppendError> {
        match (self.seq, self.prev_hash) {
            (Some(seq), Some(prev)) => log.append_entry(&Entry::from_parts(seq, prev, self.draft.clone())),
            _ => log.append(&self.draft),
        }
    }
}

/// Reads all records of a text, each with its line number.
///
/// # Errors
/// The first record that cannot be read.
pub fn import(format: Format, text: &[u8]) -> Result<Vec<(u64, Imported)>, ImportError> {
    let line_of = |at: usize| text.get(..at).unwrap_or_default().split(|b| *b == b'\n').count() as u64;
    let text_of = core::str::from_utf8(text).map_err(|e| ImportError::Record {
        line: line_of(e.valid_up_to()),
        problem: "not UTF-8".to_owned(),
    })?;
    match format {
        Format::Csv => csv::read_all(text_of),
        Format::Jsonl => lines(text_of, jsonl::read),
        Format::Syslog => lines(text_of, syslog::read),
        Format::Cef => lines(text_of, cef::read),
        Format::Ocsf => lines(text_of, ocsf::read),
        Format::Ecs => lines(text_of, ecs::read),
    }
}

/// Makes a log of an export, checking hashes where the export has them.
///
/// # Errors
/// The first record that cannot be read or does not fit.
pub fn import_log(format: Format, text: &[u8]) -> Result<Log, ImportError> {
    let mut log = Log::new();
    for (line, record) in import(format, text)? {
        let receipt = record.append_to(&mut log).map_err(|source| ImportError::Append { line, source })?;
        if let Some(expected) = record.leaf_hash.filter(|hash| *hash != receipt.leaf_hash) {
            return Err(ImportError::Hash { line, seq: receipt.seq, found: receipt.leaf_hash, expected });
        }
    }
    Ok(log)
}

fn lines(
    text: &str,
    read: impl Fn(&str) -> Result<Imported, String>,
) -> Result<Vec<(u64, Imported)>, ImportError> {
    let mut out = Vec::new();
    for (line, record) in (1..).zip(text.split('\n')) {
        let record = record.strip_suffix('\r').unwrap_or(record);
        if record.trim().is_empty() {
            continue;
        }
        let read = if record.len() > MAX_RECORD { Err("longer than 4 MiB".to_owned()) } else { read(record) };
        out.push((line, read.map_err(|problem| ImportError::Record { line, problem })?));
    }
    Ok(out)
}

pub(super) fn number(text: &str, name: &str) -> Result<u64, String> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parsed = if plain { text.parse().ok() } else { None };
    parsed.ok_or_else(|| {
        format!("`{name}` is `{}`: expected a whole number", text.chars().take(32).collect::<String>())
    })
}

pub(super) fn hash(text: &str, name: &str) -> Result<Hash, String> {
    Hash::from_hex(text).ok_or_else(|| format!("`{name}` is not 64 hexadecimal digits"))
}
