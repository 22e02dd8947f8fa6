//! The simulated infrastructure: what is true on the ground.

use super::load::Load;
use super::rng::SimRng;
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Bytes, Capabilities, ComponentId, Ecosystem,
    HostHealth, HostId, Hypervisor, HypervisorEvent, Infrastructure, Inventory, MetricKind, MetricQuery,
    MetricsSource, NetworkPolicy, Placement, QueryError, RangeQuery, ReplicaId, ReplicaReport, ReplicaState,
    Resources, Sample, Series, Subject, SubmitError, Timestamp, Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// Largest number of samples handed out for one range.
const SAMPLES_MAX: u64 = 1_000_000;

/// How the simulated world behaves.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SimSettings {
    /// Seed of every random decision.
    pub seed: u64,
    /// First moment.
    pub start: Timestamp,
    /// Distance between a host's heartbeats.
    pub heartbeat: Duration,
    /// Distance between reports of a host about its replicas.
    pub report: Duration,
    /// Shortest and longest time until a started replica serves.
    pub boot: (Duration, Duration),
    /// Time to stop a replica.
    pub stop: Duration,
    /// Time to fence a host.
    pub fence: Duration,
    /// Time of snapshots.
    pub snapshot: Duration,
    /// Time of network policies, cordons, credentials and power.
    pub quick: Duration,
    /// Bytes per second that a migration copies.
    pub copy_bytes_per_s: u64,
    /// Answers and reports that are lost, in thousandths.
    pub lost_permille: u32,
    /// Answers and reports that come late, in thousandths.
    pub late_permille: u32,
    /// How late at most.
    pub late_max: Duration,
    /// Answers and reports that come twice, in thousandths.
    pub doubled_permille: u32,
    /// Orders of which it is not known whether they were taken, in thousandths.
    pub unclear_permille: u32,
    /// Starts that fail, in thousandths.
    pub start_fails_permille: u32,
    /// Migrations that end with nobody knowing on which side the replica runs, in thousandths.
    pub switch_over_unclear_permille: u32,
}

impl Default for SimSettings {
    fn default() -> Self {
        Self {
            seed: 0,
            start: Timestamp::from_unix_ms(0),
            heartbeat: Duration::from_secs(5),
            report: Duration::from_secs(15),
            boot: (Duration::from_secs(4), Duration::from_secs(12)),
            stop: Duration::from_secs(2),
            fence: Duration::from_secs(6),
            snapshot: Duration::from_secs(20),
            quick: Duration::from_millis(500),
            copy_bytes_per_s: 1_000_000_000 / 8,
            lost_permille: 0,
            late_permille: 0,
            late_max: Duration::from_secs(120),
            doubled_permille: 0,
            unclear_permille: 0,
            start_fails_permille: 0,
            switch_over_unclear_permille: 0,
        }
    }
}

impl SimSettings {
    /// A world in which much goes wrong: 3 % of answers lost, 5 % late, 5 % doubled, 2 % of orders unclear, 3 % of
    /// starts and switch-overs failing.
    pub fn hostile(seed: u64) -> Self {
        Self {
            seed,
            lost_permille: 30,
            late_permille: 50,
            doubled_permille: 50,
            unclear_permille: 20,
            start_fails_permille: 30,
            switch_over_unclear_permille: 30,
            ..Self::default()
        }
    }
}

/// Something that goes wrong, or is repaired.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Loses power: everything on it is gone.
    HostCrash(HostId),
    /// Stands still: does not answer, and what runs on it may go on later.
    HostHang(HostId),
    /// Cannot be reached, but what runs on it goes on.
    HostPartition(HostId),
    /// Reports trouble with its hardware.
    HostDegraded(HostId),
    /// Works again; empty if it was without power.
    HostRepaired(HostId),
    /// Has power again and boots empty; its network is as before.
    HostPowered(HostId),
    /// Its network works again; its power is as before.
    HostReconnected(HostId),
    /// Its power controller does not answer: it cannot be fenced.
    FenceBroken(HostId),
    /// One replica stops by itself.
    ReplicaCrash(ReplicaId),
    /// One replica runs but does not serve.
    ReplicaUnhealthy(ReplicaId),
    /// Starts of this version fail from now on.
    BadVersion(ComponentId, Version),
    /// Starts of the component fail on this host from now on.
    StartsFail(ComponentId, HostId),
    /// Starts of the component succeed again, whatever their version and wherever they are.
    StartsSucceed(ComponentId),
}

