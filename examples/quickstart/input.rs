//! The application, the infrastructure and the metrics of a run.

use crate::metrics::{self, Recorded};
use crate::options::Options;
use std::path::Path;
use vm_ecosystem::model::manifest::{self, ParseOptions, Source};
use vm_ecosystem::model::{Ecosystem, Finding, Infrastructure};

const SHOP: &str = include_str!("../data/shop.yaml");
const FLEET: &str = include_str!("../data/infrastructure.yaml");

pub(crate) struct Input {
    pub(crate) ecosystem: Ecosystem,
    pub(crate) infrastructure: Infrastructure,
    pub(crate) metrics: Recorded,
    pub(crate) findings: Vec<Finding>,
    /// Where the three came from, in words.
    pub(crate) origin: [String; 3],
}

pub(crate) fn load(options: &Options) -> Result<Input, String> {
    let (name, bytes) = read_or(options.manifest.as_deref(), "examples/data/shop.yaml", SHOP)?;
    let parsed = manifest::parse(&[Source::new(&name, &bytes)], &ParseOptions::default())
        .map_err(|e| e.to_string())?;
    let (fleet_name, bytes) =
        read_or(options.infrastructure.as_deref(), "examples/data/infrastructure.yaml", FLEET)?;
    let fleet = manifest::parse_infrastructure(&[Source::new(&fleet_name, &bytes)], &ParseOptions::default())
        .map_err(|e| e.to_string())?;
    let ecosystem = parsed.ecosystem.on_hosts(&fleet.infrastructure);
    if ecosystem.components().all(|c| !c.is_placed()) {
        return Err(format!(
            "{name}: no component runs on our hosts; give at least one that is not external"
        ));
    }
    let (metrics, origin) = match &options.metrics {
        Some(path) => (metrics::read(path, &ecosystem)?, file_name(path)),
        None => (metrics::generate(&ecosystem, options.seed), format!("generated, seed {}", options.seed)),
    };
    let findings = parsed.findings.into_iter().chain(fleet.findings).collect();
    let origin = [file_name(Path::new(&name)), file_name(Path::new(&fleet_name)), origin];
    Ok(Input { ecosystem, infrastructure: fleet.infrastructure, metrics, findings, origin })
}

fn read_or(path: Option<&Path>, default_name: &str, default: &str) -> Result<(String, Vec<u8>), String> {
    match path {
        None => Ok((default_name.to_owned(), default.as_bytes().to_vec())),
        Some(path) => {
            let name = path.display().to_string();
            let bytes = std::fs::read(path).map_err(|e| {
                format!("{name}:1:1: cannot be read ({e}); check the path and its permissions")
            })?;
            Ok((name, bytes))
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
