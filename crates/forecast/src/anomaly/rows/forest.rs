//! Isolation forest behind the interface of rows.

use super::{Filler, RowDetector};
use crate::{
    error::FitError,
    tree::{FittedIsolation, IsolationForest, Table},
};

/// [`IsolationForest`], plain or extended, as a [`RowDetector`]: 0.5 for ordinary rows, towards 1 for outliers.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IsolationRows {
    filler: Filler,
    forest: FittedIsolation,
}

impl IsolationRows {
    /// Learns from at least two rows.
    pub fn fit(rows: &[Vec<f64>], settings: &IsolationForest) -> Result<Self, FitError> {
        let (filler, rows) = Filler::fit(rows, 2)?;
        let (trees, sample) = (settings.trees as f64, settings.sample as f64);
        let table = Table::from_rows(&rows);
        let forest = table.and_then(|table| settings.fit(&table)).map_err(|_| FitError::Setting {
            name: "trees",
            value: if (1.0..=1e5).contains(&trees) { sample } else { trees },
            expected: "1 to 100000 trees of 2 to 16777216 rows",
        })?;
        Ok(Self { filler, forest })
    }
}

impl RowDetector for IsolationRows {
    fn columns(&self) -> usize {
        self.filler.columns()
    }

    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        Ok(self.forest.score(&self.filler.row(row)?))
    }
}
