//! XML (elements, attributes, text) to the located tree, enough for `GraphML`; no document types, no entities but the
//! five of XML and character references.
//!
//! An element is a map with its name below [`ELEMENT`], its attributes below their names with `@` before them, its
//! text below `#text` and its children in a list below `#children`.

use super::Budgets;
use super::report::Report;
use super::tree::{Entry, Node, Pos, shorten};
use std::sync::Arc;

/// Key of an element's name.
pub(crate) const ELEMENT: &str = "#element";

struct Open {
    name: String,
    pos: Pos,
    entries: Vec<Entry>,
    text: String,
    children: Vec<Node>,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    line_start: usize,
    file: u32,
    nodes: usize,
    budgets: &'t Budgets,
}

struct Fault {
    code: &'static str,
    message: String,
    remedy: &'static str,
}

fn syntax<T>(message: &str) -> Result<T, Fault> {
    Err(Fault {
        code: "E1012",
        message: format!("invalid XML: {message}"),
        remedy: "correct the syntax here",
    })
}

/// The root element.
pub(crate) fn read(text: &str, file: u32, budgets: &Budgets, report: &mut Report) -> Option<Node> {
    let mut reader = Reader { text, at: 0, line: 1, line_start: 0, file, nodes: 0, budgets };
    match reader.document() {
        Ok(node) => Some(node),
        Err(fault) => {
            let place = report.place_of(reader.pos(), String::new());
            report.add_at(fault.code, place, fault.message, fault.remedy);
            None
        }
    }
}

impl<'t> Reader<'t> {
    fn pos(&self) -> Pos {
        let column = self.at.saturating_sub(self.line_start) + 1;
        Pos { file: self.file, line: self.line, column: u32::try_from(column).unwrap_or(u32::MAX) }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        let passed = self.text.as_bytes().get(self.at..self.at + bytes).unwrap_or_default();
        for (offset, _) in passed.iter().enumerate().filter(|&(_, &b)| b == b'\n') {
            self.line = self.line.saturating_add(1);
            self.line_start = self.at + offset + 1;
        }
        self.at += bytes;
    }

