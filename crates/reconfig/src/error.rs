//! What can be wrong with input.

use ecosystem_core::{HostId, ReplicaId};

/// Why settings are not usable.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A number that must be positive is zero.
    #[error("setting `{name}` is 0, expected at least 1 (durations: at least one millisecond)")]
    Zero {
        /// Path of the setting.
        name: &'static str,
    },
}

/// Why an engine could not be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The settings are not usable.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The placement names a component that is not in the map.
    #[error("placement holds replica `{replica}` of a component that is not in the ecosystem")]
    UnknownReplica {
        /// The replica.
        replica: ReplicaId,
    },
    /// The placement names a host that is not in the infrastructure.
    #[error("placement puts `{replica}` on host `{host}`, which is not in the infrastructure")]
    UnknownHost {
        /// The replica.
        replica: ReplicaId,
        /// The host.
        host: HostId,
    },
    /// More components or hosts than dense indices can name.
    #[error("{count} {what}, expected at most {max}")]
    TooMany {
        /// `components` or `hosts`.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A journal or snapshot could not be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Why journal bytes could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The frame ends before it is complete: a torn write if it is the last one.
    #[error("journal frame at byte {at} is cut short: {have} bytes, expected {want}")]
    Torn {
        /// Where the frame starts.
        at: u64,
        /// Bytes there are.
        have: u64,
        /// Bytes expected.
        want: u64,
    },
    /// The frame's version is not known.
    #[error("journal frame at byte {at} has version {found}, expected {expected}")]
    Version {
        /// Where the frame starts.
        at: u64,
        /// Version found.
        found: u8,
        /// Version this build reads.
        expected: u8,
    },
    /// The frame is longer than any that is ever written.
    #[error("journal frame at byte {at} says {length} bytes, expected at most {max}")]
    TooLong {
        /// Where the frame starts.
        at: u64,
        /// Length found.
        length: u64,
        /// Largest accepted length.
        max: u64,
    },
    /// The checksum does not match.
    #[error("journal frame at byte {at} has checksum {found:08x}, expected {expected:08x}")]
    Checksum {
        /// Where the frame starts.
        at: u64,
        /// Checksum stored.
        found: u32,
        /// Checksum computed.
        expected: u32,
    },
    /// The payload is not a record.
    #[error("journal record at byte {at} cannot be read: {what}")]
    Payload {
        /// Where in the payload reading stopped.
        at: u64,
        /// What was expected there.
        what: &'static str,
    },
    /// Records do not follow each other.
    #[error("journal record has number {found}, expected {expected}")]
    Gap {
        /// Number found.
        found: u64,
        /// Number expected.
        expected: u64,
    },
    /// A record speaks of something no earlier record introduced.
    #[error("journal record {number} names {what} {index}, which no earlier record introduced")]
    Dangling {
        /// Number of the record.
        number: u64,
        /// `component`, `host` or `replica`.
        what: &'static str,
        /// Its dense index.
        index: u64,
    },
    /// There is no record.
    #[error("journal is empty, expected at least the record of names")]
    Empty,
}
