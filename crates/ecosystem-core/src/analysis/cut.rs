//! Minimum cuts: the fewest edges or components whose loss separates one component from another.

use super::digraph::{Digraph, dense};
use super::selection::EdgeSelection;
use crate::dependency::DependencyKind;
use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;
use std::collections::VecDeque;

/// What is cut, and what it costs.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[expect(clippy::exhaustive_enums, reason = "edges by number, edges by traffic, components by number")]
pub enum CutBy {
    /// Pairs of components, one each.
    Edges,
    /// Pairs of components, by bytes per second (unknown traffic counts as one byte).
    Traffic,
    /// Components between the two, one each.
    Components,
}

/// A minimum cut.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MinCut {
    /// Sum of what is cut; the largest flow.
    pub size: u64,
    /// Edges of the cut, if edges are cut.
    pub edges: Vec<(ComponentId, ComponentId)>,
    /// Components of the cut, if components are cut.
    pub components: Vec<ComponentId>,
}

/// Why there is no cut.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CutError {
    /// A name that is not in the map.
    #[error("`{0}` is not a component of the map")]
    Unknown(ComponentId),
    /// The two are the same.
    #[error("`{0}` cannot be cut off from itself, expected two components")]
    Same(ComponentId),
    /// Only components are cut, but an edge joins the two.
    #[error("`{from}` needs `{to}` directly, so that no other component separates them")]
    Adjacent {
        /// Start of the edge.
        from: ComponentId,
        /// End of the edge.
        to: ComponentId,
    },
}

/// The cheapest way to separate `from` from `to` along the direction of need. Of several, the one nearest to `from`.
///
/// Largest flow by Dinic (1970), Soviet Math. Doklady 11; smallest cut by Ford & Fulkerson (1956). O(V² E), for cuts
/// that count edges or components O(E √V) to O(E √E).
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Dependency, DependencyKind, Ecosystem, Kind};
/// use ecosystem_core::analysis::{CutBy, EdgeSelection, min_cut};
///
/// let mut builder = Ecosystem::builder("m");
/// for name in ["web", "a", "b", "db"] {
///     builder = builder.component(Component::new(name.parse()?, Kind::Container));
/// }
/// for (from, to) in [("web", "a"), ("web", "b"), ("a", "db"), ("b", "db")] {
///     builder = builder.dependency(Dependency::new(from.parse()?, to.parse()?, DependencyKind::Call));
/// }
/// let map = builder.build()?;
/// let cut = min_cut(&map, (&"web".parse()?, &"db".parse()?), EdgeSelection::RUNTIME, CutBy::Components)?;
/// assert_eq!((cut.size, cut.components.len()), (2, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn min_cut(
    ecosystem: &Ecosystem,
    (from, to): (&ComponentId, &ComponentId),
    edges: EdgeSelection,
    by: CutBy,
) -> Result<MinCut, CutError> {
    let index = |id: &ComponentId| ecosystem.component_index(id).ok_or_else(|| CutError::Unknown(id.clone()));
    let (source, sink) = (index(from)?, index(to)?);
    if source == sink {
        return Err(CutError::Same(from.clone()));
    }
    let pairs = weighted_pairs(ecosystem, edges, by);
    let count = ecosystem.len();
    let name = |node: usize| ecosystem.component_at(node).map(|c| c.id.clone());
    if by == CutBy::Components {
        if pairs.iter().any(|&(a, b, _)| (a as usize, b as usize) == (source, sink)) {
            return Err(CutError::Adjacent { from: from.clone(), to: to.clone() });
        }
        // every component becomes an edge from its entry (node) to its exit (node + count)
        let mut arcs: Vec<(u32, u32, u64)> =
            pairs.iter().map(|&(a, b, _)| (a + dense(count), b, u64::MAX)).collect();
        arcs.extend((0..count).map(|node| {
            let free = node == source || node == sink;
            (dense(node), dense(node + count), if free { u64::MAX } else { 1 })
        }));
        let (size, near) = Flow::new(2 * count, &arcs).run(source, sink);
        let components = (0..count).filter(|&n| near[n] && !near[n + count]).filter_map(name).collect();
        return Ok(MinCut { size, edges: Vec::new(), components });
    }
    let (size, near) = Flow::new(count, &pairs).run(source, sink);
    let cut = pairs.iter().filter(|&&(a, b, _)| near[a as usize] && !near[b as usize]);
    let edges = cut.filter_map(|&(a, b, _)| Some((name(a as usize)?, name(b as usize)?))).collect();
    Ok(MinCut { size, edges, components: Vec::new() })
}

