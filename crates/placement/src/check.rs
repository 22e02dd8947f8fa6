//! An independent judge: rules by their plain [`Rule::check`](ecosystem_core::Rule::check), capacities by sums over
//! names. Shares no code with the search.

use crate::evaluate::CostTerms;
use crate::problem::{Names, Problem};
use ecosystem_core::{HostState, Placement, Resources, Violation, Weight};
use std::collections::BTreeMap;

/// A placement that breaks hard rules.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("placement breaks {} hard requirements: {}", .messages.len(), .messages.join("; "))]
#[non_exhaustive]
pub struct CheckError {
    /// What is wrong, a sentence each.
    pub messages: Vec<String>,
}

/// Judges a placement of a problem with names: every replica is placed on a known host that may be used, no host is
/// overloaded, every hard rule holds. For raw problems see [`check_assignment`].
pub fn check(problem: &Problem, placement: &Placement) -> Result<(), CheckError> {
    let mut messages = Vec::new();
    if let Some(names) = &problem.names {
        missing(names, placement, &mut messages);
        states(names, placement, &mut messages);
        overloads(names, placement, &mut messages);
        for rule in names.rules.iter().filter(|rule| rule.weight == Weight::Hard) {
            let found = rule.check(&names.ecosystem, &names.infrastructure, placement);
            messages.extend(found.into_iter().map(|v| format!("{}: {}", v.rule, v.message)));
        }
    }
    if messages.is_empty() { Ok(()) } else { Err(CheckError { messages }) }
}

/// Violations of the soft rules, which cost instead of binding.
pub fn soft_violations(problem: &Problem, placement: &Placement) -> Vec<Violation> {
    let Some(names) = &problem.names else { return Vec::new() };
    names
        .rules
        .iter()
        .filter(|rule| rule.weight != Weight::Hard)
        .flat_map(|rule| rule.check(&names.ecosystem, &names.infrastructure, placement))
        .collect()
}

/// Judges an assignment of any problem by full evaluation of its dense form: the total cost, or what is broken.
pub fn check_assignment(problem: &Problem, assignment: &[u32]) -> Result<i64, CheckError> {
    let p = &problem.dense;
    let wrong = assignment.len() != p.items || assignment.iter().any(|&h| h as usize >= p.hosts);
    if wrong {
        let message = format!("expected {} entries, each a host below {}", p.items, p.hosts);
        return Err(CheckError { messages: vec![message] });
    }
    let evaluation = crate::evaluate::evaluate(p, assignment);
    let mut messages: Vec<String> = evaluation
        .overloads
        .iter()
        .map(|&(host, r, sum, capacity)| {
            format!("{}: {} {sum}, expected at most {capacity}", problem.host_name(host), p.dimension[r].name)
        })
        .collect();
    for (lowered, degree) in p.rules.iter().zip(&evaluation.degrees) {
        if lowered.weight == Weight::Hard && *degree > 0 {
            messages.push(format!("{}: violated {degree} times", lowered.name));
        }
    }
    if messages.is_empty() { Ok(evaluation.terms.total()) } else { Err(CheckError { messages }) }
}

/// Cost of any complete placement by term, whether it keeps the rules or not; `None` if a replica is missing or on an
/// unknown host.
///
/// # Example
/// ```
/// use ecosystem_placement::{DenseBuilder, DenseHost, DenseItem, cost_of_assignment};
///
/// let mut raw = DenseBuilder::default();
/// for open_cost in [7, 2] {
///     raw.host(DenseHost { open_cost, ..DenseHost::default() });
/// }
/// raw.item(DenseItem::default());
/// let problem = raw.build()?;
/// assert_eq!(cost_of_assignment(&problem, &[0]).map(|cost| cost.price), Some(7));
/// assert_eq!(cost_of_assignment(&problem, &[2]), None);
/// # Ok::<(), ecosystem_placement::ProblemError>(())
/// ```
pub fn cost_of_assignment(problem: &Problem, assignment: &[u32]) -> Option<CostTerms> {
    let p = &problem.dense;
    let complete = assignment.len() == p.items && assignment.iter().all(|&host| (host as usize) < p.hosts);
    complete.then(|| crate::evaluate::evaluate(p, assignment).terms)
}

/// Like [`cost_of_assignment`] for placements by name.
pub fn cost_of(problem: &Problem, placement: &Placement) -> Option<CostTerms> {
    let assignment: Vec<u32> = problem.assignment_of(placement).into_iter().collect::<Option<_>>()?;
    cost_of_assignment(problem, &assignment)
}

fn missing(names: &Names, placement: &Placement, messages: &mut Vec<String>) {
    for replica in &names.replicas {
        match placement.host_of(replica) {
            None => messages.push(format!("{replica} is not placed")),
            Some(host) if names.infrastructure.host(host).is_none() => {
                messages.push(format!("{replica} is on {host}, which is not part of the infrastructure"));
            }
            Some(_) => {}
        }
    }
}

fn states(names: &Names, placement: &Placement, messages: &mut Vec<String>) {
    for replica in &names.replicas {
        let Some(host) = placement.host_of(replica).and_then(|id| names.infrastructure.host(id)) else {
            continue;
        };
        let Some(component) = names.ecosystem.component(replica.component()) else { continue };
        let stays = names.current.host_of(replica) == Some(&host.id);
        let fixed = names.fixed.contains(replica) && names.current.host_of(replica).is_some();
        if fixed {
            if !stays {
                messages.push(format!("{replica} is on {}, but was to stay where it is", host.id));
            }
            continue;
        }
        if names.avoid.get(replica).is_some_and(|hosts| hosts.contains(&host.id)) {
            messages.push(format!("{replica} is on {}, which it was to avoid", host.id));
        }
        if host.state == HostState::Maintenance || (host.state == HostState::Cordoned && !stays) {
            messages.push(format!("{replica} is on {}, which takes no replicas", host.id));
        }
        if host.taints.iter().any(|(key, value)| component.labels.get(key) != Some(value)) {
            messages.push(format!("{replica} is on {}, whose taints it does not tolerate", host.id));
        }
        let ix = names.infrastructure.host_index(&host.id).unwrap_or(0);
        let zone = names.infrastructure.host_zone(ix).as_str();
        let region = names.infrastructure.regions()[names.infrastructure.host_region_index(ix)].id.as_str();
        let residency = &component.residency;
        if !residency.is_empty() && !residency.contains(zone) && !residency.contains(region) {
            messages.push(format!("{replica} is on {} in {zone}, where its data may not be", host.id));
        }
        if names.excluded.contains(&names.infrastructure, ix) {
            messages.push(format!("{replica} is on {}, which is excluded", host.id));
        }
    }
}

fn overloads(names: &Names, placement: &Placement, messages: &mut Vec<String>) {
    let mut sums: BTreeMap<&str, Resources> = BTreeMap::new();
    for replica in &names.replicas {
        let component = names.ecosystem.component(replica.component());
        if let (Some(host), Some(component)) = (placement.host_of(replica), component) {
            let request = names.requests.get(&component.id).unwrap_or(&component.requirements.request);
            let sum = sums.entry(host.as_str()).or_default();
            *sum = sum.saturating_add(request);
        }
    }
    for host in names.infrastructure.hosts() {
        let room = match names.reserved.get(&host.id) {
            Some(reserved) => host.allocatable().saturating_sub(reserved),
            None => host.allocatable(),
        };
        if let Some((dimension, asked, room)) =
            sums.get(host.id.as_str()).and_then(|sum| sum.first_excess(&room))
        {
            messages.push(format!("{}: {dimension} {asked}, expected at most {room}", host.id));
        }
    }
}
