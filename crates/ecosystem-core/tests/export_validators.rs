//! Exports of a map with every kind of component and edge, held against other people's programs (`ECO_REAL=1`).
#![cfg(all(feature = "export", feature = "manifest"))]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::print_stdout,
    reason = "a test may write files, run validators and say what it skips"
)]

use ecosystem_core::Ecosystem;
use ecosystem_core::export::{compose, cyclonedx, cypher, dot, graphml, helm, jsonld, kubernetes, terraform};
use ecosystem_core::manifest::{self, ParseOptions, Source};
use ecosystem_core::prometheus::{self, FamilyKind, MetricFamily, MetricSample};
use std::path::{Path, PathBuf};
use std::process::Command;

/// All kinds, all edge kinds, text that looks like templates, names that other alphabets do not have.
const MAP: &str = r#"
version: 1
name: Every Kind
owner: "team {{ x }} ${y} %{z}"
components:
  gateway: {kind: gateway, image: "nginx:1.27", replicas: {min: 2, max: 5}, ports: [80/http, 443/tcp],
    resources: {request: {cpu: 250m, memory: 128Mi}, limit: {cpu: 1, memory: 512Mi}},
    depends_on: [{on: Api_Server, port: 8080}, {on: Api_Server, kind: start-order, condition: healthy}, {on: mail.example.org, port: 25}]}
  Api_Server: {image: "registry.example:5000/shop/api:2.1.0", replicas: 3, ports: [8080], labels: {tier: "{{ tier }}"},
    depends_on: [{on: db, kind: [call, data, start-order], port: 5432}, {on: cache, strength: soft}, {on: events, kind: data}]}
  db: {kind: database, image: "postgres:16.4", replicas: 2, ports: [5432], resources: {cpu: 1, memory: 2Gi, disk: 20Gi}}
  cache: {kind: cache, image: "redis:7", ports: [6379]}
  events: {kind: queue, image: "rabbitmq:3", ports: [5672]}
  nightly: {kind: batch, image: "shop/report@sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
    depends_on: [{on: db, kind: volume}]}
  agent: {image: "shop/agent:1", per_host: true}
  resize: {kind: function, image: "shop/resize:4"}
  build-vm: {kind: vm, image: "debian:12"}
  mail.example.org: {kind: external}
rules:
  - {kind: apart, members: [db], domain: host}
  - {kind: spread, members: [Api_Server], domain: zone, min_domains: 2, max_skew: 1}
"#;

fn map() -> Ecosystem {
    let parsed = manifest::parse(&[Source::new("every.yaml", MAP)], &ParseOptions::default()).unwrap();
    assert_eq!(parsed.findings, []);
    parsed.ecosystem
}

/// Writes every export into a folder of this test run.
fn written() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("validators");
    let _ = std::fs::remove_dir_all(&folder);
    let map = map();
    let plain = kubernetes::Settings::default();
    let mut files = vec![
        ("map.k8s.yaml".to_owned(), kubernetes::manifests(&map, &plain)),
        ("default.k8s.yaml".to_owned(), kubernetes::manifests(&map, &plain.in_namespace("default"))),
        ("isolated.k8s.yaml".to_owned(), kubernetes::manifests(&map, &plain.isolated().in_namespace("shop"))),
        ("map.compose.yaml".to_owned(), compose::file(&map)),
        // the first generation of docker-compose, which Debian has, does not know `name`
        ("first.compose.yaml".to_owned(), compose::file(&map).replace("name: every-kind\n", "")),
        ("map.tf.json".to_owned(), terraform::configuration(&map, &plain)),
        ("map.cdx.json".to_owned(), cyclonedx::map(&map)),
        ("map.graphml".to_owned(), graphml::map(&map)),
        ("map.jsonld".to_owned(), jsonld::map(&map, "https://example.org/maps/every/")),
        ("map.dot".to_owned(), dot::map(&map)),
        ("map.cypher".to_owned(), cypher::map(&map)),
        ("metrics.prom".to_owned(), prometheus::encode(&metrics())),
        ("metrics.json".to_owned(), samples(&metrics())),
        ("kustomization.yaml".to_owned(), "resources: [map.k8s.yaml]\n".to_owned()),
        ("counts.json".to_owned(), format!("[{}, {}]", map.len(), map.dependencies().len())),
    ];
    for (name, provider) in [
        ("eks", kubernetes::Provider::Eks),
        ("aks", kubernetes::Provider::Aks),
        ("gke", kubernetes::Provider::Gke),
    ] {
        files.push((format!("{name}.k8s.yaml"), kubernetes::manifests(&map, &plain.on(provider))));
    }
    files.extend(helm::chart(&map, &plain).into_iter().map(|(name, text)| (format!("chart/{name}"), text)));
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// Runs a program on the exports. That it, or a library of it, is not installed is a visible skip.
fn accepts(program: &str, arguments: &[&str], folder: &Path) {
    let output = match Command::new(program).args(arguments).current_dir(folder).output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: {program}: {error}");
            return;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(3) && program == "python3" {
        println!("skipped: {}: {errors}", arguments[1]);
        return;
    }
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{program} {arguments:?}: {said}{errors}");
}

