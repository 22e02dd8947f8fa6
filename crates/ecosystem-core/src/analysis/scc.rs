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

    /// The nodes of every component, each list in rising order.
    pub fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.count];
        for (node, &number) in self.numbers.iter().enumerate() {
            members[number as usize].push(node);
        }
        members
    }
}

/// Strongly connected components. O(V + E) time, 16 bytes a node, no recursion.
///
/// Tarjan (1972), Depth-first search and linear graph algorithms, SIAM J. Comput. 1, in the form of Pearce (2016),
/// A space-efficient algorithm for finding strongly connected components, IPL 116.
pub fn strong_components(graph: &Digraph) -> Components {
    const UNKNOWN: u32 = u32::MAX;
    let nodes = graph.nodes();
    // 0 before a node is seen, then the lowest visit number known to be reachable from it
    let mut rank = vec![0_u32; nodes];
    let mut open: Vec<u32> = Vec::new(); // seen, component not yet known
    let mut path: Vec<(u32, u32)> = Vec::new(); // node and its next edge slot
    let (mut visits, mut count) = (0_u32, 0_u32);
    let mut own = vec![0_u32; nodes]; // visit number
    let mut numbers = vec![UNKNOWN; nodes];
    for start in 0..nodes {
        if rank[start] != 0 {
            continue;
        }
        visits += 1;
        (rank[start], own[start]) = (visits, visits);
        path.push((dense(start), dense(graph.range(start).start)));
        while let Some(top) = path.last_mut() {
            let node = top.0 as usize;
            let end = graph.range(node).end;
            let mut low = rank[node];
            let mut child = None;
            let mut slot = top.1 as usize;
            while slot < end {
                let next = graph.target(slot);
                slot += 1;
                if rank[next] == 0 {
                    child = Some(next);
                    break;
                }
                if numbers[next] == UNKNOWN {
                    low = low.min(rank[next]);
                }
            }
            top.1 = dense(slot);
            rank[node] = low;
            if let Some(next) = child {
                visits += 1;
                (rank[next], own[next]) = (visits, visits);
                path.push((dense(next), dense(graph.range(next).start)));
                continue;
            }
            path.pop();
            if low == own[node] {
                numbers[node] = count;
                while let Some(&member) = open.last() {
                    if own[member as usize] < own[node] {
                        break;
                    }
                    numbers[member as usize] = count;
                    open.pop();
                }
                count += 1;
            } else {
                open.push(dense(node));
            }
            if let Some(&(parent, _)) = path.last()
                && numbers[node] == UNKNOWN
            {
                rank[parent as usize] = rank[parent as usize].min(low);
            }
        }
    }
    Components { numbers, count: count as usize }
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
