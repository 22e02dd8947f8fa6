//! A JSON document in which the parts of an entry lie in places of another schema.

use serde_json::{Map, Value as Json};

use super::import::{Imported, hash};
use super::labels::Labels;
use super::value::from_cell;
use crate::class::Category;
use crate::entry::Draft;
use crate::hash::Hash;
use crate::value::Value;

/// An object and where it lies, for messages.
pub(super) struct Document {
    root: Json,
}

/// Where a schema keeps the parts of an entry whole. The time is not among them: every schema writes it its own way.
pub(super) struct Places {
    pub(super) actor: &'static str,
    pub(super) on_behalf_of: &'static str,
    pub(super) action: &'static str,
    pub(super) category: &'static str,
    pub(super) severity: &'static str,
    pub(super) outcome: &'static str,
    pub(super) subject: &'static str,
    pub(super) correlation_id: &'static str,
    pub(super) reason: &'static str,
    pub(super) before: &'static str,
    pub(super) after: &'static str,
    /// The object with the free fields, and how they are named there.
    pub(super) fields: (&'static str, Labels),
    pub(super) seq: &'static str,
    pub(super) prev_hash: &'static str,
    pub(super) leaf_hash: &'static str,
}

impl Document {
    /// The entry whose parts lie in these places. What others have added is left out.
    pub(super) fn entry(&self, at_unix_ms: u64, places: &Places) -> Result<Imported, String> {
        let (actor, action) = (self.text(places.actor)?, self.text(places.action)?);
        let mut draft = Draft::new(at_unix_ms, actor, action, self.text(places.subject)?);
        draft.category = Category::new(self.text(places.category)?).map_err(|e| e.to_string())?;
        draft.severity = self.named(places.severity)?;
        draft.outcome = self.named(places.outcome)?;
        draft.on_behalf_of = self.optional(places.on_behalf_of)?;
        draft.correlation_id = self.optional(places.correlation_id)?;
        draft.reason = self.cell(places.reason)?;
        draft.before = self.cell(places.before)?;
        draft.after = self.cell(places.after)?;
        draft.fields = places.fields.1.take(&self.object(places.fields.0))?;
        let mut found = Imported::new(draft);
        found.seq = self.number(places.seq)?;
        found.prev_hash = self.hash(places.prev_hash)?;
        found.leaf_hash = self.hash(places.leaf_hash)?;
        Ok(found)
    }

    /// Reads one line. A hit of a search engine is its `_source`.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let mut root: Json = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
        if let Some(source) = root.get_mut("_source").filter(|source| source.is_object()) {
            root = source.take();
        }
        if root.is_object() { Ok(Self { root }) } else { Err("not a JSON object".to_owned()) }
    }

    /// What lies at a path of member names (`a.b`), if it is there and not null.
    fn get(&self, path: &str) -> Option<&Json> {
        let found = path.split('.').try_fold(&self.root, |at, name| at.get(name));
        found.filter(|value| !value.is_null())
    }

    /// The object at a path; an empty one if there is none.
    fn object(&self, path: &str) -> Map<String, Json> {
        self.get(path).and_then(Json::as_object).cloned().unwrap_or_default()
    }

    /// The text at a path, if there is something.
    pub(super) fn optional(&self, path: &str) -> Result<Option<String>, String> {
        let text =
            |value: &Json| value.as_str().map(str::to_owned).ok_or_else(|| format!("`{path}` is not a text"));
        self.get(path).map(text).transpose()
    }

    /// The text at a path.
    pub(super) fn text(&self, path: &str) -> Result<String, String> {
        self.optional(path)?.ok_or_else(|| format!("`{path}` is missing"))
    }

    /// The name of a class (severity, outcome) at a path.
    fn named<T: core::str::FromStr<Err = crate::UnknownName>>(&self, path: &str) -> Result<T, String> {
        self.text(path)?.parse().map_err(|e: crate::UnknownName| format!("`{path}`: {e}"))
    }

    /// The value in the cell at a path, if there is one.
    fn cell(&self, path: &str) -> Result<Option<Value>, String> {
        Ok(self.optional(path)?.map(|cell| from_cell(&cell)))
    }

    /// The whole number at a path, if there is something.
    pub(super) fn number(&self, path: &str) -> Result<Option<u64>, String> {
        let whole = |value: &Json| value.as_u64().ok_or_else(|| format!("`{path}` is not a whole number"));
        self.get(path).map(whole).transpose()
    }

    /// The hash in hexadecimal digits at a path, if there is something.
    fn hash(&self, path: &str) -> Result<Option<Hash>, String> {
        self.optional(path)?.map(|text| hash(&text, path)).transpose()
    }
}
