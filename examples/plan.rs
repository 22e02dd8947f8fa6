//! `cargo run --release --example plan -- INSTANCE FROM TO [--svg FILE]`: from one assignment to another, step by step.
//!
//! INSTANCE is a placement instance (JSON, plain or .gz) with, optionally, `mem_mib` and `dirty_mib_s` per component
//! and `link_mbit_s` per host; FROM and TO are `{"assignment":[host or null, …]}`, or an instance whose `initial` is
//! taken. Prints and checks the plan; the last line is JSON. Exit 1 with the circle where no order exists, 2 on bad
//! input.

use serde_json::{Value, json};
use std::io::Read as _;
use std::process::ExitCode;
use vm_ecosystem::reconfig::plan::{
    PlanError, PlanHost, PlanItem, PlanProblem, PlanRule, PlanSettings, Spot, StepKind, check_plan,
    gantt_svg, plan,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (paths, svg) = match arguments.as_slice() {
        [instance, from, to] => ([instance, from, to], None),
        [instance, from, to, flag, file] if flag == "--svg" => ([instance, from, to], Some(file.clone())),
        _ => return fail("usage: plan INSTANCE FROM TO [--svg FILE]"),
    };
    match read_all(&paths) {
        Err(message) => fail(&message),
        Ok(problem) => solve(&problem, svg),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("plan: {message}");
    ExitCode::from(2)
}

fn solve(problem: &PlanProblem, svg: Option<String>) -> ExitCode {
    let settings = PlanSettings::default();
    let found = match plan(problem, &settings) {
        Ok(found) => found,
        Err(PlanError::Blocked { cycle }) => {
            println!(
                "no order exists: these wait for each other and there is no pivot: {}",
                cycle.join(" -> ")
            );
            println!("{}", json!({"steps": 0, "cycle": cycle, "violations": []}));
            return ExitCode::from(1);
        }
        Err(error) => return fail(&error.to_string()),
    };
    let host = |h: usize| problem.hosts[h].name.as_str();
    for step in found.steps.iter().take(10_000) {
        let what = match step.kind {
            StepKind::Start(h) => format!("start on {}", host(h)),
            StepKind::Stop(h) => format!("stop on {}", host(h)),
            StepKind::Migrate(a, b) => format!("{} -> {}", host(a), host(b)),
            StepKind::Suspend(h) => format!("suspend on {}", host(h)),
            StepKind::Resume(h) => format!("resume on {}", host(h)),
            StepKind::BootHost(h) => format!("switch {} on", host(h)),
            StepKind::ShutdownHost(h) => format!("switch {} off", host(h)),
        };
        let name = problem.items.get(step.item).map_or("", |item| item.name.as_str());
        println!(
            "{:>10.3} s {:>10.3} s  {name} {what}",
            step.start_ms as f64 / 1e3,
            step.end_ms as f64 / 1e3
        );
    }
    println!("critical path: {} steps", found.critical_path.len());
    let violations = check_plan(problem, &settings, &found);
    for violation in &violations {
        println!("violation: {violation}");
    }
    if let Some(file) = svg
        && let Err(error) = std::fs::write(&file, gantt_svg(problem, &found))
    {
        return fail(&format!("cannot write {file}: {error}"));
    }
    let figures = json!({
        "steps": found.steps.len(),
        "makespan_s": found.makespan_ms as f64 / 1e3,
        "lower_bound_s": found.lower_bound_ms as f64 / 1e3,
        "pivots": found.pivots.len(),
        "violations": violations,
    });
    println!("{figures}");
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

fn read_all(paths: &[&String; 3]) -> Result<PlanProblem, String> {
    let instance = read(paths[0])?;
    let (from, to) = (assignment(&read(paths[1])?, paths[1])?, assignment(&read(paths[2])?, paths[2])?);
    let list = |key: &str| {
        instance[key].as_array().ok_or_else(|| format!("{}: `{key}` is missing, expected a list", paths[0]))
    };
    let number = |value: &Value, key: &str, place: &str| {
        value[key]
            .as_u64()
            .ok_or_else(|| format!("{}: {place}.{key} is {}, expected a whole number", paths[0], value[key]))
    };
    let mut problem = PlanProblem::new();
    for (h, host) in list("hosts")?.iter().enumerate() {
        let place = format!("hosts[{h}]");
        let capacity = vec![
            number(host, "cpu", &place)?,
            number(host, "mem", &place)?,
            host["net"].as_u64().unwrap_or(0),
        ];
        let mbit = host["link_mbit_s"].as_u64().or_else(|| host["net"].as_u64()).unwrap_or(1_000);
        problem.hosts.push(PlanHost::new(format!("h{h}"), capacity, mbit.max(1) * 125_000));
    }
    for (c, component) in list("components")?.iter().enumerate() {
        let place = format!("components[{c}]");
        let mem = number(component, "mem", &place)?;
        let demand = vec![number(component, "cpu", &place)?, mem, component["net"].as_u64().unwrap_or(0)];
        let at = |spots: &[Option<u64>], file: &String| match spots.get(c) {
            Some(Some(h)) => {
                usize::try_from(*h).map(Spot::On).map_err(|_| format!("{file}: assignment[{c}] is {h}"))
            }
            Some(None) => Ok(Spot::Nowhere),
            None => {
                Err(format!("{file}: assignment has {} entries, expected one per component", spots.len()))
            }
        };
        let memory = component["mem_mib"].as_u64().unwrap_or(mem).saturating_mul(1 << 20);
        let mut item =
            PlanItem::new(format!("c{c}"), demand, memory, at(&from, paths[1])?, at(&to, paths[2])?);
        item.dirty_bytes_per_s = component["dirty_mib_s"].as_u64().unwrap_or(0).saturating_mul(1 << 20);
        problem.items.push(item);
    }
    // Components that must be on different hosts stay so during the plan, where both ends have them so.
    let group: Vec<u32> = (0..).take(problem.hosts.len()).collect();
    for members in instance["anti_affinity"].as_array().into_iter().flatten() {
        let members: Vec<usize> = members
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .filter_map(|m| usize::try_from(m).ok())
            .collect();
        let distinct = |spots: &[Option<u64>]| {
            let mut hosts: Vec<u64> =
                members.iter().filter_map(|&m| spots.get(m).copied().flatten()).collect();
            let count = hosts.len();
            hosts.sort_unstable();
            hosts.dedup();
            hosts.len() == count
        };
        if distinct(&from) && distinct(&to) {
            problem.rules.push(PlanRule::Apart { members, group: group.clone() });
        }
    }
    Ok(problem)
}

fn assignment(value: &Value, path: &str) -> Result<Vec<Option<u64>>, String> {
    let list = value["assignment"].as_array().or_else(|| value["initial"].as_array());
    let list =
        list.ok_or_else(|| format!("{path}: `assignment` is missing, expected a list of host numbers"))?;
    list.iter()
        .enumerate()
        .map(|(c, host)| match host {
            Value::Null => Ok(None),
            other => other
                .as_u64()
                .map(Some)
                .ok_or_else(|| format!("{path}: assignment[{c}] is {other}, expected a host number or null")),
        })
        .collect()
}

fn read(path: &str) -> Result<Value, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    let mut text = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_end(&mut text)
            .map_err(|error| format!("cannot unpack {path}: {error}"))?;
    } else {
        text = bytes;
    }
    serde_json::from_slice(&text).map_err(|error| format!("{path}: {error}"))
}
