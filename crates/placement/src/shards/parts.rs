//! A search in shards, taken apart: each shard can be searched where the caller wants, in another process or elsewhere.

use super::cut::Cut;
use super::extract::{Plan, Shard};
use crate::bound::lower_bound;
use crate::dense::{Dense, NONE};
use crate::evaluate::evaluate;
use crate::problem::Problem;
use crate::rng::Pcg;
use crate::search::search_part;
use crate::settings::Settings;
use crate::solution::{Solution, finish};

/// Items of a shard when the caller does not say: first assignments of smaller ones see too little of the fleet, and larger
/// ones gain little from being cut.
const ITEMS: usize = 3_000;
/// Rounds of pairs after the first round, and the share of the work that each takes.
const PAIR_ROUNDS: u64 = 2;
const PAIR_WORK: f64 = 0.15;
/// Share of the work that a repair of the whole may take when hard rules are broken across shards.
const REPAIR_WORK: u64 = 4;

/// One shard to be searched.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "a message between two processes")]
pub struct ShardTask {
    /// In which round.
    pub round: usize,
    /// Number of the shard in it.
    pub shard: usize,
    /// Where the shard's items are, if the search goes on from there; `u32::MAX` = nowhere.
    pub start: Option<Vec<u32>>,
}

/// What was found for one shard.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "a message between two processes")]
pub struct ShardAnswer {
    /// In which round.
    pub round: usize,
    /// Number of the shard in it.
    pub shard: usize,
    /// A host for each of the shard's items, ascending by item; `u32::MAX` = none.
    pub hosts: Vec<u32>,
    /// Evaluated moves.
    pub work: u64,
}

/// Why a task or an answer does not fit the search: it is of another problem, or of other settings.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ShardError {
    /// It belongs to another round.
    #[error("round {found}, expected {expected}")]
    Round {
        /// Its round.
        found: usize,
        /// This one.
        expected: usize,
    },
    /// There is no such shard.
    #[error(
        "shard {found}, expected less than {shards}; are problem, settings and items per shard the same?"
    )]
    Shard {
        /// The number.
        found: usize,
        /// How many there are.
        shards: usize,
    },
    /// It speaks of another number of items.
    #[error(
        "shard {shard}: {found} hosts, expected {expected}; are problem, settings and items per shard the same?"
    )]
    Length {
        /// Of which shard.
        shard: usize,
        /// How many it names.
        found: usize,
        /// Items of the shard.
        expected: usize,
    },
    /// An item is put outside of its shard.
    #[error("shard {shard}: host {host} is not one of its hosts")]
    Host {
        /// Of which shard.
        shard: usize,
        /// Where to.
        host: u32,
    },
}

/// [`solve_sharded`](crate::solve_sharded) in its parts: some rounds one after the other, in each of them a number of shards that
/// depend on each other in nothing. Whoever has the same problem, settings and shard size can search any shard of any round and
/// finds the same, so that work may be done twice or elsewhere.
///
/// # Example
/// ```
/// use ecosystem_placement::{DenseBuilder, DenseHost, DenseItem, Dimension, Settings, ShardedSearch, solve_sharded};
///
/// let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
/// for _ in 0..40 {
///     raw.host(DenseHost { capacity: vec![8], open_cost: 5, ..DenseHost::default() });
/// }
/// for _ in 0..120 {
///     raw.item(DenseItem { demand: vec![2], ..DenseItem::default() });
/// }
/// let problem = raw.build()?;
/// let settings = Settings::default();
/// let search = ShardedSearch::new(&problem, &settings, 30).expect("four shards");
/// let (mut assignment, mut work) = (search.start(), 0);
/// for number in 0..search.rounds() {
///     let round = search.round(number).expect("a round");
///     for task in round.tasks(&assignment) {
///         let answer = round.search(&task)?; // by anybody, anywhere
///         work += answer.work;
///         round.merge(&answer, &mut assignment)?;
///     }
/// }
/// assert_eq!(search.finish(assignment, work), solve_sharded(&problem, &settings, 30));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ShardedSearch<'a> {
    problem: &'a Problem,
    settings: &'a Settings,
    // One for each round.
    cuts: Vec<Cut>,
}

