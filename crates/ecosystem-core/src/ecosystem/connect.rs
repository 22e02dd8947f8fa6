//! Edges between components: names to indices, doubles into one.

use super::{EcosystemError, Topology};
use crate::analysis::{Digraph, dense};
use crate::component::Component;
use crate::dependency::{Dependency, DependencyKind};
use crate::id::ComponentId;
use indexmap::IndexMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// Resolves the ends of all edges, joins doubles and makes the index arrays. O(V + E) apart from look-ups of names.
pub(super) fn connect(
    components: &IndexMap<ComponentId, Arc<Component>>,
    mut dependencies: Vec<Arc<Dependency>>,
) -> Result<(Vec<Arc<Dependency>>, Topology), EcosystemError> {
    let mut ends = Vec::with_capacity(dependencies.len());
    let mut names = Names { components, seen: IndexMap::default() };
    for dependency in &dependencies {
        ends.push(names.resolve(dependency)?);
    }
    let out = Digraph::of_valid(components.len(), &ends);
    let first_of = doubles(&out, &dependencies);
    if first_of.iter().enumerate().all(|(position, &first)| position == first as usize) {
        let topology = Topology::new(components.len(), ends, &dependencies);
        return Ok((dependencies, topology));
    }
    for position in 0..dependencies.len() {
        let first = first_of[position] as usize;
        if first != position {
            let double = Arc::clone(&dependencies[position]);
            merge(Arc::make_mut(&mut dependencies[first]), &double);
        }
    }
    let keep = |position: usize| first_of[position] as usize == position;
    let ends = ends.into_iter().enumerate().filter(|&(p, _)| keep(p)).map(|(_, pair)| pair).collect();
    let dependencies: Vec<_> =
        dependencies.into_iter().enumerate().filter(|&(p, _)| keep(p)).map(|(_, d)| d).collect();
    let topology = Topology::new(components.len(), ends, &dependencies);
    Ok((dependencies, topology))
}

/// For each edge the position of the first edge of its kind between the same two components.
fn doubles(out: &Digraph, dependencies: &[Arc<Dependency>]) -> Vec<u32> {
    const NONE: u32 = u32::MAX;
    let mut first_of: Vec<u32> = vec![NONE; dependencies.len()];
    let mut seen = vec![(NONE, NONE); out.nodes() * DependencyKind::ALL.len()];
    for node in 0..out.nodes() {
        let stamp = dense(node);
        for (&target, &position) in out.successors(node).iter().zip(out.edge_ids(node)) {
            let kind = dependencies[position as usize].kind as usize;
            let slot = &mut seen[target as usize * DependencyKind::ALL.len() + kind];
            if slot.0 != stamp {
                *slot = (stamp, position);
            }
            first_of[position as usize] = slot.1;
        }
    }
    first_of
}

/// Looks names up. Most edges share the text of a name with others, so that where it lies says already which it is, without
/// hashing and comparing the text itself.
struct Names<'a> {
    components: &'a IndexMap<ComponentId, Arc<Component>>,
    /// Index by address of the text. INVARIANT: the texts belong to the edges, which live as long as this does.
    seen: IndexMap<usize, u32, BuildHasherDefault<AddressHasher>>,
}

impl Names<'_> {
    fn resolve(&mut self, edge: &Dependency) -> Result<(u32, u32), EcosystemError> {
        let (from, to) = (self.index(edge, &edge.from)?, self.index(edge, &edge.to)?);
        if from == to {
            return Err(EcosystemError::SelfDependency { component: edge.from.clone(), kind: edge.kind });
        }
        Ok((from, to))
    }

    fn index(&mut self, edge: &Dependency, id: &ComponentId) -> Result<u32, EcosystemError> {
        let address = id.as_str().as_ptr().addr();
        if let Some(&index) = self.seen.get(&address) {
            return Ok(index);
        }
        let index = self.components.get_index_of(id).map(dense).ok_or_else(|| {
            let (from, to) = (edge.from.clone(), edge.to.clone());
            EcosystemError::UnknownEndpoint { from, to, unknown: id.clone() }
        })?;
        // edges that share nothing would only fill the table
        if self.seen.len() <= self.components.len().saturating_mul(2) {
            self.seen.insert(address, index);
        }
        Ok(index)
    }
}

/// Spreads addresses over all bits (Fibonacci hashing, Knuth, TAOCP 3, 6.4).
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}

/// Two statements about the same edge: traffic adds up, the stricter needs win, evidence is kept from both.
fn merge(known: &mut Dependency, other: &Dependency) {
    known.strength = known.strength.max(other.strength);
    known.mode = known.mode.min(other.mode);
    known.condition = known.condition.max(other.condition);
    known.calls_per_1000_s = known.calls_per_1000_s.saturating_add(other.calls_per_1000_s);
    known.bytes_per_s = known.bytes_per_s.saturating_add(other.bytes_per_s);
    known.payload_bytes = known.payload_bytes.max(other.payload_bytes);
    known.latency_budget = match (known.latency_budget, other.latency_budget) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    known.port = known.port.or(other.port);
    known.fan_out_permille = known.fan_out_permille.max(other.fan_out_permille);
    if known.protocol.is_empty() {
        known.protocol = Arc::clone(&other.protocol);
    }
    for evidence in &other.evidence {
        if !known.evidence.contains(evidence) {
            known.evidence.push(evidence.clone());
        }
    }
}
