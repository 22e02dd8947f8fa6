//! The layout of C2SP `tlog-tiles`: a log as static files, from which anybody can make and check proofs.
//!
//! # Format
//! A tile holds 256 hashes side by side (a partial one fewer): tile `tile/<L>/<N>` the hashes of level `8 · L` with
//! indices from `256 · N`. An entry bundle `tile/entries/<N>` holds 256 entries, each after its length as `u16`.
//! `N` is written in groups of three digits, all but the last with an `x` in front; partial tiles end in `.p/<W>`.
//! Tiles never change: a larger log adds new ones.
//!
//! # References
//! <https://c2sp.org/tlog-tiles>.

use core::fmt;
use std::borrow::Cow;

use crate::hash::{Hash, node_hash};
use crate::prove::HashSource;
use crate::tree::Tree;

/// Hashes in a full tile and entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// What a file of the layout holds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "the layout has exactly these two kinds of files")]
pub enum TileKind {
    /// Hashes of tree level `8 · level`.
    Hashes {
        /// Level of the tile, 0 for leaves.
        level: u8,
    },
    /// Entries.
    Entries,
}

/// Which file of the layout.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TileId {
    kind: TileKind,
    index: u64,
    /// INVARIANT: 1..=256.
    width: u16,
}

/// Why a path or the bytes of a tile are refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// A path that is not of this layout.
    #[error("`{path}` is not the path of a tile")]
    Path {
        /// The path, cut after 100 characters.
        path: String,
    },
    /// A tile that the log does not have.
    #[error("a log of {size} entries has no tile `{path}`")]
    NotThere {
        /// Path of the tile.
        path: String,
        /// Size of the log.
        size: u64,
    },
    /// A tile of another length than its width asks for.
    #[error("tile `{path}` has {len} bytes: expected {expected}")]
    Length {
        /// Path of the tile.
        path: String,
        /// Its length.
        len: usize,
        /// The length expected.
        expected: usize,
    },
    /// An entry bundle that ends inside an entry, or has more or fewer entries than its width.
    #[error("bundle `{path}` is damaged in entry {entry} of {width}")]
    Bundle {
        /// Path of the bundle.
        path: String,
        /// The entry, from 0 in this bundle.
        entry: usize,
        /// How many the bundle should have.
        width: u16,
    },
    /// An entry that is longer than a bundle can hold.
    #[error("an entry of {len} bytes does not fit a bundle: at most 65535")]
    EntryTooLong {
        /// Its length.
        len: usize,
    },
    /// The host could not fetch a tile.
    #[error("tile `{path}` cannot be fetched: {reason}")]
    Fetch {
        /// Path of the tile.
        path: String,
        /// What the host says.
        reason: String,
    },
}

impl TileId {
    /// The tile of hashes at a level with an index, as wide as a log of `size` entries has it; `None` if such a log
    /// does not have it.
    pub fn hashes(level: u8, index: u64, size: u64) -> Option<Self> {
        let nodes = if level < 8 { size >> (8 * level) } else { 0 };
        Some(Self { kind: TileKind::Hashes { level }, index, width: width(index, nodes)? })
    }

    /// The entry bundle with an index, as wide as a log of `size` entries has it.
    pub fn entries(index: u64, size: u64) -> Option<Self> {
        Some(Self { kind: TileKind::Entries, index, width: width(index, size)? })
    }

    /// What the file holds.
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// Index of the tile at its level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Reads a path.
    ///
    /// ```
    /// use ecosystem_audit::tiles::TileId;
    /// let id = TileId::hashes(0, 1_234_067, 1_234_067 * 256 + 3).expect("the log has this tile");
    /// assert_eq!(id.to_string(), "tile/0/x001/x234/067.p/3");
    /// assert_eq!(TileId::parse("tile/0/x001/x234/067.p/3"), Ok(id));
    /// assert!(TileId::parse("tile/0/x001/234/067").is_err());
    /// ```
    pub fn parse(path: &str) -> Result<Self, TileError> {
        parse_path(path).ok_or_else(|| TileError::Path { path: path.chars().take(100).collect() })
    }
}

