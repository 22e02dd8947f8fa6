//! Irregular samples to a regular grid; counters to rates.
//!
//! A grid cell `[start + i·period, start + (i+1)·period)` takes the samples that fall into it; a cell without samples is
//! missing (NaN).

use crate::{
    series::{Series, SeriesError},
    stats::{mean, quantile_sorted},
};

/// A sample with its own time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "a pair of numbers made by hosts in bulk")]
pub struct TimedValue {
    /// When it was measured.
    pub at_unix_ms: u64,
    /// What was measured; NaN is ignored.
    pub value: f64,
}

/// How the samples of one cell become one value.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Aggregate {
    /// The newest sample.
    Last,
    /// Arithmetic mean.
    Mean,
    /// Sum (events per cell).
    Sum,
    /// Largest sample.
    Max,
    /// Smallest sample.
    Min,
    /// Quantile between 0 and 1, linear between order statistics.
    Quantile(f64),
}

/// The grid asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_structs, reason = "three numbers that define a grid")]
pub struct Grid {
    /// Start of the first cell.
    pub start_unix_ms: u64,
    /// Length of a cell, at least 1.
    pub period_ms: u64,
    /// Number of cells, at most [`MAX_CELLS`].
    pub cells: usize,
}

/// Most cells of one grid: a year of seconds and some more.
pub const MAX_CELLS: usize = 1 << 25;

/// Why samples could not be put on a grid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// More cells than a grid may have.
    #[error("{cells} cells are too many: expected at most {MAX_CELLS}")]
    TooManyCells {
        /// Cells asked for.
        cells: usize,
    },
    /// A quantile outside 0 to 1.
    #[error("quantile {quantile} is not between 0 and 1")]
    Quantile {
        /// The quantile given.
        quantile: f64,
    },
    /// The resulting series is not valid.
    #[error(transparent)]
    Series(#[from] SeriesError),
}

impl Grid {
    fn check(&self) -> Result<(), ResampleError> {
        if self.period_ms == 0 {
            return Err(SeriesError::Period.into());
        }
        if self.cells > MAX_CELLS {
            return Err(ResampleError::TooManyCells { cells: self.cells });
        }
        Ok(())
    }

    fn cell(&self, at_unix_ms: u64) -> Option<usize> {
        let offset = at_unix_ms.checked_sub(self.start_unix_ms)?;
        usize::try_from(offset / self.period_ms).ok().filter(|&i| i < self.cells)
    }
}

/// Puts samples on a grid. Samples may come in any order (equal times: the later one in the slice is newer); those outside
/// the grid are ignored.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Aggregate, Grid, TimedValue, resample};
/// let samples = [(0, 1.0), (40, 3.0), (250, 7.0)].map(|(at_unix_ms, value)| TimedValue { at_unix_ms, value });
/// let series = resample(&samples, Grid { start_unix_ms: 0, period_ms: 100, cells: 3 }, Aggregate::Mean)?;
/// assert_eq!(series.values()[0], 2.0);
/// assert!(series.values()[1].is_nan());
/// assert_eq!(series.values()[2], 7.0);
/// # Ok::<(), ecosystem_forecast::ResampleError>(())
/// ```
pub fn resample(samples: &[TimedValue], grid: Grid, how: Aggregate) -> Result<Series, ResampleError> {
    grid.check()?;
    if let Aggregate::Quantile(quantile) = how
        && !(0.0..=1.0).contains(&quantile)
    {
        return Err(ResampleError::Quantile { quantile });
    }
    let mut inside: Vec<(usize, u64, f64)> = samples
        .iter()
        .filter(|s| !s.value.is_nan())
        .filter_map(|s| grid.cell(s.at_unix_ms).map(|cell| (cell, s.at_unix_ms, s.value)))
        .collect();
    inside.sort_by_key(|&(_, at, _)| at); // stable: the later sample of the slice stays later
    let mut values = vec![f64::NAN; grid.cells];
    let mut cell_values = Vec::new();
    for group in inside.chunk_by(|a, b| a.0 == b.0) {
        cell_values.clear();
        cell_values.extend(group.iter().map(|g| g.2));
        values[group[0].0] = aggregate(&mut cell_values, how);
    }
    Ok(Series::new(grid.start_unix_ms, grid.period_ms, values)?)
}

fn aggregate(values: &mut [f64], how: Aggregate) -> f64 {
    match how {
        Aggregate::Last => values[values.len() - 1],
        Aggregate::Mean => mean(values),
        Aggregate::Sum => values.iter().sum(),
        Aggregate::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Aggregate::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
        Aggregate::Quantile(p) => {
            values.sort_unstable_by(f64::total_cmp);
            quantile_sorted(values, p)
        }
    }
}

