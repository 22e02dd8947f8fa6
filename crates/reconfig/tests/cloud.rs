//! Moving a whole application: waves follow the dependencies, the whole takes as long as its critical path.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use crate::common;

use common::{cid, component, shop};
use ecosystem_core::{
    Bytes, Dependency, DependencyKind, Ecosystem, Kind, Strength,
    manifest::{ParseOptions, Source, parse},
};
use ecosystem_reconfig::plan::{CloudPhase, CloudPlan, CloudPlanError, CloudSettings, cloud_plan};
use std::collections::BTreeMap;

/// What must hold for every plan.
fn is_sound(ecosystem: &Ecosystem, plan: &CloudPlan) {
    let wave_of: BTreeMap<_, _> =
        plan.waves.iter().enumerate().flat_map(|(k, wave)| wave.iter().map(move |id| (id, k))).collect();
    for edge in ecosystem.dependencies() {
        let needed = edge.strength == Strength::Hard || edge.kind == DependencyKind::StartOrder;
        if let (true, Some(from), Some(to)) = (needed, wave_of.get(&edge.from), wave_of.get(&edge.to)) {
            assert!(to <= from, "{} moves before {}, which it needs", edge.from, edge.to);
        }
    }
    for (at, task) in plan.tasks.iter().enumerate() {
        let earliest = task.after.iter().map(|&before| plan.tasks[before].end_ms).max().unwrap_or(0);
        assert!(task.after.iter().all(|&before| before < at));
        assert_eq!(task.start_ms, earliest, "nothing waits longer than it must: {task:?}");
        assert_eq!(task.undo_ms.is_none(), task.phase == CloudPhase::Release);
    }
    // The critical path has no gap and is as long as the whole.
    let path = &plan.critical_path;
    assert_eq!(plan.tasks[path[0]].start_ms, 0);
    assert!(path.windows(2).all(|two| plan.tasks[two[0]].end_ms == plan.tasks[two[1]].start_ms));
    let length: u64 = path.iter().map(|&at| plan.tasks[at].end_ms - plan.tasks[at].start_ms).sum();
    assert_eq!(length, plan.total_ms);
    assert_eq!(plan.total_ms, plan.tasks.iter().map(|task| task.end_ms).max().unwrap());
}

#[test]
fn the_shop_moves_from_its_data_outwards() {
    let mut settings = CloudSettings::default();
    settings.data.insert(cid("db"), Bytes::gib(500));
    let plan = cloud_plan(&shop(), &settings).unwrap();
    is_sound(&shop(), &plan);
    let waves: Vec<Vec<&str>> = plan
        .waves
        .iter()
        .map(|wave| wave.iter().map(ecosystem_core::ComponentId::as_str).collect())
        .collect();
    assert_eq!(waves, [vec!["db", "cache"], vec!["api"], vec!["web"]]);
    // 500 GiB at three quarters of 125 MB/s.
    let copy = plan.tasks.iter().find(|task| task.bytes == Bytes::gib(500).get()).unwrap();
    assert_eq!(copy.end_ms - copy.start_ms, (500_u64 << 30) * 1_000 / 93_750_000 + 1);
    // While `cache` is copied 20 permille an hour of the database change, and go over a quarter of the link.
    let waited = plan.tasks.iter().find(|task| task.component == Some(cid("cache"))).unwrap();
    let changed = (500_u128 << 30) * 20 * u128::from(waited.end_ms - copy.end_ms) / 3_600_000_000;
    let sent = u64::try_from((changed * 1_000).div_ceil(31_250_000)).unwrap();
    assert_eq!(plan.downtime_ms[&cid("db")], sent + settings.switch_ms);
    // api calls db and cache and starts after db; then web calls api.
    assert_eq!(plan.crossing, [3, 1, 0]);
}

#[test]
fn what_may_not_leave_stays_and_the_others_go_without_it() {
    let mut db = component("db", Kind::Database, 1, 1);
    db.residency.insert("eu".into());
    let shop = Ecosystem::builder("shop")
        .component(component("web", Kind::Gateway, 1, 1))
        .component(db)
        .dependency(Dependency::new(cid("web"), cid("db"), DependencyKind::Call))
        .build()
        .unwrap();
    let mut settings = CloudSettings::default();
    settings.target = "us".to_owned();
    let plan = cloud_plan(&shop, &settings).unwrap();
    is_sound(&shop, &plan);
    assert_eq!(plan.stays.iter().map(ecosystem_core::ComponentId::as_str).collect::<Vec<_>>(), ["db"]);
    assert_eq!(plan.crossing, [1], "the call goes over the link for ever");
    settings.target = "eu".to_owned();
    assert!(cloud_plan(&shop, &settings).unwrap().stays.is_empty());
    settings.link_bytes_per_s = 0;
    let error = cloud_plan(&shop, &settings).unwrap_err();
    assert_eq!(error.to_string(), "link_bytes_per_s is 0, expected more than nothing");
    let empty = Ecosystem::builder("empty").build().unwrap();
    assert_eq!(cloud_plan(&empty, &CloudSettings::default()), Err(CloudPlanError::Nothing));
}

#[test]
fn circles_move_together_and_large_levels_in_parts() {
    let mut builder = Ecosystem::builder("many");
    for n in 0..45 {
        builder = builder.component(component(&format!("c{n:02}"), Kind::Container, 1, 1));
    }
    for (from, to) in [("c00", "c01"), ("c01", "c00"), ("c02", "c00")] {
        builder = builder.dependency(Dependency::new(cid(from), cid(to), DependencyKind::Call));
    }
    let many = builder.build().unwrap();
    let plan = cloud_plan(&many, &CloudSettings::default()).unwrap();
    is_sound(&many, &plan);
    assert!(plan.waves.iter().all(|wave| wave.len() <= 20));
    assert_eq!(plan.waves.iter().map(Vec::len).sum::<usize>(), 45);
}

#[test]
fn a_real_application_moves_in_the_order_of_its_calls() {
    let root = std::env::var("VM_ECOSYSTEM_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").to_owned());
    let Ok(bytes) = std::fs::read(format!("{root}/manifests/online-boutique.k8s.yaml")) else {
        assert!(std::env::var_os("CI").is_none(), "no data at {root}");
        println!("skipped: no data at {root}");
        return;
    };
    let source = Source::new("online-boutique.k8s.yaml", &bytes);
    let boutique = parse(&[source], &ParseOptions::default()).unwrap().ecosystem;
    let plan = cloud_plan(&boutique, &CloudSettings::default()).unwrap();
    is_sound(&boutique, &plan);
    let wave = |name: &str| plan.waves.iter().position(|wave| wave.contains(&cid(name))).unwrap();
    // frontend -> checkoutservice -> cartservice -> redis-cart
    assert!(wave("redis-cart") < wave("cartservice") && wave("cartservice") < wave("checkoutservice"));
    assert!(wave("checkoutservice") < wave("frontend"));
    assert_eq!(*plan.crossing.last().unwrap(), 0);
    let shown = plan.to_string();
    assert!(shown.contains("critical path: prepare -> "), "{shown}");
}
