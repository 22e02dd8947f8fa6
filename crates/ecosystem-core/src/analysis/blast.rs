//! Blast radius: who is hurt, and how badly, if a component fails.

use super::digraph::dense;
use super::selection::EdgeSelection;
use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;
use std::fmt;

/// How badly a component is hurt by the failure of another; the order is from least to most.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[expect(clippy::exhaustive_enums, reason = "the three strengths of an edge")]
pub enum Impact {
    /// Keeps running, but may not start again: only start-order edges lead here.
    CannotRestart,
    /// Works in a degraded way: every path to the failed component has a soft edge.
    Degraded,
    /// Fails: hard call, data or volume edges lead to the failed component.
    Fails,
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::CannotRestart => "cannot restart",
            Self::Degraded => "degraded",
            Self::Fails => "fails",
        })
    }
}

/// One component that is hurt.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Affected {
    /// Which one.
    pub component: ComponentId,
    /// How badly, along the worst path.
    pub impact: Impact,
    /// Edges on that path; 1 = it needs the failed component itself. Of several paths the one that leads through the
    /// nearest hurt component.
    pub depth: u32,
    /// What it needs on that path.
    pub via: ComponentId,
}

/// All that is hurt if one component fails.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct BlastRadius {
    /// The component that fails.
    pub component: ComponentId,
    /// Who is hurt: worst first, then nearest, then in the map's order.
    pub affected: Vec<Affected>,
}

impl BlastRadius {
    /// Those hurt in one way.
    pub fn with_impact(&self, impact: Impact) -> impl Iterator<Item = &Affected> {
        self.affected.iter().filter(move |a| a.impact == impact)
    }

    /// The path on which a component is hurt, from the failed component to it; empty if it is not.
    pub fn path_to(&self, component: &ComponentId) -> Vec<&ComponentId> {
        let find = |id: &ComponentId| self.affected.iter().find(|a| a.component == *id);
        let mut path = Vec::new();
        let mut step = find(component);
        while let Some(affected) = step {
            path.push(&affected.component);
            if affected.via == self.component || path.len() > self.affected.len() {
                path.push(&self.component);
                break;
            }
            step = find(&affected.via);
        }
        path.reverse();
        path
    }
}

impl fmt::Display for BlastRadius {
    /// One line for each impact and depth.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.affected.is_empty() {
            return writeln!(f, "if {} fails, nothing else is hurt", self.component);
        }
        writeln!(f, "if {} fails, {} components are hurt:", self.component, self.affected.len())?;
        for run in self.affected.chunk_by(|a, b| (a.impact, a.depth) == (b.impact, b.depth)) {
            let names: Vec<&str> = run.iter().map(|a| a.component.as_str()).collect();
            writeln!(f, "  {:<14} depth {:>2}  {}", run[0].impact, run[0].depth, names.join(", "))?;
        }
        Ok(())
    }
}

/// Who is hurt if all replicas of `component` fail, over all edges. `None` if it is not in the map.
///
/// An edge passes on [`Impact::Fails`] if it is a hard call, data or volume edge, [`Impact::Degraded`] if it is soft,
/// [`Impact::CannotRestart`] if it is a start-order edge. A path hurts as much as its weakest edge, a component as
/// much as its worst path (widest path; Pollack 1960). One breadth-first search for each impact, each going on from
/// what the ones before reached: O(V + E).
pub fn blast_radius(ecosystem: &Ecosystem, component: &ComponentId) -> Option<BlastRadius> {
    blast_radius_over(ecosystem, component, EdgeSelection::ALL)
}

/// [`blast_radius`] over some edges only, e.g. [`EdgeSelection::RUNTIME`].
pub fn blast_radius_over(
    ecosystem: &Ecosystem,
    component: &ComponentId,
    edges: EdgeSelection,
) -> Option<BlastRadius> {
    let start = ecosystem.component_index(component)?;
    let components = ecosystem.shared_components();
    let name = |node: u32| components.get_index(node as usize).map(|(id, _)| id.clone());
    let mut done = vec![false; ecosystem.len()];
    done[start] = true;
    // per depth: nodes that are hurt already, and so pass it on
    let mut hurt: Vec<Vec<u32>> = vec![vec![dense(start)]];
    let mut affected = Vec::new();
    let mut searched = 0;
    for impact in [Impact::Fails, Impact::Degraded, Impact::CannotRestart] {
        let passes = EdgeSelection::passing(impact).and(edges);
        // where the map has no further edges of this kind, the search before has reached everything
        let of_map = passes.of_tags(ecosystem.topology().kinds);
        if std::mem::replace(&mut searched, of_map) == of_map {
            continue;
        }
        let mut depth = 0;
        while depth < hurt.len() {
            let mut reached = spread(ecosystem, &hurt[depth], passes, &mut done);
            depth += 1;
            reached.sort_unstable();
            if hurt.len() <= depth && !reached.is_empty() {
                hurt.push(Vec::new());
            }
            for (needy, via) in reached {
                hurt[depth].push(needy);
                if let (Some(component), Some(via)) = (name(needy), name(via)) {
                    affected.push(Affected { component, impact, depth: dense(depth), via });
                }
            }
        }
    }
    Some(BlastRadius { component: component.clone(), affected })
}

/// Who is hurt next by those who are hurt, and by whom.
fn spread(ecosystem: &Ecosystem, hurt: &[u32], passes: EdgeSelection, done: &mut [bool]) -> Vec<(u32, u32)> {
    let topology = ecosystem.topology();
    let mut reached = Vec::new();
    for &node in hurt {
        let positions = topology.into.edge_ids(node as usize);
        for (&needy, &position) in topology.into.successors(node as usize).iter().zip(positions) {
            if !done[needy as usize] && passes.has(topology.tags[position as usize]) {
                done[needy as usize] = true;
                reached.push((needy, node));
            }
        }
    }
    reached
}

impl EdgeSelection {
    /// Edges that pass on at least this impact.
    pub(crate) fn passing(impact: Impact) -> Self {
        match impact {
            Impact::Fails => Self::RUNTIME.hard_only(),
            Impact::Degraded => Self::RUNTIME,
            Impact::CannotRestart => Self::ALL,
        }
    }
}
