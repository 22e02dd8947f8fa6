//! Rules that hold during the plan.

use super::problem::PlanRule;
use super::scheduler::{Progress, Scheduler};
use std::collections::BTreeSet;

impl Scheduler<'_> {
    /// True if the continuous rules hold while an item goes to a host (`None`: to nowhere).
    pub(super) fn keeps_all(&self, i: usize, target: Option<usize>) -> bool {
        self.rules_of[i].iter().all(|&rule| self.keeps(rule, i, target))
    }

    fn keeps(&self, rule: usize, i: usize, target: Option<usize>) -> bool {
        match &self.problem.rules[rule] {
            PlanRule::Apart { members, group } => {
                let Some(b) = target else { return true };
                members
                    .iter()
                    .filter(|&&m| m != i)
                    .flat_map(|&m| self.hosts_of(m))
                    .all(|h| group[h] != group[b])
            }
            PlanRule::Spread { members, group, min_domains } => {
                let now = self.domains(members, group, None);
                self.domains(members, group, Some((i, target))) >= (*min_domains).min(now)
            }
            PlanRule::Fence { allowed, .. } => target.is_none_or(|b| allowed[b]),
            PlanRule::Budget { members, at_once } => {
                let busy =
                    members.iter().filter(|&&m| m != i && self.progress[m] == Progress::Moving).count();
                busy < *at_once
            }
        }
    }

    fn hosts_of(&self, m: usize) -> impl Iterator<Item = usize> {
        let target = if self.progress[m] == Progress::Moving { self.next[m].host() } else { None };
        self.place[m].host().into_iter().chain(target)
    }

    /// Domains in which members run for certain, with one more step under way. A mover runs on one of its two sides:
    /// it adds a domain for certain only if neither side has another member.
    fn domains(&self, members: &[usize], group: &[u32], step: Option<(usize, Option<usize>)>) -> usize {
        let (mut settled, mut movers) = (BTreeSet::new(), Vec::new());
        for &m in members {
            let moves_to = match step {
                Some((i, target)) if i == m => Some(target),
                _ if self.progress[m] == Progress::Moving => Some(self.next[m].host()),
                _ => None,
            };
            match (self.place[m].host().map(|h| group[h]), moves_to) {
                (Some(a), None) => _ = settled.insert(a),
                (Some(a), Some(Some(b))) if a == group[b] => _ = settled.insert(a),
                (Some(a), Some(Some(b))) => movers.push((a, group[b])),
                _ => {}
            }
        }
        let surely = movers.iter().any(|(a, b)| !settled.contains(a) && !settled.contains(b));
        settled.len() + usize::from(surely)
    }
}