/// Each pair of components once, with its weight.
fn weighted_pairs(ecosystem: &Ecosystem, edges: EdgeSelection, by: CutBy) -> Vec<(u32, u32, u64)> {
    let topology = ecosystem.topology();
    let mut pairs: Vec<(u32, u32, u64)> = ecosystem
        .dependencies()
        .enumerate()
        .filter(|&(position, _)| edges.has(topology.tags[position]))
        .map(|(position, d)| {
            let (a, b) = topology.ends[position];
            let known = if d.kind == DependencyKind::StartOrder { 0 } else { d.bytes_per_s };
            (a, b, if by == CutBy::Traffic { known } else { 1 })
        })
        .collect();
    pairs.sort_unstable();
    let mut joined: Vec<(u32, u32, u64)> = Vec::with_capacity(pairs.len());
    for (a, b, weight) in pairs {
        match joined.last_mut() {
            Some(last) if (last.0, last.1) == (a, b) => {
                last.2 = if by == CutBy::Traffic { last.2.saturating_add(weight) } else { 1 };
            }
            _ => joined.push((a, b, weight)),
        }
    }
    for pair in &mut joined {
        pair.2 = pair.2.max(1);
    }
    joined
}

/// Dinic's algorithm on residual arcs; arc `2n + 1` is the way back of arc `2n`.
struct Flow {
    graph: Digraph,
    heads: Vec<u32>,
    room: Vec<u64>,
    level: Vec<u32>,
    cursor: Vec<usize>,
}

impl Flow {
    fn new(nodes: usize, arcs: &[(u32, u32, u64)]) -> Self {
        let mut ends: Vec<(u32, u32)> = Vec::with_capacity(2 * arcs.len());
        let mut room = Vec::with_capacity(2 * arcs.len());
        for &(a, b, capacity) in arcs {
            ends.extend([(a, b), (b, a)]);
            room.extend([capacity, 0]);
        }
        let heads = ends.iter().map(|&(_, to)| to).collect();
        Self { graph: Digraph::of_valid(nodes, &ends), heads, room, level: Vec::new(), cursor: Vec::new() }
    }

    /// Value of the largest flow, and which nodes the source still reaches.
    fn run(mut self, source: usize, sink: usize) -> (u64, Vec<bool>) {
        let mut total = 0_u64;
        while self.layer(source, sink) {
            self.cursor = vec![0; self.graph.nodes()];
            while let Some(pushed) = self.augment(source, sink) {
                total = total.saturating_add(pushed);
            }
        }
        (total, self.level.iter().map(|&level| level != u32::MAX).collect())
    }

    /// Distances from the source over arcs with room; true if the sink is reached.
    fn layer(&mut self, source: usize, sink: usize) -> bool {
        self.level = vec![u32::MAX; self.graph.nodes()];
        self.level[source] = 0;
        let mut queue = VecDeque::from([source]);
        while let Some(node) = queue.pop_front() {
            for &arc in self.graph.edge_ids(node) {
                let next = self.heads[arc as usize] as usize;
                if self.room[arc as usize] > 0 && self.level[next] == u32::MAX {
                    self.level[next] = self.level[node] + 1;
                    queue.push_back(next);
                }
            }
        }
        self.level[sink] != u32::MAX
    }

    /// One path along rising levels; `None` if there is none left.
    fn augment(&mut self, source: usize, sink: usize) -> Option<u64> {
        let mut path: Vec<u32> = Vec::new();
        let mut node = source;
        while node != sink {
            let arcs = self.graph.edge_ids(node);
            let open = |&&arc: &&u32| {
                let next = self.heads[arc as usize] as usize;
                self.room[arc as usize] > 0 && self.level[next] == self.level[node] + 1
            };
            if let Some(skip) = arcs[self.cursor[node]..].iter().position(|arc| open(&arc)) {
                self.cursor[node] += skip;
                let arc = arcs[self.cursor[node]];
                path.push(arc);
                node = self.heads[arc as usize] as usize;
            } else {
                self.cursor[node] = arcs.len();
                let back = path.pop()?;
                node = self.heads[back as usize ^ 1] as usize;
                self.cursor[node] += 1;
            }
        }
        let pushed = path.iter().map(|&arc| self.room[arc as usize]).min()?;
        for arc in path {
            // unlimited arcs stay unlimited
            if self.room[arc as usize] != u64::MAX {
                self.room[arc as usize] -= pushed;
            }
            let back = &mut self.room[arc as usize ^ 1];
            *back = back.saturating_add(pushed);
        }
        Some(pushed)
    }
}
