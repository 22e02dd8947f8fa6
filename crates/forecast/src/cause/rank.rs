//! Ranks components by how much speaks for them.

use super::evidence::{Deviation, Metric, Role, deviation};

/// A component with its metrics.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "plain input")]
pub struct Component<'a> {
    /// Its metrics.
    pub metrics: &'a [Metric<'a>],
}

/// Why causes could not be ranked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CauseError {
    /// An edge names a component that is absent.
    #[error("edge {edge} names component {component}: expected 0 to {last}")]
    Edge {
        /// Position of the edge.
        edge: usize,
        /// The absent component.
        component: usize,
        /// Last component.
        last: usize,
    },
    /// Nothing to rank.
    #[error("no component given")]
    Empty,
}

/// A component and what speaks for it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Cause {
    /// Component, by position.
    pub component: usize,
    /// What the ranking is by: larger is more suspect.
    pub score: f64,
    /// Evidence in its own metrics: mean over kinds of metrics of ln(1 + deviation). Below about 1.5 nothing sticks out of the
    /// noise of a few dozen metrics, and the ranking says little.
    pub evidence: f64,
    /// Steps from the onset to its first clear deviation.
    pub changed_after: Option<usize>,
    /// Its metrics by deviation in spreads, largest first, at most five.
    pub metrics: Vec<(usize, f64)>,
}

/// How causes are ranked.
///
/// # Example
/// ```
/// use ecosystem_forecast::cause::{Component, Metric, Role, RootCause};
/// let calm = |k: u32| -> Vec<f64> { (0..40).map(|t| 10.0 + f64::from((t * 7 + k) % 5)).collect() };
/// let (mut processor, mut latency) = (calm(1), calm(2));
/// processor[37..].iter_mut().for_each(|v| *v += 60.0); // the database works too hard …
/// latency[37..].iter_mut().for_each(|v| *v += 60.0);   // … and the front end waits for it
/// let (idle, quick) = (calm(3), calm(4));
/// let front = [Metric { values: &idle, role: Role::Processor }, Metric { values: &latency, role: Role::ServiceTime }];
/// let store = [Metric { values: &processor, role: Role::Processor }, Metric { values: &quick, role: Role::ServiceTime }];
/// let components = [Component { metrics: &front }, Component { metrics: &store }];
/// let causes = RootCause::default().rank(&components, 37, &[(0, 1)])?;
/// assert_eq!(causes[0].component, 1);
/// # Ok::<(), ecosystem_forecast::cause::CauseError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RootCause {
    /// Steps before the onset that are the usual past (default 60).
    pub past: usize,
    /// Least spread as a share of the metric's level (default 0.05): what is below it does not matter to anybody.
    pub floor: f64,
    /// Weight of echoes beside the weight 1 of the other kinds (default 0.1).
    pub echo: f64,
    /// Probability that the walk over the graph goes on (default 0.3).
    pub walk: f64,
}

impl Default for RootCause {
    fn default() -> Self {
        Self { past: 60, floor: 0.05, echo: 0.1, walk: 0.3 }
    }
}

/// Kinds of metrics whose evidence is averaged, and how many kinds any component has.
const KINDS: [Role; 4] = [Role::Processor, Role::Memory, Role::Storage, Role::ServiceTime];

impl RootCause {
    /// Most suspect component first. `onset`: first step of the incident in all metrics, which end now. `calls`: pairs
    /// (caller, callee); empty when the graph is not known.
    pub fn rank(
        &self,
        components: &[Component<'_>],
        onset: usize,
        calls: &[(usize, usize)],
    ) -> Result<Vec<Cause>, CauseError> {
        let last = components.len().checked_sub(1).ok_or(CauseError::Empty)?;
        for (edge, &(a, b)) in calls.iter().enumerate() {
            if a.max(b) > last {
                return Err(CauseError::Edge { edge, component: a.max(b), last });
            }
        }
        let present: Vec<Role> = KINDS
            .into_iter()
            .filter(|k| components.iter().any(|c| c.metrics.iter().any(|m| m.role == *k)))
            .collect();
        let mut causes: Vec<Cause> =
            components.iter().enumerate().map(|(i, c)| self.judge(i, c, onset, &present)).collect();
        order_of_change(&mut causes);
        if !calls.is_empty() {
            self.walk(&mut causes, calls);
        }
        causes.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.component.cmp(&b.component)));
        Ok(causes)
    }

    fn judge(&self, component: usize, c: &Component<'_>, onset: usize, present: &[Role]) -> Cause {
        let past = onset.saturating_sub(self.past.max(5));
        let moved: Vec<Deviation> =
            c.metrics.iter().map(|m| deviation(m.values, past, onset, self.floor.max(0.0))).collect();
        let largest = |role: Role| {
            let of_role = c.metrics.iter().zip(&moved).filter(|(m, _)| m.role == role);
            of_role.map(|(_, d)| d.size).fold(0.0, f64::max).ln_1p()
        };
        let own: f64 = present.iter().map(|r| largest(*r)).sum();
        let evidence = (own + self.echo * largest(Role::Echo)) / (present.len() as f64 + self.echo);
        let changed_after = c
            .metrics
            .iter()
            .zip(&moved)
            .filter(|(m, _)| m.role != Role::Echo)
            .filter_map(|(_, d)| d.first)
            .min();
        let mut metrics: Vec<(usize, f64)> = moved.iter().map(|d| d.size).enumerate().collect();
        metrics.sort_by(|a, b| b.1.total_cmp(&a.1));
        metrics.truncate(5);
        Cause { component, score: evidence, evidence, changed_after, metrics }
    }

    /// Personalised random walk: restarts by evidence, steps from a caller to callees (or stays) by their evidence.
    fn walk(&self, causes: &mut [Cause], calls: &[(usize, usize)]) {
        let n = causes.len();
        let weight: Vec<f64> = causes.iter().map(|c| c.score.exp_m1()).collect();
        let total: f64 = weight.iter().sum();
        if total <= 0.0 {
            return;
        }
        let mut callees: Vec<Vec<usize>> = (0..n).map(|i| vec![i]).collect();
        for &(a, b) in calls {
            if a != b && !callees[a].contains(&b) {
                callees[a].push(b);
            }
        }
        let restart: Vec<f64> = weight.iter().map(|w| w / total).collect();
        let go_on = self.walk.clamp(0.0, 0.95);
        let mut here = restart.clone();
        for _ in 0..200 {
            let mut next: Vec<f64> = restart.iter().map(|r| (1.0 - go_on) * r).collect();
            for (i, to) in callees.iter().enumerate() {
                let sum: f64 = to.iter().map(|&j| weight[j]).sum();
                for &j in to {
                    let share = if sum > 0.0 { weight[j] / sum } else { 1.0 / to.len() as f64 };
                    next[j] += go_on * here[i] * share;
                }
            }
            let moved: f64 = next.iter().zip(&here).map(|(a, b)| (a - b).abs()).sum();
            here = next;
            if moved < 1e-12 {
                break;
            }
        }
        causes.iter_mut().zip(here).for_each(|(c, h)| c.score = h);
    }
}

