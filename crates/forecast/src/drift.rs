//! Has the distribution of a metric, or the error rate of a model, changed?
//!
//! # Model
//! - **Batches**: [`population_stability`], [`wasserstein`], [`mean_discrepancy`] measure how far a sample is from a reference,
//!   [`chi_squared`] tests counts, and [`crate::features::significance::kolmogorov_smirnov`] tests two samples.
//! - **Streams**: a [`DriftDetector`] takes one value after the other and says [`Drift::Stable`], [`Drift::Warning`] or
//!   [`Drift::Changed`]. After a change it starts afresh, so one change is reported once.
//!
//! | detector | takes | sees | memory |
//! |---|---|---|---|
//! | [`PageHinkley`] | numbers | a shift of the mean, either way | constant |
//! | [`Adwin`] | numbers | any change of the mean, no scale to set | logarithmic |
//! | [`Kswin`] | numbers | any change of the distribution | the window |
//! | [`Ddm`] | errors (0 or 1) | a rising error rate | constant |
//! | [`Eddm`] | errors (0 or 1) | errors coming closer, also slowly | constant |
//!
//! - **Many features** of a model: [`DriftMonitor`] tests all of them together (Holm, Benjamini–Hochberg), thins what is
//!   correlated, and reports a change once.
//! - **A model in use**: [`ModelMonitor`] watches its inputs and its errors and says once that it is stale, and why.
//!
//! Values that are not finite are skipped.
//!
//! # Example
//! ```
//! use ecosystem_forecast::drift::{Adwin, Drift, DriftDetector};
//! let mut detector = Adwin::default();
//! let changes: Vec<u32> = (0..2000)
//!     .filter(|&i| detector.push(f64::from(i * 7 % 5) + if i < 1000 { 0.0 } else { 3.0 }) == Drift::Changed)
//!     .collect();
//! assert_eq!(changes.len(), 1);
//! assert!((1000..1064).contains(&changes[0]));
//! ```
//!
//! # References
//! Page (1954), Biometrika 41; Bifet and Gavaldà (2007), SDM; Raab, Heusinger and Schleif (2020), Neurocomputing 416; Gama et
//! al. (2004), SBIA; Baena-García et al. (2006), IWKDDS; Gretton et al. (2012), JMLR 13.

mod adwin;
mod distance;
mod error_rate;
mod kswin;
mod model;
mod monitor;
mod page_hinkley;

pub use adwin::Adwin;
pub use distance::{chi_squared, mean_discrepancy, population_stability, wasserstein};
pub use error_rate::{Ddm, Eddm};
pub use kswin::Kswin;
pub use model::{ModelDrift, ModelMonitor};
pub use monitor::{Correction, DriftMonitor, FeatureDrift, rejected};
pub use page_hinkley::PageHinkley;

/// What a detector says after a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "a verdict is one of the three")]
pub enum Drift {
    /// No evidence of change.
    Stable,
    /// Some evidence; a good moment to start collecting data for a new model.
    Warning,
    /// Changed; the detector has started afresh.
    Changed,
}

/// A detector of change in a stream.
pub trait DriftDetector {
    /// Takes in one value.
    fn push(&mut self, value: f64) -> Drift;
}
