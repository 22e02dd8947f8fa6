//! What can go wrong with a store.

use std::path::PathBuf;

/// Why a store could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    #[error("store is in use by another process (lock {}); stop that one first", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be made.
    #[error("lock file {}: {source}", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file was written by a newer program.
    #[error(
        "store has schema version {found}, expected at most {known}; open it with the program that wrote it"
    )]
    Newer {
        /// Version found.
        found: i64,
        /// Newest version this build knows.
        known: i64,
    },
    /// The file is not a sound database, or the disk is full or broken.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// An entry cannot be appended to the audit log.
    #[error(transparent)]
    Append(#[from] ecosystem_audit::AppendError),
    /// What is stored is not what was written.
    #[error("stored {what} cannot be read: {why}; restore it from a copy")]
    Damaged {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
}
