//! A durable journal, audit segments and ecosystem revisions in a schema of a `PostgreSQL` database (14 or later).
//!
//! The same interfaces as `ecosystem-store`, which keeps them in one SQLite file: that one needs no server, this one can be
//! replicated and backed up with what a company has for its databases.
//!
//! | part | what it keeps | durable when |
//! |---|---|---|
//! | [`StoreJournal`] | the engine's journal ([`Journal`](ecosystem_core::Journal)) | as [`Durability`] says; always after `sync` |
//! | [`StoreAudit`] | the audit log ([`AuditSink`](vm_ecosystem::driver::AuditSink)) | `append` returns |
//! | [`Store::record_revision`] | revisions of the map | it returns |
//!
//! *Durable* means what [`Flush`] says, set for the session whatever the server's default is; a server that runs without
//! `fsync` or `full_page_writes` is refused.
//!
//! *One process at a time:* the session holds an advisory lock; the server gives it back when the connection ends, however
//! it ends. Everything is written on that session, so whoever writes holds the lock.
//!
//! *Broken connections:* every operation connects again, with growing pauses up to [`Settings::patience`], takes the lock
//! anew and goes on, if nobody else opened the store meanwhile; otherwise it ends with [`StoreError::TakenOver`]. A commit
//! whose answer was lost is done again: records and entries carry numbers, so that the second time has no effect.
//!
//! *Several controllers*, one of which leads: they open the store with the fencing token of the election
//! ([`Settings::token`]). The new leader takes the store over even if the old one stands still in the middle of a transaction.
//!
//! Connections are not encrypted: use a socket on the same machine, or a tunnel. The client blocks; it must not be called from
//! within an asynchronous runtime.

mod audit;
mod error;
mod journal;
mod revisions;
mod schema;
mod session;

pub use audit::StoreAudit;
pub use error::StoreError;
pub use journal::StoreJournal;

use journal::Pending;
use postgres::Config;
use session::Session;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// When an appended journal record is made durable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Durability {
    /// With every append: one transaction per record.
    EachRecord,
    /// With every so many appends (group commit), and at `sync`.
    Group(NonZeroU32),
    /// Only at `sync`, when the host wants it; what the driver of the façade does before anything leaves. Records that
    /// pile up without one are written by the thousand.
    #[default]
    OnSync,
}

/// What the server has done when it acknowledges (its `synchronous_commit`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Flush {
    /// Flushed its write-ahead log to its disk, and to those of synchronous standbys if it has any (`on`).
    #[default]
    Disk,
    /// Also waited until synchronous standbys show it (`remote_apply`).
    Replicas,
}

/// How a store is opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Schema that holds the tables; one store each. `ecosystem`.
    pub schema: String,
    /// When journal records become durable.
    pub durability: Durability,
    /// What durable means.
    pub flush: Flush,
    /// How long an operation waits for a server that is away. 10 s: a restart with recovery.
    pub patience: Duration,
    /// Fencing token of a leader, higher for each than for any before. With one, a store that somebody with a lower token has
    /// open is taken from them; they find out when they next write ([`StoreError::TakenOver`]). `None`: whoever has the store
    /// open keeps it.
    pub token: Option<u64>,
    /// Also takes servers that run without `fsync`: for experiments only.
    pub allow_fragile_server: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schema: "ecosystem".into(),
            durability: Durability::default(),
            flush: Flush::default(),
            patience: Duration::from_secs(10),
            token: None,
            allow_fragile_server: false,
        }
    }
}

/// An open store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Mutex<Inner>>,
    durability: Durability,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) session: Session,
    pub(crate) pending: Pending,
}

impl Store {
    /// Opens or makes a store. `address` is a connection string (`host=/run/postgresql user=eco dbname=eco`) or a
    /// `postgresql://` address.
    pub fn open(address: &str, settings: Settings) -> Result<Self, StoreError> {
        check_schema(&settings.schema)?;
        let config: Config = address.parse().map_err(StoreError::Address)?;
        let durability = settings.durability;
        let mut session = Session::open(config, settings)?;
        let pending = Pending::load(&mut session)?;
        Ok(Self { inner: Arc::new(Mutex::new(Inner { session, pending })), durability })
    }

    /// The journal; all handles of one store write to the same.
    pub fn journal(&self) -> StoreJournal {
        StoreJournal::new(self.clone())
    }

    /// The audit log; there must be only one handle at a time.
    pub fn audit(&self) -> Result<StoreAudit, StoreError> {
        StoreAudit::new(self.clone())
    }

    pub(crate) const fn durability(&self) -> Durability {
        self.durability
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic in between leaves records that are not durable yet; the next commit writes them.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_schema(name: &str) -> Result<(), StoreError> {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if first && rest && name.len() <= 63 {
        Ok(())
    } else {
        Err(StoreError::Schema { found: name.to_owned() })
    }
}

/// The database knows signed numbers only.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_name_cannot_carry_a_statement() {
        for bad in ["", "Shop", "1st", "a-b", "x\"; DROP SCHEMA public; --", &"a".repeat(64)] {
            assert!(matches!(check_schema(bad), Err(StoreError::Schema { .. })), "{bad}");
        }
        assert!(check_schema("shop_2").is_ok());
    }

    #[test]
    fn an_address_that_is_none_is_refused_before_anything_is_opened() {
        let error = Store::open("nonsense=1", Settings::default()).unwrap_err();
        assert!(matches!(error, StoreError::Address(_)), "{error}");
    }
}