impl Fault {
    /// The host, replica or component it is about.
    pub fn subject(&self) -> String {
        match self {
            Self::HostCrash(host)
            | Self::HostHang(host)
            | Self::HostPartition(host)
            | Self::HostDegraded(host)
            | Self::HostRepaired(host)
            | Self::HostPowered(host)
            | Self::HostReconnected(host)
            | Self::FenceBroken(host) => host.to_string(),
            Self::ReplicaCrash(replica) | Self::ReplicaUnhealthy(replica) => replica.to_string(),
            Self::BadVersion(component, _)
            | Self::StartsFail(component, _)
            | Self::StartsSucceed(component) => component.to_string(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostCrash(host) => write!(f, "{host} loses power"),
            Self::HostHang(host) => write!(f, "{host} stands still"),
            Self::HostPartition(host) => write!(f, "{host} cannot be reached any more"),
            Self::HostDegraded(host) => write!(f, "the hardware of {host} reports trouble"),
            Self::HostRepaired(host) => write!(f, "{host} is repaired"),
            Self::HostPowered(host) => write!(f, "{host} has power"),
            Self::HostReconnected(host) => write!(f, "{host} has its network back"),
            Self::FenceBroken(host) => write!(f, "the power controller of {host} breaks"),
            Self::ReplicaCrash(replica) => write!(f, "{replica} crashes"),
            Self::ReplicaUnhealthy(replica) => write!(f, "{replica} no longer serves"),
            Self::BadVersion(component, version) => {
                write!(f, "starts of {component} {version} fail from now on")
            }
            Self::StartsFail(component, host) => {
                write!(f, "starts of {component} on {host} fail from now on")
            }
            Self::StartsSucceed(component) => write!(f, "starts of {component} succeed from now on"),
        }
    }
}

/// What a replica is on the ground.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "the states of the simulated truth")]
pub enum Running {
    /// Has room reserved for a migration; does not run here.
    Incoming,
    /// Boots.
    Booting,
    /// Serves.
    Serving,
    /// Runs, does not serve.
    Unhealthy,
    /// Is being stopped.
    Stopping,
}

/// Why the simulator cannot do something at all.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// The answer to an order was lost.
    #[error("the answer to action {action} was lost")]
    AnswerLost {
        /// Which.
        action: ActionId,
    },
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent things that can be wrong with a host")]
pub(super) struct SimHost {
    pub(super) powered: bool,
    pub(super) hung: bool,
    pub(super) cut_off: bool,
    pub(super) degraded: bool,
    pub(super) fence_broken: bool,
    pub(super) room: Resources,
}

impl SimHost {
    pub(super) const fn answers(&self) -> bool {
        self.powered && !self.hung && !self.cut_off
    }
}

#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) state: Running,
    pub(super) version: Version,
    pub(super) resources: Resources,
}

#[derive(Clone, Debug)]
pub(super) enum Due {
    Beat(HostId),
    Report(HostId),
    Complete(ActionId),
    Deliver(HypervisorEvent),
}

/// The simulated infrastructure.
#[derive(Clone, Debug)]
pub struct Simulator {
    pub(super) settings: SimSettings,
    pub(super) now: Timestamp,
    pub(super) rng: SimRng,
    pub(super) hosts: BTreeMap<HostId, SimHost>,
    pub(super) instances: BTreeMap<(ReplicaId, HostId), Instance>,
    pub(super) policies: BTreeMap<ComponentId, NetworkPolicy>,
    pub(super) actions: BTreeMap<ActionId, ActionRequest>,
    pub(super) ended: BTreeMap<ActionId, ActionOutcome>,
    pub(super) epoch: u64,
    /// Versions and hosts on which starts fail.
    pub(super) bad: BTreeSet<(ComponentId, String)>,
    pub(super) bad_hosts: BTreeSet<(ComponentId, HostId)>,
    dirty_rates: BTreeMap<ComponentId, u64>,
    requests: BTreeMap<ComponentId, Resources>,
    loads: BTreeMap<ComponentId, Load>,
    due: BTreeMap<(Timestamp, u64), Due>,
    ready: Vec<HypervisorEvent>,
    sequence: u64,
}

