//! Few alarms, one for each lasting condition: filters matched to a shift, a louder series and a stuck one.

mod fleet;
mod habit;
mod reference;

use super::Shape;
use crate::error::FitError;
use habit::Habit;
use reference::Reference;

/// Blocks of a day: half an hour each, or one for each row where rows are longer.
const BLOCKS: usize = 48;
/// Days before anything is said: two to know a habit, one to know how far series leave it.
const WARM_UP: usize = 3;
/// Residuals beyond this say no more: one spike is no shift.
const CLIP: f64 = 8.0;

/// Settings of [`MatchedFilters`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FilterSettings {
    /// Rows per day, 12 to 100,000 (default 288).
    pub rows_per_day: usize,
    /// Height of the level filter: mean over half a day in units of the usual scatter, above 0 (default 2.5).
    pub level: f64,
    /// Height of the scatter filter: spreads of its own past values, above 0 (default 4).
    pub scatter: f64,
    /// Multiple of the record of the last four weeks that a level must reach as well, at least 1 (default 1.3).
    pub level_record: f64,
    /// The same for the scatter (default 1.6).
    pub scatter_record: f64,
    /// The same for a run of equal values (default 1.3).
    pub run_record: f64,
    /// Least run of equal values that can be unusual, hours, above 0 (default 1.3).
    pub run_hours: f64,
    /// Days without any filter above its height after which the next one is another event, 0 to 30 (default 2).
    pub quiet_days: usize,
}

impl Default for FilterSettings {
    fn default() -> Self {
        Self {
            rows_per_day: 288,
            level: 2.5,
            scatter: 4.0,
            level_record: 1.3,
            scatter_record: 1.6,
            run_record: 1.3,
            run_hours: 1.3,
            quiet_days: 2,
        }
    }
}

impl FilterSettings {
    /// Rows per day.
    #[must_use]
    pub const fn with_rows_per_day(mut self, rows: usize) -> Self {
        self.rows_per_day = rows;
        self
    }

    fn check(&self) -> Result<(), FitError> {
        let refuse = |name, value, expected| Err(FitError::Setting { name, value, expected });
        if !(12..=100_000).contains(&self.rows_per_day) {
            return refuse("rows_per_day", self.rows_per_day as f64, "12 to 100000");
        }
        let heights = [("level", self.level), ("scatter", self.scatter), ("run_hours", self.run_hours)];
        for (name, height) in heights {
            if !(height > 0.0 && height.is_finite()) {
                return refuse(name, height, "a positive number");
            }
        }
        let records = [
            ("level_record", self.level_record),
            ("scatter_record", self.scatter_record),
            ("run_record", self.run_record),
        ];
        for (name, record) in records {
            if !(record >= 1.0 && record.is_finite()) {
                return refuse(name, record, "at least 1");
            }
        }
        if self.quiet_days > 30 {
            return refuse("quiet_days", self.quiet_days as f64, "0 to 30");
        }
        Ok(())
    }
}

/// What the filters say of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FilterVerdict {
    /// An event begins here.
    pub alarm: bool,
    /// What is unusual, `Shape::None` while nothing is.
    pub shape: Shape,
    /// Largest of the filters, as a multiple of its height (and of what its record asks for): from 1 on it is unusual.
    pub strength: f64,
}

/// Three matched filters on what is left of a series when its habit is taken off.
///
/// # Model
/// The habit of a half hour is the median of its last seven days (with its neighbours), its scatter the root mean square of its own and of the
/// series' robust deviation. A filter is the mean that a change of its form makes largest against noise (a matched filter; the
/// likelihood ratio of Gaussian noise is a function of it, see Basseville & Nikiforov 1993, Detection of Abrupt Changes, ch. 2):
///
/// - *shift*: mean of half a day of residuals, clipped at 8, against its median of the last ten days;
/// - *scatter*: mean of a day of `ln(0.1 + |step| / scatter)`, against its median and spread of the last ten days;
/// - *stuck*: run of equal values; missing rows in it are not counted.
///
/// Unusual is what exceeds both the height, the same for all series, and the record of the series itself in the four weeks before the last day
/// by a factor. What stays unusual is one event however long it lasts, and so is what comes back within `quiet_days`.
///
/// This gives few alarms: single odd values, and changes that are not larger than the series' own bursts, are not noticed. [`Ensemble`](super::Ensemble)
/// notices more, at ten times the alarms. About 20 KiB; O(1) per row, sorting of a few hundred numbers every half hour. Missing values
/// are left out of means.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::{FilterSettings, MatchedFilters, Shape};
/// let mut filters = MatchedFilters::new(FilterSettings::default())?;
/// let value = |t: u32| f64::from(t % 288) / 10.0 + f64::from(t * 7919 % 97) / 10.0;
/// assert!((0..10 * 288).all(|t| !filters.push(value(t)).alarm));
/// let found: Vec<_> = (2880..4 * 2880).map(|t| filters.push(value(t) + 25.0)).filter(|v| v.alarm).collect();
/// assert_eq!(found.len(), 1); // however long it lasts
/// assert_eq!(found[0].shape, Shape::ShiftUp);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MatchedFilters {
    settings: FilterSettings,
    habit: Habit,
    level: Reference,
    scatter: Reference,
    run: Reference,
    /// Last value that was there, and in how many rows since it was there again: a missing row neither counts nor ends a run.
    last: Option<f64>,
    equal: usize,
    row: usize,
    /// Row in which some filter was above its height for the last time.
    above: Option<usize>,
    shape: Shape,
    strength: f64,
    /// Blocks judged, and sizes of level and scatter in the last one as far as they exceed the record by its factor.
    judged: usize,
    beyond_record: (f64, f64),
}

