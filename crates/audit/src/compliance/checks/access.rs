//! ACC-1 to ACC-4: who may do what, and who looked.

use std::collections::BTreeMap;

use super::{CheckId, CheckResult, Context, Limit};

const HOUR: u64 = 3_600_000;

/// ACC-1.
pub(super) fn reads(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let names = ["audit.query", "audit.export", "audit.read", "audit.report"];
    for event in c.within("audit.").filter(|e| names.contains(&e.action.as_str())) {
        tally.see(event.at);
    }
    let recorded = tally.examined;
    if let Some(served) = c.facts.queries_served.filter(|served| *served > recorded) {
        tally.lack(|| format!("{served} queries served, {recorded} recorded"));
    }
    let counter = c
        .facts
        .queries_served
        .map_or_else(|| "no counter to compare with".to_owned(), |n| format!("{n} by the counter"));
    let summary = format!("{recorded} readings of the log recorded, {counter}");
    tally.result(CheckId::Acc1, limit, "action audit.query, audit.export, audit.read, audit.report", summary)
}

/// ACC-2.
pub(super) fn denials(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut recent: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    let mut bursts = 0;
    for (seq, at, actor, reason) in &c.data.denied {
        tally.see(*at);
        if !reason {
            tally.fail(*seq, *at, || format!("denied attempt of {actor} without a reason"));
        }
        let times = recent.entry(actor).or_default();
        times.retain(|t| at.saturating_sub(*t) < HOUR);
        times.push(*at);
        if times.len() == c.settings.burst.max(1) as usize {
            bursts += 1;
            let limit = at.saturating_add(c.settings.late_review_ms);
            let reviewed = c.events("review.complete").any(|r| r.at >= *at && r.at <= limit);
            if !reviewed && c.end() > limit {
                tally.fail(*seq, *at, || format!("burst of denied attempts of {actor} without a review"));
            }
        }
    }
    let recorded = tally.examined;
    if let Some(counted) = c.facts.denials.filter(|counted| *counted != recorded) {
        tally.lack(|| format!("{counted} denials by the counter, {recorded} recorded"));
    }
    let summary = match recorded {
        0 => "no denied attempt in the period".to_owned(),
        n => format!("{n} denied attempts, {bursts} bursts, {} defects", tally.failing),
    };
    tally.result(CheckId::Acc2, limit, "outcome denied", summary)
}

/// ACC-3. A privileged entry names policy and rule itself, or an `access.decide` entry with its correlation id allowed it.
pub(super) fn decisions(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut decided: BTreeMap<&str, u64> = BTreeMap::new();
    for event in c.events("access.decide").filter(|e| e.done() && e.field("policy").is_some()) {
        if let Some(id) = &event.correlation {
            let first = decided.entry(id).or_insert(event.seq);
            *first = (*first).min(event.seq);
        }
    }
    // Ends of temporary grants per principal and role.
    let mut ends: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for event in c.events("role.grant").filter(|e| e.done()) {
        if let Some(role) = event.field("role") {
            let end = event.number("expires_at_unix_ms").unwrap_or(u64::MAX);
            let known = ends.entry((event.subject.as_str(), role)).or_insert(0);
            *known = (*known).max(end);
        }
    }
    for event in c.data.events.iter().filter(|e| e.privileged && c.evidence.period.contains(e.at)) {
        tally.see(event.at);
        let own = event.field("policy").is_some() && event.field("rule").is_some();
        let before =
            event.correlation.as_deref().and_then(|id| decided.get(id)).is_some_and(|seq| *seq < event.seq);
        if !own && !before {
            tally.fail_event(event, || format!("{} by {} without a decision", event.action, event.actor));
        } else if let Some(role) = event.field("role")
            && ends.get(&(event.actor.as_str(), role)).is_some_and(|end| event.at >= *end)
        {
            tally.fail_event(event, || format!("{} used role {role} after its grant ended", event.actor));
        }
    }
    let summary = match tally.examined {
        0 => "no privileged action in the period".to_owned(),
        n => format!("{n} privileged actions, {} without a valid decision", tally.failing),
    };
    let query = "privileged = true or category change, configuration; action access.decide";
    tally.result(CheckId::Acc3, limit, query, summary)
}

/// ACC-4.
pub(super) fn grants(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut granted: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    let families = c.events("role.").chain(c.events("credential."));
    for event in families.filter(|e| e.done()) {
        let inside = c.evidence.period.contains(event.at);
        if inside {
            tally.see(event.at);
        }
        let role = event.field("role").unwrap_or_default();
        if event.action.ends_with(".revoke") {
            if let Some(known) = granted.get_mut(&(event.subject.as_str(), role)) {
                known.1 = known.1.min(event.at);
            }
            continue;
        }
        granted.insert(
            (&event.subject, role),
            (event.at, event.number("expires_at_unix_ms").unwrap_or(u64::MAX)),
        );
        let approver = event.field("approved_by");
        if inside && approver.is_none() {
            tally.fail_event(event, || format!("{} for {} without approval", event.action, event.subject));
        } else if inside && approver == Some(event.subject.as_str()) {
            tally.fail_event(event, || format!("{} approved their own {}", event.subject, event.action));
        }
    }
    for ((actor, role), used) in &c.data.roles {
        match granted.get(&(actor.as_str(), role.as_str())) {
            None => tally
                .fail(used.first.0, used.first.1, || format!("{actor} used role {role} that nobody granted")),
            Some((from, _)) if used.first.1 < *from => {
                tally.fail(used.first.0, used.first.1, || {
                    format!("{actor} used role {role} before it was granted")
                });
            }
            Some((_, to)) if used.last.1 >= *to => {
                tally.fail(used.last.0, used.last.1, || format!("{actor} used role {role} after its end"));
            }
            Some(_) => {}
        }
    }
    let summary = match tally.examined {
        0 => "no grant or revocation in the period".to_owned(),
        n => format!(
            "{n} grants and revocations, {} roles in use, {} defects",
            c.data.roles.len(),
            tally.failing
        ),
    };
    tally.result(CheckId::Acc4, limit, "action role.*, credential.*; field role", summary)
}
