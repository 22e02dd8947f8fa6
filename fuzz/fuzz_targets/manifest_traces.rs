//! Spans in every form, and the calls that they show.
#![no_main]

use ecosystem_core::manifest::{Budgets, Source};
use ecosystem_core::traces;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(spans) = traces::parse(&Source::new("fuzz", data), &Budgets::default()) {
        let _ = traces::calls(&spans);
    }
});
