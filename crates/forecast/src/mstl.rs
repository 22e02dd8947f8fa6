//! Seasonal decomposition with any base model for what the seasons leave.

use crate::{
    decompose::{MstlDecomposition, decompose},
    error::{FitError, PredictError, UpdateError, check_values},
    forecast::Forecast,
    model::{Fitted, Forecaster},
};

/// Decomposes, repeats the last cycle of every season, and lets `base` predict trend plus remainder.
///
/// Patterns are local means over the cycles, as in R's and statsforecast's `mstl`, not lines as in
/// [`decompose_seasons`](crate::decompose_seasons): with the four or five weeks one usually has, lines swing at the end.
///
/// Intervals are those of the base model: the pattern counts as known.
///
/// # Example
/// ```
/// use ecosystem_forecast::{AutoEts, Fitted, Forecaster, Mstl};
/// let load: Vec<f64> = (0..300).map(|h| 50.0 + f64::from(h % 24) + 0.1 * f64::from(h)).collect();
/// let fitted = Mstl::new(&[24], AutoEts::default()).fit(&load)?;
/// let next = fitted.predict(24, &[0.9])?;
/// assert!((next.point[0] - (50.0 + 12.0 + 30.0)).abs() < 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Mstl<B> {
    seasons: Vec<usize>,
    base: B,
    fast: bool,
}

/// A fitted [`Mstl`].
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedMstl<F> {
    patterns: Vec<Vec<f64>>, // last cycle, oldest first
    next: usize,             // steps since the fit
    base: F,
}

impl<B> Mstl<B> {
    /// Seasons in steps, and the model for what they leave. Seasons that do not fit twice into the data are ignored.
    pub fn new(seasons: &[usize], base: B) -> Self {
        Self { seasons: seasons.to_vec(), base, fast: false }
    }

    /// Interpolates between local regressions: several times faster, nearly the same patterns.
    #[must_use]
    pub fn with_fast(mut self) -> Self {
        self.fast = true;
        self
    }
}

impl<B: Forecaster> Forecaster for Mstl<B> {
    type Fitted = FittedMstl<B::Fitted>;

    fn fit(&self, values: &[f64]) -> Result<Self::Fitted, FitError> {
        check_values(values, 4)?;
        fit_adjusted(&decompose(values, &self.seasons, self.fast, false)?, values, &self.base)
    }
}

/// Fits the base model on seasonally adjusted values.
fn fit_adjusted<B: Forecaster>(
    parts: &MstlDecomposition,
    values: &[f64],
    base: &B,
) -> Result<FittedMstl<B::Fitted>, FitError> {
    let mut adjusted = values.to_vec();
    for season in &parts.seasons {
        adjusted.iter_mut().zip(season).for_each(|(a, s)| *a -= s);
    }
    let n = values.len();
    let patterns = parts.seasons.iter().zip(&parts.periods).map(|(s, &m)| s[n - m..].to_vec()).collect();
    Ok(FittedMstl { patterns, next: 0, base: base.fit(&adjusted)? })
}

impl<F> FittedMstl<F> {
    fn season(&self, ahead: usize) -> f64 {
        self.patterns.iter().map(|p| p[(self.next + ahead) % p.len()]).sum()
    }

    /// The fitted base model.
    pub const fn base(&self) -> &F {
        &self.base
    }
}

impl<F: Fitted> Fitted for FittedMstl<F> {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        self.base.predict_into(horizon, levels, out)?;
        for h in 0..horizon {
            let season = self.season(h);
            out.point[h] += season;
            for interval in &mut out.intervals {
                interval.lower[h] += season;
                interval.upper[h] += season;
            }
        }
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        self.base.update(value - self.season(0))?;
        self.next = self.next.wrapping_add(1);
        Ok(())
    }
}
