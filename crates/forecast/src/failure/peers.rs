//! Nodes that share a load, compared with each other.
//!
//! # Model
//! For every metric and minute the median over all nodes is what the load explains; the rest belongs to the node. A node's
//! rest is measured in units of its own healthy standard deviation, which is never taken smaller than that of the typical
//! node (a node that happened to be quiet while it was learnt does not make noise an alarm). Deviations are cut at 20, so
//! that one metric cannot speak for all, averaged within each group of metrics (processor, memory, network …) and then over
//! the groups, so that forty processor metrics do not outvote two of memory. Of that, the typical node's part is taken off.
//! That excess is averaged over the last five steps; the score is that of the most deviating node.
//!
//! Counters (metrics that never fall while learning, and rise) are turned into their increases.
//!
//! Cost: O(nodes · metrics) per step; memory: two numbers per node and metric and five scores per node.

use crate::stats::{mean, median_in_place};
use std::collections::VecDeque;

/// Why peers could not be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// Too little to compare.
    #[error("{found} {name}: expected at least {needed}")]
    TooFew {
        /// `nodes`, `metrics` or `healthy steps`.
        name: &'static str,
        /// Found.
        found: usize,
        /// Needed.
        needed: usize,
    },
    /// A step of another shape than the first.
    #[error("step {step} has {found} values: expected {needed} (nodes × metrics)")]
    Shape {
        /// Step.
        step: usize,
        /// Values found.
        found: usize,
        /// Values needed.
        needed: usize,
    },
}

/// Largest deviation that counts, in standard deviations.
const MOST_DEVIATION: f64 = 20.0;
/// Steps over which a node's deviation is averaged.
const SMOOTH: usize = 5;
/// A deviation of so many standard deviations is clear, and lasting after so many steps of which no two in a row were smaller.
const CLEAR: f64 = 4.0;
const LASTING: u32 = 3;
/// Fewest healthy steps.
const LEAST_STEPS: usize = 10;

/// Deviation of nodes from their peers and from their own past.
///
/// # Example
/// ```
/// use ecosystem_forecast::failure::PeerDeviation;
/// // Four nodes, two metrics (processor and memory), a common load; node 2 leaks from step 40 on.
/// let step = |t: u32| -> Vec<f64> {
///     let own = |n: u32| f64::from((t * 7 + n * 13) % 5);
///     (0..4).flat_map(|n| {
///         let leak = if n == 2 && t > 40 { f64::from(t - 40) } else { 0.0 };
///         [f64::from(t % 9) + own(n), 50.0 + own(n + 1) + leak]
///     }).collect()
/// };
/// let healthy: Vec<Vec<f64>> = (0..30).map(step).collect();
/// let mut peers = PeerDeviation::learn(4, &[0, 1], &healthy)?;
/// let scores: Vec<_> = (30..60).map(|t| peers.push(&step(t))).collect::<Result<_, _>>()?;
/// assert!(scores[29].score > 4.0 * scores[8].score && scores[29].node == 2);
/// # Ok::<(), ecosystem_forecast::failure::PeerError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PeerDeviation {
    nodes: usize,
    groups: Vec<usize>,
    group_count: usize,
    counter: Vec<bool>,
    /// Mean and standard deviation by node and metric; a deviation of 0 means that the metric does not take part.
    usual: Vec<(f64, f64)>,
    last: Vec<f64>,
    recent: VecDeque<f64>,
    steps: usize,
    /// By node and metric: steps since a clear deviation began (0: none), with its sign, and whether the last step was not clear.
    since: Vec<(u32, bool, bool)>,
}

/// What one step says.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PeerScores {
    /// Smoothed excess of the most deviating node, in standard deviations averaged over groups.
    pub score: f64,
    /// That node.
    pub node: usize,
    /// Excess of every node, smoothed.
    pub nodes: Vec<f64>,
    /// The metrics of that node that deviate most now, largest first: metric and signed deviation.
    pub metrics: Vec<(usize, f64)>,
    /// Signed deviation of every metric of that node now, NaN where it does not take part: what
    /// [`Subsystem::of_deviations`](crate::alert::Subsystem::of_deviations) names the failing part from.
    pub deviations: Vec<f64>,
    /// Steps for which each metric of that node has deviated clearly (by four standard deviations, to the same side, three steps at
    /// least; single smaller steps do not end it): the order of symptoms, from which [`first_symptom`](super::first_symptom) names
    /// the failing part.
    pub since: Vec<Option<usize>>,
}

