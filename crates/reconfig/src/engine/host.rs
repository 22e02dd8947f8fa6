//! Hosts: silence, suspicion, fencing, death and return.

use super::Engine;
use super::soft::Timer;
use crate::action::{Action, ApprovalAsk, ApprovalId, ApprovalSubject, Ask};
use crate::event::DeathEvidence;
use crate::state::{Approving, Change, End, Host, HostStatus, Phase, Reason, Rid, Task};
use ecosystem_core::Capability;

impl Engine {
    /// A sign of life.
    pub(super) fn heartbeat(&mut self, h: u32) {
        let now = self.soft.now;
        let soft = &mut self.soft.hosts[h as usize];
        soft.seen = now;
        if let crate::settings::Detector::Phi { interval_ms } = self.settings.detection.detector {
            let interval = std::time::Duration::from_millis(u64::from(interval_ms.max(1)));
            soft.phi.get_or_insert_with(|| Box::new(crate::detect::PhiNormal::new(interval))).heartbeat(now);
            // Silence may now be allowed for a shorter time than the timer knows.
            if self.hard.hosts[h as usize].status == HostStatus::Up {
                let at = now.saturating_add(self.silence_allowed(h));
                self.soft.timers.set(Timer::Host(h), at);
            }
        }
        let soft = &mut self.soft.hosts[h as usize];
        match self.hard.hosts[h as usize].status {
            HostStatus::Up | HostStatus::Fencing { .. } => {}
            HostStatus::Suspect => self.host_back(h, "host-answers", "answers again"),
            HostStatus::Dead { .. } => {
                soft.returning += 1;
                if soft.returning >= self.settings.detection.rejoin_heartbeats {
                    self.host_back(h, "host-returned", "is back and empty");
                }
            }
        }
    }

    fn host_back(&mut self, h: u32, code: &'static str, what: &str) {
        let host = Host { status: HostStatus::Up, fence_failures: 0, ..self.hard.hosts[h as usize] };
        self.write(&[Change::Host(h, host)]);
        self.soft.hosts[h as usize].returning = 0;
        self.soft.silent.remove(&h);
        let silence = self.soft.now.saturating_add(self.settings.detection.suspect_after);
        self.soft.timers.set(Timer::Host(h), silence);
        let sentence = format!("{} {what}", self.world.host_id(h));
        self.audit(code, self.about_host(h), Vec::new(), sentence);
        // It may have lost power and what it ran, and says only what it runs now.
        self.doubt_ground();
        self.grow_what_was_kept();
        self.capacity_changed();
        self.touch_host(h);
    }

    /// Somebody should look again at everything that waits for room.
    pub(super) fn capacity_changed(&mut self) {
        for (r, waiting) in &mut self.soft.waiting {
            waiting.parked = self.soft.now;
            self.soft.dirty.insert(r.c);
        }
        self.soft.plan_dirty = true;
    }

    pub(super) fn touch_host(&mut self, h: u32) {
        let components: Vec<u32> = self.hard.on_host[h as usize].iter().map(|r| r.c).collect();
        self.soft.dirty.extend(components);
    }

    /// Silence after which a host is suspect.
    fn silence_allowed(&self, h: u32) -> std::time::Duration {
        let longest = self.settings.detection.suspect_after;
        match &self.soft.hosts[h as usize].phi {
            Some(phi) => phi.silence_allowed().min(longest),
            None => longest,
        }
    }

    /// The silence timer of a host went off.
    pub(super) fn host_silent(&mut self, h: u32) {
        let now = self.soft.now;
        let seen = self.soft.hosts[h as usize].seen;
        let suspect_at = seen.saturating_add(self.silence_allowed(h));
        match self.hard.hosts[h as usize].status {
            HostStatus::Up if now < suspect_at => self.soft.timers.set(Timer::Host(h), suspect_at),
            HostStatus::Up => {
                let why = format!("no sign of life for {} s", now.saturating_since(seen).as_secs());
                self.suspect(h, &why);
            }
            HostStatus::Suspect => self.try_to_fence(h),
            HostStatus::Fencing { .. } | HostStatus::Dead { .. } => {}
        }
    }

    /// Begins to doubt a host.
    pub(super) fn suspect(&mut self, h: u32, why: &str) {
        if self.hard.hosts[h as usize].status != HostStatus::Up || !self.soft.trusted {
            return;
        }
        let now = self.soft.now;
        let detection = self.settings.detection.clone();
        let soft = &mut self.soft.hosts[h as usize];
        soft.suspicions.push_back(now);
        soft.suspicions.retain(|&at| now.saturating_since(at) < detection.flap_window);
        while soft.suspicions.len() > detection.flap_limit.max(1) as usize {
            soft.suspicions.pop_front();
        }
        let flaps = detection.flap_limit > 0 && soft.suspicions.len() >= detection.flap_limit as usize;
        let before = self.hard.hosts[h as usize];
        let closes = flaps && !before.cordoned;
        let host = Host { status: HostStatus::Suspect, cordoned: before.cordoned || flaps, ..before };
        self.write(&[Change::Host(h, host)]);
        self.soft.silent.insert(h);
        self.soft.timers.set(Timer::Host(h), now.saturating_add(detection.fence_after));
        let name = self.world.host_id(h).clone();
        let sentence = format!("{name} is suspect: {why}");
        self.audit("host-suspect", self.about_host(h), vec![("because", why.to_owned())], sentence);
        if closes {
            let sentence = format!(
                "{name} was suspect {} times lately and is closed for new work",
                detection.flap_limit
            );
            self.notify("host-flapping", self.about_host(h), Vec::new(), sentence);
        }
        self.touch_host(h);
    }

