//! A complete small driver: engine, simulator, journal, placer, approvals, crashes, checks.

use super::checker::{Broken, Checker};
use super::greedy::{Preferences, place_preferring};
use super::load::Load;
use super::rng::SimRng;
use super::simulator::{Fault, SimSettings, Simulator, millis};
use crate::action::{Action, ApprovalAsk, ApprovalId, ApprovalSubject, Ask, Output, PlacementAsk, Tell};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::event::Event;
use crate::settings::Settings;
use ecosystem_core::{
    ActionKind, ActionOutcome, ActionRequest, ComponentId, Ecosystem, Epoch, HostId, Hypervisor,
    HypervisorEvent, Infrastructure, Placement, SubmitError, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Something that is scheduled to happen in a drill.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Input {
    /// The engine is told.
    Event(Event),
    /// The world breaks or is repaired.
    Fault(Fault),
    /// The engine's process dies; it is restarted from its journal after a while.
    EngineCrash,
    /// Demand changes.
    Load(ComponentId, Load),
    /// All faults end: hosts are repaired, messages arrive, starts succeed, the engine crashes no more.
    Calm,
}

/// How questions to a person are answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Approvals {
    /// Not at all; the script answers.
    ByScript,
    /// Granted after this time.
    GrantAfter(Duration),
    /// Refused after this time.
    RefuseAfter(Duration),
}

/// What an entry of the timeline is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "who does something in a drill")]
pub enum TimelineKind {
    /// The world or a person did something.
    World,
    /// The engine ordered something.
    Order,
    /// The engine decided or observed something.
    Decision,
    /// The engine calls for a person.
    Call,
}

impl TimelineKind {
    /// A word for reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::World => "world",
            Self::Order => "order",
            Self::Decision => "decision",
            Self::Call => "call",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// What it is.
    pub kind: TimelineKind,
    /// Stable code, e.g. `host-fencing` or the verb of an order.
    pub code: &'static str,
    /// What it is about.
    pub subject: String,
    /// In words.
    pub text: String,
}

impl fmt::Display for TimelineEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:8} {}", self.at, self.kind.word(), self.text)
    }
}

/// Why a drill could not begin.
pub type DrillError = EngineError;

#[derive(Clone, Debug)]
enum Answer {
    Placement(PlacementAsk),
    Approval(ApprovalId, bool),
    Inventory,
    Restart,
    Metrics,
}

/// Engine and simulator together, with the clock jumping from event to event.
#[derive(Clone, Debug)]
pub struct Drill {
    settings: Settings,
    ecosystem: Ecosystem,
    infrastructure: Infrastructure,
    engine: Option<Engine>,
    /// What the engine knew when it crashed, to be compared with what it knows after replay.
    before_crash: Option<Engine>,
    sim: Simulator,
    rng: SimRng,
    journal: Vec<Vec<u8>>,
    durable: usize,
    epoch: u64,
    start: Timestamp,
    now: Timestamp,
    script: BTreeMap<(Timestamp, u64), Input>,
    answers: BTreeMap<(Timestamp, u64), Answer>,
    sequence: u64,
    checker: Checker,
    timeline: Vec<TimelineEntry>,
    approvals: Approvals,
    subjects: BTreeMap<ApprovalId, ApprovalSubject>,
    metered: BTreeSet<ComponentId>,
    preferences: Preferences,
    crash_permille: u32,
    crash_after: Option<u64>,
    outputs: u64,
    crashes: u64,
}

impl Drill {
    /// Time between measurements of load.
    pub const METRICS_EVERY: Duration = Duration::from_secs(15);
    /// Time the optimizer takes.
    pub const PLACEMENT_TAKES: Duration = Duration::from_millis(200);
    /// Time until a crashed engine is back.
    pub const RESTART_TAKES: Duration = Duration::from_secs(5);

    /// A fleet that runs as `placement` says. Approvals are granted after two minutes unless
    /// [`set_approvals`](Self::set_approvals) says otherwise.
    pub fn new(
        settings: Settings,
        ecosystem: &Ecosystem,
        infrastructure: &Infrastructure,
        placement: &Placement,
        world: SimSettings,
    ) -> Result<Self, DrillError> {
        let now = world.start;
        let engine = Engine::new(settings.clone(), ecosystem, infrastructure, placement, Epoch(1), now)?;
        let rng = SimRng::new(world.seed, 2);
        let mut drill = Self {
            settings,
            ecosystem: ecosystem.clone(),
            infrastructure: infrastructure.clone(),
            engine: Some(engine),
            before_crash: None,
            sim: Simulator::new(ecosystem, infrastructure, placement, world),
            rng,
            journal: Vec::new(),
            durable: 0,
            epoch: 1,
            start: now,
            now,
            script: BTreeMap::new(),
            answers: BTreeMap::new(),
            sequence: 0,
            checker: Checker::new(),
            timeline: Vec::new(),
            approvals: Approvals::GrantAfter(Duration::from_secs(120)),
            subjects: BTreeMap::new(),
            metered: BTreeSet::new(),
            preferences: Preferences::new(),
            crash_permille: 0,
            crash_after: None,
            outputs: 0,
            crashes: 0,
        };
        drill.pump();
        drill.answer_after(Self::METRICS_EVERY, Answer::Metrics);
        Ok(drill)
    }

