//! The JSON Schema (draft 2020-12) of our own format, from the same tables of keys and words that its reader uses.

use super::native::component::{self, CRITICALITIES, EDGE_KEYS, EVIDENCE_KEYS};
use super::native::rules::{COMMON_KEYS, FORMS, HOST_SET_KEYS};
use super::native::{self};
use crate::component::Kind;
use crate::dependency::{DependencyKind, StartCondition};
use crate::finding::{Confidence, EvidenceKind};
use crate::id::NAME_BYTES_MAX;
use serde_json::{Map, Value, json};

/// The JSON Schema of manifests of format version 1.1, as in `docs/manifest.schema.json`; for editors and other validators.
///
/// It says which keys and words there are and what form values have. That names exist, quantities are well formed and
/// ranges hold is for [`parse`](super::parse) to say.
///
/// # Example
/// ```
/// let schema = ecosystem_core::manifest::json_schema();
/// assert!(schema.contains("\"$id\": \"urn:vm-ecosystem:manifest:1.1\""));
/// ```
pub fn json_schema() -> String {
    let day = "([Mm]on|[Tt]ue|[Ww]ed|[Tt]hu|[Ff]ri|[Ss]at|[Ss]un)";
    let days = format!("([Dd]aily|{day}([-,]{day})*) *");
    let moment = "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2})";
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:vm-ecosystem:manifest:1.1",
        "title": "vm-ecosystem manifest, format version 1.1",
        "type": "object",
        "required": ["version", "components"],
        "additionalProperties": false,
        "patternProperties": { "^x-": {} },
        "properties": properties(native::KEYS, top),
        "$defs": {
            "name": { "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX, "pattern": "^[^\\s\"'`\\\\#]+$" },
            "names": one_or_many(&reference("name")),
            "texts": one_or_many(&json!({ "type": "string" })),
            "quantity": { "type": ["string", "number"] },
            "resources": {
                "type": "object",
                "description": "Resource vector; further names are whole numbers.",
                "properties": properties(&["cpu", "memory", "disk", "network"], |_| reference("quantity")),
                "additionalProperties": reference("quantity"),
            },
            "hostSet": object(&properties(HOST_SET_KEYS, |key| match key {
                "labels" => json!({ "type": "object", "additionalProperties": reference("texts") }),
                _ => reference("texts"),
            })),
            "domain": { "oneOf": [
                { "enum": ["host", "rack", "zone", "region"] },
                {
                    "type": "object", "required": ["named"], "additionalProperties": false,
                    "properties": { "named": { "type": "string" } },
                },
            ] },
            "component": object(&properties(component::KEYS, component)),
            "port": { "oneOf": [
                number_of_port(),
                { "type": "string", "pattern": "^[0-9]{1,5}(/[A-Za-z0-9]+)?$" },
                object(&json!({ "port": number_of_port(), "protocol": { "type": "string" } })),
            ] },
            "window": {
                "type": "string",
                "description": "Days and times in UTC, or two moments with a slash between them.",
                "pattern": format!("^({days} [0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]|{moment}/{moment})$"),
            },
            "dependency": object(&properties(EDGE_KEYS, dependency)),
            "evidence": evidence(),
            "edgeKind": { "enum": DependencyKind::ALL.map(DependencyKind::as_str) },
            "rule": { "oneOf": FORMS.iter().map(|(word, _, required, optional)| rule(word, required, optional)).collect::<Vec<_>>() },
        },
    });
    format!("{schema:#}\n")
}

fn top(key: &str) -> Value {
    match key {
        "version" => json!({ "enum": [1, "1", 1.1, "1.1"] }),
        "components" => json!({
            "type": "object",
            "propertyNames": reference("name"),
            "additionalProperties": { "oneOf": [{ "type": "null" }, reference("component")] },
        }),
        "rules" => json!({ "type": "array", "items": reference("rule") }),
        _ => json!({ "type": "string" }),
    }
}

