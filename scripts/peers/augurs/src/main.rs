//! Times and judges crate augurs and ecosystem-forecast side by side, series by series, in one process on one thread.
//!
//! `cargo run --release --manifest-path scripts/peers/augurs/Cargo.toml -- FILE.csv[.gz] [--model ets|mstl-ets] [--every K]`
//!
//! The file has a fixed split (`id,train|test,values…`); horizon, seasons and measure come from `datasets.json` beside it, as in
//! `forecast_eval`. Each series is fitted by both programs in turn, three times; the fastest counts. One line of JSON per program.

use std::{collections::BTreeMap, error::Error, io::Read as _, path::Path, time::Instant};

use augurs::{ets::AutoETS, mstl::MSTLModel, prelude::*};
use ecosystem_forecast::{AutoEts, Fitted as _, Forecaster, Mstl, metrics};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Task {
    train: Vec<f64>,
    actual: Vec<f64>,
}

struct Protocol {
    seasons: Vec<usize>,
    horizon: usize,
    m: usize,
}

fn main() -> Outcome<()> {
    let (mut file, mut model, mut every) = (None, "mstl-ets".to_owned(), 1);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--model" => model = args.next().ok_or("--model needs a name")?,
            "--every" => every = args.next().ok_or("--every needs a number")?.parse::<usize>()?.max(1),
            _ => file = Some(arg),
        }
    }
    let file = file.ok_or("usage: peer-augurs FILE.csv[.gz] [--model ets|mstl-ets] [--every K]")?;
    let protocol = protocol(Path::new(&file))?;
    let tasks: Vec<Task> = tasks(Path::new(&file), &protocol)?.into_iter().step_by(every).collect();
    judge("augurs", &tasks, &protocol, |t| theirs(&model, &protocol, t));
    judge("ecosystem-forecast", &tasks, &protocol, |t| ours(&model, &protocol, t));
    Ok(())
}

fn theirs(model: &str, p: &Protocol, train: &[f64]) -> Outcome<Vec<f64>> {
    if model == "ets" {
        return Ok(AutoETS::non_seasonal().fit(train)?.predict(p.horizon, None)?.point);
    }
    let model = MSTLModel::new(p.seasons.clone(), AutoETS::non_seasonal().into_trend_model());
    Ok(model.fit(train)?.predict(p.horizon, None)?.point)
}

fn ours(model: &str, p: &Protocol, train: &[f64]) -> Outcome<Vec<f64>> {
    let base = AutoEts::default().with_horizon(p.horizon);
    if model == "ets" {
        return Ok(base.fit(train)?.predict(p.horizon, &[])?.point);
    }
    Ok(Mstl::new(&p.seasons, base).with_fast().fit(train)?.predict(p.horizon, &[])?.point)
}

fn judge(name: &str, tasks: &[Task], p: &Protocol, predict: impl Fn(&[f64]) -> Outcome<Vec<f64>>) {
    let (mut seconds, mut mase, mut smape, mut count, mut failed) = (0.0, 0.0, 0.0, 0.0, 0);
    for task in tasks {
        let (mut fastest, mut result) = (f64::INFINITY, None);
        for _ in 0..3 {
            let start = Instant::now();
            result = predict(&task.train).ok();
            fastest = start.elapsed().as_secs_f64().min(fastest);
        }
        seconds += fastest;
        let Some(point) = result else {
            failed += 1;
            continue;
        };
        mase += metrics::mase(&task.actual, &point, &task.train, p.m);
        smape += metrics::smape(&task.actual, &point);
        count += 1.0;
    }
    let line = serde_json::json!({
        "program": name, "ms_per_series": 1e3 * seconds / tasks.len() as f64, "mase": mase / count, "smape": smape / count,
        "series": tasks.len(), "failed": failed,
    });
    println!("{line}");
}

fn text(path: &Path) -> Outcome<String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut out = String::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut out)?;
    } else {
        out = String::from_utf8(bytes)?;
    }
    Ok(out)
}

fn protocol(file: &Path) -> Outcome<Protocol> {
    let all: serde_json::Value = serde_json::from_str(&text(&file.with_file_name("datasets.json"))?)?;
    let name =
        file.file_name().and_then(|n| n.to_str()).and_then(|n| n.split('.').next()).unwrap_or_default();
    let entry = all.get(name).ok_or_else(|| format!("`{name}` is not in datasets.json"))?;
    let number = |value: &serde_json::Value| value.as_u64().and_then(|v| usize::try_from(v).ok());
    let need =
        |key: &str| entry.get(key).and_then(number).ok_or_else(|| format!("`{name}.{key}` is missing"));
    let seasons =
        entry.get("seasons").and_then(|s| s.as_array()).into_iter().flatten().filter_map(number).collect();
    Ok(Protocol { seasons, horizon: need("horizon")?, m: need("m_mase")? })
}

fn tasks(file: &Path, p: &Protocol) -> Outcome<Vec<Task>> {
    let text = text(file)?;
    let mut tests: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut trains: Vec<(&str, Vec<f64>)> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split(',');
        let (Some(id), Some(split)) = (fields.next(), fields.next()) else { continue };
        let values = fields.map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        match split {
            "train" => trains.push((id, values)),
            "test" => drop(tests.insert(id, values)),
            _ => return Err(format!("split `{split}`: this program needs train and test").into()),
        }
    }
    let pair = |(id, train)| {
        let mut actual = tests.remove(id)?;
        actual.truncate(p.horizon);
        Some(Task { train, actual })
    };
    Ok(trains.into_iter().filter_map(pair).collect())
}
