//! Beginning actions and telling about decisions.

use super::Engine;
use super::soft::Timer;
use crate::action::{Action, Note, NoteSubject, Tell};
use crate::state::{Change, End, InFlight, Reason, Rid, Task};
use ecosystem_core::{
    ActionId, ActionKind, ActionRequest, Epoch, NetworkPolicy, ReplicaId, ReplicaState, Version,
};
use std::sync::Arc;
use std::time::Duration;

/// `1 replica`, `2 replicas`.
pub(super) fn replicas(count: usize) -> String {
    if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") }
}

/// ` version 1.2`, or nothing where it is not known.
pub(super) fn in_version(version: &Version) -> String {
    if version.is_unknown() { String::new() } else { format!(" version {version}") }
}

impl Engine {
    /// Writes down that an action begins, together with the change of state it means, and hands it out.
    pub(super) fn begin(
        &mut self,
        task: &Task,
        reason: Reason,
        with: impl FnOnce(u64) -> Vec<Change>,
    ) -> u64 {
        let id = self.hard.next_action;
        let mut changes = vec![Change::Begun(id, InFlight { task: task.clone(), reason })];
        changes.extend(with(id));
        self.write(&changes);
        match *task {
            Task::Probe { r, host, .. } => {
                self.soft.probing.insert((r, host), id);
            }
            Task::StopStray { r, host } => {
                self.soft.strays.insert((r, host), id);
            }
            _ => {}
        }
        self.counters.begun += 1;
        self.hand_out(id);
        id
    }

    /// Hands an unfinished action to the executor, for the first time or again.
    pub(super) fn hand_out(&mut self, id: u64) {
        let Some(action) = self.hard.actions.get(&id) else { return };
        let deadline = self.soft.now.saturating_add(self.time_for(&action.task));
        let request = ActionRequest {
            id: ActionId(id),
            epoch: Epoch(self.hard.epoch),
            kind: self.kind_of(&action.task),
            deadline,
            expected: match action.task {
                Task::Migrate { .. } | Task::Resize { .. } => Some(ReplicaState::Running),
                _ => None,
            },
        };
        self.soft.timers.set(Timer::Action(id), deadline);
        self.act(Action::Execute(request));
    }

    fn time_for(&self, task: &Task) -> Duration {
        let patience = &self.settings.patience;
        match task {
            Task::Start { .. } | Task::Resize { .. } => patience.start,
            Task::Stop { .. } | Task::StopStray { .. } => patience.stop,
            Task::Migrate { .. } => patience.migrate,
            Task::Snapshot { .. } | Task::Restore { .. } => patience.snapshot,
            Task::Fence { .. } => patience.fence,
            _ => patience.quick,
        }
    }

    fn kind_of(&self, task: &Task) -> ActionKind {
        let component = |c: u32| self.world.component_id(c).clone();
        let host = |h: u32| self.world.host_id(h).clone();
        let replica = |r: Rid| self.replica_id(r);
        match task {
            Task::Start { r, host: h } => {
                let (version, resources) = match self.hard.replicas.get(r) {
                    Some(it) => (it.version.clone(), it.size.as_ref().clone()),
                    None => (Version::default(), ecosystem_core::Resources::default()),
                };
                ActionKind::Start { replica: replica(*r), host: host(*h), version, resources }
            }
            Task::Stop { r, host: h } | Task::StopStray { r, host: h } => {
                ActionKind::Stop { replica: replica(*r), host: host(*h) }
            }
            Task::Migrate { r, from, to, mode } => {
                ActionKind::Migrate { replica: replica(*r), from: host(*from), to: host(*to), mode: *mode }
            }
            Task::Snapshot { r, host: h, name } => {
                ActionKind::Snapshot { replica: replica(*r), host: host(*h), name: Arc::clone(name) }
            }
            Task::Probe { r, host: h, .. } => ActionKind::Probe { replica: replica(*r), host: host(*h) },
            Task::Fence { host: h } => ActionKind::Fence { host: host(*h) },
            Task::Release { host: h } => ActionKind::Power { host: host(*h), on: true },
            Task::Cordon { host: h, closed } => ActionKind::Cordon { host: host(*h), closed: *closed },
            Task::Cut { c } => {
                ActionKind::ApplyNetworkPolicy { component: component(*c), policy: NetworkPolicy::Quarantine }
            }
            Task::Rotate { c } => ActionKind::RotateCredentials { component: component(*c) },
            Task::Reconnect { c } => ActionKind::RemoveNetworkPolicy { component: component(*c) },
            Task::PowerDown { host: h } => ActionKind::Power { host: host(*h), on: false },
            Task::Shift { c, shares } => ActionKind::ShiftTraffic {
                component: component(*c),
                permille: shares.iter().map(|(version, share)| (Version::new(&**version), *share)).collect(),
            },
            Task::Restore { r, host: h, name } => {
                ActionKind::Restore { replica: replica(*r), host: host(*h), name: Arc::clone(name) }
            }
            Task::Resize { r, host: h, to, .. } => {
                ActionKind::Resize { replica: replica(*r), host: host(*h), resources: to.as_ref().clone() }
            }
            Task::Abort { action } => ActionKind::Abort { action: ActionId(*action) },
        }
    }

    /// Writes down how an action ended, together with the change of state that means.
    pub(super) fn end(&mut self, id: u64, end: End, with: Vec<Change>) {
        let mut changes = vec![Change::Ended(id, end)];
        changes.extend(with);
        self.write(&changes);
    }

    pub(super) fn replica_id(&self, r: Rid) -> ReplicaId {
        ReplicaId::new(self.world.component_id(r.c).clone(), r.n)
    }

    /// For the audit log: a decision or an observation that changed something.
    pub(super) fn audit(
        &mut self,
        code: &'static str,
        subject: NoteSubject,
        why: Vec<(&'static str, String)>,
        sentence: String,
    ) {
        let note = self.note(code, subject, why, sentence);
        self.act(Action::Tell(Tell::Audit(note)));
    }

    /// Calls for a person.
    pub(super) fn notify(
        &mut self,
        code: &'static str,
        subject: NoteSubject,
        why: Vec<(&'static str, String)>,
        sentence: String,
    ) {
        let note = self.note(code, subject, why, sentence);
        self.act(Action::Tell(Tell::Notify(note)));
    }

    fn note(
        &self,
        code: &'static str,
        subject: NoteSubject,
        why: Vec<(&'static str, String)>,
        sentence: String,
    ) -> Note {
        Note { at: self.soft.now, code, subject, why, sentence, actor: Arc::from("") }
    }

    /// Tells about a refusal, but not twice in a row about the same one.
    pub(super) fn refuse(
        &mut self,
        key: (u32, u32),
        code: &'static str,
        subject: NoteSubject,
        sentence: String,
    ) {
        if self.soft.refusals.insert(key, code) != Some(code) {
            self.counters.refused += 1;
            self.audit(code, subject, Vec::new(), sentence);
        }
    }

    pub(super) fn about_component(&self, c: u32) -> NoteSubject {
        NoteSubject::Component(self.world.component_id(c).clone())
    }

    pub(super) fn about_host(&self, h: u32) -> NoteSubject {
        NoteSubject::Host(self.world.host_id(h).clone())
    }

    pub(super) fn about_replica(&self, r: Rid) -> NoteSubject {
        NoteSubject::Replica(self.replica_id(r))
    }
}
