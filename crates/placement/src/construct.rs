//! First assignments: keep what has a home, put the rest where it adds least.

use crate::dense::{Dense, NONE};
use crate::rng::Pcg;
use crate::state::{Delta, State};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Hosts looked at for each item when there are very many.
const CANDIDATES_MAX: usize = 256;
/// Hosts looked at beside each partner's then.
const BESIDE_MAX: usize = 16;

/// How far ahead a first assignment looks where items talk to each other.
#[derive(Clone, Copy, Debug)]
struct Foresight {
    /// A place is judged by the distance to as many hosts as all items need, times this.
    reach: f64,
    /// Share of the traffic with partners to come that is taken for traffic with anywhere in reach.
    away: f64,
}

/// Which is best depends on the distances and on how full the fleet is: on generated fleets each of these was the cheapest
/// now and then, by up to one in ten, and searches that go on from there keep most of the difference.
const FORESIGHTS: [Foresight; 4] = [
    Foresight { reach: 1.0, away: 0.3 },
    Foresight { reach: f64::INFINITY, away: 0.3 },
    Foresight { reach: 1.0, away: 1.0 },
    Foresight { reach: f64::INFINITY, away: 1.0 },
];
/// Hosts that the first assignments of one worker may look at, those beside partners aside; one is made in any case.
const LOOKS_MAX: usize = 20_000_000;

/// Places every unplaced item with several [`Foresight`]s and keeps what costs least.
pub(crate) fn complete<'p>(p: &'p Dense, start: &[u32], rng: &mut Pcg) -> State<'p> {
    let unplaced = (0..p.items).filter(|&item| start.get(item).is_none_or(|&host| host == NONE)).count();
    let mut best = complete_with(p, start, FORESIGHTS[0], rng);
    let looks = unplaced * p.hosts.min(CANDIDATES_MAX);
    let builds = if p.edge_to.is_empty() || looks == 0 { 1 } else { LOOKS_MAX / looks };
    for &foresight in FORESIGHTS.iter().take(builds).skip(1) {
        let other = complete_with(p, start, foresight, rng);
        if other.value.better_than(best.value) {
            best = other;
        }
    }
    best
}

/// Places every unplaced item: next is always the one most tied to what is placed, then the largest (Prim's algorithm
/// grows a tree so), each where it adds least in the long run.
///
/// Judged by what it adds now, an item would sooner join the farthest host in use than pay for an empty one beside its
/// partners, and the first of an application would go to the cheapest corner of the fleet, where its partners have no
/// room. So a host counts the part of its price that the item takes, and an item with partners that wait for a place
/// counts a part of its distance to where they may go.
fn complete_with<'p>(p: &'p Dense, start: &[u32], foresight: Foresight, rng: &mut Pcg) -> State<'p> {
    let mut state = State::of(p, start);
    let mut open: Vec<u32> = (0..p.items as u32).filter(|&i| state.host_of[i as usize] == NONE).collect();
    if open.is_empty() {
        return state;
    }
    let share = scarcity(p);
    let size = |item: u32| -> f64 {
        p.demand_of(item).iter().zip(&share).map(|(&d, s)| d as f64 * s).fold(0.0, f64::max)
    };
    let sizes: Vec<f64> = (0..p.items as u32).map(size).collect();
    open.sort_by(|&a, &b| sizes[b as usize].total_cmp(&sizes[a as usize]).then(a.cmp(&b)));
    let mut rank = vec![0; p.items];
    for (k, &item) in open.iter().enumerate() {
        rank[item as usize] = k;
    }
    let remote = remoteness(p, foresight.reach, rng);
    let is_placed = |state: &State<'_>, item: u32| state.host_of[item as usize] != NONE;
    let mut tie: Vec<i64> = vec![0; p.items];
    for &item in &open {
        tie[item as usize] =
            p.edges(item).filter(|&(j, _)| is_placed(&state, j)).map(|(_, w)| w).fold(0, i64::saturating_add);
    }
    let mut queue: BinaryHeap<(i64, Reverse<usize>, u32)> =
        open.iter().map(|&item| (tie[item as usize], Reverse(rank[item as usize]), item)).collect();
    while let Some((seen, _, item)) = queue.pop() {
        if is_placed(&state, item) || seen != tie[item as usize] {
            continue;
        }
        let waiting: i64 = p
            .edges(item)
            .filter(|&(j, _)| !is_placed(&state, j))
            .map(|(_, w)| w)
            .fold(0, i64::saturating_add);
        insert_best(&mut state, item, rng, |state, host, delta| {
            let h = host as usize;
            let part = (p.open_cost[h] as f64 * share_of(p, item, host)) as i64;
            let whole = if state.residents[h].is_empty() { p.open_cost[h] } else { 0 };
            let away = remote.get(h).map_or(0.0, |distance| foresight.away * waiting as f64 * distance);
            let cost = (delta.cost - whole).saturating_add(part).saturating_add(away as i64);
            Delta { hard: delta.hard, cost }
        });
        for (other, weight) in p.edges(item) {
            if !is_placed(&state, other) {
                tie[other as usize] = tie[other as usize].saturating_add(weight);
                queue.push((tie[other as usize], Reverse(rank[other as usize]), other));
            }
        }
    }
    state
}

