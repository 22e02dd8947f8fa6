//! What can be wrong with arguments and series.

use datafusion::error::DataFusionError;
use ecosystem_forecast::FleetError;
use std::fmt;

/// Why a function has no answer. DataFusion carries it as [`DataFusionError::External`], where callers find it again by
/// `downcast_ref`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// A series that cannot be forecast.
    #[error(
        "{function}: {series}: {reason}. eco_try_forecast gives NULL for such a series; the name of the series beside \
         eco_forecast_problem(…) tells which they are"
    )]
    Series {
        /// Function that was called.
        function: &'static str,
        /// Which series, as far as a function of lists can tell.
        series: SeriesNote,
        /// What the library says.
        reason: FleetError,
    },
    /// A constant argument outside of what is accepted.
    #[error("{function}: `{argument}` is {found}: expected {expected}")]
    Argument {
        /// Function that was called.
        function: &'static str,
        /// Name of the argument.
        argument: &'static str,
        /// What was given.
        found: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// More numbers than one batch of lists can address.
    #[error("{function}: more than {max} values in the lists of one batch: lower datafusion.execution.batch_size or raise \
             datafusion.execution.target_partitions", max = i32::MAX)]
    TooMany {
        /// Function that was called.
        function: &'static str,
    },
}

impl From<FunctionError> for DataFusionError {
    fn from(error: FunctionError) -> Self {
        Self::External(Box::new(error))
    }
}

/// How to recognise a series whose name a function of lists does not see.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SeriesNote {
    /// Number of values, missing ones included.
    pub values: usize,
    /// Missing ones among them.
    pub missing: usize,
    /// First value; NaN when it is missing.
    pub first: f64,
    /// Last value; NaN when it is missing.
    pub last: f64,
}

impl SeriesNote {
    pub(crate) fn of(values: &[f64]) -> Self {
        Self {
            values: values.len(),
            missing: values.iter().filter(|v| v.is_nan()).count(),
            first: values.first().copied().unwrap_or(f64::NAN),
            last: values.last().copied().unwrap_or(f64::NAN),
        }
    }
}

impl fmt::Display for SeriesNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { values, missing, first, last } = self;
        write!(f, "series of {values} values ({missing} missing, first {first}, last {last})")
    }
}
