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
/// What is older is forgotten, machines and samples: replicas come and go, memory must not grow with them. Samples, too, because a
/// replica that moves to and fro has a series on every host, each of which would slowly fill.
const FORGOTTEN_MS: u64 = 300_000;
/// Room for samples that a series may keep unused.
const SPARE: usize = 32;

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
        self.samples.retain(|key, series| {
            let old = series.partition_point(|it| newest.saturating_sub(it.at_unix_ms) > FORGOTTEN_MS);
            series.drain(..old);
            if series.capacity() > 2 * series.len() + SPARE {
                series.shrink_to(series.len() + SPARE / 2);
            }
            last.contains_key(key)
        });
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of all series, used or not.
    fn held(measured: &Measured) -> usize {
        measured.samples.values().map(|it| it.capacity() * size_of::<Seen>()).sum()
    }

    /// Twelve replicas on four hosts for three hours, one of which moves every five seconds.
    #[test]
    fn samples_of_replicas_that_move_to_and_fro_stay_within_a_level() {
        let hosts: Vec<HostId> = (0..4).map(|k| format!("h{k}").parse().unwrap()).collect();
        let replicas: Vec<ReplicaId> = (0..12).map(|k| ReplicaId::new("web".parse().unwrap(), k)).collect();
        let (mut at, mut measured, mut levels) = ([0_usize; 12], Measured::default(), Vec::new());
        for round in 0..21_600_u64 {
            let now = round * 500;
            if round % 10 == 0 {
                let mixed = (round / 10 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
                at[usize::try_from(mixed % 12).unwrap()] = usize::try_from(mixed / 12 % 4).unwrap();
            }
            for (number, host) in hosts.iter().enumerate() {
                let here = (0..12).filter(|&k| at[k] == number);
                let usage = here.map(|k| Usage {
                    replica: replicas[k].clone(),
                    at_unix_ms: now,
                    cpu_ms: round * 100,
                    rss: 1,
                });
                let usage: Vec<Usage> = usage.collect();
                measured.take_in(host, usage);
            }
            if round % 600 == 599 {
                levels.push(held(&measured));
            }
        }
        let newest = 21_599 * 500;
        assert!(measured.samples.values().flatten().all(|it| newest - it.at_unix_ms <= FORGOTTEN_MS));
        // Five minutes of twelve replicas, with room to double and a little for every series.
        let most = (12 * 2 * (KEPT + 1) + 48 * SPARE) * size_of::<Seen>();
        assert!(levels.iter().all(|it| *it <= most), "at most {most}: {levels:?}");
        let highest = |part: &[usize]| part.iter().copied().max().unwrap();
        let (early, late) = (highest(&levels[1..7]), highest(&levels[30..]));
        assert!(
            late * 10 <= early * 11,
            "{early} bytes in the first half hour, {late} in the last: {levels:?}"
        );
        // What is known of a replica is all there: at least the newest samples of every one.
        assert!(measured.samples.values().map(VecDeque::len).sum::<usize>() > 12 * KEPT / 2);
    }
}
