//! What a host application tells the engine.

use crate::action::{ApprovalId, AskId};
use ecosystem_core::{
    ActionId, ComponentId, Ecosystem, HostId, HypervisorEvent, Infrastructure, Inventory, ReplicaId,
    Resources, Version,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a host is known to run nothing any more.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum DeathEvidence {
    /// A fence was carried out, by us or by somebody else.
    Fenced,
    /// It was seen without power.
    PowerOff,
    /// A person went and looked.
    Operator,
}

impl DeathEvidence {
    /// A word for reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fenced => "fenced",
            Self::PowerOff => "without power",
            Self::Operator => "confirmed by an operator",
        }
    }
}

/// How bad a reported bug is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "the three levels that change what is done")]
pub enum Severity {
    /// Recorded only.
    Minor,
    /// The version is not rolled out any further, and taken back if it is being rolled out.
    Major,
    /// As major; a component that already runs it goes back to the version before, if that is known.
    Critical,
}

/// What an order is about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[expect(clippy::exhaustive_enums, reason = "the things that can be frozen")]
pub enum Scope {
    /// Everything.
    All,
    /// One component with its replicas.
    Component(ComponentId),
    /// One host with what runs on it.
    Host(HostId),
}

/// What an operator wants.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Order {
    /// Nothing is begun on it until it is thawed; what is under way ends.
    Freeze(Scope),
    /// The opposite.
    Thaw(Scope),
    /// Empty a host and keep it empty.
    Drain(HostId),
    /// Take a host back into use: ends draining, cordon, and suspicion of its hardware.
    Restore(HostId),
    /// Grant an approval.
    Approve(ApprovalId),
    /// Refuse an approval.
    Reject(ApprovalId),
    /// Give up an action if that is still possible.
    Abort(ActionId),
    /// Run so many replicas.
    SetReplicas(ComponentId, u32),
    /// The host is dead; somebody looked.
    ConfirmDead(HostId),
    /// Move a replica to a host.
    Move(ReplicaId, HostId),
    /// Forget failed attempts of a component and try again at once.
    Retry(ComponentId),
    /// Switch a host off: only one that is being emptied and holds nothing any more. [`Restore`](Self::Restore)
    /// switches it on again.
    PowerOff(HostId),
    /// Divide a component's traffic between versions, in thousandths that sum to 1,000.
    ShiftTraffic(ComponentId, Vec<(Version, u32)>),
    /// Bring a running replica back to a snapshot. A disruption: bound by the budget of its component.
    RestoreSnapshot(ReplicaId, Arc<str>),
    /// Give every replica of a component so much: running ones where they run, if there is room, others when they start.
    /// Holds until the map says otherwise.
    Resize(ComponentId, Resources),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Component(id) => fmt::Display::fmt(id, f),
            Self::Host(id) => fmt::Display::fmt(id, f),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Freeze(scope) => write!(f, "freeze {scope}"),
            Self::Thaw(scope) => write!(f, "thaw {scope}"),
            Self::Drain(host) => write!(f, "empty {host}"),
            Self::Restore(host) => write!(f, "take {host} back into use"),
            Self::Approve(id) => write!(f, "grant question {id}"),
            Self::Reject(id) => write!(f, "refuse question {id}"),
            Self::Abort(id) => write!(f, "abort action {id}"),
            Self::SetReplicas(component, count) => write!(f, "run {count} of {component}"),
            Self::ConfirmDead(host) => write!(f, "{host} is dead for certain"),
            Self::Move(replica, host) => write!(f, "move {replica} to {host}"),
            Self::Retry(component) => write!(f, "try {component} again"),
            Self::PowerOff(host) => write!(f, "switch {host} off"),
            Self::ShiftTraffic(component, _) => write!(f, "divide traffic of {component}"),
            Self::RestoreSnapshot(replica, name) => write!(f, "bring {replica} back to snapshot {name}"),
            Self::Resize(component, size) => {
                write!(f, "give each {component} {} and {}", size.cpu, size.memory)
            }
        }
    }
}

/// What a plan is expected to gain: the cost of where everything is and of where it would be, both by the same measure
/// of the one who sends it (money per hour, a weighted score); lower is better.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "two costs")]
pub struct Gain {
    /// Cost now.
    pub before: u64,
    /// Cost when every move is done.
    pub after: u64,
}

impl Gain {
    /// What is gained, in thousandths of the cost now; nothing if it gets worse.
    pub fn permille(self) -> u32 {
        let gained = u128::from(self.before.saturating_sub(self.after)) * 1_000;
        u32::try_from(gained / u128::from(self.before.max(1))).unwrap_or(1_000)
    }
}

