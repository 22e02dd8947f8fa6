//! The isolation ladder: cut, rotate credentials, snapshot, rebuild clean, verify, ask, reconnect.

use super::Engine;
use super::soft::Timer;
use crate::action::ApprovalSubject;
use crate::state::{Approving, Change, Comp, End, Phase, Reason, Replica, Rid, Stage, Task};
use ecosystem_core::Capability;
use std::sync::Arc;

impl Engine {
    /// A component is compromised: everything it runs is tainted, its traffic is cut.
    pub(super) fn compromised(&mut self, c: u32, why: &str) {
        let name = self.world.component_id(c).clone();
        let comp = self.hard.comps[c as usize].clone();
        let stage = match comp.isolation {
            None | Some(Stage::Cutting | Stage::Reconnecting) => Stage::Cutting,
            Some(Stage::Rotating) => Stage::Rotating,
            Some(_) => Stage::Preserving { failures: 0 },
        };
        let again = comp.isolation.is_some();
        let mut changes = Vec::new();
        for (r, replica) in self.hard.of(c).filter(|(_, it)| !it.tainted) {
            changes.push(Change::Replica(r, Box::new(Replica { tainted: true, ..replica.clone() })));
        }
        if let Some(Stage::Waiting { approval }) = comp.isolation {
            changes.push(Change::Answered(approval, false));
        }
        // A reconnection under way is overtaken by a new cut under a higher number.
        let mut next = Comp { isolation: Some(stage), rollout: None, queued: None, ..comp };
        if self.settings.isolation.avoid_hosts {
            next.shunned.extend(self.hard.of(c).flat_map(|(_, it)| it.phase.holds()));
        }
        changes.push(Change::Comp(c, Box::new(next)));
        self.write(&changes);
        self.soft.timers.clear(Timer::Rollout(c));
        self.soft.verified.remove(&c);
        let callers = self.neighbours(&self.world.comps[c as usize].dependants);
        let called = self.neighbours(&self.world.comps[c as usize].calls);
        let sentence = format!("{name} is compromised ({why}); it is isolated and rebuilt");
        let facts = vec![
            ("because", why.to_owned()),
            ("callers", callers.clone()),
            ("may-have-spread-to", called.clone()),
        ];
        let code = if again { "compromised-again" } else { "compromised" };
        self.notify(code, self.about_component(c), facts, sentence);
        if !callers.is_empty() || !called.is_empty() {
            let sentence = match (callers.as_str(), called.as_str()) {
                (callers, "") => format!("without {name} its callers are degraded: {callers}"),
                ("", called) => {
                    format!("nobody calls {name}; it could have reached {called}, so look there, too")
                }
                (callers, called) => format!(
                    "without {name} its callers are degraded: {callers}; it could have reached {called}, so look \
                     there, too"
                ),
            };
            self.audit("isolation-impact", self.about_component(c), Vec::new(), sentence);
        }
        self.touch(c);
    }

    fn neighbours(&self, list: &[u32]) -> String {
        list.iter().map(|&d| self.world.component_id(d).as_str()).collect::<Vec<_>>().join(", ")
    }

    fn has_action(&self, wanted: impl Fn(&Task) -> bool) -> bool {
        self.hard.actions.values().any(|action| wanted(&action.task))
    }

    fn set_stage(&mut self, c: u32, stage: Option<Stage>, more: Vec<Change>) {
        let comp = self.hard.comps[c as usize].clone();
        let mut changes = more;
        changes.push(Change::Comp(c, Box::new(Comp { isolation: stage, ..comp })));
        self.write(&changes);
        self.touch(c);
    }

    /// Takes the next step of the ladder.
    pub(super) fn settle_isolation(&mut self, c: u32) {
        let Some(stage) = self.hard.comps[c as usize].isolation else { return };
        if self.soft.timers.is_set(Timer::Component(c)) {
            return;
        }
        let can = |capability| self.settings.capabilities.has(capability);
        match stage {
            Stage::Cutting if !self.has_action(|t| matches!(t, Task::Cut { c: it } if *it == c)) => {
                if can(Capability::NetworkPolicy) {
                    self.begin(&Task::Cut { c }, Reason::Security, |_| Vec::new());
                    let sentence = format!("traffic of {} is cut", self.world.component_id(c));
                    self.audit("network-cutting", self.about_component(c), Vec::new(), sentence);
                } else {
                    let sentence = format!(
                        "{} cannot be cut off: the executor has no network policies; it is stopped and not rebuilt",
                        self.world.component_id(c)
                    );
                    self.notify("cannot-cut", self.about_component(c), Vec::new(), sentence);
                    self.stop_tainted(c);
                    let again = self.soft.now.saturating_add(self.settings.patience.unplaceable);
                    self.soft.timers.set(Timer::Component(c), again);
                }
            }
            Stage::Rotating if !self.has_action(|t| matches!(t, Task::Rotate { c: it } if *it == c)) => {
                if can(Capability::Credentials) {
                    self.begin(&Task::Rotate { c }, Reason::Security, |_| Vec::new());
                } else {
                    self.set_stage(c, Some(Stage::Preserving { failures: 0 }), Vec::new());
                }
            }
            Stage::Preserving { .. } => self.preserve(c),
            Stage::Rebuilding => self.rebuild(c),
            Stage::Verifying => self.verify(c),
            Stage::Reconnecting
                if !self.has_action(|t| matches!(t, Task::Reconnect { c: it } if *it == c)) =>
            {
                self.begin(&Task::Reconnect { c }, Reason::Security, |_| Vec::new());
            }
            _ => {}
        }
    }