    /// Text up to a mark, which is passed, too.
    fn until(&mut self, mark: &str) -> Result<&'t str, Fault> {
        match self.rest().split_once(mark) {
            Some((before, _)) => {
                self.advance(before.len() + mark.len());
                Ok(before)
            }
            None => syntax(&format!("`{mark}` is missing")),
        }
    }

    fn document(&mut self) -> Result<Node, Fault> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let rest = self.rest();
            let Some(lt) = rest.find('<') else { return syntax("the end comes before the last closing tag") };
            let (before, _) = rest.split_at(lt);
            match open.last_mut() {
                Some(element) => element.text.push_str(&unescape(before)),
                None if before.trim().is_empty() => {}
                None => return syntax("text outside of the root element"),
            }
            self.advance(lt);
            let rest = self.rest();
            if rest.starts_with("<!--") {
                self.advance(4);
                self.until("-->")?;
            } else if rest.starts_with("<![CDATA[") {
                self.advance(9);
                let text = self.until("]]>")?;
                if let Some(element) = open.last_mut() {
                    element.text.push_str(text);
                }
            } else if rest.starts_with("<?") {
                self.until("?>")?;
            } else if rest.starts_with("<!") {
                return Err(Fault {
                    code: "E1012",
                    message: "document types are not read".to_owned(),
                    remedy: "remove the `<!DOCTYPE …>`",
                });
            } else if rest.starts_with("</") {
                self.advance(2);
                let name = self.until(">")?.trim();
                let Some(element) = open.pop() else {
                    return syntax("a closing tag without its opening one");
                };
                if element.name != name {
                    return syntax(&format!("`</{}>` closes `<{}>`", shorten(name), shorten(&element.name)));
                }
                let node = close(element);
                match open.last_mut() {
                    Some(parent) => parent.children.push(node),
                    None => return Ok(node),
                }
            } else {
                let (element, empty) = self.start_tag()?;
                if open.len() >= self.budgets.depth / 2 {
                    let message = format!("elements nested deeper than {}", self.budgets.depth / 2);
                    return Err(Fault {
                        code: "E1007",
                        message,
                        remedy: "flatten the input, or raise `budgets.depth`",
                    });
                }
                if !empty {
                    open.push(element);
                } else if let Some(parent) = open.last_mut() {
                    parent.children.push(close(element));
                } else {
                    return Ok(close(element));
                }
            }
        }
    }

    fn name(&mut self) -> Result<&'t str, Fault> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '=' | '/' | '>' | '<'))
            .unwrap_or(rest.len());
        if end == 0 {
            return syntax("a name is missing");
        }
        self.advance(end);
        Ok(rest.get(..end).unwrap_or_default())
    }

    fn white_space(&mut self) {
        let rest = self.rest();
        self.advance(rest.len() - rest.trim_start().len());
    }

    fn start_tag(&mut self) -> Result<(Open, bool), Fault> {
        let pos = self.pos();
        self.advance(1);
        let name = self.name()?.to_owned();
        let mut entries = vec![Entry {
            key: Arc::from(ELEMENT),
            key_pos: pos,
            node: Node::scalar(pos, name.as_str(), false),
        }];
        loop {
            self.nodes += 1;
            if self.nodes > self.budgets.nodes {
                let message = format!("more than {} nodes", self.budgets.nodes);
                return Err(Fault {
                    code: "E1006",
                    message,
                    remedy: "split the input, or raise `budgets.nodes`",
                });
            }
            self.white_space();
            let open = Open {
                name: String::new(),
                pos,
                entries: Vec::new(),
                text: String::new(),
                children: Vec::new(),
            };
            if self.rest().starts_with("/>") {
                self.advance(2);
                return Ok((Open { name, entries, ..open }, true));
            }
            if self.rest().starts_with('>') {
                self.advance(1);
                return Ok((Open { name, entries, ..open }, false));
            }
            let pos = self.pos();
            let key: Arc<str> = Arc::from(format!("@{}", self.name()?));
            self.white_space();
            if !self.rest().starts_with('=') {
                return syntax("`=` is missing after an attribute");
            }
            self.advance(1);
            self.white_space();
            let quote = if self.rest().starts_with('"') { "\"" } else { "'" };
            if !self.rest().starts_with(quote) {
                return syntax("the value of an attribute is not quoted");
            }
            self.advance(1);
            let value = unescape(self.until(quote)?);
            if entries.iter().any(|e| e.key == key) {
                return syntax(&format!("attribute `{}` is given twice", shorten(&key)));
            }
            if entries.len() > 256 {
                return syntax("more than 256 attributes");
            }
            entries.push(Entry { key, key_pos: pos, node: Node::scalar(pos, value, false) });
        }
    }
}

fn close(mut element: Open) -> Node {
    let pos = element.pos;
    let text = element.text.trim();
    if !text.is_empty() {
        element.entries.push(Entry {
            key: Arc::from("#text"),
            key_pos: pos,
            node: Node::scalar(pos, text, false),
        });
    }
    if !element.children.is_empty() {
        let node = Node::list(pos, element.children);
        element.entries.push(Entry { key: Arc::from("#children"), key_pos: pos, node });
    }
    Node::map(pos, element.entries)
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, tail) = after.split_once(';').unwrap_or((after, ""));
        let code = match name.strip_prefix("#x").map(|hex| u32::from_str_radix(hex, 16)) {
            Some(code) => code.ok(),
            None => name.strip_prefix('#').and_then(|decimal| decimal.parse().ok()),
        };
        let found = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => code.and_then(char::from_u32),
        };
        if let Some(c) = found {
            out.push(c);
            rest = tail;
        } else {
            out.push('&');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}
