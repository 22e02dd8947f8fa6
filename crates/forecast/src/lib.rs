//! Forecasts with honest intervals, anomaly detection and back-tests on plain slices.
//!
//! Input is a slice of equally spaced values, oldest first, NaN where a sample is missing; output is numbers. The crate knows
//! no clock, file, thread (but rayon's behind feature `parallel`) or hidden randomness: equal input gives equal bits.
//!
//! - Settings implement [`Forecaster`]: `fit(&[f64])` gives a [`Fitted`] model that predicts with intervals and takes new
//!   observations. [`Auto`] chooses per series; [`AutoEts`] among exponential smoothing; [`SeasonalNaive`] and friends are
//!   the baselines.
//! - [`Backtest`] judges a model by rolling origin; [`metrics`] has the measures.
//! - [`anomaly`] has detectors that judge value by value.
//! - [`Series`], [`resample`], [`counter_rate`], [`fill_gaps`], [`repair_outliers`] prepare data.
//!
//! # Example
//! ```
//! use ecosystem_forecast::{Auto, Fitted, Forecaster};
//! // Two weeks of hourly load with a daily season.
//! let load: Vec<f64> = (0..336).map(|h| 100.0 + 30.0 * f64::from(h % 24) + f64::from(h * 7 % 11)).collect();
//! let fitted = Auto::new(&[24, 168]).fit(&load)?;
//! let tomorrow = fitted.predict(24, &[0.95])?;
//! let band = tomorrow.interval(0.95).expect("asked for");
//! assert!(band.lower[12] < 465.0 && 465.0 < band.upper[12]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! - `parallel` (default): rayon over series; results are bit-identical without it.
//! - `serde`: settings, fitted models, detectors and results.

#![allow(
    clippy::needless_range_loop,
    clippy::needless_for_each,
    clippy::doc_markdown,
    reason = "recursions over several slices read best with indices; AICc, sMAPE and other names are not code"
)]

pub mod anomaly;
mod auto;
mod backtest;
mod error;
mod ets;
pub mod features;
mod forecast;
mod gaps;
pub mod metrics;
mod minimize;
mod model;
mod naive;
mod resample;
mod rng;
mod series;
mod stats;
pub mod window;

pub use auto::{Auto, FittedAuto};
pub use backtest::{Backtest, BacktestError, BacktestReport, Fold};
pub use error::{FitError, PredictError, UpdateError};
pub use ets::{
    AutoEts, Ets, EtsError, EtsSeason, EtsSpec, EtsState, EtsTrace, EtsTrend, EtsWeights, FittedEts,
};
pub use forecast::{Forecast, Interval, MAX_HORIZON};
pub use gaps::{fill_gaps, repair_outliers};
pub use model::{Fitted, Forecaster};
pub use naive::{Drift, FittedDrift, FittedMean, FittedSeasonalNaive, Mean, Naive, SeasonalNaive};
pub use resample::{
    Aggregate, Grid, MAX_CELLS, ResampleError, TimedValue, counter_rate, downsample, resample,
};
pub use series::{Series, SeriesError};
