//! Cuts, centrality, communities, latency, availability, drift and what-if: other implementations, brute force, Monte
//! Carlo.
#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::needless_collect,
    clippy::nonminimal_bool,
    reason = "helpers of tests, close to the formulas"
)]

use ecosystem_core::analysis::{
    AvailabilityModel, Block, Calls, CentralitySettings, CutBy, CutError, EdgeSelection, Impact,
    LatencyError, LatencyModel, Loss, Quantiles, availability, centrality, communities, drift, drift_between,
    latency, min_cut, placement_availability, shared_failure_domains, what_if,
};
use ecosystem_core::testing::{component_name, ecosystems, edge_lists, infrastructures, scattered};
use ecosystem_core::{
    Component, ComponentId, Dependency, DependencyKind, Domain, Ecosystem, EcosystemBuilder, Evidence,
    EvidenceKind, Kind, Micros, Placement, ReplicaId,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use std::collections::{BTreeMap, BTreeSet};

fn graph(nodes: usize, edges: &[(u32, u32)]) -> Ecosystem {
    let mut builder = Ecosystem::builder("g");
    for n in 0..nodes {
        builder = builder.component(Component::new(component_name(n), Kind::Container));
    }
    for &(a, b) in edges {
        let (a, b) = (component_name(a as usize), component_name(b as usize));
        builder = builder.dependency(Dependency::new(a, b, DependencyKind::Call));
    }
    builder.build().unwrap()
}

/// `SplitMix64` (Steele, Lea & Flood 2014) as numbers from 0 to 1.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Two triangles joined by a path, with a few one-way streets.
const EDGES: [(u32, u32); 10] =
    [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 5), (5, 6), (6, 4), (1, 3), (7, 4)];

#[test]
fn centrality_agrees_with_networkx() {
    // networkx 3.6.1: betweenness_centrality(G, normalized=False), pagerank(G, alpha=0.85, tol=1e-12)
    let betweenness = [1.0, 5.0, 1.0, 9.0, 11.0, 6.0, 1.0, 0.0];
    let ranks = [
        0.035565954148,
        0.048981061026,
        0.039566950936,
        0.056382905084,
        0.290501702160,
        0.265676446836,
        0.244574979811,
        0.018750000000,
    ];
    for (ix, c) in centrality(&graph(8, &EDGES), &CentralitySettings::default()).iter().enumerate() {
        assert!((c.betweenness - betweenness[ix]).abs() < 1e-9, "{c:?}");
        assert!((c.page_rank - ranks[ix]).abs() < 1e-9, "{c:?}");
    }
    // with a node that needs nothing: networkx 3.6.1 on [(0, 1), (0, 2), (1, 2)]
    let ranks = [0.197579649296, 0.281551000247, 0.520869350457];
    for (ix, c) in
        centrality(&graph(3, &[(0, 1), (0, 2), (1, 2)]), &CentralitySettings::default()).iter().enumerate()
    {
        assert!((c.page_rank - ranks[ix]).abs() < 1e-9, "{c:?}");
    }
}

#[test]
fn two_cliques_are_two_communities() {
    let mut edges = vec![(3, 4)];
    for base in [0, 4] {
        for a in 0..4 {
            for b in 0..a {
                edges.push((base + a, base + b));
            }
        }
    }
    let found = communities(&graph(8, &edges), EdgeSelection::ALL);
    assert_eq!(found.groups.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4]);
    // networkx 3.6.1: community.modularity(G.to_undirected(), [{0,1,2,3},{4,5,6,7}])
    assert!((found.modularity - 0.42307692307692313).abs() < 1e-12, "{}", found.modularity);
    let empty = communities(&graph(3, &[]), EdgeSelection::ALL);
    assert_eq!((empty.groups.len(), empty.modularity), (3, 0.0));
}

#[test]
fn a_cut_of_components_needs_a_component_between() {
    let map = graph(3, &[(0, 1), (1, 2), (0, 2)]);
    let ends = (&component_name(0), &component_name(2));
    let error = min_cut(&map, ends, EdgeSelection::ALL, CutBy::Components).unwrap_err();
    assert!(matches!(error, CutError::Adjacent { .. }), "{error}");
    assert_eq!(min_cut(&map, ends, EdgeSelection::ALL, CutBy::Edges).unwrap().size, 2);
    let back = (ends.1, ends.0);
    assert_eq!(min_cut(&map, back, EdgeSelection::ALL, CutBy::Edges).unwrap().size, 0);
}

