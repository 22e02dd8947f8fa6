//! What orders do on a host.

use super::{Host, machine_files};
use crate::error::HostError;
use crate::machine::{Begin, COMMAND, Machine, Shape, lock};
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, ComponentId, NetworkPolicy, ReplicaId, ReplicaState,
    Resources, Version,
};
use std::path::PathBuf;
use std::sync::Arc;

impl Host {
    /// Carries out an order to its end.
    pub(super) fn carry_out(&self, request: &ActionRequest) -> ActionOutcome {
        match &request.kind {
            ActionKind::Start { replica, version, resources, .. } => {
                let (replica, version, resources) = (replica.clone(), version.clone(), resources.clone());
                or_failed(self.start(Shape { replica, version, resources }))
            }
            ActionKind::Stop { replica, .. } => {
                let ended = lock(&self.state).machines.remove(replica);
                if let Some(machine) = ended {
                    machine.end();
                }
                ActionOutcome::DONE
            }
            ActionKind::Migrate { replica, to, mode, .. } => self.migrate(request, replica, to, *mode),
            ActionKind::Resize { replica, resources, .. } => or_failed(self.resize(replica, resources)),
            ActionKind::Snapshot { replica, name, .. } => or_failed(self.snapshot(replica, name)),
            ActionKind::Restore { replica, name, .. } => or_failed(self.restore(replica, name)),
            ActionKind::Cordon { closed, .. } => or_failed(self.cordon(*closed)),
            ActionKind::Probe { replica, .. } => self.probe(replica),
            other => ActionOutcome::failed(format!("a QEMU host cannot {}", other.verb())),
        }
    }

    fn start(&self, shape: Shape) -> Result<(), HostError> {
        let replica = shape.replica.clone();
        let running = self.machine(&replica);
        if let Some(machine) = running {
            let runs = lock(&machine.shape).version.clone();
            if machine.alive() && runs == shape.version {
                return machine.wait_for_guest();
            }
            return Err(HostError::failed(format!("{replica} runs here already, in version {runs}")));
        }
        let machine = self.make(shape, &Begin::Boot)?;
        lock(&self.state).machines.insert(replica.clone(), Arc::clone(&machine));
        let booted = machine.wait_for_guest();
        if booted.is_err() {
            machine.end();
            lock(&self.state).machines.remove(&replica);
        }
        booted
    }

    /// A new machine, if there is room for it.
    pub(super) fn make(&self, shape: Shape, begin: &Begin) -> Result<Arc<Machine>, HostError> {
        if self.dir.join("cordon").exists() {
            return Err(HostError::failed("host is closed for new work"));
        }
        let number = {
            let mut state = lock(&self.state);
            let wanted = state.used().saturating_add(&shape.resources);
            if let Some((name, needed, there)) = wanted.first_excess(&self.settings.capacity) {
                return Err(HostError::failed(format!("no room: {name} {needed} of {there}")));
            }
            state.machine_number += 1;
            state.machine_number
        };
        let limits = self.limits.of_machine(&format!("v{number}"));
        let component = shape.replica.component().clone();
        let machine =
            Machine::spawn(&machine_files(&self.dir, number), shape, &self.settings.guest, begin, limits)?;
        if lock(&self.state).memory.policies().contains_key(&component) {
            machine.link(false)?;
        }
        Ok(Arc::new(machine))
    }

    fn resize(&self, replica: &ReplicaId, resources: &Resources) -> Result<(), HostError> {
        let machine = self.machine(replica).ok_or_else(|| absent(replica))?;
        let before = lock(&machine.shape).resources.clone();
        let wanted = lock(&self.state).used().saturating_sub(&before).saturating_add(resources);
        if let Some((name, needed, there)) = wanted.first_excess(&self.settings.capacity) {
            return Err(HostError::failed(format!("no room: {name} {needed} of {there}")));
        }
        if resources.memory != before.memory {
            // Needs the guest's help; without it nothing has changed.
            machine.set_memory(resources.memory.get())?;
        }
        machine.set_processors(resources.cpu)?;
        machine.limits.quota(resources.cpu);
        lock(&machine.shape).resources = resources.clone();
        Ok(())
    }

    fn snapshot_file(&self, replica: &ReplicaId, name: &str) -> Result<PathBuf, HostError> {
        let sound = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !sound || name.starts_with('.') {
            return Err(HostError::failed(format!(
                "snapshot name `{name}`: expected letters, digits, `-`, `_`, `.`"
            )));
        }
        let whose = replica.to_string().replace(['/', '#', ':', '@', '+'], "_");
        Ok(self.dir.join(format!("snapshot-{whose}-{name}.memory")))
    }