fn width(index: u64, nodes: u64) -> Option<u16> {
    let before = index.checked_mul(TILE_WIDTH)?;
    u16::try_from(nodes.checked_sub(before)?.min(TILE_WIDTH)).ok().filter(|width| *width > 0)
}

fn parse_path(path: &str) -> Option<TileId> {
    let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = if level == "entries" {
        TileKind::Entries
    } else {
        let level = crate::checkpoint::parse_size(level)?;
        TileKind::Hashes { level: u8::try_from(level).ok().filter(|level| *level < 64)? }
    };
    let (number, width) = match rest.split_once(".p/") {
        None => (rest, 256),
        Some((number, width)) => {
            let width = crate::checkpoint::parse_size(width)?;
            (number, u16::try_from(width).ok().filter(|width| (1..256).contains(width))?)
        }
    };
    let mut index = 0_u64;
    let mut groups = number.split('/').peekable();
    let mut first = true;
    while let Some(group) = groups.next() {
        let digits = if groups.peek().is_some() { group.strip_prefix('x')? } else { group };
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if first && digits == "000" && groups.peek().is_some() {
            return None;
        }
        first = false;
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Some(TileId { kind, index, width })
}

impl fmt::Display for TileId {
    /// The path of the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut divisor = 1;
        while self.index / divisor >= 1000 {
            divisor *= 1000;
        }
        while divisor >= 1000 {
            write!(f, "x{:03}/", self.index / divisor % 1000)?;
            divisor /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if u64::from(self.width) < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// The files that a log of `size` entries has and a log of `old_size` entries does not have, bundles included. For a
/// new log begin with 0. Costs time and memory in proportion to their number.
pub fn new_tiles(old_size: u64, size: u64) -> Vec<TileId> {
    let mut tiles = Vec::new();
    if size <= old_size {
        return tiles;
    }
    for level in 0..8_u8 {
        let (old, new) = (old_size >> (8 * level), size >> (8 * level));
        for index in old / TILE_WIDTH..new.div_ceil(TILE_WIDTH) {
            let Some(id) = TileId::hashes(level, index, size) else { continue };
            if TileId::hashes(level, index, old_size) == Some(id) {
                continue;
            }
            tiles.push(id);
            if level == 0 {
                tiles.extend(TileId::entries(index, size));
            }
        }
    }
    tiles
}

/// The bytes of a tile of hashes.
pub fn hash_tile(tree: &Tree, id: &TileId) -> Result<Vec<u8>, TileError> {
    let TileKind::Hashes { level } = id.kind else {
        return Err(TileError::Path { path: id.to_string() });
    };
    let mut bytes = Vec::with_capacity(usize::from(id.width) * 32);
    for i in 0..u64::from(id.width) {
        let node = tree.node(u32::from(level) * 8, id.index * TILE_WIDTH + i);
        let node = node.ok_or_else(|| TileError::NotThere { path: id.to_string(), size: tree.size() })?;
        bytes.extend_from_slice(node.as_bytes());
    }
    Ok(bytes)
}

/// The bytes of a bundle of entries.
pub fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::new();
    for entry in entries {
        let len = u16::try_from(entry.len()).map_err(|_| TileError::EntryTooLong { len: entry.len() })?;
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The hashes in a tile.
pub fn parse_hash_tile<'a>(id: &TileId, bytes: &'a [u8]) -> Result<&'a [[u8; 32]], TileError> {
    let expected = usize::from(id.width) * 32;
    if bytes.len() == expected {
        Ok(bytes.as_chunks().0)
    } else {
        Err(TileError::Length { path: id.to_string(), len: bytes.len(), expected })
    }
}

/// The entries in a bundle.
pub fn parse_bundle<'a>(id: &TileId, bytes: &'a [u8]) -> Result<Vec<&'a [u8]>, TileError> {
    let damaged = |entry| TileError::Bundle { path: id.to_string(), entry, width: id.width };
    let mut entries = Vec::with_capacity(usize::from(id.width));
    let mut rest = bytes;
    for i in 0..usize::from(id.width) {
        let (len, after) = rest.split_first_chunk().ok_or_else(|| damaged(i))?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (entry, after) = after.split_at_checked(len).ok_or_else(|| damaged(i))?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(damaged(entries.len())) }
}

