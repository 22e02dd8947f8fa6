//! What the engine believes, for reports, drivers and checks.

use super::Engine;
use crate::state::{End, HostStatus, Phase, Reason, Stage, Task};
use ecosystem_core::{
    ActionId, ComponentId, Epoch, HostId, Placement, ReplicaId, Resources, Timestamp, Version,
};
use std::hash::{Hash, Hasher};

/// One replica as the engine sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "independent facts for reports")]
pub struct ReplicaView {
    /// Which.
    pub replica: ReplicaId,
    /// `pending`, `starting`, `running`, `stopping`, `migrating`, `uncertain`, `down` or `unwinding`.
    pub phase: &'static str,
    /// Hosts where it runs, may run or has a reservation.
    pub hosts: Vec<HostId>,
    /// Its build.
    pub version: Version,
    /// What is reserved for it on each of its hosts.
    pub resources: Resources,
    /// True if it serves, as far as is known.
    pub available: bool,
    /// False if its host reported that it does not serve as it should.
    pub healthy: bool,
    /// True if it is compromised.
    pub compromised: bool,
    /// True if it goes away once it is stopped.
    pub retiring: bool,
    /// True if it failed all its attempts and waits for an operator.
    pub failed: bool,
}

/// One host as the engine sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct HostView {
    /// Which.
    pub host: HostId,
    /// `up`, `suspect`, `fencing` or `dead`.
    pub status: &'static str,
    /// What runs on it and what is reserved.
    pub used: Resources,
    /// What may be used.
    pub room: Resources,
    /// Takes nothing new.
    pub closed: bool,
    /// Is being emptied.
    pub leaving: bool,
    /// Nothing is begun on it.
    pub frozen: bool,
}

/// What happened so far; not part of the state that survives.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// Events handled.
    pub events: u64,
    /// Events that named something unknown.
    pub rejected: u64,
    /// Answers that came late or twice.
    pub late: u64,
    /// Decisions a guard refused.
    pub refused: u64,
    /// Replicas for which there was no host.
    pub unplaceable: u64,
    /// Actions begun.
    pub begun: u64,
    /// Actions that had their effect.
    pub done: u64,
    /// Actions without effect.
    pub failed: u64,
    /// Actions whose possible effect was undone.
    pub compensated: u64,
    /// Actions that were handed to an operator.
    pub escalated: u64,
}

impl Counters {
    pub(super) const fn ended(&mut self, end: End) {
        match end {
            End::Done => self.done += 1,
            End::Failed => self.failed += 1,
            End::Compensated => self.compensated += 1,
            End::Escalated => self.escalated += 1,
        }
    }
}

impl Engine {
    /// Where everything runs or is being started, as far as is known. A migrating replica is where it came from.
    pub fn placement(&self) -> Placement {
        self.hard
            .replicas
            .iter()
            .filter_map(|(r, it)| {
                let host = it.phase.holds().next()?;
                Some((self.replica_id(*r), self.world.host_id(host).clone()))
            })
            .collect()
    }

    /// All replicas, in order of component and number.
    pub fn replicas(&self) -> impl Iterator<Item = ReplicaView> {
        self.hard.replicas.iter().map(|(r, it)| ReplicaView {
            replica: self.replica_id(*r),
            phase: it.phase.word(),
            hosts: it.phase.holds().map(|h| self.world.host_id(h).clone()).collect(),
            version: it.version.clone(),
            resources: it.size.as_ref().clone(),
            available: self.is_available(*r, it),
            healthy: !self.soft.unhealthy.contains_key(r),
            compromised: it.tainted,
            retiring: it.retire,
            failed: self.has_failed(*r, it),
        })
    }

    /// All hosts, in the order of the infrastructure.
    pub fn hosts(&self) -> impl Iterator<Item = HostView> {
        (0..super::dense(self.hard.hosts.len())).map(|h| HostView {
            host: self.world.host_id(h).clone(),
            status: match self.hard.hosts[h as usize].status {
                HostStatus::Up => "up",
                HostStatus::Suspect => "suspect",
                HostStatus::Fencing { .. } => "fencing",
                HostStatus::Dead { .. } => "dead",
            },
            used: self.hard.used[h as usize].clone(),
            room: self.world.hosts[h as usize].room.clone(),
            closed: self.host_takes(h).is_err(),
            leaving: self.is_leaving(h),
            frozen: self.is_host_frozen(h),
        })
    }

    /// How many replicas of a component are wanted; zero for unknown ones.
    pub fn desired(&self, component: &ComponentId) -> u32 {
        self.world.component(component).map_or(0, |c| self.hard.comps[c as usize].desired)
    }

    /// How many replicas of a component our own actions may take down at once, counting what is down already.
    pub fn disruption_budget(&self, component: &ComponentId) -> u32 {
        self.world.component(component).map_or(0, |c| self.budget(c))
    }

    /// How many replicas of a component serve, as far as is known.
    pub fn available_replicas(&self, component: &ComponentId) -> u32 {
        self.world.component(component).map_or(0, |c| self.available(c))
    }

    /// The build new replicas of a component get.
    pub fn version(&self, component: &ComponentId) -> Option<&Version> {
        self.world.component(component).map(|c| &self.hard.comps[c as usize].version)
    }

