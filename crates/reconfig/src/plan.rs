//! Plans: from placement A to placement B in steps that fit at every moment.
//!
//! # Model
//! Items (virtual machines) have a demand in every dimension, memory that a migration copies and a rate at which the
//! guest dirties it. A migration reserves its demand on *both* hosts from its first to its last moment, the way out
//! of its source and the way into its target; links are full duplex and carry
//! [`PlanSettings::per_direction`] migrations at a time per direction, each at an equal share. A demanding step
//! waits until enough has left its target. Where steps wait for each other in a circle, one item makes a detour over
//! a third host with room (a pivot), or is suspended and resumed; where neither is possible the plan is
//! [infeasible](PlanError::Blocked) and the circle is named.
//!
//! The schedule is a list schedule: whenever something ends, what became possible begins, the step with the longest
//! chain of work behind it first. Cost: O(steps · log steps) look-ups plus tries for capacity.
//!
//! Rules that must hold *during* the plan, precedences, sequences, serialised sets, deadlines, steps that must not
//! wait, steps that begin together, and hosts that go on- or offline are part of the [`PlanProblem`].
//!
//! # Sources
//! Hermenier, Lawall, Muller: `BtrPlace` (IEEE TDSC 2013): c-slice and d-slice, plan constraints; Clark et al.: Live
//! migration of virtual machines (NSDI 2005): pre-copy.

mod check;
mod circle;
mod cloud;
mod gantt;
mod precopy;
mod problem;
mod rank;
mod rules;
mod schedule;
mod scheduler;
mod steps;
mod times;

pub use check::check_plan;
pub use cloud::{CloudPhase, CloudPlan, CloudPlanError, CloudSettings, CloudTask, cloud_plan};
pub use gantt::gantt_svg;
pub use precopy::{CopyMode, CopyModel, Estimate, btrplace_seconds, estimate};
pub use problem::{
    Order as PlanOrder, PlanError, PlanHost, PlanItem, PlanProblem, PlanRule, PlanSettings, Spot,
};
pub use schedule::plan;
pub use steps::{Plan, Step, StepKind};
