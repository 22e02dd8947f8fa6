//! Exports read back to the same log; decoders survive anything.
#![expect(clippy::unwrap_used, reason = "strategies unwrap constants")]

use ecosystem_audit::export::{Exporter, Format, ImportError, import, import_log, syslog};
use ecosystem_audit::{Category, Draft, EntryRef, Hash, Log, Outcome, Severity, Value};
use proptest::prelude::*;

/// Text with everything that some format has to escape, and text that looks like other values.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,8}",
        "[\"\\\\,;=|\\]\\[ \\r\\n\\t{}$:a\u{1}\u{7f}\u{85}\u{2028}é€𝄞]{0,12}",
        prop::sample::select(
            &[
                "5",
                "-1",
                "true",
                "null",
                "\"x\"",
                "{}",
                "[1]",
                "{\"$json\":\"1\"}",
                " x ",
                "1e3",
                "-0",
                "\u{feff}x"
            ][..]
        )
        .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::Text),
        any::<i64>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Bool),
        prop::sample::select(
            &[
                "{}",
                "null",
                "[1, 2]",
                "{\"a\" : 0.50}",
                "\"x\"",
                "7",
                "true",
                " {} ",
                "{\n}",
                "{\"$bytes\":\"AA==\"}",
                "{\"$x\":\"y\"}",
                "1.0",
                "18446744073709551615",
                "-0"
            ][..]
        )
        .prop_map(|t| Value::json(t).unwrap()),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Sealed),
        any::<[u8; 32]>().prop_map(|b| Value::Commitment(Hash::from_bytes(b))),
    ]
}

prop_compose! {
    fn draft()(
        at in prop_oneof![0..4_000_000_000_000_u64, any::<u64>()],
        names in (text(), text(), text(), prop::option::of(text()), prop::option::of(text())),
        class in ("[a-z\"=,\\] é]{1,10}", 0..8_usize, 0..5_usize),
        values in (prop::option::of(value()), prop::option::of(value()), prop::option::of(value())),
        fields in prop::collection::btree_map(text().prop_map(|n| n + "k"), value(), 0..4),
        reverse in any::<bool>(),
    ) -> Draft {
        let mut draft = Draft::new(at, names.0 + "a", names.1 + "b", names.2)
            .with_category(Category::new(class.0).unwrap())
            .with_severity(Severity::ALL[class.1])
            .with_outcome(Outcome::ALL[class.2]);
        draft.on_behalf_of = names.3.map(|n| n + "p");
        draft.correlation_id = names.4.map(|n| n + "c");
        (draft.reason, draft.before, draft.after) = values;
        draft.fields = fields.into_iter().collect();
        if reverse {
            draft.fields.reverse();
        }
        draft
    }
}