    fn snapshot(&self, replica: &ReplicaId, name: &str) -> Result<(), HostError> {
        let machine = self.machine(replica).ok_or_else(|| absent(replica))?;
        machine.save(&self.snapshot_file(replica, name)?)
    }

    fn restore(&self, replica: &ReplicaId, name: &str) -> Result<(), HostError> {
        let saved = self.snapshot_file(replica, name)?;
        if !saved.exists() {
            return Err(HostError::failed(format!("there is no snapshot {name} of {replica} on this host")));
        }
        let old = self.machine(replica).ok_or_else(|| absent(replica))?;
        let shape = lock(&old.shape).clone();
        old.end();
        lock(&self.state).machines.remove(replica);
        let uri = format!("exec:cat '{}'", saved.display());
        let plugged = lock(&old.plugged).clone();
        let machine = self.make(shape, &Begin::Load { uri, plugged })?;
        lock(&self.state).machines.insert(replica.clone(), Arc::clone(&machine));
        // It was saved while it stood still, and stands still again once everything is read.
        machine.wait_for("a snapshot that is read", COMMAND, |it| Ok(it.status()? == "paused"))?;
        machine.execute("cont", &serde_json::json!({}))?;
        machine.wait_for_guest()
    }

    fn cordon(&self, closed: bool) -> Result<(), HostError> {
        let flag = self.dir.join("cordon");
        match (closed, flag.exists()) {
            (true, false) => std::fs::write(&flag, "").map_err(HostError::system("cordon")),
            (false, true) => std::fs::remove_file(&flag).map_err(HostError::system("cordon")),
            _ => Ok(()),
        }
    }

    /// Gives up an action that is under way here, and waits until it has ended.
    pub(super) fn abort(&self, action: ActionId) -> Result<(), HostError> {
        let machine = {
            let mut state = lock(&self.state);
            let whose = state.busy.iter().find(|&(_, id)| *id == action).map(|(replica, _)| replica.clone());
            let Some(machine) = whose.and_then(|replica| state.machines.get(&replica).cloned()) else {
                return Err(HostError::failed(format!("action {action} has ended or was never taken")));
            };
            state.aborts.insert(action);
            machine
        };
        // Refused if nothing is being sent yet; the migration sees the wish before it begins.
        drop(machine.execute("migrate_cancel", &serde_json::json!({})));
        for _ in 0..400 {
            match lock(&self.state).memory.outcome(action) {
                Some(ActionOutcome::Failed { .. }) => return Ok(()),
                Some(_) => {
                    return Err(HostError::failed(format!(
                        "action {action} had passed the point of no return"
                    )));
                }
                None => {}
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        Err(HostError::failed(format!("action {action} goes on")))
    }

    /// Cuts a component's machines off, or connects them again.
    pub(super) fn restrict(
        &self,
        component: &ComponentId,
        policy: Option<NetworkPolicy>,
    ) -> Result<(), HostError> {
        if policy.is_some_and(|it| it != NetworkPolicy::Quarantine) {
            return Err(HostError::failed("a QEMU host can only cut a machine off, not filter its traffic"));
        }
        let machines: Vec<Arc<Machine>> = {
            let mut state = lock(&self.state);
            state.memory.restrict(component, policy)?;
            let all = state.machines.iter().chain(&state.incoming);
            all.filter(|(id, _)| id.component() == component).map(|(_, it)| Arc::clone(it)).collect()
        };
        for machine in machines.iter().filter(|it| it.alive()) {
            machine.link(policy.is_none())?;
        }
        Ok(())
    }

    fn probe(&self, replica: &ReplicaId) -> ActionOutcome {
        match self.machine(replica) {
            Some(machine) if machine.alive() => {
                // Between two looks the guest has counted on, at the latest with the next timer tick.
                let busy = lock(&self.state).busy.contains_key(replica);
                let state = if busy { machine.state() } else { machine.look_twice() };
                ActionOutcome::Seen { state, version: lock(&machine.shape).version.clone() }
            }
            _ => ActionOutcome::Seen { state: ReplicaState::Stopped, version: Version::default() },
        }
    }
}

pub(super) fn absent(replica: &ReplicaId) -> HostError {
    HostError::failed(format!("{replica} does not run here"))
}

fn or_failed(result: Result<(), HostError>) -> ActionOutcome {
    result.map_or_else(|e| ActionOutcome::failed(e.to_string()), |()| ActionOutcome::DONE)
}
