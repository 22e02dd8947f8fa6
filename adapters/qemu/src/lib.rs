//! QEMU as [`Hypervisor`](ecosystem_core::Hypervisor) and [`MetricsSource`](ecosystem_core::MetricsSource): several
//! "hosts" on one machine, real virtual machines, real live migrations.
//!
//! | part | what |
//! |---|---|
//! | [`Fleet`] | the controller's side: implements the traits, talks to the hosts, fences them |
//! | [`host`](serve) | the supervisor of one host, a process of its own (`eco-host`), with its machines as children |
//! | [`Qmp`] | a small client of QEMU's machine protocol |
//! | [`guest`] | a 512-byte guest with dials for load and written memory |
//! | [`Observer`] | counts running instances straight from QEMU's sockets, independent of everything else |
//!
//! A host is a process group: [`Fleet::kill`] (power lost), [`Fleet::hang`] and [`Fleet::wake`] (SIGSTOP, SIGCONT),
//! [`Fleet::cut`] and [`Fleet::mend`] (network). Orders go to the supervisors, which remember the numbers of actions and
//! the highest epoch on disk, so a controller may die at any moment and a second one cannot interfere.
//!
//! Machines are always run with `-accel tcg`.

mod error;
mod fleet;
pub mod guest;
mod host;
mod limits;
mod machine;
mod observer;
mod processes;
mod qmp;
pub mod wire;

pub use error::HostError;
pub use fleet::{Fleet, FleetError, FleetSettings};
pub use guest::Guest;
pub use host::{HostSettings, serve};
pub use machine::{Plugged, Writing};
pub use observer::{Observer, Sighting, places};
pub use qmp::{Qmp, QmpError};
