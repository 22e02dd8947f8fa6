//! Whatever imports as CSV exports to a text that imports to the same log.
#![no_main]

use ecosystem_audit::export::Format;
use vm_ecosystem_fuzz::{exports, import_is_stable, seeds};

libfuzzer_sys::fuzz_target!(init: seeds(|| exports(Format::Csv)), |bytes: &[u8]| import_is_stable(Format::Csv, bytes));
