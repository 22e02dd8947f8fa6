//! Which items and hosts form a shard.

use crate::dense::{Dense, DenseRule, Lowered, NONE, Partition};
use crate::rng::Pcg;
use std::cmp::Reverse;
use std::sync::Arc;

/// Part of a shard that items tied by edges may fill together; what is larger is cut along its weakest edges.
const CLUSTER_PART: usize = 4;
/// A group of a rule larger than so many shards is not kept together: its rule is mended afterwards.
const GROUP_SHARDS: usize = 2;
/// Fill of a shard up to which items stay where they are at home.
const HOME_FILL: f64 = 0.9;
/// Pieces of racks that each shard should get in each zone, so that neither racks nor zones are scarce there.
const PIECES: usize = 3;
/// More parts are no zones.
const ZONES_MAX: usize = 64;
/// Fences that hosts are dealt by, so that each shard gets some of the hosts that few items may use.
const FENCES: usize = 32;

/// A shard number for each item and each host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Cut {
    pub(super) count: usize,
    pub(super) of_item: Vec<u32>,
    pub(super) of_host: Vec<u32>,
}

impl Cut {
    /// Cuts a problem into `count` shards of about `size` items.
    pub(super) fn new(p: &Dense, count: usize, size: usize) -> Self {
        let of_host = deal_hosts(p, count);
        let clusters = clusters(p, size);
        let of_item = deal_items(p, count, &of_host, &clusters);
        Self { count, of_item, of_host }
    }

    /// The shards joined two by two at random; an odd one joins the last pair.
    pub(super) fn pairs(&self, rng: &mut Pcg) -> Self {
        let mut order: Vec<u32> = (0..self.count as u32).collect();
        rng.shuffle(&mut order);
        let count = (self.count / 2).max(1);
        let mut pair = vec![0; self.count];
        for (place, &shard) in order.iter().enumerate() {
            pair[shard as usize] = ((place / 2).min(count - 1)) as u32;
        }
        let joined = |of: &[u32]| of.iter().map(|&shard| pair[shard as usize]).collect();
        Self { count, of_item: joined(&self.of_item), of_host: joined(&self.of_host) }
    }

    /// Items and hosts of each shard, ascending.
    pub(super) fn lists(&self) -> Vec<(Vec<u32>, Vec<u32>)> {
        let mut lists = vec![(Vec::new(), Vec::new()); self.count];
        for (item, &shard) in self.of_item.iter().enumerate() {
            lists[shard as usize].0.push(item as u32);
        }
        for (host, &shard) in self.of_host.iter().enumerate() {
            lists[shard as usize].1.push(host as u32);
        }
        lists
    }
}

/// Deals racks (points of the distances), or pieces of racks where a shard would get too few, so that each shard looks like
/// the whole: it has its part of every zone, of the hosts of every fence and of the capacity.
fn deal_hosts(p: &Dense, count: usize) -> Vec<u32> {
    let coarse: Vec<&Partition> = p
        .partitions
        .iter()
        .filter(|partition| (2..=ZONES_MAX).contains(&(partition.parts as usize)))
        .collect();
    let zones = coarse.iter().map(|partition| partition.parts as usize).max().unwrap_or(1);
    let piece = (p.hosts / (count * zones * PIECES)).max(1);
    let hosts_of_fence = |lowered: &Lowered| match &lowered.rule {
        DenseRule::Fence { hosts, .. } => Some(Arc::clone(hosts)),
        _ => None,
    };
    let fences: Vec<_> = p.rules.iter().filter_map(hosts_of_fence).take(FENCES).collect();
    let mut pieces: Vec<&[u32]> = p
        .point_start
        .windows(2)
        .flat_map(|ends| p.at_point[ends[0] as usize..ends[1] as usize].chunks(piece))
        .collect();
    let capacity = |hosts: &[u32]| -> f64 {
        let of = |&host: &u32| -> f64 {
            (0..p.dims).map(|r| p.capacity[host as usize * p.dims + r] as f64 / p.mean_capacity[r]).sum()
        };
        hosts.iter().map(of).sum()
    };
    pieces.sort_by_cached_key(|hosts| {
        let first = hosts[0] as usize;
        let parts: Vec<u32> = coarse.iter().map(|partition| partition.of[first]).collect();
        let flags: Vec<bool> = fences.iter().map(|fence| fence[first]).collect();
        (parts, flags, Reverse((capacity(hosts) * 1e3) as i64), first)
    });
    let mut shard_of = vec![0; p.hosts];
    for (place, hosts) in pieces.iter().enumerate() {
        // there and back again, so that no shard always gets the smaller one
        let (lap, at) = (place / count, place % count);
        let shard = if lap % 2 == 0 { at } else { count - 1 - at } as u32;
        for &host in *hosts {
            shard_of[host as usize] = shard;
        }
    }
    shard_of
}

