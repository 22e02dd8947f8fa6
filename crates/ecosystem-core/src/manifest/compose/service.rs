//! Services: components, their resources, and every edge they name.

use super::super::carried;
use super::super::draft::Draft;
use super::super::mention::{Mention, infer_kind};
use super::super::quantity::{self, Prefix};
use super::super::read;
use super::super::report::Report;
use super::super::tree::{At, shorten};
use super::interpolate::Variables;
use super::names::Names;
use super::{find_file, placement, syntax};
use crate::component::{Component, Kind, Version};
use crate::dependency::{Dependency, DependencyKind, StartCondition, Strength};
use crate::finding::{Confidence, EvidenceKind};
use crate::id::ComponentId;
use crate::infer::address::Context as Words;
use crate::infer::image;
use crate::resources::Resources;
use std::collections::BTreeMap;
use std::sync::Arc;

const KEYS: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "driver_opts",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "logging",
    "log_driver",
    "log_opt",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "net",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
];

const CONDITIONS: [(&str, StartCondition); 3] = [
    ("service_started", StartCondition::Started),
    ("service_healthy", StartCondition::Healthy),
    ("service_completed_successfully", StartCondition::Completed),
];

/// What services are read against.
pub(super) struct Context<'c, 'n> {
    pub(super) root: At<'n>,
    /// Variables of each file that was handed in.
    pub(super) env_files: BTreeMap<&'c str, BTreeMap<String, String>>,
    pub(super) variables: &'c Variables,
}

pub(super) fn read_all(services: &At<'_>, context: &Context<'_, '_>, draft: &mut Draft, report: &mut Report) {
    let names = Names::new(services, report);
    let mut volumes: BTreeMap<&str, Vec<(ComponentId, At<'_>)>> = BTreeMap::new();
    for (name, key_pos, at) in services.entries() {
        let Ok(id) = ComponentId::new(name) else { continue };
        if !at.is_map() {
            if !at.node.is_null() {
                read::wrong(&at, "a map with the service's properties", report);
            }
            continue;
        }
        read::known_keys(&at, KEYS, report);
        let mut component = component(&id, &at, report);
        carried::complete(&mut component, &at, report);
        carried::connect(&id, &at, draft, report);
        let replicas = component.replicas;
        draft.add(component, report.place_of(key_pos, at.path()), report);
        start_order(&id, &at, services, draft, report);
        mentions(&id, &at, context, &names, draft, report);
        placement::read(&id, replicas, &at, draft, report);
        for (volume, at) in syntax::named_volumes(&at) {
            volumes.entry(volume).or_default().push((id.clone(), at));
        }
    }
    if let Some(outside) = context.root.get("x-vm-ecosystem/external") {
        external(&outside, draft, report);
    }
    for sharers in volumes.values() {
        super::super::kubernetes::share(sharers, draft, report);
    }
}

/// Components outside, which our export carries beside the services.
fn external(outside: &At<'_>, draft: &mut Draft, report: &mut Report) {
    for (name, key_pos, at) in outside.entries() {
        let (Ok(id), Some(component)) = (ComponentId::new(name), carried::component(&at, report)) else {
            continue;
        };
        carried::connect(&id, &at, draft, report);
        draft.add(Component { id, ..component }, report.place_of(key_pos, at.path()), report);
    }
}

fn component(id: &ComponentId, at: &At<'_>, report: &mut Report) -> Component {
    let mut component = Component::new(id.clone(), Kind::Container);
    let reference = read::text_of(at, "image", report).unwrap_or_default();
    let (name, tag, digest) = image::split(reference);
    component.image = Arc::from(name);
    component.version = Version::new(tag.or(digest).unwrap_or(""));
    if let (Some(_), Some(digest)) = (tag, digest) {
        component.labels.insert(Arc::from("image.digest"), Arc::from(digest));
    }
    component.ports = syntax::ports(at, report);
    infer_kind(&mut component, reference, at, report);
    for labels in [at.get("labels"), at.dig(&["deploy", "labels"])].into_iter().flatten() {
        for (key, value, _) in syntax::pairs(&labels, report) {
            component.labels.insert(Arc::from(key), Arc::from(value.unwrap_or("")));
        }
    }
    let profiles: Vec<&str> = read::texts_of(at, "profiles", report).into_iter().map(|(t, _)| t).collect();
    if !profiles.is_empty() {
        component.labels.insert(Arc::from("compose.profiles"), Arc::from(profiles.join(",")));
    }
    let deploy = at.get("deploy");
    let replicas = deploy.as_ref().and_then(|d| read::u32_of(d, "replicas", report));
    component.replicas = replicas.or_else(|| read::u32_of(at, "scale", report)).unwrap_or(1);
    if let Some(deploy) = &deploy {
        if matches!(deploy.text_of("mode"), Some("global" | "global-job")) {
            component.per_host = true;
            let message = format!("service `{id}` runs once on every host that takes it");
            report.add("I1306", deploy, message, "`Ecosystem::on_hosts` gives the number of replicas");
        }
        if let Some(update) = deploy.get("update_config") {
            component.max_unavailable = if update.text_of("order") == Some("start-first") {
                Some(0)
            } else {
                read::u32_of(&update, "parallelism", report).filter(|&n| n > 0)
            };
        }
    }
    let limit = resources(at, "limits", "mem_limit", "cpus", report);
    let request = resources(at, "reservations", "mem_reservation", "", report);
    component.requirements.request = or_limit(&request, &limit);
    component.requirements.limit = limit;
    component
}

/// `deploy.resources.…`, else the older keys of the service itself. Docker's `M` is 2²⁰ bytes.
fn resources(at: &At<'_>, part: &str, memory_key: &str, cpus_key: &str, report: &mut Report) -> Resources {
    let size = |at: &At<'_>, key: &str, report: &mut Report| {
        read::value(at, key, "a size such as `64M`", report, |t| quantity::bytes(t, Prefix::Binary))
    };
    let mut vector = Resources::default();
    if let Some(deploy) = at.dig(&["deploy", "resources", part]) {
        vector.cpu = read::value(&deploy, "cpus", read::CPU, report, quantity::cpu).unwrap_or_default();
        vector.memory = size(&deploy, "memory", report).unwrap_or_default();
        for device in deploy.get("devices").iter().flat_map(At::items) {
            let capabilities = read::texts_of(&device, "capabilities", report);
            if capabilities.iter().any(|(text, _)| *text == "gpu" || *text == "nvidia") {
                let count = device.text_of("count").and_then(quantity::count).unwrap_or(1);
                vector.extended.insert(Arc::from("gpu"), count);
            }
        }
    }
    if vector.memory.get() == 0 {
        vector.memory = size(at, memory_key, report).unwrap_or_default();
    }
    if vector.cpu.get() == 0 && !cpus_key.is_empty() {
        vector.cpu = read::value(at, cpus_key, read::CPU, report, quantity::cpu).unwrap_or_default();
    }
    vector
}

