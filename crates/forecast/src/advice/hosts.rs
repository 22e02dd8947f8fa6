//! Which machine to move so that hosts are not overloaded.
//!
//! How much contention a move ends on a given day depends on the bursts of that day, which nobody knows; what can be foretold is the
//! demand that it takes from one host to the other. So that is what a move promises, and only moves that can keep it are
//! recommended: those of machines whose demand of every known day was that of the day before within `precise`. The bounds are the
//! smallest and largest of these ratios (with `n` of them a level of `1 − 2/(n + 1)` if days are alike; Vovk et al. 2005). Contention is what a move is
//! for: its lower bound of relief, the mean over days less the 90 % quantile of Student's t for as many days in standard errors, must be above zero.

use super::{Recommendation, succession};
use crate::error::{FitError, MAX_MAGNITUDE};

/// A host and the demand of the machines on it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "plain input")]
pub struct HostLoad<'a> {
    /// What it can serve, in units of the demand.
    pub capacity: f64,
    /// Demand of each machine, equally long, last step last; missing values (NaN) count as nothing.
    pub machines: Vec<&'a [f64]>,
}

/// Mean demand of the coming day, in the unit of the demand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DayLoad {
    /// Expected: that of the last day.
    pub mean: f64,
    /// Lower bound.
    pub lower: f64,
    /// Upper bound; infinite after a day without any demand.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unbounded"))]
    pub upper: f64,
}

impl DayLoad {
    /// From the demand of at least two days, the last one last.
    fn of(load: &[f64], steps_per_day: usize) -> Self {
        let days: Vec<f64> = load.rchunks_exact(steps_per_day).rev().map(crate::stats::mean).collect();
        let mean = days.last().copied().unwrap_or(0.0);
        let ratio = |d: &[f64]| match () {
            () if d[0] > 0.0 => d[1] / d[0],
            () if d[1] > 0.0 => f64::INFINITY,
            () => 1.0, // nothing after nothing
        };
        let ratios = || days.windows(2).map(ratio);
        let lower = mean * ratios().fold(f64::INFINITY, f64::min).min(1.0);
        // Without demand a ratio says nothing: 0 · ∞ is no bound.
        let upper = if mean > 0.0 { mean * ratios().fold(1.0, f64::max) } else { mean };
        Self { mean, lower, upper }
    }

    /// Whether both bounds are within a share of the mean.
    fn within(&self, share: f64) -> bool {
        self.mean > 0.0 && self.lower >= (1.0 - share) * self.mean && self.upper <= (1.0 + share) * self.mean
    }
}

/// A machine that goes to another host.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Relief {
    /// Host that is relieved.
    pub from: usize,
    /// Its machine, by position.
    pub machine: usize,
    /// Host that takes it.
    pub to: usize,
    /// Whether this machine makes most of the contention by its own bursts.
    pub noisy: bool,
    /// Demand that changes hosts: the promise.
    pub moved: DayLoad,
    /// Demand of the relieved host after the move.
    pub source: DayLoad,
    /// Demand of the taking host after the move.
    pub target: DayLoad,
}

impl Relief {
    const fn new(from: usize, machine: usize, to: usize) -> Self {
        let none = DayLoad { mean: 0.0, lower: 0.0, upper: 0.0 };
        Self { from, machine, to, noisy: false, moved: none, source: none, target: none }
    }
}

