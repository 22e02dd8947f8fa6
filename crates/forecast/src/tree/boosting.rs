//! Gradient boosting, second order.

use super::{
    Link, Table, TreeError, TreeModel,
    bins::{Binned, MOST_BINS},
    grow::{Grower, Growth},
    model::logistic,
    node::{MAX_DEPTH, Tree},
    split::Limits,
    table::check_labels,
};
use crate::rng::Pcg;

/// What is minimised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Loss {
    /// Log-loss; labels are 0 and 1, predictions probabilities.
    Logistic,
    /// Half the squared error.
    Squared,
}

/// Weight of rows of class 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum ClassWeight {
    /// As given: probabilities stay those of the data.
    Even,
    /// Both classes weigh the same: better ranking of rare events, probabilities too high.
    Balanced,
    /// Class 1 weighs this much.
    Positive(f64),
}

/// Trees added one after the other, each a Newton step on the loss of those before.
///
/// Features are cut into at most 255 bins; trees grow best leaf first; of two children one has its histogram counted and the
/// other from the parent's less the sibling's. Cost O(rows · features · log leaves) per tree.
///
/// Friedman (2001), Greedy function approximation, Annals of Statistics 29; Chen & Guestrin (2016), XGBoost, KDD; Ke et al.
/// (2017), LightGBM, NIPS.
///
/// # Example
/// ```
/// use ecosystem_forecast::tree::{Boosting, Table};
/// let load: Vec<f64> = (0..400).map(|i| f64::from(i * 37 % 100)).collect();
/// let fails: Vec<f64> = load.iter().map(|l| if *l > 70.0 { 1.0 } else { 0.0 }).collect();
/// let model = Boosting::classifier().fit(&Table::from_columns(vec![load])?, &fails)?;
/// assert!(model.predict(&[90.0]) > 0.95 && model.predict(&[10.0]) < 0.05);
/// # Ok::<(), ecosystem_forecast::tree::TreeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Boosting {
    /// What is minimised.
    pub loss: Loss,
    /// Most trees (default 120).
    pub rounds: usize,
    /// Most leaves of a tree, at least 2 (default 31).
    pub leaves: usize,
    /// Deepest tree, 1 to 64 (default 64).
    pub depth: usize,
    /// Share of each step that is taken, above 0 to 1 (default 0.1).
    pub learning_rate: f64,
    /// Fewest rows in a leaf (default 20).
    pub least_rows: usize,
    /// Least sum of second derivatives in a leaf (default 0.001).
    pub least_hessian: f64,
    /// Ridge on leaf values (default 0).
    pub ridge: f64,
    /// Least gain of a split (default 0).
    pub least_gain: f64,
    /// Share of rows that each tree sees, drawn without replacement, above 0 to 1 (default 1).
    pub row_share: f64,
    /// Share of features that each tree sees, above 0 to 1 (default 1).
    pub feature_share: f64,
    /// Most bins of a feature, 2 to 255 (default 255).
    pub bins: usize,
    /// By feature: 1 the answer must not fall when it rises, −1 must not rise, 0 free. Empty: all free.
    pub monotone: Vec<i8>,
    /// Weight of class 1 (log-loss only).
    pub class_weight: ClassWeight,
    /// With validation rows: stop after this many rounds without improvement (default 20).
    pub patience: usize,
    /// Seed of the sampling.
    pub seed: u64,
}

struct State<'a> {
    labels: &'a [f64],
    weights: Vec<f64>,
    scores: Vec<f64>,
    derivatives: Vec<(f64, f64)>,
}

impl Boosting {
    /// Defaults with log-loss.
    pub fn classifier() -> Self {
        Self {
            loss: Loss::Logistic,
            rounds: 120,
            leaves: 31,
            depth: MAX_DEPTH,
            learning_rate: 0.1,
            least_rows: 20,
            least_hessian: 1e-3,
            ridge: 0.0,
            least_gain: 0.0,
            row_share: 1.0,
            feature_share: 1.0,
            bins: MOST_BINS,
            monotone: Vec::new(),
            class_weight: ClassWeight::Even,
            patience: 20,
            seed: 0,
        }
    }

    /// Defaults with squared error.
    pub fn regressor() -> Self {
        Self { loss: Loss::Squared, ..Self::classifier() }
    }

