//! Against a real cluster of three members with `ECO_REAL=1`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod cluster;

use cluster::Lxd;
use ecosystem_core::conformance::{Scenario, hypervisor};
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Bytes, Epoch, HostId, HostState, Hypervisor,
    HypervisorEvent, MetricKind, MetricQuery, MetricsSource, MigrationMode, Millicores, RangeQuery,
    ReplicaId, Resources, Subject, SubmitError, Timestamp, Version,
};
use ecosystem_lxd::{Cluster, Drain, DrainState, MemberStatus, Settings};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).unwrap())
}

fn host(name: &str) -> HostId {
    HostId::new(name).unwrap()
}

fn web(index: u32) -> ReplicaId {
    ReplicaId::new("web".parse().unwrap(), index)
}

fn small() -> Resources {
    Resources::new(Millicores(105), Bytes::mib(32))
}

fn settings(lxd: &Lxd) -> Settings {
    let mut settings = Settings::new(lxd.sockets());
    settings.image = "sleeper".into();
    settings.config.insert("security.privileged".into(), "true".into());
    let size = Resources::new(Millicores::cores(1), Bytes::mib(256));
    settings.capacity = ["m1", "m2", "m3"].iter().map(|it| (host(it), size.clone())).collect();
    settings
}

struct Lab {
    cluster: Cluster,
    next: u64,
    ends: Vec<(ActionId, ActionOutcome)>,
    begin: Instant,
}

impl Lab {
    fn say(&self, what: &str) {
        println!("{:6.1} s  {what}", self.begin.elapsed().as_secs_f64());
    }

    fn request(&mut self, kind: ActionKind) -> ActionRequest {
        self.next += 1;
        let deadline = now().saturating_add(Duration::from_secs(60));
        ActionRequest { id: ActionId(self.next), epoch: Epoch(1), kind, deadline, expected: None }
    }

    fn begin(&mut self, kind: ActionKind) -> ActionId {
        let request = self.request(kind);
        let asked = Instant::now();
        self.cluster.submit(&request).unwrap();
        assert!(asked.elapsed() < Duration::from_millis(500), "the driver was held up");
        request.id
    }

