//! Making proofs from whatever holds the hashes of complete subtrees: a [`Tree`], tiles, a database.

use core::convert::Infallible;

use crate::hash::{Hash, node_hash};
use crate::proof::is_subtree;
use crate::tree::Tree;

/// Something that knows the roots of complete subtrees.
pub trait HashSource {
    /// Why a hash cannot be had.
    type Error;

    /// The root of leaves `index · 2^level .. (index + 1) · 2^level`, all of which exist.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Why a proof cannot be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError<E = Infallible> {
    /// The entry, size or subtree asked for is not inside the tree.
    #[error("[{start}, {end}) is not inside a log of {size} entries")]
    OutOfRange {
        /// Begin of what was asked for.
        start: u64,
        /// End of what was asked for.
        end: u64,
        /// Size of the tree.
        size: u64,
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
    /// The source of hashes has failed.
    #[error("a hash of the tree cannot be had: {0}")]
    Source(E),
}

/// The root of the subtree `[start, end)`; of the whole tree for `[0, size)`. An empty range hashes to
/// [`Hash::EMPTY_ROOT`].
pub fn subtree_root<S: HashSource>(source: &S, start: u64, end: u64) -> Result<Hash, ProveError<S::Error>> {
    if !is_subtree(start, end) {
        return Err(ProveError::NotASubtree { start, end });
    }
    let mut hash = None;
    // From the smallest complete subtree at the right to the largest at the left.
    let len = end - start;
    for level in (0..u64::BITS).filter(|level| len >> level & 1 == 1) {
        let first = start + (len >> level >> 1 << level << 1);
        let node = source.node(level, first >> level).map_err(ProveError::Source)?;
        hash = Some(hash.map_or(node, |right| node_hash(&node, &right)));
    }
    Ok(hash.unwrap_or(Hash::EMPTY_ROOT))
}

/// The hashes that lead from entry `index` to the root of the subtree `[start, end)`, lowest first. For the whole
/// tree of `size` entries the subtree is `[0, size)`.
pub fn inclusion<S: HashSource>(
    source: &S,
    index: u64,
    (start, end): (u64, u64),
) -> Result<Vec<Hash>, ProveError<S::Error>> {
    if !is_subtree(start, end) {
        return Err(ProveError::NotASubtree { start, end });
    }
    if index < start || index >= end {
        return Err(ProveError::OutOfRange { start: index, end: index.saturating_add(1), size: end });
    }
    let mut hashes = Vec::new();
    let (mut low, mut high) = (start, end);
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            hashes.push(subtree_root(source, middle, high)?);
            high = middle;
        } else {
            hashes.push(subtree_root(source, low, middle)?);
            low = middle;
        }
    }
    hashes.reverse();
    Ok(hashes)
}

/// The hashes that show that the tree of `size` entries holds the subtree `[start, end)`; with `start = 0` this is
/// the consistency proof from size `end` of RFC 6962. An empty subtree and the whole tree need none.
pub fn consistency<S: HashSource>(
    source: &S,
    (start, end): (u64, u64),
    size: u64,
) -> Result<Vec<Hash>, ProveError<S::Error>> {
    if !is_subtree(start, end) {
        return Err(ProveError::NotASubtree { start, end });
    }
    if end > size {
        return Err(ProveError::OutOfRange { start, end, size });
    }
    let mut hashes = Vec::new();
    if start == end {
        return Ok(hashes);
    }
    let (mut low, high) = (start, end);
    let (mut tree_low, mut tree_high) = (0, size);
    // Whether the part of the subtree in view is the subtree itself, whose root the verifier knows.
    let mut known = true;
    while (low, high) != (tree_low, tree_high) {
        let middle = tree_low + split(tree_high - tree_low);
        if high <= middle {
            hashes.push(subtree_root(source, middle, tree_high)?);
            tree_high = middle;
        } else {
            hashes.push(subtree_root(source, tree_low, middle)?);
            tree_low = middle;
            if low < middle {
                low = middle;
                known = false;
            }
        }
    }
    if !known {
        hashes.push(subtree_root(source, low, high)?);
    }
    hashes.reverse();
    Ok(hashes)
}

/// The largest power of two below `len`, which is at least 2.
const fn split(len: u64) -> u64 {
    1 << (u64::BITS - 1 - (len - 1).leading_zeros())
}

impl HashSource for Tree {
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        // Proofs ask only for complete subtrees inside the size they were asked for, which `View` has checked.
        Ok(Self::node(self, level, index).unwrap_or(Hash::ZERO))
    }
}

