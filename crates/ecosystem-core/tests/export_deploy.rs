//! What runs a map: golden texts of a small one, and laws for all.
#![cfg(feature = "export")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests, which read golden files"
)]

use ecosystem_core::export::{
    ansible, compose, cyclonedx, cypher, dot, graphml, helm, jsonld, kubernetes, mermaid, terraform,
};
use ecosystem_core::testing::{ecosystems, infrastructures, scattered};
use ecosystem_core::{
    Bytes, Component, Dependency, DependencyKind, Domain, Ecosystem, Host, HostSet, Infrastructure, Kind,
    Millicores, Placement, Port, Rack, Region, ReplicaId, Resources, Rule, RuleKind, Version, Zone,
};
use proptest::prelude::*;
use std::path::PathBuf;

fn port(number: u16, protocol: &str) -> Port {
    Port { number, protocol: protocol.into() }
}

/// A shop with one of everything.
fn shop() -> Ecosystem {
    let mut web = Component::new("web".parse().unwrap(), Kind::Gateway);
    (web.image, web.version, web.replicas) = ("shop/web".into(), Version::new("1.4.0"), 2);
    web.replica_range = Some((2, 5));
    web.ports = vec![port(8080, "http")];
    web.requirements.request = Resources::new(Millicores(250), Bytes::mib(128));
    web.requirements.limit = Resources::new(Millicores(1_000), Bytes::gib(1));
    let mut db = Component::new("Orders_DB".parse().unwrap(), Kind::Database);
    (db.image, db.version, db.replicas) = ("postgres".into(), Version::new("17"), 3);
    db.ports = vec![port(5432, "tcp")];
    db.requirements.request = Resources::new(Millicores::cores(1), Bytes::gib(2)).with_disk(Bytes::gib(20));
    let mut job = Component::new("report".parse().unwrap(), Kind::Batch);
    (job.image, job.version) = ("shop/report".into(), Version::new(format!("sha256:{}", "0a".repeat(32))));
    let mail = Component::new("mail.example.org".parse().unwrap(), Kind::External);
    let edge = |from: &str, to: &str, kind| Dependency::new(from.parse().unwrap(), to.parse().unwrap(), kind);
    let mut call = edge("web", "Orders_DB", DependencyKind::Call);
    call.port = Some(5432);
    let db_id = || vec!["Orders_DB".parse().unwrap()];
    Ecosystem::builder("shop")
        .component(web)
        .component(db)
        .component(job)
        .component(mail)
        .dependency(call)
        .dependency(edge("web", "Orders_DB", DependencyKind::StartOrder))
        .dependency(edge("report", "Orders_DB", DependencyKind::Data))
        .dependency(edge("web", "mail.example.org", DependencyKind::Call))
        .dependency(edge("report", "Orders_DB", DependencyKind::Volume))
        .rule(Rule::hard("apart", RuleKind::Apart { members: db_id(), domain: Domain::Host }))
        .rule(Rule::hard("online", RuleKind::MaxOnline { hosts: HostSet::default(), max: 3 }))
        .build()
        .unwrap()
}

fn ground() -> (Infrastructure, Placement) {
    let size = || Resources::new(Millicores::cores(8), Bytes::gib(32));
    let infra = Infrastructure::builder()
        .region(Region::new("eu".parse().unwrap()))
        .zone(Zone::new("eu-a".parse().unwrap(), "eu".parse().unwrap()))
        .zone(Zone::new("eu-b".parse().unwrap(), "eu".parse().unwrap()))
        .rack(Rack::new("r1".parse().unwrap(), "eu-a".parse().unwrap()))
        .rack(Rack::new("r2".parse().unwrap(), "eu-b".parse().unwrap()))
        .host(Host::new("h1".parse().unwrap(), "r1".parse().unwrap(), size()))
        .host(Host::new("h2".parse().unwrap(), "r2".parse().unwrap(), size()))
        .host(Host::new("h3".parse().unwrap(), "r2".parse().unwrap(), size()))
        .build()
        .unwrap();
    let at =
        |name: &str, index, host: &str| (ReplicaId::new(name.parse().unwrap(), index), host.parse().unwrap());
    let placement = Placement::from_iter([
        at("web", 0, "h1"),
        at("web", 1, "h2"),
        at("Orders_DB", 0, "h1"),
        at("Orders_DB", 1, "h2"),
        at("Orders_DB", 2, "h3"),
        at("report", 0, "h3"),
    ]);
    (infra, placement)
}