#[test]
fn observed_and_declared_edges_are_told_apart() {
    let observed = |kind| vec![Evidence { kind, ..Evidence::declared() }];
    let edge = |a, b, evidence: Vec<Evidence>| {
        let mut edge = Dependency::new(component_name(a), component_name(b), DependencyKind::Call);
        edge.evidence = evidence;
        edge
    };
    let both = [observed(EvidenceKind::Env), observed(EvidenceKind::Trace)].concat();
    let map = [
        edge(0, 1, both),
        edge(1, 2, observed(EvidenceKind::Declared)),
        edge(0, 2, observed(EvidenceKind::Flow)),
        edge(0, 3, observed(EvidenceKind::Env)),
    ]
    .into_iter()
    .fold(graph(4, &[]).to_builder(), EcosystemBuilder::dependency)
    .build()
    .unwrap();
    let found = drift(&map);
    assert_eq!(found.to_string(), "unused: c1 -> c2\nundeclared: c0 -> c2\nnot observed: c0 -> c3\n");
    assert_eq!(found.confirmed.len(), 1);
    let found = drift_between(&graph(2, &[(0, 1)]), &graph(3, &[(1, 0), (1, 2)]));
    assert_eq!(found.to_string(), "unused: c0 -> c1\nundeclared: c1 -> c0\nunknown component: c2\n");
}

#[test]
fn the_slowest_of_parallel_calls_makes_the_critical_path() {
    let map = graph(4, &[(0, 1), (0, 2), (2, 3)]);
    let mut model = LatencyModel::default();
    model.network_default = Micros(50);
    for (n, time) in [(0, 100), (1, 900), (2, 300), (3, 400)] {
        model.service.insert(component_name(n), Quantiles::constant(Micros(time)));
    }
    let found = latency(&map, &component_name(0), &model, &[0.5, 0.99]).unwrap();
    // 100 + max(100 + 900, 100 + 300 + 100 + 400) against 100 + sum
    assert!((found.mean_us - 1_100.0).abs() < 3.0 * found.step_us, "{found:?}");
    assert_eq!(found.critical_path.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["c0", "c1"]);
    model.calls.insert(component_name(0), Calls::Sequential);
    let found = latency(&map, &component_name(0), &model, &[0.5]).unwrap();
    assert!((found.mean_us - 2_000.0).abs() < 4.0 * found.step_us, "{found:?}");
    let circle = graph(2, &[(0, 1), (1, 0)]);
    let error = latency(&circle, &component_name(0), &LatencyModel::default(), &[]).unwrap_err();
    assert!(matches!(error, LatencyError::Circle(_)), "{error}");
}

#[test]
fn latency_percentiles_agree_with_monte_carlo() {
    let map = graph(5, &[(0, 1), (0, 2), (1, 3), (2, 3), (2, 4)]);
    let mut model = LatencyModel::default();
    model.network_default = Micros(120);
    for n in 0..5_u32 {
        let base = 500 * (u64::from(n) + 1);
        let measured = vec![
            (0.5, Micros(base)),
            (0.9, Micros(2 * base)),
            (0.99, Micros(6 * base)),
            (1.0, Micros(8 * base)),
        ];
        model.service.insert(component_name(n as usize), Quantiles::new(measured).unwrap());
    }
    model.calls.insert(component_name(2), Calls::Sequential);
    let found = latency(&map, &component_name(0), &model, &[0.5, 0.9, 0.99]).unwrap();
    let (mut state, runs) = (7, 200_000);
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let mut draw = |n: usize| model.service[&component_name(n)].at(uniform(&mut state));
            let one = draw(1) + 240.0 + draw(3);
            let two = draw(2) + (240.0 + draw(3)) + (240.0 + draw(4));
            draw(0) + (240.0 + one).max(240.0 + two)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    for (p, at) in [(0.5, 100_000), (0.9, 180_000), (0.99, 198_000)] {
        let ours = found.percentiles.iter().find(|(q, _)| *q == p).unwrap().1.get() as f64;
        assert!((ours / times[at] - 1.0).abs() < 0.02, "p{p}: {ours} against {}", times[at]);
    }
    let mean = times.iter().sum::<f64>() / f64::from(runs);
    assert!((found.mean_us / mean - 1.0).abs() < 0.005, "{} against {mean}", found.mean_us);
}

