//! What a search answers.

use crate::conflict::{Conflict, find_conflict};
use crate::dense::NONE;
use crate::evaluate::{CostTerms, evaluate};
use crate::explain::{ReplicaExplanation, explain_item};
use crate::problem::Problem;
use crate::settings::Settings;
use ecosystem_core::Placement;

/// How a search ended.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Status {
    /// No placement that keeps all hard rules costs less.
    Optimal,
    /// All hard rules hold; the gap says how far from the bound it may be.
    Feasible,
    /// No placement that keeps all hard rules was found; the assignment is the least bad one.
    Infeasible {
        /// What stands against each other.
        conflict: Conflict,
    },
}

/// A placement with how good it is, how it ended and why.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Solution {
    /// How the search ended.
    pub status: Status,
    /// Replica → host; empty for raw problems.
    pub placement: Placement,
    /// Host index of each item, in the order of [`Problem::replicas`].
    pub assignment: Vec<u32>,
    /// Cost by term, in cost units ([`COST_PER_MICRO`](crate::COST_PER_MICRO) for problems with names).
    pub cost: CostTerms,
    /// No placement that keeps all hard rules costs less than this.
    pub bound: i64,
    /// `(cost − bound) / cost`, in `[0, 1]`; 0 = proven optimal.
    pub gap: f64,
    /// Why each replica is where it is; empty above [`Settings::explain_max`] replicas and for raw problems.
    pub explanation: Vec<ReplicaExplanation>,
    /// Evaluated moves or visited nodes.
    pub work: u64,
}

impl Solution {
    /// True if all hard rules hold.
    pub const fn is_feasible(&self) -> bool {
        matches!(self.status, Status::Optimal | Status::Feasible)
    }
}

/// Judges an assignment and makes the answer of it.
pub(crate) fn finish(
    problem: &Problem,
    settings: &Settings,
    assignment: Option<Vec<u32>>,
    bound: i64,
    work: u64,
) -> Solution {
    let p = &problem.dense;
    let proven = assignment.is_none();
    let assignment = assignment.unwrap_or_else(|| vec![NONE; p.items]);
    let evaluation = evaluate(p, &assignment);
    let complete = assignment.iter().all(|&host| host != NONE);
    let total = evaluation.terms.total();
    let bound = bound.min(total);
    let status = if evaluation.hard > 0 || !complete {
        Status::Infeasible { conflict: find_conflict(problem, settings, proven) }
    } else if total <= bound {
        Status::Optimal
    } else {
        Status::Feasible
    };
    let gap = if total > 0 { (total - bound) as f64 / total as f64 } else { 0.0 };
    let explained = problem.names.is_some() && complete && p.items <= settings.explain_max as usize;
    let explanation = if explained {
        crate::par::map((0..p.items as u32).collect(), |item| explain_item(problem, &assignment, item))
    } else {
        Vec::new()
    };
    Solution {
        status,
        placement: problem.placement_of(&assignment),
        cost: evaluation.terms,
        bound,
        gap,
        explanation,
        work,
        assignment,
    }
}