/// A tree as it was at one size, ready to make many proofs: the hashes along its right edge, which belong to
/// incomplete subtrees, are computed once.
///
/// ```
/// use ecosystem_audit::{Draft, Log, proof};
/// let mut log = Log::new();
/// for i in 0..100 {
///     log.append(&Draft::new(i, "alice", "vm.start", format!("vm/{i}")))?;
/// }
/// let view = log.tree().view(70).expect("the log has more than 70 entries");
/// let hashes = view.inclusion(42)?;
/// let leaf = log.tree().leaf(42).expect("entry 42 exists");
/// assert_eq!(proof::verify_inclusion(42, 70, &leaf, &hashes, &view.root()), Ok(()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct View<'a> {
    tree: &'a Tree,
    size: u64,
    /// The largest complete subtrees from left to right: level, root, and the root of everything from there on.
    peaks: Vec<Peak>,
}

#[derive(Clone, Copy, Debug)]
struct Peak {
    level: u32,
    root: Hash,
    from_here: Hash,
}

impl Tree {
    /// The tree as it was at a size; `None` if it never had that many leaves.
    pub fn view(&self, size: u64) -> Option<View<'_>> {
        let range = self.compact_range(size)?;
        let mut peaks = Vec::with_capacity(range.peaks().len());
        let levels = (0..u64::BITS).rev().filter(|level| size >> level & 1 == 1);
        for (level, root) in levels.zip(range.peaks()) {
            peaks.push(Peak { level, root: *root, from_here: *root });
        }
        for i in (1..peaks.len()).rev() {
            peaks[i - 1].from_here = node_hash(&peaks[i - 1].root, &peaks[i].from_here);
        }
        Some(View { tree: self, size, peaks })
    }
}

impl View<'_> {
    /// Number of leaves.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves.
    pub fn root(&self) -> Hash {
        self.peaks.first().map_or(Hash::EMPTY_ROOT, |peak| peak.from_here)
    }

    /// The inclusion proof of an entry, in `O(log n)` look-ups without hashing.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, ProveError> {
        let mut hashes = Vec::with_capacity(self.longest_proof());
        self.inclusion_into(index, &mut hashes)?;
        Ok(hashes)
    }

    /// [`View::inclusion`] into a buffer that is used again and again; what was in it is gone.
    pub fn inclusion_into(&self, index: u64, hashes: &mut Vec<Hash>) -> Result<(), ProveError> {
        hashes.clear();
        let place = self.peak_of(index)?;
        self.tree.push_siblings(index, self.peaks[place].level, hashes);
        self.push_peaks(place, hashes);
        Ok(())
    }

    /// The hashes beside a peak on its way to the root.
    fn push_peaks(&self, place: usize, hashes: &mut Vec<Hash>) {
        if let Some(right) = self.peaks.get(place + 1) {
            hashes.push(right.from_here);
        }
        hashes.extend(self.peaks[..place].iter().rev().map(|peak| peak.root));
    }

    /// Which of the peaks an entry lies under.
    fn peak_of(&self, index: u64) -> Result<usize, ProveError> {
        if index >= self.size {
            return Err(ProveError::OutOfRange {
                start: index,
                end: index.saturating_add(1),
                size: self.size,
            });
        }
        // Above the highest bit in which they differ, index and size have the same bits: the peaks before it.
        let differ = (self.size ^ index).leading_zeros();
        Ok(self.size.unbounded_shr(u64::BITS - differ).count_ones() as usize)
    }

    /// No inclusion proof of this tree has more hashes.
    const fn longest_proof(&self) -> usize {
        (u64::BITS - self.size.leading_zeros()) as usize
    }

    /// The proof that the tree of the first `from` leaves is the beginning of this one. From the empty tree it is
    /// empty; see [`crate::proof::EmptyTree`].
    pub fn consistency(&self, from: u64) -> Result<Vec<Hash>, ProveError> {
        consistency(self.tree, (0, from), self.size)
    }

    /// The root of the subtree `[start, end)`.
    pub fn subtree_root(&self, start: u64, end: u64) -> Result<Hash, ProveError> {
        self.inside(start, end)?;
        subtree_root(self.tree, start, end)
    }

    /// The proof that entry `index` is in the subtree `[start, end)`.
    pub fn subtree_inclusion(&self, index: u64, start: u64, end: u64) -> Result<Vec<Hash>, ProveError> {
        self.inside(start, end)?;
        inclusion(self.tree, index, (start, end))
    }

    /// The proof that this tree holds the subtree `[start, end)`.
    pub fn subtree_consistency(&self, start: u64, end: u64) -> Result<Vec<Hash>, ProveError> {
        self.inside(start, end)?;
        consistency(self.tree, (start, end), self.size)
    }

    fn inside(&self, start: u64, end: u64) -> Result<(), ProveError> {
        if end > self.size { Err(ProveError::OutOfRange { start, end, size: self.size }) } else { Ok(()) }
    }
}