#[test]
fn programs_of_others_accept_every_export() {
    if std::env::var_os("ECO_REAL").is_none_or(|value| value != "1") {
        println!("skipped: validators run with ECO_REAL=1");
        return;
    }
    let folder = written();
    for file in ["map", "isolated", "eks", "aks", "gke"] {
        accepts("kubernetes-validate", &["--strict", &format!("{file}.k8s.yaml")], &folder);
    }
    accepts("docker-compose", &["-f", "first.compose.yaml", "config", "--quiet"], &folder);
    accepts("dot", &["-Tsvg", "-o", "/dev/null", "map.dot"], &folder);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/validators/check.py");
    // without a cluster kubectl judges by building: names, kinds, no object twice
    accepts("kubectl", &["kustomize", "."], &folder);
    for what in
        ["compose", "helm", "terraform", "cyclonedx", "graphml", "jsonld", "cypher", "prometheus", "networkx"]
    {
        accepts("python3", &[script, what, "."], &folder);
    }
    theirs_are_read(&folder);
}

/// What the programs of others wrote is read as they mean it.
fn theirs_are_read(folder: &Path) {
    if let Ok(text) = std::fs::read_to_string(folder.join("theirs.prom")) {
        let families = prometheus::parse(&text).unwrap();
        let theirs = std::fs::read_to_string(folder.join("theirs.json")).unwrap();
        let theirs: Vec<Seen> = serde_json::from_str(&theirs).unwrap();
        let ours: Vec<Seen> = serde_json::from_str(&samples(&families)).unwrap();
        assert!(theirs.len() > 20);
        assert_eq!(ours, theirs);
        assert_eq!(
            prometheus::encode(&prometheus::parse(&prometheus::encode(&families)).unwrap()),
            prometheus::encode(&families)
        );
    }
    if let Ok(text) = std::fs::read_to_string(folder.join("theirs.graphml")) {
        let parsed =
            manifest::parse(&[Source::new("theirs.graphml", &text)], &ParseOptions::default()).unwrap();
        let map = parsed.ecosystem;
        let nodes: Vec<_> = map.components().map(|c| (c.id.as_str(), c.kind.as_str(), c.replicas)).collect();
        assert_eq!(nodes, [("web", "gateway", 2), ("api-co", "container", 3), ("db", "database", 1)]);
        let edges: Vec<_> =
            map.dependencies().map(|d| (d.from.as_str(), d.to.as_str(), d.kind.as_str(), d.port)).collect();
        assert_eq!(edges, [("web", "api-co", "call", Some(8080)), ("api-co", "db", "data", Some(5432))]);
    }
}

/// Metrics with every kind of family and every character that must be escaped.
fn metrics() -> Vec<MetricFamily> {
    let mut requests =
        MetricFamily::new("http_requests_total", FamilyKind::Counter, "All requests\nwith \\ in it");
    requests.samples = vec![
        MetricSample::new("http_requests_total", 1027.0).with("path", "C:\\x\"y\"\nz").with("code", "200"),
        MetricSample::new("http_requests_total", 3.5).with("path", "größe").with("code", "500"),
    ];
    let mut load = MetricFamily::new("load", FamilyKind::Gauge, "");
    load.samples = vec![MetricSample::new("load", -1.25e-7)];
    let mut latency = MetricFamily::new("latency_seconds", FamilyKind::Histogram, "Latency");
    latency.samples = vec![
        MetricSample::new("latency_seconds_bucket", 2.0).with("le", "0.5"),
        MetricSample::new("latency_seconds_bucket", 3.0).with("le", "+Inf"),
        MetricSample::new("latency_seconds_sum", 8.25),
        MetricSample::new("latency_seconds_count", 3.0),
    ];
    vec![requests, load, latency]
}

/// Name, sorted labels and value of a sample.
type Seen = (String, Vec<(String, String)>, f64);

/// Samples as sorted JSON: name, sorted labels, value.
fn samples(families: &[MetricFamily]) -> String {
    let mut all: Vec<Seen> = families
        .iter()
        .flat_map(|family| &family.samples)
        .map(|sample| {
            let mut labels: Vec<_> =
                sample.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
            labels.sort();
            (sample.name.to_string(), labels, sample.value)
        })
        .collect();
    all.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    serde_json::to_string(&all).unwrap()
}
