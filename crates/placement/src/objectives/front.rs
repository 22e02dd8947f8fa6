//! Several objectives at once: the placements of which none is better than another in all of them.
//!
//! Each search minimises a weighted sum. With two objectives the weights come from the gap between two neighbours of the
//! front, so that a search asks for what lies between them (Aneja & Nair 1979); with more they are spread evenly over the
//! simplex. Weighted sums find the convex part of a front; what lies in its hollows is found on the way: every better
//! assignment a search passes is judged, so is the path from its start to its end (path relinking, Glover 1996), and at the
//! end what one shift makes of each point (Pareto local search, Paquete et al. 2004).

use crate::bound::lower_bound;
use crate::dense::Dense;
use crate::evaluate::CostTerms;
use crate::objectives::archive::{Archive, Found};
use crate::objectives::volume::hypervolume;
use crate::objectives::{Term, alone, minimise, weighted};
use crate::problem::Problem;
use crate::rng::Pcg;
use crate::settings::Settings;
use crate::state::{Delta, State};
use ecosystem_core::Placement;
use std::collections::BTreeSet;

/// Weight of the other objectives while one is minimised, so that among equals the better ones are found.
const ASIDE: f64 = 1e-3;
/// With two objectives each so-many-th search goes on from an end of the front instead of into a gap.
const ENDS: u64 = 4;
/// Share of the work for what one shift makes of the points.
const SHIFTS: f64 = 0.25;

/// A placement of a [`Front`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FrontPoint {
    /// Host index of each item, in the order of [`Problem::replicas`].
    pub assignment: Vec<u32>,
    /// Replica → host; empty for raw problems.
    pub placement: Placement,
    /// Cost by term.
    pub cost: CostTerms,
    /// Value of each objective, in cost units.
    pub values: Vec<i64>,
}

/// Placements that keep all hard rules, none of which is as good as another in every objective.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Front {
    /// In the order of their values. Empty if no placement that keeps all hard rules was found; [`solve`](crate::solve) says
    /// what stands against it.
    pub points: Vec<FrontPoint>,
    /// For each objective: no placement that keeps all hard rules has a lower value.
    pub bounds: Vec<i64>,
    /// Evaluated moves.
    pub work: u64,
}

impl Front {
    /// Volume of what the front dominates below a reference (one value for each objective); larger is better. Points that
    /// are not below the reference in every objective do not count. O(points² · objectives) for two objectives, one more
    /// power of the points for each further one.
    pub fn hypervolume(&self, reference: &[i64]) -> f64 {
        let values: Vec<Vec<i64>> = self.points.iter().map(|point| point.values.clone()).collect();
        hypervolume(&values, reference)
    }

    /// The compromise: the point whose largest loss is smallest, each objective's loss as a share of its range over the front.
    pub fn compromise(&self) -> Option<&FrontPoint> {
        let objectives = self.points.first()?.values.len();
        let range = |k: usize| {
            let values = || self.points.iter().map(|point| point.values[k]);
            (values().min().unwrap_or(0), values().max().unwrap_or(0))
        };
        let ranges: Vec<(i64, i64)> = (0..objectives).map(range).collect();
        let loss = |point: &FrontPoint| {
            let share = |(&value, &(low, high)): (&i64, &(i64, i64))| {
                (value - low) as f64 / (high - low).max(1) as f64
            };
            point.values.iter().zip(&ranges).map(share).fold(0.0, f64::max)
        };
        self.points.iter().min_by(|a, b| loss(a).total_cmp(&loss(b)))
    }
}

