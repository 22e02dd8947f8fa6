//! Seals: marks in the log that only the holder of an evolving key can make.

use crate::hash::Hash;
use crate::verify::Head;

/// A mark over everything before it: size and root of the log, tagged with the key of an epoch.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Seal {
    /// Number of the key: how often it has evolved.
    pub epoch: u64,
    /// Size and root of the log when it was sealed.
    pub head: Head,
    /// HMAC-SHA256 under the key of the epoch.
    pub tag: [u8; 32],
}

impl Seal {
    /// Reads the payload of a seal frame: epoch, size, root, tag.
    pub(crate) fn from_payload(payload: &[u8]) -> Option<Self> {
        let (epoch, rest) = payload.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (root, rest) = rest.split_first_chunk()?;
        let tag = rest.try_into().ok()?;
        let head = Head { size: u64::from_be_bytes(*size), root: Hash::from_bytes(*root) };
        Some(Self { epoch: u64::from_be_bytes(*epoch), head, tag })
    }
}
