//! A new map: what is wanted from now on, as far as the reserve for failed hosts allows.

use super::{Engine, dense};
use crate::action::NoteSubject;
use crate::state::{Change, Comp};
use ecosystem_core::{Ecosystem, Resources};
use std::cmp::Reverse;
use std::sync::Arc;

impl Engine {
    pub(super) fn new_map(&mut self, ecosystem: Arc<Ecosystem>) {
        let infrastructure = Arc::clone(&self.world.infrastructure);
        let known = self.hard.comps.len();
        self.new_world(ecosystem, infrastructure);
        self.soft.kept_small.clear();
        self.adopt(0..dense(self.hard.comps.len()), known, true);
        self.soft.dirty.extend(0..dense(self.hard.comps.len()));
        let sentence = format!("a new map is in force: {} components", self.world.ecosystem.len());
        self.audit("map-changed", NoteSubject::Engine, Vec::new(), sentence);
    }

    /// Components of the last map that had to stay small are tried again: there may be room now.
    pub(super) fn grow_what_was_kept(&mut self) {
        if self.soft.kept_small.is_empty() {
            return;
        }
        let kept = std::mem::take(&mut self.soft.kept_small);
        self.adopt(kept.iter().copied(), self.hard.comps.len(), false);
        for c in kept {
            if !self.soft.kept_small.contains(&c) {
                self.touch(c);
            }
        }
    }

    /// Takes over what the map says about components. What grows, in size or number, grows within the reserve, the more
    /// important first; what may not keeps what it has. Components from number `known` on are new: all of them is growth.
    /// Versions are taken over from a map that is `fresh`.
    fn adopt(&mut self, comps: impl Iterator<Item = u32>, known: usize, fresh: bool) {
        let mut wishes: Vec<(u32, Comp, Resources)> =
            comps.map(|c| self.wish(c, (c as usize) < known, fresh)).collect();
        let all = wishes.iter().fold(Resources::default(), |sum, (_, _, growth)| sum.saturating_add(growth));
        if self.keeps_reserve(&all).is_err() {
            wishes.sort_by_key(|(c, _, _)| (Reverse(self.world.comps[*c as usize].criticality), *c));
            let mut grown = Resources::default();
            for (c, next, growth) in &mut wishes {
                if growth.is_zero() {
                    continue;
                }
                let sum = grown.saturating_add(growth);
                match self.keeps_reserve(&sum) {
                    Ok(()) => grown = sum,
                    Err(refusal) => {
                        self.stay_small(*c, next, (*c as usize) < known);
                        if self.soft.kept_small.insert(*c) {
                            let key = (*c, KEPT_KEY);
                            let sentence = format!(
                                "{} does not grow as the new map says: {}",
                                self.world.component_id(*c),
                                refusal.sentence
                            );
                            self.refuse(key, refusal.code, self.about_component(*c), sentence);
                        }
                    }
                }
            }
        }
        for (c, _, _) in wishes.iter().filter(|(c, _, _)| !self.soft.kept_small.contains(c)) {
            self.soft.refusals.remove(&(*c, KEPT_KEY));
        }
        let mut changes: Vec<(u32, Comp)> = wishes.into_iter().map(|(c, next, _)| (c, next)).collect();
        changes.retain(|(c, next)| *next != self.hard.comps[*c as usize]);
        changes.sort_by_key(|(c, _)| *c);
        if !changes.is_empty() {
            let changes: Vec<Change> =
                changes.into_iter().map(|(c, next)| Change::Comp(c, Box::new(next))).collect();
            self.write(&changes);
        }
    }

    /// What a component should be by the map, and by how much all of it would grow.
    fn wish(&self, c: u32, was_known: bool, fresh: bool) -> (u32, Comp, Resources) {
        let (comp, info) = (&self.hard.comps[c as usize], &self.world.comps[c as usize]);
        let wanted = if info.known && info.placed { info.replicas } else { 0 };
        let keeps = info.range.is_some_and(|(min, max)| (min..=max).contains(&comp.desired));
        let mut next = Comp { size: Arc::clone(&info.size), ..comp.clone() };
        if !keeps {
            next.desired = wanted;
        }
        let current = comp.rollout.as_ref().map_or(&comp.version, |r| &r.to);
        if fresh && info.known && !info.version.is_unknown() && *current != info.version {
            next.queued = (!comp.blocked.contains(info.version.as_str())).then(|| info.version.clone());
        }
        let before = if was_known { comp.size.scaled(comp.desired.into(), 1) } else { Resources::default() };
        let growth = next.size.scaled(next.desired.into(), 1).saturating_sub(&before);
        (c, next, growth)
    }

    /// As much of a wish as needs nothing more than there is.
    fn stay_small(&self, c: u32, next: &mut Comp, was_known: bool) {
        let comp = &self.hard.comps[c as usize];
        if !was_known {
            next.desired = 0;
            return;
        }
        next.desired = next.desired.min(comp.desired);
        if !next.size.fits_in(&comp.size) {
            next.size = Arc::clone(&comp.size);
        }
    }
}

/// Under which a component that has to stay small is remembered beside its replicas.
const KEPT_KEY: u32 = u32::MAX - 3;
