//! What exactly changed between two maps, as data and as readable text.

mod apply;

pub use apply::ApplyError;

use crate::analysis::EdgeSelection;
use crate::component::Component;
use crate::dependency::{Dependency, DependencyKind};
use crate::ecosystem::Ecosystem;
use crate::finding::{Confidence, Evidence, EvidenceKind};
use crate::id::ComponentId;
use crate::rules::Rule;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A value before and after.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "a change has two sides")]
pub struct Change<T> {
    /// What it was.
    pub before: T,
    /// What it is.
    pub after: T,
}

/// One field of a component or an edge that changed, as text.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct FieldChange {
    /// Name of the field, e.g. `replicas` or `requirements.request`.
    pub field: &'static str,
    /// Its value before, as text.
    pub before: String,
    /// Its value after, as text.
    pub after: String,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.field, self.before, self.after)
    }
}

/// Everything that is different between two maps.
///
/// Components are the same if they have the same name, edges if they join the same components in the same sense, rules
/// if they have the same name (and, among several of one name, the same place). Where evidence was found (file, line)
/// does not count as a change, what kind of evidence it is and how sure it makes us does; for components evidence does
/// not count. The order of parts does not count.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct EcosystemDiff {
    /// Name of the map.
    pub name: Option<Change<Arc<str>>>,
    /// New components, in the order of the later map.
    pub added: Vec<Arc<Component>>,
    /// Components that are gone, in the order of the earlier map.
    pub removed: Vec<Arc<Component>>,
    /// Components that are different, in the order of the earlier map.
    pub changed: Vec<Change<Arc<Component>>>,
    /// New edges.
    pub edges_added: Vec<Arc<Dependency>>,
    /// Edges that are gone.
    pub edges_removed: Vec<Arc<Dependency>>,
    /// Edges that are different.
    pub edges_changed: Vec<Change<Arc<Dependency>>>,
    /// New rules.
    pub rules_added: Vec<Rule>,
    /// Rules that are gone.
    pub rules_removed: Vec<Rule>,
    /// Rules that are different.
    pub rules_changed: Vec<Change<Rule>>,
}

/// What exactly changed from `before` to `after`. O(V + E); parts that the two share are not looked into.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Ecosystem, Kind, Version, diff};
///
/// let mut web = Component::new("web".parse()?, Kind::Container);
/// web.version = Version::new("1.0");
/// let one = Ecosystem::builder("shop").component(web.clone()).build()?;
/// web.version = Version::new("1.1");
/// let two = Ecosystem::builder("shop").component(web).build()?;
/// assert_eq!(diff(&one, &two).to_string(), "~ component web: version 1.0 -> 1.1\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn diff(before: &Ecosystem, after: &Ecosystem) -> EcosystemDiff {
    let mut diff = EcosystemDiff::default();
    if before.name() != after.name() {
        diff.name = Some(Change { before: before.name().into(), after: after.name().into() });
    }
    let (old, new) = (before.shared_components(), after.shared_components());
    if !Arc::ptr_eq(old, new) {
        for (id, component) in &**old {
            match new.get(id) {
                None => diff.removed.push(Arc::clone(component)),
                Some(now) if component_differs(component, now) => {
                    diff.changed.push(Change { before: Arc::clone(component), after: Arc::clone(now) });
                }
                Some(_) => {}
            }
        }
        let is_new = |(id, _): &(&ComponentId, &Arc<Component>)| !old.contains_key(*id);
        diff.added.extend(new.iter().filter(is_new).map(|(_, component)| Arc::clone(component)));
    }
    diff_edges(before, after, &mut diff);
    diff_rules(before.rules(), after.rules(), &mut diff);
    diff
}

