//! Open Cybersecurity Schema Framework 1.2 events: Authentication (3002), User Access Management (3005), Entity
//! Management (3004), API Activity (6003) for everything else. What has no attribute goes into `unmapped`.
//!
//! Reading takes every part from the one place where it is written whole and leaves out what others have added.

use serde_json::{Map, Value as Json, json};

use super::Exporter;
use super::document::{Document, Places};
use super::import::Imported;
use super::labels::Labels;
use super::value::to_cell;
use crate::class::{Outcome, Severity};
use crate::entry::EntryRef;
use crate::value::ValueRef;

/// Free fields in `unmapped`.
const FIELDS: Labels = Labels { prefix: "field.", flat: false };

pub(super) fn write(exporter: &Exporter, entry: &EntryRef<'_>, out: &mut String) {
    let mut event = Map::new();
    let user = json!({ "name": entry.actor, "uid": entry.actor });
    let (class, name, category, activity) = class(entry, &user, &mut event);
    if !event.contains_key("actor") {
        event.insert(
            "actor".into(),
            json!({ "user": user, "invoked_by": entry.on_behalf_of.unwrap_or(entry.actor) }),
        );
    }
    let mut put = |key: &str, value: Json| drop(event.insert(key.to_owned(), value));
    put("class_uid", class.into());
    put("class_name", name.into());
    put("category_uid", category.0.into());
    put("category_name", category.1.into());
    put("activity_id", activity.into());
    if activity == 99 {
        put("activity_name", entry.action.into());
    }
    put("type_uid", (class * 100 + activity).into());
    put("time", entry.at_unix_ms.into());
    put("severity_id", severity(entry.severity).into());
    put("severity", entry.severity.as_str().into());
    let (status, status_name) = match entry.outcome {
        Outcome::Success => (1, "Success"),
        Outcome::Failure | Outcome::Denied => (2, "Failure"),
        Outcome::Pending | Outcome::Unknown => (0, "Unknown"),
    };
    put("status_id", status.into());
    put("status", status_name.into());
    put("status_code", entry.outcome.as_str().into());
    if let Some(reason) = entry.reason {
        put("status_detail", to_cell(reason).into());
    }
    put("message", format!("{} {} {}: {}", entry.actor, entry.action, entry.subject, entry.outcome).into());
    put("metadata", metadata(exporter, entry));
    put("unmapped", unmapped(exporter, entry));
    out.push_str(&Json::Object(event).to_string());
    out.push('\n');
}

/// Uid and name of a class, uid and name of its category, activity.
type Class = (i32, &'static str, (i32, &'static str), i32);

/// Uid, name, category and activity of the event class, and the attributes that only this class has.
fn class(entry: &EntryRef<'_>, user: &Json, event: &mut Map<String, Json>) -> Class {
    let verb = entry.action.rsplit('.').next().unwrap_or_default();
    match entry.category {
        "authentication" => {
            event.insert("user".into(), user.clone());
            event.insert("auth_protocol_id".into(), 0.into());
            let activity = match verb {
                "login" | "logon" => 1,
                "logout" | "logoff" => 2,
                _ => 99,
            };
            (3002, "Authentication", (3, "Identity & Access Management"), activity)
        }
        "authorization" if matches!(verb, "grant" | "revoke") => {
            event.insert("user".into(), json!({ "name": entry.subject, "uid": entry.subject }));
            let role = entry.fields.get("role").and_then(ValueRef::as_text).unwrap_or(entry.subject);
            event.insert("privileges".into(), json!([role]));
            (
                3005,
                "User Access Management",
                (3, "Identity & Access Management"),
                if verb == "grant" { 1 } else { 2 },
            )
        }
        "change" | "configuration" | "data" | "placement" | "scaling" if !entry.subject.is_empty() => {
            let mut entity = json!({ "name": entry.subject, "uid": entry.subject });
            if let Some((kind, _)) = entry.subject.split_once('/') {
                entity["type"] = kind.into();
            }
            event.insert("entity".into(), entity);
            (3004, "Entity Management", (3, "Identity & Access Management"), crud(verb))
        }
        _ => {
            event.insert(
                "api".into(),
                json!({ "operation": entry.action, "request": { "uid": entry.seq.to_string() } }),
            );
            let origin = entry.fields.get("origin").and_then(ValueRef::as_text).unwrap_or("unknown");
            event.insert("src_endpoint".into(), json!({ "name": origin }));
            (6003, "API Activity", (6, "Application Activity"), crud(verb))
        }
    }
}

fn metadata(exporter: &Exporter, entry: &EntryRef<'_>) -> Json {
    let product = json!({ "name": exporter.product, "vendor_name": exporter.vendor, "version": env!("CARGO_PKG_VERSION") });
    let mut metadata = json!({
        "version": "1.2.0",
        "product": product,
        "log_name": "audit",
        "sequence": entry.seq,
        "uid": entry.leaf_hash().to_hex(),
        "event_code": entry.action,
    });
    if let Some(id) = entry.correlation_id {
        metadata["correlation_uid"] = id.into();
    }
    metadata
}

fn unmapped(exporter: &Exporter, entry: &EntryRef<'_>) -> Json {
    let mut map = Map::new();
    let mut put = |key: &str, value: String| drop(map.insert(key.to_owned(), Json::String(value)));
    put("category", entry.category.to_owned());
    put("subject", entry.subject.to_owned());
    for (name, value) in [("before", entry.before), ("after", entry.after)] {
        if let Some(value) = value {
            put(name, to_cell(value));
        }
    }
    if let Some(person) = entry.on_behalf_of {
        put("on_behalf_of", person.to_owned());
    }
    if exporter.hashes {
        put("prev_hash", entry.prev_hash.to_hex());
        put("leaf_hash", entry.leaf_hash().to_hex());
    }
    FIELDS.put(entry.fields.iter(), &mut map);
    Json::Object(map)
}

/// Where [`write`] puts the parts.
const PLACES: Places = Places {
    actor: "actor.user.name",
    on_behalf_of: "unmapped.on_behalf_of",
    action: "metadata.event_code",
    category: "unmapped.category",
    severity: "severity",
    outcome: "status_code",
    subject: "unmapped.subject",
    correlation_id: "metadata.correlation_uid",
    reason: "status_detail",
    before: "unmapped.before",
    after: "unmapped.after",
    fields: ("unmapped", FIELDS),
    seq: "metadata.sequence",
    prev_hash: "unmapped.prev_hash",
    leaf_hash: "unmapped.leaf_hash",
};

/// Reads an event written by [`write`].
pub(super) fn read(line: &str) -> Result<Imported, String> {
    let event = Document::parse(line)?;
    let at = event.number("time")?.ok_or("`time` is missing")?;
    event.entry(at, &PLACES)
}

/// Create, read, update, delete, other.
fn crud(verb: &str) -> i32 {
    match verb {
        "create" | "add" | "provision" => 1,
        "read" | "query" | "export" | "list" | "review" => 2,
        "update" | "set" | "apply" | "resize" | "migrate" | "move" | "start" | "stop" | "restart" => 3,
        "delete" | "remove" | "erase" | "destroy" => 4,
        _ => 99,
    }
}

/// Informational 1, low 2, medium 3, high 4, critical 5, fatal 6.
const fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Debug | Severity::Info => 1,
        Severity::Notice => 2,
        Severity::Warning => 3,
        Severity::Error => 4,
        Severity::Critical | Severity::Alert => 5,
        Severity::Emergency => 6,
    }
}
