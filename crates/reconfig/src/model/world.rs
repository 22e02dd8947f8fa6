//! The state of the model: the real engine, its journal, and the truth on the ground.

use super::{Move, Small, host};
use crate::action::{Action, ApprovalId, ApprovalSubject, Ask, AskId, Need, Output};
use crate::engine::Engine;
use crate::event::{Event, Order};
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Bytes, ComponentId, Epoch, HostHealth, HostId,
    HypervisorEvent, Inventory, Millicores, ReplicaId, ReplicaReport, ReplicaState, Resources, Timestamp,
    Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// What may still go wrong, or be ordered, on a path.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Faults {
    /// Hosts that fall silent for good while what they run goes on.
    pub(super) silences: u8,
    /// Deaths of the engine's process.
    pub(super) crashes: u8,
    /// Answers that arrive twice.
    pub(super) doubles: u8,
    /// Answers that are lost.
    pub(super) losses: u8,
    /// Components that fall into an attacker's hands.
    pub(super) alerts: u8,
    /// New versions.
    pub(super) versions: u8,
    /// Starts that fail.
    pub(super) starts: u8,
    /// Orders of an operator: freeze and thaw, drain, another number of replicas.
    pub(super) orders: u8,
    /// Plans that are handed in.
    pub(super) plans: u8,
    /// Orders to make the first component larger or smaller.
    pub(super) sizes: u8,
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) journal: Vec<Vec<u8>>,
    epoch: u64,
    /// Orders the executor has not carried out.
    pub(super) orders: BTreeMap<u64, ActionRequest>,
    /// Orders it has carried out and may see again, with the answer.
    ended: BTreeMap<u64, ActionOutcome>,
    /// Answers on their way.
    pub(super) answers: Vec<(u64, ActionOutcome)>,
    /// Open questions: who needs a host, with how many cores.
    pub(super) asks: BTreeMap<AskId, Vec<(ReplicaId, u64)>>,
    pub(super) approvals: BTreeMap<ApprovalId, ApprovalSubject>,
    pub(super) silent: BTreeSet<HostId>,
    pub(super) off: BTreeSet<HostId>,
    pub(super) active: BTreeSet<(ReplicaId, HostId)>,
    /// Cores of what runs, where they differ from the map.
    pub(super) sizes: BTreeMap<ReplicaId, u64>,
    /// Cores the first component was ordered to have.
    pub(super) ordered: Option<u64>,
    pub(super) cut: BTreeSet<ComponentId>,
    pub(super) granted: bool,
    pub(super) faults: Faults,
    pub(super) broken: Option<&'static str>,
    /// Rounds of fair weather that are left, once the faults are over.
    pub(super) calm: Option<u8>,
}

