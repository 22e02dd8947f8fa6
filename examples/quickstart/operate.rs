//! Step 4: how to get there. An hour of a simulated fleet in which much goes wrong, driven through the host traits.

use crate::input::Input;
use crate::text;
use std::collections::BTreeSet;
use std::time::Duration;
use vm_ecosystem::audit::Log;
use vm_ecosystem::bridge;
use vm_ecosystem::driver::{Driver, Tick, Watch};
use vm_ecosystem::model::{
    ActionKind, ActionOutcome, ActionRequest, Component, ComponentId, DependencyKind, Ecosystem, Epoch,
    HostId, HypervisorEvent, Infrastructure, MemoryJournal, Placement, Timestamp, Version,
};
use vm_ecosystem::placement;
use vm_ecosystem::reconfig::sim::{Checker, Fault, Load, SimSettings, Simulator};
use vm_ecosystem::reconfig::{ApprovalAsk, ApprovalSubject, Engine, Event, PlacementAsk, Settings};

/// What happened, for the timeline and the report.
pub(crate) struct Happening {
    pub(crate) at: Timestamp,
    pub(crate) chapter: Chapter,
    pub(crate) kind: Kind,
    /// What it is about: a host, a component or a replica.
    pub(crate) subject: String,
    /// The order's verb; empty for anything else.
    pub(crate) verb: &'static str,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    World,
    Decision,
    Order,
    Person,
}

impl Kind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::World => "world",
            Self::Decision => "engine",
            Self::Order => "order",
            Self::Person => "person",
        }
    }
}

/// The parts of the hour, each a story of its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Chapter {
    HostDies,
    LoadRises,
    Compromise,
    NewVersion,
}

impl Chapter {
    pub(crate) const ALL: [Self; 4] = [Self::HostDies, Self::LoadRises, Self::Compromise, Self::NewVersion];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HostDies => "a host dies",
            Self::LoadRises => "load rises",
            Self::Compromise => "compromise",
            Self::NewVersion => "new version",
        }
    }

    const fn begins(self) -> Duration {
        Duration::from_secs(match self {
            Self::HostDies => 120,
            Self::LoadRises => 720,
            Self::Compromise => 1_500,
            Self::NewVersion => 2_400,
        })
    }
}

/// The roles that components and a host play.
pub(crate) struct Cast {
    pub(crate) dying: HostId,
    pub(crate) busy: Option<ComponentId>,
    pub(crate) compromised: Option<ComponentId>,
    pub(crate) updated: Option<(ComponentId, Version)>,
}

pub(crate) struct Operation {
    pub(crate) happenings: Vec<Happening>,
    pub(crate) log: Log,
    pub(crate) placement: Placement,
    pub(crate) journal_records: usize,
    pub(crate) steps_checked: u64,
    pub(crate) broken: Vec<String>,
}

const LENGTH: Duration = Duration::from_secs(3_600);
/// How long a person takes to look at an isolated component.
const PERSON_TAKES: Duration = Duration::from_secs(90);

/// Holds every step against the invariants.
#[derive(Default)]
struct Judge {
    checker: Checker,
    steps: u64,
}

impl Watch<Simulator> for Judge {
    fn before(&mut self, engine: &Engine, _: &Simulator, event: Option<&Event>) {
        self.checker.before(engine);
        // From the moment a cut is known to have worked, no traffic may pass before approval.
        if let Some(Event::Hypervisor(HypervisorEvent::Finished {
            action,
            outcome: ActionOutcome::Done { .. },
        })) = event
            && engine.unfinished().any(|id| id == *action)
            && let Some(ActionKind::ApplyNetworkPolicy { component, .. }) =
                self.checker.kind(*action).cloned()
        {
            self.checker.cut(&component);
        }
    }

    fn after(&mut self, engine: &Engine, fleet: &Simulator) {
        self.checker.check(engine, fleet);
        self.steps += 1;
    }

    fn order(&mut self, engine: &Engine, fleet: &Simulator, request: &ActionRequest) {
        self.checker.order(engine, fleet, request);
    }
}

