//! What is emitted reads back to the same map, and real validators accept it.
#![cfg(all(feature = "export", feature = "manifest"))]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "helpers of tests, which read files"
)]
#![allow(clippy::disallowed_macros, reason = "a skip must be seen")]

use ecosystem_core::export::{ansible, compose, json, kubernetes, native};
use ecosystem_core::manifest::{self, ParseOptions, Source};
use ecosystem_core::testing::{ecosystems, infrastructures, scattered};
use ecosystem_core::{
    Bytes, Component, Confidence, Dependency, DependencyKind, Ecosystem, Evidence, EvidenceKind, Kind,
    Millicores, Place, Port, Resources, Version, diff,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn parse(name: &str, text: &str) -> Ecosystem {
    manifest::parse(&[Source::new(name, text)], &ParseOptions::default()).unwrap().ecosystem
}

/// Names, replicas and needs of everything that runs.
fn runs(map: &Ecosystem) -> BTreeSet<(String, u32, u64, u64)> {
    map.components()
        .filter(|c| c.is_placed())
        .map(|c| {
            let request = &c.requirements.request;
            (c.id.to_string(), c.replicas, request.cpu.get(), request.memory.get())
        })
        .collect()
}

/// Pairs joined by edges of some kinds, between components that run.
fn pairs(map: &Ecosystem, kinds: &[DependencyKind]) -> BTreeSet<(String, String)> {
    let runs = |id| map.component(id).is_some_and(Component::is_placed);
    map.dependencies()
        .filter(|d| kinds.contains(&d.kind) && runs(&d.from) && runs(&d.to))
        .map(|d| (d.from.to_string(), d.to.to_string()))
        .collect()
}

const TRAFFIC: [DependencyKind; 2] = [DependencyKind::Call, DependencyKind::Data];

/// Stacks whose names are valid everywhere and whose edges carry ports, so that nothing is lost on the way.
fn stacks() -> impl Strategy<Value = Ecosystem> {
    let part = (0_usize..3, 1_u32..4, 1_u64..40, 1_u64..64);
    let edges = proptest::collection::vec(
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()),
        0..12,
    );
    (proptest::collection::vec(part, 1..7), edges).prop_map(|(parts, edges)| {
        let mut builder = Ecosystem::builder("stack");
        let name = |n: usize| format!("svc-{}", char::from(b'a' + u8::try_from(n).unwrap()));
        for (n, &(kind, replicas, cpu, memory)) in parts.iter().enumerate() {
            let kind = [Kind::Container, Kind::Gateway, Kind::Database][kind];
            let mut c = Component::new(name(n).parse().unwrap(), kind);
            (c.image, c.version, c.replicas) = ("registry/app".into(), Version::new("1.2"), replicas);
            c.ports = vec![Port { number: 8_000 + u16::try_from(n).unwrap(), protocol: "tcp".into() }];
            c.requirements.request = Resources::new(Millicores(cpu * 50), Bytes::mib(memory * 16));
            builder = builder.component(c);
        }
        for (a, b, call) in edges {
            // from low to high: a start order must not be circular for Compose
            let (a, b) = (a.index(parts.len()), b.index(parts.len()));
            if a != b {
                let kind = if call { DependencyKind::Call } else { DependencyKind::StartOrder };
                let ends = (name(a.min(b)).parse().unwrap(), name(a.max(b)).parse().unwrap());
                builder = builder.dependency(Dependency::new(ends.0, ends.1, kind));
            }
        }
        builder.build().unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn kubernetes_manifests_read_back_to_the_same_map(map in stacks()) {
        let text = kubernetes::manifests(&map, &kubernetes::Settings::default());
        let back = parse("stack.yaml", &text);
        prop_assert_eq!(runs(&back), runs(&map), "{}", text);
        prop_assert_eq!(pairs(&back, &TRAFFIC), pairs(&map, &TRAFFIC), "{}", text);
    }

    #[test]
    fn compose_files_read_back_to_the_same_map(map in stacks()) {
        let text = compose::file(&map);
        let back = parse("compose.yaml", &text);
        prop_assert_eq!(runs(&back), runs(&map), "{}", text);
        prop_assert_eq!(pairs(&back, &TRAFFIC), pairs(&map, &TRAFFIC), "{}", text);
        let start = [DependencyKind::StartOrder];
        prop_assert_eq!(pairs(&back, &start), pairs(&map, &start), "{}", text);
    }
}

fn data(path: &str) -> Option<String> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var("VM_ECOSYSTEM_DATA").unwrap_or_else(|_| default.to_owned());
    let path = PathBuf::from(root).join(path);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no data at {}", path.display());
        println!("skipped: no data at {}", path.display());
    }
    text
}

