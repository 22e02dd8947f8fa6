//! Sealed payloads: personal or secret values in a log that can be forgotten without breaking it.
//!
//! # Model
//! Every subject (a person, a tenant, a VM) has keys, numbered by *epoch*, that are stored encrypted under a master key
//! of the host. A value is sealed with the newest key of its subject; what goes into the log is the ciphertext and a
//! *salted commitment* to the value. The log, its proofs and its checkpoints cover the ciphertext, so they verify
//! without any key. To forget a subject the host destroys its keys ([`KeyStore::erase`]): the ciphertexts become noise,
//! and every hash and proof stays what it was. To show one value to somebody the host opens it and hands over value and
//! salt: [`commitment`] shows that it is what was logged.
//!
//! All randomness comes from the host through [`Random`].
//!
//! # Format of a sealed value
//! ```text
//!  0  u8   version = 1
//!  1  u8   suite: 1 AES-256-GCM, 2 XChaCha20-Poly1305, 128.. of the host
//!  2  u32  epoch, big-endian
//!  6  32   commitment = SHA-256(0x02 ‖ salt ‖ kind ‖ value)
//! 38  …    nonce (12 or 24 bytes)
//!     …    ciphertext of salt (32 bytes), kind of the value (as in the canonical form), value
//!     16   tag
//! ```
//! Associated data: the first 38 bytes, the length of the subject as `u32`, the subject, the name of the field. The
//! key is `HKDF-SHA256(salt = "", secret of the epoch, "ecosystem-audit payload v1" ‖ suite ‖ epoch ‖ subject)`; keys
//! are wrapped under `HKDF-SHA256(random salt, master key, "ecosystem-audit wrap v1" ‖ suite ‖ epoch ‖ subject)`.
//!
//! # Example
#![cfg_attr(feature = "seal", doc = "```")]
#![cfg_attr(not(feature = "seal"), doc = "```ignore")]
//! use ecosystem_audit::seal::{Aes256Gcm, KeyMaster, KeyStore, MemoryKeyStore, SealError};
//! use ecosystem_audit::{Draft, Log, Value};
//!
//! // A host uses the randomness of its operating system.
//! let mut counter = 0_u8;
//! let mut random = |bytes: &mut [u8]| bytes.iter_mut().for_each(|b| { counter = counter.wrapping_add(97); *b = counter; });
//! let master = KeyMaster::new(&[1; 32], &[&Aes256Gcm]);
//! let mut store = MemoryKeyStore::new();
//!
//! let key = master.sealing_key(&mut store, "person/42", &mut random)?;
//! let secret = key.seal("after", &Value::text("mail@example.com"), &mut random)?;
//! let mut log = Log::new();
//! log.append(&Draft::new(0, "alice", "mail.change", "person/42").with_after(secret.clone()))?;
//! let Value::Sealed(bytes) = secret else { unreachable!() };
//! assert_eq!(master.key(&store, "person/42", 0)?.open("after", &bytes)?.value, Value::text("mail@example.com"));
//!
//! let root = log.root();
//! store.erase("person/42")?;
//! assert!(matches!(master.key(&store, "person/42", 0), Err(SealError::Erased { .. })));
//! assert!(log.verify().ok() && log.root() == root);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aead;
mod keys;

pub use aead::{Aead, AeadKey};
#[cfg(feature = "seal")]
pub use aead::{Aes256Gcm, XChaCha20Poly1305};
pub use keys::{KeyMaster, KeyStore, MemoryKeyStore, WrappedKey};
use zeroize::Zeroizing;

use crate::canonical;
use crate::hash::{Hash, sha256};
use crate::kdf::{equal, hkdf_sha256};
use crate::value::Value;

const VERSION: u8 = 1;
/// Version, suite, epoch and commitment.
const HEADER_LEN: usize = 38;
const SALT_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// Cryptographically secure random bytes, from the host. Any `FnMut(&mut [u8])` will do.
pub trait Random {
    /// Fills all bytes.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Random for F {
    fn fill(&mut self, bytes: &mut [u8]) {
        self(bytes);
    }
}

