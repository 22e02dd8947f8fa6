//! OTLP, Jaeger and Zipkin JSON out of the located tree.

use super::{Peer, Span, SpanKind};
use crate::manifest::{At, Report};
use std::collections::BTreeMap;
use std::sync::Arc;

/// True if a document holds spans in one of the formats.
pub(crate) fn is_trace(root: &At<'_>) -> bool {
    let first = |key: &str| root.get(key).and_then(|list| list.items().next());
    root.get("resourceSpans").is_some()
        || first("data").is_some_and(|trace| trace.get("spans").is_some())
        || root.items().next().is_some_and(|s| s.get("traceId").is_some() && s.get("id").is_some())
}

/// All spans of a document.
pub(crate) fn spans(root: &At<'_>, report: &Report) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource in root.get("resourceSpans").iter().flat_map(At::items) {
        otlp(&resource, report, &mut spans);
    }
    for trace in root.get("data").iter().flat_map(At::items) {
        jaeger(&trace, report, &mut spans);
    }
    for span in root.items() {
        zipkin(&span, report, &mut spans);
    }
    spans
}

type Tags<'a> = BTreeMap<&'a str, &'a str>;

fn number(at: &At<'_>, key: &str) -> u64 {
    at.text_of(key).and_then(|t| t.split('.').next()?.parse().ok()).unwrap_or(0)
}

fn otlp(resource: &At<'_>, report: &Report, spans: &mut Vec<Span>) {
    let attributes = |at: &At<'_>| -> BTreeMap<String, String> {
        at.get("attributes")
            .iter()
            .flat_map(At::items)
            .filter_map(|item| {
                let value = item.get("value")?;
                let text = value.node.entries().first()?.node.text()?;
                Some((item.text_of("key")?.to_owned(), text.to_owned()))
            })
            .collect()
    };
    let of_resource = resource.get("resource").map(|r| attributes(&r)).unwrap_or_default();
    let Some(service) = of_resource.get("service.name") else { return };
    let service: Arc<str> = Arc::from(service.as_str());
    for scope in ["scopeSpans", "instrumentationLibrarySpans"].iter().filter_map(|key| resource.get(key)) {
        for at in scope.items().filter_map(|s| s.get("spans")).flat_map(|s| s.items()) {
            let own = attributes(&at);
            let tags: Tags<'_> = own.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let start = number(&at, "startTimeUnixNano") / 1_000;
            let end = number(&at, "endTimeUnixNano") / 1_000;
            let kind = match at.text_of("kind").unwrap_or_default() {
                "2" | "SPAN_KIND_SERVER" => SpanKind::Server,
                "3" | "SPAN_KIND_CLIENT" => SpanKind::Client,
                "4" | "SPAN_KIND_PRODUCER" => SpanKind::Producer,
                "5" | "SPAN_KIND_CONSUMER" => SpanKind::Consumer,
                _ => SpanKind::Internal,
            };
            let status = at.dig(&["status", "code"]).and_then(|c| c.text()).unwrap_or_default();
            push(
                Span {
                    trace: text(&at, "traceId"),
                    id: text(&at, "spanId"),
                    parent: text(&at, "parentSpanId"),
                    service: Arc::clone(&service),
                    operation: text(&at, "name"),
                    kind,
                    start_us: start,
                    duration_us: end.saturating_sub(start),
                    failed: matches!(status, "2" | "STATUS_CODE_ERROR"),
                    peer: peer(&tags),
                    place: report.place(&at),
                },
                spans,
            );
        }
    }
}

