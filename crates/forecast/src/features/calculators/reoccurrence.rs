//! Values that occur more than once.

/// Counts of distinct values, from the sorted series.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reoccurrence {
    pub(crate) distinct: usize,
    /// Distinct values that occur more than once.
    pub(crate) repeated: usize,
    /// Points whose value occurs more than once.
    pub(crate) repeated_points: usize,
    pub(crate) sum_values: f64,
    pub(crate) sum_points: f64,
    pub(crate) repeated_min: bool,
    pub(crate) repeated_max: bool,
}

impl Reoccurrence {
    pub(crate) fn new(sorted: &[f64]) -> Self {
        let mut out = Self::default();
        for run in sorted.chunk_by(|a, b| a == b) {
            out.distinct += 1;
            if run.len() > 1 {
                out.repeated += 1;
                out.repeated_points += run.len();
                out.sum_values += run[0];
                out.sum_points += run[0] * run.len() as f64;
            }
        }
        if let [.., y, z] = sorted {
            out.repeated_min = sorted[0] == sorted[1];
            out.repeated_max = y == z;
        }
        out
    }
}
