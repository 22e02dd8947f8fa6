//! Places whole application stacks on zones, racks and hosts at least cost and says why.
//!
//! [`Problem::builder`] takes an ecosystem and an infrastructure; [`solve`] (or [`Search`], slice by slice) answers with
//! a [`Solution`]: the placement, its cost by term, a lower bound and the gap, and why each replica is where it is.
//! [`check`] judges any placement without sharing code with the search. [`DenseBuilder`] is the same problem by index,
//! for data that does not come from an ecosystem. [`Balancer`] chooses who gets the next request among what is placed.
//!
//! - Infeasible is a [`Status`] with the [`Conflict`], not an error; wrong input is an error when the problem is built.
//! - All amounts and costs are integers. The result depends on problem and [`Settings`] alone, never on threads or time.
//! - The crate does no IO, reads no clock and draws no hidden random numbers.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "counts and sums are checked to fit when a problem is built"
)]

mod balance;
mod bound;
mod builder;
mod check;
mod compile;
mod conflict;
mod construct;
mod custom;
mod dense;
mod error;
mod evaluate;
mod exact;
mod explain;
#[cfg(test)]
mod fixture;
mod live;
mod lower;
mod objectives;
mod online;
mod par;
mod problem;
mod proximity;
mod rng;
mod search;
mod settings;
mod shards;
mod solution;
mod split;
mod state;
mod throughout;
mod whatif;

pub use balance::{
    Balancer, BalancerError, BalancerSettings, Outcome, Selection, Standing, Ticket, WorkerView,
};
pub use builder::DenseBuilder;
pub use check::{CheckError, check, check_assignment, cost_of, cost_of_assignment, soft_violations};
pub use conflict::Conflict;
pub use custom::{CustomRule, View};
pub use dense::{Balance, DenseHost, DenseItem, DenseRule, Dimension, Distances, GroupIx, PartitionIx};
pub use error::ProblemError;
pub use evaluate::CostTerms;
pub use explain::{Alternative, ReplicaExplanation, explain};
pub use live::Live;
pub use objectives::Term;
pub use objectives::front::{Front, FrontPoint, pareto_front};
pub use objectives::order::{Goal, Ordered, Reached, solve_in_order};
pub use online::{Fleet, Policy};
pub use problem::{Problem, ProblemBuilder};
pub use proximity::{Closeness, ProximityMatrix, ProximitySettings, closeness};
pub use search::{Search, solve, solve_one_by_one};
pub use settings::{COST_PER_MICRO, Settings, Weights};
pub use shards::{ShardAnswer, ShardError, ShardRound, ShardTask, ShardedSearch, solve_sharded};
pub use solution::{Solution, Status};
pub use split::split;
pub use whatif::Comparison;
