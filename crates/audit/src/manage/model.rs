//! Which model served when, and who put it there.

use super::{AuditManager, ChangeError};
use crate::change::HistoryError;
use crate::class::Category;
use crate::entry::Draft;
use crate::hash::Hash;
use crate::json::Json;
use crate::value::Value;
use crate::writer::Receipt;

/// The version of a model that a service uses.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ActiveModel {
    /// Its version, as the registry of the host names it.
    pub version: String,
    /// Where it stands in the registry: `shadow`, `production`, `archived` …
    pub stage: String,
    /// SHA-256 of the artefact, so that the record says which bytes decided.
    pub artefact: Hash,
}

impl ActiveModel {
    /// A version with the artefact it is made of.
    pub fn new(version: impl Into<String>, stage: impl Into<String>, artefact: Hash) -> Self {
        Self { version: version.into(), stage: stage.into(), artefact }
    }

    fn to_json(&self) -> Json {
        Json(serde_json::json!({
            "artefact": self.artefact.to_hex(),
            "stage": self.stage,
            "version": self.version,
        }))
    }
}

impl AuditManager {
    /// Records that a service uses another model from now on: action `model.activate`, subject `model/SERVICE`, the states
    /// before and after. `None` if it is the one in use. [`AuditManager::history`] of the subject tells which model was in
    /// use at any time, by whom and why.
    ///
    /// # Errors
    /// A broken history, an entry the log refuses.
    pub fn activate_model(
        &mut self,
        service: &str,
        model: &ActiveModel,
        (actor, reason): (&str, &str),
        at_unix_ms: u64,
    ) -> Result<Option<Receipt>, ChangeError> {
        let subject = format!("model/{service}");
        let history = self.history(&subject)?;
        let (before, after) = (history.current(), model.to_json());
        if *before == after {
            return Ok(None);
        }
        let mut draft = Draft::new(at_unix_ms, actor, "model.activate", subject)
            .with_category(Category::CHANGE)
            .with_reason(reason)
            .with_after(Value::Json(after.canonical()));
        if *before != Json::NULL {
            draft = draft.with_before(Value::Json(before.canonical()));
        }
        Ok(Some(self.log_event(&draft)?))
    }

    /// The model that a service used at a moment, as [`AuditManager::activate_model`] recorded it; `None` before the first.
    ///
    /// # Errors
    /// A broken history.
    pub fn model_at(&self, service: &str, at_unix_ms: u64) -> Result<Option<ActiveModel>, HistoryError> {
        let (_, state) = self.history(&format!("model/{service}"))?.state_at(at_unix_ms);
        let text = |name: &str| state.0.get(name).and_then(|value| value.as_str());
        let artefact = text("artefact").and_then(Hash::from_hex);
        let found = text("version").zip(text("stage")).zip(artefact);
        Ok(found.map(|((version, stage), artefact)| ActiveModel::new(version, stage, artefact)))
    }
}
