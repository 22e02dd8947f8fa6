//! The engine: observations and answers in, records and actions out.

mod carry;
mod component;
#[cfg(test)]
mod digest;
mod guard;
mod host;
mod isolate;
mod issue;
mod map;
mod observe;
mod order;
mod outcome;
mod place;
mod planned;
mod replica;
mod reserve;
mod resize;
mod rollout;
mod scale;
mod soft;
mod task;
mod view;
mod what_if;
mod window;

use crate::action::{Action, Ask, Output};
use crate::error::{EngineError, JournalError};
use crate::event::Event;
use crate::journal::{Record, decode_frame};
use crate::settings::Settings;
use crate::state::{Change, Comp, Hard, Phase, Replica, Rid};
use crate::world::World;
use ecosystem_core::{Ecosystem, Epoch, Infrastructure, Placement, Timestamp};
use soft::{Soft, Timer};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

pub use view::{Counters, HostView, ReplicaView};
pub use what_if::WhatIf;

/// The self-healing engine, without IO.
///
/// # Contract
/// Every `handle_*` is followed by [`poll_output`](Self::poll_output) until it gives `None`; then wait for the next
/// event or for [`poll_timeout`](Self::poll_timeout), whichever comes first, and call
/// [`handle_timeout`](Self::handle_timeout). [`Output::Persist`] is appended to the journal; when it is durable,
/// [`persisted`](Self::persisted) releases the actions that rest on it, and `poll_output` is called again.
///
/// A clock that steps back stands still. Calls too early or too often change nothing. Rejected events (unknown
/// names, stale numbers) become a note and change nothing else.
///
/// # Example
/// ```
/// use ecosystem_core::*;
/// use ecosystem_reconfig::{Action, Engine, Event, Output, Settings};
///
/// let size = Resources::new(Millicores::cores(8), Bytes::gib(32));
/// let mut web = Component::new("web".parse()?, Kind::Container);
/// web.requirements.request = Resources::new(Millicores::cores(1), Bytes::gib(1));
/// let ecosystem = Ecosystem::builder("shop").component(web).build()?;
/// let infrastructure = Infrastructure::builder()
///     .region(Region::new("eu".parse()?))
///     .zone(Zone::new("eu-a".parse()?, "eu".parse()?))
///     .rack(Rack::new("r1".parse()?, "eu-a".parse()?))
///     .host(Host::new("h1".parse()?, "r1".parse()?, size.clone()))
///     .host(Host::new("h2".parse()?, "r1".parse()?, size))
///     .build()?;
/// let web0 = ReplicaId::new("web".parse()?, 0);
/// let placement = Placement::new().with(web0.clone(), "h1".parse()?);
///
/// let start = Timestamp::from_unix_ms(0);
/// let mut engine =
///     Engine::new(Settings::default(), &ecosystem, &infrastructure, &placement, Epoch(1), start)?;
/// // h1 keeps silent, h2 does not: after 20 s of silence h1 is fenced.
/// let mut fenced = false;
/// for second in (5..=20).step_by(5) {
///     let now = Timestamp::from_unix_ms(second * 1_000);
///     engine.handle_event(now, Event::Heartbeat("h2".parse()?));
///     engine.handle_timeout(now);
///     while let Some(output) = engine.poll_output() {
///         match output {
///             Output::Persist(record) => engine.persisted(record.number()),
///             Output::Act(Action::Execute(request)) => fenced |= request.kind.verb() == "fence",
///             Output::Act(_) => {}
///         }
///     }
/// }
/// assert!(fenced);
/// assert_eq!(engine.placement().host_of(&web0).unwrap().as_str(), "h1", "nothing restarts before the fence");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Engine {
    settings: Arc<Settings>,
    world: Arc<World>,
    // INVARIANT: `hard` is the fold of all records up to `written`.
    hard: Hard,
    soft: Soft,
    outbox: VecDeque<Output>,
    /// Actions with the number of the record they rest on.
    held: VecDeque<(u64, Action)>,
    written: u64,
    persisted: u64,
    counters: Counters,
    #[cfg(test)]
    pub(crate) guards: crate::testing::Guards,
}

