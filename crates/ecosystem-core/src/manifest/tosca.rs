//! TOSCA: service templates of the simple profile (1.0 to 1.3) and of TOSCA 2.0.

mod types;

use super::draft::Draft;
use super::mention::infer_kind;
use super::quantity::{self, Prefix};
use super::read;
use super::report::Report;
use super::tree::{At, Value, shorten};
use crate::component::{Component, Kind, Port, Version};
use crate::dependency::{Dependency, DependencyKind};
use crate::finding::{Confidence, EvidenceKind};
use crate::id::ComponentId;
use crate::infer::image;
use crate::rules::{Domain, Rule, RuleKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use types::Types;

/// Reads all service templates, with the types of all files; `files` are the names of all inputs, against which imports are
/// checked.
pub(crate) fn read(roots: &[At<'_>], files: &[&str], draft: &mut Draft, report: &mut Report) {
    let types = Types::new(roots);
    for root in roots {
        read_one(root, &types, files, draft, report);
    }
}

fn read_one<'a>(root: &At<'a>, types: &'a Types<'a>, files: &[&str], draft: &mut Draft, report: &mut Report) {
    imports(root, files, report);
    let Some(template) = root.get("topology_template").or_else(|| root.get("service_template")) else {
        report.add(
            "W1106",
            root,
            "the file has no `topology_template` and no `service_template`".to_owned(),
            "nothing needs to be done if it only defines types",
        );
        return;
    };
    let context = Context { template: template.clone(), types, nodes: nodes(&template, report) };
    for (name, _, at) in template.get("node_templates").iter().flat_map(At::entries) {
        if let Some(id) = context.nodes.get(name) {
            node(id, &at, &context, draft, report);
            requirements(id, &at, &context, draft, report);
        }
    }
    policies(&context, draft, report);
}

/// What node templates are read against.
struct Context<'a> {
    template: At<'a>,
    types: &'a Types<'a>,
    nodes: BTreeMap<&'a str, ComponentId>,
}

/// A node template with the definitions of its type and the ancestors of that.
struct Typed<'a> {
    at: At<'a>,
    lineage: Vec<At<'a>>,
}

fn nodes<'a>(template: &At<'a>, report: &mut Report) -> BTreeMap<&'a str, ComponentId> {
    let all = template.get("node_templates");
    if all.is_none() {
        report.add(
            "W1106",
            template,
            "`node_templates` is empty".to_owned(),
            "list the nodes of the service",
        );
    }
    all.iter()
        .flat_map(At::entries)
        .filter_map(|(name, _, at)| Draft::id(name, &at, report).map(|id| (name, id)))
        .collect()
}

/// Imported files must be among the inputs; profiles and repositories never are.
fn imports(root: &At<'_>, files: &[&str], report: &mut Report) {
    for item in root.get("imports").iter().flat_map(At::items) {
        let named = item.items().next();
        let one = named.as_ref().unwrap_or(&item);
        let target = one
            .text()
            .or_else(|| ["file", "url", "profile"].iter().find_map(|key| one.text_of(key)))
            .or_else(|| {
                one.node.entries().first().and_then(|e| e.node.text().or_else(|| e.node.get("file")?.text()))
            })
            .unwrap_or_default();
        let base = target.rsplit('/').next().unwrap_or(target);
        let known = !base.is_empty()
            && files.iter().any(|f| {
                f.strip_suffix(base).is_some_and(|dir| dir.is_empty() || dir.ends_with(['/', '\\', '_']))
            });
        if !known {
            let message = format!("`{}` is imported, but not among the inputs", shorten(target));
            report.add("W1330", &item, message, "hand in that file, too; its types are not known otherwise");
        }
    }
}

