//! Vectors of resources: what a replica asks for and what a host offers.

use crate::units::{BitsPerSecond, Bytes, Millicores};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A vector of integer amounts: the four common dimensions and any number of named ones.
///
/// A named dimension that is absent counts as zero.
///
/// # Example
/// ```
/// use ecosystem_core::{Bytes, Millicores, Resources};
///
/// let host = Resources::new(Millicores::cores(8), Bytes::gib(32));
/// let vm = Resources::new(Millicores::cores(6), Bytes::gib(8)).with("gpu", 1);
/// assert!(!vm.fits_in(&host));
/// assert_eq!(vm.first_excess(&host), Some(("gpu".to_owned(), 1, 0)));
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
pub struct Resources {
    /// Processor time.
    pub cpu: Millicores,
    /// Main memory.
    pub memory: Bytes,
    /// Local storage.
    pub disk: Bytes,
    /// Network throughput.
    pub network: BitsPerSecond,
    /// Further dimensions by name, e.g. `gpu`, `ip`, `volume-attachment`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub extended: BTreeMap<Arc<str>, u64>,
}

impl Resources {
    /// Processor time and memory; everything else zero.
    pub fn new(cpu: Millicores, memory: Bytes) -> Self {
        Self { cpu, memory, ..Self::default() }
    }

    /// The same vector with local storage.
    #[must_use]
    pub fn with_disk(mut self, disk: Bytes) -> Self {
        self.disk = disk;
        self
    }

    /// The same vector with network throughput.
    #[must_use]
    pub fn with_network(mut self, network: BitsPerSecond) -> Self {
        self.network = network;
        self
    }

    /// The same vector with `amount` of the named dimension.
    #[must_use]
    pub fn with(mut self, name: &str, amount: u64) -> Self {
        self.extended.insert(Arc::from(name), amount);
        self
    }

    /// True if every dimension is zero.
    pub fn is_zero(&self) -> bool {
        self.iter().all(|(_, amount)| amount == 0)
    }

    /// All dimensions with their names: `cpu`, `memory`, `disk`, `network`, then the named ones in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        [
            ("cpu", self.cpu.get()),
            ("memory", self.memory.get()),
            ("disk", self.disk.get()),
            ("network", self.network.get()),
        ]
        .into_iter()
        .chain(self.extended.iter().map(|(name, &amount)| (&**name, amount)))
    }

    /// Amount of a dimension by name; zero if it is unknown.
    pub fn get(&self, name: &str) -> u64 {
        match name {
            "cpu" => self.cpu.get(),
            "memory" => self.memory.get(),
            "disk" => self.disk.get(),
            "network" => self.network.get(),
            other => self.extended.get(other).copied().unwrap_or(0),
        }
    }

    /// True if every dimension of `self` is at most that of `room`.
    pub fn fits_in(&self, room: &Self) -> bool {
        self.iter().all(|(name, amount)| amount <= room.get(name))
    }

    /// The first dimension in which `self` exceeds `room`: name, needed, available.
    pub fn first_excess(&self, room: &Self) -> Option<(String, u64, u64)> {
        self.iter()
            .map(|(name, amount)| (name, amount, room.get(name)))
            .find(|&(_, needed, available)| needed > available)
            .map(|(name, needed, available)| (name.to_owned(), needed, available))
    }

    /// Sum by dimension, clamped to `u64::MAX`.
    #[must_use]
    pub fn saturating_add(&self, other: &Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    /// Difference by dimension, zero where `other` is larger.
    #[must_use]
    pub fn saturating_sub(&self, other: &Self) -> Self {
        self.zip(other, u64::saturating_sub)
    }

    /// Difference by dimension; `None` if `other` is larger anywhere.
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        other.fits_in(self).then(|| self.saturating_sub(other))
    }

    /// Every dimension times `numerator / denominator`, rounded down.
    ///
    /// A denominator of zero counts as one.
    #[must_use]
    pub fn scaled(&self, numerator: u64, denominator: u64) -> Self {
        let by = |amount: u64| {
            let scaled = u128::from(amount) * u128::from(numerator) / u128::from(denominator.max(1));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        Self {
            cpu: Millicores(by(self.cpu.get())),
            memory: Bytes(by(self.memory.get())),
            disk: Bytes(by(self.disk.get())),
            network: BitsPerSecond(by(self.network.get())),
            extended: self.extended.iter().map(|(name, &amount)| (Arc::clone(name), by(amount))).collect(),
        }
    }

    /// The largest share of `total` that `self` takes in any dimension (Ghodsi et al. 2011, dominant resource
    /// fairness). Infinite where something is asked of which there is none; zero for an empty vector.
    pub fn dominant_share(&self, total: &Self) -> f64 {
        self.iter()
            .filter(|&(_, amount)| amount > 0)
            .map(|(name, amount)| match total.get(name) {
                0 => f64::INFINITY,
                all => amount as f64 / all as f64,
            })
            .fold(0.0, f64::max)
    }

    fn zip(&self, other: &Self, op: impl Fn(u64, u64) -> u64) -> Self {
        let mut extended = self.extended.clone();
        for name in other.extended.keys() {
            extended.entry(Arc::clone(name)).or_insert(0);
        }
        for (name, amount) in &mut extended {
            *amount = op(*amount, other.get(name));
        }
        Self {
            cpu: Millicores(op(self.cpu.get(), other.cpu.get())),
            memory: Bytes(op(self.memory.get(), other.memory.get())),
            disk: Bytes(op(self.disk.get(), other.disk.get())),
            network: BitsPerSecond(op(self.network.get(), other.network.get())),
            extended,
        }
    }
}

impl fmt::Display for Resources {
    /// The dimensions that are not zero: `cpu 500m, memory 1GiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.cpu.get() > 0 {
            parts.push(format!("cpu {}", self.cpu));
        }
        if self.memory.get() > 0 {
            parts.push(format!("memory {}", self.memory));
        }
        if self.disk.get() > 0 {
            parts.push(format!("disk {}", self.disk));
        }
        if self.network.get() > 0 {
            parts.push(format!("network {}", self.network));
        }
        parts.extend(self.extended.iter().filter(|(_, n)| **n > 0).map(|(name, n)| format!("{name} {n}")));
        f.pad(&if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_cover_the_named_dimensions_of_both_sides() {
        let a = Resources::new(Millicores(1), Bytes(2)).with("gpu", 1);
        let b = Resources::new(Millicores(3), Bytes(4)).with("ip", 7);
        let sum = a.saturating_add(&b);
        assert_eq!((sum.cpu.get(), sum.memory.get(), sum.get("gpu"), sum.get("ip")), (4, 6, 1, 7));
        assert_eq!(sum.checked_sub(&b).unwrap().get("gpu"), 1);
        assert_eq!(a.checked_sub(&b), None);
    }

    #[test]
    fn the_dominant_share_is_the_scarcest_dimension() {
        let total = Resources::new(Millicores(1000), Bytes(100));
        assert_eq!(
            Resources::new(Millicores(100), Bytes(50)).dominant_share(&total).to_bits(),
            0.5f64.to_bits()
        );
        assert!(Resources::default().with("gpu", 1).dominant_share(&total).is_infinite());
    }
}
