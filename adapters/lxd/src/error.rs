//! What can go wrong with a cluster.

/// Why the cluster could not be asked, or did not do what it was asked to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LxdError {
    /// None of the sockets takes a connection, or it broke before the answer.
    #[error("no member answers at {sockets}: {reason}; is the daemon alive?")]
    Unreachable {
        /// The sockets that were tried.
        sockets: String,
        /// What the system says of the last one.
        reason: String,
    },
    /// No whole answer in time.
    #[error("{what} was not answered within {millis} ms")]
    Slow {
        /// Method and path.
        what: String,
        /// How long was waited.
        millis: u128,
    },
    /// What came is not an answer of the API, or not all of one.
    #[error("answer to {what} cannot be read: {reason}")]
    Garbage {
        /// Method and path.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The cluster says no.
    #[error("{what} was refused with status {status}: {reason}")]
    Refused {
        /// Method and path.
        what: String,
        /// Status as in HTTP.
        status: u16,
        /// What the cluster says.
        reason: String,
    },
    /// The operation that was begun cannot be found any more; its effect has to be looked up.
    #[error("operation {id} is not known any more")]
    Lost {
        /// Its number.
        id: String,
    },
    /// A name in the settings or of a member is not one of ours.
    #[error("name `{name}` cannot be used: {reason}")]
    Name {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
}

impl LxdError {
    /// True if the cluster certainly did nothing.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Name { .. })
    }

    pub(crate) const fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}
