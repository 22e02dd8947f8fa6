//! The invariants S1 to S9, checked against the simulated truth. Shares no code with the engine: it reads the
//! engine's public views, the orders that leave it, and what really runs.

use super::simulator::{Running, Simulator};
use crate::engine::Engine;
use crate::state::Reason;
use ecosystem_core::{
    ActionId, ActionKind, ActionRequest, ComponentId, HostId, NetworkPolicy, ReplicaId, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// A broken invariant.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Broken {
    /// When it was seen.
    pub at: Timestamp,
    /// `S1` to `S9`.
    pub invariant: &'static str,
    /// What is wrong.
    pub sentence: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.at, self.invariant, self.sentence)
    }
}

/// Watches an engine and a simulator.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    broken: Vec<Broken>,
    seen: BTreeMap<ActionId, ActionKind>,
    begun: BTreeMap<ActionId, (Timestamp, Duration)>,
    /// Components cut off since their last granted approval.
    cut: BTreeSet<ComponentId>,
    granted: BTreeSet<ComponentId>,
    /// Replicas that served before the latest event was handled.
    served: BTreeSet<ReplicaId>,
    /// Time without an engine, which does not count against deadlines.
    paused_until: Timestamp,
}

impl Checker {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was broken so far; at most 1,000 entries are kept.
    pub fn broken(&self) -> &[Broken] {
        &self.broken
    }

    /// What serves, as far as the engine knows; call it before every event and timeout.
    pub fn before(&mut self, engine: &Engine) {
        self.served = engine.replicas().filter(|it| it.available).map(|it| it.replica).collect();
    }

    /// S1, S2, S4 and S5 on the truth of this moment.
    pub fn check(&mut self, engine: &Engine, sim: &Simulator) {
        self.check_ground(sim);
        let now = sim.now();
        for host in engine.hosts() {
            if let Some((what, used, room)) = host.used.first_excess(&host.room) {
                let sentence = format!("{} has {used} of {what} reserved and only {room}", host.host);
                self.report(now, "S2", sentence);
            }
        }
        for component in &self.cut.clone() {
            if !self.granted.contains(component) && sim.policy(component) != Some(NetworkPolicy::Quarantine) {
                self.report(now, "S4", format!("{component} has traffic before approval"));
            }
        }
        let unfinished: BTreeSet<ActionId> = engine.unfinished().collect();
        self.begun.retain(|id, _| unfinished.contains(id));
        let overdue: Vec<ActionId> = self
            .begun
            .iter()
            .filter(|(_, (since, allowed))| now.saturating_since((*since).max(self.paused_until)) > *allowed)
            .map(|(id, _)| *id)
            .collect();
        for id in overdue {
            self.begun.remove(&id);
            let kind = self.seen.get(&id).map_or_else(String::new, ToString::to_string);
            self.report(now, "S5", format!("action {id} ({kind}) does not end"));
        }
    }

    /// S1 and S2 on what really runs.
    fn check_ground(&mut self, sim: &Simulator) {
        let now = sim.now();
        let mut active: BTreeMap<&ReplicaId, Vec<&HostId>> = BTreeMap::new();
        let mut hosts: BTreeSet<&HostId> = BTreeSet::new();
        for (replica, host, state) in sim.instances() {
            hosts.insert(host);
            if state != Running::Incoming {
                active.entry(replica).or_default().push(host);
            }
        }
        for (replica, on) in active {
            if on.len() > 1 {
                let sentence = format!("{replica} is active on {} and {}", on[0], on[1]);
                self.report(now, "S1", sentence);
            }
        }
        for host in hosts {
            if let Some((used, room)) = sim.usage(host)
                && let Some((what, needed, available)) = used.first_excess(&room)
            {
                let sentence = format!("{host} runs {needed} of {what} and has {available}");
                self.report(now, "S2", sentence);
            }
        }
    }

