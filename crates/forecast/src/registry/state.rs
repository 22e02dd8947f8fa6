//! The state machine: changes are prepared, recorded, applied.

use super::{
    ContentHash, Measure, Metadata, ModelVersion, PromotionRule, RegistryChange, RegistryError,
    RegistryEvent, Stage, VersionId,
};
use std::collections::{BTreeMap, BTreeSet};

/// How much a registry holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// Most names. A name stays for ever, so that no version number is given twice.
    pub names: usize,
    /// Most versions of one name at a time.
    pub versions: usize,
    /// Longest name.
    pub name_bytes: usize,
    /// Most bytes of metadata, scores and parent of one version; of a rule, too.
    pub metadata_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { names: 10_000, versions: 1_000, name_bytes: 256, metadata_bytes: 16_384 }
    }
}

/// All versions of one name.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Model {
    /// The last number given.
    pub(super) last: u32,
    pub(super) production: Option<u32>,
    /// Archived versions that were in production, in the order they left it.
    pub(super) earlier: Vec<u32>,
    pub(super) versions: BTreeMap<u32, ModelVersion>,
}

/// Versions of models, their stages, scores and lineage.
///
/// Every change has two steps: a method such as [`promote`](Self::promote) checks it and gives the [`RegistryEvent`], changing
/// nothing; [`apply`](Self::apply) checks and executes the event. In between the host makes the event durable. So nothing
/// happens that is not on record, and [`replay`](Self::replay) of the record gives the same registry. Looking up is
/// O(log n), registering O(versions of the name).
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "super::stored::Stored")
)]
pub struct Registry {
    pub(super) limits: Limits,
    /// Number of the next event.
    pub(super) next: u64,
    pub(super) last_ms: u64,
    pub(super) models: BTreeMap<String, Model>,
}

