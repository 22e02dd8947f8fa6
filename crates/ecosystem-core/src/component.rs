//! A component of an application: what it is, what it needs, what it promises.

use crate::finding::Evidence;
use crate::id::ComponentId;
use crate::resources::Resources;
use crate::units::Micros;
use crate::window::MaintenanceWindow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// What kind of thing a component is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Kind {
    /// A virtual machine.
    Vm,
    /// A container or a group of containers that live together.
    #[default]
    Container,
    /// A database; stateful.
    Database,
    /// A message queue or log.
    Queue,
    /// A cache.
    Cache,
    /// An entry point: reverse proxy, API gateway, load balancer.
    Gateway,
    /// A function that runs on demand.
    Function,
    /// Something outside of our control that is only called.
    External,
    /// Work that runs to completion.
    Batch,
}

impl Kind {
    /// The kind's name as it is written in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vm => "vm",
            Self::Container => "container",
            Self::Database => "database",
            Self::Queue => "queue",
            Self::Cache => "cache",
            Self::Gateway => "gateway",
            Self::Function => "function",
            Self::External => "external",
            Self::Batch => "batch",
        }
    }

    /// All kinds in the order of declaration.
    pub const ALL: [Self; 9] = [
        Self::Vm,
        Self::Container,
        Self::Database,
        Self::Queue,
        Self::Cache,
        Self::Gateway,
        Self::Function,
        Self::External,
        Self::Batch,
    ];

    /// True for kinds that hold data which a restart elsewhere does not bring back.
    pub const fn is_stateful(self) -> bool {
        matches!(self, Self::Database | Self::Queue)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much hangs on a component; the order is from least to most.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "the four tiers of the disaster-recovery table")]
pub enum Criticality {
    /// May be down for days.
    Low,
    /// May be down for hours.
    #[default]
    Medium,
    /// May be down for minutes.
    High,
    /// Must not be down.
    Critical,
}

/// A version: a semantic version, an image tag or a digest. Equality is equality of the text.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Version(Arc<str>);

impl Version {
    /// Any text; the empty text means "not stated".
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if no version is stated.
    pub fn is_unknown(&self) -> bool {
        self.0.is_empty()
    }

    /// True for a content digest (`sha256:…`), which names exactly one build.
    pub fn is_digest(&self) -> bool {
        self.0.split_once(':').is_some_and(|(algorithm, hex)| {
            algorithm.starts_with("sha") && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
        })
    }

    /// Order by semantic versioning (`SemVer` 2.0.0, a leading `v` and missing parts allowed); `None` if either
    /// side is not a semantic version.
    pub fn semver_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(parse_semver(&self.0)?.cmp(&parse_semver(&other.0)?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(if self.0.is_empty() { "-" } else { &self.0 })
    }
}

fn parse_semver(text: &str) -> Option<semver::Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let core_end = text.find(['-', '+']).unwrap_or(text.len());
    let (core, rest) = text.split_at(core_end);
    let padded = match core.split('.').count() {
        1 => format!("{core}.0.0{rest}"),
        2 => format!("{core}.0{rest}"),
        _ => text.to_owned(),
    };
    semver::Version::parse(&padded).ok()
}

/// What one replica needs, and how far it may stretch. `minimum ≤ request ≤ limit ≤ burst` where stated.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Requirements {
    /// What is reserved on the host.
    pub request: Resources,
    /// What it may use at most; a zero dimension means "no limit stated".
    pub limit: Resources,
    /// Below this it does not start; a zero dimension means the request.
    pub minimum: Resources,
    /// What it may use for short; a zero dimension means the limit.
    pub burst: Resources,
}

/// Service level objectives.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Slo {
    /// Response time that should hold at the 99th percentile.
    pub latency_p99: Option<Micros>,
    /// Promised availability in parts per million, e.g. 999 000 for 99.9 %.
    pub availability_ppm: Option<u32>,
}

/// A port a component listens on.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Port {
    /// Port number.
    pub number: u16,
    /// Protocol in lower case, e.g. `tcp`, `http`, `grpc`.
    pub protocol: Arc<str>,
}

