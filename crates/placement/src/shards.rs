//! Large problems in shards: partitioned, solved side by side, then repaired across the seams.
//!
//! After POP (Narayanan et al., SOSP 2021): the hosts are dealt into shards that look like the whole, the items follow in
//! connected parts, and each shard is searched alone, as its search costs far less than its share of a search of
//! everything. Unlike there, parts that belong together stay together and racks stay whole, because here distance costs.
//! Afterwards shards are paired at random and each pair is searched again from where it is, so that what was cut apart
//! meets. What couples all shards (a quota, a number of moves) is divided among them in proportion.

use crate::problem::Problem;
use crate::settings::Settings;
use crate::solution::Solution;

mod cut;
mod extract;
mod parts;

pub use parts::{ShardAnswer, ShardError, ShardRound, ShardTask, ShardedSearch};

/// Solves a problem of thousands of items in shards of about `items_per_shard` (zero = 3,000); a problem of less than two
/// shards goes to [`solve`](crate::solve). The answer is of the whole problem: cost, bound and rules are judged over all
/// shards together, and where a hard rule is broken across shards, a search of the whole mends it.
///
/// Memory grows with the largest shard times the number of threads, not with the product of rules and hosts of the whole,
/// as long as nothing has to be mended. The result depends on problem, settings and `items_per_shard` alone.
///
/// # Example
/// ```
/// use ecosystem_placement::{DenseBuilder, DenseHost, DenseItem, Dimension, Settings, solve_sharded};
///
/// let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
/// for _ in 0..40 {
///     raw.host(DenseHost { capacity: vec![8], open_cost: 5, ..DenseHost::default() });
/// }
/// for item in 0..120 {
///     raw.item(DenseItem { demand: vec![2], ..DenseItem::default() });
///     if item % 2 == 1 {
///         raw.edge(item - 1, item, 1);
///     }
/// }
/// let problem = raw.build()?;
/// let solution = solve_sharded(&problem, &Settings::default(), 30);
/// assert!(solution.is_feasible());
/// assert_eq!(solution.cost.total(), 30 * 5);
/// # Ok::<(), ecosystem_placement::ProblemError>(())
/// ```
pub fn solve_sharded(problem: &Problem, settings: &Settings, items_per_shard: usize) -> Solution {
    let Some(search) = ShardedSearch::new(problem, settings, items_per_shard) else {
        return crate::search::solve(problem, settings);
    };
    let (mut assignment, mut work) = (search.start(), 0);
    for number in 0..search.rounds() {
        work += search.open(number).run(&mut assignment);
    }
    search.finish(assignment, work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check_assignment;
    use crate::evaluate::evaluate;
    use crate::fixture::{ALL, random_problem};
    use crate::rng::Pcg;
    use crate::search::solve;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn shards_answer_for_the_whole_problem_with_every_rule(
            seed in any::<u64>(), items in 8_usize..24, hosts in 6_usize..14, kinds in 0..=ALL, size in 2_usize..6,
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let settings = Settings::default().with_work(4_000).with_seed(seed);
            let sharded = solve_sharded(&problem, &settings, size);
            prop_assert!(!sharded.is_feasible() || sharded.assignment.iter().all(|&host| (host as usize) < hosts));
            prop_assert_eq!(sharded.is_feasible(), check_assignment(&problem, &sharded.assignment).is_ok());
            let whole = solve(&problem, &settings);
            if whole.is_feasible() && sharded.is_feasible() {
                prop_assert!(sharded.cost.total() >= whole.bound);
            }
        }
    }

    /// Applications of six that talk among themselves, each a pair that must be apart, over hosts in racks of ten.
    fn fleet(applications: u32, hosts: u32) -> Problem {
        use crate::builder::DenseBuilder;
        use crate::dense::{DenseHost, DenseItem, DenseRule, Dimension, Distances};
        let mut rng = Pcg::new(5, 5);
        let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
        for _ in 0..hosts {
            let open_cost = 300 + rng.below(100) as i64;
            raw.host(DenseHost { capacity: vec![32], open_cost, ..DenseHost::default() });
        }
        let by_host = raw.partition((0..hosts).collect());
        for application in 0..applications {
            let first = application * 6;
            for item in first..first + 6 {
                raw.item(DenseItem { demand: vec![1 + rng.below(8) as i64], ..DenseItem::default() });
                if item > first {
                    raw.edge(
                        first + rng.below((item - first) as usize) as u32,
                        item,
                        1 + rng.below(30) as i64,
                    );
                }
            }
            let group = raw.group(vec![first, first + 1]);
            raw.rule(
                "apart",
                ecosystem_core::Weight::Hard,
                DenseRule::Limit { group, partition: by_host, max: 1 },
            );
        }
        let racks = hosts.div_ceil(10);
        let table = (0..racks * racks).map(|k| if k % (racks + 1) == 0 { 1 } else { 5 }).collect();
        let point = (0..hosts).map(|h| h / 10).collect();
        raw.distances(Distances { point, table, points: racks, same_host: 0 });
        raw.build().unwrap()
    }

    #[test]
    fn shards_cost_little_more_than_a_search_of_the_whole_with_the_same_work() {
        let problem = fleet(60, 120);
        let settings = Settings::default().with_work(1_000_000);
        let (sharded, whole) = (solve_sharded(&problem, &settings, 100), solve(&problem, &settings));
        assert!(sharded.is_feasible() && whole.is_feasible());
        let ratio = sharded.cost.total() as f64 / whole.cost.total() as f64;
        assert!(ratio < 1.03, "{ratio}");
        assert!(sharded.bound <= whole.cost.total());
    }

    #[test]
    fn pairs_make_nothing_worse_and_the_answer_repeats() {
        let problem = fleet(60, 100);
        let settings = Settings::default().with_work(100_000);
        let (a, b) = (solve_sharded(&problem, &settings, 60), solve_sharded(&problem, &settings, 60));
        assert_eq!(a, b);
        let p = &problem.dense;
        let search = ShardedSearch::new(&problem, &settings, 60).unwrap();
        let mut assignment = search.start();
        search.open(0).run(&mut assignment);
        let before = evaluate(p, &assignment);
        search.open(1).run(&mut assignment);
        let after = evaluate(p, &assignment);
        assert_eq!((before.hard, after.hard), (0, 0));
        assert!(after.terms.total() <= before.terms.total());
    }

    #[test]
    fn shards_searched_one_by_one_in_any_order_give_the_same_answer() {
        let problem = fleet(60, 100);
        let settings = Settings::default().with_work(60_000);
        let here = solve_sharded(&problem, &settings, 60);
        let search = ShardedSearch::new(&problem, &settings, 60).unwrap();
        let (mut assignment, mut work) = (search.start(), 0);
        for number in 0..search.rounds() {
            // Another process: all that it has is the problem, the settings and the task.
            let elsewhere = ShardedSearch::new(&problem, &settings, 60).unwrap();
            let tasks = search.round(number).unwrap().tasks(&assignment);
            let answers: Vec<ShardAnswer> = tasks
                .iter()
                .rev()
                .map(|task| elsewhere.round(task.round).unwrap().search(task).unwrap())
                .collect();
            let round = search.round(number).unwrap();
            for answer in &answers {
                work += answer.work;
                round.merge(answer, &mut assignment).unwrap();
            }
        }
        assert_eq!(search.finish(assignment, work), here);
        assert!(search.round(search.rounds()).is_none());
    }

    #[test]
    fn tasks_and_answers_that_fit_no_shard_are_refused_by_name() {
        let problem = fleet(30, 60);
        let settings = Settings::default().with_work(10_000);
        assert!(ShardedSearch::new(&problem, &settings, 1_000).is_none(), "less than two shards");
        let search = ShardedSearch::new(&problem, &settings, 60).unwrap();
        let (first, second) = (search.round(0).unwrap(), search.round(1).unwrap());
        let mut assignment = search.start();
        let task = first.tasks(&assignment).swap_remove(0);
        assert_eq!(second.search(&task), Err(ShardError::Round { found: 0, expected: 1 }));
        let beyond = ShardTask { shard: 99, ..task.clone() };
        assert!(matches!(first.search(&beyond), Err(ShardError::Shard { found: 99, .. })));
        let short = ShardTask { start: Some(vec![0]), ..task };
        assert!(matches!(first.search(&short), Err(ShardError::Length { found: 1, .. })));
        let answer = first.search(&task).unwrap();
        let (before, mut elsewhere) = (assignment.clone(), answer.clone());
        elsewhere.hosts[0] = 10_000;
        assert!(matches!(
            first.merge(&elsewhere, &mut assignment),
            Err(ShardError::Host { host: 10_000, .. })
        ));
        elsewhere.hosts.pop();
        assert!(matches!(first.merge(&elsewhere, &mut assignment), Err(ShardError::Length { .. })));
        assert_eq!(assignment, before, "nothing of what is refused is taken over");
        first.merge(&answer, &mut assignment).unwrap();
        assert_ne!(assignment, before);
    }
}
