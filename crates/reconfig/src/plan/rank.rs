//! Which step goes first, and how soon any plan can end.

use super::problem::{Order, Spot};
use super::scheduler::{Progress, Scheduler, fits};
use super::steps::StepKind;
use super::times::storage_ms;
use std::collections::BTreeMap;

impl Scheduler<'_> {
    /// Rank: urgency, then the work that hangs on an item: its own time, the rest of its busiest link direction, and
    /// the longest step that waits for its room.
    pub(super) fn rank_items(&mut self, attempt: u32) {
        let hosts = self.problem.hosts.len();
        let (mut out, mut into) = (vec![0_u64; hosts], vec![0_u64; hosts]);
        let times: Vec<u64> = (0..self.problem.items.len()).map(|i| self.time_of(i)).collect();
        let mut arrivals: Vec<Vec<usize>> = vec![Vec::new(); hosts];
        for (i, &time) in times.iter().enumerate() {
            if self.progress[i] != Progress::Waiting {
                continue;
            }
            if let (Spot::On(a), Spot::On(b)) = (self.place[i], self.next[i]) {
                out[a] += time;
                into[b] += time;
            }
            if let Some(b) = self.next[i].host() {
                arrivals[b].push(i);
            }
        }
        let own: Vec<u64> = (0..times.len())
            .map(|i| match (self.place[i], self.next[i]) {
                (Spot::On(a), Spot::On(b)) => out[a].max(into[b]),
                _ => times[i],
            })
            .collect();
        let deadlines: BTreeMap<usize, u32> = self
            .problem
            .orders
            .iter()
            .filter_map(|order| match order {
                Order::NoDelay(item) => Some((*item, u32::MAX)),
                Order::Deadline(item, ms) => {
                    Some((*item, u32::MAX - 1 - u32::try_from(*ms / 1_000).unwrap_or(u32::MAX).min(1 << 30)))
                }
                _ => None,
            })
            .collect();
        // What waits for the room an item leaves counts on top, two levels deep.
        let mut tail = own.clone();
        for _ in 0..2 {
            let before = tail.clone();
            for (i, value) in tail.iter_mut().enumerate() {
                if let Some(a) = self.place[i].host().filter(|_| self.progress[i] == Progress::Waiting) {
                    let blocked = arrivals[a]
                        .iter()
                        .filter(|&&j| !fits(&self.free[a], &self.problem.items[j].demand))
                        .map(|&j| before[j])
                        .max();
                    *value = own[i].max(times[i] + blocked.unwrap_or(0));
                }
            }
        }
        for (i, work) in tail.into_iter().enumerate() {
            let priority = self.problem.items[i].priority.min(1 << 30);
            let urgency = deadlines.get(&i).copied().unwrap_or(priority);
            let shaken = work / 100 * (100 + shake(attempt, i) % (1 + 3 * u64::from(attempt)));
            self.rank[i] = (u32::MAX - urgency, u64::MAX - shaken.max(u64::from(attempt == 0) * work));
            if self.progress[i] == Progress::Waiting {
                self.enqueue(i);
            }
        }
    }

    /// The busiest link direction, the longest step, the longest chain of precedences, and what must wait for the room
    /// that another leaves.
    pub(super) fn lower_bound(&self) -> u64 {
        let hosts = self.problem.hosts.len();
        let (mut out, mut into) = (vec![0_u64; hosts], vec![0_u64; hosts]);
        let mut longest = 0;
        for i in (0..self.problem.items.len()).filter(|&i| self.progress[i] == Progress::Waiting) {
            let time = self.time_of(i);
            longest = longest.max(time);
            if let StepKind::Migrate(a, b) = self.kind_of(i) {
                out[a] += time;
                into[b] += time;
            }
        }
        let busiest =
            out.iter().chain(&into).map(|sum| sum / u64::from(self.settings.per_direction.max(1))).max();
        busiest.unwrap_or(0).max(longest).max(self.longest_chain()).max(self.longest_wait())
    }

    /// The longest pair of steps of which the second cannot begin before the first is over: even if all others had left
    /// its target, it would not fit beside this one. How an item leaves or arrives does not matter (it may make a
    /// detour): its fastest way counts. O(leaving × arriving of each host).
    fn longest_wait(&self) -> u64 {
        let waiting = |i: &usize| self.progress[*i] == Progress::Waiting;
        let hosts = self.problem.hosts.len();
        let (mut leaving, mut arriving) = (vec![Vec::new(); hosts], vec![Vec::new(); hosts]);
        for i in (0..self.problem.items.len()).filter(waiting) {
            let (from, to) = (self.place[i].host(), self.next[i].host());
            if from != to {
                if let Some(h) = from {
                    leaving[h].push(i);
                }
                if let Some(h) = to {
                    arriving[h].push(i);
                }
            }
        }
        // No copy is faster than memory once over the link of this host; or it is stopped, started or suspended here.
        let way = |i: usize, h: usize| {
            let link = u128::from(self.problem.hosts[h].link_bytes_per_s.max(1));
            let share = u128::from(self.settings.per_direction.max(1));
            let copy = u128::from(self.problem.items[i].memory_bytes) * 1_000 * share / link;
            let copy = u64::try_from(copy).unwrap_or(u64::MAX);
            let moves = matches!((self.place[i], self.next[i]), (Spot::On(_), Spot::On(_)));
            if moves && !self.settings.suspend {
                return copy;
            }
            let settings = self.settings;
            copy.min(settings.stop_ms).min(settings.start_ms).min(storage_ms(self.problem, i, h))
        };
        let mut longest = 0;
        for h in 0..hosts {
            let mut most = self.free[h].clone();
            for &j in &leaving[h] {
                for (room, back) in most.iter_mut().zip(&self.problem.items[j].demand) {
                    *room = room.saturating_add(*back);
                }
            }
            for &j in &leaving[h] {
                let left = &self.problem.items[j].demand;
                for &i in &arriving[h] {
                    let wanted = &self.problem.items[i].demand;
                    let beside = most
                        .iter()
                        .zip(left)
                        .zip(wanted)
                        .all(|((all, own), need)| all.saturating_sub(*own) >= *need);
                    if !beside {
                        longest = longest.max(way(j, h).saturating_add(way(i, h)));
                    }
                }
            }
        }
        longest
    }

    pub(super) fn longest_chain(&self) -> u64 {
        let mut finish: BTreeMap<usize, u64> = BTreeMap::new();
        let mut open: BTreeMap<usize, usize> = (0..self.after.len())
            .filter(|&i| !self.after[i].is_empty())
            .map(|i| (i, self.after[i].len()))
            .collect();
        let mut ready: Vec<usize> = (0..self.after.len())
            .filter(|&i| self.after[i].is_empty() && !self.before[i].is_empty())
            .collect();
        let mut longest = 0;
        while let Some(i) = ready.pop() {
            let end = finish.get(&i).copied().unwrap_or(0) + self.time_of(i);
            longest = longest.max(end);
            for &j in &self.before[i] {
                let start = finish.entry(j).or_insert(0);
                *start = (*start).max(end);
                if let Some(count) = open.get_mut(&j) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        open.remove(&j);
                        ready.push(j);
                    }
                }
            }
        }
        longest
    }
}

/// A fixed number for an attempt and an item (`SplitMix64`).
fn shake(attempt: u32, item: usize) -> u64 {
    let mut z = (u64::from(attempt) << 32 | item as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
