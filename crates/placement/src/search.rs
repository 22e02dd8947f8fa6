//! The local search: simulated annealing over shifts, exchanges, moves of connected parts and ruin & recreate,
//! several workers side by side.

use crate::bound::lower_bound;
use crate::dense::{Dense, NONE};
use crate::problem::Problem;
use crate::search::worker::Worker;
use crate::settings::Settings;
use crate::solution::{Solution, finish};
use crate::state::Delta;

mod cluster;
mod cooling;
mod moves;
mod region;
mod ruin;
mod worker;

/// Slices that a full run is cut into; between them workers compare.
const ROUNDS: u64 = 40;
/// Moves of one worker that one fall of the temperature should take, for each pair of items: what a large problem gains
/// from slow cooling, a small one gains from several tries.
const CYCLE_MOVES: f64 = 120.0;
/// Part of the work that goes into whole falls of the temperature when there is enough for several; the rest goes into
/// regions.
const WHOLE: f64 = 0.5;

/// Where the temperature begins when it falls once, on problems with edges that were placed from nothing: a hot search
/// would take apart what belongs together, and the one fall of a large problem does not find it again. Of 0.4, 0.5, 0.6
/// and 0.7 the middle ones were best on generated stacks, with little between them.
const LATE: f64 = 0.6;

/// A search that runs in slices, for hosts with a deadline.
///
/// The temperature falls with progress. With [`step`](Self::step) progress is work done by work budget; a host that
/// goes by the clock says how far it is with [`step_at`](Self::step_at).
///
/// # Example
/// ```
/// use ecosystem_placement::{DenseBuilder, DenseHost, DenseItem, Search, Settings};
///
/// let mut raw = DenseBuilder::default();
/// for open_cost in [2, 1, 3] {
///     raw.host(DenseHost { open_cost, ..DenseHost::default() });
/// }
/// raw.item(DenseItem::default());
/// let problem = raw.build()?;
/// let mut search = Search::new(&problem, &Settings::default().with_work(1_000));
/// while search.step(100) {}
/// assert_eq!(search.into_solution().assignment, [1]);
/// # Ok::<(), ecosystem_placement::ProblemError>(())
/// ```
#[derive(Debug)]
pub struct Search<'p> {
    problem: &'p Problem,
    settings: Settings,
    bound: i64,
    workers: Vec<Worker<'p>>,
    /// How often the temperature falls from hot to cold; decided when the speed is known.
    cycles: Option<f64>,
    /// Most items were placed from nothing, and there are edges.
    is_built: bool,
    /// Progress at which workers compare next.
    exchange_at: f64,
    /// The assignment from which all workers went on with regions.
    base: Vec<u32>,
}

impl<'p> Search<'p> {
    /// Prepares the workers: first assignments and temperatures.
    pub fn new(problem: &'p Problem, settings: &Settings) -> Self {
        Self::starting_at(problem, settings, &problem.dense.home)
    }

    /// Like [`new`](Self::new), with the workers' first assignment: the host of each item. Items without an entry or with a
    /// host that does not exist go where they add least. If most items have an entry, the temperature still falls from hot to
    /// cold by progress: a host that wants to keep most of the start begins [`step_at`](Self::step_at) late.
    pub fn starting_at(problem: &'p Problem, settings: &Settings, start: &[u32]) -> Self {
        Self::prepare(problem, settings, start, lower_bound(&problem.dense, settings.bound_nodes()))
    }

    fn prepare(problem: &'p Problem, settings: &Settings, start: &[u32], bound: i64) -> Self {
        let p: &'p Dense = &problem.dense;
        let count = settings.workers.clamp(1, 64);
        let seed = settings.seed;
        let host = |item: usize| start.get(item).copied().filter(|&host| (host as usize) < p.hosts);
        let start: Vec<u32> = (0..p.items).map(|item| host(item).unwrap_or(NONE)).collect();
        let unplaced = start.iter().filter(|&&host| host == NONE).count();
        let is_built = !p.edge_to.is_empty() && 2 * unplaced > p.items;
        let workers = crate::par::map((0..u64::from(count)).collect(), |k| Worker::new(p, &start, seed, k));
        let exchange_at = 1.0 / ROUNDS as f64;
        Self {
            problem,
            settings: *settings,
            bound,
            workers,
            cycles: None,
            is_built,
            exchange_at,
            base: Vec::new(),
        }
    }

