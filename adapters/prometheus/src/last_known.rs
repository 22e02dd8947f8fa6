//! A source that goes on with the last good samples when the server fails.

use ecosystem_core::{MetricQuery, MetricsSource, QueryError, RangeQuery, Sample, Series};
use std::collections::BTreeMap;

/// A source around another one.
///
/// [`latest`](MetricsSource::latest) never fails as a whole: while the server does, samples come from memory *with their
/// own times*, so that whoever uses them sees their age (the driver of the façade does not use samples older than two
/// minutes, and says so), and [`trouble`](Self::trouble) tells why. Ranges are passed on as they are.
#[derive(Debug)]
pub struct LastKnown<M> {
    inner: M,
    // One sample for every query that was ever answered.
    known: BTreeMap<MetricQuery, Sample>,
    trouble: Option<String>,
}

impl<M: MetricsSource> LastKnown<M> {
    /// A source that knows nothing yet.
    pub const fn new(inner: M) -> Self {
        Self { inner, known: BTreeMap::new(), trouble: None }
    }

    /// Why the last call of `latest` was answered from memory, if it was.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The source inside.
    pub const fn inner_mut(&mut self) -> &mut M {
        &mut self.inner
    }

    fn remembered(&self, query: &MetricQuery, reason: &str) -> Result<Sample, QueryError> {
        self.known.get(query).copied().ok_or_else(|| QueryError::Unavailable {
            subject: query.subject.to_string(),
            reason: reason.to_owned(),
        })
    }
}

impl<M: MetricsSource> MetricsSource for LastKnown<M> {
    type Error = M::Error;

    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, M::Error> {
        self.inner.range(queries)
    }

    fn latest(&mut self, queries: &[MetricQuery]) -> Result<Vec<Result<Sample, QueryError>>, M::Error> {
        self.trouble = None;
        let answers = match self.inner.latest(queries) {
            Ok(answers) => answers,
            Err(error) => {
                let reason = error.to_string();
                self.trouble = Some(reason.clone());
                return Ok(queries.iter().map(|query| self.remembered(query, &reason)).collect());
            }
        };
        let keep = |(query, answer): (&MetricQuery, Result<Sample, QueryError>)| match answer {
            Ok(sample) => {
                self.known.insert(query.clone(), sample);
                Ok(sample)
            }
            Err(error @ QueryError::Unavailable { .. }) if self.known.contains_key(query) => {
                self.trouble = Some(error.to_string());
                self.remembered(query, "")
            }
            Err(error) => Err(error),
        };
        Ok(queries.iter().zip(answers).map(keep).collect())
    }
}
