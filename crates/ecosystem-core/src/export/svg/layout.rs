//! Layered drawing of a directed graph (Sugiyama, Tagawa & Toda 1981, IEEE Trans. SMC 11).
//!
//! 1. Cycles are broken by the order of Eades, Lin & Smyth (1993), A fast and effective heuristic for the feedback arc
//!    set problem, IPL 47. 2. Layers by longest path, then nodes move towards the side where they have more edges, which
//!    shortens edges in sum (as node promotion does; Nikolov & Tarassov 2006). 3. Long edges get bends; edges of one class
//!    to the same target share them, so that they join to a trunk. 4. Crossings fall by barycentre sweeps and swaps of
//!    neighbours (Barth, Mutzel & Jünger 2004 for counting). 5. Coordinates by Brandes & Köpf (2001).
//!
//! The drawing runs from left to right: layers are columns, `x` belongs to the layer, `y` comes from step 5.

use super::coordinates;
use std::collections::{BTreeMap, BTreeSet};

/// What is drawn.
pub(super) struct Graph {
    /// Width and height of each node.
    pub(super) sizes: Vec<(f64, f64)>,
    /// From, to, class; edges of one class to the same target may join.
    pub(super) edges: Vec<(usize, usize, u8)>,
}

/// Where everything goes.
pub(super) struct Layout {
    /// Top left corner of each node.
    pub(super) corners: Vec<(f64, f64)>,
    /// For each edge the points it runs through, from the side of one node to the side of the other.
    pub(super) routes: Vec<Vec<(f64, f64)>>,
    /// Size of the whole.
    pub(super) size: (f64, f64),
}

/// Nodes and bends in layers.
pub(super) struct Layers {
    /// Each layer from top to bottom.
    pub(super) order: Vec<Vec<usize>>,
    /// Layer of each vertex.
    pub(super) layer: Vec<usize>,
    /// Neighbours one layer to the left and to the right.
    pub(super) left: Vec<Vec<usize>>,
    pub(super) right: Vec<Vec<usize>>,
    /// Height of each vertex; vertices from `nodes` on are bends.
    pub(super) heights: Vec<f64>,
    pub(super) nodes: usize,
}

/// Free space between layers.
const LAYER_GAP: f64 = 84.0;
/// How much more it becomes where many lines run.
const LAYER_GAP_MORE: f64 = 190.0;
/// Height of a bend: the space a line keeps to its neighbours.
const BEND: f64 = 10.0;

/// Lays out a graph. O((V + E) log V) for each of a fixed number of sweeps, V including bends.
pub(super) fn layered(graph: &Graph) -> Layout {
    let nodes = graph.sizes.len();
    let order = acyclic_order(nodes, &graph.edges);
    let layer = assign_layers(nodes, &graph.edges, &order);
    let (mut layers, chains) = insert_bends(graph, layer);
    reduce_crossings(&mut layers);
    let centres = coordinates::assign(&layers);

    let mut widths = vec![0.0_f64; layers.order.len()];
    for (node, &(width, _)) in graph.sizes.iter().enumerate() {
        let column = &mut widths[layers.layer[node]];
        *column = column.max(width);
    }
    let mut x_of = Vec::with_capacity(widths.len());
    let mut x = 0.0;
    for (&width, gap) in widths.iter().zip(gaps(&layers)) {
        x_of.push(x);
        x += width + gap;
    }
    let end = x_of.last().zip(widths.last()).map_or(0.0, |(x, width)| x + width);
    let corners: Vec<(f64, f64)> = (0..nodes)
        .map(|v| {
            let column = layers.layer[v];
            let (width, height) = graph.sizes[v];
            (x_of[column] + (widths[column] - width) / 2.0, centres[v] - height / 2.0)
        })
        .collect();
    let routes = graph.edges.iter().zip(&chains).map(|(&(from, to, _), bends)| {
        route(graph, &layers, &corners, &centres, (&x_of, &widths), (from, to, bends))
    });
    let routes = routes.collect();
    let height = (0..nodes).map(|v| corners[v].1 + graph.sizes[v].1);
    let bends = (nodes..centres.len()).map(|v| centres[v] + BEND);
    let height = height.chain(bends).fold(0.0, f64::max);
    Layout { corners, routes, size: (end, height) }
}

/// Free space after each layer: the more lines run from it to the next, the more, so that they can be told apart.
fn gaps(layers: &Layers) -> impl Iterator<Item = f64> {
    layers.order.iter().map(|column| {
        let lines: usize = column.iter().map(|&v| layers.right[v].len()).sum();
        LAYER_GAP + (lines.saturating_sub(12) as f64 * 2.2).min(LAYER_GAP_MORE)
    })
}

