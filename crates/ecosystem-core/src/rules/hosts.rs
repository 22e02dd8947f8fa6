//! Which hosts a rule is about: domains that divide them, sets that name them.

use crate::id::{HostId, RackId, RegionId, ZoneId};
use crate::infra::Infrastructure;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A way to divide hosts into groups that fail, or are near, together.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Domain {
    /// Each host by itself.
    Host,
    /// Hosts of one rack.
    Rack,
    /// Hosts of one zone.
    Zone,
    /// Hosts of one region.
    Region,
    /// Hosts with the same value of a named failure domain; hosts without it stand alone.
    Named(Arc<str>),
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Host => "host",
            Self::Rack => "rack",
            Self::Zone => "zone",
            Self::Region => "region",
            Self::Named(name) => name,
        })
    }
}

impl Domain {
    /// For each host its group as a dense number; equal numbers mean the same group. Returns the groups' count, too.
    pub fn groups(&self, infrastructure: &Infrastructure) -> (Vec<u32>, u32) {
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        let mut groups = Vec::with_capacity(infrastructure.hosts().len());
        for (ix, host) in infrastructure.hosts().iter().enumerate() {
            let key = match self {
                Self::Host => format!("h{ix}"),
                Self::Rack => format!("r{}", infrastructure.host_rack_index(ix)),
                Self::Zone => format!("z{}", infrastructure.host_zone_index(ix)),
                Self::Region => format!("g{}", infrastructure.host_region_index(ix)),
                Self::Named(name) => {
                    host.domains.get(name).map_or_else(|| format!("h{ix}"), |value| format!("d{value}"))
                }
            };
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            groups.push(*numbers.entry(key).or_insert(next));
        }
        (groups, u32::try_from(numbers.len()).unwrap_or(u32::MAX))
    }
}

/// A set of hosts, named by what they have in common. A host belongs to it if any part names it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct HostSet {
    /// Hosts by name.
    pub hosts: BTreeSet<HostId>,
    /// All hosts of these racks.
    pub racks: BTreeSet<RackId>,
    /// All hosts of these zones.
    pub zones: BTreeSet<ZoneId>,
    /// All hosts of these regions.
    pub regions: BTreeSet<RegionId>,
    /// All hosts with one of these labels.
    pub labels: BTreeSet<(Arc<str>, Arc<str>)>,
}

impl HostSet {
    /// The hosts of some zones.
    pub fn of_zones(zones: impl IntoIterator<Item = ZoneId>) -> Self {
        Self { zones: zones.into_iter().collect(), ..Self::default() }
    }

    /// Some hosts by name.
    pub fn of_hosts(hosts: impl IntoIterator<Item = HostId>) -> Self {
        Self { hosts: hosts.into_iter().collect(), ..Self::default() }
    }

    /// True if the host with this dense index belongs to the set.
    ///
    /// # Panics
    /// If `host` is not an index below `hosts().len()`.
    pub fn contains(&self, infrastructure: &Infrastructure, host: usize) -> bool {
        let it = &infrastructure.hosts()[host];
        self.hosts.contains(&it.id)
            || self.racks.contains(&it.rack)
            || self.zones.contains(infrastructure.host_zone(host))
            || self.regions.contains(&infrastructure.regions()[infrastructure.host_region_index(host)].id)
            || self.labels.iter().any(|(key, value)| it.labels.get(key) == Some(value))
    }
}
