//! Forecasts and anomaly scores as SQL functions of Apache DataFusion.
//!
//! A series is a list of equally spaced values, oldest first: `array_agg(v ORDER BY t)` makes one of rows, and so does our own
//! aggregate [`eco_series(t, v)`](aggregate_functions), which keeps 16 bytes a value instead of an object. The functions hand such lists to
//! `ecosystem-forecast` and nothing else, so a query gives the bits that a call of the library gives.
//!
//! | function | answer |
//! |---|---|
//! | `eco_forecast(values, horizon [, seasons [, model]])` | list of `horizon` expected values |
//! | `eco_forecast_band(values, horizon, level [, seasons [, model]])` | struct of three lists: `mean`, `lower`, `upper` |
//! | `eco_try_forecast(…)`, `eco_try_forecast_band(…)` | the same, NULL for a series that cannot be forecast |
//! | `eco_forecast_problem(values, horizon [, seasons [, model]])` | why a series cannot be forecast; NULL when it can |
//! | `eco_anomaly_scores(values [, seasons])` | list, one severity per value |
//! | `eco_anomaly_score(values [, seasons])` | severity of the last value |
//! | `eco_series(t, v)` | aggregate: the list of `v` in the order of `t` |
//!
//! - `horizon` is 1 to 50,000 steps, `level` strictly between 0 and 1. `seasons` is a number of steps or a list of them: `24`,
//!   `[24, 168]`. `model` is the name of a [`Model`], `'auto'` when it is left out. These are constants of the query.
//! - A NULL list gives NULL. A NULL or NaN in a list is a missing sample: gaps stay gaps.
//! - `eco_forecast` stops the query at the first series that is too short or has infinite values, with a [`FunctionError`]
//!   that describes the series; `eco_forecast_problem` beside the name of the series finds all of them.
//! - A severity is the distance from what was expected in robust standard deviations
//!   ([`SeasonalResidual`](ecosystem_forecast::anomaly::SeasonalResidual)); 6 is a good line for an alarm. NULL where nothing can
//!   be said: the value is missing, or the first two seasons are not over.
//! - Rows without a time are not part of a series of `eco_series`; equal times are ordered by value, so that the answer does
//!   not depend on how the file is cut. Times are integers, dates or timestamps and only give the order.
//!
//! # Example
//! ```
//! use datafusion::prelude::{ParquetReadOptions, SessionContext};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ctx = SessionContext::new();
//! ecosystem_datafusion::register(&ctx);
//! # ctx.sql("CREATE TABLE metrics AS SELECT 'vm-1' AS series, i AS t, 10.0 + i % 24 AS v FROM generate_series(1, 240) AS g(i)")
//! #     .await?.collect().await?;
//! # if false {
//! ctx.register_parquet("metrics", "metrics.parquet", ParquetReadOptions::default()).await?;
//! # }
//! // Machines that will need more than 32 in one of the next 24 hours, with 95 %.
//! let answer = ctx
//!     .sql("SELECT series, array_max(band['upper']) AS peak
//!           FROM (SELECT series, eco_forecast_band(eco_series(t, v), 24, 0.9, 24) AS band FROM metrics GROUP BY series)
//!           WHERE array_max(band['upper']) > 32")
//!     .await?
//!     .collect()
//!     .await?;
//! assert_eq!(answer.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
//! # Ok(())
//! # }
//! ```

mod anomaly;
mod argument;
mod error;
mod forecast;
mod list;
mod request;
mod series;

pub use error::{FunctionError, SeriesNote};
pub use request::{Model, Request, anomaly_scores};

use datafusion::{
    logical_expr::{AggregateUDF, ScalarUDF},
    prelude::SessionContext,
};
use std::sync::Arc;

/// Makes all functions known to a session.
pub fn register(ctx: &SessionContext) {
    for function in scalar_functions() {
        ctx.register_udf(function.as_ref().clone());
    }
    for function in aggregate_functions() {
        ctx.register_udaf(function.as_ref().clone());
    }
}

/// The functions of one row, for hosts that keep a registry of their own.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    let mut functions: Vec<ScalarUDF> = forecast::all().into_iter().map(ScalarUDF::from).collect();
    functions.extend(anomaly::all().into_iter().map(ScalarUDF::from));
    functions.into_iter().map(Arc::new).collect()
}

/// The functions of many rows: `eco_series`.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    vec![Arc::new(AggregateUDF::from(series::Collect::new()))]
}
