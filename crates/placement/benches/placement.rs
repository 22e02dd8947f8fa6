//! Speed of the search and of single arrivals.
#![allow(clippy::unwrap_used, reason = "fixtures fail loudly")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "percentiles of single arrivals are measured and printed here"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ecosystem_core::Weight;
use ecosystem_placement::{
    DenseBuilder, DenseHost, DenseItem, DenseRule, Dimension, Distances, Fleet, Live, Policy, Problem,
    Search, Settings, solve,
};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Moves that place a stack well enough.
const STACK_MOVES: u64 = 600_000;
const STACK_SEEDS: u64 = 9;

/// How fast a stack is placed, and how far its cost is from what ten seconds reach.
fn stacks(c: &mut Criterion) {
    let problem = stack(100, 1_000);
    let cost =
        |work, seed| solve(&problem, &Settings::default().with_work(work).with_seed(seed)).cost.total();
    if !std::env::args().any(|arg| arg == "--test") {
        let start = Instant::now();
        let mut short: Vec<i64> = (0..STACK_SEEDS).map(|seed| cost(STACK_MOVES, seed)).collect();
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap().max(1);
        let long = cost(STACK_SEEDS * STACK_MOVES * 10_000_000 / micros, 0);
        short.sort_unstable();
        let above = |cost: i64| 100.0 * (cost as f64 / long as f64 - 1.0);
        let (median, worst) = (short[short.len() / 2], short[short.len() - 1]);
        println!(
            "{STACK_MOVES} moves, {STACK_SEEDS} seeds: median {median}, worst {worst}; ten seconds: {long}; {:.2} and {:.2} % above",
            above(median),
            above(worst)
        );
    }
    let mut group = c.benchmark_group("solve");
    group.sample_size(10);
    group.bench_function("stack_of_100_on_1000_hosts", |b| {
        b.iter(|| black_box(cost(STACK_MOVES, 0)));
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

/// A live fleet: applications of six replicas that call each other, with rules of most kinds, on well-filled hosts.
fn fleet(hosts: u32, rack: u32) -> Problem {
    let mut next = numbers(5);
    let mut below = move |n: u32| u32::try_from(next(u64::from(n))).unwrap();
    let mut raw = DenseBuilder::new(
        ["cpu", "memory", "network", "disk"]
            .map(|name| Dimension { name: name.into(), ..Dimension::default() }),
    );
    for host in 0..hosts {
        let open_cost = 400 + i64::from(host % 7) * 30;
        raw.host(DenseHost { capacity: vec![48, 128, 1_000, 25], open_cost, ..DenseHost::default() });
    }
    let racks = hosts.div_ceil(rack);
    let zones: Vec<u32> = (0..hosts).map(|h| h / rack % 4).collect();
    let (by_host, by_zone) = (raw.partition((0..hosts).collect()), raw.partition(zones));
    let by_rack = raw.partition((0..hosts).map(|h| h / rack).collect());
    let labelled: Arc<[bool]> = (0..hosts).map(|h| h % 3 != 0).collect();
    let items = hosts * 6;
    for item in 0..items {
        let demand = [1 + below(8), 2 + below(24), 10 + below(100), 1 + below(3)].map(i64::from).to_vec();
        raw.item(DenseItem { demand, ..DenseItem::default() });
        if item % 6 > 0 {
            raw.edge(item - 1 - below(item % 6), item, i64::from(1 + below(20)));
        }
    }
    let soft = Weight::Soft(200);
    for first in (0..items - 5).step_by(6) {
        let replicas = raw.group(vec![first + 3, first + 4, first + 5]);
        raw.rule("apart", Weight::Hard, DenseRule::Limit { group: replicas, partition: by_host, max: 1 });
        let spread = DenseRule::Spread { group: replicas, partition: by_zone, min: 2, max_skew: Some(2) };
        raw.rule("spread", Weight::Hard, spread);
        let (front, back) = (raw.group(vec![first]), raw.group(vec![first + 1]));
        raw.rule("need", soft, DenseRule::Need { group: front, provider: back, partition: by_zone });
        let pair = raw.group(vec![first, first + 2]);
        raw.rule("together", soft, DenseRule::Together { group: pair, partition: by_rack });
        if first % 5 == 0 {
            raw.rule("labels", Weight::Hard, DenseRule::Fence { group: front, hosts: Arc::clone(&labelled) });
        }
        raw.rule("latency", Weight::Hard, DenseRule::Near { pairs: vec![(first, first + 1)], max: 40 });
    }
    let everywhere: Arc<[bool]> = vec![true; hosts as usize].into();
    let amounts = (0..items / 10).map(|item| (item, 1)).collect();
    raw.rule(
        "quota",
        Weight::Hard,
        DenseRule::Quota { amounts, hosts: Arc::clone(&everywhere), max: 1 << 40 },
    );
    raw.rule("online", Weight::Hard, DenseRule::MaxOnline { hosts: everywhere, max: hosts - 1 });
    let alone = raw.group(vec![0]);
    raw.rule("lonely", Weight::Hard, DenseRule::Lonely { group: alone });
    let table = |far: i64| {
        (0..racks * racks)
            .map(|k| (k / racks, k % racks))
            .map(|(a, b)| {
                if a == b {
                    1
                } else if a % 4 == b % 4 {
                    5
                } else {
                    far
                }
            })
            .collect()
    };
    let point: Vec<u32> = (0..hosts).map(|h| h / rack).collect();
    raw.distances(Distances { point: point.clone(), table: table(30), points: racks, same_host: 0 });
    raw.latencies(Distances { point, table: table(30), points: racks, same_host: 0 });
    raw.build().unwrap()
}

/// One arrival at a time with rules; besides the mean, what the slowest hundredth takes.
fn arrivals_with_rules(c: &mut Criterion) {
    arrivals_among(c, 10_000, 20);
    arrivals_among(c, 100_000, 50);
}

fn arrivals_among(c: &mut Criterion, hosts: u32, rack: u32) {
    let problem = fleet(hosts, rack);
    let items = u32::try_from(problem.items()).unwrap();
    let mut live = Live::new(&problem, &[]);
    let placed = (0..items).filter(|&item| live.place(item).unwrap().is_some()).count();
    assert!(placed * 10 > problem.items() * 9, "{placed} of {items} placed");
    let mut next = numbers(9);
    let mut arrive = |live: &mut Live<'_>| {
        let item = u32::try_from(next(u64::from(items))).unwrap();
        live.remove(item).unwrap();
        let started = Instant::now();
        black_box(live.place(item).unwrap());
        started.elapsed()
    };
    let mut times: Vec<Duration> = (0..5_000).map(|_| arrive(&mut live)).collect();
    times.sort_unstable();
    println!("arrival with rules, {hosts} hosts: median {:?}, p99 {:?}", times[2_500], times[4_950]);
    c.bench_function(&format!("arrival_with_rules/{hosts}_hosts_4_dims"), |b| {
        b.iter_custom(|rounds| (0..rounds).map(|_| arrive(&mut live)).sum());
    });
}

criterion_group!(benches, moves, stacks, arrivals, arrivals_with_rules);
criterion_main!(benches);
