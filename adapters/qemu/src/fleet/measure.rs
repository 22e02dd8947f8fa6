//! Processor and memory use of machines, hosts and components.

use super::link::Seen;
use super::{Fleet, FleetError};
use crate::machine::lock;
use ecosystem_core::{
    HostId, MetricKind, MetricQuery, MetricsSource, QueryError, RangeQuery, ReplicaId, Sample, Series,
    Subject, Timestamp,
};
use std::collections::{BTreeMap, VecDeque};

/// Largest number of samples in one answer: as many as are kept.
const SAMPLES_MAX: u64 = 7_200;
/// A machine whose last sample is older does not run there any more.
const STALE_MS: u64 = 5_000;

fn matches(subject: &Subject, replica: &ReplicaId, host: &HostId) -> bool {
    match subject {
        Subject::Component(id) => replica.component() == id,
        Subject::Replica(id) => replica == id,
        Subject::Host(id) => host == id,
        _ => false,
    }
}

/// The newest sample at or before a moment that is not stale.
fn at(series: &VecDeque<Seen>, moment: u64) -> Option<Seen> {
    let after = series.partition_point(|it| it.at_unix_ms <= moment);
    let seen = *series.get(after.checked_sub(1)?)?;
    (moment - seen.at_unix_ms <= STALE_MS).then_some(seen)
}

impl Fleet {
    /// Sum over the machines that match, and the oldest time among them; `None` = nothing was measured then.
    fn sum(&self, query: &MetricQuery, moment: u64) -> Option<Sample> {
        let measured = lock(&self.measured);
        let seen: Vec<Seen> = measured
            .samples
            .iter()
            .filter(|((replica, host), _)| matches(&query.subject, replica, host))
            .filter_map(|(_, series)| at(series, moment))
            .collect();
        let oldest = seen.iter().map(|it| it.at_unix_ms).min()?;
        let value = |it: &Seen| if query.metric == MetricKind::MemoryBytes { it.rss } else { it.millicores };
        Some(Sample { at: Timestamp::from_unix_ms(oldest), value: seen.iter().map(value).sum() })
    }

    fn check(query: &MetricQuery) -> Result<(), QueryError> {
        match query.metric {
            MetricKind::CpuMillicores | MetricKind::MemoryBytes => Ok(()),
            _ => Err(QueryError::Unknown {
                subject: query.subject.to_string(),
                reason: "a QEMU fleet measures processor and memory use only".into(),
            }),
        }
    }
}

impl MetricsSource for Fleet {
    type Error = FleetError;

    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, FleetError> {
        let one = |range: &RangeQuery| {
            Self::check(&range.query)?;
            let step = u64::try_from(range.step.as_millis()).unwrap_or(u64::MAX).max(1);
            let span = range.end.as_unix_ms().saturating_sub(range.start.as_unix_ms());
            let samples = span.div_ceil(step);
            if !(1..=SAMPLES_MAX).contains(&samples) {
                return Err(QueryError::BadRange { samples, max: SAMPLES_MAX });
            }
            let moment = |k: u64| range.start.as_unix_ms().saturating_add(k.saturating_mul(step));
            let values: Vec<f64> = (0..samples)
                .map(|k| self.sum(&range.query, moment(k)).map_or(f64::NAN, |it| it.value))
                .collect();
            Ok(Series { start: range.start, step: range.step, values, labels: BTreeMap::new() })
        };
        Ok(queries.iter().map(one).collect())
    }

    fn latest(&mut self, queries: &[MetricQuery]) -> Result<Vec<Result<Sample, QueryError>>, FleetError> {
        let now = crate::host::unix_ms();
        let one = |query: &MetricQuery| {
            Self::check(query)?;
            self.sum(query, now).ok_or_else(|| QueryError::Unavailable {
                subject: query.subject.to_string(),
                reason: "nothing was measured in the last five seconds".into(),
            })
        };
        Ok(queries.iter().map(one).collect())
    }
}
