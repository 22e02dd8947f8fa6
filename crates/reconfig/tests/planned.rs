//! Planned work: maintenance windows of components and hosts, plans that must be worth it, growth that needs another host
//! or a reserve.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common;

use common::{cid, component, hid, infrastructure, rid, shop, spread, story};
use ecosystem_core::{
    Bytes, Component, Ecosystem, Epoch, Host, HostId, Infrastructure, Kind, Millicores, Placement, Rack,
    Region, ReplicaId, Resources, Timestamp, Version, Zone,
};
use ecosystem_reconfig::sim::{Drill, SimSettings};
use ecosystem_reconfig::{Action, Engine, Event, Gain, Note, Order, Output, Settings, Tell};
use std::sync::Arc;
use std::time::Duration;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Hosts `h0` … of four cores, the first with a maintenance window.
fn hosts(count: usize, window: &str) -> Infrastructure {
    let size = Resources::new(Millicores::cores(4), Bytes::gib(16));
    let mut builder = Infrastructure::builder()
        .region(Region::new("eu".parse().unwrap()))
        .zone(Zone::new("z".parse().unwrap(), "eu".parse().unwrap()))
        .rack(Rack::new("r".parse().unwrap(), "z".parse().unwrap()));
    for h in 0..count {
        let mut host = Host::new(hid(&format!("h{h}")), "r".parse().unwrap(), size.clone());
        if h == 0 && !window.is_empty() {
            host.maintenance = vec![window.parse().unwrap()];
        }
        builder = builder.host(host);
    }
    builder.build().unwrap()
}

/// So many replicas of `app`, one core each, with maintenance windows. The clock begins on Thursday at midnight.
fn app(replicas: u32, window: &str) -> Ecosystem {
    let mut app = component("app", Kind::Container, replicas, 1);
    app.maintenance = window.split("; ").map(|window| window.parse().unwrap()).collect();
    Ecosystem::builder("apps").component(app).build().unwrap()
}

fn spread_over(replicas: u32, count: u32) -> Placement {
    (0..replicas).map(|n| (rid("app", n), hid(&format!("h{}", n % count)))).collect()
}

fn drill(apps: &Ecosystem, ground: &Infrastructure, placement: &Placement) -> Drill {
    Drill::new(Settings::default(), apps, ground, placement, SimSettings::default()).unwrap()
}

fn times(drill: &Drill, code: &str) -> Vec<u64> {
    let of = drill.timeline().iter().filter(|entry| entry.code == code);
    of.map(|entry| entry.at.as_unix_ms() / 1_000).collect()
}

fn new_version() -> Event {
    Event::NewVersion { component: cid("app"), version: Version::new("2.0") }
}

#[test]
fn a_new_version_waits_for_the_window_of_its_component_and_says_so() {
    let mut drill = drill(&app(3, "thu 01:00-03:00"), &hosts(3, ""), &spread_over(3, 3));
    drill.event_at(s(60), new_version());
    drill.run_for(s(3_599));
    assert!(times(&drill, "stop").is_empty() && times(&drill, "start").is_empty(), "{}", story(&drill));
    let told = drill.timeline().iter().find(|entry| entry.code == "refused-maintenance").unwrap();
    assert!(told.text.contains("next opens at 1970-01-01T01:00:00"), "{}", told.text);
    drill.run_for(s(3_600));
    assert!(drill.violations().is_empty(), "{:?}", drill.violations());
    assert!(drill.engine().unwrap().replicas().all(|it| it.version.as_str() == "2.0"), "{}", story(&drill));
    assert!(drill.engine().unwrap().is_settled(), "{}", story(&drill));
}

#[test]
fn a_window_that_closes_pauses_a_roll_out_and_the_next_one_ends_it() {
    let mut drill = drill(&app(18, "thu 01:00-01:01; thu 04:00-04:01"), &hosts(5, ""), &spread_over(18, 5));
    drill.event_at(s(60), new_version());
    drill.run_for(s(3_600 * 4 - 60));
    let fresh =
        |drill: &Drill| drill.engine().unwrap().replicas().filter(|it| it.version.as_str() == "2.0").count();
    let first = fresh(&drill);
    assert!((1..18).contains(&first), "{first}: {}", story(&drill));
    assert!(times(&drill, "stop").iter().all(|at| (3_600..3_660).contains(at)), "{}", story(&drill));
    assert!(times(&drill, "rollback-started").is_empty(), "a closed window is no failure");
    drill.run_for(s(300));
    assert!(fresh(&drill) > first, "{}", story(&drill));
    assert!(drill.violations().is_empty());
}

