//! Edges of the map: who needs whom, how, and how we know.

use crate::finding::{Confidence, Evidence};
use crate::id::ComponentId;
use crate::units::Micros;
use std::fmt;
use std::sync::Arc;

/// What an edge means. The same two components may be joined by several kinds.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum DependencyKind {
    /// `to` must run before `from` starts.
    StartOrder,
    /// `from` calls `to`.
    Call,
    /// `from` reads or writes data that `to` holds or passes on.
    Data,
    /// `from` shares a volume with `to`.
    Volume,
}

impl DependencyKind {
    /// The kind's name as it is written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StartOrder => "start-order",
            Self::Call => "call",
            Self::Data => "data",
            Self::Volume => "volume",
        }
    }

    /// All kinds in the order of declaration.
    pub const ALL: [Self; 4] = [Self::StartOrder, Self::Call, Self::Data, Self::Volume];
}

impl fmt::Display for DependencyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether `from` can do its work without `to`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "a dependency is needed or it is not")]
pub enum Strength {
    /// `from` works in a degraded way without `to`.
    Soft,
    /// `from` fails without `to`.
    #[default]
    Hard,
}

/// How a call is made; decides how much distance hurts.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "the three modes of the proximity formula")]
pub enum CallMode {
    /// The caller waits for the answer.
    #[default]
    Synchronous,
    /// Through a queue; nobody waits.
    Queued,
    /// Now and then, in bulk.
    Batch,
}

/// How far `to` must be before `from` starts; later ones ask for more.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "the conditions of the Compose Specification")]
pub enum StartCondition {
    /// Its start has been asked for.
    #[default]
    Started,
    /// It says that it is healthy.
    Healthy,
    /// It has run to its end without an error.
    Completed,
}

impl StartCondition {
    /// The condition's name as it is written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Completed => "completed",
        }
    }

    /// All conditions in the order of declaration.
    pub const ALL: [Self; 3] = [Self::Started, Self::Healthy, Self::Completed];
}

impl fmt::Display for StartCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An edge from the component that calls (or needs) to the one that is called (or needed).
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Dependency {
    /// The component that needs the other.
    pub from: ComponentId,
    /// The component that is needed.
    pub to: ComponentId,
    /// What the edge means.
    pub kind: DependencyKind,
    /// Whether `from` fails without `to`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub strength: Strength,
    /// How the call is made.
    #[cfg_attr(feature = "serde", serde(default))]
    pub mode: CallMode,
    /// How far `to` must be before `from` starts; for start-order edges.
    #[cfg_attr(feature = "serde", serde(default))]
    pub condition: StartCondition,
    /// Protocol in lower case; empty = not stated.
    #[cfg_attr(feature = "serde", serde(default))]
    pub protocol: Arc<str>,
    /// Port of `to`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub port: Option<u16>,
    /// Calls per 1,000 seconds; 0 = not known.
    #[cfg_attr(feature = "serde", serde(default))]
    pub calls_per_1000_s: u64,
    /// Traffic both ways in bytes per second; 0 = not known.
    #[cfg_attr(feature = "serde", serde(default))]
    pub bytes_per_s: u64,
    /// Bytes of one call, question and answer together; 0 = not known.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_zero"))]
    pub payload_bytes: u64,
    /// Longest one-way network latency that still serves; `None` = not stated.
    #[cfg_attr(feature = "serde", serde(default))]
    pub latency_budget: Option<Micros>,
    /// Calls of `to` per 1,000 calls of `from`; `None` = not known.
    #[cfg_attr(feature = "serde", serde(default))]
    pub fan_out_permille: Option<u64>,
    /// What the edge rests on; never empty in an ecosystem.
    #[cfg_attr(feature = "serde", serde(default))]
    pub evidence: Vec<Evidence>,
}

#[cfg(feature = "serde")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in references")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Dependency {
    /// A hard, synchronous dependency declared by a program.
    pub fn new(from: ComponentId, to: ComponentId, kind: DependencyKind) -> Self {
        Self {
            from,
            to,
            kind,
            strength: Strength::default(),
            mode: CallMode::default(),
            condition: StartCondition::default(),
            protocol: Arc::default(),
            port: None,
            calls_per_1000_s: 0,
            bytes_per_s: 0,
            payload_bytes: 0,
            latency_budget: None,
            fan_out_permille: None,
            evidence: vec![Evidence::declared()],
        }
    }

    /// The best confidence of its evidence; low without any.
    pub fn confidence(&self) -> Confidence {
        self.evidence.iter().map(|e| e.confidence).max().unwrap_or(Confidence::Low)
    }
}