    fn end(&mut self, id: ActionId) -> ActionOutcome {
        let begin = Instant::now();
        loop {
            for event in self.cluster.poll(now()).unwrap() {
                if let HypervisorEvent::Finished { action, outcome } = event {
                    self.ends.push((action, outcome));
                }
            }
            if let Some((_, outcome)) = self.ends.iter().find(|it| it.0 == id) {
                return outcome.clone();
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "action {id} does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn order(&mut self, kind: ActionKind) -> ActionOutcome {
        let id = self.begin(kind);
        let end = self.end(id);
        self.say(&format!("action {id}: {end:?}"));
        end
    }

    fn start(index: u32, on: &str) -> ActionKind {
        let (replica, version) = (web(index), Version::new("1"));
        ActionKind::Start { replica, host: host(on), version, resources: small() }
    }

    fn places(&mut self) -> Vec<String> {
        let mut found: Vec<String> = self
            .cluster
            .inventory()
            .unwrap()
            .replicas
            .into_iter()
            .map(|it| format!("{} {}", it.replica, it.host))
            .collect();
        found.sort();
        found
    }

    fn settle(&self, drain: &Drain) {
        let begin = Instant::now();
        while drain.state() == DrainState::Running {
            assert!(begin.elapsed() < Duration::from_secs(60), "the drain does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(drain.state(), DrainState::Done);
        self.say("turned");
    }
}

/// The kernel's own limit of the only container of a replica.
fn kernel_limit(replica: &str) -> Option<u64> {
    let roots = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];
    let groups = roots.iter().filter_map(|it| std::fs::read_dir(it).ok()).flatten().flatten();
    let mut ours = groups
        .filter(|it| it.file_name().to_string_lossy().starts_with(&format!("lxc.payload.eco-{replica}-")));
    let group = ours.next()?.path();
    let read = |name: &str| std::fs::read_to_string(group.join(name)).ok()?.trim().parse().ok();
    read("memory.limit_in_bytes").or_else(|| read("memory.max"))
}

#[test]
fn three_real_members_start_move_drain_lose_one_and_keep_the_contract() {
    let asked = std::env::var_os("ECO_REAL").is_some_and(|it| it == "1");
    let there = std::process::Command::new("lxd").arg("--version").output().is_ok();
    if !asked || !there {
        println!(
            "skipped: a real LXD cluster is started only with ECO_REAL=1 and the Debian packages lxd, lxd-client"
        );
        return;
    }
    let begin = Instant::now();
    let mut lxd = Lxd::start();
    let cluster = Cluster::connect(settings(&lxd)).unwrap();
    let mut lab = Lab { cluster, next: 1_000, ends: Vec::new(), begin };
    lab.say("three members");

    // Members are hosts, failure domains zones.
    let infra = lab.cluster.infrastructure(&"here".parse().unwrap()).unwrap();
    let zones: Vec<String> =
        (0..3).map(|it| format!("{} {}", infra.hosts()[it].id, infra.host_zone(it))).collect();
    assert_eq!(zones, ["m1 zone-1", "m2 zone-2", "m3 zone-3"]);

    // Two starts at once where they were asked for.
    let (first, second) = (lab.begin(Lab::start(0, "m2")), lab.begin(Lab::start(1, "m3")));
    assert_eq!((lab.end(first), lab.end(second)), (ActionOutcome::DONE, ActionOutcome::DONE));
    assert_eq!(lab.places(), ["web#0 m2", "web#1 m3"]);
    lab.say("two instances");

    // A move is cold, and says so.
    let (from, to) = (host("m2"), host("m1"));
    let live = ActionKind::Migrate {
        replica: web(0),
        from: from.clone(),
        to: to.clone(),
        mode: MigrationMode::PreCopy,
    };
    let live = lab.request(live);
    assert!(matches!(lab.cluster.submit(&live), Err(SubmitError::Rejected { .. })));
    let moved = lab.order(ActionKind::Migrate { replica: web(0), from, to, mode: MigrationMode::Cold });
    assert!(matches!(moved, ActionOutcome::Done { downtime } if !downtime.is_zero()), "{moved:?}");
    assert_eq!(lab.places(), ["web#0 m1", "web#1 m3"]);

    // A limit that changes is the kernel's.
    assert_eq!(kernel_limit("web-0"), Some(32 << 20));
    let resources = Resources::new(Millicores(200), Bytes::mib(48));
    assert_eq!(
        lab.order(ActionKind::Resize { replica: web(0), host: host("m1"), resources }),
        ActionOutcome::DONE
    );
    assert_eq!(kernel_limit("web-0"), Some(48 << 20));

    // A closed member takes nothing new.
    assert_eq!(lab.order(ActionKind::Cordon { host: host("m2"), closed: true }), ActionOutcome::DONE);
    assert!(matches!(lab.order(Lab::start(2, "m2")), ActionOutcome::Failed { .. }));
    let infra = lab.cluster.infrastructure(&"here".parse().unwrap()).unwrap();
    assert_eq!(infra.hosts()[1].state, HostState::Cordoned);
    assert_eq!(lab.order(ActionKind::Cordon { host: host("m2"), closed: false }), ActionOutcome::DONE);

    // A member is emptied and filled again.
    lab.settle(&lab.cluster.drain(&host("m1")));
    assert_eq!(lab.cluster.members().unwrap()[0].status, MemberStatus::Evacuated);
    assert!(!lab.places().contains(&"web#0 m1".to_owned()), "{:?}", lab.places());
    lab.settle(&lab.cluster.restore(&host("m1")));
    assert_eq!(lab.places(), ["web#0 m1", "web#1 m3"]);

    // One member dies; what is not known of it yet is not made up. The suite goes on with the others.
    lxd.kill(3);
    let died = Instant::now();
    let stop = ActionKind::Stop { replica: web(1), host: host("m3") };
    assert!(matches!(lab.order(stop), ActionOutcome::Failed { .. }), "nobody can say that it is stopped");
    assert!(
        matches!(lab.order(Lab::start(1, "m2")), ActionOutcome::Failed { .. }),
        "it may run where it was"
    );
    let mut quiet = settings(&lxd);
    quiet.every = Duration::from_secs(10);
    let watching = Cluster::connect(quiet).unwrap();
    let detector = std::thread::spawn(move || {
        loop {
            let seen =
                watching.members().ok().and_then(|it| it.into_iter().find(|it| it.host.as_str() == "m3"));
            if seen.is_some_and(|it| it.status == MemberStatus::Offline) {
                return died.elapsed();
            }
            assert!(died.elapsed() < Duration::from_secs(90), "nobody misses the member");
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    let mut scenario = Scenario::new(vec![host("m1"), host("m2")], "probe".parse().unwrap());
    scenario.resources = small();
    scenario.step = Duration::from_millis(20);
    scenario.first_action = 2_000;
    let report = hypervisor(&mut lab.cluster, &scenario, |wait| {
        std::thread::sleep(wait);
        now()
    });
    assert!(report.passed(), "{report}");
    lab.say(&format!("the contract is kept\n{report}"));
    let missed = detector.join().unwrap();
    lab.say(&format!("the dead member was missed after {missed:.1?}"));
    let inventory = lab.cluster.inventory().unwrap();
    assert!(inventory.hosts.iter().all(|it| it.0 != host("m3")), "silence is not an answer");
    assert_eq!(lab.places(), ["web#0 m1"]);

    the_first_controller_is_over(&mut lab, &lxd);

    // What ran on the dead member starts elsewhere, for a controller that knows that it is dead.
    let mut again = lab.request(Lab::start(1, "m2"));
    again.epoch = Epoch(2);
    lab.cluster.submit(&again).unwrap();
    assert_eq!(lab.end(again.id), ActionOutcome::DONE);
    assert_eq!(lab.places(), ["web#0 m1", "web#1 m2"]);
    it_was_measured(&mut lab);
}

/// The suite has ended at epoch 2: the first controller is refused, also if it connects anew.
fn the_first_controller_is_over(lab: &mut Lab, lxd: &Lxd) {
    let mut late = Cluster::connect(settings(lxd)).unwrap();
    let stop = lab.request(ActionKind::Stop { replica: web(0), host: host("m1") });
    late.submit(&stop).unwrap();
    let refused = loop {
        let events = late.poll(now()).unwrap();
        if let Some(HypervisorEvent::Finished { outcome, .. }) =
            events.into_iter().find(|it| matches!(it, HypervisorEvent::Finished { .. }))
        {
            break outcome;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(matches!(&refused, ActionOutcome::Failed { reason } if reason.contains("epoch")), "{refused:?}");
    assert_eq!(lab.places(), ["web#0 m1"]);
}

fn it_was_measured(lab: &mut Lab) {
    let about = |metric| MetricQuery { subject: Subject::Replica(web(0)), metric };
    // A rate needs two measurements since the replica came back to its member, ten seconds apart.
    let begin = Instant::now();
    while lab.cluster.latest(&[about(MetricKind::CpuMillicores)]).unwrap()[0].is_err() {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing is measured");
        std::thread::sleep(Duration::from_millis(200));
    }
    let memory = lab.cluster.latest(&[about(MetricKind::MemoryBytes)]).unwrap()[0].clone().unwrap();
    assert!(memory.value > 10_000.0 && memory.value < f64::from(48 << 20), "{memory:?}");
    let cpu = lab.cluster.latest(&[about(MetricKind::CpuMillicores)]).unwrap()[0].clone().unwrap();
    assert!((0.0..250.0).contains(&cpu.value), "{cpu:?}");
    let end = now();
    let start = Timestamp::from_unix_ms(end.as_unix_ms() - 30_000);
    let query = about(MetricKind::MemoryBytes);
    let series =
        lab.cluster.range(&[RangeQuery { query, start, end, step: Duration::from_secs(5) }]).unwrap();
    let series = series.into_iter().next().unwrap().unwrap();
    assert!(series.values.len() == 6 && series.values.iter().any(|it| it.is_finite()), "{series:?}");
    lab.say(&format!("memory {} bytes, processor {:.1} millicores", memory.value, cpu.value));
}
