//! Why nothing fits: a small set of rules and components that stand against each other (deletion filter, Chinneck and
//! Dravnieks 1991).

use crate::builder::DenseBuilder;
use crate::dense::{Dense, DenseHost, DenseItem, DenseRule, Dimension, Lowered, NONE};
use crate::exact::solve_exact;
use crate::problem::Problem;
use crate::search::quick_feasible;
use crate::settings::Settings;
use ecosystem_core::Weight;
use std::collections::BTreeSet;

/// A set of requirements that cannot all hold.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Conflict {
    /// Names of the hard rules that take part.
    pub rules: Vec<String>,
    /// Dimensions whose capacity takes part.
    pub capacities: Vec<String>,
    /// Components (items of raw problems) that take part, if they could be narrowed down.
    pub components: Vec<String>,
    /// True if it is proven that no placement keeps all of these; else none was found within the budget.
    pub proven: bool,
    /// All of it as a sentence.
    pub message: String,
}

/// Something that can be left out to see whether the rest fits.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Rule(String),
    Capacity(usize),
}

/// More components are not narrowed down.
const COMPONENTS_MAX: usize = 40;
/// Moves that each test of a reduced problem may evaluate.
const TEST_WORK: u64 = 30_000;

pub(crate) fn find_conflict(problem: &Problem, settings: &Settings, proven: bool) -> Conflict {
    let p = &problem.dense;
    let names: BTreeSet<String> =
        p.rules.iter().filter(|l| l.weight == Weight::Hard).map(|l| l.name.to_string()).collect();
    let mut parts: Vec<Part> = names.into_iter().map(Part::Rule).collect();
    parts.extend((0..p.dims).map(Part::Capacity));
    let mut kept = parts.clone();
    let mut all_proven = proven;
    let mut still_infeasible = |kept: &[Part], out: &BTreeSet<String>, problem: &Problem| {
        let reduced = reduce(problem, kept, out);
        let verdict = is_infeasible(&reduced, settings.seed);
        if let Some(certain) = verdict {
            all_proven = certain;
        }
        verdict.is_some()
    };
    for part in parts {
        let rest: Vec<Part> = kept.iter().filter(|k| **k != part).cloned().collect();
        if still_infeasible(&rest, &BTreeSet::new(), problem) {
            kept = rest;
        }
    }
    let components: BTreeSet<String> =
        (0..p.items as u32).map(|item| component_name(problem, item)).collect();
    let mut out = BTreeSet::new();
    // custom rules know items by number, so that none can be left out beside them
    let custom = |l: &Lowered| {
        matches!(l.rule, DenseRule::Custom(_)) && kept.contains(&Part::Rule(l.name.to_string()))
    };
    let narrows = components.len() <= COMPONENTS_MAX && !p.rules.iter().any(custom);
    if narrows {
        for component in &components {
            out.insert(component.clone());
            if !still_infeasible(&kept, &out, problem) {
                out.remove(component);
            }
        }
    }
    let components: Vec<String> =
        if narrows { components.into_iter().filter(|c| !out.contains(c)).collect() } else { Vec::new() };
    conflict(p, kept, components, all_proven)
}

