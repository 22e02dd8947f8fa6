//! What is usual in a half hour of the day, and how far a series is from it there.

use crate::stats::median_in_place;
use std::collections::VecDeque;

/// Days that make a habit.
const DAYS: usize = 7;
/// Median absolute deviation to standard deviation of a normal distribution, and mean absolute deviation to the same.
const OF_MEDIAN: f64 = 1.482_602_218_505_602;
const OF_MEAN: f64 = 1.253_314_137_315_5;

/// A block that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Block {
    /// Median of the values; none when all were missing.
    median: Option<f64>,
    /// Median and mean of their distances from the habit; none on the first day as well.
    distances: Option<(f64, f64)>,
}

/// Medians and distances by block of the day, of the last seven days.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Habit {
    /// Blocks of a day, rows of a day.
    blocks: usize,
    day: usize,
    /// Blocks that are over, oldest first.
    past: VecDeque<Block>,
    /// Values of the open block.
    open: Vec<f64>,
    usual: Option<f64>,
    scale: Option<f64>,
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    (!values.is_empty()).then(|| median_in_place(&mut values))
}

impl Habit {
    pub(super) fn new(blocks: usize, day: usize) -> Self {
        let past = VecDeque::new();
        Self { blocks, day, past, open: Vec::new(), usual: None, scale: None }
    }

    /// What is usual in the block that is open and the scatter around it, if known.
    pub(super) fn usual(&self) -> Option<(f64, f64)> {
        self.usual.zip(self.scale)
    }

    /// Learns a value, NaN for missing; true when a block ends with it. Where rows do not divide evenly, blocks differ by one row.
    pub(super) fn learn(&mut self, row: usize, value: f64) -> bool {
        if !value.is_nan() {
            self.open.push(value);
        }
        let in_day = row % self.day;
        let ends = (in_day + 1) * self.blocks / self.day != in_day * self.blocks / self.day;
        if ends {
            self.close();
        }
        ends
    }

    /// The open block is over, the next one begins.
    fn close(&mut self) {
        let open = std::mem::take(&mut self.open);
        let distances = self.usual.filter(|_| !open.is_empty()).and_then(|usual| {
            let far: Vec<f64> = open.iter().map(|v| (v - usual).abs()).collect();
            let mean = crate::stats::mean(&far);
            median(far).map(|median| (median, mean))
        });
        self.past.push_back(Block { median: median(open), distances });
        if self.past.len() > (DAYS + 1) * self.blocks {
            self.past.pop_front();
        }
        self.look_ahead();
    }

    /// What will be usual in the block that begins: that of the last seven days with its neighbours (the next one of today is not over yet).
    fn look_ahead(&mut self) {
        let newest = self.past.len();
        if newest < self.blocks {
            return;
        }
        // What comes is one after the newest; the same block d days ago lies d days of blocks before it.
        let at = |days: usize, off: isize| -> Option<&Block> {
            let back = (days * self.blocks).checked_add_signed(-off)?;
            newest.checked_sub(back).and_then(|i| self.past.get(i))
        };
        // Only days whose own block is there: neighbours alone would be another time of the day.
        let medians = |off: isize| (1..=DAYS).filter_map(move |d| at(d, 0).and_then(|_| at(d, off)?.median));
        self.usual = median(medians(-1).chain(medians(0)).chain(medians(1)).collect()).or(self.usual);
        let of_block: Vec<f64> = (1..=DAYS).filter_map(|d| Some(at(d, 0)?.distances?.0)).collect();
        let all = || self.past.iter().filter_map(|b| b.distances);
        let mut whole = median(all().map(|d| d.0).collect()).unwrap_or(0.0) * OF_MEDIAN;
        if whole <= 0.0 {
            let means: Vec<f64> = all().map(|d| d.1).collect();
            whole = if means.is_empty() { 0.0 } else { OF_MEAN * crate::stats::mean(&means) };
        }
        let own = median(of_block).map_or(whole, |m| OF_MEDIAN * m);
        let floor = 1e-9 * self.usual.unwrap_or(0.0).abs().max(1e-9);
        let known = all().next().is_some();
        self.scale = known.then(|| (0.5 * (own * own + whole * whole)).sqrt().max(floor));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_habit_is_that_of_the_same_time_of_the_last_days() {
        let mut habit = Habit::new(48, 300);
        let value = |row: usize| (row % 300 / 6) as f64 * 10.0 + (row % 5) as f64;
        let mut closed = 0;
        for row in 0..3000 {
            if row > 900 {
                let (usual, scale) = habit.usual().unwrap();
                assert!((usual - value(row)).abs() < 16.0, "{row} {usual}");
                assert!(scale > 0.5 && scale < 30.0, "{scale}");
            }
            closed += usize::from(habit.learn(row, value(row)));
        }
        assert_eq!(closed, 480);
        assert_eq!(habit.past.len(), 8 * 48);
    }

    #[test]
    fn blocks_of_a_day_differ_by_one_row_at_most() {
        for (day, least) in [(72, 1), (95, 1), (288, 6), (1000, 20)] {
            let mut habit = Habit::new(48, day);
            let ends: Vec<usize> = (0..day).filter(|row| habit.learn(*row, 1.0)).collect();
            let widths: Vec<usize> =
                std::iter::once(ends[0] + 1).chain(ends.windows(2).map(|e| e[1] - e[0])).collect();
            assert!(widths.len() == 48 && ends[47] == day - 1, "{day}: {ends:?}");
            assert!(widths.iter().all(|w| (least..=least + 1).contains(w)), "{day}: {widths:?}");
        }
    }

    #[test]
    fn a_habit_outlasts_missing_days_but_not_a_week_of_them() {
        let mut habit = Habit::new(24, 24);
        let value = |row: usize| (row % 24 + row % 2) as f64;
        (0..240).for_each(|row| {
            habit.learn(row, value(row));
        });
        for row in 240..288 {
            let (usual, scale) = habit.usual().unwrap();
            assert!((usual - value(row)).abs() < 3.5 && scale > 0.0, "{row}: {usual}");
            habit.learn(row, f64::NAN);
        }
        (288..240 + 24 * 9).for_each(|row| {
            habit.learn(row, f64::NAN);
        });
        assert_eq!(habit.usual(), None, "nothing is known of the last eight days");
        (456..456 + 72).for_each(|row| {
            habit.learn(row, value(row));
        });
        assert!((habit.usual().unwrap().0 - value(528)).abs() < 3.5);
    }
}
