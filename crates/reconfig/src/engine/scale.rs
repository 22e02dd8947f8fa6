//! Growing and shrinking with the load, without flapping.

use super::Engine;
use super::soft::{LoadSoft, Slice};
use crate::settings::Scaling;
use crate::state::{Change, Comp};
use ecosystem_core::Timestamp;
use std::time::Duration;

/// Slices a window is kept in, so that memory does not grow with the rate of observations.
const SLICES: u32 = 60;

/// `ceil(replicas · load / target)`, or `replicas` within the tolerance.
pub(super) fn proposal(replicas: u32, permille: u32, scaling: &Scaling) -> u32 {
    let (load, target) = (u64::from(permille), u64::from(scaling.target_permille.max(1)));
    let band = target * u64::from(scaling.tolerance_permille) / 1_000;
    if load.abs_diff(target) <= band {
        return replicas;
    }
    u32::try_from((u64::from(replicas) * load).div_ceil(target)).unwrap_or(u32::MAX)
}

impl LoadSoft {
    fn push(&mut self, at: Timestamp, proposal: u32, keep: Duration) {
        // A gap longer than the window means that nothing is known about what was between.
        if self.since.is_none() || at.saturating_since(self.newest) > keep {
            self.slices.clear();
            self.since = Some(at);
        }
        self.newest = at;
        let width = keep / SLICES;
        match self.slices.back_mut() {
            Some(slice) if at.saturating_since(slice.start) < width => {
                slice.low = slice.low.min(proposal);
                slice.high = slice.high.max(proposal);
            }
            _ => self.slices.push_back(Slice { start: at, low: proposal, high: proposal }),
        }
        while self.slices.front().is_some_and(|slice| at.saturating_since(slice.start) > keep) {
            self.slices.pop_front();
        }
    }

    fn covers(&self, at: Timestamp, span: Duration) -> bool {
        self.since.is_some_and(|since| at.saturating_since(since) >= span)
    }

    fn low(&self, at: Timestamp, span: Duration) -> Option<u32> {
        self.slices.iter().filter(|s| at.saturating_since(s.start) <= span).map(|s| s.low).min()
    }

    fn high(&self, at: Timestamp, span: Duration) -> Option<u32> {
        self.slices.iter().filter(|s| at.saturating_since(s.start) <= span).map(|s| s.high).max()
    }
}

impl Engine {
    /// Load of a component was measured.
    pub(super) fn utilisation(&mut self, c: u32, permille: u32) {
        let Some((min, max)) = self.world.comps[c as usize].range else { return };
        if !self.settings.scaling.enabled || !self.soft.trusted {
            return;
        }
        let now = self.soft.now;
        let serving = self.serving(c);
        let desired = self.hard.comps[c as usize].desired;
        if serving == 0 || desired == 0 {
            return;
        }
        let scaling = &self.settings.scaling;
        let wanted = proposal(serving, permille, scaling).clamp(min.max(1), max.max(1));
        let keep = scaling.up_after.max(scaling.down_after).max(Duration::from_millis(u64::from(SLICES)));
        self.soft.loads[c as usize].push(now, wanted, keep);
        if wanted != desired || self.soft.loads[c as usize].slices.len() > 1 {
            self.scale(c, desired, permille);
        }
    }

    /// A load that is expected: grows ahead of it, and remembers it so that nothing shrinks before it is over.
    pub(super) fn forecast(&mut self, c: u32, permille: u32, within: Duration) {
        let Some((min, max)) = self.world.comps[c as usize].range else { return };
        let (now, serving) = (self.soft.now, self.serving(c));
        let comp = self.hard.comps[c as usize].clone();
        if !self.settings.scaling.enabled || !self.soft.trusted || serving == 0 || comp.desired == 0 {
            return;
        }
        let wanted = proposal(serving, permille, &self.settings.scaling).clamp(min.max(1), max.max(1));
        self.soft.loads[c as usize].expected = Some((now.saturating_add(within), wanted));
        if wanted <= comp.desired || comp.isolation.is_some() || comp.rollout.is_some() || self.is_frozen(c) {
            return;
        }
        let desired = comp.desired;
        let name = self.world.component_id(c).clone();
        let sentence = format!(
            "{name} goes from {desired} to {wanted} replicas ahead of a load of {permille} permille within {} min",
            within.as_secs() / 60
        );
        let why = vec![("expected-permille", permille.to_string()), ("replicas", wanted.to_string())];
        if self.grow(c, wanted) {
            self.audit("scale-out-ahead", self.about_component(c), why, sentence);
        }
    }

