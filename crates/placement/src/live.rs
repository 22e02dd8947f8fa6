//! A fleet that lives, with all its rules: arrivals, departures and changes of capacity, one at a time.
//!
//! [`Live`] keeps the state that delta evaluation needs, so that an arrival costs a look at some hosts and not at the
//! whole problem. [`Fleet`](crate::Fleet) is the smaller sibling for hosts that only know room.

use crate::compile::Check;
use crate::dense::{Dense, NONE};
use crate::error::ProblemError;
use crate::problem::Problem;
use crate::state::{Delta, State};
use racks::{Broken, Racks};

mod racks;

/// Hosts with room that are evaluated in full for one arrival once a host has been found.
const LOOKS: usize = 128;
/// Of these, hosts that can only be as good as the best so far and leave less room.
const TIES: usize = 40;
/// Racks that are put in order first; most arrivals find their host there.
const NEAREST: usize = 32;
/// Sweeps over an arriving stack after its members have places.
const SWEEPS: usize = 8;

/// A problem with some of its items in place. Items are those of the problem; ones that are still to come, or may come
/// back, have no host. New applications need a new [`Problem`], which takes the present assignment over.
///
/// # Example
/// ```
/// use ecosystem_core::Weight;
/// use ecosystem_placement::{DenseBuilder, DenseHost, DenseItem, DenseRule, Dimension, Live};
///
/// let mut raw = DenseBuilder::new([Dimension { name: "cpu".into(), ..Dimension::default() }]);
/// for _ in 0..3 {
///     raw.host(DenseHost { capacity: vec![4], open_cost: 1, ..DenseHost::default() });
/// }
/// for _ in 0..3 {
///     raw.item(DenseItem { demand: vec![2], ..DenseItem::default() });
/// }
/// let by_host = raw.partition(vec![0, 1, 2]);
/// let group = raw.group(vec![0, 1]);
/// raw.rule("apart", Weight::Hard, DenseRule::Limit { group, partition: by_host, max: 1 });
/// let problem = raw.build()?;
///
/// let mut live = Live::new(&problem, &[Some(0), None, None]);
/// let second = live.place(1)?.unwrap();
/// assert_ne!(second, 0);
/// assert!(live.place(2)?.is_some_and(|host| host == 0 || host == second)); // where nothing has to be opened
/// live.remove(0)?;
/// assert_eq!(live.host_of(0), None);
/// # Ok::<(), ecosystem_placement::ProblemError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Live<'p> {
    state: State<'p>,
    closed: Vec<bool>,
    /// Hosts in use, in no order, and the place of each in that list.
    online: Vec<u32>,
    place_of: Vec<u32>,
    racks: Racks,
    /// Scratch: proximity cost at each point, and points in the order of it.
    near: Vec<i64>,
    order: Vec<(i64, u32)>,
}

/// The best host so far: change of the objective and what would be left free.
type Best = Option<(Delta, f64, u32)>;

impl<'p> Live<'p> {
    /// Takes over where items are; hosts that do not exist count as no host. Rules may be broken at the start.
    pub fn new(problem: &'p Problem, assignment: &[Option<u32>]) -> Self {
        let p = &problem.dense;
        let state = State::empty(p);
        let mut live = Self {
            racks: Racks::new(&state),
            state,
            closed: vec![false; p.hosts],
            online: Vec::new(),
            place_of: vec![NONE; p.hosts],
            near: Vec::new(),
            order: Vec::new(),
        };
        for (item, &host) in assignment.iter().enumerate().take(p.items) {
            if let Some(host) = host.filter(|&host| (host as usize) < p.hosts) {
                live.put(item as u32, host);
            }
        }
        live
    }

    /// Host of an item; `None` if it is not placed or not an item of the problem.
    pub fn host_of(&self, item: u32) -> Option<u32> {
        self.state.host_of.get(item as usize).copied().filter(|&host| host != NONE)
    }

    /// Hosts of all items.
    pub fn assignment(&self) -> Vec<Option<u32>> {
        self.state.host_of.iter().map(|&host| (host != NONE).then_some(host)).collect()
    }

    /// Cost of what is placed, in cost units.
    pub const fn cost(&self) -> i64 {
        self.state.value.cost
    }

    /// True if what is placed keeps all hard rules and capacities.
    pub const fn is_feasible(&self) -> bool {
        self.state.value.hard == 0
    }

