//! Versions of one resource.

use super::diff::diff;
use super::patch::{Patch, PatchError, Pointer};
use crate::class::Category;
use crate::entry::{Draft, EntryRef};
use crate::hash::{Hash, sha256};
use crate::json::Json;
use crate::value::{Value, ValueRef};

/// A full state is kept for every so many versions, so that rebuilding one applies few patches.
const SNAPSHOT_EVERY: usize = 32;

/// One version of a resource: what changed, when, by whom and why.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Version {
    /// From 1.
    pub number: u64,
    /// When; never before the version before (a clock that steps back stands still).
    pub at_unix_ms: u64,
    /// By whom; empty for a change nobody recorded.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
    /// Place in the log, if it came from there.
    pub seq: Option<u64>,
    /// False if the state found before the next recorded change was not the state after the last one: somebody
    /// changed the resource without a record.
    pub recorded: bool,
    /// From the version before to this one.
    pub patch: Patch,
    /// SHA-256 of the canonical form (RFC 8785) of the state.
    pub state_hash: Hash,
}

/// Why entries do not make a history.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// A patch in the log does not apply.
    #[error("entry {seq}: {source}")]
    Patch {
        /// Place in the log.
        seq: u64,
        /// What does not fit.
        source: PatchError,
    },
    /// A state is sealed, a commitment or bytes.
    #[error("entry {seq}: `{field}` is not JSON: what is sealed has to be opened first")]
    State {
        /// Place in the log.
        seq: u64,
        /// `before` or `after`.
        field: &'static str,
    },
}

/// A resource with all its versions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct History {
    resource: String,
    versions: Vec<Version>,
    // INVARIANT: snapshots[i] is the state of version i * SNAPSHOT_EVERY.
    snapshots: Vec<Json>,
    current: Json,
}

impl History {
    /// Version 0.
    pub fn new(resource: impl Into<String>, initial: Json) -> Self {
        let snapshots = vec![initial.clone()];
        Self { resource: resource.into(), versions: Vec::new(), snapshots, current: initial }
    }

    /// Name of the resource.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The present state.
    pub const fn current(&self) -> &Json {
        &self.current
    }

    /// Versions from 1 on.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Adds a version; `None` if nothing changed.
    pub fn record(
        &mut self,
        after: &Json,
        at_unix_ms: u64,
        actor: &str,
        reason: Option<&str>,
    ) -> Option<&Version> {
        let patch = diff(&self.current, after);
        if patch.is_empty() {
            return None;
        }
        self.push(after.clone(), patch, (at_unix_ms, actor, reason, None));
        self.versions.last()
    }

    /// State of a version, 0 = the first; `None` if there is no such version. Applies at most 31 patches.
    pub fn state(&self, version: u64) -> Option<Json> {
        let version = usize::try_from(version).ok().filter(|&v| v <= self.versions.len())?;
        let start = version / SNAPSHOT_EVERY;
        let patches = &self.versions[start * SNAPSHOT_EVERY..version];
        patches.iter().try_fold(self.snapshots[start].clone(), |state, v| v.patch.apply(&state).ok())
    }

    /// Number and state of the version that was valid at a moment; version 0 before the first change.
    pub fn state_at(&self, at_unix_ms: u64) -> (u64, Json) {
        let count = self.versions.partition_point(|v| v.at_unix_ms <= at_unix_ms) as u64;
        (count, self.state(count).unwrap_or_default())
    }

    /// Versions that changed a place, or something inside of it or around it, oldest first.
    pub fn changes_of<'a>(&'a self, place: &'a Pointer) -> impl Iterator<Item = &'a Version> {
        let touches = move |v: &&Version| {
            let near = |path: &Pointer| path.is_within(place) || place.is_within(path);
            v.patch.operations().iter().any(|operation| near(operation.path()))
        };
        self.versions.iter().filter(touches)
    }

    /// What differs between the state that the history gives and the one found now; empty = no drift.
    pub fn drift(&self, present: &Json) -> Patch {
        diff(&self.current, present)
    }