/// Where nothing is reserved, the limit is: the host must be able to give it.
fn or_limit(request: &Resources, limit: &Resources) -> Resources {
    let mut merged = request.clone();
    if merged.cpu.get() == 0 {
        merged.cpu = limit.cpu;
    }
    if merged.memory.get() == 0 {
        merged.memory = limit.memory;
    }
    for (name, amount) in &limit.extended {
        merged.extended.entry(Arc::clone(name)).or_insert(*amount);
    }
    merged
}

/// `depends_on`, `links`, `volumes_from` and shared namespaces.
fn start_order(id: &ComponentId, at: &At<'_>, services: &At<'_>, draft: &mut Draft, report: &mut Report) {
    let mut order = Order { id, services, draft, report };
    order.depends_on(at);
    order.links(at);
    order.volumes_from(at);
    for key in ["network_mode", "ipc", "pid"] {
        let Some(item) = at.get(key) else { continue };
        let Some(name) = item.text().and_then(|t| t.strip_prefix("service:")) else { continue };
        if let Some(to) = order.target(name, key, &item) {
            order.push(&to, DependencyKind::StartOrder, &item);
            placement::together(id, &to, &item, order.draft, order.report);
        }
    }
}

struct Order<'o, 'n> {
    id: &'o ComponentId,
    services: &'o At<'n>,
    draft: &'o mut Draft,
    report: &'o mut Report,
}

impl Order<'_, '_> {
    /// The service of a name; one that is not there is a finding.
    fn target(&mut self, name: &str, what: &str, at: &At<'_>) -> Option<ComponentId> {
        if self.services.node.get(name).is_some() {
            return ComponentId::new(name).ok();
        }
        let names = self.services.node.entries().iter().map(|e| &*e.key);
        let remedy = self.report.did_you_mean(name, names, "define it or correct the name; no edge is made");
        let message =
            format!("`{what}` of service `{}` names `{}`, which is not a service", self.id, shorten(name));
        self.report.add("W1409", at, message, remedy);
        None
    }

    fn push(&mut self, to: &ComponentId, kind: DependencyKind, at: &At<'_>) {
        self.push_edited(to, kind, at, |_| {});
    }

    /// Adds an edge after a change to it.
    fn push_edited(
        &mut self,
        to: &ComponentId,
        kind: DependencyKind,
        at: &At<'_>,
        edit: impl FnOnce(&mut Dependency),
    ) {
        let mut edge = Dependency::new(self.id.clone(), to.clone(), kind);
        edge.evidence = vec![self.report.evidence(EvidenceKind::Declared, Confidence::High, at)];
        edit(&mut edge);
        self.draft.connect(edge, self.report.place(at));
    }

