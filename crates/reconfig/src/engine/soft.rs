//! Soft state: observations and timers. It is not journalled; after a restart it is empty, and nothing
//! destructive leaves the engine before fresh observation.

use crate::state::{Hard, Reason, Rid};
use ecosystem_core::{Placement, ReplicaId, ReplicaState, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What a timer is for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Timer {
    /// Silence of a host.
    Host(u32),
    /// Deadline of an action.
    Action(u64),
    /// Deadline of a question to the optimizer.
    Ask(u64),
    /// Look at a component again.
    Component(u32),
    /// No progress of a rollout.
    Rollout(u32),
    /// Probe or try a replica again.
    Replica(Rid),
    /// Compare what is believed with the ground.
    Inventory,
    /// Look at the plan again.
    Plan,
    /// A window by calendar closes, or may have room again.
    Window,
    /// A maintenance window of a component opens.
    Opening(u32),
    /// A maintenance window of a host opens soon, or closes.
    HostWindow(u32),
}

/// At most one moment per timer, earliest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(Timestamp, Timer)>,
    at: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.clear(timer);
        self.at.insert(timer, at);
        self.by_time.insert((at, timer));
    }

    /// Sets the timer unless it is set already.
    pub(crate) fn ensure(&mut self, timer: Timer, at: Timestamp) {
        if !self.at.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    pub(crate) fn clear(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at.contains_key(&timer)
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|&(at, _)| at)
    }

    #[cfg(test)]
    pub(crate) fn relative(&self, now: Timestamp) -> Vec<(Timer, Duration)> {
        self.at.iter().map(|(timer, at)| (*timer, at.saturating_since(now))).collect()
    }

    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        let &(at, timer) = self.by_time.first()?;
        if at > now {
            return None;
        }
        self.clear(timer);
        Some(timer)
    }
}

/// What is observed of a host.
#[derive(Clone, Debug)]
pub(crate) struct HostSoft {
    pub(crate) seen: Timestamp,
    /// Learned heartbeat intervals, if that detector is chosen.
    pub(crate) phi: Option<Box<crate::detect::PhiNormal>>,
    /// Heartbeats in a row since it was declared dead.
    pub(crate) returning: u32,
    /// When it turned suspect, the last few times.
    pub(crate) suspicions: VecDeque<Timestamp>,
    /// No fence before this.
    pub(crate) fence_not_before: Timestamp,
}

/// Proposals of one slice of time, for scaling.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Slice {
    pub(crate) start: Timestamp,
    pub(crate) low: u32,
    pub(crate) high: u32,
}

/// What is observed of a component's load.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadSoft {
    pub(crate) slices: VecDeque<Slice>,
    /// First of an unbroken run of observations.
    pub(crate) since: Option<Timestamp>,
    pub(crate) newest: Timestamp,
    pub(crate) changed: Option<Timestamp>,
    /// Replicas that an expected load will need, and until when it is expected.
    pub(crate) expected: Option<(Timestamp, u32)>,
}

/// A question to the optimizer without an answer.
#[derive(Clone, Debug)]
pub(crate) struct OpenAsk {
    pub(crate) needs: BTreeMap<Rid, Reason>,
}

/// Answers about a replica nobody is sure of.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct DoubtSoft {
    pub(crate) answers: BTreeMap<u32, ReplicaState>,
    pub(crate) rounds: u32,
    /// The executor did not say that the action is over: it may still have its effect.
    pub(crate) open: bool,
}

/// Waiting for a host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) since: Timestamp,
    /// Not asked about before this, unless capacity changes.
    pub(crate) parked: Timestamp,
    pub(crate) told: bool,
    pub(crate) escalated: bool,
}

/// Tokens in millionths of one, refilled with time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    pub(crate) micro: u64,
    pub(crate) at: Timestamp,
}

impl Bucket {
    /// Refills for the time that passed, then takes one token if there is one.
    pub(crate) fn take(&mut self, now: Timestamp, burst: u32, every: Duration) -> bool {
        self.refill(now, burst, every);
        if self.micro < 1_000_000 {
            return false;
        }
        self.micro -= 1_000_000;
        true
    }

    pub(crate) fn refill(&mut self, now: Timestamp, burst: u32, every: Duration) {
        let passed = now.saturating_since(self.at).as_millis();
        let earned = passed.saturating_mul(1_000_000) / every.as_millis().max(1);
        let full = u64::from(burst) * 1_000_000;
        self.micro = self.micro.saturating_add(u64::try_from(earned).unwrap_or(u64::MAX)).min(full);
        self.at = now;
    }
}

