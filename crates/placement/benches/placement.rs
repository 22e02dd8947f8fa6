//! Speed of the search and of single arrivals.
#![allow(clippy::unwrap_used, reason = "fixtures fail loudly")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ecosystem_core::Weight;
use ecosystem_placement::{
    DenseBuilder, DenseHost, DenseItem, DenseRule, Dimension, Distances, Fleet, Policy, Problem, Search,
    Settings, solve,
};
use std::hint::black_box;

/// A small linear congruential generator; the numbers only have to look mixed.
fn numbers(seed: u64) -> impl FnMut(u64) -> i64 {
    let mut state = seed;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((state >> 33) % below).unwrap()
    }
}

/// Machine reassignment in the style of the ROADEF challenge: overload, moves, conflicts; everything has a home.
fn reassignment(items: u32, hosts: u32, dims: usize) -> Problem {
    let mut next = numbers(7);
    let mut raw = DenseBuilder::new((0..dims).map(|r| Dimension {
        name: format!("r{r}"),
        overload_cost: 10,
        transient: r < dims / 3,
    }));
    let each = i64::from(items / hosts + 1) * 60;
    for _ in 0..hosts {
        let capacity = vec![each * 2; dims];
        raw.host(DenseHost { soft: vec![each * 3 / 4; dims], capacity, ..DenseHost::default() });
    }
    for item in 0..items {
        let demand = (0..dims).map(|_| next(100)).collect();
        raw.item(DenseItem { demand, home: Some(item % hosts), move_cost: 1 + next(10), linear: 0 });
    }
    let by_host = raw.partition((0..hosts).collect());
    for first in (0..items - 2).step_by(4) {
        let group = raw.group(vec![first, first + 1]);
        raw.rule("conflict", Weight::Hard, DenseRule::Limit { group, partition: by_host, max: 1 });
    }
    raw.build().unwrap()
}

/// A stack of services that call each other, on hosts with prices.
fn stack(items: u32, hosts: u32) -> Problem {
    let mut next = numbers(11);
    let mut raw = DenseBuilder::new(
        ["cpu", "memory"].map(|name| Dimension { name: name.into(), ..Dimension::default() }),
    );
    for _ in 0..hosts {
        raw.host(DenseHost { capacity: vec![16, 64], open_cost: 400 + next(200), ..DenseHost::default() });
    }
    for _ in 0..items {
        raw.item(DenseItem { demand: vec![1 + next(4), 1 + next(16)], ..DenseItem::default() });
    }
    for item in 1..items {
        raw.edge(item, u32::try_from(next(u64::from(item))).unwrap(), 1 + next(20));
    }
    let racks = hosts.div_ceil(20);
    let table = (0..racks * racks).map(|k| if k % (racks + 1) == 0 { 1 } else { 5 }).collect();
    let point = (0..hosts).map(|h| h / 20).collect();
    raw.distances(Distances { point, table, points: racks, same_host: 0 });
    raw.build().unwrap()
}

fn moves(c: &mut Criterion) {
    let problem = reassignment(5_000, 100, 12);
    let mut group = c.benchmark_group("moves");
    group.throughput(Throughput::Elements(100_000)).sample_size(10);
    group.bench_function("100k_moves/5000_items_100_hosts_12_dims", |b| {
        let mut search = Search::new(&problem, &Settings::default().with_workers(1));
        b.iter(|| black_box(search.step_at(100_000, 0.7)));
    });
    group.finish();
}

fn stacks(c: &mut Criterion) {
    let problem = stack(100, 1_000);
    let mut group = c.benchmark_group("solve");
    group.sample_size(10);
    group.bench_function("stack_of_100_on_1000_hosts", |b| {
        b.iter(|| black_box(solve(&problem, &Settings::default().with_work(200_000)).cost.total()));
    });
    group.finish();
}

fn arrivals(c: &mut Criterion) {
    for hosts in [10_000, 100_000] {
        let mut next = numbers(3);
        let mut fleet = Fleet::new(4);
        for _ in 0..hosts {
            let host = fleet.add_host(&[48, 128, 1_000, 25]);
            fleet.occupy(host, &[next(48), next(128), next(500), next(20)]);
        }
        // every third host is forbidden, as a fence or a conflict would
        c.bench_function(&format!("arrival/{hosts}_hosts_4_dims"), |b| {
            b.iter(|| black_box(fleet.choose_where(&[2, 8, 10, 1], Policy::BestFit, |host| host % 3 != 0)));
        });
    }
}

criterion_group!(benches, moves, stacks, arrivals);
criterion_main!(benches);
