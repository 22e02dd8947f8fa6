//! One tree.

use super::ModelError;

/// Deepest tree that is grown or read.
pub(super) const MAX_DEPTH: usize = 64;

/// A split, or with `left == 0` a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(
    clippy::exhaustive_structs,
    reason = "a node is its fields; models are built from nodes of other libraries"
)]
pub struct Node {
    /// Feature that decides.
    pub feature: u32,
    /// Rows go left when the feature is at most this.
    pub threshold: f64,
    /// Whether rows without the feature (NaN) go left.
    pub missing_left: bool,
    /// Position of the left child; 0 in a leaf.
    pub left: u32,
    /// Position of the right child; 0 in a leaf.
    pub right: u32,
    /// What the tree says here (of a split: what it would say without it).
    pub value: f64,
    /// Training rows (or their weight) that came here.
    pub cover: f64,
    /// How much the split reduced the loss.
    pub gain: f64,
}

/// A tree of at most 64 levels; node 0 is the root and children come after their parents.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "Vec<Node>", into = "Vec<Node>")
)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// Checks that the nodes are one tree: every node but the first has one parent, which comes before it, and all numbers
    /// are finite.
    pub fn from_nodes(nodes: Vec<Node>) -> Result<Self, ModelError> {
        let wrong = |node, what| Err(ModelError::Node { tree: 0, node, what });
        if nodes.is_empty() {
            return wrong(0, "is absent");
        }
        let mut depth: Vec<Option<usize>> = vec![None; nodes.len()];
        depth[0] = Some(0);
        for (i, node) in nodes.iter().enumerate() {
            let Some(level) = depth[i] else { return wrong(i, "has no parent before it") };
            let numbers = [node.threshold, node.value, node.cover, node.gain];
            if !numbers.iter().all(|v| v.is_finite()) || node.cover < 0.0 {
                return wrong(i, "has a number that is not finite, or a negative cover");
            }
            if node.left == 0 && node.right == 0 {
                continue;
            }
            if level >= MAX_DEPTH {
                return wrong(i, "is too deep: expected at most 64 levels");
            }
            for child in [node.left as usize, node.right as usize] {
                match depth.get_mut(child) {
                    Some(slot @ None) if child > i => *slot = Some(level + 1),
                    _ => {
                        return wrong(i, "has a child that is absent, has another parent or comes before it");
                    }
                }
            }
        }
        Ok(Self { nodes })
    }

    pub(super) fn grown(nodes: Vec<Node>) -> Self {
        debug_assert!(Self::from_nodes(nodes.clone()).is_ok());
        Self { nodes }
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Value of the leaf that a row comes to; features beyond the end of the row count as missing.
    pub fn value(&self, row: &[f64]) -> f64 {
        self.nodes[self.leaf(row)].value
    }

    /// Position of the leaf that a row comes to.
    pub fn leaf(&self, row: &[f64]) -> usize {
        let mut at = 0;
        loop {
            let node = &self.nodes[at];
            if node.left == 0 {
                return at;
            }
            at = node.next(row.get(node.feature as usize).copied().unwrap_or(f64::NAN));
        }
    }

    /// Largest feature number that is asked for, plus one.
    pub(super) fn features(&self) -> usize {
        self.nodes.iter().filter(|n| n.left != 0).map(|n| n.feature as usize + 1).max().unwrap_or(0)
    }
}

impl Node {
    pub(super) fn leaf(value: f64, cover: f64) -> Self {
        Self { feature: 0, threshold: 0.0, missing_left: false, left: 0, right: 0, value, cover, gain: 0.0 }
    }

    /// Position of the child that a value leads to.
    pub(super) fn next(&self, value: f64) -> usize {
        let left = if value.is_nan() { self.missing_left } else { value <= self.threshold };
        (if left { self.left } else { self.right }) as usize
    }
}

impl TryFrom<Vec<Node>> for Tree {
    type Error = ModelError;
    fn try_from(nodes: Vec<Node>) -> Result<Self, ModelError> {
        Self::from_nodes(nodes)
    }
}

impl From<Tree> for Vec<Node> {
    fn from(tree: Tree) -> Self {
        tree.nodes
    }
}