    /// Where the isolation of a component stands; `None` if it is not isolated.
    pub fn isolation(&self, component: &ComponentId) -> Option<&'static str> {
        let c = self.world.component(component)?;
        Some(match self.hard.comps[c as usize].isolation? {
            Stage::Cutting => "cutting",
            Stage::Rotating => "rotating credentials",
            Stage::Preserving { .. } => "taking snapshots",
            Stage::Rebuilding => "rebuilding",
            Stage::Verifying => "verifying",
            Stage::Waiting { .. } => "waiting for approval",
            Stage::Held => "held",
            Stage::Reconnecting => "reconnecting",
        })
    }

    /// True while a version of the component is being brought in or taken back.
    pub fn is_rolling(&self, component: &ComponentId) -> bool {
        self.world.component(component).is_some_and(|c| self.hard.comps[c as usize].rollout.is_some())
    }

    /// True if nothing may be begun on the component.
    pub fn frozen(&self, component: &ComponentId) -> bool {
        self.world.component(component).is_some_and(|c| self.is_frozen(c))
    }

    /// What an unfinished action is for.
    pub fn reason(&self, action: ActionId) -> Option<Reason> {
        self.hard.actions.get(&action.0).map(|it| it.reason)
    }

    /// Numbers of the unfinished actions.
    pub fn unfinished(&self) -> impl Iterator<Item = ActionId> {
        self.hard.actions.keys().map(|&id| ActionId(id))
    }

    /// True if a stray copy of a replica is being stopped by this action.
    pub fn is_stray_stop(&self, action: ActionId) -> bool {
        self.hard.actions.get(&action.0).is_some_and(|it| matches!(it.task, Task::StopStray { .. }))
    }

    /// What happened so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Number of the last record.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Fencing token of this controller.
    pub const fn epoch(&self) -> Epoch {
        Epoch(self.hard.epoch)
    }

    /// The latest moment the engine was told.
    pub const fn now(&self) -> Timestamp {
        self.soft.now
    }

    /// True once the engine may act: at once for a new one, after the inventory for a replayed one.
    pub const fn is_trusted(&self) -> bool {
        self.soft.trusted
    }

    /// True if nothing is under way or waits, everything wanted serves, and no host is in doubt.
    pub fn is_settled(&self) -> bool {
        self.unsettled().is_empty()
    }

    /// Moves of the plan that are not over, detours included, in the order of the plan.
    pub fn planned(&self) -> impl Iterator<Item = (ReplicaId, HostId)> {
        self.hard.plan.values().map(|step| (self.replica_id(step.r), self.world.host_id(step.to).clone()))
    }

    /// What is under way, waits, or is in doubt, each as a sentence that begins with the component, host or action it
    /// is about; nothing = settled. O(live objects).
    pub fn unsettled(&self) -> Vec<String> {
        let mut open = Vec::new();
        if !self.soft.trusted {
            open.push("engine: waits for the inventory".to_owned());
        }
        for &h in &self.soft.silent {
            open.push(format!("{}: silent or being fenced", self.world.host_id(h)));
        }
        for c in 0..super::dense(self.hard.comps.len()) {
            let comp = &self.hard.comps[c as usize];
            let (there, serving) = (self.hard.of(c).count(), self.available(c));
            let what = match () {
                () if comp.isolation.is_some() => "is isolated".to_owned(),
                () if comp.rollout.is_some() => "changes its version".to_owned(),
                () if comp.queued.is_some() => "has a version that waits for its turn".to_owned(),
                () if there != comp.desired as usize || serving != comp.desired => {
                    format!("{there} replicas exist and {serving} serve, {} are wanted", comp.desired)
                }
                () => continue,
            };
            open.push(format!("{}: {what}", self.world.component_id(c)));
        }
        for (r, it) in &self.hard.replicas {
            if !matches!(it.phase, Phase::Running { .. }) {
                open.push(format!("{}: {}", self.replica_id(*r), it.phase.word()));
            }
        }
        open.extend(self.planned().map(|(r, host)| format!("{r}: a plan moves it to {host}")));
        open.extend(self.hard.actions.iter().map(|(id, it)| {
            let about = it.task.replica().map_or_else(String::new, |r| format!(" on {}", self.replica_id(r)));
            format!("action {id}: unfinished{about} ({})", it.reason.word())
        }));
        open
    }

    /// Two engines with the same hard state: what survives a crash is equal.
    pub fn same_hard_state(&self, other: &Self) -> bool {
        self.hard == other.hard
    }

    /// As [`same_hard_state`](Self::same_hard_state), leaving out the fencing token, which changes with every life.
    pub fn same_hard_state_but_epoch(&self, other: &Self) -> bool {
        let mut mine = self.hard.clone();
        mine.epoch = other.hard.epoch;
        mine == other.hard
    }

    /// Number of the last durable record.
    pub const fn durable(&self) -> u64 {
        self.persisted
    }

    /// A hash of the hard state.
    pub fn hard_state_hash(&self, hasher: &mut impl Hasher) {
        self.hard.hash(hasher);
    }
}
