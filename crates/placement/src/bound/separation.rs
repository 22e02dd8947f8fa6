//! Lower bound of the proximity term from what must be apart.
//!
//! Each edge `(i, j)` with weight `w` costs at least `w · D(i, j)`, where `D` is the least distance that hard rules
//! leave to the pair: the least between different parts for two members of a group that may not share a part, the
//! least between the hosts their fences allow otherwise. Beyond pairs, an item next to a group whose members are all
//! apart can share a part with one of them only: it pays for all but its heaviest.

use crate::dense::{Dense, DenseRule};
use ecosystem_core::Weight;
use std::collections::{BTreeMap, BTreeSet};

/// A group whose members are pairwise in different parts, and the least distance that costs.
struct ApartGroup {
    distance: i64,
    members: Vec<u32>,
}

/// Lower bound of the proximity term as shares of the items: the sum over the items of a connected part of the graph is
/// a bound for the part. O(edges · log + rules · parts²).
pub(super) fn shares(p: &Dense) -> Vec<i64> {
    let groups = apart_groups(p);
    let mut of_item: Vec<Vec<u32>> = vec![Vec::new(); p.items];
    for (ix, group) in groups.iter().enumerate() {
        for &member in &group.members {
            of_item[member as usize].push(ix as u32);
        }
    }
    let mut share = vec![0; p.items];
    // each edge is used from one end only, so that nothing counts twice
    let mut used: BTreeSet<(u32, u32)> = BTreeSet::new();
    let mut stars: Vec<(i64, u32, u32)> = Vec::new();
    for item in 0..p.items as u32 {
        let mut by_group: BTreeMap<u32, (i64, i64)> = BTreeMap::new();
        for (other, weight) in p.edges(item) {
            let shared = |g: &&u32| of_item[item as usize].contains(g);
            if let Some(&ix) = of_item[other as usize].iter().find(shared) {
                if item < other {
                    share[item as usize] += weight * groups[ix as usize].distance;
                }
                continue;
            }
            for &ix in &of_item[other as usize] {
                let entry = by_group.entry(ix).or_default();
                entry.0 += weight;
                entry.1 = entry.1.max(weight);
            }
        }
        for (ix, (sum, most)) in by_group {
            let gain = (sum - most) * groups[ix as usize].distance;
            if gain > 0 {
                stars.push((gain, item, ix));
            }
        }
    }
    stars.sort_unstable_by(|a, b| b.cmp(a));
    for (_, item, ix) in stars {
        let group = &groups[ix as usize];
        let (mut sum, mut most) = (0, 0);
        let mut edges = Vec::new();
        for (other, weight) in p.edges(item) {
            let key = (item.min(other), item.max(other));
            if group.members.binary_search(&other).is_ok() && !used.contains(&key) {
                sum += weight;
                most = most.max(weight);
                edges.push(key);
            }
        }
        if sum > most {
            share[item as usize] += (sum - most) * group.distance;
            used.extend(edges);
        }
    }
    share
}

fn apart_groups(p: &Dense) -> Vec<ApartGroup> {
    let mut groups = Vec::new();
    let mut least: BTreeMap<u32, i64> = BTreeMap::new();
    for lowered in p.rules.iter().filter(|l| l.weight == Weight::Hard) {
        if let DenseRule::Limit { group, partition, max: 1 } = &lowered.rule {
            let distance =
                *least.entry(partition.0).or_insert_with(|| least_between(p, partition.0 as usize));
            let members = p.groups[group.0 as usize].clone();
            if distance > 0 && members.len() > 1 {
                groups.push(ApartGroup { distance, members });
            }
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.distance));
    groups
}

/// Least distance of two hosts in different parts, by points; O(points²) where parts are larger than points.
fn least_between(p: &Dense, partition: usize) -> i64 {
    let part = &p.partitions[partition].of;
    // parts and hosts at each point: two different parts at a point allow the diagonal
    let points = p.distance.points as usize;
    let mut parts_at: Vec<Vec<u32>> = vec![Vec::new(); points];
    for (host, &point) in p.distance.point.iter().enumerate() {
        let list = &mut parts_at[point as usize];
        if list.len() < 2 && !list.contains(&part[host]) {
            list.push(part[host]);
        }
    }
    let mut least = i64::MAX;
    for a in 0..points {
        for b in a..points {
            let differ = parts_at[a].iter().any(|x| parts_at[b].iter().any(|y| x != y));
            if differ {
                least = least.min(p.distance.table[a * points + b]);
            }
        }
    }
    if least == i64::MAX { 0 } else { least }
}
