//! A validated placement problem, and its builder from an ecosystem and an infrastructure.

use crate::builder::DenseBuilder;
use crate::dense::Dense;
use crate::error::ProblemError;
use crate::lower;
use crate::proximity::ProximityMatrix;
use crate::settings::Weights;
use ecosystem_core::{
    ComponentId, Ecosystem, HostId, HostSet, Infrastructure, Placement, ReplicaId, Resources, Rule, Weight,
};
use std::collections::{BTreeMap, BTreeSet};

/// A validated placement problem: every placed replica of an ecosystem, the hosts of an infrastructure, rules and
/// costs, translated to dense arrays.
///
/// # Example
/// ```
/// use ecosystem_core::{
///     Bytes, Component, Domain, Ecosystem, Host, Infrastructure, Kind, Millicores, Rack, Region, Resources, Rule,
///     RuleKind, Zone,
/// };
/// use ecosystem_placement::{Problem, Settings, check, solve};
///
/// let mut web = Component::new("web".parse()?, Kind::Gateway);
/// web.replicas = 2;
/// web.requirements.request = Resources::new(Millicores::cores(1), Bytes::gib(1));
/// let shop = Ecosystem::builder("shop").component(web).build()?;
/// let size = Resources::new(Millicores::cores(4), Bytes::gib(8));
/// let infra = Infrastructure::builder()
///     .region(Region::new("eu".parse()?))
///     .zone(Zone::new("eu-a".parse()?, "eu".parse()?))
///     .rack(Rack::new("r1".parse()?, "eu-a".parse()?))
///     .host(Host::new("h1".parse()?, "r1".parse()?, size.clone()))
///     .host(Host::new("h2".parse()?, "r1".parse()?, size))
///     .build()?;
/// let apart = Rule::hard("web-apart", RuleKind::Apart { members: vec!["web".parse()?], domain: Domain::Host });
/// let problem = Problem::builder(&shop, &infra).rule(apart).build()?;
/// let solution = solve(&problem, &Settings::default());
/// assert!(check(&problem, &solution.placement).is_ok());
/// assert_eq!(solution.placement.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Problem {
    pub(crate) dense: Dense,
    pub(crate) names: Option<Box<Names>>,
}

/// What a problem was lowered from.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) ecosystem: Ecosystem,
    pub(crate) infrastructure: Infrastructure,
    pub(crate) rules: Vec<Rule>,
    pub(crate) replicas: Vec<ReplicaId>,
    pub(crate) proximity: ProximityMatrix,
    pub(crate) current: Placement,
    pub(crate) excluded: HostSet,
    pub(crate) requests: BTreeMap<ComponentId, Resources>,
    pub(crate) fixed: BTreeSet<ReplicaId>,
    pub(crate) avoid: BTreeMap<ReplicaId, BTreeSet<HostId>>,
    pub(crate) reserved: BTreeMap<HostId, Resources>,
    pub(crate) link_weight: Weight,
    pub(crate) sensitivity: BTreeMap<ComponentId, u32>,
    pub(crate) weights: Weights,
    pub(crate) replica_counts: BTreeMap<ComponentId, u32>,
    pub(crate) numbers: Option<BTreeMap<ComponentId, Vec<u32>>>,
}

