//! The functions that judge values.

use crate::{
    argument::{self, Position},
    error::FunctionError,
    list::{Ends, for_each_series},
    request::anomaly_scores,
};
use datafusion::{
    arrow::{
        array::{ArrayBuilder, ArrayRef, Float64Builder},
        datatypes::DataType,
    },
    error::Result,
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility},
};
use ecosystem_forecast::anomaly::{Judgement, Score};
use std::sync::Arc;

/// Severity of every value, or of the last one.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AnomalyFunction {
    name: &'static str,
    last_only: bool,
    signature: Signature,
}

const POSITIONS: [Position; 2] = [Position::Series, Position::Seasons];

pub(crate) fn all() -> [AnomalyFunction; 2] {
    [("eco_anomaly_scores", false), ("eco_anomaly_score", true)].map(|(name, last_only)| AnomalyFunction {
        name,
        last_only,
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

/// None when nothing can be said.
fn severity(score: &Score) -> Option<f64> {
    matches!(score.judgement, Judgement::Normal | Judgement::Anomalous).then_some(score.severity)
}

impl AnomalyFunction {
    fn scores(&self, values: &[f64], seasons: &[usize]) -> Result<Vec<Score>, FunctionError> {
        // Seasons have been checked with the arguments; a detector that wants less says so itself.
        anomaly_scores(values, seasons).map_err(|reason| FunctionError::Argument {
            function: self.name,
            argument: "seasons",
            found: format!("{seasons:?} ({reason})"),
            expected: "2 to 200000 steps",
        })
    }
}

impl ScalarUDFImpl for AnomalyFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        argument::coerce(self.name, &POSITIONS, 1, given)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(if self.last_only { DataType::Float64 } else { argument::list_of_numbers() })
    }

    fn invoke_with_args(&self, call: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let seasons = argument::request(self.name, &POSITIONS, &call.args)?.seasons;
        let lists = call.args[0].to_array(call.number_rows)?;
        let mut severities = Float64Builder::new();
        let mut ends = Ends::with_capacity(self.name, lists.len());
        for_each_series(&lists, |values| {
            let scores = values.map(|v| self.scores(v, &seasons)).transpose()?;
            if self.last_only {
                severities.append_option(scores.and_then(|s| severity(s.last()?)));
                return Ok(());
            }
            let Some(scores) = scores else {
                ends.push_null();
                return Ok(());
            };
            for score in &scores {
                severities.append_option(severity(score));
            }
            ends.push(severities.len())
        })?;
        let severities = severities.finish();
        let answer: ArrayRef = if self.last_only {
            Arc::new(severities)
        } else {
            let ([lists], _) = ends.finish([severities]);
            Arc::new(lists)
        };
        Ok(ColumnarValue::Array(answer))
    }
}
