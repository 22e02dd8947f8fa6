//! Operators' orders and answers to questions.

use super::Engine;
use super::soft::Timer;
use crate::action::{Action, ApprovalAsk, ApprovalId, ApprovalSubject, Ask, NoteSubject};
use crate::event::{DeathEvidence, Order, Scope};
use crate::state::{Approving, Change, Comp, Host, HostStatus, Phase, Reason, Replica, Rid, Stage, Task};
use crate::world::Lowered;
use ecosystem_core::{ActionId, Capability, ComponentId, HostId, MigrationMode, ReplicaId};
use std::collections::BTreeMap;

impl Engine {
    pub(super) fn order(&mut self, order: &Order, by: &str) {
        match order {
            Order::Freeze(scope) => self.freeze(scope, true, by),
            Order::Thaw(scope) => self.freeze(scope, false, by),
            Order::Drain(host) => self.drain(host, true, by),
            Order::Restore(host) => self.drain(host, false, by),
            Order::Approve(id) => self.approval(*id, true, by),
            Order::Reject(id) => self.approval(*id, false, by),
            Order::Abort(id) => self.abort(*id, by),
            Order::SetReplicas(component, count) => self.set_replicas(component, *count, by),
            Order::ConfirmDead(host) => match self.world.host(host) {
                Some(h) => self.bury(h, DeathEvidence::Operator, &format!("said {by}")),
                None => self.unknown("host", host.as_str()),
            },
            Order::Move(replica, host) => self.order_move(replica, host, by),
            Order::Retry(component) => self.retry(component, by),
            Order::PowerOff(host) => self.power_off(host, by),
            Order::ShiftTraffic(component, shares) => self.shift_traffic(component, shares, by),
            Order::Resize(component, size) => self.order_size(component, size, by),
            Order::RestoreSnapshot(replica, name) => self.restore_snapshot(replica, name, by),
        }
    }

    fn freeze(&mut self, scope: &Scope, on: bool, by: &str) {
        let verb = if on { "frozen" } else { "thawed" };
        let (change, subject, name) = match scope {
            Scope::All => (Change::FrozenAll(on), NoteSubject::Engine, "everything".to_owned()),
            Scope::Component(id) => {
                let Some(c) = self.world.component(id) else { return self.unknown("component", id.as_str()) };
                let comp = Comp { frozen: on, ..self.hard.comps[c as usize].clone() };
                (Change::Comp(c, Box::new(comp)), self.about_component(c), id.to_string())
            }
            Scope::Host(id) => {
                let Some(h) = self.world.host(id) else { return self.unknown("host", id.as_str()) };
                let host = Host { frozen: on, ..self.hard.hosts[h as usize] };
                (Change::Host(h, host), self.about_host(h), id.to_string())
            }
        };
        self.write(&[change]);
        let code = if on { "frozen" } else { "thawed" };
        self.audit(code, subject, vec![("by", by.to_owned())], format!("{name} is {verb} by order of {by}"));
        self.soft.refusals.clear();
        self.soft.dirty.extend(0..super::dense(self.hard.comps.len()));
        if !on {
            for h in self.soft.silent.clone() {
                self.soft.timers.ensure(Timer::Host(h), self.soft.now);
            }
        }
    }

    fn drain(&mut self, id: &HostId, on: bool, by: &str) {
        let Some(h) = self.world.host(id) else { return self.unknown("host", id.as_str()) };
        let before = self.hard.hosts[h as usize];
        let host = if on {
            Host { draining: true, ..before }
        } else {
            Host { draining: false, cordoned: false, degraded: false, ..before }
        };
        let dead = matches!(before.status, HostStatus::Dead { .. });
        self.write(&[Change::Host(h, host)]);
        self.soft.hosts[h as usize].suspicions.clear();
        let (code, what) =
            if on { ("host-drained", "is emptied") } else { ("host-restored", "takes work again") };
        let sentence = format!("{id} {what} by order of {by}");
        self.audit(code, self.about_host(h), vec![("by", by.to_owned())], sentence);
        if !on && dead && self.settings.capabilities.has(Capability::Power) {
            self.begin(&Task::Release { host: h }, Reason::Maintenance, |_| Vec::new());
        }
        if !on {
            self.capacity_changed();
        }
        self.touch_host(h);
    }

