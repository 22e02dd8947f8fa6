//! Model checking of the real engine: every interleaving of a small world is explored.
//!
//! World: a few components on two or three small hosts, an executor that takes orders in any order and answers when
//! it likes (late, doubled, never), hosts that fall silent while they go on running, an engine that crashes between
//! any two steps or before its journal is durable, an optimizer that answers anything, an operator and an attacker.
//! The state is the engine's hard state with its pending timers, and the truth on the ground, up to the names of
//! numbers and the origin of time ([`digest`](crate::engine)). Time is not part of it: a tick is "the next timer goes
//! off". At any moment the faults may be over ([`Move::Calm`]): from then on the weather is fair and the path must
//! end with everything served.
//!
//! With all guards on no reachable state breaks an invariant; with any one guard off a counter-example is found.

mod calm;
mod tests;
mod world;

use crate::action::{ApprovalId, AskId};
use crate::engine::Engine;
use crate::event::{Order, Scope};
use crate::settings::Settings;
use crate::testing::Guards;
use ecosystem_core::{
    ActionKind, Bytes, Component, ComponentId, Ecosystem, Epoch, Host, HostId, Infrastructure, Kind,
    Millicores, Placement, Rack, Region, ReplicaId, Resources, Timestamp, Version, Zone,
};
use stateright::{Model, Property};
use world::{Faults, World};

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Move {
    Tick,
    Execute(u64),
    Fail(u64),
    Deliver(usize),
    Double(usize),
    Lose(usize),
    Place(AskId, Vec<HostId>),
    Approve(ApprovalId),
    Silence(HostId),
    Alert,
    NewVersion,
    Operator(Order),
    Plan(Vec<(ReplicaId, HostId)>),
    Resize(u64),
    Crash,
    TickThenCrashUnsynced,
    PlaceThenCrashUnsynced(AskId, Vec<HostId>),
    /// The faults are over, or one more round of fair weather.
    Calm,
}

