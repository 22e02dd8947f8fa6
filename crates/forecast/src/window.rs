//! Windows over streams: rolling statistics, mergeable summaries, event-time windows and joins.
//!
//! # Model
//! - **Count windows**: [`RollingStats`] keeps sum, mean, variance, extremes of the last n values with constant work per
//!   value; [`RollingQuantile`] any quantile; [`SlidingFold`] any associative summary.
//! - **Summaries**: [`ExactSum`], [`Moments`] and [`QuantileSketch`] can be merged, and what they say does not depend on
//!   the order of values or merges, bit for bit.
//! - **Event time**: [`EventWindows`] assigns events to tumbling, sliding or session windows by their own time and closes a
//!   window when the watermark passes it; [`IntervalJoin`] pairs events of two streams that are near in time. As long as no
//!   event is later than the watermark allows, results are the same for every order of arrival.
//!
//! No clock: times are handed in, in milliseconds; the watermark is the host's promise that nothing older follows.
//!
//! # References
//! Akidau et al. (2015), The dataflow model, VLDB 8; Tangwongsan, Hirzel and Schneider (2017), Low-latency sliding-window
//! aggregation in worst-case constant time, DEBS; Masson, Rim and Lee (2019), `DDSketch`, VLDB 12; Neal (2015), Fast exact
//! summation using small and large superaccumulators, arXiv:1505.05571.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "bit fields of floats and bucket numbers, whose ranges are stated where they are cut; sums are exact"
)]

mod event_time;
mod exact_sum;
mod join;
mod moments;
mod rolling;
mod sketch;
mod sliding_fold;

pub use event_time::{ClosedWindow, EventWindows, LateEvent, WindowError, WindowKind};
pub use exact_sum::ExactSum;
pub use join::{IntervalJoin, Joined};
pub use moments::Moments;
pub use rolling::{RollingQuantile, RollingStats};
pub use sketch::{QuantileSketch, SketchError};
pub use sliding_fold::SlidingFold;

/// A summary of values that can be merged: associative, and [`Default`] is its empty value.
///
/// Where merging is also commutative, as for all summaries of this module, results do not depend on order.
pub trait Summary: Clone + Default {
    /// Takes in one value.
    fn add(&mut self, value: f64);
    /// Takes in what another summary has seen.
    fn merge(&mut self, other: &Self);
}
