//! Which version of which model is in production, why, and what was before it.
//!
//! | part | what it does |
//! |---|---|
//! | [`Registry`] | versions, stages, scores, lineage: a pure state machine whose every change is a [`RegistryEvent`] |
//! | [`PromotionRule`] | a version goes into production only if it is no worse on the same data |
//! | [`ModelStore`] | where the bytes are, by [`ContentHash`]: the host's; wrong bytes are noticed |
//! | [`Cache`] | models ready to answer, within a number of bytes |
//!
//! Time is handed in (milliseconds since 1970); everything is bounded by [`Limits`]. The stages are those that MLflow made
//! customary. Who made a change is for the audit log of the host to say, which keeps the event.
//!
//! # Example
//! ```
//! use ecosystem_forecast::registry::{
//!     Better, Limits, Measure, MemoryStore, Metadata, ModelStore, PromotionRule, Registry, RegistryError,
//! };
//! let mut store = MemoryStore::default();
//! let mut registry = Registry::new(Limits::default());
//! let mut log = Vec::new(); // the audit log of the host
//! let mase = Measure::new("mase", "week 47");
//! for (now, (bytes, error)) in [(b"first model", 0.9), (b"other model", 0.8)].into_iter().enumerate() {
//!     let now = now as u64 * 1000;
//!     let kept = store.keep(bytes)?; // bytes first, then the registry
//!     let mut record = |registry: &mut Registry, event| {
//!         log.push(event);
//!         registry.apply(&log[log.len() - 1])
//!     };
//!     let event = registry.register(now, "demand", kept, Metadata { kind: "ets".into(), ..Metadata::default() }, None)?;
//!     let version = event.subject.version;
//!     record(&mut registry, event)?;
//!     let event = registry.score(now, "demand", version, mase.clone(), error)?;
//!     record(&mut registry, event)?;
//!     let event = registry.stage(now, "demand", version)?;
//!     record(&mut registry, event)?;
//!     let rule = PromotionRule::no_worse(mase.clone(), Better::Lower).with_bound(1.0);
//!     let event = registry.promote(now, "demand", version, Some(rule))?;
//!     record(&mut registry, event)?;
//! }
//! let best = registry.production("demand").expect("promoted");
//! assert_eq!((best.version, store.fetch(best)?), (2, b"other model".to_vec()));
//! let back = registry.roll_back(5000, "demand")?;
//! assert_eq!(back.subject.version, 1);
//! assert_eq!(Registry::replay(Limits::default(), &log)?, registry); // `back` was prepared, not applied
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cache;
mod content;
mod error;
mod event;
mod state;
mod store;
#[cfg(feature = "serde")]
mod stored;
mod version;

pub use cache::{Cache, ENTRY_BYTES, Eviction, TooLarge};
pub use content::{ContentHash, ContentHashError};
pub use error::RegistryError;
pub use event::{RegistryChange, RegistryEvent};
pub use state::{Limits, Registry};
pub use store::{FetchError, MemoryStore, ModelStore};
pub use version::{Better, Measure, Metadata, ModelVersion, PromotionRule, Stage, VersionId};