/// Mean distance of each host to the nearest hosts, as many as all items need times `reach`; of many hosts by a random
/// sample; empty without edges.
fn remoteness(p: &Dense, reach: f64, rng: &mut Pcg) -> Vec<f64> {
    const SAMPLE: usize = 1_024;
    if p.edge_to.is_empty() || p.hosts == 0 {
        return Vec::new();
    }
    let host = |k: usize| if p.hosts <= SAMPLE { k as u32 } else { rng.below(p.hosts) as u32 };
    let sample: Vec<u32> = (0..p.hosts.min(SAMPLE)).map(host).collect();
    let needed = (0..p.dims).map(|dimension| used_part(p, dimension)).fold(0.0, f64::max);
    // `min` takes the number where nothing times infinity is none
    let near = ((needed * reach).min(1.0) * sample.len() as f64).ceil() as usize;
    let near = near.clamp(1, sample.len());
    let mut distances: Vec<i64> = Vec::new();
    let mean = |point: u32| -> f64 {
        let Some(&host) = p.hosts_at(point).first() else { return 0.0 };
        distances.clear();
        distances.extend(sample.iter().map(|&other| p.distance.between(host, other)));
        distances.select_nth_unstable(near - 1);
        distances[..near].iter().map(|&distance| distance as f64).sum::<f64>() / near as f64
    };
    let of_point: Vec<f64> = (0..p.distance.points).map(mean).collect();
    p.distance.point.iter().map(|&point| of_point[point as usize]).collect()
}

/// Part of a host that an item takes, in the dimension where that is largest.
fn share_of(p: &Dense, item: u32, host: u32) -> f64 {
    let shares = &p.share[host as usize * p.dims..];
    let largest = p.demand_of(item).iter().zip(shares).map(|(&d, s)| d as f64 * s).fold(0.0, f64::max);
    (largest * p.dims as f64).min(1.0)
}

/// Everything as at the start, the rest by [`complete`]; every second worker takes the rest as it comes instead.
pub(crate) fn initial<'p>(p: &'p Dense, start: &[u32], rng: &mut Pcg, number: u64) -> State<'p> {
    if number.is_multiple_of(2) {
        return complete(p, start, rng);
    }
    let mut state = State::of(p, start);
    in_order(&mut state, rng);
    state
}

/// Places every unplaced item in the order of the index, each where it adds least: one by one, without a look ahead.
pub(crate) fn in_order(state: &mut State<'_>, rng: &mut Pcg) -> u64 {
    let mut work = 0;
    for item in 0..state.p.items as u32 {
        if state.host_of[item as usize] == NONE {
            work += insert_best(state, item, rng, |_, _, delta| delta);
        }
    }
    work
}