fn diff_edges(before: &Ecosystem, after: &Ecosystem, diff: &mut EcosystemDiff) {
    let (old, new) = (before.shared_dependencies(), after.shared_dependencies());
    if Arc::ptr_eq(old, new) {
        return;
    }
    let counterpart = counterparts(before, after);
    let mut is_known = vec![false; new.len()];
    for (edge, &position) in old.iter().zip(&counterpart) {
        let Some(now) = new.get(position as usize) else {
            diff.edges_removed.push(Arc::clone(edge));
            continue;
        };
        is_known[position as usize] = true;
        if edge_differs(edge, now) {
            diff.edges_changed.push(Change { before: Arc::clone(edge), after: Arc::clone(now) });
        }
    }
    let added = new.iter().zip(is_known).filter(|(_, known)| !known);
    diff.edges_added.extend(added.map(|(edge, _)| Arc::clone(edge)));
}

/// For each edge of the earlier map the position of the edge of its kind between the same components in the later one;
/// `u32::MAX` where there is none. O(V + E): the edges of one component at a time, laid out by target and kind.
fn counterparts(before: &Ecosystem, after: &Ecosystem) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    const KINDS: usize = DependencyKind::ALL.len();
    let (old, new) = (before.topology(), after.topology());
    let same_place = |(ix, c): (usize, &Component)| {
        let place = after.component_at(ix).filter(|other| other.id == c.id).map(|_| ix);
        place.or_else(|| after.component_index(&c.id)).map_or(NONE, crate::analysis::dense)
    };
    let translate: Vec<u32> = before.components().enumerate().map(same_place).collect();
    let mut found = vec![NONE; before.shared_dependencies().len()];
    // which component wrote last to a slot, and the edge
    let mut slots: Vec<(u32, u32)> = vec![(NONE, NONE); after.len() * KINDS];
    let slot = |target: u32, tag: u8| target as usize * KINDS + EdgeSelection::kind_of(tag);
    for (node, &now) in translate.iter().enumerate().filter(|(_, now)| **now != NONE) {
        let now_ix = now as usize;
        for (&target, &edge) in new.out.successors(now_ix).iter().zip(new.out.edge_ids(now_ix)) {
            slots[slot(target, new.tags[edge as usize])] = (now, edge);
        }
        for (&target, &edge) in old.out.successors(node).iter().zip(old.out.edge_ids(node)) {
            let target = translate[target as usize];
            if target != NONE
                && let (stamp, position) = slots[slot(target, old.tags[edge as usize])]
                && stamp == now
            {
                found[edge as usize] = position;
            }
        }
    }
    found
}

fn diff_rules(old: &[Rule], new: &[Rule], diff: &mut EcosystemDiff) {
    let (old_keys, new_keys) = (numbered(old), numbered(new));
    for (key, rule) in &old_keys {
        match new_keys.get(key) {
            None => diff.rules_removed.push((*rule).clone()),
            Some(now) if now != rule => {
                diff.rules_changed.push(Change { before: (*rule).clone(), after: (*now).clone() });
            }
            Some(_) => {}
        }
    }
    let fresh = new_keys.iter().filter(|(key, _)| !old_keys.contains_key(*key));
    diff.rules_added.extend(fresh.map(|(_, rule)| (*rule).clone()));
}

/// Rules by name and, among those of one name, by number.
pub(crate) fn numbered(rules: &[Rule]) -> BTreeMap<(Arc<str>, usize), &Rule> {
    let mut counts: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    rules
        .iter()
        .map(|rule| {
            let count = counts.entry(Arc::clone(&rule.name)).or_default();
            *count += 1;
            ((Arc::clone(&rule.name), *count), rule)
        })
        .collect()
}

/// True if two components of one name are different in anything but their evidence.
pub(crate) fn component_differs(a: &Arc<Component>, b: &Arc<Component>) -> bool {
    if Arc::ptr_eq(a, b) || a == b {
        return false;
    }
    let without = |c: &Component| Component { evidence: Vec::new(), ..c.clone() };
    without(a) != without(b)
}