impl Engine {
    /// An engine for a fleet that runs as `placement` says. Replicas that are wanted but not placed are started.
    ///
    /// `epoch` is the fencing token of this controller; it must be higher than that of any earlier one.
    pub fn new(
        settings: Settings,
        ecosystem: &Ecosystem,
        infrastructure: &Infrastructure,
        placement: &Placement,
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<Self, EngineError> {
        settings.validate()?;
        let world = World::new([], [], Arc::new(ecosystem.clone()), Arc::new(infrastructure.clone()))?;
        let mut changes = vec![
            Change::Names { components: world.component_names.clone(), hosts: world.host_names.clone() },
            Change::Epoch(epoch.0),
            Change::Counters { next_action: 1, next_approval: 1 },
        ];
        let mut replicas = Vec::with_capacity(placement.len());
        let mut next = vec![0; world.comps.len()];
        for (id, host) in placement.iter() {
            let c = world
                .component(id.component())
                .ok_or_else(|| EngineError::UnknownReplica { replica: id.clone() })?;
            let h = world
                .host(host)
                .ok_or_else(|| EngineError::UnknownHost { replica: id.clone(), host: host.clone() })?;
            let info = &world.comps[c as usize];
            let replica = new_replica(Phase::Running { host: h }, info.version.clone(), &info.size);
            replicas.push(Change::Replica(Rid { c, n: id.index() }, Box::new(replica)));
            next[c as usize] = next[c as usize].max(id.index().saturating_add(1));
        }
        for (c, info) in world.comps.iter().enumerate() {
            let comp = Comp {
                desired: if info.placed { info.replicas } else { 0 },
                version: info.version.clone(),
                size: Arc::clone(&info.size),
                next: next[c],
                ..Comp::absent()
            };
            changes.push(Change::Comp(dense(c), Box::new(comp)));
        }
        changes.extend(replicas);
        let mut engine = Self::assemble(settings, world, Hard::default(), now, true, 0);
        engine.commit(now, &changes);
        engine.soft = Soft::new(now, &engine.hard, true, engine.settings.limits.disruption_burst);
        engine.arm();
        engine.settle();
        Ok(engine)
    }

    /// The engine that wrote `frames`, as far as they go, for the next life of the controller.
    ///
    /// `frames` are complete frames in order, as [`Journal::read_all`](ecosystem_core::Journal::read_all) gives
    /// them; a torn or damaged *last* one is left out, anything else that does not fit is an error. The first frame
    /// may be a [`snapshot`](Self::snapshot). Nothing leaves the new engine but the question for the inventory;
    /// once [`Event::Inventory`] answered it, unfinished actions are handed out again under their old numbers and
    /// the engine goes on. Cost: O(bytes), about a million small records per second.
    pub fn replay<B: AsRef<[u8]>>(
        settings: Settings,
        ecosystem: &Ecosystem,
        infrastructure: &Infrastructure,
        frames: &[B],
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<Self, EngineError> {
        settings.validate()?;
        let (hard, written, newest) = fold(frames)?;
        let world = World::new(
            hard.component_names.iter().cloned(),
            hard.host_names.iter().cloned(),
            Arc::new(ecosystem.clone()),
            Arc::new(infrastructure.clone()),
        )?;
        let now = now.max(newest);
        let mut engine = Self::assemble(settings, world, hard, now, false, written);
        let epoch = epoch.0.max(engine.hard.epoch.saturating_add(1));
        engine.commit(now, &[Change::Epoch(epoch)]);
        engine.adopt_names(now);
        engine.soft = Soft::new(now, &engine.hard, false, engine.settings.limits.disruption_burst);
        engine.act(Action::Ask(Ask::Inventory));
        engine.soft.timers.set(Timer::Ask(0), now.saturating_add(engine.settings.patience.quick));
        Ok(engine)
    }

    /// The hard state as one frame: with it as the first frame, [`replay`](Self::replay) needs only the records
    /// that were written after it.
    pub fn snapshot(&self) -> Record {
        Record::encode(self.written, self.soft.now, &self.hard.as_changes())
    }

    /// The engine that took a snapshot, without any later record; the same as [`replay`](Self::replay) of one frame.
    pub fn restore(
        settings: Settings,
        ecosystem: &Ecosystem,
        infrastructure: &Infrastructure,
        snapshot: &[u8],
        epoch: Epoch,
        now: Timestamp,
    ) -> Result<Self, EngineError> {
        Self::replay(settings, ecosystem, infrastructure, &[snapshot], epoch, now)
    }

    /// Takes in one observation, answer or order.
    pub fn handle_event(&mut self, now: Timestamp, event: Event) {
        self.soft.now = self.soft.now.max(now);
        self.counters.events += 1;
        self.observe(event);
        self.settle();
    }

    /// Does what is due. Calls that come too early change nothing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.soft.now = self.soft.now.max(now);
        while let Some(timer) = self.soft.timers.pop_due(self.soft.now) {
            self.fire(timer);
        }
        self.settle();
    }

    /// The next thing to do, in order. Records come before the actions that rest on them; those are held back until
    /// [`persisted`](Self::persisted).
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outbox.pop_front() {
            return Some(output);
        }
        let &(needs, _) = self.held.front()?;
        if needs > self.persisted && self.journal_first() {
            return None;
        }
        self.held.pop_front().map(|(_, action)| Output::Act(action))
    }

