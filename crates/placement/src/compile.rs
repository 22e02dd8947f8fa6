//! Lowers rules to the tables that delta evaluation reads.

use crate::custom::CustomRule;
use crate::dense::{Dense, DenseRule, GroupIx, NONE, PartitionIx};
use ecosystem_core::Weight;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A counter with at most so many members and more than so many parts for each has no table of parts.
const SPARSE_MEMBERS: usize = 32;
const SPARSE_PARTS: usize = 8;

/// What one unit of degree does: count as a hard violation, or cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Force {
    pub(crate) hard: i64,
    pub(crate) cost: i64,
}

impl From<Weight> for Force {
    fn from(weight: Weight) -> Self {
        match weight {
            Weight::Hard => Self { hard: 1, cost: 0 },
            Weight::Soft(cost) => Self { hard: 0, cost: i64::try_from(cost).unwrap_or(i64::MAX) },
        }
    }
}

/// Lists of different lengths, one for each row, in one vector.
#[derive(Clone, Debug)]
pub(crate) struct Lists<T> {
    start: Vec<u32>,
    data: Vec<T>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { start: Vec::new(), data: Vec::new() }
    }
}

impl<T> Lists<T> {
    fn new(rows: usize, mut pairs: Vec<(u32, T)>) -> Self {
        if pairs.is_empty() {
            return Self::default();
        }
        pairs.sort_by_key(|&(row, _)| row);
        let mut start = vec![0_u32; rows + 1];
        for (row, _) in &pairs {
            start[*row as usize + 1] += 1;
        }
        for row in 0..rows {
            start[row + 1] += start[row];
        }
        Self { start, data: pairs.into_iter().map(|(_, value)| value).collect() }
    }

    #[inline]
    pub(crate) fn row(&self, row: u32) -> &[T] {
        if self.start.is_empty() {
            return &[];
        }
        &self.data[self.start[row as usize] as usize..self.start[row as usize + 1] as usize]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start.is_empty()
    }
}

/// Counts the items of one group in each part of one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counter {
    pub(crate) partition: u32,
    /// First count in the flat array; of no use where members are counted.
    pub(crate) offset: usize,
    pub(crate) parts: u32,
    /// True if there are so many more parts than members that counting members beats a table of parts.
    pub(crate) sparse: bool,
    /// Range in [`Tables::checks`].
    pub(crate) checks: (u32, u32),
}

/// What a rule reads from a counter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Check {
    Limit { max: u32, force: Force },
    Together { force: Force },
    Spread { min: u32, max_skew: u32, force: Force },
    NeedsOf { provider: u32, force: Force },
    ProviderFor { requirer: u32, force: Force },
    Disjoint { presence: u32, force: Force },
}

#[derive(Clone, Debug)]
pub(crate) struct HostLimit {
    pub(crate) hosts: Arc<[bool]>,
    pub(crate) max: i64,
    pub(crate) force: Force,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct NearPair {
    pub(crate) other: u32,
    pub(crate) max: i64,
    pub(crate) force: Force,
}

/// Everything that rules add to a [`Dense`] problem.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) counters: Vec<Counter>,
    pub(crate) checks: Vec<Check>,
    pub(crate) counters_of: Lists<u32>,
    /// Members of each sparse counter.
    pub(crate) members: Lists<u32>,
    pub(crate) counts: usize,
    pub(crate) presences: u32,
    /// Class of each item with a fence, into rows of `fence_hard` and `fence_cost`; empty = no fences.
    pub(crate) fence_class: Vec<u32>,
    pub(crate) fence_hard: Vec<i64>,
    pub(crate) fence_cost: Vec<i64>,
    /// Degree (hard) and cost of not being at home; empty = no such rules.
    pub(crate) root: Vec<Force>,
    pub(crate) lonely: Vec<(Vec<bool>, Force)>,
    pub(crate) online: Vec<HostLimit>,
    pub(crate) quotas: Vec<HostLimit>,
    pub(crate) quotas_of: Lists<(u32, i64)>,
    pub(crate) near: Lists<NearPair>,
    pub(crate) open_limits: Vec<(Arc<[i64]>, i64, Force)>,
    pub(crate) move_limits: Vec<(i64, Force)>,
    pub(crate) customs: Vec<(Arc<dyn CustomRule>, Force)>,
    pub(crate) customs_of: Lists<u32>,
    /// True if there is any rule that looks at more than counters, fences and edges.
    pub(crate) has_rare: bool,
    /// True if any rule other than fences has a cost, so that the other terms say nothing about the sum.
    pub(crate) soft_rules: bool,
}

