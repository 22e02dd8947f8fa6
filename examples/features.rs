//! Time-series features of many series, from JSON to JSON.
//!
//! ```text
//! cargo run --release --example features -- IN.json OUT.json [--set minimal|efficient|comprehensive|catch22|catch24|NAME,NAME…] [--repeat N]
//! ```
//!
//! IN is `{"series": {name: [values]}}`, plain or gzip. OUT is `{name: {feature: value}}`; truth values are JSON booleans,
//! and NaN and infinities the strings "NaN", "Infinity", "-Infinity". The last line of standard output are figures: numbers
//! of series, points and features, and seconds per series (one thread, mean over series of the fastest of `--repeat` runs,
//! default 5).

use std::error::Error;
use std::io::Read;
use std::time::Instant;

use ecosystem_forecast::features::{Extractor, Feature, FeatureSet, ValueKind};
use serde_json::{Map, Value, json};

fn main() {
    if let Err(error) = run(std::env::args().skip(1).collect()) {
        eprintln!("features: {error}");
        std::process::exit(2);
    }
}

struct Arguments {
    input: String,
    output: String,
    set: String,
    repeat: usize,
}

fn arguments(list: Vec<String>) -> Result<Arguments, Box<dyn Error>> {
    let (mut paths, mut set, mut repeat) = (Vec::new(), "comprehensive".to_owned(), 5);
    let mut list = list.into_iter();
    while let Some(argument) = list.next() {
        match argument.as_str() {
            "--set" => set = list.next().ok_or("--set needs a name")?,
            "--repeat" => {
                repeat = list.next().and_then(|n| n.parse().ok()).ok_or("--repeat needs a number")?;
            }
            option if option.starts_with("--") => return Err(format!("unknown option `{option}`").into()),
            _ => paths.push(argument),
        }
    }
    let [input, output] = <[String; 2]>::try_from(paths)
        .map_err(|p| format!("expected IN.json OUT.json, got {} paths", p.len()))?;
    Ok(Arguments { input, output, set, repeat })
}

fn feature_set(name: &str) -> Result<FeatureSet, Box<dyn Error>> {
    Ok(match name {
        "minimal" => FeatureSet::minimal(),
        "efficient" => FeatureSet::efficient(),
        "comprehensive" => FeatureSet::comprehensive(),
        "catch22" => FeatureSet::catch22(),
        "catch24" => FeatureSet::catch24(),
        "all" => FeatureSet::comprehensive()
            .features()
            .iter()
            .chain(FeatureSet::catch24().features())
            .cloned()
            .collect(),
        names => FeatureSet::from_names(names.split(','))?,
    })
}

type Named = Vec<(String, Vec<f64>)>;

fn read(path: &str) -> Result<Named, Box<dyn Error>> {
    let mut bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice())
            .read_to_end(&mut plain)
            .map_err(|e| format!("{path}: {e}"))?;
        bytes = plain;
    }
    let document: Value = serde_json::from_slice(&bytes).map_err(|e| format!("{path}: {e}"))?;
    let series = document
        .get("series")
        .and_then(Value::as_object)
        .ok_or_else(|| format!("{path}: no object `series`"))?;
    series
        .iter()
        .map(|(name, values)| {
            let values = values.as_array().ok_or_else(|| format!("{path}: series `{name}` is no array"))?;
            let numbers: Option<Vec<f64>> = values.iter().map(Value::as_f64).collect();
            Ok((
                name.clone(),
                numbers.ok_or_else(|| format!("{path}: series `{name}` holds a value that is no number"))?,
            ))
        })
        .collect()
}

fn encode(feature: &Feature, value: f64) -> Value {
    match (feature.kind(), value) {
        (_, v) if v.is_nan() => json!("NaN"),
        (_, v) if v.is_infinite() => json!(if v > 0.0 { "Infinity" } else { "-Infinity" }),
        (ValueKind::Boolean, v) => json!(v != 0.0),
        (_, v) => json!(v),
    }
}

fn run(list: Vec<String>) -> Result<(), Box<dyn Error>> {
    let arguments = arguments(list)?;
    let set = feature_set(&arguments.set)?;
    let series = read(&arguments.input)?;
    let mut extractor = Extractor::new(set.clone())?;
    let names = set.names();

    // Per series the fastest of several runs, so that other work on the machine does not count.
    let mut rows = Vec::with_capacity(series.len());
    let mut seconds = 0.0;
    for (name, values) in &series {
        let (mut fastest, mut row) = (f64::INFINITY, Vec::new());
        for _ in 0..arguments.repeat.max(1) {
            let start = Instant::now();
            row = extractor
                .extract(values)
                .map_err(|e| format!("{}: series `{name}`: {e}", arguments.input))?;
            fastest = fastest.min(start.elapsed().as_secs_f64());
        }
        seconds += fastest;
        rows.push(row);
    }

    let mut out = Map::new();
    for ((name, _), row) in series.iter().zip(&rows) {
        let values = names.iter().zip(set.features()).zip(row).map(|((n, f), &v)| (n.clone(), encode(f, v)));
        out.insert(name.clone(), Value::Object(values.collect()));
    }
    std::fs::write(&arguments.output, serde_json::to_vec(&out)?)
        .map_err(|e| format!("{}: {e}", arguments.output))?;
    let points: usize = series.iter().map(|(_, v)| v.len()).sum();
    let per_series = if series.is_empty() { Value::Null } else { json!(seconds / series.len() as f64) };
    println!(
        "{}",
        json!({"set": arguments.set, "series": series.len(), "points": points, "features": names.len(), "seconds_per_series": per_series})
    );
    Ok(())
}
