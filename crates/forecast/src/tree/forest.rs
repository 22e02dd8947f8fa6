//! Random forests and extremely randomised trees.

use super::{
    Link, Table, TreeError, TreeModel,
    bins::{Binned, MOST_BINS},
    grow::{Grower, Growth},
    node::{MAX_DEPTH, Tree},
    split::Limits,
    table::check_labels,
};
use crate::rng::Pcg;

/// The mean of many trees, each grown on other rows and other features.
///
/// For labels 0 and 1 the squared error of a split is its Gini impurity, so the mean of the leaves is a probability; for other
/// labels the forest is a regression. Trees are independent and spread over threads; equal seeds give equal forests.
///
/// Breiman (2001), Random forests, Machine Learning 45; Geurts, Ernst & Wehenkel (2006), Extremely randomized trees, Machine
/// Learning 63.
///
/// # Example
/// ```
/// use ecosystem_forecast::tree::{Forest, Table};
/// let heat: Vec<f64> = (0..300).map(|i| f64::from(i * 37 % 100)).collect();
/// let fails: Vec<f64> = heat.iter().map(|h| if *h > 80.0 { 1.0 } else { 0.0 }).collect();
/// let table = Table::from_columns(vec![heat])?;
/// let (model, unseen) = Forest::random().fit_out_of_bag(&table, &fails)?;
/// assert!(model.predict(&[95.0]) > 0.9 && unseen[0] < 0.1);
/// # Ok::<(), ecosystem_forecast::tree::TreeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Forest {
    /// Trees (default 200).
    pub trees: usize,
    /// Deepest tree, 1 to 64 (default 64).
    pub depth: usize,
    /// Fewest rows in a leaf (default 1).
    pub least_rows: usize,
    /// Features looked at per split; 0 (default): the square root of their number.
    pub features: usize,
    /// Whether every tree draws its rows with replacement.
    pub bootstrap: bool,
    /// Whether thresholds are drawn, not searched.
    pub random_thresholds: bool,
    /// Both classes weigh the same (labels 0 and 1 only).
    pub balanced: bool,
    /// Seed.
    pub seed: u64,
}

/// A tree and the rows that it has not seen.
type Member = (Tree, Unseen);
/// What a tree says of the rows that it was not grown on.
type Unseen = Vec<(u32, f64)>;

impl Forest {
    /// A random forest: rows drawn with replacement, best thresholds.
    pub fn random() -> Self {
        Self {
            trees: 200,
            depth: MAX_DEPTH,
            least_rows: 1,
            features: 0,
            bootstrap: true,
            random_thresholds: false,
            balanced: false,
            seed: 0,
        }
    }

    /// Extremely randomised trees: all rows, drawn thresholds.
    pub fn extra() -> Self {
        Self { bootstrap: false, random_thresholds: true, ..Self::random() }
    }

    fn check(&self) -> Result<(), TreeError> {
        let bad =
            |name, value: usize, expected| Err(TreeError::Setting { name, value: value as f64, expected });
        if !(1..=100_000).contains(&self.trees) {
            return bad("trees", self.trees, "1 to 100000");
        }
        if !(1..=MAX_DEPTH).contains(&self.depth) {
            return bad("depth", self.depth, "1 to 64");
        }
        Ok(())
    }

    /// Learns from rows and their labels.
    pub fn fit(&self, table: &Table, labels: &[f64]) -> Result<TreeModel, TreeError> {
        Ok(self.grow(table, labels)?.0)
    }

    /// Learns, and gives for every training row the mean of the trees that did not see it (NaN where all did): honest
    /// predictions without a second data set. Rows that were not drawn exist only with `bootstrap`.
    pub fn fit_out_of_bag(&self, table: &Table, labels: &[f64]) -> Result<(TreeModel, Vec<f64>), TreeError> {
        if !self.bootstrap {
            let expected = "true, or every tree sees every row";
            return Err(TreeError::Setting { name: "bootstrap", value: 0.0, expected });
        }
        let (model, members) = self.grow(table, labels)?;
        let mut sums = vec![(0.0, 0_u32); table.rows()];
        for (row, value) in members.into_iter().flatten() {
            let slot = &mut sums[row as usize];
            slot.0 += value;
            slot.1 += 1;
        }
        Ok((model, sums.into_iter().map(|(s, n)| s / f64::from(n)).collect()))
    }

    fn grow(&self, table: &Table, labels: &[f64]) -> Result<(TreeModel, Vec<Unseen>), TreeError> {
        self.check()?;
        check_labels(table, labels, None, false)?;
        let data = Binned::new(table, MOST_BINS);
        let derivatives = self.derivatives(labels);
        let wanted = if self.features > 0 { self.features } else { table.features().isqrt() };
        let growth = Growth {
            leaves: None,
            depth: self.depth,
            limits: Limits {
                least_rows: u32::try_from(self.least_rows).unwrap_or(u32::MAX),
                least_hessian: 0.0,
                ridge: 0.0,
                least_gain: 0.0,
            },
            sample: Some(wanted.clamp(1, table.features())),
            random: self.random_thresholds,
            monotone: Vec::new(),
        };
        let work = table.rows() * table.features();
        let members: Vec<Member> =
            super::ordered(self.trees, work, |t| self.one(&data, &growth, &derivatives, t as u64));
        let (trees, unseen): (Vec<Tree>, Vec<_>) = members.into_iter().unzip();
        let scale = 1.0 / self.trees as f64;
        Ok((TreeModel { link: Link::Identity, base: 0.0, scale, features: table.features(), trees }, unseen))
    }

    /// Squared error as gradient and hessian at zero: a leaf says the weighted mean of its labels.
    fn derivatives(&self, labels: &[f64]) -> Vec<(f64, f64)> {
        let ones = labels.iter().filter(|l| **l == 1.0).count();
        let binary = labels.iter().all(|l| *l == 0.0 || *l == 1.0) && ones > 0 && ones < labels.len();
        let heavy = if self.balanced && binary { (labels.len() - ones) as f64 / ones as f64 } else { 1.0 };
        let weight = |l: f64| if l == 1.0 { heavy } else { 1.0 };
        labels.iter().map(|&l| (-weight(l) * l, weight(l))).collect()
    }

    fn one(&self, data: &Binned, growth: &Growth, derivatives: &[(f64, f64)], tree: u64) -> Member {
        let n = derivatives.len();
        let mut rng = Pcg::new(super::mix(self.seed, tree));
        let mut times = vec![u32::from(!self.bootstrap); n];
        if self.bootstrap {
            for _ in 0..n {
                times[crate::stats::floor_usize(rng.uniform() * n as f64)] += 1;
            }
        }
        let index = |r: usize| u32::try_from(r).unwrap_or(u32::MAX);
        let rows = (0..n).flat_map(|r| std::iter::repeat_n(index(r), times[r] as usize)).collect();
        let features: Vec<usize> = (0..data.features()).collect();
        let grown = Grower::new(data, growth, derivatives, &features, rng).grow(rows);
        let value = |r: usize| grown.tree.nodes()[grown.leaf(data, r)].value;
        let unseen = (0..n).filter(|&r| times[r] == 0).map(|r| (index(r), value(r))).collect();
        (grown.tree, unseen)
    }
}
