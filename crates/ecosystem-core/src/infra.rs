//! The infrastructure: regions, zones, racks, hosts, and how far they are from each other.

mod builder;

pub use builder::{InfrastructureBuilder, InfrastructureError};

use crate::id::{HostId, RackId, RegionId, ZoneId};
use crate::resources::Resources;
use crate::units::{BitsPerSecond, Currency, MicroMoney, Micros};
use crate::window::MaintenanceWindow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A region: a place with its own zones, far from the others.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Region {
    /// Its name.
    pub id: RegionId,
}

impl Region {
    /// A region by name.
    pub const fn new(id: RegionId) -> Self {
        Self { id }
    }
}

/// What kind of site a zone is.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum ZoneKind {
    /// A data centre.
    #[default]
    Core,
    /// A small site near the users, with a link that may fail.
    Edge,
}

/// A zone: hosts that share a building, power and network.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Zone {
    /// Its name.
    pub id: ZoneId,
    /// The region it lies in.
    pub region: RegionId,
    /// Data centre or edge site.
    #[cfg_attr(feature = "serde", serde(default))]
    pub kind: ZoneKind,
    /// Carbon intensity of its power in grams of CO₂ per kWh; `None` = not known.
    #[cfg_attr(feature = "serde", serde(default))]
    pub carbon_g_per_kwh: Option<u32>,
}

impl Zone {
    /// A core zone of a region.
    pub const fn new(id: ZoneId, region: RegionId) -> Self {
        Self { id, region, kind: ZoneKind::Core, carbon_g_per_kwh: None }
    }
}

/// A rack: hosts behind one switch and one power strip.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Rack {
    /// Its name.
    pub id: RackId,
    /// The zone it stands in.
    pub zone: ZoneId,
}

impl Rack {
    /// A rack in a zone.
    pub const fn new(id: RackId, zone: ZoneId) -> Self {
        Self { id, zone }
    }
}

/// Whether a host takes new work.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[expect(clippy::exhaustive_enums, reason = "what an operator can ask of a host")]
pub enum HostState {
    /// Takes new replicas.
    #[default]
    Ready,
    /// Keeps what it has, takes nothing new.
    Cordoned,
    /// Is being emptied or repaired; nothing may stay.
    Maintenance,
}

/// A machine that runs replicas.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Host {
    /// Its name.
    pub id: HostId,
    /// The rack it stands in.
    pub rack: RackId,
    /// What it has.
    pub capacity: Resources,
    /// What is kept back for the host itself.
    #[cfg_attr(feature = "serde", serde(default))]
    pub reserved: Resources,
    /// Over-commit by dimension in percent (150 = half as much again); absent = 100.
    #[cfg_attr(feature = "serde", serde(default))]
    pub overcommit_percent: BTreeMap<Arc<str>, u32>,
    /// Price per hour while at least one replica runs.
    #[cfg_attr(feature = "serde", serde(default))]
    pub price_per_hour: MicroMoney,
    /// Power in watts when idle and when fully used, linear between (Fan et al. 2007); `None` = not known.
    #[cfg_attr(feature = "serde", serde(default))]
    pub power_idle_max_w: Option<(u32, u32)>,
    /// Measured power in watts by utilisation in permille, rising (e.g. the eleven points of `SPECpower`); wins over the
    /// straight line. Empty = not known.
    #[cfg_attr(feature = "serde", serde(default))]
    pub power_curve: Vec<(u32, u32)>,
    /// Throughput of its network link for migrations.
    #[cfg_attr(feature = "serde", serde(default))]
    pub link: BitsPerSecond,
    /// Free labels that rules can select by.
    #[cfg_attr(feature = "serde", serde(default))]
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Only components with the same label may run here.
    #[cfg_attr(feature = "serde", serde(default))]
    pub taints: BTreeMap<Arc<str>, Arc<str>>,
    /// Failure domains that cut across racks and zones, e.g. `power-feed` → `B`.
    #[cfg_attr(feature = "serde", serde(default))]
    pub domains: BTreeMap<Arc<str>, Arc<str>>,
    /// Whether it takes new work.
    #[cfg_attr(feature = "serde", serde(default))]
    pub state: HostState,
    /// When it is taken out of use for planned work; [`state_at`](Self::state_at) counts them.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub maintenance: Vec<MaintenanceWindow>,
}

