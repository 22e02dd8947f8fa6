//! One thread per host that asks it for news again and again, so that a host that hangs holds up nobody.

use super::ANSWER;
use crate::machine::lock;
use crate::wire::{self, Answer, Ask, Migration, Usage};
use ecosystem_core::{Epoch, HostId, HypervisorEvent, ReplicaId};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Samples kept per replica: five minutes at one in half a second. The longer past is for a store of metrics.
const KEPT: usize = 600;
/// A machine that was not measured for as long is forgotten: replicas come and go, memory must not grow with them.
const FORGOTTEN_MS: u64 = 300_000;

/// A sample of one machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) at_unix_ms: u64,
    /// Processor use since the sample before, in millicores.
    pub(super) millicores: f64,
    pub(super) rss: f64,
}

/// What was measured on all hosts.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) samples: BTreeMap<(ReplicaId, HostId), VecDeque<Seen>>,
    last: BTreeMap<(ReplicaId, HostId), Usage>,
    pub(super) migrations: BTreeMap<HostId, Vec<Migration>>,
}

impl Measured {
    fn take_in(&mut self, host: &HostId, usage: Vec<Usage>) {
        for now in usage {
            let key = (now.replica.clone(), host.clone());
            if let Some(before) = self.last.get(&key)
                && let Some(span) = now.at_unix_ms.checked_sub(before.at_unix_ms).filter(|&span| span > 0)
                // A counter that steps back belongs to a new process: nothing is known yet.
                && let Some(used) = now.cpu_ms.checked_sub(before.cpu_ms)
            {
                let millicores = used as f64 * 1_000.0 / span as f64;
                let series = self.samples.entry(key.clone()).or_default();
                series.push_back(Seen { at_unix_ms: now.at_unix_ms, millicores, rss: now.rss as f64 });
                if series.len() > KEPT {
                    series.pop_front();
                }
            }
            self.last.insert(key, now);
        }
        self.forget();
    }

    fn forget(&mut self) {
        let newest = self.last.values().map(|it| it.at_unix_ms).max().unwrap_or(0);
        let last = &mut self.last;
        last.retain(|_, it| newest.saturating_sub(it.at_unix_ms) <= FORGOTTEN_MS);
        self.samples.retain(|key, _| last.contains_key(key));
    }
}

#[derive(Debug)]
pub(super) struct Link {
    stop: Arc<AtomicBool>,
}

impl Link {
    pub(super) fn open(
        host: HostId,
        socket: PathBuf,
        every: Duration,
        sender: Sender<HypervisorEvent>,
        measured: Arc<Mutex<Measured>>,
        epoch: Arc<AtomicU64>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        std::thread::spawn(move || {
            let mut since = 0;
            while !stopped.load(Ordering::Relaxed) {
                let epoch = Epoch(epoch.load(Ordering::Relaxed));
                let news = wire::ask(&socket, &Ask::Poll { since, epoch }, ANSWER);
                if let Ok(Answer::News { next, mut events, health, replicas, usage, migrations, .. }) = news {
                    if next < since {
                        since = 0; // a new supervisor counts from the beginning: ask again for everything
                        continue;
                    }
                    since = next;
                    events.push(HypervisorEvent::Host { host: host.clone(), health });
                    events.extend(replicas.into_iter().map(|it| HypervisorEvent::Replica {
                        replica: it.replica,
                        host: it.host,
                        state: it.state,
                        version: it.version,
                    }));
                    {
                        let mut measured = lock(&measured);
                        measured.take_in(&host, usage);
                        measured.migrations.insert(host.clone(), migrations);
                    }
                    if events.into_iter().any(|event| sender.send(event).is_err()) {
                        return;
                    }
                }
                std::thread::sleep(every);
            }
        });
        Self { stop }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
