//! How actions end: outcomes, deadlines, doubt and probes.

use super::Engine;
use super::soft::Timer;
use crate::event::DeathEvidence;
use crate::state::{Change, End, HostStatus, InFlight, Phase, Reason, Replica, Rid, Task};
use ecosystem_core::{ActionOutcome, Capability, ReplicaState};

impl Engine {
    /// The executor says how an action ended. Unknown numbers are late or doubled answers and change nothing.
    pub(super) fn finished(&mut self, id: u64, outcome: &ActionOutcome) {
        let Some(InFlight { task, reason }) = self.hard.actions.get(&id).cloned() else {
            self.counters.late += 1;
            if !self.idempotence_on() {
                self.apply_again(outcome);
            }
            return;
        };
        match outcome {
            ActionOutcome::Done { .. } => self.action_done(id, &task, reason),
            ActionOutcome::Seen { state, .. } => self.probe_answered(id, &task, *state),
            ActionOutcome::Uncertain { reason } => self.action_unclear(id, reason, false),
            ActionOutcome::Failed { reason: why } => self.action_failed(id, &task, why),
            // A new way to end that this engine does not know: find out.
            _ => self.action_unclear(id, "unknown kind of outcome", true),
        }
    }

    /// What an engine without exactly-once effect would do: take a doubled answer for a new one. Only for tests
    /// that show that the guard is needed.
    fn apply_again(&mut self, outcome: &ActionOutcome) {
        if matches!(outcome, ActionOutcome::Done { .. }) {
            let running = self
                .hard
                .replicas
                .iter()
                .find(|(_, it)| matches!(it.phase, Phase::Running { .. }))
                .map(|(r, _)| *r);
            if let Some(r) = running {
                self.set_phase(r, Phase::Pending);
            }
        }
    }

    fn action_done(&mut self, id: u64, task: &Task, reason: Reason) {
        match *task {
            Task::Start { r, host } => self.runs(id, r, host),
            Task::Migrate { r, from, to, .. } => {
                self.runs(id, r, to);
                let sentence = format!(
                    "{} moved from {} to {} ({})",
                    self.replica_id(r),
                    self.world.host_id(from),
                    self.world.host_id(to),
                    reason.word()
                );
                self.audit("replica-moved", self.about_replica(r), Vec::new(), sentence);
                self.capacity_changed();
            }
            Task::Stop { r, host } => self.stopped(id, r, host),
            Task::StopStray { r, host } => {
                self.soft.strays.remove(&(r, host));
                self.end(id, End::Done, Vec::new());
                self.touch(r.c);
            }
            Task::Snapshot { r, .. } => self.snapshot_ended(id, r, true),
            // A probe without an answer is no answer.
            Task::Probe { r, host, .. } => self.probe_failed(id, r, host),
            Task::Fence { host } => {
                self.bury(host, DeathEvidence::Fenced, "the fence was confirmed");
            }
            Task::Cut { c } | Task::Rotate { c } | Task::Reconnect { c } => {
                self.isolation_step_done(id, task, c);
            }
            Task::PowerDown { host } => self.powered_down(id, host),
            Task::Resize { .. } => self.resized(id, task, None),
            Task::Release { .. } | Task::Cordon { .. } | Task::Shift { .. } | Task::Restore { .. } => {
                self.end(id, End::Done, Vec::new());
            }
            Task::Abort { action } => {
                self.end(id, End::Done, Vec::new());
                self.is_over(action);
            }
        }
    }

