//! The ecosystem map: components, the edges between them, and the rules of their placement.

mod connect;

use crate::analysis::{Digraph, EdgeSelection, dense};
use crate::component::Component;
use crate::dependency::{Dependency, DependencyKind};
use crate::id::ComponentId;
use crate::rules::Rule;
use connect::connect;
use indexmap::IndexMap;
use std::fmt;
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
    dependencies: Vec<Arc<Dependency>>,
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
    pub fn dependency(mut self, dependency: impl Into<Arc<Dependency>>) -> Self {
        self.dependencies.push(dependency.into());
        self
    }

    /// Adds a placement rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The parts of a map that share what they can with another one.
    pub(crate) const fn of_parts(
        name: Arc<str>,
        components: Vec<Arc<Component>>,
        dependencies: Vec<Arc<Dependency>>,
        rules: Vec<Rule>,
    ) -> Self {
        Self { name, components, dependencies, rules }
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
        for rule in &self.rules {
            if let Some(unknown) = rule.kind.components().find(|id| !components.contains_key(*id)) {
                let (rule, unknown) = (Arc::clone(&rule.name), unknown.clone());
                return Err(EcosystemError::UnknownInRule { rule, unknown });
            }
        }
        let (dependencies, topology) = connect(&components, self.dependencies)?;
        Ok(Ecosystem {
            name: self.name,
            components: Arc::new(components),
            dependencies: dependencies.into(),
            rules: self.rules.into(),
            topology: Arc::new(topology),
        })
    }
}

/// Components and the edges between them; immutable and always valid, made by [`Ecosystem::builder`].
///
/// Components keep the order in which they were added; [`component_index`](Self::component_index) gives the dense
/// index that algorithms use. A change makes a new ecosystem that shares the unchanged parts; a clone shares all of
/// them and costs nothing.
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
#[derive(Clone)]
pub struct Ecosystem {
    name: Arc<str>,
    components: Arc<IndexMap<ComponentId, Arc<Component>>>,
    dependencies: Arc<[Arc<Dependency>]>,
    rules: Arc<[Rule]>,
    // INVARIANT: node i is component i; edge p is position p in `dependencies`.
    topology: Arc<Topology>,
}

impl fmt::Debug for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ecosystem")
            .field("name", &self.name)
            .field("components", &self.components)
            .field("dependencies", &self.dependencies)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Ecosystem {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && (Arc::ptr_eq(&self.components, &other.components)
                || self.components.as_slice() == other.components.as_slice())
            && (Arc::ptr_eq(&self.dependencies, &other.dependencies)
                || self.dependencies == other.dependencies)
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
            dependencies: self.dependencies.to_vec(),
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
        self.topology.out.edge_ids(index).iter().map(|&position| &*self.dependencies[position as usize])
    }

    /// Edges that end at a component: what needs it, in the order in which they were added.
    pub fn dependants_of(&self, index: usize) -> impl Iterator<Item = &Dependency> {
        self.topology.into.edge_ids(index).iter().map(|&position| &*self.dependencies[position as usize])
    }

    /// Placement rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Position of the edge of one kind between two components in [`Self::dependencies`].
    pub fn dependency_position(
        &self,
        from: &ComponentId,
        to: &ComponentId,
        kind: DependencyKind,
    ) -> Option<usize> {
        let (from, to) = (self.component_index(from)?, self.component_index(to)?);
        let (out, into) = (self.topology.out.edge_ids(from), self.topology.into.edge_ids(to));
        let shorter = if out.len() <= into.len() { out } else { into };
        let ends = (dense(from), dense(to));
        shorter.iter().map(|&position| position as usize).find(|&position| {
            self.topology.ends[position] == ends && self.dependencies[position].kind == kind
        })
    }

    /// The edge of one kind between two components.
    pub fn dependency(
        &self,
        from: &ComponentId,
        to: &ComponentId,
        kind: DependencyKind,
    ) -> Option<&Dependency> {
        self.dependency_position(from, to, kind).map(|position| &*self.dependencies[position])
    }

    /// The same map, with all parts that are equal to those of `other` shared with it.
    pub(crate) fn sharing(self, other: &Self) -> Self {
        let mut components = IndexMap::with_capacity(self.components.len());
        for (id, component) in &*self.components {
            let known = other.components.get(id).filter(|known| *known == component);
            components.insert(id.clone(), Arc::clone(known.unwrap_or(component)));
        }
        let same_components = other.components.as_slice() == components.as_slice();
        let shared = |edge: &Arc<Dependency>| -> Arc<Dependency> {
            let known = other.dependency_position(&edge.from, &edge.to, edge.kind);
            let known = known.map(|position| &other.dependencies[position]).filter(|known| *known == edge);
            Arc::clone(known.unwrap_or(edge))
        };
        let same_edges = self.dependencies == other.dependencies;
        let same_ends = self.topology.ends == other.topology.ends
            && self.topology.tags == other.topology.tags
            && self.topology.out.nodes() == other.topology.out.nodes();
        Self {
            components: if same_components { Arc::clone(&other.components) } else { Arc::new(components) },
            dependencies: if same_edges {
                Arc::clone(&other.dependencies)
            } else {
                self.dependencies.iter().map(shared).collect()
            },
            topology: Arc::clone(if same_ends { &other.topology } else { &self.topology }),
            ..self
        }
    }

    pub(crate) fn topology(&self) -> &Topology {
        &self.topology
    }

    pub(crate) fn shared_components(&self) -> &Arc<IndexMap<ComponentId, Arc<Component>>> {
        &self.components
    }

    pub(crate) fn shared_dependencies(&self) -> &Arc<[Arc<Dependency>]> {
        &self.dependencies
    }
}

/// The edges as index arrays, for algorithms.
#[derive(Clone, Debug)]
pub(crate) struct Topology {
    /// Both ends of every edge.
    pub(crate) ends: Vec<(u32, u32)>,
    /// Kind and strength of every edge, see [`EdgeSelection`](crate::analysis::EdgeSelection).
    pub(crate) tags: Vec<u8>,
    /// Bit n is set if an edge with tag n is there.
    pub(crate) kinds: u8,
    /// Edges by where they start.
    pub(crate) out: Digraph,
    /// Edges by where they end.
    pub(crate) into: Digraph,
}

impl Topology {
    fn new(nodes: usize, ends: Vec<(u32, u32)>, dependencies: &[Arc<Dependency>]) -> Self {
        let out = Digraph::of_valid(nodes, &ends);
        let into = Digraph::turned(nodes, &ends);
        let tags: Vec<u8> = dependencies.iter().map(|d| EdgeSelection::tag(d)).collect();
        let kinds = tags.iter().fold(0, |bits, &tag| bits | 1 << tag);
        Self { ends, tags, kinds, out, into }
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
