//! Any bytes as a manifest of any format, and as an infrastructure file.
#![no_main]

use ecosystem_core::manifest::{Budgets, ParseOptions, Source, parse, parse_infrastructure};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut budgets = Budgets::default();
    budgets.nodes = 20_000;
    budgets.alias_nodes = 20_000;
    budgets.hosts = 1_000;
    let options = ParseOptions::default().with_budgets(budgets);
    let sources = [Source::new("fuzz", data)];
    if let Err(error) = parse(&sources, &options) {
        assert!(error.errors().count() > 0);
    }
    let _ = parse_infrastructure(&sources, &options);
});
