//! What is under way, and what is told at the next poll: every end, and the newest sighting of everything else.

use crate::Door;
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, Capabilities, HostHealth, HostId, HypervisorEvent,
    ReplicaId, ReplicaReport,
};
use std::collections::BTreeMap;

/// Actions under way at once.
const BUSY_MAX: usize = 256;
/// Touches that are kept before those that nobody needs any more go.
const TOUCHED_MAX: usize = 4_096;

/// Bounded by the number of actions that were handed in, of hosts and of replicas, however late the next poll is.
#[derive(Debug, Default)]
pub struct News {
    busy: BTreeMap<ActionId, Option<ReplicaId>>,
    ends: Vec<(ActionId, ActionOutcome)>,
    hosts: BTreeMap<HostId, HostHealth>,
    replicas: BTreeMap<(ReplicaId, HostId), HypervisorEvent>,
    /// Moment of the newest begin or end of an action on a replica; what was seen before that is old.
    touched: BTreeMap<ReplicaId, u64>,
    clock: u64,
}

impl News {
    /// The moment before a look around.
    pub fn mark(&mut self) -> u64 {
        // What was touched before this look began is as old to all later ones.
        if self.touched.len() > TOUCHED_MAX {
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
            self.replicas.retain(|it, _| it.0 != *replica);
        }
    }

    /// Takes in a look at hosts that began at a mark, in place of earlier looks at them.
    pub fn see(
        &mut self,
        mark: u64,
        hosts: impl IntoIterator<Item = (HostId, HostHealth)>,
        reports: impl IntoIterator<Item = ReplicaReport>,
    ) {
        for (host, health) in hosts {
            self.replicas.retain(|it, _| it.1 != host);
            self.hosts.insert(host, health);
        }
        for report in reports {
            let busy = self.busy.values().flatten().any(|it| *it == report.replica);
            if busy || self.touched.get(&report.replica).is_some_and(|it| *it > mark) {
                continue; // whoever is at work on it says how it is
            }
            let (replica, host) = (report.replica, report.host);
            let (state, version) = (report.state, report.version);
            let key = (replica.clone(), host.clone());
            self.replicas.insert(key, HypervisorEvent::Replica { replica, host, state, version });
        }
    }

    /// Lets an action in, which is under way from now on; `false` = there is nothing to do, because it is under way already, or
    /// has ended and its answer is told again. Refused with the reason.
    pub fn admit(&mut self, door: Door, request: &ActionRequest, can: &Capabilities) -> Result<bool, String> {
        match door {
            Door::Closed(reason) => return Err(reason),
            Door::Ended(outcome) => {
                if !self.ends.iter().any(|it| it.0 == request.id) {
                    self.ends.push((request.id, outcome));
                }
                return Ok(false);
            }
            Door::Open => {}
        }
        if !can.has(request.kind.capability()) {
            return Err(format!("this executor cannot {}", request.kind.verb()));
        }
        if self.busy.contains_key(&request.id) {
            return Ok(false);
        }
        if self.busy.len() >= BUSY_MAX {
            return Err(format!("{BUSY_MAX} actions are under way"));
        }
        let replica = match &request.kind {
            ActionKind::Probe { .. } => None,
            kind => kind.replica(),
        };
        let other = self.busy.iter().find(|it| replica.is_some() && it.1.as_ref() == replica);
        if let Some((other, _)) = other {
            return Err(format!("the replica is busy with action {other}"));
        }
        self.busy.insert(request.id, replica.cloned());
        self.touch(replica);
        Ok(true)
    }

    /// An action has ended.
    pub fn end(&mut self, action: ActionId, outcome: ActionOutcome) {
        if let Some(replica) = self.busy.remove(&action) {
            self.touch(replica.as_ref());
        }
        self.ends.push((action, outcome));
    }

    /// Numbers of the actions that are under way.
    pub fn under_way(&self) -> impl Iterator<Item = ActionId> {
        self.busy.keys().copied()
    }

