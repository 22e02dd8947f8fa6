//! A registry from outside is checked before it is one.

use super::state::Model;
use super::{Limits, ModelVersion, Registry, RegistryError, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// The shape that is read.
#[derive(serde::Deserialize)]
pub(super) struct Stored {
    limits: Limits,
    next: u64,
    last_ms: u64,
    models: BTreeMap<String, Model>,
}

impl TryFrom<Stored> for Registry {
    type Error = RegistryError;

    fn try_from(stored: Stored) -> Result<Self, RegistryError> {
        let Stored { limits, next, last_ms, models } = stored;
        let registry = Self { limits, next, last_ms, models };
        demand(registry.models.len() <= registry.limits.names, "number of names")?;
        for (name, model) in &registry.models {
            registry.check_name(name)?;
            check_stages(model, registry.limits.versions)?;
            let mut contents = BTreeSet::new();
            for (number, version) in &model.versions {
                demand(version.version == *number && *number >= 1, "number of a version")?;
                demand(contents.insert(version.content), "content that two versions have")?;
                registry.check_size(version.size())?;
                registry.check_version(version)?;
            }
        }
        Ok(registry)
    }
}

impl Registry {
    fn check_version(&self, version: &ModelVersion) -> Result<(), RegistryError> {
        let times = version.registered_ms <= version.since_ms && version.since_ms <= self.last_ms;
        demand(times && version.registered < self.next, "time of a version")?;
        demand(version.scores.values().all(|score| score.is_finite()), "score without a value")?;
        let Some(parent) = &version.parent else { return Ok(()) };
        // A parent that was removed is only a number that was given once.
        let model = self.models.get(&parent.name);
        demand(model.is_some_and(|model| parent.version <= model.last), "parent of a version")?;
        let parent = model.and_then(|model| model.versions.get(&parent.version));
        demand(parent.is_none_or(|parent| parent.registered < version.registered), "order of lineage")
    }
}

fn check_stages(model: &Model, most: usize) -> Result<(), RegistryError> {
    demand(model.versions.len() <= most, "number of versions")?;
    demand(model.versions.keys().next_back().is_none_or(|newest| *newest <= model.last), "last number")?;
    let stage = |number: &u32| model.versions.get(number).map(|version| version.stage);
    let in_production = model.versions.values().filter(|version| version.stage == Stage::Production).count();
    demand(in_production == usize::from(model.production.is_some()), "number of versions in production")?;
    demand(model.production.is_none_or(|n| stage(&n) == Some(Stage::Production)), "version in production")?;
    demand(model.earlier.iter().all(|n| stage(n) == Some(Stage::Archived)), "earlier version")?;
    let distinct: BTreeSet<u32> = model.earlier.iter().copied().collect();
    demand(distinct.len() == model.earlier.len(), "earlier versions")
}

const fn demand(right: bool, what: &'static str) -> Result<(), RegistryError> {
    if right { Ok(()) } else { Err(RegistryError::Inconsistent { what }) }
}

/// Scores as pairs: a measure is no text, which keys of JSON must be.
pub(super) mod pairs {
    use super::super::Measure;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;

    pub(in super::super) fn serialize<S: Serializer>(
        scores: &BTreeMap<Measure, f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(scores)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Measure, f64>, D::Error> {
        Ok(Vec::<(Measure, f64)>::deserialize(deserializer)?.into_iter().collect())
    }
}
