//! Processor and memory use of instances, from the measurements of each member.

use crate::LxdError;
use crate::cluster::{Cluster, Shared};
use crate::ground::Ground;
use crate::wire::Server;
use ecosystem_core::{
    HostId, MetricKind, MetricQuery, MetricsSource, QueryError, RangeQuery, ReplicaId, Sample, Series,
    Subject, Timestamp, prometheus,
};
use ecosystem_orders::lock;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Samples of one instance that are kept: a day of one every ten seconds.
const SAMPLES_MAX: usize = 8_640;

/// How long, in milliseconds, a member answers with what it measured before. The same text after that is a new
/// measurement of something idle.
const CACHED_MS: u64 = 8_000;

/// One measurement of one instance.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    at: u64,
    /// Since the sample before; NaN in the first.
    millicores: f64,
    bytes: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// By instance, so that a replica that moved begins anew.
    series: BTreeMap<(ReplicaId, HostId), VecDeque<Seen>>,
    /// The last counter of processor seconds of an instance, and when it was read.
    counters: BTreeMap<String, (u64, f64)>,
    /// The last text of a member that was taken in, and when.
    texts: BTreeMap<PathBuf, (u64, String)>,
}

/// Counter of processor seconds and bytes of memory of every instance in a member's text.
fn read(text: &str, project: &str) -> Result<BTreeMap<String, (f64, f64)>, prometheus::PrometheusError> {
    let mut found: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let mut total: BTreeMap<String, f64> = BTreeMap::new();
    for family in prometheus::parse(text)? {
        for sample in family.samples {
            let Some(name) = sample.label("name").filter(|_| sample.label("project") == Some(project)) else {
                continue;
            };
            let use_of = found.entry(name.to_owned()).or_default();
            match &*sample.name {
                "lxd_cpu_seconds_total" => use_of.0 += sample.value,
                "lxd_memory_MemTotal_bytes" => *total.entry(name.to_owned()).or_default() += sample.value,
                "lxd_memory_MemFree_bytes" => use_of.1 -= sample.value,
                _ => {}
            }
        }
    }
    for (name, it) in &mut found {
        it.1 += total.get(name).copied().unwrap_or(f64::NAN);
    }
    Ok(found)
}

impl Measured {
    /// Takes in a text, unless it was read from the member's cache.
    fn take(
        &mut self,
        socket: &PathBuf,
        text: &str,
        at: u64,
        project: &str,
        whose: &BTreeMap<&str, (ReplicaId, HostId)>,
    ) {
        let cached = |it: &(u64, String)| it.1 == text && at < it.0.saturating_add(CACHED_MS);
        if self.texts.get(socket).is_some_and(cached) {
            return;
        }
        let Ok(found) = read(text, project) else { return };
        self.texts.insert(socket.clone(), (at, text.to_owned()));
        for (name, (seconds, bytes)) in found {
            let Some(key) = whose.get(name.as_str()) else { continue };
            let before = self.counters.insert(name, (at, seconds));
            // A counter that fell began anew.
            let rate = before.filter(|it| it.0 < at && it.1 <= seconds);
            let millicores = rate.map_or(f64::NAN, |(then, was)| (seconds - was) / (at - then) as f64 * 1e6);
            let series = self.series.entry(key.clone()).or_default();
            series.push_back(Seen { at, millicores, bytes });
            if series.len() > SAMPLES_MAX {
                series.pop_front();
            }
        }
    }

    /// Forgets what has not been seen for a day, and counters of instances that are gone.
    fn trim(&mut self, now: u64, whose: &BTreeMap<&str, (ReplicaId, HostId)>) {
        self.series.retain(|_, it| it.back().is_some_and(|it| now.saturating_sub(it.at) < 86_400_000));
        self.counters.retain(|name, _| whose.contains_key(name.as_str()));
    }

