//! `cargo run --release --example ha_scenario -- FILE.json`: a high-availability story through engine and simulator.
//!
//! Input: hosts, services (one replica each), events, an end; see `examples/data/ha/`. Output: the timeline in words,
//! then one line of JSON with timeline, final places, violations of the invariants, and fencing. A file may say what
//! it expects (`"expect": {"final": {service: host or null}, "fencing": [host]}`); a difference is a violation.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use vm_ecosystem::model::{
    Bytes, Component, ComponentId, Domain, Ecosystem, Host, HostId, HostSet, Infrastructure, Kind,
    Millicores, Placement, Rack, Region, ReplicaId, Resources, Rule, RuleKind, Zone,
};
use vm_ecosystem::reconfig::sim::{Drill, Fault, Input, SimSettings, TimelineKind};
use vm_ecosystem::reconfig::{DeathEvidence, Event, Order, RestartPolicy, Scope, Settings};

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

/// A JSON file, plain or .gz.
fn read(path: &str) -> Result<Value, String> {
    let mut bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        let unpacked = flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text);
        unpacked.map_err(|error| format!("cannot be unpacked: {error}"))?;
        bytes = text;
    }
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// Text, number and list fields with an error that names the place.
fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key].as_str().ok_or_else(|| format!("`{key}` is {} in {value}, expected a text", value[key]))
}

fn number(value: &Value, key: &str, default: u64) -> Result<u64, String> {
    match &value[key] {
        Value::Null => Ok(default),
        other => other.as_u64().ok_or_else(|| format!("`{key}` is {other}, expected a whole number")),
    }
}

/// A list that may be missing.
fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    match &value[key] {
        Value::Null => Ok(&[]),
        Value::Array(list) => Ok(list),
        other => Err(format!("`{key}` is {other}, expected a list")),
    }
}

/// Seconds, which may have a fraction, in milliseconds.
fn millis(value: &Value, key: &str, default: u64) -> Result<u64, String> {
    match &value[key] {
        Value::Null => Ok(default),
        other => {
            let found = other.as_f64().map(|s| s * 1_000.0).filter(|ms| (0.0..=UNTIL_MAX_MS).contains(ms));
            let found =
                found.ok_or_else(|| format!("`{key}` is {other}, expected seconds from 0 to 604800"))?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked just here")]
            Ok(found.round() as u64)
        }
    }
}

/// A week.
const UNTIL_MAX_MS: f64 = 604_800_000.0;

/// Whether a service shall run.
fn started(value: &Value) -> Result<bool, String> {
    match value["state"].as_str() {
        None if value["state"].is_null() => Ok(true),
        Some("started") => Ok(true),
        Some("stopped" | "disabled") => Ok(false),
        _ => Err(format!("`state` is {}, expected `started`, `stopped` or `disabled`", value["state"])),
    }
}

fn id<T: std::str::FromStr>(name: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    name.parse().map_err(|error: T::Err| error.to_string())
}

struct Story {
    drill: Drill,
    services: Vec<ComponentId>,
    hosts: Vec<HostId>,
    /// Priorities of hosts by service: it fails back to the best that is up.
    groups: BTreeMap<ComponentId, BTreeMap<HostId, u32>>,
    /// Where services were before maintenance took them away.
    origins: BTreeMap<ComponentId, HostId>,
    down: BTreeSet<HostId>,
}

fn infrastructure(file: &Value) -> Result<Infrastructure, String> {
    let mut builder = Infrastructure::builder().region(Region::new(id("region")?));
    let zones: BTreeSet<&str> =
        list(file, "hosts")?.iter().map(|h| h["zone"].as_str().unwrap_or("zone")).collect();
    for zone in zones {
        builder = builder.zone(Zone::new(id(zone)?, id("region")?)).rack(Rack::new(id(zone)?, id(zone)?));
    }
    for host in list(file, "hosts")? {
        let size = Resources::new(
            Millicores(number(host, "cpu_m", 8_000)?),
            Bytes::mib(number(host, "mem_mib", 32_768)?),
        );
        let zone = host["zone"].as_str().unwrap_or("zone");
        builder = builder.host(Host::new(id(text(host, "id")?)?, id(zone)?, size));
    }
    builder.build().map_err(|error| error.to_string())
}

