//! The problem as dense arrays: what the search runs on, and the raw form for problems that do not come from an
//! ecosystem.
//!
//! # Model
//! Items `i` are put on hosts `h`. With `x(i)` the host of item `i` and `U(h,r)` the sum of the demands of the
//! items on `h` in dimension `r`:
//!
//! - hard: `U(h,r) ≤ capacity(h,r)`; for *transient* dimensions items that left their home count there, too;
//! - hard or soft: [`DenseRule`]s over groups of items and partitions of hosts;
//! - cost: see [`CostTerms`](crate::CostTerms).

use crate::custom::CustomRule;
use ecosystem_core::Weight;
use std::sync::Arc;

pub(crate) const NONE: u32 = u32::MAX;

/// A group of items in a [`DenseBuilder`](crate::DenseBuilder).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GroupIx(pub(crate) u32);

/// A partition of the hosts in a [`DenseBuilder`](crate::DenseBuilder).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PartitionIx(pub(crate) u32);

/// A dimension of resources.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "input data of the raw form, made by hosts in bulk")]
pub struct Dimension {
    /// Name for reports.
    pub name: String,
    /// Cost of one unit above a host's soft capacity.
    pub overload_cost: i64,
    /// True if a moved item needs its old and its new place at once.
    pub transient: bool,
}

/// A host of the raw form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "input data of the raw form, made by hosts in bulk")]
pub struct DenseHost {
    /// What the items on it may demand in sum, by dimension.
    pub capacity: Vec<i64>,
    /// Above this each unit costs [`Dimension::overload_cost`]; empty = the capacity.
    pub soft: Vec<i64>,
    /// Cost while at least one item is on it.
    pub open_cost: i64,
    /// Cost of one [`DenseItem::linear`] unit on it, in 1/65,536.
    pub linear: i64,
}

/// An item of the raw form: something that is put on exactly one host.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "input data of the raw form, made by hosts in bulk")]
pub struct DenseItem {
    /// What it demands, by dimension.
    pub demand: Vec<i64>,
    /// Where it is now.
    pub home: Option<u32>,
    /// Cost if it ends elsewhere than at home.
    pub move_cost: i64,
    /// Units that cost [`DenseHost::linear`] each (energy by load, for example).
    pub linear: i64,
}

/// Cost of imbalance: `weight · Σ_h max(0, target · free(h, a) − free(h, b))` with `free = capacity − U`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "the balance cost of the ROADEF/EURO challenge 2012 is complete"
)]
pub struct Balance {
    /// First dimension.
    pub a: u32,
    /// Second dimension.
    pub b: u32,
    /// Wanted units of `b` for each free unit of `a`.
    pub target: i64,
    /// Cost of each missing unit.
    pub weight: i64,
}

