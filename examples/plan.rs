//! `cargo run --release --example plan -- INSTANCE FROM TO [--svg FILE]`: from one assignment to another, step by step.
//!
//! INSTANCE is a placement instance (JSON, plain or .gz) with, optionally, `mem_mib` and `dirty_mib_s` per component
//! and `link_mbit_s` per host; FROM and TO are `{"assignment":[host or null, …]}`, or an instance whose `initial` is
//! taken. Groups of `anti_affinity` and `spread` that hold at both ends hold on the way, `pinned` zones bind detours.
//! Prints and checks the plan; the last line is JSON. Exit 1 with the circle where no order exists, 2 on bad input.

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
            let figures = json!({
                "steps": 0, "makespan_s": null, "lower_bound_s": null, "pivots": 0, "violations": [], "cycle": cycle,
            });
            println!("{figures}");
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
    let path: Vec<String> = found
        .critical_path
        .iter()
        .map(|&at| {
            problem
                .items
                .get(found.steps[at].item)
                .map_or_else(|| "host".to_owned(), |item| item.name.clone())
        })
        .collect();
    println!(
        "makespan {:.3} s, no plan is shorter than {:.3} s; critical path: {}",
        found.makespan_ms as f64 / 1e3,
        found.lower_bound_ms as f64 / 1e3,
        path.join(" -> ")
    );
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

/// Input with its name, for messages.
struct Input<'a> {
    path: &'a str,
    value: Value,
}

impl Input<'_> {
    fn list(&self, key: &str) -> Result<&[Value], String> {
        match &self.value[key] {
            Value::Array(list) => Ok(list),
            other => Err(format!("{}: `{key}` is {other}, expected a list", self.path)),
        }
    }

    /// A list that may be missing.
    fn optional(&self, key: &str) -> Result<&[Value], String> {
        if self.value[key].is_null() { Ok(&[]) } else { self.list(key) }
    }

    fn whole(&self, of: &Value, key: &str, place: &str, default: Option<u64>) -> Result<u64, String> {
        match (&of[key], default) {
            (Value::Null, Some(value)) => Ok(value),
            (value, _) => value
                .as_u64()
                .ok_or_else(|| format!("{}: {place}.{key} is {value}, expected a whole number", self.path)),
        }
    }

    /// A rate or an amount, which may have a fraction; in units of which one is `unit`.
    fn amount(&self, of: &Value, key: &str, place: &str, unit: f64, default: u64) -> Result<u64, String> {
        match &of[key] {
            Value::Null => Ok(default),
            value => {
                let found = value.as_f64().map(|v| v * unit).filter(|v| (0.0..1e18).contains(v));
                let found = found.ok_or_else(|| {
                    format!(
                        "{}: {place}.{key} is {value}, expected a number from 0 to {:e}",
                        self.path,
                        1e18 / unit
                    )
                })?;
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked just here"
                )]
                Ok(found.round() as u64)
            }
        }
    }

    fn members(&self, value: &Value, key: &str, count: usize) -> Result<Vec<usize>, String> {
        let bad = || format!("{}: a group of `{key}` is {value}, expected numbers below {count}", self.path);
        let list = value.as_array().ok_or_else(bad)?;
        let member = |m: &Value| m.as_u64().and_then(|m| usize::try_from(m).ok()).filter(|&m| m < count);
        list.iter().map(|m| member(m).ok_or_else(bad)).collect()
    }

    /// Where everything is.
    fn spots(&self, components: usize, hosts: usize) -> Result<Vec<Spot>, String> {
        let key = if self.value["assignment"].is_null() { "initial" } else { "assignment" };
        if self.value[key].is_null() {
            return Err(format!("{}: `assignment` is missing, expected a list of host numbers", self.path));
        }
        let list = self.list(key)?;
        if list.len() != components {
            return Err(format!(
                "{}: {key} has {} entries, expected {components}, one per component",
                self.path,
                list.len()
            ));
        }
        let spot = |(c, host): (usize, &Value)| {
            let known = host.as_u64().and_then(|h| usize::try_from(h).ok()).filter(|&h| h < hosts);
            match (host, known) {
                (Value::Null, _) => Ok(Spot::Nowhere),
                (_, Some(h)) => Ok(Spot::On(h)),
                _ => Err(format!(
                    "{}: {key}[{c}] is {host}, expected a host number below {hosts} or null",
                    self.path
                )),
            }
        };
        list.iter().enumerate().map(spot).collect()
    }
}

