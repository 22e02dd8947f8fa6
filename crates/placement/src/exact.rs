//! Exact solution of small problems: depth-first branch and bound.
//!
//! Items are placed one by one, large ones first, hosts tried in order of added cost. Terms and rules that can only
//! grow while items are added prune; the others (balance, stranding, spread, dependency, custom rules) are judged at the leaves.

use crate::dense::{Dense, DenseRule};
use crate::evaluate::evaluate;
use crate::state::State;

/// More items are never solved exactly.
const ITEMS_MAX: usize = 24;

/// What the exact search found within its nodes.
#[derive(Clone, Debug)]
pub(crate) struct Exact {
    /// The optimum; `None` = proven infeasible.
    pub(crate) assignment: Option<Vec<u32>>,
    pub(crate) cost: i64,
    pub(crate) nodes: u64,
}

struct Tree<'p> {
    whole: &'p Dense,
    order: Vec<u32>,
    nodes: u64,
    nodes_max: u64,
    best: Option<(i64, Vec<u32>)>,
}

/// The optimum, or that there is none; `None` if the problem is too large for the number of nodes.
pub(crate) fn solve_exact(p: &Dense, nodes_max: u64) -> Option<Exact> {
    if p.items > ITEMS_MAX || nodes_max == 0 {
        return None;
    }
    let growing = only_growing(p);
    let mut order: Vec<u32> = (0..p.items as u32).collect();
    let size = |item: u32| -> f64 {
        p.demand_of(item).iter().zip(&p.mean_capacity).map(|(&d, &c)| d as f64 / c).sum()
    };
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
    let mut tree = Tree { whole: p, order, nodes: 0, nodes_max, best: None };
    let mut state = State::empty(&growing);
    if !tree.descend(&mut state, 0) {
        return None;
    }
    let (cost, assignment) = match tree.best {
        Some((cost, assignment)) => (cost, Some(assignment)),
        None => (0, None),
    };
    Some(Exact { assignment, cost, nodes: tree.nodes })
}

/// The problem without what can shrink when an item is added.
fn only_growing(p: &Dense) -> Dense {
    let mut growing = p.clone();
    growing.balances.clear();
    growing.stranding = 0;
    growing.rules.retain(|lowered| {
        !matches!(lowered.rule, DenseRule::Spread { .. } | DenseRule::Need { .. } | DenseRule::Custom(_))
    });
    growing.tables = crate::compile::compile(&growing);
    growing
}

impl Tree<'_> {
    /// False if the nodes ran out.
    fn descend(&mut self, state: &mut State<'_>, depth: usize) -> bool {
        self.nodes += 1;
        if self.nodes > self.nodes_max {
            return false;
        }
        if depth == self.order.len() {
            let evaluation = evaluate(self.whole, &state.host_of);
            let cost = evaluation.terms.total();
            if evaluation.hard == 0 && self.best.as_ref().is_none_or(|(least, _)| cost < *least) {
                self.best = Some((cost, state.host_of.clone()));
            }
            return true;
        }
        let item = self.order[depth];
        let mut choices: Vec<(i64, u32)> = (0..self.whole.hosts as u32)
            .map(|host| (state.delta(item, host), host))
            .filter(|(delta, _)| delta.hard <= 0)
            .map(|(delta, host)| (delta.cost, host))
            .collect();
        choices.sort_unstable();
        for (rise, host) in choices {
            if self.best.as_ref().is_some_and(|(least, _)| state.value.cost + rise >= *least) {
                break;
            }
            state.apply(item, host);
            let finished = self.descend(state, depth + 1);
            state.apply(item, crate::dense::NONE);
            if !finished {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ALL, random_problem};
    use proptest::prelude::*;

    /// Every assignment, one by one.
    fn brute_force(p: &Dense) -> Option<i64> {
        let mut x = vec![0_u32; p.items];
        let mut best: Option<i64> = None;
        loop {
            let evaluation = evaluate(p, &x);
            let cost = evaluation.terms.total();
            if evaluation.hard == 0 && best.is_none_or(|least| cost < least) {
                best = Some(cost);
            }
            let Some(digit) = x.iter().position(|&h| (h as usize) < p.hosts - 1) else { return best };
            x[digit] += 1;
            x[..digit].fill(0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn the_exact_search_finds_the_optimum_of_brute_force(
            seed in any::<u64>(), items in 3_usize..8, hosts in 3_usize..4, kinds in 0..=ALL,
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let exact = solve_exact(&problem.dense, 10_000_000).unwrap();
            let expected = brute_force(&problem.dense);
            prop_assert_eq!(exact.assignment.as_ref().map(|_| exact.cost), expected);
            if let (Some(cost), Some(x)) = (expected, exact.assignment) {
                prop_assert_eq!(evaluate(&problem.dense, &x).terms.total(), cost);
                for nodes in [0, 3, 50, 10_000] {
                    prop_assert!(crate::bound::lower_bound(&problem.dense, nodes) <= cost);
                }
            }
        }

        #[test]
        fn a_heavier_edge_never_lies_further_apart_at_the_optimum(
            seed in any::<u64>(), items in 3_usize..7, kinds in 0..=ALL, a in 0_u32..3, rise in 1_i64..60,
        ) {
            let b = (a + 1) % 3;
            let mut light = crate::fixture::builder(seed, items, 3, kinds);
            let mut heavy = crate::fixture::builder(seed, items, 3, kinds);
            light.edge(a, b, 1);
            heavy.edge(a, b, 1 + rise);
            let distance = |raw: crate::DenseBuilder| {
                let problem = raw.build().unwrap();
                let x = solve_exact(&problem.dense, 10_000_000).unwrap().assignment?;
                Some(problem.dense.distance.between(x[a as usize], x[b as usize]))
            };
            // exchange argument: it holds for every pair of optima, ties included
            if let (Some(before), Some(after)) = (distance(light), distance(heavy)) {
                prop_assert!(after <= before, "{after} after, {before} before");
            }
        }

        #[test]
        fn adding_a_rule_never_improves_the_optimum(
            seed in any::<u64>(), items in 3_usize..7, kinds in 0..=ALL, extra in 0_u32..15,
        ) {
            let without = random_problem(seed, items, 3, 0);
            let mut with = random_problem(seed, items, 3, kinds | 1 << extra);
            with.dense.rules.retain(|l| l.weight == ecosystem_core::Weight::Hard);
            with.dense.tables = crate::compile::compile(&with.dense);
            let cost = |problem: &crate::Problem| {
                let exact = solve_exact(&problem.dense, 10_000_000).unwrap();
                exact.assignment.map_or(i64::MAX, |_| exact.cost)
            };
            prop_assert!(cost(&without) <= cost(&with));
        }
    }
}
