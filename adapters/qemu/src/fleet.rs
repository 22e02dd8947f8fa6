//! The controller's side: all hosts as one [`Hypervisor`] and [`MetricsSource`].

mod faults;
mod link;
mod measure;

use crate::error::HostError;
use crate::guest::Guest;
use crate::host::SOCKET;
use crate::machine::Writing;
use crate::wire::{self, Answer, Ask, Migration};
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Capabilities, Capability, Epoch, HostHealth, HostId,
    Hypervisor, HypervisorEvent, Inventory, ReplicaId, Resources, SubmitError, Timestamp,
};
use link::{Link, Measured};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// For a supervisor's answer; one that takes longer may or may not have begun.
const ANSWER: Duration = Duration::from_secs(2);

/// For a supervisor's answer to what it does before it answers.
const SLOW: Duration = Duration::from_secs(15);

/// Looks at an inventory in which something runs twice, before it is believed.
const LOOKS: u32 = 8;
const LOOK_AGAIN: Duration = Duration::from_millis(60);

/// How a fleet is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FleetSettings {
    /// Directory of all hosts; short, because unix sockets have short names.
    pub root: PathBuf,
    /// The program of the supervisors (`eco-host`).
    pub program: PathBuf,
    /// What the program wants to be told before the four arguments of `eco-host`. Nothing.
    pub arguments: Vec<String>,
    /// Name and size of every host.
    pub hosts: Vec<(HostId, Resources)>,
    /// What machines boot. The boot sector of [`guest`](crate::guest).
    pub guest: Guest,
    /// Time between two questions to a host; also the interval of its heartbeats. 500 ms.
    pub every: Duration,
}

impl FleetSettings {
    /// A fleet below `root`.
    pub fn new(
        root: impl Into<PathBuf>,
        program: impl Into<PathBuf>,
        hosts: Vec<(HostId, Resources)>,
    ) -> Self {
        Self {
            root: root.into(),
            program: program.into(),
            arguments: Vec::new(),
            hosts,
            guest: Guest::Sector,
            every: Duration::from_millis(500),
        }
    }
}

/// What goes wrong with the fleet as a whole, or with one host's answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// A host could not be asked.
    #[error("host {host}: {source}")]
    Host {
        /// Which.
        host: HostId,
        /// Why.
        source: HostError,
    },
    /// There is no such host.
    #[error("there is no host {host}")]
    NoHost {
        /// Which.
        host: HostId,
    },
    /// A process could not be made or ended.
    #[error(transparent)]
    System(#[from] HostError),
}

/// All hosts.
#[derive(Debug)]
pub struct Fleet {
    settings: FleetSettings,
    links: BTreeMap<HostId, Link>,
    news: Receiver<HypervisorEvent>,
    // Ends of what no single supervisor carries out: fences, power, aborts, network policies.
    own_sender: Sender<(ActionId, ActionOutcome)>,
    own: Receiver<(ActionId, ActionOutcome)>,
    under_way: BTreeSet<ActionId>,
    measured: Arc<Mutex<Measured>>,
    // Told to every host with every question, so that it refuses older controllers.
    epoch: Arc<AtomicU64>,
    // How those ended; kept in a file as well.
    ended: BTreeMap<ActionId, ActionOutcome>,
}

impl Fleet {
    /// Speaks to the hosts below the root. Those that do not live yet are brought up by
    /// [`power_on`](Self::power_on).
    pub fn connect(settings: FleetSettings) -> Result<Self, FleetError> {
        std::fs::create_dir_all(&settings.root).map_err(HostError::system("root directory of the fleet"))?;
        let (sender, news) = channel::<HypervisorEvent>();
        let measured = Arc::new(Mutex::new(Measured::default()));
        let epoch = Arc::new(AtomicU64::new(0));
        let links = settings
            .hosts
            .iter()
            .map(|(id, _)| {
                let socket = settings.root.join(id.as_str()).join(SOCKET);
                (
                    id.clone(),
                    Link::open(
                        id.clone(),
                        socket,
                        settings.every,
                        sender.clone(),
                        Arc::clone(&measured),
                        Arc::clone(&epoch),
                    ),
                )
            })
            .collect();
        let ended = faults::read_ends(&settings.root);
        let (own_sender, own) = channel();
        let under_way = BTreeSet::new();
        Ok(Self { settings, links, news, own_sender, own, under_way, measured, epoch, ended })
    }

    /// Tells every host that answers of a new controller, so that it refuses older ones before the new one has ordered
    /// anything; those that do not answer hear of it with the first question they answer. Gives the hosts that were told.
    pub fn reign(&mut self, epoch: Epoch) -> Result<Vec<HostId>, SubmitError<FleetError>> {
        self.raise_epoch(epoch).map_err(|reason| SubmitError::Rejected { reason })?;
        self.epoch.fetch_max(epoch.0, Ordering::Relaxed);
        let all = self.links.keys().cloned();
        Ok(all.filter(|host| self.ask(host, &Ask::Poll { since: u64::MAX, epoch }).is_ok()).collect())
    }

