//! What can go wrong with hosts.

use crate::qmp::QmpError;
use std::path::PathBuf;

/// Why a host or a machine on it could not be reached or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The supervisor's socket cannot be reached, or no answer came in time.
    #[error("host socket {}: {source}; is the supervisor alive?", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file or process could not be made.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// QEMU could not be asked.
    #[error(transparent)]
    Qmp(#[from] QmpError),
    /// A machine did not do what was expected in time.
    #[error("{what} did not happen within {millis} ms")]
    Late {
        /// What.
        what: &'static str,
        /// How long was waited.
        millis: u128,
    },
    /// QEMU ended a migration or a start badly.
    #[error("{what}")]
    Failed {
        /// In words.
        what: String,
    },
}

impl HostError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        |source| Self::System { what, source }
    }

    pub(crate) fn failed(what: impl Into<String>) -> Self {
        Self::Failed { what: what.into() }
    }
}
