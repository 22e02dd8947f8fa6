//! Solves an instance of the ROADEF/EURO challenge 2012 (machine reassignment).
//!
//! `cargo run --release --example roadef2012 -- MODEL ASSIGNMENT OUT --seconds S | --moves N [--seed N]`
//!
//! The last line of standard output is one line of JSON; OUT holds the best assignment found so far at any moment.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "indices and counts are checked when the problem is built"
)]

mod evaluation;

use evaluation::{Arguments, Budget, fail, print_result, read, search_for, write};
use std::time::Instant;
use vm_ecosystem::model::Weight;
use vm_ecosystem::placement::{
    Balance, DenseBuilder, DenseHost, DenseItem, DenseRule, Dimension, Problem, Settings, check_assignment,
};

const USAGE: &str = "usage: roadef2012 MODEL ASSIGNMENT OUT --seconds S | --moves N [--seed N] [--workers N]";

fn main() {
    let started = Instant::now();
    let arguments = Arguments::read(USAGE, 3, &["seconds", "moves", "seed", "workers"]);
    let [model, assignment, out] = arguments.positional.as_slice() else { fail(USAGE) };
    let home = Numbers::read(assignment).rest();
    let problem = problem(Numbers::read(model), &home);
    let settings = Settings::default()
        .with_seed(arguments.number("seed", 0))
        .with_workers(arguments.number("workers", 2));
    let budget = Budget::of(&arguments, 300.0);
    let solution = search_for(&problem, &settings, budget, started, |assignment, _| {
        let line: Vec<String> = assignment.iter().map(ToString::to_string).collect();
        write(out, line.join(" ").as_bytes());
    });
    if let Err(error) = check_assignment(&problem, &solution.assignment) {
        eprintln!("{error}");
    }
    print_result(&solution, started);
}

/// White-space separated integers of a file.
struct Numbers {
    path: String,
    values: Vec<i64>,
    at: usize,
}

impl Numbers {
    fn read(path: &str) -> Self {
        let text = String::from_utf8(read(path)).unwrap_or_else(|e| fail(format!("{path}: {e}")));
        let parse = |(position, word): (usize, &str)| {
            word.parse().unwrap_or_else(|_| {
                fail(format!("{path}: number {position} is `{word}`, expected an integer"))
            })
        };
        let values: Vec<i64> = text.split_ascii_whitespace().enumerate().map(parse).collect();
        Self { path: path.to_owned(), values, at: 0 }
    }

    fn next(&mut self) -> i64 {
        self.at += 1;
        *self.values.get(self.at - 1).unwrap_or_else(|| fail(format!("{}: ends too early", self.path)))
    }

    fn count(&mut self) -> usize {
        let n = self.next();
        usize::try_from(n)
            .ok()
            .filter(|&n| n <= 1 << 24)
            .unwrap_or_else(|| fail(format!("{}: count {n}, expected 0 to 2^24", self.path)))
    }

    fn index(&mut self) -> u32 {
        self.count() as u32
    }

    fn many(&mut self, n: usize) -> Vec<i64> {
        (0..n).map(|_| self.next()).collect()
    }

    fn rest(self) -> Vec<u32> {
        let path = self.path;
        let host = |v: i64| {
            u32::try_from(v).unwrap_or_else(|_| fail(format!("{path}: machine {v}, expected 0 or more")))
        };
        self.values.into_iter().map(host).collect()
    }
}

fn problem(mut numbers: Numbers, home: &[u32]) -> Problem {
    let dims = numbers.count();
    let dimensions: Vec<Dimension> = (0..dims)
        .map(|r| Dimension {
            name: format!("r{r}"),
            transient: numbers.next() == 1,
            overload_cost: numbers.next(),
        })
        .collect();
    let mut raw = DenseBuilder::new(dimensions);
    let machines = numbers.count();
    let (mut neighborhoods, mut locations, mut move_costs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..machines {
        neighborhoods.push(numbers.index());
        locations.push(numbers.index());
        let (capacity, soft) = (numbers.many(dims), numbers.many(dims));
        raw.host(DenseHost { capacity, soft, ..DenseHost::default() });
        move_costs.extend(numbers.many(machines));
    }
    let services = numbers.count();
    let needs: Vec<(u32, Vec<u32>)> = (0..services)
        .map(|_| {
            let spread = numbers.index();
            let dependencies = numbers.count();
            (spread, (0..dependencies).map(|_| numbers.index()).collect())
        })
        .collect();
    let processes = numbers.count();
    if home.len() != processes {
        fail(format!("assignment has {} entries, expected {processes}", home.len()));
    }
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); services];
    let mut service_of = Vec::new();
    let mut process_costs = Vec::new();
    let mut demands = Vec::new();
    for process in 0..processes {
        let service = numbers.count();
        members
            .get_mut(service)
            .unwrap_or_else(|| fail(format!("service {service} is unknown")))
            .push(process as u32);
        service_of.push(service as u32);
        demands.push(numbers.many(dims));
        process_costs.push(numbers.next());
    }
    for _ in 0..numbers.count() {
        let (a, b) = (numbers.index(), numbers.index());
        raw.balance(Balance { a, b, target: numbers.next(), weight: numbers.next() });
    }
    let (process_weight, service_weight, machine_weight) = (numbers.next(), numbers.next(), numbers.next());
    for ((demand, cost), &home) in demands.into_iter().zip(process_costs).zip(home) {
        raw.item(DenseItem { demand, home: Some(home), move_cost: process_weight * cost, linear: 0 });
    }
    raw.move_table(move_costs.into_iter().map(|cost| cost * machine_weight).collect());
    if processes >= services {
        raw.group_moves(service_weight, service_of);
    }
    let by_machine = raw.partition((0..machines as u32).collect());
    let (by_location, by_neighborhood) =
        (raw.partition(dense(&locations)), raw.partition(dense(&neighborhoods)));
    let groups: Vec<_> = members.into_iter().map(|list| raw.group(list)).collect();
    for (&group, (spread, dependencies)) in groups.iter().zip(&needs) {
        raw.rule("conflict", Weight::Hard, DenseRule::Limit { group, partition: by_machine, max: 1 });
        let rule = DenseRule::Spread { group, partition: by_location, min: *spread, max_skew: None };
        raw.rule("spread", Weight::Hard, rule);
        for &other in dependencies {
            let provider =
                *groups.get(other as usize).unwrap_or_else(|| fail(format!("service {other} is unknown")));
            if provider != group {
                let rule = DenseRule::Need { group, provider, partition: by_neighborhood };
                raw.rule("dependency", Weight::Hard, rule);
            }
        }
    }
    raw.build().unwrap_or_else(|error| fail(error))
}

/// Numbers without holes, in order of size.
fn dense(labels: &[u32]) -> Vec<u32> {
    let mut known = labels.to_vec();
    known.sort_unstable();
    known.dedup();
    labels.iter().map(|label| known.partition_point(|k| k < label) as u32).collect()
}
