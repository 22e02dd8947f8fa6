//! Terms of the cost about who shares a host: stranded room and interference.

#![allow(clippy::unwrap_used, reason = "fixtures fail loudly")]

use ecosystem_core::{
    Bytes, Component, Ecosystem, Host, Infrastructure, Kind, MicroMoney, Millicores, Rack, Region, Resources,
    Zone,
};
use ecosystem_placement::{
    DenseBuilder, DenseHost, DenseItem, Dimension, Problem, Settings, Solution, Term, Weights, solve,
};
use proptest::prelude::*;

fn fleet(hosts: usize, cores: u64, gib: u64) -> Infrastructure {
    let mut builder = Infrastructure::builder()
        .region(Region::new("eu".parse().unwrap()))
        .zone(Zone::new("eu-a".parse().unwrap(), "eu".parse().unwrap()))
        .rack(Rack::new("r1".parse().unwrap(), "eu-a".parse().unwrap()));
    for host in 1..=hosts {
        let size = Resources::new(Millicores::cores(cores), Bytes::gib(gib));
        builder = builder.host(Host::new(format!("h{host}").parse().unwrap(), "r1".parse().unwrap(), size));
    }
    builder.build().unwrap()
}

/// (name, cores, GiB, replicas)
fn stack(components: &[(&str, u64, u64, u32)]) -> Ecosystem {
    let mut builder = Ecosystem::builder("stack");
    for &(name, cores, gib, replicas) in components {
        let mut component = Component::new(name.parse().unwrap(), Kind::Container);
        component.replicas = replicas;
        component.requirements.request = Resources::new(Millicores::cores(cores), Bytes::gib(gib));
        builder = builder.component(component);
    }
    builder.build().unwrap()
}

fn hosts_of(solution: &Solution, name: &str) -> Vec<String> {
    let of = solution.placement.iter().filter(|(replica, _)| replica.component().as_str() == name);
    let mut hosts: Vec<String> = of.map(|(_, host)| host.to_string()).collect();
    hosts.sort();
    hosts
}

#[test]
fn what_asks_for_processors_and_what_asks_for_memory_fill_a_host_together() {
    let (infra, eco) = (fleet(2, 8, 32), stack(&[("encoder", 6, 4, 2), ("cache", 1, 26, 2)]));
    let mut weights = Weights::default();
    let place = |weights| {
        solve(&Problem::builder(&eco, &infra).weights(weights).build().unwrap(), &Settings::default())
    };
    weights.fragmentation = MicroMoney(1_000_000);
    let solution = place(weights);
    assert_eq!(hosts_of(&solution, "encoder"), ["h1", "h2"]);
    assert_eq!(hosts_of(&solution, "cache"), ["h1", "h2"]);
    // Each host keeps 1/8 of its processors and 2/32 of its memory: 1/16 of two hosts is stranded.
    assert_eq!(solution.cost.stranding, 2 * 1_000_000 * 1_000 / 16);
    assert_eq!(solution.cost.total(), solution.cost.stranding);
    weights.fragmentation = MicroMoney::ZERO;
    assert_eq!(place(weights).cost.stranding, 0);
}

#[test]
fn a_sensitive_component_gets_the_quiet_neighbour_and_loud_ones_keep_to_themselves() {
    let (infra, id) = (fleet(2, 16, 64), |name: &str| name.parse().unwrap());
    let eco = stack(&[("trading", 4, 4, 1), ("archive", 1, 4, 1), ("batch", 8, 4, 1), ("report", 8, 4, 1)]);
    let place = |interference| {
        let mut weights = Weights::default();
        weights.interference = MicroMoney(interference);
        let builder = Problem::builder(&eco, &infra).weights(weights).sensitivity(id("archive"), 10);
        let builder = builder.sensitivity(id("batch"), 0).sensitivity(id("report"), 0);
        solve(&builder.build().unwrap(), &Settings::default())
    };
    let solution = place(1_000_000);
    assert_eq!(hosts_of(&solution, "trading"), hosts_of(&solution, "archive"));
    assert_eq!(hosts_of(&solution, "batch"), hosts_of(&solution, "report"));
    assert_ne!(hosts_of(&solution, "trading"), hosts_of(&solution, "batch"));
    // Trading is disturbed by 1 of 16 cores, the archive by 4 of 16 with a hundredth of its sensitivity.
    assert_eq!(solution.cost.interference, 1_000_000_000 / 16 + 10_000_000 * 4 / 16);
    assert_eq!(solution.cost.total(), solution.cost.interference);
    assert_eq!(place(0).cost.interference, 0);
}

proptest! {
    #[test]
    fn interference_is_the_sum_over_pairs(
        items in prop::collection::vec((1_i64..9, 0_i64..3_000, 0_u32..3), 2..8), weight in 1_000_i64..50_000,
    ) {
        let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
        for _ in 0..3 {
            raw.host(DenseHost { capacity: vec![64], ..DenseHost::default() });
        }
        for &(demand, _, host) in &items {
            raw.item(DenseItem { demand: vec![demand], home: Some(host), move_cost: 1 << 50, ..DenseItem::default() });
        }
        raw.interference(vec![(0, weight)], items.iter().map(|it| it.1).collect());
        let problem = raw.build().unwrap();
        let solution = solve(&problem, &Settings::default().with_work(2_000));
        let homes: Vec<u32> = items.iter().map(|it| it.2).collect();
        prop_assert_eq!(&solution.assignment, &homes);
        let mut pairs = 0.0;
        for (i, a) in items.iter().enumerate() {
            for (j, b) in items.iter().enumerate() {
                if i != j && a.2 == b.2 {
                    pairs += weight as f64 * (a.1 as f64 / 1_000.0) * (b.0 as f64 / 64.0);
                }
            }
        }
        let found = Term::Interference.of(&solution.cost);
        prop_assert!(found >= 0 && (found as f64 - pairs).abs() <= items.len() as f64 + 3.0, "{} {}", found, pairs);
    }
}
