//! Traces among the inputs: observed calls become edges, services that are not declared become components.

use super::draft::Draft;
use super::report::Report;
use crate::component::{Component, Kind};
use crate::dependency::{Dependency, DependencyKind};
use crate::finding::{Confidence, Evidence, EvidenceKind};
use crate::id::ComponentId;
use crate::traces::{ObservedCall, Span, calls};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Adds what the spans show.
pub(super) fn add(spans: &[Span], draft: &mut Draft, report: &mut Report) {
    let declared = !draft.components.is_empty();
    let observed = calls(spans);
    let services: BTreeSet<&Arc<str>> = spans.iter().map(|s| &s.service).collect();
    for service in services {
        let place = spans.iter().find(|s| s.service == *service).map(|s| s.place.clone()).unwrap_or_default();
        let Some(id) = identify(service, draft) else {
            report.add_at("W1351", place, format!("service `{service}` has no valid name"), "rename it");
            continue;
        };
        if !draft.components.contains_key(&id) {
            if declared {
                let message = format!("service `{service}` sends traces, but no manifest declares it");
                report.add_at("W1350", place.clone(), message, "declare it, or correct its `service.name`");
            }
            let mut component = Component::new(id, Kind::Container);
            component.evidence.push(Evidence {
                kind: EvidenceKind::Trace,
                confidence: Confidence::High,
                place: place.clone(),
            });
            draft.add(component, place, report);
        }
    }
    for call in &observed {
        edge(call, draft, report);
    }
}

/// The component a service name means: the same name, with or without the word `service`, or a new one.
fn identify(name: &str, draft: &Draft) -> Option<ComponentId> {
    let bare = |text: &str| -> String {
        let low: String = text.to_ascii_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        low.strip_suffix("service").map_or_else(|| low.clone(), ToOwned::to_owned)
    };
    if let Ok(id) = ComponentId::new(name)
        && draft.components.contains_key(&id)
    {
        return Some(id);
    }
    let wanted = bare(name);
    let mut same = draft.components.keys().filter(|id| bare(id.as_str()) == wanted);
    match (same.next(), same.next()) {
        (Some(only), None) => Some(only.clone()),
        _ => ComponentId::new(name).ok(),
    }
}

fn edge(call: &ObservedCall, draft: &mut Draft, report: &mut Report) {
    let (Some(from), Some(to)) = (identify(&call.from, draft), identify(&call.to, draft)) else { return };
    if from == to {
        return;
    }
    if !draft.components.contains_key(&to) {
        let kind = match (call.is_store, call.is_queue) {
            (true, _) => Kind::Database,
            (_, true) => Kind::Queue,
            _ => Kind::External,
        };
        let mut component = Component::new(to.clone(), kind);
        component.image = Arc::clone(&call.protocol);
        let evidence =
            Evidence { kind: EvidenceKind::Trace, confidence: Confidence::Medium, place: call.place.clone() };
        component.evidence.push(evidence);
        draft.add(component, call.place.clone(), report);
    }
    let mut edge = Dependency::new(from, to, DependencyKind::Call);
    edge.mode = call.mode;
    edge.protocol = Arc::clone(&call.protocol);
    edge.calls_per_1000_s = call.calls_per_1000_s;
    edge.evidence =
        vec![Evidence { kind: EvidenceKind::Trace, confidence: Confidence::High, place: call.place.clone() }];
    draft.connect(edge.clone(), call.place.clone());
    if call.is_store || call.is_queue {
        edge.kind = DependencyKind::Data;
        draft.connect(edge, call.place.clone());
    }
}
