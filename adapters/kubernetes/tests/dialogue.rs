//! Against dialogues on the loopback that are written after the API's documentation (versions 1.20 to 1.33 speak alike
//! here), strict about method, path, type and body.
#![allow(clippy::unwrap_used, reason = "tests")]

mod replay;

use ecosystem_core::manifest::{ParseOptions, Source, parse};
use ecosystem_core::{
    ComponentId, HostId, HostState, Millicores, Placement, ReplicaId, ReplicaState, Timestamp,
};
use ecosystem_kubernetes::{
    Client, Ground, KubeError, Plan, PlanError, Progress, Runner, RunnerSettings, Settings, Step, StepState,
};
use replay::Replay;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

const MANIFEST: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'shop/web:1.4.0', env: [{name: DB, value: 'db:5432'}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: 'postgres:16'}]}
";

fn client(url: &str, page: u32) -> Client {
    let mut settings = Settings::new(url);
    settings.page = page;
    settings.token = Some("secret".into());
    settings.answer_within = Duration::from_secs(5);
    Client::new(settings)
}

fn host(name: &str) -> HostId {
    HostId::new(name).unwrap()
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000 + second * 1_000)
}

#[test]
fn a_placement_becomes_scale_affinity_and_an_eviction_that_waits_for_its_budget() {
    let server = Replay::start(include_str!("dialogue/place.json"));
    let client = client(&server.url, 2);
    let ground = Ground::read(&client).unwrap();

    // What is there: a silent node is not in the inventory, and takes nothing.
    let infra = ground.infrastructure().unwrap();
    let zones: Vec<&str> = (0..3).map(|it| infra.host_zone(it).as_str()).collect();
    assert_eq!(zones, ["z1", "z2", "z2"]);
    assert_eq!(infra.hosts()[2].state, HostState::Cordoned);
    assert_eq!(infra.hosts()[0].capacity.cpu, Millicores(3_800));
    let seen: Vec<String> = ground
        .inventory()
        .replicas
        .iter()
        .map(|it| format!("{} {} {:?} {}", it.replica, it.host, it.state, it.resources.cpu.get()))
        .collect();
    // Counted by age; the first pod asks for what its init container needs.
    assert_eq!(seen, ["db#0 n1 Running 250", "web#0 n1 Running 1000", "web#2 n1 Unhealthy 250"]);
    assert_eq!(ground.placement().len(), 4);

    // A manifest comes in, a plan goes out.
    let sources = [Source::new("shop.yaml", MANIFEST)];
    let shop = parse(&sources, &ParseOptions::default()).unwrap().ecosystem;
    let mut wanted = Placement::new();
    let nodes = [host("n1"), host("n2")];
    for component in shop.components() {
        for index in 0..component.replicas {
            let node = if component.id.as_str() == "db" { &nodes[1] } else { &nodes[index as usize % 2] };
            wanted.set(ReplicaId::new(component.id.clone(), index), node.clone());
        }
    }
    let plan = Plan::towards(&wanted, &ground).unwrap();
    let shown =
        "1. scale web to 2\n2. confine web to n1.example, n2.example\n3. evict default/db-0 from n1\n";
    assert_eq!(plan.to_string(), shown);

    // Carried out second by second.
    let mut runner = Runner::new(plan, RunnerSettings::default());
    let mut held = Vec::new();
    for second in 0..60 {
        match runner.step(&client, at(second)) {
            Progress::Working => {}
            Progress::Held { until } => {
                if !held.contains(&until) {
                    held.push(until);
                    let (_, state) = runner.states().nth(2).unwrap();
                    let forbidden =
                        matches!(state, StepState::Held { reason, .. } if reason.status() == Some(429));
                    assert!(forbidden, "{state:?}");
                }
            }
            Progress::Done => break,
            other => panic!("second {second}: {other:?}"),
        }
    }
    // The first pause is ours, the second the server's.
    assert_eq!(held, [at(9), at(19)], "{:?}", runner.states().collect::<Vec<_>>());
    assert!(runner.states().all(|(_, state)| *state == StepState::Done));
    server.finish();
}

#[test]
fn a_node_is_emptied_as_far_as_budgets_allow_and_gives_up_in_time() {
    let server = Replay::start(include_str!("dialogue/drain.json"));
    let client = client(&server.url, 500);
    let plan = Plan::drain(&client, &host("n1")).unwrap().unwrap();
    // What belongs to the node or has ended stays.
    let shown = "1. cordon n1\n2. evict default/web-6d4-a from n1\n3. evict shop/cache-0 from n1\n\
                 4. evict shop/queue-0 from n1\n";
    assert_eq!(plan.to_string(), shown);
    let mut settings = RunnerSettings::default();
    settings.pause = Duration::from_secs(5);
    settings.step_within = Duration::from_secs(6);
    let mut runner = Runner::new(plan, settings);
    assert_eq!(runner.step(&client, at(0)), Progress::Working);
    // One is taken, one held, one has gone by itself.
    assert_eq!(runner.step(&client, at(1)), Progress::Working);
    assert_eq!(runner.step(&client, at(2)), Progress::Held { until: at(6) });
    let end = runner.step(&client, at(7));
    assert!(matches!(&end, Progress::Failed { step: 2, reason } if reason.contains("budget")), "{end:?}");
    let mut open = Runner::new(Plan::open(&host("n1")), RunnerSettings::default());
    assert_eq!(open.step(&client, at(8)), Progress::Done);
    server.finish();
}

