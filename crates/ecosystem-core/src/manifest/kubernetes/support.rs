//! Disruption budgets, autoscalers, shared volumes, kustomizations.

use super::super::draft::Draft;
use super::super::quantity;
use super::super::read;
use super::super::report::Report;
use super::super::tree::{At, shorten};
use super::resolve::Resolver;
use super::selector::Selector;
use super::{Object, Objects};
use crate::dependency::{Dependency, DependencyKind};
use crate::finding::{Confidence, EvidenceKind};
use crate::id::ComponentId;
use std::collections::BTreeMap;

/// `maxUnavailable` or `minAvailable`, whole or in percent (rounded up, as Kubernetes does).
pub(super) fn disruption_budget(
    budget: &Object<'_>,
    objects: &Objects<'_>,
    resolver: &Resolver<'_>,
    draft: &mut Draft,
    report: &mut Report,
) {
    let Some(spec) = budget.at.get("spec") else { return };
    let Some(selector) = spec.get("selector").map(|s| Selector::read(&s, report)) else { return };
    let chosen = resolver.select(budget.namespace, &selector);
    if chosen.is_empty() && !objects.workloads.is_empty() {
        let message = format!("disruption budget `{}` selects no workload of these manifests", budget.name);
        report.add("W1303", &budget.at, message, "correct the selector or add the workload's manifest");
    }
    for index in chosen {
        let Some((component, _)) = resolver.id(index).and_then(|id| draft.components.get_mut(id)) else {
            continue;
        };
        let replicas = u64::from(component.replicas);
        let mut amount = |key: &str| {
            read::value(&spec, key, "a whole number or percent", report, |t| match t.strip_suffix('%') {
                Some(percent) => quantity::count(percent).map(|p| (replicas * p.min(100)).div_ceil(100)),
                None => quantity::count(t),
            })
        };
        let most = amount("maxUnavailable")
            .or_else(|| amount("minAvailable").map(|min| replicas.saturating_sub(min)));
        let most = most.and_then(|n| u32::try_from(n).ok());
        // what an export of ours made of the budget that the component has anyway says nothing new
        if !draft.whole.contains(&component.id) || most != Some(component.disruption_budget()) {
            component.max_unavailable = most;
        }
    }
}

/// The range of replicas that an autoscaler may choose from.
pub(super) fn scaler(scaler: &Object<'_>, resolver: &Resolver<'_>, draft: &mut Draft, report: &mut Report) {
    let Some(spec) = scaler.at.get("spec") else { return };
    let target = |key| spec.dig(&["scaleTargetRef", key]).and_then(|t| t.text()).unwrap_or_default();
    let (kind, name) = (target("kind"), target("name"));
    let found = resolver.named(scaler.namespace, name, kind);
    let Some(id) = found.and_then(|index| resolver.id(index)) else {
        let message = format!(
            "autoscaler `{}` names {kind} `{}`, which is not part of these manifests",
            scaler.name,
            shorten(name)
        );
        report.add("W1303", &scaler.at, message, "correct `scaleTargetRef` or add the workload's manifest");
        return;
    };
    let min = read::u32_of(&spec, "minReplicas", report).unwrap_or(1);
    let max = read::u32_of(&spec, "maxReplicas", report).unwrap_or(min).max(min);
    if let Some((component, _)) = draft.components.get_mut(id) {
        component.replica_range = Some((min, max));
        component.replicas = component.replicas.clamp(min, max);
    }
}

/// Workloads that mount the same claim share a volume: edges from each to those before it.
pub(super) fn volumes(objects: &Objects<'_>, resolver: &Resolver<'_>, draft: &mut Draft, report: &Report) {
    let mut users: BTreeMap<(&str, &str), Vec<(ComponentId, At<'_>)>> = BTreeMap::new();
    for (index, workload) in objects.workloads.iter().enumerate() {
        let Some(id) = resolver.id(index) else { continue };
        for volume in workload.pod.iter().filter_map(|p| p.get("volumes")).flat_map(|v| v.items()) {
            let Some(claim) = volume.dig(&["persistentVolumeClaim", "claimName"]) else { continue };
            let Some(name) = claim.text() else { continue };
            users.entry((workload.namespace, name)).or_default().push((id.clone(), claim));
        }
    }
    for sharers in users.values() {
        share(sharers, draft, report);
    }
}

/// Pairs of components that share a volume, each with the one before it; beyond 16 sharers only with the first.
pub(in crate::manifest) fn share(sharers: &[(ComponentId, At<'_>)], draft: &mut Draft, report: &Report) {
    for (position, (from, at)) in sharers.iter().enumerate() {
        let before = if sharers.len() > 16 { position.min(1) } else { position };
        for (to, _) in sharers.iter().take(before) {
            if from == to {
                continue;
            }
            let mut edge = Dependency::new(from.clone(), to.clone(), DependencyKind::Volume);
            edge.evidence = vec![report.evidence(EvidenceKind::Volume, Confidence::High, at)];
            draft.connect(edge, report.place(at));
        }
    }
}

/// What a kustomization refers to must be among the inputs; what it changes is not applied.
pub(super) fn kustomization(at: &At<'_>, files: &[&str], report: &mut Report) {
    for key in ["resources", "bases", "components", "crds"] {
        for (name, item) in read::texts_of(at, key, report) {
            let base = name.rsplit('/').next().unwrap_or(name);
            // Inputs may be named by their whole path, with other separators.
            let found = files.iter().any(|file| {
                file.strip_suffix(base).is_some_and(|dir| dir.is_empty() || dir.ends_with(['/', '\\', '_']))
            });
            if !found {
                let message =
                    format!("kustomization refers to `{}`, which is not among the inputs", shorten(name));
                report.add("W1330", &item, message, "hand in that file, too");
            }
        }
    }
    for key in [
        "patches",
        "patchesStrategicMerge",
        "patchesJson6902",
        "namePrefix",
        "nameSuffix",
        "images",
        "replicas",
        "configMapGenerator",
        "secretGenerator",
        "helmCharts",
        "helmGlobals",
        "namespace",
        "commonLabels",
        "labels",
        "commonAnnotations",
        "replacements",
        "vars",
        "generators",
        "transformers",
    ] {
        if let Some(value) = at.get(key) {
            let message = format!("`{key}` of the kustomization is not applied");
            report.add(
                "W1332",
                &value,
                message,
                "render it first (`kustomize build`) and hand in the result",
            );
        }
    }
}
