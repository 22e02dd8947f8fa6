//! Where the bytes of models are: at the host, by the hash of their content.

use super::{ContentHash, ModelVersion, Registry};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

/// Bytes by content hash: a directory, a table, a bucket. The host implements it; [`MemoryStore`] is one for tests.
///
/// The four required methods may be plain: what comes back is compared with its hash by [`fetch`](Self::fetch), so a store
/// that loses, cuts or mixes up bytes is noticed before a model is made of them.
pub trait ModelStore {
    /// What can go wrong at the store.
    type Error: std::error::Error;

    /// The bytes under this hash, unchecked; `None` if there are none.
    fn get(&self, content: &ContentHash) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Keeps bytes durably under their hash; keeping them twice is no error.
    fn put(&mut self, content: &ContentHash, bytes: &[u8]) -> Result<(), Self::Error>;

    /// All hashes, in any order.
    fn list(&self) -> Result<Vec<ContentHash>, Self::Error>;

    /// Deletes the bytes; false if there were none.
    fn delete(&mut self, content: &ContentHash) -> Result<bool, Self::Error>;

    /// Keeps bytes; what [`Registry::register`] wants to know of them. Keep first, then register.
    fn keep(&mut self, bytes: &[u8]) -> Result<(ContentHash, u64), Self::Error> {
        let content = ContentHash::of(bytes);
        self.put(&content, bytes)?;
        Ok((content, u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
    }

    /// The bytes of a version, which are those that were registered.
    fn fetch(&self, version: &ModelVersion) -> Result<Vec<u8>, FetchError<Self::Error>> {
        let expected = version.content;
        let bytes =
            self.get(&expected).map_err(FetchError::Store)?.ok_or(FetchError::Missing { expected })?;
        let found = ContentHash::of(&bytes);
        if found == expected {
            Ok(bytes)
        } else {
            Err(FetchError::Wrong { expected, found, bytes: bytes.len() })
        }
    }

    /// Deletes bytes that no version has, and says which. Not between [`keep`](Self::keep) and applying the registration.
    fn delete_unused(&mut self, registry: &Registry) -> Result<BTreeSet<ContentHash>, Self::Error> {
        let used = registry.contents();
        let unused: BTreeSet<_> =
            self.list()?.into_iter().filter(|content| !used.contains(content)).collect();
        for content in &unused {
            self.delete(content)?;
        }
        Ok(unused)
    }
}

/// Why there are no bytes to make a model of.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError<E> {
    /// The store failed.
    #[error("the store of models failed")]
    Store(#[source] E),
    /// The store does not have them.
    #[error("the store has no bytes {expected}: restore them, or archive the version")]
    Missing {
        /// Hash asked for.
        expected: ContentHash,
    },
    /// The store has others.
    #[error(
        "the store gave {bytes} bytes {found} for {expected}: they were damaged or mixed up; restore them"
    )]
    Wrong {
        /// Hash asked for.
        expected: ContentHash,
        /// Hash of what came.
        found: ContentHash,
        /// How many bytes came.
        bytes: usize,
    },
}

/// A store in memory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct MemoryStore {
    models: BTreeMap<ContentHash, Vec<u8>>,
}

impl ModelStore for MemoryStore {
    type Error = Infallible;

    fn get(&self, content: &ContentHash) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.models.get(content).cloned())
    }

    fn put(&mut self, content: &ContentHash, bytes: &[u8]) -> Result<(), Infallible> {
        self.models.insert(*content, bytes.to_vec());
        Ok(())
    }

    fn list(&self) -> Result<Vec<ContentHash>, Infallible> {
        Ok(self.models.keys().copied().collect())
    }

    fn delete(&mut self, content: &ContentHash) -> Result<bool, Infallible> {
        Ok(self.models.remove(content).is_some())
    }
}
