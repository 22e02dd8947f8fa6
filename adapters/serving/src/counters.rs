//! What the server counts, in the text format of Prometheus.

use ecosystem_core::prometheus::{FamilyKind, MetricFamily, MetricSample, encode};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counters of a server since it began.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// By code: `ok` or that of a problem, all of them known when this is compiled.
    requests: Mutex<BTreeMap<&'static str, u64>>,
    answered: AtomicU64,
    size: AtomicU64,
    batches: AtomicU64,
    micros: AtomicU64,
    loaded: AtomicU64,
    unloaded: AtomicU64,
}

/// How it is now.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) models: usize,
    pub(crate) model_bytes: usize,
    pub(crate) waiting: usize,
    pub(crate) connections: usize,
}

impl Counters {
    pub(crate) fn request(&self, code: &'static str) {
        *self.requests.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// A question that was answered: how much it asked, and how long it took from its arrival.
    pub(crate) fn answered(&self, size: usize, took: Duration) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.size.fetch_add(size as u64, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn batch(&self) {
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn loaded(&self) {
        self.loaded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn unloaded(&self) {
        self.unloaded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn text(&self, now: &Gauges) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let mut requests = MetricFamily::new(
            "serving_requests_total",
            FamilyKind::Counter,
            "Requests by how they ended: ok, or the code of the error",
        );
        for (code, count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            let sample = MetricSample::new("serving_requests_total", *count as f64);
            requests.samples.push(sample.with("code", code));
        }
        let mut families = vec![requests];
        let mut one = |name: &str, kind, help: &str, value: f64| {
            let mut family = MetricFamily::new(name, kind, help);
            family.samples.push(MetricSample::new(name, value));
            families.push(family);
        };
        let counter = FamilyKind::Counter;
        one("serving_answers_total", counter, "Questions that models answered", read(&self.answered));
        one("serving_rows_total", counter, "Rows and steps in these questions", read(&self.size));
        one("serving_batches_total", counter, "Times the workers took questions", read(&self.batches));
        let seconds = read(&self.micros) / 1e6;
        one("serving_answer_seconds_total", counter, "Time from question to answer, added up", seconds);
        one("serving_models_loaded_total", counter, "Models loaded", read(&self.loaded));
        one("serving_models_unloaded_total", counter, "Models unloaded", read(&self.unloaded));
        let gauge = FamilyKind::Gauge;
        one("serving_models", gauge, "Models that are loaded", now.models as f64);
        one("serving_model_bytes", gauge, "Bytes they were read from", now.model_bytes as f64);
        one("serving_waiting", gauge, "Questions that wait", now.waiting as f64);
        one(
            "serving_connections",
            gauge,
            "Places for connections that are taken, that of the next one included",
            now.connections as f64,
        );
        encode(&families)
    }
}
