//! Kernels of the using half: authorization, indexed queries.
//!
//! `AUDIT_BENCH_ENTRIES` sets the size of the log (default 1,000,000).

#![expect(clippy::disallowed_methods, reason = "the size of the log comes from the environment")]

use core::hint::black_box;
use core::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use ecosystem_audit::access::{Authorizer, Condition, Effect, Policy, Principal, Request, Rule};
use ecosystem_audit::query::{self, Filter, Index};
use ecosystem_audit::{Category, Draft, Log, Severity};

/// 1,000 rules: 40 roles in a chain of groups, 25 teams with 40 rules each, a fifth of them with conditions.
fn policy() -> Policy {
    let mut policy = Policy::new("fleet", 1).role("everyone", &[]);
    for role in 0..40 {
        let parent = if role % 8 == 0 { "everyone".to_owned() } else { format!("role{}", role - 1) };
        policy = policy.role(format!("role{role}"), &[&parent]);
    }
    for i in 0..1_000 {
        let action =
            ["vm.*", "vm.start", "vm.stop", "vm.migrate", "net.*", "db.backup", "db.restore", "*"][i % 8];
        let effect = if i % 10 == 9 { Effect::Deny } else { Effect::Allow };
        let mut rule = Rule::new(format!("rule{i}"), effect, action)
            .of_role(format!("role{}", i % 40))
            .on_subtree(format!("prod/team{}/service{}", i % 25, i % 7));
        if i % 5 == 0 {
            rule = rule.when(Condition::MfaWithin(Duration::from_secs(3600)));
        }
        if i % 10 == 9 {
            rule = rule.with_label("frozen", "true");
        }
        policy = policy.rule(rule);
    }
    policy
}

fn authorization(c: &mut Criterion) {
    let authorizer = Authorizer::new(policy()).expect("well formed");
    let ana = authorizer.subject(&Principal::individual("ana").with_role("role15").with_mfa_at(999_000));
    let labels = [("env", "prod"), ("tier", "web")];
    let allowed = Request::new("vm.start", "prod/team1/service1/web-3", 1_000_000).with_labels(&labels);
    let refused = Request::new("vm.start", "prod/team24/service6/db-1", 1_000_000).with_labels(&labels);
    assert!(!authorizer.decide(&ana, &refused).is_allowed());
    let mut group = c.benchmark_group("authorize/1000_rules");
    group.bench_function("one_of_many_teams", |b| {
        b.iter(|| authorizer.decide(black_box(&ana), black_box(&allowed)));
    });
    group.bench_function("default_deny", |b| {
        b.iter(|| authorizer.decide(black_box(&ana), black_box(&refused)));
    });
    let host = ["dc1/rack7/host12", "zone/eu-1"];
    let above = allowed.with_ancestors(&host);
    group.bench_function("with_2_ancestors", |b| {
        b.iter(|| authorizer.decide(black_box(&ana), black_box(&above)));
    });
    group.finish();

    // The worst shape: all rules about one action on one subtree, by 40 roles.
    let mut crowded = policy();
    for rule in &mut crowded.rules {
        "vm.start".clone_into(&mut rule.action);
        *rule = rule.clone().on_subtree("prod");
    }
    let crowded = Authorizer::new(crowded).expect("well formed");
    let subject = crowded.subject(&Principal::individual("ana").with_role("role8").with_mfa_at(999_000));
    c.bench_function("authorize/1000_rules_on_one_action_and_path", |b| {
        b.iter(|| crowded.decide(black_box(&subject), black_box(&allowed)));
    });
}

/// A year of a fleet: 200 actors, 500 subjects on 20 paths, 1 in 1,000 entries critical, 5 per operation.
fn log(entries: u64) -> (Log, Index) {
    let (mut log, mut index) = (Log::new(), Index::default());
    let step = 365 * 86_400_000 / entries.max(1);
    let categories = [Category::CHANGE, Category::PLACEMENT, Category::SCALING, Category::ACCESS];
    for i in 0..entries {
        let mixed = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let draft = Draft::new(
            1_700_000_000_000 + i * step,
            format!("actor-{}", mixed % 200),
            "vm.resize",
            format!("zone-{}/vm-{}", mixed % 20, mixed % 500),
        )
        .with_category(categories[usize::try_from(mixed % 4).expect("small")].clone())
        .with_severity(if mixed % 1_000 == 7 { Severity::Critical } else { Severity::Info })
        .with_correlation_id(format!("op-{}", i / 5))
        .with_reason("load above target for ten minutes");
        let receipt = log.append(&draft).expect("well formed");
        index.push(&log.entry(receipt.seq).expect("just appended"));
    }
    (log, index)
}

fn queries(c: &mut Criterion) {
    let entries =
        std::env::var("AUDIT_BENCH_ENTRIES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000_u64);
    let (log, index) = log(entries);
    let middle = log.entry(entries / 2).expect("not empty").at_unix_ms;
    let mut group = c.benchmark_group(format!("query/100_of_{entries}"));
    let cases = [
        ("time_range", Filter::new().from(middle)),
        ("actor", Filter::new().actor("actor-17")),
        ("actor_newest_first", Filter::new().actor("actor-17").newest_first()),
        (
            "critical_of_category_after",
            Filter::new().severity(Severity::Critical).category("access").from(middle),
        ),
        ("subject_prefix", Filter::new().subject_prefix("zone-7/")),
        ("actor_and_subject", Filter::new().actor("actor-17").subject("zone-17/vm-217")),
        ("correlation", Filter::new().correlation_id("op-77777")),
    ];
    for (name, filter) in cases {
        group.bench_function(name, |b| {
            b.iter(|| {
                query::run(&log, Some(&index), black_box(&filter))
                    .expect("the index covers the log")
                    .hits
                    .len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, authorization, queries);
criterion_main!(benches);
