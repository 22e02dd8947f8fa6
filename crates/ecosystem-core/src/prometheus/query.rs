//! Answers of the query API: `{"status": "success", "data": {"resultType": …, "result": …}}`.

use super::PrometheusError;
use super::text::{number, write_number};
use crate::metrics::Sample;
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One series of an answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QuerySeries {
    /// Its labels; the metric's name is `__name__`.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Its samples: one of an instant vector, any number of a matrix.
    pub samples: Vec<Sample>,
}

impl QuerySeries {
    /// A series with labels.
    pub const fn new(labels: BTreeMap<Arc<str>, Arc<str>>, samples: Vec<Sample>) -> Self {
        Self { labels, samples }
    }
}

/// An answer of `/api/v1/query` or `/api/v1/query_range`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum QueryResult {
    /// One sample of each series.
    Vector(Vec<QuerySeries>),
    /// Samples of each series over time.
    Matrix(Vec<QuerySeries>),
    /// One number.
    Scalar(Sample),
    /// One text.
    Text(Timestamp, String),
}

fn fault<T>(message: impl Into<String>) -> Result<T, PrometheusError> {
    Err(PrometheusError::Query { message: message.into() })
}

/// Reads an answer. Times are seconds with a fraction, kept to the millisecond; values are texts.
pub fn parse_query(text: &str) -> Result<QueryResult, PrometheusError> {
    let root: Value = match serde_json::from_str(text) {
        Ok(root) => root,
        Err(error) => return fault(error.to_string()),
    };
    let word = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    match word(&root, "status").as_str() {
        "success" => {}
        "error" => {
            return Err(PrometheusError::Server {
                kind: word(&root, "errorType"),
                message: word(&root, "error"),
            });
        }
        other => return fault(format!("`status` is `{other}`, expected `success` or `error`")),
    }
    let data = &root["data"];
    let result = &data["result"];
    match word(data, "resultType").as_str() {
        "vector" => Ok(QueryResult::Vector(all(result, |one| Ok(vec![sample(&one["value"])?]))?)),
        "matrix" => Ok(QueryResult::Matrix(all(result, |one| {
            let Some(values) = one["values"].as_array() else {
                return fault("`values` is missing in a series");
            };
            values.iter().map(sample).collect()
        })?)),
        "scalar" => Ok(QueryResult::Scalar(sample(result)?)),
        "string" => match (time(&result[0]), result[1].as_str()) {
            (Some(at), Some(text)) => Ok(QueryResult::Text(at, text.to_owned())),
            _ => fault("`result` is not a pair of time and text"),
        },
        other => fault(format!("`resultType` is `{other}`, expected vector, matrix, scalar or string")),
    }
}

fn all(
    result: &Value,
    samples: impl Fn(&Value) -> Result<Vec<Sample>, PrometheusError>,
) -> Result<Vec<QuerySeries>, PrometheusError> {
    let Some(list) = result.as_array() else { return fault("`result` is not a list") };
    list.iter()
        .map(|one| {
            let labels = one["metric"]
                .as_object()
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| Some((Arc::from(name.as_str()), Arc::from(value.as_str()?))));
            Ok(QuerySeries { labels: labels.collect(), samples: samples(one)? })
        })
        .collect()
}

fn time(value: &Value) -> Option<Timestamp> {
    let ms = (value.as_f64()? * 1e3).round();
    // 2^53: beyond it a float does not hold every millisecond.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
    (0.0..9_007_199_254_740_992.0).contains(&ms).then(|| Timestamp::from_unix_ms(ms as u64))
}

fn sample(value: &Value) -> Result<Sample, PrometheusError> {
    match (time(&value[0]), value[1].as_str().and_then(number)) {
        (Some(at), Some(value)) => Ok(Sample { at, value }),
        _ => fault(format!("`{value}` is not a pair of time and value such as `[1700000000, \"1\"]`")),
    }
}

/// Writes an answer that [`parse_query`] reads back.
pub fn encode_query(result: &QueryResult) -> String {
    let seconds = |at: Timestamp| json!(at.as_unix_ms() as f64 / 1e3);
    let pair = |s: &Sample| json!([seconds(s.at), write_number(s.value)]);
    let labels = |series: &QuerySeries| -> Value {
        series.labels.iter().map(|(name, value)| (name.to_string(), Value::from(&**value))).collect()
    };
    let (kind, result) = match result {
        QueryResult::Vector(all) => {
            let one = |s: &QuerySeries| json!({"metric": labels(s), "value": s.samples.first().map(pair)});
            ("vector", all.iter().map(one).collect())
        }
        QueryResult::Matrix(all) => {
            let one = |s: &QuerySeries| json!({"metric": labels(s), "values": s.samples.iter().map(pair).collect::<Vec<_>>()});
            ("matrix", all.iter().map(one).collect())
        }
        QueryResult::Scalar(sample) => ("scalar", pair(sample)),
        QueryResult::Text(at, text) => ("string", json!([seconds(*at), text])),
    };
    json!({"status": "success", "data": {"resultType": kind, "result": result}}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_back_as_they_were_written() {
        let at = Timestamp::from_unix_ms(1_700_000_000_250);
        let labels =
            BTreeMap::from([(Arc::from("__name__"), Arc::from("up")), (Arc::from("job"), Arc::from("a\"b"))]);
        let series = QuerySeries::new(labels, vec![Sample { at, value: 0.1 }]);
        for result in [
            QueryResult::Vector(vec![series.clone()]),
            QueryResult::Matrix(vec![series]),
            QueryResult::Scalar(Sample { at, value: f64::INFINITY }),
            QueryResult::Text(at, "x".to_owned()),
        ] {
            assert_eq!(parse_query(&encode_query(&result)), Ok(result));
        }
    }

    #[test]
    fn refusals_and_wrong_forms_are_typed() {
        let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        assert!(
            matches!(parse_query(refused), Err(PrometheusError::Server { kind, .. }) if kind == "bad_data")
        );
        for text in [
            "",
            "[]",
            r#"{"status":"success"}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,2]}}"#,
        ] {
            assert!(matches!(parse_query(text), Err(PrometheusError::Query { .. })), "{text}");
        }
    }
}
