//! Ranges and newest samples.

use crate::answer::Gathered;
use crate::client::Client;
use crate::request::{Order, QUERIES_MAX, Stretch, Wanted};
use crate::{CloudWatchError, Credentials, Http, Metric, Naming, Settings, Transport};
use ecosystem_core::{MetricQuery, MetricsSource, QueryError, RangeQuery, Sample, Series, Timestamp};
use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Largest number of samples in one series of an answer: 455 days of minutes, all that there is.
const SAMPLES_MAX: u64 = 655_200;
/// Requests of one call that may be spent on finding the query that the service refuses.
const SEARCH_MAX: u32 = 64;
const DAY_S: u64 = 86_400;

/// Amazon CloudWatch.
///
/// A call fails as a whole if the service cannot be reached, is slow, in trouble, refuses the credentials or talks nonsense, after a
/// bounded number of attempts. A query that it refuses, does not know or answers only in part fails alone: when it refuses a request,
/// the request is halved until the query is found.
#[derive(Debug)]
pub struct CloudWatch {
    client: Client,
    naming: Naming,
}

/// One query's way through a request.
struct Asked {
    place: usize,
    wanted: Wanted,
}

type Answers = Vec<Option<Result<Gathered, String>>>;

impl CloudWatch {
    /// A source over HTTP; nothing is asked yet.
    pub fn new(settings: Settings, credentials: Credentials, naming: Naming) -> Self {
        Self::over(Http::default(), settings, credentials, naming)
    }

    /// A source over a transport of your own.
    pub fn over(
        transport: impl Transport + 'static,
        settings: Settings,
        credentials: Credentials,
        naming: Naming,
    ) -> Self {
        let transport = Box::new(transport);
        Self { client: Client { settings, credentials, transport, clock: system_time }, naming }
    }

    /// Another clock than the system's, which signatures and the newest samples go by.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> Timestamp) -> Self {
        self.client.clock = clock;
        self
    }

    /// New keys, as those for a time run out.
    pub fn renew(&mut self, credentials: Credentials) {
        self.client.credentials = credentials;
    }

    /// Asks for the series of one stretch, 500 at a time.
    fn ask(
        &mut self,
        asked: &[Asked],
        stretch: Stretch,
        deadline: Instant,
        answers: &mut Answers,
    ) -> Result<(), CloudWatchError> {
        let mut search = SEARCH_MAX;
        for chunk in asked.chunks(QUERIES_MAX) {
            self.ask_or_halve(chunk, stretch, deadline, &mut search, answers)?;
        }
        Ok(())
    }

    fn ask_or_halve(
        &mut self,
        asked: &[Asked],
        stretch: Stretch,
        deadline: Instant,
        search: &mut u32,
        answers: &mut Answers,
    ) -> Result<(), CloudWatchError> {
        let wanted: Vec<Wanted> = asked.iter().map(|it| it.wanted.clone()).collect();
        match self.client.gather(&wanted, stretch, deadline) {
            Ok(gathered) => {
                for (it, found) in asked.iter().zip(gathered) {
                    answers[it.place] = Some(Ok(found));
                }
                Ok(())
            }
            Err(CloudWatchError::Refused { code, reason, .. }) if asked.len() == 1 || *search < 2 => {
                for it in asked {
                    answers[it.place] = Some(Err(format!("{code}: {reason}")));
                }
                Ok(())
            }
            Err(CloudWatchError::Refused { .. }) => {
                *search -= 2;
                let (left, right) = asked.split_at(asked.len() / 2);
                self.ask_or_halve(left, stretch, deadline, search, answers)?;
                self.ask_or_halve(right, stretch, deadline, search, answers)
            }
            Err(e) => Err(e),
        }
    }
}

/// A range on the service's grid.
struct Grid {
    metric: Metric,
    period_s: u64,
    start_s: u64,
    samples: u64,
}

fn grid(naming: &Naming, range: &RangeQuery, now: Timestamp) -> Result<Grid, QueryError> {
    let step = u64::try_from(range.step.as_millis()).unwrap_or(u64::MAX).max(1);
    let (start, end) = (range.start.as_unix_ms(), range.end.as_unix_ms());
    let samples = end.saturating_sub(start).div_ceil(step);
    if !(1..=SAMPLES_MAX).contains(&samples) {
        return Err(QueryError::BadRange { samples, max: SAMPLES_MAX });
    }
    let metric = naming.resolve(&range.query).map_err(|reason| unknown(&range.query, reason))?;
    let period_s = step / 1_000;
    let known = matches!(period_s, 1 | 5 | 10 | 20 | 30) || (period_s > 0 && period_s.is_multiple_of(60));
    if !known || !step.is_multiple_of(1_000) {
        let reason =
            format!("a step of {step} ms is no period: expected 1, 5, 10, 20, 30 or a multiple of 60 s");
        return Err(unavailable(&range.query, reason));
    }
    let start_s = start / 1_000 / period_s * period_s;
    let age_s = (now.as_unix_ms() / 1_000).saturating_sub(start_s);
    let kept = match age_s {
        0..10_800 => 1,
        10_800..1_296_000 => 60,
        1_296_000..5_443_200 => 300,
        _ => 3_600,
    };
    if !period_s.is_multiple_of(kept) {
        let days = age_s / DAY_S;
        let reason =
            format!("of what is {days} days old only periods of {kept} s are kept, asked for {period_s} s");
        return Err(unavailable(&range.query, reason));
    }
    Ok(Grid { metric, period_s, start_s, samples })
}

