//! Keys per subject and epoch, wrapped by a master key, in a store of the host.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::aead::Aead;
use super::{Random, SealError, SubjectKey};
use crate::kdf::hkdf_sha256;

/// The key of a subject in an epoch, encrypted under the master key: safe to store.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct WrappedKey {
    /// Whose payloads it seals.
    pub subject: String,
    /// Number of the key; the newest seals.
    pub epoch: u32,
    /// The cipher it is for and by which it is wrapped.
    pub suite: u8,
    /// Salt from which the wrapping key is derived.
    pub salt: [u8; 32],
    /// The encrypted key.
    pub ciphertext: [u8; 32],
    /// The tag over it.
    pub tag: [u8; 16],
}

impl WrappedKey {
    /// The key as bytes for the host's store: version, suite, epoch, salt, ciphertext, tag, subject.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![1, self.suite];
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.ciphertext);
        out.extend_from_slice(&self.tag);
        out.extend_from_slice(self.subject.as_bytes());
        out
    }

    /// Reads what [`WrappedKey::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([1, suite], rest) = bytes.split_first_chunk()? else { return None };
        let (epoch, rest) = rest.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (ciphertext, rest) = rest.split_first_chunk()?;
        let (tag, subject) = rest.split_first_chunk()?;
        Some(Self {
            subject: core::str::from_utf8(subject).ok()?.to_owned(),
            epoch: u32::from_be_bytes(*epoch),
            suite: *suite,
            salt: *salt,
            ciphertext: *ciphertext,
            tag: *tag,
        })
    }
}

/// Where wrapped keys are kept. Erasing must reach every copy, backups included: what is sealed under an erased key is
/// gone only when the key is.
pub trait KeyStore {
    /// Why the store fails.
    type Error;
    /// The number of the newest key of a subject; best also of one that was erased, so that numbers are not given twice.
    fn newest(&self, subject: &str) -> Result<Option<u32>, Self::Error>;
    /// A key.
    fn get(&self, subject: &str, epoch: u32) -> Result<Option<WrappedKey>, Self::Error>;
    /// Stores a key durably.
    fn put(&mut self, key: WrappedKey) -> Result<(), Self::Error>;
    /// Destroys all keys of a subject and says how many there were.
    fn erase(&mut self, subject: &str) -> Result<u32, Self::Error>;
}

/// Keys in memory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MemoryKeyStore {
    keys: BTreeMap<(String, u32), WrappedKey>,
}

impl MemoryKeyStore {
    /// A store without keys.
    pub const fn new() -> Self {
        Self { keys: BTreeMap::new() }
    }

    fn of<'a>(&'a self, subject: &str) -> impl DoubleEndedIterator<Item = &'a WrappedKey> {
        self.keys.range((subject.to_owned(), 0)..=(subject.to_owned(), u32::MAX)).map(|(_, key)| key)
    }
}

impl KeyStore for MemoryKeyStore {
    type Error = core::convert::Infallible;

    fn newest(&self, subject: &str) -> Result<Option<u32>, Self::Error> {
        Ok(self.of(subject).next_back().map(|key| key.epoch))
    }

    fn get(&self, subject: &str, epoch: u32) -> Result<Option<WrappedKey>, Self::Error> {
        Ok(self.keys.get(&(subject.to_owned(), epoch)).cloned())
    }

    fn put(&mut self, key: WrappedKey) -> Result<(), Self::Error> {
        self.keys.insert((key.subject.clone(), key.epoch), key);
        Ok(())
    }

    fn erase(&mut self, subject: &str) -> Result<u32, Self::Error> {
        let before = self.keys.len();
        self.keys.retain(|(known, _), _| known != subject);
        Ok(u32::try_from(before - self.keys.len()).unwrap_or(u32::MAX))
    }
}

/// Issues and opens subject keys under a master key, which never leaves it and is wiped with it.
pub struct KeyMaster<'a> {
    master: Zeroizing<[u8; 32]>,
    /// The first seals, all open.
    ciphers: &'a [&'a dyn Aead],
}

impl core::fmt::Debug for KeyMaster<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("KeyMaster").finish_non_exhaustive()
    }
}

