//! A balancer between two lives of its host: everything that decides the next choice, checked when it is read.

use super::worker::{Standing, Worker};
use super::{Balancer, BalancerError, BalancerSettings, PASS_MAX, STRIDE, Selection, check_worker};
use crate::rng::Pcg;
use ecosystem_core::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::sync::Arc;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    version: u32,
    settings: BalancerSettings,
    now: Timestamp,
    random: u64,
    born: u64,
    pass: u64,
    slots: Vec<Option<SavedWorker>>,
    free: Vec<u32>,
    // The order is that of the last draws.
    ready: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct SavedWorker {
    name: Arc<str>,
    born: u64,
    weight: u32,
    outstanding: u32,
    // Bits of a float: no text form changes them.
    response_bits: Option<u64>,
    measured: Timestamp,
    quiet: Timestamp,
    failures: u32,
    exclusions: u32,
    since: Timestamp,
    standing: Standing,
    pass: u64,
}

impl Serialize for Balancer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keep = |it: &Worker| SavedWorker {
            name: Arc::clone(&it.name),
            born: it.born,
            weight: it.weight,
            outstanding: it.outstanding,
            response_bits: it.response_ms.map(f64::to_bits),
            measured: it.measured,
            quiet: it.quiet,
            failures: it.failures,
            exclusions: it.exclusions,
            since: it.since,
            standing: it.standing,
            pass: it.pass,
        };
        let saved = Saved {
            version: VERSION,
            settings: self.settings.clone(),
            now: self.now,
            random: self.rng.state(),
            born: self.born,
            pass: self.pass,
            slots: self.slots.iter().map(|it| it.as_ref().map(keep)).collect(),
            free: self.free.clone(),
            ready: self.ready.clone(),
        };
        saved.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Balancer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        restore(Saved::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

fn bad<T>(reason: impl Into<String>) -> Result<T, BalancerError> {
    Err(BalancerError::Saved { reason: reason.into() })
}

fn restore(saved: Saved) -> Result<Balancer, BalancerError> {
    if saved.version != VERSION {
        return bad(format!("its version is {}, expected {VERSION}", saved.version));
    }
    saved.settings.check()?;
    if saved.pass > PASS_MAX + STRIDE || saved.born > u64::MAX / 2 {
        return bad(format!("`pass` is {} and `born` is {}", saved.pass, saved.born));
    }
    let mut all = Balancer::new(saved.settings)?;
    (all.now, all.rng, all.born, all.pass) = (saved.now, Pcg::resume(saved.random), saved.born, saved.pass);
    for (slot, worker) in saved.slots.into_iter().enumerate() {
        let worker = worker.map(|it| revive(it, &all)).transpose()?;
        let Ok(slot) = u32::try_from(slot) else { return bad("there are more workers than numbers") };
        if let Some(it) = &worker {
            if all.names.insert(Arc::clone(&it.name), slot).is_some() {
                return bad(format!("worker `{}` is there twice", it.name));
            }
            if let Standing::Probation { until } = it.standing {
                all.excluded.insert((until, slot));
            }
        }
        all.slots.push(worker);
    }
    if all.slots.len() > all.settings.workers_max as usize {
        return bad(format!(
            "it has room for {} workers, expected {}",
            all.slots.len(),
            all.settings.workers_max
        ));
    }
    place(&mut all, saved.ready)?;
    let empty = |slot: &u32| all.slots.get(*slot as usize).is_some_and(Option::is_none);
    let distinct: BTreeSet<u32> = saved.free.iter().copied().filter(empty).collect();
    if distinct.len() != saved.free.len() || distinct.len() + all.names.len() != all.slots.len() {
        return bad("the list of free slots does not match the workers");
    }
    all.free = saved.free;
    Ok(all)
}

fn revive(it: SavedWorker, all: &Balancer) -> Result<Worker, BalancerError> {
    check_worker(&it.name, it.weight)?;
    let response_ms = it.response_bits.map(f64::from_bits);
    let sound = it.born < all.born
        && it.outstanding <= all.settings.outstanding_max
        && it.pass <= PASS_MAX + STRIDE
        && response_ms.is_none_or(|ms| ms.is_finite() && ms >= 0.0);
    if !sound {
        return bad(format!("worker `{}` has numbers that no worker has", it.name));
    }
    Ok(Worker {
        name: it.name,
        born: it.born,
        weight: it.weight,
        outstanding: it.outstanding,
        response_ms,
        measured: it.measured,
        quiet: it.quiet,
        failures: it.failures,
        exclusions: it.exclusions,
        since: it.since,
        standing: it.standing,
        pass: it.pass,
        place: None,
    })
}

/// The list of those that can be chosen has each of them once, and nobody else.
fn place(all: &mut Balancer, ready: Vec<u32>) -> Result<(), BalancerError> {
    let max = all.settings.outstanding_max;
    let fit = |it: &Worker| it.standing == Standing::Serving && it.outstanding < max;
    for (place, slot) in (0..).zip(&ready) {
        match all.slots.get_mut(*slot as usize).and_then(Option::as_mut) {
            Some(worker) if worker.place.is_none() && fit(worker) => worker.place = Some(place),
            _ => return bad(format!("slot {slot} cannot be among the ready ones")),
        }
    }
    if let Some(left) = all.slots.iter().flatten().find(|it| fit(it) && it.place.is_none()) {
        return bad(format!("worker `{}` is missing among the ready ones", left.name));
    }
    if all.settings.selection == Selection::RoundRobin {
        let turn = |&slot: &u32| Some((all.slots.get(slot as usize)?.as_ref()?.pass, slot));
        all.turns = ready.iter().filter_map(turn).collect();
    }
    all.ready = ready;
    let born: BTreeSet<u64> = all.slots.iter().flatten().map(|it| it.born).collect();
    if born.len() != all.names.len() {
        return bad("two workers have one number");
    }
    Ok(())
}
