//! What orders do to the simulated infrastructure.

use super::simulator::{Due, Instance, Running, SimHost, Simulator, as_state, place_of};
use ecosystem_core::{
    ActionId, ActionKind, ActionOutcome, ActionRequest, HostId, HypervisorEvent, MigrationMode, ReplicaId,
    ReplicaState, Resources, Version,
};
use std::sync::Arc;
use std::time::Duration;

impl Simulator {
    /// Begins an order. Orders to hosts that do not answer get lost.
    pub(super) fn accept(&mut self, request: &ActionRequest) {
        let id = request.id;
        if let Some((_, host)) = place_of(&request.kind)
            && !self.hosts.get(&host).is_some_and(SimHost::answers)
        {
            return;
        }
        self.actions.insert(id, request.clone());
        match &request.kind {
            ActionKind::Start { replica, host, version, resources } => {
                let key = (replica.clone(), host.clone());
                match self.instances.get(&key).map(|it| it.state) {
                    Some(Running::Serving | Running::Unhealthy | Running::Booting) => {
                        let (after, _) = self.settings.boot;
                        return self.schedule(after, Due::Complete(id));
                    }
                    Some(_) => return self.finish(id, failed("is busy")),
                    None => {}
                }
                let Some((used, room)) = self.usage(host) else {
                    return self.finish(id, failed("no such host"));
                };
                if !used.saturating_add(resources).fits_in(&room) {
                    return self.finish(id, failed("no room"));
                }
                let instance = Instance {
                    state: Running::Booting,
                    version: version.clone(),
                    resources: resources.clone(),
                };
                self.instances.insert(key, instance);
                let (low, high) = self.settings.boot;
                let boot = self.rng.between(super::simulator::millis(low), super::simulator::millis(high));
                self.schedule(Duration::from_millis(boot), Due::Complete(id));
            }
            ActionKind::Stop { replica, host } => {
                if let Some(it) = self.instances.get_mut(&(replica.clone(), host.clone())) {
                    it.state = Running::Stopping;
                }
                self.schedule(self.settings.stop, Due::Complete(id));
            }
            ActionKind::Migrate { replica, from, to, mode } => self.begin_copy(id, replica, from, to, *mode),
            ActionKind::Resize { replica, host, resources } => {
                if !self.has_room_for(replica, host, resources) {
                    return self.finish(id, failed("does not run, or there is no room"));
                }
                self.schedule(self.settings.quick, Due::Complete(id));
            }
            ActionKind::Probe { replica, host } => {
                let seen = self.instances.get(&(replica.clone(), host.clone()));
                let outcome = ActionOutcome::Seen {
                    state: seen.map_or(ReplicaState::Stopped, |it| as_state(it.state)),
                    version: seen.map_or_else(Version::default, |it| it.version.clone()),
                };
                self.finish(id, outcome);
            }
            ActionKind::Fence { .. } => self.schedule(self.settings.fence, Due::Complete(id)),
            ActionKind::Snapshot { .. } => self.schedule(self.settings.snapshot, Due::Complete(id)),
            _ => self.schedule(self.settings.quick, Due::Complete(id)),
        }
    }

    /// True if a replica runs on a host and could have this size there.
    fn has_room_for(&self, replica: &ReplicaId, host: &HostId, size: &Resources) -> bool {
        let Some(it) = self.instances.get(&(replica.clone(), host.clone())) else { return false };
        let runs = matches!(it.state, Running::Serving | Running::Unhealthy);
        let fits = self.usage(host).is_some_and(|(used, room)| {
            used.saturating_sub(&it.resources).saturating_add(size).fits_in(&room)
        });
        runs && fits
    }

