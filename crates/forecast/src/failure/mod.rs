//! Will it fail, and when?
//!
//! # Model
//! - **Peers** ([`PeerDeviation`]): nodes that share a load are compared with each other and with their own healthy past. No
//!   labels, no training but a few dozen minutes; the method of choice when failures are few.
//! - **Order of symptoms** ([`first_symptom`]): which part of a node fails, from what deviated first.
//! - **Labels by horizon** ([`horizon_labels`]): what a supervised model learns, "fails 15 to 30 minutes from now", from
//!   [`WindowFeatures`] of sliding windows that do not know which node they describe.
//! - **[`FailureModel`]**: boosted trees, a random forest and an isolation forest, stacked by the rank of
//!   what they say of parts of the data they have not seen, then calibrated. The order of the parts is the order of time.
//! - **[`Calibration`]**: isotonic (pool adjacent violators) or Platt; **[`threshold_for_cost`]**, [`threshold_for_f1`]:
//!   where to draw the line.
//! - **[`LeadTimes`]**: how early runs were warned, at which share of false minutes; [`Outcome`] has accuracy, balanced
//!   accuracy, F1, Matthews correlation, beside what always saying "no" would reach.
//! - **Survival** ([`KaplanMeier`], [`Cox`]): ageing parts, with those that have not failed yet.
//! - **[`crossing_time`]**: when a resource that fills up reaches its limit, with an interval.
//!
//! docs/failure-prediction.md has the equations and what was measured.

#![allow(clippy::float_cmp, reason = "equal times, scores and labels are ties")]

mod calibration;
mod codec;
mod cox;
mod crossing;
mod labels;
mod outcome;
mod peers;
mod stacked;
mod survival;
mod symptoms;
mod windows;

pub use calibration::{Calibration, brier, threshold_for_cost, threshold_for_f1};
pub use cox::{Cox, CoxError, FittedCox};
pub use crossing::{Crossing, crossing_time};
pub use labels::{Label, horizon_labels};
pub use outcome::{LeadTimes, Outcome, Run, lead_times};
pub use peers::{PeerDeviation, PeerError, PeerScores};
pub use stacked::{FailureError, FailureModel, FittedFailureModel, Members};
pub use survival::{KaplanMeier, SurvivalError, SurvivalPoint};
pub use symptoms::first_symptom;
pub use windows::WindowFeatures;
