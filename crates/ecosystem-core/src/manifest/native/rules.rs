//! Placement rules of our own format.

use super::super::draft::Draft;
use super::super::quantity;
use super::super::read;
use super::super::report::Report;
use super::super::tree::At;
use crate::id::{ComponentId, HostId, InvalidId, ReplicaId};
use crate::rules::{Domain, HostSet, Rule, RuleKind, Span, Weight};
use crate::units::{BitsPerSecond, Bytes, Micros, Millicores};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Keys of a set of hosts.
pub(crate) const HOST_SET_KEYS: &[&str] = &["hosts", "racks", "zones", "regions", "labels"];

/// Keys that every rule may have.
pub(crate) const COMMON_KEYS: &[&str] = &["name", "kind", "soft", "during_plan"];

#[derive(Clone, Copy)]
pub(crate) enum Form {
    Together,
    Apart,
    Spread,
    Fence,
    Ban,
    Lonely,
    MaxOnline,
    AtMost,
    Among,
    Stay,
    Split,
    SplitAmong,
    Quota,
    Licence,
    Neighbour,
    Latency,
    PathLatency,
    MaxPrice,
    Reserve,
}

/// The word of each kind of rule, and its keys beside the common ones; first those that must be there, then those that may.
pub(crate) const FORMS: [(&str, Form, &[&str], &[&str]); 19] = [
    ("together", Form::Together, &["members"], &["domain"]),
    ("apart", Form::Apart, &["members"], &["domain"]),
    ("spread", Form::Spread, &["members"], &["domain", "min_domains", "max_skew"]),
    ("fence", Form::Fence, &["members", "allowed"], &[]),
    ("ban", Form::Ban, &["members", "denied"], &[]),
    ("lonely", Form::Lonely, &["members"], &[]),
    ("max-online", Form::MaxOnline, &["hosts", "max"], &[]),
    ("at-most", Form::AtMost, &["members", "max"], &["domain"]),
    ("among", Form::Among, &["members", "parts"], &[]),
    ("stay", Form::Stay, &["replicas"], &[]),
    ("split", Form::Split, &["groups"], &["domain"]),
    ("split-among", Form::SplitAmong, &["groups", "parts"], &[]),
    ("quota", Form::Quota, &["members", "hosts", "resource", "max"], &[]),
    ("licence", Form::Licence, &["licence", "hosts", "max"], &[]),
    ("neighbour", Form::Neighbour, &["members", "needs"], &["domain"]),
    ("latency", Form::Latency, &["from", "to", "budget"], &[]),
    ("path-latency", Form::PathLatency, &["path", "budget"], &[]),
    ("max-price", Form::MaxPrice, &["max"], &[]),
    ("reserve", Form::Reserve, &["failures"], &["domain"]),
];

pub(super) fn read_all(rules: &At<'_>, draft: &mut Draft, report: &mut Report) {
    if !rules.is_list() {
        read::wrong(rules, "a list of rules", report);
        return;
    }
    let words: Vec<(&str, usize)> = FORMS.iter().enumerate().map(|(ix, form)| (form.0, ix)).collect();
    for at in rules.items() {
        let Some(at) = read::map(at, report) else { continue };
        if at.get("kind").is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let remedy = format!("expected one of: {}", all.join(", "));
            report.add("E1106", &at, "`kind` is missing in the rule".to_owned(), remedy);
            continue;
        }
        let Some(ix) = read::word(&at, "kind", &words, report) else { continue };
        let (word, form, required, optional) = FORMS[ix];
        read::known_keys(&at, &[COMMON_KEYS, required, optional].concat(), report);
        let missing: Vec<&str> = required.iter().copied().filter(|key| is_empty(&at, key)).collect();
        for key in &missing {
            let message = format!("`{key}` is missing or empty, which a rule of kind `{word}` needs");
            report.add("E1106", &at, message, "write it, see docs/manifest-format.md");
        }
        if !missing.is_empty() {
            continue;
        }
        let errors = report.error_count();
        let kind = Reader { at: &at, report }.kind(form);
        let Some(kind) = kind.filter(|_| report.error_count() == errors) else { continue };
        let number = draft.rules.len() + 1;
        let name = read::text_of(&at, "name", report);
        let rule =
            finish(name.map_or_else(|| format!("{word}-{number}"), ToOwned::to_owned), kind, &at, report);
        draft.rules.push((rule, report.place(&at)));
    }
}

fn is_empty(at: &At<'_>, key: &str) -> bool {
    at.get(key).is_none_or(|value| value.is_list() && value.node.items().is_empty())
}

fn finish(name: String, kind: RuleKind, at: &At<'_>, report: &mut Report) -> Rule {
    let mut rule = Rule::hard(name, kind);
    if let Some(penalty) = read::value(at, "soft", read::WHOLE, report, quantity::count) {
        rule.weight = Weight::Soft(penalty);
    }
    if read::bool_of(at, "during_plan", report) == Some(true) {
        rule.span = Span::WholePlan;
    }
    rule
}

/// One rule; keys that must be there are there and not empty.
struct Reader<'a, 'n, 'r> {
    at: &'a At<'n>,
    report: &'r mut Report,
}

