//! The loop between a host application and the engine, with the clock passed in.
//!
//! One [`tick`](Driver::tick) polls the executor, hands what happened to the engine, and carries out what the engine
//! wants, always in this order: journal, sync, audit log, act. A host calls it on every event and at the moment
//! [`next_wakeup`](Driver::next_wakeup) names, whichever is first; calling it more often does no harm.
//!
//! - A journal or an audit log that fails stops the tick with an error **before** anything is done that rests on it;
//!   the next tick goes on where this one stopped.
//! - An executor that fails does not stop the loop: the engine works with what it knows, and the tick says so.
//! - Answers of the optimizer are computed in the tick by the [`Planner`]; hosts that want them elsewhere hand in a
//!   planner that returns `None` and bring the answer later by [`handle`](Driver::handle).

use crate::audit::{self, Draft, Receipt};
use crate::bridge;
use crate::model::{
    ActionRequest, ComponentId, Ecosystem, Hypervisor, Journal, MetricKind, MetricQuery, MetricsSource,
    Subject, SubmitError, Timestamp,
};
use crate::reconfig::{Action, ApprovalAsk, Ask, Engine, Event, Note, Output, PlacementAsk, Record, Tell};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Where entries of the audit log go.
///
/// Implemented for [`audit::Log`], which keeps them in memory; a host that stores them durably implements it on its
/// own store with [`audit::Writer`].
pub trait AuditSink {
    /// What goes wrong.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Appends one entry; it is durable when this returns.
    fn append(&mut self, draft: &Draft) -> Result<Receipt, Self::Error>;
}

impl AuditSink for audit::Log {
    type Error = audit::AppendError;

    fn append(&mut self, draft: &Draft) -> Result<Receipt, Self::Error> {
        Self::append(self, draft)
    }
}

/// Who answers the engine's questions for a place.
pub trait Planner {
    /// An [`Event::Placement`] with the answer; `None` if it comes later.
    fn place(&mut self, ask: &PlacementAsk) -> Option<Event>;
}

impl<F: FnMut(&PlacementAsk) -> Option<Event>> Planner for F {
    fn place(&mut self, ask: &PlacementAsk) -> Option<Event> {
        self(ask)
    }
}

/// Somebody who looks on, for drills and tests: sees the engine before every event and every order before it leaves.
pub trait Watch<H> {
    /// The engine is about to be told something; `None` = that time has passed.
    fn before(&mut self, engine: &Engine, hypervisor: &H, event: Option<&Event>) {
        let _ = (engine, hypervisor, event);
    }

    /// Everything the engine wanted for now is carried out.
    fn after(&mut self, engine: &Engine, hypervisor: &H) {
        let _ = (engine, hypervisor);
    }

    /// An order is about to leave.
    fn order(&mut self, engine: &Engine, hypervisor: &H, request: &ActionRequest) {
        let _ = (engine, hypervisor, request);
    }
}

impl<H> Watch<H> for () {}

/// Why a tick stopped. Nothing was lost: the next tick goes on where this one stopped.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError<J: std::error::Error + 'static, A: std::error::Error + 'static> {
    /// A record could not be made durable.
    #[error("journal could not be written, nothing that rests on it was done: {0}")]
    Journal(#[source] J),
    /// An entry could not be made durable.
    #[error("audit log could not be written, nothing that rests on it was done: {0}")]
    Audit(#[source] A),
}

/// What one tick did.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Tick {
    /// What the engine decided, noticed or wants somebody to know, in order.
    pub notes: Vec<Note>,
    /// Orders that were handed to the executor, in order.
    pub submitted: Vec<ActionRequest>,
    /// Questions to a person; answered by [`Driver::handle`] with [`Event::Approval`].
    pub approvals: Vec<ApprovalAsk>,
    /// What went wrong with the executor or the metrics; the loop went on with what it knew.
    pub troubles: Vec<String>,
}

