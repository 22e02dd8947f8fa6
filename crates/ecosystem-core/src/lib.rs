//! What is there: the values, the map and the infrastructure of a VM fleet, and the traits a host implements.
//!
//! - [`Ecosystem`]: components and the dependencies between them, each edge with its evidence.
//! - [`Infrastructure`]: Region › Zone › Rack › Host with capacities, prices and distances.
//! - [`Placement`]: which replica runs on which host; [`Rule`]s say what it must look like.
//! - [`analysis`]: order, cycles, blast radius, weak points; [`diff`](diff()): what changed between two maps.
//! - [`directory`]: service directories, Consul and etcd among them.
//! - `export` (feature `export`): a map as JSON, DOT and more.
//! - [`MetricsSource`], [`Hypervisor`], [`Journal`]: what a host application implements; `conformance` (feature
//!   `conformance`): does an executor keep the contract?
//!
//! The crate does no IO and reads no clock: moments are [`Timestamp`]s handed in.

pub mod analysis;
mod component;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dependency;
mod diff;
pub mod directory;
mod ecosystem;
mod energy;
#[cfg(feature = "export")]
pub mod export;
mod finding;
mod hypervisor;
mod id;
#[cfg(feature = "manifest")]
mod infer;
mod infra;
mod journal;
#[cfg(feature = "manifest")]
pub mod manifest;
mod metrics;
mod per_host;
mod placement;
#[cfg(feature = "manifest")]
pub mod prometheus;
mod registry;
mod resources;
mod revision;
mod rules;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
#[cfg(feature = "manifest")]
pub mod traces;
mod units;
mod window;

pub use component::{Component, Criticality, Kind, Port, Requirements, Slo, Version};
pub use dependency::{CallMode, Dependency, DependencyKind, StartCondition, Strength};
pub use diff::{ApplyError, Change, EcosystemDiff, FieldChange, diff};
pub use ecosystem::{Ecosystem, EcosystemBuilder, EcosystemError};
pub use finding::{Confidence, Evidence, EvidenceKind, Finding, FindingLevel, Place};
pub use hypervisor::{
    ActionKind, ActionOutcome, ActionRequest, Capabilities, Capability, HostHealth, Hypervisor,
    HypervisorEvent, Inventory, MigrationMode, NetworkPolicy, ReplicaReport, ReplicaState, SubmitError,
};
pub use id::{
    ActionId, ComponentId, Epoch, HostId, InvalidId, NAME_BYTES_MAX, RackId, RegionId, ReplicaId, ZoneId,
};
pub use infra::{
    BandwidthDefaults, Host, HostState, Infrastructure, InfrastructureBuilder, InfrastructureError,
    LatencyDefaults, Link, Nearness, Rack, Region, Zone, ZoneKind,
};
pub use journal::{Journal, MemoryJournal};
pub use metrics::{MetricKind, MetricQuery, MetricsSource, QueryError, RangeQuery, Sample, Series, Subject};
pub use placement::{Move, Placement};
pub use registry::{Health, Instance, Registry, RegistryError, RegistryEvent};
pub use resources::Resources;
pub use revision::{Conflict, History, HistoryError, Merge, Revision, merge};
pub use rules::{Domain, HostSet, Rule, RuleKind, Span, Violation, Weight};
pub use time::{InvalidTimestamp, Timestamp};
pub use units::{BitsPerSecond, Bytes, Currency, MicroMoney, Micros, Millicores};
pub use window::{InvalidWindow, MaintenanceWindow};
