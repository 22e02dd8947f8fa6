//! Single points of failure: what must not break.

use super::digraph::{Digraph, dense};
use super::dominators::dominators;
use super::scc::strong_components;
use super::selection::EdgeSelection;
use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;
use std::fmt;

/// What counts as a single point of failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SinglePointSettings {
    /// How many other components must be hurt. Default 2: everything with a private database would be listed at 1.
    pub hurt_min: usize,
    /// Edges looked at. Default all: many applications declare nothing but start order.
    pub edges: EdgeSelection,
    /// Edge visits spent on counting what fails. Default 50 million: about a second, and enough for an exact answer
    /// on any map of up to 7,000 edges and components.
    pub work_max: u64,
}

impl Default for SinglePointSettings {
    fn default() -> Self {
        Self { hurt_min: 2, edges: EdgeSelection::ALL, work_max: 50_000_000 }
    }
}

/// Why a component is a single point of failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum SinglePointReason {
    /// It runs once, and so many others fail or cannot restart with it.
    OneReplica {
        /// How many.
        hurt: usize,
    },
    /// Without it the map falls apart (articulation point of the undirected graph).
    Cut {
        /// Number of parts.
        parts: usize,
        /// Components outside of the largest part.
        separated: usize,
    },
    /// Everything on the way from the entry points to so many others goes through it (dominator).
    Gate {
        /// How many.
        behind: usize,
    },
}

impl fmt::Display for SinglePointReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneReplica { hurt } => write!(f, "one replica, {hurt} others go down with it"),
            Self::Cut { parts, separated } => {
                write!(f, "without it the map falls into {parts} parts, {separated} components cut off")
            }
            Self::Gate { behind } => write!(f, "the only way from outside to {behind} others"),
        }
    }
}

/// A component that must not fail.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SinglePoint {
    /// Which one.
    pub component: ComponentId,
    /// How many replicas it has; more than one soften the structural reasons.
    pub replicas: u32,
    /// Why, at least one reason.
    pub reasons: Vec<SinglePointReason>,
}

impl fmt::Display for SinglePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        write!(f, "{}: {}", self.component, reasons.join("; "))
    }
}

/// A pair of components whose only connection is the edge between them.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Bridge {
    /// The component that needs the other.
    pub from: ComponentId,
    /// The component that is needed.
    pub to: ComponentId,
    /// Components on the smaller side if the edge is cut.
    pub separated: usize,
}

/// The weak points of a map.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SinglePoints {
    /// Components, those that run once first, then by how much they hurt.
    pub components: Vec<SinglePoint>,
    /// Edges that hold two parts together, by how much they cut off.
    pub bridges: Vec<Bridge>,
    /// False if the work limit stopped the count of what fails; structural reasons are always complete.
    pub complete: bool,
}

impl fmt::Display for SinglePoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.components.iter().try_for_each(|point| writeln!(f, "{point}"))
    }
}

/// Components and edges whose loss alone hurts many.
///
/// Three views: components with one replica that others need; articulation points and bridges of the undirected map
/// (Hopcroft & Tarjan 1973, Algorithm 447, CACM 16); dominators seen from the entry points, that is from all
/// components of the strong components which nothing else calls (Lengauer & Tarjan 1979). O(E log V) apart from the first, which
/// is O(V·E) up to `work_max`.
pub fn single_points_of_failure(ecosystem: &Ecosystem, settings: &SinglePointSettings) -> SinglePoints {
    let graph = settings.edges.graph(ecosystem);
    let nodes = graph.nodes();
    let mut reasons: Vec<Vec<SinglePointReason>> = vec![Vec::new(); nodes];
    let complete = one_replica(ecosystem, &graph, settings, &mut reasons);
    let cuts = cuts(&graph.undirected());
    for (node, &(parts, separated)) in cuts.points.iter().enumerate() {
        if parts > 1 && separated >= settings.hurt_min {
            reasons[node].push(SinglePointReason::Cut { parts, separated });
        }
    }
    for (node, &behind) in dominated(&graph).iter().enumerate() {
        if behind >= settings.hurt_min {
            reasons[node].push(SinglePointReason::Gate { behind });
        }
    }
    let mut components: Vec<SinglePoint> = ecosystem
        .components()
        .zip(reasons)
        .filter(|(_, reasons)| !reasons.is_empty())
        .map(|(c, reasons)| SinglePoint { component: c.id.clone(), replicas: c.replicas, reasons })
        .collect();
    components.sort_by_key(|point| {
        let hurt = |r: &SinglePointReason| match *r {
            SinglePointReason::OneReplica { hurt } => (1, hurt),
            SinglePointReason::Cut { separated: n, .. } | SinglePointReason::Gate { behind: n } => (0, n),
        };
        core::cmp::Reverse(point.reasons.iter().map(hurt).max())
    });
    let id = |node: u32| ecosystem.component_at(node as usize).map(|c| c.id.clone());
    let mut bridges: Vec<Bridge> = cuts
        .bridges
        .into_iter()
        .filter_map(|(a, b, separated)| {
            // the shorter list: a hub of a hundred thousand bridges is not searched for each of them
            let (ahead, back) = (graph.successors(a as usize), graph.successors(b as usize));
            let forward = if ahead.len() <= back.len() { ahead.contains(&b) } else { !back.contains(&a) };
            let (from, to) = if forward { (a, b) } else { (b, a) };
            Some(Bridge { from: id(from)?, to: id(to)?, separated })
        })
        .collect();
    bridges.sort_by_key(|bridge| core::cmp::Reverse(bridge.separated));
    SinglePoints { components, bridges, complete }
}

