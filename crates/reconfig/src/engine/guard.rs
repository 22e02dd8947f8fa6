//! What must hold before anything is begun. Every refusal says why.

use super::Engine;
use crate::state::{Hard, HostStatus, Phase, Reason, Replica, Rid, Task};
use crate::world::{Lowered, LoweredRule};
use ecosystem_core::{HostState, MigrationMode, Resources};
use std::collections::BTreeSet;

/// Why something is not done now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) sentence: String,
}

impl Refusal {
    pub(super) const fn new(code: &'static str, sentence: String) -> Self {
        Self { code, sentence }
    }
}

impl Engine {
    #[cfg(test)]
    pub(super) const fn fencing_on(&self) -> bool {
        self.guards.fencing
    }
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "a guard that tests of this crate can switch off")]
    pub(super) const fn fencing_on(&self) -> bool {
        true
    }

    #[cfg(test)]
    pub(super) const fn journal_first(&self) -> bool {
        self.guards.journal_first
    }
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "a guard that tests of this crate can switch off")]
    pub(super) const fn journal_first(&self) -> bool {
        true
    }

    #[cfg(test)]
    pub(super) const fn approval_on(&self) -> bool {
        self.guards.approval
    }
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "a guard that tests of this crate can switch off")]
    pub(super) const fn approval_on(&self) -> bool {
        true
    }

    #[cfg(test)]
    pub(super) const fn idempotence_on(&self) -> bool {
        self.guards.idempotence
    }
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "a guard that tests of this crate can switch off")]
    pub(super) const fn idempotence_on(&self) -> bool {
        true
    }

    #[cfg(test)]
    const fn reservation_on(&self) -> bool {
        self.guards.reservation
    }
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "a guard that tests of this crate can switch off")]
    const fn reservation_on(&self) -> bool {
        true
    }

    #[cfg(test)]
    const fn budget_on(&self) -> bool {
        self.guards.budget
    }
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "a guard that tests of this crate can switch off")]
    const fn budget_on(&self) -> bool {
        true
    }

    /// S8: nothing happens to frozen objects.
    pub(super) fn is_frozen(&self, c: u32) -> bool {
        self.hard.frozen || self.hard.comps[c as usize].frozen
    }

    pub(super) fn is_host_frozen(&self, h: u32) -> bool {
        self.hard.frozen || self.hard.hosts[h as usize].frozen
    }

    /// True if what runs on the host shall leave it while it still works.
    pub(super) fn is_leaving(&self, h: u32) -> bool {
        let host = &self.hard.hosts[h as usize];
        host.status == HostStatus::Up
            && (host.draining || host.degraded || self.host_state(h) == HostState::Maintenance)
    }

    /// Whether the host takes anything new.
    pub(super) fn host_takes(&self, h: u32) -> Result<(), Refusal> {
        let (host, info) = (&self.hard.hosts[h as usize], &self.world.hosts[h as usize]);
        let state = self.host_state(h);
        let what = match () {
            () if !info.known => "is not part of the infrastructure any more",
            () if matches!(host.status, HostStatus::Dead { .. }) => "is dead",
            () if host.status != HostStatus::Up => "does not answer",
            () if host.cordoned || state == HostState::Cordoned => "is closed for new work",
            () if host.draining || state == HostState::Maintenance => "is being emptied",
            () if host.degraded => "is expected to fail",
            () if self.is_host_frozen(h) => "is frozen",
            () => return Ok(()),
        };
        Err(Refusal::new("refused-host", format!("{} {what}", self.world.host_id(h))))
    }

    /// Whether a replica may be started on, or moved to, a host: health, capacity with all reservations, rules.
    pub(super) fn admit(&self, r: Rid, h: u32) -> Result<(), Refusal> {
        if self.hard.comps[r.c as usize].shunned.contains(&h) {
            let sentence = format!(
                "compromised replicas of {} ran on {}",
                self.world.component_id(r.c),
                self.world.host_id(h)
            );
            return Err(Refusal::new("refused-shunned", sentence));
        }
        self.admit_but_shunned(r, h)
    }

    /// As [`admit`](Self::admit), though compromised replicas of the component may have run there.
    pub(super) fn admit_but_shunned(&self, r: Rid, h: u32) -> Result<(), Refusal> {
        self.host_takes(h)?;
        let Some(replica) = self.hard.replicas.get(&r) else {
            return Err(Refusal::new("refused-unknown", format!("{} does not exist", self.replica_id(r))));
        };
        let name = || self.world.host_id(h);
        if replica.avoid.contains(&h) {
            let sentence = format!("{} must not run on {}, where it failed", self.replica_id(r), name());
            return Err(Refusal::new("refused-avoid", sentence));
        }
        if self.soft.strays.contains_key(&(r, h)) {
            let sentence = format!("a stray of {} is still being stopped on {}", self.replica_id(r), name());
            return Err(Refusal::new("refused-stray", sentence));
        }
        self.fits(&replica.size, h)?;
        self.suits(r.c, h)?;
        self.obeys(r, h)
    }

    /// S2: what runs and what is reserved, on this host and with this replica, stays within capacity.
    pub(super) fn fits(&self, size: &Resources, h: u32) -> Result<(), Refusal> {
        let room = &self.world.hosts[h as usize].room;
        let used = if self.reservation_on() {
            self.hard.used[h as usize].clone()
        } else {
            running_only(&self.hard, h)
        };
        match used.saturating_add(size).first_excess(room) {
            None => Ok(()),
            Some((dimension, needed, available)) => Err(Refusal::new(
                "refused-capacity",
                format!(
                    "{} would need {needed} of {dimension} with all reservations and has {available}",
                    self.world.host_id(h)
                ),
            )),
        }
    }

    /// Taints and residency.
    pub(super) fn suits(&self, c: u32, h: u32) -> Result<(), Refusal> {
        let world = &self.world;
        let (Some(component), Some(ix)) = (
            world.ecosystem.component(world.component_id(c)),
            world.infrastructure.host_index(world.host_id(h)),
        ) else {
            return Ok(());
        };
        let host = &world.infrastructure.hosts()[ix];
        if world.hosts[h as usize].taints
            && let Some((key, value)) =
                host.taints.iter().find(|(key, value)| component.labels.get(*key) != Some(*value))
        {
            let sentence = format!("{} takes only components labelled {key}={value}", host.id);
            return Err(Refusal::new("refused-taint", sentence));
        }
        let zone = world.infrastructure.host_zone(ix).as_str();
        let region = world.infrastructure.regions()[world.infrastructure.host_region_index(ix)].id.as_str();
        if !component.residency.is_empty()
            && !component.residency.contains(zone)
            && !component.residency.contains(region)
        {
            let sentence = format!("data of {} must not be in zone {zone} of {region}", component.id);
            return Err(Refusal::new("refused-residency", sentence));
        }
        Ok(())
    }

    /// Hard placement rules, with everything that runs, moves or is reserved.
    fn obeys(&self, r: Rid, h: u32) -> Result<(), Refusal> {
        let info = &self.world.comps[r.c as usize];
        let own = info.rules.iter();
        let broken = own
            .chain(&self.world.lonely)
            .map(|&position| &self.world.rules[position as usize])
            .find(|rule| self.breaks(rule, r, h));
        match broken {
            None => Ok(()),
            Some(rule) => Err(Refusal::new(
                "refused-rule",
                format!("{} on {} would break rule {}", self.replica_id(r), self.world.host_id(h), rule.name),
            )),
        }
    }

    /// How many replicas may be down by our own doing.
    pub(super) fn budget(&self, c: u32) -> u32 {
        let desired = self.hard.comps[c as usize].desired;
        self.world.comps[c as usize].max_unavailable.unwrap_or_else(|| u32::from(desired > 1))
    }

    /// True if the replica serves, as far as we know.
    pub(super) fn is_available(&self, r: Rid, replica: &Replica) -> bool {
        let on_a_sound_host = |h: u32| self.hard.hosts[h as usize].status == HostStatus::Up;
        let runs = match replica.phase {
            Phase::Running { host } => on_a_sound_host(host),
            Phase::Migrating { from, action, .. } => on_a_sound_host(from) && !self.is_cold(action),
            _ => false,
        };
        runs && !replica.tainted && !self.soft.unhealthy.contains_key(&r)
    }

    /// True if what an action moves does not serve on the way.
    fn is_cold(&self, action: u64) -> bool {
        let task = self.hard.actions.get(&action).map(|it| &it.task);
        matches!(task, Some(Task::Migrate { mode: MigrationMode::Cold, .. }))
    }

    /// As [`available`](Self::available), counted only if something changed since the last count.
    pub(super) fn serving(&mut self, c: u32) -> u32 {
        if let Some(count) = self.soft.serving[c as usize] {
            return count;
        }
        let count = self.available(c);
        self.soft.serving[c as usize] = Some(count);
        count
    }

    pub(super) fn available(&self, c: u32) -> u32 {
        let serving = self.hard.of(c).filter(|(r, replica)| self.is_available(*r, replica)).count();
        super::dense(serving)
    }

    /// S3: whether one available replica of the component may be taken down. Counts what is down already, by
    /// whomever; a voluntary disruption takes a token besides.
    pub(super) fn may_disrupt(&mut self, c: u32, reason: Reason) -> Result<(), Refusal> {
        if !self.budget_on() {
            return Ok(());
        }
        let (desired, available, budget) =
            (self.hard.comps[c as usize].desired, self.available(c), self.budget(c));
        if available.saturating_sub(1).saturating_add(budget) < desired {
            let sentence = format!(
                "{}: {available} of {desired} replicas serve and at most {budget} may be missing",
                self.world.component_id(c)
            );
            return Err(Refusal::new("refused-budget", sentence));
        }
        if reason.is_voluntary() {
            self.planned_work(c, reason)?;
            self.in_window(reason)?;
        }
        let limits = &self.settings.limits;
        let (burst, every) = (limits.disruption_burst, limits.disruption_every);
        if reason.is_voluntary() && !self.soft.bucket.take(self.soft.now, burst, every) {
            self.soft.timers.ensure(super::soft::Timer::Component(c), self.soft.now.saturating_add(every));
            let sentence =
                format!("no voluntary disruption is left; one is earned every {} ms", every.as_millis());
            return Err(Refusal::new("refused-rate", sentence));
        }
        Ok(())
    }

    /// Migration limits of both hosts and of the fleet.
    pub(super) fn may_migrate(&self, from: u32, to: u32) -> Result<(), Refusal> {
        let limits = &self.settings.limits;
        let mut all = 0;
        let mut near = [0; 2];
        for action in self.hard.actions.values() {
            if let Task::Migrate { from: a, to: b, .. } = action.task {
                all += 1;
                near[0] += u32::from(a == from || b == from);
                near[1] += u32::from(a == to || b == to);
            }
        }
        if all >= limits.migrations {
            let sentence = format!("{all} migrations are under way, at most {} may be", limits.migrations);
            return Err(Refusal::new("refused-migrations", sentence));
        }
        for (count, h) in [(near[0], from), (near[1], to)] {
            if count >= limits.migrations_per_host {
                let sentence = format!(
                    "{count} migrations leave or reach {}, at most {} may",
                    self.world.host_id(h),
                    limits.migrations_per_host
                );
                return Err(Refusal::new("refused-migrations", sentence));
            }
        }
        Ok(())
    }

    /// Whether everything the component must start after serves, or was waited for long enough.
    pub(super) fn missing_dependency(&self, c: u32) -> Option<u32> {
        let ready = |d: u32| {
            let comp = &self.hard.comps[d as usize];
            comp.desired == 0 || self.hard.of(d).any(|(r, replica)| self.is_available(r, replica))
        };
        self.world.comps[c as usize].start_after.iter().copied().find(|&d| !ready(d))
    }
}