    /// Evaluates about `moves` moves in all workers together. False when the budget is used up or the best assignment
    /// is proven optimal.
    pub fn step(&mut self, moves: u64) -> bool {
        let budget = self.settings.work.max(1);
        let done = self.work();
        if done >= budget || self.is_proven() {
            return false;
        }
        self.step_at(moves.min(budget - done), done as f64 / budget as f64)
    }

    /// Like [`step`](Self::step) for hosts that go by the clock: `progress` runs from 0 to 1. False only when the best
    /// assignment is proven optimal.
    pub fn step_at(&mut self, moves: u64, progress: f64) -> bool {
        let share = moves.div_ceil(self.workers.len() as u64);
        let progress = if progress.is_finite() { progress.clamp(0.0, 1.0) } else { 1.0 };
        let heat = self.heat(progress);
        match heat {
            Some(heat) => crate::par::for_each(&mut self.workers, |worker| worker.run(share, heat)),
            None => crate::par::for_each(&mut self.workers, |worker| worker.run_regions(share)),
        }
        if progress >= self.exchange_at {
            self.exchange_at = progress + 1.0 / ROUNDS as f64;
            match heat {
                Some(_) => self.exchange(),
                None => self.merge(),
            }
        }
        !self.is_proven()
    }

    /// Progress within the current fall of the temperature; `None` when regions follow, which they do not while hard rules
    /// are broken, because what breaks them may lie outside of any region.
    fn heat(&mut self, progress: f64) -> Option<f64> {
        if self.cycles.is_none() && progress >= 0.01 {
            let each = self.work() as f64 / progress / self.workers.len() as f64;
            let one = (self.problem.dense.items as f64).powi(2) * CYCLE_MOVES;
            let cycles = (WHOLE * each / one.max(1.0)).floor();
            self.cycles = Some(if cycles >= 2.0 { cycles.min(256.0) / WHOLE } else { 1.0 });
        }
        let cycles = self.cycles.unwrap_or(1.0);
        let whole = cycles < 2.0 || progress < WHOLE || self.best_value().hard > 0;
        let begin = if self.is_built && cycles < 2.0 { LATE } else { 0.0 };
        whole.then(|| begin + (1.0 - begin) * (progress * cycles).fract())
    }

    /// Workers that are far behind go on from the leader's current assignment.
    fn exchange(&mut self) {
        let leader = self.leader();
        let (value, assignment) = self.workers[leader].snapshot();
        for (ix, worker) in self.workers.iter_mut().enumerate() {
            if ix != leader && value.better_than(worker.current_value()) && worker.should_follow(value) {
                worker.adopt(&assignment);
            }
        }
    }

    /// What workers have improved in different regions comes together, and all go on from there.
    fn merge(&mut self) {
        let leader = self.leader();
        for ix in (0..self.workers.len()).filter(|&ix| ix != leader && !self.base.is_empty()) {
            let (best, other) = (&self.workers[leader].best, &self.workers[ix].best);
            let changes = best.iter().zip(other).zip(&self.base);
            let merged: Vec<u32> =
                changes.map(|((&best, &other), &base)| if best == base { other } else { best }).collect();
            self.workers[leader].adopt(&merged);
            self.workers[leader].return_to_best();
        }
        self.base.clone_from(&self.workers[leader].best);
        let base = &self.base;
        crate::par::for_each(&mut self.workers, |worker| {
            worker.adopt(base);
            worker.return_to_best();
            worker.region.leave();
        });
    }

    fn leader(&self) -> usize {
        let mut leader = 0;
        for (ix, worker) in self.workers.iter().enumerate() {
            if worker.best_value.better_than(self.workers[leader].best_value) {
                leader = ix;
            }
        }
        leader
    }

    fn best_value(&self) -> Delta {
        self.workers[self.leader()].best_value
    }

    fn is_proven(&self) -> bool {
        let best = self.best_value();
        best.hard == 0 && best.cost <= self.bound
    }

    /// Work done so far: evaluated moves of all workers.
    pub fn work(&self) -> u64 {
        self.workers.iter().map(|w| w.work).sum()
    }

    /// Cost of the best assignment so far; `None` while none keeps all hard rules.
    pub fn cost(&self) -> Option<i64> {
        let best = self.best_value();
        (best.hard == 0).then_some(best.cost)
    }

