//! The brain of a VM fleet, as a library.
//!
//! `vm-ecosystem` turns an application's manifest into a map, forecasts its load, places the whole stack at least
//! cost, reconfigures and heals it safely, and writes an audit log that anyone can verify. It does no IO and reads no
//! clock: a host application implements [`MetricsSource`](model::MetricsSource) and
//! [`Hypervisor`](model::Hypervisor) and drives it.
//!
//! | module | crate | question |
//! |---|---|---|
//! | [`model`] | `ecosystem-core` | what is there |
#![cfg_attr(feature = "forecast", doc = "| [`forecast`] | `ecosystem-forecast` | what will be |")]
#![cfg_attr(feature = "placement", doc = "| [`placement`] | `ecosystem-placement` | where it should be |")]
#![cfg_attr(feature = "reconfig", doc = "| [`reconfig`] | `ecosystem-reconfig` | how to get there |")]
#![cfg_attr(feature = "audit", doc = "| [`audit`] | `ecosystem-audit` | what happened |")]

pub mod bridge;
#[cfg(all(feature = "reconfig", feature = "audit"))]
pub mod driver;
pub mod prelude;

pub use ecosystem_core as model;

#[cfg(feature = "audit")]
pub use ecosystem_audit as audit;
#[cfg(feature = "forecast")]
pub use ecosystem_forecast as forecast;
#[cfg(feature = "placement")]
pub use ecosystem_placement as placement;
#[cfg(feature = "reconfig")]
pub use ecosystem_reconfig as reconfig;

#[cfg(feature = "report")]
pub mod report;
