//! Seals: marks in the log that only the holder of an evolving key can make.
//!
//! # Model
//! A key `K0` is shared once between the log's keeper and an auditor. Seal number `e` carries
//! `HMAC(Ke, "ecosystem-audit seal v1" ‖ e ‖ size ‖ root)`; then the keeper replaces `Ke` by
//! `Ke+1 = HMAC(Ke, "ecosystem-audit evolve v1")` and forgets `Ke`. Who breaks in later finds only the newest key:
//! nothing that was sealed before can be rewritten without breaking a seal that he cannot make again. The auditor,
//! who still has `K0`, checks all seals. That the last seals are missing shows by their number, which the auditor
//! knows from the schedule on which the host seals.
//!
//! # References
//! Bellare and Yee (2003), Forward-security in private-key cryptography; Schneier and Kelsey (1999), Secure audit
//! logs to support computer forensics.

use zeroize::{Zeroize as _, ZeroizeOnDrop, Zeroizing};

use crate::frame::{self, Kind};
use crate::hash::Hash;
use crate::kdf::{equal, hmac_sha256};
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

    /// Appends the seal as a frame.
    pub(crate) fn write_frame(&self, out: &mut Vec<u8>) {
        let written = frame::write::<core::convert::Infallible>(out, Kind::Seal, |out| {
            out.extend_from_slice(&self.epoch.to_be_bytes());
            out.extend_from_slice(&self.head.size.to_be_bytes());
            out.extend_from_slice(self.head.root.as_bytes());
            out.extend_from_slice(&self.tag);
            Ok(())
        });
        written.expect("writing a seal cannot fail");
    }
}

/// The key of an epoch, which makes or checks one seal and then evolves. Its memory is wiped.
///
/// ```
/// use ecosystem_audit::{Draft, ForwardKey, Log, verify::{self, Verifier}};
/// let first_key = [7; 32]; // random, from the host; the auditor keeps a copy
/// let mut key = ForwardKey::new(&first_key);
/// let mut log = Log::new();
/// log.append(&Draft::new(0, "alice", "vm.start", "vm/1"))?;
/// log.seal(&mut key);
/// log.append(&Draft::new(1, "alice", "vm.stop", "vm/1"))?;
/// log.seal(&mut key);
///
/// let mut verifier = Verifier::new().with_forward_key(ForwardKey::new(&first_key));
/// verifier.push(&log.to_bytes());
/// let report = verifier.finish();
/// assert!(report.ok());
/// assert_eq!(report.seals, 2);
/// # Ok::<(), ecosystem_audit::AppendError>(())
/// ```
#[derive(Clone)]
pub struct ForwardKey {
    epoch: u64,
    key: [u8; 32],
}

impl Drop for ForwardKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl ZeroizeOnDrop for ForwardKey {}

impl ForwardKey {
    /// The first key, from 32 random bytes that the host provides.
    pub const fn new(key: &[u8; 32]) -> Self {
        Self { epoch: 0, key: *key }
    }

    /// The key of a later epoch, as the host has stored it.
    pub const fn resume(epoch: u64, key: &[u8; 32]) -> Self {
        Self { epoch, key: *key }
    }

    /// How often the key has evolved.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The key itself, for the host to store in place of the one before, which it must destroy.
    pub const fn secret(&self) -> &[u8; 32] {
        &self.key
    }

    /// Seals a head and evolves.
    pub fn seal(&mut self, head: Head) -> Seal {
        let seal = Seal { epoch: self.epoch, head, tag: self.tag(head) };
        self.evolve();
        seal
    }

    /// Whether a seal was made with this key; if so, evolves to check the next one.
    pub fn check(&mut self, seal: &Seal) -> bool {
        let good = seal.epoch == self.epoch && equal(&seal.tag, &self.tag(seal.head));
        if good {
            self.evolve();
        }
        good
    }

    fn tag(&self, head: Head) -> [u8; 32] {
        let (epoch, size) = (self.epoch.to_be_bytes(), head.size.to_be_bytes());
        hmac_sha256(&self.key, &[b"ecosystem-audit seal v1", &epoch, &size, head.root.as_bytes()])
    }

    fn evolve(&mut self) {
        let next = Zeroizing::new(hmac_sha256(&self.key, &[b"ecosystem-audit evolve v1"]));
        self.key.copy_from_slice(&*next);
        self.epoch += 1;
    }
}

impl core::fmt::Debug for ForwardKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ForwardKey").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
