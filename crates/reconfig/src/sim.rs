//! A deterministic simulator for drills and tests: hosts, replicas, migrations, load and faults, all from a seed.
//!
//! [`Simulator`] implements [`Hypervisor`](ecosystem_core::Hypervisor) and
//! [`MetricsSource`](ecosystem_core::MetricsSource), so any driver can be pointed at it. [`Drill`] is a complete
//! small driver around an engine and a simulator: it moves the clock from event to event, keeps the journal,
//! answers placement questions greedily, grants approvals, crashes and restarts the engine, and checks the
//! invariants S1 to S9 after every step with a [`Checker`] that shares no code with the engine.
//!
//! # Example
//! ```
//! use ecosystem_core::*;
//! use ecosystem_reconfig::{Settings, sim::{Drill, Fault, SimSettings}};
//! use std::time::Duration;
//!
//! let size = Resources::new(Millicores::cores(8), Bytes::gib(32));
//! let mut web = Component::new("web".parse()?, Kind::Container);
//! web.requirements.request = Resources::new(Millicores::cores(1), Bytes::gib(1));
//! let ecosystem = Ecosystem::builder("shop").component(web).build()?;
//! let infrastructure = Infrastructure::builder()
//!     .region(Region::new("eu".parse()?))
//!     .zone(Zone::new("eu-a".parse()?, "eu".parse()?))
//!     .rack(Rack::new("r1".parse()?, "eu-a".parse()?))
//!     .host(Host::new("h1".parse()?, "r1".parse()?, size.clone()))
//!     .host(Host::new("h2".parse()?, "r1".parse()?, size))
//!     .build()?;
//! let web0 = ReplicaId::new("web".parse()?, 0);
//! let placement = Placement::new().with(web0.clone(), "h1".parse()?);
//!
//! let mut drill =
//!     Drill::new(Settings::default(), &ecosystem, &infrastructure, &placement, SimSettings::default())?;
//! drill.fault_at(Duration::from_secs(60), Fault::HostCrash("h1".parse()?));
//! drill.run_for(Duration::from_secs(300));
//! assert!(drill.violations().is_empty());
//! assert_eq!(drill.engine().unwrap().placement().host_of(&web0).unwrap().as_str(), "h2");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checker;
mod drill;
mod execute;
mod greedy;
mod liveness;
mod load;
mod rng;
mod simulator;

pub use checker::{Broken, Checker};
pub use drill::{Approvals, Drill, DrillError, Input, TimelineEntry, TimelineKind};
pub use greedy::place_greedily;
pub use liveness::Starved;
pub use load::Load;
pub use rng::SimRng;
pub use simulator::{Fault, Running, SimError, SimSettings, Simulator};