impl Problem {
    /// Starts a problem: all replicas of all components that run on hosts, under the rules of the ecosystem. Components that
    /// run once per host have as many replicas as [`Ecosystem::on_hosts`] counts.
    pub fn builder<'a>(ecosystem: &Ecosystem, infrastructure: &'a Infrastructure) -> ProblemBuilder<'a> {
        let ecosystem = ecosystem.on_hosts(infrastructure);
        ProblemBuilder {
            rules: ecosystem.rules().to_vec(),
            ecosystem,
            infrastructure,
            current: Placement::new(),
            weights: Weights::default(),
            requests: BTreeMap::new(),
            replicas: BTreeMap::new(),
            excluded: HostSet::default(),
            numbers: None,
            fixed: BTreeSet::new(),
            avoid: BTreeMap::new(),
            reserved: BTreeMap::new(),
            link_weight: Weight::Hard,
            sensitivity: BTreeMap::new(),
        }
    }

    pub(crate) const fn from_dense(dense: Dense) -> Self {
        Self { dense, names: None }
    }

    /// Number of items (replicas).
    pub const fn items(&self) -> usize {
        self.dense.items
    }

    /// Number of hosts.
    pub const fn hosts(&self) -> usize {
        self.dense.hosts
    }

    /// The replicas in the order of their dense index; empty for raw problems.
    pub fn replicas(&self) -> &[ReplicaId] {
        self.names.as_ref().map_or(&[], |names| &names.replicas)
    }

    /// The scores that the proximity term was made from; `None` for raw problems.
    pub fn proximity(&self) -> Option<&ProximityMatrix> {
        self.names.as_ref().map(|names| &names.proximity)
    }

    /// The rules that were lowered, in order; empty for raw problems.
    pub fn rules(&self) -> &[Rule] {
        self.names.as_ref().map_or(&[], |names| &names.rules)
    }

    /// Translates an assignment (host index by item; out of range = not placed) to names. Empty for raw problems.
    pub fn placement_of(&self, assignment: &[u32]) -> Placement {
        let Some(names) = &self.names else { return Placement::new() };
        let hosts = names.infrastructure.hosts();
        names
            .replicas
            .iter()
            .zip(assignment)
            .filter_map(|(replica, &host)| Some((replica.clone(), hosts.get(host as usize)?.id.clone())))
            .collect()
    }

    /// Translates a placement to host indices; `None` for replicas that are missing or on unknown hosts.
    pub fn assignment_of(&self, placement: &Placement) -> Vec<Option<u32>> {
        let Some(names) = &self.names else { return Vec::new() };
        let index = |host: &HostId| u32::try_from(names.infrastructure.host_index(host)?).ok();
        names.replicas.iter().map(|replica| placement.host_of(replica).and_then(index)).collect()
    }

    pub(crate) fn host_name(&self, host: u32) -> String {
        self.names.as_ref().map_or_else(
            || format!("host {host}"),
            |names| names.infrastructure.hosts()[host as usize].id.to_string(),
        )
    }

    pub(crate) fn item_name(&self, item: u32) -> String {
        self.names
            .as_ref()
            .map_or_else(|| format!("item {item}"), |names| names.replicas[item as usize].to_string())
    }
}

/// Collects the parts of a [`Problem`].
#[derive(Clone, Debug)]
pub struct ProblemBuilder<'a> {
    pub(crate) ecosystem: Ecosystem,
    pub(crate) infrastructure: &'a Infrastructure,
    pub(crate) rules: Vec<Rule>,
    pub(crate) current: Placement,
    pub(crate) weights: Weights,
    pub(crate) requests: BTreeMap<ComponentId, Resources>,
    pub(crate) replicas: BTreeMap<ComponentId, u32>,
    pub(crate) excluded: HostSet,
    pub(crate) numbers: Option<BTreeMap<ComponentId, Vec<u32>>>,
    pub(crate) fixed: BTreeSet<ReplicaId>,
    pub(crate) avoid: BTreeMap<ReplicaId, BTreeSet<HostId>>,
    pub(crate) reserved: BTreeMap<HostId, Resources>,
    pub(crate) link_weight: Weight,
    pub(crate) sensitivity: BTreeMap<ComponentId, u32>,
}

