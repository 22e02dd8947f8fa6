//! Fitted forecasters as bytes: docs/forecast-models.md has the format.

use crate::{
    FittedDrift, FittedEts, FittedMean, FittedSeasonalNaive, FittedSeasonalSmoothing, FittedTheta, Forecast,
    codec::{Reader, Writer},
    error::{PredictError, UpdateError},
    model::Fitted,
    tree::ModelError,
};

/// How all stored forecasters begin.
pub(super) const MAGIC: &[u8] = b"vmforecast";

macro_rules! stored {
    ($($(#[$doc:meta])* $kind:literal $name:ident($inner:ident)),+ $(,)?) => {
        /// A fitted forecaster of one of the kinds that have bytes. It predicts and learns like the one inside, with the same bits.
        ///
        /// # Example
        /// ```
        /// use ecosystem_forecast::{Fitted, Forecaster, Theta, serve::StoredForecaster};
        /// let values: Vec<f64> = (0..60).map(|i| f64::from(i) + f64::from(i * 7 % 3)).collect();
        /// let fitted = Theta::standard().fit(&values)?;
        /// let read = StoredForecaster::from_bytes(&StoredForecaster::from(fitted.clone()).to_bytes())?;
        /// assert_eq!(read.predict(5, &[0.9])?, fitted.predict(5, &[0.9])?);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum StoredForecaster {
            $($(#[$doc])* $name($inner)),+
        }

        $(impl From<$inner> for StoredForecaster {
            fn from(fitted: $inner) -> Self {
                Self::$name(fitted)
            }
        })+

        impl StoredForecaster {
            /// The forecaster as bytes. Equal forecasters give equal bytes. One whose states have left the finite numbers (it
            /// learned values near the limits) gives bytes that [`from_bytes`](Self::from_bytes) refuses.
            pub fn to_bytes(&self) -> Vec<u8> {
                match self {
                    $(Self::$name(fitted) => {
                        let mut w = Writer::new(MAGIC, $kind);
                        fitted.write(&mut w);
                        w.finish()
                    })+
                }
            }

            /// A forecaster from bytes of any origin: everything is checked, memory stays within a small multiple of the input.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
                let (mut r, kind) = Reader::new(MAGIC, bytes)?;
                let read = match kind {
                    $($kind => Self::$name($inner::read(&mut r)?),)+
                    _ => return Err(ModelError::Field { name: "kind" }),
                };
                r.finish()?;
                Ok(read)
            }
        }

        impl Fitted for StoredForecaster {
            fn predict_into(
                &self,
                horizon: usize,
                levels: &[f64],
                out: &mut Forecast,
            ) -> Result<(), PredictError> {
                match self {
                    $(Self::$name(fitted) => fitted.predict_into(horizon, levels, out),)+
                }
            }

            fn update(&mut self, value: f64) -> Result<(), UpdateError> {
                match self {
                    $(Self::$name(fitted) => fitted.update(value),)+
                }
            }
        }
    };
}

stored! {
    /// [`Naive`](crate::Naive) and [`SeasonalNaive`](crate::SeasonalNaive).
    0 SeasonalNaive(FittedSeasonalNaive),
    /// [`Drift`](crate::Drift).
    1 Drift(FittedDrift),
    /// [`Mean`](crate::Mean).
    2 Mean(FittedMean),
    /// [`Theta`](crate::Theta).
    3 Theta(FittedTheta),
    /// [`SeasonalSmoothing`](crate::SeasonalSmoothing).
    4 SeasonalSmoothing(FittedSeasonalSmoothing),
    /// [`Ets`](crate::Ets) and [`AutoEts`](crate::AutoEts).
    5 Ets(FittedEts),
}
