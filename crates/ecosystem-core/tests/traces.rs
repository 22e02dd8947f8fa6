//! Spans of known topologies, written as OTLP, Jaeger and Zipkin JSON: what was called is what is found.
#![cfg(feature = "manifest")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use ecosystem_core::manifest::{self, Budgets, ParseOptions, Source};
use ecosystem_core::traces::{self, ObservedCall};
use ecosystem_core::{DependencyKind, EvidenceKind};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One call of a known topology: who calls whom, how long the caller waits, whether it failed.
type Call = (u8, u8, u32, bool);

fn name(service: u8) -> String {
    format!("service-{service}")
}

/// Start of the n-th call in microseconds: one every ten milliseconds.
fn start(n: usize) -> u64 {
    1_700_000_000_000_000 + n as u64 * 10_000
}

/// A client span and the server span that answers it, each in the resource of its service.
fn otlp(calls: &[Call]) -> String {
    let span = |n: usize, id: &str, parent: &str, kind: u8, us: u64, failed: bool| {
        let at = start(n) * 1_000;
        json!({ "traceId": format!("{n:032x}"), "spanId": format!("{n:08x}{id}"), "name": "call", "kind": kind,
            "parentSpanId": if parent.is_empty() { String::new() } else { format!("{n:08x}{parent}") },
            "startTimeUnixNano": at.to_string(), "endTimeUnixNano": (at + us * 1_000).to_string(),
            "status": if failed { json!({ "code": 2 }) } else { json!({}) } })
    };
    let resource = |service: u8, span: Value| {
        json!({ "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": name(service) } }] },
            "scopeSpans": [{ "spans": [span] }] })
    };
    let all = calls.iter().enumerate().flat_map(|(n, &(from, to, us, failed))| {
        let us = u64::from(us);
        [
            resource(to, span(n, "000000bb", "000000aa", 2, us / 2, failed)),
            resource(from, span(n, "000000aa", "", 3, us, false)),
        ]
    });
    json!({ "resourceSpans": all.collect::<Vec<_>>() }).to_string()
}

/// One trace for each call, processes by number.
fn jaeger(calls: &[Call]) -> String {
    let traces = calls.iter().enumerate().map(|(n, &(from, to, us, failed))| {
        let tag = |key: &str, value: Value| json!({ "key": key, "type": "string", "value": value });
        let mut tags = vec![tag("span.kind", json!("server"))];
        if failed {
            tags.push(json!({ "key": "error", "type": "bool", "value": true }));
        }
        json!({ "traceID": format!("{n:x}"), "processes": { "p1": { "serviceName": name(from) }, "p2": { "serviceName": name(to) } },
            "spans": [
                { "traceID": format!("{n:x}"), "spanID": "b", "operationName": "op", "processID": "p2", "startTime": start(n), "duration": us / 2,
                  "references": [{ "refType": "CHILD_OF", "traceID": format!("{n:x}"), "spanID": "a" }], "tags": tags },
                { "traceID": format!("{n:x}"), "spanID": "a", "operationName": "op", "processID": "p1", "startTime": start(n), "duration": us,
                  "references": [], "tags": [tag("span.kind", json!("client"))] },
            ] })
    });
    json!({ "data": traces.collect::<Vec<_>>() }).to_string()
}

/// Client and server share the id of the span, as Zipkin's own libraries do.
fn zipkin(calls: &[Call]) -> String {
    let spans = calls.iter().enumerate().flat_map(|(n, &(from, to, us, failed))| {
        let span = |kind: &str, service: u8, us: u32, failed: bool| {
            json!({ "traceId": format!("{n:016x}"), "id": format!("{n:016x}"), "kind": kind, "timestamp": start(n), "duration": us,
                "localEndpoint": { "serviceName": name(service) }, "shared": kind == "SERVER",
                "tags": if failed { json!({ "error": "true" }) } else { json!({}) } })
        };
        [span("CLIENT", from, us, false), span("SERVER", to, us / 2, failed)]
    });
    Value::Array(spans.collect()).to_string()
}

/// The same by counting: number, failures and nearest-rank percentiles of each pair.
fn counted(calls: &[Call]) -> BTreeMap<(String, String), (u64, u64, [u64; 3])> {
    let mut pairs: BTreeMap<(String, String), Vec<(u64, bool)>> = BTreeMap::new();
    for &(from, to, us, failed) in calls {
        pairs.entry((name(from), name(to))).or_default().push((u64::from(us), failed));
    }
    pairs
        .into_iter()
        .map(|(pair, mut all)| {
            all.sort_unstable();
            let rank = |percent: usize| all[(all.len() * percent).div_ceil(100) - 1].0;
            let failures = all.iter().filter(|(_, failed)| *failed).count() as u64;
            (pair, (all.len() as u64, failures, [rank(50), rank(95), rank(99)]))
        })
        .collect()
}

fn seen(call: &ObservedCall) -> (u64, u64, [u64; 3]) {
    let percentiles = [call.latency_p50, call.latency_p95, call.latency_p99].map(ecosystem_core::Micros::get);
    (call.calls, call.failures, percentiles)
}

/// An eighth of the usual number: every case reads three formats twice.
fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: (usual.cases / 8).max(1), ..usual }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn a_known_topology_is_found_again_in_every_format(
        calls in prop::collection::vec((0_u8..6, 0_u8..6, 10_u32..1_000_000, any::<bool>()), 2..60),
    ) {
        let calls: Vec<Call> = calls.into_iter().filter(|(from, to, _, _)| from != to).collect();
        prop_assume!(calls.len() >= 2);
        let wanted = counted(&calls);
        let window = start(calls.len() - 1) - start(0);
        for (format, text) in [("otlp", otlp(&calls)), ("jaeger", jaeger(&calls)), ("zipkin", zipkin(&calls))] {
            let spans = traces::parse(&Source::new(format, &text), &Budgets::default()).unwrap();
            prop_assert_eq!(spans.len(), 2 * calls.len(), "{}", format);
            let found = traces::calls(&spans);
            let as_counted = found.iter().map(|c| ((c.from.to_string(), c.to.to_string()), seen(c))).collect();
            prop_assert_eq!(&wanted, &as_counted, "{}", format);
            for call in &found {
                prop_assert_eq!(call.calls_per_1000_s, call.calls * 1_000_000_000 / window, "{}", format);
            }
            // the same as a manifest: one call edge for each pair, resting on the trace
            let map = manifest::parse(&[Source::new(format, &text)], &ParseOptions::default()).unwrap().ecosystem;
            let edges: Vec<_> = map.dependencies().filter(|d| d.kind == DependencyKind::Call).collect();
            prop_assert_eq!(edges.len(), wanted.len());
            for edge in edges {
                prop_assert!(wanted.contains_key(&(edge.from.to_string(), edge.to.to_string())));
                prop_assert_eq!(edge.evidence[0].kind, EvidenceKind::Trace);
            }
        }
    }
}
