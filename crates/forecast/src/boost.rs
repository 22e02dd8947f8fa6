//! One gradient-boosted model for many series.
//!
//! # Model
//! Every series is standardised by its own mean and standard deviation. A row describes one moment of one series: its last
//! lags, the values one and two seasons ago, the mean of the last season, the position within every season (counted from the
//! start of the slice) and the static features of the series; the target is the value at that moment. Trees of limited depth
//! on at most 64 quantile bins per feature are added, each fitted to the residuals of those before, with shrinkage.
//! Forecasts are recursive. Deterministic: no sampling but an even stride over the rows.
//!
//! Cost: O(rows · features · depth · rounds) for the fit, O(rounds · depth) per predicted step.
//!
//! # References
//! Friedman (2001), Greedy function approximation: a gradient boosting machine; Ke et al. (2017), LightGBM (histogram splits);
//! Montero-Manso & Hyndman (2021), Principles and algorithms for forecasting groups of time series: locality and globality.

use crate::{
    error::{FitError, PredictError, check_values},
    forecast::check_request,
    gaps::fill_gaps,
};

/// Settings of the global model.
///
/// # Example
/// ```
/// use ecosystem_forecast::GlobalBoost;
/// let panel: Vec<Vec<f64>> = (1..6)
///     .map(|s| (0..200).map(|t| f64::from(s) * (10.0 + f64::from(t % 10))).collect())
///     .collect();
/// let views: Vec<&[f64]> = panel.iter().map(Vec::as_slice).collect();
/// let fitted = GlobalBoost::new(&[10]).fit(&views, &[])?;
/// let next = fitted.predict(&panel[2], &[], 10)?;
/// assert!((next[5] - 45.0).abs() < 2.0, "{next:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GlobalBoost {
    /// Seasons in steps.
    pub seasons: Vec<usize>,
    /// Lags 1 to this many are features (default 6).
    pub lags: usize,
    /// Trees (default 120).
    pub rounds: usize,
    /// Depth of a tree, 1 to 8 (default 5).
    pub depth: usize,
    /// Share of a tree's correction that is applied, above 0 to 1 (default 0.1).
    pub learning_rate: f64,
    /// Most training rows over all series (default 100,000): more are thinned evenly.
    pub rows: usize,
}

/// The fitted global model; it forecasts any series, also ones it has not seen.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedGlobalBoost {
    settings: GlobalBoost,
    statics: usize,
    base: f64,
    trees: Vec<Vec<Node>>,
}

/// A split (`left`, `right` are positions in the tree) or, with `left == 0`, a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Node {
    feature: usize,
    threshold: f64, // left when the feature is at most this
    left: usize,
    right: usize,
    value: f64,
}

/// Bins of a feature, and fewest rows in a leaf.
const BINS: usize = 64;
const LEAF: usize = 10;

impl GlobalBoost {
    /// Default sizes.
    pub fn new(seasons: &[usize]) -> Self {
        let seasons = seasons.iter().copied().filter(|&m| m >= 2).collect();
        Self { seasons, lags: 6, rounds: 120, depth: 5, learning_rate: 0.1, rows: 100_000 }
    }

    fn check(&self) -> Result<(), FitError> {
        let bad = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if !(1..=1000).contains(&self.lags) {
            return bad("lags", self.lags as f64, "1 to 1000");
        }
        if !(1..=8).contains(&self.depth) {
            return bad("depth", self.depth as f64, "1 to 8");
        }
        if !(1..=10_000).contains(&self.rounds) {
            return bad("rounds", self.rounds as f64, "1 to 10000");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return bad("learning_rate", self.learning_rate, "above 0 to 1");
        }
        Ok(())
    }

    /// Steps back that a row looks.
    fn reach(&self) -> usize {
        self.seasons.iter().map(|m| 2 * m).max().unwrap_or(0).max(self.lags)
    }

    /// Features of moment `t` from the standardised values before it.
    fn row(&self, z: &[f64], t: usize, statics: &[f64], out: &mut Vec<f64>) {
        out.clear();
        out.extend((1..=self.lags).map(|l| z[t - l]));
        for &m in &self.seasons {
            out.extend([z[t - m], z[t - 2 * m], crate::stats::mean(&z[t - m..t]), (t % m) as f64 / m as f64]);
        }
        out.extend_from_slice(statics);
    }

