//! YAML text of JSON values: block style, mapping keys in order, strings quoted wherever a reader could mistake them.

use serde_json::Value;
use std::fmt::Write as _;

/// In a [`template`], marks a string that goes out as it is: a template expression, without quotes.
pub(super) const RAW: char = '\u{1}';
/// In a [`template`], marks a string that goes out as `{{- toYaml <rest> | nindent <n> }}` with the indentation of its place.
pub(super) const BLOCK: char = '\u{2}';
/// In a [`template`], stands before a string that only happens to begin like a marked one.
pub(super) const LITERAL: char = '\u{3}';

/// One document, without `---`.
pub(super) fn document(value: &Value) -> String {
    written(value, false)
}

/// One document in which marked strings are template expressions.
pub(super) fn template(value: &Value) -> String {
    written(value, true)
}

fn written(value: &Value, marks: bool) -> String {
    let mut writer = Writer { out: String::new(), marks };
    if is_nested(value) {
        writer.entries(value, 0);
    } else {
        writer.inline(value, 0);
        writer.out.push('\n');
    }
    writer.out
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

struct Writer {
    out: String,
    /// Whether marks mean anything; text of a map that begins with such a character must not.
    marks: bool,
}

impl Writer {
    /// The entries of a mapping or sequence, each on lines of its own.
    fn entries(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    let _ = write!(self.out, "{:indent$}{}:", "", quoted(key), indent = depth);
                    self.below(inner, depth + 2);
                }
            }
            Value::Array(items) => {
                for item in items {
                    let _ = write!(self.out, "{:indent$}-", "", indent = depth);
                    if matches!(item, Value::Object(map) if !map.is_empty()) {
                        // the first key stands beside the hyphen
                        let mut inner = Self { out: String::new(), marks: self.marks };
                        inner.entries(item, depth + 2);
                        self.out.push(' ');
                        self.out.push_str(inner.out.trim_start_matches(' '));
                    } else {
                        self.below(item, depth + 2);
                    }
                }
            }
            _ => {}
        }
    }

    /// What comes after a colon or hyphen.
    fn below(&mut self, value: &Value, depth: usize) {
        if is_nested(value) {
            self.out.push('\n');
            self.entries(value, depth);
        } else {
            self.out.push(' ');
            self.inline(value, depth);
            self.out.push('\n');
        }
    }

    fn inline(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Object(_) => self.out.push_str("{}"),
            Value::Array(_) => self.out.push_str("[]"),
            Value::String(text) if self.marks => {
                if let Some(expression) = text.strip_prefix(RAW) {
                    self.out.push_str(expression);
                } else if let Some(path) = text.strip_prefix(BLOCK) {
                    let _ = write!(self.out, "{{{{- toYaml {path} | nindent {depth} }}}}");
                } else {
                    self.out.push_str(&quoted(text.strip_prefix(LITERAL).unwrap_or(text)));
                }
            }
            Value::String(text) => self.out.push_str(&quoted(text)),
            other => {
                let _ = write!(self.out, "{other}");
            }
        }
    }
}

/// A plain scalar where it is certainly a string for YAML 1.1 and 1.2 readers, else double quotes.
pub(super) fn quoted(text: &str) -> String {
    const WORDS: [&str; 12] =
        ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf", "infinity"];
    let starts_safely = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/');
    let safe = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    if starts_safely && safe && !WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    // JSON strings are YAML double-quoted scalars; DEL and C1 controls are the exception
    let json = Value::String(text.to_owned()).to_string();
    json.chars().fold(String::with_capacity(json.len()), |mut out, c| {
        if ('\u{7f}'..='\u{9f}').contains(&c) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn text_that_begins_like_a_mark_stays_text() {
        let text = json!({ "a": "\u{1}x\nb: injected", "c": "\u{2}d" });
        assert_eq!(document(&text), "a: \"\\u0001x\\nb: injected\"\nc: \"\\u0002d\"\n");
        let marked = json!({ "a": "\u{1}{{ .x }}", "b": "\u{3}\u{1}y" });
        assert_eq!(template(&marked), "a: {{ .x }}\nb: \"\\u0001y\"\n");
    }

    #[test]
    fn strings_that_look_like_something_else_are_quoted() {
        let value = json!({ "a": ["on", "1.0", "x:y", "plain-text", "", "~", 3, true], "b": { "c": {}, "d": [[1], {"e": 2}] } });
        assert_eq!(
            document(&value),
            "a:\n  - \"on\"\n  - \"1.0\"\n  - \"x:y\"\n  - plain-text\n  - \"\"\n  - \"~\"\n  - 3\n  - true\nb:\n  c: {}\n  d:\n    -\n      - 1\n    - e: 2\n"
        );
    }
}
