//! How long a request takes from an entry point through everything it calls, as a distribution.

use super::cycle::cycles;
use super::selection::EdgeSelection;
use crate::dependency::{CallMode, Dependency, DependencyKind};
use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;
use crate::units::Micros;
use std::collections::BTreeMap;

/// A measured distribution of times: some quantiles, straight lines between them.
///
/// # Example
/// ```
/// use ecosystem_core::{Micros, analysis::Quantiles};
///
/// let measured = Quantiles::new(vec![(0.5, Micros(900)), (0.99, Micros(5_000))])?;
/// assert_eq!(Quantiles::constant(Micros(7)).mean(), 7.0);
/// assert!(Quantiles::new(vec![(0.5, Micros(9)), (0.9, Micros(8))]).is_err());
/// # let _ = measured;
/// # Ok::<(), ecosystem_core::analysis::LatencyError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Quantiles {
    // INVARIANT: probabilities rise from 0 to 1 and times do not fall.
    points: Vec<(f64, f64)>,
}

impl Quantiles {
    /// Quantiles as `(probability, time)` with rising probabilities above 0 and at most 1. Below the first the
    /// distribution starts at zero; above the last it ends where the last line, drawn on, meets probability 1.
    pub fn new(quantiles: Vec<(f64, Micros)>) -> Result<Self, LatencyError> {
        let mut points = vec![(0.0, 0.0)];
        for (number, (p, time)) in quantiles.into_iter().enumerate() {
            let (before, at_least) = points[points.len() - 1];
            let time = time.get() as f64;
            if !(p > before && p <= 1.0 && time >= at_least) {
                return Err(LatencyError::Quantile { number, p });
            }
            points.push((p, time));
        }
        if let [.., (p0, t0), (p1, t1)] = points[..]
            && p1 < 1.0
        {
            points.push((1.0, t1 + (t1 - t0) / (p1 - p0) * (1.0 - p1)));
        } else if points.len() == 1 {
            points.push((1.0, 0.0));
        }
        Ok(Self { points })
    }

    /// Always the same time.
    pub fn constant(time: Micros) -> Self {
        Self { points: vec![(0.0, time.get() as f64), (1.0, time.get() as f64)] }
    }

    /// Expected time in microseconds.
    pub fn mean(&self) -> f64 {
        self.points.windows(2).map(|w| (w[1].0 - w[0].0) * f64::midpoint(w[0].1, w[1].1)).sum()
    }

    /// Time at a probability from 0 to 1, in microseconds.
    pub fn at(&self, p: f64) -> f64 {
        let after = self.points.partition_point(|&(q, _)| q < p).clamp(1, self.points.len() - 1);
        let ((p0, t0), (p1, t1)) = (self.points[after - 1], self.points[after]);
        if p1 <= p0 { t1 } else { t0 + (t1 - t0) * ((p - p0) / (p1 - p0)).clamp(0.0, 1.0) }
    }

    fn max(&self) -> f64 {
        self.points[self.points.len() - 1].1
    }

    /// Integral of the distribution function from 0 to `time`.
    fn integral(&self, time: f64) -> f64 {
        let mut sum = (time - self.max()).max(0.0);
        for pair in self.points.windows(2) {
            let ((p0, t0), (p1, t1)) = (pair[0], pair[1]);
            if t1 > t0 && time > t0 {
                let until = time.min(t1);
                let p = p0 + (p1 - p0) * (until - t0) / (t1 - t0);
                sum += (until - t0) * f64::midpoint(p0, p);
            }
        }
        sum
    }

    /// The distribution on a grid: what lies between two steps is shared between them, so that the mean stays.
    fn masses(&self, step: f64, bins: usize) -> Vec<f64> {
        let mut masses = vec![0.0; bins];
        let (mut before, mut here, mut sum) = (0.0, 0.0, 0.0);
        for (bin, mass) in masses.iter_mut().enumerate() {
            let after = self.integral((bin as f64 + 1.0) * step);
            *mass = if bin + 1 == bins { 1.0 - sum } else { ((after - 2.0 * here + before) / step).max(0.0) };
            sum += *mass;
            (before, here) = (here, after);
        }
        masses
    }
}

/// How a component makes its calls.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "calls follow each other or they do not")]
pub enum Calls {
    /// All at once; the slowest counts.
    #[default]
    Parallel,
    /// One after the other; they add up.
    Sequential,
}