    pub(super) fn action_failed(&mut self, id: u64, task: &Task, why: &str) {
        match *task {
            Task::Start { r, host } => self.start_failed(id, r, host, why),
            Task::Stop { r, host } => {
                let again = self.soft.now.saturating_add(self.settings.patience.retry);
                self.end_with_phase(id, End::Failed, r, Phase::Unwinding { host });
                self.rest(r, again);
                let sentence = format!("stopping {} failed: {why}", self.replica_id(r));
                self.audit("stop-failed", self.about_replica(r), Vec::new(), sentence);
            }
            Task::Migrate { r, from, .. } => {
                let again = self.soft.now.saturating_add(self.settings.patience.retry);
                self.land(id, End::Failed, r, from);
                self.rest(r, again);
                let sentence = format!("moving {} failed, it stays where it is: {why}", self.replica_id(r));
                self.audit("move-failed", self.about_replica(r), Vec::new(), sentence);
                self.plan_step_failed(r, why);
            }
            Task::Resize { .. } => self.resized(id, task, Some(why)),
            Task::StopStray { r, host } => {
                self.soft.strays.remove(&(r, host));
                self.end(id, End::Failed, Vec::new());
            }
            Task::Snapshot { r, .. } => self.snapshot_ended(id, r, false),
            Task::Probe { r, host, .. } => self.probe_failed(id, r, host),
            Task::Fence { host } => self.fence_failed(id, host, why),
            Task::Cut { c } | Task::Rotate { c } | Task::Reconnect { c } => {
                self.isolation_step_failed(id, task, c, why);
            }
            Task::PowerDown { .. } | Task::Shift { .. } | Task::Restore { .. } => {
                self.end(id, End::Failed, Vec::new());
                let sentence = format!("action {id}, ordered by an operator, failed: {why}");
                let about = vec![("because", why.to_owned())];
                self.notify("order-failed", crate::action::NoteSubject::Engine, about, sentence);
            }
            Task::Release { .. } | Task::Cordon { .. } => self.end(id, End::Failed, Vec::new()),
            Task::Abort { action } => {
                // It ended before, passed its pivot, or was never taken: over, whichever it was.
                self.end(id, End::Failed, Vec::new());
                self.is_over(action);
            }
        }
    }

    /// The deadline passed.
    pub(super) fn action_overdue(&mut self, id: u64) {
        if self.soft.trusted {
            self.action_unclear(id, "no answer in time", true);
        }
    }

    /// It is not known how an action ended. What can simply be done again counts as failed; what moves, starts or
    /// stops a replica is looked into. `open`: the executor did not say that it is over.
    pub(super) fn action_unclear(&mut self, id: u64, why: &str, open: bool) {
        let Some(InFlight { task, .. }) = self.hard.actions.get(&id).cloned() else { return };
        let (r, a, b) = match task {
            Task::Start { r, host } | Task::Stop { r, host } => (r, host, None),
            Task::Migrate { r, from, to, .. } => (r, from, Some(to)),
            Task::Resize { r, .. } => return self.resize_unclear(id, r),
            // No answer says nothing about what was to be given up.
            Task::Abort { .. } => return self.end(id, End::Failed, Vec::new()),
            _ => return self.action_failed(id, &task, why),
        };
        self.soft.timers.clear(Timer::Action(id));
        if matches!(self.hard.replicas.get(&r).map(|it| it.phase), Some(Phase::Doubt { .. })) {
            let rounds = self.soft.doubts.get(&r).map_or(0, |doubt| doubt.rounds);
            self.doubt_anew(r, open, rounds);
            return self.probe_doubt(r);
        }
        self.doubt_anew(r, open, 0);
        self.set_phase(r, Phase::Doubt { a, b, action: id });
        let sentence = format!(
            "nobody knows how action {id} on {} ended ({why}); its hosts are asked",
            self.replica_id(r)
        );
        self.audit("action-unclear", self.about_replica(r), vec![("action", id.to_string())], sentence);
        self.probe_doubt(r);
    }

    /// Asks the hosts that may run a replica. The source of a migration is asked first, the target once the source is
    /// known not to run it: answers of the other order, or of both at once, could be from before and after the
    /// switch-over, and both say "not here". Nobody is asked while an order that was handed out again is under way.
    pub(super) fn probe_doubt(&mut self, r: Rid) {
        let Some(Phase::Doubt { a, b, action }) = self.hard.replicas.get(&r).map(|it| it.phase) else {
            return;
        };
        if (self.is_frozen(r.c) && self.is_escalated(action))
            || self.soft.timers.is_set(Timer::Action(action))
        {
            return;
        }
        let answered =
            |host: &u32| self.soft.doubts.get(&r).is_some_and(|doubt| doubt.answers.contains_key(host));
        let next = [Some(a), b].into_iter().flatten().find(|host| !answered(host));
        if let Some(host) = next
            && !self.soft.probing.contains_key(&(r, host))
        {
            self.begin(&Task::Probe { r, host, about: action }, Reason::Recovery, |_| Vec::new());
        }
    }

