//! INC, AVL, SOD, FWD: incidents, recovery, duties, forwarding.

use std::collections::{BTreeMap, BTreeSet};

use super::super::collect::Event;
use super::{CheckId, CheckResult, Context, Limit, span};

/// INC-1. `incident.detect`, `.triage`, `.contain`, `.recover`, `.lessons` tied by correlation id (or subject); `.notify` in time if the
/// incident is notifiable.
pub(super) fn incidents(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut timeline: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in c.events("incident.") {
        timeline.entry(event.key()).or_default().push(event);
    }
    let allowed = c.settings.notice_hours * 3_600_000;
    for (id, events) in &timeline {
        let find = |name: &str| events.iter().find(|e| e.action == format!("incident.{name}"));
        let last = events.iter().map(|e| e.at).max().unwrap_or(0);
        if last < c.evidence.period.from_unix_ms {
            continue;
        }
        let start = find("detect").unwrap_or(&events[0]);
        tally.see(start.at);
        let stages = ["detect", "triage", "contain", "recover", "lessons"];
        let missing: Vec<&str> = stages.into_iter().filter(|s| find(s).is_none()).collect();
        if !missing.is_empty() {
            tally.fail_event(start, || format!("incident {id} without {}", missing.join(", ")));
        }
        if events.iter().any(|e| e.flag("notifiable")) || find("notify").is_some() {
            let took = find("notify").map_or_else(|| c.end(), |e| e.at).saturating_sub(start.at);
            if took > allowed {
                tally.fail_event(start, || {
                    format!("incident {id}: {} to notice (limit {})", span(took), span(allowed))
                });
            }
        }
    }
    let summary = match tally.examined {
        0 => "no incident in the period".to_owned(),
        n => format!("{n} incidents, {} defects", tally.failing),
    };
    tally.result(CheckId::Inc1, limit, "action incident.*", summary)
}

/// AVL-1. The newest `backup.test`, `dr.test` or `failover` is recent and every one in the period reached `rto_target_ms` and
/// `rpo_target_ms`.
pub(super) fn recovery(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let tests =
        c.data.events.iter().filter(|e| matches!(e.action.as_str(), "backup.test" | "dr.test" | "failover"));
    let mut newest: Option<&Event> = None;
    for event in tests {
        newest = Some(event);
        if !c.evidence.period.contains(event.at) {
            continue;
        }
        if !event.done() {
            tally.fail_event(event, || format!("{} did not succeed", event.action));
        }
        for (name, target) in [("rto_ms", "rto_target_ms"), ("rpo_ms", "rpo_target_ms")] {
            if let (Some(found), Some(wanted)) = (event.number(name), event.number(target))
                && found > wanted
            {
                tally.fail_event(event, || format!("{name} {found}, target {wanted}"));
            }
        }
    }
    if let Some(event) = newest {
        tally.see(event.at);
        let age = c.end().saturating_sub(event.at);
        let allowed = c.settings.recovery_test_age_ms;
        if age > allowed {
            tally.fail_event(event, || {
                format!("last recovery test {} ago (limit {})", span(age), span(allowed))
            });
        }
    }
    let summary = match newest {
        None => "no recovery test is recorded".to_owned(),
        Some(e) => format!(
            "last recovery test {} before the end, {} defects",
            span(c.end().saturating_sub(e.at)),
            tally.failing
        ),
    };
    tally.result(CheckId::Avl1, limit, "action backup.test, dr.test, failover", summary)
}

/// SOD-1. Approvals by others than the requester; administrators of the log make no audited changes.
pub(super) fn duties(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let administers = |e: &&Event| {
        let families = ["logging.", "retention.", "key."];
        families.iter().any(|f| e.action.starts_with(f)) && e.done()
    };
    let inside = |e: &&Event| c.evidence.period.contains(e.at);
    let admins: BTreeSet<&str> =
        c.data.events.iter().filter(administers).filter(inside).map(|e| e.actor.as_str()).collect();
    let mut requesters: BTreeMap<&str, &str> = BTreeMap::new();
    for event in c.events("change.request") {
        requesters.insert(event.key(), &event.actor);
    }
    let mut appliers: BTreeMap<&str, &Event> = BTreeMap::new();
    for event in c.within("change.apply") {
        tally.see(event.at);
        appliers.insert(event.key(), event);
        if admins.contains(event.actor.as_str()) {
            tally.fail_event(event, || {
                format!("{} administers the log and makes audited changes", event.actor)
            });
        }
    }
    for event in c.within("change.approve") {
        tally.see(event.at);
        let own = requesters.get(event.key()) == Some(&event.actor.as_str());
        let made = appliers.get(event.key()).is_some_and(|apply| apply.actor == event.actor);
        if own || made {
            tally.fail_event(event, || format!("{} approved their own change {}", event.actor, event.key()));
        }
    }
    for event in c.within("role.grant") {
        tally.see(event.at);
        if event.field("approved_by") == Some(event.subject.as_str()) || event.actor == event.subject {
            tally.fail_event(event, || format!("{} gave themselves a role", event.subject));
        }
    }
    let summary = match tally.examined {
        0 => "no change, approval or grant in the period".to_owned(),
        n => format!("{n} changes, approvals and grants, {} overlaps", tally.failing),
    };
    tally.result(CheckId::Sod1, limit, "action change.*, role.grant, logging.*, retention.*, key.*", summary)
}

/// FWD-1. The highest `to_seq` that an `export.ack` confirms, against the records of the period.
pub(super) fn forwarding(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut confirmed: Option<(&Event, u64)> = None;
    for event in c.within("export.ack").filter(|e| e.done()) {
        tally.see(event.at);
        // Nothing after the acknowledgement itself can be confirmed by it.
        let to = event.number("to_seq").unwrap_or(0).min(event.seq);
        if confirmed.is_none_or(|(_, known)| to >= known) {
            confirmed = Some((event, to));
        }
    }
    let last = c.data.places.map_or(0, |(_, last)| last);
    let lag = confirmed.map_or(0, |(_, to)| last.saturating_sub(to));
    if let Some((event, _)) = confirmed.filter(|_| lag > c.settings.forward_lag) {
        tally.fail_event(event, || format!("{lag} records not confirmed (limit {})", c.settings.forward_lag));
    }
    let summary = match confirmed {
        None => "no acknowledgement of another system in the period".to_owned(),
        Some((_, to)) => format!("confirmed up to record {to}, {lag} behind"),
    };
    tally.result(CheckId::Fwd1, limit, "action export.ack, field to_seq", summary)
}