    /// More replicas by our own will, if the reserve for failed hosts stays; says whether.
    fn grow(&mut self, c: u32, wanted: u32) -> bool {
        let comp = self.hard.comps[c as usize].clone();
        let extra = comp.size.scaled(u64::from(wanted.saturating_sub(comp.desired)), 1);
        if let Err(refusal) = self.keeps_reserve(&extra) {
            self.refuse((c, u32::MAX - 1), refusal.code, self.about_component(c), refusal.sentence);
            return false;
        }
        self.soft.refusals.remove(&(c, u32::MAX - 1));
        self.soft.loads[c as usize].changed = Some(self.soft.now);
        self.write(&[Change::Comp(c, Box::new(Comp { desired: wanted, ..comp }))]);
        self.touch(c);
        true
    }

    fn scale(&mut self, c: u32, desired: u32, permille: u32) {
        let (now, scaling) = (self.soft.now, &self.settings.scaling);
        let load = &self.soft.loads[c as usize];
        let resting = load.changed.is_some_and(|at| now.saturating_since(at) < scaling.cooldown);
        let comp = &self.hard.comps[c as usize];
        if resting || comp.isolation.is_some() || comp.rollout.is_some() || self.is_frozen(c) {
            return;
        }
        let up = load.covers(now, scaling.up_after).then(|| load.low(now, scaling.up_after)).flatten();
        let down = load.covers(now, scaling.down_after).then(|| load.high(now, scaling.down_after)).flatten();
        // An expected load is not yet there, but what it will need is not taken away.
        let expected = load.expected.filter(|(until, _)| *until >= now).map_or(0, |(_, count)| count);
        let down = down.map(|wanted| wanted.max(expected));
        let (wanted, held) = match (up, down) {
            (Some(wanted), _) if wanted > desired => (wanted, scaling.up_after),
            (_, Some(wanted)) if wanted < desired => (wanted, scaling.down_after),
            _ => return,
        };
        let target = scaling.target_permille;
        if wanted > desired {
            if !self.grow(c, wanted) {
                return;
            }
        } else {
            let next = Comp { desired: wanted, ..comp.clone() };
            self.write(&[Change::Comp(c, Box::new(next))]);
        }
        let load = &mut self.soft.loads[c as usize];
        load.changed = Some(now);
        load.slices.clear();
        load.since = None;
        self.touch(c);
        let code = if wanted > desired { "scale-out" } else { "scale-in" };
        let sentence = format!(
            "{} goes from {desired} to {wanted} replicas: load {permille} permille, target {target}, for {} s",
            self.world.component_id(c),
            held.as_secs()
        );
        let why = vec![("load-permille", permille.to_string()), ("replicas", wanted.to_string())];
        self.audit(code, self.about_component(c), why, sentence);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_follow_the_formula_of_the_kubernetes_autoscaler() {
        // Reference numbers: tolerance 0.1, 4 ready, target 50: 45->4, 50->4, 56->5, 100->8, 20->2. 55 sits exactly
        // on the tolerance: binary floats say 5 there, exact integers keep 4.
        let scaling = Scaling { target_permille: 500, tolerance_permille: 100, ..Scaling::default() };
        let of = |permille| proposal(4, permille, &scaling);
        assert_eq!([of(450), of(500), of(550), of(560), of(1_000), of(200)], [4, 4, 4, 5, 8, 2]);
    }

    #[test]
    fn windows_hold_a_bounded_number_of_slices() {
        let mut load = LoadSoft::default();
        let keep = Duration::from_secs(300);
        for ms in 0..1_000_000_u64 {
            load.push(Timestamp::from_unix_ms(ms), 3, keep);
        }
        assert!(load.slices.len() <= SLICES as usize + 2, "{}", load.slices.len());
    }
}
