//! Time-series features: one number each, by name, many per series.
//!
//! # Model
//! A [`Feature`] is a calculator with its parameters and a name (`c3__lag_2`). A [`FeatureSet`] is an ordered list of
//! features, an [`Extractor`] computes a set for one series after the other. The catalogue holds the 75 calculators of
//! tsfresh (788 features in [`FeatureSet::comprehensive`]) and catch22; names and values are theirs, so that models
//! trained elsewhere read the same columns.
//!
//! - Input: a regular series of finite values; length 0 is allowed. Other values are an error with their index.
//! - A feature that is not defined for a series (too short, constant …) is NaN.
//! - Truth values are 1.0 and 0.0; [`Feature::kind`] tells.
//! - A [`Pipeline`] learns fill values and, given a target, keeps the features that have to do with it ([`relevance`]).
//! - Same input, same bits, in training and serving, alone or in a panel, on any number of threads.
//!
//! # References
//! Christ, Braun, Neuffer and Kempa-Liehr (2018), Time series feature extraction on basis of scalable hypothesis tests,
//! Neurocomputing 307. Lubba et al. (2019), catch22: canonical time-series characteristics, Data Min. Knowl. Disc. 33.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    clippy::neg_cmp_op_on_partial_ord,
    reason = "bin numbers and positions come from non-negative floats (casts saturate); values are compared for being the \
              same value; a negated comparison is how NaN takes the safe branch"
)]

mod calculators;
mod catch22;
mod evaluate;
mod extractor;
mod feature;
mod fft;
mod linear;
mod parameter;
mod pipeline;
mod selection;
mod set;
pub mod significance;
pub(crate) mod sum;
mod workspace;

pub use extractor::{Extractor, FeatureError};
pub use feature::{Feature, UnknownFeature, ValueKind};
pub use parameter::{
    Aggregate, AutoLag, DickeyFullerAttribute, FourierPart, Number, ProfileFigure, Query, SpectrumMoment,
    TrendAttribute,
};
pub use pipeline::{Fill, Pipeline, PipelineError};
pub use selection::{
    ClassTest, ColumnKind, Procedure, Relevance, Selection, SelectionError, Target, discoveries, relevance,
};
pub use set::FeatureSet;