    /// The directory of a host.
    pub fn dir(&self, host: &HostId) -> PathBuf {
        self.settings.root.join(host.as_str())
    }

    pub(crate) fn known(&self, host: &HostId) -> Result<&Resources, FleetError> {
        let found = self.settings.hosts.iter().find(|(id, _)| id == host).map(|(_, capacity)| capacity);
        found.ok_or_else(|| FleetError::NoHost { host: host.clone() })
    }

    /// Asks a host.
    pub fn ask(&self, host: &HostId, question: &Ask) -> Result<Answer, FleetError> {
        self.ask_within(host, question, ANSWER)
    }

    fn ask_within(&self, host: &HostId, question: &Ask, patience: Duration) -> Result<Answer, FleetError> {
        self.known(host)?;
        let answer = wire::ask(&self.dir(host).join(SOCKET), question, patience);
        answer.map_err(|source| FleetError::Host { host: host.clone(), source })
    }

    /// Whether the supervisor of a host answers.
    pub fn answers(&self, host: &HostId) -> bool {
        self.ask(host, &Ask::Inventory).is_ok()
    }

    fn must(&self, host: &HostId, question: &Ask) -> Result<(), FleetError> {
        match self.ask(host, question)? {
            Answer::Rejected { reason } => {
                Err(FleetError::Host { host: host.clone(), source: HostError::failed(reason) })
            }
            _ => Ok(()),
        }
    }

    /// Turns a dial of a guest ([`guest`](crate::guest)).
    pub fn dial(&self, host: &HostId, replica: &ReplicaId, byte: u8) -> Result<(), FleetError> {
        self.must(host, &Ask::Dial { replica: replica.clone(), byte })
    }

    /// Measures how much memory of a guest is filled, and how much of it is written within each of these times (ascending, at
    /// most 20 s); waits for the longest of them.
    pub fn writing(
        &self,
        host: &HostId,
        replica: &ReplicaId,
        looks: &[Duration],
    ) -> Result<Writing, FleetError> {
        let failed = |reason| FleetError::Host { host: host.clone(), source: HostError::failed(reason) };
        let ms = |it: &Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        let question = Ask::Measure { replica: replica.clone(), looks: looks.iter().map(ms).collect() };
        let longest = looks.last().copied().unwrap_or_default();
        match self.ask_within(host, &question, ANSWER.saturating_add(longest))? {
            Answer::Writes { writing } => Ok(writing),
            Answer::Rejected { reason } => Err(failed(reason)),
            other => Err(failed(format!("answers {other:?}"))),
        }
    }

    /// Limits the migrations that begin on a host from now on.
    pub fn limit_migrations(
        &self,
        host: &HostId,
        bytes_per_s: u64,
        downtime: Duration,
    ) -> Result<(), FleetError> {
        let downtime_ms = u64::try_from(downtime.as_millis()).unwrap_or(u64::MAX);
        self.must(host, &Ask::Limits { bandwidth: bytes_per_s, downtime_ms })
    }

    /// Suspends a machine, or lets it go on.
    pub fn pause(&self, host: &HostId, replica: &ReplicaId, paused: bool) -> Result<(), FleetError> {
        self.must(host, &Ask::Pause { replica: replica.clone(), paused })
    }

    /// The newest migrations as measured by their sources.
    pub fn migrations(&self) -> Vec<Migration> {
        crate::machine::lock(&self.measured).migrations.values().flatten().cloned().collect()
    }

    /// The host whose supervisor an order goes to.
    fn addressee(kind: &ActionKind) -> Option<&HostId> {
        match kind {
            ActionKind::Start { host, .. }
            | ActionKind::Stop { host, .. }
            | ActionKind::Resize { host, .. }
            | ActionKind::Snapshot { host, .. }
            | ActionKind::Restore { host, .. }
            | ActionKind::Cordon { host, .. }
            | ActionKind::Probe { host, .. }
            | ActionKind::Fence { host }
            | ActionKind::Power { host, .. } => Some(host),
            ActionKind::Migrate { from, .. } => Some(from),
            _ => None,
        }
    }