/// What is different in components and edges, apart from their evidence.
fn lost(map: &Ecosystem, back: &Ecosystem) -> String {
    let mut changes = diff(map, back);
    changes.edges_changed.retain(|change| change.fields().iter().any(|f| f.field != "evidence"));
    (changes.name, changes.rules_added, changes.rules_removed) = (None, Vec::new(), Vec::new());
    changes.rules_changed.clear();
    changes.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_format_that_we_read_again_keeps_all_components_and_edges(map in ecosystems(7, 14)) {
        let settings = kubernetes::Settings::default().isolated();
        for text in [
            kubernetes::manifests(&map, &settings), compose::file(&map), native::file(&map), json::map(&map),
        ] {
            // no component is no manifest
            if map.is_empty() {
                continue;
            }
            prop_assert_eq!(lost(&map, &parse("back.yaml", &text)), "", "{}", text);
        }
    }

    #[test]
    fn our_own_manifests_and_json_keep_rules_too(map in ecosystems(7, 14)) {
        prop_assume!(!map.is_empty());
        let back = parse("own.yaml", &native::file(&map));
        prop_assert_eq!(diff(&map, &back).to_string(), "");
        prop_assert_eq!(parse("map.json", &json::map(&map)), map);
    }
}

/// Found by fuzzing: what a manifest says must not become part of the structure of a file that we write.
#[test]
fn text_with_control_characters_is_written_as_text() {
    let text = "version: 1\ncomponents: {a: {image: \"\\u0001x\\nb: injected\", owner: \"\\u0002.x\", labels: {k: \"\\u0003\"}}, b: }\n";
    let map = parse("hostile.yaml", text);
    for written in [
        native::file(&map),
        kubernetes::manifests(&map, &kubernetes::Settings::default()),
        compose::file(&map),
    ] {
        assert_eq!(lost(&map, &parse("back.yaml", &written)), "", "{written}");
        assert!(!written.lines().any(|line| line.trim_start().starts_with("b: injected")), "{written}");
    }
}

#[test]
fn none_of_a_resource_is_the_same_as_nothing_said() {
    let map = parse(
        "zero.yaml",
        "version: 1\ncomponents: {a: {resources: {request: {gpu: 0, cpu: 1}, limit: {gpu: 0}}}, b: }\n",
    );
    assert_eq!(lost(&map, &parse("own.yaml", &native::file(&map))), "");
    assert_eq!(
        map,
        parse("b.yaml", "version: 1\nname: zero\ncomponents: {a: {resources: {request: {cpu: 1}}}, b: }\n")
    );
}

/// Protocols are in lower case, as spans write them or not.
#[test]
fn protocols_of_spans_come_back() {
    let spans = include_str!("data/manifest/traces-otlp.json").replace("redis\"", "ReDis\"");
    let map = parse("spans.json", &spans);
    assert!(map.dependencies().any(|d| &*d.protocol == "redis"));
    assert_eq!(grounds(&parse("own.yaml", &native::file(&map))), grounds(&map));
    assert_eq!(lost(&map, &parse("own.yaml", &native::file(&map))), "");
}

