//! The JSON Schema of our own format: what is shipped is what is generated, and it agrees with the reader.
#![cfg(feature = "manifest")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "a test may read files, run a validator and fail loudly"
)]

use ecosystem_core::manifest::{self, ParseOptions, Source};
use std::path::Path;
use std::process::{Command, Stdio};

/// Manifests that the reader takes, and such that it refuses or warns about, each with a word of its finding.
const RIGHT: [&str; 5] = [
    "version: 1.1\ncomponents: {a: {evidence: [{kind: image, file: a.yaml, line: 3, column: 1, path: a.b}], depends_on: [{on: b, evidence: [{kind: env, confidence: medium}]}]}, b: {}}",
    "version: 1\ncomponents: {a: {maintenance: ['sat,sun 23:00-03:00', 'Daily 01:00-02:00', '2026-12-01T02:00:00Z/2026-12-01T04:00:00+01:00'], depends_on: {b: {payload: 2KiB}}}, b: {maintenance: mon-fri 22:00-24:00}}",
    include_str!("data/manifest/native-rules.yaml"),
    include_str!("../../../examples/data/shop.yaml"),
    "version: 1\ncomponents: {a: {replicas: {min: 1, max: 3}, ports: [80/tcp, 81], depends_on: {b: {condition: healthy}}}, b: }",
];
const WRONG: [(&str, &str); 12] = [
    ("version: 1.1\ncomponents: {a: {evidence: [{confidence: low}]}}", "E1106"),
    ("version: 1.1\ncomponents: {a: {evidence: [{kind: hearsay}]}}", "E1103"),
    ("version: 1.1\ncomponents: {a: {evidence: image}}", "E1102"),
    ("version: 1\ncomponents: {a: {maintenance: at night}}", "E1104"),
    ("version: 2\ncomponents: {a: {}}", "E1107"),
    ("version: 1\ncomponents: {a: {kind: databse}}", "E1103"),
    ("version: 1\ncomponents: {a: {imagee: x}}", "W1101"),
    ("version: 1\ncomponents: {a: {replicas: many}}", "E1104"),
    ("version: 1\ncomponents: {a: {depends_on: [{kind: call}, {on: a, kind: cal}]}}", "E1103"),
    ("version: 1\ncomponents: {a: {}}\nrules: [{kind: fence, members: [a]}]", "E1106"),
    ("version: 1\ncomponents: {a: {}}\nrules: [{kind: apart, members: [a], max: 1}]", "W1101"),
    ("version: 1\ncomponents: {a: {per_host: perhaps}}", "E1104"),
];

#[test]
fn the_shipped_schema_is_the_generated_one() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/manifest.schema.json"));
    let schema = manifest::json_schema();
    if std::env::var_os("ECO_BLESS").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    let shipped = std::fs::read_to_string(path).unwrap();
    assert_eq!(shipped, schema, "set ECO_BLESS=1 to write docs/manifest.schema.json anew");
}

#[test]
fn the_reader_agrees_with_what_the_schema_cases_expect() {
    let parse = |text: &str| manifest::parse(&[Source::new("m.yaml", text)], &ParseOptions::default());
    for text in RIGHT {
        assert_eq!(parse(text).map(|parsed| parsed.findings.len()), Ok(0), "{text}");
    }
    for (text, code) in WRONG {
        let findings = parse(text).map_or_else(|error| error.findings, |parsed| parsed.findings);
        assert!(findings.iter().any(|f| f.code == code), "{text}: {findings:?}");
    }
}

/// Reads the schema and some texts as JSON, says which texts are valid. The key `on` is text, as in YAML 1.2.
const PROGRAM: &str = "
import json, sys, yaml, jsonschema
schema, texts = json.load(sys.stdin)
schema = json.loads(schema)
jsonschema.Draft202012Validator.check_schema(schema)
class Loader(yaml.SafeLoader): pass
resolvers = yaml.SafeLoader.yaml_implicit_resolvers.items()
Loader.yaml_implicit_resolvers = {
    first: [r for r in known if first in 'tTfF' or r[0] != 'tag:yaml.org,2002:bool'] for first, known in resolvers
}
validator = jsonschema.Draft202012Validator(schema)
print(json.dumps([validator.is_valid(yaml.load(text, Loader)) for text in texts]))
";

/// jsonschema and `PyYAML` judge the same manifests by the generated schema alone.
#[test]
fn an_independent_validator_agrees_with_the_reader() {
    if std::env::var_os("ECO_REAL").is_none_or(|value| value != "1") {
        println!("skipped: validators run with ECO_REAL=1");
        return;
    }
    let texts: Vec<&str> = RIGHT.into_iter().chain(WRONG.into_iter().map(|(text, _)| text)).collect();
    let input = serde_json::json!([manifest::json_schema(), texts]).to_string();
    let child = Command::new("python3")
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("skipped: python3: {error}");
            return;
        }
    };
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("ModuleNotFoundError") {
        println!("skipped: {}", errors.lines().last().unwrap_or_default());
        return;
    }
    assert!(output.status.success(), "{errors}");
    let valid: Vec<bool> = serde_json::from_slice(&output.stdout).unwrap();
    let expected: Vec<bool> = RIGHT.iter().map(|_| true).chain(WRONG.iter().map(|_| false)).collect();
    assert_eq!(valid, expected);
}
