//! Coordinates inside the layers: Brandes & Köpf (2001), Fast and simple horizontal coordinate assignment, GD 2001.
//!
//! Vertices are aligned with their median neighbours into blocks in four ways (to either side, from either end); each
//! alignment is packed as a longest path over blocks, and the mean of the two middle results counts. Here the layers are
//! columns, so the coordinate is `y`.

use super::layout::Layers;

/// Free space between vertices of one column.
const GAP: f64 = 18.0;

/// Centre of every vertex, the topmost at its half height.
pub(super) fn assign(layers: &Layers) -> Vec<f64> {
    let count = layers.layer.len();
    if count == 0 {
        return Vec::new();
    }
    let conflicts = conflicts(layers);
    let mut runs: Vec<Vec<f64>> = Vec::with_capacity(4);
    for from_left in [true, false] {
        for mirrored in [false, true] {
            let mut order = layers.order.clone();
            if mirrored {
                for column in &mut order {
                    column.reverse();
                }
            }
            let root = align(layers, &order, from_left, mirrored, &conflicts);
            let mut y = pack(layers, &order, &root);
            if mirrored {
                for y in &mut y {
                    *y = -*y;
                }
            }
            runs.push(y);
        }
    }
    let mut centres = balance(layers, runs);
    tighten(layers, &mut centres);
    centres
}

/// A drawing that is much taller than its fullest column is pulled together: every vertex goes to the mean of its neighbours
/// on both sides, lines count more than nodes so that they stay nearly straight, and each column keeps its order and gaps
/// (least squares under separations: the pool-adjacent-violators algorithm, Ayer et al. 1955). Few sweeps are enough.
fn tighten(layers: &Layers, centres: &mut [f64]) {
    const SWEEPS: usize = 60;
    let fullest = layers.order.iter().map(|column| {
        let gaps: f64 = column.windows(2).map(|pair| apart(layers, pair[0], pair[1])).sum();
        let ends = column.first().zip(column.last());
        gaps + ends.map_or(0.0, |(&a, &b)| f64::midpoint(layers.heights[a], layers.heights[b]))
    });
    let fullest = fullest.fold(0.0, f64::max);
    let tallest = centres.iter().zip(&layers.heights).map(|(y, h)| y + h / 2.0).fold(0.0, f64::max);
    if tallest < fullest * 1.25 {
        return;
    }
    let is_bend = |v: usize| v >= layers.nodes;
    for sweep in 0..SWEEPS {
        let depth = layers.order.len();
        for step in 0..depth {
            let column = &layers.order[if sweep % 2 == 0 { step } else { depth - 1 - step }];
            let wanted = column.iter().map(|&v| {
                let (mut sum, mut weight) = (centres[v] * 0.2, 0.2);
                for &u in layers.left[v].iter().chain(&layers.right[v]) {
                    let pull = if is_bend(u) && is_bend(v) { 8.0 } else { 1.0 };
                    sum += centres[u] * pull;
                    weight += pull;
                }
                (sum / weight, weight)
            });
            let wanted: Vec<(f64, f64)> = wanted.collect();
            place(layers, column, &wanted, centres);
        }
    }
    let top = centres.iter().zip(&layers.heights).map(|(y, h)| y - h / 2.0).fold(f64::INFINITY, f64::min);
    for y in centres {
        *y -= top;
    }
}

/// Puts the vertices of a column as near as possible to where they want to be, in order and with their gaps.
fn place(layers: &Layers, column: &[usize], wanted: &[(f64, f64)], centres: &mut [f64]) {
    // blocks of vertices that stand as close as they may: offset of the first, weight, number of vertices
    let mut blocks: Vec<(f64, f64, usize)> = Vec::with_capacity(column.len());
    let mut offsets = Vec::with_capacity(column.len());
    let mut offset = 0.0;
    for (at, &(y, weight)) in wanted.iter().enumerate() {
        if at > 0 {
            offset += apart(layers, column[at - 1], column[at]);
        }
        offsets.push(offset);
        let mut block = (y - offset, weight, 1);
        while let Some(&(before, heavy, count)) = blocks.last()
            && before > block.0
        {
            blocks.pop();
            let weight = heavy + block.1;
            block = ((before * heavy + block.0 * block.1) / weight, weight, count + block.2);
        }
        blocks.push(block);
    }
    let bases = blocks.into_iter().flat_map(|(base, _, count)| std::iter::repeat_n(base, count));
    for ((&v, base), offset) in column.iter().zip(bases).zip(offsets) {
        centres[v] = base + offset;
    }
}

/// Least distance between the centres of two neighbours of one column.
fn apart(layers: &Layers, u: usize, v: usize) -> f64 {
    let bends = u >= layers.nodes && v >= layers.nodes;
    f64::midpoint(layers.heights[u], layers.heights[v]) + if bends { GAP / 3.0 } else { GAP }
}

