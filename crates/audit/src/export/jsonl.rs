//! One JSON object per line.

use super::Exporter;
use super::import::{Imported, hash, number};
use super::value::{members, read_value, write_fields, write_value};
use crate::civil;
use crate::class::Category;
use crate::entry::{Draft, EntryRef};
use crate::json::write_string;
use crate::value::Value;

pub(super) fn write(exporter: &Exporter, entry: &EntryRef<'_>, out: &mut String) {
    out.push_str("{\"seq\":");
    out.push_str(&entry.seq.to_string());
    out.push_str(",\"at_unix_ms\":");
    out.push_str(&entry.at_unix_ms.to_string());
    let mut text = |name: &str, value: &str| {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        write_string(value, out);
    };
    text("time", &civil::format_utc(entry.at_unix_ms));
    text("actor", entry.actor);
    if let Some(person) = entry.on_behalf_of {
        text("on_behalf_of", person);
    }
    text("action", entry.action);
    text("category", entry.category);
    text("severity", entry.severity.as_str());
    text("outcome", entry.outcome.as_str());
    text("subject", entry.subject);
    if let Some(id) = entry.correlation_id {
        text("correlation_id", id);
    }
    for (name, value) in [("reason", entry.reason), ("before", entry.before), ("after", entry.after)] {
        if let Some(value) = value {
            out.push_str(",\"");
            out.push_str(name);
            out.push_str("\":");
            write_value(value, out);
        }
    }
    if !entry.fields.is_empty() {
        out.push_str(",\"fields\":");
        write_fields(entry.fields.iter(), out);
    }
    if exporter.hashes {
        out.push_str(",\"prev_hash\":\"");
        out.push_str(&entry.prev_hash.to_hex());
        out.push_str("\",\"leaf_hash\":\"");
        out.push_str(&entry.leaf_hash().to_hex());
        out.push('"');
    }
    out.push_str("}\n");
}

/// Reads a line of an export, or one that a host writes by hand: `actor` and `action` and a time are needed, the rest
/// has defaults; members of other names become free fields.
pub(super) fn read(line: &str) -> Result<Imported, String> {
    let mut draft = Draft::new(0, "", "", "");
    let mut found = Imported::new(draft.clone());
    let (mut at, mut time) = (None, None);
    for (name, raw) in members(line)? {
        if name == "fields" {
            for (field, raw) in members(raw)? {
                draft.fields.push((field, value("fields", raw)?));
            }
            continue;
        }
        let optional = !matches!(name.as_str(), "before" | "after" | "reason");
        let known = matches!(
            name.as_str(),
            "seq"
                | "at_unix_ms"
                | "time"
                | "actor"
                | "on_behalf_of"
                | "action"
                | "category"
                | "severity"
                | "outcome"
                | "subject"
                | "correlation_id"
                | "prev_hash"
                | "leaf_hash"
        );
        if known && optional && raw == "null" {
            continue;
        }
        let text = || match read_value(raw) {
            Some(Value::Text(text)) => Ok(text),
            _ => Err(format!("`{name}` is not a text")),
        };
        match name.as_str() {
            "seq" => found.seq = Some(number(raw, "seq")?),
            "at_unix_ms" => at = Some(number(raw.trim_matches('"'), "at_unix_ms")?),
            "time" => time = Some(civil::parse_utc(&text()?)),
            "actor" => draft.actor = text()?,
            "on_behalf_of" => draft.on_behalf_of = Some(text()?),
            "action" => draft.action = text()?,
            "category" => draft.category = Category::new(text()?).map_err(|e| e.to_string())?,
            "severity" => draft.severity = text()?.parse().map_err(|e: crate::UnknownName| e.to_string())?,
            "outcome" => draft.outcome = text()?.parse().map_err(|e: crate::UnknownName| e.to_string())?,
            "subject" => draft.subject = text()?,
            "correlation_id" => draft.correlation_id = Some(text()?),
            "reason" => draft.reason = Some(value("reason", raw)?),
            "before" => draft.before = Some(value("before", raw)?),
            "after" => draft.after = Some(value("after", raw)?),
            "prev_hash" => found.prev_hash = Some(hash(&text()?, "prev_hash")?),
            "leaf_hash" => found.leaf_hash = Some(hash(&text()?, "leaf_hash")?),
            _ => draft.fields.push((name.clone(), value(&name, raw)?)),
        }
    }
    draft.at_unix_ms = match (at, time) {
        (Some(at), _) => at,
        (None, Some(time)) => time.map_err(|e| e.to_string())?,
        (None, None) => return Err("`at_unix_ms` is missing".to_owned()),
    };
    for (name, text) in [("actor", &draft.actor), ("action", &draft.action)] {
        if text.is_empty() {
            return Err(format!("`{name}` is missing"));
        }
    }
    found.draft = draft;
    Ok(found)
}

fn value(name: &str, raw: &str) -> Result<Value, String> {
    read_value(raw).ok_or_else(|| format!("`{name}` is not a value"))
}
