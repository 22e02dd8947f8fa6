//! Files of many series, one per line (`id,split,values…`), with a `datasets.json` beside them that says what they are.
#![allow(dead_code, reason = "each program uses a part")]

use std::{io::Read as _, path::Path};
use vm_ecosystem::forecast::{Aggregate, downsample};

/// What `datasets.json` says about one file.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    pub(crate) name: String,
    pub(crate) seasons: Vec<usize>,
    pub(crate) horizon: usize,
    pub(crate) m_mase: usize,
    /// Values of the file per step.
    pub(crate) factor: usize,
    pub(crate) sum: bool,
    pub(crate) text: String,
    pub(crate) step_s: usize,
    pub(crate) steps_per_day: usize,
}

/// A line of a file, and the line with its test part if there is one.
#[derive(Clone, Debug)]
pub(crate) struct RecordedSeries {
    pub(crate) id: String,
    pub(crate) values: Vec<f64>,
    pub(crate) test: Option<Vec<f64>>,
}

/// Text of a plain or gzipped file.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut text = String::new();
    let result = if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text)
    } else {
        (&bytes[..]).read_to_string(&mut text)
    };
    result.map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Ok(text)
}

/// The entry of a file, found by the file's name unless another `dataset` is asked for.
pub(crate) fn read_protocol(
    file: &Path,
    meta: Option<&Path>,
    dataset: Option<&str>,
) -> Result<Protocol, String> {
    let meta = meta.map_or_else(|| file.with_file_name("datasets.json"), Path::to_path_buf);
    let text = read_text(&meta)?;
    let json: serde_json::Value =
        serde_json::from_str(&text).map_err(|e| format!("{}: {e}", meta.display()))?;
    let stem = file.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let name = dataset.unwrap_or_else(|| stem.split('.').next().unwrap_or_default()).to_owned();
    let entry = json.get(&name).ok_or_else(|| {
        format!(
            "data set `{name}` is not in {}: expected one of {}",
            meta.display(),
            json.as_object().map_or(String::new(), |o| o.keys().cloned().collect::<Vec<_>>().join(", "))
        )
    })?;
    let number = |key: &str| {
        entry.get(key).and_then(serde_json::Value::as_u64).map(|v| usize::try_from(v).unwrap_or(0))
    };
    let need = |key: &str| {
        number(key)
            .filter(|&v| v > 0)
            .ok_or_else(|| format!("{}: `{name}.{key}` is missing or not above 0", meta.display()))
    };
    let step = need("step_s")?;
    let factor = number("aggregate_to_s").map_or(1, |to| (to / step).max(1));
    let seasons = entry.get("seasons").and_then(|s| s.as_array()).map_or_else(Vec::new, |list| {
        list.iter()
            .filter_map(serde_json::Value::as_u64)
            .map(|v| usize::try_from(v).unwrap_or(0) / factor)
            .collect()
    });
    Ok(Protocol {
        seasons,
        horizon: (need("horizon")? / factor).max(1),
        m_mase: (need("m_mase")? / factor).max(1),
        factor,
        sum: entry.get("aggregate").and_then(|v| v.as_str()) == Some("sum"),
        text: entry.get("protocol").and_then(|v| v.as_str()).unwrap_or_default().to_owned(),
        step_s: step * factor,
        steps_per_day: (86_400 / (step * factor)).max(1),
        name,
    })
}

/// All series of a file in steps of the protocol; at least one.
pub(crate) fn read_series(file: &Path, p: &Protocol) -> Result<Vec<RecordedSeries>, String> {
    let text = read_text(file)?;
    let mut all: Vec<RecordedSeries> = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.is_empty()) {
        let place = || format!("{}:{}", file.display(), number + 1);
        let mut fields = line.split(',');
        let (Some(id), Some(split)) = (fields.next(), fields.next()) else {
            return Err(format!("{}: expected id,split,values", place()));
        };
        let values = fields
            .enumerate()
            .map(|(i, f)| match f.trim() {
                "" => Ok(f64::NAN),
                text => text
                    .parse::<f64>()
                    .ok()
                    .filter(|v| v.is_finite())
                    .ok_or_else(|| format!("{}: field {}: `{text}` is not a number", place(), i + 3)),
            })
            .collect::<Result<Vec<f64>, String>>()?;
        let how = if p.sum { Aggregate::Sum } else { Aggregate::Mean };
        let values = if p.factor > 1 { downsample(&values, p.factor, how) } else { values };
        match split {
            "test" => {
                let Some(known) = all.iter_mut().rfind(|s| s.id == id) else {
                    return Err(format!("{}: test part of `{id}` before its train part", place()));
                };
                known.test = Some(values);
            }
            "train" | "full" => all.push(RecordedSeries { id: id.to_owned(), values, test: None }),
            other => return Err(format!("{}: split `{other}`: expected train, test or full", place())),
        }
    }
    if all.is_empty() { Err(format!("{}: no series", file.display())) } else { Ok(all) }
}
