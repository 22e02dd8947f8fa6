//! What re-placing a fleet frees: hosts, at what migration cost, against first-fit-decreasing and against what must stay.
//!
//! `cargo run --release --example consolidate -- TRACE [--bins F] [--cpu 48] [--mem 128] [--every HOURS] [--work N] [--seed N]`
//!
//! The trace is replayed with first fit, the scheduler that most fleets have. At each moment every `--every` hours the running
//! VMs are re-placed twice: by first-fit-decreasing onto empty hosts, with the new hosts named after the old ones that
//! they share most memory with, and by the library from where the VMs are, with a price of moving. Both answers are checked
//! for capacity. The last line of standard output is one line of JSON.

mod evaluation;
#[path = "evaluation/vm_trace.rs"]
mod vm_trace;

use evaluation::{Arguments, fail};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use vm_ecosystem::placement::{
    DenseBuilder, DenseHost, DenseItem, Dimension, Fleet, Policy, Problem, Settings, check_assignment,
    solve_sharded,
};
use vm_trace::{Vm, read_trace};

const USAGE: &str =
    "usage: consolidate TRACE [--bins F] [--cpu 48] [--mem 128] [--every 12] [--work 20000000] [--seed 0]";
/// Price of a host and of moving a GiB: a host's saving of a day pays for moving a whole host's memory many times.
const HOST_PRICE: i64 = 100_000;
const MOVE_PER_GIB: i64 = 100;

fn main() {
    let arguments = Arguments::read(USAGE, 1, &["bins", "cpu", "mem", "every", "work", "seed"]);
    let vms = read_trace(&arguments.positional[0], arguments.text("bins"));
    let (cpu, mem): (i64, i64) = (arguments.number("cpu", 48), arguments.number("mem", 128));
    let every: u64 = arguments.number("every", 12);
    if every == 0 || cpu < 1 || mem < 1 {
        fail(format!("--every, --cpu and --mem must be above zero; {USAGE}"));
    }
    let size = [cpu * 1_000, mem * 1_024];
    let settings = Settings::default()
        .with_work(arguments.number("work", 20_000_000))
        .with_seed(arguments.number("seed", 0));
    println!(
        "{:>5} {:>6} {:>6} | {:>5} {:>7} {:>8} | {:>5} {:>7} {:>8} | {:>5}",
        "hour", "VMs", "hosts", "FFD", "moves", "GiB", "ours", "moves", "GiB", "bound"
    );
    let mut sums = Sums::default();
    for (hour, fleet) in snapshots(&vms, size, every * 3_600) {
        let now = Answer { host_of: fleet.iter().map(|&(_, host)| host).collect() };
        let demands: Vec<[i64; 2]> = fleet.iter().map(|&(vm, _)| vms[vm].demand).collect();
        let packed = first_fit_decreasing(&demands, size, &now.host_of);
        let ours = replace(&demands, size, &now.host_of, &settings);
        let bound = least_hosts(&demands, size);
        let [before, theirs, mine] = [&now, &packed, &ours].map(Answer::hosts);
        let (their_moves, my_moves) = (packed.moved(&now, &demands), ours.moved(&now, &demands));
        println!(
            "{hour:>5} {:>6} {before:>6} | {theirs:>5} {:>7} {:>8.0} | {mine:>5} {:>7} {:>8.0} | {bound:>5}",
            fleet.len(),
            their_moves.0,
            their_moves.1,
            my_moves.0,
            my_moves.1
        );
        sums.add([before, theirs, mine, bound], [their_moves, my_moves]);
    }
    sums.print();
}

/// Where VMs are: the host of each.
struct Answer {
    host_of: Vec<u32>,
}

impl Answer {
    fn hosts(&self) -> usize {
        self.host_of.iter().collect::<std::collections::BTreeSet<_>>().len()
    }

    /// VMs that are elsewhere than before, and their memory in GiB.
    fn moved(&self, before: &Self, demands: &[[i64; 2]]) -> (usize, f64) {
        let away = || (0..demands.len()).filter(|&vm| self.host_of[vm] != before.host_of[vm]);
        (away().count(), away().map(|vm| demands[vm][1] as f64 / 1_024.0).sum())
    }
}

#[derive(Default)]
struct Sums {
    count: usize,
    hosts: [usize; 4],
    moves: [(usize, f64); 2],
}

impl Sums {
    fn add(&mut self, hosts: [usize; 4], moves: [(usize, f64); 2]) {
        self.count += 1;
        self.hosts.iter_mut().zip(hosts).for_each(|(sum, n)| *sum += n);
        for (sum, (moves, gib)) in self.moves.iter_mut().zip(moves) {
            sum.0 += moves;
            sum.1 += gib;
        }
    }

    fn print(&self) {
        let [before, packed, ours, bound] = self.hosts;
        let share = |part: usize, of: usize| (part as f64 / of.max(1) as f64 * 1e4).round() / 1e4;
        println!(
            "{}",
            serde_json::json!({
                "moments": self.count, "hosts_before": before, "hosts_ffd": packed, "hosts_ours": ours, "hosts_bound": bound,
                "freed_ffd": before - packed.min(before), "freed_ours": before - ours.min(before),
                "moves_ffd": self.moves[0].0, "moves_ours": self.moves[1].0,
                "gib_ffd": self.moves[0].1.round(), "gib_ours": self.moves[1].1.round(),
                "utilisation_before": share(bound, before), "utilisation_ffd": share(bound, packed),
                "utilisation_ours": share(bound, ours), "cost_change": share(ours, before) - 1.0,
            })
        );
    }
}

