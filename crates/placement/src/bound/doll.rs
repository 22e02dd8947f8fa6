//! The least proximity cost of one connected part of the graph, by Russian doll search.
//!
//! # Model
//! The items of the part are put into *blocks*: a block stands for one host, of which only its [area](super::areas)
//! matters. Kept are: what must be apart, spreads over areas, fences, the number of hosts of an area and the largest
//! capacity there. Everything else is relaxed, and distances are the least between areas, so the optimum is a lower
//! bound of what the part costs in any placement.
//!
//! # Search
//! Russian doll search (Verfaillie, Lemaître and Schiex 1996): the last item alone is solved first, then the last two,
//! and so on; the optimum of a suffix bounds the cost among the items that are still open in the next larger problem.
//! What open items owe to placed ones is added item by item. A block that is not open yet stands once for each area, which
//! breaks the symmetry of hosts. When the nodes are used up, what has been solved is one cluster, the rest begins a new
//! one, and edges between clusters count nothing.

use super::areas::Areas;
use crate::dense::{Dense, DenseRule};

/// Larger parts are not searched.
const ITEMS_MAX: usize = 256;

/// Lower bound of the proximity cost of the edges among `items`, within so many nodes of search.
pub(super) fn bound(p: &Dense, areas: &Areas, items: &[u32], nodes: u64) -> i64 {
    if items.len() > ITEMS_MAX {
        return 0;
    }
    let (mut rest, mut left, mut total) = (items.to_vec(), nodes, 0);
    while rest.len() > 1 && left > 0 {
        rest = from_loose_to_tied(p, &rest);
        // half for this cluster, so that something is left if it is not the last
        let share = left.div_ceil(2);
        let mut doll = Doll::new(p, areas, &rest, share);
        let (solved_from, value) = doll.solve();
        total += value;
        left -= share;
        rest.truncate(solved_from);
    }
    total
}

/// An order whose suffixes are tied together as much as possible.
fn from_loose_to_tied(p: &Dense, items: &[u32]) -> Vec<u32> {
    let weight_of = |item: u32| p.edges(item).map(|(_, w)| w).sum::<i64>();
    let mut tie = vec![0_i64; items.len()];
    let mut chosen = vec![false; items.len()];
    let mut order = Vec::with_capacity(items.len());
    let mut sorted = items.to_vec();
    sorted.sort_unstable();
    for _ in 0..sorted.len() {
        let open = (0..sorted.len()).filter(|&k| !chosen[k]);
        let Some(next) = open.max_by_key(|&k| (tie[k], weight_of(sorted[k]), std::cmp::Reverse(k))) else {
            break;
        };
        chosen[next] = true;
        order.push(sorted[next]);
        for (other, weight) in p.edges(sorted[next]) {
            if let Ok(k) = sorted.binary_search(&other) {
                tie[k] += weight;
            }
        }
    }
    order.reverse();
    order
}

/// Two items that must be apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Apart {
    Hosts,
    Areas,
}

/// Members, the part of each area, and over how many parts the members must be.
struct SpreadOver<'a> {
    members: Vec<usize>,
    part_of: &'a [u32],
    min: usize,
}

/// A label of an item is an area (a block of its own there) or, after all areas, an open block.
struct Doll<'a> {
    areas: &'a Areas,
    dims: usize,
    same_host: i64,
    demand: Vec<&'a [i64]>,
    /// Edges and separations to later items.
    edges: Vec<Vec<(usize, i64)>>,
    apart: Vec<Vec<(usize, Apart)>>,
    allowed: Vec<Vec<bool>>,
    spreads: Vec<SpreadOver<'a>>,
    spreads_of: Vec<Vec<usize>>,
    /// Optimum of the items from each position on.
    suffix: Vec<i64>,
    /// First item of the problem being solved.
    start: usize,
    block_area: Vec<usize>,
    load: Vec<i64>,
    blocks_in: Vec<usize>,
    block_of: Vec<usize>,
    /// What each later item would pay to placed ones, and how many of them forbid it, by label.
    owed: Vec<Vec<i64>>,
    banned: Vec<Vec<u32>>,
    best: i64,
    best_block_of: Vec<usize>,
    best_area: Vec<usize>,
    nodes_left: u64,
}