/// A log as seen through its tiles: a [`HashSource`] that asks the host for each tile it needs.
///
/// The tiles are not trusted: compare [`crate::prove::subtree_root`] over `[0, size)` with a signed checkpoint, or
/// check the proofs made from it against one.
///
/// ```
/// use ecosystem_audit::{Draft, Log, proof, prove, tiles};
/// let mut log = Log::new();
/// for i in 0..300 {
///     log.append(&Draft::new(i, "alice", "vm.start", format!("vm/{i}")))?;
/// }
/// let view = tiles::TileReader::new(300, |id: &tiles::TileId| tiles::hash_tile(log.tree(), id));
/// let hashes = prove::inclusion(&view, 7, (0, 300))?;
/// let leaf = log.tree().leaf(7).expect("entry 7 exists");
/// assert_eq!(proof::verify_inclusion(7, 300, &leaf, &hashes, &log.root()), Ok(()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TileReader<F> {
    size: u64,
    fetch: F,
}

impl<F> fmt::Debug for TileReader<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TileReader").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<'b, B: Into<Cow<'b, [u8]>>, F: Fn(&TileId) -> Result<B, TileError>> TileReader<F> {
    /// A log of this size whose tiles come from `fetch`.
    pub const fn new(size: u64, fetch: F) -> Self {
        Self { size, fetch }
    }

    /// All leaf hashes put into a tree, from the tiles of level 0.
    pub fn tree(&self) -> Result<Tree, TileError> {
        let mut tree = Tree::new();
        for index in 0..self.size.div_ceil(TILE_WIDTH) {
            let id = self.id(0, index)?;
            let bytes: Cow<'_, [u8]> = (self.fetch)(&id)?.into();
            for leaf in parse_hash_tile(&id, &bytes)? {
                tree.push(Hash::from_bytes(*leaf));
            }
        }
        Ok(tree)
    }

    fn id(&self, level: u8, index: u64) -> Result<TileId, TileError> {
        TileId::hashes(level, index, self.size)
            .ok_or_else(|| TileError::NotThere { path: format!("tile/{level}/{index}"), size: self.size })
    }
}

impl<'b, B: Into<Cow<'b, [u8]>>, F: Fn(&TileId) -> Result<B, TileError>> HashSource for TileReader<F> {
    type Error = TileError;

    fn node(&self, level: u32, index: u64) -> Result<Hash, TileError> {
        // The node is the root over 2^height neighbouring hashes of one tile.
        let height = level % 8;
        let first = index << height;
        let id = self.id(u8::try_from(level / 8).unwrap_or(u8::MAX), first / TILE_WIDTH)?;
        let bytes: Cow<'_, [u8]> = (self.fetch)(&id)?.into();
        let hashes = parse_hash_tile(&id, &bytes)?;
        let from = usize::try_from(first % TILE_WIDTH).unwrap_or(usize::MAX);
        let nodes = hashes.get(from..from + (1 << height));
        let nodes = nodes.ok_or_else(|| TileError::NotThere { path: id.to_string(), size: self.size })?;
        let mut nodes: Vec<Hash> = nodes.iter().copied().map(Hash::from_bytes).collect();
        while nodes.len() > 1 {
            nodes = nodes.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        Ok(nodes[0])
    }
}
