//! Many series on one grid.

use crate::series::{Series, SeriesError};

/// Named series with the same start, period and length; NaN where one has no value.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Panel, SeasonalNaive, Series, forecast_many};
/// let web = Series::new(0, 60_000, vec![1.0, 2.0, 1.0, 2.0])?;
/// let db = Series::new(60_000, 60_000, vec![5.0, 6.0, 5.0, 6.0])?;      // one minute later
/// let panel = Panel::align([("web", web), ("db", db)])?;
/// assert_eq!((panel.len(), panel.steps()), (2, 5));
/// assert!(panel.values("db").is_some_and(|v| v[0].is_nan() && v[1] == 5.0));
/// let forecasts = forecast_many(&SeasonalNaive::new(2), &panel.views(), 2, &[]);
/// assert_eq!(forecasts[1].as_ref().map(|f| f.point[0]), Ok(5.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Panel {
    start_unix_ms: u64,
    period_ms: u64, // INVARIANT: > 0
    steps: usize,
    names: Vec<String>,     // INVARIANT: distinct
    columns: Vec<Vec<f64>>, // INVARIANT: as many as names, `steps` long, finite or NaN
}

/// Why series do not make a panel.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PanelError {
    /// No series at all.
    #[error("a panel needs at least one series")]
    Empty,
    /// Two series of the same name.
    #[error("series `{name}` is there twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// A series of another period, or between the steps of the first one: put it on the grid with
    /// [`resample`](crate::resample).
    #[error(
        "series `{name}` does not lie on the grid of `{first}`: expected a step every {period_ms} ms at the same moments"
    )]
    Grid {
        /// The series off the grid.
        name: String,
        /// The series that gave the grid.
        first: String,
        /// The period of the grid.
        period_ms: u64,
    },
    /// The series lie so far apart that the panel would have too many cells.
    #[error("the panel would have {cells} cells: expected at most {max}", max = crate::MAX_CELLS)]
    TooLarge {
        /// Cells needed.
        cells: u64,
    },
    /// A row of the wrong length.
    #[error("a row of {found} values: expected one for each of {needed} series")]
    Row {
        /// Series in the panel.
        needed: usize,
        /// Values given.
        found: usize,
    },
    /// A value is infinite.
    #[error("series `{name}`: {source}")]
    Value {
        /// The series.
        name: String,
        /// What is wrong.
        source: SeriesError,
    },
}

impl Panel {
    /// Puts series of one period on their common grid, from the first to the last moment that any of them knows.
    pub fn align<N: Into<String>>(series: impl IntoIterator<Item = (N, Series)>) -> Result<Self, PanelError> {
        let all: Vec<(String, Series)> = series.into_iter().map(|(n, s)| (n.into(), s)).collect();
        let Some((first, grid)) = all.first() else { return Err(PanelError::Empty) };
        let period_ms = grid.period_ms();
        for (i, (name, s)) in all.iter().enumerate() {
            if all[..i].iter().any(|(n, _)| n == name) {
                return Err(PanelError::Twice { name: name.clone() });
            }
            let off = s.start_unix_ms().abs_diff(grid.start_unix_ms()) % period_ms;
            if s.period_ms() != period_ms || off != 0 {
                return Err(PanelError::Grid { name: name.clone(), first: first.clone(), period_ms });
            }
        }
        let start_unix_ms = all.iter().map(|(_, s)| s.start_unix_ms()).min().unwrap_or(0);
        let before = |s: &Series| (s.start_unix_ms() - start_unix_ms) / period_ms;
        let steps = all.iter().map(|(_, s)| before(s).saturating_add(s.len() as u64)).max().unwrap_or(0);
        let cells = steps.saturating_mul(all.len() as u64);
        if cells > crate::MAX_CELLS as u64 {
            return Err(PanelError::TooLarge { cells });
        }
        let index = |n: u64| usize::try_from(n).unwrap_or(crate::MAX_CELLS);
        let steps = index(steps);
        let mut names = Vec::with_capacity(all.len());
        let mut columns = Vec::with_capacity(all.len());
        for (name, s) in all {
            let mut column = vec![f64::NAN; steps];
            let from = index(before(&s));
            column[from..from + s.len()].copy_from_slice(s.values());
            names.push(name);
            columns.push(column);
        }
        Ok(Self { start_unix_ms, period_ms, steps, names, columns })
    }

