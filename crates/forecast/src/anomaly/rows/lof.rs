//! Local outlier factor.

use super::{Filler, RowDetector, setting, squared};
use crate::error::FitError;

/// How much thinner the neighbourhood of a row is than those of its neighbours: about 1 inside of any cluster, dense or
/// sparse, well above 1 beside it.
///
/// New rows are compared with the training rows and are not learnt ("novelty"). Metrics should have comparable units. Fit
/// O(n² · metrics), a row O(n · metrics), memory O(n · metrics); keep a few thousand rows.
///
/// Breunig, Kriegel, Ng & Sander (2000), LOF, SIGMOD. Equal to scikit-learn's `LocalOutlierFactor(novelty=True)` with the
/// sign turned.
///
/// # Example
/// ```
/// use ecosystem_forecast::anomaly::rows::{LocalOutlierFactor, RowDetector};
/// let rows: Vec<Vec<f64>> = (0..100_u32).map(|i| vec![f64::from(i % 10), f64::from(i / 10)]).collect();
/// let mut detector = LocalOutlierFactor::fit(&rows, 10)?;
/// assert!(detector.score_row(&[4.5, 4.5])? < 1.2 && detector.score_row(&[20.0, 4.0])? > 3.0);
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LocalOutlierFactor {
    filler: Filler,
    neighbours: usize,
    rows: Vec<Vec<f64>>,
    /// Distance of every training row to its k-th neighbour, and its local reachability density.
    reach: Vec<f64>,
    density: Vec<f64>,
}

impl LocalOutlierFactor {
    /// `neighbours` (1 to a million, at most one less than rows; often 20).
    pub fn fit(rows: &[Vec<f64>], neighbours: usize) -> Result<Self, FitError> {
        if !(1..=1_000_000).contains(&neighbours) {
            return setting("neighbours", neighbours as f64, "1 to 1000000");
        }
        let (filler, rows) = Filler::fit(rows, neighbours + 1)?;
        let mut found = Self { filler, neighbours, rows, reach: Vec::new(), density: Vec::new() };
        let near: Vec<Vec<(f64, usize)>> =
            (0..found.rows.len()).map(|i| found.nearest(&found.rows[i], Some(i))).collect();
        found.reach = near.iter().map(|n| n.last().map_or(0.0, |l| l.0)).collect();
        found.density = near.iter().map(|n| found.reachability(n)).collect();
        Ok(found)
    }

    /// The nearest training rows with their distances, ascending; ties go by row.
    fn nearest(&self, row: &[f64], but: Option<usize>) -> Vec<(f64, usize)> {
        let mut all: Vec<(f64, usize)> = (0..self.rows.len())
            .filter(|i| Some(*i) != but)
            .map(|i| (squared(row, &self.rows[i]), i))
            .collect();
        let order = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if all.len() > self.neighbours {
            all.select_nth_unstable_by(self.neighbours - 1, order);
            all.truncate(self.neighbours);
        }
        all.sort_unstable_by(order);
        all.iter_mut().for_each(|(d, _)| *d = d.sqrt());
        all
    }

    /// Inverse of the mean reachability distance.
    fn reachability(&self, near: &[(f64, usize)]) -> f64 {
        let sum: f64 = near.iter().map(|&(d, i)| d.max(self.reach[i])).sum();
        1.0 / (sum / near.len().max(1) as f64 + 1e-10)
    }

    /// Factors of the training rows themselves, each without itself.
    pub fn training_factors(&self) -> Vec<f64> {
        let one = |i: usize| {
            let near = self.nearest(&self.rows[i], Some(i));
            self.factor(&near, self.density[i])
        };
        (0..self.rows.len()).map(one).collect()
    }

    fn factor(&self, near: &[(f64, usize)], own: f64) -> f64 {
        near.iter().map(|&(_, i)| self.density[i] / own).sum::<f64>() / near.len().max(1) as f64
    }
}

impl RowDetector for LocalOutlierFactor {
    fn columns(&self) -> usize {
        self.filler.columns()
    }

    fn score_row(&mut self, row: &[f64]) -> Result<f64, FitError> {
        let near = self.nearest(&self.filler.row(row)?, None);
        Ok(self.factor(&near, self.reachability(&near)))
    }
}
