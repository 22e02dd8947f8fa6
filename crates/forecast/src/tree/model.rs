//! A sum or mean of trees.

use super::{ModelError, Table, node::Tree};

/// What the sum of the trees means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Link {
    /// The answer itself: a value, or a share of votes.
    Identity,
    /// The log-odds of a probability.
    Logistic,
}

/// `base + scale · Σ trees`, read through a [`Link`].
///
/// Memory: 48 bytes per node. A prediction costs one walk per tree.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TreeModel {
    pub(super) link: Link,
    pub(super) base: f64,
    pub(super) scale: f64,
    pub(super) features: usize,
    pub(super) trees: Vec<Tree>,
}

impl TreeModel {
    /// A model of given trees, for instance of another library's.
    pub fn from_trees(
        link: Link,
        base: f64,
        scale: f64,
        features: usize,
        trees: Vec<Tree>,
    ) -> Result<Self, ModelError> {
        if !base.is_finite() || !scale.is_finite() {
            return Err(ModelError::Field { name: "base or scale" });
        }
        if u32::try_from(features).is_err() || features == 0 {
            return Err(ModelError::Field { name: "features" });
        }
        if let Some(tree) = trees.iter().position(|t| t.features() > features) {
            return Err(ModelError::Node { tree, node: 0, what: "asks for a feature that is absent" });
        }
        Ok(Self { link, base, scale, features, trees })
    }

    /// Number of features that a row has.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The trees.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// What the sum means.
    pub fn link(&self) -> Link {
        self.link
    }

    /// Sum before the link. Features beyond the end of the row count as missing.
    pub fn raw(&self, row: &[f64]) -> f64 {
        self.base + self.scale * self.trees.iter().map(|t| t.value(row)).sum::<f64>()
    }

    /// Probability of class 1, or the value of a regression.
    pub fn predict(&self, row: &[f64]) -> f64 {
        match self.link {
            Link::Identity => self.raw(row),
            Link::Logistic => logistic(self.raw(row)),
        }
    }

    /// [`predict`](Self::predict) for every row, in order.
    pub fn predict_all(&self, table: &Table) -> Vec<f64> {
        super::ordered(table.rows(), self.trees.len() * 16, |r| self.predict(&table.row(r)))
    }

    /// How much each feature contributed to fitting: the gain of its splits, as shares that sum to 1 (or zeros).
    pub fn importance(&self) -> Vec<f64> {
        let mut gain = vec![0.0; self.features];
        for node in self.trees.iter().flat_map(Tree::nodes).filter(|n| n.left != 0) {
            gain[node.feature as usize] += node.gain.max(0.0);
        }
        let total: f64 = gain.iter().sum();
        if total > 0.0 {
            gain.iter_mut().for_each(|g| *g /= total);
        }
        gain
    }

    /// How often each feature splits.
    pub fn split_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.features];
        for node in self.trees.iter().flat_map(Tree::nodes).filter(|n| n.left != 0) {
            counts[node.feature as usize] += 1;
        }
        counts
    }
}

/// `1 / (1 + e^−x)`.
pub(crate) fn logistic(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}
