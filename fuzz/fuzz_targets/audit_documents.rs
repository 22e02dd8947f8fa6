//! CEF, OCSF, ECS and JSON lines: whatever is accepted exports to something that imports to the same log.
#![no_main]

use ecosystem_audit::export::{Exporter, Format, import_log};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for format in [Format::Cef, Format::Ocsf, Format::Ecs, Format::Jsonl] {
        if let Ok(log) = import_log(format, bytes) {
            let text = Exporter::new(format).to_text(log.entries());
            let again = import_log(format, text.as_bytes()).expect("an export can be imported");
            assert_eq!(again.root(), log.root());
        }
    }
});