    /// Makes sure that a suspect host runs nothing, unless too many are suspect at once.
    pub(super) fn try_to_fence(&mut self, h: u32) {
        let now = self.soft.now;
        let again = now.saturating_add(self.settings.patience.retry);
        let host = self.hard.hosts[h as usize];
        let not_before = self.soft.hosts[h as usize].fence_not_before;
        if host.status != HostStatus::Suspect || !self.soft.trusted {
            return;
        }
        if !self.fencing_on() {
            self.bury(h, DeathEvidence::Operator, "guard is off");
            return;
        }
        if now < not_before {
            self.soft.timers.set(Timer::Host(h), not_before);
            return;
        }
        self.soft.timers.set(Timer::Host(h), again);
        if self.is_host_frozen(h) {
            let sentence = format!("{} is frozen and is not fenced", self.world.host_id(h));
            self.refuse((u32::MAX, h), "refused-frozen", self.about_host(h), sentence);
            return;
        }
        let (silent, limit) = (self.soft.silent.len(), self.storm_limit());
        if silent > limit && !self.hard.storm_approved {
            self.ask_about_storm(silent, limit);
            return;
        }
        if !self.settings.capabilities.has(Capability::Fence)
            || host.fence_failures >= self.settings.patience.fence_attempts
        {
            self.ask_about_death(h);
            return;
        }
        self.begin(&Task::Fence { host: h }, Reason::Recovery, |id| {
            vec![Change::Host(h, Host { status: HostStatus::Fencing { action: id }, ..host })]
        });
        self.soft.timers.clear(Timer::Host(h));
        let sentence =
            format!("{} is being fenced, so that its replicas can start elsewhere", self.world.host_id(h));
        self.audit("host-fencing", self.about_host(h), Vec::new(), sentence);
    }

    /// Suspect hosts beyond which nothing is fenced without approval.
    pub(super) fn storm_limit(&self) -> usize {
        let hosts = self.world.hosts.iter().filter(|info| info.known).count();
        (hosts * self.settings.detection.storm_percent as usize / 100).max(1)
    }

    fn ask_about_storm(&mut self, silent: usize, limit: usize) {
        if self.hard.approvals.values().any(|about| *about == Approving::Storm) {
            return;
        }
        let sentence = format!(
            "{silent} hosts are silent at once, more than {limit}: rather a network than host failures; fence them?"
        );
        self.ask_approval(Approving::Storm, ApprovalSubject::FenceStorm, sentence);
    }

    fn ask_about_death(&mut self, h: u32) {
        if self.hard.approvals.values().any(|about| *about == Approving::Death { host: h }) {
            return;
        }
        let name = self.world.host_id(h).clone();
        let sentence = format!("{name} is silent and cannot be fenced; is it dead for certain?");
        self.ask_approval(Approving::Death { host: h }, ApprovalSubject::ConfirmDead(name), sentence);
    }

    pub(super) fn ask_approval(
        &mut self,
        about: Approving,
        subject: ApprovalSubject,
        sentence: String,
    ) -> u64 {
        let id = self.hard.next_approval;
        self.write(&[Change::Asked(id, about)]);
        self.act(Action::Ask(Ask::Approval(ApprovalAsk { id: ApprovalId(id), subject, sentence })));
        id
    }

    /// The storm is over when no more hosts are silent than may be: questions and permissions about it end.
    pub(super) fn watch_storm(&mut self) {
        let nothing_open = self.hard.approvals.is_empty() && !self.hard.storm_approved;
        if nothing_open || self.soft.silent.len() > self.storm_limit() {
            return;
        }
        if self.hard.storm_approved && self.soft.silent.is_empty() {
            self.write(&[Change::StormApproved(false)]);
        }
        let open =
            self.hard.approvals.iter().find(|(_, about)| **about == Approving::Storm).map(|(id, _)| *id);
        if let Some(id) = open {
            self.write(&[Change::Answered(id, false)]);
            let sentence =
                "no longer suspiciously many hosts are silent; the question about fencing is closed";
            self.audit("storm-over", crate::action::NoteSubject::Engine, Vec::new(), sentence.to_owned());
        }
    }

