//! Proptest strategies and fixtures for the tests of this and other crates (feature `testing`).
#![expect(clippy::missing_panics_doc, reason = "generated names and parts are valid")]

use crate::component::{Component, Criticality, Kind, Version};
use crate::dependency::{CallMode, Dependency, DependencyKind, Strength};
use crate::ecosystem::{Ecosystem, EcosystemBuilder};
use crate::id::{ComponentId, ReplicaId};
use crate::infra::{Host, Infrastructure, Rack, Region, Zone};
use crate::placement::Placement;
use crate::resources::Resources;
use crate::rules::{Domain, Rule, RuleKind};
use crate::units::{Bytes, Micros, Millicores};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name of the n-th component of a generated map: `c0`, `c1` …
pub fn component_name(n: usize) -> ComponentId {
    ComponentId::new(format!("c{n}")).expect("letters and digits are a valid name")
}

/// Any kind of component.
pub fn kinds() -> impl Strategy<Value = Kind> + Clone {
    prop::sample::select(Kind::ALL.to_vec())
}

/// A component of the given name with any attributes.
pub fn components(id: ComponentId) -> impl Strategy<Value = Component> {
    let criticality = prop::sample::select(vec![
        Criticality::Low,
        Criticality::Medium,
        Criticality::High,
        Criticality::Critical,
    ]);
    (kinds(), 0_u32..4, 0_u64..8, 0_u64..16, "[0-2]", criticality, prop::option::of("[ab]")).prop_map(
        move |(kind, replicas, cores, gib, minor, criticality, owner)| {
            let mut component = Component::new(id.clone(), kind);
            component.replicas = replicas;
            component.version = Version::new(format!("1.{minor}.0"));
            component.requirements.request = Resources::new(Millicores::cores(cores), Bytes::gib(gib));
            component.criticality = criticality;
            if let Some(owner) = owner {
                component.labels.insert(Arc::from("team"), Arc::from(owner.as_str()));
                component.owner = Arc::from(owner);
            }
            component
        },
    )
}

/// What one generated edge says apart from its ends.
fn edge_values() -> impl Strategy<Value = (DependencyKind, Strength, CallMode, u64, Option<u64>)> {
    (
        prop::sample::select(DependencyKind::ALL.to_vec()),
        prop::sample::select(vec![Strength::Soft, Strength::Hard]),
        prop::sample::select(vec![CallMode::Synchronous, CallMode::Queued, CallMode::Batch]),
        0_u64..5,
        prop::option::of(1_u64..20),
    )
}

/// Maps of up to `components_max` components named `c0`, `c1` … (some left out) and up to `edges_max` edges of any
/// kind, cycles included, with a few rules.
pub fn ecosystems(components_max: usize, edges_max: usize) -> impl Strategy<Value = Ecosystem> {
    let nodes: Vec<_> =
        (0..components_max).map(|n| prop::option::weighted(0.85, components(component_name(n)))).collect();
    let edge = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), edge_values());
    let rule = (any::<prop::sample::Index>(), any::<bool>(), 0_u8..3);
    (nodes, vec(edge, 0..=edges_max), vec(rule, 0..3)).prop_map(|(nodes, edges, rules)| {
        let nodes: Vec<Component> = nodes.into_iter().flatten().collect();
        let names: Vec<ComponentId> = nodes.iter().map(|c| c.id.clone()).collect();
        let mut builder =
            nodes.into_iter().fold(Ecosystem::builder("generated"), EcosystemBuilder::component);
        if names.is_empty() {
            return builder.build().expect("nothing is a valid map");
        }
        for (from, to, (kind, strength, mode, calls, budget)) in edges {
            let (from, to) = (from.get(&names), to.get(&names));
            if from != to {
                let mut edge = Dependency::new(from.clone(), to.clone(), kind);
                (edge.strength, edge.mode, edge.calls_per_1000_s) = (strength, mode, calls * 1_000);
                edge.latency_budget = budget.map(Micros::millis);
                builder = builder.dependency(edge);
            }
        }
        for (member, by_zone, number) in rules {
            let domain = if by_zone { Domain::Zone } else { Domain::Host };
            let members = vec![member.get(&names).clone()];
            builder = builder.rule(Rule::hard(format!("r{number}"), RuleKind::Apart { members, domain }));
        }
        builder.build().expect("names are unique and edges join known components")
    })
}

/// Edges of a graph with `2..=nodes_max` nodes: the number of nodes and up to `edges_max` pairs, loops left out.
pub fn edge_lists(nodes_max: usize, edges_max: usize) -> impl Strategy<Value = (usize, Vec<(u32, u32)>)> {
    (2..=nodes_max.max(2)).prop_flat_map(move |nodes| {
        let node = 0..u32::try_from(nodes).unwrap_or(u32::MAX);
        let edges = vec((node.clone(), node), 0..=edges_max);
        edges.prop_map(move |edges| (nodes, edges.into_iter().filter(|(a, b)| a != b).collect()))
    })
}

/// Infrastructures of one to three regions, up to `zones` zones each with up to `racks` racks of up to `hosts` hosts.
pub fn infrastructures(zones: usize, racks: usize, hosts: usize) -> impl Strategy<Value = Infrastructure> {
    let host = (1_u64..64, 1_u64..256, prop::option::of("[AB]"));
    let zone = vec(vec(host, 1..=hosts.max(1)), 1..=racks.max(1));
    (1_usize..=3, vec(zone, 1..=zones.max(1))).prop_map(|(regions, zones)| {
        let valid = "letters, digits and hyphens are a valid name";
        let mut builder = Infrastructure::builder();
        for region in 0..regions {
            builder = builder.region(Region::new(format!("g{region}").parse().expect(valid)));
        }
        let mut number = 0;
        for (z, racks) in zones.into_iter().enumerate() {
            let region = format!("g{}", z % regions).parse().expect(valid);
            builder = builder.zone(Zone::new(format!("z{z}").parse().expect(valid), region));
            for (r, hosts) in racks.into_iter().enumerate() {
                let rack = format!("z{z}-r{r}");
                let zone = format!("z{z}").parse().expect(valid);
                builder = builder.rack(Rack::new(rack.parse().expect(valid), zone));
                for (cores, gib, feed) in hosts {
                    let size = Resources::new(Millicores::cores(cores), Bytes::gib(gib));
                    let name = format!("h{number}").parse().expect(valid);
                    let mut host = Host::new(name, rack.parse().expect(valid), size);
                    host.domains = BTreeMap::from_iter(
                        feed.map(|feed| (Arc::from("power-feed"), Arc::from(feed.as_str()))),
                    );
                    builder = builder.host(host);
                    number += 1;
                }
            }
        }
        builder.build().expect("names are unique and parents exist")
    })
}

/// Places every replica of every placed component on a host chosen by `seed` alone, whatever fits.
pub fn scattered(ecosystem: &Ecosystem, infrastructure: &Infrastructure, seed: u64) -> Placement {
    let hosts = infrastructure.hosts();
    let mut state = seed;
    let mut placement = Placement::new();
    for component in ecosystem.components().filter(|c| c.is_placed() && !hosts.is_empty()) {
        for index in 0..component.replicas {
            // SplitMix64 (Steele, Lea & Flood 2014)
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let pick = usize::try_from((z ^ (z >> 31)) % hosts.len() as u64).unwrap_or(0);
            placement.set(ReplicaId::new(component.id.clone(), index), hosts[pick].id.clone());
        }
    }
    placement
}
