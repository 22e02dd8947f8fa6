//! All hosts as one [`Hypervisor`].

use crate::ground::Link;
use crate::ledger::{Ledger, LedgerError};
use crate::measure::{self, Measured};
use crate::stats;
use ecosystem_core::{
    ActionKind, ActionOutcome, ActionRequest, Capabilities, Capability, HostHealth, HostId, Hypervisor,
    HypervisorEvent, Inventory, ReplicaId, ReplicaState, Resources, SubmitError, Timestamp,
};
use ecosystem_orders::{News, lock, started, stopped};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Looks at an inventory in which something runs twice, before it is believed.
const LOOKS: u32 = 8;
const LOOK_AGAIN: Duration = Duration::from_millis(60);

/// A host.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct HostSettings {
    /// Its name.
    pub host: HostId,
    /// Connection URI, for us and for the daemons of the other hosts.
    pub uri: String,
    /// Where memory is sent to it, e.g. `tcp://10.0.0.7`; `None` = the host name its daemon says.
    pub migrate_uri: Option<String>,
    /// What it has for machines.
    pub capacity: Resources,
}

impl HostSettings {
    /// A host with what it has.
    pub fn new(host: HostId, uri: impl Into<String>, capacity: Resources) -> Self {
        Self { host, uri: uri.into(), migrate_uri: None, capacity }
    }
}

/// How a fleet is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The hosts.
    pub hosts: Vec<HostSettings>,
    /// Description of a machine in libvirt's XML with `{name}`, `{identity}`, `{vcpus}`, `{memory_kib}`, `{version}`.
    pub template: String,
    /// File of the [`Ledger`].
    pub ledger: PathBuf,
    /// For a daemon's answer. 5 s.
    pub answer_within: Duration,
    /// Between two looks at a host. 1 s.
    pub every: Duration,
}

impl Settings {
    /// The usual values.
    pub fn new(hosts: Vec<HostSettings>, template: impl Into<String>, ledger: impl Into<PathBuf>) -> Self {
        Self {
            hosts,
            template: template.into(),
            ledger: ledger.into(),
            answer_within: Duration::from_secs(5),
            every: Duration::from_secs(1),
        }
    }
}

/// What goes wrong with the fleet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// The memory of what was done cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// libvirt refuses or cannot.
    #[error("host {host}: {reason}")]
    Host {
        /// Which.
        host: HostId,
        /// What libvirt says.
        reason: String,
    },
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) links: BTreeMap<HostId, Arc<Link>>,
    pub(crate) ledger: Ledger,
    pub(crate) news: Mutex<News>,
    pub(crate) measured: Mutex<Measured>,
    /// What is about to run where, so that two starts do not share one room.
    pub(crate) reserved: Mutex<BTreeMap<ReplicaId, (HostId, Resources)>>,
    over: AtomicBool,
}

/// All hosts. An action is carried out by a thread of its own; each host is looked at by one.
#[derive(Debug)]
pub struct Fleet {
    pub(crate) shared: Arc<Shared>,
}

impl Fleet {
    /// Speaks to the hosts; none needs to answer yet.
    pub fn connect(settings: Settings) -> Result<Self, FleetError> {
        // Errors are told to whoever asked; the library would print them as well.
        virt::error::clear_error_callback();
        let link =
            |it: &HostSettings| (it.host.clone(), Arc::new(Link::new(it.host.clone(), it.uri.clone())));
        let links = settings.hosts.iter().map(link).collect();
        let ledger = Ledger::open(&settings.ledger)?;
        let shared = Arc::new(Shared {
            settings,
            links,
            ledger,
            news: Mutex::default(),
            measured: Mutex::default(),
            reserved: Mutex::default(),
            over: AtomicBool::new(false),
        });
        for link in shared.links.values() {
            let (shared, link) = (Arc::clone(&shared), Arc::clone(link));
            std::thread::spawn(move || shared.watch(&link));
        }
        Ok(Self { shared })
    }

