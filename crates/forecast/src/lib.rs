//! Forecasts with honest intervals, anomaly detection and back-tests on plain slices.
//!
//! Input is a slice of equally spaced values, oldest first, NaN where a sample is missing; output is numbers. The crate knows
//! no clock, file, thread (but rayon's behind feature `parallel`) or hidden randomness: equal input gives equal bits.
//!
//! - Settings implement [`Forecaster`]: `fit(&[f64])` gives a [`Fitted`] model that predicts with intervals and takes new
//!   observations. [`Auto`] combines models per series; [`forecast_many`] does fleets; [`Capacity`] draws the line that
//!   demand rarely exceeds. The models: baselines ([`SeasonalNaive`], [`SeasonalMean`], [`SeasonalMedian`] …), [`AutoEts`], [`Theta`],
//!   [`AutoArima`], [`Structural`], [`Mstl`] around any base, [`SeasonalSmoothing`], [`LagRegression`], [`Regression`] with
//!   external regressors, [`Trigonometric`], [`Intermittent`], [`GlobalBoost`] over many series; [`Conformal`] and
//!   [`Transformed`] wrap any of them.
//! - [`Baseline`] says what is normal at each time of the season. [`Backtest`] judges a model by rolling origin; [`metrics`]
//!   has the measures; [`Hierarchy`] makes sums add up.
//! - [`anomaly`] has detectors that judge value by value; [`demand`] leads from load to resources;
//!   [`window`] has rolling and event-time windows, mergeable summaries and joins; [`features`] describes series by numbers,
//!   also in those windows; [`drift`] detects changes of distribution.
//! - [`alert`] makes alerts and incidents of scores; [`security`] knows how actors usually behave; [`summary`] counts what happened.
//! - [`tree`] has boosting, forests and isolation forests; [`failure`] warns ahead of failures; [`cause`] ranks the components
//!   of an incident; [`workload`] tells compute from memory from input/output.
//! - [`registry`] keeps versions of models, which of them is in production and why.
//! - [`serve`] answers rows by a fitted model: one by one, in batches or from a stream.
//! - [`Series`], [`Panel`], [`resample`], [`counter_rate`], [`fill_gaps`], [`repair_outliers`], [`find_seasons`], [`change_points`]
//!   prepare data.
//!
//! Values beyond ±1e100 are refused with a typed error, so that squares stay finite.
//!
//! # Example
//! ```
//! use ecosystem_forecast::{Auto, Fitted, Forecaster};
//! // Two weeks of hourly load with a daily season.
//! let load: Vec<f64> = (0..336).map(|h| 100.0 + 30.0 * f64::from(h % 24) + f64::from(h * 7 % 11)).collect();
//! let fitted = Auto::new(&[24, 168]).fit(&load)?;
//! let tomorrow = fitted.predict(24, &[0.95])?;
//! let band = tomorrow.interval(0.95).expect("asked for");
//! assert!((tomorrow.point[12] - 465.0).abs() < 8.0 && band.lower[12] <= band.upper[12]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//! - `parallel` (default): rayon over series; results are bit-identical without it.
//! - `calendar`: columns of civil time (time zones, daylight saving, holidays) for regressions.
//! - `serde`: settings, fitted models, detectors and results.

#![allow(
    clippy::needless_range_loop,
    clippy::needless_for_each,
    clippy::doc_markdown,
    reason = "recursions over several slices read best with indices; AICc, sMAPE and other names are not code"
)]

pub mod advice;
pub mod alert;
pub mod anomaly;
mod arima;
mod auto;
mod backtest;
mod baseline;
mod boost;
#[cfg(feature = "calendar")]
mod calendar;
mod capacity;
pub mod cause;
mod changes;
mod codec;
mod column_medians;
mod conformal;
mod decompose;
pub mod demand;
pub mod drift;
mod error;
mod ets;
pub mod failure;
pub mod features;
mod fleet;
mod forecast;
mod gaps;
pub mod hardware;
mod hierarchy;
mod intermittent;
mod lagged;
mod linear;
pub mod metrics;
mod minimize;
mod model;
mod mstl;
mod naive;
pub mod network;
mod panel;
pub mod registry;
mod regression;
mod resample;
mod rng;
mod same_time;
mod seasonality;
pub mod security;
mod series;
pub mod serve;
mod smoothing;
mod state_space;
mod stats;
#[cfg(feature = "serde")]
mod stored;
pub mod summary;
mod theta;
mod transform;
pub mod tree;
mod trigonometric;
mod typical;
pub mod window;
pub mod workload;

pub use arima::{Arima, ArimaOrder, AutoArima, FittedArima};
pub use auto::{Auto, FittedAuto};
pub use backtest::{Backtest, BacktestError, BacktestReport, Fold};
pub use baseline::{Baseline, Normal};
pub use boost::{FittedGlobalBoost, GlobalBoost, GlobalSeries};
#[cfg(feature = "calendar")]
pub use calendar::{CalendarColumns, CalendarError};
pub use capacity::{Capacity, FittedCapacity};
pub use changes::{ChangePoints, CutSearch, OnlineChanges, Segment, change_points, training_window};
pub use conformal::{Conformal, FittedConformal};
pub use decompose::{MstlDecomposition, Stl, StlDecomposition, decompose_seasons};
pub use error::{FitError, PredictError, UpdateError};
pub use ets::{
    AutoEts, Ets, EtsError, EtsSeason, EtsSpec, EtsState, EtsTrace, EtsTrend, EtsWeights, FittedEts,
};
pub use fleet::{FleetError, forecast_many};
pub use forecast::{Forecast, Interval, MAX_HORIZON};
pub use gaps::{fill_gaps, repair_outliers};
pub use hierarchy::{Hierarchy, Reconcile};
pub use intermittent::{FittedIntermittent, Intermittent, IntermittentKind};
pub use lagged::{FittedLagRegression, LagRegression};
pub use minimize::{Lbfgs, Minimizer};
pub use model::{Fitted, Forecaster};
pub use mstl::{FittedMstl, Mstl};
pub use naive::{
    Drift, FittedDrift, FittedMean, FittedNaive2, FittedSeasonalNaive, Mean, Naive, Naive2, SeasonalNaive,
};
pub use panel::{Panel, PanelError};
pub use regression::{FittedRegression, Regression};
pub use resample::{
    Aggregate, Grid, MAX_CELLS, ResampleError, TimedValue, counter_rate, downsample, resample,
};
pub use same_time::{FittedSeasonalMean, SeasonalMean};
pub use seasonality::{Season, find_seasons};
pub use series::{Series, SeriesError};
pub use smoothing::{FittedSeasonalSmoothing, SeasonalSmoothing};
pub use state_space::{FittedStructural, Structural};
pub use theta::{FittedTheta, Theta};
pub use transform::{FittedTransformed, Transform, Transformed};
pub use trigonometric::{FittedTrigonometric, Trigonometric};
pub use typical::{FittedSeasonalMedian, SeasonalMedian};
