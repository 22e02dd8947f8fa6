//! Our own format, version 1.1; specified in `docs/manifest-format.md`.

pub(super) mod component;
pub(super) mod rules;

use super::draft::Draft;
use super::read;
use super::report::Report;
use super::tree::At;

pub(super) const KEYS: &[&str] = &["version", "name", "description", "owner", "components", "rules"];

/// Versions that are read: 1.1 adds `evidence` to manifests and `bandwidth` to infrastructures.
pub(super) const VERSIONS: [&str; 2] = ["1", "1.1"];

/// Reads a document of our own format.
pub(crate) fn read(root: &At<'_>, draft: &mut Draft, report: &mut Report) {
    read::known_keys(root, KEYS, report);
    check_version(root, report);
    if let Some(name) = read::text_of(root, "name", report)
        && draft.name.is_empty()
    {
        name.clone_into(&mut draft.name);
    }
    let owner = read::text_of(root, "owner", report).unwrap_or_default();
    match root.get("components") {
        Some(components) => component::read_all(&components, owner, draft, report),
        None => report.add(
            "E1106",
            root,
            "`components` is missing or empty".to_owned(),
            "list the parts of the application below `components:`",
        ),
    }
    if let Some(rules) = root.get("rules") {
        rules::read_all(&rules, draft, report);
    }
}

/// The version must be one that is known; its absence is worth a remark.
pub(crate) fn check_version(root: &At<'_>, report: &mut Report) {
    match root.get("version") {
        None => report.add(
            "W1107",
            root,
            "`version` is missing, read as version 1".to_owned(),
            "add `version: 1`",
        ),
        Some(version) if version.text().is_some_and(|text| VERSIONS.contains(&text)) => {}
        Some(version) => {
            let known = VERSIONS.join("` or `");
            let message =
                format!("format version {} is not known, expected `{known}`", version.node.describe());
            report.add("E1107", &version, message, "write `version: 1`");
        }
    }
}
