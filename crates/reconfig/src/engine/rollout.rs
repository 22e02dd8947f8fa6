//! New versions: in dependency order, within budgets, taken back when they fail.

use super::Engine;
use super::soft::Timer;
use crate::event::Severity;
use crate::state::{Change, Comp, Reason, Rollout};
use ecosystem_core::Version;
use std::sync::Arc;

/// Under which a refused roll-out is remembered beside the replicas of its component.
const ROLLOUT_KEY: u32 = u32::MAX - 2;

impl Engine {
    /// A version shall be brought in.
    pub(super) fn new_version(&mut self, c: u32, version: &Version) {
        let comp = self.hard.comps[c as usize].clone();
        let name = self.world.component_id(c).clone();
        if comp.blocked.contains(version.as_str()) {
            let sentence = format!("version {version} of {name} failed before and is not brought in");
            return self.audit("version-blocked", self.about_component(c), Vec::new(), sentence);
        }
        let target = comp.rollout.as_ref().map_or(&comp.version, |r| if r.back { &r.from } else { &r.to });
        if target == version && comp.queued.is_none() {
            return;
        }
        if comp.isolation.is_some() {
            // What is rebuilt clean is rebuilt with the newest version.
            self.write(&[Change::Comp(c, Box::new(Comp { version: version.clone(), ..comp }))]);
            let sentence = format!("{name} is isolated; it is rebuilt with version {version}");
            return self.audit("version-for-rebuild", self.about_component(c), Vec::new(), sentence);
        }
        self.write(&[Change::Comp(c, Box::new(Comp { queued: Some(version.clone()), ..comp }))]);
        let sentence = format!("version {version} of {name} waits for its turn");
        self.audit(
            "version-queued",
            self.about_component(c),
            vec![("version", version.to_string())],
            sentence,
        );
    }

    /// Starts the roll-outs whose turn it is: what a component calls goes first; a cycle is opened at its first
    /// component.
    pub(super) fn start_queued_rollouts(&mut self) {
        let queued: Vec<u32> = self.soft.queued.iter().copied().filter(|&c| !self.is_frozen(c)).collect();
        if queued.is_empty() {
            return;
        }
        // What waits for a window that will never open does not hold its callers back.
        let busy = |c: u32| {
            let comp = &self.hard.comps[c as usize];
            comp.rollout.is_some() || (comp.queued.is_some() && !self.is_shut(c))
        };
        let mut ready: Vec<u32> = queued
            .iter()
            .copied()
            .filter(|&c| self.hard.comps[c as usize].rollout.is_none())
            .filter(|&c| !self.world.comps[c as usize].calls.iter().any(|&d| d != c && busy(d)))
            .collect();
        if ready.is_empty() && !self.hard.comps.iter().any(|comp| comp.rollout.is_some()) {
            ready.extend(queued.first());
        }
        for c in ready {
            match self.planned_work(c, Reason::Rollout) {
                Ok(()) => self.start_rollout(c),
                Err(refusal) => {
                    let sentence = format!("its new version waits: {}", refusal.sentence);
                    self.refuse((c, ROLLOUT_KEY), refusal.code, self.about_component(c), sentence);
                }
            }
        }
    }

    fn start_rollout(&mut self, c: u32) {
        self.soft.refusals.remove(&(c, ROLLOUT_KEY));
        let comp = self.hard.comps[c as usize].clone();
        let Some(to) = comp.queued.clone() else { return };
        let from = comp.version.clone();
        let rollout = Rollout { from: from.clone(), to: to.clone(), failures: 0, back: false };
        let next = Comp { version: to.clone(), rollout: Some(rollout), queued: None, ..comp };
        self.write(&[Change::Comp(c, Box::new(next))]);
        self.rollout_progress(c);
        self.touch(c);
        let sentence = format!(
            "{} goes from version {from} to {to}, at most {} missing and {} too many",
            self.world.component_id(c),
            super::issue::replicas(self.budget(c) as usize),
            self.settings.rolling.surge
        );
        let why = vec![("from", from.to_string()), ("to", to.to_string())];
        self.audit("rollout-started", self.about_component(c), why, sentence);
    }

    /// True while a version is being taken back.
    pub(super) fn rolls_back(&self, c: u32) -> bool {
        self.hard.comps[c as usize].rollout.as_ref().is_some_and(|it| it.back)
    }

    /// Starts the clock for the next sign of progress anew.
    pub(super) fn rollout_progress(&mut self, c: u32) {
        let until = self.soft.now.saturating_add(self.settings.rolling.progress);
        self.soft.timers.set(Timer::Rollout(c), until);
    }

