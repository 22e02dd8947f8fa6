//! What the engine is told about the world, lowered to dense indices: it is input, not state.

mod names;

use crate::error::EngineError;
use ecosystem_core::{
    ComponentId, Criticality, DependencyKind, Domain, Ecosystem, HostId, HostState, Infrastructure,
    MaintenanceWindow, Resources, RuleKind, Strength, Version, Weight,
};
use indexmap::IndexSet;
use names::Names;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One component as the map describes it.
#[derive(Clone, Debug)]
pub(crate) struct CompInfo {
    /// Gone from the map: its replicas are stopped.
    pub(crate) known: bool,
    pub(crate) replicas: u32,
    pub(crate) range: Option<(u32, u32)>,
    pub(crate) max_unavailable: Option<u32>,
    pub(crate) criticality: Criticality,
    pub(crate) version: Version,
    pub(crate) size: Arc<Resources>,
    /// Components that must run before it starts; free of cycles.
    pub(crate) start_after: Vec<u32>,
    /// Components that call it.
    pub(crate) dependants: Vec<u32>,
    /// Components it calls.
    pub(crate) calls: Vec<u32>,
    /// Positions in `World::rules`.
    pub(crate) rules: Vec<u32>,
    /// False for things that are only called: nothing is started for them.
    pub(crate) placed: bool,
    /// When planned work may be done on it; none = at any time.
    pub(crate) windows: Vec<MaintenanceWindow>,
}

impl CompInfo {
    fn unknown() -> Self {
        Self {
            known: false,
            replicas: 0,
            range: None,
            max_unavailable: None,
            criticality: Criticality::Low,
            version: Version::default(),
            size: Arc::new(Resources::default()),
            start_after: Vec::new(),
            dependants: Vec::new(),
            calls: Vec::new(),
            rules: Vec::new(),
            placed: false,
            windows: Vec::new(),
        }
    }
}

/// One host as the infrastructure describes it.
#[derive(Clone, Debug)]
pub(crate) struct HostInfo {
    /// Still part of the infrastructure.
    pub(crate) known: bool,
    pub(crate) room: Resources,
    pub(crate) state: HostState,
    pub(crate) taints: bool,
    /// When it is taken out of use.
    pub(crate) windows: Vec<MaintenanceWindow>,
}

/// A hard placement rule with host groups and host sets as arrays.
#[derive(Clone, Debug)]
pub(crate) enum Lowered {
    Together { members: BTreeSet<u32>, group: Vec<u32> },
    Apart { members: BTreeSet<u32>, group: Vec<u32> },
    Spread { members: BTreeSet<u32>, group: Vec<u32>, min_domains: u32 },
    Fence { allowed: Vec<bool> },
    Ban { denied: Vec<bool> },
    Lonely { members: BTreeSet<u32> },
}

/// A lowered rule with its name, for explanations.
#[derive(Clone, Debug)]
pub(crate) struct LoweredRule {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Lowered,
}

/// Everything the engine knows that is not its own doing.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) ecosystem: Arc<Ecosystem>,
    pub(crate) infrastructure: Arc<Infrastructure>,
    pub(crate) component_names: Vec<ComponentId>,
    pub(crate) host_names: Vec<HostId>,
    /// The same names, for look-ups.
    components: Names,
    host_table: Names,
    pub(crate) comps: Vec<CompInfo>,
    pub(crate) hosts: Vec<HostInfo>,
    pub(crate) rules: Vec<LoweredRule>,
    /// Rules that bind whoever else shares the host.
    pub(crate) lonely: Vec<u32>,
}