    /// Suspends a machine, or lets it go on.
    pub fn pause(&self, host: &HostId, replica: &ReplicaId, paused: bool) -> Result<(), FleetError> {
        let error = |reason: String| FleetError::Host { host: host.clone(), reason };
        let link = self.shared.links.get(host).ok_or_else(|| error("there is no such host".into()))?;
        let found = link.find(replica).map_err(|e| error(e.to_string()))?;
        let found = found.ok_or_else(|| error(format!("{replica} is not there")))?;
        let done = if paused { found.domain.suspend() } else { found.domain.resume() };
        done.map_err(|e| error(e.to_string()))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn watch(&self, link: &Link) {
        while !self.over.load(Ordering::Relaxed) {
            let mark = lock(&self.news).mark();
            // Silence is not told of.
            if let Ok(all) = link.look() {
                if let Ok(stats) = link.connect().and_then(|it| stats::all(&it)) {
                    lock(&self.measured).take(&link.host, &all, stats, measure::unix_ms());
                }
                let told = all.iter().filter(|it| !it.travelling).map(|it| link.report(it));
                lock(&self.news).see(mark, [(link.host.clone(), HostHealth::Alive)], told);
            }
            std::thread::sleep(self.settings.every);
        }
    }

    fn finish(&self, request: &ActionRequest, outcome: ActionOutcome, keep: bool) {
        if keep {
            // An end that cannot be kept is told all the same; the action is over.
            drop(self.ledger.end(request.id, &outcome, stopped(&request.kind)));
        }
        lock(&self.news).end(request.id, outcome);
    }

    /// What the hosts say that answer; `None` in place of those that do not.
    fn look(&self) -> Inventory {
        let mut inventory = Inventory::default();
        for (host, link) in &self.links {
            let ask = |link: &Link| {
                let all = link.look()?;
                let here = all.iter().filter(|it| !it.travelling && it.state != ReplicaState::Stopped);
                Ok(here.map(|it| link.report(it)).collect::<Vec<_>>())
            };
            if let Some(replicas) = link.within(self.settings.answer_within, ask) {
                inventory.hosts.push((host.clone(), HostHealth::Alive));
                inventory.replicas.extend(replicas);
            }
        }
        inventory
    }
}

impl Hypervisor for Fleet {
    type Error = FleetError;

    fn capabilities(&self) -> Capabilities {
        [Capability::Lifecycle, Capability::PreCopy].into_iter().collect()
    }

    fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<FleetError>> {
        let rejected = |reason: String| Err(SubmitError::Rejected { reason });
        let door = match self.shared.ledger.knock(request.epoch, request.id, started(&request.kind)) {
            Ok(door) => door,
            Err(e) => return rejected(e.to_string()),
        };
        match lock(&self.shared.news).admit(door, request, &self.capabilities()) {
            Err(reason) => return rejected(reason),
            Ok(false) => return Ok(()),
            Ok(true) => {}
        }
        let (shared, request) = (Arc::clone(&self.shared), request.clone());
        std::thread::spawn(move || {
            let outcome = shared.carry_out(&request);
            let keep = !matches!(request.kind, ActionKind::Probe { .. });
            shared.finish(&request, outcome, keep);
        });
        Ok(())
    }

    fn poll(&mut self, _: Timestamp) -> Result<Vec<HypervisorEvent>, FleetError> {
        Ok(lock(&self.shared.news).take())
    }

    fn inventory(&mut self) -> Result<Inventory, FleetError> {
        // Hosts are asked one after the other: what moves meanwhile may be seen on both. Look again before saying so.
        for _ in 0..LOOKS {
            let inventory = self.shared.look();
            let all: BTreeSet<&ReplicaId> = inventory.replicas.iter().map(|it| &it.replica).collect();
            if all.len() == inventory.replicas.len() {
                return Ok(inventory);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(self.shared.look())
    }
}