fn read_all(paths: &[&String; 3]) -> Result<PlanProblem, String> {
    let input = |k: usize| read(paths[k]).map(|value| Input { path: paths[k], value });
    let (instance, from, to) = (input(0)?, input(1)?, input(2)?);
    let (hosts, components) = (instance.list("hosts")?, instance.list("components")?);
    let mut problem = PlanProblem::new();
    let mut zones: Vec<u64> = Vec::new();
    for (h, host) in hosts.iter().enumerate() {
        let place = format!("hosts[{h}]");
        let net = instance.whole(host, "net", &place, Some(0))?;
        let room = |key| instance.whole(host, key, &place, None);
        let capacity = vec![room("cpu")?, room("mem")?, net];
        let default = if net > 0 { net * 125_000 } else { 125_000_000 };
        let link = instance.amount(host, "link_mbit_s", &place, 125_000.0, default)?;
        if link == 0 {
            return Err(format!(
                "{}: {place}.link_mbit_s is 0, expected more: nothing could move",
                instance.path
            ));
        }
        problem.hosts.push(PlanHost::new(format!("h{h}"), capacity, link));
        zones.push(instance.whole(host, "zone", &place, Some(0))?);
    }
    let (begin, end) = (from.spots(components.len(), hosts.len())?, to.spots(components.len(), hosts.len())?);
    for (c, component) in components.iter().enumerate() {
        let place = format!("components[{c}]");
        let mem = instance.whole(component, "mem", &place, None)?;
        let cpu = instance.whole(component, "cpu", &place, None)?;
        let demand = vec![cpu, mem, instance.whole(component, "net", &place, Some(0))?];
        let mib = f64::from(1 << 20);
        let memory = instance.amount(component, "mem_mib", &place, mib, mem.saturating_mul(1 << 20))?;
        let mut item = PlanItem::new(format!("c{c}"), demand, memory, begin[c], end[c]);
        item.dirty_bytes_per_s = instance.amount(component, "dirty_mib_s", &place, mib, 0)?;
        problem.items.push(item);
    }
    problem.rules = rules(&instance, &zones, &begin, &end)?;
    Ok(problem)
}

/// Rules that hold at both ends hold on the way.
fn rules(instance: &Input<'_>, zones: &[u64], begin: &[Spot], end: &[Spot]) -> Result<Vec<PlanRule>, String> {
    let mut rules = Vec::new();
    let hosts: Vec<u32> = (0..).take(zones.len()).collect();
    let by_zone: Vec<u32> = zones.iter().map(|&zone| u32::try_from(zone).unwrap_or(u32::MAX)).collect();
    let domains = |members: &[usize], spots: &[Spot], group: &[u32]| {
        let mut found: Vec<u32> = members.iter().filter_map(|&m| spots[m].host()).map(|h| group[h]).collect();
        let placed = found.len();
        found.sort_unstable();
        found.dedup();
        (found.len(), placed)
    };
    for value in instance.optional("anti_affinity")? {
        let members = instance.members(value, "anti_affinity", begin.len())?;
        let apart = |spots: &[Spot]| {
            let (distinct, placed) = domains(&members, spots, &hosts);
            distinct == placed
        };
        if apart(begin) && apart(end) {
            rules.push(PlanRule::Apart { members, group: hosts.clone() });
        }
    }
    for value in instance.optional("spread")? {
        let members = instance.members(&value["members"], "spread", begin.len())?;
        let wanted =
            usize::try_from(instance.whole(value, "min_zones", "spread[]", Some(1))?).unwrap_or(usize::MAX);
        let holds = |spots: &[Spot]| domains(&members, spots, &by_zone).0 >= wanted;
        if holds(begin) && holds(end) {
            rules.push(PlanRule::Spread { members, group: by_zone.clone(), min_domains: wanted });
        }
    }
    for value in instance.optional("pinned")? {
        let members = instance.members(&json!([value["component"]]), "pinned", begin.len())?;
        let allowed: Option<Vec<u64>> =
            value["zones"].as_array().and_then(|list| list.iter().map(Value::as_u64).collect());
        let allowed = allowed.ok_or_else(|| {
            format!("{}: `zones` of `pinned` is {}, expected zone numbers", instance.path, value["zones"])
        })?;
        let allowed: Vec<bool> = zones.iter().map(|zone| allowed.contains(zone)).collect();
        if members.iter().all(|&m| end[m].host().is_none_or(|h| allowed[h])) {
            rules.push(PlanRule::Fence { members, allowed });
        }
    }
    Ok(rules)
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