fn component(key: &str) -> Value {
    match key {
        "kind" => json!({ "enum": Kind::ALL.map(Kind::as_str) }),
        "version" | "dirty_rate" => reference("quantity"),
        "replicas" => json!({ "oneOf": [
            whole(), object(&properties(&["min", "max", "count"], |_| whole())),
        ] }),
        "resources" => json!({ "anyOf": [
            reference("resources"),
            object(&properties(component::RESOURCE_KEYS, |_| reference("resources"))),
        ] }),
        "slo" => object(&properties(component::SLO_KEYS, |_| reference("quantity"))),
        "criticality" => json!({ "enum": CRITICALITIES.map(|(word, _)| word) }),
        "residency" => reference("texts"),
        "licences" => json!({ "type": "object", "additionalProperties": whole() }),
        "labels" => json!({
            "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        }),
        "ports" => one_or_many(&reference("port")),
        "max_unavailable" => whole(),
        "maintenance" => one_or_many(&reference("window")),
        "per_host" => json!({ "type": "boolean" }),
        "evidence" => list_of_evidence(),
        "depends_on" => json!({ "oneOf": [
            reference("name"),
            { "type": "array", "items": { "oneOf": [reference("name"), reference("dependency")] } },
            { "type": "object", "additionalProperties": { "oneOf": [{ "type": "null" }, reference("dependency")] } },
        ] }),
        _ => json!({ "type": "string" }),
    }
}

fn dependency(key: &str) -> Value {
    match key {
        "on" => reference("name"),
        "kind" => one_or_many(&reference("edgeKind")),
        "strength" => json!({ "enum": ["hard", "soft"] }),
        "mode" => json!({ "enum": ["synchronous", "queued", "batch"] }),
        "condition" => json!({ "enum": StartCondition::ALL.map(StartCondition::as_str) }),
        "protocol" => json!({ "type": "string" }),
        "port" => number_of_port(),
        "evidence" => list_of_evidence(),
        _ => reference("quantity"),
    }
}

fn list_of_evidence() -> Value {
    json!({ "type": "array", "items": reference("evidence") })
}

fn evidence() -> Value {
    let mut piece = object(&properties(EVIDENCE_KEYS, |key| match key {
        "kind" => json!({ "enum": EvidenceKind::ALL.map(EvidenceKind::as_str) }),
        "confidence" => json!({ "enum": Confidence::ALL.map(Confidence::as_str) }),
        "line" | "column" => whole(),
        _ => json!({ "type": "string" }),
    }));
    piece["required"] = json!(["kind"]);
    piece
}

fn rule(word: &str, required: &[&str], optional: &[&str]) -> Value {
    let value = |key: &str| match (key, word) {
        ("kind", _) => json!({ "const": word }),
        ("max", "quota" | "max-price") | ("budget", _) => reference("quantity"),
        ("soft" | "min_domains" | "max_skew" | "failures" | "max", _) => whole(),
        ("during_plan", _) => json!({ "type": "boolean" }),
        ("members" | "needs" | "path", _) => reference("names"),
        ("from" | "to", _) => reference("name"),
        ("domain", _) => reference("domain"),
        ("allowed" | "denied" | "hosts", _) => reference("hostSet"),
        ("parts", _) => json!({ "type": "array", "minItems": 1, "items": reference("hostSet") }),
        ("groups", _) => json!({ "type": "array", "minItems": 1, "items": reference("names") }),
        ("replicas", _) => json!({
            "type": "object", "propertyNames": { "pattern": "^.+#[0-9]+$" }, "additionalProperties": { "type": "string" },
        }),
        _ => json!({ "type": "string" }),
    };
    let keys = [COMMON_KEYS, required, optional].concat();
    let mut rule = object(&properties(&keys, value));
    rule["required"] = json!([&["kind"], required].concat());
    rule
}

fn properties(keys: &[&str], value: impl Fn(&str) -> Value) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), value(key))).collect::<Map<_, _>>().into()
}

/// An object with these properties and no others but extensions.
fn object(properties: &Value) -> Value {
    json!({
        "type": "object", "additionalProperties": false, "patternProperties": { "^x-": {} }, "properties": properties,
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn one_or_many(item: &Value) -> Value {
    json!({ "oneOf": [item, { "type": "array", "items": item }] })
}

fn whole() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn number_of_port() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": u16::MAX })
}
