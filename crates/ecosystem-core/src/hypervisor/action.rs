//! What the engine asks the host application to do.

use super::Capability;
use crate::component::Version;
use crate::id::{ActionId, ComponentId, HostId, ReplicaId};
use crate::resources::Resources;
use std::fmt;
use std::sync::Arc;

/// How a replica is moved while it runs.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum MigrationMode {
    /// Copy memory while it runs, switch over at the end; can be aborted until then.
    #[default]
    PreCopy,
    /// Switch over at once, fetch memory afterwards; cannot be aborted.
    PostCopy,
    /// Stop, copy, start.
    Cold,
}

/// Which traffic an isolated component may have.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum NetworkPolicy {
    /// None, except to and from the forensics network.
    Quarantine,
    /// What the map declares and nothing else.
    DeclaredOnly,
}

/// What an executor is asked to do.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum ActionKind {
    /// Start a replica on a host. Done when it reports healthy.
    Start {
        /// The replica.
        replica: ReplicaId,
        /// Where.
        host: HostId,
        /// Which build.
        version: Version,
        /// What to give it.
        resources: Resources,
    },
    /// Stop a replica. Done when it no longer runs; also done if it did not run.
    Stop {
        /// The replica.
        replica: ReplicaId,
        /// Where it runs.
        host: HostId,
    },
    /// Move a running replica.
    Migrate {
        /// The replica.
        replica: ReplicaId,
        /// Where it runs.
        from: HostId,
        /// Where it goes.
        to: HostId,
        /// How.
        mode: MigrationMode,
    },
    /// Give up an action that has not passed its pivot.
    Abort {
        /// The action to give up.
        action: ActionId,
    },
    /// Change what a running replica has.
    Resize {
        /// The replica.
        replica: ReplicaId,
        /// Where it runs.
        host: HostId,
        /// What it shall have.
        resources: Resources,
    },
    /// Keep memory and disk of a replica under a name, for forensics or roll-back.
    Snapshot {
        /// The replica.
        replica: ReplicaId,
        /// Where it runs.
        host: HostId,
        /// Name of the snapshot.
        name: Arc<str>,
    },
    /// Bring a replica back to a snapshot.
    Restore {
        /// The replica.
        replica: ReplicaId,
        /// Where.
        host: HostId,
        /// Name of the snapshot.
        name: Arc<str>,
    },
    /// Make sure that nothing runs on a host and nothing will until it is released. Done is evidence of death.
    Fence {
        /// The host.
        host: HostId,
    },
    /// Let a host take new work or not.
    Cordon {
        /// The host.
        host: HostId,
        /// True = takes nothing new.
        closed: bool,
    },
    /// Restrict the traffic of a component.
    ApplyNetworkPolicy {
        /// The component.
        component: ComponentId,
        /// What stays allowed.
        policy: NetworkPolicy,
    },
    /// Lift the restriction.
    RemoveNetworkPolicy {
        /// The component.
        component: ComponentId,
    },
    /// Divide a component's traffic between versions, in thousandths that sum to 1,000.
    ShiftTraffic {
        /// The component.
        component: ComponentId,
        /// Share of each version.
        permille: Vec<(Version, u32)>,
    },
    /// Replace all credentials a component held.
    RotateCredentials {
        /// The component.
        component: ComponentId,
    },
    /// Switch a host on or off.
    Power {
        /// The host.
        host: HostId,
        /// True = on.
        on: bool,
    },
    /// Ask how a replica is; ends with [`ActionOutcome::Seen`](super::ActionOutcome::Seen).
    Probe {
        /// The replica.
        replica: ReplicaId,
        /// Where it should run.
        host: HostId,
    },
}

impl ActionKind {
    /// What is needed to carry it out.
    pub const fn capability(&self) -> Capability {
        match self {
            Self::Start { .. } | Self::Stop { .. } | Self::Probe { .. } => Capability::Lifecycle,
            Self::Migrate { mode: MigrationMode::PreCopy, .. } => Capability::PreCopy,
            Self::Migrate { mode: MigrationMode::PostCopy, .. } => Capability::PostCopy,
            Self::Migrate { mode: MigrationMode::Cold, .. } => Capability::ColdMigration,
            Self::Abort { .. } => Capability::Abort,
            Self::Resize { .. } => Capability::Resize,
            Self::Snapshot { .. } | Self::Restore { .. } => Capability::Snapshot,
            Self::Fence { .. } => Capability::Fence,
            Self::Cordon { .. } => Capability::Cordon,
            Self::ApplyNetworkPolicy { .. } | Self::RemoveNetworkPolicy { .. } => Capability::NetworkPolicy,
            Self::ShiftTraffic { .. } => Capability::Traffic,
            Self::RotateCredentials { .. } => Capability::Credentials,
            Self::Power { .. } => Capability::Power,
        }
    }

    /// The replica it is about, if it is about one.
    pub const fn replica(&self) -> Option<&ReplicaId> {
        match self {
            Self::Start { replica, .. }
            | Self::Stop { replica, .. }
            | Self::Migrate { replica, .. }
            | Self::Resize { replica, .. }
            | Self::Snapshot { replica, .. }
            | Self::Restore { replica, .. }
            | Self::Probe { replica, .. } => Some(replica),
            _ => None,
        }
    }

    /// A short verb, e.g. `start`.
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Migrate { .. } => "migrate",
            Self::Abort { .. } => "abort",
            Self::Resize { .. } => "resize",
            Self::Snapshot { .. } => "snapshot",
            Self::Restore { .. } => "restore",
            Self::Fence { .. } => "fence",
            Self::Cordon { closed: true, .. } => "cordon",
            Self::Cordon { closed: false, .. } => "uncordon",
            Self::ApplyNetworkPolicy { .. } => "cut-network",
            Self::RemoveNetworkPolicy { .. } => "reconnect-network",
            Self::ShiftTraffic { .. } => "shift-traffic",
            Self::RotateCredentials { .. } => "rotate-credentials",
            Self::Power { on: true, .. } => "power-on",
            Self::Power { on: false, .. } => "power-off",
            Self::Probe { .. } => "probe",
        }
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.verb())?;
        match self {
            Self::Start { replica, host, version, .. } if version.is_unknown() => {
                write!(f, "{replica} on {host}")
            }
            Self::Start { replica, host, version, .. } => write!(f, "{replica} version {version} on {host}"),
            Self::Stop { replica, host } | Self::Probe { replica, host } => write!(f, "{replica} on {host}"),
            Self::Migrate { replica, from, to, .. } => write!(f, "{replica} from {from} to {to}"),
            Self::Abort { action } => write!(f, "action {action}"),
            Self::Resize { replica, host, resources } => write!(f, "{replica} on {host} to {resources}"),
            Self::Snapshot { replica, host, name } => write!(f, "{replica} on {host} as {name}"),
            Self::Restore { replica, host, name } => write!(f, "{replica} on {host} from {name}"),
            Self::Fence { host } | Self::Cordon { host, .. } | Self::Power { host, .. } => {
                write!(f, "{host}")
            }
            Self::ApplyNetworkPolicy { component, .. }
            | Self::RemoveNetworkPolicy { component }
            | Self::RotateCredentials { component } => write!(f, "{component}"),
            Self::ShiftTraffic { component, permille } => {
                write!(f, "{component}:")?;
                permille
                    .iter()
                    .try_for_each(|(version, share)| write!(f, " {version} {}.{} %", share / 10, share % 10))
            }
        }
    }
}
