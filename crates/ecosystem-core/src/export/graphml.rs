//! `GraphML` (Brandes et al. 2002) for yEd, Gephi, networkx and igraph.

use super::svg::escape;
use crate::ecosystem::Ecosystem;
use std::fmt::Write as _;

const NODE_KEYS: [(&str, &str); 8] = [
    ("kind", "string"),
    ("image", "string"),
    ("version", "string"),
    ("replicas", "int"),
    ("cpu_millicores", "long"),
    ("memory_bytes", "long"),
    ("criticality", "string"),
    ("owner", "string"),
];

const EDGE_KEYS: [(&str, &str); 9] = [
    ("kind", "string"),
    ("strength", "string"),
    ("mode", "string"),
    ("protocol", "string"),
    ("port", "int"),
    ("calls_per_1000_s", "long"),
    ("bytes_per_s", "long"),
    ("latency_budget_us", "long"),
    ("confidence", "string"),
];

/// The map as `GraphML` with typed attributes of nodes and edges; node ids are component names.
pub fn map(ecosystem: &Ecosystem) -> String {
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n",
    );
    for (what, short, keys) in [("node", 'n', &NODE_KEYS[..]), ("edge", 'e', &EDGE_KEYS[..])] {
        for (name, kind) in keys {
            let _ = writeln!(
                out,
                "  <key id=\"{short}_{name}\" for=\"{what}\" attr.name=\"{name}\" attr.type=\"{kind}\"/>"
            );
        }
    }
    let _ = writeln!(out, "  <graph id=\"{}\" edgedefault=\"directed\">", escape(ecosystem.name()));
    for c in ecosystem.components() {
        let _ = writeln!(out, "    <node id=\"{}\">", escape(c.id.as_str()));
        let values = [
            c.kind.to_string(),
            c.image.to_string(),
            c.version.as_str().to_owned(),
            c.replicas.to_string(),
            c.requirements.request.cpu.get().to_string(),
            c.requirements.request.memory.get().to_string(),
            format!("{:?}", c.criticality).to_lowercase(),
            c.owner.to_string(),
        ];
        data(&mut out, 'n', &NODE_KEYS, &values);
        out.push_str("    </node>\n");
    }
    for (number, d) in ecosystem.dependencies().enumerate() {
        let (from, to) = (escape(d.from.as_str()), escape(d.to.as_str()));
        let _ = writeln!(out, "    <edge id=\"e{number}\" source=\"{from}\" target=\"{to}\">");
        let values = [
            d.kind.to_string(),
            format!("{:?}", d.strength).to_lowercase(),
            format!("{:?}", d.mode).to_lowercase(),
            d.protocol.to_string(),
            d.port.map(|port| port.to_string()).unwrap_or_default(),
            d.calls_per_1000_s.to_string(),
            d.bytes_per_s.to_string(),
            d.latency_budget.map(|budget| budget.get().to_string()).unwrap_or_default(),
            format!("{:?}", d.confidence()).to_lowercase(),
        ];
        data(&mut out, 'e', &EDGE_KEYS, &values);
        out.push_str("    </edge>\n");
    }
    out.push_str("  </graph>\n</graphml>\n");
    out
}

/// One element for each value that is known.
fn data(out: &mut String, short: char, keys: &[(&str, &str)], values: &[String]) {
    for ((name, _), value) in keys.iter().zip(values).filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(out, "      <data key=\"{short}_{name}\">{}</data>", escape(value));
    }
}