impl MatchedFilters {
    /// Filters for one series.
    pub fn new(settings: FilterSettings) -> Result<Self, FitError> {
        settings.check()?;
        let blocks = BLOCKS.min(settings.rows_per_day);
        Ok(Self {
            settings,
            habit: Habit::new(blocks, settings.rows_per_day),
            level: Reference::new((blocks / 2).max(1), (blocks / 4).max(1)),
            scatter: Reference::new(blocks, (blocks / 4).max(1)),
            run: Reference::new(1, (blocks / 4).max(1)),
            last: None,
            equal: 0,
            row: 0,
            above: None,
            shape: Shape::None,
            strength: 0.0,
            judged: 0,
            beyond_record: (0.0, 0.0),
        })
    }

    /// Judges a value, then learns it. NaN is missing, and so is what is not finite.
    pub fn push(&mut self, value: f64) -> FilterVerdict {
        let value = if value.abs() <= crate::error::MAX_MAGNITUDE { value } else { f64::NAN };
        let day = self.settings.rows_per_day;
        let step = self.last.map_or(f64::NAN, |last| value - last);
        let there = !value.is_nan();
        if there {
            self.equal = if step == 0.0 { self.equal + 1 } else { 0 };
            self.last = Some(value);
        }
        let warm = self.row >= WARM_UP * day;
        if let Some((usual, scale)) = self.habit.usual() {
            self.level.take(((value - usual) / scale).clamp(-CLIP, CLIP));
            self.scatter.take((0.1 + step.abs() / scale).ln());
        }
        // A row without a value says nothing of a run, however long it was before.
        let hours = if there { self.equal as f64 * 24.0 / day as f64 } else { 0.0 };
        self.run.learn_size(hours);
        if self.habit.learn(self.row, value) {
            self.judge_block(warm);
        }
        let mut strength = if warm { self.strength } else { 0.0 };
        let mut shape = if strength >= 1.0 { self.shape } else { Shape::None };
        let longest = self.run.record().max(self.settings.run_hours / self.settings.run_record);
        let run = hours / (self.settings.run_record * longest);
        if warm && run >= 1.0 && run > strength {
            (strength, shape) = (run, Shape::Flat);
        }
        let quiet = self.settings.quiet_days * day;
        let unusual = strength >= 1.0;
        let alarm = unusual && self.above.is_none_or(|row| self.row - row > quiet);
        if unusual {
            self.above = Some(self.row);
        }
        self.row += 1;
        FilterVerdict { alarm, shape, strength }
    }