impl<'a> Doll<'a> {
    fn new(p: &'a Dense, areas: &'a Areas, items: &[u32], nodes: u64) -> Self {
        let n = items.len();
        let mut at: Vec<(u32, usize)> = items.iter().copied().zip(0..).collect();
        at.sort_unstable();
        let position = |item: u32| at.binary_search_by_key(&item, |&(i, _)| i).ok().map(|k| at[k].1);
        let later = |k: usize| {
            let known = p.edges(items[k]).filter_map(|(other, w)| Some((position(other)?, w)));
            known.filter(|&(other, _)| other > k).collect()
        };
        let mut doll = Self {
            areas,
            dims: p.dims,
            same_host: p.distance.same_host,
            demand: items.iter().map(|&item| p.demand_of(item)).collect(),
            edges: (0..n).map(later).collect(),
            apart: vec![Vec::new(); n],
            allowed: items.iter().map(|&item| areas.allowed(p, item)).collect(),
            spreads: Vec::new(),
            spreads_of: vec![Vec::new(); n],
            suffix: vec![0; n + 1],
            start: 0,
            block_area: Vec::new(),
            load: Vec::new(),
            blocks_in: vec![0; areas.count],
            block_of: vec![0; n],
            owed: vec![vec![0; areas.count]; n],
            banned: vec![vec![0; areas.count]; n],
            best: i64::MAX,
            best_block_of: vec![0; n],
            best_area: Vec::new(),
            nodes_left: nodes,
        };
        doll.read_rules(p, items, position);
        doll
    }

    fn read_rules(&mut self, p: &Dense, items: &[u32], position: impl Fn(u32) -> Option<usize>) {
        let mut rules: Vec<u32> =
            items.iter().flat_map(|&item| &self.areas.rules_of[item as usize]).copied().collect();
        rules.sort_unstable();
        rules.dedup();
        for rule in rules {
            match &p.rules[rule as usize].rule {
                DenseRule::Limit { group, partition, max: 1 } => {
                    let by_area = self.areas.parts(*partition).is_some();
                    let level = if by_area { Apart::Areas } else { Apart::Hosts };
                    let members: Vec<usize> =
                        p.groups[group.0 as usize].iter().filter_map(|&item| position(item)).collect();
                    for (ix, &a) in members.iter().enumerate() {
                        for &b in &members[ix + 1..] {
                            self.apart[a.min(b)].push((a.max(b), level));
                        }
                    }
                }
                DenseRule::Spread { group, partition, min, .. } => {
                    let Some(part_of) = self.areas.parts(*partition) else { continue };
                    let group = &p.groups[group.0 as usize];
                    let members: Vec<usize> = group.iter().filter_map(|&item| position(item)).collect();
                    let wanted = (*min as usize).min(group.len());
                    let min = wanted.saturating_sub(group.len() - members.len());
                    if min > 1 {
                        for &member in &members {
                            self.spreads_of[member].push(self.spreads.len());
                        }
                        self.spreads.push(SpreadOver { members, part_of, min });
                    }
                }
                _ => {}
            }
        }
    }

    /// Solves ever larger suffixes; returns where the largest solved one begins, and its optimum.
    fn solve(&mut self) -> (usize, i64) {
        let n = self.edges.len();
        for k in (0..n).rev() {
            self.start = k;
            self.best = i64::MAX;
            if k + 1 == n || !self.best_area.is_empty() {
                self.extend_best(k);
            }
            if self.best > self.suffix[k + 1] && !self.descend(k, 0) {
                return ((k + 1).min(n - 1), self.suffix[k + 1]);
            }
            if self.best == i64::MAX {
                // no placement keeps these rules: the bound of the others is one, too
                return (k, self.suffix[k + 1]);
            }
            self.suffix[k] = self.best;
        }
        (0, self.suffix[0])
    }

    /// A first solution: the optimum of the items after `k`, and `k` where it costs least.
    fn extend_best(&mut self, k: usize) {
        let (blocks, block_areas) = (self.best_block_of.clone(), self.best_area.clone());
        let fresh = block_areas.len();
        let mut choices: Vec<(usize, usize)> = block_areas.iter().copied().enumerate().collect();
        choices.extend((0..self.areas.count).map(|area| (fresh, area)));
        for (block, area) in choices {
            let mut block_areas = block_areas.clone();
            if block == fresh {
                block_areas.push(area);
            }
            let mut blocks = blocks.clone();
            blocks[k] = block;
            self.replay(k, &blocks, &block_areas);
        }
    }

