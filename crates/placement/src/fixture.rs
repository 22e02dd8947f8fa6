//! Random problems with every rule and term, for tests.

use crate::builder::DenseBuilder;
use crate::custom::{CustomRule, View};
use crate::dense::{Balance, DenseHost, DenseItem, DenseRule, Dimension, Distances, GroupIx, PartitionIx};
use crate::problem::Problem;
use crate::rng::Pcg;
use ecosystem_core::Weight;
use std::sync::Arc;

/// Items 0 and 1 on hosts of the same parity.
#[derive(Debug)]
pub(crate) struct SameParity;

impl CustomRule for SameParity {
    fn name(&self) -> &'static str {
        "same-parity"
    }
    fn members(&self) -> Vec<u32> {
        vec![0, 1]
    }
    fn degree(&self, view: &View<'_>) -> u64 {
        match (view.host_of(0), view.host_of(1)) {
            (Some(a), Some(b)) => u64::from(a % 2 != b % 2),
            _ => 0,
        }
    }
}

/// A random problem. `kinds` limits which rules may occur (bit by bit); all are drawn hard or soft.
pub(crate) fn random_problem(seed: u64, items: usize, hosts: usize, kinds: u32) -> Problem {
    builder(seed, items, hosts, kinds).build().unwrap()
}

pub(crate) fn builder(seed: u64, items: usize, hosts: usize, kinds: u32) -> DenseBuilder {
    let mut rng = Pcg::new(seed, 99);
    let rng = &mut rng;
    let dimension = |name: &str, overload_cost: i64, transient: bool| Dimension {
        name: name.to_owned(),
        overload_cost,
        transient,
    };
    let transient = rng.below(2) == 0;
    let mut raw = DenseBuilder::new([dimension("cpu", 3, false), dimension("mem", 0, transient)]);
    for _ in 0..hosts {
        let capacity = vec![6 + rng.below(10) as i64, 6 + rng.below(10) as i64];
        let soft = capacity.iter().map(|c| c / 2).collect();
        let open_cost = rng.below(50) as i64;
        raw.host(DenseHost { capacity, soft, open_cost, linear: rng.below(300_000) as i64 });
    }
    let homes = rng.below(3) > 0;
    for _ in 0..items {
        let home = (homes && rng.below(4) > 0).then(|| rng.below(hosts) as u32);
        raw.item(DenseItem {
            demand: vec![1 + rng.below(4) as i64, rng.below(5) as i64],
            home,
            move_cost: rng.below(10) as i64,
            linear: rng.below(4) as i64,
        });
    }
    for _ in 0..items * 2 {
        let (a, b) = (rng.below(items) as u32, rng.below(items) as u32);
        raw.edge(a, b, rng.below(9) as i64);
    }
    raw.balance(Balance { a: 0, b: 1, target: 2, weight: 1 });
    raw.stranding(rng.below(90) as i64, vec![0, 1]);
    let disturbs = rng.below(3) > 0;
    raw.interference(
        if disturbs { vec![(0, 40), (1, rng.below(60) as i64)] } else { Vec::new() },
        (0..items).map(|_| rng.below(3_000) as i64).collect(),
    );
    let point: Vec<u32> = (0..hosts).map(|h| (h % 3) as u32).collect();
    let table = vec![1, 4, 9, 4, 1, 7, 9, 7, 1];
    let distances = Distances { point, table, points: 3, same_host: 0 };
    raw.distances(distances.clone());
    raw.latencies(distances);
    if rng.below(2) == 0 {
        raw.move_table(
            (0..hosts * hosts).map(|k| if k % (hosts + 1) == 0 { 0 } else { (k % 5) as i64 }).collect(),
        );
    }
    raw.group_moves(10, (0..items).map(|i| (i / 3) as u32).collect());
    let by_host = raw.partition((0..hosts as u32).collect());
    let by_zone = raw.partition((0..hosts).map(|h| (h % 3).min(hosts - 1) as u32).collect());
    for kind in 0..15 {
        if kinds >> kind & 1 == 1 {
            let rule = random_rule(&mut raw, rng, kind, (items, hosts), (by_host, by_zone));
            let weight =
                if rng.below(2) == 0 { Weight::Hard } else { Weight::Soft(1 + rng.below(40) as u64) };
            raw.rule(format!("rule-{kind}"), weight, rule);
        }
    }
    raw
}

fn random_rule(
    raw: &mut DenseBuilder,
    rng: &mut Pcg,
    kind: u32,
    (items, hosts): (usize, usize),
    (by_host, by_zone): (PartitionIx, PartitionIx),
) -> DenseRule {
    let partition = if rng.below(2) == 0 { by_host } else { by_zone };
    let some = |rng: &mut Pcg, residue: usize| -> Vec<u32> {
        (0..items).filter(|i| i % 2 == residue && rng.below(3) > 0).map(|i| i as u32).collect()
    };
    let group: GroupIx = raw.group(some(rng, 0));
    let other = raw.group(some(rng, 1));
    let flags: Arc<[bool]> = (0..hosts).map(|_| rng.below(3) > 0).collect();
    match kind {
        0 => DenseRule::Limit { group, partition, max: 1 + rng.below(2) as u32 },
        1 => DenseRule::Together { group, partition },
        2 => DenseRule::Spread { group, partition, min: 2, max_skew: (rng.below(2) == 0).then_some(1) },
        3 => DenseRule::Need { group, provider: other, partition },
        4 => DenseRule::Disjoint { groups: vec![group, other], partition },
        5 => DenseRule::Fence { group, hosts: flags },
        6 => DenseRule::Root { group },
        7 => DenseRule::Lonely { group },
        8 => DenseRule::MaxOnline { hosts: flags, max: 1 + rng.below(hosts) as u32 },
        9 => {
            let amounts = (0..items as u32).map(|i| (i, rng.below(5) as i64)).collect();
            DenseRule::Quota { amounts, hosts: flags, max: items as i64 }
        }
        10 => DenseRule::Near { pairs: vec![(0, items as u32 - 1), (1, 2)], max: 4 },
        11 => {
            let amounts = (0..hosts).map(|_| rng.below(40) as i64).collect();
            DenseRule::MaxHostSum { amounts, max: 12 * hosts as i64 }
        }
        12 => DenseRule::MaxMoves { max: items as u32 / 2 },
        13 => DenseRule::Custom(Arc::new(SameParity)),
        _ => {
            // needs that overlap with what provides
            let all = raw.group((0..items as u32).collect());
            DenseRule::Need { group: all, provider: group, partition }
        }
    }
}

/// All kinds of rules.
pub(crate) const ALL: u32 = (1 << 15) - 1;
