//! A moving mean of blocks against what it used to be, and the record of how far it was from that.

use crate::stats::median_in_place;
use std::collections::VecDeque;

/// Samples of the mean that are its past: four a day for ten days, the last day left out.
const PAST: usize = 40;
const YOUNG: usize = 4;
/// Fewest samples that make a past.
const LEAST: usize = 4;
/// Quarters of a day that a record is remembered: four weeks.
const RECORD: usize = 112;

/// Mean of the last `width` blocks, its past, and records by quarter of a day.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Reference {
    width: usize,
    quarter: usize,
    /// Sum and count of the open block.
    sum: f64,
    count: u32,
    /// Means of the last blocks, each with its count.
    blocks: VecDeque<(f64, u32)>,
    /// Means at the ends of quarters of a day.
    samples: VecDeque<f64>,
    /// Largest sizes in the quarters that are over, and in the open one.
    records: VecDeque<f64>,
    largest: f64,
    closed: usize,
    /// Median and spread of the past.
    usual: Option<(f64, f64)>,
}

impl Reference {
    /// A mean over so many blocks; a quarter of a day has so many.
    pub(super) fn new(width: usize, quarter: usize) -> Self {
        Self {
            width,
            quarter,
            sum: 0.0,
            count: 0,
            blocks: VecDeque::new(),
            samples: VecDeque::new(),
            records: VecDeque::new(),
            largest: 0.0,
            closed: 0,
            usual: None,
        }
    }

    /// Takes a value, missing ones are left out.
    pub(super) fn take(&mut self, value: f64) {
        if !value.is_nan() {
            self.sum += value;
            self.count += 1;
        }
    }

    /// Takes a size of now.
    pub(super) fn learn_size(&mut self, size: f64) {
        self.largest = self.largest.max(size);
    }

    /// Largest size of the last four weeks, the last day left out; 0 when there was none.
    pub(super) fn record(&self) -> f64 {
        let old = self.records.len().saturating_sub(YOUNG);
        self.records.iter().take(old).copied().fold(0.0, f64::max)
    }

    /// A block is over: distance of the mean from its past, and the spread of the past; `None` while there is none.
    pub(super) fn close_block(&mut self) -> Option<(f64, f64)> {
        self.blocks.push_back((self.sum, self.count));
        (self.sum, self.count) = (0.0, 0);
        if self.blocks.len() > self.width {
            self.blocks.pop_front();
        }
        let (sum, count) = self.blocks.iter().fold((0.0, 0), |(s, c), b| (s + b.0, c + b.1));
        let mean = if count > 0 { sum / f64::from(count) } else { 0.0 };
        self.closed += 1;
        if self.closed.is_multiple_of(self.quarter) {
            self.samples.push_back(mean);
            if self.samples.len() > PAST + YOUNG {
                self.samples.pop_front();
            }
            self.records.push_back(std::mem::take(&mut self.largest));
            if self.records.len() > RECORD + YOUNG {
                self.records.pop_front();
            }
            self.usual = self.past();
        }
        self.usual.filter(|_| count > 0).map(|(center, spread)| (mean - center, spread))
    }

    /// Median and robust deviation of the samples that are a day old.
    fn past(&self) -> Option<(f64, f64)> {
        let old = self.samples.len().saturating_sub(YOUNG);
        if old < LEAST {
            return None;
        }
        let mut values: Vec<f64> = self.samples.iter().take(old).copied().collect();
        let center = median_in_place(&mut values);
        values.iter_mut().for_each(|v| *v = (*v - center).abs());
        Some((center, 1.482_602_218_505_602 * median_in_place(&mut values)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_of_the_last_blocks_and_is_held_against_a_past_that_is_a_day_old() {
        let mut mean = Reference::new(4, 2);
        let mut last = None;
        for block in 0..40 {
            (0..3).for_each(|_| mean.take(if block < 36 { 1.0 } else { 5.0 }));
            mean.take(f64::NAN);
            last = mean.close_block();
        }
        assert_eq!(last, Some((4.0, 0.0)), "four blocks of 5 against the usual 1");
        (0..4).for_each(|_| {
            mean.close_block();
        });
        assert_eq!(mean.close_block(), None, "nothing but missing values");
    }

    #[test]
    fn records_are_known_a_day_later_and_forgotten_after_four_weeks() {
        let mut mean = Reference::new(4, 1);
        mean.learn_size(9.0);
        (0..4).for_each(|_| {
            mean.close_block();
        });
        assert!(mean.record() <= 0.0);
        mean.close_block();
        assert!((mean.record() - 9.0).abs() < 1e-12);
        (0..200).for_each(|_| {
            mean.close_block();
        });
        assert_eq!((mean.record(), mean.records.len()), (0.0, 116));
    }
}
