//! The state of a search: an assignment with everything that delta evaluation needs, kept up to date.

use crate::dense::{Dense, NONE, percent_over};
use crate::state::counters::{Counts, Place};
use crate::state::rare::Rare;

mod counters;
mod load;
mod quick;
mod rare;

use load::Change;
pub(crate) use load::{disturbance, own_cost, stranded};
pub(crate) use quick::Verdict;

/// Change of the objective: hard degree first, cost second.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Delta {
    pub(crate) hard: i64,
    pub(crate) cost: i64,
}

impl Delta {
    #[inline]
    pub(crate) fn add(&mut self, other: Self) {
        self.hard += other.hard;
        self.cost += other.cost;
    }

    /// Lexicographic: fewer violations, then less cost.
    #[inline]
    pub(crate) const fn better_than(self, other: Self) -> bool {
        self.hard < other.hard || (self.hard == other.hard && self.cost < other.cost)
    }
}

/// An assignment and its derived numbers. Items may be unplaced (`NONE`) between moves.
#[derive(Clone, Debug)]
pub(crate) struct State<'p> {
    pub(crate) p: &'p Dense,
    pub(crate) host_of: Vec<u32>,
    /// For each host one row: by dimension what is left of the capacity, counting what moved-away items keep in
    /// transient dimensions; then by dimension what is left of the soft capacity.
    room: Vec<i64>,
    /// Cost of the use of each host.
    load: Vec<i64>,
    /// Sum of the sensitivities on each host; empty without interference.
    sensitivity: Vec<i64>,
    pub(crate) residents: Vec<Vec<u32>>,
    slot: Vec<u32>,
    counts: Counts,
    rare: Rare,
    group_moved: Vec<u32>,
    /// How many groups have so many moved items.
    moved_histogram: Vec<u32>,
    moved_max: u32,
    /// Total hard degree and cost.
    pub(crate) value: Delta,
}

impl<'p> State<'p> {
    /// Nothing placed.
    pub(crate) fn empty(p: &'p Dense) -> Self {
        let mut room = Vec::with_capacity(2 * p.hosts * p.dims);
        for at in (0..p.hosts).map(|h| h * p.dims) {
            room.extend_from_slice(&p.capacity[at..at + p.dims]);
            room.extend_from_slice(&p.soft[at..at + p.dims]);
        }
        let mut hard = 0;
        if p.any_transient {
            for item in 0..p.items as u32 {
                let home = p.home[item as usize];
                if home != NONE {
                    let at = 2 * home as usize * p.dims;
                    for (r, demand) in p.demand_of(item).iter().enumerate().filter(|&(r, _)| p.transient[r]) {
                        room[at + r] -= demand;
                    }
                }
            }
            for (host, rows) in room.chunks_exact(2 * p.dims).enumerate() {
                let capacity = &p.capacity[host * p.dims..(host + 1) * p.dims];
                hard += capacity.iter().zip(rows).map(|(&c, &left)| percent_over(c - left, c)).sum::<i64>();
            }
        }
        let mut histogram = Vec::new();
        if !p.group_move_of.is_empty() {
            histogram = vec![0; p.items + 1];
            histogram[0] = p.items as u32;
        }
        let (rare, rare_value) = Rare::empty(p);
        let mut state = Self {
            p,
            host_of: vec![NONE; p.items],
            value: Delta { hard: hard + rare_value.hard, cost: rare_value.cost },
            room,
            load: vec![0; p.hosts],
            sensitivity: vec![0; if p.interference.is_empty() { 0 } else { p.hosts }],
            residents: vec![Vec::new(); p.hosts],
            slot: vec![0; p.items],
            counts: Counts::empty(p),
            rare,
            group_moved: vec![0; if p.group_move_of.is_empty() { 0 } else { p.items }],
            moved_histogram: histogram,
            moved_max: 0,
        };
        for host in 0..p.hosts as u32 {
            state.renew_load(host);
            state.value.cost += state.load[host as usize];
        }
        state
    }

