//! The events of a scenario, with the meaning they have in Proxmox HA.

use crate::input::{Policy, id, policy, started, text};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use vm_ecosystem::model::{ComponentId, HostId, ReplicaId};
use vm_ecosystem::reconfig::sim::{Drill, Fault, Input};
use vm_ecosystem::reconfig::{DeathEvidence, Event, Order, Scope};

/// From power to the first sign of life and the services' return, beyond the time to boot.
const AFTER_BOOT_S: u64 = 15;

/// Services that must be on one host, or on different ones.
pub(crate) struct Affinity {
    pub(crate) together: bool,
    pub(crate) members: Vec<ComponentId>,
}

/// Where a service is.
pub(crate) struct Place {
    pub(crate) replica: ReplicaId,
    pub(crate) host: HostId,
    pub(crate) serves: bool,
    pub(crate) moves: bool,
}

/// A scenario that is being played.
pub(crate) struct Story {
    pub(crate) drill: Drill,
    pub(crate) services: Vec<ComponentId>,
    pub(crate) hosts: Vec<HostId>,
    /// Priorities of hosts by service: it fails back to the best that is up.
    pub(crate) groups: BTreeMap<ComponentId, BTreeMap<HostId, u32>>,
    pub(crate) affinities: Vec<Affinity>,
    /// Where services were before maintenance took them away.
    pub(crate) origins: BTreeMap<ComponentId, HostId>,
    /// Services that stay where they are.
    pub(crate) stay: BTreeSet<ComponentId>,
    /// Hosts that the scenario switched off, cut off, or is emptying.
    pub(crate) off: BTreeSet<HostId>,
    cut: BTreeSet<HostId>,
    pub(crate) closed: BTreeSet<HostId>,
    /// Hosts frozen by an event of their own.
    frozen: BTreeSet<HostId>,
    /// Orders that wait until a host is switched on.
    on_power: BTreeMap<HostId, Order>,
    /// Hosts that go down once they are empty; with the time to boot if they come back by themselves.
    pub(crate) emptying: BTreeMap<HostId, Option<u64>>,
}

impl Story {
    pub(crate) fn new(
        drill: Drill,
        services: Vec<ComponentId>,
        hosts: Vec<HostId>,
        groups: BTreeMap<ComponentId, BTreeMap<HostId, u32>>,
        affinities: Vec<Affinity>,
    ) -> Self {
        let mut story = Self {
            drill,
            services,
            hosts,
            groups,
            affinities,
            origins: BTreeMap::new(),
            stay: BTreeSet::new(),
            off: BTreeSet::new(),
            cut: BTreeSet::new(),
            closed: BTreeSet::new(),
            frozen: BTreeSet::new(),
            on_power: BTreeMap::new(),
            emptying: BTreeMap::new(),
        };
        for (service, group) in &story.groups {
            for (host, priority) in group {
                // Even numbers; what was there before counts one, less than any priority of a group.
                story.drill.prefer(
                    service.clone(),
                    host.clone(),
                    priority.saturating_add(1).saturating_mul(2),
                );
            }
        }
        story
    }

    /// A stopped service starts where it was, as far as its group has no better host.
    pub(crate) fn keep_at(&mut self, service: &ComponentId, host: &HostId) {
        for other in &self.hosts {
            let group = self.groups.get(service).and_then(|group| group.get(other));
            let base = group.map_or(0, |priority| priority.saturating_add(1).saturating_mul(2));
            self.drill.prefer(service.clone(), other.clone(), base.saturating_add(u32::from(other == host)));
        }
    }

    pub(crate) fn give(&mut self, after_s: u64, input: Input) {
        let at = Duration::from_millis(self.drill.elapsed_ms()) + Duration::from_secs(after_s);
        self.drill.at(at, input);
    }

    pub(crate) fn order(&mut self, order: Order) {
        self.order_after(0, order);
    }

    pub(crate) fn order_after(&mut self, after_s: u64, order: Order) {
        self.give(after_s, Input::Event(Event::Order { order, by: Arc::from("operator") }));
    }

    pub(crate) fn place(&self, service: &ComponentId) -> Option<Place> {
        let engine = self.drill.engine()?;
        let it = engine.replicas().find(|it| it.replica.component() == service && !it.retiring)?;
        let host = it.hosts.first()?.clone();
        Some(Place { replica: it.replica, host, serves: it.available, moves: it.phase != "running" })
    }

    /// True if it failed all its attempts: only disabling it ends that.
    pub(crate) fn has_failed(&self, service: &ComponentId) -> bool {
        self.drill
            .engine()
            .is_some_and(|it| it.replicas().any(|r| r.replica.component() == service && r.failed))
    }

