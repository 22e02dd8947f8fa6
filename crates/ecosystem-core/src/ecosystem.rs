//! The ecosystem map: components, the edges between them, and the rules of their placement.

use crate::component::Component;
use crate::dependency::{Dependency, DependencyKind};
use crate::id::ComponentId;
use crate::rules::Rule;
use indexmap::IndexMap;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use std::sync::Arc;

/// Why a set of components and edges is not an ecosystem.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EcosystemError {
    /// Two components have the same name.
    #[error("component `{component}` is defined twice, expected each name once")]
    DuplicateComponent {
        /// The name.
        component: ComponentId,
    },
    /// An edge names a component that is not there.
    #[error(
        "dependency of `{from}` on `{to}` names `{unknown}`, which is not a component; define it or correct the name"
    )]
    UnknownEndpoint {
        /// Start of the edge.
        from: ComponentId,
        /// End of the edge.
        to: ComponentId,
        /// The end that is missing.
        unknown: ComponentId,
    },
    /// An edge from a component to itself.
    #[error("component `{component}` depends on itself ({kind}); remove the edge")]
    SelfDependency {
        /// The component.
        component: ComponentId,
        /// What the edge means.
        kind: DependencyKind,
    },
    /// A rule names a component that is not there.
    #[error("rule `{rule}` names `{unknown}`, which is not a component; define it or correct the name")]
    UnknownInRule {
        /// The rule.
        rule: Arc<str>,
        /// The name that is missing.
        unknown: ComponentId,
    },
    /// The replica range is reversed or does not hold the number of replicas.
    #[error("component `{component}` wants {replicas} replicas, expected {min} to {max} as its range says")]
    ReplicaRange {
        /// The component.
        component: ComponentId,
        /// Replicas wanted.
        replicas: u32,
        /// Smallest number.
        min: u32,
        /// Largest number.
        max: u32,
    },
}

/// Collects the parts of an [`Ecosystem`].
#[derive(Clone, Debug, Default)]
pub struct EcosystemBuilder {
    name: Arc<str>,
    components: Vec<Arc<Component>>,
    dependencies: Vec<Dependency>,
    rules: Vec<Rule>,
}

impl EcosystemBuilder {
    /// Adds a component.
    #[must_use]
    pub fn component(mut self, component: impl Into<Arc<Component>>) -> Self {
        self.components.push(component.into());
        self
    }

    /// Adds an edge. Edges of the same kind between the same components become one, with all their evidence.
    #[must_use]
    pub fn dependency(mut self, dependency: Dependency) -> Self {
        self.dependencies.push(dependency);
        self
    }

    /// Adds a placement rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Checks everything and makes the map. O(V + E) apart from look-ups of names.
    pub fn build(self) -> Result<Ecosystem, EcosystemError> {
        let mut components: IndexMap<ComponentId, Arc<Component>> = IndexMap::new();
        for component in self.components {
            if let Some((min, max)) = component.replica_range
                && !(min..=max).contains(&component.replicas)
            {
                let (component, replicas) = (component.id.clone(), component.replicas);
                return Err(EcosystemError::ReplicaRange { component, replicas, min, max });
            }
            let id = component.id.clone();
            if components.insert(id.clone(), component).is_some() {
                return Err(EcosystemError::DuplicateComponent { component: id });
            }
        }
        let mut edges: IndexMap<(u32, u32, DependencyKind), Dependency> = IndexMap::new();
        for dependency in self.dependencies {
            let key = edge_key(&components, &dependency)?;
            match edges.get_mut(&key) {
                Some(known) => merge(known, dependency),
                None => {
                    edges.insert(key, dependency);
                }
            }
        }
        for rule in &self.rules {
            if let Some(unknown) = rule.kind.components().find(|id| !components.contains_key(*id)) {
                let (rule, unknown) = (Arc::clone(&rule.name), unknown.clone());
                return Err(EcosystemError::UnknownInRule { rule, unknown });
            }
        }
        let mut graph = DiGraph::with_capacity(components.len(), edges.len());
        for _ in 0..components.len() {
            graph.add_node(());
        }
        for (position, &(from, to, _)) in edges.keys().enumerate() {
            graph.add_edge(NodeIndex::new(from as usize), NodeIndex::new(to as usize), position);
        }
        let dependencies = edges.into_values().map(Arc::new).collect();
        Ok(Ecosystem { name: self.name, components, dependencies, rules: self.rules.into(), graph })
    }
}

