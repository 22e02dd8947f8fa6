//! Plans that the engine carries out: order, detours, failures, moves aside, crashes in the middle.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common;

use common::{cid, component, hid, rid, story};
use ecosystem_core::{
    Bytes, Domain, Ecosystem, EcosystemBuilder, Host, HostId, Infrastructure, Kind, Millicores, Placement,
    Rack, Region, ReplicaId, Resources, Rule, RuleKind, Zone,
};
use ecosystem_reconfig::sim::{Drill, Fault, Input, SimSettings};
use ecosystem_reconfig::{Event, Settings};
use std::sync::Arc;
use std::time::Duration;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Hosts `h0` … of four cores and 16 GiB.
fn hosts(count: usize) -> Infrastructure {
    let size = Resources::new(Millicores::cores(4), Bytes::gib(16));
    let mut builder = Infrastructure::builder()
        .region(Region::new("eu".parse().unwrap()))
        .zone(Zone::new("z".parse().unwrap(), "eu".parse().unwrap()))
        .rack(Rack::new("r".parse().unwrap(), "z".parse().unwrap()));
    for h in 0..count {
        builder = builder.host(Host::new(hid(&format!("h{h}")), "r".parse().unwrap(), size.clone()));
    }
    builder.build().unwrap()
}

/// Single replicas of so many cores each, with rules.
fn apps(sizes: &[(&str, u64)], rules: Vec<Rule>) -> Ecosystem {
    let mut builder = Ecosystem::builder("apps");
    for (name, cores) in sizes {
        builder = builder.component(component(name, Kind::Vm, 1, *cores));
    }
    rules.into_iter().fold(builder, EcosystemBuilder::rule).build().unwrap()
}

fn on(places: &[(&str, &str)]) -> Placement {
    places.iter().map(|(name, host)| (rid(name, 0), hid(host))).collect()
}

fn drill(ecosystem: &Ecosystem, count: usize, placement: &Placement) -> Drill {
    Drill::new(Settings::default(), ecosystem, &hosts(count), placement, SimSettings::default()).unwrap()
}

fn plan(moves: &[(&str, &str)]) -> Event {
    let moves: Vec<(ReplicaId, HostId)> = moves.iter().map(|(name, to)| (rid(name, 0), hid(to))).collect();
    Event::Plan { moves, gain: None, why: Arc::from("test") }
}

fn at(drill: &Drill, name: &str) -> String {
    drill.engine().unwrap().placement().host_of(&rid(name, 0)).map(ToString::to_string).unwrap_or_default()
}

fn settled(drill: &Drill) {
    assert!(drill.violations().is_empty(), "{:?}\n{}", drill.violations(), story(drill));
    let open = drill.engine().unwrap().unsettled();
    assert!(open.is_empty(), "{open:?}\n{}", story(drill));
}

fn count(drill: &Drill, code: &str) -> usize {
    drill.timeline().iter().filter(|entry| entry.code == code).count()
}

#[test]
fn two_full_hosts_swap_over_a_third_without_overloading_any() {
    let apps = apps(&[("a", 4), ("b", 4)], Vec::new());
    let mut drill = drill(&apps, 3, &on(&[("a", "h0"), ("b", "h1")]));
    drill.event_at(s(10), plan(&[("a", "h1"), ("b", "h0")]));
    drill.run_for(s(900));
    settled(&drill);
    assert_eq!((at(&drill, "a").as_str(), at(&drill, "b").as_str()), ("h1", "h0"), "{}", story(&drill));
    assert_eq!(count(&drill, "migrate"), 3, "one detour: {}", story(&drill));
}

#[test]
fn without_a_pivot_the_plan_is_refused_with_its_circle_and_nothing_moves() {
    let apps = apps(&[("a", 4), ("b", 4)], Vec::new());
    let mut drill = drill(&apps, 2, &on(&[("a", "h0"), ("b", "h1")]));
    drill.event_at(s(10), plan(&[("a", "h1"), ("b", "h0")]));
    drill.run_for(s(300));
    settled(&drill);
    assert_eq!(count(&drill, "migrate"), 0);
    let refusal = drill.timeline().iter().find(|entry| entry.code == "plan-impossible").unwrap();
    assert!(refusal.text.contains("a#0") && refusal.text.contains("b#0"), "{}", refusal.text);
}