    /// S3, S4, S6, S7, S8 and S9 on an order that leaves the engine; call it before the order is submitted.
    pub fn order(&mut self, engine: &Engine, sim: &Simulator, request: &ActionRequest) {
        let now = sim.now();
        if let Some(before) = self.seen.get(&request.id) {
            if *before != request.kind {
                let sentence = format!("action {} was `{before}` and is now `{}`", request.id, request.kind);
                self.report(now, "S7", sentence);
            }
            return;
        }
        self.seen.insert(request.id, request.kind.clone());
        let allowed = request.deadline.saturating_since(now) * 4 + Duration::from_secs(1_800);
        self.begun.insert(request.id, (now, allowed));
        self.check_frozen(engine, now, request);
        match &request.kind {
            ActionKind::Start { replica, host, .. } => {
                let elsewhere = sim
                    .instances()
                    .find(|(it, on, state)| *it == replica && *on != host && *state != Running::Incoming);
                if let Some((_, on, _)) = elsewhere {
                    let sentence = format!("{replica} is started on {host} while it is active on {on}");
                    self.report(now, "S6", sentence);
                }
            }
            ActionKind::Stop { replica, .. } => self.check_budget(engine, sim, request.id, replica),
            ActionKind::ApplyNetworkPolicy { component, .. } => {
                self.granted.remove(component);
            }
            ActionKind::RemoveNetworkPolicy { component } if !self.granted.contains(component) => {
                self.report(now, "S4", format!("{component} is reconnected without approval"));
            }
            _ => {}
        }
    }

    /// S3 and S9: what we take down by our own will leaves enough, counting what is down already.
    fn check_budget(&mut self, engine: &Engine, sim: &Simulator, id: ActionId, replica: &ReplicaId) {
        let now = sim.now();
        let reason = engine.reason(id);
        if !reason.is_some_and(Reason::is_voluntary) || engine.is_stray_stop(id) {
            return;
        }
        let component = replica.component();
        let others = engine
            .replicas()
            .filter(|it| it.replica.component() == component && it.available && it.replica != *replica)
            .count();
        let (desired, budget) = (engine.desired(component), engine.disruption_budget(component));
        let missing = desired.saturating_sub(u32::try_from(others).unwrap_or(u32::MAX));
        if missing > budget {
            let name = if reason == Some(Reason::Rollout) { "S9" } else { "S3" };
            // Whoever served nobody before, on the ground or as far as was known, is not missed.
            let healthy = engine.replicas().any(|it| it.replica == *replica && it.healthy);
            let truly = sim.instances().any(|(it, _, state)| it == replica && state == Running::Serving);
            if healthy && truly && self.served.contains(replica) {
                let sentence = format!(
                    "{replica} is stopped: {missing} of {desired} replicas of {component} missing, {budget} may be"
                );
                self.report(now, name, sentence);
            }
        }
    }

    /// S8: nothing new is begun on what is frozen. Looking (probes) is allowed.
    fn check_frozen(&mut self, engine: &Engine, now: Timestamp, request: &ActionRequest) {
        let component = match &request.kind {
            ActionKind::Probe { .. } | ActionKind::Abort { .. } => return,
            ActionKind::ApplyNetworkPolicy { component, .. }
            | ActionKind::RemoveNetworkPolicy { component }
            | ActionKind::RotateCredentials { component }
            | ActionKind::ShiftTraffic { component, .. } => Some(component),
            kind => kind.replica().map(ReplicaId::component),
        };
        if let Some(component) = component
            && engine.frozen(component)
        {
            self.report(now, "S8", format!("{} is begun though {component} is frozen", request.kind));
        }
        let hosts: Vec<&HostId> = match &request.kind {
            ActionKind::Start { host, .. }
            | ActionKind::Stop { host, .. }
            | ActionKind::Snapshot { host, .. }
            | ActionKind::Resize { host, .. }
            | ActionKind::Fence { host } => vec![host],
            ActionKind::Migrate { from, to, .. } => vec![from, to],
            _ => Vec::new(),
        };
        for host in hosts {
            if engine.hosts().any(|it| it.host == *host && it.frozen) {
                self.report(now, "S8", format!("{} is begun though {host} is frozen", request.kind));
            }
        }
    }

    /// What an action seen before was.
    pub fn kind(&self, action: ActionId) -> Option<&ActionKind> {
        self.seen.get(&action)
    }

    /// The network of a component is really cut: from now on S4 holds.
    pub fn cut(&mut self, component: &ComponentId) {
        self.cut.insert(component.clone());
        self.granted.remove(component);
    }

    /// A person allowed a component its traffic back.
    pub fn approved(&mut self, component: &ComponentId) {
        self.granted.insert(component.clone());
        self.cut.remove(component);
    }

    /// S7: an engine that was replayed from the whole journal has the same hard state as the one that wrote it.
    pub fn replayed(&mut self, now: Timestamp, equal: bool) {
        self.paused_until = now;
        if !equal {
            self.report(now, "S7", "the replayed state differs from the state before the crash".to_owned());
        }
    }

    fn report(&mut self, at: Timestamp, invariant: &'static str, sentence: String) {
        if self.broken.len() < 1_000 && self.broken.last().is_none_or(|last| last.sentence != sentence) {
            self.broken.push(Broken { at, invariant, sentence });
        }
    }
}
