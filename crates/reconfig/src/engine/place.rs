//! Asking for hosts and taking the answer.

use super::Engine;
use super::soft::{OpenAsk, Timer, Waiting};
use crate::action::{Action, Ask, AskId, Need, PlacementAsk};
use crate::plan::{CopyMode, CopyModel, estimate};
use crate::state::{Change, HostStatus, Phase, Reason, Replica, Rid, Task};
use ecosystem_core::{Capability, Criticality, HostId, MigrationMode, ReplicaId, Resources};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// Marks a replica as in need of a host; the question leaves when everything is settled.
    pub(super) fn need_host(&mut self, r: Rid, reason: Reason) {
        let now = self.soft.now;
        let waiting = self.soft.waiting.entry(r).or_insert(Waiting {
            since: now,
            parked: now,
            told: false,
            escalated: false,
        });
        let until = waiting.parked;
        if until > now {
            self.soft.timers.ensure(Timer::Replica(r), until);
        } else if !self.soft.asked.contains_key(&r) {
            self.soft.needs.insert(r, reason);
        }
    }

    /// One question for everything that came to need a host.
    pub(super) fn ask_for_hosts(&mut self) {
        if self.soft.needs.is_empty() {
            return;
        }
        let needs = std::mem::take(&mut self.soft.needs);
        self.soft.next_ask += 1;
        // The epoch keeps numbers of different lives of the controller apart.
        let id = (self.hard.epoch << 32) | self.soft.next_ask;
        let mut order: Vec<(Reason, Reverse<Criticality>, Rid)> = needs
            .iter()
            .map(|(r, reason)| (*reason, Reverse(self.world.comps[r.c as usize].criticality), *r))
            .collect();
        order.sort_unstable();
        let wanted: Vec<Need> =
            order.iter().filter_map(|(reason, _, r)| self.describe_need(*r, *reason)).collect();
        let mut excluded: Vec<HostId> = Vec::new();
        for h in 0..super::dense(self.hard.hosts.len()) {
            if self.world.hosts[h as usize].known && self.host_takes(h).is_err() {
                excluded.push(self.world.host_id(h).clone());
            }
        }
        let reserved = self.reserved_besides();
        for r in needs.keys() {
            self.soft.asked.insert(*r, id);
        }
        let sentence = match wanted.as_slice() {
            [one] => format!("{} needs a host ({})", one.replica, one.reason.word()),
            [first, ..] => {
                format!(
                    "{} replicas need hosts, first {} ({})",
                    wanted.len(),
                    first.replica,
                    first.reason.word()
                )
            }
            [] => return,
        };
        self.soft.asks.insert(id, OpenAsk { needs });
        let overdue = self.soft.now.saturating_add(self.settings.patience.placement);
        self.soft.timers.set(Timer::Ask(id), overdue);
        self.audit(
            "placement-asked",
            crate::action::NoteSubject::Engine,
            vec![("ask", id.to_string())],
            sentence,
        );
        let occupied = Arc::clone(&self.soft.occupied);
        self.act(Action::Ask(Ask::Placement(PlacementAsk {
            id: AskId(id),
            needs: wanted,
            excluded,
            occupied,
            reserved,
        })));
    }

    /// What is reserved beyond one place of the map's size for each replica: the other side of moves, and what a replica
    /// has more than the map says.
    fn reserved_besides(&self) -> Vec<(HostId, Resources)> {
        let mut reserved = Vec::new();
        for (r, replica) in &self.hard.replicas {
            let mut holds = replica.phase.holds();
            let Some(first) = holds.next() else { continue };
            let mapped = &self.world.comps[r.c as usize].size;
            if !Arc::ptr_eq(mapped, &replica.size) {
                let more = replica.size.saturating_sub(mapped);
                if !more.is_zero() {
                    reserved.push((self.world.host_id(first).clone(), more));
                }
            }
            for h in holds {
                reserved.push((self.world.host_id(h).clone(), replica.size.as_ref().clone()));
            }
        }
        reserved
    }

    fn describe_need(&self, r: Rid, reason: Reason) -> Option<Need> {
        let replica = self.hard.replicas.get(&r)?;
        let from = match replica.phase {
            Phase::Running { host } => Some(self.world.host_id(host).clone()),
            _ => None,
        };
        Some(Need {
            replica: self.replica_id(r),
            resources: self.needed_size(r, replica, reason),
            holds: replica.size.as_ref().clone(),
            version: replica.version.clone(),
            from,
            avoid: replica
                .avoid
                .union(&self.hard.comps[r.c as usize].shunned)
                .map(|&h| self.world.host_id(h).clone())
                .collect(),
            reason,
        })
    }

    /// The optimizer took too long: ask again.
    pub(super) fn ask_overdue(&mut self, id: u64) {
        if let Some(open) = self.soft.asks.remove(&id) {
            for r in open.needs.keys() {
                self.soft.asked.remove(r);
                self.soft.dirty.insert(r.c);
            }
            let sentence = format!("the optimizer did not answer question {id} in time; it is asked again");
            self.audit("placement-overdue", crate::action::NoteSubject::Engine, Vec::new(), sentence);
        }
    }

    /// The optimizer answered.
    pub(super) fn placed(
        &mut self,
        id: AskId,
        assignments: &[(ReplicaId, HostId)],
        unplaceable: &[(ReplicaId, Arc<str>)],
    ) {
        let Some(open) = self.soft.asks.remove(&id.0) else {
            self.counters.late += 1;
            return;
        };
        self.soft.timers.clear(Timer::Ask(id.0));
        let mut places: BTreeMap<Rid, u32> = BTreeMap::new();
        for (replica, host) in assignments {
            if let (Some(c), Some(h)) = (self.world.component(replica.component()), self.world.host(host)) {
                places.insert(Rid { c, n: replica.index() }, h);
            }
        }
        self.move_aside(&places, &open);
        let mut reasons: BTreeMap<Rid, Arc<str>> = BTreeMap::new();
        for (replica, why) in unplaceable {
            if let Some(c) = self.world.component(replica.component()) {
                reasons.insert(Rid { c, n: replica.index() }, Arc::clone(why));
            }
        }
        let mut order: Vec<(Reason, Reverse<Criticality>, Rid)> = open
            .needs
            .iter()
            .map(|(r, reason)| (*reason, Reverse(self.world.comps[r.c as usize].criticality), *r))
            .collect();
        order.sort_unstable();
        for (reason, _, r) in order {
            self.soft.asked.remove(&r);
            if let Some(&h) = places.get(&r) {
                self.take_place(r, h, reason);
            } else {
                let why = reasons.get(&r).cloned().unwrap_or_else(|| Arc::from("no host was named"));
                self.unplaceable(r, &why);
            }
        }
    }

    /// An answer may name replicas nobody asked about: they are moved aside to make room, by a plan.
    fn move_aside(&mut self, places: &BTreeMap<Rid, u32>, open: &OpenAsk) {
        let runs_elsewhere = |r: &Rid, h: u32| matches!(self.hard.replicas.get(r).map(|it| it.phase), Some(Phase::Running { host }) if host != h);
        let aside: BTreeMap<Rid, u32> = places
            .iter()
            .filter(|(r, h)| !open.needs.contains_key(r) && runs_elsewhere(r, **h))
            .map(|(r, h)| (*r, *h))
            .collect();
        let Some(reason) = open.needs.values().min().copied().filter(|_| !aside.is_empty()) else { return };
        let why = format!("room is made for {}", super::issue::replicas(open.needs.len()));
        self.set_goals(&aside, reason, &why);
    }

    /// Starts or moves a replica where the optimizer says, if every guard agrees.
    fn take_place(&mut self, r: Rid, h: u32, reason: Reason) {
        let Some(replica) = self.hard.replicas.get(&r) else { return };
        let phase = replica.phase;
        if self.is_frozen(r.c) {
            return;
        }
        let admitted = match phase {
            Phase::Pending if replica.retire || replica.tainted => return self.touch(r.c),
            Phase::Pending => self.admit(r, h).map(|()| MigrationMode::Cold),
            Phase::Running { host } if host == h => return self.touch(r.c),
            Phase::Running { host } if self.is_host_frozen(host) => return,
            // It asked for room to grow and does not need it any more.
            Phase::Running { .. }
                if reason == Reason::Scale && replica.size == self.hard.comps[r.c as usize].size =>
            {
                return self.touch(r.c);
            }
            Phase::Running { host } => {
                let needed = self.needed_size(r, replica, reason);
                self.fits(&needed, h).and_then(|()| self.may_move(r, host, h, reason))
            }
            _ => return self.touch(r.c),
        };
        let mode = match admitted {
            Ok(mode) => mode,
            Err(refusal) => return self.place_refused(r, h, &refusal),
        };
        match phase {
            Phase::Running { host } => self.migrate(r, host, h, reason, mode),
            _ => self.start(r, h, reason),
        }
    }

    fn place_refused(&mut self, r: Rid, h: u32, refusal: &super::guard::Refusal) {
        {
            let sentence = format!(
                "{} is not put on {}: {}",
                self.replica_id(r),
                self.world.host_id(h),
                refusal.sentence
            );
            self.refuse((r.c, r.n), refusal.code, self.about_replica(r), sentence);
            let until = self.soft.now.saturating_add(self.settings.patience.quick);
            if let Some(waiting) = self.soft.waiting.get_mut(&r) {
                waiting.parked = until;
            }
            self.soft.timers.set(Timer::Replica(r), until);
        }
    }

    pub(super) fn start(&mut self, r: Rid, h: u32, reason: Reason) {
        let Some(replica) = self.hard.replicas.get(&r).cloned() else { return };
        let version = replica.version.clone();
        self.begin(&Task::Start { r, host: h }, reason, |action| {
            let phase = Phase::Starting { host: h, action };
            vec![Change::Replica(r, Box::new(Replica { phase, ..replica }))]
        });
        let sentence = format!(
            "{}{} starts on {} ({})",
            self.replica_id(r),
            super::issue::in_version(&version),
            self.world.host_id(h),
            reason.word()
        );
        let why = vec![("reason", reason.word().to_owned()), ("host", self.world.host_id(h).to_string())];
        self.audit("replica-starting", self.about_replica(r), why, sentence);
    }

    pub(super) fn migrate(&mut self, r: Rid, from: u32, to: u32, reason: Reason, mode: MigrationMode) {
        let Some(replica) = self.hard.replicas.get(&r).cloned() else { return };
        self.begin(&Task::Migrate { r, from, to, mode }, reason, |action| {
            let phase = Phase::Migrating { from, to, action };
            vec![Change::Replica(r, Box::new(Replica { phase, ..replica }))]
        });
        let sentence = format!(
            "{} moves from {} to {} ({})",
            self.replica_id(r),
            self.world.host_id(from),
            self.world.host_id(to),
            reason.word()
        );
        let how = match mode {
            MigrationMode::PostCopy => "post-copy",
            MigrationMode::Cold => "cold",
            _ => "pre-copy",
        };
        let why = vec![("reason", reason.word().to_owned()), ("mode", how.to_owned())];
        self.audit("replica-moving", self.about_replica(r), why, sentence);
    }

    /// Copy before the switch-over, unless the guest dirties its memory so fast that no throttling makes that
    /// converge (see [`plan::estimate`](crate::plan::estimate)), or the executor cannot; where neither copy of a running
    /// guest is possible it is stopped, moved and started. The slower of the two links counts; hosts that do not say
    /// how fast theirs is are taken to have 1 Gbit/s.
    pub(super) fn copy_mode(&self, r: Rid, from: u32, to: u32) -> MigrationMode {
        let can = |capability| self.settings.capabilities.has(capability);
        let (pre, post, cold) =
            (can(Capability::PreCopy), can(Capability::PostCopy), can(Capability::ColdMigration));
        if cold && !pre && !post {
            return MigrationMode::Cold;
        }
        let link = |h: u32| match self.world.hosts[h as usize].room.network.get() {
            0 => 1e9,
            bits => bits as f64,
        };
        let component = self.world.ecosystem.component(self.world.component_id(r.c));
        let dirty = component.map_or(0.0, |component| component.dirty_bytes_per_second as f64);
        let memory = self.hard.replicas.get(&r).map_or(0, |it| it.size.memory.get()) as f64;
        let model = CopyModel::at(link(from).min(link(to)) / 8.0);
        match estimate(memory, dirty, &model).mode {
            CopyMode::PostCopy if post => MigrationMode::PostCopy,
            // It would never converge.
            CopyMode::PostCopy if cold => MigrationMode::Cold,
            _ if pre => MigrationMode::PreCopy,
            _ => MigrationMode::PostCopy,
        }
    }

    /// No host at present: tried again when capacity changes and now and then, escalated after a while.
    fn unplaceable(&mut self, r: Rid, why: &str) {
        let now = self.soft.now;
        let patience = self.settings.patience.clone();
        let until = now.saturating_add(patience.retry);
        let Some(waiting) = self.soft.waiting.get_mut(&r) else { return };
        waiting.parked = until;
        let first = !std::mem::replace(&mut waiting.told, true);
        let waited = now.saturating_since(waiting.since);
        let escalates = waited >= patience.unplaceable
            && !std::mem::replace(&mut waiting.escalated, waited >= patience.unplaceable);
        self.soft.timers.set(Timer::Replica(r), until);
        self.consider_reuse(r);
        let name = self.replica_id(r);
        if first {
            self.counters.unplaceable += 1;
            let sentence =
                format!("there is no host for {name}: {why}; tried again whenever capacity changes");
            self.audit("unplaceable", self.about_replica(r), vec![("because", why.to_owned())], sentence);
        }
        if escalates {
            let sentence = format!("{name} has had no host for {} s: {why}", waited.as_secs());
            self.notify(
                "unplaceable-long",
                self.about_replica(r),
                vec![("because", why.to_owned())],
                sentence,
            );
        }
    }

    /// Hosts that are up, for reserves and reports.
    pub(super) fn hosts_up(&self) -> usize {
        self.hard.hosts.iter().filter(|host| host.status == HostStatus::Up).count()
    }
}
