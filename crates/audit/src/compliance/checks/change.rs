//! CHG, REV: changes, and looking at what happened.

use std::collections::BTreeMap;

use super::super::collect::Event;
use super::{CheckId, CheckResult, Context, Limit, span};
use crate::change::History;
use crate::class::Outcome;
use crate::entry::EntryRef;
use crate::json::Json;
use crate::value::ValueRef;

/// CHG-1. `change.request`, `change.approve`, `change.apply` tied by correlation id (or subject); an emergency change (field
/// `emergency`) may be approved afterwards by `change.review`.
pub(super) fn approval(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut steps: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in c.events("change.").filter(|e| e.action != "change.apply") {
        steps.entry(event.key()).or_default().push(event);
    }
    for apply in c.within("change.apply") {
        tally.see(apply.at);
        let known = steps.get(apply.key()).map_or(&[][..], Vec::as_slice);
        let problem = defect(c, apply, known);
        if let Some(problem) = problem {
            tally.fail_event(apply, || format!("change {} of {}: {problem}", apply.key(), apply.subject));
        }
    }
    let summary = match tally.examined {
        0 => "no change in the period".to_owned(),
        n => format!("{n} changes, {} with defects", tally.failing),
    };
    tally.result(
        CheckId::Chg1,
        limit,
        "action change.request, change.approve, change.apply, change.review",
        summary,
    )
}

fn defect(c: &Context<'_>, apply: &Event, steps: &[&Event]) -> Option<String> {
    let find = |action: &'static str| steps.iter().filter(move |e| e.action == action && e.done());
    let requester = find("change.request").find(|e| e.seq < apply.seq);
    let other = |e: &Event| e.actor != apply.actor && requester.is_none_or(|r| r.actor != e.actor);
    if !apply.diff {
        return Some("no before and after".to_owned());
    }
    if matches!(apply.outcome, Outcome::Pending | Outcome::Unknown) {
        return Some("no result".to_owned());
    }
    if apply.flag("emergency") {
        let end = apply.at.saturating_add(c.settings.late_review_ms);
        let reviewed = find("change.review").any(|e| e.seq > apply.seq && e.at <= end && other(e));
        return (!reviewed && c.end() > end)
            .then(|| "emergency without a later review by another person".to_owned());
    }
    if requester.is_none() {
        return Some("no request".to_owned());
    }
    let mut approvals = find("change.approve").filter(|e| e.seq < apply.seq).peekable();
    if approvals.peek().is_none() {
        return Some("no approval".to_owned());
    }
    (!approvals.any(|e| other(e))).then(|| "approved by the person who asked for it or made it".to_owned())
}

/// A state found, the place up to which changes count, place and time of the entry that tells it.
type Observed = (Json, u64, Option<(u64, u64)>);

/// CHG-2. The state that the entries about a resource add up to, against the state found (facts, or `state.observe` entries).
pub(super) fn drift(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut found: BTreeMap<String, Observed> = BTreeMap::new();
    for event in c.within("state.observe") {
        let after = c.evidence.log.entry(event.seq).and_then(|e| e.after).and_then(ValueRef::as_text);
        if let Some(state) = after.and_then(|text| Json::parse(text).ok()) {
            found.insert(event.subject.clone(), (state, event.seq, Some((event.seq, event.at))));
        }
    }
    for (resource, state) in &c.facts.present {
        found.insert(resource.clone(), (state.clone(), u64::MAX, None));
    }
    for (resource, (state, until, place)) in &found {
        // Sealed states cannot be compared without their keys.
        let sealed =
            |v: Option<ValueRef<'_>>| matches!(v, Some(ValueRef::Sealed(_) | ValueRef::Commitment(_)));
        let about = |e: &EntryRef<'_>| e.seq < *until && e.subject == resource;
        if c.evidence.log.entries().any(|e| about(&e) && (sealed(e.before) || sealed(e.after))) {
            continue;
        }
        tally.see(place.map_or_else(|| c.end(), |(_, at)| at));
        let changes = c.evidence.log.entries().take_while(|e| e.seq < *until);
        let history = History::from_entries(resource, changes.filter(|e| e.action != "state.observe"));
        let problem = match history {
            Ok(history) => {
                let patch = history.drift(state);
                let unrecorded = history.versions().iter().filter(|v| !v.recorded).count();
                match (patch.is_empty(), unrecorded) {
                    (true, 0) => continue,
                    (true, n) => format!("{resource}: {n} changes were not recorded"),
                    (false, _) => {
                        let paths: Vec<String> =
                            patch.operations().iter().take(5).map(|o| o.path().to_string()).collect();
                        format!("{resource} differs at {}", paths.join(", "))
                    }
                }
            }
            Err(e) => format!("{resource}: {e}"),
        };
        match place {
            Some((seq, at)) => tally.fail(*seq, *at, || problem),
            None => tally.lack(|| problem),
        }
    }
    let summary = match tally.examined {
        0 => "no present state is known (facts or state.observe entries)".to_owned(),
        n => format!("{n} resources compared with their change history, {} differ", tally.failing),
    };
    tally.result(
        CheckId::Chg2,
        limit,
        "before, after and patch of the resource; action state.observe",
        summary,
    )
}

