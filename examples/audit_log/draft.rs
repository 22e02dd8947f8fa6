//! Entries as JSON lines in, drafts out; payloads of a subject are sealed on the way.

use std::collections::BTreeMap;

use ecosystem_audit::seal::{KeyMaster, SubjectKey};
use ecosystem_audit::{Category, Draft, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::cli::{Failure, failed};
use crate::keys::{FileKeys, OsRandom};

/// A JSON object with its keys in the order given, values as they were written.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut pairs: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if pairs.iter().any(|(known, _)| *known == key) {
                        return Err(serde::de::Error::custom(format_args!("key `{key}` is given twice")));
                    }
                    pairs.push((key, value));
                }
                Ok(Object(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Reads one line.
pub(crate) fn parse(line: &str) -> Result<Draft, String> {
    let Object(pairs) = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
    let mut draft = Draft::new(0, "", "", "");
    let mut has_time = false;
    for (key, raw) in pairs {
        let raw = raw.get();
        let text = || -> Result<Option<String>, String> {
            serde_json::from_str(raw).map_err(|_| format!("`{key}` is {raw}: expected a string"))
        };
        let named = |e: &dyn std::fmt::Display| format!("`{key}`: {e}");
        match key.as_str() {
            "at_unix_ms" => {
                draft.at_unix_ms = raw
                    .parse()
                    .map_err(|_| format!("`at_unix_ms` is {raw}: expected whole milliseconds since 1970"))?;
                has_time = true;
            }
            "actor" => draft.actor = text()?.unwrap_or_default(),
            "action" => draft.action = text()?.unwrap_or_default(),
            "subject" => draft.subject = text()?.unwrap_or_default(),
            "on_behalf_of" => draft.on_behalf_of = text()?,
            "correlation_id" => draft.correlation_id = text()?,
            "category" => {
                let name = text()?.unwrap_or_default();
                draft.category = Category::new(name).map_err(|e| named(&e))?;
            }
            "severity" => draft.severity = text()?.unwrap_or_default().parse().map_err(|e| named(&e))?,
            "outcome" => draft.outcome = text()?.unwrap_or_default().parse().map_err(|e| named(&e))?,
            "reason" => draft.reason = value_or_none(raw),
            "before" => draft.before = value_or_none(raw),
            "after" => draft.after = value_or_none(raw),
            "fields" if raw.starts_with('{') => {
                let Object(fields) = serde_json::from_str(raw).map_err(|e| named(&e))?;
                draft.fields.extend(fields.into_iter().map(|(name, raw)| (name, value(raw.get()))));
            }
            _ => draft.fields.push((key, value(raw))),
        }
    }
    for (missing, name) in
        [(!has_time, "at_unix_ms"), (draft.actor.is_empty(), "actor"), (draft.action.is_empty(), "action")]
    {
        if missing {
            return Err(format!("`{name}` is missing"));
        }
    }
    Ok(draft)
}

fn value_or_none(raw: &str) -> Option<Value> {
    (raw != "null").then(|| value(raw))
}

/// Text, whole numbers and truth values as such; everything else as the JSON text that was given.
fn value(raw: &str) -> Value {
    if let Ok(text) = serde_json::from_str::<String>(raw) {
        return Value::Text(text);
    }
    match raw {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match raw.parse::<i64>() {
            Ok(number) if number.to_string() == raw => Value::Integer(number),
            _ => Value::Json(raw.to_owned()),
        },
    }
}

/// Seals payloads with the keys of their subjects.
pub(crate) struct Sealer<'a> {
    pub(crate) master: KeyMaster<'a>,
    pub(crate) keys: FileKeys,
    pub(crate) fields: Vec<String>,
    /// Keys already opened.
    pub(crate) open: BTreeMap<String, SubjectKey>,
}

impl Sealer<'_> {
    /// Seals the fields of a draft that are to be sealed. Entries without a subject stay as they are.
    pub(crate) fn seal(&mut self, draft: &mut Draft) -> Result<(), Failure> {
        if draft.subject.is_empty() {
            return Ok(());
        }
        let subject = draft.subject.clone();
        let named =
            [("reason", &mut draft.reason), ("before", &mut draft.before), ("after", &mut draft.after)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value.as_mut()?)));
        let free = draft.fields.iter_mut().map(|(name, value)| (name.as_str(), value));
        for (name, value) in named.chain(free) {
            if !self.fields.iter().any(|field| field == name)
                || matches!(value, Value::Sealed(_) | Value::Commitment(_))
            {
                continue;
            }
            if !self.open.contains_key(&subject) {
                let key = self.master.sealing_key(&mut self.keys, &subject, &mut OsRandom);
                self.open.insert(subject.clone(), key.map_err(failed(format!("key of `{subject}`")))?);
            }
            *value = self.open[&subject].seal(name, value, &mut OsRandom).map_err(failed(name))?;
        }
        Ok(())
    }
}
