//! The text format and query answers; what is read is written and read back.
#![no_main]

use ecosystem_core::prometheus::{encode, encode_query, parse, parse_query};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(families) = parse(text) {
        let written = encode(&families);
        assert_eq!(encode(&parse(&written).expect("our own text is valid")), written);
    }
    if let Ok(result) = parse_query(text) {
        let _ = encode_query(&result);
    }
});