#[test]
fn what_is_lost_outside_of_its_window_is_brought_back_at_once() {
    let mut drill = drill(&app(3, "sun 01:00-02:00"), &hosts(4, ""), &spread_over(3, 3));
    drill.fault_at(s(60), ecosystem_reconfig::sim::Fault::HostCrash(hid("h1")));
    drill.run_for(s(300));
    assert_eq!(drill.engine().unwrap().available_replicas(&cid("app")), 3, "{}", story(&drill));
}

#[test]
fn a_plan_waits_for_the_window_instead_of_being_given_up() {
    let mut drill = drill(&app(1, "thu 01:00-02:00"), &hosts(3, ""), &spread_over(1, 1));
    let moves = vec![(rid("app", 0), hid("h2"))];
    drill.event_at(s(10), Event::Plan { moves, gain: None, why: Arc::from("test") });
    drill.run_for(s(5_000));
    assert_eq!(times(&drill, "migrate"), [3_600], "{}", story(&drill));
    assert!(times(&drill, "plan-given-up").is_empty());
    assert!(drill.engine().unwrap().is_settled(), "{}", story(&drill));
}

#[test]
fn a_host_is_empty_when_its_window_opens_and_takes_work_again_when_it_closes() {
    let mut apps = component("app", Kind::Container, 3, 1);
    apps.max_unavailable = Some(1);
    let apps = Ecosystem::builder("apps").component(apps).build().unwrap();
    let mut drill = drill(&apps, &hosts(3, "thu 01:00-02:00"), &spread_over(3, 3));
    drill.run_for(s(2_699));
    assert!(times(&drill, "migrate").is_empty(), "{}", story(&drill));
    drill.run_for(s(901));
    let h0 = |drill: &Drill| {
        let view = drill.engine().unwrap().hosts().find(|it| it.host == hid("h0")).unwrap();
        (view.used.is_zero(), view.closed)
    };
    assert_eq!(h0(&drill), (true, true), "{}", story(&drill));
    drill.run_for(s(3_601));
    assert_eq!(h0(&drill), (true, false), "{}", story(&drill));
    assert!(drill.violations().is_empty());
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_ms(second * 1_000)
}

fn tell(engine: &mut Engine, second: u64, event: Event) -> Vec<Note> {
    engine.handle_event(at(second), event);
    let mut notes = Vec::new();
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Persist(record) => engine.persisted(record.number()),
            Output::Act(Action::Tell(Tell::Audit(note) | Tell::Notify(note))) => notes.push(note),
            Output::Act(_) => {}
        }
    }
    notes
}

fn shop_engine(settings: Settings) -> Engine {
    Engine::new(settings, &shop(), &infrastructure(6), &spread(), Epoch(1), at(0)).unwrap()
}

#[test]
fn a_plan_that_gains_too_little_is_refused_with_the_reason() {
    let mut engine = shop_engine(Settings::default());
    let plan = |before, after, moves: Vec<(ReplicaId, HostId)>| Event::Plan {
        moves,
        gain: Some(Gain { before, after }),
        why: Arc::from("cheaper hosts"),
    };
    let one = || vec![(rid("cache", 0), hid("h4"))];
    let five = || {
        (0..3).map(|n| (rid("web", n), hid("h5"))).chain([(rid("db", 0), hid("h4"))]).chain(one()).collect()
    };
    for (second, event, expected) in [
        (10, plan(1_000, 950, one()), "it would gain 50 permille, at least 100 are wanted"),
        (11, plan(1_000, 1_200, one()), "it would gain 0 permille, at least 100 are wanted"),
        // 20 % for moving five of seven: less than half as large a share.
        (
            12,
            plan(1_000, 800, five()),
            "200 permille are too little for moving 5 of 7 replicas, 358 would be enough",
        ),
    ] {
        let notes = tell(&mut engine, second, event);
        assert_eq!(notes[0].code, "no-action");
        assert!(notes[0].sentence.contains(expected), "{}", notes[0].sentence);
        assert!(notes[0].why.iter().any(|(name, _)| *name == "gain-permille"), "as data, too");
        assert_eq!(engine.planned().count(), 0);
    }
    // Worth it; the way back, which the same measure must not call a gain, rests as well.
    assert!(tell(&mut engine, 13, plan(1_000, 800, one())).iter().any(|note| note.code == "plan-made"));
    let again = tell(&mut engine, 20, plan(1_000, 800, vec![(rid("db", 0), hid("h4"))]));
    assert!(again[0].sentence.contains("too recent, it rests for 593 s"), "{}", again[0].sentence);
    let later = tell(&mut engine, 700, plan(1_000, 800, vec![(rid("db", 0), hid("h4"))]));
    assert!(later.iter().any(|note| note.code == "plan-made"), "{later:?}");
    // Whoever does not measure wants it.
    let mut engine = shop_engine(Settings::default());
    let plan = Event::Plan { moves: one(), gain: None, why: Arc::from("an order") };
    assert!(tell(&mut engine, 10, plan).iter().any(|note| note.code == "plan-made"));
}

