//! The right size of one machine.

use super::{Recommendation, succession};
use crate::error::{FitError, MAX_MAGNITUDE};

/// What to do with a machine.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Action {
    /// It does nothing: stop it.
    Stop,
    /// Another size fits better.
    Resize {
        /// Size, in units of the demand.
        to: f64,
    },
}

impl Action {
    /// Capacity that is kept afterwards.
    pub const fn size(self) -> f64 {
        match self {
            Self::Stop => 0.0,
            Self::Resize { to } => to,
        }
    }
}

/// How machines are sized.
///
/// # Example
/// ```
/// use ecosystem_forecast::advice::{Action, RightSize};
/// // Two weeks of a machine of 8 cores that uses 1 to 2 of them; tomorrow's capacity line is 2.2.
/// let used: Vec<f64> = (0..14 * 24).map(|h| 1.0 + f64::from(h % 24) / 24.0).collect();
/// let told = RightSize::new(vec![1.0, 2.0, 4.0, 8.0], 24).advise(8.0, &used, &[2.2; 24])?.expect("too large");
/// assert_eq!(told.action, Action::Resize { to: 4.0 });
/// assert!(told.expected == 4.0 * 24.0 && told.confidence > 0.9); // core hours of the coming day
/// println!("{}", told.reason);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RightSize {
    /// Sizes that can be had, in units of the demand, above 0.
    pub sizes: Vec<f64>,
    /// Steps of a day, at least 1.
    pub steps_per_day: usize,
    /// Share of the steps with more demand than a size that is put up with, 0 to 1 (default 0.05).
    pub violations: f64,
    /// Share of its size below which a machine is idle at every step, 0 to 1 (default 0.02).
    pub idle: f64,
    /// Price of a unit of demand that is not served, in units of capacity kept, at least 0 (default 4).
    pub lost: f64,
    /// Least saving, as a share of the present size, 0 to 1 (default 0.1): a smaller one is not worth a restart.
    pub least: f64,
    /// Least confidence, 0 to 1 (default 0.8).
    pub sure: f64,
}

/// What an action saves over steps with known demand (NaN: missing, nothing lost), in units of size times steps; `lost` as in
/// [`RightSize::lost`]. O(steps).
pub fn saved(action: Action, size: f64, demand: &[f64], lost: f64) -> f64 {
    let to = action.size();
    let above = |v: f64, limit: f64| if v > limit { v - limit } else { 0.0 };
    demand.iter().map(|&v| size - to + lost * (above(v, size) - above(v, to))).sum()
}

impl RightSize {
    /// Defaults for sizes and steps of a day.
    pub fn new(sizes: Vec<f64>, steps_per_day: usize) -> Self {
        Self { sizes, steps_per_day, violations: 0.05, idle: 0.02, lost: 4.0, least: 0.1, sure: 0.8 }
    }

    fn check(&self, size: f64, used: &[f64], line: &[f64]) -> Result<(), FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        let usable = |v: f64| v > 0.0 && v <= MAX_MAGNITUDE;
        if let Some(&v) = self.sizes.iter().chain([&size]).find(|v| !usable(**v)) {
            return refuse("size", v, "a number above 0 up to 1e100");
        }
        for (name, share) in
            [("violations", self.violations), ("idle", self.idle), ("least", self.least), ("sure", self.sure)]
        {
            if !(0.0..=1.0).contains(&share) {
                return refuse(name, share, "0 to 1");
            }
        }
        if !(self.lost >= 0.0 && self.lost <= 1e6) {
            return refuse("lost", self.lost, "0 to 1000000");
        }
        if self.steps_per_day == 0 {
            return refuse("steps_per_day", 0.0, "1 or more");
        }
        if line.is_empty() {
            return Err(FitError::Length { name: "capacity line", needed: 1, found: 0 });
        }
        let known = used.iter().filter(|v| !v.is_nan()).count();
        if known < 2 * self.steps_per_day {
            return Err(FitError::TooShort { needed: 2 * self.steps_per_day, found: known });
        }
        if let Some(&value) = line.iter().find(|v| v.is_nan() || v.abs() > MAX_MAGNITUDE) {
            return refuse("capacity line", value, "numbers within ±1e100");
        }
        match used.iter().position(|v| v.abs() > MAX_MAGNITUDE) {
            Some(index) => Err(FitError::OutOfRange { index, value: used[index] }),
            None => Ok(()),
        }
    }

    /// What should be done with a machine of `size` that `used` so much (last step last, at least two days, NaN for missing) and
    /// whose demand will be below `line` as often as it should ([`Capacity`](crate::Capacity)); `None` when nothing is worth it. The expected
    /// saving is in units of size times steps, over the steps of the line. O(sizes · steps).
    pub fn advise(
        &self,
        size: f64,
        used: &[f64],
        line: &[f64],
    ) -> Result<Option<Recommendation<Action>>, FitError> {
        self.check(size, used, line)?;
        let days: Vec<&[f64]> = used.rchunks_exact(self.steps_per_day).collect();
        let quiet = self.idle * size;
        let is_idle = line.iter().chain(used).all(|v| v.is_nan() || *v <= quiet);
        let mut sizes: Vec<f64> = self.sizes.iter().copied().filter(|s| s.total_cmp(&size).is_ne()).collect();
        sizes.sort_by(f64::total_cmp);
        let resize = sizes.into_iter().map(|to| Action::Resize { to });
        let stop = is_idle.then_some(Action::Stop);
        let horizon = line.len() as f64;
        let mut best: Option<Recommendation<Action>> = None;
        for action in stop.into_iter().chain(resize) {
            let limit = if action == Action::Stop { quiet } else { action.size() };
            let fits = |v: &[f64]| share_above(v, limit) <= self.violations;
            let confidence = succession(days.iter().filter(|d| fits(d)).count(), days.len());
            if !fits(line) || confidence < self.sure {
                continue;
            }
            let past: f64 = days.iter().map(|d| saved(action, size, d, self.lost)).sum();
            let expected = past / (days.len() * self.steps_per_day) as f64 * horizon;
            let worth = expected >= self.least * size * horizon;
            if worth && best.as_ref().is_none_or(|b| expected > b.expected) {
                best = Some(Recommendation { action, reason: String::new(), expected, confidence });
            }
        }
        Ok(best.map(|told| Recommendation { reason: self.reason(&told, size, used, line), ..told }))
    }

    fn reason(&self, told: &Recommendation<Action>, size: f64, used: &[f64], line: &[f64]) -> String {
        let largest = |v: &[f64]| v.iter().copied().filter(|v| !v.is_nan()).fold(f64::NEG_INFINITY, f64::max);
        let days = used.len() / self.steps_per_day;
        match told.action {
            Action::Stop => format!(
                "idle: never above {:.3} of {size} in {days} days, and not expected to be",
                largest(used)
            ),
            Action::Resize { to } if to < size => format!(
                "too large: above {to} of {size} in {:.1} % of the steps of {days} days, next steps up to {:.3} expected",
                100.0 * share_above(used, to),
                largest(line)
            ),
            Action::Resize { to } => format!(
                "too small: above {size} in {:.1} % of the steps of {days} days, {to} would have held all but {:.1} %",
                100.0 * share_above(used, size),
                100.0 * share_above(used, to)
            ),
        }
    }
}

