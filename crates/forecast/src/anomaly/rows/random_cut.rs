//! Robust random cut forest on a stream.

use super::{RowDetector, setting};
use crate::{
    error::{FitError, MAX_MAGNITUDE},
    rng::Pcg,
};

/// Settings of [`RandomCutForest`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RandomCutSettings {
    /// Trees, 1 to 1,000.
    pub trees: usize,
    /// Rows kept per tree, 2 to 10,000.
    pub sample: usize,
    /// Rows that are remembered about: a row joins a tree with probability `sample / horizon` once so many have been seen.
    pub horizon: u64,
    /// Seed.
    pub seed: u64,
}

impl Default for RandomCutSettings {
    fn default() -> Self {
        Self { trees: 40, sample: 256, horizon: 4096, seed: 0 }
    }
}

impl RandomCutSettings {
    /// Trees.
    #[must_use]
    pub fn with_trees(mut self, trees: usize) -> Self {
        self.trees = trees;
        self
    }

    /// Rows kept per tree.
    #[must_use]
    pub fn with_sample(mut self, rows: usize) -> Self {
        self.sample = rows;
        self
    }

    /// Seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// How many rows a row displaces when it joins random cut trees: collusive displacement, mean over trees.
///
/// Every tree keeps a sample of the stream. A row is put into each tree by the cuts that a tree over sample and row would have,
/// scored, and taken out again unless it joins the sample in the place of a random older row. Learns while it judges; what
/// is new today is usual after some thousand rows. O(trees · depth · metrics) per row, memory O(trees · sample · metrics).
///
/// Guha, Mishra, Roy & Schrijvers (2016), Robust random cut forest based anomaly detection on streams, ICML.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::rows::{RandomCutForest, RandomCutSettings, RowDetector};
/// let mut forest = RandomCutForest::new(2, &RandomCutSettings::default().with_trees(20))?;
/// for i in 0..500_u32 {
///     forest.score_row(&[f64::from(i % 10), f64::from(i % 7)])?;
/// }
/// let (usual, odd) = (forest.clone().score_row(&[5.0, 3.0])?, forest.score_row(&[60.0, 30.0])?);
/// assert!(odd > 5.0 * usual);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RandomCutForest {
    settings: RandomCutSettings,
    trees: Vec<Tree>,
    seen: u64,
    /// Last known value of every metric, for what is missing.
    last: Vec<f64>,
}

/// Node: a leaf has a row and no children.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Node {
    parent: usize,
    /// Rows below, copies included.
    count: usize,
    /// Bounding box; the row itself for a leaf.
    low: Vec<f64>,
    high: Vec<f64>,
    /// Dimension and place of the cut, and children; `None` for a leaf.
    cut: Option<(usize, f64, usize, usize)>,
}

const NONE: usize = usize::MAX;

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Tree {
    nodes: Vec<Node>,
    free: Vec<usize>,
    root: usize,
    /// Leaf of every row of the sample.
    sample: Vec<usize>,
}

impl Tree {
    fn new() -> Self {
        Self { nodes: Vec::new(), free: Vec::new(), root: NONE, sample: Vec::new() }
    }

