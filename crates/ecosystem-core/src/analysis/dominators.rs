//! Dominators: what lies on every way from the entries to a node.

use super::digraph::{Digraph, dense};

/// Number of what does not exist.
const NONE: u32 = u32::MAX;

/// For each node its immediate dominator, seen from a root that leads to all entries; the root has the number after the last
/// node. `None` for nodes that no entry leads to.
///
/// Lengauer & Tarjan (1979), A fast algorithm for finding dominators in a flowgraph, TOPLAS 1, with simple linking, without
/// recursion. O(E log V) time, 32 bytes a node. The iterative algorithm of Cooper, Harvey & Kennedy is shorter, but quadratic on
/// chains, which start orders are full of.
pub(crate) fn dominators(graph: &Digraph, entries: &[u32]) -> Vec<Option<u32>> {
    let root = dense(graph.nodes());
    let tree = Tree::new(graph, entries);
    let into = graph.transposed();
    let mut forest = Forest::new(tree.nodes.len());
    let mut is_entry = vec![false; graph.nodes()];
    for &entry in entries {
        is_entry[entry as usize] = true;
    }
    let mut dominator = vec![0_u32; tree.nodes.len()];
    // nodes by their semi-dominator, as lists through `next`
    let (mut first, mut next) = (vec![NONE; tree.nodes.len()], vec![NONE; tree.nodes.len()]);
    for w in (1..tree.nodes.len()).rev() {
        let node = tree.nodes[w] as usize;
        let mut semi = if is_entry[node] { 0 } else { tree.parents[w] };
        for &before in into.successors(node) {
            let number = tree.numbers[before as usize];
            if number != NONE {
                let best = forest.best(number);
                semi = semi.min(forest.semi[best as usize]);
            }
        }
        forest.semi[w] = semi;
        next[w] = std::mem::replace(&mut first[semi as usize], dense(w));
        let parent = tree.parents[w];
        forest.above[w] = parent;
        let mut waiting = std::mem::replace(&mut first[parent as usize], NONE);
        while waiting != NONE {
            let best = forest.best(waiting);
            let sooner = forest.semi[best as usize] < forest.semi[waiting as usize];
            dominator[waiting as usize] = if sooner { best } else { parent };
            waiting = next[waiting as usize];
        }
    }
    let mut found = vec![None; graph.nodes()];
    for w in 1..tree.nodes.len() {
        if dominator[w] != forest.semi[w] {
            dominator[w] = dominator[dominator[w] as usize];
        }
        let above = dominator[w] as usize;
        found[tree.nodes[w] as usize] = Some(if above == 0 { root } else { tree.nodes[above] });
    }
    found
}

/// A depth-first tree from the root; numbers are in the order of visits, the root's is 0.
struct Tree {
    /// Number of each node.
    numbers: Vec<u32>,
    /// Node of each number.
    nodes: Vec<u32>,
    /// Number of the parent of each number.
    parents: Vec<u32>,
}

impl Tree {
    fn new(graph: &Digraph, entries: &[u32]) -> Self {
        let root = dense(graph.nodes());
        let mut tree = Self { numbers: vec![NONE; graph.nodes()], nodes: vec![root], parents: vec![0] };
        let mut path: Vec<(u32, usize)> = Vec::new(); // number, next slot
        for &entry in entries {
            tree.visit(graph, entry, 0, &mut path);
            while let Some(top) = path.last_mut() {
                let number = top.0;
                if top.1 == graph.range(tree.nodes[number as usize] as usize).end {
                    path.pop();
                    continue;
                }
                let next = graph.target(top.1);
                top.1 += 1;
                tree.visit(graph, dense(next), number, &mut path);
            }
        }
        tree
    }

    fn visit(&mut self, graph: &Digraph, node: u32, parent: u32, path: &mut Vec<(u32, usize)>) {
        if self.numbers[node as usize] != NONE {
            return;
        }
        let number = dense(self.nodes.len());
        self.numbers[node as usize] = number;
        self.nodes.push(node);
        self.parents.push(parent);
        path.push((number, graph.range(node as usize).start));
    }
}

