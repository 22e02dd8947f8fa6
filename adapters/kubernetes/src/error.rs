//! What can go wrong.

use ecosystem_core::{ComponentId, HostId};

/// Why the API server could not be asked, or says no.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KubeError {
    /// Nobody answers, or the connection broke.
    #[error("API server {url} cannot be reached: {reason}; does `kubectl proxy` run?")]
    Unreachable {
        /// The server.
        url: String,
        /// What the system says.
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
    /// The server says no.
    #[error("{what} was refused with status {status} ({reason}): {message}")]
    Refused {
        /// Method and path.
        what: String,
        /// Status as in HTTP.
        status: u16,
        /// The API's word for it, e.g. `NotFound`.
        reason: String,
        /// In words.
        message: String,
        /// Seconds after which it may be asked again, if the server says so.
        retry_after: Option<u32>,
    },
    /// A request cannot be made of what was given.
    #[error("{what} cannot be asked: {reason}")]
    Request {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
}

impl KubeError {
    /// The status of a refusal.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// True if asking again may help: the server could not be reached, was slow or in trouble.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Slow { .. }
                | Self::Refused { status: 409 | 429 | 500..=599, .. }
        )
    }
}

/// Why a placement is not a plan.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No workload has the component's name.
    #[error(
        "component {component} has no Deployment or StatefulSet in the namespace; apply its manifest first"
    )]
    NoWorkload {
        /// Which.
        component: ComponentId,
    },
    /// The cluster has no such node.
    #[error("{component} is to run on {node}, which is not a node of the cluster")]
    NoNode {
        /// Whose.
        component: ComponentId,
        /// Which.
        node: HostId,
    },
    /// Nobody would start the pod again.
    #[error(
        "pod {namespace}/{pod} on {node} belongs to no controller: evicted, it is gone; delete it by hand"
    )]
    Unmanaged {
        /// Its namespace.
        namespace: String,
        /// Its name.
        pod: String,
        /// Where it runs.
        node: HostId,
    },
}