/// Points of one edge.
fn route(
    graph: &Graph,
    layers: &Layers,
    corners: &[(f64, f64)],
    centres: &[f64],
    (x_of, widths): (&[f64], &[f64]),
    (from, to, bends): (usize, usize, &[usize]),
) -> Vec<(f64, f64)> {
    let forward = layers.layer[from] <= layers.layer[to];
    let side = |node: usize, right: bool| {
        (corners[node].0 + if right { graph.sizes[node].0 } else { 0.0 }, centres[node])
    };
    let mut points = vec![side(from, forward)];
    for &bend in bends {
        // a bend is a straight piece through its whole column
        let column = layers.layer[bend];
        let ends = [(x_of[column], centres[bend]), (x_of[column] + widths[column], centres[bend])];
        points.extend(if forward { ends } else { [ends[1], ends[0]] });
    }
    points.push(side(to, !forward));
    points
}

/// An order of the nodes with few edges against it.
fn acyclic_order(nodes: usize, edges: &[(usize, usize, u8)]) -> Vec<usize> {
    let (mut out, mut into) = (vec![Vec::new(); nodes], vec![Vec::new(); nodes]);
    for &(from, to, _) in edges {
        out[from].push(to);
        into[to].push(from);
    }
    let (mut outs, mut ins): (Vec<usize>, Vec<usize>) =
        (out.iter().map(Vec::len).collect(), into.iter().map(Vec::len).collect());
    let mut left = Remaining::of(&ins, &outs);
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    while let Some(node) = left.next() {
        let is_sink = outs[node] == 0;
        if is_sink {
            tail.push(node);
        } else {
            head.push(node);
        }
        left.remove(node, &ins, &outs);
        for &next in &out[node] {
            left.change(next, &mut ins, &mut outs, |ins, _| *ins = ins.saturating_sub(1));
        }
        for &before in &into[node] {
            left.change(before, &mut ins, &mut outs, |_, outs| *outs = outs.saturating_sub(1));
        }
    }
    head.extend(tail.into_iter().rev());
    let mut rank = vec![0; nodes];
    for (place, node) in head.into_iter().enumerate() {
        rank[node] = place;
    }
    rank
}

/// Nodes that have no place in the order yet, by what decides who is next.
#[derive(Default)]
struct Remaining {
    sinks: BTreeSet<usize>,
    sources: BTreeSet<usize>,
    // Incoming less outgoing edges, then number: the first has the most outgoing over incoming ones.
    by_surplus: BTreeSet<(isize, usize)>,
}

impl Remaining {
    fn of(ins: &[usize], outs: &[usize]) -> Self {
        let mut left = Self::default();
        (0..ins.len()).for_each(|v| left.insert(v, ins, outs));
        left
    }

    /// Sinks before sources before the rest.
    fn next(&self) -> Option<usize> {
        let rest = || self.by_surplus.first().map(|&(_, v)| v);
        self.sinks.first().or_else(|| self.sources.first()).copied().or_else(rest)
    }

    fn insert(&mut self, v: usize, ins: &[usize], outs: &[usize]) {
        if outs[v] == 0 {
            self.sinks.insert(v);
        }
        if ins[v] == 0 {
            self.sources.insert(v);
        }
        self.by_surplus.insert((ins[v].cast_signed() - outs[v].cast_signed(), v));
    }

    /// True if it was there.
    fn remove(&mut self, v: usize, ins: &[usize], outs: &[usize]) -> bool {
        self.sinks.remove(&v);
        self.sources.remove(&v);
        self.by_surplus.remove(&(ins[v].cast_signed() - outs[v].cast_signed(), v))
    }

    /// Changes the degrees of a node, wherever it is.
    fn change(
        &mut self,
        v: usize,
        ins: &mut [usize],
        outs: &mut [usize],
        by: impl FnOnce(&mut usize, &mut usize),
    ) {
        let waits = self.remove(v, ins, outs);
        by(&mut ins[v], &mut outs[v]);
        if waits {
            self.insert(v, ins, outs);
        }
    }
}

