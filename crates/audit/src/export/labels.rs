//! Free fields as members of a JSON object in which neither order nor every name survives: each field under a key of its
//! own, so that it can be searched, and the true names in order beside them, so that it can be read back.

use serde_json::{Map, Value as Json};

use super::value::{from_cell, to_cell};
use crate::value::{Value, ValueRef};

/// Member with the names of all free fields, as the text of a JSON array.
const NAMES: &str = "field_names";

/// How one format names the members.
pub(super) struct Labels {
    /// What the key of every field begins with.
    pub(super) prefix: &'static str,
    /// Whether keys must not nest and `.`, `*` and spaces become `_`.
    pub(super) flat: bool,
}

impl Labels {
    /// Adds the fields to an object.
    pub(super) fn put<'a>(
        &self,
        fields: impl Iterator<Item = (&'a str, ValueRef<'a>)>,
        to: &mut Map<String, Json>,
    ) {
        let (names, values): (Vec<&str>, Vec<_>) = fields.unzip();
        if names.is_empty() {
            return;
        }
        for (key, value) in self.keys(&names).into_iter().zip(values) {
            to.insert(key, to_cell(value).into());
        }
        to.insert(NAMES.to_owned(), Json::from(names).to_string().into());
    }

    /// The fields of an object that [`Labels::put`] has filled.
    pub(super) fn take(&self, from: &Map<String, Json>) -> Result<Vec<(String, Value)>, String> {
        let Some(names) = from.get(NAMES) else { return Ok(Vec::new()) };
        let names: Vec<String> = names
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| format!("`{NAMES}` is not the text of an array of names"))?;
        if names.len() > crate::canonical::MAX_FIELDS {
            return Err(format!(
                "`{NAMES}` has {} names: at most {}",
                names.len(),
                crate::canonical::MAX_FIELDS
            ));
        }
        let keys = self.keys(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let cell =
            |key: &str| from.get(key).and_then(Json::as_str).ok_or_else(|| format!("`{key}` is not a text"));
        keys.iter().zip(&names).map(|(key, name)| Ok((name.clone(), from_cell(cell(key)?)))).collect()
    }

    /// A key for each name: two names that would share one are told apart by their place.
    fn keys(&self, names: &[&str]) -> Vec<String> {
        let mut keys: Vec<String> = vec![NAMES.to_owned()];
        for (place, name) in names.iter().enumerate() {
            let name = if self.flat { name.replace(['.', '*', ' '], "_") } else { (*name).to_owned() };
            let mut key = format!("{}{name}", self.prefix);
            while keys.contains(&key) {
                key.push('_');
                key.push_str(&place.to_string());
            }
            keys.push(key);
        }
        keys.split_off(1)
    }
}
