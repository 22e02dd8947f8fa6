//! Who gets the next request: the best of a few workers drawn at random, by what they have taken and still have to do.

#[cfg(feature = "serde")]
mod saved;
mod settings;
mod worker;

pub use settings::{BalancerError, BalancerSettings, Selection};
pub use worker::{Standing, WorkerView};

use crate::rng::Pcg;
use core::time::Duration;
use ecosystem_core::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use worker::Worker;

/// Largest weight of a worker.
pub(crate) const WEIGHT_MAX: u32 = 65_536;
/// Longest name of a worker in bytes.
pub(crate) const NAME_MAX: usize = 256;
/// What a turn costs a worker of weight one.
const STRIDE: u64 = 1 << 32;
/// When turns are counted anew from zero.
const PASS_MAX: u64 = 1 << 62;

/// The right to send one request to one worker. It is given back exactly once, with [`Balancer::finish`]; a worker whose tickets get
/// lost looks ever busier.
#[derive(Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use = "a ticket that is not given back counts as outstanding for as long as its worker is in"]
pub struct Ticket {
    worker: Arc<str>,
    slot: u32,
    born: u64,
    trial: bool,
}

impl Ticket {
    /// Who gets the request.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// True if the worker is on probation and this is its trial.
    pub const fn is_trial(&self) -> bool {
        self.trial
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "who is to blame: nobody, the worker, the caller")]
pub enum Outcome {
    /// It was answered.
    Done,
    /// The worker refused, broke off or was too slow for the host's patience.
    Failed,
    /// The caller lost interest. The time so far is a lower bound: it raises the response time and never lowers it.
    Abandoned,
}

/// Chooses who gets the next request.
///
/// # Model
/// It knows workers by name. [`choose`](Self::choose) hands out a [`Ticket`] for one of them, the host sends the
/// request there, and [`finish`](Self::finish) takes the ticket back with the time it took. By [`Selection`]:
///
/// | selection | the next request goes to | cost of a choice |
/// |---|---|---|
/// | [`PeakEwma`](Selection::PeakEwma) | the cheapest of `d` drawn at random; cost = response time × (outstanding + 1) / weight | O(d) |
/// | [`LeastOutstanding`](Selection::LeastOutstanding) | the one of `d` with the fewest outstanding for its weight | O(d) |
/// | [`RoundRobin`](Selection::RoundRobin) | everyone in turn, in proportion to the weights (stride scheduling) | O(log n) |
///
/// Two drawn at random are enough: the longest of n queues falls from log n / log log n with one to log log n with two, and a third
/// gains little more. Asking everyone (`choices` ≥ n) sends whole herds to whoever looked best last, when several balancers do it.
///
/// The response time is a moving average that forgets within [`decay`](BalancerSettings::decay), rises to a peak at once and comes
/// down slowly. Two things keep it from being fooled:
/// - *silence counts*: a worker with something to do that has finished nothing since a second has a response time of at least a
///   second, before any answer or time-out;
/// - *failure is not speed*: what failed counts as [`failure_counts`](BalancerSettings::failure_counts) at least, so a worker that
///   refuses everything at once does not draw everything.
///
/// A worker that fails several times in a row goes on *probation*: it gets nothing until a span is over, then one request on trial.
/// If that succeeds it serves again, otherwise the span doubles. Never more than a share of all workers is on probation at a time,
/// because then something else is wrong.
///
/// There is no clock and no hidden randomness: the host says what time it is, a time that steps back stands still, and the same
/// calls with the same seed choose the same workers, also after a pause in serialized form (feature `serde`). Memory is that of the
/// workers that are in; nothing grows with the number of requests.
///
/// Where workers can *fetch* work from one queue, let them: with unequal workers and requests the slowest hundredth waits a quarter as
/// long (`tests/balance.rs` prints both). A balancer is for requests that have to be sent somewhere now.
///
/// # Example
/// ```
/// use core::time::Duration;
/// use ecosystem_core::Timestamp;
/// use ecosystem_placement::{Balancer, BalancerSettings, Outcome};
///
/// let mut balancer = Balancer::new(BalancerSettings::default().with_seed(7))?;
/// balancer.join("old", 1)?;
/// balancer.join("new", 1)?;
/// // The loop of a host: choose, send, tell how it went.
/// let mut sent = [0, 0];
/// for ms in 0..1_000 {
///     let now = Timestamp::from_unix_ms(ms * 10);
///     let ticket = balancer.choose(now)?;
///     let (which, took) = if ticket.worker() == "old" { (0, 80) } else { (1, 8) };
///     sent[which] += 1;
///     balancer.finish(ticket, now, Duration::from_millis(took), Outcome::Done)?;
/// }
/// // One after the other there is no reason to ask the slow one, except to see whether it still is.
/// assert!(sent[1] > 950 && sent[0] > 0, "{sent:?}");
/// # Ok::<(), ecosystem_placement::BalancerError>(())
/// ```
///
/// # References
/// - Mitzenmacher (2001), The power of two choices in randomized load balancing, IEEE TPDS 12(10).
/// - Peak EWMA: `com.twitter.finagle.loadbalancer.PeakEwma` (Finagle) and linkerd; unlike there, reading a cost does not age it, and
///   silence counts.
/// - Probation: failure accrual of Finagle, outlier detection of Envoy.
/// - Waldspurger and Weihl (1995), Stride scheduling, MIT/LCS/TM-528.
#[derive(Clone, Debug)]
pub struct Balancer {
    settings: BalancerSettings,
    now: Timestamp,
    rng: Pcg,
    // Number of the next worker that joins, so that a name that comes again is another worker.
    born: u64,
    // Turn of the worker that was chosen last (round robin).
    pass: u64,
    slots: Vec<Option<Worker>>,
    free: Vec<u32>,
    // INVARIANT: slots of workers that serve and have room; `Worker::place` is the place in it.
    ready: Vec<u32>,
    // INVARIANT: slots of workers on probation, by the end of it.
    excluded: BTreeSet<(Timestamp, u32)>,
    // INVARIANT: the slots in `ready` by their turn if the selection is round robin, else empty.
    turns: BTreeSet<(u64, u32)>,
    names: BTreeMap<Arc<str>, u32>,
}

