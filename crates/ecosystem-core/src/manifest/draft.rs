//! What the formats read into: components, edges and rules with their places, checked together at the end.

use super::report::{Report, nearest};
use super::tree::At;
use crate::component::Component;
use crate::dependency::{Dependency, DependencyKind};
use crate::ecosystem::Ecosystem;
use crate::finding::Place;
use crate::id::ComponentId;
use crate::rules::Rule;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// Bytes of values that are searched for names, each counted as often as aliases and shared configuration repeat it.
const SEARCHED_MAX: u64 = 512 << 20;

/// The parts of an ecosystem before its names are resolved.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) components: IndexMap<ComponentId, (Component, Place)>,
    pub(crate) dependencies: Vec<(Dependency, Place)>,
    pub(crate) rules: Vec<(Rule, Place)>,
    /// Pairs between which nothing is to be inferred.
    pub(crate) settled: BTreeSet<(ComponentId, ComponentId)>,
    /// Components whose ports and budgets are known; what was generated from them adds nothing.
    pub(crate) whole: BTreeSet<ComponentId>,
    /// How many edges are taken.
    pub(crate) edges_max: usize,
    /// Where the first edge was that found no room.
    pub(crate) overflow: Option<Place>,
    /// Cost of the values that were searched for names.
    pub(crate) searched: u64,
    /// Edges of which no others are to be inferred.
    pub(crate) finished: Vec<(Dependency, Place)>,
}

impl Draft {
    /// A component name out of a text; a text that is no name is a finding.
    pub(crate) fn id(text: &str, at: &At<'_>, report: &mut Report) -> Option<ComponentId> {
        match ComponentId::new(text) {
            Ok(id) => Some(id),
            Err(error) => {
                report.add(
                    "E1105",
                    at,
                    error.to_string(),
                    "choose a name of letters, digits and `- _ . / : @ +`",
                );
                None
            }
        }
    }

    /// Adds an edge that says all there is to say between its two ends.
    pub(crate) fn declare(&mut self, edge: Dependency, place: Place) {
        self.settled.insert((edge.from.clone(), edge.to.clone()));
        self.finished.push((edge, place));
    }

    /// Adds an edge of which no others are to be inferred: what was inferred once is written down beside it.
    pub(crate) fn carry(&mut self, edge: Dependency, place: Place) {
        if self.has_room() {
            self.finished.push((edge, place));
        } else {
            self.overflow.get_or_insert(place);
        }
    }

    /// Adds an edge; beyond the budget it is only noted that there are more.
    pub(crate) fn connect(&mut self, edge: Dependency, place: Place) {
        let ends = |a: &ComponentId, b: &ComponentId| (a.clone(), b.clone());
        // a shared volume has no direction of its own
        let turned =
            edge.kind == DependencyKind::Volume && self.settled.contains(&ends(&edge.to, &edge.from));
        if turned || self.settled.contains(&ends(&edge.from, &edge.to)) {
            return;
        }
        if self.has_room() {
            self.dependencies.push((edge, place));
        } else {
            self.overflow.get_or_insert(place);
        }
    }

    /// False once there are so many edges that no more are taken: loops over pairs can end.
    pub(crate) const fn has_room(&self) -> bool {
        self.dependencies.len() + self.finished.len() < self.edges_max
    }

    /// Takes from what all values together may cost to search; false once it is used up.
    pub(crate) fn may_search(&mut self, value: &str, place: impl FnOnce() -> Place) -> bool {
        let cost = value.len() as u64 + 64;
        if self.has_room() && self.searched.saturating_add(cost) <= SEARCHED_MAX {
            self.searched += cost;
            return true;
        }
        self.overflow.get_or_insert_with(place);
        false
    }

    /// Adds a component. One that is known already keeps what it says and is completed by the new one.
    pub(crate) fn add(&mut self, mut component: Component, place: Place, report: &mut Report) {
        let needs = &mut component.requirements;
        for amounts in [&mut needs.request, &mut needs.limit, &mut needs.minimum, &mut needs.burst] {
            // `gpu: 0` says as much as nothing, and is written as nothing
            amounts.extended.retain(|_, amount| *amount > 0);
        }
        match self.components.get_mut(&component.id) {
            None => {
                self.components.insert(component.id.clone(), (component, place));
            }
            Some((known, first)) => {
                let message = format!("component `{}` is defined again, first at {first}", component.id);
                report.add_at(
                    "W1111",
                    place,
                    message,
                    "the first definition is kept and completed by this one",
                );
                complete(known, component);
            }
        }
    }