fn conflict(p: &Dense, kept: Vec<Part>, components: Vec<String>, proven: bool) -> Conflict {
    let (mut rules, mut capacities) = (Vec::new(), Vec::new());
    for part in kept {
        match part {
            Part::Rule(name) => rules.push(name),
            Part::Capacity(r) => capacities.push(p.dimension[r].name.clone()),
        }
    }
    let mut sides = Vec::new();
    if !rules.is_empty() {
        sides.push(format!("rules {}", quoted(&rules)));
    }
    if !capacities.is_empty() {
        sides.push(format!("the capacity of {}", quoted(&capacities)));
    }
    let what = if sides.is_empty() { "the requirements".to_owned() } else { sides.join(" and ") };
    let whom = if components.is_empty() { String::new() } else { format!(" for {}", quoted(&components)) };
    let message = if proven {
        format!("{what} cannot all hold{whom}; relax one of them or add hosts")
    } else {
        format!(
            "no placement was found that keeps {what}{whom}; relax one of them, add hosts or search longer"
        )
    };
    Conflict { rules, capacities, components, proven, message }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn component_name(problem: &Problem, item: u32) -> String {
    let name = problem.names.as_ref().map(|n| n.replicas[item as usize].component().to_string());
    name.unwrap_or_else(|| problem.item_name(item))
}

/// The problem with only some rules and capacities, without some components and without any cost. Items that nothing
/// left binds are dropped.
fn reduce(problem: &Problem, kept: &[Part], out: &BTreeSet<String>) -> Dense {
    let p = &problem.dense;
    let rules: Vec<&Lowered> = p
        .rules
        .iter()
        .filter(|l| l.weight == Weight::Hard)
        .filter(|l| kept.iter().any(|part| matches!(part, Part::Rule(name) if **name == *l.name)))
        .collect();
    let capacity_kept: Vec<bool> = (0..p.dims).map(|r| kept.contains(&Part::Capacity(r))).collect();
    let bound = bound_items(p, &rules, &capacity_kept);
    let mut new_index = vec![NONE; p.items];
    let mut old_index = Vec::new();
    for item in (0..p.items as u32).filter(|&i| bound[i as usize]) {
        if !out.contains(&component_name(problem, item)) {
            new_index[item as usize] = old_index.len() as u32;
            old_index.push(item);
        }
    }
    let mut raw = DenseBuilder::new(p.dimension.iter().zip(&capacity_kept).map(|(dimension, &kept)| {
        Dimension { name: dimension.name.clone(), overload_cost: 0, transient: dimension.transient && kept }
    }));
    for host in 0..p.hosts {
        let capacity = p.capacity[host * p.dims..(host + 1) * p.dims].to_vec();
        raw.host(DenseHost { capacity, open_cost: p.open_cost[host], ..DenseHost::default() });
    }
    for &item in &old_index {
        let demand = p.demand_of(item).iter().zip(&capacity_kept).map(|(&d, &kept)| if kept { d } else { 0 });
        let home = p.home[item as usize];
        raw.item(DenseItem {
            demand: demand.collect(),
            home: (home != NONE).then_some(home),
            ..DenseItem::default()
        });
    }
    let mut dense = raw.into_dense().unwrap_or_default();
    let map = |items: &[u32]| items.iter().map(|&i| new_index[i as usize]).filter(|&i| i != NONE).collect();
    dense.latency = p.latency.clone();
    dense.partitions.clone_from(&p.partitions);
    dense.groups = p.groups.iter().map(|group| map(group)).collect();
    dense.rules = rules.into_iter().cloned().collect();
    for lowered in &mut dense.rules {
        reindex(&mut lowered.rule, &new_index);
    }
    dense.tables = crate::compile::compile(&dense);
    dense
}

/// Items that a rule or a capacity binds.
fn bound_items(p: &Dense, rules: &[&Lowered], capacity_kept: &[bool]) -> Vec<bool> {
    let demands = |item: u32| p.demand_of(item).iter().zip(capacity_kept).any(|(&d, &kept)| kept && d > 0);
    let mut bound: Vec<bool> = (0..p.items as u32).map(demands).collect();
    for lowered in rules {
        let groups = match &lowered.rule {
            DenseRule::Limit { group, .. }
            | DenseRule::Together { group, .. }
            | DenseRule::Spread { group, .. }
            | DenseRule::Fence { group, .. }
            | DenseRule::Root { group } => vec![*group],
            DenseRule::Need { group, provider, .. } => vec![*group, *provider],
            DenseRule::Disjoint { groups, .. } => groups.clone(),
            DenseRule::Quota { amounts, .. } => {
                for amount in amounts {
                    bound[amount.0 as usize] = true;
                }
                Vec::new()
            }
            DenseRule::Near { pairs, .. } => {
                for &(a, b) in pairs {
                    (bound[a as usize], bound[b as usize]) = (true, true);
                }
                Vec::new()
            }
            // these look at every item, or at items by number
            DenseRule::Lonely { .. }
            | DenseRule::MaxOnline { .. }
            | DenseRule::MaxHostSum { .. }
            | DenseRule::MaxMoves { .. }
            | DenseRule::Custom(_) => return vec![true; p.items],
        };
        for group in groups {
            for &item in &p.groups[group.0 as usize] {
                bound[item as usize] = true;
            }
        }
    }
    bound
}

/// Items of a rule by their new numbers. Custom rules keep all items, so theirs stay unless components are left out.
fn reindex(rule: &mut DenseRule, new_index: &[u32]) {
    match rule {
        DenseRule::Quota { amounts, .. } => {
            for amount in amounts.iter_mut() {
                amount.0 = new_index[amount.0 as usize];
            }
            amounts.retain(|a| a.0 != NONE);
        }
        DenseRule::Near { pairs, .. } => {
            for (a, b) in pairs.iter_mut() {
                (*a, *b) = (new_index[*a as usize], new_index[*b as usize]);
            }
            pairs.retain(|&(a, b)| a != NONE && b != NONE);
        }
        _ => {}
    }
}

/// `Some(true)` = proven, `Some(false)` = nothing found, `None` = feasible.
fn is_infeasible(p: &Dense, seed: u64) -> Option<bool> {
    // anything feasible found by the local search settles it at once
    if quick_feasible(p, seed, TEST_WORK) {
        return None;
    }
    if overfull(p) {
        return Some(true);
    }
    match solve_exact(p, TEST_WORK) {
        Some(exact) => exact.assignment.is_none().then_some(true),
        None => Some(false),
    }
}

/// More is demanded than all hosts have, or an item fits nowhere.
fn overfull(p: &Dense) -> bool {
    let total = |of: &[i64], r: usize| of.iter().skip(r).step_by(p.dims.max(1)).sum::<i64>();
    (0..p.dims).any(|r| total(&p.demand, r) > total(&p.capacity, r))
        || (0..p.items as u32).any(|item| {
            (0..p.hosts as u32).all(|host| {
                let at = host as usize * p.dims;
                !p.tables.allows(p, item, host)
                    || p.demand_of(item).iter().zip(&p.capacity[at..at + p.dims]).any(|(d, c)| d > c)
            })
        })
}