/// An engine with its executor, journal, audit log and planner.
#[derive(Debug)]
pub struct Driver<H, J, A, P, W = ()> {
    engine: Engine,
    /// The executor.
    pub hypervisor: H,
    journal: J,
    audit: A,
    planner: P,
    /// Who looks on.
    pub watch: W,
    metrics_every: Duration,
    metrics_due: Timestamp,
    // INVARIANT: outputs of the engine that are not carried out yet, oldest first.
    outputs: VecDeque<Output>,
    // Number of records at the front of `outputs` that the journal already took but has not made durable.
    appended: usize,
}

impl<H: Hypervisor, J: Journal, A: AuditSink, P: Planner> Driver<H, J, A, P> {
    /// A driver around an engine that is new or replayed.
    pub const fn new(engine: Engine, hypervisor: H, journal: J, audit: A, planner: P) -> Self {
        Self::watched(engine, hypervisor, journal, audit, planner, ())
    }
}

impl<H: Hypervisor, J: Journal, A: AuditSink, P: Planner, W: Watch<H>> Driver<H, J, A, P, W> {
    /// A driver that somebody looks on.
    pub const fn watched(engine: Engine, hypervisor: H, journal: J, audit: A, planner: P, watch: W) -> Self {
        Self {
            engine,
            hypervisor,
            journal,
            audit,
            planner,
            watch,
            metrics_every: Duration::from_secs(15),
            metrics_due: Timestamp::from_unix_ms(0),
            outputs: VecDeque::new(),
            appended: 0,
        }
    }

    /// The engine, to read its state.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The audit log.
    pub const fn audit(&self) -> &A {
        &self.audit
    }

    /// The parts again.
    pub fn into_parts(self) -> (Engine, H, J, A, P, W) {
        (self.engine, self.hypervisor, self.journal, self.audit, self.planner, self.watch)
    }