impl<'a> Context<'a> {
    /// The text of a value, with `get_input` replaced by the input's default or value.
    fn text(&self, at: &At<'a>) -> Option<&'a str> {
        if let Some(text) = at.text() {
            return text.strip_prefix("$$").or(Some(text));
        }
        let call = at.node.entries().first()?;
        if !matches!(&*call.key, "get_input" | "$get_input") {
            return None;
        }
        let name = call.node.text().or_else(|| call.node.items().first()?.text())?;
        let input = self.template.dig(&["inputs", name])?;
        input.get("value").or_else(|| input.get("default")).and_then(|v| v.text())
    }

    /// What the template says of a property, else its types.
    fn property(&self, node: &Typed<'a>, keys: &[&str]) -> Option<(&'a str, At<'a>)> {
        let value = node.at.dig(keys).or_else(|| self.types.default(&node.lineage, keys))?;
        self.text(&value).map(|text| (text, value))
    }

    /// A quantity; functions that cannot be resolved are left out, values that are none are findings.
    fn quantity<T>(
        &self,
        node: &Typed<'a>,
        keys: &[&str],
        expected: &str,
        report: &mut Report,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (text, value) = self.property(node, keys)?;
        let found = parse(text);
        if found.is_none() {
            let message =
                format!("`{}` is `{}`, expected {expected}", keys.last().unwrap_or(&""), shorten(text));
            report.add("E1104", &value, message, format!("write {expected}"));
        }
        found
    }
}

fn node<'a>(id: &ComponentId, at: &At<'a>, context: &Context<'a>, draft: &mut Draft, report: &mut Report) {
    let node_type = at.text_of("type").unwrap_or_default();
    if node_type.is_empty() {
        report.add("E1106", at, "`type` is missing in the node template".to_owned(), "name its node type");
    }
    let typed = Typed { at: at.clone(), lineage: context.types.lineage(node_type) };
    let mut component = Component::new(id.clone(), context.types.kind(node_type));
    component.labels.insert(Arc::from("tosca.type"), Arc::from(node_type));
    let size = |t: &str| quantity::bytes(t, Prefix::Decimal);
    for host in ["host", "compute"] {
        let path = |key| ["capabilities", host, "properties", key];
        let request = &mut component.requirements.request;
        if let Some(cpu) = context.quantity(&typed, &path("num_cpus"), read::CPU, report, quantity::cpu) {
            request.cpu = cpu;
        }
        if let Some(memory) = context.quantity(&typed, &path("mem_size"), read::SIZE, report, size) {
            request.memory = memory;
        }
        if let Some(disk) = context.quantity(&typed, &path("disk_size"), read::SIZE, report, size) {
            request.disk = disk;
        }
    }
    if let Some(disk) = context.quantity(&typed, &["properties", "size"], read::SIZE, report, size) {
        component.requirements.request.disk = disk;
    }
    ports(&typed, context, &mut component);
    let counts = ["min_instances", "max_instances", "default_instances"];
    if counts.iter().any(|key| context.property(&typed, &scalable(key)).is_some()) {
        let mut count = |key: &str| {
            context.quantity(&typed, &scalable(key), read::WHOLE, report, |t| {
                quantity::count(t).and_then(|n| u32::try_from(n).ok())
            })
        };
        let (min, max, default) =
            (count("min_instances"), count("max_instances"), count("default_instances"));
        if let (Some(min), Some(max)) = (min, max) {
            component.replica_range = Some((min, max.max(min)));
        }
        component.replicas = default.or(min).unwrap_or(1);
        if let Some((min, max)) = component.replica_range {
            component.replicas = component.replicas.clamp(min, max);
        }
    }
    if let Some((version, _)) = context.property(&typed, &["properties", "component_version"]) {
        component.version = Version::new(version);
    }
    if let Some((file, artifact)) = artifact(&typed) {
        let (name, tag, digest) = image::split(file);
        component.image = Arc::from(name);
        if component.kind == Kind::Container {
            infer_kind(&mut component, file, &artifact, report);
        }
        if component.version.is_unknown() {
            component.version = Version::new(tag.or(digest).unwrap_or(""));
        }
    }
    draft.add(component, report.place(at), report);
}

/// Ports in the properties of the node and of its capabilities, which its types may define and give a port.
fn ports<'a>(node: &Typed<'a>, context: &Context<'a>, component: &mut Component) {
    let mut add = |number: Option<&str>, protocol: &str| {
        if let Some(number) = number.and_then(|t| t.parse::<u16>().ok()).filter(|&p| p > 0)
            && !component.ports.iter().any(|p| p.number == number)
        {
            component.ports.push(Port { number, protocol: Arc::from(protocol.to_ascii_lowercase()) });
        }
    };
    add(context.property(node, &["properties", "port"]).map(|(t, _)| t), "tcp");
    let mut names: Vec<&str> = Vec::new();
    for holder in std::iter::once(&node.at).chain(&node.lineage) {
        for (name, _, _) in holder.get("capabilities").iter().flat_map(At::entries) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    for name in names {
        let property =
            |key| context.property(node, &["capabilities", name, "properties", key]).map(|(t, _)| t);
        let protocol = ["protocol", "name"].into_iter().find_map(property).unwrap_or("tcp");
        let number = ["target-port", "target_port", "targetPort", "port"].into_iter().find_map(property);
        add(number, protocol);
        let list = node.at.dig(&["capabilities", name, "properties", "ports"]);
        for item in list.iter().flat_map(At::items) {
            let key = if item.get("targetPort").is_some() { "targetPort" } else { "port" };
            add(item.text_of(key), item.text_of("name").unwrap_or("tcp"));
        }
    }
}

/// Where a number of instances is said.
fn scalable(key: &str) -> [&str; 4] {
    ["capabilities", "scalable", "properties", key]
}

