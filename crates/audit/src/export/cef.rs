//! Common Event Format, version 0 (`ArcSight`, "Implementing CEF", revision 26): names from its dictionary.

use super::Exporter;
use super::value::{to_cell, write_fields};
use crate::class::Severity;
use crate::entry::EntryRef;

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
                c if c.is_control() => out.push(' '),
                c => out.push(c),
            }
        }
    };
    extension("rt", &entry.at_unix_ms.to_string());
    extension("externalId", &entry.seq.to_string());
    extension("act", entry.action);
    extension("cat", entry.category);
    extension("outcome", entry.outcome.as_str());
    extension("suser", entry.actor);
    let mut custom = vec![("subject", entry.subject.to_owned())];
    custom.extend(entry.on_behalf_of.map(|person| ("onBehalfOf", person.to_owned())));
    custom.extend(entry.correlation_id.map(|id| ("correlationId", id.to_owned())));
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