    /// The best assignment so far: the host of each item.
    pub fn assignment(&self) -> &[u32] {
        &self.workers[self.leader()].best
    }

    /// Lower bound of the cost of any placement that keeps all hard rules.
    pub const fn bound(&self) -> i64 {
        self.bound
    }

    /// The best so far, with bound, gap, status and explanation.
    pub fn into_solution(self) -> Solution {
        let work = self.work();
        let leader = self.leader();
        let best = self.workers.into_iter().nth(leader).map(|w| w.best).unwrap_or_default();
        finish(self.problem, &self.settings, Some(best), self.bound, work)
    }
}

/// Solves a problem within the work budget of the settings.
///
/// Small problems are solved exactly. The result depends on problem and settings alone.
pub fn solve(problem: &Problem, settings: &Settings) -> Solution {
    if let Some(exact) = crate::exact::solve_exact(&problem.dense, settings.exact_nodes) {
        return finish(problem, settings, exact.assignment, exact.cost, exact.nodes);
    }
    let mut search = Search::new(problem, settings);
    let slice = (settings.work / ROUNDS).max(1);
    while search.step(slice) {}
    search.into_solution()
}

/// Places one item after the other, each where it adds least, and never looks back: what a scheduler of single machines
/// does. The yardstick for [`solve`], which places the stack as a whole.
pub fn solve_one_by_one(problem: &Problem, settings: &Settings) -> Solution {
    let p = &problem.dense;
    // the second worker's random numbers, so that its start is this placement
    let mut rng = crate::rng::Pcg::new(settings.seed, 1);
    let mut state = crate::state::State::of(p, &p.home);
    let work = crate::construct::in_order(&mut state, &mut rng);
    finish(problem, settings, Some(state.host_of), lower_bound(p, settings.bound_nodes()), work)
}

/// True if short searches from scratch, each from another first assignment, find one that keeps all hard rules.
pub(crate) fn quick_feasible(p: &Dense, seed: u64, work: u64) -> bool {
    const STARTS: u64 = 2;
    const SLICES: u64 = 10;
    (0..STARTS).any(|number| {
        let mut worker = Worker::new(p, &p.home, seed, number);
        for slice in 0..SLICES {
            if worker.best_value.hard == 0 {
                break;
            }
            worker.run(work / (STARTS * SLICES), 0.5 + slice as f64 / (2 * SLICES) as f64);
        }
        worker.best_value.hard == 0
    })
}

/// A search of a part of a problem, without a bound. From a `start` it goes on region by region, otherwise from hot to
/// cold. `passed` sees the best so far after every slice. Returns the best assignment and the moves.
pub(crate) fn search_part(
    part: &Problem,
    settings: &Settings,
    start: Option<&[u32]>,
    passed: &mut dyn FnMut(&[u32]),
) -> (Vec<u32>, u64) {
    let from = start.unwrap_or(&part.dense.home);
    let mut search = Search::prepare(part, settings, from, i64::MIN);
    let begin = if start.is_some() {
        search.cycles = Some(2.0 / WHOLE);
        WHOLE
    } else {
        0.0
    };
    let budget = settings.work.max(1);
    loop {
        let done = search.work() as f64 / budget as f64;
        if done >= 1.0 || !search.step_at((budget / ROUNDS).max(1), begin + (1.0 - begin) * done) {
            break;
        }
        passed(search.assignment());
    }
    (search.assignment().to_vec(), search.work())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::random_problem;

    #[test]
    fn what_was_built_from_nothing_is_not_heated_unless_there_is_time_for_several_falls() {
        let problem = random_problem(3, 40, 10, 0);
        let p = &problem.dense;
        assert!(!p.edge_to.is_empty());
        let heat_at = |work: u64, start: &[u32]| {
            let settings = Settings::default().with_work(work);
            let mut search = Search::starting_at(&problem, &settings, start);
            while search.work() < work / 50 {
                search.step(work / 100);
            }
            search.heat(search.work() as f64 / work as f64).unwrap()
        };
        let nowhere = vec![NONE; p.items];
        let (short, long) = (heat_at(20_000, &nowhere), heat_at(4_000_000, &nowhere));
        assert!(short > LATE && long < 0.5, "{short} {long}");
        let somewhere = vec![0; p.items];
        assert!(
            heat_at(20_000, &somewhere) < 0.1,
            "a start that was given is left as a hot search leaves it"
        );
    }
}
