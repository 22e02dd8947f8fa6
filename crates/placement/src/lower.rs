//! From names to dense arrays: hosts, replicas, edges and rules.

use crate::builder::DenseBuilder;
use crate::dense::{DenseHost, DenseItem, DenseRule, Dimension, Distances, GroupIx, PartitionIx};
use crate::error::ProblemError;
use crate::problem::ProblemBuilder;
use crate::proximity::{ProximityMatrix, closeness};
use crate::settings::{COST_PER_MICRO, Weights};
use ecosystem_core::{
    Component, ComponentId, Domain, Host, HostSet, HostState, Infrastructure, ReplicaId, Resources, Rule,
    Span, Weight,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod links;
mod rules;

/// What lowering needs to look up.
struct Lowering<'a> {
    input: &'a ProblemBuilder<'a>,
    raw: DenseBuilder,
    replicas: Vec<ReplicaId>,
    /// First item and number of items of each component.
    items_of: Vec<(u32, u32)>,
    partitions: BTreeMap<Domain, PartitionIx>,
    groups: BTreeMap<Vec<u32>, GroupIx>,
    own_partitions: BTreeMap<Vec<u32>, PartitionIx>,
    latency: Distances,
}

pub(crate) fn lower(
    input: &ProblemBuilder<'_>,
) -> Result<(DenseBuilder, Vec<ReplicaId>, ProximityMatrix), ProblemError> {
    let mut names: BTreeSet<&str> = ["cpu", "memory", "disk", "network"].into();
    for component in input.ecosystem.components() {
        names.extend(input.request_of(component).extended.keys().map(|k| &**k));
    }
    let names: Vec<&str> = names.into_iter().collect();
    let mut lowering = Lowering {
        input,
        raw: DenseBuilder::new(names.iter().map(|name| dimension(name, &input.weights))),
        replicas: Vec::new(),
        items_of: Vec::new(),
        partitions: BTreeMap::new(),
        groups: BTreeMap::new(),
        own_partitions: BTreeMap::new(),
        latency: Distances::default(),
    };
    for host in input.infrastructure.hosts() {
        lowering.host(host, &names)?;
    }
    for component in input.ecosystem.components() {
        lowering.component(component, &names)?;
    }
    lowering.fragmentation();
    lowering.interference(&names);
    lowering.distances()?;
    let proximity = ProximityMatrix::of(&input.ecosystem, &input.weights.score);
    lowering.edges(&proximity);
    lowering.host_states();
    lowering.taints_and_residency();
    lowering.excluded();
    lowering.single_replicas();
    lowering.links();
    for rule in &input.rules {
        lowering.rule(rule)?;
    }
    Ok((lowering.raw, lowering.replicas, proximity))
}

impl ProblemBuilder<'_> {
    fn request_of<'c>(&'c self, component: &'c Component) -> &'c Resources {
        self.requests.get(&component.id).unwrap_or(&component.requirements.request)
    }
}

fn dimension(name: &str, weights: &Weights) -> Dimension {
    let per_core = if name == "cpu" { weights.overload_per_core.0 } else { 0 };
    // cost units per millicore: (micro-money per core · COST_PER_MICRO) / 1000 millicores
    Dimension { name: name.to_owned(), overload_cost: per_core * COST_PER_MICRO / 1_000, transient: false }
}

fn amounts(resources: &Resources, names: &[&str]) -> Result<Vec<i64>, ProblemError> {
    let amount = |name: &&str| {
        i64::try_from(resources.get(name))
            .map_err(|_| ProblemError::Overflow { what: "amounts of resources" })
    };
    names.iter().map(amount).collect()
}

