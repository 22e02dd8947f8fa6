//! FLD, TIM, COV: what is recorded.

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckId, CheckResult, Context, Limit, span};

/// FLD-1.
pub(super) fn fields(c: &Context<'_>, limit: Limit) -> CheckResult {
    let (tally, query) = match limit {
        Limit::Cardholder => (c.data.cardholder.clone(), "entries of the period with class = cardholder"),
        _ => (c.data.fields.clone(), "all entries of the period"),
    };
    let share = if tally.examined == 0 {
        0.0
    } else {
        100.0 * (tally.examined - tally.failing) as f64 / tally.examined as f64
    };
    let missing: Vec<String> =
        c.data.missing.iter().map(|(name, n)| format!("{name} missing in {n}")).collect();
    let summary = match (tally.examined, tally.failing) {
        (0, _) => "no such entries in the period".to_owned(),
        (n, 0) => format!("all {n} entries complete"),
        (n, _) => format!("{share:.1} % of {n} entries complete; {}", missing.join(", ")),
    };
    tally.result(CheckId::Fld1, limit, query, summary)
}

/// FLD-2.
pub(super) fn individuals(c: &Context<'_>, limit: Limit) -> CheckResult {
    let tally = c.data.shared.clone();
    let summary = format!("{} entries, {} by shared accounts for nobody", tally.examined, tally.failing);
    tally.result(CheckId::Fld2, limit, "all entries of the period", summary)
}

/// TIM-1.
pub(super) fn time(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.data.time.clone();
    let (mut count, mut largest) = (0_u64, 0);
    for event in c.within("clock.sync") {
        count += 1;
        let offset = event.field("offset_ms").and_then(|t| t.parse::<i64>().ok());
        let Some(offset) = offset else {
            tally.fail_event(event, || "synchronisation without offset_ms".to_owned());
            continue;
        };
        largest = largest.max(offset.unsigned_abs());
        if offset.unsigned_abs() > c.settings.clock_offset_ms {
            tally.fail_event(event, || format!("clock off by {offset} ms"));
        }
    }
    if tally.examined > 0 && count == 0 {
        tally.lack(|| "no clock.sync entry in the period".to_owned());
    }
    let summary =
        format!("{} entries, {count} synchronisations, largest offset {largest} ms", tally.examined);
    tally.result(CheckId::Tim1, limit, "all entries of the period; action clock.sync", summary)
}

/// COV-1.
pub(super) fn coverage(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut expected: BTreeSet<&str> = c.facts.components.iter().map(String::as_str).collect();
    for event in c.events("inventory.").filter(|e| e.at < c.evidence.period.to_unix_ms) {
        match event.action.as_str() {
            "inventory.add" => drop(expected.insert(&event.subject)),
            "inventory.remove" => drop(expected.remove(event.subject.as_str())),
            _ => {}
        }
    }
    let start = c.evidence.period.from_unix_ms;
    let mut beats: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for event in c.within("component.heartbeat") {
        let (last, gap, seq) = beats.entry(&event.subject).or_insert((start, 0, event.seq));
        if event.at.saturating_sub(*last) > *gap {
            (*gap, *seq) = (event.at - *last, event.seq);
        }
        *last = event.at.max(*last);
    }
    for component in &expected {
        let prefix = format!("{component}/");
        let below = c.data.subjects.range(prefix.clone()..).take_while(|(s, _)| s.starts_with(&prefix));
        let count = c.data.subjects.get(*component).unwrap_or(&0) + below.map(|(_, n)| n).sum::<u64>();
        tally.see(start);
        if count == 0 {
            tally.lack(|| format!("no record of {component}"));
        }
        let Some(beat) = c.settings.heartbeat_ms else { continue };
        match beats.get(component) {
            None => tally.lack(|| format!("no heartbeat of {component}")),
            Some(&(last, gap, seq)) => {
                let gap = gap.max(c.end().saturating_sub(last));
                if gap > beat.saturating_mul(3) {
                    tally.fail(seq, last, || format!("{component} silent for {}", span(gap)));
                }
            }
        }
    }
    if c.data.count == 0 {
        tally = c.tally();
    }
    let summary = match tally.examined {
        0 => "no components are known (facts or inventory.add entries)".to_owned(),
        n => format!("{n} components expected, {} silent", tally.failing),
    };
    tally.result(CheckId::Cov1, limit, "subjects of the period; action component.heartbeat", summary)
}

/// COV-2.
pub(super) fn logging(c: &Context<'_>, limit: Limit) -> CheckResult {
    let mut tally = c.tally();
    let mut stopped: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for event in c.events("logging.") {
        let inside = c.evidence.period.contains(event.at);
        if inside {
            tally.see(event.at);
            let lost = event.number("lost_records").unwrap_or(0);
            if lost > 0 {
                tally.fail_event(event, || format!("{lost} records lost"));
            }
        }
        match event.action.as_str() {
            "logging.stop" | "logging.pause" => {
                stopped.insert(&event.subject, (event.seq, event.at));
            }
            "logging.start" | "logging.resume" => {
                stopped.remove(event.subject.as_str());
            }
            _ => {}
        }
    }
    for (subject, (seq, at)) in stopped {
        tally.fail(seq, at, || format!("{subject} stopped and never started again"));
    }
    if c.facts.lost_records > 0 {
        tally.lack(|| format!("{} records lost before they reached the log", c.facts.lost_records));
    }
    let summary = match tally.examined {
        0 => "no start, stop or change of logging in the period".to_owned(),
        n => format!("{n} records about logging itself, {} defects", tally.failing),
    };
    tally.result(CheckId::Cov2, limit, "action logging.*", summary)
}
