//! The canonical binary form of an entry, version 1: exactly one byte string per entry.
//!
//! # Format
//! All numbers are big-endian; `str` is a `u16` length and that many bytes of UTF-8; `value` is a kind (`u8`),
//! a `u16` length and that many bytes.
//!
//! ```text
//!  0  u8   version = 1
//!  1  u8   presence bits: 1 on_behalf_of, 2 correlation_id, 4 reason, 8 before, 16 after; others are 0
//!  2  u8   severity, 0 debug … 7 emergency
//!  3  u8   outcome, 0 success, 1 failure, 2 denied, 3 pending, 4 unknown
//!  4  u64  seq
//! 12  u64  at_unix_ms
//! 20  32   prev_hash
//! 52  str  actor, action, category, subject [, on_behalf_of] [, correlation_id]
//!     value [reason] [before] [after]
//!     u16  number of free fields, then for each: str name, value
//! ```
//!
//! Kinds: 1 text, 2 integer (8 bytes, two's complement), 3 bool (one byte 0 or 1), 4 JSON text, 5 bytes,
//! 6 commitment (32 bytes), 7 sealed. There is nothing after the last field. An entry is at most
//! [`MAX_ENTRY_LEN`] bytes long, so that it fits an entry bundle of C2SP tlog-tiles.
//!
//! `prev_hash` is inside the leaf, so chain and Merkle leaf cost one hash. Whatever decodes encodes to the same
//! bytes again; decoding is bounded by the length of its input.

use core::fmt;

use crate::class::{Outcome, Severity, is_category};
use crate::entry::{Draft, EntryRef};
use crate::hash::Hash;
use crate::value::{Value, ValueRef};

/// Longest canonical form of an entry, in bytes.
pub const MAX_ENTRY_LEN: usize = 65_535;

/// Most free fields in one entry.
pub const MAX_FIELDS: usize = 256;

/// Version of the canonical form.
pub const CANONICAL_VERSION: u8 = 1;

/// Length of the fixed part.
const FIXED_LEN: usize = 52;

const HAS_ON_BEHALF_OF: u8 = 1;
const HAS_CORRELATION: u8 = 2;
const HAS_REASON: u8 = 4;
const HAS_BEFORE: u8 = 8;
const HAS_AFTER: u8 = 16;

/// Why a draft cannot become an entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A text that must say something is empty.
    #[error("`{field}` is empty: expected at least one character")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// One text or value is too long.
    #[error("`{field}` has {len} bytes: at most {} fit", MAX_ENTRY_LEN)]
    TooLong {
        /// The field; for a free field, `fields`.
        field: &'static str,
        /// Its length in bytes.
        len: usize,
    },
    /// The entry as a whole is too long.
    #[error("the entry would have {len} bytes: at most {} fit", MAX_ENTRY_LEN)]
    EntryTooLong {
        /// Length of the canonical form in bytes.
        len: usize,
    },
    /// Too many free fields.
    #[error("{count} free fields: at most {} fit", MAX_FIELDS)]
    TooManyFields {
        /// Number of free fields.
        count: usize,
    },
    /// Two free fields have the same name.
    #[error("free field `{name}` is given twice")]
    DuplicateField {
        /// The name.
        name: String,
    },
    /// An imported entry does not belong here.
    #[error("entry {seq} does not belong here: expected entry {expected}")]
    WrongSeq {
        /// Place the entry claims.
        seq: u64,
        /// Next place of the log.
        expected: u64,
    },
    /// An imported entry follows another entry than the last of this log.
    #[error("entry {seq} follows `{found}`: the last entry of this log is `{expected}`")]
    WrongPrevHash {
        /// Place of the entry.
        seq: u64,
        /// Previous hash the entry claims.
        found: Hash,
        /// Leaf hash of the last entry.
        expected: Hash,
    },
}

