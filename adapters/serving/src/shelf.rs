//! The models that are loaded.

use crate::problem::Problem;
use ecosystem_forecast::registry::ContentHash;
use ecosystem_forecast::serve::{ModelFormat, Servable};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A loaded model. Never changed: a replacement is another one.
#[derive(Debug)]
pub(crate) struct Shelved {
    pub(crate) version: u32,
    pub(crate) format: ModelFormat,
    pub(crate) content: ContentHash,
    pub(crate) bytes: usize,
    pub(crate) model: Arc<Servable>,
}

/// Models by name and version, bounded in number and bytes.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    models: BTreeMap<String, BTreeMap<u32, Arc<Shelved>>>,
    count: usize,
    bytes: usize,
}

impl Shelf {
    /// Puts a model in, in the place of one of the same name and version; true when there was none.
    pub(crate) fn put(&mut self, name: &str, model: Shelved, most: (usize, usize)) -> Result<bool, Problem> {
        let before = self.find(name, model.version).map(|it| it.bytes);
        let count = self.count + usize::from(before.is_none());
        let bytes = self.bytes - before.unwrap_or(0) + model.bytes;
        if count > most.0 || bytes > most.1 {
            return Err(Problem::ShelfFull { models: self.count, bytes: self.bytes });
        }
        (self.count, self.bytes) = (count, bytes);
        self.models.entry(name.to_owned()).or_default().insert(model.version, Arc::new(model));
        Ok(before.is_none())
    }

    pub(crate) fn find(&self, name: &str, version: u32) -> Option<&Arc<Shelved>> {
        self.models.get(name)?.get(&version)
    }

    /// The highest version.
    pub(crate) fn latest(&self, name: &str) -> Option<&Arc<Shelved>> {
        Some(self.models.get(name)?.last_key_value()?.1)
    }

    pub(crate) fn remove(&mut self, name: &str, version: u32) -> Option<Arc<Shelved>> {
        let versions = self.models.get_mut(name)?;
        let gone = versions.remove(&version)?;
        if versions.is_empty() {
            self.models.remove(name);
        }
        (self.count, self.bytes) = (self.count - 1, self.bytes - gone.bytes);
        Some(gone)
    }

    /// Number of models and their bytes.
    pub(crate) const fn size(&self) -> (usize, usize) {
        (self.count, self.bytes)
    }

    pub(crate) fn list(&self) -> Value {
        let all = self.models.iter().flat_map(|(name, versions)| versions.values().map(|it| it.shown(name)));
        json!({"models": all.collect::<Vec<_>>()})
    }
}

impl Shelved {
    pub(crate) fn shown(&self, name: &str) -> Value {
        let mut shown = json!({
            "name": name, "version": self.version, "format": self.format.name(),
            "content": self.content.to_string(), "bytes": self.bytes,
        });
        if let Servable::Rows(inference) = &*self.model {
            shown["features"] = inference.features().into();
        }
        shown
    }
}
