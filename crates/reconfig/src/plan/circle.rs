//! Circles: steps that wait for each other, and who gives way.

use super::problem::{PlanError, Spot};
use super::scheduler::{Progress, Scheduler, fits};
use super::times::migration_ms;
use std::collections::BTreeMap;

impl Scheduler<'_> {
    /// Nothing is under way and something waits: one item gives way, the cheapest whose leaving lets another in.
    pub(super) fn break_circle(&mut self) -> Result<(), PlanError> {
        let waiting: Vec<usize> =
            (0..self.problem.items.len()).filter(|&i| self.progress[i] == Progress::Waiting).collect();
        let movable = |this: &Self, i: usize| {
            this.after[i].is_empty() && matches!((this.place[i], this.next[i]), (Spot::On(_), Spot::On(_)))
        };
        let mut best: Option<(bool, u64, usize, usize)> = None;
        if self.settings.pivots {
            for &i in waiting.iter().filter(|&&i| movable(self, i) && !self.pivots.contains(&i)) {
                let Spot::On(a) = self.place[i] else { continue };
                let helps = self.frees_someone(i, a);
                if let Some(h) = self.pivot_for(i) {
                    let key = (!helps, migration_ms(self.problem, self.settings, i, a, h), i, h);
                    if best.is_none_or(|found| key < found) {
                        best = Some(key);
                    }
                }
            }
        }
        if let Some((_, _, i, h)) = best {
            self.pivots.insert(i);
            self.redirect(i, Spot::On(h));
            return Ok(());
        }
        if self.settings.suspend {
            let candidate = waiting
                .iter()
                .copied()
                .filter(|&i| movable(self, i) && !self.suspended.contains(&i))
                .min_by_key(|&i| {
                    let a = self.place[i].host().unwrap_or(0);
                    (!self.frees_someone(i, a), self.problem.items[i].memory_bytes, i)
                });
            if let Some(i) = candidate {
                self.suspended.insert(i);
                let a = self.place[i].host().unwrap_or(0);
                self.redirect(i, Spot::Asleep(a));
                return Ok(());
            }
        }
        Err(PlanError::Blocked { cycle: self.circle(&waiting) })
    }

    pub(super) fn redirect(&mut self, i: usize, to: Spot) {
        self.dequeue(i);
        self.next[i] = to;
        self.enqueue(i);
        self.try_begin(i);
        if self.progress[i] == Progress::Waiting {
            // A rule forbids it after all: leave it as it was.
            self.dequeue(i);
            self.next[i] = self.problem.items[i].to;
            self.enqueue(i);
        }
    }

    pub(super) fn frees_someone(&self, i: usize, a: usize) -> bool {
        let own = &self.problem.items[i].demand;
        self.waiting_in[a].iter().any(|&(_, _, j)| {
            let wanted = &self.problem.items[j].demand;
            self.free[a].iter().zip(own).zip(wanted).all(|((room, back), need)| room + back >= *need)
        })
    }

    /// The host with room that nobody waits for, if there is one, else any with room.
    pub(super) fn pivot_for(&self, i: usize) -> Option<usize> {
        let demand = &self.problem.items[i].demand;
        (0..self.problem.hosts.len())
            .filter(|&h| self.online[h] && self.problem.hosts[h].stays)
            .filter(|&h| Some(h) != self.place[i].host() && Some(h) != self.problem.items[i].to.host())
            .filter(|&h| fits(&self.free[h], demand))
            .filter(|&h| self.keeps_all(i, Some(h)))
            .min_by_key(|&h| (self.waiting_in[h].len(), h))
    }

    /// Items that wait for each other: from each to one that must leave its target first.
    pub(super) fn circle(&self, waiting: &[usize]) -> Vec<String> {
        let leaves: BTreeMap<usize, usize> =
            waiting.iter().rev().filter_map(|&i| Some((self.place[i].host()?, i))).collect();
        let blocker =
            |i: usize| self.after[i].first().copied().or_else(|| leaves.get(&self.next[i].host()?).copied());
        let Some(&start) = waiting.first() else { return Vec::new() };
        let mut path = vec![start];
        while let Some(next) = path.last().and_then(|&i| blocker(i)) {
            if let Some(position) = path.iter().position(|&i| i == next) {
                path.drain(..position);
                break;
            }
            path.push(next);
        }
        path.into_iter().map(|i| self.problem.items[i].name.clone()).collect()
    }
}
