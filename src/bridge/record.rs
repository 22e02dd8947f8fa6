//! Decisions and orders to entries of the audit log.

use crate::audit::{Category, Draft, Severity};
use crate::model::{ActionKind, ActionRequest, Timestamp};
use crate::reconfig::Tell;

/// What the engine tells, as an entry: the note's code is the action, its sentence the reason, its facts the free
/// fields.
pub fn draft_of_note(tell: &Tell) -> Draft {
    let note = tell.note();
    let actor = if note.actor.is_empty() { "engine" } else { &note.actor };
    let mut draft = Draft::new(note.at.as_unix_ms(), actor, note.code, note.subject.to_string())
        .with_category(category_of_note(note.code))
        .with_severity(if matches!(tell, Tell::Notify(_)) { Severity::Warning } else { Severity::Notice })
        .with_reason(note.sentence.as_str());
    for (name, value) in &note.why {
        draft = draft.with_field(*name, value.as_str());
    }
    draft
}

/// An order to the executor, as an entry that is written before the order leaves.
pub fn draft_of_action(now: Timestamp, request: &ActionRequest) -> Draft {
    let subject = match &request.kind {
        ActionKind::Fence { host } | ActionKind::Cordon { host, .. } | ActionKind::Power { host, .. } => {
            format!("host/{host}")
        }
        ActionKind::ApplyNetworkPolicy { component, .. }
        | ActionKind::RemoveNetworkPolicy { component }
        | ActionKind::ShiftTraffic { component, .. }
        | ActionKind::RotateCredentials { component } => format!("component/{component}"),
        ActionKind::Abort { action } => format!("action/{action}"),
        kind => kind.replica().map_or_else(|| "engine".to_owned(), |replica| format!("replica/{replica}")),
    };
    Draft::new(now.as_unix_ms(), "engine", request.kind.verb(), subject)
        .with_category(category_of_action(&request.kind))
        .with_reason(request.kind.to_string())
        .with_correlation_id(format!("action-{}", request.id))
        .with_field("epoch", request.epoch.to_string())
        .with_field("deadline", request.deadline.to_string())
}

const fn category_of_action(kind: &ActionKind) -> Category {
    match kind {
        ActionKind::Fence { .. } | ActionKind::Power { .. } => Category::RECOVERY,
        ActionKind::ApplyNetworkPolicy { .. }
        | ActionKind::RemoveNetworkPolicy { .. }
        | ActionKind::Snapshot { .. }
        | ActionKind::RotateCredentials { .. } => Category::SECURITY,
        ActionKind::Resize { .. } => Category::SCALING,
        ActionKind::ShiftTraffic { .. } => Category::CHANGE,
        ActionKind::Migrate { .. } => Category::PLACEMENT,
        _ => Category::SYSTEM,
    }
}

/// The category of a note by what its code speaks of.
fn category_of_note(code: &str) -> Category {
    const SECURITY: [&str; 8] = [
        "isolation",
        "network",
        "snapshot",
        "credentials",
        "compromised",
        "cannot-cut",
        "reconnect",
        "may-have-spread",
    ];
    const CHANGE: [&str; 5] = ["version", "rollout", "rollback", "bug", "map"];
    const SCALING: [&str; 4] = ["scale", "replicas-ordered", "replicas-added", "load"];
    const PLACEMENT: [&str; 4] = ["placement", "unplaceable", "move", "capacity"];
    const RECOVERY: [&str; 4] = ["host", "fence", "storm", "replica"];
    let about = |words: &[&str]| words.iter().any(|word| code.starts_with(word));
    if about(&SECURITY) {
        Category::SECURITY
    } else if about(&CHANGE) {
        Category::CHANGE
    } else if about(&SCALING) {
        Category::SCALING
    } else if about(&PLACEMENT) {
        Category::PLACEMENT
    } else if code.starts_with("approval") {
        Category::AUTHORIZATION
    } else if about(&RECOVERY) {
        Category::RECOVERY
    } else {
        Category::SYSTEM
    }
}
