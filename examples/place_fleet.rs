//! Places a generated fleet: applications that talk among themselves, on priced hosts in racks and zones.
//!
//! `cargo run --release --example place_fleet -- --components 100000 --hosts 20000 --seconds 60 [--seed N] [--shard N]`
//!
//! The fleet is cut into shards (`--shard` items each; `--shard 0` searches it as a whole instead). The speed of the machine
//! is measured first, because a search in shards goes by moves. The last line of standard output is one line of JSON.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "indices and counts are checked when the problem is built"
)]

mod evaluation;

use evaluation::{Arguments, Budget, fail, print_result, search_for};
use std::time::Instant;
use vm_ecosystem::model::Weight;
use vm_ecosystem::placement::{
    DenseBuilder, DenseHost, DenseItem, DenseRule, Dimension, Distances, PartitionIx, Problem, Search,
    Settings, check_assignment, solve_sharded,
};

const USAGE: &str =
    "usage: place_fleet [--components N] [--hosts N] [--seconds S] [--seed N] [--workers N] [--shard N]";
const ZONES: u32 = 6;
const HOSTS_PER_RACK: u32 = 16;
/// Share of the time that goes by before the search in shards: reading the speed, then bound and answer.
const OTHER: f64 = 0.15;

fn main() {
    let started = Instant::now();
    let arguments =
        Arguments::read(USAGE, 0, &["components", "hosts", "seconds", "seed", "workers", "shard"]);
    let seconds: f64 = arguments.number("seconds", 60.0);
    let components: u32 = arguments.number("components", 100_000);
    let hosts: u32 = arguments.number("hosts", 20_000);
    let shard: usize = arguments.number("shard", 3_000);
    let seed: u64 = arguments.number("seed", 0);
    let workers: u32 = arguments.number("workers", 2);
    if !(1..=64).contains(&workers) {
        fail(format!("option `--workers` is {workers}, expected 1 to 64; {USAGE}"));
    }
    if components == 0 || hosts < ZONES || !(0.0..=1e6).contains(&seconds) {
        fail(format!("a fleet needs a component, {ZONES} hosts and some seconds; {USAGE}"));
    }
    let problem = fleet(components, hosts, seed);
    eprintln!("{:8.2} s  {components} components, {hosts} hosts", started.elapsed().as_secs_f64());
    let settings = Settings::default().with_seed(seed).with_workers(workers);
    let solution = if shard == 0 {
        search_for(&problem, &settings, Budget::Seconds(seconds), started, |_, _| {})
    } else {
        let speed = speed(&settings, shard.min(components as usize));
        let left = seconds * (1.0 - OTHER) - started.elapsed().as_secs_f64();
        let work = (left.max(0.1) * speed) as u64;
        eprintln!("{:8.2} s  {speed:.0} moves per second", started.elapsed().as_secs_f64());
        solve_sharded(&problem, &settings.with_work(work), shard)
    };
    if let Err(error) = check_assignment(&problem, &solution.assignment) {
        fail(error);
    }
    println!("cost by term, in thousands:");
    for (name, cost) in solution.cost.iter().filter(|(_, cost)| *cost > 0) {
        println!("  {name:10} {:>12}", cost / 1_000);
    }
    print_result(&solution, started);
}

/// Moves per second of all workers on a fleet of one shard for each.
fn speed(settings: &Settings, shard: usize) -> f64 {
    let components = shard as u32 * settings.workers;
    let problem = fleet(components, (components / 5).max(ZONES), 1);
    let mut search = Search::new(&problem, settings);
    let started = Instant::now();
    while started.elapsed().as_secs_f64() < 0.5 {
        search.step_at(200_000, 0.5);
    }
    search.work() as f64 / started.elapsed().as_secs_f64()
}

/// A small linear congruential generator; the numbers only have to look mixed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (((self.0 >> 33) * u64::from(n)) >> 31) as u32
    }
}