/// Cluster of each item: what a rule ties together, then what edges tie, the heaviest first, up to a part of a shard.
fn clusters(p: &Dense, size: usize) -> Vec<u32> {
    let mut union = Union { parent: (0..p.items as u32).collect(), size: vec![1; p.items] };
    for lowered in &p.rules {
        for members in tied(p, &lowered.rule) {
            if members.len() <= GROUP_SHARDS * size {
                for pair in members.windows(2) {
                    union.join(pair[0], pair[1], usize::MAX);
                }
            }
        }
    }
    let mut edges: Vec<(Reverse<i64>, u32, u32)> = (0..p.items as u32)
        .flat_map(|a| p.edges(a).filter(move |&(b, _)| a < b).map(move |(b, weight)| (Reverse(weight), a, b)))
        .collect();
    edges.sort_unstable();
    for (_, a, b) in edges {
        union.join(a, b, (size / CLUSTER_PART).max(2));
    }
    (0..p.items as u32).map(|item| union.root(item)).collect()
}

/// The items that a rule can only be judged together for.
fn tied(p: &Dense, rule: &DenseRule) -> Vec<Vec<u32>> {
    let members = |group: &crate::dense::GroupIx| p.groups[group.0 as usize].clone();
    match rule {
        DenseRule::Limit { group, .. }
        | DenseRule::Together { group, .. }
        | DenseRule::Spread { group, .. } => {
            vec![members(group)]
        }
        DenseRule::Need { group, provider, .. } => vec![[members(group), members(provider)].concat()],
        DenseRule::Disjoint { groups, .. } => vec![groups.iter().flat_map(members).collect()],
        DenseRule::Near { pairs, .. } => pairs.iter().map(|&(a, b)| vec![a, b]).collect(),
        DenseRule::Custom(rule) => vec![rule.members()],
        // judged host by host, item by item, or as sums that can be divided
        DenseRule::Fence { .. }
        | DenseRule::Root { .. }
        | DenseRule::Lonely { .. }
        | DenseRule::MaxOnline { .. }
        | DenseRule::Quota { .. }
        | DenseRule::MaxHostSum { .. }
        | DenseRule::MaxMoves { .. } => Vec::new(),
    }
}

/// Disjoint sets with sizes.
struct Union {
    parent: Vec<u32>,
    size: Vec<usize>,
}

impl Union {
    fn root(&mut self, mut item: u32) -> u32 {
        while self.parent[item as usize] != item {
            let above = self.parent[self.parent[item as usize] as usize];
            self.parent[item as usize] = above;
            item = above;
        }
        item
    }

    fn join(&mut self, a: u32, b: u32, max: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (small, large) = if self.size[a as usize] < self.size[b as usize] { (a, b) } else { (b, a) };
        let sum = self.size[a as usize].saturating_add(self.size[b as usize]);
        if a != b && sum <= max {
            self.parent[small as usize] = large;
            self.size[large as usize] = sum;
        }
    }
}

/// What the items of a cluster need.
struct Cluster {
    items: Vec<u32>,
    size: f64,
}

