//! What the targets share: seeds from valid encodings, so that the fuzzer begins behind the checksums and grammars, and
//! the log that they are taken from.
//!
//! A target whose process finds `FUZZ_SEEDS` in its environment writes its seeds into that folder and ends.

use ecosystem_audit::export::{Exporter, Format};
use ecosystem_audit::{Category, Draft, ForwardKey, Hash, Log, Outcome, Severity, Value};

/// Writes the seeds if they are asked for.
pub fn seeds<S: AsRef<[u8]>>(make: impl FnOnce() -> Vec<S>) {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS") else { return };
    for (number, seed) in make().iter().enumerate() {
        let path = std::path::Path::new(&folder).join(format!("seed-{number:02}"));
        std::fs::write(path, seed).expect("the folder for seeds can be written to");
    }
    std::process::exit(0);
}

/// A log with every kind of value, several segments and a seal.
pub fn log() -> Log {
    let mut log = Log::new().with_entries_per_segment(3);
    let drafts = [
        Draft::new(1_767_225_600_000, "ana, \"x\"", "vm.stop", "vm/1")
            .with_reason("a\nb]\\")
            .with_field("n", 1_i64),
        Draft::new(1_767_225_600_001, "bo", "é]\\=|", "")
            .with_after(Value::Bytes(vec![1, 2]))
            .with_before(Value::json("[1.5, null]").expect("it is JSON")),
        Draft::new(2, "engine", "role.grant", "person/7")
            .with_category(Category::AUTHORIZATION)
            .with_severity(Severity::Critical)
            .with_outcome(Outcome::Denied)
            .with_on_behalf_of("boss")
            .with_correlation_id("op-1")
            .with_field("role", "admin")
            .with_field("role.", true)
            .with_field("s", Value::Sealed(vec![1; 70]))
            .with_field("c", Value::Commitment(Hash::EMPTY_ROOT)),
        Draft::new(3, "engine", "login", "x")
            .with_category(Category::AUTHENTICATION)
            .with_field("$json", -5_i64),
        Draft::new(4, "engine", "vm.create", "vm/2").with_category(Category::PLACEMENT).with_reason(true),
    ];
    for draft in &drafts {
        log.append(draft).expect("the draft is fine");
    }
    log.seal(&mut ForwardKey::new(&FORWARD_KEY));
    log
}

/// The first key of the seals of [`log`].
pub const FORWARD_KEY: [u8; 32] = [7; 32];

/// The log as text, whole and entry by entry, with and without hashes.
pub fn exports(format: Format) -> Vec<String> {
    let mut texts = Vec::new();
    for hashes in [true, false] {
        let exporter = Exporter::new(format).with_hashes(hashes);
        texts.push(exporter.to_text(log().entries()));
        texts.extend(log().entries().take(3).map(|entry| exporter.to_text([entry])));
    }
    texts
}

/// Whatever imports, exports to a text that imports to the same log, with hashes and without.
pub fn import_is_stable(format: Format, bytes: &[u8]) {
    let Ok(log) = ecosystem_audit::export::import_log(format, bytes) else { return };
    for hashes in [true, false] {
        let text = Exporter::new(format).with_hashes(hashes).to_text(log.entries());
        let again =
            ecosystem_audit::export::import_log(format, text.as_bytes()).expect("an export reads back");
        assert_eq!(again.root(), log.root());
    }
}
