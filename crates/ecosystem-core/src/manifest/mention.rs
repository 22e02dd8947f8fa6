//! Values that name another component, and the edges they are evidence of.

use super::draft::Draft;
use super::report::Report;
use super::tree::{At, shorten};
use crate::component::{Component, Kind};
use crate::dependency::{Dependency, DependencyKind};
use crate::finding::{Confidence, Evidence, EvidenceKind, Place};
use crate::id::ComponentId;
use crate::infer::address::{Address, Context, Meaning, VALUE_BYTES_MAX, addresses, meaning};
use crate::infer::image::{Basis, kind};
use indexmap::IndexMap;
use std::sync::Arc;

/// A value that may name other components.
pub(crate) struct Mention<'a, 'n> {
    /// Whose value it is.
    pub(crate) from: &'a ComponentId,
    /// Name of the variable; empty for command lines and files.
    pub(crate) key: &'a str,
    /// The value after all substitutions.
    pub(crate) value: &'a str,
    /// Where it is written.
    pub(crate) at: &'a At<'n>,
    /// `Env` or `Config`.
    pub(crate) evidence: EvidenceKind,
    /// True if the component does not start before it has reached what is named.
    pub(crate) waits: bool,
}

impl Mention<'_, '_> {
    /// Adds a call edge for every component that the value names, and a finding for an address that names none.
    ///
    /// The whole value, or the host part of an address in it, must equal a name. With a port the confidence of an
    /// environment value is high, without medium; of command lines and files medium and low.
    pub(crate) fn read<'c>(
        &self,
        lookup: impl Fn(&str) -> &'c [ComponentId],
        draft: &mut Draft,
        report: &mut Report,
    ) {
        self.read_after(&mut Context::default(), lookup, draft, report);
    }

    /// The same for an item of a command line: the items before it may announce what it is.
    pub(crate) fn read_after<'c>(
        &self,
        context: &mut Context,
        lookup: impl Fn(&str) -> &'c [ComponentId],
        draft: &mut Draft,
        report: &mut Report,
    ) {
        if !draft.may_search(self.value, || report.place(self.at)) {
            return;
        }
        if self.value.len() > VALUE_BYTES_MAX {
            let message = format!("a value of {} bytes is not searched for names", self.value.len());
            let remedy = format!("declare what it names, or make it shorter than {VALUE_BYTES_MAX} bytes");
            report.add("I1305", self.at, message, remedy);
            return;
        }
        let means = meaning(self.key);
        let bare_allowed = self.evidence == EvidenceKind::Env
            && (means == Meaning::Address || !self.value.trim().contains(char::is_whitespace));
        for address in addresses(self.value.trim(), context) {
            if !address.explicit && !bare_allowed {
                continue;
            }
            let targets = lookup(address.host);
            if targets.is_empty() {
                self.report_dangling(&address, report);
                continue;
            }
            if !address.explicit && means == Meaning::NoAddress {
                if !targets.contains(self.from) {
                    let message = format!(
                        "`{}` has the value `{}`, which is a component's name, but it does not name an address",
                        shorten(self.key),
                        address.host
                    );
                    report.add(
                        "I1302",
                        self.at,
                        message,
                        "no edge is made of it; declare one if it is meant",
                    );
                }
                continue;
            }
            for to in targets.iter().filter(|to| *to != self.from) {
                self.push(to, &address, draft, report);
            }
        }
    }

    fn push(&self, to: &ComponentId, address: &Address<'_>, draft: &mut Draft, report: &Report) {
        let confidence = match (self.evidence, address.port) {
            (EvidenceKind::Env, Some(_)) => Confidence::High,
            (EvidenceKind::Env, None) | (_, Some(_)) => Confidence::Medium,
            _ => Confidence::Low,
        };
        let mut edge = Dependency::new(self.from.clone(), to.clone(), DependencyKind::Call);
        edge.port = address.port;
        edge.protocol = Arc::from(protocol(address.scheme));
        edge.evidence = vec![report.evidence(self.evidence, confidence, self.at)];
        if self.waits {
            let mut order = Dependency::new(self.from.clone(), to.clone(), DependencyKind::StartOrder);
            order.evidence.clone_from(&edge.evidence);
            draft.connect(order, report.place(self.at));
        }
        draft.connect(edge, report.place(self.at));
    }

    fn report_dangling(&self, address: &Address<'_>, report: &mut Report) {
        let host = address.host;
        let local = host.eq_ignore_ascii_case("localhost")
            || !host.starts_with(|c: char| c.is_ascii_alphabetic())
            || matches!(address.scheme, "file" | "unix" | "data" | "jar" | "classpath");
        let inside =
            host.split('.').nth(2).is_none_or(|third| third == "svc") && host.split('.').count() != 2;
        let meant =
            !address.scheme.is_empty() || (address.port.is_some() && meaning(self.key) == Meaning::Address);
        if self.evidence == EvidenceKind::Env && meant && inside && !local {
            let message = format!(
                "`{}` names `{}`, which is not a component or service here",
                shorten(self.key),
                shorten(host)
            );
            report.add("W1301", self.at, message, "no edge is made of it; add the manifest that defines it");
        }
    }
}

/// The protocol a URL scheme stands for; driver names after `+` and before `:` fall away.
fn protocol(scheme: &str) -> String {
    let scheme = scheme.to_ascii_lowercase();
    match scheme.split('+').next().unwrap_or_default() {
        "plaintext" | "ssl" => String::new(),
        "db" => scheme.split('+').nth(1).unwrap_or_default().to_owned(),
        other => other.to_owned(),
    }
}

/// Sets the kind of a component from its image and ports and notes on what that rests.
pub(crate) fn infer_kind(component: &mut Component, image: &str, at: &At<'_>, report: &Report) {
    if let Some((kind, confidence, basis)) = kind(image, &component.ports) {
        component.kind = kind;
        let at = match basis {
            Basis::Image => at.get("image").unwrap_or_else(|| at.clone()),
            Basis::Port(_) => at.get("ports").unwrap_or_else(|| at.clone()),
        };
        component.evidence.push(report.evidence(EvidenceKind::Image, confidence, &at));
    }
}

/// For every call of a database, queue or cache also the data edge, resting on the image that says what it is.
pub(crate) fn data_edges(draft: &mut Draft) {
    let mut data: IndexMap<(ComponentId, ComponentId), (Dependency, Place)> = IndexMap::new();
    for (edge, place) in &draft.dependencies {
        if edge.kind != DependencyKind::Call {
            continue;
        }
        let Some((target, _)) = draft.components.get(&edge.to) else { continue };
        let basis: Vec<Evidence> =
            target.evidence.iter().filter(|e| e.kind == EvidenceKind::Image).cloned().collect();
        if !matches!(target.kind, Kind::Database | Kind::Queue | Kind::Cache) || basis.is_empty() {
            continue;
        }
        if !edge.evidence.iter().any(|e| matches!(e.kind, EvidenceKind::Env | EvidenceKind::Config)) {
            continue;
        }
        let mut one = edge.clone();
        one.kind = DependencyKind::Data;
        let confidence = edge.confidence();
        one.evidence =
            basis.into_iter().map(|e| Evidence { confidence: e.confidence.min(confidence), ..e }).collect();
        let known = data.entry((edge.from.clone(), edge.to.clone()));
        let known = known.or_insert_with(|| (one.clone(), place.clone()));
        if known.0.confidence() < one.confidence() {
            known.0 = one;
        }
    }
    draft.dependencies.extend(data.into_values());
}
