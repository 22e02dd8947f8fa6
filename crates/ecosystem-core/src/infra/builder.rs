//! Infrastructures from their parts: names are resolved once.

use super::{BandwidthDefaults, Host, Infrastructure, LatencyDefaults, Link, Rack, Region, Zone};
use crate::id::ZoneId;
use crate::units::Currency;
use std::collections::BTreeMap;

/// Why an infrastructure is not valid.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InfrastructureError {
    /// Two things of one kind have the same name.
    #[error("{what} `{name}` is defined twice, expected each name once")]
    Duplicate {
        /// `region`, `zone`, `rack` or `host`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A zone, rack, host or link names something that is not there.
    #[error("{what} `{name}` names {wants} `{unknown}`, which is not defined; define it or correct the name")]
    Unknown {
        /// `zone`, `rack`, `host` or `link`.
        what: &'static str,
        /// The name.
        name: String,
        /// What it names.
        wants: &'static str,
        /// The unknown name.
        unknown: String,
    },
}

/// Collects the parts of an [`Infrastructure`]; names are resolved in [`build`](Self::build).
#[derive(Clone, Debug, Default)]
pub struct InfrastructureBuilder {
    pub(super) currency: Currency,
    pub(super) latency: LatencyDefaults,
    pub(super) bandwidth: BandwidthDefaults,
    pub(super) regions: Vec<Region>,
    pub(super) zones: Vec<Zone>,
    pub(super) racks: Vec<Rack>,
    pub(super) hosts: Vec<Host>,
    pub(super) links: Vec<(ZoneId, ZoneId, Link)>,
}

impl InfrastructureBuilder {
    /// Currency of all prices; USD by default.
    #[must_use]
    pub const fn currency(mut self, currency: Currency) -> Self {
        self.currency = currency;
        self
    }

    /// Latencies where no link is given.
    #[must_use]
    pub const fn latency(mut self, latency: LatencyDefaults) -> Self {
        self.latency = latency;
        self
    }

    /// Throughputs for what is not given.
    #[must_use]
    pub const fn bandwidth(mut self, bandwidth: BandwidthDefaults) -> Self {
        self.bandwidth = bandwidth;
        self
    }

    /// Adds a region.
    #[must_use]
    pub fn region(mut self, region: Region) -> Self {
        self.regions.push(region);
        self
    }

    /// Adds a zone.
    #[must_use]
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zones.push(zone);
        self
    }

    /// Adds a rack.
    #[must_use]
    pub fn rack(mut self, rack: Rack) -> Self {
        self.racks.push(rack);
        self
    }

    /// Adds a host.
    #[must_use]
    pub fn host(mut self, host: Host) -> Self {
        self.hosts.push(host);
        self
    }

    /// Gives the link between two zones, in both directions.
    #[must_use]
    pub fn link(mut self, a: ZoneId, b: ZoneId, link: Link) -> Self {
        self.links.push((a, b, link));
        self
    }

    /// Resolves all names.
    pub fn build(self) -> Result<Infrastructure, InfrastructureError> {
        let region_ix = index("region", self.regions.iter().map(|r| r.id.clone()))?;
        let zone_ix = index("zone", self.zones.iter().map(|z| z.id.clone()))?;
        let rack_ix = index("rack", self.racks.iter().map(|r| r.id.clone()))?;
        let host_ix = index("host", self.hosts.iter().map(|h| h.id.clone()))?;
        let zone_region = resolve(&self.zones, &region_ix, |z| ("zone", &z.id, "region", &z.region))?;
        let rack_zone = resolve(&self.racks, &zone_ix, |r| ("rack", &r.id, "zone", &r.zone))?;
        let host_rack = resolve(&self.hosts, &rack_ix, |h| ("host", &h.id, "rack", &h.rack))?;
        let mut links = BTreeMap::new();
        for (a, b, link) in self.links {
            let find = |zone: &ZoneId| {
                zone_ix.get(zone).copied().ok_or_else(|| InfrastructureError::Unknown {
                    what: "link",
                    name: format!("{a}-{b}"),
                    wants: "zone",
                    unknown: zone.to_string(),
                })
            };
            let (x, y) = (find(&a)?, find(&b)?);
            links.insert((x.min(y), x.max(y)), link);
        }
        Ok(Infrastructure {
            currency: self.currency,
            latency: self.latency,
            bandwidth: self.bandwidth,
            regions: self.regions,
            zones: self.zones,
            racks: self.racks,
            hosts: self.hosts,
            host_ix,
            zone_ix,
            zone_region,
            rack_zone,
            host_rack,
            links,
        })
    }
}

fn index<K: Ord + std::fmt::Display>(
    what: &'static str,
    ids: impl Iterator<Item = K>,
) -> Result<BTreeMap<K, u32>, InfrastructureError> {
    let mut map = BTreeMap::new();
    for (i, id) in ids.enumerate() {
        let name = id.to_string();
        if map.insert(id, u32::try_from(i).unwrap_or(u32::MAX)).is_some() {
            return Err(InfrastructureError::Duplicate { what, name });
        }
    }
    Ok(map)
}

fn resolve<'a, T, I: std::fmt::Display + 'a, P: Ord + std::fmt::Display + 'a>(
    items: &'a [T],
    parents: &BTreeMap<P, u32>,
    names: impl Fn(&'a T) -> (&'static str, &'a I, &'static str, &'a P),
) -> Result<Vec<u32>, InfrastructureError> {
    items
        .iter()
        .map(|item| {
            let (what, id, wants, parent) = names(item);
            parents.get(parent).copied().ok_or_else(|| InfrastructureError::Unknown {
                what,
                name: id.to_string(),
                wants,
                unknown: parent.to_string(),
            })
        })
        .collect()
}
