//! The format of our own and the infrastructure format, on the shipped files and on small texts.
#![cfg(feature = "manifest")]

use ecosystem_core::manifest::{self, Budgets, ManifestError, ParseOptions, Source};
use ecosystem_core::{
    Bytes, Criticality, DependencyKind, HostState, Kind, Micros, Millicores, Timestamp, Weight, diff,
};
use std::fmt::Write as _;

const SHOP: &str = include_str!("../../../examples/data/shop.yaml");
const INFRASTRUCTURE: &str = include_str!("../../../examples/data/infrastructure.yaml");

fn parse(text: &str) -> Result<manifest::Parsed, ManifestError> {
    manifest::parse(&[Source::new("m.yaml", text)], &ParseOptions::default())
}

fn codes(error: &ManifestError) -> Vec<&str> {
    error.findings.iter().map(|f| f.code).collect()
}

#[test]
fn the_shipped_shop_is_read_without_findings() {
    let parsed = parse(SHOP).unwrap();
    assert_eq!(parsed.findings, []);
    let shop = parsed.ecosystem;
    assert_eq!((shop.name(), shop.len(), shop.rules().len()), ("shop", 15, 11));
    let web = shop.component(&"web".parse().unwrap()).unwrap();
    assert_eq!((web.replicas, web.replica_range, web.criticality), (4, Some((3, 12)), Criticality::Critical));
    assert_eq!(web.requirements.request.cpu, Millicores::cores(2));
    assert_eq!(web.requirements.limit.memory, Bytes::gib(6));
    assert_eq!((web.version.as_str(), &*web.owner), ("5.4.1", "shop-team"));
    assert_eq!(web.slo.availability_ppm, Some(999_500));
    let edge = shop
        .dependencies()
        .find(|d| d.to.as_str() == "session-cache" && d.kind == DependencyKind::Call)
        .unwrap();
    assert_eq!((edge.latency_budget, edge.bytes_per_s), (Some(Micros(600)), 6_000_000));
    assert!(shop.dependencies().filter(|d| d.kind == DependencyKind::Call).all(|d| d.bytes_per_s > 0));
    assert_eq!(shop.rules()[7].weight, Weight::Soft(20_000));
}

#[test]
fn the_shipped_shop_fits_the_shipped_hosts_with_room_to_spare_but_not_on_seven() {
    let shop = parse(SHOP).unwrap().ecosystem;
    let sources = [Source::new("infrastructure.yaml", INFRASTRUCTURE)];
    let parsed = manifest::parse_infrastructure(&sources, &ParseOptions::default()).unwrap();
    assert_eq!(parsed.findings, []);
    let infra = parsed.infrastructure;
    assert_eq!((infra.zones().len(), infra.racks().len(), infra.hosts().len()), (3, 6, 20));
    let sum = |amounts: &mut dyn Iterator<Item = u64>| amounts.sum::<u64>();
    let needed =
        sum(&mut shop.components().map(|c| c.requirements.request.cpu.get() * u64::from(c.replicas)));
    let mut rooms: Vec<u64> = infra.hosts().iter().map(|h| h.allocatable().cpu.get()).collect();
    rooms.sort_unstable_by(|a, b| b.cmp(a));
    let share = needed * 100 / rooms.iter().sum::<u64>();
    assert!((50..=60).contains(&share), "{share} %");
    assert!(rooms[..7].iter().sum::<u64>() < needed);
    assert_eq!(infra.latency(0, 19), Micros(1_100));
    assert_eq!(infra.hosts()[0].domains.get("power-feed").map(|v| &**v), Some("A"));
}

#[test]
fn json_reads_like_yaml() {
    let json = r#"{"version": 1, "components": {"a": {"depends_on": ["b"]}, "b": {"kind": "database"}}}"#;
    let yaml = "version: 1\ncomponents: {a: {depends_on: [b]}, b: {kind: database}}\n";
    let (json, yaml) = (parse(json).unwrap().ecosystem, parse(yaml).unwrap().ecosystem);
    assert_eq!(json.components().map(|c| c.kind).collect::<Vec<_>>(), [Kind::Container, Kind::Database]);
    assert_eq!(json.dependencies().len(), yaml.dependencies().len());
}

