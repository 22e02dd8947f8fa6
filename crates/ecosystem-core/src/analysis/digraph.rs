//! A directed graph as two arrays (compressed sparse rows): what the algorithms run on.

use std::sync::OnceLock;

/// A dense index as it is stored; maps never hold more than `u32::MAX` parts.
pub(crate) fn dense(index: usize) -> u32 {
    u32::try_from(index).expect("a map holds fewer than 2^32 parts")
}

/// Why a list of edges is not a graph.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DigraphError {
    /// An edge names a node that is not there.
    #[error("edge {edge} names node {node}, expected a number below {nodes}")]
    NodeOutOfRange {
        /// Position of the edge in the list.
        edge: usize,
        /// The node it names.
        node: u32,
        /// Number of nodes.
        nodes: usize,
    },
    /// More than 2³² − 2 nodes or edges.
    #[error("{count} {what}, expected fewer than 4294967295")]
    TooLarge {
        /// `nodes` or `edges`.
        what: &'static str,
        /// How many.
        count: usize,
    },
}

/// A directed graph with nodes `0..nodes` and edges in compressed sparse rows: at most 16 bytes an edge, 4 a node.
///
/// Parallel edges and loops are kept; the successors of a node keep the order of the list. The numbers of the edges are put in
/// rows when somebody first asks for them; until then the list itself is kept.
///
/// # Example
/// ```
/// use ecosystem_core::analysis::{Digraph, strong_components};
///
/// let graph = Digraph::new(3, &[(0, 1), (1, 0), (1, 2)])?;
/// assert_eq!(graph.successors(1), [0, 2]);
/// assert_eq!(strong_components(&graph).count(), 2);
/// # Ok::<(), ecosystem_core::analysis::DigraphError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Digraph {
    // INVARIANT: `offsets` has one entry more than there are nodes, rises, and ends with the number of edges.
    offsets: Vec<u32>,
    targets: Vec<u32>,
    // INVARIANT: set, or `list` has the edges in the order of their numbers.
    ids: OnceLock<Vec<u32>>,
    list: Vec<(u32, u32)>,
}

impl PartialEq for Digraph {
    fn eq(&self, other: &Self) -> bool {
        self.offsets == other.offsets && self.targets == other.targets && self.ids() == other.ids()
    }
}

impl Eq for Digraph {}

impl Digraph {
    /// The graph of a list of edges. O(nodes + edges).
    pub fn new(nodes: usize, edges: &[(u32, u32)]) -> Result<Self, DigraphError> {
        for (what, count) in [("nodes", nodes), ("edges", edges.len())] {
            if count >= u32::MAX as usize {
                return Err(DigraphError::TooLarge { what, count });
            }
        }
        if let Some(offsets) = Self::rows(nodes, edges, |edge| edge) {
            return Ok(Self::unnumbered(offsets, edges));
        }
        let wrong = edges.iter().position(|&(from, to)| from.max(to) as usize >= nodes).unwrap_or(0);
        let node = edges.get(wrong).map_or(0, |&(from, to)| from.max(to));
        Err(DigraphError::NodeOutOfRange { edge: wrong, node, nodes })
    }

    /// [`Self::new`] for ends that are known to be in range.
    pub(crate) fn of_valid(nodes: usize, edges: &[(u32, u32)]) -> Self {
        Self::sorted(nodes, edges, |edge| edge).expect("the ends are in range")
    }

    /// [`Self::of_valid`] with every edge turned round.
    pub(crate) fn turned(nodes: usize, edges: &[(u32, u32)]) -> Self {
        Self::sorted(nodes, edges, |(from, to)| (to, from)).expect("the ends are in range")
    }

    /// Edges in rows by counting sort (Knuth, TAOCP 3, 5.2), or `None` if an end is out of range. Two sweeps of the list: the
    /// first counts and checks, the second writes each edge where its row has got to.
    fn sorted(nodes: usize, edges: &[(u32, u32)], ends: impl Fn((u32, u32)) -> (u32, u32)) -> Option<Self> {
        let mut offsets = Self::rows(nodes, edges, &ends)?;
        let (mut targets, mut ids) = (vec![0_u32; edges.len()], vec![0_u32; edges.len()]);
        for (id, &edge) in (0_u32..).zip(edges) {
            let (from, to) = ends(edge);
            let slot = &mut offsets[from as usize + 1];
            targets[*slot as usize] = to;
            ids[*slot as usize] = id;
            *slot += 1;
        }
        offsets.pop();
        Some(Self::numbered(offsets, targets, ids))
    }

