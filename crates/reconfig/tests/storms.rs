//! Random storms of faults, events and orders: S1 to S9 hold at every step, and after the storm everything runs.
//!
//! 160 cases by default; `PROPTEST_CASES=10000` is the slow tier.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common;

use common::{cid, hid, infrastructure, rid, shop, spread, story};
use ecosystem_core::{Bytes, Millicores, Resources, Version};
use ecosystem_reconfig::sim::{Approvals, Drill, Fault, Input, Load, SimSettings};
use ecosystem_reconfig::{DeathEvidence, Engine, Event, Order, Scope, Settings, Severity};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const COMPONENTS: [&str; 4] = ["web", "api", "db", "cache"];
const STORM_S: u64 = 1_800;
/// After the last fault everything placeable runs within this time; `docs/reconfiguration.md` derives the bound.
const SETTLED_AFTER_S: u64 = 3_600;

/// What a component of the shop has by its map, times a factor.
fn size(a: u8, factor: u64) -> Resources {
    let cores = [1, 2, 4, 1][usize::from(a % 4)];
    Resources::new(Millicores::cores(cores * factor), Bytes::gib(cores * factor * 2))
}

fn input(kind: u8, a: u8, b: u8) -> Input {
    let host = || hid(&format!("h{}", a % 6));
    let component = || cid(COMPONENTS[a as usize % 4]);
    let replica = || rid(COMPONENTS[a as usize % 4], u32::from(b % 4));
    let version = || Version::new(["1.0", "1.1", "2.0"][b as usize % 3]);
    let why = || Arc::from("storm");
    let order = |order| Input::Event(Event::Order { order, by: Arc::from("ann") });
    match kind % 28 {
        0 | 1 => Input::Fault(Fault::HostCrash(host())),
        2 => Input::Fault(Fault::HostHang(host())),
        3 => Input::Fault(Fault::HostPartition(host())),
        4..=6 => Input::Fault(Fault::HostRepaired(host())),
        7 => Input::Fault(Fault::FenceBroken(host())),
        8 => Input::Fault(Fault::ReplicaCrash(replica())),
        9 => Input::Fault(Fault::ReplicaUnhealthy(replica())),
        10 => Input::Fault(Fault::BadVersion(component(), Version::new("2.0"))),
        11 => Input::Event(Event::SecurityAlert { component: component(), why: why() }),
        12 => Input::Event(Event::NewVersion { component: component(), version: version() }),
        13 => {
            let severity = [Severity::Minor, Severity::Major, Severity::Critical][a as usize % 3];
            Input::Event(Event::BugReport {
                component: component(),
                version: version(),
                severity,
                why: why(),
            })
        }
        14 => Input::Event(Event::PredictedFailure {
            host: host(),
            within: Duration::from_secs(600),
            permille: 800,
        }),
        15 => order(Order::Drain(host())),
        16 => order(Order::Restore(host())),
        17 => order(Order::SetReplicas(component(), u32::from(b % 4))),
        18 => order(Order::Move(replica(), host())),
        19 => order(Order::Freeze(if b.is_multiple_of(2) {
            Scope::Component(component())
        } else {
            Scope::Host(host())
        })),
        20 => order(Order::Thaw(if b.is_multiple_of(2) {
            Scope::Component(component())
        } else {
            Scope::Host(host())
        })),
        21 => Input::Load(cid("web"), Load::Constant(f64::from(b) * 20.0)),
        22 => Input::EngineCrash,
        23 | 24 => order(Order::Resize(component(), size(a, 1 + u64::from(b % 2)))),
        25 | 26 => Input::Event(Event::Plan {
            moves: (0..=b % 3)
                .map(|k| {
                    let name = COMPONENTS[usize::from(a / 4 + k) % 4];
                    (rid(name, u32::from(b / 4 % 3)), hid(&format!("h{}", (a % 6 + k) % 6)))
                })
                .collect(),
            gain: None,
            why: why(),
        }),
        _ => Input::Event(Event::HostSuspect { host: host(), why: why() }),
    }
}

