//! The registry against a plain model: a list that is searched from end to end.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "helpers of tests")]

use ecosystem_core::testing::component_name;
use ecosystem_core::{Health, Instance, Registry, RegistryError, ReplicaId, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

fn replica(n: usize) -> ReplicaId {
    ReplicaId::new(component_name(n / 2), (n % 2) as u32)
}

fn instance(n: usize) -> Instance {
    Instance::new(replica(n), "h1".parse().unwrap(), "10.0.0.1", 80)
}

#[test]
fn readers_that_fall_behind_are_told_to_start_anew() {
    let mut registry = Registry::new(2);
    for n in 0..3 {
        registry.register(Timestamp::from_unix_ms(1), instance(n), Duration::from_secs(1)).unwrap();
    }
    let now = Timestamp::from_unix_ms(2);
    assert_eq!(registry.watch(now, 0), Err(RegistryError::Expired { cursor: 0, oldest: 2 }));
    let (cursor, all) = registry.snapshot(now);
    assert_eq!((cursor, all.len()), (3, 3));
    assert_eq!(registry.watch(now, cursor).unwrap(), (3, vec![]));
    assert_eq!(registry.renew(now, &replica(9)), Err(RegistryError::Unknown(replica(9))));
}

#[derive(Clone, Debug)]
enum Step {
    Register(usize, u64),
    Renew(usize),
    Health(usize, bool),
    Leave(usize),
    Nothing,
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let step = prop_oneof![
        (0..6_usize, 1..40_u64).prop_map(|(n, lease)| Step::Register(n, lease)),
        (0..6_usize).prop_map(Step::Renew),
        (0..6_usize, any::<bool>()).prop_map(|(n, up)| Step::Health(n, up)),
        (0..6_usize).prop_map(Step::Leave),
        Just(Step::Nothing),
    ];
    proptest::collection::vec((0..20_u64, step), 0..60)
}

proptest! {
    #[test]
    fn leases_run_out_exactly_at_their_moment_and_watchers_see_every_change(steps in steps()) {
        let mut registry = Registry::new(10_000);
        let mut model: BTreeMap<usize, (u64, u64, Health)> = BTreeMap::new(); // lease, expires, health
        let mut seen: BTreeMap<ReplicaId, Instance> = BTreeMap::new();
        let (mut now, mut cursor) = (0, 0);
        for (pause, step) in steps {
            now += pause;
            let at = Timestamp::from_unix_ms(now);
            model.retain(|_, (_, expires, _)| *expires > now);
            match step {
                Step::Register(n, lease) => {
                    registry.register(at, instance(n), Duration::from_millis(lease)).unwrap();
                    model.insert(n, (lease, now + lease, Health::Passing));
                }
                Step::Renew(n) => {
                    let known = model.get_mut(&n).map(|e| e.1 = now + e.0).is_some();
                    prop_assert_eq!(registry.renew(at, &replica(n)).is_ok(), known);
                }
                Step::Health(n, up) => {
                    let health = if up { Health::Passing } else { Health::Critical };
                    let known = model.get_mut(&n).map(|e| e.2 = health).is_some();
                    prop_assert_eq!(registry.set_health(at, &replica(n), health).is_ok(), known);
                }
                Step::Leave(n) => prop_assert_eq!(registry.deregister(at, &replica(n)), model.remove(&n).is_some()),
                Step::Nothing => registry.advance(at),
            }
            let earliest = model.values().map(|e| e.1).min();
            prop_assert_eq!(registry.next_expiry(), earliest.map(Timestamp::from_unix_ms));
            let (next, events) = registry.watch(at, cursor).unwrap();
            for event in events {
                match &event.instance {
                    Some(instance) => seen.insert(event.replica.clone(), instance.clone()),
                    None => seen.remove(&event.replica),
                };
            }
            cursor = next;
            let expected: Vec<(ReplicaId, Health)> = model.iter().map(|(&n, e)| (replica(n), e.2)).collect();
            let followed: Vec<(ReplicaId, Health)> = seen.values().map(|i| (i.replica.clone(), i.health)).collect();
            prop_assert_eq!(&followed, &expected);
            for c in 0..3 {
                let healthy = registry.healthy(at, &component_name(c)).len();
                let expected = model.iter().filter(|(n, e)| *n / 2 == c && e.2 == Health::Passing).count();
                prop_assert_eq!(healthy, expected);
            }
        }
    }
}
