//! The same without a query engine: row groups are read in parallel, then the library forecasts all series in parallel.

use crate::Forecasts;
use datafusion::arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type, Int64Type},
};
use ecosystem_datafusion::Request;
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};
use rayon::prelude::*;
use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fs::File,
    path::Path,
};

type Samples = Vec<(i64, f64)>;
type Failure = Box<dyn Error + Send + Sync>;

/// On the threads of the pool it is called in.
pub(crate) fn forecasts(file: &Path, request: &Request) -> Result<Forecasts, Failure> {
    let groups = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?.metadata().num_row_groups();
    let parts: Vec<Result<HashMap<String, Samples>, Failure>> =
        (0..groups).into_par_iter().map(|group| read(file, group)).collect();
    let mut series: BTreeMap<String, Samples> = BTreeMap::new();
    for part in parts {
        for (name, samples) in part? {
            series.entry(name).or_default().extend(samples);
        }
    }
    let names_and_samples: Vec<_> = series.into_iter().collect();
    Ok(names_and_samples
        .into_par_iter()
        .map(|(name, mut samples)| {
            if !samples.is_sorted_by_key(|s| s.0) {
                samples.sort_by_key(|s| s.0);
            }
            let values: Vec<f64> = samples.iter().map(|s| s.1).collect();
            (name, request.forecast(&values).ok().map(|f| f.point))
        })
        .collect())
}

/// The samples of one row group by series.
fn read(file: &Path, group: usize) -> Result<HashMap<String, Samples>, Failure> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
    let columns = ProjectionMask::columns(builder.parquet_schema(), ["series", "t", "v"]);
    let reader =
        builder.with_row_groups(vec![group]).with_projection(columns).with_batch_size(8192).build()?;
    let mut slots: HashMap<String, usize> = HashMap::new();
    let mut series: Vec<Samples> = Vec::new();
    for batch in reader {
        collect(&batch?, &mut slots, &mut series)?;
    }
    Ok(slots.into_iter().map(|(name, slot)| (name, std::mem::take(&mut series[slot]))).collect())
}

fn collect(
    batch: &RecordBatch,
    slots: &mut HashMap<String, usize>,
    series: &mut Vec<Samples>,
) -> Result<(), Failure> {
    let column = |name: &str, of: &DataType| -> Result<_, Failure> {
        let column = batch.column_by_name(name).ok_or_else(|| format!("the file has no column `{name}`"))?;
        Ok(cast(column, of)?)
    };
    let (names, times, values) = (
        column("series", &DataType::Utf8)?,
        column("t", &DataType::Int64)?,
        column("v", &DataType::Float64)?,
    );
    let (names, times, values) =
        (names.as_string::<i32>(), times.as_primitive::<Int64Type>(), values.as_primitive::<Float64Type>());
    // A name is looked up only where it changes.
    let mut last: Option<(&str, usize)> = None;
    for row in 0..batch.num_rows() {
        if names.is_null(row) || times.is_null(row) {
            continue;
        }
        let name = names.value(row);
        let slot = match last {
            Some((known, slot)) if known == name => slot,
            _ => slots.get(name).copied().unwrap_or_else(|| {
                series.push(Samples::new());
                slots.insert(name.to_owned(), series.len() - 1);
                series.len() - 1
            }),
        };
        last = Some((name, slot));
        series[slot].push((times.value(row), if values.is_null(row) { f64::NAN } else { values.value(row) }));
    }
    Ok(())
}
