//! Serves counters of ours in the text format, for a server to scrape.

use ecosystem_core::ReplicaId;
use ecosystem_core::prometheus::{FamilyKind, MetricFamily, MetricSample, encode};
use ecosystem_reconfig::{Counters, Engine};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// For one conversation.
const TALK: Duration = Duration::from_secs(2);
/// Longest request that is read: a scrape sends some hundred bytes.
const REQUEST_MAX: usize = 8_192;

/// A server for `GET /metrics`. One conversation at a time, each with a deadline; it ends with the value.
#[derive(Debug)]
pub struct Exporter {
    address: SocketAddr,
    text: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
}

impl Exporter {
    /// Listens; port 0 lets the system choose.
    pub fn bind(address: impl ToSocketAddrs) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let (address, text) = (listener.local_addr()?, Arc::new(Mutex::new(String::new())));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (Arc::clone(&text), Arc::clone(&stop));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    // A scraper that breaks off comes back.
                    drop(answer(stream, &shared));
                }
            }
        });
        Ok(Self { address, text, stop })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is served from now on.
    pub fn publish(&self, families: &[MetricFamily]) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = encode(families);
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread, which waits for a connection.
        drop(TcpStream::connect_timeout(&self.address, TALK));
    }
}

fn answer(mut stream: TcpStream, text: &Mutex<String>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(TALK))?;
    stream.set_write_timeout(Some(TALK))?;
    let (mut request, mut part) = (Vec::new(), [0; 1024]);
    while request.len() < REQUEST_MAX && !request.windows(4).any(|it| it == b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => break,
            count => request.extend_from_slice(&part[..count]),
        }
    }
    let (status, body) = if request.starts_with(b"GET /metrics ") || request.starts_with(b"GET /metrics?") {
        ("200 OK", text.lock().unwrap_or_else(PoisonError::into_inner).clone())
    } else {
        ("404 Not Found", "only GET /metrics is served\n".to_owned())
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Processor use of replicas in thousandths of a core, as hosts measured it.
pub const REPLICA_CPU: &str = "vm_cpu_millicores";
/// Memory of replicas in bytes, as hosts measured it.
pub const REPLICA_MEMORY: &str = "vm_memory_bytes";

/// A gauge with a value for each replica, labelled with it and its component.
pub fn replica_family(name: &str, values: impl IntoIterator<Item = (ReplicaId, f64)>) -> MetricFamily {
    let help = match name {
        REPLICA_CPU => "Processor use in thousandths of a core",
        REPLICA_MEMORY => "Resident memory",
        _ => "As measured on the host",
    };
    let mut family = MetricFamily::new(name, FamilyKind::Gauge, help);
    family.samples = values
        .into_iter()
        .map(|(id, value)| {
            let sample = MetricSample::new(name, value).with("component", id.component().as_str());
            sample.with("replica", &id.to_string())
        })
        .collect();
    family
}

/// The engine's counters, replicas and hosts as metrics.
pub fn engine_families(engine: &Engine) -> Vec<MetricFamily> {
    let Counters {
        events,
        rejected,
        late,
        refused,
        unplaceable,
        begun,
        done,
        failed,
        compensated,
        escalated,
        ..
    } = engine.counters();
    let counters = [
        ("events", "Events handled", events),
        ("events_rejected", "Events that named something unknown", rejected),
        ("answers_late", "Answers that came late or twice", late),
        ("decisions_refused", "Decisions a guard refused", refused),
        ("replicas_unplaceable", "Replicas for which there was no host", unplaceable),
        ("actions_begun", "Actions begun", begun),
        ("actions_done", "Actions that had their effect", done),
        ("actions_failed", "Actions without effect", failed),
        ("actions_compensated", "Actions whose possible effect was undone", compensated),
        ("actions_escalated", "Actions handed to an operator", escalated),
    ];
    let family = |name: String, kind, help: &str, value: f64| {
        let mut family = MetricFamily::new(name.clone(), kind, help);
        family.samples.push(MetricSample::new(name, value));
        family
    };
    let mut all: Vec<MetricFamily> = counters
        .into_iter()
        .map(|(name, help, value)| {
            family(format!("ecosystem_{name}_total"), FamilyKind::Counter, help, value as f64)
        })
        .collect();
    let count = |n: usize| n as f64;
    all.push(family(
        "ecosystem_replicas".into(),
        FamilyKind::Gauge,
        "Replicas known",
        count(engine.replicas().count()),
    ));
    all.push(family(
        "ecosystem_hosts".into(),
        FamilyKind::Gauge,
        "Hosts known",
        count(engine.hosts().count()),
    ));
    let open = count(engine.unfinished().count());
    all.push(family("ecosystem_actions_open".into(), FamilyKind::Gauge, "Actions under way", open));
    all.push(family("ecosystem_epoch".into(), FamilyKind::Gauge, "Fencing token", engine.epoch().0 as f64));
    all
}
