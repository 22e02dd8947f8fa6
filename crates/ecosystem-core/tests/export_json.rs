//! JSON reads back to the same value; other documents are refused with their place.
#![cfg(feature = "export")]
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "helpers of tests")]

use ecosystem_core::export::json;
use ecosystem_core::testing::{ecosystems, infrastructures};
use proptest::prelude::*;

#[test]
fn other_documents_are_refused() {
    let error = json::parse_map("{\"format\": \"vm-ecosystem/map\",\n \"version\": x}").unwrap_err();
    assert_eq!(error.to_string(), "line 2, column 13: expected value");
    let error = json::parse_map(
        "{\"format\": \"vm-ecosystem/map\", \"version\": 7, \"name\": \"\", \"components\": []}",
    )
    .unwrap_err();
    assert!(error.to_string().ends_with("expected `vm-ecosystem/map` version 1"), "{error}");
}

proptest! {
    #[test]
    fn maps_survive_json(map in ecosystems(8, 12)) {
        prop_assert_eq!(json::parse_map(&json::map(&map)).unwrap(), map);
    }

    #[test]
    fn infrastructures_survive_json(infra in infrastructures(3, 2, 3)) {
        prop_assert_eq!(json::parse_infrastructure(&json::infrastructure(&infra)).unwrap(), infra);
    }
}
