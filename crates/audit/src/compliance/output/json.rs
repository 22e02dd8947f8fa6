//! JSON.

use serde_json::{Value, json};

use super::super::assess::{Assessment, Verdict};
use super::super::checks::Sample;
use super::{check_name, state_name};
use crate::civil;

pub(super) fn render(a: &Assessment) -> String {
    let time = |at: Option<u64>| at.map(civil::format_utc);
    let checks: Vec<Value> = a
        .checks
        .iter()
        .map(|c| {
            json!({
                "id": c.id.as_str(),
                "name": check_name(c),
                "about": c.id.about(),
                "state": state_name(c.state),
                "summary": c.summary,
                "examined": c.examined,
                "failing": c.failing,
                "first": time(c.first_unix_ms),
                "last": time(c.last_unix_ms),
                "query": c.query,
                "samples": c.samples.iter().map(sample).collect::<Vec<_>>(),
            })
        })
        .collect();
    let controls: Vec<Value> = a
        .controls
        .iter()
        .map(|c| {
            json!({
                "id": c.control.id,
                "about": c.control.about,
                "verdict": c.verdict.as_str(),
                "reason": c.reason,
                "checks": c.checks.iter().map(|&i| check_name(&a.checks[i])).collect::<Vec<_>>(),
            })
        })
        .collect();
    let counts: serde_json::Map<String, Value> =
        Verdict::ALL.iter().map(|v| (v.as_str().to_owned(), a.count(*v).into())).collect();
    let document = json!({
        "standard": a.standard.as_str(),
        "title": a.standard.title(),
        "period": { "from": civil::format_utc(a.period.from_unix_ms), "to": civil::format_utc(a.period.to_unix_ms) },
        "made_at": time(a.at_unix_ms),
        "log": {
            "origin": a.origin,
            "size": a.head.size,
            "root": a.head.root.to_base64(),
            "checkpoint": a.checkpoint.as_ref().map(|(head, key)| json!({
                "size": head.size, "root": head.root.to_base64(), "key": key,
            })),
        },
        "coverage": {
            "entries": a.coverage.entries,
            "first_seq": a.coverage.places.map(|p| p.0),
            "last_seq": a.coverage.places.map(|p| p.1),
            "log_first": time(a.coverage.first_unix_ms),
            "log_last": time(a.coverage.last_unix_ms),
            "gaps": a.coverage.gaps,
        },
        "counts": counts,
        "controls": controls,
        "checks": checks,
    });
    format!("{document}\n")
}

fn sample(s: &Sample) -> Value {
    json!({
        "seq": s.seq,
        "time": s.at_unix_ms.map(civil::format_utc),
        "note": s.note,
        "proof": s.proof.iter().map(crate::Hash::to_base64).collect::<Vec<_>>(),
    })
}