    fn add(&mut self, node: Node) -> usize {
        if let Some(at) = self.free.pop() {
            self.nodes[at] = node;
            return at;
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn leaf(row: &[f64], parent: usize) -> Node {
        Node { parent, count: 1, low: row.to_vec(), high: row.to_vec(), cut: None }
    }

    /// Puts a row in and returns its leaf.
    fn insert(&mut self, row: &[f64], rng: &mut Pcg) -> usize {
        if self.root == NONE {
            self.root = self.add(Self::leaf(row, NONE));
            return self.root;
        }
        let mut at = self.root;
        loop {
            let node = &self.nodes[at];
            if node.cut.is_none() && node.low == row {
                self.grow(at, row);
                return at;
            }
            if let Some((dimension, place)) = separate(node, row, rng) {
                return self.split(at, row, dimension, place);
            }
            let Some((dimension, place, left, right)) = node.cut else {
                // A cut could not be drawn (ranges beyond the precision of numbers): the same as this leaf.
                self.grow(at, row);
                return at;
            };
            at = if row[dimension] <= place { left } else { right };
        }
    }

    /// One more row at a node, and in the boxes above.
    fn grow(&mut self, mut at: usize, row: &[f64]) {
        while at != NONE {
            let node = &mut self.nodes[at];
            node.count += 1;
            if node.cut.is_some() {
                for (j, v) in row.iter().enumerate() {
                    node.low[j] = node.low[j].min(*v);
                    node.high[j] = node.high[j].max(*v);
                }
            }
            at = node.parent;
        }
    }

    /// A new branch above `at` with the row on its other side.
    fn split(&mut self, at: usize, row: &[f64], dimension: usize, place: f64) -> usize {
        let parent = self.nodes[at].parent;
        let leaf = self.add(Self::leaf(row, NONE));
        let children = if row[dimension] <= place { (leaf, at) } else { (at, leaf) };
        let (low, high, count) =
            (self.nodes[at].low.clone(), self.nodes[at].high.clone(), self.nodes[at].count);
        let branch = self.add(Node {
            parent,
            count,
            low,
            high,
            cut: Some((dimension, place, children.0, children.1)),
        });
        self.nodes[at].parent = branch;
        self.nodes[leaf].parent = branch;
        self.replace(parent, at, branch);
        self.grow(branch, row);
        leaf
    }

    fn replace(&mut self, parent: usize, old: usize, new: usize) {
        if parent == NONE {
            self.root = new;
        } else if let Some((_, _, left, right)) = &mut self.nodes[parent].cut {
            *(if *left == old { left } else { right }) = new;
        }
    }

    /// Takes one copy of a row out.
    fn remove(&mut self, leaf: usize) {
        if self.nodes[leaf].count > 1 {
            let mut at = leaf;
            while at != NONE {
                self.nodes[at].count -= 1;
                at = self.nodes[at].parent;
            }
            return;
        }
        let parent = self.nodes[leaf].parent;
        self.free.push(leaf);
        let Some((_, _, left, right)) = (parent != NONE).then(|| self.nodes[parent].cut).flatten() else {
            self.root = NONE;
            return;
        };
        let sibling = if left == leaf { right } else { left };
        let above = self.nodes[parent].parent;
        self.nodes[sibling].parent = above;
        self.replace(above, parent, sibling);
        self.free.push(parent);
        let mut at = above;
        while at != NONE {
            self.nodes[at].count -= 1;
            if let Some((_, _, left, right)) = self.nodes[at].cut {
                for j in 0..self.nodes[at].low.len() {
                    self.nodes[at].low[j] = self.nodes[left].low[j].min(self.nodes[right].low[j]);
                    self.nodes[at].high[j] = self.nodes[left].high[j].max(self.nodes[right].high[j]);
                }
            }
            at = self.nodes[at].parent;
        }
    }

    /// Largest ratio, over the subtrees a row lies in, of the rows beside the subtree to those in it.
    fn displacement(&self, leaf: usize) -> f64 {
        let (mut at, mut largest) = (leaf, 0.0_f64);
        while let Some(parent) = self.nodes.get(self.nodes[at].parent) {
            let beside = parent.count - self.nodes[at].count;
            largest = largest.max(beside as f64 / self.nodes[at].count as f64);
            at = self.nodes[at].parent;
        }
        largest
    }
}

/// Draws the cut that a box with the row in it would have; `Some` when it parts the row from the box.
fn separate(node: &Node, row: &[f64], rng: &mut Pcg) -> Option<(usize, f64)> {
    let range = |j: usize| node.high[j].max(row[j]) - node.low[j].min(row[j]);
    let total: f64 = (0..row.len()).map(range).sum();
    let mut left = rng.uniform() * total;
    for j in 0..row.len() {
        let width = range(j);
        if left > width {
            left -= width;
            continue;
        }
        let place = node.low[j].min(row[j]) + left;
        let outside = (row[j] <= place && place < node.low[j]) || (node.high[j] <= place && place < row[j]);
        return outside.then_some((j, place));
    }
    None
}

impl RandomCutForest {
    /// An empty forest for rows of so many metrics.
    pub fn new(columns: usize, settings: &RandomCutSettings) -> Result<Self, FitError> {
        if columns == 0 {
            return Err(FitError::Length { name: "row", needed: 1, found: 0 });
        }
        if !(1..=1000).contains(&settings.trees) {
            return setting("trees", settings.trees as f64, "1 to 1000");
        }
        if !(2..=10_000).contains(&settings.sample) {
            return setting("sample", settings.sample as f64, "2 to 10000 rows");
        }
        if settings.horizon < settings.sample as u64 {
            return setting("horizon", settings.horizon as f64, "at least `sample` rows");
        }
        let trees = vec![Tree::new(); settings.trees];
        Ok(Self { settings: settings.clone(), trees, seen: 0, last: vec![0.0; columns] })
    }
}

impl RowDetector for RandomCutForest {
    fn columns(&self) -> usize {
        self.last.len()
    }

    /// Scores the row, then learns it.
    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        if row.len() != self.last.len() {
            return Err(FitError::Length { name: "row", needed: self.last.len(), found: row.len() });
        }
        for (last, v) in self.last.iter_mut().zip(row).filter(|(_, v)| !v.is_nan()) {
            *last = v.clamp(-MAX_MAGNITUDE, MAX_MAGNITUDE);
        }
        let (row, seen, settings) = (self.last.clone(), self.seen, &self.settings);
        self.seen = self.seen.saturating_add(1);
        let (mut sum, sample) = (0.0, settings.sample);
        for (number, tree) in self.trees.iter_mut().enumerate() {
            // A generator of its own for every row and tree: nothing but numbers need be stored.
            let mut rng = Pcg::new(
                settings.seed
                    ^ (seen.wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(17)
                    ^ ((number as u64) << 40),
            );
            let leaf = tree.insert(&row, &mut rng);
            sum += tree.displacement(leaf);
            if tree.sample.len() < sample {
                tree.sample.push(leaf);
            } else if rng.uniform() < sample as f64 / (seen + 1).min(settings.horizon) as f64 {
                let place = crate::stats::floor_usize(rng.uniform() * sample as f64).min(sample - 1);
                let old = core::mem::replace(&mut tree.sample[place], leaf);
                tree.remove(old);
            } else {
                tree.remove(leaf);
            }
        }
        Ok(sum / self.trees.len() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts and boxes by recursion over the leaves.
    fn check(tree: &Tree, at: usize) -> (usize, Vec<f64>, Vec<f64>) {
        let node = &tree.nodes[at];
        let Some((dimension, place, left, right)) = node.cut else {
            return (node.count, node.low.clone(), node.high.clone());
        };
        let (a, b) = (check(tree, left), check(tree, right));
        assert!(a.2[dimension] <= place && place < b.1[dimension], "the cut parts the boxes");
        assert!(tree.nodes[left].parent == at && tree.nodes[right].parent == at);
        let low: Vec<f64> = a.1.iter().zip(&b.1).map(|(x, y)| x.min(*y)).collect();
        let high: Vec<f64> = a.2.iter().zip(&b.2).map(|(x, y)| x.max(*y)).collect();
        assert_eq!((node.count, &node.low, &node.high), (a.0 + b.0, &low, &high));
        (a.0 + b.0, low, high)
    }

    #[test]
    fn trees_stay_consistent_whatever_comes_and_goes() {
        let settings = RandomCutSettings { trees: 3, sample: 30, horizon: 60, seed: 5 };
        let mut forest = RandomCutForest::new(2, &settings).unwrap();
        let mut rng = Pcg::new(1);
        for i in 0..600 {
            // Many copies, a few far away.
            let row = [(rng.uniform() * 5.0).floor(), if i % 50 == 0 { 1e9 } else { rng.normal() }];
            forest.score_row(if i % 3 == 0 { &[1.0, 1.0] } else { &row }).unwrap();
            for tree in &forest.trees {
                assert_eq!(check(tree, tree.root).0, tree.sample.len());
                assert!(tree.nodes.len() <= 2 * 31, "memory is bounded");
            }
        }
    }

    #[test]
    fn displacement_is_that_of_the_definition() {
        // Rows 0, 1 and 10 on a line, cut at 5 and 0.5: the far row displaces two, the others one.
        let mut tree = Tree::new();
        let mut rng = Pcg::new(0);
        let a = tree.insert(&[0.0], &mut rng);
        let b = tree.split(a, &[1.0], 0, 0.5);
        let c = tree.split(tree.root, &[10.0], 0, 5.0);
        for (leaf, wanted) in [(a, 1.0), (b, 1.0), (c, 2.0)] {
            assert!((tree.displacement(leaf) - wanted).abs() < 1e-12);
        }
    }
}
