//! Placement rules of our own format.

use super::super::draft::Draft;
use super::super::read;
use super::super::report::{Report, did_you_mean};
use super::super::tree::At;
use crate::id::{ComponentId, InvalidId};
use crate::rules::{Domain, HostSet, Rule, RuleKind, Span, Weight};
use std::collections::BTreeSet;
use std::sync::Arc;

const KEYS: &[&str] = &[
    "name",
    "kind",
    "members",
    "domain",
    "min_domains",
    "max_skew",
    "allowed",
    "denied",
    "hosts",
    "max",
    "soft",
    "during_plan",
];

#[derive(Clone, Copy)]
enum Form {
    Together,
    Apart,
    Spread,
    Fence,
    Ban,
    Lonely,
    MaxOnline,
}

const FORMS: [(&str, Form); 7] = [
    ("together", Form::Together),
    ("apart", Form::Apart),
    ("spread", Form::Spread),
    ("fence", Form::Fence),
    ("ban", Form::Ban),
    ("lonely", Form::Lonely),
    ("max-online", Form::MaxOnline),
];

pub(super) fn read_all(rules: &At<'_>, draft: &mut Draft, report: &mut Report) {
    if !rules.is_list() {
        read::wrong(rules, "a list of rules", report);
        return;
    }
    for at in rules.items() {
        let Some(at) = read::map(at, report) else { continue };
        read::known_keys(&at, KEYS, report);
        if at.get("kind").is_none() {
            report.add(
                "E1106",
                &at,
                "`kind` is missing in the rule".to_owned(),
                "expected one of: together, apart, spread, fence, ban, lonely, max-online",
            );
            continue;
        }
        let Some(form) = read::word(&at, "kind", &FORMS, report) else { continue };
        if let Some(rule) = rule(form, &at, draft.rules.len(), report) {
            draft.rules.push((rule, report.place(&at)));
        }
    }
}

fn rule(form: Form, at: &At<'_>, number: usize, report: &mut Report) -> Option<Rule> {
    let members: Vec<ComponentId> = read::texts_of(at, "members", report)
        .into_iter()
        .filter_map(|(name, item)| Draft::id(name, &item, report))
        .collect();
    if members.is_empty() && !matches!(form, Form::MaxOnline) {
        report.add(
            "E1106",
            at,
            "`members` is missing or empty".to_owned(),
            "name the components the rule is for",
        );
        return None;
    }
    let kind = match form {
        Form::Together => RuleKind::Together { members, domain: domain(at, report) },
        Form::Apart => RuleKind::Apart { members, domain: domain(at, report) },
        Form::Spread => RuleKind::Spread {
            members,
            domain: domain(at, report),
            min_domains: read::u32_of(at, "min_domains", report).unwrap_or(1),
            max_skew: read::u32_of(at, "max_skew", report),
        },
        Form::Fence => RuleKind::Fence { members, allowed: host_set(at, "allowed", report)? },
        Form::Ban => RuleKind::Ban { members, denied: host_set(at, "denied", report)? },
        Form::Lonely => RuleKind::Lonely { members },
        Form::MaxOnline => {
            let hosts = host_set(at, "hosts", report)?;
            let Some(max) = read::u32_of(at, "max", report) else {
                report.add("E1106", at, "`max` is missing".to_owned(), "say how many hosts may be in use");
                return None;
            };
            RuleKind::MaxOnline { hosts, max }
        }
    };
    let name = read::text_of(at, "name", report).map_or_else(
        || format!("{}-{}", at.text_of("kind").unwrap_or("rule"), number + 1),
        ToOwned::to_owned,
    );
    let mut rule = Rule::hard(name, kind);
    if let Some(penalty) = read::value(at, "soft", read::WHOLE, report, super::super::quantity::count) {
        rule.weight = Weight::Soft(penalty);
    }
    if read::bool_of(at, "during_plan", report) == Some(true) {
        rule.span = Span::WholePlan;
    }
    Some(rule)
}

/// `host`, `rack`, `zone`, `region` or `{named: power-feed}`; a host if nothing is said.
fn domain(at: &At<'_>, report: &mut Report) -> Domain {
    let Some(value) = at.get("domain") else { return Domain::Host };
    if value.is_map() {
        return read::text_of(&value, "named", report)
            .map_or(Domain::Host, |name| Domain::Named(Arc::from(name)));
    }
    match value.text() {
        Some("host") => Domain::Host,
        Some("rack") => Domain::Rack,
        Some("zone") => Domain::Zone,
        Some("region") => Domain::Region,
        other => {
            let remedy = did_you_mean(
                other.unwrap_or_default(),
                ["host", "rack", "zone", "region"],
                "expected host, rack, zone, region or `{named: power-feed}`",
            );
            report.add(
                "E1103",
                &value,
                format!("`domain` is {}, which is not known", value.node.describe()),
                remedy,
            );
            Domain::Host
        }
    }
}

fn host_set(at: &At<'_>, key: &str, report: &mut Report) -> Option<HostSet> {
    let Some(value) = at.get(key) else {
        let message = format!("`{key}` is missing");
        report.add("E1106", at, message, "name hosts, racks, zones, regions or labels");
        return None;
    };
    let value = read::map(value, report)?;
    read::known_keys(&value, &["hosts", "racks", "zones", "regions", "labels"], report);
    let mut set = HostSet {
        hosts: names(&value, "hosts", report),
        racks: names(&value, "racks", report),
        zones: names(&value, "zones", report),
        regions: names(&value, "regions", report),
        ..HostSet::default()
    };
    if let Some(labels) = value.get("labels").and_then(|labels| read::map(labels, report)) {
        for (label, _, item) in labels.entries() {
            for (text, _) in read::texts(&item, report) {
                set.labels.insert((Arc::from(label), Arc::from(text)));
            }
        }
    }
    Some(set)
}

fn names<T>(at: &At<'_>, key: &str, report: &mut Report) -> BTreeSet<T>
where
    T: for<'t> TryFrom<&'t str, Error = InvalidId> + Ord,
{
    let mut set = BTreeSet::new();
    for (text, item) in read::texts_of(at, key, report) {
        match T::try_from(text) {
            Ok(name) => {
                set.insert(name);
            }
            Err(error) => report.add("E1105", &item, error.to_string(), "correct the name"),
        }
    }
    set
}