/// Images among the artifacts of the template, else of its nearest type that has one.
fn artifact<'a>(node: &Typed<'a>) -> Option<(&'a str, At<'a>)> {
    std::iter::once(&node.at).chain(&node.lineage).find_map(|holder| {
        let all = holder.get("artifacts")?;
        all.entries()
            .filter_map(|(_, _, artifact)| {
                let is_image =
                    artifact.text_of("type").is_some_and(|t| t.to_ascii_lowercase().contains("image"));
                let file = artifact.text_of("file").filter(|_| is_image)?;
                Some((file, artifact))
            })
            .last()
    })
}

/// Requirements name another node template, or only a type or capability, which the orchestrator would choose for.
fn requirements<'a>(
    id: &ComponentId,
    at: &At<'a>,
    context: &Context<'a>,
    draft: &mut Draft,
    report: &mut Report,
) {
    for item in at.get("requirements").iter().flat_map(At::items) {
        // A requirement without content is still one: `- socket: {}`.
        for (name, _, value) in item.entries() {
            let target = value.get("node").unwrap_or_else(|| value.clone());
            let relationship = value
                .get("relationship")
                .and_then(|r| r.text().or_else(|| r.text_of("type")))
                .unwrap_or_default();
            let Some(node) = target.text() else {
                if !matches!(value.node.value, Value::Scalar(_)) {
                    unresolved(id, name, &value, report);
                }
                continue;
            };
            match context.nodes.get(node) {
                Some(to) => edge(id, to, (name, relationship), &value, draft, report),
                None if context.types.is_type(node) || node.contains(':') || node.starts_with("tosca.") => {
                    unresolved(id, name, &value, report);
                }
                None => {
                    let message = format!(
                        "requirement `{}` of `{id}` names `{}`, which is not a node template",
                        shorten(name),
                        shorten(node)
                    );
                    let remedy = report.did_you_mean(
                        node,
                        context.nodes.keys().copied(),
                        "define it or correct the name",
                    );
                    report.add("E1110", &value, message, remedy);
                }
            }
        }
    }
}

fn unresolved(id: &ComponentId, name: &str, at: &At<'_>, report: &mut Report) {
    let message = format!(
        "requirement `{}` of `{id}` names no node template; the choice is the orchestrator's",
        shorten(name)
    );
    report.add("W1333", at, message, "no edge is made of it; name the node if it is known");
}

/// `host` puts one on the other and needs it first; `local_storage` and the like share a volume; everything else is
/// a connection.
fn edge(
    from: &ComponentId,
    to: &ComponentId,
    (name, relationship): (&str, &str),
    at: &At<'_>,
    draft: &mut Draft,
    report: &Report,
) {
    let last = relationship.rsplit(['.', ':']).next().unwrap_or_default();
    let kind = match (last, name) {
        ("HostedOn" | "DependsOn", _) | ("", "host" | "dependency") => DependencyKind::StartOrder,
        ("AttachesTo", _) | ("", "local_storage" | "storage" | "attachment") => DependencyKind::Volume,
        _ => DependencyKind::Call,
    };
    let mut edge = Dependency::new(from.clone(), to.clone(), kind);
    edge.evidence = vec![report.evidence(EvidenceKind::Declared, Confidence::High, at)];
    draft.connect(edge.clone(), report.place(at));
    if name.contains("database") || name.contains("queue") {
        edge.kind = DependencyKind::Data;
        draft.connect(edge, report.place(at));
    }
}

/// Placement and scaling policies of the simple profile.
fn policies(context: &Context<'_>, draft: &mut Draft, report: &mut Report) {
    for item in context.template.get("policies").iter().flat_map(At::items) {
        for (name, _, at) in item.entries() {
            let policy_type = at.text_of("type").unwrap_or_default();
            let mut members: Vec<ComponentId> = Vec::new();
            for (target, _) in read::texts_of(&at, "targets", report) {
                if let Some(id) = context.nodes.get(target) {
                    members.push(id.clone());
                }
                let group = context.template.dig(&["groups", target, "members"]);
                for (member, _) in group.iter().flat_map(|g| read::texts(g, &mut Report::new(1))) {
                    members.extend(context.nodes.get(member).cloned());
                }
            }
            let last = policy_type.rsplit(['.', ':']).next().unwrap_or_default().to_ascii_lowercase();
            let kind = if members.is_empty() {
                None
            } else if last.contains("antilocate")
                || last.contains("antiaffinity")
                || last.contains("anti-affinity")
            {
                Some(RuleKind::Apart { members, domain: Domain::Host })
            } else if last.contains("colocate") || last.contains("affinity") {
                Some(RuleKind::Together { members, domain: Domain::Host })
            } else {
                None
            };
            if let Some(kind) = kind {
                draft.rules.push((Rule::hard(name, kind), report.place(&at)));
            } else {
                let message =
                    format!("policy `{}` of type `{}` is not read", shorten(name), shorten(policy_type));
                report.add("I1334", &at, message, "write a rule by hand if the placement must honour it");
            }
        }
    }
}
