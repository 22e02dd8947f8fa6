//! Containers of a workload: resources, environment, commands.

use super::super::draft::Draft;
use super::super::mention::Mention;
use super::super::quantity::{self, Prefix};
use super::super::read;
use super::super::report::Report;
use super::super::tree::{At, shorten};
use super::Objects;
use super::resolve::Resolver;
use super::workload::Workload;
use crate::component::Requirements;
use crate::finding::EvidenceKind;
use crate::id::ComponentId;
use crate::infer::address::Context;
use crate::resources::Resources;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one pod needs: the sum over its containers, or the largest init container where that needs more. A limit
/// without a request is the request, too, as Kubernetes defaults it.
pub(super) fn requirements(workload: &Workload<'_>, report: &mut Report) -> Requirements {
    let mut sum = Requirements::default();
    let mut largest = Requirements::default();
    let mut limits: Vec<Resources> = Vec::new();
    for (container, init) in workload.containers() {
        let at = container.get("resources").and_then(|r| read::map(r, report));
        let mut part =
            |key| at.as_ref().and_then(|at| at.get(key)).map(|r| vector(&r, report)).unwrap_or_default();
        let (limit, request) = (part("limits"), part("requests"));
        let request = merge(&request, &limit, |stated, limit| if stated == 0 { limit } else { stated });
        if init && container.text_of("restartPolicy") != Some("Always") {
            largest.request = merge(&largest.request, &request, u64::max);
            largest.limit = merge(&largest.limit, &limit, u64::max);
        } else {
            sum.request = sum.request.saturating_add(&request);
            limits.push(limit);
        }
    }
    sum.request = merge(&sum.request, &largest.request, u64::max);
    // One container without a limit leaves the whole pod without one.
    sum.limit = limits.iter().cloned().reduce(|all, one| all.saturating_add(&one)).unwrap_or_default();
    if limits.iter().any(|one| one.cpu.get() == 0) {
        sum.limit.cpu = crate::Millicores::ZERO;
    }
    if limits.iter().any(|one| one.memory.get() == 0) {
        sum.limit.memory = crate::Bytes::ZERO;
    }
    // A limit that only an init container has would not bind the others: it counts where they have one, too.
    sum.limit = merge(&sum.limit, &largest.limit, |sum, init| if sum == 0 { 0 } else { sum.max(init) });
    sum
}

fn merge(a: &Resources, b: &Resources, pick: impl Fn(u64, u64) -> u64) -> Resources {
    let mut merged = Resources {
        cpu: crate::Millicores(pick(a.cpu.get(), b.cpu.get())),
        memory: crate::Bytes(pick(a.memory.get(), b.memory.get())),
        disk: crate::Bytes(pick(a.disk.get(), b.disk.get())),
        network: crate::BitsPerSecond(pick(a.network.get(), b.network.get())),
        extended: BTreeMap::new(),
    };
    for name in a.extended.keys().chain(b.extended.keys()) {
        merged.extended.insert(Arc::clone(name), pick(a.get(name), b.get(name)));
    }
    merged
}

/// `{cpu: 100m, memory: 64Mi, ephemeral-storage: 1Gi, nvidia.com/gpu: 1}`.
fn vector(at: &At<'_>, report: &mut Report) -> Resources {
    let mut vector = Resources::default();
    for (name, _, _) in at.entries() {
        match name {
            "cpu" => vector.cpu = read::value(at, name, read::CPU, report, quantity::cpu).unwrap_or_default(),
            "memory" => vector.memory = size(at, name, report).unwrap_or_default(),
            "ephemeral-storage" => vector.disk = size(at, name, report).unwrap_or_default(),
            _ => {
                if let Some(amount) = size(at, name, report) {
                    let name = if name.ends_with("/gpu") { "gpu" } else { name };
                    vector.extended.insert(Arc::from(name), amount.get());
                }
            }
        }
    }
    vector
}

fn size(at: &At<'_>, name: &str, report: &mut Report) -> Option<crate::Bytes> {
    read::value(at, name, read::SIZE, report, |t| quantity::bytes(t, Prefix::Decimal))
}

/// A variable of a container: value and where it stands.
struct Variable<'a> {
    value: String,
    at: At<'a>,
}

