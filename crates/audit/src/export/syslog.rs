//! Syslog messages (RFC 5424): a strict reader, and entries as messages.
//!
//! An entry is one message of facility 13 (log audit). Its parts are parameters of the structured data element
//! `audit@N` (N = private enterprise number), so that nothing is lost; the text behind is for people. Control characters are
//! escaped, so that a message never spans lines.

use super::Exporter;
use super::csv::read_fields;
use super::import::{Imported, hash, number};
use super::value::{from_cell, text_cell, text_from_cell, to_cell, write_fields};
use crate::civil;
use crate::class::{Category, Severity};
use crate::entry::{Draft, EntryRef};

/// The enterprise number that RFC 5612 reserves for documentation.
pub const DOCUMENTATION_ENTERPRISE: u32 = 32_473;

/// Facility "log audit".
const FACILITY: u16 = 13;

/// Elements and parameters per message.
const MAX_PARTS: usize = 1_000;

/// A message, as RFC 5424 defines it.
///
/// ```
/// use ecosystem_audit::export::syslog::Message;
///
/// let m = Message::parse("<165>1 2003-10-11T22:14:15.003Z mymachine evntslog - ID47 [a@1 k=\"x\\]\"] hi")?;
/// assert_eq!((m.facility, m.severity, m.host.as_deref()), (20, 5, Some("mymachine")));
/// assert_eq!(m.structured_data[0].1[0], ("k".to_owned(), "x]".to_owned()));
/// # Ok::<(), ecosystem_audit::export::syslog::SyslogError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// 0 to 23.
    pub facility: u8,
    /// 0 (emergency) to 7 (debug).
    pub severity: u8,
    /// 1 to 999; 1 is RFC 5424.
    pub version: u16,
    /// Unix milliseconds (fractions beyond are cut; may be before 1970); `None` = nil.
    pub at_unix_ms: Option<i64>,
    /// HOSTNAME; `None` = nil.
    pub host: Option<String>,
    /// APP-NAME.
    pub app: Option<String>,
    /// PROCID.
    pub process: Option<String>,
    /// MSGID.
    pub id: Option<String>,
    /// Elements: id, and parameters as name and unescaped value.
    pub structured_data: Vec<Element>,
    /// MSG without the byte order mark; `None` if there is none.
    pub message: Option<String>,
}

/// A structured data element: its id, and parameters as name and value.
pub type Element = (String, Vec<(String, String)>);

/// Why a text is not an RFC 5424 message.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("byte {at}: expected {expected}")]
pub struct SyslogError {
    /// Where, from 0.
    pub at: usize,
    /// What the grammar asks for.
    pub expected: &'static str,
}

impl Message {
    /// Reads one message, strictly by the grammar of RFC 5424 §6. The text must be UTF-8 throughout (the RFC allows
    /// other bytes in MSG without a byte order mark).
    ///
    /// # Errors
    /// The first place that breaks the grammar.
    pub fn parse(text: &str) -> Result<Self, SyslogError> {
        let mut reader = Reader { text, at: 0 };
        reader.expect(b'<', "`<`")?;
        let priority = reader.number(3, false, "a priority from 0 to 191")?;
        if priority > 191 {
            return reader.fail("a priority from 0 to 191");
        }
        reader.expect(b'>', "`>` after at most three digits")?;
        let version = reader.number(3, true, "a version from 1 to 999")?;
        reader.expect(b' ', "a space after the version")?;
        let at_unix_ms = reader.timestamp()?;
        reader.expect(b' ', "a space after the time")?;
        let host = reader.name(255, "a host name of 1 to 255 printable characters")?;
        reader.expect(b' ', "a space after the host name")?;
        let app = reader.name(48, "an application name of 1 to 48 printable characters")?;
        reader.expect(b' ', "a space after the application name")?;
        let process = reader.name(128, "a process id of 1 to 128 printable characters")?;
        reader.expect(b' ', "a space after the process id")?;
        let id = reader.name(32, "a message id of 1 to 32 printable characters")?;
        reader.expect(b' ', "a space after the message id")?;
        let structured_data = reader.structured_data()?;
        let message = match reader.peek() {
            None => None,
            Some(b' ') => {
                let rest = text.get(reader.at + 1..).unwrap_or_default();
                Some(rest.strip_prefix('\u{feff}').unwrap_or(rest).to_owned())
            }
            Some(_) => return reader.fail("a space or the end after the structured data"),
        };
        Ok(Self {
            facility: u8::try_from(priority / 8).unwrap_or(u8::MAX),
            severity: u8::try_from(priority % 8).unwrap_or(u8::MAX),
            version,
            at_unix_ms,
            host,
            app,
            process,
            id,
            structured_data,
            message,
        })
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T, SyslogError> {
        Err(SyslogError { at: self.at, expected })
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), SyslogError> {
        if self.peek() != Some(byte) {
            return self.fail(expected);
        }
        self.at += 1;
        Ok(())
    }

    /// Digits without leading zero.
    fn number(&mut self, most: usize, positive: bool, expected: &'static str) -> Result<u16, SyslogError> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let first = rest.first().copied();
        let leading = first == Some(b'0') && (digits > 1 || positive);
        if digits == 0 || digits > most || leading {
            return self.fail(expected);
        }
        let value = rest[..digits].iter().fold(0, |n, b| n * 10 + u16::from(b - b'0'));
        self.at += digits;
        Ok(value)
    }

    /// Bytes up to the next space.
    fn word(&self) -> &str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        rest.split(' ').next().unwrap_or_default()
    }

