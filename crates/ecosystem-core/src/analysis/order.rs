//! Start and upgrade order, and the cycles that spoil it.

use super::digraph::{Digraph, dense};
use super::scc::{Components, strong_components};
use super::selection::EdgeSelection;
use crate::dependency::DependencyKind;
use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;
use std::fmt;

/// In which order components start, and what keeps the order from being clean.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct StartOrder {
    /// Components of one level start together, after all of the levels before; within a level in the map's order.
    pub levels: Vec<Vec<ComponentId>>,
    /// Groups that need each other; their members are ordered by start-order edges alone, where these allow it.
    pub cycles: Vec<Cycle>,
}

impl StartOrder {
    /// The order for stopping: the levels turned round.
    pub fn stop_levels(&self) -> impl Iterator<Item = &[ComponentId]> {
        self.levels.iter().rev().map(Vec::as_slice)
    }
}

impl fmt::Display for StartOrder {
    /// One line for each level, then one for each cycle.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, level) in self.levels.iter().enumerate() {
            let names: Vec<&str> = level.iter().map(ComponentId::as_str).collect();
            writeln!(f, "{:>3}  {}", number + 1, names.join(", "))?;
        }
        for cycle in &self.cycles {
            writeln!(f, "cycle of {} components: {cycle}", cycle.group.len())?;
        }
        Ok(())
    }
}

/// Components that depend on each other in a circle.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Cycle {
    /// The witness: each depends on the next, the last on the first.
    pub path: Vec<ComponentId>,
    /// Meaning of the edge from each member of the path to the next.
    pub kinds: Vec<DependencyKind>,
    /// All components that reach each other, in the map's order.
    pub group: Vec<ComponentId>,
    /// True if no shorter cycle exists in the group; false if the search was cut off after 20 million steps.
    pub shortest: bool,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, kind) in self.path.iter().zip(&self.kinds) {
            write!(f, "{name} -{kind}-> ")?;
        }
        self.path.first().map_or(Ok(()), |name| write!(f, "{name}"))
    }
}

/// Levels in which the components can start: whatever a component needs stands in a level before it.
///
/// Looks at [`EdgeSelection::ORDER`]: start-order edges, and call and data edges without which the caller fails.
/// Members of a cycle are ordered by their start-order edges alone; what is circular even then starts together.
/// The number of levels is the smallest possible. O(V + E) apart from the witnesses of cycles.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Dependency, DependencyKind, Ecosystem, Kind, analysis::start_order};
///
/// let shop = Ecosystem::builder("shop")
///     .component(Component::new("web".parse()?, Kind::Gateway))
///     .component(Component::new("db".parse()?, Kind::Database))
///     .dependency(Dependency::new("web".parse()?, "db".parse()?, DependencyKind::StartOrder))
///     .build()?;
/// assert_eq!(start_order(&shop).to_string(), "  1  db\n  2  web\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn start_order(ecosystem: &Ecosystem) -> StartOrder {
    let graph = EdgeSelection::ORDER.graph(ecosystem);
    let groups = strong_components(&graph);
    let levels = levels(ecosystem, &graph, &groups, |_| 1);
    StartOrder { levels, cycles: cycles_of(ecosystem, &graph, &groups) }
}

/// Levels in which the changed components can be upgraded: what is needed goes before what needs it, also where
/// unchanged components stand between them. Names that are not in the map are left out. O(V + E).
pub fn upgrade_order(ecosystem: &Ecosystem, changed: &[ComponentId]) -> Vec<Vec<ComponentId>> {
    let mut weights = vec![0; ecosystem.len()];
    for index in changed.iter().filter_map(|id| ecosystem.component_index(id)) {
        weights[index] = 1;
    }
    let graph = EdgeSelection::ORDER.graph(ecosystem);
    let groups = strong_components(&graph);
    levels(ecosystem, &graph, &groups, |index| weights[index])
}

