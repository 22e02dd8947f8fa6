//! What our exports carry beside the words of another format: attributes and edges that the format cannot say.

use super::draft::Draft;
use super::exported::json;
use super::report::Report;
use super::tree::{At, Value};
use crate::component::Component;
use crate::dependency::Dependency;
use crate::finding::{Confidence, EvidenceKind};
use crate::id::ComponentId;
use crate::resources::Resources;

/// Annotation or extension with the attributes of a component.
pub(crate) const COMPONENT: &str = "vm-ecosystem/component";
/// Annotation or extension with its edges.
pub(crate) const NEEDS: &str = "vm-ecosystem/needs";

/// Completes a component with what is carried for it. What the format itself says wins: replicas, image, version, and
/// requested and limited processor time and memory. True if there is something carried.
pub(crate) fn complete(native: &mut Component, holder: &At<'_>, report: &mut Report) -> bool {
    let Some(carried) = component(holder, report) else { return false };
    let said = std::mem::replace(native, carried);
    native.id = said.id;
    native.evidence = said.evidence;
    if !(native.per_host && said.per_host) {
        (native.per_host, native.replicas) = (said.per_host, said.replicas);
        if native.replica_range.is_some_and(|(min, max)| !(min..=max).contains(&said.replicas)) {
            native.replica_range = said.replica_range;
        }
    }
    if !said.image.is_empty() {
        (native.image, native.version) = (said.image, said.version);
    }
    let needs = &mut native.requirements;
    let limit_was = needs.limit.clone();
    correct(&mut needs.limit, &said.requirements.limit, &Resources::default());
    // a limit without a request is the request, too
    correct(&mut needs.request, &said.requirements.request, &limit_was);
    true
}

/// Processor time and memory as the format says, unless that is what the carried value comes to anyway.
fn correct(carried: &mut Resources, said: &Resources, otherwise: &Resources) {
    let differs =
        |carried: u64, otherwise: u64, said: u64| said != if carried == 0 { otherwise } else { carried };
    if differs(carried.cpu.get(), otherwise.cpu.get(), said.cpu.get()) {
        carried.cpu = said.cpu;
    }
    if differs(carried.memory.get(), otherwise.memory.get(), said.memory.get()) {
        carried.memory = said.memory;
    }
}

/// The component that is carried, if there is one.
pub(crate) fn component(holder: &At<'_>, report: &mut Report) -> Option<Component> {
    let at = holder.get(COMPONENT).or_else(|| holder.get(&format!("x-{COMPONENT}")))?;
    parsed(&at, report)
}

/// Takes over the edges that are carried for a component; between it and their targets nothing else is inferred.
pub(crate) fn connect(from: &ComponentId, holder: &At<'_>, draft: &mut Draft, report: &mut Report) {
    let Some(at) = holder.get(NEEDS).or_else(|| holder.get(&format!("x-{NEEDS}"))) else { return };
    let Some(mut list) = parsed::<serde_json::Value>(&at, report) else { return };
    for item in list.as_array_mut().map(std::mem::take).unwrap_or_default() {
        let serde_json::Value::Object(mut item) = item else { continue };
        item.insert("from".to_owned(), from.as_str().into());
        match serde_json::from_value::<Dependency>(item.into()) {
            Ok(mut edge) => {
                if edge.evidence.is_empty() {
                    edge.evidence = vec![report.evidence(EvidenceKind::Declared, Confidence::High, &at)];
                }
                draft.declare(edge, report.place(&at));
            }
            Err(error) => damaged(&at, &error, report),
        }
    }
}

/// JSON in a text, or written out as the nodes of an extension.
fn parsed<T: serde::de::DeserializeOwned>(at: &At<'_>, report: &mut Report) -> Option<T> {
    let result = match &at.node.value {
        Value::Scalar(scalar) => serde_json::from_str(&scalar.text),
        _ => serde_json::from_value(json(at.node)),
    };
    result.map_err(|error| damaged(at, &error, report)).ok()
}

fn damaged(at: &At<'_>, error: &serde_json::Error, report: &mut Report) {
    report.add(
        "W1360",
        at,
        format!("what is carried here cannot be read: {error}"),
        "remove it, or export anew",
    );
}
