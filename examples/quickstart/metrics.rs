//! Two weeks of CPU use per component: read from a file, or generated.

use flate2::read::GzDecoder;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::f64::consts::TAU;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;
use vm_ecosystem::model::{
    Component, ComponentId, Ecosystem, Kind, MetricQuery, MetricsSource, QueryError, RangeQuery, Sample,
    Series, Subject, Timestamp,
};

/// Every five minutes.
pub(crate) const STEP_MS: u64 = 300_000;
pub(crate) const PER_DAY: usize = 288;
const DAYS: usize = 14;
/// Monday, 2 March 2026, 00:00 UTC.
const START: Timestamp = Timestamp::from_unix_ms(1_772_409_600_000);

/// CPU use of each component in % of its request, on one grid.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) start: Timestamp,
    series: BTreeMap<ComponentId, Vec<f64>>,
}

impl Recorded {
    pub(crate) fn end(&self) -> Timestamp {
        let longest = self.series.values().map(Vec::len).max().unwrap_or(0) as u64;
        Timestamp::from_unix_ms(self.start.as_unix_ms() + longest * STEP_MS)
    }

    fn of(&self, query: &MetricQuery) -> Result<&Vec<f64>, QueryError> {
        let found = match &query.subject {
            Subject::Component(id) => self.series.get(id),
            _ => None,
        };
        found.ok_or_else(|| QueryError::Unknown {
            subject: query.subject.to_string(),
            reason: "not recorded".to_owned(),
        })
    }
}

impl MetricsSource for Recorded {
    type Error = Infallible;

    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, Infallible> {
        let first = |at: Timestamp| {
            let steps = at.as_unix_ms().saturating_sub(self.start.as_unix_ms()).div_ceil(STEP_MS);
            usize::try_from(steps).unwrap_or(usize::MAX)
        };
        Ok(queries
            .iter()
            .map(|range| {
                let values = self.of(&range.query)?;
                let (from, until) =
                    (first(range.start).min(values.len()), first(range.end).min(values.len()));
                Ok(Series {
                    start: Timestamp::from_unix_ms(self.start.as_unix_ms() + from as u64 * STEP_MS),
                    step: Duration::from_millis(STEP_MS),
                    values: values[from..until].to_vec(),
                    labels: BTreeMap::new(),
                })
            })
            .collect())
    }

    fn latest(&mut self, queries: &[MetricQuery]) -> Result<Vec<Result<Sample, QueryError>>, Infallible> {
        Ok(queries
            .iter()
            .map(|query| {
                let values = self.of(query)?;
                let last =
                    values.iter().rposition(|v| v.is_finite()).ok_or_else(|| QueryError::Unavailable {
                        subject: query.subject.to_string(),
                        reason: "every value is missing".to_owned(),
                    })?;
                let at = Timestamp::from_unix_ms(self.start.as_unix_ms() + last as u64 * STEP_MS);
                Ok(Sample { at, value: values[last] })
            })
            .collect())
    }
}