/// REV-1. The largest time between reviews, ends of the period included, and the records that no review covers.
pub(super) fn reviews(c: &Context<'_>, limit: Limit) -> CheckResult {
    let allowed = match limit {
        Limit::Hours(hours) => hours * 3_600_000,
        _ => c.settings.review_interval_ms,
    };
    let mut tally = c.tally();
    let Some((first, last)) = c.data.places else {
        return tally.result(
            CheckId::Rev1,
            limit,
            "action review.complete",
            "no entries in the period".to_owned(),
        );
    };
    let (mut since, mut largest, mut covered, mut uncovered) =
        (c.evidence.period.from_unix_ms, 0, first, 0_u64);
    let mut before: Option<&Event> = None;
    for review in c.within("review.complete").filter(|e| e.done()) {
        tally.see(review.at);
        let gap = review.at.saturating_sub(since);
        largest = largest.max(gap);
        if gap > allowed {
            let from =
                before.map_or_else(|| "the start of the period".to_owned(), |b| format!("record {}", b.seq));
            tally.fail_event(review, || {
                format!("{} between {from} and record {} (allowed {})", span(gap), review.seq, span(allowed))
            });
        }
        if let (Some(from), Some(to)) = (review.number("from_seq"), review.number("to_seq")) {
            // A review cannot cover what came after it.
            let to = to.min(review.seq);
            if from > covered {
                let missed = from - covered;
                uncovered += missed;
                tally.fail_event(review, || {
                    format!("records {covered} to {} not covered by any review", from - 1)
                });
            }
            covered = covered.max(to.saturating_add(1));
        } else {
            tally.fail_event(review, || "review without from_seq and to_seq".to_owned());
        }
        since = review.at;
        before = Some(review);
    }
    let rest = c.end().saturating_sub(since);
    largest = largest.max(rest);
    if rest > allowed {
        let note = || {
            format!("{} without a review up to the end of the period (allowed {})", span(rest), span(allowed))
        };
        match before {
            Some(review) => tally.fail_event(review, note),
            None => tally.lack(note),
        }
    }
    let summary = format!(
        "{} reviews, largest interval {} (limit {}), {} records not covered, {} after the last",
        tally.examined,
        span(largest),
        span(allowed),
        uncovered,
        (last + 1).saturating_sub(covered)
    );
    tally.result(CheckId::Rev1, limit, "action review.complete, fields from_seq, to_seq", summary)
}

/// REV-2. `finding.open` and `finding.close` tied by correlation id (or subject).
pub(super) fn findings(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let sla = c.settings.finding_sla_ms;
    for open in c.events("finding.open") {
        let close = c.events("finding.close").find(|e| e.key() == open.key() && e.seq > open.seq);
        let closed_before = close.is_some_and(|e| e.at < c.evidence.period.from_unix_ms);
        if closed_before {
            continue;
        }
        tally.see(open.at);
        let took = close.map_or_else(|| c.end(), |e| e.at).saturating_sub(open.at);
        if took > sla {
            let word = if close.is_some() { "closed after" } else { "open for" };
            tally.fail_event(open, || {
                format!("finding {} {word} {} (limit {})", open.key(), span(took), span(sla))
            });
        }
    }
    let summary = match tally.examined {
        0 => "no finding in the period".to_owned(),
        n => format!("{n} findings, {} over the limit of {}", tally.failing, span(sla)),
    };
    tally.result(CheckId::Rev2, limit, "action finding.open, finding.close", summary)
}
