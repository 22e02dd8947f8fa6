//! YAML text of JSON values: block style, mapping keys in order, strings quoted wherever a reader could mistake them.

use serde_json::Value;
use std::fmt::Write as _;

/// Marks a string that goes out as it is: a template expression, without quotes.
pub(super) const RAW: char = '\u{1}';
/// Marks a string that goes out as `{{- toYaml <rest> | nindent <n> }}` with the indentation of its place.
pub(super) const BLOCK: char = '\u{2}';

/// One document, without `---`.
pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => entries(&mut out, value, 0),
        Value::Array(items) if !items.is_empty() => entries(&mut out, value, 0),
        scalar => {
            inline(&mut out, scalar, 0);
            out.push('\n');
        }
    }
    out
}

/// The entries of a mapping or sequence, each on lines of its own.
fn entries(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let _ = write!(out, "{:indent$}{}:", "", quoted(key), indent = depth);
                below(out, inner, depth + 2);
            }
        }
        Value::Array(items) => {
            for item in items {
                let _ = write!(out, "{:indent$}-", "", indent = depth);
                if matches!(item, Value::Object(map) if !map.is_empty()) {
                    // the first key stands beside the hyphen
                    let mut text = String::new();
                    entries(&mut text, item, depth + 2);
                    out.push(' ');
                    out.push_str(text.trim_start_matches(' '));
                } else {
                    below(out, item, depth + 2);
                }
            }
        }
        _ => {}
    }
}

/// What comes after a colon or hyphen.
fn below(out: &mut String, value: &Value, depth: usize) {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        out.push('\n');
        entries(out, value, depth);
    } else {
        out.push(' ');
        inline(out, value, depth);
        out.push('\n');
    }
}

fn inline(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::String(text) => match text.chars().next() {
            Some(RAW) => out.push_str(text.trim_start_matches(RAW)),
            Some(BLOCK) => {
                let _ = write!(out, "{{{{- toYaml {} | nindent {depth} }}}}", text.trim_start_matches(BLOCK));
            }
            _ => out.push_str(&quoted(text)),
        },
        other => {
            let _ = write!(out, "{other}");
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
    fn strings_that_look_like_something_else_are_quoted() {
        let value = json!({ "a": ["on", "1.0", "x:y", "plain-text", "", "~", 3, true], "b": { "c": {}, "d": [[1], {"e": 2}] } });
        assert_eq!(
            document(&value),
            "a:\n  - \"on\"\n  - \"1.0\"\n  - \"x:y\"\n  - plain-text\n  - \"\"\n  - \"~\"\n  - 3\n  - true\nb:\n  c: {}\n  d:\n    -\n      - 1\n    - e: 2\n"
        );
    }
}