impl Balancer {
    /// A balancer without workers.
    pub fn new(settings: BalancerSettings) -> Result<Self, BalancerError> {
        settings.check()?;
        Ok(Self {
            now: Timestamp::from_unix_ms(0),
            rng: Pcg::new(settings.seed, 0),
            born: 0,
            pass: 0,
            slots: Vec::new(),
            free: Vec::new(),
            ready: Vec::new(),
            excluded: BTreeSet::new(),
            turns: BTreeSet::new(),
            names: BTreeMap::new(),
            settings,
        })
    }

    /// How it chooses.
    pub const fn settings(&self) -> &BalancerSettings {
        &self.settings
    }

    /// Number of workers, those on probation included.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// True if nobody has joined.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A worker comes in; `weight` says how much it can do beside the others (1 to 65,536). It is tried as soon as it is drawn,
    /// with one request until the first is back.
    pub fn join(&mut self, name: impl Into<Arc<str>>, weight: u32) -> Result<(), BalancerError> {
        let name = name.into();
        check_worker(&name, weight)?;
        if self.names.contains_key(&name) {
            return Err(BalancerError::Known { worker: name });
        }
        if self.names.len() >= self.settings.workers_max as usize {
            return Err(BalancerError::TooMany { worker: name, max: self.settings.workers_max });
        }
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        if slot as usize == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[slot as usize] = Some(Worker::new(Arc::clone(&name), self.born, weight, self.pass));
        self.born += 1;
        self.names.insert(name, slot);
        self.admit(slot);
        Ok(())
    }

    /// A worker leaves at once. Tickets that are still out are [`BalancerError::Gone`] when they come back, even if the name joins again.
    pub fn leave(&mut self, name: &str) -> Result<(), BalancerError> {
        let slot = self.names.remove(name).ok_or_else(|| BalancerError::Unknown { worker: name.into() })?;
        self.withdraw(slot);
        if let Some(Worker { standing: Standing::Probation { until }, .. }) = self.slots[slot as usize].take()
        {
            self.excluded.remove(&(until, slot));
        }
        self.free.push(slot);
        // The share of fewer workers is less.
        while self.excluded.len() > self.excluded_max() {
            let Some((_, first)) = self.excluded.pop_first() else { break };
            self.serve_again(first);
        }
        Ok(())
    }