    fn begin_copy(
        &mut self,
        id: ActionId,
        replica: &ReplicaId,
        from: &HostId,
        to: &HostId,
        mode: MigrationMode,
    ) {
        let source = self.instances.get(&(replica.clone(), from.clone())).cloned();
        let target_free = !self.instances.contains_key(&(replica.clone(), to.clone()));
        let reachable = self.hosts.get(to).is_some_and(SimHost::answers);
        let Some(source) = source.filter(|it| it.state == Running::Serving && target_free && reachable)
        else {
            return self.finish(id, failed("source or target is not ready"));
        };
        let fits =
            self.usage(to).is_some_and(|(used, room)| used.saturating_add(&source.resources).fits_in(&room));
        if !fits {
            return self.finish(id, failed("no room on the target"));
        }
        let mut time = self.copy_time(replica, source.resources.memory);
        if mode == MigrationMode::Cold {
            // Stopped, moved, started.
            time = time + self.settings.stop + self.settings.boot.1;
            if let Some(it) = self.instances.get_mut(&(replica.clone(), from.clone())) {
                it.state = Running::Stopping;
            }
        }
        let incoming = Instance { state: Running::Incoming, ..source };
        self.instances.insert((replica.clone(), to.clone()), incoming);
        self.schedule(time, Due::Complete(id));
    }

    fn finish(&mut self, id: ActionId, outcome: ActionOutcome) {
        self.ended.insert(id, outcome.clone());
        self.actions.remove(&id);
        self.tell(&HypervisorEvent::Finished { action: id, outcome });
    }

    /// An order takes its effect.
    pub(super) fn complete(&mut self, id: ActionId) {
        let Some(request) = self.actions.get(&id).cloned() else { return };
        if let Some((_, host)) = place_of(&request.kind)
            && let Some(it) = self.hosts.get(&host)
            && !it.answers()
        {
            return self.complete_unheard(id, &request.kind);
        }
        match &request.kind {
            ActionKind::Start { replica, host, version, .. } => {
                let key = (replica.clone(), host.clone());
                let component = replica.component();
                let bad = self.bad.contains(&(component.clone(), version.as_str().to_owned()))
                    || self.bad_hosts.contains(&(component.clone(), host.clone()));
                let fails = bad || self.rng.chance(self.settings.start_fails_permille);
                match self.instances.get_mut(&key) {
                    Some(it) if it.state == Running::Serving => self.finish(id, ActionOutcome::DONE),
                    Some(_) if fails => {
                        self.instances.remove(&key);
                        self.finish(id, failed("crashed while booting"));
                    }
                    Some(it) if it.state != Running::Stopping => {
                        it.state = Running::Serving;
                        self.finish(id, ActionOutcome::DONE);
                    }
                    _ => self.finish(id, failed("was stopped while booting")),
                }
            }
            ActionKind::Stop { replica, host } => {
                self.instances.remove(&(replica.clone(), host.clone()));
                self.finish(id, ActionOutcome::DONE);
            }
            ActionKind::Migrate { replica, from, to, mode } => {
                self.switch_over(id, replica, from, to, *mode == MigrationMode::Cold);
            }
            ActionKind::Snapshot { replica, host, .. } | ActionKind::Restore { replica, host, .. } => {
                let there = self.instances.contains_key(&(replica.clone(), host.clone()));
                self.finish(id, if there { ActionOutcome::DONE } else { failed("does not run") });
            }
            ActionKind::Fence { host } => {
                if self.hosts.get(host).is_none_or(|it| it.fence_broken) {
                    return self.finish(id, failed("the power controller does not answer"));
                }
                self.power_off(&host.clone());
                self.finish(id, ActionOutcome::DONE);
            }
            ActionKind::Power { host, on } => {
                if !on {
                    self.power_off(&host.clone());
                } else if let Some(it) = self.hosts.get_mut(host) {
                    it.powered = true;
                }
                self.finish(id, ActionOutcome::DONE);
            }
            ActionKind::Resize { replica, host, resources } => {
                let outcome = self.resize(&(replica.clone(), host.clone()), resources);
                self.finish(id, outcome);
            }
            ActionKind::ApplyNetworkPolicy { component, policy } => {
                self.policies.insert(component.clone(), *policy);
                self.finish(id, ActionOutcome::DONE);
            }
            ActionKind::RemoveNetworkPolicy { component } => {
                self.policies.remove(component);
                self.finish(id, ActionOutcome::DONE);
            }
            ActionKind::Abort { action } => self.abort(id, *action),
            _ => self.finish(id, ActionOutcome::DONE),
        }
    }

