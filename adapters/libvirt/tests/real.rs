//! Against two real daemons with `ECO_REAL=1` and the feature `libvirt`.
#![cfg(feature = "libvirt")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod daemons;

use daemons::Daemons;
use ecosystem_core::conformance::{Scenario, hypervisor};
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Bytes, Epoch, HostId, Hypervisor, HypervisorEvent,
    MetricKind, MetricQuery, MetricsSource, MigrationMode, Millicores, QueryError, RangeQuery, ReplicaId,
    ReplicaState, Resources, Subject, SubmitError, Timestamp, Version,
};
use ecosystem_libvirt::{Figure, Fleet, HostSettings, Settings};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).unwrap())
}

fn host(name: &str) -> HostId {
    HostId::new(name).unwrap()
}

fn web() -> ReplicaId {
    ReplicaId::new("web".parse().unwrap(), 0)
}

fn fleet(daemons: &Daemons) -> Fleet {
    let size = Resources::new(Millicores::cores(2), Bytes::mib(256));
    let hosts = ["a", "b"].map(|name| {
        let mut settings = HostSettings::new(host(name), daemons.uri(name), size.clone());
        settings.migrate_uri = Some("tcp://127.0.0.1".into());
        settings
    });
    Fleet::connect(Settings::new(hosts.to_vec(), daemons.template(), daemons.root.join("ledger"))).unwrap()
}