#[test]
fn all_findings_come_in_one_pass_with_place_and_remedy() {
    let text = "version: 1\ncomponents:\n  web:\n    replcias: 3\n    resources: {cpu: lots}\n    kind: databse\n    depends_on: [{on: db, latency_budget: 10}]\n";
    let error = parse(text).unwrap_err();
    assert_eq!(codes(&error), ["W1101", "E1104", "E1103", "E1110", "E1104"]);
    let texts: Vec<String> = error.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts[0],
        "m.yaml:4:5 (components.web.replcias): W1101: unknown key `replcias`; did you mean `replicas`?"
    );
    assert!(
        texts[1].starts_with("m.yaml:5:22 (components.web.resources.cpu): E1104: `cpu` is `lots`"),
        "{}",
        texts[1]
    );
    assert!(texts[2].ends_with("did you mean `database`?"), "{}", texts[2]);
}

#[test]
fn aliases_and_merge_keys_share_what_is_written_once() {
    let text = "version: 1\nx-base: &base {kind: database, replicas: 2}\ncomponents:\n  a: {<<: *base, replicas: 3}\n  b: *base\n";
    let map = parse(text).unwrap().ecosystem;
    let seen: Vec<_> = map.components().map(|c| (c.kind, c.replicas)).collect();
    assert_eq!(seen, [(Kind::Database, 3), (Kind::Database, 2)]);
}

#[test]
fn duplicate_keys_are_refused_in_yaml_and_json() {
    assert_eq!(codes(&parse("version: 1\ncomponents: {a: {}, a: {}}\n").unwrap_err()), ["E1009"]);
    assert_eq!(codes(&parse(r#"{"version": 1, "components": {"a": {}, "a": {}}}"#).unwrap_err()), ["E1009"]);
}

#[test]
fn what_is_no_manifest_is_refused_with_its_place() {
    for (text, code) in [
        ("", "E1011"),
        ("# only a comment\n", "E1011"),
        ("just text", "E1010"),
        ("[1, 2]", "E1010"),
        (r#"{"$schema": "x", "type": "object"}"#, "E1010"),
        ("a: [1", "E1001"),
        ("{\"a\": tru}", "E1002"),
    ] {
        assert_eq!(codes(&parse(text).unwrap_err()), [code], "{text}");
    }
    let bytes = b"version: 1\nname: \xff\n";
    let error = manifest::parse(&[Source::new("m.yaml", bytes)], &ParseOptions::default()).unwrap_err();
    assert_eq!(error.findings[0].code, "E1003");
    assert_eq!((error.findings[0].place.line, error.findings[0].place.column), (2, 7));
}

#[test]
fn hostile_inputs_end_in_typed_errors() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let list = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{list}]").unwrap();
    }
    assert_eq!(codes(&parse(&bomb).unwrap_err())[0], "E1008");
    let mut chain = String::from("a0: &a0 {x: 1}\n");
    for level in 1..300 {
        writeln!(chain, "a{level}: &a{level} {{x: *a{}}}", level - 1).unwrap();
    }
    assert_eq!(codes(&parse(&chain).unwrap_err())[0], "E1007");
    assert!(codes(&parse(&"[".repeat(100_000)).unwrap_err())[0].starts_with("E100"));
    assert_eq!(
        codes(&parse(&format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000))).unwrap_err()),
        ["E1007"]
    );
    let block: String = (0..20_000).map(|_| "- ").collect();
    assert!(codes(&parse(&block).unwrap_err())[0].starts_with("E100"));
    assert!(parse("a: &a [*a]\n").is_err());
    let large = vec![b'#'; 33 << 20];
    let error = manifest::parse(&[Source::new("m.yaml", &large)], &ParseOptions::default()).unwrap_err();
    assert_eq!(error.findings[0].code, "E1004");
}