/// Counts what goes down with each component that runs once; false if the work limit was met.
fn one_replica(
    ecosystem: &Ecosystem,
    graph: &Digraph,
    settings: &SinglePointSettings,
    reasons: &mut [Vec<SinglePointReason>],
) -> bool {
    let topology = ecosystem.topology();
    let hard = EdgeSelection::RUNTIME.hard_only();
    let start = EdgeSelection::of(&[crate::dependency::DependencyKind::StartOrder]);
    let hurts = |id: u32| hard.has(topology.tags[id as usize]) || start.has(topology.tags[id as usize]);
    let needed_by: Vec<(u32, u32)> =
        graph.iter().filter(|&(_, _, id)| hurts(id)).map(|(from, to, _)| (to, from)).collect();
    let needed_by = Digraph::of_valid(graph.nodes(), &needed_by);
    let mut stamp = vec![u32::MAX; graph.nodes()];
    let mut work = settings.work_max;
    let mut queue: Vec<u32> = Vec::new();
    for (node, component) in ecosystem.components().enumerate().filter(|(_, c)| c.replicas == 1) {
        queue.clear();
        queue.push(dense(node));
        stamp[node] = dense(node);
        let mut at = 0;
        while let Some(&next) = queue.get(at) {
            at += 1;
            for &needy in needed_by.successors(next as usize) {
                if work == 0 {
                    return false;
                }
                work -= 1;
                if core::mem::replace(&mut stamp[needy as usize], dense(node)) != dense(node) {
                    queue.push(needy);
                }
            }
        }
        debug_assert_eq!(component.replicas, 1);
        if queue.len() > settings.hurt_min {
            reasons[node].push(SinglePointReason::OneReplica { hurt: queue.len() - 1 });
        }
    }
    true
}

struct Cuts {
    /// For each node: parts its connected component falls into without it, nodes outside of the largest.
    points: Vec<(usize, usize)>,
    /// Ends of each bridge and the nodes on its smaller side.
    bridges: Vec<(u32, u32, usize)>,
}

/// Articulation points and bridges of a simple undirected graph, without recursion.
fn cuts(graph: &Digraph) -> Cuts {
    let nodes = graph.nodes();
    let (mut visit, mut low) = (vec![0_u32; nodes], vec![0_u32; nodes]);
    let mut size = vec![1_usize; nodes];
    // for each node: subtrees that hang on it alone, their nodes in sum, the largest of them
    let mut hanging = vec![(0_usize, 0_usize, 0_usize); nodes];
    let mut found = Cuts { points: vec![(1, 0); nodes], bridges: Vec::new() };
    let mut visits = 0_u32;
    let mut path: Vec<(usize, usize, usize)> = Vec::new(); // node, parent, next slot
    for root in 0..nodes {
        if visit[root] != 0 {
            continue;
        }
        let mut order: Vec<usize> = Vec::new();
        let mut local_bridges: Vec<(usize, usize)> = Vec::new();
        visits += 1;
        (visit[root], low[root]) = (visits, visits);
        path.push((root, root, graph.range(root).start));
        order.push(root);
        while let Some(top) = path.last_mut() {
            let (node, parent) = (top.0, top.1);
            if top.2 < graph.range(node).end {
                let next = graph.target(top.2);
                top.2 += 1;
                if visit[next] == 0 {
                    visits += 1;
                    (visit[next], low[next]) = (visits, visits);
                    path.push((next, node, graph.range(next).start));
                    order.push(next);
                } else if next != parent {
                    low[node] = low[node].min(visit[next]);
                }
                continue;
            }
            path.pop();
            if node == root {
                continue;
            }
            low[parent] = low[parent].min(low[node]);
            size[parent] += size[node];
            if low[node] >= visit[parent] {
                let hang = &mut hanging[parent];
                *hang = (hang.0 + 1, hang.1 + size[node], hang.2.max(size[node]));
            }
            if low[node] > visit[parent] {
                local_bridges.push((parent, node));
            }
        }
        let total = order.len();
        for node in order {
            let (subtrees, sum, largest) = hanging[node];
            let rest = total - 1 - sum;
            let parts = subtrees + usize::from(rest > 0);
            found.points[node] = (parts.max(1), total - 1 - largest.max(rest));
        }
        for (parent, child) in local_bridges {
            found.bridges.push((dense(parent), dense(child), size[child].min(total - size[child])));
        }
    }
    found
}

/// For each node how many others can be reached from the entries only through it.
fn dominated(graph: &Digraph) -> Vec<usize> {
    let groups = strong_components(graph);
    let mut called = vec![false; groups.count()];
    for (from, to, _) in graph.iter() {
        if groups.of(from as usize) != groups.of(to as usize) {
            called[groups.of(to as usize)] = true;
        }
    }
    let is_entry = |&node: &u32| !called[groups.of(node as usize)];
    let entries: Vec<u32> = (0..dense(graph.nodes())).filter(is_entry).collect();
    let root = dense(graph.nodes());
    let parent = dominators(graph, &entries);
    // sum up the tree from the leaves
    let mut children = vec![0_usize; graph.nodes()];
    for &above in parent.iter().flatten().filter(|&&above| above != root) {
        children[above as usize] += 1;
    }
    let mut behind = vec![0_usize; graph.nodes()];
    let mut leaves: Vec<usize> = (0..graph.nodes()).filter(|&node| children[node] == 0).collect();
    while let Some(node) = leaves.pop() {
        if let Some(above) = parent[node].filter(|&above| above != root) {
            let above = above as usize;
            behind[above] += behind[node] + 1;
            children[above] -= 1;
            if children[above] == 0 {
                leaves.push(above);
            }
        }
    }
    behind
}
