//! Start order, cycles and blast radius: small hand-made cases, and brute force on random maps.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "helpers of tests")]

use ecosystem_core::analysis::{
    EdgeSelection, Impact, SinglePointReason, SinglePointSettings, blast_radius, cycles,
    single_points_of_failure, start_order, upgrade_order,
};
use ecosystem_core::testing::ecosystems;
use ecosystem_core::{
    Component, ComponentId, Dependency, DependencyKind, Ecosystem, EcosystemBuilder, Kind, Strength,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A map from lines such as `web > db` (start order), `web = db` (hard call), `web ~ cache` (soft call).
fn map(text: &str) -> Ecosystem {
    let mut names: Vec<&str> = Vec::new();
    let mut edges = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let parts: Vec<&str> = line.split(' ').collect();
        for name in [parts[0], parts[2]] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let kind = if parts[1] == ">" { DependencyKind::StartOrder } else { DependencyKind::Call };
        let mut edge = Dependency::new(parts[0].parse().unwrap(), parts[2].parse().unwrap(), kind);
        if parts[1] == "~" {
            edge.strength = Strength::Soft;
        }
        edges.push(edge);
    }
    let builder = names.into_iter().fold(Ecosystem::builder("t"), |b, name| {
        b.component(Component::new(name.parse().unwrap(), Kind::Container))
    });
    edges.into_iter().fold(builder, EcosystemBuilder::dependency).build().unwrap()
}

fn id(name: &str) -> ComponentId {
    name.parse().unwrap()
}

const SHOP: &str = "
    web = cart
    web = catalog
    cart = redis
    catalog = db
    orders = db
    orders > queue
    web ~ ads
    web = orders
";

#[test]
fn what_is_needed_starts_first_and_soft_calls_do_not_count() {
    let order = start_order(&map(SHOP));
    assert_eq!(order.to_string(), "  1  redis, db, queue, ads\n  2  cart, catalog, orders\n  3  web\n");
    let changed = [id("web"), id("db"), id("ads")];
    assert_eq!(upgrade_order(&map(SHOP), &changed), [vec![id("db"), id("ads")], vec![id("web")]]);
}

#[test]
fn in_a_cycle_of_calls_the_start_order_edges_decide() {
    let order = start_order(&map("a = b\n b = c\n c = a\n a > c\n top = a"));
    assert_eq!(order.to_string().lines().take(3).collect::<Vec<_>>(), ["  1  b, c", "  2  a", "  3  top"]);
    assert_eq!(order.cycles.len(), 1);
    assert_eq!(order.cycles[0].to_string(), "a -start-order-> c -call-> a");
}

#[test]
fn the_witness_is_the_shortest_cycle_of_the_group() {
    let found = cycles(&map("a = b\n b = c\n c = d\n d = a\n c = b\n x = y\n y = x"), EdgeSelection::ALL);
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["b -call-> c -call-> b", "x -call-> y -call-> x"]);
    assert!(found.iter().all(|c| c.shortest));
}

#[test]
fn a_failure_spreads_along_hard_edges_and_fades_along_soft_ones() {
    let radius = blast_radius(&map("a = db\n b ~ a\n c = b\n d > a\n e ~ db\n c ~ db"), &id("db")).unwrap();
    let text = radius.to_string();
    assert_eq!(
        text,
        "if db fails, 5 components are hurt:
  fails          depth  1  a
  degraded       depth  1  c, e
  degraded       depth  2  b
  cannot restart depth  2  d
"
    );
    assert_eq!(radius.path_to(&id("b")), [&id("db"), &id("a"), &id("b")]);
    assert!(blast_radius(&map("a = b"), &id("ghost")).is_none());
}

#[test]
fn single_points_say_why() {
    let found = single_points_of_failure(&map(SHOP), &SinglePointSettings::default());
    let db = found.components.iter().find(|p| p.component == id("db")).unwrap();
    assert_eq!(db.reasons, [SinglePointReason::OneReplica { hurt: 3 }]);
    let web = found.components.iter().find(|p| p.component == id("web")).unwrap();
    assert_eq!(
        web.reasons,
        [SinglePointReason::Cut { parts: 3, separated: 3 }, SinglePointReason::Gate { behind: 7 }]
    );
    assert!(found.complete);
}

