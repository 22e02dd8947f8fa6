//! How strongly two components want to be near each other, and how near two hosts are.
//!
//! # Model
//! `P(c,d) = (w_t·log1p(t)/log1p(t_max) + w_l/(1 + L/L₀) + w_s·sync + w_x·criticality) / Σ w of the present parts`
//!
//! - `t`: traffic of the edge in bytes per second, or calls where bytes are not known; left out if neither is known;
//! - `L`: latency budget of the edge; left out if not stated; `L₀` = 10 ms;
//! - `sync`: 1 for synchronous calls, ½ through queues, 0.2 in batches;
//! - `criticality`: 0, ⅓, ⅔, 1 from low to critical, of the more critical end.
//!
//! `P` is in `[0, 1]`, rises with traffic, synchrony and criticality and falls with the latency budget. Several edges
//! between the same components count with the strongest.

use ecosystem_core::{
    CallMode, Criticality, Dependency, DependencyKind, Ecosystem, Infrastructure, Nearness,
};
use std::collections::BTreeMap;

/// Weights of the parts of the proximity score and the way distance is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct ProximitySettings {
    /// Weight of traffic.
    pub traffic: f64,
    /// Weight of the latency budget.
    pub latency: f64,
    /// Weight of the mode of the call.
    pub synchrony: f64,
    /// Weight of criticality.
    pub criticality: f64,
    /// Latency at which nearness halves, in microseconds.
    pub latency_half_us: u64,
    /// How nearness of hosts is measured.
    pub closeness: Closeness,
}

impl Default for ProximitySettings {
    fn default() -> Self {
        // the weights and L₀ = 10 ms of the model above; levels, because most hosts have no measured latencies
        Self {
            traffic: 0.4,
            latency: 0.3,
            synchrony: 0.2,
            criticality: 0.1,
            latency_half_us: 10_000,
            closeness: Closeness::Levels,
        }
    }
}

/// How nearness of two hosts is measured; 1 = same host.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Closeness {
    /// 1 on the same host, 0.9 in the same rack, 0.7 in the same zone, 0.3 in the same region, 0 elsewhere.
    #[default]
    Levels,
    /// `1 / (1 + latency / L₀)`.
    Latency,
}

/// Nearness of two hosts in `[0, 1]`.
///
/// # Panics
/// If `a` or `b` is not an index below `hosts().len()`.
pub fn closeness(infrastructure: &Infrastructure, settings: &ProximitySettings, a: usize, b: usize) -> f64 {
    match (settings.closeness, infrastructure.nearness(a, b)) {
        (_, Nearness::Host) => 1.0,
        (Closeness::Levels, Nearness::Rack) => 0.9,
        (Closeness::Levels, Nearness::Zone) => 0.7,
        (Closeness::Levels, Nearness::Region) => 0.3,
        (Closeness::Levels, Nearness::Far) => 0.0,
        (Closeness::Latency, _) => {
            let latency = infrastructure.latency(a, b).get() as f64;
            1.0 / (1.0 + latency / settings.latency_half_us.max(1) as f64)
        }
    }
}

/// Scores of all dependent pairs of components; sparse and symmetric.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Dependency, DependencyKind, Ecosystem, Kind};
/// use ecosystem_placement::{ProximityMatrix, ProximitySettings};
///
/// let mut call = Dependency::new("web".parse()?, "db".parse()?, DependencyKind::Call);
/// call.bytes_per_s = 1_000;
/// let shop = Ecosystem::builder("shop")
///     .component(Component::new("web".parse()?, Kind::Gateway))
///     .component(Component::new("db".parse()?, Kind::Database))
///     .dependency(call)
///     .build()?;
/// let matrix = ProximityMatrix::of(&shop, &ProximitySettings::default());
/// // (0.4 · 1 + 0.2 · 1 + 0.1 · ⅓) / 0.7, the latency budget is not stated
/// assert!((matrix.score(0, 1) - 0.633_333_3 / 0.7).abs() < 1e-6);
/// assert_eq!(matrix.score(0, 1), matrix.score(1, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ProximityMatrix {
    /// `(a, b)` with `a < b` → score.
    scores: BTreeMap<(usize, usize), f64>,
}

impl ProximityMatrix {
    /// Scores of all pairs joined by calls, data or volumes. O(E log E).
    pub fn of(ecosystem: &Ecosystem, settings: &ProximitySettings) -> Self {
        let traffic = || ecosystem.dependencies().filter(|d| counts(d));
        let bytes_max = traffic().map(|d| d.bytes_per_s).max().unwrap_or(0);
        let calls_max = traffic().map(|d| d.calls_per_1000_s).max().unwrap_or(0);
        let mut scores: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for edge in traffic() {
            let ends = (ecosystem.component_index(&edge.from), ecosystem.component_index(&edge.to));
            if let (Some(a), Some(b)) = ends {
                let score = score(ecosystem, edge, settings, (bytes_max, calls_max));
                let known = scores.entry((a.min(b), a.max(b))).or_insert(score);
                *known = known.max(score);
            }
        }
        Self { scores }
    }

