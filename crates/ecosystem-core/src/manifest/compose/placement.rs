//! `deploy.placement` and shared namespaces as placement rules.

use super::super::draft::Draft;
use super::super::read;
use super::super::report::Report;
use super::super::tree::{At, shorten};
use crate::id::{ComponentId, HostId};
use crate::rules::{Domain, HostSet, Rule, RuleKind};
use std::sync::Arc;

/// Adds the rules of one service.
pub(super) fn read(
    id: &ComponentId,
    replicas: u32,
    service: &At<'_>,
    draft: &mut Draft,
    report: &mut Report,
) {
    let Some(placement) = service.dig(&["deploy", "placement"]) else { return };
    for (text, at) in read::texts_of(&placement, "constraints", report) {
        constraint(id, text, &at, draft, report);
    }
    for at in placement.get("preferences").iter().flat_map(At::items) {
        let Some(label) = at.text_of("spread") else { continue };
        let domain = domain(label);
        let kind = RuleKind::Spread { members: vec![id.clone()], domain, min_domains: 1, max_skew: Some(1) };
        push(Rule::soft(format!("{id}-spread"), kind, 1), &at, draft, report);
    }
    if let Some(most) = read::u32_of(&placement, "max_replicas_per_node", report).filter(|&most| most > 0) {
        let members = vec![id.clone()];
        let kind = if most == 1 {
            RuleKind::Apart { members, domain: Domain::Host }
        } else {
            let min_domains = replicas.div_ceil(most);
            RuleKind::Spread { members, domain: Domain::Host, min_domains, max_skew: None }
        };
        push(Rule::hard(format!("{id}-per-host"), kind), &placement, draft, report);
    }
}

/// Services that share a namespace run on one host.
pub(super) fn together(
    id: &ComponentId,
    other: &ComponentId,
    at: &At<'_>,
    draft: &mut Draft,
    report: &Report,
) {
    let kind = RuleKind::Together { members: vec![id.clone(), other.clone()], domain: Domain::Host };
    push(Rule::hard(format!("{id}-with-{other}"), kind), at, draft, report);
}

fn push(rule: Rule, at: &At<'_>, draft: &mut Draft, report: &Report) {
    draft.rules.push((rule, report.place(at)));
}

fn domain(label: &str) -> Domain {
    match label.trim_start_matches("node.labels.").trim_start_matches("engine.labels.") {
        "node.hostname" | "node.id" => Domain::Host,
        "zone" | "datacenter" | "az" => Domain::Zone,
        "rack" => Domain::Rack,
        "region" => Domain::Region,
        other => Domain::Named(Arc::from(other)),
    }
}

/// `node.labels.disk == ssd`, `node.hostname != h1`; roles and platforms are not properties of our hosts.
fn constraint(id: &ComponentId, text: &str, at: &At<'_>, draft: &mut Draft, report: &mut Report) {
    let equal = text.split_once("==").map(|parts| (parts, true));
    let Some(((key, value), wanted)) = equal.or_else(|| text.split_once("!=").map(|parts| (parts, false)))
    else {
        let message = format!("`{}` is not a placement constraint", shorten(text));
        report.add("W1408", at, message, "write `node.labels.key == value`");
        return;
    };
    let (key, value) = (key.trim(), value.trim());
    let mut set = HostSet::default();
    if let Some(label) = key.strip_prefix("node.labels.").or_else(|| key.strip_prefix("engine.labels.")) {
        set.labels.insert((Arc::from(label), Arc::from(value)));
    } else if let ("node.hostname", Ok(host)) = (key, HostId::new(value)) {
        set.hosts.insert(host);
    } else {
        let message = format!("constraint on `{}` cannot be expressed as a rule", shorten(key));
        report.add("W1320", at, message, "write the rule by hand if the placement must honour it");
        return;
    }
    let members = vec![id.clone()];
    let kind = if wanted {
        RuleKind::Fence { members, allowed: set }
    } else {
        RuleKind::Ban { members, denied: set }
    };
    push(Rule::hard(format!("{id}-hosts"), kind), at, draft, report);
}