#[test]
fn blocks_agree_with_monte_carlo_also_where_components_are_shared() {
    let c = |n| Block::Component(component_name(n));
    // a bridge that is not series-parallel: c2 stands in both arms
    let system = Block::Series(vec![
        Block::Parallel(vec![Block::Series(vec![c(0), c(2)]), Block::Series(vec![c(1), c(2)]), c(3)]),
        Block::KOutOfN(2, vec![c(4), c(5), c(0)]),
    ]);
    let values = [0.9, 0.8, 0.95, 0.5, 0.7, 0.6];
    let exact = system.availability(&|id| Some(values[id.as_str()[1..].parse::<usize>().unwrap()])).unwrap();
    let (mut state, runs, mut works) = (11, 400_000, 0);
    for _ in 0..runs {
        let up: Vec<bool> = values.iter().map(|&p| uniform(&mut state) < p).collect();
        let left = (up[0] && up[2]) || (up[1] && up[2]) || up[3];
        works += u32::from(left && [up[4], up[5], up[0]].iter().filter(|&&u| u).count() >= 2);
    }
    let estimate = f64::from(works) / f64::from(runs);
    assert!((exact - estimate).abs() < 0.003, "{exact} against {estimate}"); // 4 standard errors
    assert!(system.availability(&|_| None).is_err() && Block::Part(1.5).availability(&|_| None).is_err());
}

#[test]
fn replicas_that_share_hosts_racks_and_zones_fail_together() {
    let mut db = Component::new(component_name(0), Kind::Database);
    db.replicas = 5;
    let map = Ecosystem::builder("m").component(db).build().unwrap();
    let runner = &mut proptest::test_runner::TestRunner::deterministic();
    let infra = infrastructures(3, 2, 2).new_tree(runner).unwrap().current();
    let placement = scattered(&map, &infra, 3);
    let mut model = AvailabilityModel::default();
    (model.replica_default, model.host, model.rack, model.zone) = (0.9, 0.9, 0.8, 0.85);
    model.quorum.insert(component_name(0), 2);
    let exact = placement_availability(&map, &infra, &placement, &model).unwrap()[0].own;
    let hosts: Vec<usize> = placement.iter().map(|(_, host)| infra.host_index(host).unwrap()).collect();
    let (mut state, runs, mut works) = (5, 400_000, 0);
    for _ in 0..runs {
        let mut draw = |p: f64, n: usize| -> Vec<bool> { (0..n).map(|_| uniform(&mut state) < p).collect() };
        let (zones, racks) = (draw(0.85, infra.zones().len()), draw(0.8, infra.racks().len()));
        let (up, own) = (draw(0.9, infra.hosts().len()), draw(0.9, hosts.len()));
        let alive = hosts.iter().zip(own).filter(|&(&h, own)| {
            own && up[h] && racks[infra.host_rack_index(h)] && zones[infra.host_zone_index(h)]
        });
        works += u32::from(alive.count() >= 2);
    }
    let estimate = f64::from(works) / f64::from(runs);
    assert!((exact - estimate).abs() < 0.0033, "{exact} against {estimate}");
}

#[test]
fn needs_multiply_once_each() {
    let mut model = AvailabilityModel::default();
    model.replica_default = 0.9;
    let found = availability(&graph(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]), &model).unwrap();
    assert!((found[0].with_needs - 0.9_f64.powi(4)).abs() < 1e-12);
    assert!((found[3].with_needs - 0.9).abs() < 1e-12);
}

#[test]
fn losing_a_zone_takes_down_what_lives_there_alone() {
    let map = graph(3, &[(0, 1), (1, 2)]);
    let runner = &mut proptest::test_runner::TestRunner::deterministic();
    let infra = infrastructures(3, 2, 2)
        .prop_filter("two zones", |i| i.zones().len() > 1)
        .new_tree(runner)
        .unwrap()
        .current();
    let (first, last) = (&infra.hosts()[0], infra.hosts().last().unwrap());
    let at = |n, host: &ecosystem_core::Host| (ReplicaId::new(component_name(n), 0), host.id.clone());
    let mut placement = Placement::from_iter([at(0, last), at(1, last), at(2, first)]);
    placement.set(ReplicaId::new(component_name(1), 1), first.id.clone());
    let zone = infra.host_zone(0).to_string();
    let found = what_if(&map, &infra, &placement, &Loss::Domain(Domain::Zone, zone));
    assert_eq!(found.down, [component_name(2)]);
    assert_eq!(found.reduced, [(component_name(1), 1, 1)]);
    let hit: Vec<(&str, Impact)> = found.affected.iter().map(|a| (a.component.as_str(), a.impact)).collect();
    assert_eq!(hit, [("c1", Impact::Fails), ("c0", Impact::Fails)]);
    let found = what_if(&map, &infra, &placement, &Loss::Component(component_name(1)));
    assert_eq!((found.down.len(), found.affected.len(), found.hosts.len()), (1, 1, 0));
    placement.set(ReplicaId::new(component_name(1), 1), last.id.clone());
    let shared = shared_failure_domains(&map, &infra, &placement);
    assert_eq!((shared[0].domain.clone(), shared[0].name.as_str()), (Domain::Host, last.id.as_str()));
}

