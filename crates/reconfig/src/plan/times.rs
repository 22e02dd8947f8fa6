//! How long steps take.

use super::precopy::{CopyModel, estimate};
use super::problem::{PlanProblem, PlanSettings};

/// How long a migration takes in milliseconds.
pub(super) fn migration_ms(
    problem: &PlanProblem,
    settings: &PlanSettings,
    item: usize,
    from: usize,
    to: usize,
) -> u64 {
    let it = &problem.items[item];
    let link = problem.hosts[from].link_bytes_per_s.min(problem.hosts[to].link_bytes_per_s);
    let share = link as f64 / f64::from(settings.per_direction.max(1));
    let seconds =
        estimate(it.memory_bytes as f64, it.dirty_bytes_per_s as f64, &CopyModel::at(share)).total_s;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what is exact")]
    let ms = (seconds * 1_000.0).ceil().clamp(1.0, 1e15) as u64;
    ms
}

/// How long it takes to write an item to storage, or to read it, in milliseconds.
pub(super) fn storage_ms(problem: &PlanProblem, item: usize, host: usize) -> u64 {
    let link = u128::from(problem.hosts[host].link_bytes_per_s.max(1));
    let ms = u128::from(problem.items[item].memory_bytes) * 1_000 / link;
    u64::try_from(ms).unwrap_or(u64::MAX).max(1)
}
