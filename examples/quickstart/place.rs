//! Step 3: where it should be.

use crate::input::Input;
use crate::text;
use std::fmt::Write as _;
use vm_ecosystem::model::{Ecosystem, ReplicaId};
use vm_ecosystem::placement::{
    COST_PER_MICRO, Problem, ReplicaExplanation, Settings, Solution, Status, check, soft_violations, solve,
};

pub(crate) fn place(input: &Input, sized: &Ecosystem, seed: u64) -> Result<Solution, String> {
    let problem = Problem::builder(sized, &input.infrastructure).build().map_err(|e| e.to_string())?;
    let solution = solve(&problem, &Settings::default().with_seed(seed));
    text::heading(3, "Where it should be: the whole stack at once");
    if let Status::Infeasible { conflict } = &solution.status {
        return Err(format!("no placement exists: {}", conflict.message));
    }
    check(&problem, &solution.placement).map_err(|e| e.to_string())?;
    show_hosts(input, sized, &solution);
    show_cost(input, &solution);
    for violation in soft_violations(&problem, &solution.placement) {
        println!("  soft rule {} gives way: {}", violation.rule, violation.message);
    }
    if let Some(why) = most_constrained(&solution) {
        explain(why, input);
    }
    Ok(solution)
}

fn show_hosts(input: &Input, sized: &Ecosystem, solution: &Solution) {
    let infra = &input.infrastructure;
    let usage = solution.placement.usage(sized);
    let mut rows = Vec::new();
    for (ix, host) in infra.hosts().iter().enumerate() {
        let Some(used) = usage.get(&host.id) else { continue };
        let here: Vec<&ReplicaId> =
            solution.placement.iter().filter(|(_, on)| **on == host.id).map(|(replica, _)| replica).collect();
        let room = host.allocatable();
        let percent = |part: u64, all: u64| format!("{} %", part * 100 / all.max(1));
        rows.push(vec![
            infra.host_zone(ix).to_string(),
            host.rack.to_string(),
            host.id.to_string(),
            percent(used.cpu.get(), room.cpu.get()),
            percent(used.memory.get(), room.memory.get()),
            here.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        ]);
    }
    rows.sort();
    let used = rows.len();
    text::table(&["zone", "rack", "host", ">cpu", ">memory", "replicas"], &rows);
    println!("\n  {} replicas on {used} of {} hosts", solution.placement.len(), infra.hosts().len());
}

fn show_cost(input: &Input, solution: &Solution) {
    let currency = input.infrastructure.currency();
    let money = |units: i64| units as f64 / (COST_PER_MICRO as f64 * 1e6);
    let mut terms = String::new();
    for (name, units) in solution.cost.iter().filter(|&(_, units)| units != 0) {
        let _ = write!(terms, "{}{name} {:.4}", if terms.is_empty() { "" } else { " + " }, money(units));
    }
    println!(
        "  cost {:.4} {currency}/h = {terms}\n  no placement costs less than {:.4}: at most {:.1} % could be saved ({} moves looked at)",
        money(solution.cost.total()),
        money(solution.bound),
        solution.gap * 100.0,
        solution.work
    );
}

fn explain(why: &ReplicaExplanation, input: &Input) {
    let currency = input.infrastructure.currency();
    let money = |units: i64| units as f64 / (COST_PER_MICRO as f64 * 1e6);
    let partners: Vec<&str> = why.partners.iter().take(2).map(|(partner, _)| partner.as_str()).collect();
    println!("\n  why is {} on {}?", why.replica, why.host);
    if !partners.is_empty() {
        println!(
            "    it talks most with {}, and costs {:.4} {currency}/h here",
            partners.join(" and "),
            money(why.marginal_cost)
        );
    }
    let (free, blocked): (Vec<_>, Vec<_>) = why.alternatives.iter().partition(|a| a.blocked_by.is_empty());
    for other in free.iter().take(3) {
        println!("    on {} it would cost {:+.4} {currency}/h", other.host, money(other.extra_cost));
    }
    for other in blocked.iter().take(3) {
        println!("    {} is out: {}", other.host, other.blocked_by.join(", "));
    }
    if blocked.len() > 3 {
        println!("    and {} more hosts are out", blocked.len() - 3);
    }
    if let Some((rule, saving, host)) = why.relaxations.first() {
        println!("    without {rule} it would go to {host} and save {:.4} {currency}/h", money(*saving));
    }
}

/// The replica whose second-best host is furthest away in cost: the one with the clearest reason.
fn most_constrained(solution: &Solution) -> Option<&ReplicaExplanation> {
    solution.explanation.iter().max_by_key(|why| {
        let blocked = why.alternatives.iter().filter(|a| !a.blocked_by.is_empty()).count();
        (blocked, std::cmp::Reverse(why.replica.clone()))
    })
}