#[test]
fn a_target_that_dies_on_the_way_is_left_out_and_the_rest_is_planned_anew() {
    let apps = apps(&[("a", 2), ("b", 2), ("c", 2)], Vec::new());
    let mut drill = drill(&apps, 4, &on(&[("a", "h0"), ("b", "h0"), ("c", "h1")]));
    drill.event_at(s(10), plan(&[("a", "h2"), ("b", "h2"), ("c", "h3")]));
    drill.fault_at(s(12), Fault::HostCrash(hid("h2")));
    drill.run_for(s(1_800));
    assert!(drill.violations().is_empty(), "{:?}\n{}", drill.violations(), story(&drill));
    assert_eq!(at(&drill, "c"), "h3", "{}", story(&drill));
    assert!(at(&drill, "a") != "h2" && at(&drill, "b") != "h2");
    assert_eq!(drill.engine().unwrap().planned().count(), 0, "{}", story(&drill));
    assert!(drill.starved().is_empty(), "{}", story(&drill));
}

#[test]
fn moves_that_fail_again_and_again_are_given_up_and_the_others_done() {
    let apps = apps(&[("a", 2), ("b", 2)], Vec::new());
    let mut world = SimSettings::default();
    // Every switch-over ends with nobody knowing where the replica runs.
    (world.seed, world.switch_over_unclear_permille) = (5, 700);
    let placement = on(&[("a", "h0"), ("b", "h0")]);
    let mut drill = Drill::new(Settings::default(), &apps, &hosts(3), &placement, world).unwrap();
    drill.event_at(s(10), plan(&[("a", "h1"), ("b", "h2")]));
    drill.run_for(s(3_600));
    settled(&drill);
    let gave_up = count(&drill, "plan-step-given-up");
    let arrived = usize::from(at(&drill, "a") == "h1") + usize::from(at(&drill, "b") == "h2");
    assert_eq!(gave_up + arrived, 2, "{}", story(&drill));
}

#[test]
fn a_crash_in_the_middle_of_a_plan_loses_none_of_it() {
    let apps = apps(&[("a", 4), ("b", 4), ("c", 1)], Vec::new());
    for second in [11, 20, 40, 70, 100, 130] {
        let mut drill = drill(&apps, 4, &on(&[("a", "h0"), ("b", "h1"), ("c", "h3")]));
        drill.event_at(s(10), plan(&[("a", "h1"), ("b", "h0")]));
        drill.at(s(second), Input::EngineCrash);
        drill.run_for(s(1_800));
        settled(&drill);
        assert_eq!((at(&drill, "a").as_str(), at(&drill, "b").as_str()), ("h1", "h0"), "{}", story(&drill));
    }
}

#[test]
fn a_small_replica_is_moved_aside_when_a_lost_one_finds_room_nowhere_else() {
    // h0 dies with `big`; h1 and h2 have two cores each besides a small one.
    let apps = apps(&[("big", 3), ("s1", 2), ("s2", 2)], Vec::new());
    let mut drill = drill(&apps, 3, &on(&[("big", "h0"), ("s1", "h1"), ("s2", "h2")]));
    drill.fault_at(s(60), Fault::HostCrash(hid("h0")));
    drill.run_for(s(600));
    settled_but_for_the_dead(&drill);
    assert_ne!(at(&drill, "big"), "h0", "{}", story(&drill));
    assert_eq!(at(&drill, "s1"), at(&drill, "s2"), "one was moved to the other: {}", story(&drill));
}

fn settled_but_for_the_dead(drill: &Drill) {
    assert!(drill.violations().is_empty(), "{:?}\n{}", drill.violations(), story(drill));
    assert!(drill.starved().is_empty(), "{}", story(drill));
}

#[test]
fn what_must_be_together_moves_together() {
    let rule = RuleKind::Together { members: vec![cid("a"), cid("b")], domain: Domain::Host };
    let apps = apps(&[("a", 1), ("b", 1)], vec![Rule::hard("pair", rule)]);
    // By order of one of them …
    let mut moved = drill(&apps, 3, &on(&[("a", "h0"), ("b", "h0")]));
    let order = ecosystem_reconfig::Order::Move(rid("a", 0), hid("h1"));
    moved.event_at(s(10), Event::Order { order, by: Arc::from("ann") });
    moved.run_for(s(600));
    settled(&moved);
    assert_eq!((at(&moved, "a").as_str(), at(&moved, "b").as_str()), ("h1", "h1"), "{}", story(&moved));
    // … and out of a host that is emptied.
    let mut drained = drill(&apps, 3, &on(&[("a", "h0"), ("b", "h0")]));
    let order = ecosystem_reconfig::Order::Drain(hid("h0"));
    drained.event_at(s(10), Event::Order { order, by: Arc::from("ann") });
    drained.run_for(s(600));
    settled(&drained);
    assert!(at(&drained, "a") != "h0" && at(&drained, "a") == at(&drained, "b"), "{}", story(&drained));
}