    /// The state of an assignment; `NONE` leaves an item out.
    pub(crate) fn of(p: &'p Dense, assignment: &[u32]) -> Self {
        let mut state = Self::empty(p);
        for (item, &host) in assignment.iter().enumerate() {
            if host != NONE {
                state.apply(item as u32, host);
            }
        }
        state
    }

    /// Cost of the use of a host.
    #[inline]
    pub(crate) fn load_of(&self, host: u32) -> i64 {
        self.load[host as usize]
    }

    /// By dimension, what is left of the host's capacity.
    #[inline]
    pub(crate) fn hard_room(&self, host: u32) -> &[i64] {
        let at = 2 * host as usize * self.p.dims;
        &self.room[at..at + self.p.dims]
    }

    /// By dimension, what is left of the host's soft capacity.
    #[inline]
    fn soft_room(&self, host: u32) -> &[i64] {
        let at = (2 * host as usize + 1) * self.p.dims;
        &self.room[at..at + self.p.dims]
    }

    /// Necessary for exchanging all that is on two hosts: what each holds fits into the whole of the other.
    pub(crate) fn contents_fit(&self, a: u32, b: u32) -> bool {
        let p = self.p;
        let fits = |from: u32, to: u32| {
            let (x, y) = (from as usize * p.dims, to as usize * p.dims);
            let left = self.hard_room(from).iter().zip(&p.capacity[x..x + p.dims]);
            p.any_transient
                || left.zip(&p.capacity[y..y + p.dims]).all(|((left, has), room)| has - left <= *room)
        };
        fits(a, b) && fits(b, a)
    }

    /// True if the item fits on the host beside what is there, in every dimension.
    #[inline]
    pub(crate) fn fits(&self, item: u32, host: u32) -> bool {
        let p = self.p;
        let mut left = self.hard_room(host).iter().zip(p.demand_of(item));
        if p.any_transient && p.home[item as usize] == host {
            return left.zip(&p.transient).all(|((&left, &asked), &kept)| kept || asked <= left);
        }
        left.all(|(&left, &asked)| asked <= left)
    }

    /// Necessary for exchanging two items of different hosts: each fits where the other leaves.
    #[inline]
    pub(crate) fn exchange_fits(&self, i: u32, j: u32) -> bool {
        let (a, b) = (self.host_of[i as usize], self.host_of[j as usize]);
        self.fits_without(i, b, j) && self.fits_without(j, a, i)
    }

    fn fits_without(&self, item: u32, host: u32, leaver: u32) -> bool {
        let p = self.p;
        let (comes, leaves) = (p.demand_of(item), p.demand_of(leaver));
        let left = self.hard_room(host);
        let mut all = left.iter().zip(comes).zip(leaves);
        if !p.any_transient {
            return all.all(|((&left, &comes), &leaves)| comes - leaves <= left);
        }
        let (left_home, is_home) = (p.home[leaver as usize] == host, p.home[item as usize] == host);
        all.zip(&p.transient).all(|(((&left, &comes), &leaves), &transient)| {
            let leaves = if transient && left_home { 0 } else { leaves };
            let comes = if transient && is_home { 0 } else { comes };
            comes - leaves <= left
        })
    }

    /// Change of the objective if the item went to `to`; either place may be `NONE`. Pure.
    pub(crate) fn delta(&self, item: u32, to: u32) -> Delta {
        let p = self.p;
        let from = self.host_of[item as usize];
        let mut delta = Delta::default();
        if from == to {
            return delta;
        }
        if from != NONE {
            self.capacity_delta(item, from, -1, &mut delta);
        }
        if to != NONE {
            self.capacity_delta(item, to, 1, &mut delta);
        }
        self.counts.delta(Place { p, host_of: &self.host_of }, item, from, to, &mut delta);
        for (other, weight) in p.edges(item) {
            let at = self.host_of[other as usize];
            if at != NONE {
                if to != NONE {
                    delta.cost += weight * p.distance.between(to, at);
                }
                if from != NONE {
                    delta.cost -= weight * p.distance.between(from, at);
                }
            }
        }
        if p.home[item as usize] != NONE {
            self.move_delta(item, from, to, &mut delta);
        }
        if p.tables.has_rare {
            delta.add(self.rare.delta(self, item, from, to));
        }
        delta
    }

