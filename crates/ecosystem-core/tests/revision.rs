//! Revisions and three-way merges.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use ecosystem_core::testing::ecosystems;
use ecosystem_core::{
    Component, Dependency, DependencyKind, Ecosystem, EcosystemBuilder, History, HistoryError, Kind,
    Timestamp, diff, merge,
};
use proptest::prelude::*;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

/// `web` and `db` with so many replicas, an edge between them if asked for.
fn pair(web: u32, db: Option<u32>, edge: bool) -> Ecosystem {
    let mut builder = Ecosystem::builder("m");
    for (name, replicas) in [("web", Some(web)), ("db", db)] {
        if let Some(replicas) = replicas {
            let mut component = Component::new(name.parse().unwrap(), Kind::Container);
            component.replicas = replicas;
            builder = builder.component(component);
        }
    }
    if edge {
        builder = builder.dependency(Dependency::new(
            "web".parse().unwrap(),
            "db".parse().unwrap(),
            DependencyKind::Call,
        ));
    }
    builder.build().unwrap()
}

#[test]
fn unchanged_parts_are_shared_between_revisions() {
    let mut history = History::new(pair(1, Some(1), true), at(10), "a");
    assert_eq!(history.record(pair(1, Some(1), true), at(11), "a", "nothing"), Ok(0));
    assert_eq!(history.record(pair(2, Some(1), true), at(20), "b", "more web"), Ok(1));
    let [first, second] = [0, 1].map(|n| &history.get(n).unwrap().ecosystem);
    let db = "db".parse().unwrap();
    assert!(std::ptr::eq(first.component(&db).unwrap(), second.component(&db).unwrap()));
    let edge = |map: &Ecosystem| std::ptr::from_ref(map.dependencies().next().unwrap());
    assert_eq!(edge(first), edge(second));
    let error = history.record(pair(3, Some(1), true), at(19), "b", "late").unwrap_err();
    assert!(matches!(error, HistoryError::Earlier { .. }), "{error}");
    assert_eq!(history.revert_to(0, at(30), "a"), Ok(2));
    assert_eq!(history.latest().ecosystem, pair(1, Some(1), true));
    assert_eq!((history.at(at(9)).is_none(), history.at(at(25)).unwrap().number), (true, 1));
    assert_eq!(&*history.latest().message, "back to revision 0");
}

#[test]
fn different_changes_of_one_part_are_conflicts_and_ours_stands() {
    let merged = merge(&pair(1, Some(1), true), &pair(2, Some(1), true), &pair(3, Some(4), true));
    let texts: Vec<String> = merged.conflicts.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["component `web`: changed here, changed there"]);
    assert_eq!(merged.ecosystem.unwrap(), pair(2, Some(4), true));
}

#[test]
fn a_component_that_one_side_uses_and_the_other_removes_stays() {
    let merged = merge(&pair(1, Some(1), false), &pair(1, None, false), &pair(1, Some(1), true));
    let texts: Vec<String> = merged.conflicts.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["component `db`: removed here, used by the call dependency of `web` on `db` there"]);
    assert_eq!(merged.ecosystem.unwrap(), pair(1, Some(1), true));
}

#[test]
fn changes_of_different_parts_merge_without_a_conflict() {
    let merged = merge(&pair(1, Some(1), false), &pair(2, Some(1), false), &pair(1, Some(5), true));
    assert!(merged.is_clean());
    assert_eq!(merged.ecosystem.unwrap(), pair(2, Some(5), true));
}

/// The same map without rules: a rule may name what the other side removed, and then there is no map.
fn without_rules(map: &Ecosystem) -> Ecosystem {
    let builder = map.components().cloned().fold(Ecosystem::builder("m"), EcosystemBuilder::component);
    map.dependencies().cloned().fold(builder, EcosystemBuilder::dependency).build().unwrap()
}

proptest! {
    #[test]
    fn a_merge_with_an_unchanged_side_is_the_other_side(base in ecosystems(8, 12), other in ecosystems(8, 12)) {
        for merged in [merge(&base, &other, &base), merge(&base, &base, &other), merge(&base, &other, &other)] {
            prop_assert!(merged.is_clean(), "{:?}", merged.conflicts);
            let change = diff(&merged.ecosystem.unwrap(), &other);
            prop_assert!(change.is_empty(), "{}", change);
        }
    }

    #[test]
    fn which_side_is_ours_decides_only_the_conflicts(
        base in ecosystems(6, 8), ours in ecosystems(6, 8), theirs in ecosystems(6, 8),
    ) {
        let [base, ours, theirs] = [base, ours, theirs].map(|map| without_rules(&map));
        let (here, there) = (merge(&base, &ours, &theirs), merge(&base, &theirs, &ours));
        prop_assert!(here.error.is_none() && there.error.is_none());
        prop_assert_eq!(here.is_clean(), there.is_clean());
        if here.is_clean() {
            prop_assert!(diff(&here.ecosystem.unwrap(), &there.ecosystem.unwrap()).is_empty());
        }
    }

    #[test]
    fn a_history_replays_from_its_differences(maps in proptest::collection::vec(ecosystems(6, 8), 1..6)) {
        let mut history = History::new(maps[0].clone(), at(0), "a");
        for (n, map) in maps.iter().enumerate().skip(1) {
            history.record(map.clone(), at(n as u64), "a", "next").unwrap();
        }
        let mut replayed = History::new(maps[0].clone(), at(0), "b");
        for pair in history.iter().collect::<Vec<_>>().windows(2) {
            let change = diff(&pair[0].ecosystem, &pair[1].ecosystem);
            replayed.apply(&change, pair[1].at, "b", "replay").unwrap();
        }
        prop_assert!(diff(&replayed.latest().ecosystem, &history.latest().ecosystem).is_empty());
    }
}
