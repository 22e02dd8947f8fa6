//! Small manifests, one for each construct, beside the map and the findings that they give (`tests/data/manifest`).
#![cfg(feature = "manifest")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "a test may read files by their names and fail loudly"
)]

use ecosystem_core::manifest::{self, ParseOptions, Source};
use ecosystem_core::{Ecosystem, Finding};
use std::fmt::Write as _;
use std::path::Path;

fn render(map: &Ecosystem, findings: &[Finding]) -> String {
    let mut out = format!("application {}\n", map.name());
    for c in map.components() {
        let _ = write!(out, "component {} {} x{}", c.id, c.kind, c.replicas);
        if !c.image.is_empty() {
            let _ = write!(out, " {}:{}", c.image, c.version);
        }
        if !c.requirements.request.is_zero() {
            let _ = write!(out, ", asks {}", c.requirements.request);
        }
        if !c.requirements.limit.is_zero() {
            let _ = write!(out, ", at most {}", c.requirements.limit);
        }
        if let Some((min, max)) = c.replica_range {
            let _ = write!(out, ", {min} to {max}");
        }
        if let Some(most) = c.max_unavailable {
            let _ = write!(out, ", {most} may be down");
        }
        for port in &c.ports {
            let _ = write!(out, " {}/{}", port.number, port.protocol);
        }
        for (name, value) in &c.labels {
            let _ = write!(out, " {name}={value}");
        }
        out.push('\n');
    }
    for d in map.dependencies() {
        let port = d.port.map(|p| format!(":{p}")).unwrap_or_default();
        let _ = write!(out, "edge {} -{}-> {}{port} {:?} {:?}", d.from, d.kind, d.to, d.strength, d.mode);
        if !d.protocol.is_empty() {
            let _ = write!(out, " {}", d.protocol);
        }
        for (what, amount) in [("calls/1000s", d.calls_per_1000_s), ("bytes/s", d.bytes_per_s)] {
            if amount > 0 {
                let _ = write!(out, " {amount} {what}");
            }
        }
        for e in &d.evidence {
            let _ = write!(out, "; {:?} {:?} line {} {}", e.kind, e.confidence, e.place.line, e.place.path);
        }
        out.push('\n');
    }
    for rule in map.rules() {
        let _ = writeln!(out, "rule {rule} {:?} {:?}", rule.weight, rule.span);
    }
    for finding in findings {
        let _ = writeln!(out, "{finding}");
    }
    out
}

#[test]
fn every_construct_gives_the_map_beside_it() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/manifest"));
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|n| [".yaml", ".json", ".xml"].iter().any(|end| n.ends_with(end)));
    names.sort();
    assert!(names.len() >= 20, "{names:?}");
    let mut wrong = Vec::new();
    for name in names {
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        let stem = name.rsplit_once('.').unwrap().0;
        let env = std::fs::read_to_string(folder.join(format!("{stem}.env"))).ok();
        let mut options = ParseOptions::default();
        if let Some(env) = &env {
            options = options.with_env_file(Source::new("variables.env", env));
        }
        let found = match manifest::parse(&[Source::new(&name, &text)], &options) {
            Ok(parsed) => render(&parsed.ecosystem, &parsed.findings),
            Err(error) => {
                let lines: Vec<String> = error.findings.iter().map(ToString::to_string).collect();
                lines.join("\n") + "\n"
            }
        };
        let path = folder.join(format!("{stem}.txt"));
        if std::env::var_os("GOLDEN_WRITE").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        if std::fs::read_to_string(&path).unwrap_or_default() != found {
            wrong.push(format!("--- {name}\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