    /// Learns from many series; `statics` has one row of features per series, or is empty. Series that are too short (three
    /// of the longest season) are left out; an error when none is left.
    pub fn fit(&self, panel: &[&[f64]], statics: &[Vec<f64>]) -> Result<FittedGlobalBoost, FitError> {
        self.check()?;
        let width = statics.first().map_or(0, Vec::len);
        if !statics.is_empty() && statics.len() != panel.len() {
            return Err(FitError::Length { name: "statics", needed: panel.len(), found: statics.len() });
        }
        if let Some(row) = statics.iter().find(|r| r.len() != width || r.iter().any(|v| !v.is_finite())) {
            return Err(FitError::Length {
                name: "a finite row of statics",
                needed: width,
                found: row.len(),
            });
        }
        let reach = self.reach();
        let usable = |values: &[f64]| values.len() > reach + LEAF;
        let total: usize = panel.iter().filter(|v| usable(v)).map(|v| v.len() - reach).sum();
        if total < 4 * LEAF {
            return Err(FitError::TooShort { needed: 4 * LEAF + reach, found: total });
        }
        let stride = total.div_ceil(self.rows.max(1));
        let (mut columns, mut target): (Vec<Vec<f64>>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut row = Vec::new();
        for (s, values) in panel.iter().enumerate().filter(|(_, v)| usable(v)) {
            check_values(values, 2)?;
            let (z, ..) = standardised(&fill_gaps(values, &self.seasons));
            for t in (reach + s % stride..z.len()).step_by(stride) {
                self.row(&z, t, statics.get(s).map_or(&[], Vec::as_slice), &mut row);
                columns.resize(row.len(), Vec::new());
                columns.iter_mut().zip(&row).for_each(|(c, v)| c.push(*v));
                target.push(z[t]);
            }
        }
        let base = crate::stats::mean(&target);
        let trees = self.grow_all(&columns, target.iter().map(|t| t - base).collect());
        Ok(FittedGlobalBoost { settings: self.clone(), statics: width, base, trees })
    }

    fn grow_all(&self, columns: &[Vec<f64>], mut residual: Vec<f64>) -> Vec<Vec<Node>> {
        let edges: Vec<Vec<f64>> = columns.iter().map(|c| bin_edges(c)).collect();
        let bins: Vec<Vec<u8>> = columns
            .iter()
            .zip(&edges)
            .map(|(c, e)| {
                c.iter().map(|v| u8::try_from(e.partition_point(|x| x < v)).unwrap_or(u8::MAX)).collect()
            })
            .collect();
        let mut trees = Vec::with_capacity(self.rounds);
        for _ in 0..self.rounds {
            let mut tree = Vec::new();
            let rows: Vec<usize> = (0..residual.len()).collect();
            let mut grower =
                Grower { bins: &bins, edges: &edges, residual: &mut residual, rate: self.learning_rate };
            grower.grow(&mut tree, rows, self.depth);
            if tree.len() < 2 {
                break; // nothing left to split
            }
            trees.push(tree);
        }
        trees
    }
}

/// Values less their mean in units of their standard deviation; mean and deviation.
fn standardised(values: &[f64]) -> (Vec<f64>, f64, f64) {
    let mean = crate::stats::mean(values);
    let sigma = crate::stats::variance(values).sqrt().max(1e-9 * mean.abs()).max(1e-100);
    (values.iter().map(|v| (v - mean) / sigma).collect(), mean, sigma)
}

/// Up to 63 thresholds at equal shares of the rows.
fn bin_edges(column: &[f64]) -> Vec<f64> {
    let mut sorted = column.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.dedup();
    if sorted.len() <= BINS {
        sorted.pop();
        return sorted;
    }
    let mut all = column.to_vec();
    all.sort_unstable_by(f64::total_cmp);
    let mut edges: Vec<f64> = (1..BINS).map(|k| all[k * all.len() / BINS]).collect();
    edges.dedup();
    edges
}

struct Grower<'a> {
    bins: &'a [Vec<u8>],
    edges: &'a [Vec<f64>],
    residual: &'a mut Vec<f64>,
    rate: f64,
}

