//! Services, ingresses and network policies.

use super::super::draft::Draft;
use super::super::report::Report;
use super::super::tree::At;
use super::resolve::Resolver;
use super::selector::Selector;
use super::{Object, Objects};
use crate::component::{Kind, Port};
use crate::dependency::{Dependency, DependencyKind};
use crate::finding::{Confidence, EvidenceKind};
use crate::id::ComponentId;
use std::sync::Arc;

/// Target ports of a service are ports of the workloads behind it; a service that is reached from outside is noted.
pub(super) fn service(service: &Object<'_>, resolver: &Resolver<'_>, draft: &mut Draft, report: &Report) {
    let Some(spec) = service.at.get("spec") else { return };
    let behind = resolver.service(service.namespace, service.name).unwrap_or_default();
    for id in behind {
        if draft.whole.contains(id) {
            continue;
        }
        let Some((component, _)) = draft.components.get_mut(id) else { continue };
        if component.kind == Kind::External {
            continue;
        }
        for at in spec.get("ports").iter().flat_map(At::items) {
            let number = |key| at.text_of(key).and_then(|t: &str| t.parse::<u16>().ok()).filter(|&p| p > 0);
            // A named target port is one of the container's own.
            let target = if at.get("targetPort").is_some() { number("targetPort") } else { number("port") };
            if let Some(number) = target
                && !component.ports.iter().any(|p| p.number == number)
            {
                let protocol = at.text_of("protocol").unwrap_or("tcp").to_ascii_lowercase();
                component.ports.push(Port { number, protocol: Arc::from(protocol) });
            }
        }
        let exposure = spec.text_of("type").unwrap_or("ClusterIP");
        if matches!(exposure, "LoadBalancer" | "NodePort") {
            component.labels.insert(Arc::from("kubernetes.exposed"), Arc::from(exposure));
            let evidence = report.evidence(EvidenceKind::Declared, Confidence::High, &service.at);
            component.evidence.push(evidence);
        }
    }
}

/// An ingress exposes the workloads behind its services under a host and a path.
pub(super) fn ingress(ingress: &Object<'_>, resolver: &Resolver<'_>, draft: &mut Draft, report: &mut Report) {
    let Some(spec) = ingress.at.get("spec") else { return };
    let mut routes: Vec<(String, At<'_>)> = Vec::new();
    for key in ["defaultBackend", "backend"] {
        routes.extend(spec.get(key).map(|at| ("*".to_owned(), at)));
    }
    for rule in spec.get("rules").iter().flat_map(At::items) {
        let host = rule.text_of("host").unwrap_or("*");
        for path in rule.dig(&["http", "paths"]).iter().flat_map(At::items) {
            let under = path.text_of("path").unwrap_or("/");
            routes.extend(path.get("backend").map(|at| (format!("{host}{under}"), at)));
        }
    }
    for (route, backend) in routes {
        let name = backend
            .dig(&["service", "name"])
            .and_then(|n| n.text())
            .or_else(|| backend.text_of("serviceName"));
        let Some(name) = name else { continue };
        let Some(behind) = resolver.service(ingress.namespace, name) else {
            let message = format!(
                "ingress `{}` sends to service `{name}`, which is not part of these manifests",
                ingress.name
            );
            report.add("W1303", &backend, message, "correct the name or add the service's manifest");
            continue;
        };
        for id in behind {
            if let Some((component, _)) = draft.components.get_mut(id) {
                let label = component.labels.entry(Arc::from("kubernetes.ingress"));
                let routes = label.or_insert_with(|| Arc::from(""));
                if routes.is_empty() {
                    *routes = Arc::from(route.as_str());
                } else if routes.len() < 4_096 && !routes.split(',').any(|known| known == route) {
                    *routes = Arc::from(format!("{routes},{route}"));
                }
                component.evidence.push(report.evidence(EvidenceKind::Declared, Confidence::High, &backend));
            }
        }
    }
}

/// Peers that a policy names by their labels may talk to each other: call edges of medium confidence. Policies that
/// allow or deny everything say nothing about who talks to whom.
pub(super) fn policy(
    policy: &Object<'_>,
    objects: &Objects<'_>,
    resolver: &Resolver<'_>,
    draft: &mut Draft,
    report: &mut Report,
) {
    let Some(spec) = policy.at.get("spec") else { return };
    let chosen = match spec.get("podSelector") {
        Some(selector) => Selector::read(&selector, report),
        None => Selector::default(),
    };
    let subjects = resolver.select(policy.namespace, &chosen);
    if subjects.is_empty() && !objects.workloads.is_empty() && !chosen.is_empty() {
        let message = format!("network policy `{}` selects no workload of these manifests", policy.name);
        report.add("W1303", &policy.at, message, "correct the selector or add the workload's manifest");
    }
    // Who may talk to whom is known only where both sides are named.
    if chosen.is_empty() {
        return;
    }
    for (direction, peers_key) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.get(direction).iter().flat_map(At::items) {
            let port = rule
                .get("ports")
                .and_then(|p| p.items().next())
                .and_then(|p| p.text_of("port").and_then(|t| t.parse::<u16>().ok()));
            for peer in rule.get(peers_key).iter().flat_map(At::items) {
                for other in peers(policy, &peer, resolver, report) {
                    if !draft.has_room() {
                        return;
                    }
                    for &subject in &subjects {
                        let ends = if direction == "ingress" { (other, subject) } else { (subject, other) };
                        let (Some(from), Some(to)) = (resolver.id(ends.0), resolver.id(ends.1)) else {
                            continue;
                        };
                        edge(from, to, port, &peer, draft, report);
                    }
                }
            }
        }
    }
}

/// Workloads that a peer names by labels, in the policy's or the named namespaces.
fn peers(policy: &Object<'_>, peer: &At<'_>, resolver: &Resolver<'_>, report: &mut Report) -> Vec<usize> {
    let Some(selector) = peer.get("podSelector").map(|s| Selector::read(&s, report)) else {
        return Vec::new();
    };
    if selector.is_empty() {
        return Vec::new();
    }
    let Some(elsewhere) = peer.get("namespaceSelector") else {
        return resolver.select(policy.namespace, &selector);
    };
    // Namespaces are known by their name alone, which every cluster sets as this label.
    let namespaces = Selector::read(&elsewhere, report);
    resolver
        .namespaces()
        .filter(|name| namespaces.matches(&[("kubernetes.io/metadata.name", *name)].into()))
        .flat_map(|name| resolver.select(name, &selector))
        .collect()
}

fn edge(
    from: &ComponentId,
    to: &ComponentId,
    port: Option<u16>,
    at: &At<'_>,
    draft: &mut Draft,
    report: &Report,
) {
    if from == to {
        return;
    }
    let mut edge = Dependency::new(from.clone(), to.clone(), DependencyKind::Call);
    edge.port = port;
    edge.evidence = vec![report.evidence(EvidenceKind::NetworkPolicy, Confidence::Medium, at)];
    draft.connect(edge, report.place(at));
}
