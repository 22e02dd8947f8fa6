//! Revisions: every change makes a new immutable map that shares the unchanged parts; branches merge three ways.

use crate::component::{Component, Version};
use crate::dependency::{Dependency, DependencyKind};
use crate::diff::{ApplyError, EcosystemDiff, component_differs, diff, edge_differs, numbered};
use crate::ecosystem::{Ecosystem, EcosystemBuilder, EcosystemError};
use crate::id::ComponentId;
use crate::rules::Rule;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// One state of the map.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Revision {
    /// Number, from 0, without gaps.
    pub number: u64,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub author: Arc<str>,
    /// Why.
    pub message: Arc<str>,
    /// The map.
    pub ecosystem: Ecosystem,
}

/// A line of revisions.
///
/// A revision costs two pointers for each part of the map; the parts themselves, components and edges, are shared with the
/// revisions before it as long as they do not change.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Ecosystem, History, Kind, Timestamp, Version};
///
/// let mut db = Component::new("db".parse()?, Kind::Database);
/// db.version = Version::new("16");
/// let first = Ecosystem::builder("shop").component(db.clone()).build()?;
/// let mut history = History::new(first, Timestamp::from_unix_ms(0), "ops");
/// db.version = Version::new("17");
/// let second = Ecosystem::builder("shop").component(db).build()?;
/// history.record(second, Timestamp::from_unix_ms(60_000), "ops", "new major version")?;
/// let versions: Vec<String> = history.versions(&"db".parse()?).iter().map(|v| v.1.to_string()).collect();
/// assert_eq!(versions, ["16", "17"]);
/// assert_eq!(history.diff(0, 1).unwrap().to_string(), "~ component db: version 16 -> 17\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct History {
    // INVARIANT: never empty; revision n stands at n and is not older than the one before.
    revisions: Vec<Revision>,
}

/// Why a revision was not recorded.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The moment lies before the last revision.
    #[error("revision at {at} lies before the last one at {last}, expected a moment that is not earlier")]
    Earlier {
        /// The moment.
        at: Timestamp,
        /// When the last revision was made.
        last: Timestamp,
    },
    /// A number that is not there.
    #[error("revision {number} does not exist, expected at most {last}")]
    Unknown {
        /// The number.
        number: u64,
        /// The last number.
        last: u64,
    },
    /// The difference does not fit.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl History {
    /// Starts with revision 0.
    pub fn new(ecosystem: Ecosystem, at: Timestamp, author: impl Into<Arc<str>>) -> Self {
        let (author, message) = (author.into(), Arc::from("first revision"));
        Self { revisions: vec![Revision { number: 0, at, author, message, ecosystem }] }
    }

    /// Records a map as the next revision; returns its number. Parts that are equal to those of the last revision are
    /// shared with it. A map without any change is no new revision: the last number comes back.
    pub fn record(
        &mut self,
        ecosystem: Ecosystem,
        at: Timestamp,
        author: impl Into<Arc<str>>,
        message: impl Into<Arc<str>>,
    ) -> Result<u64, HistoryError> {
        let last = self.latest();
        if at < last.at {
            return Err(HistoryError::Earlier { at, last: last.at });
        }
        if ecosystem == last.ecosystem {
            return Ok(last.number);
        }
        let number = last.number + 1;
        let ecosystem = ecosystem.sharing(&last.ecosystem);
        self.revisions.push(Revision {
            number,
            at,
            author: author.into(),
            message: message.into(),
            ecosystem,
        });
        Ok(number)
    }

    /// Applies a difference to the last revision and records the result.
    pub fn apply(
        &mut self,
        change: &EcosystemDiff,
        at: Timestamp,
        author: impl Into<Arc<str>>,
        message: impl Into<Arc<str>>,
    ) -> Result<u64, HistoryError> {
        let next = change.apply(&self.latest().ecosystem)?;
        self.record(next, at, author, message)
    }

    /// Records the map of an earlier revision anew.
    pub fn revert_to(
        &mut self,
        number: u64,
        at: Timestamp,
        author: impl Into<Arc<str>>,
    ) -> Result<u64, HistoryError> {
        let last = self.latest().number;
        let earlier = self.get(number).ok_or(HistoryError::Unknown { number, last })?.ecosystem.clone();
        self.record(earlier, at, author, format!("back to revision {number}"))
    }

    /// The last revision.
    #[expect(clippy::missing_panics_doc, reason = "a history is never empty")]
    pub fn latest(&self) -> &Revision {
        self.revisions.last().expect("a history has at least its first revision")
    }

    /// A revision by number.
    pub fn get(&self, number: u64) -> Option<&Revision> {
        self.revisions.get(usize::try_from(number).ok()?)
    }

    /// All revisions, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Revision> {
        self.revisions.iter()
    }

    /// The revision that was valid at a moment; `None` before the first.
    pub fn at(&self, moment: Timestamp) -> Option<&Revision> {
        let after = self.revisions.partition_point(|r| r.at <= moment);
        self.revisions.get(after.checked_sub(1)?)
    }

    /// What changed between two revisions, in either direction.
    pub fn diff(&self, before: u64, after: u64) -> Option<EcosystemDiff> {
        Some(diff(&self.get(before)?.ecosystem, &self.get(after)?.ecosystem))
    }

    /// Versions of a component in the course of time: the revision in which each began, and the version. A component that
    /// is removed and comes back begins anew.
    pub fn versions(&self, component: &ComponentId) -> Vec<(u64, Version)> {
        let mut versions = Vec::new();
        let mut last: Option<&Version> = None;
        for revision in &self.revisions {
            let now = revision.ecosystem.component(component).map(|c| &c.version);
            if let Some(version) = now.filter(|_| now != last) {
                versions.push((revision.number, version.clone()));
            }
            last = now;
        }
        versions
    }
}

