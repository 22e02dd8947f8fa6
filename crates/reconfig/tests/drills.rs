//! Whole stories through engine and simulator, invariants checked at every step.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common;

use common::{cid, hid, infrastructure, rid, shop, spread, story};
use ecosystem_core::Version;
use ecosystem_reconfig::sim::{Drill, Fault, Load, SimSettings, TimelineKind};
use ecosystem_reconfig::{Event, Order, Scope, Settings, Severity};
use std::sync::Arc;
use std::time::Duration;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn drill() -> Drill {
    Drill::new(Settings::default(), &shop(), &infrastructure(6), &spread(), SimSettings::default()).unwrap()
}

fn assert_sound(drill: &Drill) {
    assert!(drill.violations().is_empty(), "{:#?}\n{}", drill.violations(), story(drill));
}

fn assert_settled(drill: &Drill) {
    assert_sound(drill);
    assert!(drill.engine().unwrap().is_settled(), "{}", story(drill));
}

fn first(drill: &Drill, code: &str) -> u64 {
    let entry = drill.timeline().iter().find(|entry| entry.code == code);
    entry.unwrap_or_else(|| panic!("no `{code}` in\n{}", story(drill))).at.as_unix_ms()
}

fn count(drill: &Drill, code: &str) -> usize {
    drill.timeline().iter().filter(|entry| entry.code == code).count()
}

#[test]
fn a_quiet_fleet_stays_as_it_is() {
    let mut drill = drill();
    drill.run_for(secs(3_600));
    assert_settled(&drill);
    assert_eq!(drill.engine().unwrap().placement(), spread());
    assert_eq!(drill.timeline().iter().filter(|e| e.kind == TimelineKind::Order).count(), 0);
}

#[test]
fn a_dead_host_is_fenced_before_its_replicas_start_elsewhere_within_forty_seconds() {
    let mut drill = drill();
    drill.fault_at(secs(60), Fault::HostCrash(hid("h1")));
    drill.run_for(secs(300));
    assert_settled(&drill);
    assert!(first(&drill, "fence") < first(&drill, "host-dead"));
    assert!(first(&drill, "host-dead") <= first(&drill, "start"));
    assert!(first(&drill, "start") <= 60_000 + 40_000, "{}", story(&drill));
    let placement = drill.engine().unwrap().placement();
    assert_ne!(placement.host_of(&rid("api", 0)), Some(&hid("h1")));
    assert_ne!(placement.host_of(&rid("web", 1)), Some(&hid("h1")));
}

#[test]
fn a_partitioned_host_is_fenced_although_its_replicas_still_run() {
    let mut drill = drill();
    drill.fault_at(secs(60), Fault::HostPartition(hid("h0")));
    drill.run_for(secs(300));
    assert_settled(&drill);
    assert_eq!(count(&drill, "fence"), 1);
}

#[test]
fn a_host_that_answers_again_in_time_is_not_fenced() {
    let mut drill = drill();
    drill.fault_at(secs(60), Fault::HostHang(hid("h0")));
    drill.fault_at(secs(75), Fault::HostRepaired(hid("h0")));
    drill.run_for(secs(300));
    assert_settled(&drill);
    assert_eq!((count(&drill, "fence"), count(&drill, "host-answers")), (0, 1));
}

#[test]
fn many_silent_hosts_at_once_are_not_fenced_without_approval() {
    let mut drill = drill();
    drill.set_approvals(ecosystem_reconfig::sim::Approvals::ByScript);
    for h in ["h0", "h1", "h2"] {
        drill.fault_at(secs(60), Fault::HostPartition(hid(h)));
        drill.fault_at(secs(400), Fault::HostRepaired(hid(h)));
    }
    drill.run_for(secs(900));
    assert_settled(&drill);
    assert_eq!((count(&drill, "fence"), count(&drill, "approval")), (0, 1));
    assert_eq!(drill.engine().unwrap().placement(), spread());
}

#[test]
fn a_host_that_cannot_be_fenced_needs_a_persons_word() {
    let mut drill = drill();
    drill.fault_at(secs(10), Fault::FenceBroken(hid("h0")));
    drill.fault_at(secs(60), Fault::HostCrash(hid("h0")));
    drill.run_for(secs(900));
    assert_settled(&drill);
    assert_eq!(count(&drill, "fence"), 3);
    assert!(first(&drill, "approval-answer") <= first(&drill, "start"));
}

#[test]
fn a_crashed_replica_is_restarted_where_it_was() {
    let mut drill = drill();
    drill.fault_at(secs(60), Fault::ReplicaCrash(rid("db", 0)));
    drill.run_for(secs(120));
    assert_settled(&drill);
    assert_eq!(drill.engine().unwrap().placement(), spread());
    assert_eq!(count(&drill, "start"), 1);
}