    /// A worker has become larger or smaller.
    pub fn weigh(&mut self, name: &str, weight: u32) -> Result<(), BalancerError> {
        check_worker(name, weight)?;
        let slot = self.names.get(name).ok_or_else(|| BalancerError::Unknown { worker: name.into() })?;
        if let Some(worker) = &mut self.slots[*slot as usize] {
            worker.weight = weight;
        }
        Ok(())
    }

    /// Chooses a worker for a request that is sent now.
    pub fn choose(&mut self, now: Timestamp) -> Result<Ticket, BalancerError> {
        self.now = self.now.max(now);
        if let Some(ticket) = self.trial() {
            return Ok(ticket);
        }
        if self.ready.is_empty() {
            return Err(self.nobody());
        }
        let slot = match self.settings.selection {
            Selection::RoundRobin => self.in_turn(),
            Selection::LeastOutstanding => self.cheapest(|worker, _, _| worker.share()),
            Selection::PeakEwma => self.cheapest(Worker::cost),
        };
        Ok(self.hand_out(slot, false))
    }

    /// A request is over. `took` is the time from sending it to its end, in the host's own measure, which may be finer than `now`.
    pub fn finish(
        &mut self,
        ticket: Ticket,
        now: Timestamp,
        took: Duration,
        outcome: Outcome,
    ) -> Result<(), BalancerError> {
        self.now = self.now.max(now);
        let now = self.now;
        let worker = self.slots.get_mut(ticket.slot as usize).and_then(Option::as_mut);
        let Some(worker) = worker.filter(|it| it.born == ticket.born && it.outstanding > 0) else {
            return Err(BalancerError::Gone { worker: ticket.worker });
        };
        worker.finished(now, took, outcome, &self.settings);
        let serves = worker.standing == Standing::Serving;
        let failing = serves && worker.failures >= self.settings.failures_max;
        match outcome {
            Outcome::Done if ticket.trial && !serves => {
                if let Standing::Probation { until } = worker.standing {
                    self.excluded.remove(&(until, ticket.slot));
                }
                self.serve_again(ticket.slot);
            }
            // The next probation runs since the trial; what was sent before says nothing new.
            Outcome::Failed if failing && self.excluded.len() < self.excluded_max() => {
                self.withdraw(ticket.slot);
                self.exclude(ticket.slot);
            }
            _ => {}
        }
        self.admit(ticket.slot);
        Ok(())
    }

