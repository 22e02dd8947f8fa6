//! Whatever imports as syslog messages exports to a text that imports to the same log.
#![no_main]

use ecosystem_audit::export::{Exporter, Format, import_log};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(log) = import_log(Format::Syslog, bytes) {
        let text = Exporter::new(Format::Syslog).to_text(log.entries());
        let again = import_log(Format::Syslog, text.as_bytes()).expect("an export reads back");
        assert_eq!(again.root(), log.root());
    }
});
