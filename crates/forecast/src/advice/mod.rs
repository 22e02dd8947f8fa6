//! Recommendations: another size for a machine, an idle machine to stop, a machine to move to another host.
//!
//! Every recommendation says what it would save, how sure that is, and why. What it promises is the mean of what it would have saved
//! on each of the past days (a move: on the last one); [`saved`] and [`taken_off`] say what it would have saved on values that came later, so that anybody can
//! hold the promise against the outcome. [`relieved`] is the contention that a move ends, of which the direction is sure, the amount is not.
//!
//! # Model
//! Changing a machine from size `a` to size `b` for some steps with demand `v` saves `a − b` of capacity per step, less what is lost
//! above `b` and was not above `a`: `Σ (a − b) + p·(max(0, v − a) − max(0, v − b))`, with `p` the price of a unit of demand that is
//! not served in units of capacity kept. Days are independent draws of that sum: the promise is their mean, the confidence the share of
//! days on which the smaller size would have been held (Laplace's rule of succession). The coming days enter through a capacity line
//! ([`Capacity`](crate::Capacity)): a size that the line exceeds too often is not recommended, whatever the past was.

mod hosts;
mod size;

pub use hosts::{Balance, DayLoad, HostLoad, Relief, relieved, taken_off};
pub use size::{Action, RightSize, saved};

/// What to do, what for, and how sure that is.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Recommendation<A> {
    /// What to do.
    pub action: A,
    /// Why, in a sentence for people.
    pub reason: String,
    /// What it is expected to save over the horizon, in the unit that the maker of the recommendation names.
    pub expected: f64,
    /// Share of past days on which it would have held, between 0 and 1 (exclusive).
    pub confidence: f64,
}

/// Laplace's rule of succession.
fn succession(kept: usize, days: usize) -> f64 {
    (kept as f64 + 1.0) / (days as f64 + 2.0)
}