fn story(file: &Value) -> Result<Story, String> {
    let infrastructure = infrastructure(file)?;
    let known_host = |name: &str| -> Result<HostId, String> {
        let host: HostId = id(name)?;
        match infrastructure.host(&host) {
            Some(_) => Ok(host),
            None => Err(format!("host `{name}` is not among `hosts`")),
        }
    };
    let (mut builder, mut placement) = (Ecosystem::builder("scenario"), Placement::new());
    let (mut settings, mut groups) = (Settings::default(), BTreeMap::new());
    let mut services = Vec::new();
    for (n, (service, from_start)) in described(file)?.into_iter().enumerate() {
        let name: ComponentId = id(text(service, if service["id"].is_null() { "target" } else { "id" })?)?;
        let mut component = Component::new(name.clone(), Kind::Vm);
        component.requirements.request = Resources::new(
            Millicores(number(service, "cpu_m", 1_000)?),
            Bytes::mib(number(service, "mem_mib", 1_024)?),
        );
        component.replicas = u32::from(started(service)? && from_start);
        if component.replicas == 1 && !service["host"].is_null() {
            placement.set(ReplicaId::new(name.clone(), 0), known_host(text(service, "host")?)?);
        }
        let count = |key: &str| number(service, key, 1).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        settings
            .restart_of
            .insert(name.clone(), RestartPolicy::new(count("max_restart")?, count("max_relocate")?));
        let mut group = BTreeMap::new();
        for member in list(service, "group")? {
            let priority = u32::try_from(number(member, "priority", 0)?).unwrap_or(u32::MAX);
            group.insert(known_host(text(member, "host")?)?, priority);
        }
        if service["restricted"] == json!(true) {
            let allowed = HostSet::of_hosts(group.keys().cloned());
            let kind = RuleKind::Fence { members: vec![name.clone()], allowed };
            builder = builder.rule(Rule::hard(format!("group-{n}"), kind));
        }
        groups.insert(name.clone(), group);
        for (k, affinity) in list(service, "affinity")?.iter().enumerate() {
            let mut members = vec![name.clone()];
            for with in list(affinity, "with")? {
                members.push(id(with.as_str().unwrap_or_default())?);
            }
            let kind = match text(affinity, "kind")? {
                "together" => RuleKind::Together { members, domain: Domain::Host },
                "apart" => RuleKind::Apart { members, domain: Domain::Host },
                other => return Err(format!("affinity kind is `{other}`, expected `together` or `apart`")),
            };
            let rule = format!("affinity-{n}-{k}");
            let strict = affinity["strict"].as_bool().unwrap_or(true);
            builder = builder.rule(if strict { Rule::hard(rule, kind) } else { Rule::soft(rule, kind, 1) });
        }
        builder = builder.component(component);
        services.push(name);
    }
    let ecosystem = builder.build().map_err(|error| error.to_string())?;
    let world = SimSettings::default();
    let mut drill = Drill::new(settings, &ecosystem, &infrastructure, &placement, world)
        .map_err(|error| error.to_string())?;
    for (service, group) in &groups {
        for (host, priority) in group {
            drill.prefer(service.clone(), host.clone(), *priority);
        }
    }
    let hosts = infrastructure.hosts().iter().map(|host| host.id.clone()).collect();
    Ok(Story { drill, services, hosts, groups, origins: BTreeMap::new(), down: BTreeSet::new() })
}

/// Services with whether they are there from the start: those of the file, and those that an event adds with its own
/// description (in the event, or under its key `service`).
fn described(file: &Value) -> Result<Vec<(&Value, bool)>, String> {
    let mut found: Vec<(&Value, bool)> = list(file, "services")?.iter().map(|it| (it, true)).collect();
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (service, _) in &found {
        let name = text(service, "id")?;
        if !names.insert(name) {
            return Err(format!("service `{name}` is there twice"));
        }
    }
    for event in list(file, "events")?.iter().filter(|event| event["kind"] == json!("service_add")) {
        let service = if event["service"].is_object() { &event["service"] } else { event };
        let name = if service["id"].is_null() { text(event, "target")? } else { text(service, "id")? };
        if names.insert(name) {
            found.push((service, false));
        }
    }
    Ok(found)
}

