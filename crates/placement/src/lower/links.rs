//! The throughput of links between zones as a rule: `Σ traffic that crosses ≤ bandwidth`, for each link that is given.
//!
//! With `t(c,d)` the traffic of an edge in bits per second and `s(c,z)` the share of component `c`'s replicas in zone `z`,
//! the link between `y` and `z` carries `Σ t(c,d) · (s(c,y)·s(d,z) + s(c,z)·s(d,y))`: callers spread their calls evenly.
//! Replicas without a host carry nothing.

use super::{Lowering, in_cost_units};
use crate::custom::{CustomRule, View};
use crate::dense::{DenseRule, percent_over};
use ecosystem_core::Weight;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Items of a component: the first and how many.
type Span = (u32, u32);

/// What crosses one link.
#[derive(Debug)]
struct LinkRule {
    name: Arc<str>,
    ends: (u32, u32),
    zone_of: Arc<[u32]>,
    /// Pairs of components with their traffic in bits per second.
    flows: Arc<[(Span, Span, u64)]>,
    max: i64,
}

impl Lowering<'_> {
    /// One rule for each pair of zones with a link of known throughput, if any component has traffic.
    pub(super) fn links(&mut self) {
        let infrastructure = self.input.infrastructure;
        let flows = self.flows();
        if flows.is_empty() || self.input.link_weight == Weight::Soft(0) {
            return;
        }
        let hosts = infrastructure.hosts().len();
        let zone_of: Arc<[u32]> = (0..hosts).map(|h| infrastructure.host_zone_index(h) as u32).collect();
        let weight = in_cost_units(self.input.link_weight);
        let zones = infrastructure.zones();
        for (a, b) in (0..zones.len()).flat_map(|a| (a + 1..zones.len()).map(move |b| (a, b))) {
            let bandwidth = infrastructure.zone_link(a, b).map_or(0, |link| link.bandwidth.get());
            if bandwidth == 0 {
                continue;
            }
            let name: Arc<str> = format!("link between {} and {}", zones[a].id, zones[b].id).into();
            let rule = LinkRule {
                name: Arc::clone(&name),
                ends: (a as u32, b as u32),
                zone_of: Arc::clone(&zone_of),
                flows: Arc::clone(&flows),
                max: i64::try_from(bandwidth).unwrap_or(i64::MAX),
            };
            self.raw.rule(name, weight, DenseRule::Custom(Arc::new(rule)));
        }
    }

    /// Traffic by pair of components, whatever its direction.
    fn flows(&self) -> Arc<[(Span, Span, u64)]> {
        let ecosystem = &self.input.ecosystem;
        let mut sums: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for edge in ecosystem.dependencies().filter(|edge| edge.bytes_per_s > 0) {
            let ends = (ecosystem.component_index(&edge.from), ecosystem.component_index(&edge.to));
            if let (Some(a), Some(b)) = ends {
                let sum = sums.entry((a.min(b), a.max(b))).or_default();
                *sum = sum.saturating_add(edge.bytes_per_s.saturating_mul(8));
            }
        }
        let placed = |&((a, b), _): &((usize, usize), u64)| self.items_of[a].1 > 0 && self.items_of[b].1 > 0;
        let flow = |((a, b), bits)| (self.items_of[a], self.items_of[b], bits);
        sums.into_iter().filter(placed).map(flow).collect()
    }
}

impl LinkRule {
    /// How many items of a component are at either end.
    fn at_ends(&self, span: Span, view: &View<'_>) -> (u64, u64) {
        let mut counts = (0, 0);
        for host in (span.0..span.0 + span.1).filter_map(|item| view.host_of(item)) {
            let zone = self.zone_of[host as usize];
            counts.0 += u64::from(zone == self.ends.0);
            counts.1 += u64::from(zone == self.ends.1);
        }
        counts
    }
}

impl CustomRule for LinkRule {
    fn name(&self) -> &str {
        &self.name
    }

    fn members(&self) -> Vec<u32> {
        let spans = self.flows.iter().flat_map(|&(a, b, _)| [a, b]);
        let mut members: Vec<u32> = spans.flat_map(|(first, count)| first..first + count).collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    fn degree(&self, view: &View<'_>) -> u64 {
        let mut sum = 0_u128;
        for &(a, b, bits) in self.flows.iter() {
            let ((a_here, a_there), (b_here, b_there)) = (self.at_ends(a, view), self.at_ends(b, view));
            let crossing = a_here * b_there + a_there * b_here;
            sum += u128::from(bits) * u128::from(crossing) / (u128::from(a.1) * u128::from(b.1));
        }
        percent_over(i64::try_from(sum).unwrap_or(i64::MAX), self.max).unsigned_abs()
    }
}