    /// Like [`Self::sorted`] without the numbers: every write to a row is a jump through memory, and most of the time.
    fn unnumbered(mut offsets: Vec<u32>, edges: &[(u32, u32)]) -> Self {
        let mut targets = vec![0_u32; edges.len()];
        for &(from, to) in edges {
            let slot = &mut offsets[from as usize + 1];
            targets[*slot as usize] = to;
            *slot += 1;
        }
        offsets.pop();
        Self { offsets, targets, ids: OnceLock::new(), list: edges.to_vec() }
    }

    /// Where the row of each node begins, one place on, so that the place becomes the end of the row once it has been the cursor
    /// that fills it: there is neither a second array of cursors nor a shift. `None` if an end is out of range.
    fn rows(nodes: usize, edges: &[(u32, u32)], ends: impl Fn((u32, u32)) -> (u32, u32)) -> Option<Vec<u32>> {
        // Counts stand two places on.
        let mut offsets = vec![0_u32; nodes + 2];
        let mut highest = None;
        for &edge in edges {
            let (from, to) = ends(edge);
            highest = highest.max(Some(from.max(to)));
            if let Some(count) = offsets.get_mut(from as usize + 2) {
                *count += 1;
            }
        }
        if highest.is_some_and(|highest| highest as usize >= nodes) {
            return None;
        }
        let mut sum = 0;
        for offset in &mut offsets {
            sum += *offset;
            *offset = sum;
        }
        Some(offsets)
    }

    fn numbered(offsets: Vec<u32>, targets: Vec<u32>, ids: Vec<u32>) -> Self {
        Self { offsets, targets, ids: OnceLock::from(ids), list: Vec::new() }
    }

    /// Numbers of the edges, beside `targets`.
    fn ids(&self) -> &[u32] {
        self.ids.get_or_init(|| {
            let mut next = self.offsets.clone();
            let mut ids = vec![0_u32; self.list.len()];
            for (id, &(from, _)) in (0_u32..).zip(&self.list) {
                let slot = &mut next[from as usize];
                ids[*slot as usize] = id;
                *slot += 1;
            }
            ids
        })
    }

    /// A graph of `(from, to, edge id)`; the iterator is walked twice (count, then fill).
    pub(crate) fn of_iter(nodes: usize, edges: impl Iterator<Item = (u32, u32, u32)> + Clone) -> Self {
        let mut offsets = vec![0_u32; nodes + 1];
        for (from, _, _) in edges.clone() {
            offsets[from as usize + 1] += 1;
        }
        for node in 0..nodes {
            offsets[node + 1] += offsets[node];
        }
        let count = offsets[nodes] as usize;
        let (mut targets, mut ids) = (vec![0_u32; count], vec![0_u32; count]);
        let mut next = offsets.clone();
        for (from, to, id) in edges {
            let slot = &mut next[from as usize];
            targets[*slot as usize] = to;
            ids[*slot as usize] = id;
            *slot += 1;
        }
        Self::numbered(offsets, targets, ids)
    }

