//! Docker Compose files (Compose Specification): interpolation, overrides, `extends`, `include`, then services.

mod dotenv;
mod extends;
mod interpolate;
mod merge;
mod names;
mod placement;
mod service;
mod syntax;

use super::ParseOptions;
use super::draft::Draft;
use super::read;
use super::report::Report;
use super::tree::{At, Node, shorten};
use interpolate::Variables;
use std::collections::BTreeMap;

/// All Compose documents of the inputs.
#[derive(Debug, Default)]
pub(crate) struct Documents<'a> {
    nodes: Vec<&'a Node>,
}

const KEYS: &[&str] =
    &["version", "name", "services", "networks", "volumes", "configs", "secrets", "include", "models"];

impl<'a> Documents<'a> {
    pub(crate) fn add(&mut self, root: &At<'a>) {
        self.nodes.push(root.node);
    }

    /// Interpolates, resolves and merges all documents, then reads their services.
    pub(crate) fn finish(
        self,
        files: &[&str],
        options: &ParseOptions<'_>,
        draft: &mut Draft,
        report: &mut Report,
    ) {
        if self.nodes.is_empty() {
            return;
        }
        let mut variables = Variables::new(options.budgets.bytes.saturating_mul(4));
        let mut env_files = BTreeMap::new();
        for file in &options.env_files {
            let own = dotenv::read(file, &options.budgets, &options.variables, &mut variables, report);
            env_files.insert(file.name, own);
        }
        variables.extend(&options.variables);
        let filled: Vec<Node> =
            self.nodes.iter().map(|node| interpolate::fill(node, &mut variables, report)).collect();
        let extended: Vec<Node> = filled.iter().map(|node| extends::resolve(node, &filled, report)).collect();
        let Some(whole) = extended.iter().cloned().reduce(|base, over| merge::merge(&base, &over)) else {
            return;
        };
        let whole = merge::settled(&whole);
        let root = At::root(&whole);
        read::known_keys(&root, KEYS, report);
        if let Some(name) = read::text_of(&root, "name", report)
            && draft.name.is_empty()
        {
            name.clone_into(&mut draft.name);
        }
        includes(&root, files, report);
        let Some(services) = root.get("services") else {
            report.add(
                "W1106",
                &root,
                "`services` is empty".to_owned(),
                "list the services of the application",
            );
            return;
        };
        let Some(services) = read::map(services, report) else { return };
        let context = service::Context { root, env_files, variables: &variables };
        service::read_all(&services, &context, draft, report);
    }
}

/// Included files must be among the inputs.
fn includes(root: &At<'_>, files: &[&str], report: &mut Report) {
    let Some(list) = root.get("include") else { return };
    for item in list.items() {
        let path = item.get("path").unwrap_or_else(|| item.clone());
        for (name, at) in read::texts(&path, report) {
            if find_file(files.iter().copied(), name).is_none() {
                let message = format!("`{}` is included, but not among the inputs", shorten(name));
                report.add("W1330", &at, message, "hand in that file, too");
            }
        }
    }
}

/// The input that a path in a manifest means: the same path, or one that ends with the same file name.
fn find_file<'f>(files: impl Iterator<Item = &'f str> + Clone, path: &str) -> Option<&'f str> {
    let path = path.trim_start_matches("./");
    let base = path.rsplit('/').next().unwrap_or(path);
    files.clone().find(|file| *file == path).or_else(|| {
        let mut ends = files;
        ends.find(|file| {
            file.strip_suffix(base).is_some_and(|dir| dir.is_empty() || dir.ends_with(['/', '\\']))
        })
    })
}
