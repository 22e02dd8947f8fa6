//! From the behaviour of actors to a component without traffic: detector, engine and simulator together.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{sync::Arc, time::Duration};
use vm_ecosystem::forecast::security::{ActorEvent, Behaviour, BehaviourSettings, SecurityFinding};
use vm_ecosystem::model::{
    Bytes, Component, ComponentId, Dependency, DependencyKind, Ecosystem, Host, Infrastructure, Kind,
    Millicores, Placement, Rack, Region, ReplicaId, Resources, Zone,
};
use vm_ecosystem::reconfig::sim::{Approvals, Drill, SimSettings};
use vm_ecosystem::reconfig::{Event, Settings};

const MINUTE: u64 = 60_000;

/// `web` calls `api`, two replicas each, on four hosts.
fn fleet() -> (Ecosystem, Infrastructure, Placement) {
    let component = |name: &str, kind| {
        let mut it = Component::new(name.parse().unwrap(), kind);
        it.replicas = 2;
        it.requirements.request = Resources::new(Millicores::cores(1), Bytes::gib(1));
        it
    };
    let call = Dependency::new("web".parse().unwrap(), "api".parse().unwrap(), DependencyKind::Call);
    let (web, api) = (component("web", Kind::Gateway), component("api", Kind::Container));
    let map = Ecosystem::builder("shop").component(web).component(api).dependency(call).build().unwrap();
    let mut hosts = Infrastructure::builder()
        .region(Region::new("eu".parse().unwrap()))
        .zone(Zone::new("z".parse().unwrap(), "eu".parse().unwrap()))
        .rack(Rack::new("r".parse().unwrap(), "z".parse().unwrap()));
    let mut placement = Placement::new();
    for h in 0..6 {
        let size = Resources::new(Millicores::cores(8), Bytes::gib(32));
        hosts = hosts.host(Host::new(format!("h{h}").parse().unwrap(), "r".parse().unwrap(), size));
    }
    for (h, name) in ["web", "web", "api", "api"].into_iter().enumerate() {
        let replica = ReplicaId::new(name.parse().unwrap(), u32::try_from(h % 2).unwrap());
        placement = placement.with(replica, format!("h{h}").parse().unwrap());
    }
    (map, hosts.build().unwrap(), placement)
}

/// Three days of calls by the service accounts of both components; in the last hour `api` scans.
fn findings(attack: bool) -> Vec<SecurityFinding> {
    let mut usual = Behaviour::new(&BehaviourSettings::default()).unwrap();
    let mut found = Vec::new();
    let mut see = |minute: u64, actor: &str, peer: &str| {
        let event = ActorEvent { at_unix_ms: minute * MINUTE, actor, action: "connect", peer: Some(peer) };
        found.extend(usual.observe(&event).unwrap());
    };
    for minute in 0..3 * 1440 {
        see(minute, "web", "api");
        see(minute, "api", ["db", "cache"][usize::from(minute % 3 == 0)]);
        if attack && minute >= 3 * 1440 - 60 {
            for i in 0..20 {
                see(minute, "api", &format!("10.0.{}.{i}", minute % 60));
            }
        }
    }
    found
}

fn drill() -> Drill {
    let (map, hosts, placement) = fleet();
    Drill::new(Settings::default(), &map, &hosts, &placement, SimSettings::default()).unwrap()
}

#[test]
fn an_actor_that_scans_is_cut_off_until_somebody_approves() {
    let found = findings(true);
    let first = found.first().unwrap();
    let begin = (3 * 1440 - 60) * MINUTE;
    assert!(first.actor == "api" && (begin..begin + 5 * MINUTE).contains(&first.at_unix_ms), "{found:?}");
    assert!(found.iter().all(|f| f.actor == "api"), "{found:?}");

    let api: ComponentId = first.actor.parse().unwrap();
    let why: Arc<str> = Arc::from(format!("{:?}, one in 10^{:.0}", first.sign, first.rarity));
    let mut drill = drill();
    drill.set_approvals(Approvals::RefuseAfter(Duration::from_secs(30)));
    drill.event_at(Duration::from_secs(60), Event::SecurityAlert { component: api.clone(), why });
    drill.run_for(Duration::from_secs(59));
    assert_eq!(drill.simulator().policy(&api), None);
    drill.run_for(Duration::from_secs(30));
    assert!(drill.simulator().policy(&api).is_some(), "no traffic half a minute later");
    drill.run_for(Duration::from_secs(3_600));
    assert!(drill.simulator().policy(&api).is_some(), "nobody approved");
    assert!(drill.violations().is_empty(), "{:?}", drill.violations());
}

#[test]
fn usual_work_cuts_nobody_off() {
    assert_eq!(findings(false), []);
}