    fn timestamp(&mut self) -> Result<Option<i64>, SyslogError> {
        const EXPECTED: &str = "`-` or a time like 2003-10-11T22:14:15.003Z, at most six fractional digits";
        let word = self.word().as_bytes().to_vec();
        if word == b"-" {
            self.at += 1;
            return Ok(None);
        }
        let date = word.get(..10).and_then(civil::parse_date);
        let upper = word.get(10) == Some(&b'T') && !word.contains(&b'z');
        let time = date.filter(|_| upper).and_then(|midnight| civil::parse_time(word.get(11..)?, midnight));
        let Some((at, _)) = time.filter(|(_, places)| *places <= 6) else {
            return self.fail(EXPECTED);
        };
        self.at += word.len();
        Ok(Some(at))
    }

    fn name(&mut self, most: usize, expected: &'static str) -> Result<Option<String>, SyslogError> {
        let word = self.word().to_owned();
        if word.is_empty() || word.len() > most || !word.bytes().all(|b| (33..=126).contains(&b)) {
            return self.fail(expected);
        }
        self.at += word.len();
        Ok((word != "-").then_some(word))
    }

    fn structured_data(&mut self) -> Result<Vec<Element>, SyslogError> {
        const EXPECTED: &str = "`-` or structured data in brackets";
        if self.peek() == Some(b'-') {
            self.at += 1;
            return Ok(Vec::new());
        }
        if self.peek() != Some(b'[') {
            return self.fail(EXPECTED);
        }
        let mut elements: Vec<Element> = Vec::new();
        let mut parts = 0;
        while self.peek() == Some(b'[') {
            self.at += 1;
            let id = self.sd_name()?;
            if elements.iter().any(|(known, _)| *known == id) {
                return self.fail("an element id that has not come before");
            }
            let mut params = Vec::new();
            while self.peek() == Some(b' ') {
                self.at += 1;
                let name = self.sd_name()?;
                self.expect(b'=', "`=` after the parameter name")?;
                self.expect(b'"', "`\"` before the parameter value")?;
                params.push((name, self.value()?));
                parts += 1;
            }
            self.expect(b']', "a space or `]`")?;
            elements.push((id, params));
            parts += 1;
            if parts > MAX_PARTS {
                return self.fail("at most 1,000 elements and parameters");
            }
        }
        Ok(elements)
    }