/// A rule over groups of items and partitions of hosts. `degree` is what a violation counts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DenseRule {
    /// At most `max` items of the group in each part; degree: items above, summed over the parts.
    Limit {
        /// Whose items.
        group: GroupIx,
        /// In each of what.
        partition: PartitionIx,
        /// How many.
        max: u32,
    },
    /// All items of the group in one part; degree: parts used beyond the first.
    Together {
        /// Whose items.
        group: GroupIx,
        /// In one of what.
        partition: PartitionIx,
    },
    /// The group over at least `min` parts (or as many as there are items, if fewer), and the fullest part with at
    /// most `max_skew` items more than the emptiest; degree: missing parts plus excess of skew.
    Spread {
        /// Whose items.
        group: GroupIx,
        /// Over what.
        partition: PartitionIx,
        /// How many parts.
        min: u32,
        /// Largest skew.
        max_skew: Option<u32>,
    },
    /// Each item of `group` in a part with at least one item of `provider`; degree: items without.
    Need {
        /// Whose items need.
        group: GroupIx,
        /// Whose items are needed.
        provider: GroupIx,
        /// In the same of what.
        partition: PartitionIx,
    },
    /// No part holds items of two of the groups; degree: groups beyond the first, summed over the parts.
    Disjoint {
        /// The groups; an item may be in one of them only.
        groups: Vec<GroupIx>,
        /// No shared what.
        partition: PartitionIx,
    },
    /// Items of the group only where `hosts` says `true`; degree: items elsewhere.
    Fence {
        /// Whose items.
        group: GroupIx,
        /// One flag for each host.
        hosts: Arc<[bool]>,
    },
    /// Items of the group stay at home; degree: items that do not.
    Root {
        /// Whose items.
        group: GroupIx,
    },
    /// Hosts with items of the group hold nothing else; degree: foreign items on such hosts.
    Lonely {
        /// Whose items.
        group: GroupIx,
    },
    /// At most `max` of the hosts hold anything; degree: hosts above.
    MaxOnline {
        /// One flag for each host.
        hosts: Arc<[bool]>,
        /// How many.
        max: u32,
    },
    /// The amounts of the items that are on `hosts` add up to at most `max`; degree: begun percents of `max` above.
    Quota {
        /// Items and their amounts.
        amounts: Vec<(u32, i64)>,
        /// One flag for each host.
        hosts: Arc<[bool]>,
        /// Largest sum.
        max: i64,
    },
    /// Two items at most `max` apart in the second distance; degree: pairs further apart.
    Near {
        /// Pairs of items.
        pairs: Vec<(u32, u32)>,
        /// Largest distance.
        max: i64,
    },
    /// The amounts of the hosts in use (prices, for example) add up to at most `max`; degree: begun percents of `max`
    /// above.
    MaxHostSum {
        /// One amount for each host.
        amounts: Arc<[i64]>,
        /// Largest sum.
        max: i64,
    },
    /// At most `max` items leave their home; degree: items above.
    MaxMoves {
        /// How many.
        max: u32,
    },
    /// A rule of the caller's own.
    Custom(Arc<dyn CustomRule>),
}

/// Distances between hosts: each host lies at a point, points have a table of distances.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "input data of the raw form, made by hosts in bulk")]
pub struct Distances {
    /// Point of each host.
    pub point: Vec<u32>,
    /// Row-major table between points, symmetric; the diagonal is the distance of two different hosts at one point.
    pub table: Vec<i64>,
    /// Number of points.
    pub points: u32,
    /// Distance of a host to itself.
    pub same_host: i64,
}

impl Distances {
    /// Distance of two hosts.
    pub fn between(&self, a: u32, b: u32) -> i64 {
        if a == b {
            self.same_host
        } else {
            let (p, q) = (self.point[a as usize] as usize, self.point[b as usize] as usize);
            self.table[p * self.points as usize + q]
        }
    }
}

/// A rule with its weight and the name of the caller's rule it is a part of.
#[derive(Clone, Debug)]
pub(crate) struct Lowered {
    pub(crate) rule: DenseRule,
    pub(crate) weight: Weight,
    pub(crate) name: Arc<str>,
}

#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) of: Vec<u32>,
    pub(crate) parts: u32,
}

