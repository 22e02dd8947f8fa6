//! What the structure of a map says: order, cycles, reach of a failure, weak points.
//!
//! Every function takes a finished [`Ecosystem`](crate::Ecosystem), returns plain data with names, and is iterative:
//! the depth of the graph never becomes depth of the call stack. `docs/analyses.md` holds definitions and sources.

mod availability;
mod blast;
mod centrality;
mod community;
mod cut;
mod cycle;
mod digraph;
mod domains;
mod dominators;
mod drift;
mod latency;
mod order;
mod scc;
mod selection;
mod spof;

pub use availability::{
    Availability, AvailabilityError, AvailabilityModel, Block, availability, placement_availability,
};
pub use blast::{Affected, BlastRadius, Impact, blast_radius, blast_radius_over};
pub use centrality::{Centrality, CentralitySettings, centrality};
pub use community::{Communities, communities};
pub use cut::{CutBy, CutError, MinCut, min_cut};
pub use cycle::{Cycle, cycles};
pub use digraph::{Digraph, DigraphError};
pub use domains::{Loss, SharedDomain, WhatIf, shared_failure_domains, what_if};
pub use drift::{Drift, Use, drift, drift_between};
pub use latency::{Calls, Latency, LatencyError, LatencyModel, Quantiles, latency};
pub use order::{StartOrder, start_order, upgrade_order};
pub use scc::{Components, strong_components};
pub use selection::EdgeSelection;
pub use spof::{
    Bridge, SinglePoint, SinglePointReason, SinglePointSettings, SinglePoints, single_points_of_failure,
};

pub(crate) use digraph::dense;
