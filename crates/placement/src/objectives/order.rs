//! Objectives in order of importance: the second only among what is best in the first (lexicographic).

use crate::bound::lower_bound;
use crate::objectives::archive::{Archive, Found};
use crate::objectives::{Term, alone, minimise, weighted};
use crate::problem::Problem;
use crate::settings::Settings;
use crate::solution::{Solution, finish};

/// Weight of the objectives before, against the present one, that makes any loss in them too dear, and the least that is
/// tried where they may lose something. Powers of ten.
const STRICT: f64 = 6.0;
const LOOSE: f64 = -1.0;
/// Searches by bisection of that weight, where something may be lost.
const BISECTIONS: u64 = 6;
/// Weight of later objectives while an earlier one is minimised.
const ASIDE: f64 = 1e-6;

/// An objective and what it may lose to those after it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Goal<'a> {
    /// Its terms.
    pub terms: &'a [Term],
    /// What of its best value later objectives may cost, as a share of it; 0 = nothing, 0.01 = one percent.
    pub slack: f64,
}

impl<'a> Goal<'a> {
    /// An objective that later ones may not cost anything.
    pub const fn strict(terms: &'a [Term]) -> Self {
        Self { terms, slack: 0.0 }
    }

    /// The same with a slack; what is negative or not a number counts as none.
    #[must_use]
    pub const fn with_slack(mut self, slack: f64) -> Self {
        self.slack = if slack > 0.0 { slack } else { 0.0 };
        self
    }
}

/// What was reached of one goal, in cost units.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Reached {
    /// Its best value under the limits of the goals before.
    pub best: i64,
    /// Its value in the answer: at most `best` and its slack.
    pub value: i64,
    /// No placement that keeps all hard rules has a lower value, whatever the other goals.
    pub bound: i64,
}

/// A solution for goals in order.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Ordered {
    /// The placement; its cost and gap are those of the problem's own weights.
    pub solution: Solution,
    /// One entry for each goal; empty if no placement that keeps all hard rules was found.
    pub reached: Vec<Reached>,
}

/// Minimises the first goal, then the second among the placements that keep the first within its slack, and so on. Small
/// problems are solved exactly; otherwise each goal takes an equal share of the work.
///
/// Where a goal may lose something, the weight of the earlier goals is found by bisection (a Lagrangian relaxation of
/// their limits); only placements within all limits are taken. Terms of no goal cost nothing here.
///
/// # Example
/// ```
/// use ecosystem_placement::{DenseBuilder, DenseHost, DenseItem, Dimension, Goal, Settings, Term, solve_in_order};
///
/// let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
/// for (open_cost, linear) in [(10, 5 << 16), (10, 4 << 16), (30, 1 << 16)] {
///     raw.host(DenseHost { capacity: vec![4], open_cost, linear, ..DenseHost::default() });
/// }
/// raw.item(DenseItem { demand: vec![2], linear: 4, ..DenseItem::default() });
/// let problem = raw.build()?;
/// let (money, power) = (Goal::strict(&[Term::Price]), Goal::strict(&[Term::Energy]));
/// let cheapest = solve_in_order(&problem, &Settings::default(), &[money, power]);
/// assert_eq!(cheapest.solution.assignment, [1]);
/// let thrifty = solve_in_order(&problem, &Settings::default(), &[money.with_slack(2.0), power]);
/// assert_eq!(thrifty.solution.assignment, [2]);
/// # Ok::<(), ecosystem_placement::ProblemError>(())
/// ```
pub fn solve_in_order(problem: &Problem, settings: &Settings, goals: &[Goal<'_>]) -> Ordered {
    let p = &problem.dense;
    let objectives: Vec<&[Term]> = goals.iter().map(|goal| goal.terms).collect();
    let mut stages = Stages {
        judge: Archive::new(p, &objectives),
        share: settings.with_work((settings.work / goals.len().max(1) as u64).max(1)),
        limits: Vec::new(),
        incumbent: None,
        work: 0,
    };
    let mut best = Vec::new();
    for (number, goal) in goals.iter().enumerate() {
        let free = number == 0 || goals[..number].iter().all(|earlier| earlier.slack == 0.0);
        stages.run(&objectives, number, if free { 2 } else { BISECTIONS });
        let Some(incumbent) = &stages.incumbent else { break };
        let value = incumbent.values[number];
        best.push(value);
        let slack = (value as f64 * goal.slack).min((1_u64 << 60) as f64) as i64;
        stages.limits.push(value.saturating_add(slack));
    }
    let Some(incumbent) = stages.incumbent else {
        return Ordered { solution: crate::search::solve(problem, settings), reached: Vec::new() };
    };
    let nodes = settings.bound_nodes();
    let reached = goals.iter().zip(best).zip(&incumbent.values).map(|((goal, best), &value)| {
        let bound = lower_bound(&alone(p, goal.terms), nodes / goals.len().max(1) as u64);
        Reached { best, value, bound }
    });
    let reached = reached.collect();
    let solution = finish(problem, settings, Some(incumbent.assignment), lower_bound(p, nodes), stages.work);
    Ordered { solution, reached }
}

/// One goal after the other.
struct Stages<'a> {
    judge: Archive<'a>,
    /// With the work of one goal.
    share: Settings,
    /// Highest value of each goal before the present one.
    limits: Vec<i64>,
    incumbent: Option<Found>,
    work: u64,
}

