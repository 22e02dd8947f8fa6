//! Answers of Consul and etcd, each reader alone so that the fuzzer sees what it looks for.
#![no_main]

use ecosystem_core::directory::{consul, etcd};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = core::str::from_utf8(data) else { return };
    assert_eq!(consul::health(text), consul::health(text));
    assert_eq!(etcd::instances(text), etcd::instances(text));
    assert_eq!(etcd::events(text), etcd::events(text));
});