    /// Gives a running replica other resources, if its host has them.
    fn resize(&mut self, key: &(ReplicaId, HostId), resources: &Resources) -> ActionOutcome {
        let Some(before) = self.instances.get(key).map(|it| it.resources.clone()) else {
            return failed("does not run");
        };
        let fits = self.usage(&key.1).is_some_and(|(used, room)| {
            used.saturating_sub(&before).saturating_add(resources).fits_in(&room)
        });
        match self.instances.get_mut(key) {
            Some(it) if fits => it.resources = resources.clone(),
            _ => return failed("no room"),
        }
        ActionOutcome::DONE
    }

    /// The host of an order does not answer when the order would take effect.
    fn complete_unheard(&mut self, id: ActionId, kind: &ActionKind) {
        // Behind a broken network things go on unheard; without power or hung they do not.
        let goes_on = place_of(kind)
            .and_then(|(_, host)| self.hosts.get(&host))
            .is_some_and(|host| host.powered && !host.hung);
        self.actions.remove(&id);
        let outcome = match kind {
            ActionKind::Start { replica, host, .. } if goes_on => {
                if let Some(it) = self.instances.get_mut(&(replica.clone(), host.clone()))
                    && it.state == Running::Booting
                {
                    it.state = Running::Serving;
                }
                ActionOutcome::DONE
            }
            ActionKind::Stop { replica, host } if goes_on => {
                self.instances.remove(&(replica.clone(), host.clone()));
                ActionOutcome::DONE
            }
            ActionKind::Migrate { replica, from, to, .. } => {
                self.instances.remove(&(replica.clone(), to.clone()));
                self.serve_again(replica, from);
                failed("the connection broke")
            }
            ActionKind::Resize { replica, host, resources } if goes_on => {
                self.resize(&(replica.clone(), host.clone()), resources)
            }
            _ => failed("the host does not answer"),
        };
        self.ended.insert(id, outcome);
    }

    /// What was stopped for a move that came to nothing runs where it was.
    fn serve_again(&mut self, replica: &ReplicaId, from: &HostId) {
        if let Some(it) = self.instances.get_mut(&(replica.clone(), from.clone()))
            && it.state == Running::Stopping
        {
            it.state = Running::Serving;
        }
    }

    fn switch_over(&mut self, id: ActionId, replica: &ReplicaId, from: &HostId, to: &HostId, cold: bool) {
        let (source, target) = ((replica.clone(), from.clone()), (replica.clone(), to.clone()));
        let sound = self.hosts.get(to).is_some_and(SimHost::answers)
            && self
                .instances
                .get(&source)
                .is_some_and(|it| it.state == if cold { Running::Stopping } else { Running::Serving })
            && self.instances.contains_key(&target);
        let unclear = self.rng.chance(self.settings.switch_over_unclear_permille);
        if !sound || (unclear && self.rng.chance(500)) {
            self.instances.remove(&target);
            if cold {
                self.serve_again(replica, from);
            }
            let outcome = if unclear { uncertain() } else { failed("the copy broke off") };
            return self.finish(id, outcome);
        }
        self.instances.remove(&source);
        if let Some(it) = self.instances.get_mut(&target) {
            it.state = Running::Serving;
        }
        let done = ActionOutcome::Done { downtime: Duration::from_millis(60) };
        self.finish(id, if unclear { uncertain() } else { done });
    }

    fn abort(&mut self, id: ActionId, target: ActionId) {
        let Some(request) = self.actions.get(&target).cloned() else {
            return self.finish(id, failed("has ended or was never taken"));
        };
        match &request.kind {
            ActionKind::Migrate { replica, from, to, mode } => {
                self.instances.remove(&(replica.clone(), to.clone()));
                if *mode == MigrationMode::Cold {
                    self.serve_again(replica, from);
                }
            }
            ActionKind::Start { replica, host, .. } => {
                self.instances.remove(&(replica.clone(), host.clone()));
            }
            ActionKind::Snapshot { .. } => {}
            _ => return self.finish(id, failed("cannot be aborted")),
        }
        self.finish(target, failed("was aborted"));
        self.finish(id, ActionOutcome::DONE);
    }
}

fn failed(why: &str) -> ActionOutcome {
    ActionOutcome::Failed { reason: Arc::from(why) }
}

fn uncertain() -> ActionOutcome {
    ActionOutcome::Uncertain { reason: Arc::from("the link broke during the switch-over") }
}