/// All groups of components that depend on each other over the chosen edges, with a shortest cycle of each. They
/// come in the order of their first member.
///
/// The witness is found by breadth-first search from each member, with members removed once they are done and
/// everything peeled off that lies on no cycle any more. O(V·E) at worst, at most 20 million steps in all.
pub fn cycles(ecosystem: &Ecosystem, edges: EdgeSelection) -> Vec<Cycle> {
    let graph = edges.graph(ecosystem);
    let groups = strong_components(&graph);
    cycles_of(ecosystem, &graph, &groups)
}

fn levels(
    ecosystem: &Ecosystem,
    graph: &Digraph,
    groups: &Components,
    weight: impl Fn(usize) -> u32,
) -> Vec<Vec<ComponentId>> {
    // Inside the groups only start-order edges count; outside there are none left.
    let topology = ecosystem.topology();
    let start_edges = EdgeSelection::of(&[DependencyKind::StartOrder]);
    let within = graph.iter().filter(|&(from, to, id)| {
        groups.of(from as usize) == groups.of(to as usize) && start_edges.has(topology.tags[id as usize])
    });
    let inner: Vec<(u32, u32)> = within.map(|(from, to, _)| (from, to)).collect();
    let inner = Digraph::of_valid(graph.nodes(), &inner);
    let inner_groups = strong_components(&inner);
    let inside = heights(&inner, &inner_groups, &weight);

    let mut height = vec![0_u32; groups.count()];
    for node in 0..graph.nodes() {
        let group = &mut height[groups.of(node)];
        let (below, own) = inside[inner_groups.of(node)];
        *group = (*group).max(below + own);
    }
    let mut base = vec![0_u32; groups.count()];
    for node in groups.in_order() {
        let group = groups.of(node as usize);
        for &next in graph.successors(node as usize) {
            let other = groups.of(next as usize);
            if other != group {
                base[group] = base[group].max(base[other] + height[other]);
            }
        }
    }
    let mut levels: Vec<Vec<ComponentId>> = Vec::new();
    for (node, component) in ecosystem.components().enumerate().filter(|&(node, _)| weight(node) > 0) {
        let level = (base[groups.of(node)] + inside[inner_groups.of(node)].0) as usize;
        if levels.len() <= level {
            levels.resize(level + 1, Vec::new());
        }
        levels[level].push(component.id.clone());
    }
    levels
}

/// For each strong component the weight of the heaviest path below it, and its own weight.
fn heights(graph: &Digraph, groups: &Components, weight: &impl Fn(usize) -> u32) -> Vec<(u32, u32)> {
    let mut heights = vec![(0_u32, 0_u32); groups.count()];
    for node in groups.in_order() {
        let group = groups.of(node as usize);
        let mut below = heights[group].0;
        for &next in graph.successors(node as usize) {
            let other = groups.of(next as usize);
            if other != group {
                below = below.max(heights[other].0 + heights[other].1);
            }
        }
        heights[group] = (below, heights[group].1.max(weight(node as usize)));
    }
    heights
}

fn cycles_of(ecosystem: &Ecosystem, graph: &Digraph, groups: &Components) -> Vec<Cycle> {
    const WORK_MAX: u64 = 20_000_000;
    if groups.count() == graph.nodes() {
        return Vec::new();
    }
    let name = |node: usize| ecosystem.component_at(node).map(|c| c.id.clone());
    let mut search = CycleSearch::new(graph, groups, WORK_MAX);
    let mut members = groups.members();
    members.retain(|m| m.len() > 1);
    members.sort_unstable_by_key(|m| m[0]);
    members
        .into_iter()
        .map(|group| {
            let (path, shortest) = search.shortest(&group);
            let kinds = (0..path.len())
                .filter_map(|at| {
                    let (from, to) = (path[at], path[(at + 1) % path.len()]);
                    let slot = graph.successors(from).iter().position(|&n| n as usize == to)?;
                    let position = graph.edge_ids(from)[slot] as usize;
                    Some(ecosystem.shared_dependencies()[position].kind)
                })
                .collect();
            Cycle {
                path: path.into_iter().filter_map(name).collect(),
                kinds,
                group: group.into_iter().filter_map(name).collect(),
                shortest,
            }
        })
        .collect()
}