/// True if two edges of one key are different in anything but the places of their evidence.
pub(crate) fn edge_differs(a: &Arc<Dependency>, b: &Arc<Dependency>) -> bool {
    if Arc::ptr_eq(a, b) {
        return false;
    }
    // Destructured, so that a new field cannot be forgotten; the ends and the kind are the key.
    let Dependency {
        from: _,
        to: _,
        kind: _,
        strength,
        mode,
        condition,
        protocol,
        port,
        calls_per_1000_s,
        bytes_per_s,
        payload_bytes,
        latency_budget,
        fan_out_permille,
        evidence,
    } = &**a;
    let same = *strength == b.strength
        && *mode == b.mode
        && *condition == b.condition
        && *port == b.port
        && *calls_per_1000_s == b.calls_per_1000_s
        && *bytes_per_s == b.bytes_per_s
        && *payload_bytes == b.payload_bytes
        && *latency_budget == b.latency_budget
        && *fan_out_permille == b.fan_out_permille
        && *protocol == b.protocol;
    !same || !same_grounds(evidence, &b.evidence)
}

fn same_grounds(a: &[Evidence], b: &[Evidence]) -> bool {
    match (a, b) {
        ([one], [other]) => (one.kind, one.confidence) == (other.kind, other.confidence),
        _ => a == b || grounds(a) == grounds(b),
    }
}

/// Evidence without its places.
fn grounds(evidence: &[Evidence]) -> Vec<(EvidenceKind, Confidence)> {
    let mut grounds: Vec<_> = evidence.iter().map(|e| (e.kind, e.confidence)).collect();
    grounds.sort_unstable();
    grounds.dedup();
    grounds
}

impl Change<Arc<Component>> {
    /// The fields that are different, in the order of declaration.
    pub fn fields(&self) -> Vec<FieldChange> {
        let (a, b) = (&*self.before, &*self.after);
        let mut list = FieldList::default();
        list.compare("kind", &a.kind, &b.kind, ToString::to_string);
        list.compare("image", &a.image, &b.image, |v| quoted(v));
        list.compare("version", &a.version, &b.version, ToString::to_string);
        list.compare("replicas", &a.replicas, &b.replicas, ToString::to_string);
        list.compare("per-host", &a.per_host, &b.per_host, ToString::to_string);
        list.compare("replica-range", &a.replica_range, &b.replica_range, |v| match v {
            Some((min, max)) => format!("{min}-{max}"),
            None => "-".to_owned(),
        });
        let (x, y) = (&a.requirements, &b.requirements);
        list.compare("requirements.request", &x.request, &y.request, ToString::to_string);
        list.compare("requirements.limit", &x.limit, &y.limit, ToString::to_string);
        list.compare("requirements.minimum", &x.minimum, &y.minimum, ToString::to_string);
        list.compare("requirements.burst", &x.burst, &y.burst, ToString::to_string);
        list.compare("slo.latency-p99", &a.slo.latency_p99, &b.slo.latency_p99, optional);
        list.compare("slo.availability-ppm", &a.slo.availability_ppm, &b.slo.availability_ppm, optional);
        list.compare("criticality", &a.criticality, &b.criticality, |v| format!("{v:?}").to_lowercase());
        list.compare("max-unavailable", &a.max_unavailable, &b.max_unavailable, optional);
        list.compare("maintenance", &a.maintenance, &b.maintenance, |v| {
            v.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        });
        list.compare(
            "dirty-bytes-per-second",
            &a.dirty_bytes_per_second,
            &b.dirty_bytes_per_second,
            u64::to_string,
        );
        list.compare("residency", &a.residency, &b.residency, |v| joined(v.iter()));
        list.compare("licences", &a.licences, &b.licences, pairs);
        list.compare("ports", &a.ports, &b.ports, |v| {
            joined(v.iter().map(|p| format!("{}/{}", p.number, p.protocol)))
        });
        list.compare("labels", &a.labels, &b.labels, pairs);
        list.compare("owner", &a.owner, &b.owner, |v| quoted(v));
        list.0
    }
}

