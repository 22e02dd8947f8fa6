//! Values as JSON text and as cells of CSV and syslog.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Parsed;

use crate::hash::Hash;
use crate::json::write_string;
use crate::value::{Value, ValueRef};

/// Largest integer that every JSON reader keeps exactly.
const SAFE: i64 = 1 << 53;

const TAGS: [&str; 5] = ["$bytes", "$commitment", "$sealed", "$json", "$integer"];

/// Writes a value as JSON on one line.
pub(super) fn write_value(value: ValueRef<'_>, out: &mut String) {
    let tagged = |tag: &str, text: &str, out: &mut String| {
        out.push_str("{\"");
        out.push_str(tag);
        out.push_str("\":");
        write_string(text, out);
        out.push('}');
    };
    match value {
        ValueRef::Text(text) => write_string(text, out),
        ValueRef::Integer(n) if (-SAFE..=SAFE).contains(&n) => out.push_str(&n.to_string()),
        ValueRef::Integer(n) => tagged("$integer", &n.to_string(), out),
        ValueRef::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
        ValueRef::Json(text) if stays_json(text) => out.push_str(text),
        ValueRef::Json(text) => tagged("$json", text, out),
        ValueRef::Bytes(bytes) => tagged("$bytes", &STANDARD.encode(bytes), out),
        ValueRef::Commitment(hash) => tagged("$commitment", &hash.to_hex(), out),
        ValueRef::Sealed(bytes) => tagged("$sealed", &STANDARD.encode(bytes), out),
    }
}

/// Whether JSON text, put into a line as it is, reads back as [`Value::Json`] with the same bytes.
fn stays_json(text: &str) -> bool {
    let plain =
        !text.chars().any(|c| c.is_control() || c == '\u{2028}' || c == '\u{2029}') && text.trim() == text;
    plain && matches!(read_value(text), Some(Value::Json(again)) if again == text)
}

/// Reads what [`write_value`] writes; any other JSON becomes [`Value::Json`] with its own bytes.
pub(super) fn read_value(text: &str) -> Option<Value> {
    let text = text.trim_matches([' ', '\t', '\r', '\n']);
    let parsed: Parsed = serde_json::from_str(text).ok()?;
    Some(match &parsed {
        Parsed::String(s) => Value::Text(s.clone()),
        Parsed::Bool(flag) => Value::Bool(*flag),
        Parsed::Number(n) if n.is_i64() && !text.contains(['.', 'e', 'E']) && text != "-0" => {
            Value::Integer(n.as_i64()?)
        }
        Parsed::Object(map) if map.len() == 1 => match map.iter().next() {
            Some((tag, Parsed::String(content))) if TAGS.contains(&tag.as_str()) => untag(tag, content)?,
            _ => Value::Json(text.to_owned()),
        },
        _ => Value::Json(text.to_owned()),
    })
}

fn untag(tag: &str, content: &str) -> Option<Value> {
    Some(match tag {
        "$bytes" => Value::Bytes(STANDARD.decode(content).ok()?),
        "$sealed" => Value::Sealed(STANDARD.decode(content).ok()?),
        "$commitment" => Value::Commitment(Hash::from_hex(content)?),
        "$integer" => Value::Integer(content.parse().ok()?),
        _ => Value::Json(content.to_owned()),
    })
}

/// A value as a cell: text as it is where that reads back the same, JSON otherwise.
pub(super) fn to_cell(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) if stays_text(text) => text.to_owned(),
        _ => {
            let mut out = String::new();
            write_value(value, &mut out);
            out
        }
    }
}

/// A text as a cell without control characters.
pub(super) fn text_cell(text: &str) -> String {
    let plain = !text.chars().any(char::is_control) && !matches!(read_value(text), Some(Value::Text(_)));
    if plain {
        return text.to_owned();
    }
    let mut out = String::new();
    write_string(text, &mut out);
    out
}

fn stays_text(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control) && read_value(text).is_none()
}

/// Reads what [`to_cell`] writes.
pub(super) fn from_cell(cell: &str) -> Value {
    read_value(cell).unwrap_or_else(|| Value::Text(cell.to_owned()))
}

/// Reads what [`text_cell`] writes.
pub(super) fn text_from_cell(cell: &str) -> String {
    match read_value(cell) {
        Some(Value::Text(text)) => text,
        _ => cell.to_owned(),
    }
}

/// The free fields as a JSON object in their order.
pub(super) fn write_fields<'a>(fields: impl Iterator<Item = (&'a str, ValueRef<'a>)>, out: &mut String) {
    out.push('{');
    for (i, (name, value)) in fields.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(name, out);
        out.push(':');
        write_value(value, out);
    }
    out.push('}');
}

/// The members of a JSON object in the order of the text, each with the bytes of its value.
pub(super) fn members(text: &str) -> Result<Vec<(String, &str)>, String> {
    let skip = |at: usize| {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        at + rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')).count()
    };
    let byte = |at: usize| text.as_bytes().get(at).copied();
    // One JSON value from a place on: its end.
    let value = |at: usize| -> Result<usize, String> {
        let rest = text.get(at..).unwrap_or_default();
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Parsed>();
        match stream.next() {
            Some(Ok(_)) => Ok(at + stream.byte_offset()),
            Some(Err(e)) => Err(format!("{e} (counted from byte {at})")),
            None => Err(format!("a value is missing at byte {at}")),
        }
    };
    let expected = |what: &str, at: usize| Err(format!("expected {what} at byte {at}"));
    let mut at = skip(0);
    if byte(at) != Some(b'{') {
        return expected("an object", at);
    }
    at = skip(at + 1);
    let mut out: Vec<(String, &str)> = Vec::new();
    while byte(at) != Some(b'}') {
        if !out.is_empty() {
            if byte(at) != Some(b',') {
                return expected("`,` or `}`", at);
            }
            at = skip(at + 1);
        }
        if byte(at) != Some(b'"') {
            return expected("a name in quotes", at);
        }
        let end = value(at)?;
        let name: Result<String, _> = serde_json::from_str(text.get(at..end).unwrap_or_default());
        let name = name.map_err(|e| e.to_string())?;
        at = skip(end);
        if byte(at) != Some(b':') {
            return expected("`:`", at);
        }
        at = skip(at + 1);
        let end = value(at)?;
        if out.len() >= 1_000 || out.iter().any(|(known, _)| *known == name) {
            return Err(format!(
                "member `{}` comes twice, or there are too many",
                name.chars().take(64).collect::<String>()
            ));
        }
        out.push((name, text.get(at..end).unwrap_or_default()));
        at = skip(end);
    }
    if skip(at + 1) != text.len() {
        return expected("the end", at + 1);
    }
    Ok(out)
}