    /// All records up to `number` are durable.
    pub fn persisted(&mut self, number: u64) {
        self.persisted = self.persisted.max(number.min(self.written));
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.soft.timers.next()
    }

    fn assemble(
        settings: Settings,
        world: World,
        hard: Hard,
        now: Timestamp,
        trusted: bool,
        written: u64,
    ) -> Self {
        let soft = Soft::new(now, &hard, trusted, settings.limits.disruption_burst);
        Self {
            settings: Arc::new(settings),
            world: Arc::new(world),
            hard,
            soft,
            outbox: VecDeque::new(),
            held: VecDeque::new(),
            written,
            persisted: written,
            counters: Counters::default(),
            #[cfg(test)]
            guards: crate::testing::Guards::default(),
        }
    }

    /// Timers and marks for everything that exists; done once when the engine starts to trust its state.
    fn arm(&mut self) {
        let silence = self.soft.now.saturating_add(self.settings.detection.suspect_after);
        for h in 0..dense(self.hard.hosts.len()) {
            self.soft.timers.set(Timer::Host(h), silence);
        }
        self.soft.dirty = (0..dense(self.hard.comps.len())).collect();
        self.soft.plan_dirty = true;
        self.arm_inventory();
        self.arm_host_windows();
    }

    /// Names, sizes and wishes that the map has and the state does not.
    fn adopt_names(&mut self, now: Timestamp) {
        let world = Arc::clone(&self.world);
        let components: Vec<_> =
            world.component_names.iter().skip(self.hard.component_names.len()).cloned().collect();
        let hosts: Vec<_> = world.host_names.iter().skip(self.hard.host_names.len()).cloned().collect();
        let first_new = self.hard.comps.len();
        if components.is_empty() && hosts.is_empty() {
            return;
        }
        let mut changes = vec![Change::Names { components, hosts }];
        for (c, info) in world.comps.iter().enumerate().skip(first_new) {
            let comp = Comp {
                desired: if info.placed { info.replicas } else { 0 },
                version: info.version.clone(),
                size: Arc::clone(&info.size),
                ..Comp::absent()
            };
            changes.push(Change::Comp(dense(c), Box::new(comp)));
        }
        self.commit(now, &changes);
        self.soft.grow(&self.hard);
    }