/// Compares with `tests/data/export/<name>`; `ECO_BLESS=1` writes the file anew.
fn golden(name: &str, text: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/export")).join(name);
    if std::env::var_os("ECO_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, expected, "{name} changed; look at it, then set ECO_BLESS=1");
}

#[test]
fn kubernetes_manifests_of_the_shop() {
    let (infra, placement) = ground();
    let plain = kubernetes::Settings::default();
    golden("shop.k8s.yaml", &kubernetes::manifests(&shop(), &plain.isolated().in_namespace("shop")));
    let placed = plain.placed(&infra, &placement).on(kubernetes::Provider::Eks);
    golden("shop.eks.k8s.yaml", &kubernetes::manifests(&shop(), &placed));
    for (provider, class) in
        [(kubernetes::Provider::Aks, "managed-csi-premium"), (kubernetes::Provider::Gke, "premium-rwo")]
    {
        let text = kubernetes::manifests(&shop(), &plain.on(provider));
        assert!(text.contains(&format!("storageClassName: {class}")) && text.contains("type: LoadBalancer"));
    }
}

#[test]
fn other_deployments_of_the_shop() {
    let (infra, placement) = ground();
    golden("shop.compose.yaml", &compose::file(&shop()));
    golden("shop.tf.json", &terraform::configuration(&shop(), &kubernetes::Settings::default()));
    golden("shop.inventory.yaml", &ansible::inventory(&shop(), &infra, &placement));
    golden("shop.playbook.yaml", &ansible::playbook(&shop(), &placement));
    let chart = helm::chart(&shop(), &kubernetes::Settings::default());
    let paths: Vec<&str> = chart.keys().map(String::as_str).collect();
    assert_eq!(
        paths[..3],
        [
            "Chart.yaml",
            "templates/mail-example-org-service.yaml",
            "templates/orders-db-poddisruptionbudget.yaml"
        ]
    );
    golden("shop.values.yaml", &chart["values.yaml"]);
    golden("shop.helm-deployment.yaml", &chart["templates/web-deployment.yaml"]);
}

#[test]
fn graphs_of_the_shop_for_other_tools() {
    golden("shop.mmd", &mermaid::map(&shop()));
    golden("shop.dot", &dot::map(&shop()));
    golden("shop.graphml", &graphml::map(&shop()));
    golden("shop.cypher", &cypher::map(&shop()));
    golden("shop.jsonld", &jsonld::map(&shop(), "https://example.org/maps/shop/"));
    golden("shop.cdx.json", &cyclonedx::map(&shop()));
}

#[test]
fn names_that_become_equal_stay_apart() {
    let map = Ecosystem::builder("m")
        .component(Component::new("a.b".parse().unwrap(), Kind::Container))
        .component(Component::new("a-b".parse().unwrap(), Kind::Container))
        .component(Component::new("A_B".parse().unwrap(), Kind::Container))
        .component(Component::new("7".parse().unwrap(), Kind::Container))
        .build()
        .unwrap();
    let text = kubernetes::manifests(&map, &kubernetes::Settings::default());
    for name in ["a-b", "a-b-2", "a-b-3", "c-7"] {
        assert!(text.contains(&format!("\n  name: {name}\n")), "{name} in {text}");
    }
}

proptest! {
    #[test]
    fn exports_are_the_same_every_time_and_name_every_component(
        map in ecosystems(8, 12), infra in infrastructures(3, 2, 2), seed in any::<u64>(),
    ) {
        let placement = scattered(&map, &infra, seed);
        let settings = kubernetes::Settings::default().isolated().placed(&infra, &placement);
        let all = || [
            kubernetes::manifests(&map, &settings), compose::file(&map), terraform::configuration(&map, &settings),
            ansible::inventory(&map, &infra, &placement), mermaid::map(&map), dot::map(&map), graphml::map(&map),
            cypher::map(&map), jsonld::map(&map, "urn:x:"), cyclonedx::map(&map),
        ];
        let texts = all();
        prop_assert_eq!(&texts, &all());
        for component in map.components().filter(|c| c.is_placed() && c.replicas > 0 && !infra.hosts().is_empty()) {
            prop_assert!(texts.iter().all(|text| text.contains(component.id.as_str())));
        }
    }
}
