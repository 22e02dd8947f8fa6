//! GraphML and the XML reader under it; what is read is written and read back with as many components and edges.
#![no_main]

use ecosystem_core::export::graphml;
use ecosystem_core::manifest::{Budgets, Format, ParseOptions, Source, parse};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut budgets = Budgets::default();
    budgets.nodes = 20_000;
    let mut options = ParseOptions::default().with_budgets(budgets);
    options.format = Some(Format::GraphMl);
    let read = |bytes: &[u8]| parse(&[Source::new("fuzz", bytes)], &options);
    // half of the inputs need not guess the frame
    let framed = [&b"<graphml><graph edgedefault=\"directed\">"[..], data, b"</graph></graphml>"].concat();
    for bytes in [data, &framed] {
        let Ok(parsed) = read(bytes) else { continue };
        let map = parsed.ecosystem;
        let back = read(graphml::map(&map).as_bytes()).expect("our own GraphML is valid").ecosystem;
        assert_eq!((map.len(), map.dependencies().len()), (back.len(), back.dependencies().len()));
    }
});