    /// Places the items from `k` on as given, and keeps that if it is feasible and better.
    fn replay(&mut self, k: usize, blocks: &[usize], block_areas: &[usize]) {
        let mut name = vec![usize::MAX; block_areas.len()];
        let (mut cost, mut feasible, mut placed) = (0, true, Vec::new());
        for (at, &block) in blocks.iter().enumerate().skip(k) {
            let fresh = name[block] == usize::MAX;
            let label = if fresh { block_areas[block] } else { self.areas.count + name[block] };
            if !self.is_allowed(at, label) {
                feasible = false;
                break;
            }
            cost += self.owed[at][label];
            self.place(at, label);
            name[block] = self.block_of[at];
            placed.push((at, fresh));
            if !self.can_spread(at) {
                feasible = false;
                break;
            }
        }
        if feasible && cost < self.best {
            self.keep(cost);
        }
        for &(at, fresh) in placed.iter().rev() {
            self.unplace(at, fresh);
        }
    }

    fn keep(&mut self, cost: i64) {
        self.best = cost;
        self.best_block_of.clone_from(&self.block_of);
        self.best_area.clone_from(&self.block_area);
    }

    /// Depth first, cheap labels first. False when the nodes are used up.
    fn descend(&mut self, at: usize, cost: i64) -> bool {
        if at == self.edges.len() {
            self.keep(cost);
            return true;
        }
        let mut labels: Vec<(i64, usize)> = (0..self.owed[at].len())
            .filter(|&label| self.is_allowed(at, label))
            .map(|label| (self.owed[at][label], label))
            .collect();
        labels.sort_unstable();
        for (owed, label) in labels {
            let cost = cost + owed;
            if cost + self.suffix[at + 1] >= self.best {
                break;
            }
            if self.nodes_left == 0 {
                return false;
            }
            self.nodes_left -= 1;
            self.place(at, label);
            let promising = self.can_spread(at)
                && self.owed_by_open(at + 1, self.best - cost - self.suffix[at + 1]).is_some();
            let finished = !promising || self.descend(at + 1, cost);
            self.unplace(at, label < self.areas.count);
            if !finished {
                return false;
            }
        }
        true
    }

    /// What the items from `from` on pay at least to placed ones; `None` if that is `limit` or more, or one fits nowhere.
    fn owed_by_open(&self, from: usize, limit: i64) -> Option<i64> {
        let mut sum = 0;
        for at in from..self.edges.len() {
            let labels = 0..self.owed[at].len();
            sum += labels.filter(|&l| self.is_allowed(at, l)).map(|l| self.owed[at][l]).min()?;
            if sum >= limit {
                return None;
            }
        }
        Some(sum)
    }

    fn is_allowed(&self, at: usize, label: usize) -> bool {
        let areas = self.areas;
        let (area, load) = match label.checked_sub(areas.count) {
            None if self.blocks_in[label] >= areas.hosts[label] => return false,
            None => (label, None),
            Some(_) if self.banned[at][label] > 0 => return false,
            Some(block) => (self.block_area[block], Some(&self.load[block * self.dims..])),
        };
        if !self.allowed[at][area] || self.banned[at][area] > 0 {
            return false;
        }
        let capacity = &areas.capacity[area * self.dims..];
        self.demand[at]
            .iter()
            .enumerate()
            .all(|(r, demand)| demand + load.map_or(0, |load| load[r]) <= capacity[r])
    }

    fn distance(&self, block: usize, label: usize) -> i64 {
        let area = self.block_area[block];
        let to = match label.checked_sub(self.areas.count) {
            Some(other) if other == block => return self.same_host,
            Some(other) => self.block_area[other],
            None => label,
        };
        // two hosts of an area that has one: never allowed, so never paid
        self.areas.least(area, to).unwrap_or(0)
    }

    fn place(&mut self, at: usize, label: usize) {
        let n = self.edges.len();
        let block = label.checked_sub(self.areas.count).unwrap_or(self.block_area.len());
        if label < self.areas.count {
            self.block_area.push(label);
            self.blocks_in[label] += 1;
            self.load.resize(self.load.len() + self.dims, 0);
            for later in at + 1..n {
                // so far the new block costs what any new block of its area costs
                let owed = self.owed[later][label];
                self.owed[later].push(owed);
                self.banned[later].push(0);
            }
        }
        self.block_of[at] = block;
        self.change(at, block, 1);
    }

    fn unplace(&mut self, at: usize, fresh: bool) {
        let block = self.block_of[at];
        self.change(at, block, -1);
        if fresh {
            if let Some(area) = self.block_area.pop() {
                self.blocks_in[area] -= 1;
            }
            self.load.truncate(block * self.dims);
            for later in at + 1..self.edges.len() {
                self.owed[later].pop();
                self.banned[later].pop();
            }
        }
    }