/// Successive series of a file for the placed components, in their order; series are used again when there are fewer.
pub(crate) fn read(path: &Path, ecosystem: &Ecosystem) -> Result<Recorded, String> {
    let name = path.display();
    let file =
        std::fs::File::open(path).map_err(|e| format!("{name}: cannot be opened ({e}); check the path"))?;
    let reader: Box<dyn Read> = if path.extension().is_some_and(|e| e == "gz") {
        Box::new(GzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(file)
    };
    let wanted = ecosystem.components().filter(|c| c.is_placed()).count();
    let mut found: Vec<Vec<f64>> = Vec::new();
    for (number, line) in BufReader::new(reader).lines().enumerate() {
        if found.len() == wanted {
            break;
        }
        let at = number + 1;
        let line =
            line.map_err(|e| format!("{name}:{at}:1: cannot be read ({e}); expected lines of text"))?;
        let mut fields = line.split(',');
        let (id, split) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        if !["full", "train", "test"].contains(&split) {
            let column = id.chars().count() + 2;
            return Err(format!(
                "{name}:{at}:{column}: second field is `{split}`, expected full, train or test; lines are id,split,v0,v1,..."
            ));
        }
        if id.ends_with("_max") || split == "test" {
            continue;
        }
        let mut column = id.chars().count() + split.len() + 3;
        let mut values = Vec::new();
        for field in fields {
            let value = if field.is_empty() { Ok(f64::NAN) } else { field.parse::<f64>() };
            match value {
                Ok(v) if v.is_nan() || (v.is_finite() && v >= 0.0) => values.push(v),
                _ => {
                    return Err(format!(
                        "{name}:{at}:{column}: value `{field}`, expected a number from 0 or nothing for a gap"
                    ));
                }
            }
            column += field.chars().count() + 1;
        }
        found.push(values);
    }
    if found.is_empty() {
        return Err(format!("{name}:1:1: no series in the file; expected lines of id,split,v0,v1,..."));
    }
    // The newest two weeks, so that every run looks at the same span.
    let keep = DAYS * PER_DAY;
    let newest = |values: &Vec<f64>| values[values.len().saturating_sub(keep)..].to_vec();
    let placed = ecosystem.components().filter(|c| c.is_placed());
    let series = placed.zip(found.iter().cycle()).map(|(c, values)| (c.id.clone(), newest(values))).collect();
    Ok(Recorded { start: START, series })
}

/// Day and week season, growth, a campaign, and faults that a detector should find.
pub(crate) fn generate(ecosystem: &Ecosystem, seed: u64) -> Recorded {
    let placed: Vec<&Component> = ecosystem.components().filter(|c| c.is_placed()).collect();
    let series = placed
        .iter()
        .enumerate()
        .map(|(i, component)| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(i as u64 + 1);
            let mut values = usual_load(component, &mut rng);
            faults(&mut values, i, &mut rng);
            (component.id.clone(), values)
        })
        .collect();
    Recorded { start: START, series }
}

fn usual_load(component: &Component, rng: &mut ChaCha8Rng) -> Vec<f64> {
    // Data stores follow the day less closely than what users talk to.
    let swing = if component.kind.is_stateful() || component.kind == Kind::Cache { 0.25 } else { 0.5 };
    let base = rng.random_range(38.0..58.0);
    let growth_per_day = rng.random_range(0.002..0.012);
    let campaign = 9 * PER_DAY + 120..9 * PER_DAY + 216; // day 10, 10:00 to 18:00
    let mut wobble = 0.0;
    (0..DAYS * PER_DAY)
        .map(|t| {
            let day = (t % PER_DAY) as f64 / PER_DAY as f64;
            let daily = (TAU * (day - 0.375)).sin() + 0.35 * (2.0 * TAU * (day - 0.3)).sin();
            let weekend = 1.0 - 0.3 * weekend_share(t);
            let trend = 1.0 + growth_per_day * t as f64 / PER_DAY as f64;
            let event = if campaign.contains(&t) && swing > 0.3 { 1.45 } else { 1.0 };
            wobble = 0.7 * wobble + rng.random_range(-0.02..0.02);
            (base * (1.0 + swing * daily) * weekend * trend * event * (1.0 + wobble)).max(0.5)
        })
        .collect()
}

/// 0 on working days, 1 on Saturday and Sunday, with six hours of transition around both midnights.
fn weekend_share(t: usize) -> f64 {
    let day = (t % (7 * PER_DAY)) as f64 / PER_DAY as f64;
    let from_monday = if day < 0.125 { day + 7.0 } else { day };
    let ramp = |middle: f64| ((from_monday - middle) / 0.25 + 0.5).clamp(0.0, 1.0);
    ramp(5.0) - ramp(7.0)
}

fn faults(values: &mut [f64], component: usize, rng: &mut ChaCha8Rng) {
    let at = rng.random_range(11 * PER_DAY..13 * PER_DAY);
    match component % 4 {
        0 => values[at..at + 3].fill(96.0), // a runaway loop: 15 minutes at the limit
        1 => values[at..at + 6].fill(0.6),  // it stopped working: half an hour of nothing
        2 => values[at..at + 24].fill(f64::NAN), // its metrics are missing for two hours
        _ => {
            for (k, value) in values[at..at + 48].iter_mut().enumerate() {
                *value += k as f64 * 1.2; // a leak over four hours, then a restart
            }
        }
    }
}