/// One observation, answer or order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// A host is alive.
    Heartbeat(HostId),
    /// Something the executor reported.
    Hypervisor(HypervisorEvent),
    /// The executor certainly did not begin an action
    /// ([`SubmitError::Rejected`](ecosystem_core::SubmitError::Rejected)).
    Refused {
        /// Which.
        action: ActionId,
        /// Why.
        reason: Arc<str>,
    },
    /// The executor may or may not have begun an action
    /// ([`SubmitError::Unknown`](ecosystem_core::SubmitError::Unknown)).
    Unclear {
        /// Which.
        action: ActionId,
        /// What is known.
        reason: Arc<str>,
    },
    /// Somebody else thinks that a host is in trouble (an observer's vote; see the detectors).
    HostSuspect {
        /// Which.
        host: HostId,
        /// Why.
        why: Arc<str>,
    },
    /// A host is dead for certain.
    HostFailed {
        /// Which.
        host: HostId,
        /// How that is known.
        evidence: DeathEvidence,
    },
    /// A host works, but its hardware reports trouble.
    HostDegraded {
        /// Which.
        host: HostId,
        /// What trouble.
        why: Arc<str>,
    },
    /// A model expects a host to fail.
    PredictedFailure {
        /// Which.
        host: HostId,
        /// How soon.
        within: Duration,
        /// How sure the model is, in thousandths; below 500 it is only recorded.
        permille: u32,
    },
    /// Load of a component: mean use over its serving replicas, in thousandths of what they asked for.
    Utilisation {
        /// Which.
        component: ComponentId,
        /// How much.
        permille: u32,
    },
    /// What the load of a component is expected to become: the peak, or an upper bound of it, within a time. Replicas
    /// are added ahead of it, and none is taken away for the present load until it is over.
    Forecast {
        /// Which.
        component: ComponentId,
        /// Expected use over the replicas that serve now, in thousandths of what they asked for.
        permille: u32,
        /// How far ahead.
        within: Duration,
    },
    /// A component is, or may be, in an attacker's hands.
    SecurityAlert {
        /// Which.
        component: ComponentId,
        /// Why.
        why: Arc<str>,
    },
    /// The verdict on the rebuilt replicas of an isolated component.
    Verified {
        /// Which.
        component: ComponentId,
        /// True = clean.
        clean: bool,
        /// By which means.
        why: Arc<str>,
    },
    /// A version misbehaves.
    BugReport {
        /// Of which component.
        component: ComponentId,
        /// Which version.
        version: Version,
        /// How badly.
        severity: Severity,
        /// What happens.
        why: Arc<str>,
    },
    /// A version shall be brought in.
    NewVersion {
        /// Of which component.
        component: ComponentId,
        /// Which version.
        version: Version,
    },
    /// The optimizer's answer to [`Ask::Placement`](crate::Ask::Placement).
    Placement {
        /// Which question.
        id: AskId,
        /// Where each replica shall go. Replicas that were not asked about and run elsewhere are moved aside, by a plan
        /// as in [`Plan`](Self::Plan), before what needs their room is asked about again.
        assignments: Vec<(ReplicaId, HostId)>,
        /// Replicas for which there is no host, with the reason.
        unplaceable: Vec<(ReplicaId, Arc<str>)>,
    },
    /// Where running replicas shall be. The engine makes a plan (see [`plan`](crate::plan)), journals its steps and
    /// carries them out in their partial order, each under all guards; after a failure it plans the rest anew from
    /// where things stand. Added to a plan that is under way; a replica that is in both goes where the later says.
    Plan {
        /// Which replica, and its host in the end.
        moves: Vec<(ReplicaId, HostId)>,
        /// What it gains. A plan that says so is measured: below [`Limits`](crate::Limits) nothing is done, with the
        /// reason. `None` = whoever sends it wants it whatever it gains.
        gain: Option<Gain>,
        /// Why.
        why: Arc<str>,
    },
    /// The answer to [`Ask::Approval`](crate::Ask::Approval).
    Approval {
        /// Which question.
        id: ApprovalId,
        /// Yes or no.
        granted: bool,
        /// Who answered.
        by: Arc<str>,
    },
    /// An operator's order.
    Order {
        /// What.
        order: Order,
        /// Who.
        by: Arc<str>,
    },
    /// The truth on the ground, asked for after a restart and in doubt.
    Inventory(Inventory),
    /// The map changed: what is wanted from now on.
    Map(Arc<Ecosystem>),
    /// The infrastructure changed: hosts came, went or changed their size.
    Capacity(Arc<Infrastructure>),
}
