//! libvirt as [`Hypervisor`](ecosystem_core::Hypervisor) and [`MetricsSource`](ecosystem_core::MetricsSource): a daemon per host,
//! machines after a template of yours, live migration from daemon to daemon.
//!
//! Without the feature `libvirt` only the parts without the C library are built: [`identity`] and [`Ledger`].
//!
//! | here | there |
//! |---|---|
//! | host | a connection URI |
//! | replica, version, resources | metadata of the domain ([`identity`]) |
//! | start | define and create; stop: destroy and undefine |
//! | processor, memory, network and disk use | the statistics of all domains of a daemon, one call a look ([`Figure`]) |
//! | numbers of actions, highest epoch | a file ([`Ledger`]) that all controllers share, changed under a lock |

mod ledger;

pub mod identity;

#[cfg(feature = "libvirt")]
mod act;
#[cfg(feature = "libvirt")]
mod fleet;
#[cfg(feature = "libvirt")]
mod ground;
#[cfg(feature = "libvirt")]
mod measure;
#[cfg(feature = "libvirt")]
mod stats;
#[cfg(feature = "libvirt")]
mod usage;

pub use ecosystem_orders::Door;
#[cfg(feature = "libvirt")]
pub use fleet::{Fleet, FleetError, HostSettings, Settings};
pub use ledger::{Ledger, LedgerError};
#[cfg(feature = "libvirt")]
pub use usage::Figure;
