//! Replicas as instances: names, keys, limits.

use crate::wire::Instance;
use ecosystem_core::{ActionId, Bytes, Millicores, ReplicaId, ReplicaState, Resources, Version};
use serde_json::{Map, Value};

pub(crate) const REPLICA: &str = "user.eco.replica";
pub(crate) const VERSION: &str = "user.eco.version";
/// What was asked for; limits are rounded to what the kernel counts in.
const CPU: &str = "user.eco.millicores";
const MEMORY: &str = "user.eco.bytes";

/// A name for a new instance of a replica: at most 63 letters, digits and hyphens (RFC 1123), unique by the number of the
/// action that makes it. Who it is stands in its configuration.
pub(crate) fn instance(replica: &ReplicaId, action: ActionId) -> String {
    format!("{}{action}", stem(replica))
}

/// What the names of a replica's instances begin with. Others' may as well.
fn stem(replica: &ReplicaId) -> String {
    let name = replica.component().as_str().chars();
    let name: String =
        name.map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(24).collect();
    format!("eco-{}-{}-", name.trim_matches('-'), replica.index())
}

/// `{component}` and `{version}` in the template of an image's alias.
pub(crate) fn image(template: &str, replica: &ReplicaId, version: &Version) -> String {
    template.replace("{component}", replica.component().as_str()).replace("{version}", version.as_str())
}

/// Limits of a container: a share of each 100 ms of processor time, at least one millisecond, and bytes.
pub(crate) fn limits(config: &mut Map<String, Value>, resources: &Resources) {
    let share = resources.cpu.get().div_ceil(10).max(1);
    let mut put = |key: &str, value: String| config.insert(key.to_owned(), Value::String(value));
    put("limits.cpu.allowance", format!("{share}ms/100ms"));
    put("limits.memory", format!("{}B", resources.memory.get()));
    put(CPU, resources.cpu.get().to_string());
    put(MEMORY, resources.memory.get().to_string());
}

impl Instance {
    fn get(&self, key: &str) -> Option<&str> {
        self.config.as_ref()?.get(key).map(String::as_str)
    }

    /// Whose it is; `None` = not one of ours, or nobody can tell.
    pub(crate) fn replica(&self) -> Option<ReplicaId> {
        self.get(REPLICA)?.parse().ok()
    }

    /// True if it may be an instance of the replica on a member that does not answer, whatever the cluster has
    /// noticed of that: then it has a name and nothing else.
    pub(crate) fn may_hide(&self, replica: &ReplicaId) -> bool {
        self.config.is_none() && self.name.starts_with(&stem(replica))
    }

    pub(crate) fn version(&self) -> Version {
        Version::new(self.get(VERSION).unwrap_or_default())
    }

    pub(crate) fn resources(&self) -> Resources {
        let number = |key| self.get(key).and_then(|it| it.parse().ok()).unwrap_or_default();
        Resources::new(Millicores(number(CPU)), Bytes(number(MEMORY)))
    }

    /// How it is, on a member that answers.
    pub(crate) fn state(&self) -> ReplicaState {
        match self.status.as_str() {
            "Running" | "Ready" => ReplicaState::Running,
            "Stopped" => ReplicaState::Stopped,
            "Starting" => ReplicaState::Starting,
            // Frozen, stopping, in error: there, but not as it should be.
            _ => ReplicaState::Unhealthy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_a_host_name_may_be_however_long_the_component() {
        let replica =
            ReplicaId::new("Shop.Cart_service/with-a-very-long-name".parse().expect("an id"), u32::MAX);
        let name = instance(&replica, ActionId(u64::MAX));
        assert!(name.len() <= 63 && name.starts_with("eco-shop-cart-service"), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{name}");
    }

    #[test]
    fn limits_are_rounded_up_to_what_the_kernel_counts_and_what_was_asked_for_is_kept() {
        let mut config = Map::new();
        limits(&mut config, &Resources::new(Millicores(1_234), Bytes::mib(3)));
        assert_eq!(config["limits.cpu.allowance"], "124ms/100ms");
        assert_eq!(config["limits.memory"], "3145728B");
        let text = |it: (String, Value)| (it.0, it.1.as_str().unwrap_or_default().to_owned());
        let config = Some(config.into_iter().map(text).collect());
        let mut there = Instance { name: "n".into(), status: "Frozen".into(), location: "m1".into(), config };
        assert_eq!(there.resources(), Resources::new(Millicores(1_234), Bytes::mib(3)));
        assert_eq!((there.state(), there.replica()), (ReplicaState::Unhealthy, None));
        let (web, shop) = ("web#0".parse().expect("an id"), "web#01".parse().expect("an id"));
        there.name = instance(&web, ActionId(5));
        assert!(!there.may_hide(&web), "its configuration says whose it is");
        there.config = None;
        assert!(there.may_hide(&web) && !there.may_hide(&shop) && there.resources().is_zero());
    }
}
