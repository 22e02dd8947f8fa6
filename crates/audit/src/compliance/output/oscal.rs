//! OSCAL Assessment Results 1.1.2 (NIST), as JSON. UUIDs are of version 5 (RFC 9562) over log name, root, period and id, so that the
//! same log gives the same document.

use serde_json::{Value, json};

use super::super::assess::{Assessment, ControlResult, Verdict};
use super::super::checks::{CheckResult, State};
use super::super::standards::Standard;
use super::{check_name, log_text, state_name};
use crate::civil;
use crate::sha1::sha1;

/// Namespace of our property names, and of the UUIDs (URL namespace of RFC 9562).
const NAMESPACE: &str = "https://vm-ecosystem.invalid/ns/oscal";

pub(super) fn render(a: &Assessment) -> String {
    let made = civil::format_utc(a.at_unix_ms.unwrap_or(a.period.to_unix_ms));
    let plan = uuid(a, "plan");
    let evidence = uuid(a, "log");
    let party = uuid(a, "party");
    let observations: Vec<Value> = a.checks.iter().map(|c| observation(a, c, &made, &evidence)).collect();
    let judged = a.controls.iter().filter(|c| c.verdict != Verdict::NotAssessable);
    let findings: Vec<Value> = judged.clone().map(|c| finding(a, c)).collect();
    let failed: Vec<&ControlResult> =
        a.controls.iter().filter(|c| c.verdict == Verdict::NotSatisfied).collect();
    let mut result = json!({
        "uuid": uuid(a, "result"),
        "title": a.standard.title(),
        "description": format!("Computed from the audit log {}.", log_text(a)),
        "start": civil::format_utc(a.period.from_unix_ms),
        "end": civil::format_utc(a.period.to_unix_ms),
        "props": [
            prop("entries-in-period", &a.coverage.entries.to_string()),
            prop("log-size", &a.head.size.to_string()),
            prop("log-root", &a.head.root.to_hex()),
        ],
        "reviewed-controls": { "control-selections": [{
            "include-controls": judged.map(|c| json!({ "control-id": token(a, c.control.id) })).collect::<Vec<_>>(),
        }] },
        "observations": observations,
        "findings": findings,
    });
    if !failed.is_empty() {
        result["risks"] = failed.iter().map(|c| risk(a, c)).collect();
    }
    let document = json!({ "assessment-results": {
        "uuid": uuid(a, "document"),
        "metadata": {
            "title": format!("Assessment of {} against {}", a.origin, a.standard.title()),
            "last-modified": made,
            "version": a.head.size.to_string(),
            "oscal-version": "1.1.2",
            "roles": [{ "id": "assessor", "title": "Assessor" }],
            "parties": [{ "uuid": party, "type": "organization", "name": format!("audit log {}", a.origin) }],
        },
        "import-ap": { "href": format!("#{plan}") },
        "results": [result],
        "back-matter": { "resources": [
            {
                "uuid": plan,
                "title": "Assessment plan",
                "description": "There is no separate plan: every computed check that a control rests on is run over the period.",
            },
            {
                "uuid": evidence,
                "title": "Audit log",
                "description": format!("Records and inclusion proofs lead to the root of {}", log_text(a)),
                "rlinks": [{ "href": format!("audit-log/{}.jsonl", a.head.root.to_hex()), "media-type": "application/jsonl" }],
            },
        ] },
    } });
    format!("{document}\n")
}

fn observation(a: &Assessment, c: &CheckResult, made: &str, evidence: &str) -> Value {
    let mut props = vec![
        prop("check", c.id.as_str()),
        prop("state", state_name(c.state)),
        prop("examined", &c.examined.to_string()),
        prop("failing", &c.failing.to_string()),
    ];
    props.extend(c.first_unix_ms.map(|at| prop("first", &civil::format_utc(at))));
    props.extend(c.last_unix_ms.map(|at| prop("last", &civil::format_utc(at))));
    let mut relevant: Vec<Value> = c
        .samples
        .iter()
        .map(|s| {
            let mut item = json!({ "href": format!("#{evidence}"), "description": line(&s.note) });
            if let (Some(seq), Some(at)) = (s.seq, s.at_unix_ms) {
                let proof: Vec<String> = s.proof.iter().map(crate::Hash::to_base64).collect();
                let mut props = vec![prop("record", &seq.to_string()), prop("time", &civil::format_utc(at))];
                if !proof.is_empty() {
                    props.push(prop("inclusion-proof", &proof.join(",")));
                }
                item["props"] = props.into();
            }
            item
        })
        .collect();
    if relevant.is_empty() {
        relevant.push(json!({ "href": format!("#{evidence}"), "description": line(&c.query) }));
    }
    json!({
        "uuid": uuid(a, &format!("observation {}", check_name(c))),
        "title": check_name(c),
        "description": format!("{} {}", c.id.about(), line(&c.summary)),
        "props": props,
        "methods": ["TEST"],
        "collected": made,
        "relevant-evidence": relevant,
    })
}