    /// Score of two components by dense index; 0 for pairs without an edge.
    pub fn score(&self, a: usize, b: usize) -> f64 {
        self.scores.get(&(a.min(b), a.max(b))).copied().unwrap_or(0.0)
    }

    /// All pairs with an edge and their scores, smaller index first, in order.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (usize, usize, f64)> {
        self.scores.iter().map(|(&(a, b), &score)| (a, b, score))
    }
}

const fn counts(edge: &Dependency) -> bool {
    matches!(edge.kind, DependencyKind::Call | DependencyKind::Data | DependencyKind::Volume)
}

/// Score of one edge; see the module's model.
fn score(
    ecosystem: &Ecosystem,
    edge: &Dependency,
    settings: &ProximitySettings,
    (bytes_max, calls_max): (u64, u64),
) -> f64 {
    let share = |value: u64, max: u64| (value as f64).ln_1p() / (max as f64).ln_1p();
    let traffic = if edge.bytes_per_s > 0 {
        Some(share(edge.bytes_per_s, bytes_max))
    } else if edge.calls_per_1000_s > 0 {
        Some(share(edge.calls_per_1000_s, calls_max))
    } else {
        None
    };
    let half = settings.latency_half_us.max(1) as f64;
    let latency = edge.latency_budget.map(|budget| 1.0 / (1.0 + budget.get() as f64 / half));
    let synchrony = match edge.mode {
        CallMode::Synchronous => 1.0,
        CallMode::Queued => 0.5,
        CallMode::Batch => 0.2,
    };
    let of = |id| ecosystem.component(id).map_or(Criticality::Low, |c| c.criticality);
    let criticality = match of(&edge.from).max(of(&edge.to)) {
        Criticality::Low => 0.0,
        Criticality::Medium => 1.0 / 3.0,
        Criticality::High => 2.0 / 3.0,
        Criticality::Critical => 1.0,
    };
    let parts = [
        (settings.traffic, traffic),
        (settings.latency, latency),
        (settings.synchrony, Some(synchrony)),
        (settings.criticality, Some(criticality)),
    ];
    let present = parts.iter().filter_map(|&(weight, value)| value.map(|v| (weight.max(0.0), v)));
    let (sum, weights) = present.fold((0.0, 0.0), |(s, w), (weight, value)| (s + weight * value, w + weight));
    if weights > 0.0 { sum / weights } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecosystem_core::{Component, Kind, Micros};
    use proptest::prelude::*;

    /// Score of the call from a to b, beside a call with the most traffic.
    fn score_of(bytes: u64, budget_us: u64, mode: CallMode, criticality: Criticality) -> f64 {
        let call = |to: &str, bytes: u64| {
            let mut call = Dependency::new("a".parse().unwrap(), to.parse().unwrap(), DependencyKind::Call);
            call.bytes_per_s = bytes;
            call.latency_budget = Some(Micros(budget_us));
            call.mode = mode;
            call
        };
        let of = |name: &str, criticality: Criticality| {
            let mut component = Component::new(name.parse().unwrap(), Kind::Container);
            component.criticality = criticality;
            component
        };
        let built = Ecosystem::builder("pair")
            .component(of("a", criticality))
            .component(of("b", Criticality::Low))
            .component(of("c", Criticality::Low))
            .dependency(call("b", bytes))
            .dependency(call("c", 1 << 42))
            .build()
            .unwrap();
        let at = |name: &str| built.component_index(&name.parse().unwrap()).unwrap();
        ProximityMatrix::of(&built, &ProximitySettings::default()).score(at("a"), at("b"))
    }

    proptest! {
        #[test]
        fn scores_rise_with_traffic_synchrony_and_criticality_and_fall_with_the_latency_budget(
            bytes in 1_u64..1 << 40, more in 1_u64..1 << 40, budget in 0_u64..10_000_000, longer in 1_u64..10_000_000,
        ) {
            use CallMode::{Batch, Queued, Synchronous};
            use Criticality::{Critical, High, Low, Medium};
            let score = score_of(bytes, budget, Queued, Medium);
            prop_assert!((0.0..=1.0).contains(&score));
            prop_assert!(score_of(bytes + more, budget, Queued, Medium) >= score);
            prop_assert!(score_of(bytes, budget + longer, Queued, Medium) <= score);
            prop_assert!(score_of(bytes, budget, Synchronous, Medium) > score);
            prop_assert!(score_of(bytes, budget, Batch, Medium) < score);
            prop_assert!(score_of(bytes, budget, Queued, Low) < score);
            prop_assert!(score_of(bytes, budget, Queued, High) > score);
            prop_assert!(score_of(bytes, budget, Queued, Critical) > score);
        }
    }
}
