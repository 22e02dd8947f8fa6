//! Collects and validates the raw form of a problem.

use crate::compile::compile;
use crate::dense::{
    Balance, Dense, DenseHost, DenseItem, DenseRule, Dimension, Distances, GroupIx, Lowered, NONE, Partition,
    PartitionIx,
};
use crate::error::ProblemError;
use crate::problem::Problem;
use crate::throughout;
use ecosystem_core::Weight;
use std::sync::Arc;

/// Largest number of hosts, items, groups or partitions.
const COUNT_MAX: usize = 1 << 28;
/// Sums of costs and amounts stay below this, so that differences never overflow.
const SUM_MAX: i128 = 1 << 61;

/// Builds a [`Problem`] from hosts, items, edges and rules by dense index, for problems that do not come from an
/// ecosystem.
///
/// # Example
/// ```
/// use ecosystem_placement::{DenseBuilder, DenseHost, DenseItem, Dimension, Settings, Status, solve};
///
/// let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
/// for open_cost in [5, 3] {
///     raw.host(DenseHost { capacity: vec![4], open_cost, ..DenseHost::default() });
/// }
/// for demand in [1, 2] {
///     raw.item(DenseItem { demand: vec![demand], ..DenseItem::default() });
/// }
/// let problem = raw.build()?;
/// let solution = solve(&problem, &Settings::default());
/// assert_eq!(solution.assignment, [1, 1]);
/// assert_eq!(solution.cost.total(), 3);
/// assert_eq!(solution.status, Status::Optimal);
/// # Ok::<(), ecosystem_placement::ProblemError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DenseBuilder {
    dimensions: Vec<Dimension>,
    hosts: Vec<DenseHost>,
    items: Vec<DenseItem>,
    edges: Vec<(u32, u32, i64)>,
    balances: Vec<Balance>,
    groups: Vec<Vec<u32>>,
    partitions: Vec<Vec<u32>>,
    rules: Vec<Lowered>,
    /// Indices of the rules that hold at every moment of a plan.
    throughout: Vec<usize>,
    distance: Distances,
    latency: Distances,
    move_table: Vec<i64>,
    group_move: (i64, Vec<u32>),
    stranding: (i64, Vec<u32>),
    interference: (Vec<(u32, i64)>, Vec<i64>),
}

impl DenseBuilder {
    /// A problem with these dimensions of resources.
    pub fn new(dimensions: impl IntoIterator<Item = Dimension>) -> Self {
        Self { dimensions: dimensions.into_iter().collect(), ..Self::default() }
    }

    /// Adds a host; returns its index.
    pub fn host(&mut self, host: DenseHost) -> u32 {
        self.hosts.push(host);
        (self.hosts.len() - 1) as u32
    }

    /// Adds an item; returns its index.
    pub fn item(&mut self, item: DenseItem) -> u32 {
        self.items.push(item);
        (self.items.len() - 1) as u32
    }

    /// Adds `weight · distance(host of a, host of b)` to the cost. Edges between the same items add up.
    pub fn edge(&mut self, a: u32, b: u32, weight: i64) {
        self.edges.push((a, b, weight));
    }

    /// Adds a balance cost.
    pub fn balance(&mut self, balance: Balance) {
        self.balances.push(balance);
    }

    /// Adds a group of items.
    pub fn group(&mut self, mut items: Vec<u32>) -> GroupIx {
        items.sort_unstable();
        items.dedup();
        self.groups.push(items);
        GroupIx((self.groups.len() - 1) as u32)
    }

    /// Adds a partition of the hosts: the part of each host.
    pub fn partition(&mut self, part_of_host: Vec<u32>) -> PartitionIx {
        self.partitions.push(part_of_host);
        PartitionIx((self.partitions.len() - 1) as u32)
    }

    /// Adds a rule.
    pub fn rule(&mut self, name: impl Into<Arc<str>>, weight: Weight, rule: DenseRule) {
        self.rules.push(Lowered { rule, weight, name: name.into() });
    }

