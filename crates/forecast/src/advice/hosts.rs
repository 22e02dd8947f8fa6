//! Which machine to move so that hosts are not overloaded.

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

/// A machine that goes to another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
/// assert_eq!(told.expected, 4.0 * 30.0); // demand of a day that will be served
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
        Self { steps_per_day, least: 0.005, noisy: 0.5, sure: 0.6 }
    }

    fn check(&self, hosts: &[HostLoad<'_>]) -> Result<usize, FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        for (name, share) in [("least", self.least), ("noisy", self.noisy), ("sure", self.sure)] {
            if !(0.0..=1.0).contains(&share) {
                return refuse(name, share, "0 to 1");
            }
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

    /// The one move that relieves most, of the host with the most unserved demand; `None` when no host is overloaded often enough or
    /// no other host could take a machine without losing more. The expected saving is demand served per day that was not
    /// before. O(hosts · machines of the worst host · steps).
    pub fn advise(&self, hosts: &[HostLoad<'_>]) -> Result<Option<Recommendation<Relief>>, FitError> {
        let steps = self.check(hosts)?;
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
        let mut best: Option<(f64, Relief)> = None;
        for machine in 0..worst.machines.len() {
            for to in (0..hosts.len()).filter(|h| *h != from) {
                let relief = Relief { from, machine, to, noisy: false };
                let gain = relieved(relief, hosts);
                if gain > 0.0 && best.is_none_or(|b| gain > b.0) {
                    best = Some((gain, relief));
                }
            }
        }
        let Some((_, relief)) = best else { return Ok(None) };
        let share = burst_share(worst, relief.machine, &contended);
        let relief = Relief { noisy: share >= self.noisy, ..relief };
        Ok(self.judged(relief, hosts, steps, (often, share)))
    }

    /// Day by day, was it worth it?
    fn judged(
        &self,
        relief: Relief,
        hosts: &[HostLoad<'_>],
        steps: usize,
        (often, share): (f64, f64),
    ) -> Option<Recommendation<Relief>> {
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
        let gains: Vec<f64> = (0..steps / self.steps_per_day).map(day).collect();
        let confidence = succession(gains.iter().filter(|g| **g >= 0.0).count(), gains.len());
        if confidence < self.sure {
            return None;
        }
        let expected = gains.iter().sum::<f64>() / gains.len() as f64;
        let why = if relief.noisy {
            format!("its own bursts are {:.0} % of those that cause it", 100.0 * share)
        } else {
            "the host has more than its share".to_owned()
        };
        let reason = format!(
            "host {} is short of capacity in {:.1} % of the steps; machine {}: {why}; host {} has room",
            relief.from,
            100.0 * often,
            relief.machine,
            relief.to
        );
        Some(Recommendation { action: relief, reason, expected, confidence })
    }
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
        assert!((told.expected * 4.0 - relieved(told.action, &hosts)).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_moved_without_contention_or_without_room() {
        let (calm, full) = (vec![20.0; 48], vec![60.0; 48]);
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
        let none = Relief { from: 3, machine: 0, to: 1, noisy: false };
        assert!(relieved(none, &uneven).abs() < 1e-12);
    }
}
