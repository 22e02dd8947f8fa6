//! Centrality: which components the rest of the map turns on.

use super::digraph::{Digraph, dense};
use super::selection::EdgeSelection;
use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;

/// How central one component is.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Centrality {
    /// Which one.
    pub component: ComponentId,
    /// Components that need it, each counted once.
    pub dependants: usize,
    /// Components that it needs, each counted once.
    pub dependencies: usize,
    /// Sum over all pairs of others of the share of shortest paths that lead through it.
    pub betweenness: f64,
    /// Share of time that a walker spends here who follows needs and now and then starts anew; sums to 1.
    pub page_rank: f64,
}

/// Limits and parameters of [`centrality`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CentralitySettings {
    /// Edges looked at; between two components they count once. Default: those that matter while components run.
    pub edges: EdgeSelection,
    /// Sources of shortest paths; on larger maps evenly chosen ones stand for all (Brandes & Pich 2007). Default 2,000:
    /// exact up to there, a few seconds on 10⁵ components.
    pub sources_max: usize,
    /// Probability that the walker goes on. Default 0.85 (Page et al. 1999).
    pub damping: f64,
    /// The walk is settled when the shares change by less than this in sum. Default 10⁻¹⁰.
    pub tolerance: f64,
}

impl Default for CentralitySettings {
    fn default() -> Self {
        Self { edges: EdgeSelection::RUNTIME, sources_max: 2_000, damping: 0.85, tolerance: 1e-10 }
    }
}

/// Degrees, betweenness and `PageRank` of every component, in the map's order.
///
/// Betweenness by Brandes (2001), A faster algorithm for betweenness centrality, J. Math. Sociology 25: O(V E).
/// `PageRank` by the power method; what has no needs ("dangling") passes its share to all alike. At most 1,000 rounds.
pub fn centrality(ecosystem: &Ecosystem, settings: &CentralitySettings) -> Vec<Centrality> {
    let mut pairs: Vec<(u32, u32)> =
        settings.edges.graph(ecosystem).iter().map(|(from, to, _)| (from, to)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let graph = Digraph::of_valid(ecosystem.len(), &pairs);
    let back = graph.reversed();
    let betweenness = betweenness(&graph, settings.sources_max.max(1));
    let ranks = page_rank(&graph, &back, settings.damping.clamp(0.0, 0.9999), settings.tolerance.max(1e-15));
    ecosystem
        .components()
        .enumerate()
        .map(|(ix, c)| Centrality {
            component: c.id.clone(),
            dependants: back.successors(ix).len(),
            dependencies: graph.successors(ix).len(),
            betweenness: betweenness[ix],
            page_rank: ranks[ix],
        })
        .collect()
}

fn betweenness(graph: &Digraph, sources_max: usize) -> Vec<f64> {
    let nodes = graph.nodes();
    let mut total = vec![0.0_f64; nodes];
    let sources = nodes.min(sources_max);
    let scale = nodes as f64 / sources.max(1) as f64;
    let (mut paths, mut depth, mut share) =
        (vec![0.0_f64; nodes], vec![u32::MAX; nodes], vec![0.0_f64; nodes]);
    for number in 0..sources {
        let source = number * nodes / sources;
        paths[source] = 1.0;
        depth[source] = 0;
        let mut order = vec![dense(source)];
        let mut at = 0;
        while let Some(&node) = order.get(at) {
            at += 1;
            let (node, here) = (node as usize, depth[node as usize]);
            for &next in graph.successors(node) {
                let next = next as usize;
                if depth[next] == u32::MAX {
                    depth[next] = here + 1;
                    order.push(dense(next));
                }
                if depth[next] == here + 1 {
                    paths[next] += paths[node];
                }
            }
        }
        for &node in order.iter().rev() {
            let node = node as usize;
            for &next in graph.successors(node) {
                let next = next as usize;
                if depth[next] == depth[node] + 1 {
                    share[node] += paths[node] / paths[next] * (1.0 + share[next]);
                }
            }
            if node != source {
                total[node] += share[node] * scale;
            }
        }
        for node in order {
            let node = node as usize;
            (paths[node], depth[node], share[node]) = (0.0, u32::MAX, 0.0);
        }
    }
    total
}

fn page_rank(graph: &Digraph, back: &Digraph, damping: f64, tolerance: f64) -> Vec<f64> {
    const ROUNDS_MAX: usize = 1_000;
    let nodes = graph.nodes();
    let mut rank = vec![1.0 / nodes.max(1) as f64; nodes];
    for _ in 0..ROUNDS_MAX {
        let dangling: f64 = (0..nodes).filter(|&n| graph.successors(n).is_empty()).map(|n| rank[n]).sum();
        let base = (1.0 - damping + damping * dangling) / nodes as f64;
        let next: Vec<f64> = (0..nodes)
            .map(|node| {
                let from = back.successors(node).iter().map(|&from| from as usize);
                base + damping
                    * from.map(|from| rank[from] / graph.successors(from).len() as f64).sum::<f64>()
            })
            .collect();
        let change: f64 = rank.iter().zip(&next).map(|(a, b)| (a - b).abs()).sum();
        rank = next;
        if change < tolerance {
            break;
        }
    }
    rank
}
