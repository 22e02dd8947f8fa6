//! What changed between two maps: text, and the laws of `apply`.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "helpers of tests")]

use ecosystem_core::testing::ecosystems;
use ecosystem_core::{
    ApplyError, Component, Dependency, DependencyKind, Domain, Ecosystem, EcosystemBuilder, Kind, Place,
    Rule, RuleKind, Strength, diff,
};
use proptest::prelude::*;

fn shop() -> Ecosystem {
    let call = |from: &str, to: &str| {
        Dependency::new(from.parse().unwrap(), to.parse().unwrap(), DependencyKind::Call)
    };
    let rule = RuleKind::Apart { members: vec!["db".parse().unwrap()], domain: Domain::Rack };
    Ecosystem::builder("shop")
        .component(Component::new("web".parse().unwrap(), Kind::Gateway))
        .component(Component::new("cart".parse().unwrap(), Kind::Container))
        .component(Component::new("db".parse().unwrap(), Kind::Database))
        .dependency(call("web", "cart"))
        .dependency(call("cart", "db"))
        .rule(Rule::hard("apart", rule))
        .build()
        .unwrap()
}

#[test]
fn every_change_is_listed_once_and_nothing_else() {
    let before = shop();
    let mut web = before.component(&"web".parse().unwrap()).unwrap().clone();
    web.replicas = 3;
    web.labels.insert("tier".into(), "edge".into());
    let mut edge = Dependency::new("web".parse().unwrap(), "db".parse().unwrap(), DependencyKind::Call);
    edge.strength = Strength::Soft;
    let rule = RuleKind::Apart { members: vec!["db".parse().unwrap()], domain: Domain::Zone };
    let after = Ecosystem::builder("shop-2")
        .component(web)
        .component(Component::new("mail".parse().unwrap(), Kind::External))
        .component(before.component(&"db".parse().unwrap()).unwrap().clone())
        .dependency(edge)
        .rule(Rule::hard("apart", rule))
        .build()
        .unwrap();
    let text = diff(&before, &after).to_string();
    assert_eq!(
        text,
        "~ name shop -> shop-2
- component cart (container)
+ component mail (external)
~ component web: replicas 1 -> 3, labels [] -> [tier=edge]
- call web -> cart
- call cart -> db
+ call web -> db
~ rule apart: replicas of db each in a rack of their own -> apart: replicas of db each in a zone of their own
"
    );
}

#[test]
fn moved_lines_are_no_change() {
    let before = shop();
    let mut edge = before.dependencies().next().unwrap().clone();
    edge.evidence[0].place = Place::new("other.yaml", 7, 1, "x");
    let mut builder =
        before.components().cloned().fold(Ecosystem::builder("shop"), EcosystemBuilder::component);
    builder =
        before.dependencies().skip(1).cloned().fold(builder.dependency(edge), EcosystemBuilder::dependency);
    let after = builder.rule(before.rules()[0].clone()).build().unwrap();
    assert_ne!(before, after);
    assert!(diff(&before, &after).is_empty());
}

#[test]
fn a_difference_does_not_apply_to_a_map_that_moved_on() {
    let before = shop();
    let grown = |replicas: u32| {
        let mut builder = Ecosystem::builder("shop");
        for c in before.components() {
            let mut c = c.clone();
            c.replicas = if c.id.as_str() == "web" { replicas } else { c.replicas };
            builder = builder.component(c);
        }
        before
            .dependencies()
            .cloned()
            .fold(builder, EcosystemBuilder::dependency)
            .rule(before.rules()[0].clone())
            .build()
            .unwrap()
    };
    let to_three = diff(&before, &grown(3));
    let error = to_three.apply(&grown(2)).unwrap_err();
    assert!(matches!(&error, ApplyError::Stale { what, .. } if what == "component `web`"), "{error}");
    assert_eq!(to_three.apply(&before).unwrap(), grown(3));
}

proptest! {
    #[test]
    fn applying_the_difference_gives_the_later_map(a in ecosystems(8, 12), b in ecosystems(8, 12)) {
        let change = diff(&a, &b);
        let applied = change.apply(&a).unwrap();
        prop_assert!(diff(&applied, &b).is_empty(), "{}", diff(&applied, &b));
        let back = change.clone().inverted().apply(&applied).unwrap();
        prop_assert!(diff(&back, &a).is_empty(), "{}", diff(&back, &a));
        prop_assert_eq!(diff(&a, &a.clone()).to_string(), "");
        prop_assert_eq!(change.is_empty(), change.to_string().is_empty());
    }
}
