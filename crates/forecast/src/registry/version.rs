//! What is known about one version of a model.

use super::{ContentHash, RegistryError};
use std::collections::BTreeMap;

/// Where a version stands in its life.
///
/// ```text
/// Registered ─▶ Staged ─▶ Production ─▶ Archived
///      │          │            ▲            │
///      └──────────┴── archive ─┼──▶ Archived┤
///                 ▲            └─ rollback ─┤
///                 └──────── stage again ────┘
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Stage {
    /// Known, and nothing more.
    Registered,
    /// A candidate: may be tried beside production.
    Staged,
    /// The one that answers; at most one for each name.
    Production,
    /// Out of use; can be staged again, rolled back to if it was in production, or removed.
    Archived,
}

/// One version of one model.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VersionId {
    /// Name of the model.
    pub name: String,
    /// Number of the version, from 1, never given twice.
    pub version: u32,
}

/// What a model is and where it came from; stays as it was registered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Metadata {
    /// Kind of model and of its bytes, for who must read them: `tree/boosting`, `ets/json` …
    pub kind: String,
    /// Features it asks for, in order.
    pub features: Vec<String>,
    /// What it was trained on: a data set, a query, a hash.
    pub trained_on: String,
    /// Moment of the newest value it was trained on, milliseconds since 1970.
    pub trained_until_ms: u64,
    /// Anything else: settings, seed, owner …
    pub tags: BTreeMap<String, String>,
}

impl Metadata {
    pub(super) fn size(&self) -> usize {
        let tags = self.tags.iter().map(|(key, value)| key.len() + value.len() + 2);
        let features = self.features.iter().map(|feature| feature.len() + 1);
        self.kind.len() + self.trained_on.len() + tags.sum::<usize>() + features.sum::<usize>()
    }
}

/// What a score was measured by; only scores of the same measure on the same data can be compared.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Measure {
    /// Name of the measure: `mase`, `auc` …
    pub name: String,
    /// The data: a span, a hash …
    pub data: String,
}

impl Measure {
    /// A measure on data.
    pub fn new(name: impl Into<String>, data: impl Into<String>) -> Self {
        Self { name: name.into(), data: data.into() }
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "`{}` on `{}`", self.name, self.data)
    }
}

/// Which of two scores is better.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "there is no third direction")]
pub enum Better {
    /// An error.
    Lower,
    /// An accuracy.
    Higher,
}

/// What a version must show before it goes into production.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PromotionRule {
    measure: Measure,
    better: Better,
    margin: f64,
    bound: Option<f64>,
}

impl PromotionRule {
    /// The candidate's score must be there and, if a version is in production, no worse than that one's.
    pub const fn no_worse(measure: Measure, better: Better) -> Self {
        Self { measure, better, margin: 0.0, bound: None }
    }

    /// How much worse it may be, as a share of the present score's absolute value; negative: how much better it must be.
    /// −1 to 1.
    #[must_use]
    pub const fn with_margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// What it must reach whatever is in production, the first version too.
    #[must_use]
    pub const fn with_bound(mut self, bound: f64) -> Self {
        self.bound = Some(bound);
        self
    }

    pub(super) fn size(&self) -> usize {
        self.measure.name.len() + self.measure.data.len() + 24
    }

    pub(super) fn check(
        &self,
        candidate: &ModelVersion,
        present: Option<&ModelVersion>,
    ) -> Result<(), RegistryError> {
        let setting = |name, value, expected| Err(RegistryError::Setting { name, value, expected });
        if !(-1.0..=1.0).contains(&self.margin) {
            return setting("margin", self.margin, "a share from -1 to 1");
        }
        if let Some(bound) = self.bound.filter(|bound| !bound.is_finite()) {
            return setting("bound", bound, "a finite number");
        }
        let score = |of: &ModelVersion| {
            let missing = || RegistryError::NoScore { version: of.version, measure: self.measure.clone() };
            of.scores.get(&self.measure).copied().ok_or_else(missing)
        };
        let found = score(candidate)?;
        let demand = |needed: f64| match self.better {
            Better::Lower if found <= needed => Ok(()),
            Better::Higher if found >= needed => Ok(()),
            _ => Err(RegistryError::Worse {
                version: candidate.version,
                measure: self.measure.clone(),
                found,
                needed,
            }),
        };
        self.bound.map_or(Ok(()), demand)?;
        let Some(present) = present else { return Ok(()) };
        let (now, sign) = (score(present)?, if self.better == Better::Lower { 1.0 } else { -1.0 });
        // A score near the largest number times two is beyond it: no margin then.
        let needed = now + sign * self.margin * now.abs();
        demand(if needed.is_finite() { needed } else { now })
    }
}

/// A version as it stands.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ModelVersion {
    /// Its number, from 1.
    pub version: u32,
    /// Hash of its bytes.
    pub content: ContentHash,
    /// How many bytes these are.
    pub bytes: u64,
    /// What it is.
    pub metadata: Metadata,
    /// What it was made from, e.g. trained on from.
    pub parent: Option<VersionId>,
    /// Where it stands.
    pub stage: Stage,
    /// Number of the event that registered it: a parent's is smaller.
    pub registered: u64,
    /// When it was registered, milliseconds since 1970.
    pub registered_ms: u64,
    /// Since when it stands there.
    pub since_ms: u64,
    /// Its scores; a measure that is taken again replaces the older value.
    #[cfg_attr(feature = "serde", serde(with = "super::stored::pairs"))]
    pub scores: BTreeMap<Measure, f64>,
}

impl ModelVersion {
    /// What counts against [`Limits::metadata_bytes`](super::Limits).
    pub(super) fn size(&self) -> usize {
        let scores = self.scores.keys().map(|measure| measure.name.len() + measure.data.len() + 10);
        let parent = self.parent.as_ref().map_or(0, |parent| parent.name.len() + 4);
        self.metadata.size() + parent + scores.sum::<usize>()
    }
}
