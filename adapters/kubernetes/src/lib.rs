//! A Kubernetes cluster as ground for plans: what runs where comes in, node affinity, scale, cordon and eviction go out.
//!
//! Kubernetes places pods itself. A placement therefore becomes what it understands: each workload is confined to its nodes
//! (required node affinity), scaled to its number of replicas, and pods on other nodes are evicted through the API that honours
//! disruption budgets. Which of its nodes a pod of a workload takes stays the scheduler's choice.
//!
//! | part | what |
//! |---|---|
//! | [`Client`] | requests with a deadline and bounded answers; plain HTTP, e.g. to `kubectl proxy` |
//! | [`Ground`] | nodes, workloads and pods as infrastructure, inventory and placement |
//! | [`Plan`] | the steps from the ground to a placement, or to an empty node; each is a request that can be shown |
//! | [`Runner`] | carries a plan out; an eviction that a budget forbids is [`StepState::Held`] and tried again later |
//!
//! Types and requests are those of `k8s-openapi` and `kube-core`. Manifests come in by the reader of `ecosystem_core`
//! ([`ecosystem_core::manifest`]), whose components have the names of the workloads.

mod client;
mod error;
mod ground;
mod plan;
mod quantity;
mod read;
mod runner;

pub use client::{Client, Settings};
pub use error::{KubeError, PlanError};
pub use ground::{Ground, Node, Pod, Workload, WorkloadKind};
pub use plan::{Plan, Step};
pub use runner::{Progress, Runner, RunnerSettings, StepState};