impl Story {
    fn give(&mut self, after_s: u64, input: Input) {
        let at = Duration::from_millis(self.drill.elapsed_ms()) + Duration::from_secs(after_s);
        self.drill.at(at, input);
    }

    fn order(&mut self, order: Order) {
        self.give(0, Input::Event(Event::Order { order, by: Arc::from("operator") }));
    }

    fn place(&self, service: &ComponentId) -> Option<(ReplicaId, HostId, bool)> {
        let engine = self.drill.engine()?;
        let it = engine.replicas().find(|it| it.replica.component() == service && !it.retiring)?;
        Some((it.replica, it.hosts.first()?.clone(), it.available))
    }

    fn event(&mut self, event: &Value) -> Result<(), String> {
        let (kind, target) = (text(event, "kind")?, text(event, "target")?);
        let host = || -> Result<HostId, String> {
            let host: HostId = id(target)?;
            if self.hosts.contains(&host) {
                Ok(host)
            } else {
                Err(format!("event names unknown host `{target}`"))
            }
        };
        let service = || -> Result<ComponentId, String> {
            let service: ComponentId = id(target)?;
            if self.services.contains(&service) {
                Ok(service)
            } else {
                Err(format!("event names unknown service `{target}`"))
            }
        };
        match kind {
            "power_off" | "network_off" => {
                let host = host()?;
                self.down.insert(host.clone());
                let fault =
                    if kind == "power_off" { Fault::HostCrash(host) } else { Fault::HostPartition(host) };
                self.give(0, Input::Fault(fault));
            }
            "power_on" | "network_on" => {
                let host = host()?;
                self.down.remove(&host);
                self.give(0, Input::Fault(Fault::HostRepaired(host)));
            }
            "reboot" => {
                let host = host()?;
                self.give(0, Input::Fault(Fault::HostCrash(host.clone())));
                self.give(60, Input::Fault(Fault::HostRepaired(host)));
            }
            "maintenance_on" => {
                let host = host()?;
                #[expect(
                    clippy::needless_collect,
                    reason = "the services are read while the origins are written"
                )]
                let here: Vec<ComponentId> = self
                    .services
                    .iter()
                    .filter(|service| self.place(service).is_some_and(|(_, on, _)| on == host))
                    .cloned()
                    .collect();
                self.origins.extend(here.into_iter().map(|service| (service, host.clone())));
                self.down.insert(host.clone());
                self.order(Order::Drain(host));
            }
            "maintenance_off" => {
                let host = host()?;
                self.down.remove(&host);
                self.order(Order::Restore(host));
            }
            "shutdown" => {
                // Emptied first; switched off after two minutes, whatever is left.
                let host = host()?;
                self.down.insert(host.clone());
                self.order(Order::Drain(host.clone()));
                self.give(120, Input::Fault(Fault::HostCrash(host.clone())));
                let known = Event::HostFailed { host, evidence: DeathEvidence::PowerOff };
                self.give(121, Input::Event(known));
            }
            "service_add" => self.order(Order::SetReplicas(service()?, 1)),
            "service_remove" => self.order(Order::SetReplicas(service()?, 0)),
            "service_state" => {
                let wanted = u32::from(started(event)?);
                self.order(Order::SetReplicas(service()?, wanted));
            }
            "service_move" => {
                let key = if event["host"].is_null() { "to" } else { "host" };
                let (service, to): (ComponentId, HostId) = (service()?, id(text(event, key)?)?);
                if !self.hosts.contains(&to) {
                    return Err(format!("event names unknown host `{to}`"));
                }
                if let Some((replica, _, _)) = self.place(&service) {
                    self.order(Order::Move(replica, to));
                }
            }
            "freeze" | "thaw" => {
                let scope = match target {
                    "all" => Scope::All,
                    name if self.hosts.iter().any(|host| host.as_str() == name) => Scope::Host(id(name)?),
                    _ => Scope::Component(service()?),
                };
                self.order(if kind == "freeze" { Order::Freeze(scope) } else { Order::Thaw(scope) });
            }
            other => return Err(format!("event kind `{other}` is not known")),
        }
        Ok(())
    }

    /// Services go back where they belong: to the best host of their group, or where maintenance took them from.
    fn fail_back(&mut self) {
        for service in self.services.clone() {
            let Some((replica, on, true)) = self.place(&service) else { continue };
            let up = |host: &HostId| {
                let known =
                    self.drill.engine().is_some_and(|e| e.hosts().any(|h| h.host == *host && !h.closed));
                known && !self.down.contains(host)
            };
            let group = &self.groups[&service];
            let rank = |host: &HostId| group.get(host).map_or(0, |p| p + 1);
            let best = group.keys().filter(|host| up(host)).max_by_key(|host| rank(host)).cloned();
            let origin =
                self.origins.get(&service).filter(|host| up(host) && rank(host) >= rank(&on)).cloned();
            let goal = best.filter(|host| rank(host) > rank(&on)).or(origin);
            if goal.as_ref().is_some_and(|goal| *goal != on) {
                if let Some(goal) = goal {
                    self.order(Order::Move(replica, goal));
                }
            } else if self.origins.get(&service) == Some(&on) && !self.down.contains(&on) {
                self.origins.remove(&service);
            }
        }
    }
}

