//! Rows of features, stored by column.

use super::TreeError;
use crate::error::MAX_MAGNITUDE;

/// Rows of features, stored by column; NaN is a missing value.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    rows: usize,
    columns: Vec<Vec<f64>>,
}

impl Table {
    /// From columns of equal length.
    pub fn from_columns(columns: Vec<Vec<f64>>) -> Result<Self, TreeError> {
        let rows = columns.first().map_or(0, Vec::len);
        if rows == 0 || u32::try_from(rows).is_err() || u32::try_from(columns.len()).is_err() {
            return Err(TreeError::Empty { rows, features: columns.len(), needed: 1 });
        }
        for (feature, column) in columns.iter().enumerate() {
            if column.len() != rows {
                return Err(TreeError::Length {
                    name: "column",
                    index: feature,
                    found: column.len(),
                    needed: rows,
                });
            }
            if let Some(row) = column.iter().position(|v| v.abs() > MAX_MAGNITUDE) {
                return Err(TreeError::OutOfRange { row, feature, value: column[row] });
            }
        }
        Ok(Self { rows, columns })
    }

    /// From rows of equal length.
    pub fn from_rows<R: AsRef<[f64]>>(rows: &[R]) -> Result<Self, TreeError> {
        let features = rows.first().map_or(0, |r| r.as_ref().len());
        if let Some(index) = rows.iter().position(|r| r.as_ref().len() != features) {
            let found = rows[index].as_ref().len();
            return Err(TreeError::Length { name: "row", index, found, needed: features });
        }
        Self::from_columns((0..features).map(|f| rows.iter().map(|r| r.as_ref()[f]).collect()).collect())
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.columns.len()
    }

    /// Values of one feature.
    ///
    /// # Panics
    /// When there is no such feature.
    pub fn column(&self, feature: usize) -> &[f64] {
        &self.columns[feature]
    }

    /// Copies one row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> Vec<f64> {
        self.columns.iter().map(|c| c[row]).collect()
    }

    /// The rows at these positions, in this order; positions outside are left out. An error when none is left.
    pub fn select(&self, rows: &[usize]) -> Result<Self, TreeError> {
        let pick = |c: &Vec<f64>| rows.iter().filter_map(|&r| c.get(r).copied()).collect();
        Self::from_columns(self.columns.iter().map(pick).collect())
    }
}

/// Checks labels (and weights) against a table.
pub(super) fn check_labels(
    table: &Table,
    labels: &[f64],
    weights: Option<&[f64]>,
    binary: bool,
) -> Result<(), TreeError> {
    let length = |name, found| TreeError::Length { name, index: 0, found, needed: table.rows() };
    if labels.len() != table.rows() {
        return Err(length("labels", labels.len()));
    }
    let expected = if binary { "0 or 1" } else { "a number within ±1e100" };
    let fits = |v: f64| if binary { v == 0.0 || v == 1.0 } else { v.abs() <= MAX_MAGNITUDE };
    if let Some(row) = labels.iter().position(|&v| !fits(v)) {
        return Err(TreeError::Label { name: "label", row, value: labels[row], expected });
    }
    if let Some(weights) = weights {
        if weights.len() != table.rows() {
            return Err(length("weights", weights.len()));
        }
        if let Some(row) = weights.iter().position(|&w| !(0.0..=1e12).contains(&w)) {
            let value = weights[row];
            return Err(TreeError::Label { name: "weight", row, value, expected: "0 to 1e12" });
        }
    }
    Ok(())
}
