//! Files of variables: `KEY=value` lines with comments, quotes and interpolation of what was set before.

use super::super::report::Report;
use super::super::tree::{Pos, shorten};
use super::super::{Budgets, Source, text_of};
use super::interpolate::{Fault, Variables};
use std::collections::BTreeMap;

/// Reads a file, adds its variables to those known, and returns them alone. Variables given by the host win over
/// the file where values refer to them.
pub(super) fn read(
    file: &Source<'_>,
    budgets: &Budgets,
    given: &BTreeMap<String, String>,
    variables: &mut Variables,
    report: &mut Report,
) -> BTreeMap<String, String> {
    let number = report.file(file.name);
    let mut own = BTreeMap::new();
    let Some(text) = text_of(file, number, budgets, report) else { return own };
    variables.extend(given);
    let mut line = 0_u32;
    let mut rest = text;
    while !rest.is_empty() {
        line += 1;
        let (first, tail) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = tail;
        let statement = first.trim();
        let statement = statement.strip_prefix("export ").unwrap_or(statement).trim_start();
        if statement.is_empty() || statement.starts_with('#') {
            continue;
        }
        let pos = Pos { file: number, line, column: 1 };
        let Some((key, value)) = statement.split_once('=') else {
            // A bare name passes a variable of the shell on; there is no shell here.
            if !is_name(statement) {
                complain(pos, statement, report);
            }
            continue;
        };
        let key = key.trim_end();
        if !is_name(key) {
            complain(pos, statement, report);
            continue;
        }
        let value = value.trim_start();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let (value, lines) = quoted(value, quote, &mut rest);
                line += lines;
                if quote == '"' { expand(&unescape(&value), variables, pos, report) } else { value }
            }
            _ => expand(without_comment(value), variables, pos, report),
        };
        if !given.contains_key(key) {
            variables.extend(&BTreeMap::from([(key.to_owned(), value.clone())]));
        }
        own.insert(key.to_owned(), value);
    }
    variables.take_missing();
    own
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn complain(pos: Pos, statement: &str, report: &mut Report) {
    let place = report.place_of(pos, String::new());
    let message = format!("`{}` is not a `NAME=value` line, left out", shorten(statement));
    report.add_at("W1401", place, message, "correct the line or make it a comment");
}

/// A value without the comment after it: a `#` counts if white space stands before it.
fn without_comment(value: &str) -> &str {
    let end = value
        .char_indices()
        .find(|&(at, c)| c == '#' && (at == 0 || value.get(..at).is_some_and(|v| v.ends_with([' ', '\t']))))
        .map_or(value.len(), |(at, _)| at);
    value.get(..end).unwrap_or_default().trim_end()
}

/// The text between quotes, which may go on over several lines; without the closing quote, the line as it is.
fn quoted(value: &str, quote: char, rest: &mut &str) -> (String, u32) {
    let mut text = value.get(1..).unwrap_or_default().to_owned();
    let mut taken = 0;
    let mut tail = *rest;
    loop {
        if let Some(end) = closing(&text, quote) {
            text.truncate(end);
            *rest = tail;
            return (text, taken);
        }
        if tail.is_empty() || text.len() > 64 << 10 {
            return (value.to_owned(), 0);
        }
        let (line, after) = tail.split_once('\n').unwrap_or((tail, ""));
        text.push('\n');
        text.push_str(line);
        tail = after;
        taken += 1;
    }
}

fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices()
        .find(|&(_, c)| {
            let closes = c == quote && !escaped;
            escaped = c == '\\' && !escaped && quote == '"';
            closes
        })
        .map(|(at, _)| at)
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some(c @ ('"' | '\\')) => out.push(c),
            Some('$') => out.push_str("$$"),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

fn expand(value: &str, variables: &mut Variables, pos: Pos, report: &mut Report) -> String {
    variables.expand(value).unwrap_or_else(|fault| {
        let place = report.place_of(pos, String::new());
        if fault == Fault::TooLong {
            let message = format!("`{}` becomes too long, or all values do", shorten(value));
            report.add_at("E1404", place, message, "shorten the variables");
            return shorten(value);
        }
        let message = format!("`{}` cannot be interpolated, kept as it is", shorten(value));
        report.add_at(
            "W1403",
            place,
            message,
            "write `${NAME}`, `${NAME:-default}`, or `$$` for a dollar sign",
        );
        shorten(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_nest_and_comments_quotes_and_lines_are_understood() {
        let text = "# c\nPORT=80\nADDR=web:${PORT} # trailing\nURL=\"http://${ADDR}/#x\\n\"\nRAW='${PORT}'\nexport E=\nHASH=a#b\nM=\"l1\nl2\"\nBARE\n!bad\n";
        let mut report = Report::new(10);
        let mut variables = Variables::new(1 << 20);
        let own = read(
            &Source::new("x.env", text),
            &Budgets::default(),
            &BTreeMap::new(),
            &mut variables,
            &mut report,
        );
        let get = |name: &str| own.get(name).map(String::as_str);
        assert_eq!(get("ADDR"), Some("web:80"));
        assert_eq!(get("URL"), Some("http://web:80/#x\n"));
        assert_eq!(
            (get("RAW"), get("E"), get("HASH"), get("M")),
            (Some("${PORT}"), Some(""), Some("a#b"), Some("l1\nl2"))
        );
        let findings = report.finish().unwrap();
        assert_eq!((findings.len(), findings[0].code, findings[0].place.line), (1, "W1401", 11));
    }

    #[test]
    fn doubling_variables_stay_bounded() {
        use std::fmt::Write as _;
        let mut text = String::from("A0=xxxxxxxxxx\n");
        for n in 1..60 {
            writeln!(text, "A{n}=${{A{0}}}${{A{0}}}", n - 1).unwrap();
        }
        let mut variables = Variables::new(1 << 24);
        let mut report = Report::new(100);
        let file = Source::new("bomb.env", &text);
        let own = read(&file, &Budgets::default(), &BTreeMap::new(), &mut variables, &mut report);
        assert!(own.values().all(|v| v.len() <= 300 << 10));
    }
}
