//! A Compose file and a file of variables, separated by a zero byte; read twice with the same result.
#![no_main]

use ecosystem_core::manifest::{Budgets, Format, ParseOptions, Source, parse};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let split = data.iter().position(|&b| b == 0).unwrap_or(data.len());
    let (compose, env) = data.split_at(split);
    let mut budgets = Budgets::default();
    budgets.nodes = 20_000;
    budgets.alias_nodes = 20_000;
    let mut options = ParseOptions::default().with_budgets(budgets).with_env_file(Source::new("env", env));
    options.format = Some(Format::Compose);
    let first = parse(&[Source::new("fuzz", compose)], &options);
    assert_eq!(first, parse(&[Source::new("fuzz", compose)], &options));
});
