//! Where a controller keeps journal and audit log: one file for one controller at a time on one machine, or a database that
//! several controllers reach and the one that leads owns.

use ecosystem_postgres as server;
use ecosystem_store as file;
use vm_ecosystem::audit::{Draft, Receipt, verify};
use vm_ecosystem::prelude::*;

/// A store of either kind.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "the kinds there are")]
pub enum Keep {
    /// A SQLite file.
    File(file::Store),
    /// A schema of a `PostgreSQL` database.
    Server(server::Store),
}

/// Why it could not be written or read.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the kinds there are")]
pub enum KeepError {
    /// Of the file.
    #[error(transparent)]
    File(#[from] file::StoreError),
    /// Of the database.
    #[error(transparent)]
    Server(#[from] server::StoreError),
}

impl KeepError {
    /// True if somebody else has the store now, or is to have it.
    pub const fn is_of_another(&self) -> bool {
        use server::StoreError::{Fenced, InUse, TakenOver};
        matches!(
            self,
            Self::File(file::StoreError::InUse { .. })
                | Self::Server(InUse { .. } | TakenOver { .. } | Fenced { .. })
        )
    }
}

impl Keep {
    /// The journal.
    pub fn journal(&self) -> KeptJournal {
        match self {
            Self::File(store) => KeptJournal::File(store.journal()),
            Self::Server(store) => KeptJournal::Server(store.journal()),
        }
    }

    /// The audit log; there must be only one handle at a time.
    pub fn audit(&self) -> Result<KeptAudit, KeepError> {
        Ok(match self {
            Self::File(store) => KeptAudit::File(store.audit()?),
            Self::Server(store) => KeptAudit::Server(store.audit()?),
        })
    }
}

/// A journal in either.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the kinds there are")]
pub enum KeptJournal {
    /// In the file.
    File(file::StoreJournal),
    /// In the database.
    Server(server::StoreJournal),
}

impl Journal for KeptJournal {
    type Error = KeepError;

    fn append(&mut self, record: &[u8]) -> Result<(), KeepError> {
        match self {
            Self::File(it) => it.append(record)?,
            Self::Server(it) => it.append(record)?,
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), KeepError> {
        match self {
            Self::File(it) => it.sync()?,
            Self::Server(it) => it.sync()?,
        }
        Ok(())
    }

    fn read_all(&mut self) -> Result<Vec<Vec<u8>>, KeepError> {
        Ok(match self {
            Self::File(it) => it.read_all()?,
            Self::Server(it) => it.read_all()?,
        })
    }
}

/// An audit log in either.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the kinds there are")]
pub enum KeptAudit {
    /// In the file.
    File(file::StoreAudit),
    /// In the database.
    Server(server::StoreAudit),
}

impl KeptAudit {
    /// Number of entries.
    pub const fn size(&self) -> u64 {
        match self {
            Self::File(it) => it.size(),
            Self::Server(it) => it.size(),
        }
    }

    /// The stored segments, oldest first.
    pub fn segments(&self) -> Result<Vec<Vec<u8>>, KeepError> {
        Ok(match self {
            Self::File(it) => it.segments()?,
            Self::Server(it) => it.segments()?,
        })
    }

    /// Holds everything that is stored against the writer's own head, with the independent verifier.
    pub fn verify(&self) -> Result<verify::Report, KeepError> {
        Ok(match self {
            Self::File(it) => it.verify()?,
            Self::Server(it) => it.verify()?,
        })
    }
}

impl AuditSink for KeptAudit {
    type Error = KeepError;

    fn append(&mut self, draft: &Draft) -> Result<Receipt, KeepError> {
        Ok(match self {
            Self::File(it) => it.append(draft)?,
            Self::Server(it) => it.append(draft)?,
        })
    }
}
