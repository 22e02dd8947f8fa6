//! Grows one tree on binned rows.

use super::{
    bins::Binned,
    node::{MAX_DEPTH, Node, Tree},
    split::{Limits, Parent, Slot, Split},
};
use crate::rng::Pcg;

/// How a tree grows.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    /// Most leaves, best first; `None`: until nothing can be split.
    pub(super) leaves: Option<usize>,
    pub(super) depth: usize,
    pub(super) limits: Limits,
    /// Features looked at in a node; `None`: all, with histograms from parent minus sibling.
    pub(super) sample: Option<usize>,
    /// Thresholds drawn, not searched.
    pub(super) random: bool,
    pub(super) monotone: Vec<i8>,
}

/// Work above which features are spread over threads: below it, scheduling costs more than it saves.
#[cfg(feature = "parallel")]
const PARALLEL_WORK: usize = 1 << 19;

/// A tree on its way: its nodes, which bin each splits at, and which rows ended where.
pub(super) struct Grown {
    pub(super) tree: Tree,
    /// Leaf node and its rows `rows[from..to]`.
    pub(super) leaves: Vec<(usize, usize, usize)>,
    pub(super) rows: Vec<u32>,
    /// Last bin that goes left, by node.
    bins: Vec<u8>,
}

impl Grown {
    /// Leaf of a row that did not take part, by its bins.
    pub(super) fn leaf(&self, data: &Binned, row: usize) -> usize {
        let nodes = self.tree.nodes();
        let mut at = 0;
        while nodes[at].left != 0 {
            let node = &nodes[at];
            let feature = node.feature as usize;
            let bin = data.columns[feature][row];
            let missing = usize::from(bin) == data.bins(feature);
            let left = if missing { node.missing_left } else { bin <= self.bins[at] };
            at = (if left { node.left } else { node.right }) as usize;
        }
        at
    }
}

struct Open {
    node: usize,
    from: usize,
    to: usize,
    depth: usize,
    total: Slot,
    bounds: (f64, f64),
    histogram: Vec<Slot>,
    split: Option<Split>,
}

