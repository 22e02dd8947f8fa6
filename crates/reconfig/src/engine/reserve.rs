//! The reserve for failed hosts: N + k as a packing.

use super::Engine;
use super::guard::Refusal;
use crate::state::Rid;
use crate::world::Lowered;
use ecosystem_core::Resources;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Failures of one host that are tried by packing; the fullest first.
const TRIED_MAX: usize = 64;

impl Engine {
    /// N + k: with what is asked for on top, the replicas of failed hosts still find room on the others. Bound by it is
    /// all growth by our own will or by an order; recovery is what the reserve is for.
    ///
    /// First the sum by dimension without the `reserve_hosts` largest hosts, which no packing can beat. Then packings,
    /// first-fit decreasing with taints, residency, and rules about single hosts: for one host each of the fullest 64
    /// fails on its own, for more the fullest k and the largest k fail together. A packing that is found is proof; one
    /// that is not found refuses the growth though another might exist. O(64 · replicas of a host · hosts).
    pub(super) fn keeps_reserve(&self, extra: &Resources) -> Result<(), Refusal> {
        let failing = self.settings.limits.reserve_hosts as usize;
        if failing == 0 || extra.is_zero() {
            return Ok(());
        }
        let usable: Vec<u32> =
            (0..super::dense(self.hard.hosts.len())).filter(|&h| self.host_takes(h).is_ok()).collect();
        self.sum_is_kept(&usable, failing, extra)?;
        let share = |of: &Resources, h: u32| -> u64 {
            let room = &self.world.hosts[h as usize].room;
            of.iter()
                .map(|(name, amount)| amount.saturating_mul(1_000_000) / room.get(name).max(1))
                .max()
                .unwrap_or(0)
        };
        let mut by_use = usable.clone();
        by_use.sort_by_key(|&h| (Reverse(share(&self.hard.used[h as usize], h)), h));
        if failing == 1 {
            return by_use.iter().take(TRIED_MAX).try_for_each(|&h| self.packs(&usable, &[h], extra));
        }
        let mut by_size = usable.clone();
        let size = |h: u32| self.world.hosts[h as usize].room.clone();
        by_size.sort_by_key(|&h| (Reverse((size(h).cpu, size(h).memory)), h));
        for order in [by_use, by_size] {
            let failed: Vec<u32> = order.into_iter().take(failing).collect();
            self.packs(&usable, &failed, extra)?;
        }
        Ok(())
    }

    fn sum_is_kept(&self, usable: &[u32], failing: usize, extra: &Resources) -> Result<(), Refusal> {
        let used = usable.iter().map(|&h| &self.hard.used[h as usize]);
        let needed = used.fold(extra.clone(), |sum, used| sum.saturating_add(used));
        for (name, needed) in needed.iter().filter(|(_, needed)| *needed > 0) {
            let mut rooms: Vec<u64> =
                usable.iter().map(|&h| self.world.hosts[h as usize].room.get(name)).collect();
            rooms.sort_unstable_by(|a, b| b.cmp(a));
            let left = rooms.iter().skip(failing).fold(0_u64, |sum, room| sum.saturating_add(*room));
            if needed > left {
                let sentence = format!(
                    "{needed} of {name} would be in use and only {left} be left if the {failing} largest hosts failed"
                );
                return Err(Refusal::new("refused-reserve", sentence));
            }
        }
        Ok(())
    }

    /// Whether the replicas of the failed hosts, and the growth, fit on the others.
    fn packs(&self, usable: &[u32], failed: &[u32], extra: &Resources) -> Result<(), Refusal> {
        let failed: BTreeSet<u32> = failed.iter().copied().collect();
        let mut free: Vec<(u32, Resources)> = usable
            .iter()
            .filter(|h| !failed.contains(h))
            .map(|&h| (h, self.world.hosts[h as usize].room.saturating_sub(&self.hard.used[h as usize])))
            .collect();
        // The growth goes where it fits; divided by hosts it needs no single one with room for all of it.
        let mut grown = extra.clone();
        for (_, room) in free.iter_mut().rev() {
            let taken = grown.saturating_sub(&grown.saturating_sub(room));
            grown = grown.saturating_sub(&taken);
            *room = room.saturating_sub(&taken);
        }
        let mut lost: Vec<Rid> =
            failed.iter().flat_map(|&h| self.hard.on_host[h as usize].iter().copied()).collect();
        lost.sort_by_key(|r| {
            (Reverse(self.hard.replicas.get(r).map(|it| (it.size.memory, it.size.cpu))), *r)
        });
        lost.dedup();
        for r in lost {
            let Some(replica) = self.hard.replicas.get(&r) else { continue };
            let place = free.iter_mut().find(|(h, room)| {
                replica.size.fits_in(room) && self.suits(r.c, *h).is_ok() && self.may_ever_run(r.c, *h)
            });
            let Some((_, room)) = place else {
                let hosts: Vec<&str> = failed.iter().map(|&h| self.world.host_id(h).as_str()).collect();
                let sentence =
                    format!("{} would find no room if {} failed", self.replica_id(r), hosts.join(" and "));
                return Err(Refusal::new("refused-reserve", sentence));
            };
            *room = room.saturating_sub(&replica.size);
        }
        Ok(())
    }

    /// Rules about single hosts.
    fn may_ever_run(&self, c: u32, h: u32) -> bool {
        self.world.comps[c as usize].rules.iter().all(|&position| {
            match &self.world.rules[position as usize].kind {
                Lowered::Fence { allowed } => allowed[h as usize],
                Lowered::Ban { denied } => !denied[h as usize],
                _ => true,
            }
        })
    }
}