    fn check(&self, features: usize) -> Result<(), TreeError> {
        let bad = |name, value, expected| Err(TreeError::Setting { name, value, expected });
        let share = |v: f64| v > 0.0 && v <= 1.0;
        if !(1..=100_000).contains(&self.rounds) {
            return bad("rounds", self.rounds as f64, "1 to 100000");
        }
        if !(2..=1 << 20).contains(&self.leaves) {
            return bad("leaves", self.leaves as f64, "2 to 1048576");
        }
        if !(1..=MAX_DEPTH).contains(&self.depth) {
            return bad("depth", self.depth as f64, "1 to 64");
        }
        if !share(self.learning_rate) {
            return bad("learning_rate", self.learning_rate, "above 0 to 1");
        }
        if !share(self.row_share) || !share(self.feature_share) {
            return bad("row_share or feature_share", self.row_share.min(self.feature_share), "above 0 to 1");
        }
        if !(2..=MOST_BINS).contains(&self.bins) {
            return bad("bins", self.bins as f64, "2 to 255");
        }
        let sizes = [self.ridge, self.least_gain, self.least_hessian];
        if let Some(v) = sizes.into_iter().find(|v| !(*v >= 0.0 && *v <= 1e12)) {
            return bad("ridge, least_gain or least_hessian", v, "0 to 1e12");
        }
        if !self.monotone.is_empty() && self.monotone.len() != features {
            return bad("monotone", self.monotone.len() as f64, "one number per feature, or none");
        }
        if let Some(v) = self.monotone.iter().find(|v| v.abs() > 1) {
            return bad("monotone", f64::from(*v), "-1, 0 or 1");
        }
        match self.class_weight {
            ClassWeight::Positive(w) if !(w > 0.0 && w <= 1e6) => {
                bad("class_weight", w, "above 0 to 1000000")
            }
            _ => Ok(()),
        }
    }

    /// Learns from rows and their labels.
    pub fn fit(&self, table: &Table, labels: &[f64]) -> Result<TreeModel, TreeError> {
        self.run(table, labels, None, None)
    }

    /// Learns from weighted rows.
    pub fn fit_weighted(
        &self,
        table: &Table,
        labels: &[f64],
        weights: &[f64],
    ) -> Result<TreeModel, TreeError> {
        self.run(table, labels, Some(weights), None)
    }

    /// Learns until the loss on other rows has not improved for `patience` rounds; keeps the best number of trees.
    pub fn fit_validated(
        &self,
        table: &Table,
        labels: &[f64],
        validation: &Table,
        validation_labels: &[f64],
    ) -> Result<TreeModel, TreeError> {
        let binary = self.loss == Loss::Logistic;
        check_labels(validation, validation_labels, None, binary)?;
        if validation.features() != table.features() {
            let (found, needed) = (validation.features(), table.features());
            return Err(TreeError::Length { name: "validation row", index: 0, found, needed });
        }
        self.run(table, labels, None, Some((validation, validation_labels)))
    }

    fn run(
        &self,
        table: &Table,
        labels: &[f64],
        weights: Option<&[f64]>,
        validation: Option<(&Table, &[f64])>,
    ) -> Result<TreeModel, TreeError> {
        self.check(table.features())?;
        check_labels(table, labels, weights, self.loss == Loss::Logistic)?;
        let weights = self.weights(labels, weights);
        let base = self.base(labels, &weights)?;
        let mut state = State { labels, weights, scores: vec![base; labels.len()], derivatives: Vec::new() };
        let data = Binned::new(table, self.bins);
        let growth = self.growth();
        let mut trees: Vec<Tree> = Vec::new();
        let mut watch = validation.map(|(t, l)| Watch::new(t, l, base));
        for round in 0..self.rounds {
            self.derive(&mut state);
            let Some(tree) = self.round(&data, &growth, &mut state, round as u64) else { break };
            trees.push(tree);
            if let (Some(watch), Some(tree)) = (&mut watch, trees.last())
                && watch.is_over(tree, self.loss, trees.len(), self.patience)
            {
                break;
            }
        }
        if let Some(watch) = watch {
            trees.truncate(watch.best.0);
        }
        let link = if self.loss == Loss::Logistic { Link::Logistic } else { Link::Identity };
        Ok(TreeModel { link, base, scale: 1.0, features: table.features(), trees })
    }

    fn growth(&self) -> Growth {
        let free = self.monotone.iter().all(|m| *m == 0);
        Growth {
            leaves: Some(self.leaves),
            depth: self.depth,
            limits: Limits {
                least_rows: u32::try_from(self.least_rows).unwrap_or(u32::MAX),
                least_hessian: self.least_hessian,
                ridge: self.ridge,
                least_gain: self.least_gain,
            },
            sample: None,
            random: false,
            monotone: if free { Vec::new() } else { self.monotone.clone() },
        }
    }

