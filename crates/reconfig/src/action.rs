//! What the engine wants from the host application.

use crate::journal::Record;
use crate::state::Reason;
use ecosystem_core::{
    ActionRequest, ComponentId, HostId, Placement, ReplicaId, Resources, Timestamp, Version,
};
use std::fmt;
use std::sync::Arc;

/// Number of a question to the optimizer.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct AskId(pub u64);

/// Number of a question to a person.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
#[expect(clippy::exhaustive_structs, reason = "a number")]
pub struct ApprovalId(pub u64);

impl fmt::Display for AskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What comes out of the engine, in order.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the two things a driver must do: write, then act")]
pub enum Output {
    /// Append this to the journal. Once it is durable call [`Engine::persisted`](crate::Engine::persisted).
    Persist(Record),
    /// Do this. Comes only after everything it rests on is durable.
    Act(Action),
}

/// What the host application shall do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Hand this to the executor.
    Execute(ActionRequest),
    /// Get an answer and bring it back as an event.
    Ask(Ask),
    /// Let somebody know.
    Tell(Tell),
}

/// A question.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Ask {
    /// To the optimizer: answered by [`Event::Placement`](crate::Event::Placement).
    Placement(PlacementAsk),
    /// To a person: answered by [`Event::Approval`](crate::Event::Approval).
    Approval(ApprovalAsk),
    /// To the executor: answered by [`Event::Inventory`](crate::Event::Inventory). Asked after a restart.
    Inventory,
}

/// A question to the optimizer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlacementAsk {
    /// Number of the question.
    pub id: AskId,
    /// Replicas that need a host, most important first.
    pub needs: Vec<Need>,
    /// Hosts that may not be used: dead, suspect, closed, being emptied, frozen.
    pub excluded: Vec<HostId>,
    /// Where everything else runs or has a reservation. A replica that is moving appears where it holds most:
    /// see [`reserved`](Self::reserved) for the other side.
    pub occupied: Arc<Placement>,
    /// Reservations beyond [`occupied`](Self::occupied): host and amount.
    pub reserved: Vec<(HostId, Resources)>,
}

/// One replica that needs a host.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Need {
    /// Which.
    pub replica: ReplicaId,
    /// What it needs there.
    pub resources: Resources,
    /// What it holds on [`from`](Self::from) now: less than it needs if it moves in order to grow.
    pub holds: Resources,
    /// Build that will run.
    pub version: Version,
    /// Where it runs now, if it shall move.
    pub from: Option<HostId>,
    /// Hosts it must not go to, beyond those excluded for all.
    pub avoid: Vec<HostId>,
    /// Why.
    pub reason: Reason,
}

/// A question to a person.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ApprovalAsk {
    /// Number of the question.
    pub id: ApprovalId,
    /// What is to be approved.
    pub subject: ApprovalSubject,
    /// The question as a sentence.
    pub sentence: String,
}

/// What is to be approved.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum ApprovalSubject {
    /// Give an isolated component its traffic back.
    Reconnect(ComponentId),
    /// Fence although suspiciously many hosts are silent at once.
    FenceStorm,
    /// Confirm that a host is dead that could not be fenced.
    ConfirmDead(HostId),
    /// Start clean replicas of an isolated component on hosts where compromised ones ran, because no other host has
    /// room.
    ReuseHosts(ComponentId),
}

impl fmt::Display for ApprovalSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reconnect(component) => write!(f, "reconnect {component}"),
            Self::FenceStorm => f.write_str("fence many hosts"),
            Self::ConfirmDead(host) => write!(f, "confirm death of {host}"),
            Self::ReuseHosts(component) => {
                write!(f, "start clean replicas of {component} where compromised ones ran")
            }
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Tell {
    /// Somebody should look: the engine cannot go on by itself.
    Notify(Note),
    /// For the audit log: what was decided or observed, and why.
    Audit(Note),
}

impl Tell {
    /// What is told.
    pub const fn note(&self) -> &Note {
        match self {
            Self::Notify(note) | Self::Audit(note) => note,
        }
    }
}

/// What something is about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum NoteSubject {
    /// The engine itself.
    Engine,
    /// A component.
    Component(ComponentId),
    /// A replica.
    Replica(ReplicaId),
    /// A host.
    Host(HostId),
}

impl fmt::Display for NoteSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine => f.pad("engine"),
            Self::Component(id) => fmt::Display::fmt(id, f),
            Self::Replica(id) => fmt::Display::fmt(id, f),
            Self::Host(id) => fmt::Display::fmt(id, f),
        }
    }
}

/// A decision or observation with its reason, as data and as a sentence.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Note {
    /// When.
    pub at: Timestamp,
    /// Stable code, e.g. `host-fenced`.
    pub code: &'static str,
    /// What it is about.
    pub subject: NoteSubject,
    /// The facts it rests on.
    pub why: Vec<(&'static str, String)>,
    /// All of it as a sentence.
    pub sentence: String,
    /// On whose behalf; empty = the engine itself.
    pub actor: Arc<str>,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.sentence)
    }
}