    /// Number of hosts in use.
    pub const fn in_use(&self) -> usize {
        self.online.len()
    }

    /// Items on a host, in no order.
    pub fn residents(&self, host: u32) -> &[u32] {
        self.state.residents.get(host as usize).map_or(&[], Vec::as_slice)
    }

    /// Free amounts of a host by dimension, negative where it holds more than it has; empty for a host that does not exist.
    pub fn free(&self, host: u32) -> &[i64] {
        if (host as usize) < self.state.p.hosts { self.state.hard_room(host) } else { &[] }
    }

    /// The host that an item would go to: of those that break no hard rule (and first those that mend one) the one that adds
    /// least cost, and among equals
    /// the one that is left with the least room (Panigrahy et al. 2011), so that others empty. `None` if every host breaks
    /// a hard rule.
    ///
    /// Hosts are visited rack by rack in the order of what the distance to the item's partners costs at least, until no
    /// later rack can be better; with one host found, after 128 evaluated hosts. O(edges · racks + racks · log racks), then
    /// the hosts; without partners hosts in use come first.
    pub fn choose(&mut self, item: u32) -> Result<Option<u32>, ProblemError> {
        self.known(item)?;
        Ok(self.best_host(item, false).map(|(.., host)| host))
    }

    /// Places an item (again, if it has a place) on its best host and says which; changes nothing if there is none.
    pub fn place(&mut self, item: u32) -> Result<Option<u32>, ProblemError> {
        self.known(item)?;
        let before = self.take(item);
        let best = self.best_host(item, false).map(|(.., host)| host);
        if let Some(host) = best.or(before) {
            self.put(item, host);
        }
        Ok(best)
    }

    /// Places the items of a stack together: one after the other, largest first, then each again with the others in
    /// place until nothing gets better. Nothing else moves. False, and nothing changed, if they do not all fit or a hard
    /// rule stays broken that was not before.
    pub fn place_stack(&mut self, items: &[u32]) -> Result<bool, ProblemError> {
        items.iter().try_for_each(|&item| self.known(item))?;
        let before: Vec<(u32, Option<u32>)> = items.iter().map(|&item| (item, self.take(item))).collect();
        let broken = self.state.value.hard;
        let mut order: Vec<u32> = items.to_vec();
        let size = |item: u32| -> f64 {
            let p = self.state.p;
            p.demand_of(item)
                .iter()
                .zip(&p.mean_capacity)
                .map(|(&d, mean)| d as f64 / mean)
                .fold(0.0, f64::max)
        };
        order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
        order.dedup();
        for sweep in 0..=SWEEPS {
            let value = self.state.value;
            for &item in &order {
                let was = self.take(item);
                // a rule may hold only once all are in place
                if let Some(host) = self.best_host(item, true).map(|(.., host)| host).or(was) {
                    self.put(item, host);
                }
            }
            if sweep > 0 && !self.state.value.better_than(value) {
                break;
            }
        }
        let placed = items.iter().all(|&item| self.host_of(item).is_some());
        if placed && self.state.value.hard <= broken {
            return Ok(true);
        }
        for &(item, host) in &before {
            self.take(item);
            if let Some(host) = host {
                self.put(item, host);
            }
        }
        Ok(false)
    }

    /// Takes an item away; says where it was.
    pub fn remove(&mut self, item: u32) -> Result<Option<u32>, ProblemError> {
        self.known(item)?;
        Ok(self.take(item))
    }

    /// Closes a host to arrivals, or opens it again. What is there stays.
    pub fn set_closed(&mut self, host: u32, closed: bool) -> Result<(), ProblemError> {
        let Some(flag) = self.closed.get_mut(host as usize) else { return Err(self.no_host(host)) };
        *flag = closed;
        Ok(())
    }

    /// Changes the capacity of a host (by dimension, hard and soft alike) by an amount. What no longer fits stays, and
    /// [`is_feasible`](Self::is_feasible) says so.
    pub fn change_capacity(&mut self, host: u32, change: &[i64]) -> Result<(), ProblemError> {
        let p = self.state.p;
        if host as usize >= p.hosts {
            return Err(self.no_host(host));
        }
        if change.len() != p.dims {
            let (index, found) = (host as usize, change.len());
            return Err(ProblemError::Length {
                what: "change of capacity of host",
                index,
                found,
                expected: p.dims,
            });
        }
        if change.iter().any(|amount| amount.unsigned_abs() > 1 << 60) {
            return Err(ProblemError::Overflow { what: "amounts of resources" });
        }
        self.state.change_capacity(host, change);
        self.racks.update(&self.state, host);
        Ok(())
    }