    fn weights(&self, labels: &[f64], weights: Option<&[f64]>) -> Vec<f64> {
        let mut out = weights.map_or_else(|| vec![1.0; labels.len()], <[f64]>::to_vec);
        if self.loss == Loss::Squared {
            return out;
        }
        let ones: f64 = labels.iter().zip(&out).map(|(l, w)| l * w).sum();
        let total: f64 = out.iter().sum();
        let factor = match self.class_weight {
            ClassWeight::Even => 1.0,
            ClassWeight::Balanced => (total - ones) / ones,
            ClassWeight::Positive(w) => w,
        };
        if factor.is_finite() {
            out.iter_mut().zip(labels).filter(|(_, l)| **l == 1.0).for_each(|(w, _)| *w *= factor);
        }
        out
    }

    /// Best constant answer.
    fn base(&self, labels: &[f64], weights: &[f64]) -> Result<f64, TreeError> {
        let total: f64 = weights.iter().sum();
        if total <= 0.0 {
            return Err(TreeError::Label { name: "weight", row: 0, value: 0.0, expected: "some above 0" });
        }
        let mean = labels.iter().zip(weights).map(|(l, w)| l * w).sum::<f64>() / total;
        match self.loss {
            Loss::Squared => Ok(mean),
            Loss::Logistic if mean <= 0.0 || mean >= 1.0 => {
                Err(TreeError::OneClass { label: if mean <= 0.0 { 0.0 } else { 1.0 } })
            }
            Loss::Logistic => Ok((mean / (1.0 - mean)).ln()),
        }
    }

    fn derive(&self, state: &mut State<'_>) {
        let rows = state.labels.iter().zip(&state.scores).zip(&state.weights);
        state.derivatives.clear();
        match self.loss {
            Loss::Squared => state.derivatives.extend(rows.map(|((y, s), w)| (w * (s - y), *w))),
            Loss::Logistic => state.derivatives.extend(rows.map(|((y, s), w)| {
                let p = logistic(*s);
                (w * (p - y), (w * p * (1.0 - p)).max(1e-16))
            })),
        }
    }

    /// One tree with its share of the step, and the scores after it; `None` when nothing can be split any more.
    fn round(&self, data: &Binned, growth: &Growth, state: &mut State<'_>, round: u64) -> Option<Tree> {
        let mut rng = Pcg::new(super::mix(self.seed, round));
        let n = state.labels.len();
        let rows: Vec<u32> = (0..u32::try_from(n).unwrap_or(u32::MAX))
            .filter(|_| self.row_share >= 1.0 || rng.uniform() < self.row_share)
            .collect();
        let mut features: Vec<usize> = (0..data.features()).collect();
        if self.feature_share < 1.0 {
            let keep = (self.feature_share * features.len() as f64).ceil().max(1.0);
            super::shuffle(&mut features, &mut rng);
            features.truncate(crate::stats::floor_usize(keep));
            features.sort_unstable();
        }
        let sampled = rows.len() < n;
        let grown = Grower::new(data, growth, &state.derivatives, &features, rng).grow(rows);
        if grown.tree.nodes().len() < 2 && !sampled {
            return None;
        }
        let mut nodes = grown.tree.nodes().to_vec();
        nodes.iter_mut().for_each(|node| node.value *= self.learning_rate);
        if sampled {
            for r in 0..n {
                state.scores[r] += nodes[grown.leaf(data, r)].value;
            }
        } else {
            for &(leaf, from, to) in &grown.leaves {
                let value = nodes[leaf].value;
                grown.rows[from..to].iter().for_each(|&r| state.scores[r as usize] += value);
            }
        }
        Some(Tree::grown(nodes))
    }
}

/// The loss on rows that do not take part.
struct Watch<'a> {
    rows: Vec<Vec<f64>>,
    labels: &'a [f64],
    scores: Vec<f64>,
    /// Trees and loss at the best moment.
    best: (usize, f64),
}

impl<'a> Watch<'a> {
    fn new(table: &Table, labels: &'a [f64], base: f64) -> Self {
        let rows = (0..table.rows()).map(|r| table.row(r)).collect();
        Self { rows, labels, scores: vec![base; labels.len()], best: (0, f64::INFINITY) }
    }

    fn is_over(&mut self, tree: &Tree, loss: Loss, trees: usize, patience: usize) -> bool {
        let mut total = 0.0;
        for ((row, score), label) in self.rows.iter().zip(&mut self.scores).zip(self.labels) {
            *score += tree.value(row);
            total += match loss {
                Loss::Squared => (*score - label) * (*score - label),
                // log(1 + e^s) − y·s, without overflow
                Loss::Logistic => score.max(0.0) + (-score.abs()).exp().ln_1p() - label * *score,
            };
        }
        if total < self.best.1 {
            self.best = (trees, total);
        }
        trees - self.best.0 >= patience.max(1)
    }
}