    /// A question was answered.
    pub(super) fn approval(&mut self, id: ApprovalId, granted: bool, by: &str) {
        let Some(about) = self.hard.approvals.get(&id.0).copied() else {
            self.counters.late += 1;
            return;
        };
        let answered = Change::Answered(id.0, granted);
        let word = if granted { "granted" } else { "refused" };
        let subject = self.subject_of(about);
        let sentence = format!("{by} {word} question {id}: {subject}");
        let why = vec![("by", by.to_owned()), ("granted", granted.to_string())];
        self.audit("approval-answered", NoteSubject::Engine, why, sentence);
        match about {
            Approving::Reconnect { c } => {
                if self.hard.comps[c as usize].isolation == Some(Stage::Waiting { approval: id.0 }) {
                    self.reconnect_answered(c, granted, vec![answered]);
                } else {
                    self.write(&[answered]);
                }
            }
            Approving::Reuse { c } => self.reuse_answered(c, granted, answered),
            Approving::Storm => {
                self.write(&[answered, Change::StormApproved(granted)]);
                for h in self.soft.silent.clone() {
                    let wait =
                        if granted { std::time::Duration::ZERO } else { self.settings.patience.unplaceable };
                    self.soft.timers.set(Timer::Host(h), self.soft.now.saturating_add(wait));
                }
            }
            Approving::Death { host } => {
                self.write(&[answered]);
                let silent = self.hard.hosts[host as usize].status == HostStatus::Suspect;
                if granted && silent {
                    self.bury(host, DeathEvidence::Operator, &format!("said {by}"));
                } else if silent {
                    let again = Host { fence_failures: 0, ..self.hard.hosts[host as usize] };
                    self.write(&[Change::Host(host, again)]);
                    let at = self.soft.now.saturating_add(self.settings.patience.unplaceable);
                    self.soft.timers.set(Timer::Host(host), at);
                }
            }
        }
    }

    fn subject_of(&self, about: Approving) -> ApprovalSubject {
        match about {
            Approving::Reconnect { c } => ApprovalSubject::Reconnect(self.world.component_id(c).clone()),
            Approving::Reuse { c } => ApprovalSubject::ReuseHosts(self.world.component_id(c).clone()),
            Approving::Storm => ApprovalSubject::FenceStorm,
            Approving::Death { host } => ApprovalSubject::ConfirmDead(self.world.host_id(host).clone()),
        }
    }

    pub(super) fn hand_out_approval(&mut self, id: u64, subject: ApprovalSubject, sentence: String) {
        self.act(Action::Ask(Ask::Approval(ApprovalAsk { id: ApprovalId(id), subject, sentence })));
    }

    /// After a restart: questions that are still open are asked again.
    pub(super) fn ask_open_approvals(&mut self) {
        for (id, about) in self.hard.approvals.clone() {
            let subject = self.subject_of(about);
            let sentence = format!("still open after a restart: {subject}?");
            self.hand_out_approval(id, subject, sentence);
        }
    }

    fn abort(&mut self, id: ActionId, by: &str) {
        let abortable = self.hard.actions.get(&id.0).is_some_and(|it| {
            matches!(
                it.task,
                Task::Start { .. }
                    | Task::Migrate { mode: MigrationMode::PreCopy, .. }
                    | Task::Snapshot { .. }
                    | Task::Restore { .. }
            )
        });
        if !abortable || !self.settings.capabilities.has(Capability::Abort) {
            let sentence = format!("{by} wants action {id} aborted, which is not possible");
            return self.audit(
                "abort-impossible",
                NoteSubject::Engine,
                vec![("by", by.to_owned())],
                sentence,
            );
        }
        self.begin(&Task::Abort { action: id.0 }, Reason::Maintenance, |_| Vec::new());
        let sentence = format!("action {id} is aborted by order of {by}, unless it passed its pivot");
        self.audit("aborting", NoteSubject::Engine, vec![("by", by.to_owned())], sentence);
    }

    fn set_replicas(&mut self, id: &ComponentId, count: u32, by: &str) {
        let Some(c) = self.world.component(id) else { return self.unknown("component", id.as_str()) };
        let comp = self.hard.comps[c as usize].clone();
        let before = comp.desired;
        if !self.world.comps[c as usize].placed || before == count {
            return;
        }
        let extra = comp.size.scaled(u64::from(count.saturating_sub(before)), 1);
        if let Err(refusal) = self.keeps_reserve(&extra) {
            let sentence = format!("{by} wants {count} replicas of {id}: {}", refusal.sentence);
            let why = vec![("by", by.to_owned())];
            return self.audit(refusal.code, self.about_component(c), why, sentence);
        }
        self.soft.kept_small.remove(&c);
        self.write(&[Change::Comp(c, Box::new(Comp { desired: count, ..comp }))]);
        self.soft.loads[c as usize].changed = Some(self.soft.now);
        self.touch(c);
        let sentence = format!("{id} goes from {before} to {count} replicas by order of {by}");
        let why = vec![("by", by.to_owned()), ("replicas", count.to_string())];
        self.audit("replicas-ordered", self.about_component(c), why, sentence);
    }

