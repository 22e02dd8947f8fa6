//! What would happen: the engine is forked, the fork is told, the original is untouched.

use super::Engine;
use crate::action::{Action, Output};
use crate::event::Event;
use ecosystem_core::{HostId, ReplicaId, Timestamp};
use std::collections::BTreeSet;

/// The answer to a what-if question; also a dry run: nothing of it was done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WhatIf {
    /// What the engine would order, ask and tell, in order, each note with its reason.
    pub actions: Vec<Action>,
    /// The engine as it would be. It can be told more (an answer of the optimizer, outcomes, the passing of time) and
    /// asked like any other; its records belong to no journal.
    pub after: Engine,
}

impl WhatIf {
    /// Replicas whose host would differ: which, where it is held now, where it would be. A migration shows once it is
    /// done, a start at once.
    pub fn moved(&self, before: &Engine) -> Vec<(ReplicaId, Option<HostId>, Option<HostId>)> {
        let (now, then) = (before.placement(), self.after.placement());
        let all: BTreeSet<&ReplicaId> = now.iter().chain(then.iter()).map(|(replica, _)| replica).collect();
        all.into_iter()
            .filter(|replica| now.host_of(replica) != then.host_of(replica))
            .map(|replica| (replica.clone(), now.host_of(replica).cloned(), then.host_of(replica).cloned()))
            .collect()
    }
}

impl Engine {
    /// What the engine would do if it were told these events now. Costs a copy of the engine, O(live objects).
    ///
    /// Outputs that were waiting to be polled are the original's business and are not repeated.
    #[must_use]
    pub fn what_if(&self, now: Timestamp, events: impl IntoIterator<Item = Event>) -> WhatIf {
        let mut after = self.clone();
        after.carry_out();
        let mut actions = Vec::new();
        after.handle_timeout(now);
        actions.extend(after.carry_out());
        for event in events {
            after.handle_event(now, event);
            actions.extend(after.carry_out());
        }
        WhatIf { actions, after }
    }

    /// Everything that waits to be polled, as if every record were durable at once.
    fn carry_out(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(output) = self.poll_output() {
            match output {
                Output::Persist(record) => self.persisted(record.number()),
                Output::Act(action) => actions.push(action),
            }
        }
        actions
    }
}