    /// Ends a roll-out when everything wanted runs with the wanted version.
    pub(super) fn settle_rollout(&mut self, c: u32) {
        let comp = &self.hard.comps[c as usize];
        let Some(rollout) = comp.rollout.clone() else { return };
        if !self.soft.timers.is_set(Timer::Rollout(c)) {
            self.rollout_progress(c);
        }
        let comp = &self.hard.comps[c as usize];
        let fresh =
            self.hard.of(c).filter(|(r, it)| it.version == comp.version && self.is_available(*r, it)).count();
        let old = self.hard.of(c).any(|(_, it)| it.version != comp.version);
        if old || super::dense(fresh) < comp.desired {
            return;
        }
        let next = Comp { rollout: None, ..comp.clone() };
        self.write(&[Change::Comp(c, Box::new(next))]);
        self.soft.timers.clear(Timer::Rollout(c));
        let name = self.world.component_id(c);
        let (code, sentence) = if rollout.back {
            ("rollback-done", format!("{name} is back at version {}", rollout.from))
        } else {
            ("rollout-done", format!("{name} runs version {} everywhere", rollout.to))
        };
        self.audit(code, self.about_component(c), Vec::new(), sentence);
        // Others may have waited for this one.
        self.soft.dirty.insert(c);
    }

    /// A start failed; counts against the version that is being brought in.
    pub(super) fn rollout_failure(&mut self, c: u32, version: &Version) {
        let comp = self.hard.comps[c as usize].clone();
        let Some(rollout) = comp.rollout.clone().filter(|r| !r.back && r.to == *version) else { return };
        let failures = rollout.failures.saturating_add(1);
        let next = Comp { rollout: Some(Rollout { failures, ..rollout }), ..comp };
        self.write(&[Change::Comp(c, Box::new(next))]);
        if failures >= self.settings.rolling.failures {
            self.roll_back(c, &format!("{failures} starts failed"));
        }
    }

    /// No progress for too long.
    pub(super) fn rollout_stalled(&mut self, c: u32) {
        let Some(rollout) = self.hard.comps[c as usize].rollout.clone() else { return };
        // A closed window is no failure of the version; progress counts from its opening on.
        if self.is_frozen(c) || (!rollout.back && self.open_for(c) < self.settings.rolling.progress) {
            return self.rollout_progress(c);
        }
        let minutes = self.settings.rolling.progress.as_secs() / 60;
        if rollout.back {
            let sentence = format!(
                "going back to version {} of {} makes no progress",
                rollout.from,
                self.world.component_id(c)
            );
            self.notify("rollback-stalled", self.about_component(c), Vec::new(), sentence);
            self.rollout_progress(c);
        } else {
            self.roll_back(c, &format!("no progress for {minutes} min"));
        }
        self.touch(c);
    }

    fn roll_back(&mut self, c: u32, why: &str) {
        let comp = self.hard.comps[c as usize].clone();
        let Some(rollout) = comp.rollout.clone().filter(|r| !r.back) else { return };
        let mut next = Comp {
            version: rollout.from.clone(),
            rollout: Some(Rollout { back: true, ..rollout.clone() }),
            ..comp
        };
        next.blocked.insert(Arc::from(rollout.to.as_str()));
        self.write(&[Change::Comp(c, Box::new(next))]);
        self.rollout_progress(c);
        self.touch(c);
        let sentence = format!(
            "{} goes back from version {} to {}: {why}",
            self.world.component_id(c),
            rollout.to,
            rollout.from
        );
        self.notify("rollback-started", self.about_component(c), vec![("because", why.to_owned())], sentence);
    }

    /// A version misbehaves.
    pub(super) fn bug_report(&mut self, c: u32, version: &Version, severity: Severity, why: &str) {
        let name = self.world.component_id(c).clone();
        let sentence = format!("a bug in version {version} of {name} was reported: {why}");
        self.audit("bug-report", self.about_component(c), vec![("version", version.to_string())], sentence);
        if severity == Severity::Minor {
            return;
        }
        let mut next = self.hard.comps[c as usize].clone();
        let mut changed = next.blocked.insert(Arc::from(version.as_str()));
        if next.queued.as_ref() == Some(version) {
            next.queued = None;
            changed = true;
        }
        let rolling = next.rollout.as_ref().is_some_and(|r| !r.back && r.to == *version);
        if changed {
            self.write(&[Change::Comp(c, Box::new(next))]);
        }
        if rolling {
            self.roll_back(c, why);
        } else if severity == Severity::Critical && self.hard.comps[c as usize].version == *version {
            let sentence = format!(
                "{name} runs version {version} everywhere and no version before it is known here; send a new one"
            );
            self.notify("bug-in-use", self.about_component(c), Vec::new(), sentence);
        }
    }
}
