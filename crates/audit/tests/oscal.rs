//! OSCAL reports against what NIST publishes: the control catalogue and an assessment results document.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "tests fail by panicking and print their counts"
)]

use crate::common;

use std::collections::{BTreeMap, BTreeSet};

use common::json;
use ecosystem_audit::compliance::{
    Basis, CheckpointFact, Evidence, Facts, Period, ReportFormat, Settings, Standard, assess,
};
use ecosystem_audit::{Draft, Log};
use serde_json::Value as Json;

/// A report over a few entries, of which some fail a check.
fn report(standard: Standard) -> Json {
    let mut log = Log::new();
    for i in 0..50_u64 {
        let actor = if i % 5 == 0 { "root" } else { "ana" };
        log.append(&Draft::new(i * 60_000, actor, "change.apply", "vm/1").with_field("origin", "10.0.0.1"))
            .unwrap();
    }
    let sound = log.verify();
    let mut facts = Facts::default();
    facts.checkpoints.push(CheckpointFact::new(log.head()));
    let evidence = Evidence::new(&log, &sound, Period::new(0, 3_600_000).unwrap()).at(4_000_000);
    let text = assess(standard, &evidence, &facts, &Settings::default()).render(ReportFormat::Oscal);
    serde_json::from_str(&text).unwrap()
}

/// What kind of value lies at each path of member names; elements of arrays share one.
fn shape(value: &Json, path: &str, out: &mut BTreeMap<String, &'static str>) {
    let kind = match value {
        Json::Object(map) => {
            for (name, value) in map {
                shape(value, &format!("{path}/{name}"), out);
            }
            "object"
        }
        Json::Array(items) => {
            for item in items {
                shape(item, &format!("{path}/*"), out);
            }
            "array"
        }
        Json::String(_) => "text",
        Json::Number(_) => "number",
        Json::Bool(_) => "truth value",
        Json::Null => "null",
    };
    out.insert(path.to_owned(), kind);
}

#[test]
fn the_document_has_the_shape_of_a_published_one() {
    let Some(published) = json("oscal/ifa_assessment-results-example.json.gz") else { return };
    let mut known = BTreeMap::new();
    shape(&published, "", &mut known);
    let (mut shared, mut own) = (BTreeSet::new(), BTreeSet::new());
    for standard in Standard::ALL {
        let mut ours = BTreeMap::new();
        shape(&report(standard), "", &mut ours);
        for (path, kind) in &ours {
            match known.get(path) {
                Some(expected) => {
                    assert_eq!(kind, expected, "{standard}: {path}");
                    shared.insert(path.clone());
                }
                None => drop(own.insert(path.clone())),
            }
        }
        // What the schema of assessment results 1.1.2 requires.
        for required in [
            "uuid",
            "metadata/title",
            "metadata/last-modified",
            "metadata/version",
            "metadata/oscal-version",
            "import-ap/href",
            "results/*/uuid",
            "results/*/title",
            "results/*/description",
            "results/*/start",
            "results/*/reviewed-controls/control-selections",
            "results/*/observations/*/uuid",
            "results/*/observations/*/description",
            "results/*/observations/*/methods",
            "results/*/observations/*/collected",
            "results/*/findings/*/uuid",
            "results/*/findings/*/title",
            "results/*/findings/*/description",
            "results/*/findings/*/target/type",
            "results/*/findings/*/target/target-id",
            "results/*/findings/*/target/status/state",
            "results/*/risks/*/uuid",
            "results/*/risks/*/statement",
            "results/*/risks/*/status",
        ] {
            assert!(ours.contains_key(&format!("/assessment-results/{required}")), "{standard}: {required}");
        }
    }
    println!("OSCAL: {} places as in a published document, {} that it does not use", shared.len(), own.len());
    assert!(shared.len() > 40 && shared.len() > own.len(), "{own:?}");
}

#[test]
fn nist_controls_have_the_ids_of_the_published_catalogue() {
    let Some(catalogue) = json("oscal/nist800-53r5_high_audit_controls.json") else { return };
    let published: BTreeSet<&str> =
        catalogue["controls"].as_object().unwrap().keys().map(String::as_str).collect();
    let id = |name: &str| name.to_ascii_lowercase().replace('(', ".").replace(')', "");
    let ours: BTreeSet<String> =
        Standard::Nist80053.controls().iter().map(|control| id(control.id)).collect();
    assert_eq!(ours.iter().map(String::as_str).collect::<BTreeSet<_>>(), published);

    let document = report(Standard::Nist80053);
    let selected =
        &document["assessment-results"]["results"][0]["reviewed-controls"]["control-selections"][0];
    let selected: BTreeSet<&str> = selected["include-controls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|control| control["control-id"].as_str().unwrap())
        .collect();
    assert!(selected.is_subset(&published));
    let outside = Standard::Nist80053.controls().iter().filter(|c| c.basis == Basis::NotAssessable).count();
    assert_eq!(selected.len() + outside, published.len());
    println!(
        "NIST 800-53: {} controls of the catalogue, {outside} of them outside of what a log can show",
        published.len()
    );
}