/// Why bytes are not a canonical entry.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("entry ends at byte {at}: {needed} more bytes expected for `{field}`")]
    Short {
        /// Where in the entry.
        at: usize,
        /// What was being read.
        field: &'static str,
        /// How many bytes are missing.
        needed: usize,
    },
    /// A version this code does not know.
    #[error("canonical form version {version}: expected {}", CANONICAL_VERSION)]
    Version {
        /// The version found.
        version: u8,
    },
    /// A byte that no writer of this format produces.
    #[error("byte {at} (`{field}`) is {found}, which the format does not allow")]
    Invalid {
        /// Where in the entry.
        at: usize,
        /// What was being read.
        field: &'static str,
        /// The byte or number found.
        found: u64,
    },
    /// Text that is not UTF-8.
    #[error("`{field}` at byte {at} is not valid UTF-8")]
    Utf8 {
        /// Where the text starts.
        at: usize,
        /// What was being read.
        field: &'static str,
    },
    /// A text that must say something is empty, or a category with control characters.
    #[error("`{field}` at byte {at} is empty or not usable")]
    Text {
        /// Where the text starts.
        at: usize,
        /// What was being read.
        field: &'static str,
    },
    /// Bytes after the end.
    #[error("{extra} bytes after the end of the entry at byte {at}")]
    Trailing {
        /// Where the entry ends.
        at: usize,
        /// How many bytes follow.
        extra: usize,
    },
    /// More bytes than any entry has.
    #[error("{len} bytes: an entry has at most {}", MAX_ENTRY_LEN)]
    TooLong {
        /// Number of bytes.
        len: usize,
    },
}

/// Appends the canonical form of a draft at a place to `out`; on error `out` is as before.
pub(crate) fn encode(
    draft: &Draft,
    seq: u64,
    prev_hash: &Hash,
    out: &mut Vec<u8>,
) -> Result<(), AppendError> {
    let len = check(draft)?;
    let end = out.len() + len;
    out.reserve(len);
    let mut presence = 0;
    for (given, bit) in [
        (draft.on_behalf_of.is_some(), HAS_ON_BEHALF_OF),
        (draft.correlation_id.is_some(), HAS_CORRELATION),
        (draft.reason.is_some(), HAS_REASON),
        (draft.before.is_some(), HAS_BEFORE),
        (draft.after.is_some(), HAS_AFTER),
    ] {
        presence |= if given { bit } else { 0 };
    }
    let mut fixed = [0; FIXED_LEN];
    fixed[..4].copy_from_slice(&[CANONICAL_VERSION, presence, draft.severity as u8, draft.outcome as u8]);
    fixed[4..12].copy_from_slice(&seq.to_be_bytes());
    fixed[12..20].copy_from_slice(&draft.at_unix_ms.to_be_bytes());
    fixed[20..].copy_from_slice(prev_hash.as_bytes());
    out.extend_from_slice(&fixed);
    for text in [&draft.actor, &draft.action, draft.category.as_str(), &draft.subject] {
        put(out, text.as_bytes());
    }
    for text in [&draft.on_behalf_of, &draft.correlation_id].into_iter().flatten() {
        put(out, text.as_bytes());
    }
    for value in [&draft.reason, &draft.before, &draft.after].into_iter().flatten() {
        put_value(out, value);
    }
    out.extend_from_slice(&u16_len(draft.fields.len()));
    for (name, value) in &draft.fields {
        put(out, name.as_bytes());
        put_value(out, value);
    }
    debug_assert_eq!(out.len(), end, "length is computed as it is written");
    Ok(())
}

/// Checks a draft and gives the length of its canonical form.
fn check(draft: &Draft) -> Result<usize, AppendError> {
    let mut len = FIXED_LEN + 2;
    let mut text = |field, text: &str, may_be_empty: bool| {
        if text.is_empty() && !may_be_empty {
            return Err(AppendError::Empty { field });
        }
        len += 2 + checked(field, text.len())?;
        Ok(())
    };
    text("actor", &draft.actor, false)?;
    text("action", &draft.action, false)?;
    text("category", draft.category.as_str(), false)?;
    text("subject", &draft.subject, true)?;
    if let Some(principal) = &draft.on_behalf_of {
        text("on_behalf_of", principal, false)?;
    }
    if let Some(id) = &draft.correlation_id {
        text("correlation_id", id, false)?;
    }
    for (field, value) in [("reason", &draft.reason), ("before", &draft.before), ("after", &draft.after)] {
        if let Some(value) = value {
            len += 3 + checked(field, value_len(value))?;
        }
    }
    if draft.fields.len() > MAX_FIELDS {
        return Err(AppendError::TooManyFields { count: draft.fields.len() });
    }
    for (i, (name, value)) in draft.fields.iter().enumerate() {
        if name.is_empty() {
            return Err(AppendError::Empty { field: "fields" });
        }
        if draft.fields[..i].iter().any(|(earlier, _)| earlier == name) {
            return Err(AppendError::DuplicateField { name: name.clone() });
        }
        len += 5 + checked("fields", name.len())? + checked("fields", value_len(value))?;
    }
    if len > MAX_ENTRY_LEN {
        return Err(AppendError::EntryTooLong { len });
    }
    Ok(len)
}