    /// At the end of a block: what the means say, which holds until the end of the next one.
    fn judge_block(&mut self, warm: bool) {
        let s = self.settings;
        let (shift, scatter) = (self.level.close_block(), self.scatter.close_block());
        self.run.close_block();
        let size = shift.map_or(0.0, |(off, _)| off.abs());
        let level = size / s.level.max(s.level_record * self.level.record());
        let spreads = scatter.map_or(0.0, |(off, spread)| off.max(0.0) / spread.max(0.1));
        let louder = spreads / s.scatter.max(s.scatter_record * self.scatter.record());
        let up = shift.is_some_and(|(off, _)| off > 0.0);
        (self.strength, self.shape) = match () {
            () if level >= louder => (level, if up { Shape::ShiftUp } else { Shape::ShiftDown }),
            () => (louder, Shape::Noisy),
        };
        if warm {
            self.judged += 1;
            let beyond = |size: f64, record: f64| if size >= record { size } else { 0.0 };
            self.beyond_record = (
                beyond(size, s.level_record * self.level.record()),
                beyond(spreads, s.scatter_record * self.scatter.record()),
            );
            self.level.learn_size(size);
            self.scatter.learn_size(spreads);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    /// Two weeks of a day's wave with noise, then `change`.
    fn series(seed: u64, change: impl Fn(usize, f64, f64) -> f64) -> Vec<f64> {
        let mut rng = Pcg::new(seed);
        (0..288 * 18)
            .map(|t| {
                let wave = 50.0 + 20.0 * (t as f64 / 288.0 * std::f64::consts::TAU).sin();
                let noise = 2.0 * rng.normal();
                if t < 288 * 14 { wave + noise } else { change(t - 288 * 14, wave, noise) }
            })
            .collect()
    }

    fn alarms(values: &[f64]) -> Vec<(usize, Shape)> {
        let mut filters = MatchedFilters::new(FilterSettings::default()).unwrap();
        let judged = values.iter().map(|v| filters.push(*v)).enumerate();
        judged.filter(|(_, v)| v.alarm).map(|(t, v)| (t, v.shape)).collect()
    }

    #[test]
    fn each_change_is_one_alarm_of_its_shape_and_nothing_else_is_one() {
        for seed in 0..5 {
            assert_eq!(alarms(&series(seed, |_, wave, noise| wave + noise)), [], "{seed}");
            let within = |values: &[f64], shape: Shape| {
                let found = alarms(values);
                let (row, first) = *found.first().unwrap();
                assert!(found.len() == 1 && first == shape, "{seed}: {found:?}");
                assert!((288 * 14..288 * 15).contains(&row), "{seed}: {row}");
            };
            within(&series(seed, |_, wave, noise| wave + noise + 12.0), Shape::ShiftUp);
            within(&series(seed, |_, wave, noise| wave + noise - 12.0), Shape::ShiftDown);
            within(&series(seed, |_, wave, noise| wave + 5.0 * noise), Shape::Noisy);
            within(&series(seed, |t, wave, noise| if t < 40 { 50.0 } else { wave + noise }), Shape::Flat);
        }
    }

    #[test]
    fn a_saved_filter_goes_on_with_the_same_bits_and_memory_is_bounded() {
        let values =
            series(7, |t, wave, noise| if t % 50 == 0 { f64::NAN } else { wave + 2.0 * noise + 9.0 });
        let mut whole = MatchedFilters::new(FilterSettings::default()).unwrap();
        // Saved right after a missing row.
        values[..4133].iter().for_each(|v| {
            whole.push(*v);
        });
        assert!(values[4132].is_nan());
        #[cfg(feature = "serde")]
        let mut part: MatchedFilters = {
            let text = serde_json::to_string(&whole).unwrap();
            assert!(text.len() < 60_000, "{} bytes of text", text.len());
            serde_json::from_str(&text).unwrap()
        };
        #[cfg(not(feature = "serde"))]
        let mut part = whole.clone();
        for v in &values[4133..] {
            assert_eq!(whole.push(*v), part.push(*v));
        }
        assert!(whole.push(f64::INFINITY).strength.is_finite());
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_filter_that_has_seen_nothing_is_saved_as_well() {
        let fresh = MatchedFilters::new(FilterSettings::default()).unwrap();
        let text = serde_json::to_string(&fresh).unwrap();
        assert_eq!(serde_json::from_str::<MatchedFilters>(&text).unwrap(), fresh);
    }

    #[test]
    fn a_stuck_run_goes_on_after_a_missing_row() {
        let gaps = |t: usize| t < 60 && t % 10 == 9;
        let stuck = series(3, |t, wave, noise| match t {
            _ if gaps(t) => f64::NAN,
            0..60 => 50.0,
            _ => wave + noise,
        });
        assert!(alarms(&stuck).iter().any(|a| a.1 == Shape::Flat), "{:?}", alarms(&stuck));
    }

    #[test]
    fn wrong_settings_are_refused() {
        let default = FilterSettings::default();
        for wrong in [
            FilterSettings { rows_per_day: 3, ..default },
            FilterSettings { level: f64::NAN, ..default },
            FilterSettings { run_record: 0.5, ..default },
            FilterSettings { quiet_days: 99, ..default },
        ] {
            assert!(MatchedFilters::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