    /// Resolves all names and builds the map. Errors are in the report, too.
    pub(crate) fn finish(mut self, report: &mut Report) -> Option<Ecosystem> {
        if let Some(place) = self.overflow.take() {
            let (edges, bytes) = (self.edges_max, SEARCHED_MAX);
            let message = format!("more than {edges} edges, or more than {bytes} bytes of values to search");
            let remedy = "repeat less by aliases and selectors, or raise `budgets.edges`";
            report.add_at("E1121", place, message, remedy);
            return None;
        }
        self.check_components(report);
        self.check_dependencies(report);
        self.check_rules(report);
        if report.has_errors() {
            return None;
        }
        let mut builder = Ecosystem::builder(self.name.as_str());
        for (component, _) in self.components.into_values() {
            builder = builder.component(component);
        }
        for (dependency, _) in self.dependencies {
            builder = builder.dependency(dependency);
        }
        for (rule, _) in self.rules {
            builder = builder.rule(rule);
        }
        match builder.build() {
            Ok(ecosystem) => Some(ecosystem),
            Err(error) => {
                report.add_at("E1119", Place::default(), error.to_string(), "correct the manifest");
                None
            }
        }
    }

    fn check_components(&self, report: &mut Report) {
        for (component, place) in self.components.values() {
            if let Some((min, max)) = component.replica_range
                && !(min..=max).contains(&component.replicas)
            {
                let message = format!(
                    "component `{}` wants {} replicas, expected {min} to {max} as its range says",
                    component.id, component.replicas
                );
                report.add_at("E1112", place.clone(), message, "correct the number or the range");
            }
            let needs = &component.requirements;
            for (name, amount) in needs.request.iter() {
                let limit = needs.limit.get(name);
                if limit > 0 && amount > limit {
                    let message = format!(
                        "component `{}` requests {amount} of {name}, more than its limit {limit}",
                        component.id
                    );
                    report.add_at("W1113", place.clone(), message, "raise the limit or lower the request");
                }
            }
        }
    }

    fn check_dependencies(&mut self, report: &mut Report) {
        let components = &self.components;
        self.dependencies.retain(|(edge, place)| {
            if edge.from == edge.to {
                let message = format!("component `{}` depends on itself ({})", edge.from, edge.kind);
                report.add_at("W1115", place.clone(), message, "remove the edge; it is left out");
                return false;
            }
            for end in [&edge.from, &edge.to] {
                if !components.contains_key(end) {
                    let message = format!(
                        "dependency of `{}` on `{}` names `{end}`, which is not a component",
                        edge.from, edge.to
                    );
                    report.add_at("E1110", place.clone(), message, suggest(end, components, report));
                    return false;
                }
            }
            true
        });
    }

    fn check_rules(&self, report: &mut Report) {
        for (rule, place) in &self.rules {
            for member in rule.kind.components() {
                if !self.components.contains_key(member) {
                    let message = format!("rule `{}` names `{member}`, which is not a component", rule.name);
                    report.add_at("E1114", place.clone(), message, suggest(member, &self.components, report));
                }
            }
        }
    }
}

fn suggest(
    unknown: &ComponentId,
    components: &IndexMap<ComponentId, (Component, Place)>,
    report: &Report,
) -> String {
    if report.is_full() {
        return "define it or correct the name".to_owned();
    }
    nearest(unknown.as_str(), components.keys().map(ComponentId::as_str)).map_or_else(
        || "define it or correct the name".to_owned(),
        |near| format!("did you mean `{near}`? define it or correct the name"),
    )
}

/// Fills what `known` leaves open with what `other` says.
fn complete(known: &mut Component, other: Component) {
    if known.image.is_empty() {
        known.image = other.image;
    }
    if known.version.is_unknown() {
        known.version = other.version;
    }
    if known.requirements.request.is_zero() {
        known.requirements.request = other.requirements.request;
    }
    if known.requirements.limit.is_zero() {
        known.requirements.limit = other.requirements.limit;
    }
    if known.maintenance.is_empty() {
        known.maintenance = other.maintenance;
    }
    known.max_unavailable = known.max_unavailable.or(other.max_unavailable);
    known.slo.latency_p99 = known.slo.latency_p99.or(other.slo.latency_p99);
    known.slo.availability_ppm = known.slo.availability_ppm.or(other.slo.availability_ppm);
    for port in other.ports {
        if !known.ports.contains(&port) {
            known.ports.push(port);
        }
    }
    for (key, value) in other.labels {
        known.labels.entry(key).or_insert(value);
    }
    known.evidence.extend(other.evidence);
}
