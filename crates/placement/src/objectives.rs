//! Several objectives: what is minimised is a set of cost terms, and a weighting of such sets is a problem again.

use crate::dense::Dense;
use crate::evaluate::CostTerms;
use crate::problem::Problem;
use crate::search::search_part;
use crate::settings::Settings;
use ecosystem_core::Weight;

pub(crate) mod archive;
pub(crate) mod front;
pub(crate) mod order;
mod volume;

/// A term of the cost, to say what an objective is made of. An objective is a set of terms and its value their sum, so
/// `[Term::Price, Term::Energy]` is money.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Term {
    /// [`CostTerms::price`]
    Price,
    /// [`CostTerms::proximity`]
    Proximity,
    /// [`CostTerms::overload`]
    Overload,
    /// [`CostTerms::balance`]
    Balance,
    /// [`CostTerms::stranding`]
    Stranding,
    /// [`CostTerms::interference`]
    Interference,
    /// [`CostTerms::energy`]
    Energy,
    /// [`CostTerms::moves`]
    Moves,
    /// [`CostTerms::group_moves`]
    GroupMoves,
    /// [`CostTerms::rules`]
    Rules,
}

/// Number of terms.
const TERMS: usize = 10;
/// A weighted cost stays below this, so that differences never overflow.
const LARGEST: f64 = (1_u64 << 60) as f64;

impl Term {
    /// All terms, in the order of [`CostTerms::iter`].
    pub const ALL: [Self; TERMS] = [
        Self::Price,
        Self::Proximity,
        Self::Overload,
        Self::Balance,
        Self::Stranding,
        Self::Interference,
        Self::Energy,
        Self::Moves,
        Self::GroupMoves,
        Self::Rules,
    ];

    /// The value of this term.
    pub const fn of(self, cost: &CostTerms) -> i64 {
        match self {
            Self::Price => cost.price,
            Self::Proximity => cost.proximity,
            Self::Overload => cost.overload,
            Self::Balance => cost.balance,
            Self::Stranding => cost.stranding,
            Self::Interference => cost.interference,
            Self::Energy => cost.energy,
            Self::Moves => cost.moves,
            Self::GroupMoves => cost.group_moves,
            Self::Rules => cost.rules,
        }
    }
}

/// The value of an objective.
pub(crate) fn value(objective: &[Term], cost: &CostTerms) -> i64 {
    objective.iter().map(|term| term.of(cost)).sum()
}

/// The problem whose cost is the sum of `weights[k]` times objective `k`, times a common factor that makes the most of 64
/// bits. Terms of no objective cost nothing.
pub(crate) fn weighted(p: &Dense, objectives: &[&[Term]], weights: &[f64]) -> Problem {
    let mut factors = [0.0; TERMS];
    for (objective, weight) in objectives.iter().zip(weights) {
        for &term in *objective {
            factors[term as usize] += weight;
        }
    }
    let largest: f64 =
        p.largest_terms().iter().zip(&factors).map(|(&most, factor)| most as f64 * factor).sum();
    if largest > 0.0 {
        // as large as 64 bits allow, so that rounding coefficients changes the weights as little as can be
        let common = LARGEST / largest;
        factors = factors.map(|factor| factor * common);
    }
    Problem::from_dense(p.with_factors(&factors))
}

/// The problem that has one objective only, in its own units.
pub(crate) fn alone(p: &Dense, objective: &[Term]) -> Dense {
    let mut factors = [0.0; TERMS];
    for &term in objective {
        factors[term as usize] = 1.0;
    }
    p.with_factors(&factors)
}

/// Best assignment of a weighted problem: exact where that is cheap, otherwise by search from a start. `passed` sees the
/// best so far from time to time. Says the work.
pub(crate) fn minimise(
    problem: &Problem,
    settings: &Settings,
    start: Option<&[u32]>,
    passed: &mut dyn FnMut(&[u32]),
) -> (Vec<u32>, u64) {
    if let Some(exact) = crate::exact::solve_exact(&problem.dense, settings.exact_nodes)
        && let Some(assignment) = exact.assignment
    {
        return (assignment, exact.nodes);
    }
    search_part(problem, settings, start, passed)
}

