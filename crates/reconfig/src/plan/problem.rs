//! What a plan must achieve and respect.

use std::collections::BTreeSet;

/// Where an item is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "ready or killed, running, sleeping: the states of BtrPlace")]
pub enum Spot {
    /// Nowhere: not started yet (ready) or stopped for good (killed).
    Nowhere,
    /// Running on a host.
    On(usize),
    /// Suspended to storage on a host: takes no capacity.
    Asleep(usize),
}

impl Spot {
    /// The host it takes capacity of.
    pub const fn host(self) -> Option<usize> {
        match self {
            Self::On(h) => Some(h),
            Self::Nowhere | Self::Asleep(_) => None,
        }
    }
}

/// A host.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PlanHost {
    /// Name for messages and pictures.
    pub name: String,
    /// What it has in each dimension.
    pub capacity: Vec<u64>,
    /// Throughput of its link per direction in bytes per second.
    pub link_bytes_per_s: u64,
    /// False: it is off at the beginning and is switched on before anything arrives.
    pub online: bool,
    /// False: it shall be off in the end.
    pub stays: bool,
}

impl PlanHost {
    /// A host that is on and stays on.
    pub const fn new(name: String, capacity: Vec<u64>, link_bytes_per_s: u64) -> Self {
        Self { name, capacity, link_bytes_per_s, online: true, stays: true }
    }
}

/// Something that runs.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PlanItem {
    /// Name for messages and pictures.
    pub name: String,
    /// What it takes in each dimension.
    pub demand: Vec<u64>,
    /// Memory a migration copies.
    pub memory_bytes: u64,
    /// Memory it writes per second.
    pub dirty_bytes_per_s: u64,
    /// Where it is.
    pub from: Spot,
    /// Where it shall be.
    pub to: Spot,
    /// Higher goes first.
    pub priority: u32,
}

impl PlanItem {
    /// An item that goes from one place to another.
    pub const fn new(name: String, demand: Vec<u64>, memory_bytes: u64, from: Spot, to: Spot) -> Self {
        Self { name, demand, memory_bytes, dirty_bytes_per_s: 0, from, to, priority: 0 }
    }
}

/// A rule that holds at every moment of the plan. `group` gives each host's failure domain.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the continuous rules that steps can break")]
pub enum PlanRule {
    /// No two members in one domain; a migrating member counts on both sides.
    Apart {
        /// Items.
        members: Vec<usize>,
        /// Domain of each host.
        group: Vec<u32>,
    },
    /// Members run in at least so many domains (or as many as they begin or end in, if fewer). A migrating member runs
    /// on one of its two sides: it counts only where that is certain.
    Spread {
        /// Items.
        members: Vec<usize>,
        /// Domain of each host.
        group: Vec<u32>,
        /// Domains at least.
        min_domains: usize,
    },
    /// Members never go to other hosts, not even on a detour.
    Fence {
        /// Items.
        members: Vec<usize>,
        /// For each host whether it may be used.
        allowed: Vec<bool>,
    },
    /// At most so many members have a step under way at a time: a disruption budget.
    Budget {
        /// Items.
        members: Vec<usize>,
        /// How many at once.
        at_once: usize,
    },
}

impl PlanRule {
    /// The items it binds.
    pub fn members(&self) -> &[usize] {
        match self {
            Self::Apart { members, .. }
            | Self::Spread { members, .. }
            | Self::Fence { members, .. }
            | Self::Budget { members, .. } => members,
        }
    }
}

/// When steps may begin relative to each other. An item's *steps* are all it takes to bring it to its place.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the plan constraints of BtrPlace")]
pub enum Order {
    /// All steps of the first end before any step of the second begins.
    Precedence(usize, usize),
    /// One after the other, in this order.
    Sequence(Vec<usize>),
    /// Never two at once, in any order.
    Serialize(Vec<usize>),
    /// The first steps of all begin at the same moment.
    Sync(Vec<usize>),
    /// Begins at the very beginning.
    NoDelay(usize),
    /// Ends at most so many milliseconds after the beginning.
    Deadline(usize, u64),
}

/// How plans are made.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PlanSettings {
    /// Migrations per host and direction at once; each gets an equal share of the link. One: every copy is as short
    /// as it can be, and memory is dirtied for the shortest time.
    pub per_direction: u32,
    /// Time to start an item. 10 s.
    pub start_ms: u64,
    /// Time to stop an item. 3 s.
    pub stop_ms: u64,
    /// Time to switch a host on. 60 s.
    pub boot_ms: u64,
    /// Time to switch a host off. 10 s.
    pub shutdown_ms: u64,
    /// Whether items may make a detour over a third host. Yes.
    pub pivots: bool,
    /// Whether items may be suspended to storage and resumed where no detour is possible. No: it costs downtime.
    pub suspend: bool,
    /// Schedules that are tried, each with the order of steps shaken a little more; the shortest is taken. 24. The
    /// first that is within 2 % of the lower bound ends the search.
    pub attempts: u32,
}

impl Default for PlanSettings {
    fn default() -> Self {
        Self {
            per_direction: 1,
            start_ms: 10_000,
            stop_ms: 3_000,
            boot_ms: 60_000,
            shutdown_ms: 10_000,
            pivots: true,
            suspend: false,
            attempts: 24,
        }
    }
}