    /// A new round of questions: what was answered or asked before is old news.
    pub(super) fn doubt_anew(&mut self, r: Rid, open: bool, rounds: u32) {
        self.soft.probing.retain(|&(it, _), _| it != r);
        self.soft.doubts.insert(r, super::soft::DoubtSoft { rounds, open, ..Default::default() });
    }

    fn probe_answered(&mut self, id: u64, task: &Task, state: ReplicaState) {
        let &Task::Probe { r, host, .. } = task else {
            return self.action_unclear(id, "an answer to a question that was not asked", true);
        };
        let asked = self.soft.probing.get(&(r, host)) == Some(&id);
        self.end(id, End::Done, Vec::new());
        if asked {
            self.soft.probing.remove(&(r, host));
            self.soft.doubts.entry(r).or_default().answers.insert(host, state);
            self.resolve_doubt(r);
        }
    }

    fn probe_failed(&mut self, id: u64, r: Rid, host: u32) {
        let asked = self.soft.probing.get(&(r, host)) == Some(&id);
        self.end(id, End::Failed, Vec::new());
        if !asked {
            return;
        }
        self.soft.probing.remove(&(r, host));
        let Some(Phase::Doubt { action, .. }) = self.hard.replicas.get(&r).map(|it| it.phase) else {
            return;
        };
        let doubt = self.soft.doubts.entry(r).or_default();
        doubt.rounds = doubt.rounds.saturating_add(1);
        if doubt.rounds < self.settings.patience.probes {
            return self.probe_doubt(r);
        }
        if !self.is_escalated(action) {
            return self.escalate(r, action);
        }
        let again = self.soft.now.saturating_add(self.settings.patience.retry);
        self.soft.timers.set(Timer::Replica(r), again);
        self.doubt_anew(r, false, 0);
    }

    /// Enough answers decide where a replica runs.
    fn resolve_doubt(&mut self, r: Rid) {
        let Some(Phase::Doubt { a, b, action }) = self.hard.replicas.get(&r).map(|it| it.phase) else {
            self.soft.doubts.remove(&r);
            return;
        };
        let Some(doubt) = self.soft.doubts.get(&r) else { return };
        let serving = |state: &ReplicaState| matches!(state, ReplicaState::Running | ReplicaState::Unhealthy);
        let runs_on = doubt.answers.iter().find(|(_, state)| serving(state)).map(|(h, _)| *h);
        let booting = doubt.answers.values().any(|state| *state == ReplicaState::Starting);
        let all = [Some(a), b].into_iter().flatten().all(|h| doubt.answers.contains_key(&h));
        let task = self.hard.actions.get(&action).map(|it| it.task.clone());
        if let Some(host) = runs_on {
            let open = doubt.open;
            if action > 0 && task.is_none() && b.is_some() && host == a {
                return self.wait_until_over(r, action);
            }
            if open && matches!(task, Some(Task::Migrate { to, .. }) if to != host) {
                return self.submit_again(r, action);
            }
            self.soft.doubts.remove(&r);
            match task {
                Some(Task::Stop { .. }) => {
                    self.end_with_phase(action, End::Failed, r, Phase::Unwinding { host });
                }
                Some(Task::Migrate { to, .. }) if to != host => {
                    let again = self.soft.now.saturating_add(self.settings.patience.retry);
                    self.land(action, End::Failed, r, host);
                    self.rest(r, again);
                    self.plan_step_failed(r, "it runs where it was");
                }
                Some(_) => self.runs(action, r, host),
                None => self.set_phase(r, Phase::Running { host }),
            }
            return;
        }
        if !all {
            return self.probe_doubt(r);
        }
        if booting {
            let again = self.soft.now.saturating_add(self.settings.patience.retry);
            let (rounds, open) = (doubt.rounds.saturating_add(1), doubt.open);
            self.doubt_anew(r, open, rounds);
            if rounds < self.settings.patience.probes {
                self.soft.timers.set(Timer::Replica(r), again);
                return;
            }
        }
        self.soft.doubts.remove(&r);
        // The source of a migration was seen without it; the target may be just before resuming it.
        let last = b.unwrap_or(a);
        match task {
            // Not running now is what was wanted.
            Some(Task::Stop { host, .. }) if !booting => self.stopped(action, r, host),
            // It may still begin late: stop it for certain before anything else.
            Some(_) => self.end_with_phase(action, End::Compensated, r, Phase::Unwinding { host: last }),
            None => self.set_phase(r, Phase::Unwinding { host: last }),
        }
    }

