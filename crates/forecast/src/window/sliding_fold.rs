//! Any mergeable summary over the last n values.

use super::Summary;
use std::collections::VecDeque;

/// The summary of a queue of values: push at the back, pop at the front, at most three merges per operation on average
/// (two stacks: the front one holds summaries from each value to its end).
///
/// # Example
/// ```
/// use ecosystem_forecast::window::{Moments, SlidingFold};
/// let mut last_two = SlidingFold::<Moments>::new();
/// for v in [5.0, 1.0, 3.0] {
///     last_two.push(v);
///     if last_two.len() > 2 {
///         last_two.pop();
///     }
/// }
/// assert_eq!(last_two.summary().mean(), 2.0);
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SlidingFold<S> {
    /// Summaries from a value to the end of the front part; the oldest value last.
    front: Vec<S>,
    /// Values behind the front part, oldest first.
    back: VecDeque<f64>,
    back_summary: S,
}

impl<S: Summary> Default for SlidingFold<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Summary> SlidingFold<S> {
    /// Without values.
    pub fn new() -> Self {
        Self { front: Vec::new(), back: VecDeque::new(), back_summary: S::default() }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.front.len() + self.back.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds the newest value.
    pub fn push(&mut self, value: f64) {
        self.back.push_back(value);
        self.back_summary.add(value);
    }

    /// Removes the oldest value; false if there is none.
    pub fn pop(&mut self) -> bool {
        if self.front.is_empty() {
            let mut summary = S::default();
            while let Some(value) = self.back.pop_back() {
                let mut one = S::default();
                one.add(value);
                one.merge(&summary);
                summary = one;
                self.front.push(summary.clone());
            }
            self.back_summary = S::default();
        }
        self.front.pop().is_some()
    }

    /// The summary of all values.
    pub fn summary(&self) -> S {
        let mut summary = self.front.last().cloned().unwrap_or_default();
        summary.merge(&self.back_summary);
        summary
    }
}
