//! Single actions by an operator's order: power, traffic, snapshots.

use super::Engine;
use crate::event::DeathEvidence;
use crate::state::{End, HostStatus, Phase, Reason, Rid, Task};
use ecosystem_core::{Capability, ComponentId, HostId, ReplicaId, Version};
use std::sync::Arc;

impl Engine {
    /// Switches an empty host off.
    pub(super) fn power_off(&mut self, id: &HostId, by: &str) {
        let Some(h) = self.world.host(id) else { return self.unknown("host", id.as_str()) };
        let host = self.hard.hosts[h as usize];
        let under_way = |task: &Task| task.hosts().into_iter().flatten().any(|on| on == h);
        let refusal = match () {
            () if !self.settings.capabilities.has(Capability::Power) => "the executor cannot switch hosts",
            () if self.is_host_frozen(h) => "it is frozen",
            () if host.status != HostStatus::Up => "it does not answer",
            () if !self.is_leaving(h) => "it is not being emptied; drain it first",
            () if !self.hard.on_host[h as usize].is_empty() => "it still runs or reserves something",
            () if self.hard.actions.values().any(|it| under_way(&it.task)) => "something is under way on it",
            () => {
                self.begin(&Task::PowerDown { host: h }, Reason::Maintenance, |_| Vec::new());
                let sentence = format!("{id} is switched off by order of {by}");
                let why = vec![("by", by.to_owned())];
                return self.audit("host-powering-off", self.about_host(h), why, sentence);
            }
        };
        let sentence = format!("{by} wants {id} switched off: {refusal}");
        self.audit("power-off-impossible", self.about_host(h), vec![("by", by.to_owned())], sentence);
    }

    /// The host is without power: it runs nothing, by our own doing.
    pub(super) fn powered_down(&mut self, id: u64, h: u32) {
        self.end(id, End::Done, Vec::new());
        self.bury(h, DeathEvidence::PowerOff, "was switched off by order");
    }

    /// Divides traffic between versions.
    pub(super) fn shift_traffic(&mut self, id: &ComponentId, shares: &[(Version, u32)], by: &str) {
        let Some(c) = self.world.component(id) else { return self.unknown("component", id.as_str()) };
        let sum: u64 = shares.iter().map(|(_, share)| u64::from(*share)).sum();
        let refusal = match () {
            () if !self.settings.capabilities.has(Capability::Traffic) => {
                Some("the executor cannot divide traffic".to_owned())
            }
            () if self.is_frozen(c) => Some(format!("{id} is frozen")),
            // S4: what is isolated gets no traffic by another door.
            () if self.hard.comps[c as usize].isolation.is_some() => Some(format!("{id} is isolated")),
            () if sum != 1_000 => Some(format!("the shares sum to {sum} thousandths, expected 1000")),
            () => None,
        };
        let why = vec![("by", by.to_owned())];
        if let Some(refusal) = refusal {
            let sentence = format!("{by} wants traffic of {id} divided: {refusal}");
            return self.audit("shift-impossible", self.about_component(c), why, sentence);
        }
        let shares = shares.iter().map(|(version, share)| (Arc::from(version.as_str()), *share)).collect();
        self.begin(&Task::Shift { c, shares }, Reason::Rollout, |_| Vec::new());
        let sentence = format!("traffic of {id} is divided by order of {by}");
        self.audit("traffic-shifting", self.about_component(c), why, sentence);
    }

    /// Brings a running replica back to a snapshot.
    pub(super) fn restore_snapshot(&mut self, id: &ReplicaId, name: &Arc<str>, by: &str) {
        let Some(c) = self.world.component(id.component()) else {
            return self.unknown("component", id.component().as_str());
        };
        let r = Rid { c, n: id.index() };
        let on = self.hard.replicas.get(&r).and_then(|it| match it.phase {
            Phase::Running { host } if !it.tainted => Some(host),
            _ => None,
        });
        let refusal = match on {
            None => Err(format!("{id} does not run, or is compromised")),
            Some(_) if !self.settings.capabilities.has(Capability::Snapshot) => {
                Err("the executor has no snapshots".to_owned())
            }
            Some(h) if self.is_frozen(c) || self.is_host_frozen(h) => Err(format!("{id} is frozen")),
            Some(h) => {
                self.may_disrupt(c, Reason::Maintenance).map(|()| h).map_err(|refusal| refusal.sentence)
            }
        };
        let why = vec![("by", by.to_owned()), ("snapshot", name.to_string())];
        match refusal {
            Ok(host) => {
                let task = Task::Restore { r, host, name: Arc::clone(name) };
                self.begin(&task, Reason::Maintenance, |_| Vec::new());
                let sentence = format!("{id} goes back to snapshot {name} by order of {by}");
                self.audit("replica-restoring", self.about_replica(r), why, sentence);
            }
            Err(refusal) => {
                let sentence = format!("{by} wants {id} back at snapshot {name}: {refusal}");
                self.audit("restore-impossible", self.about_replica(r), why, sentence);
            }
        }
    }
}
