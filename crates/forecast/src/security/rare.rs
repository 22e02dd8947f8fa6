//! Which actions were seen, and how probable a new one is.

use super::tally::rarity_of;
use std::collections::BTreeMap;

/// Most actions that are kept for one actor; the rarest gives way.
const MOST_ACTIONS: usize = 64;
/// Weight of the newest event in the share of new ones: about the last 500 count.
const NOVELTY: f64 = 0.002;
/// Counts below this are forgotten.
const FORGOTTEN: f64 = 0.05;

/// Counts of actions, halved from time to time.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Actions {
    counts: BTreeMap<String, f64>,
    total: f64,
    /// Share of the last events that were new: what the kept counts cannot tell when there are too many actions to keep.
    novelty: f64,
}

impl Actions {
    /// Share of all events that were this action.
    pub(super) fn share(&self, action: &str) -> f64 {
        if self.total > 0.0 { self.counts.get(action).copied().unwrap_or(0.0) / self.total } else { 0.0 }
    }

    /// `−log10` of the probability that the next event is an action never seen (Good–Turing: the share of those seen about
    /// once); `None` when this one was seen.
    pub(super) fn rarity(&self, action: &str) -> Option<f64> {
        if self.counts.contains_key(action) {
            return None;
        }
        let once = self.counts.values().filter(|c| **c < 1.5).count() as f64;
        let share = (once + 0.5) / (self.total + 1.0);
        let full = self.counts.len() >= MOST_ACTIONS;
        Some(rarity_of(if full { share.max(self.novelty) } else { share }))
    }

    pub(super) fn learn(&mut self, action: &str) {
        self.total += 1.0;
        let new = !self.counts.contains_key(action);
        self.novelty += NOVELTY * (f64::from(u8::from(new)) - self.novelty);
        if let Some(count) = self.counts.get_mut(action) {
            *count += 1.0;
            return;
        }
        if self.counts.len() >= MOST_ACTIONS {
            let rarest = self.counts.iter().min_by(|a, b| a.1.total_cmp(b.1)).map(|(a, _)| a.clone());
            if let Some(rarest) = rarest {
                self.counts.remove(&rarest);
            }
        }
        self.counts.insert(action.to_owned(), 1.0);
    }

    /// All counts lose a share, so that what was not done for long becomes new again.
    pub(super) fn fade(&mut self, keep: f64) {
        self.total *= keep;
        self.counts.values_mut().for_each(|c| *c *= keep);
        self.counts.retain(|_, c| *c >= FORGOTTEN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_action_is_rarer_the_longer_none_was_new() {
        let mut actions = Actions::default();
        for _ in 0..20 {
            actions.learn("read");
        }
        let early = actions.rarity("delete").unwrap();
        for _ in 0..5000 {
            actions.learn("read");
        }
        let late = actions.rarity("delete").unwrap();
        assert!(late > early + 2.0 && late > 3.5, "{early} {late}");
        assert!(actions.rarity("read").is_none() && (actions.share("read") - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_actor_that_always_does_new_things_surprises_nobody_and_memory_is_bounded() {
        let mut actions = Actions::default();
        for i in 0..5000 {
            actions.learn(&format!("query {i}"));
        }
        assert!(actions.counts.len() == MOST_ACTIONS);
        assert!(actions.rarity("query 9999").unwrap() < 0.1);
    }

    #[test]
    fn what_was_not_done_for_long_is_new_again() {
        let mut actions = Actions::default();
        actions.learn("restore");
        for _ in 0..5 {
            actions.fade(0.5);
            (0..100).for_each(|_| actions.learn("read"));
        }
        assert!(actions.rarity("restore").is_some());
    }
}
