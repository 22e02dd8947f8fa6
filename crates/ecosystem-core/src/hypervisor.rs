//! What executes actions: the trait a host implements and its data.

mod action;

pub use action::{ActionKind, MigrationMode, NetworkPolicy};

use crate::component::Version;
use crate::id::{ActionId, ComponentId, Epoch, HostId, ReplicaId};
use crate::resources::Resources;
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

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

    /// Without effect, for a reason.
    pub fn failed(reason: impl Into<Arc<str>>) -> Self {
        Self::Failed { reason: reason.into() }
    }

    /// With or without effect, nobody knows, for a reason.
    pub fn uncertain(reason: impl Into<Arc<str>>) -> Self {
        Self::Uncertain { reason: reason.into() }
    }
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
