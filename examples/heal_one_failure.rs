//! `ecosystem-reconfig` alone: a host loses power in the simulator and its replica runs elsewhere, never twice.

use std::time::Duration;
use vm_ecosystem::model::{
    Bytes, Component, Ecosystem, Host, Infrastructure, Kind, Millicores, Placement, Rack, Region, ReplicaId,
    Resources, Zone,
};
use vm_ecosystem::reconfig::Settings;
use vm_ecosystem::reconfig::sim::{Drill, Fault, SimSettings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut web = Component::new("web".parse()?, Kind::Container);
    web.requirements.request = Resources::new(Millicores::cores(2), Bytes::gib(4));
    let shop = Ecosystem::builder("shop").component(web).build()?;
    let mut fleet = Infrastructure::builder()
        .region(Region::new("eu".parse()?))
        .zone(Zone::new("a".parse()?, "eu".parse()?))
        .rack(Rack::new("r".parse()?, "a".parse()?));
    // Four hosts: with fewer, one silent host is such a share of all that a person is asked before it is fenced.
    for name in ["h1", "h2", "h3", "h4"] {
        let size = Resources::new(Millicores::cores(8), Bytes::gib(32));
        fleet = fleet.host(Host::new(name.parse()?, "r".parse()?, size));
    }
    let fleet = fleet.build()?;
    let web0 = ReplicaId::new("web".parse()?, 0);
    let placement = Placement::new().with(web0.clone(), "h1".parse()?);

    let mut drill = Drill::new(Settings::default(), &shop, &fleet, &placement, SimSettings::default())?;
    drill.fault_at(Duration::from_secs(60), Fault::HostCrash("h1".parse()?));
    drill.run_for(Duration::from_secs(300));

    for entry in drill.timeline() {
        println!("{entry}");
    }
    let engine = drill.engine().ok_or("the engine did not crash")?;
    let now_on = engine.placement().host_of(&web0).cloned().ok_or("it runs")?;
    println!("\n{web0} runs on {now_on}; invariants broken: {}", drill.violations().len());
    assert_ne!(now_on.as_str(), "h1");
    assert!(drill.violations().is_empty());
    Ok(())
}