/// Puts an unplaced item on its best host as `judged` sees what it adds; returns the number of hosts looked at.
fn insert_best<'p>(
    state: &mut State<'p>,
    item: u32,
    rng: &mut Pcg,
    judged: impl Fn(&State<'p>, u32, Delta) -> Delta,
) -> u64 {
    let hosts = state.p.hosts;
    let mut best: Option<(Delta, Delta, u32)> = None;
    let looked = hosts.min(CANDIDATES_MAX);
    let start = rng.below(hosts);
    let look = |host: u32, best: &mut Option<(Delta, Delta, u32)>| {
        let delta = state.delta(item, host);
        let value = judged(state, host, delta);
        if best.is_none_or(|(least, ..)| value.better_than(least)) {
            *best = Some((value, delta, host));
        }
    };
    for step in 0..looked {
        look(((start + step) % hosts) as u32, &mut best);
    }
    if hosts > looked {
        let mut near: Vec<u32> = state
            .p
            .edges(item)
            .take(32)
            .map(|(j, _)| state.host_of[j as usize])
            .filter(|&h| h != NONE)
            .collect();
        near.sort_unstable();
        near.dedup();
        for host in near {
            look(host, &mut best);
            let beside = state.p.neighbours(host);
            let skip = rng.below(beside.len());
            for step in 0..beside.len().min(BESIDE_MAX) {
                look(beside[(skip + step) % beside.len()], &mut best);
            }
        }
        // nothing fits in the window: look everywhere
        if best.is_some_and(|(_, delta, _)| delta.hard > 0) {
            for step in looked..hosts {
                look(((start + step) % hosts) as u32, &mut best);
                if best.is_some_and(|(_, delta, _)| delta.hard <= 0) {
                    break;
                }
            }
        }
    }
    if let Some((_, delta, host)) = best {
        state.commit(item, host, delta);
    }
    looked as u64
}

/// One over the total capacity of each dimension.
fn scarcity(p: &Dense) -> Vec<f64> {
    (0..p.dims).map(|dimension| 1.0 / capacity_of_all(p, dimension).max(1.0)).collect()
}

/// Part of all capacity that the items ask for.
fn used_part(p: &Dense, dimension: usize) -> f64 {
    let demand: f64 = (0..p.items as u32).map(|item| p.demand_of(item)[dimension] as f64).sum();
    demand / capacity_of_all(p, dimension).max(1.0)
}

