//! What can go wrong with a store on a server.

use std::time::Duration;

/// Why a store could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process has it open.
    #[error("schema `{schema}` is in use by another process; stop that one first")]
    InUse {
        /// The schema.
        schema: String,
    },
    /// The name of the schema is not one.
    #[error("schema `{found}`: expected a letter or `_`, then letters, digits or `_`, all small, at most 63")]
    Schema {
        /// What was given.
        found: String,
    },
    /// The connection string cannot be read.
    #[error(
        "connection string: {0}; expected `host=/run/postgresql user=eco dbname=eco` or a postgresql:// address"
    )]
    Address(postgres::Error),
    /// The server could not be reached, or went away and did not come back in time.
    #[error("server cannot be reached for {waited:?}: {source}; start it or raise the patience")]
    Unreachable {
        /// How long it was tried.
        waited: Duration,
        /// The last refusal.
        source: postgres::Error,
    },
    /// The connection broke, and another process opened the store before it was back.
    #[error(
        "schema `{schema}` was taken over by another process (opening {found}, ours was {ours}); open it anew"
    )]
    TakenOver {
        /// The schema.
        schema: String,
        /// Number of the newest opening.
        found: i64,
        /// Number of ours.
        ours: i64,
    },
    /// The store belongs to somebody with a higher fencing token.
    #[error("fencing token {ours} is over, {found} rules; take part in the election again")]
    Fenced {
        /// The token that rules.
        found: i64,
        /// Ours.
        ours: u64,
    },
    /// The server acknowledges what a loss of power may undo.
    #[error("the server runs with {setting} = {found}: what it acknowledges may be lost; switch it on")]
    NotDurable {
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: String,
    },
    /// The tables were written by a newer program.
    #[error("schema has version {found}, expected at most {known}; open it with the program that wrote it")]
    Newer {
        /// Version found.
        found: i64,
        /// Newest version this build knows.
        known: i64,
    },
    /// The server refused a statement: a full disk, missing rights, a table that is not ours.
    #[error("database: {0}")]
    Database(#[source] postgres::Error),
    /// An entry cannot be appended to the audit log.
    #[error(transparent)]
    Append(#[from] ecosystem_audit::AppendError),
    /// A record is larger than the server takes.
    #[error("record of {bytes} bytes: expected at most {most}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The largest that is taken.
        most: usize,
    },
    /// What is stored is not what was written.
    #[error("stored {what} cannot be read: {why}; restore it from a copy")]
    Damaged {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
}
