//! Windows by calendar: how many voluntary disruptions may be under way at certain times of the week.

use super::Engine;
use super::guard::Refusal;
use super::soft::Timer;
use crate::settings::DisruptionWindow;
use crate::state::{Phase, Reason, Task};
use ecosystem_core::Timestamp;
use std::time::Duration;

const MINUTE_MS: u64 = 60_000;
const DAY_MIN: u64 = 1_440;
const WEEK_MIN: u64 = 7 * DAY_MIN;

impl DisruptionWindow {
    /// Minute of the week on its own clock, 0 = Monday 00:00. The Unix epoch was a Thursday.
    fn minute_of_week(&self, now: Timestamp) -> u64 {
        let minutes = i128::from(now.as_unix_ms() / MINUTE_MS) + i128::from(self.utc_offset_minutes);
        let week = i128::from(WEEK_MIN);
        let minute = (minutes + i128::from(3 * DAY_MIN)).rem_euclid(week);
        u64::try_from(minute).unwrap_or(0)
    }

    /// When the occurrence that holds `now` ends; `None` = it is not open. A window that begins in the evening may last
    /// until the next morning, and beyond the end of the week.
    pub(crate) fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        let minute = self.minute_of_week(now);
        let length = u64::from(self.minutes).min(WEEK_MIN);
        let begins = (0..7).filter(|day| self.days & (1 << day) > 0);
        let left = begins
            .filter_map(|day| {
                let begin = day * DAY_MIN + u64::from(self.from_minute);
                let passed = (minute + WEEK_MIN - begin % WEEK_MIN) % WEEK_MIN;
                (passed < length).then(|| length - passed)
            })
            .max()?;
        let this_minute = now.as_unix_ms() / MINUTE_MS;
        Some(Timestamp::from_unix_ms(this_minute.saturating_add(left).saturating_mul(MINUTE_MS)))
    }

    fn binds(&self, reason: Reason) -> bool {
        self.reasons.is_empty() || self.reasons.contains(&reason)
    }
}

impl Engine {
    /// Whether one more voluntary disruption for this reason may begin now: every window that is open and binds the
    /// reason must have one left. Outside of all windows nothing is bound.
    pub(super) fn in_window(&mut self, reason: Reason) -> Result<(), Refusal> {
        let now = self.soft.now;
        let open = self.settings.limits.windows.iter().filter(|it| it.binds(reason));
        let full = open.filter_map(|it| Some((it, it.open_until(now)?))).find_map(|(it, until)| {
            let under_way = self.disruptions(it);
            (under_way >= it.at_once).then(|| (it.name.clone(), it.at_once, under_way, until))
        });
        let Some((name, at_once, under_way, until)) = full else { return Ok(()) };
        // Looked at again when it closes, or when one of those under way may have ended.
        let again =
            if at_once == 0 { until } else { now.saturating_add(self.settings.patience.retry).min(until) };
        self.soft.timers.ensure(Timer::Window, again.max(now.saturating_add(Duration::from_millis(1))));
        let sentence = format!(
            "window {name} allows {at_once} at once for {} and {under_way} are under way; it closes in {} min",
            reason.word(),
            until.saturating_since(now).as_secs().div_ceil(60)
        );
        Err(Refusal::new("refused-window", sentence))
    }

    /// Voluntary disruptions under way that a window counts: stops, moves and restored snapshots.
    fn disruptions(&self, window: &DisruptionWindow) -> u32 {
        let counts =
            |task: &Task| matches!(task, Task::Stop { .. } | Task::Migrate { .. } | Task::Restore { .. });
        let bound = |it: &&crate::state::InFlight| {
            it.reason.is_voluntary() && window.binds(it.reason) && counts(&it.task)
        };
        super::dense(self.hard.actions.values().filter(bound).count())
    }

    /// A window closed, or may have room again: everything that waits is looked at.
    pub(super) fn window_passed(&mut self) {
        let waits: Vec<u32> = (0..super::dense(self.hard.comps.len()))
            .filter(|&c| {
                self.hard.of(c).any(|(_, it)| it.retire || matches!(it.phase, Phase::Running { .. }))
            })
            .collect();
        self.soft.dirty.extend(waits);
        self.capacity_changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-27 was a Friday; 18:00 UTC.
    const FRIDAY_18: u64 = 1_795_802_400_000;

    fn window(days: u8, from_minute: u16, minutes: u32, utc_offset_minutes: i16) -> DisruptionWindow {
        DisruptionWindow { days, from_minute, minutes, utc_offset_minutes, ..DisruptionWindow::default() }
    }

    #[test]
    fn windows_open_and_close_on_their_own_clock() {
        let at = |ms| Timestamp::from_unix_ms(ms);
        let friday = 1 << 4;
        let until =
            |w: DisruptionWindow| w.open_until(at(FRIDAY_18)).map(|t| (t.as_unix_ms() - FRIDAY_18) / 60_000);
        assert_eq!(until(window(friday, 17 * 60, 120, 0)), Some(60));
        assert_eq!(until(window(friday, 18 * 60 + 1, 120, 0)), None);
        // 18:00 UTC is 19:00 an hour east, and Saturday six hours further east.
        assert_eq!(until(window(friday, 19 * 60, 30, 60)), Some(30));
        assert_eq!(until(window(1 << 5, 0, 90, 420)), Some(30));
        assert_eq!(until(window(friday, 0, 1_440, 420)), None);
        // Begun on Thursday evening and still open a day later; and every day of the week in one.
        assert_eq!(until(window(1 << 3, 20 * 60, 1_440, 0)), Some(120));
        assert_eq!(until(window(1, 0, 7 * 1_440, 0)), Some(2 * 1_440 + 6 * 60));
    }
}