impl Grid {
    fn end_s(&self) -> u64 {
        self.start_s.saturating_add(self.samples.saturating_mul(self.period_s))
    }

    /// Values by period; what lies beside the range is left out, gaps stay gaps.
    fn series(&self, start: Timestamp, step: Duration, found: &Gathered) -> Series {
        let mut values = vec![f64::NAN; usize::try_from(self.samples).unwrap_or(usize::MAX)];
        let factor = self.metric.factor(self.period_s);
        for (second, value) in &found.points {
            let index = second.checked_sub(self.start_s).map(|it| it / self.period_s);
            let there = index.and_then(|it| values.get_mut(usize::try_from(it).ok()?));
            if let Some(there) = there {
                *there = value * factor;
            }
        }
        Series { start, step, values, labels: BTreeMap::new() }
    }
}

impl MetricsSource for CloudWatch {
    type Error = CloudWatchError;

    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, CloudWatchError> {
        let deadline = Instant::now() + self.client.settings.range_within;
        let now = (self.client.clock)();
        let grids: Vec<Result<Grid, QueryError>> =
            queries.iter().map(|range| grid(&self.naming, range, now)).collect();
        // Start and end are those of a request, not of a query.
        let mut stretches: BTreeMap<(u64, u64), Vec<Asked>> = BTreeMap::new();
        for (place, grid) in grids.iter().enumerate() {
            let Ok(grid) = grid else { continue };
            let wanted = Wanted { metric: grid.metric.clone(), period_s: grid.period_s };
            stretches.entry((grid.start_s, grid.end_s())).or_default().push(Asked { place, wanted });
        }
        let mut answers: Answers = vec![None; queries.len()];
        for ((start_s, end_s), asked) in &stretches {
            let stretch = Stretch { start_s: *start_s, end_s: *end_s, order: Order::Ascending };
            self.ask(asked, stretch, deadline, &mut answers)?;
        }
        let each = queries.iter().zip(grids).zip(answers).map(|((range, grid), answer)| {
            let (grid, found) = (grid?, whole(&range.query, answer)?);
            if found.points.is_empty() {
                return Err(unknown(&range.query, nothing(&grid.metric)));
            }
            Ok(grid.series(range.start, range.step, &found))
        });
        Ok(each.collect())
    }

    fn latest(
        &mut self,
        queries: &[MetricQuery],
    ) -> Result<Vec<Result<Sample, QueryError>>, CloudWatchError> {
        let settings = &self.client.settings;
        let deadline = Instant::now() + settings.latest_within;
        let (period_s, back_s) = (settings.latest_period.as_secs().max(1), settings.latest_back.as_secs());
        let now = (self.client.clock)();
        let end_s = (now.as_unix_ms() / 1_000 / period_s + 1) * period_s;
        let start_s = end_s.saturating_sub(back_s.div_ceil(period_s).max(1) * period_s);
        let stretch = Stretch { start_s, end_s, order: Order::Descending };
        let metrics: Vec<Result<Metric, String>> = queries.iter().map(|it| self.naming.resolve(it)).collect();
        let wanted = |metric: &Metric| Wanted { metric: metric.clone(), period_s };
        let asked = metrics.iter().enumerate();
        let asked: Vec<Asked> = asked
            .filter_map(|(place, it)| Some(Asked { place, wanted: wanted(it.as_ref().ok()?) }))
            .collect();
        let mut answers: Answers = vec![None; queries.len()];
        self.ask(&asked, stretch, deadline, &mut answers)?;
        let each = queries.iter().zip(metrics).zip(answers).map(|((query, metric), answer)| {
            let metric = metric.map_err(|reason| unknown(query, reason))?;
            let found = whole(query, answer)?;
            let (second, value) =
                found.points.last_key_value().ok_or_else(|| unknown(query, nothing(&metric)))?;
            // The last period may not be over.
            let end = Timestamp::from_unix_ms(second.saturating_add(period_s).saturating_mul(1_000));
            Ok(Sample { at: end.min(now), value: value * metric.factor(period_s) })
        });
        Ok(each.collect())
    }
}

fn whole(query: &MetricQuery, answer: Option<Result<Gathered, String>>) -> Result<Gathered, QueryError> {
    let found = answer.unwrap_or_else(|| Err("it was not asked for".into()));
    let found = found.map_err(|reason| unavailable(query, reason))?;
    match found.lacking() {
        Some(reason) => Err(unavailable(query, reason)),
        None => Ok(found),
    }
}

fn nothing(metric: &Metric) -> String {
    format!("nothing is stored of {}/{} with {:?}", metric.namespace, metric.name, metric.dimensions)
}

fn unknown(query: &MetricQuery, reason: String) -> QueryError {
    QueryError::Unknown { subject: query.subject.to_string(), reason }
}

fn unavailable(query: &MetricQuery, reason: String) -> QueryError {
    QueryError::Unavailable { subject: query.subject.to_string(), reason }
}

fn system_time() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