impl Simulator {
    /// A world in which everything runs as `placement` says.
    pub fn new(
        ecosystem: &Ecosystem,
        infrastructure: &Infrastructure,
        placement: &Placement,
        settings: SimSettings,
    ) -> Self {
        let host = |room: Resources| SimHost {
            powered: true,
            hung: false,
            cut_off: false,
            degraded: false,
            fence_broken: false,
            room,
        };
        let mut sim = Self {
            now: settings.start,
            rng: SimRng::new(settings.seed, 1),
            hosts: infrastructure.hosts().iter().map(|h| (h.id.clone(), host(h.allocatable()))).collect(),
            instances: BTreeMap::new(),
            policies: BTreeMap::new(),
            actions: BTreeMap::new(),
            ended: BTreeMap::new(),
            epoch: 0,
            bad: BTreeSet::new(),
            bad_hosts: BTreeSet::new(),
            dirty_rates: ecosystem.components().map(|c| (c.id.clone(), c.dirty_bytes_per_second)).collect(),
            requests: ecosystem
                .components()
                .map(|c| (c.id.clone(), c.requirements.request.clone()))
                .collect(),
            loads: BTreeMap::new(),
            due: BTreeMap::new(),
            ready: Vec::new(),
            sequence: 0,
            settings,
        };
        for (replica, host) in placement.iter() {
            if let Some(component) = ecosystem.component(replica.component()) {
                let instance = Instance {
                    state: Running::Serving,
                    version: component.version.clone(),
                    resources: component.requirements.request.clone(),
                };
                sim.instances.insert((replica.clone(), host.clone()), instance);
            }
        }
        let hosts: Vec<HostId> = sim.hosts.keys().cloned().collect();
        for id in hosts {
            // Heartbeats and reports of different hosts are spread over the interval.
            let beat = sim.rng.between(1, millis(sim.settings.heartbeat));
            sim.schedule(Duration::from_millis(beat), Due::Beat(id.clone()));
            let report = sim.rng.between(1, millis(sim.settings.report));
            sim.schedule(Duration::from_millis(report), Due::Report(id));
        }
        sim
    }

    /// Demand of a component from now on.
    pub fn set_load(&mut self, component: ComponentId, load: Load) {
        self.loads.insert(component, load);
    }

    /// The simulated moment.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// When something happens next.
    pub fn next_event(&self) -> Option<Timestamp> {
        if self.ready.is_empty() { self.due.keys().next().map(|&(at, _)| at) } else { Some(self.now) }
    }

    /// What runs, may run or holds room on the ground: replica, host, state. Hosts without power run nothing.
    pub fn instances(&self) -> impl Iterator<Item = (&ReplicaId, &HostId, Running)> {
        self.instances.iter().map(|((replica, host), it)| (replica, host, it.state))
    }

    /// What is used or reserved on a host, and what there is.
    pub fn usage(&self, host: &HostId) -> Option<(Resources, Resources)> {
        let room = self.hosts.get(host)?.room.clone();
        let used = self
            .instances
            .iter()
            .filter(|((_, on), _)| on == host)
            .fold(Resources::default(), |sum, (_, it)| sum.saturating_add(&it.resources));
        Some((used, room))
    }

    /// The restriction a component's traffic is under.
    pub fn policy(&self, component: &ComponentId) -> Option<NetworkPolicy> {
        self.policies.get(component).copied()
    }

    /// True if the host has power, stands not still and can be reached.
    pub fn answers(&self, host: &HostId) -> bool {
        self.hosts.get(host).is_some_and(SimHost::answers)
    }

    /// Lets time pass without handing out what happened; it comes with the next poll.
    pub(super) fn poll_to(&mut self, now: Timestamp) {
        self.advance(now);
    }