/// Moves the four results onto the narrowest one and takes the mean of the two middle ones for every vertex.
fn balance(layers: &Layers, mut runs: Vec<Vec<f64>>) -> Vec<f64> {
    let extent = |y: &[f64]| {
        let low = y.iter().zip(&layers.heights).map(|(y, h)| y - h / 2.0).fold(f64::INFINITY, f64::min);
        let high = y.iter().zip(&layers.heights).map(|(y, h)| y + h / 2.0).fold(f64::NEG_INFINITY, f64::max);
        (low, high)
    };
    let extents: Vec<(f64, f64)> = runs.iter().map(|run| extent(run)).collect();
    let span = |&(low, high): &(f64, f64)| high - low;
    let narrowest = extents.iter().copied().min_by(|a, b| span(a).total_cmp(&span(b))).unwrap_or((0.0, 0.0));
    for (number, run) in runs.iter_mut().enumerate() {
        // odd runs are packed towards the far end
        let shift =
            if number % 2 == 0 { narrowest.0 - extents[number].0 } else { narrowest.1 - extents[number].1 };
        for y in run.iter_mut() {
            *y += shift;
        }
    }
    let mut centres: Vec<f64> = (0..layers.layer.len())
        .map(|v| {
            let mut four = [runs[0][v], runs[1][v], runs[2][v], runs[3][v]];
            four.sort_by(f64::total_cmp);
            f64::midpoint(four[1], four[2])
        })
        .collect();
    let top = extent(&centres).0;
    for y in &mut centres {
        *y -= top;
    }
    centres
}

/// Pieces `(left, right)` that cross a piece between two bends: those stay straight, these give way.
fn conflicts(layers: &Layers) -> std::collections::BTreeSet<(usize, usize)> {
    let mut found = std::collections::BTreeSet::new();
    let is_bend = |v: usize| v >= layers.nodes;
    let mut position = vec![0; layers.layer.len()];
    for column in &layers.order {
        for (place, &v) in column.iter().enumerate() {
            position[v] = place;
        }
    }
    for column in layers.order.iter().skip(1) {
        // positions on the left between which no straight piece may be crossed
        let mut low = 0;
        let mut scanned = 0;
        for (at, &v) in column.iter().enumerate() {
            let inner = if is_bend(v) { layers.left[v].iter().find(|&&u| is_bend(u)).copied() } else { None };
            if inner.is_none() && at + 1 < column.len() {
                continue;
            }
            let high = inner.map_or(usize::MAX, |u| position[u]);
            for &w in &column[scanned..=at] {
                for &u in &layers.left[w] {
                    let crosses = position[u] < low || position[u] > high;
                    if crosses && !(is_bend(u) && is_bend(w)) {
                        found.insert((u, w));
                    }
                }
            }
            scanned = at + 1;
            low = if inner.is_some() { high } else { low };
        }
    }
    found
}

/// Joins vertices with their median neighbours; returns the first vertex of every vertex's block.
fn align(
    layers: &Layers,
    order: &[Vec<usize>],
    from_left: bool,
    mirrored: bool,
    conflicts: &std::collections::BTreeSet<(usize, usize)>,
) -> Vec<usize> {
    let count = layers.layer.len();
    let mut root: Vec<usize> = (0..count).collect();
    let mut next: Vec<usize> = (0..count).collect();
    let mut position = vec![0; count];
    for column in order {
        for (place, &v) in column.iter().enumerate() {
            position[v] = place;
        }
    }
    let depth = order.len();
    let columns: Vec<usize> = if from_left { (0..depth).collect() } else { (0..depth).rev().collect() };
    for column in columns {
        let mut used: Option<usize> = None;
        for &v in &order[column] {
            let mut near = if from_left { layers.left[v].clone() } else { layers.right[v].clone() };
            near.sort_unstable_by_key(|&u| position[u]);
            if near.is_empty() {
                continue;
            }
            let (lower, upper) = ((near.len() - 1) / 2, near.len() / 2);
            let medians = if mirrored { [upper, lower] } else { [lower, upper] };
            for median in medians {
                let u = near[median];
                let piece = if from_left { (u, v) } else { (v, u) };
                let free = used.is_none_or(|used| position[u] > used);
                if next[v] == v && free && !conflicts.contains(&piece) {
                    next[u] = v;
                    root[v] = root[u];
                    next[v] = root[v];
                    used = Some(position[u]);
                }
            }
        }
    }
    root
}

/// Packs the blocks: as near to the start as separations allow, then back towards what follows.
fn pack(layers: &Layers, order: &[Vec<usize>], root: &[usize]) -> Vec<f64> {
    let count = root.len();
    let mut after: Vec<Vec<(usize, f64)>> = vec![Vec::new(); count];
    let mut waits = vec![0_usize; count];
    for column in order {
        for pair in column.windows(2) {
            let (u, v) = (pair[0], pair[1]);
            after[root[u]].push((root[v], apart(layers, u, v)));
            waits[root[v]] += 1;
        }
    }
    let mut ready: Vec<usize> = (0..count).filter(|&b| root[b] == b && waits[b] == 0).collect();
    let mut sorted = Vec::with_capacity(count);
    let mut y = vec![0.0_f64; count];
    while let Some(block) = ready.pop() {
        sorted.push(block);
        for &(next, apart) in &after[block] {
            y[next] = y[next].max(y[block] + apart);
            waits[next] -= 1;
            if waits[next] == 0 {
                ready.push(next);
            }
        }
    }
    for &block in sorted.iter().rev() {
        let room = after[block].iter().map(|&(next, apart)| y[next] - apart).fold(f64::INFINITY, f64::min);
        if room.is_finite() {
            y[block] = y[block].max(room);
        }
    }
    (0..count).map(|v| y[root[v]]).collect()
}
