//! Who may order, and what has been done.

use ecosystem_core::{ActionId, ActionOutcome, Epoch, ReplicaId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The highest epoch, how actions ended, and the newest stop of each replica. Bounded: of ends and of stops as many are kept as
/// the caller says, the newest.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Done {
    epoch: u64,
    #[serde(default)]
    ended: BTreeMap<u64, ActionOutcome>,
    /// Starts with a lower number than this are over.
    #[serde(default)]
    stops: BTreeMap<String, u64>,
}

/// What an order is told before it begins.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "nobody may overlook an answer")]
pub enum Door {
    /// It may begin.
    Open,
    /// It has ended before, and so.
    Ended(ActionOutcome),
    /// It must not begin.
    Closed(String),
}

impl Done {
    /// The highest epoch so far.
    pub const fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    /// An epoch rules from now on, unless a higher one does.
    pub fn raise(&mut self, epoch: Epoch) {
        self.epoch = self.epoch.max(epoch.0);
    }

    /// Keeps how an action ended; of all ends the `most` newest.
    pub fn end(&mut self, action: ActionId, outcome: &ActionOutcome, most: usize) {
        self.ended.insert(action.0, outcome.clone());
        while self.ended.len() > most {
            self.ended.pop_first();
        }
    }

    /// Keeps that a replica was to be stopped; of all stops the `most` newest.
    pub fn stop(&mut self, replica: &ReplicaId, action: ActionId, most: usize) {
        let newest = self.stops.entry(replica.to_string()).or_default();
        *newest = (*newest).max(action.0);
        while self.stops.len() > most {
            let oldest = self.stops.iter().min_by_key(|it| it.1).map(|it| it.0.clone());
            oldest.map(|it| self.stops.remove(&it));
        }
    }

    /// Whether an action may begin. `starts`: the replica, if it is to be started. A higher epoch is let in; that it rules from now
    /// on is for the caller to keep ([`raise`](Self::raise)).
    pub fn knock(&self, epoch: Epoch, action: ActionId, starts: Option<&ReplicaId>) -> Door {
        if epoch < self.epoch() {
            return Door::Closed(format!("epoch {epoch} is over, {} rules", self.epoch));
        }
        if let Some(outcome) = self.ended.get(&action.0) {
            return Door::Ended(outcome.clone());
        }
        let stop = starts.and_then(|it| self.stops.get(&it.to_string()).copied());
        match stop.filter(|stop| action.0 < *stop) {
            Some(stop) => Door::Closed(format!("the replica was to be stopped by the later action {stop}")),
            None => Door::Open,
        }
    }

    /// Every end that is kept.
    pub fn ends(&self) -> impl Iterator<Item = (ActionId, &ActionOutcome)> {
        self.ended.iter().map(|it| (ActionId(*it.0), it.1))
    }

    /// Every stop that is kept.
    pub fn stops(&self) -> impl Iterator<Item = (&str, ActionId)> {
        self.stops.iter().map(|it| (it.0.as_str(), ActionId(*it.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_forgets_the_oldest_first() {
        let mut done = Done::default();
        for number in 0..2_000 {
            done.end(ActionId(number), &ActionOutcome::DONE, 512);
            done.stop(&format!("web#{number}").parse().expect("an id"), ActionId(number), 512);
        }
        assert_eq!((done.ends().count(), done.stops().count()), (512, 512));
        assert_eq!(done.ends().next().map(|it| it.0), Some(ActionId(2_000 - 512)));
        assert!(done.stops().any(|it| it == ("web#1999", ActionId(1_999))));
    }

    #[test]
    fn a_late_stop_does_not_hide_a_newer_one_and_a_lower_epoch_rules_nothing() {
        let mut done = Done::default();
        let web: ReplicaId = "web#0".parse().expect("an id");
        done.stop(&web, ActionId(9), 8);
        done.stop(&web, ActionId(4), 8);
        assert!(matches!(done.knock(Epoch(0), ActionId(8), Some(&web)), Door::Closed(_)));
        assert_eq!(done.knock(Epoch(0), ActionId(10), Some(&web)), Door::Open);
        assert_eq!(done.knock(Epoch(0), ActionId(8), None), Door::Open, "no start");
        done.raise(Epoch(3));
        done.raise(Epoch(2));
        assert_eq!(done.epoch(), Epoch(3));
    }
}