/// Deals clusters, large ones first, each to the least filled shard among those where all its items may be; with homes,
/// shards where it is at home come first while they are not fuller than the mean.
fn deal_items(p: &Dense, count: usize, of_host: &[u32], clusters: &[u32]) -> Vec<u32> {
    let mut capacity = vec![0.0; count * p.dims];
    for (host, &shard) in of_host.iter().enumerate() {
        for r in 0..p.dims {
            capacity[shard as usize * p.dims + r] += p.capacity[host * p.dims + r] as f64;
        }
    }
    let mut total = vec![0.0; p.dims];
    for item in 0..p.items as u32 {
        for (sum, &demand) in total.iter_mut().zip(p.demand_of(item)) {
            *sum += demand as f64;
        }
    }
    let all: Vec<f64> = (0..p.dims).map(|r| capacity.iter().skip(r).step_by(p.dims).sum()).collect();
    let mean = (0..p.dims).map(|r| total[r] / all[r].max(1.0)).fold(0.0, f64::max);
    let allowed = Allowed::new(p, count, of_host);

    let mut by_root: Vec<Vec<u32>> = vec![Vec::new(); p.items];
    for (item, &root) in clusters.iter().enumerate() {
        by_root[root as usize].push(item as u32);
    }
    let share = |item: u32| -> f64 {
        p.demand_of(item).iter().zip(&all).map(|(&d, all)| d as f64 / all.max(1.0)).fold(0.0, f64::max)
    };
    let mut parts: Vec<Cluster> = by_root
        .into_iter()
        .filter(|items| !items.is_empty())
        .flat_map(|items| {
            // what no shard can take as a whole goes one by one
            let whole = (0..count).any(|shard| items.iter().all(|&item| allowed.shard(p, item, shard)));
            if whole { vec![items] } else { items.into_iter().map(|item| vec![item]).collect() }
        })
        .map(|items| Cluster { size: items.iter().map(|&item| share(item)).sum(), items })
        .collect();
    parts.sort_by(|a, b| b.size.total_cmp(&a.size).then(a.items[0].cmp(&b.items[0])));

    let mut used = vec![0.0; count * p.dims];
    let mut of_item = vec![0; p.items];
    let mut at_home = vec![0_usize; count];
    for part in parts {
        at_home.fill(0);
        for &item in &part.items {
            let home = p.home[item as usize];
            if home != NONE {
                at_home[of_host[home as usize] as usize] += 1;
            }
        }
        let need: Vec<f64> =
            (0..p.dims).map(|r| part.items.iter().map(|&i| p.demand_of(i)[r] as f64).sum()).collect();
        let fill = |shard: usize| -> f64 {
            let at = shard * p.dims;
            (0..p.dims).map(|r| (used[at + r] + need[r]) / capacity[at + r].max(1e-9)).fold(0.0, f64::max)
        };
        let rank = |shard: usize| {
            let fits = part.items.iter().all(|&item| allowed.shard(p, item, shard));
            let fill = fill(shard);
            let home = if fill <= mean.max(HOME_FILL) { at_home[shard] } else { 0 };
            (!fits, Reverse(home), fill)
        };
        let best = (0..count)
            .map(|shard| (rank(shard), shard))
            .min_by(|(a, _), (b, _)| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
        let shard = best.map_or(0, |(_, shard)| shard);
        for &item in &part.items {
            of_item[item as usize] = shard as u32;
            for (r, &demand) in p.demand_of(item).iter().enumerate() {
                used[shard * p.dims + r] += demand as f64;
            }
        }
    }
    of_item
}

/// In which shards an item has a host that its hard fences leave it.
struct Allowed {
    count: usize,
    by_class: Vec<bool>,
    of_host: Vec<u32>,
}

impl Allowed {
    fn new(p: &Dense, count: usize, of_host: &[u32]) -> Self {
        let classes = p.tables.fence_hard.len() / p.hosts.max(1);
        let mut by_class = vec![false; classes * count];
        for class in 0..classes {
            for (host, &shard) in of_host.iter().enumerate() {
                by_class[class * count + shard as usize] |= p.tables.fence_hard[class * p.hosts + host] == 0;
            }
        }
        Self { count, by_class, of_host: of_host.to_vec() }
    }

    fn shard(&self, p: &Dense, item: u32, shard: usize) -> bool {
        let tables = &p.tables;
        let class = tables.fence_class.get(item as usize).copied().unwrap_or(NONE);
        if class != NONE && !self.by_class[class as usize * self.count + shard] {
            return false;
        }
        let home = p.home[item as usize];
        let rooted = tables.root.get(item as usize).is_some_and(|force| force.hard > 0);
        !rooted || home == NONE || self.of_host[home as usize] as usize == shard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ALL, random_problem};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_shard_has_hosts_and_every_item_a_shard(
            seed in any::<u64>(), items in 3_usize..30, hosts in 4_usize..30, kinds in 0..=ALL, count in 2_usize..8,
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let count = count.min(hosts / 2);
            let cut = Cut::new(&problem.dense, count, items.div_ceil(count));
            let lists = cut.lists();
            prop_assert!(lists.iter().all(|(_, hosts)| !hosts.is_empty()));
            prop_assert_eq!(lists.iter().map(|(items, _)| items.len()).sum::<usize>(), items);
            prop_assert_eq!(lists.iter().map(|(_, hosts)| hosts.len()).sum::<usize>(), hosts);
            let pairs = cut.pairs(&mut Pcg::new(seed, 0));
            let together = |a: usize, b: usize, of: &[u32]| of[a] == of[b];
            for item in 1..items {
                let before = together(item - 1, item, &cut.of_item);
                prop_assert!(!before || together(item - 1, item, &pairs.of_item));
            }
        }
    }
}
