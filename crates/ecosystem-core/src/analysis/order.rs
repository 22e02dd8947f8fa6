//! Start and upgrade order.

use super::cycle::{Cycle, cycles_of};
use super::digraph::Digraph;
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
    let graph = EdgeSelection::ORDER.view(ecosystem);
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
    let graph = EdgeSelection::ORDER.view(ecosystem);
    let groups = strong_components(&graph);
    levels(ecosystem, &graph, &groups, |index| weights[index])
}

fn levels(
    ecosystem: &Ecosystem,
    graph: &Digraph,
    groups: &Components,
    weight: impl Fn(usize) -> u32,
) -> Vec<Vec<ComponentId>> {
    let inside = inside_groups(ecosystem, graph, groups, &weight);
    let mut height = vec![0_u32; groups.count()];
    for (node, &(below, own)) in inside.iter().enumerate() {
        let group = &mut height[groups.of(node)];
        *group = (*group).max(below + own);
    }
    let mut base = vec![0_u32; groups.count()];
    for node in groups.in_order() {
        let group = groups.of(node as usize);
        let mut floor = base[group];
        for &next in graph.successors(node as usize) {
            let other = groups.of(next as usize);
            if other != group {
                floor = floor.max(base[other] + height[other]);
            }
        }
        base[group] = floor;
    }
    let level = |node: usize| (base[groups.of(node)] + inside[node].0) as usize;
    let mut sizes: Vec<usize> = Vec::new();
    for node in (0..graph.nodes()).filter(|&node| weight(node) > 0) {
        let level = level(node);
        if sizes.len() <= level {
            sizes.resize(level + 1, 0);
        }
        sizes[level] += 1;
    }
    let mut levels: Vec<Vec<ComponentId>> = sizes.into_iter().map(Vec::with_capacity).collect();
    for (node, id) in ecosystem.shared_components().keys().enumerate().filter(|&(node, _)| weight(node) > 0) {
        levels[level(node)].push(id.clone());
    }
    levels
}

/// For each node the weight of the heaviest path below it inside its own group, and its own weight. Inside a group only
/// start-order edges count; between groups none is left that could be part of a circle.
fn inside_groups(
    ecosystem: &Ecosystem,
    graph: &Digraph,
    groups: &Components,
    weight: &impl Fn(usize) -> u32,
) -> Vec<(u32, u32)> {
    let topology = ecosystem.topology();
    let start_edges = EdgeSelection::of(&[DependencyKind::StartOrder]);
    let acyclic = groups.count() == graph.nodes();
    if acyclic || !start_edges.has_any_of(topology.kinds) {
        return (0..graph.nodes()).map(|node| (0, weight(node))).collect();
    }
    let inner = graph.filtered(|from, to, id| {
        start_edges.has(topology.tags[id as usize]) && groups.of(from as usize) == groups.of(to as usize)
    });
    let inner_groups = strong_components(&inner);
    let heights = heights(&inner, &inner_groups, weight);
    (0..graph.nodes()).map(|node| heights[inner_groups.of(node)]).collect()
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