    /// A draft that records a version as an entry, in a form [`History::from_entries`] reads back: action
    /// `change.apply`, subject = the resource, field `patch`, field `version`.
    pub fn draft(&self, version: &Version) -> Draft {
        let mut draft = Draft::new(version.at_unix_ms, &version.actor, "change.apply", &self.resource)
            .with_category(Category::CONFIGURATION)
            .with_field("patch", Value::Json(version.patch.to_string()))
            .with_field("version", i64::try_from(version.number).unwrap_or(i64::MAX))
            .with_field("state_hash", version.state_hash.to_hex());
        draft.reason = version.reason.as_deref().map(Value::from);
        draft
    }

    /// The history of a resource as the log tells it. Of the entries whose subject is the resource those count
    /// that succeeded and have `after` (and `before`) or a field `patch`. A `before` that is not the state reached so far
    /// gives a version of its own with `recorded = false`. Version 0 is the `before` of the first entry, or `null`.
    ///
    /// # Errors
    /// A state that is not JSON, a patch that does not apply.
    pub fn from_entries<'a>(
        resource: &str,
        entries: impl IntoIterator<Item = EntryRef<'a>>,
    ) -> Result<Self, HistoryError> {
        let mut history: Option<Self> = None;
        for entry in entries.into_iter().filter(|e| e.subject == resource) {
            if entry.outcome != crate::class::Outcome::Success {
                continue;
            }
            let patch = entry.fields.get("patch").and_then(ValueRef::as_text);
            let after = state(&entry, "after", entry.after)?;
            if patch.is_none() && after.is_none() {
                continue;
            }
            let before = state(&entry, "before", entry.before)?;
            let initial = before.clone().unwrap_or_default();
            let history = history.get_or_insert_with(|| Self::new(resource, initial));
            if let Some(before) = before.filter(|b| *b != history.current) {
                let patch = diff(&history.current, &before);
                history.push(before, patch, (entry.at_unix_ms, "", None, None));
            }
            let reason = entry.reason.and_then(ValueRef::as_text);
            let about = (entry.at_unix_ms, entry.actor, reason, Some(entry.seq));
            match (after, patch) {
                (Some(after), _) => history.push(after.clone(), diff(&history.current, &after), about),
                (None, Some(text)) => {
                    let fail = |source| HistoryError::Patch { seq: entry.seq, source };
                    let patch: Patch = text.parse().map_err(fail)?;
                    let after = patch.apply(&history.current).map_err(fail)?;
                    history.push(after, patch, about);
                }
                (None, None) => {}
            }
        }
        Ok(history.unwrap_or_else(|| Self::new(resource, Json::NULL)))
    }

    fn push(&mut self, after: Json, patch: Patch, about: (u64, &str, Option<&str>, Option<u64>)) {
        let (at, actor, reason, seq) = about;
        let earliest = self.versions.last().map_or(0, |v| v.at_unix_ms);
        self.versions.push(Version {
            number: self.versions.len() as u64 + 1,
            at_unix_ms: at.max(earliest),
            actor: actor.to_owned(),
            reason: reason.map(str::to_owned),
            seq,
            recorded: !actor.is_empty(),
            patch,
            state_hash: sha256(after.canonical().as_bytes()),
        });
        if self.versions.len().is_multiple_of(SNAPSHOT_EVERY) {
            self.snapshots.push(after.clone());
        }
        self.current = after;
    }
}

fn state(
    entry: &EntryRef<'_>,
    field: &'static str,
    value: Option<ValueRef<'_>>,
) -> Result<Option<Json>, HistoryError> {
    let error = || HistoryError::State { seq: entry.seq, field };
    match value {
        None => Ok(None),
        Some(ValueRef::Json(text)) => Json::parse(text).map(Some).map_err(|_| error()),
        Some(ValueRef::Text(text)) => Ok(Some(Json(text.into()))),
        Some(ValueRef::Integer(number)) => Ok(Some(Json(number.into()))),
        Some(ValueRef::Bool(flag)) => Ok(Some(Json(flag.into()))),
        Some(_) => Err(error()),
    }
}