/// The Pareto front of several objectives, each a set of cost terms, by so many `searches` that share the work of the
/// settings. Terms of no objective cost nothing here; hard rules always hold. If the work suffices to look at every
/// assignment, the front is exact.
///
/// Memory O(points · items). The result depends on the arguments alone.
///
/// # Example
/// ```
/// use ecosystem_placement::{DenseBuilder, DenseHost, DenseItem, Dimension, Settings, Term, pareto_front};
///
/// // a cheap host that draws much power, and a dear one that draws little
/// let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
/// raw.host(DenseHost { capacity: vec![4], open_cost: 10, linear: 5 << 16, ..DenseHost::default() });
/// raw.host(DenseHost { capacity: vec![4], open_cost: 30, linear: 1 << 16, ..DenseHost::default() });
/// raw.item(DenseItem { demand: vec![2], linear: 4, ..DenseItem::default() });
/// let problem = raw.build()?;
/// let front = pareto_front(&problem, &Settings::default(), &[&[Term::Price], &[Term::Energy]], 8);
/// let values: Vec<&[i64]> = front.points.iter().map(|point| &point.values[..]).collect();
/// assert_eq!(values, [[10, 20], [30, 4]]);
/// assert_eq!(front.hypervolume(&[40, 25]), (30 * 5 + 10 * 16) as f64);
/// # Ok::<(), ecosystem_placement::ProblemError>(())
/// ```
pub fn pareto_front(problem: &Problem, settings: &Settings, objectives: &[&[Term]], searches: u32) -> Front {
    let p = &problem.dense;
    let assignments = (p.hosts as u64).checked_pow(p.items.try_into().unwrap_or(u32::MAX));
    let enough = assignments.is_some_and(|count| count <= settings.work / evaluation(p));
    front_of(problem, settings, objectives, searches, enough)
}

/// Work of evaluating one assignment in full.
const fn evaluation(p: &Dense) -> u64 {
    8 + p.items as u64 + p.hosts as u64
}

fn front_of(
    problem: &Problem,
    settings: &Settings,
    objectives: &[&[Term]],
    searches: u32,
    every: bool,
) -> Front {
    let p = &problem.dense;
    let searches = u64::from(searches.max(1));
    let share = settings.with_work(((settings.work as f64 * (1.0 - SHIFTS)) as u64 / searches).max(1));
    let scale: Vec<f64> = {
        let mut state = State::of(p, &p.home);
        crate::construct::in_order(&mut state, &mut Pcg::new(settings.seed, 1));
        let terms = crate::evaluate::evaluate(p, &state.host_of).terms;
        objectives.iter().map(|objective| crate::objectives::value(objective, &terms).max(1) as f64).collect()
    };
    let mut explorer = Explorer {
        archive: Archive::new(p, objectives),
        objectives,
        scale,
        settings: share,
        number: 0,
        work: 0,
    };
    if every {
        explorer.every_assignment();
    } else {
        explorer.searches(searches, (settings.work as f64 * SHIFTS) as u64);
    }
    let bound = |objective: &&[Term]| lower_bound(&alone(p, objective), settings.bound_nodes() / searches);
    let point = |found: Found| FrontPoint {
        placement: problem.placement_of(&found.assignment),
        assignment: found.assignment,
        cost: found.cost,
        values: found.values,
    };
    Front {
        bounds: objectives.iter().map(bound).collect(),
        work: explorer.work,
        points: explorer.archive.found.into_iter().map(point).collect(),
    }
}

/// The searches, one after the other.
struct Explorer<'a> {
    archive: Archive<'a>,
    objectives: &'a [&'a [Term]],
    /// A value of each objective, to weigh one against another before the front is known.
    scale: Vec<f64>,
    /// With the work of one search.
    settings: Settings,
    number: u64,
    work: u64,
}

