//! Availability: the share of time in which something works, from the shares of its parts.

use super::blast::Impact;
use super::selection::EdgeSelection;
use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;
use crate::infra::Infrastructure;
use crate::placement::Placement;
use std::collections::BTreeMap;

/// How parts work together.
///
/// # Example
/// ```
/// use ecosystem_core::analysis::Block;
///
/// // two web servers of which one suffices, in front of a quorum of two databases out of three
/// let system = Block::Series(vec![
///     Block::KOutOfN(1, vec![Block::Part(0.99), Block::Part(0.99)]),
///     Block::KOutOfN(2, vec![Block::Part(0.9), Block::Part(0.9), Block::Part(0.9)]),
/// ]);
/// assert!((system.availability(&|_| None)? - 0.9999 * 0.972).abs() < 1e-12);
/// # Ok::<(), ecosystem_core::analysis::AvailabilityError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the blocks of a reliability block diagram")]
pub enum Block {
    /// A part of its own with its availability, 0 to 1.
    Part(f64),
    /// A component; one that stands in several places is one and the same.
    Component(ComponentId),
    /// Works if all work.
    Series(Vec<Self>),
    /// Works if at least one works.
    Parallel(Vec<Self>),
    /// Works if at least so many work.
    KOutOfN(usize, Vec<Self>),
}

/// Why an availability cannot be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AvailabilityError {
    /// Not a probability.
    #[error("availability {value} of {what}, expected a number from 0 to 1")]
    NotAProbability {
        /// Which part.
        what: String,
        /// The value.
        value: f64,
    },
    /// A component without a known availability.
    #[error("availability of `{0}` is not known; state it")]
    Unknown(ComponentId),
    /// Too many components stand in several places for an exact answer.
    #[error("{0} components stand in several places, expected at most 20")]
    TooManyShared(usize),
}

impl Block {
    /// Probability that the block works, exact also where components stand in several places: those are fixed to "works"
    /// and "fails" in turn (pivotal decomposition; Barlow & Proschan 1975), so that the rest is independent.
    /// O(2^s · n²) with s ≤ 20 shared components and n blocks.
    pub fn availability(&self, of: &dyn Fn(&ComponentId) -> Option<f64>) -> Result<f64, AvailabilityError> {
        const SHARED_MAX: usize = 20;
        let mut counts: BTreeMap<&ComponentId, usize> = BTreeMap::new();
        self.count(&mut counts);
        let mut values = BTreeMap::new();
        for &id in counts.keys() {
            let value = of(id).ok_or_else(|| AvailabilityError::Unknown(id.clone()))?;
            values.insert(id.clone(), probability(value, || format!("`{id}`"))?);
        }
        let shared: Vec<&ComponentId> = counts.iter().filter(|&(_, &n)| n > 1).map(|(&id, _)| id).collect();
        if shared.len() > SHARED_MAX {
            return Err(AvailabilityError::TooManyShared(shared.len()));
        }
        let mut sum = 0.0;
        for state in 0_u32..1 << shared.len() {
            let mut weight = 1.0;
            let mut fixed = values.clone();
            for (bit, &id) in shared.iter().enumerate() {
                let works = state >> bit & 1 == 1;
                let p = values[id];
                weight *= if works { p } else { 1.0 - p };
                fixed.insert(id.clone(), f64::from(u8::from(works)));
            }
            if weight > 0.0 {
                sum += weight * self.independent(&fixed)?;
            }
        }
        Ok(sum)
    }

    fn count<'a>(&'a self, counts: &mut BTreeMap<&'a ComponentId, usize>) {
        match self {
            Self::Part(_) => {}
            Self::Component(id) => *counts.entry(id).or_default() += 1,
            Self::Series(blocks) | Self::Parallel(blocks) | Self::KOutOfN(_, blocks) => {
                for block in blocks {
                    block.count(counts);
                }
            }
        }
    }

    /// The availability if all parts are independent.
    fn independent(&self, values: &BTreeMap<ComponentId, f64>) -> Result<f64, AvailabilityError> {
        let all = |blocks: &[Self]| -> Result<Vec<f64>, AvailabilityError> {
            blocks.iter().map(|block| block.independent(values)).collect()
        };
        Ok(match self {
            Self::Part(p) => probability(*p, || "a part".to_owned())?,
            Self::Component(id) => values[id],
            Self::Series(blocks) => all(blocks)?.into_iter().product(),
            Self::Parallel(blocks) => 1.0 - all(blocks)?.into_iter().map(|p| 1.0 - p).product::<f64>(),
            Self::KOutOfN(k, blocks) => at_least(*k, &all(blocks)?),
        })
    }
}

fn probability(value: f64, what: impl Fn() -> String) -> Result<f64, AvailabilityError> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(AvailabilityError::NotAProbability { what: what(), value })
    }
}

/// Probability that at least `k` of independent parts work (Poisson binomial by dynamic programming). O(n²).
fn at_least(k: usize, parts: &[f64]) -> f64 {
    count_working(parts.iter().map(|&p| vec![1.0 - p, p])).into_iter().skip(k).sum()
}

/// Distribution of the number of working parts from the distributions of independent groups.
fn count_working(groups: impl Iterator<Item = Vec<f64>>) -> Vec<f64> {
    groups.fold(vec![1.0], |sum, group| {
        let mut next = vec![0.0; sum.len() + group.len() - 1];
        for (i, a) in sum.iter().enumerate() {
            for (j, b) in group.iter().enumerate() {
                next[i + j] += a * b;
            }
        }
        next
    })
}