fn fleet(components: u32, hosts: u32, seed: u64) -> Problem {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1);
    let mut raw = DenseBuilder::new(
        ["cpu", "memory", "network"].map(|name| Dimension { name: name.to_owned(), ..Dimension::default() }),
    );
    for _ in 0..hosts {
        // the larger, the cheaper for what it holds
        let (size, price) = [(1, 29), (2, 51), (4, 96)][numbers.below(3) as usize];
        let open_cost = 20 * (price + i64::from(numbers.below(6)));
        let capacity = vec![8_000 * size, 32_768 * size, 5_000 * size];
        raw.host(DenseHost { capacity, open_cost, ..DenseHost::default() });
    }
    let racks = hosts.div_ceil(HOSTS_PER_RACK);
    let zone_of_rack = |rack: u32| rack % ZONES;
    let rack_of: Vec<u32> = (0..hosts).map(|host| host % racks).collect();
    let by_host = raw.partition((0..hosts).collect());
    let by_zone = raw.partition(rack_of.iter().map(|&rack| zone_of_rack(rack)).collect());
    raw.distances(distances(racks, zone_of_rack, rack_of, &mut numbers));
    let mut first = 0;
    while first < components {
        let size = (6 + numbers.below(40)).min(components - first);
        application(&mut raw, first, size, (by_host, by_zone), &mut numbers);
        first += size;
    }
    raw.build().unwrap_or_else(|error| fail(error))
}

/// Services of one to three replicas in a tree of calls with some further calls. Replicas are apart, three are spread.
fn application(
    raw: &mut DenseBuilder,
    first: u32,
    size: u32,
    (by_host, by_zone): (PartitionIx, PartitionIx),
    numbers: &mut Numbers,
) {
    let mut services: Vec<Vec<u32>> = Vec::new();
    let mut next = first;
    while next < first + size {
        let replicas = (1 + numbers.below(3)).min(first + size - next);
        let half_cores = i64::from(1 + numbers.below(6));
        let demand = vec![250 * half_cores, 512 << numbers.below(4), 50 * i64::from(1 + numbers.below(10))];
        for _ in 0..replicas {
            raw.item(DenseItem { demand: demand.clone(), ..DenseItem::default() });
        }
        services.push((next..next + replicas).collect());
        next += replicas;
    }
    for (ix, members) in services.iter().enumerate() {
        let callers = if ix == 0 { 0 } else { 1 + usize::from(numbers.below(4) == 0) };
        for _ in 0..callers {
            let caller = &services[numbers.below(ix as u32) as usize];
            let traffic = i64::from(1 + numbers.below(20)).pow(2) / 8 + 1;
            for &from in caller {
                for &to in members {
                    raw.edge(from, to, traffic);
                }
            }
        }
        if members.len() > 1 {
            let group = raw.group(members.clone());
            raw.rule("apart", Weight::Hard, DenseRule::Limit { group, partition: by_host, max: 1 });
            if members.len() > 2 {
                let spread = DenseRule::Spread { group, partition: by_zone, min: 2, max_skew: None };
                raw.rule("spread", Weight::Hard, spread);
            }
        }
    }
}

/// One for another host, three for another rack, more for another zone.
fn distances(racks: u32, zone_of: impl Fn(u32) -> u32, point: Vec<u32>, numbers: &mut Numbers) -> Distances {
    let mut zones = vec![0_i64; (ZONES * ZONES) as usize];
    for (a, b) in (0..ZONES).flat_map(|a| (0..a).map(move |b| (a, b))) {
        let far = i64::from(6 + numbers.below(35));
        zones[(a * ZONES + b) as usize] = far;
        zones[(b * ZONES + a) as usize] = far;
    }
    let between =
        |a: u32, b: u32| zones[(zone_of(a) * ZONES + zone_of(b)) as usize] + if a == b { 1 } else { 3 };
    let table =
        (0..racks).flat_map(|a| (0..racks).map(move |b| (a, b))).map(|(a, b)| between(a, b)).collect();
    Distances { point, table, points: racks, same_host: 0 }
}