impl World {
    /// The state up to the names of numbers: two worlds that differ only in how far counters have come behave the
    /// same, so live action numbers are replaced by their rank. Times are relative.
    fn fingerprint(&self) -> u64 {
        let (mut state, mut numbers) = (DefaultHasher::new(), Vec::new());
        self.engine.live_numbers(&mut numbers);
        numbers.extend(self.orders.keys().chain(self.ended.keys()));
        numbers.extend(self.answers.iter().map(|(id, _)| *id));
        numbers.sort_unstable();
        numbers.dedup();
        let rank = |id: u64| numbers.binary_search(&id).map_or(u64::MAX, |at| at as u64 + 1);
        self.engine.relative_digest(&rank).hash(&mut state);
        for (id, request) in &self.orders {
            (rank(*id), &request.kind).hash(&mut state);
        }
        for (id, outcome) in &self.ended {
            (rank(*id), outcome).hash(&mut state);
        }
        let mut answers: Vec<String> =
            self.answers.iter().map(|(id, outcome)| format!("{} {outcome:?}", rank(*id))).collect();
        answers.sort_unstable();
        answers.hash(&mut state);
        self.asks.values().for_each(|needs| needs.hash(&mut state));
        self.approvals.values().for_each(|subject| subject.to_string().hash(&mut state));
        (&self.silent, &self.off, &self.active, &self.cut, self.granted).hash(&mut state);
        (self.faults, self.broken, self.calm, &self.sizes, self.ordered).hash(&mut state);
        state.finish()
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint().hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl World {
    pub(super) fn new(mut engine: Engine, small: &Small) -> Self {
        engine.guards = small.guards;
        let mut world = Self {
            engine,
            journal: Vec::new(),
            epoch: 1,
            orders: BTreeMap::new(),
            ended: BTreeMap::new(),
            answers: Vec::new(),
            asks: BTreeMap::new(),
            approvals: BTreeMap::new(),
            silent: BTreeSet::new(),
            off: BTreeSet::new(),
            active: small.placement().iter().map(|(r, h)| (r.clone(), h.clone())).collect(),
            sizes: BTreeMap::new(),
            ordered: None,
            cut: BTreeSet::new(),
            granted: false,
            faults: small.faults,
            broken: None,
            calm: None,
        };
        world.drain(true);
        world
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.now()
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.engine.handle_event(self.engine.now(), event);
    }

    /// Takes outputs; with `sync` false nothing becomes durable and what still comes out has left too early.
    pub(super) fn drain(&mut self, sync: bool) {
        loop {
            match self.engine.poll_output() {
                Some(Output::Persist(record)) => {
                    if sync {
                        self.journal.push(record.bytes().to_vec());
                    }
                }
                Some(Output::Act(action)) => self.act(action),
                None if sync && (self.journal.len() as u64) > self.engine.durable() => {
                    self.engine.persisted(self.journal.len() as u64);
                }
                None => break,
            }
        }
        if sync {
            // An executor may forget what the engine knows the end of: nobody hands it out again.
            let unfinished: BTreeSet<u64> = self.engine.unfinished().map(|id| id.0).collect();
            self.ended.retain(|id, _| unfinished.contains(id));
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Execute(request) => self.submit(request),
            Action::Ask(Ask::Placement(ask)) => {
                let need = |need: Need| (need.replica, need.resources.cpu.get() / 1_000);
                self.asks.insert(ask.id, ask.needs.into_iter().map(need).collect());
            }
            Action::Ask(Ask::Approval(ask)) => {
                self.approvals.insert(ask.id, ask.subject);
            }
            Action::Ask(Ask::Inventory) | Action::Tell(_) => {}
        }
    }

    fn submit(&mut self, request: ActionRequest) {
        let id = request.id.0;
        if let Some(outcome) = self.ended.get(&id) {
            self.answers.push((id, outcome.clone()));
            return;
        }
        if let Some(before) = self.orders.get(&id) {
            if before.kind != request.kind {
                self.broken = Some("S7");
            }
            return;
        }
        self.check_frozen(&request.kind);
        match &request.kind {
            ActionKind::Start { replica, host, .. }
                if self.active.iter().any(|(it, on)| it == replica && on != host) =>
            {
                self.broken = Some("S6");
            }
            ActionKind::Stop { replica, .. } => self.check_budget(&request, replica),
            ActionKind::RemoveNetworkPolicy { .. } if !self.granted => self.broken = Some("S4"),
            _ => {}
        }
        self.orders.insert(id, request);
    }

    /// S8: nothing new is begun on what is frozen; looking is allowed.
    fn check_frozen(&mut self, kind: &ActionKind) {
        let (ActionKind::Start { replica, host, .. } | ActionKind::Stop { replica, host }) = kind else {
            return;
        };
        let host_frozen = self.engine.hosts().any(|it| it.host == *host && it.frozen);
        if host_frozen || self.engine.frozen(replica.component()) {
            self.broken = Some("S8");
        }
    }

    /// S3 and S9: a voluntary stop leaves as many as the budget asks for.
    fn check_budget(&mut self, request: &ActionRequest, replica: &ReplicaId) {
        let voluntary = self.engine.reason(request.id).is_some_and(crate::Reason::is_voluntary);
        let c = replica.component();
        let running = self
            .engine
            .replicas()
            .filter(|it| it.replica.component() == c && it.available && it.replica != *replica)
            .count();
        let missing = (self.engine.desired(c) as usize).saturating_sub(running);
        if voluntary && missing > self.engine.disruption_budget(c) as usize {
            self.broken = Some("S3");
        }
    }

    fn unheard(&self, on: &HostId) -> bool {
        self.silent.contains(on) || self.off.contains(on)
    }

    /// An order has its effect, or fails without one.
    pub(super) fn execute(&mut self, id: u64, fails: bool, small: &Small) {
        let Some(request) = self.orders.remove(&id) else { return };
        let outcome = match &request.kind {
            ActionKind::Start { host, .. }
            | ActionKind::Stop { host, .. }
            | ActionKind::Probe { host, .. }
                if self.unheard(host) =>
            {
                return;
            }
            _ if fails => ActionOutcome::Failed { reason: Arc::from("model") },
            kind => self.effect(kind, small),
        };
        self.ended.insert(id, outcome.clone());
        self.answers.push((id, outcome));
        self.check_ground(small);
    }

    fn effect(&mut self, kind: &ActionKind, small: &Small) -> ActionOutcome {
        match kind {
            ActionKind::Start { replica, host, resources, .. } => {
                self.active.insert((replica.clone(), host.clone()));
                self.is_sized(replica, resources, small);
            }
            ActionKind::Resize { replica, host, resources } => {
                if self.unheard(host) || !self.active.contains(&(replica.clone(), host.clone())) {
                    return ActionOutcome::Failed { reason: Arc::from("not there") };
                }
                self.is_sized(replica, resources, small);
            }
            ActionKind::Stop { replica, host } => {
                self.active.remove(&(replica.clone(), host.clone()));
                // A start that was not begun before a later stop of the same replica there is not begun any more.
                let (own, on) = (replica.clone(), host.clone());
                self.orders.retain(|_, it| {
                    !matches!(&it.kind, ActionKind::Start { replica, host, .. } if *replica == own && *host == on)
                });
            }
            ActionKind::Probe { replica, host } => {
                let runs = self.active.contains(&(replica.clone(), host.clone()));
                let state = if runs { ReplicaState::Running } else { ReplicaState::Stopped };
                return ActionOutcome::Seen { state, version: Version::default() };
            }
            ActionKind::Migrate { replica, from, to, .. } => {
                if self.unheard(from)
                    || self.unheard(to)
                    || !self.active.remove(&(replica.clone(), from.clone()))
                {
                    return ActionOutcome::Failed { reason: Arc::from("not there") };
                }
                self.active.insert((replica.clone(), to.clone()));
            }
            ActionKind::Fence { host } => {
                self.off.insert(host.clone());
                self.active.retain(|(_, on)| on != host);
            }
            ActionKind::ApplyNetworkPolicy { component, .. } => {
                self.cut.insert(component.clone());
            }
            ActionKind::RemoveNetworkPolicy { component } => {
                self.cut.remove(component);
            }
            // What is given up does not happen later.
            ActionKind::Abort { action } => {
                self.orders.remove(&action.0);
            }
            _ => {}
        }
        ActionOutcome::DONE
    }

    fn is_sized(&mut self, replica: &ReplicaId, resources: &Resources, small: &Small) {
        let cores = resources.cpu.get() / 1_000;
        if cores == small.size_of(replica.component()) {
            self.sizes.remove(replica);
        } else {
            self.sizes.insert(replica.clone(), cores);
        }
    }

    /// Cores of what runs.
    pub(super) fn cores(&self, replica: &ReplicaId, small: &Small) -> u64 {
        self.sizes.get(replica).copied().unwrap_or_else(|| small.size_of(replica.component()))
    }

    /// S1 and S2 on the ground.
    fn check_ground(&mut self, small: &Small) {
        let mut seen: BTreeSet<&ReplicaId> = BTreeSet::new();
        let mut load: BTreeMap<&HostId, u64> = BTreeMap::new();
        let mut broken = None;
        for (replica, on) in &self.active {
            if !seen.insert(replica) {
                broken = Some("S1");
            }
            *load.entry(on).or_default() += self.cores(replica, small);
        }
        if load.values().any(|&cores| cores > small.cores) {
            broken = Some("S2");
        }
        self.broken = self.broken.or(broken);
    }

    /// A person says yes. Whoever confirms a death has pulled the plug.
    pub(super) fn approve(&mut self, id: ApprovalId) {
        match self.approvals.remove(&id) {
            Some(ApprovalSubject::ConfirmDead(host)) => {
                self.active.retain(|(_, on)| *on != host);
                self.off.insert(host);
            }
            Some(ApprovalSubject::Reconnect(_)) => self.granted = true,
            _ => {}
        }
        self.tell(Event::Approval { id, granted: true, by: Arc::from("operator") });
    }

    pub(super) fn deliver(&mut self, id: u64, outcome: ActionOutcome) {
        self.tell(Event::Hypervisor(HypervisorEvent::Finished { action: ActionId(id), outcome }));
    }

    /// The next timer goes off. Everybody who can speak does so just before, so that only real silence counts.
    pub(super) fn tick(&mut self) {
        let Some(at) = self.engine.poll_timeout() else { return };
        let now = self.now().max(at);
        for on in (0..self.engine.hosts().count() as u64).map(host) {
            if !self.unheard(&on) {
                self.engine.handle_event(now, Event::Heartbeat(on));
            }
        }
        self.engine.handle_timeout(now);
    }

    /// The process dies and comes back from its journal, sees the inventory, and goes on.
    pub(super) fn crash(&mut self, small: &Small) {
        self.epoch += 1;
        let (ecosystem, infrastructure) = (small.ecosystem(), small.infrastructure());
        let (now, guards) = (self.now(), self.engine.guards);
        let settings = Small::settings();
        let epoch = Epoch(self.epoch);
        let replayed = Engine::replay(settings, &ecosystem, &infrastructure, &self.journal, epoch, now);
        self.engine = replayed.unwrap();
        self.engine.guards = guards;
        self.asks.clear();
        self.approvals.clear();
        self.drain(true);
        let hosts = self.engine.hosts().map(|it| it.host).filter(|on| !self.unheard(on));
        let report = |(replica, host): &(ReplicaId, HostId)| ReplicaReport {
            replica: replica.clone(),
            host: host.clone(),
            state: ReplicaState::Running,
            version: Version::default(),
            resources: Resources::default(),
        };
        let inventory = Inventory {
            hosts: hosts.map(|h| (h, HostHealth::Alive)).collect(),
            replicas: self.active.iter().filter(|(_, on)| !self.unheard(on)).map(report).collect(),
            policies: Vec::new(),
        };
        self.tell(Event::Inventory(inventory));
        self.drain(true);
    }

    pub(super) fn place(&mut self, id: AskId, hosts: &[HostId]) {
        let Some(needs) = self.asks.remove(&id) else { return };
        let needs = needs.into_iter().map(|(replica, _)| replica);
        let assignments = needs.zip(hosts.iter().cloned()).collect();
        self.tell(Event::Placement { id, assignments, unplaceable: Vec::new() });
    }

    /// Something is wanted of the engine, or told about the first component.
    pub(super) fn wishes(&mut self, first: ComponentId, wish: Move) {
        match wish {
            Move::Alert => {
                self.faults.alerts -= 1;
                self.granted = false;
                self.tell(Event::SecurityAlert { component: first, why: Arc::from("model") });
            }
            Move::NewVersion => {
                self.faults.versions -= 1;
                self.tell(Event::NewVersion { component: first, version: Version::new("2") });
            }
            Move::Operator(order) => {
                self.faults.orders -= 1;
                self.tell(Event::Order { order, by: Arc::from("operator") });
            }
            Move::Plan(moves) => {
                self.faults.plans -= 1;
                self.tell(Event::Plan { moves, gain: None, why: Arc::from("model") });
            }
            Move::Resize(cores) => {
                self.faults.sizes -= 1;
                self.ordered = Some(cores);
                let size = Resources::new(Millicores::cores(cores), Bytes::gib(1));
                let order = Order::Resize(first, size);
                self.tell(Event::Order { order, by: Arc::from("operator") });
            }
            _ => {}
        }
    }
}
