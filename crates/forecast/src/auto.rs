//! Automatic forecasts.

use crate::{
    backtest::Backtest,
    error::{FitError, PredictError, UpdateError, check_values},
    ets::{AutoEts, Ets, EtsSpec, FittedEts},
    forecast::Forecast,
    model::{Fitted, Forecaster},
    naive::{FittedSeasonalNaive, SeasonalNaive},
};

/// Chooses a model per series by back-testing.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Auto {
    seasons: Vec<usize>,
}

/// What [`Auto`] chose.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FittedAuto {
    name: String,
    inner: Inner,
}

#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
enum Inner {
    Naive(FittedSeasonalNaive),
    Ets(FittedEts),
}

impl Auto {
    /// Seasons in steps, shortest first: `&[24, 168]` for hourly data with day and week; empty for none.
    pub fn new(seasons: &[usize]) -> Self {
        Self { seasons: seasons.to_vec() }
    }
}

impl FittedAuto {
    /// What was chosen, for people.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Forecaster for Auto {
    type Fitted = FittedAuto;

    fn fit(&self, values: &[f64]) -> Result<FittedAuto, FitError> {
        check_values(values, 4)?;
        let usable: Vec<usize> =
            self.seasons.iter().copied().filter(|m| *m >= 2 && 3 * m < values.len()).collect();
        let Some((&first, &last)) = usable.first().zip(usable.last()) else {
            let fitted = AutoEts::default().fit(values)?;
            return Ok(FittedAuto { name: fitted.spec().to_string(), inner: Inner::Ets(fitted) });
        };
        let test = Backtest::new(first.min(values.len() / 4)).with_origins(2).with_season(first);
        let score = |r: Result<crate::BacktestReport, _>| r.map_or(f64::INFINITY, |r| r.mase);
        let ets = Ets::new(EtsSpec::new(
            crate::EtsError::Additive,
            crate::EtsTrend::None,
            crate::EtsSeason::Additive,
            first,
        ));
        let naive = SeasonalNaive::new(last);
        if score(test.run(&ets, values)) <= score(test.run(&naive, values)) {
            let fitted = ets.fit(values)?;
            return Ok(FittedAuto { name: fitted.spec().to_string(), inner: Inner::Ets(fitted) });
        }
        Ok(FittedAuto { name: format!("seasonal naive ({last})"), inner: Inner::Naive(naive.fit(values)?) })
    }
}

impl Fitted for FittedAuto {
    fn predict(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, PredictError> {
        match &self.inner {
            Inner::Naive(f) => f.predict(horizon, levels),
            Inner::Ets(f) => f.predict(horizon, levels),
        }
    }

    fn update(&mut self, value: f64) -> Result<(), UpdateError> {
        match &mut self.inner {
            Inner::Naive(f) => f.update(value),
            Inner::Ets(f) => f.update(value),
        }
    }
}