/// What is known about times.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LatencyModel {
    /// Own time of each component, without its calls; absent = no time.
    pub service: BTreeMap<ComponentId, Quantiles>,
    /// One-way network latency by ends of the edge; absent = `network_default`.
    pub network: BTreeMap<(ComponentId, ComponentId), Micros>,
    /// One-way network latency of all other edges.
    pub network_default: Micros,
    /// How each component makes its calls; absent = in parallel.
    pub calls: BTreeMap<ComponentId, Calls>,
}

/// The time of a request and where it goes.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Latency {
    /// Expected time in microseconds.
    pub mean_us: f64,
    /// Asked probabilities with their times.
    pub percentiles: Vec<(f64, Micros)>,
    /// The path that takes longest on average, from the entry point down, with the time spent up to the return from each
    /// component (own time, calls and network), in microseconds.
    pub critical_path: Vec<(ComponentId, f64)>,
    /// Resolution of the computation in microseconds: percentiles are exact up to this for each step on the path.
    pub step_us: f64,
}

/// Why a latency cannot be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LatencyError {
    /// A quantile out of order.
    #[error(
        "quantile {number} at probability {p}, expected rising probabilities in (0, 1] and times that do not fall"
    )]
    Quantile {
        /// Its position in the list.
        number: usize,
        /// Its probability.
        p: f64,
    },
    /// A name that is not in the map.
    #[error("`{0}` is not a component of the map")]
    Unknown(ComponentId),
    /// Synchronous calls in a circle have no end.
    #[error("synchronous calls form a circle: {0}; mark one of them as queued")]
    Circle(String),
}

/// Bins of a distribution: 0.1 % of the longest time each.
const BINS: usize = 1_024;

/// The time a request to `entry` takes until its answer is there.
///
/// Model: response of a component = own time + its calls (the slowest of parallel, the sum of sequential ones); a call
/// takes two network latencies and the response of the target, times the number of calls per call (`fan_out_permille`
/// rounded up, at most 64, one after the other; unknown = one). Only synchronous call and data edges count. All times are
/// independent, so that sums are convolutions and the slowest has the product of the distribution functions; both are
/// computed on a grid of 1,024 steps up to the longest possible time. O(E · 1,024²) with E the edges below the entry.
pub fn latency(
    ecosystem: &Ecosystem,
    entry: &ComponentId,
    model: &LatencyModel,
    percentiles: &[f64],
) -> Result<Latency, LatencyError> {
    let start = ecosystem.component_index(entry).ok_or_else(|| LatencyError::Unknown(entry.clone()))?;
    let order = callees_first(ecosystem, start)?;
    // upper limits first: they give the grid
    let mut longest = vec![0.0_f64; ecosystem.len()];
    let mut means = vec![0.0_f64; ecosystem.len()];
    let mut next_on_path: Vec<Option<usize>> = vec![None; ecosystem.len()];
    for &node in &order {
        let id = name(ecosystem, node);
        let sequential = model.calls.get(&id) == Some(&Calls::Sequential);
        let own = model.service.get(&id);
        let (mut limit, mut mean, mut slowest) = (0.0_f64, 0.0_f64, 0.0_f64);
        for (target, edge) in calls_of(ecosystem, node) {
            let times = repeats(edge) as f64;
            let network = round_trip(model, edge).get() as f64;
            let (call_limit, call_mean) =
                (times * (network + longest[target]), times * (network + means[target]));
            limit = if sequential { limit + call_limit } else { limit.max(call_limit) };
            mean = if sequential { mean + call_mean } else { mean.max(call_mean) };
            if call_mean > slowest || next_on_path[node].is_none() {
                (slowest, next_on_path[node]) = (call_mean, Some(target));
            }
        }
        longest[node] = limit + own.map_or(0.0, Quantiles::max);
        means[node] = mean + own.map_or(0.0, Quantiles::mean);
    }
    let step = (longest[start] / (BINS - 1) as f64).max(1e-9);
    let response = responses(ecosystem, &order, model, step, start);

    let mut total = 0.0;
    let mut cumulated = Vec::with_capacity(BINS);
    for mass in &response {
        total += mass;
        cumulated.push(total);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a bin's time is finite and not negative"
    )]
    let quantile = |p: f64| {
        let bin = cumulated.partition_point(|&c| c < p - 1e-12).min(BINS - 1);
        Micros((bin as f64 * step).round().max(0.0) as u64)
    };
    let mean_us = response.iter().enumerate().map(|(bin, mass)| bin as f64 * step * mass).sum();
    let mut critical_path = Vec::new();
    let mut at = Some(start);
    while let Some(node) = at {
        critical_path.push((name(ecosystem, node), means[node]));
        at = next_on_path[node];
    }
    let percentiles = percentiles.iter().map(|&p| (p, quantile(p.clamp(0.0, 1.0)))).collect();
    Ok(Latency { mean_us, percentiles, critical_path, step_us: step })
}