    /// What there is to tell.
    pub fn take(&mut self) -> Vec<HypervisorEvent> {
        let hosts = std::mem::take(&mut self.hosts);
        let hosts = hosts.into_iter().map(|(host, health)| HypervisorEvent::Host { host, health });
        let replicas = std::mem::take(&mut self.replicas).into_values();
        let ends = std::mem::take(&mut self.ends);
        let ends = ends.into_iter().map(|(action, outcome)| HypervisorEvent::Finished { action, outcome });
        hosts.chain(replicas).chain(ends).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecosystem_core::{Capability, Epoch, ReplicaState, Resources, Timestamp, Version};

    fn replica(index: u32) -> ReplicaId {
        ReplicaId::new("web".parse().expect("an id"), index)
    }

    fn host(name: &str) -> HostId {
        name.parse().expect("an id")
    }

    fn stop(id: u64, index: u32) -> ActionRequest {
        let kind = ActionKind::Stop { replica: replica(index), host: host("a") };
        let (id, epoch, deadline) = (ActionId(id), Epoch(1), Timestamp::from_unix_ms(0));
        ActionRequest { id, epoch, kind, deadline, expected: None }
    }

    fn report(index: u32, on: &str) -> ReplicaReport {
        let (replica, host, state) = (replica(index), host(on), ReplicaState::Running);
        ReplicaReport { replica, host, state, version: Version::new("1"), resources: Resources::default() }
    }

    fn seen(news: &mut News) -> usize {
        news.take().iter().filter(|it| matches!(it, HypervisorEvent::Replica { .. })).count()
    }

    #[test]
    fn what_was_seen_before_an_action_began_or_ended_is_not_told_after_it() {
        let (mut news, can) = (News::default(), [Capability::Lifecycle].into_iter().collect());
        let look = |news: &mut News, mark| {
            news.see(mark, [(host("a"), HostHealth::Alive)], [report(0, "a"), report(1, "a")]);
        };
        let early = news.mark();
        assert_eq!(news.admit(Door::Open, &stop(1, 0), &can), Ok(true));
        look(&mut news, early);
        assert_eq!(seen(&mut news), 1, "the one that is at rest");
        let meanwhile = news.mark();
        look(&mut news, meanwhile);
        news.end(ActionId(1), ActionOutcome::DONE);
        assert_eq!(seen(&mut news), 1);
        look(&mut news, meanwhile);
        assert_eq!(seen(&mut news), 1, "the look began before the end");
        let late = news.mark();
        look(&mut news, late);
        assert_eq!(seen(&mut news), 2);
    }

    #[test]
    fn a_newer_look_at_a_host_takes_the_place_of_an_older_one_and_of_that_only() {
        let mut news = News::default();
        for (on, index) in [("a", 0), ("b", 1), ("b", 2)] {
            let mark = news.mark();
            news.see(mark, [(host(on), HostHealth::Alive)], [report(index, on)]);
        }
        let told: Vec<HypervisorEvent> = news.take();
        let is = |index| move |it: &HypervisorEvent| matches!(it, HypervisorEvent::Replica { replica: r, .. } if *r == replica(index));
        assert!(told.iter().any(is(0)) && !told.iter().any(is(1)) && told.iter().any(is(2)), "{told:?}");
    }

    #[test]
    fn a_replica_has_one_action_at_a_time_and_an_end_is_told_once_per_poll() {
        let (mut news, can) = (News::default(), [Capability::Lifecycle].into_iter().collect());
        assert_eq!(news.admit(Door::Open, &stop(1, 0), &can), Ok(true));
        assert_eq!(news.admit(Door::Open, &stop(1, 0), &can), Ok(false), "under way");
        assert!(news.admit(Door::Open, &stop(2, 0), &can).is_err(), "busy");
        assert!(news.admit(Door::Open, &stop(2, 1), &Capabilities::default()).is_err(), "cannot");
        news.end(ActionId(1), ActionOutcome::DONE);
        assert_eq!(news.admit(Door::Ended(ActionOutcome::DONE), &stop(1, 0), &can), Ok(false));
        assert_eq!((news.take().len(), news.under_way().count()), (1, 0));
        for id in 0..BUSY_MAX as u64 {
            assert_eq!(
                news.admit(Door::Open, &stop(10 + id, u32::try_from(id).unwrap_or(0)), &can),
                Ok(true)
            );
        }
        assert!(news.admit(Door::Open, &stop(9_999, 9_999), &can).is_err(), "bounded");
    }
}