/// What is known about availabilities, each from 0 to 1.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AvailabilityModel {
    /// One replica of each component, given that its host works; absent = `replica_default`.
    pub replica: BTreeMap<ComponentId, f64>,
    /// One replica of every other component. Default 0.999.
    pub replica_default: f64,
    /// How many replicas of a component suffice; absent = one.
    pub quorum: BTreeMap<ComponentId, u32>,
    /// One host. Default 0.9995.
    pub host: f64,
    /// One rack: its switch and power strip. Default 0.9999.
    pub rack: f64,
    /// One zone. Default 0.99995.
    pub zone: f64,
}

impl Default for AvailabilityModel {
    /// Round numbers of the order that cloud providers promise.
    fn default() -> Self {
        Self {
            replica: BTreeMap::new(),
            replica_default: 0.999,
            quorum: BTreeMap::new(),
            host: 0.9995,
            rack: 0.9999,
            zone: 0.99995,
        }
    }
}

impl AvailabilityModel {
    fn replica_of(&self, id: &ComponentId) -> Result<f64, AvailabilityError> {
        probability(self.replica.get(id).copied().unwrap_or(self.replica_default), || format!("`{id}`"))
    }

    fn quorum_of(&self, id: &ComponentId) -> usize {
        self.quorum.get(id).map_or(1, |&k| k as usize)
    }
}

/// Availability of one component.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Availability {
    /// Which one.
    pub component: ComponentId,
    /// Its own replicas: at least the quorum works.
    pub own: f64,
    /// Together with all that it needs by hard call, data and volume edges, directly or not, each counted once.
    pub with_needs: f64,
}

/// Availability of every component, alone and with all that it needs, in the map's order. O(V (V + E)).
///
/// Replicas are independent, components are independent. Components without replicas (external ones, for example) count
/// as one replica.
pub fn availability(
    ecosystem: &Ecosystem,
    model: &AvailabilityModel,
) -> Result<Vec<Availability>, AvailabilityError> {
    let mut own = Vec::with_capacity(ecosystem.len());
    for component in ecosystem.components() {
        let p = model.replica_of(&component.id)?;
        own.push(at_least(model.quorum_of(&component.id), &vec![p; component.replicas.max(1) as usize]));
    }
    Ok(with_needs(ecosystem, &own))
}

/// The same for a placement: replicas fail together with their host, rack and zone, which fail independently.
///
/// `own` is exact. `with_needs` multiplies the parts as if two components never shared a host, which is on the low side:
/// what fails together is counted twice. Components that are not placed count as in [`availability`].
pub fn placement_availability(
    ecosystem: &Ecosystem,
    infrastructure: &Infrastructure,
    placement: &Placement,
    model: &AvailabilityModel,
) -> Result<Vec<Availability>, AvailabilityError> {
    for (what, value) in [("a host", model.host), ("a rack", model.rack), ("a zone", model.zone)] {
        probability(value, || what.to_owned())?;
    }
    let mut own = Vec::with_capacity(ecosystem.len());
    for component in ecosystem.components() {
        let p = model.replica_of(&component.id)?;
        let mut tree: BTreeMap<usize, BTreeMap<usize, BTreeMap<usize, usize>>> = BTreeMap::new();
        for (_, host) in placement.of_component(&component.id) {
            if let Some(host) = infrastructure.host_index(host) {
                let (zone, rack) =
                    (infrastructure.host_zone_index(host), infrastructure.host_rack_index(host));
                *tree.entry(zone).or_default().entry(rack).or_default().entry(host).or_default() += 1;
            }
        }
        if tree.is_empty() {
            own.push(at_least(model.quorum_of(&component.id), &vec![p; component.replicas.max(1) as usize]));
            continue;
        }
        // numbers of working replicas, from the leaves up: a domain that fails takes all of its replicas along
        let zones = tree.values().map(|racks| {
            let racks = racks.values().map(|hosts| {
                let hosts = hosts
                    .values()
                    .map(|&n| under(model.host, count_working((0..n).map(|_| vec![1.0 - p, p]))));
                under(model.rack, count_working(hosts))
            });
            under(model.zone, count_working(racks))
        });
        own.push(count_working(zones).into_iter().skip(model.quorum_of(&component.id)).sum());
    }
    Ok(with_needs(ecosystem, &own))
}

/// A distribution of working parts that only holds while something above them works.
fn under(works: f64, mut counts: Vec<f64>) -> Vec<f64> {
    for p in &mut counts {
        *p *= works;
    }
    counts[0] += 1.0 - works;
    counts
}

fn with_needs(ecosystem: &Ecosystem, own: &[f64]) -> Vec<Availability> {
    let graph = EdgeSelection::passing(Impact::Fails).graph(ecosystem);
    let mut stamp = vec![usize::MAX; own.len()];
    ecosystem
        .components()
        .enumerate()
        .map(|(ix, component)| {
            let mut all = 1.0;
            let mut stack = vec![ix];
            stamp[ix] = ix;
            while let Some(node) = stack.pop() {
                all *= own[node];
                for &next in graph.successors(node) {
                    if core::mem::replace(&mut stamp[next as usize], ix) != ix {
                        stack.push(next as usize);
                    }
                }
            }
            Availability { component: component.id.clone(), own: own[ix], with_needs: all }
        })
        .collect()
}