/// All data of a problem, validated. Fields are read by the search, never changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dense {
    pub(crate) dims: usize,
    pub(crate) hosts: usize,
    pub(crate) items: usize,
    pub(crate) dimension: Vec<Dimension>,
    pub(crate) overload_cost: Vec<i64>,
    pub(crate) transient: Vec<bool>,
    pub(crate) any_transient: bool,
    pub(crate) capacity: Vec<i64>,
    pub(crate) soft: Vec<i64>,
    /// Mean capacity of a host by dimension, at least one.
    pub(crate) mean_capacity: Vec<f64>,
    /// One over the capacity by host and dimension, over the number of dimensions; zero where there is none.
    pub(crate) share: Vec<f64>,
    /// Hosts at each point: hosts sorted by point, and where each point starts.
    pub(crate) at_point: Vec<u32>,
    pub(crate) point_start: Vec<u32>,
    pub(crate) open_cost: Vec<i64>,
    pub(crate) host_linear: Vec<i64>,
    pub(crate) demand: Vec<i64>,
    pub(crate) home: Vec<u32>,
    pub(crate) move_cost: Vec<i64>,
    pub(crate) item_linear: Vec<i64>,
    pub(crate) balances: Vec<Balance>,
    /// Cost of a host all of whose room in one of the dimensions is used while all of another is free.
    pub(crate) stranding: i64,
    pub(crate) stranded_dims: Vec<u32>,
    /// Dimensions that items on one host disturb each other in, with the cost of the whole host used beside an item of
    /// sensitivity 1,000.
    pub(crate) interference: Vec<(u32, i64)>,
    /// Sensitivity of each item in thousandths; empty without interference.
    pub(crate) sensitivity: Vec<i64>,
    /// False if no use of a host costs anything.
    pub(crate) has_load: bool,
    /// Extra move cost by home and target, row-major; empty = none.
    pub(crate) move_table: Vec<i64>,
    /// Weight of, and group of each item for, the largest number of moved items of one group.
    pub(crate) group_move_cost: i64,
    pub(crate) group_move_of: Vec<u32>,
    pub(crate) distance: Distances,
    pub(crate) latency: Distances,
    pub(crate) edge_start: Vec<u32>,
    pub(crate) edge_to: Vec<u32>,
    pub(crate) edge_weight: Vec<i64>,
    pub(crate) groups: Vec<Vec<u32>>,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) rules: Vec<Lowered>,
    pub(crate) tables: crate::compile::Tables,
}

impl Dense {
    pub(crate) fn demand_of(&self, item: u32) -> &[i64] {
        let at = item as usize * self.dims;
        &self.demand[at..at + self.dims]
    }

    /// True if some use of a host costs something.
    pub(crate) fn prices_use(&self) -> bool {
        !self.balances.is_empty()
            || self.overload_cost.iter().any(|&cost| cost > 0)
            || self.stranding > 0
            || !self.interference.is_empty()
    }

    #[inline]
    pub(crate) fn sensitivity_of(&self, item: u32) -> i64 {
        self.sensitivity.get(item as usize).copied().unwrap_or(0)
    }

    pub(crate) fn edges(&self, item: u32) -> impl Iterator<Item = (u32, i64)> + '_ {
        let (from, to) =
            (self.edge_start[item as usize] as usize, self.edge_start[item as usize + 1] as usize);
        self.edge_to[from..to].iter().copied().zip(self.edge_weight[from..to].iter().copied())
    }

    /// Hosts at the same point as a host.
    pub(crate) fn neighbours(&self, host: u32) -> &[u32] {
        self.hosts_at(self.distance.point[host as usize])
    }

    pub(crate) fn hosts_at(&self, point: u32) -> &[u32] {
        let point = point as usize;
        &self.at_point[self.point_start[point] as usize..self.point_start[point + 1] as usize]
    }

    pub(crate) fn degree_of(&self, item: u32) -> usize {
        (self.edge_start[item as usize + 1] - self.edge_start[item as usize]) as usize
    }

    /// Cost of the item not being at home.
    pub(crate) fn move_cost_to(&self, item: u32, host: u32) -> i64 {
        let home = self.home[item as usize];
        if home == NONE || home == host {
            return 0;
        }
        let table = if self.move_table.is_empty() {
            0
        } else {
            self.move_table[home as usize * self.hosts + host as usize]
        };
        self.move_cost[item as usize] + table
    }
}

/// How far a sum is above a limit, in begun percents of the limit, at most 1,000,000.
pub(crate) fn percent_over(sum: i64, max: i64) -> i64 {
    if sum <= max {
        return 0;
    }
    let excess = i128::from(sum) - i128::from(max.max(0));
    let percents = (excess * 100 + i128::from(max.max(1)) - 1) / i128::from(max.max(1));
    percents.min(1_000_000) as i64
}
