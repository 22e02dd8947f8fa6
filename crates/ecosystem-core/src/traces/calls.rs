//! Calls between services out of spans.

use super::{Span, SpanKind};
use crate::dependency::CallMode;
use crate::finding::Place;
use crate::units::Micros;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All calls from one service to another.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ObservedCall {
    /// Service that calls.
    pub from: Arc<str>,
    /// Service, database or queue that is called.
    pub to: Arc<str>,
    /// Number of calls.
    pub calls: u64,
    /// How many of them failed.
    pub failures: u64,
    /// Calls per 1,000 seconds over the time that the spans cover; 0 if that is less than a millisecond.
    pub calls_per_1000_s: u64,
    /// Median latency as the caller saw it.
    pub latency_p50: Micros,
    /// 95th percentile (nearest rank).
    pub latency_p95: Micros,
    /// 99th percentile (nearest rank).
    pub latency_p99: Micros,
    /// Whether the caller waits.
    pub mode: CallMode,
    /// Protocol or system, e.g. `postgresql`; empty = not known.
    pub protocol: Arc<str>,
    /// True if the callee is known by attributes only: it reports no spans itself.
    pub is_peer: bool,
    /// True if the callee is a database or cache.
    pub is_store: bool,
    /// True if the callee is a message queue.
    pub is_queue: bool,
    /// Where the first of the calls was read.
    pub place: Place,
}

struct Tally {
    latencies: Vec<u64>,
    failures: u64,
    mode: CallMode,
    protocol: Arc<str>,
    peer: (bool, bool, bool),
    place: Place,
}

/// The calls that spans show, sorted by caller and callee. O(n log n) in the number of spans.
pub fn calls(spans: &[Span]) -> Vec<ObservedCall> {
    // A server span may share its id with the client span it answers (Zipkin): both are kept.
    let mut by_id: BTreeMap<(&str, &str, bool), &Span> = BTreeMap::new();
    for span in spans {
        by_id.insert((&span.trace, &span.id, span.kind == SpanKind::Server), span);
    }
    let mut tallies: BTreeMap<(Arc<str>, Arc<str>), Tally> = BTreeMap::new();
    let mut answered: BTreeSet<(&str, &str)> = BTreeSet::new();
    for span in spans {
        let shared =
            (span.kind == SpanKind::Server).then(|| by_id.get(&(&*span.trace, &*span.id, false))).flatten();
        let parent = shared.or_else(|| {
            let of = |server| by_id.get(&(&*span.trace, &*span.parent, server));
            if span.parent.is_empty() { None } else { of(false).or_else(|| of(true)) }
        });
        let Some(parent) = parent else { continue };
        answered.insert((&parent.trace, &parent.id));
        if parent.service == span.service {
            continue;
        }
        let waits = !matches!(span.kind, SpanKind::Consumer) && parent.kind != SpanKind::Producer;
        let seen = if parent.kind == SpanKind::Client { parent.duration_us } else { span.duration_us };
        let system = parent.peer.as_ref().map(|p| Arc::clone(&p.system)).unwrap_or_default();
        add(&mut tallies, parent, &span.service, (seen, span.failed, waits), system, (false, false, false));
    }
    for span in spans {
        let outward = matches!(span.kind, SpanKind::Client | SpanKind::Producer);
        let inward = span.kind == SpanKind::Consumer && span.peer.as_ref().is_some_and(|p| p.is_queue);
        let Some(peer) = span.peer.as_ref().filter(|_| outward || inward) else { continue };
        let direct = answered.contains(&(&*span.trace, &*span.id)) && !peer.is_queue;
        if direct || peer.name == span.service {
            continue;
        }
        let waits = span.kind == SpanKind::Client;
        let facts = (span.duration_us, span.failed, waits);
        add(
            &mut tallies,
            span,
            &peer.name,
            facts,
            Arc::clone(&peer.system),
            (true, peer.is_store, peer.is_queue),
        );
    }
    finish(tallies, spans)
}

fn add(
    tallies: &mut BTreeMap<(Arc<str>, Arc<str>), Tally>,
    caller: &Span,
    to: &Arc<str>,
    (latency, failed, waits): (u64, bool, bool),
    protocol: Arc<str>,
    peer: (bool, bool, bool),
) {
    let key = (Arc::clone(&caller.service), Arc::clone(to));
    let tally = tallies.entry(key).or_insert_with(|| Tally {
        latencies: Vec::new(),
        failures: 0,
        mode: CallMode::Queued,
        protocol,
        peer,
        place: caller.place.clone(),
    });
    tally.latencies.push(latency);
    tally.failures += u64::from(failed);
    if waits {
        tally.mode = CallMode::Synchronous;
    }
    // One span of its own is enough to know the callee as a service.
    tally.peer.0 &= peer.0;
    tally.peer.1 |= peer.1;
    tally.peer.2 |= peer.2;
}

fn finish(tallies: BTreeMap<(Arc<str>, Arc<str>), Tally>, spans: &[Span]) -> Vec<ObservedCall> {
    let starts = || spans.iter().map(|s| s.start_us).filter(|&s| s > 0);
    let window = starts().max().unwrap_or(0) - starts().min().unwrap_or(0);
    tallies
        .into_iter()
        .map(|((from, to), mut tally)| {
            tally.latencies.sort_unstable();
            let count = tally.latencies.len();
            let rank = |percent: usize| {
                let position = (count * percent).div_ceil(100).clamp(1, count.max(1)) - 1;
                Micros(tally.latencies.get(position).copied().unwrap_or(0))
            };
            let rate = u128::try_from(count).unwrap_or(0) * 1_000_000_000 / u128::from(window.max(1));
            ObservedCall {
                from,
                to,
                calls: count as u64,
                failures: tally.failures,
                calls_per_1000_s: if window < 1_000 { 0 } else { u64::try_from(rate).unwrap_or(u64::MAX) },
                latency_p50: rank(50),
                latency_p95: rank(95),
                latency_p99: rank(99),
                mode: tally.mode,
                protocol: tally.protocol,
                is_peer: tally.peer.0,
                is_store: tally.peer.1,
                is_queue: tally.peer.2,
                place: tally.place,
            }
        })
        .collect()
}
