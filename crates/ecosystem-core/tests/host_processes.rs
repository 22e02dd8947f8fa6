//! The host traits over something real: operating-system processes as replicas, `/proc` as the source of measurements.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a host starts processes and reads files; a test may fail loudly"
)]

use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Capabilities, Capability, ComponentId, Epoch,
    HostHealth, HostId, Hypervisor, HypervisorEvent, Inventory, MetricKind, MetricQuery, MetricsSource,
    QueryError, RangeQuery, ReplicaId, ReplicaReport, ReplicaState, Resources, Sample, Series, Subject,
    SubmitError, Timestamp, Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// This machine: every replica is a process that sleeps.
#[derive(Default)]
struct Processes {
    running: BTreeMap<ReplicaId, (HostId, Version, Child)>,
    seen: BTreeSet<ActionId>,
    epoch: Epoch,
    events: Vec<HypervisorEvent>,
}

impl Processes {
    fn stop(&mut self, replica: &ReplicaId) -> io::Result<()> {
        if let Some((_, _, mut child)) = self.running.remove(replica) {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        let all: Vec<ReplicaId> = self.running.keys().cloned().collect();
        for replica in all {
            let _ = self.stop(&replica);
        }
    }
}

impl Hypervisor for Processes {
    type Error = io::Error;

    fn capabilities(&self) -> Capabilities {
        [Capability::Lifecycle].into_iter().collect()
    }

    fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<io::Error>> {
        let refused = |reason: String| Err(SubmitError::Rejected { reason });
        if request.epoch < self.epoch {
            return refused(format!("epoch {} is older than {}", request.epoch, self.epoch));
        }
        self.epoch = request.epoch;
        if !self.capabilities().has(request.kind.capability()) {
            return refused(format!("processes cannot {}", request.kind.verb()));
        }
        if !self.seen.insert(request.id) {
            return Ok(());
        }
        match &request.kind {
            ActionKind::Start { replica, host, version, .. } => {
                let child = Command::new("sleep").arg("600").spawn().map_err(SubmitError::Unknown)?;
                self.running.insert(replica.clone(), (host.clone(), version.clone(), child));
            }
            ActionKind::Stop { replica, .. } => self.stop(replica).map_err(SubmitError::Unknown)?,
            other => return refused(format!("processes cannot {}", other.verb())),
        }
        self.events.push(HypervisorEvent::Finished { action: request.id, outcome: ActionOutcome::DONE });
        Ok(())
    }

    fn poll(&mut self, _: Timestamp) -> io::Result<Vec<HypervisorEvent>> {
        let mut ended = Vec::new();
        for (replica, (host, version, child)) in &mut self.running {
            if child.try_wait()?.is_some() {
                let (replica, host, version) = (replica.clone(), host.clone(), version.clone());
                ended.push(replica.clone());
                self.events.push(HypervisorEvent::Replica {
                    replica,
                    host,
                    state: ReplicaState::Stopped,
                    version,
                });
            }
        }
        self.running.retain(|replica, _| !ended.contains(replica));
        Ok(std::mem::take(&mut self.events))
    }

    fn inventory(&mut self) -> io::Result<Inventory> {
        let report = |(replica, (host, version, _)): (&ReplicaId, &(HostId, Version, Child))| ReplicaReport {
            replica: replica.clone(),
            host: host.clone(),
            state: ReplicaState::Running,
            version: version.clone(),
            resources: Resources::default(),
        };
        let replicas: Vec<ReplicaReport> = self.running.iter().map(report).collect();
        Ok(Inventory { hosts: vec![(here(), HostHealth::Alive)], replicas, policies: Vec::new() })
    }
}

impl MetricsSource for Processes {
    type Error = io::Error;

    fn range(&mut self, queries: &[RangeQuery]) -> io::Result<Vec<Result<Series, QueryError>>> {
        Ok(queries.iter().map(|_| Err(QueryError::BadRange { samples: 2, max: 1 })).collect())
    }

    fn latest(&mut self, queries: &[MetricQuery]) -> io::Result<Vec<Result<Sample, QueryError>>> {
        let one = |query: &MetricQuery| {
            let fault = |reason: &str| QueryError::Unknown {
                subject: query.subject.to_string(),
                reason: reason.into(),
            };
            let Subject::Replica(replica) = &query.subject else { return Err(fault("not a replica")) };
            let (_, _, child) = self.running.get(replica).ok_or_else(|| fault("not running"))?;
            let text = std::fs::read_to_string(format!("/proc/{}/statm", child.id()));
            let text = text.map_err(|error| fault(&error.to_string()))?;
            let pages: f64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
            Ok(Sample { at: Timestamp::from_unix_ms(1), value: pages * 4096.0 })
        };
        Ok(queries.iter().map(one).collect())
    }
}

fn here() -> HostId {
    "here".parse().unwrap()
}

fn request(id: u64, epoch: u64, kind: ActionKind) -> ActionRequest {
    let deadline = Timestamp::from_unix_ms(60_000);
    ActionRequest { id: ActionId(id), epoch: Epoch(epoch), kind, deadline, expected: None }
}

fn start(replica: &ReplicaId) -> ActionKind {
    let (version, resources) = (Version::new("1"), Resources::default());
    ActionKind::Start { replica: replica.clone(), host: here(), version, resources }
}

#[test]
fn processes_start_once_die_visibly_and_obey_the_newest_epoch() {
    let web = |index| ReplicaId::new(ComponentId::new("web").unwrap(), index);
    let mut host = Processes::default();
    host.submit(&request(1, 1, start(&web(0)))).unwrap();
    host.submit(&request(1, 1, start(&web(0)))).unwrap(); // the same number twice has the effect of once
    host.submit(&request(2, 2, start(&web(1)))).unwrap();
    assert!(matches!(host.submit(&request(3, 1, start(&web(2)))), Err(SubmitError::Rejected { .. })));
    let fence = ActionKind::Fence { host: here() };
    assert!(matches!(host.submit(&request(4, 2, fence)), Err(SubmitError::Rejected { .. })));
    assert_eq!(host.poll(Timestamp::default()).unwrap().len(), 2);
    assert_eq!(host.inventory().unwrap().replicas.len(), 2);

    let query =
        |index| MetricQuery { subject: Subject::Replica(web(index)), metric: MetricKind::MemoryBytes };
    let measured = host.latest(&[query(0), query(9)]).unwrap();
    assert!(measured[0].as_ref().unwrap().value > 0.0 && measured[1].is_err());

    // a process is killed behind the host's back: the next polls say so
    host.running.get_mut(&web(1)).unwrap().2.kill().unwrap();
    let patience = Instant::now();
    let seen = loop {
        let events = host.poll(Timestamp::default()).unwrap();
        if !events.is_empty() || patience.elapsed() > Duration::from_secs(20) {
            break events;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let state = ReplicaState::Stopped;
    let stopped =
        HypervisorEvent::Replica { replica: web(1), host: here(), state, version: Version::new("1") };
    assert_eq!(seen, [stopped]);
    host.submit(&request(5, 2, ActionKind::Stop { replica: web(0), host: here() })).unwrap();
    assert_eq!(host.inventory().unwrap().replicas, []);
}
