//! Elastic Common Schema documents. Every field outside of `labels` is defined by ECS 9; what has no field there goes
//! into `labels`, whose values are text.
//!
//! Reading takes every part from the one place where it is written whole and leaves out what others have added.

use serde_json::{Map, Value as Json, json};

use super::Exporter;
use super::document::{Document, Places};
use super::import::{Imported, number};
use super::labels::Labels;
use super::value::to_cell;
use crate::civil;
use crate::class::{Category, Outcome, Severity};
use crate::entry::EntryRef;

/// Free fields in `labels`, whose keys must not nest.
const FIELDS: Labels = Labels { prefix: "field_", flat: true };

pub(super) fn write(exporter: &Exporter, entry: &EntryRef<'_>, out: &mut String) {
    let category = Category::from_checked(entry.category);
    let mut labels = Map::new();
    let mut label = |name: &str, value: String| drop(labels.insert(name.to_owned(), Json::String(value)));
    label("category", entry.category.to_owned());
    label("subject", entry.subject.to_owned());
    label("outcome", entry.outcome.as_str().to_owned());
    for (name, value) in [("before", entry.before), ("after", entry.after)] {
        if let Some(value) = value {
            label(name, to_cell(value));
        }
    }
    let time = civil::format_utc(entry.at_unix_ms);
    if civil::parse_utc(&time).ok() != Some(entry.at_unix_ms) {
        // Years that a date cannot say.
        label("at_unix_ms", entry.at_unix_ms.to_string());
    }
    if exporter.hashes {
        label("prev_hash", entry.prev_hash.to_hex());
    }
    FIELDS.put(entry.fields.iter(), &mut labels);
    let mut event = json!({
        "kind": if category == Category::SECURITY && entry.severity >= Severity::Warning { "alert" } else { "event" },
        "category": [class(&category)],
        "type": [kind(entry)],
        "action": entry.action,
        "outcome": match entry.outcome {
            Outcome::Success => "success",
            Outcome::Failure | Outcome::Denied => "failure",
            Outcome::Pending | Outcome::Unknown => "unknown",
        },
        "sequence": entry.seq,
        "severity": 7 - entry.severity.syslog_code(),
        "id": entry.leaf_hash().to_hex(),
        "dataset": "audit.log",
        "module": exporter.product,
    });
    if let Some(reason) = entry.reason {
        event["reason"] = to_cell(reason).into();
    }
    if exporter.hashes {
        event["hash"] = entry.leaf_hash().to_hex().into();
    }
    let mut user = json!({ "name": entry.actor });
    let mut related = vec![entry.actor];
    if let Some(person) = entry.on_behalf_of {
        user["effective"] = json!({ "name": person });
        related.push(person);
    }
    let mut document = json!({
        "@timestamp": time,
        "ecs": { "version": "9.0.0" },
        "event": event,
        "user": user,
        "related": { "user": related },
        "log": { "level": entry.severity.as_str() },
        "message": format!("{} {} {}: {}", entry.actor, entry.action, entry.subject, entry.outcome),
        "labels": labels,
    });
    if let Some(id) = entry.correlation_id {
        document["transaction"] = json!({ "id": id });
    }
    if exporter.hostname != "-" {
        document["host"] = json!({ "name": exporter.hostname });
    }
    out.push_str(&document.to_string());
    out.push('\n');
}

/// `event.category`: one of the allowed values of ECS.
fn class(category: &Category) -> &'static str {
    match category.as_str() {
        "authentication" => "authentication",
        "authorization" => "iam",
        "access" | "data" => "database",
        "security" => "intrusion_detection",
        "system" | "recovery" | "placement" | "scaling" => "host",
        _ => "configuration",
    }
}

/// `event.type`: one of the allowed values of ECS.
fn kind(entry: &EntryRef<'_>) -> &'static str {
    if entry.outcome == Outcome::Denied {
        return "denied";
    }
    match entry.action.rsplit('.').next().unwrap_or_default() {
        "create" | "add" | "grant" => "creation",
        "delete" | "remove" | "revoke" | "erase" => "deletion",
        "read" | "query" | "export" => "access",
        "start" | "login" => "start",
        "stop" | "logout" => "end",
        "apply" | "set" | "update" | "resize" | "migrate" | "move" => "change",
        _ => "info",
    }
}

/// Where [`write`] puts the parts.
const PLACES: Places = Places {
    actor: "user.name",
    on_behalf_of: "user.effective.name",
    action: "event.action",
    category: "labels.category",
    severity: "log.level",
    outcome: "labels.outcome",
    subject: "labels.subject",
    correlation_id: "transaction.id",
    reason: "event.reason",
    before: "labels.before",
    after: "labels.after",
    fields: ("labels", FIELDS),
    seq: "event.sequence",
    prev_hash: "labels.prev_hash",
    leaf_hash: "event.hash",
};

/// Reads a document written by [`write`].
pub(super) fn read(line: &str) -> Result<Imported, String> {
    let document = Document::parse(line)?;
    let at = match document.optional("labels.at_unix_ms")? {
        Some(text) => number(&text, "labels.at_unix_ms")?,
        None => civil::parse_utc(&document.text("@timestamp")?).map_err(|e| e.to_string())?,
    };
    document.entry(at, &PLACES)
}
