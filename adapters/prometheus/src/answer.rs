//! Answers of the query API, read straight into numbers.

use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer<'a> {
    status: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
    /// What the server wants to be known, e.g. that a part of the storage did not answer.
    #[serde(default)]
    warnings: Vec<String>,
    /// A cluster of VictoriaMetrics could not ask all of its parts.
    #[serde(default, rename = "isPartial")]
    partial: bool,
}

#[derive(Debug, Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    result: Vec<Found<'a>>,
}

/// One series of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Found<'a> {
    #[serde(borrow, default)]
    pub(crate) metric: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// A matrix has many, …
    #[serde(borrow, default)]
    pub(crate) values: Vec<(f64, Cow<'a, str>)>,
    /// … a vector one.
    #[serde(borrow, default)]
    pub(crate) value: Option<(f64, Cow<'a, str>)>,
}

/// Reads an answer that is whole; `Ok(Err(why))` = well-formed, but a part is missing.
pub(crate) fn read<T>(
    text: &str,
    take: impl FnOnce(Vec<Found<'_>>) -> T,
) -> Result<Result<T, String>, String> {
    let answer: Answer<'_> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if answer.status != "success" {
        return Err(format!("status is `{}`", answer.status));
    }
    if answer.partial || !answer.warnings.is_empty() {
        let words =
            if answer.warnings.is_empty() { "a part of the data".into() } else { answer.warnings.join("; ") };
        return Ok(Err(format!("the server could not read everything: {words}")));
    }
    let data = answer.data.ok_or("there is no data")?;
    Ok(Ok(take(data.result)))
}

/// Why a query was refused.
pub(crate) fn reason(text: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(value.get("error")?.as_str()?.to_owned())
}
