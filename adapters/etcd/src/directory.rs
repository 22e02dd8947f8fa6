//! etcd as the directory of services.

use crate::EtcdError;
use crate::gateway::Gateway;
use ecosystem_core::directory::{ServiceDirectory, etcd};
use ecosystem_core::{ComponentId, Health, Instance, Registry, RegistryEvent, ReplicaId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Changes that are kept for readers.
const CHANGES: usize = 10_000;
/// In the mirror no time passes: leases run out in etcd.
const STILL: Timestamp = Timestamp::from_unix_ms(0);

/// Instances under a prefix, each bound to a lease of its own, so that etcd forgets whoever does not renew. Its clock counts, not
/// the caller's: the times that the trait hands over are not used. Leases are whole seconds, and at least as long as etcd grants.
///
/// [`changes`](ServiceDirectory::changes) compares what is there with what was there at the last look: what came and went between
/// two looks is not seen. Cursors are those of this value, which keeps the last 10,000 changes. A look costs one request, whose answer
/// grows with the directory.
#[derive(Debug)]
pub struct Directory {
    gateway: Gateway,
    prefix: String,
    // Of the instances that were registered here.
    leases: BTreeMap<ReplicaId, i64>,
    // As of the last look.
    mirror: Registry,
}

impl Directory {
    /// The directory `name`. `timeout` is for one request to one server.
    pub fn new<S: Into<String>>(servers: impl IntoIterator<Item = S>, name: &str, timeout: Duration) -> Self {
        let servers = servers.into_iter().map(Into::into).collect();
        Self {
            gateway: Gateway::new(servers, timeout),
            prefix: format!("ecosystem/services/{name}"),
            leases: BTreeMap::new(),
            mirror: Registry::new(CHANGES),
        }
    }

    fn look(&mut self, component: Option<&ComponentId>) -> Result<Vec<Instance>, EtcdError> {
        let answer = self.gateway.post("/v3/kv/range", &etcd::range(&self.prefix, component))?;
        Ok(etcd::instances(&answer)?.1)
    }
}

impl ServiceDirectory for Directory {
    type Error = EtcdError;

    fn register(&mut self, _: Timestamp, instance: &Instance, lease: Duration) -> Result<(), EtcdError> {
        let seconds = lease.as_secs() + u64::from(lease.subsec_nanos() > 0);
        let (id, _) = self.gateway.grant(seconds.max(1))?;
        self.gateway.post("/v3/kv/put", &etcd::put(&self.prefix, instance, id))?;
        match self.leases.insert(instance.replica.clone(), id) {
            // The key is bound to the new one now.
            Some(old) => self.gateway.revoke(old).or(Ok(())),
            None => Ok(()),
        }
    }

    fn renew(&mut self, _: Timestamp, replica: &ReplicaId) -> Result<(), EtcdError> {
        let unknown = || EtcdError::NotRegistered { replica: replica.clone() };
        let lease = *self.leases.get(replica).ok_or_else(unknown)?;
        if self.gateway.keep_alive(lease)?.is_none() {
            self.leases.remove(replica);
            return Err(unknown());
        }
        Ok(())
    }

    fn deregister(&mut self, _: Timestamp, replica: &ReplicaId) -> Result<bool, EtcdError> {
        let there = self.gateway.remove(&format!("{}/{}/{replica}", self.prefix, replica.component()))?;
        if let Some(lease) = self.leases.remove(replica) {
            // Nothing hangs on it any more; if this is lost, it runs out.
            drop(self.gateway.revoke(lease));
        }
        Ok(there)
    }

    fn healthy(&mut self, _: Timestamp, component: &ComponentId) -> Result<Vec<Instance>, EtcdError> {
        let mut all = self.look(Some(component))?;
        all.sort_by(|a, b| a.replica.cmp(&b.replica));
        let best =
            if all.iter().any(|it| it.health == Health::Passing) { Health::Passing } else { Health::Warning };
        all.retain(|it| it.health == best);
        Ok(all)
    }

    fn changes(&mut self, _: Timestamp, cursor: u64) -> Result<(u64, Vec<RegistryEvent>), EtcdError> {
        let all: BTreeMap<ReplicaId, Instance> =
            self.look(None)?.into_iter().map(|it| (it.replica.clone(), it)).collect();
        let known = self.mirror.snapshot(STILL).1;
        let gone: Vec<ReplicaId> =
            known.iter().map(|it| &it.replica).filter(|it| !all.contains_key(it)).cloned().collect();
        for replica in &gone {
            self.mirror.deregister(STILL, replica);
        }
        for instance in all.into_values() {
            // Only what is new or different is noted.
            self.mirror.register(STILL, instance, Duration::MAX)?;
        }
        let (cursor, events) = self.mirror.watch(STILL, cursor)?;
        Ok((cursor, events.into_iter().cloned().collect()))
    }
}
