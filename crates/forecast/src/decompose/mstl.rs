//! MSTL: several seasons by repeated STL.

use super::stl::Stl;
use crate::{
    error::{FitError, check_values},
    gaps::fill_gaps,
};

/// Trend, one pattern per season and the remainder; they add up to the values.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MstlDecomposition {
    /// Slow movement.
    pub trend: Vec<f64>,
    /// One pattern per season, shortest first.
    pub seasons: Vec<Vec<f64>>,
    /// Steps of each season.
    pub periods: Vec<usize>,
    /// What is left (NaN where the value is missing).
    pub remainder: Vec<f64>,
}

/// Decomposes several seasons, shortest first, each refined once after the others are known.
///
/// Season `k` (from 0) may change over `11 + 4k` cycles. Seasons that do not fit twice into the data are left out; without
/// any, the trend is a local regression over a fifth of the data.
///
/// Bandara, Hyndman & Bergmeir (2021), MSTL: A seasonal-trend decomposition algorithm for time series with multiple seasonal
/// patterns, arXiv:2107.13462.
///
/// # Example
/// ```
/// use ecosystem_forecast::decompose_seasons;
/// let values: Vec<f64> = (0..400).map(|h| f64::from(h % 8) + 2.0 * f64::from(u8::from(h % 56 >= 40))).collect();
/// let parts = decompose_seasons(&values, &[8, 56])?;
/// assert_eq!(parts.periods, [8, 56]);
/// let worst = parts.remainder.iter().fold(0.0_f64, |a, r| a.max(r.abs()));
/// assert!(worst < 0.2, "{worst}");
/// # Ok::<(), ecosystem_forecast::FitError>(())
/// ```
pub fn decompose_seasons(values: &[f64], seasons: &[usize]) -> Result<MstlDecomposition, FitError> {
    decompose(values, seasons, false, true)
}

/// The same; `fast` interpolates local regressions, without `line` the patterns are local means.
pub(crate) fn decompose(
    values: &[f64],
    seasons: &[usize],
    fast: bool,
    line: bool,
) -> Result<MstlDecomposition, FitError> {
    check_values(values, 4)?;
    let mut periods: Vec<usize> =
        seasons.iter().copied().filter(|&m| m >= 2 && 2 * m <= values.len()).collect();
    periods.sort_unstable();
    periods.dedup();
    let filled = fill_gaps(values, &periods);
    let mut parts = decompose_complete(&filled, &periods, fast, line);
    for i in 0..values.len() {
        if values[i].is_nan() {
            parts.remainder[i] = f64::NAN;
        }
    }
    Ok(parts)
}

/// Decomposes complete data with checked, sorted periods.
fn decompose_complete(filled: &[f64], periods: &[usize], fast: bool, line: bool) -> MstlDecomposition {
    let n = filled.len();
    let mut rest = filled.to_vec(); // values without the seasons known so far
    let mut seasons = vec![vec![0.0; n]; periods.len()];
    let mut trend = vec![0.0; n];
    let rounds = if periods.len() > 1 { 2 } else { 1 };
    for _ in 0..rounds {
        for (k, &period) in periods.iter().enumerate() {
            for i in 0..n {
                rest[i] += seasons[k][i];
            }
            let mut stl = Stl { season_line: line, ..Stl::new(period) }.with_season_window(11 + 4 * k);
            if fast {
                stl = Stl { inner_rounds: 2, ..stl }.with_fast();
            }
            let parts = stl.run(&rest);
            for i in 0..n {
                rest[i] -= parts.season[i];
            }
            seasons[k] = parts.season;
            trend = parts.trend;
        }
    }
    if periods.is_empty() {
        let window = (n / 5).max(7) | 1;
        super::loess::Loess { window, line: true, jump: 1 }.operator(n).smooth(filled, &mut trend);
    }
    let remainder = (0..n).map(|i| rest[i] - trend[i]).collect();
    MstlDecomposition { trend, seasons, periods: periods.to_vec(), remainder }
}
