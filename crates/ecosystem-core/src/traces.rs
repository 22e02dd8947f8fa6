//! Distributed traces: spans of OTLP, Jaeger and Zipkin JSON, and the calls between services that they show.
//!
//! # Model
//! A span whose parent belongs to another service is a call from the parent's service to its own. A client or producer
//! span without such a child names the other side in its attributes (`peer.service`, `db.system`, `server.address`,
//! `messaging.destination.name`); that is a call, too. A call's latency is the duration seen by the caller where there
//! is a client span, else the duration of the callee's span. The rate is the number of calls by the time from the first
//! to the last start of any span.
//!
//! # Example
//! ```
//! use ecosystem_core::{manifest::{Budgets, Source}, traces};
//!
//! let json = r#"[
//!   {"traceId": "1", "id": "a", "kind": "CLIENT", "timestamp": 1000000, "duration": 9000, "localEndpoint": {"serviceName": "web"}},
//!   {"traceId": "1", "id": "b", "parentId": "a", "kind": "SERVER", "timestamp": 1001000, "duration": 7000, "localEndpoint": {"serviceName": "cart"}}
//! ]"#;
//! let spans = traces::parse(&Source::new("spans.json", json), &Budgets::default())?;
//! let calls = traces::calls(&spans);
//! assert_eq!((&*calls[0].from, &*calls[0].to, calls[0].calls), ("web", "cart", 1));
//! assert_eq!(calls[0].latency_p50.get(), 9_000);
//! # Ok::<(), ecosystem_core::manifest::ManifestError>(())
//! ```

mod calls;
mod formats;

pub use calls::{ObservedCall, calls};
pub(crate) use formats::{is_trace, spans};

use crate::finding::Place;
use crate::manifest::{Budgets, ManifestError, Source};
use std::sync::Arc;

/// On which side of a call a span was taken.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum SpanKind {
    /// Work inside a service.
    #[default]
    Internal,
    /// Work for a caller.
    Server,
    /// Waiting for a callee.
    Client,
    /// Handing a message over.
    Producer,
    /// Working on a message.
    Consumer,
}

/// The other side of a call as its attributes name it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Peer {
    /// Service, host, database or queue.
    pub name: Arc<str>,
    /// Protocol or system, e.g. `postgresql`, `kafka`; empty = not stated.
    pub system: Arc<str>,
    /// True for databases and caches.
    pub is_store: bool,
    /// True for message queues.
    pub is_queue: bool,
}

/// One span.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Span {
    /// Trace it belongs to.
    pub trace: Arc<str>,
    /// Its own number within the trace.
    pub id: Arc<str>,
    /// Span that caused it; empty = none.
    pub parent: Arc<str>,
    /// Service that reported it.
    pub service: Arc<str>,
    /// What was done.
    pub operation: Arc<str>,
    /// Side of the call.
    pub kind: SpanKind,
    /// Start in microseconds since the Unix epoch.
    pub start_us: u64,
    /// Duration in microseconds.
    pub duration_us: u64,
    /// True if it failed.
    pub failed: bool,
    /// The other side, if named.
    pub peer: Option<Peer>,
    /// Where it was read.
    pub place: Place,
}

/// Reads the spans of one input: OTLP JSON (also one object a line), Jaeger JSON or Zipkin JSON v2.
///
/// Spans without an id or a service are left out. Bounded by the budgets; nothing panics.
pub fn parse(source: &Source<'_>, budgets: &Budgets) -> Result<Vec<Span>, ManifestError> {
    crate::manifest::read_spans(source, budgets)
}