    /// Lets something go wrong now.
    pub fn fault(&mut self, fault: &Fault) {
        let host = match fault {
            Fault::HostCrash(id)
            | Fault::HostHang(id)
            | Fault::HostPartition(id)
            | Fault::HostDegraded(id)
            | Fault::HostRepaired(id)
            | Fault::HostPowered(id)
            | Fault::HostReconnected(id)
            | Fault::FenceBroken(id) => self.hosts.get_mut(id).map(|host| (id, host)),
            _ => None,
        };
        match (fault, host) {
            (Fault::HostCrash(id), Some(_)) => self.power_off(&id.clone()),
            (Fault::HostHang(_), Some((_, host))) => host.hung = true,
            (Fault::HostPartition(_), Some((_, host))) => host.cut_off = true,
            (Fault::HostDegraded(_), Some((_, host))) => host.degraded = true,
            (Fault::FenceBroken(_), Some((_, host))) => host.fence_broken = true,
            (Fault::HostPowered(_), Some((_, host))) => (host.powered, host.hung) = (true, false),
            (Fault::HostReconnected(_), Some((_, host))) => host.cut_off = false,
            (Fault::HostRepaired(_), Some((_, host))) => {
                let room = host.room.clone();
                *host = SimHost {
                    powered: true,
                    hung: false,
                    cut_off: false,
                    degraded: false,
                    fence_broken: false,
                    room,
                };
            }
            (Fault::ReplicaCrash(replica), _) => {
                let places: Vec<HostId> = self.serving_on(replica);
                for host in places {
                    self.instances.remove(&(replica.clone(), host.clone()));
                    self.tell_replica(replica, &host, ReplicaState::Stopped);
                }
            }
            (Fault::ReplicaUnhealthy(replica), _) => {
                for host in self.serving_on(replica) {
                    if let Some(it) = self.instances.get_mut(&(replica.clone(), host.clone())) {
                        it.state = Running::Unhealthy;
                    }
                    self.tell_replica(replica, &host, ReplicaState::Unhealthy);
                }
            }
            (Fault::BadVersion(component, version), _) => {
                self.bad.insert((component.clone(), version.as_str().to_owned()));
            }
            (Fault::StartsFail(component, host), _) => {
                self.bad_hosts.insert((component.clone(), host.clone()));
            }
            (Fault::StartsSucceed(component), _) => {
                self.bad.retain(|(of, _)| of != component);
                self.bad_hosts.retain(|(of, _)| of != component);
            }
            _ => {}
        }
    }

    /// Ends all faults.
    pub fn calm(&mut self) {
        self.bad.clear();
        self.bad_hosts.clear();
        let quiet = &mut self.settings;
        quiet.lost_permille = 0;
        quiet.late_permille = 0;
        quiet.doubled_permille = 0;
        quiet.unclear_permille = 0;
        quiet.start_fails_permille = 0;
        quiet.switch_over_unclear_permille = 0;
        let hosts: Vec<HostId> = self.hosts.keys().cloned().collect();
        for id in hosts {
            self.fault(&Fault::HostRepaired(id));
        }
    }

    fn serving_on(&self, replica: &ReplicaId) -> Vec<HostId> {
        self.instances
            .iter()
            .filter(|((it, _), instance)| {
                it == replica && matches!(instance.state, Running::Serving | Running::Unhealthy)
            })
            .map(|((_, host), _)| host.clone())
            .collect()
    }

    pub(super) fn power_off(&mut self, id: &HostId) {
        if let Some(host) = self.hosts.get_mut(id) {
            host.powered = false;
            host.hung = false;
        }
        self.instances.retain(|(_, on), _| on != id);
    }

    pub(super) fn schedule(&mut self, after: Duration, what: Due) {
        self.sequence += 1;
        self.due.insert((self.now.saturating_add(after), self.sequence), what);
    }

    pub(super) fn tell_replica(&mut self, replica: &ReplicaId, host: &HostId, state: ReplicaState) {
        if !self.hosts.get(host).is_some_and(SimHost::answers) {
            return;
        }
        let version = self
            .instances
            .get(&(replica.clone(), host.clone()))
            .map_or_else(Version::default, |it| it.version.clone());
        self.tell(&HypervisorEvent::Replica { replica: replica.clone(), host: host.clone(), state, version });
    }

    /// Sends a message that may be lost, late or doubled.
    pub(super) fn tell(&mut self, event: &HypervisorEvent) {
        let copies = if self.rng.chance(self.settings.doubled_permille) { 2 } else { 1 };
        for _ in 0..copies {
            if self.rng.chance(self.settings.lost_permille) {
                continue;
            }
            let late = if self.rng.chance(self.settings.late_permille) {
                self.rng.between(1, millis(self.settings.late_max))
            } else {
                0
            };
            self.schedule(Duration::from_millis(late), Due::Deliver(event.clone()));
        }
    }

