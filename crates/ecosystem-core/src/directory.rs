//! Service directories outside of the library: what a host implements, and the JSON of the common ones as pure functions.
//!
//! [`Registry`] is the directory in memory; [`consul`] and [`etcd`] make and read what those servers say over HTTP. The
//! requests themselves are the host's.

#[cfg(feature = "manifest")]
pub mod consul;
#[cfg(feature = "manifest")]
pub mod etcd;

use crate::id::{ComponentId, ReplicaId};
use crate::registry::{Instance, Registry, RegistryError, RegistryEvent};
use crate::time::Timestamp;
use std::time::Duration;

/// Where instances are entered and found. Implemented by [`Registry`], and by hosts for Consul, etcd and others.
pub trait ServiceDirectory {
    /// Why a request failed.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Enters an instance, or replaces it; it is gone unless renewed within `lease`.
    fn register(&mut self, now: Timestamp, instance: &Instance, lease: Duration) -> Result<(), Self::Error>;

    /// Extends the lease of an instance.
    fn renew(&mut self, now: Timestamp, replica: &ReplicaId) -> Result<(), Self::Error>;

    /// Takes an instance out; true if it was there.
    fn deregister(&mut self, now: Timestamp, replica: &ReplicaId) -> Result<bool, Self::Error>;

    /// Instances of a component that take traffic, in order of replica.
    fn healthy(&mut self, now: Timestamp, component: &ComponentId) -> Result<Vec<Instance>, Self::Error>;

    /// Changes after a cursor, oldest first, and the new cursor. An expired cursor is an error: read everything anew.
    fn changes(&mut self, now: Timestamp, cursor: u64) -> Result<(u64, Vec<RegistryEvent>), Self::Error>;
}

impl ServiceDirectory for Registry {
    type Error = RegistryError;

    fn register(
        &mut self,
        now: Timestamp,
        instance: &Instance,
        lease: Duration,
    ) -> Result<(), RegistryError> {
        Self::register(self, now, instance.clone(), lease)
    }

    fn renew(&mut self, now: Timestamp, replica: &ReplicaId) -> Result<(), RegistryError> {
        Self::renew(self, now, replica)
    }

    fn deregister(&mut self, now: Timestamp, replica: &ReplicaId) -> Result<bool, RegistryError> {
        Ok(Self::deregister(self, now, replica))
    }

    fn healthy(&mut self, now: Timestamp, component: &ComponentId) -> Result<Vec<Instance>, RegistryError> {
        Ok(Self::healthy(self, now, component).into_iter().cloned().collect())
    }

    fn changes(&mut self, now: Timestamp, cursor: u64) -> Result<(u64, Vec<RegistryEvent>), RegistryError> {
        let (cursor, events) = self.watch(now, cursor)?;
        Ok((cursor, events.into_iter().cloned().collect()))
    }
}

/// Why an answer of a directory cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// Not JSON.
    #[error("answer is not JSON: {0}; is this the address of the server's HTTP interface?")]
    Syntax(String),
    /// JSON of another form.
    #[error("`{field}` of entry {entry} is {found}, expected {expected}")]
    Form {
        /// Position of the entry in the answer, from 0.
        entry: usize,
        /// Name of the field.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
}

#[cfg(feature = "manifest")]
mod shared {
    use super::DirectoryError;
    use crate::id::ReplicaId;
    use serde_json::Value;

    pub(super) fn parse(text: &str) -> Result<Value, DirectoryError> {
        serde_json::from_str(text).map_err(|error| DirectoryError::Syntax(error.to_string()))
    }

    pub(super) fn form<T>(
        entry: usize,
        field: &'static str,
        found: &Value,
        expected: &'static str,
    ) -> Result<T, DirectoryError> {
        let mut found = found.to_string();
        if let Some((cut, _)) = found.char_indices().nth(60) {
            found.truncate(cut);
        }
        Err(DirectoryError::Form { entry, field, found, expected })
    }

    /// `web#0`.
    pub(super) fn replica(text: &str) -> Option<ReplicaId> {
        let (name, index) = text.rsplit_once('#')?;
        Some(ReplicaId::new(name.parse().ok()?, index.parse().ok()?))
    }
}