    /// By dimension, how much of the host's soft capacity would be missing if the item came.
    pub(crate) fn missing(&self, item: u32, host: u32) -> Vec<i64> {
        self.p.demand_of(item).iter().zip(self.soft_room(host)).map(|(d, left)| d - left).collect()
    }

    /// Price of hosts that would be opened less that of hosts that would be closed if the item went to `to`.
    pub(crate) fn opening(&self, item: u32, to: u32) -> i64 {
        let open_cost = &self.p.open_cost;
        let from = self.host_of[item as usize];
        let opened = if self.residents[to as usize].is_empty() { open_cost[to as usize] } else { 0 };
        let alone = from != NONE && self.residents[from as usize].len() == 1;
        opened - if alone { open_cost[from as usize] } else { 0 }
    }

    /// Change of `2 · Σ open cost · fill²` if the item went to `to`, less that of its part of the prices. The square rises
    /// when full hosts get fuller and empty ones emptier, which leads towards hosts that can be closed. The item's part of a
    /// price is its demand in the dimension where that is the largest share of the host.
    pub(crate) fn fill_gain(&self, item: u32, to: u32) -> f64 {
        let p = self.p;
        let change = |host: u32, sign: f64| -> f64 {
            if host == NONE || p.open_cost[host as usize] == 0 {
                return 0.0;
            }
            let at = host as usize * p.dims;
            let (mut fill, mut item_share, mut largest) = (0.0, 0.0, 0.0_f64);
            for (r, &demand) in p.demand_of(item).iter().enumerate() {
                fill += (p.soft[at + r] - self.soft_room(host)[r]) as f64 * p.share[at + r];
                let share = demand as f64 * p.share[at + r];
                item_share += share;
                largest = largest.max(share);
            }
            let after = fill + sign * item_share;
            let squares = after * after - fill * fill;
            p.open_cost[host as usize] as f64 * (2.0 * squares - sign * largest * p.dims as f64)
        };
        change(to, 1.0) + change(self.host_of[item as usize], -1.0)
    }

    /// Capacity, load, opening, own and fence parts of coming (`sign` 1) or leaving (-1).
    #[inline]
    fn capacity_delta(&self, item: u32, host: u32, sign: i64, delta: &mut Delta) {
        let p = self.p;
        let h = host as usize;
        let at = h * p.dims;
        let demand = p.demand_of(item);
        let at_home = p.any_transient && p.home[item as usize] == host;
        let left = self.hard_room(host);
        for (r, &asked) in demand.iter().enumerate() {
            if !(at_home && p.transient[r]) {
                let (before, after) = (left[r], left[r] - sign * asked);
                if before.min(after) < 0 {
                    let capacity = p.capacity[at + r];
                    delta.hard +=
                        percent_over(capacity - after, capacity) - percent_over(capacity - before, capacity);
                }
            }
        }
        let change = Change { demand: |r| sign * demand[r], sensitivity: sign * p.sensitivity_of(item) };
        delta.cost += self.load_with(host, change) - self.load[h];
        let others = self.residents[h].len() - usize::from(sign < 0);
        if others == 0 {
            delta.cost += sign * p.open_cost[h];
        }
        delta.cost += sign * own_cost(p, item, h);
        let (hard, cost) = p.tables.fence(p, item, host);
        delta.hard += sign * hard;
        delta.cost += sign * cost;
    }