    /// Seconds a migration takes: memory at the copy rate, longer the faster the guest writes.
    pub(super) fn copy_time(&self, replica: &ReplicaId, memory: Bytes) -> Duration {
        let rate = self.settings.copy_bytes_per_s.max(1);
        let dirty = self.dirty_rates.get(replica.component()).copied().unwrap_or(0).min(rate * 9 / 10);
        // The sum of the geometric series of ever smaller rounds.
        Duration::from_millis((memory.get().saturating_mul(1_000) / (rate - dirty)).max(100))
    }

    fn advance(&mut self, now: Timestamp) {
        while let Some((&(at, sequence), _)) = self.due.first_key_value() {
            if at > now {
                break;
            }
            let Some(what) = self.due.remove(&(at, sequence)) else { break };
            self.now = self.now.max(at);
            match what {
                Due::Beat(id) => self.beat(id),
                Due::Report(id) => self.report(id),
                Due::Complete(id) => self.complete(id),
                Due::Deliver(event) => self.ready.push(event),
            }
        }
        self.now = self.now.max(now);
    }

    fn beat(&mut self, id: HostId) {
        if let Some(host) = self.hosts.get(&id)
            && host.answers()
        {
            let health = if host.degraded { HostHealth::Degraded } else { HostHealth::Alive };
            self.tell(&HypervisorEvent::Host { host: id.clone(), health });
        }
        self.schedule(self.settings.heartbeat, Due::Beat(id));
    }

    fn report(&mut self, id: HostId) {
        let here: Vec<(ReplicaId, ReplicaState)> = self
            .instances
            .iter()
            .filter(|((_, on), it)| *on == id && it.state != Running::Incoming)
            .map(|((replica, _), it)| (replica.clone(), as_state(it.state)))
            .collect();
        for (replica, state) in here {
            self.tell_replica(&replica, &id, state);
        }
        self.schedule(self.settings.report, Due::Report(id));
    }

    /// Why an order cannot be begun at all.
    fn objection(&self, request: &ActionRequest) -> Option<String> {
        let (replica, host) = place_of(&request.kind)?;
        if !self.hosts.contains_key(&host) {
            return Some(format!("there is no host {host}"));
        }
        let state =
            self.instances.get(&(replica.clone(), host.clone())).map_or(Running::Incoming, |it| it.state);
        let (state, expected) = (as_state(state), request.expected?);
        (self.answers(&host) && state != expected)
            .then(|| format!("{replica} on {host} is {state:?}, expected {expected:?}"))
    }

    fn demand(&self, component: &ComponentId, at: Timestamp) -> Option<f64> {
        self.loads.get(component).map(|load| load.at(at))
    }

    fn serving(&self, component: &ComponentId) -> usize {
        self.instances
            .iter()
            .filter(|((replica, _), it)| replica.component() == component && it.state == Running::Serving)
            .count()
    }

    fn measure(&self, query: &MetricQuery, at: Timestamp) -> Result<f64, QueryError> {
        let unknown = |reason: &str| QueryError::Unknown {
            subject: query.subject.to_string(),
            reason: reason.to_owned(),
        };
        if query.metric != MetricKind::CpuMillicores {
            return Err(unknown("only processor use is simulated"));
        }
        match &query.subject {
            Subject::Component(id) => self.demand(id, at).ok_or_else(|| unknown("no load is set")),
            Subject::Replica(id) => {
                let demand = self.demand(id.component(), at).ok_or_else(|| unknown("no load is set"))?;
                Ok(demand / self.serving(id.component()).max(1) as f64)
            }
            Subject::Host(id) => {
                let here = self.instances.keys().filter(|(_, host)| host == id);
                Ok(here
                    .map(|(replica, _)| replica.component())
                    .filter_map(|c| Some(self.demand(c, at)? / self.serving(c).max(1) as f64))
                    .sum())
            }
            _ => Err(unknown("this subject is not simulated")),
        }
    }

    /// Mean use over the serving replicas of a component, in thousandths of what they asked for; `None` without a
    /// load, without measurement or without serving replicas.
    pub fn utilisation_permille(&self, component: &ComponentId) -> Option<u32> {
        let demand = self.demand(component, self.now).filter(|value| value.is_finite())?;
        let (serving, request) = (self.serving(component), self.requests.get(component)?.cpu.get());
        if serving == 0 || request == 0 {
            return None;
        }
        let permille = demand * 1_000.0 / (serving as f64 * request as f64);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just here")]
        let rounded = permille.clamp(0.0, 1e6).round() as u32;
        Some(rounded)
    }
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

pub(super) const fn as_state(running: Running) -> ReplicaState {
    match running {
        Running::Incoming => ReplicaState::Stopped,
        Running::Booting => ReplicaState::Starting,
        Running::Serving | Running::Stopping => ReplicaState::Running,
        Running::Unhealthy => ReplicaState::Unhealthy,
    }
}

impl Hypervisor for Simulator {
    type Error = SimError;

