//! Checking proofs: that an entry is in a log, that a log only grew, that a part of a log is what it was.
//!
//! # Model
//! An inclusion proof is the list of sibling hashes from the leaf to the root (RFC 9162, 2.1.3); a consistency
//! proof holds the subtrees with which both the old and the new root can be computed (2.1.4). Subtrees
//! `[start, end)` are valid if `start` is a multiple of the smallest power of two that is at least `end - start`
//! (draft-ietf-plants-merkle-tree-certs); their proofs are the same idea with an offset.
//!
//! Checking costs one hash per element, at most 64 (128 for consistency), whatever the input.

use crate::hash::{Hash, node_hash};

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The entry is not in a tree (or subtree) of that size.
    #[error("index {index} is outside of [{start}, {end})")]
    OutOfRange {
        /// Index of the entry.
        index: u64,
        /// Begin of the tree or subtree.
        start: u64,
        /// End of the tree or subtree.
        end: u64,
    },
    /// The second tree is smaller than the first.
    #[error("sizes go down from {from} to {to}")]
    Shrinks {
        /// Size of the first tree, or end of the subtree.
        from: u64,
        /// Size of the second tree.
        to: u64,
    },
    /// `[start, end)` is not a subtree.
    #[error(
        "[{start}, {end}) is not a subtree: its start must be a multiple of a power of two that covers it"
    )]
    NotASubtree {
        /// Begin.
        start: u64,
        /// End.
        end: u64,
    },
    /// A proof from the empty tree shows nothing, and was asked to show something.
    #[error("consistency with the empty tree proves nothing")]
    FromEmpty,
    /// The proof has another number of hashes than the sizes call for.
    #[error("the proof has {found} hashes, the sizes call for another number")]
    WrongLength {
        /// Number of hashes in the proof.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to root {computed}, expected {expected}")]
    WrongRoot {
        /// The root the proof leads to.
        computed: Hash,
        /// The root that was expected.
        expected: Hash,
    },
}

/// What to think of consistency with the empty tree, on which sources differ.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an empty tree is accepted or not")]
pub enum EmptyTree {
    /// Refused: such a proof shows nothing about the larger tree, and who asks for it has probably made a mistake.
    #[default]
    Refuse,
    /// Accepted with an empty proof and the root of the empty tree, as the C2SP witness protocol begins.
    Accept,
}

/// Checks that `leaf` is entry `index` of the tree of `size` leaves with this root.
///
/// ```
/// use ecosystem_audit::{leaf_hash, node_hash, proof};
/// let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
/// let root = node_hash(&a, &b);
/// assert_eq!(proof::verify_inclusion(1, 2, &b, &[a], &root), Ok(()));
/// assert!(proof::verify_inclusion(0, 2, &b, &[a], &root).is_err());
/// ```
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    expect_root(&root_from_inclusion(index, size, leaf, proof)?, root)
}

/// The root that an inclusion proof leads to.
pub fn root_from_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { index, start: 0, end: size });
    }
    let wrong_length = ProofError::WrongLength { found: proof.len() };
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // Levels at which the last node has no sibling are not part of the proof.
            let skip = node.trailing_zeros();
            node >>= skip;
            last >>= skip;
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last == 0 { Ok(hash) } else { Err(wrong_length) }
}

/// Checks that the tree of `to` leaves begins with the tree of `from` leaves.
///
/// Equal sizes need an empty proof and equal roots; what a `from` of 0 means is for `empty` to say.
pub fn verify_consistency(
    (from, from_root): (u64, &Hash),
    (to, to_root): (u64, &Hash),
    proof: &[Hash],
    empty: EmptyTree,
) -> Result<(), ProofError> {
    if from > to {
        return Err(ProofError::Shrinks { from, to });
    }
    if from == to {
        expect_empty(proof)?;
        return expect_root(from_root, to_root);
    }
    if from == 0 {
        return match empty {
            EmptyTree::Refuse => Err(ProofError::FromEmpty),
            EmptyTree::Accept => {
                expect_empty(proof)?;
                expect_root(from_root, &Hash::EMPTY_ROOT)
            }
        };
    }
    verify_subtree_consistency((0, from), to, proof, from_root, to_root)
}

