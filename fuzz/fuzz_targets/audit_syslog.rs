//! Syslog messages: whatever imports, exports to a text that imports to the same log; any message is answered.
#![no_main]

use ecosystem_audit::export::{Format, syslog::Message};
use vm_ecosystem_fuzz::{exports, import_is_stable, seeds};

const MESSAGES: [&str; 3] = [
    "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed",
    "<165>1 2003-10-11T22:14:15.003+05:30 host app 1 ID47 [a@1 k=\"v\\]\" l=\"\"][b@2] text",
    "<0>999 - - - - - -",
];

fn all() -> Vec<String> {
    exports(Format::Syslog).into_iter().chain(MESSAGES.map(str::to_owned)).collect()
}

libfuzzer_sys::fuzz_target!(init: seeds(all), |bytes: &[u8]| {
    import_is_stable(Format::Syslog, bytes);
    if let Ok(text) = core::str::from_utf8(bytes) {
        let _ = Message::parse(text);
    }
});