fn checked(field: &'static str, len: usize) -> Result<usize, AppendError> {
    if len > MAX_ENTRY_LEN { Err(AppendError::TooLong { field, len }) } else { Ok(len) }
}

/// Length of a value without kind and length.
pub(crate) fn value_len(value: &Value) -> usize {
    match value {
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::Integer(_) => 8,
        Value::Bool(_) => 1,
        Value::Bytes(bytes) | Value::Sealed(bytes) => bytes.len(),
        Value::Commitment(_) => 32,
    }
}

/// A length that has been checked, as two bytes.
fn u16_len(len: usize) -> [u8; 2] {
    u16::try_from(len).expect("every length has been checked against MAX_ENTRY_LEN").to_be_bytes()
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u16_len(bytes.len()));
    out.extend_from_slice(bytes);
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    out.push(kind(value));
    out.extend_from_slice(&u16_len(value_len(value)));
    put_content(out, value);
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Text(_) => 1,
        Value::Integer(_) => 2,
        Value::Bool(_) => 3,
        Value::Json(_) => 4,
        Value::Bytes(_) => 5,
        Value::Commitment(_) => 6,
        Value::Sealed(_) => 7,
    }
}

fn put_content(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Text(text) | Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::Integer(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Bool(flag) => out.push(u8::from(*flag)),
        Value::Bytes(bytes) | Value::Sealed(bytes) => out.extend_from_slice(bytes),
        Value::Commitment(hash) => out.extend_from_slice(hash.as_bytes()),
    }
}

/// Appends kind and content of a value that stands alone, without its length.
pub(crate) fn put_plain_value(out: &mut Vec<u8>, value: &Value) {
    out.push(kind(value));
    put_content(out, value);
}

/// Reads what [`put_plain_value`] wrote.
pub(crate) fn plain_value(bytes: &[u8]) -> Option<Value> {
    let (kind, content) = bytes.split_first()?;
    content_of(*kind, content, 0, "value").ok().map(ValueRef::to_value)
}

/// Reads one canonical entry; the bytes must hold it and nothing else.
pub fn decode(bytes: &[u8]) -> Result<EntryRef<'_>, DecodeError> {
    if bytes.len() > MAX_ENTRY_LEN {
        return Err(DecodeError::TooLong { len: bytes.len() });
    }
    let mut input = Input { bytes, at: 0 };
    let version = input.byte("version")?;
    if version != CANONICAL_VERSION {
        return Err(DecodeError::Version { version });
    }
    let presence = input.byte("presence")?;
    if presence > 31 {
        return Err(DecodeError::Invalid { at: 1, field: "presence", found: presence.into() });
    }
    let severity = input.code("severity", &Severity::ALL)?;
    let outcome = input.code("outcome", &Outcome::ALL)?;
    let seq = u64::from_be_bytes(*input.array("seq")?);
    let at_unix_ms = u64::from_be_bytes(*input.array("at_unix_ms")?);
    let prev_hash = Hash::from_bytes(*input.array("prev_hash")?);
    let actor = input.text("actor")?;
    let action = input.text("action")?;
    let at = input.at;
    let category = input.text("category")?;
    if !is_category(category) {
        return Err(DecodeError::Text { at, field: "category" });
    }
    let subject = input.text_or_empty("subject")?;
    let has = |bit| presence & bit != 0;
    let on_behalf_of = if has(HAS_ON_BEHALF_OF) { Some(input.text("on_behalf_of")?) } else { None };
    let correlation_id = if has(HAS_CORRELATION) { Some(input.text("correlation_id")?) } else { None };
    let reason = if has(HAS_REASON) { Some(input.value("reason")?) } else { None };
    let before = if has(HAS_BEFORE) { Some(input.value("before")?) } else { None };
    let after = if has(HAS_AFTER) { Some(input.value("after")?) } else { None };
    let fields = input.fields()?;
    if input.at < bytes.len() {
        return Err(DecodeError::Trailing { at: input.at, extra: bytes.len() - input.at });
    }
    Ok(EntryRef {
        seq,
        prev_hash,
        at_unix_ms,
        actor,
        on_behalf_of,
        action,
        category,
        severity,
        outcome,
        subject,
        reason,
        correlation_id,
        before,
        after,
        fields,
        canonical: bytes,
    })
}

