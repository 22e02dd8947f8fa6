//! The dashboards and rules in this package speak of what the exporter really serves. With `ECO_REAL=1` a real Prometheus
//! evaluates every expression, and `promtool` checks and tests the rules.
//!
//! `ECO_WRITE=1` writes the dashboards anew.
#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use ecosystem_core::ReplicaId;
use ecosystem_core::prometheus::{FamilyKind, MetricFamily, parse};
use ecosystem_prometheus::{
    Exporter, Panel, REPLICA_CPU, REPLICA_MEMORY, dashboard, engine_families, replica_family,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a controller serves.
fn families() -> Vec<MetricFamily> {
    let mut all = engine_families(&fixture::engine(3));
    for name in [REPLICA_CPU, REPLICA_MEMORY] {
        let id = |index| ReplicaId::new("web".parse().unwrap(), index);
        all.push(replica_family(name, (0..3).map(|index| (id(index), f64::from(index)))));
    }
    all
}

/// Graphs of the fleet that one family alone does not give.
fn fleet() -> Vec<Panel> {
    let panel = |title: &str, expression: &str, legend: &str, unit: &str| Panel {
        title: title.into(),
        description: String::new(),
        expressions: vec![expression.into()],
        legend: legend.into(),
        unit: unit.into(),
    };
    vec![
        panel("Machines by component", "count by (component) (vm_memory_bytes)", "{{component}}", "short"),
        panel(
            "Processor use by component",
            "sum by (component) (vm_cpu_millicores) / 1000",
            "{{component}}",
            "short",
        ),
        panel("Memory by component", "component:vm_memory_bytes:sum", "{{component}}", "bytes"),
        panel("Busiest machines", "topk(10, vm_cpu_millicores) / 1000", "{{replica}}", "short"),
        panel(
            "Uneven load within a component",
            "max by (component) (vm_cpu_millicores) / (component:vm_cpu_millicores:avg > 0)",
            "{{component}}",
            "short",
        ),
        panel("Share of actions that fail", "ecosystem:actions_failed:ratio_rate15m", "", "percentunit"),
    ]
}

fn dashboards() -> [(&'static str, String); 2] {
    let own: Vec<MetricFamily> =
        families().into_iter().filter(|it| it.name.starts_with("ecosystem_")).collect();
    let panels: Vec<Panel> = own.iter().map(Panel::of).collect();
    [
        ("engine.json", dashboard("ecosystem-engine", "VM ecosystem: engine", &panels)),
        ("fleet.json", dashboard("ecosystem-fleet", "VM ecosystem: fleet", &fleet())),
    ]
}

/// Names in an expression that are neither functions, nor operators, nor within braces, brackets or lists of labels.
fn names(expression: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '$';
    let (mut found, mut rest, mut list) = (BTreeSet::new(), expression, false);
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '{' => rest.find('}').map_or(rest.len(), |it| it + 1),
            '[' => rest.find(']').map_or(rest.len(), |it| it + 1),
            '(' if list => rest.find(')').map_or(rest.len(), |it| it + 1),
            _ if word(first) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        let is_number = first.is_ascii_digit();
        let of_labels = ["by", "without", "on", "ignoring", "group_left", "group_right"].contains(&token);
        let operator = of_labels || ["and", "or", "unless", "bool", "offset"].contains(&token);
        let called = after.trim_start().starts_with('(');
        let aggregates = after.trim_start().starts_with("by ") || after.trim_start().starts_with("without ");
        if word(first) && !is_number && !operator && !called && !aggregates {
            found.insert(token.to_owned());
        }
        if !token.trim().is_empty() {
            list = of_labels;
        }
        rest = after;
    }
    found
}

fn expressions(dashboard: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(dashboard).unwrap();
    let panels = value["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|it| it["targets"].as_array().unwrap());
    targets.map(|it| it["expr"].as_str().unwrap().to_owned()).collect()
}

/// Expressions of the rules, with the names that they record.
fn rules() -> (Vec<String>, BTreeSet<String>) {
    let text = std::fs::read_to_string(package().join("rules/ecosystem.yml")).unwrap();
    let (mut all, mut recorded, mut folded) = (Vec::new(), BTreeSet::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- record: ") {
            recorded.insert(name.to_owned());
        }
        match line.strip_prefix("expr: ") {
            Some(">") => {
                all.push(String::new());
                folded = true;
            }
            Some(expression) => all.push(expression.to_owned()),
            None if folded && !line.contains(": ") => {
                let last: &mut String = all.last_mut().unwrap();
                last.push(' ');
                last.push_str(line);
            }
            None => folded = false,
        }
    }
    (all, recorded)
}

#[test]
fn the_dashboards_are_those_of_the_metrics_that_are_served() {
    for (name, text) in dashboards() {
        let path = package().join("dashboards").join(name);
        if std::env::var_os("ECO_WRITE").is_some_and(|it| it == "1") {
            std::fs::write(&path, &text).unwrap();
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stored == text,
            "{} is not of these metrics any more: run this with ECO_WRITE=1",
            path.display()
        );
    }
}

#[test]
fn every_metric_that_a_panel_or_a_rule_names_is_served_or_recorded() {
    let text = ecosystem_core::prometheus::encode(&families());
    let served: BTreeSet<String> = parse(&text)
        .unwrap()
        .iter()
        .flat_map(|family| &family.samples)
        .map(|sample| sample.name.to_string())
        .collect();
    let (rules, recorded) = rules();
    assert_eq!((rules.len(), recorded.len()), (8, 3));
    let shown = dashboards().into_iter().flat_map(|(_, text)| expressions(&text));
    let mut used = BTreeSet::new();
    for expression in shown.chain(rules) {
        let named = names(&expression);
        assert!(!named.is_empty(), "{expression} names no metric");
        for name in named {
            assert!(
                served.contains(&name) || recorded.contains(&name),
                "{name} in {expression} is not served"
            );
            used.insert(name);
        }
    }
    let unused: Vec<_> = served.difference(&used).collect();
    assert!(unused.is_empty(), "served but shown nowhere: {unused:?}");
}

#[test]
fn names_are_told_from_functions_labels_and_spans() {
    let found = |expression| names(expression).into_iter().collect::<Vec<_>>();
    assert_eq!(found("sum by (a, b) (rate(m_total{x=\"y\"}[5m])) / 3e2"), ["m_total"]);
    assert_eq!(found("m1 / on (host) group_left m2 > 0.5"), ["m1", "m2"]);
    assert_eq!(found("topk(3, a:b:c) or absent(d) offset 5m"), ["a:b:c", "d"]);
    assert_eq!(found("sum(x) by (y)"), ["x"]);
}

/// A server in a directory of its own, which dies with the test.
struct Server {
    child: Child,
    dir: PathBuf,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

impl Server {
    fn start(target: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("eco-dash-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        std::fs::create_dir_all(&dir).unwrap();
        let rules = package().join("rules/ecosystem.yml");
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
             scrape_configs: [{{job_name: eco, static_configs: [{{targets: ['{target}']}}]}}]\n",
            rules.display()
        );
        std::fs::write(dir.join("prometheus.yml"), config).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, dir, address }
    }

    /// The answer to an expression, as JSON; `None` while the server does not answer.
    fn ask(&self, expression: &str) -> Option<Value> {
        let escape = |b: u8| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        };
        let query: String = expression.bytes().map(escape).collect();
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(stream, "GET /api/v1/query?query={query} HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    }
}

fn real() -> bool {
    let real = std::env::var_os("ECO_REAL").is_some_and(|it| it == "1");
    if !real {
        println!("skipped: a real Prometheus is started only with ECO_REAL=1 (Debian package prometheus)");
    }
    real
}

#[test]
fn a_real_prometheus_evaluates_every_expression_and_has_values_for_every_panel() {
    if !real() {
        return;
    }
    let exporter = Exporter::bind("127.0.0.1:0").unwrap();
    exporter.publish(&families());
    let server = Server::start(&exporter.address().to_string());
    let begin = Instant::now();
    // Rates need two scrapes.
    let scrapes = "count_over_time(ecosystem_epoch[1m])";
    let seen =
        |value: &Value| value["data"]["result"][0]["value"][1].as_str().and_then(|it| it.parse::<f64>().ok());
    while server.ask(scrapes).as_ref().and_then(seen).unwrap_or(0.0) < 3.0 {
        assert!(begin.elapsed() < Duration::from_secs(40), "nothing is scraped");
        std::thread::sleep(Duration::from_millis(200));
    }
    let shown: Vec<String> = dashboards().into_iter().flat_map(|(_, text)| expressions(&text)).collect();
    for expression in &shown {
        let expression = expression.replace("$__rate_interval", "1m");
        let answer = server.ask(&expression).unwrap();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        // Nothing has failed or been begun here: this share has no value.
        let values = answer["data"]["result"].as_array().unwrap().len();
        let of_nothing = expression.contains("ratio_rate15m");
        assert!(values > 0 || of_nothing, "{expression} has no value");
    }
    for expression in rules().0 {
        let answer = server.ask(&expression).unwrap();
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
    }
}

#[test]
fn the_rules_are_sound_and_fire_when_they_must() {
    if !real() {
        return;
    }
    let rules = package().join("rules");
    for words in [["check", "rules", "ecosystem.yml"], ["test", "rules", "ecosystem_test.yml"]] {
        let done = Command::new("promtool").args(words).current_dir(&rules).output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn any_metrics_make_a_dashboard() {
    let text = "# TYPE asked_total counter\nasked_total{route=\"a\"} 3\n# TYPE took_seconds histogram\n\
                took_seconds_bucket{le=\"1\"} 2\ntook_seconds_bucket{le=\"+Inf\"} 3\ntook_seconds_sum 4\ntook_seconds_count 3\n";
    let families = parse(text).unwrap();
    assert_eq!(families[1].kind, FamilyKind::Histogram);
    let panels: Vec<Panel> = families.iter().map(Panel::of).collect();
    let made = expressions(&dashboard("mine", "Mine", &panels));
    assert_eq!(made.len(), 3);
    assert_eq!(names(&made[1]), BTreeSet::from(["took_seconds_bucket".to_owned()]));
}