    fn depends_on(&mut self, at: &At<'_>) {
        let Some(list) = at.get("depends_on") else { return };
        let items: Vec<(&str, At<'_>)> = if list.is_map() {
            list.entries().map(|(name, _, at)| (name, at)).collect()
        } else {
            read::texts(&list, self.report)
        };
        for (name, item) in items {
            let optional = item.text_of("required") == Some("false");
            if optional && self.services.node.get(name).is_none() {
                continue;
            }
            let condition = self.condition(&item);
            if let Some(to) = self.target(name, "depends_on", &item) {
                self.push_edited(&to, DependencyKind::StartOrder, &item, |edge| {
                    edge.condition = condition;
                    if optional {
                        edge.strength = Strength::Soft;
                    }
                });
            }
        }
    }

    fn condition(&mut self, item: &At<'_>) -> StartCondition {
        let Some(condition) = item.get("condition") else { return StartCondition::Started };
        let known = CONDITIONS.iter().find(|(word, _)| Some(*word) == condition.text());
        if let Some((_, condition)) = known {
            return *condition;
        }
        let message = format!("`condition` is {}, which is not known", condition.node.describe());
        let words: Vec<&str> = CONDITIONS.iter().map(|(word, _)| *word).collect();
        self.report.add("W1103", &condition, message, format!("expected one of: {}", words.join(", ")));
        StartCondition::Started
    }

    fn links(&mut self, at: &At<'_>) {
        for (text, item) in read::texts_of(at, "links", self.report) {
            let name = text.split(':').next().unwrap_or(text);
            if let Some(to) = self.target(name, "links", &item) {
                self.push(&to, DependencyKind::StartOrder, &item);
                // A link makes the other reachable; that it is called is likely, not written.
                self.push_edited(&to, DependencyKind::Call, &item, |edge| {
                    edge.evidence[0].confidence = Confidence::Medium;
                });
            }
        }
    }

    fn volumes_from(&mut self, at: &At<'_>) {
        for (text, item) in read::texts_of(at, "volumes_from", self.report) {
            let name = text.split(':').next().unwrap_or(text);
            if name == "container" {
                continue;
            }
            if let Some(to) = self.target(name, "volumes_from", &item) {
                self.push(&to, DependencyKind::StartOrder, &item);
                self.push_edited(&to, DependencyKind::Volume, &item, |edge| {
                    edge.evidence[0].kind = EvidenceKind::Volume;
                });
            }
        }
    }
}

/// Edges from environment values, commands, and the contents of mounted configs.
fn mentions(
    id: &ComponentId,
    at: &At<'_>,
    context: &Context<'_, '_>,
    names: &Names,
    draft: &mut Draft,
    report: &mut Report,
) {
    // An alias of a link holds for this service alone.
    let aliases: BTreeMap<&str, &str> = at
        .get("links")
        .iter()
        .flat_map(At::items)
        .filter_map(|item| item.text().and_then(|t| t.split_once(':')))
        .map(|(name, alias)| (alias, name))
        .collect();
    let lookup = |host: &str| names.get(aliases.get(host).copied().unwrap_or(host));
    let mut words = Words::default();
    let mut mention = |key: &str, value: &str, at: &At<'_>, evidence, report: &mut Report| {
        let mention = Mention { from: id, key, value, at, evidence, waits: false };
        if evidence == EvidenceKind::Config {
            mention.read_after(&mut words, lookup, draft, report);
        } else {
            mention.read(lookup, draft, report);
        }
    };
    let environment = at.get("environment").map(|e| syntax::pairs(&e, report)).unwrap_or_default();
    for item in env_file_items(at) {
        let path = item.text().or_else(|| item.text_of("path")).unwrap_or_default();
        let Some(file) = find_file(context.env_files.keys().copied(), path) else {
            if item.text_of("required") != Some("false") {
                let message = format!("env_file `{}` is not among the files of variables", shorten(path));
                report.add("W1331", &item, message, "hand in that file, so that its values can be read");
            }
            continue;
        };
        for (key, value) in context.env_files.get(file).into_iter().flatten() {
            if !environment.iter().any(|(name, _, _)| name == key) {
                mention(key, value, &item, EvidenceKind::Env, report);
            }
        }
    }
    for (key, value, item) in &environment {
        if let Some(value) = value.or_else(|| context.variables.get(key)) {
            mention(key, value, item, EvidenceKind::Env, report);
        }
    }
    for key in ["command", "entrypoint"] {
        for (text, item) in at.get(key).iter().flat_map(syntax::words) {
            mention("", text, &item, EvidenceKind::Config, report);
        }
    }
    for item in at.get("configs").iter().flat_map(At::items) {
        let name = item.text().or_else(|| item.text_of("source")).unwrap_or_default();
        if let Some(content) = context.root.dig(&["configs", name, "content"])
            && let Some(text) = content.text()
        {
            mention("", text, &content, EvidenceKind::Config, report);
        }
    }
}

fn env_file_items<'a>(at: &At<'a>) -> Vec<At<'a>> {
    match at.get("env_file") {
        Some(list) if list.is_list() => list.items().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    }
}