/// The part of the tree that is done, with the ways up in it made short when they are walked.
struct Forest {
    /// Semi-dominator of each number; of those that are not done, the number itself.
    semi: Vec<u32>,
    /// Where the way up goes on; `NONE` at the top.
    above: Vec<u32>,
    /// The number of least semi-dominator on the way up, the top excluded.
    label: Vec<u32>,
    path: Vec<u32>,
}

impl Forest {
    fn new(count: usize) -> Self {
        let numbers: Vec<u32> = (0..dense(count)).collect();
        Self { semi: numbers.clone(), above: vec![NONE; count], label: numbers, path: Vec::new() }
    }

    /// The number of least semi-dominator between `number` and the top of its tree.
    fn best(&mut self, number: u32) -> u32 {
        let mut at = number;
        loop {
            let above = self.above[at as usize];
            if above == NONE || self.above[above as usize] == NONE {
                break;
            }
            self.path.push(at);
            at = above;
        }
        while let Some(at) = self.path.pop() {
            let above = self.above[at as usize] as usize;
            let (own, upper) = (self.label[at as usize], self.label[above]);
            if self.semi[upper as usize] < self.semi[own as usize] {
                self.label[at as usize] = upper;
            }
            self.above[at as usize] = self.above[above];
        }
        self.label[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is reached from the entries without going through `without`.
    fn reached(graph: &Digraph, entries: &[u32], without: Option<u32>) -> Vec<bool> {
        let mut seen = vec![false; graph.nodes()];
        let mut stack: Vec<u32> = entries.to_vec();
        while let Some(node) = stack.pop() {
            if Some(node) != without && !std::mem::replace(&mut seen[node as usize], true) {
                stack.extend(graph.successors(node as usize));
            }
        }
        seen
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn a_node_is_behind_another_exactly_if_it_cannot_be_reached_without_it(
            (nodes, edges) in (2_usize..14).prop_flat_map(|nodes| {
                let node = 0..u32::try_from(nodes).unwrap();
                (Just(nodes), proptest::collection::vec((node.clone(), node), 0..40))
            }),
            entries in proptest::collection::btree_set(0_u32..14, 0..4),
        ) {
            let graph = Digraph::new(nodes, &edges).unwrap();
            let entries: Vec<u32> = entries.into_iter().filter(|&e| (e as usize) < nodes).collect();
            let found = dominators(&graph, &entries);
            let all = reached(&graph, &entries, None);
            for node in 0..nodes {
                prop_assert_eq!(found[node].is_some(), all[node]);
            }
            for gate in 0..dense(nodes) {
                let without = reached(&graph, &entries, Some(gate));
                for node in (0..dense(nodes)).filter(|&n| n != gate && all[n as usize]) {
                    let mut at = found[node as usize];
                    while at.is_some_and(|at| at != gate && (at as usize) < nodes) {
                        at = found[at.unwrap() as usize];
                    }
                    prop_assert_eq!(at == Some(gate), !without[node as usize], "{} behind {}", node, gate);
                }
            }
        }
    }

    #[test]
    fn a_chain_with_a_way_round_each_pair_takes_no_quadratic_time() {
        let nodes = 200_000_u32;
        let forward = (0..nodes - 1).map(|n| (n, n + 1));
        let edges: Vec<_> = forward.chain((0..nodes - 2).map(|n| (n, n + 2))).collect();
        let graph = Digraph::new(nodes as usize, &edges).unwrap();
        let found = dominators(&graph, &[0, nodes / 2]);
        assert_eq!((found[0], found[1], found[2]), (Some(nodes), Some(0), Some(0)));
        assert_eq!(found[(nodes / 2 + 1) as usize], Some(nodes));
    }
}
