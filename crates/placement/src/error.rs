//! Why a problem could not be built.

use ecosystem_core::{ComponentId, HostId, ReplicaId};

/// Why a [`Problem`](crate::Problem) could not be built. A valid problem without a solution is no error but
/// [`Status::Infeasible`](crate::Status::Infeasible).
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProblemError {
    /// There is nothing to place on.
    #[error("the problem has no hosts, expected at least one")]
    NoHosts,
    /// Too many hosts, items or groups for dense 32-bit indices.
    #[error("{what}: {count} is too many, expected at most {max}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: u64,
        /// How many there may be.
        max: u64,
    },
    /// A vector has the wrong length.
    #[error("{what} {index} has {found} entries, expected {expected}")]
    Length {
        /// What has the wrong length.
        what: &'static str,
        /// Its index.
        index: usize,
        /// Entries found.
        found: usize,
        /// Entries expected.
        expected: usize,
    },
    /// A number is negative where only zero and more make sense.
    #[error("{what} {index} is {value}, expected zero or more")]
    Negative {
        /// What is negative.
        what: &'static str,
        /// Its index.
        index: usize,
        /// The value.
        value: i64,
    },
    /// An index points at nothing.
    #[error("{what} names {wants} {index}, expected a number below {count}")]
    OutOfRange {
        /// What holds the index.
        what: &'static str,
        /// What the index should name.
        wants: &'static str,
        /// The index.
        index: u64,
        /// How many there are.
        count: u64,
    },
    /// Costs or amounts so large that sums would not fit in 64 bits.
    #[error("{what} may add up to more than 2^61; scale the amounts down")]
    Overflow {
        /// What overflows.
        what: &'static str,
    },
    /// The current placement names a host that is not there.
    #[error("replica `{replica}` is on host `{host}`, which is not part of the infrastructure")]
    UnknownHost {
        /// The replica.
        replica: ReplicaId,
        /// The host.
        host: HostId,
    },
    /// A rule names a component that is not there.
    #[error("rule `{rule}` names component `{component}`, which is not part of the ecosystem")]
    UnknownComponent {
        /// The rule.
        rule: String,
        /// The component.
        component: ComponentId,
    },
    /// A rule is of a kind, or has a form, that cannot be lowered.
    #[error("rule `{rule}`: {message}")]
    Rule {
        /// The rule.
        rule: String,
        /// What is wrong and what was expected.
        message: String,
    },
}