fn capacity_of_all(p: &Dense, dimension: usize) -> f64 {
    (0..p.hosts).map(|host| p.capacity[host * p.dims + dimension] as f64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::DenseBuilder;
    use crate::dense::{DenseHost, DenseItem, Dimension, Distances};

    /// Two places, far from each other, with hosts of these prices; pairs of items that talk to each other.
    fn hosts_of(prices: [i64; 4], points: [u32; 4], items: u32, demand: i64) -> Dense {
        let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
        for open_cost in prices {
            raw.host(DenseHost { capacity: vec![10], open_cost, ..DenseHost::default() });
        }
        for _ in 0..items {
            raw.item(DenseItem { demand: vec![demand], ..DenseItem::default() });
        }
        for pair in 0..items / 2 {
            raw.edge(2 * pair, 2 * pair + 1, 10);
        }
        raw.distances(Distances { point: points.to_vec(), table: vec![1, 4, 4, 1], points: 2, same_host: 0 });
        raw.into_dense().unwrap()
    }

    #[test]
    fn partners_go_to_an_empty_host_near_by_sooner_than_to_a_far_one_in_use() {
        // Two items of seven do not fit on one host, and each asks for most of one: after the first pair, hosts in use are full.
        let p = hosts_of([100, 101, 102, 103], [0, 0, 1, 1], 4, 7);
        let state = complete(&p, &p.home, &mut Pcg::new(1, 0));
        let point = |item: usize| p.distance.point[state.host_of[item] as usize];
        assert!(point(0) == point(1) && point(2) == point(3), "{:?}", state.host_of);
        // A used host far away would have been free of charge at once.
        let p = hosts_of([100, 101, 102, 103], [0, 1, 1, 0], 4, 5);
        let state = complete(&p, &[NONE, NONE, 0, 1], &mut Pcg::new(1, 0));
        assert_eq!(state.host_of, [1, 2, 0, 1]);
    }

    #[test]
    fn the_cheapest_of_four_first_assignments_is_kept_and_it_is_not_always_the_same() {
        let mut kept = [false; FORESIGHTS.len()];
        for seed in 0..40 {
            let problem = crate::fixture::random_problem(seed, 40, 12, 0);
            let p = &problem.dense;
            let nowhere = vec![NONE; p.items];
            let mut rng = Pcg::new(seed, 0);
            let values = FORESIGHTS.map(|foresight| complete_with(p, &nowhere, foresight, &mut rng).value);
            let mut best = 0;
            for k in 1..values.len() {
                if values[k].better_than(values[best]) {
                    best = k;
                }
            }
            kept[best] = true;
            assert_eq!(complete(p, &nowhere, &mut Pcg::new(seed, 0)).value, values[best]);
        }
        assert_eq!(kept, [true; FORESIGHTS.len()]);
    }

    #[test]
    fn among_thousands_of_hosts_those_beside_a_partner_are_looked_at() {
        const HOSTS: u32 = 5_000;
        let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
        for _ in 0..HOSTS {
            raw.host(DenseHost { capacity: vec![1], ..DenseHost::default() });
        }
        raw.item(DenseItem { demand: vec![1], home: Some(4_321), ..DenseItem::default() });
        raw.item(DenseItem { demand: vec![1], ..DenseItem::default() });
        raw.edge(0, 1, 10);
        let points = HOSTS / 10;
        let table = (0..points * points).map(|k| if k % (points + 1) == 0 { 1 } else { 50 }).collect();
        let point = (0..HOSTS).map(|host| host / 10).collect();
        raw.distances(Distances { point, table, points, same_host: 0 });
        let p = raw.into_dense().unwrap();
        for seed in 0..20 {
            let state = complete(&p, &p.home, &mut Pcg::new(seed, 0));
            assert_eq!(state.host_of[1] / 10, 432, "seed {seed}");
        }
    }

    #[test]
    fn the_part_of_a_price_is_that_of_the_dimension_an_item_takes_most_of() {
        let mut raw = DenseBuilder::new(
            ["cpu", "memory"].map(|name| Dimension { name: name.into(), ..Dimension::default() }),
        );
        raw.host(DenseHost { capacity: vec![10, 100], open_cost: 5, ..DenseHost::default() });
        raw.item(DenseItem { demand: vec![1, 40], ..DenseItem::default() });
        let p = raw.into_dense().unwrap();
        assert!((share_of(&p, 0, 0) - 0.4).abs() < 1e-12);
    }

    #[test]
    fn weights_and_prices_near_the_end_of_the_numbers_do_not_overflow() {
        let mut raw = DenseBuilder::default();
        for _ in 0..2 {
            raw.host(DenseHost::default());
        }
        for _ in 0..3 {
            raw.item(DenseItem::default());
        }
        raw.edge(0, 1, i64::MAX);
        raw.edge(0, 2, i64::MAX);
        let p = raw.into_dense().unwrap();
        let state = complete(&p, &p.home, &mut Pcg::new(1, 0));
        assert!(state.host_of.iter().all(|&host| host != NONE));
        // A host of one beside one of 2^60, an item of 2^60: its part of the price is the whole price, not 2^60 times that.
        let mut raw =
            DenseBuilder::new([Dimension { name: "cpu".into(), overload_cost: 1, ..Dimension::default() }]);
        for capacity in [1, 1 << 60] {
            raw.host(DenseHost { capacity: vec![capacity], open_cost: 10, ..DenseHost::default() });
        }
        raw.item(DenseItem { demand: vec![1 << 60], ..DenseItem::default() });
        let p = raw.into_dense().unwrap();
        let state = complete(&p, &p.home, &mut Pcg::new(1, 0));
        assert_eq!(state.host_of, [1]);
    }

    #[test]
    fn a_corner_of_the_fleet_is_remote_and_a_place_with_room_for_all_is_not() {
        // Three hosts at one place and one alone: (0 + 1 + 1 + 4) / 4 and (4 + 4 + 4 + 0) / 4.
        let p = hosts_of([1; 4], [0, 0, 0, 1], 2, 1);
        assert_eq!(remoteness(&p, f64::INFINITY, &mut Pcg::new(1, 0)), [1.5, 1.5, 1.5, 3.0]);
        // Two items of fifteen need three hosts of four; a tenth of that is less than the host itself.
        let p = hosts_of([1; 4], [0, 0, 0, 1], 2, 15);
        let near = |reach: f64| remoteness(&p, reach, &mut Pcg::new(1, 0));
        assert_eq!(near(1.0), [2.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0, 8.0 / 3.0]);
        assert_eq!(near(0.1), [0.0; 4]);
    }
}
