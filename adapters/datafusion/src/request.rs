//! What a query asks of the library: the same calls that a user of the library makes.

use ecosystem_forecast::{
    Auto, AutoEts, FitError, Fitted, FleetError, Forecast, Forecaster, MAX_HORIZON, Mstl, SeasonalNaive,
    Theta,
    anomaly::{Detector, Score, SeasonalResidual},
};

/// Which forecaster a query uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Model {
    /// `'auto'`: [`Auto`] with its cheap candidates; some tenths of a millisecond for a thousand values.
    #[default]
    Auto,
    /// `'thorough'`: [`Auto`] with all candidates and ten origins; takes much longer.
    Thorough,
    /// `'ets'`: [`AutoEts`] with the first season.
    Ets,
    /// `'theta'`: [`Theta::standard`], within [`Mstl`] when there are seasons.
    Theta,
    /// `'seasonal_naive'`: the same step of the last (first given) season, or the last value.
    SeasonalNaive,
}

impl Model {
    /// Every model with the name it has in SQL.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("auto", Self::Auto),
        ("thorough", Self::Thorough),
        ("ets", Self::Ets),
        ("theta", Self::Theta),
        ("seasonal_naive", Self::SeasonalNaive),
    ];
}

/// A forecast as a query asks for it.
///
/// # Example
/// ```
/// use ecosystem_datafusion::Request;
/// let load: Vec<f64> = (0..240).map(|h| 10.0 + f64::from(h % 24)).collect();
/// let forecast = Request::new(24).with_seasons(&[24]).with_level(0.9).forecast(&load)?;
/// assert_eq!((forecast.point.len(), forecast.intervals.len()), (24, 1));
/// # Ok::<(), ecosystem_forecast::FleetError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// Steps ahead, 1 to 50,000.
    pub horizon: usize,
    /// Probability of the band, if one is wanted.
    pub level: Option<f64>,
    /// Seasons in steps.
    pub seasons: Vec<usize>,
    /// The forecaster.
    pub model: Model,
}

impl Request {
    /// `horizon` steps by [`Model::Auto`], without season and band.
    pub const fn new(horizon: usize) -> Self {
        Self { horizon, level: None, seasons: Vec::new(), model: Model::Auto }
    }

    /// The same with a band in which a value lies with probability `level`.
    #[must_use]
    pub const fn with_level(mut self, level: f64) -> Self {
        self.level = Some(level);
        self
    }

    /// The same with seasons.
    #[must_use]
    pub fn with_seasons(mut self, seasons: &[usize]) -> Self {
        self.seasons = seasons.to_vec();
        self
    }

    /// The same by another forecaster.
    #[must_use]
    pub const fn with_model(mut self, model: Model) -> Self {
        self.model = model;
        self
    }

    /// Fits the model to the values (NaN is missing) and predicts.
    pub fn forecast(&self, values: &[f64]) -> Result<Forecast, FleetError> {
        let season = self.seasons.first().copied();
        // The back-test looks no further than any model predicts.
        let auto = Auto::new(&self.seasons).with_horizon(self.horizon.min(MAX_HORIZON));
        match self.model {
            Model::Auto => self.by(&auto.with_cheap(), values),
            Model::Thorough => self.by(&auto, values),
            Model::Ets => self.by(&AutoEts::default().with_period(season.unwrap_or(0)), values),
            Model::Theta if season.is_none() => self.by(&Theta::standard(), values),
            Model::Theta => self.by(&Mstl::new(&self.seasons, Theta::standard()), values),
            Model::SeasonalNaive => self.by(&SeasonalNaive::new(season.unwrap_or(1)), values),
        }
    }

    fn by(&self, model: &impl Forecaster, values: &[f64]) -> Result<Forecast, FleetError> {
        Ok(model.fit(values)?.predict(self.horizon, self.level.as_slice())?)
    }
}

/// Threshold of the detector; severities do not depend on it.
const THRESHOLD: f64 = 6.0;

/// The scores behind `eco_anomaly_scores`: [`SeasonalResidual`] over the values, NaN for missing.
pub fn anomaly_scores(values: &[f64], seasons: &[usize]) -> Result<Vec<Score>, FitError> {
    Ok(SeasonalResidual::new(seasons, THRESHOLD)?.score(values))
}
