//! Comma-separated values (RFC 4180): header, CRLF, quotes doubled.

use super::Exporter;
use super::import::{ImportError, Imported, hash, number};
use super::value::{from_cell, members, read_value, to_cell, write_fields};
use crate::civil;
use crate::class::Category;
use crate::entry::{Draft, EntryRef};

const COLUMNS: [&str; 15] = [
    "seq",
    "at_unix_ms",
    "time",
    "actor",
    "on_behalf_of",
    "action",
    "category",
    "severity",
    "outcome",
    "subject",
    "correlation_id",
    "reason",
    "before",
    "after",
    "fields",
];
const HASHES: [&str; 2] = ["prev_hash", "leaf_hash"];
const MAX_RECORD: usize = 1 << 20;

pub(super) fn header(exporter: &Exporter) -> String {
    let mut names = COLUMNS.to_vec();
    if exporter.hashes {
        names.extend(HASHES);
    }
    names.join(",") + "\r\n"
}

pub(super) fn write(exporter: &Exporter, entry: &EntryRef<'_>, out: &mut String) {
    let value = |v: Option<crate::ValueRef<'_>>| v.map(to_cell).unwrap_or_default();
    let mut fields = String::new();
    if !entry.fields.is_empty() {
        write_fields(entry.fields.iter(), &mut fields);
    }
    let (seq, at, time) =
        (entry.seq.to_string(), entry.at_unix_ms.to_string(), civil::format_utc(entry.at_unix_ms));
    let (reason, before, after) = (value(entry.reason), value(entry.before), value(entry.after));
    let cells = [
        seq.as_str(),
        &at,
        &time,
        entry.actor,
        entry.on_behalf_of.unwrap_or_default(),
        entry.action,
        entry.category,
        entry.severity.as_str(),
        entry.outcome.as_str(),
        entry.subject,
        entry.correlation_id.unwrap_or_default(),
        &reason,
        &before,
        &after,
        &fields,
    ];
    for (i, cell) in cells.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_cell(cell, out);
    }
    if exporter.hashes {
        for hash in [entry.prev_hash, entry.leaf_hash()] {
            out.push(',');
            out.push_str(&hash.to_hex());
        }
    }
    out.push_str("\r\n");
}

fn write_cell(cell: &str, out: &mut String) {
    if !cell.contains(['"', ',', '\r', '\n']) && cell.trim() == cell {
        out.push_str(cell);
        return;
    }
    out.push('"');
    out.push_str(&cell.replace('"', "\"\""));
    out.push('"');
}

pub(super) fn read_all(text: &str) -> Result<Vec<(u64, Imported)>, ImportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = Rows { bytes: text.as_bytes(), at: 0, line: 1 };
    let error = |line, problem: String| ImportError::Record { line, problem };
    let Some((line, names)) = rows.next_row()? else { return Ok(Vec::new()) };
    for (i, name) in names.iter().enumerate() {
        let known = COLUMNS.contains(&name.as_str()) || HASHES.contains(&name.as_str());
        if !known || names[..i].contains(name) {
            return Err(error(
                line,
                format!("column `{}` is not known or comes twice", name.chars().take(64).collect::<String>()),
            ));
        }
    }
    let mut out = Vec::new();
    while let Some((line, cells)) = rows.next_row()? {
        if cells.len() != names.len() {
            return Err(error(line, format!("{} cells under {} columns", cells.len(), names.len())));
        }
        let record = read(&names, &cells).map_err(|problem| error(line, problem))?;
        out.push((line, record));
    }
    Ok(out)
}