/// A part of a map that two branches changed in different ways.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Conflict {
    /// Which part, e.g. ``component `web` ``.
    pub part: String,
    /// What `ours` did to it: `added`, `changed`, `removed` or `unchanged`.
    pub ours: Arc<str>,
    /// What `theirs` did to it.
    pub theirs: Arc<str>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} here, {} there", self.part, self.ours, self.theirs)
    }
}

/// What a three-way merge came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Merge {
    /// The merged map; where there is a conflict, `ours` stands. `None` if the parts do not make a map.
    pub ecosystem: Option<Ecosystem>,
    /// Why there is no map.
    pub error: Option<EcosystemError>,
    /// Parts that need a decision.
    pub conflicts: Vec<Conflict>,
}

impl Merge {
    /// True if nothing needs a decision.
    pub fn is_clean(&self) -> bool {
        self.conflicts.is_empty() && self.error.is_none()
    }
}

/// Joins two maps that both come from `base`: what only one of them changed is taken over, equal changes count once, and
/// different changes of one part are conflicts. An edge whose end the other side removed is a conflict, too; the
/// component then stays. O(V log V + E log E).
pub fn merge(base: &Ecosystem, ours: &Ecosystem, theirs: &Ecosystem) -> Merge {
    let mut conflicts = Vec::new();
    let keys = |map: &Ecosystem| -> BTreeMap<EdgeKey, Arc<Dependency>> {
        map.shared_dependencies()
            .iter()
            .map(|d| ((d.from.clone(), d.to.clone(), d.kind), Arc::clone(d)))
            .collect()
    };
    let edges = merge_parts(
        [keys(base), keys(ours), keys(theirs)],
        edge_differs,
        |(from, to, kind)| format!("{kind} dependency of `{from}` on `{to}`"),
        &mut conflicts,
    );
    let by_name = |map: &Ecosystem| -> BTreeMap<ComponentId, Arc<Component>> {
        map.shared_components().iter().map(|(id, c)| (id.clone(), Arc::clone(c))).collect()
    };
    let sides = [by_name(base), by_name(ours), by_name(theirs)];
    let mut components =
        merge_parts(sides.clone(), component_differs, |id| format!("component `{id}`"), &mut conflicts);
    keep_ends(&mut components, &edges, &sides, &mut conflicts);
    let rules = |map: &Ecosystem| -> BTreeMap<(Arc<str>, usize), Arc<Rule>> {
        numbered(map.rules()).into_iter().map(|(key, rule)| (key, Arc::new(rule.clone()))).collect()
    };
    let rules = merge_parts(
        [rules(base), rules(ours), rules(theirs)],
        |a, b| a != b,
        |(name, _)| format!("rule `{name}`"),
        &mut conflicts,
    );
    let name = match (base.name(), ours.name(), theirs.name()) {
        (old, same, new) if same == old => new,
        (old, new, same) if same == old || same == new => new,
        (_, mine, _) => {
            let (ours, theirs) = (Arc::from("changed"), Arc::from("changed"));
            conflicts.push(Conflict { part: "name".to_owned(), ours, theirs });
            mine
        }
    };
    let components =
        in_order(components, [ours, theirs, base].map(|m| m.components().map(|c| c.id.clone()).collect()));
    let edges = in_order(
        edges,
        [ours, theirs, base]
            .map(|m| m.dependencies().map(|d| (d.from.clone(), d.to.clone(), d.kind)).collect()),
    );
    let rules = rules.into_values().map(|rule| Rule::clone(&rule)).collect();
    let built = EcosystemBuilder::of_parts(name.into(), components, edges, rules).build();
    let (ecosystem, error) = match built {
        Ok(map) => (Some(map), None),
        Err(error) => (None, Some(error)),
    };
    Merge { ecosystem, error, conflicts }
}

