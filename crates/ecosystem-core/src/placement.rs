//! Which replica runs where.

use crate::ecosystem::Ecosystem;
use crate::id::{ComponentId, HostId, ReplicaId};
use crate::infra::Infrastructure;
use crate::resources::Resources;
use std::collections::BTreeMap;

/// Replica → host. The zone view derives from it.
///
/// # Example
/// ```
/// use ecosystem_core::{ComponentId, Placement, ReplicaId};
///
/// let web = ReplicaId::new(ComponentId::new("web")?, 0);
/// let before = Placement::new().with(web.clone(), "h1".parse()?);
/// let after = Placement::new().with(web.clone(), "h2".parse()?);
/// let moves = before.moves_to(&after);
/// assert_eq!(moves[0].to_string(), "web#0: h1 -> h2");
/// # Ok::<(), ecosystem_core::InvalidId>(())
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "Vec<(ReplicaId, HostId)>", into = "Vec<(ReplicaId, HostId)>"))]
pub struct Placement {
    hosts: BTreeMap<ReplicaId, HostId>,
}

impl Placement {
    /// Nothing placed.
    pub const fn new() -> Self {
        Self { hosts: BTreeMap::new() }
    }

    /// The same placement with one replica set.
    #[must_use]
    pub fn with(mut self, replica: ReplicaId, host: HostId) -> Self {
        self.set(replica, host);
        self
    }

    /// Puts a replica on a host; returns where it was.
    pub fn set(&mut self, replica: ReplicaId, host: HostId) -> Option<HostId> {
        self.hosts.insert(replica, host)
    }

    /// Takes a replica away; returns where it was.
    pub fn remove(&mut self, replica: &ReplicaId) -> Option<HostId> {
        self.hosts.remove(replica)
    }

    /// Where a replica is.
    pub fn host_of(&self, replica: &ReplicaId) -> Option<&HostId> {
        self.hosts.get(replica)
    }

    /// All replicas with their hosts, in order of component and number.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ReplicaId, &HostId)> {
        self.hosts.iter()
    }

    /// The replicas of one component with their hosts.
    pub fn of_component(&self, component: &ComponentId) -> impl Iterator<Item = (&ReplicaId, &HostId)> {
        let first = ReplicaId::new(component.clone(), 0);
        let last = ReplicaId::new(component.clone(), u32::MAX);
        self.hosts.range(first..=last)
    }

    /// Number of placed replicas.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// True if nothing is placed.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// What the placed replicas ask of each host in sum, by component requests. Unknown components ask nothing.
    pub fn usage(&self, ecosystem: &Ecosystem) -> BTreeMap<HostId, Resources> {
        let mut usage: BTreeMap<HostId, Resources> = BTreeMap::new();
        for (replica, host) in &self.hosts {
            if let Some(component) = ecosystem.component(replica.component()) {
                let sum = usage.entry(host.clone()).or_default();
                *sum = sum.saturating_add(&component.requirements.request);
            }
        }
        usage
    }

    /// Hosts whose replicas ask for more than can be allocated: host, dimension, asked, available. Slow and obvious.
    pub fn overloads(
        &self,
        ecosystem: &Ecosystem,
        infrastructure: &Infrastructure,
    ) -> Vec<(HostId, String, u64, u64)> {
        self.usage(ecosystem)
            .into_iter()
            .filter_map(|(host, asked)| {
                let room = infrastructure.host(&host)?.allocatable();
                let (dimension, needed, available) = asked.first_excess(&room)?;
                Some((host, dimension, needed, available))
            })
            .collect()
    }

    /// What has to change to get from `self` to `after`, in order of replica.
    pub fn moves_to(&self, after: &Self) -> Vec<Move> {
        let mut replicas: Vec<&ReplicaId> = self.hosts.keys().chain(after.hosts.keys()).collect();
        replicas.sort_unstable();
        replicas.dedup();
        replicas
            .into_iter()
            .map(|replica| Move {
                replica: replica.clone(),
                from: self.host_of(replica).cloned(),
                to: after.host_of(replica).cloned(),
            })
            .filter(|m| m.from != m.to)
            .collect()
    }
}

impl FromIterator<(ReplicaId, HostId)> for Placement {
    fn from_iter<I: IntoIterator<Item = (ReplicaId, HostId)>>(items: I) -> Self {
        Self { hosts: items.into_iter().collect() }
    }
}

impl From<Vec<(ReplicaId, HostId)>> for Placement {
    fn from(items: Vec<(ReplicaId, HostId)>) -> Self {
        items.into_iter().collect()
    }
}

impl From<Placement> for Vec<(ReplicaId, HostId)> {
    fn from(placement: Placement) -> Self {
        placement.hosts.into_iter().collect()
    }
}

/// One replica that starts, stops or changes its host.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "a move is complete by definition")]
pub struct Move {
    /// The replica.
    pub replica: ReplicaId,
    /// Where it is; `None` = it starts.
    pub from: Option<HostId>,
    /// Where it goes; `None` = it stops.
    pub to: Option<HostId>,
}

impl std::fmt::Display for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |host: &Option<HostId>| host.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        write!(f, "{}: {} -> {}", self.replica, name(&self.from), name(&self.to))
    }
}