#[test]
fn rising_load_adds_replicas_and_falling_load_takes_them_away() {
    let mut drill = drill();
    drill.load_at(secs(1), cid("web"), Load::Constant(1_800.0));
    drill.load_at(secs(600), cid("web"), Load::Constant(3_600.0));
    drill.run_for(secs(1_200));
    assert_settled(&drill);
    assert_eq!(drill.engine().unwrap().desired(&cid("web")), 6, "{}", story(&drill));
    drill.load_at(secs(1_200), cid("web"), Load::Constant(1_000.0));
    drill.run_for(secs(1_200));
    assert_settled(&drill);
    assert_eq!(drill.engine().unwrap().desired(&cid("web")), 2, "{}", story(&drill));
}

#[test]
fn a_compromised_component_is_cut_rebuilt_and_reconnected_only_by_approval() {
    let mut drill = drill();
    let alert = Event::SecurityAlert { component: cid("api"), why: Arc::from("unknown process") };
    drill.event_at(secs(60), alert);
    drill.run_for(secs(900));
    assert_settled(&drill);
    let steps = [
        "cut-network",
        "rotate-credentials",
        "snapshot",
        "stop",
        "start",
        "rebuilt",
        "approval",
        "approval-answer",
        "reconnect-network",
    ];
    let times: Vec<u64> = steps.iter().map(|code| first(&drill, code)).collect();
    assert!(times[..4].is_sorted() && times[5..].is_sorted(), "{steps:?} {times:?}\n{}", story(&drill));
    // Clean replicas have new numbers and run on other hosts.
    let hosts: Vec<String> = drill
        .engine()
        .unwrap()
        .replicas()
        .filter(|it| it.replica.component() == &cid("api"))
        .map(|it| it.hosts[0].to_string())
        .collect();
    assert!(!hosts.contains(&"h1".to_owned()) && !hosts.contains(&"h2".to_owned()), "{hosts:?}");
    assert_eq!(drill.simulator().policy(&cid("api")), None);
}

#[test]
fn a_refused_approval_keeps_a_component_isolated() {
    let mut drill = drill();
    drill.set_approvals(ecosystem_reconfig::sim::Approvals::RefuseAfter(secs(30)));
    drill.event_at(secs(60), Event::SecurityAlert { component: cid("api"), why: Arc::from("test") });
    drill.run_for(secs(3_600));
    assert_sound(&drill);
    assert_eq!(drill.engine().unwrap().isolation(&cid("api")), Some("held"));
    assert_eq!(count(&drill, "reconnect-network"), 0);
}

#[test]
fn new_versions_roll_out_dependencies_first() {
    let mut drill = drill();
    for name in ["api", "web"] {
        drill.event_at(secs(60), Event::NewVersion { component: cid(name), version: Version::new("2.0") });
    }
    drill.run_for(secs(900));
    assert_settled(&drill);
    let starts: Vec<&str> = drill
        .timeline()
        .iter()
        .filter(|entry| entry.code == "rollout-started")
        .map(|entry| entry.subject.as_str())
        .collect();
    assert_eq!(starts, ["api", "web"]);
    assert!(
        drill
            .engine()
            .unwrap()
            .replicas()
            .filter(|it| it.replica.component() == &cid("web"))
            .all(|it| it.version.as_str() == "2.0")
    );
}

#[test]
fn a_bad_version_is_taken_back_without_losing_service() {
    let mut drill = drill();
    drill.fault_at(secs(10), Fault::BadVersion(cid("web"), Version::new("2.0")));
    drill.event_at(secs(60), Event::NewVersion { component: cid("web"), version: Version::new("2.0") });
    drill.run_for(secs(1_800));
    assert_settled(&drill);
    assert_eq!((count(&drill, "rollback-started"), count(&drill, "rollback-done")), (1, 1));
    assert!(drill.engine().unwrap().replicas().all(|it| it.version.as_str() == "1.0"));
}

#[test]
fn a_major_bug_report_takes_a_rolling_version_back() {
    let mut drill = drill();
    drill.event_at(secs(60), Event::NewVersion { component: cid("web"), version: Version::new("2.0") });
    let report = Event::BugReport {
        component: cid("web"),
        version: Version::new("2.0"),
        severity: Severity::Major,
        why: Arc::from("wrong totals"),
    };
    drill.event_at(secs(70), report);
    drill.run_for(secs(900));
    assert_settled(&drill);
    assert!(drill.engine().unwrap().replicas().all(|it| it.version.as_str() == "1.0"));
    let again = Event::NewVersion { component: cid("web"), version: Version::new("2.0") };
    drill.event_at(secs(1_000), again);
    drill.run_for(secs(900));
    assert_eq!(count(&drill, "version-blocked"), 1);
}

