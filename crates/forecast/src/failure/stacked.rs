//! Boosting, forest and isolation forest, stacked and calibrated.

use super::Calibration;
use crate::tree::{
    Boosting, FittedIsolation, Forest, IsolationForest, Table, TreeError, TreeModel, logistic,
};

/// Why a failure model could not be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FailureError {
    /// The trees refused.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Too few rows of a class to learn and to calibrate.
    #[error("{found} rows of class {class}: expected at least {needed}, spread over the data")]
    TooFew {
        /// 0 or 1.
        class: u8,
        /// Found.
        found: usize,
        /// Needed.
        needed: usize,
    },
    /// Groups do not fit the rows, or there are too few.
    #[error(
        "{found} groups for {rows} rows: expected a group for every row, at least 2 of them with both classes"
    )]
    Groups {
        /// Groups found.
        found: usize,
        /// Rows.
        rows: usize,
    },
}

/// Three members and how to combine them.
///
/// Every group of rows (a run, a node, a week) is predicted by members that did not see it. What a member says counts by its
/// rank among those predictions, so that members speak one language. A logistic regression learns the weights of the ranks
/// (not negative: a member may be useless, not perverse), which are pulled towards 0.5, 0.3 and 0.2 for boosting, forest and
/// isolation forest: rows of one group are alike, so that few groups say little about weights, however many their rows. A
/// [`Calibration`] turns the weighted rank into a probability.
///
/// Wolpert (1992), Stacked generalization, Neural Networks 5; Breiman (1996), Stacked regressions, Machine Learning 24; the pull
/// is the posterior mean of weights whose prior weighs as much as twenty groups.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FailureModel {
    /// Boosted trees.
    pub boosting: Boosting,
    /// Forest.
    pub forest: Forest,
    /// Isolation forest on the rows of class 0.
    pub isolation: IsolationForest,
    /// Most parts that groups are put into (default 5).
    pub parts: usize,
}

/// What the members say, and together.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Members {
    /// Boosted trees: log-odds, cut at ±10.
    pub boosting: f64,
    /// Forest: probability.
    pub forest: f64,
    /// Isolation forest: score, about 0.5 for ordinary rows.
    pub isolation: f64,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Fitted {
    pub(super) boosting: TreeModel,
    pub(super) forest: TreeModel,
    pub(super) isolation: FittedIsolation,
}

/// A fitted failure model.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedFailureModel {
    pub(super) members: Fitted,
    pub(super) ranks: [Ranks; 3],
    pub(super) weights: [f64; 3],
    pub(super) calibration: Calibration,
    pub(super) held_out: Vec<f64>,
}

impl Default for FailureModel {
    fn default() -> Self {
        let mut boosting = Boosting::classifier();
        // Failures are few: small trees and a ridge keep one of them from being learnt by heart.
        (boosting.rounds, boosting.leaves, boosting.ridge) = (80, 8, 1.0);
        let mut forest = Forest::random();
        (forest.least_rows, forest.balanced) = (5, true);
        Self { boosting, forest, isolation: IsolationForest::default(), parts: 5 }
    }
}

/// Fewest rows of either class.
const LEAST: usize = 10;
/// Weights of boosting, forest and isolation forest as long as nothing is known.
const PRIOR: [f64; 3] = [0.5, 0.3, 0.2];
/// How many groups with failures outweigh [`PRIOR`]: an estimate from fewer is mostly chance.
const PRIOR_GROUPS: f64 = 20.0;
/// Points that a member's predictions are kept by.
const POINTS: usize = 1_000;

/// The place of a prediction among those that a member made of rows it had not seen.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Ranks {
    /// Different predictions, ascending, with the share of rows below (half of the equal ones).
    pub(super) points: Vec<(f64, f64)>,
}

impl Ranks {
    fn of(mut said: Vec<f64>) -> Self {
        said.sort_by(f64::total_cmp);
        let rows = said.len() as f64;
        let mut points: Vec<(f64, f64)> = Vec::new();
        let mut from = 0;
        while let Some(&value) = said.get(from) {
            let until = from + said[from..].partition_point(|other| *other <= value);
            points.push((value, (from + until) as f64 / (2.0 * rows)));
            from = until;
        }
        let thin = points.len().div_ceil(POINTS).max(1);
        // Thinned from the top, where failures are.
        let mut kept: Vec<(f64, f64)> = points.iter().rev().step_by(thin).copied().collect();
        kept.extend(points.first().filter(|first| kept.last() != Some(first)));
        kept.reverse();
        Self { points: kept }
    }

