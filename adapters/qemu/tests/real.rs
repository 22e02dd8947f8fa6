//! Against real QEMU processes, with `ECO_REAL=1`.
#![allow(clippy::unwrap_used, reason = "tests")]

use ecosystem_core::conformance::{Scenario, hypervisor};
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Bytes, Epoch, HostId, Hypervisor, HypervisorEvent,
    MetricKind, MetricQuery, MetricsSource, MigrationMode, Millicores, NetworkPolicy, ReplicaId,
    ReplicaState, Resources, Subject, SubmitError, Timestamp, Version,
};
use ecosystem_qemu::{Fleet, FleetSettings, Observer, guest};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn now() -> Timestamp {
    Timestamp::from_unix_ms(
        u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap(),
    )
}

fn real() -> bool {
    if std::env::var_os("ECO_REAL").is_some_and(|it| it == "1") {
        return true;
    }
    println!("skipped: real QEMU machines are started only with ECO_REAL=1 (Debian package qemu-system-x86)");
    false
}

fn host(name: &str) -> HostId {
    HostId::new(name).unwrap()
}

fn replica(index: u32) -> ReplicaId {
    ReplicaId::new("web".parse().unwrap(), index)
}

/// A fleet that dies with the test.
struct Lab {
    fleet: Fleet,
    settings: FleetSettings,
    next: u64,
    events: Vec<HypervisorEvent>,
}

impl Lab {
    fn new(name: &str, hosts: &[&str]) -> Self {
        let root = PathBuf::from(format!("/tmp/eco-{name}-{}", std::process::id()));
        let size = Resources::new(Millicores::cores(2), Bytes::mib(256));
        let hosts = hosts.iter().map(|name| (host(name), size.clone())).collect();
        let settings = FleetSettings::new(root, env!("CARGO_BIN_EXE_eco-host"), hosts);
        let mut fleet = Fleet::connect(settings.clone()).unwrap();
        for (id, _) in &settings.hosts {
            fleet.power_on(id).unwrap();
        }
        Self { fleet, settings, next: 1, events: Vec::new() }
    }

    /// With the dials as what is true.
    fn writes_are_measured(&self) {
        let (host, replica) = (host("h1"), replica(0));
        let measure = |looks: &[u64]| {
            let looks: Vec<Duration> = looks.iter().map(|it| Duration::from_millis(*it)).collect();
            self.fleet.writing(&host, &replica, &looks).unwrap()
        };
        let rest = measure(&[200]);
        assert!(rest.filled < 1 << 20 && rest.written[0].1 < 64 << 10, "a guest at rest: {rest:?}");
        for byte in [guest::window(4), guest::dirty(6)] {
            self.fleet.dial(&host, &replica, byte).unwrap();
        }
        let (begin, window) = (Instant::now(), 4 << 20);
        let busy = loop {
            let seen = measure(&[300, 1_500]);
            if seen.filled >= window && seen.written[1].1 >= window {
                break seen;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "the window does not fill: {seen:?}");
        };
        println!("64 pages a tick are written in 4 MiB (4.8 MB/s): {busy:?}");
        let (early, late) = (busy.written[0], busy.written[1]);
        assert!(early.1 > 64 << 10 && early.1 <= late.1, "{busy:?}");
        assert!(late.1 < window + (256 << 10) && busy.filled < window + (1 << 20), "{busy:?}");
        self.fleet.pause(&host, &replica, true).unwrap();
        assert_eq!(measure(&[200]).written[0].1, 0, "a machine that stands still");
        self.fleet.pause(&host, &replica, false).unwrap();
        self.fleet.dial(&host, &replica, guest::dirty(0)).unwrap();
        let backwards = [Duration::from_millis(2), Duration::from_millis(1)];
        assert!(self.fleet.writing(&host, &replica, &backwards).is_err());
    }

    fn request(&mut self, kind: ActionKind) -> ActionRequest {
        self.next += 1;
        let deadline = now().saturating_add(Duration::from_secs(60));
        ActionRequest { id: ActionId(self.next), epoch: Epoch(1), kind, deadline, expected: None }
    }

