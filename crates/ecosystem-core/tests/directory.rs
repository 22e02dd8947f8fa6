//! Answers of Consul and etcd as their documentation shows them, and the registry behind the same trait.
#![cfg(feature = "manifest")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use ecosystem_core::directory::{DirectoryError, ServiceDirectory, consul, etcd};
use ecosystem_core::{Health, Instance, Registry, ReplicaId, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

fn web(index: u32) -> Instance {
    let replica = ReplicaId::new("web".parse().unwrap(), index);
    let mut instance = Instance::new(replica, "h1".parse().unwrap(), "10.0.0.7", 8080);
    instance.labels.insert("version".into(), "1.4".into());
    instance
}

/// What Consul answers for a registered service: the form of its documentation of `/v1/health/service`.
fn consul_entry(registration: &str, status: &str) -> Value {
    let body: Value = serde_json::from_str(registration).unwrap();
    json!({
        "Node": { "ID": "40e4a748", "Node": "foobar", "Address": "10.1.10.12", "Datacenter": "dc1" },
        "Service": {
            "ID": body["ID"], "Service": body["Name"], "Tags": [], "Address": body["Address"], "Meta": body["Meta"],
            "Port": body["Port"], "Weights": { "Passing": 10, "Warning": 1 },
        },
        "Checks": [
            { "Node": "foobar", "CheckID": "serfHealth", "Status": "passing" },
            { "Node": "foobar", "CheckID": body["Check"]["CheckID"], "Status": status },
        ],
    })
}

#[test]
fn what_is_registered_at_consul_is_found_with_the_health_of_its_worst_check() {
    let body = consul::registration(&web(3), Duration::from_secs(30));
    let answer = json!([consul_entry(&body, "passing"), consul_entry(&body, "warning"), {
        "Node": { "Node": "n", "Address": "10.1.1.1" }, "Checks": [],
        "Service": { "ID": "redis", "Service": "redis", "Address": "", "Port": 6379 },
    }]);
    let found = consul::health(&answer.to_string()).unwrap();
    let mut warned = web(3);
    warned.health = Health::Warning;
    assert_eq!(found, [web(3), warned]);
    let check: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(check["Check"]["DeregisterCriticalServiceAfter"], "90000ms");
    assert_eq!(check["Check"]["CheckID"], consul::check_id(&web(3)));
}

#[test]
fn wrong_answers_name_the_entry_and_the_field() {
    let error = consul::health("[{\"Service\": {\"ID\": 7}}]").unwrap_err();
    assert_eq!(error.to_string(), "`Service.ID` of entry 0 is 7, expected text");
    assert!(matches!(consul::health("<html>"), Err(DirectoryError::Syntax(_))));
    assert!(matches!(etcd::instances("{}"), Err(DirectoryError::Form { field: "header.revision", .. })));
    let bad = json!({ "header": { "revision": "5" }, "kvs": [{ "key": "%%%", "value": "" }] });
    let error = etcd::instances(&bad.to_string()).unwrap_err();
    assert_eq!(error.to_string(), "`key` of entry 0 is \"%%%\", expected text in base64");
}

#[test]
fn what_is_put_into_etcd_is_found_by_range_and_watch() {
    let put: Value = serde_json::from_str(&etcd::put("svc", &web(0), 77)).unwrap();
    assert_eq!(put["lease"], "77");
    let range: Value = serde_json::from_str(&etcd::range("svc", Some(web(0).replica.component()))).unwrap();
    let (key, from, to) =
        (put["key"].as_str().unwrap(), range["key"].as_str().unwrap(), range["range_end"].as_str().unwrap());
    // "svc/web/" and "svc/web0", as base64 -w0 prints them
    assert_eq!((from, to), ("c3ZjL3dlYi8=", "c3ZjL3dlYjA="));
    let pair = json!({ "key": key, "value": put["value"], "mod_revision": "12", "version": "1" });
    let other = json!({ "key": "c3ZjL290aGVy", "value": "eA==", "mod_revision": "3" });
    let answer = json!({ "header": { "revision": "12" }, "kvs": [other, pair], "count": "2" });
    assert_eq!(etcd::instances(&answer.to_string()).unwrap(), (12, vec![web(0)]));
    let message = json!({ "result": { "header": { "revision": "13" }, "events": [
        { "kv": pair },
        { "type": "DELETE", "kv": { "key": key, "mod_revision": "13" } },
    ] } });
    let events = etcd::events(&message.to_string()).unwrap();
    let seen: Vec<(u64, bool)> = events.iter().map(|e| (e.index, e.instance.is_some())).collect();
    assert_eq!(seen, [(12, true), (13, false)]);
    assert!(etcd::watch("svc", None, 13).contains("\"start_revision\":\"14\""));
    assert!(etcd::delete("svc", &web(0)).contains(key));
}

/// The same steps against any directory: what a host's implementation is held against.
fn drill<D: ServiceDirectory>(directory: &mut D) {
    let at = Timestamp::from_unix_ms;
    directory.register(at(0), &web(0), Duration::from_secs(10)).unwrap();
    directory.register(at(0), &web(1), Duration::from_secs(5)).unwrap();
    let (cursor, changes) = directory.changes(at(1), 0).unwrap();
    assert_eq!(changes.len(), 2);
    directory.renew(at(4_000), &web(0).replica).unwrap();
    let component = web(0).replica.component().clone();
    assert_eq!(directory.healthy(at(6_000), &component).unwrap(), [web(0)]);
    assert!(directory.deregister(at(7_000), &web(0).replica).unwrap());
    assert!(!directory.deregister(at(7_000), &web(0).replica).unwrap());
    let (_, changes) = directory.changes(at(8_000), cursor).unwrap();
    assert!(changes.iter().all(|change| change.instance.is_none()) && changes.len() == 2);
    assert!(directory.renew(at(8_000), &web(1).replica).is_err());
}

#[test]
fn the_registry_is_a_directory() {
    drill(&mut Registry::new(100));
}

proptest! {
    #[test]
    fn no_answer_makes_the_readers_panic(text in "\\PC{0,80}|[\\[{\"a-zA-Z:}\\]0-9,]{0,80}") {
        let _ = (consul::health(&text), etcd::instances(&text), etcd::events(&text));
    }
}
