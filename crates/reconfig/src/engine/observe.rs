//! What each event means.

use super::Engine;
use super::soft::Timer;
use crate::action::{Action, Ask, NoteSubject};
use crate::event::Event;
use crate::state::{Change, Host, HostStatus, Phase, Rid, Task};
use crate::world::World;
use ecosystem_core::{
    ComponentId, Ecosystem, HostHealth, HostId, HypervisorEvent, Infrastructure, Inventory, ReplicaId,
    ReplicaState,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Crashes in a row, each within this many seconds of the last, that make the rest before the next start longer.
const CRASH_WINDOW_S: u64 = 600;
/// Hosts that come back within this time are looked at together.
const TOGETHER: Duration = Duration::from_secs(1);

impl Engine {
    pub(super) fn observe(&mut self, event: Event) {
        match event {
            Event::Heartbeat(host) => self.with_host(&host, Self::heartbeat),
            Event::Hypervisor(event) => self.observe_hypervisor(event),
            Event::Refused { action, reason } => {
                if let Some(action_) = self.hard.actions.get(&action.0) {
                    let task = action_.task.clone();
                    self.action_failed(action.0, &task, &reason);
                }
            }
            Event::Unclear { action, reason } => self.action_unclear(action.0, &reason, true),
            Event::HostSuspect { host, why } => self.with_host(&host, |engine, h| engine.suspect(h, &why)),
            Event::HostFailed { host, evidence } => {
                self.with_host(&host, |engine, h| engine.bury(h, evidence, "was reported"));
            }
            Event::HostDegraded { host, why } => self.with_host(&host, |engine, h| engine.degraded(h, &why)),
            Event::PredictedFailure { host, within, permille } => self.with_host(&host, |engine, h| {
                let why = format!(
                    "failure expected within {} min, {permille} permille sure",
                    within.as_secs() / 60
                );
                if permille >= 500 {
                    engine.degraded(h, &why);
                } else {
                    let sentence = format!("{}: {why}; too unsure to act", engine.world.host_id(h));
                    engine.audit("prediction-noted", engine.about_host(h), Vec::new(), sentence);
                }
            }),
            Event::Utilisation { component, permille } => {
                self.with_component(&component, |engine, c| engine.utilisation(c, permille));
            }
            Event::Forecast { component, permille, within } => {
                self.with_component(&component, |engine, c| engine.forecast(c, permille, within));
            }
            Event::SecurityAlert { component, why } => {
                self.with_component(&component, |engine, c| engine.compromised(c, &why));
            }
            Event::Verified { component, clean, why } => {
                self.with_component(&component, |engine, c| engine.verdict(c, clean, &why));
            }
            Event::BugReport { component, version, severity, why } => {
                self.with_component(&component, |engine, c| engine.bug_report(c, &version, severity, &why));
            }
            Event::NewVersion { component, version } => self.with_component(&component, |engine, c| {
                engine.new_version(c, &version);
                engine.touch(c);
            }),
            Event::Placement { id, assignments, unplaceable } => self.placed(id, &assignments, &unplaceable),
            Event::Plan { moves, gain, why } => self.order_plan(&moves, gain, &why),
            Event::Approval { id, granted, by } => self.approval(id, granted, &by),
            Event::Order { order, by } => self.order(&order, &by),
            Event::Inventory(inventory) => self.inventory(&inventory),
            Event::Map(ecosystem) => self.new_map(ecosystem),
            Event::Capacity(infrastructure) => self.new_infrastructure(infrastructure),
        }
    }

    fn with_host(&mut self, id: &HostId, then: impl FnOnce(&mut Self, u32)) {
        match self.world.host(id) {
            Some(h) => then(self, h),
            None => self.unknown("host", id.as_str()),
        }
    }

    fn with_component(&mut self, id: &ComponentId, then: impl FnOnce(&mut Self, u32)) {
        match self.world.component(id) {
            Some(c) => then(self, c),
            None => self.unknown("component", id.as_str()),
        }
    }

    fn observe_hypervisor(&mut self, event: HypervisorEvent) {
        match event {
            HypervisorEvent::Progress { action, permille } => self.progress(action.0, permille),
            HypervisorEvent::Finished { action, outcome } => self.finished(action.0, &outcome),
            HypervisorEvent::Host { host, health } => self.with_host(&host, |engine, h| match health {
                HostHealth::Alive => engine.heartbeat(h),
                HostHealth::Degraded => {
                    engine.heartbeat(h);
                    engine.degraded(h, "its hardware reports trouble");
                }
                HostHealth::Dead => {
                    engine.bury(h, crate::event::DeathEvidence::PowerOff, "says the executor");
                }
                _ => {}
            }),
            HypervisorEvent::Replica { replica, host, state, .. } => self.report(&replica, &host, state),
            _ => {}
        }
    }

    /// A migration, whose length depends on the guest, gets more time whenever it got further.
    fn progress(&mut self, id: u64, permille: u32) {
        let further = self.soft.progress.get(&id).is_none_or(|&before| permille > before);
        if permille > 1_000 || !further {
            return;
        }
        let Some(action) = self.hard.actions.get(&id) else { return };
        if matches!(action.task, Task::Migrate { .. }) && self.soft.timers.is_set(Timer::Action(id)) {
            let until = self.soft.now.saturating_add(self.settings.patience.migrate);
            self.soft.timers.set(Timer::Action(id), until);
            self.soft.progress.insert(id, permille);
        }
    }

    /// How a replica is, according to a host.
    fn report(&mut self, id: &ReplicaId, host: &HostId, state: ReplicaState) {
        let (Some(c), Some(h)) = (self.world.component(id.component()), self.world.host(host)) else {
            return self.unknown("replica or host", &id.to_string());
        };
        let r = Rid { c, n: id.index() };
        if !self.soft.trusted {
            return;
        }
        let phase = self.hard.replicas.get(&r).map(|it| it.phase);
        let holds = phase.is_some_and(|phase| phase.holds().any(|held| held == h));
        match (phase, state) {
            (Some(Phase::Running { host }), ReplicaState::Stopped) if host == h => self.crashed(r, h),
            (Some(Phase::Running { host }), ReplicaState::Unhealthy) if host == h => {
                if let std::collections::btree_map::Entry::Vacant(slot) = self.soft.unhealthy.entry(r) {
                    slot.insert(self.soft.now);
                    let sentence = format!("{id} on {} does not serve as it should", self.world.host_id(h));
                    self.audit("replica-unhealthy", self.about_replica(r), Vec::new(), sentence);
                    self.touch(c);
                }
            }
            (Some(Phase::Running { host }), ReplicaState::Running)
                if host == h && self.soft.unhealthy.remove(&r).is_some() =>
            {
                let sentence = format!("{id} serves again");
                self.audit("replica-healthy", self.about_replica(r), Vec::new(), sentence);
                self.touch(c);
            }
            (_, ReplicaState::Running | ReplicaState::Starting | ReplicaState::Unhealthy) if !holds => {
                self.stray(r, h);
            }
            _ => {}
        }
    }

    /// Its host says that a replica we believe running is not.
    fn crashed(&mut self, r: Rid, h: u32) {
        let now = self.soft.now;
        let (count, last) = self.soft.crashes.get(&r).copied().unwrap_or((0, now));
        let count = if now.saturating_since(last).as_secs() > CRASH_WINDOW_S { 1 } else { count + 1 };
        self.soft.crashes.insert(r, (count, now));
        self.set_phase(r, Phase::Down { host: h });
        self.soft.unhealthy.remove(&r);
        let sentence = format!("{} on {} does not run any more", self.replica_id(r), self.world.host_id(h));
        self.audit("replica-down", self.about_replica(r), vec![("times", count.to_string())], sentence);
        if count > 1 {
            // Exponential: 1, 2, 4 … times the retry time, at most 16.
            let factor = 1_u32 << (count - 2).min(4);
            self.rest(r, now.saturating_add(self.settings.patience.retry * factor));
        }
    }

    /// Something of ours runs where it should not: it is stopped there.
    fn stray(&mut self, r: Rid, h: u32) {
        let frozen = self.is_frozen(r.c) || self.is_host_frozen(h);
        if frozen || self.soft.strays.contains_key(&(r, h)) || self.is_dead(h) {
            return;
        }
        self.begin(&Task::StopStray { r, host: h }, crate::state::Reason::Recovery, |_| Vec::new());
        let sentence = format!(
            "{} was seen on {}, where it should not run; it is stopped there",
            self.replica_id(r),
            self.world.host_id(h)
        );
        self.audit("stray", self.about_replica(r), Vec::new(), sentence);
    }

    fn degraded(&mut self, h: u32, why: &str) {
        let host = self.hard.hosts[h as usize];
        if host.degraded {
            return;
        }
        self.write(&[Change::Host(h, Host { degraded: true, ..host })]);
        let sentence = format!("{} is emptied before it fails: {why}", self.world.host_id(h));
        self.audit("host-degraded", self.about_host(h), vec![("because", why.to_owned())], sentence);
        self.touch_host(h);
    }

    /// The truth on the ground. After a restart it makes the engine trust its state and go on.
    fn inventory(&mut self, inventory: &Inventory) {
        let resuming = !self.soft.trusted;
        self.soft.trusted = true;
        self.soft.timers.clear(Timer::Ask(0));
        let mut alive: BTreeSet<u32> = BTreeSet::new();
        for (id, health) in &inventory.hosts {
            let Some(h) = self.world.host(id) else { continue };
            match health {
                HostHealth::Alive | HostHealth::Degraded => {
                    alive.insert(h);
                    self.heartbeat(h);
                }
                HostHealth::Dead => self.bury(h, crate::event::DeathEvidence::PowerOff, "says the inventory"),
                _ => {}
            }
            if *health == HostHealth::Degraded {
                self.degraded(h, "says the inventory");
            }
        }
        if resuming {
            self.resume();
        }
        let mut found: BTreeSet<(Rid, u32)> = BTreeSet::new();
        for report in &inventory.replicas {
            self.report(&report.replica, &report.host, report.state);
            let place = self.world.component(report.replica.component()).zip(self.world.host(&report.host));
            if let Some((c, h)) = place {
                found.insert((Rid { c, n: report.replica.index() }, h));
            }
        }
        let missing: Vec<(Rid, u32)> = self
            .hard
            .replicas
            .iter()
            .filter_map(|(r, it)| match it.phase {
                Phase::Running { host } => Some((*r, host)),
                _ => None,
            })
            .filter(|(r, host)| alive.contains(host) && !found.contains(&(*r, *host)))
            .collect();
        for (r, h) in missing {
            self.crashed(r, h);
        }
    }

    /// Sets the time of the next comparison with the ground.
    pub(super) fn arm_inventory(&mut self) {
        let every = self.settings.patience.inventory;
        if !every.is_zero() {
            self.soft.timers.set(Timer::Inventory, self.soft.now.saturating_add(every));
        }
    }

    /// Asks for the truth on the ground; the answer corrects what is believed.
    pub(super) fn compare_with_ground(&mut self) {
        if self.soft.trusted {
            self.act(Action::Ask(Ask::Inventory));
            self.arm_inventory();
            self.grow_what_was_kept();
        }
    }

    /// Asks for the truth soon, once for everything that comes back together.
    pub(super) fn doubt_ground(&mut self) {
        self.soft.timers.set(Timer::Inventory, self.soft.now.saturating_add(TOGETHER));
    }

    /// Goes on after a restart: what was under way is handed out again under its old numbers.
    fn resume(&mut self) {
        self.arm();
        for h in 0..super::dense(self.hard.hosts.len()) {
            match self.hard.hosts[h as usize].status {
                HostStatus::Up => {}
                HostStatus::Suspect => {
                    self.soft.silent.insert(h);
                    let at = self.soft.now.saturating_add(self.settings.detection.fence_after);
                    self.soft.timers.set(Timer::Host(h), at);
                }
                HostStatus::Fencing { .. } => {
                    self.soft.silent.insert(h);
                    self.soft.timers.clear(Timer::Host(h));
                }
                HostStatus::Dead { .. } => self.soft.timers.clear(Timer::Host(h)),
            }
        }
        for (id, action) in self.hard.actions.clone() {
            match action.task {
                Task::Probe { r, host, .. } => {
                    self.soft.probing.insert((r, host), id);
                }
                Task::StopStray { r, host } => {
                    self.soft.strays.insert((r, host), id);
                }
                _ => {}
            }
            if self.idempotence_on() {
                self.hand_out(id);
            }
        }
        self.ask_open_approvals();
        let sentence = format!(
            "the engine goes on after a restart with {} unfinished actions (epoch {})",
            self.hard.actions.len(),
            self.hard.epoch
        );
        self.audit("resumed", NoteSubject::Engine, vec![("epoch", self.hard.epoch.to_string())], sentence);
    }

    fn new_infrastructure(&mut self, infrastructure: Arc<Infrastructure>) {
        let ecosystem = Arc::clone(&self.world.ecosystem);
        self.new_world(ecosystem, infrastructure);
        self.grow_what_was_kept();
        self.capacity_changed();
        self.soft.dirty.extend(0..super::dense(self.hard.comps.len()));
        let sentence =
            format!("a new infrastructure is in force: {} hosts", self.world.infrastructure.hosts().len());
        self.audit("capacity-changed", NoteSubject::Engine, Vec::new(), sentence);
    }

    pub(super) fn new_world(&mut self, ecosystem: Arc<Ecosystem>, infrastructure: Arc<Infrastructure>) {
        let (components, hosts) = (self.hard.component_names.clone(), self.hard.host_names.clone());
        match World::new(components, hosts, ecosystem, infrastructure) {
            Ok(world) => {
                let known = self.hard.hosts.len();
                self.world = Arc::new(world);
                self.adopt_names(self.soft.now);
                let silence = self.soft.now.saturating_add(self.settings.detection.suspect_after);
                for h in known..self.hard.hosts.len() {
                    self.soft.timers.set(Timer::Host(super::dense(h)), silence);
                }
                self.arm_host_windows();
            }
            Err(error) => {
                let sentence = format!("a new map cannot be used: {error}");
                self.notify("map-refused", NoteSubject::Engine, Vec::new(), sentence);
            }
        }
    }
}
