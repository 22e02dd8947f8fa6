//! The compiled authorizer against the plain evaluation of the explanation, and the rules of the model.

#![expect(clippy::unwrap_used, reason = "strategies unwrap constants")]

use core::time::Duration;

use ecosystem_audit::access::{
    Approval, Authorizer, Condition, Effect, Outcome, Policy, PolicyError, Principal, Request, Rule,
    Selector, TimeWindow, Why,
};
use proptest::prelude::*;

const ROLES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const PATHS: [&str; 8] = ["p", "p/q", "p/q/r", "p/qq", "z", "z/1", "p/q/r/s", "q"];
const ACTIONS: [&str; 6] = ["vm.start", "vm.stop", "vm.disk.grow", "net.open", "vm", "vmx.start"];
const PATTERNS: [&str; 7] = ["*", "vm.*", "vm.disk.*", "vm.start", "net.*", "vm", "net.open"];

fn rule() -> impl Strategy<Value = Rule> {
    let effect = prop_oneof![
        4 => Just(Effect::Allow),
        1 => Just(Effect::Deny),
        1 => (1..3_u8, prop::option::of(0..6_usize)).prop_map(|(count, r)| Effect::RequireApprovals {
            count,
            role: r.map(|r| ROLES[r].to_owned())
        }),
    ];
    let selector = prop_oneof![
        Just(Selector::Any),
        (0..8_usize).prop_map(|p| Selector::Exact(PATHS[p].to_owned())),
        (0..8_usize).prop_map(|p| Selector::Subtree(PATHS[p].to_owned())),
    ];
    let condition = prop_oneof![
        Just(Condition::MfaWithin(Duration::from_millis(50))),
        Just(Condition::NetworkIn(vec!["10.0.0.0/8".parse().unwrap()])),
        Just(Condition::NetworkOutside(vec!["10.0.0.0/8".parse().unwrap()])),
        Just(Condition::Between { from_unix_ms: 90, to_unix_ms: 110 }),
        Just(Condition::TimeOfWeek(vec![TimeWindow::new(TimeWindow::EVERY_DAY, 0, 1)])),
    ];
    let labels = prop::option::weighted(0.2, 0..2_usize);
    let conditions = prop::collection::vec(condition, 0..2);
    (effect, prop::option::of(0..6_usize), 0..7_usize, selector, labels, conditions).prop_map(
        |(effect, role, action, selector, label, conditions)| {
            let mut rule = Rule::new("", effect, PATTERNS[action]);
            rule.role = role.map(|r| ROLES[r].to_owned());
            rule.selector = selector;
            rule.labels = label.map(|l| vec![("env".to_owned(), l.to_string())]).unwrap_or_default();
            rule.conditions = conditions;
            rule
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    // Role i inherits only from roles before it, so there is no cycle.
    let parents = prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 6);
    (parents, prop::collection::vec(rule(), 0..80)).prop_map(|(parents, rules)| {
        let mut policy = Policy::new("p", 1);
        for (i, picks) in parents.iter().enumerate() {
            let names: Vec<&str> =
                if i == 0 { Vec::new() } else { picks.iter().map(|p| ROLES[p.index(i)]).collect() };
            policy = policy.role(ROLES[i], &names);
        }
        for (i, mut rule) in rules.into_iter().enumerate() {
            rule.id = format!("r{i}");
            policy = policy.rule(rule);
        }
        policy
    })
}

fn principal() -> impl Strategy<Value = Principal> {
    let roles = prop::collection::vec((0..7_usize, prop::option::of(50..150_u64)), 0..4);
    (roles, prop::option::of(0..120_u64), 0..3_u8).prop_map(|(roles, mfa, network)| {
        let mut p = Principal::individual("ana");
        for (role, end) in roles {
            let name = *ROLES.get(role).unwrap_or(&"unknown");
            p = match end {
                Some(end) => p.with_temporary_role(name, end),
                None => p.with_role(name),
            };
        }
        p.mfa_at_unix_ms = mfa;
        p.network = match network {
            0 => None,
            1 => Some("10.1.2.3".parse().unwrap()),
            _ => Some("192.0.2.1".parse().unwrap()),
        };
        p
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn compiled_decisions_equal_the_plain_evaluation_of_every_rule(
        policy in policy(),
        principal in principal(),
        asked in (0..6_usize, 0..8_usize, prop::option::of(0..2_usize), 0..3_usize),
        approvals in prop::collection::vec((0..4_usize, 0..6_usize), 0..3),
        at in prop_oneof![Just(100_u64), Just(100_000), 40..160_u64],
    ) {
        let authorizer = Authorizer::new(policy).unwrap();
        let (action, path, label, ancestors) = asked;
        let value = label.map(|l| l.to_string());
        let labels: Vec<(&str, &str)> = value.iter().map(|v| ("env", v.as_str())).collect();
        let above = [PATHS[(path + 3) % 8], PATHS[(path + 5) % 8]];
        let approvals: Vec<Approval> = approvals
            .iter()
            .map(|&(who, role)| {
                let name = ["ana", "bo", "cy", "di"][who];
                Approval::new(name, ACTIONS[action], PATHS[path], 0, 1_000).with_role(ROLES[role])
            })
            .collect();
        let request = Request::new(ACTIONS[action], PATHS[path], at)
            .with_labels(&labels)
            .with_ancestors(&above[..ancestors.min(2)])
            .with_approvals(&approvals);
        let fast = authorizer.decide(&authorizer.subject(&principal), &request);
        let plain = authorizer.explain(&principal, &request);
        prop_assert_eq!(fast, plain.decision, "{}", plain);
    }

    #[test]
    fn arbitrary_actions_and_paths_are_answered_alike(action in "[a.*b]{0,8}", path in "[a./b]{0,10}") {
        let policy = Policy::new("p", 1)
            .rule(Rule::new("r", Effect::Allow, "*").on_subtree("a"))
            .rule(Rule::new("s", Effect::Allow, "a.*"));
        let authorizer = Authorizer::new(policy).unwrap();
        let ana = Principal::individual("ana");
        let request = Request::new(&action, &path, 0);
        let fast = authorizer.decide(&authorizer.subject(&ana), &request);
        prop_assert_eq!(fast, authorizer.explain(&ana, &request).decision);
    }

    #[test]
    fn role_closure_equals_reachability(edges in prop::collection::vec((0..6_usize, 0..6_usize), 0..12)) {
        let mut policy = Policy::new("p", 1);
        for (i, role) in ROLES.iter().enumerate() {
            let parents: Vec<&str> = edges.iter().filter(|e| e.0 == i).map(|e| ROLES[e.1]).collect();
            policy = policy.role(*role, &parents);
        }
        // Floyd-Warshall without weights.
        let mut reach = [[false; 6]; 6];
        for &(a, b) in &edges {
            reach[a][b] = true;
        }
        for k in 0..6 {
            for i in 0..6 {
                for j in 0..6 {
                    reach[i][j] |= reach[i][k] && reach[k][j];
                }
            }
        }
        let cyclic = (0..6).any(|i| reach[i][i]);
        match Authorizer::new(policy) {
            Err(PolicyError::RoleCycle { cycle }) => {
                prop_assert!(cyclic);
                prop_assert_eq!(cycle.first(), cycle.last());
                let at = |name: &String| ROLES.iter().position(|r| r == name).unwrap();
                for pair in cycle.windows(2) {
                    prop_assert!(edges.contains(&(at(&pair[0]), at(&pair[1]))));
                }
            }
            Err(other) => prop_assert!(false, "{}", other),
            Ok(authorizer) => {
                prop_assert!(!cyclic);
                for i in 0..6 {
                    let mut included = authorizer.included_roles(ROLES[i]).unwrap();
                    included.sort_unstable();
                    let expected: Vec<&str> = (0..6).filter(|&j| i == j || reach[i][j]).map(|j| ROLES[j]).collect();
                    prop_assert_eq!(included, expected);
                }
            }
        }
    }
}

#[test]
fn malformed_policies_are_refused_with_the_place() {
    let check = |policy: Policy, expected: &str| {
        assert_eq!(Authorizer::new(policy).unwrap_err().to_string(), expected);
    };
    let policy = || Policy::new("p", 1).role("a", &[]);
    check(policy().role("a", &[]), "role `a` is defined twice");
    check(policy().role("b", &["x"]), "role `b` names the role `x`, which is not defined");
    check(policy().role("b", &["b"]), "roles inherit in a circle: b -> b");
    let rule = |action| Rule::new("r", Effect::Allow, action);
    check(policy().rule(rule("x").of_role("q")), "rule `r` names the role `q`, which is not defined");
    check(policy().rule(rule("x")).rule(rule("y")), "rule `r` is defined twice");
    for action in ["", "a*", "*.a", "a..b", "a.b.", "a.b.c.d.e.f.g.h"] {
        let text = format!(
            "rule `r` has the action `{action}`: expected a name, `name.*` or `*` with at most 6 dots"
        );
        check(policy().rule(rule(action)), &text);
    }
    for path in ["", "/a", "a/", "a//b", "a/../b", ".", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16"] {
        assert!(matches!(
            Authorizer::new(policy().rule(rule("x").on_subtree(path))),
            Err(PolicyError::Path { .. })
        ));
    }
    let zero = Rule::new("z", Effect::RequireApprovals { count: 0, role: None }, "x");
    check(policy().rule(zero), "rule `z` requires zero approvals: expected at least 1");
}

#[test]
fn four_eyes_cannot_be_bypassed_and_own_or_stale_approvals_do_not_count() {
    let policy = Policy::new("p", 1)
        .role("admin", &[])
        .role("lead", &[])
        .rule(Rule::new("all", Effect::Allow, "*").of_role("admin"))
        .rule(Rule::new(
            "four-eyes",
            Effect::RequireApprovals { count: 1, role: Some("lead".into()) },
            "vm.delete",
        ));
    let authorizer = Authorizer::new(policy).unwrap();
    let bot = Principal::service("bot").with_role("admin").acting_for("ana");
    let subject = authorizer.subject(&bot);
    let outcome = |approval: Approval| {
        let approvals = [approval];
        let request = Request::new("vm.delete", "p/db", 500).with_approvals(&approvals);
        authorizer.decide(&subject, &request).outcome
    };
    let by = |who: &str| Approval::new(who, "vm.delete", "p/db", 100, 1_000).with_role("lead");
    let waiting = Outcome::NeedsApproval { rule: 1, have: 0, need: 1 };
    assert_eq!(outcome(by("bo")), Outcome::Allowed { rule: 0 });
    assert_eq!(outcome(by("bot")), waiting, "own approval");
    assert_eq!(outcome(by("ana")), waiting, "approval by the person it acts for");
    let mut other = by("bo");
    other.path = "p/db2".into();
    assert_eq!(outcome(other), waiting, "another resource");
    let mut stale = by("bo");
    stale.expires_at_unix_ms = 500;
    assert_eq!(outcome(stale), waiting, "expired");
    let mut weak = by("bo");
    weak.roles.clear();
    assert_eq!(outcome(weak), waiting, "without the role");
    let nobody = authorizer.subject(&Principal::individual("eve"));
    let request = Request::new("vm.delete", "p/db", 500);
    assert_eq!(authorizer.decide(&nobody, &request).outcome, Outcome::NotPermitted);
}

#[test]
fn unknown_facts_fail_allow_rules_but_not_deny_rules() {
    let blocks = || vec!["10.0.0.0/8".parse().unwrap()];
    let policy = Policy::new("p", 1)
        .rule(Rule::new("read", Effect::Allow, "read"))
        .rule(Rule::new("inside", Effect::Allow, "write").when(Condition::NetworkIn(blocks())))
        .rule(Rule::new("outside", Effect::Deny, "read").when(Condition::NetworkOutside(blocks())));
    let authorizer = Authorizer::new(policy).unwrap();
    let nowhere = Principal::individual("ana");
    let decide = |p: &Principal, action| {
        authorizer.decide(&authorizer.subject(p), &Request::new(action, "x", 0)).outcome
    };
    assert_eq!(decide(&nowhere, "write"), Outcome::NotPermitted);
    assert_eq!(decide(&nowhere, "read"), Outcome::Denied { rule: 2 });
    let inside = nowhere.clone().from_network("10.0.0.1".parse().unwrap());
    assert_eq!(decide(&inside, "write"), Outcome::Allowed { rule: 1 });
    assert_eq!(decide(&inside, "read"), Outcome::Allowed { rule: 0 });
    let explanation = authorizer.explain(&nowhere, &Request::new("write", "x", 0));
    assert_eq!(explanation.rules[0].why, Why::Unknown("network in 10.0.0.0/8".into()));
    assert_eq!(
        explanation.to_string(),
        "not permitted: no rule of policy p v1 allows it\n  inside: not known: network in 10.0.0.0/8\n"
    );
}
