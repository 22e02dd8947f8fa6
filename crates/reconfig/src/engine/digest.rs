//! Only for the model checker: the state up to the names of numbers and the origin of time.
//!
//! Two engines that differ only in how far their counters have come, and in when their clock began, behave the same.
//! Left out because they cannot change what the model does: the last refusals (they only suppress notes), load
//! windows (the model measures no load), ages of suspicions beyond their number.

use super::Engine;
use super::soft::Timer;
use crate::state::{Approving, Hard, HostStatus, Phase, Stage, Task};
use ecosystem_core::Timestamp;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

impl Engine {
    /// Numbers of actions that mean something to the engine.
    pub(crate) fn live_numbers(&self, into: &mut Vec<u64>) {
        into.extend(self.hard.actions.keys());
        into.extend(self.hard.actions.values().filter_map(|it| match it.task {
            Task::Probe { about, .. } => Some(about),
            Task::Abort { action } => Some(action),
            _ => None,
        }));
        into.extend(self.hard.replicas.values().filter_map(|it| it.phase.action()));
        into.extend(self.hard.hosts.iter().filter_map(|it| match it.status {
            HostStatus::Fencing { action } => Some(action),
            _ => None,
        }));
    }

    /// A hash of everything that decides about the future.
    pub(crate) fn relative_digest(&self, rank: &impl Fn(u64) -> u64) -> u64 {
        let mut state = DefaultHasher::new();
        self.renumbered(rank).hash(&mut state);
        self.soft_digest(rank, &mut state);
        state.finish()
    }

    fn renumbered(&self, rank: &impl Fn(u64) -> u64) -> Hard {
        let mut hard = self.hard.clone();
        (hard.epoch, hard.next_action, hard.next_approval) = (0, 0, 0);
        let approval =
            |id: u64| self.hard.approvals.keys().position(|&it| it == id).map_or(u64::MAX, |at| at as u64);
        hard.actions = std::mem::take(&mut hard.actions)
            .into_iter()
            .map(|(id, mut it)| {
                match &mut it.task {
                    Task::Probe { about, .. } => *about = rank(*about),
                    Task::Abort { action } => *action = rank(*action),
                    _ => {}
                }
                (rank(id), it)
            })
            .collect();
        let approvals: Vec<Approving> = hard.approvals.values().copied().collect();
        hard.approvals = (0..).zip(approvals).collect();
        for replica in hard.replicas.values_mut() {
            match &mut replica.phase {
                Phase::Starting { action, .. }
                | Phase::Stopping { action, .. }
                | Phase::Migrating { action, .. }
                | Phase::Doubt { action, .. }
                    if *action > 0 =>
                {
                    *action = rank(*action);
                }
                _ => {}
            }
        }
        for host in &mut hard.hosts {
            if let HostStatus::Fencing { action } = &mut host.status {
                *action = rank(*action);
            }
        }
        for comp in &mut hard.comps {
            if let Some(Stage::Waiting { approval: id }) = &mut comp.isolation {
                *id = approval(*id);
            }
        }
        hard
    }

    fn soft_digest(&self, rank: &impl Fn(u64) -> u64, state: &mut DefaultHasher) {
        let (soft, patience) = (&self.soft, &self.settings.patience);
        let until = |at: Timestamp| at.saturating_since(soft.now);
        let since = |at: Timestamp, cap: Duration| soft.now.saturating_since(at).min(cap);
        let mut timers: Vec<(Timer, Duration)> = soft
            .timers
            .relative(soft.now)
            .into_iter()
            .map(|(timer, left)| match timer {
                Timer::Action(id) => (Timer::Action(rank(id)), left),
                Timer::Ask(id) if id > 0 => (Timer::Ask(1), left),
                other => (other, left),
            })
            .collect();
        timers.sort_unstable();
        timers.hash(state);
        let longest = patience.unplaceable.max(patience.dependencies);
        for (r, it) in &soft.waiting {
            (r, until(it.parked), since(it.since, longest), it.told, it.escalated).hash(state);
        }
        for host in &soft.hosts {
            let silence = since(host.seen, self.settings.detection.suspect_after);
            (silence, host.returning, host.suspicions.len(), until(host.fence_not_before)).hash(state);
        }
        for (r, at) in &soft.backoff {
            (r, until(*at)).hash(state);
        }
        for (r, at) in &soft.unhealthy {
            (r, since(*at, patience.unhealthy)).hash(state);
        }
        for (r, (count, at)) in &soft.crashes {
            (r, count, since(*at, Duration::from_secs(601))).hash(state);
        }
        for (key, id) in soft.probing.iter().chain(&soft.strays) {
            (key, rank(*id)).hash(state);
        }
        if !self.hard.plan.is_empty() {
            (soft.plan_dirty, soft.plan_again, since(soft.plan_progress, patience.unplaceable)).hash(state);
        }
        soft.asked.keys().for_each(|r| r.hash(state));
        (soft.trusted, &soft.doubts, &soft.silent, &soft.queued, soft.bucket.micro).hash(state);
        (&soft.verified, &soft.reuse_refused, &soft.needs, &soft.dirty).hash(state);
    }
}
