//! Bytes out and in: unsigned LEB128 integers, length-prefixed text.

use super::crc::crc32;
use crate::error::JournalError;

/// Longest accepted text: longer than any name or version that is ever written.
const TEXT_BYTES_MAX: usize = 1 << 16;

pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn with_header(version: u8) -> Self {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&[version, 0, 0, 0, 0]);
        Self { bytes }
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn flag(&mut self, on: bool) {
        self.bytes.push(u8::from(on));
    }

    pub(super) fn uint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.bytes.push(value.to_le_bytes()[0]);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.uint(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(super) fn into_frame(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len() - 5).unwrap_or(u32::MAX);
        self.bytes[1..5].copy_from_slice(&length.to_le_bytes());
        let crc = crc32(&self.bytes);
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        self.bytes
    }
}

pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    version: u8,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(version: u8, bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, version }
    }

    /// Version of the frame: decides which fields there are.
    pub(super) const fn version(&self) -> u8 {
        self.version
    }

    pub(super) const fn bad(&self, what: &'static str) -> JournalError {
        JournalError::Payload { at: self.at as u64, what }
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, JournalError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.bad(what))?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, JournalError> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.bad(what)),
        }
    }

    pub(super) fn uint(&mut self, what: &'static str) -> Result<u64, JournalError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.bad(what))
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, JournalError> {
        let value = self.uint(what)?;
        u32::try_from(value).map_err(|_| self.bad(what))
    }

    /// A number of things that follow; each takes at least one byte, so more than what is left is a lie.
    pub(super) fn count(&mut self, what: &'static str) -> Result<usize, JournalError> {
        let value = self.uint(what)?;
        let left = self.bytes.len() - self.at;
        usize::try_from(value).ok().filter(|&n| n <= left).ok_or_else(|| self.bad(what))
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a str, JournalError> {
        let length = self.uint(what)?;
        let length =
            usize::try_from(length).ok().filter(|&n| n <= TEXT_BYTES_MAX).ok_or_else(|| self.bad(what))?;
        let bytes = self.bytes.get(self.at..self.at + length).ok_or_else(|| self.bad(what))?;
        self.at += length;
        std::str::from_utf8(bytes).map_err(|_| self.bad(what))
    }

    pub(super) const fn finish(&self) -> Result<(), JournalError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.bad("end of the record")) }
    }
}