    fn change(&mut self, at: usize, block: usize, sign: i64) {
        for (load, demand) in self.load[block * self.dims..].iter_mut().zip(self.demand[at]) {
            *load += sign * demand;
        }
        for edge in 0..self.edges[at].len() {
            let (later, weight) = self.edges[at][edge];
            for label in 0..self.owed[later].len() {
                self.owed[later][label] += sign * weight * self.distance(block, label);
            }
        }
        for &(later, level) in &self.apart[at] {
            let label = match level {
                Apart::Hosts => self.areas.count + block,
                Apart::Areas => self.block_area[block],
            };
            let banned = &mut self.banned[later][label];
            *banned = if sign > 0 { *banned + 1 } else { *banned - 1 };
        }
    }

    /// True if the groups of an item can still be over enough areas.
    fn can_spread(&self, at: usize) -> bool {
        self.spreads_of[at].iter().all(|&ix| {
            let spread = &self.spreads[ix];
            let placed = |&&member: &&usize| member >= self.start && member <= at;
            let part = |&member: &usize| spread.part_of[self.block_area[self.block_of[member]]];
            let mut used: Vec<u32> = spread.members.iter().filter(placed).map(part).collect();
            let open = spread.members.len() - used.len();
            used.sort_unstable();
            used.dedup();
            used.len() + open >= spread.min
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;
    use crate::{DenseBuilder, DenseHost, DenseItem, Dimension, Distances, Problem};
    use ecosystem_core::Weight;
    use proptest::prelude::*;

    const HOSTS: usize = 6;

    /// Two zones of three equal hosts, so that areas lose nothing.
    fn two_zones(seed: u64, items: usize) -> Problem {
        let mut rng = Pcg::new(seed, 0);
        let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
        for _ in 0..HOSTS {
            raw.host(DenseHost { capacity: vec![8], ..DenseHost::default() });
        }
        for _ in 0..items {
            raw.item(DenseItem { demand: vec![1 + rng.below(4) as i64], ..DenseItem::default() });
        }
        for k in 1..items {
            // connected, with chords
            raw.edge(k as u32, rng.below(k) as u32, 1 + rng.below(9) as i64);
            raw.edge(k as u32, rng.below(items) as u32, rng.below(9) as i64);
        }
        let point: Vec<u32> = (0..HOSTS as u32).map(|h| h / 3).collect();
        raw.distances(Distances { point: point.clone(), table: vec![1, 7, 7, 2], points: 2, same_host: 0 });
        let by_host = raw.partition((0..HOSTS as u32).collect());
        let by_zone = raw.partition(point);
        let some =
            |rng: &mut Pcg| -> Vec<u32> { (0..items as u32).filter(|_| rng.below(2) == 0).take(3).collect() };
        let (apart, spread) = (raw.group(some(&mut rng)), raw.group(some(&mut rng)));
        raw.rule("apart", Weight::Hard, DenseRule::Limit { group: apart, partition: by_host, max: 1 });
        raw.rule(
            "spread",
            Weight::Hard,
            DenseRule::Spread { group: spread, partition: by_zone, min: 2, max_skew: None },
        );
        raw.build().unwrap()
    }

    /// The least of all placements that keep the rules.
    fn least_of_all(problem: &Problem, items: usize) -> Option<i64> {
        let p = &problem.dense;
        let mut assignment = vec![0_u32; items];
        let mut least: Option<i64> = None;
        loop {
            let found = crate::evaluate::evaluate(p, &assignment);
            if found.hard == 0 {
                let cost = found.terms.total();
                least = Some(least.map_or(cost, |l| l.min(cost)));
            }
            let Some(next) = assignment.iter().position(|&h| (h as usize) < HOSTS - 1) else { return least };
            assignment[..next].fill(0);
            assignment[next] += 1;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn the_search_finds_the_optimum_where_areas_lose_nothing(seed in any::<u64>(), items in 2_usize..6) {
            let problem = two_zones(seed, items);
            let p = &problem.dense;
            let all: Vec<u32> = (0..items as u32).collect();
            if let Some(least) = least_of_all(&problem, items) {
                prop_assert_eq!(bound(p, &Areas::of(p), &all, 1_000_000), least);
                for nodes in [0, 1, 3, 10, 30] {
                    prop_assert!(bound(p, &Areas::of(p), &all, nodes) <= least);
                }
            }
        }
    }
}
