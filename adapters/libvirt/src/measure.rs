//! Processor and memory use of machines, from the daemons' statistics of domains.

use crate::fleet::{Fleet, FleetError};
use crate::ground::{Seen, lock};
use ecosystem_core::{
    HostId, MetricKind, MetricQuery, MetricsSource, QueryError, RangeQuery, ReplicaId, ReplicaState, Sample,
    Series, Subject, Timestamp,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};
use virt::sys;

/// Samples of one machine that are kept: two hours of one a second.
const SAMPLES_MAX: usize = 7_200;
/// A machine whose last sample is older does not run there any more.
const STALE_MS: u64 = 10_000;

#[derive(Clone, Copy, Debug)]
struct Use {
    at: u64,
    nanoseconds: u64,
    /// Since the sample before; NaN in the first.
    millicores: f64,
    bytes: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Measured {
    series: BTreeMap<(ReplicaId, HostId), VecDeque<Use>>,
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Measured {
    pub(crate) fn take(&mut self, host: &HostId, all: &[Seen]) {
        let now = unix_ms();
        for seen in all.iter().filter(|it| it.state != ReplicaState::Stopped && !it.travelling) {
            // One that ends meanwhile is not measured.
            let Ok(info) = seen.domain.info() else { continue };
            let stats = seen.domain.memory_stats(0).unwrap_or_default();
            let rss = stats
                .iter()
                .find(|it| it.tag == sys::VIR_DOMAIN_MEMORY_STAT_RSS)
                .map_or(info.memory, |it| it.val);
            let series = self.series.entry((seen.identity.replica.clone(), host.clone())).or_default();
            let before = series.back().filter(|it| it.at < now && it.nanoseconds <= info.cpu_time);
            let rate = |it: &Use| (info.cpu_time - it.nanoseconds) as f64 / (now - it.at) as f64 / 1e3;
            let millicores = before.map_or(f64::NAN, rate);
            series.push_back(Use {
                at: now,
                nanoseconds: info.cpu_time,
                millicores,
                bytes: rss as f64 * 1_024.0,
            });
            if series.len() > SAMPLES_MAX {
                series.pop_front();
            }
        }
        self.series.retain(|_, it| it.back().is_some_and(|it| now.saturating_sub(it.at) < 7_200_000));
    }

    /// Sum over the machines that match, and the oldest time among them; `None` = nothing was measured then.
    fn sum(&self, query: &MetricQuery, moment: u64) -> Option<Sample> {
        let matching = self.series.iter().filter(|((replica, host), _)| match &query.subject {
            Subject::Component(id) => replica.component() == id,
            Subject::Replica(id) => replica == id,
            Subject::Host(id) => host == id,
            _ => false,
        });
        let value = |it: &Use| if query.metric == MetricKind::MemoryBytes { it.bytes } else { it.millicores };
        let seen: Vec<Use> = matching
            .filter_map(|(_, series)| {
                let after = series.partition_point(|it| it.at <= moment);
                let it = *series.get(after.checked_sub(1)?)?;
                (moment - it.at <= STALE_MS && value(&it).is_finite()).then_some(it)
            })
            .collect();
        let oldest = seen.iter().map(|it| it.at).min()?;
        Some(Sample { at: Timestamp::from_unix_ms(oldest), value: seen.iter().map(value).sum() })
    }
}

fn check(query: &MetricQuery) -> Result<(), QueryError> {
    match query.metric {
        MetricKind::CpuMillicores | MetricKind::MemoryBytes => Ok(()),
        _ => Err(QueryError::Unknown {
            subject: query.subject.to_string(),
            reason: "a libvirt fleet measures processor and memory use only".into(),
        }),
    }
}

impl MetricsSource for Fleet {
    type Error = FleetError;

    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, FleetError> {
        let measured = lock(&self.shared.measured);
        let one = |range: &RangeQuery| {
            check(&range.query)?;
            let step = u64::try_from(range.step.as_millis()).unwrap_or(u64::MAX).max(1);
            let span = range.end.as_unix_ms().saturating_sub(range.start.as_unix_ms());
            let (samples, max) = (span.div_ceil(step), SAMPLES_MAX as u64);
            if !(1..=max).contains(&samples) {
                return Err(QueryError::BadRange { samples, max });
            }
            let moment = |k: u64| range.start.as_unix_ms().saturating_add(k.saturating_mul(step));
            let values =
                (0..samples).map(|k| measured.sum(&range.query, moment(k)).map_or(f64::NAN, |it| it.value));
            let values = values.collect();
            Ok(Series { start: range.start, step: range.step, values, labels: BTreeMap::new() })
        };
        Ok(queries.iter().map(one).collect())
    }

    fn latest(&mut self, queries: &[MetricQuery]) -> Result<Vec<Result<Sample, QueryError>>, FleetError> {
        let (measured, now) = (lock(&self.shared.measured), unix_ms());
        let one = |query: &MetricQuery| {
            check(query)?;
            measured.sum(query, now).ok_or_else(|| QueryError::Unavailable {
                subject: query.subject.to_string(),
                reason: "nothing was measured in the last ten seconds".into(),
            })
        };
        Ok(queries.iter().map(one).collect())
    }
}
