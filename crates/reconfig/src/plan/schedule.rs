//! The search for a plan: list schedules with the order of steps shaken a little, the shortest is taken.

use super::problem::{Order, PlanError, PlanProblem, PlanSettings};
use super::scheduler::Scheduler;
use super::steps::{Plan, critical_path};

/// Makes a plan.
///
/// # Example
/// ```
/// use ecosystem_reconfig::plan::{PlanHost, PlanItem, PlanProblem, PlanSettings, Spot, check_plan, plan};
///
/// // Two full hosts swap their items over a third.
/// let mut problem = PlanProblem::new();
/// for name in ["a", "b", "pivot"] {
///     problem.hosts.push(PlanHost::new(name.to_owned(), vec![4], 125_000_000));
/// }
/// let item = |name: &str, from, to| {
///     PlanItem::new(name.to_owned(), vec![4], 1_000_000_000, Spot::On(from), Spot::On(to))
/// };
/// problem.items.extend([item("x", 0, 1), item("y", 1, 0)]);
/// let settings = PlanSettings::default();
/// let plan = plan(&problem, &settings)?;
/// assert_eq!((plan.steps.len(), plan.pivots.len()), (3, 1));
/// assert!(check_plan(&problem, &settings, &plan).is_empty());
/// # Ok::<(), ecosystem_reconfig::plan::PlanError>(())
/// ```
pub fn plan(problem: &PlanProblem, settings: &PlanSettings) -> Result<Plan, PlanError> {
    problem.validate()?;
    let mut best: Option<Plan> = None;
    let mut refused = None;
    for attempt in 0..settings.attempts.max(1) {
        match attempt_plan(problem, settings, attempt) {
            Ok(found) => {
                let close = found.makespan_ms.saturating_mul(100) <= found.lower_bound_ms.saturating_mul(102);
                if best.as_ref().is_none_or(|known| found.makespan_ms < known.makespan_ms) {
                    best = Some(found);
                }
                if close {
                    break;
                }
            }
            Err(error) => {
                // A circle without a way out, or a missed deadline: another order may still do, the first error is told.
                refused.get_or_insert(error);
            }
        }
    }
    match (best, refused) {
        (Some(found), _) => Ok(found),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(Plan::default()),
    }
}

fn attempt_plan(problem: &PlanProblem, settings: &PlanSettings, attempt: u32) -> Result<Plan, PlanError> {
    let mut scheduler = Scheduler::new(problem, settings, attempt);
    let lower_bound_ms = scheduler.lower_bound();
    scheduler.run()?;
    let mut plan = Plan {
        lower_bound_ms,
        pivots: scheduler.pivots.iter().copied().collect(),
        suspended: scheduler.suspended.iter().copied().collect(),
        ..Plan::default()
    };
    plan.steps = std::mem::take(&mut scheduler.steps);
    plan.steps.sort_by_key(|step| (step.start_ms, step.end_ms, step.item));
    plan.makespan_ms = plan.steps.iter().map(|step| step.end_ms).max().unwrap_or(0);
    plan.critical_path = critical_path(&plan.steps);
    check_times(problem, &plan)?;
    Ok(plan)
}

fn check_times(problem: &PlanProblem, plan: &Plan) -> Result<(), PlanError> {
    for order in &problem.orders {
        let (item, limit_ms, found_ms) = match *order {
            Order::Deadline(item, limit) => {
                (item, limit, plan.steps.iter().filter(|s| s.item == item).map(|s| s.end_ms).max())
            }
            Order::NoDelay(item) => {
                (item, 0, plan.steps.iter().filter(|s| s.item == item).map(|s| s.start_ms).min())
            }
            _ => continue,
        };
        if let Some(found_ms) = found_ms.filter(|&found| found > limit_ms) {
            return Err(PlanError::Late { item: problem.items[item].name.clone(), found_ms, limit_ms });
        }
    }
    Ok(())
}