/// Looks for shortest cycles group by group.
struct CycleSearch<'a> {
    graph: &'a Digraph,
    back: Digraph,
    groups: &'a Components,
    alive: Vec<bool>,
    /// Start of the search that reached a node last, its predecessor there, and its depth.
    reached: Vec<(u32, u32, u32)>,
    degrees: Vec<(u32, u32)>,
    work_left: u64,
}

impl<'a> CycleSearch<'a> {
    fn new(graph: &'a Digraph, groups: &'a Components, work: u64) -> Self {
        let nodes = graph.nodes();
        Self {
            graph,
            back: graph.reversed(),
            groups,
            alive: vec![true; nodes],
            reached: vec![(u32::MAX, 0, 0); nodes],
            degrees: vec![(0, 0); nodes],
            work_left: work,
        }
    }

    /// A cycle among the members, and whether it is certainly a shortest one.
    fn shortest(&mut self, members: &[usize]) -> (Vec<usize>, bool) {
        for &node in members {
            let inside = |n: &&u32| self.groups.of(**n as usize) == self.groups.of(node);
            let out = self.graph.successors(node).iter().filter(inside).count();
            let into = self.back.successors(node).iter().filter(inside).count();
            self.degrees[node] = (dense(into), dense(out));
        }
        let mut best: Vec<usize> = Vec::new();
        for &start in members {
            if !self.alive[start] {
                continue;
            }
            if !best.is_empty() && self.work_left == 0 {
                return (best, false);
            }
            let limit = if best.is_empty() { usize::MAX } else { best.len() - 1 };
            if let Some(cycle) = self.through(start, limit) {
                best = cycle;
            }
            if best.len() <= 2 {
                break;
            }
            self.peel(start);
        }
        (best, true)
    }

    /// A shortest cycle through `start` with at most `limit` edges.
    fn through(&mut self, start: usize, limit: usize) -> Option<Vec<usize>> {
        let (stamp, group) = (dense(start), self.groups.of(start));
        self.reached[start] = (stamp, stamp, 0);
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            let depth = self.reached[node].2;
            if depth as usize >= limit {
                return None;
            }
            let next_nodes = self.graph.successors(node);
            self.work_left = self.work_left.saturating_sub(next_nodes.len() as u64 + 1);
            for &next in next_nodes {
                let next = next as usize;
                if next == start {
                    return Some(self.trace(start, node));
                }
                if self.alive[next] && self.groups.of(next) == group && self.reached[next].0 != stamp {
                    self.reached[next] = (stamp, dense(node), depth + 1);
                    queue.push_back(next);
                }
            }
        }
        None
    }

    fn trace(&self, start: usize, last: usize) -> Vec<usize> {
        let mut path = vec![last];
        while let Some(&node) = path.last()
            && node != start
        {
            path.push(self.reached[node].1 as usize);
        }
        path.reverse();
        path
    }

    /// Takes a node away, and with it all that lies on no cycle any more.
    fn peel(&mut self, node: usize) {
        let group = self.groups.of(node);
        let mut dead = vec![node];
        self.alive[node] = false;
        while let Some(node) = dead.pop() {
            for &next in self.graph.successors(node) {
                let next = next as usize;
                if self.alive[next] && self.groups.of(next) == group {
                    self.degrees[next].0 -= 1;
                    if self.degrees[next].0 == 0 {
                        self.alive[next] = false;
                        dead.push(next);
                    }
                }
            }
            for &before in self.back.successors(node) {
                let before = before as usize;
                if self.alive[before] && self.groups.of(before) == group {
                    self.degrees[before].1 -= 1;
                    if self.degrees[before].1 == 0 {
                        self.alive[before] = false;
                        dead.push(before);
                    }
                }
            }
        }
    }
}