fn assign_layers(nodes: usize, edges: &[(usize, usize, u8)], rank: &[usize]) -> Vec<usize> {
    let (mut above, mut below) = (vec![Vec::new(); nodes], vec![Vec::new(); nodes]);
    for &(from, to, _) in edges {
        let (a, b) = if rank[from] < rank[to] { (from, to) } else { (to, from) };
        above[b].push(a);
        below[a].push(b);
    }
    let mut by_rank: Vec<usize> = (0..nodes).collect();
    by_rank.sort_unstable_by_key(|&v| rank[v]);
    let mut layer = vec![0_usize; nodes];
    for &v in &by_rank {
        layer[v] = above[v].iter().map(|&u| layer[u] + 1).max().unwrap_or(0);
    }
    // Every move shortens the edges in sum, so this ends; the bound is for safety on large drawings.
    for _ in 0..nodes.clamp(1, 64) {
        let mut moved = false;
        for &v in by_rank.iter().rev() {
            let earliest = above[v].iter().map(|&u| layer[u] + 1).max();
            let latest = below[v].iter().map(|&w| layer[w] - 1).min();
            let target = match (earliest, latest) {
                (_, Some(latest)) if below[v].len() > above[v].len() => latest,
                (Some(earliest), _) if above[v].len() > below[v].len() => earliest,
                _ => layer[v],
            };
            moved |= target != layer[v];
            layer[v] = target;
        }
        if !moved {
            break;
        }
    }
    let first = layer.iter().copied().min().unwrap_or(0);
    for l in &mut layer {
        *l -= first;
    }
    layer
}

/// Cuts long edges at every layer they cross; returns the bends of each edge, too.
fn insert_bends(graph: &Graph, mut layer: Vec<usize>) -> (Layers, Vec<Vec<usize>>) {
    let nodes = graph.sizes.len();
    let mut heights: Vec<f64> = graph.sizes.iter().map(|&(_, height)| height).collect();
    let mut shared: BTreeMap<(usize, u8, bool, usize), usize> = BTreeMap::new();
    let mut chains = Vec::with_capacity(graph.edges.len());
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    for &(from, to, class) in &graph.edges {
        let (a, b) = (layer[from], layer[to]);
        let forward = a <= b;
        let between: Vec<usize> = if forward { (a + 1..b).collect() } else { (b + 1..a).rev().collect() };
        let chain: Vec<usize> = between
            .into_iter()
            .map(|at| {
                *shared.entry((to, class, forward, at)).or_insert_with(|| {
                    heights.push(BEND);
                    layer.push(at);
                    layer.len() - 1
                })
            })
            .collect();
        let stops: Vec<usize> =
            core::iter::once(from).chain(chain.iter().copied()).chain(core::iter::once(to)).collect();
        for pair in stops.windows(2) {
            pieces.push(if forward { (pair[0], pair[1]) } else { (pair[1], pair[0]) });
        }
        chains.push(chain);
    }
    pieces.sort_unstable();
    pieces.dedup();
    let total = layer.len();
    let (mut left, mut right) = (vec![Vec::new(); total], vec![Vec::new(); total]);
    for (a, b) in pieces {
        right[a].push(b);
        left[b].push(a);
    }
    let depth = layer.iter().max().map_or(0, |l| l + 1);
    let order = initial_order(&layer, depth, &left, &right);
    (Layers { order, layer, left, right, heights, nodes }, chains)
}

/// Depth-first order, so that what belongs together starts together.
fn initial_order(
    layer: &[usize],
    depth: usize,
    left: &[Vec<usize>],
    right: &[Vec<usize>],
) -> Vec<Vec<usize>> {
    let mut order = vec![Vec::new(); depth];
    let mut seen = vec![false; layer.len()];
    let mut starts: Vec<usize> = (0..layer.len()).collect();
    starts.sort_by_key(|&v| (layer[v], v));
    for start in starts {
        let mut stack = vec![start];
        while let Some(v) = stack.pop() {
            if core::mem::replace(&mut seen[v], true) {
                continue;
            }
            order[layer[v]].push(v);
            stack.extend(left[v].iter().rev().chain(right[v].iter().rev()).filter(|&&w| !seen[w]));
        }
    }
    order
}

/// Barycentre sweeps to and fro with swaps of neighbours; the best order found stays.
fn reduce_crossings(layers: &mut Layers) {
    const SWEEPS: usize = 24;
    let mut best = layers.order.clone();
    let mut fewest = crossings(layers);
    for sweep in 0..SWEEPS {
        if fewest == 0 {
            break;
        }
        let depth = layers.order.len();
        let columns: Vec<usize> =
            if sweep % 2 == 0 { (1..depth).collect() } else { (0..depth - 1).rev().collect() };
        let mut position = positions(layers);
        for column in columns {
            sort_by_barycentre(layers, column, sweep % 2 == 0, &mut position);
        }
        swap_neighbours(layers, &mut position);
        let now = crossings(layers);
        if now < fewest {
            fewest = now;
            best.clone_from(&layers.order);
        }
    }
    layers.order = best;
}