    /// How questions to a person are answered from now on.
    pub const fn set_approvals(&mut self, approvals: Approvals) {
        self.approvals = approvals;
    }

    /// Lets the engine's process die after so many of a thousand outputs, at any point between them.
    pub const fn set_engine_crashes(&mut self, permille: u32) {
        self.crash_permille = permille;
    }

    /// Lets the placer of the drill prefer a host for a component; the highest priority is tried first.
    pub fn prefer(&mut self, component: ComponentId, host: HostId, priority: u32) {
        self.preferences.entry(component).or_default().insert(host, priority);
    }

    /// Lets the engine's process die right after its `count`th output.
    pub const fn crash_after_output(&mut self, count: u64) {
        self.crash_after = Some(count);
    }

    /// How many outputs were handled so far.
    pub const fn outputs(&self) -> u64 {
        self.outputs
    }

    /// Something happens `after` the start of the drill (not after the present moment).
    pub fn at(&mut self, after: Duration, input: Input) {
        self.sequence += 1;
        self.script.insert((self.start.saturating_add(after), self.sequence), input);
    }

    /// The engine is told something.
    pub fn event_at(&mut self, after: Duration, event: Event) {
        self.at(after, Input::Event(event));
    }

    /// Something goes wrong.
    pub fn fault_at(&mut self, after: Duration, fault: Fault) {
        self.at(after, Input::Fault(fault));
    }

    /// Demand of a component from `after` on.
    pub fn load_at(&mut self, after: Duration, component: ComponentId, load: Load) {
        self.at(after, Input::Load(component, load));
    }

