//! Replays a trace of VM requests against a fleet of equal hosts and counts the hosts it needs.
//!
//! `cargo run --release --example vm_packing -- TRACE [--bins F] [--cpu 48 --mem 128]
//! [--policy first-fit|best-fit|ours] [--migrate-share 0.01]`
//!
//! Only what is known at arrival is used. A VM leaves in the middle of its duration bin; censored ones stay.

mod evaluation;
#[path = "evaluation/vm_trace.rs"]
mod vm_trace;

use evaluation::{Arguments, fail};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Instant;
use vm_ecosystem::placement::{Fleet, Policy};
use vm_trace::{Vm, read_trace};

const USAGE: &str = "usage: vm_packing TRACE [--bins F] [--cpu 48] [--mem 128] [--policy first-fit|best-fit|ours] [--migrate-share 0]";
/// A VM that has run this long is expected to stay (most lifetimes of the traces are below an hour).
const LASTING_S: u64 = 7_200;
/// Weight of lasting residents in the score.
const LASTING_WEIGHT: f64 = 1.0;

fn main() {
    let started = Instant::now();
    let arguments = Arguments::read(USAGE, 1, &["bins", "cpu", "mem", "policy", "migrate-share"]);
    let vms = read_trace(&arguments.positional[0], arguments.text("bins"));
    let (cpu, mem): (i64, i64) = (arguments.number("cpu", 48), arguments.number("mem", 128));
    let policy = match arguments.text("policy").unwrap_or("ours") {
        "first-fit" => Policy::FirstFit,
        "best-fit" => Policy::BestFit,
        "ours" => Policy::Lasting { weight: LASTING_WEIGHT },
        other => fail(format!("policy `{other}`, expected first-fit, best-fit or ours")),
    };
    let mut replay = Replay::new([cpu * 1_000, mem * 1_024], policy, arguments.number("migrate-share", 0.0));
    let end = vms.iter().map(|vm| vm.arrival).max().unwrap_or(0);
    for (number, vm) in vms.iter().enumerate() {
        replay.advance(vm.arrival, &vms);
        replay.arrive(number, vm);
    }
    let mean = if end == 0 { replay.fleet.in_use() as f64 } else { replay.host_seconds as f64 / end as f64 };
    println!(
        "{{\"peak_hosts\":{},\"mean_hosts\":{mean:.1},\"placed\":{},\"rejected\":{},\"migrations\":{},\"seconds\":{:.2}}}",
        replay.peak,
        replay.placed,
        replay.rejected,
        replay.migrations,
        started.elapsed().as_secs_f64()
    );
}

/// The fleet and what happens to it.
struct Replay {
    fleet: Fleet,
    size: [i64; 2],
    policy: Policy,
    migrate_share: f64,
    host_of: Vec<Option<u32>>,
    on_host: Vec<BTreeSet<usize>>,
    lasting: Vec<bool>,
    departures: BinaryHeap<Reverse<(u64, usize)>>,
    ripe: BinaryHeap<Reverse<(u64, usize)>>,
    now: u64,
    host_seconds: u64,
    peak: usize,
    placed: u64,
    rejected: u64,
    migrations: u64,
}

impl Replay {
    fn new(size: [i64; 2], policy: Policy, migrate_share: f64) -> Self {
        Self {
            fleet: Fleet::new(2),
            size,
            policy,
            migrate_share,
            host_of: Vec::new(),
            on_host: Vec::new(),
            lasting: Vec::new(),
            departures: BinaryHeap::new(),
            ripe: BinaryHeap::new(),
            now: 0,
            host_seconds: 0,
            peak: 0,
            placed: 0,
            rejected: 0,
            migrations: 0,
        }
    }

    /// Everything that happens up to a moment: departures, then VMs that have lasted, then consolidation.
    fn advance(&mut self, to: u64, vms: &[Vm]) {
        while self.now < to {
            let next = self.departures.peek().map_or(to, |Reverse((at, _))| (*at).min(to));
            self.host_seconds += self.fleet.in_use() as u64 * (next - self.now);
            self.now = next;
            while let Some(&Reverse((at, number))) = self.departures.peek()
                && at <= self.now
            {
                self.departures.pop();
                self.leave(number, &vms[number]);
            }
            while let Some(&Reverse((at, number))) = self.ripe.peek()
                && at <= self.now
            {
                self.ripe.pop();
                if let Some(host) = self.host_of[number] {
                    self.lasting[number] = true;
                    self.fleet.mark_lasting(host, vms[number].demand[0]);
                }
            }
            self.consolidate(vms);
        }
    }

    fn arrive(&mut self, number: usize, vm: &Vm) {
        self.host_of.push(None);
        self.lasting.push(false);
        if vm.demand.iter().zip(&self.size).any(|(d, s)| d > s) {
            self.rejected += 1;
            return;
        }
        let chosen = self.fleet.choose(&vm.demand, self.policy);
        let host = chosen.unwrap_or_else(|| {
            self.on_host.push(BTreeSet::new());
            self.fleet.add_host(&self.size)
        });
        self.settle(number, vm, host);
        self.placed += 1;
        self.peak = self.peak.max(self.fleet.in_use());
        self.ripe.push(Reverse((vm.arrival + LASTING_S, number)));
        if let Some(leaves) = vm.leaves {
            self.departures.push(Reverse((leaves, number)));
        }
    }

    fn settle(&mut self, number: usize, vm: &Vm, host: u32) {
        self.fleet.occupy(host, &vm.demand);
        self.host_of[number] = Some(host);
        self.on_host[host as usize].insert(number);
        if self.lasting[number] {
            self.fleet.mark_lasting(host, vm.demand[0]);
        }
    }

    fn leave(&mut self, number: usize, vm: &Vm) -> Option<u32> {
        let host = self.host_of[number].take()?;
        if self.lasting[number] {
            self.fleet.mark_lasting(host, -vm.demand[0]);
        }
        self.on_host[host as usize].remove(&number);
        self.fleet.release(host, &vm.demand);
        Some(host)
    }

    /// Empties hosts with few residents whose VMs all fit on others in use, within the budget of migrations.
    fn consolidate(&mut self, vms: &[Vm]) {
        const RESIDENTS_MAX: u32 = 8;
        let allowed = (self.migrate_share * self.placed as f64).floor();
        for residents in 1..=RESIDENTS_MAX {
            for host in 0..self.fleet.hosts() {
                let number = u32::try_from(host).unwrap_or(u32::MAX);
                if self.migrations as f64 + f64::from(residents) > allowed {
                    return;
                }
                let lasts = self.on_host[host].iter().all(|&vm| self.lasting[vm]);
                if self.fleet.residents(number) == residents && lasts {
                    self.empty(number, vms);
                }
            }
        }
    }

    fn empty(&mut self, host: u32, vms: &[Vm]) {
        let residents: Vec<usize> = self.on_host[host as usize].iter().copied().collect();
        let mut moved = Vec::new();
        for &number in &residents {
            let in_use = |other: u32| other != host && self.fleet.residents(other) > 0;
            let Some(to) = self.fleet.choose_where(&vms[number].demand, self.policy, in_use) else { break };
            self.leave(number, &vms[number]);
            self.settle(number, &vms[number], to);
            moved.push(number);
        }
        if moved.len() == residents.len() {
            self.migrations += moved.len() as u64;
        } else {
            for number in moved {
                self.leave(number, &vms[number]);
                self.settle(number, &vms[number], host);
            }
        }
    }
}
