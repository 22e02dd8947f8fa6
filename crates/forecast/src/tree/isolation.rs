//! Isolation forests, plain and extended.

use super::{
    Link, Table, TreeError, TreeModel,
    node::{MAX_DEPTH, Node, Tree},
};
use crate::rng::Pcg;

/// Rows that are few and different are alone after few random cuts.
///
/// Score `2^(−E[path] / c(sample))`: about 0.5 for ordinary rows, towards 1 for outliers. Plain cuts go through one feature,
/// extended ones through a random direction of `extension + 1` features (no artefacts along the axes).
///
/// Liu, Ting & Zhou (2008), Isolation forest, ICDM; Hariri, Carrasco Kind & Brunner (2021), Extended isolation forest, TKDE 33.
///
/// # Example
/// ```
/// use ecosystem_forecast::tree::{IsolationForest, Table};
/// let rows: Vec<[f64; 2]> = (0..200).map(|i| [f64::from(i % 10), f64::from(i % 7)]).collect();
/// let forest = IsolationForest::default().fit(&Table::from_rows(&rows)?)?;
/// assert!(forest.score(&[60.0, 30.0]) > forest.score(&[5.0, 3.0]) + 0.05);
/// # Ok::<(), ecosystem_forecast::tree::TreeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct IsolationForest {
    /// Trees (default 100).
    pub trees: usize,
    /// Rows per tree, drawn without replacement (default 256).
    pub sample: usize,
    /// 0 (default): cuts along one feature; k: cuts mix k + 1 features.
    pub extension: usize,
    /// Seed.
    pub seed: u64,
}

/// A cut by a random direction, or with `left == 0` a leaf.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Cut {
    /// Feature and its coefficient.
    pub(super) direction: Vec<(u32, f64)>,
    pub(super) offset: f64,
    pub(super) left: u32,
    pub(super) right: u32,
    /// Path length in a leaf.
    pub(super) length: f64,
}

/// A fitted isolation forest.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedIsolation {
    pub(super) usual: f64,
    pub(super) paths: Paths,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Paths {
    Plain(TreeModel),
    Extended { features: usize, trees: Vec<Vec<Cut>> },
}

/// Mean path length of an unsuccessful search in a binary search tree of `n` rows.
pub(super) fn usual_path(n: usize) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let m = (n - 1) as f64;
            2.0 * (m.ln() + 0.577_215_664_901_532_9) - 2.0 * m / n as f64
        }
    }
}

impl Default for IsolationForest {
    fn default() -> Self {
        Self { trees: 100, sample: 256, extension: 0, seed: 0 }
    }
}

impl IsolationForest {
    /// Learns what is ordinary. Missing values go with the larger part (plain) or count as the cut's centre (extended).
    pub fn fit(&self, table: &Table) -> Result<FittedIsolation, TreeError> {
        let bad =
            |name, value: usize, expected| Err(TreeError::Setting { name, value: value as f64, expected });
        if !(1..=100_000).contains(&self.trees) {
            return bad("trees", self.trees, "1 to 100000");
        }
        if !(2..=1 << 24).contains(&self.sample) {
            return bad("sample", self.sample, "2 to 16777216");
        }
        if table.rows() < 2 {
            return Err(TreeError::Empty { rows: table.rows(), features: table.features(), needed: 2 });
        }
        let sample = self.sample.min(table.rows());
        // log2 of the sample, as the paper limits it: deeper says nothing more about outliers
        let depth = (usize::BITS - (sample - 1).leading_zeros()) as usize;
        let (usual, features) = (usual_path(sample), table.features());
        let start = |t: usize| {
            let mut rng = Pcg::new(super::mix(self.seed, t as u64));
            let rows = draw(table.rows(), sample, &mut rng);
            Grow {
                table,
                rng,
                depth: depth.min(MAX_DEPTH),
                extension: self.extension.min(features - 1),
                rows,
            }
        };
        let paths = if self.extension == 0 {
            let trees = super::ordered(self.trees, sample * 64, |t| start(t).plain());
            let scale = 1.0 / self.trees as f64;
            Paths::Plain(TreeModel { link: Link::Identity, base: 0.0, scale, features, trees })
        } else {
            let trees = super::ordered(self.trees, sample * 64, |t| start(t).extended());
            Paths::Extended { features, trees }
        };
        Ok(FittedIsolation { usual, paths })
    }
}

/// `count` of `n` rows without replacement.
fn draw(n: usize, count: usize, rng: &mut Pcg) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..n).collect();
    for i in 0..count.min(n) {
        let j = i + crate::stats::floor_usize(rng.uniform() * (n - i) as f64);
        rows.swap(i, j);
    }
    rows.truncate(count);
    rows
}

struct Grow<'a> {
    table: &'a Table,
    rng: Pcg,
    depth: usize,
    extension: usize,
    rows: Vec<usize>,
}

