//! Manifests that people really have: counts and edges as their owners declare them.
#![cfg(feature = "manifest")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test may read files, say what it skips, and fail loudly"
)]

use ecosystem_core::manifest::{self, ManifestError, ParseOptions, Parsed, Source};
use ecosystem_core::{Confidence, DependencyKind, EvidenceKind, Kind};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The data folder; `None` (with a line on standard error) where it is not there, which CI does not accept.
fn data() -> Option<PathBuf> {
    let root = std::env::var_os("VM_ECOSYSTEM_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data")),
        PathBuf::from,
    );
    if root.join("manifests").is_dir() {
        return Some(root);
    }
    assert!(std::env::var_os("CI").is_none(), "no data at {}", root.display());
    eprintln!("skipped: no data at {}", root.display());
    None
}

fn try_read(root: &Path, files: &[&str]) -> Result<Parsed, ManifestError> {
    let texts: Vec<Vec<u8>> = files.iter().map(|f| std::fs::read(root.join(f)).unwrap()).collect();
    let sources: Vec<Source<'_>> = files.iter().zip(&texts).map(|(f, t)| Source::new(f, t)).collect();
    let env =
        files[0].split_once('.').map(|(stem, _)| root.join(format!("{stem}.env"))).filter(|p| p.is_file());
    let env = env.map(|path| std::fs::read(path).unwrap());
    let mut options = ParseOptions::default();
    if let Some(env) = &env {
        options = options.with_env_file(Source::new("variables.env", env));
    }
    manifest::parse(&sources, &options)
}

fn read(root: &Path, files: &[&str]) -> Parsed {
    try_read(root, files).unwrap_or_else(|error| panic!("{files:?}: {error}"))
}

/// Distinct pairs of a kind.
fn pairs(parsed: &Parsed, kind: DependencyKind) -> BTreeSet<(String, String)> {
    let edges = parsed.ecosystem.dependencies().filter(|d| d.kind == kind);
    edges.map(|d| (d.from.to_string(), d.to.to_string())).collect()
}

fn codes(parsed: &Parsed) -> Vec<&str> {
    parsed.findings.iter().map(|f| f.code).collect()
}