/// How often services are looked at for their way back.
const FAIL_BACK_MS: u64 = 15_000;

fn play(file: &Value) -> Result<Value, String> {
    if !file.is_object() {
        return Err("expected an object with `hosts`, `services` and `events`".to_owned());
    }
    let mut story = story(file)?;
    let mut events: Vec<(u64, &Value)> = Vec::new();
    for event in list(file, "events")? {
        events.push((millis(event, "at_s", 0)?, event));
    }
    events.sort_by_key(|(at, _)| *at);
    let until = millis(file, "until_s", 600_000)?;
    let mut next = events.into_iter().peekable();
    let mut fail_back = FAIL_BACK_MS;
    while story.drill.elapsed_ms() < until {
        let now = story.drill.elapsed_ms();
        while let Some((_, event)) = next.next_if(|(at, _)| *at <= now) {
            story.event(event)?;
        }
        if now >= fail_back {
            story.fail_back();
            fail_back = now + FAIL_BACK_MS;
        }
        let moment = next.peek().map_or(until, |(at, _)| *at).min(fail_back).min(until);
        story.drill.run_for(Duration::from_millis(moment - now));
    }
    for (_, event) in next.filter(|(at, _)| *at <= until) {
        story.event(event)?;
    }
    Ok(report(file, &story))
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
        timeline.push(json!({"at_s": at_s, "event": entry.code, "subject": entry.subject, "host": host}));
    }
    let mut places = Map::new();
    for service in &story.services {
        let wanted = story.drill.engine().map_or(0, |engine| engine.desired(service));
        let (host, state) = match story.place(service) {
            Some((_, host, true)) => (Some(host.to_string()), "started"),
            Some((_, host, false)) => (Some(host.to_string()), "changing"),
            None if wanted == 0 => (None, "stopped"),
            None => (None, "recovery"),
        };
        places.insert(service.to_string(), json!({"host": host, "state": state}));
    }
    let mut violations: Vec<String> = story.drill.violations().iter().map(ToString::to_string).collect();
    if let Some(expected) = file["expect"]["final"].as_object() {
        for (service, host) in expected {
            if places.get(service).is_none_or(|place| place["host"] != *host) {
                violations.push(format!("expected {service} on {host}, found {:?}", places.get(service)));
            }
        }
    }
    if let Some(expected) = file["expect"]["fencing"].as_array() {
        let found: Vec<&Value> = fencing.iter().map(|it| &it["host"]).collect();
        if found != expected.iter().collect::<Vec<_>>() {
            violations.push(format!("expected fencing of {expected:?}, found {found:?}"));
        }
    }
    json!({"timeline": timeline, "final": places, "violations": violations, "fencing": fencing})
}
