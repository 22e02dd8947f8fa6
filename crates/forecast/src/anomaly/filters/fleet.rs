//! Heights of the filters from many machines together.

use super::{FilterSettings, MatchedFilters, WARM_UP};
use crate::error::FitError;

/// Heights that are tried: from `LOWEST` in steps of a twentieth.
const LOWEST: f64 = 0.5;
const STEPS: i32 = 100;

/// Sizes by block of one filter on one series, as far as they exceed the series' own record.
type Sizes = Vec<f64>;

/// Events that sizes above a height make, when what comes back within `quiet` blocks is the same one.
fn events(sizes: &Sizes, height: f64, quiet: usize) -> usize {
    let (mut count, mut above) = (0, None::<usize>);
    for (block, _) in sizes.iter().enumerate().filter(|(_, size)| **size >= height) {
        count += usize::from(above.is_none_or(|before| block - before > quiet));
        above = Some(block);
    }
    count
}

/// Lowest height from which on there are at most so many events on the whole fleet; `None` when there are more at the highest one that is tried.
fn lowest(fleet: &[Sizes], most: f64, quiet: usize) -> Option<f64> {
    let height = |step: i32| LOWEST * 1.05_f64.powi(step);
    let quiet_enough =
        |step: &i32| fleet.iter().map(|s| events(s, height(*step), quiet)).sum::<usize>() as f64 <= most;
    // From above: below the first height that is too low, merging could make counts smaller again.
    let too_low = (0..=STEPS).rev().find(|step| !quiet_enough(step));
    let step = too_low.map_or(0, |step| step + 1);
    (step <= STEPS).then(|| height(step))
}

impl FilterSettings {
    /// Heights of level and scatter at which each of the two filters raises one alarm in `days` days of a series, counted on series
    /// without labels of machines of the same kind: one machine's fortnight does not tell how high its next burst is, those of
    /// a hundred machines do. The other settings stay. An error when even at the highest height that is tried, 65, there are more alarms: then
    /// fewer days must do. O(rows of all series · 100).
    pub fn with_heights_of(mut self, fleet: &[&[f64]], days: f64) -> Result<Self, FitError> {
        self.check()?;
        if !(days > 0.0 && days.is_finite()) {
            return Err(FitError::Setting { name: "days", value: days, expected: "a positive number" });
        }
        let needed = (WARM_UP + 1) * self.rows_per_day;
        let long: Vec<&&[f64]> = fleet.iter().filter(|s| s.len() >= needed).collect();
        if long.is_empty() {
            let found = fleet.iter().map(|s| s.len()).max().unwrap_or(0);
            return Err(FitError::TooShort { needed, found });
        }
        let (mut level, mut scatter, mut rows) = (Vec::new(), Vec::new(), 0);
        for series in long {
            let mut filters = MatchedFilters::new(self)?;
            let (mut levels, mut scatters) = (Vec::new(), Vec::new());
            for value in *series {
                let blocks = filters.judged;
                filters.push(*value);
                if filters.judged > blocks {
                    levels.push(filters.beyond_record.0);
                    scatters.push(filters.beyond_record.1);
                }
            }
            rows += series.len() - WARM_UP * self.rows_per_day;
            level.push(levels);
            scatter.push(scatters);
        }
        let most = rows as f64 / self.rows_per_day as f64 / days;
        let quiet = self.quiet_days * super::BLOCKS.min(self.rows_per_day);
        let expected = "so few days that heights up to 65 suffice";
        let too_rare = FitError::Setting { name: "days", value: days, expected };
        self.level = lowest(&level, most, quiet).ok_or_else(|| too_rare.clone())?;
        self.scatter = lowest(&scatter, most, quiet).ok_or(too_rare)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Pcg;

    /// Noise with steps that come and go: `every` days between them in the mean.
    fn machine(seed: u64, every: f64) -> Vec<f64> {
        let mut rng = Pcg::new(seed);
        let mut level = 0.0;
        (0..288 * 20)
            .map(|_| {
                if rng.uniform() < 1.0 / (288.0 * every) {
                    level = 3.0 * rng.normal();
                }
                level + rng.normal()
            })
            .collect()
    }

    #[test]
    fn heights_of_a_restless_fleet_are_higher_and_give_the_alarms_asked_for() {
        let calm: Vec<Vec<f64>> = (0..12).map(|s| machine(s, 1e9)).collect();
        let restless: Vec<Vec<f64>> = (0..12).map(|s| machine(s, 4.0)).collect();
        let heights = |fleet: &[Vec<f64>], days: f64| {
            let fleet: Vec<&[f64]> = fleet.iter().map(Vec::as_slice).collect();
            FilterSettings::default().with_heights_of(&fleet, days).unwrap()
        };
        let (low, high) = (heights(&calm, 30.0), heights(&restless, 30.0));
        assert!(high.level > 1.5 * low.level, "{low:?} {high:?}");
        assert!(heights(&restless, 100.0).level >= high.level);
        // On machines of the same kind that were not among them.
        let alarms: usize = (100..112)
            .map(|s| {
                let settings = FilterSettings { scatter: 1e9, ..high };
                let mut filters = MatchedFilters::new(settings).unwrap();
                machine(s, 4.0).iter().filter(|v| filters.push(**v).alarm).count()
            })
            .sum();
        let expected = 12.0 * 17.0 / 30.0;
        assert!(alarms >= 1, "heights that nothing reaches give fewer alarms than were asked for");
        assert!((alarms as f64) < 2.5 * expected, "{alarms} alarms, about {expected} asked for");
    }

    #[test]
    fn a_height_is_given_only_if_it_was_tried() {
        assert_eq!(lowest(&[vec![1e3]], 1.0, 0), Some(LOWEST));
        assert_eq!(lowest(&[vec![1e3]], 0.5, 0), None, "no height that is tried is above 1,000");
        let height = lowest(&[vec![60.0]], 0.5, 0).unwrap();
        assert!((60.0..66.0).contains(&height), "{height}");
    }

    #[test]
    fn a_fleet_without_enough_rows_is_refused() {
        let short = vec![1.0; 300];
        let settings = FilterSettings::default();
        assert!(matches!(settings.with_heights_of(&[&short], 30.0), Err(FitError::TooShort { .. })));
        assert!(settings.with_heights_of(&[&short], 0.0).is_err());
    }
}