/// A part of an application that runs in one or more replicas.
///
/// Made by [`Component::new`]; fields are public because any combination is valid on its own. What must hold
/// between components is checked when the [`Ecosystem`](crate::Ecosystem) is built.
///
/// # Example
/// ```
/// use ecosystem_core::{Bytes, Component, ComponentId, Kind, Millicores, Resources};
///
/// let mut db = Component::new(ComponentId::new("orders-db")?, Kind::Database);
/// db.replicas = 3;
/// db.requirements.request = Resources::new(Millicores::cores(4), Bytes::gib(16));
/// assert!(db.kind.is_stateful());
/// # Ok::<(), ecosystem_core::InvalidId>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Component {
    /// Its name.
    pub id: ComponentId,
    /// What kind of thing it is.
    pub kind: Kind,
    /// Image or template it is built from, without the version.
    #[cfg_attr(feature = "serde", serde(default))]
    pub image: Arc<str>,
    /// Version that should run.
    #[cfg_attr(feature = "serde", serde(default))]
    pub version: Version,
    /// How many replicas should run.
    pub replicas: u32,
    /// True if one replica runs on every host that takes it, as the agents of a `DaemonSet` do; `replicas` is then only what
    /// was last known. [`Ecosystem::on_hosts`](crate::Ecosystem::on_hosts) gives the number for an infrastructure.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_false"))]
    pub per_host: bool,
    /// Smallest and largest number of replicas a scaler may choose.
    #[cfg_attr(feature = "serde", serde(default))]
    pub replica_range: Option<(u32, u32)>,
    /// What one replica needs.
    #[cfg_attr(feature = "serde", serde(default))]
    pub requirements: Requirements,
    /// What it promises.
    #[cfg_attr(feature = "serde", serde(default))]
    pub slo: Slo,
    /// How much hangs on it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub criticality: Criticality,
    /// How many replicas may be down at once by our own doing; `None` = one, or none if only one runs.
    #[cfg_attr(feature = "serde", serde(default))]
    pub max_unavailable: Option<u32>,
    /// When planned work may be done on it; empty = at any time.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub maintenance: Vec<MaintenanceWindow>,
    /// Memory written per second while it runs, for migration times.
    #[cfg_attr(feature = "serde", serde(default))]
    pub dirty_bytes_per_second: u64,
    /// Regions or zones the data may live in; empty = anywhere.
    #[cfg_attr(feature = "serde", serde(default))]
    pub residency: BTreeSet<Arc<str>>,
    /// Licences one replica takes, by name.
    #[cfg_attr(feature = "serde", serde(default))]
    pub licences: BTreeMap<Arc<str>, u32>,
    /// Ports it listens on.
    #[cfg_attr(feature = "serde", serde(default))]
    pub ports: Vec<Port>,
    /// Free labels.
    #[cfg_attr(feature = "serde", serde(default))]
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Team or tenant it belongs to; empty = not stated.
    #[cfg_attr(feature = "serde", serde(default))]
    pub owner: Arc<str>,
    /// What its attributes rest on.
    #[cfg_attr(feature = "serde", serde(default))]
    pub evidence: Vec<Evidence>,
}

#[cfg(feature = "serde")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl Component {
    /// One replica of the given kind that asks for nothing.
    pub fn new(id: ComponentId, kind: Kind) -> Self {
        Self {
            id,
            kind,
            image: Arc::from(""),
            version: Version::default(),
            replicas: 1,
            per_host: false,
            replica_range: None,
            requirements: Requirements::default(),
            slo: Slo::default(),
            criticality: Criticality::default(),
            max_unavailable: None,
            maintenance: Vec::new(),
            dirty_bytes_per_second: 0,
            residency: BTreeSet::new(),
            licences: BTreeMap::new(),
            ports: Vec::new(),
            labels: BTreeMap::new(),
            owner: Arc::from(""),
            evidence: Vec::new(),
        }
    }

    /// True if it runs on hosts (everything but [`Kind::External`]).
    pub const fn is_placed(&self) -> bool {
        !matches!(self.kind, Kind::External)
    }

    /// How many replicas our own actions may take down at once: the stated number, else one where two or more
    /// run and none where only one does.
    pub fn disruption_budget(&self) -> u32 {
        self.max_unavailable.unwrap_or_else(|| u32::from(self.replicas > 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_semantic_versioning_where_both_are_semantic() {
        let cmp = |a: &str, b: &str| Version::new(a).semver_cmp(&Version::new(b));
        assert_eq!(cmp("v1.2.10", "1.2.9"), Some(Ordering::Greater));
        assert_eq!(cmp("1.4", "1.4.0"), Some(Ordering::Equal));
        assert_eq!(cmp("2.0.0-rc.1", "2.0.0"), Some(Ordering::Less));
        assert_eq!(cmp("latest", "1.0.0"), None);
    }

    #[test]
    fn digests_are_told_from_tags() {
        assert!(Version::new(format!("sha256:{}", "0a".repeat(32))).is_digest());
        assert!(!Version::new("shanghai:5000").is_digest());
    }
}
