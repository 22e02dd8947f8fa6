//! Liveness, judged on the ground: what is wanted and does not serve, and whether some host could take it.
//!
//! The judgement reads the simulated truth, the map and its rules, and from the engine only how many replicas it
//! wants; it shares no code with the engine's guards. It is the plain counterpart of "everything placeable runs".

use super::drill::Drill;
use super::simulator::Running;
use ecosystem_core::{
    Component, ComponentId, HostId, HostState, Infrastructure, Placement, ReplicaId, Rule, RuleKind, Weight,
};
use std::collections::BTreeSet;
use std::fmt;

/// A component of which fewer replicas serve than are wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Starved {
    /// Which.
    pub component: ComponentId,
    /// Replicas the engine wants.
    pub wanted: u32,
    /// Replicas that serve on the ground.
    pub serving: u32,
    /// A host that could take one more as things stand; `None` = no host can, with the reasons in
    /// [`refusals`](Self::refusals).
    pub host: Option<HostId>,
    /// For every host that cannot take one more the reason.
    pub refusals: Vec<(HostId, String)>,
}

impl fmt::Display for Starved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} of {} replicas serve; ", self.component, self.serving, self.wanted)?;
        if let Some(host) = &self.host {
            return write!(f, "{host} could take one more");
        }
        write!(f, "no host can take one more:")?;
        self.refusals.iter().try_for_each(|(host, why)| write!(f, " {host} {why};"))
    }
}

impl Drill {
    /// Every component with fewer serving replicas than wanted, and whether one of them could be placed without
    /// moving anything. O(components × hosts × rules); nothing while the engine is down.
    pub fn starved(&self) -> Vec<Starved> {
        let Some(engine) = self.engine() else { return Vec::new() };
        let mut found = Vec::new();
        for component in self.ecosystem().components() {
            let wanted = engine.desired(&component.id);
            let serving = self
                .simulator()
                .instances()
                .filter(|(r, _, state)| r.component() == &component.id && *state == Running::Serving)
                .count();
            let serving = u32::try_from(serving).unwrap_or(u32::MAX);
            if serving < wanted {
                found.push(self.look_for_room(component, wanted, serving));
            }
        }
        found
    }

    fn look_for_room(&self, component: &Component, wanted: u32, serving: u32) -> Starved {
        let mut starved =
            Starved { component: component.id.clone(), wanted, serving, host: None, refusals: Vec::new() };
        let mut there = Placement::new();
        for (replica, host, state) in self.simulator().instances() {
            if state != Running::Incoming {
                there.set(replica.clone(), host.clone());
            }
        }
        for (ix, host) in self.infrastructure().hosts().iter().enumerate() {
            match self.refusal(component, ix, &there) {
                None => {
                    starved.host = Some(host.id.clone());
                    return starved;
                }
                Some(why) => starved.refusals.push((host.id.clone(), why)),
            }
        }
        starved
    }

    /// Why one more replica of a component cannot run on a host.
    fn refusal(&self, component: &Component, host: usize, there: &Placement) -> Option<String> {
        let infrastructure = self.infrastructure();
        let it = &infrastructure.hosts()[host];
        let soon = self.now().saturating_add(self.maintenance_lead());
        let open = [self.now(), soon].iter().all(|&at| it.state_at(at) == HostState::Ready);
        if !self.simulator().answers(&it.id) || !open {
            return Some("does not take work".to_owned());
        }
        let (used, room) = self.simulator().usage(&it.id)?;
        let request = &component.requirements.request;
        if let Some((what, needed, available)) = used.saturating_add(request).first_excess(&room) {
            return Some(format!("would need {needed} of {what} and has {available}"));
        }
        if let Some((key, value)) = it.taints.iter().find(|(k, v)| component.labels.get(*k) != Some(*v)) {
            return Some(format!("takes only components labelled {key}={value}"));
        }
        if !resides(infrastructure, component, host) {
            return Some("is in a zone where its data must not be".to_owned());
        }
        // A number no replica has yet, so that the newcomer counts besides all others.
        let taken: BTreeSet<u32> = there.of_component(&component.id).map(|(r, _)| r.index()).collect();
        let n = (0..=u32::MAX).find(|n| !taken.contains(n)).unwrap_or(u32::MAX);
        let with = there.clone().with(ReplicaId::new(component.id.clone(), n), it.id.clone());
        let breaks = |rule: &&Rule| self.violations_of(rule, &with) > self.violations_of(rule, there);
        let concerns = |rule: &&Rule| {
            rule.weight == Weight::Hard
                && (matches!(rule.kind, RuleKind::Lonely { .. })
                    || rule.kind.components().any(|id| *id == component.id))
        };
        let broken = self.ecosystem().rules().iter().filter(concerns).find(breaks)?;
        Some(format!("would break rule {}", broken.name))
    }

    fn violations_of(&self, rule: &Rule, placement: &Placement) -> usize {
        let found = rule.check(self.ecosystem(), self.infrastructure(), placement);
        found.iter().map(|violation| violation.replicas.len().max(1)).sum()
    }
}

fn resides(infrastructure: &Infrastructure, component: &Component, host: usize) -> bool {
    let region = &infrastructure.regions()[infrastructure.host_region_index(host)].id;
    component.residency.is_empty()
        || component.residency.contains(infrastructure.host_zone(host).as_str())
        || component.residency.contains(region.as_str())
}
