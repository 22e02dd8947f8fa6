//! Interpolation of `$NAME` and `${NAME…}` in all values of a document.

use super::super::report::Report;
use super::super::tree::{At, Entry, Node, Value, shorten};
use std::collections::{BTreeMap, BTreeSet};

/// Longest value that an interpolation may give.
const VALUE_BYTES_MAX: usize = 256 << 10;
/// Deepest nesting of defaults in defaults.
const DEPTH_MAX: usize = 32;

/// The variables, and what was noticed while they were used.
#[derive(Debug)]
pub(super) struct Variables {
    known: BTreeMap<String, String>,
    missing: BTreeSet<String>,
    /// Names that were reported already.
    reported: BTreeSet<String>,
    bytes_left: usize,
}

/// Why a text cannot be interpolated.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The text between `${` and `}` is not a variable.
    Syntax,
    /// `${NAME:?message}` of a variable that is not set.
    Required { name: String, message: String },
    /// The result is too long.
    TooLong,
}

impl Variables {
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            missing: BTreeSet::new(),
            reported: BTreeSet::new(),
            bytes_left: bytes_max,
        }
    }

    pub(super) fn extend(&mut self, more: &BTreeMap<String, String>) {
        self.known.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.known.get(name).map(String::as_str)
    }

    /// The text with all variables replaced. Variables that are not set and have no default are empty and noted.
    pub(super) fn expand(&mut self, text: &str) -> Result<String, Fault> {
        let mut out = String::with_capacity(text.len());
        self.expand_into(text, 0, &mut out)?;
        match self.bytes_left.checked_sub(out.len()) {
            Some(left) => self.bytes_left = left,
            None => return Err(Fault::TooLong),
        }
        Ok(out)
    }

    /// Names that were used, but are not set, since the last call.
    pub(super) fn take_missing(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.missing)
    }

    fn expand_into(&mut self, text: &str, depth: usize, out: &mut String) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::TooLong);
        }
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            push(out, before)?;
            if let Some(tail) = after.strip_prefix('$') {
                push(out, "$")?;
                rest = tail;
            } else if let Some(inner) = after.strip_prefix('{') {
                let end = closing(inner).ok_or(Fault::Syntax)?;
                let (body, tail) = inner.split_at(end);
                self.braced(body, depth, out)?;
                rest = tail.strip_prefix('}').unwrap_or(tail);
            } else {
                let (name, tail) = name(after);
                if name.is_empty() {
                    push(out, "$")?;
                } else {
                    self.plain(name, out)?;
                }
                rest = tail;
            }
        }
        push(out, rest)
    }

    fn plain(&mut self, name: &str, out: &mut String) -> Result<(), Fault> {
        if let Some(value) = self.known.get(name) {
            return push(out, value);
        }
        self.missing.insert(name.to_owned());
        Ok(())
    }

    /// `NAME`, `NAME:-default`, `NAME-default`, `NAME:?message`, `NAME?message`, `NAME:+other`, `NAME+other`.
    fn braced(&mut self, body: &str, depth: usize, out: &mut String) -> Result<(), Fault> {
        let (name, rest) = name(body);
        if name.is_empty() {
            return Err(Fault::Syntax);
        }
        if rest.is_empty() {
            return self.plain(name, out);
        }
        let (or_empty, rest) = rest.strip_prefix(':').map_or((false, rest), |rest| (true, rest));
        let set = self.known.get(name).is_some_and(|value| !(or_empty && value.is_empty()));
        let (operator, word) = rest.split_at_checked(1).ok_or(Fault::Syntax)?;
        match (operator, set) {
            ("-" | "?", true) => self.plain(name, out),
            ("-", false) | ("+", true) => self.expand_into(word, depth + 1, out),
            ("+", false) => Ok(()),
            ("?", false) => Err(Fault::Required { name: name.to_owned(), message: shorten(word) }),
            _ => Err(Fault::Syntax),
        }
    }
}

fn push(out: &mut String, text: &str) -> Result<(), Fault> {
    if out.len() + text.len() > VALUE_BYTES_MAX.max(text.len()) {
        return Err(Fault::TooLong);
    }
    out.push_str(text);
    Ok(())
}

