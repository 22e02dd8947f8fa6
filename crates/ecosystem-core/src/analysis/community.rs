//! Communities: groups of components that have more to do with each other than with the rest; candidates for stacks.

use super::selection::EdgeSelection;
use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;
use std::collections::BTreeMap;

/// Groups of components and how clearly they stand apart.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Communities {
    /// Every component is in exactly one group; groups in the order of their first member.
    pub groups: Vec<Vec<ComponentId>>,
    /// Newman & Girvan's modularity: share of edge weight inside groups over what chance would give; −0.5 to 1.
    pub modularity: f64,
}

/// Groups of components by modularity, over undirected edges weighted by calls (1 + calls per second, an edge without
/// known calls counts 1).
///
/// Louvain method (Blondel et al. 2008, J. Stat. Mech. P10008): components move to the neighbouring group that gains
/// most, groups become nodes, until nothing gains. Components are taken in the map's order and ties go to the lowest
/// number, so that the result is the same every time. Groups that fall apart without their bridge are split (the flaw
/// that Traag, Waltman & van Eck 2019 found). O(E) for each of a few dozen rounds.
pub fn communities(ecosystem: &Ecosystem, edges: EdgeSelection) -> Communities {
    let topology = ecosystem.topology();
    let mut weights: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for (position, edge) in ecosystem.dependencies().enumerate() {
        if edges.has(topology.tags[position]) {
            let (a, b) = topology.ends[position];
            let (a, b) = (a.min(b) as usize, a.max(b) as usize);
            *weights.entry((a, b)).or_default() += 1.0 + edge.calls_per_1000_s as f64 / 1_000.0;
        }
    }
    let graph = Weighted::new(ecosystem.len(), &weights);
    let group = split_disconnected(&graph, &louvain(&graph));
    let modularity = graph.modularity(&group);
    let mut groups: BTreeMap<usize, Vec<ComponentId>> = BTreeMap::new();
    for (component, &group) in ecosystem.components().zip(&group) {
        groups.entry(group).or_default().push(component.id.clone());
    }
    let mut groups: Vec<Vec<ComponentId>> = groups.into_values().collect();
    groups.sort_by_key(|members| ecosystem.component_index(&members[0]));
    Communities { groups, modularity }
}

/// An undirected graph with weights; a loop holds the weight inside a joined group.
struct Weighted {
    near: Vec<Vec<(usize, f64)>>,
    loops: Vec<f64>,
    /// Weight of all edge ends at each node.
    degree: Vec<f64>,
    /// Twice the weight of all edges.
    total: f64,
}

impl Weighted {
    fn new(nodes: usize, weights: &BTreeMap<(usize, usize), f64>) -> Self {
        let mut near = vec![Vec::new(); nodes];
        let mut loops = vec![0.0; nodes];
        let mut degree = vec![0.0; nodes];
        for (&(a, b), &weight) in weights {
            degree[a] += weight;
            degree[b] += weight;
            if a == b {
                loops[a] += weight;
            } else {
                near[a].push((b, weight));
                near[b].push((a, weight));
            }
        }
        let total = degree.iter().sum();
        Self { near, loops, degree, total }
    }

    fn modularity(&self, group: &[usize]) -> f64 {
        if self.total == 0.0 {
            return 0.0;
        }
        let count = group.iter().max().map_or(0, |&g| g + 1);
        let (mut inside, mut degree) = (vec![0.0; count], vec![0.0; count]);
        for node in 0..self.near.len() {
            degree[group[node]] += self.degree[node];
            inside[group[node]] += 2.0 * self.loops[node];
            for &(next, weight) in self.near[node].iter().filter(|&&(next, _)| group[next] == group[node]) {
                debug_assert_ne!(next, node);
                inside[group[node]] += weight;
            }
        }
        inside.iter().zip(&degree).map(|(i, d)| i / self.total - (d / self.total).powi(2)).sum()
    }

    /// One pass of moves over all nodes until nothing gains; true if anything moved.
    fn settle(&self, group: &mut [usize]) -> bool {
        const PASSES_MAX: usize = 100;
        const GAIN_MIN: f64 = 1e-12;
        let nodes = self.near.len();
        let mut weight_of: Vec<f64> = vec![0.0; nodes];
        for node in 0..nodes {
            weight_of[group[node]] += self.degree[node];
        }
        let mut to_group = vec![0.0_f64; nodes];
        let mut moved_ever = false;
        for _ in 0..PASSES_MAX {
            let mut moved = false;
            for node in 0..nodes {
                let own = group[node];
                let mut touched: Vec<usize> = vec![own];
                for &(next, weight) in &self.near[node] {
                    touched.push(group[next]);
                    to_group[group[next]] += weight;
                }
                touched.sort_unstable();
                touched.dedup();
                weight_of[own] -= self.degree[node];
                let gain = |g: usize| to_group[g] - weight_of[g] * self.degree[node] / self.total;
                let mut best = own;
                for &g in &touched {
                    if gain(g) > gain(best) + GAIN_MIN {
                        best = g;
                    }
                }
                weight_of[best] += self.degree[node];
                group[node] = best;
                moved |= best != own;
                for g in touched {
                    to_group[g] = 0.0;
                }
            }
            moved_ever |= moved;
            if !moved {
                break;
            }
        }
        moved_ever
    }
}

fn louvain(graph: &Weighted) -> Vec<usize> {
    let nodes = graph.near.len();
    let mut result: Vec<usize> = (0..nodes).collect();
    if graph.total == 0.0 {
        return result;
    }
    let mut group: Vec<usize> = (0..nodes).collect();
    let mut moved = graph.settle(&mut group);
    let mut coarse: Weighted;
    loop {
        let count = renumber(&mut group);
        for g in &mut result {
            *g = group[*g];
        }
        if !moved {
            return result;
        }
        // groups become nodes: what is inside becomes a loop
        let mut weights: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for (a, edges) in graph.near.iter().enumerate() {
            for &(b, weight) in edges.iter().filter(|&&(b, _)| a < b) {
                let (x, y) = (result[a].min(result[b]), result[a].max(result[b]));
                *weights.entry((x, y)).or_default() += weight;
            }
        }
        coarse = Weighted::new(count, &weights);
        group = (0..count).collect();
        moved = coarse.settle(&mut group);
    }
}

/// Numbers groups from 0 in order of appearance.
fn renumber(group: &mut [usize]) -> usize {
    let mut names: BTreeMap<usize, usize> = BTreeMap::new();
    for g in group.iter_mut() {
        let next = names.len();
        *g = *names.entry(*g).or_insert(next);
    }
    names.len()
}

fn split_disconnected(graph: &Weighted, group: &[usize]) -> Vec<usize> {
    let mut parts = vec![usize::MAX; group.len()];
    let mut count = 0;
    for start in 0..group.len() {
        if parts[start] != usize::MAX {
            continue;
        }
        parts[start] = count;
        let mut stack = vec![start];
        while let Some(node) = stack.pop() {
            for &(next, _) in &graph.near[node] {
                if parts[next] == usize::MAX && group[next] == group[node] {
                    parts[next] = count;
                    stack.push(next);
                }
            }
        }
        count += 1;
    }
    parts
}