    fn known(&self, item: u32) -> Result<(), ProblemError> {
        let count = self.state.p.items;
        if (item as usize) < count {
            return Ok(());
        }
        Err(ProblemError::OutOfRange {
            what: "call",
            wants: "item",
            index: u64::from(item),
            count: count as u64,
        })
    }

    fn no_host(&self, host: u32) -> ProblemError {
        let count = self.state.p.hosts as u64;
        ProblemError::OutOfRange { what: "call", wants: "host", index: u64::from(host), count }
    }

    fn put(&mut self, item: u32, host: u32) {
        self.state.apply(item, host);
        self.racks.update(&self.state, host);
        if self.place_of[host as usize] == NONE {
            self.place_of[host as usize] = self.online.len() as u32;
            self.online.push(host);
        }
    }

    fn take(&mut self, item: u32) -> Option<u32> {
        let host = self.host_of(item)?;
        self.state.apply(item, NONE);
        self.racks.update(&self.state, host);
        if self.state.residents[host as usize].is_empty() {
            let place = std::mem::replace(&mut self.place_of[host as usize], NONE) as usize;
            self.online.swap_remove(place);
            if let Some(&moved) = self.online.get(place) {
                self.place_of[moved as usize] = place as u32;
            }
        }
        Some(host)
    }

    /// Best host of an unplaced item; with `any` one that breaks rules is better than none.
    fn best_host(&mut self, item: u32, any: bool) -> Best {
        let (mut near, mut order) = (std::mem::take(&mut self.near), std::mem::take(&mut self.order));
        let p = self.state.p;
        let mut look = Look { live: self, item, any, best: None, looks: 0, ties: 0 };
        let partners: Vec<u32> = p
            .edges(item)
            .map(|(other, _)| look.live.state.host_of[other as usize])
            .filter(|&h| h != NONE)
            .collect();
        if partners.is_empty() {
            look.hosts_in_use();
        } else {
            for &host in &partners {
                look.at(host);
            }
            look.racks(&mut near, &mut order);
        }
        let best = look.best;
        (self.near, self.order) = (near, order);
        best
    }
}

/// One search for a host.
struct Look<'a, 'p> {
    live: &'a Live<'p>,
    item: u32,
    any: bool,
    best: Best,
    looks: usize,
    ties: usize,
}

impl Look<'_, '_> {
    /// Evaluates a host.
    fn at(&mut self, host: u32) {
        let state = &self.live.state;
        if self.live.closed[host as usize] || !(self.any || state.fits(self.item, host)) {
            return;
        }
        self.looks += 1;
        let delta = state.delta(self.item, host);
        self.ties += usize::from(self.best.is_some_and(|(least, ..)| delta == least));
        if delta.hard > 0 && !self.any {
            return;
        }
        let worse = |least: Delta| least.better_than(delta);
        if self.best.is_some_and(|(least, ..)| worse(least)) {
            return;
        }
        let rest = rest(state, self.item, host);
        let better = self.best.is_none_or(|(least, least_rest, _)| {
            delta.better_than(least) || (delta == least && rest < least_rest)
        });
        if better {
            self.best = Some((delta, rest, host));
        }
    }

    fn enough(&self) -> bool {
        (self.looks >= LOOKS || self.ties >= TIES) && self.best.is_some_and(|(delta, ..)| delta.hard <= 0)
    }

    /// No partner anywhere: hosts in use, from a place that differs from item to item, then the others.
    fn hosts_in_use(&mut self) {
        let online = &self.live.online;
        let start = |count: usize| (self.item as usize).wrapping_mul(0x9e37_79b9) % count.max(1);
        let (from, hosts) = (start(online.len()), self.live.state.p.hosts);
        let first = start(hosts);
        for host in online[from..].iter().chain(&online[..from]) {
            self.at(*host);
            if self.enough() {
                return;
            }
        }
        // an unused one costs at least its price
        let gain = largest_gain(&self.live.state, self.item);
        for host in (first..hosts).chain(0..first) {
            let price = self.live.state.p.open_cost[host];
            if self.live.place_of[host] == NONE && !self.hopeless(price, gain) {
                self.at(host as u32);
                if self.enough() {
                    return;
                }
            }
        }
    }

