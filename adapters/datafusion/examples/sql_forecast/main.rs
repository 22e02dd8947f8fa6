//! Forecasts of a whole Parquet file by SQL, and by the library called directly with rayon, on the same number of threads.
//!
//! `cargo run --release --manifest-path adapters/Cargo.toml -p ecosystem-datafusion --example sql_forecast --
//! [--series 20000] [--points 1000] [--file F.parquet] [--threads 2] [--repeat 3] [--model auto] [--season 24] [--horizon 24]
//! [--order series|time] [--list eco_series|array_agg]`
//!
//! Without `--file` a file of seeded series is written to a temporary directory. A file of one's own has the columns `series`
//! (text), `t` (whole number) and `v` (64-bit float). The two ways take turns; the last line of standard output is one line of
//! JSON with the shortest times, their ratio, and whether all forecasts had the same bits.

mod arguments;
mod direct;
mod generate;

use arguments::Arguments;
use datafusion::{
    arrow::array::{Array, AsArray, RecordBatch},
    arrow::{
        compute::cast,
        datatypes::{DataType, Float64Type},
    },
    prelude::{ParquetReadOptions, SessionConfig, SessionContext},
};
use std::{collections::BTreeMap, error::Error, path::Path, process::ExitCode, time::Instant};

/// Mean forecasts by series; `None` for a series that cannot be forecast.
type Forecasts = BTreeMap<String, Option<Vec<f64>>>;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("sql_forecast: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<serde_json::Value, Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let directory = tempfile::tempdir()?;
    let file = if let Some(file) = &arguments.file {
        file.clone()
    } else {
        let begin = Instant::now();
        let file = directory.path().join("metrics.parquet");
        generate::write(&file, &arguments)?;
        let bytes = std::fs::metadata(&file)?.len();
        eprintln!("{} written in {:.1} s, {bytes} bytes", file.display(), begin.elapsed().as_secs_f64());
        file
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(arguments.threads).build()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?;
    let (mut shortest_sql, mut shortest_direct) = (f64::INFINITY, f64::INFINITY);
    let (mut different, mut failed, mut series) = (0, 0, 0);
    for round in 1..=arguments.repeat {
        let begin = Instant::now();
        let found = pool
            .install(|| direct::forecasts(&file, &arguments.request))
            .map_err(|error| error.to_string())?;
        let direct = begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        let batches = runtime.block_on(by_sql(&file, &arguments))?;
        let sql = begin.elapsed().as_secs_f64();
        eprintln!("round {round}: directly {direct:.2} s, by SQL {sql:.2} s, ratio {:.3}", sql / direct);
        shortest_direct = shortest_direct.min(direct);
        shortest_sql = shortest_sql.min(sql);
        let answered = by_name(&batches)?;
        series = found.len();
        failed = found.values().filter(|f| f.is_none()).count();
        different += differences(&found, &answered);
    }
    Ok(serde_json::json!({
        "series": series, "points": arguments.points, "threads": arguments.threads, "model": arguments.model,
        "horizon": arguments.request.horizon, "list": arguments.list, "direct_s": shortest_direct, "sql_s": shortest_sql,
        "ratio": shortest_sql / shortest_direct, "failed": failed, "different": different,
    }))
}

async fn by_sql(file: &Path, arguments: &Arguments) -> Result<Vec<RecordBatch>, Box<dyn Error>> {
    let ctx = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(arguments.threads));
    ecosystem_datafusion::register(&ctx);
    let path = file.to_str().ok_or("the path of the file is not UTF-8")?;
    ctx.register_parquet("m", path, ParquetReadOptions::default()).await?;
    let query = ctx.sql(&arguments.sql()).await?;
    if arguments.explain {
        let plan =
            datafusion::physical_plan::displayable(query.clone().create_physical_plan().await?.as_ref())
                .indent(true)
                .to_string();
        eprintln!("{plan}");
    }
    Ok(query.collect().await?)
}

/// The answer as it can be compared; not part of the measured time.
fn by_name(batches: &[RecordBatch]) -> Result<Forecasts, Box<dyn Error>> {
    let mut answered = Forecasts::new();
    for batch in batches {
        let names = cast(batch.column(0), &DataType::Utf8)?;
        let lists = batch.column(1).as_list::<i32>();
        for row in 0..batch.num_rows() {
            let means =
                lists.is_valid(row).then(|| lists.value(row).as_primitive::<Float64Type>().values().to_vec());
            answered.insert(names.as_string::<i32>().value(row).to_owned(), means);
        }
    }
    Ok(answered)
}

fn differences(direct: &Forecasts, sql: &Forecasts) -> usize {
    let bits = |f: &Option<Vec<f64>>| f.as_ref().map(|f| f.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
    let differ = direct.iter().filter(|(name, f)| sql.get(*name).map(bits) != Some(bits(f))).count();
    differ + sql.keys().filter(|name| !direct.contains_key(*name)).count()
}
