//! What each replica needs next.

use super::Engine;
use super::soft::Timer;
use crate::state::{Change, Phase, Reason, Replica, Rid, Stage, Task};
use std::sync::Arc;

impl Engine {
    /// Takes the next step for one replica, if there is one and nothing is in its way.
    pub(super) fn settle_replica(&mut self, r: Rid) {
        let Some(replica) = self.hard.replicas.get(&r) else { return };
        if let Some(&until) = self.soft.backoff.get(&r) {
            if until > self.soft.now {
                self.soft.timers.ensure(Timer::Replica(r), until);
                return;
            }
            self.soft.backoff.remove(&r);
        }
        let leaving = replica.retire || replica.tainted;
        let reason = self.reason_for(r);
        match replica.phase {
            Phase::Pending if leaving => self.write(&[Change::Gone(r)]),
            Phase::Pending => self.settle_pending(r, reason),
            Phase::Down { host } => self.settle_down(r, host, leaving, reason),
            Phase::Unwinding { host } => {
                if !self.is_host_frozen(host) {
                    // It does not serve, so the stop disrupts nobody, whatever else goes on with its component.
                    self.stop(r, host, reason.min(Reason::Recovery));
                }
            }
            Phase::Doubt { action, .. } if self.is_escalated(action) => {
                if !self.soft.timers.is_set(Timer::Replica(r)) {
                    self.probe_doubt(r);
                }
            }
            Phase::Doubt { .. } => self.probe_doubt(r),
            Phase::Running { host } => self.settle_running(r, host, leaving),
            Phase::Starting { .. } | Phase::Stopping { .. } | Phase::Migrating { .. } => {}
        }
    }

    /// Why a replica is started: rebuilt after isolation, rolled out, added for the load, or brought back.
    pub(super) fn reason_for(&self, r: Rid) -> Reason {
        let comp = &self.hard.comps[r.c as usize];
        match () {
            () if comp.isolation.is_some() => Reason::Security,
            () if comp.rollout.is_some() => Reason::Rollout,
            () if self.soft.grown.contains(&r) => Reason::Scale,
            () => Reason::Recovery,
        }
    }

    fn settle_pending(&mut self, r: Rid, reason: Reason) {
        let comp = &self.hard.comps[r.c as usize];
        if matches!(comp.isolation, Some(Stage::Cutting | Stage::Rotating | Stage::Preserving { .. })) {
            return;
        }
        let (version, size) = (comp.version.clone(), Arc::clone(&comp.size));
        let Some(replica) = self.hard.replicas.get(&r) else { return };
        if replica.version != version || replica.size != size {
            // It runs nowhere, so changing its build or its size disturbs nobody.
            let next = Replica { version, size, ..replica.clone() };
            self.write(&[Change::Replica(r, Box::new(next))]);
        }
        let policy = self.settings.restart_policy(self.world.component_id(r.c));
        let Some(replica) = self.hard.replicas.get(&r) else { return };
        if replica.relocations > policy.max_relocate {
            return if policy.holds { self.give_up(r) } else { self.give_up_for_now(r) };
        }
        if let Some(d) = self.missing_dependency(r.c) {
            let since = self.soft.waiting.get(&r).map_or(self.soft.now, |waiting| waiting.since);
            let until = since.saturating_add(self.settings.patience.dependencies);
            if self.soft.now < until {
                let now = self.soft.now;
                self.soft.waiting.entry(r).or_insert(super::soft::Waiting {
                    since: now,
                    parked: now,
                    told: false,
                    escalated: false,
                });
                self.soft.timers.ensure(Timer::Replica(r), until);
                let sentence = format!(
                    "{} waits for {}, after which it must start",
                    self.replica_id(r),
                    self.world.component_id(d)
                );
                self.refuse((r.c, r.n), "waits-for-dependency", self.about_replica(r), sentence);
                return;
            }
        }
        self.need_host(r, reason);
    }

    /// True if a replica failed all its attempts and waits for an operator.
    pub(super) fn has_failed(&self, r: Rid, replica: &Replica) -> bool {
        let policy = self.settings.restart_policy(self.world.component_id(r.c));
        policy.holds && replica.phase == Phase::Pending && replica.relocations > policy.max_relocate
    }

    /// As below, but nothing is tried until an operator says so.
    fn give_up(&mut self, r: Rid) {
        if self.soft.refusals.insert((r.c, r.n), "replica-failed") == Some("replica-failed") {
            return;
        }
        let sentence = format!(
            "{} failed all its attempts and is left alone; order a retry to try again",
            self.replica_id(r)
        );
        self.notify("replica-failed", self.about_replica(r), Vec::new(), sentence);
    }