    /// An order that goes to every host, in a thread of its own: an abort is done if one host gave the action up, a network
    /// policy if every host that is not fenced has it.
    fn ask_all(&mut self, request: &ActionRequest) {
        if self.ended.contains_key(&request.id) || !self.under_way.insert(request.id) {
            return self.repeat(request.id);
        }
        let (id, epoch) = (request.id, request.epoch);
        let (question, one_is_enough) = match &request.kind {
            ActionKind::Abort { action } => (Ask::Abort { epoch, action: *action }, true),
            ActionKind::ApplyNetworkPolicy { component, policy } => {
                (Ask::Policy { epoch, component: component.clone(), policy: Some(*policy) }, false)
            }
            ActionKind::RemoveNetworkPolicy { component } => {
                (Ask::Policy { epoch, component: component.clone(), policy: None }, false)
            }
            _ => return,
        };
        let hosts = self.links.keys().filter(|id| !self.dir(id).join("fenced").exists());
        let sockets: Vec<PathBuf> = hosts.map(|id| self.dir(id).join(SOCKET)).collect();
        let sender = self.own_sender.clone();
        std::thread::spawn(move || {
            let answers: Vec<Result<(), String>> =
                sockets.iter().map(|socket| accepted(wire::ask(socket, &question, SLOW))).collect();
            let done = if one_is_enough {
                answers.iter().any(Result::is_ok)
            } else {
                answers.iter().all(Result::is_ok)
            };
            let why: Vec<String> = answers.into_iter().filter_map(Result::err).collect();
            let failed = || ActionOutcome::Failed { reason: Arc::from(why.join("; ")) };
            // Nobody listens any more if the controller has gone.
            drop(sender.send((id, if done { ActionOutcome::DONE } else { failed() })));
        });
    }

    /// The outcome of an action that has ended, once more.
    fn repeat(&self, id: ActionId) {
        if let Some(outcome) = self.ended.get(&id) {
            // The receiver is ours.
            drop(self.own_sender.send((id, outcome.clone())));
        }
    }
}

fn accepted(answer: Result<Answer, HostError>) -> Result<(), String> {
    match answer {
        Ok(Answer::Rejected { reason }) => Err(reason),
        Ok(_) => Ok(()),
        Err(e) => Err(e.to_string()),
    }
}

impl Hypervisor for Fleet {
    type Error = FleetError;

    fn capabilities(&self) -> Capabilities {
        use Capability as C;
        [
            C::Lifecycle,
            C::PreCopy,
            C::PostCopy,
            C::Abort,
            C::Resize,
            C::Snapshot,
            C::Fence,
            C::Cordon,
            C::NetworkPolicy,
            C::Power,
        ]
        .into_iter()
        .collect()
    }

    fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<FleetError>> {
        let rejected = |reason: String| Err(SubmitError::Rejected { reason });
        let highest = Epoch(self.epoch.fetch_max(request.epoch.0, Ordering::Relaxed));
        if request.epoch < highest {
            return rejected(format!("epoch {} is over, {highest} rules", request.epoch));
        }
        if matches!(
            request.kind,
            ActionKind::Abort { .. }
                | ActionKind::ApplyNetworkPolicy { .. }
                | ActionKind::RemoveNetworkPolicy { .. }
        ) {
            self.ask_all(request);
            return Ok(());
        }
        let Some(host) = Self::addressee(&request.kind) else {
            return rejected(format!("a QEMU fleet cannot {}", request.kind.verb()));
        };
        if let Err(e) = self.known(host) {
            return rejected(e.to_string());
        }
        if matches!(request.kind, ActionKind::Fence { .. } | ActionKind::Power { .. }) {
            return self.power(request).or_else(rejected);
        }
        if self.dir(host).join("fenced").exists() {
            return rejected(format!("{host} is fenced"));
        }
        match self.ask(host, &Ask::Submit { request: request.clone() }) {
            Ok(Answer::Rejected { reason }) => rejected(reason),
            Ok(_) => Ok(()),
            Err(error) => Err(SubmitError::Unknown(error)),
        }
    }

    fn poll(&mut self, _: Timestamp) -> Result<Vec<HypervisorEvent>, FleetError> {
        let mut events: Vec<HypervisorEvent> = self.news.try_iter().collect();
        let own: Vec<(ActionId, ActionOutcome)> = self.own.try_iter().collect();
        for (action, outcome) in own {
            self.under_way.remove(&action);
            if !self.ended.contains_key(&action) {
                self.keep_end(action, &outcome);
            }
            events.push(HypervisorEvent::Finished { action, outcome });
        }
        Ok(events)
    }

    fn inventory(&mut self) -> Result<Inventory, FleetError> {
        // Hosts are asked one after the other: what moves meanwhile may be seen on both. Look again before saying so.
        for _ in 0..LOOKS {
            let inventory = self.look();
            let all: BTreeSet<&ReplicaId> = inventory.replicas.iter().map(|it| &it.replica).collect();
            if all.len() == inventory.replicas.len() {
                return Ok(inventory);
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(self.look())
    }
}

impl Fleet {
    /// What the hosts say, one after the other.
    fn look(&self) -> Inventory {
        let mut inventory = Inventory::default();
        let hosts: Vec<HostId> = self.links.keys().cloned().collect();
        for host in hosts {
            match self.ask(&host, &Ask::Inventory) {
                Ok(Answer::News { health, replicas, policies, .. }) => {
                    inventory.hosts.push((host, health));
                    inventory.replicas.extend(replicas);
                    inventory.policies.extend(policies);
                }
                // A fence is evidence; silence is not.
                _ if self.dir(&host).join("fenced").exists() => {
                    inventory.hosts.push((host, HostHealth::Dead));
                }
                _ => {}
            }
        }
        inventory.policies.sort();
        inventory.policies.dedup();
        inventory
    }
}
