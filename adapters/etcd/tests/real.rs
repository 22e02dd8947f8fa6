//! Against a real etcd with `ECO_REAL=1`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod server;

use ecosystem_core::directory::ServiceDirectory;
use ecosystem_core::{Component, Ecosystem, Epoch, Health, Instance, Kind, ReplicaId, Timestamp, Version};
use ecosystem_etcd::{
    Directory, Election, EtcdError, Keeper, Proposal, Published, REVISION_MAX, Revisions, Role, Settings,
};
use server::Etcd;
use std::time::{Duration, Instant};

/// `None`, and why, where no real systems are to be started.
fn etcd(name: &str) -> Option<Etcd> {
    if std::env::var_os("ECO_REAL").is_some_and(|it| it == "1") {
        return Some(Etcd::start(name));
    }
    println!("skipped: a real etcd is started only with ECO_REAL=1 (Debian package etcd-server)");
    None
}

fn settings(url: &str, me: &str) -> Settings {
    // The first server does not exist: the next is asked.
    let mut settings = Settings::new(["http://127.0.0.1:9", url], "shard-1", me);
    settings.time_to_live = Duration::from_secs(2);
    settings.timeout = Duration::from_millis(500);
    settings
}

fn candidate(url: &str, me: &str) -> Election {
    Election::new(settings(url, me))
}