/// Checks that bytes are one canonical entry and gives what links it: its place and its previous hash.
///
/// The same as [`decode`], but without making texts where all of them are plain ASCII, which is most entries.
pub(crate) fn links(bytes: &[u8]) -> Result<(u64, Hash), DecodeError> {
    if let Some(found) = check_ascii(bytes) {
        return Ok(found);
    }
    decode(bytes).map(|entry| (entry.seq, entry.prev_hash))
}

/// Most free fields the fast check looks at.
const FAST_FIELDS: usize = 8;

/// Place and previous hash of an entry that is canonical and, after the fixed part, ASCII; `None` does not mean that
/// it is not canonical.
fn check_ascii(bytes: &[u8]) -> Option<(u64, Hash)> {
    let (fixed, rest) = bytes.split_first_chunk::<FIXED_LEN>()?;
    let [version, presence, severity, outcome, ..] = *fixed;
    let known = version == CANONICAL_VERSION
        && presence <= 31
        && usize::from(severity) < Severity::ALL.len()
        && usize::from(outcome) < Outcome::ALL.len();
    if !known || bytes.len() > MAX_ENTRY_LEN || !rest.is_ascii() {
        return None;
    }
    let mut input = Walk(rest);
    let (actor, action, category) = (input.text()?, input.text()?, input.text()?);
    let usable = (1..=64).contains(&category.len()) && !category.iter().any(u8::is_ascii_control);
    if actor.is_empty() || action.is_empty() || !usable {
        return None;
    }
    input.text()?;
    for bit in [HAS_ON_BEHALF_OF, HAS_CORRELATION] {
        if presence & bit != 0 && input.text()?.is_empty() {
            return None;
        }
    }
    for bit in [HAS_REASON, HAS_BEFORE, HAS_AFTER] {
        if presence & bit != 0 {
            input.value()?;
        }
    }
    let count = input.length()?;
    let mut names: [&[u8]; FAST_FIELDS] = [&[]; FAST_FIELDS];
    for i in 0..count {
        let name = input.text()?;
        // An empty name is refused by the comparison with the empty slot it is for.
        if i >= FAST_FIELDS || names[..=i].contains(&name) {
            return None;
        }
        names[i] = name;
        input.value()?;
    }
    if !input.0.is_empty() {
        return None;
    }
    let (_, seq) = fixed[..12].split_last_chunk()?;
    Some((u64::from_be_bytes(*seq), Hash::from_slice(&fixed[20..])?))
}

/// A walk over bytes that are known to be ASCII.
struct Walk<'a>(&'a [u8]);

impl<'a> Walk<'a> {
    fn length(&mut self) -> Option<usize> {
        let (len, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*len).into())
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.length()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(text)
    }

    fn value(&mut self) -> Option<()> {
        let (&kind, rest) = self.0.split_first()?;
        self.0 = rest;
        let content = self.text()?;
        let fine = match kind {
            1 | 4 | 5 | 7 => true,
            2 => content.len() == 8,
            3 => matches!(content, [0 | 1]),
            6 => content.len() == 32,
            _ => false,
        };
        fine.then_some(())
    }
}

