//! What a host application needs every day: `use vm_ecosystem::prelude::*;`

pub use crate::bridge;
pub use crate::model::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Capabilities, Capability, Component, ComponentId,
    Dependency, Ecosystem, Epoch, Host, HostHealth, HostId, Hypervisor, HypervisorEvent, Infrastructure,
    Inventory, Journal, Kind, MemoryJournal, MetricKind, MetricQuery, MetricsSource, Placement, QueryError,
    RangeQuery, ReplicaId, ReplicaReport, ReplicaState, Resources, Rule, RuleKind, Sample, Series, Subject,
    SubmitError, Timestamp, Version,
};

#[cfg(feature = "audit")]
pub use crate::audit::manage::{AuditManager, SecurityManager};
#[cfg(feature = "audit")]
pub use crate::audit::{Draft, Log};
#[cfg(all(feature = "reconfig", feature = "audit"))]
pub use crate::driver::{AuditSink, Driver, DriverError, Planner, Tick};
#[cfg(feature = "manifest")]
pub use crate::model::manifest::{self, ParseOptions, Source};
#[cfg(feature = "placement")]
pub use crate::placement::{self, Problem, Solution, Status, solve};
#[cfg(feature = "reconfig")]
pub use crate::reconfig::{ApprovalAsk, Engine, Event, Note, PlacementAsk, Settings as EngineSettings};