fn run(seed: u64, inputs: &[(u16, u8, u8, u8)], crashes: u32) -> Drill {
    let mut drill =
        Drill::new(Settings::default(), &shop(), &infrastructure(6), &spread(), SimSettings::hostile(seed))
            .unwrap();
    drill.set_approvals(Approvals::GrantAfter(Duration::from_secs(60)));
    drill.set_engine_crashes(crashes);
    for &(at, kind, a, b) in inputs {
        drill.at(Duration::from_secs(u64::from(at) % STORM_S), input(kind, a, b));
    }
    let end = Duration::from_secs(STORM_S);
    drill.at(end, Input::Calm);
    let order = |order| Input::Event(Event::Order { order, by: Arc::from("ann") });
    drill.at(end, order(Order::Thaw(Scope::All)));
    for component in COMPONENTS {
        drill.at(end, order(Order::Thaw(Scope::Component(cid(component)))));
    }
    for h in 0..6 {
        drill.at(end, order(Order::Thaw(Scope::Host(hid(&format!("h{h}"))))));
        // Repeated because a message to an engine that is just down is lost.
        for again in [60, 120] {
            drill.at(end + Duration::from_secs(again), order(Order::Restore(hid(&format!("h{h}")))));
            drill
                .at(end + Duration::from_secs(again), order(Order::Thaw(Scope::Host(hid(&format!("h{h}"))))));
        }
    }
    for (component, a) in COMPONENTS.into_iter().zip(0..) {
        for again in [60, 120, 600] {
            drill.at(end + Duration::from_secs(again), order(Order::Resize(cid(component), size(a, 1))));
        }
        for again in [60, 120] {
            let thaw = order(Order::Thaw(Scope::Component(cid(component))));
            drill.at(end + Duration::from_secs(again), thaw);
        }
        drill.at(end, Input::Load(cid(component), Load::Constant(f64::NAN)));
    }
    drill.run_for(end);
    drill
}

/// Storms of a run: `PROPTEST_CASES`, or fewer than is usual, since each simulates an hour or two.
fn storms() -> ProptestConfig {
    ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() {
            ProptestConfig::default().cases
        } else {
            160
        },
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(storms())]
    #[test]
    fn the_invariants_hold_in_any_storm_and_the_engine_comes_back(
        seed in any::<u64>(),
        inputs in prop::collection::vec(any::<(u16, u8, u8, u8)>(), 0..40),
        crashes in 0_u32..8,
    ) {
        let mut drill = run(seed, &inputs, crashes);
        drill.run_for(Duration::from_secs(SETTLED_AFTER_S));
        prop_assert!(drill.violations().is_empty(), "seed {seed}: {:#?}\n{}", drill.violations(), story(&drill));
        prop_assert!(drill.engine().is_some(), "the engine is back after the storm");
        let starved = drill.starved();
        prop_assert!(
            starved.iter().all(|it| it.host.is_none()),
            "seed {seed}: {}\n{}",
            starved.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            story(&drill)
        );
        // What finds no host goes on waiting; but for that, nothing is under way any more.
        let open = drill.engine().map(Engine::unsettled).unwrap_or_default();
        prop_assert!(!starved.is_empty() || open.is_empty(), "seed {seed}: {open:#?}\n{}", story(&drill));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(24)))]
    #[test]
    fn the_same_seed_gives_the_same_journal_and_the_same_story(
        seed in any::<u64>(),
        inputs in prop::collection::vec(any::<(u16, u8, u8, u8)>(), 0..12),
    ) {
        let (first, second) = (run(seed, &inputs, 3), run(seed, &inputs, 3));
        prop_assert_eq!(first.journal(), second.journal());
        prop_assert_eq!(first.timeline(), second.timeline());
    }
}

#[test]
fn evidence_of_death_by_report_needs_no_fence() {
    let mut drill =
        Drill::new(Settings::default(), &shop(), &infrastructure(6), &spread(), SimSettings::default())
            .unwrap();
    drill.fault_at(Duration::from_secs(60), Fault::HostCrash(hid("h0")));
    let failed = Event::HostFailed { host: hid("h0"), evidence: DeathEvidence::PowerOff };
    drill.event_at(Duration::from_secs(61), failed);
    drill.run_for(Duration::from_secs(120));
    assert!(drill.violations().is_empty());
    assert!(drill.timeline().iter().all(|entry| entry.code != "fence"));
    assert!(drill.engine().unwrap().is_settled(), "{}", story(&drill));
}
