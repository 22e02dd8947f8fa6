//! Common Event Format, version 0 (`ArcSight`, "Implementing CEF", revision 26): names from its dictionary.
//!
//! A collector may put a syslog header before a line and more extensions behind; reading leaves them out.

use super::Exporter;
use super::csv::read_fields;
use super::import::{Imported, hash, number};
use super::value::{from_cell, read_value, text_cell, text_from_cell, to_cell, write_fields};
use crate::class::{Category, Severity};
use crate::entry::{Draft, EntryRef};
use crate::value::Value;

/// Most extensions in one line.
const MAX_EXTENSIONS: usize = 1_000;

/// Longest key of an extension, so that looking for one costs no more than this anywhere.
const MAX_KEY: usize = 64;

pub(super) fn write(exporter: &Exporter, entry: &EntryRef<'_>, out: &mut String) {
    out.push_str("CEF:0");
    let name = format!("{} {}", entry.action, entry.subject);
    let version = env!("CARGO_PKG_VERSION");
    for part in [&exporter.vendor, &exporter.product, version, entry.action, name.trim_end()] {
        out.push('|');
        header(part, out);
    }
    out.push('|');
    out.push_str(&severity(entry.severity).to_string());
    out.push('|');
    let mut first = true;
    let mut extension = |key: &str, value: &str| {
        if !first {
            out.push(' ');
        }
        first = false;
        out.push_str(key);
        out.push('=');
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '=' => out.push_str("\\="),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                c => out.push(c),
            }
        }
    };
    extension("rt", &entry.at_unix_ms.to_string());
    extension("externalId", &entry.seq.to_string());
    extension("act", &text(entry.action));
    extension("cat", &text(entry.category));
    extension("outcome", entry.outcome.as_str());
    extension("suser", &text(entry.actor));
    let mut custom = vec![("subject", text(entry.subject))];
    custom.extend(entry.on_behalf_of.map(|person| ("onBehalfOf", text(person))));
    custom.extend(entry.correlation_id.map(|id| ("correlationId", text(id))));
    if exporter.hashes {
        custom.push(("prevHash", entry.prev_hash.to_hex()));
        custom.push(("leafHash", entry.leaf_hash().to_hex()));
    }
    if !entry.fields.is_empty() {
        let mut fields = String::new();
        write_fields(entry.fields.iter(), &mut fields);
        custom.push(("fields", fields));
    }
    // The dictionary has six custom strings, as many as there can be here.
    for (i, (label, value)) in custom.iter().enumerate() {
        extension(&format!("cs{}Label", i + 1), label);
        extension(&format!("cs{}", i + 1), value);
    }
    if let Some(before) = entry.before {
        extension("flexString1Label", "before");
        extension("flexString1", &to_cell(before));
    }
    if let Some(after) = entry.after {
        extension("flexString2Label", "after");
        extension("flexString2", &to_cell(after));
    }
    if let Some(reason) = entry.reason {
        extension("reason", &to_cell(reason));
    }
    out.push('\n');
}

/// A text as the value of an extension. Line ends have escapes of their own here; other control characters need quotes.
fn text(text: &str) -> String {
    let control = text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r'));
    if control || matches!(read_value(text), Some(Value::Text(_))) {
        text_cell(text)
    } else {
        text.to_owned()
    }
}

fn header(part: &str, out: &mut String) {
    for c in part.chars() {
        match c {
            '|' => out.push_str("\\|"),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
}

/// 0 to 10: low to 3, medium to 6, high to 8, very high above.
const fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Debug => 0,
        Severity::Info => 2,
        Severity::Notice => 3,
        Severity::Warning => 5,
        Severity::Error => 7,
        Severity::Critical => 8,
        Severity::Alert => 9,
        Severity::Emergency => 10,
    }
}

/// Every severity has a number of its own.
fn severity_of(text: &str) -> Result<Severity, String> {
    let found = Severity::ALL.into_iter().find(|known| severity(*known).to_string() == text);
    found.ok_or_else(|| {
        format!("severity `{}` is not one that is written", text.chars().take(32).collect::<String>())
    })
}