    /// The same edges turned round; edge numbers stay. O(nodes + edges).
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut turned: Vec<(u32, u32, u32)> = vec![(0, 0, 0); self.targets.len()];
        let ids = self.ids();
        let dense_ids = ids.iter().all(|&id| (id as usize) < self.targets.len());
        for node in 0..self.nodes() {
            for slot in self.range(node) {
                // in order of edge number, so that the predecessors of a node keep the order of the list
                let place = if dense_ids { ids[slot] as usize } else { slot };
                turned[place] = (self.targets[slot], dense(node), ids[slot]);
            }
        }
        Self::of_iter(self.nodes(), turned.iter().copied())
    }

    /// The edges that fulfil a condition on their ends and number, in the same order. O(nodes + edges), in one sweep.
    pub(crate) fn filtered(&self, keep: impl Fn(u32, u32, u32) -> bool) -> Self {
        let mut offsets = Vec::with_capacity(self.offsets.len());
        let (mut targets, mut edges) = (Vec::new(), Vec::new());
        let ids = self.ids();
        offsets.push(0);
        for node in 0..self.nodes() {
            for slot in self.range(node) {
                let (target, edge) = (self.targets[slot], ids[slot]);
                if keep(dense(node), target, edge) {
                    targets.push(target);
                    edges.push(edge);
                }
            }
            offsets.push(dense(targets.len()));
        }
        Self::numbered(offsets, targets, edges)
    }

    /// The graph of some nodes, numbered by `local`, and the edges whose targets are inside. Edges are numbered anew.
    pub(crate) fn induced(&self, members: &[u32], local: &[u32], inside: impl Fn(u32, u32) -> bool) -> Self {
        let mut offsets = Vec::with_capacity(members.len() + 1);
        let mut targets = Vec::new();
        offsets.push(0);
        for &node in members {
            let chosen = self.successors(node as usize).iter().filter(|&&next| inside(node, next));
            targets.extend(chosen.map(|&next| local[next as usize]));
            offsets.push(dense(targets.len()));
        }
        let edges = (0..dense(targets.len())).collect();
        Self::numbered(offsets, targets, edges)
    }

    /// The same edges turned round, each list of predecessors in rising order. O(nodes + edges).
    pub(crate) fn transposed(&self) -> Self {
        let mut offsets = vec![0_u32; self.nodes() + 1];
        for &target in &self.targets {
            offsets[target as usize + 1] += 1;
        }
        for node in 0..self.nodes() {
            offsets[node + 1] += offsets[node];
        }
        let (mut targets, mut edges) = (vec![0_u32; self.targets.len()], vec![0_u32; self.targets.len()]);
        let mut next = offsets.clone();
        let ids = self.ids();
        for node in 0..self.nodes() {
            for slot in self.range(node) {
                let place = &mut next[self.targets[slot] as usize];
                targets[*place as usize] = dense(node);
                edges[*place as usize] = ids[slot];
                *place += 1;
            }
        }
        Self::numbered(offsets, targets, edges)
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of edges.
    pub fn edge_count(&self) -> usize {
        self.targets.len()
    }

    /// Where the edges of a node lead; empty for a node that is not there.
    pub fn successors(&self, node: usize) -> &[u32] {
        &self.targets[self.range(node)]
    }

    /// Numbers of the edges of a node, beside [`Self::successors`].
    pub fn edge_ids(&self, node: usize) -> &[u32] {
        &self.ids()[self.range(node)]
    }

    /// All edges as `(from, to, edge number)`, by node.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, u32)> {
        let ids = self.ids();
        (0..self.nodes())
            .flat_map(move |node| self.range(node).map(move |s| (dense(node), self.targets[s], ids[s])))
    }

    /// Both directions of every edge, each pair of neighbours once, without loops. O(E log E).
    pub(crate) fn undirected(&self) -> Self {
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(2 * self.edge_count());
        for (from, to, _) in self.iter().filter(|&(from, to, _)| from != to) {
            pairs.push((from, to));
            pairs.push((to, from));
        }
        pairs.sort_unstable();
        pairs.dedup();
        Self::of_valid(self.nodes(), &pairs)
    }

    /// Positions of a node's edges in the arrays.
    pub(crate) fn range(&self, node: usize) -> core::ops::Range<usize> {
        match (self.offsets.get(node), self.offsets.get(node + 1)) {
            (Some(&from), Some(&to)) => from as usize..to as usize,
            _ => 0..0,
        }
    }

    /// Target at a position of [`Self::range`].
    pub(crate) fn target(&self, slot: usize) -> usize {
        self.targets[slot] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_edges_round_twice_changes_nothing() {
        let graph = Digraph::new(4, &[(0, 1), (2, 1), (1, 3), (0, 1), (3, 3)]).unwrap();
        let turned = graph.reversed();
        assert_eq!(turned.successors(1), [0, 2, 0]);
        assert_eq!(turned.edge_ids(1), [0, 1, 3]);
        assert_eq!(turned.reversed(), graph);
        assert_eq!(Digraph::of_valid(4, &[(0, 1), (2, 1), (1, 3), (0, 1), (3, 3)]), graph);
        assert_eq!(graph.undirected().successors(1), [0, 2, 3]);
    }

    #[test]
    fn a_node_out_of_range_is_named() {
        let error = Digraph::new(2, &[(0, 1), (0, 2)]).unwrap_err();
        assert_eq!(error.to_string(), "edge 1 names node 2, expected a number below 2");
    }
}