    /// Whether an event can be understood, before anything happens.
    pub(crate) fn check(&self, event: &Value, file: &Value) -> Result<(), String> {
        let (kind, target) = (text(event, "kind")?, text(event, "target")?);
        let host = self.hosts.iter().any(|host| host.as_str() == target);
        let service = self.services.iter().any(|service| service.as_str() == target);
        let (known, what) = match kind {
            "power_off" | "power_on" | "network_off" | "network_on" | "maintenance_on"
            | "maintenance_off" => (host, "host"),
            "reboot" | "shutdown" => {
                crate::input::number(event, "boot_s", 60)?;
                policy(event, file)?;
                (host, "host")
            }
            "service_add" | "service_remove" | "service_crash" | "service_repaired" => (service, "service"),
            "service_state" => {
                started(event)?;
                (service, "service")
            }
            "service_move" => {
                self.goal(event)?;
                (service, "service")
            }
            "freeze" | "thaw" => (host || service || target == "all", "host or service"),
            other => return Err(format!("event kind `{other}` is not known")),
        };
        known.then_some(()).ok_or_else(|| format!("event `{kind}` names unknown {what} `{target}`"))
    }

    /// Where a service is moved by hand.
    fn goal(&self, event: &Value) -> Result<HostId, String> {
        let key = ["host", "to", "node"].into_iter().find(|key| !event[*key].is_null()).unwrap_or("host");
        let to: HostId = id(text(event, key)?)?;
        let known = self.hosts.contains(&to);
        known.then_some(to.clone()).ok_or_else(|| format!("event names unknown host `{to}`"))
    }

    /// One event of the file.
    pub(crate) fn event(&mut self, event: &Value, file: &Value) -> Result<(), String> {
        let (kind, target) = (text(event, "kind")?, text(event, "target")?);
        let host = || -> Result<HostId, String> {
            let host: HostId = id(target)?;
            let known = self.hosts.contains(&host);
            known.then_some(host).ok_or_else(|| format!("event names unknown host `{target}`"))
        };
        let service = || -> Result<ComponentId, String> {
            let service: ComponentId = id(target)?;
            let known = self.services.contains(&service);
            known.then_some(service).ok_or_else(|| format!("event names unknown service `{target}`"))
        };
        match kind {
            "power_off" => {
                let host = host()?;
                self.off.insert(host.clone());
                self.give(0, Input::Fault(Fault::HostCrash(host)));
            }
            "power_on" => {
                let host = host()?;
                self.power_on(&host);
            }
            "network_off" => {
                let host = host()?;
                self.cut.insert(host.clone());
                self.give(0, Input::Fault(Fault::HostPartition(host)));
            }
            "network_on" => {
                let host = host()?;
                self.cut.remove(&host);
                self.give(0, Input::Fault(Fault::HostReconnected(host.clone())));
                // A host that was fenced has rebooted meanwhile.
                if !self.off.contains(&host) {
                    self.give(0, Input::Fault(Fault::HostPowered(host)));
                }
            }
            "reboot" | "shutdown" => {
                let boot = crate::input::number(event, "boot_s", 60)?;
                let (host, policy) = (host()?, policy(event, file)?);
                self.go_down(&host, policy, (kind == "reboot").then_some(boot));
            }
            "maintenance_on" => {
                let host = host()?;
                self.empty(&host);
            }
            "maintenance_off" => {
                let host = host()?;
                self.closed.remove(&host);
                // Taking a dead host back would switch it on.
                if self.off.contains(&host) {
                    self.on_power.insert(host.clone(), Order::Restore(host));
                } else {
                    self.order(Order::Restore(host));
                }
            }
            "service_add" => self.order(Order::SetReplicas(service()?, 1)),
            "service_remove" => self.order(Order::SetReplicas(service()?, 0)),
            "service_state" => {
                let service = service()?;
                self.set_state(service, event)?;
            }
            "service_move" => {
                let service = service()?;
                self.move_service(&service, event)?;
            }
            "service_crash" => {
                let service = service()?;
                if let Some(place) = self.place(&service) {
                    self.give(0, Input::Fault(Fault::ReplicaCrash(place.replica)));
                }
            }
            "service_repaired" => {
                let service = service()?;
                self.give(0, Input::Fault(Fault::StartsSucceed(service)));
            }
            "freeze" | "thaw" => {
                let scope = match target {
                    "all" => Scope::All,
                    name if self.hosts.iter().any(|host| host.as_str() == name) => Scope::Host(id(name)?),
                    _ => Scope::Component(service()?),
                };
                if let Scope::Host(host) = &scope {
                    if kind == "freeze" {
                        self.frozen.insert(host.clone());
                    } else {
                        self.frozen.remove(host);
                    }
                }
                self.order(if kind == "freeze" { Order::Freeze(scope) } else { Order::Thaw(scope) });
            }
            other => return Err(format!("event kind `{other}` is not known")),
        }
        Ok(())
    }