    /// True if a host that costs at least so much cannot be better than the best so far.
    fn hopeless(&self, least: i64, gain: Option<i64>) -> bool {
        let beats = |delta: Delta| gain.is_some_and(|gain| least - gain > delta.cost);
        self.best.is_some_and(|(delta, ..)| delta.hard <= 0 && beats(delta))
    }

    /// Racks in the order of what the distance to the partners costs there at least.
    fn racks(&mut self, near: &mut Vec<i64>, order: &mut Vec<(i64, u32)>) {
        let p = self.live.state.p;
        let points = p.distance.points as usize;
        near.clear();
        near.resize(points, 0);
        for (other, weight) in p.edges(self.item) {
            let at = self.live.state.host_of[other as usize];
            if at != NONE {
                let row = p.distance.point[at as usize] as usize * points;
                for (sum, distance) in near.iter_mut().zip(&p.distance.table[row..row + points]) {
                    *sum += weight * distance;
                }
            }
        }
        order.clear();
        order.extend(near.iter().copied().zip(0..));
        if order.len() > NEAREST {
            order.select_nth_unstable(NEAREST);
        }
        let first = order.len().min(NEAREST);
        order[..first].sort_unstable();
        let racks = &self.live.racks;
        let mut sieve = Sieve {
            p,
            racks,
            any: self.any,
            asked: racks.asked(p.demand_of(self.item)),
            broken: self.live.host_of(self.item).is_none().then(|| racks.broken(&self.live.state, self.item)),
        };
        let gain = largest_gain(&self.live.state, self.item);
        if !self.visit(&order[..first], gain, &mut sieve) {
            order.drain(..first);
            order.retain(|&(_, point)| sieve.room(point) != Some(0));
            order.sort_unstable();
            self.visit(order, gain, &mut sieve);
        }
    }

    /// Looks at racks in this order; true as soon as no later one can be better.
    fn visit(&mut self, racks: &[(i64, u32)], gain: Option<i64>, sieve: &mut Sieve<'_>) -> bool {
        for &(least, point) in racks {
            if self.hopeless(least, gain) || self.enough() {
                return true;
            }
            let room = sieve.room(point);
            for (at, &host) in sieve.p.hosts_at(point).iter().enumerate() {
                if room.is_none_or(|bits| bits >> at & 1 == 1) {
                    self.at(host);
                }
            }
        }
        false
    }
}

/// What racks are passed over.
struct Sieve<'a> {
    p: &'a Dense,
    racks: &'a Racks,
    /// Hosts that break rules are looked at, too.
    any: bool,
    asked: Vec<u8>,
    /// `None` for an item that has a place already.
    broken: Option<Broken<'a>>,
}

impl Sieve<'_> {
    /// Hosts of a rack that are worth a look, one bit for each; `None` = all.
    fn room(&mut self, point: u32) -> Option<u64> {
        if self.any {
            return None;
        }
        let room = self.racks.with_room(self.p, &self.asked, point);
        if room == Some(0) {
            return room;
        }
        let first = self.p.hosts_at(point).first();
        let breaks =
            self.broken.as_mut().zip(first).is_some_and(|(broken, &host)| broken.everywhere_near(host));
        if breaks { Some(0) } else { room }
    }
}

/// Squared shares of what is left after the item came.
fn rest(state: &State<'_>, item: u32, host: u32) -> f64 {
    let p = state.p;
    let at = host as usize * p.dims;
    let left = state.hard_room(host).iter().zip(p.demand_of(item));
    left.zip(&p.share[at..at + p.dims])
        .map(|((left, asked), share)| ((left - asked) as f64 * share).powi(2))
        .sum()
}