fn positions(layers: &Layers) -> Vec<usize> {
    let mut position = vec![0; layers.layer.len()];
    for column in &layers.order {
        for (place, &v) in column.iter().enumerate() {
            position[v] = place;
        }
    }
    position
}

fn sort_by_barycentre(layers: &mut Layers, column: usize, from_left: bool, position: &mut [usize]) {
    let neighbours = if from_left { &layers.left } else { &layers.right };
    let mut keyed: Vec<(f64, usize, usize)> = layers.order[column]
        .iter()
        .enumerate()
        .map(|(place, &v)| {
            let near = &neighbours[v];
            let sum: usize = near.iter().map(|&u| position[u]).sum();
            // what has no neighbour there keeps its place
            let key = if near.is_empty() { place as f64 } else { sum as f64 / near.len() as f64 };
            (key, place, v)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    for (place, (slot, (_, _, v))) in layers.order[column].iter_mut().zip(keyed).enumerate() {
        *slot = v;
        position[v] = place;
    }
}

/// Swaps two neighbours wherever that saves crossings on both sides together.
fn swap_neighbours(layers: &mut Layers, position: &mut [usize]) {
    for _ in 0..4 {
        let mut improved = false;
        for column in 0..layers.order.len() {
            for at in 1..layers.order[column].len() {
                let (u, v) = (layers.order[column][at - 1], layers.order[column][at]);
                let count = |a: usize, b: usize| {
                    pair_crossings(&layers.left[a], &layers.left[b], position)
                        + pair_crossings(&layers.right[a], &layers.right[b], position)
                };
                if count(v, u) < count(u, v) {
                    layers.order[column].swap(at - 1, at);
                    position.swap(u, v);
                    improved = true;
                }
            }
        }
        if !improved {
            break;
        }
    }
}

/// Crossings between the edges of two vertices of one layer if the first lies above the second.
fn pair_crossings(upper: &[usize], lower: &[usize], position: &[usize]) -> usize {
    upper.iter().map(|&a| lower.iter().filter(|&&b| position[b] < position[a]).count()).sum()
}

/// All crossings, counted as inversions.
fn crossings(layers: &Layers) -> usize {
    let position = positions(layers);
    let mut total = 0;
    for column in layers.order.iter().take(layers.order.len().saturating_sub(1)) {
        let mut ends: Vec<usize> = Vec::new();
        for &v in column {
            let mut targets: Vec<usize> = layers.right[v].iter().map(|&w| position[w]).collect();
            targets.sort_unstable();
            ends.extend(targets);
        }
        total += inversions(&mut ends);
    }
    total
}

/// Pairs that stand in the wrong order, by merge sort.
fn inversions(items: &mut [usize]) -> usize {
    if items.len() < 2 {
        return 0;
    }
    let middle = items.len() / 2;
    let (left, right) = items.split_at_mut(middle);
    let mut count = inversions(left) + inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut l, mut r) = (0, 0);
    while l < left.len() && r < right.len() {
        if left[l] <= right[r] {
            merged.push(left[l]);
            l += 1;
        } else {
            count += left.len() - l;
            merged.push(right[r]);
            r += 1;
        }
    }
    merged.extend_from_slice(&left[l..]);
    merged.extend_from_slice(&right[r..]);
    items.copy_from_slice(&merged);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inversions_count_pairs_in_the_wrong_order() {
        assert_eq!(inversions(&mut [3, 1, 2, 1]), 4);
        assert_eq!(inversions(&mut [1, 1, 2]), 0);
    }

    #[test]
    fn nodes_of_a_column_do_not_overlap_and_edges_run_to_the_right() {
        // a layered graph with long edges, a cycle and a node of its own
        let edges = vec![
            (0, 1, 0),
            (0, 2, 0),
            (1, 3, 0),
            (2, 3, 0),
            (0, 3, 0),
            (3, 4, 0),
            (4, 0, 0),
            (5, 4, 1),
            (0, 4, 0),
        ];
        let graph = Graph { sizes: vec![(100.0, 40.0); 7], edges };
        let layout = layered(&graph);
        for a in 0..7 {
            for b in 0..a {
                let ((ax, ay), (bx, by)) = (layout.corners[a], layout.corners[b]);
                let apart = (ax - bx).abs() >= 100.0 || (ay - by).abs() >= 40.0;
                assert!(apart, "{a} and {b} overlap: {:?}", layout.corners);
            }
        }
        assert!(layout.corners.iter().all(|&(x, y)| x >= 0.0 && y >= -1e-9));
        assert!(layout.corners[1].0 > layout.corners[0].0);
    }
}