pub(super) struct Grower<'a> {
    data: &'a Binned,
    growth: &'a Growth,
    /// Gradient and hessian by row.
    derivatives: &'a [(f64, f64)],
    /// Features that take part, in order.
    features: &'a [usize],
    rng: Pcg,
    offsets: Vec<usize>,
    rows: Vec<u32>,
    spare: Vec<u32>,
    gathered: Vec<(f64, f64)>,
    pool: Vec<Vec<Slot>>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(
        data: &'a Binned,
        growth: &'a Growth,
        derivatives: &'a [(f64, f64)],
        features: &'a [usize],
        rng: Pcg,
    ) -> Self {
        let mut offsets = vec![0];
        let mut end = 0;
        for &f in features {
            end += data.bins(f) + 1;
            offsets.push(end);
        }
        let (rows, spare, gathered, pool) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { data, growth, derivatives, features, rng, offsets, rows, spare, gathered, pool }
    }

    /// Grows a tree on these rows (a row may come more than once).
    pub(super) fn grow(mut self, rows: Vec<u32>) -> Grown {
        self.rows = rows;
        let mut nodes = Vec::new();
        let mut bins = Vec::new();
        let mut leaves = Vec::new();
        let total = self.sum(0, self.rows.len());
        let root = self.open(&mut nodes, (0, self.rows.len()), 0, total, (f64::NEG_INFINITY, f64::INFINITY));
        let mut open = vec![self.prepared(root, None)];
        let mut count = 1;
        while let Some(at) = self.next(&open, count) {
            let mut parent = open.swap_remove(at);
            let Some(split) = parent.split.take() else {
                leaves.push((parent.node, parent.from, parent.to));
                self.recycle(parent.histogram);
                continue;
            };
            count += 1;
            let [left, right] = self.part(&mut nodes, &mut bins, &parent, &split);
            let (small, large) =
                if left.to - left.from <= right.to - right.from { (left, right) } else { (right, left) };
            let small = self.prepared(small, None);
            let large = self.prepared(large, Some((parent.histogram, &small)));
            open.push(small);
            open.push(large);
        }
        leaves.extend(open.iter().map(|o| (o.node, o.from, o.to)));
        leaves.sort_unstable_by_key(|l| l.1);
        bins.resize(nodes.len(), 0);
        Grown { tree: Tree::grown(nodes), leaves, rows: self.rows, bins }
    }

    /// The open node to split next: the one that gains most, or any when leaves are not limited.
    fn next(&self, open: &[Open], count: usize) -> Option<usize> {
        let Some(most) = self.growth.leaves else { return open.len().checked_sub(1) };
        if count >= most {
            return None;
        }
        let gain = |o: &Open| o.split.map(|s| s.gain);
        let mut best: Option<(usize, f64)> = None;
        for (i, o) in open.iter().enumerate() {
            if let Some(g) = gain(o)
                && best.is_none_or(|(j, b)| g > b || (g == b && o.node < open[j].node))
            {
                best = Some((i, g));
            }
        }
        best.map(|(i, _)| i)
    }

    fn sum(&self, from: usize, to: usize) -> Slot {
        let mut total = Slot::default();
        for &r in &self.rows[from..to] {
            let (gradient, hessian) = self.derivatives[r as usize];
            total.add(&Slot { gradient, hessian, count: 1 });
        }
        total
    }

    fn open(
        &self,
        nodes: &mut Vec<Node>,
        (from, to): (usize, usize),
        depth: usize,
        total: Slot,
        bounds: (f64, f64),
    ) -> Open {
        let node = nodes.len();
        nodes.push(Node::leaf(self.parent(total, bounds).value(&total), f64::from(total.count)));
        Open { node, from, to, depth, total, bounds, histogram: Vec::new(), split: None }
    }

    fn parent(&self, total: Slot, bounds: (f64, f64)) -> Parent<'_> {
        Parent { total, limits: &self.growth.limits, bounds, monotone: &self.growth.monotone }
    }

    /// Finds the split of a node; the larger of two children has its histogram from the parent's less the sibling's.
    fn prepared(&mut self, mut open: Open, sibling: Option<(Vec<Slot>, &Open)>) -> Open {
        let rows = open.to - open.from;
        let least = self.growth.limits.least_rows.max(1) as usize;
        let splittable = open.depth < self.growth.depth.min(MAX_DEPTH) && rows >= 2 * least;
        if let Some(sample) = self.growth.sample {
            open.split = if splittable { self.sampled(&open, sample) } else { None };
            return open;
        }
        match sibling {
            Some((mut histogram, small)) if splittable => {
                if small.histogram.is_empty() {
                    self.fill(&open, &mut histogram);
                } else {
                    for (p, s) in histogram.iter_mut().zip(&small.histogram) {
                        *p = p.less(s);
                    }
                }
                open.histogram = histogram;
            }
            Some((histogram, _)) => self.recycle(histogram),
            None if splittable => {
                let mut histogram = self.pool.pop().unwrap_or_default();
                self.fill(&open, &mut histogram);
                open.histogram = histogram;
            }
            None => {}
        }
        if splittable {
            open.split = self.search(&open);
        }
        open
    }

    fn recycle(&mut self, histogram: Vec<Slot>) {
        if !histogram.is_empty() {
            self.pool.push(histogram);
        }
    }

    /// Histograms of all features over the rows of a node; each is summed in row order on one thread.
    fn fill(&mut self, open: &Open, histogram: &mut Vec<Slot>) {
        histogram.clear();
        histogram.resize(self.offsets.last().copied().unwrap_or(0), Slot::default());
        let rows = &self.rows[open.from..open.to];
        self.gathered.clear();
        self.gathered.extend(rows.iter().map(|&r| self.derivatives[r as usize]));
        let mut parts: Vec<(&[u8], &mut [Slot])> = Vec::with_capacity(self.features.len());
        let mut rest = histogram.as_mut_slice();
        for (i, &f) in self.features.iter().enumerate() {
            let (head, tail) = rest.split_at_mut(self.offsets[i + 1] - self.offsets[i]);
            parts.push((&self.data.columns[f], head));
            rest = tail;
        }
        let gathered = &self.gathered;
        let one = |(column, slots): (&[u8], &mut [Slot])| accumulate(column, rows, gathered, slots);
        #[cfg(feature = "parallel")]
        if rows.len() * self.features.len() >= PARALLEL_WORK {
            use rayon::prelude::*;
            parts.into_par_iter().for_each(one);
            return;
        }
        parts.into_iter().for_each(one);
    }

    fn search(&self, open: &Open) -> Option<Split> {
        let parent = self.parent(open.total, open.bounds);
        let one =
            |i: usize| parent.best(self.features[i], &open.histogram[self.offsets[i]..self.offsets[i + 1]]);
        best_of((0..self.features.len()).filter_map(one))
    }

    /// Split among features drawn without replacement; features that cannot split are replaced by further ones.
    fn sampled(&mut self, open: &Open, sample: usize) -> Option<Split> {
        let mut order: Vec<usize> = self.features.to_vec();
        let (mut tried, mut best) = (0, None);
        let mut slots = self.pool.pop().unwrap_or_default();
        let rows = &self.rows[open.from..open.to];
        self.gathered.clear();
        self.gathered.extend(rows.iter().map(|&r| self.derivatives[r as usize]));
        for i in 0..order.len() {
            let j = i + crate::stats::floor_usize(self.rng.uniform() * (order.len() - i) as f64);
            order.swap(i, j);
            let feature = order[i];
            let share = self.rng.uniform();
            slots.clear();
            slots.resize(self.data.bins(feature) + 1, Slot::default());
            accumulate(&self.data.columns[feature], rows, &self.gathered, &mut slots);
            let parent = self.parent(open.total, open.bounds);
            let found = if self.growth.random {
                parent.random(feature, &slots, self.data, share)
            } else {
                parent.best(feature, &slots)
            };
            tried += usize::from(found.is_some());
            best = best_of(best.into_iter().chain(found));
            if tried >= sample {
                break;
            }
        }
        self.pool.push(slots);
        best
    }

    /// Parts the rows of a node, keeping their order, and opens both children.
    fn part(&mut self, nodes: &mut Vec<Node>, bins: &mut Vec<u8>, parent: &Open, split: &Split) -> [Open; 2] {
        let column = &self.data.columns[split.feature];
        let missing = self.data.bins(split.feature);
        let goes_left = |r: u32| {
            let bin = usize::from(column[r as usize]);
            if bin == missing { split.missing_left } else { bin <= split.bin }
        };
        self.spare.clear();
        let mut middle = parent.from;
        for i in parent.from..parent.to {
            let r = self.rows[i];
            if goes_left(r) {
                self.rows[middle] = r;
                middle += 1;
            } else {
                self.spare.push(r);
            }
        }
        self.rows[middle..parent.to].copy_from_slice(&self.spare);
        let right = parent.total.less(&split.left);
        let [low, high] = self.child_bounds(parent, split, &right);
        let left = self.open(nodes, (parent.from, middle), parent.depth + 1, split.left, low);
        let right = self.open(nodes, (middle, parent.to), parent.depth + 1, right, high);
        let threshold = self.data.edges[split.feature].get(split.bin).copied().unwrap_or(f64::MAX);
        let index = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        nodes[parent.node] = Node {
            feature: index(split.feature),
            threshold,
            missing_left: split.missing_left,
            left: index(left.node),
            right: index(right.node),
            gain: split.gain,
            ..nodes[parent.node]
        };
        bins.resize(nodes.len(), 0);
        bins[parent.node] = u8::try_from(split.bin).unwrap_or(u8::MAX);
        [left, right]
    }

    /// What children may say so that no later split breaks a monotone one: both keep to their side of the middle.
    fn child_bounds(&self, parent: &Open, split: &Split, right: &Slot) -> [(f64, f64); 2] {
        let (low, high) = parent.bounds;
        let p = self.parent(parent.total, parent.bounds);
        let middle = f64::midpoint(p.value(&split.left), p.value(right));
        match self.growth.monotone.get(split.feature) {
            Some(1) => [(low, middle), (middle, high)],
            Some(-1) => [(middle, high), (low, middle)],
            _ => [(low, high), (low, high)],
        }
    }
}

fn accumulate(column: &[u8], rows: &[u32], gathered: &[(f64, f64)], slots: &mut [Slot]) {
    for (&r, &(gradient, hessian)) in rows.iter().zip(gathered) {
        let slot = &mut slots[usize::from(column[r as usize])];
        slot.gradient += gradient;
        slot.hessian += hessian;
        slot.count += 1;
    }
}

/// The split with the largest gain, the first among equals.
fn best_of(splits: impl Iterator<Item = Split>) -> Option<Split> {
    splits.fold(None, |best: Option<Split>, s| match best {
        Some(b) if b.gain >= s.gain => Some(b),
        _ => Some(s),
    })
}