/// Why a value cannot be sealed or opened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError<E = core::convert::Infallible> {
    /// The key is not in the store: never issued, or destroyed.
    #[error("key {epoch} of `{subject}` is not in the store: it was erased or never issued")]
    Erased {
        /// Whose key.
        subject: String,
        /// Which one.
        epoch: u32,
    },
    /// A cipher that was not given.
    #[error("cipher suite {suite} is not known here")]
    UnknownSuite {
        /// Its number.
        suite: u8,
    },
    /// The value was sealed with another epoch's key.
    #[error("sealed in epoch {found}: this key is of epoch {expected}")]
    WrongEpoch {
        /// Epoch of the value.
        found: u32,
        /// Epoch of the key.
        expected: u32,
    },
    /// The key, the subject, the field or the bytes are not those of the sealing.
    #[error("the key, subject or field is another, or the bytes were changed")]
    WrongKey,
    /// The bytes are not a sealed value.
    #[error("{len} bytes are not a sealed value")]
    Malformed {
        /// How many bytes there are.
        len: usize,
    },
    /// The cipher has refused to encrypt.
    #[error("the cipher refuses to encrypt")]
    Cipher,
    /// A subject has used up all epochs.
    #[error("no epoch is left after {}", u32::MAX)]
    TooManyEpochs,
    /// The key store has failed.
    #[error("the key store failed: {0}")]
    Store(E),
}

/// The salted commitment to a value: `SHA-256(0x02 ‖ salt ‖ kind ‖ value)`.
///
/// With 32 random bytes of salt it tells nothing about the value; with salt and value anybody can check it. Use it as
/// [`Value::Commitment`] for values that are kept outside of the log: when they are deleted, nothing is left to guess.
pub fn commitment(salt: &[u8; 32], value: &Value) -> Hash {
    let mut bytes = Zeroizing::new(Vec::with_capacity(34 + canonical::value_len(value)));
    bytes.push(2);
    bytes.extend_from_slice(salt);
    canonical::put_plain_value(&mut bytes, value);
    sha256(&bytes)
}

/// A sealed value opened.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Opened {
    /// The value.
    pub value: Value,
    /// The salt of its commitment.
    pub salt: [u8; 32],
    /// The commitment that was logged.
    pub commitment: Hash,
}

/// The key of a subject in an epoch, ready to seal and open.
pub struct SubjectKey {
    subject: String,
    epoch: u32,
    suite: u8,
    nonce_len: usize,
    key: Box<dyn AeadKey>,
}

impl core::fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SubjectKey")
            .field("subject", &self.subject)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

impl SubjectKey {
    fn new(cipher: &dyn Aead, subject: &str, epoch: u32, secret: &[u8; 32]) -> Self {
        let suite = cipher.suite();
        let mut key = Zeroizing::new([0; 32]);
        let purpose: [&[u8]; 4] =
            [b"ecosystem-audit payload v1", &[suite], &epoch.to_be_bytes(), subject.as_bytes()];
        hkdf_sha256(&[], secret, &purpose, &mut *key).expect("32 bytes are less than HKDF can give");
        let nonce_len = cipher.nonce_len().min(24);
        Self { subject: subject.to_owned(), epoch, suite, nonce_len, key: cipher.with_key(&key) }
    }