#[test]
fn what_has_no_workload_or_node_or_controller_is_refused_before_anything_happens() {
    let server = Replay::start(include_str!("dialogue/place.json"));
    let mut ground = Ground::read(&client(&server.url, 2)).unwrap();
    let to = |component: &str, node: &str| {
        let replica = ReplicaId::new(component.parse().unwrap(), 0);
        Placement::new().with(replica, host(node))
    };
    assert!(matches!(Plan::towards(&to("mail", "n1"), &ground), Err(PlanError::NoWorkload { .. })));
    assert!(matches!(Plan::towards(&to("web", "n9"), &ground), Err(PlanError::NoNode { .. })));
    // As wanted: nothing to do, however it is written.
    let web = |index, node| (ReplicaId::new("web".parse().unwrap(), index), host(node));
    let both = [web(0, "n1"), web(1, "n2"), web(2, "n2")].into_iter();
    let both = both.fold(Placement::new(), |all, (replica, node)| all.with(replica, node));
    let first = Plan::towards(&both, &ground).unwrap();
    let [Step::Confine { selector, .. }] = &first.steps[..] else { panic!("{first}") };
    let mut written = selector.clone();
    let required = written.node_selector_terms[0].match_expressions.as_mut().unwrap();
    required.reverse();
    required[0].values.as_mut().unwrap().reverse();
    ground.workloads.get_mut(&"web".parse::<ComponentId>().unwrap()).unwrap().selector = Some(written);
    let strays = "1. evict default/web-6d4-c from n3\n";
    assert_eq!(Plan::towards(&both, &ground).unwrap().to_string(), strays);
    ground.pods.retain(|it| it.name != "db-0");
    let db = ReplicaId::new("db".parse().unwrap(), 0);
    assert_eq!(Plan::towards(&Placement::new().with(db, host("n2")), &ground), Ok(Plan::default()));
    let once = ground.pods.iter_mut().find(|it| it.name == "once").unwrap();
    once.state = ReplicaState::Running;
    let refused = Plan::emptying(&host("n2"), &ground.pods);
    assert!(matches!(refused, Err(PlanError::Unmanaged { .. })), "{refused:?}");
}

/// Whether an error is the one that was to be expected.
type Judge = fn(&KubeError) -> bool;

#[test]
fn servers_that_are_gone_slow_broken_or_in_trouble_are_told_apart() {
    let answers: [(&[u8], Judge); 5] = [
        (b"", |e| matches!(e, KubeError::Unreachable { .. } | KubeError::Garbage { .. })),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html></h", |e| matches!(e, KubeError::Garbage { .. })),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", |e| !matches!(e, KubeError::Refused { .. })),
        (b"HTTP/1.1 503 No\r\nContent-Length: 4\r\nRetry-After: 7\r\n\r\nbusy", |e| {
            matches!(e, KubeError::Refused { status: 503, retry_after: Some(7), message, .. } if message == "busy")
        }),
        (b"HTTP/1.1 401 No\r\nContent-Length: 62\r\n\r\n{\"kind\":\"Status\",\"reason\":\"Unauthorized\",\"message\":\"m\",\"x\":11}", |e| {
            matches!(e, KubeError::Refused { status: 401, reason, .. } if reason == "Unauthorized") && !e.may_pass()
        }),
    ];
    for (index, (bytes, expected)) in answers.into_iter().enumerate() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                drop(stream.read(&mut [0; 4_096]));
                drop(stream.write_all(bytes));
            }
        });
        let error = Ground::read(&client(&url, 2)).unwrap_err();
        assert!(expected(&error), "{index}: {error}");
    }
    let nobody = Ground::read(&client("http://127.0.0.1:9", 2)).unwrap_err();
    assert!(matches!(nobody, KubeError::Unreachable { .. }) && nobody.may_pass(), "{nobody}");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = Settings::new(format!("http://{}", silent.local_addr().unwrap()));
    settings.answer_within = Duration::from_millis(200);
    let slow = Ground::read(&Client::new(settings)).unwrap_err();
    assert!(matches!(slow, KubeError::Slow { .. }), "{slow}");
}
