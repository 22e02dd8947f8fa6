//! Which component is the cause of an incident?
//!
//! # Model
//! Every metric of every component is compared with its own past: the largest deviation after the onset, in units of the
//! robust spread before it, on a logarithmic scale (a metric that is a thousand spreads away is not a hundred times the
//! evidence of ten). A cause shows in what is its own: its resources (processor, memory, disk) and the time it takes to
//! answer; the network traffic, load, errors and waiting times of a component are mostly the echo of others and count little
//! ([`Role`]). Evidence is averaged over the kinds of metrics, so that ten names for one deviation are one piece of evidence.
//!
//! - **Order of change**: the component that changed first gains; one that follows loses at most a quarter.
//! - **With a graph** of calls: a random walk starts at components by their evidence and goes from callers to the callees
//!   that deviate more, as a fault travels the other way (MonitorRank: Kim, Sumbaly & Shah 2013; MicroRCA: Wu et al. 2020).
//! - **Lags** ([`granger`]): does the past of one metric help to foretell another? Granger (1969), Econometrica 37.
//!
//! What leaves no trace in metrics cannot be ranked; [`Cause::evidence`] says how much there is.

mod evidence;
mod granger;
mod rank;

pub use evidence::{Metric, Role};
pub use granger::{Granger, granger};
pub use rank::{Cause, CauseError, Component, RootCause};