impl<'a> KeyMaster<'a> {
    /// A key master with its secret and the ciphers it knows: the first one is for new keys, the others to open old ones.
    pub fn new(master: &[u8; 32], ciphers: &'a [&'a dyn Aead]) -> Self {
        Self { master: Zeroizing::new(*master), ciphers }
    }

    /// Makes and stores a new key for a subject: the first one, or that of the next epoch.
    pub fn issue<S: KeyStore>(
        &self,
        store: &mut S,
        subject: &str,
        random: &mut dyn Random,
    ) -> Result<SubjectKey, SealError<S::Error>> {
        let cipher = *self.ciphers.first().ok_or(SealError::UnknownSuite { suite: 0 })?;
        let epoch = match store.newest(subject).map_err(SealError::Store)? {
            None => 0,
            Some(newest) => newest.checked_add(1).ok_or(SealError::TooManyEpochs)?,
        };
        let (mut secret, mut salt) = (Zeroizing::new([0; 32]), [0; 32]);
        random.fill(&mut *secret);
        random.fill(&mut salt);
        let mut wrapped = WrappedKey {
            subject: subject.to_owned(),
            epoch,
            suite: cipher.suite(),
            salt,
            ciphertext: *secret,
            tag: [0; 16],
        };
        let wrapping = self.wrapping_key(cipher, &wrapped);
        // The wrapping key is used once, so the nonce may be zero.
        let nonce = vec![0; cipher.nonce_len()];
        wrapped.tag =
            wrapping.seal(&nonce, subject.as_bytes(), &mut wrapped.ciphertext).ok_or(SealError::Cipher)?;
        store.put(wrapped).map_err(SealError::Store)?;
        Ok(SubjectKey::new(cipher, subject, epoch, &secret))
    }

    /// The newest key of a subject, to seal with; one is issued if there is none, or if it was erased.
    pub fn sealing_key<S: KeyStore>(
        &self,
        store: &mut S,
        subject: &str,
        random: &mut dyn Random,
    ) -> Result<SubjectKey, SealError<S::Error>> {
        match store.newest(subject).map_err(SealError::Store)? {
            None => self.issue(store, subject, random),
            Some(epoch) => match self.key(store, subject, epoch) {
                // The store remembers the number of an erased key, so that it is not given twice.
                Err(SealError::Erased { .. }) => self.issue(store, subject, random),
                other => other,
            },
        }
    }

    /// The key of a subject in an epoch, to open with. [`SealError::Erased`] if the store does not have it (any more).
    pub fn key<S: KeyStore>(
        &self,
        store: &S,
        subject: &str,
        epoch: u32,
    ) -> Result<SubjectKey, SealError<S::Error>> {
        let wrapped = store.get(subject, epoch).map_err(SealError::Store)?;
        let mut wrapped = wrapped.ok_or_else(|| SealError::Erased { subject: subject.to_owned(), epoch })?;
        let cipher = self.ciphers.iter().find(|cipher| cipher.suite() == wrapped.suite);
        let cipher = *cipher.ok_or(SealError::UnknownSuite { suite: wrapped.suite })?;
        let wrapping = self.wrapping_key(cipher, &wrapped);
        let nonce = vec![0; cipher.nonce_len()];
        if !wrapping.open(&nonce, subject.as_bytes(), &mut wrapped.ciphertext, &wrapped.tag) {
            return Err(SealError::WrongKey);
        }
        let secret = Zeroizing::new(wrapped.ciphertext);
        Ok(SubjectKey::new(cipher, subject, epoch, &secret))
    }

    fn wrapping_key(&self, cipher: &dyn Aead, wrapped: &WrappedKey) -> Box<dyn super::AeadKey> {
        let mut key = Zeroizing::new([0; 32]);
        let purpose: [&[u8]; 4] = [
            b"ecosystem-audit wrap v1",
            &[wrapped.suite],
            &wrapped.epoch.to_be_bytes(),
            wrapped.subject.as_bytes(),
        ];
        hkdf_sha256(&wrapped.salt, &*self.master, &purpose, &mut *key)
            .expect("32 bytes are less than HKDF can give");
        cipher.with_key(&key)
    }
}