/// From where to where, and what must be respected on the way.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PlanProblem {
    /// Hosts.
    pub hosts: Vec<PlanHost>,
    /// Everything that runs or shall run, also what stays where it is.
    pub items: Vec<PlanItem>,
    /// Rules that hold at every moment.
    pub rules: Vec<PlanRule>,
    /// Constraints between steps.
    pub orders: Vec<Order>,
}

/// Why there is no plan.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A vector has the wrong length.
    #[error("{what} `{name}` has {found} dimensions, expected {expected}")]
    Dimensions {
        /// `host` or `item`.
        what: &'static str,
        /// Which.
        name: String,
        /// Dimensions it has.
        found: usize,
        /// Dimensions of the first host.
        expected: usize,
    },
    /// An index names nothing.
    #[error("{what} {index} does not exist, expected a number below {count}")]
    Unknown {
        /// `host` or `item`.
        what: &'static str,
        /// The index.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// What runs at the beginning does not fit, so nothing can be said about the capacity on the way.
    #[error(
        "host `{host}` has {needed} of dimension {dimension} in use at the beginning and has {available}"
    )]
    StartOverloaded {
        /// Which host.
        host: String,
        /// Which dimension, from 0.
        dimension: usize,
        /// What is in use.
        needed: u64,
        /// What it has.
        available: u64,
    },
    /// The end itself does not fit.
    #[error("host `{host}` would have {needed} of dimension {dimension} in the end and has {available}")]
    EndOverloaded {
        /// Which host.
        host: String,
        /// Which dimension, from 0.
        dimension: usize,
        /// What would be asked of it.
        needed: u64,
        /// What it has.
        available: u64,
    },
    /// Steps wait for each other, and nothing can give way.
    #[error("no order exists: {} wait for each other and none can give way", cycle.join(" -> "))]
    Blocked {
        /// Names of the items, each waiting for the next, the last for the first; or those that wait for something
        /// that never comes.
        cycle: Vec<String>,
    },
    /// A deadline or a step that must not wait cannot be met.
    #[error("`{item}` would end after {found_ms} ms, expected at most {limit_ms} ms")]
    Late {
        /// Which item.
        item: String,
        /// When it would end (or begin).
        found_ms: u64,
        /// When it must.
        limit_ms: u64,
    },
}

impl PlanProblem {
    /// Nothing to do.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks lengths, indices and that the end fits.
    pub fn validate(&self) -> Result<(), PlanError> {
        let dims = self.hosts.first().map_or(0, |host| host.capacity.len());
        let lengths = self
            .hosts
            .iter()
            .map(|it| ("host", &it.name, it.capacity.len()))
            .chain(self.items.iter().map(|it| ("item", &it.name, it.demand.len())));
        for (what, name, found) in lengths {
            if found != dims {
                return Err(PlanError::Dimensions { what, name: name.clone(), found, expected: dims });
            }
        }
        let hosts = self.hosts.len();
        let spots = self.items.iter().flat_map(|it| [it.from, it.to]);
        for spot in spots {
            if let Spot::On(index) | Spot::Asleep(index) = spot
                && index >= hosts
            {
                return Err(PlanError::Unknown { what: "host", index, count: hosts });
            }
        }
        let items = self.items.len();
        let named: BTreeSet<usize> = self.named_items().collect();
        if let Some(&index) = named.iter().find(|&&index| index >= items) {
            return Err(PlanError::Unknown { what: "item", index, count: items });
        }
        for rule in &self.rules {
            let length = match rule {
                PlanRule::Apart { group, .. } | PlanRule::Spread { group, .. } => group.len(),
                PlanRule::Fence { allowed, .. } => allowed.len(),
                PlanRule::Budget { .. } => hosts,
            };
            if length != hosts {
                return Err(PlanError::Unknown { what: "host", index: length, count: hosts });
            }
        }
        if let Some((host, dimension, needed, available)) = self.excess(dims, |item| item.from) {
            return Err(PlanError::StartOverloaded { host, dimension, needed, available });
        }
        match self.excess(dims, |item| item.to) {
            Some((host, dimension, needed, available)) => {
                Err(PlanError::EndOverloaded { host, dimension, needed, available })
            }
            None => Ok(()),
        }
    }

    /// The first host and dimension that would be overloaded if every item were at its spot: name, dimension, what
    /// would be used and what there is.
    fn excess(&self, dims: usize, spot: impl Fn(&PlanItem) -> Spot) -> Option<(String, usize, u64, u64)> {
        let mut used = vec![vec![0_u64; dims]; self.hosts.len()];
        for item in &self.items {
            if let Some(h) = spot(item).host() {
                for (sum, demand) in used[h].iter_mut().zip(&item.demand) {
                    *sum = sum.saturating_add(*demand);
                }
            }
        }
        self.hosts.iter().zip(&used).find_map(|(host, used)| {
            let mut pairs = used.iter().zip(&host.capacity).enumerate();
            let (dimension, (&needed, &available)) = pairs.find(|(_, (needed, room))| needed > room)?;
            Some((host.name.clone(), dimension, needed, available))
        })
    }

    fn named_items(&self) -> impl Iterator<Item = usize> {
        let rules = self.rules.iter().flat_map(|rule| rule.members().to_vec());
        let orders = self.orders.iter().flat_map(|order| match order {
            Order::Precedence(a, b) => vec![*a, *b],
            Order::Sequence(list) | Order::Serialize(list) | Order::Sync(list) => list.clone(),
            Order::NoDelay(item) | Order::Deadline(item, _) => vec![*item],
        });
        rules.chain(orders)
    }
}
