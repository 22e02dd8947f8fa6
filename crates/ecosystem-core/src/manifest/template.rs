//! Text that is to become YAML, but is none yet.

use super::report::Report;
use super::tree::Pos;

/// Helm's templates are text, not YAML: what they would become is not known here.
pub(crate) fn note(text: &str, file: u32, report: &mut Report) {
    let marks = [".Values", ".Release", ".Chart", "include \""];
    let is_helm = |line: &str| {
        line.split("{{").skip(1).any(|rest| {
            let inside = rest.split("}}").next().unwrap_or(rest);
            marks.iter().any(|mark| inside.contains(mark))
        })
    };
    if !text.contains("{{") {
        return;
    }
    if let Some(line) = text.lines().position(is_helm) {
        let line = u32::try_from(line + 1).unwrap_or(u32::MAX);
        let place = report.place_of(Pos { file, line, column: 1 }, String::new());
        let message = "template expressions of a Helm chart are not rendered".to_owned();
        report.add_at("W1332", place, message, "render it first (`helm template`) and hand in the result");
    }
}
