//! JSON (RFC 8259) to the same located tree as YAML.

use super::Budgets;
use super::tree::{Entry, Node, Pos, shorten};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Why a text is not JSON.
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) pos: Pos,
    pub(crate) message: String,
    pub(crate) remedy: &'static str,
}

/// Reads one JSON text, or several one after the other (JSON lines).
pub(crate) fn read(text: &str, file: u32, budgets: &Budgets) -> Result<Vec<Node>, Fault> {
    let mut reader =
        Reader { bytes: text.as_bytes(), text, at: 0, line: 1, line_start: 0, file, nodes: 0, budgets };
    let mut all = Vec::new();
    while all.is_empty() || reader.peek().is_some() {
        all.push(reader.value(0)?);
        if all.len() > budgets.documents {
            let message = format!("more than {} documents", budgets.documents);
            return reader.fail("E1005", message, "split the input, or raise `budgets.documents`");
        }
    }
    Ok(all)
}

struct Reader<'t> {
    bytes: &'t [u8],
    text: &'t str,
    at: usize,
    line: u32,
    line_start: usize,
    file: u32,
    nodes: usize,
    budgets: &'t Budgets,
}

impl Reader<'_> {
    fn pos(&self) -> Pos {
        let before = self.bytes.get(self.line_start..self.at).unwrap_or_default();
        // Continuation bytes do not begin a character. Very long lines are not counted out, that would be quadratic.
        let column = if before.len() > 4096 {
            before.len()
        } else {
            before.iter().filter(|&&b| b & 0xC0 != 0x80).count()
        };
        Pos { file: self.file, line: self.line, column: u32::try_from(column + 1).unwrap_or(u32::MAX) }
    }

    fn fail<T>(&self, code: &'static str, message: String, remedy: &'static str) -> Result<T, Fault> {
        Err(Fault { code, pos: self.pos(), message, remedy })
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T, Fault> {
        let found = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(c) => format!("`{}`", c.escape_debug()),
            None => "the end".to_owned(),
        };
        self.fail(
            "E1002",
            format!("invalid JSON: found {found}, expected {expected}"),
            "correct the syntax here",
        )
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.bytes.get(self.at) {
            self.at += 1;
            if self.bytes[self.at - 1] == b'\n' {
                self.line = self.line.saturating_add(1);
                self.line_start = self.at;
            }
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.white_space();
        self.bytes.get(self.at).copied()
    }

    fn value(&mut self, depth: usize) -> Result<Node, Fault> {
        let next = self.peek();
        self.nodes += 1;
        if self.nodes > self.budgets.nodes {
            let message = format!("more than {} nodes", self.budgets.nodes);
            return self.fail("E1006", message, "split the input, or raise `budgets.nodes`");
        }
        if depth > self.budgets.depth {
            let message = format!("nested deeper than {} levels", self.budgets.depth);
            return self.fail("E1007", message, "flatten the input, or raise `budgets.depth`");
        }
        let pos = self.pos();
        match next {
            Some(b'{') => self.object(pos, depth),
            Some(b'[') => self.array(pos, depth),
            Some(b'"') => Ok(Node::scalar(pos, self.string()?, false)),
            Some(b'-' | b'0'..=b'9') => Ok(Node::scalar(pos, self.number()?, true)),
            Some(b't') => self.word("true", pos),
            Some(b'f') => self.word("false", pos),
            Some(b'n') => {
                self.word("null", pos)?;
                Ok(Node::null(pos))
            }
            _ => self.unexpected("a value"),
        }
    }

    fn word(&mut self, word: &'static str, pos: Pos) -> Result<Node, Fault> {
        if self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(Node::scalar(pos, word, true))
        } else {
            self.unexpected(word)
        }
    }

    fn object(&mut self, pos: Pos, depth: usize) -> Result<Node, Fault> {
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys: BTreeSet<Arc<str>> = BTreeSet::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Node::map(pos, entries));
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.unexpected("a key in double quotes");
            }
            let key_pos = self.pos();
            let key = self.string()?;
            if self.peek() != Some(b':') {
                return self.unexpected("`:`");
            }
            self.at += 1;
            let node = self.value(depth + 1)?;
            if !keys.insert(Arc::clone(&key)) {
                let message = format!("key `{}` is given twice", shorten(&key));
                return Err(Fault {
                    code: "E1009",
                    pos: key_pos,
                    message,
                    remedy: "remove or rename one of them",
                });
            }
            entries.push(Entry { key, key_pos, node });
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Node::map(pos, entries));
                }
                _ => return self.unexpected("`,` or `}`"),
            }
        }
    }

    fn array(&mut self, pos: Pos, depth: usize) -> Result<Node, Fault> {
        self.at += 1;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Node::list(pos, items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Node::list(pos, items));
                }
                _ => return self.unexpected("`,` or `]`"),
            }
        }
    }

    fn number(&mut self) -> Result<Arc<str>, Fault> {
        let start = self.at;
        let digits = |reader: &mut Self| {
            let from = reader.at;
            while reader.bytes.get(reader.at).is_some_and(u8::is_ascii_digit) {
                reader.at += 1;
            }
            reader.at > from
        };
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        if !digits(self) {
            return self.unexpected("a digit");
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if !digits(self) {
                return self.unexpected("a digit");
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            if !digits(self) {
                return self.unexpected("a digit");
            }
        }
        Ok(Arc::from(self.text.get(start..self.at).unwrap_or_default()))
    }

    fn string(&mut self) -> Result<Arc<str>, Fault> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let start = self.at;
            while self.bytes.get(self.at).is_some_and(|&b| b != b'"' && b != b'\\' && b >= 0x20) {
                self.at += 1;
            }
            out.push_str(self.text.get(start..self.at).unwrap_or_default());
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Arc::from(out));
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut out)?;
                }
                _ => return self.unexpected("the closing quote"),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Fault> {
        let c = match self.bytes.get(self.at) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(out),
            _ => return self.unexpected("an escape sequence"),
        };
        self.at += 1;
        out.push(c);
        Ok(())
    }

    fn unicode(&mut self, out: &mut String) -> Result<(), Fault> {
        let high = self.hex4()?;
        let code = if (0xD800..0xDC00).contains(&high) {
            if self.bytes.get(self.at..self.at + 2) != Some(b"\\u") {
                return self.unexpected("the second half of a surrogate pair");
            }
            self.at += 1;
            let low = self.hex4()?;
            if !(0xDC00..0xE000).contains(&low) {
                return self.unexpected("the second half of a surrogate pair");
            }
            0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
        } else {
            high
        };
        match char::from_u32(code) {
            Some(c) => out.push(c),
            None => return self.unexpected("a Unicode character"),
        }
        Ok(())
    }

    /// Reads `uXXXX`.
    fn hex4(&mut self) -> Result<u32, Fault> {
        let digits = self.text.get(self.at + 1..self.at + 5);
        match digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())).map(|d| u32::from_str_radix(d, 16))
        {
            Some(Ok(code)) => {
                self.at += 5;
                Ok(code)
            }
            _ => self.unexpected("four hexadecimal digits"),
        }
    }
}