impl Host {
    /// A ready host with a capacity.
    pub fn new(id: HostId, rack: RackId, capacity: Resources) -> Self {
        Self {
            id,
            rack,
            capacity,
            reserved: Resources::default(),
            overcommit_percent: BTreeMap::new(),
            price_per_hour: MicroMoney::ZERO,
            power_idle_max_w: None,
            power_curve: Vec::new(),
            link: BitsPerSecond::ZERO,
            labels: BTreeMap::new(),
            taints: BTreeMap::new(),
            domains: BTreeMap::new(),
            state: HostState::Ready,
            maintenance: Vec::new(),
        }
    }

    /// What replicas may ask for in sum: (capacity − reserved) × over-commit.
    pub fn allocatable(&self) -> Resources {
        let mut room = self.capacity.saturating_sub(&self.reserved);
        for (name, &percent) in &self.overcommit_percent {
            let scaled = room.scaled(u64::from(percent), 100);
            match &**name {
                "cpu" => room.cpu = scaled.cpu,
                "memory" => room.memory = scaled.memory,
                "disk" => room.disk = scaled.disk,
                "network" => room.network = scaled.network,
                other => {
                    if let Some(amount) = room.extended.get_mut(other) {
                        *amount = scaled.get(other);
                    }
                }
            }
        }
        room
    }
}

/// One-way latency and throughput between two zones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Link {
    /// One-way latency.
    pub latency: Micros,
    /// Throughput; zero = not known.
    #[cfg_attr(feature = "serde", serde(default))]
    pub bandwidth: BitsPerSecond,
}

impl Link {
    /// A link of known latency and unknown throughput.
    pub const fn new(latency: Micros) -> Self {
        Self { latency, bandwidth: BitsPerSecond::ZERO }
    }
}

/// One-way latencies by nearness, used where no measured value is given.
///
/// The defaults are typical of public clouds: 20 µs inside a host, 100 µs in a rack, 250 µs in a zone, 1 ms between
/// zones of a region and 30 ms between regions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct LatencyDefaults {
    /// Between replicas of one host.
    pub same_host: Micros,
    /// Between hosts of one rack.
    pub same_rack: Micros,
    /// Between racks of one zone.
    pub same_zone: Micros,
    /// Between zones of one region.
    pub same_region: Micros,
    /// Between regions.
    pub cross_region: Micros,
}

impl Default for LatencyDefaults {
    fn default() -> Self {
        Self {
            same_host: Micros(20),
            same_rack: Micros(100),
            same_zone: Micros(250),
            same_region: Micros(1_000),
            cross_region: Micros(30_000),
        }
    }
}

/// Throughputs of one connection by nearness, used for what is not given: a host without a link, a pair of zones without one.
///
/// The defaults are what public clouds let one connection have: 10 Gbit/s within a rack and a zone, 5 Gbit/s between zones of
/// a region and 1 Gbit/s between regions. Zero = not known. Inside one host nothing limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct BandwidthDefaults {
    /// Between hosts of one rack.
    pub same_rack: BitsPerSecond,
    /// Between racks of one zone.
    pub same_zone: BitsPerSecond,
    /// Between zones of one region.
    pub same_region: BitsPerSecond,
    /// Between regions.
    pub cross_region: BitsPerSecond,
}

impl Default for BandwidthDefaults {
    fn default() -> Self {
        Self {
            same_rack: BitsPerSecond::gbit(10),
            same_zone: BitsPerSecond::gbit(10),
            same_region: BitsPerSecond::gbit(5),
            cross_region: BitsPerSecond::gbit(1),
        }
    }
}

impl BandwidthDefaults {
    /// Nothing is known but what is given.
    pub const UNKNOWN: Self = Self {
        same_rack: BitsPerSecond::ZERO,
        same_zone: BitsPerSecond::ZERO,
        same_region: BitsPerSecond::ZERO,
        cross_region: BitsPerSecond::ZERO,
    };

    /// The default for a nearness; zero = not known or, inside one host, not limited.
    pub const fn of(&self, nearness: Nearness) -> BitsPerSecond {
        match nearness {
            Nearness::Host => BitsPerSecond::ZERO,
            Nearness::Rack => self.same_rack,
            Nearness::Zone => self.same_zone,
            Nearness::Region => self.same_region,
            Nearness::Far => self.cross_region,
        }
    }
}

