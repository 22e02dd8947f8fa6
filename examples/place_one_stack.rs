//! `ecosystem-placement` alone: two services and a database on four hosts, at least cost, and why.

use vm_ecosystem::model::{
    Bytes, Component, Dependency, DependencyKind, Domain, Ecosystem, Host, Infrastructure, Kind, MicroMoney,
    Millicores, Rack, Region, Resources, Rule, RuleKind, Zone,
};
use vm_ecosystem::placement::{Problem, Settings, Status, check, solve};

fn component(
    name: &str,
    kind: Kind,
    replicas: u32,
    cores: u64,
) -> Result<Component, Box<dyn std::error::Error>> {
    let mut component = Component::new(name.parse()?, kind);
    component.replicas = replicas;
    component.requirements.request = Resources::new(Millicores::cores(cores), Bytes::gib(cores * 2));
    Ok(component)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut calls = Dependency::new("web".parse()?, "db".parse()?, DependencyKind::Call);
    calls.bytes_per_s = 5_000_000;
    let apart = RuleKind::Apart { members: vec!["web".parse()?], domain: Domain::Rack };
    let shop = Ecosystem::builder("shop")
        .component(component("web", Kind::Container, 2, 2)?)
        .component(component("db", Kind::Database, 1, 4)?)
        .dependency(calls)
        .rule(Rule::hard("web-apart", apart))
        .build()?;

    let mut fleet = Infrastructure::builder()
        .region(Region::new("eu".parse()?))
        .zone(Zone::new("a".parse()?, "eu".parse()?))
        .rack(Rack::new("r1".parse()?, "a".parse()?))
        .rack(Rack::new("r2".parse()?, "a".parse()?));
    for (host, rack, cents) in [("h1", "r1", 40), ("h2", "r1", 30), ("h3", "r2", 50), ("h4", "r2", 20)] {
        let size = Resources::new(Millicores::cores(8), Bytes::gib(32));
        let mut host = Host::new(host.parse()?, rack.parse()?, size);
        host.price_per_hour = MicroMoney(cents * 10_000);
        fleet = fleet.host(host);
    }
    let fleet = fleet.build()?;

    let problem = Problem::builder(&shop, &fleet).build()?;
    let solution = solve(&problem, &Settings::default());
    check(&problem, &solution.placement)?; // an independent judge
    for (replica, host) in solution.placement.iter() {
        println!("{replica:6} -> {host}");
    }
    println!("{:?}, gap {:.1} %", solution.status, solution.gap * 100.0);
    println!("{}", solution.explanation[0]);
    assert_eq!(solution.status, Status::Optimal);
    let hosts: Vec<&str> = solution.placement.iter().map(|(_, host)| host.as_str()).collect();
    assert!(hosts.iter().all(|host| ["h2", "h4"].contains(host)), "the cheapest host of each rack is enough");
    Ok(())
}
