//! Dashboards for Grafana, made from the metrics that are exported.

use ecosystem_core::prometheus::{FamilyKind, MetricFamily};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Columns of Grafana's grid, and the size of a panel on it.
const COLUMNS: u64 = 24;
const WIDTH: u64 = 8;
const HEIGHT: u64 = 7;
/// Version of the dashboard model (Grafana 10; later ones bring it up to date when they load it).
const SCHEMA: u64 = 38;

/// One graph.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what a graph needs")]
pub struct Panel {
    /// Its heading.
    pub title: String,
    /// In more words.
    pub description: String,
    /// Expressions in `PromQL`; `$__rate_interval` stands for a span that fits the scrape interval.
    pub expressions: Vec<String>,
    /// How the lines are called, as `{{label}}`; empty = Grafana's choice.
    pub legend: String,
    /// A unit of Grafana: `short`, `bytes`, `s`, `ops`, …
    pub unit: String,
}

impl Panel {
    /// The graph of a family: counters by their rate, gauges as they are, histograms and summaries by their median and 99 %
    /// quantile. The unit follows the name, as the conventions of Prometheus have it.
    pub fn of(family: &MetricFamily) -> Self {
        let name = &family.name;
        let labels: BTreeSet<&str> = family
            .samples
            .iter()
            .flat_map(|sample| sample.labels.iter().map(|(label, _)| &**label))
            .filter(|&it| it != "le" && it != "quantile")
            .collect();
        let names = |labels: &BTreeSet<&str>| labels.iter().copied().collect::<Vec<_>>().join(", ");
        let (expressions, per_second) = match family.kind {
            FamilyKind::Counter => (vec![format!("rate({name}[$__rate_interval])")], true),
            FamilyKind::Histogram => {
                let by: Vec<&str> = labels.iter().copied().chain(["le"]).collect();
                let of = |q: &str| {
                    format!(
                        "histogram_quantile({q}, sum by ({}) (rate({name}_bucket[$__rate_interval])))",
                        by.join(", ")
                    )
                };
                (vec![of("0.5"), of("0.99")], false)
            }
            FamilyKind::Summary => {
                (vec![format!("{name}{{quantile=\"0.5\"}}"), format!("{name}{{quantile=\"0.99\"}}")], false)
            }
            _ => (vec![name.to_string()], false),
        };
        let legend: Vec<String> = labels.iter().map(|it| format!("{{{{{it}}}}}")).collect();
        let heading = if family.help.is_empty() { name } else { &family.help };
        let by = if labels.is_empty() { String::new() } else { format!(" by {}", names(&labels)) };
        Self {
            title: format!("{heading}{by}{}", if per_second { " per second" } else { "" }),
            description: format!("{name}: {}", family.help),
            expressions,
            legend: legend.join(" "),
            unit: unit(name, per_second).into(),
        }
    }
}

fn unit(name: &str, per_second: bool) -> &'static str {
    let base = name.strip_suffix("_total").unwrap_or(name);
    match (base.ends_with("_bytes"), base.ends_with("_seconds"), per_second) {
        (true, _, false) => "bytes",
        (true, _, true) => "Bps",
        (_, true, false) => "s",
        // Seconds per second are a share.
        (_, true, true) => "percentunit",
        (_, _, true) => "ops",
        _ => "short",
    }
}

/// A dashboard with these panels, three in a row, as JSON that Grafana imports. It asks for the data source when it is opened.
/// `uid` is what links name it by: at most 40 characters of letters, digits, `-` and `_`.
pub fn dashboard(uid: &str, title: &str, panels: &[Panel]) -> String {
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let panels: Vec<Value> = (0..).zip(panels).map(|(at, panel)| graph(at, panel, &source)).collect();
    let all = json!({
        "uid": uid,
        "title": title,
        "tags": ["vm-ecosystem"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": true,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [{
            "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
            "hide": 0, "includeAll": false, "multi": false, "refresh": 1,
        }]},
        "annotations": {"list": []},
        "panels": panels,
    });
    // Values of text keys only always serialize.
    format!("{all:#}\n")
}

fn graph(at: u64, panel: &Panel, source: &Value) -> Value {
    let per_row = COLUMNS / WIDTH;
    let targets: Vec<Value> = (b'A'..=b'Z')
        .zip(&panel.expressions)
        .map(|(letter, expression)| {
            json!({
                "refId": char::from(letter).to_string(), "datasource": source, "expr": expression,
                "legendFormat": if panel.legend.is_empty() { "__auto" } else { &panel.legend },
            })
        })
        .collect();
    json!({
        "id": at + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": source,
        "gridPos": {"x": at % per_row * WIDTH, "y": at / per_row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecosystem_core::prometheus::MetricSample;

    fn family(name: &str, kind: FamilyKind, labels: &[&str]) -> MetricFamily {
        let mut family = MetricFamily::new(name, kind, "What it is");
        let sample = labels.iter().fold(MetricSample::new(name, 1.0), |it, label| it.with(label, "x"));
        family.samples.push(sample);
        family
    }

    #[test]
    fn each_kind_of_metric_is_shown_as_it_is_read() {
        let panel = |name, kind, labels: &[&str]| Panel::of(&family(name, kind, labels));
        let counter = panel("a_bytes_total", FamilyKind::Counter, &["host"]);
        assert_eq!(counter.expressions, ["rate(a_bytes_total[$__rate_interval])"]);
        assert_eq!((counter.unit.as_str(), counter.legend.as_str()), ("Bps", "{{host}}"));
        assert_eq!(counter.title, "What it is by host per second");
        let gauge = panel("b", FamilyKind::Gauge, &[]);
        assert_eq!(
            (gauge.expressions, gauge.unit.as_str(), gauge.legend.as_str()),
            (vec!["b".into()], "short", "")
        );
        let histogram = panel("c_seconds", FamilyKind::Histogram, &["le", "zone"]);
        assert_eq!(
            histogram.expressions[1],
            "histogram_quantile(0.99, sum by (zone, le) (rate(c_seconds_bucket[$__rate_interval])))"
        );
        assert_eq!((histogram.unit.as_str(), histogram.legend.as_str()), ("s", "{{zone}}"));
    }

    #[test]
    fn panels_have_numbers_and_places_of_their_own() {
        let panels: Vec<Panel> =
            (0..7).map(|it| Panel::of(&family(&format!("m{it}"), FamilyKind::Gauge, &[]))).collect();
        let value: Value = serde_json::from_str(&dashboard("x", "X", &panels)).unwrap();
        let all = value["panels"].as_array().unwrap();
        let places: BTreeSet<String> = all.iter().map(|it| it["gridPos"].to_string()).collect();
        let numbers: BTreeSet<u64> = all.iter().filter_map(|it| it["id"].as_u64()).collect();
        assert_eq!((places.len(), numbers.len()), (7, 7));
        assert!(all.iter().all(|it| it["gridPos"]["x"].as_u64().unwrap() + WIDTH <= COLUMNS));
    }
}