impl World {
    /// Lowers a map, components that run once per host counted on these hosts. Names already in use keep their indices; new ones are appended.
    pub(crate) fn new(
        component_names: impl IntoIterator<Item = ComponentId>,
        host_names: impl IntoIterator<Item = HostId>,
        ecosystem: Arc<Ecosystem>,
        infrastructure: Arc<Infrastructure>,
    ) -> Result<Self, EngineError> {
        let ecosystem = if ecosystem.components().any(|c| c.per_host) {
            Arc::new(ecosystem.on_hosts(&infrastructure))
        } else {
            ecosystem
        };
        let mut component_names: IndexSet<ComponentId> = component_names.into_iter().collect();
        component_names.extend(ecosystem.components().map(|c| c.id.clone()));
        let mut host_names: IndexSet<HostId> = host_names.into_iter().collect();
        host_names.extend(infrastructure.hosts().iter().map(|h| h.id.clone()));
        let max = u32::MAX as usize / 2;
        for (what, count) in [("components", component_names.len()), ("hosts", host_names.len())] {
            if count > max {
                return Err(EngineError::TooMany { what, count, max });
            }
        }
        let hosts = host_names.iter().map(|id| host_info(&infrastructure, id)).collect();
        let too_long = |what, count| EngineError::TooMany { what, count, max };
        let components = Names::new(component_names.iter().map(ComponentId::as_str))
            .ok_or_else(|| too_long("components", component_names.len()))?;
        let host_table = Names::new(host_names.iter().map(HostId::as_str))
            .ok_or_else(|| too_long("hosts", host_names.len()))?;
        let mut world = Self {
            comps: component_names.iter().map(|_| CompInfo::unknown()).collect(),
            ecosystem,
            infrastructure,
            component_names: component_names.into_iter().collect(),
            host_names: host_names.into_iter().collect(),
            components,
            host_table,
            hosts,
            rules: Vec::new(),
            lonely: Vec::new(),
        };
        world.lower_components();
        world.lower_rules();
        Ok(world)
    }

    /// Dense index of a component.
    pub(crate) fn component(&self, id: &ComponentId) -> Option<u32> {
        self.components.index(id.as_str())
    }

    /// Dense index of a host.
    pub(crate) fn host(&self, id: &HostId) -> Option<u32> {
        self.host_table.index(id.as_str())
    }

    pub(crate) fn component_id(&self, c: u32) -> &ComponentId {
        &self.component_names[c as usize]
    }

    pub(crate) fn host_id(&self, h: u32) -> &HostId {
        &self.host_names[h as usize]
    }

    fn lower_components(&mut self) {
        let ecosystem = Arc::clone(&self.ecosystem);
        for component in ecosystem.components() {
            let Some(c) = self.component(&component.id) else { continue };
            let info = &mut self.comps[c as usize];
            info.known = true;
            info.placed = component.is_placed();
            info.windows.clone_from(&component.maintenance);
            info.replicas = component.replicas;
            info.range = component.replica_range;
            info.max_unavailable = component.max_unavailable;
            info.criticality = component.criticality;
            info.version = component.version.clone();
            info.size = Arc::new(component.requirements.request.clone());
        }
        let mut order_edges: Vec<(u32, u32)> = Vec::new();
        for edge in ecosystem.dependencies() {
            let (Some(from), Some(to)) = (self.component(&edge.from), self.component(&edge.to)) else {
                continue;
            };
            if edge.kind == DependencyKind::StartOrder && edge.strength == Strength::Hard {
                order_edges.push((from, to));
            }
            if matches!(edge.kind, DependencyKind::Call | DependencyKind::Data) {
                self.comps[from as usize].calls.push(to);
                self.comps[to as usize].dependants.push(from);
            }
        }
        for (from, to) in acyclic(self.comps.len(), &order_edges) {
            self.comps[from as usize].start_after.push(to);
        }
        for info in &mut self.comps {
            for list in [&mut info.calls, &mut info.dependants, &mut info.start_after] {
                list.sort_unstable();
                list.dedup();
            }
        }
    }

