//! What executes actions: the trait a host implements and its data.

use crate::component::Version;
use crate::id::{ActionId, ComponentId, Epoch, HostId, ReplicaId};
use crate::resources::Resources;
use crate::time::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
    /// Ask how a replica is; ends with [`ActionOutcome::Seen`].
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

/// Something an executor may or may not be able to do.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Capability {
    /// Start, stop and probe replicas.
    Lifecycle,
    /// Live migration that copies before the switch-over.
    PreCopy,
    /// Live migration that copies after the switch-over.
    PostCopy,
    /// Migration of a stopped replica.
    ColdMigration,
    /// Abort a running action.
    Abort,
    /// Change the resources of a running replica.
    Resize,
    /// Snapshots.
    Snapshot,
    /// Fence a host.
    Fence,
    /// Close a host for new work.
    Cordon,
    /// Network policies.
    NetworkPolicy,
    /// Divide traffic between versions.
    Traffic,
    /// Rotate credentials.
    Credentials,
    /// Switch hosts on and off.
    Power,
}

/// The set of things an executor can do.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Capabilities(std::collections::BTreeSet<Capability>);

impl Capabilities {
    /// Everything.
    pub fn all() -> Self {
        use Capability as C;
        [
            C::Lifecycle,
            C::PreCopy,
            C::PostCopy,
            C::ColdMigration,
            C::Abort,
            C::Resize,
            C::Snapshot,
            C::Fence,
            C::Cordon,
            C::NetworkPolicy,
            C::Traffic,
            C::Credentials,
            C::Power,
        ]
        .into_iter()
        .collect()
    }

    /// True if the executor can do it.
    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains(&capability)
    }

    /// The same set without one thing.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Self {
        self.0.remove(&capability);
        self
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

/// One order to an executor.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "read by every executor")]
pub struct ActionRequest {
    /// Number of the action; the same number twice has the effect of once.
    pub id: ActionId,
    /// Fencing token of the controller; a lower one than the highest seen is refused.
    pub epoch: Epoch,
    /// What to do.
    pub kind: ActionKind,
    /// When the engine gives up waiting.
    pub deadline: Timestamp,
    /// What the engine believes about the replica; an executor that knows better refuses.
    pub expected: Option<ReplicaState>,
}

/// Why an order was not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError<E: std::error::Error> {
    /// Certainly not begun: refused, with the reason.
    #[error("action was refused: {reason}")]
    Rejected {
        /// Why.
        reason: String,
    },
    /// Maybe begun: the answer was lost.
    #[error("it is not known whether the action began: {0}")]
    Unknown(#[source] E),
}

/// How an action ended.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum ActionOutcome {
    /// It had its effect.
    Done {
        /// How long the replica did not answer, for migrations.
        downtime: Duration,
    },
    /// A probe's answer: how the replica is on the host that was asked, at the time of answering.
    Seen {
        /// How it is; [`ReplicaState::Stopped`] also if the host does not know it.
        state: ReplicaState,
        /// Which build runs; unknown if none does.
        version: Version,
    },
    /// It had no effect, or its effect was undone.
    Failed {
        /// Why, in words of the executor.
        reason: Arc<str>,
    },
    /// It is not known whether it had an effect (e.g. the link broke during the switch-over).
    Uncertain {
        /// What is known.
        reason: Arc<str>,
    },
}

impl ActionOutcome {
    /// Done without downtime.
    pub const DONE: Self = Self::Done { downtime: Duration::ZERO };
}

/// State of a replica as an executor sees it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum ReplicaState {
    /// Does not run.
    Stopped,
    /// Runs but does not serve yet.
    Starting,
    /// Serves.
    Running,
    /// Runs but does not serve as it should.
    Unhealthy,
}

/// Health of a host as an executor sees it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum HostHealth {
    /// Answers.
    Alive,
    /// Answers, but hardware reports trouble.
    Degraded,
    /// Known to be dead: fenced, or seen without power.
    Dead,
}

/// What has happened on the ground.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum HypervisorEvent {
    /// An action goes on.
    Progress {
        /// Which.
        action: ActionId,
        /// How far, in thousandths.
        permille: u32,
    },
    /// An action ended. May come twice, late, or for an action that was given up.
    Finished {
        /// Which.
        action: ActionId,
        /// How.
        outcome: ActionOutcome,
    },
    /// A host reported.
    Host {
        /// Which.
        host: HostId,
        /// How it is.
        health: HostHealth,
    },
    /// A replica reported.
    Replica {
        /// Which.
        replica: ReplicaId,
        /// Where it was seen.
        host: HostId,
        /// How it is.
        state: ReplicaState,
        /// Which build runs.
        version: Version,
    },
}

/// One replica as found on the ground.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "made by hosts in bulk")]
pub struct ReplicaReport {
    /// Which.
    pub replica: ReplicaId,
    /// Where.
    pub host: HostId,
    /// How it is.
    pub state: ReplicaState,
    /// Which build.
    pub version: Version,
    /// What it has.
    pub resources: Resources,
}

/// The truth on the ground, for start-up and for doubt.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "made by hosts")]
pub struct Inventory {
    /// Hosts that answered, with their health. A host that is missing is not known to be dead.
    pub hosts: Vec<(HostId, HostHealth)>,
    /// Everything that runs on the hosts that answered.
    pub replicas: Vec<ReplicaReport>,
    /// Components whose traffic is restricted.
    pub policies: Vec<(ComponentId, NetworkPolicy)>,
}

/// What executes actions: QEMU, libvirt, a cloud API, an orchestrator, a simulator.
///
/// `submit` and `poll` suit synchronous and asynchronous hosts alike: an asynchronous one spawns in `submit` and
/// drains a channel in `poll`.
pub trait Hypervisor {
    /// What goes wrong with the executor as a whole.
    type Error: std::error::Error + Send + Sync + 'static;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Begins an action and returns at once. The same [`ActionId`] twice has the effect of once; an epoch lower than
    /// the highest seen is refused.
    fn submit(&mut self, request: &ActionRequest) -> Result<(), SubmitError<Self::Error>>;

    /// What has happened since the last call.
    fn poll(&mut self, now: Timestamp) -> Result<Vec<HypervisorEvent>, Self::Error>;

    /// The truth on the ground.
    fn inventory(&mut self) -> Result<Inventory, Self::Error>;
}
