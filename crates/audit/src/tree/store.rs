//! Where the hashes of a tree lie: together what a proof reads together.
//!
//! # Layout
//! A proof needs the sibling of every node on the way up. A block serves four levels of that way for four neighbouring
//! nodes: the nodes themselves, the two parents of them, and two hashes that lie *beside* the block in the tree, its uncle
//! (the sibling of the block's root) and great-uncle (the sibling of that root's parent).
//!
//! ```text
//! slot   0 1 2 3   4 5       6       7
//! holds  nodes     parents   uncle   great-uncle     256 bytes, three of its four cache lines are read
//! ```
//!
//! The nodes of the next tier are those four levels up, so twenty levels are five blocks: one that is likely not in a
//! cache, in one page. A great-uncle is stored twice; all in all a leaf costs 68 bytes, where the bare hashes are 64.
//! Blocks of one tier lie in chunks that never move.

use crate::hash::Hash;

/// Levels whose nodes lie in a block: `2^INNER` nodes of the lowest.
const INNER: u32 = 2;
/// Levels that a block serves.
pub(crate) const LEVELS: u32 = INNER + 2;
/// Hashes in a block.
const SLOTS: usize = 2 << INNER;
const UNCLE: usize = SLOTS - 2;
const GREAT_UNCLE: usize = SLOTS - 1;
/// Blocks in a chunk: a multiple of four, because the uncles of a block reach three blocks ahead.
const CHUNK: usize = 512;

#[derive(Clone, Debug, Eq, PartialEq)]
#[repr(align(64))]
struct Block([Hash; SLOTS]);

/// The blocks of a tree, by tier.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Store {
    tiers: Vec<Vec<Vec<Block>>>,
}

/// Slot of a node within its block, `inner` levels above the lowest.
const fn slot(inner: u32, within: usize) -> usize {
    SLOTS - (SLOTS >> inner) + within
}

/// An index in the address space; a tree that does not fit there cannot be built.
fn address(index: u64) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

impl Store {
    pub(super) const fn new() -> Self {
        Self { tiers: Vec::new() }
    }

    /// Keeps the hash of a complete subtree.
    pub(super) fn put(&mut self, level: u32, index: u64, hash: Hash) {
        let (tier, inner, index) = ((level / LEVELS) as usize, level % LEVELS, address(index));
        match inner {
            0..INNER => {
                let within = index & ((1 << (INNER - inner)) - 1);
                self.block_mut(tier, index >> (INNER - inner)).0[slot(inner, within)] = hash;
            }
            INNER => self.block_mut(tier, index ^ 1).0[UNCLE] = hash,
            _ => {
                let block = (index ^ 1) << 1;
                // The later one first: it makes room for both.
                self.block_mut(tier, block + 1).0[GREAT_UNCLE] = hash;
                self.block_mut(tier, block).0[GREAT_UNCLE] = hash;
            }
        }
    }

    fn block_mut(&mut self, tier: usize, block: usize) -> &mut Block {
        if tier == self.tiers.len() {
            self.tiers.push(Vec::new());
        }
        let chunks = &mut self.tiers[tier];
        if block / CHUNK == chunks.len() {
            chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunk = &mut chunks[block / CHUNK];
        if block % CHUNK >= chunk.len() {
            chunk.resize(block % CHUNK + 1, Block([Hash::ZERO; SLOTS]));
        }
        &mut chunk[block % CHUNK]
    }

    fn block(&self, tier: usize, block: usize) -> &Block {
        &self.tiers[tier][block / CHUNK][block % CHUNK]
    }

    /// The hash that lies beside a node; it must have been put.
    pub(super) fn sibling(&self, level: u32, index: u64) -> Hash {
        let (tier, inner, index) = ((level / LEVELS) as usize, level % LEVELS, address(index));
        match inner {
            0..INNER => {
                let within = (index & ((1 << (INNER - inner)) - 1)) ^ 1;
                self.block(tier, index >> (INNER - inner)).0[slot(inner, within)]
            }
            INNER => self.block(tier, index).0[UNCLE],
            _ => self.block(tier, index << 1).0[GREAT_UNCLE],
        }
    }

    /// Appends the siblings on the way up from node `index` of a tier's lowest level, through at most [`LEVELS`] levels.
    pub(super) fn push_tier(&self, tier: usize, index: u64, levels: u32, out: &mut Vec<Hash>) {
        let index = address(index);
        let Block(hashes) = self.block(tier, index >> INNER);
        let siblings = [
            hashes[slot(0, (index & 3) ^ 1)],
            hashes[slot(1, ((index >> 1) & 1) ^ 1)],
            hashes[UNCLE],
            hashes[GREAT_UNCLE],
        ];
        match levels {
            LEVELS.. => out.extend_from_slice(&siblings),
            _ => out.extend_from_slice(&siblings[..levels as usize]),
        }
    }
}