#[test]
fn a_replica_that_cannot_grow_where_it_is_moves_to_where_it_can() {
    let apps = ["a", "b"]
        .into_iter()
        .fold(Ecosystem::builder("apps"), |builder, name| builder.component(component(name, Kind::Vm, 1, 2)));
    let apps = apps.build().unwrap();
    let placement = Placement::new().with(rid("a", 0), hid("h0")).with(rid("b", 0), hid("h0"));
    let resize = |cores| Event::Order {
        order: Order::Resize(cid("a"), Resources::new(Millicores::cores(cores), Bytes::gib(4))),
        by: Arc::from("ann"),
    };
    let mut moved = drill(&apps, &hosts(2, ""), &placement);
    moved.event_at(s(10), resize(3));
    moved.run_for(s(600));
    assert!(moved.violations().is_empty(), "{:?}\n{}", moved.violations(), story(&moved));
    let a = moved.engine().unwrap().replicas().find(|it| it.replica == rid("a", 0)).unwrap();
    assert_eq!(a.hosts, [hid("h1")], "{}", story(&moved));
    assert_eq!(a.resources.cpu, Millicores::cores(3), "{}", story(&moved));
    assert_eq!(times(&moved, "migrate").len(), 1);
    // Where no host has room it keeps what it has and somebody is told; smaller again, nothing is wanted any more.
    let mut stays = drill(&apps, &hosts(1, ""), &placement);
    stays.event_at(s(10), resize(3));
    stays.event_at(s(700), resize(2));
    stays.run_for(s(1_400));
    assert!(times(&stays, "migrate").is_empty() && times(&stays, "resize").is_empty(), "{}", story(&stays));
    assert_eq!(times(&stays, "unplaceable-long").len(), 1, "{}", story(&stays));
    assert!(times(&stays, "placement-asked").iter().all(|&at| at < 700), "{}", story(&stays));
}

#[test]
fn a_new_map_grows_only_within_the_reserve_until_there_is_more_room() {
    let mut settings = Settings::default();
    settings.limits.reserve_hosts = 4;
    // 12 of 16 cores that are left without the four largest hosts are in use.
    let mut engine = shop_engine(settings);
    let map = |change: fn(&mut Component)| {
        let mut builder = Ecosystem::builder("shop");
        for it in shop().components() {
            let mut it = it.clone();
            change(&mut it);
            builder = builder.component(it);
        }
        Event::Map(Arc::new(builder.build().unwrap()))
    };
    let larger_db = |it: &mut Component| {
        if it.id.as_str() == "db" {
            it.requirements.request = Resources::new(Millicores::cores(8), Bytes::gib(16));
        }
        if it.id.as_str() == "cache" {
            it.replicas = 6;
        }
    };
    let notes = tell(&mut engine, 10, map(larger_db));
    // Four cores more for db leave the reserve, five replicas of cache on top do not.
    let refused: Vec<&str> = notes
        .iter()
        .filter(|note| note.code == "refused-reserve")
        .map(|note| note.sentence.as_str())
        .collect();
    assert_eq!(refused.len(), 1, "{notes:?}");
    assert!(refused[0].starts_with("cache does not grow"), "{refused:?}");
    assert_eq!(engine.desired(&cid("cache")), 1);
    assert!(notes.iter().any(|note| note.sentence.starts_with("db#0 needs another host")), "{notes:?}");
    // Two more hosts: the other grows, too.
    tell(&mut engine, 20, Event::Capacity(Arc::new(infrastructure(8))));
    assert_eq!(engine.desired(&cid("cache")), 6);
    // Without a reserve nothing is bound.
    let mut free = shop_engine(Settings::default());
    let notes = tell(&mut free, 10, map(larger_db));
    assert!(notes.iter().all(|note| note.code != "refused-reserve"));
    assert_eq!(free.desired(&cid("cache")), 6);
}