fn jaeger(trace: &At<'_>, report: &Report, spans: &mut Vec<Span>) {
    let processes = trace.get("processes");
    for at in trace.get("spans").iter().flat_map(At::items) {
        let process = at.text_of("processID").unwrap_or_default();
        let of_trace = processes.as_ref().and_then(|p| p.get(process));
        let Some(service) = of_trace.or_else(|| at.get("process")).map(|p| text(&p, "serviceName")) else {
            continue;
        };
        let tags: Tags<'_> = at
            .get("tags")
            .iter()
            .flat_map(At::items)
            .filter_map(|tag| Some((tag.node.get("key")?.text()?, tag.node.get("value")?.text()?)))
            .collect();
        let parent = at
            .get("references")
            .iter()
            .flat_map(At::items)
            .find(|r| matches!(r.text_of("refType"), Some("CHILD_OF" | "FOLLOWS_FROM")))
            .map_or_else(|| text(&at, "parentSpanID"), |r| text(&r, "spanID"));
        push(
            Span {
                trace: text(&at, "traceID"),
                id: text(&at, "spanID"),
                parent,
                service,
                operation: text(&at, "operationName"),
                kind: kind(tags.get("span.kind").copied().unwrap_or_default()),
                start_us: number(&at, "startTime"),
                duration_us: number(&at, "duration"),
                failed: tags.get("error") == Some(&"true"),
                peer: peer(&tags),
                place: report.place(&at),
            },
            spans,
        );
    }
}

fn zipkin(at: &At<'_>, report: &Report, spans: &mut Vec<Span>) {
    let Some(service) = at.dig(&["localEndpoint", "serviceName"]).and_then(|s| s.text()) else { return };
    let tags: Tags<'_> = at
        .get("tags")
        .iter()
        .flat_map(|t| t.node.entries())
        .filter_map(|e| Some((&*e.key, e.node.text()?)))
        .collect();
    let remote = at.dig(&["remoteEndpoint", "serviceName"]).and_then(|s| s.text());
    let peer = peer(&tags).or_else(|| {
        let name = remote.filter(|name| !name.is_empty())?;
        Some(Peer { name: Arc::from(name), system: Arc::from(""), is_store: false, is_queue: false })
    });
    push(
        Span {
            trace: text(at, "traceId"),
            id: text(at, "id"),
            parent: text(at, "parentId"),
            service: Arc::from(service),
            operation: text(at, "name"),
            kind: kind(&at.text_of("kind").unwrap_or_default().to_ascii_lowercase()),
            start_us: number(at, "timestamp"),
            duration_us: number(at, "duration"),
            failed: tags.contains_key("error"),
            peer,
            place: report.place(at),
        },
        spans,
    );
}

fn push(span: Span, spans: &mut Vec<Span>) {
    if !span.id.is_empty() && !span.service.is_empty() {
        spans.push(span);
    }
}

fn text(at: &At<'_>, key: &str) -> Arc<str> {
    Arc::from(at.text_of(key).unwrap_or_default())
}

fn kind(word: &str) -> SpanKind {
    match word {
        "server" => SpanKind::Server,
        "client" => SpanKind::Client,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

/// The other side by the semantic conventions of `OpenTelemetry`, old and new names.
fn peer(tags: &Tags<'_>) -> Option<Peer> {
    let get = |keys: &[&str]| keys.iter().find_map(|key| tags.get(key).copied()).filter(|v| !v.is_empty());
    let host = get(&["peer.service", "server.address", "net.peer.name", "peer.hostname", "net.peer.ip"]);
    let database = get(&["db.system.name", "db.system"]);
    let queue = get(&["messaging.system"]);
    let name = if let Some(system) = database {
        // Without any address the system's name is all that is known of it.
        host.or_else(|| get(&["db.instance", "db.namespace", "db.name"])).unwrap_or(system)
    } else if let Some(system) = queue {
        get(&["messaging.destination.name", "messaging.destination"]).or(host).unwrap_or(system)
    } else {
        host?
    };
    let system =
        database.or(queue).or_else(|| get(&["rpc.system", "network.protocol.name"])).unwrap_or_default();
    Some(Peer {
        name: Arc::from(name),
        system: Arc::from(system.to_ascii_lowercase()),
        is_store: database.is_some(),
        is_queue: database.is_none() && queue.is_some(),
    })
}
