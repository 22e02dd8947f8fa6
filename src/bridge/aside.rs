//! Room for what fits nowhere: running replicas are moved aside.

use super::place::Question;
use crate::model::{Host, HostId, MicroMoney, Placement, ReplicaId, Resources};
use crate::placement::{Settings, Weights, solve};
use crate::reconfig::{Need, Reason};
use std::collections::{BTreeMap, BTreeSet};

/// Hosts that are tried for one need, those that lack the least first.
const HOSTS_TRIED: usize = 8;

/// Dear enough that nothing moves that need not, small enough that sums stay far from overflow.
const MOVE_PER_GIB: MicroMoney = MicroMoney(1_000_000);

impl Question<'_> {
    /// Moves of running replicas after which a need fits: what runs on one host may leave it, everything else stays, the
    /// need goes there; as little memory is moved as the search finds. Only what was lost, compromised or is in danger is
    /// worth that. `None` = on no host that was tried. One small search per host.
    pub(super) fn make_room(&mut self, need: &Need, settings: &Settings) -> Option<Vec<(ReplicaId, HostId)>> {
        if need.reason > Reason::Evacuation {
            return None;
        }
        let hosts = self.by_lack(need);
        hosts.into_iter().take(HOSTS_TRIED).find_map(|host| self.room_on(&host, need, settings))
    }

    /// Hosts a need may go to and that are large enough for it, by the share that is missing.
    fn by_lack(&self, need: &Need) -> Vec<HostId> {
        let closed: BTreeSet<&HostId> =
            self.ask.excluded.iter().chain(&need.avoid).chain(&need.from).collect();
        let mut used: BTreeMap<HostId, Resources> = self.taken.usage(self.ecosystem);
        let mut beyond: BTreeMap<&HostId, Resources> = BTreeMap::new();
        for (host, amount) in &self.ask.reserved {
            let sum = used.entry(host.clone()).or_default();
            *sum = sum.saturating_add(amount);
            let sum = beyond.entry(host).or_default();
            *sum = sum.saturating_add(amount);
        }
        let lack = |host: &Host| -> Option<u64> {
            let room = host.allocatable();
            let stays = beyond.get(&host.id).cloned().unwrap_or_default();
            if closed.contains(&host.id) || !stays.saturating_add(&need.resources).fits_in(&room) {
                return None;
            }
            let sum = used.get(&host.id).cloned().unwrap_or_default().saturating_add(&need.resources);
            let shares = sum.iter().map(|(name, amount)| {
                amount.saturating_sub(room.get(name)).saturating_mul(1_000) / room.get(name).max(1)
            });
            Some(shares.max().unwrap_or(0))
        };
        let mut found: Vec<(u64, HostId)> = self
            .infrastructure
            .hosts()
            .iter()
            .filter_map(|host| Some((lack(host)?, host.id.clone())))
            .collect();
        found.sort();
        found.into_iter().map(|(_, host)| host).collect()
    }

    fn room_on(
        &mut self,
        host: &HostId,
        need: &Need,
        settings: &Settings,
    ) -> Option<Vec<(ReplicaId, HostId)>> {
        let waits: BTreeSet<&ReplicaId> = self.ask.needs.iter().map(|it| &it.replica).collect();
        let on_it: Vec<ReplicaId> = self
            .taken
            .iter()
            .filter(|(replica, on)| *on == host && !waits.contains(replica))
            .map(|(replica, _)| replica.clone())
            .collect();
        let mut weights = Weights::default();
        (weights.price, weights.move_per_gib) = (false, MOVE_PER_GIB);
        let others = self.infrastructure.hosts().iter().map(|it| it.id.clone()).filter(|id| id != host);
        let problem = self.builder(&[need], &on_it).weights(weights).avoid(need.replica.clone(), others);
        let solution = solve(&problem.build().ok()?, settings);
        if !solution.is_feasible() || solution.placement.host_of(&need.replica) != Some(host) {
            return None;
        }
        let moved: Placement = on_it
            .into_iter()
            .filter_map(|replica| {
                let to = solution.placement.host_of(&replica).filter(|to| *to != host)?.clone();
                Some((replica, to))
            })
            .collect();
        if moved.is_empty() {
            return None;
        }
        for (replica, to) in moved.iter() {
            self.taken.set(replica.clone(), to.clone());
        }
        // Its room is not given to another.
        self.taken.set(need.replica.clone(), host.clone());
        Some(moved.iter().map(|(replica, to)| (replica.clone(), to.clone())).collect())
    }
}