impl PeerDeviation {
    /// Learns from healthy steps. A step has the metrics of node 0, then of node 1 …; NaN where missing. `groups` has the
    /// group of every metric, numbered from 0.
    pub fn learn<R: AsRef<[f64]>>(nodes: usize, groups: &[usize], healthy: &[R]) -> Result<Self, PeerError> {
        let few = |name, found, needed| Err(PeerError::TooFew { name, found, needed });
        if nodes < 3 {
            return few("nodes", nodes, 3); // the median of two is neither
        }
        if groups.is_empty() {
            return few("metrics", 0, 1);
        }
        if healthy.len() < LEAST_STEPS {
            return few("healthy steps", healthy.len(), LEAST_STEPS);
        }
        let width = nodes * groups.len();
        for (step, row) in healthy.iter().enumerate() {
            if row.as_ref().len() != width {
                return Err(PeerError::Shape { step, found: row.as_ref().len(), needed: width });
            }
        }
        let mut numbers: Vec<usize> = groups.to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        let group_count = numbers.len();
        let groups = groups.iter().map(|g| numbers.partition_point(|n| n < g)).collect();
        let mut learnt = Self {
            nodes,
            groups,
            group_count,
            counter: Vec::new(),
            usual: Vec::new(),
            last: vec![f64::NAN; width],
            recent: VecDeque::new(),
            steps: 0,
            since: vec![(0, false, false); width],
        };
        learnt.counter = learnt.find_counters(healthy);
        learnt.usual = learnt.learn_usual(healthy);
        // The newest healthy steps fill the smoothing window, so that the first score is as steady as the others.
        let newest = healthy.len() - SMOOTH;
        learnt.last.copy_from_slice(healthy[newest - 1].as_ref());
        for row in &healthy[newest..] {
            learnt.push(row.as_ref())?;
        }
        learnt.steps = 0;
        Ok(learnt)
    }

    fn metrics(&self) -> usize {
        self.groups.len()
    }

    /// Metrics that rise at every node and never fall at any.
    fn find_counters<R: AsRef<[f64]>>(&self, healthy: &[R]) -> Vec<bool> {
        let rises = |node: usize, metric: usize| {
            let at = node * self.metrics() + metric;
            let pairs = healthy.windows(2).map(|w| w[1].as_ref()[at] - w[0].as_ref()[at]);
            let (mut up, mut down, mut seen) = (0_usize, 0_usize, 0_usize);
            for step in pairs.filter(|d| !d.is_nan()) {
                (up, down, seen) = (up + usize::from(step > 0.0), down + usize::from(step < 0.0), seen + 1);
            }
            down == 0 && 10 * up >= 9 * seen && seen >= LEAST_STEPS / 2
        };
        (0..self.metrics()).map(|m| (0..self.nodes).all(|n| rises(n, m))).collect()
    }

    /// Counters become increases (a reset counts as missing), then every metric its distance from the median node.
    fn prepare(&mut self, step: &[f64]) -> Vec<f64> {
        let (m, mut values) = (self.metrics(), step.to_vec());
        for (at, v) in values.iter_mut().enumerate().filter(|(at, _)| self.counter[at % m]) {
            let rise = *v - self.last[at];
            *v = if rise >= 0.0 { rise } else { f64::NAN };
        }
        self.last.copy_from_slice(step);
        let mut column = Vec::with_capacity(self.nodes);
        for metric in 0..m {
            column.clear();
            column.extend((0..self.nodes).map(|n| values[n * m + metric]).filter(|v| v.is_finite()));
            let middle = median_in_place(&mut column);
            (0..self.nodes).for_each(|n| values[n * m + metric] -= middle);
        }
        values
    }

