//! Against a real control plane, with `ECO_K8S=DIR` where `DIR` holds its programs (CONTRIBUTING.md says how to build them).
#![allow(clippy::unwrap_used, reason = "tests")]

mod control_plane;

use control_plane::Plane;
use ecosystem_core::{HostId, HostState, Placement, ReplicaId, Timestamp};
use ecosystem_kubernetes::{Client, Ground, Plan, Progress, Runner, RunnerSettings, Settings, StepState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: 'shop/web:1', resources: {requests: {cpu: 50m, memory: 16Mi}}}]
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
";

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).unwrap())
}

fn host(name: &str) -> HostId {
    HostId::new(name).unwrap()
}

struct Lab {
    plane: Plane,
    client: Client,
    begin: Instant,
}

impl Lab {
    fn say(&self, what: &str) {
        println!("{:6.1} s  {what}", self.begin.elapsed().as_secs_f64());
    }

    fn until(&self, what: &str, mut holds: impl FnMut(&Ground) -> bool) {
        let begin = Instant::now();
        loop {
            let seen = Ground::read(&self.client);
            if seen.as_ref().is_ok_and(&mut holds) {
                return self.say(what);
            }
            assert!(begin.elapsed() < Duration::from_secs(120), "{what}: {seen:#?}");
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// Carries a plan out; how often a step was held by a budget.
    fn carry_out(&self, plan: Plan) -> usize {
        print!("{plan}");
        let mut runner = Runner::new(plan, RunnerSettings::default());
        let (begin, mut held) = (Instant::now(), 0);
        loop {
            let progress = runner.step(&self.client, now());
            held += runner.states().filter(|(_, state)| matches!(state, StepState::Held { reason, .. } if reason.status() == Some(429))).count();
            match progress {
                Progress::Done => return held,
                Progress::Failed { step, reason } => panic!("step {step}: {reason}"),
                _ => {}
            }
            assert!(begin.elapsed() < Duration::from_secs(180), "{:#?}", runner.states().collect::<Vec<_>>());
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}

fn nodes_of_web(ground: &Ground) -> Vec<String> {
    let mut nodes: Vec<String> = ground.placement().iter().map(|(_, node)| node.to_string()).collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

#[test]
fn a_real_control_plane_follows_a_plan_and_its_budgets_are_kept() {
    let Some(programs) = std::env::var_os("ECO_K8S") else {
        println!(
            "left out: a real control plane is started only with ECO_K8S=DIR, the directory of its programs"
        );
        return;
    };
    let begin = Instant::now();
    let plane = Plane::start(programs.as_ref(), &[("n1", "z1"), ("n2", "z2"), ("n3", "z3")]);
    let client = Client::new(Settings::new(&plane.url));
    let lab = Lab { plane, client, begin };
    lab.until("three nodes are ready", |it| it.nodes.values().filter(|node| node.ready).count() == 3);
    lab.plane.kubectl(&["apply", "-f", "-"], SHOP).unwrap();
    let settled = |it: &Ground| it.workloads.values().all(|it| it.settled) && it.placement().len() == 4;
    lab.until("four pods serve", settled);
    let ground = Ground::read(&lab.client).unwrap();
    let infra = ground.infrastructure().unwrap();
    assert_eq!((0..3).map(|it| infra.host_zone(it).as_str()).collect::<Vec<_>>(), ["z1", "z2", "z3"]);
    assert_eq!(ground.inventory().replicas.len(), 4);

    // Five on two nodes.
    let mut wanted = Placement::new();
    for index in 0..5 {
        let node = if index % 2 == 0 { "n1" } else { "n2" };
        wanted.set(ReplicaId::new("web".parse().unwrap(), index), host(node));
    }
    lab.carry_out(Plan::towards(&wanted, &ground).unwrap());
    lab.say("the placement is there");
    let ground = Ground::read(&lab.client).unwrap();
    assert_eq!(nodes_of_web(&ground), ["n1", "n2"]);
    assert_eq!(Plan::towards(&wanted, &ground).unwrap(), Plan::default(), "nothing is left to do");

    // One node is emptied, one pod at a time.
    let held = lab.carry_out(Plan::drain(&lab.client, &host("n1")).unwrap().unwrap());
    assert!(held > 0, "the budget held nothing back");
    lab.say("n1 is empty");
    lab.until("five serve on the other", |it| {
        it.workloads.values().all(|it| it.settled) && nodes_of_web(it) == ["n2"]
    });
    let infra = Ground::read(&lab.client).unwrap().infrastructure().unwrap();
    assert_eq!(infra.hosts()[0].state, HostState::Cordoned);
    lab.carry_out(Plan::open(&host("n1")));
    let infra = Ground::read(&lab.client).unwrap().infrastructure().unwrap();
    assert_eq!(infra.hosts()[0].state, HostState::Ready);
}