    pub(super) fn isolation_step_done(&mut self, id: u64, task: &Task, c: u32) {
        let stage = self.hard.comps[c as usize].isolation;
        let name = self.world.component_id(c).clone();
        let (next, code, sentence) = match (task, stage) {
            (Task::Cut { .. }, Some(Stage::Cutting)) => {
                (Some(Stage::Rotating), "network-cut", format!("{name} has no traffic any more"))
            }
            (Task::Rotate { .. }, Some(Stage::Rotating)) => (
                Some(Stage::Preserving { failures: 0 }),
                "credentials-rotated",
                format!("credentials that {name} held are replaced"),
            ),
            (Task::Reconnect { .. }, Some(Stage::Reconnecting)) => {
                (None, "reconnected", format!("{name} has its traffic back"))
            }
            _ => return self.end(id, End::Done, Vec::new()),
        };
        let mut comp = self.hard.comps[c as usize].clone();
        if next.is_none() {
            comp.shunned.clear();
        }
        self.end(id, End::Done, vec![Change::Comp(c, Box::new(Comp { isolation: next, ..comp }))]);
        self.audit(code, self.about_component(c), Vec::new(), sentence);
        self.touch(c);
    }

    pub(super) fn isolation_step_failed(&mut self, id: u64, task: &Task, c: u32, why: &str) {
        let name = self.world.component_id(c).clone();
        let what = match task {
            Task::Cut { .. } => "cutting the traffic",
            Task::Rotate { .. } => "rotating the credentials",
            _ => "reconnecting",
        };
        self.end(id, End::Failed, Vec::new());
        let sentence = format!("{what} of {name} failed and is tried again: {why}");
        self.notify(
            "isolation-step-failed",
            self.about_component(c),
            vec![("because", why.to_owned())],
            sentence,
        );
        let again = self.soft.now.saturating_add(self.settings.patience.retry);
        self.soft.timers.set(Timer::Component(c), again);
    }

    /// A snapshot of every compromised replica that still runs.
    fn preserve(&mut self, c: u32) {
        if !self.settings.capabilities.has(Capability::Snapshot) {
            return self.set_stage(c, Some(Stage::Rebuilding), Vec::new());
        }
        let tainted: Vec<(Rid, Phase, bool)> =
            self.hard.of(c).filter(|(_, it)| it.tainted).map(|(r, it)| (r, it.phase, it.preserved)).collect();
        let mut open = false;
        for (r, phase, preserved) in tainted {
            match phase {
                Phase::Running { host } if !preserved => {
                    open = true;
                    let busy = self.has_action(|t| matches!(t, Task::Snapshot { r: it, .. } if *it == r));
                    if !busy && !self.is_host_frozen(host) {
                        let name: Arc<str> =
                            Arc::from(format!("forensics-{}-{}", self.world.component_id(c), r.n));
                        self.begin(&Task::Snapshot { r, host, name }, Reason::Security, |_| Vec::new());
                    }
                }
                // What is on its way somewhere is preserved once it arrived.
                Phase::Starting { .. } | Phase::Migrating { .. } | Phase::Doubt { .. } => open = true,
                _ => {}
            }
        }
        if !open {
            self.set_stage(c, Some(Stage::Rebuilding), Vec::new());
        }
    }

    pub(super) fn snapshot_ended(&mut self, id: u64, r: Rid, taken: bool) {
        let comp = self.hard.comps[r.c as usize].clone();
        let mut changes = Vec::new();
        let mut preserved = taken;
        if !taken && let Some(Stage::Preserving { failures }) = comp.isolation {
            let failures = failures.saturating_add(1);
            // Containment matters more than evidence.
            preserved = failures >= self.settings.isolation.snapshot_attempts;
            let stage = Some(Stage::Preserving { failures: if preserved { 0 } else { failures } });
            changes.push(Change::Comp(r.c, Box::new(Comp { isolation: stage, ..comp })));
        }
        if let Some(replica) = self.hard.replicas.get(&r).filter(|_| preserved) {
            let next = Replica { preserved: true, ..replica.clone() };
            changes.push(Change::Replica(r, Box::new(next)));
        }
        self.end(id, if taken { End::Done } else { End::Failed }, changes);
        let name = self.replica_id(r);
        let (code, sentence) = match (taken, preserved) {
            (true, _) => ("snapshot-taken", format!("memory and disk of {name} are kept for forensics")),
            (false, true) => {
                ("snapshot-given-up", format!("no snapshot of {name} could be taken; containment goes on"))
            }
            (false, false) => ("snapshot-failed", format!("a snapshot of {name} failed and is tried again")),
        };
        self.audit(code, self.about_replica(r), Vec::new(), sentence);
        if !taken && !preserved {
            let again = self.soft.now.saturating_add(self.settings.patience.retry);
            self.soft.timers.set(Timer::Component(r.c), again);
        }
        self.touch(r.c);
    }

