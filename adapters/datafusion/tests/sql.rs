//! What a query answers is what the library answers, bit for bit; what cannot be answered says why.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_wrap, reason = "tests of few rows")]

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray},
        datatypes::Float64Type,
    },
    datasource::MemTable,
    error::DataFusionError,
    prelude::{ParquetReadOptions, SessionConfig, SessionContext},
};
use ecosystem_datafusion::{FunctionError, Model, Request, anomaly_scores};
use ecosystem_forecast::{
    Auto, AutoEts, FitError, Fitted, FleetError, Forecast, Forecaster, Mstl, SeasonalNaive, Theta,
    anomaly::Judgement,
};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use std::{collections::BTreeMap, sync::Arc};

type Row = (String, i64, Option<f64>);

const SERIES: usize = 40;
const POINTS: usize = 120;

/// Load with a day of 24 steps; no two series alike.
fn load(series: usize) -> Vec<f64> {
    let noise = |i: usize| ((i * 7919 + series * 104_729) % 1013) as f64 / 101.3;
    let day = |i: usize| 20.0 * ((i % 24) as f64 / 24.0 * std::f64::consts::TAU).sin();
    (0..POINTS).map(|i| 50.0 + series as f64 + day(i) + noise(i)).collect()
}

fn fleet() -> BTreeMap<String, Vec<f64>> {
    (0..SERIES).map(|s| (format!("vm-{s:03}"), load(s))).collect()
}

/// All series of one moment after another, as a scraper writes them.
fn rows_by_time(fleet: &BTreeMap<String, Vec<f64>>) -> Vec<Row> {
    let row = |t: usize| fleet.iter().map(move |(name, values)| (name.clone(), t as i64, Some(values[t])));
    (0..POINTS).flat_map(row).collect()
}

fn batch(rows: &[Row]) -> RecordBatch {
    let names: StringArray = rows.iter().map(|r| Some(r.0.as_str())).collect();
    let times: Int64Array = rows.iter().map(|r| Some(r.1)).collect();
    let values: Float64Array = rows.iter().map(|r| r.2).collect();
    let column = |name, array: ArrayRef| (name, array, true);
    RecordBatch::try_from_iter_with_nullable([
        column("series", Arc::new(names)),
        column("t", Arc::new(times)),
        column("v", Arc::new(values)),
    ])
    .unwrap()
}

fn session(partitions: usize) -> SessionContext {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(partitions));
    ecosystem_datafusion::register(&ctx);
    ctx
}

/// Table `m` of these rows, in as many pieces as there are partitions.
fn table(partitions: usize, rows: &[Row]) -> SessionContext {
    let ctx = session(partitions);
    let pieces: Vec<Vec<RecordBatch>> =
        rows.chunks(rows.len().div_ceil(partitions).max(1)).map(|piece| vec![batch(piece)]).collect();
    ctx.register_table("m", Arc::new(MemTable::try_new(batch(rows).schema(), pieces).unwrap())).unwrap();
    ctx
}