/// Orders in the third epoch, after the suite.
fn order(fleet: &mut Fleet, id: u64, kind: ActionKind) -> ActionOutcome {
    let deadline = now().saturating_add(Duration::from_secs(60));
    fleet
        .submit(&ActionRequest { id: ActionId(id), epoch: Epoch(3), kind, deadline, expected: None })
        .unwrap();
    let begin = Instant::now();
    loop {
        for event in fleet.poll(now()).unwrap() {
            if let HypervisorEvent::Finished { action: ActionId(ended), outcome } = event
                && ended == id
            {
                return outcome;
            }
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "action {id} does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn state(fleet: &mut Fleet, id: u64, on: &str) -> ReplicaState {
    match order(fleet, id, ActionKind::Probe { replica: web(), host: host(on) }) {
        ActionOutcome::Seen { state, .. } => state,
        other => panic!("{other:?}"),
    }
}

/// Waits until a figure of the machine has been told.
fn measured(fleet: &mut Fleet, figure: Figure) -> f64 {
    let begin = Instant::now();
    loop {
        let query = MetricQuery { subject: Subject::Replica(web()), metric: figure.metric() };
        match fleet.latest(&[query]).unwrap().remove(0) {
            Ok(sample) => return sample.value,
            Err(e) => assert!(begin.elapsed() < Duration::from_secs(30), "{figure:?}: {e}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn two_real_daemons_keep_the_contract_pause_measure_and_move_a_machine_while_it_runs() {
    let asked = std::env::var_os("ECO_REAL").is_some_and(|it| it == "1");
    let there = std::process::Command::new("libvirtd").arg("--version").output().is_ok();
    if !asked || !there {
        println!(
            "skipped: real libvirt daemons are started only with ECO_REAL=1 (Debian packages libvirt-daemon-system, libvirt-dev)"
        );
        return;
    }
    let begin = Instant::now();
    let say = |what: &str| println!("{:6.1} s  {what}", begin.elapsed().as_secs_f64());
    let daemons = Daemons::start(&["a", "b"]);
    let mut fleet = fleet(&daemons);
    while fleet.inventory().unwrap().hosts.len() < 2 {
        assert!(begin.elapsed() < Duration::from_secs(60), "the daemons do not answer");
        std::thread::sleep(Duration::from_millis(200));
    }
    say("two daemons");
    let mut scenario = Scenario::new(vec![host("a"), host("b")], "probe".parse().unwrap());
    scenario.step = Duration::from_millis(30);
    let report = hypervisor(&mut fleet, &scenario, |wait| {
        std::thread::sleep(wait);
        now()
    });
    assert!(report.passed(), "{report}");
    say(&format!("the contract is kept\n{report}"));

    let resources = Resources::new(Millicores(500), Bytes::mib(32));
    let (replica, version) = (web(), Version::new("1"));
    let start = ActionKind::Start { replica, host: host("a"), version, resources };
    let again = start.clone();
    assert_eq!(order(&mut fleet, 1_001, start), ActionOutcome::DONE);
    fleet.pause(&host("a"), &web(), true).unwrap();
    assert_eq!(state(&mut fleet, 1_002, "a"), ReplicaState::Unhealthy);
    fleet.pause(&host("a"), &web(), false).unwrap();
    assert_eq!(state(&mut fleet, 1_003, "a"), ReplicaState::Running);
    for figure in [
        Figure::Processor,
        Figure::Memory,
        Figure::Balloon,
        Figure::BusiestVcpu,
        Figure::VcpuDelay,
        Figure::DiskRead,
        Figure::DiskWrites,
    ] {
        say(&format!("{figure:?}: {}", measured(&mut fleet, figure)));
    }
    let (cpu, memory) = (measured(&mut fleet, Figure::Processor), measured(&mut fleet, Figure::Memory));
    assert!((0.0..2_000.0).contains(&cpu) && memory > 1e6, "{cpu} millicores, {memory} bytes");
    let balloon = measured(&mut fleet, Figure::Balloon);
    assert!((balloon - 32.0 * 1_048_576.0).abs() < 1.0, "{balloon}");
    let unknown = MetricQuery { subject: Subject::Replica(web()), metric: MetricKind::LatencyMs };
    assert!(matches!(fleet.latest(&[unknown]).unwrap()[0], Err(QueryError::Unknown { .. })));

    // A machine that ends by itself leaves its description; it is started anew, and its counters begin at zero.
    daemons.kill_machines();
    let begin = Instant::now();
    let mut looks = 1_010..;
    while state(&mut fleet, looks.next().unwrap(), "a") != ReplicaState::Stopped {
        assert!(begin.elapsed() < Duration::from_secs(30), "a machine that was killed is said to run");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(order(&mut fleet, 100_000, again), ActionOutcome::DONE);
    let since = now();
    let query = || MetricQuery { subject: Subject::Replica(web()), metric: MetricKind::CpuMillicores };
    let begin = Instant::now();
    let fresh = loop {
        match fleet.latest(&[query()]).unwrap().remove(0) {
            Ok(sample) if sample.at > since => break sample.value,
            _ => assert!(begin.elapsed() < Duration::from_secs(30), "no rate after the machine came back"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let series = RangeQuery { query: query(), start: since, end: now(), step: Duration::from_millis(100) };
    let series = fleet.range(&[series]).unwrap().remove(0).unwrap();
    let all = series.values.iter().chain([&fresh]);
    assert!(all.clone().all(|it| it.is_nan() || (0.0..4_000.0).contains(it)), "{series:?}, {fresh}");
    say(&format!("started anew after it was killed: {fresh:.0} millicores"));

    let (from, to, mode) = (host("a"), host("b"), MigrationMode::PreCopy);
    let moved = order(&mut fleet, 200_004, ActionKind::Migrate { replica: web(), from, to, mode });
    assert!(matches!(moved, ActionOutcome::Done { downtime } if !downtime.is_zero()), "{moved:?}");
    say(&format!("moved while it ran: {moved:?}"));
    assert_eq!(
        (state(&mut fleet, 200_005, "a"), state(&mut fleet, 200_006, "b")),
        (ReplicaState::Stopped, ReplicaState::Running)
    );

    // The first controller is over, also for a process that starts anew.
    let mut late = self::fleet(&daemons);
    let kind = ActionKind::Stop { replica: web(), host: host("b") };
    let stop = ActionRequest {
        id: ActionId(200_007),
        epoch: Epoch(1),
        kind: kind.clone(),
        deadline: now(),
        expected: None,
    };
    assert!(matches!(late.submit(&stop), Err(SubmitError::Rejected { reason }) if reason.contains("epoch")));
    assert_eq!(order(&mut fleet, 200_008, kind), ActionOutcome::DONE);
    assert!(fleet.inventory().unwrap().replicas.is_empty());
}