    /// Number of series.
    pub const fn len(&self) -> usize {
        self.names.len()
    }

    /// Never true: a panel has at least one series.
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Values per series, missing ones included.
    pub const fn steps(&self) -> usize {
        self.steps
    }

    /// Names, in the order given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Values of one series.
    pub fn values(&self, name: &str) -> Option<&[f64]> {
        self.names.iter().position(|n| n == name).map(|i| self.columns[i].as_slice())
    }

    /// All values, as [`forecast_many`](crate::forecast_many) and [`GlobalBoost`](crate::GlobalBoost) take them.
    pub fn views(&self) -> Vec<&[f64]> {
        self.columns.iter().map(Vec::as_slice).collect()
    }

    /// One series with its time.
    pub fn series(&self, name: &str) -> Option<Series> {
        let values = self.values(name)?.to_vec();
        Series::new(self.start_unix_ms, self.period_ms, values).ok()
    }

    /// Appends the next step of every series (NaN where missing), in the order of the names.
    pub fn push(&mut self, row: &[f64]) -> Result<(), PanelError> {
        if row.len() != self.len() {
            return Err(PanelError::Row { needed: self.len(), found: row.len() });
        }
        if let Some(i) = row.iter().position(|v| v.is_infinite()) {
            let source = SeriesError::Infinite { index: self.steps, value: row[i] };
            return Err(PanelError::Value { name: self.names[i].clone(), source });
        }
        self.columns.iter_mut().zip(row).for_each(|(c, v)| c.push(*v));
        self.steps += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(start: u64, period: u64, values: &[f64]) -> Series {
        Series::new(start, period, values.to_vec()).unwrap()
    }

    #[test]
    fn series_off_the_grid_are_named() {
        let a = || series(1_000, 60, &[1.0, 2.0]);
        let error = |list: Vec<(&str, Series)>| Panel::align(list).unwrap_err();
        assert_eq!(error(vec![]), PanelError::Empty);
        assert!(matches!(error(vec![("a", a()), ("a", a())]), PanelError::Twice { .. }));
        assert!(matches!(error(vec![("a", a()), ("b", series(1_030, 60, &[1.0]))]), PanelError::Grid { .. }));
        assert!(matches!(error(vec![("a", a()), ("b", series(1_000, 30, &[1.0]))]), PanelError::Grid { .. }));
        let far = series(1_000 + 60 * (1 << 40), 60, &[1.0]);
        assert!(matches!(error(vec![("a", a()), ("b", far)]), PanelError::TooLarge { .. }));
    }

    #[test]
    fn rows_go_to_their_series() {
        let a = series(120, 60, &[1.0]);
        let b = series(0, 60, &[5.0, 6.0]);
        let mut panel = Panel::align([("a", a), ("b", b)]).unwrap();
        panel.push(&[2.0, f64::NAN]).unwrap();
        let a = panel.series("a").unwrap();
        assert!(a.values()[..2].iter().all(|v| v.is_nan()));
        assert_eq!((a.start_unix_ms(), &a.values()[2..]), (0, &[1.0, 2.0][..]));
        assert!(panel.values("b").unwrap()[2..].iter().all(|v| v.is_nan()) && panel.series("c").is_none());
        assert!(matches!(panel.push(&[1.0]), Err(PanelError::Row { needed: 2, found: 1 })));
        assert!(matches!(panel.push(&[1.0, f64::INFINITY]), Err(PanelError::Value { .. })));
        assert_eq!(panel.steps(), 4);
    }
}