    /// Brings everything that was touched closer to what is wanted.
    fn settle(&mut self) {
        if !self.soft.trusted {
            return;
        }
        // Each pass handles what the one before touched; work that cannot go on waits for a timer, so it ends.
        for _ in 0..8 {
            let dirty = std::mem::take(&mut self.soft.dirty);
            if dirty.is_empty() {
                break;
            }
            for c in dirty {
                self.settle_component(c);
            }
            self.start_queued_rollouts();
        }
        self.settle_plan();
        self.ask_for_hosts();
        self.watch_storm();
        #[cfg(debug_assertions)]
        self.check_derived();
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Host(h) => self.host_silent(h),
            Timer::Action(id) => self.action_overdue(id),
            Timer::Ask(0) => {
                if !self.soft.trusted {
                    self.act(Action::Ask(Ask::Inventory));
                    self.soft
                        .timers
                        .set(Timer::Ask(0), self.soft.now.saturating_add(self.settings.patience.quick));
                }
            }
            Timer::Ask(id) => self.ask_overdue(id),
            Timer::Component(c) | Timer::Opening(c) => self.touch(c),
            Timer::Rollout(c) => self.rollout_stalled(c),
            Timer::Replica(r) => self.touch(r.c),
            Timer::Inventory => self.compare_with_ground(),
            Timer::Plan => self.soft.plan_dirty = true,
            Timer::Window => self.window_passed(),
            Timer::HostWindow(h) => self.host_window(h),
        }
    }

    fn touch(&mut self, c: u32) {
        self.soft.serving[c as usize] = None;
        self.soft.dirty.insert(c);
        self.soft.plan_dirty = true;
    }

    /// Writes changes down and makes them so.
    fn commit(&mut self, now: Timestamp, changes: &[Change]) {
        self.written += 1;
        let record = Record::encode(self.written, now, changes);
        for change in changes {
            let applied = self.hard.apply(self.written, change);
            debug_assert!(applied.is_ok(), "own change refused: {applied:?}");
            match change {
                Change::Replica(r, _) | Change::Gone(r) => {
                    if let Some(count) = self.soft.serving.get_mut(r.c as usize) {
                        *count = None;
                    }
                }
                Change::Host(..) => self.soft.serving.fill(None),
                _ => {}
            }
            match change {
                Change::Replica(r, it) => self.occupy(*r, it.phase.holds().next()),
                Change::Gone(r) => self.occupy(*r, None),
                _ => {}
            }
            match change {
                Change::Gone(r) => self.soft.forget(*r),
                Change::Comp(c, comp) if comp.queued.is_some() => {
                    self.soft.queued.insert(*c);
                }
                Change::Comp(c, _) => {
                    self.soft.queued.remove(c);
                }
                Change::Ended(id, end) => {
                    self.soft.timers.clear(Timer::Action(*id));
                    self.soft.progress.remove(id);
                    self.counters.ended(*end);
                }
                _ => {}
            }
        }
        self.outbox.push_back(Output::Persist(record));
    }

    /// Keeps up with where a replica is, for questions to the optimizer.
    fn occupy(&mut self, r: Rid, host: Option<u32>) {
        let id = self.replica_id(r);
        let host = host.map(|h| self.world.host_id(h));
        if self.soft.occupied.host_of(&id) == host {
            return;
        }
        let occupied = Arc::make_mut(&mut self.soft.occupied);
        match host {
            Some(host) => occupied.set(id, host.clone()),
            None => occupied.remove(&id),
        };
    }

    fn write(&mut self, changes: &[Change]) {
        self.commit(self.soft.now, changes);
    }

    fn act(&mut self, action: Action) {
        self.held.push_back((self.written, action));
    }

    #[cfg(debug_assertions)]
    fn check_derived(&self) {
        if self.hard.replicas.len() > 64 {
            return;
        }
        for (c, count) in (0..).zip(&self.soft.serving) {
            debug_assert!(count.is_none_or(|count| count == self.available(c)), "a count is stale");
        }
        debug_assert_eq!(*self.soft.occupied, soft::occupied(&self.hard), "where replicas are differs");
        for (h, used) in self.hard.used.iter().enumerate() {
            let holders: BTreeSet<Rid> = self
                .hard
                .replicas
                .iter()
                .filter(|(_, replica)| replica.phase.holds().any(|held| held as usize == h))
                .map(|(r, _)| *r)
                .collect();
            debug_assert_eq!(holders, self.hard.on_host[h], "replicas by host differ from the replicas");
            let sum = holders.iter().fold(ecosystem_core::Resources::default(), |sum, r| {
                sum.saturating_add(&self.hard.replicas[r].size)
            });
            debug_assert!(sum.fits_in(used) && used.fits_in(&sum), "use of a host differs from its replicas");
        }
    }
}

/// Folds frames; the first may start anywhere (a snapshot), the rest follow without gaps.
fn fold<B: AsRef<[u8]>>(frames: &[B]) -> Result<(Hard, u64, Timestamp), JournalError> {
    let mut hard = Hard::default();
    let (mut last, mut newest) = (None::<u64>, Timestamp::default());
    for (position, frame) in frames.iter().enumerate() {
        let frame = frame.as_ref();
        let decoded = match decode_frame(frame, 0) {
            Ok((_, length)) if length != frame.len() => {
                return Err(JournalError::Payload { at: length as u64, what: "end of the frame" });
            }
            Ok((decoded, _)) => decoded,
            Err(_) if position + 1 == frames.len() && last.is_some() => break,
            Err(error) => return Err(error),
        };
        if let Some(expected) = last.map(|n| n.saturating_add(1))
            && decoded.number != expected
        {
            return Err(JournalError::Gap { found: decoded.number, expected });
        }
        for change in &decoded.changes {
            hard.apply(decoded.number, change)?;
        }
        last = Some(decoded.number);
        newest = newest.max(decoded.at);
    }
    let names: BTreeSet<_> = hard.component_names.iter().collect();
    let hosts: BTreeSet<_> = hard.host_names.iter().collect();
    if names.len() != hard.component_names.len() || hosts.len() != hard.host_names.len() {
        return Err(JournalError::Payload { at: 0, what: "each name once" });
    }
    Ok((hard, last.ok_or(JournalError::Empty)?, newest))
}

fn dense(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn new_replica(
    phase: Phase,
    version: ecosystem_core::Version,
    size: &Arc<ecosystem_core::Resources>,
) -> Replica {
    Replica {
        phase,
        version,
        size: Arc::clone(size),
        retire: false,
        tainted: false,
        preserved: false,
        restarts: 0,
        relocations: 0,
        avoid: BTreeSet::new(),
    }
}