/// Share of the known values above a limit; 0 of none.
fn share_above(values: &[f64], limit: f64) -> f64 {
    let known = values.iter().filter(|v| !v.is_nan()).count();
    values.iter().filter(|v| **v > limit).count() as f64 / known.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> RightSize {
        RightSize::new(vec![1.0, 2.0, 4.0, 8.0, 16.0], 24)
    }

    /// Two weeks of hours around a level, with a daily wave of a quarter of it.
    fn used(level: f64) -> Vec<f64> {
        let hour = |h: usize| (h as f64 / 24.0 * core::f64::consts::TAU).sin();
        (0..14 * 24).map(|h| level * (1.0 + 0.25 * hour(h))).collect()
    }

    #[test]
    fn a_machine_gets_the_smallest_size_that_holds_and_one_that_fits_stays() {
        let told = rule().advise(16.0, &used(2.5), &[3.2; 24]).unwrap().unwrap();
        assert_eq!(told.action, Action::Resize { to: 4.0 });
        assert!((told.expected - 12.0 * 24.0).abs() < 1e-9, "{told:?}");
        assert_eq!(rule().advise(4.0, &used(2.5), &[3.2; 24]).unwrap(), None);
    }

    #[test]
    fn what_is_to_come_counts_more_than_what_was() {
        let told = rule().advise(16.0, &used(2.5), &[7.0; 24]).unwrap().unwrap();
        assert_eq!(told.action, Action::Resize { to: 8.0 });
        assert_eq!(rule().advise(16.0, &used(2.5), &[20.0; 24]).unwrap(), None);
    }

    #[test]
    fn idle_machines_are_stopped_and_overloaded_ones_grow() {
        let told = rule().advise(8.0, &used(0.1), &[0.15; 24]).unwrap().unwrap();
        assert_eq!(told.action, Action::Stop);
        assert!(told.expected < 8.0 * 24.0 && told.expected > 0.9 * 8.0 * 24.0, "what it still does is lost");
        let told = rule().advise(2.0, &used(3.0), &[3.8; 24]).unwrap().unwrap();
        assert_eq!(told.action, Action::Resize { to: 4.0 });
        assert!(told.reason.starts_with("too small"), "{}", told.reason);
    }

    #[test]
    fn an_unsteady_past_is_not_sure_enough() {
        let mut wild = used(2.5);
        (0..14).step_by(3).for_each(|d| wild[d * 24..d * 24 + 6].fill(12.0));
        assert_eq!(rule().advise(16.0, &wild, &[3.2; 24]).unwrap(), None);
    }

    #[test]
    fn wrong_input_is_refused() {
        let rule = rule();
        assert!(rule.advise(0.0, &used(1.0), &[1.0]).is_err() && rule.advise(4.0, &used(1.0), &[]).is_err());
        assert!(rule.advise(4.0, &used(1.0)[..40], &[1.0]).is_err());
        assert!(rule.advise(4.0, &used(1.0), &[f64::NAN]).is_err());
        let mut broken = used(1.0);
        broken[5] = f64::INFINITY;
        assert!(matches!(rule.advise(4.0, &broken, &[1.0]), Err(FitError::OutOfRange { index: 5, .. })));
        broken.fill(f64::NAN);
        assert!(rule.advise(4.0, &broken, &[1.0]).is_err());
    }
}
