//! Predictive demand: from load to resources, along the edges of an application, to a capacity.

mod baseline;
mod lines;
mod peak;
mod propagate;
mod response;

pub use baseline::{DecayingHistogram, HistogramError};
pub use peak::{FittedPeakAhead, PeakAhead};
pub use propagate::{FanOut, PropagateError, propagate};
pub use response::{ResponseCurve, ResponseShape};