/// An edge by its ends and kind.
type EdgeKey = (ComponentId, ComponentId, DependencyKind);

fn merge_parts<K: Ord + Clone, T>(
    [base, ours, theirs]: [BTreeMap<K, Arc<T>>; 3],
    differs: impl Fn(&Arc<T>, &Arc<T>) -> bool,
    part: impl Fn(&K) -> String,
    conflicts: &mut Vec<Conflict>,
) -> BTreeMap<K, Arc<T>> {
    let same = |a: Option<&Arc<T>>, b: Option<&Arc<T>>| match (a, b) {
        (Some(a), Some(b)) => !differs(a, b),
        (None, None) => true,
        _ => false,
    };
    let verb = |now: Option<&Arc<T>>, before: Option<&Arc<T>>| -> Arc<str> {
        Arc::from(match (before, now) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        })
    };
    let keys: BTreeSet<&K> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    let mut merged = BTreeMap::new();
    for key in keys {
        let (old, mine, other) = (base.get(key), ours.get(key), theirs.get(key));
        let kept = if same(mine, old) && !same(other, old) {
            other
        } else {
            if !same(mine, old) && !same(other, old) && !same(mine, other) {
                conflicts.push(Conflict { part: part(key), ours: verb(mine, old), theirs: verb(other, old) });
            }
            mine
        };
        if let Some(kept) = kept {
            merged.insert(key.clone(), Arc::clone(kept));
        }
    }
    merged
}

/// Components that merged edges still need, although one side removed them.
fn keep_ends(
    components: &mut BTreeMap<ComponentId, Arc<Component>>,
    edges: &BTreeMap<EdgeKey, Arc<Dependency>>,
    [base, ours, theirs]: &[BTreeMap<ComponentId, Arc<Component>>; 3],
    conflicts: &mut Vec<Conflict>,
) {
    for (from, to, kind) in edges.keys() {
        for id in [from, to] {
            if components.contains_key(id) {
                continue;
            }
            if let Some(kept) = ours.get(id).or_else(|| theirs.get(id)).or_else(|| base.get(id)) {
                let used: Arc<str> = format!("used by the {kind} dependency of `{from}` on `{to}`").into();
                let removed: Arc<str> = Arc::from("removed");
                let (ours, theirs) = if ours.contains_key(id) { (used, removed) } else { (removed, used) };
                conflicts.push(Conflict { part: format!("component `{id}`"), ours, theirs });
                components.insert(id.clone(), Arc::clone(kept));
            }
        }
    }
}

/// The parts in the order of the first list that has them.
fn in_order<K: Ord, T>(mut parts: BTreeMap<K, Arc<T>>, orders: [Vec<K>; 3]) -> Vec<Arc<T>> {
    orders.into_iter().flatten().filter_map(|key| parts.remove(&key)).collect()
}
