//! Why a replica is where it is: what its place costs, what other places would cost or what blocks them, and what a
//! relaxed rule would save.

use crate::dense::{Dense, NONE};
use crate::evaluate::{Evaluation, evaluate};
use crate::problem::Problem;
use crate::state::State;
use ecosystem_core::{Placement, ReplicaId};
use std::collections::BTreeMap;

/// Alternatives listed for each replica.
const ALTERNATIVES_MAX: usize = 8;

/// What else could have been done with a replica.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Alternative {
    /// The other host.
    pub host: String,
    /// What the placement would cost more there (less, if negative), everything else unchanged.
    pub extra_cost: i64,
    /// Hard rules and capacities that stand against it; empty = only cost does.
    pub blocked_by: Vec<String>,
}

/// Why one replica is where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ReplicaExplanation {
    /// The replica.
    pub replica: String,
    /// Where it is.
    pub host: String,
    /// What its being there adds to each term of the cost; zero terms left out. They add up to
    /// [`marginal_cost`](Self::marginal_cost).
    pub terms: Vec<(String, i64)>,
    /// Cost of the placement with the replica minus without it.
    pub marginal_cost: i64,
    /// Its partners with what the distance to them costs, heaviest first, at most eight.
    pub partners: Vec<(String, i64)>,
    /// Other hosts: first those that are open to it, cheapest first, then those that are blocked.
    pub alternatives: Vec<Alternative>,
    /// What would be saved at once if one hard rule (or capacity) did not hold: rule, saving, host.
    pub relaxations: Vec<(String, i64, String)>,
}

impl std::fmt::Display for ReplicaExplanation {
    /// A few sentences for people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is on {}", self.replica, self.host)?;
        let terms: Vec<String> = self.terms.iter().map(|(name, cost)| format!("{name} {cost}")).collect();
        if terms.is_empty() {
            write!(f, ", where it costs nothing more")?;
        } else {
            write!(f, ", which costs {} ({})", self.marginal_cost, terms.join(", "))?;
        }
        if let Some((partner, _)) = self.partners.first() {
            write!(f, "; it talks most with {partner}")?;
        }
        for alternative in self.alternatives.iter().take(3) {
            if alternative.blocked_by.is_empty() {
                write!(f, "; on {} it would cost {:+}", alternative.host, alternative.extra_cost)?;
            } else {
                write!(f, "; {} is blocked by {}", alternative.host, alternative.blocked_by.join(" and "))?;
            }
        }
        for (rule, saving, host) in self.relaxations.iter().take(1) {
            write!(f, "; without {rule} it could go to {host} and save {saving}")?;
        }
        Ok(())
    }
}

/// Explains one replica of a complete placement; `None` if the replica or its host is not known, or another replica is
/// not placed. O(hosts · (replicas + rules)).
pub fn explain(problem: &Problem, placement: &Placement, replica: &ReplicaId) -> Option<ReplicaExplanation> {
    let assignment: Vec<u32> = problem.assignment_of(placement).into_iter().collect::<Option<_>>()?;
    let item = problem.replicas().iter().position(|r| r == replica)?;
    Some(explain_item(problem, &assignment, item as u32))
}

pub(crate) fn explain_item(problem: &Problem, assignment: &[u32], item: u32) -> ReplicaExplanation {
    let p = &problem.dense;
    let with = evaluate(p, assignment);
    let mut changed = assignment.to_vec();
    changed[item as usize] = NONE;
    let without = evaluate(p, &changed);
    let terms: Vec<(String, i64)> = with
        .terms
        .iter()
        .zip(without.terms.iter())
        .map(|((name, a), (_, b))| (name.to_owned(), a - b))
        .filter(|&(_, cost)| cost != 0)
        .collect();
    let here = assignment[item as usize];
    let (mut open, mut blocked) = (Vec::new(), Vec::new());
    let mut relaxations: BTreeMap<String, (i64, u32)> = BTreeMap::new();
    let state = State::of(p, assignment);
    for host in (0..p.hosts as u32).filter(|&h| h != here) {
        let delta = state.delta(item, host);
        if delta.hard <= 0 {
            open.push((delta.cost, host));
            continue;
        }
        if blocked.len() >= ALTERNATIVES_MAX && delta.cost >= 0 {
            continue;
        }
        changed[item as usize] = host;
        let blocks = blocks(problem, &with, &evaluate(p, &changed));
        if let [only] = blocks.as_slice()
            && delta.cost < 0
        {
            let known = relaxations.entry(only.clone()).or_insert((-delta.cost, host));
            if -delta.cost > known.0 {
                *known = (-delta.cost, host);
            }
        }
        blocked.push((delta.cost, host, blocks));
    }
    open.sort_unstable();
    blocked.sort_by_key(|&(cost, host, _)| (cost, host));
    let mut relaxations: Vec<(String, i64, String)> = relaxations
        .into_iter()
        .map(|(rule, (saving, host))| (rule, saving, problem.host_name(host)))
        .collect();
    relaxations.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let alternative = |host: u32, extra_cost: i64, blocked_by: Vec<String>| Alternative {
        host: problem.host_name(host),
        extra_cost,
        blocked_by,
    };
    let mut alternatives: Vec<Alternative> = open
        .into_iter()
        .take(ALTERNATIVES_MAX)
        .map(|(cost, host)| alternative(host, cost, Vec::new()))
        .collect();
    alternatives.extend(
        blocked
            .into_iter()
            .take(ALTERNATIVES_MAX)
            .map(|(cost, host, blocks)| alternative(host, cost, blocks)),
    );
    ReplicaExplanation {
        replica: problem.item_name(item),
        host: problem.host_name(here),
        marginal_cost: terms.iter().map(|t| t.1).sum(),
        terms,
        partners: partners(problem, p, assignment, item),
        alternatives,
        relaxations,
    }
}

fn partners(problem: &Problem, p: &Dense, assignment: &[u32], item: u32) -> Vec<(String, i64)> {
    let here = assignment[item as usize];
    let mut partners: Vec<(i64, i64, u32)> = p
        .edges(item)
        .map(|(other, weight)| (weight, weight * p.distance.between(here, assignment[other as usize]), other))
        .collect();
    partners.sort_by(|a, b| b.0.cmp(&a.0).then(a.2.cmp(&b.2)));
    partners.into_iter().take(8).map(|(_, cost, other)| (problem.item_name(other), cost)).collect()
}

/// Hard rules and capacities that are more violated after than before.
fn blocks(problem: &Problem, before: &Evaluation, after: &Evaluation) -> Vec<String> {
    let p = &problem.dense;
    let mut blocks: Vec<String> = Vec::new();
    for &(host, r, sum, capacity) in &after.overloads {
        if !before.overloads.iter().any(|o| (o.0, o.1) == (host, r) && o.2 >= sum) {
            blocks.push(format!(
                "{} of {} ({sum} of {capacity})",
                p.dimension[r].name,
                problem.host_name(host)
            ));
        }
    }
    for (ix, lowered) in p.rules.iter().enumerate() {
        let grows = after.degrees[ix] > before.degrees[ix];
        if lowered.weight == ecosystem_core::Weight::Hard
            && grows
            && !blocks.contains(&lowered.name.to_string())
        {
            blocks.push(lowered.name.to_string());
        }
    }
    blocks
}
