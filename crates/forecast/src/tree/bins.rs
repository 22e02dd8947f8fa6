//! Features as bytes: bin numbers by column.

use super::Table;

/// Most bins of observed values; one more number stands for "missing".
pub(super) const MOST_BINS: usize = 255;
/// Values that are looked at to find the bins of a feature.
const SAMPLE: usize = 200_000;

/// A table as bin numbers. Bin `b` holds values above `edges[b - 1]` up to `edges[b]`; the number after the last bin stands
/// for missing values.
pub(super) struct Binned {
    pub(super) columns: Vec<Vec<u8>>,
    pub(super) edges: Vec<Vec<f64>>,
}

impl Binned {
    pub(super) fn new(table: &Table, most: usize) -> Self {
        let one = |f: usize| {
            let edges = edges_of(table.column(f), most.clamp(2, MOST_BINS));
            (bins_of(table.column(f), &edges), edges)
        };
        let (columns, edges) = super::ordered(table.features(), table.rows(), one).into_iter().unzip();
        Self { columns, edges }
    }

    pub(super) fn features(&self) -> usize {
        self.columns.len()
    }

    /// Bins of observed values; also the number of the bin of missing values.
    pub(super) fn bins(&self, feature: usize) -> usize {
        self.edges[feature].len() + 1
    }
}

/// Bin numbers of values under given edges.
pub(super) fn bins_of(column: &[f64], edges: &[f64]) -> Vec<u8> {
    let missing = edges.len() + 1;
    let number = |v: &f64| if v.is_nan() { missing } else { edges.partition_point(|e| e < v) };
    column.iter().map(|v| u8::try_from(number(v)).unwrap_or(u8::MAX)).collect()
}

/// Borders between bins of about equal numbers of values; a value that is frequent has a bin of its own.
fn edges_of(column: &[f64], most: usize) -> Vec<f64> {
    let stride = column.len().div_ceil(SAMPLE).max(1);
    let mut sorted: Vec<f64> = column.iter().step_by(stride).copied().filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct: Vec<(f64, usize)> = Vec::new();
    for v in sorted.iter().map(|v| v + 0.0) {
        match distinct.last_mut() {
            Some((last, count)) if *last == v => *count += 1,
            _ => distinct.push((v, 1)),
        }
    }
    let (mut edges, mut left, mut bins) = (Vec::new(), sorted.len(), most);
    let mut filled = 0;
    for (i, pair) in distinct.windows(2).enumerate() {
        filled += pair[0].1;
        let rest = distinct.len() - i - 1;
        let share = left as f64 / bins as f64;
        let next_is_big = pair[1].1 as f64 >= share && filled as f64 >= 0.5 * share;
        if edges.len() + 1 < most && (filled as f64 >= share || next_is_big || rest < bins) {
            edges.push(between(pair[0].0, pair[1].0));
            left -= filled;
            bins = (bins - 1).max(1);
            filled = 0;
        }
    }
    edges
}

/// A number from `low` to below `high`, in the middle where floats allow.
fn between(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    if middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_a_bin_each_and_missing_ones_their_own() {
        let table = Table::from_columns(vec![vec![3.0, f64::NAN, 1.0, 3.0, 2.0]]).unwrap();
        let binned = Binned::new(&table, 255);
        assert_eq!(binned.edges[0], [1.5, 2.5]);
        assert_eq!(binned.columns[0], [2, 3, 0, 2, 1]);
    }

    #[test]
    fn many_values_share_bins_evenly_and_in_order() {
        let values: Vec<f64> = (0..10_000).map(|i| f64::from(i * 7919 % 10_000)).collect();
        let edges = edges_of(&values, 100);
        assert_eq!(edges.len(), 99);
        assert!(edges.is_sorted() && edges.windows(2).all(|w| (90.0..110.0).contains(&(w[1] - w[0]))));
        assert_eq!(edges_of(&[1.0, 1.0 + f64::EPSILON], 255), [1.0]);
    }

    #[test]
    fn a_frequent_value_does_not_swallow_its_neighbours() {
        let values: Vec<f64> = (0..1000).map(|i| if i < 900 { 0.0 } else { f64::from(i) }).collect();
        let edges = edges_of(&values, 16);
        assert_eq!(edges.len(), 15, "{edges:?}");
        assert!(edges[0] < 900.0);
    }
}