/// The variable name at the beginning of a text, and the rest.
fn name(text: &str) -> (&str, &str) {
    let fits = |(at, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
    let end = text.char_indices().find(|&it| !fits(it)).map_or(text.len(), |(at, _)| at);
    text.split_at(end)
}

/// Position of the brace that closes a `${`, with nested ones in between.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0_usize);
    while let Some(&b) = bytes.get(at) {
        match b {
            b'$' if bytes.get(at + 1) == Some(&b'{') => {
                depth += 1;
                at += 1;
            }
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The document with all values interpolated; positions stay.
pub(super) fn fill(document: &Node, variables: &mut Variables, report: &mut Report) -> Node {
    let root = At::root(document);
    let entries = document
        .entries()
        .iter()
        .zip(root.entries())
        .map(|(entry, (key, _, at))| {
            // Extension blocks matter where they are merged in, which has happened already.
            let node = if key.starts_with("x-") { None } else { walk(&at, variables, report) };
            Entry { node: node.unwrap_or_else(|| entry.node.clone()), ..entry.clone() }
        })
        .collect();
    Node::map(document.pos, entries)
}

/// The node with its values interpolated; `None` if there is nothing to do.
fn walk(at: &At<'_>, variables: &mut Variables, report: &mut Report) -> Option<Node> {
    match &at.node.value {
        Value::Scalar(scalar) if scalar.text.contains('$') => {
            let text = match variables.expand(&scalar.text) {
                Ok(text) => text,
                Err(fault) => {
                    report_fault(&fault, at, report);
                    return None;
                }
            };
            for name in variables.take_missing() {
                if !variables.reported.insert(name.clone()) {
                    continue;
                }
                let message = format!("variable `{}` is not set, read as empty", shorten(&name));
                report.add(
                    "W1402",
                    at,
                    message,
                    "hand in the file of variables, or give it a default `${NAME:-…}`",
                );
            }
            Some(Node::scalar(at.node.pos, text, scalar.plain).marked(at.node.mark))
        }
        Value::Scalar(_) => None,
        Value::List(items) => {
            let new: Vec<Option<Node>> = at.items().map(|item| walk(&item, variables, report)).collect();
            new.iter().any(Option::is_some).then(|| {
                let merged =
                    new.into_iter().zip(items.iter()).map(|(n, old)| n.unwrap_or_else(|| old.clone()));
                Node::list(at.node.pos, merged.collect()).marked(at.node.mark)
            })
        }
        Value::Map(entries) => {
            let new: Vec<Option<Node>> =
                at.entries().map(|(_, _, value)| walk(&value, variables, report)).collect();
            new.iter().any(Option::is_some).then(|| {
                let merged = new
                    .into_iter()
                    .zip(entries.iter())
                    .map(|(n, old)| n.map_or_else(|| old.clone(), |node| Entry { node, ..old.clone() }));
                Node::map(at.node.pos, merged.collect()).marked(at.node.mark)
            })
        }
    }
}

fn report_fault(fault: &Fault, at: &At<'_>, report: &mut Report) {
    match fault {
        Fault::Syntax => {
            let message = format!("{} is not a valid interpolation, kept as it is", at.node.describe());
            report.add(
                "W1403",
                at,
                message,
                "write `${NAME}`, `${NAME:-default}`, or `$$` for a dollar sign",
            );
        }
        Fault::Required { name, message } => {
            let message = format!("variable `{}` is required, but not set: {message}", shorten(name));
            report.add("W1402", at, message, "hand in the file of variables that sets it");
        }
        Fault::TooLong => report.add(
            "E1404",
            at,
            format!("the interpolated value has more than {VALUE_BYTES_MAX} bytes, or all of them too many"),
            "shorten the variables",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn with(pairs: &[(&str, &str)]) -> Variables {
        let mut variables = Variables::new(1 << 20);
        variables.extend(&pairs.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect());
        variables
    }

    #[test]
    fn every_form_of_the_compose_specification_is_replaced() {
        let mut v = with(&[("A", "a"), ("EMPTY", "")]);
        for (text, wanted) in [
            ("$A-${A}", "a-a"),
            ("$$A", "$A"),
            ("${B:-b}", "b"),
            ("${B-b}", "b"),
            ("${EMPTY:-b}", "b"),
            ("${EMPTY-b}", ""),
            ("${A:+x}", "x"),
            ("${B:+x}", ""),
            ("${EMPTY+x}", "x"),
            ("${B:-${C:-${A}}}", "a"),
            ("${A:?no}", "a"),
            ("${B:-http://h:80/}", "http://h:80/"),
            ("cost: 5$", "cost: 5$"),
            ("$1", "$1"),
        ] {
            assert_eq!(v.expand(text).as_deref(), Ok(wanted), "{text}");
        }
        assert!(v.take_missing().is_empty());
        assert_eq!(v.expand("x${NONE}y").as_deref(), Ok("xy"));
        assert_eq!(v.take_missing().into_iter().collect::<Vec<_>>(), ["NONE"]);
        assert_eq!(v.expand("${A"), Err(Fault::Syntax));
        assert_eq!(v.expand("${A B}"), Err(Fault::Syntax));
        assert!(matches!(v.expand("${B:?set B}"), Err(Fault::Required { .. })));
    }

    #[test]
    fn expansion_is_bounded_in_length_and_depth() {
        let mut v = with(&[("A", &"x".repeat(100_000))]);
        assert_eq!(v.expand("$A$A$A"), Err(Fault::TooLong));
        assert_eq!(v.expand(&format!("{}x{}", "${B:-".repeat(100), "}".repeat(100))), Err(Fault::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}|[${}A:?+-]{0,60}") {
            let _ = with(&[("A", "$A")]).expand(&text);
        }
    }
}