#[test]
fn online_boutique_has_the_edges_of_its_variables() {
    let Some(root) = data() else { return };
    let parsed = read(&root, &["manifests/online-boutique.k8s.yaml"]);
    assert_eq!(parsed.ecosystem.len(), 12);
    let text = std::fs::read_to_string(root.join("ecosystem/online-boutique/edges.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let wanted: BTreeSet<(String, String)> = json["edges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["from"].as_str().unwrap().to_owned(), e["to"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(wanted.len(), 16);
    assert_eq!(pairs(&parsed, DependencyKind::Call), wanted);
    for edge in parsed.ecosystem.dependencies().filter(|d| d.kind == DependencyKind::Call) {
        assert_eq!(edge.evidence[0].kind, EvidenceKind::Env);
        assert_eq!(edge.confidence(), Confidence::High);
        assert!(edge.evidence[0].place.line > 1 && edge.port.is_some());
    }
    let dangling: Vec<_> = parsed.findings.iter().filter(|f| f.code == "W1301").collect();
    assert_eq!(dangling.len(), 1, "{:?}", parsed.findings);
    assert!(dangling[0].message.contains("shoppingassistantservice"));
    let redis = parsed.ecosystem.component(&"redis-cart".parse().unwrap()).unwrap();
    assert_eq!(redis.kind, Kind::Cache);
}

#[test]
fn online_boutiques_policies_allow_fifteen_of_its_sixteen_edges() {
    let Some(root) = data() else { return };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root.join("ecosystem/online-boutique")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".yaml") {
            files.push(format!("ecosystem/online-boutique/{name}"));
        }
    }
    files.sort();
    let parsed = read(&root, &files.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(parsed.ecosystem.len(), 12);
    let by_policy: BTreeSet<_> = parsed
        .ecosystem
        .dependencies()
        .filter(|d| d.evidence.iter().any(|e| e.kind == EvidenceKind::NetworkPolicy))
        .map(|d| (d.from.to_string(), d.to.to_string()))
        .collect();
    let by_env = pairs(&read(&root, &["manifests/online-boutique.k8s.yaml"]), DependencyKind::Call);
    assert_eq!(by_policy.len(), 15);
    assert!(by_policy.is_subset(&by_env));
}

#[test]
fn otel_demo_has_its_start_order_and_the_edges_of_its_nested_variables() {
    let Some(root) = data() else { return };
    let parsed = read(&root, &["manifests/otel-demo.compose.yaml"]);
    assert_eq!(parsed.ecosystem.len(), 20);
    assert_eq!(pairs(&parsed, DependencyKind::StartOrder).len(), 46);
    assert_eq!(pairs(&parsed, DependencyKind::Call).len(), 53);
    let with_ports = parsed
        .ecosystem
        .dependencies()
        .filter(|d| d.kind == DependencyKind::Call && d.port.is_some())
        .inspect(|d| assert_eq!(d.confidence(), Confidence::High))
        .count();
    assert_eq!(with_ports, 32);
    let ad = parsed.ecosystem.component(&"ad".parse().unwrap()).unwrap();
    assert_eq!((&*ad.image, ad.version.as_str()), ("ghcr.io/open-telemetry/demo", "latest-ad"));
    assert_eq!(ad.requirements.limit.memory.get(), 300 << 20);
    assert_eq!(ad.ports[0].number, 9555);
}

#[test]
fn start_orders_have_the_numbers_of_edges_that_their_files_declare() {
    let Some(root) = data() else { return };
    for (file, components, edges) in [
        ("dsb-social-network", 27, 19),
        ("dsb-social-network-swarm", 31, 61),
        ("airflow", 7, 10),
        ("robot-shop", 12, 12),
        ("voting-app", 6, 5),
        ("train-ticket", 68, 1),
        ("sock-shop", 15, 0),
        ("dsb-media", 33, 0),
    ] {
        let parsed = read(&root, &[&format!("manifests/{file}.compose.yaml")]);
        assert_eq!(parsed.ecosystem.len(), components, "{file}");
        assert_eq!(pairs(&parsed, DependencyKind::StartOrder).len(), edges, "{file}");
    }
}

#[test]
fn airflow_finds_its_databases_in_connection_strings_without_ports() {
    let Some(root) = data() else { return };
    let parsed = read(&root, &["manifests/airflow.compose.yaml"]);
    assert_eq!(pairs(&parsed, DependencyKind::Call).len(), 10);
    let to_postgres = parsed
        .ecosystem
        .dependencies()
        .find(|d| d.kind == DependencyKind::Call && d.to.as_str() == "postgres")
        .unwrap();
    assert_eq!((to_postgres.confidence(), to_postgres.port), (Confidence::Medium, None));
    assert_eq!(&*to_postgres.protocol, "postgresql");
}

#[test]
fn maps_that_declare_almost_nothing_say_so_and_guess_nothing() {
    let Some(root) = data() else { return };
    for (file, calls) in [
        ("train-ticket.compose.yaml", 0),
        ("sock-shop.compose.yaml", 1),
        ("sock-shop.k8s.yaml", 1),
        ("dsb-media.compose.yaml", 0),
        ("train-ticket-part1.k8s.yaml", 0),
        ("train-ticket-part2.k8s.yaml", 0),
    ] {
        let parsed = read(&root, &[&format!("manifests/{file}")]);
        assert_eq!(pairs(&parsed, DependencyKind::Call).len(), calls, "{file}");
        assert!(codes(&parsed).contains(&"W1310"), "{file}: {:?}", codes(&parsed));
    }
}

#[test]
fn several_workloads_behind_one_service_are_all_read() {
    let Some(root) = data() else { return };
    let parsed = read(&root, &["manifests/bookinfo.k8s.yaml"]);
    let names: Vec<String> = parsed.ecosystem.components().map(|c| c.id.to_string()).collect();
    assert_eq!(
        names,
        ["details-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3", "productpage-v1"]
    );
}

#[test]
fn kinds_of_components_follow_from_images_and_ports() {
    let Some(root) = data() else { return };
    let folder = "ecosystem/awesome-compose";
    for (file, component, kind) in [
        ("aspnet-mssql__compose.yaml", "db", Kind::Database),
        ("elasticsearch-logstash-kibana__compose.yaml", "elasticsearch", Kind::Database),
        ("flask-redis__compose.yaml", "redis", Kind::Cache),
        ("gitea-postgres__compose.yaml", "db", Kind::Database),
        ("gitea-postgres__compose.yaml", "gitea", Kind::Container),
        ("nextcloud-redis-mariadb__compose.yaml", "redis", Kind::Cache),
        ("nextcloud-redis-mariadb__compose.yaml", "db", Kind::Database),
        ("react-express-mongodb__compose.yaml", "mongo", Kind::Database),
        ("traefik-golang__compose.yaml", "frontend", Kind::Gateway),
        ("wasmedge-kafka-mysql__compose.yml", "redpanda", Kind::Queue),
        ("wordpress-mysql__compose.yaml", "db", Kind::Database),
        ("wordpress-mysql__compose.yaml", "wordpress", Kind::Container),
    ] {
        let parsed = read(&root, &[&format!("{folder}/{file}")]);
        let found = parsed.ecosystem.component(&component.parse().unwrap()).unwrap();
        assert_eq!(found.kind, kind, "{file} {component}");
        assert!(kind == Kind::Container || !found.evidence.is_empty());
    }
    let wordpress = read(&root, &[&format!("{folder}/wordpress-mysql__compose.yaml")]);
    let calls: Vec<_> = pairs(&wordpress, DependencyKind::Call).into_iter().collect();
    assert_eq!(calls, [("wordpress".to_owned(), "db".to_owned())]);
}

#[test]
fn every_manifest_is_read_and_everything_else_is_refused() {
    let Some(root) = data() else { return };
    let mut folders = vec!["manifests".to_owned()];
    for entry in std::fs::read_dir(root.join("ecosystem")).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            folders.push(format!("ecosystem/{}", entry.file_name().into_string().unwrap()));
        }
    }
    folders.sort();
    let mut counts = (0, 0);
    for folder in folders {
        for entry in std::fs::read_dir(root.join(&folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let file = format!("{folder}/{name}");
            let result = try_read(&root, &[&file]);
            if name.ends_with(".yaml") || name.ends_with(".yml") {
                assert!(result.is_ok(), "{file}: {}", result.unwrap_err());
                counts.0 += 1;
            } else if name.ends_with(".json") || name.ends_with(".env") {
                assert!(result.is_err(), "{file}");
                counts.1 += 1;
            }
        }
    }
    assert!(counts.0 >= 80 && counts.1 >= 6, "{counts:?}");
}

#[test]
fn the_tosca_form_of_online_boutique_has_the_same_edges_under_other_names() {
    let Some(root) = data() else { return };
    let tosca = read(&root, &["manifests/online-boutique.tosca.yaml"]);
    assert_eq!(tosca.ecosystem.len(), 11);
    let name = |short: &str| match short {
        "frontend" => "frontend".to_owned(),
        "redis" => "redis-cart".to_owned(),
        "recommend" => "recommendationservice".to_owned(),
        "catalog" => "productcatalogservice".to_owned(),
        other => format!("{other}service"),
    };
    let mapped: BTreeSet<_> =
        pairs(&tosca, DependencyKind::Call).into_iter().map(|(a, b)| (name(&a), name(&b))).collect();
    let mut wanted = pairs(&read(&root, &["manifests/online-boutique.k8s.yaml"]), DependencyKind::Call);
    wanted.retain(|(from, _)| from != "loadgenerator");
    assert_eq!(mapped.len(), 15);
    assert_eq!(mapped, wanted);
}

#[test]
fn an_elk_stack_is_hosted_connected_and_sized_as_its_template_says() {
    let Some(root) = data() else { return };
    let elk = read(&root, &["manifests/elk.tosca.yaml"]);
    assert_eq!(elk.ecosystem.len(), 14);
    assert_eq!(pairs(&elk, DependencyKind::StartOrder).len(), 9);
    assert_eq!(pairs(&elk, DependencyKind::Call).len(), 5);
    let server = elk.ecosystem.component(&"mongo_server".parse().unwrap()).unwrap();
    assert_eq!((server.kind, server.requirements.request.cpu.get()), (Kind::Vm, 1_000));
    assert_eq!(server.requirements.request.memory.get(), 4_096_000_000);
    assert_eq!(codes(&elk).iter().filter(|c| **c == "W1330").count(), 6);
}
