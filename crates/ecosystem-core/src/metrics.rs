//! Where measurements come from: the trait a host implements and its data.

use crate::id::{ComponentId, HostId, ReplicaId};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a series is about.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Subject {
    /// All replicas of a component together.
    Component(ComponentId),
    /// One replica.
    Replica(ReplicaId),
    /// A host.
    Host(HostId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(id) => fmt::Display::fmt(id, f),
            Self::Replica(id) => fmt::Display::fmt(id, f),
            Self::Host(id) => fmt::Display::fmt(id, f),
        }
    }
}

/// What is measured.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum MetricKind {
    /// Processor use in millicores.
    CpuMillicores,
    /// Memory use in bytes.
    MemoryBytes,
    /// Requests per second.
    RequestsPerSecond,
    /// Response time in milliseconds.
    LatencyMs,
    /// Share of failed requests, 0 to 1.
    ErrorShare,
    /// Any other metric by name.
    Named(Arc<str>),
}

/// One series that is asked for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "made by hosts in bulk")]
pub struct MetricQuery {
    /// What the series is about.
    pub subject: Subject,
    /// What is measured.
    pub metric: MetricKind,
}

/// A stretch of one series: samples at `start + k * step` for all k with a time before `end`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "made by hosts in bulk")]
pub struct RangeQuery {
    /// Which series.
    pub query: MetricQuery,
    /// First moment, included.
    pub start: Timestamp,
    /// Last moment, not included.
    pub end: Timestamp,
    /// Distance between samples; at least one millisecond.
    pub step: Duration,
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "a time and a value, made by hosts in bulk")]
pub struct Sample {
    /// When it was taken (not when it was asked for), so that staleness shows.
    pub at: Timestamp,
    /// The value; NaN is not a measurement.
    pub value: f64,
}

/// Equally spaced measurements; NaN marks a missing one.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "made by hosts in bulk")]
pub struct Series {
    /// Time of the first value.
    pub start: Timestamp,
    /// Distance between values.
    pub step: Duration,
    /// The values; gaps stay gaps (NaN).
    pub values: Vec<f64>,
    /// Labels the source knows it by.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
}

/// Why one series could not be delivered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The source does not know the series.
    #[error("no series for {subject}: {reason}")]
    Unknown {
        /// What was asked for.
        subject: String,
        /// What the source said.
        reason: String,
    },
    /// The source knows it but could not deliver in time or in full.
    #[error("series for {subject} could not be read: {reason}")]
    Unavailable {
        /// What was asked for.
        subject: String,
        /// What the source said.
        reason: String,
    },
    /// The range is empty, reversed, or has more samples than the source hands out at once.
    #[error("range of {samples} samples cannot be served, expected 1 to {max}")]
    BadRange {
        /// Samples asked for.
        samples: u64,
        /// Samples the source hands out at most.
        max: u64,
    },
}

/// Where measurements come from: Prometheus, a hypervisor's counters, a file, a simulator.
pub trait MetricsSource {
    /// What goes wrong with the source as a whole.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Many series over half-open ranges in one call, answers in the order of the queries; one bad series does not
    /// spoil the others; gaps stay gaps (NaN).
    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, Self::Error>;

    /// The newest samples with their own times, in the order of the queries; returns within the adapter's deadline.
    fn latest(&mut self, queries: &[MetricQuery]) -> Result<Vec<Result<Sample, QueryError>>, Self::Error>;
}