    /// When to call [`tick`](Self::tick) next, if nothing happens before.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.engine.poll_timeout()
    }

    /// Tells the engine something and carries out what it wants.
    pub fn handle(&mut self, now: Timestamp, event: Event) -> Result<Tick, DriverError<J::Error, A::Error>> {
        let mut tick = Tick::default();
        self.tell(now, event);
        self.drain(now, &mut tick)?;
        Ok(tick)
    }

    /// Polls the executor, lets time pass, and carries out what the engine wants.
    pub fn tick(&mut self, now: Timestamp) -> Result<Tick, DriverError<J::Error, A::Error>> {
        let mut tick = Tick::default();
        self.drain(now, &mut tick)?;
        match self.hypervisor.poll(now) {
            Ok(events) => {
                for event in events {
                    self.tell(now, Event::Hypervisor(event));
                    self.drain(now, &mut tick)?;
                }
            }
            Err(error) => tick.troubles.push(format!("executor could not be polled: {error}")),
        }
        self.watch.before(&self.engine, &self.hypervisor, None);
        self.engine.handle_timeout(now);
        self.drain(now, &mut tick)?;
        Ok(tick)
    }

    /// As [`tick`](Self::tick), and every 15 seconds reads the CPU use of every scalable component from `metrics` and
    /// tells the engine ([`Event::Utilisation`]). Samples older than two minutes are not used, and the tick says so.
    pub fn tick_with_metrics<M: MetricsSource>(
        &mut self,
        now: Timestamp,
        metrics: &mut M,
        ecosystem: &Ecosystem,
    ) -> Result<Tick, DriverError<J::Error, A::Error>> {
        let mut tick = self.tick(now)?;
        if now < self.metrics_due {
            return Ok(tick);
        }
        self.metrics_due = now.saturating_add(self.metrics_every);
        let scalable: Vec<ComponentId> =
            ecosystem.components().filter(|c| c.replica_range.is_some()).map(|c| c.id.clone()).collect();
        let query = |id: &ComponentId| MetricQuery {
            subject: Subject::Component(id.clone()),
            metric: MetricKind::CpuMillicores,
        };
        let queries: Vec<MetricQuery> = scalable.iter().map(query).collect();
        let samples = match metrics.latest(&queries) {
            Ok(samples) => samples,
            Err(error) => {
                tick.troubles.push(format!("metrics could not be read: {error}"));
                return Ok(tick);
            }
        };
        for (id, sample) in scalable.into_iter().zip(samples) {
            match bridge::utilisation(&self.engine, ecosystem, &id, now, sample) {
                Ok(permille) => {
                    self.tell(now, Event::Utilisation { component: id, permille });
                    self.drain(now, &mut tick)?;
                }
                Err(trouble) => tick.troubles.push(trouble),
            }
        }
        Ok(tick)
    }

    fn tell(&mut self, now: Timestamp, event: Event) {
        self.watch.before(&self.engine, &self.hypervisor, Some(&event));
        self.engine.handle_event(now, event);
    }

    /// Carries out everything the engine wants: records first, then what rests on them.
    fn drain(&mut self, now: Timestamp, tick: &mut Tick) -> Result<(), DriverError<J::Error, A::Error>> {
        loop {
            while let Some(output) = self.engine.poll_output() {
                self.outputs.push_back(output);
            }
            if self.outputs.is_empty() {
                self.watch.after(&self.engine, &self.hypervisor);
                return Ok(());
            }
            self.persist()?;
            while let Some(Output::Act(_)) = self.outputs.front() {
                if let Some(Output::Act(Action::Tell(tell))) = self.outputs.front() {
                    self.audit.append(&bridge::draft_of_note(tell)).map_err(DriverError::Audit)?;
                }
                if let Some(Output::Act(Action::Execute(request))) = self.outputs.front() {
                    self.audit.append(&bridge::draft_of_action(now, request)).map_err(DriverError::Audit)?;
                }
                if let Some(Output::Act(action)) = self.outputs.pop_front() {
                    self.act(now, action, tick);
                }
            }
        }
    }

    /// Makes the records at the front durable and tells the engine.
    fn persist(&mut self) -> Result<(), DriverError<J::Error, A::Error>> {
        let records: Vec<&Record> = self
            .outputs
            .iter()
            .map_while(|output| match output {
                Output::Persist(record) => Some(record),
                Output::Act(_) => None,
            })
            .collect();
        let Some(last) = records.last().map(|record| record.number()) else { return Ok(()) };
        let count = records.len();
        for record in &records[self.appended..] {
            self.journal.append(record.bytes()).map_err(DriverError::Journal)?;
            self.appended += 1;
        }
        self.journal.sync().map_err(DriverError::Journal)?;
        self.outputs.drain(..count);
        self.appended = 0;
        self.engine.persisted(last);
        Ok(())
    }

    fn act(&mut self, now: Timestamp, action: Action, tick: &mut Tick) {
        match action {
            Action::Execute(request) => {
                let id = request.id;
                self.watch.order(&self.engine, &self.hypervisor, &request);
                match self.hypervisor.submit(&request) {
                    Ok(()) => {}
                    Err(SubmitError::Rejected { reason }) => {
                        let reason = Arc::from(reason);
                        self.tell(now, Event::Refused { action: id, reason });
                    }
                    Err(error) => {
                        let reason = Arc::from(error.to_string());
                        self.tell(now, Event::Unclear { action: id, reason });
                    }
                }
                tick.submitted.push(request);
            }
            Action::Ask(Ask::Placement(ask)) => {
                if let Some(answer) = self.planner.place(&ask) {
                    self.tell(now, answer);
                }
            }
            Action::Ask(Ask::Approval(ask)) => tick.approvals.push(ask),
            Action::Ask(Ask::Inventory) => match self.hypervisor.inventory() {
                Ok(inventory) => self.tell(now, Event::Inventory(inventory)),
                Err(error) => tick.troubles.push(format!("inventory could not be read: {error}")),
            },
            Action::Tell(Tell::Notify(note) | Tell::Audit(note)) => tick.notes.push(note),
            _ => tick.troubles.push("the engine wants something this driver does not know".to_owned()),
        }
    }
}