fn finding(a: &Assessment, c: &ControlResult) -> Value {
    // OSCAL knows two states; the finer verdict is the reason and a property.
    let (state, reason) = match c.verdict {
        Verdict::Satisfied => ("satisfied", "pass"),
        Verdict::NotSatisfied => ("not-satisfied", "fail"),
        _ => ("not-satisfied", "other"),
    };
    let mut finding = json!({
        "uuid": uuid(a, &format!("finding {}", c.control.id)),
        "title": c.control.id,
        "description": line(&c.reason),
        "props": [prop("verdict", c.verdict.as_str())],
        "target": {
            "type": "objective-id",
            "target-id": token(a, c.control.id),
            "description": c.control.about,
            "status": { "state": state, "reason": reason },
        },
    });
    if !c.checks.is_empty() {
        let related = |&i: &usize| json!({ "observation-uuid": uuid(a, &format!("observation {}", check_name(&a.checks[i]))) });
        finding["related-observations"] = c.checks.iter().map(related).collect();
    }
    if c.verdict == Verdict::NotSatisfied {
        finding["related-risks"] = json!([{ "risk-uuid": uuid(a, &format!("risk {}", c.control.id)) }]);
    }
    finding
}

fn risk(a: &Assessment, c: &ControlResult) -> Value {
    let failing = c.checks.iter().map(|&i| &a.checks[i]).filter(|r| r.state == State::Fail);
    let notes: Vec<String> = failing.flat_map(|r| &r.samples).take(3).map(|s| line(&s.note)).collect();
    json!({
        "uuid": uuid(a, &format!("risk {}", c.control.id)),
        "title": format!("{} is not satisfied", c.control.id),
        "description": line(&c.reason),
        "statement": if notes.is_empty() { line(&c.reason) } else { notes.join("; ") },
        "status": "open",
    })
}

fn prop(name: &str, value: &str) -> Value {
    json!({ "name": name, "ns": NAMESPACE, "value": value })
}

/// A token as OSCAL asks for: begins with a letter, no brackets or spaces. The controls of NIST have those of the catalogue
/// that NIST publishes (`ac-2.4`).
fn token(a: &Assessment, id: &str) -> String {
    let mut out = match a.standard {
        Standard::Nist80053 => String::new(),
        other => format!("{}-", other.as_str()),
    };
    for c in id.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '-' => out.push(c.to_ascii_lowercase()),
            ')' => {}
            _ if out.ends_with('.') => {}
            _ => out.push('.'),
        }
    }
    out
}

/// Text on one line, not empty.
fn line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let plain = plain.trim();
    if plain.is_empty() { "-".to_owned() } else { plain.to_owned() }
}

/// UUID version 5 (RFC 9562 §5.5).
fn uuid(a: &Assessment, name: &str) -> String {
    // 6ba7b811-9dad-11d1-80b4-00c04fd430c8, the URL namespace.
    let mut input =
        vec![0x6b, 0xa7, 0xb8, 0x11, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];
    let period = (a.period.from_unix_ms, a.period.to_unix_ms, a.at_unix_ms.unwrap_or(0));
    let path = format!(
        "{NAMESPACE}/{}/{}/{}/{}-{}-{}/{name}",
        a.origin,
        a.head.root.to_hex(),
        a.standard,
        period.0,
        period.1,
        period.2
    );
    input.extend_from_slice(path.as_bytes());
    let mut id = sha1(&input);
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    let hex = base16ct::lower::encode_string(&id[..16]);
    let part = |range| hex.get::<core::ops::Range<usize>>(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}