pub(crate) fn operate(
    input: &Input,
    wanted: &Ecosystem,
    start_placement: &Placement,
    seed: u64,
) -> Result<Operation, String> {
    let infra = &input.infrastructure;
    let start = input.metrics.end();
    let cast = cast(wanted, infra, start_placement);
    let mut sim_settings = SimSettings::default();
    (sim_settings.seed, sim_settings.start) = (seed, start);
    // Real answers are lost, late and doubled now and then.
    (sim_settings.lost_permille, sim_settings.late_permille, sim_settings.doubled_permille) = (5, 10, 10);
    let mut fleet = Simulator::new(wanted, infra, start_placement, sim_settings);
    for component in wanted.components().filter(|c| c.is_placed()) {
        fleet.set_load(component.id.clone(), Load::Constant(demand(component, 0.55)));
    }
    let engine = Engine::new(Settings::default(), wanted, infra, start_placement, Epoch(1), start)
        .map_err(|e| e.to_string())?;
    let search = placement::Settings::default().with_seed(seed);
    let planner = |ask: &PlacementAsk| Some(bridge::answer(ask, wanted, infra, &search));
    let mut driver =
        Driver::watched(engine, fleet, MemoryJournal::new(), Log::new(), planner, Judge::default());

    let mut story = Story { happenings: Vec::new(), chapter: Chapter::HostDies, approvals: Vec::new() };
    let mut pending: Vec<Chapter> = Chapter::ALL.into_iter().rev().collect();
    let end = start.saturating_add(LENGTH);
    let mut now = start;
    while now <= end {
        if let Some(chapter) = pending.pop_if(|c| start.saturating_add(c.begins()) <= now) {
            story.chapter = chapter;
            if let Some(event) = begin(chapter, &cast, wanted, &mut driver.hypervisor, &mut story, now) {
                let tick = driver.handle(now, event).map_err(|e| e.to_string())?;
                story.tell(now, tick);
            }
        }
        for (subject, event) in story.answers(now) {
            if let ApprovalSubject::Reconnect(component) = &subject {
                driver.watch.checker.approved(component);
            }
            story.add(now, Kind::Person, format!("approves: {subject}"));
            let tick = driver.handle(now, event).map_err(|e| e.to_string())?;
            story.tell(now, tick);
        }
        let mut metrics = driver.hypervisor.clone();
        let tick = driver.tick_with_metrics(now, &mut metrics, wanted).map_err(|e| e.to_string())?;
        story.tell(now, tick);
        now = now.saturating_add(Duration::from_secs(1));
    }
    let placement = driver.engine().placement();
    let (_, _, mut journal, log, _, judge) = driver.into_parts();
    let records = vm_ecosystem::model::Journal::read_all(&mut journal).map_or(0, |records| records.len());
    let broken = judge.checker.broken().iter().map(|b| format!("{} {}: {}", b.at, b.invariant, b.sentence));
    Ok(Operation {
        happenings: story.happenings,
        log,
        placement,
        journal_records: records,
        steps_checked: judge.steps,
        broken: broken.collect(),
    })
}

/// What the world does at the beginning of a chapter, and what the engine is told about it.
fn begin(
    chapter: Chapter,
    cast: &Cast,
    wanted: &Ecosystem,
    fleet: &mut Simulator,
    story: &mut Story,
    now: Timestamp,
) -> Option<Event> {
    match chapter {
        Chapter::HostDies => {
            fleet.fault(&Fault::HostCrash(cast.dying.clone()));
            story.add(now, Kind::World, format!("{} loses power; nobody tells the engine", cast.dying));
            None
        }
        Chapter::LoadRises => {
            let component = wanted.component(cast.busy.as_ref()?)?;
            fleet.set_load(component.id.clone(), Load::Constant(demand(component, 1.05)));
            story.add(now, Kind::World, format!("load of {} nearly doubles", component.id));
            None
        }
        Chapter::Compromise => {
            let component = cast.compromised.clone()?;
            story.add(now, Kind::World, format!("an intrusion detector reports {component}"));
            let why = "unexpected outbound connections".into();
            Some(Event::SecurityAlert { component, why })
        }
        Chapter::NewVersion => {
            let (component, version) = cast.updated.clone()?;
            story.add(now, Kind::World, format!("version {version} of {component} is published"));
            Some(Event::NewVersion { component, version })
        }
    }
}

/// All replicas together ask for this share of what they requested, in millicores.
fn demand(component: &Component, share: f64) -> f64 {
    component.requirements.request.cpu.get() as f64 * f64::from(component.replicas) * share
}