    /// Goes on for a while.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now.saturating_add(span));
    }

    /// Goes on until a moment, from event to event.
    pub fn run_until(&mut self, end: Timestamp) {
        while let Some(at) = self.next_moment().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = self.now.max(end);
    }

    /// The engine; `None` while it is down.
    pub const fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// What is true on the ground.
    pub const fn simulator(&self) -> &Simulator {
        &self.sim
    }

    /// The map the drill began with.
    pub const fn ecosystem(&self) -> &Ecosystem {
        &self.ecosystem
    }

    /// The infrastructure the drill began with.
    pub const fn infrastructure(&self) -> &Infrastructure {
        &self.infrastructure
    }

    /// The present moment.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// What was broken so far.
    pub fn violations(&self) -> &[Broken] {
        self.checker.broken()
    }

    /// What happened so far.
    pub fn timeline(&self) -> &[TimelineEntry] {
        &self.timeline
    }

    /// The journal as written so far.
    pub fn journal(&self) -> &[Vec<u8>] {
        &self.journal
    }

    /// How often the engine crashed.
    pub const fn crashes(&self) -> u64 {
        self.crashes
    }

    fn next_moment(&self) -> Option<Timestamp> {
        let scripted = self.script.keys().next().map(|&(at, _)| at);
        let answered = self.answers.keys().next().map(|&(at, _)| at);
        let timer = self.engine.as_ref().and_then(Engine::poll_timeout);
        [scripted, answered, timer, self.sim.next_event()].into_iter().flatten().min()
    }

    fn step(&mut self) {
        while let Some((&key, _)) = self.script.first_key_value()
            && key.0 <= self.now
        {
            if let Some(input) = self.script.remove(&key) {
                self.input(input);
            }
        }
        let events = self.sim.poll(self.now).unwrap_or_default();
        for event in events {
            self.note_cut(&event);
            self.tell(Event::Hypervisor(event));
        }
        while let Some((&key, _)) = self.answers.first_key_value()
            && key.0 <= self.now
        {
            if let Some(answer) = self.answers.remove(&key) {
                self.answer(answer);
            }
        }
        if self.engine.as_ref().and_then(Engine::poll_timeout).is_some_and(|at| at <= self.now) {
            let now = self.now;
            if let Some(engine) = &mut self.engine {
                self.checker.before(engine);
                engine.handle_timeout(now);
            }
            self.pump();
        }
        if let Some(engine) = &self.engine {
            self.checker.check(engine, &self.sim);
        }
    }

    /// S4 begins when a cut is known to have worked.
    fn note_cut(&mut self, event: &HypervisorEvent) {
        if let HypervisorEvent::Finished { action, outcome: ActionOutcome::Done { .. } } = event
            && let Some(ActionKind::ApplyNetworkPolicy { component, .. }) = self
                .engine
                .as_ref()
                .filter(|it| it.unfinished().any(|id| id == *action))
                .and_then(|_| self.checker.kind(*action))
        {
            let component = component.clone();
            self.checker.cut(&component);
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Event(event) => {
                if let Some((code, subject, text)) = describe(&event) {
                    self.record(TimelineKind::World, code, subject, text);
                }
                self.note_grant(&event);
                self.tell(event);
            }
            Input::Fault(fault) => {
                self.sim.poll_to(self.now);
                self.sim.fault(&fault);
                self.record(TimelineKind::World, "fault", fault.subject(), fault.to_string());
            }
            Input::EngineCrash => self.crash(),
            Input::Calm => {
                self.crash_permille = 0;
                self.sim.poll_to(self.now);
                self.sim.calm();
                self.record(TimelineKind::World, "calm", String::new(), "all faults end".to_owned());
            }
            Input::Load(component, load) => {
                self.metered.insert(component.clone());
                self.sim.set_load(component, load);
            }
        }
    }

    fn note_grant(&mut self, event: &Event) {
        use crate::event::Order;
        let granted = match event {
            Event::Approval { id, granted: true, .. } | Event::Order { order: Order::Approve(id), .. } => *id,
            _ => return,
        };
        if let Some(ApprovalSubject::Reconnect(component)) = self.subjects.get(&granted) {
            self.checker.approved(&component.clone());
        }
    }

    fn tell(&mut self, event: Event) {
        let now = self.now;
        if let Some(engine) = &mut self.engine {
            self.checker.before(engine);
            engine.handle_event(now, event);
            self.pump();
        }
    }

    /// Does what the engine wants: write, then act. The process may die between any two outputs.
    fn pump(&mut self) {
        loop {
            let Some(engine) = &mut self.engine else { return };
            match engine.poll_output() {
                Some(Output::Persist(record)) => self.journal.push(record.bytes().to_vec()),
                Some(Output::Act(action)) => self.act(action),
                None => {
                    if self.durable == self.journal.len() {
                        return;
                    }
                    self.durable = self.journal.len();
                    let written = engine.written();
                    engine.persisted(written);
                }
            }
            self.outputs += 1;
            if self.crash_after == Some(self.outputs) || self.rng.chance(self.crash_permille) {
                return self.crash();
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Execute(request) => self.execute(&request),
            Action::Ask(Ask::Placement(ask)) => {
                self.answer_after(Self::PLACEMENT_TAKES, Answer::Placement(ask));
            }
            Action::Ask(Ask::Approval(ask)) => self.ask_person(ask),
            Action::Ask(Ask::Inventory) => {
                self.answer_after(Duration::from_millis(100), Answer::Inventory);
            }
            Action::Tell(tell) => {
                let kind = match tell {
                    Tell::Notify(_) => TimelineKind::Call,
                    Tell::Audit(_) => TimelineKind::Decision,
                };
                let note = tell.note();
                self.record(kind, note.code, note.subject.to_string(), note.sentence.clone());
            }
        }
    }

    fn execute(&mut self, request: &ActionRequest) {
        let Some(engine) = &self.engine else { return };
        self.checker.order(engine, &self.sim, request);
        let subject = request.kind.replica().map_or_else(String::new, ToString::to_string);
        let text = format!("{} (action {})", request.kind, request.id);
        self.record(TimelineKind::Order, request.kind.verb(), subject, text);
        let event = match self.sim.submit(request) {
            Ok(()) => return,
            Err(SubmitError::Rejected { reason }) => {
                Event::Refused { action: request.id, reason: Arc::from(reason) }
            }
            Err(error) => Event::Unclear { action: request.id, reason: Arc::from(error.to_string()) },
        };
        let now = self.now;
        if let Some(engine) = &mut self.engine {
            engine.handle_event(now, event);
        }
    }

    fn ask_person(&mut self, ask: ApprovalAsk) {
        self.record(TimelineKind::Call, "approval", ask.subject.to_string(), ask.sentence.clone());
        self.subjects.insert(ask.id, ask.subject);
        match self.approvals {
            Approvals::ByScript => {}
            Approvals::GrantAfter(span) => self.answer_after(span, Answer::Approval(ask.id, true)),
            Approvals::RefuseAfter(span) => self.answer_after(span, Answer::Approval(ask.id, false)),
        }
    }

    fn answer_after(&mut self, span: Duration, answer: Answer) {
        self.sequence += 1;
        self.answers.insert((self.now.saturating_add(span), self.sequence), answer);
    }

    fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Placement(ask) => {
                let (assignments, unplaceable) =
                    place_preferring(&ask, &self.ecosystem, &self.infrastructure, &self.preferences);
                self.tell(Event::Placement { id: ask.id, assignments, unplaceable });
            }
            Answer::Approval(id, granted) => {
                let event = Event::Approval { id, granted, by: Arc::from("operator") };
                let word = if granted { "grants" } else { "refuses" };
                let subject = self.subjects.get(&id).map_or_else(String::new, ToString::to_string);
                self.record(
                    TimelineKind::World,
                    "approval-answer",
                    subject.clone(),
                    format!("operator {word}: {subject}"),
                );
                self.note_grant(&event);
                if granted && let Some(ApprovalSubject::ConfirmDead(host)) = self.subjects.get(&id) {
                    // Whoever confirms a death has pulled the plug.
                    self.sim.fault(&Fault::HostCrash(host.clone()));
                }
                self.tell(event);
            }
            Answer::Inventory => {
                if let Ok(inventory) = self.sim.inventory() {
                    self.tell(Event::Inventory(inventory));
                }
            }
            Answer::Restart => self.restart(),
            Answer::Metrics => {
                self.answer_after(Self::METRICS_EVERY, Answer::Metrics);
                for component in self.metered.clone() {
                    if let Some(permille) = self.sim.utilisation_permille(&component) {
                        self.tell(Event::Utilisation { component, permille });
                    }
                }
            }
        }
    }

    /// The process dies. What was not made durable may be lost: a random part of it is.
    fn crash(&mut self) {
        let Some(engine) = self.engine.take() else { return };
        self.crashes += 1;
        let unsynced = self.journal.len() - self.durable;
        let kept = usize::try_from(self.rng.between(0, unsynced as u64)).unwrap_or(0);
        let complete = kept == unsynced && engine.written() == self.journal.len() as u64;
        self.journal.truncate(self.durable + kept);
        self.durable = self.journal.len();
        self.before_crash = complete.then_some(engine);
        self.record(
            TimelineKind::World,
            "engine-crash",
            String::new(),
            "the engine's process dies".to_owned(),
        );
        // Answers that were on their way to the dead process are lost, too.
        self.answers.retain(|_, answer| matches!(answer, Answer::Metrics | Answer::Approval(..)));
        self.answer_after(Self::RESTART_TAKES, Answer::Restart);
    }

    fn restart(&mut self) {
        self.epoch += 1;
        let replayed = Engine::replay(
            self.settings.clone(),
            &self.ecosystem,
            &self.infrastructure,
            &self.journal,
            Epoch(self.epoch),
            self.now,
        );
        match replayed {
            Ok(engine) => {
                let equal =
                    self.before_crash.take().is_none_or(|before| before.same_hard_state_but_epoch(&engine));
                self.checker.replayed(self.now, equal);
                self.engine = Some(engine);
                self.record(
                    TimelineKind::World,
                    "engine-restart",
                    String::new(),
                    "the engine is back from its journal".to_owned(),
                );
                self.pump();
            }
            Err(error) => {
                self.record(TimelineKind::World, "engine-lost", String::new(), error.to_string());
                self.checker.replayed(self.now, false);
            }
        }
    }

    fn record(&mut self, kind: TimelineKind, code: &'static str, subject: String, text: String) {
        self.timeline.push(TimelineEntry { at: self.now, kind, code, subject, text });
    }

    pub(super) const fn maintenance_lead(&self) -> Duration {
        self.settings.limits.maintenance_lead
    }

    /// Milliseconds since the drill began.
    pub fn elapsed_ms(&self) -> u64 {
        millis(self.now.saturating_since(self.start))
    }
}