    /// Sum over the instances that match, and the oldest time among them; `None` = nothing was measured then.
    fn sum(&self, query: &MetricQuery, moment: u64, stale: u64) -> Option<Sample> {
        let matching = self.series.iter().filter(|((replica, host), _)| match &query.subject {
            Subject::Component(id) => replica.component() == id,
            Subject::Replica(id) => replica == id,
            Subject::Host(id) => host == id,
            _ => false,
        });
        let value = |it: &Seen| match query.metric {
            MetricKind::MemoryBytes => it.bytes,
            _ => it.millicores,
        };
        let seen: Vec<(u64, f64)> = matching
            .filter_map(|(_, series)| {
                let after = series.partition_point(|it| it.at <= moment);
                let it = series.get(after.checked_sub(1)?)?;
                (moment - it.at <= stale && value(it).is_finite()).then(|| (it.at, value(it)))
            })
            .collect();
        let oldest = seen.iter().map(|it| it.0).min()?;
        Some(Sample { at: Timestamp::from_unix_ms(oldest), value: seen.iter().map(|it| it.1).sum() })
    }
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Shared {
    pub(crate) fn measure(&self) {
        let mut names: BTreeMap<PathBuf, String> = BTreeMap::new();
        while !self.is_over() {
            if let Ok(ground) = Ground::look(&self.api) {
                for socket in &self.settings.sockets {
                    if !names.contains_key(socket)
                        && let Ok(server) = self.api.only(socket).get::<Server>("")
                    {
                        names.insert(socket.clone(), server.environment.server_name);
                    }
                    let (Some(member), Ok(text)) = (names.get(socket), self.api.metrics(socket)) else {
                        continue;
                    };
                    let here = ground.ours().filter(|it| it.1.as_str() == member);
                    let whose = here.map(|(who, host, it)| (it.name.as_str(), (who, host.clone()))).collect();
                    lock(&self.measured).take(socket, &text, unix_ms(), &self.settings.project, &whose);
                }
                let all =
                    ground.ours().map(|(who, host, it)| (it.name.as_str(), (who, host.clone()))).collect();
                lock(&self.measured).trim(unix_ms(), &all);
            }
            self.rest(self.settings.measure_every);
        }
    }

    /// A sample that is older does not count: three measurements were missed.
    fn stale(&self) -> u64 {
        u64::try_from(self.settings.measure_every.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_mul(3)
            .max(30_000)
    }
}

fn check(query: &MetricQuery) -> Result<(), QueryError> {
    match query.metric {
        MetricKind::CpuMillicores | MetricKind::MemoryBytes => Ok(()),
        _ => Err(QueryError::Unknown {
            subject: query.subject.to_string(),
            reason: "an LXD cluster measures processor and memory use only".into(),
        }),
    }
}

impl MetricsSource for Cluster {
    type Error = LxdError;

    fn range(&mut self, queries: &[RangeQuery]) -> Result<Vec<Result<Series, QueryError>>, LxdError> {
        let (measured, stale) = (lock(&self.shared.measured), self.shared.stale());
        let one = |range: &RangeQuery| {
            check(&range.query)?;
            let step = u64::try_from(range.step.as_millis()).unwrap_or(u64::MAX).max(1);
            let span = range.end.as_unix_ms().saturating_sub(range.start.as_unix_ms());
            let (samples, max) = (span.div_ceil(step), SAMPLES_MAX as u64);
            if !(1..=max).contains(&samples) {
                return Err(QueryError::BadRange { samples, max });
            }
            let moment = |k: u64| range.start.as_unix_ms().saturating_add(k.saturating_mul(step));
            let value = |k| measured.sum(&range.query, moment(k), stale).map_or(f64::NAN, |it| it.value);
            let values = (0..samples).map(value).collect();
            Ok(Series { start: range.start, step: range.step, values, labels: BTreeMap::new() })
        };
        Ok(queries.iter().map(one).collect())
    }

    fn latest(&mut self, queries: &[MetricQuery]) -> Result<Vec<Result<Sample, QueryError>>, LxdError> {
        let (measured, stale, now) = (lock(&self.shared.measured), self.shared.stale(), unix_ms());
        let one = |query: &MetricQuery| {
            check(query)?;
            measured.sum(query, now, stale).ok_or_else(|| QueryError::Unavailable {
                subject: query.subject.to_string(),
                reason: format!("nothing was measured in the last {} s", stale / 1_000),
            })
        };
        Ok(queries.iter().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# HELP lxd_cpu_seconds_total The total number of CPU time used in seconds.\n\
                        # TYPE lxd_cpu_seconds_total counter\n";

    fn text(user: f64, free: f64) -> String {
        let labels = "name=\"w1\",project=\"default\",type=\"container\"";
        format!(
            "{HEAD}lxd_cpu_seconds_total{{cpu=\"0\",mode=\"user\",{labels}}} {user}\n\
             lxd_cpu_seconds_total{{cpu=\"1\",mode=\"system\",{labels}}} 1\n\
             # TYPE lxd_memory_MemFree_bytes gauge\nlxd_memory_MemFree_bytes{{{labels}}} {free}\n\
             # TYPE lxd_memory_MemTotal_bytes gauge\nlxd_memory_MemTotal_bytes{{{labels}}} 3.3554432e+07\n# EOF\n"
        )
    }

    #[test]
    fn use_is_the_rate_between_two_measurements_and_a_cached_text_is_none() {
        let web: ReplicaId = "web#0".parse().expect("a replica");
        let host = HostId::new("m1").expect("a host");
        let whose = BTreeMap::from([("w1", (web.clone(), host))]);
        let (mut measured, socket) = (Measured::default(), PathBuf::from("/s"));
        let query = |metric| MetricQuery { subject: Subject::Replica(web.clone()), metric };
        measured.take(&socket, &text(2.0, 1e7), 1_000, "default", &whose);
        assert_eq!(measured.sum(&query(MetricKind::CpuMillicores), 1_000, 9), None, "one reading is no rate");
        measured.take(&socket, &text(2.0, 1e7), 5_000, "default", &whose);
        measured.take(&socket, &text(4.5, 2e7), 11_000, "default", &whose);
        let found = measured.sum(&query(MetricKind::CpuMillicores), 11_500, 1_000).expect("measured");
        assert!((found.value - 250.0).abs() < 1e-9 && found.at.as_unix_ms() == 11_000, "{found:?}");
        let memory = measured.sum(&query(MetricKind::MemoryBytes), 11_500, 1_000).expect("measured");
        assert!((memory.value - 13_554_432.0).abs() < 1.0, "{memory:?}");
        assert_eq!(measured.sum(&query(MetricKind::MemoryBytes), 13_500, 1_000), None, "too old");
        // What idles is measured again as soon as the cache cannot have been meant.
        measured.take(&socket, &text(4.5, 2e7), 18_000, "default", &whose);
        assert_eq!(measured.sum(&query(MetricKind::MemoryBytes), 18_500, 1_000), None, "cached");
        measured.take(&socket, &text(4.5, 2e7), 19_000, "default", &whose);
        let idle = measured.sum(&query(MetricKind::CpuMillicores), 19_500, 1_000).expect("measured");
        assert!(idle.value == 0.0 && idle.at.as_unix_ms() == 19_000, "{idle:?}");
        // Restarted: the counter begins anew, and there is no rate.
        measured.take(&socket, &text(0.1, 2e7), 21_000, "default", &whose);
        assert_eq!(measured.sum(&query(MetricKind::CpuMillicores), 21_000, 1_000), None);
        // Another project's instance of the same name is somebody else's.
        assert!(read(&text(1.0, 1.0), "other").is_ok_and(|it| it.is_empty()));
    }
}