/// The running VMs with their hosts at every so many seconds, under first fit. Departures come before arrivals at equal times.
fn snapshots(vms: &[Vm], size: [i64; 2], every: u64) -> Vec<(u64, Vec<(usize, u32)>)> {
    let mut fleet = Fleet::new(2);
    let mut running: BTreeMap<usize, u32> = BTreeMap::new();
    let mut departures: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let (mut next, mut taken) = (every, Vec::new());
    for (number, vm) in vms.iter().enumerate() {
        loop {
            let due = departures.peek().map(|Reverse(first)| *first).filter(|&(at, _)| at <= vm.arrival);
            if next <= vm.arrival && due.is_none_or(|(at, _)| at > next) {
                taken.push((next / 3_600, running.iter().map(|(&vm, &host)| (vm, host)).collect()));
                next += every;
            } else if let Some((_, leaving)) = due {
                departures.pop();
                if let Some(host) = running.remove(&leaving) {
                    fleet.release(host, &vms[leaving].demand);
                }
            } else {
                break;
            }
        }
        if vm.demand.iter().zip(&size).any(|(asked, room)| asked > room) {
            continue;
        }
        let host = fleet.choose(&vm.demand, Policy::FirstFit).unwrap_or_else(|| fleet.add_host(&size));
        fleet.occupy(host, &vm.demand);
        running.insert(number, host);
        if let Some(leaves) = vm.leaves {
            departures.push(Reverse((leaves, number)));
        }
    }
    taken
}

/// The classic: largest first, each onto the first host with room; hosts named so that little moves.
fn first_fit_decreasing(demands: &[[i64; 2]], size: [i64; 2], before: &[u32]) -> Answer {
    let mut order: Vec<usize> = (0..demands.len()).collect();
    let largest = |vm: usize| (0..2).map(|r| demands[vm][r] as f64 / size[r] as f64).fold(0.0, f64::max);
    order.sort_by(|&a, &b| largest(b).total_cmp(&largest(a)).then(a.cmp(&b)));
    let mut fleet = Fleet::new(2);
    let mut bin_of = vec![0_u32; demands.len()];
    for vm in order {
        let bin = fleet.choose(&demands[vm], Policy::FirstFit).unwrap_or_else(|| fleet.add_host(&size));
        fleet.occupy(bin, &demands[vm]);
        bin_of[vm] = bin;
    }
    let mut shared: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    for (vm, (&bin, &host)) in bin_of.iter().zip(before).enumerate() {
        *shared.entry((bin, host)).or_default() += demands[vm][1];
    }
    let mut pairs: Vec<((u32, u32), i64)> = shared.into_iter().collect();
    pairs.sort_by_key(|&(pair, memory)| (Reverse(memory), pair));
    let mut host_of_bin: BTreeMap<u32, u32> = BTreeMap::new();
    let mut named = std::collections::BTreeSet::new();
    for ((bin, host), _) in pairs {
        if !host_of_bin.contains_key(&bin) && named.insert(host) {
            host_of_bin.insert(bin, host);
        }
    }
    let fresh = before.iter().max().map_or(0, |host| host + 1);
    Answer {
        host_of: bin_of.iter().map(|bin| host_of_bin.get(bin).copied().unwrap_or(fresh + bin)).collect(),
    }
}

/// By the library, from where the VMs are.
fn replace(demands: &[[i64; 2]], size: [i64; 2], before: &[u32], settings: &Settings) -> Answer {
    let problem = problem(demands, size, before).unwrap_or_else(|error| fail(error));
    let solution = solve_sharded(&problem, settings, 2_000);
    if let Err(error) = check_assignment(&problem, &solution.assignment) {
        fail(error);
    }
    Answer { host_of: solution.assignment }
}

fn problem(
    demands: &[[i64; 2]],
    size: [i64; 2],
    before: &[u32],
) -> Result<Problem, vm_ecosystem::placement::ProblemError> {
    let names = ["cpu", "memory"];
    let mut raw =
        DenseBuilder::new(names.map(|name| Dimension { name: name.to_owned(), ..Dimension::default() }));
    for _ in 0..=before.iter().copied().max().unwrap_or(0) {
        raw.host(DenseHost { capacity: size.to_vec(), open_cost: HOST_PRICE, ..DenseHost::default() });
    }
    for (demand, &home) in demands.iter().zip(before) {
        let move_cost = demand[1] * MOVE_PER_GIB / 1_024;
        raw.item(DenseItem { demand: demand.to_vec(), home: Some(home), move_cost, linear: 0 });
    }
    raw.build()
}

/// No fewer hosts can hold the VMs: the tighter of the two sums.
fn least_hosts(demands: &[[i64; 2]], size: [i64; 2]) -> usize {
    let needed = |r: usize| {
        let sum: i64 = demands.iter().map(|d| d[r]).sum();
        usize::try_from((sum + size[r] - 1) / size[r]).unwrap_or(0)
    };
    needed(0).max(needed(1))
}