    fn learn_usual<R: AsRef<[f64]>>(&mut self, healthy: &[R]) -> Vec<(f64, f64)> {
        let m = self.metrics();
        let prepared: Vec<Vec<f64>> = healthy.iter().map(|r| self.prepare(r.as_ref())).collect();
        let size = |at: usize| {
            let (sum, n) = healthy
                .iter()
                .map(|r| r.as_ref()[at].abs())
                .filter(|v| v.is_finite())
                .fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0));
            sum / f64::max(n, 1.0)
        };
        let mut usual: Vec<(f64, f64)> = (0..self.nodes * m)
            .map(|at| {
                let seen: Vec<f64> = prepared.iter().map(|r| r[at]).filter(|v| v.is_finite()).collect();
                (mean(&seen), crate::stats::variance(&seen).sqrt())
            })
            .collect();
        for metric in 0..m {
            let at = |n: usize| n * m + metric;
            let typical = median_in_place(&mut (0..self.nodes).map(|n| usual[at(n)].1).collect::<Vec<_>>());
            for n in 0..self.nodes {
                let spread = usual[at(n)].1.max(typical);
                // Rounding is not a spread, and without one there is no unit to measure in.
                let real = spread > 1e-9 * size(at(n)) + 1e-12;
                usual[at(n)].1 = if real { spread } else { 0.0 };
            }
        }
        usual
    }

    /// Takes in the next step.
    pub fn push(&mut self, step: &[f64]) -> Result<PeerScores, PeerError> {
        let (m, needed) = (self.metrics(), self.nodes * self.metrics());
        if step.len() != needed {
            return Err(PeerError::Shape { step: self.steps, found: step.len(), needed });
        }
        self.steps += 1;
        let values = self.prepare(step);
        let deviation: Vec<f64> = values
            .iter()
            .zip(&self.usual)
            .map(|(v, (center, spread))| {
                let z = if *spread > 0.0 { (v - center) / spread } else { f64::NAN };
                z.clamp(-MOST_DEVIATION, MOST_DEVIATION)
            })
            .collect();
        self.since.iter_mut().zip(&deviation).for_each(|(since, z)| *since = lasting(*since, *z));
        let mut excess: Vec<f64> =
            (0..self.nodes).map(|n| self.node_deviation(&deviation[n * m..(n + 1) * m])).collect();
        let typical = median_in_place(&mut excess.clone());
        excess.iter_mut().for_each(|e| *e -= typical);
        if self.recent.len() == SMOOTH * self.nodes {
            self.recent.drain(..self.nodes);
        }
        self.recent.extend(&excess);
        Ok(self.verdict(&deviation))
    }

    /// Mean over groups of the mean absolute deviation within the group; groups without a value do not count.
    fn node_deviation(&self, deviation: &[f64]) -> f64 {
        let mut sums = vec![(0.0, 0.0); self.group_count];
        for (z, &g) in deviation.iter().zip(&self.groups).filter(|(z, _)| !z.is_nan()) {
            sums[g].0 += z.abs();
            sums[g].1 += 1.0;
        }
        let groups: Vec<f64> = sums.iter().filter(|s| s.1 > 0.0).map(|s| s.0 / s.1).collect();
        mean(&groups)
    }

    fn verdict(&self, deviation: &[f64]) -> PeerScores {
        let (m, width) = (self.metrics(), self.nodes);
        let steps = (self.recent.len() / width) as f64;
        let average = |k: usize| self.recent.iter().skip(k).step_by(width).sum::<f64>() / steps;
        let nodes: Vec<f64> = (0..width).map(average).collect();
        let node = (0..self.nodes).fold(0, |best, n| if nodes[n] > nodes[best] { n } else { best });
        let deviations = deviation[node * m..(node + 1) * m].to_vec();
        let mut metrics: Vec<(usize, f64)> =
            deviations.iter().copied().enumerate().filter(|(_, z)| !z.is_nan()).collect();
        metrics.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        metrics.truncate(5);
        let lasting = |(steps, ..): &(u32, bool, bool)| (*steps >= LASTING).then_some(*steps as usize);
        let since = self.since[node * m..(node + 1) * m].iter().map(lasting).collect();
        PeerScores { score: nodes[node], node, nodes, metrics, deviations, since }
    }

    /// Group of every metric by its name: the words before the last dots, without shared beginnings (`system.cpu.user.pct`
    /// belongs to `cpu`).
    pub fn groups_by_name<S: AsRef<str>>(names: &[S]) -> Vec<usize> {
        let parts: Vec<Vec<&str>> =
            names.iter().map(|n| n.as_ref().split(['.', '_', '/', ':']).collect()).collect();
        let shortest = parts.iter().map(Vec::len).min().unwrap_or(0);
        let shared = (0..shortest.saturating_sub(1))
            .take_while(|&i| parts.iter().all(|p| p[i] == parts[0][i]))
            .count();
        // What is told per core and in total is one group.
        let keys: Vec<&str> =
            parts.iter().map(|p| if p[shared] == "core" { "cpu" } else { p[shared] }).collect();
        let mut known = keys.clone();
        known.sort_unstable();
        known.dedup();
        keys.iter().map(|k| known.partition_point(|n| n < k)).collect()
    }
}

