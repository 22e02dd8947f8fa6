//! Names under which services reach each other.

use super::super::draft::Draft;
use super::super::report::Report;
use super::super::tree::At;
use crate::id::ComponentId;
use std::collections::BTreeMap;

/// Service names, container names, host names and network aliases.
#[derive(Debug, Default)]
pub(super) struct Names {
    all: BTreeMap<String, Vec<ComponentId>>,
}

impl Names {
    pub(super) fn new(services: &At<'_>, report: &mut Report) -> Self {
        let mut names = Self::default();
        for (name, _, at) in services.entries() {
            let Some(id) = Draft::id(name, &at, report) else { continue };
            names.add(name, &id);
            for key in ["container_name", "hostname"] {
                if let Some(other) = at.text_of(key) {
                    names.add(other, &id);
                }
            }
            for (_, _, network) in at.get("networks").iter().flat_map(At::entries) {
                for alias in network.get("aliases").iter().flat_map(At::items) {
                    names.add(alias.text().unwrap_or_default(), &id);
                }
            }
        }
        names
    }

    fn add(&mut self, name: &str, id: &ComponentId) {
        let ids = self.all.entry(name.to_owned()).or_default();
        if !name.is_empty() && !ids.contains(id) {
            ids.push(id.clone());
        }
    }

    pub(super) fn get(&self, name: &str) -> &[ComponentId] {
        self.all.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}
