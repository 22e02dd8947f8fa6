//! Consul's HTTP interface: service registrations, and answers to health queries.

use super::DirectoryError;
use super::shared::{form, parse, replica};
use crate::registry::{Health, Instance};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Key of the host's name in a service's metadata.
const HOST: &str = "vm-ecosystem-host";

/// Body of `PUT /v1/agent/service/register`: the replica is the service's ID, its lease a TTL check that Consul deregisters
/// after a minute or three leases, whichever is longer.
///
/// # Example
/// ```
/// use ecosystem_core::directory::consul;
/// use ecosystem_core::{Instance, ReplicaId};
/// use std::time::Duration;
///
/// let web = Instance::new(ReplicaId::new("web".parse()?, 0), "h1".parse()?, "10.0.0.7", 80);
/// let body = consul::registration(&web, Duration::from_secs(10));
/// assert!(body.contains("\"ID\":\"web#0\"") && body.contains("\"TTL\":\"10000ms\""));
/// # Ok::<(), ecosystem_core::InvalidId>(())
/// ```
pub fn registration(instance: &Instance, lease: Duration) -> String {
    let millis = lease.as_millis().max(1);
    let mut meta: Map<String, Value> =
        instance.labels.iter().map(|(key, value)| (key.to_string(), json!(value))).collect();
    meta.insert(HOST.to_owned(), json!(instance.host));
    json!({
        "ID": instance.replica.to_string(),
        "Name": instance.replica.component(),
        "Address": instance.address,
        "Port": instance.port,
        "Meta": meta,
        "Check": {
            "CheckID": check_id(instance),
            "Name": "lease",
            "TTL": format!("{millis}ms"),
            "Status": word(instance.health),
            "DeregisterCriticalServiceAfter": format!("{}ms", (3 * millis).max(60_000)),
        },
    })
    .to_string()
}

/// ID of the check that is renewed by `PUT /v1/agent/check/pass/:id` (or `warn`, `fail`).
pub fn check_id(instance: &Instance) -> String {
    format!("lease:{}", instance.replica)
}

const fn word(health: Health) -> &'static str {
    match health {
        Health::Passing => "passing",
        Health::Warning => "warning",
        Health::Critical => "critical",
    }
}

/// Instances in the answer to `GET /v1/health/service/:name`, in the server's order. The health is the worst of all checks
/// of service and node. Services that were not entered by [`registration`] have no replica number in their ID and are left
/// out; the address of the node stands in where the service has none.
pub fn health(answer: &str) -> Result<Vec<Instance>, DirectoryError> {
    let answer = parse(answer)?;
    let Some(entries) = answer.as_array() else {
        return form(0, "answer", &answer, "a list of services");
    };
    let mut instances = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let service = &entry["Service"];
        let Some(id) = service["ID"].as_str() else {
            return form(number, "Service.ID", &service["ID"], "text");
        };
        let Some(replica) = replica(id) else { continue };
        let host =
            service["Meta"][HOST].as_str().or_else(|| entry["Node"]["Node"].as_str()).unwrap_or_default();
        let Ok(host) = host.parse() else {
            return form(number, "Node.Node", &entry["Node"]["Node"], "a host's name");
        };
        let own = service["Address"].as_str().filter(|address| !address.is_empty());
        let Some(address) = own.or_else(|| entry["Node"]["Address"].as_str()) else {
            return form(number, "Service.Address", &service["Address"], "an address");
        };
        let Some(port) = service["Port"].as_u64().and_then(|port| u16::try_from(port).ok()) else {
            return form(number, "Service.Port", &service["Port"], "0 to 65535");
        };
        let mut instance = Instance::new(replica, host, address, port);
        for (key, value) in service["Meta"].as_object().into_iter().flatten().filter(|(key, _)| *key != HOST)
        {
            instance.labels.insert(Arc::from(key.as_str()), Arc::from(value.as_str().unwrap_or_default()));
        }
        let checks = entry["Checks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let worst = checks.iter().map(|check| match check["Status"].as_str() {
            Some("passing") => Health::Passing,
            Some("warning") => Health::Warning,
            _ => Health::Critical,
        });
        instance.health = worst.max().unwrap_or_default();
        instances.push(instance);
    }
    Ok(instances)
}