    /// Adds a rule that holds at every moment while items go from their homes to their places, in whatever order they go.
    /// If homes break it, it is to hold at the end. A soft one costs for the end, and again for what breaks it on the way.
    /// [`DenseRule::Custom`] cannot be judged on the way and is refused by [`build`](Self::build).
    pub fn rule_throughout(&mut self, name: impl Into<Arc<str>>, weight: Weight, rule: DenseRule) {
        self.throughout.push(self.rules.len());
        self.rule(name, weight, rule);
    }

    /// Distances that edges are weighted with.
    pub fn distances(&mut self, distance: Distances) {
        self.distance = distance;
    }

    /// Distances that [`DenseRule::Near`] is measured in.
    pub fn latencies(&mut self, latency: Distances) {
        self.latency = latency;
    }

    /// Cost of moving any item from one host to another, row-major by home and target, on top of its own.
    pub fn move_table(&mut self, table: Vec<i64>) {
        self.move_table = table;
    }

    /// Adds `weight · max over the groups of the number of their moved items`; `group_of` has an entry for each item.
    pub fn group_moves(&mut self, weight: i64, group_of: Vec<u32>) {
        self.group_move = (weight, group_of);
    }

    /// Adds the cost of stranded room: `weight · Σ_h (max_r free(h,r)/capacity(h,r) − min_r …)` over some dimensions, so
    /// that a host that is out of one kind of room while all of another is left costs `weight`.
    pub fn stranding(&mut self, weight: i64, dimensions: Vec<u32>) {
        self.stranding = (weight, dimensions);
    }

    /// Adds the cost of interference: in each of the dimensions `weight · Σ_i s(i) · Σ_(j≠i on the host of i)
    /// demand(j)/capacity`, with one sensitivity `s(i)` in thousandths for each item.
    pub fn interference(&mut self, weights: Vec<(u32, i64)>, sensitivity_of: Vec<i64>) {
        self.interference = (weights, sensitivity_of);
    }

    /// Number of hosts so far.
    pub const fn hosts_len(&self) -> usize {
        self.hosts.len()
    }

    /// Number of items so far.
    pub const fn items_len(&self) -> usize {
        self.items.len()
    }

    /// Home of each item; `NONE` = it has none.
    pub(crate) fn homes(&self) -> Vec<u32> {
        self.items.iter().map(|item| item.home.unwrap_or(NONE)).collect()
    }

    /// Dimensions that some item asks for.
    pub(crate) fn asked_dimensions(&self) -> Vec<u32> {
        let asked =
            |&r: &u32| self.items.iter().any(|item| item.demand.get(r as usize).is_some_and(|&d| d > 0));
        (0..self.dimensions.len() as u32).filter(asked).collect()
    }

    /// Checks everything. O(hosts · dimensions + items · dimensions + edges + rules).
    pub fn build(self) -> Result<Problem, ProblemError> {
        Ok(Problem::from_dense(self.into_dense()?))
    }

    pub(crate) fn into_dense(self) -> Result<Dense, ProblemError> {
        self.validate_shape()?;
        self.validate_rules()?;
        let throughout = self.throughout.clone();
        let mut dense = self.arrays();
        throughout::extend(&mut dense, &throughout);
        validate_sums(&dense)?;
        dense.tables = compile(&dense);
        Ok(dense)
    }

    /// What is known to be valid: a part of a valid problem.
    pub(crate) fn assemble(self) -> Dense {
        let mut dense = self.arrays();
        dense.tables = compile(&dense);
        dense
    }

