//! What can go wrong, one enum per operation a caller can react to.

/// Why a model could not be fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// The training data are too short for the model.
    #[error("{found} observed values are too few: the model needs at least {needed}")]
    TooShort {
        /// Fewest observed (not missing) values the model works with.
        needed: usize,
        /// Observed values given.
        found: usize,
    },
    /// A value is infinite or too large to be squared. NaN marks a missing sample and is fine.
    #[error(
        "value {value} at index {index} is out of range: expected a number within ±1e100, or NaN for missing"
    )]
    OutOfRange {
        /// Position in the slice.
        index: usize,
        /// The offending value.
        value: f64,
    },
    /// A model that multiplies needs values above zero.
    #[error(
        "value {value} at index {index} is not positive: multiplicative models and logarithms need values > 0"
    )]
    NotPositive {
        /// Position in the slice.
        index: usize,
        /// The offending value.
        value: f64,
    },
    /// A setting is outside its range, or two settings contradict each other.
    #[error("setting `{name}` is {value}: expected {expected}")]
    Setting {
        /// Name of the setting.
        name: &'static str,
        /// What was given.
        value: f64,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// Two inputs that belong together have different lengths.
    #[error("`{name}` has {found} rows: expected {needed}")]
    Length {
        /// Name of the input.
        name: &'static str,
        /// Expected length.
        needed: usize,
        /// Found length.
        found: usize,
    },
    /// Every candidate of an automatic choice failed.
    #[error("none of the {tried} candidate models could be fitted")]
    NoCandidate {
        /// Number of candidates tried.
        tried: usize,
    },
}

/// Why a forecast could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// The horizon is zero or longer than [`MAX_HORIZON`](crate::MAX_HORIZON).
    #[error("horizon is {horizon}: expected 1 to {max} steps", max = crate::MAX_HORIZON)]
    Horizon {
        /// What was asked for.
        horizon: usize,
    },
    /// A level is not strictly between 0 and 1.
    #[error("level {level} at position {index} is not strictly between 0 and 1")]
    Level {
        /// Position in the list of levels.
        index: usize,
        /// The offending level.
        level: f64,
    },
    /// Future values of external regressors do not cover the horizon.
    #[error("`{name}` has {found} future rows: expected {needed}")]
    Regressors {
        /// Name of the regressor or calendar.
        name: &'static str,
        /// Rows needed (the horizon).
        needed: usize,
        /// Rows given.
        found: usize,
    },
}

/// Why a fitted model refused a new observation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The value is infinite or too large. NaN marks a missing sample and is fine.
    #[error("value {value} is out of range: expected a number within ±1e100, or NaN for missing")]
    OutOfRange {
        /// The offending value.
        value: f64,
    },
    /// A multiplicative model met a value that is not positive.
    #[error("value {value} is not positive: the model multiplies")]
    NotPositive {
        /// The offending value.
        value: f64,
    },
}

/// Largest magnitude accepted, so that squares and sums of squares stay finite.
pub(crate) const MAX_MAGNITUDE: f64 = 1e100;

/// Checks values for fitting and counts the observed ones; NaN is "missing".
pub(crate) fn check_values(values: &[f64], needed: usize) -> Result<usize, FitError> {
    let too_large = |v: &f64| v.abs() > MAX_MAGNITUDE; // false for NaN
    // Without branches, so that it is vectorised: every fit of every candidate comes through here.
    let (bad, found) = values
        .iter()
        .fold((false, 0), |(bad, found), v| (bad | too_large(v), found + usize::from(!v.is_nan())));
    if bad && let Some(index) = values.iter().position(too_large) {
        return Err(FitError::OutOfRange { index, value: values[index] });
    }
    if found < needed { Err(FitError::TooShort { needed, found }) } else { Ok(found) }
}

/// Checks a new observation; NaN is "missing".
pub(crate) fn check_update(value: f64) -> Result<(), UpdateError> {
    if value.abs() > MAX_MAGNITUDE { Err(UpdateError::OutOfRange { value }) } else { Ok(()) }
}