/// Any evidence but a plain declaration, with places that need quotes.
fn inferred() -> impl Strategy<Value = Vec<Evidence>> {
    let place = ("[a-z: '#\"\\\\-]{0,6}", 0_u32..3, 0_u32..3, "[a-z.\\[\\]é ]{0,6}")
        .prop_map(|(file, line, column, path)| Place::new(file, line, column, path));
    let kind = prop::sample::select(EvidenceKind::ALL.to_vec());
    let confidence = prop::sample::select(Confidence::ALL.to_vec());
    let piece = (kind, confidence, place)
        .prop_map(|(kind, confidence, place)| Evidence { kind, confidence, place })
        .prop_filter("a plain declaration is made anew", |e| {
            (e.kind, e.confidence) != (EvidenceKind::Declared, Confidence::High)
        });
    proptest::collection::vec(piece, 1..4)
}

/// Every edge with its evidence, whatever the order.
fn grounds(map: &Ecosystem) -> Vec<(String, Vec<Evidence>)> {
    let mut all: Vec<_> =
        map.dependencies().map(|d| (format!("{} {} {}", d.from, d.kind, d.to), d.evidence.clone())).collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_inferred_edges_rest_on_is_written_and_read_again(
        map in ecosystems(6, 12),
        evidence in proptest::collection::vec(inferred(), 18),
    ) {
        prop_assume!(!map.is_empty());
        let mut builder = Ecosystem::builder(map.name());
        for (component, list) in map.components().zip(&evidence) {
            let mut one = component.clone();
            one.evidence.clone_from(list);
            builder = builder.component(one);
        }
        for (edge, list) in map.dependencies().zip(evidence.iter().rev()) {
            let mut one = edge.clone();
            one.evidence.clone_from(list);
            builder = builder.dependency(one);
        }
        let map = builder.build().unwrap();
        let back = parse("own.yaml", &native::file(&map));
        prop_assert_eq!(grounds(&back), grounds(&map));
        let kinds = |map: &Ecosystem| map.components().cloned().collect::<Vec<_>>();
        prop_assert_eq!(kinds(&back), kinds(&map));
        for text in [compose::file(&map), kubernetes::manifests(&map, &kubernetes::Settings::default())] {
            prop_assert_eq!(grounds(&parse("other.yaml", &text)), grounds(&map), "{}", text);
        }
    }
}

/// A data edge exists because the image says that the other side is a database; our own file must not call it declared.
#[test]
fn a_data_edge_known_by_an_image_is_not_declared_by_being_written_down() {
    let text =
        "services:\n  web: {image: shop/web, environment: {DB: 'db:5432'}}\n  db: {image: 'postgres:16'}\n";
    let map = parse("shop.yaml", text);
    let known = |map: &Ecosystem| {
        let data = map.dependencies().find(|d| d.kind == DependencyKind::Data).unwrap();
        (data.evidence.clone(), map.component(&data.to).unwrap().evidence.clone())
    };
    let image = Place::new("shop.yaml", 3, 15, "services.db.image");
    let rests = Evidence { kind: EvidenceKind::Image, confidence: Confidence::High, place: image };
    assert_eq!(known(&map), (vec![rests.clone()], vec![rests]));
    let once = native::file(&map);
    let back = parse("own.yaml", &once);
    assert_eq!((known(&back), grounds(&back)), (known(&map), grounds(&map)));
    assert_eq!(native::file(&back), once);
    // nothing comes back that was taken out
    let without = once.replace("kind: data\n", "kind: volume\n");
    assert!(parse("own.yaml", &without).dependencies().all(|d| d.kind != DependencyKind::Data), "{without}");
}

#[test]
fn every_kind_of_rule_is_written_and_read_again() {
    let map = parse("rules.yaml", include_str!("data/manifest/native-rules.yaml"));
    assert_eq!(map.rules().len(), 21);
    let back = parse("own.yaml", &native::file(&map));
    assert_eq!(back.rules(), map.rules());
    assert_eq!(lost(&map, &back), "");
    assert_eq!(parse("map.json", &json::map(&map)), map);
}

