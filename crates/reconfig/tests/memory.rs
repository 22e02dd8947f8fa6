//! An engine that lives long holds no more than one that has lived shortly: whatever happened is in the journal, not in it.
#![allow(clippy::unwrap_used, clippy::disallowed_macros, reason = "a test panics, and says what it measured")]

use crate::common;

use common::{cid, hid, infrastructure, rid, shop, spread};
use ecosystem_reconfig::sim::{Approvals, Drill, Fault, Input, Load, SimRng, SimSettings};
use ecosystem_reconfig::{Event, Order, Settings};
use std::sync::Arc;
use std::time::Duration;

const HOUR_S: u64 = 3_600;
const HOURS: u64 = 200;

/// Something that goes wrong or is ordered, again and again, and what ends it.
fn trouble(random: &mut SimRng) -> (Input, Option<Input>) {
    let host = hid(&format!("h{}", random.below(6)));
    let component = cid(["web", "api", "db", "cache"][usize::try_from(random.below(4)).unwrap()]);
    let order = |order| Input::Event(Event::Order { order, by: Arc::from("ann") });
    let repaired = Some(Input::Fault(Fault::HostRepaired(host.clone())));
    match random.below(6) {
        0 => (Input::Fault(Fault::HostCrash(host)), repaired),
        1 => (Input::Fault(Fault::HostHang(host)), repaired),
        2 => (Input::Fault(Fault::ReplicaCrash(rid(component.as_str(), 0))), None),
        3 => (order(Order::Drain(host.clone())), Some(order(Order::Restore(host)))),
        4 => (Input::Event(Event::SecurityAlert { component, why: Arc::from("drill") }), None),
        _ => (order(Order::Move(rid(component.as_str(), 0), host)), None),
    }
}

/// Everything that the engine holds, written out: every collection with every entry. Numbers get longer as they are counted up,
/// so that each counts as one letter.
fn held(drill: &Drill) -> usize {
    let all = format!("{:?}", drill.engine().unwrap());
    let mut before = false;
    all.bytes()
        .filter(|letter| {
            let digit = letter.is_ascii_digit();
            let counts = !(digit && before);
            before = digit;
            counts
        })
        .count()
}

#[test]
fn what_an_engine_holds_does_not_grow_with_what_has_happened() {
    let mut settings = Settings::default();
    settings.detection.suspect_after = Duration::from_secs(120);
    settings.detection.fence_after = Duration::from_secs(60);
    settings.detection.flap_limit = 1_000;
    let mut world = SimSettings::hostile(11);
    (world.heartbeat, world.report) = (Duration::from_secs(60), Duration::from_secs(240));
    let mut drill = Drill::new(settings, &shop(), &infrastructure(6), &spread(), world).unwrap();
    drill.set_approvals(Approvals::GrantAfter(Duration::from_secs(60)));
    let period = Duration::from_secs(24 * HOUR_S);
    drill.load_at(Duration::ZERO, cid("web"), Load::Wave { mean: 2_000.0, amplitude: 1_500.0, period });
    let mut random = SimRng::new(11, 3);
    for hour in 0..HOURS {
        for _ in 0..3 {
            let (begins, ends) = trouble(&mut random);
            let at = hour * HOUR_S + random.below(HOUR_S);
            drill.at(Duration::from_secs(at), begins);
            if let Some(ends) = ends {
                drill.at(Duration::from_secs(at + 600 + random.below(HOUR_S)), ends);
            }
        }
    }
    let mut hours = Vec::new();
    for _ in 0..HOURS {
        drill.run_for(Duration::from_secs(HOUR_S));
        hours.push(held(&drill));
    }
    let records = drill.journal().len();
    // What is under way at the end of an hour differs, its middle over two days does not.
    let middle = |part: &[usize]| {
        let mut sorted = part.to_vec();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    };
    let (early, late) = (middle(&hours[8..56]), middle(&hours[152..]));
    println!(
        "{records} records; an engine of {early} letters in the first days, of {late} in the last: {hours:?}"
    );
    assert!(records > 3_000, "too little happened to show anything: {records} records");
    // One in a hundred: it is 0.1 % as the engine is. With the line taken out that forgets what was known of a replica that is gone, it
    // is 1.8 %, of approvals that are answered 8 %, of actions that have ended 31 % (and little happens, as they hold up new ones).
    assert!(late * 100 <= early * 101, "{early} letters, then {late}: {hours:?}");
}