/// How near two hosts are.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
#[expect(clippy::exhaustive_enums, reason = "the levels of the hierarchy")]
pub enum Nearness {
    /// The same host.
    Host,
    /// The same rack.
    Rack,
    /// The same zone.
    Zone,
    /// The same region.
    Region,
    /// Different regions.
    Far,
}

/// Region › Zone › Rack › Host with prices and distances; always valid, made by [`Infrastructure::builder`].
///
/// Hosts keep the order in which they were added; [`host_index`](Self::host_index) gives the dense index that
/// algorithms use.
///
/// # Example
/// ```
/// use ecosystem_core::{Bytes, Host, Infrastructure, Millicores, Micros, Rack, Region, Resources, Zone};
///
/// let size = Resources::new(Millicores::cores(8), Bytes::gib(32));
/// let infra = Infrastructure::builder()
///     .region(Region::new("eu".parse()?))
///     .zone(Zone::new("eu-a".parse()?, "eu".parse()?))
///     .rack(Rack::new("r1".parse()?, "eu-a".parse()?))
///     .host(Host::new("h1".parse()?, "r1".parse()?, size.clone()))
///     .host(Host::new("h2".parse()?, "r1".parse()?, size))
///     .build()?;
/// assert_eq!(infra.latency(0, 1), Micros(100));
/// assert_eq!(infra.host_zone(1).as_str(), "eu-a");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Infrastructure {
    currency: Currency,
    latency: LatencyDefaults,
    bandwidth: BandwidthDefaults,
    regions: Vec<Region>,
    zones: Vec<Zone>,
    racks: Vec<Rack>,
    hosts: Vec<Host>,
    // INVARIANT: the maps and vectors below are as long as, and consistent with, the lists above.
    host_ix: BTreeMap<HostId, u32>,
    zone_ix: BTreeMap<ZoneId, u32>,
    zone_region: Vec<u32>,
    rack_zone: Vec<u32>,
    host_rack: Vec<u32>,
    links: BTreeMap<(u32, u32), Link>,
}

impl Infrastructure {
    /// Starts an empty infrastructure.
    pub fn builder() -> InfrastructureBuilder {
        InfrastructureBuilder::default()
    }

    /// Currency of all prices.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// All regions.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// All zones.
    pub fn zones(&self) -> &[Zone] {
        &self.zones
    }

    /// All racks.
    pub fn racks(&self) -> &[Rack] {
        &self.racks
    }

    /// All hosts, in the order of their dense index.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A host by name.
    pub fn host(&self, id: &HostId) -> Option<&Host> {
        self.host_index(id).map(|ix| &self.hosts[ix])
    }

    /// Dense index of a host.
    pub fn host_index(&self, id: &HostId) -> Option<usize> {
        self.host_ix.get(id).map(|&ix| ix as usize)
    }

    /// Dense index of a zone.
    pub fn zone_index(&self, id: &ZoneId) -> Option<usize> {
        self.zone_ix.get(id).map(|&ix| ix as usize)
    }

    /// Dense index of a host's rack.
    ///
    /// # Panics
    /// If `host` is not an index below `hosts().len()`.
    pub fn host_rack_index(&self, host: usize) -> usize {
        self.host_rack[host] as usize
    }

    /// Dense index of a host's zone.
    ///
    /// # Panics
    /// If `host` is not an index below `hosts().len()`.
    pub fn host_zone_index(&self, host: usize) -> usize {
        self.rack_zone[self.host_rack_index(host)] as usize
    }

    /// Dense index of a host's region.
    ///
    /// # Panics
    /// If `host` is not an index below `hosts().len()`.
    pub fn host_region_index(&self, host: usize) -> usize {
        self.zone_region[self.host_zone_index(host)] as usize
    }

    /// Name of a host's zone.
    ///
    /// # Panics
    /// If `host` is not an index below `hosts().len()`.
    pub fn host_zone(&self, host: usize) -> &ZoneId {
        &self.zones[self.host_zone_index(host)].id
    }

    /// How near two hosts are.
    ///
    /// # Panics
    /// If `a` or `b` is not an index below `hosts().len()`.
    pub fn nearness(&self, a: usize, b: usize) -> Nearness {
        if a == b {
            Nearness::Host
        } else if self.host_rack[a] == self.host_rack[b] {
            Nearness::Rack
        } else if self.host_zone_index(a) == self.host_zone_index(b) {
            Nearness::Zone
        } else if self.host_region_index(a) == self.host_region_index(b) {
            Nearness::Region
        } else {
            Nearness::Far
        }
    }