impl ProblemBuilder<'_> {
    /// Takes these rules instead of those of the ecosystem.
    #[must_use]
    pub fn only_rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules = rules.into_iter().collect();
        self
    }

    /// Places exactly these replicas, whatever numbers they have, instead of all replicas of all components.
    #[must_use]
    pub fn only_replicas(mut self, replicas: impl IntoIterator<Item = ReplicaId>) -> Self {
        let mut numbers: BTreeMap<ComponentId, Vec<u32>> = BTreeMap::new();
        for replica in replicas {
            numbers.entry(replica.component().clone()).or_default().push(replica.index());
        }
        for list in numbers.values_mut() {
            list.sort_unstable();
            list.dedup();
        }
        self.numbers = Some(numbers);
        self
    }

    /// These replicas stay on their [`current`](Self::current) hosts, even on hosts that take nothing new.
    #[must_use]
    pub fn fixed(mut self, replicas: impl IntoIterator<Item = ReplicaId>) -> Self {
        self.fixed.extend(replicas);
        self
    }

    /// This replica must not go to these hosts.
    #[must_use]
    pub fn avoid(mut self, replica: ReplicaId, hosts: impl IntoIterator<Item = HostId>) -> Self {
        self.avoid.entry(replica).or_default().extend(hosts);
        self
    }

    /// Keeps room free on a host, e.g. for the far side of a migration.
    #[must_use]
    pub fn reserve(mut self, host: HostId, amount: &Resources) -> Self {
        let sum = self.reserved.entry(host).or_default();
        *sum = sum.saturating_add(amount);
        self
    }

    /// How much neighbours disturb a replica of a component, in thousandths; 1,000 unless said otherwise. What counts is
    /// weighed by [`Weights::interference`].
    #[must_use]
    pub fn sensitivity(mut self, component: ComponentId, permille: u32) -> Self {
        self.sensitivity.insert(component, permille);
        self
    }

    /// How the throughput of links between zones binds: hard unless said otherwise, or the price of each begun percent
    /// above it, in micro-units of money per hour; [`Weight::Soft`]`(0)` leaves links out. Only links whose throughput
    /// the infrastructure gives count, and only edges whose traffic the map knows; callers spread their calls evenly over
    /// replicas.
    #[must_use]
    pub const fn link_weight(mut self, weight: Weight) -> Self {
        self.link_weight = weight;
        self
    }

    /// Adds a rule to those of the ecosystem.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Adds rules to those of the ecosystem.
    #[must_use]
    pub fn rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules.extend(rules);
        self
    }

    /// Where replicas are now: the search starts there and moving them costs [`Weights::move_per_gib`].
    #[must_use]
    pub fn current(mut self, placement: Placement) -> Self {
        self.current = placement;
        self
    }

    /// What the terms of the cost weigh.
    #[must_use]
    pub const fn weights(mut self, weights: Weights) -> Self {
        self.weights = weights;
        self
    }

    /// What one replica of a component asks for, instead of the request of its requirements (a forecast, for example).
    #[must_use]
    pub fn request(mut self, component: ComponentId, request: Resources) -> Self {
        self.requests.insert(component, request);
        self
    }

    /// How many replicas of a component to place, instead of the number the ecosystem says.
    #[must_use]
    pub fn replicas(mut self, component: ComponentId, replicas: u32) -> Self {
        self.replicas.insert(component, replicas);
        self
    }

    /// Hosts that must not be used (failed, suspected).
    #[must_use]
    pub fn without_hosts(mut self, hosts: HostSet) -> Self {
        self.excluded = hosts;
        self
    }

    /// Checks everything and lowers it to dense arrays.
    pub fn build(self) -> Result<Problem, ProblemError> {
        let (raw, replicas, proximity): (DenseBuilder, _, _) = lower::lower(&self)?;
        let dense = raw.into_dense()?;
        let names = Names {
            ecosystem: self.ecosystem,
            infrastructure: self.infrastructure.clone(),
            rules: self.rules,
            replicas,
            proximity,
            current: self.current,
            excluded: self.excluded,
            requests: self.requests,
            fixed: self.fixed,
            avoid: self.avoid,
            reserved: self.reserved,
            link_weight: self.link_weight,
            sensitivity: self.sensitivity,
            weights: self.weights,
            replica_counts: self.replicas,
            numbers: self.numbers,
        };
        Ok(Problem { dense, names: Some(Box::new(names)) })
    }
}