    /// Number of the key.
    pub const fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Seals a value for a field (`before`, `after`, `reason` or the name of a free field) and commits to it. Takes 32
    /// bytes of salt and a nonce from `random`.
    pub fn seal(&self, field: &str, value: &Value, random: &mut dyn Random) -> Result<Value, SealError> {
        let body = HEADER_LEN + self.nonce_len;
        let end = body + SALT_LEN + 1 + canonical::value_len(value);
        // The associated data lie behind the value while it is sealed: one buffer for everything.
        let mut out = Vec::with_capacity(end + TAG_LEN.max(self.associated_len(field)));
        // First 0x02 ‖ salt ‖ kind ‖ value, which is hashed, at the place where it will be encrypted.
        out.resize(body - 1, 0);
        out.push(2);
        out.resize(body + SALT_LEN, 0);
        random.fill(&mut out[body..]);
        canonical::put_plain_value(&mut out, value);
        let committed = sha256(&out[body - 1..]);
        out[0] = VERSION;
        out[1] = self.suite;
        out[2..6].copy_from_slice(&self.epoch.to_be_bytes());
        out[6..HEADER_LEN].copy_from_slice(committed.as_bytes());
        random.fill(&mut out[HEADER_LEN..body]);
        out.extend_from_within(..HEADER_LEN);
        self.put_associated(&mut out, field);
        let (sealed, associated) = out.split_at_mut(end);
        let (head, plain) = sealed.split_at_mut(body);
        let tag = self.key.seal(&head[HEADER_LEN..], associated, plain).ok_or(SealError::Cipher)?;
        out.truncate(end);
        out.extend_from_slice(&tag);
        Ok(Value::Sealed(out))
    }

    /// Opens a value sealed for a field with this key, and checks it against its commitment.
    pub fn open(&self, field: &str, sealed: &[u8]) -> Result<Opened, SealError> {
        let malformed = || SealError::Malformed { len: sealed.len() };
        let header = SealedHeader::parse(sealed).ok_or_else(malformed)?;
        if header.suite != self.suite {
            return Err(SealError::UnknownSuite { suite: header.suite });
        }
        if header.epoch != self.epoch {
            return Err(SealError::WrongEpoch { found: header.epoch, expected: self.epoch });
        }
        let body = HEADER_LEN + self.nonce_len;
        let (front, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or_else(malformed)?;
        let cipher = front.get(body..).filter(|c| c.len() > SALT_LEN).ok_or_else(malformed)?;
        let mut plain = Zeroizing::new(vec![2]);
        plain.extend_from_slice(cipher);
        let mut associated = Vec::with_capacity(self.associated_len(field));
        associated.extend_from_slice(&sealed[..HEADER_LEN]);
        self.put_associated(&mut associated, field);
        if !self.key.open(&sealed[HEADER_LEN..body], &associated, &mut plain[1..], tag) {
            return Err(SealError::WrongKey);
        }
        // AES-GCM does not bind its key, the commitment binds the value.
        if !equal(sha256(&plain).as_bytes(), header.commitment.as_bytes()) {
            return Err(SealError::WrongKey);
        }
        let (salt, value) = plain[1..].split_first_chunk().ok_or_else(malformed)?;
        let value = canonical::plain_value(value).ok_or_else(malformed)?;
        Ok(Opened { value, salt: *salt, commitment: header.commitment })
    }

    /// Length of what binds a sealed value to its header, subject and field.
    fn associated_len(&self, field: &str) -> usize {
        HEADER_LEN + 4 + self.subject.len() + field.len()
    }

    /// Appends subject and field to a header that a sealed value is bound to.
    fn put_associated(&self, out: &mut Vec<u8>, field: &str) {
        out.extend_from_slice(&u32::try_from(self.subject.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(self.subject.as_bytes());
        out.extend_from_slice(field.as_bytes());
    }
}

/// What can be read of a sealed value without a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SealedHeader {
    /// The cipher.
    pub suite: u8,
    /// The number of the key.
    pub epoch: u32,
    /// The commitment to the value.
    pub commitment: Hash,
}

impl SealedHeader {
    /// Reads the header of a sealed value.
    pub fn parse(sealed: &[u8]) -> Option<Self> {
        let ([VERSION, suite], rest) = sealed.split_first_chunk()? else { return None };
        let (epoch, rest) = rest.split_first_chunk()?;
        let (commitment, _) = rest.split_first_chunk()?;
        Some(Self {
            suite: *suite,
            epoch: u32::from_be_bytes(*epoch),
            commitment: Hash::from_bytes(*commitment),
        })
    }
}