    /// Every host it may be tried on failed it: an operator is called, and all is tried anew after a while.
    fn give_up_for_now(&mut self, r: Rid) {
        let Some(replica) = self.hard.replicas.get(&r).cloned() else { return };
        let relocations = replica.relocations;
        let next =
            Replica { relocations: 0, restarts: 0, avoid: std::collections::BTreeSet::new(), ..replica };
        self.write(&[Change::Replica(r, Box::new(next))]);
        self.rest(r, self.soft.now.saturating_add(self.settings.patience.unplaceable));
        let sentence = format!(
            "{} failed {relocations} times on one host after the other; tried again in {} s",
            self.replica_id(r),
            self.settings.patience.unplaceable.as_secs()
        );
        let why = vec![("hosts", relocations.to_string())];
        self.notify("replica-failing", self.about_replica(r), why, sentence);
    }

    /// Its host says that it does not run: start it there again, or stop it for certain and go elsewhere.
    fn settle_down(&mut self, r: Rid, host: u32, leaving: bool, reason: Reason) {
        let Some(replica) = self.hard.replicas.get(&r).cloned() else { return };
        if self.is_host_frozen(host) {
            return;
        }
        let policy = self.settings.restart_policy(self.world.component_id(r.c));
        let wanted = self.hard.comps[r.c as usize].version.clone();
        let stays = !leaving
            && replica.restarts <= policy.max_restart
            && replica.version == wanted
            && self.host_takes(host).is_ok();
        if stays {
            return self.start(r, host, reason);
        }
        let mut next = replica;
        next.phase = Phase::Unwinding { host };
        next.restarts = 0;
        next.relocations = next.relocations.saturating_add(1);
        next.avoid.insert(host);
        if next.avoid.len() >= self.hosts_up() {
            next.avoid = std::iter::once(host).collect();
        }
        self.write(&[Change::Replica(r, Box::new(next))]);
        self.touch(r.c);
    }

    fn settle_running(&mut self, r: Rid, host: u32, leaving: bool) {
        if self.is_host_frozen(host) {
            return;
        }
        if leaving {
            return self.leave_for_good(r, host);
        }
        if let Some(&since) = self.soft.unhealthy.get(&r) {
            // It serves nobody, so stopping it disrupts nobody.
            let until = since.saturating_add(self.settings.patience.unhealthy);
            if self.soft.now < until {
                self.soft.timers.ensure(Timer::Replica(r), until);
            } else {
                self.soft.unhealthy.remove(&r);
                self.set_phase(r, Phase::Unwinding { host });
                let sentence = format!("{} did not recover by itself and is restarted", self.replica_id(r));
                self.audit("replica-restarting", self.about_replica(r), Vec::new(), sentence);
            }
            return;
        }
        if !self.is_leaving(host) {
            return self.settle_size(r, host);
        }
        if self.moves_live() {
            let reason = self.leaving_reason(host);
            self.need_host(r, reason);
        }
    }

    /// It was to go for good, its stop was lost, and it turned out to run still: it is stopped again, within the budget.
    /// What is compromised is the business of the isolation ladder.
    fn leave_for_good(&mut self, r: Rid, host: u32) {
        let Some(replica) = self.hard.replicas.get(&r).filter(|it| !it.tainted) else { return };
        let serves = self.is_available(r, replica);
        let silent = self.hard.hosts[host as usize].status != crate::state::HostStatus::Up;
        if silent {
            return;
        }
        let reason = self.shrink_reason(r.c, host);
        if serves && let Err(refusal) = self.may_disrupt(r.c, reason) {
            return self.refuse((r.c, r.n), refusal.code, self.about_replica(r), refusal.sentence);
        }
        self.stop(r, host, reason);
    }

    /// True if running replicas can be moved; otherwise they are replaced one by one.
    pub(super) fn moves_live(&self) -> bool {
        let can = |capability| self.settings.capabilities.has(capability);
        can(ecosystem_core::Capability::PreCopy) || can(ecosystem_core::Capability::PostCopy)
    }

    pub(super) fn leaving_reason(&self, h: u32) -> Reason {
        if self.hard.hosts[h as usize].degraded { Reason::Evacuation } else { Reason::Maintenance }
    }

    /// Stops a replica; what was taken apart elsewhere is not asked again.
    pub(super) fn stop(&mut self, r: Rid, host: u32, reason: Reason) {
        let Some(replica) = self.hard.replicas.get(&r).cloned() else { return };
        self.begin(&Task::Stop { r, host }, reason, |action| {
            let phase = Phase::Stopping { host, action };
            vec![Change::Replica(r, Box::new(Replica { phase, ..replica }))]
        });
        let sentence = format!(
            "{} on {} is being stopped ({})",
            self.replica_id(r),
            self.world.host_id(host),
            reason.word()
        );
        self.audit(
            "replica-stopping",
            self.about_replica(r),
            vec![("reason", reason.word().to_owned())],
            sentence,
        );
    }
}
