//! Ranges and newest samples over the HTTP API.

use crate::answer::{self, Found};
use crate::http::Client;
use crate::{Naming, PrometheusError};
use ecosystem_core::{MetricQuery, MetricsSource, QueryError, RangeQuery, Sample, Series, Timestamp};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Largest number of samples in one series of an answer: 190 years of hours, a year of 30 s.
const SAMPLES_MAX: u64 = 2_000_000;

/// How a server is asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// `http://host:port` and, behind a proxy, a prefix. No TLS: put a proxy on the loopback in front.
    pub url: String,
    /// For one call of [`MetricsSource::latest`], all its queries together. 5 s.
    pub latest_within: Duration,
    /// For one call of [`MetricsSource::range`], all its queries together. 60 s.
    pub range_within: Duration,
    /// Further attempts of one question after the first. Two.
    pub retries: u32,
    /// Pause before the second attempt; doubles each time. 100 ms.
    pub retry_pause: Duration,
    /// How often the server scrapes what is asked for. 15 s. A gap of more than one and a half of it shows as a gap.
    pub scrape_interval: Duration,
    /// Points of one series in one answer; longer ranges are asked for in parts. 11,000, the server's own limit.
    pub points_max: u32,
    /// Longest accepted answer in bytes. 64 MiB.
    pub bytes_max: u64,
}

impl Settings {
    /// The usual values for a server.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            latest_within: Duration::from_secs(5),
            range_within: Duration::from_secs(60),
            retries: 2,
            retry_pause: Duration::from_millis(100),
            scrape_interval: Duration::from_secs(15),
            points_max: 11_000,
            bytes_max: 64 << 20,
        }
    }
}

/// A Prometheus or VictoriaMetrics server.
///
/// A call fails as a whole if the server cannot be reached, is slow, in trouble or talks nonsense, after a bounded number of
/// attempts; a query that it refuses, does not know or can answer only in part fails alone.
#[derive(Debug)]
pub struct Prometheus {
    settings: Settings,
    naming: Naming,
    client: Client,
}

impl Prometheus {
    /// A source; nothing is asked yet.
    pub fn new(settings: Settings, naming: Naming) -> Self {
        let client = Client::new(&settings.url, settings.retries, settings.retry_pause, settings.bytes_max);
        Self { settings, naming, client }
    }

    fn one_range(
        &self,
        range: &RangeQuery,
        deadline: Instant,
    ) -> Result<Result<Series, QueryError>, PrometheusError> {
        let step = u64::try_from(range.step.as_millis()).unwrap_or(u64::MAX).max(1);
        let start = range.start.as_unix_ms();
        let samples = range.end.as_unix_ms().saturating_sub(start).div_ceil(step);
        if !(1..=SAMPLES_MAX).contains(&samples) {
            return Ok(Err(QueryError::BadRange { samples, max: SAMPLES_MAX }));
        }
        let window = range.step.max(self.settings.scrape_interval.mul_f64(1.5));
        let both = self.naming.each(&range.query, window);
        let both = both.and_then(|it| Ok((it, self.naming.expression(&range.query, window)?)));
        let ((each, scale), sum) = match both {
            Ok(both) => both,
            Err(reason) => return Ok(Err(unknown(&range.query, reason))),
        };
        // To add up here costs a server a sixth of its own sum; only where there are too many series it has to do it.
        let mut summed = false;
        let mut values = vec![f64::NAN; usize::try_from(samples).unwrap_or(usize::MAX)];
        let mut found = false;
        let part = u64::from(self.settings.points_max.max(1));
        for first in (0..samples).step_by(usize::try_from(part).unwrap_or(usize::MAX)) {
            let last = (first + part).min(samples) - 1;
            let ask = |expression: &str, scale: f64| {
                let form = [
                    ("query", expression.to_owned()),
                    ("start", seconds(start + first * step)),
                    ("end", seconds(start + last * step)),
                    ("step", seconds(step)),
                    // VictoriaMetrics keeps answers otherwise, and may align them to its own grid.
                    ("nocache", "1".to_owned()),
                ];
                let read =
                    |text: &str| answer::read(text, |series| place(&series, scale, start, step, samples));
                self.client.ask("/api/v1/query_range", &form, deadline, read)
            };
            let mut answer = if summed { ask(&sum, 1.0) } else { ask(&each, scale) };
            if !summed && matches!(answer, Err(PrometheusError::TooLarge { .. })) {
                summed = true;
                answer = ask(&sum, 1.0);
            }
            match answer {
                Ok(Ok(points)) => {
                    found |= !points.is_empty();
                    for (index, value) in points {
                        let there = &mut values[index];
                        *there = if there.is_nan() { value } else { *there + value };
                    }
                }
                Ok(Err(reason)) => return Ok(Err(unavailable(&range.query, reason))),
                Err(PrometheusError::Query { reason, .. }) => {
                    return Ok(Err(unavailable(&range.query, reason)));
                }
                Err(e) => return Err(e),
            }
        }
        if !found {
            return Ok(Err(unknown(&range.query, format!("nothing is stored for {each}"))));
        }
        Ok(Ok(Series { start: range.start, step: range.step, values, labels: BTreeMap::new() }))
    }