#[test]
fn real_applications_survive_a_round_trip_through_every_format() {
    for file in [
        "manifests/online-boutique.k8s.yaml",
        "manifests/bookinfo.k8s.yaml",
        "manifests/sock-shop.k8s.yaml",
        "manifests/dsb-social-network-swarm.compose.yaml",
        "manifests/voting-app.compose.yaml",
        "manifests/airflow.compose.yaml",
        "manifests/elk.tosca.yaml",
    ] {
        let Some(text) = data(file) else { return };
        let map = parse(file, &text);
        let settings = kubernetes::Settings::default();
        for text in
            [kubernetes::manifests(&map, &settings), compose::file(&map), native::file(&map), json::map(&map)]
        {
            let back = parse("back.yaml", &text);
            assert_eq!(lost(&map, &back), "", "{file}");
            assert_eq!(back.dependencies().len(), map.dependencies().len(), "{file}");
        }
        assert_eq!(parse("map.json", &json::map(&map)), map, "{file}");
    }
}

#[test]
fn what_is_changed_in_an_exported_file_counts() {
    let mut web = Component::new("web".parse().unwrap(), Kind::Gateway);
    (web.image, web.version, web.replicas) = ("shop/web".into(), Version::new("1.2"), 3);
    web.requirements.request = Resources::new(Millicores(250), Bytes::mib(64));
    web.owner = "shop-team".into();
    let map = Ecosystem::builder("m").component(web).build().unwrap();
    let text = kubernetes::manifests(&map, &kubernetes::Settings::default());
    let edited = text
        .replace("replicas: 3", "replicas: 5")
        .replace(":1.2\"", ":1.3\"")
        .replace("\"250m\"", "\"300m\"");
    let back = parse("edited.yaml", &edited);
    let now = back.component_at(0).unwrap();
    assert_eq!((now.replicas, now.version.as_str()), (5, "1.3"), "{edited}");
    assert_eq!((now.requirements.request.cpu, &*now.owner), (Millicores(300), "shop-team"));
}

/// Runs a validator on a file; a program that is not there is a visible skip.
fn accepts(program: &str, (before, after): (&[&str], &[&str]), file: &Path) {
    match Command::new(program).args(before).arg(file).args(after).output() {
        Ok(output) => assert!(
            output.status.success(),
            "{program} {}: {}{}",
            file.display(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => println!("skipped: {program}: {error}"),
    }
}

#[test]
fn real_validators_accept_what_is_emitted() {
    if std::env::var_os("ECO_REAL").is_none_or(|value| value != "1") {
        println!("skipped: validators run with ECO_REAL=1");
        return;
    }
    let golden = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/export"));
    for name in ["shop.k8s.yaml", "shop.eks.k8s.yaml"] {
        accepts("kubernetes-validate", (&["--strict"], &[]), &golden.join(name));
    }
    accepts("ansible-inventory", (&["--list", "-i"], &[]), &golden.join("shop.inventory.yaml"));
    let inventory = golden.join("shop.inventory.yaml");
    let check = ["-i", inventory.to_str().unwrap(), "--syntax-check"];
    accepts("ansible-playbook", (&check, &[]), &golden.join("shop.playbook.yaml"));
    accepts("dot", (&["-Tsvg", "-o", "/dev/null"], &[]), &golden.join("shop.dot"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn inventories_are_yaml_with_every_host(map in stacks(), infra in infrastructures(2, 2, 2), seed in any::<u64>()) {
        let text = ansible::inventory(&map, &infra, &scattered(&map, &infra, seed));
        for host in infra.hosts() {
            prop_assert!(text.contains(&["    ", host.id.as_str(), ":\n"].concat()), "{}", text);
        }
    }
}
