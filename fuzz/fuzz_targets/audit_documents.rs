//! CEF, OCSF, ECS and JSON lines: whatever is accepted exports to something that imports to the same log.
//!
//! The first byte is the format.
#![no_main]

use ecosystem_audit::export::Format;
use vm_ecosystem_fuzz::{exports, import_is_stable, seeds};

const FORMATS: [Format; 4] = [Format::Cef, Format::Ocsf, Format::Ecs, Format::Jsonl];

fn all() -> Vec<Vec<u8>> {
    let with_number = |(number, format)| {
        exports(format).into_iter().map(move |text| [&[number][..], text.as_bytes()].concat())
    };
    (0_u8..).zip(FORMATS).flat_map(with_number).collect()
}

libfuzzer_sys::fuzz_target!(init: seeds(all), |bytes: &[u8]| {
    let Some((number, text)) = bytes.split_first() else { return };
    import_is_stable(FORMATS[usize::from(*number) % FORMATS.len()], text);
});
