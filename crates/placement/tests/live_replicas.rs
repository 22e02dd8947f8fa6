//! Placing a few replicas into a fleet that runs.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use ecosystem_core::{
    Bytes, Component, Domain, Ecosystem, Host, HostId, HostSet, Infrastructure, Kind, Millicores, Placement,
    Rack, Region, ReplicaId, Resources, Rule, RuleKind, Zone,
};
use ecosystem_placement::{Problem, Settings, Status, check, solve};

fn fleet(hosts: u32) -> Infrastructure {
    let mut builder = Infrastructure::builder()
        .region(Region::new("eu".parse().unwrap()))
        .zone(Zone::new("a".parse().unwrap(), "eu".parse().unwrap()))
        .rack(Rack::new("r".parse().unwrap(), "a".parse().unwrap()));
    for n in 0..hosts {
        let size = Resources::new(Millicores::cores(4), Bytes::gib(8));
        builder = builder.host(Host::new(host(n), "r".parse().unwrap(), size));
    }
    builder.build().unwrap()
}

fn host(n: u32) -> HostId {
    HostId::new(format!("h{n}")).unwrap()
}

fn web(n: u32) -> ReplicaId {
    ReplicaId::new("web".parse().unwrap(), n)
}

fn shop() -> Ecosystem {
    let mut component = Component::new("web".parse().unwrap(), Kind::Container);
    component.requirements.request = Resources::new(Millicores::cores(2), Bytes::gib(2));
    let apart = RuleKind::Apart { members: vec!["web".parse().unwrap()], domain: Domain::Host };
    Ecosystem::builder("shop").component(component).rule(Rule::hard("apart", apart)).build().unwrap()
}

#[test]
fn replicas_with_any_number_join_those_that_stay() {
    let (shop, fleet) = (shop(), fleet(4));
    let running = Placement::new().with(web(3), host(0)).with(web(7), host(1));
    let problem = Problem::builder(&shop, &fleet)
        .only_replicas([web(3), web(7), web(9)])
        .current(running.clone())
        .fixed([web(3), web(7)])
        .avoid(web(9), [host(2)])
        .without_hosts(HostSet::of_hosts([host(0)]))
        .build()
        .unwrap();
    let solution = solve(&problem, &Settings::default());
    check(&problem, &solution.placement).unwrap();
    assert_eq!(solution.placement, running.with(web(9), host(3)), "h0 and h1 are taken, h2 is to be avoided");
}

#[test]
fn room_that_is_reserved_is_not_given_away() {
    let (shop, fleet) = (shop(), fleet(2));
    let with = |cores: u64| {
        let taken = Resources::new(Millicores::cores(cores), Bytes::gib(1));
        let problem = Problem::builder(&shop, &fleet)
            .only_replicas([web(0), web(1)])
            .current(Placement::new().with(web(0), host(0)))
            .fixed([web(0)])
            .reserve(host(1), &taken)
            .build()
            .unwrap();
        solve(&problem, &Settings::default())
    };
    assert_eq!(with(2).placement.host_of(&web(1)), Some(&host(1)));
    assert!(matches!(with(3).status, Status::Infeasible { .. }));
}