    fn power_on(&mut self, host: &HostId) {
        self.off.remove(host);
        self.give(0, Input::Fault(Fault::HostPowered(host.clone())));
        if let Some(order) = self.on_power.remove(host) {
            self.closed.remove(host);
            self.order_after(AFTER_BOOT_S, order);
        }
    }

    /// A host goes down in an orderly way; `boot` seconds later it is back, or not by itself.
    fn go_down(&mut self, host: &HostId, policy: Policy, boot: Option<u64>) {
        match (policy, boot) {
            (Policy::Migrate, boot) => {
                self.empty(host);
                self.emptying.insert(host.clone(), boot);
            }
            (Policy::Freeze, None) => {
                // They wait for their host.
                self.order(Order::Freeze(Scope::Host(host.clone())));
                self.switch_off(host, None);
                self.thaw_when_back(host);
            }
            (Policy::Freeze | Policy::Conditional, Some(boot)) => {
                self.order(Order::Freeze(Scope::Host(host.clone())));
                self.give(0, Input::Fault(Fault::HostCrash(host.clone())));
                self.give(boot, Input::Fault(Fault::HostPowered(host.clone())));
                if !self.frozen.contains(host) {
                    self.order_after(boot + AFTER_BOOT_S, Order::Thaw(Scope::Host(host.clone())));
                }
            }
            (Policy::Failover, Some(boot)) => {
                self.give(0, Input::Fault(Fault::HostCrash(host.clone())));
                self.give(boot, Input::Fault(Fault::HostPowered(host.clone())));
            }
            (Policy::Conditional | Policy::Failover, None) => {
                self.switch_off(host, Some(DeathEvidence::PowerOff));
            }
        }
    }

    fn thaw_when_back(&mut self, host: &HostId) {
        if !self.frozen.contains(host) {
            self.on_power.insert(host.clone(), Order::Thaw(Scope::Host(host.clone())));
        }
    }

    /// Off for good; an orderly shutdown is evidence enough that nothing runs there.
    fn switch_off(&mut self, host: &HostId, evidence: Option<DeathEvidence>) {
        self.off.insert(host.clone());
        self.give(0, Input::Fault(Fault::HostCrash(host.clone())));
        if let Some(evidence) = evidence {
            self.give(1, Input::Event(Event::HostFailed { host: host.clone(), evidence }));
        }
    }

    /// An emptied host goes off.
    pub(crate) fn switch_off_empty(&mut self, host: &HostId, boot: Option<u64>) {
        let restore = Order::Restore(host.clone());
        self.switch_off(host, Some(DeathEvidence::PowerOff));
        match boot {
            Some(boot) => {
                self.off.remove(host);
                self.closed.remove(host);
                self.give(boot, Input::Fault(Fault::HostPowered(host.clone())));
                self.order_after(boot + AFTER_BOOT_S, restore);
            }
            None => {
                self.on_power.insert(host.clone(), restore);
            }
        }
    }

    /// Empties a host and remembers what was there, so that it can come back.
    fn empty(&mut self, host: &HostId) {
        let on_it = |service: &&ComponentId| self.place(service).is_some_and(|place| place.host == *host);
        let here: Vec<_> =
            self.services.iter().filter(on_it).map(|service| (service.clone(), host.clone())).collect();
        self.origins.extend(here);
        self.closed.insert(host.clone());
        self.order(Order::Drain(host.clone()));
    }

    fn set_state(&mut self, service: ComponentId, event: &Value) -> Result<(), String> {
        let starts = started(event)?;
        // Out of the error state leads only `disabled`.
        if self.has_failed(&service) && event["state"].as_str() != Some("disabled") {
            return Ok(());
        }
        if let Some(place) = self.place(&service).filter(|_| !starts) {
            self.keep_at(&service, &place.host);
        }
        self.order(Order::SetReplicas(service, u32::from(starts)));
        Ok(())
    }

    fn move_service(&mut self, service: &ComponentId, event: &Value) -> Result<(), String> {
        let to = self.goal(event)?;
        // Whoever moves it by hand does not want it back.
        self.origins.remove(service);
        match self.place(service) {
            Some(place) => self.order(Order::Move(place.replica, to)),
            None => self.keep_at(service, &to),
        }
        Ok(())
    }
}
