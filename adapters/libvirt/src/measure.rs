//! What machines use, as a [`MetricsSource`].

use crate::fleet::{Fleet, FleetError};
use crate::ground::Seen;
use crate::stats::Stats;
use crate::usage::{Figure, figures};
use ecosystem_core::{
    HostId, MetricQuery, MetricsSource, QueryError, RangeQuery, ReplicaId, ReplicaState, Sample, Series,
    Subject, Timestamp,
};
use ecosystem_orders::lock;
use std::collections::{BTreeMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

/// Samples of one machine that are kept: two hours of one a second.
const SAMPLES_MAX: usize = 7_200;
const KEPT_MS: u64 = 7_200_000;
/// A machine whose last sample is older does not run there any more.
const STALE_MS: u64 = 10_000;

/// What a machine used, by [`Figure::ALL`]; NaN where nothing was told.
type Row = [f32; Figure::ALL.len()];

#[derive(Debug, Default)]
struct Machine {
    rows: VecDeque<(u64, Row)>,
    last: Option<(u64, Stats)>,
}

#[derive(Debug, Default)]
pub(crate) struct Measured {
    machines: BTreeMap<(ReplicaId, HostId), Machine>,
}

pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn matches(subject: &Subject, replica: &ReplicaId, host: &HostId) -> bool {
    match subject {
        Subject::Component(id) => replica.component() == id,
        Subject::Replica(id) => replica == id,
        Subject::Host(id) => host == id,
        _ => false,
    }
}

impl Measured {
    /// Takes in what a host's daemon said of its machines. One that is on its way is measured where it arrives.
    pub(crate) fn take(&mut self, host: &HostId, all: &[Seen], stats: Vec<Stats>, now: u64) {
        let mut by_uuid: BTreeMap<String, Stats> =
            stats.into_iter().map(|it| (it.uuid.clone(), it)).collect();
        for seen in all.iter().filter(|it| it.state != ReplicaState::Stopped && !it.travelling) {
            // One that ends meanwhile is not measured.
            let Some(stats) = seen.domain.uuid_string().ok().and_then(|it| by_uuid.remove(&it)) else {
                continue;
            };
            self.add(seen.identity.replica.clone(), host, stats, now);
        }
        self.machines.retain(|_, it| it.last.as_ref().is_some_and(|it| now.saturating_sub(it.0) < KEPT_MS));
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven digits of a measurement are kept")]
    fn add(&mut self, replica: ReplicaId, host: &HostId, stats: Stats, now: u64) {
        let machine = self.machines.entry((replica, host.clone())).or_default();
        let before = machine.last.as_ref().map(|(at, it)| (it, now.saturating_sub(*at)));
        let found = figures(before, &stats);
        let row = Figure::ALL.map(|it| found.get(&it).map_or(f32::NAN, |it| *it as f32));
        machine.rows.push_back((now, row));
        if machine.rows.len() > SAMPLES_MAX {
            machine.rows.pop_front();
        }
        machine.last = Some((now, stats));
    }

    /// Of the machines that match together, and the oldest time among them; `None` = nothing was measured then.
    fn at(&self, subject: &Subject, figure: Figure, moment: u64) -> Option<Sample> {
        let place = Figure::ALL.iter().position(|it| *it == figure)?;
        let matching = self.machines.iter().filter(|((replica, host), _)| matches(subject, replica, host));
        let seen: Vec<(u64, f64)> = matching
            .filter_map(|(_, machine)| {
                let after = machine.rows.partition_point(|it| it.0 <= moment);
                let (at, row) = machine.rows.get(after.checked_sub(1)?)?;
                let value = f64::from(row[place]);
                (moment - at <= STALE_MS && value.is_finite()).then_some((*at, value))
            })
            .collect();
        let oldest = seen.iter().map(|it| it.0).min()?;
        let value = figure.together(seen.iter().map(|it| it.1))?;
        Some(Sample { at: Timestamp::from_unix_ms(oldest), value })
    }
}

fn figure(query: &MetricQuery) -> Result<Figure, QueryError> {
    Figure::of(&query.metric).ok_or_else(|| QueryError::Unknown {
        subject: query.subject.to_string(),
        reason: "a libvirt fleet measures processors, memory, network and disks of machines (`Figure`)"
            .into(),
    })
}

impl MetricsSource for Fleet {
    type Error = FleetError;

    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, FleetError> {
        let measured = lock(&self.shared.measured);
        let one = |range: &RangeQuery| {
            let figure = figure(&range.query)?;
            let step = u64::try_from(range.step.as_millis()).unwrap_or(u64::MAX).max(1);
            let span = range.end.as_unix_ms().saturating_sub(range.start.as_unix_ms());
            let (samples, max) = (span.div_ceil(step), SAMPLES_MAX as u64);
            if !(1..=max).contains(&samples) {
                return Err(QueryError::BadRange { samples, max });
            }
            let moment = |k: u64| range.start.as_unix_ms().saturating_add(k.saturating_mul(step));
            let value =
                |k| measured.at(&range.query.subject, figure, moment(k)).map_or(f64::NAN, |it| it.value);
            let values = (0..samples).map(value).collect();
            Ok(Series { start: range.start, step: range.step, values, labels: BTreeMap::new() })
        };
        Ok(queries.iter().map(one).collect())
    }

    fn latest(&mut self, queries: &[MetricQuery]) -> Result<Vec<Result<Sample, QueryError>>, FleetError> {
        let (measured, now) = (lock(&self.shared.measured), unix_ms());
        let one = |query: &MetricQuery| {
            let figure = figure(query)?;
            measured.at(&query.subject, figure, now).ok_or_else(|| QueryError::Unavailable {
                subject: query.subject.to_string(),
                reason: format!("no {figure:?} was told in the last ten seconds"),
            })
        };
        Ok(queries.iter().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_of_a_component_are_added_up_and_the_busiest_processor_is_the_busiest_of_all() {
        let mut measured = Measured::default();
        let host: HostId = "a".parse().expect("an id");
        for (at, grown) in [(1_000, 0), (2_000, 1)] {
            for (index, share) in [(0, 200_000_000), (1, 300_000_000)] {
                let counter = |name: &str| (name.to_owned(), 1_000 + grown * share);
                let numbers = [counter("cpu.time"), counter("vcpu.0.time")].into_iter().collect();
                let stats = Stats { uuid: index.to_string(), life: 1, numbers, names: BTreeMap::new() };
                let web = format!("web#{index}").parse().expect("an id");
                measured.add(web, &host, stats, at);
            }
        }
        let web = Subject::Component("web".parse().expect("an id"));
        let value = |figure, moment| measured.at(&web, figure, moment).map(|it| it.value.round());
        assert_eq!(value(Figure::Processor, 2_500), Some(500.0));
        assert_eq!(value(Figure::BusiestVcpu, 2_500), Some(300.0));
        assert_eq!(value(Figure::Processor, 1_500), None, "one reading is no rate");
        assert_eq!(value(Figure::Processor, 12_001), None, "too old");
        assert_eq!(value(Figure::NetSent, 2_500), None, "without an interface");
    }
}
