//! The history of a fleet in Parquet, and three questions to it in SQL: who will run out of processors and when, who behaves
//! unlike itself, and of whom nothing can be said.
//!
//! `cargo run --release --manifest-path adapters/Cargo.toml -p ecosystem-datafusion --example fleet_in_sql -- [FILE.parquet]`
//!
//! Without a file it writes three weeks of twelve machines, hour by hour, to a temporary directory. A file of one's own has the
//! columns `machine` (text), `t` (timestamp, or a whole number) and `cpu` (percent), one row an hour.

use datafusion::{
    arrow::{
        array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampSecondArray},
        util::pretty::pretty_format_batches,
    },
    prelude::{ParquetReadOptions, SessionContext},
};
use parquet::arrow::ArrowWriter;
use std::{error::Error, fs::File, path::Path, process::ExitCode, sync::Arc};

/// What people ask, and how.
const QUESTIONS: [(&str, &str); 3] = [
    (
        "Who may need more than 80 % within two days (upper end of a band of 90 %)?",
        "SELECT machine, min(now) AS now_percent, min(hour) AS first_in_hours,
                CAST(max(mean) + 0.5 AS INT) AS expected_peak, CAST(max(upper) + 0.5 AS INT) AS highest_peak
         FROM (SELECT machine, now, unnest(range(1, 49)) AS hour, unnest(band['mean']) AS mean, unnest(band['upper']) AS upper
               FROM (SELECT machine, CAST(cpu[-1] AS INT) AS now, eco_try_forecast_band(cpu, 48, 0.9, 24) AS band
                     FROM (SELECT machine, eco_series(t, cpu) AS cpu FROM fleet GROUP BY machine)))
         WHERE upper > 80 GROUP BY machine ORDER BY first_in_hours, machine",
    ),
    (
        "Who behaves unlike itself in the last hour (6 is a good line for an alarm)?",
        "SELECT machine, CAST(cpu[-1] AS INT) AS now_percent, CAST(eco_anomaly_score(cpu, 24) AS INT) AS severity
         FROM (SELECT machine, eco_series(t, cpu) AS cpu FROM fleet GROUP BY machine)
         WHERE eco_anomaly_score(cpu, 24) > 6 ORDER BY severity DESC, machine",
    ),
    (
        "Of whom can nothing be said, and why?",
        "SELECT machine, problem
         FROM (SELECT machine, eco_forecast_problem(eco_series(t, cpu), 48, 24) AS problem FROM fleet GROUP BY machine)
         WHERE problem IS NOT NULL ORDER BY machine",
    ),
];

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet_in_sql: {}", error.to_string().replace('\n', " "));
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let made = directory.path().join("fleet.parquet");
    let file = if let Some(file) = std::env::args().nth(1) {
        file
    } else {
        write(&made)?;
        made.display().to_string()
    };
    let ctx = SessionContext::new();
    ecosystem_datafusion::register(&ctx);
    ctx.register_parquet("fleet", file, ParquetReadOptions::default()).await?;
    for (question, sql) in QUESTIONS {
        println!("{question}\n{}\n", pretty_format_batches(&ctx.sql(sql).await?.collect().await?)?);
    }
    Ok(())
}

/// Twelve machines with a day of their own: two grow, one jumps in its last hour, one is three hours old.
fn write(file: &Path) -> Result<(), Box<dyn Error>> {
    const HOURS: i32 = 21 * 24;
    const BEGIN: i64 = 1_795_737_600; // 2026-11-27, midnight
    let mut rows = Vec::new();
    for machine in 1..=12 {
        let age = if machine == 12 { 3 } else { HOURS };
        for hour in HOURS - age..HOURS {
            rows.push((
                format!("vm-{machine:02}"),
                BEGIN + 3600 * i64::from(hour - HOURS),
                load(machine, hour),
            ));
        }
        if machine == 7 {
            rows.last_mut().ok_or("no hours")?.2 += 30.0;
        }
    }
    let batch = RecordBatch::try_from_iter([
        ("machine", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.0))) as ArrayRef),
        ("t", Arc::new(TimestampSecondArray::from_iter_values(rows.iter().map(|r| r.1)))),
        ("cpu", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.2)))),
    ])?;
    let mut writer = ArrowWriter::try_new(File::create(file)?, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

fn load(machine: i32, hour: i32) -> f64 {
    let day = (f64::from(hour + machine) / 24.0 * std::f64::consts::TAU).sin();
    let growth = if machine == 3 || machine == 9 { 0.06 * f64::from(hour) } else { 0.0 };
    let noise = f64::from((hour * 7919 + machine * 10_473).rem_euclid(101)) / 25.0;
    25.0 + f64::from(machine) + 12.0 * day + growth + noise
}
