//! A file of seeded series.
#![allow(clippy::cast_possible_wrap, reason = "at most a million points")]

use crate::arguments::Arguments;
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};
use std::{error::Error, fs::File, path::Path, sync::Arc};

/// Rows that are made and written at once.
const ROWS: usize = 1 << 19;

/// Writes all series, each in one piece or, with `--order time`, all of one moment after another.
pub(crate) fn write(file: &Path, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (series, points) = (arguments.series, arguments.points);
    let total = series * points;
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(1 << 20))
        .build();
    let mut writer: Option<ArrowWriter<File>> = None;
    for from in (0..total).step_by(ROWS) {
        let place = |row: usize| {
            if arguments.by_time { (row % series, row / series) } else { (row / points, row % points) }
        };
        let rows = from..total.min(from + ROWS);
        let names: StringArray = rows.clone().map(|row| Some(format!("vm-{:06}", place(row).0))).collect();
        let times: Int64Array = rows.clone().map(|row| Some(place(row).1 as i64 * 3_600_000)).collect();
        let values: Float64Array = rows.map(|row| Some(value(place(row)))).collect();
        let batch = RecordBatch::try_from_iter([
            ("series", Arc::new(names) as ArrayRef),
            ("t", Arc::new(times)),
            ("v", Arc::new(values)),
        ])?;
        if writer.is_none() {
            writer =
                Some(ArrowWriter::try_new(File::create(file)?, batch.schema(), Some(properties.clone()))?);
        }
        if let Some(writer) = &mut writer {
            writer.write(&batch)?;
        }
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(())
}

/// A level and a day of each series' own, and noise.
fn value((series, step): (usize, usize)) -> f64 {
    let unit = |key: u64| (mix(key) >> 11) as f64 / (1_u64 << 53) as f64;
    let own = series as u64;
    let (level, swing, phase) = (10.0 + 80.0 * unit(own), 20.0 * unit(own ^ 1 << 40), unit(own ^ 1 << 41));
    let day = (std::f64::consts::TAU * (step as f64 / 24.0 + phase)).sin();
    let noise = unit(own << 24 ^ step as u64 ^ 1 << 62) + unit(own << 24 ^ step as u64 ^ 1 << 63) - 1.0;
    level + swing * day + 4.0 * noise
}

/// `SplitMix64` (Steele, Lea & Flood 2014): one number for each key.
const fn mix(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}