fn cast(wanted: &Ecosystem, infra: &Infrastructure, placement: &Placement) -> Cast {
    let on = |host: &HostId| placement.iter().filter(|(_, h)| *h == host).count();
    let dying = infra.hosts().iter().max_by_key(|h| (on(&h.id), std::cmp::Reverse(h.id.clone())));
    let callers = |c: &Component| {
        let ix = wanted.component_index(&c.id).unwrap_or(0);
        wanted.dependants_of(ix).filter(|d| d.kind != DependencyKind::StartOrder).count()
    };
    let mut stateless: Vec<&Component> =
        wanted.components().filter(|c| c.is_placed() && !c.kind.is_stateful()).collect();
    stateless.sort_by_key(|c| {
        (std::cmp::Reverse(c.replica_range.is_some()), std::cmp::Reverse(c.replicas), c.id.clone())
    });
    let busy = stateless.first().map(|c| c.id.clone());
    let rest: Vec<&Component> = stateless.iter().skip(1).copied().collect();
    // A component that others call makes the more interesting rollout; one that few call the likelier victim.
    let updated = rest.iter().max_by_key(|c| (callers(c), std::cmp::Reverse(c.id.clone())));
    let compromised = rest
        .iter()
        .filter(|c| updated.is_none_or(|u| u.id != c.id))
        .min_by_key(|c| (callers(c), c.id.clone()));
    Cast {
        dying: dying.map_or_else(|| infra.hosts()[0].id.clone(), |h| h.id.clone()),
        busy,
        compromised: compromised.map(|c| c.id.clone()),
        updated: updated.map(|c| (c.id.clone(), next_version(&c.version))),
    }
}

/// The version with its last number one higher; `next` if it has none.
fn next_version(version: &Version) -> Version {
    let text = version.as_str();
    let digits = text.len() - text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (head, last) = text.split_at(digits);
    match last.parse::<u64>() {
        Ok(n) => Version::new(format!("{head}{}", n.saturating_add(1))),
        Err(_) => Version::new("next"),
    }
}

fn subject_of(kind: &ActionKind) -> String {
    match kind {
        ActionKind::Fence { host } | ActionKind::Cordon { host, .. } | ActionKind::Power { host, .. } => {
            host.to_string()
        }
        ActionKind::ApplyNetworkPolicy { component, .. }
        | ActionKind::RemoveNetworkPolicy { component }
        | ActionKind::ShiftTraffic { component, .. }
        | ActionKind::RotateCredentials { component } => component.to_string(),
        kind => kind.replica().map_or_else(String::new, ToString::to_string),
    }
}

struct Story {
    happenings: Vec<Happening>,
    chapter: Chapter,
    approvals: Vec<(Timestamp, ApprovalAsk)>,
}

impl Story {
    fn add(&mut self, at: Timestamp, kind: Kind, text: String) {
        self.about(at, kind, (String::new(), ""), text);
    }

    fn about(&mut self, at: Timestamp, kind: Kind, (subject, verb): (String, &'static str), text: String) {
        self.happenings.push(Happening { at, chapter: self.chapter, kind, subject, verb, text });
    }

    fn tell(&mut self, now: Timestamp, tick: Tick) {
        for note in tick.notes {
            self.about(note.at, Kind::Decision, (note.subject.to_string(), ""), note.sentence);
        }
        for request in tick.submitted {
            let about = (subject_of(&request.kind), request.kind.verb());
            self.about(now, Kind::Order, about, request.kind.to_string());
        }
        for ask in tick.approvals {
            self.add(now, Kind::Decision, ask.sentence.clone());
            self.approvals.push((now.saturating_add(PERSON_TAKES), ask));
        }
    }

    fn answers(&mut self, now: Timestamp) -> Vec<(ApprovalSubject, Event)> {
        let (due, later) = std::mem::take(&mut self.approvals).into_iter().partition(|(at, _)| *at <= now);
        self.approvals = later;
        let due: Vec<(Timestamp, ApprovalAsk)> = due;
        due.into_iter()
            .map(|(_, ask)| {
                (ask.subject, Event::Approval { id: ask.id, granted: true, by: "operator".into() })
            })
            .collect()
    }
}

pub(crate) fn show(start: Timestamp, wanted: &Ecosystem, operation: &Operation) {
    text::heading(4, "How to get there: one simulated hour, engine and fleet through the two host traits");
    for chapter in Chapter::ALL {
        println!("  {}", chapter.name());
        let part: Vec<&Happening> = operation.happenings.iter().filter(|h| h.chapter == chapter).collect();
        for happening in part.iter().take(40) {
            let t = happening.at.saturating_since(start).as_secs();
            println!("    {:02}:{:02}  {:6}  {}", t / 60, t % 60, happening.kind.word(), happening.text);
        }
        if part.len() > 40 {
            println!("    and {} more", part.len() - 40);
        }
    }
    let running: BTreeSet<_> = operation.placement.iter().map(|(replica, _)| replica).collect();
    let expected: u32 = wanted.components().filter(|c| c.is_placed()).map(|c| c.replicas).sum();
    println!(
        "\n  after the hour {} replicas run (wanted at first: {expected}); {} journal records",
        running.len(),
        operation.journal_records
    );
    println!(
        "  invariants S1 to S8 checked after each of {} steps: {} broken",
        operation.steps_checked,
        operation.broken.len()
    );
    operation.broken.iter().take(10).for_each(|line| println!("    {line}"));
}
