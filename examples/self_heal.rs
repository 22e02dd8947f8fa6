//! `cargo run --release --example self_heal`: the loop "monitor, recover, scale, isolate" with live explanations.
//!
//! The pseudocode of self-healing systems asks four questions in a loop: has something failed (find another place and
//! bring it back), is something overloaded (scale up), underused (scale down), compromised (isolate, investigate,
//! rebuild)? Here the engine answers each of them against the simulator, and says why in its own words. Every
//! invariant is checked at every step, and so is the answer to each question.

use std::sync::Arc;
use std::time::Duration;
use vm_ecosystem::model::{
    Bytes, Component, ComponentId, Dependency, DependencyKind, Ecosystem, Host, Infrastructure, Kind,
    Millicores, Placement, Rack, Region, ReplicaId, Resources, Zone,
};
use vm_ecosystem::reconfig::sim::{Drill, Fault, Load, SimSettings};
use vm_ecosystem::reconfig::{Event, Settings};

type Failure = Box<dyn std::error::Error>;

fn component(name: &str, kind: Kind, replicas: u32, cores: u64) -> Result<Component, Failure> {
    let mut it = Component::new(name.parse()?, kind);
    it.requirements.request = Resources::new(Millicores::cores(cores), Bytes::gib(2 * cores));
    it.replicas = replicas;
    Ok(it)
}

/// web (2 to 6 replicas) calls api (2), api calls db; eight hosts in two zones.
fn world() -> Result<(Ecosystem, Infrastructure, Placement), Failure> {
    let mut web = component("web", Kind::Container, 2, 1)?;
    web.replica_range = Some((2, 6));
    let call = |from: &str, to: &str| -> Result<Dependency, Failure> {
        Ok(Dependency::new(from.parse()?, to.parse()?, DependencyKind::Call))
    };
    let shop = Ecosystem::builder("shop")
        .component(web)
        .component(component("api", Kind::Container, 2, 2)?)
        .component(component("db", Kind::Database, 1, 4)?)
        .dependency(call("web", "api")?)
        .dependency(call("api", "db")?)
        .build()?;
    let mut fleet = Infrastructure::builder().region(Region::new("eu".parse()?));
    for zone in ["eu-a", "eu-b"] {
        fleet =
            fleet.zone(Zone::new(zone.parse()?, "eu".parse()?)).rack(Rack::new(zone.parse()?, zone.parse()?));
        for n in 1..=4 {
            let size = Resources::new(Millicores::cores(8), Bytes::gib(32));
            fleet = fleet.host(Host::new(format!("{zone}-{n}").parse()?, zone.parse()?, size));
        }
    }
    let mut placement = Placement::new();
    for (name, n, host) in [
        ("web", 0, "eu-a-1"),
        ("web", 1, "eu-b-1"),
        ("api", 0, "eu-a-1"),
        ("api", 1, "eu-b-2"),
        ("db", 0, "eu-a-2"),
    ] {
        placement.set(ReplicaId::new(name.parse()?, n), host.parse()?);
    }
    Ok((shop, fleet.build()?, placement))
}

struct Loop {
    drill: Drill,
    told: usize,
}

impl Loop {
    /// Lets time pass and prints what happened meanwhile.
    fn watch(&mut self, question: &str, minutes: u64) {
        println!("\n{question}");
        self.drill.run_for(Duration::from_secs(60 * minutes));
        for entry in &self.drill.timeline()[self.told..] {
            println!(
                "  {:>7.1} s {:8} {}",
                entry.at.as_unix_ms() as f64 / 1e3,
                entry.kind.word(),
                entry.text
            );
        }
        self.told = self.drill.timeline().len();
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.drill.elapsed_ms())
    }

    fn serving(&self, component: &ComponentId) -> u32 {
        self.drill.engine().map_or(0, |engine| engine.available_replicas(component))
    }

    fn count(&self, code: &str) -> usize {
        self.drill.timeline().iter().filter(|entry| entry.code == code).count()
    }
}

fn main() -> Result<(), Failure> {
    let (shop, fleet, placement) = world()?;
    let drill = Drill::new(Settings::default(), &shop, &fleet, &placement, SimSettings::default())?;
    let mut it = Loop { drill, told: 0 };
    let (web, api): (ComponentId, ComponentId) = ("web".parse()?, "api".parse()?);

    it.drill.fault_at(Duration::from_secs(30), Fault::HostCrash("eu-a-1".parse()?));
    it.watch("Has something failed? A host loses power: fence it, find another place, start there.", 3);
    assert!(it.count("fence") > 0 && it.serving(&web) == 2 && it.serving(&api) == 2);

    it.drill.load_at(it.now(), web.clone(), Load::Constant(3_200.0));
    it.watch("Is something overloaded? Demand on web rises to 3.2 cores: more replicas.", 5);
    assert!(it.count("scale-out") > 0 && it.serving(&web) > 2);

    it.drill.load_at(it.now(), web.clone(), Load::Constant(500.0));
    it.watch(
        "Is something underused? Demand falls to half a core: fewer replicas, slowly and within the budget.",
        15,
    );
    assert!(it.count("scale-in") > 0 && it.serving(&web) == 2);

    let why = Arc::from("unknown process opened a connection");
    it.drill.event_at(it.now(), Event::SecurityAlert { component: api.clone(), why });
    it.watch("Is something compromised? An alert for api: cut it off, keep evidence, rebuild clean, ask, reconnect.", 10);
    assert!(it.count("network-cut") > 0 && it.count("reconnected") > 0 && it.serving(&api) == 2);

    let violations = it.drill.violations();
    println!("\ninvariants broken: {}; not served: {}", violations.len(), it.drill.starved().len());
    assert!(violations.is_empty() && it.drill.starved().is_empty());
    Ok(())
}
