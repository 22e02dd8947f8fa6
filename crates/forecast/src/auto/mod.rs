//! Automatic forecasts: back-test cheap and strong candidates, weigh them per series, calibrate intervals on the errors.
//!
//! # Method
//! 1. Candidates that suit the seasons and the length are back-tested at up to ten past origins.
//! 2. Each gets a weight that falls steeply with its mean absolute error; those far behind get none.
//! 3. The forecast is the weighted mean of the remaining candidates, fitted on all data.
//! 4. Intervals come from the combined forecast's own back-test errors (conformal, with allowance for few origins), scaled
//!    over the horizon.
//!
//! # References
//! Bates & Granger (1969), The combination of forecasts; Makridakis, Spiliotis & Assimakopoulos (2020), The M4 competition
//! (combinations won); Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World.

mod candidate;
pub(crate) mod fit;
mod interval;

use crate::{
    error::{PredictError, UpdateError, check_update},
    forecast::{Forecast, check_request},
    model::Fitted,
};
pub(crate) use candidate::{Candidate, FittedCandidate};
pub(crate) use interval::{Bands, Growth};

/// Chooses and combines models per series by back-testing.
///
/// # Example
/// ```
/// use ecosystem_forecast::{Auto, Fitted, Forecaster};
/// let load: Vec<f64> = (0..24 * 14).map(|h| f64::from(h % 24) + f64::from(h * 7 % 5)).collect();
/// let fitted = Auto::new(&[24, 168]).with_horizon(24).fit(&load)?;
/// assert!(!fitted.members().is_empty());
/// assert_eq!(fitted.predict(24, &[0.9])?.point.len(), 24);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Auto {
    /// Seasons in steps.
    pub seasons: Vec<usize>,
    /// Steps the back-test looks ahead; `None` (default) takes the shortest season, or 12 without one.
    pub horizon: Option<usize>,
    /// Most origins of the back-test (default 10).
    pub origins: usize,
    /// Only candidates that cost a fraction of a millisecond per thousand values, and at most four origins (default false).
    pub cheap: bool,
}

/// What [`Auto`] chose: members with weights, and calibrated bands.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedAuto {
    name: String,
    members: Vec<Member>,
    bands: Bands,
    low: f64,
    high: f64,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Member {
    weight: f64,
    candidate: Candidate,
    fitted: FittedCandidate,
}

impl Auto {
    /// Seasons in steps: `&[24, 168]` for hourly data with day and week; empty for none.
    pub fn new(seasons: &[usize]) -> Self {
        Self { seasons: seasons.to_vec(), horizon: None, origins: 10, cheap: false }
    }

    /// Steps ahead that matter.
    #[must_use]
    pub const fn with_horizon(mut self, horizon: usize) -> Self {
        self.horizon = Some(horizon);
        self
    }

    /// Only very cheap candidates: for fleets of many thousand series.
    #[must_use]
    pub const fn with_cheap(mut self) -> Self {
        self.cheap = true;
        self
    }
}

impl FittedAuto {
    /// The strongest member, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All members with their weights (sum 1), strongest first.
    pub fn members(&self) -> Vec<(String, f64)> {
        self.members.iter().map(|m| (m.candidate.to_string(), m.weight)).collect()
    }
}

impl Fitted for FittedAuto {
    fn predict_into(&self, horizon: usize, levels: &[f64], out: &mut Forecast) -> Result<(), PredictError> {
        check_request(horizon, levels)?;
        out.write_points(levels, |out| {
            out.point.clear();
            out.point.resize(horizon, 0.0);
            let mut own = Forecast::default();
            for member in &self.members {
                member.fitted.predict_into(horizon, &[], &mut own)?;
                out.point.iter_mut().zip(&own.point).for_each(|(o, p)| *o += member.weight * p);
            }
            Ok(())
        })?;
        self.bands.widen(out);
        out.clamp(self.low, self.high);
        Ok(())
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        check_update(value)?;
        for member in &mut self.members {
            // A member that cannot take the value (a logarithm met zero) carries on as if it were missing.
            if member.fitted.update(value).is_err() {
                member.fitted.update(f64::NAN)?;
            }
        }
        self.bands.advance();
        Ok(())
    }
}
