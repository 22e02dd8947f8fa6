//! Streams: constant-time windows, mergeable summaries, event time with watermarks.

mod event_time;
mod moments;
mod sketch;
mod window;

pub use event_time::{EventWindows, Watermarked, WindowError, WindowSummary};
pub use moments::Moments;
pub use sketch::{QuantileSketch, SketchError};
pub use window::{RollingError, RollingWindow};
