//! Scheduler, executor and client in one program.
//!
//! ```text
//! eco-query --role scheduler --listen 127.0.0.1:50050 [--timeout 15] [--log warn]
//! eco-query --role executor --scheduler 127.0.0.1:50050 --listen 127.0.0.1:50051 --work DIR
//!           [--cores 1] [--heartbeat 5] [--log warn]
//! eco-query --role client --scheduler 127.0.0.1:50050 --table m=/data/metrics.parquet --sql 'SELECT …' [--deadline 600]
//! eco-query --role local --table m=/data/metrics.parquet --sql 'SELECT …' [--deadline 600]
//! ```
//! Rows are printed as lines of JSON. What goes wrong is one line on standard error and exit code 2.

use datafusion::{
    arrow::{json::LineDelimitedWriter, record_batch::RecordBatch},
    prelude::{ParquetReadOptions, SessionContext},
};
use ecosystem_ballista::{ExecutorSettings, SchedulerSettings, connect, run_executor, run_scheduler};
use std::{collections::BTreeMap, error::Error, process::ExitCode, str::FromStr, time::Duration};

/// Flags with their values; a flag that nobody asked for is an error.
struct Flags(BTreeMap<String, String>);

impl Flags {
    fn read(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut flags = BTreeMap::new();
        while let Some(flag) = given.next() {
            let name = flag
                .strip_prefix("--")
                .ok_or_else(|| format!("`{flag}`: expected a flag, such as --role"))?;
            let value = given.next().ok_or_else(|| format!("`{flag}`: a value is missing"))?;
            flags.insert(name.to_owned(), value);
        }
        Ok(Self(flags))
    }

    fn maybe<T: FromStr>(&mut self, name: &str, expected: &str) -> Result<Option<T>, String> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| format!("`--{name} {value}`: expected {expected}"))
    }

    fn must<T: FromStr>(&mut self, name: &str, expected: &str) -> Result<T, String> {
        self.maybe(name, expected)?.ok_or_else(|| format!("--{name} is missing: expected {expected}"))
    }

    fn seconds(&mut self, name: &str) -> Result<Option<Duration>, String> {
        Ok(self.maybe(name, "whole seconds")?.map(Duration::from_secs))
    }

    fn end(&self) -> Result<(), String> {
        self.0.keys().next().map_or(Ok(()), |name| Err(format!("--{name} is not known to this role")))
    }
}

/// What scheduler and executor have to say of themselves, line by line on standard error.
struct Stderr;

impl log::Log for Stderr {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        eprintln!("{} {}: {}", record.level(), record.target(), record.args());
    }
    fn flush(&self) {}
}

fn log_from(level: Option<log::LevelFilter>) {
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level.unwrap_or(log::LevelFilter::Warn));
    }
}

const LEVEL: &str = "off, error, warn, info or debug";
const ADDRESS: &str = "an address such as 127.0.0.1:50050";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eco-query: {}", error.to_string().replace('\n', " "));
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut flags = Flags::read(std::env::args().skip(1))?;
    let role: String = flags.must("role", "scheduler, executor, client or local")?;
    match role.as_str() {
        "scheduler" => {
            let mut settings = SchedulerSettings::new(flags.must("listen", ADDRESS)?);
            settings.executor_timeout = flags.seconds("timeout")?.unwrap_or(settings.executor_timeout);
            log_from(flags.maybe("log", LEVEL)?);
            flags.end()?;
            Ok(run_scheduler(&settings).await?)
        }
        "executor" => {
            let directory: String = flags.must("work", "a directory")?;
            let mut settings = ExecutorSettings::new(
                flags.must("scheduler", ADDRESS)?,
                flags.must("listen", ADDRESS)?,
                directory,
            );
            settings.cores = flags.maybe("cores", "a number of tasks")?.unwrap_or(settings.cores);
            settings.heartbeat = flags.seconds("heartbeat")?.unwrap_or(settings.heartbeat);
            log_from(flags.maybe("log", LEVEL)?);
            flags.end()?;
            Ok(run_executor(&settings).await?)
        }
        "client" => {
            let ctx = connect(flags.must("scheduler", ADDRESS)?).await?;
            ask(&ctx, flags).await
        }
        "local" => {
            let ctx = SessionContext::new();
            ecosystem_datafusion::register(&ctx);
            ask(&ctx, flags).await
        }
        other => Err(format!("`--role {other}`: expected scheduler, executor, client or local").into()),
    }
}

async fn ask(ctx: &SessionContext, mut flags: Flags) -> Result<(), Box<dyn Error>> {
    let table: String = flags.must("table", "NAME=FILE")?;
    let sql: String = flags.must("sql", "a query")?;
    let deadline = flags.seconds("deadline")?.unwrap_or(Duration::from_mins(10));
    flags.end()?;
    let (name, file) =
        table.split_once('=').ok_or_else(|| format!("`--table {table}`: expected NAME=FILE"))?;
    ctx.register_parquet(name, file, ParquetReadOptions::default()).await?;
    let answer = tokio::time::timeout(deadline, async { ctx.sql(&sql).await?.collect().await });
    let batches = answer.await.map_err(|_| format!("no answer within {} s", deadline.as_secs()))??;
    let mut lines = LineDelimitedWriter::new(std::io::stdout().lock());
    lines.write_batches(&batches.iter().collect::<Vec<&RecordBatch>>())?;
    Ok(lines.finish()?)
}
