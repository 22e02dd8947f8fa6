//! Frames: how records lie in a segment, so that damage is found where it is.
//!
//! # Format
//! ```text
//! 0  u8   0xEC
//! 1  u8   kind: 1 segment header, 2 entry, 3 pruned entries, 4 seal, 5 segment end
//! 2  u16  length of the payload, big-endian
//! 4  u16  the same length with every bit inverted
//! 6  u8   frame version = 1
//! 7  u8   0
//! 8  …    payload
//!    u32  CRC-32 (ISO-HDLC) over everything before it, big-endian
//! ```
//!
//! The length is there twice, so that a flipped bit in it is told from a torn write: only a length that agrees
//! with its inverse and still reaches beyond the end of the bytes is torn. The zero byte right before the
//! payload is the RFC 6962 leaf prefix: the leaf hash of an entry is SHA-256 over bytes as they lie.

/// Length of everything before the payload.
pub(crate) const HEADER_LEN: usize = 8;
/// Length of the checksum after the payload.
pub(crate) const CRC_LEN: usize = 4;

const MAGIC: u8 = 0xEC;
const VERSION: u8 = 1;

/// What a frame holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Header = 1,
    Entry = 2,
    Pruned = 3,
    Seal = 4,
    End = 5,
}

/// One frame of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    /// The zero byte before the payload and the payload: what the leaf hash is taken over.
    prefixed: &'a [u8],
    /// Length of the whole frame.
    pub(crate) len: usize,
}

impl<'a> Frame<'a> {
    pub(crate) fn payload(&self) -> &'a [u8] {
        &self.prefixed[1..]
    }

    /// The leaf hash of the payload.
    pub(crate) fn leaf_hash(&self) -> crate::Hash {
        crate::hash::sha256(self.prefixed)
    }
}

/// Why there is no frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FrameError {
    /// The bytes end inside the frame; everything there is as it should be. So many bytes are missing at least.
    Torn { missing: usize },
    /// The header is not one that a writer produces.
    BadHeader,
    /// Header and checksum disagree with the bytes.
    BadChecksum,
    /// The frame is whole, but of a version or kind this code does not know.
    Unsupported { version: u8, kind: u8 },
}

/// Appends a frame whose payload is written by `payload`, and returns where the payload lies in `out`.
/// If writing the payload fails, `out` is as before.
pub(crate) fn write<E>(
    out: &mut Vec<u8>,
    kind: Kind,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<core::ops::Range<usize>, E> {
    let start = out.len();
    out.extend_from_slice(&[MAGIC, kind as u8, 0, 0, 0, 0, VERSION, 0]);
    let from = out.len();
    if let Err(e) = payload(out) {
        out.truncate(start);
        return Err(e);
    }
    let len = u16::try_from(out.len() - from).expect("payload writers keep to the longest payload");
    out[start + 2..start + 4].copy_from_slice(&len.to_be_bytes());
    out[start + 4..start + 6].copy_from_slice(&(!len).to_be_bytes());
    let crc = crc32fast::hash(&out[start..]);
    let range = from..out.len();
    out.extend_from_slice(&crc.to_be_bytes());
    Ok(range)
}

/// Reads the frame at the start of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
        return if is_header_start(bytes) {
            Err(FrameError::Torn { missing: HEADER_LEN - bytes.len() })
        } else {
            Err(FrameError::BadHeader)
        };
    };
    let [magic, kind, l0, l1, n0, n1, version, zero] = *header;
    let len = u16::from_be_bytes([l0, l1]);
    if magic != MAGIC || zero != 0 || len != !u16::from_be_bytes([n0, n1]) {
        return Err(FrameError::BadHeader);
    }
    let payload_end = HEADER_LEN + usize::from(len);
    let Some(crc) = bytes.get(payload_end..payload_end + CRC_LEN) else {
        return Err(FrameError::Torn { missing: payload_end + CRC_LEN - bytes.len() });
    };
    if crc != crc32fast::hash(&bytes[..payload_end]).to_be_bytes() {
        return Err(FrameError::BadChecksum);
    }
    let known = match (version, kind) {
        (VERSION, 1) => Kind::Header,
        (VERSION, 2) => Kind::Entry,
        (VERSION, 3) => Kind::Pruned,
        (VERSION, 4) => Kind::Seal,
        (VERSION, 5) => Kind::End,
        _ => return Err(FrameError::Unsupported { version, kind }),
    };
    Ok(Frame { kind: known, prefixed: &bytes[HEADER_LEN - 1..payload_end], len: payload_end + CRC_LEN })
}

/// Whether fewer bytes than a header could be the start of one, as far as [`read`] would call a whole one a header:
/// how the bytes of a stream are cut must not change what is found.
fn is_header_start(bytes: &[u8]) -> bool {
    let at = |i: usize| bytes.get(i).copied();
    at(0).is_none_or(|b| b == MAGIC)
        && at(4).is_none_or(|b| at(2) == Some(!b))
        && at(5).is_none_or(|b| at(3) == Some(!b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write::<()>(&mut out, Kind::Entry, |out| {
            out.extend_from_slice(payload);
            Ok(())
        })
        .unwrap();
        out
    }

    #[test]
    fn a_frame_is_read_as_written_and_hashes_like_its_payload() {
        let bytes = frame(b"payload");
        let read = read(&bytes).unwrap();
        assert_eq!((read.kind, read.payload(), read.len), (Kind::Entry, &b"payload"[..], bytes.len()));
        assert_eq!(read.leaf_hash(), crate::leaf_hash(b"payload"));
    }

    #[test]
    fn every_proper_prefix_is_torn_and_every_flipped_byte_is_not() {
        let bytes = frame(b"some payload");
        for len in 0..bytes.len() {
            assert!(matches!(read(&bytes[..len]), Err(FrameError::Torn { .. })), "prefix of {len}");
        }
        for i in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[i] ^= flip;
                let found = read(&damaged).unwrap_err();
                assert!(
                    matches!(found, FrameError::BadHeader | FrameError::BadChecksum),
                    "byte {i}: {found:?}"
                );
            }
        }
    }
}