/// Whether `[start, end)` is a subtree in the sense of draft-ietf-plants-merkle-tree-certs: empty, from the
/// beginning, or starting at a multiple of the smallest power of two that is at least its length.
pub fn is_subtree(start: u64, end: u64) -> bool {
    match end.checked_sub(start) {
        None => false,
        Some(_) if start == 0 || start == end => true,
        Some(len) => len.checked_next_power_of_two().is_some_and(|width| start.is_multiple_of(width)),
    }
}

/// Checks that `leaf` is entry `index` (of the whole log) in the subtree `[start, end)` with this root.
pub fn verify_subtree_inclusion(
    index: u64,
    (start, end): (u64, u64),
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if !is_subtree(start, end) {
        return Err(ProofError::NotASubtree { start, end });
    }
    if index < start || index >= end {
        return Err(ProofError::OutOfRange { index, start, end });
    }
    verify_inclusion(index - start, end - start, leaf, proof, root)
}

/// Checks that the tree of `size` leaves with `root` holds the subtree `[start, end)` with `subtree_root`.
///
/// An empty subtree has the root of the empty tree and needs no proof. The procedure walks the path of the subtree's last leaf and computes both roots from it at once.
pub fn verify_subtree_consistency(
    (start, end): (u64, u64),
    size: u64,
    proof: &[Hash],
    subtree_root: &Hash,
    root: &Hash,
) -> Result<(), ProofError> {
    if !is_subtree(start, end) {
        return Err(ProofError::NotASubtree { start, end });
    }
    if end > size {
        return Err(ProofError::Shrinks { from: end, to: size });
    }
    if start == end {
        // Nothing is part of everything.
        expect_empty(proof)?;
        return expect_root(subtree_root, &Hash::EMPTY_ROOT);
    }
    let wrong_length = ProofError::WrongLength { found: proof.len() };
    let (mut first, mut last, mut tree_last) = (start, end - 1, size - 1);
    // Begin at the largest complete node that ends the subtree; if both end together, at the subtree itself.
    while first != last && (last == tree_last || last & 1 == 1) {
        first >>= 1;
        last >>= 1;
        tree_last >>= 1;
    }
    let mut rest = proof.iter();
    let seed = if first == last { subtree_root } else { rest.next().ok_or(wrong_length)? };
    let (mut of_subtree, mut of_tree) = (*seed, *seed);
    for hash in rest {
        if tree_last == 0 {
            return Err(wrong_length);
        }
        if last & 1 == 1 || last == tree_last {
            if first < last {
                of_subtree = node_hash(hash, &of_subtree);
            }
            of_tree = node_hash(hash, &of_tree);
            let skip = last.trailing_zeros().min(u64::BITS - 1);
            first >>= skip;
            last >>= skip;
            tree_last >>= skip;
        } else {
            of_tree = node_hash(&of_tree, hash);
        }
        first >>= 1;
        last >>= 1;
        tree_last >>= 1;
    }
    if tree_last != 0 {
        return Err(wrong_length);
    }
    expect_root(&of_subtree, subtree_root)?;
    expect_root(&of_tree, root)
}

fn expect_root(computed: &Hash, expected: &Hash) -> Result<(), ProofError> {
    if computed == expected {
        Ok(())
    } else {
        Err(ProofError::WrongRoot { computed: *computed, expected: *expected })
    }
}

fn expect_empty(proof: &[Hash]) -> Result<(), ProofError> {
    if proof.is_empty() { Ok(()) } else { Err(ProofError::WrongLength { found: proof.len() }) }
}
