//! Whatever decodes as an entry encodes to the same bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = ecosystem_audit::decode(bytes) {
        assert_eq!(entry.to_entry().to_canonical().expect("it was canonical"), bytes);
    }
});