/// Turns a counter that only grows (and starts again from zero after a restart) into a rate per second on a grid.
///
/// The growth between two neighbouring samples is spread evenly over the time between them; after a reset the new value
/// counts as growth since the reset. Stretches longer than `max_gap_ms` between two samples count as unknown, so their
/// cells are missing unless other samples cover at least half of the cell.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Grid, TimedValue, counter_rate};
/// let samples = [(0, 100.0), (1000, 110.0), (2000, 4.0)].map(|(at_unix_ms, value)| TimedValue { at_unix_ms, value });
/// let rate = counter_rate(&samples, Grid { start_unix_ms: 0, period_ms: 1000, cells: 2 }, 5000)?;
/// assert_eq!(rate.values(), [10.0, 4.0]);                // the second cell saw a restart
/// # Ok::<(), ecosystem_forecast::ResampleError>(())
/// ```
pub fn counter_rate(samples: &[TimedValue], grid: Grid, max_gap_ms: u64) -> Result<Series, ResampleError> {
    grid.check()?;
    let mut ordered: Vec<TimedValue> = samples.iter().copied().filter(|s| s.value.is_finite()).collect();
    ordered.sort_by_key(|s| s.at_unix_ms);
    let end = grid.start_unix_ms.saturating_add(grid.period_ms.saturating_mul(grid.cells as u64));
    let (mut growth, mut covered) = (vec![0.0; grid.cells], vec![0.0; grid.cells]);
    for pair in ordered.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let span = b.at_unix_ms - a.at_unix_ms;
        if span == 0 || span > max_gap_ms || b.at_unix_ms <= grid.start_unix_ms || a.at_unix_ms >= end {
            continue;
        }
        let increase = if b.value >= a.value { b.value - a.value } else { b.value.max(0.0) };
        let mut from = a.at_unix_ms.max(grid.start_unix_ms);
        while from < b.at_unix_ms.min(end) {
            let Some(cell) = grid.cell(from) else { break };
            let cell_end = grid.start_unix_ms + grid.period_ms * (cell as u64 + 1);
            let to = b.at_unix_ms.min(cell_end);
            let part = (to - from) as f64;
            growth[cell] += increase * part / span as f64;
            covered[cell] += part;
            from = to;
        }
    }
    let half = grid.period_ms as f64 / 2.0;
    let values = growth
        .iter()
        .zip(&covered)
        .map(|(g, c)| if *c >= half { g / c * 1000.0 } else { f64::NAN })
        .collect();
    Ok(Series::new(grid.start_unix_ms, grid.period_ms, values)?)
}

/// Averages (or sums …) blocks of `factor` values: 1-minute data to 5-minute data with factor 5. An incomplete last block
/// is dropped; a block is missing when all its values are.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Aggregate, downsample};
/// assert_eq!(downsample(&[1.0, 3.0, 5.0, f64::NAN, 9.0], 2, Aggregate::Mean), [2.0, 5.0]);
/// ```
pub fn downsample(values: &[f64], factor: usize, how: Aggregate) -> Vec<f64> {
    let mut block = Vec::with_capacity(factor);
    values
        .chunks_exact(factor.max(1))
        .map(|chunk| {
            block.clear();
            block.extend(chunk.iter().copied().filter(|v| !v.is_nan()));
            if block.is_empty() { f64::NAN } else { aggregate(&mut block, how) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(pairs: &[(u64, f64)]) -> Vec<TimedValue> {
        pairs.iter().map(|&(at_unix_ms, value)| TimedValue { at_unix_ms, value }).collect()
    }

    #[test]
    fn order_of_arrival_does_not_matter() {
        let grid = Grid { start_unix_ms: 0, period_ms: 10, cells: 2 };
        let forward = at(&[(1, 1.0), (3, 5.0), (9, 2.0), (12, 4.0)]);
        let backward: Vec<TimedValue> = forward.iter().rev().copied().collect();
        for how in [Aggregate::Last, Aggregate::Mean, Aggregate::Max, Aggregate::Quantile(0.5)] {
            assert_eq!(resample(&forward, grid, how), resample(&backward, grid, how));
        }
        assert_eq!(resample(&forward, grid, Aggregate::Last).unwrap().values(), [2.0, 4.0]);
        assert_eq!(resample(&forward, grid, Aggregate::Quantile(0.5)).unwrap().values(), [2.0, 4.0]);
    }

    #[test]
    fn a_counter_gap_longer_than_allowed_is_missing() {
        let grid = Grid { start_unix_ms: 0, period_ms: 1000, cells: 4 };
        let rate =
            counter_rate(&at(&[(0, 0.0), (1000, 5.0), (3000, 50.0), (4000, 51.0)]), grid, 1500).unwrap();
        assert!((rate.values()[0] - 5.0).abs() < 1e-12 && (rate.values()[3] - 1.0).abs() < 1e-12);
        assert!(rate.values()[1].is_nan() && rate.values()[2].is_nan());
    }

    #[test]
    fn grids_are_bounded() {
        let grid = Grid { start_unix_ms: 0, period_ms: 1, cells: usize::MAX };
        assert!(matches!(resample(&[], grid, Aggregate::Mean), Err(ResampleError::TooManyCells { .. })));
        assert!(counter_rate(&[], Grid { period_ms: 0, ..grid }, 1).is_err());
    }
}