impl Grower<'_> {
    /// Adds the node for these rows (and those below); returns its position.
    fn grow(&mut self, tree: &mut Vec<Node>, rows: Vec<usize>, depth: usize) -> usize {
        let at = tree.len();
        let sum: f64 = rows.iter().map(|&r| self.residual[r]).sum();
        let value = self.rate * sum / (rows.len() as f64 + 1.0);
        tree.push(Node { feature: 0, threshold: 0.0, left: 0, right: 0, value });
        let split = if depth > 0 && rows.len() >= 2 * LEAF { self.best_split(&rows, sum) } else { None };
        let Some((feature, bin)) = split else {
            rows.iter().for_each(|&r| self.residual[r] -= value);
            return at;
        };
        let column = &self.bins[feature];
        let (low, high): (Vec<usize>, Vec<usize>) =
            rows.into_iter().partition(|&r| usize::from(column[r]) <= bin);
        let threshold = self.edges[feature][bin];
        let left = self.grow(tree, low, depth - 1);
        let right = self.grow(tree, high, depth - 1);
        tree[at] = Node { feature, threshold, left, right, value: 0.0 };
        at
    }

    /// Feature and last bin of the left side with the largest gain in squared error.
    fn best_split(&self, rows: &[usize], sum: f64) -> Option<(usize, usize)> {
        let n = rows.len();
        let score = |s: f64, c: usize| s * s / (c as f64 + 1.0);
        let whole = score(sum, n);
        let mut best = (whole + 1e-9 * whole.abs() + 1e-12, None);
        for (feature, column) in self.bins.iter().enumerate() {
            let mut histogram = [(0.0, 0_usize); 256];
            for &r in rows {
                let slot = &mut histogram[usize::from(column[r])];
                slot.0 += self.residual[r];
                slot.1 += 1;
            }
            let (mut s, mut c) = (0.0, 0);
            for (bin, slot) in histogram.iter().enumerate().take(self.edges[feature].len()) {
                s += slot.0;
                c += slot.1;
                if c >= LEAF && n - c >= LEAF {
                    let total = score(s, c) + score(sum - s, n - c);
                    if total > best.0 {
                        best = (total, Some((feature, bin)));
                    }
                }
            }
        }
        best.1
    }
}

impl FittedGlobalBoost {
    /// Forecasts the next `horizon` steps of a series with its static features.
    pub fn predict(&self, values: &[f64], statics: &[f64], horizon: usize) -> Result<Vec<f64>, PredictError> {
        check_request(horizon, &[])?;
        let reach = self.settings.reach();
        if values.len() < reach || values.iter().any(|v| v.abs() > crate::error::MAX_MAGNITUDE) {
            return Err(PredictError::Regressors { name: "history", needed: reach, found: values.len() });
        }
        if statics.len() != self.statics || statics.iter().any(|v| !v.is_finite()) {
            return Err(PredictError::Regressors {
                name: "statics",
                needed: self.statics,
                found: statics.len(),
            });
        }
        let (mut z, mean, sigma) = standardised(&fill_gaps(values, &self.settings.seasons));
        let mut row = Vec::new();
        for _ in 0..horizon {
            self.settings.row(&z, z.len(), statics, &mut row);
            let next = self.base + self.trees.iter().map(|tree| leaf(tree, &row)).sum::<f64>();
            z.push(next);
        }
        Ok(z[values.len()..].iter().map(|v| v * sigma + mean).collect())
    }
}

fn leaf(tree: &[Node], row: &[f64]) -> f64 {
    let mut node = tree[0];
    while node.left != 0 {
        node = tree[if row[node.feature] <= node.threshold { node.left } else { node.right }];
    }
    node.value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_static_feature_separates_two_kinds_of_series() {
        // Same past shape, but only series of kind 1 jump in the second half of each cycle of the weekly pattern.
        let series = |kind: usize, s: usize| -> Vec<f64> {
            (0..300)
                .map(|t| {
                    (t % 6) as f64
                        + if kind == 1 && t % 12 >= 6 { 20.0 } else { 0.0 }
                        + (s * t % 7) as f64 * 0.05
                })
                .collect()
        };
        let panel: Vec<Vec<f64>> = (0..12).map(|s| series(s % 2, s)).collect();
        let views: Vec<&[f64]> = panel.iter().map(Vec::as_slice).collect();
        let statics: Vec<Vec<f64>> = (0..12).map(|s| vec![f64::from(s % 2)]).collect();
        let fitted = GlobalBoost::new(&[6, 12]).fit(&views, &statics).unwrap();
        let unseen = series(1, 50);
        let point = fitted.predict(&unseen[..288], &[1.0], 12).unwrap();
        let error = crate::metrics::mae(&unseen[288..], &point);
        assert!(error < 1.0, "{error}");
        assert_eq!(fitted, GlobalBoost::new(&[6, 12]).fit(&views, &statics).unwrap());
    }

    #[test]
    fn bad_shapes_are_errors() {
        let model = GlobalBoost::new(&[4]);
        assert!(matches!(model.fit(&[&[1.0; 5]], &[]), Err(FitError::TooShort { .. })));
        let long = vec![1.0; 100];
        assert!(matches!(model.fit(&[&long], &[vec![1.0], vec![2.0]]), Err(FitError::Length { .. })));
        let ramp: Vec<f64> = (0..100).map(f64::from).collect();
        let fitted = model.fit(&[&ramp], &[]).unwrap();
        assert!(fitted.predict(&ramp, &[1.0], 3).is_err() && fitted.predict(&ramp[..3], &[], 3).is_err());
    }
}
