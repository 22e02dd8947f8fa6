//! What can go wrong with a server.

/// Why a server could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrometheusError {
    /// Nobody answers, or the connection broke.
    #[error("metrics server {url} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        url: String,
        /// What the system says.
        reason: String,
    },
    /// No whole answer in time.
    #[error("metrics server {url} did not answer within {millis} ms")]
    Slow {
        /// The server.
        url: String,
        /// How long was waited.
        millis: u128,
    },
    /// The server says that it is in trouble.
    #[error("metrics server {url} answers with status {status}: {reason}")]
    Server {
        /// The server.
        url: String,
        /// HTTP status.
        status: u16,
        /// The beginning of what it says.
        reason: String,
    },
    /// What came is not an answer of the query API, or not all of one.
    #[error("answer of metrics server {url} cannot be read: {reason}")]
    Garbage {
        /// The server.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The answer is longer than is accepted.
    #[error("answer of metrics server {url} has more than {max} bytes; ask for less at once")]
    TooLarge {
        /// The server.
        url: String,
        /// Longest accepted answer.
        max: u64,
    },
    /// The server understood, but refuses this query.
    #[error("query was refused by {url}: {reason}")]
    Query {
        /// The server.
        url: String,
        /// What it says.
        reason: String,
    },
}

impl PrometheusError {
    /// True if the same question may be answered a moment later.
    pub(crate) const fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Server { .. } | Self::Garbage { .. })
    }
}
