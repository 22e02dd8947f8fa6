//! Fair weather: once the faults are over everything that is on its way arrives, and everything wanted must run.

use super::world::World;
use super::{Small, host};
use crate::action::AskId;
use crate::event::{Event, Order, Scope};
use ecosystem_core::{HostId, ReplicaId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rounds within which everything runs. A round is: all orders have their effect, all answers arrive, all questions
/// are answered, the next timer goes off. The longest chain is the fence of a host (2 timers), an uncertain action on
/// it with its probes (3), a replica that was given up (1), and what a rest of each puts in between.
pub(super) const ROUNDS: u8 = 40;

impl World {
    /// One round.
    pub(super) fn calm_round(&mut self, small: &Small) {
        if self.calm == Some(ROUNDS) {
            let order = Order::Thaw(Scope::All);
            self.tell(Event::Order { order, by: Arc::from("operator") });
            for h in (0..small.hosts).map(host) {
                for order in [Order::Thaw(Scope::Host(h.clone())), Order::Restore(h.clone())] {
                    self.tell(Event::Order { order, by: Arc::from("operator") });
                }
            }
            for (name, _, _) in &small.components {
                let order = Order::Thaw(Scope::Component(super::component(name)));
                self.tell(Event::Order { order, by: Arc::from("operator") });
            }
            self.drain(true);
        }
        self.calm = self.calm.map(|rounds| rounds - 1);
        let orders: BTreeSet<u64> = self.orders.keys().copied().collect();
        for id in orders {
            self.execute(id, false, small);
        }
        while !self.answers.is_empty() {
            let (id, outcome) = self.answers.remove(0);
            self.deliver(id, outcome);
            self.drain(true);
        }
        let asks: BTreeSet<AskId> = self.asks.keys().copied().collect();
        for id in asks {
            self.answer_well(id, small);
            self.drain(true);
        }
        while let Some((&id, _)) = self.approvals.first_key_value() {
            self.approve(id);
            self.drain(true);
        }
        if !self.serves(small) {
            self.tick();
        }
    }

    /// A good optimizer: each need in turn gets the first host that is heard and has room.
    fn answer_well(&mut self, id: AskId, small: &Small) {
        let Some(needs) = self.asks.remove(&id) else { return };
        let mut load: BTreeMap<HostId, u64> = BTreeMap::new();
        for it in self.engine.replicas() {
            for on in it.hosts {
                *load.entry(on).or_default() += it.resources.cpu.get() / 1_000;
            }
        }
        let mut assignments: Vec<(ReplicaId, HostId)> = Vec::new();
        let mut unplaceable: Vec<(ReplicaId, Arc<str>)> = Vec::new();
        for (need, size) in needs {
            let own = self.engine.replicas().find(|it| it.replica == need).map(|it| it.hosts);
            let fits = |on: &HostId| {
                !self.silent.contains(on)
                    && !self.off.contains(on)
                    && own.as_ref().is_none_or(|own| !own.contains(on))
                    && load.get(on).copied().unwrap_or(0) + size <= small.cores
            };
            match (0..small.hosts).map(host).find(fits) {
                Some(on) => {
                    *load.entry(on.clone()).or_default() += size;
                    assignments.push((need, on));
                }
                None => unplaceable.push((need, Arc::from("no room"))),
            }
        }
        self.tell(Event::Placement { id, assignments, unplaceable });
    }

    /// Cores that replicas of a component are to have.
    fn wanted_cores(&self, name: &str, mapped: u64, small: &Small) -> u64 {
        self.ordered.filter(|_| small.components[0].0 == name).unwrap_or(mapped)
    }

    /// Everything wanted that fits on the hosts that are left runs there, nothing is under way, nothing is cut off.
    pub(super) fn serves(&self, small: &Small) -> bool {
        let heard = |on: &HostId| !self.silent.contains(on) && !self.off.contains(on);
        let mut missing = Vec::new();
        for (name, _, cores) in &small.components {
            let c = super::component(name);
            let wanted = self.engine.desired(&c) as usize;
            let running = self.active.iter().filter(|(r, on)| *r.component() == c && heard(on)).count();
            if running > wanted {
                return false;
            }
            let size = self.wanted_cores(name, *cores, small);
            missing.extend(std::iter::repeat_n(size, wanted - running));
        }
        let room = |on: HostId| {
            let used: u64 =
                self.active.iter().filter(|(_, at)| *at == on).map(|(r, _)| self.cores(r, small)).sum();
            small.cores - used.min(small.cores)
        };
        let best = (0..small.hosts).map(host).filter(heard).map(room).max().unwrap_or(0);
        // Whoever runs with less than was ordered finds that much more on no host.
        let content = self.active.iter().all(|(r, on)| {
            let (has, size) = (self.cores(r, small), small.size_of(r.component()));
            let wants = self.wanted_cores(r.component().as_str(), size, small);
            let elsewhere = (0..small.hosts).map(host).filter(|h| heard(h) && h != on).map(room).max();
            has == wants || (wants > has + room(on.clone()) && wants > elsewhere.unwrap_or(0))
        });
        content
            && self.engine.planned().next().is_none()
            && missing.iter().all(|&cores| cores > best)
            && self.engine.unfinished().count() == 0
            && self.cut.is_empty()
            && self.active.iter().all(|(_, on)| heard(on))
    }
}