/// The most by which an arrival can lower the cost of anything but proximity, that is of soft rules that are broken now, of
/// balance and of stranded room; `None` if nothing is known, or while hard rules are broken, which an arrival may mend at any price.
fn largest_gain(state: &State<'_>, item: u32) -> Option<i64> {
    let p: &Dense = state.p;
    let mut gain = p.stranding;
    for balance in &p.balances {
        let asked = p.demand_of(item)[balance.a as usize];
        gain = gain.saturating_add(balance.weight.saturating_mul(balance.target.saturating_mul(asked)));
    }
    for &ix in p.tables.counters_of.row(item) {
        let (from, to) = p.tables.counters[ix as usize].checks;
        for check in &p.tables.checks[from as usize..to as usize] {
            gain = gain.saturating_add(match *check {
                Check::Spread { force, .. } => 2 * force.cost,
                Check::ProviderFor { requirer, force } => {
                    force.cost.saturating_mul(state.unprovided(requirer, ix))
                }
                _ => 0,
            });
        }
    }
    let custom = p.tables.customs_of.row(item).iter().any(|&ix| p.tables.customs[ix as usize].1.cost > 0);
    (!custom && state.value.hard == 0).then_some(gain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate;
    use crate::fixture::{ALL, random_problem};
    use crate::rng::Pcg;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn an_arrival_gets_the_cheapest_host_that_breaks_nothing(
            seed in any::<u64>(), items in 3_usize..14, hosts in prop_oneof![3_usize..9, 20_usize..50], kinds in 0..=ALL,
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let p = &problem.dense;
            let mut rng = Pcg::new(seed, 6);
            let mut live = Live::new(&problem, &[]);
            for _ in 0..30 {
                let item = rng.below(items) as u32;
                if rng.below(4) == 0 {
                    live.remove(item)?;
                    continue;
                }
                live.remove(item)?;
                let mut x = live.state.host_of.clone();
                let before = evaluate(p, &x);
                let mut best: Option<(i64, i64)> = None;
                for host in 0..hosts as u32 {
                    x[item as usize] = host;
                    let after = evaluate(p, &x);
                    if after.hard <= before.hard && live.state.fits(item, host) {
                        let value = (after.hard, after.terms.total());
                        best = Some(best.map_or(value, |least| least.min(value)));
                    }
                }
                let host = live.place(item)?;
                prop_assert_eq!(host.is_some(), best.is_some());
                let now = evaluate(p, &live.state.host_of);
                if let Some(least) = best {
                    prop_assert_eq!((now.hard, now.terms.total()), least);
                }
                prop_assert_eq!(live.cost(), now.terms.total());
                let used = (0..hosts as u32).filter(|&h| !live.residents(h).is_empty()).count();
                prop_assert_eq!(live.in_use(), used);
            }
        }

        #[test]
        fn a_stack_comes_as_a_whole_or_not_at_all(
            seed in any::<u64>(), items in 4_usize..14, hosts in 3_usize..9, kinds in 0..=ALL,
        ) {
            let problem = random_problem(seed, items, hosts, kinds);
            let mut live = Live::new(&problem, &[]);
            let stack: Vec<u32> = (0..items as u32 / 2).collect();
            let rest: Vec<u32> = (items as u32 / 2..items as u32).collect();
            let before = (live.place_stack(&stack)?, live.clone());
            let second = live.place_stack(&rest)?;
            prop_assert_eq!(second, rest.iter().all(|&item| live.host_of(item).is_some()));
            if !second {
                prop_assert_eq!(live.assignment(), before.1.assignment());
                prop_assert_eq!(live.cost(), before.1.cost());
            } else if before.0 {
                let full = evaluate(&problem.dense, &live.state.host_of);
                prop_assert_eq!(full.hard > 0, !live.is_feasible());
            }
        }
    }

    #[test]
    fn closed_and_shrunken_hosts_take_nothing() {
        let problem = random_problem(1, 6, 4, 0);
        let mut live = Live::new(&problem, &[]);
        for host in 0..3 {
            live.set_closed(host, true).unwrap();
        }
        assert_eq!(live.place(0).unwrap(), Some(3));
        let all: Vec<i64> = live.free(3).iter().map(|free| -free).collect();
        live.change_capacity(3, &all).unwrap();
        assert_eq!(live.free(3), [0, 0]);
        assert_eq!(live.place(1).unwrap(), None);
        live.change_capacity(3, &[-1, 0]).unwrap();
        assert!(!live.is_feasible());
        live.change_capacity(3, &[100, 100]).unwrap();
        assert!(live.is_feasible());
        assert_eq!(live.place(1).unwrap(), Some(3));
        assert!(live.place(99).is_err() && live.set_closed(99, true).is_err());
        assert!(live.change_capacity(0, &[1]).is_err());
    }
}
