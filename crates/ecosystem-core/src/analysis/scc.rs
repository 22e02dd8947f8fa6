//! Strongly connected components without recursion.

use super::digraph::{Digraph, dense};

/// Which nodes reach each other, as a number for each node.
///
/// Numbers are in reverse topological order: an edge between two components leads from the higher number to the lower.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Components {
    numbers: Vec<u32>,
    count: usize,
}

impl Components {
    /// How many there are.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Number of a node's component.
    ///
    /// # Panics
    /// If `node` is not a node of the graph.
    pub fn of(&self, node: usize) -> usize {
        self.numbers[node] as usize
    }

    /// The number of every node's component.
    pub fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// All nodes by the number of their component, in rising order within one: callees before callers.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        let mut next = vec![0_u32; self.count + 1];
        for &number in &self.numbers {
            next[number as usize + 1] += 1;
        }
        for number in 0..self.count {
            next[number + 1] += next[number];
        }
        let mut order = vec![0_u32; self.numbers.len()];
        for (node, &number) in self.numbers.iter().enumerate() {
            let slot = &mut next[number as usize];
            order[*slot as usize] = dense(node);
            *slot += 1;
        }
        order
    }

    /// The members of components with more than one of them, each list in rising order.
    pub(crate) fn members_of_circles(&self) -> Vec<Vec<u32>> {
        let mut sizes = vec![0_u32; self.count];
        for &number in &self.numbers {
            sizes[number as usize] += 1;
        }
        let mut place = vec![0_usize; self.count];
        let mut members: Vec<Vec<u32>> = Vec::new();
        for (number, &size) in sizes.iter().enumerate().filter(|(_, size)| **size > 1) {
            place[number] = members.len();
            members.push(Vec::with_capacity(size as usize));
        }
        for (node, &number) in self.numbers.iter().enumerate() {
            if sizes[number as usize] > 1 {
                members[place[number as usize]].push(dense(node));
            }
        }
        members
    }

    /// The nodes of every component, each list in rising order.
    pub fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.count];
        for (node, &number) in self.numbers.iter().enumerate() {
            members[number as usize].push(node);
        }
        members
    }
}

/// Strongly connected components. O(V + E) time, at most 20 bytes a node, no recursion.
///
/// Tarjan (1972), Depth-first search and linear graph algorithms, SIAM J. Comput. 1, with the single array of Pearce (2016),
/// A space-efficient algorithm for finding strongly connected components, IPL 116.
pub fn strong_components(graph: &Digraph) -> Components {
    let nodes = graph.nodes();
    // 0 before a node is seen; then the lowest visit number known to be reachable from it; once its component is known,
    // a number above all visit numbers that are still in use, falling with each component
    let mut rank = vec![0_u32; nodes];
    let first = dense(nodes) + 1;
    let (mut visits, mut next_component) = (1_u32, first);
    let mut open: Vec<u32> = Vec::new(); // done, component not yet known
    let mut path: Vec<Frame> = Vec::new();
    for start in 0..nodes {
        if rank[start] != 0 {
            continue;
        }
        rank[start] = visits;
        visits += 1;
        path.push(Frame::new(graph, start));
        while let Some(top) = path.last_mut() {
            let node = top.node as usize;
            let (mut low, mut child) = (rank[node], None);
            while top.slot < top.end {
                let next = graph.target(top.slot as usize);
                let reached = rank[next];
                if reached == 0 {
                    // looked at again when the child is done
                    child = Some(next);
                    break;
                }
                if reached < low {
                    low = reached;
                    top.is_root = false;
                }
                top.slot += 1;
            }
            rank[node] = low;
            if let Some(next) = child {
                rank[next] = visits;
                visits += 1;
                path.push(Frame::new(graph, next));
                continue;
            }
            let is_root = top.is_root;
            path.pop();
            if !is_root {
                open.push(dense(node));
                continue;
            }
            visits -= 1;
            while let Some(&member) = open.last()
                && rank[member as usize] >= low
            {
                rank[member as usize] = next_component;
                visits -= 1;
                open.pop();
            }
            rank[node] = next_component;
            next_component -= 1;
        }
    }
    for number in &mut rank {
        *number = first - *number;
    }
    Components { numbers: rank, count: (first - next_component) as usize }
}

/// A node on the way down, and which of its edges is next.
struct Frame {
    node: u32,
    slot: u32,
    end: u32,
    is_root: bool,
}

impl Frame {
    fn new(graph: &Digraph, node: usize) -> Self {
        let range = graph.range(node);
        Self { node: dense(node), slot: dense(range.start), end: dense(range.end), is_root: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_numbered_against_the_edges() {
        let graph = Digraph::new(6, &[(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3), (5, 0)]).unwrap();
        let found = strong_components(&graph);
        assert_eq!(found.numbers(), [1, 1, 1, 0, 0, 2]);
        assert_eq!(found.members(), [vec![3, 4], vec![0, 1, 2], vec![5]]);
    }

    #[test]
    fn a_chain_of_a_million_nodes_does_not_overflow_the_stack() {
        let edges: Vec<(u32, u32)> = (0..999_999).map(|n| (n, n + 1)).collect();
        let chain = Digraph::new(1_000_000, &edges).unwrap();
        assert_eq!(strong_components(&chain).count(), 1_000_000);
        let ring: Vec<(u32, u32)> = edges.into_iter().chain([(999_999, 0)]).collect();
        assert_eq!(strong_components(&Digraph::new(1_000_000, &ring).unwrap()).count(), 1);
    }
}
