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
            fn predict_into(
                &self,
                horizon: usize,
                levels: &[f64],
                out: &mut Forecast,
            ) -> Result<(), PredictError> {
                match self { $(Self::$variant(m) => m.predict_into(horizon, levels, out)),* }
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
    pub(crate) const fn refit(&self, cheap: bool) -> bool {
        match self {
            Self::Naive(_) | Self::Median(_) => true,
            Self::Lags(_) | Self::LogLags(_) => !cheap,
            _ => false,
        }
    }

    /// Candidates for `len` values with these usable seasons (sorted), `horizon` steps ahead.
    pub(crate) fn for_data(len: usize, seasons: &[usize], positive: bool, cheap: bool) -> Vec<Self> {
        let mut all = vec![Self::Naive(SeasonalNaive::new(1))];
        let Some(&first) = seasons.first() else {
            all.push(Self::Lags(LagRegression::new(seasons)));
            all.push(Self::Lags(LagRegression::new(seasons).with_averages()));
            if positive {
                all.push(Self::LogLags(Transformed::new(Transform::Log, LagRegression::new(seasons))));
            }
            all.push(Self::Theta(Theta::standard()));
            all.push(Self::Ets(AutoEts::default()));
            return all;
        };
        let typical = |m: usize, most: usize, neighbours: usize| {
            SeasonalMedian::new(m, (len / m).min(most)).with_neighbours(neighbours)
        };
        for &m in seasons {
            all.push(Self::Naive(SeasonalNaive::new(m)));
            all.push(Self::Median(typical(m, 7, 0)));
        }
        for span in [first, first / 8] {
            all.push(Self::Median(SeasonalMedian::new(1, span.max(1))));
        }
        let shape = typical(first, if cheap { 5 } else { 7 }, first / 24).with_level();
        // What repeats within a 24th of the season: jobs at full hours of a day in short steps.
        let hour = Some(first / 24).filter(|h| *h >= 4 && first.is_multiple_of(*h));
        all.push(Self::Median(hour.map_or(shape, |h| shape.with_fine(h))));
        all.extend(hour.map(|h| Self::Median(SeasonalMedian::new(h, 24))));
        all.push(Self::Lags(LagRegression::new(seasons)));
        if cheap {
            return all;
        }
        all.push(Self::Median(typical(first, 3, first / 24)));
        all.extend(hour.map(|_| Self::Median(shape)));
        all.extend(seasons.iter().map(|&m| Self::Median(typical(m, 10, m / 48))));
        for span in [3 * first, len] {
            all.push(Self::Median(SeasonalMedian::new(1, span)));
        }
        all.push(Self::Median(typical(first, len, first / 12)));
        all.push(Self::Lags(LagRegression::new(seasons).with_averages()));
        if positive {
            all.push(Self::LogLags(Transformed::new(Transform::Log, LagRegression::new(seasons))));
        }
        let twice: Vec<usize> = seasons.iter().copied().filter(|m| 2 * m <= len).collect();
        if !twice.is_empty() {
            all.push(Self::Smoothing(SeasonalSmoothing::new(&twice)));
            all.push(Self::MstlTheta(Mstl::new(seasons, Theta::standard()).with_fast()));
            all.push(Self::MstlEts(Mstl::new(seasons, AutoEts::default()).with_fast()));
        }
        all
    }
}
