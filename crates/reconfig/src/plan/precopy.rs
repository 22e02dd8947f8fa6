//! How long a live migration takes and how long the guest stands still.

/// How memory is brought over.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "the three ways of the model")]
pub enum CopyMode {
    /// Pre-copy as it is.
    PreCopy,
    /// Pre-copy with the guest slowed down until it converges.
    Throttled,
    /// Switch over first, fetch afterwards: used where the guest dirties memory faster than it can be copied.
    PostCopy,
}

/// Parameters of the pre-copy model, in seconds and bytes per second.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CopyModel {
    /// Bandwidth of the copy.
    pub bytes_per_s: f64,
    /// Downtime that is accepted at the switch-over. 0.3 s, as in QEMU.
    pub downtime_s: f64,
    /// Memory the guest writes again and again: no round copies more. `None` = not known, all of it.
    pub working_set: Option<f64>,
    /// Rounds at most. 30.
    pub rounds_max: u32,
    /// Time to resume on the target.
    pub resume_s: f64,
}

impl CopyModel {
    /// The defaults at a bandwidth.
    pub const fn at(bytes_per_s: f64) -> Self {
        Self { bytes_per_s, downtime_s: 0.3, working_set: None, rounds_max: 30, resume_s: 0.0 }
    }
}

/// What a migration is expected to take.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// From beginning to end, in seconds.
    pub total_s: f64,
    /// Time the guest stands still, in seconds.
    pub downtime_s: f64,
    /// Rounds of copying before the switch-over.
    pub rounds: u32,
    /// True if the last round fits into the accepted downtime.
    pub converges: bool,
    /// Way that should be taken.
    pub mode: CopyMode,
}

/// Pre-copy: `V₀ = M`, `Tᵢ = Vᵢ / B`, `Vᵢ₊₁ = min(D · Tᵢ, W)`; it stops when what is left fits into the accepted
/// downtime, does not shrink any more, or the rounds are used up.
///
/// Where it does not converge, [`Estimate::mode`] names the remedy: throttling below a dirty rate of twice the
/// bandwidth, post-copy beyond.
///
/// # Example
/// ```
/// use ecosystem_reconfig::plan::{CopyModel, estimate};
///
/// const MIB: f64 = 1_048_576.0;
/// let mut model = CopyModel::at(119.2 * MIB);
/// model.working_set = Some(2_048.0 * MIB);
/// let calm = estimate(8_192.0 * MIB, 20.0 * MIB, &model);
/// assert!((calm.total_s - 82.570).abs() < 5e-4 && calm.converges);
/// ```
pub fn estimate(memory: f64, dirty_per_s: f64, model: &CopyModel) -> Estimate {
    let bandwidth = model.bytes_per_s.max(1.0);
    let cap = model.working_set.unwrap_or(memory);
    let (mut left, mut total, mut rounds) = (memory.max(0.0), 0.0, 0);
    let accepted = bandwidth * model.downtime_s;
    while left > accepted && rounds < model.rounds_max {
        let time = left / bandwidth;
        let next = (dirty_per_s * time).min(cap);
        total += time;
        rounds += 1;
        let shrinks = next < left;
        left = next;
        if !shrinks {
            break;
        }
    }
    let downtime_s = left / bandwidth + model.resume_s;
    let converges = left <= accepted;
    let mode = match converges {
        true => CopyMode::PreCopy,
        false if dirty_per_s < 2.0 * bandwidth => CopyMode::Throttled,
        false => CopyMode::PostCopy,
    };
    Estimate { total_s: total + downtime_s, downtime_s, rounds, converges, mode }
}

/// Duration of a migration by the model of `BtrPlace` (`CNetwork.java`): memory in MB, hot pages (MB dirtied within
/// `hot_s` seconds, written again and again), cold dirty rate in MB/s, bandwidth in Mbit/s (9 bits per byte with
/// overhead). At least one second by its caller; unrounded here.
pub fn btrplace_seconds(memory_mb: f64, hot_mb: f64, hot_s: f64, cold_mb_s: f64, mbit_s: f64) -> f64 {
    let b = mbit_s / 9.0;
    let d = memory_mb / b;
    if d > hot_s {
        let cold = (hot_mb + (d - hot_s) * cold_mb_s) / (b - cold_mb_s);
        d + cold + (hot_mb / b) * ((hot_mb / hot_s) / (b - hot_mb / hot_s))
    } else {
        d + ((hot_mb / hot_s) * d) / (b - hot_mb / hot_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: f64 = 1_048_576.0;

    #[test]
    fn the_reference_migrations_come_out() {
        // Independent evaluation of the recurrence: M 8192 MiB, B 119.2 MiB/s, W 2048 MiB, 0.3 s, 30 rounds.
        let mut model = CopyModel::at(119.2 * MIB);
        model.working_set = Some(2_048.0 * MIB);
        let calm = estimate(8_192.0 * MIB, 20.0 * MIB, &model);
        assert!((calm.total_s - 82.570).abs() < 5e-4, "{calm:?}");
        assert!((calm.downtime_s - 0.0545).abs() < 5e-5);
        assert_eq!((calm.rounds, calm.mode), (4, CopyMode::PreCopy));
        let busy = estimate(8_192.0 * MIB, 200.0 * MIB, &model);
        assert!((busy.total_s - 103.087).abs() < 5e-4, "{busy:?}");
        assert!((busy.downtime_s - 17.18).abs() < 5e-3);
        assert_eq!((busy.converges, busy.mode), (false, CopyMode::Throttled));
        assert_eq!(estimate(8_192.0 * MIB, 500.0 * MIB, &model).mode, CopyMode::PostCopy);
    }

    #[test]
    fn the_geometric_closed_form_agrees() {
        // r = D/B < 1 without working set: n = ceil(log_r(B t / M)), sum = (M/B)(1 - r^n)/(1 - r)
        let (m, d, b, t) = (4_096.0, 30.0, 100.0, 0.3);
        let r: f64 = d / b;
        let n = ((b * t / m).ln() / r.ln()).ceil();
        let sum = (m / b) * (1.0 - r.powf(n)) / (1.0 - r);
        let found = estimate(m, d, &CopyModel::at(b));
        assert!((found.total_s - (sum + m / b * r.powf(n))).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn the_model_of_btrplace_gives_its_numbers() {
        assert!((btrplace_seconds(4_096.0, 60.0, 2.0, 10.0, 1_000.0) - 41.105).abs() < 5e-4);
        assert!((btrplace_seconds(100.0, 5.0, 2.0, 0.0, 1_000.0) - 0.9207).abs() < 5e-5);
    }
}