impl Tables {
    /// Hard degree and cost of an item's fences on a host.
    #[inline]
    pub(crate) fn fence(&self, dense: &Dense, item: u32, host: u32) -> (i64, i64) {
        if self.fence_class.is_empty() {
            return (0, 0);
        }
        let class = self.fence_class[item as usize];
        if class == NONE {
            return (0, 0);
        }
        let at = class as usize * dense.hosts + host as usize;
        (self.fence_hard[at], self.fence_cost[at])
    }

    /// True if no hard fence keeps the item from the host.
    pub(crate) fn allows(&self, dense: &Dense, item: u32, host: u32) -> bool {
        self.fence(dense, item, host).0 == 0
            && self.root.get(item as usize).is_none_or(|force| {
                let home = dense.home[item as usize];
                force.hard == 0 || home == NONE || home == host
            })
    }
}

/// Builds the tables from the rules of a problem.
pub(crate) fn compile(dense: &Dense) -> Tables {
    let mut tables = Tables::default();
    compile_counters(dense, &mut tables);
    compile_fences(dense, &mut tables);
    compile_rare(dense, &mut tables);
    tables.has_rare = !tables.lonely.is_empty()
        || !tables.online.is_empty()
        || !tables.quotas.is_empty()
        || !tables.near.is_empty()
        || !tables.open_limits.is_empty()
        || !tables.move_limits.is_empty()
        || !tables.customs.is_empty()
        || !tables.root.is_empty();
    tables.soft_rules = dense
        .rules
        .iter()
        .any(|lowered| lowered.weight != Weight::Hard && !matches!(lowered.rule, DenseRule::Fence { .. }));
    tables
}

struct CounterSet {
    /// (group members, partition) → counter; groups are compared by content so that equal groups share.
    by_key: BTreeMap<(Vec<u32>, u32), u32>,
    members: Vec<Vec<u32>>,
    partition: Vec<u32>,
    checks: Vec<Vec<Check>>,
}

impl CounterSet {
    fn counter(&mut self, members: &[u32], partition: PartitionIx) -> u32 {
        let next = self.members.len() as u32;
        let found = *self.by_key.entry((members.to_vec(), partition.0)).or_insert(next);
        if found == next {
            self.members.push(members.to_vec());
            self.partition.push(partition.0);
            self.checks.push(Vec::new());
        }
        found
    }
}

