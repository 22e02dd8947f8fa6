//! Every rule of the catalogue: its lowered form counts what its plain check counts, and it is kept when it binds.

#![allow(clippy::unwrap_used, reason = "fixtures fail loudly")]

use ecosystem_core::{
    Bytes, Component, ComponentId, Domain, Ecosystem, Host, HostSet, Infrastructure, Kind, MicroMoney,
    Micros, Millicores, Placement, Rack, Region, ReplicaId, Resources, Rule, RuleKind, Zone,
};
use ecosystem_placement::{COST_PER_MICRO, Problem, Settings, check, cost_of, solve};
use proptest::prelude::*;
use std::sync::Arc;

fn id(name: &str) -> ComponentId {
    name.parse().unwrap()
}

const HOSTS: usize = 9;

fn infrastructure() -> Infrastructure {
    infrastructure_with_prices(|h| 100_000 + 10_000 * h)
}

fn infrastructure_with_prices(price: impl Fn(i64) -> i64) -> Infrastructure {
    let mut builder = Infrastructure::builder().region(Region::new("eu".parse().unwrap()));
    for zone in ["a", "b", "c"] {
        builder = builder
            .zone(Zone::new(zone.parse().unwrap(), "eu".parse().unwrap()))
            .rack(Rack::new(format!("{zone}1").parse().unwrap(), zone.parse().unwrap()))
            .rack(Rack::new(format!("{zone}2").parse().unwrap(), zone.parse().unwrap()));
    }
    for h in 0..HOSTS {
        let rack = format!("{}{}", ["a", "b", "c"][h % 3], 1 + h / 3 % 2);
        let size = Resources::new(Millicores::cores(8), Bytes::gib(16));
        let mut host = Host::new(format!("h{h}").parse().unwrap(), rack.parse().unwrap(), size);
        host.price_per_hour = MicroMoney(price(i64::try_from(h).unwrap()));
        host.domains.insert(Arc::from("feed"), Arc::from(if h < 4 { "A" } else { "B" }));
        builder = builder.host(host);
    }
    builder.build().unwrap()
}

fn stack() -> Ecosystem {
    let mut builder = Ecosystem::builder("stack");
    for (name, replicas, licences) in [("web", 3, 0), ("api", 3, 1), ("db", 2, 2), ("cache", 2, 0)] {
        let mut component = Component::new(id(name), Kind::Container);
        component.replicas = replicas;
        component.requirements.request = Resources::new(Millicores::cores(1), Bytes::gib(2));
        component.licences.insert(Arc::from("oracle"), licences);
        builder = builder.component(component);
    }
    builder.build().unwrap()
}

fn zone(name: &str) -> HostSet {
    HostSet::of_zones([name.parse().unwrap()])
}

