//! Steps and plans: what a schedule is made of.

use super::problem::{PlanProblem, Spot};
use std::collections::{BTreeMap, BTreeSet};

/// What a step does.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "the steps of the model, matched by every executor")]
pub enum StepKind {
    /// An item starts on a host.
    Start(usize),
    /// An item stops on a host.
    Stop(usize),
    /// An item moves from one host to another.
    Migrate(usize, usize),
    /// An item is written to storage.
    Suspend(usize),
    /// An item is brought back from storage.
    Resume(usize),
    /// A host is switched on; the step's item is meaningless.
    BootHost(usize),
    /// A host is switched off; the step's item is meaningless.
    ShutdownHost(usize),
}

/// One step with its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// Which item.
    pub item: usize,
    /// What.
    pub kind: StepKind,
    /// When it begins, in milliseconds from the beginning.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
}

/// A schedule.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// Steps in order of their beginning.
    pub steps: Vec<Step>,
    /// When the last step ends.
    pub makespan_ms: u64,
    /// No plan ends earlier: the busiest link direction, the longest step and the longest chain of precedences.
    pub lower_bound_ms: u64,
    /// Items that made a detour.
    pub pivots: Vec<usize>,
    /// Items that were suspended and resumed.
    pub suspended: Vec<usize>,
    /// Indices of steps, each of which begins when the one before ends; the last one ends the plan.
    pub critical_path: Vec<usize>,
}

impl Plan {
    /// Where everything is at a moment if the steps in `failed` had no effect: the problem that is left. Steps under
    /// way count as not done. The new plan starts from where things stand.
    #[must_use]
    pub fn rest(&self, problem: &PlanProblem, at_ms: u64, failed: &BTreeSet<usize>) -> PlanProblem {
        let mut rest = problem.clone();
        for (position, step) in self.steps.iter().enumerate() {
            if step.end_ms > at_ms || failed.contains(&position) {
                continue;
            }
            match step.kind {
                StepKind::Start(h) | StepKind::Migrate(_, h) | StepKind::Resume(h) => {
                    rest.items[step.item].from = Spot::On(h);
                }
                StepKind::Stop(_) => rest.items[step.item].from = Spot::Nowhere,
                StepKind::Suspend(h) => rest.items[step.item].from = Spot::Asleep(h),
                StepKind::BootHost(h) => rest.hosts[h].online = true,
                StepKind::ShutdownHost(h) => rest.hosts[h].online = false,
            }
        }
        rest
    }
}

/// From the last step back to one that began at once, always to a step that ended when this one began.
pub(super) fn critical_path(steps: &[Step]) -> Vec<usize> {
    let mut by_end: BTreeMap<u64, usize> = BTreeMap::new();
    for (position, step) in steps.iter().enumerate() {
        by_end.entry(step.end_ms).or_insert(position);
    }
    let mut path: Vec<usize> = by_end.values().next_back().copied().into_iter().collect();
    while let Some(&first) = path.last() {
        match by_end.get(&steps[first].start_ms) {
            Some(&before) if steps[first].start_ms > 0 && steps[before].start_ms < steps[first].start_ms => {
                path.push(before);
            }
            _ => break,
        }
    }
    path.reverse();
    path
}
