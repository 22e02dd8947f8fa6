//! Step 1: what is there.

use crate::input::Input;
use crate::text;
use vm_ecosystem::model::analysis::{
    BlastRadius, SinglePointSettings, SinglePoints, StartOrder, blast_radius, single_points_of_failure,
    start_order,
};
use vm_ecosystem::model::{ComponentId, Ecosystem, Kind};

pub(crate) struct MapFacts {
    pub(crate) order: StartOrder,
    pub(crate) blast: Option<BlastRadius>,
    pub(crate) weak: SinglePoints,
}

pub(crate) fn show(input: &Input) -> MapFacts {
    let map = &input.ecosystem;
    let infra = &input.infrastructure;
    text::heading(1, &format!("What is there: {} ({})", map.name(), input.origin[0]));
    let rows: Vec<Vec<String>> = map.components().enumerate().map(|(ix, _)| row(map, ix)).collect();
    text::table(&["component", "kind", "version", ">replicas", ">cpu", ">memory", "needs"], &rows);
    println!(
        "\n  {} components, {} dependencies, {} rules; {} hosts in {} racks and {} zones ({})",
        map.len(),
        map.dependencies().len(),
        map.rules().len(),
        infra.hosts().len(),
        infra.racks().len(),
        infra.zones().len(),
        input.origin[1]
    );
    if !input.findings.is_empty() {
        println!("\n  findings while reading:");
        input.findings.iter().take(5).for_each(|finding| println!("    {finding}"));
        if input.findings.len() > 5 {
            println!("    and {} more", input.findings.len() - 5);
        }
    }
    let facts = MapFacts {
        order: start_order(map),
        blast: busiest_store(map).and_then(|id| blast_radius(map, &id)),
        weak: single_points_of_failure(map, &SinglePointSettings::default()),
    };
    println!("\n  start order (each level after the ones above):");
    for (level, ids) in facts.order.levels.iter().enumerate() {
        println!("    {}. {}", level + 1, text::some(ids.iter(), 8));
    }
    facts.order.cycles.iter().for_each(|cycle| println!("    cycle: {cycle}"));
    if let Some(blast) = &facts.blast {
        println!("\n  if {} fails:", blast.component);
        blast.to_string().lines().skip(1).for_each(|line| println!("    {}", line.trim()));
    }
    println!("\n  single points of failure:");
    if facts.weak.components.is_empty() {
        println!("    none");
    } else {
        facts.weak.to_string().lines().for_each(|line| println!("    {}", line.trim()));
    }
    facts
}

fn row(map: &Ecosystem, ix: usize) -> Vec<String> {
    let Some(c) = map.component_at(ix) else { return Vec::new() };
    let mut needs: Vec<&str> = map.dependencies_of(ix).map(|d| d.to.as_str()).collect();
    needs.sort_unstable();
    needs.dedup();
    let size = &c.requirements.request;
    let (replicas, cpu, memory) = if c.is_placed() {
        (c.replicas.to_string(), size.cpu.to_string(), size.memory.to_string())
    } else {
        ("-".to_owned(), "-".to_owned(), "-".to_owned())
    };
    vec![
        c.id.to_string(),
        c.kind.to_string(),
        c.version.to_string(),
        replicas,
        cpu,
        memory,
        text::some(needs.into_iter(), 6),
    ]
}

/// The data store that most others need, directly or not; any component if there is no store.
fn busiest_store(map: &Ecosystem) -> Option<ComponentId> {
    let stores: Vec<_> = map.components().filter(|c| c.kind == Kind::Database).collect();
    let candidates = if stores.is_empty() { map.components().collect() } else { stores };
    candidates
        .into_iter()
        .filter_map(|c| blast_radius(map, &c.id))
        .max_by_key(|blast| (blast.affected.len(), std::cmp::Reverse(blast.component.clone())))
        .map(|blast| blast.component)
}
