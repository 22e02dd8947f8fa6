//! The text exposition format, version 0.0.4.

use super::{FamilyKind, MetricFamily, MetricSample, PrometheusError};
use indexmap::IndexMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Reads an exposition. Families keep the order of their first mention; samples of histograms and summaries belong to
/// the family without the suffix. Linear in the text.
pub fn parse(text: &str) -> Result<Vec<MetricFamily>, PrometheusError> {
    let mut families: IndexMap<Arc<str>, MetricFamily> = IndexMap::new();
    for (number, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let mut cursor = Cursor { line, at: 0, number: number + 1 };
        cursor.white_space();
        if cursor.rest().is_empty() {
            continue;
        }
        if cursor.rest().starts_with('#') {
            comment(&mut cursor, &mut families)?;
        } else {
            let sample = cursor.sample()?;
            let name = family_of(&sample.name, &families);
            family(&mut families, &name).samples.push(sample);
        }
    }
    Ok(families.into_values().collect())
}

fn family<'f>(families: &'f mut IndexMap<Arc<str>, MetricFamily>, name: &str) -> &'f mut MetricFamily {
    families.entry(Arc::from(name)).or_insert_with(|| MetricFamily::new(name, FamilyKind::Untyped, ""))
}

/// `x_bucket` belongs to the histogram `x`.
fn family_of(name: &str, families: &IndexMap<Arc<str>, MetricFamily>) -> String {
    for suffix in ["_bucket", "_sum", "_count"] {
        if let Some(base) = name.strip_suffix(suffix)
            && families.get(base).is_some_and(|f| {
                f.kind == FamilyKind::Histogram || (f.kind == FamilyKind::Summary && suffix != "_bucket")
            })
        {
            return base.to_owned();
        }
    }
    name.to_owned()
}

fn comment(
    cursor: &mut Cursor<'_>,
    families: &mut IndexMap<Arc<str>, MetricFamily>,
) -> Result<(), PrometheusError> {
    cursor.at += 1;
    cursor.white_space();
    let (word, _) = cursor.rest().split_once([' ', '\t']).unwrap_or_else(|| (cursor.rest(), ""));
    if !matches!(word, "HELP" | "TYPE") {
        return Ok(());
    }
    cursor.at += word.len();
    cursor.white_space();
    let name = cursor.name(true)?;
    cursor.white_space();
    let rest = cursor.rest();
    if word == "HELP" {
        family(families, name).help = Arc::from(unescape(rest, false));
        return Ok(());
    }
    let kind = match rest.trim_end() {
        "counter" => FamilyKind::Counter,
        "gauge" => FamilyKind::Gauge,
        "histogram" => FamilyKind::Histogram,
        "summary" => FamilyKind::Summary,
        "untyped" | "unknown" => FamilyKind::Untyped,
        _ => return cursor.fail("expected counter, gauge, histogram, summary or untyped"),
    };
    let known = family(families, name);
    if !known.samples.is_empty() {
        return cursor.fail("the type must come before the samples of its metric");
    }
    known.kind = kind;
    Ok(())
}

struct Cursor<'t> {
    line: &'t str,
    at: usize,
    number: usize,
}

impl<'t> Cursor<'t> {
    fn rest(&self) -> &'t str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn white_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
    }

    fn fail<T>(&self, message: &str) -> Result<T, PrometheusError> {
        Err(PrometheusError::Text { line: self.number, column: self.at + 1, message: message.to_owned() })
    }

    fn name(&mut self, colons: bool) -> Result<&'t str, PrometheusError> {
        let rest = self.rest();
        let fits = |b: u8| b == b'_' || b.is_ascii_alphanumeric() || (colons && b == b':');
        let length = rest.bytes().take_while(|&b| fits(b)).count();
        if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return self.fail("expected a name of letters, digits, `_` and `:`");
        }
        self.at += length;
        Ok(rest.get(..length).unwrap_or_default())
    }

    fn sample(&mut self) -> Result<MetricSample, PrometheusError> {
        let mut sample = MetricSample::new(self.name(true)?, 0.0);
        self.white_space();
        if self.rest().starts_with('{') {
            self.at += 1;
            self.labels(&mut sample)?;
            self.white_space();
        }
        let mut words = self.rest().split([' ', '\t']).filter(|w| !w.is_empty());
        let Some(value) = words.next().and_then(number) else {
            return self.fail("expected a number, `NaN`, `+Inf` or `-Inf`");
        };
        sample.value = value;
        if let Some(word) = words.next() {
            match word.parse() {
                Ok(at) => sample.timestamp_ms = Some(at),
                Err(_) => return self.fail("expected a time in milliseconds after the value"),
            }
        }
        if words.next().is_some() {
            return self.fail("expected the end of the line after the time");
        }
        Ok(sample)
    }

    fn labels(&mut self, sample: &mut MetricSample) -> Result<(), PrometheusError> {
        loop {
            self.white_space();
            if self.rest().starts_with('}') {
                self.at += 1;
                return Ok(());
            }
            let name = self.name(false)?;
            self.white_space();
            if !self.rest().starts_with('=') {
                return self.fail("expected `=` after the label");
            }
            self.at += 1;
            self.white_space();
            if !self.rest().starts_with('"') {
                return self.fail("expected the label's value in double quotes");
            }
            self.at += 1;
            let rest = self.rest();
            let mut escaped = false;
            let end = rest.bytes().position(|b| {
                let closes = b == b'"' && !escaped;
                escaped = b == b'\\' && !escaped;
                closes
            });
            let Some(end) = end else { return self.fail("the closing quote is missing") };
            let value = unescape(rest.get(..end).unwrap_or_default(), true);
            if sample.label(name).is_some() {
                return self.fail("the label is given twice");
            }
            sample.labels.push((Arc::from(name), Arc::from(value)));
            self.at += end + 1;
            self.white_space();
            if self.rest().starts_with(',') {
                self.at += 1;
            } else if !self.rest().starts_with('}') {
                return self.fail("expected `,` or `}` after the label");
            }
        }
    }
}

