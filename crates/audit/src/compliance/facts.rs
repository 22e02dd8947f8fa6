//! What only the host knows.

use serde_json::Value;

use crate::hash::Hash;
use crate::json::Json;
use crate::verify::Head;

/// A stored checkpoint whose signatures the host has verified.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CheckpointFact {
    /// Size and root it states.
    pub head: Head,
    /// When it was made; `None` = unknown.
    pub at_unix_ms: Option<u64>,
    /// Name of the key whose signature was verified; `None` = unsigned or unknown key.
    pub key: Option<String>,
    /// Verified cosignatures of witnesses.
    pub cosignatures: u32,
    /// Whether it is kept outside, where the writer of the log cannot change it.
    pub external: bool,
}

impl CheckpointFact {
    /// An unsigned, internal checkpoint.
    pub const fn new(head: Head) -> Self {
        Self { head, at_unix_ms: None, key: None, cosignatures: 0, external: false }
    }
}

/// A statement in place of evidence.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Declaration {
    /// Id of the control as in the standard, for example `Art. 35`.
    pub control: String,
    /// What is stated.
    pub statement: String,
    /// By whom.
    pub by: String,
}

/// What only the host knows. Everything is optional; what is missing makes the checks that need it insufficient.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Facts {
    /// Components of the ecosystem model that have to leave records (besides those of `inventory.add` entries).
    pub components: Vec<String>,
    /// Stored checkpoints, oldest first.
    pub checkpoints: Vec<CheckpointFact>,
    /// Queries and exports that the host has served in the period, by its own counter.
    pub queries_served: Option<u64>,
    /// Attempts that the host has denied in the period, by its own counter.
    pub denials: Option<u64>,
    /// Records that were lost before they reached the log.
    pub lost_records: u64,
    /// Present state of resources, to compare with the change history (besides `state.observe` entries).
    pub present: Vec<(String, Json)>,
    /// Statements.
    pub declarations: Vec<Declaration>,
}

/// Why facts cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("facts: {0}")]
pub struct FactsError(String);

impl Facts {
    /// Reads facts from a JSON object: `components` (names), `checkpoints` (objects with `size`, `root` (hex or base64), `at_unix_ms`, `key`,
    /// `cosignatures`, `external`), `queries_served`, `denials`, `lost_records`, `present` (object: resource to state),
    /// `declarations` (objects with `control`, `statement`, `by`).
    ///
    /// # Errors
    /// Names the member that is wrong or unknown.
    pub fn parse(text: &str) -> Result<Self, FactsError> {
        let value: Value = serde_json::from_str(text).map_err(|e| FactsError(e.to_string()))?;
        let Value::Object(map) = value else { return Err(FactsError("expected an object".to_owned())) };
        let mut facts = Self::default();
        for (name, value) in map {
            let wrong = || FactsError(format!("`{name}` has the wrong form"));
            let list = || value.as_array().ok_or_else(wrong);
            match name.as_str() {
                "components" => {
                    let names: Option<Vec<String>> =
                        list()?.iter().map(|v| v.as_str().map(str::to_owned)).collect();
                    facts.components = names.ok_or_else(wrong)?;
                }
                "checkpoints" => {
                    let all: Option<Vec<CheckpointFact>> = list()?.iter().map(checkpoint).collect();
                    facts.checkpoints = all.ok_or_else(wrong)?;
                }
                "queries_served" => facts.queries_served = Some(value.as_u64().ok_or_else(wrong)?),
                "denials" => facts.denials = Some(value.as_u64().ok_or_else(wrong)?),
                "lost_records" => facts.lost_records = value.as_u64().ok_or_else(wrong)?,
                "present" => {
                    let states = value.as_object().ok_or_else(wrong)?;
                    facts.present = states.iter().map(|(k, v)| (k.clone(), Json(v.clone()))).collect();
                }
                "declarations" => {
                    let all: Option<Vec<Declaration>> = list()?.iter().map(declaration).collect();
                    facts.declarations = all.ok_or_else(wrong)?;
                }
                _ => return Err(FactsError(format!("`{name}` is not known"))),
            }
        }
        Ok(facts)
    }
}

fn checkpoint(value: &Value) -> Option<CheckpointFact> {
    let root = value.get("root")?.as_str()?;
    let root = Hash::from_hex(root).or_else(|| Hash::from_base64(root))?;
    let mut fact = CheckpointFact::new(Head { size: value.get("size")?.as_u64()?, root });
    fact.at_unix_ms = value.get("at_unix_ms").and_then(Value::as_u64);
    fact.key = value.get("key").and_then(Value::as_str).map(str::to_owned);
    fact.cosignatures = value.get("cosignatures").and_then(Value::as_u64).unwrap_or(0).try_into().ok()?;
    fact.external = value.get("external").and_then(Value::as_bool).unwrap_or(false);
    Some(fact)
}

fn declaration(value: &Value) -> Option<Declaration> {
    let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    Some(Declaration {
        control: text("control")?,
        statement: text("statement")?,
        by: text("by").unwrap_or_default(),
    })
}
