//! RET, CRY: keeping, erasing, sealing.

use std::collections::BTreeMap;

use super::super::collect::Event;
use super::{CheckId, CheckResult, Context, Limit, State, span};
use crate::civil::{self, DAY_MS};

/// RET-1. Age of the oldest record at the end of the period; deletions (`retention.delete`) give a reason and spare subjects on hold
/// (`hold.place`, `hold.release`); pruned content is accounted for.
pub(super) fn records(c: &Context<'_>, limit: Limit) -> CheckResult {
    let (days, online_days) = match limit {
        Limit::Days(days, online) => (days, online),
        _ => (365, 90),
    };
    let mut tally = c.tally();
    let query = "all entries held; action retention.delete, hold.place, hold.release";
    let Some((oldest, seq)) = c.data.oldest.filter(|_| c.data.count > 0) else {
        return tally.result(CheckId::Ret1, limit, query, "no entries in the period".to_owned());
    };
    tally.examined = c.data.count;
    // Content that was pruned was once held: its age is told by the deletion record.
    let mut earliest = oldest;
    let (mut deleted, mut holds): (u64, BTreeMap<&str, bool>) = (0, BTreeMap::new());
    for event in c.data.events.iter().filter(|e| e.done()) {
        match event.action.as_str() {
            "hold.place" => drop(holds.insert(&event.subject, true)),
            "hold.release" => drop(holds.insert(&event.subject, false)),
            "retention.delete" => {
                let records = match (event.number("from_seq"), event.number("to_seq")) {
                    (Some(from), Some(to)) if to >= from => to - from + 1,
                    _ => 0,
                };
                deleted = deleted.saturating_add(records);
                earliest = earliest.min(event.number("oldest_unix_ms").unwrap_or(oldest));
                if !event.reason {
                    tally.fail_event(event, || "deletion without a reason".to_owned());
                }
                if holds.get(event.subject.as_str()) == Some(&true) {
                    tally.fail_event(event, || format!("deletion of {} under a legal hold", event.subject));
                }
            }
            _ => {}
        }
    }
    let pruned = c.evidence.report.pruned;
    if pruned > deleted {
        tally.lack(|| format!("content of {pruned} records is gone, deletions tell of {deleted}"));
    }
    let held = c.end().saturating_sub(earliest);
    let at_hand = c.end().saturating_sub(oldest);
    if held < days.saturating_mul(DAY_MS) {
        let text = format!(
            "oldest record of {} is {} old, required are {days} d",
            civil::format_utc(earliest),
            span(held)
        );
        tally.fail(seq, oldest, || text);
    } else if at_hand < online_days.saturating_mul(DAY_MS) {
        tally.fail(seq, oldest, || format!("{} at hand, required are {online_days} d", span(at_hand)));
    }
    let summary = format!(
        "oldest record {} old (required {days} d), {deleted} records deleted by the rules",
        span(held)
    );
    let mut result = tally.result(CheckId::Ret1, limit, query, summary);
    (result.first_unix_ms, result.last_unix_ms) = (Some(earliest), c.data.newest);
    result
}

/// RET-2. `erasure.request` is followed in time by `erasure.complete` whose field `key_destroyed` (or `salt_destroyed`)
/// is true, or by `subject.erase` with `keys_destroyed` above 0.
pub(super) fn erasure(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let allowed = c.settings.erasure_days * DAY_MS;
    for request in c.events("erasure.request") {
        let mut complete = c
            .events("erasure.complete")
            .chain(c.events("subject.erase"))
            .filter(|e| e.key() == request.key() && e.seq > request.seq && e.done());
        let complete = complete.next();
        if complete.is_some_and(|e| e.at < c.evidence.period.from_unix_ms) {
            continue;
        }
        tally.see(request.at);
        let took = complete.map_or_else(|| c.end(), |e| e.at).saturating_sub(request.at);
        if took > allowed {
            tally.fail_event(request, || format!("{} for an erasure (limit {})", span(took), span(allowed)));
        } else if let Some(event) = complete.filter(|e| !destroyed(e)) {
            tally.fail_event(event, || "erasure without a destroyed key or salt".to_owned());
        }
    }
    // An erasure nobody asked for in the log is examined on its own.
    let own = c.within("subject.erase").filter(|e| !c.events("erasure.request").any(|r| r.key() == e.key()));
    for event in own {
        tally.see(event.at);
        if !event.done() || !destroyed(event) {
            tally.fail_event(event, || "erasure without a destroyed key or salt".to_owned());
        }
    }
    let summary = match tally.examined {
        0 => "no erasure in the period".to_owned(),
        n => format!("{n} erasures, {} late or not provable", tally.failing),
    };
    tally.result(CheckId::Ret2, limit, "action erasure.request, erasure.complete, subject.erase", summary)
}

/// Whether an erasure says that a key or salt was destroyed.
fn destroyed(event: &Event) -> bool {
    event.flag("key_destroyed") || event.flag("salt_destroyed") || event.number("keys_destroyed") > Some(0)
}

/// CRY-1. No plain content of a confidential class; the newest `key.create` or `key.rotate` of each key is young enough.
pub(super) fn encryption(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.data.confidential.clone();
    let mut keys: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for event in c.events("key.").filter(|e| e.done()) {
        match event.action.as_str() {
            "key.create" | "key.rotate" => drop(keys.insert(&event.subject, (event.seq, event.at))),
            "key.destroy" => drop(keys.remove(event.subject.as_str())),
            _ => {}
        }
    }
    for (key, (seq, at)) in &keys {
        tally.see(*at);
        let age = c.end().saturating_sub(*at);
        if age > c.settings.key_age_ms {
            tally.fail(*seq, *at, || {
                format!("key {key} is {} old (limit {})", span(age), span(c.settings.key_age_ms))
            });
        }
    }
    let (sealed, count) = (c.data.sealed, keys.len());
    let summary = format!(
        "{} entries of confidential classes, {sealed} entries with sealed content, {count} keys, {} defects",
        c.data.confidential.examined, tally.failing
    );
    let query = "field class = confidential, personal, cardholder, health; action key.*";
    let mut result = tally.result(CheckId::Cry1, limit, query, summary);
    // Keys alone show nothing about what is sealed with them.
    if result.state == State::Pass && sealed == 0 {
        result.state = State::Insufficient;
    }
    result
}