fn running_only(hard: &Hard, h: u32) -> Resources {
    hard.on_host[h as usize]
        .iter()
        .filter_map(|r| hard.replicas.get(r))
        .filter(|replica| matches!(replica.phase, Phase::Running { .. }))
        .fold(Resources::default(), |sum, replica| sum.saturating_add(&replica.size))
}

impl Engine {
    /// True if the rule holds for what is there but not with `r` on `h`, too.
    fn breaks(&self, rule: &LoweredRule, r: Rid, h: u32) -> bool {
        let hard = &self.hard;
        let others = |members: &BTreeSet<u32>| -> Vec<u32> {
            members
                .iter()
                .flat_map(|&c| hard.of(c))
                .filter(|(other, _)| *other != r)
                .flat_map(|(_, replica)| replica.phase.holds())
                .collect()
        };
        match &rule.kind {
            Lowered::Fence { allowed } => !allowed[h as usize],
            Lowered::Ban { denied } => denied[h as usize],
            Lowered::Apart { members, group } => {
                others(members).iter().any(|&o| group[o as usize] == group[h as usize])
            }
            Lowered::Together { members, group } => {
                let bound = members
                    .iter()
                    .flat_map(|&c| hard.of(c))
                    .filter(|(other, _)| *other != r)
                    .flat_map(|(other, replica)| self.bound_for(other, replica.phase));
                bound.into_iter().any(|o| group[o as usize] != group[h as usize])
            }
            Lowered::Spread { members, group, min_domains } => {
                let mut domains: BTreeSet<u32> = others(members).iter().map(|&o| group[o as usize]).collect();
                domains.insert(group[h as usize]);
                let wanted: u32 = members.iter().map(|&c| hard.comps[c as usize].desired).sum();
                let placed = members
                    .iter()
                    .flat_map(|&c| hard.of(c))
                    .filter(|(other, replica)| *other == r || replica.phase != Phase::Pending)
                    .count();
                let open = wanted.saturating_sub(super::dense(placed));
                super::dense(domains.len()).saturating_add(open) < (*min_domains).min(wanted)
            }
            Lowered::Lonely { members } => {
                let inside = members.contains(&r.c);
                hard.on_host[h as usize].iter().any(|other| members.contains(&other.c) != inside)
            }
        }
    }

    /// Where a replica will be, as far as that is decided: what travels together cannot do so at the same instant, so
    /// a member that is on its way, that a plan moves, or whose host is being emptied does not hold the others back.
    fn bound_for(&self, r: Rid, phase: Phase) -> Vec<u32> {
        if let Some(goal) = self.goal_of(r) {
            return vec![goal];
        }
        match phase {
            Phase::Migrating { to, .. } => vec![to],
            Phase::Running { host } if self.is_leaving(host) => Vec::new(),
            phase => phase.holds().collect(),
        }
    }
}