#[test]
fn budgets_are_the_hosts_to_set() {
    let mut budgets = Budgets::default();
    budgets.documents = 2;
    let options = ParseOptions::default().with_budgets(budgets);
    let text = "---\nversion: 1\ncomponents: {a: {}}\n---\n---\nb: 1\n";
    let error = manifest::parse(&[Source::new("m.yaml", text)], &options).unwrap_err();
    assert_eq!(error.findings[0].code, "E1005");
}

#[test]
fn an_infrastructure_with_mistakes_names_them_all() {
    let text = "version: 1\nregions:\n  eu:\n    zones:\n      a:\n        racks:\n          r:\n            hosts:\n              h: {template: larg}\n              'g-{n}': {count: 2, capacity: {cpu: 1, memory: 1Gi}, price_per_hour: cheap}\ntemplates: {large: {}}\nlinks: [{between: [a, c], latency: 1ms}]\n";
    let error =
        manifest::parse_infrastructure(&[Source::new("i.yaml", text)], &ParseOptions::default()).unwrap_err();
    assert_eq!(codes(&error), ["E1203", "E1202", "E1104", "E1202"]);
    assert!(error.findings[1].remedy.contains("`large`"));
}

#[test]
fn maintenance_windows_payloads_and_power_curves_are_read_written_and_compared() {
    let text = "version: 1\ncomponents:\n  db: {kind: database, maintenance: ['sat,sun 23:00-03:00', '2026-12-01T02:00:00Z/2026-12-01T04:00:00Z']}\n  web: {depends_on: [{on: db, payload: 2KiB}]}\n";
    let map = parse(text).unwrap().ecosystem;
    let noon: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
    let db = map.component(&"db".parse().unwrap()).unwrap();
    assert!(!db.allows_planned_work(noon));
    assert_eq!(db.next_maintenance(noon).unwrap().0.to_string(), "2026-11-28T23:00:00.000Z");
    assert_eq!(map.dependencies().next().unwrap().payload_bytes, 2_048);
    let other = parse(&text.replace("sat,sun", "sun").replace("2KiB", "3KiB")).unwrap().ecosystem;
    assert_eq!(
        diff(&map, &other).to_string(),
        "~ component db: maintenance sat,sun 23:00-03:00; 2026-12-01T02:00:00.000Z/2026-12-01T04:00:00.000Z -> \
         sun 23:00-03:00; 2026-12-01T02:00:00.000Z/2026-12-01T04:00:00.000Z\n\
         ~ call web -> db: payload-bytes 2048 -> 3072\n"
    );
    let wrong = parse(&text.replace("sat,sun", "someday")).unwrap_err();
    assert_eq!(codes(&wrong), ["E1104"]);

    let ground = "version: 1\nregions: {r: {zones: {z: {maintenance: daily 01:00-02:00, racks: {k: {hosts: {h: {capacity: {cpu: 4, memory: 8Gi}, \
                  maintenance: sun 05:00-06:00, power: {curve: {0%: 60, 50%: 250, 100%: 300}}}}}}}}}}\n";
    let ground = manifest::parse_infrastructure(&[Source::new("i.yaml", ground)], &ParseOptions::default());
    let ground = ground.unwrap().infrastructure;
    let host = &ground.hosts()[0];
    assert_eq!(
        host.maintenance.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["daily 01:00-02:00", "sun 05:00-06:00"]
    );
    assert_eq!(host.power_w(750), Some(275.0));
    let state = |text: &str| ground.at(text.parse().unwrap()).hosts()[0].state;
    assert_eq!(state("2026-11-27T01:30:00Z"), HostState::Maintenance);
    assert_eq!(state("2026-11-29T05:30:00Z"), HostState::Maintenance);
    assert_eq!(state("2026-11-28T05:30:00Z"), HostState::Ready);
}
