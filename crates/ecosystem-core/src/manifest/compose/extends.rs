//! `extends`: a service that builds on another, of the same or another input.

use super::super::report::Report;
use super::super::tree::{At, Entry, Node, shorten};
use super::{find_file, merge};
use std::collections::BTreeMap;

/// The document with all `extends` of its services resolved.
pub(super) fn resolve(document: &Node, all: &[Node], report: &mut Report) -> Node {
    let Some(services) = document.get("services") else { return document.clone() };
    if !services.entries().iter().any(|e| e.node.get("extends").is_some()) {
        return document.clone();
    }
    let mut resolver = Resolver { all, done: BTreeMap::new(), report };
    let position = all.iter().position(|node| std::ptr::eq(node, document)).unwrap_or(0);
    let root = At::root(document);
    let mut entries = Vec::new();
    for (entry, (_, _, at)) in
        services.entries().iter().zip(root.get("services").iter().flat_map(At::entries))
    {
        let mut chain = Vec::new();
        let node = resolver.service(position, &entry.key, &at, &mut chain);
        entries.push(Entry { node, ..entry.clone() });
    }
    let services = Node::map(services.pos, entries);
    let changed = document.entries().iter().map(|entry| {
        let node = if &*entry.key == "services" { services.clone() } else { entry.node.clone() };
        Entry { node, ..entry.clone() }
    });
    Node::map(document.pos, changed.collect())
}

struct Resolver<'d, 'r> {
    all: &'d [Node],
    done: BTreeMap<(usize, String), Node>,
    report: &'r mut Report,
}

impl Resolver<'_, '_> {
    fn service(
        &mut self,
        document: usize,
        name: &str,
        at: &At<'_>,
        chain: &mut Vec<(usize, String)>,
    ) -> Node {
        let key = (document, name.to_owned());
        if let Some(node) = self.done.get(&key) {
            return node.clone();
        }
        let Some(extends) = at.get("extends") else { return at.node.clone() };
        // Depth of a chain is bounded, too: each link is a level of recursion.
        if chain.contains(&key) || chain.len() >= 64 {
            let names: Vec<&str> = chain.iter().map(|(_, name)| name.as_str()).collect();
            let message = format!(
                "`extends` goes in a circle or too deep: {} → {}",
                shorten(&names.join(" → ")),
                shorten(name)
            );
            self.report.add("E1405", &extends, message, "remove one of the `extends`");
            return at.node.clone();
        }
        chain.push(key.clone());
        let node = match self.base(document, &extends, chain) {
            Some(base) => {
                // what the base depends on is inherited, too; whether it is there, is looked at later
                let inherited = base.entries().iter().filter(|e| &*e.key != "extends").cloned();
                merge::merge(&Node::map(base.pos, inherited.collect()), at.node)
            }
            None => at.node.clone(),
        };
        chain.pop();
        if chain.is_empty() {
            self.done.insert(key, node.clone());
        }
        node
    }

    fn base(&mut self, document: usize, extends: &At<'_>, chain: &mut Vec<(usize, String)>) -> Option<Node> {
        let name = extends.text().or_else(|| extends.text_of("service"))?;
        let target = match extends.get("file") {
            None => document,
            Some(file) => {
                let path = file.text().unwrap_or_default();
                let names: Vec<String> =
                    self.all.iter().map(|node| self.report.file_name(node.pos.file).to_string()).collect();
                let found = find_file(names.iter().map(String::as_str), path)
                    .and_then(|found| names.iter().position(|name| name == found));
                let Some(found) = found else {
                    let message = format!(
                        "`extends` names the file `{}`, which is not among the inputs",
                        shorten(path)
                    );
                    self.report.add("W1330", &file, message, "hand in that file, too");
                    return None;
                };
                found
            }
        };
        let root = At::root(&self.all[target]);
        let Some(base) = root.dig(&["services", name]) else {
            let message = format!("`extends` names the service `{}`, which is not defined", shorten(name));
            self.report.add("E1406", extends, message, "define it or correct the name");
            return None;
        };
        Some(self.service(target, name, &base, chain))
    }
}
