//! The map in other forms, written to a file or a folder.

use crate::ground::Ground;
use std::collections::BTreeMap;
use std::path::Path;
use vm_ecosystem::model::Ecosystem;
use vm_ecosystem::model::export::{
    ansible, compose, cyclonedx, cypher, dot, graphml, helm, json, jsonld, kubernetes, mermaid, native, svg,
    terraform,
};

/// Writes the map, placed where there is a ground, in a format.
pub(crate) fn write(
    map: &Ecosystem,
    ground: Option<Ground>,
    format: &str,
    path: &Path,
) -> Result<(), String> {
    if format == "ansible" {
        let ground = ground.unwrap_or_else(|| Ground::local(map));
        return folder(
            path,
            &BTreeMap::from([
                (
                    "inventory.yaml".to_owned(),
                    ansible::inventory(&ground.map, &ground.infrastructure, &ground.placement),
                ),
                ("playbook.yaml".to_owned(), ansible::playbook(&ground.map, &ground.placement)),
            ]),
        );
    }
    let mut settings = kubernetes::Settings::default();
    if let Some(ground) = &ground {
        settings = settings.placed(&ground.infrastructure, &ground.placement);
    }
    let map = ground.as_ref().map_or(map, |ground| &ground.map);
    let style = svg::Style::default().with_title(map.name());
    let text = match (format, &ground) {
        ("json", _) => json::map(map),
        ("native", _) => native::file(map),
        ("dot", _) => dot::map(map),
        ("mermaid", _) => mermaid::map(map),
        ("graphml", _) => graphml::map(map),
        ("cypher", _) => cypher::map(map),
        ("svg", _) => svg::map(map, &style),
        ("cyclonedx", _) => cyclonedx::map(map),
        ("jsonld", _) => jsonld::map(map, "urn:ecosystem:"),
        ("k8s" | "kubernetes", _) => kubernetes::manifests(map, &settings),
        ("eks", _) => kubernetes::manifests(map, &settings.on(kubernetes::Provider::Eks)),
        ("aks", _) => kubernetes::manifests(map, &settings.on(kubernetes::Provider::Aks)),
        ("gke", _) => kubernetes::manifests(map, &settings.on(kubernetes::Provider::Gke)),
        ("compose", _) => compose::file(map),
        ("terraform", _) => terraform::configuration(map, &settings),
        ("helm", _) => return folder(path, &helm::chart(map, &settings)),
        ("placement-svg", Some(ground)) => {
            svg::placement(map, &ground.infrastructure, &ground.placement, &style)
        }
        ("placement-json", Some(ground)) => json::placement(&ground.placement),
        ("placement-svg" | "placement-json", None) => {
            return Err(format!("`{format}` needs the hosts: give --infra"));
        }
        (other, _) => return Err(format!("unknown format `{other}`; --help lists the formats")),
    };
    file(path, &text)
}

fn folder(path: &Path, files: &BTreeMap<String, String>) -> Result<(), String> {
    files.iter().try_for_each(|(name, text)| file(&path.join(name), text))
}

fn file(path: &Path, text: &str) -> Result<(), String> {
    let fault = |error: std::io::Error| format!("{}: {error}; choose another path", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fault)?;
    }
    std::fs::write(path, text).map_err(fault)
}
