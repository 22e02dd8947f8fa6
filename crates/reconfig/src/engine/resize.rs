//! Vertical scaling: running replicas get the size their component has now.

use super::Engine;
use super::soft::Timer;
use crate::state::{Change, Comp, End, Phase, Reason, Replica, Rid, Task};
use ecosystem_core::{Capability, ComponentId, Resources};
use std::sync::Arc;

impl Engine {
    /// An operator wants every replica of a component to have another size.
    pub(super) fn order_size(&mut self, id: &ComponentId, size: &Resources, by: &str) {
        let Some(c) = self.world.component(id) else { return self.unknown("component", id.as_str()) };
        let comp = self.hard.comps[c as usize].clone();
        let why = vec![("by", by.to_owned())];
        if *comp.size == *size || size.is_zero() {
            let what = if size.is_zero() { "a size of nothing is refused" } else { "that is its size" };
            let sentence = format!("{by} wants {id} resized: {what}");
            return self.audit("resize-impossible", self.about_component(c), why, sentence);
        }
        let growth = size.saturating_sub(&comp.size).scaled(comp.desired.into(), 1);
        if let Err(refusal) = self.keeps_reserve(&growth) {
            let sentence = format!("{by} wants {id} resized: {}", refusal.sentence);
            return self.audit("resize-impossible", self.about_component(c), why, sentence);
        }
        self.soft.kept_small.remove(&c);
        let next = Comp { size: Arc::new(size.clone()), ..comp };
        self.write(&[Change::Comp(c, Box::new(next))]);
        self.soft.refusals.retain(|&(of, _), _| of != c);
        self.touch(c);
        let sentence = format!("{id} is resized by order of {by}");
        self.audit("resize-ordered", self.about_component(c), why, sentence);
    }

    /// What a replica needs of the host it asks for: its size, or the larger one it is to get there.
    pub(super) fn needed_size(&self, r: Rid, replica: &Replica, reason: Reason) -> Resources {
        match replica.phase {
            Phase::Running { .. } if reason == Reason::Scale => {
                let growth = self.hard.comps[r.c as usize].size.saturating_sub(&replica.size);
                replica.size.saturating_add(&growth)
            }
            _ => replica.size.as_ref().clone(),
        }
    }

    /// True while the executor changes the size of a replica.
    pub(super) fn is_resizing(&self, r: Rid) -> bool {
        self.hard.actions.values().any(|it| matches!(it.task, Task::Resize { r: of, .. } if of == r))
    }

    /// Gives a running replica the size of its component where it is, if there is room for both sizes. Where there is
    /// not, a host that has room for the new one is asked for; it gets its size once it arrived there. Without such a
    /// host it keeps what it has, and that is tried again. A replica that is started anew gets the size anyway.
    pub(super) fn settle_size(&mut self, r: Rid, host: u32) {
        let Some(replica) = self.hard.replicas.get(&r) else { return };
        let wanted = Arc::clone(&self.hard.comps[r.c as usize].size);
        let able = self.settings.capabilities.has(Capability::Resize);
        if replica.size == wanted {
            // Nothing is needed, or not any more.
            self.soft.waiting.remove(&r);
            self.soft.needs.remove(&r);
            return;
        }
        if !able || self.is_resizing(r) {
            return;
        }
        let from = Arc::clone(&replica.size);
        let growth = wanted.saturating_sub(&from);
        let reserve = self.keeps_reserve(&growth);
        let room = self.fits(&growth, host);
        let elsewhere = reserve.is_ok() && self.can_move() && self.goal_of(r).is_none();
        if let Err(refusal) = reserve.and(room) {
            let what = if elsewhere { "needs another host for its new size" } else { "is not resized" };
            let sentence = format!("{} {what}: {}", self.replica_id(r), refusal.sentence);
            self.refuse((r.c, r.n), refusal.code, self.about_replica(r), sentence);
            if elsewhere {
                return self.need_host(r, Reason::Scale);
            }
            let again = self.soft.now.saturating_add(self.settings.patience.retry);
            return self.soft.timers.ensure(Timer::Replica(r), again);
        }
        self.soft.waiting.remove(&r);
        let both = Arc::new(from.saturating_add(&growth));
        let next = Replica { size: both, ..replica.clone() };
        let task = Task::Resize { r, host, from, to: wanted };
        self.begin(&task, Reason::Scale, |_| vec![Change::Replica(r, Box::new(next))]);
        let sentence =
            format!("{} on {} is resized where it runs", self.replica_id(r), self.world.host_id(host));
        self.audit("replica-resizing", self.about_replica(r), Vec::new(), sentence);
    }

    /// The executor said how a change of size ended: the replica has the new size, or still the old one.
    pub(super) fn resized(&mut self, id: u64, task: &Task, failed: Option<&str>) {
        let Task::Resize { r, host, from, to } = task else { return };
        let size = if failed.is_some() { from } else { to };
        let change = match self.hard.replicas.get(r) {
            Some(it) if it.phase == (Phase::Running { host: *host }) => {
                let next = Replica { size: Arc::clone(size), ..it.clone() };
                vec![Change::Replica(*r, Box::new(next))]
            }
            // It left meanwhile; what it has is seen to when it runs again.
            _ => Vec::new(),
        };
        let end = if failed.is_some() { End::Failed } else { End::Done };
        self.soft.doubts.remove(r);
        self.end(id, end, change);
        let name = self.replica_id(*r);
        match failed {
            None => self.audit(
                "replica-resized",
                self.about_replica(*r),
                Vec::new(),
                format!("{name} is resized"),
            ),
            Some(why) => {
                self.rest(*r, self.soft.now.saturating_add(self.settings.patience.retry));
                let sentence = format!("resizing {name} failed, it keeps its size and is tried again: {why}");
                let facts = vec![("because", why.to_owned())];
                self.audit("resize-failed", self.about_replica(*r), facts, sentence);
            }
        }
        self.capacity_changed();
        self.touch(r.c);
    }

    /// Nobody knows which size a replica has: the same order under the same number is handed out again; where that
    /// does not help the larger size stays reserved, a person is called, and it is begun anew.
    pub(super) fn resize_unclear(&mut self, id: u64, r: Rid) {
        let doubt = self.soft.doubts.entry(r).or_default();
        doubt.rounds = doubt.rounds.saturating_add(1);
        if doubt.rounds <= self.settings.patience.probes {
            return self.hand_out(id);
        }
        self.soft.doubts.remove(&r);
        self.end(id, End::Escalated, Vec::new());
        self.rest(r, self.soft.now.saturating_add(self.settings.patience.retry));
        let name = self.replica_id(r);
        let sentence =
            format!("nobody says which size {name} has; the larger one stays reserved, it is tried again");
        let why = vec![("action", id.to_string())];
        self.notify("action-escalated", self.about_replica(r), why, sentence);
        self.touch(r.c);
    }
}
