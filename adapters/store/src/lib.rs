//! A durable journal, audit segments and ecosystem revisions in one SQLite file.
//!
//! | part | what it keeps | durable when |
//! |---|---|---|
//! | [`StoreJournal`] | the engine's journal ([`Journal`](ecosystem_core::Journal)) | as [`Durability`] says; always after `sync` |
//! | [`StoreAudit`] | the audit log ([`AuditSink`](vm_ecosystem::driver::AuditSink)) | `append` returns |
//! | [`Store::record_revision`] | revisions of the map | it returns |
//!
//! One process at a time: a lock file beside the database is held as long as the store is open, and the system releases it
//! when the process dies, however it dies. Torn writes are undone by SQLite's write-ahead log, whose frames carry
//! checksums. The schema has a version; [`Store::open`] brings older files up to date and refuses newer ones.
//!
//! SQLite was chosen over redb by measurement (`examples/compare_engines.rs`): a durable append costs one flush instead of
//! several, and opening after a crash takes as long.

mod audit;
mod error;
mod journal;
mod revisions;
mod schema;

pub use audit::StoreAudit;
pub use error::StoreError;
pub use journal::StoreJournal;

use rusqlite::Connection;
use std::fs::{File, OpenOptions, TryLockError};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a lock that is held is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// When an appended journal record is flushed to the disk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Durability {
    /// With every append: one flush per record.
    EachRecord,
    /// With every so many appends (group commit), and at `sync`.
    Group(NonZeroU32),
    /// Only at `sync`, when the host wants it; what the driver of the façade does before anything leaves.
    #[default]
    OnSync,
}

/// An open store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Mutex<Inner>>,
    durability: Durability,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) db: Connection,
    // A transaction is open: there are appends that are not durable yet.
    pub(crate) pending: u32,
    // Released by the system when it is closed.
    _lock: File,
}

impl Store {
    /// Opens or makes a store at `path`, a file on a local disk.
    pub fn open(path: impl AsRef<Path>, durability: Durability) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let lock = lock(&path.with_extension("lock"))?;
        let db = Connection::open(path)?;
        // WAL: a commit is one flush. FULL: a commit that returned survives a loss of power. EXCLUSIVE: no shared memory
        // file is needed, there is one process. The cache keeps what was written until it is full; what is appended is
        // hardly read again, so a small one keeps the memory of a controller level.
        db.execute_batch(
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-512;",
        )?;
        schema::bring_up_to_date(&db)?;
        Ok(Self { inner: Arc::new(Mutex::new(Inner { db, pending: 0, _lock: lock })), durability })
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
        // A panic in between leaves an open transaction at worst, which the next commit ends.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Begins a transaction unless one is open.
    pub(crate) fn begin(&mut self) -> Result<(), StoreError> {
        if self.db.is_autocommit() {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    /// Makes everything so far durable.
    pub(crate) fn commit(&mut self) -> Result<(), StoreError> {
        if !self.db.is_autocommit() {
            self.db.execute_batch("COMMIT")?;
        }
        self.pending = 0;
        Ok(())
    }
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let io = |source| StoreError::Lock { path: PathBuf::from(path), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(io)?;
    let begin = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // A program that is just being started by whoever held the lock has it for another instant.
            Err(TryLockError::WouldBlock) if begin.elapsed() < PATIENCE => std::thread::sleep(PATIENCE / 20),
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
}