    fn capabilities(&self) -> Capabilities {
        Capabilities::all()
    }

    fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<SimError>> {
        if request.epoch.0 < self.epoch {
            let reason = format!("epoch {} is over, {} rules", request.epoch, self.epoch);
            return Err(SubmitError::Rejected { reason });
        }
        self.epoch = request.epoch.0;
        if let Some(outcome) = self.ended.get(&request.id).cloned() {
            // Done before: only the answer is repeated.
            self.tell(&HypervisorEvent::Finished { action: request.id, outcome });
            return Ok(());
        }
        if self.actions.contains_key(&request.id) {
            return Ok(());
        }
        if let Some(reason) = self.objection(request) {
            return Err(SubmitError::Rejected { reason });
        }
        let unclear = self.rng.chance(self.settings.unclear_permille);
        if unclear && self.rng.chance(500) {
            return Err(SubmitError::Unknown(SimError::AnswerLost { action: request.id }));
        }
        self.accept(request);
        if unclear {
            return Err(SubmitError::Unknown(SimError::AnswerLost { action: request.id }));
        }
        Ok(())
    }

    fn poll(&mut self, now: Timestamp) -> Result<Vec<HypervisorEvent>, SimError> {
        self.advance(now);
        Ok(std::mem::take(&mut self.ready))
    }

    fn inventory(&mut self) -> Result<Inventory, SimError> {
        let mut inventory = Inventory::default();
        for (id, host) in &self.hosts {
            if host.answers() {
                let health = if host.degraded { HostHealth::Degraded } else { HostHealth::Alive };
                inventory.hosts.push((id.clone(), health));
            }
        }
        for ((replica, host), it) in &self.instances {
            if self.answers(host) && it.state != Running::Incoming {
                inventory.replicas.push(ReplicaReport {
                    replica: replica.clone(),
                    host: host.clone(),
                    state: as_state(it.state),
                    version: it.version.clone(),
                    resources: it.resources.clone(),
                });
            }
        }
        inventory.policies = self.policies.iter().map(|(c, policy)| (c.clone(), *policy)).collect();
        Ok(inventory)
    }
}

impl MetricsSource for Simulator {
    type Error = SimError;

    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, SimError> {
        let one = |range: &RangeQuery| {
            let step = range.step.as_millis().max(1);
            let samples = range.end.saturating_since(range.start).as_millis().div_ceil(step);
            let samples = u64::try_from(samples).unwrap_or(u64::MAX);
            if !(1..=SAMPLES_MAX).contains(&samples) {
                return Err(QueryError::BadRange { samples, max: SAMPLES_MAX });
            }
            let values = (0..samples)
                .map(|k| {
                    let offset = Duration::from_millis(k.saturating_mul(millis(range.step).max(1)));
                    self.measure(&range.query, range.start.saturating_add(offset))
                })
                .collect::<Result<Vec<f64>, QueryError>>()?;
            Ok(Series { start: range.start, step: range.step, values, labels: BTreeMap::new() })
        };
        Ok(queries.iter().map(one).collect())
    }

    fn latest(&mut self, queries: &[MetricQuery]) -> Result<Vec<Result<Sample, QueryError>>, SimError> {
        let now = self.now;
        Ok(queries
            .iter()
            .map(|query| self.measure(query, now).map(|value| Sample { at: now, value }))
            .collect())
    }
}

/// The replica and host an order is about, where it is about one replica on one host.
pub(super) fn place_of(kind: &ActionKind) -> Option<(ReplicaId, HostId)> {
    match kind {
        ActionKind::Start { replica, host, .. }
        | ActionKind::Stop { replica, host }
        | ActionKind::Snapshot { replica, host, .. }
        | ActionKind::Restore { replica, host, .. }
        | ActionKind::Resize { replica, host, .. }
        | ActionKind::Probe { replica, host } => Some((replica.clone(), host.clone())),
        ActionKind::Migrate { replica, from, .. } => Some((replica.clone(), from.clone())),
        _ => None,
    }
}