    /// A migration that nobody said is over, of a replica that still runs at its source: it may switch over at any
    /// moment, so nothing is decided on that. The same order under the same number makes the executor say how it
    /// stands: one that ended repeats its answer, one that never began begins now.
    fn submit_again(&mut self, r: Rid, action: u64) {
        let rounds = self.soft.doubts.get(&r).map_or(0, |doubt| doubt.rounds).saturating_add(1);
        self.doubt_anew(r, true, rounds);
        if rounds > self.settings.patience.probes {
            return self.escalate(r, action);
        }
        self.hand_out(action);
    }

    /// True if nobody works on the action of a doubt any more: 0, or escalated and not known to be over.
    pub(super) fn is_escalated(&self, action: u64) -> bool {
        action == 0 || !self.hard.actions.contains_key(&action)
    }

    /// Nobody can tell how an action ended: an operator is called, its reservation stays, and it is looked into again.
    /// A migration may switch over even now, so what its source says is believed only once the executor answered that
    /// it gave it up, or could not any more; the number stays with the doubt until then.
    fn escalate(&mut self, r: Rid, action: u64) {
        let Some(Phase::Doubt { a, b, .. }) = self.hard.replicas.get(&r).map(|it| it.phase) else { return };
        let moves = matches!(self.hard.actions.get(&action).map(|it| &it.task), Some(Task::Migrate { .. }));
        let stays = moves && b.is_some() && self.settings.capabilities.has(Capability::Abort);
        let kept = if stays { action } else { 0 };
        self.end_with_phase(action, End::Escalated, r, Phase::Doubt { a, b, action: kept });
        self.doubt_anew(r, false, 0);
        let name = self.replica_id(r);
        let sentence = format!("{name} does not answer; action {action} is escalated, its reservation stays");
        let why = vec![("action", action.to_string())];
        self.notify("action-escalated", self.about_replica(r), why, sentence);
        self.wait_until_over(r, kept);
    }

    /// Looks again after a while; an escalated migration is given up meanwhile.
    fn wait_until_over(&mut self, r: Rid, action: u64) {
        let aborts = |it: &InFlight| matches!(it.task, Task::Abort { action: of } if of == action);
        if action > 0 && !self.hard.actions.values().any(aborts) {
            self.begin(&Task::Abort { action }, Reason::Recovery, |_| Vec::new());
        }
        self.doubt_anew(r, false, 0);
        let again = self.soft.now.saturating_add(self.settings.patience.retry);
        self.soft.timers.set(Timer::Replica(r), again);
    }

    /// An escalated action is over, however it ended: from now on probes are believed.
    pub(super) fn is_over(&mut self, action: u64) {
        let doubted = self.hard.replicas.iter().find_map(|(r, it)| match it.phase {
            Phase::Doubt { a, b, action: of } if of == action && self.is_escalated(of) => Some((*r, a, b)),
            _ => None,
        });
        if let Some((r, a, b)) = doubted.filter(|_| action > 0) {
            self.set_phase(r, Phase::Doubt { a, b, action: 0 });
            self.doubt_anew(r, false, 0);
            self.soft.timers.clear(Timer::Replica(r));
            self.probe_doubt(r);
        }
    }

