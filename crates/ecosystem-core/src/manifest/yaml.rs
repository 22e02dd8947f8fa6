//! YAML 1.2 to the located tree, from parser events: anchors, aliases, merge keys, several documents, duplicate
//! keys, all within budgets.

use super::Budgets;
use super::report::Report;
use super::tree::{Entry, Mark, Node, Pos, Value, shorten};
use granit_parser::{Event, Parser, ScalarStyle, Tag};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A list or map that is being read.
struct Open {
    pos: Pos,
    anchor: usize,
    mark: Mark,
    items: Vec<Node>,
    entries: Vec<Entry>,
    key: Option<(Arc<str>, Pos)>,
    is_map: bool,
}

/// Reads all documents of an input; documents without content are left out.
pub(crate) fn read(text: &str, file: u32, budgets: &Budgets, report: &mut Report) -> Vec<Node> {
    Reader { file, budgets, report, anchors: BTreeMap::new(), nodes: 0, alias_nodes: 0, open: Vec::new() }
        .run(text)
}

struct Reader<'r> {
    file: u32,
    budgets: &'r Budgets,
    report: &'r mut Report,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    alias_nodes: usize,
    open: Vec<Open>,
}

/// The local tags that Compose gives a meaning to; all others say nothing here.
fn mark(tag: Option<&Tag>) -> Mark {
    match tag.map(Tag::original).as_deref() {
        Some("!reset") => Mark::Reset,
        Some("!override") => Mark::Override,
        _ => Mark::None,
    }
}

/// Reading cannot go on; the finding is in the report.
struct Stop;