#[derive(Clone, Debug)]
struct Small {
    hosts: u64,
    cores: u64,
    components: Vec<(&'static str, u32, u64)>,
    faults: Faults,
    guards: Guards,
    /// Whether every state is also tried with fair weather from then on.
    calm: bool,
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

    fn size_of(&self, component: &ComponentId) -> u64 {
        self.components.iter().find(|(name, _, _)| *name == component.as_str()).map_or(0, |it| it.2)
    }

    fn settings() -> Settings {
        let mut settings = Settings::default();
        settings.patience.probes = 1;
        settings.patience.inventory = std::time::Duration::ZERO;
        settings.restart = crate::RestartPolicy::new(0, 1);
        settings.isolation.avoid_hosts = false;
        settings.capabilities = settings
            .capabilities
            .without(ecosystem_core::Capability::Snapshot)
            .without(ecosystem_core::Capability::Credentials);
        settings
    }

    /// Answers of the optimizer: all needs to one host, or spread from it on. Enough to meet and to miss every
    /// capacity.
    fn answers(&self, needs: usize) -> Vec<Vec<HostId>> {
        let mut found = Vec::new();
        for h in 0..self.hosts {
            let together = vec![host(h); needs];
            let spread: Vec<HostId> = (0..needs as u64).map(|k| host((h + k) % self.hosts)).collect();
            if spread != together {
                found.push(spread);
            }
            found.push(together);
        }
        found
    }

    /// One replica to each host, and the first two to each pair of hosts: a swap is among them.
    fn plans(&self) -> Vec<Vec<(ReplicaId, HostId)>> {
        let replica = |at: usize| ReplicaId::new(component(self.components[at].0), 0);
        let hosts = || (0..self.hosts).map(host);
        let mut plans: Vec<_> = hosts().map(|h| vec![(replica(0), h)]).collect();
        if self.components.len() > 1 {
            for (a, b) in hosts().flat_map(|a| hosts().map(move |b| (a.clone(), b))) {
                plans.push(vec![(replica(0), a), (replica(1), b)]);
            }
        }
        plans
    }

    fn orders(&self) -> Vec<Order> {
        let first = component(self.components[0].0);
        vec![
            Order::Freeze(Scope::Component(first.clone())),
            Order::Freeze(Scope::Host(host(0))),
            Order::Thaw(Scope::Component(first.clone())),
            Order::Drain(host(0)),
            Order::SetReplicas(first.clone(), 0),
            Order::SetReplicas(first, 2),
        ]
    }
}

fn component(name: &str) -> ComponentId {
    name.parse().unwrap()
}

fn host(h: u64) -> HostId {
    format!("h{h}").parse().unwrap()
}

impl Model for Small {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        let (ecosystem, infrastructure) = (self.ecosystem(), self.infrastructure());
        let (placement, start) = (self.placement(), Timestamp::from_unix_ms(1_000));
        let engine =
            Engine::new(Self::settings(), &ecosystem, &infrastructure, &placement, Epoch(1), start).unwrap();
        vec![World::new(engine, self)]
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        if world.broken.is_some() {
            return;
        }
        if let Some(rounds) = world.calm {
            if rounds > 0 && !world.serves(self) {
                moves.push(Move::Calm);
            }
            return;
        }
        moves.push(Move::Tick);
        if self.calm {
            moves.push(Move::Calm);
        }
        for (&id, order) in &world.orders {
            moves.push(Move::Execute(id));
            if world.faults.starts > 0 && matches!(order.kind, ActionKind::Start { .. }) {
                moves.push(Move::Fail(id));
            }
        }
        for k in 0..world.answers.len() {
            moves.push(Move::Deliver(k));
            if world.faults.doubles > 0 {
                moves.push(Move::Double(k));
            }
            if world.faults.losses > 0 {
                moves.push(Move::Lose(k));
            }
        }
        for (id, needs) in &world.asks {
            for hosts in self.answers(needs.len()) {
                if world.faults.crashes > 0 {
                    moves.push(Move::PlaceThenCrashUnsynced(*id, hosts.clone()));
                }
                moves.push(Move::Place(*id, hosts));
            }
        }
        moves.extend(world.approvals.keys().copied().map(Move::Approve));
        if world.faults.silences > 0 {
            moves.extend((0..self.hosts).map(host).filter(|h| !world.silent.contains(h)).map(Move::Silence));
        }
        if world.faults.alerts > 0 {
            moves.push(Move::Alert);
        }
        if world.faults.versions > 0 {
            moves.push(Move::NewVersion);
        }
        if world.faults.orders > 0 {
            moves.extend(self.orders().into_iter().map(Move::Operator));
        }
        if world.faults.plans > 0 {
            moves.extend(self.plans().into_iter().map(Move::Plan));
        }
        if world.faults.sizes > 0 {
            moves.extend((1..=self.cores).map(Move::Resize));
        }
        if world.faults.crashes > 0 {
            moves.push(Move::Crash);
            moves.push(Move::TickThenCrashUnsynced);
        }
    }

    fn next_state(&self, before: &World, action: Move) -> Option<World> {
        let mut world = before.clone();
        match action {
            Move::Tick => world.tick(),
            Move::Execute(id) => world.execute(id, false, self),
            Move::Fail(id) => {
                world.faults.starts -= 1;
                world.execute(id, true, self);
            }
            Move::Deliver(k) => {
                let (id, outcome) = world.answers.remove(k);
                world.deliver(id, outcome);
            }
            Move::Double(k) => {
                world.faults.doubles -= 1;
                let (id, outcome) = world.answers[k].clone();
                world.deliver(id, outcome);
            }
            Move::Lose(k) => {
                world.faults.losses -= 1;
                world.answers.remove(k);
            }
            Move::Place(id, hosts) => world.place(id, &hosts),
            Move::Approve(id) => world.approve(id),
            Move::Silence(h) => {
                world.faults.silences -= 1;
                world.silent.insert(h);
            }
            Move::Alert | Move::NewVersion | Move::Operator(_) | Move::Plan(_) | Move::Resize(_) => {
                world.wishes(component(self.components[0].0), action);
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
            Move::Calm => {
                world.calm.get_or_insert(calm::ROUNDS);
                world.calm_round(self);
                if world.calm == Some(0) && !world.serves(self) {
                    world.broken = Some("liveness");
                }
            }
        }
        world.drain(true);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("no invariant is broken", |_, world: &World| world.broken.is_none()),
            Property::sometimes("a replica runs where it did not", |model: &Self, world: &World| {
                let before = model.placement();
                world.active.iter().any(|(replica, on)| before.host_of(replica) != Some(on))
            }),
        ];
        if self.calm {
            properties.push(Property::eventually(
                "everything that fits is served once the faults are over",
                |model: &Self, world: &World| world.calm.is_some() && world.serves(model),
            ));
        }
        properties
    }
}
