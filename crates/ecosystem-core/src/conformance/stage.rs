//! The small controller of the suite: submits, polls, remembers.

use super::{Scenario, Verdict};
use crate::hypervisor::{
    ActionKind, ActionOutcome, ActionRequest, Capability, Hypervisor, HypervisorEvent, Inventory,
    ReplicaReport, ReplicaState, SubmitError,
};
use crate::id::{ActionId, Epoch, HostId, ReplicaId};
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a check says: nothing if it holds.
pub(super) type Checked = Result<(), Verdict>;

/// How an order went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// Refused at the door.
    Rejected(String),
    /// Ended as the executor says.
    Ended(ActionOutcome),
    /// No answer within the scenario's patience.
    Silent,
}

impl Ending {
    pub(super) const fn is_done(&self) -> bool {
        matches!(self, Self::Ended(ActionOutcome::Done { .. }))
    }

    /// Certainly without effect.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Rejected(_) | Self::Ended(ActionOutcome::Failed { .. }))
    }
}

pub(super) struct Stage<'a, H, W> {
    executor: &'a mut H,
    pub(super) scenario: &'a Scenario,
    wait: W,
    now: Timestamp,
    next: u64,
    pub(super) epoch: Epoch,
    // Everything that was ever submitted or refused here.
    submitted: BTreeSet<ActionId>,
    // The newest outcome of each action since it was last forgotten.
    ended: BTreeMap<ActionId, ActionOutcome>,
    /// Complaints about events that no check waits for.
    pub(super) strange: Vec<String>,
}

pub(super) fn failed<T>(why: impl Into<String>) -> Result<T, Verdict> {
    Err(Verdict::Failed(why.into()))
}

pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { failed(why()) }
}

impl<'a, H: Hypervisor, W: FnMut(Duration) -> Timestamp> Stage<'a, H, W> {
    pub(super) fn new(executor: &'a mut H, scenario: &'a Scenario, mut wait: W) -> Self {
        let now = wait(Duration::ZERO);
        let (next, epoch) = (scenario.first_action, scenario.epoch);
        let (submitted, ended, strange) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        Self { executor, scenario, wait, now, next, epoch, submitted, ended, strange }
    }

    /// Skips the check if the executor cannot do the thing.
    pub(super) fn needs(&self, capability: Capability) -> Checked {
        if self.can(capability) {
            return Ok(());
        }
        Err(Verdict::Skipped(format!("the executor does not say that it can: {capability:?}")))
    }

    pub(super) fn can(&self, capability: Capability) -> bool {
        self.executor.capabilities().has(capability)
    }

    pub(super) fn host(&self, index: usize) -> Result<HostId, Verdict> {
        let why = || Verdict::Skipped(format!("the scenario has no host number {index}"));
        self.scenario.hosts.get(index).cloned().ok_or_else(why)
    }

    pub(super) fn replica(&self, index: u32) -> ReplicaId {
        ReplicaId::new(self.scenario.component.clone(), index)
    }

    pub(super) fn start(&self, replica: u32, host: &HostId) -> ActionKind {
        ActionKind::Start {
            replica: self.replica(replica),
            host: host.clone(),
            version: self.scenario.version.clone(),
            resources: self.scenario.resources.clone(),
        }
    }

    pub(super) fn stop(&self, replica: u32, host: &HostId) -> ActionKind {
        ActionKind::Stop { replica: self.replica(replica), host: host.clone() }
    }

    /// A request under a number that was never used.
    pub(super) fn request(&mut self, kind: ActionKind) -> ActionRequest {
        let id = ActionId(self.next);
        self.next += 1;
        let deadline = self.now.saturating_add(self.scenario.patience);
        ActionRequest { id, epoch: self.epoch, kind, deadline, expected: None }
    }

