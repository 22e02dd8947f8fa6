//! The functions that forecast.

use crate::{
    argument::{self, Position},
    error::{FunctionError, SeriesNote},
    list::{Ends, for_each_series},
    request::Request,
};
use datafusion::{
    arrow::{
        array::{ArrayRef, Float64Array, StringBuilder, StructArray},
        datatypes::{DataType, Field, Fields},
    },
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility},
};
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Means,
    Band,
    Problem,
}

/// One of the functions; they differ in what they answer and in what they do with a series that cannot be forecast.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ForecastFunction {
    name: &'static str,
    answer: Answer,
    /// A bad series stops the query.
    strict: bool,
    signature: Signature,
}

const MEANS: [Position; 4] = [Position::Series, Position::Horizon, Position::Seasons, Position::Model];
const BAND: [Position; 5] =
    [Position::Series, Position::Horizon, Position::Level, Position::Seasons, Position::Model];

pub(crate) fn all() -> [ForecastFunction; 5] {
    let function = |name, answer, strict| ForecastFunction {
        name,
        answer,
        strict,
        signature: Signature::user_defined(Volatility::Immutable),
    };
    [
        function("eco_forecast", Answer::Means, true),
        function("eco_try_forecast", Answer::Means, false),
        function("eco_forecast_band", Answer::Band, true),
        function("eco_try_forecast_band", Answer::Band, false),
        function("eco_forecast_problem", Answer::Problem, false),
    ]
}

fn band_fields() -> Fields {
    ["mean", "lower", "upper"]
        .into_iter()
        .map(|name| Field::new(name, argument::list_of_numbers(), true))
        .collect()
}

impl ForecastFunction {
    const fn positions(&self) -> &'static [Position] {
        match self.answer {
            Answer::Band => &BAND,
            Answer::Means | Answer::Problem => &MEANS,
        }
    }

    /// Appends the forecasts of all series to `columns`: mean, and both ends of the band if one is asked for.
    fn columns<const N: usize>(&self, lists: &ArrayRef, request: &Request) -> Result<(Ends, [Vec<f64>; N])> {
        let mut columns = [(); N].map(|()| Vec::with_capacity(lists.len() * request.horizon));
        let mut ends = Ends::with_capacity(self.name, lists.len());
        for_each_series(lists, |values| {
            let Some(values) = values else {
                ends.push_null();
                return Ok(());
            };
            match request.forecast(values) {
                Ok(forecast) => {
                    let band = forecast.intervals.first();
                    let parts = [Some(&forecast.point), band.map(|b| &b.lower), band.map(|b| &b.upper)];
                    for (column, part) in columns.iter_mut().zip(parts.into_iter().flatten()) {
                        column.extend_from_slice(part);
                    }
                    ends.push(columns[0].len())?;
                }
                Err(reason) if self.strict => {
                    return Err(FunctionError::Series {
                        function: self.name,
                        series: SeriesNote::of(values),
                        reason,
                    });
                }
                Err(_) => ends.push_null(),
            }
            Ok(())
        })?;
        Ok((ends, columns))
    }

    fn problems(lists: &ArrayRef, request: &Request) -> Result<ArrayRef> {
        let mut problems = StringBuilder::new();
        for_each_series(lists, |values| {
            let problem = values.and_then(|v| request.forecast(v).err().map(|e| (v, e)));
            problems.append_option(problem.map(|(v, e)| format!("{}: {e}", SeriesNote::of(v))));
            Ok(())
        })?;
        Ok(Arc::new(problems.finish()))
    }
}

impl ScalarUDFImpl for ForecastFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let needed = if self.answer == Answer::Band { 3 } else { 2 };
        argument::coerce(self.name, self.positions(), needed, given)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.answer {
            Answer::Means => argument::list_of_numbers(),
            Answer::Band => DataType::Struct(band_fields()),
            Answer::Problem => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let request = argument::request(self.name, self.positions(), &call.args)?;
        let lists = call.args[0].to_array(call.number_rows)?;
        let answer: ArrayRef = match self.answer {
            Answer::Means => {
                let (ends, [means]) = self.columns(&lists, &request)?;
                let ([means], _) = ends.finish([Float64Array::from(means)]);
                Arc::new(means)
            }
            Answer::Band => {
                let (ends, columns) = self.columns::<3>(&lists, &request)?;
                let (lists, nulls) = ends.finish(columns.map(Float64Array::from));
                let lists = lists.map(|l| Arc::new(l) as ArrayRef);
                Arc::new(StructArray::try_new(band_fields(), lists.to_vec(), nulls)?)
            }
            Answer::Problem => Self::problems(&lists, &request)?,
        };
        Ok(ColumnarValue::Array(answer))
    }
}
