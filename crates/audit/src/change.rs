//! Changes of resources: what differs between two states, and the versions of a resource over time.
//!
//! # Model
//! States are JSON. [`diff`] gives an RFC 6902 [`Patch`] from one to the other; applying it gives the other
//! state exactly. A [`History`] holds version 0 and one patch per version with time, actor and reason, so that
//! the state at any version or moment can be rebuilt, and [`History::from_entries`] builds it from the log:
//! from `before` and `after` of the entries about a subject (or their field `patch`).
//!
//! # Example
//! ```
//! use ecosystem_audit::Json;
//! use ecosystem_audit::change::{History, diff};
//!
//! let v0 = Json::parse(r#"{"cpu":2,"tags":["a","b"]}"#)?;
//! let v1 = Json::parse(r#"{"cpu":4,"tags":["a","x","b"]}"#)?;
//! assert_eq!(
//!     diff(&v0, &v1).to_string(),
//!     r#"[{"op":"replace","path":"/cpu","value":4},{"op":"add","path":"/tags/1","value":"x"}]"#
//! );
//! let mut history = History::new("vm/db-1", v0.clone());
//! history.record(&v1, 1_000, "ana", Some("load test"));
//! assert_eq!(history.state_at(999), (0, v0));
//! assert_eq!(history.state_at(1_000), (1, v1));
//! # Ok::<(), ecosystem_audit::InvalidJson>(())
//! ```

mod diff;
mod history;
mod patch;

pub use diff::diff;
pub use history::{History, HistoryError, Version};
pub use patch::{Operation, Patch, PatchError, Pointer};