    /// Hands in a request; `Some` = refused.
    pub(super) fn submit(&mut self, request: &ActionRequest) -> Result<Option<String>, Verdict> {
        self.submitted.insert(request.id);
        match self.executor.submit(request) {
            Ok(()) => Ok(None),
            Err(SubmitError::Rejected { reason }) => Ok(Some(reason)),
            Err(SubmitError::Unknown(error)) => {
                // Maybe begun: by the contract the same number may be handed in again.
                match self.executor.submit(request) {
                    Ok(()) => Ok(None),
                    Err(SubmitError::Rejected { reason }) => Ok(Some(reason)),
                    Err(SubmitError::Unknown(_)) => {
                        failed(format!("`{}` cannot be handed in: {error}", request.kind))
                    }
                }
            }
        }
    }

    /// Lets time pass and takes in what happened.
    pub(super) fn pass(&mut self, span: Duration) -> Checked {
        self.now = (self.wait)(span);
        let events = self.executor.poll(self.now).or_else(|e| failed(format!("poll failed: {e}")))?;
        for event in events {
            match event {
                HypervisorEvent::Finished { action, outcome } => {
                    if !self.submitted.contains(&action) && action.0 >= self.scenario.first_action {
                        self.strange.push(format!("an answer to action {action}, which nobody asked for"));
                    }
                    self.ended.insert(action, outcome);
                }
                HypervisorEvent::Progress { action, permille } if permille > 1_000 => {
                    self.strange.push(format!("progress of action {action} is {permille} of 1000"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Polls until the action ends or patience does; `each` looks on after every poll.
    pub(super) fn await_end(
        &mut self,
        id: ActionId,
        mut each: impl FnMut(&mut Self) -> Checked,
    ) -> Result<Ending, Verdict> {
        let mut waited = Duration::ZERO;
        while waited <= self.scenario.patience {
            if let Some(outcome) = self.ended.get(&id) {
                return Ok(Ending::Ended(outcome.clone()));
            }
            self.pass(self.scenario.step)?;
            each(self)?;
            waited += self.scenario.step.max(Duration::from_millis(1));
        }
        Ok(Ending::Silent)
    }

    /// Hands in a request and waits for its end.
    pub(super) fn carry_out(&mut self, request: &ActionRequest) -> Result<Ending, Verdict> {
        match self.submit(request)? {
            Some(reason) => Ok(Ending::Rejected(reason)),
            None => self.await_end(request.id, |_| Ok(())),
        }
    }

    /// As [`carry_out`](Self::carry_out) under a new number.
    pub(super) fn order(&mut self, kind: ActionKind) -> Result<Ending, Verdict> {
        let request = self.request(kind);
        self.carry_out(&request)
    }

    /// An order that must succeed.
    pub(super) fn must(&mut self, kind: ActionKind) -> Checked {
        let words = kind.to_string();
        let ending = self.order(kind)?;
        ensure(ending.is_done(), || format!("`{words}` ended as {ending:?}, expected it to be done"))
    }

    pub(super) fn forget(&mut self, id: ActionId) {
        self.ended.remove(&id);
    }

    pub(super) fn inventory(&mut self) -> Result<Inventory, Verdict> {
        self.executor.inventory().or_else(|e| failed(format!("inventory failed: {e}")))
    }

    /// Where a replica runs, by the inventory.
    pub(super) fn found(&mut self, replica: u32) -> Result<Vec<ReplicaReport>, Verdict> {
        let id = self.replica(replica);
        let all = self.inventory()?.replicas;
        Ok(all.into_iter().filter(|it| it.replica == id && it.state != ReplicaState::Stopped).collect())
    }

    /// Fails unless the replica runs on this host and nowhere else, or, without a host, nowhere.
    pub(super) fn expect_on(&mut self, replica: u32, host: Option<&HostId>) -> Checked {
        let found = self.found(replica)?;
        let places: Vec<&HostId> = found.iter().map(|it| &it.host).collect();
        let expected: Vec<&HostId> = host.into_iter().collect();
        ensure(places == expected, || {
            format!(
                "{} runs on {places:?}, expected {expected:?}",
                ReplicaId::new(self.scenario.component.clone(), replica)
            )
        })
    }

    /// What a probe says.
    pub(super) fn probe(&mut self, replica: u32, host: &HostId) -> Result<Ending, Verdict> {
        self.order(ActionKind::Probe { replica: self.replica(replica), host: host.clone() })
    }
}