/// Everything that can be reached from `start` over edges with `keep`, against the direction of need.
fn reach(map: &Ecosystem, start: &ComponentId, keep: impl Fn(&Dependency) -> bool) -> BTreeSet<ComponentId> {
    let mut seen = BTreeSet::from([start.clone()]);
    loop {
        let more: Vec<ComponentId> = map
            .dependencies()
            .filter(|d| keep(d) && seen.contains(&d.to) && !seen.contains(&d.from))
            .map(|d| d.from.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        seen.extend(more);
    }
    seen.remove(start);
    seen
}

/// Length of the shortest cycle through a node, by trying all walks level by level.
fn girth(map: &Ecosystem) -> Option<usize> {
    let edges: BTreeSet<(&ComponentId, &ComponentId)> =
        map.dependencies().map(|d| (&d.from, &d.to)).collect();
    map.components()
        .filter_map(|c| {
            let mut layer = BTreeSet::from([&c.id]);
            (1..=map.len()).find(|_| {
                layer = edges.iter().filter(|(from, _)| layer.contains(from)).map(|&(_, to)| to).collect();
                layer.contains(&c.id)
            })
        })
        .min()
}

/// Connected parts of the undirected map without one component and without one edge.
fn parts(
    map: &Ecosystem,
    without: Option<&ComponentId>,
    cut: Option<(&ComponentId, &ComponentId)>,
) -> Vec<usize> {
    let mut left: BTreeSet<&ComponentId> =
        map.components().map(|c| &c.id).filter(|id| Some(*id) != without).collect();
    let mut sizes = Vec::new();
    while let Some(&start) = left.iter().next() {
        let mut part = BTreeSet::from([start]);
        loop {
            let before = part.len();
            for d in map.dependencies() {
                let is_cut = cut == Some((&d.from, &d.to)) || cut == Some((&d.to, &d.from));
                if Some(&d.from) == without || Some(&d.to) == without || is_cut {
                    continue;
                }
                if part.contains(&d.from) || part.contains(&d.to) {
                    part.insert(&d.from);
                    part.insert(&d.to);
                }
            }
            if part.len() == before {
                break;
            }
        }
        left.retain(|id| !part.contains(id));
        sizes.push(part.len());
    }
    sizes
}

proptest! {
    #[test]
    fn start_levels_respect_every_edge_outside_of_cycles(map in ecosystems(9, 14)) {
        let order = start_order(&map);
        let level = |id: &ComponentId| order.levels.iter().position(|l| l.contains(id)).unwrap();
        prop_assert_eq!(order.levels.iter().map(Vec::len).sum::<usize>(), map.len());
        for d in map.dependencies().filter(|d| EdgeSelection::ORDER.contains(d.kind, d.strength)) {
            let together = order.cycles.iter().any(|c| c.group.contains(&d.from) && c.group.contains(&d.to));
            prop_assert!(together || level(&d.from) > level(&d.to), "{} before {}", d.to, d.from);
        }
    }

    #[test]
    fn the_shortest_of_all_witnesses_has_the_length_of_the_girth(map in ecosystems(9, 20)) {
        let found = cycles(&map, EdgeSelection::ALL);
        prop_assert_eq!(found.iter().map(|c| c.path.len()).min(), girth(&map));
        for cycle in &found {
            prop_assert!(cycle.shortest);
            for (at, from) in cycle.path.iter().enumerate() {
                let to = &cycle.path[(at + 1) % cycle.path.len()];
                prop_assert!(map.dependency(from, to, cycle.kinds[at]).is_some());
            }
        }
    }

    #[test]
    fn the_blast_radius_is_what_brute_force_reaches(map in ecosystems(9, 20)) {
        for component in map.components() {
            let radius = blast_radius(&map, &component.id).unwrap();
            let at_least = |least: Impact| -> BTreeSet<ComponentId> {
                radius.affected.iter().filter(|a| a.impact >= least).map(|a| a.component.clone()).collect()
            };
            let run = |d: &Dependency| d.kind != DependencyKind::StartOrder;
            prop_assert_eq!(at_least(Impact::CannotRestart), reach(&map, &component.id, |_| true));
            prop_assert_eq!(at_least(Impact::Degraded), reach(&map, &component.id, run));
            let hard = |d: &Dependency| run(d) && d.strength == Strength::Hard;
            prop_assert_eq!(at_least(Impact::Fails), reach(&map, &component.id, hard));
            for affected in &radius.affected {
                prop_assert_eq!(radius.path_to(&affected.component).len(), affected.depth as usize + 1);
            }
        }
    }

    #[test]
    fn cuts_bridges_and_gates_are_what_brute_force_finds(map in ecosystems(8, 12)) {
        let mut settings = SinglePointSettings::default();
        settings.hurt_min = 1;
        let found = single_points_of_failure(&map, &settings);
        let all = parts(&map, None, None).len();
        let callers = |id: &ComponentId, without: Option<&ComponentId>| {
            reach(&map, id, |d| Some(&d.from) != without && Some(&d.to) != without)
        };
        // an entry is a component that everything which reaches it can also be reached from
        let entries: Vec<&ComponentId> = map
            .components()
            .map(|c| &c.id)
            .filter(|id| callers(id, None).iter().all(|caller| callers(caller, None).contains(*id)))
            .collect();
        for component in map.components() {
            let id = &component.id;
            let reasons =
                found.components.iter().find(|p| p.component == *id).map_or(&[][..], |p| &p.reasons);
            let cut = reasons.iter().any(|r| matches!(r, SinglePointReason::Cut { .. }));
            let lonely = map.dependencies().all(|d| d.from != *id && d.to != *id);
            let without = parts(&map, Some(id), None).len();
            prop_assert_eq!(cut, !lonely && without > all, "{}", id);
            let behind = map.components().filter(|c| {
                c.id != *id && !entries.contains(&&c.id)
                    && !callers(&c.id, Some(id)).iter().any(|caller| entries.contains(&caller))
            }).count();
            let gate = reasons.iter().find_map(|r| match r {
                SinglePointReason::Gate { behind } => Some(*behind),
                _ => None,
            });
            prop_assert_eq!(gate.unwrap_or(0), behind, "{}", id);
        }
        let mut pairs: BTreeSet<(&ComponentId, &ComponentId)> = BTreeSet::new();
        for d in map.dependencies() {
            pairs.insert(if d.from < d.to { (&d.from, &d.to) } else { (&d.to, &d.from) });
        }
        let bridges = pairs.iter().filter(|&&pair| parts(&map, None, Some(pair)).len() > all).count();
        prop_assert_eq!(found.bridges.len(), bridges);
    }
}