impl Dense {
    /// An upper bound of each term, in the order of [`Term::ALL`].
    pub(crate) fn largest_terms(&self) -> [i128; TERMS] {
        let sum = |values: &[i64]| values.iter().copied().map(i128::from).sum::<i128>();
        let most = |values: &[i64]| i128::from(values.iter().copied().max().unwrap_or(0));
        let total = |of: &[i64], r: usize| -> i128 {
            of.iter().skip(r).step_by(self.dims.max(1)).copied().map(i128::from).sum()
        };
        let overload =
            (0..self.dims).map(|r| total(&self.demand, r).saturating_mul(i128::from(self.overload_cost[r])));
        let balance = self.balances.iter().map(|b| {
            let room = |r: u32| total(&self.demand, r as usize) + total(&self.capacity, r as usize);
            (room(b.a) + room(b.b)).saturating_mul(i128::from(b.target.max(1)) * i128::from(b.weight))
        });
        let sensitivity = sum(&self.sensitivity);
        let interference = self.interference.iter().map(|&(r, weight)| {
            let of_dimension = self.capacity.iter().skip(r as usize).step_by(self.dims.max(1));
            let least = of_dimension.copied().filter(|&capacity| capacity > 0).min().unwrap_or(1);
            let shares = total(&self.demand, r as usize) / i128::from(least) + 1;
            (sensitivity / 1_000 + 1).saturating_mul(i128::from(weight)).saturating_mul(shares)
        });
        let farthest = most(&self.distance.table).max(i128::from(self.distance.same_host));
        let degree = (self.items as i128 + self.hosts as i128).max(1_000_000);
        let soft = self.rules.iter().map(|lowered| match lowered.weight {
            Weight::Hard => 0,
            Weight::Soft(weight) => degree.saturating_mul(i128::from(weight)),
        });
        [
            sum(&self.open_cost),
            sum(&self.edge_weight).saturating_mul(farthest),
            overload.fold(0, i128::saturating_add),
            balance.fold(0, i128::saturating_add),
            i128::from(self.stranding) * self.hosts as i128,
            interference.fold(0, i128::saturating_add),
            sum(&self.item_linear).saturating_mul(most(&self.host_linear)) >> 16,
            sum(&self.move_cost) + most(&self.move_table) * self.items as i128,
            i128::from(self.group_move_cost) * self.items as i128,
            soft.fold(0, i128::saturating_add),
        ]
    }

    /// The same problem with every term times its factor, rounded coefficient by coefficient.
    fn with_factors(&self, factors: &[f64; TERMS]) -> Self {
        let scale = |value: i64, term: Term| (value as f64 * factors[term as usize]).round() as i64;
        let each = |values: &mut Vec<i64>, term: Term| values.iter_mut().for_each(|v| *v = scale(*v, term));
        let mut dense = self.clone();
        each(&mut dense.open_cost, Term::Price);
        each(&mut dense.edge_weight, Term::Proximity);
        each(&mut dense.overload_cost, Term::Overload);
        for balance in &mut dense.balances {
            balance.weight = scale(balance.weight, Term::Balance);
        }
        dense.stranding = scale(dense.stranding, Term::Stranding);
        for (_, weight) in &mut dense.interference {
            *weight = scale(*weight, Term::Interference);
        }
        dense.interference.retain(|it| it.1 > 0);
        each(&mut dense.item_linear, Term::Energy);
        each(&mut dense.move_cost, Term::Moves);
        each(&mut dense.move_table, Term::Moves);
        dense.group_move_cost = scale(dense.group_move_cost, Term::GroupMoves);
        if dense.group_move_cost == 0 {
            dense.group_move_of.clear();
        }
        for lowered in &mut dense.rules {
            if let Weight::Soft(weight) = &mut lowered.weight {
                *weight = scale(i64::try_from(*weight).unwrap_or(i64::MAX), Term::Rules).unsigned_abs();
            }
        }
        dense.has_load = dense.prices_use();
        dense.tables = crate::compile::compile(&dense);
        dense
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate;
    use crate::fixture::{ALL, random_problem};
    use crate::rng::Pcg;
    use crate::state::State;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_weighted_problem_costs_the_weighted_sum_of_the_terms(
            seed in any::<u64>(), items in 3_usize..12, hosts in 3_usize..8, kinds in 0..=ALL, term in 0..TERMS,
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let p = &problem.dense;
            let mut rng = Pcg::new(seed, 3);
            let x: Vec<u32> = (0..items).map(|_| rng.below(hosts) as u32).collect();
            let terms = evaluate(p, &x).terms;
            let objective = [Term::ALL[term]];
            let single = alone(p, &objective);
            prop_assert_eq!(evaluate(&single, &x).terms.total(), value(&objective, &terms));
            prop_assert_eq!(State::of(&single, &x).value.cost, value(&objective, &terms));
            for (most, (name, value)) in p.largest_terms().iter().zip(terms.iter()) {
                prop_assert!(i128::from(value) <= *most, "{} is {} of at most {}", name, value, most);
            }
            let rest: Vec<Term> = Term::ALL.into_iter().filter(|t| !objective.contains(t)).collect();
            let both = weighted(p, &[&objective, &rest], &[3.0, 1.0]);
            let found = evaluate(&both.dense, &x).terms.total() as f64;
            let wanted = 3.0 * value(&objective, &terms) as f64 + value(&rest, &terms) as f64;
            let most: f64 = p.largest_terms().iter().enumerate()
                .map(|(k, &most)| most as f64 * if k == term { 3.0 } else { 1.0 }).sum();
            if wanted > 0.0 {
                // energy is cut to whole units item by item, interference host by host and item by item in two dimensions
                let cut = 3.0 * (3 * items + 2 * hosts) as f64;
                let found = found * most / LARGEST;
                prop_assert!((found / wanted - 1.0).abs() < 0.05 || (found - wanted).abs() <= cut, "{} {}", found, wanted);
            }
        }
    }
}