/// A value as Go writes it.
pub(super) fn number(word: &str) -> Option<f64> {
    match word {
        "NaN" | "nan" => Some(f64::NAN),
        "+Inf" | "Inf" | "inf" | "+inf" => Some(f64::INFINITY),
        "-Inf" | "-inf" => Some(f64::NEG_INFINITY),
        _ if word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')) => {
            word.parse().ok()
        }
        _ => None,
    }
}

/// A value as it is read back to the same bits.
pub(super) fn write_number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value}")
    }
}

fn unescape(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('"') if quotes => out.push('"'),
            Some('\\') | None => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out
}

fn escape(text: &str, quotes: bool) -> String {
    let text = text.replace('\\', "\\\\").replace('\n', "\\n");
    if quotes { text.replace('"', "\\\"") } else { text }
}

/// Writes an exposition that [`parse`] reads back to the same families.
pub fn encode(families: &[MetricFamily]) -> String {
    let mut out = String::new();
    for family in families {
        if !family.help.is_empty() {
            let _ = writeln!(out, "# HELP {} {}", family.name, escape(&family.help, false));
        }
        let _ = writeln!(out, "# TYPE {} {}", family.name, family.kind.as_str());
        for sample in &family.samples {
            out.push_str(&sample.name);
            for (position, (name, value)) in sample.labels.iter().enumerate() {
                out.push(if position == 0 { '{' } else { ',' });
                let _ = write!(out, "{name}=\"{}\"", escape(value, true));
            }
            if !sample.labels.is_empty() {
                out.push('}');
            }
            let _ = write!(out, " {}", write_number(sample.value));
            if let Some(at) = sample.timestamp_ms {
                let _ = write!(out, " {at}");
            }
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn histograms_keep_their_samples_together() {
        let text = "# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3.5\nh_count 2\nother 1\n";
        let families = parse(text).unwrap();
        assert_eq!(families.iter().map(|f| f.samples.len()).collect::<Vec<_>>(), [4, 1]);
    }

    #[test]
    fn wrong_lines_are_named_with_their_place() {
        for (text, line, column) in [
            ("ok 1\nx{a=\"b} 1\n", 2, 6),
            ("x y", 1, 3),
            ("1x 2", 1, 1),
            ("x{a=\"1\",a=\"2\"} 1", 1, 12),
            ("x 1 z", 1, 3),
        ] {
            let Err(PrometheusError::Text { line: l, column: c, .. }) = parse(text) else { panic!("{text}") };
            assert_eq!((l, c), (line, column), "{text}");
        }
        assert!(parse("x 1\n# TYPE x gauge\n").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            names in prop::collection::btree_set("[a-z_][a-z0-9_]{0,8}", 1..5),
            value in prop::num::f64::NORMAL | prop::num::f64::ZERO | prop::num::f64::INFINITE,
            label in "\\PC{0,12}|[\\\\\"\n]{0,6}",
            at in prop::option::of(any::<i64>()),
        ) {
            let families: Vec<MetricFamily> = names
                .into_iter()
                .map(|name| {
                    let mut family = MetricFamily::new(name.as_str(), FamilyKind::Gauge, label.trim());
                    let mut sample = MetricSample::new(name.as_str(), value).with("l", &label);
                    sample.timestamp_ms = at;
                    family.samples.push(sample);
                    family
                })
                .collect();
            prop_assume!(!label.contains('\r'));
            prop_assert_eq!(parse(&encode(&families)).unwrap(), families);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,80}|[#a-z{}=\",\\\\ \n0-9.+TYPEHL]{0,80}") {
            let _ = parse(&text);
        }
    }
}