    fn arrays(self) -> Dense {
        let Self { dimensions, hosts, items, edges, balances, groups, partitions, rules, .. } = self;
        let (dims, host_count, item_count) = (dimensions.len(), hosts.len(), items.len());
        let interference: Vec<(u32, i64)> = self.interference.0.into_iter().filter(|it| it.1 > 0).collect();
        let mut dense = Dense {
            dims,
            hosts: host_count,
            items: item_count,
            mean_capacity: (0..dims)
                .map(|r| {
                    (hosts.iter().map(|h| h.capacity[r] as f64).sum::<f64>() / host_count as f64).max(1.0)
                })
                .collect(),
            overload_cost: dimensions.iter().map(|d| d.overload_cost).collect(),
            transient: dimensions.iter().map(|d| d.transient).collect(),
            any_transient: dimensions.iter().any(|d| d.transient),
            dimension: dimensions,
            capacity: hosts.iter().flat_map(|h| h.capacity.iter().copied()).collect(),
            soft: hosts
                .iter()
                .flat_map(|h| if h.soft.is_empty() { &h.capacity } else { &h.soft }.iter().copied())
                .collect(),
            open_cost: hosts.iter().map(|h| h.open_cost).collect(),
            host_linear: hosts.iter().map(|h| h.linear).collect(),
            demand: items.iter().flat_map(|i| i.demand.iter().copied()).collect(),
            home: items.iter().map(|i| i.home.unwrap_or(NONE)).collect(),
            move_cost: items.iter().map(|i| i.move_cost).collect(),
            item_linear: items.iter().map(|i| i.linear).collect(),
            balances,
            stranding: self.stranding.0,
            stranded_dims: self.stranding.1,
            sensitivity: if interference.is_empty() { Vec::new() } else { self.interference.1 },
            interference,
            move_table: self.move_table,
            group_move_cost: self.group_move.0,
            group_move_of: if self.group_move.0 == 0 { Vec::new() } else { self.group_move.1 },
            distance: or_trivial(self.distance, host_count),
            latency: or_trivial(self.latency, host_count),
            groups,
            partitions: partitions
                .into_iter()
                .map(|of| Partition { parts: of.iter().max().map_or(0, |&m| m + 1), of })
                .collect(),
            rules,
            ..Dense::default()
        };
        dense.has_load = dense.prices_use();
        set_edges(&mut dense, edges);
        set_shares(&mut dense);
        dense
    }

    fn validate_shape(&self) -> Result<(), ProblemError> {
        if self.hosts.is_empty() {
            return Err(ProblemError::NoHosts);
        }
        for (what, count) in [
            ("hosts", self.hosts.len()),
            ("items", self.items.len()),
            ("edges", self.edges.len()),
            ("groups", self.groups.len()),
        ] {
            if count > COUNT_MAX {
                return Err(ProblemError::TooMany { what, count: count as u64, max: COUNT_MAX as u64 });
            }
        }
        let dims = self.dimensions.len();
        for (index, host) in self.hosts.iter().enumerate() {
            same_length("capacity of host", index, host.capacity.len(), dims)?;
            if !host.soft.is_empty() {
                same_length("soft capacity of host", index, host.soft.len(), dims)?;
            }
            not_negative("capacity of host", index, host.capacity.iter().chain(&host.soft))?;
            not_negative("open cost of host", index, [&host.open_cost, &host.linear])?;
        }
        for (index, item) in self.items.iter().enumerate() {
            same_length("demand of item", index, item.demand.len(), dims)?;
            not_negative("demand of item", index, &item.demand)?;
            not_negative("move cost of item", index, [&item.move_cost, &item.linear])?;
            if let Some(home) = item.home {
                in_range("item", "host", home, self.hosts.len())?;
            }
        }
        for (index, &(a, b, weight)) in self.edges.iter().enumerate() {
            in_range("edge", "item", a.max(b), self.items.len())?;
            not_negative("weight of edge", index, [&weight])?;
        }
        for (index, balance) in self.balances.iter().enumerate() {
            in_range("balance", "dimension", balance.a.max(balance.b), dims)?;
            not_negative("balance", index, [&balance.target, &balance.weight])?;
        }
        not_negative("cost of stranded room", 0, [&self.stranding.0])?;
        for &r in &self.stranding.1 {
            in_range("stranded room", "dimension", r, dims)?;
        }
        if !self.interference.0.is_empty() {
            same_length("sensitivities", 0, self.interference.1.len(), self.items.len())?;
            not_negative("sensitivity of item", 0, &self.interference.1)?;
        }
        for (index, (r, weight)) in self.interference.0.iter().enumerate() {
            in_range("interference", "dimension", *r, dims)?;
            not_negative("weight of interference", index, [weight])?;
        }
        for dimension in &self.dimensions {
            not_negative("overload cost of dimension", 0, [&dimension.overload_cost])?;
        }
        self.validate_tables()
    }

