//! One pass over the log: what the checks need of it.

use std::collections::BTreeMap;

use super::assess::Evidence;
use super::checks::Tally;
use super::settings::Settings;
use crate::class::Outcome;
use crate::entry::EntryRef;
use crate::value::ValueRef;

/// Families of actions whose entries are kept as events.
const KEPT: [&str; 23] = [
    "logging.",
    "review.",
    "finding.",
    "role.",
    "credential.",
    "change.",
    "config.",
    "retention.",
    "hold.",
    "erasure.",
    "subject.erase",
    "key.",
    "incident.",
    "backup.",
    "dr.",
    "failover",
    "export.",
    "clock.",
    "audit.",
    "access.",
    "component.",
    "inventory.",
    "state.",
];

/// An entry that some check looks at in detail.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) seq: u64,
    pub(super) at: u64,
    pub(super) actor: String,
    pub(super) action: String,
    pub(super) subject: String,
    pub(super) outcome: Outcome,
    pub(super) correlation: Option<String>,
    /// Whether it says why.
    pub(super) reason: bool,
    /// Whether it holds before and after, or a patch.
    pub(super) diff: bool,
    pub(super) privileged: bool,
    fields: Vec<(String, String)>,
}

impl Event {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.field(name) == Some("true")
    }

    /// What ties the events of one change, finding or incident together.
    pub(super) fn key(&self) -> &str {
        self.correlation.as_deref().unwrap_or(&self.subject)
    }

    pub(super) fn done(&self) -> bool {
        self.outcome == Outcome::Success
    }
}

/// Uses of a role by an actor.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoleUse {
    pub(super) first: (u64, u64),
    pub(super) last: (u64, u64),
}

/// What the pass has found. "Period" means entries whose time lies in it.
#[derive(Debug)]
pub(super) struct Collected {
    /// Kept events from the beginning of the log to the end of the period.
    pub(super) events: Vec<Event>,
    /// Earliest time held, and its place.
    pub(super) oldest: Option<(u64, u64)>,
    /// Latest time held.
    pub(super) newest: Option<u64>,
    /// Places of the entries of the period, first and last.
    pub(super) places: Option<(u64, u64)>,
    pub(super) count: u64,
    pub(super) fields: Tally,
    pub(super) missing: BTreeMap<&'static str, u64>,
    pub(super) cardholder: Tally,
    pub(super) shared: Tally,
    pub(super) time: Tally,
    pub(super) confidential: Tally,
    pub(super) sealed: u64,
    /// Entries per component, by the part of the subject that names one.
    pub(super) subjects: BTreeMap<String, u64>,
    pub(super) denied: Vec<(u64, u64, String, bool)>,
    pub(super) roles: BTreeMap<(String, String), RoleUse>,
}

/// Distinct subjects that are counted.
const MAX_SUBJECTS: usize = 100_000;

impl Collected {
    pub(super) fn new(evidence: &Evidence<'_>, settings: &Settings) -> Self {
        let tally = || Tally::new(settings.samples);
        let mut found = Self {
            events: Vec::new(),
            oldest: None,
            newest: None,
            places: None,
            count: 0,
            fields: tally(),
            missing: BTreeMap::new(),
            cardholder: tally(),
            shared: tally(),
            time: tally(),
            confidential: tally(),
            sealed: 0,
            subjects: BTreeMap::new(),
            denied: Vec::new(),
            roles: BTreeMap::new(),
        };
        let mut latest = 0;
        for entry in evidence.log.entries() {
            let at = entry.at_unix_ms;
            if found.oldest.is_none_or(|(oldest, _)| at < oldest) {
                found.oldest = Some((at, entry.seq));
            }
            found.newest = Some(found.newest.map_or(at, |newest| newest.max(at)));
            if at < evidence.period.to_unix_ms {
                found.keep(&entry, settings);
            }
            if evidence.period.contains(at) {
                found.observe(&entry, settings, evidence.at_unix_ms, latest);
            }
            latest = latest.max(at);
        }
        found
    }