impl Reader<'_> {
    fn run(&mut self, text: &str) -> Vec<Node> {
        let mut documents = Vec::new();
        let mut started = 0_usize;
        let mut root = None;
        let mut parser = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok(it) => it,
                Err(error) => {
                    let mark = error.marker();
                    let pos = self.pos(mark.line(), mark.col());
                    let message = format!("invalid YAML: {}", error.info());
                    self.fail("E1001", pos, message, "correct the syntax at or above this line");
                    break;
                }
            };
            let pos = self.pos(span.start.line(), span.start.col());
            if let Event::DocumentStart(..) = event {
                started += 1;
                self.anchors.clear();
                root = None;
                if started > self.budgets.documents {
                    let message = format!("more than {} documents", self.budgets.documents);
                    self.fail("E1005", pos, message, "split the input, or raise `budgets.documents`");
                    break;
                }
            } else if event == Event::DocumentEnd {
                documents.extend(root.take().filter(|node: &Node| !node.is_null()));
            } else {
                match self.event(event, pos) {
                    Ok(Some(node)) => root = Some(node),
                    Ok(None) => {}
                    Err(Stop) => break,
                }
            }
        }
        documents
    }

    fn pos(&self, line: usize, column: usize) -> Pos {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Pos { file: self.file, line: narrow(line), column: narrow(column).saturating_add(1) }
    }

    fn fail(&mut self, code: &'static str, pos: Pos, message: String, remedy: &str) {
        let place = self.report.place_of(pos, String::new());
        self.report.add_at(code, place, message, remedy);
    }

    fn event(&mut self, event: Event<'_>, pos: Pos) -> Result<Option<Node>, Stop> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(pos)?;
                let mark = mark(tag.as_deref());
                let text_tag = tag.is_some_and(|t| t.is_yaml_core_schema_tag("str"));
                let plain = style == ScalarStyle::Plain && !text_tag;
                let text = if plain && text == "~" { Arc::from("") } else { Arc::from(&*text) };
                let node = Node::scalar(pos, text, plain).marked(mark);
                self.remember(anchor, &node);
                self.put(node, pos)
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(anchor, pos, mark(tag.as_deref()), false),
            Event::MappingStart(_, anchor, tag) => self.begin(anchor, pos, mark(tag.as_deref()), true),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(None) };
                let (pos, anchor, mark) = (open.pos, open.anchor, open.mark);
                let node = if open.is_map {
                    let entries = self.merged(open.entries)?;
                    Node::map(pos, entries)
                } else {
                    Node::list(pos, open.items)
                }
                .marked(mark);
                self.remember(anchor, &node);
                self.put(node, pos)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    self.fail(
                        "E1008",
                        pos,
                        "alias of an anchor that is not complete here".to_owned(),
                        "an anchor cannot contain itself; write the value out",
                    );
                    return Err(Stop);
                };
                self.expand(node.size, pos)?;
                self.put(node, pos)
            }
            _ => Ok(None),
        }
    }

    fn begin(&mut self, anchor: usize, pos: Pos, mark: Mark, is_map: bool) -> Result<Option<Node>, Stop> {
        self.count(pos)?;
        if self.open.len() >= self.budgets.depth {
            return self.too_deep(pos);
        }
        self.open.push(Open { pos, anchor, mark, items: Vec::new(), entries: Vec::new(), key: None, is_map });
        Ok(None)
    }

    fn too_deep<T>(&mut self, pos: Pos) -> Result<T, Stop> {
        let message = format!("nested deeper than {} levels", self.budgets.depth);
        self.fail("E1007", pos, message, "flatten the input, or raise `budgets.depth`");
        Err(Stop)
    }

    fn count(&mut self, pos: Pos) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > self.budgets.nodes {
            let message = format!("more than {} nodes", self.budgets.nodes);
            self.fail("E1006", pos, message, "split the input, or raise `budgets.nodes`");
            return Err(Stop);
        }
        Ok(())
    }

    fn expand(&mut self, size: u32, pos: Pos) -> Result<(), Stop> {
        self.alias_nodes = self.alias_nodes.saturating_add(size as usize);
        if self.alias_nodes > self.budgets.alias_nodes {
            let message = format!("aliases expand to more than {} nodes", self.budgets.alias_nodes);
            self.fail("E1008", pos, message, "use fewer aliases, or raise `budgets.alias_nodes`");
            return Err(Stop);
        }
        Ok(())
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
    }

    /// Hands a complete node to the list or map it belongs to; returns it if it is the root.
    fn put(&mut self, node: Node, pos: Pos) -> Result<Option<Node>, Stop> {
        if self.open.len() + node.height as usize > self.budgets.depth + 1 {
            return self.too_deep(pos);
        }
        let Some(open) = self.open.last_mut() else { return Ok(Some(node)) };
        if !open.is_map {
            open.items.push(node);
        } else if let Some((key, key_pos)) = open.key.take() {
            open.entries.push(Entry { key, key_pos, node });
        } else if let Value::Scalar(s) = &node.value {
            open.key = Some((Arc::clone(&s.text), pos));
        } else {
            open.key = Some((Arc::from("?"), pos));
            let message = format!("{} as a key, expected text", node.describe());
            self.fail(
                "E1010",
                pos,
                message,
                "manifests use text keys only; quote it if it was meant as text",
            );
        }
        Ok(None)
    }

    /// Replaces `<<` by the entries it names that are not given explicitly, and reports keys given twice.
    fn merged(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, Stop> {
        let entries = self.without_duplicates(entries);
        if !entries.iter().any(|e| &*e.key == "<<") {
            return Ok(entries);
        }
        let mut known: std::collections::BTreeSet<Arc<str>> =
            entries.iter().filter(|e| &*e.key != "<<").map(|e| Arc::clone(&e.key)).collect();
        let mut all = Vec::with_capacity(entries.len() + 8);
        for entry in entries {
            if &*entry.key != "<<" {
                all.push(entry);
                continue;
            }
            let sources: Vec<&Node> = match &entry.node.value {
                Value::List(items) => items.iter().collect(),
                _ => vec![&entry.node],
            };
            for source in sources {
                let Value::Map(inherited) = &source.value else {
                    self.fail(
                        "E1010",
                        entry.key_pos,
                        format!("`<<` merges {}, expected a map or a list of maps", source.describe()),
                        "point the merge key at an anchored map",
                    );
                    continue;
                };
                for item in inherited.iter() {
                    if known.insert(Arc::clone(&item.key)) {
                        self.expand(1, entry.key_pos)?;
                        all.push(item.clone());
                    }
                }
            }
        }
        Ok(all)
    }

    /// Reports keys that are given twice and keeps the first of them.
    fn without_duplicates(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|&a, &b| entries[a].key.cmp(&entries[b].key));
        let mut extra = Vec::new();
        for pair in order.windows(2) {
            let [first, second] = [&entries[pair[0]], &entries[pair[1]]];
            if first.key == second.key {
                let key = shorten(&first.key);
                let message = format!("key `{key}` is given twice, first in line {}", first.key_pos.line);
                self.fail("E1009", second.key_pos, message, "remove or rename one of them");
                extra.push(pair[1]);
            }
        }
        if !extra.is_empty() {
            extra.sort_unstable();
            let mut position = 0;
            entries.retain(|_| {
                position += 1;
                extra.binary_search(&(position - 1)).is_err()
            });
        }
        entries
    }
}