#[test]
fn a_degraded_host_is_emptied_by_migration_before_it_fails() {
    let mut drill = drill();
    let expected = Event::PredictedFailure { host: hid("h0"), within: secs(1_800), permille: 900 };
    drill.event_at(secs(60), expected);
    drill.fault_at(secs(600), Fault::HostCrash(hid("h0")));
    drill.run_for(secs(900));
    assert_settled(&drill);
    assert_eq!((count(&drill, "migrate"), count(&drill, "start")), (2, 0));
}

#[test]
fn a_drained_host_is_emptied_and_taken_back_on_order() {
    let mut drill = drill();
    let order = |order| Event::Order { order, by: Arc::from("ann") };
    drill.event_at(secs(60), order(Order::Drain(hid("h2"))));
    drill.event_at(secs(600), order(Order::Restore(hid("h2"))));
    drill.event_at(secs(660), order(Order::Move(rid("web", 2), hid("h2"))));
    drill.run_for(secs(900));
    assert_settled(&drill);
    assert_eq!(drill.engine().unwrap().placement().host_of(&rid("web", 2)), Some(&hid("h2")));
    assert_eq!(count(&drill, "migrate"), 3);
}

#[test]
fn nothing_happens_to_frozen_components() {
    let mut drill = drill();
    let order = |order| Event::Order { order, by: Arc::from("ann") };
    drill.event_at(secs(30), order(Order::Freeze(Scope::Component(cid("db")))));
    drill.fault_at(secs(60), Fault::ReplicaCrash(rid("db", 0)));
    drill.run_for(secs(600));
    assert_sound(&drill);
    assert_eq!(count(&drill, "start"), 0);
    drill.event_at(secs(700), order(Order::Thaw(Scope::Component(cid("db")))));
    drill.run_for(secs(200));
    assert_settled(&drill);
    assert_eq!(count(&drill, "start"), 1);
}

#[test]
fn what_has_no_host_waits_and_starts_when_one_returns() {
    let settings = Settings::default();
    let mut drill =
        Drill::new(settings, &shop(), &infrastructure(4), &spread(), SimSettings::default()).unwrap();
    drill.fault_at(secs(60), Fault::HostCrash(hid("h1")));
    drill.fault_at(secs(120), Fault::HostCrash(hid("h2")));
    drill.fault_at(secs(200), Fault::HostCrash(hid("h3")));
    drill.run_for(secs(900));
    assert_sound(&drill);
    assert!(count(&drill, "unplaceable") > 0, "{}", story(&drill));
    drill.fault_at(secs(1_000), Fault::HostRepaired(hid("h3")));
    drill.fault_at(secs(1_000), Fault::HostRepaired(hid("h2")));
    drill.run_for(secs(300));
    assert_settled(&drill);
}

#[test]
fn an_engine_that_crashes_in_the_middle_of_a_recovery_goes_on_where_it_was() {
    let mut drill = drill();
    drill.fault_at(secs(60), Fault::HostCrash(hid("h1")));
    for second in [75, 82, 86, 90, 96] {
        drill.at(secs(second), ecosystem_reconfig::sim::Input::EngineCrash);
    }
    drill.run_for(secs(600));
    assert_settled(&drill);
    assert!(drill.crashes() >= 3);
}

#[test]
fn noisy_load_around_a_threshold_does_not_make_a_component_flap() {
    let mut drill = drill();
    // Uniform noise around the target, well beyond the tolerance on both sides, for a day.
    let mut seed = 9_u64;
    let values = (0..5_760)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            1_500.0 + f64::from(u32::try_from(seed >> 33).unwrap() % 700)
        })
        .collect();
    let start = ecosystem_core::Timestamp::from_unix_ms(0);
    let load = Load::Series { start, step: secs(15), values };
    drill.load_at(secs(1), cid("web"), load);
    drill.run_for(secs(86_400));
    assert_settled(&drill);
    let changes = count(&drill, "scale-out") + count(&drill, "scale-in");
    // 5,760 measurements, of which a third are beyond the band: never more than one change per hour.
    assert!(changes <= 24, "{changes} changes\n{}", story(&drill));
}

#[test]
fn with_the_phi_detector_silence_is_noticed_sooner() {
    let mut settings = Settings::default();
    settings.detection.suspect_after = secs(60);
    settings.detection.detector = ecosystem_reconfig::Detector::Phi { interval_ms: 5_000 };
    let mut drill =
        Drill::new(settings, &shop(), &infrastructure(6), &spread(), SimSettings::default()).unwrap();
    drill.fault_at(secs(600), Fault::HostCrash(hid("h1")));
    drill.run_for(secs(900));
    assert_settled(&drill);
    let suspect = first(&drill, "host-suspect");
    assert!((600_000..=620_000).contains(&suspect), "{suspect}");
}