fn compile_counters(dense: &Dense, tables: &mut Tables) {
    let mut set = CounterSet {
        by_key: BTreeMap::new(),
        members: Vec::new(),
        partition: Vec::new(),
        checks: Vec::new(),
    };
    let members = |group: GroupIx| dense.groups[group.0 as usize].as_slice();
    for lowered in &dense.rules {
        let force = Force::from(lowered.weight);
        match &lowered.rule {
            DenseRule::Limit { group, partition, max } if members(*group).len() > *max as usize => {
                let counter = set.counter(members(*group), *partition);
                set.checks[counter as usize].push(Check::Limit { max: *max, force });
            }
            DenseRule::Together { group, partition } if members(*group).len() > 1 => {
                let counter = set.counter(members(*group), *partition);
                set.checks[counter as usize].push(Check::Together { force });
            }
            DenseRule::Spread { group, partition, min, max_skew } if *min > 1 || max_skew.is_some() => {
                let counter = set.counter(members(*group), *partition);
                let max_skew = max_skew.unwrap_or(NONE);
                set.checks[counter as usize].push(Check::Spread { min: *min, max_skew, force });
            }
            DenseRule::Need { group, provider, partition } => {
                // an item that provides is its own provider
                let provides = members(*provider);
                let needy: Vec<u32> =
                    members(*group).iter().copied().filter(|i| provides.binary_search(i).is_err()).collect();
                if needy.is_empty() {
                    continue;
                }
                let requirer = set.counter(&needy, *partition);
                let provider = set.counter(provides, *partition);
                set.checks[requirer as usize].push(Check::NeedsOf { provider, force });
                set.checks[provider as usize].push(Check::ProviderFor { requirer, force });
            }
            DenseRule::Disjoint { groups, partition } => {
                let presence = tables.presences;
                tables.presences += dense.partitions[partition.0 as usize].parts;
                for group in groups {
                    let counter = set.counter(members(*group), *partition);
                    set.checks[counter as usize].push(Check::Disjoint { presence, force });
                }
            }
            _ => {}
        }
    }
    finish_counters(dense, tables, &set);
}

fn finish_counters(dense: &Dense, tables: &mut Tables, set: &CounterSet) {
    let (mut pairs, mut counted) = (Vec::new(), Vec::new());
    for (ix, checks) in set.checks.iter().enumerate() {
        let parts = dense.partitions[set.partition[ix] as usize].parts;
        let from = tables.checks.len() as u32;
        tables.checks.extend_from_slice(checks);
        let members = set.members[ix].len();
        let sparse = members <= SPARSE_MEMBERS && parts as usize > SPARSE_PARTS * members;
        tables.counters.push(Counter {
            partition: set.partition[ix],
            offset: tables.counts,
            parts,
            sparse,
            checks: (from, tables.checks.len() as u32),
        });
        if sparse {
            counted.extend(set.members[ix].iter().map(|&item| (ix as u32, item)));
        } else {
            tables.counts += parts as usize;
        }
        pairs.extend(set.members[ix].iter().map(|&item| (item, ix as u32)));
    }
    tables.counters_of = Lists::new(dense.items, pairs);
    tables.members = Lists::new(set.members.len(), counted);
}

fn compile_fences(dense: &Dense, tables: &mut Tables) {
    // rules that say the same of the hosts are one fence, so that classes stay few where each application has its rule
    let mut fences: Vec<(&[bool], Force)> = Vec::new();
    let mut known: BTreeMap<(&[bool], i64, i64), u32> = BTreeMap::new();
    let mut by_pointer: BTreeMap<(*const bool, i64, i64), u32> = BTreeMap::new();
    let mut of_item: Vec<Vec<u32>> = vec![Vec::new(); dense.items];
    for lowered in &dense.rules {
        let DenseRule::Fence { group, hosts } = &lowered.rule else { continue };
        let force = Force::from(lowered.weight);
        let ix = *by_pointer.entry((hosts.as_ptr(), force.hard, force.cost)).or_insert_with(|| {
            *known.entry((hosts, force.hard, force.cost)).or_insert_with(|| {
                fences.push((hosts, force));
                (fences.len() - 1) as u32
            })
        });
        for &item in &dense.groups[group.0 as usize] {
            of_item[item as usize].push(ix);
        }
    }
    if fences.is_empty() {
        return;
    }
    // an item may be in two rules that say the same: its list keeps both, so that the degrees add up
    for list in &mut of_item {
        list.sort_unstable();
    }
    let mut classes: BTreeMap<&[u32], u32> = BTreeMap::new();
    for list in &of_item {
        let next = classes.len() as u32;
        if !list.is_empty() {
            classes.entry(list).or_insert(next);
        }
    }
    tables.fence_class =
        of_item.iter().map(|list| classes.get(list.as_slice()).copied().unwrap_or(NONE)).collect();
    tables.fence_hard = vec![0; classes.len() * dense.hosts];
    tables.fence_cost = vec![0; classes.len() * dense.hosts];
    for (list, &class) in &classes {
        for &ix in *list {
            let (hosts, force) = &fences[ix as usize];
            for (host, _) in hosts.iter().enumerate().filter(|(_, allowed)| !**allowed) {
                tables.fence_hard[class as usize * dense.hosts + host] += force.hard;
                tables.fence_cost[class as usize * dense.hosts + host] += force.cost;
            }
        }
    }
}