impl Explorer<'_> {
    /// Looks at every assignment: the front of a small problem, exactly.
    fn every_assignment(&mut self) {
        let p = self.archive.p;
        let mut x = vec![0_u32; p.items];
        loop {
            self.archive.offer(&x);
            self.work += evaluation(p);
            let Some(at) = x.iter().position(|&host| (host as usize) + 1 < p.hosts) else { return };
            x[at] += 1;
            x[..at].fill(0);
        }
    }

    fn searches(&mut self, searches: u64, shifts: u64) {
        for end in 0..self.objectives.len().min(searches as usize) {
            self.end(end, None);
        }
        if self.objectives.len() == 2 {
            self.fill_gaps(searches);
        } else if self.objectives.len() > 2 {
            self.spread(searches);
        }
        self.shifts(shifts);
    }

    /// Minimises a weighted sum, from the archive's entry `start` or from nothing.
    fn search(&mut self, weights: &[f64], start: Option<usize>) {
        let part = weighted(self.archive.p, self.objectives, weights);
        let from = start.map(|at| self.archive.found[at].assignment.clone());
        let settings = self.settings.with_seed(self.settings.seed ^ (self.number << 40));
        self.number += 1;
        let archive = &mut self.archive;
        let (best, work) = minimise(&part, &settings, from.as_deref(), &mut |passed| {
            archive.offer(passed);
        });
        self.work += work;
        self.archive.offer(&best);
        if let Some(from) = from {
            self.work += relink(&mut self.archive, &part, &from, &best, settings.work);
        }
    }

    /// Minimises one objective, the others only among equals.
    fn end(&mut self, objective: usize, start: Option<usize>) {
        let weight = |k: usize| if k == objective { 1.0 } else { ASIDE } / self.scale[k];
        let weights: Vec<f64> = (0..self.objectives.len()).map(weight).collect();
        self.search(&weights, start);
    }

    /// Two objectives: searches between the neighbours that are farthest apart.
    fn fill_gaps(&mut self, searches: u64) {
        let mut done: BTreeSet<(Vec<i64>, Vec<i64>)> = BTreeSet::new();
        while self.number < searches && !self.archive.found.is_empty() {
            let gap = self.widest_gap(&done);
            let Some(at) = gap.filter(|_| !self.number.is_multiple_of(ENDS)) else {
                if gap.is_none() {
                    done.clear();
                }
                let end = (self.number / ENDS % 2) as usize;
                self.end(end, Some(if end == 0 { 0 } else { self.archive.found.len() - 1 }));
                continue;
            };
            let (a, b) = (self.archive.found[at].values.clone(), self.archive.found[at + 1].values.clone());
            // a better place anywhere below the line through both has a lower weighted sum than they have
            let weights = [(a[1] - b[1]) as f64, (b[0] - a[0]) as f64];
            // from one end, from the other, from nothing: hosts that are in use at both ends bind a search that begins there
            let from = [Some(at), Some(at + 1), None][(self.number % 3) as usize];
            done.insert((a, b));
            self.search(&weights, from);
        }
    }

    /// The pair of neighbours with the largest box between them, as a share of the whole, that was not searched.
    fn widest_gap(&self, done: &BTreeSet<(Vec<i64>, Vec<i64>)>) -> Option<usize> {
        let mut best: Option<(i128, usize)> = None;
        for (at, pair) in self.archive.found.windows(2).enumerate() {
            let area = i128::from(pair[1].values[0] - pair[0].values[0])
                * i128::from(pair[0].values[1] - pair[1].values[1]);
            let new = !done.contains(&(pair[0].values.clone(), pair[1].values.clone()));
            if new && best.is_none_or(|(most, _)| area > most) {
                best = Some((area, at));
            }
        }
        best.map(|(_, at)| at)
    }

    /// Tries every shift of every point, and of the points that come of it, until the work is done.
    fn shifts(&mut self, limit: u64) {
        let singles: Vec<Dense> =
            self.objectives.iter().map(|objective| alone(self.archive.p, objective)).collect();
        let (mut done, mut work) = (BTreeSet::new(), 0);
        while work < limit {
            let next = self.archive.found.iter().find(|found| !done.contains(&found.values)).cloned();
            let Some(entry) = next else { break };
            work += shifts_of(&mut self.archive, &singles, &entry).max(1);
            done.insert(entry.values);
        }
        self.work += work;
    }

    /// More objectives: weights that cover the simplex evenly, each search from the best entry for its weights.
    fn spread(&mut self, searches: u64) {
        let count = self.objectives.len();
        let mut rng = Pcg::new(self.settings.seed, 1 << 33);
        while self.number < searches && !self.archive.found.is_empty() {
            let weight = |k: usize| {
                let (low, high) = self.archive.range(k);
                // exponential shares are uniform on the simplex (Devroye 1986, V.2)
                -(1.0 - rng.unit()).ln() / (high - low).max(1) as f64
            };
            let weights: Vec<f64> = (0..count).map(weight).collect();
            let sum = |found: &Found| -> f64 {
                found.values.iter().zip(&weights).map(|(&v, w)| v as f64 * w).sum()
            };
            let found = &self.archive.found;
            let start = (0..found.len()).min_by(|&a, &b| sum(&found[a]).total_cmp(&sum(&found[b])));
            self.search(&weights, start);
        }
    }
}

