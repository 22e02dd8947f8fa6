//! What can go wrong between us and the server.

use std::time::Duration;

/// Why work could not be put, taken or answered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NatsError {
    /// The name of a board is not one.
    #[error("board `{found}`: expected letters, digits, `-` or `_`, at most 64")]
    Name {
        /// What was given.
        found: String,
    },
    /// The server could not be reached.
    #[error("NATS at {url} cannot be reached: {reason}; start it with JetStream switched on")]
    Unreachable {
        /// Its address.
        url: String,
        /// What the client says.
        reason: String,
    },
    /// A stream or its consumer could not be made: no `JetStream`, no rights, or another one of that name.
    #[error("stream {stream} cannot be used: {reason}")]
    Stream {
        /// Which.
        stream: String,
        /// What the server says.
        reason: String,
    },
    /// As many items wait as may.
    #[error("{waiting} items wait already: submit more when workers have taken some")]
    Full {
        /// How many may.
        waiting: i64,
    },
    /// An item or an answer is larger than the server takes.
    #[error(
        "{what} of {bytes} bytes: the server takes at most {most}; raise its max_payload or cut the work smaller"
    )]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The most.
        most: usize,
    },
    /// The server did not take or give a message.
    #[error("{what}: {reason}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// What the client says.
        reason: String,
    },
    /// Not everything was answered in time.
    #[error("{missing} of {of} items are not answered after {waited:?}; are there workers?")]
    Late {
        /// How many are missing.
        missing: usize,
        /// Of how many.
        of: usize,
        /// How long was waited.
        waited: Duration,
    },
    /// An item was given up.
    #[error("item {id} was given up after {deliveries} deliveries: {reason}")]
    GivenUp {
        /// Which.
        id: String,
        /// How often it was given out.
        deliveries: u64,
        /// What the last worker said, or what became of it.
        reason: String,
    },
    /// An answer cannot be read, or does not fit what was asked.
    #[error("answer to {id}: {reason}")]
    Answer {
        /// To which item.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// The system gave no threads.
    #[error("no runtime: {reason}")]
    System {
        /// What it says.
        reason: String,
    },
}