    /// Between 0 and 1, straight between points, flat beyond them.
    fn place(&self, said: f64) -> f64 {
        let above = self.points.partition_point(|it| it.0 <= said);
        match (above.checked_sub(1).map(|at| self.points[at]), self.points.get(above)) {
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (said - a.0) / (b.0 - a.0),
            (Some(_), None) => 1.0,
            (None, _) => 0.0,
        }
    }
}

impl FailureModel {
    /// Learns from rows, labels (near or not) and the group of every row.
    pub fn fit(
        &self,
        table: &Table,
        labels: &[bool],
        groups: &[usize],
    ) -> Result<FittedFailureModel, FailureError> {
        let y: Vec<f64> = labels.iter().map(|l| if *l { 1.0 } else { 0.0 }).collect();
        if labels.len() != table.rows() || groups.len() != table.rows() {
            return Err(FailureError::Groups { found: groups.len(), rows: table.rows() });
        }
        for (class, wanted) in [(1, true), (0, false)] {
            let found = labels.iter().filter(|l| **l == wanted).count();
            if found < LEAST {
                return Err(FailureError::TooFew { class, found, needed: LEAST });
            }
        }
        let held = self.held_out(table, &y, groups)?;
        let known: Vec<usize> = (0..labels.len()).filter(|&r| held[r].is_some()).collect();
        let said: Vec<[f64; 3]> = known.iter().filter_map(|&r| held[r].map(Members::array)).collect();
        let truth: Vec<bool> = known.iter().map(|&r| labels[r]).collect();
        let none = FailureError::Groups { found: groups.len(), rows: table.rows() };
        if truth.iter().all(|l| *l) || truth.iter().all(|l| !l) {
            return Err(none);
        }
        let ranks = [0, 1, 2].map(|k| Ranks::of(said.iter().map(|it| it[k]).collect()));
        let places: Vec<[f64; 3]> = said.iter().map(|it| places(&ranks, it)).collect();
        let mut failing: Vec<usize> = known.iter().filter(|&&r| labels[r]).map(|&r| groups[r]).collect();
        failing.sort_unstable();
        failing.dedup();
        let weights = stack(&places, &truth, failing.len() as f64);
        let scores: Vec<f64> = places.iter().map(|it| dot(&weights, it)).collect();
        let calibration = Calibration::fit(&scores, &truth).ok_or(none)?;
        let mut held_out = vec![f64::NAN; labels.len()];
        for (&r, s) in known.iter().zip(&scores) {
            held_out[r] = calibration.probability(*s);
        }
        let all: Vec<usize> = (0..table.rows()).collect();
        let members = self.members(table, &y, &all)?;
        Ok(FittedFailureModel { members, ranks, weights, calibration, held_out })
    }

    fn members(&self, table: &Table, y: &[f64], rows: &[usize]) -> Result<Fitted, FailureError> {
        let part = table.select(rows)?;
        let labels: Vec<f64> = rows.iter().map(|&r| y[r]).collect();
        let healthy: Vec<usize> = rows.iter().copied().filter(|&r| y[r] == 0.0).collect();
        Ok(Fitted {
            boosting: self.boosting.fit(&part, &labels)?,
            forest: self.forest.fit(&part, &labels)?,
            isolation: self.isolation.fit(&table.select(&healthy)?)?,
        })
    }

    /// What members say about groups that they have not seen; `None` where the rest lacks a class.
    fn held_out(
        &self,
        table: &Table,
        y: &[f64],
        groups: &[usize],
    ) -> Result<Vec<Option<Members>>, FailureError> {
        let mut names: Vec<usize> = groups.to_vec();
        names.sort_unstable();
        names.dedup();
        let parts = names.len().min(self.parts.max(2));
        let part_of = |g: usize| names.partition_point(|n| *n < g) * parts / names.len();
        let mut said = vec![None; groups.len()];
        for part in 0..parts {
            let (out, rest): (Vec<usize>, Vec<usize>) =
                (0..groups.len()).partition(|&r| part_of(groups[r]) == part);
            let ones = rest.iter().filter(|&&r| y[r] == 1.0).count();
            if ones == 0 || rest.len() < ones + 2 {
                continue;
            }
            let members = self.members(table, y, &rest)?;
            out.iter().for_each(|&r| said[r] = Some(members.ask(&table.row(r))));
        }
        Ok(said)
    }
}