    fn sd_name(&mut self) -> Result<String, SyslogError> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let allowed = |b: &&u8| (33..=126).contains(*b) && !b"=]\"".contains(*b);
        let length = rest.iter().take_while(allowed).count();
        if length == 0 || length > 32 {
            return self.fail("a name of 1 to 32 printable characters without `=`, `]`, quotes");
        }
        let name = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length;
        Ok(name)
    }

    /// Up to the closing quote. `\"`, `\\` and `\]` are escapes; a backslash before anything else is itself.
    fn value(&mut self) -> Result<String, SyslogError> {
        let mut out = Vec::new();
        loop {
            let Some(byte) = self.peek() else { return self.fail("`\"` after the parameter value") };
            self.at += 1;
            match byte {
                b'"' => break,
                b']' => {
                    self.at -= 1;
                    return self.fail("`\\]` for a bracket in a parameter value");
                }
                b'\\' => match self.peek() {
                    Some(next @ (b'"' | b'\\' | b']')) => {
                        out.push(next);
                        self.at += 1;
                    }
                    _ => out.push(b'\\'),
                },
                byte => out.push(byte),
            }
        }
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

pub(super) fn write(exporter: &Exporter, entry: &EntryRef<'_>, out: &mut String) {
    let priority = FACILITY * 8 + u16::from(entry.severity.syslog_code());
    let time =
        if entry.at_unix_ms < 253_402_300_800_000 { civil::format_utc(entry.at_unix_ms) } else { "-".into() };
    let host = header_name(&exporter.hostname, 255);
    let app = header_name(&exporter.product, 48);
    let id = header_name(entry.action, 32);
    out.push_str(&format_header(priority, &time, [&host, &app, "-", &id]));
    out.push_str("[audit@");
    out.push_str(&exporter.enterprise.to_string());
    let mut param = |name: &str, value: &str| {
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        for c in value.chars() {
            if matches!(c, '"' | '\\' | ']') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
    };
    param("seq", &entry.seq.to_string());
    param("atUnixMs", &entry.at_unix_ms.to_string());
    param("actor", &text_cell(entry.actor));
    if let Some(person) = entry.on_behalf_of {
        param("onBehalfOf", &text_cell(person));
    }
    param("action", &text_cell(entry.action));
    param("category", &text_cell(entry.category));
    param("outcome", entry.outcome.as_str());
    param("subject", &text_cell(entry.subject));
    if let Some(id) = entry.correlation_id {
        param("correlationId", &text_cell(id));
    }
    for (name, value) in [("reason", entry.reason), ("before", entry.before), ("after", entry.after)] {
        if let Some(value) = value {
            param(name, &to_cell(value));
        }
    }
    if !entry.fields.is_empty() {
        let mut fields = String::new();
        write_fields(entry.fields.iter(), &mut fields);
        param("fields", &fields);
    }
    if exporter.hashes {
        param("prevHash", &entry.prev_hash.to_hex());
        param("leafHash", &entry.leaf_hash().to_hex());
    }
    out.push_str("] ");
    let text = format!("{} {} {}: {}", entry.actor, entry.action, entry.subject, entry.outcome);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if !text.is_ascii() {
        out.push('\u{feff}');
    }
    out.push_str(&text);
    out.push('\n');
}

fn format_header(priority: u16, time: &str, names: [&str; 4]) -> String {
    format!("<{priority}>1 {time} {} ", names.join(" "))
}

/// A header field: printable ASCII without spaces, not longer than allowed; nil if nothing is left.
fn header_name(text: &str, most: usize) -> String {
    let plain: String = text.chars().filter(char::is_ascii_graphic).take(most).collect();
    if plain.is_empty() { "-".to_owned() } else { plain }
}

/// Reads a message written by [`write`].
pub(super) fn read(line: &str) -> Result<Imported, String> {
    let message = Message::parse(line).map_err(|e| e.to_string())?;
    let element = message.structured_data.iter().find(|(id, _)| id.starts_with("audit@"));
    let (_, params) = element.ok_or("the message has no element `audit@N`")?;
    let mut draft = Draft::new(0, "", "", "");
    draft.severity = Severity::from_syslog_code(message.severity).ok_or("the severity is not 0 to 7")?;
    let mut found = Imported::new(draft.clone());
    let mut at = None;
    for (i, (name, cell)) in params.iter().enumerate() {
        if params[..i].iter().any(|(known, _)| known == name) {
            return Err(format!("parameter `{name}` comes twice"));
        }
        match name.as_str() {
            "seq" => found.seq = Some(number(cell, "seq")?),
            "atUnixMs" => at = Some(number(cell, "atUnixMs")?),
            "actor" => draft.actor = text_from_cell(cell),
            "onBehalfOf" => draft.on_behalf_of = Some(text_from_cell(cell)),
            "action" => draft.action = text_from_cell(cell),
            "category" => draft.category = Category::new(text_from_cell(cell)).map_err(|e| e.to_string())?,
            "outcome" => draft.outcome = cell.parse().map_err(|e: crate::UnknownName| e.to_string())?,
            "subject" => draft.subject = text_from_cell(cell),
            "correlationId" => draft.correlation_id = Some(text_from_cell(cell)),
            "reason" => draft.reason = Some(from_cell(cell)),
            "before" => draft.before = Some(from_cell(cell)),
            "after" => draft.after = Some(from_cell(cell)),
            "fields" => draft.fields = read_fields(cell)?,
            "prevHash" => found.prev_hash = Some(hash(cell, "prevHash")?),
            "leafHash" => found.leaf_hash = Some(hash(cell, "leafHash")?),
            _ => return Err(format!("parameter `{name}` is not known")),
        }
    }
    let header = message.at_unix_ms.and_then(|ms| u64::try_from(ms).ok());
    draft.at_unix_ms = at.or(header).ok_or("the message has no time")?;
    found.draft = draft;
    Ok(found)
}