/// Reads a line written by [`write`].
pub(super) fn read(line: &str) -> Result<Imported, String> {
    let start = line.find("CEF:").ok_or("the line has no `CEF:`")?;
    let (header, rest) = parts(line.get(start + 4..).unwrap_or_default())?;
    let [version, .., severity] = &header;
    if !matches!(version.as_str(), "0" | "1") {
        return Err(format!(
            "CEF version `{}`: expected 0 or 1",
            version.chars().take(32).collect::<String>()
        ));
    }
    let pairs = extensions(rest)?;
    let value = |key: &str| pairs.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_str());
    let required = |key: &str| value(key).ok_or_else(|| format!("`{key}` is missing"));
    // What the dictionary has no name for lies under a number, its name beside it.
    let labelled = |label: &str| {
        let (key, _) = pairs.iter().find(|(key, value)| key.ends_with("Label") && value == label)?;
        value(key.strip_suffix("Label")?)
    };
    let mut draft = Draft::new(
        number(required("rt")?, "rt")?,
        text_from_cell(required("suser")?),
        text_from_cell(required("act")?),
        text_from_cell(labelled("subject").unwrap_or_default()),
    );
    draft.severity = severity_of(severity)?;
    draft.category = Category::new(text_from_cell(required("cat")?)).map_err(|e| e.to_string())?;
    draft.outcome = required("outcome")?.parse().map_err(|e: crate::UnknownName| e.to_string())?;
    draft.on_behalf_of = labelled("onBehalfOf").map(text_from_cell);
    draft.correlation_id = labelled("correlationId").map(text_from_cell);
    draft.reason = value("reason").map(from_cell);
    draft.before = labelled("before").map(from_cell);
    draft.after = labelled("after").map(from_cell);
    draft.fields = labelled("fields").map(read_fields).transpose()?.unwrap_or_default();
    let mut found = Imported::new(draft);
    found.seq = value("externalId").map(|text| number(text, "externalId")).transpose()?;
    found.prev_hash = labelled("prevHash").map(|text| hash(text, "prevHash")).transpose()?;
    found.leaf_hash = labelled("leafHash").map(|text| hash(text, "leafHash")).transpose()?;
    Ok(found)
}

/// The seven parts of the header, and what follows them.
fn parts(text: &str) -> Result<([String; 7], &str), String> {
    let mut found: [String; 7] = Default::default();
    let mut rest = text;
    for part in &mut found {
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next() {
                None => return Err("the header has fewer than seven parts".to_owned()),
                Some((at, '|')) => break at,
                Some((_, '\\')) => part.extend(chars.next().map(|(_, c)| c)),
                Some((_, c)) => part.push(c),
            }
        };
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok((found, rest))
}

/// The extensions: a key is a word of letters and digits before `=`, and its value goes on until the next key.
fn extensions(text: &str) -> Result<Vec<(&str, String)>, String> {
    let mut keys = Vec::new();
    for (equals, _) in text.match_indices('=') {
        let before = text.as_bytes().get(..equals).unwrap_or_default();
        let word = |b: &&u8| b.is_ascii_alphanumeric() || **b == b'_';
        let len = before.iter().rev().take(MAX_KEY).take_while(word).count();
        let start = equals - len;
        if len > 0 && (start == 0 || before.get(start - 1) == Some(&b' ')) {
            keys.push((start, text.get(start..equals).unwrap_or_default(), equals + 1));
        }
        if keys.len() > MAX_EXTENSIONS {
            return Err(format!("more than {MAX_EXTENSIONS} extensions"));
        }
    }
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for (i, (_, key, from)) in keys.iter().enumerate() {
        let to = keys.get(i + 1).map_or(text.len(), |(start, ..)| start.saturating_sub(1));
        if pairs.iter().any(|(known, _)| known == key) {
            return Err(format!("`{key}` comes twice"));
        }
        pairs.push((key, unescape(text.get(*from..to).unwrap_or_default())));
    }
    Ok(pairs)
}

/// `\\`, `\=`, `\n` and `\r` are escapes; a backslash before anything else is itself.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = match (c, chars.peek()) {
            ('\\', Some('\\')) => '\\',
            ('\\', Some('=')) => '=',
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            _ => {
                out.push(c);
                continue;
            }
        };
        chars.next();
        out.push(escaped);
    }
    out
}