    /// Compromised replicas stop for good; clean ones are created by the count of the component.
    fn rebuild(&mut self, c: u32) {
        self.stop_tainted(c);
        let comp = &self.hard.comps[c as usize];
        let tainted = self.hard.of(c).any(|(_, it)| it.tainted);
        if !tainted && self.available(c) >= comp.desired {
            self.set_stage(c, Some(Stage::Verifying), Vec::new());
            let sentence = format!("clean replicas of {} run; they are verified", self.world.component_id(c));
            self.audit("rebuilt", self.about_component(c), Vec::new(), sentence);
        }
    }

    fn stop_tainted(&mut self, c: u32) {
        let tainted: Vec<(Rid, Phase)> =
            self.hard.of(c).filter(|(_, it)| it.tainted).map(|(r, it)| (r, it.phase)).collect();
        for (r, phase) in tainted {
            let resting = self.soft.backoff.get(&r).is_some_and(|&until| until > self.soft.now);
            if let Phase::Running { host } = phase
                && !self.is_host_frozen(host)
                && !resting
            {
                self.stop(r, host, Reason::Security);
            }
        }
    }

    fn verify(&mut self, c: u32) {
        if self.settings.isolation.external_verification && !self.soft.verified.contains(&c) {
            return;
        }
        self.soft.verified.remove(&c);
        if !self.approval_on() {
            return self.set_stage(c, Some(Stage::Reconnecting), Vec::new());
        }
        let name = self.world.component_id(c).clone();
        let sentence = format!("{name} was rebuilt clean and verified; may it have its traffic back?");
        // One record, so that a crash never leaves a question without its stage.
        let approval = self.hard.next_approval;
        let asked = Change::Asked(approval, Approving::Reconnect { c });
        self.set_stage(c, Some(Stage::Waiting { approval }), vec![asked]);
        self.hand_out_approval(approval, ApprovalSubject::Reconnect(name), sentence);
    }

    /// The verdict from outside.
    pub(super) fn verdict(&mut self, c: u32, clean: bool, why: &str) {
        if !clean {
            return self.compromised(c, why);
        }
        if matches!(self.hard.comps[c as usize].isolation, Some(Stage::Rebuilding | Stage::Verifying)) {
            self.soft.verified.insert(c);
            self.touch(c);
        }
    }

    /// An approval to reconnect was answered.
    pub(super) fn reconnect_answered(&mut self, c: u32, granted: bool, more: Vec<Change>) {
        let stage = if granted { Stage::Reconnecting } else { Stage::Held };
        self.set_stage(c, Some(stage), more);
        if !granted {
            let sentence = format!(
                "{} stays isolated: reconnecting was refused; order a retry to ask again",
                self.world.component_id(c)
            );
            self.notify("reconnect-refused", self.about_component(c), Vec::new(), sentence);
        }
    }

    /// A clean replica finds no host. If one would do but for the compromised replicas that ran there, a person is
    /// asked: an escape to the host cannot be ruled out, but neither can the component stay down unasked.
    pub(super) fn consider_reuse(&mut self, r: Rid) {
        let c = r.c;
        let shunned = self.hard.comps[c as usize].shunned.clone();
        let asked = self.hard.approvals.values().any(|about| *about == Approving::Reuse { c });
        if asked || self.soft.reuse_refused.contains(&c) {
            return;
        }
        let would_do: Vec<&str> = shunned
            .into_iter()
            .filter(|&h| self.admit_but_shunned(r, h).is_ok())
            .map(|h| self.world.host_id(h).as_str())
            .collect();
        if would_do.is_empty() {
            return;
        }
        let name = self.world.component_id(c).clone();
        let sentence = format!(
            "clean replicas of {name} have room only where compromised ones ran ({}); may they start there?",
            would_do.join(", ")
        );
        self.ask_approval(Approving::Reuse { c }, ApprovalSubject::ReuseHosts(name), sentence);
    }

    /// The answer to that.
    pub(super) fn reuse_answered(&mut self, c: u32, granted: bool, answered: Change) {
        let mut comp = self.hard.comps[c as usize].clone();
        if granted {
            comp.shunned.clear();
            self.write(&[answered, Change::Comp(c, Box::new(comp))]);
            self.capacity_changed();
        } else {
            self.soft.reuse_refused.insert(c);
            self.write(&[answered]);
            let sentence = format!(
                "clean replicas of {} wait for other hosts; order a retry to ask again",
                self.world.component_id(c)
            );
            self.notify("reuse-refused", self.about_component(c), Vec::new(), sentence);
        }
        self.touch(c);
    }

    /// Asks again after a refusal.
    pub(super) fn ask_again(&mut self, c: u32) {
        self.soft.reuse_refused.remove(&c);
        if self.hard.comps[c as usize].isolation == Some(Stage::Held) {
            self.set_stage(c, Some(Stage::Verifying), Vec::new());
            self.soft.verified.insert(c);
        }
    }
}
