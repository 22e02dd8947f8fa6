//! What each component needs next: how many replicas, of which version.

use super::{Engine, dense};
use crate::state::{Change, Comp, Phase, Reason, Replica, Rid, Stage};

impl Engine {
    /// Brings one component closer to what is wanted. Safe to call at any time.
    pub(super) fn settle_component(&mut self, c: u32) {
        if self.is_frozen(c) {
            return;
        }
        self.settle_isolation(c);
        let replicas: Vec<Rid> = self.hard.of(c).map(|(r, _)| r).collect();
        for r in replicas {
            self.settle_replica(r);
        }
        self.settle_counts(c);
        self.settle_rollout(c);
    }

    /// The rolling-update arithmetic of Kubernetes deployments: at most `surge` too many, at most the budget too few.
    fn settle_counts(&mut self, c: u32) {
        let comp = &self.hard.comps[c as usize];
        if matches!(comp.isolation, Some(Stage::Cutting | Stage::Rotating | Stage::Preserving { .. })) {
            return;
        }
        let (desired, version, rolling) = (comp.desired, comp.version.clone(), comp.rollout.is_some());
        let live: Vec<(Rid, Phase, bool, bool)> = self
            .hard
            .of(c)
            .filter(|(_, it)| !it.tainted && !it.retire)
            .map(|(r, it)| (r, it.phase, self.must_be_replaced(it, &version), self.is_available(r, it)))
            .collect();
        let outdated = live.iter().filter(|(_, _, old, _)| *old).count();
        let (total, fresh) = (dense(live.len()), dense(live.len() - outdated));
        let paused = rolling && !self.rolls_back(c) && !self.is_open(c);
        let surge = if outdated > 0 && !paused { self.settings.rolling.surge } else { 0 };
        let room = desired.saturating_add(surge).saturating_sub(total);
        let missing = desired.saturating_sub(fresh).min(room);
        if missing > 0 {
            // Beyond what serves already it is growth; whoever serves with nothing comes back.
            let grows = !rolling && outdated == 0 && live.iter().any(|(_, _, _, serves)| *serves);
            let first = self.hard.comps[c as usize].next;
            self.create(c, missing, rolling);
            if grows {
                self.soft.grown.extend((first..first.saturating_add(missing)).map(|n| Rid { c, n }));
            }
        }
        if outdated > 0 || total > desired {
            self.shrink(c, desired, live);
        }
    }

    /// True if the replica has to be replaced: wrong build, or on a host it must leave and cannot be moved from.
    pub(super) fn must_be_replaced(&self, replica: &Replica, version: &ecosystem_core::Version) -> bool {
        let stuck = match replica.phase {
            Phase::Running { host } => {
                self.is_leaving(host) && !self.moves_live() && !self.is_host_frozen(host)
            }
            _ => false,
        };
        stuck || (replica.version != *version && replica.phase != Phase::Pending)
    }

    fn create(&mut self, c: u32, count: u32, rolling: bool) {
        let comp = self.hard.comps[c as usize].clone();
        let mut changes = Vec::with_capacity(count as usize + 1);
        let next = comp.next.saturating_add(count);
        for n in comp.next..next {
            let replica = super::new_replica(Phase::Pending, comp.version.clone(), &comp.size);
            changes.push(Change::Replica(Rid { c, n }, Box::new(replica)));
        }
        changes.push(Change::Comp(c, Box::new(Comp { next, ..comp })));
        self.write(&changes);
        self.touch(c);
        let what = if rolling { "for the new version" } else { "to reach the wanted number" };
        let (count_of, are) = (super::issue::replicas(count as usize), if count == 1 { "is" } else { "are" });
        let sentence = format!("{count_of} of {} {are} added {what}", self.world.component_id(c));
        self.audit("replicas-added", self.about_component(c), vec![("count", count.to_string())], sentence);
    }

    /// Takes away what is too much or outdated: first what serves nobody, then as much as the budget allows.
    fn shrink(&mut self, c: u32, desired: u32, live: Vec<(Rid, Phase, bool, bool)>) {
        let mut total = dense(live.len());
        let outdated = live.iter().any(|(_, _, old, _)| *old);
        let mut victims: Vec<_> =
            live.into_iter().filter(|(_, _, old, _)| *old || (!outdated && total > desired)).collect();
        // Outdated first, then idle, then the highest number.
        victims.sort_by_key(|(r, _, old, serves)| (!old, *serves, std::cmp::Reverse(r.n)));
        for (r, phase, old, serves) in victims {
            if !old && total <= desired {
                break;
            }
            let host = match phase {
                Phase::Pending => {
                    self.write(&[Change::Gone(r)]);
                    total -= 1;
                    continue;
                }
                Phase::Running { host } | Phase::Down { host } => host,
                _ => continue,
            };
            // On a silent host it may well serve; and nobody would hear the order.
            let silent = self.hard.hosts[host as usize].status != crate::state::HostStatus::Up;
            if silent || self.is_host_frozen(host) {
                continue;
            }
            let reason = self.shrink_reason(c, host);
            if serves && let Err(refusal) = self.may_disrupt(c, reason) {
                self.refuse((c, u32::MAX), refusal.code, self.about_component(c), refusal.sentence);
                break;
            }
            self.soft.refusals.remove(&(c, u32::MAX));
            let Some(replica) = self.hard.replicas.get(&r).cloned() else { continue };
            self.begin(&crate::state::Task::Stop { r, host }, reason, |action| {
                let phase = Phase::Stopping { host, action };
                vec![Change::Replica(r, Box::new(Replica { phase, retire: true, ..replica }))]
            });
            total -= 1;
            let sentence = format!(
                "{} on {} is taken away ({})",
                self.replica_id(r),
                self.world.host_id(host),
                reason.word()
            );
            self.audit(
                "replica-retired",
                self.about_replica(r),
                vec![("reason", reason.word().to_owned())],
                sentence,
            );
        }
    }

    pub(super) fn shrink_reason(&self, c: u32, host: u32) -> Reason {
        match () {
            () if self.hard.comps[c as usize].rollout.is_some() => Reason::Rollout,
            () if self.is_leaving(host) => self.leaving_reason(host),
            () => Reason::Scale,
        }
    }
}
