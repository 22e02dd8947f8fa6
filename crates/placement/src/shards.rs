//! Large problems in shards: partitioned, solved side by side, then repaired across the seams.
//!
//! After POP (Narayanan et al., SOSP 2021): the hosts are dealt into shards that look like the whole, the items follow in
//! connected parts, and each shard is searched alone, as its search costs far less than its share of a search of
//! everything. Unlike there, parts that belong together stay together and racks stay whole, because here distance costs.
//! Afterwards shards are paired at random and each pair is searched again from where it is, so that what was cut apart
//! meets. What couples all shards (a quota, a number of moves) is divided among them in proportion.

use crate::bound::lower_bound;
use crate::dense::{Dense, NONE};
use crate::evaluate::evaluate;
use crate::problem::Problem;
use crate::rng::Pcg;
use crate::search::search_part;
use crate::settings::Settings;
use crate::shards::cut::Cut;
use crate::shards::extract::{Plan, Shard};
use crate::solution::{Solution, finish};

mod cut;
mod extract;

/// Items of a shard when the caller does not say: above it the search gains more from being cut than it loses.
const ITEMS: usize = 1_000;
/// Rounds of pairs after the first round, and the share of the work that each takes.
const PAIR_ROUNDS: u64 = 2;
const PAIR_WORK: f64 = 0.15;
/// Share of the work that a repair of the whole may take when hard rules are broken across shards.
const REPAIR_WORK: u64 = 4;

/// Solves a problem of thousands of items in shards of about `items_per_shard` (zero = 1,000); a problem of less than two
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
    let p = &problem.dense;
    let size = if items_per_shard == 0 { ITEMS } else { items_per_shard };
    let count = (p.items / size).min(p.hosts / 2);
    if count < 2 {
        return crate::search::solve(problem, settings);
    }
    let mut rng = Pcg::new(settings.seed, 1 << 32);
    let cut = Cut::new(p, count, size);
    let later = PAIR_ROUNDS as f64 * PAIR_WORK;
    let first = (settings.work as f64 * (1.0 - later)) as u64;
    let mut assignment = p.home.clone();
    let mut work = run(p, settings, &cut, &mut assignment, Round { number: 0, work: first, warm: false });
    for number in 1..=PAIR_ROUNDS {
        let pairs = cut.pairs(&mut rng);
        let round = Round { number, work: (settings.work as f64 * PAIR_WORK) as u64, warm: true };
        work += run(p, settings, &pairs, &mut assignment, round);
    }
    if evaluate(p, &assignment).hard > 0 {
        let budget = settings.with_work((settings.work / REPAIR_WORK).max(1));
        let (repaired, moves) = search_part(problem, &budget, Some(&assignment), &mut |_| {});
        work += moves;
        assignment = repaired;
    }
    finish(problem, settings, Some(assignment), lower_bound(p, settings.bound_nodes()), work)
}

/// One pass over all shards.
#[derive(Clone, Copy, Debug)]
struct Round {
    number: u64,
    work: u64,
    /// True if the shards go on from where their items are.
    warm: bool,
}

/// Searches every shard with its share of the work and puts the items where it says. Returns the moves.
fn run(p: &Dense, settings: &Settings, cut: &Cut, assignment: &mut [u32], round: Round) -> u64 {
    let plan = Plan::new(p, cut);
    let lists = cut.lists();
    let from: &[u32] = assignment;
    let results = crate::par::map((0..cut.count).collect(), |number| {
        let (items, hosts) = &lists[number];
        let shard = plan.extract(number, items, hosts);
        let share = (round.work as f64 * items.len() as f64 / p.items as f64) as u64;
        let seed = settings.seed ^ (round.number << 48) ^ ((number as u64) << 16);
        let own = settings.with_seed(seed).with_work(share.max(1)).with_workers(1);
        let start = round.warm.then(|| shard.inward(from));
        let (best, work) = search_part(&shard.problem, &own, start.as_deref(), &mut |_| {});
        (shard.outward(&best), work)
    });
    let mut work = 0;
    for ((items, _), (hosts, moves)) in lists.iter().zip(results) {
        for (&item, host) in items.iter().zip(hosts) {
            assignment[item as usize] = host;
        }
        work += moves;
    }
    work
}

impl Shard<'_> {
    /// Where the shard's items are, in its own numbers.
    fn inward(&self, assignment: &[u32]) -> Vec<u32> {
        let place = |&item: &u32| match assignment[item as usize] {
            NONE => NONE,
            host => self.hosts.binary_search(&host).map_or(NONE, |at| at as u32),
        };
        self.items.iter().map(place).collect()
    }

    /// Hosts of the whole for an assignment in the shard's own numbers.
    fn outward(&self, assignment: &[u32]) -> Vec<u32> {
        assignment.iter().map(|&host| self.hosts.get(host as usize).copied().unwrap_or(NONE)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check_assignment;
    use crate::fixture::{ALL, random_problem};
    use crate::search::solve;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
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
        let cut = Cut::new(p, 6, 60);
        let mut assignment = p.home.clone();
        run(p, &settings, &cut, &mut assignment, Round { number: 0, work: 60_000, warm: false });
        let before = evaluate(p, &assignment);
        let pairs = cut.pairs(&mut Pcg::new(1, 1));
        run(p, &settings, &pairs, &mut assignment, Round { number: 1, work: 40_000, warm: true });
        let after = evaluate(p, &assignment);
        assert_eq!((before.hard, after.hard), (0, 0));
        assert!(after.terms.total() <= before.terms.total());
    }
}