/// Events of the script that belong on the timeline.
fn describe(event: &Event) -> Option<(&'static str, String, String)> {
    Some(match event {
        Event::SecurityAlert { component, why } => {
            ("security-alert", component.to_string(), format!("security alert for {component}: {why}"))
        }
        Event::NewVersion { component, version } => {
            ("new-version", component.to_string(), format!("version {version} of {component} is out"))
        }
        Event::BugReport { component, version, why, .. } => {
            ("bug-report", component.to_string(), format!("bug in version {version} of {component}: {why}"))
        }
        Event::HostDegraded { host, why } => {
            ("host-degraded", host.to_string(), format!("{host} reports trouble: {why}"))
        }
        Event::PredictedFailure { host, within, .. } => (
            "predicted-failure",
            host.to_string(),
            format!("{host} is expected to fail within {} min", within.as_secs() / 60),
        ),
        Event::HostFailed { host, evidence } => {
            ("host-failed", host.to_string(), format!("{host} is {}", evidence.word()))
        }
        Event::Plan { moves, why, .. } => {
            ("plan", String::new(), format!("a plan of {} moves is handed in: {why}", moves.len()))
        }
        Event::Order { order, by } => ("order", by.to_string(), format!("{by} orders: {order}")),
        _ => return None,
    })
}