/// A place in the bytes of an entry.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let rest = &self.bytes[self.at..];
        match rest.get(..len) {
            Some(taken) => {
                self.at += len;
                Ok(taken)
            }
            None => Err(DecodeError::Short { at: self.bytes.len(), field, needed: len - rest.len() }),
        }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], DecodeError> {
        Ok(self.take(N, field)?.first_chunk().expect("exactly this many bytes were taken"))
    }

    fn byte(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(self.take(1, field)?[0])
    }

    fn code<T: Copy>(&mut self, field: &'static str, all: &[T]) -> Result<T, DecodeError> {
        let at = self.at;
        let code = self.byte(field)?;
        all.get(usize::from(code)).copied().ok_or_else(|| DecodeError::Invalid {
            at,
            field,
            found: code.into(),
        })
    }

    fn length(&mut self, field: &'static str) -> Result<usize, DecodeError> {
        Ok(u16::from_be_bytes(*self.array(field)?).into())
    }

    fn text_or_empty(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let at = self.at;
        let len = self.length(field)?;
        core::str::from_utf8(self.take(len, field)?).map_err(|_| DecodeError::Utf8 { at, field })
    }

    fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let at = self.at;
        let text = self.text_or_empty(field)?;
        if text.is_empty() { Err(DecodeError::Text { at, field }) } else { Ok(text) }
    }

    fn value(&mut self, field: &'static str) -> Result<ValueRef<'a>, DecodeError> {
        let at = self.at;
        let kind = self.byte(field)?;
        let len = self.length(field)?;
        content_of(kind, self.take(len, field)?, at, field)
    }

    fn fields(&mut self) -> Result<FieldsRef<'a>, DecodeError> {
        let at = self.at;
        let count = self.length("fields")?;
        if count > MAX_FIELDS {
            return Err(DecodeError::Invalid { at, field: "fields", found: count as u64 });
        }
        let fields = FieldsRef { bytes: &self.bytes[self.at..], count };
        for i in 0..count {
            let at = self.at;
            let name = self.text("field name")?;
            if fields.iter().take(i).any(|(earlier, _)| earlier == name) {
                return Err(DecodeError::Text { at, field: "field name given twice" });
            }
            self.value("field value")?;
        }
        Ok(fields)
    }
}

/// Reads the content of a value of a kind.
fn content_of<'a>(
    kind: u8,
    bytes: &'a [u8],
    at: usize,
    field: &'static str,
) -> Result<ValueRef<'a>, DecodeError> {
    let len = bytes.len();
    let text = || core::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8 { at, field });
    let invalid = |found: u64| DecodeError::Invalid { at, field, found };
    Ok(match kind {
        1 => ValueRef::Text(text()?),
        2 => ValueRef::Integer(i64::from_be_bytes(bytes.try_into().map_err(|_| invalid(len as u64))?)),
        3 => match bytes {
            [0] => ValueRef::Bool(false),
            [1] => ValueRef::Bool(true),
            _ => return Err(invalid(len as u64)),
        },
        4 => ValueRef::Json(text()?),
        5 => ValueRef::Bytes(bytes),
        6 => ValueRef::Commitment(Hash::from_slice(bytes).ok_or_else(|| invalid(len as u64))?),
        7 => ValueRef::Sealed(bytes),
        _ => return Err(invalid(kind.into())),
    })
}

/// The free fields of an [`EntryRef`], read from its bytes as they are asked for.
#[derive(Clone, Copy)]
pub struct FieldsRef<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> FieldsRef<'a> {
    /// Number of free fields.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Names and values in the host's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, ValueRef<'a>)> + use<'a> {
        let mut input = Input { bytes: self.bytes, at: 0 };
        // Decoding has read every field once before this value exists, except for those not yet reached while
        // it runs; there the iteration ends early.
        (0..self.count).map_while(move |_| Some((input.text("name").ok()?, input.value("value").ok()?)))
    }

    /// The value of the field with this name.
    pub fn get(&self, name: &str) -> Option<ValueRef<'a>> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl fmt::Debug for FieldsRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Entries near the canonical form: the fast check accepts nothing that decoding refuses, and nothing else.
        #[test]
        fn the_fast_check_agrees_with_decoding(
            actor in "[a-zé]{0,3}",
            category in "[a-z\u{1}]{0,3}",
            names in proptest::collection::vec("[ab]{0,2}", 0..10),
            number: i64,
            changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..12_u8), 0..3),
        ) {
            // The parts are put together by hand, since a draft would refuse many of them.
            let mut bytes = vec![1, HAS_REASON | HAS_AFTER, 2, 0];
            bytes.extend_from_slice(&7_u64.to_be_bytes());
            bytes.extend_from_slice(&[9; 40]);
            for text in [&actor, "b", &category, ""] {
                put(&mut bytes, text.as_bytes());
            }
            put_value(&mut bytes, &Value::Integer(number >> 40));
            put_value(&mut bytes, &Value::Bool(true));
            bytes.extend_from_slice(&u16_len(names.len()));
            for name in &names {
                put(&mut bytes, name.as_bytes());
                put_value(&mut bytes, &Value::text("v"));
            }
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let slow = decode(&bytes).map(|entry| (entry.seq, entry.prev_hash));
            prop_assert!(check_ascii(&bytes).is_none_or(|fast| slow == Ok(fast)));
            prop_assert_eq!(links(&bytes), slow);
        }
    }
}