fn edge_key(
    components: &IndexMap<ComponentId, Arc<Component>>,
    edge: &Dependency,
) -> Result<(u32, u32, DependencyKind), EcosystemError> {
    let find = |id: &ComponentId| {
        components.get_index_of(id).and_then(|ix| u32::try_from(ix).ok()).ok_or_else(|| {
            EcosystemError::UnknownEndpoint {
                from: edge.from.clone(),
                to: edge.to.clone(),
                unknown: id.clone(),
            }
        })
    };
    let (from, to) = (find(&edge.from)?, find(&edge.to)?);
    if from == to {
        return Err(EcosystemError::SelfDependency { component: edge.from.clone(), kind: edge.kind });
    }
    Ok((from, to, edge.kind))
}

/// Two statements about the same edge: traffic adds up, the stricter needs win, evidence is kept from both.
fn merge(known: &mut Dependency, other: Dependency) {
    known.strength = known.strength.max(other.strength);
    known.mode = known.mode.min(other.mode);
    known.calls_per_1000_s = known.calls_per_1000_s.saturating_add(other.calls_per_1000_s);
    known.bytes_per_s = known.bytes_per_s.saturating_add(other.bytes_per_s);
    known.latency_budget = match (known.latency_budget, other.latency_budget) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    known.port = known.port.or(other.port);
    known.fan_out_permille = known.fan_out_permille.max(other.fan_out_permille);
    if known.protocol.is_empty() {
        known.protocol = other.protocol;
    }
    for evidence in other.evidence {
        if !known.evidence.contains(&evidence) {
            known.evidence.push(evidence);
        }
    }
}

/// Components and the edges between them; immutable and always valid, made by [`Ecosystem::builder`].
///
/// Components keep the order in which they were added; [`component_index`](Self::component_index) gives the dense
/// index that algorithms use. A change makes a new ecosystem that shares the unchanged parts.
///
/// # Example
/// ```
/// use ecosystem_core::{Component, Dependency, DependencyKind, Ecosystem, Kind};
///
/// let shop = Ecosystem::builder("shop")
///     .component(Component::new("web".parse()?, Kind::Gateway))
///     .component(Component::new("db".parse()?, Kind::Database))
///     .dependency(Dependency::new("web".parse()?, "db".parse()?, DependencyKind::Call))
///     .build()?;
/// assert_eq!(shop.dependencies_of(0).count(), 1);
/// assert_eq!(shop.dependants_of(1).next().unwrap().from.as_str(), "web");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ecosystem {
    name: Arc<str>,
    components: IndexMap<ComponentId, Arc<Component>>,
    dependencies: Vec<Arc<Dependency>>,
    rules: Arc<[Rule]>,
    // INVARIANT: node i is component i; edge weight p is the position in `dependencies`.
    graph: DiGraph<(), usize>,
}

impl PartialEq for Ecosystem {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.components.as_slice() == other.components.as_slice()
            && self.dependencies == other.dependencies
            && self.rules == other.rules
    }
}

impl Eq for Ecosystem {}

impl Ecosystem {
    /// Starts an empty map of an application.
    pub fn builder(name: impl Into<Arc<str>>) -> EcosystemBuilder {
        EcosystemBuilder { name: name.into(), ..EcosystemBuilder::default() }
    }

    /// The parts again, to change some and build anew; unchanged components are shared.
    pub fn to_builder(&self) -> EcosystemBuilder {
        EcosystemBuilder {
            name: Arc::clone(&self.name),
            components: self.components.values().cloned().collect(),
            dependencies: self.dependencies.iter().map(|d| Dependency::clone(d)).collect(),
            rules: self.rules.to_vec(),
        }
    }