fn name(ecosystem: &Ecosystem, node: usize) -> ComponentId {
    ecosystem.component_at(node).map(|c| c.id.clone()).expect("nodes are components of this map")
}

/// There and back again.
fn round_trip(model: &LatencyModel, edge: &Dependency) -> Micros {
    let ends = (edge.from.clone(), edge.to.clone());
    let one_way = model.network.get(&ends).copied().unwrap_or(model.network_default);
    one_way.saturating_add(one_way)
}

fn repeats(edge: &Dependency) -> u64 {
    edge.fan_out_permille.map_or(1, |permille| permille.div_ceil(1_000).clamp(1, 64))
}

/// Synchronous call and data edges of a component, each target once.
fn calls_of(ecosystem: &Ecosystem, node: usize) -> Vec<(usize, &Dependency)> {
    let mut calls: BTreeMap<usize, &Dependency> = BTreeMap::new();
    for edge in ecosystem.dependencies_of(node) {
        let is_call = matches!(edge.kind, DependencyKind::Call | DependencyKind::Data);
        if let (true, CallMode::Synchronous, Some(to)) =
            (is_call, edge.mode, ecosystem.component_index(&edge.to))
        {
            calls.entry(to).or_insert(edge);
        }
    }
    calls.into_iter().collect()
}

/// Everything below the entry, what is called before what calls it.
fn callees_first(ecosystem: &Ecosystem, start: usize) -> Result<Vec<usize>, LatencyError> {
    let (mut state, mut order) = (vec![0_u8; ecosystem.len()], Vec::new());
    let mut stack = vec![(start, false)];
    while let Some((node, done)) = stack.pop() {
        if done {
            state[node] = 2;
            order.push(node);
            continue;
        }
        if state[node] != 0 {
            continue;
        }
        state[node] = 1;
        stack.push((node, true));
        for (target, _) in calls_of(ecosystem, node) {
            match state[target] {
                0 => stack.push((target, false)),
                1 => return Err(circle(ecosystem)),
                _ => {}
            }
        }
    }
    Ok(order)
}

fn circle(ecosystem: &Ecosystem) -> LatencyError {
    let edges = EdgeSelection::of(&[DependencyKind::Call, DependencyKind::Data]);
    let shortest = cycles(ecosystem, edges).into_iter().min_by_key(|c| c.path.len());
    LatencyError::Circle(shortest.map(|c| c.to_string()).unwrap_or_default())
}

/// Distribution of the response time of `start` on a grid.
fn responses(
    ecosystem: &Ecosystem,
    order: &[usize],
    model: &LatencyModel,
    step: f64,
    start: usize,
) -> Vec<f64> {
    let mut response: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for &node in order {
        let id = name(ecosystem, node);
        let sequential = model.calls.get(&id) == Some(&Calls::Sequential);
        let mut calls: Option<Vec<f64>> = None;
        for (target, edge) in calls_of(ecosystem, node) {
            let round_trip = Quantiles::constant(round_trip(model, edge)).masses(step, BINS);
            let once = convolve(&response[&target], &round_trip);
            let mut call = once.clone();
            for _ in 1..repeats(edge) {
                call = convolve(&call, &once);
            }
            calls = Some(match calls {
                None => call,
                Some(known) if sequential => convolve(&known, &call),
                Some(known) => slower(&known, &call),
            });
        }
        let own = model.service.get(&id).map(|q| q.masses(step, BINS));
        let total = match (own, calls) {
            (Some(own), Some(calls)) => convolve(&own, &calls),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Quantiles::constant(Micros::ZERO).masses(step, BINS),
        };
        response.insert(node, total);
    }
    response.remove(&start).unwrap_or_default()
}

/// Distribution of a sum; what would lie beyond the grid stays in its last bin.
fn convolve(a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; BINS];
    for (i, &x) in a.iter().enumerate().filter(|&(_, &x)| x > 0.0) {
        for (j, &y) in b.iter().enumerate().filter(|&(_, &y)| y > 0.0) {
            sum[(i + j).min(BINS - 1)] += x * y;
        }
    }
    sum
}

/// Distribution of the larger of two.
fn slower(a: &[f64], b: &[f64]) -> Vec<f64> {
    let (mut below_a, mut below_b, mut before) = (0.0, 0.0, 0.0);
    a.iter()
        .zip(b)
        .map(|(x, y)| {
            below_a += x;
            below_b += y;
            let both = below_a * below_b;
            let mass = both - before;
            before = both;
            mass
        })
        .collect()
}
