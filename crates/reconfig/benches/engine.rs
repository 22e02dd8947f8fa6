//! The engine at the size of a large fleet: steady state, a host failure, replay, plans.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ecosystem_core::{
    Bytes, Component, Ecosystem, Epoch, Host, HostHealth, HostId, HypervisorEvent, Infrastructure, Kind,
    Millicores, Placement, Rack, Region, ReplicaId, ReplicaState, Resources, Timestamp, Version, Zone,
};
use ecosystem_reconfig::plan::{PlanHost, PlanItem, PlanProblem, PlanSettings, Spot, plan};
use ecosystem_reconfig::{Action, Ask, DeathEvidence, Engine, Event, Output, Settings};
use std::hint::black_box;

const HOSTS: usize = 1_000;
const COMPONENTS: usize = 10_000;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn host(h: usize) -> HostId {
    format!("host-{h:04}").parse().unwrap()
}

fn fleet() -> (Ecosystem, Infrastructure, Placement) {
    let size = Resources::new(Millicores::cores(64), Bytes::gib(256));
    let mut infrastructure = Infrastructure::builder()
        .region(Region::new("eu".parse().unwrap()))
        .zone(Zone::new("a".parse().unwrap(), "eu".parse().unwrap()))
        .rack(Rack::new("r".parse().unwrap(), "a".parse().unwrap()));
    for h in 0..HOSTS {
        infrastructure = infrastructure.host(Host::new(host(h), "r".parse().unwrap(), size.clone()));
    }
    let (mut ecosystem, mut placement) = (Ecosystem::builder("fleet"), Placement::new());
    for c in 0..COMPONENTS {
        let mut it = Component::new(format!("component-{c:05}").parse().unwrap(), Kind::Container);
        it.requirements.request = Resources::new(Millicores(250), Bytes::gib(1));
        it.replica_range = Some((1, 4));
        // Host 0 runs the first hundred, the rest is even.
        let on = if c < 100 { 0 } else { 1 + c % (HOSTS - 1) };
        placement.set(ReplicaId::new(it.id.clone(), 0), host(on));
        ecosystem = ecosystem.component(it);
    }
    (ecosystem.build().unwrap(), infrastructure.build().unwrap(), placement)
}

fn drain(engine: &mut Engine) -> Vec<Action> {
    let mut actions = Vec::new();
    loop {
        match engine.poll_output() {
            Some(Output::Persist(record)) => engine.persisted(record.number()),
            Some(Output::Act(action)) => actions.push(action),
            None => return actions,
        }
    }
}

fn steady_events() -> Vec<Event> {
    let mut events = Vec::new();
    for k in 0..100_000_usize {
        let c = k % COMPONENTS;
        let component = format!("component-{c:05}").parse().unwrap();
        let on = if c < 100 { 0 } else { 1 + c % (HOSTS - 1) };
        events.push(match k % 3 {
            0 => {
                Event::Hypervisor(HypervisorEvent::Host { host: host(k % HOSTS), health: HostHealth::Alive })
            }
            1 => Event::Utilisation { component, permille: 600 },
            _ => Event::Hypervisor(HypervisorEvent::Replica {
                replica: ReplicaId::new(component, 0),
                host: host(on),
                state: ReplicaState::Running,
                version: Version::default(),
            }),
        });
    }
    events
}

fn engine_benches(c: &mut Criterion) {
    let (ecosystem, infrastructure, placement) = fleet();
    let mut engine =
        Engine::new(Settings::default(), &ecosystem, &infrastructure, &placement, Epoch(1), at(0)).unwrap();
    drain(&mut engine);
    let events = steady_events();
    let mut group = c.benchmark_group("engine");
    group.sample_size(10);
    group.throughput(Throughput::Elements(events.len() as u64));
    let steady = engine.clone();
    group.bench_function("steady_events/10000_components_1000_hosts", |b| {
        b.iter_batched(
            || (steady.clone(), events.clone()),
            |(mut engine, events)| {
                for event in events {
                    engine.handle_event(at(1_000), event);
                    while engine.poll_output().is_some() {}
                }
                engine
            },
            BatchSize::LargeInput,
        );
    });
    group.throughput(Throughput::Elements(100));
    group.bench_function("host_failure/100_replicas_1000_hosts", |b| {
        b.iter_batched(
            || engine.clone(),
            |mut engine| {
                let failed = Event::HostFailed { host: host(0), evidence: DeathEvidence::PowerOff };
                engine.handle_event(at(2_000), failed);
                let ask = drain(&mut engine)
                    .into_iter()
                    .find_map(|action| match action {
                        Action::Ask(Ask::Placement(ask)) => Some(ask),
                        _ => None,
                    })
                    .unwrap();
                let assignments = ask
                    .needs
                    .iter()
                    .enumerate()
                    .map(|(k, need)| (need.replica.clone(), host(1 + k)))
                    .collect();
                let answer = Event::Placement { id: ask.id, assignments, unplaceable: Vec::new() };
                engine.handle_event(at(2_000), answer);
                let starts =
                    drain(&mut engine).iter().filter(|action| matches!(action, Action::Execute(_))).count();
                assert_eq!(starts, 100);
                engine
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
    replay_bench(c, &engine, &ecosystem, &infrastructure);
}

fn replay_bench(c: &mut Criterion, engine: &Engine, ecosystem: &Ecosystem, infrastructure: &Infrastructure) {
    let mut engine = engine.clone();
    let mut frames = vec![engine.snapshot().bytes().to_vec()];
    for k in 0..250_000_u64 {
        let host = host(usize::try_from(k).unwrap() % HOSTS);
        engine.handle_event(at(3_000 + k), Event::HostSuspect { host: host.clone(), why: "bench".into() });
        engine.handle_event(at(3_000 + k), Event::Heartbeat(host));
        while let Some(output) = engine.poll_output() {
            if let Output::Persist(record) = output {
                engine.persisted(record.number());
                frames.push(record.bytes().to_vec());
            }
        }
    }
    let mut group = c.benchmark_group("journal");
    group.sample_size(10);
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function(format!("replay/{}_records_with_snapshot_of_10000", frames.len()), |b| {
        b.iter(|| {
            let settings = Settings::default();
            Engine::replay(settings, ecosystem, infrastructure, black_box(&frames), Epoch(2), at(99_000))
                .unwrap()
        });
    });
    group.finish();
}

fn plan_benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("plan");
    group.sample_size(10);
    for (moves, hosts) in [(1_000_usize, 1_000_usize), (10_000, 5_000)] {
        let mut seed = 7_u64;
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut problem = PlanProblem::new();
        for h in 0..hosts {
            problem.hosts.push(PlanHost::new(format!("h{h}"), vec![120; 8], 1_250_000_000));
        }
        for k in 0..moves {
            let demand: Vec<u64> = (0..8).map(|_| 1 + random(15)).collect();
            let from = usize::try_from(random(hosts as u64)).unwrap();
            let to = (from + 1 + usize::try_from(random(hosts as u64 - 1)).unwrap()) % hosts;
            let memory = (1 + random(32)) << 30;
            problem.items.push(PlanItem::new(format!("v{k}"), demand, memory, Spot::On(from), Spot::On(to)));
        }
        group.throughput(Throughput::Elements(moves as u64));
        group.bench_function(format!("{moves}_moves_{hosts}_hosts_8_dimensions"), |b| {
            b.iter(|| plan(black_box(&problem), &PlanSettings::default()).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, engine_benches, plan_benches);
criterion_main!(benches);
