//! Engine, simulator and rules from the input file.

use crate::input::{flag, id, list, millis, number, optional_text, started, text};
use crate::story::{Affinity, Story};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vm_ecosystem::model::{
    Bytes, Component, ComponentId, Domain, Ecosystem, Host, HostId, HostSet, Infrastructure, Kind,
    Millicores, Placement, Rack, Region, ReplicaId, Resources, Rule, RuleKind, Zone,
};
use vm_ecosystem::reconfig::sim::{Approvals, Drill, Fault, Input, SimSettings};
use vm_ecosystem::reconfig::{RestartPolicy, Settings};

pub(crate) fn infrastructure(file: &Value) -> Result<Infrastructure, String> {
    let mut builder = Infrastructure::builder().region(Region::new(id("region")?));
    let zone_of = |host| optional_text(host, "zone", "zone");
    let zones: BTreeSet<&str> = list(file, "hosts")?.iter().map(zone_of).collect::<Result<_, String>>()?;
    for zone in zones {
        builder = builder.zone(Zone::new(id(zone)?, id("region")?)).rack(Rack::new(id(zone)?, id(zone)?));
    }
    for host in list(file, "hosts")? {
        let size = Resources::new(
            Millicores(number(host, "cpu_m", 8_000)?),
            Bytes::mib(number(host, "mem_mib", 32_768)?),
        );
        let zone = zone_of(host)?;
        builder = builder.host(Host::new(id(text(host, "id")?)?, id(zone)?, size));
    }
    builder.build().map_err(|error| error.to_string())
}

pub(crate) fn story(file: &Value) -> Result<Story, String> {
    let infrastructure = infrastructure(file)?;
    let known_host = |name: &str| -> Result<HostId, String> {
        let host: HostId = id(name)?;
        match infrastructure.host(&host) {
            Some(_) => Ok(host),
            None => Err(format!("host `{name}` is not among `hosts`")),
        }
    };
    let (mut builder, mut placement) = (Ecosystem::builder("scenario"), Placement::new());
    let (mut settings, mut groups) = (settings(), BTreeMap::new());
    let (mut services, mut keep, mut fails) = (Vec::new(), Vec::new(), Vec::new());
    let (mut affinities, mut stay) = (Vec::new(), Vec::new());
    for (n, (service, from_start)) in described(file)?.into_iter().enumerate() {
        let name: ComponentId = id(text(service, if service["id"].is_null() { "target" } else { "id" })?)?;
        let mut component = Component::new(name.clone(), Kind::Vm);
        component.requirements.request = Resources::new(
            Millicores(number(service, "cpu_m", 100)?),
            Bytes::mib(number(service, "mem_mib", 128)?),
        );
        component.replicas = u32::from(started(service)? && from_start);
        if component.replicas == 1 && !service["host"].is_null() {
            placement.set(ReplicaId::new(name.clone(), 0), known_host(text(service, "host")?)?);
        }
        if !service["host"].is_null() {
            keep.push((name.clone(), known_host(text(service, "host")?)?));
        }
        for host in list(service, "start_fails_on")? {
            let host =
                host.as_str().ok_or_else(|| format!("`start_fails_on` names {host}, expected a host"))?;
            fails.push((name.clone(), known_host(host)?));
        }
        let count = |key: &str| number(service, key, 1).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        settings.restart_of.insert(
            name.clone(),
            RestartPolicy::new(count("max_restart")?, count("max_relocate")?).holding(),
        );
        if !flag(service, "failback", true)? {
            stay.push(name.clone());
        }
        let mut group = BTreeMap::new();
        for member in list(service, "group")? {
            let priority = u32::try_from(number(member, "priority", 0)?).unwrap_or(u32::MAX);
            group.insert(known_host(text(member, "host")?)?, priority);
        }
        if flag(service, "restricted", false)? {
            let allowed = HostSet::of_hosts(group.keys().cloned());
            let kind = RuleKind::Fence { members: vec![name.clone()], allowed };
            builder = builder.rule(Rule::hard(format!("group-{n}"), kind));
        }
        groups.insert(name.clone(), group);
        for (k, affinity) in list(service, "affinity")?.iter().enumerate() {
            let mut members = vec![name.clone()];
            for with in list(affinity, "with")? {
                let with = with.as_str().ok_or_else(|| format!("`with` names {with}, expected a service"))?;
                members.push(id(with)?);
            }
            let strict = flag(affinity, "strict", true)?;
            if strict {
                affinities.push(Affinity {
                    together: text(affinity, "kind")? == "together",
                    members: members.clone(),
                });
            }
            let kind = match text(affinity, "kind")? {
                "together" => RuleKind::Together { members, domain: Domain::Host },
                "apart" => RuleKind::Apart { members, domain: Domain::Host },
                other => return Err(format!("affinity kind is `{other}`, expected `together` or `apart`")),
            };
            let rule = format!("affinity-{n}-{k}");
            builder = builder.rule(if strict { Rule::hard(rule, kind) } else { Rule::soft(rule, kind, 1) });
        }
        builder = builder.component(component);
        services.push(name);
    }
    let ecosystem = builder.build().map_err(|error| error.to_string())?;
    if let Some((host, what, needed, room)) =
        placement.overloads(&ecosystem, &infrastructure).into_iter().next()
    {
        return Err(format!("services that begin on `{host}` need {needed} of {what} and it has {room}"));
    }
    let world = SimSettings::default();
    let mut drill = Drill::new(settings, &ecosystem, &infrastructure, &placement, world)
        .map_err(|error| error.to_string())?;
    drill.set_approvals(match &file["operator_grants_after_s"] {
        Value::Null => Approvals::ByScript,
        _ => Approvals::GrantAfter(Duration::from_millis(millis(file, "operator_grants_after_s", 0)?)),
    });
    let hosts = infrastructure.hosts().iter().map(|host| host.id.clone()).collect();
    let mut story = Story::new(drill, services, hosts, groups, affinities);
    story.stay.extend(stay);
    for (service, host) in keep {
        story.keep_at(&service, &host);
    }
    for (service, host) in fails {
        story.give(0, Input::Fault(Fault::StartsFail(service, host)));
    }
    Ok(story)
}

/// A cluster in which a majority decides: more silent hosts than that are a broken network and nothing is fenced until
/// a person says so; a host that comes and goes stays in use.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.detection.storm_percent = 49;
    settings.detection.flap_limit = 0;
    settings.patience.inventory = Duration::from_secs(30);
    settings
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