    fn lower_rules(&mut self) {
        let (ecosystem, infrastructure) = (Arc::clone(&self.ecosystem), Arc::clone(&self.infrastructure));
        for rule in ecosystem.rules().iter().filter(|rule| rule.weight == Weight::Hard) {
            let members: BTreeSet<u32> = rule.kind.components().filter_map(|id| self.component(id)).collect();
            let kind = match &rule.kind {
                RuleKind::Together { domain, .. } => {
                    Lowered::Together { members: members.clone(), group: self.groups(domain) }
                }
                RuleKind::Apart { domain, .. } => {
                    Lowered::Apart { members: members.clone(), group: self.groups(domain) }
                }
                RuleKind::Spread { domain, min_domains, .. } => Lowered::Spread {
                    members: members.clone(),
                    group: self.groups(domain),
                    min_domains: *min_domains,
                },
                RuleKind::Fence { allowed, .. } => {
                    Lowered::Fence { allowed: self.host_flags(|ix| allowed.contains(&infrastructure, ix)) }
                }
                RuleKind::Ban { denied, .. } => {
                    Lowered::Ban { denied: self.host_flags(|ix| denied.contains(&infrastructure, ix)) }
                }
                RuleKind::Lonely { .. } => Lowered::Lonely { members: members.clone() },
                // The number of hosts in use is the optimizer's goal; refusing a restart for it would cost a service.
                _ => continue,
            };
            let position = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
            if matches!(kind, Lowered::Lonely { .. }) {
                self.lonely.push(position);
            }
            self.rules.push(LoweredRule { name: Arc::clone(&rule.name), kind });
            for c in members {
                self.comps[c as usize].rules.push(position);
            }
        }
    }

    /// For each host of ours the number of its group; hosts that left the infrastructure stand alone.
    fn groups(&self, domain: &Domain) -> Vec<u32> {
        let (groups, count) = domain.groups(&self.infrastructure);
        let mut alone = count;
        self.host_names
            .iter()
            .map(|id| {
                self.infrastructure.host_index(id).map_or_else(
                    || {
                        alone += 1;
                        alone
                    },
                    |ix| groups[ix],
                )
            })
            .collect()
    }

    fn host_flags(&self, test: impl Fn(usize) -> bool) -> Vec<bool> {
        self.host_names.iter().map(|id| self.infrastructure.host_index(id).is_some_and(&test)).collect()
    }
}

fn host_info(infrastructure: &Infrastructure, id: &HostId) -> HostInfo {
    match infrastructure.host(id) {
        Some(host) => HostInfo {
            known: true,
            room: host.allocatable(),
            state: host.state,
            taints: !host.taints.is_empty(),
            windows: host.maintenance.clone(),
        },
        None => HostInfo {
            known: false,
            room: Resources::default(),
            state: HostState::Maintenance,
            taints: false,
            windows: Vec::new(),
        },
    }
}

/// The edges without those that would close a cycle: Kahn's algorithm, where it is stuck the smallest index goes
/// first and its open edges are left out.
fn acyclic(nodes: usize, edges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut waits: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); nodes];
    let mut frees: Vec<Vec<u32>> = vec![Vec::new(); nodes];
    for &(from, to) in edges {
        if waits[from as usize].insert(to) {
            frees[to as usize].push(from);
        }
    }
    let all = || 0..u32::try_from(nodes).unwrap_or(u32::MAX);
    let mut open: BTreeSet<u32> = all().collect();
    let mut ready: BTreeSet<u32> = all().filter(|&c| waits[c as usize].is_empty()).collect();
    let mut kept: Vec<(u32, u32)> = Vec::with_capacity(edges.len());
    let mut settled = vec![false; nodes];
    while let Some(c) = ready.pop_first().or_else(|| open.first().copied()) {
        open.remove(&c);
        settled[c as usize] = true;
        waits[c as usize].clear();
        for &dependant in &frees[c as usize] {
            if !settled[dependant as usize] && waits[dependant as usize].remove(&c) {
                kept.push((dependant, c));
                if waits[dependant as usize].is_empty() {
                    ready.insert(dependant);
                }
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::acyclic;

    #[test]
    fn start_order_loses_only_the_edges_that_close_a_cycle() {
        let chain = [(0, 1), (1, 2)];
        let mut kept = acyclic(3, &chain);
        kept.sort_unstable();
        assert_eq!(kept, chain);
        // 0 -> 1 -> 2 -> 0 and 3 -> 0: the cycle is opened at the smallest index, 3 still waits for 0
        let mut kept = acyclic(4, &[(0, 1), (1, 2), (2, 0), (3, 0)]);
        kept.sort_unstable();
        assert_eq!(kept, [(1, 2), (2, 0), (3, 0)]);
    }
}
