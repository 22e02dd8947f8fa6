//! Evaluation of moves from a state that keeps all hard rules, cheap terms first, that stops as soon as a move is
//! certain to be refused.

use super::counters::Place;
use super::{Change, Delta, State, own_cost};
use crate::dense::NONE;

/// What a bounded evaluation found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It would break a hard rule.
    Breaks,
    /// It keeps the hard rules as far as they were looked at, and costs more than the limit.
    Above,
    /// It keeps all hard rules and changes the cost by so much, at most the limit.
    Within(i64),
}

impl State<'_> {
    /// Judges a shift of a placed item to another host against a limit of the rise of the cost.
    ///
    /// Room comes first, because most proposals fail there; then what costs little to evaluate; the load of the host
    /// that is left gives back at most what it costs now, which settles many before it is computed.
    pub(crate) fn judge_shift(&self, item: u32, to: u32, limit: i64) -> Verdict {
        let p = self.p;
        let from = self.host_of[item as usize];
        if !self.fits(item, to) {
            return Verdict::Breaks;
        }
        let mut delta = Delta::default();
        self.fence_change(item, from, to, &mut delta);
        if delta.hard > 0 {
            return Verdict::Breaks;
        }
        self.opening_change(from, to, &mut delta);
        delta.cost += own_cost(p, item, to as usize) - own_cost(p, item, from as usize);
        delta.cost += self.edge_change(item, from, to, NONE);
        if p.home[item as usize] != NONE {
            self.move_delta(item, from, to, &mut delta);
        }
        let exact = !p.tables.soft_rules;
        if p.has_load {
            let (demand, sensitivity) = (p.demand_of(item), p.sensitivity_of(item));
            let comes = Change { demand: |r: usize| demand[r], sensitivity };
            delta.cost += self.load_with(to, comes) - self.load[to as usize];
            if exact && delta.cost - self.load[from as usize] > limit {
                return Verdict::Above;
            }
            let leaves = Change { demand: |r: usize| -demand[r], sensitivity: -sensitivity };
            delta.cost += self.load_with(from, leaves) - self.load[from as usize];
        }
        if exact && delta.cost > limit {
            return Verdict::Above;
        }
        self.counts.delta(Place { p, host_of: &self.host_of }, item, from, to, &mut delta);
        if p.tables.has_rare {
            delta.add(self.rare.delta(self, item, from, to));
        }
        if delta.hard > 0 {
            Verdict::Breaks
        } else if delta.cost > limit {
            Verdict::Above
        } else {
            Verdict::Within(delta.cost)
        }
    }

    /// Judges an exchange of two items of different hosts by room, fences and cost; [`Verdict::Within`] is a lower
    /// bound of the change, and rules that count are not looked at.
    pub(crate) fn judge_exchange(&self, i: u32, j: u32, limit: i64) -> Verdict {
        let p = self.p;
        let (a, b) = (self.host_of[i as usize], self.host_of[j as usize]);
        if !self.exchange_fits(i, j) {
            return Verdict::Breaks;
        }
        let mut delta = Delta::default();
        self.fence_change(i, a, b, &mut delta);
        self.fence_change(j, b, a, &mut delta);
        if delta.hard > 0 {
            return Verdict::Breaks;
        }
        if p.tables.soft_rules {
            return Verdict::Within(delta.cost);
        }
        let (x, y) = (a as usize, b as usize);
        delta.cost += own_cost(p, i, y) - own_cost(p, i, x) + own_cost(p, j, x) - own_cost(p, j, y);
        delta.cost += self.edge_change(i, a, b, j) + self.edge_change(j, b, a, i);
        delta.cost +=
            p.move_cost_to(i, b) - p.move_cost_to(i, a) + p.move_cost_to(j, a) - p.move_cost_to(j, b);
        if !self.group_moved.is_empty() {
            delta.cost -= 2 * p.group_move_cost;
        }
        if p.has_load {
            let (comes, leaves) = (p.demand_of(i), p.demand_of(j));
            let sensitivity = p.sensitivity_of(i) - p.sensitivity_of(j);
            let there = Change { demand: |r: usize| comes[r] - leaves[r], sensitivity };
            delta.cost += self.load_with(b, there) - self.load[y];
            if delta.cost - self.load[x] > limit {
                return Verdict::Above;
            }
            let here = Change { demand: |r: usize| leaves[r] - comes[r], sensitivity: -sensitivity };
            delta.cost += self.load_with(a, here) - self.load[x];
        }
        if delta.cost > limit { Verdict::Above } else { Verdict::Within(delta.cost) }
    }

    #[inline]
    fn fence_change(&self, item: u32, from: u32, to: u32, delta: &mut Delta) {
        let p = self.p;
        if !p.tables.fence_class.is_empty() {
            let (before, after) = (p.tables.fence(p, item, from), p.tables.fence(p, item, to));
            delta.hard += after.0 - before.0;
            delta.cost += after.1 - before.1;
        }
    }

    #[inline]
    fn opening_change(&self, from: u32, to: u32, delta: &mut Delta) {
        if self.residents[from as usize].len() == 1 {
            delta.cost -= self.p.open_cost[from as usize];
        }
        if self.residents[to as usize].is_empty() {
            delta.cost += self.p.open_cost[to as usize];
        }
    }

    /// Change of the proximity term if the item went from one host to another, without its edge to `except`.
    #[inline]
    fn edge_change(&self, item: u32, from: u32, to: u32, except: u32) -> i64 {
        let p = self.p;
        let mut change = 0_i64;
        for (other, weight) in p.edges(item) {
            let at = self.host_of[other as usize];
            if at != NONE && other != except {
                let farther = p.distance.between(to, at).wrapping_sub(p.distance.between(from, at));
                change = change.wrapping_add(weight.wrapping_mul(farther));
            }
        }
        change
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
        fn bounded_verdicts_agree_with_full_evaluation(
            seed in any::<u64>(), items in 3_usize..14, hosts in prop_oneof![3_usize..9, 20_usize..50], kinds in 0..=ALL, limit in 0_i64..500,
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let p = &problem.dense;
            let mut rng = Pcg::new(seed, 3);
            let mut state = State::empty(p);
            for item in 0..items as u32 {
                state.apply(item, rng.below(hosts) as u32);
            }
            for _ in 0..60 {
                let (i, j) = (rng.below(items) as u32, rng.below(items) as u32);
                let to = rng.below(hosts) as u32;
                let before = evaluate(p, &state.host_of);
                if before.hard == 0 && to != state.host_of[i as usize] {
                    let change = state.delta(i, to);
                    match state.judge_shift(i, to, limit) {
                        Verdict::Breaks => prop_assert!(change.hard > 0),
                        Verdict::Above => prop_assert!(change.hard > 0 || change.cost > limit),
                        Verdict::Within(cost) => prop_assert_eq!(change, Delta { hard: 0, cost }),
                    }
                }
                if before.hard == 0 && state.host_of[i as usize] != state.host_of[j as usize] {
                    let mut x = state.host_of.clone();
                    x.swap(i as usize, j as usize);
                    let after = evaluate(p, &x);
                    let change = after.terms.total() - before.terms.total();
                    match state.judge_exchange(i, j, limit) {
                        Verdict::Breaks => prop_assert!(after.hard > 0),
                        Verdict::Above => prop_assert!(after.hard > 0 || change > limit),
                        Verdict::Within(_) => {}
                    }
                }
                if state.delta(i, to).hard <= 0 {
                    state.apply(i, to);
                }
            }
        }
    }
}
