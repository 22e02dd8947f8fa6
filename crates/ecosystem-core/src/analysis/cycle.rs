//! Circles of components that need each other, each with a shortest witness.

use super::digraph::{Digraph, dense};
use super::scc::{Components, strong_components};
use super::selection::EdgeSelection;
use crate::dependency::DependencyKind;
use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;
use std::fmt;

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

/// Steps of the search for witnesses, over all groups.
const WORK_MAX: u64 = 20_000_000;

/// All groups of components that depend on each other over the chosen edges, with a shortest cycle of each. They
/// come in the order of their first member.
///
/// Every cycle goes over an edge that leads back to an ancestor of a depth-first search, so only cycles through the heads of
/// such edges are looked for: from each head forwards and backwards at once (Pohl 1971), as far as half of the best length so
/// far; a head that is done is removed, with everything that lies on no cycle any more. O(V·E) at worst, at most 20
/// million steps in all.
pub fn cycles(ecosystem: &Ecosystem, edges: EdgeSelection) -> Vec<Cycle> {
    let graph = edges.view(ecosystem);
    let groups = strong_components(&graph);
    cycles_of(ecosystem, &graph, &groups)
}

/// [`cycles`] of a graph whose strong components are known.
pub(super) fn cycles_of(ecosystem: &Ecosystem, graph: &Digraph, groups: &Components) -> Vec<Cycle> {
    if groups.count() == graph.nodes() {
        return Vec::new();
    }
    let mut members = groups.members_of_circles();
    members.sort_unstable_by_key(|m| m[0]);
    let mut local = vec![0_u32; graph.nodes()];
    let mut work_left = WORK_MAX;
    let name = |&node: &u32| ecosystem.component_at(node as usize).map(|c| c.id.clone());
    let mut found = Vec::with_capacity(members.len());
    for group in members {
        let mut search = Search::new(graph, groups, &group, &mut local);
        let (path, shortest) = search.shortest(&mut work_left);
        let path: Vec<u32> = path.into_iter().map(|node| group[node as usize]).collect();
        let kinds = (0..path.len()).filter_map(|at| {
            let (from, to) = (path[at], path[(at + 1) % path.len()]);
            let slot = graph.successors(from as usize).iter().position(|&next| next == to)?;
            let position = graph.edge_ids(from as usize)[slot] as usize;
            Some(ecosystem.shared_dependencies()[position].kind)
        });
        found.push(Cycle {
            kinds: kinds.collect(),
            path: path.iter().filter_map(name).collect(),
            group: group.iter().filter_map(name).collect(),
            shortest,
        });
    }
    found
}

/// What one direction of a search knows of a node.
#[derive(Clone, Copy)]
struct Mark {
    /// Start of the search that came here last.
    start: u32,
    /// Steps from there.
    depth: u32,
    /// The node before.
    before: u32,
}

/// One group as a graph of its own, in both directions.
struct Search {
    out: Digraph,
    into: Digraph,
    alive: Vec<bool>,
    /// Edges from and to nodes that are alive.
    degrees: Vec<(u32, u32)>,
    forward: Vec<Mark>,
    backward: Vec<Mark>,
}

impl Search {
    fn new(graph: &Digraph, groups: &Components, members: &[u32], local: &mut [u32]) -> Self {
        for (number, &node) in members.iter().enumerate() {
            local[node as usize] = dense(number);
        }
        let numbers = groups.numbers();
        let out = graph.induced(members, local, |a, b| numbers[a as usize] == numbers[b as usize]);
        let into = out.transposed();
        let degree = |graph: &Digraph, node: usize| dense(graph.successors(node).len());
        let degrees = (0..members.len()).map(|node| (degree(&into, node), degree(&out, node))).collect();
        let unseen = Mark { start: u32::MAX, depth: 0, before: 0 };
        let marks = vec![unseen; members.len()];
        Self { out, into, alive: vec![true; members.len()], degrees, forward: marks.clone(), backward: marks }
    }

    /// A cycle, its smallest member first, and whether it is certainly a shortest one.
    fn shortest(&mut self, work_left: &mut u64) -> (Vec<u32>, bool) {
        if let Some((a, b)) = self.pair() {
            return (vec![a, b], true);
        }
        let mut best: Vec<u32> = Vec::new();
        let mut certain = true;
        for start in self.heads() {
            if !self.alive[start as usize] {
                continue;
            }
            if !best.is_empty() && *work_left == 0 {
                certain = false;
                break;
            }
            let limit = if best.is_empty() { u32::MAX } else { dense(best.len()) - 1 };
            if let Some(cycle) = self.through(start, limit, work_left) {
                best = cycle;
            }
            if best.len() == 3 {
                break;
            }
            self.peel(start);
        }
        let first = (0..best.len()).min_by_key(|&at| best[at]).unwrap_or(0);
        best.rotate_left(first);
        (best, certain)
    }

