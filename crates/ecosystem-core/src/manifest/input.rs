//! From bytes to located documents, and what kind of manifest each of them is.

use super::report::Report;
use super::tree::{self, At, Node, Value};
use super::{Budgets, Format, Source, exported, json, template, xml, yaml};

/// All documents of all inputs that have content.
pub(super) fn documents(sources: &[Source<'_>], budgets: &Budgets, report: &mut Report) -> Vec<Node> {
    let mut all = Vec::new();
    for source in sources {
        let file = report.file(source.name);
        if let Some(text) = text_of(source, file, budgets, report) {
            all.extend(read_text(text, file, budgets, report));
        }
    }
    all
}

pub(super) fn text_of<'a>(
    source: &Source<'a>,
    file: u32,
    budgets: &Budgets,
    report: &mut Report,
) -> Option<&'a str> {
    let start = tree::Pos { file, line: 1, column: 1 };
    if source.bytes.len() > budgets.bytes {
        let place = report.place_of(start, String::new());
        let message =
            format!("the input has {} bytes, expected at most {}", source.bytes.len(), budgets.bytes);
        report.add_at("E1004", place, message, "split the input, or raise `budgets.bytes`");
        return None;
    }
    match std::str::from_utf8(source.bytes) {
        Ok(text) => Some(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let good = source.bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = good.split(|&b| b == b'\n').count();
            let line_start = good.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
            let column = good.iter().skip(line_start).filter(|&&b| b & 0xC0 != 0x80).count() + 1;
            let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let pos = tree::Pos { file, line: narrow(line), column: narrow(column) };
            let place = report.place_of(pos, String::new());
            let message = format!("byte {} is not valid UTF-8", error.valid_up_to());
            report.add_at("E1003", place, message, "save the file as UTF-8");
            None
        }
    }
}

/// JSON if the text begins like it, else YAML; flow-style YAML also begins with a brace, so YAML has the last word.
fn read_text(text: &str, file: u32, budgets: &Budgets, report: &mut Report) -> Vec<Node> {
    let start = text.trim_start();
    if start.starts_with('<') {
        return xml::read(text, file, budgets, report).into_iter().collect();
    }
    if start.starts_with(['{', '[']) {
        match json::read(text, file, budgets) {
            Ok(nodes) => return nodes,
            // A quote after the first brackets: meant as JSON, so that its error is the helpful one.
            Err(fault) if fault.code != "E1002" || first_quoted(start) => {
                let place = report.place_of(fault.pos, String::new());
                report.add_at(fault.code, place, fault.message, fault.remedy);
                return Vec::new();
            }
            Err(_) => {}
        }
    }
    template::note(text, file, report);
    yaml::read(text, file, budgets, report)
}

fn first_quoted(text: &str) -> bool {
    text.trim_start_matches(['{', '[', ' ', '\n', '\r', '\t']).starts_with('"')
}

/// What kind of manifest a document is; a document that is none is an error.
pub(super) fn recognise(root: &At<'_>, report: &mut Report) -> Option<Format> {
    let has = |key: &str| root.node.get(key).is_some();
    if root.text_of("format") == Some(exported::FORMAT) {
        return Some(Format::Map);
    }
    if has("components") {
        return Some(Format::Native);
    }
    let api = root.text_of("apiVersion").unwrap_or_default();
    if has("tosca_definitions_version") {
        return Some(Format::Tosca);
    }
    if crate::traces::is_trace(root) {
        return Some(Format::Traces);
    }
    if has(xml::ELEMENT) {
        return Some(Format::GraphMl);
    }
    if api.starts_with("score.dev/") {
        return Some(Format::Score);
    }
    if api.starts_with("core.oam.dev/") {
        return Some(Format::Oam);
    }
    if has("apiVersion") && has("kind") {
        return Some(Format::Kubernetes);
    }
    let has_map =
        |key: &str| root.node.get(key).is_some_and(|n| matches!(n.value, Value::Map(_)) || n.is_null());
    if !has("$schema")
        && (has_map("services") || root.node.get("include").is_some_and(|n| !n.items().is_empty()))
    {
        return Some(Format::Compose);
    }
    let what = if has("$schema") {
        "a JSON schema"
    } else if matches!(api, "v1" | "v2") && has("name") && has("version") {
        "the description of a Helm chart"
    } else if has("regions") {
        "an infrastructure file"
    } else {
        match root.node.value {
            Value::Map(_) => "not a known manifest",
            Value::List(_) => "a list",
            Value::Scalar(_) => "a single text",
        }
    };
    report.add(
        "E1010",
        root,
        format!("the document is {what}, expected an application manifest"),
        "formats that are read: our own (`components:`), our JSON maps, Kubernetes, Docker Compose, Score, OAM, TOSCA, GraphML, traces",
    );
    None
}
