//! The first byte chooses a format that is then forced on the rest: readers must cope with documents of any other kind.
//! What is read is written as JSON and in our own format, and read back to the same map.
#![no_main]

use ecosystem_core::diff;
use ecosystem_core::export::{json, native};
use ecosystem_core::manifest::{Budgets, Format, ParseOptions, Source, parse};

const FORMATS: [Format; 8] = [
    Format::Native,
    Format::Kubernetes,
    Format::Compose,
    Format::Score,
    Format::Oam,
    Format::Tosca,
    Format::Traces,
    Format::GraphMl,
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    let mut budgets = Budgets::default();
    budgets.nodes = 20_000;
    budgets.alias_nodes = 20_000;
    let mut options = ParseOptions::default().with_budgets(budgets);
    options.format = Some(FORMATS[usize::from(*first) % FORMATS.len()]);
    let Ok(parsed) = parse(&[Source::new("fuzz", text)], &options) else { return };
    let map = parsed.ecosystem;
    let written = json::map(&map);
    assert!(json::parse_map(&written).expect("our own JSON is valid") == map);
    let back = parse(&[Source::new("json", &written)], &ParseOptions::default()).expect("our own JSON is a manifest");
    assert!(back.ecosystem == map);
    let own = native::file(&map);
    let back = parse(&[Source::new("own", &own)], &ParseOptions::default()).expect("our own manifest is valid");
    let changes = diff(&map, &back.ecosystem);
    assert!(changes.added.is_empty() && changes.removed.is_empty() && changes.changed.is_empty(), "{changes}");
    // what an edge rests on comes back, too
    assert!(
        changes.edges_added.is_empty() && changes.edges_removed.is_empty() && changes.edges_changed.is_empty(),
        "{changes}"
    );
});
