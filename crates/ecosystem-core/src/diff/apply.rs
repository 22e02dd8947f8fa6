//! The later map from the earlier one and a difference.

use super::{EcosystemDiff, component_differs, edge_differs};
use crate::component::Component;
use crate::dependency::Dependency;
use crate::ecosystem::{Ecosystem, EcosystemBuilder, EcosystemError};
use crate::rules::Rule;
use std::sync::Arc;

/// Why a difference does not fit the map it is applied to.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Something that the difference changes or removes is not as the difference remembers it.
    #[error("{what} is not as the difference expects it: {problem}; make the difference from this map")]
    Stale {
        /// The part, e.g. ``component `web` ``.
        what: String,
        /// `missing`, `already there` or `different`.
        problem: &'static str,
    },
    /// The parts do not make a map, e.g. because a removed component still has edges.
    #[error(transparent)]
    Invalid(#[from] EcosystemError),
}

impl EcosystemDiff {
    /// Makes the later map from the earlier one. Unchanged parts are shared with `base`; new parts come last. O(V + E).
    ///
    /// Every part that the difference changes or removes must be as the difference remembers it (evidence of
    /// components and places of evidence aside), and what it adds must not be there yet.
    pub fn apply(&self, base: &Ecosystem) -> Result<Ecosystem, ApplyError> {
        if let Some(name) = &self.name
            && *name.before != *base.name()
        {
            return Err(stale(format!("name `{}`", base.name()), "different"));
        }
        let name = self.name.as_ref().map_or_else(|| base.name().into(), |name| Arc::clone(&name.after));
        let components = self.apply_components(base)?;
        let dependencies = self.apply_edges(base)?;
        let rules = self.apply_rules(base)?;
        Ok(EcosystemBuilder::of_parts(name, components, dependencies, rules).build()?)
    }

    fn apply_components(&self, base: &Ecosystem) -> Result<Vec<Arc<Component>>, ApplyError> {
        let what = |c: &Component| format!("component `{}`", c.id);
        let mut parts: Vec<Option<Arc<Component>>> =
            base.shared_components().values().cloned().map(Some).collect();
        let replaced = self.changed.iter().map(|change| (&change.before, Some(&change.after)));
        for (before, after) in self.removed.iter().map(|c| (c, None)).chain(replaced) {
            let index = base.component_index(&before.id).ok_or_else(|| stale(what(before), "missing"))?;
            if parts[index].as_ref().is_none_or(|now| component_differs(before, now)) {
                return Err(stale(what(before), "different"));
            }
            parts[index] = after.cloned();
        }
        let mut parts: Vec<Arc<Component>> = parts.into_iter().flatten().collect();
        for component in &self.added {
            if base.component(&component.id).is_some() {
                return Err(stale(what(component), "already there"));
            }
            parts.push(Arc::clone(component));
        }
        Ok(parts)
    }

    fn apply_edges(&self, base: &Ecosystem) -> Result<Vec<Arc<Dependency>>, ApplyError> {
        let what = |d: &Dependency| format!("{} dependency of `{}` on `{}`", d.kind, d.from, d.to);
        let mut parts: Vec<Option<Arc<Dependency>>> =
            base.shared_dependencies().iter().cloned().map(Some).collect();
        let replaced = self.edges_changed.iter().map(|change| (&change.before, Some(&change.after)));
        for (before, after) in self.edges_removed.iter().map(|d| (d, None)).chain(replaced) {
            let position = base
                .dependency_position(&before.from, &before.to, before.kind)
                .ok_or_else(|| stale(what(before), "missing"))?;
            if parts[position].as_ref().is_none_or(|now| edge_differs(before, now)) {
                return Err(stale(what(before), "different"));
            }
            parts[position] = after.cloned();
        }
        let mut parts: Vec<Arc<Dependency>> = parts.into_iter().flatten().collect();
        for edge in &self.edges_added {
            if base.dependency_position(&edge.from, &edge.to, edge.kind).is_some() {
                return Err(stale(what(edge), "already there"));
            }
            parts.push(Arc::clone(edge));
        }
        Ok(parts)
    }

    fn apply_rules(&self, base: &Ecosystem) -> Result<Vec<Rule>, ApplyError> {
        let what = |rule: &Rule| format!("rule `{}`", rule.name);
        let rules = base.rules();
        let mut parts: Vec<Option<Rule>> = rules.iter().cloned().map(Some).collect();
        let mut found = vec![false; rules.len()];
        let replaced = self.rules_changed.iter().map(|change| (&change.before, Some(&change.after)));
        // Looked for in the base, never among what was replaced already; from the last, because of several equal
        // rules it is the later ones that a difference removes.
        for (before, after) in self.rules_removed.iter().map(|r| (r, None)).chain(replaced.rev()) {
            let position = (0..rules.len())
                .rfind(|&ix| !found[ix] && rules[ix] == *before)
                .ok_or_else(|| stale(what(before), "missing"))?;
            found[position] = true;
            parts[position] = after.cloned();
        }
        let mut parts: Vec<Rule> = parts.into_iter().flatten().collect();
        parts.extend(self.rules_added.iter().cloned());
        Ok(parts)
    }
}

fn stale(what: String, problem: &'static str) -> ApplyError {
    ApplyError::Stale { what, problem }
}
