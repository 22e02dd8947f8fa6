//! Diff, patch and history: round trips, the cases of RFC 6902, hostile patches.
#![expect(clippy::unwrap_used, reason = "strategies unwrap constants")]

use ecosystem_audit::change::{History, Patch, PatchError, Pointer, diff};
use ecosystem_audit::{Draft, Json, Log, Value};
use proptest::prelude::*;

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

/// JSON text with few names and values, so that documents share parts.
fn text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        (-3..4_i64).prop_map(|n| n.to_string()),
        Just("1.5".to_owned()),
        "[a-c/~]{0,2}".prop_map(|s| format!("{s:?}")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map("[a-c/~0]{0,2}", inner, 0..5).prop_map(|map| {
                let members: Vec<String> = map.iter().map(|(k, v)| format!("{k:?}:{v}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn applying_the_difference_gives_the_other_state(a in text(), b in text()) {
        let (a, b) = (json(&a), json(&b));
        let patch = diff(&a, &b);
        prop_assert_eq!(&patch.apply(&a).unwrap(), &b);
        prop_assert_eq!(patch.is_empty(), a == b);
        let again: Patch = patch.to_string().parse().unwrap();
        prop_assert_eq!(again, patch);
    }

    #[test]
    fn replay_from_version_0_gives_every_version(states in prop::collection::vec(text(), 1..80)) {
        let states: Vec<Json> = states.iter().map(|s| json(s)).collect();
        let mut history = History::new("r", states[0].clone());
        let mut expected = vec![states[0].clone()];
        for (i, state) in states.iter().enumerate().skip(1) {
            if history.record(state, i as u64 * 10, "ana", None).is_some() {
                expected.push(state.clone());
            }
        }
        for (n, state) in expected.iter().enumerate() {
            let found = history.state(n as u64);
            prop_assert_eq!(found.as_ref(), Some(state));
            if n > 0 {
                let at = history.versions()[n - 1].at_unix_ms;
                prop_assert_eq!(history.state_at(at), (n as u64, state.clone()));
            }
        }
        prop_assert_eq!(history.state(expected.len() as u64), None);

        // Through the log and back, by patches.
        let mut log = Log::new();
        log.append(&Draft::new(0, "ana", "change.apply", "r").with_after(Value::json(states[0].to_string()).unwrap())).unwrap();
        for version in history.versions() {
            log.append(&history.draft(version)).unwrap();
        }
        let again = History::from_entries("r", log.entries()).unwrap();
        prop_assert_eq!(again.current(), history.current());
        prop_assert_eq!(&again.state(again.versions().len() as u64).unwrap(), expected.last().unwrap());
    }

    #[test]
    fn arbitrary_patches_never_panic(document in text(), patch in ".*") {
        if let Ok(patch) = patch.parse::<Patch>() {
            let _ = patch.apply(&json(&document));
        }
        let _ = patch.parse::<Pointer>();
    }
}

#[test]
fn the_cases_of_rfc_6902_appendix_a_hold() {
    let good = [
        (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux"}]"#, r#"{"baz":"qux","foo":"bar"}"#),
        (
            r#"{"foo":["bar","baz"]}"#,
            r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
            r#"{"foo":["bar","qux","baz"]}"#,
        ),
        (r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#),
        (
            r#"{"foo":["bar","qux","baz"]}"#,
            r#"[{"op":"remove","path":"/foo/1"}]"#,
            r#"{"foo":["bar","baz"]}"#,
        ),
        (
            r#"{"baz":"qux","foo":"bar"}"#,
            r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
            r#"{"baz":"boo","foo":"bar"}"#,
        ),
        (
            r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
        ),
        (
            r#"{"foo":["all","grass","cows","eat"]}"#,
            r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            r#"{"foo":["all","cows","eat","grass"]}"#,
        ),
        (
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            r#"[{"op":"test","path":"/foo/1","value":2.0}]"#,
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/child","value":{"grandchild":{}}}]"#,
            r#"{"child":{"grandchild":{}},"foo":"bar"}"#,
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#,
            r#"{"baz":"qux","foo":"bar"}"#,
        ),
        (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#),
        (
            r#"{"foo":["bar"]}"#,
            r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
            r#"{"foo":["bar",["abc","def"]]}"#,
        ),
        (r#"{"foo":null}"#, r#"[{"op":"copy","from":"/foo","path":""}]"#, "null"),
    ];
    for (document, patch, expected) in good {
        let patch: Patch = patch.parse().unwrap();
        assert_eq!(patch.apply(&json(document)).unwrap().to_string(), expected);
    }
}

#[test]
fn patches_that_do_not_fit_are_refused() {
    let bad = [
        (r#"{"baz":"qux"}"#, r#"[{"op":"test","path":"/baz","value":"bar"}]"#),
        (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz/bat","value":"qux"}]"#),
        (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":"10"}]"#),
        (r#"{"foo":[1]}"#, r#"[{"op":"remove","path":"/foo/01"}]"#),
        (r#"{"foo":[1]}"#, r#"[{"op":"add","path":"/foo/2","value":1}]"#),
        (r#"{"foo":[1]}"#, r#"[{"op":"remove","path":"/foo/-"}]"#),
        (r#"{"foo":{"a":1}}"#, r#"[{"op":"move","from":"/foo","path":"/foo/b"}]"#),
        ("{}", r#"[{"op":"replace","path":"/a","value":1}]"#),
    ];
    for (document, patch) in bad {
        let patch: Patch = patch.parse().unwrap();
        assert!(patch.apply(&json(document)).is_err(), "{patch}");
    }
    for malformed in [
        "{}",
        "[1]",
        r#"[{"op":"add","path":"/a"}]"#,
        r#"[{"op":"fly","path":""}]"#,
        r#"[{"op":"remove","path":"a"}]"#,
        r#"[{"op":"remove","path":"/~2"}]"#,
    ] {
        assert!(malformed.parse::<Patch>().is_err(), "{malformed}");
    }
}

#[test]
fn copies_that_double_the_document_are_stopped() {
    let doubling = r#"{"op":"copy","from":"","path":"/a"},{"op":"move","from":"/a","path":"/b"}"#;
    let patch: Patch = format!("[{}]", vec![doubling; 200].join(",")).parse().unwrap();
    assert!(matches!(patch.apply(&json(r#"{"x":[1,2,3]}"#)), Err(PatchError::TooLarge { .. })));
}

#[test]
fn the_log_tells_who_changed_what_and_where_a_change_was_not_recorded() {
    let state = |text: &str| Value::json(text).unwrap();
    let mut log = Log::new();
    let change = |at, actor, before: &str, after: &str| {
        Draft::new(at, actor, "config.set", "vm/db")
            .with_reason("why")
            .with_before(state(before))
            .with_after(state(after))
    };
    log.append(&change(10, "ana", r#"{"cpu":1}"#, r#"{"cpu":2}"#)).unwrap();
    log.append(&Draft::new(15, "ana", "vm.restart", "vm/db")).unwrap();
    log.append(&change(20, "bo", r#"{"cpu":2,"mem":8}"#, r#"{"cpu":4,"mem":8}"#)).unwrap();
    let history = History::from_entries("vm/db", log.entries()).unwrap();
    let rows: Vec<_> = history.versions().iter().map(|v| (v.actor.as_str(), v.seq, v.recorded)).collect();
    assert_eq!(rows, [("ana", Some(0), true), ("", None, false), ("bo", Some(2), true)]);
    let cpu: Pointer = "/cpu".parse().unwrap();
    assert_eq!(history.changes_of(&cpu).map(|v| v.number).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(
        history.drift(&json(r#"{"cpu":4,"mem":16}"#)).to_string(),
        r#"[{"op":"replace","path":"/mem","value":16}]"#
    );
    assert_eq!(history.state_at(19).1.to_string(), r#"{"cpu":2}"#);
}