impl Fitted {
    fn ask(&self, row: &[f64]) -> Members {
        Members {
            boosting: self.boosting.raw(row).clamp(-10.0, 10.0),
            forest: self.forest.predict(row),
            isolation: self.isolation.score(row),
        }
    }
}

impl FittedFailureModel {
    /// Number of features that a row has.
    pub fn features(&self) -> usize {
        self.members.boosting.features()
    }

    /// Calibrated probability that a failure is near.
    pub fn probability(&self, row: &[f64]) -> f64 {
        self.calibration.probability(self.score(row))
    }

    /// The weighted rank, 0 to 1: to put rows in order. Rows of one probability may differ in it.
    pub fn score(&self, row: &[f64]) -> f64 {
        dot(&self.weights, &places(&self.ranks, &self.members(row).array()))
    }

    /// What the members say.
    pub fn members(&self, row: &[f64]) -> Members {
        self.members.ask(row)
    }

    /// Weights of the ranks of boosting, forest and isolation forest; their sum is 1.
    pub const fn weights(&self) -> [f64; 3] {
        self.weights
    }

    /// Calibrated probabilities of the training rows by members that had not seen them; NaN where there were none.
    pub fn held_out(&self) -> &[f64] {
        &self.held_out
    }

    /// What each feature adds to the log-odds of the boosted trees.
    pub fn explain(&self, row: &[f64]) -> Vec<f64> {
        self.members.boosting.explain(row).contributions
    }
}

impl Members {
    const fn array(self) -> [f64; 3] {
        [self.boosting, self.forest, self.isolation]
    }
}

fn places(ranks: &[Ranks; 3], said: &[f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|k| ranks[k].place(said[k]))
}

fn dot<const N: usize>(w: &[f64; N], x: &[f64; N]) -> f64 {
    w.iter().zip(x).map(|(a, b)| a * b).sum()
}

/// Weights of sum 1: those that a logistic regression of the labels on the ranks finds, pulled towards [`PRIOR`].
fn stack(places: &[[f64; 3]], labels: &[bool], groups: f64) -> [f64; 3] {
    let rows: Vec<[f64; 4]> = places.iter().map(|it| [it[0], it[1], it[2], 1.0]).collect();
    let learnt = regress(&rows, labels);
    let sum: f64 = learnt[..3].iter().sum();
    let learnt = |k: usize| if sum > 0.0 { learnt[k] / sum } else { PRIOR[k] };
    [0, 1, 2].map(|k| (groups * learnt(k) + PRIOR_GROUPS * PRIOR[k]) / (groups + PRIOR_GROUPS))
}

