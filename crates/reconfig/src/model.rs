//! Model checking of the real engine: every interleaving of a small world is explored.
//!
//! World: a few components on two or three small hosts, an executor that takes orders in any order and answers when
//! it likes (late, doubled), hosts that fall silent while they go on running, an engine that crashes between any two
//! steps or before its journal is durable, an optimizer that answers anything, an operator and an attacker. The
//! state is the engine's hard state with its pending timers, and the truth on the ground. Time is not part of it:
//! a tick is "the next timer goes off".
//!
//! With all guards on no reachable state breaks an invariant; with any one guard off a counter-example is found.

use crate::action::{Action, ApprovalId, Ask, AskId, Output};
use crate::engine::Engine;
use crate::event::Event;
use crate::settings::Settings;
use crate::testing::Guards;
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Bytes, Component, ComponentId, Ecosystem, Epoch,
    Host, HostHealth, HostId, HypervisorEvent, Infrastructure, Inventory, Kind, Millicores, Placement, Rack,
    Region, ReplicaId, ReplicaReport, ReplicaState, Resources, Timestamp, Version, Zone,
};
use stateright::{Checker, Model, Property};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What may still go wrong on a path.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
struct Faults {
    silences: u8,
    crashes: u8,
    doubles: u8,
    alerts: u8,
    versions: u8,
    starts: u8,
}

#[derive(Clone, Debug)]
struct World {
    engine: Engine,
    journal: Vec<Vec<u8>>,
    epoch: u64,
    /// Orders the executor has not carried out.
    orders: BTreeMap<u64, ActionRequest>,
    /// Orders it has carried out, with the answer.
    ended: BTreeMap<u64, ActionOutcome>,
    /// Answers on their way.
    answers: Vec<(u64, ActionOutcome)>,
    asks: BTreeMap<AskId, Vec<ReplicaId>>,
    approvals: BTreeSet<ApprovalId>,
    silent: BTreeSet<HostId>,
    off: BTreeSet<HostId>,
    active: BTreeSet<(ReplicaId, HostId)>,
    /// Replicas that hold room on the ground, with their size.
    cut: BTreeSet<ComponentId>,
    granted: bool,
    faults: Faults,
    broken: Option<&'static str>,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.engine.hard_state_hash(state);
        self.engine.pending_digest().hash(state);
        self.orders.keys().for_each(|id| id.hash(state));
        self.ended.hash(state);
        self.answers.hash(state);
        self.asks.values().for_each(|needs| needs.hash(state));
        self.approvals.hash(state);
        self.silent.hash(state);
        self.off.hash(state);
        self.active.hash(state);
        self.cut.hash(state);
        self.faults.hash(state);
        self.broken.hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.engine.same_hard_state(&other.engine)
            && self.active == other.active
            && self.answers == other.answers
    }
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Move {
    Tick,
    Execute(u64),
    Fail(u64),
    Deliver(usize),
    Double(usize),
    Place(AskId, Vec<HostId>),
    Approve(ApprovalId),
    Silence(HostId),
    Alert,
    NewVersion,
    Crash,
    TickThenCrashUnsynced,
    PlaceThenCrashUnsynced(AskId, Vec<HostId>),
}

#[derive(Clone, Debug)]
struct Small {
    hosts: u64,
    cores: u64,
    components: Vec<(&'static str, u32, u64)>,
    faults: Faults,
    guards: Guards,
}

impl Small {
    fn ecosystem(&self) -> Ecosystem {
        let mut builder = Ecosystem::builder("small");
        for (name, replicas, cores) in &self.components {
            let mut it = Component::new(component(name), Kind::Container);
            it.replicas = *replicas;
            it.version = Version::new("1");
            it.requirements.request = Resources::new(Millicores::cores(*cores), Bytes::gib(1));
            builder = builder.component(it);
        }
        builder.build().unwrap()
    }

