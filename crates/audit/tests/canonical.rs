//! The canonical form: one byte string per entry, and nothing else decodes.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "tests fail by panicking and print their counts"
)]

use ecosystem_audit::{
    AppendError, Category, Draft, Entry, Hash, Log, MAX_ENTRY_LEN, Outcome, Severity, Value, decode,
};
use proptest::prelude::*;

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,20}".prop_map(Value::Text),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Json("{\"a\": [1, 2.50]}".to_owned())),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        any::<[u8; 32]>().prop_map(|b| Value::Commitment(Hash::from_bytes(b))),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Sealed),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let class = ("[a-zA-Z .:_-]{1,12}", 0..8_usize, 0..5_usize);
    let texts =
        (".{1,12}", ".{1,12}", ".{0,12}", proptest::option::of(".{1,9}"), proptest::option::of(".{1,9}"));
    let states =
        (proptest::option::of(value()), proptest::option::of(value()), proptest::option::of(value()));
    let fields = proptest::collection::btree_map(".{1,8}", value(), 0..6);
    (any::<u64>(), class, texts, states, fields).prop_map(|(at, class, texts, states, fields)| {
        let mut draft = Draft::new(at, texts.0, texts.1, texts.2)
            .with_category(Category::new(class.0).unwrap())
            .with_severity(Severity::ALL[class.1])
            .with_outcome(Outcome::ALL[class.2]);
        (draft.on_behalf_of, draft.correlation_id) = (texts.3, texts.4);
        (draft.reason, draft.before, draft.after) = states;
        draft.fields = fields.into_iter().rev().collect();
        draft
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same_entry(draft in draft(), seq: u64, prev: [u8; 32]) {
        let entry = Entry::from_parts(seq, Hash::from_bytes(prev), draft);
        let bytes = entry.to_canonical().unwrap();
        let decoded = decode(&bytes).unwrap();
        prop_assert_eq!(decoded.to_entry(), entry);
        prop_assert_eq!(decoded.leaf_hash(), ecosystem_audit::leaf_hash(&bytes));
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(
        draft in draft(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = Entry::from_parts(7, Hash::ZERO, draft).to_canonical().unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(entry) = decode(&bytes) {
            prop_assert_eq!(entry.to_entry().to_canonical().unwrap(), bytes.clone());
        }
        let cut = cut.index(bytes.len());
        let _ = decode(&bytes[..cut]);
        bytes.push(0);
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
        let report = ecosystem_audit::verify::verify(&bytes);
        prop_assert_eq!(report.ok(), bytes.is_empty());
        let _ = ecosystem_audit::State::from_bytes(&bytes);
    }

    #[test]
    fn an_exported_log_imported_entry_by_entry_is_the_same_log(drafts in proptest::collection::vec(draft(), 0..20)) {
        let mut log = Log::new().with_entries_per_segment(3);
        for draft in &drafts {
            log.append(draft).unwrap();
        }
        let mut again = Log::new().with_entries_per_segment(3);
        for entry in log.entries() {
            again.append_entry(&entry.to_entry()).unwrap();
        }
        prop_assert_eq!(again.to_bytes(), log.to_bytes());
        prop_assert_eq!(again.root(), log.root());
    }
}

fn refused(draft: &Draft) -> AppendError {
    let mut log = Log::new();
    let error = log.append(draft).unwrap_err();
    assert!(log.is_empty());
    assert!(log.append(&Draft::new(0, "a", "b", "")).is_ok(), "a refused draft leaves no trace");
    assert!(log.verify().ok());
    error
}

#[test]
fn drafts_that_the_form_cannot_hold_are_refused_by_name() {
    assert_eq!(refused(&Draft::new(0, "", "b", "c")), AppendError::Empty { field: "actor" });
    assert_eq!(refused(&Draft::new(0, "a", "", "c")), AppendError::Empty { field: "action" });
    let empty = Draft::new(0, "a", "b", "c").with_correlation_id("");
    assert_eq!(refused(&empty), AppendError::Empty { field: "correlation_id" });
    let twice = Draft::new(0, "a", "b", "c").with_field("x", 1).with_field("x", 2);
    assert_eq!(refused(&twice), AppendError::DuplicateField { name: "x".to_owned() });
    let long = Draft::new(0, "a".repeat(MAX_ENTRY_LEN + 1), "b", "c");
    assert_eq!(refused(&long), AppendError::TooLong { field: "actor", len: MAX_ENTRY_LEN + 1 });
    let sum = Draft::new(0, "a".repeat(40_000), "b".repeat(40_000), "c");
    assert!(matches!(refused(&sum), AppendError::EntryTooLong { .. }));
    let mut many = Draft::new(0, "a", "b", "c");
    many.fields = (0..257).map(|i| (i.to_string(), Value::Bool(true))).collect();
    assert_eq!(refused(&many), AppendError::TooManyFields { count: 257 });
}

#[test]
fn the_longest_entry_fits_and_one_byte_more_does_not() {
    let base = Entry::from_parts(0, Hash::ZERO, Draft::new(0, "a", "b", "")).to_canonical().unwrap().len();
    let room = MAX_ENTRY_LEN - base;
    let mut log = Log::new();
    log.append(&Draft::new(0, "a", "b", "x".repeat(room))).unwrap();
    assert!(log.verify().ok());
    let error = log.append(&Draft::new(0, "a", "b", "x".repeat(room + 1))).unwrap_err();
    assert_eq!(error, AppendError::EntryTooLong { len: MAX_ENTRY_LEN + 1 });
}

#[test]
fn an_entry_of_another_place_or_history_is_not_imported() {
    let mut log = Log::new();
    log.append(&Draft::new(0, "a", "b", "c")).unwrap();
    let elsewhere = Entry::from_parts(3, Hash::ZERO, Draft::new(0, "a", "b", "c"));
    assert_eq!(log.append_entry(&elsewhere), Err(AppendError::WrongSeq { seq: 3, expected: 1 }));
    let other = Entry::from_parts(1, Hash::ZERO, Draft::new(0, "a", "b", "c"));
    assert!(matches!(log.append_entry(&other), Err(AppendError::WrongPrevHash { seq: 1, .. })));
}
