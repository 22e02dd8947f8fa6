//! What if: fork a problem, change the fork, solve it, compare. The original is never touched.

use crate::evaluate::CostTerms;
use crate::problem::{Problem, ProblemBuilder};
use crate::solution::Solution;
use ecosystem_core::{HostId, Move};
use std::collections::BTreeSet;

impl Problem {
    /// A builder that has everything this problem was built from, to be changed and built: hosts that fail, more
    /// replicas, another rule, other prices. `None` for raw problems. O(replicas + rules).
    ///
    /// # Example
    /// ```
    /// use ecosystem_core::{
    ///     Bytes, Component, Ecosystem, Host, HostSet, Infrastructure, Kind, Millicores, Rack, Region, Resources, Zone,
    /// };
    /// use ecosystem_placement::{Comparison, Problem, Settings, solve};
    ///
    /// let mut web = Component::new("web".parse()?, Kind::Gateway);
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
    /// let today = Problem::builder(&shop, &infra).build()?;
    /// let now = solve(&today, &Settings::default());
    /// let used = now.placement.iter().next().map(|(_, host)| host.clone()).into_iter();
    /// let failed = today.fork().ok_or("has names")?.without_hosts(HostSet::of_hosts(used)).build()?;
    /// let then = solve(&failed, &Settings::default());
    /// let difference = Comparison::of(&now, &then);
    /// assert_eq!(difference.moves.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fork(&self) -> Option<ProblemBuilder<'_>> {
        let names = self.names.as_ref()?;
        Some(ProblemBuilder {
            ecosystem: names.ecosystem.clone(),
            infrastructure: &names.infrastructure,
            rules: names.rules.clone(),
            current: names.current.clone(),
            weights: names.weights,
            requests: names.requests.clone(),
            replicas: names.replica_counts.clone(),
            excluded: names.excluded.clone(),
            numbers: names.numbers.clone(),
            fixed: names.fixed.clone(),
            avoid: names.avoid.clone(),
            reserved: names.reserved.clone(),
            link_weight: names.link_weight,
            sensitivity: names.sensitivity.clone(),
        })
    }
}

/// Two solutions side by side.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Comparison {
    /// Cost of the first by term.
    pub before: CostTerms,
    /// Cost of the second by term, each by the weights of its own problem.
    pub after: CostTerms,
    /// What has to change to get from the first to the second, in order of replica.
    pub moves: Vec<Move>,
    /// Hosts that the first uses and the second does not.
    pub emptied: Vec<HostId>,
    /// Hosts that the second uses and the first does not.
    pub opened: Vec<HostId>,
    /// Whether the hard rules hold, before and after.
    pub feasible: (bool, bool),
}

impl Comparison {
    /// Compares two solutions with names. O(replicas · log).
    pub fn of(before: &Solution, after: &Solution) -> Self {
        let used = |solution: &Solution| -> BTreeSet<HostId> {
            solution.placement.iter().map(|(_, host)| host.clone()).collect()
        };
        let (first, second) = (used(before), used(after));
        Self {
            before: before.cost,
            after: after.cost,
            moves: before.placement.moves_to(&after.placement),
            emptied: first.difference(&second).cloned().collect(),
            opened: second.difference(&first).cloned().collect(),
            feasible: (before.is_feasible(), after.is_feasible()),
        }
    }

    /// How much more the second costs; negative = it saves.
    pub const fn rise(&self) -> i64 {
        self.after.total() - self.before.total()
    }
}
