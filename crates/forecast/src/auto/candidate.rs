//! The candidates as plain values, so that a chosen ensemble can be stored.

use crate::{
    error::{FitError, PredictError, UpdateError},
    ets::{AutoEts, FittedEts},
    forecast::Forecast,
    lagged::{FittedLagRegression, LagRegression},
    model::{Fitted, Forecaster},
    mstl::{FittedMstl, Mstl},
    naive::{FittedSeasonalNaive, SeasonalNaive},
    smoothing::{FittedSeasonalSmoothing, SeasonalSmoothing},
    theta::{FittedTheta, Theta},
    transform::{FittedTransformed, Transform, Transformed},
    typical::{FittedSeasonalMedian, SeasonalMedian},
};

macro_rules! candidates {
    ($($variant:ident($settings:ty, $fitted:ty)),* $(,)?) => {
        /// Settings of one candidate.
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub(crate) enum Candidate { $($variant($settings)),* }

        /// One fitted candidate.
        #[derive(Clone, Debug, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        pub(crate) enum FittedCandidate { $($variant($fitted)),* }

        impl Candidate {
            pub(crate) fn fit(&self, values: &[f64]) -> Result<FittedCandidate, FitError> {
                Ok(match self { $(Self::$variant(m) => FittedCandidate::$variant(m.fit(values)?)),* })
            }
        }

        impl Fitted for FittedCandidate {
            fn predict(&self, horizon: usize, levels: &[f64]) -> Result<Forecast, PredictError> {
                match self { $(Self::$variant(m) => m.predict(horizon, levels)),* }
            }
            fn update(&mut self, value: f64) -> Result<(), UpdateError> {
                match self { $(Self::$variant(m) => m.update(value)),* }
            }
        }
    };
}

candidates! {
    Naive(SeasonalNaive, FittedSeasonalNaive),
    Median(SeasonalMedian, FittedSeasonalMedian),
    Lags(LagRegression, FittedLagRegression),
    LogLags(Transformed<LagRegression>, FittedTransformed<FittedLagRegression>),
    Smoothing(SeasonalSmoothing, FittedSeasonalSmoothing),
    MstlEts(Mstl<AutoEts>, FittedMstl<FittedEts>),
    MstlTheta(Mstl<Theta>, FittedMstl<FittedTheta>),
    Ets(AutoEts, FittedEts),
    Theta(Theta, FittedTheta),
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Naive(_) => "seasonal naive",
            Self::Median(_) => "seasonal median",
            Self::Lags(_) => "lag regression",
            Self::LogLags(_) => "lag regression of logarithms",
            Self::Smoothing(_) => "multi-seasonal smoothing",
            Self::MstlEts(_) => "MSTL + ETS",
            Self::MstlTheta(_) => "MSTL + Theta",
            Self::Ets(_) => "ETS",
            Self::Theta(_) => "Theta",
        })
    }
}

impl Candidate {
    /// True when fitting is so cheap that the back-test fits anew at every origin; others are fitted once and updated.
    pub(crate) const fn refit(&self) -> bool {
        matches!(self, Self::Naive(_) | Self::Median(_) | Self::Lags(_) | Self::LogLags(_))
    }

    /// Candidates for `len` values with these usable seasons (sorted), `horizon` steps ahead.
    pub(crate) fn for_data(len: usize, seasons: &[usize], positive: bool, cheap: bool) -> Vec<Self> {
        let mut all = Vec::new();
        all.push(Self::Naive(SeasonalNaive::new(1)));
        for &m in seasons {
            all.push(Self::Naive(SeasonalNaive::new(m)));
            all.push(Self::Median(SeasonalMedian::new(m, (len / m).min(7))));
            all.push(Self::Median(SeasonalMedian::new(m, (len / m).min(10)).with_neighbours(m / 48)));
        }
        all.push(Self::Lags(LagRegression::new(seasons)));
        all.push(Self::Lags(LagRegression::new(seasons).with_averages()));
        if positive {
            all.push(Self::LogLags(Transformed::new(Transform::Log, LagRegression::new(seasons))));
        }
        if let Some(&first) = seasons.first() {
            all.push(Self::Median(SeasonalMedian::new(1, first)));
            for span in [first / 8, 3 * first, len] {
                all.push(Self::Median(SeasonalMedian::new(1, span.max(1))));
            }
            for (cycles, neighbours) in [(len / first, first / 12), (3, first / 24)] {
                all.push(Self::Median(SeasonalMedian::new(first, cycles).with_neighbours(neighbours)));
            }
            let twice: Vec<usize> = seasons.iter().copied().filter(|m| 2 * m <= len).collect();
            if !twice.is_empty() {
                all.push(Self::Smoothing(SeasonalSmoothing::new(&twice)));
                if !cheap {
                    all.push(Self::MstlTheta(Mstl::new(seasons, Theta::standard()).with_fast()));
                    all.push(Self::MstlEts(Mstl::new(seasons, AutoEts::default()).with_fast()));
                }
            }
        } else {
            all.push(Self::Theta(Theta::standard()));
            all.push(Self::Ets(AutoEts::default()));
        }
        all
    }
}