    fn await_end(&mut self, id: ActionId) -> ActionOutcome {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            self.events.extend(self.fleet.poll(now()).unwrap());
            let end = self.events.iter().find_map(|event| match event {
                HypervisorEvent::Finished { action, outcome } if *action == id => Some(outcome.clone()),
                _ => None,
            });
            if let Some(outcome) = end {
                return outcome;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("action {id} does not end")
    }

    fn order(&mut self, kind: ActionKind) -> ActionOutcome {
        let request = self.request(kind);
        self.fleet.submit(&request).unwrap();
        self.await_end(request.id)
    }

    fn start(&mut self, index: u32, on: &str, mib: u64) {
        let resources = Resources::new(Millicores(600), Bytes::mib(mib));
        let kind = ActionKind::Start {
            replica: replica(index),
            host: host(on),
            version: Version::new("1"),
            resources,
        };
        assert_eq!(self.order(kind), ActionOutcome::DONE);
    }

    fn migrate(&mut self, index: u32, from: &str, to: &str, mode: MigrationMode) -> ActionRequest {
        let kind = ActionKind::Migrate { replica: replica(index), from: host(from), to: host(to), mode };
        let request = self.request(kind);
        self.fleet.submit(&request).unwrap();
        request
    }

    fn observed(&self) -> Vec<String> {
        let seen = Observer::new(&self.settings.root).running();
        seen.into_iter()
            .flat_map(|(id, places)| places.into_iter().map(move |it| format!("{id} {it}")))
            .collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for (id, _) in &self.settings.hosts {
            drop(self.fleet.wake(id));
            drop(self.fleet.kill(id));
        }
        drop(std::fs::remove_dir_all(&self.settings.root));
    }
}

#[test]
fn qemu_hosts_keep_the_contract() {
    if !real() {
        return;
    }
    let mut lab = Lab::new("contract", &["h1", "h2", "h3"]);
    let mut scenario = Scenario::new(vec![host("h1"), host("h2")], "probe".parse().unwrap());
    scenario.resources = Resources::new(Millicores(600), Bytes::mib(16));
    scenario.step = Duration::from_millis(50);
    scenario.fence = Some(host("h3"));
    let report = hypervisor(&mut lab.fleet, &scenario, |wait| {
        std::thread::sleep(wait);
        now()
    });
    assert!(report.passed(), "{report}");
    println!("{report}");
}

#[test]
fn moves_keep_one_instance_and_failed_ones_leave_it_where_it_was() {
    if !real() {
        return;
    }
    let mut lab = Lab::new("moves", &["h1", "h2"]);
    lab.start(0, "h1", 48);
    // Post-copy and back, while the guest writes.
    lab.fleet.dial(&host("h1"), &replica(0), guest::window(24)).unwrap();
    lab.fleet.dial(&host("h1"), &replica(0), guest::dirty(9)).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let there = lab.migrate(0, "h1", "h2", MigrationMode::PostCopy);
    assert!(matches!(lab.await_end(there.id), ActionOutcome::Done { .. }));
    assert_eq!(lab.observed(), ["web#0 h2"]);
    // So slow that it does not end; aborted.
    lab.fleet.limit_migrations(&host("h2"), 1 << 20, Duration::from_millis(10)).unwrap();
    let slow = lab.migrate(0, "h2", "h1", MigrationMode::PreCopy);
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(lab.order(ActionKind::Abort { action: slow.id }), ActionOutcome::DONE);
    assert!(matches!(lab.await_end(slow.id), ActionOutcome::Failed { .. }));
    assert_eq!(lab.observed(), ["web#0 h2"]);
    // The target dies in the middle.
    let doomed = lab.migrate(0, "h2", "h1", MigrationMode::PreCopy);
    std::thread::sleep(Duration::from_millis(700));
    lab.fleet.kill(&host("h1")).unwrap();
    assert!(matches!(lab.await_end(doomed.id), ActionOutcome::Failed { .. }));
    assert_eq!(lab.observed(), ["web#0 h2"]);
    // And once more at full speed, with its figures.
    lab.fleet.power_on(&host("h1")).unwrap();
    lab.fleet.dial(&host("h2"), &replica(0), guest::dirty(0)).unwrap();
    lab.fleet.limit_migrations(&host("h2"), 1 << 30, Duration::from_millis(300)).unwrap();
    let last = lab.migrate(0, "h2", "h1", MigrationMode::PreCopy);
    assert!(matches!(lab.await_end(last.id), ActionOutcome::Done { .. }));
    std::thread::sleep(Duration::from_millis(1_200));
    let measured = lab.fleet.migrations().into_iter().find(|it| it.action == last.id).unwrap();
    // The window the guest wrote is what had to travel.
    assert!(measured.arrived && measured.sent > 16 << 20, "{measured:?}");
}

#[test]
fn a_hung_host_that_wakes_up_runs_nothing_twice_and_a_new_controller_knows_what_was_done() {
    if !real() {
        return;
    }
    let mut lab = Lab::new("hang", &["h1", "h2"]);
    lab.start(0, "h1", 16);
    let start = lab.request(ActionKind::Stop { replica: replica(5), host: host("h2") });
    lab.fleet.submit(&start).unwrap();
    lab.fleet.hang(&host("h1")).unwrap();
    let stuck = lab.request(ActionKind::Stop { replica: replica(0), host: host("h1") });
    assert!(matches!(lab.fleet.submit(&stuck), Err(SubmitError::Unknown(_))));
    assert!(
        lab.fleet.inventory().unwrap().hosts.iter().all(|(id, _)| *id != host("h1")),
        "silence is not an answer"
    );
    assert_eq!(lab.order(ActionKind::Fence { host: host("h1") }), ActionOutcome::DONE);
    lab.start(0, "h2", 16);
    lab.fleet.wake(&host("h1")).unwrap();
    assert_eq!(lab.observed(), ["web#0 h2"]);
    // The controller dies; another one, with a higher epoch.
    let old = std::mem::replace(&mut lab.fleet, Fleet::connect(lab.settings.clone()).unwrap());
    let mut old = old;
    // It says so before it orders anything, and from then on the first one is over.
    let told = lab.fleet.reign(Epoch(2)).unwrap();
    assert!(told.contains(&host("h2")), "{told:?}");
    let early = lab.request(ActionKind::Stop { replica: replica(0), host: host("h2") });
    assert!(matches!(old.submit(&early), Err(SubmitError::Rejected { .. })), "refused by the host");
    assert!(old.reign(Epoch(1)).is_err(), "nor does it rule again");
    let mut again = start.clone();
    again.epoch = Epoch(2);
    lab.fleet.submit(&again).unwrap();
    assert_eq!(lab.await_end(start.id), ActionOutcome::DONE);
    let late = lab.request(ActionKind::Stop { replica: replica(0), host: host("h2") });
    assert!(matches!(old.submit(&late), Err(SubmitError::Rejected { .. })), "the first controller is over");
    let fence = lab.request(ActionKind::Fence { host: host("h2") });
    let mut second = fence.clone();
    second.epoch = Epoch(2);
    second.kind = ActionKind::Power { host: host("h1"), on: true };
    lab.fleet.submit(&second).unwrap();
    assert!(matches!(old.submit(&fence), Err(SubmitError::Rejected { .. })), "nor may it fence");
    assert_eq!(lab.observed(), ["web#0 h2"]);
}

#[test]
fn a_start_that_arrives_after_a_later_stop_starts_nothing() {
    if !real() {
        return;
    }
    let mut lab = Lab::new("order", &["h1"]);
    let resources = Resources::new(Millicores(600), Bytes::mib(16));
    let kind =
        ActionKind::Start { replica: replica(0), host: host("h1"), version: Version::new("1"), resources };
    let start = lab.request(kind);
    let stop = lab.request(ActionKind::Stop { replica: replica(0), host: host("h1") });
    assert_eq!(
        lab.fleet.submit(&stop).map(|()| lab.await_end(stop.id)).unwrap(),
        ActionOutcome::DONE,
        "what does not run is stopped"
    );
    // The order that a network or a queue held back.
    assert!(matches!(lab.fleet.submit(&start), Err(SubmitError::Rejected { .. })));
    assert!(lab.observed().is_empty());
    // A new order is another matter.
    lab.start(0, "h1", 16);
    assert_eq!(lab.observed(), ["web#0 h1"]);
}

#[test]
fn load_shows_and_a_snapshot_comes_back() {
    if !real() {
        return;
    }
    let mut lab = Lab::new("load", &["h1"]);
    lab.start(0, "h1", 16);
    let cpu = [MetricQuery {
        subject: Subject::Component("web".parse().unwrap()),
        metric: MetricKind::CpuMillicores,
    }];
    std::thread::sleep(Duration::from_secs(3));
    let idle = lab.fleet.latest(&cpu).unwrap()[0].clone().unwrap().value;
    lab.writes_are_measured();
    lab.fleet.dial(&host("h1"), &replica(0), guest::load(16)).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let busy = lab.fleet.latest(&cpu).unwrap()[0].clone().unwrap().value;
    assert!(busy > idle * 1.5 + 20.0, "idle {idle}, busy {busy}");
    let place = || (replica(0), host("h1"));
    let (who, on) = place();
    assert_eq!(
        lab.order(ActionKind::Snapshot { replica: who, host: on, name: "s1".into() }),
        ActionOutcome::DONE
    );
    let (who, on) = place();
    assert_eq!(
        lab.order(ActionKind::Restore { replica: who, host: on, name: "s1".into() }),
        ActionOutcome::DONE
    );
    let (who, on) = place();
    let seen = lab.order(ActionKind::Probe { replica: who, host: on });
    assert_eq!(seen, ActionOutcome::Seen { state: ReplicaState::Running, version: Version::new("1") });
    // Cut off, and so is what starts later; a filter is more than a host can do.
    let component = replica(0).component().clone();
    let cut = |policy| ActionKind::ApplyNetworkPolicy { component: component.clone(), policy };
    assert!(matches!(lab.order(cut(NetworkPolicy::DeclaredOnly)), ActionOutcome::Failed { .. }));
    assert_eq!(lab.order(cut(NetworkPolicy::Quarantine)), ActionOutcome::DONE);
    assert_eq!(lab.fleet.inventory().unwrap().policies, [(component.clone(), NetworkPolicy::Quarantine)]);
    lab.start(1, "h1", 16);
    let lift = ActionKind::RemoveNetworkPolicy { component: component.clone() };
    assert_eq!(lab.order(lift), ActionOutcome::DONE);
    assert!(lab.fleet.inventory().unwrap().policies.is_empty());
    let (who, on) = (replica(1), host("h1"));
    assert_eq!(lab.order(ActionKind::Stop { replica: who, host: on }), ActionOutcome::DONE);
    lab.fleet.pause(&host("h1"), &replica(0), true).unwrap();
    assert!(lab.observed().is_empty());
    lab.fleet.pause(&host("h1"), &replica(0), false).unwrap();
    assert_eq!(lab.observed(), ["web#0 h1"]);
}
