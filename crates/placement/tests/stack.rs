//! A shop of 14 components on 20 hosts in three zones, as an application meets the crate.

#![allow(clippy::unwrap_used, reason = "fixtures fail loudly")]

use ecosystem_core::{
    Bytes, Component, ComponentId, Criticality, Dependency, DependencyKind, Domain, Ecosystem, Host, HostSet,
    Infrastructure, Kind, MicroMoney, Millicores, Rack, Region, Resources, Rule, RuleKind, Zone,
};
use ecosystem_placement::{Comparison, Problem, ProblemError, Settings, Status, check, explain, solve};

fn id(name: &str) -> ComponentId {
    name.parse().unwrap()
}

fn infrastructure(hosts: usize) -> Infrastructure {
    let mut builder = Infrastructure::builder().region(Region::new("eu".parse().unwrap()));
    for zone in ["a", "b", "c"] {
        builder = builder.zone(Zone::new(zone.parse().unwrap(), "eu".parse().unwrap()));
        for rack in 1..=2 {
            let name = format!("{zone}{rack}");
            builder = builder.rack(Rack::new(name.parse().unwrap(), zone.parse().unwrap()));
        }
    }
    for h in 0..hosts {
        let rack = format!("{}{}", ["a", "b", "c"][h % 3], 1 + h / 3 % 2);
        let cores = [8, 16, 32][h % 4 % 3];
        let size = Resources::new(Millicores::cores(cores), Bytes::gib(cores * 4));
        let mut host = Host::new(format!("h{h:02}").parse().unwrap(), rack.parse().unwrap(), size);
        host.price_per_hour = MicroMoney(cores.cast_signed() * 40_000);
        builder = builder.host(host);
    }
    builder.build().unwrap()
}

const COMPONENTS: [(&str, Kind, u32, u64, u64); 14] = [
    ("gateway", Kind::Gateway, 3, 1_000, 1),
    ("web", Kind::Container, 4, 1_500, 2),
    ("catalogue", Kind::Container, 3, 1_000, 2),
    ("cart", Kind::Container, 3, 500, 1),
    ("orders", Kind::Container, 3, 1_000, 2),
    ("payment", Kind::Container, 2, 500, 1),
    ("search", Kind::Container, 2, 2_000, 8),
    ("mail", Kind::Container, 1, 250, 1),
    ("recommend", Kind::Container, 2, 2_000, 4),
    ("sessions", Kind::Cache, 3, 1_000, 8),
    ("events", Kind::Queue, 3, 1_000, 4),
    ("catalogue-db", Kind::Database, 2, 2_000, 16),
    ("orders-db", Kind::Database, 3, 4_000, 16),
    ("reports", Kind::Batch, 1, 4_000, 8),
];

const EDGES: [(&str, &str, u64); 18] = [
    ("gateway", "web", 9_000_000),
    ("web", "catalogue", 4_000_000),
    ("web", "cart", 1_000_000),
    ("web", "orders", 500_000),
    ("web", "search", 800_000),
    ("web", "recommend", 700_000),
    ("web", "sessions", 3_000_000),
    ("cart", "sessions", 900_000),
    ("catalogue", "catalogue-db", 2_000_000),
    ("search", "catalogue-db", 100_000),
    ("recommend", "catalogue-db", 100_000),
    ("orders", "orders-db", 1_500_000),
    ("orders", "payment", 50_000),
    ("orders", "events", 200_000),
    ("payment", "events", 20_000),
    ("mail", "events", 20_000),
    ("reports", "orders-db", 400_000),
    ("reports", "events", 100_000),
];

fn shop() -> Ecosystem {
    let mut builder = Ecosystem::builder("shop");
    for (name, kind, replicas, cpu, gib) in COMPONENTS {
        let mut component = Component::new(id(name), kind);
        component.replicas = replicas;
        component.requirements.request = Resources::new(Millicores(cpu), Bytes::gib(gib));
        if kind == Kind::Database {
            component.criticality = Criticality::Critical;
        }
        builder = builder.component(component);
    }
    for (from, to, bytes) in EDGES {
        let mut edge = Dependency::new(id(from), id(to), DependencyKind::Call);
        edge.bytes_per_s = bytes;
        builder = builder.dependency(edge);
    }
    for name in ["gateway", "web", "orders", "sessions", "events", "catalogue-db", "orders-db"] {
        let members = vec![id(name)];
        builder = builder
            .rule(Rule::hard(
                format!("{name}-apart"),
                RuleKind::Apart { members: members.clone(), domain: Domain::Host },
            ))
            .rule(Rule::hard(
                format!("{name}-zones"),
                RuleKind::Spread { members, domain: Domain::Zone, min_domains: 2, max_skew: None },
            ));
    }
    builder.build().unwrap()
}

#[test]
fn the_shop_is_placed_with_every_rule_kept_and_a_proven_gap() {
    let (shop, infra) = (shop(), infrastructure(20));
    let problem = Problem::builder(&shop, &infra).build().unwrap();
    assert_eq!(problem.items(), 35);
    let solution = solve(&problem, &Settings::default().with_seed(1));
    assert!(solution.is_feasible(), "{:?}", solution.status);
    check(&problem, &solution.placement).unwrap();
    assert_eq!(solution.placement.len(), 35);
    assert_eq!(solution.explanation.len(), 35);
    assert!(solution.gap < 0.25, "gap {}", solution.gap);
    for why in &solution.explanation {
        assert_eq!(why.terms.iter().map(|t| t.1).sum::<i64>(), why.marginal_cost);
    }
    assert!(solution.explanation[8].to_string().contains(" is on "));
}