/// Who changed first gains: the score falls by up to a quarter with the place in the order of change.
fn order_of_change(causes: &mut [Cause]) {
    let mut steps: Vec<usize> = causes.iter().filter_map(|c| c.changed_after).collect();
    steps.sort_unstable();
    steps.dedup();
    for cause in causes {
        let place = cause.changed_after.map_or(steps.len(), |s| steps.partition_point(|t| *t < s));
        cause.score *= 1.0 - 0.25 * place as f64 / steps.len().max(1) as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    /// Three services in a chain; the fault is in `culprit` and slows down everybody above it.
    fn chain(culprit: usize, seed: u64) -> Vec<Vec<Vec<f64>>> {
        let mut rng = Pcg::new(seed);
        (0..3)
            .map(|service| {
                (0..3)
                    .map(|metric| {
                        (0..64)
                            .map(|t| {
                                let own = if service == culprit && metric == 0 { 30.0 } else { 0.0 };
                                let slow = if metric == 1 && service <= culprit { 25.0 } else { 0.0 };
                                let late = 60 + (culprit - service.min(culprit));
                                20.0 + rng.normal() + if t >= late.min(63) { own + slow } else { 0.0 }
                            })
                            .collect()
                    })
                    .collect()
            })
            .collect()
    }

    fn first(series: &[Vec<Vec<f64>>], calls: &[(usize, usize)]) -> Vec<usize> {
        let roles = [Role::Processor, Role::ServiceTime, Role::Echo];
        let metrics: Vec<Vec<Metric<'_>>> = series
            .iter()
            .map(|s| s.iter().zip(roles).map(|(values, role)| Metric { values, role }).collect())
            .collect();
        let components: Vec<Component<'_>> = metrics.iter().map(|m| Component { metrics: m }).collect();
        let causes = RootCause::default().rank(&components, 60, calls).unwrap();
        causes.iter().map(|c| c.component).collect()
    }

    #[test]
    fn the_slow_callee_is_blamed_and_not_its_callers() {
        for seed in 0..10 {
            for culprit in 0..3 {
                let series = chain(culprit, seed);
                assert_eq!(first(&series, &[])[0], culprit);
                assert_eq!(first(&series, &[(0, 1), (1, 2)])[0], culprit);
            }
        }
    }

    #[test]
    fn a_walk_follows_calls_to_where_the_deviation_is() {
        // Two equal suspects: the one that is called by a deviating caller wins with a graph.
        let mut series = chain(0, 3);
        for service in [1, 2] {
            series[service][0][60..].iter_mut().for_each(|v| *v += 10.0);
        }
        let order = first(&series, &[(0, 2)]);
        assert!(order.iter().position(|c| *c == 2) < order.iter().position(|c| *c == 1), "{order:?}");
    }

    #[test]
    fn edges_to_nowhere_are_errors_and_constants_are_no_evidence() {
        let flat = [1.0; 20];
        let metrics = [Metric { values: &flat, role: Role::Memory }];
        let components = [Component { metrics: &metrics }];
        assert!(RootCause::default().rank(&components, 15, &[(0, 1)]).is_err());
        assert!(RootCause::default().rank(&[], 15, &[]).is_err());
        let causes = RootCause::default().rank(&components, 99, &[]).unwrap();
        assert_eq!((causes[0].evidence, causes[0].changed_after), (0.0, None));
    }
}