    /// Two nodes that need each other.
    fn pair(&self) -> Option<(u32, u32)> {
        let mut seen = vec![u32::MAX; self.alive.len()];
        for node in 0..self.alive.len() {
            for &before in self.into.successors(node) {
                seen[before as usize] = dense(node);
            }
            let next = self.out.successors(node).iter().find(|&&n| seen[n as usize] == dense(node));
            if let Some(&next) = next {
                return Some((dense(node), next));
            }
        }
        None
    }

    /// Where the edges lead that go back to an ancestor of a depth-first search, in rising order.
    fn heads(&self) -> Vec<u32> {
        const NEW: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut state = vec![NEW; self.alive.len()];
        let mut is_head = vec![false; self.alive.len()];
        let mut path: Vec<(u32, usize)> = Vec::new();
        for root in 0..self.alive.len() {
            if state[root] != NEW {
                continue;
            }
            state[root] = OPEN;
            path.push((dense(root), self.out.range(root).start));
            while let Some(top) = path.last_mut() {
                let node = top.0 as usize;
                if top.1 == self.out.range(node).end {
                    state[node] = DONE;
                    path.pop();
                    continue;
                }
                let next = self.out.target(top.1);
                top.1 += 1;
                match state[next] {
                    NEW => {
                        state[next] = OPEN;
                        path.push((dense(next), self.out.range(next).start));
                    }
                    OPEN => is_head[next] = true,
                    _ => {}
                }
            }
        }
        (0..is_head.len()).filter(|&node| is_head[node]).map(dense).collect()
    }

    /// A shortest cycle through `start` of at most `limit` edges. Both directions grow by whole levels, the smaller one
    /// first; once their depths add up to the length of a cycle, none shorter is left.
    fn through(&mut self, start: u32, limit: u32, work_left: &mut u64) -> Option<Vec<u32>> {
        let own = Mark { start, depth: 0, before: start };
        self.forward[start as usize] = own;
        self.backward[start as usize] = own;
        let (mut ahead, mut behind) = (vec![start], vec![start]);
        let (mut depths, mut best) = ((0_u32, 0_u32), None::<(u32, u32, u32)>);
        loop {
            let enough = best.map_or(limit, |(length, _, _)| length - 1);
            if depths.0 + depths.1 >= enough || ahead.is_empty() || behind.is_empty() {
                break;
            }
            let forwards = ahead.len() <= behind.len();
            let (graph, near, far, front, depth) = if forwards {
                (&self.out, &mut self.forward, &self.backward, &mut ahead, &mut depths.0)
            } else {
                (&self.into, &mut self.backward, &self.forward, &mut behind, &mut depths.1)
            };
            *depth += 1;
            let mut grown = Vec::new();
            for &node in front.iter() {
                let next_nodes = graph.successors(node as usize);
                *work_left = work_left.saturating_sub(next_nodes.len() as u64 + 1);
                for &next in next_nodes {
                    let at = next as usize;
                    if !self.alive[at] {
                        continue;
                    }
                    if far[at].start == start {
                        let length = *depth + far[at].depth;
                        if best.is_none_or(|(known, _, _)| length < known) {
                            best = Some(if forwards { (length, node, next) } else { (length, next, node) });
                        }
                    }
                    if near[at].start != start {
                        near[at] = Mark { start, depth: *depth, before: node };
                        grown.push(next);
                    }
                }
            }
            *front = grown;
        }
        let (_, last, first) = best.filter(|&(length, _, _)| length <= limit)?;
        Some(self.trace(start, last, first))
    }

    /// The cycle from `start` forwards to `last` and from `first` on to `start` again.
    fn trace(&self, start: u32, last: u32, first: u32) -> Vec<u32> {
        let mut path = vec![last];
        while let Some(&node) = path.last()
            && node != start
        {
            path.push(self.forward[node as usize].before);
        }
        path.reverse();
        let mut node = first;
        while node != start {
            path.push(node);
            node = self.backward[node as usize].before;
        }
        path
    }

    /// Takes a node away, and with it all that lies on no cycle any more.
    fn peel(&mut self, node: u32) {
        let mut dead = vec![node];
        self.alive[node as usize] = false;
        while let Some(node) = dead.pop() {
            for &next in self.out.successors(node as usize) {
                let at = next as usize;
                if self.alive[at] {
                    self.degrees[at].0 -= 1;
                    if self.degrees[at].0 == 0 {
                        self.alive[at] = false;
                        dead.push(next);
                    }
                }
            }
            for &before in self.into.successors(node as usize) {
                let at = before as usize;
                if self.alive[at] {
                    self.degrees[at].1 -= 1;
                    if self.degrees[at].1 == 0 {
                        self.alive[at] = false;
                        dead.push(before);
                    }
                }
            }
        }
    }
}