fn log_of(drafts: &[Draft]) -> Log {
    let mut log = Log::new();
    for draft in drafts {
        log.append(draft).unwrap();
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn what_is_exported_and_imported_is_the_same_log(drafts in prop::collection::vec(draft(), 0..6), hashes in any::<bool>()) {
        let log = log_of(&drafts);
        for format in Format::ALL {
            let text = Exporter::new(format).with_hashes(hashes).to_text(log.entries());
            let again = import_log(format, text.as_bytes());
            prop_assert!(again.is_ok(), "{format}: {} in {text}", again.unwrap_err());
            let again = again.unwrap();
            prop_assert_eq!(again.root(), log.root(), "{}", text);
            prop_assert_eq!(again.to_bytes(), log.to_bytes());
        }
    }

    #[test]
    fn every_format_but_csv_writes_one_line_per_entry(drafts in prop::collection::vec(draft(), 1..4)) {
        let log = log_of(&drafts);
        for format in Format::ALL.into_iter().filter(|f| *f != Format::Csv) {
            let text = Exporter::new(format).to_text(log.entries());
            prop_assert_eq!(text.matches('\n').count(), drafts.len(), "{}", text);
            if matches!(format, Format::Jsonl | Format::Ocsf | Format::Ecs) {
                for line in text.lines() {
                    prop_assert!(ecosystem_audit::Json::parse(line).is_ok(), "{}", line);
                }
            }
        }
    }

    #[test]
    fn decoders_survive_arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in Format::ALL {
            let _ = import(format, &bytes);
        }
        let _ = syslog::Message::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn decoders_survive_damaged_exports(drafts in prop::collection::vec(draft(), 1..3), at in any::<prop::sample::Index>(), byte: u8, cut in any::<bool>()) {
        let log = log_of(&drafts);
        for format in Format::ALL {
            let mut bytes = Exporter::new(format).to_text(log.entries()).into_bytes();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            let whole = import(format, &bytes).is_ok_and(|records| records.iter().all(|(_, r)| r.leaf_hash.is_some()));
            if let (true, Ok(again)) = (whole, import_log(format, &bytes)) {
                let same = |e: EntryRef<'_>| log.entry(e.seq).map(|l| l.leaf_hash()) == Some(e.leaf_hash());
                prop_assert!(again.entries().all(same), "{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}

#[test]
fn a_line_by_hand_needs_time_actor_and_action_only() {
    let text = concat!(
        "{\"at_unix_ms\": 5, \"actor\":\"ana\",\"action\":\"vm.stop\", \"ticket\": 17, \"details\": {\"b\": 1, \"a\": 2.50}}\r\n",
        "\n",
        "{\"time\":\"1970-01-01T00:00:01Z\",\"actor\":\"bo\",\"action\":\"x\",\"severity\":\"WARN\",\"outcome\":\"failed\",\"category\":\"own\",\"subject\":null,\"reason\":\"why\"}",
    );
    let log = import_log(Format::Jsonl, text.as_bytes()).unwrap();
    let first = log.entry(0).unwrap().to_entry();
    assert_eq!(first.fields()[0], ("ticket".to_owned(), Value::Integer(17)));
    assert_eq!(first.fields()[1].1, Value::Json("{\"b\": 1, \"a\": 2.50}".to_owned()), "bytes are kept");
    let second = log.entry(1).unwrap();
    assert_eq!(
        (second.at_unix_ms, second.severity, second.outcome),
        (1_000, Severity::Warning, Outcome::Failure)
    );
}

#[test]
fn errors_name_line_and_reason() {
    let check = |format, text: &str, expected: &str| {
        assert_eq!(import_log(format, text.as_bytes()).unwrap_err().to_string(), expected);
    };
    check(Format::Jsonl, "\n{\"actor\":\"a\"}", "line 2: `at_unix_ms` is missing");
    check(
        Format::Jsonl,
        "{\"at_unix_ms\":-1,\"actor\":\"a\",\"action\":\"b\"}",
        "line 1: `at_unix_ms` is `-1`: expected a whole number",
    );
    check(
        Format::Jsonl,
        "{\"at_unix_ms\":1,\"at_unix_ms\":2}",
        "line 1: member `at_unix_ms` comes twice, or there are too many",
    );
    check(Format::Jsonl, "[]", "line 1: expected an object at byte 0");
    check(Format::Csv, "seq,color\r\n", "line 1: column `color` is not known or comes twice");
    check(Format::Csv, "actor,action\r\na\r\n", "line 2: 1 cells under 2 columns");
    check(
        Format::Csv,
        "actor,action\r\n\"a\"b,c\r\n",
        "line 2: a cell in quotes goes on after its closing quote",
    );
    check(Format::Syslog, "<13>1 - - - - - -", "line 1: the message has no element `audit@N`");
    check(Format::Syslog, "hello", "line 1: byte 0: expected `<`");
    check(Format::Cef, "CEF:0|a|b|c", "line 1: the header has fewer than seven parts");
    check(Format::Cef, "CEF:0|a|b|c|d|e|2|rt=1 act=x rt=2", "line 1: `rt` comes twice");
    check(
        Format::Cef,
        "CEF:0|a|b|c|d|e|4|rt=1 act=x suser=y",
        "line 1: severity `4` is not one that is written",
    );
    check(Format::Ocsf, "[]", "line 1: not a JSON object");
    check(Format::Ocsf, "{}", "line 1: `time` is missing");
    check(Format::Ecs, "{\"@timestamp\":5}", "line 1: `@timestamp` is not a text");
    check(Format::Ecs, "{\"@timestamp\":\"1970-01-01T00:00:01Z\"}", "line 1: `user.name` is missing");
}

#[test]
fn an_edited_export_with_hashes_is_refused() {
    let log = log_of(&[Draft::new(1, "ana", "vm.stop", "vm/1"), Draft::new(2, "bo", "vm.start", "vm/1")]);
    for format in Format::ALL {
        let text = Exporter::new(format).to_text(log.entries()).replace("vm.stop", "vm.halt");
        assert!(
            matches!(import_log(format, text.as_bytes()), Err(ImportError::Hash { seq: 0, .. })),
            "{format}"
        );
        let text =
            Exporter::new(format).with_hashes(false).to_text(log.entries()).replace("vm.stop", "vm.halt");
        assert_ne!(
            import_log(format, text.as_bytes()).unwrap().root(),
            log.root(),
            "nothing to check it with"
        );
    }
}