    fn order_move(&mut self, id: &ReplicaId, host: &HostId, by: &str) {
        let Some(c) = self.world.component(id.component()) else {
            return self.unknown("component", id.component().as_str());
        };
        let Some(h) = self.world.host(host) else { return self.unknown("host", host.as_str()) };
        let r = Rid { c, n: id.index() };
        let Some(&Replica { phase: Phase::Running { host: from }, .. }) = self.hard.replicas.get(&r) else {
            let sentence = format!("{by} wants {id} on {host}, but it is not running");
            return self.audit("move-impossible", self.about_replica(r), Vec::new(), sentence);
        };
        if from == h {
            return;
        }
        let frozen = self.is_frozen(c) || self.is_host_frozen(from);
        let refusal = if frozen {
            Some(format!("{id} is frozen"))
        } else if self.can_move() {
            let group = self.travels_with(r, h);
            if group.len() > 1 {
                let why = format!("{by} wants {id} on {host}, and what must be together travels together");
                return self.set_goals(&group, Reason::Rebalance, &why);
            }
            match self.may_move(r, from, h, Reason::Rebalance) {
                Ok(mode) => return self.migrate(r, from, h, Reason::Rebalance, mode),
                Err(refusal) => Some(refusal.sentence),
            }
        } else {
            Some("the executor cannot move running replicas".to_owned())
        };
        match refusal {
            None => {}
            Some(why) => {
                let sentence = format!("{by} wants {id} on {host}: {why}");
                self.audit("move-impossible", self.about_replica(r), vec![("by", by.to_owned())], sentence);
            }
        }
    }

    /// The replica and everything that must be in one place with it and is not there yet.
    fn travels_with(&self, r: Rid, h: u32) -> BTreeMap<Rid, u32> {
        let mut group: BTreeMap<Rid, u32> = BTreeMap::from([(r, h)]);
        let mut open = vec![r];
        while let Some(next) = open.pop() {
            for &position in &self.world.comps[next.c as usize].rules {
                let Lowered::Together { members, group: domain } = &self.world.rules[position as usize].kind
                else {
                    continue;
                };
                let apart = |host: u32| domain[host as usize] != domain[h as usize];
                for (other, it) in members.iter().flat_map(|&c| self.hard.of(c)) {
                    if matches!(it.phase, Phase::Running { host } if apart(host))
                        && !group.contains_key(&other)
                    {
                        group.insert(other, h);
                        open.push(other);
                    }
                }
            }
        }
        group
    }

    fn retry(&mut self, id: &ComponentId, by: &str) {
        let Some(c) = self.world.component(id) else { return self.unknown("component", id.as_str()) };
        let failed: Vec<Change> = self
            .hard
            .of(c)
            .filter(|(_, it)| it.relocations > 0 || it.restarts > 0)
            .map(|(r, it)| {
                Change::Replica(r, Box::new(Replica { relocations: 0, restarts: 0, ..it.clone() }))
            })
            .collect();
        if !failed.is_empty() {
            self.write(&failed);
        }
        let replicas: Vec<Rid> = self.hard.of(c).map(|(r, _)| r).collect();
        for r in replicas {
            self.soft.backoff.remove(&r);
            self.soft.waiting.remove(&r);
        }
        self.soft.timers.clear(Timer::Component(c));
        // Whoever orders that vouches for it: escalated migrations of the component are over.
        let doubted: Vec<u64> = self
            .hard
            .of(c)
            .filter_map(|(_, it)| it.phase.action())
            .filter(|&action| self.is_escalated(action))
            .collect();
        for action in doubted {
            self.is_over(action);
        }
        self.ask_again(c);
        self.touch(c);
        let sentence = format!("{id} is tried again by order of {by}");
        self.audit("retry-ordered", self.about_component(c), vec![("by", by.to_owned())], sentence);
    }

    /// Something unknown was named: told, and nothing else.
    pub(super) fn unknown(&mut self, what: &'static str, name: &str) {
        self.counters.rejected += 1;
        let sentence = format!("an event names {what} `{name}`, which is not known here; it is left out");
        self.audit("event-rejected", NoteSubject::Engine, vec![("name", name.to_owned())], sentence);
    }
}