impl Grow<'_> {
    fn plain(mut self) -> Tree {
        let rows = std::mem::take(&mut self.rows);
        let mut nodes = vec![Node::leaf(0.0, 0.0)];
        let mut open = vec![(0_usize, rows, 0_usize)];
        while let Some((at, rows, depth)) = open.pop() {
            nodes[at] = Node::leaf(depth as f64 + usual_path(rows.len()), rows.len() as f64);
            let cut = if depth < self.depth && rows.len() > 1 { self.cut(&rows) } else { None };
            let Some((feature, threshold)) = cut else { continue };
            let column = self.table.column(feature);
            let observed = rows.iter().filter(|&&r| !column[r].is_nan()).count();
            let low = rows.iter().filter(|&&r| column[r] <= threshold).count();
            let missing_left = 2 * low > observed;
            let goes_left =
                |r: &usize| if column[*r].is_nan() { missing_left } else { column[*r] <= threshold };
            let (left, right): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(goes_left);
            let child = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
            let feature = u32::try_from(feature).unwrap_or(u32::MAX);
            nodes[at] = Node { feature, threshold, missing_left, left: child, right: child + 1, ..nodes[at] };
            nodes.extend([Node::leaf(0.0, 0.0); 2]);
            open.push((child as usize + 1, right, depth + 1));
            open.push((child as usize, left, depth + 1));
        }
        Tree::grown(nodes)
    }

    /// A feature that varies here and a threshold between its extremes.
    fn cut(&mut self, rows: &[usize]) -> Option<(usize, f64)> {
        let mut features: Vec<usize> = (0..self.table.features()).collect();
        for i in 0..features.len() {
            let j = i + crate::stats::floor_usize(self.rng.uniform() * (features.len() - i) as f64);
            features.swap(i, j);
            let (low, high) = range(self.table.column(features[i]), rows);
            if low < high {
                let threshold = low + self.rng.uniform() * (high - low);
                return Some((features[i], if threshold < high { threshold } else { low }));
            }
        }
        None
    }

    fn extended(mut self) -> Vec<Cut> {
        let leaf = |length| Cut { direction: Vec::new(), offset: 0.0, left: 0, right: 0, length };
        let rows = std::mem::take(&mut self.rows);
        let mut cuts = vec![leaf(0.0)];
        let mut open = vec![(0_usize, rows, 0_usize)];
        while let Some((at, rows, depth)) = open.pop() {
            cuts[at] = leaf(depth as f64 + usual_path(rows.len()));
            if depth >= self.depth || rows.len() < 2 {
                continue;
            }
            let (direction, offset) = self.direction(&rows);
            let table = self.table;
            let side = |r: &usize| project(&direction, |f| table.column(f)[*r], offset) <= 0.0;
            let (left, right): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(side);
            let child = u32::try_from(cuts.len()).unwrap_or(u32::MAX);
            let length = cuts[at].length;
            cuts[at] = Cut { direction, offset, left: child, right: child + 1, length };
            cuts.extend([leaf(0.0), leaf(0.0)]);
            open.push((child as usize + 1, right, depth + 1));
            open.push((child as usize, left, depth + 1));
        }
        cuts
    }

    /// A random normal vector of the wanted number of features through a random point of the rows' box.
    fn direction(&mut self, rows: &[usize]) -> (Vec<(u32, f64)>, f64) {
        let mut chosen = draw(self.table.features(), self.extension + 1, &mut self.rng);
        chosen.sort_unstable();
        let (mut direction, mut offset) = (Vec::with_capacity(chosen.len()), 0.0);
        for feature in chosen {
            let (low, high) = range(self.table.column(feature), rows);
            let point = if low <= high { low + self.rng.uniform() * (high - low) } else { 0.0 };
            let coefficient = self.rng.normal();
            offset += coefficient * point;
            direction.push((u32::try_from(feature).unwrap_or(u32::MAX), coefficient));
        }
        (direction, offset)
    }
}

/// Smallest and largest observed value.
fn range(column: &[f64], rows: &[usize]) -> (f64, f64) {
    rows.iter()
        .map(|&r| column[r])
        .filter(|v| !v.is_nan())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
}

/// Signed distance (times a length) from the cut; missing features count as lying on it.
fn project(direction: &[(u32, f64)], value: impl Fn(usize) -> f64, offset: f64) -> f64 {
    let mut sum = -offset;
    for &(f, c) in direction {
        let v = value(f as usize);
        if v.is_nan() {
            return 0.0;
        }
        sum += c * v;
    }
    sum
}

impl FittedIsolation {
    /// Number of features that a row has.
    pub fn features(&self) -> usize {
        match &self.paths {
            Paths::Plain(model) => model.features(),
            Paths::Extended { features, .. } => *features,
        }
    }

    /// Mean path length of a row.
    pub fn path(&self, row: &[f64]) -> f64 {
        match &self.paths {
            Paths::Plain(model) => model.raw(row),
            Paths::Extended { trees, .. } => {
                let total: f64 = trees.iter().map(|cuts| extended_path(cuts, row)).sum();
                total / trees.len().max(1) as f64
            }
        }
    }

    /// How alone a row is, 0 to 1.
    pub fn score(&self, row: &[f64]) -> f64 {
        (-self.path(row) / self.usual.max(1e-9)).exp2()
    }

    /// [`score`](Self::score) for every row, in order.
    pub fn score_all(&self, table: &Table) -> Vec<f64> {
        super::ordered(table.rows(), 2048, |r| self.score(&table.row(r)))
    }

    /// By how much each feature shortens the path of a row (exact Shapley values; positive: makes it stranger); `None` for an
    /// extended forest, whose cuts mix features.
    pub fn contributions(&self, row: &[f64]) -> Option<Vec<f64>> {
        match &self.paths {
            Paths::Plain(model) => Some(model.explain(row).contributions.iter().map(|c| -c).collect()),
            Paths::Extended { .. } => None,
        }
    }
}

fn extended_path(cuts: &[Cut], row: &[f64]) -> f64 {
    let mut at = 0;
    loop {
        let cut = &cuts[at];
        if cut.left == 0 {
            return cut.length;
        }
        let value = |f: usize| row.get(f).copied().unwrap_or(f64::NAN);
        at = (if project(&cut.direction, value, cut.offset) <= 0.0 { cut.left } else { cut.right }) as usize;
    }
}