    fn keep(&mut self, entry: &EntryRef<'_>, settings: &Settings) {
        let named = KEPT.iter().any(|family| entry.action.starts_with(family));
        let marked = matches!(entry.fields.get("privileged"), Some(ValueRef::Bool(true)));
        // Asking, approving and reviewing are no exercise of privilege.
        let step = matches!(entry.action, "change.request" | "change.approve" | "change.review");
        let category = settings.privileged_categories.iter().any(|c| c == entry.category);
        let privileged = (marked || (category && !step)) && entry.outcome != Outcome::Denied;
        if named || privileged {
            let scalar = |value: ValueRef<'_>| match value {
                ValueRef::Text(text) => Some(text.chars().take(256).collect()),
                ValueRef::Integer(number) => Some(number.to_string()),
                ValueRef::Bool(flag) => Some(flag.to_string()),
                _ => None,
            };
            self.events.push(Event {
                seq: entry.seq,
                at: entry.at_unix_ms,
                actor: entry.actor.to_owned(),
                action: entry.action.to_owned(),
                subject: entry.subject.to_owned(),
                outcome: entry.outcome,
                correlation: entry.correlation_id.map(str::to_owned),
                reason: entry.reason.is_some(),
                diff: (entry.before.is_some() && entry.after.is_some())
                    || entry.fields.get("patch").is_some(),
                privileged,
                fields: entry.fields.iter().filter_map(|(n, v)| Some((n.to_owned(), scalar(v)?))).collect(),
            });
        }
    }

    fn observe(&mut self, entry: &EntryRef<'_>, settings: &Settings, now: Option<u64>, latest: u64) {
        let (seq, at) = (entry.seq, entry.at_unix_ms);
        self.count += 1;
        self.places = Some(self.places.map_or((seq, seq), |(first, _)| (first, seq)));
        let missing = self.missing_fields(entry);
        self.fields.see(at);
        if !missing.is_empty() {
            self.fields.fail(seq, at, || format!("without {missing}"));
        }
        if entry.fields.get("class").and_then(ValueRef::as_text) == Some("cardholder") {
            self.cardholder.see(at);
            if !missing.is_empty() {
                self.cardholder.fail(seq, at, || format!("without {missing}"));
            }
        }
        self.shared.see(at);
        if entry.on_behalf_of.is_none() && settings.shared_accounts.iter().any(|a| a == entry.actor) {
            self.shared.fail(seq, at, || format!("shared account {} for nobody", entry.actor));
        }
        self.time.see(at);
        if latest > at.saturating_add(settings.step_back_ms) {
            self.time.fail(seq, at, || format!("{} ms older than an entry before", latest - at));
        }
        if now.is_some_and(|now| at > now) {
            self.time.fail(seq, at, || "in the future".to_owned());
        }
        if entry.outcome == Outcome::Denied {
            self.denied.push((seq, at, entry.actor.to_owned(), entry.reason.is_some()));
        }
        self.secrecy(entry);
        if let Some(role) = entry.fields.get("role").and_then(ValueRef::as_text)
            && !entry.action.starts_with("role.")
        {
            let key = (entry.actor.to_owned(), role.to_owned());
            let here = (seq, at);
            self.roles.entry(key).or_insert(RoleUse { first: here, last: here }).last = here;
        }
        if let Some(count) = self.subjects.get_mut(entry.subject) {
            *count += 1;
        } else if self.subjects.len() < MAX_SUBJECTS {
            self.subjects.insert(entry.subject.to_owned(), 1);
        }
    }

    fn missing_fields(&mut self, entry: &EntryRef<'_>) -> String {
        let named = |text: &str| !matches!(text, "" | "-" | "unknown");
        let origin = ["origin", "source", "host", "source_ip"]
            .iter()
            .any(|name| entry.fields.get(name).and_then(ValueRef::as_text).is_some_and(named));
        let present = [
            ("actor", named(entry.actor)),
            ("action", named(entry.action)),
            ("time", entry.at_unix_ms > 0),
            ("outcome", entry.outcome != Outcome::Unknown),
            ("origin", origin),
            ("target", named(entry.subject)),
        ];
        let absent: Vec<&'static str> =
            present.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
        for name in &absent {
            *self.missing.entry(name).or_default() += 1;
        }
        absent.join(", ")
    }

    /// Entries of a confidential class hold no plain states; sealed values and commitments are counted.
    fn secrecy(&mut self, entry: &EntryRef<'_>) {
        let hidden = |v: &ValueRef<'_>| matches!(v, ValueRef::Sealed(_) | ValueRef::Commitment(_));
        let states = [entry.before, entry.after];
        let payload = entry.fields.get("payload");
        let values = || states.into_iter().flatten().chain(payload);
        let sealed = values().filter(hidden).count() + entry.fields.iter().filter(|(_, v)| hidden(v)).count();
        self.sealed += u64::from(sealed > 0);
        let class = entry.fields.get("class").and_then(ValueRef::as_text);
        if matches!(class, Some("confidential" | "personal" | "cardholder" | "health")) {
            self.confidential.see(entry.at_unix_ms);
            if values().any(|v| !hidden(&v)) {
                let class = class.unwrap_or_default();
                self.confidential
                    .fail(entry.seq, entry.at_unix_ms, || format!("plain content of class {class}"));
            }
        }
    }
}