/// How long a deviation has been clear, after one more step.
fn lasting((steps, up, missed): (u32, bool, bool), z: f64) -> (u32, bool, bool) {
    let (clear, now) = (z.abs() >= CLEAR, z > 0.0);
    match (clear, steps) {
        (true, s) if s > 0 && now == up => (s.saturating_add(1), up, false),
        (true, _) => (1, now, false),
        (false, s) if s > 0 && !missed => (s.saturating_add(1), up, true),
        (false, _) => (0, false, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    fn noise(nodes: usize, metrics: usize, steps: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut rng = Pcg::new(seed);
        (0..steps)
            .map(|t| (0..nodes * metrics).map(|_| 10.0 * (t as f64 * 0.1).sin() + rng.normal()).collect())
            .collect()
    }

    #[test]
    fn the_order_of_nodes_does_not_matter() {
        let steps = noise(6, 3, 60, 1);
        let swapped: Vec<Vec<f64>> = steps.iter().map(|r| [&r[9..], &r[..9]].concat()).collect();
        let run = |steps: &[Vec<f64>]| -> Vec<f64> {
            let mut p = PeerDeviation::learn(6, &[0, 0, 1], &steps[..30]).unwrap();
            steps[30..].iter().map(|s| p.push(s).unwrap().score).collect()
        };
        assert_eq!(run(&steps), run(&swapped));
    }

    #[test]
    fn a_load_that_all_share_is_no_deviation_and_a_sick_node_is_named() {
        let mut steps = noise(8, 4, 80, 2);
        // all nodes jump together at 40; node 5 alone at 60
        steps[40..].iter_mut().for_each(|r| r.iter_mut().for_each(|v| *v += 100.0));
        steps[60..].iter_mut().for_each(|r| r[21] += 15.0);
        let mut p = PeerDeviation::learn(8, &[0, 1, 2, 3], &steps[..30]).unwrap();
        let scores: Vec<PeerScores> = steps[30..].iter().map(|s| p.push(s).unwrap()).collect();
        let healthy = scores[..30].iter().map(|s| s.score).fold(0.0, f64::max);
        let last = &scores[49];
        assert!(last.score > 2.0 * healthy, "{} {healthy}", last.score);
        assert_eq!((last.node, last.metrics[0].0), (5, 1));
    }

    #[test]
    fn counters_are_compared_by_their_rate_and_resets_are_missing() {
        let mut rng = Pcg::new(3);
        let mut total = [0.0; 4];
        let mut steps: Vec<Vec<f64>> = Vec::new();
        for t in 0..60 {
            for (n, sum) in total.iter_mut().enumerate() {
                *sum += 100.0 + rng.normal() + if n == 1 && t >= 50 { 40.0 } else { 0.0 };
            }
            if t == 45 {
                total[3] = 0.0; // restarted
            }
            steps.push(total.to_vec());
        }
        let mut p = PeerDeviation::learn(4, &[0], &steps[..30]).unwrap();
        let scores: Vec<PeerScores> = steps[30..].iter().map(|s| p.push(s).unwrap()).collect();
        assert!(scores[16].score < 4.0, "{}", scores[16].score);
        assert!(scores[29].node == 1 && scores[29].score > 5.0, "{:?}", scores[29]);
    }

    #[test]
    fn shapes_that_do_not_fit_are_errors_and_names_give_groups() {
        let steps = noise(4, 2, 20, 4);
        assert!(PeerDeviation::learn(2, &[0, 0, 0, 0], &steps).is_err());
        assert!(PeerDeviation::learn(4, &[0, 0], &steps[..5]).is_err());
        assert!(PeerDeviation::learn(4, &[0], &steps).is_err());
        let mut p = PeerDeviation::learn(4, &[0, 7], &steps).unwrap();
        assert!(p.push(&steps[0][1..]).is_err() && p.push(&[f64::NAN; 8]).unwrap().score.is_finite());
        let names = ["system.cpu.a", "system.memory.free", "system.cpu.b", "system.load.1"];
        assert_eq!(PeerDeviation::groups_by_name(&names), [0, 2, 0, 1]);
    }
}