    /// Name of the application.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of components.
    pub fn len(&self) -> usize {
        self.components.len()
    }

    /// True if there is no component.
    pub fn is_empty(&self) -> bool {
        self.components.is_empty()
    }

    /// All components in the order of their dense index.
    pub fn components(&self) -> impl ExactSizeIterator<Item = &Component> {
        self.components.values().map(|c| &**c)
    }

    /// A component by name.
    pub fn component(&self, id: &ComponentId) -> Option<&Component> {
        self.components.get(id).map(|c| &**c)
    }

    /// A component by dense index.
    pub fn component_at(&self, index: usize) -> Option<&Component> {
        self.components.get_index(index).map(|(_, c)| &**c)
    }

    /// Dense index of a component.
    pub fn component_index(&self, id: &ComponentId) -> Option<usize> {
        self.components.get_index_of(id)
    }

    /// All edges, in the order in which they were added.
    pub fn dependencies(&self) -> impl ExactSizeIterator<Item = &Dependency> {
        self.dependencies.iter().map(|d| &**d)
    }

    /// Edges that start at a component: what it needs, in the order in which they were added.
    pub fn dependencies_of(&self, index: usize) -> impl Iterator<Item = &Dependency> {
        self.edges_of(index, Direction::Outgoing)
    }

    /// Edges that end at a component: what needs it, in the order in which they were added.
    pub fn dependants_of(&self, index: usize) -> impl Iterator<Item = &Dependency> {
        self.edges_of(index, Direction::Incoming)
    }

    /// Placement rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    fn edges_of(&self, index: usize, direction: Direction) -> impl Iterator<Item = &Dependency> {
        let edges = self.graph.edges_directed(NodeIndex::new(index), direction);
        let mut positions: Vec<usize> = edges.map(|edge| *edge.weight()).collect();
        positions.reverse();
        positions.into_iter().map(|position| &*self.dependencies[position])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Kind;
    use crate::finding::{Confidence, Evidence, EvidenceKind};
    use crate::units::Micros;

    fn id(name: &str) -> ComponentId {
        ComponentId::new(name).unwrap()
    }

    fn pair() -> EcosystemBuilder {
        Ecosystem::builder("t")
            .component(Component::new(id("a"), Kind::Container))
            .component(Component::new(id("b"), Kind::Database))
    }

    #[test]
    fn the_same_edge_from_two_sources_becomes_one_with_both_pieces_of_evidence() {
        let mut first = Dependency::new(id("a"), id("b"), DependencyKind::Call);
        first.latency_budget = Some(Micros::millis(5));
        let mut second = first.clone();
        second.latency_budget = Some(Micros::millis(2));
        second.evidence = vec![Evidence {
            kind: EvidenceKind::Env,
            confidence: Confidence::Medium,
            ..Evidence::declared()
        }];
        let map = pair().dependency(first).dependency(second).build().unwrap();
        let edge = map.dependencies().next().unwrap();
        assert_eq!((map.dependencies().len(), edge.evidence.len()), (1, 2));
        assert_eq!(edge.latency_budget, Some(Micros::millis(2)));
        assert_eq!(edge.confidence(), Confidence::High);
    }

    #[test]
    fn unknown_and_circular_endpoints_are_refused_by_name() {
        let ghost = Dependency::new(id("a"), id("ghost"), DependencyKind::Call);
        assert!(matches!(
            pair().dependency(ghost).build(),
            Err(EcosystemError::UnknownEndpoint { unknown, .. }) if unknown.as_str() == "ghost"
        ));
        let own = Dependency::new(id("a"), id("a"), DependencyKind::Call);
        assert!(matches!(pair().dependency(own).build(), Err(EcosystemError::SelfDependency { .. })));
    }

    #[test]
    fn rebuilding_shares_components_and_changes_nothing() {
        let map = pair().dependency(Dependency::new(id("a"), id("b"), DependencyKind::Call)).build().unwrap();
        assert_eq!(map.to_builder().build().unwrap(), map);
    }
}
