//! The located tree that every format is read from: nodes with file, line and column, whether they came from YAML
//! or JSON.
//!
//! Nodes share their children, so that an alias costs nothing to copy; how large a tree is once all aliases are
//! expanded is counted while it is built and bounded by [`Budgets`](super::Budgets).

use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

/// Where a node begins. The file is an index into the list of inputs; line and column count from 1.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Pos {
    pub(crate) file: u32,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A scalar as it was written. Plain scalars may be null, a boolean or a number; quoted ones are always text.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: Arc<str>,
    pub(crate) plain: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Arc<[Node]>),
    Map(Arc<[Entry]>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) key_pos: Pos,
    pub(crate) node: Node,
}

/// What a tag says about how a node changes what it overrides (`!reset`, `!override` of the Compose Specification).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Mark {
    /// Nothing.
    #[default]
    None,
    /// What was there is removed.
    Reset,
    /// What was there is replaced as a whole.
    Override,
}

/// A node of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where its text stands: for an alias, the anchor's place.
    pub(crate) pos: Pos,
    pub(crate) value: Value,
    /// Nodes below and including this one with all aliases expanded.
    pub(crate) size: u32,
    /// Levels below and including this one.
    pub(crate) height: u32,
    pub(crate) mark: Mark,
    /// For large maps the entries in the order of their keys, so that a look-up is not a walk.
    index: Option<Arc<[u32]>>,
}

/// Maps from this size on have an index.
const INDEXED: usize = 24;

impl Node {
    pub(crate) fn scalar(pos: Pos, text: impl Into<Arc<str>>, plain: bool) -> Self {
        Self {
            pos,
            value: Value::Scalar(Scalar { text: text.into(), plain }),
            size: 1,
            height: 1,
            mark: Mark::None,
            index: None,
        }
    }

    pub(crate) fn null(pos: Pos) -> Self {
        Self::scalar(pos, "", true)
    }

    pub(crate) fn list(pos: Pos, items: Vec<Self>) -> Self {
        let (size, height) = extent(items.iter());
        Self { pos, value: Value::List(items.into()), size, height, mark: Mark::None, index: None }
    }

    pub(crate) fn map(pos: Pos, entries: Vec<Entry>) -> Self {
        let (size, height) = extent(entries.iter().map(|e| &e.node));
        let index = (entries.len() >= INDEXED).then(|| {
            let mut order: Vec<u32> = (0..u32::try_from(entries.len()).unwrap_or(u32::MAX)).collect();
            order.sort_by(|&a, &b| entries[a as usize].key.cmp(&entries[b as usize].key));
            order.into()
        });
        Self { pos, value: Value::Map(entries.into()), size, height, mark: Mark::None, index }
    }

    pub(crate) const fn marked(mut self, mark: Mark) -> Self {
        self.mark = mark;
        self
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|e| &e.node)
    }

    /// The first entry of a key. O(log n) for large maps.
    fn entry(&self, key: &str) -> Option<&Entry> {
        let entries = self.entries();
        let Some(index) = &self.index else { return entries.iter().find(|e| &*e.key == key) };
        let at = index.partition_point(|&ix| &*entries[ix as usize].key < key);
        index.get(at).map(|&ix| &entries[ix as usize]).filter(|e| &*e.key == key)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(s) if !is_null(s) => Some(&s.text),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(s) if is_null(s))
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// What the node is, for messages.
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::Scalar(s) if is_null(s) => "nothing".to_owned(),
            Value::Scalar(s) => format!("`{}`", shorten(&s.text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }
}

fn extent<'a>(children: impl Iterator<Item = &'a Node>) -> (u32, u32) {
    children.fold((1_u32, 1_u32), |(size, height), node| {
        (size.saturating_add(node.size), height.max(node.height.saturating_add(1)))
    })
}

fn is_null(scalar: &Scalar) -> bool {
    scalar.plain && matches!(&*scalar.text, "" | "~" | "null" | "Null" | "NULL")
}

/// At most 60 characters of a text, for messages.
pub(crate) fn shorten(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().nth(60).is_none() {
        return text.chars().map(clean).collect();
    }
    let mut short: String = text.chars().take(57).map(clean).collect();
    short.push('…');
    short
}

#[derive(Debug)]
enum Step<'a> {
    Root(String),
    Key(&'a str),
    Item(usize),
}

#[derive(Debug)]
struct Link<'a> {
    parent: Option<Rc<Self>>,
    step: Step<'a>,
}

/// A node together with the path that led to it.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    pub(crate) node: &'a Node,
    path: Option<Rc<Link<'a>>>,
}

impl<'a> At<'a> {
    /// The root of a document.
    pub(crate) const fn root(node: &'a Node) -> Self {
        Self { node, path: None }
    }

    /// The root of a document with a name that begins all paths below it.
    pub(crate) fn named(node: &'a Node, name: String) -> Self {
        Self { node, path: Some(Rc::new(Link { parent: None, step: Step::Root(name) })) }
    }

    fn below(&self, node: &'a Node, step: Step<'a>) -> Self {
        Self { node, path: Some(Rc::new(Link { parent: self.path.clone(), step })) }
    }

    /// The value of a key; `None` if it is absent or null.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        let entry = self.node.entry(key)?;
        (!entry.node.is_null()).then(|| self.below(&entry.node, Step::Key(&entry.key)))
    }

    /// The value at the end of a chain of keys.
    pub(crate) fn dig(&self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self.clone(), |at, key| at.get(key))
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        self.node.text()
    }

    /// Text below a key; `None` if it is absent or not a scalar.
    pub(crate) fn text_of(&self, key: &str) -> Option<&'a str> {
        self.node.get(key).and_then(Node::text)
    }

    pub(crate) const fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    pub(crate) const fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// Entries of a map with the place of the key; nothing for other nodes.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Pos, Self)> + use<'a> {
        let here = self.clone();
        self.node.entries().iter().map(move |e| (&*e.key, e.key_pos, here.below(&e.node, Step::Key(&e.key))))
    }

    /// Items of a list; nothing for other nodes.
    pub(crate) fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let here = self.clone();
        self.node.items().iter().enumerate().map(move |(i, node)| here.below(node, Step::Item(i)))
    }

    /// The path, e.g. `components.db.depends_on[0]`.
    pub(crate) fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut link = self.path.as_deref();
        while let Some(l) = link {
            steps.push(&l.step);
            link = l.parent.as_deref();
        }
        let mut text = String::new();
        for step in steps.into_iter().rev() {
            match step {
                Step::Root(name) => text.push_str(&shorten(name)),
                Step::Item(i) => {
                    let _ = write!(text, "[{i}]");
                }
                Step::Key(key) => {
                    if !text.is_empty() {
                        text.push('.');
                    }
                    text.push_str(&shorten(key));
                }
            }
        }
        text
    }
}
