//! Which edges of a map an analysis looks at.

use super::digraph::Digraph;
use crate::dependency::{Dependency, DependencyKind, Strength};
use crate::ecosystem::Ecosystem;
use std::borrow::Cow;

/// A set of edges, chosen by kind and strength.
///
/// # Example
/// ```
/// use ecosystem_core::{DependencyKind, Strength, analysis::EdgeSelection};
///
/// let calls = EdgeSelection::of(&[DependencyKind::Call]).hard_only();
/// assert!(calls.contains(DependencyKind::Call, Strength::Hard));
/// assert!(!calls.contains(DependencyKind::Call, Strength::Soft));
/// assert!(EdgeSelection::ORDER.contains(DependencyKind::StartOrder, Strength::Soft));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct EdgeSelection(u8);

impl EdgeSelection {
    /// Every edge.
    pub const ALL: Self = Self(0xff);
    /// What matters while components run: call, data and volume edges.
    pub const RUNTIME: Self = Self(0b1110_1110);
    /// What matters when components start: start-order edges, and call and data edges without which `from` fails.
    pub const ORDER: Self = Self(0b0111_0001);

    /// Edges of some kinds, whatever their strength.
    #[must_use]
    pub fn of(kinds: &[DependencyKind]) -> Self {
        Self(kinds.iter().fold(0, |bits, &kind| bits | 0b0001_0001 << (kind as u8)))
    }

    /// The same kinds, only where `from` fails without `to`.
    #[must_use]
    pub const fn hard_only(self) -> Self {
        Self(self.0 & 0xf0)
    }

    /// Edges that belong to both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// True if edges of this kind and strength belong to the set.
    pub fn contains(self, kind: DependencyKind, strength: Strength) -> bool {
        self.has(Self::tag_of(kind, strength))
    }

    /// The chosen edges of a map as a graph; edge numbers are positions in
    /// [`Ecosystem::dependencies`]. O(V + E).
    pub fn graph(self, ecosystem: &Ecosystem) -> Digraph {
        self.view(ecosystem).into_owned()
    }

    /// [`Self::graph`] without a copy where the map has no other edges.
    pub(crate) fn view(self, ecosystem: &Ecosystem) -> Cow<'_, Digraph> {
        let topology = ecosystem.topology();
        if topology.kinds & !self.0 == 0 {
            return Cow::Borrowed(&topology.out);
        }
        Cow::Owned(topology.out.filtered(|_, _, id| self.has(topology.tags[id as usize])))
    }

    /// Those of a set of tags, given as bits, that belong to the set.
    pub(crate) const fn of_tags(self, tags: u8) -> u8 {
        self.0 & tags
    }

    /// True if one of a set of tags, given as bits, belongs to the set.
    pub(crate) const fn has_any_of(self, tags: u8) -> bool {
        self.0 & tags != 0
    }

    /// Number 0–7 of an edge's kind and strength.
    pub(crate) fn tag(edge: &Dependency) -> u8 {
        Self::tag_of(edge.kind, edge.strength)
    }

    pub(crate) const fn has(self, tag: u8) -> bool {
        self.0 >> tag & 1 == 1
    }

    /// Number of the kind in a tag.
    pub(crate) const fn kind_of(tag: u8) -> usize {
        (tag & 3) as usize
    }

    const fn tag_of(kind: DependencyKind, strength: Strength) -> u8 {
        kind as u8 + if matches!(strength, Strength::Hard) { 4 } else { 0 }
    }
}