fn compile_rare(dense: &Dense, tables: &mut Tables) {
    let (mut quotas, mut near, mut customs) = (Vec::new(), Vec::new(), Vec::new());
    for lowered in &dense.rules {
        let force = Force::from(lowered.weight);
        match &lowered.rule {
            DenseRule::Root { group } => {
                if tables.root.is_empty() {
                    tables.root = vec![Force { hard: 0, cost: 0 }; dense.items];
                }
                for &item in &dense.groups[group.0 as usize] {
                    tables.root[item as usize].hard += force.hard;
                    tables.root[item as usize].cost += force.cost;
                }
            }
            DenseRule::Lonely { group } => {
                let mut member = vec![false; dense.items];
                for &item in &dense.groups[group.0 as usize] {
                    member[item as usize] = true;
                }
                tables.lonely.push((member, force));
            }
            DenseRule::MaxOnline { hosts, max } => {
                tables.online.push(HostLimit { hosts: Arc::clone(hosts), max: i64::from(*max), force });
            }
            DenseRule::Quota { amounts, hosts, max } => {
                let ix = tables.quotas.len() as u32;
                tables.quotas.push(HostLimit { hosts: Arc::clone(hosts), max: *max, force });
                quotas
                    .extend(amounts.iter().filter(|a| a.1 != 0).map(|&(item, amount)| (item, (ix, amount))));
            }
            DenseRule::Near { pairs, max } => {
                for &(a, b) in pairs.iter().filter(|(a, b)| a != b) {
                    near.push((a, NearPair { other: b, max: *max, force }));
                    near.push((b, NearPair { other: a, max: *max, force }));
                }
            }
            DenseRule::MaxHostSum { amounts, max } => {
                tables.open_limits.push((Arc::clone(amounts), *max, force));
            }
            DenseRule::MaxMoves { max } => tables.move_limits.push((i64::from(*max), force)),
            DenseRule::Custom(rule) => {
                let ix = tables.customs.len() as u32;
                customs.extend(rule.members().into_iter().map(|item| (item, ix)));
                tables.customs.push((Arc::clone(rule), force));
            }
            _ => {}
        }
    }
    tables.quotas_of = Lists::new(dense.items, quotas);
    tables.near = Lists::new(dense.items, near);
    tables.customs_of = Lists::new(dense.items, customs);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DenseBuilder, DenseHost, DenseItem};

    #[test]
    fn rules_that_say_the_same_of_the_hosts_are_one_class() {
        let mut raw = DenseBuilder::default();
        for _ in 0..3 {
            raw.host(DenseHost::default());
        }
        for item in 0..40 {
            raw.item(DenseItem::default());
            let group = raw.group(vec![item]);
            let hosts = if item % 2 == 0 { [true, false, true] } else { [false, true, true] };
            raw.rule("labels", Weight::Hard, DenseRule::Fence { group, hosts: hosts.into() });
        }
        let twice = raw.group(vec![0]);
        raw.rule("again", Weight::Hard, DenseRule::Fence { group: twice, hosts: [true, false, true].into() });
        let p = raw.into_dense().unwrap();
        assert_eq!(p.tables.fence_hard.len(), 3 * p.hosts, "even, odd, and the item with two rules");
        assert_eq!([0, 1, 2].map(|item| p.tables.fence(&p, item, 1).0), [2, 0, 1]);
    }
}