#[test]
fn one_of_two_leads_and_each_leader_has_a_higher_token() {
    let Some(server) = etcd("election") else { return };
    let (mut ann, mut bob) = (candidate(&server.url, "ann"), candidate(&server.url, "bob"));
    let begin = Instant::now();
    let first = loop {
        match ann.step() {
            Ok(Role::Leader { epoch }) => break epoch,
            other => assert!(begin.elapsed() < Duration::from_secs(30), "{other:?}"),
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(bob.step().unwrap(), Role::Follower { leader: "ann".into() });
    assert_eq!((ann.epoch(), bob.epoch()), (Some(first), None));
    // Ann is renewed and keeps her token.
    assert_eq!(ann.step().unwrap(), Role::Leader { epoch: first });
    // Ann falls silent: by her own clock she stops before Bob begins.
    let begin = Instant::now();
    let second = loop {
        let ann_leads = ann.epoch().is_some();
        if let Role::Leader { epoch } = bob.step().unwrap() {
            assert!(!ann_leads, "two leaders");
            break epoch;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "nobody takes over");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(second > first, "{second} after {first}");
    assert_eq!(ann.step().unwrap(), Role::Follower { leader: "bob".into() });
    // Bob steps down: Ann need not wait.
    bob.resign().unwrap();
    let Role::Leader { epoch: third } = ann.step().unwrap() else { panic!("nobody leads") };
    assert!(third > second);
    // etcd dies: an error, and after the time to live Ann knows that she may not act.
    drop(server);
    assert!(matches!(ann.step(), Err(EtcdError::Unreachable { servers: 2, .. })));
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(ann.epoch(), None);
}

/// Waits until something is there.
fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn web(index: u32) -> Instance {
    let replica = ReplicaId::new("web".parse().unwrap(), index);
    Instance::new(replica, "h1".parse().unwrap(), "10.0.0.7", 8080)
}

#[test]
fn the_directory_forgets_whoever_does_not_renew_and_tells_others_who_came_and_went() {
    let Some(server) = etcd("directory") else { return };
    let open = || Directory::new([server.url.as_str()], "shop", Duration::from_secs(5));
    let (mut here, mut there, at) = (open(), open(), Timestamp::default());
    wait("etcd", || here.changes(at, 0).ok());
    here.register(at, &web(0), Duration::from_secs(60)).unwrap();
    here.register(at, &web(1), Duration::from_secs(2)).unwrap();
    let mut ill = web(10);
    ill.health = Health::Warning;
    here.register(at, &ill, Duration::from_secs(60)).unwrap();
    let (cursor, changes) = there.changes(at, 0).unwrap();
    assert!(changes.iter().any(|it| it.instance.as_ref() == Some(&ill)));
    assert_eq!(cursor, changes.len() as u64);
    let component = web(0).replica.component().clone();
    // Whoever does not renew is gone, and cannot be renewed any more.
    let left = wait("the end of a lease", || {
        here.renew(at, &web(0).replica).unwrap();
        there.healthy(at, &component).ok().filter(|it| it.len() == 1)
    });
    assert_eq!(left, [web(0)]);
    let late = here.renew(at, &web(1).replica);
    assert_eq!(late, Err(EtcdError::NotRegistered { replica: web(1).replica }));
    // Entered anew elsewhere, with a lease of its own.
    let mut moved = web(0);
    moved.address = "10.0.0.8".into();
    here.register(at, &moved, Duration::from_secs(60)).unwrap();
    assert_eq!(there.healthy(at, &component).unwrap(), [moved.clone()]);
    assert!(there.deregister(at, &ill.replica).unwrap());
    assert!(!there.deregister(at, &ill.replica).unwrap());
    let (newer, changes) = there.changes(at, cursor).unwrap();
    let seen: Vec<_> = changes.iter().map(|it| (it.replica.clone(), it.instance.clone())).collect();
    assert!(seen.contains(&(ill.replica.clone(), None)) && seen.contains(&(web(0).replica, Some(moved))));
    assert_eq!(there.changes(at, newer).unwrap(), (newer, Vec::new()));
    drop(server);
    assert!(matches!(there.healthy(at, &component), Err(EtcdError::Unreachable { .. })));
}

#[test]
fn a_leader_that_etcd_does_not_answer_stops_before_another_begins() {
    let Some(server) = etcd("keeper") else { return };
    let ann = Keeper::start(settings(&server.url, "ann"));
    let first = wait("an election", || ann.epoch());
    let bob = Keeper::start(settings(&server.url, "bob"));
    wait("news of the leader", || bob.leader().filter(|it| it == "ann"));
    // Renewed for longer than its first lease.
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!((ann.epoch(), bob.epoch()), (Some(first), None));
    // etcd stands still: no lease runs out there, but by its own clock the leader must not act any more.
    server.signal("STOP");
    let stopped = Instant::now();
    wait("the end of a lease", || ann.epoch().is_none().then_some(()));
    // Within its lease of two seconds, and what a busy machine adds.
    println!("the leader stopped after {:.1} s", stopped.elapsed().as_secs_f64());
    assert!(stopped.elapsed() < Duration::from_secs(6), "{:?}", stopped.elapsed());
    assert!(ann.trouble().is_some_and(|it| it.contains("no etcd server")), "{:?}", ann.trouble());
    server.signal("CONT");
    let second = wait("a leader after that", || ann.epoch().or_else(|| bob.epoch()));
    assert!(second >= first && !(ann.epoch().is_some() && bob.epoch().is_some()));
    // Who goes in order lets the other begin at once.
    let (leader, other) = if ann.epoch().is_some() { (ann, bob) } else { (bob, ann) };
    let begin = Instant::now();
    drop(leader);
    let third = wait("the next leader", || other.epoch());
    assert!(third > second && begin.elapsed() < Duration::from_millis(1_500), "{:?}", begin.elapsed());
}

fn shop(version: &str) -> Ecosystem {
    let mut db = Component::new("db".parse().unwrap(), Kind::Database);
    db.version = Version::new(version);
    Ecosystem::builder("shop").component(db).build().unwrap()
}

fn proposal<'a>(after: Option<u64>, author: &'a str, ecosystem: &'a Ecosystem) -> Proposal<'a> {
    Proposal { after, at: Timestamp::from_unix_ms(1_000), author, message: "change", ecosystem }
}

#[test]
fn revisions_are_shared_and_nobody_overwrites_what_they_have_not_seen() {
    let Some(server) = etcd("revisions") else { return };
    let open = || Revisions::new([server.url.as_str()], "shop", Duration::from_secs(2));
    let (mut ann, mut bob) = (open(), open());
    wait("etcd", || ann.newest().ok());
    let maps: Vec<Ecosystem> = (0..10).map(|n| shop(&n.to_string())).collect();
    assert_eq!(ann.publish(&proposal(None, "ann", &maps[0])).unwrap(), Published::Done { number: 0 });
    assert_eq!(
        bob.publish(&proposal(None, "bob", &maps[1])).unwrap(),
        Published::Refused { newest: Some(0) }
    );
    assert_eq!(bob.publish(&proposal(Some(0), "bob", &maps[1])).unwrap(), Published::Done { number: 1 });
    // Again, as after a lost answer: it is there once.
    assert_eq!(bob.publish(&proposal(Some(0), "bob", &maps[1])).unwrap(), Published::Done { number: 1 });
    // The same number with another content lost the race.
    assert_eq!(
        ann.publish(&proposal(Some(0), "ann", &maps[2])).unwrap(),
        Published::Refused { newest: Some(1) }
    );
    for (number, map) in maps.iter().enumerate().skip(2) {
        let after = Some(number as u64 - 1);
        assert_eq!(
            ann.publish(&proposal(after, "ann", map)).unwrap(),
            Published::Done { number: number as u64 }
        );
    }
    // A reader that has nothing gets all of it, in order, by several answers.
    let mut all = Vec::new();
    loop {
        let more = bob.newer_than(all.last().map(|it: &ecosystem_etcd::SharedRevision| it.number)).unwrap();
        if more.is_empty() {
            break;
        }
        all.extend(more);
    }
    assert_eq!(all.iter().map(|it| it.number).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert!(all.iter().zip(&maps).all(|(it, map)| it.ecosystem == *map));
    let one = bob.get(1).unwrap().unwrap();
    assert_eq!(
        (one.author.as_str(), one.at, one.ecosystem),
        ("bob", Timestamp::from_unix_ms(1_000), shop("1"))
    );
    assert!(bob.get(10).unwrap().is_none());
    // Another map is another line of revisions.
    let mut other = Revisions::new([server.url.as_str()], "sho", Duration::from_secs(2));
    assert_eq!((other.newest().unwrap(), other.newer_than(None).unwrap().len()), (None, 0));
    let long = "x".repeat(REVISION_MAX);
    let error = ann.publish(&Proposal { message: &long, ..proposal(Some(9), "ann", &maps[0]) }).unwrap_err();
    assert!(matches!(error, EtcdError::TooLarge { .. }), "{error}");
}

#[test]
fn a_leader_whose_lease_is_over_publishes_nothing_any_more() {
    let Some(server) = etcd("guard") else { return };
    let (mut ann, mut bob) = (candidate(&server.url, "ann"), candidate(&server.url, "bob"));
    let lead = |it: &mut Election| match it.step() {
        Ok(Role::Leader { epoch }) => Some(epoch),
        _ => None,
    };
    let open = |epoch: Epoch| {
        Revisions::new([server.url.as_str()], "shop", Duration::from_secs(2)).led_by("shard-1", epoch)
    };
    let mut old = open(wait("an election", || lead(&mut ann)));
    let (first, second) = (shop("1"), shop("2"));
    assert_eq!(old.publish(&proposal(None, "ann", &first)).unwrap(), Published::Done { number: 0 });
    let mut new = open(wait("the next election", || lead(&mut bob)));
    assert_eq!(
        old.publish(&proposal(Some(0), "ann", &second)).unwrap(),
        Published::Refused { newest: Some(0) }
    );
    assert_eq!(new.publish(&proposal(Some(0), "bob", &second)).unwrap(), Published::Done { number: 1 });
}