impl Registry {
    /// An empty registry.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// The registry that these events lead to.
    pub fn replay<'a>(
        limits: Limits,
        events: impl IntoIterator<Item = &'a RegistryEvent>,
    ) -> Result<Self, RegistryError> {
        let mut registry = Self::new(limits);
        events.into_iter().try_for_each(|event| registry.apply(event))?;
        Ok(registry)
    }

    /// Prepares the next version of a model, whose bytes are at the host's store already.
    pub fn register(
        &self,
        at_ms: u64,
        name: &str,
        model: (ContentHash, u64),
        metadata: Metadata,
        parent: Option<VersionId>,
    ) -> Result<RegistryEvent, RegistryError> {
        let version = self.models.get(name).map_or(0, |model| model.last).saturating_add(1);
        let (content, bytes) = model;
        self.prepare(at_ms, name, version, RegistryChange::Registered { content, bytes, metadata, parent })
    }

    /// Prepares a score (a finite number) of a version that is not removed.
    pub fn score(
        &self,
        at_ms: u64,
        name: &str,
        version: u32,
        measure: Measure,
        value: f64,
    ) -> Result<RegistryEvent, RegistryError> {
        self.prepare(at_ms, name, version, RegistryChange::Scored { measure, value })
    }

    /// Prepares making a registered or archived version a candidate.
    pub fn stage(&self, at_ms: u64, name: &str, version: u32) -> Result<RegistryEvent, RegistryError> {
        self.prepare(at_ms, name, version, RegistryChange::Staged)
    }

    /// Prepares putting a staged version into production, in place of the one that is there, if the rule allows it.
    pub fn promote(
        &self,
        at_ms: u64,
        name: &str,
        version: u32,
        rule: Option<PromotionRule>,
    ) -> Result<RegistryEvent, RegistryError> {
        let replaced = self.models.get(name).and_then(|model| model.production);
        self.prepare(at_ms, name, version, RegistryChange::Promoted { replaced, rule })
    }

    /// Prepares going back to the version that was in production before (and was neither removed nor staged since).
    pub fn roll_back(&self, at_ms: u64, name: &str) -> Result<RegistryEvent, RegistryError> {
        let model = self.model(name)?;
        let earlier =
            model.earlier.last().ok_or_else(|| RegistryError::NoEarlier { name: name.to_owned() })?;
        self.prepare(at_ms, name, *earlier, RegistryChange::RolledBack { replaced: model.production })
    }

    /// Prepares taking a version out of use, also out of production.
    pub fn archive(&self, at_ms: u64, name: &str, version: u32) -> Result<RegistryEvent, RegistryError> {
        self.prepare(at_ms, name, version, RegistryChange::Archived)
    }

    /// Prepares forgetting an archived version; lineage through it ends there.
    pub fn remove(&self, at_ms: u64, name: &str, version: u32) -> Result<RegistryEvent, RegistryError> {
        self.prepare(at_ms, name, version, RegistryChange::Removed)
    }

    /// Executes an event, fresh or from the record. On error nothing has changed.
    pub fn apply(&mut self, event: &RegistryEvent) -> Result<(), RegistryError> {
        self.check(event)?;
        self.next += 1;
        self.last_ms = event.at_ms;
        let (number, at_ms) = (event.subject.version, event.at_ms);
        if let RegistryChange::Registered { content, bytes, metadata, parent } = &event.change {
            let model = self.models.entry(event.subject.name.clone()).or_default();
            model.last = number;
            model.versions.insert(
                number,
                ModelVersion {
                    version: number,
                    content: *content,
                    bytes: *bytes,
                    metadata: metadata.clone(),
                    parent: parent.clone(),
                    stage: Stage::Registered,
                    registered: event.sequence,
                    registered_ms: at_ms,
                    since_ms: at_ms,
                    scores: BTreeMap::new(),
                },
            );
        } else if let Some(model) = self.models.get_mut(&event.subject.name) {
            model.change(number, at_ms, &event.change);
        }
        Ok(())
    }

    fn prepare(
        &self,
        at_ms: u64,
        name: &str,
        version: u32,
        change: RegistryChange,
    ) -> Result<RegistryEvent, RegistryError> {
        let subject = VersionId { name: name.to_owned(), version };
        // A clock that steps back stands still.
        let event = RegistryEvent { sequence: self.next, at_ms: at_ms.max(self.last_ms), subject, change };
        self.check(&event)?;
        Ok(event)
    }

    fn check(&self, event: &RegistryEvent) -> Result<(), RegistryError> {
        if event.sequence != self.next {
            return Err(RegistryError::Sequence { expected: self.next, found: event.sequence });
        }
        if event.at_ms < self.last_ms {
            return Err(RegistryError::Inconsistent { what: "time of an event before that of the last" });
        }
        let VersionId { name, version } = &event.subject;
        if let RegistryChange::Registered { content, metadata, parent, .. } = &event.change {
            return self.check_new(name, *version, content, metadata, parent.as_ref());
        }
        let model = self.model(name)?;
        let found = self.version(name, *version)?;
        let stands = |right: bool, expected| {
            let from = found.stage;
            if right { Ok(()) } else { Err(RegistryError::Transition { version: *version, from, expected }) }
        };
        let takes_place_of = |replaced: &Option<u32>| {
            let what = "version that is said to be replaced";
            if *replaced == model.production { Ok(()) } else { Err(RegistryError::Inconsistent { what }) }
        };
        match &event.change {
            RegistryChange::Registered { .. } => Ok(()),
            RegistryChange::Scored { measure, value } => self.check_score(found, measure, *value),
            RegistryChange::Staged => {
                stands(matches!(found.stage, Stage::Registered | Stage::Archived), "Registered or Archived")
            }
            RegistryChange::Promoted { replaced, rule } => {
                stands(found.stage == Stage::Staged, "Staged")?;
                takes_place_of(replaced)?;
                let Some(rule) = rule else { return Ok(()) };
                self.check_size(rule.size())?;
                rule.check(found, replaced.and_then(|present| model.versions.get(&present)))
            }
            RegistryChange::RolledBack { replaced } => {
                takes_place_of(replaced)?;
                stands(model.earlier.last() == Some(version), "the last one that left production")
            }
            RegistryChange::Archived => stands(found.stage != Stage::Archived, "any stage but Archived"),
            RegistryChange::Removed => stands(found.stage == Stage::Archived, "Archived"),
        }
    }

    fn check_new(
        &self,
        name: &str,
        version: u32,
        content: &ContentHash,
        metadata: &Metadata,
        parent: Option<&VersionId>,
    ) -> Result<(), RegistryError> {
        self.check_name(name)?;
        let limit = |what, found, limit| {
            if found > limit { Err(RegistryError::Limit { what, found, limit }) } else { Ok(()) }
        };
        let empty = Model::default();
        let model = self.models.get(name).unwrap_or(&empty);
        let names = self.models.len() + usize::from(!self.models.contains_key(name));
        limit("names", names, self.limits.names)?;
        limit("versions of the model", model.versions.len() + 1, self.limits.versions)?;
        if model.last.checked_add(1) != Some(version) {
            return Err(RegistryError::Inconsistent { what: "number of a new version" });
        }
        if let Some(same) = model.versions.values().find(|other| other.content == *content) {
            return Err(RegistryError::SameContent { version: same.version });
        }
        let parent_size = match parent {
            Some(parent) => {
                self.version(&parent.name, parent.version)?;
                parent.name.len() + 4
            }
            None => 0,
        };
        self.check_size(metadata.size() + parent_size)
    }

    pub(super) fn check_name(&self, name: &str) -> Result<(), RegistryError> {
        let (bytes, limit) = (name.len(), self.limits.name_bytes);
        if bytes == 0 || bytes > limit || name.chars().any(char::is_control) {
            return Err(RegistryError::Name { bytes, limit });
        }
        Ok(())
    }

    pub(super) fn check_size(&self, found: usize) -> Result<(), RegistryError> {
        let limit = self.limits.metadata_bytes;
        if found > limit {
            return Err(RegistryError::Limit { what: "bytes of metadata", found, limit });
        }
        Ok(())
    }

    fn check_score(&self, of: &ModelVersion, measure: &Measure, value: f64) -> Result<(), RegistryError> {
        if !value.is_finite() {
            return Err(RegistryError::Setting { name: "score", value, expected: "a finite number" });
        }
        let new =
            if of.scores.contains_key(measure) { 0 } else { measure.name.len() + measure.data.len() + 10 };
        self.check_size(of.size() + new)
    }

    fn model(&self, name: &str) -> Result<&Model, RegistryError> {
        self.models.get(name).ok_or_else(|| RegistryError::UnknownModel { name: name.to_owned() })
    }
}