    /// A replica serves on a host.
    fn runs(&mut self, id: u64, r: Rid, host: u32) {
        let Some(replica) = self.hard.replicas.get(&r) else {
            self.end(id, End::Failed, Vec::new());
            return;
        };
        if self.is_dead(host) {
            return self.land(id, End::Done, r, host);
        }
        let started = !matches!(replica.phase, Phase::Migrating { .. });
        let next = Replica {
            phase: Phase::Running { host },
            restarts: 0,
            relocations: 0,
            avoid: std::collections::BTreeSet::new(),
            ..replica.clone()
        };
        let version = next.version.clone();
        self.end(id, End::Done, vec![Change::Replica(r, Box::new(next))]);
        self.soft.unhealthy.remove(&r);
        self.soft.grown.remove(&r);
        self.soft.waiting.remove(&r);
        self.soft.refusals.remove(&(r.c, r.n));
        self.touch(r.c);
        for d in self.world.comps[r.c as usize].dependants.clone() {
            self.touch(d);
        }
        if started {
            let sentence = format!(
                "{}{} serves on {}",
                self.replica_id(r),
                super::issue::in_version(&version),
                self.world.host_id(host)
            );
            self.audit("replica-started", self.about_replica(r), Vec::new(), sentence);
        }
    }

    /// A replica ended up on a host. If that host died meanwhile it runs nowhere; where else it had a reservation it
    /// is stopped for certain first.
    fn land(&mut self, id: u64, end: End, r: Rid, host: u32) {
        let phase = if self.is_dead(host) {
            let other = self
                .hard
                .replicas
                .get(&r)
                .and_then(|it| it.phase.holds().find(|&h| h != host && !self.is_dead(h)));
            other.map_or(Phase::Pending, |host| Phase::Unwinding { host })
        } else {
            Phase::Running { host }
        };
        self.end_with_phase(id, end, r, phase);
    }

    pub(super) fn is_dead(&self, h: u32) -> bool {
        matches!(self.hard.hosts[h as usize].status, HostStatus::Dead { .. })
    }

    /// A replica does not run for certain.
    fn stopped(&mut self, id: u64, r: Rid, host: u32) {
        let Some(replica) = self.hard.replicas.get(&r) else {
            self.end(id, End::Done, Vec::new());
            return;
        };
        let gone = replica.retire || replica.tainted;
        let change = if gone {
            Change::Gone(r)
        } else {
            let mut next = replica.clone();
            next.phase = Phase::Pending;
            Change::Replica(r, Box::new(next))
        };
        self.end(id, End::Done, vec![change]);
        let name = self.replica_id(r);
        let what = if gone { "is stopped and gone" } else { "is stopped and may start elsewhere" };
        let sentence = format!("{name} {what} (was on {})", self.world.host_id(host));
        self.audit("replica-stopped", crate::action::NoteSubject::Replica(name), Vec::new(), sentence);
        self.touch(r.c);
        self.capacity_changed();
    }

    fn start_failed(&mut self, id: u64, r: Rid, host: u32, why: &str) {
        let Some(replica) = self.hard.replicas.get(&r) else {
            self.end(id, End::Failed, Vec::new());
            return;
        };
        let mut next = replica.clone();
        next.phase = Phase::Down { host };
        next.restarts = next.restarts.saturating_add(1);
        let version = next.version.clone();
        let attempts = next.restarts;
        self.end(id, End::Failed, vec![Change::Replica(r, Box::new(next))]);
        let sentence = format!(
            "{} did not start on {}, attempt {attempts}: {why}",
            self.replica_id(r),
            self.world.host_id(host)
        );
        self.audit("start-failed", self.about_replica(r), vec![("attempt", attempts.to_string())], sentence);
        self.rollout_failure(r.c, &version);
        self.touch(r.c);
    }

    pub(super) fn end_with_phase(&mut self, id: u64, end: End, r: Rid, phase: Phase) {
        let change = self.phase_change(r, phase);
        self.end(id, end, change.into_iter().collect());
        self.touch(r.c);
    }

    pub(super) fn set_phase(&mut self, r: Rid, phase: Phase) {
        if let Some(change) = self.phase_change(r, phase) {
            self.write(&[change]);
            self.touch(r.c);
        }
    }

    fn phase_change(&self, r: Rid, phase: Phase) -> Option<Change> {
        let mut next = self.hard.replicas.get(&r)?.clone();
        next.phase = phase;
        Some(Change::Replica(r, Box::new(next)))
    }

    /// Leaves a replica alone until a moment.
    pub(super) fn rest(&mut self, r: Rid, until: ecosystem_core::Timestamp) {
        self.soft.backoff.insert(r, until);
        self.soft.timers.set(Timer::Replica(r), until);
    }
}
