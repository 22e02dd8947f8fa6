//! Rules that hold during the plan.

use super::problem::PlanRule;
use super::scheduler::{Progress, Scheduler};
use std::collections::BTreeSet;

impl Scheduler<'_> {
    /// True if a continuous rule holds with the next step of an item under way.
    pub(super) fn keeps(&self, rule: usize, i: usize) -> bool {
        match &self.problem.rules[rule] {
            PlanRule::Apart { members, group } => {
                let Some(b) = self.next[i].host() else { return true };
                members
                    .iter()
                    .filter(|&&m| m != i)
                    .flat_map(|&m| self.hosts_of(m))
                    .all(|h| group[h] != group[b])
            }
            PlanRule::Spread { members, group, min_domains } => {
                let now: BTreeSet<u32> =
                    members.iter().filter_map(|&m| self.settled_domain(m, group)).collect();
                let then: BTreeSet<u32> = members
                    .iter()
                    .filter_map(|&m| {
                        if m == i { self.moving_domain(m, group) } else { self.settled_domain(m, group) }
                    })
                    .collect();
                then.len() >= (*min_domains).min(now.len())
            }
        }
    }

    pub(super) fn keeps_on(&self, i: usize, h: usize) -> bool {
        self.rules_of[i].iter().all(|&rule| match &self.problem.rules[rule] {
            PlanRule::Apart { members, group } => members
                .iter()
                .filter(|&&m| m != i)
                .flat_map(|&m| self.hosts_of(m))
                .all(|o| group[o] != group[h]),
            PlanRule::Spread { .. } => true,
        })
    }

    pub(super) fn hosts_of(&self, m: usize) -> impl Iterator<Item = usize> {
        let target = if self.progress[m] == Progress::Moving { self.next[m].host() } else { None };
        self.place[m].host().into_iter().chain(target)
    }

    pub(super) fn settled_domain(&self, m: usize, group: &[u32]) -> Option<u32> {
        if self.progress[m] == Progress::Moving {
            return self.moving_domain(m, group);
        }
        self.place[m].host().map(|h| group[h])
    }

    pub(super) fn moving_domain(&self, m: usize, group: &[u32]) -> Option<u32> {
        match (self.place[m].host(), self.next[m].host()) {
            (Some(a), Some(b)) if group[a] == group[b] => Some(group[a]),
            _ => None,
        }
    }
}
