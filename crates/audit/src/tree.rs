//! The Merkle tree of RFC 6962 with every hash of a complete subtree kept.
//!
//! # Model
//! The root over leaves `D[0..n]` is `node(root(D[0..k]), root(D[k..n]))` with `k` the largest power of two
//! below `n`. Subtrees of `2^level` leaves that start at a multiple of their size never change once complete:
//! the tree keeps exactly those. A push costs one node hash on average; a root of any size `O(log n)`; memory is
//! 64 bytes per leaf.
//!
//! # Layout
//! Six levels at a time lie together: a block holds a complete subtree of 64 nodes of its lowest level in order
//! (127 hashes, 4 KiB), so that the way from a leaf up touches one page per six levels. Blocks of one tier lie in
//! chunks that never move.
//!
//! A writer that needs no proofs keeps a [`CompactRange`] instead, which is `O(log n)`.

use crate::hash::{Hash, node_hash};

/// Levels in one block.
const TIER: u32 = 6;
/// Slots of a block: 127 hashes and one that stays unused.
const BLOCK: usize = 2 << TIER;
/// Slots of a chunk.
const CHUNK: usize = 32 * BLOCK;

/// All complete subtrees of a growing log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tree {
    size: u64,
    /// Tier `t` holds levels `6t .. 6t + 6` in chunks of [`CHUNK`] slots.
    tiers: Vec<Vec<Vec<Hash>>>,
}

/// Tier, and slot in it, of a node.
fn place(level: u32, index: u64) -> (usize, usize) {
    let inner = level % TIER;
    let block = index >> (TIER - inner);
    let within = index & ((1 << (TIER - inner)) - 1);
    let slot = block * BLOCK as u64 + ((2 * within + 1) << inner) - 1;
    // A tree that does not fit the address space cannot be built.
    ((level / TIER) as usize, usize::try_from(slot).unwrap_or(usize::MAX))
}

impl Tree {
    /// A tree without leaves.
    pub const fn new() -> Self {
        Self { size: 0, tiers: Vec::new() }
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let (mut level, mut index, mut hash) = (0, self.size, leaf);
        loop {
            let (tier, slot) = place(level, index);
            self.put(tier, slot, hash);
            if index & 1 == 0 {
                break;
            }
            // The left neighbour of a node lies two steps of its level before it.
            let left = slot - (2 << (level % TIER));
            hash = node_hash(&self.tiers[tier][left / CHUNK][left % CHUNK], &hash);
            level += 1;
            index >>= 1;
        }
        self.size += 1;
    }

    fn put(&mut self, tier: usize, slot: usize, hash: Hash) {
        if tier == self.tiers.len() {
            self.tiers.push(Vec::new());
        }
        let chunks = &mut self.tiers[tier];
        if slot / CHUNK == chunks.len() {
            chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunk = &mut chunks[slot / CHUNK];
        // Nodes lie before the last leaf below them, so a chunk only ever grows by a leaf and the slot before it.
        if slot % CHUNK >= chunk.len() {
            chunk.resize(slot % CHUNK + 1, Hash::ZERO);
        }
        chunk[slot % CHUNK] = hash;
    }

    /// The root of the complete subtree of `2^level` leaves with this index; `None` while it is not complete.
    pub fn node(&self, level: u32, index: u64) -> Option<Hash> {
        if level >= u64::BITS || index >= self.size >> level {
            return None;
        }
        let (tier, slot) = place(level, index);
        Some(self.tiers[tier][slot / CHUNK][slot % CHUNK])
    }

    /// The siblings on the way up from a leaf through `height` levels of a complete subtree, lowest first.
    pub(crate) fn push_siblings(&self, leaf: u64, height: u32, out: &mut Vec<Hash>) {
        let mut index = leaf;
        let mut left = height;
        for chunks in &self.tiers {
            let levels = left.min(TIER);
            let block = usize::try_from(index >> TIER).unwrap_or(usize::MAX) * BLOCK;
            let Some(chunk) = chunks.get(block / CHUNK) else { return };
            let Some(block) = chunk.get(block % CHUNK..) else { return };
            for level in 0..levels {
                let within = ((index >> level) ^ 1) & ((1 << (TIER - level)) - 1);
                let slot = ((2 * within + 1) << level) - 1;
                out.extend(block.get(usize::try_from(slot).unwrap_or(usize::MAX)));
            }
            left -= levels;
            index >>= TIER;
            if left == 0 {
                return;
            }
        }
    }

    /// The leaf hash at this index.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.node(0, index)
    }

    /// The root over all leaves.
    ///
    /// ```
    /// use ecosystem_audit::{Hash, Tree, leaf_hash, node_hash};
    /// let mut tree = Tree::new();
    /// assert_eq!(tree.root(), Hash::EMPTY_ROOT);
    /// let (a, b, c) = (leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c"));
    /// for leaf in [a, b, c] {
    ///     tree.push(leaf);
    /// }
    /// assert_eq!(tree.root(), node_hash(&node_hash(&a, &b), &c));
    /// assert_eq!(tree.root_at(2), Some(node_hash(&a, &b)));
    /// ```
    pub fn root(&self) -> Hash {
        self.compact(self.size()).root()
    }

    /// The root over the first `size` leaves; `None` if there are fewer. Costs `O(log size)` hashes.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        (size <= self.size()).then(|| self.compact(size).root())
    }

    /// The compact range of the first `size` leaves, which must exist.
    pub(crate) fn compact(&self, size: u64) -> CompactRange {
        let mut peaks = Vec::with_capacity(size.count_ones() as usize);
        let mut start = 0_u64;
        for level in (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1) {
            peaks.push(self.node(level, start >> level).expect("complete subtrees are kept"));
            start += 1 << level;
        }
        CompactRange { size, peaks }
    }

    /// The compact range of the first `size` leaves; `None` if there are fewer.
    pub fn compact_range(&self, size: u64) -> Option<CompactRange> {
        (size <= self.size()).then(|| self.compact(size))
    }
}

/// The roots of the largest complete subtrees that make up a log, left to right: all a writer or verifier needs
/// to go on, in `O(log n)` memory.
///
/// ```
/// use ecosystem_audit::{CompactRange, Tree, leaf_hash};
/// let (mut tree, mut range) = (Tree::new(), CompactRange::new());
/// for i in 0..1000_u32 {
///     tree.push(leaf_hash(&i.to_be_bytes()));
///     range.push(leaf_hash(&i.to_be_bytes()));
/// }
/// assert_eq!(range.root(), tree.root());
/// assert_eq!(range.peaks().len(), 6); // 1000 = 512 + 256 + 128 + 64 + 32 + 8
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct CompactRange {
    size: u64,
    /// INVARIANT: one hash per bit set in `size`, largest subtree first.
    peaks: Vec<Hash>,
}

impl CompactRange {
    /// The range of no leaves.
    pub const fn new() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// A range from its parts; `None` unless there is one peak per bit set in `size`.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (size.count_ones() as usize == peaks.len()).then_some(Self { size, peaks })
    }

    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf: one node hash on average.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            // There is one peak per bit set in size.
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root over all leaves: the peaks folded from the right.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Hash::EMPTY_ROOT,
            Some(last) => peaks.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}
