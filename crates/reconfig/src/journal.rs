//! The journal: numbered records in hand-specified frames.
//!
//! The byte format is specified, with test vectors, in `docs/journal-format.md`.

mod bytes;
mod codec;
mod crc;

use crate::error::JournalError;
use crate::state::Change;
use bytes::{Reader, Writer};
use crc::crc32;
use ecosystem_core::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Version of the frames this build writes; it reads all from 1 on.
pub const JOURNAL_VERSION: u8 = 3;
/// Largest payload of a frame: 256 MiB, the snapshot of a fleet of about two million replicas.
pub const FRAME_BYTES_MAX: u32 = 256 << 20;
const HEADER: usize = 5;
const TRAILER: usize = 4;

/// One record of the journal, ready to be written: a complete frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    number: u64,
    bytes: Arc<[u8]>,
}

impl Record {
    /// Number of the record, from 1 without gaps.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The frame to append.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn encode(number: u64, at: Timestamp, changes: &[Change]) -> Self {
        let mut w = Writer::with_header(JOURNAL_VERSION);
        w.uint(number);
        w.uint(at.as_unix_ms());
        w.uint(changes.len() as u64);
        for change in changes {
            codec::write(&mut w, change);
        }
        Self { number, bytes: Arc::from(w.into_frame()) }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} ({} bytes)", self.number, self.bytes.len())
    }
}

/// What a frame holds.
pub(crate) struct Decoded {
    pub(crate) number: u64,
    pub(crate) at: Timestamp,
    pub(crate) changes: Vec<Change>,
}

/// Reads the frame at the start of `bytes`; returns it and its length.
pub(crate) fn decode_frame(bytes: &[u8], at: u64) -> Result<(Decoded, usize), JournalError> {
    let torn = |want: usize| JournalError::Torn { at, have: bytes.len() as u64, want: want as u64 };
    let header = bytes.get(..HEADER).ok_or_else(|| torn(HEADER))?;
    if !(1..=JOURNAL_VERSION).contains(&header[0]) {
        return Err(JournalError::Version { at, found: header[0], expected: JOURNAL_VERSION });
    }
    let length = u32::from_le_bytes([header[1], header[2], header[3], header[4]]);
    if length > FRAME_BYTES_MAX {
        return Err(JournalError::TooLong { at, length: length.into(), max: FRAME_BYTES_MAX.into() });
    }
    let end = HEADER + length as usize;
    let frame = bytes.get(..end + TRAILER).ok_or_else(|| torn(end + TRAILER))?;
    let found = u32::from_le_bytes([frame[end], frame[end + 1], frame[end + 2], frame[end + 3]]);
    let expected = crc32(&frame[..end]);
    if found != expected {
        return Err(JournalError::Checksum { at, found, expected });
    }
    let mut r = Reader::new(header[0], &frame[HEADER..end]);
    let number = r.uint("record number")?;
    let at = Timestamp::from_unix_ms(r.uint("time")?);
    let count = r.count("number of changes")?;
    let mut changes = Vec::with_capacity(count.min(1_024));
    for _ in 0..count {
        changes.push(codec::read(&mut r)?);
    }
    r.finish()?;
    Ok((Decoded { number, at, changes }, end + TRAILER))
}

/// Divides a byte stream, such as a journal file, into its frames.
///
/// Returns the frames that are whole and why reading stopped, if it did before the end. A torn or damaged last
/// frame is what a crash in the middle of a write leaves behind; the frames before it are good.
///
/// # Example
/// ```
/// use ecosystem_reconfig::split_frames;
///
/// let (frames, stopped) = split_frames(&[]);
/// assert!(frames.is_empty() && stopped.is_none());
/// let (frames, stopped) = split_frames(&[1, 200, 0]);
/// assert!(frames.is_empty());
/// assert_eq!(stopped.unwrap().to_string(), "journal frame at byte 0 is cut short: 3 bytes, expected 5");
/// ```
pub fn split_frames(stream: &[u8]) -> (Vec<&[u8]>, Option<JournalError>) {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        match decode_frame(&stream[at..], at as u64) {
            Ok((_, length)) => {
                frames.push(&stream[at..at + length]);
                at += length;
            }
            Err(error) => return (frames, Some(error)),
        }
    }
    (frames, None)
}
