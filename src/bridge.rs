//! Values from one crate to another.

#[cfg(all(feature = "reconfig", feature = "placement"))]
mod aside;
#[cfg(feature = "forecast")]
mod demand;
#[cfg(feature = "reconfig")]
mod observe;
#[cfg(all(feature = "reconfig", feature = "placement"))]
mod place;
#[cfg(all(feature = "reconfig", feature = "audit"))]
mod record;

#[cfg(feature = "forecast")]
pub use demand::{Demand, DemandError, demand, replicas_for, series};
#[cfg(feature = "reconfig")]
pub use observe::utilisation;
#[cfg(all(feature = "reconfig", feature = "placement"))]
pub use place::answer;
#[cfg(all(feature = "reconfig", feature = "audit"))]
pub use record::{draft_of_action, draft_of_note};