/// How hosts are relieved: a step with more demand than capacity is contention, and what is above is not served.
///
/// # Example
/// ```
/// use ecosystem_forecast::advice::{Balance, HostLoad};
/// let calm = vec![20.0; 96];
/// let bursts: Vec<f64> = (0..96).map(|h| if h % 6 == 0 { 90.0 } else { 5.0 }).collect();
/// let hosts = [
///     HostLoad { capacity: 100.0, machines: vec![&calm, &bursts, &calm] },
///     HostLoad { capacity: 100.0, machines: vec![] },
/// ];
/// let told = Balance::new(24).advise(&hosts)?.expect("contention every six hours");
/// assert!(told.action.noisy && (told.action.machine, told.action.to) == (1, 1));
/// assert_eq!(told.expected, 4.0 * 90.0 + 20.0 * 5.0); // demand of a day that leaves the host
/// assert_eq!((told.action.source.mean, told.action.source.upper), (40.0, 40.0)); // what is left on it, per step
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Balance {
    /// Steps of a day, at least 1.
    pub steps_per_day: usize,
    /// Least share of the steps with contention that is worth a move, 0 to 1 (default 0.005).
    pub least: f64,
    /// Share of the bursts during contention from which a machine is the noisy one, 0 to 1 (default 0.5).
    pub noisy: f64,
    /// Least confidence, 0 to 1 (default 0.6).
    pub sure: f64,
    /// Largest relative change of the machine's demand from one known day to the next, above 0 (default 0.1): moves of more
    /// changeable machines would promise what they may not keep. Infinite for any machine, with bounds that say how little is known.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored::unbounded"))]
    pub precise: f64,
}

fn known(v: f64) -> f64 {
    if v.is_nan() { 0.0 } else { v }
}

/// Sum of the machines by step.
fn total(machines: &[&[f64]], steps: usize) -> Vec<f64> {
    let mut sum = vec![0.0; steps];
    for machine in machines {
        sum.iter_mut().zip(*machine).for_each(|(s, v)| *s += known(*v));
    }
    sum
}

/// Demand above capacity.
fn unserved(load: &[f64], capacity: f64) -> f64 {
    load.iter().map(|v| (v - capacity).max(0.0)).sum()
}

