//! What the weights of the goals are worth: the same story with a weight of nothing and of everything.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common;

use common::{cid, component, hid, infrastructure, rid, shop, spread, story};
use ecosystem_core::{Ecosystem, Kind, Placement};
use ecosystem_reconfig::sim::{Approvals, Drill, Fault, Load, SimSettings};
use ecosystem_reconfig::{Event, Goals};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const NOTHING: Goals = Goals { performance: 0, resilience: 0, security: 0 };

#[test]
fn performance_is_time_in_which_the_replicas_are_not_overloaded() {
    let overloaded = |goals: Goals| {
        let mut drill =
            Drill::new(goals.settings(), &shop(), &infrastructure(6), &spread(), SimSettings::default())
                .unwrap();
        let load = Load::Wave { mean: 2_400.0, amplitude: 2_000.0, period: s(3_600) };
        drill.load_at(s(0), cid("web"), load);
        let samples = (0..2 * 3_600 / 15).filter(|_| {
            drill.run_for(s(15));
            drill.simulator().utilisation_permille(&cid("web")).is_some_and(|load| load > 900)
        });
        let count = samples.count();
        assert!(drill.violations().is_empty());
        count
    };
    let (cheap, fast) = (overloaded(NOTHING), overloaded(Goals { performance: 100, ..NOTHING }));
    assert!(cheap > 0 && fast * 2 <= cheap, "{cheap} samples above 900 permille, with the goal {fast}");
}

#[test]
fn resilience_is_room_for_what_a_failed_host_ran() {
    // Eight places of four cores on four hosts; six are taken, and a load asks for the other two.
    let mut web = component("web", Kind::Gateway, 2, 4);
    web.replica_range = Some((2, 4));
    let apps = Ecosystem::builder("apps").component(web).component(component("app", Kind::Vm, 4, 4));
    let apps = apps.build().unwrap();
    let placement: Placement = (0..2)
        .map(|n| (rid("web", n), hid(&format!("h{n}"))))
        .chain((0..4).map(|n| (rid("app", n), hid(&format!("h{n}")))))
        .collect();
    let missing = |goals: Goals| {
        let mut drill =
            Drill::new(goals.settings(), &apps, &infrastructure(4), &placement, SimSettings::default())
                .unwrap();
        let within = s(7_200);
        drill.event_at(s(60), Event::Forecast { component: cid("web"), permille: 1_800, within });
        drill.fault_at(s(1_200), Fault::HostCrash(hid("h3")));
        drill.run_for(s(2_400));
        assert!(drill.violations().is_empty());
        let engine = drill.engine().unwrap();
        ["web", "app"]
            .into_iter()
            .map(|name| engine.desired(&cid(name)) - engine.available_replicas(&cid(name)))
            .sum::<u32>()
    };
    assert_eq!((missing(NOTHING), missing(Goals { resilience: 50, ..NOTHING })), (2, 0));
}

#[test]
fn security_is_containment_until_somebody_looked() {
    let contained = |goals: Goals| {
        let mut drill =
            Drill::new(goals.settings(), &shop(), &infrastructure(6), &spread(), SimSettings::default())
                .unwrap();
        drill.set_approvals(Approvals::GrantAfter(s(60)));
        drill.event_at(s(60), Event::SecurityAlert { component: cid("api"), why: Arc::from("beacon") });
        drill.run_for(s(1_800));
        assert!(drill.violations().is_empty(), "{}", story(&drill));
        let engine = drill.engine().unwrap();
        let hosts: BTreeSet<String> = engine
            .replicas()
            .filter(|it| it.replica.component() == &cid("api"))
            .flat_map(|it| it.hosts)
            .map(|host| host.to_string())
            .collect();
        // `api` ran on h1 and h2.
        (engine.isolation(&cid("api")), hosts.contains("h1") || hosts.contains("h2"))
    };
    let (open, _) = contained(NOTHING);
    assert_eq!(open, None, "reconnected once its replicas report healthy and somebody agreed");
    let (closed, reused) = contained(Goals { security: 100, ..NOTHING });
    assert_eq!((closed, reused), (Some("verifying"), false));
}
