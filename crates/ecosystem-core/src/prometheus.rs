//! Prometheus formats as pure functions: the text exposition format (version 0.0.4) and the JSON of the query API,
//! both read and written.
//!
//! # Example
//! ```
//! use ecosystem_core::prometheus::{self, FamilyKind};
//!
//! let text = "# HELP up Whether it answers.\n# TYPE up gauge\nup{job=\"api\",path=\"C:\\\\x\"} 1 1700000000000\n";
//! let families = prometheus::parse(text)?;
//! assert_eq!((families[0].kind, families[0].samples[0].label("job")), (FamilyKind::Gauge, Some("api")));
//! assert_eq!(prometheus::encode(&families), text);
//! # Ok::<(), prometheus::PrometheusError>(())
//! ```

mod query;
mod text;

pub use query::{QueryResult, QuerySeries, encode_query, parse_query};
pub use text::{encode, parse};

use std::sync::Arc;

/// Why a text is not in a format of Prometheus.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrometheusError {
    /// A line of the text format is wrong.
    #[error("line {line}, column {column}: {message}")]
    Text {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// What was found and what was expected.
        message: String,
    },
    /// A query answer is not JSON of the expected form.
    #[error("query answer: {message}")]
    Query {
        /// What was found and what was expected.
        message: String,
    },
    /// The server answered with an error of its own.
    #[error("the server refused the query: {kind}: {message}")]
    Server {
        /// Its `errorType`.
        kind: String,
        /// Its `error`.
        message: String,
    },
}

/// What the samples of a family mean.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum FamilyKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket: `_bucket`, `_sum`, `_count`.
    Histogram,
    /// Quantiles: the name itself, `_sum`, `_count`.
    Summary,
    /// Not stated.
    #[default]
    Untyped,
}

impl FamilyKind {
    /// The kind's name in the text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Untyped => "untyped",
        }
    }
}

/// One sample of the text format.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricSample {
    /// Its whole name, with a suffix such as `_bucket`.
    pub name: Arc<str>,
    /// Labels in the order in which they are written.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// The value; may be NaN or infinite.
    pub value: f64,
    /// Milliseconds since the Unix epoch, if written.
    pub timestamp_ms: Option<i64>,
}

impl MetricSample {
    /// A sample without labels and time.
    pub fn new(name: impl Into<Arc<str>>, value: f64) -> Self {
        Self { name: name.into(), labels: Vec::new(), value, timestamp_ms: None }
    }

    /// The same sample with a further label.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.labels.push((Arc::from(name), Arc::from(value)));
        self
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(n, _)| &**n == name).map(|(_, value)| &**value)
    }
}

/// Samples of one metric with what is said about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricFamily {
    /// Its name.
    pub name: Arc<str>,
    /// What its samples mean.
    pub kind: FamilyKind,
    /// Description; empty = none.
    pub help: Arc<str>,
    /// Its samples.
    pub samples: Vec<MetricSample>,
}

impl MetricFamily {
    /// A family without samples.
    pub fn new(name: impl Into<Arc<str>>, kind: FamilyKind, help: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), kind, help: help.into(), samples: Vec::new() }
    }
}
