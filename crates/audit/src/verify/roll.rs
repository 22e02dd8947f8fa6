//! The verifier's own account of the tree, which shares nothing with the writer's but the hash of a node.

use crate::hash::{Hash, node_hash};
use crate::state::State;
use crate::tree::CompactRange;

/// The verifier's own account of the tree: a stack of complete subtrees with strictly falling levels.
#[derive(Clone, Debug)]
pub(super) struct Roll {
    pub(super) size: u64,
    pub(super) last_leaf: Hash,
    stack: Vec<(u32, Hash)>,
}

impl Roll {
    pub(super) fn from_state(state: &State) -> Self {
        let size = state.size();
        let levels = (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1);
        let stack = levels.zip(state.range.peaks().iter().copied()).collect();
        Self { size, last_leaf: state.last_leaf, stack }
    }

    pub(super) fn to_state(&self) -> State {
        let size = self.stack.iter().map(|(level, _)| 1 << level).sum();
        let peaks = self.stack.iter().map(|(_, hash)| *hash).collect();
        let range = CompactRange::from_parts(size, peaks).expect("levels fall strictly");
        State { last_leaf: self.last_leaf, range }
    }

    /// Adds a leaf; what it merges with goes to `replaced`.
    pub(super) fn push(&mut self, leaf: Hash, replaced: &mut Vec<(u32, Hash)>) {
        replaced.clear();
        let mut top = (0, leaf);
        while let Some((_, left)) = self.stack.pop_if(|(level, _)| *level == top.0) {
            replaced.push((top.0, left));
            top = (top.0 + 1, node_hash(&left, &top.1));
        }
        self.stack.push(top);
        self.size += 1;
        self.last_leaf = leaf;
    }

    /// Takes the last leaf back.
    pub(super) fn undo(&mut self, replaced: &mut Vec<(u32, Hash)>, last_leaf: Hash) {
        self.stack.pop();
        self.stack.extend(replaced.drain(..).rev());
        self.size -= 1;
        self.last_leaf = last_leaf;
    }

    pub(super) fn root(&self) -> Hash {
        let mut hashes = self.stack.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = hashes.next() else { return Hash::EMPTY_ROOT };
        hashes.fold(last, |right, left| node_hash(&left, &right))
    }
}