impl Change<Arc<Dependency>> {
    /// The fields that are different, in the order of declaration.
    pub fn fields(&self) -> Vec<FieldChange> {
        let (a, b) = (&*self.before, &*self.after);
        let lower = |text: String| text.to_lowercase();
        let mut list = FieldList::default();
        list.compare("strength", &a.strength, &b.strength, |v| lower(format!("{v:?}")));
        list.compare("mode", &a.mode, &b.mode, |v| lower(format!("{v:?}")));
        list.compare("condition", &a.condition, &b.condition, ToString::to_string);
        list.compare("protocol", &a.protocol, &b.protocol, |v| quoted(v));
        list.compare("port", &a.port, &b.port, optional);
        list.compare("calls-per-1000-s", &a.calls_per_1000_s, &b.calls_per_1000_s, u64::to_string);
        list.compare("bytes-per-s", &a.bytes_per_s, &b.bytes_per_s, u64::to_string);
        list.compare("payload-bytes", &a.payload_bytes, &b.payload_bytes, u64::to_string);
        list.compare("latency-budget", &a.latency_budget, &b.latency_budget, optional);
        list.compare("fan-out-permille", &a.fan_out_permille, &b.fan_out_permille, optional);
        list.compare("evidence", &grounds(&a.evidence), &grounds(&b.evidence), |v| {
            joined(v.iter().map(|(kind, sure)| lower(format!("{kind:?}/{sure:?}"))))
        });
        list.0
    }
}

#[derive(Default)]
struct FieldList(Vec<FieldChange>);

impl FieldList {
    fn compare<T: PartialEq>(&mut self, field: &'static str, a: &T, b: &T, text: impl Fn(&T) -> String) {
        if a != b {
            self.0.push(FieldChange { field, before: text(a), after: text(b) });
        }
    }
}

#[expect(clippy::ref_option, reason = "takes a field as it is")]
fn optional<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

fn joined(items: impl Iterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

fn pairs<V: fmt::Display>(map: &BTreeMap<Arc<str>, V>) -> String {
    joined(map.iter().map(|(key, value)| format!("{key}={value}")))
}

impl EcosystemDiff {
    /// True if nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The difference the other way round: what takes `after` back to `before`.
    #[must_use]
    pub fn inverted(self) -> Self {
        fn swap<T>(change: Change<T>) -> Change<T> {
            Change { before: change.after, after: change.before }
        }
        Self {
            name: self.name.map(swap),
            added: self.removed,
            removed: self.added,
            changed: self.changed.into_iter().map(swap).collect(),
            edges_added: self.edges_removed,
            edges_removed: self.edges_added,
            edges_changed: self.edges_changed.into_iter().map(swap).collect(),
            rules_added: self.rules_removed,
            rules_removed: self.rules_added,
            rules_changed: self.rules_changed.into_iter().map(swap).collect(),
        }
    }
}

impl fmt::Display for EcosystemDiff {
    /// One line for each change: `+` new, `-` gone, `~` different. Components first, then edges, then rules.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields =
            |list: Vec<FieldChange>| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if let Some(name) = &self.name {
            writeln!(f, "~ name {} -> {}", name.before, name.after)?;
        }
        for c in &self.removed {
            writeln!(f, "- component {} ({})", c.id, c.kind)?;
        }
        for c in &self.added {
            writeln!(f, "+ component {} ({})", c.id, c.kind)?;
        }
        for change in &self.changed {
            writeln!(f, "~ component {}: {}", change.after.id, fields(change.fields()))?;
        }
        for d in &self.edges_removed {
            writeln!(f, "- {} {} -> {}", d.kind, d.from, d.to)?;
        }
        for d in &self.edges_added {
            writeln!(f, "+ {} {} -> {}", d.kind, d.from, d.to)?;
        }
        for change in &self.edges_changed {
            let d = &change.after;
            writeln!(f, "~ {} {} -> {}: {}", d.kind, d.from, d.to, fields(change.fields()))?;
        }
        for rule in &self.rules_removed {
            writeln!(f, "- rule {rule}")?;
        }
        for rule in &self.rules_added {
            writeln!(f, "+ rule {rule}")?;
        }
        for change in &self.rules_changed {
            writeln!(f, "~ rule {} -> {}", change.before, change.after)?;
        }
        Ok(())
    }
}