impl Stages<'_> {
    /// Minimises goal `number` within the limits of those before.
    fn run(&mut self, objectives: &[&[Term]], number: usize, searches: u64) {
        let (mut low, mut high, mut strength) = (LOOSE, STRICT, STRICT);
        for search in 0..searches {
            let scale = |k: usize| self.incumbent.as_ref().map_or(1, |found| found.values[k].max(1)) as f64;
            let weight = |k: usize| match k.cmp(&number) {
                std::cmp::Ordering::Less => 10_f64.powf(strength),
                std::cmp::Ordering::Equal => 1.0,
                std::cmp::Ordering::Greater => ASIDE,
            };
            let weights: Vec<f64> = (0..objectives.len()).map(|k| weight(k) / scale(k)).collect();
            let part = weighted(self.judge.p, objectives, &weights);
            let settings = self
                .share
                .with_work((self.share.work / searches).max(1))
                .with_seed(self.share.seed ^ ((number as u64) << 48) ^ (search << 40));
            let start = self.incumbent.as_ref().map(|found| found.assignment.clone());
            let mut passed = Vec::new();
            let (best, work) = minimise(&part, &settings, start.as_deref(), &mut |x| passed.push(x.to_vec()));
            self.work += work;
            for x in &passed {
                self.offer(x, number);
            }
            let within = self.offer(&best, number);
            if within {
                high = strength;
            } else {
                low = strength;
            }
            strength = f64::midpoint(low, high);
        }
    }

    /// Keeps an assignment if it is within all limits and better in the present goal, or equal and better in a later one.
    /// True if it is within the limits.
    fn offer(&mut self, assignment: &[u32], number: usize) -> bool {
        let Some(found) = self.judge.judge(assignment) else { return false };
        let within = found.values.iter().zip(&self.limits).all(|(value, limit)| value <= limit);
        let later = |found: &Found| found.values[number..].to_vec();
        if within && self.incumbent.as_ref().is_none_or(|best| later(&found) < later(best)) {
            self.incumbent = Some(found);
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate;
    use crate::fixture::{ALL, random_problem};
    use crate::objectives::value;
    use proptest::prelude::*;

    const PRICE: &[Term] = &[Term::Price];
    const NEAR: &[Term] = &[Term::Proximity];
    const REST: &[Term] = &[Term::Energy, Term::Rules, Term::Moves];

    /// Values of the best assignment in order, by trying all.
    fn brute_force(problem: &Problem, goals: &[Goal<'_>]) -> Option<Vec<i64>> {
        let p = &problem.dense;
        let mut every: Vec<Vec<i64>> = Vec::new();
        let mut x = vec![0_u32; p.items];
        loop {
            let evaluation = evaluate(p, &x);
            if evaluation.hard == 0 {
                every.push(goals.iter().map(|goal| value(goal.terms, &evaluation.terms)).collect());
            }
            let Some(at) = x.iter().position(|&host| (host as usize) < p.hosts - 1) else { break };
            x[at] += 1;
            x[..at].fill(0);
        }
        for (k, goal) in goals.iter().enumerate() {
            let best = every.iter().map(|values| values[k]).min()?;
            let limit = best + (best as f64 * goal.slack) as i64;
            every.retain(|values| values[k] <= limit);
        }
        every.into_iter().min_by_key(|values| values.iter().rev().copied().collect::<Vec<_>>())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn small_problems_are_solved_in_strict_order_exactly(
            seed in any::<u64>(), items in 3_usize..6, hosts in 3_usize..5, kinds in 0..=ALL,
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let goals = [Goal::strict(PRICE), Goal::strict(NEAR), Goal::strict(REST)];
            let ordered = solve_in_order(&problem, &Settings::default().with_work(60_000), &goals);
            let values: Vec<i64> = ordered.reached.iter().map(|reached| reached.value).collect();
            prop_assert_eq!(brute_force(&problem, &goals), (!values.is_empty()).then_some(values));
            prop_assert!(ordered.reached.iter().all(|r| r.bound <= r.value && r.best == r.value));
            prop_assert_eq!(ordered.solution.is_feasible(), !ordered.reached.is_empty());
        }

        #[test]
        fn what_a_goal_may_lose_is_kept_and_used(
            seed in any::<u64>(), items in 3_usize..6, hosts in 3_usize..5, slack in 0.05_f64..1.0,
        ) {
            let problem = random_problem(seed, items, hosts, 0);
            let goals = [Goal::strict(PRICE).with_slack(slack), Goal::strict(NEAR)];
            let settings = Settings::default().with_work(60_000);
            let (loose, strict) = (
                solve_in_order(&problem, &settings, &goals),
                solve_in_order(&problem, &settings, &[Goal::strict(PRICE), Goal::strict(NEAR)]),
            );
            if let (Some(first), Some(wanted)) = (loose.reached.first(), brute_force(&problem, &goals)) {
                prop_assert!(first.value as f64 <= first.best as f64 * (1.0 + slack));
                prop_assert!(loose.reached[1].value <= strict.reached[1].value);
                prop_assert!(loose.reached[1].value >= wanted[1]);
            }
        }
    }
}