impl<'a> ShardedSearch<'a> {
    /// Cuts a problem into shards of about `items_per_shard` (zero = 3,000); `None` if that gives less than two.
    pub fn new(problem: &'a Problem, settings: &'a Settings, items_per_shard: usize) -> Option<Self> {
        let p = &problem.dense;
        let size = if items_per_shard == 0 { ITEMS } else { items_per_shard };
        let count = (p.items / size).min(p.hosts / 2);
        if count < 2 {
            return None;
        }
        let mut rng = Pcg::new(settings.seed, 1 << 32);
        let first = Cut::new(p, count, size);
        let pairs: Vec<Cut> = (0..PAIR_ROUNDS).map(|_| first.pairs(&mut rng)).collect();
        Some(Self { problem, settings, cuts: std::iter::once(first).chain(pairs).collect() })
    }

    /// Number of rounds.
    pub const fn rounds(&self) -> usize {
        self.cuts.len()
    }

    /// Where the items are before the first round.
    pub fn start(&self) -> Vec<u32> {
        self.problem.dense.home.clone()
    }

    /// A round by number; `None` beyond the last. Memory and time grow with the problem.
    pub fn round(&self, number: usize) -> Option<ShardRound<'_>> {
        (number < self.cuts.len()).then(|| self.open(number))
    }

    pub(super) fn open(&self, number: usize) -> ShardRound<'_> {
        let cut = &self.cuts[number];
        let share = if number == 0 { 1.0 - PAIR_ROUNDS as f64 * PAIR_WORK } else { PAIR_WORK };
        ShardRound {
            p: &self.problem.dense,
            settings: self.settings,
            number,
            work: (self.settings.work as f64 * share) as u64,
            plan: Plan::new(&self.problem.dense, cut),
            lists: cut.lists(),
        }
    }

    /// The solution of the whole, after the last round: cost, bound and rules are judged over all shards together, and where a
    /// hard rule is broken across shards, a search of the whole mends it. `work` is the sum of all answers'.
    pub fn finish(&self, mut assignment: Vec<u32>, mut work: u64) -> Solution {
        let (p, settings) = (&self.problem.dense, self.settings);
        if evaluate(p, &assignment).hard > 0 {
            let budget = settings.with_work((settings.work / REPAIR_WORK).max(1));
            let (repaired, moves) = search_part(self.problem, &budget, Some(&assignment), &mut |_| {});
            work += moves;
            assignment = repaired;
        }
        finish(self.problem, settings, Some(assignment), lower_bound(p, settings.bound_nodes()), work)
    }
}

/// One round: every item is in one of its shards.
#[derive(Debug)]
pub struct ShardRound<'a> {
    p: &'a Dense,
    settings: &'a Settings,
    number: usize,
    work: u64,
    plan: Plan<'a>,
    // Items and hosts of each shard, ascending.
    lists: Vec<(Vec<u32>, Vec<u32>)>,
}