/// Looking up.
impl Registry {
    /// Names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.models.keys().map(String::as_str)
    }

    /// Versions of a model, oldest first.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = &ModelVersion> {
        self.models.get(name).into_iter().flat_map(|model| model.versions.values())
    }

    /// One version.
    pub fn version(&self, name: &str, version: u32) -> Result<&ModelVersion, RegistryError> {
        let unknown = || RegistryError::UnknownVersion { name: name.to_owned(), version };
        self.model(name)?.versions.get(&version).ok_or_else(unknown)
    }

    /// The version in production.
    pub fn production(&self, name: &str) -> Option<&ModelVersion> {
        let model = self.models.get(name)?;
        model.versions.get(&model.production?)
    }

    /// What a version was made from, nearest first, as far as it is still known. It ends: a parent is always older.
    pub fn lineage(&self, name: &str, version: u32) -> Vec<VersionId> {
        let parent = |name: &str, version| self.version(name, version).ok().and_then(|v| v.parent.clone());
        std::iter::successors(parent(name, version), |id| parent(&id.name, id.version)).collect()
    }

    /// Bytes that versions have, each once.
    pub fn contents(&self) -> BTreeSet<ContentHash> {
        self.models
            .values()
            .flat_map(|model| model.versions.values())
            .map(|version| version.content)
            .collect()
    }

    /// How many events it has taken.
    pub const fn events(&self) -> u64 {
        self.next
    }
}

impl Model {
    /// Executes what was checked.
    fn change(&mut self, number: u32, at_ms: u64, change: &RegistryChange) {
        match change {
            RegistryChange::Registered { .. } => {}
            RegistryChange::Scored { measure, value } => {
                if let Some(version) = self.versions.get_mut(&number) {
                    version.scores.insert(measure.clone(), *value);
                }
            }
            RegistryChange::Staged => {
                self.earlier.retain(|earlier| *earlier != number);
                self.put(number, Stage::Staged, at_ms);
            }
            RegistryChange::Promoted { .. } => {
                if let Some(replaced) = self.production.replace(number) {
                    self.earlier.push(replaced);
                    self.put(replaced, Stage::Archived, at_ms);
                }
                self.put(number, Stage::Production, at_ms);
            }
            RegistryChange::RolledBack { .. } => {
                self.earlier.pop();
                // What was taken out for its faults is nothing to go back to.
                if let Some(replaced) = self.production.replace(number) {
                    self.put(replaced, Stage::Archived, at_ms);
                }
                self.put(number, Stage::Production, at_ms);
            }
            RegistryChange::Archived => {
                if self.production == Some(number) {
                    self.production = None;
                    self.earlier.push(number);
                }
                self.put(number, Stage::Archived, at_ms);
            }
            RegistryChange::Removed => {
                self.earlier.retain(|earlier| *earlier != number);
                self.versions.remove(&number);
            }
        }
    }

    fn put(&mut self, number: u32, stage: Stage, at_ms: u64) {
        if let Some(version) = self.versions.get_mut(&number) {
            (version.stage, version.since_ms) = (stage, at_ms);
        }
    }
}