fn read(names: &[String], cells: &[String]) -> Result<Imported, String> {
    let mut draft = Draft::new(0, "", "", "");
    let mut found = Imported::new(draft.clone());
    let (mut at, mut time) = (None, None);
    for (name, cell) in names.iter().zip(cells) {
        if cell.is_empty() {
            continue;
        }
        match name.as_str() {
            "seq" => found.seq = Some(number(cell, "seq")?),
            "at_unix_ms" => at = Some(number(cell, "at_unix_ms")?),
            "time" => time = Some(civil::parse_utc(cell).ok()),
            "actor" => draft.actor.clone_from(cell),
            "on_behalf_of" => draft.on_behalf_of = Some(cell.clone()),
            "action" => draft.action.clone_from(cell),
            "category" => draft.category = Category::new(cell.as_str()).map_err(|e| e.to_string())?,
            "severity" => draft.severity = cell.parse().map_err(|e: crate::UnknownName| e.to_string())?,
            "outcome" => draft.outcome = cell.parse().map_err(|e: crate::UnknownName| e.to_string())?,
            "subject" => draft.subject.clone_from(cell),
            "correlation_id" => draft.correlation_id = Some(cell.clone()),
            "reason" => draft.reason = Some(from_cell(cell)),
            "before" => draft.before = Some(from_cell(cell)),
            "after" => draft.after = Some(from_cell(cell)),
            "fields" => draft.fields = read_fields(cell)?,
            "prev_hash" => found.prev_hash = Some(hash(cell, "prev_hash")?),
            _ => found.leaf_hash = Some(hash(cell, "leaf_hash")?),
        }
    }
    draft.at_unix_ms = at.or_else(|| time.flatten()).ok_or("`at_unix_ms` is missing")?;
    found.draft = draft;
    Ok(found)
}

/// Free fields from a JSON object.
pub(super) fn read_fields(text: &str) -> Result<Vec<(String, crate::Value)>, String> {
    let value =
        |raw: &str| read_value(raw).ok_or_else(|| "`fields` holds something that is not a value".to_owned());
    members(text)?.into_iter().map(|(name, raw)| Ok((name, value(raw)?))).collect()
}

/// Records of RFC 4180, with LF accepted for CRLF. A quote inside of a cell without quotes, or text after the
/// closing quote, is an error.
struct Rows<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Rows<'_> {
    fn next_row(&mut self) -> Result<Option<(u64, Vec<String>)>, ImportError> {
        let line = self.line;
        let fail = |problem: &str| ImportError::Record { line, problem: problem.to_owned() };
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let (start, mut cells) = (self.at, Vec::new());
        loop {
            let cell = self.cell().map_err(fail)?;
            cells.push(String::from_utf8(cell).map_err(|_| fail("not UTF-8"))?);
            if self.at - start > MAX_RECORD || cells.len() > 64 {
                return Err(fail("longer than 1 MiB or 64 cells"));
            }
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'\r') if self.bytes.get(self.at + 1) == Some(&b'\n') => {
                    self.at += 2;
                    break;
                }
                Some(b'\n') => {
                    self.at += 1;
                    break;
                }
                None => break,
                Some(_) => return Err(fail("a cell in quotes goes on after its closing quote")),
            }
        }
        self.line += 1;
        Ok(Some((line, cells)))
    }

    fn cell(&mut self) -> Result<Vec<u8>, &'static str> {
        let mut cell = Vec::new();
        if self.bytes.get(self.at) != Some(&b'"') {
            while let Some(&byte) = self.bytes.get(self.at) {
                let line_end = byte == b'\r' && self.bytes.get(self.at + 1) == Some(&b'\n');
                if byte == b',' || byte == b'\n' || line_end {
                    break;
                }
                if byte == b'"' {
                    return Err("a quote inside of a cell without quotes");
                }
                cell.push(byte);
                self.at += 1;
            }
            return Ok(cell);
        }
        self.at += 1;
        loop {
            let byte = *self.bytes.get(self.at).ok_or("a quote is not closed")?;
            self.at += 1;
            if byte == b'\n' {
                self.line += 1;
            }
            if byte != b'"' {
                cell.push(byte);
            } else if self.bytes.get(self.at) == Some(&b'"') {
                self.at += 1;
                cell.push(b'"');
            } else {
                return Ok(cell);
            }
            if cell.len() > MAX_RECORD {
                return Err("a cell is longer than 1 MiB");
            }
        }
    }
}
