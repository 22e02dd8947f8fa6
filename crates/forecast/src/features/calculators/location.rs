//! Where things happen in a series.

/// Index of the first value equal to `target`.
pub(crate) fn first(x: &[f64], target: f64) -> Option<usize> {
    x.iter().position(|&v| v == target)
}

/// Index of the last value equal to `target`.
pub(crate) fn last(x: &[f64], target: f64) -> Option<usize> {
    x.iter().rposition(|&v| v == target)
}

/// Share of the series up to the first value equal to `target`, exclusive; NaN without values.
pub(crate) fn first_share(x: &[f64], target: f64) -> f64 {
    first(x, target).map_or(f64::NAN, |i| i as f64 / x.len() as f64)
}

/// Share of the series up to the last value equal to `target`, inclusive; NaN without values.
pub(crate) fn last_share(x: &[f64], target: f64) -> f64 {
    // One minus the share behind it, as the feature is defined.
    last(x, target).map_or(f64::NAN, |i| 1.0 - (x.len() - 1 - i) as f64 / x.len() as f64)
}

/// Shares of the length at which the share `q` of the absolute mass is first reached, for a running sum `mass`.
pub(crate) fn index_mass_quantile(mass: &[f64], total: f64, q: f64) -> f64 {
    if !(total > 0.0) {
        return f64::NAN;
    }
    let at = mass.partition_point(|&m| m / total < q);
    let at = if at == mass.len() { 0 } else { at };
    (at + 1) as f64 / mass.len() as f64
}
