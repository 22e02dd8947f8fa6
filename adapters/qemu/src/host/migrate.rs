//! Moving a running machine to another host.
//!
//! The source leads: it asks the target to listen, sends, and ends its own process only after the target said that the
//! machine runs there. QEMU itself sees to it that the two never run at once: the source stands still from the switch-over
//! on. Whatever fails before it leaves the machine running at the source; a target that falls silent after it makes the
//! outcome uncertain, and the source does not go on.

use super::Host;
use super::act::absent;
use crate::error::HostError;
use crate::machine::{Begin, Machine, Shape, lock};
use crate::wire::{self, Answer, Ask, Migration};
use ecosystem_core::{
    ActionOutcome, ActionRequest, HostId, HypervisorEvent, MigrationMode, ReplicaId, ReplicaState,
};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TALK: Duration = Duration::from_secs(25);
/// For the target to run after the last byte.
const ARRIVE: Duration = Duration::from_secs(10);
/// After this long nothing arrives any more: the longest migration a controller waits for, twice.
const FORGOTTEN: Duration = Duration::from_secs(1_800);
/// Migrations kept for reports.
const KEPT: usize = 256;

/// How the sending ended.
enum Sent {
    /// Everything is over there: stand-still in milliseconds, bytes.
    Over(u64, u64),
    /// The machine goes on here.
    Stays(String),
    /// The last answer was lost.
    Unknown(String),
}

impl Host {
    pub(super) fn migrate(
        &self,
        request: &ActionRequest,
        replica: &ReplicaId,
        to: &HostId,
        mode: MigrationMode,
    ) -> ActionOutcome {
        let Some(machine) = self.machine(replica) else {
            return ActionOutcome::failed(absent(replica).to_string());
        };
        if *to == self.settings.id {
            return ActionOutcome::failed("source and target are the same host");
        }
        let post_copy = match mode {
            MigrationMode::PreCopy => false,
            MigrationMode::PostCopy => true,
            other => return ActionOutcome::failed(format!("a QEMU host cannot migrate {other:?}")),
        };
        let target = self.socket_of(to);
        let shape = lock(&machine.shape).clone();
        let (action, epoch) = (request.id, request.epoch);
        let question = Ask::Prepare {
            action,
            epoch,
            replica: replica.clone(),
            version: shape.version,
            resources: shape.resources,
            post_copy,
            plugged: lock(&machine.plugged).clone(),
        };
        let uri = match self.tell_other(&target, &question) {
            Ok(Answer::Listening { uri }) => uri,
            Ok(Answer::Rejected { reason }) => {
                return ActionOutcome::failed(format!("{to} refuses: {reason}"));
            }
            Ok(other) => return ActionOutcome::failed(format!("{to} answers {other:?}")),
            Err(e) => return ActionOutcome::failed(format!("{to} does not answer: {e}")),
        };
        let begin = Instant::now();
        let sent = self.send(&machine, request, &uri, post_copy);
        self.conclude(&machine, request, &target, sent, begin)
    }

    fn tell_other(&self, socket: &std::path::Path, question: &Ask) -> Result<Answer, HostError> {
        if self.is_cut_off() {
            return Err(HostError::failed("this host is cut off"));
        }
        wire::ask(socket, question, TALK)
    }