impl Lowering<'_> {
    fn host(&mut self, host: &Host, names: &[&str]) -> Result<(), ProblemError> {
        let weights = &self.input.weights;
        let room = match self.input.reserved.get(&host.id) {
            Some(reserved) => host.allocatable().saturating_sub(reserved),
            None => host.allocatable(),
        };
        let capacity = amounts(&room, names)?;
        let soft = names
            .iter()
            .zip(&capacity)
            .map(|(&name, &room)| {
                if name == "cpu" {
                    (i128::from(room) * i128::from(weights.soft_cpu_percent) / 100) as i64
                } else {
                    room
                }
            })
            .collect();
        let infrastructure = self.input.infrastructure;
        let ix = infrastructure.host_index(&host.id).unwrap_or(0);
        let carbon = infrastructure.zones()[infrastructure.host_zone_index(ix)].carbon_g_per_kwh;
        // money per kWh in cost units, energy and carbon together
        let per_kwh = i128::from(weights.energy_per_kwh.0) * i128::from(COST_PER_MICRO)
            + i128::from(weights.carbon_per_kg.0)
                * i128::from(COST_PER_MICRO)
                * i128::from(carbon.unwrap_or(0))
                / 1_000;
        let (idle, max) = host.power_idle_max_w.unwrap_or((0, 0));
        let price = if weights.price {
            i128::from(host.price_per_hour.0.max(0)) * i128::from(COST_PER_MICRO)
        } else {
            0
        };
        let clamp = |value: i128| i64::try_from(value).unwrap_or(i64::MAX);
        let open_cost = clamp(price + i128::from(idle) * per_kwh / 1_000);
        let cores = i128::from(host.capacity.cpu.get().max(1));
        let linear = clamp(i128::from(max.saturating_sub(idle)) * per_kwh * 65_536 / (1_000 * cores));
        self.raw.host(DenseHost { capacity, soft, open_cost, linear });
        Ok(())
    }

    fn component(&mut self, component: &Component, names: &[&str]) -> Result<(), ProblemError> {
        let first = self.raw.items_len() as u32;
        if !component.is_placed() {
            self.items_of.push((first, 0));
            return Ok(());
        }
        let request = self.input.request_of(component);
        let demand = amounts(request, names)?;
        let numbers: Vec<u32> = match &self.input.numbers {
            Some(numbers) => numbers.get(&component.id).cloned().unwrap_or_default(),
            None => {
                (0..self.input.replicas.get(&component.id).copied().unwrap_or(component.replicas)).collect()
            }
        };
        let per_gib = self.input.weights.move_per_gib.0.max(0) as u128 * COST_PER_MICRO as u128;
        let move_cost = (u128::from(request.memory.get()) * per_gib) >> 30;
        let count = numbers.len() as u32;
        for index in numbers {
            let replica = ReplicaId::new(component.id.clone(), index);
            let home = match self.input.current.host_of(&replica) {
                None => None,
                Some(host) => match self.input.infrastructure.host_index(host) {
                    Some(ix) => Some(ix as u32),
                    None => return Err(ProblemError::UnknownHost { replica, host: host.clone() }),
                },
            };
            self.raw.item(DenseItem {
                demand: demand.clone(),
                home,
                move_cost: i64::try_from(move_cost).unwrap_or(i64::MAX),
                linear: i64::try_from(request.cpu.get()).unwrap_or(i64::MAX),
            });
            self.replicas.push(replica);
        }
        self.items_of.push((first, count));
        Ok(())
    }

    /// Only what somebody asks for can be stranded.
    fn fragmentation(&mut self) {
        let weight = self.input.weights.fragmentation.0.max(0).saturating_mul(COST_PER_MICRO);
        if weight > 0 {
            let asked = self.raw.asked_dimensions();
            self.raw.stranding(weight, asked);
        }
    }

    fn interference(&mut self, names: &[&str]) {
        const SHARED: [&str; 2] = ["cpu", "network"]; // room in memory or on a disk is nobody else's
        let weight = self.input.weights.interference.0.max(0).saturating_mul(COST_PER_MICRO);
        if weight > 0 {
            let of = |replica: &ReplicaId| {
                self.input.sensitivity.get(replica.component()).map_or(1_000, |&s| i64::from(s))
            };
            let sensitivity = self.replicas.iter().map(of).collect();
            let shared = (0..).zip(names).filter(|(_, name)| SHARED.contains(name));
            self.raw.interference(shared.map(|(r, _)| (r, weight)).collect(), sensitivity);
        }
    }

    fn distances(&mut self) -> Result<(), ProblemError> {
        const POINTS_MAX: usize = 8_192; // a table of 64 Mi entries
        let infrastructure = self.input.infrastructure;
        let points = infrastructure.racks().len();
        if points > POINTS_MAX {
            return Err(ProblemError::TooMany {
                what: "racks",
                count: points as u64,
                max: POINTS_MAX as u64,
            });
        }
        let hosts = infrastructure.hosts().len();
        let point: Vec<u32> = (0..hosts).map(|h| infrastructure.host_rack_index(h) as u32).collect();
        // one host for each rack, and a second one where there is one, to measure from
        let mut of_rack: Vec<Vec<usize>> = vec![Vec::new(); points];
        for (host, &rack) in point.iter().enumerate() {
            if of_rack[rack as usize].len() < 2 {
                of_rack[rack as usize].push(host);
            }
        }
        let mut near = vec![0_i64; points * points];
        let mut latency = vec![0_i64; points * points];
        for (p, from) in of_rack.iter().enumerate() {
            for (q, to) in of_rack.iter().enumerate() {
                let (Some(&a), Some(&b)) = (from.first(), to.get(usize::from(p == q))) else { continue };
                near[p * points + q] = permille(infrastructure, &self.input.weights, a, b);
                latency[p * points + q] =
                    i64::try_from(infrastructure.latency(a, b).get()).unwrap_or(i64::MAX);
            }
        }
        let same = i64::try_from(infrastructure.latency_defaults().same_host.get()).unwrap_or(i64::MAX);
        let points = points as u32;
        self.raw.distances(Distances { point: point.clone(), table: near, points, same_host: 0 });
        self.latency = Distances { point, table: latency, points, same_host: same };
        self.raw.latencies(self.latency.clone());
        Ok(())
    }

    /// Traffic of a pair of components is spread evenly over the pairs of their replicas.
    fn edges(&mut self, proximity: &ProximityMatrix) {
        let per_score = self.input.weights.proximity.0.max(0) as f64;
        for (a, b, score) in proximity.pairs() {
            let ((first_a, n_a), (first_b, n_b)) = (self.items_of[a], self.items_of[b]);
            let pairs = f64::from(n_a) * f64::from(n_b);
            // distances are in thousandths, which cancels COST_PER_MICRO
            let weight = (score * per_score / pairs.max(1.0)).round() as i64;
            for i in first_a..first_a + n_a {
                for j in first_b..first_b + n_b {
                    self.raw.edge(i, j, weight);
                }
            }
        }
    }

    /// Nothing on hosts in maintenance; on cordoned hosts only what is there.
    fn host_states(&mut self) {
        let state = |h: usize| self.input.infrastructure.hosts()[h].state;
        let hosts = self.input.infrastructure.hosts().len();
        if (0..hosts).all(|h| state(h) == HostState::Ready) {
            return;
        }
        let mut by_home: BTreeMap<Option<usize>, Vec<u32>> = BTreeMap::new();
        for (item, replica) in self.replicas.iter().enumerate() {
            let home =
                self.input.current.host_of(replica).and_then(|h| self.input.infrastructure.host_index(h));
            let stays = self.input.fixed.contains(replica);
            let home = home.filter(|&h| stays || state(h) == HostState::Cordoned);
            by_home.entry(home).or_default().push(item as u32);
        }
        for (home, items) in by_home {
            let allowed: Arc<[bool]> =
                (0..hosts).map(|h| state(h) == HostState::Ready || home == Some(h)).collect();
            let group = self.group(items);
            let rule = DenseRule::Fence { group, hosts: allowed };
            self.raw.rule("host states", Weight::Hard, rule);
        }
    }

    fn taints_and_residency(&mut self) {
        let input = self.input;
        let infrastructure = input.infrastructure;
        let tainted = infrastructure.hosts().iter().any(|h| !h.taints.is_empty());
        for (ix, component) in input.ecosystem.components().enumerate() {
            if tainted {
                let tolerates =
                    |host: &Host| host.taints.iter().all(|(k, v)| component.labels.get(k) == Some(v));
                let allowed: Arc<[bool]> = infrastructure.hosts().iter().map(tolerates).collect();
                self.fence(format!("taints for {}", component.id), ix, allowed);
            }
            if !component.residency.is_empty() {
                let allowed: Arc<[bool]> = (0..infrastructure.hosts().len())
                    .map(|h| {
                        let region = &infrastructure.regions()[infrastructure.host_region_index(h)].id;
                        component.residency.contains(infrastructure.host_zone(h).as_str())
                            || component.residency.contains(region.as_str())
                    })
                    .collect();
                self.fence(format!("residency of {}", component.id), ix, allowed);
            }
        }
    }

    fn fence(&mut self, name: String, component: usize, hosts: Arc<[bool]>) {
        if hosts.iter().all(|&allowed| allowed) {
            return;
        }
        let (first, count) = self.items_of[component];
        let group = self.group((first..first + count).collect());
        self.raw.rule(name, Weight::Hard, DenseRule::Fence { group, hosts });
    }

    fn excluded(&mut self) {
        let denied = self.flags(&self.input.excluded);
        if denied.iter().any(|&d| d) {
            let free = |replica: &ReplicaId| !self.input.fixed.contains(replica);
            let items = (0..self.replicas.len() as u32).filter(|&i| free(&self.replicas[i as usize]));
            let group = self.group(items.collect());
            let hosts = denied.iter().map(|&d| !d).collect();
            let rule = DenseRule::Fence { group, hosts };
            self.raw.rule("excluded hosts", Weight::Hard, rule);
        }
    }

    /// What holds for single replicas: where some stay, and where some must not go.
    fn single_replicas(&mut self) {
        let input = self.input;
        if input.fixed.is_empty() && input.avoid.is_empty() {
            return;
        }
        let item = |(ix, replica): (usize, &ReplicaId)| (replica.clone(), ix as u32);
        let items: BTreeMap<ReplicaId, u32> = self.replicas.iter().enumerate().map(item).collect();
        let fixed: Vec<u32> = input
            .fixed
            .iter()
            .filter(|replica| input.current.host_of(replica).is_some())
            .filter_map(|replica| items.get(replica).copied())
            .collect();
        if !fixed.is_empty() {
            let group = self.group(fixed);
            self.raw.rule("fixed replicas", Weight::Hard, DenseRule::Root { group });
        }
        for (replica, hosts) in &input.avoid {
            if let Some(&item) = items.get(replica) {
                let allowed = input.infrastructure.hosts().iter().map(|h| !hosts.contains(&h.id)).collect();
                let group = self.group(vec![item]);
                let rule = DenseRule::Fence { group, hosts: allowed };
                self.raw.rule(format!("hosts to avoid for {replica}"), Weight::Hard, rule);
            }
        }
    }

    fn rule(&mut self, rule: &Rule) -> Result<(), ProblemError> {
        let weight = in_cost_units(rule.weight);
        for lowered in rules::lower_rule(self, rule)? {
            let name = Arc::clone(&rule.name);
            // Lowering itself makes rules of our own that see both sides.
            if rule.span == Span::WholePlan && !matches!(lowered, DenseRule::Custom(_)) {
                self.raw.rule_throughout(name, weight, lowered);
            } else {
                self.raw.rule(name, weight, lowered);
            }
        }
        Ok(())
    }

    /// The items of some components, by name.
    fn items(&self, rule: &Rule, members: &[ComponentId]) -> Result<Vec<u32>, ProblemError> {
        let mut items = Vec::new();
        for id in members {
            let ix = self.input.ecosystem.component_index(id).ok_or_else(|| {
                ProblemError::UnknownComponent { rule: rule.name.to_string(), component: id.clone() }
            })?;
            let (first, count) = self.items_of[ix];
            items.extend(first..first + count);
        }
        Ok(items)
    }

    fn group_of(&mut self, rule: &Rule, members: &[ComponentId]) -> Result<GroupIx, ProblemError> {
        let items = self.items(rule, members)?;
        Ok(self.group(items))
    }

    fn group(&mut self, mut items: Vec<u32>) -> GroupIx {
        items.sort_unstable();
        items.dedup();
        if let Some(&known) = self.groups.get(&items) {
            return known;
        }
        let group = self.raw.group(items.clone());
        self.groups.insert(items, group);
        group
    }

    fn partition(&mut self, domain: &Domain) -> PartitionIx {
        if let Some(&known) = self.partitions.get(domain) {
            return known;
        }
        let (of, _) = domain.groups(self.input.infrastructure);
        let partition = self.raw.partition(of);
        self.partitions.insert(domain.clone(), partition);
        partition
    }

    fn part_of(&mut self, of: &[u32]) -> PartitionIx {
        if let Some(&known) = self.own_partitions.get(of) {
            return known;
        }
        let partition = self.raw.partition(of.to_vec());
        self.own_partitions.insert(of.to_vec(), partition);
        partition
    }

    /// An amount for each replica of some components.
    fn amounts_of(
        &self,
        rule: &Rule,
        members: &[ComponentId],
        amount: impl Fn(&Component, &ProblemBuilder<'_>) -> u64,
    ) -> Result<Vec<(u32, i64)>, ProblemError> {
        let mut amounts = Vec::new();
        for id in members {
            let items = self.items(rule, std::slice::from_ref(id))?;
            let each = self.input.ecosystem.component(id).map_or(0, |c| amount(c, self.input));
            let each =
                i64::try_from(each).map_err(|_| ProblemError::Overflow { what: "amounts of a quota" })?;
            amounts.extend(items.into_iter().map(|item| (item, each)));
        }
        Ok(amounts)
    }

    fn flags(&self, set: &HostSet) -> Arc<[bool]> {
        let infrastructure = self.input.infrastructure;
        (0..infrastructure.hosts().len()).map(|h| set.contains(infrastructure, h)).collect()
    }
}

/// Penalties are in micro-units of money.
const fn in_cost_units(weight: Weight) -> Weight {
    match weight {
        Weight::Soft(penalty) => Weight::Soft(penalty.saturating_mul(COST_PER_MICRO as u64)),
        Weight::Hard => Weight::Hard,
    }
}

/// Distance of two hosts in thousandths.
fn permille(infrastructure: &Infrastructure, weights: &Weights, a: usize, b: usize) -> i64 {
    ((1.0 - closeness(infrastructure, &weights.score, a, b)) * 1_000.0).round() as i64
}