/// Logistic regression with a small ridge and weights that are not negative (but the offset), by projected gradient steps of
/// the size that the curvature allows.
fn regress(rows: &[[f64; 4]], labels: &[bool]) -> [f64; 4] {
    const RIDGE: f64 = 1e-3;
    let n = rows.len() as f64;
    let curvature = rows.iter().map(|x| dot(x, x)).sum::<f64>() / (4.0 * n) + RIDGE;
    let (mut w, mut ahead, mut momentum) = ([0.5, 0.5, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0], 1.0_f64);
    for _ in 0..500 {
        let mut g = [0.0; 4];
        for (x, l) in rows.iter().zip(labels) {
            let d = logistic(dot(&ahead, x)) - if *l { 1.0 } else { 0.0 };
            g.iter_mut().zip(x).for_each(|(g, x)| *g += d * x / n);
        }
        let mut next = [0.0; 4];
        for k in 0..4 {
            let v = ahead[k] - (g[k] + RIDGE * ahead[k]) / curvature;
            next[k] = if k < 3 { v.max(0.0) } else { v };
        }
        let faster = f64::midpoint(1.0, (1.0 + 4.0 * momentum * momentum).sqrt());
        for k in 0..4 {
            ahead[k] = next[k] + (momentum - 1.0) / faster * (next[k] - w[k]);
        }
        (w, momentum) = (next, faster);
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    /// Eight runs; the first feature tells, the others are noise when `signal` is zero.
    fn runs(signal: f64, seed: u64) -> (Table, Vec<bool>, Vec<usize>) {
        let mut rng = Pcg::new(seed);
        let (mut rows, mut labels, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..8 {
            for t in 0..60 {
                let near = t >= 45;
                let shift = if near { signal } else { 0.0 };
                rows.push([rng.normal() + shift, rng.normal(), rng.normal()]);
                labels.push(near);
                groups.push(run);
            }
        }
        (Table::from_rows(&rows).unwrap(), labels, groups)
    }

    fn quick() -> FailureModel {
        let mut m = FailureModel::default();
        (m.boosting.rounds, m.forest.trees, m.isolation.trees, m.parts) = (30, 30, 30, 4);
        m
    }

    #[test]
    fn a_signal_is_found_with_calibrated_probabilities() {
        let (table, labels, groups) = runs(3.0, 1);
        let fitted = quick().fit(&table, &labels, &groups).unwrap();
        let score = super::super::brier(fitted.held_out(), &labels);
        assert!(score < 0.5 * 0.25 * 0.75, "{score}");
        assert!(fitted.probability(&[4.0, 0.0, 0.0]) > 0.8 && fitted.probability(&[-1.0, 0.0, 0.0]) < 0.1);
        assert!(fitted.explain(&[4.0, 0.0, 0.0])[0] > 0.5 && fitted.weights().iter().all(|w| *w >= 0.0));
    }

    #[test]
    fn noise_leaves_the_probability_at_the_base_rate() {
        let (table, labels, groups) = runs(0.0, 2);
        let fitted = quick().fit(&table, &labels, &groups).unwrap();
        let high = fitted.held_out().iter().filter(|p| **p > 0.5).count();
        let mean = crate::stats::mean(fitted.held_out());
        assert!(high <= 5 && (mean - 0.25).abs() < 0.03, "{high} {mean}");
    }

    #[test]
    fn ranks_rise_with_what_is_said_and_keep_the_top_apart() {
        let mut rng = Pcg::new(4);
        let said: Vec<f64> = (0..20_000).map(|_| rng.normal()).collect();
        let ranks = Ranks::of(said.clone());
        assert!(ranks.points.len() <= POINTS + 1);
        assert_eq!((ranks.place(-99.0), ranks.place(99.0)), (0.0, 1.0));
        let mut sorted = said;
        sorted.sort_by(f64::total_cmp);
        for (at, pair) in sorted.windows(2).enumerate() {
            let (low, high) = (ranks.place(pair[0]), ranks.place(pair[1]));
            assert!(low <= high && (low - at as f64 / 20_000.0).abs() < 2e-3, "{at} {low} {high}");
        }
        // Three of four say the same: half of them are below it.
        assert!((Ranks::of(vec![1.0, 1.0, 1.0, 2.0]).place(1.0) - 0.375).abs() < 1e-12);
    }

    #[test]
    fn few_groups_leave_the_weights_near_the_prior_and_many_do_not() {
        let mut rng = Pcg::new(5);
        let labels: Vec<bool> = (0..2_000).map(|r| r % 4 == 0).collect();
        // Only the third member knows anything.
        let place = |near: &bool| {
            [rng.uniform(), rng.uniform(), f64::midpoint(rng.uniform(), if *near { 1.0 } else { 0.0 })]
        };
        let places: Vec<[f64; 3]> = labels.iter().map(place).collect();
        let (few, many) = (stack(&places, &labels, 2.0), stack(&places, &labels, 2_000.0));
        assert!(
            (few.iter().sum::<f64>() - 1.0).abs() < 1e-12 && (many.iter().sum::<f64>() - 1.0).abs() < 1e-12
        );
        assert!(few.iter().zip(&PRIOR).all(|(w, prior)| (w - prior).abs() < 0.1), "{few:?}");
        assert!(many[2] > 0.9, "{many:?}");
    }

    #[test]
    fn groups_and_classes_that_are_missing_are_errors() {
        let (table, labels, groups) = runs(1.0, 3);
        let model = quick();
        assert!(matches!(model.fit(&table, &labels, &groups[1..]), Err(FailureError::Groups { .. })));
        assert!(matches!(
            model.fit(&table, &[false; 480], &groups),
            Err(FailureError::TooFew { class: 1, .. })
        ));
        assert!(matches!(model.fit(&table, &labels, &[0; 480]), Err(FailureError::Groups { .. })));
    }
}
