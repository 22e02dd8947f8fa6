//! Maintenance windows of the map: when planned work may be done on a component, and when a host is taken out of use.

use super::Engine;
use super::guard::Refusal;
use super::soft::Timer;
use crate::state::{HostStatus, Reason};
use ecosystem_core::{HostState, MaintenanceWindow, Timestamp};
use std::time::Duration;

/// When something that windows decide about changes next: the end of the one that is open, else the next beginning.
fn next_change(windows: &[MaintenanceWindow], now: Timestamp) -> Option<Timestamp> {
    let change =
        |it: &MaintenanceWindow| it.next(now).map(|(from, until)| if from > now { from } else { until });
    windows.iter().filter_map(change).min()
}

impl Engine {
    /// Whether planned work for this reason may be done on a component now. Bound are roll-outs and moves for a better
    /// place; going back from a version that failed, following the load, and leaving a host that is emptied are not:
    /// failures and hosts do not ask.
    pub(super) fn planned_work(&mut self, c: u32, reason: Reason) -> Result<(), Refusal> {
        let bound = match reason {
            Reason::Rollout => !self.rolls_back(c),
            Reason::Rebalance => true,
            _ => false,
        };
        if !bound || self.is_open(c) {
            return Ok(());
        }
        let next = next_change(&self.world.comps[c as usize].windows, self.soft.now);
        let name = self.world.component_id(c);
        let sentence = match next {
            Some(from) => {
                format!("{name} is worked on in its maintenance windows only; the next opens at {from}")
            }
            None => {
                format!("{name} is worked on in its maintenance windows only, and none will open any more")
            }
        };
        if let Some(from) = next {
            self.soft.timers.ensure(Timer::Opening(c), from);
        }
        Err(Refusal::new("refused-maintenance", sentence))
    }

    /// True if a component has no windows or one of them is open.
    pub(super) fn is_open(&self, c: u32) -> bool {
        let windows = &self.world.comps[c as usize].windows;
        windows.is_empty() || windows.iter().any(|it| it.contains(self.soft.now))
    }

    /// How long planned work has been possible: nothing while all windows are closed, for ever without windows.
    pub(super) fn open_for(&self, c: u32) -> Duration {
        let windows = &self.world.comps[c as usize].windows;
        if windows.is_empty() {
            return Duration::MAX;
        }
        let now = self.soft.now;
        let since = |it: &MaintenanceWindow| it.next(now).filter(|(from, _)| *from <= now);
        let open = windows.iter().filter_map(since).map(|(from, _)| now.saturating_since(from));
        open.max().unwrap_or_default()
    }

    /// True if a component has windows and none will ever open: what waits for them waits for a new map.
    pub(super) fn is_shut(&self, c: u32) -> bool {
        let windows = &self.world.comps[c as usize].windows;
        !windows.is_empty() && windows.iter().all(|it| it.next(self.soft.now).is_none())
    }

    /// State of a host now: in maintenance also while one of its windows is open, and so long before one opens that it
    /// can be empty by then ([`Limits::maintenance_lead`](crate::Limits::maintenance_lead)).
    pub(super) fn host_state(&self, h: u32) -> HostState {
        let info = &self.world.hosts[h as usize];
        let soon = self.soft.now.saturating_add(self.settings.limits.maintenance_lead);
        let begins = |it: &MaintenanceWindow| it.next(self.soft.now).is_some_and(|(from, _)| from <= soon);
        if info.windows.iter().any(begins) { HostState::Maintenance } else { info.state }
    }

    /// Sets the timers for all hosts with windows.
    pub(super) fn arm_host_windows(&mut self) {
        for h in 0..super::dense(self.world.hosts.len()) {
            self.arm_host_window(h);
        }
    }

    fn arm_host_window(&mut self, h: u32) {
        let (now, lead) = (self.soft.now, self.settings.limits.maintenance_lead);
        let change = |it: &MaintenanceWindow| {
            let (from, until) = it.next(now)?;
            let begins = Timestamp::from_unix_ms(from.as_unix_ms().saturating_sub(millis(lead)));
            Some(if begins > now { begins } else { until })
        };
        match self.world.hosts[h as usize].windows.iter().filter_map(change).min() {
            Some(at) => self.soft.timers.set(Timer::HostWindow(h), at),
            None => self.soft.timers.clear(Timer::HostWindow(h)),
        }
    }

    /// A window of a host opens soon, or closed: it is emptied, or takes work again.
    pub(super) fn host_window(&mut self, h: u32) {
        self.arm_host_window(h);
        let name = self.world.host_id(h).clone();
        if self.host_state(h) == HostState::Maintenance {
            let sentence = format!("{name} is emptied for its maintenance window");
            self.audit("maintenance-begins", self.about_host(h), Vec::new(), sentence);
        } else {
            let sentence = format!("the maintenance window of {name} is over");
            self.audit("maintenance-over", self.about_host(h), Vec::new(), sentence);
            if self.hard.hosts[h as usize].status == HostStatus::Up {
                self.capacity_changed();
            }
        }
        self.touch_host(h);
        self.soft.plan_dirty = true;
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