/// Edges from environment values, commands and mounted configuration.
pub(super) fn mentions(
    workload: &Workload<'_>,
    id: &ComponentId,
    objects: &Objects<'_>,
    resolver: &Resolver<'_>,
    draft: &mut Draft,
    report: &mut Report,
) {
    let lookup = |host: &str| resolver.host(workload.namespace, host);
    for (container, init) in workload.containers() {
        let waits = init && container.text_of("restartPolicy") != Some("Always");
        let mut words = Context::default();
        let variables = environment(workload, &container, objects, report);
        for (name, variable) in &variables {
            let value = expand(&variable.value, &variables);
            let mention = Mention {
                from: id,
                key: name,
                value: &value,
                at: &variable.at,
                evidence: EvidenceKind::Env,
                waits: false,
            };
            mention.read(lookup, draft, report);
        }
        for key in ["command", "args"] {
            for at in container.get(key).iter().flat_map(At::items) {
                let Some(text) = at.text() else { continue };
                let value = expand(text, &variables);
                let mention = Mention {
                    from: id,
                    key: "",
                    value: &value,
                    at: &at,
                    evidence: EvidenceKind::Config,
                    waits,
                };
                mention.read_after(&mut words, lookup, draft, report);
            }
        }
    }
    let volumes = workload.pod.iter().filter_map(|p| p.get("volumes")).flat_map(|v| v.items());
    let maps = volumes.flat_map(|volume| {
        let projected = volume.dig(&["projected", "sources"]);
        let parts: Vec<At<'_>> = projected.iter().flat_map(At::items).chain([volume]).collect();
        parts.into_iter().filter_map(|part| part.dig(&["configMap", "name"]))
    });
    for map in maps {
        let Some(name) = map.text() else { continue };
        let Some(config) = objects.config("ConfigMap", workload.namespace, name) else { continue };
        for (_, _, at) in config.get("data").iter().flat_map(At::entries) {
            let Some(value) = at.text() else { continue };
            let mention =
                Mention { from: id, key: "", value, at: &at, evidence: EvidenceKind::Config, waits: false };
            mention.read(lookup, draft, report);
        }
    }
}

/// All variables of a container: `envFrom` first, `env` wins over it.
fn environment<'a>(
    workload: &Workload<'_>,
    container: &At<'a>,
    objects: &Objects<'a>,
    report: &mut Report,
) -> BTreeMap<String, Variable<'a>> {
    let mut variables = BTreeMap::new();
    for from in container.get("envFrom").iter().flat_map(At::items) {
        let prefix = from.text_of("prefix").unwrap_or_default();
        for (kind, key) in [("ConfigMap", "configMapRef"), ("Secret", "secretRef")] {
            let Some(reference) = from.get(key) else { continue };
            let Some(config) = config(workload, kind, &reference, objects, report) else { continue };
            for (name, value, at) in entries(kind, config) {
                variables.insert(format!("{prefix}{name}"), Variable { value, at });
            }
        }
    }
    for one in container.get("env").iter().flat_map(At::items) {
        let Some(name) = one.text_of("name") else { continue };
        if let Some(at) = one.get("value") {
            if let Some(value) = at.text() {
                variables.insert(name.to_owned(), Variable { value: value.to_owned(), at });
            }
            continue;
        }
        for (kind, key) in [("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")] {
            let Some(reference) = one.dig(&["valueFrom", key]) else { continue };
            let Some(config) = config(workload, kind, &reference, objects, report) else { continue };
            let wanted = reference.text_of("key").unwrap_or_default();
            if let Some((_, value, at)) =
                entries(kind, config).into_iter().find(|(name, _, _)| *name == wanted)
            {
                variables.insert(name.to_owned(), Variable { value, at });
            }
        }
    }
    variables
}

fn config<'a, 'o>(
    workload: &Workload<'_>,
    kind: &'static str,
    reference: &At<'_>,
    objects: &'o Objects<'a>,
    report: &mut Report,
) -> Option<&'o At<'a>> {
    let name = reference.text_of("name")?;
    let found = objects.config(kind, workload.namespace, name);
    // Secrets are rarely part of manifests; only a missing ConfigMap is worth a remark.
    if found.is_none() && kind == "ConfigMap" && reference.text_of("optional") != Some("true") {
        let message = format!("config map `{}` is not part of these manifests", shorten(name));
        report.add("W1304", reference, message, "add its manifest, so that its values can be read");
    }
    found
}

/// Entries of a `ConfigMap` or `Secret`; the values of a `Secret`'s `data` are decoded.
fn entries<'a>(kind: &str, config: &At<'a>) -> Vec<(&'a str, String, At<'a>)> {
    let mut all = Vec::new();
    for key in ["data", "stringData"] {
        for (name, _, at) in config.get(key).iter().flat_map(At::entries) {
            let Some(text) = at.text() else { continue };
            let value =
                if kind == "Secret" && key == "data" { decode_base64(text) } else { Some(text.to_owned()) };
            if let Some(value) = value {
                all.push((name, value, at));
            }
        }
    }
    all
}

/// Text from Base64 (RFC 4648); `None` if it is not Base64 or not UTF-8.
fn decode_base64(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0_u32, 0_u32);
    for b in text.bytes().filter(|b| !b.is_ascii_whitespace() && *b != b'=') {
        let six = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        buffer = (buffer << 6 | u32::from(six)) & 0xFFFF;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xFF).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Replaces `$(NAME)` by the value of another variable, once; `$$` is a dollar sign.
fn expand(text: &str, variables: &BTreeMap<String, Variable<'_>>) -> String {
    if !text.contains("$(") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match variables.get(name) {
                Some(variable) if out.len() < 1 << 20 => out.push_str(&variable.value),
                _ => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_decoded_and_what_is_no_base64_is_left_out() {
        assert_eq!(decode_base64("ZGI6NTQzMg==").as_deref(), Some("db:5432"));
        assert_eq!(decode_base64("not base64!"), None);
        assert_eq!(decode_base64("////"), None);
    }
}