    fn validate_tables(&self) -> Result<(), ProblemError> {
        let hosts = self.hosts.len();
        for distances in [&self.distance, &self.latency] {
            if distances.point.is_empty() && distances.table.is_empty() {
                continue;
            }
            same_length("points of hosts", 0, distances.point.len(), hosts)?;
            let points = distances.points as usize;
            same_length("distance table", 0, distances.table.len(), points.saturating_mul(points))?;
            for &point in &distances.point {
                in_range("host", "point", point, points)?;
            }
            not_negative("distance", 0, &distances.table)?;
            not_negative("distance", 0, [&distances.same_host])?;
        }
        if !self.move_table.is_empty() {
            same_length("move table", 0, self.move_table.len(), hosts.saturating_mul(hosts))?;
            not_negative("move table", 0, &self.move_table)?;
        }
        if self.group_move.0 != 0 {
            not_negative("cost of group moves", 0, [&self.group_move.0])?;
            same_length("groups of items", 0, self.group_move.1.len(), self.items.len())?;
            for &group in &self.group_move.1 {
                in_range("item", "group", group, self.items.len())?;
            }
        }
        for group in &self.groups {
            if let Some(&last) = group.last() {
                in_range("group", "item", last, self.items.len())?;
            }
        }
        for (index, partition) in self.partitions.iter().enumerate() {
            same_length("partition", index, partition.len(), hosts)?;
            for &part in partition {
                in_range("partition", "part", part, hosts)?;
            }
        }
        Ok(())
    }

    fn validate_rules(&self) -> Result<(), ProblemError> {
        let group = |ix: &GroupIx| in_range("rule", "group", ix.0, self.groups.len());
        let partition = |ix: &PartitionIx| in_range("rule", "partition", ix.0, self.partitions.len());
        for (ix, lowered) in self.rules.iter().enumerate() {
            match &lowered.rule {
                DenseRule::Limit { group: g, partition: p, .. }
                | DenseRule::Together { group: g, partition: p }
                | DenseRule::Spread { group: g, partition: p, .. } => group(g).and_then(|()| partition(p))?,
                DenseRule::Need { group: g, provider, partition: p } => {
                    group(g).and_then(|()| group(provider)).and_then(|()| partition(p))?;
                }
                DenseRule::Disjoint { groups, partition: p } => {
                    groups.iter().try_for_each(group)?;
                    partition(p)?;
                    self.validate_disjoint(groups, &lowered.name)?;
                }
                DenseRule::Fence { group: g, hosts } => {
                    group(g)?;
                    same_length("hosts of rule", 0, hosts.len(), self.hosts.len())?;
                }
                DenseRule::Root { group: g } | DenseRule::Lonely { group: g } => group(g)?,
                DenseRule::MaxOnline { hosts, .. } => {
                    same_length("hosts of rule", 0, hosts.len(), self.hosts.len())?;
                }
                DenseRule::Quota { amounts, hosts, max } => {
                    same_length("hosts of rule", 0, hosts.len(), self.hosts.len())?;
                    not_negative("quota", 0, [max])?;
                    for (item, amount) in amounts {
                        in_range("quota", "item", *item, self.items.len())?;
                        not_negative("amount of quota", *item as usize, [amount])?;
                    }
                }
                DenseRule::Near { pairs, .. } => {
                    for &(a, b) in pairs {
                        in_range("rule", "item", a.max(b), self.items.len())?;
                    }
                }
                DenseRule::Custom(rule) => {
                    if self.throughout.contains(&ix) {
                        return Err(ProblemError::Rule {
                            rule: lowered.name.to_string(),
                            message: "is the caller's own, expected one of the catalogue for a rule that holds throughout".to_owned(),
                        });
                    }
                    for item in rule.members() {
                        in_range("rule", "item", item, self.items.len())?;
                    }
                }
                DenseRule::MaxHostSum { amounts, .. } => {
                    same_length("amounts of hosts", 0, amounts.len(), self.hosts.len())?;
                    not_negative("amount of host", 0, amounts.iter())?;
                }
                DenseRule::MaxMoves { .. } => {}
            }
        }
        Ok(())
    }