async fn query(ctx: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, DataFusionError> {
    ctx.sql(sql).await?.collect().await
}

/// Name and list of numbers of every row; `None` for NULL.
async fn lists(ctx: &SessionContext, sql: &str) -> BTreeMap<String, Option<Vec<f64>>> {
    let mut found = BTreeMap::new();
    for batch in query(ctx, sql).await.unwrap() {
        let names =
            datafusion::arrow::compute::cast(batch.column(0), &datafusion::arrow::datatypes::DataType::Utf8)
                .unwrap();
        let lists = batch.column(1).as_list::<i32>();
        for row in 0..batch.num_rows() {
            let list =
                lists.is_valid(row).then(|| lists.value(row).as_primitive::<Float64Type>().values().to_vec());
            found.insert(names.as_string::<i32>().value(row).to_owned(), list);
        }
    }
    found
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

fn direct(model: &impl Forecaster, values: &[f64], horizon: usize, levels: &[f64]) -> Forecast {
    model.fit(values).unwrap().predict(horizon, levels).unwrap()
}

async fn refused(ctx: &SessionContext, sql: &str) -> String {
    query(ctx, sql).await.expect_err(sql).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forecasts_by_sql_are_those_of_the_library_bit_for_bit_however_the_rows_lie() {
    let fleet = fleet();
    let mut rows = rows_by_time(&fleet);
    let model = Auto::new(&[24]).with_cheap().with_horizon(12);
    let wanted: BTreeMap<_, _> =
        fleet.iter().map(|(name, v)| (name.clone(), bits(&direct(&model, v, 12, &[]).point))).collect();
    for partitions in [1, 3] {
        let ctx = table(partitions, &rows);
        for list in ["eco_series(t, v)", "array_agg(v ORDER BY t)"] {
            let sql = format!("SELECT series, eco_forecast({list}, 12, 24) FROM m GROUP BY series");
            let found = lists(&ctx, &sql).await;
            let found: BTreeMap<_, _> =
                found.into_iter().map(|(name, v)| (name, bits(&v.unwrap()))).collect();
            assert_eq!(found, wanted, "{list} on {partitions} partitions");
        }
        rows.reverse();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parquet_file_of_many_row_groups_gives_the_same() {
    let fleet = fleet();
    let file = tempfile::Builder::new().suffix(".parquet").tempfile().unwrap();
    let all = batch(&rows_by_time(&fleet));
    let small = WriterProperties::builder().set_max_row_group_row_count(Some(700)).build();
    let mut writer = ArrowWriter::try_new(file.reopen().unwrap(), all.schema(), Some(small)).unwrap();
    writer.write(&all).unwrap();
    writer.close().unwrap();
    let ctx = session(4);
    ctx.register_parquet("m", file.path().to_str().unwrap(), ParquetReadOptions::default()).await.unwrap();
    let sql =
        "SELECT series, eco_forecast(eco_series(t, v), 24, [24], 'seasonal_naive') FROM m GROUP BY series";
    let found = lists(&ctx, sql).await;
    assert_eq!(found.len(), SERIES);
    for (name, values) in &fleet {
        assert_eq!(found[name].as_ref().unwrap()[..], values[POINTS - 24..], "{name}");
    }
}

#[tokio::test]
async fn every_model_by_name_is_that_of_the_library() {
    let values = load(7);
    let ctx = table(1, &rows_by_time(&BTreeMap::from([("a".to_owned(), values.clone())])));
    let auto = || Auto::new(&[24]).with_horizon(6);
    for (name, model) in Model::NAMES {
        let wanted = match model {
            Model::Auto => direct(&auto().with_cheap(), &values, 6, &[0.8]),
            Model::Thorough => direct(&auto(), &values, 6, &[0.8]),
            Model::Ets => direct(&AutoEts::default().with_period(24), &values, 6, &[0.8]),
            Model::Theta => direct(&Mstl::new(&[24], Theta::standard()), &values, 6, &[0.8]),
            Model::SeasonalNaive => direct(&SeasonalNaive::new(24), &values, 6, &[0.8]),
            other => panic!("{other:?} has no test"),
        };
        let request = Request::new(6).with_level(0.8).with_seasons(&[24]).with_model(model);
        assert_eq!(request.forecast(&values).unwrap(), wanted, "{name}");
        for (part, wanted) in [
            ("mean", &wanted.point),
            ("lower", &wanted.intervals[0].lower),
            ("upper", &wanted.intervals[0].upper),
        ] {
            let sql = format!(
                "SELECT 'a', band['{part}'] FROM (SELECT eco_forecast_band(eco_series(t, v), 6, 0.8, 24, '{name}') AS band FROM m)"
            );
            assert_eq!(bits(lists(&ctx, &sql).await["a"].as_ref().unwrap()), bits(wanted), "{name}, {part}");
        }
    }
}

#[tokio::test]
async fn severities_are_those_of_the_detector_and_null_where_nothing_can_be_said() {
    let mut values = load(3);
    values[100] = 400.0;
    values[110] = f64::NAN;
    let name = |s: &str| s.to_owned();
    let ctx = table(2, &rows_by_time(&BTreeMap::from([(name("a"), values.clone()), (name("b"), load(4))])));
    let sql = "SELECT series, eco_anomaly_scores(eco_series(t, v), 24) AS scores, eco_anomaly_score(eco_series(t, v), 24) AS last \
               FROM m GROUP BY series ORDER BY series";
    let found = query(&ctx, sql).await.unwrap();
    let scores = found[0].column(1).as_list::<i32>().value(0);
    let scores = scores.as_primitive::<Float64Type>();
    let wanted = anomaly_scores(&values, &[24]).unwrap();
    assert_eq!(scores.len(), POINTS);
    for (i, score) in wanted.iter().enumerate() {
        let silent = matches!(score.judgement, Judgement::Learning | Judgement::Missing);
        assert!(silent == (i < 49 || i == 110), "value {i}");
        assert_eq!(scores.is_null(i), silent, "value {i}");
        assert!(silent || scores.value(i).to_bits() == score.severity.to_bits(), "value {i}");
    }
    assert!(scores.value(100) > 6.0, "{}", scores.value(100));
    let last = found[0].column(2).as_primitive::<Float64Type>();
    assert_eq!(last.value(0).to_bits(), wanted[POINTS - 1].severity.to_bits());
    assert_eq!(
        last.value(1).to_bits(),
        anomaly_scores(&load(4), &[24]).unwrap()[POINTS - 1].severity.to_bits()
    );
}

/// Three good series among four bad ones.
fn mixed() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |name: &str, values: &[Option<f64>]| {
        rows.extend(values.iter().enumerate().map(|(t, v)| (name.to_owned(), t as i64, *v)));
    };
    let some = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
    add("good", &some(&load(1)));
    add("gaps", &load(2).iter().enumerate().map(|(i, v)| (i % 10 != 3).then_some(*v)).collect::<Vec<_>>());
    add(
        "nan",
        &load(3)
            .iter()
            .enumerate()
            .map(|(i, v)| Some(if i == 5 { f64::NAN } else { *v }))
            .collect::<Vec<_>>(),
    );
    add("short", &some(&[1.0, 2.0]));
    add("missing", &[None; 50]);
    add("infinite", &some(&[1.0, 2.0, 3.0, f64::INFINITY, 5.0]));
    add("huge", &some(&[1.0, 2.0, 3.0, 1e200, 5.0]));
    rows
}

#[tokio::test]
async fn bad_series_are_null_for_try_and_named_with_the_reason_by_the_problem_function() {
    let ctx = table(2, &mixed());
    for list in ["eco_series(t, v)", "array_agg(v ORDER BY t)"] {
        let sql = format!("SELECT series, eco_try_forecast({list}, 3) FROM m GROUP BY series");
        let found = lists(&ctx, &sql).await;
        let nulls: Vec<&str> = found.iter().filter(|(_, v)| v.is_none()).map(|(n, _)| n.as_str()).collect();
        assert_eq!(nulls, ["huge", "infinite", "missing", "short"], "{list}");
        let filled: Vec<f64> =
            load(2).iter().enumerate().map(|(i, v)| if i % 10 == 3 { f64::NAN } else { *v }).collect();
        let wanted = Request::new(3).forecast(&filled).unwrap().point;
        assert_eq!(bits(found["gaps"].as_ref().unwrap()), bits(&wanted), "a gap is a missing sample, {list}");
    }
    let sql = "SELECT series, problem FROM (SELECT series, eco_forecast_problem(eco_series(t, v), 3) AS problem FROM m GROUP BY series) \
               WHERE problem IS NOT NULL ORDER BY series";
    let found = query(&ctx, sql).await.unwrap();
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&found).unwrap().to_string();
    for wanted in [
        "huge     | series of 5 values (0 missing, first 1, last 5): value 1",
        "infinite | series of 5 values (0 missing, first 1, last 5): value inf at index 3 is out of range",
        "missing  | series of 50 values (50 missing, first NaN, last NaN): 0 observed values are too few: the model needs at least 4",
        "short    | series of 2 values (0 missing, first 1, last 2): 2 observed values are too few: the model needs at least 4",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    assert!(!text.contains("good") && !text.contains("gaps"), "{text}");
}

#[tokio::test]
async fn the_strict_function_stops_with_a_typed_error_that_describes_the_series_and_the_remedy() {
    let ctx = table(1, &mixed());
    let sql = "SELECT eco_forecast(eco_series(t, v), 3) FROM m WHERE series = 'short'";
    let error = query(&ctx, sql).await.unwrap_err();
    let DataFusionError::External(inner) = error.find_root() else { panic!("{error:?}") };
    let Some(FunctionError::Series { function, series, reason, .. }) = inner.downcast_ref::<FunctionError>()
    else {
        panic!("{inner:?}")
    };
    assert_eq!((*function, series.values, series.first, series.last), ("eco_forecast", 2, 1.0, 2.0));
    assert!(matches!(reason, FleetError::Fit(FitError::TooShort { needed: 4, found: 2 })));
    assert!(
        inner.to_string().contains("eco_try_forecast") && inner.to_string().contains("eco_forecast_problem")
    );
}

#[tokio::test]
async fn null_and_empty_lists_are_defined() {
    let ctx = session(1);
    let found = query(&ctx, "SELECT eco_forecast(NULL, 3), eco_anomaly_scores(NULL), eco_anomaly_score(NULL), eco_forecast_problem(NULL, 3)")
        .await
        .unwrap();
    assert!((0..4).all(|column| found[0].column(column).is_null(0)), "{found:?}");
    let found = query(&ctx, "SELECT eco_try_forecast([], 3), eco_anomaly_scores([]), eco_anomaly_score([])")
        .await
        .unwrap();
    assert!(found[0].column(0).is_null(0) && found[0].column(2).is_null(0), "{found:?}");
    assert_eq!(found[0].column(1).as_list::<i32>().value(0).len(), 0);
    assert!(refused(&ctx, "SELECT eco_forecast([], 3)").await.contains("series of 0 values"));
    // Lists of whole numbers are numbers, too.
    let found =
        query(&ctx, "SELECT eco_forecast([1, 2, 3, 1, 2, 3], 3, 3, 'seasonal_naive')[2]").await.unwrap();
    assert!((found[0].column(0).as_primitive::<Float64Type>().value(0) - 2.0).abs() < 1e-12);
}

#[tokio::test]
async fn arguments_out_of_range_are_refused_with_what_would_be_accepted() {
    let ctx = table(1, &mixed());
    for (call, wanted) in [
        ("eco_forecast(list, 0)", "`horizon` is 0: expected a constant of 1 to 50000 steps"),
        ("eco_forecast(list, 50001)", "`horizon` is 50001"),
        ("eco_forecast(list, -1)", "`horizon` is -1"),
        ("eco_forecast(list, NULL)", "`horizon` is NULL"),
        ("eco_forecast(list, array_length(list))", "`horizon` is a column"),
        ("eco_forecast(list, 1.5)", "the horizon is Float64: expected a whole number"),
        ("eco_forecast(list, 3, 1)", "`seasons` is 1: expected a constant of 2 to 200000 steps"),
        ("eco_forecast(list, 3, [24, NULL])", "`seasons` is"),
        ("eco_forecast(list, 3, [2,3,4,5,6,7,8,9,10])", "at most 8 of them"),
        ("eco_forecast(list, 3, 'day')", "the seasons are Utf8"),
        ("eco_forecast(list, 3, 24, 'prophet')", "`model` is prophet: expected 'auto', 'thorough'"),
        ("eco_forecast(list)", "takes 2 to 4 arguments, not 1"),
        ("eco_forecast(list, 3, 24, 'auto', 1)", "takes 2 to 4 arguments, not 5"),
        ("eco_forecast(1.5, 3)", "expected a list of numbers"),
        ("eco_forecast(['a'], 3)", "expected a list of numbers"),
        ("eco_try_forecast(list, 0)", "`horizon` is 0"),
        ("eco_forecast_band(list, 3, 1.0)", "`level` is 1: expected a constant strictly between 0 and 1"),
        ("eco_forecast_band(list, 3, NULL)", "`level` is NULL"),
        ("eco_anomaly_scores(list, 200001)", "`seasons` is 200001"),
    ] {
        let sql =
            format!("SELECT {call} FROM (SELECT eco_series(t, v) AS list FROM m WHERE series = 'good')");
        let message = refused(&ctx, &sql).await;
        assert!(message.contains(wanted), "{call}: {message}");
    }
    assert!(
        refused(&ctx, "SELECT eco_series(series, v) FROM m")
            .await
            .contains("expected a timestamp, a date or an integer")
    );
    assert!(refused(&ctx, "SELECT eco_series(t, series) FROM m").await.contains("expected a number"));
    assert!(refused(&ctx, "SELECT eco_series(DISTINCT t, v) FROM m").await.contains("SELECT DISTINCT"));
}

#[tokio::test]
async fn timestamps_and_dates_order_a_series_as_integers_do() {
    let ctx = table(2, &rows_by_time(&fleet()));
    let plain = lists(&ctx, "SELECT series, eco_series(t, v) FROM m GROUP BY series").await;
    for time in ["to_timestamp_ms", "date", "cast_u64"] {
        let time = match time {
            "to_timestamp_ms" => "arrow_cast(t, 'Timestamp(Millisecond, None)')",
            "date" => "arrow_cast(arrow_cast(t, 'Int32'), 'Date32')",
            _ => "arrow_cast(t, 'UInt64')",
        };
        let found =
            lists(&ctx, &format!("SELECT series, eco_series({time}, v) FROM m GROUP BY series")).await;
        assert_eq!(found, plain, "{time}");
    }
    assert_eq!(plain["vm-007"].as_deref(), Some(&load(7)[..]));
}
