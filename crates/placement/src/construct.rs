//! First assignments: keep what has a home, put the rest where it adds least.

use crate::dense::{Dense, NONE};
use crate::rng::Pcg;
use crate::state::{Delta, State};

/// Hosts looked at for each item when there are very many.
const CANDIDATES_MAX: usize = 256;

/// Places every unplaced item: large ones first, then the ones most tied to what is placed.
pub(crate) fn complete(state: &mut State<'_>, rng: &mut Pcg) -> u64 {
    let mut open: Vec<u32> =
        (0..state.p.items as u32).filter(|&i| state.host_of[i as usize] == NONE).collect();
    let share = scarcity(state);
    let size = |item: u32| -> f64 {
        state.p.demand_of(item).iter().zip(&share).map(|(&d, s)| d as f64 * s).fold(0.0, f64::max)
    };
    let sizes: Vec<f64> = (0..state.p.items as u32).map(size).collect();
    open.sort_by(|&a, &b| sizes[b as usize].total_cmp(&sizes[a as usize]).then(a.cmp(&b)));
    let mut work = 0;
    for item in open {
        work += insert_best(state, item, rng);
    }
    work
}

/// Everything as at the start, the rest by [`complete`]; every second worker takes the rest as it comes instead.
pub(crate) fn initial<'p>(p: &'p Dense, start: &[u32], rng: &mut Pcg, number: u64) -> State<'p> {
    let mut state = State::of(p, start);
    if number % 2 == 1 {
        in_order(&mut state, rng);
    } else {
        complete(&mut state, rng);
    }
    state
}

/// Places every unplaced item in the order of the index, each where it adds least: one by one, without a look ahead.
pub(crate) fn in_order(state: &mut State<'_>, rng: &mut Pcg) -> u64 {
    let mut work = 0;
    for item in 0..state.p.items as u32 {
        if state.host_of[item as usize] == NONE {
            work += insert_best(state, item, rng);
        }
    }
    work
}

/// Puts an unplaced item on its best host; returns the number of hosts looked at.
pub(crate) fn insert_best(state: &mut State<'_>, item: u32, rng: &mut Pcg) -> u64 {
    let hosts = state.p.hosts;
    let mut best: Option<(Delta, u32)> = None;
    let looked = hosts.min(CANDIDATES_MAX);
    let start = rng.below(hosts);
    let look = |host: u32, best: &mut Option<(Delta, u32)>| {
        let delta = state.delta(item, host);
        if best.is_none_or(|(least, _)| delta.better_than(least)) {
            *best = Some((delta, host));
        }
    };
    for step in 0..looked {
        look(((start + step) % hosts) as u32, &mut best);
    }
    if hosts > looked {
        let near: Vec<u32> = state.p.edges(item).take(32).map(|(j, _)| state.host_of[j as usize]).collect();
        for host in near.into_iter().filter(|&h| h != NONE) {
            look(host, &mut best);
        }
        // nothing fits in the window: look everywhere
        if best.is_some_and(|(delta, _)| delta.hard > 0) {
            for step in looked..hosts {
                look(((start + step) % hosts) as u32, &mut best);
                if best.is_some_and(|(delta, _)| delta.hard <= 0) {
                    break;
                }
            }
        }
    }
    if let Some((delta, host)) = best {
        state.commit(item, host, delta);
    }
    looked as u64
}

/// One over the total capacity of each dimension.
fn scarcity(state: &State<'_>) -> Vec<f64> {
    let p = state.p;
    (0..p.dims)
        .map(|r| {
            let total: i64 = (0..p.hosts).map(|h| p.capacity[h * p.dims + r]).sum();
            1.0 / (total.max(1) as f64)
        })
        .collect()
}