    /// All workers by name.
    pub fn workers(&self) -> impl Iterator<Item = WorkerView<'_>> {
        self.names.values().filter_map(|&slot| self.slots[slot as usize].as_ref()).map(Worker::view)
    }

    fn worker(&self, slot: u32) -> &Worker {
        self.slots[slot as usize].as_ref().expect("slots in the lists are taken")
    }

    fn worker_mut(&mut self, slot: u32) -> &mut Worker {
        self.slots[slot as usize].as_mut().expect("slots in the lists are taken")
    }

    /// How many may be on probation.
    fn excluded_max(&self) -> usize {
        self.names.len() * self.settings.probation_percent as usize / 100
    }

    fn nobody(&self) -> BalancerError {
        if self.names.is_empty() {
            return BalancerError::Empty;
        }
        let excluded = self.excluded.len();
        let next = self.excluded.first().map(|(until, _)| *until);
        BalancerError::Busy { full: self.names.len() - excluded, excluded, next }
    }

    /// A worker whose probation is over gets one request. While that is out, the next one is due a span later: a trial that never
    /// comes back is as good as a failed one.
    fn trial(&mut self) -> Option<Ticket> {
        let &(until, slot) = self.excluded.first()?;
        if until > self.now {
            return None;
        }
        self.excluded.pop_first();
        self.exclude(slot);
        let room = self.worker(slot).outstanding < self.settings.outstanding_max;
        room.then(|| self.hand_out(slot, true))
    }

    fn hand_out(&mut self, slot: u32, trial: bool) -> Ticket {
        let (now, max) = (self.now, self.settings.outstanding_max);
        let worker = self.worker_mut(slot);
        worker.began(now);
        let ticket = Ticket { worker: Arc::clone(&worker.name), slot, born: worker.born, trial };
        if worker.outstanding >= max {
            self.withdraw(slot);
        }
        ticket
    }

    /// The best of a few: the first places of the list are drawn, as in the beginning of a shuffle.
    fn cheapest(&mut self, cost: impl Fn(&Worker, Timestamp, Duration) -> f64) -> u32 {
        let drawn = (self.settings.choices as usize).min(self.ready.len());
        let mut best = (f64::INFINITY, self.ready[0]);
        for place in 0..drawn {
            let other = place + self.rng.below(self.ready.len() - place);
            self.swap(place, other);
            let slot = self.ready[place];
            let it = cost(self.worker(slot), self.now, self.settings.decay);
            if it < best.0 || place == 0 {
                best = (it, slot);
            }
        }
        best.1
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.ready.swap(a, b);
        for place in [a, b] {
            let slot = self.ready[place];
            self.worker_mut(slot).place = Some(place as u32);
        }
    }

    fn in_turn(&mut self) -> u32 {
        let (pass, slot) = self.turns.pop_first().expect("everyone in `ready` has a turn");
        self.pass = pass;
        let worker = self.worker_mut(slot);
        worker.pass = pass + STRIDE / u64::from(worker.weight);
        let next = worker.pass;
        self.turns.insert((next, slot));
        if next > PASS_MAX {
            self.count_anew();
        }
        slot
    }

    /// Once in a billion turns.
    fn count_anew(&mut self) {
        let base = self.pass;
        for worker in self.slots.iter_mut().flatten() {
            worker.pass = worker.pass.saturating_sub(base);
        }
        self.turns = self.turns.iter().map(|&(pass, slot)| (pass.saturating_sub(base), slot)).collect();
        self.pass = 0;
    }

    /// Into the list of those that can be chosen, if it may be there and is not.
    fn admit(&mut self, slot: u32) {
        let (place, pass) = (self.ready.len() as u32, self.pass);
        let max = self.settings.outstanding_max;
        let worker = self.worker_mut(slot);
        let fit = worker.standing == Standing::Serving && worker.outstanding < max;
        if !fit || worker.place.is_some() {
            return;
        }
        worker.place = Some(place);
        // Turns that were missed are not made up for.
        worker.pass = worker.pass.max(pass);
        let turn = (worker.pass, slot);
        self.ready.push(slot);
        if self.settings.selection == Selection::RoundRobin {
            self.turns.insert(turn);
        }
    }

    /// Out of the list.
    fn withdraw(&mut self, slot: u32) {
        let Some(worker) = &mut self.slots[slot as usize] else { return };
        let turn = (worker.pass, slot);
        let Some(place) = worker.place.take() else { return };
        self.turns.remove(&turn);
        self.ready.swap_remove(place as usize);
        if let Some(&moved) = self.ready.get(place as usize) {
            self.worker_mut(moved).place = Some(place);
        }
    }

    /// On probation from now on, twice as long as the last time, and up to a quarter longer, so that not all are tried at once.
    fn exclude(&mut self, slot: u32) {
        let (now, spread) = (self.now, self.rng.unit() * 0.25);
        let (first, longest) = (self.settings.probation, self.settings.probation_max);
        let worker = self.worker_mut(slot);
        let span = worker.span(first, longest);
        worker.exclusions = worker.exclusions.saturating_add(1);
        let until = now.saturating_add(span.saturating_add(span.mul_f64(spread)));
        if let Standing::Probation { until } = worker.standing {
            self.excluded.remove(&(until, slot));
        }
        self.worker_mut(slot).standing = Standing::Probation { until };
        self.excluded.insert((until, slot));
    }

    fn serve_again(&mut self, slot: u32) {
        let now = self.now;
        let worker = self.worker_mut(slot);
        worker.standing = Standing::Serving;
        // The trial was counted as failed until it was not.
        worker.exclusions = worker.exclusions.saturating_sub(1);
        worker.failures = 0;
        worker.since = now;
        self.admit(slot);
    }
}

fn check_worker(name: &str, weight: u32) -> Result<(), BalancerError> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(BalancerError::Name { bytes: name.len() });
    }
    if !(1..=WEIGHT_MAX).contains(&weight) {
        return Err(BalancerError::Weight { worker: name.into(), weight });
    }
    Ok(())
}