    /// One-way latency between two hosts: the given link between their zones, else the default for their nearness.
    ///
    /// # Panics
    /// If `a` or `b` is not an index below `hosts().len()`.
    pub fn latency(&self, a: usize, b: usize) -> Micros {
        match self.nearness(a, b) {
            Nearness::Host => self.latency.same_host,
            Nearness::Rack => self.latency.same_rack,
            Nearness::Zone => self.latency.same_zone,
            near => {
                let link = self.zone_link(self.host_zone_index(a), self.host_zone_index(b));
                let default = if near == Nearness::Region {
                    self.latency.same_region
                } else {
                    self.latency.cross_region
                };
                link.map_or(default, |l| l.latency)
            }
        }
    }

    /// The link given between two different zones, by dense index.
    pub fn zone_link(&self, a: usize, b: usize) -> Option<Link> {
        let (a, b) = (u32::try_from(a.min(b)).ok()?, u32::try_from(a.max(b)).ok()?);
        self.links.get(&(a, b)).copied()
    }

    /// Latencies that hold where no link is given.
    pub const fn latency_defaults(&self) -> LatencyDefaults {
        self.latency
    }

    /// Throughputs that hold for what is not given.
    pub const fn bandwidth_defaults(&self) -> BandwidthDefaults {
        self.bandwidth
    }

    /// Gives every host a state.
    pub(crate) fn set_states(&mut self, state: impl Fn(&Host) -> HostState) {
        for host in &mut self.hosts {
            host.state = state(host);
        }
    }

    /// The parts again, to change some and build anew.
    pub fn to_builder(&self) -> InfrastructureBuilder {
        let zone = |ix: u32| self.zones[ix as usize].id.clone();
        InfrastructureBuilder {
            currency: self.currency,
            latency: self.latency,
            bandwidth: self.bandwidth,
            regions: self.regions.clone(),
            zones: self.zones.clone(),
            racks: self.racks.clone(),
            hosts: self.hosts.clone(),
            links: self.links.iter().map(|(&(a, b), &link)| (zone(a), zone(b), link)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, Millicores};

    fn two_zones() -> InfrastructureBuilder {
        let size = Resources::new(Millicores::cores(4), Bytes::gib(8));
        Infrastructure::builder()
            .region(Region::new("eu".parse().unwrap()))
            .zone(Zone::new("a".parse().unwrap(), "eu".parse().unwrap()))
            .zone(Zone::new("b".parse().unwrap(), "eu".parse().unwrap()))
            .rack(Rack::new("ra".parse().unwrap(), "a".parse().unwrap()))
            .rack(Rack::new("rb".parse().unwrap(), "b".parse().unwrap()))
            .host(Host::new("h1".parse().unwrap(), "ra".parse().unwrap(), size.clone()))
            .host(Host::new("h2".parse().unwrap(), "rb".parse().unwrap(), size))
    }

    #[test]
    fn a_given_link_wins_over_the_default_latency() {
        assert_eq!(two_zones().build().unwrap().latency(0, 1), Micros(1_000));
        let link = Link::new(Micros(700));
        let infra = two_zones().link("b".parse().unwrap(), "a".parse().unwrap(), link).build().unwrap();
        assert_eq!(infra.latency(0, 1), Micros(700));
        assert_eq!(infra.latency(1, 0), Micros(700));
        assert_eq!(infra.to_builder().build().unwrap(), infra);
    }

    #[test]
    fn an_unknown_rack_is_named_in_the_error() {
        let host = Host::new("h3".parse().unwrap(), "nowhere".parse().unwrap(), Resources::default());
        let error = two_zones().host(host).build().unwrap_err();
        assert!(error.to_string().contains("`h3` names rack `nowhere`"), "{error}");
    }

    #[test]
    fn overcommit_and_reserve_change_what_can_be_allocated() {
        let mut host = two_zones().build().unwrap().hosts()[0].clone();
        host.reserved = Resources::new(Millicores::cores(1), Bytes::gib(1));
        host.overcommit_percent.insert(Arc::from("cpu"), 200);
        assert_eq!(host.allocatable(), Resources::new(Millicores::cores(6), Bytes::gib(7)));
    }
}