    fn one_latest(
        &self,
        query: &MetricQuery,
        deadline: Instant,
    ) -> Result<Result<Sample, QueryError>, PrometheusError> {
        // Two samples are needed for a rate.
        let window = self.settings.scrape_interval.mul_f64(4.0);
        let both = self.naming.expression(query, window).and_then(|it| Ok((it, self.naming.moment(query)?)));
        let (expression, moment) = match both {
            Ok(both) => both,
            Err(reason) => return Ok(Err(unknown(query, reason))),
        };
        // One question for value and time, so that they belong together.
        let labelled =
            |text: &str, part: &str| format!("label_replace({text}, \"part\", \"{part}\", \"\", \"\")");
        let question = format!("{} or {}", labelled(&expression, "value"), labelled(&moment, "time"));
        let read = |text: &str| {
            answer::read(text, |series| {
                let part = |name: &str| {
                    let found =
                        series.iter().find(|it| it.metric.get("part").is_some_and(|it| it == name))?;
                    found.value.as_ref()?.1.parse::<f64>().ok().filter(|it| it.is_finite())
                };
                (part("value"), part("time"))
            })
        };
        match self.client.ask("/api/v1/query", &[("query", question)], deadline, read) {
            Ok(Ok((Some(value), Some(at)))) => Ok(Ok(Sample { at: moment_of(at), value })),
            Ok(Ok((None, Some(_)))) => Ok(Err(unavailable(query, "there are too few recent samples".into()))),
            Ok(Ok(_)) => Ok(Err(unknown(query, format!("nothing recent is stored for {expression}")))),
            Ok(Err(reason)) | Err(PrometheusError::Query { reason, .. }) => {
                Ok(Err(unavailable(query, reason)))
            }
            Err(e) => Err(e),
        }
    }

    /// The server.
    pub fn url(&self) -> &str {
        self.client.url()
    }
}

impl MetricsSource for Prometheus {
    type Error = PrometheusError;

    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, PrometheusError> {
        let deadline = Instant::now() + self.settings.range_within;
        queries.iter().map(|query| self.one_range(query, deadline)).collect()
    }

    fn latest(
        &mut self,
        queries: &[MetricQuery],
    ) -> Result<Vec<Result<Sample, QueryError>>, PrometheusError> {
        let deadline = Instant::now() + self.settings.latest_within;
        queries.iter().map(|query| self.one_latest(query, deadline)).collect()
    }
}

/// Points by their place in the range; what lies beside the grid or is not a number is left out.
fn place(series: &[Found<'_>], scale: f64, start: u64, step: u64, samples: u64) -> Vec<(usize, f64)> {
    let points = series.iter().flat_map(|it| &it.values);
    let placed = points.filter_map(|(at, value)| {
        let offset = moment_of(*at).as_unix_ms().checked_sub(start)?;
        let index = offset / step;
        (offset % step == 0 && index < samples)
            .then(|| Some((usize::try_from(index).ok()?, value.parse::<f64>().ok()? * scale)))
            .flatten()
    });
    placed.collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
fn moment_of(seconds: f64) -> Timestamp {
    Timestamp::from_unix_ms((seconds * 1e3).round() as u64)
}

/// Seconds with three digits: exact for milliseconds.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

fn unknown(query: &MetricQuery, reason: String) -> QueryError {
    QueryError::Unknown { subject: query.subject.to_string(), reason }
}

fn unavailable(query: &MetricQuery, reason: String) -> QueryError {
    QueryError::Unavailable { subject: query.subject.to_string(), reason }
}