    /// Fencing did not work.
    pub(super) fn fence_failed(&mut self, id: u64, h: u32, why: &str) {
        let host = self.hard.hosts[h as usize];
        let failures = host.fence_failures.saturating_add(1);
        let changed = Host { status: HostStatus::Suspect, fence_failures: failures, ..host };
        self.end(id, End::Failed, vec![Change::Host(h, changed)]);
        let again = self.soft.now.saturating_add(self.settings.patience.retry);
        self.soft.hosts[h as usize].fence_not_before = again;
        self.soft.timers.set(Timer::Host(h), again);
        let sentence = format!("fencing {} failed, attempt {failures}: {why}", self.world.host_id(h));
        self.audit("fence-failed", self.about_host(h), vec![("attempt", failures.to_string())], sentence);
        if failures >= self.settings.patience.fence_attempts {
            self.ask_about_death(h);
        }
        // A host that answered meanwhile is not suspect any more.
        let silence = self.soft.now.saturating_since(self.soft.hosts[h as usize].seen);
        if silence < self.settings.detection.suspect_after {
            self.host_back(h, "host-answers", "answers again, fencing is called off");
        }
    }

    /// A host runs nothing for certain: what ran there may start elsewhere.
    pub(super) fn bury(&mut self, h: u32, evidence: DeathEvidence, why: &str) {
        let before = self.hard.hosts[h as usize];
        if matches!(before.status, HostStatus::Dead { .. }) {
            return;
        }
        let host = Host { status: HostStatus::Dead { evidence }, fence_failures: 0, ..before };
        let mut changes = vec![Change::Host(h, host)];
        let lost: Vec<Rid> = self.hard.on_host[h as usize].iter().copied().collect();
        let mut in_doubt = Vec::new();
        for &r in &lost {
            self.bury_replica(r, h, &mut changes, &mut in_doubt);
        }
        for (id, action) in &self.hard.actions {
            let ends = match action.task {
                Task::Fence { host } => (host == h).then_some(End::Done),
                Task::Snapshot { host, .. }
                | Task::Probe { host, .. }
                | Task::StopStray { host, .. }
                | Task::PowerDown { host }
                | Task::Restore { host, .. }
                | Task::Resize { host, .. }
                | Task::Cordon { host, .. } => (host == h).then_some(End::Failed),
                _ => None,
            };
            changes.extend(ends.map(|end| Change::Ended(*id, end)));
        }
        let about_this = |about: &Approving| *about == Approving::Death { host: h };
        let death = self.hard.approvals.iter().filter(|(_, about)| about_this(about));
        changes.extend(death.map(|(id, _)| Change::Answered(*id, true)));
        self.write(&changes);
        self.soft.probing.retain(|&(_, host), _| host != h);
        self.soft.strays.retain(|&(_, host), _| host != h);
        self.soft.silent.remove(&h);
        self.soft.timers.clear(Timer::Host(h));
        self.soft.hosts[h as usize].returning = 0;
        for r in &lost {
            self.soft.unhealthy.remove(r);
            self.soft.backoff.remove(r);
            self.soft.dirty.insert(r.c);
        }
        let sentence = format!(
            "{} is dead ({}, {why}); {} may start elsewhere",
            self.world.host_id(h),
            evidence.word(),
            super::issue::replicas(lost.len())
        );
        let why = vec![("evidence", evidence.word().to_owned()), ("replicas", lost.len().to_string())];
        self.audit("host-dead", self.about_host(h), why, sentence);
        for r in in_doubt {
            // Half of a migration is gone, so nobody will say how it ended: the other half is asked at once.
            if let Some(Phase::Doubt { action, .. }) = self.hard.replicas.get(&r).map(|it| it.phase) {
                self.soft.timers.clear(Timer::Action(action));
            }
            self.doubt_anew(r, false, 0);
            self.probe_doubt(r);
        }
        self.capacity_changed();
    }

    fn bury_replica(&self, r: Rid, h: u32, changes: &mut Vec<Change>, in_doubt: &mut Vec<Rid>) {
        let Some(replica) = self.hard.replicas.get(&r) else { return };
        let mut next = replica.clone();
        next.phase = match replica.phase {
            Phase::Migrating { from, to, action } => {
                Phase::Doubt { a: if from == h { to } else { from }, b: None, action }
            }
            Phase::Doubt { a, b: Some(b), action } => {
                Phase::Doubt { a: if a == h { b } else { a }, b: None, action }
            }
            phase => {
                if let Some(action) = phase.action().filter(|id| self.hard.actions.contains_key(id)) {
                    let end = if matches!(phase, Phase::Stopping { .. }) { End::Done } else { End::Failed };
                    changes.push(Change::Ended(action, end));
                }
                Phase::Pending
            }
        };
        if matches!(next.phase, Phase::Doubt { .. }) {
            in_doubt.push(r);
        } else if replica.retire || replica.tainted {
            changes.push(Change::Gone(r));
            return;
        }
        next.restarts = 0;
        changes.push(Change::Replica(r, Box::new(next)));
    }
}
