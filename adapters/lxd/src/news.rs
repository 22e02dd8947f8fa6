//! What is told at the next poll: every end, and the newest sighting of everything else.

use crate::ground::Ground;
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, HostHealth, HostId, HypervisorEvent, ReplicaId,
};
use std::collections::BTreeMap;

/// Bounded by the number of actions that were handed in, of hosts and of replicas, however late the next poll is.
#[derive(Debug, Default)]
pub(crate) struct News {
    busy: BTreeMap<ActionId, Option<ReplicaId>>,
    ends: Vec<(ActionId, ActionOutcome)>,
    hosts: BTreeMap<HostId, HostHealth>,
    replicas: BTreeMap<ReplicaId, HypervisorEvent>,
    /// Moment of the newest begin or end of an action on a replica; what was seen before that is old.
    touched: BTreeMap<ReplicaId, u64>,
    clock: u64,
}

impl News {
    /// The moment before a look around.
    pub(crate) fn mark(&mut self) -> u64 {
        // What was touched before this look began is as old to all later ones.
        if self.touched.len() > 4_096 {
            let busy: Vec<&ReplicaId> = self.busy.values().flatten().collect();
            self.touched.retain(|it, _| busy.contains(&it));
        }
        self.clock += 1;
        self.clock
    }

    fn touch(&mut self, replica: Option<&ReplicaId>) {
        if let Some(replica) = replica {
            self.clock += 1;
            self.touched.insert(replica.clone(), self.clock);
            self.replicas.remove(replica);
        }
    }

    pub(crate) fn see(&mut self, mark: u64, ground: &Ground) {
        self.hosts.extend(ground.hosts());
        for report in ground.reports() {
            let busy = self.busy.values().flatten().any(|it| *it == report.replica);
            if busy || self.touched.get(&report.replica).is_some_and(|it| *it > mark) {
                continue; // whoever is at work on it says how it is
            }
            let (host, state, version) = (report.host, report.state, report.version);
            let event = HypervisorEvent::Replica { replica: report.replica.clone(), host, state, version };
            self.replicas.insert(report.replica, event);
        }
    }

    pub(crate) fn is_busy(&self, action: ActionId) -> bool {
        self.busy.contains_key(&action)
    }

    pub(crate) fn busy(&self) -> usize {
        self.busy.len()
    }

    pub(crate) fn under_way(&self) -> Vec<ActionId> {
        self.busy.keys().copied().collect()
    }

    /// Refused with the number of the action that has the replica.
    pub(crate) fn begin(&mut self, request: &ActionRequest) -> Result<(), ActionId> {
        let replica = match &request.kind {
            ActionKind::Probe { .. } => None,
            kind => kind.replica(),
        };
        if let Some(replica) = replica
            && let Some((other, _)) = self.busy.iter().find(|it| it.1.as_ref() == Some(replica))
        {
            return Err(*other);
        }
        self.busy.insert(request.id, replica.cloned());
        self.touch(replica);
        Ok(())
    }

    pub(crate) fn end(&mut self, request: &ActionRequest, outcome: ActionOutcome) {
        if let Some(replica) = self.busy.remove(&request.id) {
            self.touch(replica.as_ref());
        }
        self.ends.push((request.id, outcome));
    }

    pub(crate) fn repeat(&mut self, action: ActionId, outcome: ActionOutcome) {
        if !self.ends.iter().any(|it| it.0 == action) {
            self.ends.push((action, outcome));
        }
    }

    pub(crate) fn take(&mut self) -> Vec<HypervisorEvent> {
        let hosts = std::mem::take(&mut self.hosts);
        let hosts = hosts.into_iter().map(|(host, health)| HypervisorEvent::Host { host, health });
        let replicas = std::mem::take(&mut self.replicas).into_values();
        let ends = std::mem::take(&mut self.ends);
        let ends = ends.into_iter().map(|(action, outcome)| HypervisorEvent::Finished { action, outcome });
        hosts.chain(replicas).chain(ends).collect()
    }
}
