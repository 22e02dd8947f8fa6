//! Whole simulated days with faults from a seed: no invariant is broken, and at the end of each day everything that
//! fits serves. 60 days by default; `SIM_DAYS=1000` is the slow tier.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests; how many days is an environment variable"
)]

use crate::common;

use common::{cid, hid, infrastructure, rid, shop, spread, story};
use ecosystem_core::Version;
use ecosystem_reconfig::sim::{Approvals, Drill, Fault, Input, Load, SimRng, SimSettings};
use ecosystem_reconfig::{Event, Order, Scope, Settings};
use std::sync::Arc;
use std::time::Duration;

const HOUR_S: u64 = 3_600;

fn order(order: Order) -> Input {
    Input::Event(Event::Order { order, by: Arc::from("ann") })
}

/// One thing that goes wrong or is ordered, and what ends it.
fn trouble(random: &mut SimRng) -> (Input, Option<Input>) {
    let host = hid(&format!("h{}", random.below(6)));
    let component = cid(["web", "api", "db", "cache"][usize::try_from(random.below(4)).unwrap()]);
    let repaired = Some(Input::Fault(Fault::HostRepaired(host.clone())));
    let why: Arc<str> = Arc::from("day");
    match random.below(10) {
        0 | 1 => (Input::Fault(Fault::HostCrash(host)), repaired),
        2 => (Input::Fault(Fault::HostPartition(host)), repaired),
        3 => (Input::Fault(Fault::HostHang(host)), repaired),
        4 => (Input::Fault(Fault::ReplicaCrash(rid(component.as_str(), 0))), None),
        5 => (order(Order::Drain(host.clone())), Some(order(Order::Restore(host)))),
        6 => (Input::Event(Event::SecurityAlert { component, why }), None),
        7 => {
            let version = Version::new(format!("1.{}", random.below(1_000)));
            (Input::Event(Event::NewVersion { component, version }), None)
        }
        8 => {
            let scope = Scope::Component(component);
            (order(Order::Freeze(scope.clone())), Some(order(Order::Thaw(scope))))
        }
        _ => (Input::EngineCrash, None),
    }
}

fn day(seed: u64) -> Drill {
    // Slow heartbeats: a day has 86,400 s, and what is tested does not depend on their rate.
    let mut settings = Settings::default();
    settings.detection.suspect_after = Duration::from_secs(120);
    settings.detection.fence_after = Duration::from_secs(60);
    let mut world = SimSettings::hostile(seed);
    (world.heartbeat, world.report) = (Duration::from_secs(60), Duration::from_secs(240));
    let mut drill = Drill::new(settings, &shop(), &infrastructure(6), &spread(), world).unwrap();
    drill.set_approvals(Approvals::GrantAfter(Duration::from_secs(600)));
    let mut random = SimRng::new(seed, 3);
    for _ in 0..12 {
        let (begins, ends) = trouble(&mut random);
        let at = random.below(20 * HOUR_S);
        drill.at(Duration::from_secs(at), begins);
        if let Some(ends) = ends {
            drill.at(Duration::from_secs(at + 600 + random.below(HOUR_S)), ends);
        }
    }
    let period = Duration::from_secs(24 * HOUR_S);
    drill.load_at(Duration::ZERO, cid("web"), Load::Wave { mean: 2_000.0, amplitude: 1_500.0, period });
    drill.at(Duration::from_secs(22 * HOUR_S), Input::Calm);
    for h in 0..6 {
        drill.at(Duration::from_secs(22 * HOUR_S + 60), order(Order::Restore(hid(&format!("h{h}")))));
    }
    drill.run_for(Duration::from_secs(24 * HOUR_S));
    drill
}

#[test]
fn simulated_days_break_no_invariant_and_end_with_everything_that_fits_serving() {
    let days = std::env::var("SIM_DAYS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    for seed in 1..=days {
        let drill = day(seed);
        assert!(drill.violations().is_empty(), "day {seed}: {:#?}\n{}", drill.violations(), story(&drill));
        let starved = drill.starved();
        let shown = starved.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(starved.iter().all(|it| it.host.is_none()), "day {seed}: {shown}\n{}", story(&drill));
    }
}
