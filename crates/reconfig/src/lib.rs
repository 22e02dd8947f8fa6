//! How to get there: a self-healing engine that is handed time and events and says what to do.
//!
//! # Model
//! The host application observes (heartbeats, reports, load, alerts, orders) and executes (start, stop, migrate,
//! fence, cut traffic …). Between both stands the [`Engine`]: a deterministic state machine without IO, clock or
//! threads. Its hard state is the fold of its journal, so it survives a crash at any moment; every decision is
//! written before it is acted upon, has a number, a deadline and a reason, and ends done, failed, compensated or
//! escalated.
//!
//! - A silent host is suspected, fenced, and only then its replicas start elsewhere. The host for them is *asked*
//!   for ([`Ask::Placement`]); the optimizer's answer is an event and is checked like anything else.
//! - Load beyond thresholds, held for a while, changes the number of replicas.
//! - A compromised component is cut off, preserved for forensics, rebuilt clean elsewhere, and gets its traffic
//!   back only by approval.
//! - A new version replaces the old one within disruption budgets, dependencies first, and is taken back when it
//!   fails.
//!
//! # What it deliberately does not do
//! It knows no optimizer (it asks), no metrics store (it is told), no executor's protocol, no wall clock.
//!
//! # Features
//!
//! | feature | adds |
//! | --- | --- |
//! | `sim` | module [`sim`]: a seeded simulator of hosts and their faults, the invariants as functions, a drill driver |
//! | `serde` | serde on settings and small values |
//!
//! # Guarantees
//! Same events and times, same records and actions, bit for bit. Invariants S1 to S9 are described in
//! `docs/reconfiguration.md`; the journal format in `docs/journal-format.md`.

mod action;
pub mod detect;
mod engine;
mod error;
mod event;
mod goals;
mod journal;
#[cfg(test)]
mod model;
pub mod plan;
mod settings;
#[cfg(feature = "sim")]
pub mod sim;
mod state;
#[cfg(test)]
mod testing;
mod world;

pub use action::{
    Action, ApprovalAsk, ApprovalId, ApprovalSubject, Ask, AskId, Need, Note, NoteSubject, Output,
    PlacementAsk, Tell,
};
pub use engine::{Counters, Engine, HostView, ReplicaView, WhatIf};
pub use error::{EngineError, JournalError, SettingsError};
pub use event::{DeathEvidence, Event, Gain, Order, Scope, Severity};
pub use goals::Goals;
pub use journal::{FRAME_BYTES_MAX, JOURNAL_VERSION, Record, split_frames};
pub use settings::{
    Detection, Detector, DisruptionWindow, Isolation, Limits, Patience, RestartPolicy, Rolling, Scaling,
    Settings,
};
pub use state::{End, Reason};