/// One rule of every kind that a placement of the stack can keep.
fn catalogue() -> Vec<RuleKind> {
    let ids = |names: &[&str]| names.iter().map(|n| id(n)).collect::<Vec<_>>();
    let feed = Domain::Named(Arc::from("feed"));
    vec![
        RuleKind::Together { members: ids(&["web", "cache"]), domain: Domain::Zone },
        RuleKind::Apart { members: ids(&["db", "cache"]), domain: Domain::Host },
        RuleKind::Spread { members: ids(&["api"]), domain: Domain::Zone, min_domains: 3, max_skew: Some(1) },
        RuleKind::Fence { members: ids(&["db"]), allowed: zone("b") },
        RuleKind::Ban { members: ids(&["web"]), denied: zone("a") },
        RuleKind::Lonely { members: ids(&["db"]) },
        RuleKind::MaxOnline { hosts: zone("c"), max: 1 },
        RuleKind::AtMost { members: ids(&["web", "api"]), domain: feed.clone(), max: 4 },
        RuleKind::Among { members: ids(&["web"]), parts: vec![zone("a"), zone("b")] },
        RuleKind::Stay { replicas: vec![(ReplicaId::new(id("web"), 1), "h4".parse().unwrap())] },
        RuleKind::Split { groups: vec![ids(&["web", "cache"]), ids(&["db"])], domain: Domain::Rack },
        RuleKind::SplitAmong {
            groups: vec![ids(&["db"]), ids(&["cache"])],
            parts: vec![zone("a"), zone("c")],
        },
        RuleKind::Quota {
            members: ids(&["web", "api"]),
            hosts: zone("a"),
            resource: Arc::from("cpu"),
            max: 2_000,
        },
        RuleKind::Quota { members: ids(&["db"]), hosts: zone("b"), resource: Arc::from("replicas"), max: 1 },
        RuleKind::Licence { name: Arc::from("oracle"), hosts: zone("b"), max: 3 },
        RuleKind::Neighbour { members: ids(&["web", "api"]), needs: ids(&["cache"]), domain: Domain::Zone },
        RuleKind::Latency { from: id("web"), to: id("cache"), budget: Micros(250) },
        RuleKind::PathLatency { path: ids(&["web", "api", "db"]), budget: Micros(1_300) },
        RuleKind::MaxPrice { max: MicroMoney(400_000) },
        RuleKind::Reserve { domain: feed, hosts: 3 },
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_lowered_rule_counts_what_the_plain_check_counts(hosts in prop::collection::vec(0..HOSTS, 10)) {
        let (stack, infra) = (stack(), infrastructure());
        let plain = Problem::builder(&stack, &infra).build().unwrap();
        let placement: Placement = plain
            .replicas()
            .iter()
            .zip(&hosts)
            .map(|(replica, &h)| (replica.clone(), infra.hosts()[h].id.clone()))
            .collect();
        for kind in catalogue() {
            let rule = Rule::soft("rule", kind, 1);
            let degree = rule.degree(&stack, &infra, &placement);
            let problem = Problem::builder(&stack, &infra).rule(rule.clone()).build().unwrap();
            let counted = cost_of(&problem, &placement).unwrap().rules / COST_PER_MICRO;
            prop_assert_eq!(u64::try_from(counted).unwrap(), degree, "{}", rule);
        }
    }
}

#[test]
fn every_rule_is_kept_when_it_binds() {
    let (stack, infra) = (stack(), infrastructure());
    for kind in catalogue() {
        let rule = Rule::hard("rule", kind);
        let problem = Problem::builder(&stack, &infra).rule(rule.clone()).build().unwrap();
        let solution = solve(&problem, &Settings::default().with_work(20_000));
        assert!(solution.is_feasible(), "{rule}: {:?}", solution.status);
        check(&problem, &solution.placement).unwrap();
    }
}

#[test]
fn many_rules_hold_together() {
    let (stack, infra) = (stack(), infrastructure());
    let together = [1, 5, 6, 7, 12, 13, 14, 15, 19];
    let rules = catalogue().into_iter().enumerate().filter(|(ix, _)| together.contains(ix));
    let rules = rules.map(|(ix, kind)| Rule::hard(format!("rule-{ix}"), kind));
    let problem = Problem::builder(&stack, &infra).rules(rules).build().unwrap();
    let solution = solve(&problem, &Settings::default().with_work(100_000));
    assert!(solution.is_feasible(), "{:?}", solution.status);
    check(&problem, &solution.placement).unwrap();
}

/// How many of the placements in which some of those who move are still at home break the rule.
fn broken_on_the_way(
    rule: &Rule,
    stack: &Ecosystem,
    infra: &Infrastructure,
    way: (&Placement, &Placement),
) -> usize {
    let (from, to) = way;
    let moves: Vec<_> = to.iter().filter(|(replica, host)| from.host_of(replica) != Some(*host)).collect();
    let mixture = |mask: u32| -> Placement {
        let moved = moves.iter().enumerate().filter(|(k, _)| mask >> k & 1 == 1).map(|(_, it)| *it);
        // The later of two entries for a replica counts.
        from.iter().chain(moved).map(|(replica, host)| (replica.clone(), host.clone())).collect()
    };
    let masks = 0..1_u32 << moves.len();
    masks.filter(|&mask| !rule.check(stack, infra, &mixture(mask)).is_empty()).count()
}

#[test]
fn a_rule_for_the_whole_plan_holds_in_whatever_order_the_moves_are_made() {
    let (stack, before) = (stack(), infrastructure());
    let after = infrastructure_with_prices(|h| 190_000 - 10_000 * h);
    let settings = Settings::default().with_work(20_000);
    let (mut would_break, mut moved) = (Vec::new(), 0);
    for kind in catalogue() {
        let rule = Rule::hard("rule", kind);
        let start = solve(&Problem::builder(&stack, &before).rule(rule.clone()).build().unwrap(), &settings)
            .placement;
        let solved = |rule: Rule| {
            let problem = Problem::builder(&stack, &after).rule(rule).current(start.clone()).build().unwrap();
            let solution = solve(&problem, &settings);
            assert!(solution.is_feasible(), "{:?}", solution.status);
            solution.placement
        };
        let to = solved(rule.clone().during_the_plan());
        assert_eq!(broken_on_the_way(&rule, &stack, &after, (&start, &to)), 0, "{rule}");
        moved += to.iter().filter(|(replica, host)| start.host_of(replica) != Some(*host)).count();
        let at_the_end = solved(rule.clone());
        if broken_on_the_way(&rule, &stack, &after, (&start, &at_the_end)) > 0 {
            would_break.push(rule.to_string());
        }
    }
    assert!(moved > 40, "{moved} moves");
    assert!(would_break.len() >= 5, "only {would_break:?} are in danger without it");
}