    fn infrastructure(&self) -> Infrastructure {
        let size = Resources::new(Millicores::cores(self.cores), Bytes::gib(64));
        let mut builder = Infrastructure::builder()
            .region(Region::new("r".parse().unwrap()))
            .zone(Zone::new("z".parse().unwrap(), "r".parse().unwrap()))
            .rack(Rack::new("k".parse().unwrap(), "z".parse().unwrap()));
        for h in 0..self.hosts {
            builder = builder.host(Host::new(host(h), "k".parse().unwrap(), size.clone()));
        }
        builder.build().unwrap()
    }

    fn placement(&self) -> Placement {
        let mut placement = Placement::new();
        let mut next = 0;
        for (name, replicas, _) in &self.components {
            for n in 0..*replicas {
                placement.set(ReplicaId::new(component(name), n), host(next % self.hosts));
                next += 1;
            }
        }
        placement
    }

    fn settings() -> Settings {
        let mut settings = Settings::default();
        settings.patience.probes = 1;
        settings.restart = crate::RestartPolicy::new(0, 1);
        settings.isolation.avoid_hosts = false;
        settings.capabilities = settings
            .capabilities
            .without(ecosystem_core::Capability::Snapshot)
            .without(ecosystem_core::Capability::Credentials);
        settings
    }
}

fn component(name: &str) -> ComponentId {
    name.parse().unwrap()
}

fn host(h: u64) -> HostId {
    format!("h{h}").parse().unwrap()
}

impl World {
    fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// Takes outputs; with `sync` false nothing becomes durable and what still comes out has left too early.
    fn drain(&mut self, sync: bool) {
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
                None => return,
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Execute(request) => self.submit(request),
            Action::Ask(Ask::Placement(ask)) => {
                self.asks.insert(ask.id, ask.needs.into_iter().map(|need| need.replica).collect());
            }
            Action::Ask(Ask::Approval(ask)) => {
                self.approvals.insert(ask.id);
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

    /// An order has its effect, or fails without one.
    fn execute(&mut self, id: u64, fails: bool, small: &Small) {
        let Some(request) = self.orders.remove(&id) else { return };
        let unheard = |on: &HostId, this: &Self| this.silent.contains(on) || this.off.contains(on);
        let outcome = match &request.kind {
            _ if fails => ActionOutcome::Failed { reason: Arc::from("model") },
            ActionKind::Start { replica, host, .. } => {
                if unheard(host, self) {
                    return;
                }
                self.active.insert((replica.clone(), host.clone()));
                ActionOutcome::DONE
            }
            ActionKind::Stop { replica, host } => {
                if unheard(host, self) {
                    return;
                }
                self.active.remove(&(replica.clone(), host.clone()));
                ActionOutcome::DONE
            }
            ActionKind::Probe { replica, host } => {
                if unheard(host, self) {
                    return;
                }
                let runs = self.active.contains(&(replica.clone(), host.clone()));
                let state = if runs { ReplicaState::Running } else { ReplicaState::Stopped };
                ActionOutcome::Seen { state, version: Version::default() }
            }
            ActionKind::Fence { host } => {
                self.off.insert(host.clone());
                self.active.retain(|(_, on)| on != host);
                ActionOutcome::DONE
            }
            ActionKind::ApplyNetworkPolicy { component, .. } => {
                self.cut.insert(component.clone());
                ActionOutcome::DONE
            }
            ActionKind::RemoveNetworkPolicy { component } => {
                self.cut.remove(component);
                ActionOutcome::DONE
            }
            _ => ActionOutcome::DONE,
        };
        self.ended.insert(id, outcome.clone());
        self.answers.push((id, outcome));
        self.check_ground(small);
    }

    /// S1 and S2 on the ground.
    fn check_ground(&mut self, small: &Small) {
        let mut seen: BTreeSet<&ReplicaId> = BTreeSet::new();
        let mut load: BTreeMap<&HostId, u64> = BTreeMap::new();
        for (replica, on) in &self.active {
            if !seen.insert(replica) {
                self.broken = Some("S1");
            }
            let size = small.components.iter().find(|(name, _, _)| *name == replica.component().as_str());
            *load.entry(on).or_default() += size.map_or(0, |(_, _, cores)| *cores);
        }
        if load.values().any(|&cores| cores > small.cores) {
            self.broken = Some("S2");
        }
    }

    /// The next timer goes off. Everybody who can speak does so just before, so that only real silence counts.
    fn tick(&mut self) {
        let Some(at) = self.engine.poll_timeout() else { return };
        let now = self.now().max(at);
        for on in (0..self.engine.hosts().count() as u64).map(host) {
            if !self.silent.contains(&on) && !self.off.contains(&on) {
                self.engine.handle_event(now, Event::Heartbeat(on));
            }
        }
        self.engine.handle_timeout(now);
    }

    /// The process dies and comes back from its journal, sees the inventory, and goes on.
    fn crash(&mut self, small: &Small) {
        self.epoch += 1;
        let (ecosystem, infrastructure) = (small.ecosystem(), small.infrastructure());
        let now = self.now();
        let guards = self.engine.guards;
        let mut engine = Engine::replay(
            Small::settings(),
            &ecosystem,
            &infrastructure,
            &self.journal,
            Epoch(self.epoch),
            now,
        )
        .unwrap();
        engine.guards = guards;
        self.engine = engine;
        self.asks.clear();
        self.approvals.clear();
        self.drain(true);
        let heard = |on: &HostId| !self.silent.contains(on) && !self.off.contains(on);
        let inventory = Inventory {
            hosts: self
                .engine
                .hosts()
                .map(|it| it.host)
                .filter(heard)
                .map(|h| (h, HostHealth::Alive))
                .collect(),
            replicas: self
                .active
                .iter()
                .filter(|(_, on)| heard(on))
                .map(|(replica, on)| ReplicaReport {
                    replica: replica.clone(),
                    host: on.clone(),
                    state: ReplicaState::Running,
                    version: Version::default(),
                    resources: Resources::default(),
                })
                .collect(),
            policies: Vec::new(),
        };
        self.engine.handle_event(now, Event::Inventory(inventory));
        self.drain(true);
    }

    fn place(&mut self, id: AskId, hosts: &[HostId]) {
        let Some(needs) = self.asks.remove(&id) else { return };
        let assignments = needs.into_iter().zip(hosts.iter().cloned()).collect();
        let now = self.now();
        self.engine.handle_event(now, Event::Placement { id, assignments, unplaceable: Vec::new() });
    }
}

impl Model for Small {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        let placement = self.placement();
        let mut engine = Engine::new(
            Self::settings(),
            &self.ecosystem(),
            &self.infrastructure(),
            &placement,
            Epoch(1),
            Timestamp::from_unix_ms(1_000),
        )
        .unwrap();
        engine.guards = self.guards;
        let mut world = World {
            engine,
            journal: Vec::new(),
            epoch: 1,
            orders: BTreeMap::new(),
            ended: BTreeMap::new(),
            answers: Vec::new(),
            asks: BTreeMap::new(),
            approvals: BTreeSet::new(),
            silent: BTreeSet::new(),
            off: BTreeSet::new(),
            active: placement.iter().map(|(r, h)| (r.clone(), h.clone())).collect(),
            cut: BTreeSet::new(),
            granted: false,
            faults: self.faults,
            broken: None,
        };
        world.drain(true);
        vec![world]
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        if world.broken.is_some() {
            return;
        }
        moves.push(Move::Tick);
        for &id in world.orders.keys() {
            moves.push(Move::Execute(id));
            if world.faults.starts > 0 && matches!(world.orders[&id].kind, ActionKind::Start { .. }) {
                moves.push(Move::Fail(id));
            }
        }
        for k in 0..world.answers.len() {
            moves.push(Move::Deliver(k));
            if world.faults.doubles > 0 {
                moves.push(Move::Double(k));
            }
        }
        for (id, needs) in &world.asks {
            for h in 0..self.hosts {
                // All to one host, or spread from it on: enough to meet and to miss every capacity.
                let together = vec![host(h); needs.len()];
                let spread: Vec<HostId> =
                    (0..needs.len() as u64).map(|k| host((h + k) % self.hosts)).collect();
                if world.faults.crashes > 0 {
                    moves.push(Move::PlaceThenCrashUnsynced(*id, together.clone()));
                }
                if spread != together {
                    moves.push(Move::Place(*id, spread));
                }
                moves.push(Move::Place(*id, together));
            }
        }
        moves.extend(world.approvals.iter().copied().map(Move::Approve));
        if world.faults.silences > 0 {
            moves.extend((0..self.hosts).map(host).filter(|h| !world.silent.contains(h)).map(Move::Silence));
        }
        if world.faults.alerts > 0 {
            moves.push(Move::Alert);
        }
        if world.faults.versions > 0 {
            moves.push(Move::NewVersion);
        }
        if world.faults.crashes > 0 {
            moves.push(Move::Crash);
            moves.push(Move::TickThenCrashUnsynced);
        }
    }

    fn next_state(&self, before: &World, action: Move) -> Option<World> {
        let mut world = before.clone();
        let now = world.now();
        let finished = |(id, outcome): (u64, ActionOutcome)| {
            Event::Hypervisor(HypervisorEvent::Finished { action: ActionId(id), outcome })
        };
        let first = component(self.components[0].0);
        match action {
            Move::Tick => world.tick(),
            Move::Execute(id) => world.execute(id, false, self),
            Move::Fail(id) => {
                world.faults.starts -= 1;
                world.execute(id, true, self);
            }
            Move::Deliver(k) => {
                let answer = world.answers.remove(k);
                world.engine.handle_event(now, finished(answer));
            }
            Move::Double(k) => {
                world.faults.doubles -= 1;
                let answer = world.answers[k].clone();
                world.engine.handle_event(now, finished(answer));
            }
            Move::Place(id, hosts) => world.place(id, &hosts),
            Move::Approve(id) => {
                world.approvals.remove(&id);
                world.granted = true;
                world
                    .engine
                    .handle_event(now, Event::Approval { id, granted: true, by: Arc::from("operator") });
            }
            Move::Silence(h) => {
                world.faults.silences -= 1;
                world.silent.insert(h);
            }
            Move::Alert => {
                world.faults.alerts -= 1;
                let alert = Event::SecurityAlert { component: first, why: Arc::from("model") };
                world.engine.handle_event(now, alert);
            }
            Move::NewVersion => {
                world.faults.versions -= 1;
                let version = Event::NewVersion { component: first, version: Version::new("2") };
                world.engine.handle_event(now, version);
            }
            Move::Crash => {
                world.faults.crashes -= 1;
                world.crash(self);
            }
            Move::TickThenCrashUnsynced => {
                world.faults.crashes -= 1;
                world.tick();
                world.drain(false);
                world.crash(self);
            }
            Move::PlaceThenCrashUnsynced(id, hosts) => {
                world.faults.crashes -= 1;
                world.place(id, &hosts);
                world.drain(false);
                world.crash(self);
            }
        }
        world.drain(true);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no invariant is broken", |_, world: &World| world.broken.is_none()),
            Property::sometimes("a replica runs where it did not", |model: &Self, world: &World| {
                let before = model.placement();
                world.active.iter().any(|(replica, on)| before.host_of(replica) != Some(on))
            }),
        ]
    }
}

/// Explores breadth first up to a number of states; gives the broken invariant, if one was found, and the states.
fn explore(small: Small, states: usize) -> (Option<&'static str>, bool, usize) {
    let checker = small.checker().target_state_count(states).spawn_bfs().join();
    let found = checker.discovery("no invariant is broken").and_then(|path| path.last_state().broken);
    let moved = checker.discovery("a replica runs where it did not").is_some();
    (found, moved, checker.unique_state_count())
}

fn two_hosts(faults: Faults) -> Small {
    Small {
        hosts: 2,
        cores: 2,
        components: vec![("a", 1, 1), ("b", 1, 1)],
        faults,
        guards: Guards::default(),
    }
}

#[test]
fn a_silent_host_is_recovered_without_breaking_anything() {
    let faults = Faults { silences: 1, crashes: 1, doubles: 1, starts: 1, ..Faults::default() };
    let (broken, moved, states) = explore(two_hosts(faults), 30_000);
    assert_eq!(broken, None);
    assert!(moved && states > 5_000, "{states}");
}

#[test]
fn without_fencing_a_replica_runs_twice() {
    let faults = Faults { silences: 1, ..Faults::default() };
    let guards = Guards { fencing: false, ..Guards::default() };
    let (broken, _, _) = explore(Small { guards, ..two_hosts(faults) }, 30_000);
    assert!(matches!(broken, Some("S1" | "S6")), "{broken:?}");
}

#[test]
fn without_exactly_once_effect_a_doubled_answer_starts_a_replica_twice() {
    let faults = Faults { silences: 1, doubles: 1, ..Faults::default() };
    let guards = Guards { idempotence: false, ..Guards::default() };
    let small = Small { hosts: 3, guards, ..two_hosts(faults) };
    let (broken, _, _) = explore(small, 60_000);
    assert!(matches!(broken, Some("S1" | "S6")), "{broken:?}");
}

#[test]
fn without_the_journal_first_a_crash_loses_track_of_what_left() {
    let faults = Faults { silences: 1, crashes: 1, ..Faults::default() };
    let guards = Guards { journal_first: false, ..Guards::default() };
    let small = Small { hosts: 3, guards, ..two_hosts(faults) };
    let (broken, _, _) = explore(small, 60_000);
    assert!(matches!(broken, Some("S1" | "S6" | "S7")), "{broken:?}");
}

#[test]
fn without_reservations_two_starts_overload_a_host() {
    let faults = Faults { silences: 1, ..Faults::default() };
    let guards = Guards { reservation: false, ..Guards::default() };
    let components = vec![("a", 1, 2), ("b", 1, 2), ("c", 1, 2)];
    // a and c run on h0; each fits on h1 beside b, both do not.
    let small = Small { hosts: 2, cores: 4, components, faults, guards };
    let (broken, _, _) = explore(small, 60_000);
    assert_eq!(broken, Some("S2"));
}

#[test]
fn without_budgets_a_roll_out_takes_everything_down() {
    let faults = Faults { versions: 1, ..Faults::default() };
    let guards = Guards { budget: false, ..Guards::default() };
    let small = Small { hosts: 2, cores: 4, components: vec![("a", 2, 1)], faults, guards };
    let (broken, _, _) = explore(small.clone(), 30_000);
    assert_eq!(broken, Some("S3"));
    let (broken, moved, _) = explore(Small { guards: Guards::default(), ..small }, 20_000);
    assert!(broken.is_none() && moved);
}

#[test]
fn without_approval_an_isolated_component_gets_traffic() {
    let faults = Faults { alerts: 1, ..Faults::default() };
    let guards = Guards { approval: false, ..Guards::default() };
    let small = Small { hosts: 2, cores: 4, components: vec![("a", 1, 1)], faults, guards };
    let (broken, _, _) = explore(small.clone(), 30_000);
    assert_eq!(broken, Some("S4"));
    let (broken, moved, _) = explore(Small { guards: Guards::default(), ..small }, 20_000);
    assert!(broken.is_none() && moved);
}
