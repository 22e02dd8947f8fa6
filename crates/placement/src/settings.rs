//! How to search, and what the terms of the cost weigh.

use crate::proximity::ProximitySettings;
use ecosystem_core::MicroMoney;

/// How to search. Only these numbers and the problem decide the result, never the number of threads.
///
/// # Example
/// ```
/// use ecosystem_placement::Settings;
///
/// let settings = Settings::default().with_seed(7).with_work(50_000);
/// assert_eq!(settings.workers, 2);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Settings {
    /// Seed of all random choices.
    pub seed: u64,
    /// Work budget of all workers together: evaluated moves.
    pub work: u64,
    /// Independent searches; each may run on a thread of its own.
    pub workers: u32,
    /// Nodes that the exact search may visit before the local search takes over.
    pub exact_nodes: u64,
    /// Explain the placement of every replica if there are at most so many.
    pub explain_max: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            work: 400_000,       // tens of milliseconds for a stack of 100 replicas
            workers: 2,          // what the smallest useful machine has cores for
            exact_nodes: 20_000, // a few milliseconds; enough for about eight replicas
            explain_max: 500,    // explaining looks at every replica on every host
        }
    }
}

impl Settings {
    /// Nodes that searches for the lower bound may visit: a small part of the work, as one costs as much as several moves.
    pub(crate) const fn bound_nodes(&self) -> u64 {
        self.work / 40
    }

    /// The same settings with another seed.
    #[must_use]
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The same settings with another work budget.
    #[must_use]
    pub const fn with_work(mut self, work: u64) -> Self {
        self.work = work;
        self
    }

    /// The same settings with another number of workers; zero counts as one.
    #[must_use]
    pub const fn with_workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// The same settings with another limit of the exact search.
    #[must_use]
    pub const fn with_exact_nodes(mut self, nodes: u64) -> Self {
        self.exact_nodes = nodes;
        self
    }
}

/// What the terms of the cost weigh, in money per hour. A cost unit is a thousandth of a millionth of a currency unit
/// per hour: [`COST_PER_MICRO`] units make one [`MicroMoney`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[non_exhaustive]
pub struct Weights {
    /// Counts the hourly price of every host in use; `false` leaves it out (hosts that are paid anyway).
    pub price: bool,
    /// Cost per hour of a pair of components with score 1 at the greatest distance.
    pub proximity: MicroMoney,
    /// The parts of the proximity score.
    pub score: ProximitySettings,
    /// Cost of moving a replica, per GiB of its memory; counts only for replicas with a current host.
    pub move_per_gib: MicroMoney,
    /// Price of a kilowatt-hour; counts on hosts with known power.
    pub energy_per_kwh: MicroMoney,
    /// Price of a kilogram of CO₂; counts on hosts with known power in zones with known carbon intensity.
    pub carbon_per_kg: MicroMoney,
    /// Use of processor time above this share of a host costs [`overload_per_core`](Self::overload_per_core).
    pub soft_cpu_percent: u32,
    /// Cost per hour of each core used above the share.
    pub overload_per_core: MicroMoney,
    /// Fragmentation: cost per hour of a host that is out of one kind of room while all of another is left. Processor time,
    /// memory and what else the replicas ask for count.
    pub fragmentation: MicroMoney,
    /// Interference: cost per hour of a replica of sensitivity 1 whose neighbours use all of the host's processor time, or
    /// all of its network.
    pub interference: MicroMoney,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            price: true,
            // a tenth of a unit per hour: about the price of a small host, so that a chatty pair is worth one
            proximity: MicroMoney(100_000),
            score: ProximitySettings::default(),
            move_per_gib: MicroMoney(1_000),
            energy_per_kwh: MicroMoney::ZERO,
            carbon_per_kg: MicroMoney::ZERO,
            soft_cpu_percent: 100,
            overload_per_core: MicroMoney::ZERO,
            fragmentation: MicroMoney::ZERO,
            interference: MicroMoney::ZERO,
        }
    }
}

/// Cost units in one [`MicroMoney`] per hour.
pub const COST_PER_MICRO: i64 = 1_000;
