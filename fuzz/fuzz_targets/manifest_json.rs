//! Our own JSON documents, and the answers of service directories.
#![no_main]

use ecosystem_core::directory::{consul, etcd};
use ecosystem_core::export::json;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(map) = json::parse_map(text) {
        assert!(json::parse_map(&json::map(&map)).expect("our own JSON is valid") == map);
    }
    if let Ok(ground) = json::parse_infrastructure(text) {
        assert!(json::parse_infrastructure(&json::infrastructure(&ground)).expect("our own JSON is valid") == ground);
    }
    let _ = (consul::health(text), etcd::instances(text), etcd::events(text));
});
