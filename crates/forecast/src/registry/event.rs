//! Changes as plain data: what an audit log keeps, and what a registry is rebuilt from.

use super::{ContentHash, Measure, Metadata, PromotionRule, VersionId};

/// One change of a registry.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use = "nothing has changed yet: record the event, then `apply` it"]
pub struct RegistryEvent {
    /// Its number, from 0 without gaps: a lost or doubled event is noticed.
    pub sequence: u64,
    /// When, milliseconds since 1970; never before the event ahead of it.
    pub at_ms: u64,
    /// Which version of which model.
    pub subject: VersionId,
    /// What happened to it.
    pub change: RegistryChange,
}

/// What happened to a version.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum RegistryChange {
    /// It is known now.
    Registered {
        /// Hash of its bytes.
        content: ContentHash,
        /// How many bytes.
        bytes: u64,
        /// What it is.
        metadata: Metadata,
        /// What it was made from.
        parent: Option<VersionId>,
    },
    /// It was measured.
    Scored {
        /// By what, on what.
        measure: Measure,
        /// The score.
        value: f64,
    },
    /// It is a candidate now.
    Staged,
    /// It is in production now.
    Promoted {
        /// Version it took the place of, which is archived now.
        replaced: Option<u32>,
        /// Rule it passed; absent when it was promoted without one.
        rule: Option<PromotionRule>,
    },
    /// It is in production again.
    RolledBack {
        /// Version that was taken out, which is archived now.
        replaced: Option<u32>,
    },
    /// It is out of use.
    Archived,
    /// Nothing is known of it any more; its bytes may go if no other version has them.
    Removed,
}