    fn send(&self, machine: &Machine, request: &ActionRequest, uri: &str, post_copy: bool) -> Sent {
        let limits = lock(&self.state).migration_limits;
        if lock(&self.state).aborts.contains(&request.id) {
            return Sent::Stays("was aborted".into());
        }
        if let Err(e) = machine.begin_migration(uri, post_copy, limits) {
            return Sent::Stays(e.to_string());
        }
        let (mut switched, mut told) = (!post_copy, 0);
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let info = match machine.migration() {
                Ok(info) => info,
                Err(_) if machine.alive() => continue,
                Err(e) => return Sent::Unknown(e.to_string()),
            };
            let number = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
            match info["status"].as_str().unwrap_or("none") {
                "completed" => {
                    return Sent::Over(number(&info["downtime"]), number(&info["ram"]["transferred"]));
                }
                status @ ("failed" | "cancelled") => {
                    let why = info["error-desc"].as_str().unwrap_or("no reason given");
                    return Sent::Stays(format!("migration {status}: {why}"));
                }
                "postcopy-paused" => return Sent::Unknown("the link broke while memory was fetched".into()),
                "active" if !switched => {
                    switched = machine.execute("migrate-start-postcopy", &json!({})).is_ok();
                }
                _ => {}
            }
            let (total, left) = (number(&info["ram"]["total"]), number(&info["ram"]["remaining"]));
            let permille =
                u32::try_from((total.saturating_sub(left)) * 1_000 / total.max(1)).unwrap_or(0).min(999);
            if permille >= told + 50 {
                told = permille;
                lock(&self.state).tell(HypervisorEvent::Progress { action: request.id, permille });
            }
        }
    }

    fn conclude(
        &self,
        machine: &Machine,
        request: &ActionRequest,
        target: &std::path::Path,
        sent: Sent,
        begin: Instant,
    ) -> ActionOutcome {
        let replica = lock(&machine.shape).replica.clone();
        match sent {
            Sent::Over(downtime_ms, bytes) => {
                let total_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
                // It stands still here from now on, whatever the target says.
                machine.set_state(ReplicaState::Stopped);
                let arrived = self.wait_for_arrival(target, &replica);
                self.note(Migration { action: request.id, total_ms, downtime_ms, sent: bytes, arrived });
                lock(&self.state).machines.remove(&replica);
                machine.end();
                if arrived {
                    return ActionOutcome::Done { downtime: Duration::from_millis(downtime_ms) };
                }
                ActionOutcome::Uncertain {
                    reason: Arc::from("sent, but the target does not say that it runs"),
                }
            }
            Sent::Stays(why) => {
                // The target's half has failed with the connection or never began; tell it all the same.
                drop(self.tell_other(target, &Ask::Discard { replica }));
                if matches!(machine.status().as_deref(), Ok("paused" | "postmigrate" | "finish-migrate")) {
                    drop(machine.execute("cont", &json!({})));
                }
                ActionOutcome::failed(why)
            }
            Sent::Unknown(why) => {
                lock(&self.state).machines.remove(&replica);
                machine.end();
                ActionOutcome::Uncertain { reason: Arc::from(why) }
            }
        }
    }

    fn note(&self, migration: Migration) {
        let mut state = lock(&self.state);
        state.migrations.push_back(migration);
        if state.migrations.len() > KEPT {
            state.migrations.pop_front();
        }
    }

    fn wait_for_arrival(&self, target: &std::path::Path, replica: &ReplicaId) -> bool {
        let begin = Instant::now();
        while begin.elapsed() < ARRIVE {
            match self.tell_other(target, &Ask::Arrived { replica: replica.clone() }) {
                Ok(Answer::Says { yes: true }) => return true,
                Ok(Answer::Rejected { .. }) => return false,
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        false
    }

    /// Makes a machine that waits for memory; gives the address it listens on.
    pub(super) fn prepare(&self, question: Ask) -> Result<String, HostError> {
        let Ask::Prepare { epoch, replica, version, resources, post_copy, plugged, .. } = question else {
            return Err(HostError::failed("not a preparation"));
        };
        {
            let mut state = lock(&self.state);
            state.memory.admit(epoch).map_err(HostError::failed)?;
            if state.machines.contains_key(&replica) {
                return Err(HostError::failed(format!("{replica} runs here already")));
            }
            // What an earlier attempt left.
            drop(state.incoming.remove(&replica));
        }
        let begin = Begin::Listen { post_copy, plugged };
        let machine = self.make(Shape { replica: replica.clone(), version, resources }, &begin)?;
        let uri = machine.address();
        lock(&self.state).incoming.insert(replica, machine);
        Ok(uri)
    }

    /// Whether the machine that was prepared for runs here now; it counts as ours from then on.
    pub(super) fn arrived(&self, replica: &ReplicaId) -> Result<bool, HostError> {
        let waiting = lock(&self.state).incoming.get(replica).cloned();
        let Some(machine) = waiting else {
            return if self.machine(replica).is_some() { Ok(true) } else { Err(absent(replica)) };
        };
        if machine.status()? != "running" {
            return Ok(false);
        }
        machine.set_state(ReplicaState::Running);
        let mut state = lock(&self.state);
        // Not if it was given up meanwhile.
        let Some(machine) = state.incoming.remove(replica) else {
            return Ok(state.machines.contains_key(replica));
        };
        state.machines.insert(replica.clone(), machine);
        Ok(true)
    }

    /// Takes over what has arrived though its source did not live to ask, and clears away what never will.
    pub(super) fn look_at_incoming(&self) {
        let waiting: Vec<(ReplicaId, Arc<Machine>)> =
            lock(&self.state).incoming.iter().map(|(id, it)| (id.clone(), Arc::clone(it))).collect();
        for (replica, machine) in waiting {
            if !machine.alive() || machine.age() > FORGOTTEN {
                drop(lock(&self.state).incoming.remove(&replica));
            } else {
                // Not there yet, or silent: the next look tells.
                drop(self.arrived(&replica));
            }
        }
    }
}