impl<'n> Reader<'_, 'n, '_> {
    /// What the rule asks for; `None` if a value does not fit, which is in the report.
    fn kind(mut self, form: Form) -> Option<RuleKind> {
        let domain = |it: &mut Self| domain(it.at, it.report);
        Some(match form {
            Form::Together => {
                RuleKind::Together { members: self.members("members"), domain: domain(&mut self) }
            }
            Form::Apart => RuleKind::Apart { members: self.members("members"), domain: domain(&mut self) },
            Form::Spread => RuleKind::Spread {
                members: self.members("members"),
                domain: domain(&mut self),
                min_domains: read::u32_of(self.at, "min_domains", self.report).unwrap_or(1),
                max_skew: read::u32_of(self.at, "max_skew", self.report),
            },
            Form::Fence => {
                RuleKind::Fence { members: self.members("members"), allowed: self.hosts("allowed")? }
            }
            Form::Ban => RuleKind::Ban { members: self.members("members"), denied: self.hosts("denied")? },
            Form::Lonely => RuleKind::Lonely { members: self.members("members") },
            Form::MaxOnline => RuleKind::MaxOnline { hosts: self.hosts("hosts")?, max: self.number("max")? },
            Form::AtMost => RuleKind::AtMost {
                members: self.members("members"),
                domain: domain(&mut self),
                max: self.number("max")?,
            },
            Form::Among => RuleKind::Among { members: self.members("members"), parts: self.parts()? },
            Form::Stay => RuleKind::Stay { replicas: self.replicas()? },
            Form::Split => RuleKind::Split { groups: self.groups(), domain: domain(&mut self) },
            Form::SplitAmong => RuleKind::SplitAmong { groups: self.groups(), parts: self.parts()? },
            Form::Quota => {
                let resource: Arc<str> = Arc::from(read::text_of(self.at, "resource", self.report)?);
                let max = self.amount(&resource)?;
                RuleKind::Quota {
                    members: self.members("members"),
                    hosts: self.hosts("hosts")?,
                    resource,
                    max,
                }
            }
            Form::Licence => RuleKind::Licence {
                name: Arc::from(read::text_of(self.at, "licence", self.report)?),
                hosts: self.hosts("hosts")?,
                max: self.number("max")?,
            },
            Form::Neighbour => RuleKind::Neighbour {
                members: self.members("members"),
                needs: self.members("needs"),
                domain: domain(&mut self),
            },
            Form::Latency => RuleKind::Latency {
                from: self.member("from")?,
                to: self.member("to")?,
                budget: self.budget()?,
            },
            Form::PathLatency => RuleKind::PathLatency { path: self.members("path"), budget: self.budget()? },
            Form::MaxPrice => {
                let price = "money per hour such as `12.50`";
                let max = read::value(self.at, "max", price, self.report, |t| {
                    quantity::money(t).map(|(max, _)| max)
                })?;
                RuleKind::MaxPrice { max }
            }
            Form::Reserve => RuleKind::Reserve { domain: domain(&mut self), hosts: self.number("failures")? },
        })
    }

    fn members(&mut self, key: &str) -> Vec<ComponentId> {
        let texts = read::texts_of(self.at, key, self.report);
        texts.into_iter().filter_map(|(name, item)| Draft::id(name, &item, self.report)).collect()
    }

    fn member(&mut self, key: &str) -> Option<ComponentId> {
        let at = self.at.get(key)?;
        Draft::id(read::text(&at, self.report)?, &at, self.report)
    }

    fn number(&mut self, key: &str) -> Option<u32> {
        read::u32_of(self.at, key, self.report)
    }

    fn budget(&mut self) -> Option<Micros> {
        read::duration_of(self.at, "budget", self.report)
    }

    fn hosts(&mut self, key: &str) -> Option<HostSet> {
        let value = self.at.get(key)?;
        host_set(value, self.report)
    }

    fn parts(&mut self) -> Option<Vec<HostSet>> {
        self.list("parts")?.into_iter().map(|item| host_set(item, self.report)).collect()
    }

    fn groups(&mut self) -> Vec<Vec<ComponentId>> {
        let mut groups = Vec::new();
        for item in self.list("groups").unwrap_or_default() {
            let texts = read::texts(&item, self.report);
            groups.push(texts.into_iter().filter_map(|(t, at)| Draft::id(t, &at, self.report)).collect());
        }
        groups
    }

    fn list(&mut self, key: &str) -> Option<Vec<At<'n>>> {
        let value = self.at.get(key)?;
        if !value.is_list() {
            read::wrong(&value, "a list", self.report);
            return None;
        }
        Some(value.items().collect())
    }

    /// `{web#0: host-1, web#1: host-2}`.
    fn replicas(&mut self) -> Option<Vec<(ReplicaId, HostId)>> {
        let map = read::map(self.at.get("replicas")?, self.report)?;
        let mut replicas = Vec::new();
        for (key, _, value) in map.entries() {
            let replica = key.parse::<ReplicaId>().ok();
            let host = value.text().and_then(|name| HostId::new(name).ok());
            match (replica, host) {
                (Some(replica), Some(host)) => replicas.push((replica, host)),
                _ => read::wrong(&value, "`component#number: host`", self.report),
            }
        }
        Some(replicas)
    }

    /// `max` in the unit of a resource.
    fn amount(&mut self, resource: &str) -> Option<u64> {
        let (at, report) = (self.at, &mut *self.report);
        match resource {
            "cpu" => read::value(at, "max", read::CPU, report, quantity::cpu).map(Millicores::get),
            "memory" | "disk" => {
                let size = |t: &str| quantity::bytes(t, quantity::Prefix::Decimal);
                read::value(at, "max", read::SIZE, report, size).map(Bytes::get)
            }
            "network" => read::bandwidth_of(at, "max", report).map(BitsPerSecond::get),
            _ => read::value(at, "max", read::WHOLE, report, quantity::count),
        }
    }
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
            let remedy = report.did_you_mean(
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

fn host_set(value: At<'_>, report: &mut Report) -> Option<HostSet> {
    let value = read::map(value, report)?;
    read::known_keys(&value, HOST_SET_KEYS, report);
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