/// Smallest set of edges (by brute force over all subsets) without which `to` cannot be reached.
fn brute_cut(edges: &BTreeSet<(u32, u32)>, from: u32, to: u32) -> usize {
    let edges: Vec<(u32, u32)> = edges.iter().copied().collect();
    (0_u32..1 << edges.len())
        .filter(|mask| {
            let mut seen = BTreeSet::from([from]);
            for _ in 0..edges.len() {
                for (bit, &(a, b)) in edges.iter().enumerate() {
                    if mask >> bit & 1 == 0 && seen.contains(&a) {
                        seen.insert(b);
                    }
                }
            }
            !seen.contains(&to)
        })
        .map(|mask| mask.count_ones() as usize)
        .min()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_minimum_cut_is_as_small_as_brute_force_finds_and_separates((nodes, edges) in edge_lists(6, 9)) {
        let map = graph(nodes, &edges);
        let (from, to) = (component_name(0), component_name(nodes - 1));
        let cut = min_cut(&map, (&from, &to), EdgeSelection::ALL, CutBy::Edges).unwrap();
        let unique: BTreeSet<(u32, u32)> = edges.iter().copied().collect();
        prop_assert_eq!(cut.size as usize, brute_cut(&unique, 0, nodes as u32 - 1));
        prop_assert_eq!(cut.size as usize, cut.edges.len());
        if let Ok(cut) = min_cut(&map, (&from, &to), EdgeSelection::ALL, CutBy::Components) {
            // without the components of the cut, the target cannot be reached
            let gone: BTreeSet<&ComponentId> = cut.components.iter().collect();
            let mut seen = BTreeSet::from([from.clone()]);
            for _ in 0..nodes {
                for d in map.dependencies() {
                    if seen.contains(&d.from) && !gone.contains(&d.to) {
                        seen.insert(d.to.clone());
                    }
                }
            }
            prop_assert!(!seen.contains(&to));
            prop_assert_eq!(cut.size as usize, cut.components.len());
        }
    }

    #[test]
    fn betweenness_counts_shortest_paths((nodes, edges) in edge_lists(6, 12)) {
        let map = graph(nodes, &edges);
        let next: BTreeMap<usize, BTreeSet<usize>> = (0..nodes).map(|n| {
            (n, edges.iter().filter(|e| e.0 as usize == n).map(|e| e.1 as usize).collect())
        }).collect();
        let mut through = vec![0.0; nodes];
        for s in 0..nodes {
            for t in (0..nodes).filter(|&t| t != s) {
                // all simple paths, the shortest of them
                let mut paths = vec![vec![s]];
                while !paths.is_empty() && !paths.iter().any(|p| p.last() == Some(&t)) {
                    paths = paths.into_iter().flat_map(|p| {
                        let end = *p.last().unwrap();
                        let free: Vec<usize> = next[&end].iter().copied().filter(|n| !p.contains(n)).collect();
                        free.into_iter().map(move |n| [p.clone(), vec![n]].concat())
                    }).collect();
                }
                paths.retain(|p| p.last() == Some(&t));
                for path in &paths {
                    for &v in &path[1..path.len() - 1] {
                        through[v] += 1.0 / paths.len() as f64;
                    }
                }
            }
        }
        for (ix, c) in centrality(&map, &CentralitySettings::default()).iter().enumerate() {
            prop_assert!((c.betweenness - through[ix]).abs() < 1e-9);
        }
    }

    #[test]
    fn communities_are_a_partition_no_worse_than_none(map in ecosystems(10, 20)) {
        let found = communities(&map, EdgeSelection::ALL);
        let mut all: Vec<ComponentId> = found.groups.concat();
        all.sort();
        let mut names: Vec<ComponentId> = map.components().map(|c| c.id.clone()).collect();
        names.sort();
        prop_assert_eq!(all, names);
        // one group of all has modularity 0
        prop_assert!(found.modularity >= -1e-9 && found.modularity <= 1.0);
    }
}