/// Demand that leaves a host with a move, over the steps that the hosts are given for: what the promise is held against.
pub fn taken_off(relief: Relief, hosts: &[HostLoad<'_>]) -> f64 {
    let machine = hosts.get(relief.from).and_then(|host| host.machines.get(relief.machine));
    machine.map_or(0.0, |values| values.iter().map(|v| known(*v)).sum())
}

/// Demand of both hosts that is served after a move and was not before, over the steps that the hosts are given for.
pub fn relieved(relief: Relief, hosts: &[HostLoad<'_>]) -> f64 {
    let (Some(from), Some(to)) = (hosts.get(relief.from), hosts.get(relief.to)) else { return 0.0 };
    let Some(moved) = from.machines.get(relief.machine) else { return 0.0 };
    let (before, there) = (total(&from.machines, moved.len()), total(&to.machines, moved.len()));
    let rest: Vec<f64> = before.iter().zip(*moved).map(|(s, v)| s - known(*v)).collect();
    let more: Vec<f64> = there.iter().zip(*moved).map(|(s, v)| s + known(*v)).collect();
    unserved(&before, from.capacity) + unserved(&there, to.capacity)
        - unserved(&rest, from.capacity)
        - unserved(&more, to.capacity)
}

impl Balance {
    /// Defaults.
    pub fn new(steps_per_day: usize) -> Self {
        Self { steps_per_day, least: 0.005, noisy: 0.5, sure: 0.6, precise: 0.1 }
    }

    fn check(&self, hosts: &[HostLoad<'_>]) -> Result<usize, FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        for (name, share) in [("least", self.least), ("noisy", self.noisy), ("sure", self.sure)] {
            if !(0.0..=1.0).contains(&share) {
                return refuse(name, share, "0 to 1");
            }
        }
        if self.precise.is_nan() || self.precise <= 0.0 {
            return refuse("precise", self.precise, "a number above 0");
        }
        if let Some(host) = hosts.iter().find(|h| !(h.capacity > 0.0 && h.capacity <= MAX_MAGNITUDE)) {
            return refuse("capacity", host.capacity, "a number above 0 up to 1e100");
        }
        let steps = hosts.iter().flat_map(|h| &h.machines).next().map_or(0, |m| m.len());
        if self.steps_per_day == 0 || (steps > 0 && steps < self.steps_per_day) {
            return refuse("steps_per_day", self.steps_per_day as f64, "1 to the steps given");
        }
        for machine in hosts.iter().flat_map(|h| &h.machines) {
            if machine.len() != steps {
                return Err(FitError::Length { name: "machine", needed: steps, found: machine.len() });
            }
            if let Some(index) = machine.iter().position(|v| v.abs() > MAX_MAGNITUDE) {
                return Err(FitError::OutOfRange { index, value: machine[index] });
            }
        }
        Ok(steps)
    }

    /// The one move that relieves most, of the host with the most unserved demand; `None` when no host is overloaded often enough, when
    /// less than three days are known, or when no move is sure to relieve and to keep its promise (see `precise`). The expected saving is the
    /// demand of a day that leaves the host. O(hosts · machines of the worst host · steps).
    pub fn advise(&self, hosts: &[HostLoad<'_>]) -> Result<Option<Recommendation<Relief>>, FitError> {
        let steps = self.check(hosts)?;
        if steps < 3 * self.steps_per_day {
            return Ok(None);
        }
        let loads: Vec<Vec<f64>> = hosts.iter().map(|h| total(&h.machines, steps)).collect();
        let lost: Vec<f64> = hosts.iter().zip(&loads).map(|(h, l)| unserved(l, h.capacity)).collect();
        let Some(from) = (0..hosts.len()).max_by(|&a, &b| lost[a].total_cmp(&lost[b]).then(b.cmp(&a))) else {
            return Ok(None);
        };
        let worst = &hosts[from];
        let contended: Vec<usize> = (0..steps).filter(|&t| loads[from][t] > worst.capacity).collect();
        let often = contended.len() as f64 / steps.max(1) as f64;
        if contended.is_empty() || often < self.least {
            return Ok(None);
        }
        let mut best: Option<(f64, Relief, f64)> = None;
        for (machine, demand) in worst.machines.iter().enumerate() {
            let demand: Vec<f64> = demand.iter().map(|v| known(*v)).collect();
            let moved = DayLoad::of(&demand, self.steps_per_day);
            if !moved.within(self.precise) {
                continue;
            }
            for to in (0..hosts.len()).filter(|h| *h != from) {
                let relief = Relief { moved, ..Relief::new(from, machine, to) };
                let gains = self.gains(relief, hosts, steps);
                let gain = gains.iter().sum::<f64>();
                let confidence = succession(gains.iter().filter(|g| **g >= 0.0).count(), gains.len());
                let sure = confidence >= self.sure && lower_bound(&gains) > 0.0;
                if sure && best.is_none_or(|b| gain > b.0) {
                    best = Some((gain, relief, confidence));
                }
            }
        }
        Ok(best.map(|(_, relief, confidence)| {
            let share = burst_share(worst, relief.machine, &contended);
            let demand = worst.machines[relief.machine];
            let after = |load: &[f64], sign: f64| {
                let left: Vec<f64> = load.iter().zip(demand).map(|(l, v)| l + sign * known(*v)).collect();
                DayLoad::of(&left, self.steps_per_day)
            };
            let relief = Relief {
                noisy: share >= self.noisy,
                source: after(&loads[from], -1.0),
                target: after(&loads[relief.to], 1.0),
                ..relief
            };
            let expected = relief.moved.mean * self.steps_per_day as f64;
            Recommendation { action: relief, reason: reason(&relief, often, share), expected, confidence }
        }))
    }

    /// Contention that a move would have ended, day by day, newest first.
    fn gains(&self, relief: Relief, hosts: &[HostLoad<'_>], steps: usize) -> Vec<f64> {
        let day = |d: usize| -> f64 {
            let (a, b) = (steps - (d + 1) * self.steps_per_day, steps - d * self.steps_per_day);
            let cut: Vec<HostLoad<'_>> = hosts
                .iter()
                .map(|h| HostLoad {
                    capacity: h.capacity,
                    machines: h.machines.iter().map(|m| &m[a..b]).collect(),
                })
                .collect();
            relieved(relief, &cut)
        };
        (0..steps / self.steps_per_day).map(day).collect()
    }
}

/// 90 % quantile of Student's t by degrees of freedom, from 1 on.
const T90: [f64; 10] = [3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372];

/// The same for any number of days; with more than eleven the normal quantile and 0.9 over the degrees, at most 0.003 too much.
fn t90(days: usize) -> f64 {
    let degrees = days.saturating_sub(1).max(1);
    T90.get(degrees - 1).copied().unwrap_or_else(|| 1.282 + 0.9 / degrees as f64)
}

/// Mean less the 90 % quantile of Student's t in standard errors.
fn lower_bound(gains: &[f64]) -> f64 {
    let n = gains.len() as f64;
    let mean = crate::stats::mean(gains);
    let squares: f64 = gains.iter().map(|g| (g - mean) * (g - mean)).sum();
    mean - t90(gains.len()) * (squares / (n - 1.0).max(1.0) / n).sqrt()
}

fn reason(relief: &Relief, often: f64, share: f64) -> String {
    let why = if relief.noisy {
        format!("its own bursts are {:.0} % of those that cause it", 100.0 * share)
    } else {
        "the host has more than its share".to_owned()
    };
    format!(
        "host {} is short of capacity in {:.1} % of the steps; machine {}: {why}; host {} has room; demand left on it {:.3} \
         ({:.3} to {:.3}), then on the other {:.3} ({:.3} to {:.3})",
        relief.from,
        100.0 * often,
        relief.machine,
        relief.to,
        relief.source.mean,
        relief.source.lower,
        relief.source.upper,
        relief.target.mean,
        relief.target.lower,
        relief.target.upper
    )
}

/// Share of one machine in what the machines of a host do above their medians while there is contention.
fn burst_share(host: &HostLoad<'_>, machine: usize, contended: &[usize]) -> f64 {
    let burst = |values: &[f64]| -> f64 {
        let mut all: Vec<f64> = values.iter().map(|v| known(*v)).collect();
        let usual = crate::stats::median_in_place(&mut all);
        contended.iter().map(|&t| (known(values[t]) - usual).max(0.0)).sum()
    };
    let sum: f64 = host.machines.iter().map(|m| burst(m)).sum();
    if sum > 0.0 { burst(host.machines[machine]) / sum } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_share_a_rising_load_are_unbalanced_and_nobody_is_noisy() {
        let wave: Vec<f64> =
            (0..96).map(|h| 30.0 + 8.0 * (f64::from(h) / 24.0 * core::f64::consts::TAU).sin()).collect();
        let hosts = [
            HostLoad { capacity: 100.0, machines: vec![&wave; 3] },
            HostLoad { capacity: 100.0, machines: vec![&wave] },
        ];
        let told = Balance::new(24).advise(&hosts).unwrap().unwrap();
        assert!(!told.action.noisy && (told.action.from, told.action.to) == (0, 1), "{told:?}");
        assert!((told.expected * 4.0 - taken_off(told.action, &hosts)).abs() < 1e-9);
        assert!(
            (told.action.source.mean - 60.0).abs() < 1e-9 && (told.action.target.mean - 60.0).abs() < 1e-9
        );
    }

    #[test]
    fn a_machine_whose_days_differ_is_moved_only_when_asked_for_at_any_price() {
        let calm = vec![20.0; 96];
        let wild: Vec<f64> = (0..96).map(|h| if h / 24 % 2 == 0 { 10.0 } else { 90.0 }).collect();
        let hosts = [
            HostLoad { capacity: 100.0, machines: vec![&calm, &wild] },
            HostLoad { capacity: 100.0, machines: vec![] },
        ];
        let rule = Balance::new(24);
        let told = rule.advise(&hosts).unwrap().unwrap();
        assert_eq!(told.action.machine, 0, "the calm one can be foretold");
        let any = Balance { precise: f64::INFINITY, ..rule };
        let tight = [HostLoad { capacity: 100.0, machines: vec![&wild, &wild] }, hosts[1].clone()];
        assert_eq!(Balance::new(24).advise(&tight).unwrap(), None);
        let told = any.advise(&tight).unwrap().unwrap();
        assert!(told.action.moved.lower < 11.0 && told.action.moved.upper > 800.0, "{told:?}");
    }

    #[test]
    fn days_without_demand_have_bounds_that_are_numbers_and_are_stored() {
        let of = |days: &[f64]| DayLoad::of(&days.iter().flat_map(|v| [*v; 4]).collect::<Vec<_>>(), 4);
        let none = DayLoad { mean: 0.0, lower: 0.0, upper: 0.0 };
        assert_eq!((of(&[0.0, 0.0, 0.0]), of(&[0.0, 3.0, 0.0])), (none, none));
        let idle = of(&[0.0, 0.0, 3.0]);
        assert!(idle.lower <= 3.0 && idle.upper == f64::INFINITY, "{idle:?}");
        #[cfg(feature = "serde")]
        {
            let any = Balance { precise: f64::INFINITY, ..Balance::new(24) };
            let stored = (idle, any);
            let text = serde_json::to_string(&stored).unwrap();
            assert_eq!(serde_json::from_str::<(DayLoad, Balance)>(&text).unwrap(), stored);
        }
    }

    #[test]
    fn few_days_are_less_sure_than_many() {
        // Mean 1.4, standard error 0.833: above zero by the quantile of ten days, not by that of three.
        assert!(lower_bound(&[0.2, 1.0, 3.0]) < 0.0);
        assert!(lower_bound(&[0.2, 1.0, 3.0].repeat(3)) > 0.0);
        // Tables of Student's t: 1.363 for 11 degrees, 1.310 for 30.
        assert!((t90(12) - 1.363).abs() < 0.003 && (t90(31) - 1.310).abs() < 0.003);
    }

    #[test]
    fn nothing_is_moved_without_contention_or_without_room() {
        let (calm, full) = (vec![20.0; 72], vec![60.0; 72]);
        let quiet = [
            HostLoad { capacity: 100.0, machines: vec![&calm; 4] },
            HostLoad { capacity: 100.0, machines: vec![] },
        ];
        assert_eq!(Balance::new(24).advise(&quiet).unwrap(), None);
        let tight = [
            HostLoad { capacity: 100.0, machines: vec![&full; 2] },
            HostLoad { capacity: 100.0, machines: vec![&full, &calm, &calm] },
        ];
        assert_eq!(Balance::new(24).advise(&tight).unwrap(), None);
        assert_eq!(Balance::new(24).advise(&[]).unwrap(), None);
    }

    #[test]
    fn wrong_input_is_refused() {
        let (long, short) = (vec![1.0; 48], vec![1.0; 47]);
        let uneven = [HostLoad { capacity: 1.0, machines: vec![&long, &short] }];
        assert!(matches!(
            Balance::new(24).advise(&uneven),
            Err(FitError::Length { needed: 48, found: 47, .. })
        ));
        let broken = [HostLoad { capacity: f64::NAN, machines: vec![] }];
        assert!(Balance::new(24).advise(&broken).is_err() && Balance::new(0).advise(&uneven).is_err());
        let vague = Balance { precise: f64::NAN, ..Balance::new(24) };
        assert!(vague.advise(&[HostLoad { capacity: 1.0, machines: vec![&long] }]).is_err());
        let none = Relief::new(3, 0, 1);
        assert!(relieved(none, &uneven).abs() + taken_off(none, &uneven).abs() < 1e-12);
    }
}
