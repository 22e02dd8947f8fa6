//! Exact Shapley values of a prediction.
//!
//! Lundberg, Erion & Lee (2018), Consistent individualized feature attribution for tree ensembles, algorithm 2: one walk
//! through a tree that carries, for every number of known features, the share of orders in which a node is reached.

use super::{TreeModel, node::Tree};

/// Why a prediction is what it is: `base + Σ contributions` equals [`TreeModel::raw`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "the two parts of a sum")]
pub struct Explanation {
    /// What the model says when no feature is known: its mean over the training rows.
    pub base: f64,
    /// What each feature adds (before the link: log-odds for log-loss).
    pub contributions: Vec<f64>,
}

/// One step of a path: a feature, whether it is followed when unknown (share of rows) and when known (0 or 1), and the weight
/// of the subsets of this size.
#[derive(Clone, Copy, Debug)]
struct Step {
    feature: usize,
    unknown: f64,
    known: f64,
    weight: f64,
}

impl TreeModel {
    /// Shapley values by the cover of the training rows. Cost O(trees · leaves · depth²).
    pub fn explain(&self, row: &[f64]) -> Explanation {
        let mut contributions = vec![0.0; self.features];
        let mut base = 0.0;
        let mut path = Vec::new();
        for tree in &self.trees {
            base += expected(tree, 0);
            let mut walk = Walk { tree, row, out: &mut contributions, path: &mut path };
            walk.visit(0, 0, Step { feature: usize::MAX, unknown: 1.0, known: 1.0, weight: 0.0 });
        }
        contributions.iter_mut().for_each(|c| *c *= self.scale);
        Explanation { base: self.base + self.scale * base, contributions }
    }
}

/// Mean of a sub-tree's leaves by cover.
fn expected(tree: &Tree, at: usize) -> f64 {
    let node = &tree.nodes()[at];
    if node.left == 0 {
        return node.value;
    }
    let (l, r) = (node.left as usize, node.right as usize);
    let (a, b) = shares(tree, l, r);
    a * expected(tree, l) + b * expected(tree, r)
}

/// Shares of the rows that go to either child; halves when the tree knows no cover.
fn shares(tree: &Tree, left: usize, right: usize) -> (f64, f64) {
    let (a, b) = (tree.nodes()[left].cover, tree.nodes()[right].cover);
    if a + b > 0.0 { (a / (a + b), b / (a + b)) } else { (0.5, 0.5) }
}

struct Walk<'a> {
    tree: &'a Tree,
    row: &'a [f64],
    out: &'a mut [f64],
    /// Steps of the current path; every visit works on its own copy behind `start`.
    path: &'a mut Vec<Step>,
}

impl Walk<'_> {
    fn visit(&mut self, at: usize, start: usize, step: Step) {
        let mut end = self.path.len();
        extend(self.path, start, step);
        end += 1;
        let node = self.tree.nodes()[at];
        if node.left == 0 {
            for i in start + 1..end {
                let weight = unwound_sum(&self.path[start..end], i - start);
                let s = self.path[i];
                self.out[s.feature] += weight * (s.known - s.unknown) * node.value;
            }
            self.path.truncate(end - 1);
            return;
        }
        let feature = node.feature as usize;
        let value = self.row.get(feature).copied().unwrap_or(f64::NAN);
        let hot = node.next(value);
        let cold = (if hot == node.left as usize { node.right } else { node.left }) as usize;
        let (hot_share, cold_share) = shares(self.tree, hot, cold);
        let (mut unknown, mut known) = (1.0, 1.0);
        // A feature that was already on the path is taken off first and put back with the product of its shares.
        let base = self.path[start..end].to_vec();
        let mut trimmed = base.clone();
        if let Some(k) = base.iter().skip(1).position(|s| s.feature == feature).map(|k| k + 1) {
            (unknown, known) = (base[k].unknown, base[k].known);
            unwind(&mut trimmed, k);
        }
        for (child, share, follows) in [(hot, hot_share, known), (cold, cold_share, 0.0)] {
            let fresh = self.path.len();
            self.path.extend_from_slice(&trimmed);
            self.visit(child, fresh, Step { feature, unknown: unknown * share, known: follows, weight: 0.0 });
            self.path.truncate(fresh);
        }
        self.path.truncate(end - 1);
    }
}

/// Adds a step to the path behind `start` and updates the weights of all subset sizes.
fn extend(path: &mut Vec<Step>, start: usize, mut step: Step) {
    let l = path.len() - start;
    step.weight = if l == 0 { 1.0 } else { 0.0 };
    path.push(step);
    let steps = &mut path[start..];
    for i in (0..l).rev() {
        steps[i + 1].weight += step.known * steps[i].weight * (i + 1) as f64 / (l + 1) as f64;
        steps[i].weight *= step.unknown * (l - i) as f64 / (l + 1) as f64;
    }
}

/// Takes step `k` off the path: the inverse of [`extend`].
fn unwind(path: &mut Vec<Step>, k: usize) {
    let l = path.len() - 1;
    let Step { unknown, known, .. } = path[k];
    let mut next = path[l].weight;
    for i in (0..l).rev() {
        if known == 0.0 {
            path[i].weight *= (l + 1) as f64 / (unknown * (l - i) as f64);
        } else {
            let before = path[i].weight;
            path[i].weight = next * (l + 1) as f64 / ((i + 1) as f64 * known);
            next = before - path[i].weight * unknown * (l - i) as f64 / (l + 1) as f64;
        }
    }
    for i in k..l {
        let Step { feature, unknown, known, .. } = path[i + 1];
        path[i] = Step { feature, unknown, known, weight: path[i].weight };
    }
    path.pop();
}

/// Sum of the weights of the path without step `k`.
fn unwound_sum(path: &[Step], k: usize) -> f64 {
    let l = path.len() - 1;
    let Step { unknown, known, .. } = path[k];
    let mut next = path[l].weight;
    let mut total = 0.0;
    for i in (0..l).rev() {
        if known != 0.0 {
            let t = next * (l + 1) as f64 / ((i + 1) as f64 * known);
            total += t;
            next = path[i].weight - t * unknown * (l - i) as f64 / (l + 1) as f64;
        } else if unknown != 0.0 {
            total += path[i].weight * (l + 1) as f64 / (unknown * (l - i) as f64);
        }
    }
    total
}
