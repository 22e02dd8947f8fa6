//! `cargo run --release --example ha_scenario -- FILE.json`: a high-availability story through engine and simulator.
//!
//! Input: hosts, services (one replica each), events, an end; see `examples/data/ha/`. Output: the timeline in words,
//! then one line of JSON with timeline, final places, violations of the invariants, and fencing. A file may say what
//! it expects (`"expect": {"final": {service: host or null}, "state": {service: state}, "fencing": [host]}`); a
//! difference is a violation.
//!
//! Beyond the fields of `examples/data/ha/01-power-off.json` a service may have `restricted` (its group binds),
//! `failback` (false: it stays where it is), `start_fails_on` (hosts on which its starts fail), and an event `policy`
//! (`shutdown` and `reboot`: `conditional`, `freeze`, `failover` or `migrate`; the file may give one as
//! `shutdown_policy`) and `boot_s`. The kinds `service_crash` and `service_repaired` let a service die and let its
//! starts succeed again. Questions to a person stay open unless the file has `operator_grants_after_s`.

mod back;
mod input;
mod story;
mod world;

use input::{list, millis, read};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::time::Duration;
use story::Story;
use vm_ecosystem::reconfig::sim::TimelineKind;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1).filter(|_| std::env::args().count() == 2) else {
        eprintln!("ha_scenario: usage: ha_scenario FILE.json");
        return ExitCode::from(2);
    };
    let played = read(&path).and_then(|file| play(&file));
    match played {
        Ok(report) => {
            let sound = report["violations"].as_array().is_some_and(Vec::is_empty);
            println!("{report}");
            if sound { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(message) => {
            eprintln!("ha_scenario: {path}: {message}");
            ExitCode::from(2)
        }
    }
}

/// How often services are looked at for their way back.
const FAIL_BACK_MS: u64 = 10_000;

fn play(file: &Value) -> Result<Value, String> {
    if !file.is_object() || file["hosts"].is_null() {
        return Err("expected an object with `hosts`, `services` and `events`".to_owned());
    }
    let mut story = world::story(file)?;
    let mut events: Vec<(u64, &Value)> = Vec::new();
    for event in list(file, "events")? {
        story.check(event, file)?;
        events.push((millis(event, "at_s", 0)?, event));
    }
    events.sort_by_key(|(at, _)| *at);
    let until = millis(file, "until_s", 600_000)?;
    let mut next = events.into_iter().peekable();
    let mut fail_back = FAIL_BACK_MS;
    while story.drill.elapsed_ms() < until {
        let now = story.drill.elapsed_ms();
        while let Some((_, event)) = next.next_if(|(at, _)| *at <= now) {
            story.event(event, file)?;
        }
        if now >= fail_back {
            story.look_after();
            fail_back = now + FAIL_BACK_MS;
        }
        let moment = next.peek().map_or(until, |(at, _)| *at).min(fail_back).min(until);
        story.drill.run_for(Duration::from_millis(moment - now));
    }
    for (_, event) in next.filter(|(at, _)| *at <= until) {
        story.event(event, file)?;
    }
    Ok(report(file, &story))
}

/// What became of a service, for a violation.
fn found(places: &Map<String, Value>, service: &str) -> String {
    places.get(service).map_or_else(|| "no such service".to_owned(), Value::to_string)
}

fn report(file: &Value, story: &Story) -> Value {
    let host_in = |text: &str| {
        let words = text.split(|c: char| c.is_whitespace() || ",;()".contains(c)).rev();
        words
            .into_iter()
            .find(|word| story.hosts.iter().any(|host| host.as_str() == *word))
            .map(str::to_owned)
    };
    let (mut timeline, mut fencing) = (Vec::new(), Vec::new());
    for entry in story.drill.timeline() {
        println!("{:>8.1} s {:8} {}", entry.at.as_unix_ms() as f64 / 1e3, entry.kind.word(), entry.text);
        let (at_s, host) = (entry.at.as_unix_ms() as f64 / 1e3, host_in(&entry.text));
        if entry.kind == TimelineKind::Order && entry.code == "fence" {
            fencing.push(json!({"host": host, "at_s": at_s}));
        }
        // A service has one replica: its name is enough.
        let subject = entry.subject.split('#').next().unwrap_or_default();
        timeline.push(json!({"at_s": at_s, "event": entry.code, "subject": subject, "host": host}));
    }
    let mut places = Map::new();
    for service in &story.services {
        let wanted = story.drill.engine().map_or(0, |engine| engine.desired(service));
        let (host, state) = match story.place(service) {
            Some(place) if place.serves => (Some(place.host.to_string()), "started"),
            Some(place) => (Some(place.host.to_string()), "changing"),
            None if story.has_failed(service) => (None, "error"),
            None if wanted == 0 => (None, "stopped"),
            None => (None, "recovery"),
        };
        places.insert(service.to_string(), json!({"host": host, "state": state}));
    }
    let mut violations: Vec<String> = story.drill.violations().iter().map(ToString::to_string).collect();
    if let Some(expected) = file["expect"]["final"].as_object() {
        for (service, host) in expected {
            if places.get(service).is_none_or(|place| place["host"] != *host) {
                violations.push(format!("expected {service} on {host}, found {}", found(&places, service)));
            }
        }
    }
    if let Some(expected) = file["expect"]["state"].as_object() {
        for (service, state) in expected {
            if places.get(service).is_none_or(|place| place["state"] != *state) {
                violations.push(format!("expected {service} {state}, found {}", found(&places, service)));
            }
        }
    }
    if let Some(expected) = file["expect"]["fencing"].as_array() {
        let found: Vec<&Value> = fencing.iter().map(|it| &it["host"]).collect();
        if found != expected.iter().collect::<Vec<_>>() {
            violations.push(format!("expected fencing of {}, found {}", json!(expected), json!(found)));
        }
    }
    json!({"timeline": timeline, "final": places, "violations": violations, "fencing": fencing})
}