impl ShardRound<'_> {
    /// What is to be done in this round; the first begins anew, later ones go on from `assignment`.
    pub fn tasks(&self, assignment: &[u32]) -> Vec<ShardTask> {
        (0..self.lists.len()).map(|shard| self.task(shard, assignment)).collect()
    }

    fn task(&self, shard: usize, assignment: &[u32]) -> ShardTask {
        let place = |&item: &u32| assignment.get(item as usize).copied().unwrap_or(NONE);
        let start = (self.number > 0).then(|| self.lists[shard].0.iter().map(place).collect());
        ShardTask { round: self.number, shard, start }
    }

    /// Searches a shard with its share of the work. The answer depends on problem, settings, shard size and task alone.
    pub fn search(&self, task: &ShardTask) -> Result<ShardAnswer, ShardError> {
        let (items, hosts) = self.shard(task.round, task.shard)?;
        if let Some(start) = &task.start {
            check_length(task.shard, start, items)?;
        }
        Ok(self.search_checked(task, items, hosts))
    }

    fn search_checked(&self, task: &ShardTask, items: &[u32], hosts: &[u32]) -> ShardAnswer {
        let shard = self.plan.extract(task.shard, items, hosts);
        let share = (self.work as f64 * items.len() as f64 / self.p.items as f64) as u64;
        let seed = self.settings.seed ^ ((self.number as u64) << 48) ^ ((task.shard as u64) << 16);
        let own = self.settings.with_seed(seed).with_work(share.max(1)).with_workers(1);
        let start = task.start.as_ref().map(|it| shard.inward(it));
        let (best, work) = search_part(&shard.problem, &own, start.as_deref(), &mut |_| {});
        ShardAnswer { round: task.round, shard: task.shard, hosts: shard.outward(&best), work }
    }

    /// Puts the items of a shard where its answer says. One that does not fit is refused and changes nothing; the same one again
    /// changes nothing either.
    pub fn merge(&self, answer: &ShardAnswer, assignment: &mut [u32]) -> Result<(), ShardError> {
        let (items, hosts) = self.shard(answer.round, answer.shard)?;
        check_length(answer.shard, &answer.hosts, items)?;
        let outside = |&&host: &&u32| host != NONE && hosts.binary_search(&host).is_err();
        if let Some(&host) = answer.hosts.iter().find(outside) {
            return Err(ShardError::Host { shard: answer.shard, host });
        }
        for (&item, &host) in items.iter().zip(&answer.hosts) {
            if let Some(place) = assignment.get_mut(item as usize) {
                *place = host;
            }
        }
        Ok(())
    }

    /// All shards here, side by side. Returns the moves.
    pub(super) fn run(&self, assignment: &mut [u32]) -> u64 {
        let from: &[u32] = assignment;
        let answers = crate::par::map((0..self.lists.len()).collect(), |shard: usize| {
            let (items, hosts) = &self.lists[shard];
            self.search_checked(&self.task(shard, from), items, hosts)
        });
        let mut work = 0;
        for ((items, _), answer) in self.lists.iter().zip(answers) {
            for (&item, host) in items.iter().zip(answer.hosts) {
                assignment[item as usize] = host;
            }
            work += answer.work;
        }
        work
    }

    fn shard(&self, round: usize, shard: usize) -> Result<(&[u32], &[u32]), ShardError> {
        if round != self.number {
            return Err(ShardError::Round { found: round, expected: self.number });
        }
        let unknown = ShardError::Shard { found: shard, shards: self.lists.len() };
        self.lists.get(shard).map(|(items, hosts)| (&**items, &**hosts)).ok_or(unknown)
    }
}

const fn check_length(shard: usize, hosts: &[u32], items: &[u32]) -> Result<(), ShardError> {
    if hosts.len() == items.len() {
        return Ok(());
    }
    Err(ShardError::Length { shard, found: hosts.len(), expected: items.len() })
}

impl Shard<'_> {
    /// Where the shard's items are, in its own numbers.
    fn inward(&self, places: &[u32]) -> Vec<u32> {
        let place = |&host: &u32| match host {
            NONE => NONE,
            host => self.hosts.binary_search(&host).map_or(NONE, |at| at as u32),
        };
        places.iter().map(place).collect()
    }

    /// Hosts of the whole for an assignment in the shard's own numbers.
    fn outward(&self, assignment: &[u32]) -> Vec<u32> {
        assignment.iter().map(|&host| self.hosts.get(host as usize).copied().unwrap_or(NONE)).collect()
    }
}