/// Of what one shift makes of an entry, all that no entry covers.
fn shifts_of(archive: &mut Archive<'_>, singles: &[Dense], entry: &Found) -> u64 {
    let states: Vec<State<'_>> = singles.iter().map(|p| State::of(p, &entry.assignment)).collect();
    let Some(first) = states.first() else { return 0 };
    let mut work = 0;
    for item in 0..first.p.items as u32 {
        for host in (0..first.p.hosts as u32).filter(|&host| host != entry.assignment[item as usize]) {
            if !first.fits(item, host) {
                continue;
            }
            work += states.len() as u64;
            let deltas: Vec<Delta> = states.iter().map(|state| state.delta(item, host)).collect();
            let values: Vec<i64> =
                entry.values.iter().zip(&deltas).map(|(value, delta)| value + delta.cost).collect();
            if deltas[0].hard == 0 && !archive.has_as_good(&values) {
                let mut changed = entry.assignment.clone();
                changed[item as usize] = host;
                archive.offer(&changed);
            }
        }
    }
    work
}

/// Walks from one assignment to another, each step the item that costs least to bring to its place, and judges every
/// assignment on the way. Returns the evaluated moves, at most about `limit`.
fn relink(archive: &mut Archive<'_>, part: &Problem, from: &[u32], to: &[u32], limit: u64) -> u64 {
    let mut state = State::of(&part.dense, from);
    let mut away: Vec<u32> =
        (0..part.dense.items as u32).filter(|&i| from[i as usize] != to[i as usize]).collect();
    let mut work = 0;
    while away.len() > 1 && work < limit {
        work += away.len() as u64;
        let steps = away.iter().map(|&item| state.delta(item, to[item as usize])).enumerate();
        let Some((at, _)) = steps.reduce(|best, next| if next.1.better_than(best.1) { next } else { best })
        else {
            break;
        };
        let item = away.swap_remove(at);
        state.apply(item, to[item as usize]);
        if state.value.hard == 0 {
            archive.offer(&state.host_of);
        }
    }
    work
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check_assignment;
    use crate::evaluate::evaluate;
    use crate::fixture::{ALL, random_problem};
    use crate::objectives::value;
    use proptest::prelude::*;

    /// Every assignment that keeps all hard rules, by its values.
    fn all_values(problem: &Problem, objectives: &[&[Term]]) -> Vec<Vec<i64>> {
        let p = &problem.dense;
        let mut x = vec![0_u32; p.items];
        let mut values = Vec::new();
        loop {
            let evaluation = evaluate(p, &x);
            if evaluation.hard == 0 {
                values.push(objectives.iter().map(|o| value(o, &evaluation.terms)).collect());
            }
            let Some(at) = x.iter().position(|&host| (host as usize) < p.hosts - 1) else { return values };
            x[at] += 1;
            x[..at].fill(0);
        }
    }

    const MONEY: &[Term] = &[Term::Price, Term::Energy];
    const NEAR: &[Term] = &[Term::Proximity];
    const CALM: &[Term] = &[Term::Moves, Term::Rules, Term::Overload, Term::Balance];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn fronts_of_small_problems_are_the_whole_front(
            seed in any::<u64>(), items in 3_usize..6, hosts in 3_usize..5, kinds in 0..=ALL, three in any::<bool>(),
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let objectives: &[&[Term]] = if three { &[MONEY, NEAR, CALM] } else { &[MONEY, NEAR] };
            let front = pareto_front(&problem, &Settings::default().with_work(60_000), objectives, 24);
            let every = all_values(&problem, objectives);
            prop_assert_eq!(front.points.is_empty(), every.is_empty());
            for point in &front.points {
                prop_assert!(check_assignment(&problem, &point.assignment).is_ok());
                prop_assert!(every.contains(&point.values));
                prop_assert!(point.values.iter().zip(&front.bounds).all(|(value, bound)| value >= bound));
                let better = |other: &FrontPoint| other.values.iter().zip(&point.values).all(|(a, b)| a <= b);
                prop_assert_eq!(front.points.iter().filter(|other| better(other)).count(), 1);
            }
            if !every.is_empty() {
                let worst = |k: usize| every.iter().map(|v| v[k]).max().unwrap_or(0) + 1;
                let reference: Vec<i64> = (0..objectives.len()).map(worst).collect();
                let (ours, whole) = (front.hypervolume(&reference), hypervolume(&every, &reference));
                prop_assert!((ours - whole).abs() <= 1e-9 * whole, "{} of {}", ours, whole);
                prop_assert!(front.compromise().is_some());
            }
        }
    }

    #[test]
    fn searches_find_most_of_the_fronts_of_small_problems() {
        let (mut sum, mut least, mut count) = (0.0, 1.0_f64, 0);
        for seed in 0..60 {
            let problem = random_problem(seed, 5, 4, seed as u32 * 977 % (ALL + 1));
            let objectives: &[&[Term]] = if seed % 2 == 0 { &[MONEY, NEAR, CALM] } else { &[MONEY, NEAR] };
            let every = all_values(&problem, objectives);
            if every.is_empty() {
                continue;
            }
            let front = front_of(&problem, &Settings::default().with_work(60_000), objectives, 24, false);
            let worst = |k: usize| every.iter().map(|v| v[k]).max().unwrap_or(0) + 1;
            let reference: Vec<i64> = (0..objectives.len()).map(worst).collect();
            let share = front.hypervolume(&reference) / hypervolume(&every, &reference);
            (sum, least, count) = (sum + share, least.min(share), count + 1);
        }
        let mean = sum / f64::from(count);
        assert!(count > 20 && mean > 0.99 && least > 0.9, "mean {mean:.4}, least {least:.4} of {count}");
    }

    #[test]
    fn a_front_repeats_bit_for_bit_and_more_searches_do_not_shrink_it() {
        let problem = random_problem(7, 30, 10, 0);
        let front = |searches| {
            pareto_front(
                &problem,
                &Settings::default().with_work(2_000 * u64::from(searches)),
                &[MONEY, NEAR],
                searches,
            )
        };
        assert_eq!(front(6), front(6));
        let reference = [front(2).points.last().unwrap().values[0], front(2).points[0].values[1]];
        assert!(front(24).hypervolume(&reference) >= front(2).hypervolume(&reference));
        assert!(pareto_front(&problem, &Settings::default(), &[], 4).points.len() <= 1);
    }

    #[test]
    fn the_compromise_loses_least_where_it_loses_most() {
        let point = |values: &[i64]| FrontPoint {
            assignment: Vec::new(),
            placement: Placement::new(),
            cost: CostTerms::default(),
            values: values.to_vec(),
        };
        let points = [[0, 100], [10, 20], [60, 10], [100, 0]].iter().map(|v| point(v)).collect();
        let front = Front { points, bounds: vec![0, 0], work: 0 };
        assert_eq!(front.compromise().unwrap().values, [10, 20]);
        assert_eq!(Front { points: Vec::new(), ..front }.compromise(), None);
    }
}