    fn move_delta(&self, item: u32, from: u32, to: u32, delta: &mut Delta) {
        let p = self.p;
        let cost = |host: u32| if host == NONE { 0 } else { p.move_cost_to(item, host) };
        delta.cost += cost(to) - cost(from);
        if !self.group_moved.is_empty() {
            let (was, is) = (self.is_away(item, from), self.is_away(item, to));
            if was != is {
                let moved = self.group_moved[p.group_move_of[item as usize] as usize];
                let max = self.moved_max_after(moved, is);
                delta.cost += p.group_move_cost * (i64::from(max) - i64::from(self.moved_max));
            }
        }
    }

    /// True if the item has a home and is placed elsewhere.
    pub(crate) fn is_away(&self, item: u32, host: u32) -> bool {
        let home = self.p.home[item as usize];
        host != NONE && home != NONE && home != host
    }

    fn moved_max_after(&self, moved: u32, leaves_home: bool) -> u32 {
        if leaves_home {
            self.moved_max.max(moved + 1)
        } else if moved == self.moved_max && self.moved_histogram[moved as usize] == 1 {
            moved - 1
        } else {
            self.moved_max
        }
    }

    /// Puts the item on `to` (or takes it away for `NONE`); returns the change.
    pub(crate) fn apply(&mut self, item: u32, to: u32) -> Delta {
        let delta = self.delta(item, to);
        self.commit(item, to, delta);
        delta
    }

    /// Like [`apply`](Self::apply) with a change that [`delta`](Self::delta) has just given.
    pub(crate) fn commit(&mut self, item: u32, to: u32, delta: Delta) {
        let from = self.host_of[item as usize];
        if from == to {
            return;
        }
        self.value.add(delta);
        self.commit_rare(item, from, to);
        self.counts.commit(Place { p: self.p, host_of: &self.host_of }, item, from, to);
        self.commit_moves(item, from, to);
        if from != NONE {
            self.leave(item, from);
        }
        if to != NONE {
            self.enter(item, to);
        }
        self.host_of[item as usize] = to;
    }

    fn commit_rare(&mut self, item: u32, from: u32, to: u32) {
        if self.p.tables.has_rare {
            let mut rare = std::mem::take(&mut self.rare);
            rare.commit(self, item, from, to);
            self.rare = rare;
        }
    }

    fn commit_moves(&mut self, item: u32, from: u32, to: u32) {
        if self.group_moved.is_empty() {
            return;
        }
        let (was, is) = (self.is_away(item, from), self.is_away(item, to));
        if was == is {
            return;
        }
        let group = self.p.group_move_of[item as usize] as usize;
        let moved = self.group_moved[group];
        let after = if is { moved + 1 } else { moved - 1 };
        self.moved_max = self.moved_max_after(moved, is);
        self.moved_histogram[moved as usize] -= 1;
        self.moved_histogram[after as usize] += 1;
        self.group_moved[group] = after;
    }

    fn leave(&mut self, item: u32, host: u32) {
        self.shift_use(item, host, -1);
        let list = &mut self.residents[host as usize];
        let at = self.slot[item as usize] as usize;
        list.swap_remove(at);
        if let Some(&moved) = list.get(at) {
            self.slot[moved as usize] = at as u32;
        }
    }

    fn enter(&mut self, item: u32, host: u32) {
        self.shift_use(item, host, 1);
        let list = &mut self.residents[host as usize];
        self.slot[item as usize] = list.len() as u32;
        list.push(item);
    }

    fn shift_use(&mut self, item: u32, host: u32, sign: i64) {
        let p = self.p;
        let at = 2 * host as usize * p.dims;
        let at_home = p.any_transient && p.home[item as usize] == host;
        let (hard, soft) = self.room[at..at + 2 * p.dims].split_at_mut(p.dims);
        for (r, demand) in p.demand_of(item).iter().enumerate() {
            soft[r] -= sign * demand;
            if !(at_home && p.transient[r]) {
                hard[r] -= sign * demand;
            }
        }
        if let Some(sum) = self.sensitivity.get_mut(host as usize) {
            *sum += sign * p.sensitivity_of(item);
        }
        self.renew_load(host);
    }