#[test]
fn two_runs_and_any_number_of_threads_give_the_same_placement() {
    let (shop, infra) = (shop(), infrastructure(20));
    let problem = Problem::builder(&shop, &infra).build().unwrap();
    let settings = Settings::default().with_seed(3).with_work(40_000);
    let first = solve(&problem, &settings);
    assert_eq!(solve(&problem, &settings), first);
}

#[test]
fn a_running_placement_is_kept_where_moving_does_not_pay() {
    let (shop, infra) = (shop(), infrastructure(20));
    let settings = Settings::default().with_seed(5);
    let first = solve(&Problem::builder(&shop, &infra).build().unwrap(), &settings);
    let problem = Problem::builder(&shop, &infra).current(first.placement.clone()).build().unwrap();
    let second = solve(&problem, &settings);
    let moves = first.placement.moves_to(&second.placement);
    assert!(moves.len() <= 12, "{moves:?}");
    assert!(second.cost.total() <= first.cost.total());
    // a failed host: its replicas go elsewhere, most others stay
    let lost = first.placement.iter().next().unwrap().1.clone();
    let problem = Problem::builder(&shop, &infra)
        .current(first.placement)
        .without_hosts(HostSet::of_hosts([lost.clone()]))
        .build()
        .unwrap();
    let healed = solve(&problem, &settings);
    check(&problem, &healed.placement).unwrap();
    assert!(healed.placement.iter().all(|(_, host)| *host != lost));
}

#[test]
fn what_cannot_hold_together_is_named() {
    let shop = shop();
    let one_zone = HostSet::of_zones(["a".parse().unwrap()]);
    let pin =
        Rule::hard("orders-pinned", RuleKind::Fence { members: vec![id("orders-db")], allowed: one_zone });
    let infra = infrastructure(20);
    let problem = Problem::builder(&shop, &infra).rule(pin).build().unwrap();
    let solution = solve(&problem, &Settings::default().with_work(60_000));
    let Status::Infeasible { conflict } = &solution.status else { panic!("{:?}", solution.status) };
    assert_eq!(conflict.rules, ["orders-db-zones", "orders-pinned"]);
    assert_eq!(conflict.components, ["orders-db"]);
    assert!(conflict.proven);
    assert!(conflict.capacities.is_empty());
    assert!(conflict.message.contains("cannot all hold for `orders-db`"), "{}", conflict.message);
}

#[test]
fn a_current_host_that_is_gone_is_an_error_with_both_names() {
    let (shop, infra) = (shop(), infrastructure(20));
    let current =
        [(ecosystem_core::ReplicaId::new(id("web"), 0), "ghost".parse().unwrap())].into_iter().collect();
    let error = Problem::builder(&shop, &infra).current(current).build().unwrap_err();
    assert!(matches!(error, ProblemError::UnknownHost { .. }));
    assert_eq!(
        error.to_string(),
        "replica `web#0` is on host `ghost`, which is not part of the infrastructure"
    );
}

#[test]
fn one_replica_can_be_explained_on_its_own() {
    let (shop, infra) = (shop(), infrastructure(12));
    let problem = Problem::builder(&shop, &infra).build().unwrap();
    let solution = solve(&problem, &Settings::default());
    let web = ecosystem_core::ReplicaId::new(id("web"), 1);
    let why = explain(&problem, &solution.placement, &web).unwrap();
    assert_eq!(why.replica, "web#1");
    assert!(why.alternatives.iter().any(|a| a.blocked_by.iter().any(|b| b == "web-apart")));
    assert!(why.alternatives.iter().filter(|a| a.blocked_by.is_empty()).count() >= 1);
}

#[test]
fn a_fork_answers_what_if_as_doing_it_for_real_and_leaves_the_original_alone() {
    let (shop, infra) = (shop(), infrastructure(20));
    let settings = Settings::default().with_seed(2).with_work(60_000);
    let original = Problem::builder(&shop, &infra).build().unwrap();
    let before = solve(&original, &settings);
    let host = before.placement.iter().next().unwrap().1.clone();
    let lost = HostSet::of_hosts([host.clone()]);
    let fork = original.fork().unwrap().current(before.placement.clone()).without_hosts(lost.clone());
    let what_if = solve(&fork.build().unwrap(), &settings);
    let real = Problem::builder(&shop, &infra).current(before.placement.clone()).without_hosts(lost);
    assert_eq!(solve(&real.build().unwrap(), &settings), what_if);
    assert_eq!(solve(&original, &settings), before);
    let difference = Comparison::of(&before, &what_if);
    assert_eq!(difference.feasible, (true, true));
    assert_eq!(difference.moves, before.placement.moves_to(&what_if.placement));
    assert!(difference.emptied.contains(&host));
    assert_eq!(difference.rise(), what_if.cost.total() - before.cost.total());
}