/// Everything that is not journalled.
#[derive(Clone, Debug)]
pub(crate) struct Soft {
    pub(crate) now: Timestamp,
    /// False after a restart until the inventory came.
    pub(crate) trusted: bool,
    pub(crate) hosts: Vec<HostSoft>,
    pub(crate) loads: Vec<LoadSoft>,
    pub(crate) timers: Timers,
    pub(crate) dirty: BTreeSet<u32>,
    /// Replicas that do not serve as they should, and since when.
    pub(crate) unhealthy: BTreeMap<Rid, Timestamp>,
    /// Components with a version that waits for its turn.
    pub(crate) queued: BTreeSet<u32>,
    /// Crashes in a row and the last one.
    pub(crate) crashes: BTreeMap<Rid, (u32, Timestamp)>,
    /// How far unfinished actions are.
    pub(crate) progress: BTreeMap<u64, u32>,
    pub(crate) asks: BTreeMap<u64, OpenAsk>,
    pub(crate) asked: BTreeMap<Rid, u64>,
    pub(crate) next_ask: u64,
    pub(crate) needs: BTreeMap<Rid, Reason>,
    pub(crate) waiting: BTreeMap<Rid, Waiting>,
    /// Not touched before this.
    pub(crate) backoff: BTreeMap<Rid, Timestamp>,
    pub(crate) doubts: BTreeMap<Rid, DoubtSoft>,
    pub(crate) probing: BTreeMap<(Rid, u32), u64>,
    /// Strays being stopped: no start of the same replica there meanwhile.
    pub(crate) strays: BTreeMap<(Rid, u32), u64>,
    /// What was refused last by subject, so that the same refusal is told once.
    pub(crate) refusals: BTreeMap<(u32, u32), &'static str>,
    pub(crate) verified: BTreeSet<u32>,
    /// Components whose clean replicas may not start where compromised ones ran: asked and refused.
    pub(crate) reuse_refused: BTreeSet<u32>,
    pub(crate) bucket: Bucket,
    /// Replicas of each component that serve, where that was counted since anything changed.
    pub(crate) serving: Vec<Option<u32>>,
    /// Hosts silent or being fenced.
    pub(crate) silent: BTreeSet<u32>,
    /// Replicas that were added to serve more and have not run yet.
    pub(crate) grown: BTreeSet<Rid>,
    /// The plan wants to be looked at.
    pub(crate) plan_dirty: bool,
    /// When a step of the plan last began or ended.
    pub(crate) plan_progress: Timestamp,
    /// It was planned anew because nothing went on.
    pub(crate) plan_again: bool,
    /// When the last plan was taken for what it gains.
    pub(crate) plan_gained: Option<Timestamp>,
    /// Components of the new map that would grow beyond the reserve, and keep what they have.
    pub(crate) kept_small: BTreeSet<u32>,
    /// Where each replica is, as questions to the optimizer tell it; shared with those that are open.
    // INVARIANT: the first host of every replica that holds one.
    pub(crate) occupied: Arc<Placement>,
}

/// The first host of every replica that holds one.
pub(crate) fn occupied(hard: &Hard) -> Placement {
    let place = |(r, it): (&Rid, &crate::state::Replica)| {
        let host = it.phase.holds().next()?;
        let id = ReplicaId::new(hard.component_names[r.c as usize].clone(), r.n);
        Some((id, hard.host_names[host as usize].clone()))
    };
    hard.replicas.iter().filter_map(place).collect()
}

impl Soft {
    pub(crate) fn new(now: Timestamp, hard: &Hard, trusted: bool, burst: u32) -> Self {
        let host = HostSoft {
            seen: now,
            phi: None,
            returning: 0,
            suspicions: VecDeque::new(),
            fence_not_before: Timestamp::default(),
        };
        Self {
            now,
            trusted,
            hosts: vec![host; hard.hosts.len()],
            loads: vec![LoadSoft::default(); hard.comps.len()],
            timers: Timers::default(),
            dirty: BTreeSet::new(),
            unhealthy: BTreeMap::new(),
            queued: (0..).zip(&hard.comps).filter(|(_, it)| it.queued.is_some()).map(|(c, _)| c).collect(),
            crashes: BTreeMap::new(),
            progress: BTreeMap::new(),
            asks: BTreeMap::new(),
            asked: BTreeMap::new(),
            next_ask: 0,
            needs: BTreeMap::new(),
            waiting: BTreeMap::new(),
            backoff: BTreeMap::new(),
            doubts: BTreeMap::new(),
            probing: BTreeMap::new(),
            strays: BTreeMap::new(),
            refusals: BTreeMap::new(),
            verified: BTreeSet::new(),
            reuse_refused: BTreeSet::new(),
            // After a restart nothing is known of what was spent: start empty.
            bucket: Bucket { micro: if trusted { u64::from(burst) * 1_000_000 } else { 0 }, at: now },
            serving: vec![None; hard.comps.len()],
            silent: BTreeSet::new(),
            grown: BTreeSet::new(),
            plan_dirty: false,
            plan_progress: now,
            plan_again: false,
            plan_gained: None,
            kept_small: BTreeSet::new(),
            occupied: Arc::new(occupied(hard)),
        }
    }

    /// Room for names that were added.
    pub(crate) fn grow(&mut self, hard: &Hard) {
        let host = HostSoft {
            seen: self.now,
            phi: None,
            returning: 0,
            suspicions: VecDeque::new(),
            fence_not_before: Timestamp::default(),
        };
        self.hosts.resize(hard.hosts.len(), host);
        self.loads.resize_with(hard.comps.len(), LoadSoft::default);
        self.serving.resize(hard.comps.len(), None);
    }

    /// Nothing of a replica that is gone stays behind.
    pub(crate) fn forget(&mut self, r: Rid) {
        self.unhealthy.remove(&r);
        self.crashes.remove(&r);
        self.waiting.remove(&r);
        self.backoff.remove(&r);
        self.doubts.remove(&r);
        self.refusals.remove(&(r.c, r.n));
        self.needs.remove(&r);
        self.grown.remove(&r);
        self.timers.clear(Timer::Replica(r));
        if let Some(ask) = self.asked.remove(&r)
            && let Some(open) = self.asks.get_mut(&ask)
        {
            open.needs.remove(&r);
        }
    }
}