    fn renew_load(&mut self, host: u32) {
        self.load[host as usize] = self.load_with(host, Change { demand: |_| 0, sensitivity: 0 });
    }

    /// Changes what a host can hold by an amount in each dimension, hard and soft alike.
    pub(crate) fn change_capacity(&mut self, host: u32, change: &[i64]) {
        let p = self.p;
        let h = host as usize;
        let at = 2 * h * p.dims;
        for (r, &change) in change.iter().enumerate() {
            let capacity = p.capacity[h * p.dims + r];
            let over = |left: i64| percent_over(capacity - left, capacity);
            let before = self.room[at + r];
            self.value.hard += over(before + change) - over(before);
            self.room[at + r] += change;
            self.room[at + p.dims + r] += change;
        }
        self.value.cost -= self.load[h];
        self.renew_load(host);
        self.value.cost += self.load[h];
    }

    /// What an item of a counter that has no host would add to the hard degree on a host, by the checks of that counter.
    pub(crate) fn counter_hard(&self, counter: u32, host: u32) -> i64 {
        self.counts.arrival(Place { p: self.p, host_of: &self.host_of }, counter, host).hard
    }

    /// At least so many items of one counter as are in parts without an item of another.
    pub(crate) fn unprovided(&self, requirer: u32, provider: u32) -> i64 {
        self.counts.unprovided(Place { p: self.p, host_of: &self.host_of }, requirer, provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate;
    use crate::fixture::{ALL, random_problem};
    use crate::rng::Pcg;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn incremental_values_equal_full_evaluation_for_any_moves(
            seed in any::<u64>(), items in 3_usize..14, hosts in prop_oneof![3_usize..9, 20_usize..50], kinds in 0..=ALL,
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let p = &problem.dense;
            let mut rng = Pcg::new(seed, 1);
            let mut state = State::empty(p);
            for _ in 0..60 {
                let item = rng.below(items) as u32;
                let to = if rng.below(6) == 0 { NONE } else { rng.below(hosts) as u32 };
                let expected = state.delta(item, to);
                let before = state.value;
                prop_assert_eq!(state.apply(item, to), expected);
                let full = evaluate(p, &state.host_of);
                let value = Delta { hard: full.hard, cost: full.terms.total() };
                prop_assert_eq!(state.value, value, "after {:?} {:?}", before, state.host_of);
            }
        }

        #[test]
        fn what_fits_breaks_no_capacity(seed in any::<u64>(), items in 3_usize..14, hosts in 3_usize..9) {
            let problem = random_problem(seed, items, hosts, 0);
            let p = &problem.dense;
            let mut rng = Pcg::new(seed, 2);
            let mut state = State::empty(p);
            for item in 0..items as u32 {
                let host = rng.below(hosts) as u32;
                let before = evaluate(p, &state.host_of).overloads.len();
                let fits = state.fits(item, host);
                state.apply(item, host);
                let after = evaluate(p, &state.host_of).overloads.len();
                prop_assert!(!fits || after <= before);
            }
            for _ in 0..40 {
                let (i, j) = (rng.below(items) as u32, rng.below(items) as u32);
                let (a, b) = (state.host_of[i as usize], state.host_of[j as usize]);
                if a == b {
                    continue;
                }
                let fits = state.exchange_fits(i, j);
                let mut x = state.host_of.clone();
                x.swap(i as usize, j as usize);
                let over = |x: &[u32]| evaluate(p, x).overloads.iter().any(|o| o.0 == a || o.0 == b);
                prop_assert_eq!(fits, !over(&x));
            }
        }
    }
}
