//! System containers on an LXD cluster as [`Hypervisor`](ecosystem_core::Hypervisor) and
//! [`MetricsSource`](ecosystem_core::MetricsSource), over its REST API on unix sockets.
//!
//! | here | there |
//! |---|---|
//! | host, zone | cluster member, its failure domain |
//! | replica | instance with the configuration `user.eco.replica`; its name does not matter |
//! | version | alias of the image ([`Settings::image`]) |
//! | resources | `limits.memory`, `limits.cpu.allowance` |
//! | cordon | `scheduler.instance = manual` |
//! | numbers of actions, highest epoch | a text in a profile that no instance uses, changed by compare-and-swap |
//!
//! Moves are cold: the disk goes along, memory does not ([`MigrationMode::Cold`](ecosystem_core::MigrationMode::Cold) is the
//! only one in its capabilities). A replica that is stopped keeps its disk until it starts in another version. There is no fence: LXD
//! cannot say of a member that does not answer that nothing runs there; that needs a power switch.

mod act;
mod api;
mod cluster;
mod drain;
mod error;
mod ground;
mod http;
mod measure;
mod memory;
mod naming;
mod wire;

pub use cluster::{Cluster, Settings};
pub use drain::{Drain, DrainState};
pub use error::LxdError;

use ecosystem_core::{HostId, ZoneId};

/// Whether a member answers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum MemberStatus {
    /// It does and takes work.
    Online,
    /// It does and was emptied.
    Evacuated,
    /// It has not been heard for the cluster's `cluster.offline_threshold` (20 s), or is in another state in which it does
    /// not work.
    Offline,
}

/// A member of the cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Member {
    /// Its name.
    pub host: HostId,
    /// Its failure domain.
    pub zone: ZoneId,
    /// Whether it answers.
    pub status: MemberStatus,
    /// True if it takes nothing new.
    pub closed: bool,
    /// What the cluster says of it.
    pub message: String,
}