    fn validate_disjoint(&self, groups: &[GroupIx], name: &str) -> Result<(), ProblemError> {
        let mut items: Vec<u32> =
            groups.iter().flat_map(|g| self.groups[g.0 as usize].iter().copied()).collect();
        items.sort_unstable();
        match items.windows(2).find(|w| w[0] == w[1]) {
            Some(twice) => Err(ProblemError::Rule {
                rule: name.to_owned(),
                message: format!("item {} is in two of the groups, expected each item in one", twice[0]),
            }),
            None => Ok(()),
        }
    }
}

/// No sum of amounts or costs can leave 62 bits.
fn validate_sums(dense: &Dense) -> Result<(), ProblemError> {
    for r in 0..dense.dims {
        let total = |of: &[i64]| of.iter().skip(r).step_by(dense.dims).copied().map(i128::from).sum::<i128>();
        if total(&dense.demand).max(total(&dense.capacity)) > SUM_MAX {
            return Err(ProblemError::Overflow { what: "amounts of resources" });
        }
    }
    let cost = dense.largest_terms().into_iter().fold(0, i128::saturating_add);
    if cost > SUM_MAX { Err(ProblemError::Overflow { what: "costs" }) } else { Ok(()) }
}

/// What the search looks up about hosts: shares of their capacity, and who is at the same point.
fn set_shares(dense: &mut Dense) {
    let share =
        |&capacity: &i64| if capacity > 0 { 1.0 / (capacity as f64 * dense.dims as f64) } else { 0.0 };
    dense.share = dense.capacity.iter().map(share).collect();
    let point = &dense.distance.point;
    let mut hosts: Vec<u32> = (0..dense.hosts as u32).collect();
    hosts.sort_by_key(|&h| point[h as usize]);
    let mut start = vec![0; dense.distance.points as usize + 1];
    for &p in point {
        start[p as usize + 1] += 1;
    }
    for p in 1..start.len() {
        start[p] += start[p - 1];
    }
    (dense.at_point, dense.point_start) = (hosts, start);
}

fn set_edges(dense: &mut Dense, edges: Vec<(u32, u32, i64)>) {
    let mut both: Vec<(u32, u32, i64)> = edges
        .into_iter()
        .filter(|&(a, b, weight)| a != b && weight != 0)
        .flat_map(|(a, b, weight)| [(a, b, weight), (b, a, weight)])
        .collect();
    both.sort_unstable();
    both.dedup_by(|next, kept| {
        let same = (next.0, next.1) == (kept.0, kept.1);
        if same {
            kept.2 = kept.2.saturating_add(next.2); // sums that are too large are refused later
        }
        same
    });
    dense.edge_start = vec![0; dense.items + 1];
    for &(a, ..) in &both {
        dense.edge_start[a as usize + 1] += 1;
    }
    for item in 0..dense.items {
        dense.edge_start[item + 1] += dense.edge_start[item];
    }
    dense.edge_to = both.iter().map(|e| e.1).collect();
    dense.edge_weight = both.iter().map(|e| e.2).collect();
}

fn or_trivial(distances: Distances, hosts: usize) -> Distances {
    if distances.point.is_empty() {
        return Distances { point: vec![0; hosts], table: vec![0], points: 1, same_host: 0 };
    }
    distances
}

fn same_length(what: &'static str, index: usize, found: usize, expected: usize) -> Result<(), ProblemError> {
    if found == expected { Ok(()) } else { Err(ProblemError::Length { what, index, found, expected }) }
}

fn in_range(what: &'static str, wants: &'static str, index: u32, count: usize) -> Result<(), ProblemError> {
    if (index as usize) < count {
        return Ok(());
    }
    Err(ProblemError::OutOfRange { what, wants, index: u64::from(index), count: count as u64 })
}

fn not_negative<'a>(
    what: &'static str,
    index: usize,
    values: impl IntoIterator<Item = &'a i64>,
) -> Result<(), ProblemError> {
    match values.into_iter().find(|v| **v < 0) {
        Some(&value) => Err(ProblemError::Negative { what, index, value }),
        None => Ok(()),
    }
}
