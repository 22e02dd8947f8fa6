//! Assignments of which none is better than another in every objective.

use crate::dense::{Dense, NONE};
use crate::evaluate::{CostTerms, evaluate};
use crate::objectives::{Term, value};

/// An assignment with its cost, and the value of each objective.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    pub(crate) assignment: Vec<u32>,
    pub(crate) cost: CostTerms,
    pub(crate) values: Vec<i64>,
}

/// What was found so far, without what is dominated, in the order of the values.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    pub(crate) p: &'a Dense,
    objectives: &'a [&'a [Term]],
    pub(crate) found: Vec<Found>,
}

impl<'a> Archive<'a> {
    pub(crate) const fn new(p: &'a Dense, objectives: &'a [&'a [Term]]) -> Self {
        Self { p, objectives, found: Vec::new() }
    }

    /// Judges an assignment; `None` if it breaks a hard rule or leaves an item out.
    pub(crate) fn judge(&self, assignment: &[u32]) -> Option<Found> {
        if assignment.contains(&NONE) {
            return None;
        }
        let evaluation = evaluate(self.p, assignment);
        let values = self.objectives.iter().map(|objective| value(objective, &evaluation.terms)).collect();
        let found = Found { assignment: assignment.to_vec(), cost: evaluation.terms, values };
        (evaluation.hard == 0).then_some(found)
    }

    /// Takes an assignment in unless another is as good in every objective; what it beats goes. True if it is in.
    pub(crate) fn offer(&mut self, assignment: &[u32]) -> bool {
        let Some(new) = self.judge(assignment) else { return false };
        if self.has_as_good(&new.values) {
            return false;
        }
        self.found.retain(|old| !covers(&new.values, &old.values));
        let at = self.found.partition_point(|old| old.values < new.values);
        self.found.insert(at, new);
        true
    }

    /// True if an entry is as good in every objective.
    pub(crate) fn has_as_good(&self, values: &[i64]) -> bool {
        self.found.iter().any(|old| covers(&old.values, values))
    }

    /// The lowest and the highest value of an objective.
    pub(crate) fn range(&self, objective: usize) -> (i64, i64) {
        let values = || self.found.iter().map(|found| found.values[objective]);
        (values().min().unwrap_or(0), values().max().unwrap_or(0))
    }
}

/// True if no value of the first is above that of the second.
fn covers(a: &[i64], b: &[i64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b)
}
