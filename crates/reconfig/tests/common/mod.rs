//! A small fleet for tests.
#![allow(clippy::unwrap_used, reason = "fixtures fail loudly")]

use ecosystem_core::{
    Bytes, Component, ComponentId, Dependency, DependencyKind, Domain, Ecosystem, Host, HostId,
    Infrastructure, Kind, Millicores, Placement, Rack, Region, ReplicaId, Resources, Rule, RuleKind, Version,
    Zone,
};

pub(crate) fn cid(name: &str) -> ComponentId {
    name.parse().unwrap()
}

pub(crate) fn hid(name: &str) -> HostId {
    name.parse().unwrap()
}

pub(crate) fn rid(name: &str, n: u32) -> ReplicaId {
    ReplicaId::new(cid(name), n)
}

/// The timeline as text, for failing assertions.
pub(crate) fn story(drill: &ecosystem_reconfig::sim::Drill) -> String {
    drill.timeline().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// `hosts` hosts of 8 cores and 32 GiB, `h0`, `h1` …, in three zones of one rack each.
pub(crate) fn infrastructure(hosts: usize) -> Infrastructure {
    let size = Resources::new(Millicores::cores(8), Bytes::gib(32));
    let mut builder = Infrastructure::builder().region(Region::new("eu".parse().unwrap()));
    for z in 0..3 {
        let zone = format!("z{z}").parse().unwrap();
        builder = builder.zone(Zone::new(zone, "eu".parse().unwrap()));
        let rack = format!("r{z}").parse().unwrap();
        builder = builder.rack(Rack::new(rack, format!("z{z}").parse().unwrap()));
    }
    for h in 0..hosts {
        let rack = format!("r{}", h % 3).parse().unwrap();
        builder = builder.host(Host::new(hid(&format!("h{h}")), rack, size.clone()));
    }
    builder.build().unwrap()
}

pub(crate) fn component(name: &str, kind: Kind, replicas: u32, cores: u64) -> Component {
    let mut it = Component::new(cid(name), kind);
    it.replicas = replicas;
    it.version = Version::new("1.0");
    it.requirements.request = Resources::new(Millicores::cores(cores), Bytes::gib(cores * 2));
    it
}

/// web (3, scales 2 to 6) → api (2) → db (1) and cache (1); replicas of web apart, api apart.
pub(crate) fn shop() -> Ecosystem {
    let mut web = component("web", Kind::Gateway, 3, 1);
    web.replica_range = Some((2, 6));
    let edge = |from: &str, to: &str, kind| Dependency::new(cid(from), cid(to), kind);
    Ecosystem::builder("shop")
        .component(web)
        .component(component("api", Kind::Container, 2, 2))
        .component(component("db", Kind::Database, 1, 4))
        .component(component("cache", Kind::Cache, 1, 1))
        .dependency(edge("web", "api", DependencyKind::Call))
        .dependency(edge("api", "db", DependencyKind::Call))
        .dependency(edge("api", "cache", DependencyKind::Call))
        .dependency(edge("api", "db", DependencyKind::StartOrder))
        .rule(Rule::hard("api-apart", RuleKind::Apart { members: vec![cid("api")], domain: Domain::Host }))
        .build()
        .unwrap()
}

/// Where `shop` starts.
pub(crate) fn spread() -> Placement {
    Placement::new()
        .with(rid("web", 0), hid("h0"))
        .with(rid("web", 1), hid("h1"))
        .with(rid("web", 2), hid("h2"))
        .with(rid("api", 0), hid("h1"))
        .with(rid("api", 1), hid("h2"))
        .with(rid("db", 0), hid("h0"))
        .with(rid("cache", 0), hid("h3"))
}
