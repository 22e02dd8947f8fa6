//! Types and values of the constant arguments.

use crate::{
    error::FunctionError,
    request::{Model, Request},
};
use datafusion::{
    arrow::{
        array::{Array, AsArray},
        datatypes::{DataType, Field, Int64Type},
    },
    common::{ScalarValue, plan_err},
    error::Result,
    logical_expr::ColumnarValue,
};
use ecosystem_forecast::MAX_HORIZON;
use std::sync::Arc;

/// Every season costs a candidate and memory.
const MOST_SEASONS: usize = 8;
/// Longest season that the detectors keep.
const LONGEST_SEASON: i64 = 200_000;

/// The type of a series.
pub(crate) fn list_of_numbers() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true)))
}

fn list_of_integers() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)))
}

/// What a position of a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Position {
    Series,
    Horizon,
    Level,
    Seasons,
    Model,
}

/// The types that the arguments of a call become; `needed` of the positions must be there.
pub(crate) fn coerce(
    function: &str,
    positions: &[Position],
    needed: usize,
    given: &[DataType],
) -> Result<Vec<DataType>> {
    if given.len() < needed || given.len() > positions.len() {
        return plan_err!(
            "{function} takes {needed} to {} arguments, not {}: see the documentation of ecosystem-datafusion",
            positions.len(),
            given.len()
        );
    }
    positions.iter().zip(given).map(|(position, given)| position.coerce(function, given)).collect()
}

impl Position {
    fn coerce(self, function: &str, given: &DataType) -> Result<DataType> {
        let number = |t: &DataType| t.is_numeric() || t.is_null();
        match self {
            Self::Series if given.is_null() || element(given).is_some_and(number) => Ok(list_of_numbers()),
            Self::Series => plan_err!(
                "{function}: the first argument is {given}: expected a list of numbers, such as eco_series(t, v) or \
                 array_agg(v ORDER BY t) with GROUP BY series"
            ),
            Self::Horizon | Self::Seasons if given.is_integer() || given.is_null() => Ok(DataType::Int64),
            Self::Horizon => {
                plan_err!("{function}: the horizon is {given}: expected a whole number of steps")
            }
            Self::Level if number(given) => Ok(DataType::Float64),
            Self::Level => plan_err!("{function}: the level is {given}: expected a number between 0 and 1"),
            Self::Seasons if element(given).is_some_and(|t| t.is_integer() || t.is_null()) => {
                Ok(list_of_integers())
            }
            Self::Seasons => plan_err!(
                "{function}: the seasons are {given}: expected a whole number of steps or a list of them, such as [24, 168]"
            ),
            Self::Model if given.is_string() || given.is_null() => Ok(DataType::Utf8),
            Self::Model => plan_err!("{function}: the model is {given}: expected its name, such as 'auto'"),
        }
    }
}

fn element(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => Some(field.data_type()),
        _ => None,
    }
}

/// The constants of a call, in the order of its positions.
pub(crate) fn request(
    function: &'static str,
    positions: &[Position],
    given: &[ColumnarValue],
) -> Result<Request, FunctionError> {
    let mut request = Request::new(1);
    for (position, value) in positions.iter().zip(given) {
        let wrong = |argument, expected| FunctionError::Argument {
            function,
            argument,
            found: match value {
                ColumnarValue::Scalar(scalar) => scalar.to_string(),
                ColumnarValue::Array(_) => "a column".to_owned(),
            },
            expected,
        };
        match position {
            Position::Series => {}
            Position::Horizon => {
                request.horizon = whole(value)
                    .filter(|h| (1..=MAX_HORIZON).contains(h))
                    .ok_or_else(|| wrong("horizon", "a constant of 1 to 50000 steps"))?;
            }
            Position::Level => {
                let level = number(value).filter(|l| *l > 0.0 && *l < 1.0);
                request.level = Some(
                    level
                        .ok_or_else(|| wrong("level", "a constant strictly between 0 and 1, such as 0.9"))?,
                );
            }
            Position::Seasons => {
                request.seasons = seasons(value).ok_or_else(|| {
                    wrong("seasons", "a constant of 2 to 200000 steps, or a list of at most 8 of them")
                })?;
            }
            Position::Model => {
                request.model = model(value).ok_or_else(|| {
                    wrong("model", "'auto', 'thorough', 'ets', 'theta' or 'seasonal_naive', a constant")
                })?;
            }
        }
    }
    Ok(request)
}

fn whole(value: &ColumnarValue) -> Option<usize> {
    match value {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(v))) => usize::try_from(*v).ok(),
        _ => None,
    }
}

fn number(value: &ColumnarValue) -> Option<f64> {
    match value {
        ColumnarValue::Scalar(ScalarValue::Float64(v)) => *v,
        _ => None,
    }
}

/// None when a season is out of range, NULL or no constant.
fn seasons(value: &ColumnarValue) -> Option<Vec<usize>> {
    let season = |v: i64| (2..=LONGEST_SEASON).contains(&v).then(|| usize::try_from(v).ok()).flatten();
    match value {
        ColumnarValue::Scalar(ScalarValue::Int64(Some(v))) => Some(vec![season(*v)?]),
        ColumnarValue::Scalar(ScalarValue::List(list)) if list.len() == 1 && list.is_valid(0) => {
            let steps = list.value(0);
            let steps = steps.as_primitive_opt::<Int64Type>()?;
            if steps.len() > MOST_SEASONS {
                return None;
            }
            steps.iter().map(|v| season(v?)).collect()
        }
        _ => None,
    }
}

fn model(value: &ColumnarValue) -> Option<Model> {
    match value {
        ColumnarValue::Scalar(ScalarValue::Utf8(Some(name))) => {
            Model::NAMES.iter().find(|(known, _)| known == name).map(|(_, model)| *model)
        }
        _ => None,
    }
}
