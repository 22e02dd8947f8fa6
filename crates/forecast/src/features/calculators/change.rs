//! Changes inside a corridor of quantiles.

use crate::features::parameter::Aggregate;
use crate::features::sum::{mean, median_sorted, quantile_sorted, variance};

/// Collects x[i+1] − x[i] where both ends lie between the quantiles `ql` and `qh` of the series, bounds included.
pub(crate) fn corridor(x: &[f64], sorted: &[f64], ql: f64, qh: f64, out: &mut Vec<f64>) {
    out.clear();
    if !(ql < qh) || x.len() < 2 {
        return;
    }
    let (low, high) = (quantile_sorted(sorted, ql), quantile_sorted(sorted, qh));
    if low == high {
        return;
    }
    out.resize(x.len(), 0.0);
    let mut len = 0;
    let mut before = (low..=high).contains(&x[0]);
    for w in x.windows(2) {
        let now = w[1] >= low && w[1] <= high;
        out[len] = w[1] - w[0];
        len += usize::from(before & now);
        before = now;
    }
    out.truncate(len);
}

/// A statistic of values; `sorted` is scratch space.
pub(crate) fn aggregate(values: &[f64], f: Aggregate, scratch: &mut Vec<f64>) -> f64 {
    match f {
        Aggregate::Mean => mean(values),
        Aggregate::Var => variance(values),
        Aggregate::Std => variance(values).sqrt(),
        Aggregate::Max => super::shape::extremes(values).1,
        Aggregate::Min => super::shape::extremes(values).0,
        Aggregate::Median => {
            scratch.clear();
            scratch.extend_from_slice(values);
            scratch.sort_unstable_by(f64::total_cmp);
            median_sorted(scratch)
        }
    }
}
